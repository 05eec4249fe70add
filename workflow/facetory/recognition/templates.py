"""Faces and templates of verification benchmarks as features: image and mirror image summed.

insightface's and ElasticFace's protocol (Deng et al., CVPR 2019; Boutros et al., CVPRW 2022).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from facetory.data.ijbc import IMAGES, Protocol
from facetory.data.images import read_image
from facetory.faces.template import points, similarity, warp
from facetory.recognition.face_model import Describe
from facetory.recognition.identity import unit

Read = Callable[[np.ndarray], np.ndarray]
"""Positions (b,) to the faces there, uint8 (b, 3, px, px)."""
PAIRS_AT_ONCE = 2**16


def face_features(
    describe: Describe, read: Read, count: int, batch_size: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Raw features (b, d) of faces and of their mirror images, summed, and the faces' positions (b,).

    ``read`` gives the pictures, uint8 (b, 3, px, px), at some of ``count`` positions.  The last batch is
    filled up, so that every forward pass is of one size.
    """
    for first in range(0, count, batch_size):
        images = read(np.minimum(np.arange(first, first + batch_size), count - 1))
        summed = describe(images) + describe(np.ascontiguousarray(images[..., ::-1]))
        positions = np.arange(first, min(first + batch_size, count))
        yield positions, summed[: len(positions)]


def unit_features(describe: Describe, read: Read, count: int, batch_size: int) -> np.ndarray:
    """`face_features` of all faces, divided by their lengths, (count, d) float32."""
    parts = [features for _, features in face_features(describe, read, count, batch_size)]
    return unit(np.concatenate(parts)).astype(np.float32)


def distinct_features(describe: Describe, read: Read, face: np.ndarray, batch_size: int) -> np.ndarray:
    """`unit_features` of pictures, (n, d); ``face`` (n,) numbers the distinct ones, each described once."""
    _, first, place = np.unique(face, return_index=True, return_inverse=True)
    return unit_features(describe, lambda rows: read(first[rows]), len(first), batch_size)[place]


def template_features(
    describe: Describe, protocol: Protocol, source: Path, px: int, batch_size: int, threads: int = 1
) -> np.ndarray:
    """Unit features of IJB-C's templates, (t, d) float32.

    A face's feature keeps its length and is multiplied by the detector's score; a medium is the mean of its
    faces in the template, a template the sum of its media.  Faces are added one by one in the protocol's
    order, in float64.
    """
    weight = protocol.score / media_sizes(protocol.template, protocol.media)
    total: np.ndarray | None = None
    with ThreadPoolExecutor(threads) as pool:
        read = reader(protocol, source, px, pool)
        for positions, features in face_features(describe, read, len(weight), batch_size):
            if total is None:
                total = np.zeros((int(protocol.template.max()) + 1, features.shape[1]))
            np.add.at(total, protocol.template[positions], features * weight[positions, None])
    assert total is not None, "a protocol has faces"
    return unit(total).astype(np.float32)


def media_sizes(template: np.ndarray, media: np.ndarray) -> np.ndarray:
    """Of each face (n,) how many faces of its template are of its medium, (n,)."""
    pair = template.astype(np.int64) << 32 | media
    _, place, sizes = np.unique(pair, return_inverse=True, return_counts=True)
    return sizes[place]


def reader(protocol: Protocol, source: Path, px: int, pool: ThreadPoolExecutor) -> Read:
    """A function from positions (b,) to the faces there, turned to the template, uint8 (b, 3, px, px)."""
    target = points(px)

    def face(position: int) -> np.ndarray:
        image = read_image(source / IMAGES / protocol.names[position])
        return warp(image, similarity(protocol.points[position], target), px)

    def read(positions: np.ndarray) -> np.ndarray:
        return np.stack(list(pool.map(face, positions.tolist()))).transpose(0, 3, 1, 2)

    return read


def pair_scores(features: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Cosines (p,) float32 of pairs of unit features (t, d), block by block."""
    found = np.empty(len(first), dtype=np.float32)
    for start in range(0, len(first), PAIRS_AT_ONCE):
        block = slice(start, start + PAIRS_AT_ONCE)
        found[block] = np.einsum("nd,nd->n", features[first[block]], features[second[block]])
    return found
