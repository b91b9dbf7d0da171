"""Cox's partial likelihood on rows that stand for many deployments: bare functions on arrays.

Strata, late entry and tied ends are allowed for. With ties after Breslow (1974, Biometrics 30:89) a row that stands for
n deployments enters as n times itself. After Efron (1977, Journal of the American Statistical Association 72:557) it
does not: D deployments that end together leave the risk set one after the other, in steps of 1/D of their common share.
Treating a row as one tied end of weight n would take too few steps, so the steps are counted in deployments, and every
figure equals the one the deployments would give.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cached_property

import numpy as np

from counterfault.estimators.poisson.cluster_robust import Codes, Floats
from counterfault.estimators.timing.risk_sets import Mask, RiskSets


class Ties(Enum):
    """What is done about deployments that end at the same time."""

    EFRON = "Efron (1977)"
    BRESLOW = "Breslow (1974)"

    def __repr__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Watched:
    """Rows of a Cox regression.

    Attributes
    ----------
    design : (m, k) columns that vary within strata, no intercept.
    entry, exit : (m,) watched on (entry, exit].
    event : (m,) whether the row ends in what the hazard is of.
    copies : (m,) whole numbers.
    strata : (m,) codes from 0; each has a baseline hazard of its own.
    clusters : (m,) codes from 0.
    """

    design: Floats
    entry: Floats
    exit: Floats
    event: Mask
    copies: Floats
    strata: Codes
    clusters: Codes

    @cached_property
    def risk_sets(self) -> RiskSets:
        """Who was at risk at each moment of each stratum with an event."""
        return RiskSets.of(self.strata, self.entry, self.exit, self.event)


@dataclass(frozen=True, slots=True)
class Steps:
    """One term of the partial likelihood per event (Efron) or per moment (Breslow), J of them, at some coefficients.

    Attributes
    ----------
    moment : (J,) index into the risk sets.
    gone : (J,) share of the moment's tied events that has already left the risk set.
    mass : (J,) events this term stands for.
    total : (J,) sum of relative hazards at risk.
    mean : (J, k) mean of the covariates at risk, weighted by relative hazard.
    spread : (J, k, k) their covariance.
    log_likelihood : of the whole.
    """

    moment: Codes
    gone: Floats
    mass: Floats
    total: Floats
    mean: Floats
    spread: Floats
    log_likelihood: float


@dataclass(frozen=True, slots=True)
class CoxFit:
    """Where Newton's method ended.

    Attributes
    ----------
    coefficients : (k,) log hazard ratios.
    covariance : (k, k) inverse of the observed information: as if deployments were independent.
    relative : (m,) relative hazards within strata.
    steps : the terms at the solution.
    converged : whether a further step would leave the likelihood as it is.
    """

    coefficients: Floats
    covariance: Floats
    relative: Floats
    steps: Steps
    converged: bool


def fit_cox(watched: Watched, ties: Ties = Ties.EFRON, most_steps: int = 40) -> CoxFit:
    """The coefficients under which events fell most probably on those on whom they fell.

    Parameters
    ----------
    watched : the rows, at least one of them with an event; columns of the design independent within risk sets.
    ties : how tied events are treated.
    most_steps : Newton steps before giving up; the likelihood is concave and few are needed.

    Notes
    -----
    Cox (1972), Journal of the Royal Statistical Society B 34:187.
    """
    beta = np.zeros(watched.design.shape[1])
    events = watched.copies * watched.event
    relative, steps = _at(watched, beta, ties)
    for _ in range(most_steps):
        gradient = events @ watched.design - steps.mass @ steps.mean
        information = np.einsum("j,jkl->kl", steps.mass, steps.spread)
        step = np.linalg.solve(information, gradient)
        close = gradient @ step <= 1e-16 * (1 + abs(steps.log_likelihood))  # and this step squares what is left
        floor = steps.log_likelihood - 1e-12 * (1 + abs(steps.log_likelihood))  # rounding, near the top
        relative, trial = _at(watched, beta + step, ties)
        while trial.log_likelihood < floor:
            step /= 2
            relative, trial = _at(watched, beta + step, ties)
        beta, steps = beta + step, trial
        if close:
            break
    covariance = np.linalg.inv(np.einsum("j,jkl->kl", steps.mass, steps.spread))
    return CoxFit(beta, covariance, relative, steps, bool(close))


def score_residuals(watched: Watched, fit: CoxFit) -> Floats:
    """(m, k) what the score owes to the deployments of each row; sums to 0 at the solution.

    Lin & Wei (1989), Journal of the American Statistical Association 84:1074: for each deployment, its covariates minus
    their mean at risk, at its own event less what was expected over the time it was at risk.
    """
    steps, sets = fit.steps, watched.risk_sets
    rate = steps.mass / steps.total
    rates, means = _per_moment(steps, rate), _per_moment(steps, rate[:, None] * steps.mean)
    owed = -_excess(watched, fit, sets.while_watched(rates), sets.while_watched(means))
    ended, moment = watched.event, sets.moment_of[watched.event]
    events = np.bincount(steps.moment, steps.mass)
    own = _per_moment(steps, steps.mass[:, None] * steps.mean) / events[:, None]
    owed[ended] += watched.design[ended] - own[moment]
    # Those who end are at risk of each other's events only until they have left.
    given_back = _per_moment(steps, steps.gone * rate), _per_moment(steps, (steps.gone * rate)[:, None] * steps.mean)
    back = np.zeros_like(owed)
    back[ended] = fit.relative[ended, None] * (
        watched.design[ended] * given_back[0][moment, None] - given_back[1][moment]
    )
    residuals: Floats = watched.copies[:, None] * (owed + back)
    return residuals


def _excess(watched: Watched, fit: CoxFit, rates: Floats, means: Floats) -> Floats:
    excess: Floats = fit.relative[:, None] * (watched.design * rates[:, None] - means)
    return excess


def _per_moment(steps: Steps, values: Floats) -> Floats:
    """(E, …) sums of the terms' values (J, …) over the terms of each moment."""
    sums = np.zeros((int(steps.moment.max()) + 1, *values.shape[1:]))
    np.add.at(sums, steps.moment, values)
    return sums


def _at(watched: Watched, beta: Floats, ties: Ties) -> tuple[Floats, Steps]:
    """Relative hazards, and the terms of the likelihood, at these coefficients."""
    sets, design = watched.risk_sets, watched.design
    index = design @ beta
    highest = np.full(int(watched.strata.max()) + 1, -np.inf)
    np.maximum.at(highest, watched.strata, index)
    index = index - highest[watched.strata]  # so that exp cannot overflow
    relative = np.exp(index)
    mass = watched.copies * relative
    products = np.einsum("mk,ml->mkl", design, design)
    at_risk = [sets.at_risk(part) for part in (mass, mass[:, None] * design, mass[:, None, None] * products)]
    moment, gone, events = _terms(sets.ending(watched.copies * watched.event), ties)
    if ties is Ties.EFRON:
        leaving = mass * watched.event
        parts = (leaving, leaving[:, None] * design, leaving[:, None, None] * products)
        ending = [sets.ending(part) for part in parts]
        total, first, second = (
            risk[moment] - gone.reshape(-1, *[1] * (risk.ndim - 1)) * end[moment]
            for risk, end in zip(at_risk, ending, strict=True)
        )
    else:
        total, first, second = (risk[moment] for risk in at_risk)
    mean = first / total[:, None]
    spread = second / total[:, None, None] - np.einsum("jk,jl->jkl", mean, mean)
    log_likelihood = float((watched.copies * watched.event) @ index - events @ np.log(total))
    return relative, Steps(moment, gone, events, total, mean, spread, log_likelihood)


def _terms(events: Floats, ties: Ties) -> tuple[Codes, Floats, Floats]:
    """For each term: its moment, the share of tied events already gone, and the events it stands for."""
    moments = np.arange(len(events))
    if ties is Ties.BRESLOW:
        return moments, np.zeros(len(events)), events
    counts = events.astype(np.intp)
    moment = np.repeat(moments, counts)
    place = np.arange(len(moment)) - np.repeat(np.cumsum(counts) - counts, counts)
    return moment, place / counts[moment], np.ones(len(moment))
