"""A table of cells as a page: regenerated values and intervals, the published ones small beneath them."""

from __future__ import annotations

from html import escape
from itertools import islice

from facetory.report.cells import Cell, CellTable
from facetory.report.labels import as_html
from facetory.report.layout import heading, interval, lines, number, spans
from facetory.report.notes import MEANINGS, SYMBOLS, legend, opening, reasons, sentence, small_print

# Okabe-Ito, darkened where needed to reach 4.5:1 on white; each status also has its own symbol.
STYLE = """
#cells .reproduced { color: #00704f; } #cells .outside { color: #b34700; }
#cells .not_comparable { color: #005f99; } #cells .not_run { color: #5c5c5c; }
#cells .quoted, #cells .not_applicable { color: #5c5c5c; } #cells .new { color: #8f4a75; }
#cells td { font-variant-numeric: tabular-nums; line-height: 1.35; }
#cells small { color: #555; white-space: nowrap; } #cells b { white-space: nowrap; }
#cells sub, #cells sup { font-size: 70%; font-weight: normal; line-height: 0; }
#cells .gt_sourcenote { max-width: 0; line-height: 1.4; padding-top: 2px; padding-bottom: 2px; }
"""


def table_html(table: CellTable) -> str:
    """A whole page.  Names and reasons are escaped, and no status is shown by colour alone."""
    import pandas as pd
    from great_tables import GT, html

    letters = reasons(table)
    printed = lines(table)
    stub = [f"stub{i}" for i in range(len(table.stub))]
    columns = [f"column{i}" for i in range(len(table.columns))]
    frame = pd.DataFrame(
        [[*map(as_html, line.stub), *(_cell(cell, letters) for cell in line.cells)] for line in printed],
        columns=[*stub, *columns],
    )
    headings = spans(table)
    under = [label for _, own in headings for label in own]
    labels = dict(zip(frame.columns, [*table.stub, *under], strict=True))
    made = (
        GT(frame, id="cells", rowname_col=stub[0])
        .tab_header(title=html(as_html(heading(table))), subtitle=html(escape(opening(table))))
        .tab_stubhead(html(as_html(table.stub[0])))
        .cols_label({name: html(as_html(label)) for name, label in labels.items() if name != stub[0]})
        .cols_align("left", columns=[*stub[1:], *columns])
        .fmt(str, columns=[*stub, *columns])
        .tab_options(
            table_font_size="14px",
            heading_align="left",
            heading_title_font_size="17px",
            heading_subtitle_font_size="13px",
            source_notes_font_size="12px",
            table_additional_css=STYLE,
        )
    )
    place = iter(columns)
    for text, own in headings:
        made = made.tab_spanner(html(as_html(text)), list(islice(place, len(own)))) if text else made
    for note in _source_notes(table, letters):
        made = made.tab_source_note(html(note))
    page = str(made.as_raw_html(make_page=True))
    return page.replace("<head>", f"<head>\n<title>{escape(heading(table))}</title>", 1)


def _cell(cell: Cell | None, letters: dict[str, str]) -> str:
    if cell is None:
        return ""
    mark = (
        f'<span class="{cell.status}" title="{escape(MEANINGS[cell.status])}">{SYMBOLS[cell.status]}</span>'
    )
    letter = f'<sup title="{escape(cell.reason)}">{letters[cell.reason]}</sup>' if cell.reason else ""
    shown = cell.status.replace("_", " ") if cell.value is None else number(cell.value, cell.decimals)
    value = f"{mark} {shown}{letter}"
    ours = cell.status == "new" and cell.published is None
    published = "" if ours else f"<br><small>paper {number(cell.published, cell.decimals)}</small>"
    return f"<b>{value}</b> <small>{interval(cell)}</small>{published}"


def _source_notes(table: CellTable, letters: dict[str, str]) -> list[str]:
    marks = " &ensp; ".join(
        f'<span class="{status}">{symbol}</span> {escape(meaning)}'
        for status, symbol, meaning in legend(table)
    )
    why = [f"<sup>{letter}</sup> {escape(sentence(reason))}" for reason, letter in letters.items()]
    return [marks, *why, escape(small_print(table))]
