"""What a head model lacks: eyeballs, teeth, hair, clothes, and things before the face, as small meshes.

A mesh is a dictionary of ``points`` (n, 3) in metres, on the reference adult's head unless said otherwise,
and ``faces`` (m, 3).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from facetory.data.anny import head as anatomy

TOOTH_EDGE = 0.8285
"""Height of the upper teeth's edge."""


def eyeball(rings: int = 28, around: int = 24) -> dict[str, Any]:
    """A unit sphere that looks along -y, finer near the iris."""
    angle = np.pi / 2 * (np.arange(rings) / (rings - 1)) ** 1.3
    turn = 2 * np.pi * np.arange(around) / around
    a, t = np.meshgrid(angle, turn, indexing="ij")
    points = np.stack([np.sin(a) * np.cos(t), -np.cos(a), np.sin(a) * np.sin(t)], -1).reshape(-1, 3)
    faces = grid(rings, around, closed=True)

    def colours(iris: np.ndarray) -> np.ndarray:
        result = np.tile(np.array([[0.87, 0.85, 0.83]]), (len(points), 1))
        flat = np.degrees(a).ravel()
        stripes = 1 + 0.12 * np.sin(9 * t.ravel())
        result[flat < 25] = np.clip(iris * stripes[:, None], 0, 1)[flat < 25]
        result[(flat >= 22) & (flat < 26)] = 0.45 * iris
        result[flat < 10.5] = 0.03
        return result

    return {"points": points, "faces": faces, "colours": colours}


def teeth(count: int = 25) -> dict[str, np.ndarray]:
    """The upper row as a strip along the dental arch of the reference adult, in metres."""
    angle = np.linspace(-1.25, 1.25, count)
    arch = np.stack([0.0235 * np.sin(angle), -0.1552 + 0.026 * (1 - np.cos(angle)), 0 * angle], 1)
    rows = [arch + np.array((0, 0, TOOTH_EDGE + dz)) for dz in (0.0003, 0.004, 0.010)]
    return {"points": np.concatenate(rows), "faces": grid(3, count, closed=False)}


def curtain(rows: int = 14, columns: int = 61) -> dict[str, np.ndarray]:
    """Long hair around the back and the sides of the reference adult's head, in metres."""
    down, turn = np.meshgrid(
        np.linspace(0, 1, rows), np.radians(np.linspace(-112, 112, columns)), indexing="ij"
    )
    width = 0.070 + 0.034 * np.sqrt(np.clip(3.2 * down, 0, 1)) - 0.012 * down**2
    wave = 1 + 0.018 * np.sin(11 * turn + 2 * down)
    x, y = width * wave * np.sin(turn), -0.030 + (0.075 + 0.02 * down) * wave * np.cos(turn)
    points = np.stack([x, y, 0.985 - 0.235 * down], -1).reshape(-1, 3)
    shade = (0.85 + 0.22 * np.sin(37 * turn) * np.sin(23 * turn + 1)).ravel()
    return {"points": points, "faces": grid(rows, columns, closed=False), "shade": shade}


def clothes(pv: Any) -> Any:
    """Shoulders as a flat ellipsoid whose top reaches the base of the neck at the origin."""
    body = pv.Sphere(radius=1.0, theta_resolution=40, phi_resolution=30)
    body.points = (body.points * (0.21, 0.10, 0.13) + (0, 0.09, -0.105)).astype(np.float32)
    return body


def glasses(sides: int = 20) -> dict[str, np.ndarray]:
    """Two dark lenses, a bridge and two arms."""
    turn = 2 * np.pi * np.arange(sides) / sides
    rim = np.stack([0.0245 * np.cos(turn), np.zeros(sides), 0.0185 * np.sin(turn)], 1)
    points: list[np.ndarray] = []
    faces: list[list[int]] = []
    for x in (-0.0315, 0.0315):
        start = sum(len(part) for part in points)
        points.append(np.vstack([[0, -0.004, 0], rim]) + np.array((x, -0.163, 0.897)))
        faces += [[start, start + 1 + k, start + 1 + (k + 1) % sides] for k in range(sides)]
    bars = [((-0.008, -0.164, 0.9), (0.008, -0.164, 0.9))]
    bars += [((x * 0.055, -0.162, 0.901), (x * 0.086, -0.045, 0.903)) for x in (-1, 1)]
    for one, other in bars:
        start = sum(len(part) for part in points)
        lift = np.array((0, 0, 0.0022))
        points.append(np.array([one - lift, one + lift, other - lift, other + lift]))
        faces += [[start, start + 1, start + 2], [start + 1, start + 3, start + 2]]
    return {"points": np.concatenate(points), "faces": np.array(faces)}


def scarf(rows: int = 7, columns: int = 41) -> dict[str, np.ndarray]:
    """A band of cloth around the mouth and the chin."""
    down, turn = np.meshgrid(
        np.linspace(0, 1, rows), np.radians(np.linspace(-105, 105, columns)), indexing="ij"
    )
    fold = 1 + 0.012 * np.sin(9 * down + 3 * turn)
    x, y = 0.090 * fold * np.sin(turn), -0.030 - 0.150 * fold * np.cos(turn)
    points = np.stack([x, y, 0.853 - 0.085 * down], -1).reshape(-1, 3)
    return {"points": points, "faces": grid(rows, columns, closed=False)}


def paper() -> dict[str, np.ndarray]:
    """A sheet of 8 by 8 cm that faces the camera, around the origin."""
    x, z = np.meshgrid((-0.04, 0.04), (0.04, -0.04))
    return {"points": np.stack([x, 0 * x, z], -1).reshape(-1, 3), "faces": grid(2, 2, closed=False)}


def hair(head: anatomy.Head, points: np.ndarray, who: dict[str, Any], depth: np.ndarray) -> np.ndarray:
    """Displacements that lift the scalp to the surface of the hair, shape (n, 3), metres."""
    if who["style"] == "bald":
        return np.zeros_like(points)
    lift = who["volume"] * np.sqrt(np.clip(depth / 3.0, 0, 1))
    return anatomy.normals(head.faces, points) * lift[:, None]


def hidden(points: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Points gathered at one place inside the head, where nobody sees them."""
    return np.repeat(rest[anatomy.CHIN][None] + (0, 0.06, 0.06), len(points), 0)


def fitted(points: np.ndarray, reference: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Points on the reference adult's head scaled to the box of a person's head ``rest`` (n, 3)."""
    low, high = reference.min(0), reference.max(0)
    own_low, own_high = rest.min(0), rest.max(0)
    return own_low + (points - low) / (high - low) * (own_high - own_low)


def grid(rows: int, columns: int, closed: bool) -> np.ndarray:
    """Triangles over rows × columns of points; ``closed`` joins the last column to the first."""
    r, c = np.meshgrid(np.arange(rows - 1), np.arange(columns if closed else columns - 1), indexing="ij")
    a, b = r * columns + c, r * columns + (c + 1) % columns
    d, e = a + columns, b + columns
    return np.concatenate([np.stack([a, d, b], -1).reshape(-1, 3), np.stack([b, d, e], -1).reshape(-1, 3)])
