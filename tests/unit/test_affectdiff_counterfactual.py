"""Counterfactuals: Shapley values by hand, donors by name, the round trip, and no look at the true label."""

import itertools

import affect_street as street
import numpy as np
import pytest
import torch
from facetory.affectdiff.attribution import COALITIONS, coalition_logits, log_odds, shapley, without
from facetory.affectdiff.batches import load
from facetory.affectdiff.counterfactual import relabel
from facetory.affectdiff.counterfactual_estimates import (
    METRICS,
    Counterfactuals,
    flip_matrix,
    graph_agreement,
    read_counterfactuals,
)
from facetory.affectdiff.counterfactual_stage import counterfact
from facetory.affectdiff.networks import load_recognizer
from facetory.affectdiff.spec import CounterfactualSpec
from facetory.affectdiff.swap import donors, swapped_logits
from facetory.pipeline.files import FacetoryError, read_json, write_json, write_tensors
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def shapley_by_orders(value):
    """The definition: a modality's mean gain over the orders in which all three may join."""
    gains = np.zeros(3)
    for order in itertools.permutations(range(3)):
        present = [False] * 3
        for player in order:
            before = value(tuple(present))
            present[player] = True
            gains[player] += value(tuple(present)) - before
    return gains / 6


def on_coalitions(value):
    return np.array([[value(tuple(row)) for row in COALITIONS.tolist()]])


def test_shapley_values_of_an_additive_function_are_its_parts():
    parts = np.array([0.5, -2.0, 3.0])
    values = on_coalitions(lambda present: 7 + parts[list(present)].sum())
    assert shapley(values) == pytest.approx(parts[None])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-10, 10), min_size=8, max_size=8))
def test_shapley_values_are_the_mean_gains_over_all_orders_and_sum_to_the_whole(values):
    table = dict(zip(map(tuple, COALITIONS.tolist()), values, strict=True))
    found = shapley(np.array([values]))
    assert found[0] == pytest.approx(shapley_by_orders(table.__getitem__), abs=1e-9)
    assert found.sum() == pytest.approx(values[7] - values[0], abs=1e-9)


def test_log_odds_are_those_of_the_softmax():
    logits = torch.tensor([[[1.0, 2.0, -1.0]], [[0.0, 50.0, 0.0]]])
    p = logits.softmax(-1).double()
    found = log_odds(logits, torch.tensor([[0], [1]]))
    assert found[0, 0] == pytest.approx(float((p[0, 0, 0] / (1 - p[0, 0, 0])).log()), rel=1e-5)
    assert found[1, 0] == pytest.approx(50 - np.log(2), rel=1e-5)  # where 1 − p is 0 in float32


def test_what_is_left_out_is_zero_and_unmeasured():
    streams = tuple(torch.ones(2, 4, d) for d in (3, 2, 1))
    mask = torch.ones(2, 3, 4, dtype=torch.bool)
    present = torch.tensor([[True, False, True], [False, True, True]])
    parts, kept = without(streams, mask, present)
    assert [float(part[0].sum()) for part in parts] == [12, 0, 4]
    assert torch.equal(kept.all(2), present) and torch.equal(kept.any(2), present)


@pytest.mark.parametrize("masks", [False, True])
def test_coalitions_are_the_model_asked_eight_times(tmp_path, masks):
    segments = street.written(tmp_path)
    folder = street.recognizer(tmp_path / "r", street.affect_diff(masks=masks), segments)
    model, spec, normalisation = load_recognizer(folder)
    batch = load(segments, spec, normalisation=normalisation).batch(np.arange(1, 6))
    together = coalition_logits(model, batch.streams, batch.mask)
    assert torch.isfinite(together).all()
    for row, present in enumerate(COALITIONS):
        parts, kept = without(batch.streams, batch.mask, torch.from_numpy(np.tile(present, (5, 1))))
        with torch.inference_mode():
            assert torch.allclose(together[:, row], model(parts, kept), atol=1e-5)
    text_alone = together[:, 4]
    other = (batch.streams[0], torch.randn_like(batch.streams[1]), batch.streams[2])
    assert torch.allclose(coalition_logits(model, other, batch.mask)[:, 4], text_alone, atol=1e-5)


def test_a_missing_modality_has_no_part_in_the_prediction(tmp_path):
    segments = street.written(tmp_path)
    folder = street.recognizer(tmp_path / "r", street.affect_diff(masks=True, policy="masked"), segments)
    model, spec, normalisation = load_recognizer(folder)
    batch = load(segments, spec, normalisation=normalisation).batch(np.array([0, 1]))
    assert not batch.mask[0, 1].any() and batch.mask[1, 1].any()
    logits = coalition_logits(model, batch.streams, batch.mask)
    shares = shapley(log_odds(logits, logits[:, 7].argmax(1)[:, None]).numpy())
    assert shares[0, 1] == pytest.approx(0, abs=1e-5)
    assert abs(shares[1, 1]) > 1e-4


def test_a_donor_differs_in_prediction_and_has_the_modality():
    predicted = np.array([0, 0, 1, 2, 1, 0])
    present = np.ones((6, 3), bool)
    present[[2, 4], 1] = False
    ids = [f"v[{i}]" for i in range(6)]
    found = donors(predicted, present, ids, seed=3)
    assert (predicted[found] != predicted[:, None]).all()
    assert set(found[predicted == 0, 1]) == {3}, "the only other emotion with audio"
    assert (found[:, 0] == found[:, 2]).all(), "one donor wherever all have the modality"


def test_donors_depend_on_names_and_seed_not_on_order():
    random = np.random.default_rng(0)
    predicted, ids = random.integers(3, size=40), [f"v{i}[0]" for i in range(40)]
    present = random.random((40, 3)) < 0.8
    found = donors(predicted, present, ids, 0)
    order = random.permutation(40)
    shuffled = donors(predicted[order], present[order], [ids[i] for i in order], 0)
    assert (order[shuffled] == found[order]).all()
    assert (donors(predicted, present, ids, 1) != found).any()


def test_nobody_donates_where_all_are_called_the_same():
    assert (donors(np.zeros(4, int), np.ones((4, 3), bool), list("abcd"), 0) == -1).all()


def test_a_swap_exchanges_one_stream_with_its_mask(tmp_path):
    segments = street.written(tmp_path)
    folder = street.recognizer(tmp_path / "r", street.affect_diff(masks=True, policy="masked"), segments)
    model, spec, normalisation = load_recognizer(folder)
    corpus = load(segments, spec, normalisation=normalisation)
    own, other = corpus.batch(np.array([1, 2])), corpus.batch(np.array([7, 8]))
    found = swapped_logits(model, own.streams, own.mask, other.streams, other.mask)
    for place in range(3):
        streams, mask = list(own.streams), own.mask.clone()
        streams[place], mask[:, place] = other.streams[place], other.mask[:, place]
        with torch.inference_mode():
            assert torch.allclose(found[:, place], model(streams, mask), atol=1e-5)


@pytest.mark.parametrize("masks", [False, True])
def test_the_round_trip_comes_back_and_only_the_label_differs(tmp_path, masks):
    segments = street.written(tmp_path)
    folder = street.recognizer(tmp_path / "r", street.affect_diff(masks=masks), segments)
    model, spec, normalisation = load_recognizer(folder)
    batch = load(segments, spec, normalisation=normalisation).batch(np.arange(4))
    with torch.inference_mode():
        encoded = model.encode(batch.streams, batch.mask)
        source = model(batch.streams, batch.mask)
    predicted = source.argmax(1)
    found = relabel(model, encoded, predicted, steps=30, guidance_scale=1.0)
    rows = torch.arange(4)
    assert torch.allclose(found.logits[rows, predicted], source, atol=3e-2), "unguided, inversion is undone"
    assert (found.distance[rows, predicted] == 0).all()
    others = ~torch.nn.functional.one_hot(predicted, 6).bool()
    assert (found.distance[others] > 0).all()
    assert found.by_position.shape == (4, 6, street.LENGTH)
    assert torch.allclose(found.by_position.square().sum(-1).sqrt(), found.distance)
    if masks:
        assert (found.by_position[~batch.mask.any(1)[:, None].expand(-1, 6, -1)] == 0).all()
    alone = relabel(
        model, model.encode([s[:1] for s in batch.streams], batch.mask[:1]), predicted[:1], 30, 1.0
    )
    assert torch.allclose(alone.logits[0], found.logits[0], atol=1e-4), "no segment depends on its batch"


def asked(tmp_path, spec, name="asked", of=None, **fields):
    root = tmp_path / name
    segments = street.written(root, of)
    trained = street.recognizer(root / "r", spec, segments)
    fields = {"examples": 5, "steps": 4, "batch_size": 2} | fields
    question = CounterfactualSpec(train=spec, **fields)
    counterfact(question, trained, segments, root / "c")
    return root / "c"


def test_the_stage_records_both_questions(tmp_path):
    spec = street.affect_diff()
    one = read_counterfactuals(asked(tmp_path, spec))
    shapes = {name: array.shape for name, array in one.arrays.items()}
    assert shapes == {
        "logits_source": (5, 6),
        "logits_roundtrip": (5, 6),
        "logits_counterfactual": (5, 6, 6),
        "delta_norm": (5, 6),
        "delta_by_position": (5, 6, street.LENGTH),
        "coalitions": (5, 8),
        "attribution": (5, 3),
        "graph_weights": (5, 3),
        "swap_logits": (5, 3, 6),
        "swap_donors": (5, 3),
        "labels": (5,),
    }
    arrays = one.arrays
    predicted = arrays["logits_source"].argmax(1)
    assert (arrays["logits_roundtrip"] == arrays["logits_counterfactual"][np.arange(5), predicted]).all()
    assert arrays["attribution"].sum(1) == pytest.approx(
        arrays["coalitions"][:, 7] - arrays["coalitions"][:, 0], abs=1e-5
    )
    assert one.about["absent"] == "zeros" and one.about["classes"][0] == "Happy"
    for row, donors_of in enumerate(arrays["swap_donors"]):
        for place, donor in enumerate(donors_of):
            name = one.about["segment_ids"][donor] if donor >= 0 else None
            assert one.about["donors"][row][place] == name
            assert np.isnan(arrays["swap_logits"][row, place]).all() == (donor < 0)


def test_batches_change_nothing(tmp_path):
    spec = street.affect_diff()
    one = read_counterfactuals(asked(tmp_path, spec)).arrays
    other = read_counterfactuals(asked(tmp_path, spec, "other", batch_size=64)).arrays
    for name, array in one.items():
        assert other[name].astype(float) == pytest.approx(
            array.astype(float), rel=1e-2, abs=1e-3, nan_ok=True
        ), name


def test_the_true_labels_change_nothing(tmp_path):
    spec = street.affect_diff()
    permuted = street.segments()
    order = np.random.default_rng(5).permutation(len(permuted))
    permuted.intensities, permuted.sentiment = permuted.intensities[order], permuted.sentiment[order]
    one = read_counterfactuals(asked(tmp_path, spec)).arrays
    other = read_counterfactuals(asked(tmp_path, spec, "other", permuted)).arrays
    assert (one.pop("labels") != other.pop("labels")).any()
    for name, array in one.items():
        assert np.array_equal(array, other[name], equal_nan=True), name


@pytest.mark.parametrize(
    ("spec", "reason"),
    [(street.affect_diff(prior_width=0), "without a diffusion prior"), (street.baseline(), "baseline")],
)
def test_without_a_prior_the_second_question_is_still_answered(tmp_path, spec, reason):
    folder = asked(tmp_path, spec)
    questions = read_json(folder / "manifest.json")["questions"]
    assert questions["label"]["status"] == "not_run" and reason in questions["label"]["reason"]
    assert questions["modality"] == {"status": "answered"}
    one = read_counterfactuals(folder)
    assert "logits_counterfactual" not in one.arrays and one.arrays["swap_logits"].shape == (5, 3, 6)
    assert METRICS["flip_rate"]([one]).n == 0 and np.isnan(METRICS["flip_rate"]([one]).value)
    assert METRICS["attribution_text"]([one]).n == 5


def test_a_prior_that_diverges_is_a_result_with_its_reason(tmp_path):
    spec, segments = street.affect_diff(), street.written(tmp_path)
    weights = street.recognizer(tmp_path / "r", spec, segments) / "weights.safetensors"
    grown = {name: t * 1e9 if name.startswith("prior.") else t for name, t in load_file(weights).items()}
    write_tensors(weights, grown, {"spec": spec.model_dump(mode="json")})
    counterfact(CounterfactualSpec(train=spec, examples=3, steps=4), tmp_path / "r", segments, tmp_path / "c")
    one = read_counterfactuals(tmp_path / "c")
    assert one.about["questions"]["label"]["status"] == "failed"
    assert "diverged" in one.about["questions"]["label"]["reason"]
    assert "delta_norm" not in one.arrays and one.arrays["attribution"].shape == (3, 3)


def test_a_run_that_failed_is_asked_nothing(tmp_path):
    segments = street.written(tmp_path)
    write_json(tmp_path / "r" / "manifest.json", {"status": "failed", "reason": "the loss is NaN."})
    question = CounterfactualSpec(train=street.affect_diff())
    counterfact(question, tmp_path / "r", segments, tmp_path / "c")
    assert read_json(tmp_path / "c" / "manifest.json")["status"] == "not_run"
    with pytest.raises(FacetoryError, match="the loss is NaN"):
        read_counterfactuals(tmp_path / "c")


def fabricated():
    """Three segments of two videos, three classes, written down by hand."""
    source = np.array([[2.0, 0, 0], [0, 2.0, 0], [2.0, 0, 0]])
    edited = np.zeros((3, 3, 3))
    edited[0] = [[2, 0, 0], [0, 2, 0], [0, 0, 2]]  # both other labels reached
    edited[1] = [[0, 2, 0], [0, 2, 0], [0, 2, 0]]  # neither
    edited[2] = [[0, 2, 0], [0, 2, 0], [2, 0, 0]]  # one, and the round trip is lost
    swap = np.zeros((3, 3, 3))
    swap[:, 0, 1], swap[:, 1, 0], swap[:, 2] = 5, 5, np.nan
    arrays = {
        "logits_source": source,
        "logits_counterfactual": edited,
        "logits_roundtrip": edited[[0, 1, 2], [0, 1, 0]],
        "delta_norm": np.array([[0, 1.0, 2.0], [3.0, 0, 4.0], [0, 5.0, 6.0]]),
        "attribution": np.array([[3.0, -2.0, 1.0], [1.0, 2.0, 3.0], [1.0, 1.0, 1.0]]),
        "graph_weights": np.array([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2], [0.5, 0.3, 0.2]]),
        "swap_logits": swap,
        "swap_donors": np.array([[1, 1, -1], [0, 0, -1], [1, 1, -1]]),
    }
    return Counterfactuals(arrays, {"videos": ["a", "a", "b"]})


def test_estimates_by_hand():
    one = fabricated()
    value = {name: estimate([one]) for name, estimate in METRICS.items()}
    assert value["flip_rate"].value == pytest.approx(3 / 6) and value["flip_rate"].n == 6
    assert value["roundtrip"].value == pytest.approx(2 / 3)
    assert value["delta_norm"].value == pytest.approx(21 / 6)
    assert value["attribution_text"].value == pytest.approx(5 / 3)
    assert value["swap_text"].value == pytest.approx(2 / 3), "the second is called 1 before and after"
    assert value["swap_audio"].value == pytest.approx(1 / 3)
    assert value["swap_video"].n == 0
    assert graph_agreement(one)[:2] == pytest.approx([1, -1]) and np.isnan(graph_agreement(one)[2])
    assert value["graph_agreement"].value == pytest.approx(0) and value["graph_agreement"].n == 2
    gained = np.log(np.exp(2) / (np.exp(2) + 2)) - np.log(1 / (np.exp(2) + 2))
    assert value["target_gain"].value == pytest.approx((2 * gained + 0 + 0 + 0 + 0) / 6)
    matrix = flip_matrix([one])
    assert matrix[0].tolist()[1:] == [1.0, 0.5] and matrix[1].tolist()[::2] == [0.0, 0.0]
    assert np.isnan(matrix[2]).all() and np.isnan(matrix[0, 0])


def test_seeds_are_pooled_and_a_video_stays_together():
    one = fabricated()
    alone, twice = (METRICS["delta_norm"](records) for records in ([one], [one, one]))
    assert twice.n == 2 * alone.n
    assert twice[:3] == pytest.approx(alone[:3]), "the same videos again are no new evidence"
