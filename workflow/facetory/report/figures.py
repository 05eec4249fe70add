"""The files of a figure: drawn in the house style, with its data and its cells beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from facetory.report import drawing
from facetory.report.cells import CellTable, write_cells


def write_figure(measured: CellTable, drawn: Callable[[], Any], folder: Path | str) -> None:
    """Write ``<name>.pdf``, ``.png``, ``.csv`` (what is drawn) and ``.cells.json`` into ``folder``.

    ``drawn()`` makes the figure and the rows of its CSV.
    """
    with drawing.style():
        figure, rows = drawn()
        if measured.rehearsal:
            drawing.watermark(figure, "rehearsal")
        stem = Path(folder) / measured.table
        drawing.save(figure, stem, rows)
    write_cells(f"{stem}.cells.json", measured)
