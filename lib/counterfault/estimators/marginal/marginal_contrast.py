"""The same deployments with exposure and without: two standardised risks, and the chance in their difference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from counterfault.estimators.marginal.influence import Uncertainty
from counterfault.estimators.marginal.marginal_risk import Arm, MarginalRisk, Population, marginal_risk
from counterfault.estimators.marginal.outcome_model import OutcomeModel
from counterfault.estimators.poisson.cluster_robust import Floats
from counterfault.estimators.poisson.conditional_poisson import Mask
from counterfault.estimators.poisson.regression_problem import EXPOSED, NotComparableError


@dataclass(frozen=True, slots=True)
class MarginalContrast:
    """Two standardised risks of one population, and what is needed to judge their difference.

    Attributes
    ----------
    over, under : the risks with exposure and without.
    clusters : how many clusters hold an event and both groups.
    population : (m,) the entries averaged over.
    model : the fit behind it.
    """

    over: MarginalRisk
    under: MarginalRisk
    clusters: int
    population: Mask
    model: OutcomeModel

    @property
    def ratio(self) -> float:
        """The risk with exposure over that without."""
        return self.over.value / self.under.value

    @property
    def difference(self) -> float:
        """The risk with exposure less that without."""
        return self.over.value - self.under.value

    def of_log_ratio(self) -> Uncertainty:
        """The uncertainty of the logarithm of the ratio."""
        over, under = self.over, self.under
        relative = over.influence * (1 / over.value) - under.influence * (1 / under.value)
        return relative.uncertainty(self.clusters)

    def of_difference(self) -> Uncertainty:
        """The uncertainty of the difference."""
        return (self.over.influence - self.under.influence).uncertainty(self.clusters)


def marginal_contrast(
    model: OutcomeModel, *, among_exposed: bool, as_it_was: bool = False, about: Population = Population.THESE
) -> MarginalContrast:
    """Average the predictions with exposure, and without, over the deployments that can be compared.

    Parameters
    ----------
    model : the fit.
    among_exposed : average over exposed deployments, or over everyone; of strata that hold both groups in any case.
    as_it_was : compare no exposure with what exposure there was, not with exposure of everyone.
    about : whether these deployments are given, or a draw of clusters.

    Raises
    ------
    NotComparableError
        When a prediction is open, or one of the two risks is zero.
    """
    problem = model.problem
    compared = problem.both_arms()
    population = compared & (problem.design[:, EXPOSED] == 1) if among_exposed else compared
    over, under = (
        marginal_risk(model.fit, _known(arm, population, problem.copies, name), population, about)
        for name, arm in (("exposed", model.as_it_was if as_it_was else model.exposed), ("unexposed", model.unexposed))
    )
    if not (over.value > 0 and under.value > 0):
        name = "unexposed" if over.value > 0 else "exposed"
        raise NotComparableError(f"Had all been {name}, their fitted risk would be zero.")
    events = np.bincount(problem.strata, problem.events)[problem.strata] > 0
    clusters = len(np.unique(problem.clusters[compared & events]))
    return MarginalContrast(over, under, clusters, population, model)


def _known(arm: Arm, population: Mask, copies: Floats, name: str) -> Arm:
    """The predictions, zero outside the population; refused where the fit leaves one of them open."""
    unknown = population & np.isnan(arm.risk)
    if unknown.any():
        raise NotComparableError(
            f"For {copies[unknown].sum():.0f} deployments the data do not say what their risk would be if {name}: "
            "there are none like them to tell. Let the ratio vary by fewer columns."
        )
    risk = np.where(population, arm.risk, 0.0)
    return Arm(risk, risk, arm.design)
