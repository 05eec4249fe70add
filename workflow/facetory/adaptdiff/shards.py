"""Shards of a synthesis: which identities each has, and what of it is finished and kept aside."""

from __future__ import annotations

import math
import re
from pathlib import Path

from facetory.adaptdiff.replacement import Faces
from facetory.adaptdiff.spec import SynthesisSpec
from facetory.pipeline.files import FacetoryError, open_tensors, read_metadata, write_tensors

CHUNK = 32
"""Identities that are finished and kept together."""
RESERVE = 200
"""One identity in so many is drawn beyond those asked for, as 10,050 for 10,000 (released configuration)."""


def candidates(spec: SynthesisSpec) -> int:
    """How many of the pool's identities are drawn: with a detector, some more than are kept."""
    more = 0 if spec.alignment == "none" else math.ceil(spec.identities / RESERVE)
    if spec.identities > spec.pool.count:
        raise FacetoryError(
            f"{spec.id}: {spec.identities} identities of a pool of {spec.pool.count}. Draw a larger pool."
        )
    return min(spec.pool.count, spec.identities + more)


def identities_of(shard: str, count: int) -> range:
    """The identities of shard "k/n", 1 ≤ k ≤ n, of ``count``: contiguous ranges whose sizes differ by one."""
    found = re.fullmatch(r"(\d+)/(\d+)", shard)
    k, n = map(int, found.groups()) if found else (0, 0)
    if not 1 <= k <= n:
        raise FacetoryError(f"shard {shard!r}: give k/n with k from 1 to n, for example 1/4.")
    return range(count * (k - 1) // n, count * k // n)


def chunks_of(identities: range) -> list[range]:
    """The identities in chunks of up to `CHUNK`."""
    return [identities[start : start + CHUNK] for start in range(0, len(identities), CHUNK)]


def write_chunk(path: Path, faces: Faces, key: str) -> None:
    """Keep a chunk's faces aside, bound to what made them."""
    tensors = {"images": faces.images, "identity": faces.identity, "image": faces.image}
    drawn = {str(identity): count for identity, count in faces.drawn.items()}
    write_tensors(path, tensors, {"key": key, "drawn": drawn})


def read_chunk(path: Path, key: str) -> Faces | None:
    """A chunk that was kept aside; None where there is none, or other code, spec or inputs made it."""
    if not path.is_file() or (about := read_metadata(path))["key"] != key:
        return None
    with open_tensors(path) as handle:
        images, identity, image = (handle.get_tensor(name) for name in ("images", "identity", "image"))
    return Faces(images, identity, image, {int(number): count for number, count in about["drawn"].items()})
