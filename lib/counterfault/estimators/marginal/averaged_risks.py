"""Mean risks that a fitted model predicts, and what they would be without each cluster.

The variance of any figure made of them is that of the cluster jackknife, (G−1)/G Σ (f₍g₎ − f)², with the fit without
cluster g replaced by the first Newton step towards it (CV3L: MacKinnon, Nielsen & Webb 2024, arXiv 2406.00650). It
covers the chance in who is averaged over as well as that in the fit, and refits nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import sqrt

import numpy as np

from counterfault.estimators.marginal.marginal_risk import Arm
from counterfault.estimators.marginal.outcome_model import OutcomeModel
from counterfault.estimators.poisson.cluster_robust import NOT_ABSORBED, Codes, Floats, WorkingModel
from counterfault.estimators.poisson.jackknife import one_step_without_each
from counterfault.estimators.poisson.regression_problem import NotComparableError

_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Average:
    """A weighted mean of predicted risks: ``weight`` (m,) is zero where an entry is not averaged over."""

    arm: Arm
    weight: Floats


@dataclass(frozen=True, slots=True)
class AveragedRisks:
    """Means (t,), and ``without_each`` (G, t): the same without each cluster that matters to any of them."""

    means: Floats
    without_each: Floats

    @property
    def clusters(self) -> int:
        """G of the jackknife."""
        return len(self.without_each)


def averaged_risks(model: OutcomeModel, averages: list[Average]) -> AveragedRisks:
    """The means of these averages and of the same without each cluster.

    Parameters
    ----------
    model : the fit.
    averages : with known risks wherever the weight is above zero.

    Raises
    ------
    NotComparableError
        When one cluster holds everything that is averaged over.
    """
    clusters, count = model.problem.clusters, len(model.problem.cluster_names)
    working, means = _working(model)
    in_fit = np.unique(clusters[model.fit.variances > 0])
    steps = np.zeros((count, working.design.shape[1]))
    # Where a cluster alone carries a coefficient, the others keep the value it has with it.
    steps[in_fit] = np.nan_to_num(one_step_without_each(working))
    matters = np.zeros(count, dtype=bool)
    matters[in_fit] = True
    matters[clusters[sum(one.weight for one in averages) > 0]] = True
    without = np.column_stack([_without_each(one, model, means, steps) for one in averages])
    return AveragedRisks(
        means=np.array([_terms(one).sum() / one.weight.sum() for one in averages]), without_each=without[matters]
    )


def jackknife_error(without_each: Floats, value: float, cluster: str) -> float:
    """The root of (G−1)/G Σ (f₍g₎ − f)², from (G,) values of the figure without each cluster.

    Raises
    ------
    NotComparableError
        When clusters agree but for rounding, so that an interval would be a point.
    """
    count = len(without_each)
    error = sqrt((count - 1) / count * float(((without_each - value) ** 2).sum()))
    if error < _ROUNDING:
        raise NotComparableError(
            f"All {cluster}s agree exactly, so there is no variation between them to compute a standard error from."
        )
    return error


def _terms(one: Average) -> Floats:
    return one.weight * np.where(one.weight > 0, one.arm.risk, 0.0)


def _working(model: OutcomeModel) -> tuple[WorkingModel, Floats]:
    """The fit as a working model, and for each entry the mean design of its stratum where that is absorbed."""
    fit, in_fit = model.fit, model.fit.variances > 0
    used = replace(model.problem, design=fit.design).only(in_fit)
    expected = (fit.copies * fit.variances)[in_fit]
    working = used.working_model(expected)
    width, strata = fit.design.shape[1], int(fit.strata.max()) + 1
    means = np.zeros((strata, working.design.shape[1]))
    means[:, :width] = _stratum_means(fit.design[in_fit], expected, fit.strata[in_fit], strata)
    dummies = np.unique(fit.strata[in_fit][working.absorbed == NOT_ABSORBED])
    means[dummies] = 0
    means[dummies, width + np.arange(len(dummies))] = -1  # its own effect is among the coefficients
    return working, means[fit.strata]


def _stratum_means(design: Floats, mass: Floats, strata: Codes, count: int) -> Floats:
    total = np.maximum(np.bincount(strata, mass, count), np.finfo(float).tiny)
    return np.column_stack([np.bincount(strata, mass * column, count) / total for column in design.T])


def _without_each(one: Average, model: OutcomeModel, stratum_means: Floats, steps: Floats) -> Floats:
    """(G,) mean without each cluster: its entries left out, the others' risks moved by the step.

    A risk moves by the factor exp((x − x̄)·step), x̄ the mean of an absorbed stratum, whose own effect follows the
    others.
    """
    terms, clusters, count = _terms(one), model.problem.clusters, len(steps)
    slopes = -stratum_means * terms[:, None]
    slopes[:, : one.arm.design.shape[1]] += one.arm.design * terms[:, None]
    sums, weights = _left(terms, clusters, count), _left(one.weight, clusters, count)
    if (weights <= 1e-12 * one.weight.sum()).any():
        raise NotComparableError(
            f"Everything that can be averaged over lies in one {model.problem.cluster}, which cannot show how far "
            f"{model.problem.cluster}s differ from one another."
        )
    slope = np.column_stack([_left(column, clusters, count) for column in slopes.T])
    moved = np.einsum("gk,gk->g", slope, steps)
    relative = np.divide(moved, sums, out=np.zeros(count), where=sums > 0)
    found: Floats = sums * np.exp(np.minimum(relative, 100.0)) / weights
    return found


def _left(values: Floats, clusters: Codes, count: int) -> Floats:
    """(G,) sum of the values of all other clusters; nothing, where only rounding is left."""
    own = np.bincount(clusters, values, count)
    left = values.sum() - own
    rest: Floats = np.where(np.abs(left) > 1e-13 * np.abs(values).sum(), left, 0.0)
    return rest
