"""A paper's notation (``m_f``, ``λ1``, ``c_nn``) as HTML, LaTeX and matplotlib's mathtext."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

SYMBOL = re.compile(r"(?<![\w\\])(?:([A-Za-zα-ω])_([A-Za-z0-9]+)|([α-ω])(\d*)|(∅))(?!\w)")
LETTERS = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi o pi rho varsigma sigma tau "
    "upsilon varphi chi psi omega"
)
GREEK = dict(zip("αβγδεζηθικλμνξοπρςστυφχψω", ("\\" + name for name in LETTERS.split()), strict=True)) | {
    "ο": "o"
}
LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "[": "{[}",
    "]": "{]}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "²": r"\textsuperscript{2}",
    "±": r"$\pm$",
    "→": r"$\to$",
    "−": r"$-$",
    "–": "--",
    "…": r"\ldots{}",
}


def plain_latex(text: str) -> str:
    """Text with LaTeX's special characters escaped; line breaks become spaces."""
    escaped = "".join(LATEX.get(character, character) for character in re.sub(r"\s+", " ", text))
    return re.sub("[α-ω]", lambda found: f"${GREEK[found[0]]}$", escaped)


def as_latex(label: str) -> str:
    """A row's, column's or title's label with its symbols in math mode: ``m_f`` → ``$m_{f}$``."""
    return _mapped(label, plain_latex, lambda base, sub: _math(base, sub, r"\emptyset"))


def as_mathtext(label: str) -> str:
    """A label for matplotlib: ``c_nn`` → ``$c_{nn}$``; other dollar signs are escaped."""
    return _mapped(label, plain_mathtext, lambda base, sub: _math(base, sub, r"\varnothing"))


def as_html(label: str) -> str:
    """A label with its symbols set in italics and subscripts; everything else is escaped."""
    return _mapped(
        label, html.escape, lambda base, sub: f"<i>{base}</i>" + (f"<sub>{sub}</sub>" if sub else "")
    )


def plain_mathtext(text: str) -> str:
    """Text that matplotlib does not read as mathtext."""
    return text.replace("$", r"\$")


def _math(base: str, sub: str, empty_set: str) -> str:
    symbol = empty_set if base == "∅" else GREEK.get(base, base)
    return f"${symbol}_{{{sub}}}$" if sub else f"${symbol}$"


def _mapped(label: str, outside: Callable[[str], str], symbol: Callable[[str, str], str]) -> str:
    parts, end = [], 0
    for found in SYMBOL.finditer(label):
        parts.append(outside(label[end : found.start()]))
        parts.append(symbol(found[1] or found[3] or found[5], found[2] or found[4] or ""))
        end = found.end()
    return "".join([*parts, outside(label[end:])])
