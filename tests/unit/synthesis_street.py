"""A small street for synthesis: a pool, a generator whose weights are random, a tiny autoencoder."""

from __future__ import annotations

from pathlib import Path

import torch
from facetory.adaptdiff.architectures import architecture
from facetory.adaptdiff.generator import save_generator
from facetory.adaptdiff.identities import draw_identities
from facetory.adaptdiff.spec import (
    ContextSpec,
    GeneratorSpec,
    Guidance,
    IdentitiesSpec,
    IdentitySampler,
    SynthesisSpec,
)
from facetory.adaptdiff.unet import IdentityUNet
from facetory.faces.spec import FaceSetSpec
from facetory.pipeline.files import sha256_of, write_json
from smc_edit_street import FACTOR, PX, backbone

LATENT = (4, PX // 2, PX // 2)
CONTEXTS = ContextSpec(faces=FaceSetSpec(dataset="drawn", px=PX, alignment="none"), embedder="demo_context")
GENERATOR = GeneratorSpec(dataset="drawn", backbone="tiny", px=PX, architecture="ci_idiff", contexts=CONTEXTS)


def spec(**changes) -> SynthesisSpec:
    """Nine of a pool of eleven identities, three images each, four rows a batch, six steps of DDPM."""
    own = {
        "generator": GENERATOR,
        "pool": IdentitiesSpec(count=11, size=16),
        "identities": 9,
        "images": 3,
        "spare": 2,
        "guidance": Guidance(),
        "sampler": IdentitySampler(steps=6),
        "alignment": "none",
        "px": PX,
        "batch_rows": 4,
    }
    return SynthesisSpec(**own | changes)


def network(scale: float = 0.2) -> IdentityUNet:
    """A UNet in which no weight is zero, and that heeds its contexts."""
    unet = IdentityUNet(architecture("ci_idiff", input_channels=LATENT[0])).eval()
    random = torch.Generator().manual_seed(7)
    for name, weight in unet.named_parameters():
        told = any(part in name for part in ("context_emb", "cross_attention.proj_out", "final.weight"))
        weight.data = (8 if told else 1) * scale * torch.randn(weight.shape, generator=random)
    return unet


def generator(folder: Path, scale: float = 0.2) -> Path:
    """Write the network as if it were trained; returns its folder."""
    path = save_generator(network(scale), folder, {"latent": list(LATENT), "scaling_factor": FACTOR})
    write_json(folder / "manifest.json", {"status": "trained", "outputs": {path.name: sha256_of(path)}})
    return folder


def street(folder: Path) -> dict[str, Path]:
    """Write all that a synthesis reads; returns the arguments of the stage."""
    draw_identities(spec().pool, folder / "identities")
    return {
        "generator": generator(folder / "generator"),
        "identities": folder / "identities" / "identities.safetensors",
        "backbone": backbone(folder),
    }
