"""What computes: a name for the records of whatever was timed."""

from __future__ import annotations

import platform
from pathlib import Path


def device_name(device: str = "cpu") -> str:
    """The GPU's name for "cuda", else the CPU's model as /proc/cpuinfo has it."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
