"""The user's config.yaml and the scale it names, validated before anything runs."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from facetory.pipeline.fabricated import FABRICATED, check_fabricated
from facetory.pipeline.files import FacetoryError
from facetory.pipeline.gpu import visible_gpus
from facetory.pipeline.spec import Precision, Reading, Spec
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

    ``faces_of`` names datasets whose faces are cut otherwise than ``faces`` says.  ``extends`` names another
    scale, whose keys stand where this one has none of its own.  ``device`` any is a GPU where there is one;
    ``cpu_precision`` takes the place of reduced precisions on the CPU.
    ``fabricated`` makes the scale a rehearsal: the images, people or pairs, by split, of each dataset that
    `facetory rehearse fabricate` writes.
    """

    title: str
    extends: str | None = None
    device: Literal["cpu", "cuda", "any"] = "cpu"
    cpu_precision: Literal["no", "bf16"] = "no"
    threads: int = 1
    seeds: tuple[int, ...] = (0,)
    faces: Faces = Faces()
    faces_of: dict[str, Faces] = {}
    slots: dict[str, str]
    stand_ins: tuple[str, ...] = ()
    datasets: dict[str, dict[str, Any]] = {}
    evaluation_split: dict[str, Literal["train", "validation", "test"]] = {}
    fabricated: dict[str, dict[str, int]] = {}
    pretraining: dict[str, Pretraining] = RELEASED
    recognition: dict[str, Any] = {}
    emodc: dict[str, Any] = {}
    smc: dict[str, Any] = {}
    affectdiff: dict[str, Any] = {}
    adaptdiff: dict[str, Any] = {}


class Settings(_Strict):
    """A config with the scale it names.

    ``ideal`` plans for a machine on which every dataset and all weights are placed, with a GPU if the scale
    is made for one.
    """

    config: Config
    scale: Scale
    ideal: bool = False

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
        found = self.ideal and self.scale.device == "cuda"
        return "cuda" if found or (self.scale.device != "cpu" and visible_gpus()) else "cpu"

    def precision(self, asked: Precision) -> Precision:
        """The precision that a stage asks for, as the device can have it."""
        return asked if self.device == "cuda" or asked == "no" else self.scale.cpu_precision

    @property
    def rehearsal(self) -> bool:
        """Whether the scale runs on fabricated datasets and random weights."""
        return bool(self.scale.fabricated)

    def dataset_of(self, slot: str) -> str:
        """The dataset that fills a slot."""
        return self.config.slots.get(slot) or self.scale.slots[slot]

    def is_stand_in(self, slot: str, own: str | None = None) -> bool:
        """True when the slot is filled by another dataset than the paper's ``own`` (named like the slot).

        In a rehearsal everything stands in: what bears the dataset's name is fabricated.
        """
        if self.rehearsal:
            return True
        dataset = self.dataset_of(slot)
        return dataset in (*self.scale.stand_ins, *self.config.datasets) or dataset != (own or slot)

    def replaced(self, title: str) -> str:
        """What a model card says that a stand-in replaces: a dataset's ``title``, and a rehearsal's name."""
        return f"{title} in a rehearsal ({FABRICATED})" if self.rehearsal else title

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


def scale_content(name: str) -> dict[str, Any]:
    """The content of a scale's file over that of the scale it extends; mappings are merged key by key.

    A null takes a key away.
    """
    path = WORKFLOW / "scales" / f"{name}.yaml"
    own = load_yaml(path)
    if "extends" not in own:
        return own
    if own["extends"] not in scale_names() or own["extends"] == name:
        raise unknown("scale", own["extends"], scale_names(), f"{path.name}: extends")
    return _merged(scale_content(own["extends"]), own)


def _merged(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    shared = [key for key in base.keys() & own.keys() if _mappings(base, own, key)]
    both = {key: _merged(base[key], own[key]) for key in shared}
    return {key: value for key, value in {**base, **own, **both}.items() if value is not None}


def _mappings(base: dict[str, Any], own: dict[str, Any], key: str) -> bool:
    return isinstance(base[key], dict) and isinstance(own[key], dict)


def load_settings(content: dict[str, Any] | Path) -> Settings:
    """Settings from config.yaml (a path) or from the dictionary that Snakemake made of it.

    Raises `FacetoryError` for unknown keys, scales, slots and datasets, with the nearest known name.
    """
    where = str(content) if isinstance(content, Path) else "config.yaml"
    config = validated(Config, load_yaml(content) if isinstance(content, Path) else content, where)
    if config.scale not in scale_names():
        raise unknown("scale", config.scale, scale_names(), where)
    scale = validated(Scale, scale_content(config.scale), f"{config.scale}.yaml")
    settings = Settings(config=config, scale=scale)
    check_fabricated(config.data_root, settings.rehearsal, config.scale)
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
