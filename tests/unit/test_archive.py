"""Archives: what goes in and what never does, that tables come back from them, and hostile ones."""

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import reviewed
from facetory.cli.main import app
from facetory.cli.tables import wing
from facetory.cli.verified import verify
from facetory.pipeline.files import FacetoryError, read_json, sha256_of, write_json, write_tensors
from facetory.report.archive import contents, write_archive
from facetory.report.cells import write_cells
from facetory.report.plans import NAME, read_plans, write_plans
from facetory.report.reduced import split
from facetory.report.unpacked import results, unpack
from safetensors.numpy import load_file
from typer.testing import CliRunner


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Results with all that an archive must leave out beside what it takes."""
    root = reviewed.results(tmp_path_factory.mktemp("whole") / "demo")
    evaluation = reviewed.plans()["emodc_table2"].cells[0].evaluations[0]
    reviewed.add_origin(root, evaluation)
    for name in (
        "faces/anny_basic/a/face.png",
        "report/index.html",
        "latents/demo-backbone/anny_basic/64/clean/train.safetensors",
        "runs/r/adapter.safetensors",
        "logs/x.log",
        "tables/emodc_older.cells.json",
        "claims.json",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("{}")
    (root / "runs/r/progress.jsonl").write_text('{"step": 1}\n')
    about = read_json(root / "runs/r/manifest.json")
    outputs = {"adapter.safetensors": sha256_of(root / "runs/r/adapter.safetensors")}
    write_json(root / "runs/r/manifest.json", about | {"outputs": outputs})
    return root


@pytest.fixture(scope="module")
def bundle(whole, tmp_path_factory):
    path = tmp_path_factory.mktemp("bundle") / "demo.zip"
    write_archive(whole, path)
    return path


@pytest.fixture
def root(bundle, tmp_path):
    return unpack(bundle, tmp_path)


def members(path):
    with zipfile.ZipFile(path) as opened:
        return [name.removeprefix("demo/") for name in opened.namelist()]


def test_tables_come_back_from_an_archive(bundle, root):
    for path in (bundle, root):
        said = CliRunner().invoke(app, ["verify", str(path)])
        assert said.exit_code == 0, said.exception
        assert "3 tables and figures are what the records give: 10 files, 59 cells." in said.output
        edits = len(list(root.glob("edits/*/edits.safetensors")))
        assert (
            f"{edits + 1} more are not in the archive." in said.output
        )  # edits are reduced, the adapter absent


def test_no_picture_latent_or_weight_is_inside(bundle, root):
    names = members(bundle)
    assert {Path(name).suffix for name in names} <= {
        ".json", ".jsonl", ".safetensors", ".csv", ".tex", ".html", ".md", "",
    }  # fmt: skip
    assert {name.split("/")[0] for name in names if "/" in name} == {
        "backbones", "datasets", "edits", "evaluations", "faces", "figures", "measures", "runs", "tables",
    }  # fmt: skip
    assert [name for name in names if name.startswith(("runs/", "faces/", "backbones/"))] == [
        "backbones/demo-backbone/manifest.json",
        "faces/anny_basic/manifest.json",
        "runs/r/manifest.json",
        "runs/r/progress.jsonl",
    ]
    assert "claims.json" in names and "tables/emodc_older.cells.json" not in names
    for path in root.rglob("*.safetensors"):
        arrays = load_file(path)
        assert not {"sources", "reconstructions", "edited"} & arrays.keys()
        assert all(array.ndim < 4 for array in arrays.values())
    assert all(b"\x89PNG" not in path.read_bytes() for path in root.rglob("*") if path.is_file())


def test_a_figure_that_is_measured_from_pictures_is_not_rebuilt_from_an_archive(tmp_path):
    emodc, _ = reviewed.studies()
    plan, root = emodc.plans["emodc_fig7"], tmp_path / "demo"
    spec = next(iter(emodc.generations.values()))
    (folder,) = {(root / path).parent for path in plan.inputs}
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 2, 3, 8, 8)).astype(np.uint8)
    classes, scales = ["happiness", "sadness", "anger"], list(spec.guidance_scales)
    write_tensors(folder / "images.safetensors", {"images": images}, {"classes": classes, "scales": scales})
    outputs = {"images.safetensors": sha256_of(folder / "images.safetensors")}
    asked = {"status": "generated", "spec": spec.model_dump(mode="json"), "outputs": outputs}
    write_json(folder / "manifest.json", asked)
    write_cells(root / "figures" / "emodc_fig7.cells.json", wing(plan, "cells").table(plan, root))
    write_plans(root / NAME, {}, {plan.name: plan})
    assert "1 tables and figures are what" in CliRunner().invoke(app, ["verify", str(root)]).output
    write_archive(root, tmp_path / "demo.zip")
    assert not [name for name in members(tmp_path / "demo.zip") if name.endswith(".safetensors")]
    said = CliRunner().invoke(app, ["verify", str(tmp_path / "demo.zip")])
    assert said.exit_code == 0, said.exception
    assert "emodc_fig7: not rebuilt. It is measured from pictures" in said.output


def test_what_was_left_out_is_said(root, whole):
    reduced = read_json(root / "archive.json")["reduced"]
    assert reduced and all(name.startswith("edits/") for name in reduced)
    for name, own in reduced.items():
        assert own["without"] == ["edited", "reconstructions", "sources"]
        assert own["whole"] == sha256_of(whole / name) and own["sha256"] == sha256_of(root / name)
        kept = load_file(root / name)
        assert all((kept[key] == load_file(whole / name)[key]).all() for key in kept) and "ess" in kept


def test_manifests_are_as_the_stages_wrote_them(root, whole):
    for path in root.rglob("manifest.json"):
        assert path.read_bytes() == (whole / path.relative_to(root)).read_bytes()


def test_the_checksums_are_those_that_sha256sum_reads(root):
    for line in (root / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        assert sha256_of(root / name) == digest
    listed = {line.split("  ")[1] for line in (root / "SHA256SUMS").read_text().splitlines()}
    held = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    assert held - listed == {"SHA256SUMS"}


def test_equal_results_give_equal_archives(whole, bundle, tmp_path):
    copy = shutil.copytree(whole, tmp_path / "demo")
    said = CliRunner().invoke(app, ["archive", str(copy), "--out", str(tmp_path / "again.zip")])
    assert said.exit_code == 0, said.exception
    assert f"{len(members(bundle))} files" in said.output
    assert (tmp_path / "again.zip").read_bytes() == bundle.read_bytes()


def test_a_missing_record_and_missing_plans_are_named(whole, tmp_path):
    copy = shutil.copytree(whole, tmp_path / "demo")
    folder = next(copy.glob("measures/*"))
    shutil.rmtree(folder)
    with pytest.raises(FacetoryError, match=rf"measures/{folder.name}/manifest\.json: the file is missing"):
        write_archive(copy, tmp_path / "x.zip")
    for path in copy.glob("*/smc_*"):
        path.unlink()
    assert not [name for name in contents(copy, read_plans(copy / NAME)) if "measures" in name]
    (copy / NAME).unlink()
    with pytest.raises(FacetoryError, match=r"plans\.json: the file is missing"):
        write_archive(copy, tmp_path / "x.zip")
    assert not (tmp_path / "x.zip").exists()


def test_a_changed_file_of_an_archive_is_found(root):
    path = next(root.glob("edits/*/edits.safetensors"))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    (root / "tables" / "emodc_table2.tex").unlink()
    with pytest.raises(FacetoryError) as error:
        verify(root)
    assert f"{path}: differs from SHA256SUMS" in str(error.value)
    assert "emodc_table2.tex: missing" in str(error.value)


def test_a_truncated_archive_is_an_error_that_names_it(bundle, tmp_path):
    content = bundle.read_bytes()
    (tmp_path / "short.zip").write_bytes(content[: len(content) // 2])
    with pytest.raises(FacetoryError, match=r"short\.zip: not a zip file, or truncated"):
        verify(tmp_path / "short.zip")
    damaged = bytearray(content)
    damaged[len(content) // 3 : len(content) // 3 + 64] = bytes(64)
    (tmp_path / "damaged.zip").write_bytes(damaged)
    with pytest.raises(FacetoryError, match=r"damaged\.zip: not a zip file, or truncated or damaged"):
        verify(tmp_path / "damaged.zip")


@pytest.mark.parametrize(
    "name", ["../x", "demo/../../x", "/x/y", "demo\\..\\x", "C:/x", "x", "demo/a/../../../x"]
)
def test_a_member_that_would_lie_elsewhere_is_refused(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as opened:
        opened.writestr("demo/plans.json", "{}")
        opened.writestr(zipfile.ZipInfo(name), "escaped")
    inside = tmp_path / "inside"
    with pytest.raises(FacetoryError, match="would not lie in the archive's folder"):
        unpack(tmp_path / "bad.zip", inside)
    assert not (tmp_path / "x").exists()


def test_a_link_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as opened:
        link = zipfile.ZipInfo("demo/link")
        link.external_attr = 0o120777 << 16
        opened.writestr(link, "/etc")
    with pytest.raises(FacetoryError, match="'demo/link' would not lie"), results(tmp_path / "bad.zip"):
        pass


def test_archive_json_cannot_point_elsewhere(root):
    about = read_json(root / "archive.json")
    one = next(iter(about["reduced"].values()))
    write_json(root / "archive.json", about | {"reduced": {"../../x/edits.safetensors": one}})
    with pytest.raises(FacetoryError, match="is not in the archive"):
        verify(root)


@pytest.mark.parametrize(
    ("shape", "picture"),
    [
        ((2, 3, 8, 8), True),
        ((2, 5, 3, 64, 64), True),
        ((2, 16, 16, 3), True),
        ((2, 1, 32, 32), True),
        ((2, 3, 4, 4), False),
        ((40, 100, 7), False),
        ((3, 16, 16), False),
        ((6, 3, 8, 16), False),
        ((2, 4, 16, 16), True),
    ],
)
def test_pictures_are_told_by_their_shape(tmp_path, shape, picture):
    arrays = {"a": np.zeros(shape, np.uint8), "embeddings": np.zeros((2, 4)), "scores": np.zeros(2)}
    write_tensors(tmp_path / "x.safetensors", arrays)
    found = split(tmp_path / "x.safetensors")
    assert ("a" in found.left_out) == picture and "embeddings" in found.left_out
    assert "scores" in found.shown


def test_what_is_wrong_in_an_archive_is_named_by_the_archive(whole, tmp_path):
    copy = shutil.copytree(whole, tmp_path / "demo")
    path = copy / "tables" / "emodc_table2.cells.json"
    content = read_json(path)
    content["cells"][0]["n"] = 1
    write_json(path, content)
    write_archive(copy, tmp_path / "demo.zip")
    with pytest.raises(FacetoryError) as error:
        verify(tmp_path / "demo.zip")
    problem, _ = str(error.value).splitlines()
    where = tmp_path / "demo.zip" / "tables" / "emodc_table2.cells.json"
    assert problem == f'{where}: emodc_table2:"Acc.":"c_nc": n is 1, the records give 44'
