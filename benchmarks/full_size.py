"""EmoDC at Stable Diffusion 2.1's size, with random weights, on a GPU: how much of the device it uses.

The number of multiply-accumulates is counted on the meta device; the rate of one large matrix product in the
same precision is the physical limit that the UNet's rate is a share of (MFU).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from facetory.diffusion import lora
from facetory.diffusion.architecture import new_unet, new_vae
from facetory.diffusion.schedule import alphas_cumprod
from facetory.emodc.errors import noise_prediction_errors, share_text
from facetory.emodc.grids import evaluation_timesteps
from facetory.emodc.losses import objective
from facetory.emodc.spec import EmoDCTrainSpec
from facetory.emodc.speed import diffusion_classifier, speeds
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

PUBLISHED = {"device": "RTX 4090", "milliseconds": {1: 29.5, 10: 143.0}, "hours": 8.6}
STEPS, BATCH = 30_000, 64
CLASSES = 7
SPEC = EmoDCTrainSpec(dataset="random", backbone="sd21", px=256, loss="amdit", steps=STEPS)


class Size(NamedTuple):
    """What is measured, and how large: the defaults are the paper's."""

    name: str = "sd21"
    px: int = 256
    side: int = 32
    tokens: int = 77
    batch: int = BATCH
    parts: int = 1
    """Equal parts of a training batch, for devices that cannot hold it at once."""
    rows: tuple[int, ...] = (56, 112, 224, 448)
    """Rows of the UNet tried, multiples of the seven classes."""
    product: int = 8192
    images: int = 16
    repeats: int = 20


def full_size(device: str = "cuda", size: Size | None = None) -> dict[str, Any]:
    """Matrix-product rate, UNet rate, milliseconds an image and hours for 30,000 AMDiT steps, in bf16."""
    size = size or Size()
    limit = product_rate(device, size.product)
    with torch.device(device):
        torch.manual_seed(0)
        unet, vae = (build(size.name).eval().requires_grad_(False) for build in (new_unet, new_vae))
    share_text(unet)
    return {
        "status": "measured",
        "precision": "bf16",
        "size": size._asdict(),
        "unet_parameters": sum(weight.numel() for weight in unet.parameters()),
        "matrix_product_tflops": limit,
        "forward": forward(unet, device, size, limit),
        "inference": inference(unet, vae, device, size),
        "training": training(unet, device, size, limit),
        "published": PUBLISHED,
    }


def product_rate(device: str, side: int) -> float:
    """TFLOP/s of a bf16 product of two (side, side) matrices, the best of ten."""
    left, right = torch.randn(2, side, side, device=device, dtype=torch.bfloat16)
    best = min(timed(lambda: left @ right, device, 10))
    return 2 * side**3 / best / 1e12


def forward(unet: nn.Module, device: str, size: Size, limit: float) -> dict[str, Any]:
    """The UNet alone, at the number of rows that is fastest: rows and TFLOP a second, and MFU."""
    macs = forward_macs(size)

    def rate(rows: int) -> float:
        inputs = batch(unet, rows, device, size)
        with torch.inference_mode(), torch.autocast(device, torch.bfloat16):
            return rows / statistics.median(timed(lambda: unet(*inputs), device, 5))

    best, rows_a_second = max(((rows, rate(rows)) for rows in size.rows), key=lambda found: found[1])
    tflops = 2 * macs * rows_a_second / 1e12
    return {
        "gmac": macs / 1e9,
        "rows": best,
        "rows_per_second": rows_a_second,
        "tflops": tflops,
        "mfu": tflops / limit,
    }


def inference(unet: nn.Module, vae: Any, device: str, size: Size) -> list[dict[str, Any]]:
    """Milliseconds from an aligned face to a decision among seven classes, at 1 and 10 steps."""
    faces = list(np.random.default_rng(0).integers(0, 256, (size.images, 512, 512, 3), dtype=np.uint8))
    tokens = torch.randn(CLASSES, size.tokens, unet.config.cross_attention_dim, device=device)
    found = []
    for steps, published in PUBLISHED["milliseconds"].items():
        timesteps = evaluation_timesteps("amdit", steps)
        classify = diffusion_classifier(unet, vae, tokens, timesteps, size.px, precision="bf16")
        for each in speeds(classify, faces, size.images, (size.images,), size.repeats):
            found.append({"steps": steps, **each, "published_milliseconds": published})
    return found


def training(unet: nn.Module, device: str, size: Size, limit: float) -> dict[str, Any]:
    """Hours for 30,000 AMDiT steps (forward, backward, AdamW on the adapter), and MFU."""
    weights = list(lora.inject(unet, SPEC.lora_rank, SPEC.lora_alpha, SPEC.lora_targets).values())
    unet.train()
    optimizer = torch.optim.AdamW(weights, SPEC.lr, weight_decay=SPEC.weight_decay, fused=True)
    loss = amdit_loss(unet, device, size)

    def step() -> None:
        for _ in range(size.parts):
            with torch.autocast(device, torch.bfloat16):
                part = loss() / size.parts
            part.backward()
        torch.nn.utils.clip_grad_norm_(weights, SPEC.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)

    seconds = statistics.median(timed(step, device, 5))
    flops = training_flops(size) * size.batch
    tflops = flops / seconds / 1e12
    peak = torch.cuda.max_memory_allocated() / 2**30 if device == "cuda" else None
    return {
        "seconds_a_step": seconds,
        "batch_size": size.batch,
        "hours": seconds * STEPS / 3600,
        "published_hours": PUBLISHED["hours"],
        "steps": STEPS,
        "tflops": tflops,
        "mfu": tflops / limit,
        "peak_memory_gib": peak,
    }


def amdit_loss(unet: nn.Module, device: str, size: Size) -> Callable[[], Tensor]:
    """AMDiT's mean loss of one part of a batch of random latents."""
    count = size.batch // size.parts
    latents, timesteps, tokens = batch(unet, count, device, size)
    noise, alpha_bars = torch.randn_like(latents), alphas_cumprod().to(device)
    positive = torch.arange(count, device=device) % CLASSES
    prompts = torch.stack([positive, (positive + 1) % CLASSES], dim=1)

    def loss() -> Tensor:
        errors = noise_prediction_errors(
            unet, latents, noise, timesteps, tokens, alpha_bars, "epsilon", prompts
        )
        return objective(SPEC, dict(zip(("positive", "negative"), errors.unbind(1), strict=True))).mean()

    return loss


def batch(unet: Any, rows: int, device: str, size: Size) -> tuple[Tensor, Tensor, Tensor]:
    """Random latents (rows, C, h, w), timesteps (rows,) and the tokens of seven prompts."""
    config = unet.config
    latents = torch.randn(rows, config.in_channels, size.side, size.side, device=device)
    timesteps = torch.arange(rows, device=device) * 999 // rows
    tokens = torch.randn(CLASSES, size.tokens, config.cross_attention_dim, device=device)
    return latents, timesteps, tokens


def forward_macs(size: Size) -> float:
    """Multiply-accumulates of one row through the UNet."""
    with torch.device("meta"):
        unet = share_text(new_unet(size.name))
    with FlopCounterMode(display=False) as counted, torch.no_grad():
        latents, timesteps, tokens = batch(unet, 1, "meta", size)
        unet(latents, timesteps, tokens[:1])
    return counted.get_total_flops() / 2


def training_flops(size: Size) -> float:
    """Floating-point operations of forward and backward of one sample under its two prompts."""
    with torch.device("meta"):
        unet = new_unet(size.name)
    lora.inject(unet, SPEC.lora_rank, SPEC.lora_alpha, SPEC.lora_targets)
    share_text(unet).to("meta")
    with FlopCounterMode(display=False) as counted:
        amdit_loss(unet, "meta", size._replace(batch=1, parts=1))().backward()
    return counted.get_total_flops()


def timed(work: Callable[[], Any], device: str, repeats: int) -> list[float]:
    """Seconds of each repeat after two calls to warm up, the device's queue drained."""
    drain = torch.cuda.synchronize if device == "cuda" else (lambda: None)
    found = []
    for turn in range(repeats + 2):
        drain()
        began = time.perf_counter()
        work()
        drain()
        if turn >= 2:
            found.append(time.perf_counter() - began)
    return found
