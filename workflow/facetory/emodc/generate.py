"""The generation stage: a run in, faces of every class at each guidance scale out (Fig. 7)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from facetory.diffusion.sampler import ddim, ddim_timesteps, guided
from facetory.diffusion.schedule import alphas_cumprod, like, noise_of
from facetory.emodc.classifier import model
from facetory.emodc.generate_spec import EmoDCGenerateSpec
from facetory.emodc.inputs import Backbone, read_backbone, read_text, unet_files
from facetory.pipeline.files import (
    FacetoryError,
    open_tensors,
    read_json,
    read_metadata,
    sha256_of,
    write_tensors,
)
from facetory.pipeline.provenance import manifest
from facetory.pipeline.randomness import normal, sample_keys, stream_key

if TYPE_CHECKING:
    from torch import Tensor


class Generated(NamedTuple):
    """images uint8 (S, K, M, 3, px, px): guidance scale, class, image; equal m mean equal starting noise."""

    images: np.ndarray
    scales: list[float]
    classes: list[str]


def generate_emodc(
    spec: EmoDCGenerateSpec,
    run: Path | str,
    text: Path | str,
    backbone: Path | str,
    folder: Path | str,
    device: str = "cpu",
) -> None:
    """Draw faces from a trained run and write images.safetensors and manifest.json into ``folder``.

    ``text`` holds the prompts of the dataset's classes; ``backbone`` is its manifest, or its folder.  A run
    that failed draws nothing: the manifest has status "not_run" and the reason.
    """
    import torch

    folder, weights = Path(folder), read_backbone(backbone)
    result, manifest_path = folder / "images.safetensors", folder / "manifest.json"
    trained = read_json(Path(run) / "manifest.json")
    adapter = [Path(run) / "adapter.safetensors"] if trained["status"] == "trained" else []
    inputs = [text, *unet_files(weights), *_vae_files(weights), *adapter]
    for stale in (result, manifest_path):
        stale.unlink(missing_ok=True)
    with manifest(
        manifest_path, "emodc generate", spec.canonical(), ["emodc.generate"], inputs, device, spec.seed
    ) as record:
        if not adapter:
            record |= {"status": "not_run", "reason": f"its training failed: {trained['reason']}"}
            return
        torch.set_num_threads(spec.threads)
        about = read_metadata(text)
        tokens = torch.from_numpy(read_text(text, about["classes"])).to(device)
        images = draw(spec, weights, adapter[0], tokens, device)
        held = {"classes": about["classes"], "prompts": about["prompts"], "scales": spec.guidance_scales}
        write_tensors(result, {"images": images}, held | {"spec": spec.model_dump(mode="json")})
        record |= {"status": "generated", "images": int(np.prod(images.shape[:3]))}
        record |= {"outputs": {result.name: sha256_of(result)}}


def read_generated(path: Path | str) -> Generated:
    """Read a stage's images; a missing or truncated file is a `FacetoryError`."""
    about = read_metadata(path)
    with open_tensors(path) as handle:
        return Generated(handle.get_tensor("images"), about["scales"], about["classes"])


def draw(
    spec: EmoDCGenerateSpec, backbone: Backbone, adapter: Path, tokens: Tensor, device: str = "cpu"
) -> np.ndarray:
    """Images, uint8 (S, K, M, 3, px, px), under the first K of K + 2 prompts ``tokens`` (K + 2, L, D).

    All scales, classes and images are one batch, each with its unguided twin under the null prompt.  The
    starting noise is a function of (seed, image): scales and classes share it.  DDIM with η = 0.
    """
    import torch

    from facetory.diffusion.backbone import load_vae

    classes = len(tokens) - 2
    shape = (len(spec.guidance_scales), classes, spec.per_class)
    unet, vae = model(backbone.folder, adapter, device), load_vae(backbone.folder, device)
    side = spec.px // 2 ** (len(vae.config.block_out_channels) - 1)
    noise = starting_noise(spec, (vae.config.latent_channels, side, side)).to(device)
    scale = torch.tensor(spec.guidance_scales, device=device).repeat_interleave(classes * spec.per_class)
    prompt = torch.arange(classes, device=device).repeat_interleave(spec.per_class).repeat(shape[0])
    alpha_bars = alphas_cumprod().to(device)
    predict = guided_prediction(unet, tokens, prompt, scale, alpha_bars, backbone.prediction_type)
    with torch.inference_mode():
        noise = noise.repeat(shape[0] * classes, 1, 1, 1)
        latents = ddim(predict, noise, alpha_bars, ddim_timesteps(spec.steps))
        if not bool(torch.isfinite(latents).all()):
            raise FacetoryError(
                f"{spec.id}: the sampled latents are not finite. The run diverged, or the guidance scales "
                f"{spec.guidance_scales} are too large for it."
            )
        images = torch.cat(
            [vae.decode(part).sample for part in (latents / vae.config.scaling_factor).split(8)]
        )
    pixels = ((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return pixels.unflatten(0, shape).cpu().contiguous().numpy()


def starting_noise(spec: EmoDCGenerateSpec, shape: tuple[int, ...]) -> Tensor:
    """The noise x_T of each of a class's images, float32 (M, *shape): a function of (seed, image)."""
    import torch

    keys = torch.from_numpy(sample_keys([f"image {i}" for i in range(spec.per_class)]))
    stream = stream_key(spec.seed, "emodc", "generation noise")
    return normal(stream, keys, 0, int(np.prod(shape))).unflatten(1, shape)


def guided_prediction(
    unet: Any,
    tokens: Tensor,
    prompt: Tensor,
    scale: Tensor,
    alpha_bars: Tensor,
    prediction_type: str,
) -> Callable[[Tensor, int], Tensor]:
    """A function (x, t) to the guided noise of x (batch, C, h, w); row i is under prompt[i] at scale[i].

    The last row of ``tokens`` is the null prompt; the UNet takes shared text (`errors.share_text`).
    """
    import torch

    prompts = torch.cat([prompt, torch.full_like(prompt, len(tokens) - 1)])

    def predict(x: Tensor, t: int) -> Tensor:
        both = x.repeat(2, 1, 1, 1)
        timestep = torch.full((len(both),), t, device=x.device)
        output = unet(both, timestep, tokens, cross_attention_kwargs={"prompts": prompts}).sample
        conditional, unconditional = noise_of(output, both, alpha_bars[t], prediction_type).chunk(2)
        return guided(unconditional, conditional, like(scale, x))

    return predict


def _vae_files(backbone: Backbone) -> list[Path]:
    return sorted(path for path in (backbone.folder / "vae").iterdir() if path.is_file())
