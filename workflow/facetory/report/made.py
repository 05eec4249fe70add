"""The cells of all that a results folder holds: tables, then figures that are no table too."""

from __future__ import annotations

from pathlib import Path

from facetory.pipeline.files import FacetoryError
from facetory.report.cells import CellTable, read_cells

FOLDERS = ("tables", "figures")
ENDING = ".cells.json"


def made(root: Path | str) -> dict[str, CellTable]:
    """The cells in ``root``, a scale's results folder, by the name of their table or figure.

    An ablation is a table and a figure with the same cells: it comes once.  A folder without any cells is a
    `FacetoryError`.
    """
    paths = [path for folder in FOLDERS for path in sorted((Path(root) / folder).glob(f"*{ENDING}"))]
    if not paths:
        raise FacetoryError(
            f"{root}: holds no tables. Name a scale's results, e.g. results/demo, and make its tables first: "
            "`snakemake --cores 2 all_tables`."
        )
    found: dict[str, CellTable] = {}
    for path in paths:
        name = path.name.removesuffix(ENDING)
        if name not in found:
            found[name] = read_cells(path)
    return found
