"""The effect of exposure where exposed and unexposed deployments overlap most, by two models that vouch for each other.

Augmented inverse-probability weighting with overlap weights. With A exposure, e the propensity, h = e(1−e) and μ₁, μ₀
the risks under either exposure, the mean risk with exposure in the overlap population, E[h μ₁]/E[h], solves

    Σ (A−e)² (μ₁ − θ₁) + A(1−e) (Y − μ₁) = 0,

and likewise Σ (A−e)² (μ₀ − θ₀) + (1−A) e (Y − μ₀) = 0. These are the efficient influence functions of θ₁ and θ₀ (from
Crump, Hotz, Imbens & Mitnik 2006, NBER technical paper 330, for the weighted average with a known function of e): the
square stands where h would for known e, and makes the score insensitive to small errors in e as well as in μ. Where
either the propensity or, with one effect for all, the risks are right, θ₁ − θ₀ and θ₁/θ₀ are.

Weights e(1−e) (Li, Morgan & Zaslavsky 2018, Journal of the American Statistical Association 113:390) need no trimming,
never explode, and give strata without overlap no weight. In strata without covariates they are n₁n₀/n, so the answer is
then exactly that of Mantel and Haenszel.

Slopes of both models are cross-fitted over clusters (:mod:`~counterfault.estimators.marginal.propensity`) several
times; the median of the estimates is reported, with the median of variance + (estimate − median)², so that no lucky
split decides (Chernozhukov et al. 2018, Econometrics Journal 21:C1, section 3.4).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import exp, log, sqrt

import numpy as np

from counterfault.cells import Cells
from counterfault.estimate import Estimand, Estimate, not_estimable
from counterfault.estimators.marginal.influence import Uncertainty, few_clusters, sums_by_cluster
from counterfault.estimators.marginal.propensity import Nuisance, cross_fitted, folds_of_clusters
from counterfault.estimators.poisson.cluster_robust import Floats
from counterfault.estimators.poisson.regression_problem import EXPOSED, NotComparableError, Problem, problem_of

__all__ = ["OverlapWeighted", "overlap_weighted"]

_FEW_EVENTS = 5
_ROUNDING = 1e-12  # a risk that ought to be zero is not always exactly so


@dataclass(frozen=True)
class OverlapWeighted:
    """How much more do exposed deployments fail, among those that could as well have been unexposed?

    Parameters
    ----------
    estimand : ``Estimand.RISK_RATIO`` or ``Estimand.RISK_DIFFERENCE``.
    adjust_for : covariate columns of ``cells.frame``; each level is held fixed, "missing" included.
    folds : parts the clusters are split into; at most as many as there are clusters.
    repeats : how often they are split anew.
    seed : of the splits; the same seed gives the same answer.

    Notes
    -----
    Called with cells and a level it returns an :class:`~counterfault.estimate.Estimate`; the interval of a ratio is
    symmetric for its logarithm. The population is neither everyone nor the exposed, but deployments in proportion to
    e(1−e): where effects differ, it is those whose exposure was most open. The interval is for services like
    these, whose differences in risk widen that of the difference and leave that of the ratio alone.

    Assumed: one of the two models is right; nothing unmeasured differs between exposed and unexposed deployments of one
    stratum and one level of each covariate; independent clusters.

    Raises
    ------
    ValueError
        When a column does not exist or holds missing values, the level is not in (0, 1), the estimand is another, or
        ``folds`` is below 2 or ``repeats`` below 1.
    """

    estimand: Estimand = Estimand.RISK_RATIO
    adjust_for: tuple[str, ...] = ()
    folds: int = 5
    repeats: int = 11
    seed: int = 20180125

    def __post_init__(self) -> None:
        if self.estimand not in _IDS:
            raise ValueError(f"estimand is {self.estimand.label!r}; choose the risk ratio or the risk difference.")
        if self.folds < 2 or self.repeats < 1:
            raise ValueError(
                f"folds is {self.folds} and repeats is {self.repeats}; it takes at least 2 folds and 1 repeat."
            )

    def __call__(self, cells: Cells, level: float = 0.95) -> Estimate:
        (found,) = _answers(self, (self.estimand,), cells, level)
        return found


_IDS = {Estimand.RISK_DIFFERENCE: "overlap.risk_difference", Estimand.RISK_RATIO: "overlap.risk_ratio"}


def overlap_weighted(
    cells: Cells, level: float = 0.95, *, settings: OverlapWeighted = OverlapWeighted()
) -> tuple[Estimate, Estimate]:
    """Risk difference and risk ratio, in this order, from the same fits.

    Parameters
    ----------
    cells, level : the counts, and the level of both intervals.
    settings : of both; its ``estimand`` is not looked at.
    """
    difference, ratio = _answers(settings, tuple(_IDS), cells, level)
    return difference, ratio


@dataclass(frozen=True, slots=True)
class OverlapRisks:
    """Mean risks of the overlap population, and the influence of each cluster on them, shape (G,)."""

    exposed: float
    unexposed: float
    on_exposed: Floats
    on_unexposed: Floats


def overlap_risks(problem: Problem, nuisance: Nuisance) -> OverlapRisks:
    """θ₁ and θ₀ of the module, from cells: one entry stands for ``copies`` deployments with ``events`` among them.

    Parameters
    ----------
    problem : entries of strata that hold exposed and unexposed deployments.
    nuisance : what is expected of them.
    """
    exposed, e = problem.design[:, EXPOSED] == 1, nuisance.propensity
    weight = problem.copies * np.where(exposed, 1 - e, e) ** 2
    reached = []
    for arm, chance, risk in ((exposed, 1 - e, nuisance.risk_exposed), (~exposed, e, nuisance.risk_unexposed)):
        surprise = np.where(arm, chance * (problem.events - problem.copies * risk), 0.0)
        mean = float((weight * risk + surprise).sum() / weight.sum())
        influence = sums_by_cluster(weight * (risk - mean) + surprise, problem.clusters) / weight.sum()
        reached.append((mean, influence))
    (theta1, on1), (theta0, on0) = reached
    return OverlapRisks(theta1, theta0, on1, on0)


def _answers(
    settings: OverlapWeighted, estimands: tuple[Estimand, ...], cells: Cells, level: float
) -> Iterator[Estimate]:
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; a confidence level lies between 0 and 1, such as 0.95.")
    whole = problem_of(cells, settings.adjust_for)
    found: list[OverlapRisks] | NotComparableError
    try:
        found = _repeated(settings, whole)
    except NotComparableError as reason:
        found = reason
    for estimand in estimands:
        try:
            estimate = _estimate(settings, estimand, found, whole, level)
        except NotComparableError as reason:
            support, method = cells.two_by_two().support(), _method(settings, whole)
            estimate = not_estimable(estimand, str(reason), method=method, level=level, support=support)
        yield estimate.named(
            _IDS[estimand],
            design="within " + " × ".join(cells.strata) if cells.strata else "across all deployments",
            adjustment=settings.adjust_for,
        )


def _repeated(settings: OverlapWeighted, whole: Problem) -> list[OverlapRisks]:
    problem = _overlapping(whole)
    dice = np.random.default_rng(settings.seed)
    # Without covariates nothing learnt from other clusters stays in the answer, so that all splits agree.
    repeats = settings.repeats if problem.design.shape[1] > 1 else 1
    splits = (folds_of_clusters(problem, settings.folds, dice) for _ in range(repeats))
    return [overlap_risks(problem, cross_fitted(problem, split)) for split in splits]


def _overlapping(whole: Problem) -> Problem:
    if not whole.copies.sum():
        raise NotComparableError("No deployment is left to compare.")
    both = whole.both_arms()
    if not both.any():
        raise NotComparableError(f"No {whole.place} holds exposed and unexposed deployments.")
    problem = whole.only(both)
    if not problem.events.sum():
        raise NotComparableError("No incident followed a deployment that can be compared with one of the other group.")
    if _informative(problem) < 2:
        raise NotComparableError(
            f"All incidents that can be compared lie in one {whole.cluster}, which cannot show how far "
            f"{whole.cluster}s differ from one another."
        )
    return problem


def _informative(problem: Problem) -> int:
    events = np.bincount(problem.strata, problem.events)[problem.strata] > 0
    return len(np.unique(problem.clusters[events]))


def _estimate(
    settings: OverlapWeighted,
    estimand: Estimand,
    found: list[OverlapRisks] | NotComparableError,
    whole: Problem,
    level: float,
) -> Estimate:
    if isinstance(found, NotComparableError):
        raise found
    problem = whole.only(whole.both_arms())
    clusters = _informative(problem)
    each = [_on_its_scale(estimand, risks, clusters) for risks in found]
    middle = float(np.median([value for value, _ in each]))
    error = sqrt(float(np.median([spread**2 + (value - middle) ** 2 for value, spread in each])))
    uncertainty = Uncertainty(error, clusters)
    if uncertainty.says_nothing:
        raise NotComparableError(
            f"All {whole.cluster}s agree exactly, so there is no variation between them to compute a standard error "
            "from."
        )
    value = exp(middle) if estimand.is_ratio else middle
    return Estimate(
        estimand=estimand,
        value=value,
        interval=uncertainty.around_ratio(value, level)
        if estimand.is_ratio
        else uncertainty.around(value, estimand, level),
        method=f"{_method(settings, whole)}; {uncertainty.method}",
        support={**problem.support(), "clusters": int(whole.clusters.max()) + 1},
        p_value=uncertainty.p_value(middle),
        standard_error=error,
        caveats=(*few_clusters(clusters, whole.cluster), *_few_events(problem), *_left_out(whole)),
    )


def _on_its_scale(estimand: Estimand, risks: OverlapRisks, clusters: int) -> tuple[float, float]:
    """Log ratio or difference of the two risks, and its standard error."""
    if not estimand.is_ratio:
        influence = risks.on_exposed - risks.on_unexposed
        return risks.exposed - risks.unexposed, Uncertainty.of(influence, clusters).error
    if not min(risks.exposed, risks.unexposed) > _ROUNDING:
        name = "with" if risks.unexposed > _ROUNDING else "without"
        raise NotComparableError(f"The weighted risk {name} exposure is not above zero, so the ratio has no value.")
    influence = risks.on_exposed / risks.exposed - risks.on_unexposed / risks.unexposed
    return log(risks.exposed / risks.unexposed), Uncertainty.of(influence, clusters).error


def _method(settings: OverlapWeighted, whole: Problem) -> str:
    return (
        f"overlap-weighted AIPW (Li, Morgan & Zaslavsky 2018), levels of {whole.place} from themselves, slopes "
        f"cross-fitted over {settings.folds} folds of {whole.cluster}s, median of {settings.repeats} splits (seed "
        f"{settings.seed})"
    )


def _few_events(problem: Problem) -> Iterator[str]:
    exposed = problem.design[:, EXPOSED] == 1
    events = [int(problem.events[arm].sum()) for arm in (exposed, ~exposed)]
    if min(events) < _FEW_EVENTS:
        yield (
            f"Where the groups overlap there are {events[0]} exposed and {events[1]} unexposed events; with fewer than "
            f"{_FEW_EVENTS} in a group the normal approximation is rough."
        )


def _left_out(whole: Problem) -> Iterator[str]:
    exposed = whole.design[:, EXPOSED] == 1
    alone = exposed & ~whole.both_arms()
    if alone.any():
        yield (
            f"{whole.copies[alone].sum():.0f} of {whole.copies[exposed].sum():.0f} exposed deployments have no weight: "
            f"their {whole.place} holds no unexposed ones."
        )
