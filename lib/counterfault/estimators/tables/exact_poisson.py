"""An exact interval of the risk ratio within strata, for outcomes too rare for anything else.

Given the m events of a stratum, those on its exposed deployments are binomial with share n₁φ/(n₁φ + n₀) if events are
Poisson with risk ratio φ. Their sum over strata is sufficient for φ; its distribution is the convolution of binomials
(Przyborowski & Wilenski 1940, Biometrika 31:313, for one stratum). The estimate is that of Poisson regression with
stratum effects; the limits are Clopper & Pearson's for the tilted sum and assume nothing about sample size.

Why not the exact odds ratio, which needs no Poisson? For rare events the two agree, and this one answers the
question that was asked: how many times the risk. Where events are not rare, binomial counts vary less than Poisson
ones, so that the limits come out too wide rather than too narrow.
"""

from __future__ import annotations

from functools import reduce
from math import inf, log, nan

import numpy as np
from scipy.special import gammaln

from counterfault.cells import Cells, TwoByTwo
from counterfault.estimate import Estimand, Estimate, Interval, not_estimable
from counterfault.estimators.roots import positive_crossing
from counterfault.estimators.tables import score, two_by_two
from counterfault.estimators.tables.exact import ExposedEvents
from counterfault.estimators.tables.hypergeometric import Logs
from counterfault.estimators.tables.strata import Strata

MOST_EVENTS = 10_000  # the work grows with their square; so many need no exact limits

METHOD = (
    "conditional Poisson maximum likelihood within strata, exact limits from the convolved binomials; p: probabilities "
    "at most the observed one"
)


def exact_risk_ratio(cells: Cells, level: float = 0.95) -> Estimate:
    """How many times the risk, within strata, when events can be counted on the fingers?

    Parameters
    ----------
    cells : the counts and the columns that make a stratum.
    level : confidence level; half of the error is left on each side.

    Returns
    -------
    Estimate
        ``value`` is 0 where no exposed deployment had an event and NaN with a finite lower limit where none of the
        others had; not estimable where no stratum with both arms has an event, or beyond 10,000 events.

    Raises
    ------
    ValueError
        ``level`` is not inside (0, 1), a cell lacks a stratum value, or counts are impossible.

    Notes
    -----
    Assumes one ratio for all strata, and that deployments fail independently within them.
    """
    score.critical_value(level)
    strata = Strata.of(cells)
    if reason := strata.silence() or _too_little_or_much(int(strata.events.sum())):
        answer = not_estimable(Estimand.RISK_RATIO, reason, method=METHOD, level=level, support=strata.support)
        return answer.named("", design=strata.design)
    exposed = exposed_events([table for table in strata.tables if _events(table)])
    interval = _limits(exposed, level)
    unbounded = two_by_two.unbounded(Estimand.RISK_RATIO, interval) if exposed.at_maximum else ""
    return Estimate(
        estimand=Estimand.RISK_RATIO,
        value=_maximum_likelihood(exposed),
        interval=interval,
        method=METHOD,
        support=strata.support,
        design=strata.design,
        p_value=exposed.two_sided(),
        caveats=tuple(filter(None, (unbounded, strata.left_out()))),
    )


def exposed_events(tables: list[TwoByTwo]) -> ExposedEvents:
    """The distribution of the summed exposed events given the events of each stratum; at least one table."""
    return ExposedEvents(
        lowest=0,
        log_weights=reduce(_convolved, sorted((_log_weights(table) for table in tables), key=len)),
        observed=sum(table.exposed_events for table in tables),
    )


def _log_weights(table: TwoByTwo) -> Logs:
    """Log of C(m, t)·(n₁/n₀)^t for t = 0 … m."""
    m = _events(table)
    t = np.arange(m + 1, dtype=np.float64)
    odds = np.log(table.exposed_total / table.unexposed_total)
    weights: Logs = gammaln(m + 1) - gammaln(t + 1) - gammaln(m - t + 1) + t * odds
    return weights


def _convolved(first: Logs, second: Logs) -> Logs:
    """Log weights of the sum, added up directly: a Fourier transform would lose the tails the limits are read from."""
    short, long = sorted((first, second), key=len)
    total: Logs = np.full(len(short) + len(long) - 1, -inf)
    for shift, log_weight in enumerate(short):
        window = total[shift : shift + len(long)]
        np.logaddexp(window, long + log_weight, out=window)
    return total


def _maximum_likelihood(exposed: ExposedEvents) -> float:
    if exposed.at_minimum:
        return 0.0
    if exposed.at_maximum:
        return nan
    return positive_crossing(lambda ratio: exposed.observed - exposed.mean(ratio))


def _limits(exposed: ExposedEvents, level: float) -> Interval:
    target = log((1 - level) / 2)
    return Interval(
        # The upper tail grows with the ratio, the lower one shrinks; the search wants a decreasing function.
        0.0 if exposed.at_minimum else positive_crossing(lambda ratio: target - exposed.tail(ratio, upper=True)),
        inf if exposed.at_maximum else positive_crossing(lambda ratio: exposed.tail(ratio, upper=False) - target),
        level,
    )


def _events(table: TwoByTwo) -> int:
    return table.exposed_events + table.unexposed_events


def _too_little_or_much(events: int) -> str:
    if not events:
        return "no stratum that holds both groups has an event, so the ratio would be 0/0"
    if events > MOST_EVENTS:
        return (
            f"with {events} events the exact distribution is not attempted, and the normal approximation serves as well"
        )
    return ""
