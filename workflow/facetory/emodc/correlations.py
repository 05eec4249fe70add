"""How errors under one prompt go with those under another (Fig. 4): slope and Pearson's r, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from facetory.emodc.decisions import mean_errors
from facetory.metrics.bootstrap import Estimate, bootstrap, clusters
from facetory.metrics.records import Records
from facetory.pipeline.files import FacetoryError

EXTRA = ("non_class", "null")
"""The prompts of `Records.extra`, in its order."""
OTHERS = ("null", "non_class", "negative")
"""What the positive prompt is compared with in Figs. 4(a), 4(b) and 4(c)."""


def errors_under(records: Records, timesteps: Sequence[int], prompt: str) -> np.ndarray:
    """Mean error of each sample over the timesteps, float64 (n,), under one kind of prompt.

    "positive" is the sample's own class, "negative" the mean over all wrong classes; "non_class" and "null"
    need records with the extra prompts.
    """
    if prompt in EXTRA:
        if records.extra is None:
            raise FacetoryError(
                f"records of {records.dataset or 'this evaluation'}: no errors under the {prompt} prompt. "
                "Evaluate with extra_prompts."
            )
        return mean_errors(replace(records, errors=records.extra), timesteps)[:, EXTRA.index(prompt)]
    errors = mean_errors(records, timesteps)
    own = errors[np.arange(len(errors)), records.labels]
    return own if prompt == "positive" else (errors.sum(axis=1) - own) / (errors.shape[1] - 1)


def slope(evaluations: Sequence[Records], timesteps: Sequence[int], prompt: str, seed: int = 0) -> Estimate:
    """Slope of the least-squares line, with intercept, of errors under ``prompt`` on the positive ones.

    Evaluations (one a seed) are pooled; the interval is a bootstrap over people.
    """
    return _estimate(evaluations, timesteps, prompt, _slope, seed)


def correlation(
    evaluations: Sequence[Records], timesteps: Sequence[int], prompt: str, seed: int = 0
) -> Estimate:
    """Pearson's r of errors under ``prompt`` and under the positive one, otherwise as `slope`."""
    return _estimate(evaluations, timesteps, prompt, _correlation, seed)


def pooled(evaluations: Sequence[Records], timesteps: Sequence[int], prompt: str) -> np.ndarray:
    """`errors_under` of several evaluations, one after the other."""
    return np.concatenate([errors_under(records, timesteps, prompt) for records in evaluations])


def _estimate(
    evaluations: Sequence[Records],
    timesteps: Sequence[int],
    prompt: str,
    statistic: Callable[[np.ndarray], np.ndarray],
    seed: int,
) -> Estimate:
    x, y = (pooled(evaluations, timesteps, name) for name in ("positive", prompt))
    groups = [group for records in evaluations for group in clusters(records.persons, records.sample_ids)]
    x, y = x - x.mean(), y - y.mean()  # sums of centred squares keep their digits
    return bootstrap(np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=1), groups, statistic, seed)


def _moments(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Var x, var y and cov(x, y) of sums (..., 6) of 1, x, y, x², y² and xy."""
    n, x, y, xx, yy, xy = np.moveaxis(sums, -1, 0)
    return xx / n - (x / n) ** 2, yy / n - (y / n) ** 2, xy / n - x * y / n**2


def _slope(sums: np.ndarray) -> np.ndarray:
    var_x, _, cov = _moments(sums)
    return _ratio(cov, var_x)


def _correlation(sums: np.ndarray) -> np.ndarray:
    var_x, var_y, cov = _moments(sums)
    return _ratio(cov, np.sqrt(np.maximum(var_x * var_y, 0)))


def _ratio(over: np.ndarray, under: np.ndarray) -> np.ndarray:
    """NaN where all drawn samples are alike."""
    over, under = np.asarray(over), np.asarray(under)
    return np.divide(over, under, out=np.full(over.shape, np.nan), where=under > 0)
