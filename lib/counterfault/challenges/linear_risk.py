"""The linear model of the risk within strata, exactly as least squares on one row per deployment would give it.

Omitted-variable bias has a closed form for least squares and for nothing else, so the challenge of an unmeasured
confounder asks this model and not the headline's. Strata are absorbed (Frisch & Waugh 1933), covariates are dummy
variables, and cells weigh by their deployments; that a cell's outcomes are 0 and 1 gives back the sum of squares
within it (Wong et al. 2021), so nothing is lost by the compression.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt

import numpy as np
from scipy.special import stdtrit

from counterfault.cells import Cells
from counterfault.estimators.poisson.cluster_robust import Floats, centred_within, cluster_robust
from counterfault.estimators.poisson.conditional_poisson import identified_columns
from counterfault.estimators.poisson.regression_problem import EXPOSED, NotComparableError, Problem, problem_of
from counterfault.estimators.poisson.robust_limits import require_clusters
from counterfault.estimators.poisson.within_strata import error_between_clusters

# A residual sum of squares below this share of the whole is rounding error: the model fits every deployment exactly.
_NOTHING = 1e-12


@dataclass(frozen=True, slots=True)
class Benchmark:
    """How strong one measured confounder is, all its levels together.

    Attributes
    ----------
    covariate : its column.
    r2_exposure : partial R² with exposure, given strata and the other covariates.
    r2_outcome : partial R² with failure, given exposure, strata and the other covariates.
    """

    covariate: str
    r2_exposure: float
    r2_outcome: float


@dataclass(frozen=True, slots=True)
class LinearRisk:
    """The risk difference of the linear model, and what its sensitivity depends on.

    Attributes
    ----------
    difference : coefficient of exposure.
    error : its classical standard error, rows taken as independent and equally variable.
    degrees : residual degrees of freedom, n − strata − columns.
    benchmarks : the measured confounders.
    support : counts of what enters the fit, which is everything.
    problem : the entries and identified columns.
    residuals : (m,) mean outcome of each entry minus the fitted mean.
    """

    difference: float
    error: float
    degrees: int
    benchmarks: tuple[Benchmark, ...]
    support: dict[str, int]
    problem: Problem
    residuals: Floats

    @property
    def t(self) -> float:
        """Difference over classical standard error."""
        return self.difference / self.error

    @property
    def partial_r2(self) -> float:
        """Of exposure with failure: the share of the variance left by everything else that exposure takes."""
        return self.t**2 / (self.t**2 + self.degrees)

    def reach(self, level: float) -> float:
        """How many classical standard errors the interval of independent deployments reaches.

        With one degree of freedom fewer, as the interval is asked for after one more confounder is held fixed
        (Cinelli & Hazlett 2020).
        """
        return float(stdtrit(self.degrees - 1, 0.5 + level / 2))

    def clustered_reach(self, level: float) -> float:
        """The same for the CR2 error by cluster and its Satterthwaite t, in classical standard errors.

        Raises
        ------
        NotComparableError
            With fewer than two clusters in an arm, or clusters that all agree.
        """
        require_clusters(self.problem)
        expected = self.problem.events - self.problem.copies * self.residuals
        model = replace(self.problem.working_model(expected), variances=np.ones(len(self.residuals)))
        sandwich = cluster_robust(model, contrasts=self.problem.contrast_of_exposure())
        robust = error_between_clusters(
            float(sandwich.covariance[0, 0]), float(sandwich.model_covariance[0, 0]), self.problem.cluster
        )
        return float(stdtrit(sandwich.degrees_of_freedom[0], 0.5 + level / 2)) * robust / self.error


def linear_risk(cells: Cells, adjust_for: tuple[str, ...]) -> LinearRisk:
    """Fit the risk on exposure and covariates within strata.

    Parameters
    ----------
    cells : the deployments of the contrast.
    adjust_for : covariate columns, each level with a dummy variable.

    Raises
    ------
    NotComparableError
        Where exposure does not vary within strata beyond the covariates, nothing failed, or nothing is left over.
    ValueError
        When a column does not exist or holds missing values.
    """
    whole = problem_of(cells, adjust_for)
    _require_events(whole)
    kept = identified_columns(
        whole.design, whole.strata, [*(i for i in range(whole.design.shape[1]) if i != EXPOSED), EXPOSED]
    )
    if EXPOSED not in kept:
        raise NotComparableError(f"Within {whole.place}, no two deployments differ in exposure alone.")
    return _solved(whole.columns(sorted(kept)), adjust_for)


def _solved(used: Problem, adjust_for: tuple[str, ...]) -> LinearRisk:
    rows = _Rows(used)
    degrees = rows.count - rows.width
    unexplained = rows.left_over(rows.outcome, range(rows.width), rows.within)
    if degrees < 2 or unexplained <= _NOTHING * used.copies.sum():
        raise NotComparableError(
            f"The linear model leaves {max(degrees, 0)} degrees of freedom and no variation that could be explained."
        )
    gram = rows.design.T @ rows.design
    coefficients = np.linalg.solve(gram, rows.design.T @ rows.outcome)
    return LinearRisk(
        difference=float(coefficients[EXPOSED]),
        error=sqrt(unexplained / degrees * float(np.linalg.inv(gram)[EXPOSED, EXPOSED])),
        degrees=degrees,
        benchmarks=tuple(rows.benchmark(name, unexplained) for name in adjust_for),
        support=used.support(),
        problem=used,
        residuals=(rows.outcome - rows.design @ coefficients) / rows.scale,
    )


class _Rows:
    """Entries multiplied by the root of their deployments, strata taken out: plain least squares from here on."""

    def __init__(self, used: Problem) -> None:
        copies, events = used.copies, used.events
        self.scale = np.sqrt(copies)
        self.design = self.scale[:, None] * centred_within(used.design, copies, used.strata)
        self.outcome = self.scale * centred_within((events / copies)[:, None], copies, used.strata)[:, 0]
        self.within = float((events * (1 - events / copies)).sum())  # squares of 0 and 1 about their entry's mean
        self.count = int(copies.sum()) - int(used.strata.max()) - 1
        self.owners = used.covariate_of

    @property
    def width(self) -> int:
        return int(self.design.shape[1])

    def left_over(self, target: Floats, columns: Sequence[int], within: float = 0.0) -> float:
        """Residual sum of squares of a target on these columns."""
        design = self.design[:, list(columns)]
        fitted = design @ np.linalg.lstsq(design, target, rcond=None)[0] if len(columns) else 0.0
        return float(((target - fitted) ** 2).sum()) + within

    def benchmark(self, covariate: str, unexplained: float) -> Benchmark:
        """Partial R² of all columns of one covariate together: by how much leaving them out raises what is left."""
        others = [i for i in range(self.width) if self.owners[i] != covariate]
        covariates = [i for i in range(self.width) if i != EXPOSED]
        exposure = self.design[:, EXPOSED]
        with_all = self.left_over(exposure, covariates)
        without = self.left_over(exposure, [i for i in others if i != EXPOSED])
        return Benchmark(
            covariate=covariate,
            r2_exposure=max(0.0, 1 - with_all / without),
            r2_outcome=max(0.0, 1 - unexplained / self.left_over(self.outcome, others, self.within)),
        )


def _require_events(whole: Problem) -> None:
    if not len(whole.copies):
        raise NotComparableError("No deployment is left to compare.")
    if not whole.events.sum():
        raise NotComparableError(f"None of the {whole.copies.sum():.0f} deployments was followed by an incident.")
