"""SMC's specs: the diffusion model, the small decoder, edits, what is measured of them, samples."""

from __future__ import annotations

from typing import Literal

from facetory.pipeline.spec import FaceTrainSpec, Precision, Spec
from facetory.recognition.spec import ClassifierSpec
from facetory.smc.sampler_spec import Sampler

Features = Literal["inception", "efficientnet_lite0"]
Identity = Literal["facenet", "dlib"]


class SMCTrainSpec(FaceTrainSpec):
    """The unconditional latent diffusion model (SMC, Sections 2.3 and 3.1).

    ``backbone`` names the autoencoder and ``architecture`` a file of diffusion/architectures.  The faces of
    the datasets ``also`` are trained on beside those of ``dataset``.  ``initial`` is a released model (a
    folder of the project) whose weights training starts from; None: random ones.  The text does not state
    the betas; these are the released code's, scaled linear.
    """

    loss: Literal["noise_prediction"] = "noise_prediction"
    architecture: str = "smc"
    also: tuple[str, ...] = ()
    initial: str | None = None
    ema: float = 0.0
    beta_start: float = 1e-4
    beta_end: float = 0.02

    def slug(self) -> list[str]:
        """What it learnt from, through which autoencoder."""
        return [self.dataset, *self.also, self.backbone, f"seed{self.seed}"]


class SmallDecoderSpec(FaceTrainSpec):
    """A small decoder that learns to decode as the autoencoder ``backbone`` does."""

    loss: Literal["distillation"] = "distillation"
    widths: tuple[int, ...] = (64, 64, 64, 64)

    def slug(self) -> list[str]:
        """Whose decoder it imitates, on what."""
        return [self.backbone, "small_decoder", self.dataset, f"seed{self.seed}"]


class EditSpec(Spec):
    """Faces of a split edited towards one expression.

    ``images`` of the split's faces are edited: those of the ``labels`` (all for none) that
    `pipeline.sampling` chooses.  ``target`` is a class of the guide, or "random": one other than the source's
    a face.  A guide whose view is "latents" scores latents; there is nothing to decode then.  ``decoder``
    replaces the autoencoder's while scoring.  ``snapshots`` keeps the decoded particles of the first face at
    so many of its scorings.  ``batch_rows`` is the fixed number of rows of every forward pass, ``precision``
    that in which it computes.
    """

    train: SMCTrainSpec
    guide: ClassifierSpec
    decoder: SmallDecoderSpec | None = None
    dataset: str
    split: str
    images: int
    labels: tuple[str, ...] = ()
    target: str
    sampler: Sampler = Sampler()
    snapshots: int = 0
    batch_rows: int = 16
    precision: Precision = "no"
    seed: int = 0
    device: Literal["cpu", "cuda"] = "cpu"
    threads: int = 1

    def slug(self) -> list[str]:
        """What is edited, how, towards what."""
        return [self.dataset, self.sampler.method, self.target, f"seed{self.seed}"]


class MeasureSpec(Spec):
    """What is measured of an edit, by networks that had no part in it."""

    edit: EditSpec
    judge: ClassifierSpec
    features: Features = "inception"
    identity: Identity = "facenet"
    device: Literal["cpu", "cuda"] = "cpu"
    threads: int = 1

    def slug(self) -> list[str]:
        """The edit's own name."""
        return self.edit.slug()


class SampleSpec(Spec):
    """Faces drawn from noise, by DDPM (SMC, Fig. 4)."""

    train: SMCTrainSpec
    images: int = 16
    inference_steps: int = 1000
    seed: int = 0
    batch_rows: int = 16
    device: Literal["cpu", "cuda"] = "cpu"
    threads: int = 1

    def slug(self) -> list[str]:
        """The model it is drawn from."""
        return [*self.train.slug(), "samples"]


class ReconstructionSpec(Spec):
    """Faces through the autoencoder alone: its error, by what the faces show (SMC, Section 4)."""

    backbone: str
    dataset: str
    split: str
    px: int
    images: int | None = None
    features: Features = "inception"
    batch_rows: int = 16
    device: Literal["cpu", "cuda"] = "cpu"
    threads: int = 1

    def slug(self) -> list[str]:
        """The autoencoder, and what it reconstructs."""
        return [self.backbone, self.dataset, self.split]
