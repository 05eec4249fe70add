"""A part of a claim on regenerated cells: left − right with its interval."""

from __future__ import annotations

import math
from collections.abc import Mapping

from facetory.report.cells import Cell
from facetory.report.claims.judge import Finding
from facetory.report.claims.pairing import Pair
from facetory.report.claims.parts import Part, Side
from facetory.report.claims.widths import width

ELSEWHERE = "none where a quoted number is of other data"


def measured(part: Part, cells: Mapping[str, Cell], pair: Pair | None, exact: bool = False) -> Finding:
    """A part on the cells by id; those that are not there, or were not run, make it ``missing``.

    ``pair`` finds what the same samples say (`widths`); numbers that are quoted, or ``exact`` as counts are,
    have no interval.
    """
    terms = part.terms
    lacking = [reason for name in terms if (reason := _lacking(name, cells.get(name)))]
    if lacking:
        return Finding(part, missing=lacking[0])
    own = {name: cells[name] for name in terms}
    left, right = (_value(side, cells) for side in (part.left, part.right))
    value = left - right
    apart = tuple(dict.fromkeys(reason for cell in own.values() if (reason := _apart(cell))))
    estimated = {name: coefficient for name, coefficient in terms.items() if own[name].status != "quoted"}
    if exact or not estimated:
        return Finding(part, left, right, value, value, value, how="counted, not estimated", apart=apart)
    if apart and len(estimated) < len(terms):
        return Finding(part, left, right, value, -math.inf, math.inf, how=ELSEWHERE, apart=apart)
    down, up, how = width(estimated, own, pair, part.contrast)
    return Finding(part, left, right, value, value - down, value + up, how=how, apart=apart)


def _lacking(name: str, cell: Cell | None) -> str | None:
    """Why a cell has no number."""
    if cell is None:
        table = name.partition("/")[0]
        return f"{table} is not in this results folder: make it with `snakemake {table}`"
    if cell.status == "quoted":
        return None if cell.published is not None else "the paper quotes no number"
    return None if cell.value is not None else cell.reason or "the paper prints a dash"


def _number(cell: Cell) -> float:
    return float((cell.published if cell.status == "quoted" else cell.value) or 0)


def _value(side: Side, cells: Mapping[str, Cell]) -> float:
    return side.constant + sum(coefficient * _number(cells[name]) for name, coefficient in side.terms)


def _apart(cell: Cell) -> str | None:
    """What forbids to compare a cell with the paper's."""
    if cell.status == "not_comparable":
        return cell.reason or "not comparable"
    return f"{cell.dataset} stands in for {cell.slot_title or cell.slot}" if cell.stand_in else None
