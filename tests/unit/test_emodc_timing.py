"""Table IX's times: medians with their intervals, of every model, on faces at hand."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from emodc_street import D, L, build, train_spec
from facetory.cli.main import app
from facetory.data.labels import family_of
from facetory.emodc import speed as speeds_module
from facetory.emodc.speed import rounds, speed, speeds
from facetory.emodc.timing import training_time
from facetory.emodc.timing_spec import EmoDCTimingSpec
from facetory.emodc.train import train_emodc
from facetory.pipeline.files import sha256_of, write_json, write_tensors
from facetory.recognition.spec import ClassifierSpec
from facetory.recognition.train import train_classifier
from PIL import Image
from typer.testing import CliRunner

CLASSES = family_of(["happiness"], "test")
FACES = [np.full((8, 8, 3), i, np.uint8) for i in range(4)]


@pytest.fixture
def clock(monkeypatch):
    """A clock that only the classifiers of the tests move."""
    now = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(speeds_module, "time", SimpleNamespace(perf_counter=lambda: now.seconds))
    return now


def taking(milliseconds, clock, seen):
    """A classifier that takes a time by the size of its batch."""

    def classify(faces):
        seen.append(len(faces))
        clock.seconds += milliseconds(len(faces)) / 1000
        return torch.zeros(len(faces), 2)

    return classify


def test_milliseconds_are_those_of_a_face(clock):
    seen = []
    found = speed(taking(lambda n: 10 + len(seen) % 2, clock, seen), FACES, 2, repeats=5)
    assert seen == [2] * (speeds_module.WARM_UP + 5 * 2)
    assert found["milliseconds"] == pytest.approx((10 + 11) / 4)
    assert found["frames_per_second"] == pytest.approx(4000 / 21)
    assert (found["images"], found["repeats"], found["batch_size"]) == (4, 5, 2)


def test_the_interval_is_that_of_the_median(monkeypatch):
    """A single slow round moves neither the median nor, of ten, its interval."""
    monkeypatch.setattr(speeds_module, "rounds", lambda *_: [2.0] * 4 + [1.0] * 4 + [3.0] * 3)
    found = speed(None, FACES, 1, repeats=11)
    assert found["milliseconds"] == 2 and (found["milliseconds_low"], found["milliseconds_high"]) == (1, 3)
    assert (found["frames_per_second_low"], found["frames_per_second_high"]) == (1000 / 3, 1000)
    monkeypatch.setattr(speeds_module, "rounds", lambda *_: [2.0] * 10 + [500.0])
    assert speed(None, FACES, 1, repeats=11)["milliseconds_high"] == 2


def test_the_fastest_batch_size_stands_beside_one_face_at_a_time(clock):
    """5 ms a call and, beyond four faces, 5 ms more for each: four at once are best."""
    classify = taking(lambda n: 5 + 5 * max(0, n - 4), clock, [])
    alone, batched = speeds(classify, FACES, images=3, batch_sizes=(2, 4, 16), repeats=2)
    assert (alone["batch_size"], alone["images"]) == (1, 3)
    assert (batched["batch_size"], batched["images"]) == (4, 4)
    assert len(speeds(classify, FACES, images=3, batch_sizes=(), repeats=2)) == 1


def test_a_round_goes_through_every_face():
    seen = []
    rounds(lambda faces: seen.extend(f[0, 0, 0] for f in faces) or torch.zeros(len(faces), 2), FACES, 3, 1)
    assert seen[-4:] == [0, 1, 2, 3]


def ledger_of_faces(folder):
    (folder / "images").mkdir(parents=True)
    lines = ["sample_id,split,label,person,sha256"]
    for i in range(14):
        path = folder / "images" / f"s{i}.png"
        pixels = np.random.default_rng(i).integers(0, 256, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        lines.append(f"s{i},{'train' if i < 7 else 'test'},{CLASSES[i % 7]},p{i},{sha256_of(path)}")
    (folder / "ledger.csv").write_text("\n".join(lines) + "\n")
    return folder / "ledger.csv"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run, a classifier and one that failed, with the faces to decide."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("timing")
    street = build(folder)
    AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=4,
        sample_size=64,
    ).save_pretrained(street["backbone"] / "vae", safe_serialization=True)
    run = train_spec(steps=1)
    train_emodc(run, **street, folder=folder / "run", checkpoints=folder / "checkpoints")
    tokens = np.zeros((len(CLASSES) + 2, L, D), np.float32)
    write_tensors(folder / "basic.safetensors", {"tokens": tokens}, {"classes": list(CLASSES)})
    ledger = ledger_of_faces(folder / "faces")
    names = {"dataset": "faces", "px": 32, "steps": 1, "size": "small", "network": "resnet18"}
    classifiers = [ClassifierSpec(**names, seed=seed) for seed in (0, 1)]
    train_classifier(classifiers[0], ledger, folder / "resnet", folder / "checkpoints")
    write_json(folder / "failed" / "manifest.json", {"status": "failed", "reason": "it diverged"})
    spec = EmoDCTimingSpec(
        train=run, classifiers=classifiers, dataset="faces", split="test", px=64,
        timesteps={1: (99,), 10: (49, 149, 249)}, images=2, repeats=2, batch_sizes=(2, 4),
    )  # fmt: skip
    arguments = {
        "--spec": spec.canonical(),
        "--faces": ledger,
        "--text": folder / "basic.safetensors",
        "--backbone": street["backbone"],
        "--run": folder / "run",
        "--folder": folder / "timings",
    }
    return folder, spec, [str(part) for pair in arguments.items() for part in pair]


def test_every_model_is_timed_on_the_command_line(trained):
    folder, spec, arguments = trained
    folders = ["--classifier", str(folder / "resnet"), "--classifier", str(folder / "failed")]
    result = CliRunner().invoke(app, ["emodc", "time", *arguments, *folders], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    timing = json.loads((folder / "timings" / "timing.json").read_text())
    assert timing["status"] == "timed" and timing["device_name"] and timing["threads"] == 1
    assert len(timing["load_average"]["before"]) == 3
    run, resnet, failed = (timing["models"][each.id] for each in (spec.train, *spec.classifiers))
    assert [(s["steps"], s["batch_size"] == 1) for s in run["speeds"]] == [
        (1, True), (1, False), (10, True), (10, False),
    ]  # fmt: skip
    assert [s["steps"] for s in resnet["speeds"]] == [None, None]
    assert all(s["milliseconds"] > 0 for s in run["speeds"] + resnet["speeds"])
    outcome = json.loads((folder / "run" / "manifest.json").read_text())["training"]
    assert run["training"] == {
        "hours": outcome["seconds"] / 3600,
        "steps": 1,
        "device_name": timing["device_name"],
    }
    assert failed == {"reason": "its training failed: it diverged"}


def test_a_classifier_too_few_is_refused(trained, capsys):
    folder, _, arguments = trained
    result = CliRunner().invoke(app, ["emodc", "time", *arguments, "--classifier", str(folder / "resnet")])
    assert "names 2, but 1 folders are given" in str(result.exception)


def test_weights_taken_over_have_no_training_time():
    assert training_time({"status": "trained", "origin": {"file": "apvit.pth"}, "device": "cpu"}) is None
