"""What a paper prints, cell by cell, read from workflow/papers/<paper>.yaml at no scale in particular."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from facetory.pipeline.registry import panel_requests, paper_file, requests


class PrintedCell(NamedTuple):
    """A cell and the number that the paper prints there, if any; what is ``ours`` is not in the paper."""

    id: str
    row: str
    column: str
    value: float | None
    kind: str
    ours: bool


def printed(paper: str) -> dict[str, list[PrintedCell]]:
    """The cells of every table, figure and ablation of a paper, by target name, in the paper's order."""
    return {name: list(_cells(name, layout)) for name, layout in _layouts(paper_file(paper), paper)}


def _layouts(file: dict[str, Any], paper: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for kind in ("tables", "figures"):
        for name, layout in file.get(kind, {}).items():
            yield f"{paper}_{name}", layout
    for name, layout in file.get("ablations", {}).items():
        if "table" not in layout:
            yield f"{paper}_ablation_{name}", {**file.get("ablation", {}), **layout}


def _cells(name: str, layout: dict[str, Any]) -> Iterator[PrintedCell]:
    panels = "panels" in layout
    for asked in panel_requests(layout) if panels else requests(layout, name):
        row = f"{asked['slot']}/{asked['row']}" if panels else asked["row"]
        yield PrintedCell(
            f"{name}/{row}/{asked['column']}",
            asked["row"],
            asked["column"],
            asked["published"],
            asked["kind"],
            bool(asked.get("ours")),
        )
