"""TAR at FAR against scikit-learn's ROC curve, ties included, and its interval against real resampling."""

import numpy as np
import pytest
from facetory.metrics.tar import tar_at_far
from facetory.pipeline.files import FacetoryError
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_curve

TARGETS = (0, 1e-3, 0.01, 0.05, 0.1, 0.25, 0.5, 1)
SCORES = st.lists(st.integers(-6, 6), min_size=1, max_size=60).map(lambda found: np.float32(found) / 4)


def curve(genuine, impostor, **options):
    labels = np.repeat([1, 0], [len(genuine), len(impostor)])
    return roc_curve(labels, np.concatenate([genuine, impostor]), **options)[:2]


@given(SCORES, SCORES, st.sampled_from(TARGETS))
def test_at_most_is_the_highest_tpr_of_all_points_within_the_target(genuine, impostor, target):
    fpr, tpr = curve(genuine, impostor, drop_intermediate=False)
    found = tar_at_far(genuine, impostor, target).value
    assert found == pytest.approx(tpr[fpr <= target].max(), abs=1e-12)


@given(SCORES, SCORES, st.sampled_from(TARGETS))
def test_nearest_is_the_released_choice(genuine, impostor, target):
    fpr, tpr = (np.flipud(rates) for rates in curve(genuine, impostor))
    _, place = min(zip(abs(fpr - target), range(len(fpr)), strict=True))
    assert tar_at_far(genuine, impostor, target, "nearest").value == pytest.approx(tpr[place], abs=1e-12)


def test_by_hand():
    genuine, impostor = np.float32([0.9, 0.8, 0.5, 0.3]), np.float32([0.8, 0.4, 0.2, 0.1])
    # Above 0.8 is one genuine; 0.8 itself takes an impostor with it.
    assert tar_at_far(genuine, impostor, 0.24).value == 0.25
    assert tar_at_far(genuine, impostor, 0.25).value == 0.75
    # With 0.24, the corner at FAR 0.25 is nearer than that at 0, and exceeds the target.
    assert tar_at_far(genuine, impostor, 0.24, "nearest").value == 0.75


@pytest.mark.parametrize("count", [29, 100, 300_000])
def test_a_share_that_floats_cannot_hold_counts_as_at_most(count):
    """0.29 · 100 is 28.999…, and 29 of 100 are still at most 0.29."""
    allowed = round(0.29 * count) if count > 29 else 7
    impostor = np.arange(count, dtype=np.float64)
    genuine = impostor + 0.5
    assert tar_at_far(genuine, impostor, allowed / count).value == pytest.approx((allowed + 1) / count)


def test_without_genuine_or_impostor_or_with_nan_it_is_an_error():
    some = np.float32([0.1])
    for genuine, impostor in ((some[:0], some), (some, some[:0]), (some, np.float32([np.nan]))):
        with pytest.raises(FacetoryError):
            tar_at_far(genuine, impostor, 0.1)


@pytest.mark.parametrize("target", [0.002, 0.02])
def test_the_interval_is_that_of_resampled_pairs(target):
    rng = np.random.default_rng(0)
    genuine, impostor = rng.normal(2, 1, 400), rng.normal(0, 1, 3000)
    found = tar_at_far(genuine, impostor, target)
    resamples = (
        (rng.choice(genuine, len(genuine)), rng.choice(impostor, len(impostor))) for _ in range(1000)
    )
    values = [np.mean(g > np.sort(i)[-1 - int(target * 3000)]) for g, i in resamples]
    low, high = np.quantile(values, [0.025, 0.975])
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.02)
    assert found.low < found.value < found.high and found.n == 3400


def test_scores_of_ijbcs_size_take_seconds():
    rng = np.random.default_rng(0)
    impostor = rng.normal(0, 1, 2_000_000).astype(np.float32)
    genuine = rng.normal(4, 1, 20_000).astype(np.float32)
    at_most, nearest = (tar_at_far(genuine, impostor, 1e-5, rule).value for rule in ("at_most", "nearest"))
    assert at_most == np.mean(genuine > np.partition(impostor, -21)[-21])
    assert nearest == pytest.approx(at_most, abs=0.02)
