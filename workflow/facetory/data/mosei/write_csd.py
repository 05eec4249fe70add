"""Write a computational sequence (`.csd`) of CMU's multimodal SDK: an HDF5 file that its own reader opens."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from facetory.pipeline.files import FacetoryError, written_aside

Entry = tuple[np.ndarray, np.ndarray]
"""Features (n, d) and intervals (n, 2) in seconds."""
METADATA = {
    "computational sequence description": "",
    "computational sequence version": "1.0",
    "alignment compatible": "Yes",
    "dataset name": "",
    "dataset version": "1.0",
    "creator": "facetory",
    "contact": "",
    "featureset bib citation": "",
    "dataset bib citation": "",
}
"""What the SDK expects besides the root name, each with what is written where a caller says nothing."""


def write_csd(
    path: Path | str,
    root_name: str,
    data: Mapping[str, Entry] | Iterable[tuple[str, Entry]],
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Write ``data``: features (n, d) and intervals (m, 2) in seconds by id, and metadata that JSON can hold.

    The layout is ``<root>/data/<id>/{features,intervals}`` and ``<root>/metadata/<key>`` (one string of JSON
    each).  Equal content gives equal bytes.  Pairs are written as they come, one in memory at a time.  Arrays
    are written as they are, so n may differ from m; a wrong shape, or an id that HDF5 would take for a path,
    is a `FacetoryError`.
    """
    import h5py

    about = {"root name": root_name, **METADATA, **(metadata or {})}
    with written_aside(path) as aside, h5py.File(aside, "w") as file:
        root = file.create_group(root_name)
        entries = root.create_group("data")
        for name, (features, intervals) in data.items() if isinstance(data, Mapping) else data:
            if not name or "/" in name or name.strip(".") == "":
                raise FacetoryError(f"{path}: {name!r} cannot name an entry. Use an id without slashes.")
            if np.ndim(features) != 2 or np.ndim(intervals) != 2 or np.shape(intervals)[1] != 2:
                raise FacetoryError(
                    f"{path}: {name} has features {np.shape(features)} and intervals {np.shape(intervals)}. "
                    "Give (n, d) and (n, 2)."
                )
            entry = entries.create_group(name)
            entry.create_dataset("features", data=features)
            entry.create_dataset("intervals", data=intervals)
        texts = root.create_group("metadata")
        for key, content in about.items():
            texts.create_dataset(key, (1,), dtype=h5py.string_dtype())[0] = json.dumps(
                content, ensure_ascii=False
            )
