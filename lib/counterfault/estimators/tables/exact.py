"""The exact stratified comparison: no approximation, and no empty cell it minds.

Given the margins of every stratum, the number of exposed events follows, in each stratum, a hypergeometric
distribution that depends on the odds ratio alone. Their sum is sufficient for a common odds ratio; its
distribution is the convolution of the strata's, from which come the conditional maximum-likelihood estimate,
the exact limits and the exact test (Gart 1970, Biometrika 57:471; Mehta, Patel & Gray 1985, JASA 80:969).

Why not convolve by Fourier transform, which is faster? Its rounding error is relative to the *largest*
probability, and the limits are read off the tails, where the probabilities are 10⁻¹⁰ and less: noise there
moves a limit by more than a tenth. Sums of logarithms keep every probability to some eleven digits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from math import exp, inf, log, nan

import numpy as np
from scipy.special import logsumexp

from counterfault.cells import Cells, TwoByTwo
from counterfault.estimate import Estimand, Estimate, Interval, not_estimable
from counterfault.estimators.roots import positive_crossing
from counterfault.estimators.tables import score, two_by_two
from counterfault.estimators.tables.conditional_draws import DrawnEvents, convolved, draw_exposed_events, require_draws
from counterfault.estimators.tables.hypergeometric import ConditionalScore, Logs, log_weights, possible
from counterfault.estimators.tables.strata import Strata

# Points of the distribution of the sum. The work grows with their square: about a second here. Beyond it the p-value
# is drawn, and the normal approximation behind the score limits is no longer in question.
LARGEST_SUPPORT = 10_000

# Probabilities that differ by rounding alone count as equal; R's fisher.test and mantelhaen.test allow as much.
TIE = 1e-7


@dataclass(frozen=True)
class ExposedEvents:
    """Distribution of the exposed events, all strata together, given every stratum's margins.

    Attributes
    ----------
    lowest : the smallest possible sum.
    log_weights : logarithms of the number of ways to reach ``lowest``, ``lowest + 1``, …, up to a constant.
    observed : the sum seen.
    """

    lowest: int
    log_weights: Logs
    observed: int

    @property
    def at_minimum(self) -> bool:
        return self.observed == self.lowest

    @property
    def at_maximum(self) -> bool:
        return self.observed == self.lowest + len(self.log_weights) - 1

    def log_probabilities(self, odds_ratio: float = 1.0) -> Logs:
        """Logarithms of the probabilities of each possible sum under a common odds ratio."""
        tilted = self.log_weights + np.arange(len(self.log_weights)) * log(odds_ratio)
        return np.asarray(tilted - logsumexp(tilted), dtype=np.float64)

    def mean(self, odds_ratio: float) -> float:
        probabilities = np.exp(self.log_probabilities(odds_ratio))
        return self.lowest + float(np.arange(len(probabilities)) @ probabilities)

    def tail(self, odds_ratio: float, *, upper: bool, mid_p: bool = False) -> float:
        """Log probability of a sum as far out as the observed one, on one side; mid-p counts it half."""
        logs = self.log_probabilities(odds_ratio)
        here = self.observed - self.lowest
        side = (logs[here:] if upper else logs[here::-1]).copy()
        if mid_p:
            side[0] -= log(2)
        return float(logsumexp(side))

    def two_sided(self) -> float:
        """Probability, under no association, of all sums that are at most as probable as the observed one."""
        probabilities = np.exp(self.log_probabilities())
        observed = probabilities[self.observed - self.lowest]
        return min(1.0, float(probabilities[probabilities <= observed * (1 + TIE)].sum()))

    def mid_p(self) -> float:
        """Twice the smaller tail under no association, the observed sum counted half."""
        return min(1.0, 2 * exp(min(self.tail(1.0, upper=side, mid_p=True) for side in (True, False))))


def exact_conditional(
    cells: Cells, level: float = 0.95, *, mid_p: bool = False, draws: int = 9_999, seed: int = 20_260_101
) -> Estimate:
    """Within strata, by what factor do the odds of failing differ, with nothing approximated?

    Parameters
    ----------
    cells : the counts and the columns that make a stratum.
    level : confidence level; half of the error is left on each side.
    mid_p : count the observed table half. Exact limits are wider than they need be because counts are whole;
        the mid-p ones are narrower and hold the level on average rather than always.
    draws, seed : of random assignments, and of their random numbers; used beyond 10,000 possible outcomes only.

    Returns
    -------
    Estimate
        The conditional maximum-likelihood odds ratio with exact limits. Where all events that could be exposed
        were, ``value`` is NaN and the lower limit is finite. The p-value sums the probabilities of all outcomes at
        most as probable as the observed one; with ``mid_p`` it is twice the smaller mid-p tail. The first can
        disagree with the limits at the margin, as Fisher's does, because it is not two one-sided tests.
        Beyond 10,000 possible outcomes the estimate is the same, the p-value is drawn by Monte Carlo and the limits
        are those of the conditional score test; ``method`` and a caveat say so. Not estimable where no margin leaves
        anything to vary.

    Raises
    ------
    ValueError
        ``level`` is not inside (0, 1), a cell lacks a stratum value, counts are impossible, or ``draws`` is below 99.

    Notes
    -----
    Assumes one odds ratio for all strata and independent failures within them; nothing about sample size.
    """
    score.critical_value(level)
    strata = Strata.of(cells)
    method = _method(mid_p)
    tables = [table for table in strata.tables if _span(table)]
    require_draws(draws)
    if reason := strata.silence() or _nothing_varies(tables):
        answer = not_estimable(Estimand.ODDS_RATIO, reason, method=method, level=level, support=strata.support)
        return answer.named("stratified.odds_ratio_exact", design=strata.design)
    if points(tables) > LARGEST_SUPPORT:
        return _beyond_enumeration(strata, tables, level, draw_exposed_events(tables, draws, seed), mid_p)
    exposed = exposed_events(tables)
    interval = _limits(exposed, level, mid_p)
    return Estimate(
        estimand=Estimand.ODDS_RATIO,
        value=_conditional_odds_ratio(exposed),
        interval=interval,
        method=method,
        support=strata.support,
        id="stratified.odds_ratio_exact",
        design=strata.design,
        p_value=exposed.mid_p() if mid_p else exposed.two_sided(),
        caveats=tuple(filter(None, (_unbounded(exposed, interval), strata.left_out()))),
    )


def exposed_events(tables: list[TwoByTwo]) -> ExposedEvents:
    """The distribution of the summed exposed events, from one table per stratum; at least one table."""
    return ExposedEvents(
        lowest=sum(possible(table)[0] for table in tables),
        log_weights=reduce(convolved, sorted((log_weights(table) for table in tables), key=len)),
        observed=sum(table.exposed_events for table in tables),
    )


def _method(mid_p: bool) -> str:
    kind = "mid-p" if mid_p else "exact"
    p = "twice the smaller mid-p tail" if mid_p else "probabilities at most the observed one"
    return f"conditional maximum likelihood, {kind} limits from the convolved hypergeometrics; p: {p}"


def _unbounded(exposed: ExposedEvents, interval: Interval) -> str:
    return two_by_two.unbounded(Estimand.ODDS_RATIO, interval) if exposed.at_maximum else ""


def points(tables: list[TwoByTwo]) -> int:
    """How many values the summed exposed events can take."""
    return 1 + sum(_span(table) for table in tables)


def _beyond_enumeration(
    strata: Strata, tables: list[TwoByTwo], level: float, drawn: DrawnEvents, mid_p: bool
) -> Estimate:
    """The same estimate, with the p-value from random assignments and limits from the conditional score test."""
    contrast = ConditionalScore(tables)
    at_minimum, at_maximum = drawn.observed == drawn.lowest, drawn.observed == drawn.highest
    value = 0.0 if at_minimum else inf if at_maximum else positive_crossing(lambda ratio: contrast(ratio)[0])
    interval = score.limits(contrast, Estimand.ODDS_RATIO, value, level)
    p = "twice the smaller mid-p tail" if mid_p else "sums at least as far from their expectation"
    return Estimate(
        estimand=Estimand.ODDS_RATIO,
        value=nan if at_maximum else value,
        interval=interval,
        method=(
            f"conditional maximum likelihood, conditional score limits; Monte Carlo p of {len(drawn.sums)} random "
            f"assignments within strata, (1+b)/(1+B): {p}"
        ),
        support=strata.support,
        id="stratified.odds_ratio_exact",
        design=strata.design,
        p_value=drawn.mid_p() if mid_p else drawn.two_sided(),
        caveats=(
            *([two_by_two.unbounded(Estimand.ODDS_RATIO, interval)] if at_maximum else []),
            f"the exact distribution has {points(tables)} points, and more than {LARGEST_SUPPORT} are not enumerated: "
            "the p-value is drawn and the limits are approximate",
            *filter(None, [strata.left_out()]),
        ),
    )


def _span(table: TwoByTwo) -> int:
    low, high = possible(table)
    return high - low


def _nothing_varies(tables: list[TwoByTwo]) -> str:
    if tables:
        return ""
    return "in every stratum with both groups, nothing or everything was an event: the margins fix the counts"


def _conditional_odds_ratio(exposed: ExposedEvents) -> float:
    if exposed.at_minimum:
        return 0.0
    if exposed.at_maximum:
        return nan
    return positive_crossing(lambda ratio: exposed.observed - exposed.mean(ratio))


def _limits(exposed: ExposedEvents, level: float, mid_p: bool) -> Interval:
    target = log((1 - level) / 2)

    def excess(upper: bool) -> Callable[[float], float]:
        return lambda ratio: exposed.tail(ratio, upper=upper, mid_p=mid_p) - target

    return Interval(
        # The upper tail grows with the odds ratio, the lower one shrinks; the search wants a decreasing function.
        0.0 if exposed.at_minimum else positive_crossing(lambda ratio: -excess(True)(ratio)),
        inf if exposed.at_maximum else positive_crossing(excess(False)),
        level,
    )
