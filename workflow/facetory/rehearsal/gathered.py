"""All of a rehearsal's coverage in one record, from the folders that its run left behind."""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import chain
from pathlib import Path

from facetory.pipeline.registry import Plan
from facetory.rehearsal.coverage import Coverage
from facetory.rehearsal.evidence import Evidence, edited, stages
from facetory.rehearsal.functions import functions
from facetory.rehearsal.traces import read_trace


def gather(
    plans: Mapping[str, Plan], scale: str, rehearsal: bool, results: Path, trace: Path, metadata: Path
) -> Coverage:
    """What of the workflow ran: ``plans`` are a study's at ``scale``, the rest what its run left behind.

    ``results`` is results/<scale>, ``trace`` the folder of FACETORY_TRACE, ``metadata`` Snakemake's.  A trace
    without a journal, and unreadable manifests and cells, are `FacetoryError`s.
    """
    found = read_trace(trace)
    evidence = Evidence(found, results, metadata)
    items = chain(
        evidence.rules(),
        evidence.targets(plans),
        evidence.loaders(),
        evidence.layouts(),
        evidence.formats(),
        evidence.modules(),
    )
    every = functions()
    ran = [function.ran(evidence.lines) for function in every]
    manifests = evidence.manifests.values()
    return Coverage(
        scale=scale,
        rehearsal=rehearsal,
        date=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        devices=sorted({str(manifest["device"]) for manifest in manifests if manifest.get("device")}),
        commits=sorted({str(manifest["git_commit"]) for manifest in manifests if manifest.get("git_commit")}),
        items=list(items),
        stages=stages(found.commands),
        functions=(sum(map(bool, ran)), len(every)),
        statements=(sum(ran), sum(len(function.statements) for function in every)),
        edited=edited(trace, evidence.lines),
        lost=found.lost,
    )
