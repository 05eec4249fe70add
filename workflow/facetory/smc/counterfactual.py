"""What an edit of a photograph gives: pictures, the guide's probabilities, how the particles went."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from facetory.data.marks import Mark, write_marked
from facetory.faces.paste import SOFT, paste
from facetory.faces.several import Face
from facetory.smc.sampler_spec import Sampler


class Trace(NamedTuple):
    """How the particles went, at S scorings of N particles.

    ess (S,) effective sample size; unique_roots (S,) initial particles with descendants; ancestors (S, N)
    each particle's parent; scores (S, N) the guide's probability of the target; scored_steps and timesteps.
    """

    ess: np.ndarray
    unique_roots: np.ndarray
    ancestors: np.ndarray
    scores: np.ndarray
    scored_steps: tuple[int, ...]
    timesteps: tuple[int, ...]


class Counterfactual(NamedTuple):
    """A face, and what it would look like to the guide with another expression.

    ``source``, ``reconstruction`` (by the autoencoder alone) and ``edited``: RGB uint8 (px, px, 3).
    ``before``, ``reconstructed`` and ``after`` are the guide's probabilities of them by class.  ``box`` is
    the square x0, y0, x1, y1 that was cut from ``photograph``, ``face`` what the detector found (or None).
    """

    target: str
    source: np.ndarray
    reconstruction: np.ndarray
    edited: np.ndarray
    before: dict[str, float]
    reconstructed: dict[str, float]
    after: dict[str, float]
    trace: Trace
    photograph: np.ndarray
    box: np.ndarray
    face: Face | None
    sampler: Sampler
    seed: int
    model: str

    def whole(self, soft: float = SOFT) -> np.ndarray:
        """The photograph, uint8 (h, w, 3), with the edited face in its place (`faces.paste`)."""
        return paste(self.photograph, self.edited, self.box, soft)

    def save(self, path: Path | str, whole: bool = False) -> None:
        """Write the edited face, or the whole photograph, as PNG or JPEG that says that it is synthetic."""
        write_marked(path, self.whole() if whole else self.edited, self.mark)

    @property
    def shares(self) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
        """The guide's probabilities by class of source, reconstruction and edit."""
        return self.before, self.reconstructed, self.after

    @property
    def mark(self) -> Mark:
        """What a file of this picture says of it."""
        return mark_of([self])


def mark_of(results: Sequence[Counterfactual]) -> Mark:
    """What a file says that shows some edits of one face."""
    first = results[0]
    targets = ", ".join(result.target for result in results)
    return Mark(
        f"A face edited towards {targets}",
        f"Synthetic: a face in a photograph, changed by a generative model towards what a classifier calls "
        f"{targets}. It is no photograph and shows nothing of what anybody feels.",
        first.model,
        "edited",
        {"target": targets, "seed": str(first.seed), "sampler": first.sampler.model_dump_json()},
    )
