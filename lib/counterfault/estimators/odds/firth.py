"""The odds ratio when incidents are rare or all on one side: Firth's penalised likelihood, with profile limits.

Maximum likelihood is biased away from 1 when incidents are few, and infinite when they separate. Adding half the
log determinant of the information, log L* = log L + ½ log |XᵀWX|, removes the leading term of that bias and is
finite always (Firth 1993, Biometrika 80:27; for separation Heinze & Schemper 2002, Statistics in Medicine 21:2409).
In a single 2 × 2 table it is the same as adding ½ to each cell.

Wald limits mislead here, because log L* is skewed exactly where it is needed; limits and p are those of
twice the fall of log L* when the odds ratio is held at a value and everything else is fitted anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import brentq
from scipy.special import chdtrc, chdtri, expit

from counterfault.cells import Cells
from counterfault.estimate import Estimand, Estimate, Interval, not_estimable
from counterfault.estimators.bounded import exp_or_infinity
from counterfault.estimators.odds.irls import Family, hat_values
from counterfault.estimators.odds.odds_problem import require_outcomes
from counterfault.estimators.poisson.cluster_robust import Floats
from counterfault.estimators.poisson.conditional_poisson import identified_columns
from counterfault.estimators.poisson.regression_problem import EXPOSED, NotComparableError, Problem, problem_of
from counterfault.estimators.poisson.robust_limits import require_level

__all__ = ["ID", "FirthFit", "FirthLogistic", "fit_firth", "profile_limits"]

ID = "regression.odds_ratio.firth"
_MOST_COLUMNS = 25
_LONGEST_STEP = 5.0
_SETTLED = 1e-11
_FARTHEST = 600.0  # of a limit on the log scale; exp overflows soon after
_METHOD = (
    "logistic regression by Firth's penalised likelihood (Firth 1993; Heinze & Schemper 2002); "
    "profile penalised-likelihood limits and likelihood-ratio p, chi-square with 1 degree of freedom"
)


@dataclass(frozen=True, slots=True)
class FirthFit:
    """Where the penalised likelihood is highest.

    Attributes
    ----------
    coefficients : (k,) log odds and log odds ratios.
    covariance : (k, k) inverse information; for standard errors to be shown, not for limits.
    penalised : log L*, without the terms that hold no coefficient.
    converged : whether the modified score vanishes.
    """

    coefficients: Floats
    covariance: Floats
    penalised: float
    converged: bool


@dataclass(frozen=True, slots=True)
class _Counts:
    design: Floats
    events: Floats
    copies: Floats

    def information(self, beta: Floats) -> tuple[Floats, Floats, Floats]:
        rate = expit(self.design @ beta)
        weights = self.copies * rate * (1 - rate)
        return rate, weights, (self.design.T * weights) @ self.design

    def penalised(self, beta: Floats) -> float:
        log_likelihood = Family.BINOMIAL.log_likelihood(self.design @ beta, self.events, self.copies)
        sign, log_determinant = np.linalg.slogdet(self.information(beta)[2])
        return log_likelihood + float(log_determinant) / 2 if sign > 0 else -np.inf

    def score(self, beta: Floats) -> tuple[Floats, Floats]:
        """Firth's modified score Σ (y − np + h(½ − p)) x, h being an entry's hat values summed, and its slope.

        It is the score of y + h/2 events in n + h trials, whose information is the slope but for the change of h. The
        plain information instead would overshoot to and fro where h is near n.
        """
        rate, weights, information = self.information(beta)
        leverage = hat_values(self.design, weights, np.linalg.inv(information).astype(np.float64))
        residual = self.events - self.copies * rate + leverage * (0.5 - rate)
        score: Floats = self.design.T @ residual
        return score, (self.design.T * ((self.copies + leverage) * rate * (1 - rate))) @ self.design


def fit_firth(
    design: Floats,
    events: Floats,
    copies: Floats,
    *,
    held: dict[int, float] | None = None,
    start: Floats | None = None,
    most_steps: int = 500,
) -> FirthFit:
    """The coefficients at which Firth's penalised likelihood is highest.

    Parameters
    ----------
    design : (m, k) independent columns, with an intercept among them.
    events, copies : (m,) events and trials of each entry; an entry stands for identical trials.
    held : columns whose coefficients are given and not fitted. The penalty is that of the whole design still.
    start : (k,) where to begin; 0 by default.
    most_steps : before giving up; ``converged`` is then False.
    """
    counts = _Counts(design, events, copies)
    beta = np.zeros(design.shape[1]) if start is None else start.copy()
    for column, value in (held or {}).items():
        beta[column] = value
    free = np.setdiff1d(np.arange(design.shape[1]), list(held or {}))
    reached, converged = counts.penalised(beta), False
    for _ in range(most_steps):
        score, slope = counts.score(beta)
        step = np.zeros_like(beta)
        if len(free):
            step[free] = np.linalg.solve(slope[np.ix_(free, free)], score[free])
        # The slope leaves out how h changes, so steps shrink by a factor and not by squares.
        converged = bool(np.abs(step).max(initial=0) <= _SETTLED)
        step *= min(1.0, _LONGEST_STEP / max(np.abs(step).max(initial=0), 1e-300))
        trial = counts.penalised(beta + step)
        while trial < reached - 1e-12 * (1 + abs(reached)) and np.abs(step).max() > 1e-14:
            step /= 2
            trial = counts.penalised(beta + step)
        beta, reached = beta + step, trial
        if converged:
            break
    covariance = np.linalg.inv(counts.information(beta)[2]).astype(np.float64)
    return FirthFit(beta, covariance, reached, converged)


def profile_limits(
    design: Floats, events: Floats, copies: Floats, fit: FirthFit, column: int, level: float
) -> tuple[float, float]:
    """The values of one coefficient, on the log scale, whose log L* lies χ²(level)/2 below its maximum.

    Parameters
    ----------
    design, events, copies : as fitted.
    fit : what :func:`fit_firth` found there.
    column : which coefficient.
    level : confidence level. A limit beyond ±600 is infinite.
    """
    allowed = float(chdtri(1, 1 - level)) / 2
    estimate, scale = float(fit.coefficients[column]), float(np.sqrt(fit.covariance[column, column]))
    warm = fit.coefficients

    def within(value: float) -> float:
        """Above 0 inside the limits. Each fit starts where the last one ended, which is near by."""
        nonlocal warm
        found = fit_firth(design, events, copies, held={column: value}, start=warm)
        warm = found.coefficients
        return found.penalised - fit.penalised + allowed

    def limit(direction: int) -> float:
        nonlocal warm
        warm, inside, reach = fit.coefficients, estimate, 2 * scale
        while abs(outside := estimate + direction * reach) <= _FARTHEST:
            if within(outside) <= 0:
                return float(brentq(within, min(inside, outside), max(inside, outside), xtol=1e-10, rtol=1e-12))
            inside, reach = outside, 2 * reach
        return direction * np.inf

    return limit(-1), limit(+1)


@dataclass(frozen=True)
class FirthLogistic:
    """By what factor do the odds of an incident differ after exposed deployments, where incidents are very few?

    Parameters
    ----------
    adjust_for : columns of ``cells.frame`` with additive effects on the log odds, ``cells.strata`` columns
        included if wanted. Few: the fit takes 25 coefficients, and with rare incidents two or three are plenty.

    Notes
    -----
    Calling it with cells and a confidence level returns an :class:`~counterfault.estimate.Estimate` of the odds
    ratio, id ``regression.odds_ratio.firth``. It is finite under separation; it is refused only where an arm is
    empty, where all deployments share one outcome, or where exposure cannot be told apart from a covariate.

    Assumed: deployments are independent of one another (nothing is clustered here); effects add on the log-odds scale.

    Raises
    ------
    ValueError
        When a column of ``adjust_for`` does not exist or holds missing values, or the level is not in (0, 1).
    """

    adjust_for: tuple[str, ...] = ()

    def __call__(self, cells: Cells, level: float = 0.95) -> Estimate:
        require_level(level)
        support = cells.two_by_two().support()
        try:
            found = self._estimate(cells, level, support)
        except NotComparableError as reason:
            found = not_estimable(Estimand.ODDS_RATIO, str(reason), method=_METHOD, level=level, support=support)
        return found.named(ID, design="across all deployments", adjustment=self.adjust_for)

    def _estimate(self, cells: Cells, level: float, support: dict[str, int]) -> Estimate:
        _require_few_levels(cells, self.adjust_for)
        design, problem = _design(problem_of(replace(cells, strata=()), self.adjust_for))
        fit = fit_firth(design, problem.events, problem.copies)
        without = fit_firth(design, problem.events, problem.copies, held={EXPOSED: 0.0})
        if not (fit.converged and without.converged):
            raise NotComparableError("The penalised fit did not settle: its likelihood is too flat to have a maximum.")
        low, high = profile_limits(design, problem.events, problem.copies, fit, EXPOSED, level)
        return Estimate(
            estimand=Estimand.ODDS_RATIO,
            value=exp_or_infinity(float(fit.coefficients[EXPOSED])),
            interval=Interval(exp_or_infinity(low), exp_or_infinity(high), level),
            method=_METHOD,
            support={**support, "coefficients": design.shape[1]},
            p_value=float(chdtrc(1, max(0.0, 2 * (fit.penalised - without.penalised)))),
            standard_error=float(np.sqrt(fit.covariance[EXPOSED, EXPOSED])),
            caveats=tuple(_caveats(support)),
        )


def _require_few_levels(cells: Cells, adjust_for: tuple[str, ...]) -> None:
    levels = {name: cells.frame[name].nunique() for name in dict.fromkeys(adjust_for) if name in cells.frame}
    if 2 + sum(count - 1 for count in levels.values()) > _MOST_COLUMNS:
        raise NotComparableError(
            f"{', '.join(levels)} have {sum(levels.values())} levels together; the penalised fit takes {_MOST_COLUMNS} "
            "coefficients, as the penalty would decide the rest. Adjust for fewer or coarser columns."
        )


def _design(problem: Problem) -> tuple[Floats, Problem]:
    """Exposure, identified covariate columns, intercept."""
    require_outcomes(problem)
    arms = np.unique(problem.design[:, EXPOSED])
    if len(arms) < 2:
        raise NotComparableError(
            f"All deployments are {'exposed' if arms[0] else 'unexposed'}: there is nothing to compare."
        )
    columns = identified_columns(problem.design, problem.strata, [*range(1, problem.design.shape[1]), EXPOSED])
    if EXPOSED not in columns:
        raise NotComparableError(
            f"Exposure cannot be told apart from {', '.join(map(str, problem.levels))}: no two deployments differ in "
            "exposure alone."
        )
    return np.hstack([problem.design[:, sorted(columns)], np.ones((len(problem.design), 1))]), problem


def _caveats(support: dict[str, int]) -> Iterator[str]:
    yield (
        "The penalty pulls the odds ratio towards 1 and lifts fitted risks towards a half; do not compute risks from "
        "it. Deployments are taken to be independent of one another."
    )
    for arm, name in (("exposed", "exposed"), ("unexposed", "unexposed")):
        events, total = support[f"{arm}_events"], support[f"{arm}_total"]
        if events in (0, total):
            count = "No" if events == 0 else "Every"
            yield f"{count} {name} deployment was followed by an incident: the estimate is finite by the penalty alone."
