"""Specs of the multimodal corpus: where its files are from, features of our own, and its aligned segments."""

from __future__ import annotations

from typing import Literal

from facetory.pipeline.spec import Spec

Modality = Literal["text", "audio", "video"]
MODALITIES: tuple[Modality, ...] = ("text", "audio", "video")
TextFeatures = Literal["glove", "roberta", "bert", "minilm"]
AudioFeatures = Literal["covarep", "hubert", "wav2vec2"]
VideoFeatures = Literal["facet", "clip"]
Policy = Literal["strict", "masked", "code"]


class CorpusSpec(Spec):
    """The four `.csd` files of a corpus: placed by the user, or written by `data.mosei.synthetic`.

    ``videos`` and ``segments`` (a video, on average) bound a synthetic corpus; they are 0 for a placed one.
    """

    dataset: str
    videos: int = 0
    segments: float = 0.0
    words: float = 19.0
    seed: int = 0

    def slug(self) -> list[str]:
        """The dataset's name."""
        return [self.dataset]


class ExtractionSpec(Spec):
    """Features of a frozen foundation model, written as a `.csd` of the same layout."""

    corpus: CorpusSpec
    modality: Modality
    features: TextFeatures | AudioFeatures | VideoFeatures
    batch_size: int = 32
    device: Literal["cpu", "cuda"] = "cpu"
    threads: int = 1

    def slug(self) -> list[str]:
        """Whose features of what."""
        return [self.corpus.dataset, self.features]


class AlignmentSpec(Spec):
    """Segments of a corpus, aligned to words (Affect-Diff, Section II-C).

    ``strict`` keeps segments in which all three modalities are present, ``masked`` those with any of them,
    ``code`` is the released code's: one sample a video, the first ``length`` rows of each stream, unaligned,
    with the video's first label row.
    """

    corpus: CorpusSpec
    text: TextFeatures = "glove"
    audio: AudioFeatures = "covarep"
    video: VideoFeatures = "facet"
    policy: Policy = "strict"
    length: int = 50

    @property
    def extractions(self) -> tuple[tuple[Modality, str], ...]:
        """The modalities whose features are not the corpus's own."""
        own = {"text": "glove", "audio": "covarep", "video": "facet"}
        return tuple((m, getattr(self, m)) for m in MODALITIES if getattr(self, m) != own[m])

    def slug(self) -> list[str]:
        """Corpus, policy, and features where they are not the corpus's own."""
        return [self.corpus.dataset, self.policy, *(name for _, name in self.extractions)]
