"""`facetory train`: from a folder of one's own labelled images to a model, and what is refused before."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from drawn import face, picture
from facetory.cli.main import app
from facetory.emodc import own_plan
from facetory.emodc.export import beside, opened
from facetory.emodc.own_plan import Request, plan_own
from facetory.emodc.predict import EmotionDiffusionClassifier
from facetory.emodc.race_threshold import calibrate, write_calibration
from facetory.metrics.records import read_records, write_records
from facetory.pipeline.files import FacetoryError, sha256_of, write_json
from facetory.pipeline.once import once
from PIL import Image
from typer.testing import CliRunner

CLASSES = ("Calm", "joy", "very unhappy")


def folder_of_faces(root, each=5):
    """A folder per class with drawn faces whose background tells the class."""
    for number, name in enumerate(CLASSES):
        for i in range(each):
            path = root / name / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(face(72, ((0.5, 0.48 + 0.01 * i, 0.6),), (80 * number, 90, 120))).save(path)
    return root


def typed(*words):
    result = CliRunner().invoke(app, [str(word) for word in words])
    if isinstance(result.exception, FacetoryError):
        raise result.exception
    return result


def train(faces, model, *options):
    words = ("--adjective", "calm=relaxed", "--scale", "ci", "--processes", "1")
    return typed("train", faces, "--model", model, *words, *options)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    root = tmp_path_factory.mktemp("product")
    faces = folder_of_faces(root / "my faces")
    return faces, root / "model", train(faces, root / "model")


def test_a_folder_becomes_a_model_in_one_line(trained):
    _, model, result = trained
    assert result.exit_code == 0, result.output
    about = json.loads((model / "model.json").read_text())
    assert about["classes"] == ["calm", "joy", "very_unhappy"]
    assert about["prompts"][:3] == [
        "A photo of a relaxed facial expression.",
        "A photo of a happy facial expression.",
        "A photo of a very unhappy facial expression.",
    ]
    assert about["data"]["train"] == {"calm": 4, "joy": 4, "very_unhappy": 4}
    assert "accuracy in 1 timestep:" in result.stdout and "n = 3, test" in result.stdout
    card = (model / "README.md").read_text()
    assert "people may be in both" in card and "Licence of the data: the user's own" in card


def test_the_settings_are_the_scales(trained):
    """No second set of numbers: what the scale says, and the losses' defaults."""
    from facetory.emodc.spec import EmoDCScale
    from facetory.pipeline.config import load_settings

    settings = load_settings({"scale": "ci"})
    scale = EmoDCScale.model_validate(settings.scale.emodc)
    plan = plan_own(Request(trained[0], scale="ci"))
    assert plan.train.steps == scale.budgets["rafdb_basic"].steps and plan.train.lr == scale.lr
    assert plan.train.lora_targets == scale.lora_targets and plan.train.px == scale.px
    assert plan_own(Request(trained[0], scale="ci", steps=7, loss="base")).train.steps == 7


def test_the_model_answers_as_the_run_does(trained):
    """MODEL may be the run's folder: what it was made from lies beside it."""
    _, model, _ = trained
    (run,) = Path(f"{model}.work").glob("runs/*")
    assert (run / "README.md").is_file()
    pictures = [face(72), face(72, background=(10, 10, 200))]
    exported, direct = (EmotionDiffusionClassifier.load(path, "cpu", steps=1) for path in (model, run))
    assert np.array_equal(exported.errors(pictures), direct.errors(pictures))
    assert exported.about.calibration == direct.about.calibration


def test_a_second_time_trains_nothing(trained):
    faces, model, _ = trained
    before = {path: path.stat().st_mtime_ns for path in Path(f"{model}.work").rglob("*.safetensors")}
    train(faces, model)
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_racing_needs_more_than_this(trained):
    classifier = EmotionDiffusionClassifier.load(trained[1], "cpu", steps="auto", detect=False)
    with pytest.raises(FacetoryError, match="exported without racing, which needs"):
        classifier.predict([face(72)])


def test_the_card_of_a_run_is_written_alone(trained):
    (run,) = Path(f"{trained[1]}.work").glob("runs/*")
    (run / "README.md").unlink()
    assert typed("emodc", "card", "--run", run, "--stands-in-for", "RAF-DB B").exit_code == 0
    assert "stand in for RAF-DB B" in (run / "README.md").read_text()


def test_a_card_without_a_whole_grid_tells_no_accuracy_and_no_race(trained, tmp_path):
    """Such as that of a run whose only evaluation is at one timestep, and not at its loss's own."""
    work = tmp_path / "work"
    shutil.copytree(f"{trained[1]}.work", work)
    (run,) = work.glob("runs/*")
    (whole,) = work.glob("evaluations/*")
    records = read_records(whole / "clean.safetensors")
    timesteps = np.full_like(records.timesteps[:1], 777)
    one = replace(records, errors=records.errors[:, :1], timesteps=timesteps)
    write_records(whole / "clean.safetensors", one)
    about = json.loads((whole / "manifest.json").read_text())
    outputs = {"clean.safetensors": sha256_of(whole / "clean.safetensors")}
    write_json(whole / "manifest.json", about | {"outputs": outputs})
    assert typed("emodc", "card", "--run", run).exit_code == 0
    model = opened(beside(run))
    assert model.about.metrics == () and model.about.race is None


def test_export_from_a_run(trained, tmp_path):
    (run,) = Path(f"{trained[1]}.work").glob("runs/*")
    result = typed("emodc", "export", "--run", run, "--model", tmp_path / "m", "--name", "mine")
    assert result.exit_code == 0
    assert json.loads((tmp_path / "m" / "model.json").read_text())["name"] == "mine"


def test_of_several_evaluations_the_whole_clean_one_counts_and_a_race_is_found(trained, tmp_path):
    work = tmp_path / "work"
    shutil.copytree(f"{trained[1]}.work", work)
    (run,) = work.glob("runs/*")
    (whole,) = work.glob("evaluations/*")
    about = json.loads((whole / "manifest.json").read_text())
    for name, change in {"a": {"images_per_class": 1}, "b": {"corruptions": ["blur2"]}}.items():
        for folder in (work / "evaluations" / name, work / "evaluations" / f"z{name}"):
            write_json(folder / "manifest.json", about | {"spec": about["spec"] | change})
    made = beside(run)
    assert made.evaluation.name == whole.name and made.race is None
    race = work / "races" / "x"
    errors = np.random.default_rng(0).normal(size=(30, 20, 3))
    write_json(race / "manifest.json", {"spec": about["spec"], "status": "raced"})
    calibration = calibrate(errors, np.array([f"p{i}" for i in range(30)]), 0.9)
    write_calibration(race / "calibration.safetensors", calibration)
    model = opened(beside(run))
    assert model.about.race.steps == 20 and model.about.race.how == "a race on the test split"
    assert model.race.threshold == model.about.race.threshold == calibration.threshold


def test_a_run_of_other_weights_is_not_exported(trained, tmp_path):
    work = tmp_path / "work"
    shutil.copytree(f"{trained[1]}.work", work)
    (manifest,) = work.glob("runs/*/manifest.json")
    about = json.loads(manifest.read_text())
    about["inputs"] = dict.fromkeys(about["inputs"], "0" * 64)
    manifest.write_text(json.dumps(about))
    with pytest.raises(FacetoryError, match="was trained on other weights of backbone demo"):
        EmotionDiffusionClassifier.load(manifest.parent, "cpu")


def test_a_run_that_failed_is_no_model(trained, tmp_path):
    work = tmp_path / "work"
    shutil.copytree(f"{trained[1]}.work", work)
    (manifest,) = work.glob("runs/*/manifest.json")
    about = json.loads(manifest.read_text()) | {"status": "failed", "reason": "It diverged."}
    manifest.write_text(json.dumps(about))
    with pytest.raises(FacetoryError, match=r"its training failed: It diverged\."):
        EmotionDiffusionClassifier.load(manifest.parent, "cpu")


def remove(faces, number):
    for path in sorted((faces / "joy").iterdir())[:number]:
        path.unlink()


BAD = {
    "no folder": (lambda faces: faces.rename(faces.with_name("away")), r"faces: no such folder"),
    "no classes": (lambda faces: [shutil.rmtree(folder) for folder in faces.iterdir()], "no class folders"),
    "too few": (
        lambda faces: remove(faces, 3),
        r"class joy has 2 images, .* at least \d must be\. Add images",
    ),
    "an empty class": (lambda faces: (faces / "sad").mkdir(), r"class sad has 0 images"),
    "broken images": (
        lambda faces: [path.write_bytes(b"x") for path in (faces / "joy").iterdir()],
        r"joy/\d\.png.*cannot be decoded",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_before_any_compute(tmp_path, monkeypatch, name):
    monkeypatch.setattr("facetory.faces.align.align", lambda *arguments, **options: pytest.fail("computed"))
    change, message = BAD[name]
    faces = folder_of_faces(tmp_path / "faces")
    change(faces)
    with pytest.raises(FacetoryError, match=message):
        train(faces, tmp_path / "model")


def test_one_class_alone_is_refused(tmp_path):
    for i in range(6):
        picture(tmp_path / "faces" / "joy" / f"{i}.png", i)
    with pytest.raises(FacetoryError, match=r"only the class folder joy\. Put a folder of images for each"):
        train(tmp_path / "faces", tmp_path / "model")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--adjective", "glee=gleeful"), "there is no class glee. The classes are calm, joy, very_unhappy"),
        (("--adjective", "joy"), "--adjective joy: write it as CLASS=ADJECTIVE"),
        (("--adjective", "joy=relaxed"), r"classes calm and joy would share the prompt"),
        (("--backbone", "sd21"), "Use one of those|Did you mean 'sd21-base'|not placed"),
        (("--scale", "dmo"), "unknown scale 'dmo'.*Did you mean 'demo'"),
    ],
)
def test_wrong_options_are_explained(tmp_path, options, message):
    with pytest.raises(FacetoryError, match=message):
        train(folder_of_faces(tmp_path / "faces"), tmp_path / "model", *options)


def test_a_backbone_made_for_gpus_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    faces = folder_of_faces(tmp_path / "faces")
    with pytest.raises(FacetoryError, match="sd21-base not placed: run `facetory backbone fetch"):
        plan_own(Request(faces, backbone="sd21-base", data_root=tmp_path, device="cpu"))
    monkeypatch.setattr(own_plan, "missing", lambda *arguments: None)
    with pytest.raises(FacetoryError, match=r"made for GPUs and none is visible\. Use --backbone demo"):
        plan_own(Request(faces, backbone="sd21-base"))


def test_split_folders_are_kept_and_validation_serves(tmp_path):
    for split, each in (("train", 5), ("validation", 2)):
        folder_of_faces(tmp_path / "faces" / split, each)
    plan = plan_own(Request(tmp_path / "faces", scale="ci"))
    assert plan.split == "validation" and plan.entry.own_classes == ("calm", "joy", "very_unhappy")


def test_a_step_is_done_once_while_nothing_changes(tmp_path):
    source, output, done = tmp_path / "in", tmp_path / "out", []
    source.write_text("1")

    def step(request="a"):
        def do():
            done.append(request)
            output.write_text(source.read_text() + request)

        return once(tmp_path / "stamp.json", request, ["pipeline.once"], [source], [output], do)

    assert step() and not step() and done == ["a"]
    assert step("b") and not step("b")
    source.write_text("2")
    assert step("b")
    output.write_text("torn")
    assert step("b") and output.read_text() == "2b"
    output.unlink()
    assert step("b")


@pytest.mark.parametrize("verb", ["train", "predict"])
def test_help_shows_examples(verb):
    text = typed(verb, "--help").stdout
    assert f"facetory {verb} " in text and "Examples" in text
