"""What an SMC edit costs, and what each way of saving takes off, on this machine.

    python benchmarks/smc.py [--paper-size] [--output docs/benchmarks/smc.json]

The plain way is Algorithm 1 at a resample interval of 1 that scores x̂_0: every particle through the UNet,
the autoencoder's decoder and the guide at every step.  Against it stand, one at a time: sharing what equal
particles have in common, which must give the same bits; a small decoder; a guide on latents, with nothing to
decode; and resampling every fifth step.  Both ways of a comparison take turns in one process, with the same
weights and noise.  A row's multiply-accumulates tell what to expect of it where the networks are larger.

The networks are the demo's: models/demo-faces where it is placed, the rest with random weights, whose scores
tell particles hardly apart: that is the worst case for sharing (20 particles keep 12.8 distinct ones when
resampled at even weights).  ``--paper-size`` measures one step of a particle at the published sizes too, with
random weights: a UNet of 113.7 M parameters, Stable Diffusion's autoencoder at 256², a ViT-B/16; on a GPU
where there is one.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import torch
from facetory.data.labels import BASIC
from facetory.diffusion.architecture import architecture, new_vae
from facetory.diffusion.backbone import load_vae
from facetory.diffusion.schedule import alphas_cumprod
from facetory.diffusion.small_decoder import small_decoder
from facetory.diffusion.unconditional import load_unconditional, new_unconditional, predicted_noise
from facetory.pipeline.files import write_json
from facetory.pipeline.provenance import git_commit, library_versions
from facetory.pipeline.randomness import sample_keys
from facetory.recognition.guide import Guide
from facetory.recognition.networks import build, prepare_for
from facetory.recognition.preprocessing import resized
from facetory.recognition.spec import ClassifierSpec
from facetory.smc.cost import multiply_accumulates
from facetory.smc.editing import sampled
from facetory.smc.particles import Outcome
from facetory.smc.parts import Parts
from facetory.smc.sampler_spec import Sampler
from facetory.smc.timesteps import edit_timesteps
from facetory.training.device import device_name
from rich.console import Console
from rich.table import Table
from torch import Tensor
from turns import rates, seconds

DEMO_FACES = Path(__file__).parents[1] / "models" / "demo-faces"
INTERVAL = 5
NOT_ASKED = {"status": "not asked for (--paper-size)"}


class Size(NamedTuple):
    """Networks and numbers of a comparison; the defaults are the demo's."""

    unet: str = "demo-faces"
    vae: str = "demo-faces"
    px: int = 64
    guide: dict[str, Any] = {"network": "cnn"}
    latent_guide: dict[str, Any] = {"network": "latent_cnn", "view": "latents", "size": "small"}
    widths: tuple[int, ...] = (32, 32, 16)
    faces: int = 4
    particles: int = 20
    steps: int = 12
    batch_rows: int = 8


PAPER = Size(
    unet="smc",
    vae="sd21",
    px=256,
    guide={"network": "vit"},
    latent_guide={"network": "latent_cnn", "view": "latents"},
    widths=(64, 64, 64, 64),
)


def main() -> None:
    """Measure, print tables and, where asked, write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--paper-size", action="store_true", help="measure the published sizes too")
    parser.add_argument("--output", type=Path, help="JSON file that receives the numbers")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    load = os.getloadavg()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    paper = PAPER._replace(faces=16 if device == "cuda" else 1)
    about = {
        "device": device_name(),
        "threads": options.threads,
        "load_average": {"before": load},
        "versions": library_versions(),
        "git_commit": git_commit(),
        "weights": "models/demo-faces, random guides" if placed(Size()) else "random",
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "demo": edits(Size(), options.repeats),
        "paper_size": step(paper, device, options.repeats) if options.paper_size else NOT_ASKED,
    }
    about["load_average"]["after"] = os.getloadavg()
    if options.output:
        write_json(options.output, about)
    show(about)


def edits(size: Size, repeats: int) -> dict[str, Any]:
    """Every way of saving beside the plain one."""
    plain, small, latents = ways_of_scoring(size)
    settings = Sampler(
        particles=size.particles,
        inference_steps=size.steps,
        noise_strength=1.0,
        scored="x0",
        share_duplicates=False,
    )
    shared, seldom = (
        settings.model_copy(update=change)
        for change in ({"share_duplicates": True}, {"resample_interval": INTERVAL})
    )
    ways = {
        "sharing duplicates (exact)": (plain, shared),
        "small decoder": (small, settings),
        "guide on latents": (latents, settings),
        f"resampling every {INTERVAL} steps": (plain, seldom),
    }
    z_0 = random_latents(size, plain)
    return {
        "px": size.px,
        "faces": size.faces,
        "particles": size.particles,
        "steps": size.steps,
        "batch_rows": size.batch_rows,
        "multiply_accumulates": plain.multiply_accumulates(z_0),
        "comparisons": [compared(what, way, (plain, settings), z_0, repeats) for what, way in ways.items()],
    }


def step(size: Size, device: str, repeats: int) -> dict[str, Any]:
    """Seconds and multiply-accumulates of a row through each network, and what a particle's step saves."""
    plain, small, latents = ways_of_scoring(size, device)
    z = random_latents(size, plain)
    levels = torch.zeros(len(z), 3, size.px, size.px, device=device)
    works: dict[str, tuple[Callable[[Tensor], Tensor], Tensor]] = {
        "unet": (lambda rows: predicted_noise(plain.unet)(rows, 500), z),
        "decode": (lambda rows: plain.vae.decode(rows).sample, z),
        "guide": (plain.guide.log_probabilities, levels),
        "small decoder": (small.decoder, z),
        "guide on latents": (lambda rows: latents.guide.log_probabilities(rows, 500), z),
    }
    with torch.no_grad():
        seconds_of = {
            name: median(seconds(lambda w=work, r=rows: w(r).cpu()) for _ in range(repeats)) / len(z)
            for name, (work, rows) in works.items()
        }
    costs = {name: multiply_accumulates(work, rows[:1]) for name, (work, rows) in works.items()}
    return {
        "status": "measured",
        "device": device_name(device),
        "rows": len(z),
        "unet_parameters": sum(weight.numel() for weight in plain.unet.parameters()),
        "seconds": seconds_of,
        "multiply_accumulates": costs,
        "ratios": {"seconds": savings(seconds_of), "multiply_accumulates": savings(costs)},
    }


def savings(cost: dict[str, float]) -> dict[str, float]:
    """How much less a particle's step costs in each way, given what a row costs in each network."""
    unet, decode, guide = (cost[name] for name in ("unet", "decode", "guide"))
    plain = unet + decode + guide
    return {
        "small decoder": plain / (unet + cost["small decoder"] + guide),
        "guide on latents": plain / (unet + cost["guide on latents"]),
        f"resampling every {INTERVAL} steps": plain / (unet + (decode + guide) / INTERVAL),
    }


def compared(
    what: str, way: tuple[Parts, Sampler], plain: tuple[Parts, Sampler], z_0: Tensor, repeats: int
) -> dict[str, Any]:
    """One way beside the plain one: edits a second, rows, multiply-accumulates, and whether they agree."""

    def run(parts: Parts, sampler: Sampler) -> Outcome:
        keys, targets = sample_keys([f"face {i}" for i in range(len(z_0))]), torch.arange(len(z_0))
        timesteps = edit_timesteps(sampler.inference_steps, sampler.noise_strength)
        with torch.no_grad():
            found = sampled(z_0, keys, targets.to(z_0.device), parts, sampler, timesteps)
            return found._replace(particles=found.particles.cpu())

    ours, theirs = run(*way), run(*plain)
    exact = torch.equal(ours.particles, theirs.particles)
    if way[1].share_duplicates and not exact:
        raise SystemExit(f"{what}: the two ways differ, though they should agree bit for bit.")
    cost = [total(found.counts, parts, z_0) for found, (parts, _) in ((theirs, plain), (ours, way))]
    return {
        "what": what,
        "unit": "edits/s",
        "equal_bits": exact,
        "rows": ours.counts,
        "plain_rows": theirs.counts,
        "row_ratio": sum(theirs.counts.values()) / sum(ours.counts.values()),
        "multiply_accumulates_ratio": cost[0] / cost[1],
        **rates(lambda: run(*way), len(z_0), lambda: run(*plain), len(z_0), repeats),
    }


def total(rows: dict[str, int], parts: Parts, z_0: Tensor) -> int:
    """Multiply-accumulates of so many rows through the parts."""
    costs = parts.multiply_accumulates(z_0)
    return rows["unet"] * costs["unet"] + rows["score"] * (costs["decode"] + costs["guide"])


def ways_of_scoring(size: Size, device: str = "cpu") -> tuple[Parts, Parts, Parts]:
    """Networks that score decodes, decodes of a small decoder, and latents."""
    if placed(size):
        unet, vae = load_unconditional(DEMO_FACES, device), load_vae(DEMO_FACES, device)
    else:
        vae = random(lambda: new_vae(size.vae), device)
        unet = random(lambda: new_unconditional(size.unet, vae.config.latent_channels), device)
    alpha_bar = alphas_cumprod(1000, 1e-4, 0.02).to(device)
    channels = unet.config.in_channels
    looking, reading = (guide(kind, size, channels, device) for kind in (size.guide, size.latent_guide))
    plain = Parts(unet, vae, looking, alpha_bar, batch_rows=size.batch_rows)
    small = random(lambda: small_decoder(channels, size.widths), device)
    return plain, replace(plain, decoder=small), replace(plain, guide=reading)


def placed(size: Size) -> bool:
    """Whether models/demo-faces holds the networks of this size."""
    return size.unet == DEMO_FACES.name and all((DEMO_FACES / part).is_dir() for part in ("unet", "vae"))


def guide(chosen: dict[str, Any], size: Size, channels: int, device: str) -> Guide:
    """A guide with random weights, for faces or for latents of so many channels."""
    spec = ClassifierSpec(**chosen, dataset="random", px=size.px, steps=0)
    looks = spec.view == "faces"
    shape = (3, size.px) if looks else (channels, size.px // factor(size))
    network = build(spec, len(BASIC), *shape).to(device).eval().requires_grad_(False)
    prepare = prepare_for(spec)

    def score(x: Tensor, timestep: int) -> Tensor:
        logits = network(prepare(resized(x, spec.px))) if looks else network(prepare(x), timestep)
        return logits.log_softmax(1)

    return Guide(BASIC, spec.view, score, device)


def random(make: Callable[[], Any], device: str) -> Any:
    """A frozen network with random weights."""
    torch.manual_seed(0)
    return make().to(device).eval().requires_grad_(False)


def random_latents(size: Size, parts: Parts) -> Tensor:
    """Clean latents of the size's faces, (faces, C, h, w)."""
    side = size.px // factor(size)
    noise = np.random.default_rng(1).normal(size=(size.faces, parts.unet.config.in_channels, side, side))
    return torch.from_numpy(noise).float().to(parts.unet.device)


def factor(size: Size) -> int:
    """How much smaller the side of the latents is than the image's."""
    return 2 ** (len(architecture(size.vae)["vae"]["block_out_channels"]) - 1)


def show(about: dict[str, Any]) -> None:
    """Print the comparisons, and what was measured at the published sizes."""
    console, demo, paper = Console(), about["demo"], about["paper_size"]
    title = f"{about['device']}, {about['threads']} thread(s), load {about['load_average']['before'][0]:.1f}"
    table = Table("", "edits/s", "plain", "ratio", "rows", "MACs", "same bits", title=title)
    for row in demo["comparisons"]:
        ratios = (f"{row[name]:.2f}×" for name in ("ratio", "row_ratio", "multiply_accumulates_ratio"))
        rate = (f"{row['facetory']:.3g}", f"{row['plain']:.3g}")
        table.add_row(row["what"], *rate, *ratios, "yes" if row["equal_bits"] else "no")
    console.print(table)
    console.print(f"Published sizes: {paper['status']}")
    if paper["status"] == "measured":
        console.print_json(data=paper)


if __name__ == "__main__":
    main()
