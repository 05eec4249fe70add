"""All that the page shows, gathered from a results folder; what was not made is absent."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

from facetory.pipeline.config import WORKFLOW
from facetory.pipeline.registry import PAPERS, paper_file
from facetory.report.audit.finding import Audit, read_audit
from facetory.report.cells import Cell, CellTable
from facetory.report.claims.ledger import Row, read_claims
from facetory.report.made import made
from facetory.report.plans import NAME as PLANS
from facetory.report.plans import PlansFile, read_plans
from facetory.report.site.origins import Origins, origins
from facetory.report.site.pictures import Picture, pictures
from facetory.report.site.stability import Floor, floors

CAPTIONS = {"tables": "table.rst", "figures": "figure.rst"}
"""What the tables and the figures show, as Snakemake's report says it."""


class Panel(NamedTuple):
    """A part in which each row and column meet once, and its heading ('' for a whole table or figure)."""

    heading: str
    table: CellTable


class Target(NamedTuple):
    """A table or figure: its cells, what it shows, its picture if it has one, and its panels."""

    table: CellTable
    caption: str
    picture: Picture | None
    panels: list[Panel]


class Paper(NamedTuple):
    """A paper by key, short name and title: its tables and figures, and those planned that were not made."""

    key: str
    name: str
    title: str
    targets: list[Target]
    unmade: list[str]

    @property
    def cells(self) -> list[Cell]:
        """Every cell of the paper, ablations included."""
        return [cell for target in self.targets for cell in target.table.cells]


class Site(NamedTuple):
    """What the page shows; ``claims`` and ``audit`` are None where they were not made."""

    root: Path
    papers: list[Paper]
    origins: Origins
    claims: list[Row] | None
    audit: Audit | None
    floors: list[Floor]

    @property
    def targets(self) -> list[Target]:
        """Every table and figure, paper by paper."""
        return [target for paper in self.papers for target in paper.targets]


def gather(root: Path) -> Site:
    """Read a scale's results folder.  Raises `FacetoryError` where it holds no table and no figure."""
    plans = read_plans(root / PLANS) if (root / PLANS).is_file() else PlansFile(config={}, plans={})
    tables = made(root)
    planned = {name: place for place, name in enumerate(plans.plans)}
    ordered = sorted(sorted(tables), key=lambda name: planned.get(name, len(planned)))
    drawn = pictures(root / "figures" / f"{name}.png" for name in ordered)
    return Site(
        root=root,
        papers=_papers([_target(tables[name], drawn.get(name)) for name in ordered], plans),
        origins=origins(root, tables.values(), plans),
        claims=read_claims(claims).claims if (claims := root / "claims.json").is_file() else None,
        audit=read_audit(audit) if (audit := root / "audit.json").is_file() else None,
        floors=floors(tables[name] for name in ordered),
    )


def paper_of(target: str) -> str:
    """The key of the paper that a table or figure is of, by its name."""
    return target.partition("_")[0]


def panels(table: CellTable) -> list[Panel]:
    """The whole table, or a panel a slot where its cells share rows and columns between slots."""
    if len({(cell.row, cell.column) for cell in table.cells}) == len(table.cells):
        return [Panel("", table)]
    slots = dict.fromkeys(map(_slot, table.cells))
    return [
        Panel(slot, table.model_copy(update={"cells": [c for c in table.cells if _slot(c) == slot]}))
        for slot in slots
    ]


def _slot(cell: Cell) -> str:
    return cell.slot_title or cell.slot or ""


def _target(table: CellTable, drawn: Picture | None) -> Target:
    """A table, a figure, or what is both: then the table's cells beside the figure's picture."""
    said = [captions(kind).get(table.table, "") for kind in CAPTIONS]
    return Target(table, " ".join(text for text in said if text), drawn, panels(table))


@cache
def captions(kind: str) -> dict[str, str]:
    """What each of the ``tables`` or ``figures`` shows, by name."""
    from jinja2 import Environment, FileSystemLoader

    template = Environment(loader=FileSystemLoader(WORKFLOW / "report")).get_template(CAPTIONS[kind])
    nobody = {"wildcards": {"table": "", "figure": "", "scale": ""}}
    return dict(getattr(template.make_module({"snakemake": nobody}), "shows", {}))


def _papers(targets: list[Target], plans: PlansFile) -> list[Paper]:
    made = [target.table.table for target in targets]
    unmade = [name for name in plans.plans if name not in made]
    keys = dict.fromkeys([*PAPERS, *map(paper_of, [*made, *unmade])])
    return [
        Paper(
            key,
            PAPERS.get(key, key),
            paper_file(key)["title"] if key in PAPERS else key,
            [target for target in targets if paper_of(target.table.table) == key],
            [name for name in unmade if paper_of(name) == key],
        )
        for key in keys
    ]
