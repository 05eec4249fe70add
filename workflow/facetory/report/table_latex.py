"""A table of cells as LaTeX (booktabs): the published value beside the regenerated one in every column."""

from __future__ import annotations

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


def table_latex(table: CellTable) -> str:
    """A floating table that needs ``\\usepackage{booktabs}``; names and reasons are escaped."""
    letters, printed = reasons(table), lines(table)
    stubs, columns = len(table.stub), table.columns
    headings = spans(table)
    above = [f"\\multicolumn{{{2 * len(own)}}}{{c}}{{{as_latex(text)}}}" for text, own in headings]
    labels = [f"\\multicolumn{{2}}{{c}}{{{as_latex(label)}}}" for _, own in headings for label in own]
    rules = [f"\\cmidrule(lr){{{i}-{i + 1}}}" for i in range(stubs + 1, stubs + 2 * len(columns), 2)]
    body: list[str] = []
    for line in printed:
        if body and line.stub[0] and stubs == 2:
            body.append(r"\addlinespace")
        cells = [part for cell in line.cells for part in _pair(cell, letters)]
        body.append(_row([*map(as_latex, line.stub), *cells]))
    return "\n".join(
        [
            f"% {table.table}: needs \\usepackage{{booktabs}}.",
            r"\begin{table*}",
            r"\centering\footnotesize\setlength{\tabcolsep}{2pt}",
            f"\\caption{{{as_latex(heading(table))}. {plain_latex(opening(table))}}}",
            f"\\label{{tab:{table.table}}}",
            f"\\begin{{tabular}}{{@{{}}{'l' * stubs}{'rl' * len(columns)}@{{}}}}",
            r"\toprule",
            *([_row([*[""] * stubs, *above])] if headings[0][0] else []),
            _row([*[""] * stubs, *labels]),
            " ".join(rules),
            _row([*map(as_latex, table.stub), *["paper", "here"] * len(columns)]),
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
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


def _pair(cell: Cell | None, letters: dict[str, str]) -> tuple[str, str]:
    if cell is None:
        return "", ""
    letter = f"\\textsuperscript{{{letters[cell.reason]}}}" if cell.reason else ""
    value = number(cell.value) if cell.value is not None else cell.status.replace("_", " ")
    here = f"{MARKS[cell.status]}~{plain_latex(value)}{letter}"
    small = f" {{\\tiny {interval(cell)}}}" if interval(cell) else ""
    return plain_latex(number(cell.published)), here + small


def _notes(table: CellTable, letters: dict[str, str]) -> list[str]:
    marks = [f"{MARKS[status]}~{plain_latex(meaning)}" for status, _, meaning in legend(table)]
    why = [
        f"\\textsuperscript{{{letter}}}~{plain_latex(sentence(reason))}" for reason, letter in letters.items()
    ]
    return [f"{text}\\par" for text in ["; ".join(marks) + ".", *why, plain_latex(small_print(table))]]
