"""The verdict on a claim from its parts' intervals, wherever these come from.

A conjunction holds only when every part does, each shown at its own 95 % interval: no correction is needed
(an intersection–union test; Berger 1982).  It fails when any part does, which has as many chances to go wrong
as there are parts: their intervals are widened to 1 − 0.05/m (Bonferroni).  Where ``any`` or ``most`` join
parts, both directions are widened.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import NormalDist
from typing import Literal, NamedTuple

from facetory.report.claims.parts import Group, Node, Part, leaves

Verdict = Literal["holds", "fails", "inconclusive", "not_run", "not_comparable"]
States = Mapping[Part, bool | None]
LEVEL = 0.95
Z = NormalDist().inv_cdf((1 + LEVEL) / 2)
DIGITS = 9
"""Decimals to which a difference of printed numbers is exact."""


class Finding(NamedTuple):
    """What is known of a part: both sides, left − right with its interval, or why there is ``missing`` one.

    ``how`` tells where the interval comes from, ``apart`` what forbids a comparison with the paper.
    """

    part: Part
    left: float = 0.0
    right: float = 0.0
    value: float = 0.0
    low: float = 0.0
    high: float = 0.0
    missing: str | None = None
    how: str = ""
    apart: tuple[str, ...] = ()

    @property
    def width(self) -> float:
        """The standard error that the interval's width stands for, under a normal approximation."""
        return (self.high - self.low) / (2 * Z)


def states(node: Node, findings: Mapping[Part, Finding], directions: bool = False) -> States:
    """Of each part whether it is shown to hold (True), shown not to (False), or neither.

    ``directions`` asks for the sign alone where cells are compared with each other, whatever the margin.
    """
    parts = list(dict.fromkeys(leaves(node)))
    ratio = widening(len(parts))
    return {part: _state(findings[part], ratio, joined(node), directions) for part in parts}


def verdict(node: Node, shown: States, findings: Mapping[Part, Finding]) -> Verdict:
    """`holds`, `fails`, `inconclusive`, or `not_run` where what is missing could decide."""
    if (found := _truth(node, shown)) is not None:
        return "holds" if found else "fails"
    return "not_run" if any(findings[part].missing for part in shown) else "inconclusive"


def widening(count: int) -> float:
    """How much wider an interval is at 1 − 0.05/count than at 95 %, under a normal approximation."""
    return NormalDist().inv_cdf(1 - (1 - LEVEL) / (2 * count)) / Z


def bound_of(part: Part, directions: bool = False) -> float:
    """What left − right must exceed; for the direction alone of a comparison of cells, 0 at most."""
    return min(part.margin, 0.0) if directions and part.contrast else part.margin


def _state(finding: Finding, ratio: float, both: bool, directions: bool) -> bool | None:
    if finding.missing:
        return None
    part, bound = finding.part, bound_of(finding.part, directions)
    down, up = finding.value - finding.low, finding.high - finding.value
    low = finding.value - (down * ratio if both else down)
    below, above = (round(x - bound, DIGITS) for x in (low, finding.value + up * ratio))
    strict = part.strict or (directions and bound != part.margin)
    if below > 0 or (below == 0 and not strict):
        return True
    return False if above < 0 or (above == 0 and below == 0) else None


def _truth(node: Node, shown: States) -> bool | None:
    """Kleene's three-valued logic, in which None is not known."""
    if isinstance(node, Part):
        return shown[node]
    found = [_truth(member, shown) for member in node.members]
    if node.joint == "all":
        return False if False in found else None if None in found else True
    if node.joint == "any":
        return True if True in found else None if None in found else False
    half = len(found) / 2
    return True if found.count(True) > half else False if found.count(False) >= half else None


def joined(node: Node) -> bool:
    """Whether ``any`` or ``most`` join some of the parts."""
    return isinstance(node, Group) and (node.joint != "all" or any(map(joined, node.members)))
