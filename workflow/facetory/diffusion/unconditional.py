"""The unconditional UNet (SMC, Section 2.3): made, written, loaded, and read as a predictor of noise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facetory.diffusion import snapshot
from facetory.diffusion.architecture import architecture, architectures, reads_text
from facetory.diffusion.backbone import load_part
from facetory.pipeline.files import FacetoryError, read_json
from facetory.pipeline.suggest import unknown

if TYPE_CHECKING:
    from torch import Tensor

SCHEDULER: dict[str, Any] = {
    "_class_name": "DDPMScheduler",
    "beta_start": 1e-4,
    "beta_end": 0.02,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "clip_sample": False,
}
"""What a pretrained one is sampled with, by the betas of SMC's released code."""
TRAIN_ONE = "`facetory smc train` writes one, and so does `facetory backbone pretrain`."


def new_unconditional(name: str, channels: int | None = None) -> Any:
    """An untrained UNet2DModel of architectures/``name``.json, for latents of ``channels`` channels.

    Without ``channels``, those of the file.  torch's global generator and default device decide the weights
    and their place.  "smc" is the paper's size, 113,675,524 parameters.
    """
    from diffusers import UNet2DModel

    if name not in (known := [known for known in architectures() if not reads_text(known)]):
        raise unknown("architecture", name, known, "the unconditional UNet")
    own = {"in_channels": channels, "out_channels": channels} if channels else {}
    return UNet2DModel(**architecture(name)["unet"] | own)


def parameters_of(name: str) -> int:
    """The number of parameters of `new_unconditional`, without making them."""
    import torch

    with torch.device("meta"):
        return sum(weight.numel() for weight in new_unconditional(name).parameters())


def save_unconditional(unet: Any, folder: Path | str) -> None:
    """Write ``folder``/unet in diffusers' layout, float32 safetensors; it is replaced as a whole."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    snapshot.save(unet, Path(folder) / "unet", half=False)


def load_unconditional(folder: Path | str, device: str = "cpu", sha256: dict[str, str] | None = None) -> Any:
    """The frozen UNet2DModel of ``folder``/unet, in float32; files in ``sha256`` are checked first.

    A folder that holds none, or the UNet of a text-conditional backbone, is a `FacetoryError`.
    """
    from diffusers import UNet2DModel

    config = Path(folder) / "unet" / "config.json"
    if config.is_file() and (kind := read_json(config)["_class_name"]) != "UNet2DModel":
        raise FacetoryError(f"{config}: is a {kind}, but an unconditional UNet2DModel is needed. {TRAIN_ONE}")
    return load_part(UNet2DModel, Path(folder), "unet", device, None, sha256, TRAIN_ONE)


def predicted_noise(unet: Any) -> Callable[[Tensor, int], Tensor]:
    """``predict_noise(z, t)``: ε̂ of scaled latents z (rows, C, h, w) at one timestep, of their shape."""
    import torch

    def predict_noise(z: Tensor, t: int) -> Tensor:
        return unet(z, torch.full((len(z),), t, device=z.device)).sample

    return predict_noise
