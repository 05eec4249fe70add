"""Where each cell came from: the manifests of its records, and of all that those were made from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from facetory.report.cells import Cell, CellTable
from facetory.report.lineage import MANIFEST, lineage, records_of
from facetory.report.plans import PlansFile

LONGEST = 20
"""Entries of a list or mapping of a manifest that the page repeats."""


class Origins(NamedTuple):
    """``manifests`` by their path below the results; ``ways`` from a record to the paths of its manifest and
    of those of all it was made from, nearest first; ``records`` by the id of the cell."""

    manifests: dict[str, dict[str, Any]]
    ways: dict[str, list[str]]
    records: dict[str, list[str]]


def origins(root: Path, tables: Iterable[CellTable], plans: PlansFile) -> Origins:
    """The origins of all cells.  Where plans.json does not name a cell's records, its runs stand for them."""

    @cache
    def run(name: str) -> str | None:
        folders = [root / name, *(kind / name for kind in sorted(root.iterdir()))]
        found = next((folder / MANIFEST for folder in folders if (folder / MANIFEST).is_file()), None)
        return found.relative_to(root).as_posix() if found else None

    def asked(table: CellTable, cell: Cell) -> list[str]:
        plan = plans.plans.get(table.table)
        planned = next((own for own in plan.cells if own.id == cell.id), None) if plan else None
        if plan and planned:
            return records_of(plan, planned)
        return [path for path in map(run, cell.runs) if path]

    manifests: dict[str, dict[str, Any]] = {}
    ways: dict[str, list[str]] = {}
    records: dict[str, list[str]] = {}
    for table in tables:
        for cell in table.cells:
            own = records[cell.id] = asked(table, cell) if cell.value is not None else []
            for record in own:
                if record not in ways:
                    found = lineage(root, [record])
                    ways[record] = list(found)
                    manifests |= {path: shortened(about) for path, about in found.items()}
    return Origins(dict(sorted(manifests.items())), ways, records)


def shortened(value: Any) -> Any:
    """A manifest's content without the tails of its longest lists and mappings, which stay in the file."""
    if isinstance(value, Mapping):
        kept = {key: shortened(item) for key, item in list(value.items())[:LONGEST]}
        return kept | ({"…": _rest(value)} if len(value) > LONGEST else {})
    if isinstance(value, list):
        return [shortened(own) for own in value[:LONGEST]] + ([_rest(value)] if len(value) > LONGEST else [])
    return value


def _rest(value: Any) -> str:
    return f"and {len(value) - LONGEST} more in the manifest"
