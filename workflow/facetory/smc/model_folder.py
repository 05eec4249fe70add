"""An editor as a folder: model.json, UNet, guide and autoencoder (safetensors), and a model card."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

from facetory.diffusion.catalogue import part_folder
from facetory.diffusion.reference import WEIGHTS, Reference, locate
from facetory.faces.recorded import Recorded
from facetory.pipeline.model_folder import About, Part, read_folder, write_folder
from facetory.recognition.spec import ClassifierSpec
from facetory.smc.sampler_spec import Sampler
from facetory.smc.spec import SMCTrainSpec

GUIDE = "guide/weights.safetensors"
COPIED_BYTES = 64 * 2**20
"""An autoencoder up to this size is copied into the model; of a larger one, name and hash are kept."""


class Score(Part):
    """A mean over ``n`` faces with its 95 % interval by bootstrap over people."""

    value: float
    low: float | None
    high: float | None
    n: int


class Measured(Part):
    """What networks that had no part in the edits say of them; ``people`` counts the faces' (None: unknown).

    ``scores`` by name, those of `export.SCORES` that could be measured.
    """

    target: str
    dataset: str
    title: str
    split: str
    sampler: Sampler
    particles: int
    people: int | None
    judge: str
    judge_dataset: str
    features: str
    identity: str
    scores: dict[str, Score]


class Data(Part):
    """A dataset that a part of the model was trained on; ``images`` of its training split."""

    dataset: str
    title: str
    licence: str
    images: int | None = None


class Guide(Part):
    """The classifier that steers; ``origin`` says where weights that were not trained here come from."""

    spec: ClassifierSpec
    data: Data
    origin: str | None = None


class Model(About):
    """model.json.  ``classes`` are the guide's, ``sampler`` what an edit uses unless told otherwise."""

    format: Literal["facetory smc model 1"] = "facetory smc model 1"
    classes: tuple[str, ...]
    px: int
    faces: Recorded
    sampler: Sampler
    batch_rows: int
    autoencoder: Reference
    scaling_factor: float
    guide: Guide
    training: SMCTrainSpec
    data: tuple[Data, ...]
    stands_in_for: str | None = None
    measured: tuple[Measured, ...] = ()


class Opened(NamedTuple):
    """A model with what it consists of, wherever that lies.

    ``diffusion`` holds unet/, ``guide`` weights.safetensors; ``autoencoder`` is a snapshot's folder, None
    where it is still to be found (`autoencoder_of`).  ``home`` is what paths in model.json are relative to.
    """

    about: Model
    diffusion: Path
    guide: Path
    autoencoder: Path | None
    home: Path


def write_model(folder: Path | str, opened: Opened, card: str) -> None:
    """Write a model's folder; a small autoencoder is copied into it (`COPIED_BYTES`)."""
    files = {f"unet/{name}": opened.diffusion / "unet" / name for name in ("config.json", WEIGHTS)}
    files[GUIDE] = opened.guide / Path(GUIDE).name
    about, snapshot = opened.about, opened.autoencoder
    part = part_folder(snapshot, "vae") if snapshot else None
    if part and (part / WEIGHTS).stat().st_size <= COPIED_BYTES:
        files |= {f"vae/{name}": part / name for name in ("config.json", WEIGHTS)}
        (sha256,) = about.autoencoder.sha256.values()
        inside = about.autoencoder.model_copy(update={"folder": ".", "sha256": {f"vae/{WEIGHTS}": sha256}})
        about = about.model_copy(update={"autoencoder": inside})
    write_folder(folder, about, files, card)


def read_model(folder: Path | str) -> Opened:
    """Open a model's folder; a file that is missing or not the one it was is a `FacetoryError`."""
    folder = Path(folder)
    return Opened(read_folder(folder, Model, _files), folder, folder / "guide", None, folder)


def autoencoder_of(opened: Opened, data_root: Path | str = "data") -> Path:
    """The snapshot of a model's autoencoder, found and checked (`diffusion.reference.locate`)."""
    return opened.autoencoder or locate(opened.about.autoencoder, opened.home, data_root)


def _files(about: Model) -> list[str]:
    copied = ["vae/config.json"] if about.autoencoder.folder == "." else []
    return ["unet/config.json", f"unet/{WEIGHTS}", GUIDE, *copied]
