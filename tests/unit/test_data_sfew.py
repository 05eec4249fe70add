"""SFEW's folders, and what can be wrong with them."""

import shutil

import pytest
from drawn import picture, sfew
from facetory.data.labels import BASIC
from facetory.pipeline.files import FacetoryError
from indexing import cut, indexed, ledger, manifest

FOLDERS = {
    "Angry": "anger",
    "Disgust": "disgust",
    "Fear": "fear",
    "Happy": "happiness",
    "Neutral": "neutral",
    "Sad": "sadness",
    "Surprise": "surprise",
}
NAMES = [
    f"{part}_Aligned_Faces/{folder}/Film_000{number}.png"
    for part in ("Train", "Val")
    for folder in FOLDERS
    for number in range(2)
]


def test_train_and_validation_folders_become_splits(tmp_path):
    samples = indexed("sfew", sfew(tmp_path / "sfew", NAMES), tmp_path / "index")
    assert [s.image for s in samples] == [str(tmp_path / "sfew" / name) for name in NAMES]
    assert [s.split for s in samples] == ["train"] * 14 + ["validation"] * 14
    assert [s.label for s in samples[::2]] == [*FOLDERS.values()] * 2
    assert {s.person for s in samples} == {""} and len({s.sample_id for s in samples}) == 28
    record = manifest(tmp_path / "index")
    assert record["classes"] == list(BASIC) and record["licence"].startswith("research only")
    assert [row["problem"] for row in ledger(tmp_path / "index")] == [
        "train has 14 samples, the published set 958",
        "validation has 14 samples, the published set 436",
    ]


def test_other_files_and_the_test_faces_stand_in_the_ledger(tmp_path):
    source = sfew(tmp_path / "sfew", NAMES)
    (source / "Train_Aligned_Faces" / "Happy" / "Thumbs.db").write_text("x")
    picture(source / "Val_Aligned_Faces" / "stray.png")
    picture(source / "Val_Aligned_Faces" / "Sad" / ".hidden.png")
    picture(source / "Test_Aligned_Faces" / "a.png")
    assert len(indexed("sfew", source, tmp_path / "index")) == 28
    assert {row["file"]: row["problem"] for row in ledger(tmp_path / "index")[:4]} == {
        "Train_Aligned_Faces/Happy/Thumbs.db": "no image in a class folder",
        "Val_Aligned_Faces/stray.png": "no image in a class folder",
        "Val_Aligned_Faces/Sad/.hidden.png": "no image in a class folder",
        "Test_Aligned_Faces": "the labels of the test faces are withheld",
    }


def test_an_unknown_class_folder_is_named(tmp_path):
    source = sfew(tmp_path / "sfew", [*NAMES, "Train_Aligned_Faces/Hapy/a.png"])
    message = r"sfew/Train_Aligned_Faces: unknown class folder 'Hapy'.*Did you mean 'Happy'"
    with pytest.raises(FacetoryError, match=message):
        indexed("sfew", source, tmp_path / "index")


def test_a_missing_class_folder_is_named(tmp_path):
    source = sfew(tmp_path / "sfew", NAMES)
    shutil.rmtree(source / "Val_Aligned_Faces" / "Disgust")
    message = r"Val_Aligned_Faces: the class folder Disgust is missing \(1 of 7 are\)\. Restore it"
    with pytest.raises(FacetoryError, match=message):
        indexed("sfew", source, tmp_path / "index")


def test_a_broken_validation_picture_stops_the_stage(tmp_path):
    source = sfew(tmp_path / "sfew", NAMES)
    cut(source / NAMES[-1])
    message = r"Val_Aligned_Faces/Surprise/Film_0001\.png: .*cannot be decoded.*in the validation split"
    with pytest.raises(FacetoryError, match=message):
        indexed("sfew", source, tmp_path / "index")


def test_a_broken_training_picture_is_left_out(tmp_path):
    source = sfew(tmp_path / "sfew", NAMES)
    cut(source / NAMES[0])
    assert len(indexed("sfew", source, tmp_path / "index")) == 27
    row = ledger(tmp_path / "index")[0]
    assert row["file"] == NAMES[0] and row["action"] == "left out"
