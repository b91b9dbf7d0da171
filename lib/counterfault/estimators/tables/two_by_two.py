"""One table of four counts: risk difference, risk ratio and odds ratio with score limits.

Counts are passed by name, because swapping the two groups gives a believable wrong answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import erfc, exp, inf, isinf, isnan, log, nan, sqrt
from operator import index

from counterfault.cells import Cells, TwoByTwo
from counterfault.estimate import Estimand, Estimate, Interval, not_estimable
from counterfault.estimators.tables import score

SCORE_METHOD = (
    "Miettinen–Nurminen (1985) score limits, variance with N/(N-1); p from the same test (chi-square, two-sided)"
)
KATZ_METHOD = "Katz et al. (1978) log limits, method C; p from the same log ratio (Wald, two-sided)"

NO_EVENTS = "no deployment in either group had an event, so the ratio would be 0/0"
ONLY_EVENTS = "every deployment in both groups had an event, so the odds ratio would be 0/0"


def risk_difference(
    *, exposed_events: int, exposed_total: int, unexposed_events: int, unexposed_total: int, level: float = 0.95
) -> Estimate:
    """How many more deployments per deployment fail among the exposed than among the rest?

    Parameters
    ----------
    exposed_events, unexposed_events : deployments with an event, whole numbers from 0 to the total.
    exposed_total, unexposed_total : deployments in each group.
    level : confidence level of the two-sided interval, e.g. 0.95.

    Returns
    -------
    Estimate
        On the plain scale, -1 to 1. Estimable as soon as both groups have a deployment: without any event
        it is 0, with limits that say how much the data leave open. ``standard_error`` is the delta-method
        one, NaN if a group has no events or nothing else, where it would be taken from a variance of zero.

    Raises
    ------
    ValueError
        A count is negative or not whole, events exceed their total, or ``level`` is not inside (0, 1).

    Notes
    -----
    Assumes deployments fail independently within a group. Miettinen & Nurminen (1985), Statistics in
    Medicine 4:213, for the limits and the p-value.
    """
    table = _counts(exposed_events, exposed_total, unexposed_events, unexposed_total)
    if reason := _lacks_a_group(table):
        return _no_value(Estimand.RISK_DIFFERENCE, reason, table, level)
    a, n1, c, n0 = table
    return _scored(Estimand.RISK_DIFFERENCE, score.risk_difference, table, a / n1 - c / n0, level)


def risk_ratio(
    *, exposed_events: int, exposed_total: int, unexposed_events: int, unexposed_total: int, level: float = 0.95
) -> Estimate:
    """How many times as often does an exposed deployment fail as another one?

    Parameters and errors as in :func:`risk_difference`.

    Returns
    -------
    Estimate
        On the ratio scale; ``standard_error`` is the delta-method one of its logarithm (Katz et al. 1978), NaN
        if a group has no events. Without events among the unexposed the ratio has no finite value: ``value`` is
        NaN, and the interval keeps its finite lower limit. Without any event nothing is known of it.

    Notes
    -----
    Assumes deployments fail independently within a group. Miettinen & Nurminen (1985), Statistics in
    Medicine 4:213, for the limits and the p-value.
    """
    table = _counts(exposed_events, exposed_total, unexposed_events, unexposed_total)
    a, n1, c, n0 = table
    if reason := _lacks_a_group(table) or (NO_EVENTS if a + c == 0 else ""):
        return _no_value(Estimand.RISK_RATIO, reason, table, level)
    return _scored(Estimand.RISK_RATIO, score.risk_ratio, table, (a / n1) / (c / n0) if c else inf, level)


def odds_ratio(
    *, exposed_events: int, exposed_total: int, unexposed_events: int, unexposed_total: int, level: float = 0.95
) -> Estimate:
    """By what factor do the odds of failing differ between exposed deployments and the rest?

    Parameters and errors as in :func:`risk_difference`.

    Returns
    -------
    Estimate
        On the ratio scale; ``standard_error`` is Woolf's, of the logarithm, NaN if one of the four cells is
        empty. Where the ratio is infinite, ``value`` is NaN and the interval keeps its finite lower limit.
        Where nothing or everything was an event, nothing is known of it.

    Notes
    -----
    Assumes deployments fail independently within a group. Miettinen & Nurminen (1985), Statistics in
    Medicine 4:213, for the limits and the p-value; Woolf (1955), Annals of Human Genetics 19:251.
    """
    table = _counts(exposed_events, exposed_total, unexposed_events, unexposed_total)
    a, n1, c, n0 = table
    if reason := _lacks_a_group(table) or _lacks_a_contrast(table):
        return _no_value(Estimand.ODDS_RATIO, reason, table, level)
    against = (n1 - a) * c
    value = a * (n0 - c) / against if against else inf
    return _scored(Estimand.ODDS_RATIO, score.odds_ratio, table, value, level)


def risk_ratio_log(
    *, exposed_events: int, exposed_total: int, unexposed_events: int, unexposed_total: int, level: float = 0.95
) -> Estimate:
    """The risk ratio with the log-normal limits that most published tables print.

    For comparison with other people's figures; :func:`risk_ratio` holds its level better when events are few.
    Parameters and errors as in :func:`risk_difference`.

    Returns
    -------
    Estimate
        Not estimable when a group has no events or when every deployment had one: the variance of the logarithm
        is then infinite or zero, and adding a half to the counts would be inventing deployments.

    Notes
    -----
    Katz, Baptista, Azen & Pike (1978), Biometrics 34:469, method C.
    """
    table = _counts(exposed_events, exposed_total, unexposed_events, unexposed_total)
    z = score.critical_value(level)
    error = nan if _lacks_a_group(table) else _log_risk_ratio_error(table)
    if isnan(error):
        reason = _lacks_a_group(table) or "log limits need events in both groups and something else in one of them"
        return replace(_no_value(Estimand.RISK_RATIO, reason, table, level), method=KATZ_METHOD)
    a, n1, c, n0 = table
    ratio = (a / n1) / (c / n0)
    return Estimate(
        estimand=Estimand.RISK_RATIO,
        value=ratio,
        interval=Interval(ratio * exp(-z * error), ratio * exp(z * error), level),
        method=KATZ_METHOD,
        support=table.support(),
        p_value=erfc(abs(log(ratio)) / error / sqrt(2)),
        standard_error=error,
    )


def crude(cells: Cells, level: float = 0.95) -> tuple[Estimate, Estimate, Estimate]:
    """Risk ratio, risk difference and odds ratio over all cells, as if there were no strata.

    What anybody gets who divides one rate by another; it is here to be compared with the stratified answer.

    Parameters
    ----------
    cells : the counts; their strata are ignored.
    level : confidence level of the intervals.
    """
    counts = cells.two_by_two()._asdict()
    everywhere = {"design": "all services together"}
    return (
        risk_ratio(**counts, level=level).named("crude.risk_ratio", **everywhere),
        risk_difference(**counts, level=level).named("crude.risk_difference", **everywhere),
        odds_ratio(**counts, level=level).named("crude.odds_ratio", **everywhere),
    )


def _counts(exposed_events: int, exposed_total: int, unexposed_events: int, unexposed_total: int) -> TwoByTwo:
    for group, events, total in (
        ("exposed", exposed_events, exposed_total),
        ("unexposed", unexposed_events, unexposed_total),
    ):
        for name, count in ((f"{group}_events", events), (f"{group}_total", total)):
            _require_count(name, count)
        if events > total:
            raise ValueError(
                f"{group}_events is {events} but {group}_total is {total}: pass the deployments of the group as the "
                "total, and of these the ones with at least one event"
            )
    # Unbounded integers from here on: products of NumPy's 64-bit counts would wrap around without a word.
    return TwoByTwo(index(exposed_events), index(exposed_total), index(unexposed_events), index(unexposed_total))


def _require_count(name: str, count: int) -> None:
    try:
        whole = index(count)
    except TypeError:
        raise ValueError(f"{name} is {count!r}: pass a whole number of deployments") from None
    if whole < 0:
        raise ValueError(f"{name} is {whole}: a number of deployments cannot be negative")


def _lacks_a_group(table: TwoByTwo) -> str:
    if table.exposed_total and table.unexposed_total:
        return ""
    missing = [name for name in ("exposed", "unexposed") if not getattr(table, f"{name}_total")]
    return f"no {' and no '.join(missing)} deployments, so there is nothing to compare"


def _lacks_a_contrast(table: TwoByTwo) -> str:
    a, n1, c, n0 = table
    return NO_EVENTS if a + c == 0 else ONLY_EVENTS if a + c == n1 + n0 else ""


def _no_value(estimand: Estimand, reason: str, table: TwoByTwo, level: float) -> Estimate:
    score.critical_value(level)  # a bad level is an error even where there is nothing to compute
    return not_estimable(estimand, reason, method=SCORE_METHOD, level=level, support=table.support())


def _scored(estimand: Estimand, measure: score.Score, table: TwoByTwo, value: float, level: float) -> Estimate:
    disagreement = score.over(measure, [table])
    interval = score.limits(disagreement, estimand, value, level)
    return Estimate(
        estimand=estimand,
        value=nan if isinf(value) else value,
        interval=interval,
        method=SCORE_METHOD,
        support=table.support(),
        p_value=score.p_value(disagreement, estimand),
        standard_error=_STANDARD_ERROR[estimand](table),
        caveats=(unbounded(estimand, interval),) if isinf(value) else (),
    )


def unbounded(estimand: Estimand, interval: Interval) -> str:
    """Why a ratio has no value although its lower limit is known."""
    return (
        f"the {estimand.label} has no finite value because the count it divides by is zero; the data still say, "
        f"at level {interval.level:g}, that it is at least {interval.low:.3g}"
    )


def _risk_difference_error(table: TwoByTwo) -> float:
    a, n1, c, n0 = table
    if not (0 < a < n1 and 0 < c < n0):
        return nan
    return sqrt(a / n1 * (1 - a / n1) / n1 + c / n0 * (1 - c / n0) / n0)


def _log_risk_ratio_error(table: TwoByTwo) -> float:
    a, n1, c, n0 = table
    if not a or not c or (a == n1 and c == n0):
        return nan
    return sqrt(1 / a - 1 / n1 + 1 / c - 1 / n0)


def _log_odds_ratio_error(table: TwoByTwo) -> float:
    a, n1, c, n0 = table
    counts = (a, n1 - a, c, n0 - c)
    return sqrt(sum(1 / count for count in counts)) if all(counts) else nan


_STANDARD_ERROR: dict[Estimand, Callable[[TwoByTwo], float]] = {
    Estimand.RISK_DIFFERENCE: _risk_difference_error,
    Estimand.RISK_RATIO: _log_risk_ratio_error,
    Estimand.ODDS_RATIO: _log_odds_ratio_error,
}
