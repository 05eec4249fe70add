"""A corpus on the device: ragged segments, normalised once, gathered into padded batches by indices."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from facetory.affectdiff.normalisation import Normalisation, normalised, statistics_of
from facetory.data.mosei.labels import emotion_labels, sentiment_labels
from facetory.data.mosei.segments import read_segments
from facetory.data.mosei.spec import MODALITIES, Modality
from facetory.data.mosei.splits import Split, split
from facetory.pipeline.files import FacetoryError

if TYPE_CHECKING:
    from facetory.affectdiff.spec import RecognizerSpec
    from facetory.data.mosei.segments import Segments

Streams = tuple[Tensor, Tensor, Tensor]


class Batch(NamedTuple):
    """Segments on the device: zeros where nothing was measured, which ``mask`` tells from a measured zero."""

    streams: Streams
    """Text, audio, video, each (B, L, D) float32, normalised, in [-10, 10]."""
    mask: Tensor
    """(B, 3, L) bool: measured."""
    labels: Tensor
    """(B,) int64; -1 where a segment has none."""
    positions: Tensor
    """(B,) int64: which segments of the corpus these are."""


@dataclass(frozen=True)
class Corpus:
    """All segments of a file, on one device, and what is known of each."""

    rows: dict[Modality, Tensor]
    """(R + 1, D) float32, normalised; the last row is zero and stands for padding."""
    measured: dict[Modality, Tensor]
    """(R + 1,) bool."""
    offsets: dict[Modality, Tensor]
    """(n + 1,) int64: segment i has rows offsets[i] to offsets[i + 1]."""
    length: int
    """Time steps of a batch; longer segments are cut."""
    parts: dict[Split, np.ndarray]
    """Positions (int64) of the labelled segments of "train", "validation" and "test"."""
    labels: np.ndarray
    """(n,) int64, -1: none."""
    sentiment: np.ndarray
    """(n,) float32 in [-3, 3]."""
    videos: list[str]
    segment_ids: list[str]
    normalisation: Normalisation
    class_counts: dict[Split, list[int]]
    """Segments of each class, by part."""
    about: dict[str, Any]

    def batch(self, positions: np.ndarray | Tensor) -> Batch:
        """The segments at these positions (int64), padded on the right to (B, L, D)."""
        at = torch.as_tensor(positions, device=self.rows["text"].device)
        streams, mask = zip(*(self._stream(modality, at) for modality in MODALITIES), strict=True)
        labels = torch.from_numpy(self.labels).to(at.device)[at]
        return Batch(streams, torch.stack(mask, 1), labels, at)

    def _stream(self, modality: Modality, at: Tensor) -> tuple[Tensor, Tensor]:
        rows, offsets = self.rows[modality], self.offsets[modality]
        index = offsets[at, None] + torch.arange(self.length, device=at.device)
        index = torch.where(index < offsets[at + 1, None], index, len(rows) - 1)
        return rows[index], self.measured[modality][index]


def load(
    segments_path: Path | str,
    spec: RecognizerSpec,
    device: str = "cpu",
    normalisation: Normalisation | None = None,
) -> Corpus:
    """Read segments.safetensors and put all of it on the device, normalised by its training split.

    Mean and standard deviation are those of the training split's measured, finite values; padding never
    enters (Section II-C).  ``normalisation`` is a trained model's own.  What is not finite becomes 0, the
    mean.  `FacetoryError`: features of other sizes than the model's, or a split without segments.
    """
    segments = read_segments(segments_path)
    found = tuple(segments.streams[modality].shape[1] for modality in MODALITIES)
    if found != tuple(spec.model.dims):
        raise FacetoryError(
            f"{segments_path}: its features have sizes {found} (text, audio, video), the model takes "
            f"{tuple(spec.model.dims)}. Set the model's dims, or align the features that it was made for."
        )
    labels = labels_of(segments, spec)
    parts = split(spec.split, segments.videos, labels)
    normalisation = normalisation or statistics_of(segments, parts["train"])
    rows, measured = {}, {}
    for modality in MODALITIES:
        rows[modality], measured[modality] = _on_device(segments, modality, normalisation[modality], device)
    return Corpus(
        rows=rows,
        measured=measured,
        offsets={m: torch.from_numpy(segments.offsets[m]).to(device) for m in MODALITIES},
        length=spec.model.length,
        parts=parts,
        labels=labels,
        sentiment=np.array(segments.sentiment),
        videos=segments.videos,
        segment_ids=segments.segment_ids,
        normalisation=normalisation,
        class_counts={
            part: np.bincount(labels[at], minlength=spec.model.classes).tolist() for part, at in parts.items()
        },
        about=segments.about,
    )


def labels_of(segments: Segments, spec: RecognizerSpec) -> np.ndarray:
    """The task's labels (n,) int64, -1 where there is none."""
    if spec.task == "emotion":
        return emotion_labels(segments.intensities, spec.labels)
    return sentiment_labels(segments.sentiment, 7 if spec.task == "sentiment7" else 2)


def _on_device(
    segments: Segments, modality: Modality, normalisation: tuple[Tensor, Tensor], device: str
) -> tuple[Tensor, Tensor]:
    """The normalised rows and whether they were measured, each with the padding's row at the end."""
    rows, valid = segments.streams[modality], segments.valid[modality]
    mean, std = (each.to(device) for each in normalisation)
    result = torch.zeros(len(rows) + 1, rows.shape[1], device=device)
    measured = torch.zeros(len(rows) + 1, dtype=torch.bool, device=device)
    measured[:-1] = torch.from_numpy(valid).to(device)
    result[:-1] = torch.from_numpy(rows).to(device)
    normalised(result[:-1], mean, std)[~measured[:-1]] = 0.0
    return result, measured
