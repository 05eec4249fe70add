"""Sums of Affect-Diff's scores on the same segments: one bootstrap over videos for all of them together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from facetory.affectdiff import estimates
from facetory.affectdiff.records import Records
from facetory.pipeline.registry import PlannedCell
from facetory.report.claims.pairing import Paired, Term
from facetory.report.measured import manifests_of, why_unmade


def combination(terms: Sequence[Term], root: Path | str) -> Paired | None:
    """Σ coefficient · score under the same resamples, and for each seed where all have the same seeds.

    None where a cell is no score, was not made, or is of another split or other segments.
    """
    read = [_read(cell, Path(root)) for _, _, cell in terms]
    found = [records for records in read if records]
    splits = {
        estimates.METRICS[cell.metric.partition(" ")[0]].split for _, _, cell in terms if records_of(cell)
    }
    if len(found) < len(read) or len(splits) > 1:
        return None
    (split,) = splits
    if len({tuple(getattr(r, f"{split}_segments")) for records in found for r in records}) > 1:
        return None
    asked = [
        (coefficient, cell.metric, records)
        for (coefficient, _, cell), records in zip(terms, found, strict=True)
    ]
    by_seed: tuple[float, ...] = ()
    if len({cell.seeds for _, _, cell in terms}) == 1:
        by_seed = tuple(
            estimates.value([(c, metric, [records[i]]) for c, metric, records in asked])
            for i in range(len(found[0]))
        )
    return Paired(estimates.combination(asked), by_seed)


def records_of(cell: PlannedCell) -> bool:
    """Whether a cell is a score that is derived from score records alone."""
    return cell.metric.partition(" ")[0] in estimates.METRICS and " minus" not in cell.metric


def _read(cell: PlannedCell, root: Path) -> list[Records] | None:
    """A cell's score records, one a seed."""
    if not records_of(cell) or cell.not_run:
        return None
    manifests = manifests_of(cell, root)
    if why_unmade(manifests):
        return None
    scores = [path for path in manifests if path.parent.parent.name == "scores"]
    return [estimates.stored(path.with_name("records.safetensors")) for path in scores]
