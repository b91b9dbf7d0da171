"""Comparisons within strata, pooled by Mantel & Haenszel: every deployment is judged against its like.

A stratum without deployments of both groups adds nothing, and is counted so that a reader sees how much was
left out. Nothing is modelled about how strata differ, which is why these numbers can be checked by hand.

References
----------
Mantel & Haenszel (1959), Journal of the National Cancer Institute 22:719. The formulas are in
:mod:`counterfault.estimators.tables.mantel_haenszel`, the score limits in :mod:`counterfault.estimators.tables.score`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import partial
from math import exp, isinf, isnan, nan

from counterfault.cells import Cells
from counterfault.estimate import Estimand, Estimate, Interval, not_estimable
from counterfault.estimators.tables import mantel_haenszel, score, two_by_two
from counterfault.estimators.tables.exact import exact_conditional
from counterfault.estimators.tables.homogeneity import Homogeneity, homogeneity
from counterfault.estimators.tables.hypergeometric import ConditionalScore
from counterfault.estimators.tables.mantel_haenszel import DifferenceVariance
from counterfault.estimators.tables.strata import Strata

__all__ = [
    "DifferenceVariance",
    "Homogeneity",
    "Limits",
    "exact_conditional",
    "homogeneity",
    "odds_ratio",
    "risk_difference",
    "risk_ratio",
    "stratified",
]

TEST = "p by Cochran–Mantel–Haenszel without continuity correction"
MIETTINEN_NURMINEN = "stratified Miettinen–Nurminen (1985) score limits"
MOST_PARTS = 60  # more strata than this make neither a table nor a forest plot anybody reads
SMALL_GROUP = 5


class Limits(Enum):
    """Where the interval comes from."""

    VARIANCE = "estimate ± z standard errors (of the logarithm, for ratios)"
    # Miettinen & Nurminen's with Mantel–Haenszel weights for risks; the conditional one for odds ratios, which is
    # centred on the conditional maximum-likelihood estimate, close to the Mantel–Haenszel one but not equal to it.
    SCORE = "the values that the stratified score test does not reject"


@dataclass(frozen=True)
class _Measure:
    """What sets one of the three measures apart; the rest of the work is common.

    ``pooled`` gives point estimate and standard error (log scale for ratios): an estimate of infinity where
    the denominator is zero, NaN where both are; a standard error of NaN where none can be had.
    """

    estimand: Estimand
    id: str
    pooled: Callable[[Strata], tuple[float, float]]
    by_variance: str
    by_score: str
    disagreement: Callable[[Strata], score.Disagreement]
    alone: Callable[..., Estimate]


def risk_ratio(cells: Cells, level: float = 0.95, *, limits: Limits = Limits.VARIANCE) -> Estimate:
    """How many times as often does an exposed deployment fail as an unexposed one of the same stratum?

    Parameters
    ----------
    cells : the counts and the columns that make a stratum.
    level : confidence level of the two-sided interval.
    limits : where the interval comes from. Where a group has no event, score limits are used in any case.

    Returns
    -------
    Estimate
        ``value`` is NaN with a finite lower limit when only exposed deployments had events; with no event in
        any stratum that holds both groups, it is not estimable. ``parts`` are the strata with both groups
        and an event, unless there are more than 60 of them.

    Raises
    ------
    ValueError
        ``level`` is not inside (0, 1), a cell lacks a stratum value, or counts are impossible.

    Notes
    -----
    Assumes that the ratio is the same in all strata, or else summarises them with Mantel–Haenszel weights, and
    that deployments fail independently within a stratum. Greenland & Robins (1985).
    """
    return _estimate(_RISK_RATIO, Strata.of(cells), level, limits)


def risk_difference(
    cells: Cells,
    level: float = 0.95,
    *,
    limits: Limits = Limits.VARIANCE,
    variance: DifferenceVariance = DifferenceVariance.GREENLAND_ROBINS,
) -> Estimate:
    """How many more deployments per deployment fail among the exposed than among the rest of their stratum?

    Parameters
    ----------
    cells, level, limits : as in :func:`risk_ratio`.
    variance : Greenland–Robins (1985) wants strata that are not tiny; Sato (1989) does not mind.

    Returns
    -------
    Estimate
        Estimable as soon as one stratum holds both groups, even without any event: it is then 0 with score
        limits. Errors as in :func:`risk_ratio`.

    Notes
    -----
    Assumes that the difference is the same in all strata, or else averages them with weights ``n₁n₀/N``.
    """
    return _estimate(_RISK_DIFFERENCE[variance], Strata.of(cells), level, limits)


def odds_ratio(cells: Cells, level: float = 0.95, *, limits: Limits = Limits.VARIANCE) -> Estimate:
    """By what factor do the odds of failing differ between the groups, within strata?

    Parameters, returns and errors as in :func:`risk_ratio`. It is also not estimable where the strata with both
    groups hold nothing but events.

    Notes
    -----
    Mantel & Haenszel (1959); variance of the logarithm by Robins, Breslow & Greenland (1986), which holds for few
    large strata and for many small ones.
    """
    return _estimate(_ODDS_RATIO, Strata.of(cells), level, limits)


def stratified(cells: Cells, level: float = 0.95) -> tuple[Estimate, Estimate, Estimate]:
    """Risk ratio, risk difference and odds ratio within strata, under their stable ids ``stratified.*``."""
    strata = Strata.of(cells)
    difference = _RISK_DIFFERENCE[DifferenceVariance.GREENLAND_ROBINS]
    return (
        _estimate(_RISK_RATIO, strata, level, Limits.VARIANCE),
        _estimate(difference, strata, level, Limits.VARIANCE),
        _estimate(_ODDS_RATIO, strata, level, Limits.VARIANCE),
    )


def _estimate(measure: _Measure, strata: Strata, level: float, limits: Limits) -> Estimate:
    score.critical_value(level)  # a bad level is an error even where there is nothing to compute
    silent = strata.silence()
    value, error = (nan, nan) if silent else measure.pooled(strata)
    if isnan(value):
        return _silent(measure, strata, level, silent or _nothing_to_divide(strata))
    fallback = limits is Limits.VARIANCE and isnan(error)
    by_score = fallback or limits is Limits.SCORE
    interval = _score_interval(measure, strata, value, level) if by_score else _interval(measure, value, error, level)
    return Estimate(
        estimand=measure.estimand,
        value=nan if isinf(value) else value,
        interval=interval,
        method=f"Mantel–Haenszel, {measure.by_score if by_score else measure.by_variance}; {TEST}",
        support=strata.support,
        id=measure.id,
        design=strata.design,
        p_value=mantel_haenszel.cochran_mantel_haenszel(strata),
        standard_error=error,
        parts=_parts(measure, strata, level),
        caveats=(
            *_of_the_value(measure, value, interval, fallback),
            *strata.caveats(),
            *_small(measure, strata, by_score),
        ),
    )


def _silent(measure: _Measure, strata: Strata, level: float, reason: str) -> Estimate:
    method = f"Mantel–Haenszel, {measure.by_variance}; {TEST}"
    answer = not_estimable(measure.estimand, reason, method=method, level=level, support=strata.support)
    return answer.named(measure.id, design=strata.design)


def _nothing_to_divide(strata: Strata) -> str:
    if not strata.events.sum():
        return "no stratum that holds both groups has an event, so the ratio would be 0/0"
    return "in every stratum that holds both groups, nothing or everything was an event: the odds ratio would be 0/0"


def _interval(measure: _Measure, value: float, error: float, level: float) -> Interval:
    z = score.critical_value(level)
    if measure.estimand.is_ratio:
        return Interval(value * exp(-z * error), value * exp(z * error), level)
    low, high = value - z * error, value + z * error
    return Interval(max(low, measure.estimand.lowest), min(high, measure.estimand.highest), level)


def _score_interval(measure: _Measure, strata: Strata, value: float, level: float) -> Interval:
    return score.limits(measure.disagreement(strata), measure.estimand, value, level)


def _of_the_value(measure: _Measure, value: float, interval: Interval, fallback: bool) -> tuple[str, ...]:
    if isinf(value):
        return (two_by_two.unbounded(measure.estimand, interval),)
    if fallback:
        return ("no standard error, because counts are zero where its formula needs them: score limits instead",)
    return ()


def _small(measure: _Measure, strata: Strata, by_score: bool) -> tuple[str, ...]:
    # Greenland & Robins take each group's binomial variance at its observed risk, p(1-p)/n, which is (n-1)/n of
    # the truth on average: nothing at all for a group of one, where the observed risk is always 0 or 1.
    if by_score or measure is not _RISK_DIFFERENCE[DifferenceVariance.GREENLAND_ROBINS]:
        return ()
    tiny = (strata.n1 < SMALL_GROUP) | (strata.n0 < SMALL_GROUP)
    share = float(strata.weight[tiny].sum() / strata.weight.sum())
    if share <= 0.5:
        return ()
    return (
        f"{share:.0%} of the weight lies in strata with a group of fewer than {SMALL_GROUP} deployments, where the "
        "Greenland–Robins variance is too small: use Sato's",
    )


def _parts(measure: _Measure, strata: Strata, level: float) -> tuple[Estimate, ...]:
    slices = list(strata.informative())
    if len(slices) > MOST_PARTS:
        return ()
    return tuple(
        measure.alone(**table._asdict(), level=level).named(measure.id, label=label, design=strata.design)
        for label, table in slices
    )


_RISK_RATIO = _Measure(
    estimand=Estimand.RISK_RATIO,
    id="stratified.risk_ratio",
    pooled=mantel_haenszel.risk_ratio,
    by_variance="Greenland–Robins (1985) log variance",
    by_score=MIETTINEN_NURMINEN,
    disagreement=lambda strata: score.over(score.risk_ratio, strata.tables),
    alone=two_by_two.risk_ratio,
)
_RISK_DIFFERENCE = {
    variance: _Measure(
        estimand=Estimand.RISK_DIFFERENCE,
        id="stratified.risk_difference",
        pooled=partial(mantel_haenszel.risk_difference, variance=variance),
        by_variance=variance.value,
        by_score=MIETTINEN_NURMINEN,
        disagreement=lambda strata: score.over(score.risk_difference, strata.tables),
        alone=two_by_two.risk_difference,
    )
    for variance in DifferenceVariance
}
_ODDS_RATIO = _Measure(
    estimand=Estimand.ODDS_RATIO,
    id="stratified.odds_ratio",
    pooled=mantel_haenszel.odds_ratio,
    by_variance="Robins–Breslow–Greenland (1986) log variance",
    by_score="conditional score limits",
    disagreement=lambda strata: ConditionalScore(strata.tables),
    alone=two_by_two.odds_ratio,
)
