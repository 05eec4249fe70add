"""What must stand under a table or figure: scale, stand-ins, timesteps and budgets that ran, n, seeds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from facetory.pipeline.fabricated import FABRICATED
from facetory.report.cells import Cell, CellTable, Status

SYMBOLS: dict[Status, str] = {
    "reproduced": "●",
    "outside": "▲",
    "not_comparable": "◇",
    "not_run": "✕",
    "quoted": "”",
    "not_applicable": "–",
    "new": "★",
}
MEANINGS: dict[Status, str] = {
    "reproduced": "reproduced: the published value lies inside the interval",
    "outside": "outside: the published value lies outside the interval",
    "not_comparable": "not comparable with the published value",
    "not_run": "not run",
    "quoted": "quoted from the paper, not rerun",
    "not_applicable": "the paper gives no value",
    "new": "ours: the paper has no such value",
}
LONGEST_LIST = 6


def opening(table: CellTable) -> str:
    """What must be read before the numbers: the scale, and which datasets stand in."""
    apart = _list("Stand-ins, whose numbers are not the paper's:", map(_stand_in, table.cells))
    if table.rehearsal:
        apart = f"Rehearsal on {FABRICATED}: no number here means anything."
    return f"Scale {table.scale}, reading {table.reading}. {apart}".strip()


def small_print(table: CellTable, statistics: bool = True) -> str:
    """Timesteps and budgets that really ran, samples, seeds and the kind of interval.

    Without ``statistics`` neither samples nor intervals, for a figure that shows no mean of any.
    """
    cells = table.cells
    measured = [cell for cell in cells if cell.value is not None]
    sentences = [
        _list("Timesteps:", map(_timesteps, cells)),
        budgets(measured),
        _list("Samples:", map(_samples, measured)) if statistics else "",
        _list("Seeds:", (str(seed) for cell in measured for seed in cell.seeds)),
        f"Intervals: 95 %, bootstrap over {table.resampled}."
        if statistics and any(cell.ci_low is not None for cell in cells)
        else "",
        "±: standard deviation over seeds." if any(cell.sd is not None for cell in cells) else "",
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def footer(table: CellTable, statistics: bool = True) -> str:
    """All of it, for the foot of a figure; ``statistics`` as of `small_print`."""
    return f"{opening(table)} {small_print(table, statistics)}".strip()


def legend(table: CellTable) -> list[tuple[Status, str, str]]:
    """(status, symbol, meaning) of the statuses that occur, in a fixed order."""
    found = {cell.status for cell in table.cells}
    return [(status, SYMBOLS[status], MEANINGS[status]) for status in SYMBOLS if status in found]


def reasons(table: CellTable) -> dict[str, str]:
    """Each distinct reason with its footnote letter, in order of appearance: {reason: 'a', …}."""
    distinct = dict.fromkeys(cell.reason for cell in table.cells if cell.reason)
    return {reason: _letter(i) for i, reason in enumerate(distinct)}


def sentence(reason: str) -> str:
    """A reason with one full stop."""
    return reason.rstrip(". ") + "."


def _letter(index: int) -> str:
    return (_letter(index // 26 - 1) if index >= 26 else "") + chr(ord("a") + index % 26)


def _list(opening: str, parts: Iterable[str]) -> str:
    distinct = [part for part in dict.fromkeys(parts) if part]
    if len(distinct) > LONGEST_LIST:
        distinct = [
            *distinct[: LONGEST_LIST - 1],
            f"and {len(distinct) - LONGEST_LIST + 1} more (see the CSV)",
        ]
    return f"{opening} {', '.join(distinct)}." if distinct else ""


def _stand_in(cell: Cell) -> str:
    return f"{cell.dataset} for {cell.slot_title or cell.slot}" if cell.stand_in else ""


def _timesteps(cell: Cell) -> str:
    if cell.steps is None or cell.grid in (None, cell.steps):
        return ""
    return f"{cell.grid} ran where the paper has {cell.steps}"


def budgets(cells: list[Cell]) -> str:
    """What the runs had: first what all of them share, then what each slot's runs had besides."""
    had: dict[str, dict[str, list[object]]] = {}
    for cell in cells:
        of_slot = had.setdefault(cell.slot_title or cell.slot or "", {})
        for key, value in cell.budget.items():
            values = of_slot.setdefault(key, [])
            values += [] if value in values else [value]
    slots = [of_slot for of_slot in had.values() if of_slot]
    shared = {
        key: values
        for key, values in (slots[0] if slots else {}).items()
        if all(of_slot.get(key, values) == values for of_slot in slots)
    }
    own = {
        slot: {key: values for key, values in of_slot.items() if key not in shared}
        for slot, of_slot in had.items()
    }
    parts = [_listed(shared), *(f"{slot}: {_listed(rest)}" for slot, rest in own.items() if rest)]
    return f"Budget: {'; '.join(part for part in parts if part)}." if slots else ""


def _listed(budget: Mapping[str, list[object]]) -> str:
    return ", ".join(f"{key.replace('_', ' ')} {' or '.join(map(str, v))}" for key, v in budget.items())


def _samples(cell: Cell) -> str:
    return f"{cell.n} of {cell.dataset} ({cell.split})" if cell.n else ""
