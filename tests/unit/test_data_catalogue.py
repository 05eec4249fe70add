"""The catalogue: what Snakemake asks at parse time, and the reasons it gives."""

import subprocess
import sys

import pytest
from drawn import fer2013, rafdb
from facetory.data import catalogue
from facetory.pipeline.config import OwnFolder
from facetory.pipeline.files import FacetoryError


def test_it_is_read_without_torch():
    code = (
        "import sys\nfrom facetory.data import catalogue\n"
        "[catalogue.missing(name, 'nowhere') for name in catalogue.entries()]\n"
        "print([m for m in ('torch', 'PIL', 'anny', 'facenet_pytorch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "name",
    [
        *("rafdb_basic", "rafdb_compound", "sfew", "affectnet", "celebahq"),
        *("fer2013", "fer2013plus", "fer2013plus_argmax"),
    ],
)
def test_a_licensed_set_names_its_licence_and_place(name):
    entry = catalogue.entry(name)
    assert entry.licence and entry.citation and entry.url.startswith("http") and entry.place and entry.counts
    assert entry.access in {"sign-up", "signed agreement", "account"}


def test_the_published_sizes():
    assert catalogue.entry("rafdb_basic").counts == {"train": 12271, "test": 3068}
    assert catalogue.entry("fer2013").counts == {"train": 28709, "validation": 3589, "test": 3589}
    assert len(catalogue.entry("rafdb_compound").class_names) == 11


def test_a_missing_set_says_what_is_expected_where_and_how_to_get_it(tmp_path):
    reason = catalogue.missing("rafdb_basic", tmp_path)
    assert reason.startswith(
        f"rafdb_basic not placed: expected {tmp_path}/rafdb/basic/EmoLabel/list_patition"
    )
    assert "sign-up: http" in reason and "licence: research only" in reason


def test_an_incomplete_copy_names_the_part_that_is_missing(tmp_path):
    root = rafdb(tmp_path / "rafdb" / "basic", ["train_00001.jpg 1"])
    assert catalogue.missing("rafdb_basic", tmp_path) is None
    (root / "Image" / "original").rename(root / "Image" / "faces")
    expected = f"expected {root}/Image/original or {root}/Image/aligned"
    assert expected in catalogue.missing("rafdb_basic", tmp_path)


def test_a_set_without_a_loader_says_so(tmp_path):
    later = catalogue.entry("sfew").model_copy(update={"loader": None})
    assert catalogue.placed(later, tmp_path) == "sfew: this version has no loader for SFEW 2.0"


def test_a_file_that_can_be_downloaded_is_said_to_be(tmp_path):
    assert "fer2013/fer2013.csv (account: https://www.kaggle" in catalogue.missing("fer2013plus", tmp_path)
    fer2013(tmp_path / "fer2013", [(0, 1, "Training")])
    expected = f"expected {tmp_path}/fer2013/fer2013new.csv (run: facetory data fetch fer2013plus)"
    assert catalogue.missing("fer2013plus", tmp_path) == f"fer2013plus not placed: {expected}"


def test_either_layout_of_affectnet_will_do(tmp_path):
    for name in ("images", "annotations"):
        for part in ("train_set", "val_set"):
            assert "affectnet not placed" in catalogue.missing("affectnet", tmp_path)
            (tmp_path / "affectnet" / part / name).mkdir(parents=True)
    assert catalogue.missing("affectnet", tmp_path) is None


def test_an_embedded_set_needs_its_package(tmp_path, monkeypatch):
    assert catalogue.missing("anny_basic", tmp_path) is None
    monkeypatch.setattr(catalogue.importlib.util, "find_spec", lambda name: None)
    assert catalogue.missing("anny_basic", tmp_path).endswith("pip install anny")


def test_an_unknown_set_is_an_error_with_its_nearest_neighbour(tmp_path):
    with pytest.raises(FacetoryError, match=r"unknown dataset 'rafdb_basc'.*Did you mean 'rafdb_basic'"):
        catalogue.missing("rafdb_basc", tmp_path)


def test_a_folder_of_the_users_own(tmp_path):
    own = {"mine": OwnFolder(path=tmp_path / "faces", labels={"joyful": "happiness"}, licence="CC0")}
    assert catalogue.missing("mine", "data", own).startswith(f"mine not placed: expected {tmp_path}/faces")
    (tmp_path / "faces").mkdir()
    assert catalogue.missing("mine", "data", own) is None
    entry = catalogue.entry("mine", own)
    assert entry.licence == "CC0" and entry.labels == {"joyful": "happiness"}
    with pytest.raises(FacetoryError, match="Did you mean 'mine'"):
        catalogue.entry("min", own)


def test_every_loader_named_is_there_or_its_set_is_not_usable(tmp_path):
    for name, entry in catalogue.entries().items():
        if entry.loader and (catalogue.LOADERS / f"{entry.loader.replace('.', '/')}.py").is_file():
            continue
        assert "no loader" in catalogue.missing(name, tmp_path)


def test_an_entry_with_an_unknown_key_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "catalogue.yaml"
    path.write_text("a: {title: A, licence: CC0, access: own, classes: basic, licens: CC0}\n")
    monkeypatch.setattr(catalogue, "CATALOGUE", path)
    with pytest.raises(FacetoryError, match="Did you mean 'licence'"):
        catalogue.entries.__wrapped__()
