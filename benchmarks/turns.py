"""Two ways of one computation, timed in turns: what the machine does meanwhile befalls both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any


def rates(
    ours: Callable[[], Any], count: int, plain: Callable[[], Any], plain_count: int, repeats: int
) -> dict[str, Any]:
    """Medians of both rates over turns that alternate, and the median of the turns' ratios."""
    turns = [(count / seconds(ours), plain_count / seconds(plain)) for _ in range(repeats)]
    return {
        "facetory": statistics.median(turn[0] for turn in turns),
        "plain": statistics.median(turn[1] for turn in turns),
        "ratio": statistics.median(turn[0] / turn[1] for turn in turns),
        "turns": turns,
    }


def seconds(work: Callable[[], Any]) -> float:
    """Wall time of one call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
