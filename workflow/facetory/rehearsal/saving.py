"""Files and folders of weights in the formats in which others publish them, whole or absent."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from facetory.pipeline.files import written_aside

if TYPE_CHECKING:
    from torch import Tensor


def save_safetensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write tensors as the hub's files have them."""
    from safetensors.torch import save_file

    with written_aside(path) as aside:
        save_file(tensors, aside, {"format": "pt"})


def save_torch(path: Path, content: Any) -> None:
    """Write what ``torch.save`` takes; equal content gives equal bytes."""
    import torch

    with written_aside(path) as aside, aside.open("wb") as file:  # a path's name would go into the archive
        torch.save(content, file)


@contextmanager
def folder_aside(folder: Path) -> Iterator[Path]:
    """Yield an empty folder beside ``folder``; on success it takes the place of what was there."""
    aside = folder.with_name(f".{folder.name}.{os.getpid()}.aside")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        yield aside
        shutil.rmtree(folder, ignore_errors=True)
        aside.replace(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def foreign_class(name: str) -> Iterator[type]:
    """A class that goes by the dotted ``name`` of another's, while a file that mentions it is written."""
    module, _, own = name.rpartition(".")
    parts = module.split(".")
    packages = [".".join(parts[: i + 1]) for i in range(len(parts))]
    added = {package: ModuleType(package) for package in packages if package not in sys.modules}
    found = type(own, (), {"__module__": module})
    sys.modules.update(added)
    home = sys.modules[module]
    before = getattr(home, own, None)
    setattr(home, own, found)
    try:
        yield found
    finally:
        delattr(home, own) if before is None else setattr(home, own, before)
        for package in added:
            del sys.modules[package]
