"""Cells as files: every field as JSON and CSV, the paper's arrangement as LaTeX and HTML."""

from __future__ import annotations

from pathlib import Path

from facetory.pipeline.files import write_text
from facetory.report.cells import Cell, CellTable, write_cells
from facetory.report.spreadsheet import csv_text
from facetory.report.table_html import table_html
from facetory.report.table_latex import table_latex


def write_table(table: CellTable, folder: Path | str) -> None:
    """Write ``<table>.cells.json``, ``.csv``, ``.tex`` and ``.html`` into a folder, each atomically."""
    stem = Path(folder) / table.table
    write_cells(f"{stem}.cells.json", table)
    write_text(f"{stem}.csv", table_csv(table))
    write_text(f"{stem}.tex", table_latex(table))
    write_text(f"{stem}.html", table_html(table))


def table_csv(table: CellTable) -> str:
    """One line a cell, with all its fields."""
    return csv_text(Cell.model_fields, (cell.model_dump(mode="json") for cell in table.cells))
