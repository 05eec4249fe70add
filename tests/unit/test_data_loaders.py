"""The loaders on small trees, and everything that can be wrong with a copy of a dataset."""

import numpy as np
import pytest
from drawn import fer2013, picture, rafdb
from facetory.data import catalogue
from facetory.data.images import read_image
from facetory.data.index import Sample, image_path, read_index
from facetory.data.labels import BASIC, COMPOUND
from facetory.data.listing import Found, chooser
from facetory.data.stage import index, make_index
from facetory.pipeline.config import DatasetSpec
from facetory.pipeline.files import FacetoryError
from hypothesis import given
from hypothesis import strategies as st
from indexing import cut, indexed, ledger, manifest

RAFDB = [f"train_{i:05d}.jpg {i % 7 + 1}" for i in range(14)] + [
    f"test_{i:04d}.jpg {i + 1}" for i in range(7)
]


class TestRafdb:
    def test_labels_splits_and_pictures(self, tmp_path):
        samples = indexed("rafdb_basic", rafdb(tmp_path / "raf", RAFDB), tmp_path / "index")
        assert [s.sample_id for s in samples] == [line.split(".")[0] for line in RAFDB]
        assert [s.label for s in samples[:7]] == list(BASIC)
        assert {s.split for s in samples[:14]} == {"train"} and {s.split for s in samples[14:]} == {"test"}
        assert samples[0].image == str(tmp_path / "raf" / "Image" / "original" / "train_00000.jpg")
        record = manifest(tmp_path / "index")
        assert record["counts"]["train"] == dict.fromkeys(BASIC, 2)
        assert record["images"] == "original" and record["licence"].startswith("research only")
        assert list(record["label_files"]) == ["list_patition_label.txt"]

    def test_a_copy_with_aligned_pictures_only_says_so(self, tmp_path):
        samples = indexed("rafdb_basic", rafdb(tmp_path / "raf", RAFDB, "aligned"), tmp_path / "index")
        assert samples[0].image.endswith("Image/aligned/train_00000_aligned.jpg")
        assert manifest(tmp_path / "index")["images"] == "aligned"

    def test_compound_codes(self, tmp_path):
        lines = [f"train_{i:05d}.jpg {i + 1}" for i in range(11)]
        samples = indexed("rafdb_compound", rafdb(tmp_path / "raf", lines), tmp_path / "index")
        assert [s.label for s in samples] == list(COMPOUND)

    def test_another_size_than_published_stands_in_the_ledger(self, tmp_path):
        indexed("rafdb_basic", rafdb(tmp_path / "raf", RAFDB), tmp_path / "index")
        problems = [row["problem"] for row in ledger(tmp_path / "index")]
        assert problems == [
            "train has 14 samples, the published set 12271",
            "test has 7 samples, the published set 3068",
        ]

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ("train_00099.jpg 9", r"line 22: label 9 is outside 1\.\.7"),
            ("train_00099.jpg 0", r"line 22: label 0 is outside 1\.\.7"),
            ("train_00099.jpg happy", "line 22: 'train_00099.jpg happy' is not of the form"),
            ("train_00099.jpg", "line 22: 'train_00099.jpg' is not of the form"),
            ("../../secret.jpg 1", "line 22: '../../secret.jpg 1' is not of the form"),
            ("/etc/train_00001.jpg 1", "line 22: '/etc/train_00001.jpg 1' is not of the form"),
            ("train_00003.jpg 1", "line 22: train_00003.jpg stands in line 4 already"),
        ],
    )
    def test_a_wrong_line_is_named(self, tmp_path, line, message):
        source = rafdb(tmp_path / "raf", [*RAFDB, line])
        with pytest.raises(FacetoryError, match=f"rafdb_basic: EmoLabel/list_patition_label.txt {message}"):
            indexed("rafdb_basic", source, tmp_path / "index")
        assert not (tmp_path / "index" / "index.csv").exists()

    def test_a_label_file_that_is_no_text_is_named(self, tmp_path):
        source = rafdb(tmp_path / "raf", RAFDB)
        (source / "EmoLabel" / "list_patition_label.txt").write_bytes(b"\x00\xff\xd8")
        with pytest.raises(FacetoryError, match=r"list_patition_label\.txt: not a text file"):
            indexed("rafdb_basic", source, tmp_path / "index")

    def test_a_picture_that_no_line_names_stands_in_the_ledger(self, tmp_path):
        source = rafdb(tmp_path / "raf", RAFDB)
        picture(source / "Image" / "original" / "test_9999.jpg")
        indexed("rafdb_basic", source, tmp_path / "index")
        row = ledger(tmp_path / "index")[0]
        assert row["file"] == "Image/original/test_9999.jpg" and row["action"] == "left out"

    @pytest.mark.parametrize("damage", [lambda path: path.unlink(), cut, lambda path: path.write_bytes(b"")])
    def test_an_unreadable_training_picture_is_left_out_with_its_line(self, tmp_path, damage):
        source = rafdb(tmp_path / "raf", RAFDB)
        damage(source / "Image" / "original" / "train_00004.jpg")
        samples = indexed("rafdb_basic", source, tmp_path / "index")
        assert len(samples) == 20 and "train_00004" not in {s.sample_id for s in samples}
        row = ledger(tmp_path / "index")[0]
        assert (row["row"], row["action"]) == ("5", "left out") and "train_00004.jpg: the image" in row[
            "problem"
        ]
        assert manifest(tmp_path / "index")["left_out"] == 1

    @pytest.mark.parametrize("damage", [lambda path: path.unlink(), cut, lambda path: path.write_bytes(b"")])
    def test_an_unreadable_test_picture_stops_the_stage(self, tmp_path, damage):
        source = rafdb(tmp_path / "raf", RAFDB)
        damage(source / "Image" / "original" / "test_0002.jpg")
        message = r"list_patition_label\.txt line 17: .*test_0002\.jpg: the image .* no image may be left out"
        with pytest.raises(FacetoryError, match=message):
            indexed("rafdb_basic", source, tmp_path / "index")

    def test_many_unreadable_training_pictures_stop_the_stage(self, tmp_path):
        source = rafdb(tmp_path / "raf", RAFDB)
        for i in range(2):
            (source / "Image" / "original" / f"train_{i:05d}.jpg").unlink()
        with pytest.raises(FacetoryError, match=r"2 of 14 training images cannot be read.*place it again"):
            indexed("rafdb_basic", source, tmp_path / "index")

    def test_a_picture_in_two_splits_stands_in_the_ledger_and_stays(self, tmp_path):
        source = rafdb(tmp_path / "raf", RAFDB)
        images = source / "Image" / "original"
        (images / "test_0003.jpg").write_bytes((images / "train_00005.jpg").read_bytes())
        assert len(indexed("rafdb_basic", source, tmp_path / "index")) == 21
        row = ledger(tmp_path / "index")[0]
        assert row["problem"] == "test_0003 (test) is the same file as train_00005 (train)"
        assert row["action"] == "kept"


class TestFer2013:
    ROWS = (
        *((i % 7, 10 * i, "Training") for i in range(14)),
        *((i, 200 + i, "PublicTest") for i in range(7)),
        *((i, 240 + i, "PrivateTest") for i in range(7)),
    )

    def test_rows_become_pictures(self, tmp_path):
        samples = indexed("fer2013", fer2013(tmp_path / "fer", [*self.ROWS]), tmp_path / "index")
        assert [s.split for s in samples] == ["train"] * 14 + ["validation"] * 7 + ["test"] * 7
        assert samples[0].label == "anger" and samples[6].label == "neutral"
        for sample, (_, grey, _) in zip(samples, self.ROWS, strict=True):
            pixels = read_image(image_path(tmp_path / "index" / "index.csv", sample))
            assert pixels.shape == (48, 48, 3) and (pixels == grey).all()
        assert samples[3].image == f"images/{samples[3].sample_id}.png"

    def test_pixels_keep_their_places(self, tmp_path):
        values = np.arange(48 * 48) % 256
        indexed("fer2013", fer2013(tmp_path / "fer", [(0, " ".join(map(str, values)), "Training")]), tmp_path)
        pixels = read_image(tmp_path / "images" / "fer00002.png")
        np.testing.assert_array_equal(pixels[..., 1], values.reshape(48, 48))

    def test_another_hash_than_published_is_noted(self, tmp_path):
        indexed("fer2013", fer2013(tmp_path / "fer", [*self.ROWS]), tmp_path / "index")
        assert manifest(tmp_path / "index")["md5_as_published"] is False
        assert "published f8428a1edbd21e88f42c73edd2a14f95" in ledger(tmp_path / "index")[0]["problem"]

    @pytest.mark.parametrize(
        ("row", "message"),
        [
            ((7, 1, "Training"), r"line 3: emotion '7' is outside 0\.\.6"),
            (("", 1, "Training"), "line 3: emotion '' is outside"),
            ((0, 1, "Validation"), "line 3: usage 'Validation' is none of Training, PublicTest, PrivateTest"),
            ((0, "1 2 3", "Training"), "line 3: 3 pixels instead of 2304"),
            ((0, " ".join(["256"] * 2304), "Training"), r"line 3: a pixel is no whole number of 0\.\.255"),
            ((0, " ".join(["-1"] * 2304), "Training"), "line 3: a pixel is no whole number"),
            ((0, " ".join(["1.5"] * 2304), "PrivateTest"), "line 3: a pixel is no whole number"),
            ((0, "1,2", "Training"), "line 3: it has more or fewer cells"),
        ],
    )
    def test_a_wrong_row_is_named(self, tmp_path, row, message):
        with pytest.raises(FacetoryError, match=rf"fer2013\.csv {message}"):
            indexed("fer2013", fer2013(tmp_path / "fer", [(0, 1, "Training"), row]), tmp_path / "index")

    def test_another_header_is_named(self, tmp_path):
        (tmp_path / "fer2013.csv").write_text("emotion,pixels\n0,1\n")
        with pytest.raises(FacetoryError, match="the header emotion, pixels lacks Usage"):
            indexed("fer2013", tmp_path, tmp_path / "index")

    def test_a_limit_writes_only_the_pictures_it_chose(self, tmp_path):
        source = fer2013(tmp_path / "fer", [*self.ROWS])
        limit = {"train": 1, "validation": 1, "test": 0}
        samples = indexed("fer2013", source, tmp_path / "index", limit_per_class=limit)
        assert [s.split for s in samples] == ["train"] * 7 + ["validation"] * 7
        assert len(list((tmp_path / "index" / "images").iterdir())) == 14
        record = manifest(tmp_path / "index")
        assert record["spec"]["limit_per_class"] == limit and record["counts"]["train"] == dict.fromkeys(
            BASIC, 1
        )


class TestFolder:
    def tree(self, root, names):
        for number, name in enumerate(names):
            picture(root / name, number)
        return root

    def test_split_folders(self, tmp_path):
        names = ["train/Happy/a.png", "train/sad/b.jpg", "val/happy/c.png", "test/SAD/deep/d.png"]
        samples = indexed("folder", self.tree(tmp_path / "own", names), tmp_path / "index")
        assert [(s.split, s.label) for s in samples] == [
            ("test", "sadness"),
            ("train", "happiness"),
            ("train", "sadness"),
            ("validation", "happiness"),
        ]
        assert samples[0].sample_id == "test-SAD-deep-d"
        assert manifest(tmp_path / "index")["classes"] == list(BASIC)

    def test_without_split_folders_a_fifth_of_each_class_is_for_test(self, tmp_path):
        names = [f"{label}/{i}.png" for label in ("happy", "sad") for i in range(10)]
        samples = indexed("folder", self.tree(tmp_path / "own", names), tmp_path / "index")
        test = [s.label for s in samples if s.split == "test"]
        assert sorted(test) == ["happiness"] * 2 + ["sadness"] * 2
        assert "people may be in both" in manifest(tmp_path / "index")["splits"]
        again = indexed("folder", tmp_path / "own", tmp_path / "again")
        assert again == samples

    def test_a_new_picture_moves_no_other_between_the_splits_than_its_class_needs(self, tmp_path):
        names = [f"{label}/{i}.png" for label in ("happy", "sad") for i in range(10)]
        before = indexed("folder", self.tree(tmp_path / "own", names), tmp_path / "index")
        picture(tmp_path / "own" / "happy" / "new.png", 99)
        after = {s.sample_id: s.split for s in indexed("folder", tmp_path / "own", tmp_path / "again")}
        assert sum(after[s.sample_id] != s.split for s in before) <= 1
        assert all(after[s.sample_id] == s.split for s in before if s.label == "sadness")

    def test_the_users_own_names(self, tmp_path):
        self.tree(tmp_path / "own", ["train/joyful/a.png", "test/happy/b.png"])
        spec = DatasetSpec(name="mine", path=str(tmp_path / "own"), labels={"joyful": "happiness"})
        make_index(spec, "nowhere", tmp_path / "index")
        assert {s.label for s in read_index(tmp_path / "index" / "index.csv")} == {"happiness"}

    def test_an_unknown_class_folder_is_named(self, tmp_path):
        source = self.tree(tmp_path / "own", ["train/hapy/a.png"])
        with pytest.raises(
            FacetoryError, match=r"own/train/hapy: unknown class 'hapy'.*Did you mean 'happy'"
        ):
            indexed("folder", source, tmp_path / "index")

    def test_classes_beside_splits_are_refused(self, tmp_path):
        source = self.tree(tmp_path / "own", ["train/happy/a.png", "sad/b.png"])
        with pytest.raises(FacetoryError, match="sad stand beside train"):
            indexed("folder", source, tmp_path / "index")

    def test_an_empty_folder_is_refused(self, tmp_path):
        (tmp_path / "own" / "happy").mkdir(parents=True)
        with pytest.raises(FacetoryError, match="no images in its class folders"):
            indexed("folder", tmp_path / "own", tmp_path / "index")

    def test_other_files_stand_in_the_ledger(self, tmp_path):
        source = self.tree(tmp_path / "own", ["train/happy/a.png", "test/stray.png", ".thumbs/happy/b.png"])
        for name in ("train/happy/notes.txt", "train/happy/.DS_Store", "readme.md"):
            (source / name).write_text("x")
        assert len(indexed("folder", source, tmp_path / "index")) == 1
        assert {row["file"]: row["problem"] for row in ledger(tmp_path / "index")} == {
            ".thumbs/happy/b.png": "hidden",
            "readme.md": "in no class folder",
            "test/stray.png": "in no class folder",
            "train/happy/.DS_Store": "hidden",
            "train/happy/notes.txt": "'.txt' is no image's suffix",
        }

    def test_names_that_differ_in_the_suffix_alone_are_refused(self, tmp_path):
        source = self.tree(tmp_path / "own", ["train/happy/a.png", "train/happy/a.jpg"])
        with pytest.raises(FacetoryError, match=r"train/happy/a\.jpg and train/happy/a\.png give the same"):
            indexed("folder", source, tmp_path / "index")

    def test_names_with_other_letters_get_ids_of_their_own(self, tmp_path):
        names = ["train/happy/é.png", "train/happy/è.png", "train/happy/a b.png", "train/happy/a_b.png"]
        samples = indexed("folder", self.tree(tmp_path / "own", names), tmp_path / "index")
        assert len({s.sample_id for s in samples}) == 4

    def test_a_broken_test_picture_is_named(self, tmp_path):
        source = self.tree(tmp_path / "own", ["train/happy/a.png", "test/happy/b.png"])
        cut(source / "test" / "happy" / "b.png")
        with pytest.raises(
            FacetoryError, match=r"test/happy/b\.png.*cannot be decoded.*no image may be left out"
        ):
            indexed("folder", source, tmp_path / "index")


@given(
    st.lists(st.tuples(st.sampled_from(["train", "test"]), st.sampled_from(BASIC[:2])), max_size=30),
    st.integers(0, 6),
    st.randoms(use_true_random=False),
)
def test_a_limit_is_nested_and_does_not_depend_on_the_order(kinds, number, random):
    found = [Found(Sample(f"s{i}", *kind, "", "a.png"), "f") for i, kind in enumerate(kinds)]
    larger = chooser("set", {"train": number + 1}, 0)(found)
    smaller = chooser("set", {"train": number}, 0)(found)
    assert set(smaller) <= set(larger)
    assert [item for item in found if item in set(smaller)] == smaller
    assert [item for item in smaller if item.sample.split == "test"] == [
        item for item in found if item.sample.split == "test"
    ]
    for label in BASIC[:2]:
        total = sum(kind == ("train", label) for kind in kinds)
        assert sum(i.sample[1:3] == ("train", label) for i in smaller) == min(number, total)
    shuffled = random.sample(found, len(found))
    assert set(chooser("set", {"train": number}, 0)(shuffled)) == set(smaller)


def test_another_seed_chooses_others():
    found = [Found(Sample(f"s{i}", "train", "fear", "", "a.png"), "f") for i in range(40)]
    assert chooser("set", {"train": 10}, 0)(found) != chooser("set", {"train": 10}, 1)(found)


def test_a_limit_on_an_unknown_split_is_an_error(tmp_path):
    with pytest.raises(FacetoryError, match=r"a limit names \{'dev'\}"):
        index(catalogue.entry("folder"), tmp_path, tmp_path / "index", {"dev": 3})


def test_a_set_that_is_not_placed_is_an_error(tmp_path):
    with pytest.raises(FacetoryError, match="rafdb_basic not placed: expected"):
        make_index(DatasetSpec(name="rafdb_basic"), tmp_path, tmp_path / "index")
