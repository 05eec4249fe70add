"""How fast the device at hand multiplies matrices: what counted operations are divided by."""

from __future__ import annotations

import time

SIDES = {"cuda": 8192, "cpu": 1024}
"""Sides of the matrices: large enough to fill the device, small enough for a second."""
ROUNDS = 8


def matmul_tflops(device: str, half: bool) -> float:
    """10¹² operations a second of square matrix products, the best of a few; bfloat16 if ``half``.

    A multiply-accumulate is two operations.  Networks reach a part of it: their rows are shorter.
    """
    import torch

    side = SIDES[device.partition(":")[0]]
    dtype = torch.bfloat16 if half else torch.float32
    left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    best = float("inf")
    for _ in range(ROUNDS):
        _wait(device)
        started = time.perf_counter()
        torch.matmul(left, right)
        _wait(device)
        best = min(best, time.perf_counter() - started)
    return 2 * side**3 / best / 1e12


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        import torch

        torch.cuda.synchronize(device)
