"""Features of a word: the mean of its tokens' last hidden states, in the context of what is said around."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from facetory.data.mosei.csd import STRINGS, Stream, open_csd
from facetory.data.mosei.foundation import Foundation, weights_folder
from facetory.data.mosei.frozen import in_windows
from facetory.data.mosei.spoken import PAUSE
from facetory.data.mosei.write_csd import Entry
from facetory.pipeline.files import FacetoryError

CORE, MARGIN = 128, 64
"""Tokens of a window, and those of its context on either side."""


def entries(
    videos: Sequence[str], source: Path, network: Any, tokenizer: Any, batch_size: int
) -> Iterator[tuple[str, Entry]]:
    """Each video with its words' features and intervals; ``source`` is a `.csd` file of words."""
    with open_csd(source, 1, STRINGS) as csd:
        for video in videos:
            if video in csd:
                words, intervals = words_of(video, csd.read(video), source)
                features, which = word_features(network, tokenizer, words, batch_size)
                yield video, (features, intervals[which])


def load_tokenizer(model: Foundation, data_root: Path | str) -> Any:
    """The model's own tokenizer; what cannot be read is a `FacetoryError`."""
    from transformers import AutoTokenizer

    folder = weights_folder(model, data_root)
    own = {"add_prefix_space": True} if model.network == "RobertaModel" else {}
    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, use_fast=True, **own)
    except Exception as error:
        raise FacetoryError(
            f"{folder}: its tokenizer cannot be read ({error}). Get it again from {model.source}."
        ) from error


def word_features(
    network: Any, tokenizer: Any, words: list[str], batch_size: int = 32
) -> tuple[np.ndarray, np.ndarray]:
    """Features (m, d) float32 of a transcript's words, and which words they are (m,); pauses have none.

    Every token is read with at least `MARGIN` tokens before and after it where the transcript has them.
    """
    import torch

    spoken = np.array([i for i, word in enumerate(words) if word.strip() not in ("", PAUSE)], np.int64)
    if not len(spoken):
        return np.zeros((0, network.config.hidden_size), np.float32), spoken
    encoded = tokenizer(
        [words[i].strip() for i in spoken], is_split_into_words=True, add_special_tokens=False, verbose=False
    )
    tokens = encoded["input_ids"]
    first, last = [tokenizer.cls_token_id], [tokenizer.sep_token_id]

    def encode(begins: list[int], width: int) -> np.ndarray:
        rows = [first + tokens[begin : begin + width] + last for begin in begins]
        ids = torch.tensor(rows, device=network.device)
        hidden = network(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
        return hidden[:, 1:-1].float().cpu().numpy()

    with torch.inference_mode():
        states = in_windows(len(tokens), CORE, MARGIN, batch_size, encode)
    which, starts, counts = np.unique(encoded.word_ids(), return_index=True, return_counts=True)
    sums = np.add.reduceat(states, starts, axis=0)
    return (sums / counts[:, None]).astype(np.float32), spoken[which]


def words_of(video: str, stream: Stream, where: Path) -> tuple[list[str], np.ndarray]:
    """A video's words as text and their intervals; a word too many or too few is dropped at the end."""
    count = min(len(stream.features), len(stream.intervals))
    cells = stream.features[:count, 0].tolist()
    if not all(isinstance(cell, bytes | str) for cell in cells):
        raise FacetoryError(f"{where}: {video} has words that are no text. Place the file again.")
    words = [cell.decode("utf-8", "replace") if isinstance(cell, bytes) else cell for cell in cells]
    return words, stream.intervals[:count]
