"""A cell: one regenerated number beside the published one, and what may be said of the two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from facetory.pipeline.fabricated import FABRICATED
from facetory.pipeline.files import read_json, write_json
from facetory.pipeline.suggest import validated

Status = Literal["reproduced", "outside", "not_comparable", "not_run", "quoted", "not_applicable", "new"]
ROUNDING = 0.005
REHEARSAL = f"rehearsal: {FABRICATED}"
"""What the cells of a rehearsal say of themselves."""


class Cell(BaseModel):
    """One number of a table or figure; ``value``, the interval and ``published`` are in ``unit``.

    ``steps`` is the paper's number of timesteps and ``grid`` the number that ran; ``budget`` is what the
    number really had (training steps, batch size, pixels, backbone) and ``trained_on`` its training dataset.
    ``decimals`` are those that the paper prints; ``sd`` is the standard deviation over several seeds.
    ``reason`` goes with `not_run` and `not_comparable`; ``delta`` is value − published where the two may be
    compared.
    """

    model_config = ConfigDict(extra="forbid")

    id: str
    row: str
    column: str
    value: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    n: int | None = None
    sd: float | None = None
    seeds: list[int] = []
    published: float | None = None
    delta: float | None = None
    status: Status
    reason: str | None = None
    runs: list[str] = []
    command: str
    reading: str
    slot: str | None = None
    slot_title: str | None = None
    dataset: str | None = None
    split: str | None = None
    stand_in: bool = False
    trained_on: str | None = None
    corruption: str = "clean"
    metric: str
    steps: int | None = None
    grid: int | None = None
    timestep: int | None = None
    budget: dict[str, Any] = {}
    unit: str = "%"
    decimals: int = 2


class CellTable(BaseModel):
    """The cells of one table or figure, row by row in the paper's order; ``stub`` heads the row labels.

    ``resampled`` is what the bootstrap of its intervals draws; a ``rehearsal``'s numbers mean nothing.
    """

    model_config = ConfigDict(extra="forbid")

    table: str
    title: str
    source: str
    scale: str
    reading: str
    stub: list[str] = []
    resampled: str = "people"
    rehearsal: bool = False
    cells: list[Cell]

    @property
    def rows(self) -> list[str]:
        """The row labels, in order."""
        return list(dict.fromkeys(cell.row for cell in self.cells))

    @property
    def columns(self) -> list[str]:
        """The column labels, in order."""
        return list(dict.fromkeys(cell.column for cell in self.cells))


class Verdict(NamedTuple):
    """A status, the reason that goes with it, and value − published where they may be compared."""

    status: Status
    reason: str | None = None
    delta: float | None = None


def judge(
    value: float | None,
    published: float | None,
    interval: tuple[float | None, float | None] = (None, None),
    *,
    not_run: str | None = None,
    rehearsal: bool = False,
    stand_in: str | None = None,
    differences: Sequence[str] = (),
    kind: Literal["measured", "quoted", "not_applicable"] = "measured",
    ours: bool = False,
    tolerance: float = ROUNDING,
) -> Verdict:
    """What may be said of a regenerated value.  The first that holds decides:

    the paper prints no number (`not_applicable`) or quotes one that nobody reruns (`quoted`); nothing was
    measured (`not_run`, with the reason); it is of a ``rehearsal`` (`not_comparable`, even where nothing is
    published); it is ``ours`` and not in the paper (`new`); another dataset stands
    in, or the run differs from the paper's on its own dataset (`not_comparable`, naming all that differs);
    there is nothing to compare with (`new`);
    the published value lies inside the interval, or of the value where there is none, widened by
    ``tolerance`` (`reproduced`); it does not (`outside`).  The default tolerance is the rounding of two
    decimals.
    """
    if kind != "measured":
        return Verdict(kind)
    if value is None:
        if not not_run:
            raise ValueError("a cell without a value needs the reason why it was not run")
        return Verdict("not_run", not_run)
    if rehearsal:
        return Verdict("not_comparable", REHEARSAL)
    if ours:
        return Verdict("new")
    caveats = [*([stand_in] if stand_in else []), *differences]
    if caveats:
        return Verdict("not_comparable", "; ".join(caveats))
    if published is None:
        return Verdict("new")
    low, high = (value if bound is None else bound for bound in interval)
    inside = low - tolerance <= published <= high + tolerance
    return Verdict("reproduced" if inside else "outside", None, value - published)


def differences(ran: Mapping[str, Any], paper: Mapping[str, Any]) -> list[str]:
    """What a run had otherwise than the paper, e.g. ``200 training steps (paper: 30000)``.

    Keys the paper does not state (absent or None) are not compared.
    """
    return [
        f"{_named(key, ran[key])} (paper: {stated})"
        for key, stated in paper.items()
        if stated is not None and key in ran and ran[key] != stated
    ]


def _named(key: str, value: Any) -> str:
    words = key.replace("_", " ")
    return f"{value} {words}" if isinstance(value, int) and words.endswith("s") else f"{words} {value}"


def write_cells(path: Path | str, table: CellTable) -> None:
    """Write ``<name>.cells.json`` atomically."""
    write_json(path, table.model_dump(mode="json"))


def read_cells(path: Path | str) -> CellTable:
    """Read ``<name>.cells.json``; a missing or foreign file is a `FacetoryError` that names it."""
    return validated(CellTable, read_json(path), str(path))
