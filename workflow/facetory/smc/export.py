"""From a trained diffusion model, its guide and what was measured to an editor that people can use."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from facetory.data.catalogue import entries
from facetory.diffusion.reference import Reference, weights_of
from facetory.faces.recorded import alignment_of
from facetory.metrics.bootstrap import Estimate, clusters, mean_estimate, share_estimate
from facetory.pipeline.files import FacetoryError, open_tensors, read_json, read_metadata
from facetory.pipeline.spec import BackboneSpec
from facetory.pipeline.suggest import validated
from facetory.recognition.spec import ClassifierSpec
from facetory.smc.model_card import card
from facetory.smc.model_folder import Data, Guide, Measured, Model, Opened, Score, write_model
from facetory.smc.sampler_spec import READINGS, Sampler
from facetory.smc.settings import in_reading
from facetory.smc.spec import MeasureSpec, SMCTrainSpec

SCORES = (
    "flip_rate",
    "judge_target",
    "guide_target",
    "realism",
    "identity",
    "identity_reconstruction",
    "distance",
    "distance_reconstruction",
)
"""What is taken from measures: the flip rate among eligible faces, and means over all faces."""


class Made(NamedTuple):
    """What an editor is made from: folders under results/<scale>/.

    ``diffusion`` and ``classifier`` (the guide) as their stages wrote them, the autoencoder's manifest
    ``backbone``, ``faces`` (of the dataset that the model learnt from), ``datasets`` (the folder that holds
    them all), ``measures`` any number.
    """

    diffusion: Path
    classifier: Path
    backbone: Path
    faces: Path
    datasets: Path
    measures: tuple[Path, ...] = ()


def beside(diffusion: Path | str, classifier: Path | str, measures: Sequence[Path | str] = ()) -> Made:
    """What lies beside a diffusion model in a folder of results."""
    diffusion = Path(diffusion)
    spec = validated(SMCTrainSpec, read_json(diffusion / "manifest.json").get("spec"), str(diffusion))
    root = diffusion.resolve().parents[1]
    return Made(
        diffusion,
        Path(classifier),
        root / "backbones" / spec.backbone / "manifest.json",
        root / "faces" / spec.dataset,
        root / "datasets",
        tuple(map(Path, measures)),
    )


def opened(
    made: Made,
    name: str | None = None,
    sampler: Sampler | str | None = None,
    stands_in_for: str | None = None,
    batch_rows: int = 16,
) -> Opened:
    """An editor, its files where they lie; ``name`` is by default the diffusion model's.

    ``sampler`` (or a reading, at the same sizes) is by default that of the first measures, else the baseline
    of the training's reading.  A part whose training failed, or measures of another model, are a
    `FacetoryError`.
    """
    about, guide = _trained(made.diffusion), _trained(made.classifier)
    spec = validated(SMCTrainSpec, about["spec"], str(made.diffusion / "manifest.json"))
    guide_spec = validated(ClassifierSpec, guide["spec"], str(made.classifier / "manifest.json"))
    measured = tuple(_measured(folder, spec, guide_spec) for folder in made.measures)
    usual = measured[0].sampler if measured else Sampler(**READINGS[spec.reading])
    placed = read_json(made.backbone)
    backbone = BackboneSpec.model_validate(placed["spec"])
    snapshot = Path(placed["folder"])
    names = dict.fromkeys((spec.dataset, *spec.also))
    data = tuple(data_of(dataset, made.datasets) for dataset in names)
    guide_data = data_of(guide_spec.dataset, made.datasets)
    licences = {f"data: {own.licence}": None for own in (*data, guide_data)}
    model = Model(
        name=name or spec.id,
        licence="; ".join([*licences, f"autoencoder: {backbone.licence}"]),
        facetory=version("facetory"),
        classes=tuple(guide["classes"]),
        px=spec.px,
        faces=alignment_of(made.faces / "manifest.json"),
        sampler=in_reading(usual, sampler) if isinstance(sampler, str) else sampler or usual,
        batch_rows=batch_rows,
        autoencoder=Reference(
            name=backbone.name,
            source=backbone.source,
            revision=backbone.revision,
            sha256=weights_of(snapshot, ["vae"]),
            licence=backbone.licence,
        ),
        scaling_factor=_scaling_factor(snapshot),
        guide=Guide(spec=guide_spec, data=guide_data, origin=_origin(guide)),
        training=spec,
        data=data,
        stands_in_for=stands_in_for,
        measured=measured,
    )
    return Opened(model, made.diffusion, made.classifier, snapshot, made.diffusion)


def export(model: Opened, folder: Path | str) -> None:
    """Write a model's folder with its card."""
    write_model(folder, model, card(model.about))


def _trained(folder: Path) -> dict[str, Any]:
    about = read_json(folder / "manifest.json")
    if about["status"] != "trained":
        raise FacetoryError(f"{folder}: its training failed: {about['reason']} There is no editor to make.")
    return about


def _scaling_factor(snapshot: Path) -> float:
    from facetory.diffusion.backbone import load_vae

    return float(load_vae(snapshot).config.scaling_factor)


def data_of(name: str, datasets: Path) -> Data:
    """What the dataset's manifest says of it, or else the catalogue."""
    known, path = entries().get(name), datasets / name / "manifest.json"
    about = read_json(path) if path.is_file() else {}
    if not (about or known):
        raise FacetoryError(f"{path}: missing, and {name} is not in the catalogue: its licence is unknown.")
    counts = about.get("counts", {}).get("train") or _images(path.with_name("index.csv"))
    return Data(
        dataset=name,
        title=about.get("title") or (known.title if known else name),
        licence=about.get("licence") or (known.licence if known else ""),
        images=sum(counts.values()) if isinstance(counts, dict) else counts,
    )


def _images(index: Path) -> int | None:
    """How many images an index has for training, for a dataset whose manifest counts people instead."""
    if not index.is_file():
        return None
    with index.open(encoding="utf-8", newline="") as handle:
        return sum(row["split"] == "train" for row in csv.DictReader(handle))


def _origin(guide: dict[str, Any]) -> str | None:
    origin = guide.get("origin")
    return origin and f"{origin['source']} sha256 {origin['sha256']}"


def _measured(folder: Path, train: SMCTrainSpec, guide: ClassifierSpec) -> Measured:
    about = read_json(folder / "manifest.json")
    if about["status"] != "measured":
        raise FacetoryError(f"{folder}: not measured: {about.get('reason')} Name measures that came out.")
    spec = validated(MeasureSpec, about["spec"], str(folder / "manifest.json"))
    for what, own, other in (("model", spec.edit.train, train), ("guide", spec.edit.guide, guide)):
        if own != other:
            raise FacetoryError(
                f"{folder}: measures edits by another {what} than {other.id}. Name this one's measures."
            )
    path = folder / "measures.safetensors"
    records = read_metadata(path)
    with open_tensors(path) as handle:
        tensors = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118
    known, dataset = entries().get(spec.edit.dataset), spec.edit.dataset
    people = len({*records["persons"]} - {""}) or None
    groups = np.array(clusters(records["persons"], records["sample_ids"]))
    estimates = {"flip_rate": share_estimate}
    scores = {
        name: _score(_values(name, tensors), groups, estimates.get(name, mean_estimate)) for name in SCORES
    }
    return Measured(
        target=spec.edit.target,
        dataset=dataset,
        title=known.title if known else dataset,
        split=spec.edit.split,
        sampler=spec.edit.sampler,
        particles=spec.edit.sampler.particles,
        people=people,
        judge=spec.judge.network,
        judge_dataset=spec.judge.dataset,
        features=spec.features,
        identity=spec.identity,
        scores={name: score for name, score in scores.items() if score},
    )


def _values(name: str, tensors: dict[str, np.ndarray]) -> np.ndarray:
    """A score of every face, (n,) float; NaN where it has none."""
    if name == "flip_rate":
        return np.where(tensors["eligible"].astype(bool), tensors["flipped"].astype(float), np.nan)
    return tensors[name].astype(float)


def _score(
    values: np.ndarray, groups: np.ndarray, estimate: Callable[..., Estimate] = mean_estimate
) -> Score | None:
    there = np.isfinite(values)
    if not there.any():
        return None
    value, low, high, n = estimate(values[there], groups[there].tolist())
    bounds = (None if math.isnan(bound) else bound for bound in (low, high))
    return Score(value=value, low=next(bounds), high=next(bounds), n=n)
