"""The report as one file: cells, figures, manifests, style and script inside, and nothing fetched."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from facetory.pipeline.files import write_text
from facetory.report.labels import as_html
from facetory.report.layout import heading, interval, lines, number, spans
from facetory.report.notes import MEANINGS, SYMBOLS, legend, opening, reasons, sentence, small_print
from facetory.report.site import summary
from facetory.report.site.data import data_of, embedded, numbering
from facetory.report.site.gathering import Site, gather
from facetory.report.site.stability import RUNS

ASSETS = Path(__file__).parent / "assets"
STYLES = ("style.css", "print.css")
SCRIPTS = ("data.js", "filter.js", "grid.js", "details.js", "figures.js", "start.js")
CELLS = (heading, interval, legend, lines, number, opening, reasons, sentence, small_print, spans)
SUMS = (summary.answer, summary.by_status, summary.by_verdict, summary.by_word, summary.verdict)


def write_site(root: Path) -> Path:
    """Write ``<root>/report/index.html`` from a scale's results; equal results give equal bytes."""
    path = root / "report" / "index.html"
    write_text(path, page(gather(root)))
    return path


def page(site: Site) -> str:
    """The page as HTML.  Every name, label and reason is escaped by the template."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(ASSETS),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["symbols"] = lambda label: Markup(as_html(label))
    environment.globals |= {function.__name__: function for function in (*CELLS, *SUMS)}
    environment.globals |= {
        "MEANINGS": MEANINGS,
        "OUTCOMES": summary.OUTCOMES,
        "RUNS": RUNS,
        "SYMBOLS": SYMBOLS,
        "VERDICTS": summary.VERDICTS,
    }
    style = "\n".join(map(_asset, STYLES))
    script = "\n".join(["(() => {\n'use strict';", *map(_asset, SCRIPTS), "})();"])
    return environment.get_template("template.html").render(
        site=site,
        data_root=f"results/{site.root.name}",
        papers={paper.key: paper.name for paper in site.papers},
        facts=summary.facts(site),
        numbers=numbering(site),
        style=Markup(style),
        style_hash=_hash(style),
        script=Markup(script),
        script_hash=_hash(script),
        data=Markup(embedded(data_of(site))),
    )


def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
