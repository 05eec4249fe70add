"""Steps that are done once: a finished step is skipped while its request, code, inputs and outputs stay."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from facetory.pipeline.files import read_json, sha256_of, write_json
from facetory.pipeline.provenance import code_of


def once(
    stamp: Path,
    request: Any,
    code: Iterable[str],
    inputs: Iterable[Path],
    outputs: Iterable[Path],
    do: Callable[[], None],
) -> bool:
    """Do a step unless ``stamp`` says that it was done and its outputs are still whole; returns whether.

    ``request`` is what JSON can hold, ``code`` names modules as `provenance.code_of` takes them.
    """
    parts = [request, code_of(*code), [sha256_of(path) for path in inputs]]
    key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    outputs = list(outputs)
    if stamp.is_file():
        done = read_json(stamp)
        if done["key"] == key and done["outputs"] == _hashes(outputs):
            return False
    do()
    write_json(stamp, {"key": key, "outputs": _hashes(outputs)})
    return True


def _hashes(paths: Iterable[Path]) -> list[str | None]:
    return [sha256_of(path) if path.is_file() else None for path in paths]
