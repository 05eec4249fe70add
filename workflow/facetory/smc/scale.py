"""The `smc` part of a scale file."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from facetory.pipeline.spec import Precision
from facetory.smc.spec import Features, Identity


class Part(BaseModel):
    """Training of a part beside the diffusion model, or of that model itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    steps: int
    batch_size: int = 64
    lr: float = 1e-4
    decay: Literal["constant", "cosine"] = "constant"
    precision: Precision = "no"
    checkpoint_every: int = 500


class Diffusion(Part):
    """The unconditional model: ``also`` names slots whose faces are trained on too."""

    architecture: str = "smc"
    also: tuple[str, ...] = ()
    initial: str | None = None
    ema: float = 0.0


class SmallDecoder(Part):
    """The distilled decoder."""

    widths: tuple[int, ...] = (64, 64, 64, 64)


class Network(BaseModel):
    """A classifier, and what it sees."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    network: str
    view: Literal["faces", "latents"] = "faces"


class Samples(BaseModel):
    """Fig. 4: faces drawn from noise."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    images: int = 16
    inference_steps: int = 1000


class Images(BaseModel):
    """How many faces are edited for an ablation (the paper has 10), a comparison of samplers, to be shown."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    ablation: int = 10
    comparison: int = 100
    shown: int = 10


class SMCScale(BaseModel):
    """Sizes of the SMC paper at one scale.

    ``backbone`` is the autoencoder, ``code_backbone`` that of the reading `code`.  ``images`` faces are
    edited, of each slot those with ``source_labels`` (all for none).  ``particles`` and ``inference_steps``
    map the paper's numbers to those that this scale affords.  ``precision`` is that of edits.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    backbone: str
    code_backbone: str | None = None
    px: int = 256
    diffusion: Diffusion
    small_decoder: SmallDecoder
    guide: Network = Network(network="vit")
    latent_guide: Network = Network(network="latent_cnn", view="latents")
    judge: Network = Network(network="posterpp")
    images: Images = Images()
    source_labels: dict[str, tuple[str, ...]] = {}
    particles: dict[int, int] = {}
    inference_steps: dict[int, int] = {}
    snapshots: int = 8
    samples: Samples = Samples()
    reconstructions: int | None = None
    features: Features = "inception"
    identity: Identity = "facenet"
    batch_rows: int = 16
    precision: Precision = "no"
