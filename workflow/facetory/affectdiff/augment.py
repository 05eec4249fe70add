"""Augmentation of a training batch on the device (Section II-D)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from torch import Tensor

if TYPE_CHECKING:
    from facetory.affectdiff.batches import Streams
    from facetory.affectdiff.spec import RecognizerSpec


class Draw(Protocol):
    """Draws of one step: (purpose, shape) → tensor."""

    def __call__(self, purpose: str, *, shape: tuple[int, ...]) -> Tensor:
        """Random numbers of this shape."""
        ...


def augmented(
    streams: Streams, mask: Tensor, spec: RecognizerSpec, uniform: Draw, normal: Draw
) -> tuple[Streams, Tensor]:
    """Frame masking, Gaussian noise on audio and video, modality dropout; returns streams and mask.

    Each frame of each modality is zeroed with probability ``frame_mask``, each modality of each sample with
    ``modality_dropout``, independently, as released.  A model with masks sees what was zeroed as missing, and
    a sample of which nothing would be left is not zeroed at all.
    """
    batch, _, length = mask.shape
    frames = uniform("frames", shape=(batch, 3, length)) >= spec.frame_mask
    kept = uniform("modalities", shape=(batch, 3, 1)) >= spec.modality_dropout
    if spec.model.masks:
        nothing_left = ~(frames & kept & mask).flatten(1).any(1)[:, None, None]
        frames, kept = frames | nothing_left, kept | nothing_left
        kept = mask = mask & frames & kept
    text, audio, video = (stream * frames[:, m, :, None] for m, stream in enumerate(streams))
    if spec.feature_noise:
        audio = audio + spec.feature_noise * normal("noise audio", shape=tuple(audio.shape))
        video = video + spec.feature_noise * normal("noise video", shape=tuple(video.shape))
    text, audio, video = (stream * kept[:, m, :, None] for m, stream in enumerate((text, audio, video)))
    return (text, audio, video), mask
