"""What each job of a study computes: the wings' own accounts, found by the job's rule."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from facetory.adaptdiff import work as adaptdiff
from facetory.affectdiff import work as affectdiff
from facetory.cli.study import WholeStudy
from facetory.cli.walk import Job
from facetory.diffusion.work import encoding
from facetory.emodc import work as emodc
from facetory.faces.corrupt import NAMES as CORRUPTIONS
from facetory.pipeline.work import Sizes, Work, bounded
from facetory.recognition import work as recognition
from facetory.smc import work as smc

COMPUTED: dict[str, Callable[[Any, Sizes], Work]] = {
    "train_emodc": emodc.training,
    "evaluate_emodc": emodc.evaluation,
    "race_emodc": emodc.race,
    "generate_emodc": emodc.generation,
    "train_classifier": recognition.training,
    "evaluate_classifier": recognition.evaluation,
    "train_smc": smc.training,
    "distil_decoder": smc.distillation,
    "sample_smc": smc.samples,
    "measure_smc": smc.measure,
    "reconstruct_smc": smc.reconstruction,
    "train_recognizer": affectdiff.training,
    "score_recognizer": affectdiff.score,
    "counterfact": affectdiff.counterfactual,
    "embed_contexts": adaptdiff.contexts,
    "train_generator": adaptdiff.training,
    "measure_separability": adaptdiff.separability,
    "audit_leakage": adaptdiff.audit,
    "train_face_recognizer": recognition.recogniser,
    "verify_faces": recognition.verification,
}
"""Stages whose work is rows through networks."""
TIMED = ("time_emodc", "time_recognizers", "extract_features")
"""Stages that use a GPU and whose work is not counted: two that measure time, and features of a corpus."""


def work_of(job: Job, study: WholeStudy, sizes: Sizes, cost: Callable[[str], float]) -> Work | None:
    """Rows by network and pass; None for a stage that no GPU works on.

    ``cost`` is a row's operations through a network.  Data of unknown size are a `SizeUnknown`.
    """
    if job.rule == "edit_smc":
        return smc.edit(job.spec, sizes, cost)  # type: ignore[arg-type]
    if job.rule == "synthesise":
        whole = adaptdiff.synthesis(job.about["synthesis"], sizes)
        return {key: rows / job.about["shards"] for key, rows in whole.items()}
    if job.rule in ("encode_latents", "encode_corrupted"):
        return _encoding(job, study, sizes)
    computed = COMPUTED.get(job.rule)
    return computed(job.spec, sizes) if computed else None


def _encoding(job: Job, study: WholeStudy, sizes: Sizes) -> Work:
    about = job.about
    dataset, split = about["dataset"], about["split"]
    samples = sizes.samples(dataset, split)
    work = partial(encoding, about["backbone"], about["px"])
    if about["corruption"] == "clean":
        return work(samples, 2)
    asked: list[Any] = [e for e in study.evaluations.values() if e.dataset == dataset]  # type: ignore[attr-defined]
    limits = [e.images_per_class for e in asked if e.corruptions != ("clean",)]
    limit = None if None in limits or not limits else max(limits)
    pictures = len(CORRUPTIONS) if job.rule == "encode_corrupted" else 1
    return work(bounded(samples, limit, sizes.classes(dataset)), pictures)
