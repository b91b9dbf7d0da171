"""Generalised linear models from compressed counts: logistic and Poisson regression by Newton's method.

An entry stands for ``size`` identical trials, or for ``size`` units of time; only the counts enter the likelihood,
so the fit equals the one on rows (Wong et al. 2021, "You only compress once"). With the canonical links
used here Newton's method *is* iteratively reweighted least squares (McCullagh & Nelder 1989, section 2.5), and the
log-likelihood is concave, so it has one maximum or none.

One factor may be absorbed: its coefficients, one per level, are eliminated from each step (Frisch & Waugh
1933), which gives the same fit as dummy variables at a cost that does not grow with the square of their number.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from scipy.special import expit, logit, xlogy

from counterfault.estimators.poisson.cluster_robust import NOT_ABSORBED, Codes, Floats, centred_within

# Beyond this exp overflows or a probability is 0 in double precision; no finite maximum lies there.
_FARTHEST = 500.0


class Family(Enum):
    """What is counted: events among trials (logit link), or events in time (log link)."""

    BINOMIAL = "binomial"
    POISSON = "Poisson"

    def rate(self, index: Floats) -> Floats:
        """Events per trial, or per unit of time, at these linear predictors."""
        bounded = np.clip(index, -_FARTHEST, _FARTHEST)
        found: Floats = expit(bounded) if self is Family.BINOMIAL else np.exp(bounded)
        return found

    def variance(self, rate: Floats) -> Floats:
        """Model variance of one trial's outcome, or of the count in one unit of time."""
        return rate * (1 - rate) if self is Family.BINOMIAL else rate

    def link(self, rate: float) -> float:
        """The linear predictor of a rate; a rate without finite one is moved inside."""
        if self is Family.BINOMIAL:
            return float(logit(min(max(rate, 1e-9), 1 - 1e-9)))
        return float(np.log(max(rate, 1e-300)))

    def log_likelihood(self, index: Floats, events: Floats, size: Floats) -> float:
        """Without the terms that hold no coefficient."""
        bounded = np.clip(index, -_FARTHEST, _FARTHEST)
        spent = np.logaddexp(0, bounded) if self is Family.BINOMIAL else np.exp(bounded)
        return float(events @ bounded - size @ spent)

    def deviance(self, events: Floats, size: Floats, rate: Floats) -> float:
        """Twice the log-likelihood short of a model with one parameter per entry."""
        expected = size * rate
        found = xlogy(events, events) - xlogy(events, expected)
        if self is Family.BINOMIAL:
            rest, expected_rest = size - events, size * (1 - rate)
            return float(2 * (found + xlogy(rest, rest) - xlogy(rest, expected_rest)).sum())
        return float(2 * (found - events + expected).sum())


@dataclass(frozen=True, slots=True)
class GlmFit:
    """Where Newton's method ended.

    Attributes
    ----------
    coefficients : (k,) of the columns of the design.
    covariance : (k, k) inverse information: the model-based covariance at dispersion 1.
    rate : (m,) fitted events per trial, or per unit of time.
    log_likelihood : without the terms that hold no coefficient.
    deviance, pearson : lack of fit over entries. For binomial entries both depend on how trials were grouped.
    residual_df : entries minus coefficients, absorbed ones included.
    hat_values : (m,) leverage of each entry, its trials together; they sum to the number of coefficients.
    converged : whether a further step would leave the log-likelihood as it is.
    """

    coefficients: Floats
    covariance: Floats
    rate: Floats
    log_likelihood: float
    deviance: float
    pearson: float
    residual_df: int
    hat_values: Floats
    converged: bool

    @property
    def dispersion(self) -> float:
        """Pearson's X² over its degrees of freedom (McCullagh & Nelder 1989, section 4.5); NaN without any."""
        return self.pearson / self.residual_df if self.residual_df > 0 else float("nan")

    @property
    def standard_errors(self) -> Floats:
        """(k,) model-based, at dispersion 1."""
        errors: Floats = np.sqrt(np.diag(self.covariance))
        return errors


@dataclass(frozen=True, slots=True)
class _Step:
    """The information and the Newton step at one place."""

    information: Floats  # (k, k), absorbed effects eliminated
    centred: Floats  # (m, k)
    weights: Floats  # (m,)
    of_coefficients: Floats  # (k,)
    of_index: Floats  # (m,)
    decrement: float


@dataclass(frozen=True, slots=True)
class _Problem:
    design: Floats
    events: Floats
    size: Floats
    family: Family
    absorbed: Codes

    def log_likelihood(self, index: Floats) -> float:
        return self.family.log_likelihood(index, self.events, self.size)

    def start(self) -> tuple[Floats, Floats]:
        """Coefficients under which every entry has the overall rate, as nearly as the design can say it."""
        wanted = np.full(len(self.design), self.family.link(float(self.events.sum() / self.size.sum())))
        if (self.absorbed != NOT_ABSORBED).any():
            return np.zeros(self.design.shape[1]), wanted
        beta: Floats = np.linalg.lstsq(self.design, wanted, rcond=None)[0]
        return beta, self.design @ beta

    def step(self, index: Floats) -> _Step:
        rate = self.family.rate(index)
        weights = self.size * self.family.variance(rate)
        residual = self.events - self.size * rate
        centred = centred_within(self.design, weights, self.absorbed)
        information = (centred.T * weights) @ centred
        beta = np.linalg.solve(information, centred.T @ residual).astype(np.float64)
        # the absorbed effects follow: what their level's residuals leave once the coefficients have moved
        along = centred @ beta + _mean_residual(residual, weights, self.absorbed)
        return _Step(information, centred, weights, beta, along, float(residual @ along))


def fit_glm(
    design: Floats, events: Floats, size: Floats, family: Family, absorbed: Codes | None = None, most_steps: int = 60
) -> GlmFit:
    """The coefficients under which these counts were most probable.

    Parameters
    ----------
    design : (m, k) independent columns, an intercept among them if one is wanted and nothing is absorbed.
    events : (m,) counts; for ``Family.BINOMIAL`` at most ``size``.
    size : (m,) above 0. Trials (deployments) for ``Family.BINOMIAL``; units of time for ``Family.POISSON``, so that
        log(size) is the offset (ones where there is none).
    family : which likelihood.
    absorbed : (m,) codes 0 … S−1 of a factor whose effects are eliminated; every level needs an event, and
        a non-event where binomial.
    most_steps : Newton steps before giving up; ``converged`` is then False.

    Notes
    -----
    Where the data separate there is no finite maximum, and the fit does not converge or seems to, far out. Set the
    cells aside beforehand: :func:`~counterfault.estimators.odds.separation.separated_cells` for binomial counts,
    :func:`~counterfault.estimators.poisson.conditional_poisson.fitted_to_zero` for Poisson ones.
    """
    everything = np.full(len(design), NOT_ABSORBED) if absorbed is None else absorbed
    problem = _Problem(design, events, size, family, everything)
    beta, index = problem.start()
    return _ascend(problem, beta, index, most_steps)


def _ascend(problem: _Problem, beta: Floats, index: Floats, most_steps: int) -> GlmFit:
    # The last information serves the covariance, so a fit ends on a step it computes and does not take.
    height = problem.log_likelihood
    reached, step, close = height(index), problem.step(index), False
    for _ in range(most_steps):
        close = step.decrement <= 1e-16 * (1 + abs(reached))  # and this step squares what is left
        share, allowance = 1.0, 1e-12 * (1 + abs(reached))  # rounding, near the top
        while height(index + share * step.of_index) < reached - allowance:
            share /= 2
        beta, index = beta + share * step.of_coefficients, index + share * step.of_index
        reached = height(index)
        try:
            step = problem.step(index)
        except np.linalg.LinAlgError:  # rates of 0 and 1 in double precision: nothing informs a coefficient any more
            return _fit(problem, beta, index, step, converged=False)
        if close:
            break
    return _fit(problem, beta, index, step, converged=close)


def _fit(problem: _Problem, beta: Floats, index: Floats, last: _Step, *, converged: bool) -> GlmFit:
    rate = problem.family.rate(index)
    covariance: Floats = np.linalg.inv(last.information).astype(np.float64)
    inside = problem.absorbed != NOT_ABSORBED
    levels = int(problem.absorbed.max()) + 1 if inside.any() else 0
    variance = problem.size * problem.family.variance(rate)
    squares = np.divide((problem.events - problem.size * rate) ** 2, variance, where=variance > 0, out=0 * variance)
    return GlmFit(
        coefficients=beta,
        covariance=covariance,
        rate=rate,
        log_likelihood=problem.log_likelihood(index),
        deviance=problem.family.deviance(problem.events, problem.size, rate),
        pearson=float(squares.sum()),
        residual_df=len(rate) - len(beta) - levels,
        hat_values=hat_values(last.centred, last.weights, covariance) + _share(last.weights, problem.absorbed),
        converged=converged,
    )


def hat_values(design: Floats, weights: Floats, covariance: Floats) -> Floats:
    """(m,) diagonal of the hat matrix W^½ X (XᵀWX)⁻¹ Xᵀ W^½, entry by entry."""
    leverage: Floats = weights * np.einsum("ij,jk,ik->i", design, covariance, design, optimize=True)
    return leverage


def _mean_residual(residual: Floats, weights: Floats, groups: Codes) -> Floats:
    """For each entry the step its absorbed effect takes by itself; 0 where there is none."""
    found = np.zeros(len(residual))
    inside = groups != NOT_ABSORBED
    if inside.any():
        codes = groups[inside]
        total = np.bincount(codes, weights[inside])
        gained = np.bincount(codes, residual[inside])
        found[inside] = np.divide(gained, total, where=total > 0, out=0 * total)[codes]
    return found


def _share(weights: Floats, groups: Codes) -> Floats:
    """The leverage an entry has on its own absorbed effect: its share of the level's weight."""
    found = np.zeros(len(weights))
    inside = groups != NOT_ABSORBED
    if inside.any():
        total = np.bincount(groups[inside], weights[inside])[groups[inside]]
        found[inside] = np.divide(weights[inside], total, where=total > 0, out=0 * total)
    return found
