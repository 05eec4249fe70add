"""How well a difference could have been seen: a normal approximation from the width of its interval."""

from __future__ import annotations

import math
from statistics import NormalDist

from facetory.report.claims.judge import Z

DETECTED = 0.8
NORMAL = NormalDist()


def power(distance: float, standard_error: float) -> float:
    """The probability that a 95 % interval lies wholly on the right side of the bound, in 0 to 1.

    ``distance`` is that of the true value from the bound, in either direction.
    """
    if standard_error == 0:
        return float(distance != 0)
    return NORMAL.cdf(abs(distance) / standard_error - Z)


def detectable(standard_error: float) -> float:
    """The distance from the bound that would be seen with a probability of 80 %."""
    return math.inf if math.isinf(standard_error) else (Z + NORMAL.inv_cdf(DETECTED)) * standard_error
