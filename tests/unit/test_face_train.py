"""Face recognisers: who is held out, what chooses the epoch, what a run leaves, and that it learns."""

import json

import numpy as np
import pytest
from facetory.faces.face_set import file_entry, read_face_set, write_face_file
from facetory.metrics.folds import kfold
from facetory.pipeline.files import FacetoryError, write_json, write_tensors
from facetory.recognition.face_data import examined, faces_of, pairs, split, summed, verified
from facetory.recognition.face_model import load_face_recognizer
from facetory.recognition.face_spec import FaceRecognizerSpec
from facetory.recognition.face_task import Ahead, FaceRecognition
from facetory.recognition.face_train import schedule_of, train_face_recognizer
from facetory.recognition.iresnet import iresnet
from safetensors.numpy import load_file

PX, PEOPLE, IMAGES = 32, 10, 8
TINY = {
    "dataset": "drawn",
    "faces": "face_sets/drawn",
    "network": "small",
    "px": PX,
    "embedding": 16,
    "dropout": 0.0,
    "batch_size": 32,
    "lr": 1.6,
    "epochs": 8,
    "patience": 0,
    "schedule": "milestones",
    "validation_least": 3,
    "augment": False,
}


def spec(**own):
    return FaceRecognizerSpec(**TINY | own)


def drawn_faces(people, images, seed=0):
    """Faces of people who differ in a coarse pattern: (people · images, 3, PX, PX), and who each shows."""
    draw = np.random.default_rng(seed)
    patterns = draw.integers(40, 216, (people, 3, 4, 4)).repeat(PX // 4, 2).repeat(PX // 4, 3)
    patterns = (patterns + patterns[..., ::-1]) // 2
    identity = np.repeat(np.arange(people), images)
    noise = draw.normal(0, 30, (people * images, 3, PX, PX))
    return np.clip(patterns[identity] + noise, 0, 255).astype(np.uint8), identity


def made(folder, status="gathered"):
    images, identity = drawn_faces(PEOPLE, IMAGES)
    path = folder / "faces.safetensors"
    names = {number: f"p{number}" for number in range(PEOPLE)}
    image = np.tile(np.arange(IMAGES), PEOPLE)
    write_face_file(path, images, identity, image, np.ones(len(image), bool), names)
    about = {"dataset": "drawn", "split": "train", "synthetic": True, "title": "Drawn"}
    files = [file_entry(folder, path)]
    reason = {} if status == "gathered" else {"reason": "the generator diverged"}
    record = {"status": status, **reason, "px": PX, "about": about, "files": files, "identities": PEOPLE}
    write_json(folder / "manifest.json", record)
    return folder / "manifest.json"


@pytest.fixture(scope="module")
def face_set(tmp_path_factory):
    return made(tmp_path_factory.mktemp("faces"))


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory):
    """Forty pairs of ten other people."""
    images, identity = drawn_faces(10, 8, seed=1)
    draw = np.random.default_rng(2)
    same = np.arange(40) % 2 == 0
    first = draw.integers(0, 80, 40)
    alike = (identity[first][:, None] == identity) == same[:, None]
    second = [draw.choice(np.flatnonzero(row)) for row in alike]
    folder = tmp_path_factory.mktemp("bench") / "drawn-pairs"
    both = np.stack([images[first], images[second]], 1).reshape(80, 3, PX, PX)
    write_tensors(folder / "pairs.safetensors", {"images": both, "same": same, "fold": kfold(40, 10)})
    write_json(folder / "manifest.json", {"status": "read"})
    return folder


def trained(spec, face_set, folder, benchmarks=()):
    train_face_recognizer(spec, face_set, folder / "run", folder / "checkpoints", "cpu", benchmarks)
    return json.loads((folder / "run" / "manifest.json").read_text())


def course(folder):
    lines = [json.loads(line) for line in (folder / "run" / "progress.jsonl").read_text().splitlines()]
    return [line["validation"] for line in lines if "validation" in line], [
        line for line in lines if "loss" in line
    ]


@pytest.fixture(scope="module")
def run(face_set, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return folder, trained(spec(), face_set, folder)


def test_it_learns_to_tell_strangers_apart(run):
    folder, manifest = run
    validations, losses = course(folder)
    assert losses[-1]["loss"] < losses[0]["loss"] / 2
    assert losses[-1]["accuracy"] > 0.9 > losses[0]["accuracy"]
    assert max(scores["accuracy"] for scores in validations) > 0.9
    assert manifest["status"] == "trained"
    assert manifest["training"]["best"] == max(scores["accuracy"] for scores in validations)
    assert manifest["training"]["best_epoch"] <= manifest["training"]["epochs"] == 8


def test_the_manifest_says_what_it_learnt_from(run):
    _, manifest = run
    data = manifest["data"]
    assert (data["identities"], data["images"], len(data["held_out"])) == (7, 56, 3)
    assert data["chosen_on"]["genuine"] == 3 * 8 * 7 // 2 and data["chosen_on"]["impostor"] == 3 * 8 * 8
    assert manifest["augmentation"] == {"mirrored": 0.5} and data["about"]["synthetic"]


def test_the_model_alone_is_left_and_describes_faces_one_by_one(run):
    folder, _ = run
    names = load_file(folder / "run" / "weights.safetensors").keys()
    assert "fc.weight" in names and not any("prototype" in name for name in names)
    describe, about = load_face_recognizer(folder / "run")
    images, identity = drawn_faces(5, 4, seed=3)
    features = describe(images)
    assert features.shape == (20, 16) and features.dtype == np.float32 and about["network"] == "small"
    assert np.array_equal(np.concatenate([describe(images[:7]), describe(images[7:])]), features)
    units = summed(images, describe)
    cosines, same = units @ units.T, identity[:, None] == identity
    assert cosines[same].mean() > cosines[~same].mean() + 0.3


def test_another_file_is_no_recogniser(tmp_path):
    write_tensors(tmp_path / "weights.safetensors", {"a": np.zeros(2)}, {"network": "small", "px": 32})
    with pytest.raises(FacetoryError, match="no face recogniser"):
        load_face_recognizer(tmp_path)


def test_nobody_is_on_both_sides(face_set):
    faces = read_face_set(face_set)
    chosen = split(faces, 0.4, 2, seed=5)
    assert len(chosen.strangers) == 4 and not set(chosen.strangers) & set(chosen.people)
    assert not set(faces.identity[chosen.training]) & set(faces.identity[chosen.held_out])
    assert np.array_equal(chosen.people[chosen.labels], faces.identity[chosen.training])
    assert len(chosen.training) + len(chosen.held_out) == len(faces.identity)
    assert len(split(faces, 0.02, 3, seed=5).strangers) == 3
    assert not np.array_equal(split(faces, 0.4, 2, seed=6).strangers, chosen.strangers)
    with pytest.raises(FacetoryError, match="validation_least"):
        split(faces, 0.0, 9, seed=0)


def test_pairs_are_of_one_person_or_of_two_and_never_twice():
    identity, among = np.repeat(np.arange(6), 5), np.arange(10, 30)
    genuine, impostor = pairs(identity, among, seed=0)
    assert len(genuine) == 4 * 10 and len(impostor) == 6 * 25
    assert (identity[genuine[:, 0]] == identity[genuine[:, 1]]).all()
    assert (identity[impostor[:, 0]] != identity[impostor[:, 1]]).all()
    for kind in (genuine, impostor):
        assert len(np.unique(np.sort(kind, 1), axis=0)) == len(kind) and np.isin(kind, among).all()
    fewer = pairs(identity, among, seed=0, limit=7)
    assert len(fewer.genuine) == len(fewer.impostor) == 7
    with pytest.raises(FacetoryError, match="two held-out"):
        pairs(identity, among[:5], seed=0)


def test_validation_is_one_minus_the_equal_error_rate(face_set):
    faces = read_face_set(face_set)
    chosen = pairs(faces.identity, np.arange(len(faces.identity)), seed=0)

    def mean_colours(images):
        return (
            images.reshape(len(images), 3, 4, PX // 4, 4, PX // 4).mean((3, 5)).reshape(len(images), -1) - 128
        )

    assert verified(faces, chosen, mean_colours)["accuracy"] > 0.99
    draw = np.random.default_rng(0)
    assert 0.4 < verified(faces, chosen, lambda x: draw.normal(size=(len(x), 8)))["accuracy"] < 0.6


def test_a_lost_network_is_at_chance(face_set, benchmark):
    faces = read_face_set(face_set)
    chosen = pairs(faces.identity, np.arange(len(faces.identity)), seed=0)

    def lost(images):
        return np.full((len(images), 4), np.nan, np.float32)

    assert verified(faces, chosen, lost) == {"accuracy": 0.5, "genuine": -1.0, "impostor": -1.0}
    assert examined([benchmark], lost)["accuracy"] == 0.5


def test_benchmarks_choose_only_in_the_reading_of_the_code(face_set, benchmark, tmp_path):
    with pytest.raises(FacetoryError, match="reading 'code'"):
        trained(spec(selection="test"), face_set, tmp_path, [benchmark])
    with pytest.raises(FacetoryError, match="with 0 benchmarks"):
        trained(spec(selection="test", reading="code"), face_set, tmp_path)
    with pytest.raises(FacetoryError, match="with 1 benchmarks"):
        trained(spec(), face_set, tmp_path, [benchmark])
    assert not (tmp_path / "run" / "manifest.json").exists()


def test_chosen_on_benchmarks_nothing_is_held_out(face_set, benchmark, tmp_path):
    manifest = trained(spec(selection="test", reading="code", epochs=3), face_set, tmp_path, [benchmark])
    assert manifest["data"]["identities"] == PEOPLE and manifest["data"]["held_out"] == []
    assert manifest["data"]["chosen_on"] == ["drawn-pairs"]
    validations, _ = course(tmp_path)
    assert manifest["training"]["best"] == max(scores["drawn-pairs"] for scores in validations)
    describe, _ = load_face_recognizer(tmp_path / "run")
    assert examined([benchmark], describe)["accuracy"] == manifest["training"]["best"]


def test_a_plateau_lowers_the_rate(face_set, tmp_path, monkeypatch):
    scores = iter([0.6, 0.7, 0.7, 0.65, 0.6, 0.6, 0.6])
    monkeypatch.setattr(FaceRecognition, "validate", lambda self, step: {"accuracy": next(scores)})
    own = {"schedule": "plateau", "plateau_patience": 1, "patience": 5, "epochs": 20}
    manifest = trained(spec(**own), face_set, tmp_path)
    _, losses = course(tmp_path)
    # 1.6 · 32 / 512; two epochs without a better one after the second lower it, five end the run
    np.testing.assert_allclose([line["lr"] for line in losses], [0.1] * 4 + [0.01] * 2 + [0.001])
    assert manifest["training"]["epochs"] == 7 and manifest["training"]["best_epoch"] == 2


def test_the_schedule_is_the_published_one():
    schedule = schedule_of(FaceRecognizerSpec(dataset="d", faces="f", schedule="milestones"), 490_000)
    assert (schedule.lr, schedule.momentum, schedule.weight_decay, schedule.clip) == (0.1, 0.9, 5e-4, 5.0)
    assert schedule.optimizer == "sgd" and schedule.validate_every == 958
    assert schedule.milestones == (21 * 958, 29 * 958, 34 * 958)
    assert schedule_of(FaceRecognizerSpec(dataset="d", faces="f", batch_size=128), 1000).lr == 0.025


def test_interrupted_it_ends_bit_equal(face_set, tmp_path, monkeypatch):
    own = spec(epochs=4, augment=True, dropout=0.4, checkpoint_every=3)
    trained(own, face_set, tmp_path / "whole")
    loss = FaceRecognition.loss

    def interrupted(self, positions, step):
        if step == 5:
            raise KeyboardInterrupt
        return loss(self, positions, step)

    monkeypatch.setattr(FaceRecognition, "loss", interrupted)
    with pytest.raises(KeyboardInterrupt):
        trained(own, face_set, tmp_path / "torn")
    monkeypatch.setattr(FaceRecognition, "loss", loss)
    manifest = trained(own, face_set, tmp_path / "torn")
    assert manifest["training"]["resumed_from"] == 3
    whole, torn = (load_file(tmp_path / part / "run" / "weights.safetensors") for part in ("whole", "torn"))
    assert all(np.array_equal(whole[name], torn[name]) for name in whole)


def test_a_diverged_run_names_its_batch(face_set, tmp_path, monkeypatch):
    loss = FaceRecognition.loss

    def lost(self, positions, step):
        value, numbers = loss(self, positions, step)
        return value * (float("nan") if step == 3 else 1), numbers

    monkeypatch.setattr(FaceRecognition, "loss", lost)
    manifest = trained(spec(), face_set, tmp_path)
    assert manifest["status"] == "failed" and "step 3" in manifest["reason"]
    assert manifest["diverged"]["step"] == 3 and len(manifest["diverged"]["sample_ids"]) == 32
    shown = {name.split("/")[0] for name in manifest["diverged"]["sample_ids"]}
    assert not shown & set(manifest["data"]["held_out"])
    assert not (tmp_path / "run" / "weights.safetensors").exists()


def test_a_set_that_is_not_there_gives_a_reason(tmp_path):
    manifest = trained(spec(), made(tmp_path, "not_run"), tmp_path)
    assert manifest["status"] == "not_run" and "the generator diverged" in manifest["reason"]


def test_a_benchmark_that_is_not_there_gives_a_reason(face_set, tmp_path):
    write_json(tmp_path / "lfw" / "manifest.json", {"status": "not_run", "reason": "nobody was gathered"})
    own = spec(selection="test", reading="code")
    assert trained(own, face_set, tmp_path, [tmp_path / "lfw"])["reason"] == "lfw: nobody was gathered"


def test_faces_of_another_size_are_refused(face_set):
    with pytest.raises(FacetoryError, match="px 112"):
        faces_of(spec(px=112), face_set)


def test_accumulated_parts_are_the_batch(face_set):
    faces = read_face_set(face_set)
    own = spec(augment=True)
    seen = []
    network = iresnet("small", PX, 16)
    network.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].numpy()))
    task = FaceRecognition(own, faces, split(faces, 0, 3, 0), network, dict)
    positions = task._positions(4)
    task.loss(positions, 4)
    for part in np.split(positions, 4):
        task.loss(part, 4)
    assert np.array_equal(np.concatenate(seen[1:]), seen[0])


def test_ahead_gives_what_the_function_gives():
    ahead = Ahead(lambda step: step**2)
    assert [ahead(step) for step in (0, 1, 2, 7, 8, 3)] == [0, 1, 4, 49, 64, 9]
