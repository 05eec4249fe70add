"""How many parameters Affect-Diff has, counted without making them (Table VI)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from facetory.affectdiff.spec import ModelSpec


def parameter_counts(spec: ModelSpec) -> dict[str, int]:
    """As `counts_of`, of the model that the spec describes."""
    import torch

    from facetory.affectdiff.model import AffectDiff

    with torch.device("meta"):
        return counts_of(AffectDiff(spec))


def counts_of(module: nn.Module) -> dict[str, int]:
    """{"total", "trainable", "without_prior"} of a model or baseline.

    The total has the prior twice, as in Table VI: its running mean, which is not trained, is a copy.
    """
    trainable = sum(weight.numel() for weight in module.parameters())
    prior = sum(weight.numel() for name, weight in module.named_parameters() if name.startswith("prior."))
    return {"total": trainable + prior, "trainable": trainable, "without_prior": trainable - prior}
