"""An editor as a folder: what is in it, what its card says, and what is refused."""

import json
import shutil

import pytest
from editor_street import ALIGNMENT, CLASSES, SAMPLER, exported, guide_spec, made
from facetory.pipeline.files import FacetoryError, read_json, write_json
from facetory.smc import model_folder
from facetory.smc.export import data_of, export, opened
from facetory.smc.model_card import card as card_of
from facetory.smc.model_folder import autoencoder_of, read_model
from facetory.smc.sampler_spec import READINGS, Sampler


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    root = tmp_path_factory.mktemp("editor")
    return root, exported(root)


def about_of(folder):
    return json.loads((folder / "model.json").read_text())


def test_a_model_holds_data_alone(street):
    names = {str(path.relative_to(street[1])) for path in street[1].rglob("*") if path.is_file()}
    weights = "diffusion_pytorch_model.safetensors"
    assert names == {
        "model.json", "README.md", "guide/weights.safetensors",
        "unet/config.json", f"unet/{weights}", "vae/config.json", f"vae/{weights}",
    }  # fmt: skip


def test_what_is_written_is_read(street):
    about = read_model(street[1]).about
    assert about.name == "drawn" and about.classes == tuple(CLASSES) and about.px == 16
    assert about.faces == ALIGNMENT and about.guide.spec == guide_spec()
    assert about.sampler == SAMPLER, "as the first measures were made"
    assert [own.dataset for own in about.data] == ["anny_basic", "orl"]
    assert about.data[0].images == 56 and about.data[1].licence.startswith("courtesy of AT&T")


def test_measures_become_scores_with_intervals(street):
    (measured,) = read_model(street[1]).about.measured
    scores = measured.scores
    assert scores["flip_rate"].value == pytest.approx(6 / 9) and scores["flip_rate"].n == 9
    assert scores["flip_rate"].low <= 6 / 9 <= scores["flip_rate"].high
    assert scores["identity"].value == pytest.approx(0.8) and scores["identity"].n == 11
    assert scores["judge_target"].value == pytest.approx(66 / 144)
    assert "identity_reconstruction" not in scores, "nobody could be measured"
    assert measured.people == 4 and measured.target == "happiness"


def test_the_card_says_what_one_must_know(street):
    card = (street[1] / "README.md").read_text()
    for text in (
        "drawn faces (`anny_basic`, 56 images)", "ORL faces", "CC0-1.0 (random)", "of 4 people",
        "of faces that it did not call so before | 0.667 [", "| 9 |", "does not read feelings",
        "Do not pass the pictures off as photographs", "What it makes is synthetic", "license: other",
        "3 particles, 10 inference steps, noise strength 0.5", "Judge: `cnn`", "95 % intervals",
    ):  # fmt: skip
        assert text in card, text
    assert "stand in" not in card and "continued from" not in card
    about = read_model(street[1]).about
    training = about.training.model_copy(update={"initial": "models/demo-faces"})
    continued = about.model_copy(update={"training": training})
    assert "seed 0, continued from `models/demo-faces` |" in card_of(continued)


def test_images_are_counted_where_a_manifest_counts_people(tmp_path):
    write_json(tmp_path / "orl" / "manifest.json", {"people": {"train": 1}})
    assert data_of("orl", tmp_path).images is None
    (tmp_path / "orl" / "index.csv").write_text("sample_id,split\na,train\nb,train\nc,test\n")
    assert data_of("orl", tmp_path).images == 2


def test_a_card_without_measures_says_so(street, tmp_path):
    export(opened(made(tmp_path)._replace(measures=()), stands_in_for="CelebA-HQ"), tmp_path / "model")
    card = (tmp_path / "model" / "README.md").read_text()
    assert "It has not been measured." in card and "stand in for CelebA-HQ" in card
    assert read_model(tmp_path / "model").about.sampler == Sampler(**READINGS["paper"])


def test_a_reading_is_taken_at_the_measured_sizes(tmp_path):
    sampler = opened(made(tmp_path), sampler="corrected").about.sampler
    assert sampler.particles == SAMPLER.particles and sampler.scored == "x0" and sampler.telescoping
    with pytest.raises(FacetoryError, match=r"unknown sampler 'corected'.*Did you mean 'corrected'"):
        opened(made(tmp_path), sampler="corected")


def test_a_large_autoencoder_is_named_not_copied(tmp_path, monkeypatch):
    monkeypatch.setattr(model_folder, "COPIED_BYTES", 10)
    model = exported(tmp_path)
    assert not (model / "vae").exists()
    with pytest.raises(FacetoryError, match="its backbone tiny is not placed"):
        autoencoder_of(read_model(model), tmp_path)
    about = about_of(model)
    about["autoencoder"]["folder"] = "../snapshot"
    write_json(model / "model.json", about)
    assert autoencoder_of(read_model(model)) == tmp_path / "snapshot"
    weights = tmp_path / "snapshot" / "vae" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes() + b" ")
    with pytest.raises(FacetoryError, match="safetensors: sha256 is"):
        autoencoder_of(read_model(model))


@pytest.mark.parametrize(
    "file",
    ["unet/config.json", "unet/diffusion_pytorch_model.safetensors", "guide/weights.safetensors",
     "vae/config.json", "vae/diffusion_pytorch_model.safetensors"],
)  # fmt: skip
def test_a_file_that_was_tampered_with_is_refused(street, tmp_path, file):
    shutil.copytree(street[1], tmp_path / "model")
    content = bytearray((tmp_path / "model" / file).read_bytes())
    content[-1] ^= 1
    (tmp_path / "model" / file).write_bytes(content)
    with pytest.raises(FacetoryError, match=rf"{file}: sha256 is .* damaged or of another"):
        autoencoder_of(read_model(tmp_path / "model"))
    (tmp_path / "model" / file).unlink()
    with pytest.raises(FacetoryError, match=rf"{file}: the file is missing"):
        autoencoder_of(read_model(tmp_path / "model"))


def test_another_format_is_explained(street, tmp_path):
    shutil.copytree(street[1], tmp_path / "model")
    write_json(tmp_path / "model" / "model.json", about_of(street[1]) | {"format": "facetory smc model 2"})
    with pytest.raises(FacetoryError, match="the format is 'facetory smc model 2', this facetory reads"):
        read_model(tmp_path / "model")


def test_what_failed_is_no_editor(tmp_path):
    own = made(tmp_path)
    for folder in (own.classifier, own.diffusion):
        about = read_json(folder / "manifest.json")
        write_json(folder / "manifest.json", about | {"status": "failed", "reason": "It diverged."})
        with pytest.raises(FacetoryError, match=r"its training failed: It diverged\."):
            opened(own)


@pytest.mark.parametrize(
    ("change", "what"),
    [({"train": {"seed": 1}}, "model"), ({"guide": {"label_smoothing": 0.5}}, "guide")],
)
def test_measures_of_another_model_are_refused(tmp_path, change, what):
    own = made(tmp_path)
    path = own.measures[0] / "manifest.json"
    about = read_json(path)
    for part, values in change.items():
        about["spec"]["edit"][part] |= values
    write_json(path, about)
    with pytest.raises(FacetoryError, match=f"measures edits by another {what} than"):
        opened(own)
    write_json(path, about | {"status": "not_run", "reason": "No judge."})
    with pytest.raises(FacetoryError, match=r"not measured: No judge\."):
        opened(own)
