"""Mean risks under one exposure with the mediators of another, and how leaving out each cluster moves them.

Three means over the same strata and confounders (Pearl 2001, Proceedings UAI 411, the mediation formula):

    Q₁₁ = E[Y(1, M(1))],  Q₁₀ = E[Y(1, M(0))],  Q₀₀ = E[Y(0, M(0))],
    Q_aa* = Σ_g w_g Σ_m risk(a, m, g) · share(m | a*, g),   g a stratum at one level of each confounder.

Shares of the mediators are those observed in the group's own arm. Most groups are small, and a share from three
deployments is nearly worthless, but it is unbiased, and the means are linear in the shares: errors average out over
groups. A multinomial model of the mediators would need coarser strata, and bias the means where the strata differ
within. With w_g = n₁n₀/n, the weights of Mantel & Haenszel (1959), a group with one deployment of an arm counts for no
more than that deployment can say, and groups without one of the arms for nothing.

The risks come from a model with the ratio of exposure free at every level of the mediators, so a risk may be
predicted for an arm the group has no such deployment of.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from counterfault.estimators.marginal.averaged_risks import Average, averaged_risks
from counterfault.estimators.marginal.outcome_model import OutcomeModel
from counterfault.estimators.poisson.cluster_robust import Codes, Floats
from counterfault.estimators.poisson.conditional_poisson import Mask
from counterfault.estimators.poisson.regression_problem import EXPOSED, NotComparableError, Problem


@dataclass(frozen=True, slots=True)
class MediatedMeans:
    """Logarithms of the three means.

    Attributes
    ----------
    logs : (3,) of Q₁₁, Q₁₀, Q₀₀.
    without_each : (G, 3) the same without each cluster, to the first Newton step.
    weight_left_out : share of the weight Σ w_g in groups where the data leave a risk open.
    support : counts of what is averaged over.
    """

    logs: Floats
    without_each: Floats
    weight_left_out: float
    support: dict[str, int]


def mediated_means(model: OutcomeModel, confounders: tuple[str, ...]) -> MediatedMeans:
    """The three means over groups that hold exposed and unexposed deployments.

    Parameters
    ----------
    model : fitted with the mediators among its covariates.
    confounders : which of its covariates make groups, with the strata.

    Raises
    ------
    NotComparableError
        When no group holds both, a mean is zero, or one cluster holds everything.
    """
    problem, exposed = model.problem, model.problem.design[:, EXPOSED] == 1
    groups = _groups(problem, confounders)
    weight = _overlap(groups, problem.copies, exposed)
    unknown = np.isnan(model.exposed.risk) | (np.isnan(model.unexposed.risk) & ~exposed)
    left_out = (np.bincount(groups, unknown & (weight > 0)) > 0)[groups]
    kept = np.where(left_out, 0.0, weight)
    if not kept.sum():
        raise NotComparableError(_nothing(problem, confounders, bool(weight.sum())))
    arms = ((model.exposed, exposed), (model.exposed, ~exposed), (model.unexposed, ~exposed))
    risks = averaged_risks(model, [Average(arm, np.where(inside, kept, 0.0)) for arm, inside in arms])
    if not (risks.means > 0).all() or not (risks.without_each > 0).all():
        raise NotComparableError(_zero(bool((risks.means > 0).all()), problem.cluster))
    return MediatedMeans(
        logs=np.log(risks.means),
        without_each=np.log(risks.without_each),
        weight_left_out=float(weight[left_out].sum() / weight.sum()),
        support=_support(problem, kept > 0),
    )


def _groups(problem: Problem, confounders: tuple[str, ...]) -> Codes:
    keys = pd.DataFrame({"": problem.strata, **{name: problem.levels[name].to_numpy() for name in confounders}})
    codes: Codes = keys.groupby(list(keys), observed=True, sort=False).ngroup().to_numpy().astype(np.intp)
    return codes


def _overlap(groups: Codes, copies: Floats, exposed: Mask) -> Floats:
    """(m,) deployments of the entry times the share of the other arm in its group; each arm adds up to n₁n₀/n."""
    n1, n0 = np.bincount(groups, copies * exposed), np.bincount(groups, copies * ~exposed)
    other: Floats = np.where(exposed, n0[groups], n1[groups])
    return copies * other / (n1 + n0)[groups]


def _zero(only_without_one: bool, cluster: str) -> str:
    if only_without_one:
        return f"Without one of the {cluster}s a mean risk would be zero, so the jackknife has no answer."
    return "A mean risk would be zero under one of the exposures: no incident fell where it would have to be predicted."


def _nothing(problem: Problem, confounders: tuple[str, ...], overlap: bool) -> str:
    where = " and ".join([problem.place, *confounders])
    if overlap:
        return f"Wherever exposed and unexposed deployments share {where}, the data leave a risk open."
    return f"No exposed and unexposed deployments share {where}."


def _support(problem: Problem, kept: Mask) -> dict[str, int]:
    """Counts of what is averaged over; a group left out counts for nothing."""
    used = problem.only(kept)
    return {**used.support(), "clusters": len(used.cluster_names)}
