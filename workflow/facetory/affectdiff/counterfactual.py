"""Another label: what would the latent have been, had the emotion been another (Affect-Diff's homepage)?"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from facetory.affectdiff.model import AffectDiff, Encoded
from facetory.affectdiff.prior import ddim, ddim_invert


class Relabelled(NamedTuple):
    """Latents resampled under every label: logits (B, K, K), target on axis 1; ‖Δz‖ (B, K) and (B, K, L).

    Δz is the L2 distance to the round trip, the resampling under the predicted label itself, over the
    measured positions.  The label alone differs between the two.
    """

    logits: Tensor
    distance: Tensor
    by_position: Tensor


def no_prior(model: nn.Module) -> str | None:
    """Why a model cannot say what another label would have looked like, or None."""
    if not isinstance(model, AffectDiff):
        return "a baseline has no latent with a diffusion prior"
    return None if model.prior is not None else "the model was trained without a diffusion prior"


@torch.inference_mode()
def relabel(
    model: AffectDiff,
    encoded: Encoded,
    predicted: Tensor,
    steps: int = 50,
    guidance_scale: float = 3.0,
    strength: float = 1.0,
) -> Relabelled:
    """Invert the posterior means under the ``predicted`` labels (B,) and resample them under all K labels.

    Inversion is DDIM's, unguided, over ``strength`` of the ``steps`` (Song et al., 2021, Section 4.3);
    resampling is guided (Ho & Salimans, 2022), all labels of all segments in one batch.
    """
    classes, rows = model.spec.classes, len(predicted)
    z = encoded.mean.transpose(1, 2)
    noisy = ddim_invert(
        model.prior, z, predicted, encoded.condition, steps=steps, strength=strength, valid=encoded.valid
    )
    targets = torch.arange(classes, device=z.device).repeat(rows)
    condition, valid = (
        None if own is None else own.repeat_interleave(classes, dim=0)
        for own in (encoded.condition, encoded.valid)
    )
    resampled = ddim(
        model.prior,
        noisy.repeat_interleave(classes, dim=0),
        targets,
        condition,
        steps=steps,
        guidance_scale=guidance_scale,
        strength=strength,
        valid=valid,
    ).transpose(1, 2)
    logits = model.classify(resampled, valid).unflatten(0, (rows, classes))
    by_label = resampled.unflatten(0, (rows, classes))
    roundtrip = by_label[torch.arange(rows, device=z.device), predicted]
    by_position = (by_label - roundtrip[:, None]).norm(dim=-1)
    if encoded.valid is not None:
        by_position = by_position * encoded.valid[:, None]
    return Relabelled(logits, by_position.norm(dim=-1), by_position)
