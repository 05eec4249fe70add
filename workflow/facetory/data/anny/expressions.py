"""Expressions as ARKit facial actions: seven basic ones with variants, eleven compounds as their blends.

The actions follow the muscles that Ekman and Friesen's FACS names for each expression; the compounds are
those of Du, Tao and Martinez, "Compound facial expressions of emotion", PNAS 2014, as RAF-DB labels them.
"""

from __future__ import annotations

import numpy as np

from facetory.data.labels import BASIC

BLENDS = {
    "happily_surprised": ("happiness", "surprise"),
    "happily_disgusted": ("happiness", "disgust"),
    "sadly_fearful": ("sadness", "fear"),
    "sadly_angry": ("sadness", "anger"),
    "sadly_surprised": ("sadness", "surprise"),
    "sadly_disgusted": ("sadness", "disgust"),
    "fearfully_angry": ("fear", "anger"),
    "fearfully_surprised": ("fear", "surprise"),
    "angrily_surprised": ("anger", "surprise"),
    "angrily_disgusted": ("anger", "disgust"),
    "disgustedly_surprised": ("disgust", "surprise"),
}
GAIN = 1.35
"""A blend's actions are this much stronger than the weighted mean of its two expressions."""

VARIANTS: dict[str, tuple[dict[str, float], ...]] = {
    "surprise": (
        {"browInnerUp": 0.9, "browOuterUp": 0.9, "eyeWide": 0.9, "jawOpen": 0.75, "mouthFunnel": 0.15},
        {"browInnerUp": 0.8, "browOuterUp": 1.0, "eyeWide": 0.8, "jawOpen": 0.45, "mouthFunnel": 0.35},
    ),
    "fear": (
        {"browInnerUp": 0.9, "browDown": 0.4, "eyeWide": 1.0, "mouthStretch": 0.9, "jawOpen": 0.15,
         "mouthLowerDown": 0.5},
        {"browInnerUp": 0.8, "browOuterUp": 0.3, "browDown": 0.3, "eyeWide": 1.0, "mouthStretch": 1.0,
         "mouthFrown": 0.2, "jawOpen": 0.3, "mouthLowerDown": 0.3},
    ),
    "disgust": (
        {"noseSneer": 1.0, "mouthUpperUp": 0.7, "browDown": 0.5, "eyeSquint": 0.6, "cheekSquint": 0.6,
         "mouthFrown": 0.2},
        {"noseSneer": 0.9, "mouthUpperUp": 0.5, "browDown": 0.4, "eyeSquint": 0.5, "cheekSquint": 0.5,
         "jawOpen": 0.2, "mouthLowerDown": 0.3, "tongueOut": 0.3},
    ),
    "happiness": (
        {"mouthSmile": 0.75, "cheekSquint": 0.6, "eyeSquint": 0.2, "mouthDimple": 0.2},
        {"mouthSmile": 0.9, "cheekSquint": 0.8, "eyeSquint": 0.35, "jawOpen": 0.25, "mouthUpperUp": 0.35},
    ),
    "sadness": (
        {"browInnerUp": 1.0, "mouthFrown": 0.9, "mouthShrugLower": 0.5, "eyeBlink": 0.12},
        {"browInnerUp": 0.9, "browDown": 0.2, "mouthFrown": 0.8, "mouthPress": 0.3, "eyeBlink": 0.15,
         "eyeLookDown": 0.3, "mouthShrugLower": 0.3},
    ),
    "anger": (
        {"browDown": 1.0, "eyeSquint": 0.4, "mouthPress": 0.3, "mouthRollUpper": 0.6, "mouthRollLower": 0.4,
         "mouthFrown": 0.5, "noseSneer": 0.25, "jawForward": 0.4, "eyeWide": 0.3},
        {"browDown": 1.0, "eyeSquint": 0.3, "noseSneer": 0.4, "mouthUpperUp": 0.5, "mouthLowerDown": 0.9,
         "mouthStretch": 0.3, "jawOpen": 0.12, "jawForward": 0.5, "eyeWide": 0.5},
    ),
    "neutral": ({},),
}  # fmt: skip
"""Variants of each basic expression; a paired action is named without Left or Right."""

REGIONS = (
    ("browDown", "browInnerUp", "browOuterUp"),
    ("eyeBlink", "eyeLookDown", "eyeSquint", "eyeWide", "cheekSquint"),
    ("noseSneer", "mouthUpperUp"),
    ("jawForward", "jawOpen", "mouthDimple", "mouthFrown", "mouthFunnel", "mouthLowerDown", "mouthPress",
     "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthSmile", "mouthStretch", "tongueOut"),
)  # fmt: skip
SINGLE = ("browInnerUp", "cheekPuff", "jawForward", "jawOpen", "mouthFunnel", "mouthPucker", "mouthRollLower",
          "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "tongueOut")  # fmt: skip
"""Actions without sides; every other one has a Left and a Right."""
IDLE = (
    "browInnerUp", "browOuterUp", "browDown", "eyeSquint", "mouthSmile", "mouthFrown", "mouthPress",
)  # fmt: skip
"""Actions that no face keeps quite still."""
ALL = tuple(sorted({name for region in REGIONS for name in region} | set(SINGLE)))
WORDS = {
    "raised brows": ("browOuterUp", 0.35), "raised inner brows": ("browInnerUp", 0.45),
    "lowered brows": ("browDown", 0.35), "wide eyes": ("eyeWide", 0.4), "narrow eyes": ("eyeSquint", 0.3),
    "closed eyes": ("eyeBlink", 0.4), "raised cheeks": ("cheekSquint", 0.4),
    "puffed cheeks": ("cheekPuff", 0.3), "a wrinkled nose": ("noseSneer", 0.35),
    "a smile": ("mouthSmile", 0.3), "mouth corners down": ("mouthFrown", 0.35),
    "an open mouth": ("jawOpen", 0.2), "stretched lips": ("mouthStretch", 0.4),
    "pressed lips": ("mouthPress", 0.25), "rolled lips": ("mouthRollUpper", 0.3),
    "rounded lips": ("mouthFunnel", 0.2), "a raised upper lip": ("mouthUpperUp", 0.35),
    "bared lower teeth": ("mouthLowerDown", 0.35), "a pushed up chin": ("mouthShrugLower", 0.3),
    "the tongue out": ("tongueOut", 0.2),
}  # fmt: skip
"""What one sees of an action that is at least so strong."""
MOST_WORDS = 4


def blend(first: dict[str, float], second: dict[str, float], weight: float = 0.5) -> dict[str, float]:
    """``GAIN`` times the weighted mean of two sets of actions, at most 1 each; ``weight`` is the first's."""
    names = sorted({*first, *second})
    mean = {name: weight * first.get(name, 0.0) + (1 - weight) * second.get(name, 0.0) for name in names}
    return {name: min(1.0, GAIN * strength) for name, strength in mean.items()}


def variant(label: str, draw: np.random.Generator) -> dict[str, float]:
    """One variant of a basic expression, a mixture of two neighbouring ones a third of the time."""
    choices = VARIANTS[label]
    first = choices[draw.integers(len(choices))]
    if len(choices) > 1 and draw.random() < 1 / 3:
        second, share = choices[draw.integers(len(choices))], draw.random()
        names = sorted({*first, *second})
        return {name: share * first.get(name, 0) + (1 - share) * second.get(name, 0) for name in names}
    return dict(first)


def actions(label: str, draw: np.random.Generator, intensity: tuple[float, float]) -> dict[str, float]:
    """The sided facial actions of one image: variant, intensity, jitter, asymmetry and idle movements."""
    if label in BLENDS:
        one, other = BLENDS[label]
        chosen = blend(variant(one, draw), variant(other, draw), draw.uniform(0.42, 0.58))
    else:
        chosen = variant(label, draw)
    return sided(chosen, draw, draw.uniform(*intensity))


def arbitrary(draw: np.random.Generator) -> dict[str, float]:
    """Sided actions of no expression in particular, over all the range that the expressions span.

    A convex mixture of expressions, or each region of the face from another one, or a few single actions.
    """
    kind = draw.random()
    if kind < 0.4:
        shares = draw.dirichlet([0.35] * len(BASIC))
        mixed = [variant(label, draw) for label in BASIC]
        names = sorted({name for each in mixed for name in each})
        chosen = {n: sum(s * each.get(n, 0.0) for s, each in zip(shares, mixed, strict=True)) for n in names}
        return sided(chosen, draw, draw.uniform(0.4, 1.2))
    if kind < 0.8:
        chosen = {}
        for region in REGIONS:
            source, strength = variant(BASIC[draw.integers(len(BASIC))], draw), draw.uniform(0.4, 1.2)
            chosen |= {name: strength * source[name] for name in region if name in source}
        return sided(chosen, draw, 1.0)
    few = draw.choice(len(ALL), size=int(draw.integers(1, 5)), replace=False)
    return sided({ALL[k]: draw.uniform(0.2, 1.0) for k in few}, draw, 1.0)


def words(moves: dict[str, float]) -> str:
    """What sided actions look like from brow to chin, e.g. "raised cheeks, a smile"; '' at rest.

    The ``MOST_WORDS`` most visible movements of muscles; no emotion is named.
    """
    visible = {
        text: max(moves.get(action + side, 0.0) for side in ("", "Left", "Right")) / least
        for text, (action, least) in WORDS.items()
    }
    most = sorted(visible.values())[-MOST_WORDS]
    return ", ".join(text for text, strength in visible.items() if strength >= max(1, most))


def sided(chosen: dict[str, float], draw: np.random.Generator, intensity: float) -> dict[str, float]:
    """Left and Right of each action with a lean to one side, plus small idle movements; all within [0, 1]."""
    lean = draw.normal(0, 0.08)
    idle = {name: abs(draw.normal(0, 0.06)) for name in IDLE}
    idle |= {"jawOpen": abs(draw.normal(0, 0.025)), "eyeBlink": abs(draw.normal(0, 0.06))}
    result: dict[str, float] = {}
    for name in sorted({*chosen, *idle}):
        strength = chosen.get(name, 0.0) * intensity * (1 + draw.normal(0, 0.12)) + idle.get(name, 0.0)
        sides = (
            {"": strength}
            if name in SINGLE
            else {"Left": strength * (1 + lean), "Right": strength * (1 - lean)}
        )
        result |= {name + side: float(np.clip(value, 0, 1)) for side, value in sides.items()}
    return result
