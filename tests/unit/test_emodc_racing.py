import numpy as np
import pytest
from facetory.emodc.race_threshold import (
    calibrate,
    folds,
    rank,
    read_calibration,
    strangers,
    threshold,
    write_calibration,
)
from facetory.emodc.racing import critical_values, looks, race, recorded
from facetory.emodc.remainder import behind, bit_reversed, exchangeable, informative, learnt, remainder
from facetory.pipeline.files import FacetoryError
from hypothesis import given, settings
from hypothesis import strategies as st


def covariance(count, seed=0):
    factor = np.random.default_rng(seed).normal(size=(count, 2 * count)) * np.linspace(3, 0.1, count)[:, None]
    return factor @ factor.T / (2 * count)


def population(samples, seed, timesteps=32, classes=4):
    """Errors like a UNet's: a large part that the classes share, noise whose scale differs between samples
    and falls with the timestep, and one class that is better by up to as much as the noise."""
    random = np.random.default_rng(seed)
    shared = 1 + random.random((samples, timesteps, 1))
    scale = 1e-3 * np.exp(random.normal(size=(samples, 1, 1)) / 2) * np.linspace(2, 0.1, timesteps)[:, None]
    better = (
        -random.random((samples, 1, 1))
        * (np.arange(classes) == random.integers(classes, size=(samples, 1)))[:, None]
    )
    return (shared + scale * (better + random.normal(size=(samples, timesteps, classes)))).astype(np.float32)


MODEL = learnt(population(60, 0))


def full_decisions(errors):
    return errors.mean(axis=1, dtype=np.float64).argmin(axis=1)


def test_bit_reversed_order_of_eight():
    assert bit_reversed(8).tolist() == [0, 4, 2, 6, 1, 5, 3, 7]
    assert bit_reversed(1).tolist() == [0]


@settings(deadline=None)
@given(st.integers(1, 300))
def test_bit_reversed_is_a_permutation_that_halves_the_gaps(count):
    order = bit_reversed(count)
    assert sorted(order) == list(range(count))
    for seen in (2, 4, 8, 16):
        if count >= 2 * seen:
            gaps = np.diff(sorted([*order[:seen], count]))
            assert gaps.max() <= 2 * 2 ** np.ceil(np.log2(count)) / seen


def test_looks_grow_and_end_with_the_grid():
    assert looks(10, 4, 1.5) == (4, 6, 9, 10)
    assert looks(3) == (3,) and looks(100)[0] == 4 and looks(100)[-1] == 100
    assert all(a < b for a, b in zip(looks(1000), looks(1000)[1:], strict=False)) and len(looks(1000)) < 50


@pytest.mark.parametrize("k", [4, 9, 15])
def test_exchangeable_timesteps_give_the_classical_paired_test(k):
    errors = np.random.default_rng(k).normal((0, 0.3), size=(5, 16, 2))
    model = exchangeable(16)
    seen = errors[:, model.order[:k]]
    difference = seen[..., 1] - seen[..., 0]
    error = np.sqrt(difference.var(axis=1, ddof=1) / k * (1 - k / 16))
    expected = difference.mean(axis=1) / error
    found = behind(model, seen)
    np.testing.assert_allclose(found[:, 1], np.maximum(expected, 0), rtol=1e-3)
    np.testing.assert_allclose(found[:, 0], np.maximum(-expected, 0), rtol=1e-3)


@pytest.mark.parametrize("k", [1, 5, 11])
def test_prediction_is_the_gaussian_conditional(k):
    """Against the textbook's formula, with so many degrees of freedom that t is normal."""
    matrix, errors = covariance(12), np.random.default_rng(1).normal(size=(4, 12, 3))
    order = np.random.default_rng(2).permutation(12)
    model = remainder(matrix, order, 1e12)
    seen, to_mean = order[:k], matrix.mean(axis=1)
    weights = np.linalg.solve(matrix[np.ix_(seen, seen)], to_mean[seen])
    variance = 2 * (matrix.mean() - weights @ to_mean[seen])
    mean = np.einsum("k,nkc->nc", weights, errors[:, seen])
    expected = (mean - mean.min(axis=1, keepdims=True)) / np.sqrt(variance)
    np.testing.assert_allclose(behind(model, errors[:, seen]), expected, rtol=1e-6, atol=1e-9)


def test_scale_is_the_samples_own():
    """Few degrees of freedom: a sample with tenfold differences is judged as the sample itself is."""
    model, errors = (
        remainder(covariance(12), np.arange(12), 1e-9),
        np.random.default_rng(1).normal(size=(4, 6, 3)),
    )
    np.testing.assert_allclose(behind(model, 10 * errors), behind(model, errors), rtol=1e-6)


def test_errors_that_all_classes_share_do_not_matter():
    model, errors = MODEL, population(5, 1).astype(float)
    shared = errors + np.random.default_rng(2).normal(size=(5, 32, 1))
    np.testing.assert_allclose(
        behind(model, shared[:, :9]), behind(model, errors[:, :9]), rtol=1e-6, atol=1e-9
    )


def test_each_next_timestep_leaves_the_least_variance():
    matrix = covariance(6, 3)
    order = informative(matrix)

    def left(seen):
        inner = matrix[np.ix_(seen, seen)]
        return matrix.sum() - matrix[seen].sum(axis=1) @ np.linalg.solve(inner, matrix[seen].sum(axis=1))

    for k in range(5):
        so_far = list(order[:k])
        others = [j for j in range(6) if j not in so_far]
        assert order[k] == min(others, key=lambda j: left([*so_far, j]))


def test_where_all_timesteps_promise_the_same_the_order_is_bit_reversed():
    assert informative(np.eye(16)).tolist() == bit_reversed(16).tolist()


def test_neighbours_that_repeat_each_other_are_put_off():
    position = np.arange(32)
    smooth = np.exp(-np.abs(position[:, None] - position) / 8)
    assert np.diff(sorted(informative(smooth)[:8])).max() <= 8


def test_a_class_always_worse_by_one_falls_at_the_first_look():
    errors = np.zeros((1, 20, 3), np.float32)
    errors[..., 2] = 1
    outcome = race(recorded(errors), errors.shape, exchangeable(20), 5.0)
    assert np.isfinite(outcome.errors).sum(axis=(0, 1)).tolist() == [20, 20, 4]
    assert outcome.forwards.tolist() == [44] and outcome.predictions.tolist() == [0]


def test_equal_classes_never_fall_before_the_end():
    errors = np.repeat(population(3, 0, classes=2)[..., :1], 3, axis=2)
    for model in (exchangeable(32), MODEL):
        outcome = race(recorded(errors), errors.shape, model, 0.0)
        assert outcome.forwards.tolist() == [96] * 3 and outcome.predictions.tolist() == [0] * 3


def test_without_a_threshold_the_race_is_the_full_grid():
    errors = population(20, 5)
    outcome = race(recorded(errors), errors.shape, MODEL, np.inf)
    assert (outcome.errors == errors).all() and (outcome.forwards == errors[0].size).all()
    assert (outcome.predictions == full_decisions(errors)).all()


def test_only_classes_in_the_race_are_measured():
    errors, model, asked = population(30, 6), MODEL, []

    def measure(sample, timestep, label):
        asked.extend(zip(sample.tolist(), timestep.tolist(), label.tolist(), strict=True))
        return errors[sample, timestep, label]

    outcome = race(measure, errors.shape, model, 3.0)
    assert len(asked) == len(set(asked)) == outcome.forwards.sum() < 0.6 * errors.size
    held = np.isfinite(outcome.errors)
    assert (outcome.errors[held] == errors[held]).all()
    rank = np.empty(32, int)
    rank[model.order] = np.arange(32)
    for sample in held:  # what a class has is a beginning of the order
        for label in sample.T:
            assert sorted(rank[label]) == list(range(label.sum()))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_at_its_critical_value_a_sample_agrees_with_the_full_grid(seed):
    errors, model = population(4, seed), MODEL
    for i, critical in enumerate(critical_values(errors, model)):
        one = errors[i : i + 1]
        assert race(recorded(one), one.shape, model, critical).predictions == full_decisions(one)


def test_just_below_its_critical_value_a_sample_may_be_lost():
    """Class 1 is ahead on the timesteps of the first look alone."""
    errors, model = np.zeros((1, 16, 2), np.float32), exchangeable(16)
    errors[:, :, 1] = 1
    errors[0, model.order[:4], 1] = [-0.1, -0.2, -0.3, -0.4]
    (critical,) = critical_values(errors, model)
    assert critical == pytest.approx(0.25 / np.sqrt(np.var([1, 2, 3, 4], ddof=1) / 100 / 4 * 0.75), rel=1e-3)
    assert race(recorded(errors), errors.shape, model, critical).predictions == [0]
    assert race(recorded(errors), errors.shape, model, 0.999 * critical).predictions == [1]


@pytest.mark.parametrize("fit", [learnt, lambda errors: exchangeable(errors.shape[1])])
def test_disagreement_on_other_people_is_within_the_bound(fit):
    others, judged = population(400, 0), population(4000, 1)
    calibration = calibrate(others, np.repeat(np.arange(100), 4), 0.99, fit=fit)
    outcome = race(recorded(judged), judged.shape, calibration.model, calibration.threshold)
    rate = (outcome.predictions != full_decisions(judged)).mean()
    assert calibration.bound == 4 / 401 and calibration.disagreements <= 3
    assert rate <= calibration.bound + 3 * np.sqrt(calibration.bound / 4000)
    assert outcome.forwards.mean() < 0.9 * judged[0].size


def test_what_is_learnt_spares_more_than_the_classical_test():
    others, judged = population(400, 0), population(1000, 1)
    spent = []
    for fit in (learnt, lambda errors: exchangeable(errors.shape[1])):
        calibration = calibrate(others, np.repeat(np.arange(100), 4), 0.99, fit=fit)
        spent.append(
            race(recorded(judged), judged.shape, calibration.model, calibration.threshold).forwards.mean()
        )
    assert spent[0] < 0.8 * spent[1]


def test_threshold_is_what_samples_tail_and_one_comparison_ask_for():
    assert threshold(np.zeros(100), 0.995) == pytest.approx(2.5758, abs=1e-4)
    few_large = np.r_[np.zeros(990), np.full(10, 9.0)]
    assert threshold(few_large, 0.995) >= 9
    assert rank(199, 0.995) == 199 and rank(400, 0.99) == 397 and rank(50, 0.995) == 50
    draws = np.random.default_rng(0).exponential(size=100_000)
    assert threshold(draws, 0.999) == pytest.approx(np.log(1000), rel=0.03)


def test_threshold_grows_with_the_target_and_with_doubt():
    draws = np.random.default_rng(0).exponential(size=1000)
    assert threshold(draws, 0.99) < threshold(draws, 0.999)
    assert threshold(draws[:50], 0.999) > np.log(1000)


def test_people_are_never_parted():
    people = strangers([f"p{i // 3}" for i in range(30)] + ["", ""], [f"s{i}" for i in range(32)])
    dealt = folds(people, 4, seed=1)
    assert set(dealt) == {0, 1, 2, 3}
    assert all(len(set(dealt[people == person])) == 1 for person in set(people))
    assert (
        len(set(people)) == 12
        and np.bincount([dealt[people == p][0] for p in set(people)]).tolist() == [3] * 4
    )
    assert (dealt != folds(people, 4, seed=2)).any()


def test_one_person_cannot_calibrate():
    with pytest.raises(FacetoryError, match="1 people do not make 1 folds"):
        calibrate(population(5, 0), np.array(["p"] * 5), 0.99)


def test_a_calibration_survives_its_file(tmp_path):
    written = calibrate(population(40, 0), np.arange(40), 0.99)
    write_calibration(tmp_path / "calibration.safetensors", written)
    found = read_calibration(tmp_path / "calibration.safetensors")
    assert found[1:] == written[1:] and found.model.freedom == written.model.freedom
    for mine, theirs in zip(found.model[:3], written.model[:3], strict=True):
        np.testing.assert_array_equal(mine, theirs)
