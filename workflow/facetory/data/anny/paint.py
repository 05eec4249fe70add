"""Skin textures painted over the reference adult's surface: skin, lips, brows, lashes, hair, beard."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

EYE = (0.0310, 0.8985)
"""Centre of the left eye's opening: x and z of the reference adult in metres."""
MOUTH = 0.8292
"""Height of the line between the lips."""


def skin_texture(surface: np.ndarray, who: dict[str, Any]) -> np.ndarray:
    """The person's skin, shape (*TEXTURE_SIZE, 3), uint8, over ``surface`` positions in metres."""
    x, y, z = np.moveaxis(surface, -1, 0)
    grain = _grain(who["texture"])
    coarse, fine = grain[..., 0], grain[..., 1]
    image = who["skin"].astype(np.float32) * (1 + who["mottle"] * coarse + 0.012 * fine)[..., None]
    flush = who["blush"] * (
        _spot(np.abs(x) - 0.044, z - 0.862, 0.020) + _spot(x, z - 0.865, 0.014) * (y < -0.13)
    )
    image *= 1 + flush[..., None] * np.array((1.0, -0.7, -0.6), np.float32)
    if who["freckles"]:
        spots = (fine > 1.9) * np.maximum(_spot(np.abs(x) - 0.03, z - 0.87, 0.03), 0)
        _over(image, who["skin"] * (0.72, 0.6, 0.5), who["freckles"] * spots)
    socket = np.hypot((np.abs(x) - EYE[0]) / 0.020, (z - EYE[1]) / 0.012)
    image *= 1 - 0.13 * np.exp(-((socket - 0.9) ** 2) / 0.16)[..., None] * (y < -0.09)[..., None]
    if who["beard"]:
        _over(image, 0.8 * who["hair_colour"], who["beard"] * _beard(x, y, z) * (0.8 + 0.15 * fine))
    _over(image, who["lips"] * (1 + 0.05 * coarse[..., None]), _lips(x, y, z))
    _over(image, who["brow_colour"], _brows(x, y, z, who) * np.clip(0.85 + 0.16 * fine, 0, 1))
    _over(image, (0.06, 0.04, 0.04), 0.85 * _lashes(x, y, z, who["gender"]))
    if who["style"] != "bald":
        cover = _smooth(scalp(surface, who["hairline"]) + 0.12 * fine, -0.1, 0.6)
        _over(image, who["hair_colour"] * (1 + 0.16 * _strands(who["texture"])[..., None]), cover)
    return (255 * np.clip(np.nan_to_num(image), 0, 1)).astype(np.uint8)


def scalp(position: np.ndarray, hairline: float) -> np.ndarray:
    """How deep in the hair positions (…, 3) lie, in centimetres; negative on the face, neck and ears."""
    x, y, z = np.moveaxis(position, -1, 0)
    temple = np.clip(np.abs(x) - 0.018, 0, 0.034)
    front = z - (0.966 + hairline) - 0.22 * temple + 1.6 * np.clip(np.abs(x) - 0.056, 0, None)
    ear = np.hypot((y + 0.038) / 0.034, (z - 0.882) / 0.036) - 1
    side = np.minimum(np.where(np.abs(x) > 0.03, y + 0.078 + 0.5 * (z - 0.93), -1.0), 0.04 * ear + 0.001)
    side = np.minimum(side, z - 0.862)
    back = np.minimum(y + 0.012, z - 0.815)
    return 100 * np.maximum(front, np.maximum(side, back))


def _brows(x: np.ndarray, y: np.ndarray, z: np.ndarray, who: dict[str, Any]) -> np.ndarray:
    along = (np.abs(x) - 0.0115) / 0.0355
    rise = 0.0035 + who["brow_arch"]
    line = 0.9205 + who["brow_height"] + rise * np.sin(np.pi * np.clip(along, 0, 1) ** 1.25)
    thick = who["brow_thickness"] * (1 - 0.72 * np.clip(along, 0, 1) ** 2)
    ends = _smooth(along, -0.02, 0.10) * _smooth(1.04 - along, 0.0, 0.10)
    return ends * _smooth(thick - np.abs(z - line), -0.0006, 0.0010) * (y < -0.09)


def _lips(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    across = np.clip(np.abs(x) / 0.0255, 0, 1)
    upper = MOUTH + 0.0108 * (1 - across**1.7) + 0.0012 * np.exp(-(((np.abs(x) - 0.006) / 0.004) ** 2))
    lower = MOUTH - 0.0128 * (1 - across**2.2)
    inside = np.minimum(upper - z, z - lower)
    return _smooth(inside, -0.0004, 0.0012) * (np.abs(x) < 0.0257) * (y < -0.135)


def _lashes(x: np.ndarray, y: np.ndarray, z: np.ndarray, gender: float) -> np.ndarray:
    across = (np.abs(x) - EYE[0]) / 0.0155
    lid = EYE[1] + 0.0062 * np.sqrt(np.clip(1 - across**2, 0, 1))
    width = 0.0009 + 0.0006 * gender
    return _smooth(width - np.abs(z - lid), -0.0006, 0.0006) * (np.abs(across) < 1.0) * (y < -0.10)


def _beard(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    jaw = _smooth(0.838 + 1.1 * np.clip(np.abs(x) - 0.030, 0, 0.05) - z, -0.004, 0.008)
    moustache = (
        _smooth(0.0115 - np.abs(z - 0.846), 0, 0.004)
        * (np.abs(x) < 0.032)
        * _smooth(0.846 - z, -0.006, 0.002)
    )
    area = np.maximum(jaw, moustache) * _smooth(z - 0.776, 0, 0.010) * _smooth(-0.055 - y, 0, 0.02)
    return area * (
        1 - _smooth(0.0075 - np.abs(z - 0.812), 0, 0.003) * (np.abs(x) < 0.012) * (z > 0.806) * 0.7
    )


def _over(image: np.ndarray, colour: Any, cover: np.ndarray) -> None:
    """Blend a colour into the image in place where ``cover`` is above 0."""
    rows, columns = np.nonzero(cover > 0.004)
    share = np.clip(cover[rows, columns], 0, 1)[:, None].astype(np.float32)
    colour = np.asarray(colour, np.float32)
    here = colour[rows, columns] if colour.ndim == 3 else colour
    image[rows, columns] += share * (here - image[rows, columns])


def _smooth(value: np.ndarray, low: float, high: float) -> np.ndarray:
    """Hermite step from 0 at ``low`` to 1 at ``high``."""
    share = np.clip((value - low) / (high - low), 0, 1)
    return share * share * (3 - 2 * share)


def _spot(dx: np.ndarray, dz: np.ndarray, radius: float) -> np.ndarray:
    return np.exp(-(dx**2 + dz**2) / radius**2)


@lru_cache(maxsize=8)
def _grain(key: int) -> np.ndarray:
    """Coarse and fine noise of unit variance over the texture."""
    from PIL import Image

    from facetory.data.anny.head import TEXTURE_SIZE

    rows, columns = TEXTURE_SIZE
    draw = np.random.Generator(np.random.Philox(key=key))
    layers = []
    for scale in (20, 2):
        small = draw.normal(size=(rows // scale + 2, columns // scale + 2)).astype(np.float32)
        layers.append(np.asarray(Image.fromarray(small).resize((columns, rows), Image.Resampling.BICUBIC)))
    return np.stack(layers, -1)


def _strands(key: int) -> np.ndarray:
    """Stripes along the hair: noise stretched away from the face."""
    from PIL import Image

    from facetory.data.anny.head import TEXTURE_SIZE

    rows, columns = TEXTURE_SIZE
    draw = np.random.Generator(np.random.Philox(key=key + 1))
    small = draw.normal(size=(rows // 3, 14)).astype(np.float32)
    return np.asarray(Image.fromarray(small).resize((columns, rows), Image.Resampling.BICUBIC))
