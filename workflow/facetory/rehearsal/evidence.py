"""From a trace, Snakemake's metadata and a results folder to what ran, and why the rest did not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from facetory.data import catalogue
from facetory.pipeline.files import read_json
from facetory.pipeline.provenance import PACKAGE
from facetory.pipeline.registry import Plan
from facetory.rehearsal.coverage import Item, Kind, Stage, State
from facetory.rehearsal.formats import FORMATS, matching, unread
from facetory.rehearsal.functions import Function, functions
from facetory.rehearsal.reasons import Reasons, reasons
from facetory.rehearsal.rules import Rule, jobs, rules
from facetory.rehearsal.traces import Command, Trace
from facetory.report.cells import read_cells

BUILDS_ERROR = "makes an error message, which only a mistake in the input calls for"
INTERRUPTED = 75
"""Exit status of a training that was stopped on purpose (EX_TEMPFAIL)."""


class Evidence:
    """What a run left behind; every method gives the items of one kind, in their own order.

    ``metadata`` is Snakemake's folder of that name, of which the outputs below ``results`` count.
    """

    def __init__(self, trace: Trace, results: Path, metadata: Path, why: Reasons | None = None) -> None:
        self.trace, self.results, self.metadata = trace, results, metadata
        self.lines = trace.lines()
        self.why = reasons() if why is None else why

    @cached_property
    def manifests(self) -> dict[Path, dict[str, Any]]:
        """Every manifest of the results by its path; an unreadable one is a `FacetoryError`."""
        return {path: read_json(path) for path in sorted(self.results.rglob("manifest.json"))}

    @cached_property
    def inputs(self) -> set[str]:
        """The files that manifests name among their inputs."""
        return {str(file) for manifest in self.manifests.values() for file in manifest.get("inputs") or ()}

    def rules(self, declared: Iterable[Rule] | None = None) -> Iterator[Item]:
        """The workflow's rules: jobs that ended, and their seconds."""
        ended: dict[str, list[float]] = {}
        for job in jobs(self.metadata, f"{self.results.parent.name}/{self.results.name}"):
            ended.setdefault(job.rule, []).append(job.seconds)
        for rule in rules() if declared is None else declared:
            seconds = ended.get(rule.name, [])
            facts = {"file": rule.file, "jobs": len(seconds), "seconds": round(sum(seconds), 1)}
            yield self._item("rule", "rules", rule.name, bool(seconds), rule.about, facts)

    def targets(self, plans: Mapping[str, Plan]) -> Iterator[Item]:
        """The study's tables and figures: cells by status, and the reasons of those that were not run."""
        for name, plan in plans.items():
            made = [
                path
                for folder in ("tables", "figures")
                if (path := self.results / folder / f"{name}.cells.json").is_file()
            ]
            facts: dict[str, Any] = {}
            if made:
                cells = read_cells(made[0]).cells
                missed = Counter(cell.reason or "" for cell in cells if cell.status == "not_run")
                facts = {
                    "made": sorted(path.parent.name for path in made),
                    "cells": dict(Counter(cell.status for cell in cells)),
                    "not_run": dict(missed),
                }
            yield self._item("target", "targets", name, bool(made), f"{plan.source}: {plan.title}", facts)

    def loaders(self) -> Iterator[Item]:
        """The catalogue's datasets: whether one was indexed, and how much of its loader's module ran."""
        indexed = Counter(
            str((manifest.get("spec") or {}).get("dataset"))
            for path, manifest in self.manifests.items()
            if path.relative_to(self.results).parts[0] in ("datasets", "corpora", "benchmarks")
        )
        layouts = _layouts()
        read = {layouts.get(each.name) for each in self.trace.read if each.status == "read"}
        for entry in catalogue.entries().values():
            module = f"data.{entry.loader}"
            own = [function for function in functions() if function.module == module]
            facts = {"module": module, **self._shares(own), "indexed": indexed[entry.name]}
            done = bool(indexed[entry.name]) or entry.name in read
            yield self._item("loader", "loaders", entry.name, done, entry.title, facts)

    def layouts(self) -> Iterator[Item]:
        """The other layouts that loaders know, as `facetory rehearse readers` found them."""
        found = {each.name: each for each in self.trace.read if each.kind == "layout"}
        for name, dataset in _layouts().items():
            read = found.get(name)
            state: State = "ran" if read and read.status == "read" else "unexplained"
            reason = "" if state == "ran" else read.detail if read else "nobody read it"
            yield Item(kind="layout", name=name, about=dataset, state=state, reason=reason)

    def formats(self) -> Iterator[Item]:
        """The file formats of `formats.FORMATS`."""
        known = {function.full_name: function for function in functions()}
        for name, wanted in FORMATS.items():
            missing = unread(wanted, self.trace, known, self.inputs)
            files = sorted({Path(file).name for file in matching(wanted, self.inputs)})
            facts: dict[str, Any] = {"readers": list(wanted.readers), "files": files}
            if missing:
                facts["missing"] = missing
            yield self._item("format", "formats", name, missing is None, "", facts)

    def modules(self) -> Iterator[Item]:
        """The package's modules: functions entered, statements run, and what was never entered and why."""
        by_module: dict[str, list[Function]] = {}
        for function in functions():
            by_module.setdefault(function.module, []).append(function)
        for module, own in by_module.items():
            missed = {each.name: self._why_missed(each) for each in own if not each.ran(self.lines)}
            unexplained = [name for name, reason in missed.items() if not reason]
            state: State = "explained" if len(missed) == len(own) else "ran"
            if unexplained:
                state = "unexplained"
            facts = {**self._shares(own), "missed": missed}
            told = "; ".join(dict.fromkeys(reason for reason in missed.values() if reason))
            reason = f"never entered: {', '.join(unexplained)}" if unexplained else told
            yield Item(kind="module", name=module, state=state, reason=reason, facts=facts)

    def _item(
        self, kind: Kind, section: str, name: str, ran: bool, about: str, facts: dict[str, Any]
    ) -> Item:
        reason = None if ran else self.why.of(section, name)
        state: State = "ran" if ran else "explained" if reason else "unexplained"
        return Item(kind=kind, name=name, about=about, state=state, reason=reason or "", facts=facts)

    def _why_missed(self, function: Function) -> str:
        known = BUILDS_ERROR if function.builds_error else None
        return known or self.why.of("functions", function.full_name) or ""

    def _shares(self, own: list[Function]) -> dict[str, Any]:
        ran = [function.ran(self.lines) for function in own]
        statements = sum(len(function.statements) for function in own)
        return {"functions": [sum(map(bool, ran)), len(own)], "statements": [sum(ran), statements]}


def stages(commands: Iterable[Command]) -> list[Stage]:
    """The commands of a journal by their verbs, the longest first."""
    by_verb: dict[str, list[Command]] = {}
    for command in commands:
        by_verb.setdefault(command.verb, []).append(command)
    found = [_stage(verb, own) for verb, own in by_verb.items()]
    return sorted(found, key=lambda stage: -stage.seconds)


def edited(trace: Path, lines: Iterable[str], package: Path = PACKAGE) -> list[str]:
    """Module files that were changed after the first lines of a trace were recorded."""
    first = min((path.stat().st_mtime for path in (trace / "lines").glob("*")), default=0.0)
    present = [file for file in lines if (package / file).is_file()]
    return sorted(file for file in present if (package / file).stat().st_mtime > first)


def _stage(verb: str, own: list[Command]) -> Stage:
    on_gpu = [command.cuda_peak_mb for command in own if command.cuda_peak_mb is not None]
    return Stage(
        verb=verb,
        commands=len(own),
        seconds=round(sum(command.seconds for command in own), 1),
        cpu_seconds=round(sum(command.cpu_seconds for command in own), 1),
        peak_rss_mb=max(command.peak_rss_mb for command in own),
        cuda_peak_mb=max(on_gpu, default=None),
        interrupted=sum(command.status == INTERRUPTED for command in own),
        failed=sum(command.status not in (0, INTERRUPTED) for command in own),
    )


def _layouts() -> dict[str, str]:
    """The dataset of each other layout that the rehearsal fabricates."""
    from facetory.rehearsal.datasets import LAYOUTS

    return {name: layout.dataset for name, layout in LAYOUTS.items()}
