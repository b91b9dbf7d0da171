"""From a test to an interval: the ratios next to the estimate that the test does not reject."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import exp, inf, isinf, log

from counterfault.estimate import Interval

PValue = Callable[[float], float]  # of a log ratio

_FARTHEST = log(1000)  # where this ratio, or its inverse, is not rejected, the interval is unbounded
_WIDTH = 0.25
_PRECISION = 1e-7  # of a limit, on the log scale; far below what the number of draws resolves


def bracket(p_value: PValue, estimate: float, side: float, alpha: float) -> tuple[float, float] | None:
    """A stretch of the log ratio in which the p-value first falls to alpha on this side (−1 or 1) of the estimate.

    Returns
    -------
    Its inner and outer end, at most 0.25 apart; None where not even a thousandfold ratio is rejected.
    """
    inside, stride = estimate, _WIDTH
    while not _rejected(p_value(outside := inside + side * stride), alpha):
        if abs(outside) > _FARTHEST:
            return None
        inside, stride = outside, min(2 * stride, 1.0)
    while abs(outside - inside) > _WIDTH:
        inside, outside = _halved(p_value, inside, outside, alpha)
    return inside, outside


def narrowed(p_value: PValue, inside: float, outside: float, alpha: float) -> float:
    """Where in this stretch the p-value falls to alpha."""
    while abs(outside - inside) > _PRECISION:
        inside, outside = _halved(p_value, inside, outside, alpha)
    return (inside + outside) / 2


def _halved(p_value: PValue, inside: float, outside: float, alpha: float) -> tuple[float, float]:
    middle = (inside + outside) / 2
    return (inside, middle) if _rejected(p_value(middle), alpha) else (middle, outside)


def _rejected(p_value: float, alpha: float) -> bool:
    # An enumerated p-value can equal alpha, and 1 − level is not exactly the fraction it stands for.
    return p_value <= alpha * (1 + 1e-9)


def interval_of_logs(low: float, high: float, level: float) -> Interval:
    """Limits of a ratio from those of its logarithm, which may be infinite."""
    return Interval(0.0 if isinf(low) else exp(low), inf if isinf(high) else exp(high), level)


def unbounded(interval: Interval, why: str) -> Iterator[str]:
    """A warning, where the test rejects nothing on one side or both."""
    sides = [word for word, open_ in (("high", isinf(interval.high)), ("low", not interval.low)) if open_]
    if sides:
        yield f"The test rejects no ratio however {' or '.join(sides)}: {why}, so the interval is unbounded there."
