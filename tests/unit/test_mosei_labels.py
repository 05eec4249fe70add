"""Emotions by a stated rule, from the columns in their true order; sentiment in seven classes or two."""

import numpy as np
import pytest
from facetory.affectdiff.spec import EMOTIONS
from facetory.data.mosei.labels import CLASSES, INTENSITIES, emotion_labels, sentiment_labels

NAMES = {"happy": "Happy", "sad": "Sad", "anger": "Angry", "surprise": "Surprise"}
RULES = ("argmax", "swapped", "rule")


def shown(**intensities):
    return np.array([[intensities.get(name, 0.0) for name in INTENSITIES]], np.float32)


def named(row, rule):
    label = emotion_labels(row, rule)[0]
    return "unlabelled" if label < 0 else EMOTIONS[label]


def test_the_classes_are_the_papers():
    assert [NAMES.get(name, name.capitalize()) for name in CLASSES] == list(EMOTIONS)


@pytest.mark.parametrize("emotion", INTENSITIES)
def test_a_single_emotion_is_called_what_it_is_and_as_released_fear_and_surprise_are_exchanged(emotion):
    row, name = shown(**{emotion: 1.0}), NAMES.get(emotion, emotion.capitalize())
    assert named(row, "argmax") == named(row, "rule") == name
    assert named(row, "swapped") == {"Fear": "Surprise", "Surprise": "Fear"}.get(name, name)


def test_segments_without_emotion_are_happy_in_the_paper_and_unlabelled_by_the_rule():
    assert [named(shown(), rule) for rule in RULES] == ["Happy", "Happy", "unlabelled"]


@pytest.mark.parametrize(
    ("tie", "argmax", "swapped", "rule"),
    [
        (("happy", "fear"), "Happy", "Happy", "Happy"),
        (("disgust", "fear"), "Fear", "Disgust", "Disgust"),
        (("surprise", "disgust"), "Disgust", "Fear", "Surprise"),
        (("surprise", "fear"), "Fear", "Fear", "Surprise"),
    ],
)
def test_ties_go_to_the_first_class_or_by_the_rule_to_the_first_column(tie, argmax, swapped, rule):
    row = shown(**dict.fromkeys(tie, 2 / 3))
    assert [named(row, name) for name in RULES] == [argmax, swapped, rule]


def test_the_rules_agree_but_for_the_exchange_where_one_emotion_leads():
    draws = np.random.default_rng(0).random((500, 6)).astype(np.float32)
    argmax, swapped, rule = (emotion_labels(draws, name) for name in RULES)
    exchange = np.array([0, 1, 2, 5, 4, 3])
    np.testing.assert_array_equal(argmax, rule)
    np.testing.assert_array_equal(swapped, exchange[argmax])
    assert argmax.dtype == np.int64 and set(argmax) == set(range(6))


def test_sentiment_is_rounded_half_to_even_as_released():
    values = np.array([-3, -2.5, -1.5, -0.5, 0, 0.5, 1.5, 2.5, 3, 3.4], np.float32)
    np.testing.assert_array_equal(sentiment_labels(values, 7) - 3, [-3, -2, -2, 0, 0, 0, 2, 2, 3, 3])


def test_zero_sentiment_is_not_negative():
    np.testing.assert_array_equal(sentiment_labels(np.array([-0.1, 0.0, 0.1]), 2), [0, 1, 1])
