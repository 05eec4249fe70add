"""Training checkpoints: one safetensors file each, written atomically, the last two kept.

A checkpoint holds every tensor that training changes, and its position (step, unfinished log window) as JSON
metadata.  Random states are not in it: all draws are functions of the seed and the step.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facetory.pipeline.files import FacetoryError, open_tensors, read_metadata, write_tensors

if TYPE_CHECKING:
    from torch import Tensor

KEPT = 2
INTERRUPT = "FACETORY_INTERRUPT"
"""The environment variable under which every training stops once, so that its resuming is rehearsed."""


class Interrupted(FacetoryError):
    """A rehearsal's training stopped after its first checkpoint; the same command goes on from there."""

    status = os.EX_TEMPFAIL


def save(folder: Path, key: str, step: int, tensors: dict[str, Tensor], position: dict[str, Any]) -> None:
    """Write ``folder/step-<step>.safetensors`` for the spec hash ``key`` and delete all but the last two."""
    for left_over in folder.glob(".step-*.aside.safetensors"):
        left_over.unlink(missing_ok=True)
    first = not found(folder)
    metadata = {"key": key, "step": step, "position": position}
    write_tensors(folder / f"step-{step:08d}.safetensors", tensors, metadata)
    for old in found(folder)[:-KEPT]:
        old.unlink(missing_ok=True)
    if first and os.environ.get(INTERRUPT):
        raise Interrupted(
            f"stopped after its first checkpoint ({INTERRUPT}); the same command goes on from it."
        )


def newest(
    folder: Path, key: str, say: Callable[[str], None]
) -> tuple[int, dict[str, Tensor], dict[str, Any]] | None:
    """The newest readable checkpoint as (step, tensors on the CPU, position), or None when there is none.

    A truncated file is reported through ``say`` and the one before it is used; a checkpoint that another spec
    wrote is a `FacetoryError`.
    """
    for path in reversed(found(folder)):
        try:
            about = read_metadata(path)
            with open_tensors(path, "pt") as handle:
                tensors = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118
        except FacetoryError as error:
            say(f"{error} Going on from the checkpoint before it.")
            continue
        if about["key"] != key:
            raise FacetoryError(
                f"{path}: belongs to spec {about['key']}, not to {key}. Give each spec its own checkpoint "
                f"folder, or delete {folder} to start this one afresh."
            )
        return about["step"], tensors, about["position"]
    return None


def found(folder: Path) -> list[Path]:
    """The checkpoint files of a folder, oldest first."""
    return sorted(folder.glob("step-*.safetensors"))
