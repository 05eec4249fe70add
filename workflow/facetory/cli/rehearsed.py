"""The coverage page of a rehearsal, from a study and what its run left behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from facetory.rehearsal.coverage import Coverage

METADATA = Path(".snakemake/metadata")
"""Where Snakemake keeps what it knows of its outputs, below the folder that it ran in."""


def write_coverage(
    config: dict[str, Any] | Path, results: Path, trace: Path, folder: Path, metadata: Path = METADATA
) -> Coverage:
    """Write index.html and coverage.json into ``folder`` and return what they say.

    ``config`` is config.yaml or its content at the scale of the ``results``; ``trace`` is the folder that
    FACETORY_TRACE named.  A trace without a journal is a `FacetoryError`.
    """
    from facetory.cli.study import load_study
    from facetory.rehearsal.coverage_page import write_page
    from facetory.rehearsal.gathered import gather

    study = load_study(config)
    found = gather(study.plans, study.settings.name, study.settings.rehearsal, results, trace, metadata)
    write_page(found, folder)
    return found
