"""The votes of FER2013Plus: the two rules, and what can be wrong with a copy."""

import numpy as np
import pytest
from drawn import VOTED, fer2013plus
from facetory.data import catalogue
from facetory.data.fer2013plus import VOTED as NAMES
from facetory.data.fer2013plus import argmax, majority
from facetory.data.images import read_image
from facetory.data.stage import index
from facetory.pipeline.files import FacetoryError, sha256_of
from hypothesis import given
from hypothesis import strategies as st
from indexing import indexed, ledger, manifest

#                                 n  h  su sa an di fe c  u  NF
ROWS = [
    ("Training", "fer0000000.png", "4,0,0,1,3,2,0,0,0,0"),  # 4 of 9: no majority, most are neutral
    ("Training", "fer0000001.png", "0,9,1,0,0,0,0,0,0,0"),  # happiness
    ("Training", "", "0,0,0,0,0,0,0,0,0,10"),
    ("Training", "fer0000003.png", "0,0,0,0,0,0,0,8,2,0"),  # contempt
    ("Training", "fer0000001.png", "0,0,0,0,9,0,0,0,0,1"),  # its name stands above
    ("PublicTest", "fer0000005.png", "1,1,1,2,1,1,1,1,1,0"),  # 2 of the 2 votes that remain: sadness
    ("PrivateTest", "fer0000006.png", "0,0,5,0,0,0,5,0,0,0"),  # a tie: surprise stands first
    ("PrivateTest", "fer0000007.png", "0,0,0,0,0,0,6,1,1,2"),  # fear
]
votes = st.lists(st.integers(0, 10), min_size=10, max_size=10).filter(any)


@pytest.mark.parametrize(
    ("counts", "by_majority", "by_argmax"),
    [
        ((10, 0, 0, 0, 0, 0, 0, 0, 0, 0), "neutral", "neutral"),
        ((0, 0, 0, 0, 0, 0, 0, 0, 0, 10), "NF", "NF"),
        ((4, 0, 0, 1, 3, 2, 0, 0, 0, 0), "unknown", "neutral"),
        ((3, 0, 0, 5, 1, 0, 0, 0, 1, 0), "sadness", "sadness"),
        ((4, 0, 0, 5, 0, 0, 0, 0, 1, 0), "sadness", "sadness"),
        ((5, 0, 5, 0, 0, 0, 0, 0, 0, 0), "unknown", "neutral"),
        ((1, 1, 1, 1, 1, 1, 1, 1, 1, 1), "unknown", "neutral"),
        ((1, 1, 1, 2, 1, 1, 1, 1, 1, 0), "sadness", "sadness"),
        ((0, 0, 0, 0, 0, 0, 2, 2, 4, 0), "unknown", "unknown"),
        ((0, 0, 0, 0, 0, 0, 0, 6, 4, 0), "contempt", "contempt"),
    ],
)
def test_the_two_rules(counts, by_majority, by_argmax):
    assert majority(counts) == by_majority
    assert argmax(counts) == by_argmax


@given(votes)
def test_a_majority_has_more_than_all_others_and_wins_by_argmax_too(counts):
    label = majority(counts)
    kept = {name: count for name, count in zip(NAMES, counts, strict=True) if count > 1}
    if label in kept and 2 * kept[label] > sum(kept.values()):
        assert argmax(counts) == label
    else:
        assert label == "unknown"
        assert all(2 * count <= sum(kept.values()) for count in kept.values())


@given(votes, st.integers(0, 9))
def test_a_single_vote_does_not_change_the_majority(counts, place):
    assert majority([*counts[:place], 0, *counts[place + 1 :]]) == majority(
        [*counts[:place], 1, *counts[place + 1 :]]
    )


@given(votes, st.permutations(range(10)))
def test_the_rules_look_at_the_votes_of_each_class_alone(counts, order):
    moved = [counts[i] for i in order]
    top = max(counts)
    assert moved[NAMES.index(argmax(moved))] == top
    winner = NAMES.index(majority(counts))
    if 2 * counts[winner] > sum(counts) and top > 1:
        assert order[NAMES.index(majority(moved))] == winner


@given(votes)
def test_argmax_takes_the_first_of_equals(counts):
    place = NAMES.index(argmax(counts))
    assert all(count < counts[place] for count in counts[:place])
    assert all(count <= counts[place] for count in counts[place:])


class TestLoader:
    def test_majority_is_the_rule_of_fer2013plus(self, tmp_path):
        samples = indexed("fer2013plus", fer2013plus(tmp_path / "fer", ROWS), tmp_path / "index")
        assert [(s.sample_id, s.split, s.label) for s in samples] == [
            ("fer0000001", "train", "happiness"),
            ("fer0000005", "validation", "sadness"),
            ("fer0000007", "test", "fear"),
        ]
        record = manifest(tmp_path / "index")
        assert record["rule"] == "majority"
        assert record["named_faces"] == {"train": 3, "validation": 1, "test": 2}
        assert set(record["label_files"]) == {"fer2013.csv", "fer2013new.csv"}

    def test_argmax_has_a_name_of_its_own(self, tmp_path):
        samples = indexed("fer2013plus_argmax", fer2013plus(tmp_path / "fer", ROWS), tmp_path / "index")
        assert [(s.sample_id, s.label) for s in samples] == [
            ("fer0000000", "neutral"),
            ("fer0000001", "happiness"),
            ("fer0000005", "sadness"),
            ("fer0000006", "surprise"),
            ("fer0000007", "fear"),
        ]
        assert manifest(tmp_path / "index")["rule"] == "argmax"

    def test_pixels_are_those_of_the_same_row(self, tmp_path):
        samples = indexed("fer2013plus_argmax", fer2013plus(tmp_path / "fer", ROWS), tmp_path / "index")
        for sample, row in zip(samples, (0, 1, 5, 6, 7), strict=True):
            pixels = read_image(tmp_path / "index" / sample.image)
            assert pixels.shape == (48, 48, 3) and np.all(pixels == row)
        assert len(list((tmp_path / "index" / "images").iterdir())) == 5

    def test_what_is_left_out_stands_in_the_ledger(self, tmp_path):
        indexed("fer2013plus", fer2013plus(tmp_path / "fer", ROWS), tmp_path / "index")
        rows = ledger(tmp_path / "index")
        assert [(row["row"], row["problem"]) for row in rows if row["action"] == "left out"] == [
            ("6", "fer0000001.png stands in line 3 already"),
            ("", "train: 1 rows name no image"),
            ("", "train: 1 faces are labelled 'unknown'"),
            ("", "train: 1 faces are labelled 'contempt'"),
            ("", "test: 1 faces are labelled 'unknown'"),
        ]
        problems = [row["problem"] for row in rows if row["action"] == "kept"]
        votes = sha256_of(tmp_path / "fer" / "fer2013new.csv")
        published = "9206e20d62f56475939f516847d61753e4860caeac9718b560129541b776fc2c"
        assert problems[0] == f"sha256 {votes}, published {published}"
        assert problems[1].endswith("published f8428a1edbd21e88f42c73edd2a14f95")
        assert problems[2:] == [
            "train has 1 samples, the published set 24938",
            "validation has 1 samples, the published set 3186",
            "test has 1 samples, the published set 3137",
        ]

    def test_a_limit_writes_only_the_pictures_it_chose(self, tmp_path):
        source = fer2013plus(tmp_path / "fer", ROWS)
        limit = {"train": 1, "validation": 1, "test": 0}
        index(catalogue.entry("fer2013plus"), source, tmp_path / "index", limit)
        written = sorted(path.name for path in (tmp_path / "index" / "images").iterdir())
        assert written == ["fer0000001.png", "fer0000005.png"]

    @pytest.mark.parametrize(
        ("row", "message"),
        [
            (("Training", "fer0000009.png", "1,0,0,0,0,0,0,0,-1,0"), "line 10: 1, 0, .*, -1, 0 are no votes"),
            (("Training", "fer0000009.png", "1.5,0,0,0,0,0,0,0,0,0"), "line 10: .* are no votes"),
            (("Training", "fer0000009.png", ",0,0,0,0,0,0,0,0,0"), "line 10: .* are no votes"),
            (("Training", "fer0000009.png", "0,0,0,0,0,0,0,0,0,0"), "line 10: .* are no votes"),
            (("Training", "fer0000009.png", "9,1"), "line 10: it has more or fewer cells"),
            (("Training", "../x.png", "9,0,0,0,0,0,0,0,0,1"), r"line 10: image name '\.\./x\.png' is not of"),
            (("Test", "fer0000009.png", "9,0,0,0,0,0,0,0,0,1"), "line 10: usage 'Test'"),
        ],
    )
    def test_a_wrong_row_is_named(self, tmp_path, row, message):
        source = fer2013plus(tmp_path / "fer", [*ROWS, row])
        with pytest.raises(FacetoryError, match=rf"fer2013new\.csv {message}"):
            indexed("fer2013plus", source, tmp_path / "index")
        assert not (tmp_path / "index" / "index.csv").exists()

    def test_rows_of_different_use_do_not_pair(self, tmp_path):
        source = fer2013plus(tmp_path / "fer", ROWS)
        text = (source / "fer2013.csv").read_text().splitlines()
        (source / "fer2013.csv").write_text("\n".join([text[0], *text[2:], text[1]]) + "\n")
        message = (
            r"fer2013new\.csv line 6: usage 'Training', but 'PublicTest' in .*fer2013\.csv line 6\. "
            r"Move fer2013new\.csv away and run: facetory data fetch fer2013plus"
        )
        with pytest.raises(FacetoryError, match=message):
            indexed("fer2013plus", source, tmp_path / "index")

    @pytest.mark.parametrize("shorter", ["fer2013.csv", "fer2013new.csv"])
    def test_a_file_with_fewer_rows_is_refused(self, tmp_path, shorter):
        source = fer2013plus(tmp_path / "fer", ROWS)
        text = (source / shorter).read_text().splitlines()
        (source / shorter).write_text("\n".join(text[:-1]) + "\n")
        longer = {"fer2013.csv": "fer2013new", "fer2013new.csv": "fer2013"}[shorter]
        with pytest.raises(FacetoryError, match=rf"{longer}\.csv line 9: the other file has no such row"):
            indexed("fer2013plus", source, tmp_path / "index")

    def test_another_header_is_named(self, tmp_path):
        source = fer2013plus(tmp_path / "fer", ROWS)
        votes = source / "fer2013new.csv"
        votes.write_text(votes.read_text().replace(VOTED, VOTED.replace("contempt", "scorn")))
        with pytest.raises(FacetoryError, match=r"fer2013new\.csv: the header .* lacks contempt\. Restore"):
            indexed("fer2013plus", source, tmp_path / "index")
