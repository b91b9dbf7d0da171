"""Numbers that may be too large to write down."""

from __future__ import annotations

from math import exp, inf

_LARGEST = 700.0  # exp of more overflows a float


def exp_or_infinity(value: float) -> float:
    """The exponential, infinite where a float cannot hold it."""
    return exp(value) if value < _LARGEST else inf
