"""Features of speech: the last hidden states of HuBERT or wav2vec 2.0, averaged over tenths of a second."""

from __future__ import annotations

import wave
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from facetory.data.mosei.frozen import in_windows
from facetory.data.mosei.write_csd import Entry
from facetory.pipeline.files import FacetoryError

RATE, HOP, FIELD = 16000, 320, 400
"""Samples a second; samples from one hidden state to the next (20 ms), and that one of them sees."""
STATES = 5
"""Hidden states that one row of features averages: 0.1 s."""
CORE, MARGIN = 100, 10
"""Rows of a window, and of its context on either side: 10 s and 1 s."""


def entries(
    videos: Sequence[str], source: Path, network: Any, batch_size: int
) -> Iterator[tuple[str, Entry]]:
    """Each video that has a recording ``<source>/<video>.wav``, with its features and intervals."""
    for video in videos:
        path = source / f"{video}.wav"
        if path.is_file():
            yield video, speech_features(network, read_wave(path), batch_size)


def speech_features(network: Any, samples: np.ndarray, batch_size: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, d) float32 of samples at 16 kHz, and their intervals (n, 2) in seconds, 0.1 s each.

    The whole recording is brought to mean 0 and variance 1, as these models' own feature extractors do; what
    is left after the last whole interval is not used.
    """
    import torch

    row = STATES * HOP
    total = len(samples) // row
    if not total:
        return np.zeros((0, network.config.hidden_size), np.float32), np.zeros((0, 2))
    signal = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)
    signal = np.pad(signal.astype(np.float32), (0, FIELD - HOP))  # for the last hidden state of the last row

    def encode(begins: list[int], width: int) -> np.ndarray:
        parts = [signal[begin * row : (begin + width) * row + FIELD - HOP] for begin in begins]
        values = torch.from_numpy(np.stack(parts)).to(network.device)
        hidden = network(input_values=values).last_hidden_state.float()
        return hidden.unflatten(1, (width, STATES)).mean(2).cpu().numpy()

    with torch.inference_mode():
        features = in_windows(total, CORE, MARGIN, batch_size, encode)
    edges = np.arange(total + 1) * (row / RATE)
    return features, np.column_stack([edges[:-1], edges[1:]])


def read_wave(path: Path) -> np.ndarray:
    """Samples of a 16 kHz mono 16-bit PCM file, (n,) float32 in [−1, 1); others are `FacetoryError`s."""
    convert = f"Convert it: ffmpeg -i INPUT -ac 1 -ar {RATE} -c:a pcm_s16le {path.name}"
    try:
        with wave.open(str(path), "rb") as file:
            found = (file.getframerate(), file.getnchannels(), 8 * file.getsampwidth())
            expected, content = file.getnframes(), file.readframes(file.getnframes())
    except (wave.Error, EOFError, OSError) as error:
        raise FacetoryError(f"{path}: not a readable PCM wave file ({error}). {convert}") from error
    if found != (RATE, 1, 16):
        raise FacetoryError(
            f"{path}: {found[0]} Hz, {found[1]} channels, {found[2]} bit; expected {RATE} Hz, 1 channel, "
            f"16 bit. {convert}"
        )
    if len(content) != 2 * expected:
        raise FacetoryError(
            f"{path}: {len(content) // 2} of {expected} samples: truncated. Restore the file."
        )
    return np.frombuffer(content, "<i2").astype(np.float32) / 2**15
