"""Where a decreasing function crosses zero: the last step of every interval that inverts a test."""

from __future__ import annotations

from collections.abc import Callable
from math import exp, log

from scipy.optimize import brentq

Function = Callable[[float], float]

# Absolute tolerances. On the log scale this is relative precision of the ratio; risk differences can
# themselves be near 1e-6, hence the finer one.
LOG_TOLERANCE = 1e-13
DIFFERENCE_TOLERANCE = 1e-16


def crossing_between(decreasing: Function, low: float, high: float) -> float:
    """The point of ``[low, high]`` where ``decreasing`` changes sign; an end, if it never does."""
    if decreasing(low) <= 0:
        return low
    if decreasing(high) >= 0:
        return high
    return float(brentq(decreasing, low, high, xtol=DIFFERENCE_TOLERANCE))


def positive_crossing(decreasing: Function, *, near: float = 1.0) -> float:
    """The ratio in (0, ∞) where ``decreasing`` changes sign, searched outwards from ``near``.

    The caller knows that there is one. The search doubles its stride on the log scale, because the limit
    of a ratio may lie a factor 2 or a factor 10⁹ away from its estimate.
    """

    def of_log(logged: float) -> float:
        return decreasing(exp(logged))

    here, stride = log(near), 1.0
    rising = of_log(here) > 0
    while True:
        there = here + stride if rising else here - stride
        if (of_log(there) > 0) != rising:
            low, high = min(here, there), max(here, there)
            return exp(float(brentq(of_log, low, high, xtol=LOG_TOLERANCE)))
        here, stride = there, 2 * stride
