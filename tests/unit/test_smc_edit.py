"""Edits of a street of drawn faces: what is chosen, what is shared, what is recorded, what it costs."""

from dataclasses import replace

import numpy as np
import pytest
import smc_edit_street as street
import torch
from facetory.data.labels import BASIC
from facetory.faces.views import faces_of
from facetory.pipeline.files import (
    FacetoryError,
    open_tensors,
    read_json,
    read_metadata,
    sha256_of,
    write_json,
)
from facetory.recognition.guide import load_guide
from facetory.recognition.train import train_classifier
from facetory.smc import editing
from facetory.smc.cost import equal_cost_particles, multiply_accumulates, rows_of_smc
from facetory.smc.edit import edit_faces, edit_smc, load_parts
from facetory.smc.sampler_spec import READINGS, Sampler
from facetory.smc.small_decoder import train_small_decoder
from facetory.smc.targets import chosen_faces, targets_of

SIZES = {"particles": 5, "inference_steps": 20, "noise_strength": 0.3}
STEPS = 7
"""Of those sizes: the first ⌊0.7 · 19⌋ = 13 of 20 are left out."""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    torch.set_num_threads(1)
    return street.models(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def parts(world):
    snapshot = read_json(world["backbone"])["folder"]
    return load_parts(
        world["diffusion"], snapshot, load_guide(world["classifier"], street.GUIDE), batch_rows=4
    )


@pytest.fixture(scope="module")
def faces(world):
    return faces_of(world["faces_ledger"], "test", street.PX)


def edits(world, folder, **asked):
    """The arrays and metadata that the stage writes."""
    edit_smc(street.edit_spec(**asked), **world, folder=folder)
    with open_tensors(folder / "edits.safetensors") as handle:
        arrays = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118
    return arrays, read_metadata(folder / "edits.safetensors")


def same(first, second):
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name], err_msg=name)


@pytest.mark.parametrize("reading", READINGS)
def test_sharing_changes_no_bit(world, tmp_path, reading):
    asked = READINGS[reading] | {"guidance_scale": 40}
    shared, about = edits(world, tmp_path / "a", sampler=asked)
    alone, plain = edits(world, tmp_path / "b", sampler=asked | {"share_duplicates": False})
    same(shared, alone)
    assert about["unshared"] == plain["unshared"] == plain["counts"]
    assert all(about["counts"][name] <= plain["counts"][name] for name in plain["counts"])
    assert about["counts"] != plain["counts"]


@pytest.mark.parametrize("asked", [*READINGS.values(), {"method": "best_of_n"}, {"method": "gradient"}])
def test_a_face_is_edited_alike_alone_and_among_others(parts, faces, asked, monkeypatch):
    sampler, targets = Sampler(**SIZES | asked), np.array([3, 0, 4])
    arguments = (parts, sampler, 7)
    together = edit_faces(faces.pixels[:3], faces.sample_ids[:3], targets, *arguments)
    monkeypatch.setattr(editing, "GROUP_ROWS", 1)
    apart = edit_faces(faces.pixels[:3], faces.sample_ids[:3], targets, *arguments)
    last = edit_faces(faces.pixels[2:3], faces.sample_ids[2:3], targets[2:], *arguments)
    for name in ("edited", "reconstructions", "guide_scores", "chosen", "scores", "ancestors", "log_weights"):
        np.testing.assert_array_equal(getattr(together, name), getattr(apart, name), err_msg=name)
        np.testing.assert_array_equal(getattr(together, name)[2:], getattr(last, name), err_msg=name)
    assert together.about["counts"] == apart.about["counts"]


def test_the_stage_records_what_it_did(world, parts, faces, tmp_path):
    arrays, about = edits(world, tmp_path, snapshots=3)
    manifest = read_json(tmp_path / "manifest.json")
    assert manifest["status"] == "edited" and manifest["faces"] == 3
    assert manifest["outputs"] == {"edits.safetensors": sha256_of(tmp_path / "edits.safetensors")}
    assert about["guide_classes"] == list(BASIC) and about["particles"] == 5
    assert len(about["timesteps"]) == STEPS and about["scored_steps"] == list(range(STEPS))
    n, S, P, picture = 3, STEPS, 5, (3, street.PX, street.PX)
    shapes = {name: array.shape for name, array in arrays.items()}
    assert shapes == {
        **dict.fromkeys(("sources", "reconstructions", "edited"), (n, *picture)),
        **dict.fromkeys(("labels", "targets", "chosen"), (n,)),
        **dict.fromkeys(("guide_scores", "log_weights"), (n, P)),
        **dict.fromkeys(("scores", "ancestors"), (n, S, P)),
        **dict.fromkeys(("ess", "unique_roots"), (n, S)),
        "snapshots": (3, P, *picture),
        "snapshot_scorings": (3,),
    }
    assert arrays["snapshot_scorings"].tolist() == [0, 3, 6] and (arrays["targets"] == 3).all()
    places = [faces.sample_ids.index(name) for name in about["sample_ids"]]
    np.testing.assert_array_equal(arrays["sources"], faces.pixels[places])
    np.testing.assert_array_equal(arrays["labels"], faces.labels[places])
    np.testing.assert_array_equal(arrays["guide_scores"].argmax(1), arrays["chosen"])
    assert about["counts"]["unet"] < about["unshared"]["unet"] == n * P * S

    decoded = parts.decode(parts.encode(torch.from_numpy(arrays["sources"])))
    np.testing.assert_array_equal(arrays["reconstructions"], decoded.numpy())
    seen = parts.guide.log_probabilities(arrays["edited"]).exp()[:, 3]
    np.testing.assert_allclose(arrays["guide_scores"].max(1), seen, atol=5e-3)
    at_last = parts.guide.log_probabilities(arrays["snapshots"][-1]).exp()[:, 3]
    np.testing.assert_allclose(arrays["scores"][0, -1], at_last, atol=5e-3)


def test_stopped_on_the_way_it_leaves_nothing_and_ends_alike_again(world, tmp_path, monkeypatch):
    whole, _ = edits(world, tmp_path)

    def stopped(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(editing, "_chosen", stopped)
        with pytest.raises(KeyboardInterrupt):
            edits(world, tmp_path)
    assert not list(tmp_path.iterdir())
    same(whole, edits(world, tmp_path)[0])


@pytest.mark.parametrize(("method", "particles"), [("gradient", 1), ("none", 1), ("best_of_n", None)])
def test_baselines_score_the_final_images_alone(world, tmp_path, method, particles):
    arrays, about = edits(world, tmp_path, sampler={"method": method}, snapshots=2)
    assert arrays["scores"].shape == (3, 0, about["particles"]) and len(arrays["snapshots"]) == 0
    expected = particles or equal_cost_particles(Sampler(**SIZES), about["multiply_accumulates"])
    assert about["particles"] == expected
    differentiated = 3 * (STEPS - 1) if method == "gradient" else 0
    assert about["counts"].get("gradient", 0) == differentiated
    assert about["counts"]["guide"] == about["counts"]["decode"] == 3 * expected + differentiated
    np.testing.assert_array_equal(arrays["guide_scores"].argmax(1), arrays["chosen"])


def test_a_guide_on_latents_has_nothing_to_decode(world, tmp_path):
    manifest = world["backbone"]
    train_classifier(
        street.LATENT_GUIDE, street.latents(tmp_path, manifest), tmp_path / "guide", tmp_path / "checkpoints"
    )
    own = world | {"classifier": tmp_path / "guide"}
    _, about = edits(own, tmp_path / "edit", guide=street.LATENT_GUIDE)
    assert about["counts"]["decode"] == about["multiply_accumulates"]["decode"] == 0
    assert about["counts"]["guide"] > 0 and about["multiply_accumulates"]["guide"] > 0


def test_a_small_decoder_shows_the_guide_the_particles_but_decodes_no_result(world, parts, faces, tmp_path):
    spec, latents = street.decoder_spec(), street.latents(tmp_path, world["backbone"])
    train_small_decoder(spec, latents, world["backbone"], tmp_path / "small", tmp_path / "checkpoints")
    own = world | {"decoder": tmp_path / "small"}
    small, about = edits(own, tmp_path / "edit", decoder=spec)
    large, plain = edits(world, tmp_path / "plain")
    assert about["multiply_accumulates"]["decode"] != plain["multiply_accumulates"]["decode"]
    assert (small["scores"] != large["scores"]).any()
    np.testing.assert_array_equal(small["reconstructions"], large["reconstructions"])

    class Same(torch.nn.Module):
        def forward(self, z):
            return parts.vae.decode(z / street.FACTOR).sample

    arguments = (faces.pixels[:2], faces.sample_ids[:2], np.array([3, 3]))
    ways = [edit_faces(*arguments, p, Sampler(**SIZES)) for p in (parts, replace(parts, decoder=Same()))]
    np.testing.assert_array_equal(ways[0].scores, ways[1].scores)
    with pytest.raises(FacetoryError, match="give both, or none"):
        edit_smc(street.edit_spec(decoder=spec), **world, folder=tmp_path / "none")


@pytest.mark.parametrize("model", ["diffusion", "classifier"])
def test_a_model_that_failed_edits_nothing_and_says_why(world, tmp_path, model):
    write_json(tmp_path / model / "manifest.json", {"status": "failed", "reason": "diverged at step 3"})
    edit_smc(street.edit_spec(), **world | {model: tmp_path / model}, folder=tmp_path / "edit")
    record = read_json(tmp_path / "edit" / "manifest.json")
    assert record["status"] == "not_run"
    assert record["reason"] == f"{model}: its training failed: diverged at step 3"
    assert not (tmp_path / "edit" / "edits.safetensors").exists()


def test_an_edit_that_diverges_says_so(world, tmp_path, monkeypatch):
    usual = editing.sampled

    def lost(*arguments):
        found = usual(*arguments)
        return found._replace(particles=found.particles / 0)

    monkeypatch.setattr(editing, "sampled", lost)
    edit_smc(street.edit_spec(), **world, folder=tmp_path)
    record = read_json(tmp_path / "manifest.json")
    assert record["status"] == "failed" and "not finite. Lower guidance_scale (5)" in record["reason"]
    assert not (tmp_path / "edits.safetensors").exists()


def test_an_unknown_target_or_label_is_named_with_the_known_ones(world, tmp_path):
    with pytest.raises(FacetoryError, match=r"unknown target 'hapiness'.*anger, disgust.*mean 'happiness'"):
        edits(world, tmp_path, target="hapiness")
    with pytest.raises(FacetoryError, match="unknown label 'joyful'"):
        edits(world, tmp_path, labels=("joyful",))
    with pytest.raises(FacetoryError, match="split 'test' has no face of disgust"):
        edits(world, tmp_path, labels=("disgust",))
    assert not list(tmp_path.iterdir())


def test_faces_are_spread_over_the_labels_asked_for(world):
    chosen = chosen_faces(world["faces_ledger"], "test", 3, ("sadness", "neutral"))
    names = [chosen.classes[label] for label in chosen.labels]
    assert len(names) == 3 and set(names) == {"sadness", "neutral"}
    assert [row["sample_id"] for row in chosen.rows] == chosen.sample_ids == sorted(chosen.sample_ids)
    assert chosen.persons == [row["person"] for row in chosen.rows]
    everyone = chosen_faces(world["faces_ledger"], "test", 99)
    assert len(everyone.rows) == 8


def test_faces_without_labels_are_edited_too(world, tmp_path):
    own = world | {"faces_ledger": street.faces(tmp_path / "faces", labelled=False)}
    arrays, about = edits(own, tmp_path / "edit", target="random", images=4)
    assert arrays["labels"].tolist() == [-1] * 4 and about["classes"] == []
    with pytest.raises(FacetoryError, match="unknown label 'sadness'"):
        edits(own, tmp_path / "edit", labels=("sadness",))


def test_random_targets_are_never_the_sources_own_and_belong_to_the_sample():
    ids = [f"s{i}" for i in range(700)]
    sources = [BASIC[i % 7] for i in range(700)]
    targets = targets_of("random", BASIC, sources, ids, 0, "here")
    assert all(BASIC[target] != source for target, source in zip(targets, sources, strict=True))
    assert (np.bincount(targets, minlength=7) > 60).all()
    some = targets_of("random", BASIC, sources[40:50], ids[40:50], 0, "here")
    assert some.tolist() == targets[40:50].tolist()
    assert targets_of("random", BASIC, sources, ids, 1, "here").tolist() != targets.tolist()
    unknown = targets_of("random", BASIC, [None] * 700, ids, 0, "here")
    assert (np.bincount(unknown, minlength=7) > 60).all()


def test_multiply_accumulates_are_those_of_convolution_product_and_attention():
    conv = torch.nn.Conv2d(3, 5, 3, padding=1, bias=False)
    assert multiply_accumulates(conv, torch.zeros(1, 3, 8, 8)) == 8 * 8 * 5 * 3 * 9
    assert multiply_accumulates(torch.nn.Linear(6, 7), torch.zeros(2, 6)) == 2 * 6 * 7
    attend = lambda x: torch.nn.functional.scaled_dot_product_attention(x, x, x)  # noqa: E731
    assert multiply_accumulates(attend, torch.zeros(1, 2, 16, 8)) == 2 * (2 * 16 * 16 * 8)


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"resample_interval": 4},
        {"resample_interval": 3},
        {"resample_interval": 50},
        READINGS["corrected"],
    ],
)
def test_unshared_rows_are_those_that_the_sampler_counts(parts, faces, asked):
    sampler = Sampler(**SIZES | asked)
    found = edit_faces(faces.pixels[:2], faces.sample_ids[:2], np.array([3, 3]), parts, sampler)
    rows = rows_of_smc(sampler)
    assert found.about["unshared"] == {
        "unet": 2 * rows["unet"],
        **dict.fromkeys(("decode", "guide"), 2 * rows["score"]),
    }


def test_equal_cost_is_counted_by_hand():
    """5 particles, 7 steps: 35 UNet rows of 2 and 35 scores of 7 are 315; an edit costs 14 + 7 = 21."""
    costs = {"unet": 2, "decode": 4, "guide": 3}
    assert equal_cost_particles(Sampler(**SIZES), costs) == 15
    every_fourth = Sampler(**SIZES, resample_interval=4)
    assert equal_cost_particles(every_fourth, costs) == (70 + 5 * 2 * 7) // 21
    alone = Sampler(**SIZES | {"particles": 1})
    assert equal_cost_particles(alone, {"unet": 0, "decode": 0, "guide": 1}) == STEPS


def test_progress_counts_the_steps_of_all_faces(parts, faces, monkeypatch):
    monkeypatch.setattr(editing, "GROUP_ROWS", 10)
    told = []
    arguments = (faces.pixels[:3], faces.sample_ids[:3], np.array([3, 3, 3]), parts, Sampler(**SIZES))
    edit_faces(*arguments, show=lambda done, numbers: told.append(done))
    assert told == sorted(told) and told[0] == 2 and told[-1] == 3 * STEPS


def test_half_precision_gives_float32_that_is_near(world, parts, faces):
    half = replace(parts, precision="bf16")
    z = parts.encode(torch.from_numpy(faces.pixels[:2]))
    noises = [own.predict_noise()(z, 100) for own in (half, parts)]
    torch.testing.assert_close(*noises, atol=0.1, rtol=0.1)
    targets, owners = torch.zeros(2, dtype=torch.int64), torch.arange(2)
    exact, near = (own.log_score(targets)(z, 0, owners) for own in (parts, half))
    assert near.dtype == torch.float32 and half.decode(z).dtype == torch.uint8
    assert not torch.equal(near, exact)
    torch.testing.assert_close(near, exact, atol=0.2, rtol=0.1)
