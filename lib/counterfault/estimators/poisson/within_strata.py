"""What every way of judging the within-strata risk ratio shares: one fit, one form of answer, one set of warnings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import exp, sqrt

import numpy as np
from scipy.special import stdtr, stdtrit

from counterfault.cells import Cells
from counterfault.estimate import Estimand, Estimate, Interval, not_estimable
from counterfault.estimators.bounded import exp_or_infinity
from counterfault.estimators.poisson.cluster_robust import Codes, Floats, WorkingModel, centred_within
from counterfault.estimators.poisson.conditional_poisson import fit_conditional_poisson
from counterfault.estimators.poisson.regression_problem import (
    EXPOSED,
    NotComparableError,
    Problem,
    comparable,
    problem_of,
)

FEWEST_CLUSTERS = 4


@dataclass(frozen=True, slots=True)
class PointFit:
    """The modified Poisson fit, before anything is said about its uncertainty.

    Attributes
    ----------
    problem : what entered the fit.
    coefficients : (k,) log risk ratios; the first is that of exposure.
    expected : (m,) fitted number of events of each entry.
    """

    problem: Problem
    coefficients: Floats
    expected: Floats

    @property
    def log_ratio(self) -> float:
        return float(self.coefficients[EXPOSED])

    def absorbing_all_strata(self) -> WorkingModel:
        """The problem at its solution with every stratum concentrated out, also those that span clusters.

        Right for what only needs scores (CR0, CR1, two-way): by Frisch & Waugh's theorem each entry's influence on the
        coefficients is the same as with dummy variables. Not for CR2 or the jackknife, which need to know whose data a
        stratum's effect was estimated from:
        :meth:`~counterfault.estimators.poisson.regression_problem.Problem.working_model`.
        """
        mean = self.expected / self.problem.copies
        return WorkingModel(
            design=self.problem.design,
            variances=mean,
            residuals=self.problem.events / self.problem.copies - mean,
            copies=self.problem.copies,
            clusters=self.problem.clusters,
            absorbed=self.problem.strata,
        )


def point_fit(problem: Problem, start: Floats | None = None) -> PointFit:
    """Fit what :func:`~counterfault.estimators.poisson.regression_problem.comparable` left.

    Raises
    ------
    NotComparableError
        When the fit does not settle.
    """
    fit = fit_conditional_poisson(problem.design, problem.copies, problem.events, problem.strata, start=start)
    if not fit.converged:
        raise NotComparableError("The fit did not settle: the log-likelihood is too flat to have a maximum.")
    return PointFit(problem, fit.coefficients, fit.expected)


def answered(
    cells: Cells, adjust_for: tuple[str, ...], level: float, method: str, estimate: Callable[[Problem], Estimate]
) -> Estimate:
    """What ``estimate`` makes of the comparable part of the cells, or the reason why there is no answer.

    Parameters
    ----------
    method : as an estimate that cannot be made names it.
    estimate : may raise :class:`~counterfault.estimators.poisson.regression_problem.NotComparableError`.

    Raises
    ------
    ValueError
        When a column of ``adjust_for`` does not exist or holds missing values, or the level is not in (0, 1).
    """
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; a confidence level lies between 0 and 1, such as 0.95.")
    try:
        found = estimate(comparable(problem_of(cells, adjust_for)))
    except NotComparableError as reason:
        found = not_estimable(
            Estimand.RISK_RATIO, str(reason), method=method, level=level, support=cells.two_by_two().support()
        )
    return replace(
        found,
        design=design_of(cells),
        adjustment=adjust_for,
        support={**found.support, "clusters": clusters_in(cells)},
    )


def t_answer(fit: PointFit, error: float, degrees: float, level: float, method: str) -> Estimate:
    """The ratio with limits exp(b ± t·se) and the p-value of the same t statistic."""
    reach = float(stdtrit(degrees, 0.5 + level / 2)) * error
    return Estimate(
        estimand=Estimand.RISK_RATIO,
        value=exp(fit.log_ratio),
        interval=Interval(exp_or_infinity(fit.log_ratio - reach), exp_or_infinity(fit.log_ratio + reach), level),
        method=method,
        support=fit.problem.support(),
        p_value=2 * float(stdtr(degrees, -abs(fit.log_ratio / error))),
        standard_error=error,
    )


def error_between_clusters(robust: float, model: float, cluster: str) -> float:
    """The root of the robust variance, refused where clusters say nothing about one another.

    Raises
    ------
    NotComparableError
        When the variance is nothing but rounding error beside that of the model.
    """
    # Clusters that all agree have score zero at the maximum: the variance is then rounding error, and an
    # interval from it would be a point.
    if robust < 1e-14 * model:
        raise NotComparableError(
            f"All {cluster}s agree exactly on the ratio, so there is no variation between them to compute a standard "
            "error from."
        )
    return sqrt(robust)


def few_clusters(used: Problem) -> Iterator[str]:
    """A warning, where exposed or unexposed deployments of fewer than four clusters can be compared."""
    exposed, unexposed = used.clusters_compared()
    if min(exposed, unexposed) < FEWEST_CLUSTERS:
        yield (
            f"Exposed deployments of {exposed} and unexposed ones of {unexposed} {used.cluster}s can be compared; with "
            f"fewer than {FEWEST_CLUSTERS} on either side the interval is not to be trusted."
        )


def influence(model: WorkingModel) -> Floats:
    """(m, k): by how much each entry moves each coefficient, to first order; sums to zero over entries."""
    mass = model.copies * model.variances
    rows = centred_within(model.design, mass, model.absorbed)
    scores = rows * (model.copies * model.residuals)[:, None]
    moved = np.linalg.solve((rows.T * mass) @ rows, scores.T).T
    return np.asarray(moved, dtype=np.float64)


def model_variance(model: WorkingModel) -> float:
    """Variance of the first coefficient if the working variances were right and rows independent."""
    mass = model.copies * model.variances
    rows = centred_within(model.design, mass, model.absorbed)
    return float(np.linalg.inv((rows.T * mass) @ rows)[0, 0])


def sums_by(groups: Codes, values: Floats) -> Floats:
    """(G, k): the rows of ``values`` (m, k) added up within groups of codes 0 … G−1."""
    count = int(groups.max()) + 1
    return np.column_stack([np.bincount(groups, column, count) for column in values.T])


def strata_words(cells: Cells) -> str:
    """How the strata enter the fit, for the method of an estimate."""
    return f", {' × '.join(cells.strata)} effects conditioned out" if cells.strata else ""


def clusters_in(cells: Cells) -> int:
    """How many clusters have deployments."""
    return int(cells.frame.loc[cells.frame["n"] > 0, cells.cluster].nunique())


def design_of(cells: Cells) -> str:
    """Where the comparison is made."""
    return "within " + " × ".join(cells.strata) if cells.strata else "across all deployments"
