"""A recognizer as a folder: model.json, weights.safetensors, and a model card."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, NamedTuple

from facetory.affectdiff.spec import RecognizerSpec
from facetory.data.mosei.spec import Modality
from facetory.pipeline.model_folder import About, Part, read_folder, write_folder

WEIGHTS = "weights.safetensors"


class Stream(Part):
    """The features of a modality: their name ("glove", "minilm", …) and how many there are in a row."""

    features: str
    width: int


class Data(Part):
    """The corpus that the model learnt from.

    ``planted`` is what a synthetic corpus was made with, ``splits`` the sizes of the parts, ``classes`` how
    many training segments each class has.
    """

    dataset: str
    title: str
    licence: str
    synthetic: bool
    planted: dict[str, Any] | None = None
    stands_in_for: str | None = None
    splits: dict[str, int]
    classes: dict[str, int]


class Metric(Part):
    """An exact score of the test split with its 95 % interval by bootstrap over videos."""

    name: str
    value: float
    low: float | None
    high: float | None
    n: int


class Model(About):
    """model.json.  The normalisation by the training split is in the weights' file."""

    format: Literal["facetory affectdiff model 1"] = "facetory affectdiff model 1"
    classes: tuple[str, ...]
    streams: dict[Modality, Stream]
    training: RecognizerSpec
    parameters: int
    data: Data
    videos: int | None = None
    metrics: tuple[Metric, ...] = ()


class Opened(NamedTuple):
    """A model with its weights, wherever they lie."""

    about: Model
    weights: Path


def write_model(folder: Path | str, opened: Opened, card: str) -> None:
    """Write a model's folder (`pipeline.model_folder`)."""
    write_folder(folder, opened.about, {WEIGHTS: opened.weights}, card)


def read_model(folder: Path | str) -> Opened:
    """Open a model's folder; a file that is missing or not the one it was is a `FacetoryError`."""
    folder = Path(folder)
    return Opened(read_folder(folder, Model, lambda about: [WEIGHTS]), folder / WEIGHTS)
