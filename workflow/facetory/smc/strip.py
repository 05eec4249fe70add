"""A strip for people to look at: source, reconstruction, a picture for each target, words underneath."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from facetory.smc.counterfactual import Counterfactual

LEAST_PX = 192
GAP = 12
TEXT_PX, SMALL_PX = 16, 12
GREY = (90, 90, 90)
FOOTER = (
    "Synthetic, by facetory, model {model}. No photograph, and nothing of what anybody feels. p: the guide's "
    "probability, below an edit that of its target in source, reconstruction and edit."
)


def strip(results: Sequence[Counterfactual]) -> np.ndarray:
    """A picture, RGB uint8 (h, w, 3), of edits of one face; small faces are shown at ``LEAST_PX``."""
    first = results[0]
    was = max(first.before, key=first.before.__getitem__)
    panels = [
        (first.source, "source", f"{was} p = {first.before[was]:.2f}"),
        (first.reconstruction, "reconstruction", f"{was} p = {first.reconstructed[was]:.2f}"),
        *(
            (own.edited, own.target, "p = " + ", ".join(f"{p[own.target]:.2f}" for p in own.shares))
            for own in results
        ),
    ]
    side = max(LEAST_PX, len(first.source))
    font, small = (ImageFont.load_default(size) for size in (TEXT_PX, SMALL_PX))
    width = GAP + len(panels) * (side + GAP)
    letters = int(width / (0.52 * SMALL_PX))
    footer = textwrap.fill(FOOTER.format(model=first.model), letters)
    below = TEXT_PX + SMALL_PX + 14
    height = GAP + side + below + (footer.count("\n") + 1) * (SMALL_PX + 4) + GAP
    sheet = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(sheet)
    for number, (picture, name, words) in enumerate(panels):
        left = GAP + number * (side + GAP)
        shown = Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC)
        sheet.paste(shown, (left, GAP))
        draw.text((left + side / 2, GAP + side + 4), name.replace("_", " "), "black", font, anchor="ma")
        draw.text((left + side / 2, GAP + side + TEXT_PX + 8), words, GREY, small, anchor="ma")
    draw.multiline_text((GAP, GAP + side + below), footer, GREY, small)
    return np.asarray(sheet)
