"""What is estimated of counterfactuals over the segments of all seeds: means with intervals by video."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from facetory.data.mosei.spec import MODALITIES
from facetory.metrics.bootstrap import Estimate, mean_estimate, share_estimate
from facetory.pipeline.files import FacetoryError, open_tensors, read_json, read_metadata
from facetory.pipeline.intact import intact

NAN = float("nan")


class Counterfactuals(NamedTuple):
    """A run's records by name (`counterfactual_stage`) and their metadata."""

    arrays: dict[str, np.ndarray]
    about: dict[str, Any]


Estimator = Callable[[Sequence[Counterfactuals]], Estimate]


@lru_cache(maxsize=32)
def read_counterfactuals(folder: Path) -> Counterfactuals:
    """A run's records, checked against the hash in its manifest; one that has none is a `FacetoryError`."""
    about = read_json(folder / "manifest.json")
    if about["status"] != "answered":
        raise FacetoryError(f"{folder}: asked nothing: {about['reason']}")
    path = intact(folder / "records.safetensors")
    with open_tensors(path) as handle:
        arrays = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118
    return Counterfactuals(arrays, read_metadata(path))


def flips(one: Counterfactuals) -> np.ndarray:
    """Whether the argmax becomes the target's, (n, K) float; NaN where the target is the prediction."""
    reached = one.arrays["logits_counterfactual"].argmax(2) == np.arange(_classes(one))
    return _towards_others(one, reached.astype(float))


def target_gain(one: Counterfactuals) -> np.ndarray:
    """Gain in the target's log-probability over the round trip in nats, (n, K); NaN at the prediction."""
    after = np.diagonal(log_softmax(one.arrays["logits_counterfactual"]), axis1=1, axis2=2)
    return _towards_others(one, after - log_softmax(one.arrays["logits_roundtrip"]))


def flip_matrix(records: Sequence[Counterfactuals]) -> np.ndarray:
    """Flip rate by predicted class (rows) and target (columns), (K, K); NaN where nothing was asked."""
    asked = np.concatenate([flips(one) for one in records])
    predicted = np.concatenate([_predicted(one) for one in records])
    of_class = np.eye(asked.shape[1])[predicted].T
    count = of_class @ np.isfinite(asked)
    return np.divide(of_class @ np.nan_to_num(asked), count, out=np.full_like(count, NAN), where=count > 0)


def graph_agreement(one: Counterfactuals) -> np.ndarray:
    """Spearman's ρ of |Shapley value| and graph weight over the three modalities of each segment, (n,).

    NaN where either has a tie throughout.  How much a modality matters has no sign, so the attribution's is
    left out.
    """
    if "graph_weights" not in one.arrays:
        return np.full(len(one.arrays["attribution"]), NAN)
    ranks = [_ranks(np.abs(one.arrays[name])) for name in ("attribution", "graph_weights")]
    x, y = (rank - rank.mean(1, keepdims=True) for rank in ranks)
    spread = np.sqrt((x * x).sum(1) * (y * y).sum(1))
    return np.divide((x * y).sum(1), spread, out=np.full(len(x), NAN), where=spread > 0)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Log-probabilities over the last axis, float64."""
    shifted = logits.astype(float) - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks along the last axis, ties shared."""
    ahead = values[..., None] > values[..., None, :]
    tied = values[..., None] == values[..., None, :]
    return ahead.sum(-1) + (tied.sum(-1) - 1) / 2


def _predicted(one: Counterfactuals) -> np.ndarray:
    return one.arrays["logits_source"].argmax(1)


def _classes(one: Counterfactuals) -> int:
    return one.arrays["logits_source"].shape[1]


def _towards_others(one: Counterfactuals, values: np.ndarray) -> np.ndarray:
    return np.where(_predicted(one)[:, None] == np.arange(_classes(one)), NAN, values)


def _roundtrip(one: Counterfactuals) -> np.ndarray:
    return (one.arrays["logits_roundtrip"].argmax(1) == _predicted(one)).astype(float)


def _swapped(one: Counterfactuals) -> np.ndarray:
    """Whether swapping each modality changes the prediction, (n, 3) float; NaN without a donor."""
    changed = one.arrays["swap_logits"].argmax(2) != _predicted(one)[:, None]
    return np.where(one.arrays["swap_donors"] < 0, NAN, changed)


def _over(
    values: Callable[[Counterfactuals], np.ndarray],
    needs: str = "attribution",
    column: int | None = None,
    estimate: Callable[..., Estimate] = mean_estimate,
) -> Estimator:
    """The mean over all seeds of values (n,) or (n, m), NaN left out, clustered by video.

    Runs without the array ``needs`` (a model without a prior has no other label) count nothing.
    """

    def over(records: Sequence[Counterfactuals]) -> Estimate:
        found, videos = [], []
        for one in (one for one in records if needs in one.arrays):
            own = values(one) if column is None else values(one)[:, column]
            videos.append(np.repeat(one.about["videos"], own[0].size))
            found.append(own.reshape(-1))
        scores = np.concatenate(found or [np.zeros(0)])
        kept = np.isfinite(scores)
        if not kept.any():
            return Estimate(NAN, NAN, NAN, 0)
        return estimate(scores[kept], np.concatenate(videos)[kept].tolist())

    return over


LABEL = "logits_counterfactual"
METRICS: dict[str, Estimator] = {
    "flip_rate": _over(flips, LABEL, estimate=share_estimate),
    "roundtrip": _over(_roundtrip, LABEL, estimate=share_estimate),
    "delta_norm": _over(lambda one: _towards_others(one, one.arrays["delta_norm"]), LABEL),
    "target_gain": _over(target_gain, LABEL),
    **{
        f"attribution_{name}": _over(lambda one: one.arrays["attribution"], column=i)
        for i, name in enumerate(MODALITIES)
    },
    **{
        f"swap_{name}": _over(_swapped, column=i, estimate=share_estimate)
        for i, name in enumerate(MODALITIES)
    },
    "graph_agreement": _over(graph_agreement),
}
"""By name: flip rate and mean ‖Δz‖ towards other labels than the prediction, agreement of the round trip with
the prediction, Shapley values (nats), share of predictions that a swap changes, agreement with the graph."""
