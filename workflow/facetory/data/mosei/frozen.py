"""Frozen foundation models: loaded from a local folder, and run over long inputs in windows with context."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from facetory.data.mosei.foundation import Foundation, missing_weights, weights_folder
from facetory.pipeline.files import FacetoryError

WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""The files that weights are read from, the first one there; of the second, tensors alone (weights only)."""
UNUSED = {"masked_spec_embed"}
"""Weights that may be missing: they serve pretraining only."""


def load(model: Foundation, data_root: Path | str, device: str = "cpu") -> Any:
    """The model of transformers with its own weights: float32, evaluation mode, no gradients, no download.

    Raises `FacetoryError` when weights are missing, broken, of another size, or lack a tensor.
    """
    import torch
    import transformers

    if reason := missing_weights(model, data_root):
        raise FacetoryError(f"{reason}.")
    transformers.logging.disable_progress_bar()
    transformers.logging.set_verbosity_error()
    own = {"add_pooling_layer": False} if model.network in ("BertModel", "RobertaModel") else {}
    path = weights_file(model, data_root)
    try:
        network, found = getattr(transformers, model.network).from_pretrained(
            path.parent,
            local_files_only=True,
            use_safetensors=path.name == WEIGHTS[0],
            weights_only=True,
            dtype=torch.float32,
            output_loading_info=True,
            **own,
        )
    except Exception as error:  # safetensors, pickle and transformers each have errors of their own
        first = (str(error) or type(error).__name__).strip().splitlines()[0]
        raise FacetoryError(
            f"{path}: cannot be read as {model.title} ({first}). Get it again from {model.source}."
        ) from error
    if absent := sorted(set(found["missing_keys"]) - UNUSED):
        raise FacetoryError(
            f"{path}: {len(absent)} of {model.title}'s tensors are missing, e.g. {absent[0]}. "
            f"Get it again from {model.source}."
        )
    return network.eval().requires_grad_(False).to(device)


def weights_file(model: Foundation, data_root: Path | str) -> Path:
    """The file that a placed model's weights are read from."""
    folder = weights_folder(model, data_root)
    return next(folder / name for name in WEIGHTS if (folder / name).is_file())


def in_windows(
    total: int, core: int, margin: int, batch_size: int, encode: Callable[[list[int], int], Any]
) -> np.ndarray:
    """States of ``total`` positions, (total, d), each from the window in whose core it lies.

    Windows have equal widths, ``core`` with ``margin`` of context on either side (or all there is), so that
    none is padded: at the ends they are moved inside.  ``encode(begins, width)`` gives a batch's states,
    (len(begins), width, d).
    """
    width = min(total, core + 2 * margin)
    firsts = range(0, total, core)
    begins = [min(max(first - margin, 0), total - width) for first in firsts]
    rows = []
    for start in range(0, len(begins), batch_size):
        some = begins[start : start + batch_size]
        states = np.asarray(encode(some, width))
        for found, begin, first in zip(states, some, firsts[start:], strict=False):
            rows.append(found[first - begin : min(first + core, total) - begin])
    return np.concatenate(rows)
