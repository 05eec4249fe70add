"""A trained classifier as a folder: model.json, adapter and prompt tokens (safetensors), and a model card."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, field_serializer

from facetory.diffusion.catalogue import backbones, snapshot_folder
from facetory.emodc.race_threshold import Calibration as RaceCalibration
from facetory.emodc.race_threshold import read_calibration, write_calibration
from facetory.emodc.spec import EmoDCTrainSpec
from facetory.faces.crop import Alignment
from facetory.pipeline.files import FacetoryError, read_json, sha256_of, write_json, write_text, written_aside
from facetory.pipeline.spec import Precision
from facetory.pipeline.suggest import validated

FORMAT: Literal["facetory emodc model 1"] = "facetory emodc model 1"
ADAPTER, PROMPTS, RACE = "adapter.safetensors", "prompts.safetensors", "race.safetensors"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BackboneOf(_Part):
    """The backbone under the adapter: a name of backbones.yaml, or a folder relative to the model's.

    ``sha256`` of the UNet's and the autoencoder's weights by their path in the snapshot.
    """

    name: str
    source: str
    revision: str | None = None
    folder: str | None = None
    prediction_type: Literal["epsilon", "v_prediction"]
    sha256: dict[str, str]
    licence: str


class Calibration(_Part):
    """β of p(c|x) ∝ exp(−β · mean error) by number of timesteps, and how it was got.

    ``log_loss`` (nats) is that of a β fitted on other people, ``guess`` that of equal probabilities.
    """

    beta: dict[int, float]
    how: str
    n: int = 0
    log_loss: dict[int, float] = {}
    guess: float | None = None


class Race(_Part):
    """What is known of racing (`race_threshold.Calibration`): the grid it runs through at most, ``samples``
    that calibrated it, and the bound on the probability that it disagrees with that grid."""

    steps: int
    threshold: float
    samples: int
    bound: float
    how: str


class Metric(_Part):
    """A score with its 95 % interval; ``timesteps`` counts those that were averaged."""

    name: str
    timesteps: int
    value: float
    low: float | None
    high: float | None
    n: int
    people: int | None


class Data(_Part):
    """What the adapter was trained on, and what it was measured on."""

    dataset: str
    title: str
    licence: str
    stands_in_for: str | None = None
    train: dict[str, int]
    splits: str
    evaluated: str | None = None


class Model(_Part):
    """model.json.  Timesteps count from 0; ``files`` holds the sha256 of the files beside it."""

    format: Literal["facetory emodc model 1"] = FORMAT
    name: str
    classes: tuple[str, ...]
    prompts: tuple[str, ...]
    backbone: BackboneOf
    px: int
    faces: Alignment
    loss: str
    one_step: int
    noise_seed: int = 0
    precision: Precision = "no"
    calibration: Calibration
    race: Race | None = None
    training: EmoDCTrainSpec
    data: Data
    licence: str
    metrics: tuple[Metric, ...] = ()
    facetory: str
    files: dict[str, str] = {}

    @field_serializer("faces")
    def _faces(self, faces: Alignment) -> dict[str, Any]:
        return {**faces._asdict(), "detection": faces.detection._asdict()}


class Opened(NamedTuple):
    """A model with what it consists of, wherever that lies; ``home`` is what paths are relative to."""

    about: Model
    adapter: Path
    prompts: Path
    home: Path
    race: RaceCalibration | None = None


def write_model(folder: Path | str, opened: Opened, card: str) -> None:
    """Write a model's folder; model.json comes last, so that a killed export leaves no model."""
    folder = Path(folder)
    (folder / "model.json").unlink(missing_ok=True)
    for name, source in ((ADAPTER, opened.adapter), (PROMPTS, opened.prompts)):
        with written_aside(folder / name) as aside:
            shutil.copyfile(source, aside)
    (folder / RACE).unlink(missing_ok=True)
    if opened.race:
        write_calibration(folder / RACE, opened.race)
    write_text(folder / "README.md", card)
    files = {name: sha256_of(folder / name) for name in _files(opened.about)}
    write_json(
        folder / "model.json", opened.about.model_copy(update={"files": files}).model_dump(mode="json")
    )


def read_model(folder: Path | str) -> Opened:
    """Open a model's folder; a file that is missing or not the one it was is a `FacetoryError`."""
    folder = Path(folder)
    about = read_json(folder / "model.json")
    if isinstance(about, dict) and about.get("format", FORMAT) != FORMAT:
        raise FacetoryError(
            f"{folder / 'model.json'}: the format is {about['format']!r}, this facetory reads {FORMAT!r}. "
            "Use the version of facetory that the file names, or export the model again."
        )
    model = validated(Model, about, str(folder / "model.json"))
    for name in _files(model):
        check(folder / name, model.files.get(name), "Copy the whole model folder again, or export it again.")
    race = read_calibration(folder / RACE) if model.race else None
    return Opened(model, folder / ADAPTER, folder / PROMPTS, folder, race)


def _files(model: Model) -> list[str]:
    return [ADAPTER, PROMPTS, *([RACE] if model.race else [])]


def check(path: Path, sha256: str | None, remedy: str) -> None:
    """Compare a file with the hash that its model recorded."""
    if not path.is_file():
        raise FacetoryError(f"{path}: the file is missing. {remedy}")
    if (found := sha256_of(path)) != sha256:
        raise FacetoryError(
            f"{path}: sha256 is {found}, the model recorded {sha256}: the file is damaged or of another "
            f"model. {remedy}"
        )


def backbone_folder(opened: Opened, data_root: Path | str = "data") -> Path:
    """The snapshot of a model's backbone, checked against the weights it was trained on.

    Backbones that are not placed, or whose weights are others, are a `FacetoryError`.
    """
    about = opened.about.backbone
    if about.folder is not None:
        folder: Path | None = (opened.home / about.folder).resolve()
        remedy = f"Put the backbone that {opened.home} was trained on there again."
    else:
        spec = backbones().get(about.name)
        folder = snapshot_folder(spec, Path(data_root)) if spec else None
        remedy = (
            f"Place the weights that {opened.home} was trained on ({about.source}"
            f"{f', revision {about.revision}' if about.revision else ''}), or train and export it again."
        )
    if folder is None or not folder.is_dir():
        raise FacetoryError(
            f"{opened.home}: its backbone {about.name} is not placed. Run `facetory backbone fetch "
            f"{about.name}` (licence: {about.licence}), or copy the snapshot folder of {about.source} to "
            f"{Path(data_root) / 'weights' / about.name}."
        )
    for name, sha256 in about.sha256.items():
        check(folder / name, sha256, remedy)
    return folder


def weights_of(folder: Path) -> dict[str, str]:
    """sha256 of a snapshot's UNet and autoencoder weights by their path in it."""
    names = [f"{part}/diffusion_pytorch_model.safetensors" for part in ("unet", "vae")]
    return {name: sha256_of(folder / name) for name in names}
