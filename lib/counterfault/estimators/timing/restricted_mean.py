"""How many hours, up to the horizon, did a deployment run before an incident, and by how many do the arms differ?

The area under the Kaplan–Meier curve up to a stated age. It needs no proportional hazards and is in hours, which is why
Royston & Parmar (2013, BMC Medical Research Methodology 13:152) propose it beside or instead of the hazard ratio.
"""

from __future__ import annotations

from functools import partial

from counterfault.estimate import Estimand, Estimate, Interval, not_estimable
from counterfault.estimators.tables.score import critical_value
from counterfault.estimators.timing.aalen_johansen import (
    restricted_mean,
    restricted_mean_influence,
    restricted_mean_variance,
)
from counterfault.estimators.timing.compared_arms import Arms, Weighting, arms_of
from counterfault.panels import Durations

_ID = "timing.restricted_mean_difference"
_NO_EVENTS = "no deployment compared had an incident, so all ran free of one and nothing tells how sure that is"


def restricted_mean_difference(
    panel: Durations, level: float = 0.95, *, weighting: Weighting = Weighting.CRUDE
) -> Estimate:
    """Mean hours free of an incident up to the horizon, of exposed minus of unexposed deployments.

    Below 0, exposed deployments run into an incident sooner or more often. A roll-back ends the watch, as censoring
    does: the hours are those a deployment would run if it were not rolled back.

    Parameters
    ----------
    panel, level, weighting : as in :func:`~counterfault.estimators.timing.survival_curves.cumulative_incidence`.

    Returns
    -------
    Estimate
        Id ``timing.restricted_mean_difference``, with ``.standardised`` appended when unexposed deployments are
        weighted to the strata of the exposed; unit: hours. ``parts`` are the means of the two arms. Not estimable where
        nobody of an arm was watched up to the horizon, since the curve is unknown beyond its last hour.

    Raises
    ------
    ValueError
        As :func:`~counterfault.estimators.timing.survival_curves.cumulative_incidence`.

    Notes
    -----
    Variance of each mean by Klein & Moeschberger (2003, Survival Analysis, formula 4.5.2), without their factor
    d/(d−1); the interval is the wider of the normal one from it and the cluster-robust one.
    """
    critical_value(level)
    arms = arms_of(panel, weighting, competing=False)
    if reason := _silence(arms):
        silent = not_estimable(
            Estimand.MEAN_DIFFERENCE, reason, method=_method(arms), level=level, support=arms.support
        )
        return silent.named(_ID + weighting.suffix, design=arms.design)
    return _difference(arms, level).named(_ID + weighting.suffix, design=arms.design)


def _difference(arms: Arms, level: float) -> Estimate:
    until = arms.horizon
    value = restricted_mean(arms.curve(True), until) - restricted_mean(arms.curve(False), until)
    independent = sum(restricted_mean_variance(arms.curve(exposed), until) for exposed in (True, False))
    error = arms.error_of_difference(independent, partial(restricted_mean_influence, until=until))
    return Estimate(
        estimand=Estimand.MEAN_DIFFERENCE,
        value=value,
        interval=Interval(value - error.reach(level), value + error.reach(level), level),
        method=f"{_method(arms)}; {error.words(arms.cluster, level)}",
        support=arms.support,
        p_value=error.p_value(value, level),
        standard_error=error.error(level),
        parts=tuple(_of_one_arm(arms, exposed, level) for exposed in (True, False)),
        caveats=(
            *arms.caveats(),
            f"in hours, up to {until:g} hours after a deployment; a negative difference means fewer hours free of an "
            "incident after AI-assisted changes",
        ),
    )


def _of_one_arm(arms: Arms, exposed: bool, level: float) -> Estimate:
    curve, until = arms.curve(exposed), arms.horizon
    mean = restricted_mean(curve, until)
    influence = partial(restricted_mean_influence, until=until)
    error = arms.error_in(exposed, restricted_mean_variance(curve, until), influence)
    reach = error.reach(level)
    return Estimate(
        estimand=Estimand.MEAN,
        value=mean,
        interval=Interval(max(mean - reach, 0.0), min(mean + reach, until), level),
        method=f"{_method(arms)}; {error.words(arms.cluster, level)}",
        support=arms.support,
        label="exposed" if exposed else "unexposed",
        standard_error=error.error(level),
    )


def _silence(arms: Arms) -> str:
    """Why the difference cannot be had; empty if it can."""
    if reason := arms.silence():
        return reason
    for exposed in (True, False):
        arm, last, curve = "exposed" if exposed else "unexposed", arms.watched_to(exposed), arms.curve(exposed)
        if last < arms.horizon and curve.final < 1:
            return (
                f"no {arm} deployment was watched beyond {last:g} of {arms.horizon:g} hours: the mean can be had up to "
                f"{last:g} hours at most"
            )
        if reason := arms.emptied(exposed):
            return reason
    failures = [arms.curve(exposed).final > 0 for exposed in (True, False)]
    if not any(failures):
        return _NO_EVENTS
    if not all(failures):
        arm = "unexposed" if failures[0] else "exposed"
        return f"no {arm} deployment compared had an incident, so how sure its mean is cannot be told"
    return ""


def _method(arms: Arms) -> str:
    return (
        f"difference of Kaplan–Meier means restricted to {arms.horizon:g} hours (Royston & Parmar 2013), roll-backs "
        f"censored, {arms.weighting.value}"
    )
