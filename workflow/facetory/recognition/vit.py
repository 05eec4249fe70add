"""The vision transformer of Dosovitskiy et al. 2021, as transformers builds it: SMC's guide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

SIZES: dict[str, dict[str, int]] = {
    "paper": {"image_size": 224, "patch_size": 16},
    "small": {
        "patch_size": 8,
        "hidden_size": 64,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "intermediate_size": 128,
    },
}
"""ViT-B/16 at 224 (transformers' defaults for the rest), and a small one for images of any side."""


class Logits(nn.Module):
    """A model of transformers as a network that gives logits alone."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        """Images (n, 3, px, px) to logits (n, classes)."""
        return self.model(images).logits


def vit(classes: int, size: str = "paper", side: int = 224) -> Logits:
    """ViT-B/16 on images of 224 (SMC, Section 2.4), or a small one on images of ``side``."""
    from transformers import ViTConfig, ViTForImageClassification

    shape: dict[str, Any] = {"image_size": side, "num_labels": classes} | SIZES[size]
    return Logits(ViTForImageClassification(ViTConfig(**shape)))
