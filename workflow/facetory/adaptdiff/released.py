"""The authors' checkpoint of IDiff-Face, read whole or not at all.

``checkpoints/idiff_face.json`` lists the ``weights`` of the released ``eps_model`` by name and shape, the
``prefix`` that their files put before each, the tables of the noise ``schedule`` beside them, and the
``latent`` space that they were trained in.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from facetory.adaptdiff.architectures import architecture
from facetory.adaptdiff.spec import GeneratorSpec
from facetory.pipeline.files import FacetoryError, read_json, sha256_of

if TYPE_CHECKING:
    from torch import Tensor

    from facetory.adaptdiff.unet import IdentityUNet

LISTS = Path(__file__).with_name("checkpoints")


def authors_generator(spec: GeneratorSpec, path: Path | str) -> tuple[IdentityUNet, dict[str, Any]]:
    """The UNet with its authors' weights, all of which must fit, and what our file says of it.

    ``path`` is a .ckpt, .pt or .safetensors file, of the whole diffusion module or of its ``eps_model``
    alone.  A `FacetoryError` names the tensors that are missing, unexpected or misshapen; one that holds
    code, was trained with other betas, or belongs to an architecture without a list, is refused too.
    """
    import torch

    from facetory.adaptdiff.unet import IdentityUNet
    from facetory.recognition.checkpoint import check, read_weights

    listing = LISTS / f"{spec.architecture}.json"
    if not listing.exists():
        raise FacetoryError(
            f"{spec.architecture}: no list of its authors' weights. Leave `weights` out to train it."
        )
    listed = read_json(listing)
    found = {name.removeprefix(listed["prefix"]): tensor for name, tensor in read_weights(path).items()}
    tables = {name: found.pop(name) for name in listed["schedule"] if name in found}
    check(found, listed["weights"], spec.architecture, path)
    _same_betas(tables, spec, path)
    sizes = architecture(spec.architecture, context_dropout=spec.context_dropout)
    with torch.device("meta"):
        unet = IdentityUNet(sizes)
    unet.load_state_dict({name: tensor.float() for name, tensor in found.items()}, assign=True)
    side = spec.px // listed["latent"]["downsampling"]
    return unet, {
        "latent": [sizes.input_channels, side, side],
        "scaling_factor": listed["latent"]["scaling_factor"],
        "origin": {"sha256": sha256_of(path), "tensors": len(found), "source": listed["source"]},
    }


def _same_betas(tables: dict[str, Tensor], spec: GeneratorSpec, path: Path | str) -> None:
    import torch

    from facetory.diffusion.schedule import linear_betas

    betas = tables.get("betas")
    if betas is None:
        return
    own = linear_betas(spec.timesteps, spec.beta_start, spec.beta_end)
    if betas.shape != own.shape or not torch.allclose(betas.double(), own, rtol=1e-4):
        raise FacetoryError(
            f"{path}: trained with betas from {betas[0]:g} to {betas[-1]:g} over {len(betas)} steps, not "
            f"{spec.beta_start:g} to {spec.beta_end:g} over {spec.timesteps}. Place the checkpoint of "
            "IDiff-Face with the linear schedule."
        )
