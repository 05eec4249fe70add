"""What changes with the epoch: the weights of the KL and diffusion losses, and Gumbel's temperature.

Epochs count from 0.
"""

from __future__ import annotations

from typing import Literal


def curriculum(kind: Literal["paper", "code", "none"], epoch: int) -> tuple[float, float]:
    """(γ of the diffusion loss, γ_kl) at an epoch.

    "paper" is Eq. 13: min(1, e/20) and min(1, e/30).  "code" is what the released code does: the diffusion
    waits, clip((e - 9)/20, 0, 1), and γ_kl starts anew every 20 epochs, min(1, (e mod 20)/10).
    """
    if kind == "paper":
        return min(1.0, epoch / 20), min(1.0, epoch / 30)
    if kind == "code":
        return min(1.0, max(0.0, (epoch - 9) / 20)), min(1.0, epoch % 20 / 10)
    return 1.0, 1.0


def temperature(epoch: int) -> float:
    """The Gumbel-softmax temperature: from 1 down to 0.5 in steps of 0.05, as released."""
    return max(0.5, 1.0 - 0.05 * epoch)
