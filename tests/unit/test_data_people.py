"""FFHQ, CASIA-WebFace and LFW as people have them: fabricated in their real layouts."""

import io

import numpy as np
import pytest
from drawn import picture
from facetory.data import catalogue
from facetory.data.images import read_image
from facetory.pipeline.files import FacetoryError
from indexing import indexed, ledger, manifest
from PIL import Image
from recorded import packed, write


def jpeg(value, px=112):
    buffer = io.BytesIO()
    Image.fromarray(np.full((px, px, 3), value, np.uint8)).save(buffer, format="JPEG", quality=95)
    return buffer.getvalue()


PEOPLE = {0: 3, 1: 1, 2: 2}
"""Images by label, as insightface packs them: 1 … 6 are images, 7 … 9 people."""


def casia(root, people=PEOPLE, **changed):
    labels = [label for label, count in people.items() for _ in range(count)]
    first = len(labels) + 1
    contents = {0: packed([first, first + len(people)], 0)}
    contents |= {key: packed(label, key, jpeg(10 * key)) for key, label in enumerate(labels, start=1)}
    begin = 1
    for place, (_, count) in enumerate(people.items()):
        contents[first + place] = packed([begin, begin + count], first + place)
        begin += count
    contents |= changed.get("contents", {})
    (root / "property").parent.mkdir(parents=True, exist_ok=True)
    (root / "property").write_text(changed.get("property", f"{len(people)},112,112\n"))
    write(root, contents)
    return root


def test_casia_is_unpacked_by_person(tmp_path):
    assert "train.rec" in catalogue.missing("casia_webface", tmp_path)
    source = casia(tmp_path / "faces_webface_112x112")
    assert catalogue.missing("casia_webface", tmp_path) is None
    samples = indexed("casia_webface", source, tmp_path / "index")
    assert [(s.sample_id, s.split, s.label, s.person) for s in samples[:4]] == [
        ("casia_000001", "train", "", "casia_00000"),
        ("casia_000002", "train", "", "casia_00000"),
        ("casia_000003", "train", "", "casia_00000"),
        ("casia_000004", "train", "", "casia_00001"),
    ]
    assert samples[5].image == "images/00002/000006.jpg"
    assert (tmp_path / "index" / samples[5].image).read_bytes() == jpeg(60)
    assert abs(read_image(tmp_path / "index" / samples[3].image).astype(int) - 40).max() <= 2
    about = manifest(tmp_path / "index")
    assert (about["people"], about["people_told"]) == (3, 3) and set(about["label_files"]) == {
        "train.idx",
        "property",
    }
    assert "train has 6 samples, the published set 490623" in ledger(tmp_path / "index")[0]["problem"]


def test_casia_in_part_writes_only_its_images_and_writes_them_once(tmp_path):
    source = casia(tmp_path / "set")
    samples = indexed("casia_webface", source, tmp_path / "index", limit_per_class={"train": 2})
    written = sorted((tmp_path / "index" / "images").rglob("*.jpg"))
    assert len(samples) == len(written) == 2
    before = [path.stat().st_mtime_ns for path in written]
    indexed("casia_webface", source, tmp_path / "index", limit_per_class={"train": 2})
    assert [path.stat().st_mtime_ns for path in written] == before
    written[0].write_bytes(b"cut")
    indexed("casia_webface", source, tmp_path / "index", limit_per_class={"train": 2})
    assert written[0].read_bytes() != b"cut"


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"contents": {2: packed(0, 2, b"GIF89a")}}, r"record 2 at byte \d+: key 2 holds no JPEG"),
        ({"contents": {2: packed(3, 2, jpeg(1))}}, r"record 2 at byte \d+: label 3 is none of 0 … 2"),
        ({"contents": {2: packed(0.5, 2, jpeg(1))}}, r"label 0\.5 is none of"),
        ({"contents": {0: packed(7, 0)}}, r"record 0 at byte 0: labels \(7\.0,\) are not the keys"),
        ({"contents": {0: packed([9, 10], 0)}}, r"holds no JPEG|tells of 8 images"),
        ({"property": "three"}, r"property: is not of the form"),
    ],
)
def test_a_broken_casia_is_told(tmp_path, changed, problem):
    with pytest.raises(FacetoryError, match=problem):
        indexed("casia_webface", casia(tmp_path / "set", **changed), tmp_path / "index")


def test_keys_and_records_must_meet(tmp_path):
    source = casia(tmp_path / "set")
    lines = (source / "train.idx").read_text().splitlines(keepends=True)
    (source / "train.idx").write_text("".join(lines[:3] + lines[4:]))
    with pytest.raises(FacetoryError, match=r"record 3 at byte \d+: train\.idx names no record there"):
        indexed("casia_webface", source, tmp_path / "index")
    (source / "train.idx").write_text("".join([*lines, "99\t999999\n"]))
    with pytest.raises(FacetoryError, match="names a record at byte 999999; there is none"):
        indexed("casia_webface", source, tmp_path / "index")
    (source / "train.idx").write_text("".join(lines))
    whole = (source / "train.rec").read_bytes()
    (source / "train.rec").write_bytes(whole[:-4])
    with pytest.raises(
        FacetoryError, match=r"record 9 at byte \d+: it claims 32 bytes, and the file ends before"
    ):
        indexed("casia_webface", source, tmp_path / "index")


@pytest.mark.parametrize("layout", ["{number}.png", "{thousand}/{number}.png"])
def test_ffhq_is_one_split_of_nobody_known(tmp_path, layout):
    source = tmp_path / "ffhq"
    assert "thumbnails128x128" in catalogue.missing("ffhq", tmp_path)
    for number in (1004, 7, 0):
        name = layout.format(number=f"{number:05d}", thousand=f"{number // 1000 * 1000:05d}")
        picture(source / "thumbnails128x128" / name, number)
    (source / "thumbnails128x128" / "LICENSE.txt").write_text("CC")
    assert catalogue.missing("ffhq", tmp_path) is None
    samples = indexed("ffhq", source, tmp_path / "index")
    assert [(s.sample_id, s.split, s.label, s.person) for s in samples] == [
        ("ffhq_00000", "train", "", ""),
        ("ffhq_00007", "train", "", ""),
        ("ffhq_01004", "train", "", ""),
    ]
    told = [row["problem"] for row in ledger(tmp_path / "index")]
    assert told == ["its name is no number", "train has 3 samples, the published set 70000"]
    assert "not intended for the development" in manifest(tmp_path / "index")["licence"]


def test_a_wrong_ffhq_is_told(tmp_path):
    source = tmp_path / "ffhq"
    (source / "thumbnails128x128").mkdir(parents=True)
    with pytest.raises(FacetoryError, match="holds no image"):
        indexed("ffhq", source, tmp_path / "index")
    picture(source / "thumbnails128x128/00001.png")
    picture(source / "thumbnails128x128/00000/00001.png")
    with pytest.raises(FacetoryError, match="of that number too"):
        indexed("ffhq", source, tmp_path / "index")
    picture(source / "thumbnails128x128/70000.png")
    (source / "thumbnails128x128/00001.png").unlink()
    with pytest.raises(FacetoryError, match="numbers end at 69999"):
        indexed("ffhq", source, tmp_path / "index")


@pytest.mark.parametrize("folder", ["lfw", "lfw-deepfunneled", "lfw_funneled"])
def test_lfw_is_read_by_person(tmp_path, folder):
    assert "lfw_people not placed" in catalogue.missing("lfw_people", tmp_path)
    top = tmp_path / "lfw" / folder
    for k, name in enumerate(("Ada_Lovelace", "Alan_Turing")):
        for i in range(1, 3):
            top.joinpath(name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((8, 8, 3), 50 * k + i, np.uint8)).save(top / name / f"{name}_{i:04d}.jpg")
    (top / "pairs.txt").write_text("10 300")
    assert catalogue.missing("lfw_people", tmp_path) is None
    samples = indexed("lfw_people", tmp_path / "lfw", tmp_path / "index")
    assert [(s.sample_id, s.split, s.person) for s in samples[1:3]] == [
        ("Ada_Lovelace_0002", "test", "Ada_Lovelace"),
        ("Alan_Turing_0001", "test", "Alan_Turing"),
    ]
    about = manifest(tmp_path / "index")
    assert (about["people"], about["images"]) == (2, folder)
    assert [row["file"] for row in ledger(tmp_path / "index")] == [f"{folder}/pairs.txt", ""]


def test_an_lfw_without_people_is_told(tmp_path):
    (tmp_path / "lfw" / "lfw").mkdir(parents=True)
    with pytest.raises(FacetoryError, match=r"holds no Name/Name_0001\.jpg"):
        indexed("lfw_people", tmp_path / "lfw", tmp_path / "index")


@pytest.mark.parametrize("name", ["ffhq", "casia_webface", "lfw_people"])
def test_each_names_its_licence(name):
    entry = catalogue.entry(name)
    assert entry.licence and entry.citation and entry.url.startswith("http") and entry.counts
