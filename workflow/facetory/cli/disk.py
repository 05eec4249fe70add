"""Room that a job's results take, at most: pictures as if they were not compressed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from facetory.cli.study import WholeStudy
from facetory.cli.walk import Job
from facetory.cli.work_of import work_of
from facetory.pipeline.work import Sizes

HALF, SINGLE, CHANNELS = 2, 4, 3
"""Bytes of a number in half and in single precision; channels of a picture."""
COPIES = 5
"""Copies of what is trained: the result; in a checkpoint the weights, their mean, and Adam's two moments."""
PICTURES = 3
"""An edit keeps source, reconstruction and edit."""


def bytes_of(job: Job, study: WholeStudy, sizes: Sizes, counted: Mapping[str, Mapping[str, Any]]) -> float:
    """Bytes of a job's results; 0 for tables, records of scores and other small files."""
    spec: Any = job.about.get("synthesis", job.spec)
    match job.rule:
        case "align_faces" | "align_corrupted":
            return _aligned(job.about["dataset"], study, sizes)
        case "encode_latents" | "encode_corrupted":
            work = work_of(job, study, sizes, float)
            of_each = ((rows, counted[name]["out"]) for (name, _), rows in (work or {}).items())
            return sum(2 * HALF * rows * elements for rows, elements in of_each)
        case "evaluate_emodc":
            rows = sum((work_of(job, study, sizes, float) or {}).values())
            return SINGLE * rows
        case "synthesise":
            return CHANNELS * spec.px**2 * spec.identities * spec.images / job.about["shards"]
        case "make_face_set":
            return CHANNELS * spec.px**2 * sizes.samples(spec.dataset, spec.split)
        case "edit_smc":
            return PICTURES * CHANNELS * spec.train.px**2 * spec.images
    if job.rule.startswith("train_") or job.rule == "distil_decoder":
        work = work_of(job, study, sizes, float) or {}
        trained = (counted.get(name, {}).get("trained", 0) for name, how in work if how == "training")
        return COPIES * SINGLE * sum(trained)
    return 0.0


def _aligned(dataset: str, study: WholeStudy, sizes: Sizes) -> float:
    scale = study.settings.scale
    px = scale.faces_of.get(dataset, scale.faces).px
    samples = sum(sizes.samples(dataset, split) for split in ("train", "validation", "test"))
    return CHANNELS * px**2 * samples
