"""The index's contract: what is written is read again, and what breaks it names file and row."""

import pytest
from facetory.data.index import (
    COLUMNS,
    SPLITS,
    Odd,
    Sample,
    counts,
    image_path,
    read_csv,
    read_index,
    write_index,
)
from facetory.data.labels import BASIC
from facetory.pipeline.files import FacetoryError
from hypothesis import given
from hypothesis import strategies as st

GOOD = Sample("a", "train", "fear", "", "images/a.png")

text = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)
sample = st.builds(
    Sample,
    st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*", fullmatch=True),
    st.sampled_from(SPLITS),
    st.sampled_from(BASIC),
    text,
    text.filter(bool),
    text,
)


@given(st.lists(sample, min_size=1, max_size=8, unique_by=lambda s: s.sample_id))
def test_an_index_is_read_as_it_was_written(tmp_path_factory, samples):
    folder = tmp_path_factory.getbasetemp() / "round_trip"
    write_index(folder, samples, BASIC)
    assert read_index(folder / "index.csv", BASIC) == samples


def test_captions_are_a_column_only_where_there_are_some(tmp_path):
    write_index(tmp_path, [GOOD], BASIC)
    assert (tmp_path / "index.csv").read_text().splitlines()[0] == ",".join(COLUMNS)
    write_index(tmp_path, [GOOD._replace(caption="a face, smiling")], BASIC)
    assert (tmp_path / "index.csv").read_text().splitlines()[0].endswith(",image,caption")
    assert read_index(tmp_path / "index.csv")[0].caption == "a face, smiling"


def test_a_ledger_always_stands_beside_the_index(tmp_path):
    write_index(tmp_path, [GOOD], BASIC)
    assert (tmp_path / "ledger.csv").read_text() == "row,file,problem,action\n"
    write_index(tmp_path, [GOOD], BASIC, [Odd(7, "b.png", "empty, as it seems", "left out")])
    rows = [row for _, row in read_csv(tmp_path / "ledger.csv", Odd._fields)]
    assert rows == [{"row": "7", "file": "b.png", "problem": "empty, as it seems", "action": "left out"}]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (GOOD, "row 3: sample_id 'a' stands in row 2 too"),
        (GOOD._replace(sample_id="b c"), "row 3: sample_id 'b c' may hold only"),
        (GOOD._replace(sample_id="../b"), "row 3: sample_id '../b' may hold only"),
        (GOOD._replace(sample_id=".b"), "row 3: sample_id '.b' may hold only"),
        (GOOD._replace(sample_id="b", split="dev"), "row 3: split 'dev' is none of train, validation, test"),
        (GOOD._replace(sample_id="b", label="joy"), "row 3: label 'joy' is none of surprise, fear"),
        (GOOD._replace(sample_id="b", label=""), "row 3: label '' is none of"),
        (GOOD._replace(sample_id="b", image=""), "row 3: the image is not named"),
    ],
)
def test_a_row_that_breaks_the_contract_is_named_on_writing_and_reading(tmp_path, bad, message):
    with pytest.raises(FacetoryError, match=message):
        write_index(tmp_path, [GOOD, bad], BASIC)
    lines = [",".join(COLUMNS), ",".join(GOOD[:5]), ",".join(bad[:5])]
    (tmp_path / "index.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(FacetoryError, match=rf"index\.csv {message}"):
        read_index(tmp_path / "index.csv", BASIC)


def test_labels_are_empty_in_a_set_without_classes(tmp_path):
    write_index(tmp_path, [GOOD._replace(label="")], ())
    assert read_index(tmp_path / "index.csv", ())[0].label == ""
    with pytest.raises(FacetoryError, match="label 'fear' is none of"):
        write_index(tmp_path, [GOOD], ())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("sample_id,split,label,person\na,train,fear,\n", "the header .* lacks image"),
        ("sample_id,split,label,person,image\na,train,fear,\n", "line 2: it has more or fewer cells"),
        ("sample_id,split,label,person,image\na,train,fear,,b,c\n", "line 2: it has more or fewer cells"),
        ("sample_id,split,label,person,image\n", "the index has no samples"),
        ("", "the header .* lacks sample_id"),
        ('sample_id,split,label,person,image\na,train,fear,"b"c,d\n', "not a readable CSV file"),
    ],
)
def test_a_malformed_file_is_named(tmp_path, content, message):
    (tmp_path / "index.csv").write_text(content)
    with pytest.raises(FacetoryError, match=rf"index\.csv.*{message}"):
        read_index(tmp_path / "index.csv")


def test_bytes_that_are_no_text_are_named(tmp_path):
    (tmp_path / "index.csv").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(FacetoryError, match="not a readable CSV file"):
        read_index(tmp_path / "index.csv")


def test_a_missing_index_is_named(tmp_path):
    with pytest.raises(FacetoryError, match=r"index.csv: the file is missing"):
        read_index(tmp_path / "index.csv")


def test_images_are_taken_from_the_index_folder_unless_absolute(tmp_path):
    index = tmp_path / "index.csv"
    assert image_path(index, GOOD) == tmp_path / "images" / "a.png"
    assert str(image_path(index, GOOD._replace(image="/elsewhere/a.png"))) == "/elsewhere/a.png"


def test_counts_show_zeros_in_the_order_of_the_classes():
    samples = [GOOD, GOOD._replace(sample_id="b", split="test", label="anger")]
    tally = counts(samples, BASIC)
    assert list(tally) == ["train", "test"]
    assert list(tally["train"]) == list(BASIC)
    assert tally["train"]["fear"] == tally["test"]["anger"] == 1
    assert sum(map(sum, (split.values() for split in tally.values()))) == 2
