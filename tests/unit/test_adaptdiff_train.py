"""Training the generator: the join, held-out people, the task, and runs that end in every way."""

import json
from pathlib import Path

import facetory.adaptdiff.task
import numpy as np
import pytest
import torch
from facetory.adaptdiff.architectures import architecture
from facetory.adaptdiff.generator import load_generator, new_generator, save_generator
from facetory.adaptdiff.learnt import held_out, read_learnt, strangers
from facetory.adaptdiff.spec import ContextSpec, GeneratorSpec
from facetory.adaptdiff.task import IdentityNoisePrediction
from facetory.adaptdiff.train import schedule_of, train_generator
from facetory.adaptdiff.unet import IdentityUNet
from facetory.diffusion.schedule import alpha_bars, linear_betas
from facetory.faces.spec import FaceSetSpec
from facetory.pipeline.files import FacetoryError, sha256_of, write_json, write_tensors
from hypothesis import given
from hypothesis import strategies as st

PEOPLE, IMAGES, SIZE = 12, 5, 16
NAMES = [f"p{row // IMAGES}/{row % IMAGES}" for row in range(PEOPLE * IMAGES)]


def write_latents(path, spread=0.05, **changes):
    """Latents 3×4×4: a person's are one picture, their mirror images its negative."""
    random = np.random.default_rng(1)
    person = np.repeat(random.normal(size=(PEOPLE, 1, 3, 4, 4)), IMAGES, 0)
    mean = person * np.array([1, -1])[:, None, None, None] + spread * random.normal(size=(60, 2, 3, 4, 4))
    about = {"sample_ids": NAMES, "persons": [name[: name.index("/")] for name in NAMES]}
    about |= {"dataset": "drawn", "encoder": "tiny", "scaling_factor": 1.0} | changes
    logvar = np.full_like(mean, -1000, np.float16)
    write_tensors(path, {"mean": mean.astype(np.float16), "logvar": logvar}, about)
    return path


def write_contexts(folder, names=tuple(reversed(NAMES)), left_out=()):
    """Each person's axis, its negative for mirror images; in another order than the latents."""
    axes = np.eye(SIZE, dtype=np.float32)[[int(name[1 : name.index("/")]) for name in names]]
    path = folder / "contexts.safetensors"
    about = {"sample_ids": list(names), "left_out": list(left_out)}
    write_tensors(path, {"contexts": np.stack([axes, -axes], 1)}, about)
    outputs = {path.name: sha256_of(path)}
    write_json(folder / "manifest.json", {"status": "embedded", "outputs": outputs})
    return path


@pytest.fixture(scope="module")
def given_faces(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    return write_latents(folder / "train.safetensors"), write_contexts(folder / "contexts")


def spec(**changes):
    about = {"dataset": "drawn", "backbone": "tiny", "px": 16, "architecture": "ci_idiff"}
    about |= {"contexts": ContextSpec(faces=FaceSetSpec(dataset="drawn"), embedder="demo_context")}
    settings = {"steps": 6, "batch_size": 8, "lr": 2e-3, "restart": 2, "checkpoint_every": 1}
    return GeneratorSpec(**(about | settings | changes))


def run(folder, faces, theirs=None, **changes):
    torch.set_num_threads(1)
    train_generator(spec(**changes), *faces, folder / "run", folder / "checkpoints", weights=theirs)
    return json.loads((folder / "run" / "manifest.json").read_text())


def test_a_face_meets_its_own_context_whatever_the_order(given_faces):
    learnt = read_learnt(*given_faces)
    assert learnt.latents.mean.shape == (60, 2, 3, 4, 4) and learnt.contexts.shape == (60, 2, SIZE)
    assert learnt.contexts[:, 0].argmax(1).tolist() == [row // IMAGES for row in range(60)]
    assert learnt.contexts[:, 1].argmin(1).tolist() == [row // IMAGES for row in range(60)]
    assert learnt.people[4:6] == ["person p0", "person p1"] and learnt.left_out == 0
    assert len(set(learnt.latents.keys.tolist())) == 60


def test_a_face_without_context_is_named(given_faces, tmp_path):
    contexts = write_contexts(tmp_path / "contexts", NAMES[:7] + NAMES[8:])
    with pytest.raises(FacetoryError, match=r"no context for p1/2 of .*train\.safetensors \(1 of 60 lack"):
        run(tmp_path, [given_faces[0], contexts])
    assert not (tmp_path / "run" / "manifest.json").exists()


def test_faces_that_the_contexts_leave_out_are_passed_over_and_counted(given_faces, tmp_path):
    contexts = write_contexts(tmp_path / "contexts", NAMES[:7] + NAMES[9:], NAMES[7:9])
    learnt = read_learnt(given_faces[0], contexts)
    whole = read_learnt(*given_faces)
    rows = [*range(7), *range(9, 60)]
    assert learnt.left_out == 2 and learnt.people == [whole.people[row] for row in rows]
    for part, of in zip(learnt.latents[:3], whole.latents[:3], strict=True):
        assert torch.equal(part, of[rows])
    assert torch.equal(learnt.contexts, whole.contexts[rows])


def test_latents_without_mirror_images_are_refused(given_faces, tmp_path):
    mean = np.zeros((60, 1, 3, 4, 4), np.float16)
    about = {"sample_ids": NAMES, "persons": [""] * 60, "dataset": "drawn", "scaling_factor": 1.0}
    write_tensors(tmp_path / "one.safetensors", {"mean": mean, "logvar": mean}, about)
    with pytest.raises(FacetoryError, match="holds no mirror images"):
        read_learnt(tmp_path / "one.safetensors", given_faces[1])


@given(st.lists(st.integers(0, 30), min_size=1, max_size=400), st.integers(0, 3))
def test_people_are_held_out_whole_and_never_all(numbers, seed):
    people = [f"person {number}" for number in numbers]
    kept = held_out(people, seed)
    assert np.array_equal(kept, held_out(people, seed))
    inside = {person for person, out in zip(people, kept, strict=True) if out}
    outside = {person for person, out in zip(people, kept, strict=True) if not out}
    assert not inside & outside and outside
    assert bool(inside) == (len(set(people)) > 1)
    room = max(1, round(0.02 * len(people)))
    assert kept.sum() <= max(room, min(people.count(person) for person in people))


def test_where_nobody_is_known_faces_are_held_out_one_by_one():
    kept = held_out([f"sample {row}" for row in range(70_000)], 0)
    assert kept.sum() == 256 and 0.3 < np.flatnonzero(kept).mean() / 70_000 < 0.7
    assert held_out([f"sample {row}" for row in range(1000)], 0).sum() == 20


def test_a_stranger_is_somebody_else():
    people = ["a"] * 50 + ["b", "c"]
    rows = np.arange(52)
    found = strangers(people, rows, 0)
    assert all(people[other] != people[row] for other, row in zip(found, rows, strict=True))
    assert set(found) <= set(rows)


def task_on(faces, unet=None):
    return IdentityNoisePrediction(unet, read_learnt(*faces), alpha_bars(linear_betas()))


def test_a_mirror_image_comes_with_its_own_context(given_faces):
    """Latents of a person's mirror image are the negative of the others, and so is the context."""
    task = task_on(given_faces)
    rows, both = torch.arange(60), set()
    person = task.latents.mean[:, 0].float()
    for step in range(5):
        latents, _, _, contexts = task._draws(rows, torch.tensor(step))
        flipped = (latents * person).sum((1, 2, 3)) < 0
        sign = torch.where(flipped, -1.0, 1.0)[:, None]
        expected = torch.eye(SIZE)[torch.arange(60) // IMAGES] * sign
        assert torch.equal(contexts, expected)
        both |= set(flipped.tolist())
    assert both == {True, False}


def test_the_loss_is_that_of_the_noise_under_the_linear_betas(given_faces):
    """A network that knows every face by its context finds the noise; one that knows none finds nothing."""
    task = task_on(given_faces)
    alpha_bar = alpha_bars(linear_betas())
    first = task.latents.mean[::IMAGES, 0].float()

    class Knows(torch.nn.Module):
        def forward(self, noisy, timestep, context):
            a = alpha_bar[timestep][:, None, None, None]
            return (noisy - a.sqrt() * (context[:, :PEOPLE] @ first.flatten(1)).view_as(noisy)) / (
                1 - a
            ).sqrt()

    positions = np.arange(task.size)
    task.unet = Knows()
    knowing = np.mean([task.loss(positions, step)[0].item() for step in range(20)])
    scores = task.validate(0)
    task.unet = lambda noisy, timestep, context: 0 * noisy
    blind = np.mean([task.loss(positions, step)[0].item() for step in range(20)])
    assert blind == pytest.approx(1, abs=0.02) and knowing < 0.2
    assert scores["error"] < 0.2 and scores["error_under_another"] > 5 * scores["error"]


def test_a_run_leaves_generator_progress_and_manifest(given_faces, tmp_path):
    about = run(tmp_path, given_faces)
    assert about["status"] == "trained" and about["spec"] == json.loads(spec().canonical())
    assert (about["samples"], about["held_out"], about["left_out"]) == (55, 5, 0), "one of twelve people"
    assert about["epochs"] == pytest.approx(6 * 8 / 55)
    assert set(about["validation"]) == {"error", "error_under_another"}
    unet, told = load_generator(tmp_path / "run")
    assert about["parameters"] == sum(weight.numel() for weight in unet.parameters())
    assert not unet.training and not any(weight.requires_grad for weight in unet.parameters())
    assert told["latent"] == [3, 4, 4] and told["scaling_factor"] == 1 and told["encoder"] == "tiny"
    assert GeneratorSpec(**told["spec"]) == spec()
    assert told["architecture"] == architecture("ci_idiff").about()
    lines = [json.loads(line) for line in (tmp_path / "run" / "progress.jsonl").read_text().splitlines()]
    rates = {line["step"]: line["lr"] for line in lines if "lr" in line}
    assert rates[6] == about["training"]["last"]["lr"] and sum("validation" in line for line in lines) == 6


def test_the_rate_restarts_and_each_cycle_is_twice_as_long():
    from facetory.training.schedule import learning_rate_factor

    schedule = schedule_of(spec(restart=2, steps=20))
    factors = [learning_rate_factor(schedule, step) for step in range(7)]
    assert factors[:3] == pytest.approx([1, 0.5, 1]) and factors[4] == pytest.approx(0.5)
    assert factors[6] == pytest.approx(1)
    assert (schedule.ema, schedule.ema_power, schedule.weight_decay, schedule.clip) == (0.9999, 0.75, 0, 0)
    assert schedule_of(spec(ema=0.0)).ema == 0


def test_it_learns_to_listen_to_contexts(given_faces, tmp_path):
    """People that are held out have axes that training never sees, so the people learnt from judge."""
    torch.set_num_threads(1)
    about = run(tmp_path, given_faces, steps=200, batch_size=32, lr=1e-2, checkpoint_every=200, restart=200)
    lines = [json.loads(line) for line in (tmp_path / "run" / "progress.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    assert losses[-1] < 0.6 * losses[0] and about["status"] == "trained"
    unet, _ = load_generator(tmp_path / "run")
    task = task_on(given_faces, unet)
    task.held_out = task.training
    task.another = torch.from_numpy(strangers(read_learnt(*given_faces).people, task.training.numpy(), 0))
    with torch.no_grad():
        scores = task.validate(0)
    assert scores["error"] < 0.92 * scores["error_under_another"]


def test_a_run_that_was_stopped_ends_bit_equal(given_faces, tmp_path, monkeypatch):
    """Dropout, running mean, restarts and all."""
    run(tmp_path / "whole", given_faces)
    task = facetory.adaptdiff.task.IdentityNoisePrediction
    loss = task.loss

    def stop_at_4(self, positions, step):
        if step == 4:
            raise KeyboardInterrupt
        return loss(self, positions, step)

    monkeypatch.setattr(task, "loss", stop_at_4)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "stopped", given_faces)
    assert not (tmp_path / "stopped" / "run" / "unet.safetensors").exists()
    monkeypatch.setattr(task, "loss", loss)
    assert run(tmp_path / "stopped", given_faces)["training"]["resumed_from"] == 4
    first, second = (sha256_of(tmp_path / name / "run" / "unet.safetensors") for name in ("whole", "stopped"))
    assert first == second
    other = run(tmp_path / "other", given_faces, context_dropout=0.5)
    assert other["outputs"]["unet.safetensors"] != first, "what is dropped enters the weights"


def test_the_running_mean_and_the_precision_reach_the_loop(given_faces, tmp_path):
    weights = []
    for name, own in (("mean", {}), ("inert", {"ema": 0.0}), ("narrow", {"precision": "bf16"})):
        assert run(tmp_path / name, given_faces, steps=3, checkpoint_every=3, **own)["status"] == "trained"
        weights.append(
            torch.cat([w.flatten() for w in load_generator(tmp_path / name / "run")[0].parameters()])
        )
    assert 0 < (weights[0] - weights[1]).abs().max() < 0.02
    assert 0 < (weights[0] - weights[2]).abs().max() < 0.02


def test_a_diverging_run_is_a_result_and_leaves_no_weights(given_faces, tmp_path):
    run(tmp_path, given_faces)
    about = run(tmp_path, given_faces, steps=60, lr=500.0)
    assert about["status"] == "failed" and "diverged at step" in about["reason"]
    assert not (tmp_path / "run" / "unet.safetensors").exists()
    with pytest.raises(FacetoryError, match="run: was not trained: training diverged at step"):
        load_generator(tmp_path / "run")


def test_without_contexts_nothing_is_trained_and_the_reason_is_kept(given_faces, tmp_path):
    write_json(tmp_path / "contexts" / "manifest.json", {"status": "not_run", "reason": "no such dataset"})
    for path in ("contexts.safetensors", "manifest.json"):
        about = run(tmp_path, [given_faces[0], tmp_path / "contexts" / path])
        assert (about["status"], about["reason"]) == ("not_run", "contexts: no such dataset")
    with pytest.raises(FacetoryError, match="give the latents and the contexts"):
        run(tmp_path, [None, None])


def test_contexts_that_changed_are_refused(given_faces, tmp_path):
    path = write_contexts(tmp_path / "contexts")
    write_tensors(path, {"contexts": np.zeros((60, 2, SIZE), np.float32)}, {"sample_ids": NAMES})
    with pytest.raises(FacetoryError, match="differs from the hash in its manifest"):
        run(tmp_path, [given_faces[0], path])


def test_training_starts_from_a_model_of_the_same_sizes(given_faces, tmp_path):
    torch.manual_seed(5)
    first = IdentityUNet(architecture("ci_idiff", context_dropout=0.0))
    save_generator(first, tmp_path / "model", {"latent": [3, 4, 4], "scaling_factor": 1.0})
    initial = str(tmp_path / "model")
    about = run(tmp_path, given_faces, initial=initial, lr=0.0, steps=1)
    trained, _ = load_generator(tmp_path / "run")
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), trained.parameters(), strict=True))
    assert str(tmp_path / "model" / "unet.safetensors") in about["inputs"]
    assert trained.architecture.context_dropout == 0.25
    with pytest.raises(FacetoryError, match=r"has context_tokens 2, architecture .* has 3"):
        facetory.adaptdiff.generator._initial(
            spec(initial=initial), architecture("ci_idiff", context_tokens=3), [3, 4, 4]
        )
    with pytest.raises(FacetoryError, match=r"has latent \[3, 4, 4\], .* has \[3, 8, 8\]"):
        new_generator(spec(initial=initial), [3, 8, 8], SIZE)


def test_latents_that_cannot_be_halved_are_refused():
    with pytest.raises(FacetoryError, match="latents of 5 × 5 do not halve 1 times"):
        new_generator(spec(), [3, 5, 5], SIZE)


def test_authors_weights_are_taken_over_untrained(tmp_path, monkeypatch):
    """At a small size that its own list describes; the full size is read in test_adaptdiff_unet.py."""
    unet = IdentityUNet(architecture("ci_idiff"))
    shapes = {name: list(weight.shape) for name, weight in unet.state_dict().items()}
    latent = {"downsampling": 4, "scaling_factor": 1.0}
    listed = {"prefix": "eps_model.", "schedule": {}, "weights": shapes, "latent": latent, "source": "drawn"}
    write_json(tmp_path / "lists" / "ci_idiff.json", listed)
    monkeypatch.setattr(facetory.adaptdiff.released, "LISTS", tmp_path / "lists")
    torch.save({f"eps_model.{name}": w for name, w in unet.state_dict().items()}, tmp_path / "theirs.ckpt")
    about = run(tmp_path, [None, None], tmp_path / "theirs.ckpt", weights="theirs.ckpt")
    assert about["status"] == "trained" and about["origin"]["trained_further"] is False
    assert about["origin"]["sha256"] == sha256_of(tmp_path / "theirs.ckpt") and "training" not in about
    taken, told = load_generator(tmp_path / "run")
    assert all(torch.equal(a, b) for a, b in zip(unet.parameters(), taken.parameters(), strict=True))
    assert told["latent"] == [3, 4, 4] and told["scaling_factor"] == 1
    with pytest.raises(FacetoryError, match="go together"):
        run(tmp_path, [None, None], Path("theirs.ckpt"))


def test_a_file_that_changed_or_is_no_generator_is_refused(given_faces, tmp_path):
    run(tmp_path, given_faces, steps=1)
    path = tmp_path / "run" / "unet.safetensors"
    write_tensors(path, {"any": np.zeros(3)}, {})
    with pytest.raises(FacetoryError, match="differs from the hash in its manifest"):
        load_generator(path.parent)
    (path.parent / "manifest.json").unlink()
    with pytest.raises(FacetoryError, match="no identity-conditioned UNet"):
        load_generator(path.parent)
    write_tensors(path, {"any": np.zeros(3)}, {"architecture": architecture("ci_idiff").about()})
    with pytest.raises(FacetoryError, match=r"missing: image_proj\.weight.*1 unexpected: any"):
        load_generator(path.parent)
