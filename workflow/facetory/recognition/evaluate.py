"""Evaluating a discriminative classifier: records of −log p(c|x), clean and under corruptions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from facetory.faces.corrupt import CLEAN
from facetory.faces.views import batches, choose
from facetory.metrics.records import Records, write_records
from facetory.pipeline.files import FacetoryError, read_json, read_metadata, sha256_of
from facetory.pipeline.provenance import manifest
from facetory.pipeline.sampling import balanced
from facetory.recognition.networks import load, prepare_for
from facetory.recognition.spec import ClassifierEvalSpec
from facetory.recognition.views import latent_views


class Scores(NamedTuple):
    """A corruption's −log p(c|x), errors (n, K) float32, and whose they are."""

    corruption: str
    errors: np.ndarray
    labels: np.ndarray
    sample_ids: list[str]
    persons: list[str]
    classes: list[str]


def evaluate_classifier(
    spec: ClassifierEvalSpec,
    classifier: Path | str,
    source: Path | str | Mapping[str, Path | str],
    folder: Path | str,
    device: str = "cpu",
    slot: str = "",
    ledgers: Mapping[str, Path | str] | None = None,
) -> None:
    """Evaluate a trained classifier (its folder) on one split: {corruption}.safetensors and manifest.json.

    ``source`` is the ledger.csv of aligned faces, or for the view "latents" a mapping of the spec's
    corruptions to their files; ``ledgers`` maps corruptions to those of faces that were corrupted before
    they were aligned.  Errors are −log p(c|x), under the one timestep 0.  A dataset of other classes than
    the classifier's is a `FacetoryError`.  A classifier whose training failed is not evaluated: the
    manifest has status "not_run" and the reason.
    """
    folder, weights = Path(folder), Path(classifier) / "weights.safetensors"
    trained, manifest_path = read_json(Path(classifier) / "manifest.json"), folder / "manifest.json"
    ready = trained["status"] == "trained"
    read = [source[name] for name in spec.corruptions] if isinstance(source, Mapping) else [source]
    read += [ledgers[name] for name in spec.corruptions if name != CLEAN] if ledgers else []
    for stale in (manifest_path, *folder.glob("*.safetensors")):
        stale.unlink(missing_ok=True)
    with manifest(
        manifest_path,
        "classifier evaluate",
        spec.canonical(),
        ["recognition.evaluate"],
        [*read, *([weights] if ready else [])],
        device,
        spec.noise_seed,
    ) as record:
        if not ready:
            record |= {"status": "not_run", "reason": f"its training failed: {trained['reason']}"}
            return
        record |= {"status": "evaluated", "samples": {}, "outputs": {}}
        for scores in _scores(spec, Path(classifier), source, device, ledgers):
            result = folder / f"{scores.corruption}.safetensors"
            write_records(result, _records(spec, scores, slot))
            record["samples"][scores.corruption] = len(scores.errors)
            record["outputs"][result.name] = sha256_of(result)


def _records(spec: ClassifierEvalSpec, scores: Scores, slot: str) -> Records:
    errors, timesteps = scores.errors[:, None], np.zeros(1, dtype=np.int64)
    return Records(errors, timesteps, *scores[2:], slot, spec.dataset, spec.model_dump(mode="json"))


def _scores(
    spec: ClassifierEvalSpec,
    classifier: Path,
    source: Path | str | Mapping[str, Path | str],
    device: str,
    ledgers: Mapping[str, Path | str] | None,
) -> Iterator[Scores]:
    import torch

    torch.set_num_threads(spec.threads)
    judge = Judge(spec, classifier, device)
    if isinstance(source, Mapping):
        for corruption in spec.corruptions:
            yield _of_latents(judge, corruption, source[corruption])
        return
    corrupted = [name for name in spec.corruptions if name != CLEAN]
    if CLEAN in spec.corruptions:
        yield from _of_faces(judge, source, [CLEAN], None)
    if ledgers:
        for name in corrupted:
            yield from _of_faces(judge, ledgers[name], [name], spec.images_per_class)
    elif corrupted:
        yield from _of_faces(judge, source, corrupted, spec.images_per_class)


class Judge:
    """A trained network that says −log p(c|x) of images, classes in the order that is asked for."""

    def __init__(self, spec: ClassifierEvalSpec, classifier: Path, device: str) -> None:
        self.spec, self.folder = spec, classifier
        self.network, self.classes = load(classifier, spec.train, device)
        self.prepare = prepare_for(spec.train)

    def columns(self, classes: Sequence[str]) -> list[int]:
        """The network's output of each class; other classes than its own are a `FacetoryError`."""
        if set(classes) != set(self.classes):
            raise FacetoryError(
                f"{self.folder}: knows {', '.join(self.classes)}, but {self.spec.dataset} has "
                f"{', '.join(classes)}. Train a classifier on a dataset of those classes."
            )
        return [self.classes.index(name) for name in classes]

    def errors(self, images: np.ndarray, classes: Sequence[str]) -> np.ndarray:
        """−log p(c|x), (n, K) float32, of images (n, C, h, w)."""
        from facetory.recognition.expressions import log_probabilities

        found = log_probabilities(self.network, self.prepare, images, self.spec.batch_size)
        return -found[:, self.columns(classes)].numpy()


def _of_faces(judge: Judge, ledger: Path | str, names: list[str], limit: int | None) -> Iterator[Scores]:
    """Scores of faces under some corruptions, for all of which a face is read once."""
    spec = judge.spec
    chosen = choose(ledger, spec.split, limit, names)
    classes = list(chosen.classes)
    parts = [
        [judge.errors(images, classes) for images in views]
        for views in batches(
            chosen.folder, chosen.rows, spec.train.px, chosen.applied, spec.noise_seed, spec.batch_size
        )
    ]
    for name, errors in zip(names, zip(*parts, strict=True), strict=True):
        whose = (chosen.labels, chosen.sample_ids, chosen.persons, classes)
        yield Scores(name, np.concatenate(errors), *whose)


def _of_latents(judge: Judge, corruption: str, path: Path | str) -> Scores:
    """Scores of a corruption's latents; those of another corruption are refused."""
    held = read_metadata(path)["corruption"]
    if held != corruption:
        raise FacetoryError(
            f"{path}: holds latents of corruption {held}, not {corruption}. Encode them again."
        )
    samples = latent_views(path)
    if corruption != CLEAN:
        limit = judge.spec.images_per_class
        samples = samples.chosen(balanced(samples.labels, samples.sample_ids, limit))
    return Scores(corruption, judge.errors(samples.views[:, 0], samples.classes), *samples[1:])
