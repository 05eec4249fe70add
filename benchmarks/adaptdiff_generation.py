"""How many synthetic faces a second AdaptDiff's synthesis draws, beside the plain way, on this machine.

    python benchmarks/adaptdiff_generation.py [--full-size] [--output FILE]

The plain way is that of the released script: one identity at a time, its images a batch, one pass for the
positive and one for the negative context, which every pass projects anew.  facetory fills batches with images
of several identities, evaluates both contexts in one pass, and projects a context once.  Both take turns in
one process, with the same random weights and noise, and must make the same images to one level in 255.
Unguided is IDiff-Face, which needs the positive context alone.  The pool's negative partners are timed too.

The networks are the demo's; `--full-size` adds IDiff-Face's UNet of 216 million parameters, without decoding.
The numbers of docs/benchmarks/adaptdiff_generation.json are of both.
"""

from __future__ import annotations

import argparse
import os
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from facetory.adaptdiff.architectures import architecture
from facetory.adaptdiff.generation import IMAGES, draw, tell
from facetory.adaptdiff.guidance import guided, weight
from facetory.adaptdiff.identities import Pool, sphere
from facetory.adaptdiff.negatives import partners, random_partners
from facetory.adaptdiff.samplers import sample
from facetory.adaptdiff.spec import (
    ContextSpec,
    GeneratorSpec,
    Guidance,
    IdentitiesSpec,
    IdentitySampler,
    SynthesisSpec,
)
from facetory.adaptdiff.unet import IdentityUNet
from facetory.diffusion.architecture import new_vae
from facetory.diffusion.pixels import to_pixels
from facetory.diffusion.schedule import linear_betas
from facetory.faces.spec import FaceSetSpec
from facetory.pipeline.files import write_json
from facetory.pipeline.provenance import git_commit, library_versions
from facetory.pipeline.randomness import normal, stream_key
from facetory.training.device import device_name
from rich.console import Console
from rich.table import Table
from torch import Tensor
from turns import rates, seconds

POOL, COMPONENTS = 15_000, 512
"""The published pool of identities."""


class Size(NamedTuple):
    """A network and how much it draws; the defaults are the demo's."""

    architecture: str = "demo_idiff"
    context: int = 32
    latent: tuple[int, int, int] = (4, 16, 16)
    decodes: bool = True
    identities: int = 16
    images: int = 6
    steps: int = 5
    batch_rows: int = 32


FULL = Size("idiff_face", 512, (3, 32, 32), False, identities=2, images=6, steps=1, batch_rows=12)


class Parts(NamedTuple):
    """The networks, the pool, and the latents' shape."""

    unet: IdentityUNet
    decode: Callable[[Tensor], Tensor]
    pool: Pool
    latent: tuple[int, int, int]


def main() -> None:
    """Measure both ways, print a table and, where asked, write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--full-size", action="store_true", help="measure the published UNet too")
    parser.add_argument("--output", type=Path, help="JSON file that receives the numbers")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    load = os.getloadavg()
    sizes = {"demo, guided": (Size(), "linear"), "demo, unguided": (Size(), "none")}
    if options.full_size:
        sizes["full size, guided"] = (FULL, "linear")
    about = {
        "device": device_name(),
        "threads": options.threads,
        "load_average": {"before": load},
        "comparisons": [
            compared(name, size, Guidance(schedule=schedule), options.repeats)
            for name, (size, schedule) in sizes.items()
        ],
        "negatives": negatives(POOL, COMPONENTS),
        "versions": library_versions(),
        "git_commit": git_commit(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }
    about["load_average"]["after"] = os.getloadavg()
    if options.output:
        write_json(options.output, about)
    show(about)


def compared(what: str, size: Size, guidance: Guidance, repeats: int) -> dict[str, Any]:
    """Images a second of both ways in turns, after both made the same images."""
    spec, parts = asked(size, guidance), random_parts(size)
    rows = [(identity, image) for identity in range(size.identities) for image in range(size.images)]
    difference = int(np.abs(ours(spec, parts, rows).astype(int) - plain(spec, parts, size)).max())
    if difference > 1:
        raise SystemExit(f"{what}: the two ways differ by {difference} levels, though they should agree.")
    measured = rates(
        lambda: ours(spec, parts, rows), len(rows), lambda: plain(spec, parts, size), len(rows), repeats
    )
    about = {"what": what, "unit": "images/s", "steps": size.steps, "batch_rows": size.batch_rows}
    about["parameters"] = sum(w.numel() for w in parts.unet.parameters())
    return about | {"largest_difference": difference} | measured


def ours(spec: SynthesisSpec, parts: Parts, rows: list[tuple[int, int]]) -> np.ndarray:
    """Images by facetory's functions."""
    everyone = range(spec.identities)
    negative = parts.pool.negatives(spec.guidance.negative)[: spec.identities]
    told = tell(parts.unet, parts.pool.contexts[: spec.identities], negative, everyone, spec.identities)
    batches = [rows[i : i + spec.batch_rows] for i in range(0, len(rows), spec.batch_rows)]
    images = [draw(spec, parts.unet, parts.decode, told, batch, parts.latent) for batch in batches]
    return np.concatenate(images)


@torch.inference_mode()
def plain(spec: SynthesisSpec, parts: Parts, size: Size) -> np.ndarray:
    """Images identity by identity, in separate passes."""
    negatives, own = parts.pool.negatives(spec.guidance.negative), spec.guidance
    images = []
    for identity in range(size.identities):
        positive, negative = (
            torch.from_numpy(table[identity]).repeat(size.images, 1)
            for table in (parts.pool.contexts, negatives)
        )
        keys = torch.tensor([identity * IMAGES + image for image in range(size.images)])

        def noise(purpose: str, t: int, keys: Tensor = keys) -> Tensor:
            key = stream_key(spec.seed, "adaptdiff synthesis", purpose)
            return normal(key, keys, t, int(np.prod(parts.latent))).unflatten(1, parts.latent)

        def predict(x: Tensor, t: int, positive: Tensor = positive, negative: Tensor = negative) -> Tensor:
            timesteps = torch.full((len(x),), t)
            if own.schedule == "none":
                return parts.unet(x, timesteps, positive)
            w = weight(own, t, spec.generator.timesteps)
            return guided(parts.unet(x, timesteps, positive), parts.unet(x, timesteps, negative), w)

        z = sample(
            spec.sampler, predict, noise("start", 0), linear_betas(), lambda t, noise=noise: noise("step", t)
        )
        images.append(to_pixels(parts.decode(z)).numpy())
    return np.concatenate(images)


def asked(size: Size, guidance: Guidance) -> SynthesisSpec:
    """The request of a size."""
    contexts = ContextSpec(faces=FaceSetSpec(dataset="none"), embedder="demo_context")
    generator = GeneratorSpec(dataset="none", backbone="none", px=64, contexts=contexts)
    return SynthesisSpec(
        generator=generator,
        pool=IdentitiesSpec(count=2 * size.identities, size=size.context),
        identities=size.identities,
        images=size.images,
        guidance=guidance,
        sampler=IdentitySampler(steps=size.steps),
        batch_rows=size.batch_rows,
    )


def random_parts(size: Size) -> Parts:
    """Networks with random weights, none of them zero, and a pool."""
    torch.manual_seed(0)
    unet = IdentityUNet(
        architecture(size.architecture, input_channels=size.latent[0], context_size=size.context)
    )
    for weights in unet.parameters():
        if not weights.any():
            torch.nn.init.normal_(weights, std=0.02)
    vae = new_vae("demo-faces") if size.decodes else None
    contexts = sphere(2 * size.identities, size.context, 0)
    pool = Pool(contexts, partners(contexts) | {"random": random_partners(len(contexts), 0)})

    def decode(z: Tensor) -> Tensor:
        return z if vae is None else vae.decode(z).sample

    for network in (unet, vae):
        if network is not None:
            network.eval().requires_grad_(False)
    return Parts(unet, decode, pool, size.latent)


def negatives(count: int, components: int) -> dict[str, Any]:
    """Seconds, and the most memory, that the partners of a pool take."""
    contexts = sphere(count, components, 0)
    taken = seconds(lambda: partners(contexts))
    tracemalloc.start()
    partners(contexts)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return {"pool": count, "components": components, "seconds": taken, "peak_mb": peak / 1e6}


def show(about: dict[str, Any]) -> None:
    """Print the comparisons."""
    load = about["load_average"]["before"][0]
    title = f"{about['device']}, {about['threads']} thread(s), load {load:.1f}"
    table = Table("", "unit", "facetory", "plain", "ratio", title=title)
    for row in about["comparisons"]:
        numbers = (f"{row['facetory']:.3g}", f"{row['plain']:.3g}", f"{row['ratio']:.2f}×")
        table.add_row(row["what"], row["unit"], *numbers)
    console, own = Console(), about["negatives"]
    console.print(table)
    console.print(
        f"Negative partners of {own['pool']:,} identities: {own['seconds']:.1f} s, {own['peak_mb']:.0f} MB"
    )


if __name__ == "__main__":
    main()
