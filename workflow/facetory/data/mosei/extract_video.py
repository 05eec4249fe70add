"""Features of pictures of a video: CLIP's image embedding of each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from facetory.data.images import read_image
from facetory.data.mosei.foundation import Foundation, weights_folder
from facetory.data.mosei.write_csd import Entry
from facetory.pipeline.files import FacetoryError

FRAME = re.compile(r"(\d+(?:\.\d+)?)\.(?:jpg|jpeg|png)", re.IGNORECASE)
"""A picture is named by its second: ``12.jpg`` or ``12.5.jpg``."""


def entries(
    videos: Sequence[str], source: Path, network: Any, processor: Any, batch_size: int
) -> Iterator[tuple[str, Entry]]:
    """Each video that has pictures ``<source>/<video>/<second>.jpg``, with its features and intervals."""
    for video in videos:
        if frames := frames_of(source / video):
            yield video, picture_features(network, processor, frames, batch_size)


def load_processor(model: Foundation, data_root: Path | str) -> Any:
    """The model's own resizing, cropping and normalisation, by Pillow; unreadable is a `FacetoryError`."""
    from transformers import CLIPImageProcessorPil

    folder = weights_folder(model, data_root)
    try:
        return CLIPImageProcessorPil.from_pretrained(folder, local_files_only=True)
    except Exception as error:
        raise FacetoryError(
            f"{folder}: preprocessor_config.json cannot be read ({error}). Get it again from {model.source}."
        ) from error


def picture_features(
    network: Any, processor: Any, frames: list[tuple[float, Path]], batch_size: int = 32
) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings (n, d) float32 of the frames of `frames_of`, and their intervals (n, 2) in seconds.

    Each frame stands for the time until the next one, at most for the smallest step between two (1 s where
    there is one frame).
    """
    import torch

    rows = []
    with torch.inference_mode():
        for first in range(0, len(frames), batch_size):
            pictures = [read_image(path) for _, path in frames[first : first + batch_size]]
            values = processor(images=pictures, return_tensors="pt")["pixel_values"].to(network.device)
            rows.append(network(pixel_values=values).image_embeds.float().cpu().numpy())
    starts = np.array([second for second, _ in frames])
    step = np.diff(starts).min() if len(starts) > 1 else 1.0
    return np.concatenate(rows), np.column_stack([starts, starts + step])


def frames_of(folder: Path) -> list[tuple[float, Path]]:
    """The pictures of a video with their seconds, in order; two of one second are a `FacetoryError`."""
    matches = [(FRAME.fullmatch(path.name), path) for path in folder.iterdir()] if folder.is_dir() else []
    frames = sorted((float(match[1]), path) for match, path in matches if match)
    for (second, path), (other, _) in zip(frames[1:], frames, strict=False):
        if second == other:
            raise FacetoryError(f"{path}: a second picture of second {second:g}. Keep one of them.")
    return frames
