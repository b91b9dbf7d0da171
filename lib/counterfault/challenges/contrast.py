"""The planned contrast on another outcome, with a reason of its own where that outcome never happened."""

from __future__ import annotations

from counterfault.counting import Counted
from counterfault.estimate import Estimand, Estimate, not_estimable
from counterfault.estimators.poisson.regression import as_headline

# Why an outcome may be missing, said in its own words: "no incident followed" would be false of a placebo.
NOTHING_THERE = {
    "recorded_events": "no incident names a deployment of the contrast as its cause",
    "window_events": "no incident with a service falls into the window after a deployment of the contrast",
    "placebo_events": "no incident falls into the window before a deployment of the contrast",
    "control_events": "no incident of another known cause falls into the window after a deployment of the contrast",
}


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
