"""Caching latents: the faces of one split through the autoencoder once, clean or under corruptions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facetory.diffusion.latents import both_flips, posterior
from facetory.diffusion.pixels import to_unit
from facetory.faces.corrupt import CLEAN
from facetory.faces.views import Chosen, batches, choose, read_face
from facetory.pipeline.files import FacetoryError, read_json, write_tensors

if TYPE_CHECKING:
    from torch import Tensor

PRECISIONS = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}


def encode(
    ledger: Path | str,
    backbone: Path | str,
    split: str,
    px: int,
    outputs: Mapping[str, Path | str],
    images_per_class: int | None = None,
    noise_seed: int = 0,
    device: str = "cpu",
    precision: str = "fp32",
    batch_size: int = 16,
    threads: int = 0,
    classes: Sequence[str] = (),
) -> None:
    """Encode the aligned faces of a split (by their ledger.csv) and write a latents file a corruption.

    ``outputs`` maps corruptions (`faces.corrupt`; "clean" is one) to files.  Each holds ``mean`` and
    ``logvar`` float16 (n, V, C, h, w) and ``labels`` int64 (n,), which index the classes.  Axis 1 holds the
    face and, of clean faces, its mirror image, encoded itself; corrupted ones serve evaluation alone, and
    have V = 1.  Faces are corrupted at the resolution at which they were aligned, then resized to (px, px)
    by PIL's Lanczos filter; of each class ``images_per_class`` are taken (all for None).

    ``backbone`` is its manifest; ``classes`` are a user's own (`faces.views.choose`).  ``precision`` "bf16"
    or "fp16" speeds a GPU up and costs digits.  A face that differs from its ledger's sha256 is a
    `FacetoryError` that names the file; so is an unknown corruption.  Pictures that were corrupted before
    they were aligned are encoded under that name alone.
    """
    import torch

    from facetory.diffusion.backbone import placed_vae
    from facetory.training.progress import shown

    if threads:
        torch.set_num_threads(threads)
    about = read_json(backbone)
    chosen = choose(ledger, split, images_per_class, tuple(outputs), classes)
    vae = placed_vae(backbone, device, getattr(torch, PRECISIONS[precision]))
    parts: dict[str, list[tuple[Tensor, Tensor]]] = {name: [] for name in outputs}
    with shown(f"encoding {chosen.folder.name} {split}", 0, len(chosen.rows)) as show, torch.no_grad():
        faces = batches(
            chosen.folder, chosen.rows, px, chosen.applied, noise_seed, batch_size, max(1, threads)
        )
        for done, views in enumerate(faces, start=1):
            for name, pixels in zip(outputs, views, strict=True):
                mean, logvar = _moments(vae, torch.from_numpy(pixels), mirrored=name == CLEAN)
                parts[name].append((mean.half().cpu(), logvar.half().cpu()))
            show(min(done * batch_size, len(chosen.rows)), {})
    common = {
        "sample_ids": chosen.sample_ids,
        "persons": chosen.persons,
        "classes": list(chosen.classes),
        "scaling_factor": vae.config.scaling_factor,
        "encoder": about["spec"]["name"],
        "dataset": chosen.folder.name,
        "px": px,
        "images_per_class": images_per_class,
    }
    for name, output in outputs.items():
        mean, logvar = (torch.cat(moment) for moment in zip(*parts[name], strict=True))
        if not bool(torch.isfinite(mean).all() and torch.isfinite(logvar).all()):
            raise FacetoryError(
                f"{output}: the autoencoder overflows in {precision}. Encode with precision fp32."
            )
        tensors = {"mean": mean, "logvar": logvar, "labels": torch.from_numpy(chosen.labels)}
        write_tensors(output, tensors, common | _corruption(name, chosen, noise_seed))


def _moments(vae: Any, pixels: Tensor, mirrored: bool) -> tuple[Tensor, Tensor]:
    """Posterior mean and log-variance of uint8 pixels (batch, 3, px, px), each (batch, V, C, h, w)."""
    if mirrored:
        return both_flips(vae, pixels)
    mean, logvar = posterior(vae, to_unit(pixels.to(vae.device)).to(vae.dtype))
    return mean[:, None], logvar[:, None]


def _corruption(name: str, chosen: Chosen, noise_seed: int) -> dict[str, Any]:
    """What the metadata say of a corruption: its name, and how and at which resolution it was applied."""
    if name == CLEAN:
        return {"corruption": name}
    if name == chosen.corruption:
        seed = int(chosen.rows[0]["noise_seed"])
        return {"corruption": name, "order": "corrupt_then_align", "noise_seed": seed}
    px = read_face(chosen.folder, chosen.rows[0]).shape[0]
    return {
        "corruption": name,
        "order": "align_then_corrupt",
        "corruption_px": px,
        "noise_seed": noise_seed,
    }
