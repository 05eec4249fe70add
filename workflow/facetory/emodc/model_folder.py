"""A trained classifier as a folder: model.json, adapter and prompt tokens (safetensors), and a model card."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Literal, NamedTuple

from facetory.diffusion.reference import Reference, locate
from facetory.emodc.race_threshold import Calibration as RaceCalibration
from facetory.emodc.race_threshold import read_calibration, write_calibration
from facetory.emodc.spec import EmoDCTrainSpec
from facetory.faces.recorded import Recorded
from facetory.pipeline.model_folder import About, Part, read_folder, write_folder
from facetory.pipeline.spec import Precision

ADAPTER, PROMPTS, RACE = "adapter.safetensors", "prompts.safetensors", "race.safetensors"


class BackboneOf(Reference):
    """The backbone under the adapter; ``sha256`` of the UNet's and the autoencoder's weights."""

    prediction_type: Literal["epsilon", "v_prediction"]


class Calibration(Part):
    """β of p(c|x) ∝ exp(−β · mean error) by number of timesteps, and how it was got.

    ``log_loss`` (nats) is that of a β fitted on other people, ``guess`` that of equal probabilities.
    """

    beta: dict[int, float]
    how: str
    n: int = 0
    log_loss: dict[int, float] = {}
    guess: float | None = None


class Race(Part):
    """What is known of racing (`race_threshold.Calibration`): the grid it runs through at most, ``samples``
    that calibrated it, and the bound on the probability that it disagrees with that grid."""

    steps: int
    threshold: float
    samples: int
    bound: float
    how: str


class Metric(Part):
    """A score with its 95 % interval; ``timesteps`` counts those that were averaged."""

    name: str
    timesteps: int
    value: float
    low: float | None
    high: float | None
    n: int
    people: int | None


class Data(Part):
    """What the adapter was trained on, and what it was measured on."""

    dataset: str
    title: str
    licence: str
    stands_in_for: str | None = None
    train: dict[str, int]
    splits: str
    evaluated: str | None = None


class Model(About):
    """model.json.  Timesteps count from 0."""

    format: Literal["facetory emodc model 1"] = "facetory emodc model 1"
    classes: tuple[str, ...]
    prompts: tuple[str, ...]
    backbone: BackboneOf
    px: int
    faces: Recorded
    loss: str
    one_step: int
    noise_seed: int = 0
    precision: Precision = "no"
    calibration: Calibration
    race: Race | None = None
    training: EmoDCTrainSpec
    data: Data
    metrics: tuple[Metric, ...] = ()


class Opened(NamedTuple):
    """A model with what it consists of, wherever that lies; ``home`` is what paths are relative to."""

    about: Model
    adapter: Path
    prompts: Path
    home: Path
    race: RaceCalibration | None = None


def write_model(folder: Path | str, opened: Opened, card: str) -> None:
    """Write a model's folder (`pipeline.model_folder`)."""
    files = {ADAPTER: opened.adapter, PROMPTS: opened.prompts}
    (Path(folder) / RACE).unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as aside:
        if opened.race:
            files[RACE] = Path(aside) / RACE
            write_calibration(files[RACE], opened.race)
        write_folder(folder, opened.about, files, card)


def read_model(folder: Path | str) -> Opened:
    """Open a model's folder; a file that is missing or not the one it was is a `FacetoryError`."""
    folder = Path(folder)
    model = read_folder(folder, Model, _files)
    race = read_calibration(folder / RACE) if model.race else None
    return Opened(model, folder / ADAPTER, folder / PROMPTS, folder, race)


def _files(model: Model) -> list[str]:
    return [ADAPTER, PROMPTS, *([RACE] if model.race else [])]


def backbone_folder(opened: Opened, data_root: Path | str = "data") -> Path:
    """The snapshot of a model's backbone, checked (`diffusion.reference.locate`)."""
    return locate(opened.about.backbone, opened.home, data_root)
