"""The claims of a paper, as workflow/papers/claims/<paper>.yaml has them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from facetory.pipeline.config import WORKFLOW, load_yaml
from facetory.pipeline.files import FacetoryError
from facetory.pipeline.suggest import validated
from facetory.report.address import find, parse
from facetory.report.claims.parts import Catalogue, Node, expand, leaves
from facetory.report.claims.predicate import Predicate
from facetory.report.claims.printed import printed


class Claim(BaseModel):
    """A claim, in the paper's words, and the predicate that it makes of cells.

    ``printed`` are numbers that the text prints of cells whose table does not, by address; ``exact`` says
    that its cells were counted (parameters, segments) and have no interval.
    """

    model_config = ConfigDict(extra="forbid")

    id: str
    text: str
    source: str
    predicate: Predicate
    printed: dict[str, float] = {}
    exact: bool = False


class ClaimsFile(BaseModel):
    """The claims of one paper."""

    model_config = ConfigDict(extra="forbid")

    paper: str
    claims: list[Claim] = Field(min_length=1)


class Posed(NamedTuple):
    """A claim taken apart, what its paper prints of its cells, and the cells' ids."""

    paper: str
    claim: Claim
    node: Node
    numbers: dict[str, float]
    evidence: list[str]


def claims_of(paper: str, path: Path | None = None) -> list[Posed]:
    """A paper's claims; an unknown key or cell, or an id used twice, is a `FacetoryError`."""
    path = path or WORKFLOW / "papers" / "claims" / f"{paper}.yaml"
    file, cells = validated(ClaimsFile, load_yaml(path), str(path)), printed(paper)
    ids = [claim.id for claim in file.claims]
    if twice := {name for name in ids if ids.count(name) > 1}:
        raise FacetoryError(f"{path}: {', '.join(sorted(twice))}: used twice. Give each claim its own id.")
    return [_posed(paper, claim, cells, path) for claim in file.claims]


def _posed(paper: str, claim: Claim, cells: Catalogue, path: Path) -> Posed:
    try:
        node = expand(claim.predicate, cells)
        own = {cell.id: value for at, value in claim.printed.items() for cell in find(cells, parse(at))}
    except FacetoryError as error:
        raise FacetoryError(f"{path}: {claim.id}: {error}") from error
    evidence = list(dict.fromkeys(cell for part in leaves(node) for cell in part.terms))
    values = {cell.id: cell.value for table in cells.values() for cell in table if cell.value is not None}
    numbers = {cell: values[cell] for cell in evidence if cell in values}
    return Posed(paper, claim, node, numbers | own, evidence)
