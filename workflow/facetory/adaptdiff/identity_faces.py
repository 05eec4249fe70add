"""The generator for people: a model's folder in, synthetic identities with their faces out."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from facetory.adaptdiff.identities import open_pool
from facetory.adaptdiff.model_folder import Model, Opened, read_model
from facetory.adaptdiff.replacement import faces_of
from facetory.adaptdiff.samplers import visited
from facetory.adaptdiff.shards import CHUNK
from facetory.adaptdiff.spec import Guidance, IdentitiesSpec, IdentitySampler, SynthesisSpec
from facetory.adaptdiff.synthesis import drawer_of, name_of
from facetory.pipeline.files import FacetoryError, sha256_of
from facetory.pipeline.suggest import validated

SAMPLER = {"sampler": "method", "steps": "steps"}


class SyntheticIdentity(NamedTuple):
    """Nobody: ``number`` in the model's pool, unit ``context`` (d,), and the ``negative`` (d,) led away from.

    ``images`` uint8 (k, px, px, 3) RGB, whose numbers are ``image`` (k,).
    """

    number: int
    name: str
    context: np.ndarray
    negative: np.ndarray
    image: np.ndarray
    images: np.ndarray


class IdentityFaces:
    """A trained generator with its pool of identities; `from_folder`, then `make`."""

    def __init__(self, opened: Opened, device: str = "cpu") -> None:
        from facetory.adaptdiff.generator import load_generator
        from facetory.diffusion.backbone import load_vae

        self.about: Model = opened.about
        self.sha256 = sha256_of(opened.generator / "model.json")
        self.device = device
        self.pool = open_pool(opened.pool)
        self._unet, self._latents = load_generator(opened.generator, device)
        self._vae = load_vae(opened.vae.parent, device, scaling_factor=self.about.scaling_factor)

    @classmethod
    def from_folder(cls, folder: Path | str, device: str = "cpu") -> IdentityFaces:
        """Load a model's folder, as ``identity_models/<generator>`` is written.

        ``device`` is "cpu", "cuda" or "auto" (a GPU where there is one).  A folder without a model, and files
        that differ from what the model recorded, are a `FacetoryError`.
        """
        import torch

        folder = Path(folder)
        if not (folder / "model.json").is_file():
            raise FacetoryError(
                f"{folder}: no model. Name the folder of an exported generator; it holds model.json."
            )
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        return cls(read_model(folder), device)

    def settings(self, identities: int = 20, images: int = 8, **own: Any) -> SynthesisSpec:
        """What `make` does: the model's settings, and ``own`` in their place.

        ``own``: schedule, w_max, negative (`spec.Guidance`), sampler (its method), steps
        (`spec.IdentitySampler`), seed, px, alignment, batch_rows; None is as good as nothing.  A setting that
        is unknown or impossible is a `FacetoryError`.
        """
        about, asked = self.about, {key: value for key, value in own.items() if value is not None}
        guidance = {key: asked.pop(key) for key in Guidance.model_fields if key in asked}
        sampler = {field: asked.pop(key) for key, field in SAMPLER.items() if key in asked}
        for name, value in (("identities", identities), ("images", images)):
            if value < 1:
                raise FacetoryError(f"faces: {name} {value}: ask for at least 1.")
        usual = {
            "generator": about.training,
            "pool": IdentitiesSpec(count=about.pool, size=about.context_size),
            "identities": identities,
            "images": images,
            "guidance": validated(Guidance, about.guidance.model_dump() | guidance, "guidance"),
            "sampler": validated(IdentitySampler, about.sampler.model_dump() | sampler, "sampler"),
            "px": about.face_px,
            "alignment": about.alignment,
            "batch_rows": about.batch_rows,
        }
        spec: SynthesisSpec = validated(SynthesisSpec, usual | asked, "faces")
        visited(spec.sampler, spec.generator.timesteps)
        return spec

    def make(
        self, identities: int = 20, images: int = 8, *, first: int = 0, skip: Collection[int] = (), **own: Any
    ) -> Iterator[SyntheticIdentity]:
        """Draw identities one by one, from number ``first`` of the pool on; ``own`` as of `settings`.

        An identity in too few of whose pictures the detector finds a face is passed over for the next one;
        numbers in ``skip`` are there already: they count and are not drawn.  An image is a function of the
        model, the settings, the seed, the identity and its number.  A pool that does not suffice is a
        `FacetoryError`.
        """
        spec = self.settings(identities, images, **own)
        draw = drawer_of(spec, self._unet, self._latents, self.pool, self._vae, self.device)
        negatives = self.pool.negatives(spec.guidance.negative)
        wanted, numbers = identities, deque(range(first, self.about.pool))
        wanted -= sum(number in skip for number in numbers)
        numbers = deque(number for number in numbers if number not in skip)
        together = max(1, min(CHUNK, spec.batch_rows // images))
        while wanted > 0:
            group = [numbers.popleft() for _ in range(min(together, wanted, len(numbers)))]
            if not group:
                raise FacetoryError(
                    f"{self.about.name}: its pool of {self.about.pool} identities has {wanted} too few from "
                    f"number {first} on. Ask for fewer."
                )
            faces = faces_of(spec, group, draw(group))
            for number in faces.complete(images):
                own_faces = faces.of([number])
                pictures = own_faces.images.transpose(0, 2, 3, 1)
                vectors = self.pool.contexts[number], negatives[number]
                yield SyntheticIdentity(number, name_of(number), *vectors, own_faces.image, pictures)
                wanted -= 1
