"""The five-point template of face recognition: a similarity turns a face to it, at any size.

The points are insightface's, for a picture 112 pixels high; ArcFace (Deng et al., CVPR 2019), section 3.1.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from facetory.faces import crop, mtcnn
from facetory.faces.spec import Alignment

SIDE = 112
NARROW = np.array(
    [[30.2946, 51.6963], [65.5318, 51.5014], [48.0252, 71.7366], [33.5493, 92.3655], [62.7299, 92.2041]]
)
"""Eyes, nose and corners of the mouth, left to right as seen, in a picture 96 wide and 112 high."""
SHIFT = 8
"""A square picture of 112 holds the narrow one in its middle, 8 pixels from the left."""
MIN_PROBABILITY = 0.9


def points(px: int, alignment: Alignment = "mtcnn") -> np.ndarray:
    """Where the five points (x, y) come to lie in a square of ``px``, float64 (5, 2)."""
    shift = 0 if alignment == "mtcnn_unshifted" else SHIFT
    return (NARROW + np.array([shift, 0])) * (px / SIDE)


def similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The similarity [[a, −b, x], [b, a, y]] that brings ``source`` (n, 2) nearest to ``target``, float64.

    Least squares without reflection (Umeyama, PAMI 1991), in the plane a line through complex numbers.
    Points that all coincide are a ValueError.
    """
    z, w = (np.asarray(p, dtype=np.float64) @ [1, 1j] for p in (source, target))
    spread = z - z.mean()
    size = np.vdot(spread, spread).real
    if size == 0:
        raise ValueError("the points coincide: no similarity is nearest")
    turn = np.vdot(spread, w - w.mean()) / size
    shift = w.mean() - turn * z.mean()
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def warp(image: np.ndarray, matrix: np.ndarray, px: int) -> np.ndarray:
    """An RGB image seen through a similarity, (px, px, 3) uint8: bilinear, black beyond the picture's edges.

    Pixel centres have whole coordinates.  A picture that shrinks to less than half is averaged by blocks
    first, because bilinear sampling would leave pixels out.
    """
    scale = np.hypot(matrix[0, 0], matrix[1, 0])
    blocks = max(1, int(1 / scale))
    picture = Image.fromarray(image).reduce(blocks)
    back = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2]
    turn, shift = back[:, :2] / blocks, (back[:, 2] + 0.5) / blocks  # PIL's centres are at halves
    affine = np.column_stack([turn, shift - turn @ [0.5, 0.5]])
    sampled = picture.transform(
        (px, px), Image.Transform.AFFINE, affine.ravel().tolist(), Image.Resampling.BILINEAR
    )
    return np.asarray(sampled)


def align_face(image: np.ndarray, px: int, alignment: Alignment) -> tuple[np.ndarray, bool]:
    """An RGB image's largest face turned to the template, (px, px, 3) uint8, and whether one was found.

    A picture without a face is kept whole (`whole`); with alignment "none" every one is, and counts as found.
    """
    if alignment == "none":
        return whole(image, px), True
    faces = mtcnn.find_faces(image, mtcnn.Detection(), MIN_PROBABILITY)
    chosen = crop.choose(faces, image.shape, "largest", MIN_PROBABILITY)
    if chosen is None:
        return whole(image, px), False
    return warp(image, similarity(faces.landmarks[chosen], points(px, alignment)), px), True


def align_faces(images: np.ndarray, px: int, alignment: Alignment) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (n, 3, h, w) by `align_face`, one by one: faces uint8 (n, 3, px, px), found bool (n,)."""
    faces = np.empty((len(images), 3, px, px), dtype=np.uint8)
    found = np.empty(len(images), dtype=bool)
    for i, image in enumerate(images):
        face, found[i] = align_face(np.ascontiguousarray(image.transpose(1, 2, 0)), px, alignment)
        faces[i] = face.transpose(2, 0, 1)
    return faces, found


def whole(image: np.ndarray, px: int) -> np.ndarray:
    """A picture of any shape as (px, px, 3), squares as they are, others with their edges repeated."""
    if image.shape[:2] == (px, px):
        return image
    box = crop.square(np.array([0.0, 0.0, image.shape[1], image.shape[0]]), image.shape, margin=0)
    return crop.crop(image, box, px)
