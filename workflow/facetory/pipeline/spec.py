"""Frozen specs: what a stage was asked to do, as canonical JSON, and the readable name it gets from it."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

Reading = Literal["paper", "code", "corrected"]
Precision = Literal["no", "bf16", "fp16"]
CorruptionOrder = Literal["align_then_corrupt", "corrupt_then_align"]


class Spec(BaseModel):
    """A validated, immutable request to a stage.

    Fields at their default are left out of the canonical form, so adding a field renames nothing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    slug_fields: ClassVar[tuple[str, ...]] = ()

    def canonical(self) -> str:
        """Canonical JSON: sorted keys, no spaces, defaults left out."""
        return json.dumps(
            self.model_dump(mode="json", exclude_defaults=True), sort_keys=True, separators=(",", ":")
        )

    @property
    def digest(self) -> str:
        """First 8 hex digits of the canonical form's sha256."""
        return hashlib.sha256(self.canonical().encode()).hexdigest()[:8]

    @property
    def id(self) -> str:
        """Folder name: the telling fields, then the digest, e.g. ``anny_basic-amdit-alpha0.01-1f2e3d4c``."""
        return "-".join([*self.slug(), self.digest])

    def slug(self) -> list[str]:
        """The readable parts of the id; wings override this to show what distinguishes their runs."""
        return [re.sub(r"[^A-Za-z0-9_.]+", "_", str(getattr(self, field))) for field in self.slug_fields]

    @classmethod
    def parse(cls, text: str) -> Any:
        """Read a spec from JSON (as the rules pass it on the command line)."""
        return cls.model_validate_json(text)


class TrainSpec(Spec):
    """What every training run has, whatever the paper; defaults are EmoDC's (Section IV-B).

    ``repeat`` changes nothing but the run's name: a run that differs by it alone is trained again, to see
    whether it comes out the same.
    """

    dataset: str
    batch_size: int = 64
    lr: float = 1e-4
    decay: Literal["constant", "cosine", "cosine_restarts"] = "constant"
    weight_decay: float = 0.01
    clip: float = 1.0
    accumulation: int = 1
    precision: Precision = "no"
    checkpoint_every: int = 500
    device: Literal["cpu", "cuda"] = "cpu"
    threads: int = 1
    seed: int = 0
    repeat: int = 0
    reading: Reading = "paper"


class FaceTrainSpec(TrainSpec):
    """A training run on faces at ``px``, or on what ``backbone``'s autoencoder makes of them."""

    backbone: str
    px: int
    loss: str
    steps: int


class BackboneSpec(Spec):
    """Where a latent-diffusion backbone comes from; hashes of its files are pinned.

    ``source`` is a hub id, or a folder relative to the project; ``sha256`` maps files to expected hashes.
    ``parts`` are what it is used for: an autoencoder alone is ("vae",), and has no text encoder ("none").
    ``scaling_factor`` of latents is stated where the autoencoder's own configuration has none.
    """

    slug_fields: ClassVar[tuple[str, ...]] = ("name",)

    name: str
    source: str
    mirrors: tuple[str, ...] = ()
    revision: str | None = None
    sha256: dict[str, str] = {}
    parts: tuple[Literal["unet", "vae"], ...] = ("unet", "vae")
    prediction_type: Literal["epsilon", "v_prediction"] = "epsilon"
    px: int
    text_encoder: Literal["clip", "minilm", "none"] = "clip"
    scaling_factor: float | None = None
    licence: str = ""
