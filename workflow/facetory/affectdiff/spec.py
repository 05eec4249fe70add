"""Affect-Diff's specs: the model, the baselines, training, scores, latency, counterfactuals."""

from __future__ import annotations

from typing import Literal

from facetory.data.mosei.spec import AlignmentSpec
from facetory.pipeline.spec import Spec, TrainSpec

Task = Literal["emotion", "sentiment7", "sentiment2"]
Baseline = Literal["tfn", "mult", "misa", "mmim", "tetfn"]
EMOTIONS = ("Happy", "Sad", "Angry", "Fear", "Disgust", "Surprise")
SENTIMENTS = ("−3", "−2", "−1", "0", "+1", "+2", "+3")
POLARITIES = ("Negative", "Positive")
CLASSES: dict[str, tuple[str, ...]] = {
    "emotion": EMOTIONS,
    "sentiment7": SENTIMENTS,
    "sentiment2": POLARITIES,
}


class ModelSpec(Spec):
    """Affect-Diff's architecture; defaults are the text's (Section IV).

    ``dims`` are the features' sizes (text, audio, video).  ``prior_width`` 0 has no diffusion prior.
    ``condition`` is what the U-Net is told of the graph: softmax(Aᵀ1), the raw column sums in [0, 5], or
    nothing.  ``masks`` lets padding and missing modalities out of attention, pooling, graph, KL and
    diffusion.  ``modality_norm``, ``classify`` "denoised" and ``latent`` 256 belong to the homepage's
    variant; ``modality_gate`` to the released code, whose gate has parameters and no effect.
    """

    dims: tuple[int, int, int] = (300, 74, 35)
    classes: int = 6
    length: int = 50
    hidden: int = 128
    layers: int = 2
    heads: int = 4
    dropout: float = 0.3
    modality_norm: bool = False
    graph: Literal["notears", "gumbel", "none"] = "notears"
    modality_gate: bool = False
    latent: int = 128
    vae: bool = True
    logvar_min: float = -10.0
    logvar_max: float = 5.0
    decoder: bool = False
    prior_width: int = 128
    prior_timesteps: int = 1000
    beta_range: tuple[float, float] = (0.0, 0.999)
    condition: Literal["softmax", "column_sums", "none"] = "softmax"
    null_probability: float = 0.2
    pooling: Literal["attention", "mean_attention"] = "attention"
    classifier_layers: Literal[1, 2, 3] = 2
    classifier_dropout: float = 0.3
    classify: Literal["posterior", "denoised"] = "posterior"
    masks: bool = False


class BaselineSpec(Spec):
    """A published baseline: ``lite`` as released with the paper, ``faithful`` as its own paper has it.

    ``sizes`` replaces sizes of the network by name (for the demo).
    """

    network: Baseline
    size: Literal["lite", "faithful"] = "lite"
    dims: tuple[int, int, int] = (300, 74, 35)
    classes: int = 6
    length: int = 50
    masks: bool = False
    sizes: dict[str, int] = {}


class RecognizerSpec(TrainSpec):
    """One training of Affect-Diff or a baseline (Section IV-G and H); ``dataset`` is the corpus's name.

    ``split``: "random" 70/15/15 of the segments (seed 42), "stratified" video-disjoint, or the "standard"
    folds.  ``labels``: "argmax" as it is (ties and all-zero rows go to the first class), "swapped" the same
    with the released code's column names (its Fear is Surprise), "rule" without all-zero rows, ties to the
    first column.  ``epochs`` times the batches of the training split are the steps; ``patience`` is in
    epochs.  ``selection`` chooses the epoch on the exact balanced accuracy of the validation split, on the
    mean over its batches, or on its loss (the homepage).  ``curriculum`` "paper" is Eq. 13, "code" the
    released schedule.  ``adaptive_beta``, ``oversample`` and larger ``free_bits`` are the remedies that
    Section VI proposes.  ``clip_apart`` clips the prior's gradients by themselves and ``streams_apart`` lets
    its draws shift no other draw.
    """

    model: ModelSpec | BaselineSpec
    alignment: AlignmentSpec
    task: Task = "emotion"
    split: Literal["random", "stratified", "standard"] = "random"
    labels: Literal["argmax", "swapped", "rule"] = "argmax"
    epochs: int = 100
    patience: int = 35
    selection: Literal["exact", "batches", "loss"] = "exact"
    lr: float = 5e-4
    weight_decay: float = 1e-4
    decay: Literal["constant", "cosine"] = "cosine"
    warmup_epochs: int = 0
    focal_gamma: float = 2.0
    label_smoothing: float = 0.1
    class_weights: Literal["none", "sqrt_inverse"] = "none"
    oversample: bool = False
    augment: bool = True
    frame_mask: float = 0.1
    feature_noise: float = 0.01
    modality_dropout: float = 0.1
    beta: float = 0.1
    adaptive_beta: bool = False
    free_bits: float = 0.25
    lambda_diffusion: float = 0.05
    lambda_causal: float = 0.05
    lambda_sparsity: float = 0.0
    lambda_reconstruction: float = 0.0
    curriculum: Literal["paper", "code", "none"] = "paper"
    stop_gradient: bool = True
    clip_apart: bool = False
    streams_apart: bool = False
    ema: float = 0.999

    def slug(self) -> list[str]:
        """What is trained, on what, for which task."""
        model = self.model
        name = f"{model.network}_{model.size}" if isinstance(model, BaselineSpec) else "affect_diff"
        task = [] if self.task == "emotion" else [self.task]
        return [self.dataset, name, *task, f"seed{self.seed}"]


CONDITIONS = (
    "clean",
    "missing_text",
    "missing_audio",
    "missing_video",
    "noise_0.1",
    "noise_0.5",
    "noise_2.0",
    "frame_mask_0.10",
    "frame_mask_0.25",
    "frame_mask_0.50",
)
"""Table V's rows."""


class ScoreSpec(Spec):
    """Log-probabilities of the validation split's segments, clean, and of the test split's, by condition."""

    train: RecognizerSpec
    conditions: tuple[str, ...] = CONDITIONS
    noise_seed: int = 0
    batch_size: int = 256
    device: Literal["cpu", "cuda"] = "cpu"
    threads: int = 1

    def slug(self) -> list[str]:
        """The run that is scored."""
        return self.train.slug()


class LatencySpec(Spec):
    """Milliseconds of a forward pass of several models, one after the other on a quiet machine."""

    models: tuple[RecognizerSpec, ...]
    batch_sizes: tuple[int, ...] = (1, 64)
    repeats: int = 10
    device: Literal["cpu", "cuda"] = "cpu"
    threads: int = 1

    def slug(self) -> list[str]:
        """The device."""
        return ["latency", self.device]


class CounterfactualSpec(Spec):
    """Another label, another modality: what would the emotion have been (the homepage's two questions).

    ``examples`` test segments (None: all): z is inverted by DDIM under the label that the model *predicts*,
    resampled under every other one, and classified; and one stream at a time is swapped for that of another
    segment whose predicted emotion differs.  ``strength`` is the share of the ``steps`` that are inverted.
    """

    train: RecognizerSpec
    examples: int | None = 100
    steps: int = 50
    guidance_scale: float = 3.0
    strength: float = 1.0
    batch_size: int = 64
    seed: int = 0
    device: Literal["cpu", "cuda"] = "cpu"
    threads: int = 1

    def slug(self) -> list[str]:
        """The run that is asked."""
        return self.train.slug()
