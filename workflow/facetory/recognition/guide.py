"""Guides: what says log p(expression | picture) to a sampler, be it a trained classifier or any function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from facetory.data.labels import ALIASES, plain_name
from facetory.pipeline.files import FacetoryError
from facetory.recognition.networks import load, prepare_for
from facetory.recognition.preprocessing import resized
from facetory.recognition.spec import ClassifierSpec

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

NORMALISED = 1e-2
"""How far the logarithm of the sum of a row's probabilities may be from zero."""


@dataclass(frozen=True)
class Guide:
    """A classifier that steers or scores: ``classes`` by facetory's names, and the ``view`` that it takes."""

    classes: tuple[str, ...]
    view: Literal["faces", "latents"]
    score: Callable[[Tensor, int], Tensor]
    """log p(c|x) of inputs and the timestep of their noise."""
    device: str = "cpu"

    def log_probabilities(self, x: np.ndarray | Tensor, timestep: int = 0) -> Tensor:
        """log p(c|x), (n, K) float32 on the guide's device; differentiable in a floating-point tensor x.

        ``x``: for the view "faces" RGB levels 0 … 255 (n, 3, h, w), uint8 or floating-point, of any size; for
        "latents" scaled latents (n, C, h, w) with the noise of ``timestep``, which no other guide heeds.
        """
        import torch

        return self.score(torch.as_tensor(x).to(self.device), timestep).float()


def load_guide(folder: Path | str, spec: ClassifierSpec, device: str = "cpu") -> Guide:
    """The guide that a folder of `train_classifier` holds; its dataset need not be there.

    Pictures are resized to the spec's px, as those that it was trained on were, then prepared as the network
    wants them.  Its weights are frozen.
    """
    network, classes = load(folder, spec, device)
    network.requires_grad_(False)
    prepare = prepare_for(spec)

    def score(x: Tensor, timestep: int) -> Tensor:
        if spec.view == "faces":
            x = resized(x, spec.px).to(x.dtype)
        told: tuple[Any, ...] = (timestep,) if spec.network == "latent_cnn" else ()
        return network(prepare(x), *told).float().log_softmax(1)

    return Guide(tuple(classes), spec.view, score, device)


def as_guide(function: Callable[[Tensor], Tensor], classes: Sequence[str], device: str = "cpu") -> Guide:
    """A guide from any function of RGB levels 0 … 255 (n, 3, h, w) to log-probabilities (n, K).

    ``classes`` names the columns; "happy", "sad" and the like become facetory's names.  Levels come as the
    caller has them, uint8 or floating-point; a function that is not differentiable cannot serve the method
    "gradient".  Answers that are no log-probabilities of the classes are a `FacetoryError`.
    """
    names = tuple(ALIASES.get(plain_name(name), plain_name(name)) for name in classes)

    def score(levels: Tensor, timestep: int) -> Tensor:
        return _checked(function(levels), (len(levels), len(names)), names)

    return Guide(names, "faces", score, device)


def _checked(found: Tensor, expected: tuple[int, int], names: Sequence[str]) -> Tensor:
    if tuple(found.shape) != expected:
        raise FacetoryError(
            f"the guide gave {tuple(found.shape)} instead of {expected}: a row a picture, a column a class. "
            f"Its classes were said to be {', '.join(names)}."
        )
    if not (found.detach().float().logsumexp(1).abs() <= NORMALISED).all():
        raise FacetoryError(
            "the guide gave no log-probabilities: the probabilities of a row do not sum to one. Return "
            "`logits.log_softmax(1)`, or the logarithm of probabilities."
        )
    return found
