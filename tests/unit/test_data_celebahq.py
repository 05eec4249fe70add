"""CelebA-HQ as people have it: a few fabricated images in each layout, with and without its text files."""

from collections import Counter

import numpy as np
import pytest
from facetory.data import catalogue, celebahq
from facetory.data.attributes import WORDS, attributes_of, caption_of
from facetory.data.index import SPLITS
from facetory.pipeline.files import FacetoryError
from indexing import indexed, ledger, manifest
from PIL import Image

NAMES = "5_o_Clock_Shadow Eyeglasses Mouth_Slightly_Open No_Beard"
ROWS = ["0.jpg  -1 1 -1 1", "1.jpg  -1 -1 1 -1", "2.jpg  1 -1 -1 1", "7.jpg  -1 1 1 -1"]
MAPPED = ["idx orig_idx orig_file", "0 119613 119614.jpg", "1 99094 099095.jpg", "2 200121 200122.jpg"]
PARTITION = ["099095.jpg 0", "119614.jpg 1", "200122.jpg 2"]


def place(root, folder="CelebA-HQ-img", names=("0.jpg", "1.jpg", "2.jpg"), **files):
    (root / folder).mkdir(parents=True)
    for k, name in enumerate(names):
        Image.fromarray(np.full((8, 8, 3), 40 * k, np.uint8)).save(root / folder / name)
    for name, lines in files.items():
        (root / getattr(celebahq, name)).write_text("\n".join(lines) + "\n")
    return root


def attributes(rows=ROWS, count=None):
    return [str(len(rows) if count is None else count), NAMES, *rows]


@pytest.fixture
def source(tmp_path):
    return tmp_path / "celebahq"


@pytest.mark.parametrize(
    ("folder", "names"),
    [
        ("CelebA-HQ-img", ("0.jpg", "1.jpg", "2.jpg")),
        ("celeba_hq_256", ("00000.jpg", "00001.jpg", "00002.jpg")),
    ],
)
def test_either_layout_gives_the_same_samples(source, tmp_path, folder, names):
    assert "celebahq not placed: expected" in catalogue.missing("celebahq", tmp_path)
    place(source, folder, names, ATTRIBUTES=attributes(), MAPPING=MAPPED, PARTITION=PARTITION)
    assert catalogue.missing("celebahq", tmp_path) is None
    samples = indexed("celebahq", source, tmp_path / "index")
    assert [(s.sample_id, s.split, s.label, s.person) for s in samples] == [
        ("celebahq_00000", "validation", "", ""),
        ("celebahq_00001", "train", "", ""),
        ("celebahq_00002", "test", "", ""),
    ]
    assert [s.caption for s in samples] == [
        "A photo of a face with glasses.",
        "A photo of a face with an open mouth, a beard.",
        "A photo of a face.",
    ]
    about = manifest(tmp_path / "index")
    assert (about["images"], about["splits"], about["attributes"]) == (folder, "CelebA's partition", True)
    assert set(about["label_files"]) == {celebahq.ATTRIBUTES, celebahq.MAPPING, celebahq.PARTITION}


def test_images_alone_are_enough(source, tmp_path):
    place(source, names=("0.jpg", "12.jpg", "readme.jpg"), MAPPING=MAPPED)
    samples = indexed("celebahq", source, tmp_path / "index")
    assert [s.sample_id for s in samples] == ["celebahq_00000", "celebahq_00012"]
    assert {s.caption for s in samples} == {""}
    assert manifest(tmp_path / "index")["splits"] == "a keyed draw by sample id"
    assert "its name is no number" in {row["problem"] for row in ledger(tmp_path / "index")}


def test_the_keyed_splits_have_the_published_shares_and_depend_on_the_id_alone():
    entry = catalogue.entry("celebahq")
    splits = celebahq.keyed_splits(entry, dict.fromkeys(range(30_000)))
    sizes = Counter(splits.values())
    for split, number in entry.counts.items():
        assert sizes[split] == pytest.approx(number, abs=4 * np.sqrt(number * (1 - number / 30_000)))
    assert list(entry.counts) == list(SPLITS) and sum(entry.counts.values()) == 30_000
    assert celebahq.keyed_splits(entry, {28_123: None}) == {28_123: splits[28_123]}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"ATTRIBUTES": attributes([*ROWS, "8.jpg 1 1 1"])}, r"anno\.txt line 7: is not a name and 4 times"),
        (
            {"ATTRIBUTES": attributes([*ROWS, "8.jpg 1 1 1 0"])},
            r"anno\.txt line 7: is not a name and 4 times",
        ),
        (
            {"ATTRIBUTES": attributes([*ROWS, "1.jpg 1 1 1 1"])},
            r"anno\.txt line 7: names 1\.jpg a second time",
        ),
        (
            {"ATTRIBUTES": attributes([*ROWS, "x.jpg 1 1 1 1"])},
            r"anno\.txt line 7: 'x\.jpg' is none of 0\.jpg",
        ),
        ({"ATTRIBUTES": attributes(count=30_000)}, r"anno\.txt line 1: says '30000', and 4 rows follow"),
        ({"ATTRIBUTES": ["4", "Eyeglasses No_Beard"]}, r"line 2: does not name the attribute Mouth_Slightly"),
        ({"ATTRIBUTES": attributes(ROWS[:2])}, r"anno\.txt has no row of 2\.jpg"),
        ({"MAPPING": [*MAPPED, "3 4"], "PARTITION": PARTITION}, r"mapping\.txt line 5: is not of the form"),
        ({"MAPPING": MAPPED, "PARTITION": PARTITION[:2]}, r"mapping\.txt line 4: names 200122\.jpg, which"),
        ({"MAPPING": MAPPED, "PARTITION": ["099095.jpg 3"]}, r"partition\.txt line 1: is not of the form"),
        ({"MAPPING": MAPPED[:3], "PARTITION": PARTITION}, r"mapping\.txt has no row of 2\.jpg"),
    ],
)
def test_a_bad_row_is_named(source, tmp_path, files, expected):
    place(source, **files)
    with pytest.raises(FacetoryError, match=expected):
        indexed("celebahq", source, tmp_path / "index")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("0.jpg", "00000.jpg"), r"00000\.jpg: 0\.jpg is of that number too"),
        (("1.jpg", "30000.jpg"), r"30000\.jpg: CelebA-HQ's numbers end at 29999"),
        (("face.jpg",), r"CelebA-HQ-img: holds no image 0\.jpg or 00000\.jpg"),
    ],
)
def test_images_numbered_otherwise_are_refused(source, tmp_path, names, expected):
    place(source, names=names)
    with pytest.raises(FacetoryError, match=expected):
        indexed("celebahq", source, tmp_path / "index")


def test_captions_and_attributes_are_each_others_inverse():
    for bits in range(8):
        has = {name: bool(bits >> k & 1) for k, name in enumerate(WORDS)}
        assert attributes_of(caption_of(has)) == has


def test_a_renders_caption_tells_the_same_attributes():
    bearded = (
        "A photo of a young bearded man with tan skin and a bald head. A photo of a facial expression with "
    )
    assert attributes_of(bearded + "wide eyes, an open mouth. A photo, lit from above.") == {
        "open mouth": True,
        "beard": True,
        "glasses": False,
    }
    assert attributes_of("A photo of a still face. A photo, lit from above, wearing dark glasses.")["glasses"]
    assert set(attributes_of("").values()) == {None}


def test_the_renders_use_these_words():
    """The words of beards, glasses and open mouths are those that the renders' captions are made of."""
    from facetory.data.anny import expressions, people, scene
    from facetory.pipeline.randomness import generator

    man = next(who for k in range(200) if (who := people.person(0, f"p{k}"))["beard"] > 0.5)
    assert (
        attributes_of(people.words(man))["beard"]
        and not attributes_of(people.words(man | {"beard": 0}))["beard"]
    )
    view = scene.scene(generator(0, "test"), scene.EASY)
    assert attributes_of(scene.words(view | {"cover": "glasses"}))["glasses"]
    assert not attributes_of(scene.words(view | {"cover": "scarf"}))["glasses"]
    assert attributes_of(expressions.words({"jawOpen": 0.5}))["open mouth"]
    assert not attributes_of(expressions.words({"mouthSmileLeft": 0.9}))["open mouth"]
