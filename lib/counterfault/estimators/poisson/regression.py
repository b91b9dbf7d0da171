"""The risk ratio within service and calendar period, at equal covariates, with few-cluster inference.

Modified Poisson regression (Zou 2004, American Journal of Epidemiology 159:702): a Poisson likelihood with log
link for the yes/no outcome, so that coefficients are log *risk* ratios, and a sandwich covariance, which does
not believe the Poisson variance. Stratum effects are concentrated out
(:mod:`~counterfault.estimators.poisson.conditional_poisson`); the sandwich is clustered and corrected for few
clusters (:mod:`~counterfault.estimators.poisson.cluster_robust`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from counterfault.cells import Cells
from counterfault.estimate import Estimand, Estimate
from counterfault.estimators.poisson.cluster_robust import SmallSample, cluster_robust
from counterfault.estimators.poisson.conditional_poisson import fit_conditional_poisson
from counterfault.estimators.poisson.regression_problem import EXPOSED, NotComparableError, Problem
from counterfault.estimators.poisson.robust_limits import RobustLimits, few_degrees, robust_limits
from counterfault.estimators.poisson.within_strata import (
    answered,
    few_clusters,
    strata_words,
)

__all__ = ["HEADLINE", "ModifiedPoisson", "SmallSample", "as_headline", "total_and_direct"]


@dataclass(frozen=True)
class ModifiedPoisson:
    """How many times more likely is an incident after an exposed deployment than after a like one?

    "Like" means: of the same stratum (``cells.strata``, crossed) and with the same levels of ``adjust_for``.

    Parameters
    ----------
    adjust_for : covariate columns of ``cells.frame``; each level gets its own risk, "missing" included.
    small_sample : correction of the covariance for few clusters. CR2 comes with Satterthwaite degrees of
        freedom; CR0 and CR1 (factor G/(G−1)) with G−1, G being the clusters that enter the fit.
    at_least_model : whether the interval is widened to that of independent deployments where that is wider. With few
        failures or clusters the robust error can come out far too small by chance (Angrist & Pischke 2009, Mostly
        Harmless Econometrics, section 8.2.3, advise the larger of the two); `docs/methods.md` shows what it costs.

    Notes
    -----
    Calling it with cells and a confidence level returns an :class:`~counterfault.estimate.Estimate` of the
    risk ratio with limits exp(b ± t·se). Its ``support`` counts what enters the fit: strata with an incident and
    with deployments that differ in exposure or covariates; ``informative_clusters`` are those where exposed and
    unexposed deployments are compared, ``clusters`` all. When there is no estimate, it counts everything.

    Assumed: one ratio in all strata and at all levels (else it is their average, weighted by
    information); covariates multiply risks; clusters are independent of one another.

    Levels or combinations of levels whose fitted risk tends to zero, because no incident ever fell on
    them where they can be compared, are set aside and named in a caveat: the ratio is then the limit of the
    full fit. If it is the ratio itself that has no finite limit, it is not estimable and the reason says so.

    Raises
    ------
    ValueError
        When a column of ``adjust_for`` does not exist or holds missing values, or the level is not in (0, 1).
    """

    adjust_for: tuple[str, ...] = ()
    small_sample: SmallSample = SmallSample.CR2
    at_least_model: bool = False

    def __call__(self, cells: Cells, level: float = 0.95) -> Estimate:
        return answered(
            cells, self.adjust_for, level, self._method(cells), lambda used: self._estimate(cells, used, level)
        )

    def _estimate(self, cells: Cells, used: Problem, level: float) -> Estimate:
        fit = fit_conditional_poisson(used.design, used.copies, used.events, used.strata)
        if not fit.converged:
            raise NotComparableError("The fit did not settle: the log-likelihood is too flat to have a maximum.")
        sandwich = cluster_robust(used.working_model(fit.expected), self.small_sample, used.contrast_of_exposure())
        limits = robust_limits(
            float(fit.coefficients[EXPOSED]), sandwich, level, cells.cluster, at_least_model=self.at_least_model
        )
        return Estimate(
            estimand=Estimand.RISK_RATIO,
            value=limits.ratio,
            interval=limits.interval(level),
            method=self._method(cells, limits),
            support=used.support(),
            p_value=limits.p_value,
            standard_error=limits.error,
            caveats=(*few_clusters(used), *few_degrees(limits), *used.notes),
        )

    def _method(self, cells: Cells, limits: RobustLimits | None = None) -> str:
        error = f"{self.small_sample.value} standard error by {cells.cluster}"
        return (
            f"modified Poisson regression (Zou 2004){strata_words(cells)}; "
            f"{limits.sentence(self.small_sample, cells.cluster) if limits else error}"
        )


HEADLINE = ModifiedPoisson(at_least_model=True)  # as the verdict reads it


def as_headline(adjust_for: tuple[str, ...]) -> ModifiedPoisson:
    """The regression with the settings of the headline, so that every check speaks of the same interval."""
    return replace(HEADLINE, adjust_for=adjust_for)


def total_and_direct(
    cells: Cells,
    *,
    confounders: tuple[str, ...],
    mediators: tuple[str, ...],
    level: float = 0.95,
    settings: ModifiedPoisson = HEADLINE,
) -> tuple[Estimate, Estimate]:
    """The whole association, and the part of it that does not travel through the mediators.

    Adjusting for change size alone would throw away the effect that travels through bigger changes; not
    adjusting for it alone would hide whether there is any other. So both are given, side by side.

    Parameters
    ----------
    confounders : columns that come before exposure (tenure, load): held fixed in both.
    mediators : columns that exposure may change on the way (size, review, tests): held fixed in the second only.
    level : of both intervals.
    settings : of both regressions, but for what they adjust for.

    Returns
    -------
    Estimates with ids ``total.risk_ratio`` and ``direct.risk_ratio``.

    Raises
    ------
    ValueError
        When a column is named as both; otherwise as :class:`ModifiedPoisson`.
    """
    if both := sorted(set(confounders) & set(mediators)):
        raise ValueError(
            f"{', '.join(map(repr, both))} is named as confounder and as mediator. A column that exposure "
            "changes is a mediator; name it there only."
        )
    total = replace(settings, adjust_for=confounders)(cells, level)
    direct = replace(settings, adjust_for=(*confounders, *mediators))(cells, level)
    return (
        total.named("total.risk_ratio"),
        direct.named("direct.risk_ratio", caveats=(*direct.caveats, _what_direct_means(mediators))),
    )


def _what_direct_means(mediators: tuple[str, ...]) -> str:
    if not mediators:
        return "No mediator was named, so the direct association repeats the total one."
    return (
        f"Direct: what is left at equal {', '.join(mediators)}; it is biased if something unmeasured drives "
        "both these and incidents."
    )
