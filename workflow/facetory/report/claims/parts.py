"""A predicate taken apart: differences that must exceed a margin, and how they are joined."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise, product
from typing import Literal, NamedTuple

from facetory.pipeline.files import FacetoryError
from facetory.report.address import Address, address_of, find, parse
from facetory.report.claims.predicate import Minus, Operand, Predicate, Selection, Times
from facetory.report.claims.printed import PrintedCell

Catalogue = Mapping[str, Sequence[PrintedCell]]
"""A paper's cells by target name."""
Joint = Literal["all", "any", "most"]


class Side(NamedTuple):
    """Σ coefficient · cell + constant, by the cells' ids, in words; a cell's own labels where it is one."""

    terms: tuple[tuple[str, float], ...]
    constant: float
    text: str
    row: str = ""
    column: str = ""


class Part(NamedTuple):
    """The claim that left − right exceeds ``margin``, or where it is not ``strict``, reaches it."""

    left: Side
    right: Side
    margin: float = 0.0
    strict: bool = True

    @property
    def terms(self) -> dict[str, float]:
        """The coefficients of left − right, by cell id, without those that cancel."""
        found: dict[str, float] = {}
        for sign, side in ((1, self.left), (-1, self.right)):
            for cell, coefficient in side.terms:
                found[cell] = found.get(cell, 0.0) + sign * coefficient
        return {cell: coefficient for cell, coefficient in found.items() if coefficient}

    @property
    def constant(self) -> float:
        """What left − right has beside cells."""
        return self.left.constant - self.right.constant

    @property
    def contrast(self) -> bool:
        """Whether it compares cells with each other alone, so that its sign has a meaning at any scale."""
        return not self.constant and abs(sum(self.terms.values())) < 1e-9


class Group(NamedTuple):
    """Parts and groups, of which all, any or most must hold."""

    joint: Joint
    members: tuple[Part | Group, ...]


Node = Part | Group


def expand(predicate: Predicate, catalogue: Catalogue) -> Node:
    """The parts of a predicate.  An address without a cell is a `FacetoryError` that names the nearest.

    Two selections are compared cell by cell along labels that they share, and each with each along others; a
    cell is not compared with itself.
    """
    for joint in ("all", "any", "most"):
        if (members := getattr(predicate, joint)) is not None:
            return Group(joint, tuple(expand(member, catalogue) for member in members))
    if predicate.equal is not None:
        found = [_sides(operand, catalogue) for operand in predicate.equal]
        margin = -float(predicate.within or 0)
        both = (found, found[::-1])
        parts = [Part(a, b, margin, strict=False) for x, y in both for a, b in _matched(x, y)]
    else:
        chain, strict = predicate.greater or predicate.at_least or (), predicate.greater is not None
        found = [_sides(operand, catalogue) for operand in chain]
        strict = strict and not predicate.by
        parts = [Part(a, b, predicate.by, strict) for x, y in pairwise(found) for a, b in _matched(x, y)]
    return parts[0] if len(parts) == 1 else Group("all", tuple(parts))


def leaves(node: Node) -> Iterator[Part]:
    """The parts of a node, in order."""
    if isinstance(node, Part):
        yield node
    else:
        for member in node.members:
            yield from leaves(member)


def _sides(operand: Operand, catalogue: Catalogue) -> list[Side]:
    if isinstance(operand, float):
        return [Side((), operand, f"{operand:.4g}")]
    if isinstance(operand, Minus):
        first, second = (_single(each, catalogue) for each in operand.minus)
        text = f"({first.text} − {second.text})"
        return [_sum(first, 1.0, second, -1.0, text)]
    if isinstance(operand, Times):
        factor, side = operand.times[0], _single(operand.times[1], catalogue)
        return [_sum(side, factor, Side((), 0.0, ""), 0.0, f"{factor:g} × {side.text}")]
    if isinstance(operand, Selection):
        asked = [Address(operand.table, *labels) for labels in product(operand.rows, operand.columns)]
    else:
        asked = [parse(operand)]
    return [_side(address.table, cell) for address in asked for cell in _cells(address, catalogue)]


def _cells(address: Address, catalogue: Catalogue) -> list[PrintedCell]:
    """The cells at an address; ``*`` leaves out dashes and what is not the paper's."""
    found = find(catalogue, address)
    if "*" in (address.row, address.column):
        found = [cell for cell in found if cell.kind != "not_applicable" and not cell.ours]
    return found


def _side(table: str, cell: PrintedCell) -> Side:
    _, row, column = address_of(table, cell)
    return Side(((cell.id, 1.0),), 0.0, f"{row}, {column}", row, column)


def _single(operand: Operand, catalogue: Catalogue) -> Side:
    found = _sides(operand, catalogue)
    if len(found) != 1:
        raise FacetoryError(
            f"{operand}: selects {len(found)} cells inside minus or times, which take one each. Name one."
        )
    return found[0]


def _sum(a: Side, p: float, b: Side, q: float, text: str) -> Side:
    terms = [*((cell, p * c) for cell, c in a.terms), *((cell, q * c) for cell, c in b.terms)]
    return Side(tuple(terms), p * a.constant + q * b.constant, text)


def _matched(left: list[Side], right: list[Side]) -> list[tuple[Side, Side]]:
    """Which of the left is compared with which of the right."""
    shared = [
        label
        for label in ("row", "column")
        if {getattr(side, label) for side in left} == {getattr(side, label) for side in right}
    ]
    found = [
        (a, b)
        for a, b in product(left, right)
        if a.terms != b.terms and all(getattr(a, label) == getattr(b, label) for label in shared)
    ]
    if not found:
        texts = [", ".join(side.text for side in sides) for sides in (left, right)]
        raise FacetoryError(f"{texts[0]} against {texts[1]}: nothing to compare. Name other cells.")
    return found
