"""A trained model in people's hands: photographs in, classes and probabilities out."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from drawn import face
from facetory.cli.main import app
from facetory.diffusion.latents import posterior
from facetory.diffusion.pixels import to_unit
from facetory.diffusion.schedule import alphas_cumprod
from facetory.emodc.classifier import errors_by_class
from facetory.emodc.grids import grid
from facetory.emodc.predict import EmotionDiffusionClassifier
from facetory.faces import mtcnn, several
from facetory.faces.crop import Alignment, align_image
from facetory.faces.views import as_batch
from facetory.pipeline.files import FacetoryError
from facetory.pipeline.randomness import sample_keys
from PIL import Image
from product_street import PX, SETTINGS, exported, photographs
from typer.testing import CliRunner


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("street")
    return exported(folder), photographs(folder / "photographs")


@pytest.fixture
def classifier(street):
    return EmotionDiffusionClassifier.load(street[0], "cpu")


def crops(count):
    random = np.random.default_rng(3)
    return [random.integers(0, 256, (20, 20, 3), dtype=np.uint8) for _ in range(count)]


def typed(*words):
    result = CliRunner().invoke(app, [str(word) for word in words])
    if isinstance(result.exception, FacetoryError):
        raise result.exception
    return result


def test_probabilities_sum_to_one_and_agree_with_the_prediction(classifier):
    classifier.detect = False
    probabilities = classifier.predict_proba(crops(5))
    assert probabilities.shape == (5, 3) and np.allclose(probabilities.sum(axis=1), 1)
    assert list(classifier.classes_) == ["happiness", "sadness", "anger"]
    assert (classifier.predict(crops(5)) == classifier.classes_[probabilities.argmax(axis=1)]).all()


def test_errors_are_the_evaluations_own(classifier):
    """Pixels resized, through the autoencoder, rounded as cached latents are; noise keyed by the picture."""
    import hashlib

    classifier.detect, classifier.steps = False, 10
    pictures = crops(3)
    batch = to_unit(torch.from_numpy(as_batch(pictures, PX)))
    with torch.no_grad():
        mean = posterior(classifier._vae, batch)[0].half().float()
    errors = errors_by_class(
        classifier._unet,
        mean * classifier._vae.config.scaling_factor,
        sample_keys([hashlib.sha256(picture.tobytes()).hexdigest() for picture in pictures]),
        np.array(grid(10)),
        classifier._tokens,
        alphas_cumprod(),
        "epsilon",
    )
    assert np.array_equal(classifier.errors(pictures), errors)
    assert (classifier.predict(pictures) == classifier.classes_[errors.mean(axis=1).argmin(axis=1)]).all()


def test_an_answer_does_not_depend_on_company(classifier):
    classifier.detect = False
    together, alone = classifier.errors(crops(3)), classifier.errors(crops(3)[1])
    assert together.shape == (3, 10, 3) and alone.shape == (1, 10, 3)
    assert np.allclose(together[1], alone[0], atol=1e-6)


def test_a_face_is_cut_as_in_training(classifier, street):
    path = street[1]["one"]
    cut, row = align_image(np.asarray(Image.open(path)), SETTINGS)
    found = classifier.errors(path)
    classifier.detect = False
    assert row["status"] == "aligned" and np.array_equal(found, classifier.errors(cut))


def test_every_form_of_a_picture_is_the_same_picture(classifier, street, tmp_path):
    path = street[1]["one"]
    picture = Image.open(path)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(np.asarray(picture))).save(tmp_path / "turned.png", exif=exif)
    picture.convert("RGBA").save(tmp_path / "rgba.png")
    forms = [path, str(path), picture, np.asarray(picture), tmp_path / "turned.png", tmp_path / "rgba.png"]
    errors = classifier.errors(forms)
    assert np.allclose(errors, errors[0], atol=1e-6)
    grey = np.asarray(picture.convert("L"))
    assert np.array_equal(classifier.errors(grey), classifier.errors(np.stack([grey] * 3, axis=2)))


@pytest.mark.parametrize("wrong", [np.zeros((4, 4, 3)), np.zeros((4, 4, 4), np.uint8), object()])
def test_what_is_no_picture_is_refused(classifier, wrong):
    with pytest.raises(FacetoryError, match="is no picture"):
        classifier.predict([wrong])


def test_every_face_of_a_photograph_is_found(classifier, street):
    found = classifier.faces(street[1]["two"])
    assert len(found) == 2 and found[0].box[0] < found[1].box[0]
    assert all(part.picture.shape == (32, 32, 3) and part.probability > 0.9 for part in found)
    assert classifier.faces(street[1]["none"]) == []


def test_a_closer_look_adds_faces_and_changes_none(monkeypatch):
    """The first look has one face; the closer one sees it again, a small one, and an improbable one."""
    image = np.zeros((100, 100, 3), dtype=np.uint8)
    landmarks = np.zeros((5, 2))

    def faces(*rows):
        boxes, probabilities = zip(*rows, strict=True)
        return mtcnn.Faces(np.array(boxes, float), np.array(probabilities), np.stack([landmarks] * len(rows)))

    first = faces(((40, 10, 80, 60), 0.99))
    second = faces(((42, 12, 79, 58), 0.999), ((2, 5, 14, 20), 0.95), ((0, 80, 10, 90), 0.5))
    monkeypatch.setattr(mtcnn, "find_faces", lambda *arguments: first)
    monkeypatch.setattr(mtcnn, "look_closer", lambda *arguments: second)
    found = several.aligned_faces(image, Alignment(align_px=8))
    assert [face.box.tolist() for face in found] == [[2, 5, 14, 20], [40, 10, 80, 60]]


def test_no_face_is_a_clear_error(classifier, street):
    with pytest.raises(several.NoFaceFound, match=r"none\.png: no face was found"):
        classifier.predict([street[1]["one"], street[1]["none"]])
    classifier.detect = False
    assert len(classifier.predict(street[1]["none"])) == 1


@pytest.mark.parametrize(("steps", "timesteps"), [(1, (99,)), (10, grid(10)), (100, grid(100))])
def test_steps_are_the_papers(classifier, steps, timesteps):
    classifier.steps, classifier.detect = steps, False
    assert classifier.timesteps == timesteps
    assert classifier.errors(crops(1)).shape == (1, len(timesteps), 3)


@pytest.mark.parametrize("steps", [0, 1001, "many", 2.5])
def test_other_steps_are_refused(classifier, steps):
    classifier.steps, classifier.detect = steps, False
    with pytest.raises(FacetoryError, match="steps"):
        classifier.predict(crops(1))


def test_racing_measures_the_same_errors_where_it_looks(classifier):
    classifier.detect, pictures = False, crops(6)
    full = classifier.errors(pictures)
    classifier.steps = "auto"
    raced = classifier.errors(pictures)
    seen = ~np.isnan(raced)
    assert raced.shape == full.shape and seen[:, :, 0].any()
    assert np.allclose(raced[seen], full[seen], atol=1e-6)
    assert np.allclose(classifier.predict_proba(pictures).sum(axis=1), 1)
    assert classifier.about.race.samples == 24 and 0 < classifier.about.race.bound < 1


def test_a_model_that_has_moved_answers_the_same(classifier, street, tmp_path):
    backbone = street[0].parent / "backbone"
    shutil.copytree(street[0], tmp_path / "here" / "model")
    shutil.copytree(backbone, tmp_path / "here" / "backbone")
    moved = EmotionDiffusionClassifier.load(tmp_path / "here" / "model", "cpu", detect=False)
    classifier.detect = False
    assert np.array_equal(moved.errors(crops(2)), classifier.errors(crops(2)))


@pytest.mark.parametrize(
    "file",
    ["model/adapter.safetensors", "model/prompts.safetensors", "model/race.safetensors",
     "backbone/unet/diffusion_pytorch_model.safetensors", "backbone/vae/diffusion_pytorch_model.safetensors"],
)  # fmt: skip
def test_a_file_that_was_tampered_with_is_refused(street, tmp_path, file):
    for part in ("model", "backbone"):
        shutil.copytree(street[0].parent / part, tmp_path / part)
    content = bytearray((tmp_path / file).read_bytes())
    content[-1] ^= 1
    (tmp_path / file).write_bytes(content)
    with pytest.raises(FacetoryError, match=rf"{file}: sha256 is .* damaged or of another"):
        EmotionDiffusionClassifier.load(tmp_path / "model", "cpu")
    (tmp_path / file).unlink()
    with pytest.raises(FacetoryError, match=rf"{file}: the file is missing"):
        EmotionDiffusionClassifier.load(tmp_path / "model", "cpu")


def test_a_folder_that_is_no_model_is_explained(street, tmp_path):
    with pytest.raises(FacetoryError, match="Name a folder that `facetory train` or"):
        EmotionDiffusionClassifier.load(tmp_path, "cpu")
    shutil.copytree(street[0], tmp_path / "model")
    about = json.loads((tmp_path / "model" / "model.json").read_text())
    (tmp_path / "model" / "model.json").write_text(json.dumps(about | {"format": "facetory emodc model 2"}))
    with pytest.raises(FacetoryError, match="the format is 'facetory emodc model 2', this facetory reads"):
        EmotionDiffusionClassifier.load(tmp_path / "model", "cpu")


def test_a_model_folder_holds_no_code(street):
    names = {path.name for path in street[0].iterdir()}
    files = {"adapter.safetensors", "prompts.safetensors", "race.safetensors"}
    assert names == {"model.json", "README.md", *files}


def test_the_card_says_what_one_must_know(street):
    card = (street[0] / "README.md").read_text()
    for text in (
        "AMDiT (Eq. 11)", "24 training images: 8 happiness, 8 sadness, 8 anger", "Licence of the data: CC0",
        "24 images of 12 people", "95 % intervals", "does not read feelings", "maximum likelihood on",
    ):  # fmt: skip
        assert text in card, text
    assert "stand in" not in card


def test_the_verb_names_every_face_and_goes_on_after_an_error(street, tmp_path):
    model, pictures = street
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    arguments = (pictures["none"], tmp_path / "broken.jpg", pictures["two"], "--device", "cpu")
    result = typed("predict", model, *arguments, "--json")
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    none, broken, two = report["images"]
    assert "no face was found" in none["error"] and none["faces"] == []
    assert "broken.jpg: the image cannot be decoded" in broken["error"]
    assert two["error"] is None and len(two["faces"]) == 2
    first = two["faces"][0]
    assert set(first["errors"]) == set(first["probabilities"]) == set(report["classes"])
    assert first["class"] == min(first["errors"], key=first["errors"].get)
    assert first["probability"] == max(first["probabilities"].values())
    assert report["timesteps"] == list(grid(10)) and len(first["box"]) == 4
    shown = typed("predict", model, *arguments)
    assert shown.exit_code == 1 and shown.stdout.count(first["class"]) >= 1
    assert "none.png: no face was found" in shown.stderr


@pytest.mark.parametrize("steps", ["1", "10", "auto"])
def test_the_verb_takes_cut_faces_and_steps(street, tmp_path, steps):
    Image.fromarray(crops(1)[0]).save(tmp_path / "cut.png")
    words = ("predict", street[0], tmp_path / "cut.png", "--no-detect", "--steps", steps, "--json")
    result = typed(*words, "--device", "cpu")
    assert result.exit_code == 0
    (one,) = json.loads(result.stdout)["images"]
    assert one["faces"][0]["box"] is None


def test_the_verbs_mistakes_are_explained(street):
    with pytest.raises(FacetoryError, match="steps 'ten': choose 1, 10, 100"):
        typed("predict", street[0], street[1]["one"], "--steps", "ten")
    with pytest.raises(FacetoryError, match="--device tpu: choose cpu, cuda or auto"):
        typed("predict", street[0], street[1]["one"], "--device", "tpu")


def test_importing_facetory_stays_light():
    code = (
        "import sys, facetory; print('torch' in sys.modules);"
        "from facetory import EmotionDiffusionClassifier as C; print(C.__name__, 'torch' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout == "False\nEmotionDiffusionClassifier False\n"
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        import facetory

        facetory.Nothing  # noqa: B018


def test_a_drawn_face_is_one_the_detector_finds():
    assert len(several.aligned_faces(face(160), SETTINGS)) == 1
