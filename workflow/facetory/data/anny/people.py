"""People: who they are (shape, age, skin, hair, brows, lips, eyes), drawn by name."""

from __future__ import annotations

from typing import Any

import numpy as np

from facetory.pipeline.randomness import generator

SKIN = {
    "light": ((0.93, 0.76, 0.66), (0.87, 0.67, 0.55)),
    "tan": ((0.82, 0.61, 0.46), (0.74, 0.54, 0.38)),
    "brown": ((0.63, 0.43, 0.30), (0.52, 0.34, 0.23)),
    "dark": ((0.48, 0.32, 0.24), (0.38, 0.25, 0.18)),
}
"""Two ends of each tone, RGB in [0, 1]."""
HAIR = {
    "black": (0.07, 0.06, 0.06),
    "brown": (0.24, 0.15, 0.09),
    "blond": (0.72, 0.56, 0.33),
    "red": (0.50, 0.22, 0.10),
    "grey": (0.55, 0.54, 0.53),
}
HAIR_OF_SKIN = {
    "light": (0.20, 0.35, 0.30, 0.15),
    "tan": (0.45, 0.45, 0.07, 0.03),
    "brown": (0.75, 0.25, 0.0, 0.0),
    "dark": (0.92, 0.08, 0.0, 0.0),
}
"""Shares of black, brown, blond and red."""
IRIS = {"brown": (0.28, 0.16, 0.08), "hazel": (0.42, 0.32, 0.15), "blue": (0.30, 0.45, 0.62),
        "green": (0.33, 0.44, 0.28)}  # fmt: skip
SPREAD = {
    "cheek-bones-incr": 0.3, "cheek-inner-incr": 0.3, "cheek-volume-incr": 0.35, "cheek-trans-up": 0.25,
    "eye-scale-incr": 0.2, "eye-trans-out": 0.2, "eye-trans-up": 0.15, "eye-corner1-up": 0.25,
    "eye-corner2-up": 0.25, "eye-bag-incr": 0.3, "eye-eyefold-up": 0.3, "eye-height2-incr": 0.12,
    "ear-scale-incr": 0.3, "ear-wing-incr": 0.25,
}  # fmt: skip
"""Standard deviation of sliders that exist on both sides."""
SPREAD_MIDDLE = {
    "chin-height-incr": 0.35, "chin-prominent-incr": 0.3, "chin-width-incr": 0.35, "chin-cleft-incr": 0.3,
    "chin-jaw-drop-incr": 0.3, "chin-bones-incr": 0.3, "eyebrows-trans-up": 0.15,
    "eyebrows-trans-forward": 0.25, "forehead-trans-forward": 0.25, "forehead-scale-vert-incr": 0.3,
    "forehead-temple-incr": 0.3, "head-fat-incr": 0.35, "head-scale-horiz-incr": 0.2,
    "head-scale-vert-incr": 0.2, "mouth-scale-horiz-incr": 0.2, "mouth-lowerlip-height-incr": 0.25,
    "mouth-upperlip-height-incr": 0.25, "mouth-lowerlip-volume-incr": 0.3, "mouth-upperlip-volume-incr": 0.3,
    "mouth-cupidsbow-incr": 0.3, "mouth-trans-up": 0.15, "mouth-philtrum-volume-incr": 0.3,
    "nose-scale-horiz-incr": 0.3, "nose-scale-vert-incr": 0.25, "nose-scale-depth-incr": 0.3,
    "nose-hump-incr": 0.3, "nose-point-up": 0.3, "nose-point-width-incr": 0.3, "nose-width2-incr": 0.3,
    "nose-curve-convex": 0.3, "nose-nostrils-width-incr": 0.3, "neck-scale-horiz-incr": 0.2,
}  # fmt: skip


def person(seed: int, name: str) -> dict[str, Any]:
    """The person of that name: sliders for `head.coefficients`, colours in [0, 1], sizes in metres."""
    draw = generator(seed, "anny", "person", name)
    tone = str(draw.choice(list(SKIN), p=(0.36, 0.22, 0.22, 0.20)))
    near, far = np.array(SKIN[tone])
    skin = near + draw.random() * (far - near) + draw.normal(0, 0.012, 3)
    age = draw.uniform(0.62, 1.0)
    gender = float(np.clip(draw.choice([0.1, 0.9]) + draw.normal(0, 0.08), 0, 1))
    hair = str(draw.choice(list(HAIR)[:4], p=HAIR_OF_SKIN[tone]))
    if draw.random() < 2.2 * (age - 0.72):
        hair = "grey"
    male = gender < 0.5
    style = str(draw.choice(["bald", "short", "long"], p=(0.18, 0.74, 0.08) if male else (0.02, 0.33, 0.65)))
    origins = dict(
        zip(("african", "asian", "caucasian"), map(float, draw.dirichlet(_ORIGIN[tone])), strict=True)
    )
    colour = np.clip(np.array(HAIR[hair]) * draw.uniform(0.75, 1.25), 0, 1)
    iris = str(
        draw.choice(list(IRIS), p=(0.4, 0.2, 0.28, 0.12) if tone == "light" else (0.8, 0.15, 0.02, 0.03))
    )
    return {
        **origins,
        "name": name,
        "gender": gender,
        "age": float(age),
        "muscle": float(draw.uniform(0.3, 0.7)),
        "weight": float(draw.uniform(0.25, 0.85)),
        "shape": _shape(draw),
        "tone": tone,
        "skin": np.clip(skin, 0.05, 0.97),
        "blush": float(draw.uniform(0.02, 0.10)),
        "mottle": float(draw.uniform(0.01, 0.05)),
        "freckles": float(draw.uniform(0.2, 0.6)) if tone == "light" and draw.random() < 0.2 else 0.0,
        "lips": _lips(skin, male, draw),
        "iris": np.array(IRIS[iris]) * draw.uniform(0.8, 1.2),
        "hair": hair,
        "hair_colour": colour,
        "style": style,
        "hairline": float(draw.normal(0, 0.006) + (0.006 * draw.random() if male else -0.003)),
        "volume": float(draw.uniform(0.004, 0.010) if style == "short" else draw.uniform(0.008, 0.018)),
        "brow_colour": np.clip(colour * draw.uniform(0.55, 0.9), 0, 0.5),
        "brow_height": float(draw.normal(0, 0.0012)),
        "brow_arch": float(draw.uniform(0.000, 0.005)),
        "brow_thickness": float(draw.uniform(0.0030, 0.0048) if male else draw.uniform(0.0020, 0.0034)),
        "beard": float(draw.choice([0.0, 0.25, 0.75], p=(0.5, 0.32, 0.18))) if male else 0.0,
        "texture": int(draw.integers(2**31)),
    }


_ORIGIN = {
    "light": (0.2, 0.6, 3.0),
    "tan": (0.5, 1.6, 1.6),
    "brown": (1.3, 1.3, 0.9),
    "dark": (3.0, 0.3, 0.4),
}


def words(who: dict[str, Any]) -> str:
    """A person in words, e.g. "an older woman with dark skin and short grey hair"."""
    age = "a young" if who["age"] < 0.73 else "a middle-aged" if who["age"] < 0.87 else "an older"
    head = "a bald head" if who["style"] == "bald" else f"{who['style']} {who['hair']} hair"
    beard = "bearded " if who["beard"] > 0.5 else ""
    return f"{age} {beard}{'man' if who['gender'] < 0.5 else 'woman'} with {who['tone']} skin and {head}"


def _shape(draw: np.random.Generator) -> dict[str, float]:
    values = {name: float(np.clip(draw.normal(0, spread), -1, 1)) for name, spread in SPREAD_MIDDLE.items()}
    for name, spread in SPREAD.items():
        both = draw.normal(0, spread)
        for side in "lr":
            values[f"{side}-{name}"] = float(np.clip(both + draw.normal(0, 0.15 * spread), -1, 1))
    return values


def _lips(skin: np.ndarray, male: bool, draw: np.random.Generator) -> np.ndarray:
    red = (
        np.array([0.62, 0.24, 0.25])
        if draw.random() < (0.05 if male else 0.35)
        else np.array([0.66, 0.36, 0.34])
    )
    share = draw.uniform(0.25, 0.5) if male else draw.uniform(0.35, 0.7)
    return np.clip((1 - share) * skin * 0.92 + share * red * min(1.0, 0.35 + skin.mean()), 0, 1)
