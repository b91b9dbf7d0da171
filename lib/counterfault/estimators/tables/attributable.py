"""One table of four counts: how many failures, and what share of them, go with exposure.

The unadjusted figures that published tables print, for comparison with other people's. Where services differ in risk
and in exposure they say little: :mod:`counterfault.estimators.marginal.standardised` gives the same figures at equal
service, period and covariates.

A value below zero is kept: failures were then prevented, if anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from enum import Enum
from math import exp, inf, isnan, log1p, sqrt

from counterfault.cells import Cells, TwoByTwo
from counterfault.estimate import Estimand, Estimate, Interval, not_estimable
from counterfault.estimators.tables import score, two_by_two

__all__ = [
    "PopulationVariance",
    "attributable",
    "attributable_fraction",
    "attributable_incidents",
    "attributable_risk",
    "population_attributable_fraction",
    "population_attributable_risk",
]

_ZERO_VARIANCE = "a group without events, or with nothing else, gives a variance of zero"
_PREVENTED = "Below zero: fewer events than expected without exposure, that is, prevented."


class PopulationVariance(Enum):
    """Of the risk in everyone less the risk in the unexposed, who are part of everyone."""

    DELTA = "delta method on the four counts (Pirikahu 2014)"
    SUMMED = "Wald, the two variances added up as if the groups were apart"  # what epiR prints first; too wide


def attributable_fraction(
    *, exposed_events: int, exposed_total: int, unexposed_events: int, unexposed_total: int, level: float = 0.95
) -> Estimate:
    """What share of the exposed events would not have been, had exposed deployments the risk of the others?

    Parameters
    ----------
    exposed_events, unexposed_events : deployments with an event, whole numbers from 0 to the total.
    exposed_total, unexposed_total : deployments in each group.
    level : confidence level of the two-sided interval, e.g. 0.95.

    Returns
    -------
    Estimate
        1 − 1/RR, its limits those of the log risk ratio (Katz et al. 1978); −∞ to 1. Not estimable where that ratio is
        not.

    Raises
    ------
    ValueError
        A count is negative or not whole, events exceed their total, or ``level`` is not inside (0, 1).
    """
    ratio = two_by_two.risk_ratio_log(
        exposed_events=exposed_events,
        exposed_total=exposed_total,
        unexposed_events=unexposed_events,
        unexposed_total=unexposed_total,
        level=level,
    )
    method = "1 − 1/RR, limits from those of the log risk ratio (Katz et al. 1978)"
    estimand = Estimand.ATTRIBUTABLE_FRACTION
    if not ratio.estimable:
        silent = not_estimable(estimand, ratio.caveats[0], method=method, level=level, support=ratio.support)
        return silent.named("crude.attributable_fraction")
    limits = ratio.interval
    return Estimate(
        estimand=estimand,
        value=1 - 1 / ratio.value,
        interval=Interval(1 - 1 / limits.low if limits.low > 0 else -inf, 1 - 1 / limits.high, level),
        method=method,
        support=ratio.support,
        id="crude.attributable_fraction",
        p_value=ratio.p_value,
        standard_error=ratio.standard_error / ratio.value,
        caveats=tuple(_prevented(1 - 1 / ratio.value)),
    )


def attributable_risk(
    *, exposed_events: int, exposed_total: int, unexposed_events: int, unexposed_total: int, level: float = 0.95
) -> Estimate:
    """How much higher is the risk of the exposed, with the interval that published tables print?

    :func:`~counterfault.estimators.tables.two_by_two.risk_difference` gives the same value with limits that hold their
    level better. Parameters and errors as in :func:`attributable_fraction`.

    Returns
    -------
    Estimate
        Wald limits; not estimable where a group has no events, or nothing else.
    """
    table = TwoByTwo(exposed_events, exposed_total, unexposed_events, unexposed_total)
    return _of_difference(table, Estimand.RISK_DIFFERENCE, 1, level).named("crude.attributable_risk")


def attributable_incidents(
    *, exposed_events: int, exposed_total: int, unexposed_events: int, unexposed_total: int, level: float = 0.95
) -> Estimate:
    """How many exposed events more are there than the risk of the unexposed would have given?

    Parameters, errors and limits as in :func:`attributable_risk`, times the exposed deployments, taken as given.
    """
    table = TwoByTwo(exposed_events, exposed_total, unexposed_events, unexposed_total)
    found = _of_difference(table, Estimand.ATTRIBUTABLE_INCIDENTS, exposed_total, level)
    return found.named("crude.attributable_incidents", caveats=(*found.caveats, *_prevented(found.value)))


def population_attributable_fraction(
    *, exposed_events: int, exposed_total: int, unexposed_events: int, unexposed_total: int, level: float = 0.95
) -> Estimate:
    """What share of *all* events would not have been, had exposed deployments the risk of the others?

    Parameters and errors as in :func:`attributable_fraction`.

    Returns
    -------
    Estimate
        Limits symmetric for log(1 − fraction). Not estimable without unexposed events.

    Notes
    -----
    Jewell (2004), Statistics for Epidemiology, pages 84–85. Exposed and unexposed are a sample of one population, so
    that its exposure is estimated too.
    """
    counts = TwoByTwo(exposed_events, exposed_total, unexposed_events, unexposed_total)
    silence = _silence(counts, level)
    counts = TwoByTwo(*map(int, counts))  # products of NumPy's integers would wrap around without a word
    a, n1, c, n0 = counts
    b, d = n1 - a, n0 - c
    value = (a * d - b * c) / ((a + c) * n0) if c and not silence else 0.0
    variance = (b + value * (a + d)) / ((n1 + n0) * c) if c and not silence else 0.0
    method = "population attributable fraction, limits by the log of what it leaves (Jewell 2004)"
    if silence or variance <= 0:
        reason = silence or ("no unexposed deployment had an event" if not c else _ZERO_VARIANCE)
        return not_estimable(
            Estimand.ATTRIBUTABLE_FRACTION, reason, method=method, level=level, support=counts.support()
        ).named("crude.population_attributable_fraction")
    kept, reach = log1p(-value), score.critical_value(level) * sqrt(variance)
    return Estimate(
        estimand=Estimand.ATTRIBUTABLE_FRACTION,
        value=value,
        interval=Interval(1 - exp(min(kept + reach, 700)), 1 - exp(kept - reach), level),
        method=method,
        support=counts.support(),
        id="crude.population_attributable_fraction",
        standard_error=sqrt(variance) * (1 - value),
        caveats=tuple(_prevented(value)),
    )


def population_attributable_risk(
    *,
    exposed_events: int,
    exposed_total: int,
    unexposed_events: int,
    unexposed_total: int,
    level: float = 0.95,
    variance: PopulationVariance = PopulationVariance.DELTA,
) -> Estimate:
    """By how much does exposure raise the risk of all deployments together?

    Parameters and errors as in :func:`attributable_fraction`.

    Parameters
    ----------
    variance : which one; ``SUMMED`` is there for comparison with published tables.

    Returns
    -------
    Estimate
        Wald limits; not estimable where a group is missing or the variance is zero.

    Notes
    -----
    Pirikahu (2014), MSc thesis, Massey University, for the delta method, as R's epiR has it.
    """
    counts = TwoByTwo(exposed_events, exposed_total, unexposed_events, unexposed_total)
    silence = _silence(counts, level)
    counts = TwoByTwo(*map(int, counts))  # products of NumPy's integers would wrap around without a word
    spread = 0.0 if silence else _population_variance(counts, variance)
    if silence or spread <= 0:
        return not_estimable(
            Estimand.RISK_DIFFERENCE,
            silence or _ZERO_VARIANCE,
            method=variance.value,
            level=level,
            support=counts.support(),
        ).named("crude.population_attributable_risk")
    a, n1, c, n0 = counts
    value, reach = (a + c) / (n1 + n0) - c / n0, score.critical_value(level) * sqrt(spread)
    return Estimate(
        estimand=Estimand.RISK_DIFFERENCE,
        value=value,
        interval=Interval(max(value - reach, -1.0), min(value + reach, 1.0), level),
        method=variance.value,
        support=counts.support(),
        id="crude.population_attributable_risk",
        standard_error=sqrt(spread),
    )


def attributable(cells: Cells, level: float = 0.95) -> tuple[Estimate, ...]:
    """Fraction, incidents, risk, and fraction and risk in the population, over all cells as if there were no strata.

    Parameters
    ----------
    cells : the counts; their strata are ignored.
    level : confidence level of the intervals.
    """
    counts = cells.two_by_two()._asdict()
    return tuple(
        replace(found, design="all services together")
        for found in (
            attributable_fraction(**counts, level=level),
            attributable_incidents(**counts, level=level),
            attributable_risk(**counts, level=level),
            population_attributable_fraction(**counts, level=level),
            population_attributable_risk(**counts, level=level),
        )
    )


def _of_difference(table: TwoByTwo, estimand: Estimand, times: int, level: float) -> Estimate:
    difference = two_by_two.risk_difference(**table._asdict(), level=level)
    method = "Wald limits of the risk difference" + (
        ", times the exposed deployments" if estimand is not Estimand.RISK_DIFFERENCE else ""
    )
    if isnan(difference.standard_error):
        reason = _ZERO_VARIANCE if difference.estimable else difference.caveats[0]
        return not_estimable(estimand, reason, method=method, level=level, support=difference.support)
    value, error = times * difference.value, times * difference.standard_error
    reach = score.critical_value(level) * error
    return Estimate(
        estimand=estimand,
        value=value,
        interval=Interval(max(value - reach, estimand.lowest), min(value + reach, estimand.highest), level),
        method=method,
        support=difference.support,
        standard_error=error,
    )


def _silence(table: TwoByTwo, level: float) -> str:
    """Why nothing can be said; empty if it can. Counts that cannot be are an error here as everywhere."""
    difference = two_by_two.risk_difference(**table._asdict(), level=level)
    return "" if difference.estimable else difference.caveats[0]


def _population_variance(table: TwoByTwo, variance: PopulationVariance) -> float:
    a, n1, c, n0 = table
    total, events = n1 + n0, a + c
    if variance is PopulationVariance.SUMMED:
        return events * (total - events) / total**3 + c * (n0 - c) / n0**3
    # Gradient of (a + c)/N − c/n₀ by the four counts, each Poisson.
    overall, unexposed = events / total**2, c / n0**2
    by_event, by_rest = 1 / total - overall, -overall
    return (
        by_event**2 * a
        + by_rest**2 * (n1 - a)
        + (by_event - 1 / n0 + unexposed) ** 2 * c
        + (by_rest + unexposed) ** 2 * (n0 - c)
    )


def _prevented(value: float) -> Iterator[str]:
    if value < 0:
        yield _PREVENTED
