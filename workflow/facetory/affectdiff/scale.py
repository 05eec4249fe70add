"""The `affectdiff` part of a scale file."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from facetory.data.mosei.spec import TextFeatures
from facetory.pipeline.spec import Precision


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Corpus(_Strict):
    """How large the synthetic corpus is; a placed one is whole."""

    videos: int = 0
    segments: float = 0.0
    words: float = 19.0


class Seeds(_Strict):
    """Seeds of the main results, of the paper's ablations, and of everything else."""

    main: tuple[int, ...] = (42, 43, 44)
    ablations: tuple[int, ...] = (42, 43, 44)
    other: tuple[int, ...] = (42,)


class Training(_Strict):
    """How long a model is trained, and in what batches (Section IV-H)."""

    epochs: int = 100
    patience: int = 35
    batch_size: int = 64
    lr: float = 5e-4
    precision: Precision = "no"
    checkpoint_every: int = 500


class Counterfactuals(_Strict):
    """Segments that are asked "what if", and DDIM's steps."""

    examples: int | None = 100
    steps: int = 50


class Latency(_Strict):
    """Batch sizes of Table VI, and passes of which the median is taken."""

    batch_sizes: tuple[int, ...] = (1, 64)
    repeats: int = 10


class AffectDiffScale(_Strict):
    """Sizes of the Affect-Diff paper at one scale.

    ``model`` replaces fields of the model's spec (widths, length), ``faithful`` sizes of the faithful
    baselines by network, ``lite`` those of the lite ones.  ``sentiment_text`` are the text features of the
    sentiment runs, ``homepage`` those of the homepage's variant by modality.
    """

    corpus: Corpus = Corpus()
    seeds: Seeds = Seeds()
    length: int = 50
    model: dict[str, Any] = {}
    homepage_model: dict[str, Any] = {}
    lite: dict[str, dict[str, int]] = {}
    faithful: dict[str, dict[str, int]] = {}
    training: Training = Training()
    sentiment_text: TextFeatures = "bert"
    homepage: dict[str, str] = {"text": "roberta", "audio": "wav2vec2"}
    counterfactuals: Counterfactuals = Counterfactuals()
    latency: Latency = Latency()
