"""Utterances from outside: checked against what the model reads, normalised and padded as in its training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from facetory.affectdiff.batches import Streams
from facetory.affectdiff.model_folder import Model
from facetory.affectdiff.normalisation import Normalisation, normalised
from facetory.data.mosei.spec import MODALITIES, Modality
from facetory.pipeline.files import FacetoryError

Tables = dict[Modality, np.ndarray]


def checked(utterance: Mapping[str, Any], about: Model, where: str) -> Tables:
    """The streams of an utterance that are there, float32 (rows, D), NaN where nothing was measured.

    ``where`` names the utterance in errors.
    """
    found: Tables = {}
    for modality in MODALITIES:
        given = utterance.get(modality)
        if given is not None:
            found[modality] = _table(np.asarray(given), about, modality, f"{where}, {modality}")
    if not found:
        raise FacetoryError(f"{where}: no stream. Give text, audio or video; any one of them will do.")
    rows = {modality: len(table) for modality, table in found.items()}
    if about.training.alignment.policy != "code" and len(set(rows.values())) > 1:
        counted = ", ".join(f"{modality} has {count} rows" for modality, count in rows.items())
        raise FacetoryError(
            f"{where}: {counted}. This model reads streams that are aligned to words: average audio and "
            "video over each word, so that every stream has a row a word."
        )
    return found


def _table(given: np.ndarray, about: Model, modality: Modality, where: str) -> np.ndarray:
    own = about.streams[modality]
    if given.ndim != 2 or given.shape[1] != own.width or not len(given):
        raise FacetoryError(
            f"{where}: the shape is {given.shape}, expected (rows, {own.width}): {own.features} features, "
            "one row a word."
        )
    if not np.issubdtype(given.dtype, np.number) or np.iscomplexobj(given):
        raise FacetoryError(f"{where}: holds {given.dtype}, not numbers. Give real numbers.")
    table = given.astype(np.float32)
    if not np.isfinite(table).any():
        raise FacetoryError(f"{where}: not one finite number. Leave the modality out if it is missing.")
    return table


def padded(
    utterances: Sequence[Tables], normalisation: Normalisation, length: int, device: str = "cpu"
) -> tuple[Streams, Tensor]:
    """Streams (B, L, D) and mask (B, 3, L): normalised, cut at ``length`` rows, zeros where nothing is."""
    streams, mask = [], torch.zeros(len(utterances), len(MODALITIES), length, dtype=torch.bool)
    for place, modality in enumerate(MODALITIES):
        mean, std = normalisation[modality]
        stream = torch.zeros(len(utterances), length, len(mean))
        for row, tables in enumerate(utterances):
            if modality in tables:
                table = torch.from_numpy(tables[modality][:length]).clone()
                mask[row, place, : len(table)] = table.isfinite().any(1)
                stream[row, : len(table)] = normalised(table, mean, std)
        streams.append(stream.to(device))
    text, audio, video = streams
    return (text, audio, video), mask.to(device)
