import json
import time
import tracemalloc
from itertools import combinations

import numpy as np
import pytest
from facetory.adaptdiff import pair_scores, separability, separation
from facetory.adaptdiff.diversity import between_people, genuine_spread, mean_over_people, spreads
from facetory.adaptdiff.pair_scores import pairs, scores
from facetory.adaptdiff.separability import complete, measure_separability, separability_of_folder
from facetory.adaptdiff.spec import SeparabilitySpec
from facetory.faces.face_set import file_entry, read_face_set, write_face_file
from facetory.metrics.pair_bootstrap import estimates
from facetory.metrics.verification import measures
from facetory.pipeline.files import FacetoryError, open_tensors, read_json, write_json
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

PX = 24
KEPT = ("identity", "genuine", "impostor", "pairs", "edges", "genuine_counts", "impostor_counts")


def units(random, people, images, size=16, noise=0.6):
    """Embeddings (people · images, size) around a direction for each person."""
    vectors = random.normal(size=(people, 1, size)) + noise * random.normal(size=(people, images, size))
    vectors = vectors.reshape(-1, size).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@given(st.integers(1, 60), st.sampled_from([0.0, 0.05, 0.29, 0.5, 1.0]), st.integers(0, 5))
def test_each_identity_meets_its_share_of_the_later_ones_once(identities, share, seed):
    found = pairs(identities, share, seed)
    assert (found[:, 0] < found[:, 1]).all() and len({*map(tuple, found.tolist())}) == len(found)
    hundredths = round(100 * share)
    expected = [hundredths * (identities - 1 - own) // 100 for own in range(identities)]
    assert np.bincount(found[:, 0], minlength=identities).tolist() == expected


def test_the_published_pairs():
    """1,000 identities, 5 %: about 9.6 million scores of 400 cross pairs each."""
    found = pairs(1000, 0.05)
    assert len(found) == sum(5 * later // 100 for later in range(1000)) == 24_500
    assert 400 * len(found) == 9_800_000


def test_all_pairs_and_a_drawn_half():
    assert pairs(5, 1).tolist() == [list(pair) for pair in combinations(range(5), 2)]
    first, second = pairs(200, 0.5, 0), pairs(200, 0.5, 1)
    np.testing.assert_array_equal(first, pairs(200, 0.5, 0))
    assert not np.array_equal(first, second)
    met = np.bincount(first[:, 1], minlength=200)[1:] / np.arange(1, 200)
    assert abs(met[20:].mean() - 0.5) < 0.02


@pytest.mark.parametrize("share", [1.0, 0.4])
def test_scores_are_those_of_a_double_loop(share):
    random = np.random.default_rng(0)
    identity = random.permutation(np.repeat([3, 4, 9, 11, 20], [3, 1, 4, 2, 3]))
    vectors = units(random, 13, 1)
    found = scores(vectors, identity, share)
    people, genuine, impostor = np.unique(identity), [], []
    faces = [vectors[identity == person] for person in people]
    for own in faces:
        genuine += [float(a @ b) for a, b in combinations(own, 2)]
    for a, b in pairs(len(people), share):
        impostor += [float(x @ y) for y in faces[b] for x in faces[a]]
    np.testing.assert_allclose(found.genuine, genuine, atol=1e-6)
    np.testing.assert_allclose(found.impostor, impostor, atol=1e-6)
    assert found.of_person.sum() == len(genuine) and found.of_pair.sum() == len(impostor)
    assert found.of_person.tolist() == [3, 0, 6, 1, 3]


def test_the_published_size_takes_seconds_and_little_memory():
    """190,000 genuine and 9.8 million impostor scores, their errors and intervals: at most 20 s and 4 GB."""
    vectors = units(np.random.default_rng(0), 1000, 20, 512, noise=2)
    tracemalloc.start()
    started = time.process_time()
    own = scores(vectors, np.repeat(np.arange(1000), 20), 0.05)
    found = estimates(own)
    seconds, peak = time.process_time() - started, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (found["genuine_mean"].n, found["impostor_mean"].n) == (190_000, 9_800_000)
    assert 0 < found["eer"].low < found["eer"].value < found["eer"].high < 0.1
    assert seconds < 20 and peak < 4e9


def test_equal_faces_score_at_most_one():
    vectors = np.repeat(units(np.random.default_rng(1), 30, 1, 512), 4, axis=0)
    assert scores(vectors, np.arange(120) // 4).genuine.max() == 1


def test_too_many_scores_are_told_before_they_are_made(monkeypatch):
    monkeypatch.setattr(pair_scores, "MOST", 100)
    vectors = units(np.random.default_rng(0), 10, 2)
    with pytest.raises(FacetoryError, match=r"impostor scores of 10 people are more than 1e\+02"):
        scores(vectors, np.repeat(np.arange(10), 2))
    assert len(scores(vectors, np.repeat(np.arange(10), 2), 0.3).impostor) < 100


def test_spreads_by_hand():
    """Two flat grey faces 20 levels apart, then one lit from the left and its mirror image."""
    flat = np.zeros((2, 3, 4, 6), np.uint8) + np.array([100, 120], np.uint8)[:, None, None, None]
    far = lambda a, b: np.abs(a.astype(float) - b).mean((1, 2, 3))  # noqa: E731
    found = spreads(flat, far)
    assert found["diversity_pixels"] == pytest.approx(20 / np.sqrt(2), rel=1e-5)
    assert found["diversity_light"] == pytest.approx(20 / np.sqrt(2), rel=1e-5)
    assert found["diversity_asymmetry"] == pytest.approx(0, abs=1e-4)
    assert found["diversity_perceptual"] == 20
    lit = np.full((3, 4, 6), 60, np.uint8)
    lit[:, :, :3] = 90
    found = spreads(np.stack([lit, lit[..., ::-1]]), far)
    assert found["diversity_light"] == pytest.approx(0, abs=1e-4)
    assert found["diversity_asymmetry"] == pytest.approx(60 / np.sqrt(2), rel=1e-5)
    assert found["diversity_pixels"] == pytest.approx(30 / np.sqrt(2), rel=1e-5)
    assert all(np.isnan(value) for value in spreads(flat[:1], far).values())


def test_a_people_s_mean_leaves_out_who_has_no_value():
    found = mean_over_people(np.array([1.0, np.nan, 3.0, 5.0]))
    assert found.value == 3 and found.n == 3 and found.low < 3 < found.high


def test_the_genuine_spread_has_two_parts():
    random = np.random.default_rng(0)
    identity = np.repeat(np.arange(12), random.integers(2, 6, 12))
    own = scores(units(random, len(identity), 1), identity)
    found = genuine_spread(own)
    total = measures(own.genuine, own.impostor)["genuine_std"]
    parts = [found[f"genuine_std_{part}"].value for part in ("within", "between")]
    assert np.square(parts).sum() == pytest.approx(total**2)
    of_person = np.split(own.genuine, np.cumsum(own.of_person)[:-1])
    assert found["diversity_features"].value == pytest.approx(1 - np.mean([s.mean() for s in of_person]))
    assert all(estimate.low <= estimate.value <= estimate.high for estimate in found.values())


def test_people_who_differ_in_likeness_alone_widen_the_genuine_scores():
    """Two people, whose images are all equally alike, .9 and .3: nothing varies within either."""
    people = [np.array([[1, 0], [0.9, np.sqrt(1 - 0.81)]]), np.array([[1, 0], [0.3, np.sqrt(1 - 0.09)]])]
    found = genuine_spread(scores(np.concatenate(people), np.repeat([0, 1], 2)))
    assert found["genuine_std_within"].value == pytest.approx(0, abs=1e-3)
    assert found["genuine_std_between"].value == pytest.approx(0.3, abs=1e-6)


def test_between_people_by_a_loop():
    random = np.random.default_rng(2)
    identity = np.repeat(np.arange(7), 3)
    vectors = units(random, 7, 3)
    centres = [vectors[identity == person].mean(0) for person in range(7)]
    cosines = [a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in combinations(centres, 2)]
    found = between_people(vectors, identity)
    assert found.value == pytest.approx(1 - np.mean(cosines), abs=1e-6)
    assert found.low < found.value < found.high and found.n == 7


def person(number, image, px=PX):
    """A face that is one person's by its colours, lit differently in every image."""
    colours = np.random.default_rng(number).integers(0, 200, (3, 4, 4))
    light = np.random.default_rng((number, image)).normal(0, 12, (3, 4, 4))
    own = (colours + light).clip(0, 255).astype(np.uint8)
    return own.repeat(px // 4, axis=1).repeat(px // 4, axis=2)


def by_colour(name, device="cpu", data_root="data"):
    """An embedder that reads colours, and sees no face in a black picture."""

    def embed(images):
        cells = images.reshape(len(images), 3, 4, PX // 4, 4, PX // 4).mean((3, 5)).reshape(len(images), -1)
        vectors = np.where(cells.any(1, keepdims=True), cells - 100, np.nan)
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)

    return embed


@pytest.fixture
def judge(monkeypatch):
    monkeypatch.setattr(separation, "embedder", by_colour)


def face_set(folder, counts, missed=(), status="gathered"):
    """A face set of persons with so many images; ``missed`` (identity, image) were not found."""
    rows = [(i, k) for i, count in enumerate(counts) for k in range(count)]
    identity, image = np.array(rows).T
    found = np.array([row not in missed for row in rows])
    names = {i: f"p{i:03d}" for i in range(len(counts))}
    path = folder / "faces.safetensors"
    write_face_file(path, np.stack([person(*row) for row in rows]), identity, image, found, names)
    about = {"dataset": "drawn", "split": "train", "synthetic": True, "title": "drawn"}
    record = {"status": status, "files": [file_entry(folder, path)], "identities": len(counts), "px": PX}
    write_json(folder / "manifest.json", record | {"alignment": "none", "about": about, "reason": "diverged"})
    return folder / "manifest.json"


def spec(**changes):
    sizes = {"identities": 6, "images": 4, "impostor_share": 1.0, "judge": "demo_judge"}
    return SeparabilitySpec(faces="syntheses/drawn-0", **(sizes | changes))


def test_a_face_set_is_measured(tmp_path, judge):
    faces = face_set(tmp_path / "set", [4, 5, 4, 4, 6, 4, 4])
    measure_separability(spec(), faces, tmp_path / "out")
    about = read_json(tmp_path / "out" / "manifest.json")
    assert about["status"] == "measured" and "note" not in about
    assert (about["identities"], about["faces"], about["genuine"]) == (6, 24, 36)
    with open_tensors(tmp_path / "out" / "records.safetensors") as handle:
        kept = {name: handle.get_tensor(name) for name in KEPT}
    assert kept["identity"].tolist() == np.repeat(np.arange(6), 4).tolist()
    assert len(kept["impostor"]) == 16 * len(kept["pairs"]) == 16 * 15 == about["impostor"]
    for name in ("genuine", "impostor"):
        expected = np.histogram(kept[name], kept["edges"])[0]
        np.testing.assert_array_equal(kept[f"{name}_counts"], expected)
    expected = measures(kept["genuine"], kept["impostor"])
    metrics = about["metrics"]
    assert metrics["eer"]["value"] == expected["eer"] and metrics["fdr"]["value"] == expected["fdr"]
    few = "240 impostor scores cannot show a rate of 1 in 1,000"
    assert metrics["fmr1000"] == {"value": None, "low": None, "high": None, "n": 276, "reason": few}
    assert metrics["diversity_features"]["value"] == pytest.approx(1 - expected["genuine_mean"], abs=1e-6)
    faces = np.array([[person(i, k) for k in range(4)] for i in range(6)]).astype(float)
    grey = np.tensordot(faces, [0.299, 0.587, 0.114], (2, 0))
    assert metrics["diversity_pixels"]["value"] == pytest.approx(grey.std(1, ddof=1).mean(), rel=1e-5)
    assert all(own["low"] <= own["value"] <= own["high"] for own in metrics.values() if own["value"])


def test_measuring_again_gives_the_same_records(tmp_path, judge):
    faces = face_set(tmp_path / "set", [4] * 6)
    for run in ("a", "b"):
        measure_separability(spec(impostor_share=0.5), faces, tmp_path / run)
    first, second = ((tmp_path / run / "records.safetensors").read_bytes() for run in ("a", "b"))
    assert first == second


def test_people_with_too_few_faces_are_left_out_and_told(tmp_path, judge):
    faces = face_set(tmp_path / "set", [4, 3, 4, 4, 5], missed={(2, 1), (4, 0)})
    measure_separability(spec(), faces, tmp_path / "out")
    about = read_json(tmp_path / "out" / "manifest.json")
    assert about["note"] == "3 of the 6 people asked for have 4 faces" and about["identities"] == 3
    with open_tensors(tmp_path / "out" / "records.safetensors") as handle:
        identity, image = handle.get_tensor("identity"), handle.get_tensor("image")
    assert identity.tolist() == np.repeat([0, 3, 4], 4).tolist()
    assert image[-4:].tolist() == [1, 2, 3, 4]


def test_those_after_incomplete_people_take_their_place(tmp_path, judge):
    faces = face_set(tmp_path / "set", [4, 3, 4, 4])
    measure_separability(spec(identities=3), faces, tmp_path / "out")
    about = read_json(tmp_path / "out" / "manifest.json")
    assert about["identities"] == 3 and "note" not in about


def test_what_cannot_be_measured_says_why(tmp_path, judge):
    measure_separability(spec(), face_set(tmp_path / "few", [4, 1, 3]), tmp_path / "out")
    about = read_json(tmp_path / "out" / "manifest.json")
    assert about["status"] == "not_run" and "1 of the 6 people asked for have 4 faces" in about["reason"]
    measure_separability(spec(), face_set(tmp_path / "set", [4] * 6, status="failed"), tmp_path / "out")
    about = read_json(tmp_path / "out" / "manifest.json")
    assert about["status"] == "not_run" and about["reason"] == "set: diverged"
    assert not (tmp_path / "out" / "records.safetensors").exists()


def test_faces_that_the_judge_does_not_see_are_counted(tmp_path, judge, monkeypatch):
    monkeypatch.setitem(
        globals(), "person", lambda i, k, px=PX, real=person: real(i, k, px) * ((i, k) != (1, 2))
    )
    measure_separability(spec(), face_set(tmp_path / "set", [4] * 6), tmp_path / "out")
    about = read_json(tmp_path / "out" / "manifest.json")
    assert about["unseen"] == 1 and about["faces"] == 23 and about["genuine"] == 33


def test_a_folder_of_a_user_is_measured_as_a_face_set_is(tmp_path, judge):
    counts = [4, 2, 5, 1]
    for i, count in enumerate(counts):
        for k in range(count):
            path = tmp_path / "mine" / f"p{i:03d}" / f"{k}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(person(i, k).transpose(1, 2, 0)).save(path)
    found = separability_of_folder(tmp_path / "mine", "demo_judge", px=PX, alignment="none")
    assert found.about["identities"] == 4 and found.about["genuine"] == 6 + 1 + 10
    assert found.about["impostor"] == (12**2 - sum(count**2 for count in counts)) // 2
    json.dumps(found.about, allow_nan=False)
    assert found.records["genuine_counts"].sum() == 17

    measure_separability(spec(identities=2), face_set(tmp_path / "set", counts), tmp_path / "out")
    staged = read_json(tmp_path / "out" / "manifest.json")["metrics"]
    same = separability_of_folder(tmp_path / "mine", "demo_judge", PX, "none", identities=2, images=4)
    assert same.about["metrics"] == staged

    with pytest.raises(FacetoryError, match="fewer than two people have 5 pictures"):
        separability_of_folder(tmp_path / "mine", "demo_judge", PX, "none", images=5)


def test_only_whole_people_are_chosen(tmp_path):
    shown = read_face_set(face_set(tmp_path / "set", [2, 4, 3]))
    assert complete(shown, 1, 3).tolist() == [2, 3, 4]
    assert complete(shown, None, 2).tolist() == [0, 1, 2, 3, 6, 7]
    assert complete(shown, None, None).tolist() == list(range(9))


def test_few_identities_leave_the_other_files_alone(tmp_path, judge, monkeypatch):
    faces, asked = face_set(tmp_path / "set", [4] * 8), []
    real = separability.read_face_set
    monkeypatch.setattr(
        separability, "read_face_set", lambda path, *part: asked.append(part) or real(path, *part)
    )
    measure_separability(spec(identities=3), faces, tmp_path / "out")
    assert asked == [(3,)]
