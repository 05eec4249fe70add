"""The stage that makes a face set: who is in it, in which order, whatever workers and interruptions."""

import csv

import numpy as np
import pytest
from drawn import face
from facetory.faces import face_set_stage
from facetory.faces.face_set import read_face_set
from facetory.faces.face_set_stage import make_face_set
from facetory.faces.spec import FaceSetSpec
from facetory.faces.template import align_face
from facetory.pipeline.files import FacetoryError, read_json, sha256_of
from PIL import Image

PEOPLE = ("s10", "s2", "s1")


def ledger(folder, people=PEOPLE, images=3, named=True, px=16, status="aligned"):
    """A ledger of aligned faces whose grey level tells which they are: 20 × person + image."""
    (folder / "images").mkdir(parents=True)
    rows = []
    for place, person in enumerate(people):
        for image in (10, 9, 1)[:images]:
            name = f"{person}_{image}"
            path = folder / "images" / f"{name}.png"
            Image.new("RGB", (px, px), (20 * place + image,) * 3).save(path)
            rows.append([name, "train", "", person if named else "", status, sha256_of(path)])
    with (folder / "ledger.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["sample_id", "split", "label", "person", "status", "sha256"], *rows])
    return folder / "ledger.csv"


def spec(**changes):
    return FaceSetSpec(**{"dataset": "orl", "px": 8, "alignment": "none"} | changes)


def grey(faces):
    return faces.pixels(range(len(faces.identity)))[:, 0, 0, 0].tolist()


def test_people_and_images_are_in_natural_order(tmp_path):
    make_face_set(spec(), ledger(tmp_path / "faces"), tmp_path / "set")
    faces = read_face_set(tmp_path / "set/manifest.json")
    assert faces.names == ["s1", "s2", "s10"]
    assert faces.sample_ids[:4] == ["s1_1", "s1_9", "s1_10", "s2_1"]
    assert grey(faces) == [41, 49, 50, 21, 29, 30, 1, 9, 10]
    assert faces.found.all()
    about = read_json(tmp_path / "set/manifest.json")
    assert (about["status"], about["identities"], about["images"]) == ("gathered", 3, 9)
    assert about["about"]["synthetic"] is False and "ORL" in about["about"]["title"]
    assert about["about"]["licence"]


def test_faces_of_nobody_known_are_their_own_people(tmp_path):
    make_face_set(spec(), ledger(tmp_path / "faces", named=False), tmp_path / "set")
    faces = read_face_set(tmp_path / "set/manifest.json")
    assert len(faces.names) == 9 and faces.names == faces.sample_ids
    assert faces.names[:3] == ["s1_1", "s1_9", "s1_10"]


def test_all_splits_together(tmp_path):
    source = ledger(tmp_path / "faces")
    source.write_text(source.read_text().replace("s2_9,train", "s2_9,test"))
    for split, images in (("train", 8), ("test", 1), ("all", 9)):
        make_face_set(spec(split=split), source, tmp_path / split)
        assert len(read_face_set(tmp_path / split / "manifest.json").image) == images
    with pytest.raises(FacetoryError, match="no face is in split 'validation'"):
        make_face_set(spec(split="validation"), source, tmp_path / "none")


def test_a_part_is_chosen_by_seed_and_name(tmp_path):
    everyone = [f"p{k}" for k in range(12)]
    whole = ledger(tmp_path / "faces", everyone)
    chosen = {}
    for people, images, seed in ((4, 2, 0), (6, 2, 0), (4, 2, 1)):
        folder = tmp_path / f"{people}-{seed}"
        make_face_set(spec(people=people, images=images, seed=seed), whole, folder)
        faces = read_face_set(folder / "manifest.json")
        assert len(faces.names) == people and len(faces.identity) == people * images
        chosen[people, seed] = set(faces.sample_ids)
    assert chosen[4, 0] < chosen[6, 0]
    assert chosen[4, 0] != chosen[4, 1]
    fewer = ledger(tmp_path / "fewer", everyone[::-1])
    make_face_set(spec(people=4, images=2), fewer, tmp_path / "again")
    assert set(read_face_set(tmp_path / "again/manifest.json").sample_ids) == chosen[4, 0]


def test_a_set_of_several_files_does_not_depend_on_workers_or_a_kill(tmp_path, monkeypatch):
    monkeypatch.setattr(face_set_stage, "FILE", 4)
    monkeypatch.setattr(face_set_stage, "CHUNK", 2)
    source = ledger(tmp_path / "faces")
    make_face_set(spec(), source, tmp_path / "one")
    make_face_set(spec(), source, tmp_path / "two", processes=2)
    written, real = [], face_set_stage._write

    def killed(path, *rest):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(path.name)
        real(path, *rest)

    monkeypatch.setattr(face_set_stage, "_write", killed)
    with pytest.raises(KeyboardInterrupt):
        make_face_set(spec(), source, tmp_path / "resumed")
    assert written == ["faces-0.safetensors", "faces-1.safetensors"]
    monkeypatch.setattr(
        face_set_stage, "_write", lambda path, *rest: (written.append(path.name), real(path, *rest))
    )
    make_face_set(spec(), source, tmp_path / "resumed")
    assert written[2:] == ["faces-2.safetensors"]
    files = [read_json(tmp_path / name / "manifest.json")["files"] for name in ("one", "two", "resumed")]
    assert files[0] == files[1] == files[2] and [file["images"] for file in files[0]] == [4, 4, 1]
    assert grey(read_face_set(tmp_path / "resumed/manifest.json")) == [41, 49, 50, 21, 29, 30, 1, 9, 10]


def test_another_request_starts_anew_and_leaves_no_strays(tmp_path, monkeypatch):
    monkeypatch.setattr(face_set_stage, "FILE", 4)
    source = ledger(tmp_path / "faces")
    make_face_set(spec(), source, tmp_path / "set")
    make_face_set(spec(people=1), source, tmp_path / "set")
    assert sorted(path.name for path in (tmp_path / "set").iterdir()) == [
        "faces-0.safetensors",
        "manifest.json",
    ]
    assert len(read_face_set(tmp_path / "set/manifest.json").names) == 1


def test_faces_are_turned_to_the_template_and_missing_ones_told(tmp_path):
    source = ledger(tmp_path / "faces", people=("s1",), images=2, px=160)
    drawn = tmp_path / "faces/images/s1_10.png"
    old = sha256_of(drawn)
    Image.fromarray(face(160)).save(drawn)
    source.write_text(source.read_text().replace(old, sha256_of(drawn)))
    make_face_set(spec(px=112, alignment="mtcnn"), source, tmp_path / "set")
    faces = read_face_set(tmp_path / "set/manifest.json")
    assert faces.sample_ids == ["s1_9", "s1_10"] and faces.found.tolist() == [False, True]
    expected, _ = align_face(face(160), 112, "mtcnn")
    np.testing.assert_array_equal(faces.pixels([1])[0].transpose(1, 2, 0), expected)


def test_what_the_first_detector_missed_is_not_found_without_alignment(tmp_path):
    make_face_set(spec(), ledger(tmp_path / "faces", status="kept_whole"), tmp_path / "set")
    assert not read_face_set(tmp_path / "set/manifest.json").found.any()


def test_a_changed_face_is_refused(tmp_path):
    source = ledger(tmp_path / "faces")
    Image.new("RGB", (16, 16), (255, 0, 0)).save(tmp_path / "faces/images/s2_9.png")
    with pytest.raises(FacetoryError, match=r"s2_9\.png: the file is truncated or changed"):
        make_face_set(spec(), source, tmp_path / "set")
    assert not (tmp_path / "set/manifest.json").exists()
