"""The head as a linear model: template, shape and action displacements, parts, texture coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

TEXTURE_BOX = (0.63, 0.12, 1.0, 0.83)
"""The head's island in MakeHuman's texture plane: u0, v0, u1, v1."""
TEXTURE_SIZE = (728, 380)
"""Rows and columns of a skin texture."""
EXAGGERATION = {"browDown": 1.55, "browInnerUp": 1.3, "eyeWide": 1.4, "mouthFrown": 1.4, "noseSneer": 1.4}
"""Actions whose displacements are enlarged: at face sizes of 64 pixels the others would drown them."""
CHIN = 1566
"""A vertex of the chin, which moves with the jaw alone."""


@dataclass(frozen=True)
class Head:
    """Arrays of the head in metres (x to its left, y backwards, z up); n vertices, K displacements.

    ``skin`` and ``inside`` are triangles; ``corner`` gives the vertex behind each textured skin point,
    ``uv`` its texture coordinate and ``skin_corners`` the skin triangles over textured points.
    ``surface`` is the reference adult's position at each texel, shape (*TEXTURE_SIZE, 3), NaN outside.
    """

    model: Any
    template: np.ndarray
    displacements: np.ndarray
    actions: dict[str, int]
    faces: np.ndarray
    inside: np.ndarray
    tongue: np.ndarray
    corner: np.ndarray
    uv: np.ndarray
    skin_corners: np.ndarray
    eyes: tuple[np.ndarray, np.ndarray]
    reference: np.ndarray
    inside_colours: np.ndarray
    surface: np.ndarray


@lru_cache(maxsize=1)
def load() -> Head:
    """The head model of `anny`; its first use on a machine builds a cache (about a minute, 1 GB)."""
    import anny

    model = anny.Anny(
        rig="makehuman-head",
        topology="head",
        local_changes="all",
        facial_actions="all",
        phenotypes="all",
        phenotype_blendshapes="original",
        skinning_method="lbs",
    )
    template = model.template_vertices.numpy().astype(np.float32)
    displacements = model.blendshapes.numpy().astype(np.float32).reshape(len(model.blendshapes), -1)
    labels = list(model.blendshape_labels)
    actions = {label: labels.index(f"facial_action:{label}") for label in model.facial_action_labels}
    for label, row in actions.items():
        displacements[row] *= EXAGGERATION.get(label.removesuffix("Left").removesuffix("Right"), 1.0)
    faces = model.faces.numpy()
    texture = model.face_texture_coordinate_indices.numpy()
    parts = {part: _part(model, labels) for part, labels in _PARTS.items()}
    skin = ~np.any(list(parts.values()), axis=0)
    used = texture[skin]
    pairs, flat = np.unique(np.stack([faces[skin].ravel(), used.ravel()], 1), axis=0, return_inverse=True)
    u0, v0, u1, v1 = TEXTURE_BOX
    uv = (model.texture_coordinates.numpy()[pairs[:, 1]] - (u0, v0)) / (u1 - u0, v1 - v0)
    corners = flat.reshape(-1, 3)
    reference = (template.ravel() + coefficients(model, [{"age": 0.7}])[0] @ displacements).reshape(-1, 3)
    uv = _on_the_island(uv, reference[pairs[:, 0]])
    colours = np.zeros((len(template), 3), np.float32)
    for part, colour in _COLOURS.items():
        colours[np.unique(faces[parts[part]])] = colour
    return Head(
        model=model,
        template=template,
        displacements=displacements,
        actions=actions,
        faces=faces,
        inside=faces[parts["mouth"] | parts["tongue"] | parts["sockets"]],
        tongue=np.unique(faces[parts["tongue"]]),
        corner=pairs[:, 0],
        uv=uv.astype(np.float32),
        skin_corners=corners,
        eyes=_eyes(faces[parts["eyes"]], reference),
        reference=reference,
        inside_colours=colours,
        surface=_surface(uv, corners, reference[pairs[:, 0]]),
    )


_PARTS = {
    "mouth": ["mouth_cavity"],
    "tongue": ["tongue"],
    "sockets": ["eye_cavity.L", "eye_cavity.R"],
    "eyes": ["eye_front.L", "eye_back.L", "eye_front.R", "eye_back.R"],
}
_COLOURS = {"mouth": (0.26, 0.06, 0.07), "tongue": (0.66, 0.30, 0.30), "sockets": (0.45, 0.22, 0.18)}


def _part(model: Any, labels: list[str]) -> np.ndarray:
    from anny.face_segmentation import get_face_segmentation_mask

    return get_face_segmentation_mask(model, labels).numpy()


def coefficients(model: Any, people: list[dict[str, Any]]) -> np.ndarray:
    """Displacement coefficients of people at rest, shape (people, K); sliders of a person under ``shape``."""
    import torch

    sliders = {name for person in people for name in person.get("shape", {})}
    phenotype = {name for person in people for name in person if name in model.phenotype_labels}

    def column(values: list[float]) -> Any:
        return torch.tensor(values, dtype=torch.float64)

    rest = model.get_phenotype_blendshape_coefficients(
        **{name: column([person.get(name, 0.5) for person in people]) for name in sorted(phenotype)},
        local_changes={
            name: column([person.get("shape", {}).get(name, 0.0) for person in people])
            for name in sorted(sliders)
        },
    )
    return rest.numpy().astype(np.float32)


def vertices(head: Head, rest: np.ndarray, actions: dict[str, float]) -> np.ndarray:
    """Vertices in metres, shape (n, 3), of the head with coefficients ``rest`` (K,) under facial actions."""
    moved = rest.copy()
    for name, strength in actions.items():
        moved[head.actions[name]] = strength
    active = np.flatnonzero(moved)
    return (head.template.ravel() + moved[active] @ head.displacements[active]).reshape(-1, 3)


def normals(faces: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Area-weighted unit normals at points, shape (n, 3)."""
    a, b, c = points[faces[:, 0]], points[faces[:, 1]], points[faces[:, 2]]
    across = np.cross(b - a, c - a)
    total = np.stack(
        [np.bincount(faces.ravel(), np.repeat(across[:, axis], 3), len(points)) for axis in range(3)], 1
    )
    return (total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)).astype(np.float32)


def eye_centres(head: Head, rest: np.ndarray) -> tuple[np.ndarray, float]:
    """Centres (2, 3) and radius in metres of the spheres that replace a head's coarse eyes, left first."""
    centres, radii = [], []
    for eye in head.eyes:
        low, high = rest[eye].min(0), rest[eye].max(0)
        radius = (high[0] - low[0] + high[2] - low[2]) / 4
        radii.append(radius)
        centres.append([(low[0] + high[0]) / 2, low[1] + radius, (low[2] + high[2]) / 2])
    return np.array(centres), float(np.mean(radii))


def _eyes(faces: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    points = np.unique(faces)
    return points[reference[points, 0] > 0], points[reference[points, 0] < 0]


def _on_the_island(uv: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Points off the head's island (the neck's rim is on the body's) take their nearest neighbour's place."""
    off = ((uv < 0) | (uv > 1)).any(1)
    apart = np.linalg.norm(positions[off, None] - positions[None, ~off], axis=2)
    uv = uv.copy()
    uv[off] = uv[~off][apart.argmin(1)]
    return uv


def _surface(uv: np.ndarray, triangles: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Positions of the texels by barycentric interpolation over the texture plane."""
    rows, columns = TEXTURE_SIZE
    surface = np.full((rows, columns, 3), np.nan, np.float32)
    pixel = uv * (columns, rows) - 0.5
    for triangle in triangles:
        (x0, y0), (x1, y1), (x2, y2) = pixel[triangle]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if abs(area) < 1e-9:
            continue
        across = np.arange(int(np.floor(min(x0, x1, x2))) - 1, int(np.ceil(max(x0, x1, x2))) + 2)
        down = np.arange(int(np.floor(min(y0, y1, y2))) - 1, int(np.ceil(max(y0, y1, y2))) + 2)
        across, down = across[(across >= 0) & (across < columns)], down[(down >= 0) & (down < rows)]
        x, y = np.meshgrid(across, down)
        w1 = ((x - x0) * (y2 - y0) - (x2 - x0) * (y - y0)) / area
        w2 = ((x1 - x0) * (y - y0) - (x - x0) * (y1 - y0)) / area
        inside = (w1 > -0.2) & (w2 > -0.2) & (w1 + w2 < 1.2)
        weights = np.stack([1 - w1 - w2, w1, w2], -1)[inside]
        surface[y[inside], x[inside]] = weights @ positions[triangle]
    return surface
