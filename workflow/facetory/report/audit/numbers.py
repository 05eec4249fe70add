"""The numbers that a paper prints, with what each of them is of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from facetory.pipeline.registry import panel_requests, requests
from facetory.report.audit.declared import Declared
from facetory.report.audit.finding import Finding, Outcome

Quantity = tuple[tuple[str, str], ...]
APART = {"row", "column", "published", "kind", "ours", "unit", "seeds", "seed", "repeat", "size", "images"}
APART |= {"snapshots", "reads_faces", "extra_prompts"}
"""Keys of a request that tell how it is shown or how much of it runs here, not what the paper measured."""


class Number(NamedTuple):
    """A printed number.

    ``id`` is its cell's; ``scale`` is 100 for percentages; equal requests are of equal ``quantity``.
    """

    id: str
    paper: str
    table: str
    source: str
    row: str
    column: str
    value: float
    decimals: int
    scale: int
    request: dict[str, Any]
    quantity: Quantity

    @property
    def printed(self) -> str:
        """The value with its decimals."""
        return f"{self.value:.{self.decimals}f}"

    @property
    def half(self) -> float:
        """Half a unit of the last printed decimal."""
        return 0.5 * 10.0**-self.decimals

    def finding(
        self, check: str, kind: str, outcome: Outcome, detail: str, evidence: Sequence[str]
    ) -> Finding:
        """What a check of this number gave."""
        return Finding(
            id=f"{kind}/{self.id}",
            paper=self.paper,
            source=self.source,
            row=self.row,
            column=self.column,
            value=self.printed,
            check=check,
            outcome=outcome,
            detail=detail,
            evidence=list(evidence),
        )


def decimals_of(values: Iterable[float]) -> int:
    """The most decimals that any of the values has: YAML keeps no trailing zeros."""
    return max((len(repr(float(v)).rstrip("0").partition(".")[2]) for v in values), default=0)


def numbers(paper: Mapping[str, Any], about: Declared) -> list[Number]:
    """Every number of a paper's tables and figures, in the order of its file."""
    found: list[Number] = []
    for name, layout in {**paper["tables"], **paper.get("figures", {})}.items():
        panels = "panels" in layout
        where = f"{about.paper}.yaml: {name}"
        asked = [*(panel_requests(layout) if panels else requests(layout, where))]
        printed = [request for request in asked if request["published"] is not None]
        for request in printed:
            alike = [other["published"] for other in printed if _kind(other) == _kind(request)]
            row = [request["slot"]] if panels else []
            found.append(
                Number(
                    id="/".join([f"{about.paper}_{name}", *row, request["row"], request["column"]]),
                    paper=about.paper,
                    table=name,
                    source=layout["source"],
                    row=request["row"],
                    column=request["column"],
                    value=request["published"],
                    decimals=decimals_of(alike),
                    scale=100 if request.get("unit", about.unit) == "%" else 1,
                    request=request,
                    quantity=quantity(request, paper, about),
                )
            )
    return found


def _kind(request: Mapping[str, Any]) -> tuple[str, str]:
    """What numbers of one table share that are printed with the same decimals."""
    return str(request.get("unit")), str(request.get("metric")).partition(" ")[0]


def quantity(request: Mapping[str, Any], paper: Mapping[str, Any], about: Declared) -> Quantity:
    """What a request is of: its keys and values without defaults; a quoted row is of its own label."""
    grid = paper.get("runs", {}).get(request.get("run"), {})
    first = {key: values[0] for key, values in grid.items()}
    defaults = {"train_slot": request.get("slot"), **about.defaults, **first}
    own = {
        key: str(value)
        for key, value in request.items()
        if key not in APART and (key not in defaults or value != defaults[key])
    }
    if request["kind"] == "quoted":
        own["quoted"] = request["row"]
    return tuple(sorted(own.items()))
