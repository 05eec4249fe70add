"""Randomness by name: every draw is a function of (seed, what it is for, sample, step).

The generator is Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011),
a counter-based generator: number i of a stream is computed from i alone, so results do not depend on
batch size, order, shard, resume or number of workers.  The same integer arithmetic serves NumPy arrays and
torch tensors (on any device), because it is written with operators alone.  Keep it out of ``torch.compile``:
inductor does not wrap int64 products as the algorithm needs.
"""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np

MASK = 0xFFFFFFFF
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)


def stream_key(seed: int, *purpose: str | int) -> int:
    """A 64-bit key for one named stream, e.g. ``stream_key(0, "emodc", "noise")``."""
    name = "\x1f".join([str(seed), *map(str, purpose)])
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")


def generator(seed: int, *purpose: str | int) -> np.random.Generator:
    """A NumPy generator for one named stream; for scalar draws on the CPU (shapes, colours, choices)."""
    return np.random.Generator(np.random.Philox(key=stream_key(seed, *purpose)))


def sample_keys(sample_ids: list[str]) -> np.ndarray:
    """A 63-bit integer per sample id, shape (n,), int64: the form in which ids enter a counter."""
    digests = (hashlib.sha256(s.encode()).digest()[:8] for s in sample_ids)
    return np.array([int.from_bytes(d, "little") >> 1 for d in digests], dtype=np.int64)


def philox(counter: tuple[Any, Any, Any, Any], key: int) -> tuple[Any, Any, Any, Any]:
    """Philox4x32-10 on four equally shaped int64 arrays of 32-bit words; returns four such arrays.

    ``key`` is 64 bits: its low word is the first key word.  Products of two 32-bit words wrap in int64 with
    the right bit pattern, and masking after the shift removes the sign extension.
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key & MASK, (key >> 32) & MASK
    for _ in range(10):
        p0, p1 = c0 * MULTIPLIERS[0], c2 * MULTIPLIERS[1]
        c0, c1, c2, c3 = (((p1 >> 32) & MASK) ^ c1 ^ k0, p1 & MASK, ((p0 >> 32) & MASK) ^ c3 ^ k1, p0 & MASK)
        k0, k1 = (k0 + WEYL[0]) & MASK, (k1 + WEYL[1]) & MASK
    return c0, c1, c2, c3


def _words(key: int, samples: Any, step: Any, count: int) -> list[Any]:
    """Four lists of random words, each (*batch, ceil(count / 4)); samples and step broadcast together."""
    xp = _namespace(samples)
    blocks = -(-count // 4)
    index = xp.arange(blocks, dtype=xp.int64, **_device(samples))
    samples, step = samples[..., None], (step + 0 * samples)[..., None]
    zero = index * 0
    counter = (index + 0 * samples, (samples & MASK) + zero, ((samples >> 32) & MASK) + zero, step + zero)
    return list(philox(counter, key))


def uniform(key: int, samples: Any, step: Any, count: int) -> Any:
    """Uniform draws in (0, 1), float64, shape (*batch, count).

    ``samples`` is an int64 array or tensor of sample keys (`sample_keys`) and ``step`` an integer or an
    array that broadcasts against it (training step, timestep, replicate; below 2**32).
    """
    xp = _namespace(samples)
    words = xp.stack(_words(key, samples, step, count), -1)
    flat = words.reshape(*words.shape[:-2], words.shape[-2] * 4)
    return (_as_float(flat[..., :count]) + 0.5) / 2.0**32


def normal(key: int, samples: Any, step: Any, count: int) -> Any:
    """Standard normal draws, float32, shape (*batch, count), by the Box-Muller transform in float64.

    Integers are equal on CPU and GPU; normals agree to float32 rounding.
    """
    xp = _namespace(samples)
    u = uniform(key, samples, step, count + count % 2)
    radius, angle = xp.sqrt(-2 * xp.log(u[..., 0::2])), 2 * math.pi * u[..., 1::2]
    pair = xp.stack([radius * xp.cos(angle), radius * xp.sin(angle)], -1)
    flat = pair.reshape(*pair.shape[:-2], pair.shape[-2] * 2)[..., :count]
    return flat.astype(np.float32) if xp is np else flat.to(xp.float32)


def permutation(count: int, seed: int, *purpose: str | int) -> np.ndarray:
    """A permutation of range(count) from the named stream, shape (count,), int64."""
    return generator(seed, *purpose).permutation(count)


def _namespace(array: Any) -> Any:
    if isinstance(array, np.ndarray):
        return np
    import torch  # only when the caller already holds a tensor

    return torch


def _device(array: Any) -> dict[str, Any]:
    return {} if isinstance(array, np.ndarray) else {"device": array.device}


def _as_float(words: Any) -> Any:
    return words.astype(np.float64) if isinstance(words, np.ndarray) else words.double()
