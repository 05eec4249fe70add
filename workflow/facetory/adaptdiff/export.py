"""From a trained generator and its pool to a model that people can use."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

from facetory.adaptdiff.generator_facts import data_of, judged_faces, measured_of, settings_of
from facetory.adaptdiff.model_card import card
from facetory.adaptdiff.model_folder import UNET, FirstStage, Model, Opened, write_model
from facetory.adaptdiff.spec import GeneratorSpec, IdentitiesSpec
from facetory.diffusion.catalogue import part_folder
from facetory.pipeline.files import FacetoryError, read_json, read_metadata
from facetory.pipeline.spec import BackboneSpec
from facetory.pipeline.suggest import validated


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
    the first stage's manifest.  ``separation``, the manifest of a separability of its faces, is for the card,
    and those faces' settings become the model's.  ``stands_in_for`` names the dataset that its own replaces.
    ``own`` are settings in their place: guidance, sampler, alignment, face_px, batch_rows of
    `model_folder.Model`; None is as good as nothing.  A generator that was not trained, a pool of other
    contexts, or a separability of another generator is a `FacetoryError`.
    """
    made = (Path(generator), Path(identities), Path(backbone))
    asked = {key: value for key, value in own.items() if value is not None}
    opened = as_model(*made, Path(separation) if separation else None, stands_in_for, name, **asked)
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
    size, drawn = written["architecture"]["context_size"], IdentitiesSpec.model_validate(pool["spec"]).size
    if drawn != size:
        raise FacetoryError(
            f"{identities}: identities of {drawn} components, the generator reads {size}. Name the pool that "
            "its faces are drawn from."
        )
    placed = read_json(backbone)
    first_stage = BackboneSpec.model_validate(placed["spec"])
    vae = part_folder(Path(placed["folder"]), "vae")
    if vae is None:
        raise FacetoryError(f"{placed['folder']}: holds no first stage. Place {first_stage.name} again.")
    judged = judged_faces(separation, spec) if separation else None
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
        measured=measured_of(separation, judged) if separation and judged else None,
        **(settings_of(judged) if judged else {}) | own,
    )
    return Opened(model, generator, identities, vae)
