"""Writing a model as a snapshot folder in diffusers' layout: safetensors and configurations."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facetory.pipeline.files import sha256_of, write_json

if TYPE_CHECKING:
    from torch import nn

SCHEDULER: dict[str, Any] = {
    "_class_name": "DDIMScheduler",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
}


def save(module: nn.Module, folder: Path, half: bool = True) -> None:
    """Write a diffusers module, in float16 unless ``half`` is false; the folder is replaced as a whole."""
    aside = folder.with_name(f".{folder.name}.aside")
    shutil.rmtree(aside, ignore_errors=True)
    written = copy.deepcopy(module).cpu()
    written = written.half() if half else written.float()
    written.save_pretrained(aside, safe_serialization=True)  # type: ignore[operator]
    shutil.rmtree(folder, ignore_errors=True)
    aside.replace(folder)


def save_scheduler(folder: Path, scheduler: dict[str, Any] = SCHEDULER) -> None:
    """Write scheduler/scheduler_config.json: the schedule the UNet was trained under."""
    write_json(folder / "scheduler" / "scheduler_config.json", scheduler)


def hashes(folder: Path) -> dict[str, str]:
    """sha256 of the files of unet/, vae/ and scheduler/ by their path in the snapshot."""
    parts = (folder / part for part in ("scheduler", "unet", "vae"))
    files = sorted(file for part in parts for file in part.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): sha256_of(file) for file in files}
