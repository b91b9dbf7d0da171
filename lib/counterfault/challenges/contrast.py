"""The planned contrast on another outcome, with a reason of its own where that outcome never happened."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite, log

from counterfault.cells import Cells
from counterfault.counting import Counted
from counterfault.estimate import Estimand, Estimate, not_estimable
from counterfault.estimating.study import Study
from counterfault.estimators.poisson.regression import as_headline
from counterfault.estimators.tables import stratified
from counterfault.estimators.tables.score import critical_value

Contrast = Callable[[Cells, float], Estimate]

# Why an outcome may be missing, said in its own words: "no incident followed" would be false of a placebo.
NOTHING_THERE = {
    "recorded_events": "no incident names a deployment of the contrast as its cause",
    "window_events": "no incident with a service falls into the window after a deployment of the contrast",
    "placebo_events": "no incident falls into the window before a deployment of the contrast",
    "control_events": "no incident of another known cause falls into the window after a deployment of the contrast",
}

# Below so many events a ratio's error is a guess, and the normal curve it is read against another. The events of both
# groups are counted together: asking for some in each would drop the controls that lie furthest from 1.
FEWEST_EVENTS = 10


def contrast_on(counted: Counted, outcome: str, adjust_for: tuple[str, ...], level: float) -> Estimate:
    """The headline's regression with another column of the cells as its events.

    Parameters
    ----------
    counted : cells with that outcome.
    outcome : one of ``NOTHING_THERE``.
    adjust_for, level : as in the headline.
    """
    cells = counted.read_as(outcome)
    if cells.frame["events"].sum() > 0:
        return as_headline(adjust_for)(cells, level)
    support = cells.two_by_two().support()
    method = "modified Poisson regression (Zou 2004)"
    return not_estimable(Estimand.RISK_RATIO, NOTHING_THERE[outcome], method=method, level=level, support=support)


def planned_contrast(study: Study) -> Contrast:
    """The estimator of the study's primary ratio: a control made otherwise would show another estimator's error.

    A correction for coincidence has no part in it, since what a control counts is nothing but coincidence.
    """
    if study.plan.design.primary == "stratified.risk_ratio":
        return stratified.risk_ratio
    return as_headline(study.confounders)


def ratio_that_should_be_1(contrast: Contrast, cells: Cells, level: float, fewest: int = FEWEST_EVENTS) -> Estimate:
    """A control's ratio, or how many events it would need.

    Parameters
    ----------
    contrast, level : how it is estimated.
    cells : its events, by the label that can have no part in them.
    fewest : deployments with an event, both groups together.
    """
    table = cells.two_by_two()
    events = table.exposed_events + table.unexposed_events
    if events >= fewest:
        found = contrast(cells, level)
        return found.named(found.id, parts=())
    reason = (
        f"{events:,} deployment{'' if events == 1 else 's'} of the contrast had such an incident; it takes {fewest}"
    )
    method = "not computed: too few events"
    return not_estimable(Estimand.RISK_RATIO, reason, method=method, level=level, support=table.support())


def log_with_error(estimate: Estimate) -> tuple[float, float] | None:
    """A ratio's logarithm and the standard error that its interval amounts to; None where either is missing.

    The error is taken from the width of the interval, not from the field: limits by few clusters are those of a t
    distribution, and read as a normal one they would look surer than they are.
    """
    low, high = estimate.interval.low, estimate.interval.high
    if not (estimate.estimand.is_ratio and estimate.estimable and estimate.value > 0 and low > 0 and isfinite(high)):
        return None
    error = (log(high) - log(low)) / (2 * critical_value(estimate.interval.level))
    return (log(estimate.value), error) if error > 0 else None
