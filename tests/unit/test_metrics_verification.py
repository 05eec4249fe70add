import math

import numpy as np
import pytest
from facetory.metrics.verification import deviates, eer, fdr, fnmr_at, measures, operating_points
from facetory.pipeline.files import FacetoryError
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_curve

tied = st.lists(st.integers(-4, 4).map(float), min_size=1, max_size=30).map(np.array)
"""Scores of few values, so that ties within and between both kinds are the rule."""


def curve(genuine, impostor):
    """scikit-learn's FMR and FNMR, from the lowest threshold to +∞."""
    labels = np.r_[np.ones(len(genuine)), np.zeros(len(impostor))]
    fpr, tpr, thresholds = roc_curve(labels, np.r_[genuine, impostor], drop_intermediate=False)
    return thresholds[::-1], fpr[::-1], 1 - tpr[::-1]


def interpolated_eer(fmr, fnmr):
    after = int(np.argmax(fnmr > fmr))
    gaps = (fmr - fnmr)[[after - 1, after]]
    return fmr[after - 1] + (fmr[after] - fmr[after - 1]) * gaps[0] / (gaps[0] - gaps[1])


def test_by_hand():
    """Thresholds .2 .4 .6 .8 ∞: FMR 1, 2/3, 1/3, 0, 0 and FNMR 0, 0, 1/4, 1/2, 1."""
    genuine, impostor = np.array([0.8, 0.4, 0.6, 0.8]), np.array([0.2, 0.6, 0.4])
    points = operating_points(genuine, impostor)
    np.testing.assert_array_equal(points.thresholds, [0.2, 0.4, 0.6, 0.8, math.inf])
    np.testing.assert_allclose(points.fmr, [1, 2 / 3, 1 / 3, 0, 0])
    np.testing.assert_allclose(points.fnmr, [0, 0, 1 / 4, 1 / 2, 1])
    # From (1/3, 1/4) to (0, 1/2): 1/3 (1 − a) = 1/4 + a/4 at a = 1/7.
    assert eer(genuine, impostor) == pytest.approx(2 / 7, abs=1e-15)
    assert fnmr_at(genuine, impostor, 3) == 1 / 4
    assert fnmr_at(genuine, impostor, 2) == 1 / 4
    assert fnmr_at(genuine, impostor, 1) == 0


def test_all_tied_scores_are_accepted_or_rejected_together():
    """Two of four impostors tie with a genuine score: at FMR ≤ 1/4 the genuine one goes with them."""
    genuine, impostor = np.array([0.5, 0.9]), np.array([0.5, 0.5, 0.1, 0.2])
    assert fnmr_at(genuine, impostor, 4) == 0.5
    assert fnmr_at(genuine, impostor, 2) == 0
    # (1/2, 0) at .5, (0, 1/2) at .9.
    assert eer(genuine, impostor) == 0.25


def test_measures_by_hand():
    genuine, impostor = np.repeat([0.5, 0.7], 500), np.repeat([-0.1, 0.1, 0.6], [500, 490, 10])
    found = measures(genuine, impostor)
    assert found["fmr100"] == 0.0 and found["fmr1000"] == 0.5
    assert found["genuine_mean"] == pytest.approx(0.6) and found["genuine_std"] == pytest.approx(0.1)
    assert found["impostor_mean"] == pytest.approx(0.005)
    variance = 0.99 * 0.01 + 0.01 * 0.36 - 0.005**2
    assert found["impostor_std"] == pytest.approx(math.sqrt(variance))
    assert found["fdr"] == pytest.approx(0.595**2 / (0.01 + variance))


def test_table_3_has_its_own_fdr():
    """The published means and deviations give the published ratios (AdaptDiff, Table 3), to rounding."""
    assert float(fdr(0.356, 0.015, 0.129**2, 0.058**2)) == pytest.approx(5.806, abs=0.04)
    assert float(fdr(0.536, 0.003, 0.215**2, 0.070**2)) == pytest.approx(5.541, abs=0.04)


@given(tied, tied)
def test_agrees_with_scikit_learn(genuine, impostor):
    thresholds, fmr, fnmr = curve(genuine, impostor)
    points = operating_points(genuine, impostor)
    np.testing.assert_array_equal(points.thresholds, thresholds)
    np.testing.assert_allclose(points.fmr, fmr, atol=1e-15)
    np.testing.assert_allclose(points.fnmr, fnmr, atol=1e-15)
    assert eer(genuine, impostor) == pytest.approx(interpolated_eer(points.fmr, points.fnmr), abs=1e-12)
    for one_in in (1, 2, 3, 5, 10):
        if one_in <= len(impostor):
            lowest = points.fnmr[points.fmr <= 1 / one_in].min()
            assert fnmr_at(genuine, impostor, one_in) == pytest.approx(lowest, abs=1e-12)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_agrees_with_scikit_learn_on_many_scores(kind):
    random = np.random.default_rng(0)
    genuine = random.normal(0.4, 0.1, 4000).round(3).astype(kind)
    impostor = random.normal(0.1, 0.1, 50_000).round(3).astype(kind)
    _, fmr, fnmr = curve(genuine, impostor)
    found = measures(genuine, impostor)
    assert found["eer"] == pytest.approx(interpolated_eer(fmr, fnmr), abs=1e-12)
    assert found["fmr100"] == pytest.approx(fnmr[fmr <= 0.01].min(), abs=1e-12)
    assert found["fmr1000"] == pytest.approx(fnmr[fmr <= 0.001].min(), abs=1e-12)


@given(tied, tied)
def test_a_monotone_map_changes_no_error(genuine, impostor):
    mapped = [np.exp(scores) * 3 - 1 for scores in (genuine, impostor)]
    assert eer(*mapped) == eer(genuine, impostor)
    np.testing.assert_array_equal(operating_points(*mapped).fmr, operating_points(genuine, impostor).fmr)


@given(tied, tied)
def test_repeated_scores_change_no_error(genuine, impostor):
    assert eer(np.tile(genuine, 3), np.tile(impostor, 2)) == eer(genuine, impostor)


@given(tied, tied)
def test_swapped_kinds(genuine, impostor):
    """Negated scores of the other kind mirror the errors; a forgotten sign leaves one minus the error."""
    assert eer(-impostor, -genuine) == eer(genuine, impostor)
    assert eer(impostor, genuine) == pytest.approx(1 - eer(genuine, impostor), abs=1e-15)


@given(tied)
def test_equal_distributions_are_told_apart_by_chance(scores):
    assert eer(scores, scores) == 0.5


@given(tied, tied)
def test_perfect_separation(genuine, impostor):
    found = measures(genuine + 10, np.tile(impostor, 1000))
    assert (found["eer"], found["fmr100"], found["fmr1000"]) == (0, 0, 0)
    assert measures(genuine - 10, np.tile(impostor, 1000))["eer"] == 1


def test_constant_scores():
    found = measures(np.ones(5), np.ones(2000))
    assert found["eer"] == 0.5 and found["fmr100"] == found["fmr1000"] == 1
    assert math.isnan(found["fdr"])


def test_few_impostors_show_no_low_rate():
    genuine = np.array([0.9, 0.8])
    assert math.isnan(fnmr_at(genuine, np.zeros(999), 1000))
    assert fnmr_at(genuine, np.zeros(1000), 1000) == 0


def test_deviates():
    np.testing.assert_allclose(deviates(np.array([0, 0.5, 0.0227501319482])), [-math.inf, 0, -2], atol=1e-9)


@pytest.mark.parametrize(
    ("genuine", "impostor", "message"),
    [([], [1.0], "no genuine"), ([1.0], [], "no impostor"), ([1.0, math.nan], [1.0], "1 of 2 genuine")],
)
def test_what_cannot_be_scored_is_told(genuine, impostor, message):
    with pytest.raises(FacetoryError, match=message):
        eer(np.array(genuine), np.array(impostor))
