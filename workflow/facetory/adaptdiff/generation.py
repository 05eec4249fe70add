"""Images of identities: noise that an image's number decides, led to and away from two contexts, decoded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from facetory.adaptdiff.guidance import guided, weight
from facetory.adaptdiff.samplers import sample
from facetory.adaptdiff.spec import SynthesisSpec
from facetory.diffusion.pixels import to_pixels
from facetory.diffusion.schedule import linear_betas
from facetory.pipeline.files import FacetoryError
from facetory.pipeline.randomness import normal, stream_key

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from facetory.adaptdiff.unet import IdentityUNet, Projected

IMAGES = 2**20
"""More images than one identity has: image k of identity i has the key i · 2²⁰ + k in every random stream."""
PRECISIONS = {"bf16": torch.bfloat16, "fp16": torch.float16}


class SamplesDiverged(FacetoryError):
    """Latents that were drawn left the finite numbers."""


@dataclass(frozen=True)
class Told:
    """Projected contexts: row i is p⁺ of identity ``numbers[i]``, row ``size + i`` its p⁻."""

    projected: Projected
    numbers: Sequence[int]
    size: int

    def rows(self, identities: Sequence[int]) -> list[int]:
        """The rows of the contexts p⁺ of identities."""
        place = {number: row for row, number in enumerate(self.numbers)}
        return [place[number] for number in identities]


def tell(
    unet: IdentityUNet, positive: np.ndarray, negative: np.ndarray, numbers: Sequence[int], size: int
) -> Told:
    """Project the contexts of up to ``size`` identities, once for all their images and timesteps.

    positive, negative: (len(numbers), d), float32.  They are filled up to ``size`` rows, because the kernel
    that is chosen, and with it the last bits of a row, depend on the number of rows.
    """
    device = next(unet.parameters()).device
    filled = torch.zeros(2, size, positive.shape[1])
    filled[0, : len(numbers)], filled[1, : len(numbers)] = map(torch.from_numpy, (positive, negative))
    with torch.inference_mode():
        return Told(unet.project(filled.flatten(0, 1).to(device)), numbers, size)


def draw(
    spec: SynthesisSpec,
    unet: Callable[[Tensor, Tensor, Projected], Tensor],
    decode: Callable[[Tensor], Tensor],
    told: Told,
    rows: Sequence[tuple[int, int]],
    latent: Sequence[int],
    device: str = "cpu",
) -> np.ndarray:
    """Images uint8 (n, 3, px, px) of up to ``batch_rows`` (identity, image number) pairs.

    unet(x, timesteps, contexts) predicts noise; decode(z) makes images in −1 … 1 of latents (batch, *latent).
    The noise of an image is a function of (seed, identity, image, timestep), and every batch is filled up to
    ``batch_rows``: on one device the image is the same whatever is drawn beside it (on the CPU let that be a
    multiple of the threads, which divide a batch between them).  Another ``batch_rows`` changes an image by
    rounding.  Latents that are not finite are a `SamplesDiverged`.
    """
    filled = [*rows, *[rows[-1]] * (spec.batch_rows - len(rows))]
    keys = torch.tensor([identity * IMAGES + image for identity, image in filled], device=device)
    size = int(torch.tensor(latent).prod())

    def fresh(purpose: str, t: int) -> Tensor:
        key = stream_key(spec.seed, "adaptdiff synthesis", purpose)
        return normal(key, keys, t, size).unflatten(1, tuple(latent))

    contexts = torch.tensor(told.rows([identity for identity, _ in filled]), device=device)
    with torch.inference_mode(), _autocast(spec, device):
        predict = predictor(spec, unet, told, contexts)
        betas = linear_betas(spec.generator.timesteps, spec.generator.beta_start, spec.generator.beta_end)
        z = sample(spec.sampler, predict, fresh("start", 0), betas, lambda t: fresh("step", t))
        if not bool(torch.isfinite(z).all()):
            raise SamplesDiverged(
                f"{spec.id}: the latents of identities {rows[0][0]} to {rows[-1][0]} are not finite. Train "
                "the generator longer, or guide less."
            )
        return to_pixels(decode(z).float())[: len(rows)].cpu().numpy()


def predictor(
    spec: SynthesisSpec, unet: Callable[[Tensor, Tensor, Projected], Tensor], told: Told, contexts: Tensor
) -> Callable[[Tensor, int], Tensor]:
    """``predict(x, t)``: guided noise, p⁺ and p⁻ in one batch; where w is 0, p⁺ alone."""
    own, count = spec.guidance, spec.generator.timesteps
    alone = told.projected.rows(contexts)
    both = alone
    if own.schedule != "none":
        both = told.projected.rows(torch.cat((contexts, contexts + told.size)))

    def predict(x: Tensor, t: int) -> Tensor:
        w = weight(own, t, count)
        if w == 0:
            return unet(x, torch.full((len(x),), t, device=x.device), alone).float()
        timesteps = torch.full((2 * len(x),), t, device=x.device)
        positive, negative = unet(torch.cat((x, x)), timesteps, both).float().chunk(2)
        return guided(positive, negative, w)

    return predict


def _autocast(spec: SynthesisSpec, device: str) -> Any:
    dtype = PRECISIONS.get(spec.precision)
    return torch.autocast(device, dtype or torch.bfloat16, enabled=dtype is not None)
