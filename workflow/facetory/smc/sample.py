"""The sampling stage: faces drawn from pure noise by a trained model (SMC, Fig. 4)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from facetory.diffusion.sampler import ddpm_step
from facetory.diffusion.schedule import alphas_cumprod
from facetory.pipeline.files import FacetoryError, read_json, sha256_of, write_tensors
from facetory.pipeline.provenance import manifest
from facetory.pipeline.randomness import normal, sample_keys, stream_key
from facetory.smc.spec import SampleSpec

if TYPE_CHECKING:
    from torch import Tensor


class SamplesDiverged(FacetoryError):
    """Latents that were drawn left the finite numbers."""


def sample_smc(
    spec: SampleSpec,
    diffusion: Path | str,
    backbone: Path | str,
    folder: Path | str,
    device: str = "cpu",
) -> None:
    """Draw faces and write images.safetensors and manifest.json into ``folder``.

    ``diffusion`` is the folder of the trained model, ``backbone`` the autoencoder's manifest.  The file holds
    ``images`` uint8 (n, 3, px, px) and ``realism`` (n,), MTCNN's probability of a face.  Of a model whose
    training failed nothing is drawn: the manifest has status "not_run" and the reason; it has status "failed"
    where what was drawn diverged.
    """
    import torch

    from facetory.diffusion.backbone import placed_vae
    from facetory.diffusion.unconditional import load_unconditional
    from facetory.smc.realism import realism

    folder, diffusion = Path(folder), Path(diffusion)
    result, manifest_path = folder / "images.safetensors", folder / "manifest.json"
    trained = read_json(diffusion / "manifest.json")
    for stale in (result, manifest_path):
        stale.unlink(missing_ok=True)
    inputs = [diffusion / file for file in trained.get("outputs", {})]
    with manifest(
        manifest_path, "smc sample", spec.canonical(), ["smc.sample"], inputs, device, spec.seed
    ) as record:
        if trained["status"] != "trained":
            record |= {"status": "not_run", "reason": f"its training failed: {trained['reason']}"}
            return
        torch.set_num_threads(spec.threads)
        try:
            images = draw(spec, load_unconditional(diffusion, device), placed_vae(backbone, device))
        except SamplesDiverged as error:
            record |= {"status": "failed", "reason": str(error)}
            return
        write_tensors(
            result, {"images": images, "realism": realism(images)}, {"spec": spec.model_dump(mode="json")}
        )
        record |= {"status": "sampled", "images": len(images), "outputs": {result.name: sha256_of(result)}}


def draw(spec: SampleSpec, unet: Any, vae: Any) -> np.ndarray:
    """Images, uint8 (n, 3, px, px): DDPM's ancestral sampling (Ho et al. 2020, Algorithm 2), then decoding.

    The noise of an image is a function of (seed, its number, timestep).  Latents that are not finite are a
    `SamplesDiverged`.
    """
    import torch

    from facetory.diffusion.pixels import to_pixels
    from facetory.diffusion.unconditional import predicted_noise
    from facetory.smc.batches import in_fixed_batches
    from facetory.smc.timesteps import edit_timesteps

    side = spec.train.px // 2 ** (len(vae.config.block_out_channels) - 1)
    shape = (unet.config.in_channels, side, side)
    alpha_bar = alphas_cumprod(1000, spec.train.beta_start, spec.train.beta_end).to(unet.device)
    keys = torch.from_numpy(sample_keys([f"image {i}" for i in range(spec.images)])).to(unet.device)
    predict_noise = predicted_noise(unet)

    def predict(z: Tensor, t: int) -> Tensor:
        return in_fixed_batches(lambda rows: predict_noise(rows, t), z, spec.batch_rows)

    def fresh(purpose: str, t: int) -> Tensor:
        key = stream_key(spec.seed, "smc samples", purpose)
        return normal(key, keys, t, int(np.prod(shape))).unflatten(1, shape)

    timesteps = edit_timesteps(spec.inference_steps, 1.0)
    after = [*alpha_bar[timesteps[1:]], torch.ones_like(alpha_bar[0])]
    with torch.inference_mode():
        z = fresh("start", 0)
        for t, following in zip(timesteps, after, strict=True):
            z = ddpm_step(z, predict(z, t), alpha_bar[t], following, fresh("step", t))
        if not bool(torch.isfinite(z).all()):
            raise SamplesDiverged(f"{spec.id}: the sampled latents are not finite. Train the model longer.")
        images = in_fixed_batches(
            lambda rows: vae.decode(rows).sample, z / vae.config.scaling_factor, spec.batch_rows
        )
    return to_pixels(images).cpu().numpy()
