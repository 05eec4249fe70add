"""The rows of the coverage page's tables: what is shown of each kind of item, and under which headings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from facetory.rehearsal.coverage import Item, Stage, State

Value = str | int | float

HEADINGS: dict[str, list[str]] = {
    "rule": ["rule", "state", "jobs", "seconds", "what it does, or why it did not run"],
    "target": ["target", "state", "what it shows", "cells", "not run, or why"],
    "loader": ["dataset", "state", "what it is", "loader", "its functions", "its statements", "why not"],
    "layout": ["layout", "state", "dataset", "why not"],
    "format": ["format", "state", "read by", "files", "why not"],
    "module": ["module", "state", "functions", "statements", "never entered, and why"],
    "stage": ["command", "times", "seconds", "CPU seconds", "peak MiB", "peak MiB on the GPU", "ended badly"],
}


class Row(NamedTuple):
    """A name, its state (None of a command), and the other cells; numbers stay numbers."""

    name: str
    state: State | None
    cells: list[Value]


def row(item: Item) -> Row:
    """The row of an item under its kind's headings."""
    facts = item.facts
    cells: dict[str, list[Value]] = {
        "rule": [facts.get("jobs", 0), facts.get("seconds", 0.0), item.reason or item.about],
        "target": [item.about, _counts(facts.get("cells", {})), item.reason or _unmade(facts)],
        "loader": [
            item.about,
            facts.get("module", ""),
            _share(facts, "functions"),
            _share(facts, "statements"),
            item.reason,
        ],
        "layout": [item.about, item.reason],
        "format": [
            ", ".join(facts.get("readers", [])),
            ", ".join(facts.get("files", [])),
            item.reason or facts.get("missing", ""),
        ],
        "module": [_share(facts, "functions"), _share(facts, "statements"), _missed(facts.get("missed", {}))],
    }
    return Row(item.name, item.state, cells[item.kind])


def stage_row(stage: Stage) -> Row:
    """The row of a command."""
    ended = [
        *([f"{stage.failed} failed"] if stage.failed else []),
        *([f"{stage.interrupted} stopped on purpose"] if stage.interrupted else []),
    ]
    on_gpu: Value = "–" if stage.cuda_peak_mb is None else stage.cuda_peak_mb
    cells: list[Value] = [stage.commands, stage.seconds, stage.cpu_seconds, stage.peak_rss_mb, on_gpu]
    return Row(f"facetory {stage.verb}", None, [*cells, ", ".join(ended)])


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {status.replace('_', ' ')}" for status, number in counts.items())


def _unmade(facts: Mapping[str, Any]) -> str:
    return "; ".join(f"{number}: {reason}" for reason, number in facts.get("not_run", {}).items())


def _share(facts: Mapping[str, Any], name: str) -> str:
    ran, of = facts.get(name, (0, 0))
    return f"{ran} of {of}"


def _missed(missed: Mapping[str, str]) -> str:
    """Functions by their reasons, those without one first."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in missed.items():
        by_reason.setdefault(reason, []).append(name)
    return "; ".join(
        f"{', '.join(names)}: {reason or 'unexplained'}" for reason, names in sorted(by_reason.items())
    )
