"""The ratio of two excesses over a common background, from two rate ratios and the interval of their ratio.

Why not the delta method on the logarithm? It gives finite limits whatever the data, and is wrong by any factor where
the denominator may be zero. Why not Fieller's limits? They take the rate ratios to be normal, whose logarithms
are. The method of variance estimates recovery is Fieller's argument with the half-widths each rate ratio has on its
own, upwards and downwards (Donner & Zou 2012, Statistical Methods in Medical Research 21:347).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import exp, hypot, inf, isfinite, sqrt

from counterfault.estimators.bounded import exp_or_infinity
from counterfault.estimators.roots import crossing_between
from counterfault.estimators.self_control.log_ratio import LogRatio

METHOD = (
    "excess rate ratio (RR − 1)/(RR − 1) with limits by variance estimates recovery (Donner & Zou 2012) from the "
    "intervals of the two rate ratios and of their ratio"
)

# An upper limit this many times the value says no more than none.
_FARTHEST = 1e12


@dataclass(frozen=True, slots=True)
class Excess:
    """A rate ratio minus 1, with limits: incidents added, in units of the background's."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, ratio: LogRatio, level: float) -> Excess:
        limits = ratio.interval(level)
        return cls(exp_or_infinity(ratio.value) - 1, limits.low - 1, limits.high - 1)

    @property
    def above_zero(self) -> bool:
        """Whether the data exclude that nothing was added."""
        return self.low > 0


def limits(above: Excess, below: Excess, correlation: float) -> tuple[float, float]:
    """The ratios R ≥ 0 for which above − R·below may be zero; both values are positive.

    Parameters
    ----------
    above, below : numerator and denominator.
    correlation : of the two log rate ratios.

    Returns
    -------
    The lower limit is 0 unless ``above`` is above zero at the level of its limits; the upper one infinite unless
    ``below`` is.
    """
    point = above.value / below.value
    sine = sqrt(1 - correlation**2)

    def reach(one: float, other: float) -> float:
        return hypot(one - correlation * other, sine * other)

    def at_least(ratio: float) -> float:
        span = reach(above.value - above.low, ratio * (below.high - below.value))
        return above.value - ratio * below.value - span

    def at_most(ratio: float) -> float:
        span = reach(above.high - above.value, ratio * (below.value - below.low))
        return above.value - ratio * below.value + span

    low = crossing_between(at_least, 0.0, point) if above.above_zero and isfinite(below.high) else 0.0
    if not (below.above_zero and isfinite(above.high)):
        return low, inf
    beyond = 2 * point
    while at_most(beyond) > 0:  # it falls by ``below.low`` a unit in the end
        beyond *= 2
        if beyond > _FARTHEST * point:
            return low, inf
    return low, crossing_between(at_most, point, beyond)


def correlation_of(one: LogRatio, other: LogRatio, between: LogRatio, level: float) -> float:
    """Correlation of two log rate ratios, from the widths of their intervals and of that of their difference."""
    first, second, apart = one.reach(level), other.reach(level), between.reach(level)
    # The three may come from different covariances (robust, model), which need not agree on a correlation below 1.
    return max(-1.0, min(1.0, (first**2 + second**2 - apart**2) / (2 * first * second)))


def log_standard_error(one: LogRatio, other: LogRatio, correlation: float, level: float) -> float:
    """Delta-method standard error of the logarithm of the excess ratio; both excesses are positive."""
    first = one.error_and_reference(level)[0] / (1 - exp(-one.value))
    second = other.error_and_reference(level)[0] / (1 - exp(-other.value))
    return sqrt(max(0.0, first**2 + second**2 - 2 * correlation * first * second))


def without_excess(ai: Excess, other: Excess) -> str:
    """Why there is no ratio of added incidents; empty if there is one."""
    for name, excess in (("AI-assisted", ai), ("other", other)):
        if excess.value <= 0:
            return (
                f"After {name} deployments incidents are no more frequent than in the background (rate ratio "
                f"{excess.value + 1:.2f}), so none were added and there is no ratio of added incidents."
            )
    if not (ai.above_zero or other.above_zero):
        return (
            "Neither kind of deployment is clearly followed by more incidents than the background has, so the ratio of "
            "added incidents may be anything."
        )
    return ""


def unbounded_sides(ai: Excess, other: Excess) -> Iterator[str]:
    """What a reader must know where one of the excesses may be nothing."""
    if not other.above_zero:
        yield (
            "Other deployments are not clearly followed by more incidents than the background has, so nothing bounds "
            "the ratio from above."
        )
    if not ai.above_zero:
        yield (
            "AI-assisted deployments are not clearly followed by more incidents than the background has, so the ratio "
            "may be 0."
        )
