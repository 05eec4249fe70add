"""Three attributes of faces that captions tell: what SMC's Section 4 says reconstructs worse."""

from __future__ import annotations

import re
from collections.abc import Mapping

WORDS = {"open mouth": "an open mouth", "beard": "a beard", "glasses": "glasses"}
SAID = {
    "open mouth": re.compile(r"\ban open mouth\b"),
    "beard": re.compile(r"\bbeard(ed)?\b"),
    "glasses": re.compile(r"\bglasses\b"),
}
"""A render's caption speaks of "a bearded man" and of "wearing dark glasses"."""


def attributes_of(caption: str) -> dict[str, bool | None]:
    """Whether a face with that caption has each attribute of `WORDS`; None without a caption.

    What a caption does not say is absent.  A render's names the four most visible movements of its face
    alone, so some open mouths among more striking movements (63 of 419 in `anny_basic`) count as closed, and
    beards of a few days as none.
    """
    return {name: bool(said.search(caption)) if caption else None for name, said in SAID.items()}


def caption_of(attributes: Mapping[str, bool]) -> str:
    """The caption of a photograph of which that much is known, for `attributes_of` to read back."""
    present = [words for name, words in WORDS.items() if attributes[name]]
    return f"A photo of a face{' with ' if present else ''}{', '.join(present)}."
