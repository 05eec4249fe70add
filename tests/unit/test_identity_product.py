"""`facetory faces`, `separability` and `verify-faces`: a set from a model, and any set measured."""

import csv
import io
import json
import pickle
import shutil

import facetory
import numpy as np
import pytest
import torch
from facetory.adaptdiff.identities import open_pool
from facetory.adaptdiff.identity_faces import IdentityFaces
from facetory.adaptdiff.model_folder import read_model
from facetory.adaptdiff.spec import Guidance, IdentitySampler, SeparabilitySpec
from facetory.cli.main import app
from facetory.data.marks import read_mark
from facetory.pipeline.files import FacetoryError, read_json, read_metadata, sha256_of, write_json
from identity_product_street import GENERATOR, exported, made
from PIL import Image
from safetensors.numpy import load_file
from synthesis_street import spec as synthesis_spec
from typer.testing import CliRunner

SMALL = ("--identities", 3, "--images", 2)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("exported")
    moved = folder.parent / "moved"
    shutil.move(exported(folder), moved)
    shutil.rmtree(folder)
    return moved


def typed(*words):
    result = CliRunner().invoke(app, [*map(str, words)])
    if isinstance(result.exception, FacetoryError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def drawn(model, folder, *words):
    typed("faces", model, "--out", folder, "--device", "cpu", *words)
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.glob("*/*.png"))}


def test_a_model_holds_all_that_it_needs_and_says_what_it_is(model):
    about = read_json(model / "model.json")
    assert about["format"] == "facetory identity_generator 1" and about["training"]["timesteps"] == 1000
    assert about["files"] == {name: sha256_of(model / name) for name in about["files"]}
    assert about["guidance"] == {"schedule": "linear", "w_max": 1.0, "negative": "far"}
    card = (model / "README.md").read_text()
    for part in ("stand in for FFHQ", "Drawn faces", "w = 1 (1 − t/T)", "DDIM, 4 steps", "may be, imitated"):
        assert part in card
    assert "license: other" in card and "It has not been measured" in card


def test_ffhq_comes_with_its_notice(tmp_path):
    from facetory.adaptdiff.model_card import card

    about = read_model(exported(tmp_path)).about
    data = about.data.model_copy(update={"dataset": "ffhq"})
    text = card(about.model_copy(update={"data": data}))
    assert "should not be used for, development or improvement of facial recognition" in text


def test_a_failed_generator_and_a_foreign_pool_are_refused(tmp_path):
    from facetory.adaptdiff.export import export_generator

    paths = made(tmp_path)
    pool = paths["identities"].with_name("manifest.json")
    write_json(pool, read_json(pool) | {"spec": {"size": 8}})
    with pytest.raises(FacetoryError, match="identities of 8 components, the generator reads 16"):
        export_generator(**paths, folder=tmp_path / "model")
    write_json(paths["generator"] / "manifest.json", {"status": "failed", "reason": "diverged."})
    with pytest.raises(FacetoryError, match=r"diverged\. There is no model"):
        export_generator(**paths, folder=tmp_path / "model")


def test_exported_after_a_separability_it_has_its_settings_and_measures(tmp_path):
    paths = made(tmp_path)
    judged = synthesis_spec(guidance=Guidance(schedule="constant", w_max=0.5))
    assert judged.generator == GENERATOR
    spec = SeparabilitySpec(faces=f"syntheses/{judged.id}", judge="demo_judge", images=3)
    metrics = {"eer": {"value": 0.12345, "low": 0.1, "high": 0.2}, "fmr100": {"value": None}}
    metrics["fdr"] = {"value": 2.5, "low": None, "high": None}
    about = {"status": "measured", "spec": spec.model_dump(mode="json"), "identities": 9, "metrics": metrics}
    separation = tmp_path / "separations" / spec.id / "manifest.json"
    write_json(separation, about)
    write_json(tmp_path / spec.faces / "manifest.json", {"spec": judged.model_dump(mode="json")})
    own = ("--generator", paths["generator"], "--identities", paths["identities"], "--model", tmp_path / "m")
    own += ("--backbone", paths["backbone"], "--separation", separation)
    typed("adaptdiff", "export", *own)
    found = read_model(tmp_path / "m").about
    assert (found.guidance, found.sampler, found.face_px) == (judged.guidance, judged.sampler, judged.px)
    card = (tmp_path / "m" / "README.md").read_text()
    assert "| EER | 0.123 [0.100, 0.200] |" in card and "| FDR | 2.500 [no interval] |" in card
    assert "By `demo_judge`" in card and "w = 0.5, away from the far identity" in card
    assert "FMR100" not in card and "stand in for" not in card
    typed("adaptdiff", "export", *own, "--sampler", "dpmpp", "--steps", 20)
    assert read_model(tmp_path / "m").about.sampler == IdentitySampler(method="dpmpp", steps=20)
    with pytest.raises(FacetoryError, match="go together"):
        typed("adaptdiff", "export", *own, "--steps", 20)
    other = judged.model_copy(update={"generator": GENERATOR.model_copy(update={"seed": 1})})
    write_json(tmp_path / spec.faces / "manifest.json", {"spec": other.model_dump(mode="json")})
    with pytest.raises(FacetoryError, match="another generator"):
        typed("adaptdiff", "export", *own)


def test_a_damaged_model_is_refused(model, tmp_path):
    shutil.copytree(model, tmp_path / "model")
    with (tmp_path / "model" / "identities.safetensors").open("ab") as file:
        file.write(b" ")
    with pytest.raises(FacetoryError, match=r"identities\.safetensors: sha256"):
        IdentityFaces.from_folder(tmp_path / "model")
    with pytest.raises(FacetoryError, match="no model"):
        IdentityFaces.from_folder(tmp_path)


def test_a_set_is_labelled_and_marked(model, tmp_path):
    files = drawn(model, tmp_path / "set", *SMALL)
    assert list(files) == [f"{i:05d}/{k:02d}.png" for i in range(3) for k in range(2)]
    mark = read_mark(tmp_path / "set" / "00001" / "01.png")
    assert mark["synthetic"] == "true" and mark["DigitalSourceType"].endswith("/trainedAlgorithmicMedia")
    assert (mark["identity"], mark["image"], mark["seed"]) == ("00001", "01", "0")
    assert read_mark(tmp_path / "set" / "contact_sheet.png")["synthetic"] == "true"
    rows = list(csv.DictReader(io.StringIO((tmp_path / "set" / "metadata.csv").read_text())))
    assert [row["file"] for row in rows] == list(files)
    for row in rows:
        assert row["sha256"] == sha256_of(tmp_path / "set" / row["file"]) and row["synthetic"] == "true"
        assert row["model_sha256"] == sha256_of(model / "model.json")
    pool, kept = open_pool(model / "identities.safetensors"), tmp_path / "set" / "identities.safetensors"
    np.testing.assert_array_equal(load_file(kept)["contexts"], pool.contexts[:3])
    np.testing.assert_array_equal(load_file(kept)["negatives"], pool.contexts[pool.partners["far"][:3]])
    assert read_metadata(kept)["identities"] == ["00000", "00001", "00002"]
    text = (tmp_path / "set" / "README.txt").read_text()
    assert text.startswith("SYNTHETIC FACES") and "in place of FFHQ" in text


def test_more_identities_or_images_change_none(model, tmp_path):
    few = drawn(model, tmp_path / "few", *SMALL)
    more = drawn(model, tmp_path / "more", "--identities", 5, "--images", 3)
    assert len(more) == 15 and few == {name: more[name] for name in few}
    later = drawn(model, tmp_path / "later", "--identities", 2, "--images", 2, "--first", 1)
    assert later == {name: few[name] for name in few if name >= "00001"}
    other = drawn(model, tmp_path / "other", *SMALL, "--seed", 1)
    assert all(few[name] != other[name] for name in few)


def test_settings_in_place_of_the_models(model, tmp_path):
    none = drawn(model, tmp_path / "none", *SMALL, "--schedule", "none")
    assert none == drawn(model, tmp_path / "zero", *SMALL, "--w-max", 0) | none
    pixels = {name: np.asarray(Image.open(io.BytesIO(data))) for name, data in none.items()}
    zero = {name: np.asarray(Image.open(tmp_path / "zero" / name)) for name in none}
    guided = {
        n: np.asarray(Image.open(io.BytesIO(d))) for n, d in drawn(model, tmp_path / "w", *SMALL).items()
    }
    for name in none:
        np.testing.assert_array_equal(pixels[name], zero[name])
        assert (pixels[name] != guided[name]).any()
    settings = read_json(tmp_path / "zero" / "settings.json")["synthesis"]
    assert settings["guidance"]["w_max"] == 0 and settings["sampler"] == {
        "method": "ddim", "steps": 4, "released": False
    }  # fmt: skip
    large = drawn(model, tmp_path / "large", "--identities", 1, "--images", 1, "--px", 32)
    assert Image.open(io.BytesIO(large["00000/00.png"])).size == (32, 32)


def test_a_set_that_was_killed_goes_on(model, tmp_path, monkeypatch):
    whole = drawn(model, tmp_path / "whole", *SMALL)
    make = IdentityFaces.make

    def killed(self, *words, **own):
        yield next(make(self, *words, **own))
        raise KeyboardInterrupt

    monkeypatch.setattr(IdentityFaces, "make", killed)
    folder = tmp_path / "set"
    with pytest.raises(AssertionError):
        drawn(model, folder, *SMALL)
    assert sorted(path.name for path in folder.iterdir()) == ["00000", "settings.json"]
    (folder / ".00001.aside").mkdir()
    monkeypatch.setattr(IdentityFaces, "make", make)
    with pytest.raises(FacetoryError, match="other settings"):
        drawn(model, folder, *SMALL, "--seed", 1)
    first = (folder / "00000" / "00.png").stat().st_mtime_ns
    assert drawn(model, folder, *SMALL) == whole
    assert (folder / "00000" / "00.png").stat().st_mtime_ns == first
    for name in ("metadata.csv", "identities.safetensors", "contact_sheet.png"):
        assert (folder / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    with pytest.raises(FacetoryError, match="this very set lies here, whole"):
        drawn(model, folder, *SMALL)
    with pytest.raises(FacetoryError, match="holds files already"):
        drawn(model, tmp_path, *SMALL)


def test_what_cannot_be_drawn_is_refused_before_anything_is(model, tmp_path):
    pool = read_model(model).about.pool
    with pytest.raises(FacetoryError, match=f"has {pool} identities, {pool - 3} from number 3 on"):
        typed("faces", model, "--out", tmp_path / "set", "--identities", pool, "--first", 3)
    refused = CliRunner().invoke(app, ["faces", str(model), "--out", str(tmp_path / "set"), "--w-max", "-1"])
    assert refused.exit_code == 2
    assert not (tmp_path / "set").exists()


def test_an_identity_without_faces_is_passed_over(model, monkeypatch):
    from facetory.adaptdiff import synthesis

    monkeypatch.setattr(
        "facetory.adaptdiff.generation.draw",
        lambda spec, unet, decode, told, rows, *_: np.array(
            [np.full((3, 16, 16), 16 * identity + image) for identity, image in rows], np.uint8
        ),
    )

    def align(images, px, alignment):
        rows = [divmod(int(image[0, 0, 0]), 16) for image in images]
        return images, np.array([i != 1 and (i, k) != (2, 0) for i, k in rows])

    monkeypatch.setattr("facetory.faces.template.align_faces", align)
    found = list(IdentityFaces.from_folder(model).make(3, 2))
    assert (
        [own.name for own in found]
        == ["00000", "00002", "00003"]
        == [synthesis.name_of(i) for i in (0, 2, 3)]
    )
    assert [own.image.tolist() for own in found] == [[0, 1], [1, 2], [0, 1]]
    assert found[1].images[:, 0, 0, 0].tolist() == [33, 34] and found[1].images.shape == (2, 16, 16, 3)
    with pytest.raises(FacetoryError, match="pool of 11 identities has 1 too few from number 9"):
        list(IdentityFaces.from_folder(model).make(3, 2, first=9))


def test_the_python_face_of_it(model):
    faces = facetory.IdentityFaces.from_folder(model)
    (own,) = faces.make(1, 2, w_max=0.5, schedule="constant")
    assert own.images.shape == (2, 16, 16, 3) and own.images.dtype == np.uint8
    assert own.context @ own.context == pytest.approx(1, abs=1e-5)
    for wrong, message in (
        ({"schedule": "lineal"}, "linear"),
        ({"colour": 1}, "colour"),
        ({"sampler": "ddim", "steps": 2000}, "do not fit"),
        ({"images": 0}, "at least 1"),
    ):
        with pytest.raises(FacetoryError, match=message):
            list(faces.make(**{"identities": 1, "images": 1} | wrong))


def test_the_other_commands_of_the_group_stay(tmp_path):
    assert "Detect, crop and resize" in typed("faces", "align", "--help")
    assert "MODEL" in typed("faces", "make", "--help") and "Commands" in typed("faces", "--help")
    assert CliRunner().invoke(app, ["faces", "model"]).exit_code == 2
    with pytest.raises(FacetoryError, match="no model"):
        typed("faces", tmp_path, "--out", tmp_path / "set")


def colours(images):
    """A fake recogniser that knows people by the mean colour of their pictures."""
    return images.astype(np.float32).mean((2, 3)) - 128


@pytest.fixture
def people(tmp_path):
    """Eight people, one colour each, four noisy pictures of each."""
    draw = np.random.default_rng(0)
    for person, colour in enumerate(draw.integers(20, 236, (8, 3))):
        folder = tmp_path / "people" / f"p{person}"
        folder.mkdir(parents=True)
        for k in range(4):
            picture = np.clip(colour + draw.normal(0, 12, (24, 24, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(picture).save(folder / f"{k}.png")
    return tmp_path / "people"


@pytest.fixture
def judged(monkeypatch):
    from facetory.adaptdiff import separation
    from facetory.recognition.identity import unit

    class Network:
        distance = staticmethod(lambda a, b: np.abs(a.astype(float) - b).mean((1, 2, 3)))

    monkeypatch.setattr(separation, "embedder", lambda *_: lambda images: unit(colours(images)))
    monkeypatch.setattr(separation, "feature_network", lambda *_: Network)


def test_separability_of_any_folder(people, judged, tmp_path):
    shown = typed(
        "separability", people, "--judge", "demo_judge", "--alignment", "none", "--px", 24,
        "--json", tmp_path / "own.json", "--histogram", tmp_path / "own.png", "--device", "cpu",
    )  # fmt: skip
    for part in ("EER", "FDR", "8 people, 32 faces", "48 genuine and 448 impostor"):
        assert part in " ".join(shown.split())
    assert "No FMR1000: 448 impostor scores cannot show a rate of 1 in 1,000." in shown
    told = read_json(tmp_path / "own.json")
    assert told["judge"] == "demo_judge" and told["metrics"]["genuine_mean"]["value"] > 0.99
    assert told["metrics"]["eer"]["value"] < 0.2 and told["alignment"] == "none"
    assert all((tmp_path / f"own{suffix}").is_file() for suffix in (".png", ".pdf", ".csv"))
    rows = list(csv.DictReader((tmp_path / "own.csv").open()))
    share = [float(row["density"]) * (float(row["right"]) - float(row["left"])) for row in rows]
    assert sum(share) == pytest.approx(2, abs=1e-3)


def test_separability_of_some_of_a_drawn_set_as_it_is(model, judged, tmp_path):
    drawn(model, tmp_path / "set", *SMALL)
    words = ("--judge", "demo_judge", "--identities", 2, "--images", 2, "--json", "-", "--device", "cpu")
    told = json.loads(typed("separability", tmp_path / "set", *words, "--px", 16))
    assert (told["identities"], told["faces"], told["alignment"]) == (2, 4, "none")
    assert (told["genuine"], told["impostor"]) == (2, 4)
    with pytest.raises(FacetoryError, match="two are needed"):
        typed("separability", tmp_path / "set", *words[:2], "--images", 3, "--px", 16)


def bin_of(path, pairs):
    pictures, same = [], []
    draw = np.random.default_rng(1)
    for pair in range(pairs):
        colour = draw.integers(20, 236, 3)
        other = colour if pair % 2 else 255 - colour
        same.append(bool(pair % 2))
        for own in (colour, other):
            stream = io.BytesIO()
            Image.new("RGB", (24, 24), tuple(own.tolist())).save(stream, format="PNG")
            pictures.append(stream.getvalue())
    path.write_bytes(pickle.dumps((pictures, same)))
    return path


def test_verify_faces_on_a_bin_and_on_a_folder(people, monkeypatch, tmp_path):
    from facetory.recognition import verify, verify_folder

    for module in (verify, verify_folder):
        monkeypatch.setattr(module, "recogniser", lambda *_: colours)
    own = bin_of(tmp_path / "own.bin", 40)
    words = ("--bin", own, "--sha256", sha256_of(own), "--px", 24, "--alignment", "none", "--device", "cpu")
    words = ("verify-faces", "somebody", *words, "--pairs", people, "--folds", 2, "--count", 40)
    on_bin, on_folder = json.loads(typed(*words, "--json"))
    assert on_bin["accuracy"] == 1 and on_bin["resampled"] == "pairs" and on_bin["pairs"] == 40
    assert on_bin["low"] < 1
    assert on_folder["accuracy"] > 0.8 and on_folder["resampled"] == "people"
    shown = " ".join(typed(*words).split())
    assert "own 100.00" in shown and "bootstrap over pairs or people" in shown


def test_verify_faces_takes_a_drawn_set_as_it_is(model, monkeypatch, tmp_path):
    from facetory.recognition import verify_folder

    read = verify_folder.read_folder
    turned = []
    monkeypatch.setattr(verify_folder, "recogniser", lambda *_: colours)
    monkeypatch.setattr(
        verify_folder, "read_folder", lambda *own: turned.append(own[2]) or read(*own[:2], "none")
    )
    drawn(model, tmp_path / "set", "--identities", 4, "--images", 2)
    shutil.copytree(tmp_path / "set", tmp_path / "own", ignore=shutil.ignore_patterns("settings.json"))
    words = ("verify-faces", "somebody", "--folds", 2, "--px", 16, "--device", "cpu")
    typed(*words, "--pairs", tmp_path / "set", "--pairs", tmp_path / "own")
    assert turned == ["none", "mtcnn"]


def test_verify_faces_says_what_is_wrong(people, tmp_path):
    with pytest.raises(FacetoryError, match="Nothing to verify on"):
        typed("verify-faces", "dlib")
    with pytest.raises(FacetoryError, match=r"lfw\.bin: there is no such file"):
        typed("verify-faces", "dlib", "--bin", tmp_path / "lfw.bin")
    with pytest.raises(FacetoryError, match="verification set"):
        typed("verify-faces", "dlib", "--bin", bin_of(tmp_path / "own.bin", 4))
    with pytest.raises(FacetoryError, match="Ask for fewer folds"):
        typed("verify-faces", "dlib", "--pairs", people)
