"""How far a sum of cells may lie from its value: half-widths of its 95 % interval, below and above.

A paired bootstrap where the cells are of the same samples, else the root of the cells' squared half-widths
(MOVER; Zou and Donner 2008).  Several seeds widen both by the interval of their mean, by Student's t.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import stdev
from typing import NamedTuple

from facetory.pipeline.files import FacetoryError
from facetory.report.cells import Cell
from facetory.report.claims.pairing import Pair

AGREE = 1e-6
"""How far, relatively, a sum by the records may lie from that of the written cells."""
UNKNOWN = "no interval is known of one of its cells"
ONE_SEED = "one seed, so the spread over trainings is not known"


class Width(NamedTuple):
    """The half-widths, and how they were had."""

    down: float
    up: float
    how: str


def width(terms: Mapping[str, float], own: Mapping[str, Cell], pair: Pair | None, contrast: bool) -> Width:
    """Of Σ coefficient · cell by the cells' ids.

    Where ``contrast`` compares cells alone and no sample tells them apart, no resample can either: 3/n stands
    for the half-width (the rule of three; Hanley and Lippman-Hand 1983).
    """
    found = _together(terms, own, pair) if pair and len(terms) > 1 else None
    found = found or _independent(terms, own)
    if not contrast or found.down or found.up:
        return found
    fewest = min(own[name].n or 0 for name in terms)
    half = _unit(terms, own) * 3 / fewest if fewest else math.inf
    return Width(half, half, f"{found.how}; no sample tells them apart, so 3/n is taken (the rule of three)")


def _together(terms: Mapping[str, float], own: Mapping[str, Cell], pair: Pair) -> Width | None:
    """By the records of the same samples; None where there are none."""
    same_unit = len({own[name].unit for name in terms}) == 1
    if not same_unit or (found := pair(terms)) is None:
        return None
    unit, estimate = _unit(terms, own), found.estimate
    written = sum(coefficient * float(own[name].value or 0) for name, coefficient in terms.items())
    recorded = unit * estimate.value
    if abs(recorded - written) > AGREE * max(1.0, abs(written)):
        raise FacetoryError(
            f"{' and '.join(terms)}: {written:.6g} by the tables, {recorded:.6g} by the records. The tables "
            "are older than the records: make them again with snakemake."
        )
    if math.isnan(estimate.low) or math.isnan(estimate.high):
        return Width(math.inf, math.inf, UNKNOWN)
    down, up = unit * (estimate.value - estimate.low), unit * (estimate.high - estimate.value)
    spread, told = _over_seeds([unit * value for value in found.by_seed])
    how = f"paired bootstrap over the same samples, {told}"
    return Width(math.hypot(down, spread), math.hypot(up, spread), how)


def _independent(terms: Mapping[str, float], own: Mapping[str, Cell]) -> Width:
    """By the cells' own intervals."""
    down = up = spread = 0.0
    for name, coefficient in terms.items():
        cell = own[name]
        value, low, high = cell.value, cell.ci_low, cell.ci_high
        if value is None or low is None or high is None:
            return Width(math.inf, math.inf, UNKNOWN)
        below, above = (value - low, high - value) if coefficient > 0 else (high - value, value - low)
        down, up = math.hypot(down, coefficient * below), math.hypot(up, coefficient * above)
        if cell.sd is not None and len(cell.seeds) > 1:
            spread = math.hypot(spread, coefficient * _half(cell.sd, len(cell.seeds)))
    if spread:
        told = "with the spread over seeds"
    else:
        several = any(len(own[name].seeds) > 1 for name in terms)
        told = "without the spread over seeds" if several else ONE_SEED
    how = "the cell's own" if len(terms) == 1 else "the cells' own, taken as independent"
    return Width(math.hypot(down, spread), math.hypot(up, spread), f"{how}, {told}")


def _unit(terms: Mapping[str, float], own: Mapping[str, Cell]) -> int:
    """How many units of the cells one of the records is."""
    return 100 if own[next(iter(terms))].unit == "%" else 1


def _over_seeds(values: Sequence[float]) -> tuple[float, str]:
    """The half-width of the mean over seeds, and what to say of it."""
    if len(values) > 1:
        return _half(stdev(values), len(values)), f"with the spread over {len(values)} seeds"
    return 0.0, ONE_SEED if values else "pooled over seeds, without their spread"


def _half(sd: float, seeds: int) -> float:
    """Half the 95 % interval of a mean over seeds."""
    from scipy.special import stdtrit

    return float(stdtrit(seeds - 1, 0.975)) * sd / math.sqrt(seeds)
