"""Rendered datasets: plans, captions and blends without rendering, and a few rendered images."""

import itertools
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from facetory.data.anny import dataset, expressions, grey, people, portrait, scene
from facetory.data.index import Sample, read_index
from facetory.data.labels import BASIC, COMPOUND
from facetory.pipeline.files import FacetoryError, read_json, sha256_of
from facetory.pipeline.randomness import generator

SMALL = {"people": {"train": 3, "validation": 2, "test": 2}, "images": {"train": 2, "test": 1}}
EMOTION_WORDS = (
    "surpris", "fear", "afraid", "scared", "disgust", "happ", "joy", "laugh", "sad", "cry", "ang", "mad",
    "neutral", "calm", "emotion",
)  # fmt: skip


def actions_of(label: str, seed: int = 0) -> dict[str, float]:
    return expressions.actions(label, generator(seed, "test", label), (1.0, 1.0))


def samples(name: str, sizes: dict = SMALL) -> list[Sample]:
    return dataset.plan(name, sizes, 0)


@pytest.mark.parametrize("name", dataset.CLASSES)
def test_people_of_splits_are_disjoint_and_ids_unique(name):
    planned = samples(name)
    by_split = {split: {s.person for s in planned if s.split == split} for split in SMALL["people"]}
    assert {split: len(names) for split, names in by_split.items()} == SMALL["people"]
    for one, other in itertools.combinations(by_split.values(), 2):
        assert not one & other
    assert len({s.sample_id for s in planned}) == len(planned)
    assert {s.label for s in planned} <= set(dataset.CLASSES[name] or [""])


def test_people_of_datasets_are_disjoint():
    people_of = [{s.person for s in samples(name)} for name in dataset.CLASSES]
    for one, other in itertools.combinations(people_of, 2):
        assert not one & other


def test_every_person_shows_every_expression():
    seen = Counter((s.split, s.person, s.label) for s in samples("anny_compound"))
    assert set(seen.values()) == {1, 2}
    assert len(seen) == 7 * len(COMPOUND)
    assert all(number == SMALL["images"].get(split, 1) for (split, _, _), number in seen.items())


def test_the_large_set_is_imbalanced_in_training_and_balanced_in_test():
    planned = samples("anny_large", {"people": {"train": 40, "test": 5}, "images": 3})
    train = Counter(s.label for s in planned if s.split == "train")
    test = Counter(s.label for s in planned if s.split == "test")
    assert sum(train.values()) == 40 * 3 * 7
    assert sorted(train, key=train.get, reverse=True)[:2] == ["happiness", "neutral"]
    assert train["happiness"] / sum(train.values()) == pytest.approx(134415 / 283901, abs=0.01)
    assert min(train.values()) == train["disgust"] > 0
    assert set(test.values()) == {15}


def test_sizes_are_checked():
    with pytest.raises(FacetoryError, match="Did you mean 'anny_basic'"):
        dataset.plan("any_basic", {}, 0)
    with pytest.raises(FacetoryError, match="unknown size 'views'"):
        dataset.plan("anny_basic", {"people": {"train": 1}, "views": 2}, 0)
    with pytest.raises(FacetoryError, match="unknown split 'tests'"):
        dataset.plan("anny_basic", {"people": {"tests": 1}}, 0)
    with pytest.raises(FacetoryError, match="name no people"):
        dataset.plan("anny_basic", {"images": 2}, 0)


def test_compounds_are_blends_of_their_two_expressions():
    assert tuple(expressions.BLENDS) == COMPOUND
    for one, other in expressions.BLENDS.values():
        for first in expressions.VARIANTS[one]:
            for second in expressions.VARIANTS[other]:
                mixed = expressions.blend(first, second, 0.5)
                assert set(mixed) == set(first) | set(second)
                for name, strength in mixed.items():
                    mean = (first.get(name, 0) + second.get(name, 0)) / 2
                    assert strength == pytest.approx(min(1, expressions.GAIN * mean))


def test_a_compound_image_moves_what_both_expressions_move():
    moved = actions_of("angrily_surprised")
    assert moved["browDownLeft"] > 0.3
    assert moved["jawOpen"] > 0.15
    assert moved["eyeWideLeft"] > 0.3


def test_facial_actions_are_known_strengths():
    for label in (*BASIC, *COMPOUND):
        for seed in range(20):
            assert all(0 <= strength <= 1 for strength in actions_of(label, seed).values())
    for seed in range(50):
        drawn = expressions.arbitrary(generator(seed, "test"))
        assert all(0 <= strength <= 1 for strength in drawn.values())


def test_arbitrary_actions_reach_what_the_expressions_reach():
    drawn = [expressions.arbitrary(generator(seed, "test")) for seed in range(600)]
    for label in BASIC:
        for variant in expressions.VARIANTS[label]:
            for name, strength in variant.items():
                side = name if name in expressions.SINGLE else name + "Left"
                assert max(each.get(side, 0) for each in drawn) > 0.7 * strength, (label, name)


def test_a_face_is_not_symmetric_and_intensity_scales_it():
    moved = actions_of("happiness")
    assert moved["mouthSmileLeft"] != moved["mouthSmileRight"]
    weak = expressions.actions("happiness", generator(0, "test", "happiness"), (0.5, 0.5))
    assert weak["mouthSmileLeft"] < moved["mouthSmileLeft"]


@pytest.mark.parametrize("name", dataset.CLASSES)
def test_captions_hold_no_word_for_an_emotion(name):
    planned = samples(name, {"people": {"train": 60}, "images": 1})
    captions = [portrait.describe(name, sample, 0)[3] for sample in planned]
    for caption in captions:
        assert caption.startswith("A photo of a")
        assert caption.endswith("background.") and caption.count(". ") == 2
        plain = caption.lower().replace("orange", "")
        assert not [word for word in EMOTION_WORDS if f" {word}" in plain], caption
    text = " ".join(captions)
    for word in ("young", "older", "light", "dark", "lit from the left", "green background"):
        assert word in text


def test_captions_say_what_the_face_does():
    assert expressions.words({}) == ""
    assert expressions.words({"mouthSmileLeft": 0.9, "mouthSmileRight": 0.8, "jawOpen": 0.1}) == "a smile"
    four = expressions.words(actions_of("surprise")).split(", ")
    assert len(four) == expressions.MOST_WORDS and {"raised brows", "wide eyes"} <= set(four)


def test_only_the_wild_set_covers_faces():
    planned = samples("anny_wild", {"people": {"train": 30}, "images": 1})
    covers = Counter(portrait.describe("anny_wild", s, 0)[2]["cover"] for s in planned)
    assert set(covers) == {"", "glasses", "scarf", "paper"}
    easy = samples("anny_basic", {"people": {"train": 30}, "images": 1})
    assert {portrait.describe("anny_basic", s, 0)[2]["cover"] for s in easy} == {""}


def test_a_grey_face_is_the_middle_of_its_render_in_fer2013s_size():
    image = np.zeros((160, 160, 3), dtype=np.uint8)
    image[25:145, 20:140] = (200, 100, 50)
    assert grey.tight(image).shape == (48, 48, 3)
    assert np.unique(grey.tight(image)).tolist() == [round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)]
    image[25:85, 20:140] = 0
    assert (grey.tight(image)[:24] == 0).all() and (grey.tight(image)[24:] > 0).all()


@pytest.mark.parametrize(("name", "px", "colours"), [("anny_grey", 48, 1), ("anny_basic", 160, 3)])
def test_only_the_grey_set_is_stored_small_and_grey(tmp_path, monkeypatch, name, px, colours):
    from PIL import Image

    drawn = np.random.default_rng(0).integers(0, 256, (160, 160, 3), dtype=np.uint8)
    sample = samples(name)[0]
    monkeypatch.setattr(portrait, "images", lambda *arguments: iter([(sample, drawn)]))
    dataset._render_chunk(name, [sample], tmp_path, 0, 160)
    stored = np.asarray(Image.open(tmp_path / sample.image))
    assert stored.shape == (px, px, 3)
    assert len(np.unique(stored.reshape(-1, 3).T, axis=0)) == colours


def test_a_person_is_the_same_in_every_image_and_unlike_others():
    one, again, other = (people.person(0, name) for name in ("a", "a", "b"))
    assert one["shape"] == again["shape"]
    assert np.array_equal(one["skin"], again["skin"])
    assert one["shape"] != other["shape"]
    assert people.person(1, "a")["shape"] != one["shape"]


def test_words_of_a_scene_tell_its_pose_as_seen():
    view = scene.scene(generator(0, "test"), scene.EASY)
    view |= {"yaw": 15.0, "pitch": 0.0, "light": "from above", "background": "red"}
    assert scene.words(view) == "lit from above, looking slightly right, before a red background"
    turned = scene.rotation({"yaw": 15.0, "pitch": 0.0, "roll": 0.0}) @ (0, -1, 0)
    assert turned[0] > 0.2
    raised = scene.rotation({"yaw": 0.0, "pitch": 15.0, "roll": 0.0}) @ (0, -1, 0)
    assert raised[2] > 0.2
    assert scene.direction(50, 0)[0] < -0.7


def test_importing_needs_neither_torch_nor_vtk():
    code = (
        "import facetory.data.anny.dataset, facetory.data.orl, sys;"
        "print({'torch', 'pyvista', 'anny'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


@pytest.mark.slow
def test_rendering_is_the_same_for_any_number_of_processes_and_resumes(tmp_path):
    from PIL import Image

    sizes = {"people": {"train": 1, "test": 1}, "images": {"train": 2, "test": 1}}
    dataset.render("anny_basic", sizes, tmp_path / "one", processes=1, pixels=48)
    dataset.render("anny_basic", sizes, tmp_path / "two", processes=2, pixels=48)
    planned = read_index(tmp_path / "one/index.csv", BASIC)
    assert len(planned) == 21
    assert all(sample.caption for sample in planned)
    hashes = {}
    for sample in planned:
        hashes[sample.image] = sha256_of(tmp_path / "one" / sample.image)
        assert hashes[sample.image] == sha256_of(tmp_path / "two" / sample.image)
        pixels = np.asarray(Image.open(tmp_path / "one" / sample.image)).astype(float)
        assert pixels.shape == (48, 48, 3)
        assert pixels.std() > 10
    assert len(set(hashes.values())) == 21
    assert read_json(tmp_path / "one/manifest.json")["counts"]["test"] == dict.fromkeys(BASIC, 1)

    kept, torn, gone = (tmp_path / "two" / sample.image for sample in planned[:3])
    modified = kept.stat().st_mtime_ns
    torn.write_bytes(torn.read_bytes()[:300])
    gone.unlink()
    dataset.render("anny_basic", sizes, tmp_path / "two", processes=1, pixels=48)
    assert kept.stat().st_mtime_ns == modified
    assert read_json(tmp_path / "two/manifest.json")["rendered_now"] == 2
    for sample in planned:
        assert sha256_of(tmp_path / "two" / sample.image) == hashes[sample.image]


@pytest.mark.slow
def test_expressions_move_the_head_as_named():
    from facetory.data.anny import head

    model = head.load()
    rest = head.coefficients(model.model, [people.person(0, "a")])[0]
    still = head.vertices(model, rest, {})
    opened = head.vertices(model, rest, {"jawOpen": 1.0})
    assert opened[head.CHIN, 2] < still[head.CHIN, 2] - 0.02
    frown = head.vertices(model, rest, {"browDownLeft": 1.0})
    moved = np.linalg.norm(frown - still, axis=1)
    assert still[moved.argmax(), 0] > 0
    normals = head.normals(model.faces, still)
    assert np.allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-3)
    assert np.isfinite(model.surface[..., 0]).mean() > 0.3
