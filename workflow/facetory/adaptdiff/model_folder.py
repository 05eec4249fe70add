"""A generator of identities as a folder: model.json, UNet, first stage, pool, and a model card."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, NamedTuple

from facetory.adaptdiff.spec import GeneratorSpec, Guidance, IdentitySampler
from facetory.faces.spec import Alignment
from facetory.pipeline.model_folder import About, Part, read_folder, write_folder

UNET, POOL = "unet.safetensors", "identities.safetensors"
VAE = ("vae/config.json", "vae/diffusion_pytorch_model.safetensors")


class FirstStage(Part):
    """The autoencoder in vae/, and where it is from."""

    name: str
    source: str
    revision: str | None = None
    licence: str


class Data(Part):
    """The faces that the generator learnt from; ``stands_in_for`` names the dataset that they replace."""

    dataset: str
    title: str
    licence: str
    images: int | None = None
    people: int | None = None
    stands_in_for: str | None = None


class Metric(Part):
    """A measure of separability with its 95 % interval; None: no interval."""

    name: str
    value: float
    low: float | None
    high: float | None


class Measured(Part):
    """What an embedder that had no part in it says of faces by this generator."""

    judge: str
    identities: int
    images: int
    guidance: Guidance
    sampler: IdentitySampler
    metrics: tuple[Metric, ...]


class Model(About):
    """model.json.  ``latent`` (C, h, w); ``px`` is the side of the pictures that are decoded.

    ``training`` has the noise schedule.  ``guidance``, ``sampler``, ``alignment``, ``face_px`` (the side of
    the aligned faces) and ``batch_rows`` (images drawn at once) are what is used unless told otherwise.
    ``pool`` counts the identities.
    """

    format: Literal["facetory identity_generator 1"] = "facetory identity_generator 1"
    architecture: dict[str, Any]
    parameters: int
    latent: tuple[int, int, int]
    scaling_factor: float
    context_size: int
    pool: int
    pool_sha256: str
    px: int
    guidance: Guidance = Guidance()
    sampler: IdentitySampler = IdentitySampler(method="ddim", steps=50)
    alignment: Alignment = "mtcnn"
    face_px: int = 112
    batch_rows: int = 16
    first_stage: FirstStage
    training: GeneratorSpec
    data: Data
    measured: Measured | None = None


class Opened(NamedTuple):
    """A model with what it consists of, wherever that lies.

    ``generator`` is the folder of unet.safetensors, ``pool`` the file of the identities, ``vae`` the folder
    of the first stage's weights.
    """

    about: Model
    generator: Path
    pool: Path
    vae: Path


def write_model(folder: Path | str, opened: Opened, card: str) -> None:
    """Write a model's folder (`pipeline.model_folder`); it holds all that it needs."""
    files = {UNET: opened.generator / UNET, POOL: opened.pool}
    write_folder(folder, opened.about, files | {name: opened.vae / Path(name).name for name in VAE}, card)


def read_model(folder: Path | str) -> Opened:
    """Open a model's folder; a file that is missing or not the one it was is a `FacetoryError`."""
    folder = Path(folder)
    about = read_folder(folder, Model, lambda about: (UNET, POOL, *VAE))
    return Opened(about, folder, folder / POOL, folder / "vae")
