"""What encoding computes: pictures through an autoencoder."""

from __future__ import annotations

from facetory.pipeline.work import Work


def encoding(backbone: str, px: int, samples: int, pictures: int) -> Work:
    """``pictures`` of every sample: a clean one and its mirror image, or one of each corruption."""
    return {(f"encode/{backbone}/{px}", "forward"): samples * pictures}
