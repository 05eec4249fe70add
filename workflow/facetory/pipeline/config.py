"""The user's config.yaml and the scale it names, validated before anything runs."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from facetory.pipeline.files import FacetoryError
from facetory.pipeline.gpu import visible_gpus
from facetory.pipeline.spec import Reading, Spec
from facetory.pipeline.suggest import unknown, validated

WORKFLOW = Path(__file__).resolve().parents[2]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class OwnFolder(_Strict):
    """A user's dataset: a folder per class, optionally below train/, validation/ and test/."""

    path: Path
    labels: dict[str, str] = {}
    licence: str = "the user's own"


class Config(_Strict):
    """config.yaml."""

    scale: str = "demo"
    reading: Reading = "paper"
    data_root: Path = Path("data")
    allow_cpu: bool = False
    slots: dict[str, str] = {}
    datasets: dict[str, OwnFolder] = {}


class Faces(_Strict):
    """MTCNN detection and square crop (EmoDC, Section IV-B: aligned and cropped to 512²).

    ``selection`` none looks for no face: the pictures come aligned.
    """

    px: int = 512
    margin: float = 0.15
    selection: Literal["largest", "most_central", "most_probable", "none"] = "largest"
    min_probability: float = Field(default=0.9, ge=0, le=1)


class Pretraining(_Strict):
    """How a released model of the demo is trained: options of `facetory backbone pretrain`."""

    architecture: str = "demo"
    vae_steps: int = 12000
    unet_steps: int = 30000
    vae_batch: int = 256
    unet_batch: int = 1024
    vae_lr: float = 5e-4
    unet_lr: float = 1e-3
    grey: float = 0.0


RELEASED = {
    "demo-backbone": Pretraining(),
    "demo-faces": Pretraining(architecture="demo-faces", vae_lr=1e-3, grey=0.25),
}


class Scale(_Strict):
    """workflow/scales/<name>.yaml: sizes, budgets and slot -> dataset; each wing validates its own part.

    ``faces_of`` names datasets whose faces are cut otherwise than ``faces`` says.
    """

    title: str
    device: Literal["cpu", "cuda"] = "cpu"
    threads: int = 1
    seeds: tuple[int, ...] = (0,)
    faces: Faces = Faces()
    faces_of: dict[str, Faces] = {}
    slots: dict[str, str]
    stand_ins: tuple[str, ...] = ()
    datasets: dict[str, dict[str, Any]] = {}
    evaluation_split: dict[str, Literal["train", "validation", "test"]] = {}
    pretraining: dict[str, Pretraining] = RELEASED
    recognition: dict[str, Any] = {}
    emodc: dict[str, Any] = {}
    smc: dict[str, Any] = {}
    affectdiff: dict[str, Any] = {}
    adaptdiff: dict[str, Any] = {}


class Settings(_Strict):
    """A config with the scale it names."""

    config: Config
    scale: Scale

    @property
    def name(self) -> str:
        """Name of the results folder: the scale, with the reading when it is not the paper's own."""
        reading = self.config.reading
        return self.config.scale if reading == "paper" else f"{self.config.scale}+{reading}"

    @cached_property
    def device(self) -> Literal["cpu", "cuda"]:
        """Device the specs ask for: the scale's, or the CPU where GPUs are missing and `allow_cpu` is set.

        The driver is asked once: thousands of specs read this.
        """
        return "cuda" if self.scale.device == "cuda" and visible_gpus() else "cpu"

    def dataset_of(self, slot: str) -> str:
        """The dataset that fills a slot."""
        return self.config.slots.get(slot) or self.scale.slots[slot]

    def is_stand_in(self, slot: str, own: str | None = None) -> bool:
        """True when the slot is filled by another dataset than the paper's ``own`` (named like the slot)."""
        dataset = self.dataset_of(slot)
        return dataset in (*self.scale.stand_ins, *self.config.datasets) or dataset != (own or slot)

    def split_of(self, dataset: str) -> str:
        """The split that is evaluated on a dataset."""
        return self.scale.evaluation_split.get(dataset, "test")


class DatasetSpec(Spec):
    """What the index of a dataset is made from: sizes for the embedded sets, a path for a user's own."""

    name: str
    sizes: dict[str, Any] = {}
    path: str | None = None
    labels: dict[str, str] = {}
    seed: int = 0


def load_yaml(path: Path) -> Any:
    """Safe YAML with an error that names file and line."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except FileNotFoundError as error:
        raise FacetoryError(f"{path}: the file is missing.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise FacetoryError(f"{path}: not valid YAML: {error}") from error


def scale_names() -> list[str]:
    """The scales that workflow/scales/ defines."""
    return sorted(path.stem for path in (WORKFLOW / "scales").glob("*.yaml"))


def load_settings(content: dict[str, Any] | Path) -> Settings:
    """Settings from config.yaml (a path) or from the dictionary that Snakemake made of it.

    Raises `FacetoryError` for unknown keys, scales, slots and datasets, with the nearest known name.
    """
    where = str(content) if isinstance(content, Path) else "config.yaml"
    config = validated(Config, load_yaml(content) if isinstance(content, Path) else content, where)
    if config.scale not in scale_names():
        raise unknown("scale", config.scale, scale_names(), where)
    path = WORKFLOW / "scales" / f"{config.scale}.yaml"
    settings = Settings(config=config, scale=validated(Scale, load_yaml(path), str(path.name)))
    for slot in config.slots:
        if slot not in settings.scale.slots:
            raise unknown("slot", slot, settings.scale.slots, f"{where}: slots")
    return settings


def check_device(settings: Settings) -> None:
    """Stop before any work when the scale is made for GPUs and there is none."""
    if settings.scale.device == "cuda" and not visible_gpus() and not settings.config.allow_cpu:
        raise FacetoryError(
            f"Scale '{settings.config.scale}' is made for GPUs and none is visible (nvidia-smi lists no "
            "device, or CUDA_VISIBLE_DEVICES is empty). Run it on a machine with a GPU, choose scale 'demo' "
            "or set allow_cpu: true in config.yaml to run it on the CPU (weeks, at scale 'paper')."
        )
