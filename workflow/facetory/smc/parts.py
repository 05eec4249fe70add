"""The networks of an edit as functions of rows, in batches of one fixed size."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from facetory.diffusion.latents import posterior
from facetory.diffusion.pixels import to_levels, to_pixels, to_unit
from facetory.diffusion.schedule import alphas_cumprod
from facetory.diffusion.unconditional import predicted_noise
from facetory.smc.batches import in_fixed_batches
from facetory.smc.cost import multiply_accumulates, shape_after

if TYPE_CHECKING:
    from torch import Tensor, nn

    from facetory.pipeline.spec import Precision
    from facetory.recognition.guide import Guide
    from facetory.smc.particles import LogScore, PredictNoise


@dataclass(frozen=True)
class Parts:
    """What edits a face: frozen networks on one device, and the schedule ᾱ (T,) that the UNet learnt under.

    ``decoder`` decodes in the autoencoder's place wherever the guide looks; what is kept is decoded by the
    autoencoder.  z: scaled latents, float32 (rows, C, h, w).  No result depends on the other rows; a forward
    pass has ``batch_rows`` of them, and computes in ``precision``; what it gives is float32.
    """

    unet: Any
    vae: Any
    guide: Guide
    alpha_bar: Tensor
    decoder: nn.Module | None = None
    batch_rows: int = 16
    precision: Precision = "no"

    def encode(self, pixels: Tensor) -> Tensor:
        """z of uint8 pixels (rows, 3, px, px): the posterior mean, scaled."""
        rows = pixels.to(self.vae.device).contiguous()
        mean = self._batched(lambda part: posterior(self.vae, to_unit(part))[0], rows)
        return mean * self.vae.config.scaling_factor

    def decode(self, z: Tensor) -> Tensor:
        """uint8 pixels (rows, 3, px, px) of z, by the autoencoder."""
        return self._batched(lambda part: to_pixels(self._autoencoder(part)), z)

    def predict_noise(self) -> PredictNoise:
        """ε̂ of z at a timestep."""
        predict = predicted_noise(self.unet)
        return lambda z, t: self._batched(lambda part: predict(part, t), z)

    def log_score(self, targets: Tensor) -> LogScore:
        """log p(target | z), (rows,), given which of the ``targets`` (B,) each row is for."""

        def log_score(z: Tensor, t: int, owners: Tensor) -> Tensor:
            found = self._batched(lambda part: self._look(part, t), z)
            return found.gather(1, targets[owners][:, None])[:, 0]

        return log_score

    def multiply_accumulates(self, z: Tensor) -> dict[str, int]:
        """Of one row of z: through the UNet, the decoder that the guide looks through, and the guide."""
        row, looks = z[:1], self.guide.view == "faces"
        seen = row.new_zeros(shape_after(self._shown, row)) if looks else row
        return {
            "unet": multiply_accumulates(lambda part: predicted_noise(self.unet)(part, 0), row),
            "decode": multiply_accumulates(self._shown, row) if looks else 0,
            "guide": multiply_accumulates(self.guide.log_probabilities, seen),
        }

    def _look(self, z: Tensor, t: int) -> Tensor:
        if self.guide.view == "latents":
            return self.guide.log_probabilities(z, t)
        return self.guide.log_probabilities(to_levels(self._shown(z)))

    def _shown(self, z: Tensor) -> Tensor:
        return self.decoder(z) if self.decoder else self._autoencoder(z)

    def _autoencoder(self, z: Tensor) -> Tensor:
        return self.vae.decode(z / self.vae.config.scaling_factor).sample.float()

    def _batched(self, function: Any, rows: Tensor) -> Tensor:
        half = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(self.precision)

        def forward(part: Tensor) -> Tensor:
            with torch.autocast(part.device.type, dtype=half, enabled=half is not None):
                found = function(part)
            return found.float() if found.is_floating_point() else found

        return in_fixed_batches(forward, rows, self.batch_rows)


def load_parts(
    diffusion: Path | str,
    snapshot: Path | str,
    guide: Guide,
    betas: tuple[float, float] = (1e-4, 0.02),
    decoder: Path | str | None = None,
    device: str = "cpu",
    batch_rows: int = 16,
    precision: Precision = "no",
) -> Parts:
    """The parts that lie in folders: ``diffusion``/unet, ``snapshot``/vae and a small decoder's.

    The autoencoder's channels come last in memory: a CPU decodes half as many rows again.
    """
    from facetory.diffusion.backbone import load_vae
    from facetory.diffusion.small_decoder import load_small_decoder
    from facetory.diffusion.unconditional import load_unconditional

    return Parts(
        unet=load_unconditional(diffusion, device),
        vae=load_vae(snapshot, device).to(memory_format=torch.channels_last),
        guide=guide,
        alpha_bar=alphas_cumprod(1000, *betas).to(device),
        decoder=load_small_decoder(decoder, device) if decoder else None,
        batch_rows=batch_rows,
        precision=precision,
    )
