"""Files that are whole or absent: written aside, flushed, renamed; hashed for manifests."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np


class FacetoryError(Exception):
    """An error that a user can act on; its message says what, where, and what to do.

    ``status`` is the exit status of a command that ends by it.
    """

    status = 1


@contextmanager
def written_aside(path: Path | str, durable: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success flush it to disk and rename it into place.

    ``durable=False`` leaves the flushing to the system: for thousands of small files that a hash or their own
    format checks, where one flush each would take longer than making them.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.stem}.{os.getpid()}.aside{path.suffix}")
    try:
        yield aside
        aside.chmod(0o666 & ~_umask())  # safetensors leaves its files to the owner alone
        if durable:
            with aside.open("rb") as handle:
                os.fsync(handle.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(path: Path | str, text: str) -> None:
    """Write UTF-8 text atomically."""
    with written_aside(path) as aside:
        aside.write_text(text, encoding="utf-8")


def write_json(path: Path | str, content: Any) -> None:
    """Write JSON atomically (sorted keys are left to the caller: order carries meaning in tables)."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path | str) -> Any:
    """Read JSON; a broken file is a `FacetoryError` that names it."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise FacetoryError(f"{path}: the file is missing. Run the target that makes it again.") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise FacetoryError(
            f"{path}: not valid JSON ({error}). Delete it and run its target again."
        ) from error


def write_tensors(path: Path | str, tensors: dict[str, Any], metadata: dict[str, Any] | None = None) -> None:
    """Write a safetensors file atomically (NumPy arrays or torch tensors), with metadata that JSON can hold.

    The metadata is one entry, because safetensors writes several in no fixed order and equal content should
    give equal bytes.
    """
    first = next(iter(tensors.values()))
    library = "torch" if type(first).__module__.startswith("torch") else "numpy"
    if library == "numpy":  # safetensors writes the memory of a transposed array in its own order
        tensors = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    save_file = importlib.import_module(f"safetensors.{library}").save_file
    with written_aside(path) as aside:
        save_file(tensors, str(aside), {"json": json.dumps(metadata or {})})


def read_metadata(path: Path | str) -> dict[str, Any]:
    """The JSON metadata of a safetensors file; a truncated file is a `FacetoryError` that names it."""
    with open_tensors(path) as handle:
        return json.loads((handle.metadata() or {}).get("json", "{}"))


@contextmanager
def open_tensors(path: Path | str, framework: str = "numpy") -> Iterator[Any]:
    """Open a safetensors file for lazy reading; missing or truncated files are `FacetoryError`s."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework=framework) as handle:
            yield handle
    except FileNotFoundError as error:
        raise FacetoryError(f"{path}: the file is missing. Run the target that makes it again.") from error
    except SafetensorError as error:
        raise FacetoryError(
            f"{path}: truncated or not a safetensors file ({error}). Delete it and run its target again."
        ) from error


def sha256_of(path: Path | str) -> str:
    """Hex sha256 of a file's bytes, read in blocks."""
    with Path(path).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
