"""A table of cells as LaTeX (booktabs): the published values beside the regenerated ones."""

from __future__ import annotations

from itertools import accumulate

from facetory.report.cells import Cell, CellTable, Status
from facetory.report.labels import as_latex, plain_latex
from facetory.report.layout import heading, interval, lines, number, spans
from facetory.report.notes import legend, opening, reasons, sentence, small_print

MARKS: dict[Status, str] = {
    "reproduced": r"$\bullet$",
    "outside": r"$\triangle$",
    "not_comparable": r"$\diamond$",
    "not_run": r"$\times$",
    "quoted": "''",
    "not_applicable": "--",
    "new": r"$\star$",
}


WIDE = 6
"""With more columns than these an interval stands below its value."""


def table_latex(table: CellTable) -> str:
    """A floating table that needs ``\\usepackage{booktabs,graphicx}``; names and reasons are escaped.

    A table without published values has no columns for them; what is wider than the text is scaled down.
    """
    letters, printed = reasons(table), lines(table)
    stubs, columns = len(table.stub), table.columns
    headings = spans(table)
    both = any(cell.published is not None for cell in table.cells)
    each = 2 if both else 1
    above = [f"\\multicolumn{{{each * len(own)}}}{{c}}{{{as_latex(text)}}}" for text, own in headings]
    labels = [f"\\multicolumn{{{each}}}{{c}}{{{as_latex(label)}}}" for _, own in headings for label in own]
    spanned, stub = headings[0][0], [*map(as_latex, table.stub)]
    ruled = [2] * len(columns) if both else [len(own) for _, own in headings] if spanned else []
    ends = [stubs + end for end in accumulate(ruled)]
    rules = [f"\\cmidrule(lr){{{end - size + 1}-{end}}}" for size, end in zip(ruled, ends, strict=True)]
    top = [_row([*[""] * stubs, *above])] if spanned else []
    if both:
        head = [*top, _row([*[""] * stubs, *labels]), " ".join(rules)]
        head.append(_row([*stub, *["paper", "here"] * len(columns)]))
    else:
        head = [*top, *([" ".join(rules)] if rules else []), _row([*stub, *labels])]
    body: list[str] = []
    for line in printed:
        if body and line.stub[0] and stubs == 2:
            body.append(r"\addlinespace")
        pairs = [_pair(cell, letters, stacked=len(columns) > WIDE) for cell in line.cells]
        cells = [part for pair in pairs for part in pair[2 - each :]]
        body.append(_row([*map(as_latex, line.stub), *cells]))
    return "\n".join(
        [
            f"% {table.table}: needs \\usepackage{{booktabs,graphicx}}.",
            r"\begin{table*}",
            r"\centering\footnotesize\setlength{\tabcolsep}{2pt}",
            f"\\caption{{{as_latex(heading(table))}. {plain_latex(opening(table))}}}",
            f"\\label{{tab:{table.table}}}",
            r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{",
            f"\\begin{{tabular}}{{@{{}}{'l' * stubs}{('rl' if both else 'l') * len(columns)}@{{}}}}",
            r"\toprule",
            *head,
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}}",
            "",
            r"\medskip\begin{minipage}{\linewidth}\scriptsize\raggedright",
            *_notes(table, letters),
            r"\end{minipage}",
            r"\end{table*}",
            "",
        ]
    )


def _row(parts: list[str]) -> str:
    return " & ".join(parts) + r" \\"


def _pair(cell: Cell | None, letters: dict[str, str], stacked: bool) -> tuple[str, str]:
    """The published value, and the regenerated one with its interval beside or, stacked, below it."""
    if cell is None:
        return "", ""
    letter = f"\\textsuperscript{{{letters[cell.reason]}}}" if cell.reason else ""
    value = number(cell.value, cell.decimals) if cell.value is not None else cell.status.replace("_", " ")
    here = f"{MARKS[cell.status]}~{plain_latex(value)}{letter}"
    small = f"{{\\tiny {interval(cell)}}}" if interval(cell) else ""
    if stacked and small:
        both = f"\\begin{{tabular}}[c]{{@{{}}l@{{}}}}{here}\\\\{small}\\end{{tabular}}"
    else:
        both = f"{here} {small}".strip()
    return plain_latex(number(cell.published, cell.decimals)), both


def _notes(table: CellTable, letters: dict[str, str]) -> list[str]:
    marks = [f"{MARKS[status]}~{plain_latex(meaning)}" for status, _, meaning in legend(table)]
    why = [
        f"\\textsuperscript{{{letter}}}~{plain_latex(sentence(reason))}" for reason, letter in letters.items()
    ]
    return [f"{text}\\par" for text in ["; ".join(marks) + ".", *why, plain_latex(small_print(table))]]
