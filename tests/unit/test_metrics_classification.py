import numpy as np
import pytest
from facetory.metrics.classification import accuracy, confusion_matrix, mean_class_accuracy, row_normalised
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, recall_score

LABELS = np.array([0, 0, 0, 1, 1, 3])
PREDICTIONS = np.array([0, 0, 2, 1, 0, 3])


def test_rows_are_true_classes():
    assert confusion_matrix(LABELS, PREDICTIONS, 4).tolist() == [
        [2, 0, 1, 0],
        [1, 1, 0, 0],
        [0, 0, 0, 0],
        [0, 0, 0, 1],
    ]


def test_hand_values():
    confusion = confusion_matrix(LABELS, PREDICTIONS, 4)
    assert accuracy(confusion) == pytest.approx(4 / 6)
    assert mean_class_accuracy(confusion) == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)


def test_a_class_that_does_not_occur_has_no_recall():
    rows = row_normalised(confusion_matrix(LABELS, PREDICTIONS, 4))
    assert np.isnan(rows[2]).all()
    np.testing.assert_allclose(rows[[0, 1, 3]].sum(axis=1), 1)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60))
def test_scores_agree_with_scikit_learn(pairs):
    labels, predictions = np.array(pairs).T
    confusion = confusion_matrix(labels, predictions, 5)
    recall = recall_score(labels, predictions, labels=np.unique(labels), average="macro", zero_division=0)
    assert accuracy(confusion) == pytest.approx(accuracy_score(labels, predictions))
    assert mean_class_accuracy(confusion) == pytest.approx(recall)
