"""Mantel–Haenszel estimates with their standard errors, as bare formulas over strata.

Each function gives the estimate and its standard error, on the log scale for ratios. The estimate is infinite
where the denominator is zero and NaN where both are; the error is NaN where its formula would lean on an empty
cell. With one stratum they are the crude estimate with Katz's, Wald's and Woolf's errors.

References
----------
Mantel & Haenszel (1959), Journal of the National Cancer Institute 22:719: weights, odds ratio, test.
Cochran (1954), Biometrics 10:417: the test for binomial samples.
Greenland & Robins (1985), Biometrics 41:55: variances of the risk ratio and of the risk difference.
Robins, Breslow & Greenland (1986), Biometrics 42:311: variance of the log odds ratio.
Sato (1989), Biometrics 45:1323: variance of the risk difference for strata that are many and small.
"""

from __future__ import annotations

from enum import Enum
from math import erfc, inf, nan, sqrt

from counterfault.estimators.tables.strata import Counts, Strata

Pooled = tuple[float, float]


class DifferenceVariance(Enum):
    """Which variance the risk difference has."""

    GREENLAND_ROBINS = "Greenland–Robins (1985) variance"  # right for few large strata
    SATO = "Sato (1989) variance"  # right for few large and for many small strata


def risk_ratio(strata: Strata) -> Pooled:
    """Ratio of the weighted risks; log variance of Greenland & Robins, right for large and for many strata."""
    over, under, spread = (float(part.sum()) for part in log_ratio_sums(strata))
    return _ratio(over, under), sqrt(spread / (over * under)) if over and under and spread > 0 else nan


def log_ratio_sums(strata: Strata) -> tuple[Counts, Counts, Counts]:
    """Per compared stratum, the terms of numerator, denominator and variance of the risk ratio.

    With sums R, S and P the ratio is R / S and its log variance P / (R·S) (Greenland & Robins 1985).
    """
    a, n1, c, n0, size = strata.a, strata.n1, strata.c, strata.n0, strata.size
    return a * n0 / size, c * n1 / size, (n1 * n0 * strata.events - a * c * size) / size**2


def odds_ratio(strata: Strata) -> Pooled:
    """Ratio of the weighted cross products; log variance of Robins, Breslow & Greenland."""
    a, b, c, d = strata.a, strata.n1 - strata.a, strata.c, strata.n0 - strata.c
    r, s = a * d / strata.size, b * c / strata.size
    p, q = (a + d) / strata.size, (b + c) / strata.size
    over, under = float(r.sum()), float(s.sum())
    if not over or not under:
        return _ratio(over, under), nan
    spread = (p * r).sum() / over**2 + (p * s + q * r).sum() / (over * under) + (q * s).sum() / under**2
    return over / under, sqrt(spread / 2)


def risk_difference(strata: Strata, variance: DifferenceVariance) -> Pooled:
    """Weighted mean of the differences, with either variance."""
    value = float((strata.weight * (strata.a / strata.n1 - strata.c / strata.n0)).sum() / strata.weight.sum())
    # A group that never fails, or always does, would enter with a variance of zero: no Wald limits on empty cells.
    for events, total in ((strata.a.sum(), strata.n1.sum()), (strata.c.sum(), strata.n0.sum())):
        if events in (0, total):
            return value, nan
    scaled = _sato(strata, value) if variance is DifferenceVariance.SATO else _greenland_robins(strata)
    return value, sqrt(scaled) / float(strata.weight.sum()) if scaled > 0 else nan


def cochran_mantel_haenszel(strata: Strata) -> float | None:
    """Two-sided p of "no association in any stratum", without continuity correction; None without variation.

    The score test of all three measures at no difference: Miettinen & Nurminen's statistic with these weights.
    """
    size, events = strata.size, strata.events
    excess = float((strata.a - strata.n1 * events / size).sum())
    variance = float((strata.weight * events * (size - events) / (size * (size - 1))).sum())
    return erfc(abs(excess) / sqrt(2 * variance)) if variance else None


def _greenland_robins(strata: Strata) -> float:
    p1, p0 = strata.a / strata.n1, strata.c / strata.n0
    return float((strata.weight**2 * (p1 * (1 - p1) / strata.n1 + p0 * (1 - p0) / strata.n0)).sum())


def _sato(strata: Strata, value: float) -> float:
    a, n1, c, n0, size = strata.a, strata.n1, strata.c, strata.n0, strata.size
    p = (n1**2 * c - n0**2 * a + n1 * n0 * (n0 - n1) / 2) / size**2
    q = (a * (n0 - c) + c * (n1 - a)) / (2 * size)
    return float(value * p.sum() + q.sum())


def _ratio(over: float, under: float) -> float:
    return over / under if under else inf if over else nan
