"""`facetory edit`: words on the command line, files that say what they are, and messages that help."""

import json

import numpy as np
import pytest
import torch
from drawn import face
from editor_street import CLASSES, PX, SAMPLER, exported
from facetory.cli.edit import expressions
from facetory.cli.main import app
from facetory.data.marks import read_mark
from facetory.pipeline.files import FacetoryError
from facetory.smc.editor import CounterfactualEditor
from PIL import Image
from typer.testing import CliRunner


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("editor")
    pictures = {
        "one": face(160),
        "two": face(320, ((0.27, 0.5, 0.42), (0.75, 0.5, 0.5))),
        "none": np.full((160, 160, 3), 90, dtype=np.uint8),
    }
    for name, picture in pictures.items():
        Image.fromarray(picture).save(root / f"{name}.png")
    return exported(root), root


def typed(*words):
    result = CliRunner().invoke(app, [str(word) for word in words])
    if isinstance(result.exception, FacetoryError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def edit(street, photo, *words):
    return typed("edit", street[0], street[1] / f"{photo}.png", *words, "--device", "cpu")


FORMS = {
    "after one option": ("--emotion", "happy", "sad", "angry"),
    "repeated": ("--emotion", "happy", "--emotion", "sad", "--emotion", "angry"),
    "with commas": ("--emotion", "happy,sad, angry"),
    "mixed": ("--emotion", "happy", "sad,angry"),
    "in front": ("happy", "sad", "angry"),
}


@pytest.mark.parametrize("form", FORMS)
def test_expressions_may_be_written_in_every_usual_way(street, form):
    printed = json.loads(edit(street, "one", *FORMS[form], "--steps", "4", "--json").stdout)
    assert [own["target"] for own in printed["edits"]] == ["happiness", "sadness", "anger"]
    assert printed["files"] == []


def test_an_expression_counts_once():
    assert expressions(["sad", "happy,sad", " "]) == ["sad", "happy"]


def test_two_words_for_one_expression_are_one(street):
    printed = json.loads(edit(street, "one", "--emotion", "happy", "joy", "--steps", "4", "--json").stdout)
    assert [own["target"] for own in printed["edits"]] == ["happiness"]


def test_the_strip_is_written_and_marked(street, tmp_path):
    out = tmp_path / "strip.png"
    result = edit(street, "one", "--emotion", "happy", "sad", "--out", out)
    assert str(out) in result.stdout.replace("\n", "") and "happiness" in result.stdout
    mark = read_mark(out)
    assert mark["synthetic"] == "true" and mark["target"] == "happiness, sadness"
    assert mark["DigitalSourceType"].endswith("/compositeWithTrainedAlgorithmicMedia")
    width, height = Image.open(out).size
    assert width > 3 * height / 2


def test_a_strip_lands_here_unless_told_otherwise(street, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    edit(street, "one", "--emotion", "happy", "--steps", "4")
    assert read_mark(tmp_path / "one_edited.png")["target"] == "happiness"
    assert [path.name for path in tmp_path.iterdir()] == ["one_edited.png"]


def test_single_pictures_are_the_faces_or_the_whole_photograph(street, tmp_path):
    words = ("--emotion", "happy", "sad", "--steps", "4", "--out-dir")
    edit(street, "one", *words, tmp_path / "faces")
    edit(street, "one", *words, tmp_path / "whole", "--whole")
    for folder, side in (("faces", PX), ("whole", 160)):
        names = sorted(path.name for path in (tmp_path / folder).iterdir())
        assert names == ["one_happiness.png", "one_sadness.png"]
        for name in names:
            assert Image.open(tmp_path / folder / name).size == (side, side)
            assert read_mark(tmp_path / folder / name)["synthetic"] == "true"


def test_whole_pictures_lie_beside_the_strip(street, tmp_path):
    edit(street, "one", "--emotion", "happy", "--steps", "4", "--out", tmp_path / "s.jpg", "--whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one_happiness.png", "s.jpg"]
    assert read_mark(tmp_path / "s.jpg")["synthetic"] == "true"


def test_json_tells_what_python_tells(street):
    words = ("--emotion", "happy", "--seed", "2", "--particles", "5", "--noise-strength", "0.4", "--json")
    printed = json.loads(edit(street, "one", *words).stdout)
    editor = CounterfactualEditor.load(street[0])
    own = editor.edit(street[1] / "one.png", "happy", seed=2, particles=5, noise_strength=0.4)
    assert printed["sampler"] == json.loads(own.sampler.model_dump_json())
    assert printed["sampler"]["particles"] == 5 and printed["seed"] == 2
    assert printed["before"] == own.before and list(printed["before"]) == CLASSES
    (edited,) = printed["edits"]
    assert edited["after"] == own.after and edited["ess"] == own.trace.ess.tolist()
    assert edited["unique_roots"] == own.trace.unique_roots.tolist()
    assert len(printed["box"]) == 4 and printed["detection"] > 0.9


def test_options_reach_the_sampler(street):
    words = ("--sampler", "corrected", "--steps", "8", "--guidance-scale", "2", "--json")
    sampler = json.loads(edit(street, "one", "--emotion", "happy", *words).stdout)["sampler"]
    assert sampler["scored"] == "x0" and sampler["inference_steps"] == 8 and sampler["guidance_scale"] == 2
    assert sampler["particles"] == SAMPLER.particles


def test_a_face_is_chosen_by_its_place(street):
    words = ("--emotion", "happy", "--steps", "4", "--json")
    boxes = [
        json.loads(edit(street, "two", *words, *own).stdout)["box"]
        for own in ((), ("--face", 1), ("--face", 2))
    ]
    assert boxes[0] == boxes[2] and boxes[1][0] < boxes[2][0]


def test_a_bar_shows_that_it_goes_on(street):
    result = edit(street, "one", "--emotion", "happy", "--json")
    assert "editing towards happiness" in result.stderr and "editing" not in result.stdout


MISTAKES = {
    "no face": (("none", "--emotion", "happy"), r"none\.png: no face was found.*--no-detect"),
    "no photograph": (("nothing", "--emotion", "happy"), r"nothing\.png: the image is missing"),
    "no expression": (("one",), "--emotion: name at least one expression"),
    "unknown expression": (("one", "--emotion", "hapy"), "unknown expression 'hapy'.*Did you mean 'happy'"),
    "no such face": (("one", "--emotion", "happy", "--face", 4), "there is no face 4: 1 found"),
    "another format": (("one", "--emotion", "happy", "--out", "a.gif"), "written as PNG or JPEG"),
    "too much noise": (("one", "--emotion", "happy", "--noise-strength", 2), "sampler: noise_strength"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_explained(street, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    words, message = MISTAKES[name]
    with pytest.raises(FacetoryError, match=message):
        edit(street, *words)
    assert list(tmp_path.iterdir()) == []


def test_the_photograph_itself_is_never_overwritten(street):
    photo = street[1] / "one.png"
    before = photo.read_bytes()
    with pytest.raises(FacetoryError, match="is the photograph itself"):
        edit(street, "one", "--emotion", "happy", "--out", photo)
    assert photo.read_bytes() == before


def test_a_cut_face_needs_no_detector(street):
    printed = json.loads(
        edit(street, "none", "--emotion", "happy", "--no-detect", "--steps", "4", "--json").stdout
    )
    assert printed["detection"] is None and printed["box"] == [0, 0, 160, 160]


def test_an_exported_model_edits(street, tmp_path):
    """The verb that makes the folder, and the verb that uses it."""
    (diffusion,), (classifier,) = ((street[1] / part).iterdir() for part in ("diffusions", "classifiers"))
    words = ("--diffusion", diffusion, "--classifier", classifier, "--model", tmp_path / "model")
    typed("smc", "export", *words, "--name", "mine", "--sampler", "corrected", "--stands-in-for", "CelebA-HQ")
    asked = ("--emotion", "happy", "--steps", 4, "--particles", 2, "--device", "cpu", "--json")
    printed = json.loads(typed("edit", tmp_path / "model", street[1] / "one.png", *asked).stdout)
    assert printed["model"] == "mine" and printed["sampler"]["telescoping"]
    assert "stand in for CelebA-HQ" in (tmp_path / "model" / "README.md").read_text()


def test_help_shows_examples():
    text = " ".join(typed("edit", "--help").stdout.split())
    assert "Examples" in text and "--emotion happy sad angry --out strip.png" in text
