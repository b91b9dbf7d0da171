"""The score method of Miettinen & Nurminen (1985): one statistic for three measures, one table or many.

To ask whether a value of the measure is compatible with the data, the two risks are fitted under that
value (the constrained maximum likelihood estimate), and the observed contrast is compared with its
standard error *at those fitted risks*. The limits are the values that are just compatible. Because no
variance is ever taken from an observed zero, empty cells need neither a correction nor an exception.

Each measure is one function giving ``(contrast, variance)`` of a table at a value. Both are scaled so that
summing them over strata gives the stratified statistic with Mantel–Haenszel weights: it is zero exactly at
the Mantel–Haenszel estimate of a risk ratio or risk difference, and at "no difference" its square is the
Cochran–Mantel–Haenszel chi-square without continuity correction. (For odds ratios over many small strata,
:class:`~counterfault.estimators.tables.hypergeometric.ConditionalScore` is the one that stays centred.)

References
----------
Miettinen & Nurminen (1985), Statistics in Medicine 4:213–226: the statistics, single and stratified.
Farrington & Manning (1990), Statistics in Medicine 9:1447–1454: closed forms of the constrained estimates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import acos, copysign, cos, erfc, hypot, inf, pi, sqrt
from statistics import NormalDist

from counterfault.cells import TwoByTwo
from counterfault.estimate import Estimand, Interval
from counterfault.estimators.roots import crossing_between, positive_crossing

Score = Callable[[TwoByTwo, float], tuple[float, float]]
Disagreement = Callable[[float], tuple[float, float]]


def critical_value(level: float) -> float:
    """The standard normal quantile that leaves ``1 - level`` in the two tails together."""
    if not 0 < level < 1:
        raise ValueError(f"level {level!r} is not a confidence level: give a share between 0 and 1, such as 0.95")
    return NormalDist().inv_cdf(0.5 + level / 2)


def risk_difference(table: TwoByTwo, difference: float) -> tuple[float, float]:
    """Contrast ``w (p₁ - p₀ - δ)`` and its variance at the risks fitted under ``δ``; ``w = n₁n₀/N``."""
    a, n1, c, n0 = table
    p0 = _unexposed_risk_under_difference(table, difference)
    p1 = p0 + difference
    weight = n1 * n0 / (n1 + n0)
    variance = p1 * (1 - p1) / n1 + p0 * (1 - p0) / n0
    return weight * (a / n1 - c / n0 - difference), weight**2 * max(variance, 0.0) * _inflation(table)


def risk_ratio(table: TwoByTwo, ratio: float) -> tuple[float, float]:
    """Contrast ``w (p₁ - φ p₀)`` and its variance at the risks fitted under ``φ``; ``w = n₁n₀/N``."""
    a, n1, c, n0 = table
    p0 = _unexposed_risk_under_ratio(table, ratio)
    p1 = ratio * p0
    weight = n1 * n0 / (n1 + n0)
    variance = p1 * (1 - p1) / n1 + ratio**2 * p0 * (1 - p0) / n0
    return weight * (a / n1 - ratio * c / n0), weight**2 * max(variance, 0.0) * _inflation(table)


def odds_ratio(table: TwoByTwo, ratio: float) -> tuple[float, float]:
    """Contrast ``a - A``, with ``A`` the exposed events fitted under ``ψ``, and its variance.

    The published contrast is ``(p₁ - P₁)/P₁Q₁ - (p₀ - P₀)/P₀Q₀``. The fit keeps both margins, so what one
    arm has too many the other has too few, and that expression is ``(a - A)`` times the reciprocal of the
    variance used here: the same statistic, in a form that stays finite and adds up over strata.
    """
    a, n1, c, n0 = table
    if a + c in (0, n1 + n0):  # everything or nothing is an event: any odds ratio fits, none is excluded
        return 0.0, 0.0
    fitted = cells_under_odds_ratio(table, ratio)
    if min(fitted) <= 0:
        return a - fitted[0], 0.0
    return a - fitted[0], _inflation(table) / sum(1 / cell for cell in fitted)


def over(score: Score, tables: Sequence[TwoByTwo]) -> Disagreement:
    """The contrast and variance of these tables together, as a function of the value put to them."""

    def summed(value: float) -> tuple[float, float]:
        parts = [score(table, value) for table in tables]
        return sum(contrast for contrast, _ in parts), sum(variance for _, variance in parts)

    return summed


def p_value(disagreement: Disagreement, estimand: Estimand) -> float | None:
    """Two-sided p of "no difference"; None where the tables hold nothing to test."""
    contrast, variance = disagreement(estimand.null)
    return erfc(abs(contrast) / sqrt(2 * variance)) if variance > 0 else None


def limits(disagreement: Disagreement, estimand: Estimand, value: float, level: float) -> Interval:
    """The values of the measure that the score test does not reject at ``1 - level``.

    Parameters
    ----------
    disagreement : contrast and variance at a value of ``estimand``; tables with deployments in both arms.
    value : the point estimate. At 0 the lower limit of a ratio is 0; at infinity the upper limit is.
    level : confidence level, two-sided.
    """
    z = critical_value(level)
    target = z / hypot(1, z)

    def above(value: float) -> float:  # zero at the lower limit
        return _bounded(*disagreement(value)) - target

    def below(value: float) -> float:  # zero at the upper limit
        return _bounded(*disagreement(value)) + target

    if not estimand.is_ratio:
        return Interval(crossing_between(above, -1, value), crossing_between(below, value, 1), level)
    near = value if 0 < value < inf else 1.0
    return Interval(
        0.0 if value == 0 else positive_crossing(above, near=near),
        inf if value == inf else positive_crossing(below, near=near),
        level,
    )


def cells_under_odds_ratio(table: TwoByTwo, ratio: float) -> tuple[float, float, float, float]:
    """The four cells with the table's margins and the given odds ratio: the fit of Breslow & Day too.

    In the order exposed events, exposed non-events, unexposed events, unexposed non-events.
    """
    a, n1, c, n0 = table
    events = a + c
    p0 = _unexposed_risk_under_odds_ratio(table, ratio)
    expected = n1 * p0 * ratio / (1 + p0 * (ratio - 1))
    return expected, n1 - expected, events - expected, n0 - events + expected


def _inflation(table: TwoByTwo) -> float:
    # Miettinen & Nurminen's N/(N-1), which Mee's and Koopman's otherwise identical limits lack. It makes the
    # variance unbiased under "no difference", so that many small strata do not add up to too small a variance.
    total = table.exposed_total + table.unexposed_total
    return total / (total - 1)


def _bounded(contrast: float, variance: float) -> float:
    # The deviate squeezed into [-1, 1], keeping order: finite where the variance vanishes (at a difference of
    # ±1), so a root search can start there. Nothing over nothing is no disagreement.
    length = hypot(contrast, sqrt(variance))
    return contrast / length if length else 0.0


def _unexposed_risk_under_difference(table: TwoByTwo, difference: float) -> float:
    a, n1, c, n0 = table
    total, events = n1 + n0, a + c
    if events in (0, total):  # the likelihood is largest at the edge, where the cubic's roots run together
        return max(0.0, -difference) if events == 0 else min(1.0, 1 - difference)
    l2 = (n1 + 2 * n0) * difference - total - events
    l1 = (n0 * difference - total - 2 * c) * difference + events
    l0 = c * difference * (1 - difference)
    centre = -l2 / (3 * total)
    q = l0 / (2 * total) - l1 * l2 / (6 * total**2) - centre**3
    p = copysign(sqrt(max(centre**2 - l1 / (3 * total), 0.0)), q)
    angle = (pi + acos(min(max(q / p**3, -1.0), 1.0))) / 3 if p else pi / 2
    risk = 2 * p * cos(angle) + centre
    # The arc cosine loses half the digits near a double root, and rare events live there: polish the root.
    for _ in range(3):
        slope = (3 * total * risk + 2 * l2) * risk + l1
        if slope:
            risk -= (((total * risk + l2) * risk + l1) * risk + l0) / slope
    return min(max(risk, 0.0, -difference), 1.0, 1 - difference)


def _unexposed_risk_under_ratio(table: TwoByTwo, ratio: float) -> float:
    a, n1, c, n0 = table
    events = a + c
    half = ratio * (n1 + c) + a + n0
    root = sqrt(max(half**2 - 4 * (n1 + n0) * ratio * events, 0.0))
    # The smaller root of a quadratic, written without the difference of two nearly equal numbers.
    return min(2 * events / (half + root), 1.0, 1 / ratio)


def _unexposed_risk_under_odds_ratio(table: TwoByTwo, ratio: float) -> float:
    a, n1, c, n0 = table
    events, excess = a + c, ratio - 1
    linear = n1 * ratio + n0 - events * excess
    root = sqrt(max(linear**2 + 4 * n0 * excess * events, 0.0))
    if linear >= 0:
        return 2 * events / (linear + root)
    return (root - linear) / (2 * n0 * excess)
