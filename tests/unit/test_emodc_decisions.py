import numpy as np
import pytest
from facetory.emodc import decisions
from facetory.metrics.records import Records, read_records, write_records
from facetory.pipeline.files import FacetoryError

TIMESTEPS = (50, 99, 399, 500)


def records(errors, labels, persons=None, ids=None):
    count = len(labels)
    return Records(
        np.asarray(errors, dtype=np.float32),
        np.array(TIMESTEPS),
        np.asarray(labels),
        ids or [f"s{i}" for i in range(count)],
        persons or [""] * count,
        [f"class {k}" for k in range(np.shape(errors)[2])],
        dataset="faces",
    )


@pytest.fixture
def random_records():
    random = np.random.default_rng(0)
    labels = random.integers(3, size=50)
    errors = random.random((50, 4, 3)) - 0.3 * np.eye(3)[labels][:, None]
    return records(1 + errors, labels, [f"p{i // 5}" for i in range(50)])


def test_a_single_timestep_decides_by_its_lowest_error():
    found = records([[[3, 1, 2], [1, 2, 3], [2, 2, 1], [5, 5, 4]]], [0])
    assert [decisions.predictions(found, (t,)).item() for t in TIMESTEPS] == [1, 0, 2, 2]


def test_a_grid_decides_by_the_mean_error():
    found = records([[[3, 1, 2], [1, 2, 3], [9, 9, 9], [0, 0, 0]]], [0])
    np.testing.assert_allclose(decisions.mean_errors(found, (50, 99)), [[2, 1.5, 2.5]])
    assert decisions.predictions(found, (50, 99)).item() == 1


def test_means_are_float64_so_that_small_gaps_survive():
    errors = np.full((1, 4, 2), 1.0, dtype=np.float32)
    errors[0, 0, 0] += np.float32(2**-23)
    means = decisions.mean_errors(records(errors, [1]), TIMESTEPS)
    assert means.dtype == np.float64 and means[0, 0] - means[0, 1] == 2.0**-25


def test_ties_go_to_the_first_class():
    tied = records(np.ones((4, 4, 3)), [0, 1, 2, 0])
    assert decisions.predictions(tied, TIMESTEPS).tolist() == [0, 0, 0, 0]
    assert decisions.accuracy(tied, TIMESTEPS).value == 0.5


def test_missing_timesteps_are_named(random_records):
    with pytest.raises(FacetoryError, match=r"without \[100, 999\]"):
        decisions.predictions(random_records, (50, 100, 999))
    with pytest.raises(FacetoryError, match="hold 4 timesteps"):
        decisions.predictions(random_records, ())


def test_order_of_timesteps_does_not_matter(random_records):
    forwards = decisions.predictions(random_records, TIMESTEPS)
    assert (decisions.predictions(random_records, TIMESTEPS[::-1]) == forwards).all()


def test_accuracy_and_its_average_over_columns(random_records):
    one, other = (decisions.accuracy(random_records, (t,)) for t in (99, 399))
    both = decisions.accuracy(random_records, (99,), (399,))
    assert both.value == pytest.approx((one.value + other.value) / 2)
    assert one.low < one.value < one.high and one.n == 50


def test_confusion_and_mean_class_accuracy_agree(random_records):
    confusion = decisions.confusion(random_records, TIMESTEPS)
    assert confusion.sum() == 50
    recalls = np.diag(confusion) / confusion.sum(axis=1)
    estimate = decisions.mean_class_accuracy(random_records, TIMESTEPS)
    assert estimate.value == pytest.approx(recalls.mean())
    assert estimate.low < estimate.value < estimate.high


def test_a_paired_difference_is_narrower_than_an_unpaired_one(random_records):
    better = records(
        random_records.errors - 0.1 * np.eye(3)[random_records.labels][:, None],
        random_records.labels,
        random_records.persons,
    )
    found = decisions.difference(better, random_records, {(99,): 1})
    first, second = decisions.accuracy(better, (99,)), decisions.accuracy(random_records, (99,))
    assert found.value == pytest.approx(first.value - second.value)
    assert found.high - found.low < (first.high - first.low) + (second.high - second.low)


def test_a_model_does_not_differ_from_itself_in_another_order(random_records):
    order = np.random.default_rng(1).permutation(50)
    shuffled = records(
        random_records.errors[order],
        random_records.labels[order],
        [random_records.persons[i] for i in order],
        [random_records.sample_ids[i] for i in order],
    )
    assert decisions.difference(shuffled, random_records, {TIMESTEPS: 1})[:3] == (0, 0, 0)


def test_the_gap_between_two_evaluations(random_records):
    weights = {TIMESTEPS: 1.0, (99,): -1.0}
    gap = decisions.contrast(random_records, weights).mean()
    expected = (
        decisions.accuracy(random_records, TIMESTEPS).value - decisions.accuracy(random_records, (99,)).value
    )
    assert gap == pytest.approx(expected)
    other = decisions.difference(random_records, random_records, weights, {TIMESTEPS: 1.0, (399,): -1.0})
    assert other.value == pytest.approx(
        decisions.accuracy(random_records, (399,)).value - decisions.accuracy(random_records, (99,)).value
    )


def test_records_of_other_samples_are_not_paired(random_records):
    fewer = records(random_records.errors[:49], random_records.labels[:49])
    with pytest.raises(FacetoryError, match="1 are in one evaluation only"):
        decisions.difference(random_records, fewer, {TIMESTEPS: 1})


def test_records_survive_writing(random_records, tmp_path):
    write_records(tmp_path / "clean.safetensors", random_records)
    again = read_records(tmp_path / "clean.safetensors")
    np.testing.assert_array_equal(again.errors, random_records.errors)
    assert (again.sample_ids, again.persons, again.dataset) == (
        random_records.sample_ids,
        random_records.persons,
        "faces",
    )


def test_a_truncated_file_is_named(random_records, tmp_path):
    path = tmp_path / "clean.safetensors"
    write_records(path, random_records)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(FacetoryError, match=r"clean\.safetensors: truncated"):
        read_records(path)
