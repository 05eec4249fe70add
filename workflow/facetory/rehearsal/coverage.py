"""The record of what ran: each rule, target, loader, format and module, and why not where it did not."""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

State = Literal["ran", "explained", "unexplained"]
Kind = Literal["rule", "target", "loader", "layout", "format", "module"]
NAMES: dict[Kind, tuple[str, str]] = {
    "rule": ("rule", "rules"),
    "target": ("table or figure", "tables and figures"),
    "loader": ("dataset", "datasets"),
    "layout": ("other layout of a dataset", "other layouts of datasets"),
    "format": ("file format", "file formats"),
    "module": ("module", "modules"),
}
"""What an item of a kind is called, one and several."""


class Item(BaseModel):
    """Something that can run: ``reason`` says why it did not, ``facts`` what is known of how it ran."""

    model_config = ConfigDict(extra="forbid")

    kind: Kind
    name: str
    about: str = ""
    state: State
    reason: str = ""
    facts: dict[str, Any] = {}


class Stage(BaseModel):
    """The commands of one verb: sums of seconds, the largest process's memory in MiB, how they ended.

    ``interrupted`` are trainings that the rehearsal stopped on purpose, to resume them.
    """

    model_config = ConfigDict(extra="forbid")

    verb: str
    commands: int
    seconds: float
    cpu_seconds: float
    peak_rss_mb: float
    cuda_peak_mb: float | None = None
    interrupted: int = 0
    failed: int = 0


class Coverage(BaseModel):
    """The whole: ``date`` is ISO 8601 in UTC; devices and commits are those that manifests name.

    ``functions`` and ``statements`` are (executed, all) of the package; ``edited`` are modules whose files
    are younger than lines of theirs in the trace, ``lost`` the line files of processes that were killed.
    """

    model_config = ConfigDict(extra="forbid")

    scale: str
    rehearsal: bool
    date: str
    devices: list[str]
    commits: list[str]
    items: list[Item]
    stages: list[Stage]
    functions: tuple[int, int]
    statements: tuple[int, int]
    edited: list[str] = []
    lost: int = 0

    def of(self, kind: Kind) -> list[Item]:
        """The items of a kind, in order."""
        return [item for item in self.items if item.kind == kind]

    @property
    def unexplained(self) -> list[Item]:
        """The items that neither ran nor have a reason."""
        return [item for item in self.items if item.state == "unexplained"]

    def totals(self) -> list[str]:
        """A sentence a kind: ``31 of 38 rules ran, 7 did not for a stated reason, 0 are unexplained.``"""
        return [total(NAMES[kind][1], self.of(kind)) for kind in NAMES if self.of(kind)]


def total(name: str, items: list[Item]) -> str:
    """How many items ran, did not for a stated reason, or are unexplained, as a sentence."""
    states = Counter(item.state for item in items)
    parts = [
        f"{states['ran']} of {len(items)} {name} ran",
        f"{states['explained']} did not for a stated reason" if states["explained"] else "",
        f"{states['unexplained']} unexplained" if states["unexplained"] else "none unexplained",
    ]
    return ", ".join(part for part in parts if part) + "."
