"""The odds ratio within strata, with nothing about the strata estimated: conditional logistic regression.

Unconditional logistic regression with one effect per stratum squares the odds ratio in matched pairs, and
exaggerates it wherever strata are small (Breslow & Day 1980, section 7.1). Conditioning on each stratum's number of
events removes its effect exactly, however small it is. :mod:`~counterfault.estimators.odds.conditional_likelihood`
has the likelihood; here it is maximised, and its errors are made robust to dependence within clusters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from counterfault.cells import Cells
from counterfault.estimate import Estimand, Estimate, not_estimable
from counterfault.estimators.odds.conditional_likelihood import Moments, conditional_likelihood, work
from counterfault.estimators.odds.logistic import common_outcome
from counterfault.estimators.odds.odds_problem import informative
from counterfault.estimators.poisson.cluster_robust import (
    NOT_ABSORBED,
    Codes,
    Floats,
    Sandwich,
    SmallSample,
    WorkingModel,
    cluster_robust,
)
from counterfault.estimators.poisson.regression_problem import EXPOSED, NotComparableError, Problem, problem_of
from counterfault.estimators.poisson.robust_limits import (
    few_degrees,
    require_clusters,
    require_level,
    robust_limits,
)
from counterfault.estimators.poisson.within_strata import few_clusters

__all__ = ["ID", "ConditionalLogistic", "ConditionalLogisticFit", "fit_conditional_logistic", "robust_to_clusters"]

ID = "regression.odds_ratio.conditional"
_MOST_WORK = 1e8  # multiplications per evaluation of likelihood and derivatives: about a second


@dataclass(frozen=True, slots=True)
class ConditionalLogisticFit:
    """Where Newton's method ended.

    Attributes
    ----------
    coefficients : (k,) log odds ratios.
    covariance : (k, k) inverse information: the model-based covariance.
    log_likelihood : of the rows: the probability of the deployments that failed among all choices of as many.
    null_log_likelihood : the same with all coefficients 0.
    scores, informations : (S, k) and (S, k, k) at the maximum, by stratum.
    score_chi2 : the score test of all coefficients being 0, on k degrees of freedom.
    converged : whether a further step would leave the log-likelihood as it is.
    """

    coefficients: Floats
    covariance: Floats
    log_likelihood: float
    null_log_likelihood: float
    scores: Floats
    informations: Floats
    score_chi2: float
    converged: bool

    @property
    def likelihood_ratio_chi2(self) -> float:
        """The likelihood-ratio test of all coefficients being 0, on k degrees of freedom."""
        return 2 * (self.log_likelihood - self.null_log_likelihood)

    @property
    def wald_chi2(self) -> float:
        """The Wald test of all coefficients being 0, on k degrees of freedom, with the model-based covariance."""
        return float(self.coefficients @ np.linalg.solve(self.covariance, self.coefficients))

    @property
    def standard_errors(self) -> Floats:
        """(k,) model-based."""
        errors: Floats = np.sqrt(np.diag(self.covariance))
        return errors


def fit_conditional_logistic(
    design: Floats, copies: Floats, events: Floats, strata: Codes, most_steps: int = 40
) -> ConditionalLogisticFit:
    """The coefficients under which, given each stratum's number of events, they fell most probably where they did.

    Parameters
    ----------
    design : (m, k) columns independent within strata, no intercept.
    copies, events : (m,) trials (deployments, moments) of each cell, above 0, and those with an event.
    strata : (m,) codes 0 … S−1. Strata with events only or none have likelihood 1 and add nothing.
    most_steps : Newton steps before giving up; ``converged`` is then False.

    Notes
    -----
    The log-likelihood is concave. Cells that would send a coefficient to infinity are to be set aside beforehand
    (:func:`~counterfault.estimators.odds.separation.separated_cells`). Cost: for each cell the stratum's events times
    the smaller of these and the cell's trials, times k.
    """
    likelihood = conditional_likelihood(design, copies, events, strata)
    beta = np.zeros(design.shape[1])
    null = here = likelihood(beta)
    score_chi2, converged = float("nan"), False
    for taken in range(most_steps):
        step, gain = _newton(here)
        score_chi2 = gain if taken == 0 else score_chi2
        reached = here.log_likelihood.sum()
        close = gain <= 1e-16 * (1 + abs(reached))  # and this step squares what is left
        allowance = 1e-12 * (1 + abs(reached))  # rounding, near the top
        trial = likelihood(beta + step)
        while trial.log_likelihood.sum() < reached - allowance:
            step = step / 2
            trial = likelihood(beta + step)
        beta, here = beta + step, trial
        if close:
            converged = True
            break
    return ConditionalLogisticFit(
        coefficients=beta,
        covariance=np.linalg.pinv(here.information.sum(0), hermitian=True),
        log_likelihood=float(here.log_likelihood.sum()),
        null_log_likelihood=float(null.log_likelihood.sum()),
        scores=here.score,
        informations=here.information,
        score_chi2=score_chi2,
        converged=converged,
    )


def robust_to_clusters(
    fit: ConditionalLogisticFit, clusters: Codes, small_sample: SmallSample, contrasts: Floats | None = None
) -> Sandwich:
    """The covariance when strata of one cluster may depend on one another.

    Parameters
    ----------
    fit : at its maximum.
    clusters : (S,) code of the cluster each stratum lies in, 0 … G−1.
    small_sample : CR0 and CR1 add up scores by cluster. CR2 enlarges each cluster's score U by what the fit has
        taken from it, I^½ (1 − I^½ V I^½)^−½ I^−½ U with I the cluster's information and V the inverse of the whole.
    contrasts : (k, q) linear combinations wanted; every coefficient by default.

    Notes
    -----
    To first order the maximum is the least-squares solution of I^−½U + I^½β = I^½b + error, cluster by cluster with
    unit variances, so Bell & McCaffrey's (2002) correction and degrees of freedom apply to that as they stand
    (Fay & Graubard 2001, Biometrics 57:1198, correct scores likewise).

    Raises
    ------
    ValueError
        With fewer than two clusters.
    """
    groups, k = int(clusters.max()) + 1, fit.scores.shape[1]
    score, information = np.zeros((groups, k)), np.zeros((groups, k, k))
    np.add.at(score, clusters, fit.scores)
    np.add.at(information, clusters, fit.informations)
    values, vectors = np.linalg.eigh(information)
    root = np.sqrt(np.clip(values, 0, None))
    known = root > 1e-7 * root.max()
    inverse = np.divide(1.0, root, where=known, out=np.zeros_like(root))
    design = np.where(known, root, 0)[:, :, None] * vectors.transpose(0, 2, 1)
    residuals = inverse * np.einsum("gkr,gk->gr", vectors, score)
    ones = np.ones(groups * k)
    return cluster_robust(
        WorkingModel(
            design=design.reshape(groups * k, k),
            variances=ones,
            residuals=residuals.reshape(-1),
            copies=ones,
            clusters=np.repeat(np.arange(groups), k),
            absorbed=np.full(groups * k, NOT_ABSORBED),
        ),
        small_sample,
        contrasts,
    )


@dataclass(frozen=True)
class ConditionalLogistic:
    """By what factor do the odds of an incident differ after exposed deployments, within a stratum?

    Parameters
    ----------
    adjust_for : covariate columns of ``cells.frame``; additive effects on the log odds, "missing" is a level too.
    small_sample : correction of the covariance for few clusters, as in
        :class:`~counterfault.estimators.odds.logistic.LogisticRegression`.
    at_least_model : whether the interval is widened to that of independent deployments where that is wider.

    Notes
    -----
    Calling it with cells and a confidence level returns an :class:`~counterfault.estimate.Estimate` of the odds
    ratio, id ``regression.odds_ratio.conditional``, limits exp(b ± t·se). Only discordant strata count: those with
    deployments of both outcomes that differ in exposure or covariates; ``support`` counts what is in them.

    Assumed: one odds ratio in all strata; each stratum lies in one cluster, and clusters are independent. Large
    strata with many incidents are refused, as the unconditional fit is then right and far cheaper.

    Raises
    ------
    ValueError
        When a column of ``adjust_for`` does not exist or holds missing values, or the level is not in (0, 1).
    """

    adjust_for: tuple[str, ...] = ()
    small_sample: SmallSample = SmallSample.CR2
    at_least_model: bool = False

    def __call__(self, cells: Cells, level: float = 0.95) -> Estimate:
        require_level(level)
        try:
            found = self._estimate(problem_of(cells, self.adjust_for), level)
        except NotComparableError as reason:
            support = cells.two_by_two().support()
            found = not_estimable(Estimand.ODDS_RATIO, str(reason), method=_METHOD, level=level, support=support)
        place = "within " + " × ".join(cells.strata) if cells.strata else "across all deployments"
        return found.named(ID, design=place, adjustment=self.adjust_for)

    def _estimate(self, whole: Problem, level: float) -> Estimate:
        used = informative(whole, conditioned=True)
        require_clusters(used)
        _require_strata_in_clusters(used)
        _require_size(used)
        fit = fit_conditional_logistic(used.design, used.copies, used.events, used.strata)
        if not fit.converged:
            raise NotComparableError("The fit did not settle: the log-likelihood is too flat to have a maximum.")
        exposure = np.eye(used.design.shape[1])[:, [EXPOSED]]
        sandwich = robust_to_clusters(fit, _cluster_of_stratum(used), self.small_sample, exposure)
        log_ratio = float(fit.coefficients[EXPOSED])
        limits = robust_limits(log_ratio, sandwich, level, used.cluster, at_least_model=self.at_least_model)
        return Estimate(
            estimand=Estimand.ODDS_RATIO,
            value=limits.ratio,
            interval=limits.interval(level),
            method=f"{_METHOD}; {limits.sentence(self.small_sample, used.cluster)}",
            support={**used.support(), "clusters": len(np.unique(whole.clusters))},
            p_value=limits.p_value,
            standard_error=limits.error,
            caveats=(*few_clusters(used), *few_degrees(limits), *common_outcome(whole), *used.notes),
        )


_METHOD = "conditional logistic regression, exact likelihood given each stratum's events (Gail et al. 1981)"


def _newton(here: Moments) -> tuple[Floats, float]:
    """The step, and the gain it promises, twice."""
    gradient = here.score.sum(0)
    step: Floats = np.linalg.pinv(here.information.sum(0), hermitian=True) @ gradient
    return step, float(gradient @ step)


def _cluster_of_stratum(used: Problem) -> Codes:
    clusters = np.zeros(int(used.strata.max()) + 1, dtype=np.intp)
    clusters[used.strata] = used.clusters
    return clusters


def _require_strata_in_clusters(used: Problem) -> None:
    if (_cluster_of_stratum(used)[used.strata] != used.clusters).any():
        raise NotComparableError(
            f"Each stratum must lie in one {used.cluster}, because strata that share {used.cluster}s depend on one "
            f"another: make {used.cluster} part of the strata, or fit strata as effects (`regression.odds_ratio`)."
        )


def _require_size(used: Problem) -> None:
    if work(used.copies, used.events, used.strata, used.design.shape[1]) > _MOST_WORK:
        largest = int(np.bincount(used.strata, used.events).argmax())
        inside = used.strata == largest
        raise NotComparableError(
            f"The largest {used.place} holds {used.events[inside].sum():.0f} incidents in "
            f"{used.copies[inside].sum():.0f} deployments: too many for the exact conditional likelihood, and enough "
            "for the unconditional one (`regression.odds_ratio`) or for `total.risk_ratio`."
        )
