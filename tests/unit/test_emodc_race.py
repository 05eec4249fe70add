import json

import numpy as np
import pytest
import torch
from emodc_street import CLASSES, D, L, build, tiny_unet, train_spec
from facetory.cli.emodc import app
from facetory.diffusion.schedule import alphas_cumprod
from facetory.emodc.classifier import errors_by_class
from facetory.emodc.errors import share_text
from facetory.emodc.race import measured, watched
from facetory.emodc.race_spec import RaceSpec
from facetory.emodc.race_stage import race_emodc
from facetory.emodc.race_threshold import read_calibration
from facetory.emodc.racing import race
from facetory.emodc.remainder import exchangeable
from facetory.emodc.train import train_emodc
from facetory.pipeline.files import FacetoryError, sha256_of, write_json
from facetory.pipeline.randomness import sample_keys
from typer.testing import CliRunner

TIMESTEPS = np.arange(25, 1000, 50)
N, K = 7, len(CLASSES)


@pytest.fixture(scope="module")
def setting():
    """A tiny UNet that counts the rows it sees, and the arguments of an evaluation of seven samples."""
    torch.set_num_threads(1)
    random = torch.Generator().manual_seed(1)
    unet, rows = share_text(tiny_unet()).requires_grad_(False), []
    forward = unet.forward
    unet.forward = lambda sample, *args, **options: (
        rows.append(len(sample)) or forward(sample, *args, **options)
    )
    latents = torch.randn(N, 4, 8, 8, generator=random)
    tokens = torch.randn(K, L, D, generator=random)
    keys = sample_keys([f"face-{i}" for i in range(N)])
    return rows, (unet, latents, keys, TIMESTEPS, tokens, alphas_cumprod(), "epsilon")


@pytest.fixture(scope="module")
def full(setting):
    return errors_by_class(*setting[1], noise_seed=3)


@pytest.mark.parametrize("batch_size", [5, 512])
def test_errors_are_those_of_the_full_evaluation(setting, full, batch_size):
    outcome = race(
        measured(*setting[1], noise_seed=3, batch_size=batch_size),
        full.shape,
        exchangeable(len(TIMESTEPS)),
        1.0,
    )
    held = np.isfinite(outcome.errors)
    assert 0.2 < held.mean() < 0.9
    np.testing.assert_allclose(outcome.errors[held], full[held], rtol=2e-5)


def test_forwards_are_what_the_unet_saw(setting, full):
    rows, arguments = setting
    rows.clear()
    with watched(arguments[0]) as done:
        outcome = race(measured(*arguments, batch_size=16), full.shape, exchangeable(len(TIMESTEPS)), 1.5)
        work = done()
    assert outcome.forwards.sum() == sum(rows) == work.rows < full.size
    assert work.calls == len(rows) and max(rows) == 16 and work.seconds > 0
    assert rows[:5] == [16] * 5 and sum(rows[:6]) == 4 * N * K


def test_without_elimination_predictions_are_those_of_the_full_grid(setting, full):
    outcome = race(measured(*setting[1], noise_seed=3), full.shape, exchangeable(len(TIMESTEPS)), np.inf)
    assert (outcome.predictions == full.mean(axis=1).argmin(axis=1)).all()
    assert (outcome.forwards == len(TIMESTEPS) * K).all()


def test_company_does_not_change_a_race(setting):
    """A sample alone takes the same course as among others."""
    unet, latents, keys, *rest = setting[1]
    model, shape = exchangeable(len(TIMESTEPS)), (N, len(TIMESTEPS), K)
    together = race(measured(unet, latents, keys, *rest), shape, model, 1.5)
    for i in range(N):
        alone = race(measured(unet, latents[i : i + 1], keys[i : i + 1], *rest), (1, *shape[1:]), model, 1.5)
        assert alone.predictions[0] == together.predictions[i] and alone.forwards[0] == together.forwards[i]


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("street")
    paths = build(folder, samples=24)
    train_emodc(train_spec(), **paths, folder=folder / "run", checkpoints=folder / "checkpoints")
    return paths | {"run": folder / "run"}


def race_spec(**changes):
    settings = {"train": train_spec(), "steps": 12, "folds": 3, "thresholds": (0.5, 1e300), "fixed_steps": 3}
    names = {"backbone": "demo", "dataset": "faces", "split": "test", "px": 64}
    return RaceSpec(**(names | settings | changes))


@pytest.fixture(scope="module")
def raced(street, tmp_path_factory):
    folder = tmp_path_factory.mktemp("race")
    race_emodc(race_spec(), **street, folder=folder)
    return folder, json.loads((folder / "race.json").read_text())


def test_the_stage_counts_what_was_evaluated(raced):
    _, content = raced
    assert content["full"]["rows"] == 24 * 12 * 3 and content["full"]["fraction"] == 1
    assert content["fixed"]["rows"] == 24 * 3 * 3 and content["fixed"]["fraction"] == 0.25
    forwards = sum(sample["forwards"] for sample in content["of_each_sample"])
    assert forwards == content["race"]["rows"] == round(content["race"]["fraction"] * 24 * 12 * 3)
    loose, strict = content["curve"]
    assert loose["rows"] < content["race"]["rows"] <= strict["rows"] == 24 * 12 * 3
    assert content["race"]["time_ratio"] == content["race"]["seconds"] / content["full"]["seconds"]


def test_the_stage_judges_against_the_full_grid(raced):
    _, content = raced
    samples = content["of_each_sample"]
    agreed = [sample["prediction"] == sample["full_prediction"] for sample in samples]
    assert content["race"]["agreement"] == np.mean(agreed)
    assert content["race"]["disagreements"] == 24 - sum(agreed)
    right = [sample["full_prediction"] == sample["label"] for sample in samples]
    assert content["full"]["accuracy"] == pytest.approx(np.mean(right))
    assert content["full"]["agreement"] == content["curve"][1]["agreement"] == 1


def test_every_fold_is_judged_with_what_other_people_calibrated(raced):
    _, content = raced
    samples = content["of_each_sample"]
    for i in range(0, 24, 2):  # two samples a person
        assert samples[i]["fold"] == samples[i + 1]["fold"]
    for fold, calibration in enumerate(content["calibration"]):
        others = sum(sample["fold"] != fold for sample in samples)
        assert calibration["samples"] == others == 16
        assert calibration["bound"] == 1 / 17 and calibration["disagreements"] == 0
    replayed = {(entry["test"], entry["threshold"]): entry for entry in content["replayed"]}
    assert replayed["learnt", None]["fraction"] == pytest.approx(content["race"]["fraction"], abs=0.02)
    assert replayed["learnt", 1.0]["fraction"] < replayed["learnt", 6.0]["fraction"]


def test_the_stage_leaves_a_manifest_and_a_calibration(raced):
    folder, content = raced
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["status"] == "raced" and manifest["samples"] == 24
    assert manifest["outputs"] == {
        name: sha256_of(folder / name) for name in ("race.json", "calibration.safetensors")
    }
    calibration = read_calibration(folder / "calibration.safetensors")
    assert calibration.samples == content["samples"] == 24 and calibration.model.order.shape == (12,)


def test_a_failed_run_does_not_race(street, tmp_path):
    (tmp_path / "run").mkdir()
    write_json(tmp_path / "run" / "manifest.json", {"status": "failed", "reason": "diverged at step 7"})
    race_emodc(race_spec(), **(street | {"run": tmp_path / "run"}), folder=tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["status"] == "not_run" and "diverged at step 7" in manifest["reason"]
    assert not (tmp_path / "race.json").exists()


def test_from_the_command_line(street, tmp_path):
    paths = [word for name, path in street.items() for word in (f"--{name}", str(path))]
    spec = race_spec(images_per_class=4, steps=6, thresholds=()).canonical()
    result = CliRunner().invoke(app, ["race", "--spec", spec, *paths, "--folder", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "race.json").read_text())["samples"] == 12


def test_too_few_people_are_refused(street, tmp_path):
    with pytest.raises(FacetoryError, match="12 people do not make 13 folds"):
        race_emodc(race_spec(folds=13), **street, folder=tmp_path)


def test_a_race_is_named_after_its_run():
    assert race_spec().slug() == [*train_spec().slug(), "test"]
    assert race_spec(dataset="others").slug()[-2:] == ["others", "test"]
