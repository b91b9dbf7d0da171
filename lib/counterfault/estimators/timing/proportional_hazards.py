"""Does the hazard ratio stay the same as deployments age? The score test of Grambsch and Therneau.

A hazard ratio that changes with age has no single value, and a Cox regression then prints an average that depends on
when deployments were censored.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

import numpy as np
from scipy.special import chdtrc

from counterfault.estimators.poisson.cluster_robust import Floats
from counterfault.estimators.timing.cox_likelihood import CoxFit, Watched
from counterfault.estimators.timing.risk_sets import RiskSets


@dataclass(frozen=True, slots=True)
class Proportionality:
    """Answer of the test.

    Attributes
    ----------
    statistic : chi-square with one degree of freedom; NaN where the test cannot be had.
    p_value : of a ratio that does not change with age.
    transform : the scale on which a linear change is looked for.
    """

    statistic: float
    p_value: float
    transform: str = "one minus the Kaplan–Meier estimate of all rows together, just before the age"


def proportionality(watched: Watched, fit: CoxFit, column: int = 0) -> Proportionality:
    """Is the log hazard ratio of one column the same at all ages?

    Parameters
    ----------
    watched, fit : the regression at its solution.
    column : of the design.

    Notes
    -----
    Grambsch & Therneau (1994, Biometrika 81:515), computed as a score test, without the approximation that the
    covariates' covariance is the same in all risk sets: the test for the column times g(age), added to the model at
    zero, with g as R's ``cox.zph(transform = "km")`` has it. Assumes independent deployments.
    """
    steps = fit.steps
    age = _share_ended_before(watched)[steps.moment]
    age = age - np.average(age, weights=steps.mass)
    events = watched.risk_sets.ending((watched.copies * watched.event)[:, None] * watched.design)
    counted = np.bincount(steps.moment, steps.mass)
    seen = (events / counted[:, None])[steps.moment, column]
    score = float((steps.mass * age) @ (seen - steps.mean[:, column]))
    spread = steps.mass[:, None, None] * steps.spread
    cross = np.einsum("j,jk->k", age, spread[:, column])
    own = float(age**2 @ spread[:, column, column])
    left = own - float(cross @ fit.covariance @ cross)
    if left <= 1e-12 * own or own <= 0:
        return Proportionality(nan, nan)
    statistic = score**2 / left
    return Proportionality(statistic, float(chdtrc(1, statistic)))


def _share_ended_before(watched: Watched) -> Floats:
    """(E,) at each moment of each stratum, one minus the Kaplan–Meier estimate just before, strata taken together."""
    together = RiskSets.of(np.zeros_like(watched.strata), watched.entry, watched.exit, watched.event)
    hazard = together.ending(watched.copies * watched.event) / together.at_risk(watched.copies)
    before = np.concatenate([[1.0], np.cumprod(1 - hazard)])
    ended: Floats = 1 - before[np.searchsorted(together.times, watched.risk_sets.times)]
    return ended
