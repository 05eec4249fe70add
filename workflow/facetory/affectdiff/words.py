"""Features of words that were typed, for models whose text features a language model at hand can make."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from facetory.affectdiff.model_folder import Model
from facetory.data.mosei.foundation import foundations, missing_weights
from facetory.pipeline.files import FacetoryError


def features_of(
    words: str, about: Model, data_root: Path | str = "data", device: str = "cpu"
) -> tuple[np.ndarray, list[str]]:
    """A row of features a word, (words, D) float32, and the words that have one.

    In training the language model saw what was said before and after as well.  Features that no language
    model makes, weights that are not placed, or no word at all are a `FacetoryError`.
    """
    stream = about.streams["text"]
    model = foundations().get(stream.features)
    if not model:
        raise FacetoryError(
            f"--words: {about.name} reads {stream.features} features ({stream.width} a word), which are "
            f"not a language model's. Give --text with {stream.features} features."
        )
    if reason := missing_weights(model, data_root):
        raise FacetoryError(f"--words: {about.name} reads {stream.features} features. {reason}.")
    from facetory.data.mosei.extract_text import load_tokenizer, word_features
    from facetory.data.mosei.frozen import load

    spoken = words.split()
    features, which = word_features(load(model, data_root, device), load_tokenizer(model, data_root), spoken)
    if not len(features):
        raise FacetoryError("--words: no word. Write what was said.")
    return features, [spoken[i] for i in which]
