"""From a trained generator and its pool to a model that people can use."""

from __future__ import annotations

import math
from importlib.metadata import version
from pathlib import Path
from typing import Any

from facetory.adaptdiff.model_card import card
from facetory.adaptdiff.model_folder import (
    UNET,
    Data,
    FirstStage,
    Measured,
    Metric,
    Model,
    Opened,
    write_model,
)
from facetory.adaptdiff.spec import GeneratorSpec, SeparabilitySpec, SynthesisSpec
from facetory.data.catalogue import entries
from facetory.diffusion.catalogue import part_folder
from facetory.pipeline.files import FacetoryError, read_json, read_metadata
from facetory.pipeline.spec import BackboneSpec
from facetory.pipeline.suggest import validated

METRICS = {
    "eer": "EER",
    "fmr100": "FMR100",
    "fmr1000": "FMR1000",
    "fdr": "FDR",
    "genuine_mean": "mean of genuine cosines",
    "impostor_mean": "mean of impostor cosines",
}


def export_generator(
    generator: Path | str,
    identities: Path | str,
    backbone: Path | str,
    folder: Path | str,
    separation: Path | str | None = None,
    stands_in_for: str | None = None,
    name: str | None = None,
    **own: Any,
) -> None:
    """Write a trained generator as a model's folder, with its card.

    ``generator`` is the generator's folder, ``identities`` the pool's identities.safetensors, ``backbone``
    the first stage's manifest; ``separation``, the manifest of a separability of its faces, is for the card.
    ``stands_in_for`` names the dataset that its own replaces.  ``own`` are fields of `model_folder.Model`:
    guidance, sampler, alignment, face_px, batch_rows.  A generator that was not trained, a pool of other
    contexts, or a separability of another generator is a `FacetoryError`.
    """
    made = (Path(generator), Path(identities), Path(backbone))
    opened = as_model(*made, Path(separation) if separation else None, stands_in_for, name, **own)
    write_model(folder, opened, card(opened.about))


def as_model(
    generator: Path,
    identities: Path,
    backbone: Path,
    separation: Path | None = None,
    stands_in_for: str | None = None,
    name: str | None = None,
    **own: Any,
) -> Opened:
    """A generator as a model, its files where they lie; arguments as of `export_generator`."""
    about = read_json(generator / "manifest.json")
    if about["status"] != "trained":
        raise FacetoryError(f"{generator}: was not trained: {about['reason']} There is no model to make.")
    spec = validated(GeneratorSpec, about["spec"], str(generator / "manifest.json"))
    written, pool = read_metadata(generator / UNET), read_json(identities.with_name("manifest.json"))
    size = written["architecture"]["context_size"]
    if pool["spec"].get("size", 512) != size:
        raise FacetoryError(
            f"{identities}: identities of {pool['spec'].get('size', 512)} components, the generator reads "
            f"{size}. Name the pool that its faces are drawn from."
        )
    placed = read_json(backbone)
    first_stage = BackboneSpec.model_validate(placed["spec"])
    vae = part_folder(Path(placed["folder"]), "vae")
    if vae is None:
        raise FacetoryError(f"{placed['folder']}: holds no first stage. Place {first_stage.name} again.")
    data = data_of(spec, generator.resolve().parents[1], stands_in_for)
    model = Model(
        name=name or spec.id,
        licence=f"data: {data.licence}; first stage: {first_stage.licence}",
        facetory=version("facetory"),
        architecture=written["architecture"],
        parameters=about["parameters"],
        latent=tuple(written["latent"]),
        scaling_factor=written["scaling_factor"],
        context_size=size,
        pool=pool["identities"],
        pool_sha256=pool["pool_sha256"],
        px=spec.px,
        first_stage=FirstStage(
            name=first_stage.name,
            source=first_stage.source,
            revision=first_stage.revision,
            licence=first_stage.licence,
        ),
        training=spec,
        data=data,
        measured=measured_of(separation, spec) if separation else None,
        **own,
    )
    return Opened(model, generator, identities, vae)


def data_of(spec: GeneratorSpec, root: Path, stands_in_for: str | None = None) -> Data:
    """What is known of a generator's data: by the face set and the dataset in ``root``, a scale's results."""
    known = entries().get(spec.dataset)
    dataset = root / "datasets" / spec.dataset / "manifest.json"
    about = read_json(dataset) if dataset.is_file() else {}
    if not (about or known):
        raise FacetoryError(
            f"{dataset}: missing, and {spec.dataset} is not in the catalogue: its licence is unknown."
        )
    faces = root / "face_sets" / spec.contexts.faces.id / "manifest.json"
    shown = read_json(faces) if faces.is_file() else {}
    return Data(
        dataset=spec.dataset,
        title=about.get("title") or (known.title if known else spec.dataset),
        licence=about.get("licence") or (known.licence if known else "not stated"),
        images=sum(file["images"] for file in shown.get("files", ())) or None,
        people=shown.get("identities"),
        stands_in_for=stands_in_for,
    )


def measured_of(separation: Path, generator: GeneratorSpec) -> Measured:
    """What a separability's manifest says, for the card."""
    about = read_json(separation)
    if about["status"] in ("not_run", "failed"):
        raise FacetoryError(f"{separation}: not measured: {about['reason']} Name one that came out.")
    spec = validated(SeparabilitySpec, about["spec"], str(separation))
    faces = separation.resolve().parents[2] / spec.faces / "manifest.json"
    synthesis = validated(SynthesisSpec, read_json(faces)["spec"], str(faces))
    if synthesis.generator != generator:
        raise FacetoryError(f"{separation}: of faces by another generator than {generator.id}.")
    return Measured(
        judge=spec.judge,
        identities=about["identities"],
        images=spec.images,
        guidance=synthesis.guidance,
        sampler=synthesis.sampler,
        metrics=tuple(
            Metric(
                name=title, **{key: _number(about["metrics"][name][key]) for key in ("value", "low", "high")}
            )
            for name, title in METRICS.items()
            if _number(about["metrics"].get(name, {}).get("value")) is not None
        ),
    )


def _number(value: float | None) -> Any:
    return None if value is None or math.isnan(value) else value
