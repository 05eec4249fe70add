"""Learning to predict the noise in latents, told whose face it is: a task of the training loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from facetory.adaptdiff.learnt import Learnt, held_out, strangers
from facetory.diffusion.denoising import NoisePrediction

if TYPE_CHECKING:
    from torch import Tensor

    from facetory.adaptdiff.unet import IdentityUNet


class IdentityNoisePrediction(NoisePrediction):
    """The mean squared error of predicted noise under a face's context (AdaptDiff, Eq. 1).

    A mirror image comes with its own context.  Validation gives the ``error`` of held-out people under their
    contexts, and ``error_under_another`` person's: where the second is not larger, the model does not listen.
    """

    def __init__(self, unet: IdentityUNet, learnt: Learnt, alpha_bar: Tensor, seed: int = 0) -> None:
        super().__init__(unet, learnt.latents, alpha_bar, held_out(learnt.people, seed), seed)
        self.contexts = learnt.contexts
        another = strangers(learnt.people, self.held_out.cpu().numpy(), seed)
        self.another = torch.from_numpy(another).to(self.device)

    def conditions(self, rows: Tensor, flip: Tensor, choices: Tensor) -> tuple[Tensor, ...]:
        """Contexts (batch, d) of the faces, or of their mirror images where ``flip`` is 1."""
        return (self.contexts[rows, flip],)

    def predicted(self, noisy: Tensor, timestep: Tensor, *conditions: Tensor) -> Tensor:
        """ε̂ under the contexts; in training, components of them are dropped."""
        return self.unet(noisy, timestep, *conditions)  # type: ignore[no-any-return]

    def validated_under(self, rows: Tensor) -> dict[str, tuple[Tensor, ...]]:
        """The people's own contexts, and those of others."""
        return {
            "error": (self.contexts[rows, 0],),
            "error_under_another": (self.contexts[self.another, 0],),
        }
