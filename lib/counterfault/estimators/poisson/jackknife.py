"""The cluster jackknife: how far does the risk ratio move when one cluster is left out?

The variance is (G−1)/G Σ (b₍g₎ − b)², with b₍g₎ the log ratio without cluster g: CV3 of MacKinnon, Nielsen & Webb
(2023), Journal of Applied Econometrics 38:671. It assumes nothing about the working variances, tends to be too
large rather than too small, and is the variance they recommend where clusters are few or unequal.

Software differs under this name. R's clubSandwich calls Σ (b₍g₎ − b)² in the linearised form "CR3", without the factor
(G−1)/G; pyfixest multiplies the jackknife by a second small-sample factor. Here the factor is (G−1)/G and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from counterfault.cells import Cells
from counterfault.estimate import Estimate
from counterfault.estimators.poisson.cluster_robust import Floats, WorkingModel, centred_within
from counterfault.estimators.poisson.conditional_poisson import Mask, fit_conditional_poisson
from counterfault.estimators.poisson.regression_problem import EXPOSED, NotComparableError, Problem, informative
from counterfault.estimators.poisson.within_strata import (
    PointFit,
    answered,
    error_between_clusters,
    few_clusters,
    model_variance,
    point_fit,
    strata_words,
    sums_by,
    t_answer,
)

# A direction of the coefficients that one cluster alone determines has all its information there but for rounding.
_ALL_INFORMATION = 1 - 1e-9
_WARM_STEPS = 8  # Newton steps from the one-step start; a fit that needs more is heading for infinity
_FAR = 15.0  # a log ratio beyond this may be on its way to infinity, where the likelihood is flat
_BLOCK = 2_000_000  # numbers held at once while clusters are taken together


@dataclass(frozen=True)
class ClusterJackknife:
    """As :class:`~counterfault.estimators.poisson.regression.ModifiedPoisson`, with the cluster jackknife (CV3).

    Parameters
    ----------
    adjust_for : covariate columns of ``cells.frame``; each level gets its own risk, "missing" included.
    most_refits : up to this many clusters the model is fitted anew without each of them. With more, each fit is
        replaced by the first Newton step towards it, taken from the full fit (MacKinnon, Nielsen & Webb 2024, arXiv
        2406.00650, call this linearised: CV3L); ``method`` says which. 0 always takes the step.

    Notes
    -----
    Calling it with cells and a confidence level returns an :class:`~counterfault.estimate.Estimate` of the risk ratio,
    id ``regression.risk_ratio.jackknife``, with limits exp(b ± t·se), t with G−1 degrees of freedom; G counts the
    clusters that enter the fit. Where one cluster is left out and nothing can be estimated from the others, the
    jackknife has no answer: it is not estimable, and the reason names the cluster.

    Assumed: as for the regression; independent clusters, none of which carries the estimate alone.

    Raises
    ------
    ValueError
        When ``most_refits`` is negative; otherwise as
        :class:`~counterfault.estimators.poisson.regression.ModifiedPoisson`.
    """

    adjust_for: tuple[str, ...] = ()
    most_refits: int = 250

    def __post_init__(self) -> None:
        if self.most_refits < 0:
            raise ValueError(f"most_refits is {self.most_refits}; it counts fits, so it is 0 or more.")

    def __call__(self, cells: Cells, level: float = 0.95) -> Estimate:
        found = answered(
            cells, self.adjust_for, level, _method(cells, "refits"), lambda used: self._estimate(cells, used, level)
        )
        return found.named("regression.risk_ratio.jackknife")

    def _estimate(self, cells: Cells, used: Problem, level: float) -> Estimate:
        fit = point_fit(used)
        steps = one_step_without_each(used.working_model(fit.expected))
        count = len(steps)
        refitted = count <= self.most_refits
        left_out = np.array(list(_refits(fit, steps)) if refitted else fit.log_ratio + _exposure_alone(fit, steps))
        variance = (count - 1) / count * float(((left_out - fit.log_ratio) ** 2).sum())
        error = error_between_clusters(variance, model_variance(fit.absorbing_all_strata()), used.cluster)
        answer = t_answer(fit, error, count - 1, level, _method(cells, _kind(refitted, count), count - 1))
        return replace(answer, caveats=(*few_clusters(used), *used.notes))


def one_step_without_each(model: WorkingModel) -> Floats:
    """(G, k) change of the coefficients when each cluster is left out, to the first Newton step.

    Exact for a linear model. With M the information, M_g and s_g information and score of cluster g, the step is
    −(M − M_g)⁻¹ s_g. Where leaving g out determines a coefficient no longer, that coefficient is NaN.

    Parameters
    ----------
    model : the problem at its solution; as for CR2, absorbed effects lie within one cluster.
    """
    mass = model.copies * model.variances
    rows = centred_within(model.design, mass, model.absorbed)
    scores = sums_by(model.clusters, rows * (model.copies * model.residuals)[:, None])
    root = np.linalg.inv(np.linalg.cholesky((rows.T * mass) @ rows))  # information is the identity behind it
    whitened = (rows @ root.T) * np.sqrt(mass)[:, None]
    steps = [
        _steps(_information(whitened, model.clusters, first, last), scores[first:last] @ root.T, root)
        for first, last in _blocks(len(scores), rows.shape[1])
    ]
    return np.concatenate(steps)


def _steps(shares: Floats, scores: Floats, root: Floats) -> Floats:
    """The steps, from each cluster's share (G, k, k) of the information and its score (G, k), both whitened."""
    values, vectors = np.linalg.eigh(shares)
    lost = values > _ALL_INFORMATION
    inverse = np.where(lost, 0.0, 1 / np.where(lost, 1.0, 1 - values))
    along = np.einsum("gij,gi->gj", vectors, scores) * inverse
    steps = -np.einsum("gij,gj->gi", vectors, along) @ root
    # How much of what determines a coefficient lies in directions that went with the cluster.
    weights = np.einsum("gij,ik->gjk", vectors, root)
    missing = np.einsum("gjk,gj->gk", weights**2, lost.astype(np.float64)) / (root**2).sum(axis=0)
    return np.where(missing > 1e-9, np.nan, steps)


def _information(whitened: Floats, clusters: np.ndarray, first: int, last: int) -> Floats:
    """(last − first, k, k) share of each of these clusters in the information."""
    width = whitened.shape[1]
    inside = (clusters >= first) & (clusters < last)
    rows, codes = whitened[inside], clusters[inside] - first
    shares = np.empty((last - first, width, width))
    for i in range(width):
        for j in range(i, width):
            shares[:, i, j] = shares[:, j, i] = np.bincount(codes, rows[:, i] * rows[:, j], last - first)
    return shares


def _blocks(count: int, width: int) -> Iterator[tuple[int, int]]:
    size = max(1, _BLOCK // width**2)
    for first in range(0, count, size):
        yield first, min(count, first + size)


def _exposure_alone(fit: PointFit, steps: Floats) -> Floats:
    moved = steps[:, EXPOSED]
    if np.isnan(moved).any():
        lost = int(np.isnan(moved).argmax())
        raise NotComparableError(_carried_by(fit.problem, lost, "exposure is compared nowhere else."))
    return moved


def _refits(fit: PointFit, steps: Floats) -> Iterator[float]:
    """The log ratio without each cluster."""
    for cluster, step in enumerate(steps):
        rest = fit.problem.only(fit.problem.clusters != cluster)
        found = _warm_refit(rest, fit.coefficients + step[: len(fit.coefficients)])
        yield _cold_refit(fit.problem, rest, cluster) if found is None else found


def _warm_refit(rest: Problem, start: Floats) -> float | None:
    """The log ratio in the rest, from a start nearby; None where the rest may not determine every coefficient."""
    eventful: Mask = np.bincount(rest.strata, rest.events)[rest.strata] > 0
    if np.isnan(start).any() or not eventful.any():
        return None
    rest = rest if eventful.all() else rest.only(eventful)
    try:
        fit = fit_conditional_poisson(rest.design, rest.copies, rest.events, rest.strata, _WARM_STEPS, start)
    except np.linalg.LinAlgError:  # on its way to infinity it ran out of information
        return None
    finite = fit.converged and np.abs(fit.coefficients).max() < _FAR
    return float(fit.coefficients[EXPOSED]) if finite else None


def _cold_refit(whole: Problem, rest: Problem, cluster: int) -> float:
    try:
        return point_fit(informative(rest)).log_ratio
    except NotComparableError as reason:
        raise NotComparableError(_carried_by(whole, cluster, str(reason))) from None


def _carried_by(whole: Problem, cluster: int, reason: str) -> str:
    name = f"{whole.cluster} {whole.cluster_names[cluster]}"
    return f"Without {name} there is no estimate, so the jackknife cannot say how far {name} moves it: {reason}"


def _kind(refitted: bool, count: int) -> str:
    return "refits" if refitted else f"first Newton step instead of {count} refits, CV3L"


def _method(cells: Cells, kind: str, degrees: int | None = None) -> str:
    reference = "" if degrees is None else f", t with {degrees} degrees of freedom"
    return (
        f"modified Poisson regression (Zou 2004){strata_words(cells)}; "
        f"cluster jackknife by {cells.cluster} (CV3, factor (G−1)/G; {kind}){reference}"
    )
