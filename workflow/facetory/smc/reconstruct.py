"""The reconstruction stage: what the autoencoder alone loses of a face, and what the face shows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from facetory.data.attributes import WORDS, attributes_of
from facetory.faces.views import Chosen, choose, pixels
from facetory.pipeline.files import sha256_of, write_tensors
from facetory.pipeline.provenance import manifest
from facetory.smc.spec import ReconstructionSpec
from facetory.smc.targets import chosen_faces

if TYPE_CHECKING:
    from torch import Tensor

CHUNK = 256
"""Faces in memory at a time."""


def reconstruct_smc(
    spec: ReconstructionSpec,
    faces_ledger: Path | str,
    backbone: Path | str,
    folder: Path | str,
    data_root: Path | str = "data",
    device: str = "cpu",
) -> None:
    """Record how faces of a split come through the autoencoder: records.safetensors and manifest.json.

    Each face is encoded (posterior mean) and decoded to 8-bit pixels.  The records hold, for n faces,
    ``psnr`` float32 (n,) in dB, ``distance`` float32 (n,) by the perceptual network ``spec.features``, and
    ``attributes`` bool (n, A): those of `data.attributes` that are known of every face, named in the
    metadata (SMC, Section 4: glasses, beards and open mouths reconstruct worse).  ``backbone`` is the
    autoencoder's manifest.  A feature network that is not placed is a `FacetoryError`.
    """
    import torch

    from facetory.diffusion.backbone import placed_vae
    from facetory.diffusion.pixels import psnr, to_unit
    from facetory.recognition.features import feature_network
    from facetory.training.progress import shown

    torch.set_num_threads(spec.threads)
    folder, inputs = Path(folder), (faces_ledger, backbone)
    path = folder / "records.safetensors"
    with manifest(
        folder / "manifest.json", "smc reconstruct", spec.canonical(), ["smc.reconstruct"], inputs, device
    ) as record:
        network = feature_network(spec.features, device, data_root)
        vae = placed_vae(backbone, device)
        chosen = _faces(spec, faces_ledger)
        ratios, distances, total = [], [], len(chosen.rows)
        with shown(f"reconstructing {spec.dataset} {spec.split}", 0, total) as show:
            for first in range(0, total, CHUNK):
                sources = pixels(chosen.folder, chosen.rows[first : first + CHUNK], spec.px)
                before = torch.from_numpy(sources)
                after = reconstructed(vae, before, spec.batch_rows)
                ratios.append(psnr(to_unit(after), to_unit(before)).numpy())
                distances.append(network.distance(sources, after.numpy()))
                show(min(first + CHUNK, total), {})
        names, attributes = known_attributes([row.get("caption", "") for row in chosen.rows])
        tensors = {
            "psnr": np.concatenate(ratios).astype(np.float32),
            "distance": np.concatenate(distances).astype(np.float32),
            "attributes": attributes,
        }
        about = {
            "attributes": names,
            "sample_ids": chosen.sample_ids,
            "persons": chosen.persons,
            "spec": spec.model_dump(mode="json"),
        }
        write_tensors(path, tensors, about)
        record |= {"status": "reconstructed", "faces": total, "outputs": {path.name: sha256_of(path)}}


def reconstructed(vae: Any, images: Tensor, batch_rows: int = 16) -> Tensor:
    """uint8 pixels (n, 3, px, px) through the autoencoder's posterior mean and back, on the CPU."""
    import torch

    from facetory.diffusion.latents import posterior
    from facetory.diffusion.pixels import to_pixels, to_unit
    from facetory.smc.batches import in_fixed_batches

    def through(part: Tensor) -> Tensor:
        mean, _ = posterior(vae, to_unit(part.to(vae.device)))
        return to_pixels(vae.decode(mean).sample).cpu()

    with torch.no_grad():
        return in_fixed_batches(through, images, batch_rows)


def known_attributes(captions: list[str]) -> tuple[list[str], np.ndarray]:
    """The attributes that every caption tells, and whether each face has them, bool (n, A)."""
    told = [attributes_of(caption) for caption in captions]
    names = [name for name in WORDS if all(each[name] is not None for each in told)]
    return names, np.array([[each[name] for name in names] for each in told], dtype=bool)


def _faces(spec: ReconstructionSpec, ledger: Path | str) -> Chosen:
    if spec.images is None:
        return choose(ledger, spec.split)
    return chosen_faces(ledger, spec.split, spec.images)
