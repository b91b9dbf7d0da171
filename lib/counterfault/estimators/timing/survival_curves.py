"""How the risk of an incident builds up with the age of a deployment, in either arm.

A deployment is watched until an incident of its own begins, until it is rolled back, or until something else replaces
it or the records end. A roll-back is not a mere end of watching: what has been rolled back can cause no incident any
more. So the risk by a given age is the cumulative incidence with "rolled back" as a competing end
(:mod:`~counterfault.estimators.timing.aalen_johansen`). The Kaplan–Meier curve beside it says what would be seen if
nothing were rolled back, and what is rolled back were no more dangerous than the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import hypot, nan, sqrt

import pandas as pd

from counterfault.estimate import Estimand, Estimate, Interval, not_estimable
from counterfault.estimators.tables.score import critical_value
from counterfault.estimators.timing import aalen_johansen
from counterfault.estimators.timing.compared_arms import Arms, Weighting, arms_of
from counterfault.estimators.timing.curve_limits import curve_frame, final_variance, limits_at_the_end
from counterfault.estimators.timing.wider_error import WiderError
from counterfault.panels import Durations

__all__ = ["CumulativeIncidence", "Weighting", "cumulative_incidence", "kaplan_meier"]

_FORMULA = "cumulative incidence with roll-back competing (Aalen–Johansen)"
_LOG_LOG = "limits on the log(−log) scale, "
_POISSON = "upper limit from the Poisson probability of no incident in the hours watched"
_ZOU_DONNER = "limits from those of the two independent risks (Zou & Donner 2008), not narrower than those by cluster"


@dataclass(frozen=True)
class CumulativeIncidence:
    """The curves of both arms, and what they come to at the horizon.

    Attributes
    ----------
    curves : one row per arm × moment with an incident, and one at the beginning and end of each arm. Columns:
        ``exposed`` (0 or 1), ``time`` (hours of age), ``risk``, ``low``, ``high`` (pointwise limits, deployments being
        independent), ``at_risk`` and ``events`` (deployments, unweighted).
    exposed, unexposed : the risk at the horizon.
    difference : the first minus the second.
    """

    curves: pd.DataFrame
    exposed: Estimate
    unexposed: Estimate
    difference: Estimate


def cumulative_incidence(
    panel: Durations, level: float = 0.95, *, weighting: Weighting = Weighting.CRUDE
) -> CumulativeIncidence:
    """What share of deployments has had an incident by each age, and by how much do the arms differ at the horizon?

    Parameters
    ----------
    panel : durations, with entry, end and its kind.
    level : confidence level of the pointwise and the final intervals.
    weighting : ``CRUDE`` mixes AI assistance with where and when it is used. ``TO_EXPOSED`` weighs the unexposed
        deployments of a stratum by its exposed over its unexposed ones, so that both arms are spread over strata as
        the exposed are; strata without both arms are left out.

    Returns
    -------
    CumulativeIncidence
        Ids ``timing.cumulative_incidence.exposed``, ``.unexposed`` and ``timing.cumulative_incidence_difference``,
        with ``.standardised`` appended under ``TO_EXPOSED``. A risk has limits on the log(−log) scale; a
        difference those of Zou & Donner (2008, Statistics in Medicine 27:1693) from the two risks; either the robust
        ones by cluster where those are wider. A p-value comes with robust limits of a difference only.

    Raises
    ------
    ValueError
        ``level`` is not inside (0, 1), or the panel is not one (:meth:`EventTimes.of`).

    Notes
    -----
    Assumes that watching ends for reasons unconnected with what would have happened next, at the same age, in the arm
    (crude) or in the arm as weighted. Weights are taken as known, which makes intervals rather too wide.
    """
    critical_value(level)
    arms = arms_of(panel, weighting)
    ids = [f"timing.cumulative_incidence{tail}{weighting.suffix}" for tail in (".exposed", ".unexposed", "_difference")]
    answers = (_risk(arms, True, level), _risk(arms, False, level), _difference(arms, level))
    named = [answer.named(id, design=arms.design) for answer, id in zip(answers, ids, strict=True)]
    return CumulativeIncidence(curve_frame(arms, level), *named)


def kaplan_meier(panel: Durations, level: float = 0.95, *, weighting: Weighting = Weighting.CRUDE) -> pd.DataFrame:
    """The share with an incident by each age if no deployment were rolled back: one minus Kaplan–Meier.

    Parameters and errors as in :func:`cumulative_incidence`, and the columns of its ``curves``; limits by Greenwood's
    variance on the log(−log) scale (Kalbfleisch & Prentice 2002, The Statistical Analysis of Failure Time Data,
    section 1.4). Deployments are taken as independent of one another.
    """
    critical_value(level)
    return curve_frame(arms_of(panel, weighting, competing=False), level)


def _risk(arms: Arms, exposed: bool, level: float) -> Estimate:
    label = "exposed" if exposed else "unexposed"
    if reason := arms.silence() or arms.emptied(exposed):
        return _silent(Estimand.RISK, reason, arms, level, label)
    curve = arms.curve(exposed)
    error = arms.error_in(exposed, final_variance(curve), aalen_johansen.influence)
    return Estimate(
        estimand=Estimand.RISK,
        value=curve.final,
        interval=Interval(*limits_at_the_end(arms, exposed, error, level), level),
        method=f"{_FORMULA}; {_LOG_LOG + error.words(arms.cluster, level) if curve.final > 0 else _POISSON}",
        support=arms.support,
        label=label,
        standard_error=error.error(level) if 0 < curve.final < 1 else nan,
        caveats=(*arms.caveats(), *_of_the_end(arms, exposed)),
    )


def _difference(arms: Arms, level: float) -> Estimate:
    if reason := arms.silence() or arms.emptied(True) or arms.emptied(False):
        return _silent(Estimand.RISK_DIFFERENCE, reason, arms, level)
    risk = {exposed: arms.curve(exposed).final for exposed in (True, False)}
    independent = sum(final_variance(arms.curve(exposed)) for exposed in risk)
    error = arms.error_of_difference(independent, aalen_johansen.influence)
    value = risk[True] - risk[False]
    by_cluster = (value - error.reach(level), value + error.reach(level))
    by_arms = _limits_from_both(arms, risk, level)
    robust = error.is_robust(level) and by_cluster[1] - by_cluster[0] > by_arms[1] - by_arms[0]
    low, high = by_cluster if robust else by_arms
    seen = all(0 < end < 1 for end in risk.values())
    return Estimate(
        estimand=Estimand.RISK_DIFFERENCE,
        value=value,
        interval=Interval(max(low, -1.0), min(high, 1.0), level),
        method=f"{_FORMULA}; {error.words(arms.cluster, level) if robust else _ZOU_DONNER}",
        support=arms.support,
        p_value=error.p_value(value, level) if robust and seen else None,
        standard_error=error.error(level) if seen else nan,
        caveats=(*arms.caveats(), *_of_the_end(arms, True), *_of_the_end(arms, False)),
    )


def _silent(estimand: Estimand, reason: str, arms: Arms, level: float, label: str = "all") -> Estimate:
    return not_estimable(estimand, reason, method=_FORMULA, level=level, support=arms.support, label=label)


def _limits_from_both(arms: Arms, risk: dict[bool, float], level: float) -> tuple[float, float]:
    """Each limit of the difference lies as far out as the limits of the two risks together reach."""
    (low1, high1), (low0, high0) = (
        limits_at_the_end(arms, exposed, WiderError(sqrt(final_variance(arms.curve(exposed))), nan, 0), level)
        for exposed in (True, False)
    )
    difference = risk[True] - risk[False]
    return (
        difference - hypot(risk[True] - low1, high0 - risk[False]),
        difference + hypot(high1 - risk[True], risk[False] - low0),
    )


def _of_the_end(arms: Arms, exposed: bool) -> Iterator[str]:
    """What a reader must know about the risk at the horizon."""
    arm, last, risk = "exposed" if exposed else "unexposed", arms.watched_to(exposed), arms.curve(exposed).final
    if last < arms.horizon:
        yield f"no {arm} deployment was watched beyond {last:g} of {arms.horizon:g} hours: the risk is that by then"
    if risk == 0:
        yield f"no {arm} deployment had an incident: the upper limit takes incidents as Poisson over the hours watched"
    if risk == 1:
        yield f"every {arm} deployment still watched had an incident, so there are no limits"
