"""Specs of the discriminative classifiers: comparators, controls, guides; and of their evaluations."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from facetory.pipeline.spec import CorruptionOrder, FaceTrainSpec, Spec

Network = Literal["apvit", "poster", "posterpp", "resnet18", "cnn", "vit", "latent_cnn"]


class ClassifierSpec(FaceTrainSpec):
    """One discriminative classifier, trained by cross-entropy, or read from its authors' checkpoint.

    It sees aligned faces at ``px``, or with ``view`` "latents" what ``backbone``'s autoencoder makes of faces
    at ``px``.  ``size`` "paper" is the published architecture, "small" one with fewer, narrower layers.
    ``weights`` is an authors' checkpoint below data_root; it is not trained further.  ``weights_classes`` is
    the order of its outputs (None: that which is known of the authors' checkpoint for ``dataset``).
    The network "latent_cnn" sees latents with the noise of timesteps below ``noised_to``, under the betas
    ``beta_start`` … ``beta_end`` (scaled linear); the others see clean ones.
    """

    backbone: str = ""
    loss: str = "cross_entropy"
    network: Network
    view: Literal["faces", "latents"] = "faces"
    size: Literal["paper", "small"] = "paper"
    weights: str | None = None
    weights_classes: tuple[str, ...] | None = None
    label_smoothing: float = 0.05
    noised_to: int = Field(default=1000, ge=1, le=1000)
    beta_start: float = 1e-4
    beta_end: float = 0.02

    def slug(self) -> list[str]:
        """Network, what it sees, and what it learnt from."""
        return [
            self.network,
            *(["latents"] if self.view == "latents" else []),
            self.dataset,
            f"seed{self.seed}",
        ]


class ClassifierEvalSpec(Spec):
    """Scores of every (sample, class) of a split, clean and under corruptions.

    ``images_per_class`` bounds the corrupted images (None: all of the split); clean ones are always all.
    """

    train: ClassifierSpec
    dataset: str
    split: str
    corruptions: tuple[str, ...] = ("clean",)
    order: CorruptionOrder = "align_then_corrupt"
    images_per_class: int | None = None
    noise_seed: int = 0
    batch_size: int = 256
    device: Literal["cpu", "cuda"] = "cpu"
    threads: int = 1

    def slug(self) -> list[str]:
        """The classifier, and on what it is evaluated."""
        target = [] if self.train.dataset == self.dataset else [self.dataset]
        return [
            *self.train.slug(),
            *target,
            self.split,
            *(["robustness"] if self.corruptions != ("clean",) else []),
        ]
