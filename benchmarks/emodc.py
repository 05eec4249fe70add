"""How much faster facetory's diffusion classifier evaluates and trains than the plain way, on this machine.

    python benchmarks/emodc.py

Plain evaluation is one image, one class and one timestep at a time through diffusers' own attention with the
adapter beside the weights; facetory's batches (image, timestep) pairs with all classes, computes the prompts'
keys and values once a batch and folds the adapter in.  A plain AMDiT step is a forward a prompt and a full
backward; facetory's takes both prompts in one batch, and below a certain active fraction (constructed here)
leaves the inactive samples out of the backward pass.  All ways share process, CPU threads, weights and noise,
take turns, and must agree.  The UNet is the demo's, with random weights.

On a GPU the UNet of Stable Diffusion 2.1 is measured too, beside the paper's RTX 4090 (see full_size.py).
Racing is not measured here: what it saves depends on a trained model, and races/*/race.json has it.

A table is printed, docs/benchmarks/emodc.json written; `load_average` there tells whether the machine was
quiet.
"""

from __future__ import annotations

import argparse
import copy
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from facetory.diffusion import lora
from facetory.diffusion.architecture import architecture, new_unet
from facetory.diffusion.schedule import add_noise, alphas_cumprod
from facetory.emodc.active_set import loss_of_active
from facetory.emodc.classifier import errors_by_class
from facetory.emodc.errors import noise_prediction_errors, share_text
from facetory.emodc.losses import objective
from facetory.emodc.spec import EmoDCTrainSpec
from facetory.pipeline.files import write_json
from facetory.pipeline.provenance import git_commit, library_versions
from facetory.pipeline.randomness import normal, sample_keys, stream_key
from facetory.training.device import device_name
from full_size import Size, full_size
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from turns import rates

OUTPUT = Path(__file__).parents[1] / "docs" / "benchmarks" / "emodc.json"
CLASSES, TOKENS = 7, 24
TIMESTEPS = np.arange(49, 1000, 50)
IMAGES, PLAIN_IMAGES = 16, 2
BATCH = 64
ACTIVE = (0.1, 0.25, 0.5, 0.75)
"""Active fractions that are constructed."""
SPEC = EmoDCTrainSpec(dataset="random", backbone="demo", px=64, loss="amdit", steps=1)
ALPHA_BARS = alphas_cumprod()
KEYS = sample_keys([f"image{i}" for i in range(BATCH)])
NO_GPU = {"status": "not yet measured: no GPU"}
TOLERANCE = 1e-4
"""Largest relative difference between the two ways."""


def main() -> None:
    """Measure both ways, print a table and write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--parts", type=int, default=1, help="parts of a full-size training batch of 64")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    load = os.getloadavg()
    comparisons = [
        evaluation(options.repeats),
        training_step(options.repeats),
        *(active_set_step(fraction, options.repeats) for fraction in ACTIVE),
    ]
    on_gpu = torch.cuda.is_available()
    about = {
        "device": device_name(),
        "gpu": device_name("cuda") if on_gpu else None,
        "threads": options.threads,
        "load_average": {"before": load, "after": os.getloadavg()},
        "versions": library_versions(),
        "git_commit": git_commit(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "unet_parameters": sum(weight.numel() for weight in new_unet("demo").parameters()),
        "comparisons": comparisons,
        "full_size": full_size("cuda", Size(parts=options.parts)) if on_gpu else NO_GPU,
    }
    write_json(options.output, about)
    show(about)


def evaluation(repeats: int) -> dict[str, Any]:
    """Images a second that are evaluated at 20 timesteps under 7 classes."""
    adapted = adapted_unet()
    folded = copy.deepcopy(adapted)
    lora.fold(folded)
    share_text(folded).requires_grad_(False)
    adapted.requires_grad_(False)
    latents, tokens = random_latents(IMAGES), random_tokens(CLASSES)

    def ours() -> Tensor:
        args = (KEYS[:IMAGES], TIMESTEPS, tokens, ALPHA_BARS, "epsilon")
        return torch.from_numpy(errors_by_class(folded, latents, *args))

    def plain() -> Tensor:
        return plain_errors(adapted, latents[:PLAIN_IMAGES], tokens)

    return {
        "what": "evaluation",
        "unit": "images/s",
        "images": IMAGES,
        "plain_images": PLAIN_IMAGES,
        "timesteps": len(TIMESTEPS),
        "classes": CLASSES,
        "relative_difference": difference(ours()[:PLAIN_IMAGES], plain()),
        **rates(ours, IMAGES, plain, PLAIN_IMAGES, repeats),
    }


@torch.inference_mode()
def plain_errors(unet: nn.Module, latents: Tensor, tokens: Tensor) -> Tensor:
    """Errors (n, T, K) by a triple loop over images, timesteps and classes."""
    errors = torch.empty(len(latents), len(TIMESTEPS), len(tokens))
    stream = stream_key(0, "emodc", "evaluation noise")
    for i, latent in enumerate(latents):
        for j, timestep in enumerate(TIMESTEPS):
            noise = normal(stream, torch.from_numpy(KEYS[i : i + 1]), int(timestep), latent.numel())
            noise = noise.view(1, *latent.shape)
            noisy = add_noise(latent[None], noise, ALPHA_BARS[timestep])
            for k in range(len(tokens)):
                predicted = unet(noisy, int(timestep), tokens[k : k + 1]).sample
                errors[i, j, k] = (predicted - noise).square().mean()
    return errors


def training_step(repeats: int) -> dict[str, Any]:
    """AMDiT steps (forward, backward) a second on a batch of 64."""
    plain_unet = adapted_unet()
    our_unet = share_text(copy.deepcopy(plain_unet))
    latents, noise, timesteps, prompts, tokens = random_batch()

    def ours() -> Tensor:
        errors = noise_prediction_errors(
            our_unet, latents, noise, timesteps, tokens, ALPHA_BARS, "epsilon", prompts
        )
        return gradients(our_unet, objective(SPEC, by_prompt(errors)).mean())

    def plain() -> Tensor:
        noisy = add_noise(latents, noise, ALPHA_BARS[timesteps])
        errors = [
            (plain_unet(noisy, timesteps, tokens[column]).sample - noise).square().flatten(1).mean(1)
            for column in prompts.T
        ]
        return gradients(plain_unet, objective(SPEC, by_prompt(torch.stack(errors, 1))).mean())

    return {
        "what": "AMDiT training step",
        "unit": "steps/s",
        "batch_size": BATCH,
        "prompts": 2,
        "relative_difference": difference(ours(), plain()),
        **rates(ours, 1, plain, 1, repeats),
    }


def active_set_step(fraction: float, repeats: int) -> dict[str, Any]:
    """Steps a second on the active samples alone and, as the plain way, with all of facetory's batch.

    Offsets to the hinge make the first samples active and the others inactive.
    """
    unet = share_text(adapted_unet())
    latents, noise, timesteps, prompts, tokens = random_batch()
    active = torch.arange(BATCH) < round(fraction * BATCH)
    offset = torch.where(active, 100.0, -100.0)

    def measure(rows: slice | Tensor) -> tuple[dict[str, Tensor], Tensor]:
        batch = (latents[rows], noise[rows], timesteps[rows])
        errors = by_prompt(
            noise_prediction_errors(unet, *batch, tokens, ALPHA_BARS, "epsilon", prompts[rows])
        )
        return errors, (errors["positive"] - errors["negative"] + offset[rows]).clamp(min=0)

    def ours() -> Tensor:
        return gradients(unet, loss_of_active(measure)[2])

    def plain() -> Tensor:
        return gradients(unet, measure(slice(None))[1].mean())

    return {
        "what": f"active set, {fraction:.0%} active",
        "unit": "steps/s",
        "batch_size": BATCH,
        "active_fraction": float(active.float().mean()),
        "relative_difference": difference(ours(), plain()),
        **rates(ours, 1, plain, 1, repeats),
    }


def by_prompt(errors: Tensor) -> dict[str, Tensor]:
    """Errors (batch, 2) by the names that the losses use."""
    return dict(zip(("positive", "negative"), errors.unbind(1), strict=True))


def random_batch() -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Latents, noise, timesteps and prompts (right class, wrong class) of a batch, and the tokens."""
    latents, tokens = random_latents(BATCH), random_tokens(CLASSES)
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(3))
    positive = torch.arange(BATCH) % CLASSES
    prompts = torch.stack([positive, (positive + 1) % CLASSES], dim=1)
    return latents, noise, torch.arange(BATCH) * 999 // BATCH, prompts, tokens


def gradients(unet: nn.Module, loss: Tensor) -> Tensor:
    """The adapter's gradient under a loss, as one vector."""
    unet.zero_grad()
    loss.backward()
    weights = lora.trainable_parameters(unet).values()
    return torch.cat([weight.grad.flatten() for weight in weights if weight.grad is not None])


def adapted_unet() -> nn.Module:
    """The demo's UNet with random weights and an adapter that changes its output."""
    torch.manual_seed(0)
    unet = new_unet("demo").eval()
    for name, weight in lora.inject(unet, SPEC.lora_rank, SPEC.lora_alpha, SPEC.lora_targets).items():
        if "lora_B" in name:
            nn.init.normal_(weight, std=0.05)
    return unet


def random_latents(count: int) -> Tensor:
    """Latents of the demo's shape, (count, C, h, w)."""
    config = architecture("demo")["unet"]
    shape = (count, config["in_channels"], config["sample_size"], config["sample_size"])
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def random_tokens(count: int) -> Tensor:
    """Prompts of the demo's shape, (count, L, D)."""
    width = architecture("demo")["unet"]["cross_attention_dim"]
    return torch.randn((count, TOKENS, width), generator=torch.Generator().manual_seed(2))


def difference(ours: Tensor, plain: Tensor) -> float:
    """Relative difference ‖a − b‖ / ‖b‖; beyond `TOLERANCE` the comparison means nothing and stops."""
    found = float((ours - plain).norm() / plain.norm())
    if not found < TOLERANCE:
        raise SystemExit(f"The two ways differ by {found:.2e}, more than {TOLERANCE:.0e}.")
    return found


def show(about: dict[str, Any]) -> None:
    """Print the comparisons and, where there is a GPU, what it did."""
    title = f"{about['device']}, {about['threads']} thread(s), load {about['load_average']['before'][0]:.1f}"
    table = Table("", "unit", "facetory", "plain", "ratio", "difference", title=title)
    for row in about["comparisons"]:
        numbers = (f"{row['facetory']:.3g}", f"{row['plain']:.3g}", f"{row['ratio']:.2f}×")
        table.add_row(row["what"], row["unit"], *numbers, f"{row['relative_difference']:.0e}")
    console = Console()
    console.print(table)
    console.print(f"Stable Diffusion 2.1's size: {about['full_size']['status']}", about["gpu"] or "")
    if about["gpu"]:
        console.print_json(data=about["full_size"])


if __name__ == "__main__":
    main()
