"""Class names: codes of the datasets, folder names, and errors for names that nobody knows."""

import pytest
from facetory.data import labels
from facetory.pipeline.files import FacetoryError


def test_the_codes_are_those_of_the_datasets():
    assert [labels.RAFDB_BASIC[c] for c in "1234567"] == list(labels.BASIC)
    assert labels.RAFDB_COMPOUND["1"] == "happily_surprised"
    assert labels.RAFDB_COMPOUND["11"] == "disgustedly_surprised"
    expected = ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]
    assert [labels.FER2013[c] for c in "0123456"] == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Happy", "happiness"),
        ("ANGER", "anger"),
        ("Sadly Angry", "sadly_angry"),
        ("happily-surprised", "happily_surprised"),
        ("joyful", "happiness"),
    ],
)
def test_folder_names_become_classes(name, expected):
    assert labels.class_of(name, {"joyful": "happy"}, "here") == expected


def test_an_unknown_name_is_shown_with_the_known_ones_and_the_nearest():
    with pytest.raises(
        FacetoryError, match=r"here: unknown class 'suprise'.*neutral.*Did you mean 'surprise'"
    ):
        labels.class_of("suprise", {}, "here")


def test_a_mapping_to_an_unknown_class_is_an_error_too():
    with pytest.raises(FacetoryError, match="unknown class 'glad'"):
        labels.class_of("joyful", {"joyful": "glad"}, "here")


def test_basic_and_compound_do_not_mix():
    assert labels.family_of(["fear"], "here") == labels.BASIC
    assert labels.family_of(["sadly_angry"], "here") == labels.COMPOUND
    with pytest.raises(FacetoryError, match="here: sadly_angry are compound expressions and fear basic ones"):
        labels.family_of(["fear", "sadly_angry"], "here")
