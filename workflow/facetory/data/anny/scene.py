"""Scenes: head pose, gaze, light, background and things before the face, drawn by name, and their words."""

from __future__ import annotations

from typing import Any

import numpy as np

BACKGROUND = {
    "grey": (0.55, 0.56, 0.57), "white": (0.92, 0.92, 0.90), "black": (0.07, 0.07, 0.08),
    "blue": (0.25, 0.42, 0.68), "green": (0.30, 0.52, 0.33), "red": (0.62, 0.24, 0.22),
    "yellow": (0.86, 0.76, 0.36), "brown": (0.42, 0.31, 0.23), "purple": (0.45, 0.32, 0.55),
}  # fmt: skip
LIGHT = {
    "from the front": (0.0, 15.0),
    "from the left": (52.0, 18.0),
    "from the right": (-52.0, 18.0),
    "from above": (0.0, 58.0),
    "from below": (0.0, -35.0),
}
"""Azimuth (towards the viewer's left) and elevation of the main light in degrees."""
EASY = {
    "yaw": 13.0,
    "pitch": 6.0,
    "roll": 4.0,
    "light": (0.42, 0.22, 0.18, 0.14, 0.04),
    "ambient": (0.42, 0.6),
}
HARD = {
    "yaw": 30.0,
    "pitch": 13.0,
    "roll": 12.0,
    "light": (0.2, 0.24, 0.24, 0.16, 0.16),
    "ambient": (0.2, 0.5),
}


def scene(draw: np.random.Generator, ease: dict[str, Any], covered: float = 0.0) -> dict[str, Any]:
    """Pose in degrees, light, background and (with probability ``covered``) a thing before the face."""
    background = str(draw.choice(list(BACKGROUND)))
    light = str(draw.choice(list(LIGHT), p=ease["light"]))
    azimuth, elevation = np.array(LIGHT[light]) + draw.normal(0, 7, 2)
    return {
        "yaw": float(np.clip(draw.normal(0, ease["yaw"]), -55, 55)),
        "pitch": float(np.clip(draw.normal(0, ease["pitch"]), -28, 28)),
        "roll": float(draw.normal(0, ease["roll"])),
        "shift": draw.normal(0, 0.006, 2),
        "frame": float(draw.uniform(0.255, 0.285)),
        "light": light,
        "azimuth": float(azimuth),
        "elevation": float(elevation),
        "ambient": float(draw.uniform(*ease["ambient"])),
        "warmth": float(draw.normal(0, 0.05)),
        "brightness": float(draw.uniform(0.9, 1.15)),
        "background": background,
        "colours": [
            np.clip(np.array(BACKGROUND[background]) * draw.uniform(0.7, 1.2), 0, 1) for _ in range(2)
        ],
        "clothes": draw.uniform(0.08, 0.8, 3),
        "tongue": 0.0,
        "gaze": draw.normal(0, 5, 2),
        "cover": str(draw.choice(["glasses", "scarf", "paper"])) if draw.random() < covered else "",
        "cover_at": draw.uniform(-1, 1, 2),
        "cover_colour": draw.uniform(0.15, 0.85, 3),
    }


def words(view: dict[str, Any]) -> str:
    """A scene in words, e.g. "lit from the left, looking slightly right, before a green background"."""
    looks = []
    if abs(view["pitch"]) > 7:
        looks.append("up" if view["pitch"] > 0 else "down")
    if abs(view["yaw"]) > 7:
        looks.append(
            ("slightly " if abs(view["yaw"]) < 22 else "far ") + ("right" if view["yaw"] > 0 else "left")
        )
    look = f"looking {' and '.join(looks)}" if looks else "looking at the camera"
    cover = {"glasses": ", wearing dark glasses", "scarf": ", with a scarf over the mouth",
             "paper": ", partly hidden behind a sheet of paper", "": ""}[view["cover"]]  # fmt: skip
    return f"lit {view['light']}, {look}{cover}, before a {view['background']} background"


def rotation(view: dict[str, Any]) -> np.ndarray:
    """Rotation of a head that looks along -y: yaw to the image's right, pitch up, then roll; degrees."""
    yaw, pitch, roll = np.radians([view["yaw"], view["pitch"], view["roll"]])
    about_z = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(-pitch), -np.sin(-pitch)], [0, np.sin(-pitch), np.cos(-pitch)]])
    about_y = np.array([[np.cos(roll), 0, np.sin(roll)], [0, 1, 0], [-np.sin(roll), 0, np.cos(roll)]])
    return about_y @ about_x @ about_z


def direction(azimuth: float, elevation: float) -> tuple[float, float, float]:
    """The unit vector towards a light; azimuth towards the image's left, elevation up, in degrees."""
    a, e = np.radians([azimuth, elevation])
    return (float(-np.sin(a) * np.cos(e)), float(-np.cos(a) * np.cos(e)), float(np.sin(e)))


def lights_of(view: dict[str, Any]) -> list[tuple[float, float, float]]:
    """Azimuth, elevation and strength of the main and the filling light."""
    main = view["brightness"] * (0.95 - 0.35 * view["ambient"])
    return [(view["azimuth"], view["elevation"], main), (-0.6 * view["azimuth"], 5.0, 0.45 * view["ambient"])]
