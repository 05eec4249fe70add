"""One utterance's features from files: .csv, .npy, .npz or .safetensors; nothing that could run code."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from facetory.affectdiff.model_folder import Stream
from facetory.data.mosei.spec import MODALITIES, Modality
from facetory.pipeline.files import FacetoryError, open_tensors

KINDS = (".csv", ".npy", ".npz", ".safetensors")


def read_streams(
    features: Path | None, own: Mapping[Modality, Path | None], expected: Mapping[Modality, Stream]
) -> dict[Modality, np.ndarray]:
    """The streams (rows, D) that files hold: one of all modalities, and one for each of some.

    ``features`` is an .npz or .safetensors with arrays named text, audio and video (any of them),
    ``expected`` what the model reads.  A file that is missing, broken or of another width is a
    `FacetoryError`.
    """
    found: dict[Modality, np.ndarray] = {}
    if features:
        held = arrays_of(features)
        if unknown := sorted(set(held) - {*MODALITIES}):
            raise FacetoryError(
                f"{features}: array '{unknown[0]}' is no modality. Name arrays {', '.join(MODALITIES)}."
            )
        found = {modality: held[modality] for modality in MODALITIES if modality in held}
    for modality, path in own.items():
        if path and modality in found:
            raise FacetoryError(f"--{modality} {path}: {features} holds {modality} too. Give one of them.")
        if path:
            found[modality] = read_stream(path, modality)
    for modality, stream in found.items():
        _check(own.get(modality) or features, stream, expected[modality], modality)
    return found


def _check(path: Path | None, stream: np.ndarray, expected: Stream, modality: Modality) -> None:
    asked = f"{expected.width} {expected.features} features in each row of {modality}"
    if stream.ndim != 2:
        raise FacetoryError(f"{path}: its shape is {stream.shape}, expected two axes: {asked}.")
    if stream.shape[1] != expected.width:
        raise FacetoryError(f"{path} row 1: {stream.shape[1]} values, expected {asked}.")


def read_stream(path: Path, modality: Modality) -> np.ndarray:
    """A stream (rows, D) of a file; one that is missing, broken or of another kind is a `FacetoryError`."""
    if path.suffix == ".csv":
        return _csv(path)
    held = arrays_of(path)
    if len(held) > 1 and modality not in held:
        raise FacetoryError(
            f"{path}: holds {', '.join(sorted(held))}. Name the array of this modality '{modality}'."
        )
    return held[modality] if modality in held else next(iter(held.values()))


def arrays_of(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npy (its one array), .npz or .safetensors file, by name; pickles are refused."""
    if path.suffix not in KINDS[1:]:
        raise FacetoryError(f"{path}: files of features are {', '.join(KINDS)}. Save it as one of them.")
    if not path.is_file():
        raise FacetoryError(f"{path}: the file is missing. Check the path.")
    if path.suffix == ".safetensors":
        with open_tensors(path) as handle:
            held = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118
    else:
        try:
            loaded = np.load(path, allow_pickle=False)
            held = dict(loaded) if path.suffix == ".npz" else {path.stem: loaded}
        except (ValueError, OSError, EOFError) as error:
            raise FacetoryError(
                f"{path}: not a readable array of numbers ({error}). Save plain arrays with numpy.save."
            ) from error
    if not held:
        raise FacetoryError(f"{path}: holds no array. Save one of shape (rows, features).")
    return held


def _csv(path: Path) -> np.ndarray:
    """Numbers between commas, a row a line; empty and "nan" cells were not measured; names on top may be."""
    try:
        lines = list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines()))
    except FileNotFoundError as error:
        raise FacetoryError(f"{path}: the file is missing. Check the path.") from error
    except UnicodeDecodeError as error:
        raise FacetoryError(f"{path}: not a text file ({error}). Save it as CSV in UTF-8.") from error
    numbered = [(number, line) for number, line in enumerate(lines, start=1) if line]
    if numbered and any(map(str.strip, numbered[0][1])) and not any(map(_is_number, numbered[0][1])):
        numbered = numbered[1:]
    if not numbered:
        raise FacetoryError(f"{path}: has no row of numbers. Write a row a line, commas between.")
    width = len(numbered[0][1])
    for number, line in numbered:
        if len(line) != width:
            raise FacetoryError(
                f"{path} row {number}: {len(line)} values, the first row has {width}. Give every row as many."
            )
        bad = next((place for place, cell in enumerate(line) if not _is_number(cell)), None)
        if bad is not None and line[bad].strip():
            raise FacetoryError(
                f"{path} row {number}, column {bad + 1}: {line[bad]!r} is no number. Leave it empty "
                "if it was not measured."
            )
    return np.array([[float(cell) if cell.strip() else np.nan for cell in line] for _, line in numbered])


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
