"""What is measured of edits, on pictures whose answers are known."""

import json

import numpy as np
import pytest
import torch
from drawn import face
from facetory.metrics.frechet import frechet
from facetory.pipeline.files import (
    FacetoryError,
    open_tensors,
    read_json,
    read_metadata,
    sha256_of,
    write_json,
    write_tensors,
)
from facetory.recognition.guide import Guide, as_guide, load_guide
from facetory.recognition.networks import build
from facetory.recognition.spec import ClassifierSpec
from facetory.smc.measure import judged, measure_smc, probabilities
from facetory.smc.spec import EditSpec, MeasureSpec, SMCTrainSpec

PX = 48
GUIDE = ClassifierSpec(network="cnn", size="small", dataset="a", px=PX, steps=1, seed=1)
JUDGE = ClassifierSpec(network="cnn", size="small", dataset="b", px=PX, steps=1, seed=2)
LATENTS = ClassifierSpec(network="cnn", size="small", dataset="a", px=PX, steps=1, view="latents")
TRAIN = SMCTrainSpec(dataset="a", backbone="v", px=PX, steps=1)


def spec(guide=GUIDE, judge=JUDGE):
    edit = EditSpec(train=TRAIN, guide=guide, dataset="a", split="test", images=3, target="random")
    return MeasureSpec(edit=edit, judge=judge, features="efficientnet_lite0", identity="dlib")


def by_brightness(levels):
    """log p(dark), log p(bright) of pictures: the mean level is the probability of bright."""
    bright = (levels.float().mean((1, 2, 3)) / 255).clamp(0.01, 0.99)
    return torch.stack([1 - bright, bright], 1).log()


def even(*levels):
    """Pictures of one level each, uint8 (n, 3, 8, 8)."""
    return np.stack([np.full((3, 8, 8), level, dtype=np.uint8) for level in levels])


def classifier(folder, own, classes):
    """A classifier's folder, as its training leaves it."""
    network = build(own, len(classes))
    about = {"classes": list(classes), "channels": 3, "side": own.px}
    write_tensors(folder / "weights.safetensors", network.state_dict(), about)
    outputs = {"weights.safetensors": sha256_of(folder / "weights.safetensors")}
    write_json(folder / "manifest.json", {"status": "trained", "outputs": outputs})
    return folder


def edits(folder, **changed):
    """Edits of three drawn faces: one left as it was, one darkened, one without any face left."""
    sources = np.stack([face(PX).transpose(2, 0, 1)] * 3)
    edited = np.stack([sources[0], sources[1] // 2, np.full_like(sources[2], 128)])
    arrays = {
        "sources": sources,
        "reconstructions": sources // 8 * 8,
        "edited": edited,
        "targets": np.array([0, 1, 1]),
        "guide_scores": np.array([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]], dtype=np.float32),
        "chosen": np.array([1, 0, 1]),
    }
    about = {
        "sample_ids": ["s0", "s1", "s2"],
        "persons": ["p", "p", "q"],
        "guide_classes": ["sadness", "happiness"],
    }
    write_tensors(folder / "edits.safetensors", arrays | changed, about)
    outputs = {"edits.safetensors": sha256_of(folder / "edits.safetensors")}
    write_json(folder / "manifest.json", {"status": "edited", "outputs": outputs})
    return folder


@pytest.fixture
def street(tmp_path):
    """Folders of edits, guide and judge; the judge has its classes in another order, and one more."""
    return (
        edits(tmp_path / "edit"),
        classifier(tmp_path / "guide", GUIDE, ("sadness", "happiness")),
        classifier(tmp_path / "judge", JUDGE, ("anger", "happiness", "sadness")),
    )


def measured(folder):
    with open_tensors(folder / "measures.safetensors") as handle:
        return {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118


def test_a_flip_is_a_change_of_class_into_the_target_by_the_judge():
    """Targets bright, bright, dark of pictures 20 → 240, 240 → 250, 10 → 200."""
    judge = as_guide(by_brightness, ["dark", "bright"])
    before, after = even(20, 240, 10), even(240, 250, 200)
    found = judged(judge, ["bright", "bright", "dark"], before, after)
    assert found["eligible"].tolist() == [True, False, False]
    assert found["flipped"].tolist() == [True, True, False]
    np.testing.assert_allclose(found["judge_target"], [240 / 255, 250 / 255, 55 / 255], rtol=1e-5)
    np.testing.assert_allclose(found["judge_source"][0], [235 / 255, 20 / 255], rtol=1e-5)
    np.testing.assert_allclose(found["judge_edited"].sum(1), 1, rtol=1e-5)


def test_classes_go_by_name_not_by_position():
    before, after = even(20, 240), even(240, 20)
    names = ["bright", "dark"]
    straight = judged(as_guide(by_brightness, ["dark", "bright"]), names, before, after)
    turned = judged(as_guide(lambda x: by_brightness(x).flip(1), ["bright", "dark"]), names, before, after)
    for name in ("judge_target", "eligible", "flipped"):
        np.testing.assert_array_equal(straight[name], turned[name])


def test_a_target_that_the_judge_does_not_know_is_an_error():
    with pytest.raises(FacetoryError, match="does not know contempt; its classes are dark, bright"):
        judged(as_guide(by_brightness, ["dark", "bright"]), ["contempt"], even(1), even(2))


def test_a_judge_of_latents_is_an_error():
    judge = Guide(("dark", "bright"), "latents", lambda x, t: by_brightness(x))
    with pytest.raises(FacetoryError, match="has to see faces"):
        judged(judge, ["dark"], even(1), even(2))


def test_a_face_is_judged_alike_alone_and_among_others(street):
    judge = load_guide(street[2], JUDGE)
    pictures = np.random.default_rng(0).integers(0, 256, (5, 3, PX, PX), dtype=np.uint8)
    whole = probabilities(judge, pictures, 4)
    for i in range(5):
        np.testing.assert_array_equal(probabilities(judge, pictures[i : i + 1], 4), whole[i : i + 1])


def test_the_stage_measures_every_face(street, tmp_path):
    measure_smc(spec(), *street, tmp_path / "out")
    found, about = measured(tmp_path / "out"), read_metadata(tmp_path / "out" / "measures.safetensors")
    with open_tensors(street[0] / "edits.safetensors") as handle:
        edited, rebuilt = handle.get_tensor("edited"), handle.get_tensor("reconstructions")
    guide, judge = load_guide(street[1], GUIDE), load_guide(street[2], JUDGE)
    of_guide, of_judge = probabilities(guide, edited, 16), probabilities(judge, edited, 16)
    np.testing.assert_allclose(found["guide_target"], of_guide[[0, 1, 2], [0, 1, 1]], rtol=1e-5)
    np.testing.assert_allclose(found["judge_target"], of_judge[[0, 1, 2], [2, 1, 1]], rtol=1e-5)
    np.testing.assert_allclose(found["judge_source"], probabilities(judge, rebuilt, 16), rtol=1e-5)
    assert found["judge_edited"].shape == (3, 3)
    assert found["realism"][0] > 0.9 and found["realism"][2] == 0
    assert found["identity"][0] == pytest.approx(1, abs=1e-5)
    assert found["identity"][2] < found["identity"][1] < 1
    assert found["distance"][0] == pytest.approx(0, abs=1e-5)
    assert found["distance"][2] > found["distance"][1] > found["distance_reconstruction"][1] > 0
    assert (found["identity_reconstruction"] > 0.9).all()
    assert found["features_source"].shape == found["features_edited"].shape == (3, 1280)
    assert frechet(found["features_source"], found["features_edited"]) > 0
    assert about["sample_ids"] == ["s0", "s1", "s2"] and about["persons"] == ["p", "p", "q"]
    assert about["judge_classes"] == ["anger", "happiness", "sadness"]
    assert (about["features"], about["identity"]) == ("efficientnet_lite0", "dlib")
    assert MeasureSpec.parse(json.dumps(about["spec"])) == spec()
    record = read_json(tmp_path / "out" / "manifest.json")
    assert record["status"] == "measured" and record["faces"] == 3
    assert record["outputs"]["measures.safetensors"] == sha256_of(tmp_path / "out" / "measures.safetensors")


def test_measuring_again_gives_equal_bytes(street, tmp_path):
    for name in ("one", "two"):
        measure_smc(spec(), *street, tmp_path / name)
    one, two = (tmp_path / name / "measures.safetensors" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


def test_a_guide_of_latents_is_quoted_from_the_edit(street, tmp_path):
    """It does not see pictures; its scores of the chosen particles are in the edit's file."""
    measure_smc(spec(guide=LATENTS), street[0], tmp_path / "no guide", street[2], tmp_path / "out")
    assert measured(tmp_path / "out")["guide_target"].tolist() == pytest.approx([0.2, 0.3, 0.6])


@pytest.mark.parametrize(("place", "status"), [(0, "not_run"), (2, "failed")])
def test_what_was_not_made_is_not_measured(street, tmp_path, place, status):
    write_json(street[place] / "manifest.json", {"status": status, "reason": "the loss is NaN at step 7"})
    measure_smc(spec(), *street, tmp_path / "out")
    record = read_json(tmp_path / "out" / "manifest.json")
    assert record["status"] == "not_run"
    assert record["reason"] == f"{street[place].name}: the loss is NaN at step 7"
    assert not (tmp_path / "out" / "measures.safetensors").exists()


def test_measures_of_an_earlier_run_do_not_survive_a_failure(street, tmp_path):
    measure_smc(spec(), *street, tmp_path / "out")
    inception = spec().model_copy(update={"features": "inception"})
    with pytest.raises(FacetoryError, match="not placed"):
        measure_smc(inception, *street, tmp_path / "out", data_root=tmp_path)
    assert not list((tmp_path / "out").iterdir())
