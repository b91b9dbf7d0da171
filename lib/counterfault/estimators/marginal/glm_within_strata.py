"""Logistic and Poisson regression with one effect per stratum and a ridge on everything else.

The information matrix is an arrow: diagonal in the effects, dense in the few slopes. Eliminating the effects makes a
Newton step as cheap as one without them, for thousands of strata. Bare functions on arrays, one entry per cell.

The ridge is a normal prior on each slope (Le Cessie & van Houwelingen 1992, Applied Statistics 41:191). It keeps slopes
finite where a level separates; effects of strata are not shrunk, so fitted and observed totals agree in every stratum.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from counterfault.estimators.poisson.cluster_robust import Codes, Floats

_HIGHEST = 700.0  # exp of more overflows


@dataclass(frozen=True, slots=True)
class Family:
    """A distribution with its canonical link.

    Attributes
    ----------
    mean : mean of one outcome, from the linear predictor.
    variance : its variance, from the mean.
    link : linear predictor, from a mean strictly inside the range.
    cumulant : what the log-likelihood subtracts per outcome: y·η − cumulant(η).
    """

    mean: Callable[[Floats], Floats]
    variance: Callable[[Floats], Floats]
    link: Callable[[Floats], Floats]
    cumulant: Callable[[Floats], Floats]


def _expit(index: Floats) -> Floats:
    small = np.exp(-np.abs(index))
    mean: Floats = np.where(index >= 0, 1.0, small) / (1 + small)
    return mean


def _exp(index: Floats) -> Floats:
    grown: Floats = np.exp(np.minimum(index, _HIGHEST))
    return grown


LOGIT = Family(
    mean=_expit,
    variance=lambda mean: mean * (1 - mean),
    link=lambda mean: np.log(mean) - np.log1p(-mean),
    cumulant=lambda index: np.logaddexp(0.0, index),
)
LOG = Family(mean=_exp, variance=lambda mean: mean, link=np.log, cumulant=_exp)


@dataclass(frozen=True, slots=True)
class RidgeFit:
    """Where Newton's method ended.

    Attributes
    ----------
    slopes : (k,) coefficients of the design.
    effects : (S,) of the strata.
    converged : whether a further step would leave the penalised log-likelihood as it is.
    """

    slopes: Floats
    effects: Floats
    converged: bool


@dataclass(frozen=True)
class StratifiedData:
    """What a regression is fitted to.

    Attributes
    ----------
    design : (m, k); no intercept, k may be 0.
    copies, successes : (m,) trials and how many of them succeeded.
    strata : (m,) codes 0 … S−1, never falling. Each stratum holds successes and, for the logit, failures, so that its
        effect is finite.
    offset : (m,) added to the linear predictor.
    """

    design: Floats
    copies: Floats
    successes: Floats
    strata: Codes
    offset: Floats

    def sums(self, values: Floats) -> Floats:
        """Sums of (m, …) values within strata; several times faster than counting columns one by one."""
        found: Floats = np.add.reduceat(values, self._starts, axis=0)
        return found

    @cached_property
    def _starts(self) -> Codes:
        return np.searchsorted(self.strata, np.arange(int(self.strata[-1]) + 1))


def fit_within_strata(family: Family, data: StratifiedData, ridge: float = 0.0, most_steps: int = 100) -> RidgeFit:
    """The effects and slopes that maximise log-likelihood − ridge · Σ slope² / 2.

    Parameters
    ----------
    family : ``LOGIT`` or ``LOG``.
    data : with ``ridge`` 0, its design is independent within strata and separates nothing.
    ridge : 0 for maximum likelihood; 1/SD² of the normal prior otherwise.
    most_steps : before giving up; the function is concave, and steps that would lower it are halved.
    """
    trials = data.sums(data.copies)
    effects = family.link(data.sums(data.successes) / trials) - data.sums(data.copies * data.offset) / trials
    slopes = np.zeros(data.design.shape[1])
    reached = _objective(family, data, effects, slopes, ridge)
    for _ in range(most_steps):
        up, along, gain = _newton_step(family, data, effects, slopes, ridge)
        close = gain <= 1e-16 * (1 + abs(reached))  # and this step squares what is left
        allowance = 1e-12 * (1 + abs(reached))  # rounding, near the top
        share = 1.0
        trial = _objective(family, data, effects + up, slopes + along, ridge)
        while trial < reached - allowance:
            share /= 2
            trial = _objective(family, data, effects + share * up, slopes + share * along, ridge)
        effects, slopes, reached = effects + share * up, slopes + share * along, trial
        if close:
            return RidgeFit(slopes, effects, converged=True)
    return RidgeFit(slopes, effects, converged=False)


def _index(data: StratifiedData, effects: Floats, slopes: Floats) -> Floats:
    index: Floats = effects[data.strata] + data.design @ slopes + data.offset
    return index


def _objective(family: Family, data: StratifiedData, effects: Floats, slopes: Floats, ridge: float) -> float:
    index = _index(data, effects, slopes)
    # Not as scalar products: for vectors this long they would wait for threads longer than they compute.
    likelihood = (data.successes * index - data.copies * family.cumulant(index)).sum()
    return float(likelihood - ridge / 2 * (slopes**2).sum())


def _newton_step(
    family: Family, data: StratifiedData, effects: Floats, slopes: Floats, ridge: float
) -> tuple[Floats, Floats, float]:
    """Steps of effects (S,) and slopes (k,), and what they gain to first order."""
    mean = family.mean(_index(data, effects, slopes))
    mass = data.copies * family.variance(mean)
    residual = data.successes - data.copies * mean
    weighted = mass[:, None] * data.design
    total, by_stratum = data.sums(mass), data.sums(residual)
    centred = data.design - (data.sums(weighted) / total[:, None])[data.strata]
    pull = centred.T @ residual - ridge * slopes
    along: Floats = np.linalg.solve(weighted.T @ centred + ridge * np.eye(len(slopes)), pull).astype(np.float64)
    up = (by_stratum - data.sums(weighted @ along)) / total
    gain = (by_stratum**2 / total).sum() + pull @ along  # in the metric of the arrow, effects eliminated
    return up, along, float(gain)
