"""A rehearsal's coverage: a page without network or script, the same as JSON, and a table for a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facetory.pipeline.fabricated import FABRICATED
from facetory.pipeline.files import write_json, write_text
from facetory.rehearsal.coverage import NAMES, Coverage, Item, Kind, total
from facetory.rehearsal.coverage_rows import HEADINGS, Row, row, stage_row

if TYPE_CHECKING:
    from rich.table import Table

STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 78rem; padding: 0 1rem;
  color: light-dark(#1b1b1b, #e8e8e8); background: light-dark(#fff, #161616); }
.notice { border-left: .3rem solid light-dark(#b34700, #ff9d5c); padding: .4rem .8rem; font-weight: 600; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 2rem; font-size: 13.5px; }
caption { text-align: left; font-weight: 600; padding: .3rem 0; }
th, td { text-align: left; vertical-align: top; padding: .25rem .6rem; overflow-wrap: anywhere;
  border-bottom: 1px solid light-dark(#ddd, #3a3a3a); }
thead th { border-bottom: 2px solid light-dark(#888, #888); overflow-wrap: normal; }
tbody th { font-weight: 500; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.state { white-space: nowrap; }
.ran { color: light-dark(#00704f, #5fd0a8); } .explained { color: light-dark(#5c5c5c, #a8a8a8); }
.unexplained { color: light-dark(#a83200, #ff9d5c); font-weight: 600; }
"""
SHOWN = {"ran": "● ran", "explained": "○ not run", "unexplained": "▲ unexplained"}
"""A state's sign and word, so that it is told by more than its colour."""
TITLES: dict[Kind, str] = {
    "rule": "Rules of the workflow",
    "target": "Tables and figures",
    "loader": "Datasets and their loaders",
    "layout": "Other layouts of datasets",
    "format": "File formats of weights and data",
    "module": "Modules of the code",
}
SPENT = "Seconds are sums over the commands of a name; the peak is of the largest process."
FRACTION = "{} of {} functions were entered, and {} of {} statements ran."


def write_page(coverage: Coverage, folder: Path | str) -> Path:
    """Write coverage.json and index.html into a folder; the path of the latter."""
    folder = Path(folder)
    write_json(folder / "coverage.json", as_json(coverage))
    write_text(folder / "index.html", page(coverage))
    return folder / "index.html"


def as_json(coverage: Coverage) -> dict[str, Any]:
    """The record as JSON holds it, behind the same warning and totals as the page."""
    opening = {"about": about(coverage), "totals": coverage.totals()}
    return {**opening, **coverage.model_dump(mode="json")}


def about(coverage: Coverage) -> str:
    """What must be read first."""
    if coverage.rehearsal:
        return f"This is a rehearsal on {FABRICATED}: it shows what ran, and no number means anything."
    return f"Scale {coverage.scale} is no rehearsal; this shows what of the code ran at it."


def page(coverage: Coverage) -> str:
    """A whole HTML page; every name and reason is escaped."""
    title = f"Coverage of scale {coverage.scale}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="notice">{escape(about(coverage))}</p>',
        f"<p>{escape(_circumstances(coverage))}</p>",
        _list([*coverage.totals(), FRACTION.format(*coverage.functions, *coverage.statements)]),
        *(f"<p>{escape(caveat)}</p>" for caveat in _caveats(coverage)),
        "<h2>Unexplained</h2>",
        _unexplained(coverage.unexplained),
    ]
    for kind, heading in TITLES.items():
        if items := coverage.of(kind):
            caption = total(NAMES[kind][1], items)
            parts += [f"<h2>{heading}</h2>", _table(caption, HEADINGS[kind], map(row, items))]
    if coverage.stages:
        parts += ["<h2>Commands</h2>", _table(SPENT, HEADINGS["stage"], map(stage_row, coverage.stages))]
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        f'<meta name="viewport" content="width=device-width">\n<style>{STYLE}</style>\n</head>\n<body>\n'
        "<main>\n" + "\n".join(parts) + "\n</main>\n</body>\n</html>\n"
    )


def summary(coverage: Coverage) -> Table:
    """A table for a terminal: how many of each kind ran, did not for a stated reason, are unexplained."""
    from rich.table import Table

    table = Table(title=about(coverage), title_justify="left")
    for heading in ("", "all", "ran", "not run, with a reason", "unexplained"):
        table.add_column(heading, justify="right" if heading else "left")
    for kind, (_, several) in NAMES.items():
        states: list[str] = [item.state for item in coverage.of(kind)]
        counts = [len(states), *(states.count(state) for state in SHOWN)]
        table.add_row(several, *map(str, counts))
    return table


def _circumstances(coverage: Coverage) -> str:
    devices = " and ".join(coverage.devices) or "an unknown device"
    commits = " and ".join(coverage.commits) or "no known commit"
    return f"Gathered {coverage.date}; ran on {devices}, from {commits}."


def _caveats(coverage: Coverage) -> list[str]:
    edited = ", ".join(coverage.edited)
    return [
        *([f"Edited after their lines were recorded, so perhaps wrong: {edited}."] if edited else []),
        *([f"{coverage.lost} processes ended before their lines were saved."] if coverage.lost else []),
    ]


def _unexplained(items: list[Item]) -> str:
    if not items:
        return "<p>Nothing: what did not run has a stated reason.</p>"
    return _list(
        ": ".join(part for part in (f"{NAMES[item.kind][0]} {item.name}", _missing(item)) if part)
        for item in items
    )


def _missing(item: Item) -> str:
    return item.reason or str(item.facts.get("missing", ""))


def _list(lines: Iterable[str]) -> str:
    return "<ul>\n" + "\n".join(f"<li>{escape(line)}</li>" for line in lines) + "\n</ul>"


def _table(caption: str, headings: list[str], rows: Iterable[Row]) -> str:
    head = "".join(f'<th scope="col">{escape(heading)}</th>' for heading in headings)
    body = "\n".join(_row(found) for found in rows)
    return (
        f'<div class="wide"><table>\n<caption>{escape(caption)}</caption>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody>\n</table></div>"
    )


def _row(found: Row) -> str:
    state = f'<td class="state {found.state}">{SHOWN[found.state]}</td>' if found.state else ""
    cells = "".join(
        f'<td class="number">{escape(str(cell))}</td>'
        if isinstance(cell, int | float)
        else f"<td>{escape(cell)}</td>"
        for cell in found.cells
    )
    return f'<tr><th scope="row">{escape(found.name)}</th>{state}{cells}</tr>'
