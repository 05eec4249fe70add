"""The editor in people's hands: photographs in, faces with other expressions out."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from drawn import face
from editor_street import ALIGNMENT, CLASSES, PX, SAMPLER, exported
from facetory.data.marks import read_mark
from facetory.faces.crop import align_image
from facetory.faces.several import NoFaceFound
from facetory.faces.views import resized
from facetory.pipeline.files import FacetoryError, read_json, write_json
from facetory.smc import model_folder
from facetory.smc.editing import edit_faces
from facetory.smc.editor import CounterfactualEditor
from facetory.smc.sampler_spec import READINGS, Sampler
from facetory.smc.strip import LEAST_PX, strip
from PIL import Image

ONE = face(160)
TWO = face(320, ((0.27, 0.5, 0.42), (0.75, 0.5, 0.5)))


@pytest.fixture(scope="module", params=["faces", "latents"])
def editor(request, tmp_path_factory):
    torch.set_num_threads(1)
    return CounterfactualEditor.load(exported(tmp_path_factory.mktemp("editor"), request.param))


@pytest.fixture(scope="module")
def result(editor):
    return editor.edit(ONE, "happy", seed=1)


def test_an_edit_shows_the_face_as_training_would_have_cut_it(result):
    cut, row = align_image(ONE, ALIGNMENT)
    assert row["status"] == "aligned" and np.array_equal(result.source, resized(cut, PX))
    assert [float(row[name]) for name in ("x0", "y0", "x1", "y1")] == pytest.approx(result.box, abs=0.01)
    for picture in (result.source, result.reconstruction, result.edited):
        assert picture.shape == (PX, PX, 3) and picture.dtype == np.uint8
    assert not np.array_equal(result.edited, result.reconstruction)


def test_probabilities_are_the_guides_of_what_is_shown(editor, result):
    for own in (result.before, result.reconstructed, result.after):
        assert list(own) == CLASSES and sum(own.values()) == pytest.approx(1, abs=1e-5)
    picture = torch.from_numpy(result.edited.transpose(2, 0, 1)[None].copy())
    guide = editor._parts.guide
    seen = picture if guide.view == "faces" else editor._parts.encode(picture)
    expected = guide.log_probabilities(seen).exp()[0].tolist()
    assert list(result.after.values()) == pytest.approx(expected, abs=1e-5)


def test_the_edit_is_the_stages_own(editor, result):
    """What the editing stage makes of the same pixels, id and seed."""
    batch = result.source.transpose(2, 0, 1)[None]
    sample_id = editor.name_of_face(align_image(ONE, ALIGNMENT)[0])
    wanted = np.array([CLASSES.index("happiness")])
    edited = edit_faces(batch, [sample_id], wanted, editor._parts, SAMPLER, seed=1)
    assert np.array_equal(edited.edited[0].transpose(1, 2, 0), result.edited)
    assert np.array_equal(edited.ess[0], result.trace.ess)


def test_the_trace_tells_how_the_particles_went(result):
    trace, (scorings, particles) = result.trace, result.trace.ancestors.shape
    assert particles == SAMPLER.particles and scorings == len(trace.scored_steps) == len(trace.timesteps)
    assert trace.ess.shape == trace.unique_roots.shape == (scorings,)
    assert (trace.ess >= 1).all() and (trace.ess <= particles + 1e-6).all()
    assert list(trace.timesteps) == sorted(trace.timesteps, reverse=True)


def test_an_edit_does_not_depend_on_company_and_repeats(editor, result):
    several = editor.edits(ONE, ["sad", "happiness"], seed=1)
    assert [own.target for own in several] == ["sadness", "happiness"]
    assert np.array_equal(several[1].edited, result.edited)
    assert not np.array_equal(editor.edit(ONE, "happy", seed=2).edited, result.edited)


@pytest.mark.parametrize(
    ("word", "name"),
    [("happy", "happiness"), ("SAD", "sadness"), ("angry", "anger"), ("surprised", "surprise"),
     ("afraid", "fear"), ("fearful", "fear"), ("disgusted", "disgust"), ("neutral", "neutral"),
     ("anger", "anger")],
)  # fmt: skip
def test_everyday_words_name_classes(editor, word, name):
    assert editor.target(word) == name


def test_an_unknown_word_gets_a_suggestion(editor):
    with pytest.raises(FacetoryError, match=r"unknown expression 'hapy'.*anger.*Did you mean 'happy'\?"):
        editor.edit(ONE, "hapy")


def test_settings_are_the_models_a_reading_or_ones_own(editor):
    assert editor.sampler() == SAMPLER
    assert editor.sampler(particles=7, noise_strength=None) == SAMPLER.model_copy(update={"particles": 7})
    assert editor.sampler("code").initial_noise == "own" and editor.sampler("code").particles == 3
    assert editor.sampler(Sampler(leash=0.1)) == Sampler(leash=0.1)
    with pytest.raises(FacetoryError, match="unknown sampler 'papr'"):
        editor.sampler("papr")
    with pytest.raises(FacetoryError, match="sampler: noise_strength: Input should be less than or equal"):
        editor.sampler(noise_strength=2.0)
    with pytest.raises(FacetoryError, match=r"unknown key 'particle'.*Did you mean 'particles'"):
        editor.edit(ONE, "happy", particle=3)


@pytest.mark.parametrize("reading", READINGS)
def test_every_reading_edits(editor, reading):
    result = editor.edit(ONE, "anger", sampler=reading, inference_steps=5)
    assert result.edited.shape == (PX, PX, 3) and 0 <= result.after["anger"] <= 1


@pytest.mark.parametrize("method", ["best_of_n", "gradient", "none"])
def test_the_baselines_edit_too_and_have_no_trace(editor, method):
    result = editor.edit(ONE, "anger", method=method, inference_steps=5)
    assert result.edited.shape == (PX, PX, 3) and not len(result.trace.ess)


def test_forms_of_a_picture_are_the_same_picture(editor, result, tmp_path):
    Image.fromarray(ONE).save(tmp_path / "one.png")
    for form in (tmp_path / "one.png", Image.fromarray(ONE)):
        assert np.array_equal(editor.edit(form, "happy", seed=1).edited, result.edited)


def test_of_several_faces_the_largest_or_the_chosen_one(editor):
    found = editor.faces(TWO)
    assert len(found) == 2
    assert np.array_equal(editor.edit(TWO, "happy").face.box, found[1].box), "the right one is larger"
    assert np.array_equal(editor.edit(TWO, "happy", face=0).face.box, found[0].box)
    with pytest.raises(FacetoryError, match="there is no face 3: 2 found, counted from the left"):
        editor.edit(TWO, "happy", face=2)


def test_no_face_is_a_clear_error(editor, tmp_path):
    empty = np.full((120, 120, 3), 90, np.uint8)
    Image.fromarray(empty).save(tmp_path / "wall.png")
    with pytest.raises(NoFaceFound, match=r"wall\.png: no face was found.*--no-detect"):
        editor.edit(tmp_path / "wall.png", "happy")
    assert editor.edit(empty, "happy", detect=False).face is None


def test_a_cut_face_keeps_its_proportions(editor):
    """A picture that is no square is made one by repeating its edges, as in training."""
    wide = np.zeros((40, 80, 3), np.uint8)
    wide[:, 40:] = 200
    result = editor.edit(wide, "happy", detect=False)
    assert result.box.tolist() == [0, -20, 80, 60] and result.whole().shape == wide.shape
    assert (result.source[:, : PX // 2 - 2] < 20).all() and (result.source[:, PX // 2 + 2 :] > 180).all()


def test_the_face_goes_back_into_its_place(result):
    whole, (x0, y0, x1, y1) = result.whole(), result.box
    changed = (whole != ONE).any(axis=2)
    rows, columns = np.nonzero(changed)
    assert whole.shape == ONE.shape and changed.any()
    assert y0 - 1 <= rows.min() and rows.max() <= y1 and x0 - 1 <= columns.min() and columns.max() <= x1


@pytest.mark.parametrize("name", ["edit.png", "edit.jpg"])
def test_what_is_saved_says_that_it_is_synthetic(result, tmp_path, name):
    result.save(tmp_path / name)
    result.save(tmp_path / f"whole_{name}", whole=True)
    mark = read_mark(tmp_path / name)
    assert mark["synthetic"] == "true" and mark["target"] == "happiness" and mark["model"] == "drawn"
    assert mark["DigitalSourceType"].endswith("/compositeWithTrainedAlgorithmicMedia")
    assert read_mark(tmp_path / f"whole_{name}") == mark
    assert Image.open(tmp_path / f"whole_{name}").size == (160, 160)


def test_a_strip_holds_every_picture(editor):
    results = editor.edits(ONE, ["sad", "angry", "happy"], inference_steps=4)
    sheet = strip(results)
    assert sheet.dtype == np.uint8 and sheet.shape[1] > 5 * LEAST_PX and sheet.shape[0] > LEAST_PX
    big = np.asarray(
        Image.fromarray(results[2].edited).resize((LEAST_PX, LEAST_PX), Image.Resampling.BICUBIC)
    )
    last = sheet[12 : 12 + LEAST_PX, -12 - LEAST_PX : -12]
    assert np.array_equal(last, big)
    own = results[0]
    assert own.shares == (own.before, own.reconstructed, own.after)


def test_a_folder_that_is_no_model_is_explained(tmp_path):
    with pytest.raises(FacetoryError, match=r"no model\. Name a folder that `facetory smc export` wrote"):
        CounterfactualEditor.load(tmp_path)


def test_an_autoencoder_of_another_scale_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(model_folder, "COPIED_BYTES", 10)
    model, config = exported(tmp_path), tmp_path / "snapshot" / "vae" / "config.json"
    about = read_json(model / "model.json")
    about["autoencoder"]["folder"] = "../snapshot"
    write_json(model / "model.json", about)
    CounterfactualEditor.load(model)
    write_json(config, read_json(config) | {"scaling_factor": 0.5})
    with pytest.raises(FacetoryError, match=r"scales latents by 0\.5, drawn was trained on those scaled by"):
        CounterfactualEditor.load(model)


def test_importing_the_editor_stays_light():
    code = (
        "import sys; from facetory import CounterfactualEditor as C;"
        "print(C.__name__, 'torch' in sys.modules, 'diffusers' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout == "CounterfactualEditor False False\n", result.stderr
