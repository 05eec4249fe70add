"""From a job to the jobs that it waits for, as the rules have it: evaluation, run, latents, faces, data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from facetory.adaptdiff.planning import shard_count
from facetory.cli.study import WholeStudy
from facetory.faces.corrupt import NAMES as CORRUPTIONS
from facetory.pipeline.spec import Spec

RULES = {
    "runs": "train_emodc",
    "classifiers": "train_classifier",
    "evaluations": "evaluate_emodc",
    "classifications": "evaluate_classifier",
    "generations": "generate_emodc",
    "timings": "time_emodc",
    "races": "race_emodc",
    "diffusions": "train_smc",
    "decoders": "distil_decoder",
    "samples": "sample_smc",
    "edits": "edit_smc",
    "measures": "measure_smc",
    "reconstructions": "reconstruct_smc",
    "corpora": "index_corpus",
    "extractions": "extract_features",
    "alignments": "align_corpus",
    "recognizers": "train_recognizer",
    "scores": "score_recognizer",
    "latencies": "time_recognizers",
    "counterfactuals": "counterfact",
    "face_sets": "make_face_set",
    "contexts": "embed_contexts",
    "generators": "train_generator",
    "pools": "draw_identities",
    "syntheses": "gather_synthesis",
    "audits": "audit_leakage",
    "separations": "measure_separability",
    "face_recognizers": "train_face_recognizer",
    "benchmarks": "make_benchmark",
    "verifications": "verify_faces",
}
"""The dictionaries of a `Study`, and the rule that makes what each of them holds."""
LATENTS = {
    **dict.fromkeys(
        ("train_emodc", "train_smc", "distil_decoder", "train_generator", "train_classifier"), "train"
    ),
    **dict.fromkeys(("evaluate_emodc", "race_emodc", "evaluate_classifier"), "its own"),
}
"""Rules that read latents, and of which split."""
FACES = {
    "train_classifier",
    "evaluate_classifier",
    "time_emodc",
    "edit_smc",
    "reconstruct_smc",
    "make_face_set",
}
"""Rules that read aligned faces."""
PROMPTS = {"train_emodc", "evaluate_emodc", "race_emodc", "generate_emodc", "time_emodc"}
"""Rules that read the prompts of a dataset's classes."""
DECODERS = {"edit_smc", "sample_smc", "distil_decoder", "reconstruct_smc"}
"""Rules that read the autoencoder itself."""


class Job(NamedTuple):
    """One job: its rule, the file it makes below the results folder, and what it was asked for.

    ``spec`` is None where the path says everything; ``about`` then names what the job works on.
    """

    rule: str
    output: str
    spec: Spec | None = None
    about: dict[str, Any] = {}


class Walk:
    """What waits for what in one study."""

    def __init__(self, study: WholeStudy) -> None:
        self.study = study
        self.made = {name: (kind, spec) for kind in RULES for name, spec in getattr(study, kind).items()}
        orders = {getattr(spec, "order", "") for spec in study.evaluations.values()}
        self.corrupt_first = "corrupt_then_align" in orders

    def before(self, job: Job) -> Iterator[Job]:
        """The jobs that a job waits for."""
        about = job.about
        if job.spec is not None:
            yield from self._nested(job.spec)
            yield from self._beside(job.rule, job.spec)
        elif "plan" in about:
            for path in self.study.plans[about["plan"]].inputs:
                kind, name = path.split("/")[:2]
                yield self._faces(name) if kind == "faces" else self._named(name)
        elif job.rule in ("encode_latents", "encode_corrupted"):
            first = "clean" if job.rule == "encode_corrupted" else about["corruption"]
            yield from (self._faces(about["dataset"], first), self._backbone(about["backbone"]))
        elif job.rule == "embed_prompts":
            yield from (self._dataset(about["dataset"]), self._backbone(about["backbone"]))
        elif job.rule in ("align_faces", "align_corrupted"):
            yield self._dataset(about["dataset"])

    def _named(self, name: str) -> Job:
        """The job that makes what a spec's id names."""
        kind, spec = self.made[name]
        folder = "evaluations" if kind == "classifications" else kind
        file = "timing.json" if kind == "timings" else "manifest.json"
        return Job(RULES[kind], f"{folder}/{name}/{file}", spec)

    def _nested(self, spec: Spec) -> Iterator[Job]:
        """The jobs of the specs that stand in a spec, and of those that it names by id or folder.

        What is taken over from its authors' weights is made from nothing else.
        """
        for value in () if getattr(spec, "weights", None) else _values(spec):
            name = value.id if isinstance(value, Spec) else str(value).rpartition("/")[2]
            if name in self.made:
                yield self._named(name)
            elif isinstance(value, Spec):
                yield from self._nested(value)

    def _beside(self, rule: str, spec: Any) -> Iterator[Job]:
        """What a job reads beside what its spec names."""
        model = spec if getattr(spec, "backbone", "") else getattr(spec, "train", spec)
        view = getattr(getattr(spec, "train", spec), "view", "")
        if rule in LATENTS and view != "faces" and not getattr(spec, "weights", None):
            split = "train" if LATENTS[rule] == "train" else spec.split
            for dataset in (spec.dataset, *getattr(spec, "also", ())):
                asked = getattr(spec, "corruptions", ("clean",))
                yield from self._latents(model.backbone, dataset, model.px, split, asked)
        if rule in FACES and view != "latents":
            yield self._faces(spec.dataset)
            if getattr(spec, "order", "") == "corrupt_then_align":
                yield from (self._faces(spec.dataset, corruption) for corruption in spec.corruptions)
        if rule in PROMPTS:
            about = {"backbone": model.backbone, "dataset": spec.dataset}
            yield Job("embed_prompts", f"text/{model.backbone}/{spec.dataset}.safetensors", about=about)
        if rule in DECODERS:
            yield self._backbone(model.backbone)
        if rule == "gather_synthesis":
            yield from self._shards(spec)
        elif rule == "audit_leakage":
            yield self._named(spec.synthesis.generator.contexts.id)
        elif rule == "align_corpus":
            for name, own in self.study.extractions.items():
                if own.corpus == spec.corpus and (own.modality, own.features) in spec.extractions:  # type: ignore[attr-defined]
                    yield self._named(name)

    def _shards(self, spec: Any) -> Iterator[Job]:
        """The jobs that draw a synthetic set."""
        count = shard_count(spec, self.study.settings)
        for shard in range(1, count + 1):
            path = f"syntheses/{spec.id}/shards/{shard}of{count}/manifest.json"
            yield Job("synthesise", path, about={"synthesis": spec, "shards": count})
        yield self._backbone(spec.generator.backbone)

    def _latents(
        self, backbone: str, dataset: str, px: int, split: str, corruptions: Iterable[str]
    ) -> Iterator[Job]:
        """The latents of a split; corrupted ones in one job, unless they are corrupted before alignment."""
        for corruption in corruptions:
            together = corruption != "clean" and not self.corrupt_first
            rule, first = ("encode_corrupted", CORRUPTIONS[0]) if together else ("encode_latents", corruption)
            path = f"latents/{backbone}/{dataset}/{px}/{first}/{split}.safetensors"
            about = {"backbone": backbone, "dataset": dataset, "px": px, "split": split}
            yield Job(rule, path, about={**about, "corruption": corruption})

    def _faces(self, dataset: str, corruption: str = "clean") -> Job:
        """A dataset's aligned faces, clean, or of pictures that were corrupted first."""
        about = {"dataset": dataset, "corruption": corruption}
        if corruption == "clean":
            return Job("align_faces", f"faces/{dataset}/ledger.csv", about=about)
        return Job("align_corrupted", f"corrupted/{corruption}/{dataset}/ledger.csv", about=about)

    def _dataset(self, name: str) -> Job:
        return Job("index_dataset", f"datasets/{name}/manifest.json", about={"dataset": name})

    def _backbone(self, name: str) -> Job:
        return Job("place_backbone", f"backbones/{name}/manifest.json", about={"backbone": name})


def _values(spec: Spec) -> Iterator[Any]:
    """The values of a spec's fields, and the parts of those that are tuples."""
    for name in type(spec).model_fields:
        value = getattr(spec, name)
        yield from value if isinstance(value, tuple) else (value,)
