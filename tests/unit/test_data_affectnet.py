"""AffectNet's two layouts, and what can be wrong with them."""

import pickle

import numpy as np
import pytest
from drawn import affectnet_csv, affectnet_npy
from facetory.data.labels import BASIC
from facetory.pipeline.files import FacetoryError
from indexing import cut, indexed, ledger, manifest

CODES = ["neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger"]
ROWS = {
    "training": [(f"{code % 3}/aa{code:02}.jpg", code) for code in [*range(11), 7]],
    "validation": [(f"9/bb{code:02}.png", code) for code in range(8)],
}
ROWS["training"][11] = ("5/aa11.jpg", 7)
LABELS = {"train_set": {10 * code: str(code) for code in range(8)}, "val_set": {0: 6, 1: np.int64(1), 2: 0.0}}


class TestCsv:
    def test_seven_expressions_are_kept_and_the_others_counted(self, tmp_path):
        samples = indexed("affectnet", affectnet_csv(tmp_path / "set", ROWS), tmp_path / "index")
        assert [s.label for s in samples] == CODES * 2
        assert [s.split for s in samples] == ["train"] * 7 + ["validation"] * 7
        assert samples[4].sample_id == "train-1-aa04"
        assert samples[4].image == str(tmp_path / "set/Manually_Annotated_Images/1/aa04.jpg")
        assert [row["problem"] for row in ledger(tmp_path / "index")] == [
            "train: 2 faces are labelled 'contempt'",
            "train: 1 faces are labelled 'none'",
            "train: 1 faces are labelled 'uncertain'",
            "train: 1 faces are labelled 'no face'",
            "validation: 1 faces are labelled 'contempt'",
            "train has 7 samples, the published set 283901",
            "validation has 7 samples, the published set 3500",
        ]
        record = manifest(tmp_path / "index")
        assert record["layout"] == "csv" and record["classes"] == list(BASIC)
        assert list(record["label_files"]) == ["training.csv", "validation.csv"]

    def test_an_image_that_stands_twice_is_taken_once(self, tmp_path):
        rows = ROWS | {"training": [*ROWS["training"], ("0/aa00.jpg", 3)]}
        samples = indexed("affectnet", affectnet_csv(tmp_path / "set", rows), tmp_path / "index")
        assert [s.label for s in samples[:7]] == CODES
        row = ledger(tmp_path / "index")[0]
        assert (row["row"], row["file"], row["action"]) == ("14", "training.csv", "left out")
        assert row["problem"] == "train: 0-aa00 stands in line 2 already"

    @pytest.mark.parametrize(
        ("row", "message"),
        [
            (("1/x.jpg", 11), r"line 14: the expression is no whole number of 0\.\.10"),
            (("1/x.jpg", -1), "line 14: the expression is no whole number"),
            (("1/x.jpg", 1.5), "line 14: the expression is no whole number"),
            (("1/x.jpg", "happy"), "line 14: the expression is no whole number"),
            (("1/x.jpg", ""), "line 14: the expression is no whole number"),
            (("../x.jpg", 1), r"line 14: '\.\./x\.jpg' is not of the form"),
            (("/x.jpg", 1), r"line 14: '/x\.jpg' is not of the form"),
            (("x.jpg", 1), r"line 14: 'x\.jpg' is not of the form"),
            (("1/x,y.jpg", 1), "line 14: it has more or fewer cells than the header"),
        ],
    )
    def test_a_wrong_row_is_named(self, tmp_path, row, message):
        source = affectnet_csv(tmp_path / "set", ROWS | {"training": [*ROWS["training"], row]})
        with pytest.raises(FacetoryError, match=rf"training\.csv {message}.*[Rr]estore the file"):
            indexed("affectnet", source, tmp_path / "index")

    def test_another_header_is_named(self, tmp_path):
        source = affectnet_csv(tmp_path / "set", ROWS)
        table = source / "validation.csv"
        table.write_text(table.read_text().replace("expression", "emotion"))
        with pytest.raises(FacetoryError, match=r"validation\.csv: the header .* lacks expression\. Restore"):
            indexed("affectnet", source, tmp_path / "index")

    def test_a_missing_training_image_is_left_out_with_its_row(self, tmp_path):
        source = affectnet_csv(tmp_path / "set", ROWS)
        (source / "Manually_Annotated_Images/1/aa01.jpg").unlink()
        assert len(indexed("affectnet", source, tmp_path / "index")) == 13
        left = [row for row in ledger(tmp_path / "index") if row["row"]]
        assert [(row["row"], row["file"]) for row in left] == [("3", "training.csv")]
        assert "aa01.jpg: the image is missing" in left[0]["problem"]

    def test_a_missing_validation_image_stops_the_stage(self, tmp_path):
        source = affectnet_csv(tmp_path / "set", ROWS)
        (source / "Manually_Annotated_Images/9/bb03.png").unlink()
        with pytest.raises(FacetoryError, match=r"validation\.csv line 5: .*bb03\.png: the image is missing"):
            indexed("affectnet", source, tmp_path / "index")


class TestNpy:
    def test_numbers_and_strings_are_read_in_the_order_of_the_images(self, tmp_path):
        samples = indexed("affectnet", affectnet_npy(tmp_path / "set", LABELS), tmp_path / "index")
        assert [s.sample_id for s in samples] == [f"train-{10 * i}" for i in range(7)] + [
            f"validation-{i}" for i in range(3)
        ]
        assert [s.label for s in samples] == [*CODES, "anger", "happiness", "neutral"]
        assert samples[2].image == str(tmp_path / "set/train_set/images/20.jpg")
        assert manifest(tmp_path / "index")["layout"] == "npy"
        assert ledger(tmp_path / "index")[0]["problem"] == "train: 1 faces are labelled 'contempt'"

    @pytest.mark.parametrize("label", [11, -1, 1.5, "nan", "10.5"])
    def test_a_wrong_label_is_named(self, tmp_path, label):
        source = affectnet_npy(tmp_path / "set", {**LABELS, "val_set": {4: label}})
        message = r"val_set/annotations/4_exp\.npy: the expression is no whole number of 0\.\.10\. Restore"
        with pytest.raises(FacetoryError, match=message):
            indexed("affectnet", source, tmp_path / "index")

    @pytest.mark.parametrize(
        "content",
        [b"", b"\x93NUMPY\x01\x00v\x00{'descr'", pickle.dumps(1), b"PK\x03\x04", b"hello"],
    )
    def test_what_is_no_array_is_named(self, tmp_path, content):
        source = affectnet_npy(tmp_path / "set", LABELS)
        (source / "train_set/annotations/10_exp.npy").write_bytes(content)
        message = r"train_set/annotations/10_exp\.npy: not an array of one number .*\. Restore the file"
        with pytest.raises(FacetoryError, match=message):
            indexed("affectnet", source, tmp_path / "index")

    @pytest.mark.parametrize("label", [[1, 2], [], "happy"])
    def test_another_array_is_named(self, tmp_path, label):
        source = affectnet_npy(tmp_path / "set", {**LABELS, "val_set": {4: label}})
        with pytest.raises(FacetoryError, match=r"4_exp\.npy: not an array of one number"):
            indexed("affectnet", source, tmp_path / "index")

    def test_a_truncated_array_is_named(self, tmp_path):
        source = affectnet_npy(tmp_path / "set", LABELS)
        path = source / "val_set/annotations/1_exp.npy"
        path.write_bytes(path.read_bytes()[:-3])
        with pytest.raises(
            FacetoryError, match=r"val_set/annotations/1_exp\.npy: not an array of one number"
        ):
            indexed("affectnet", source, tmp_path / "index")

    def test_a_pickle_in_an_array_is_not_opened(self, tmp_path):
        class Trap:
            def __reduce__(self):
                return (tmp_path.joinpath("sprung").touch, ())

        source = affectnet_npy(tmp_path / "set", LABELS)
        with (source / "val_set/annotations/1_exp.npy").open("wb") as handle:
            np.save(handle, np.array(Trap(), dtype=object), allow_pickle=True)
        with pytest.raises(FacetoryError, match=r"1_exp\.npy: .*allow_pickle=False"):
            indexed("affectnet", source, tmp_path / "index")
        assert not (tmp_path / "sprung").exists()

    def test_an_image_without_annotation_is_named(self, tmp_path):
        source = affectnet_npy(tmp_path / "set", LABELS)
        (source / "val_set/annotations/2_exp.npy").unlink()
        message = r"val_set/annotations/2_exp\.npy: the file is missing \(1 images have no annotation\)"
        with pytest.raises(FacetoryError, match=message):
            indexed("affectnet", source, tmp_path / "index")

    def test_a_broken_validation_image_stops_the_stage(self, tmp_path):
        source = affectnet_npy(tmp_path / "set", LABELS)
        cut(source / "val_set/images/2.jpg")
        with pytest.raises(FacetoryError, match=r"val_set/annotations/2_exp\.npy: .*2\.jpg: .*cannot be dec"):
            indexed("affectnet", source, tmp_path / "index")


def test_half_of_each_layout_is_no_copy(tmp_path):
    source = affectnet_npy(affectnet_csv(tmp_path / "set", ROWS), LABELS)
    (source / "validation.csv").unlink()
    assert len(indexed("affectnet", source, tmp_path / "index")) == 10
    (source / "val_set").rename(source / "test_set")
    with pytest.raises(
        FacetoryError, match=r"neither layout is whole\. Place Manually_Annotated_Images with"
    ):
        indexed("affectnet", source, tmp_path / "index")
