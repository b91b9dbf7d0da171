"""The odds ratio at equal service, calendar period and covariates: logistic regression from cells.

Main effects instead of strata: a service has one level of risk and a period another, and their effects add on the
log-odds scale. That spends far fewer coefficients than service × period, and believes more. Where the additive
effects are many for the incidents there are, their estimation itself biases the odds ratio away from 1
(:mod:`~counterfault.estimators.odds.conditional_logistic` conditions on them instead).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from counterfault.cells import COUNTS, Cells
from counterfault.estimate import Estimand, Estimate, not_estimable
from counterfault.estimators.odds.irls import Family, GlmFit, fit_glm
from counterfault.estimators.odds.odds_problem import informative
from counterfault.estimators.poisson.cluster_robust import NOT_ABSORBED, SmallSample, WorkingModel, cluster_robust
from counterfault.estimators.poisson.regression_problem import EXPOSED, NotComparableError, Problem, problem_of
from counterfault.estimators.poisson.robust_limits import (
    RobustLimits,
    few_degrees,
    require_clusters,
    require_level,
    robust_limits,
)
from counterfault.estimators.poisson.within_strata import few_clusters

__all__ = ["ID", "LogisticRegression"]

ID = "regression.odds_ratio"
CONDITIONAL = "`regression.odds_ratio.conditional`"
_MOST_DUMMIES = 300  # the sandwich inverts a dense matrix of this order, cluster by cluster
_FEWEST_PER_COEFFICIENT = 10  # Peduzzi et al. 1996, Journal of Clinical Epidemiology 49:1373
_COMMON = 0.1


@dataclass(frozen=True)
class LogisticRegression:
    """By what factor do the odds of an incident differ after exposed deployments, at equal effects and covariates?

    Parameters
    ----------
    effects : columns of ``cells.frame`` whose levels each have an additive effect on the log odds; the columns
        of ``cells.strata`` by default. The one with most levels among those that lie within clusters is absorbed,
        so it may have thousands; the others and ``adjust_for`` may have 300 levels together.
    adjust_for : covariate columns, likewise additive; "missing" is a level of its own.
    small_sample : correction of the covariance for few clusters. CR2 comes with Satterthwaite degrees of
        freedom; CR0 and CR1 (factor G/(G−1)) with G−1, G being the clusters that enter the fit.
    at_least_model : whether the interval is widened to that of independent deployments where that is wider.

    Notes
    -----
    Calling it with cells and a confidence level returns an :class:`~counterfault.estimate.Estimate` of the odds
    ratio, id ``regression.odds_ratio``, limits exp(b ± t·se). Its ``support`` counts what enters the fit;
    ``coefficients`` are those estimated, absorbed ones included. When there is no estimate, it counts everything.

    Assumed: effects add on the log-odds scale and do not interact; one odds ratio for all; clusters are
    independent of one another; enough incidents per coefficient (a caveat says when not). Levels that hold events
    only or none, and combinations that separate, are set aside and named: the ratio is the limit of the full fit.

    Raises
    ------
    ValueError
        When a column does not exist or holds missing values, or the level is not in (0, 1).

    References
    ----------
    McCullagh & Nelder (1989), Generalized Linear Models, chapter 4. Covariance:
    :mod:`~counterfault.estimators.poisson.cluster_robust`.
    """

    effects: tuple[str, ...] | None = None
    adjust_for: tuple[str, ...] = ()
    small_sample: SmallSample = SmallSample.CR2
    at_least_model: bool = False

    def __call__(self, cells: Cells, level: float = 0.95) -> Estimate:
        require_level(level)
        effects = tuple(dict.fromkeys(cells.strata if self.effects is None else self.effects))
        _require_columns(cells, effects)
        absorbed = _absorbable(cells, effects)
        try:
            found = self._estimate(cells, effects, absorbed, level)
        except NotComparableError as reason:
            found = not_estimable(
                Estimand.ODDS_RATIO,
                str(reason),
                method=_model(effects, absorbed),
                level=level,
                support={**cells.two_by_two().support(), "clusters": _clusters_in(cells)},
            )
        return found.named(ID, design=_design(effects), adjustment=self.adjust_for)

    def _estimate(self, cells: Cells, effects: tuple[str, ...], absorbed: tuple[str, ...], level: float) -> Estimate:
        dummies = tuple(name for name in (*effects, *self.adjust_for) if name not in absorbed)
        _require_few_levels(cells, dummies)
        whole = problem_of(replace(cells, strata=absorbed), dummies)
        used = informative(whole)
        require_clusters(used)
        fit = fit_glm(used.design, used.events, used.copies, Family.BINOMIAL, used.strata)
        if not fit.converged:
            raise NotComparableError("The fit did not settle: the log-likelihood is too flat to have a maximum.")
        limits = self._limits(used, fit, level, absorbed=bool(absorbed))
        coefficients = used.design.shape[1] + int(used.strata.max()) + 1
        return Estimate(
            estimand=Estimand.ODDS_RATIO,
            value=limits.ratio,
            interval=limits.interval(level),
            method=f"{_model(effects, absorbed)}; {limits.sentence(self.small_sample, cells.cluster)}",
            support=_support(used, coefficients, _clusters_in(cells)),
            p_value=limits.p_value,
            standard_error=limits.error,
            caveats=(
                *few_clusters(used),
                *few_degrees(limits),
                *_sparse(used, coefficients),
                *common_outcome(whole),
                *used.notes,
            ),
        )

    def _limits(self, used: Problem, fit: GlmFit, level: float, *, absorbed: bool) -> RobustLimits:
        model = _working_model(used, fit, absorbed=absorbed)
        contrast = np.zeros((model.design.shape[1], 1))
        contrast[EXPOSED] = 1
        sandwich = cluster_robust(model, self.small_sample, contrast)
        log_ratio = float(fit.coefficients[EXPOSED])
        return robust_limits(log_ratio, sandwich, level, used.cluster, at_least_model=self.at_least_model)


def common_outcome(whole: Problem) -> Iterator[str]:
    """Say so when incidents are too common for an odds ratio to be read as a risk ratio."""
    share = float(whole.events.sum() / whole.copies.sum())
    if share > _COMMON:
        yield f"Incidents followed {share:.0%} of deployments: the odds ratio lies further from 1 than the risk ratio."


def _working_model(used: Problem, fit: GlmFit, *, absorbed: bool) -> WorkingModel:
    # An intercept common to all clusters ties their residuals together, so it stays in the design.
    intercept = np.empty((len(used.design), 0)) if absorbed else np.ones((len(used.design), 1))
    return WorkingModel(
        design=np.hstack([used.design, intercept]),
        variances=fit.rate * (1 - fit.rate),
        residuals=used.events / used.copies - fit.rate,
        copies=used.copies,
        clusters=used.clusters,
        absorbed=used.strata if absorbed else np.full(len(used.design), NOT_ABSORBED),
    )


def _absorbable(cells: Cells, effects: tuple[str, ...]) -> tuple[str, ...]:
    """The effect with most levels among those whose levels each lie within one cluster, if there is any."""
    counted = cells.frame.loc[cells.frame["n"] > 0]
    clusters = {name: counted.groupby(name, observed=True)[cells.cluster].nunique() for name in effects}
    nested = {name: len(found) for name, found in clusters.items() if len(found) and found.max() == 1}
    return (max(nested, key=nested.__getitem__),) if nested else ()


def _require_columns(cells: Cells, effects: tuple[str, ...]) -> None:
    known = [name for name in cells.frame.columns if name not in {"exposed", *COUNTS}]
    if unknown := [name for name in effects if name not in known]:
        raise ValueError(f"No effect of {', '.join(unknown)} can be fitted: the cells have {', '.join(known)}.")


def _require_few_levels(cells: Cells, dummies: tuple[str, ...]) -> None:
    levels = {name: cells.frame[name].nunique() for name in dummies if name in cells.frame}
    if sum(levels.values()) > _MOST_DUMMIES:
        most = max(levels, key=levels.__getitem__)
        raise NotComparableError(
            f"{', '.join(levels)} have {sum(levels.values())} levels together, and this regression takes "
            f"{_MOST_DUMMIES}: make {most} part of the strata and condition on it ({CONDITIONAL}), or coarsen it."
        )


def _sparse(used: Problem, coefficients: int) -> Iterator[str]:
    rarer = min(float(used.events.sum()), float((used.copies - used.events).sum()))
    if rarer < _FEWEST_PER_COEFFICIENT * coefficients:
        yield (
            f"{coefficients} coefficients rest on {rarer:.0f} {_rarer_outcome(used)}; below {_FEWEST_PER_COEFFICIENT} "
            f"for each, estimating them pushes the odds ratio away from 1. {CONDITIONAL} has no such bias."
        )


def _rarer_outcome(used: Problem) -> str:
    return "incidents" if 2 * used.events.sum() <= used.copies.sum() else "deployments without one"


def _support(used: Problem, coefficients: int, clusters: int) -> dict[str, int]:
    counts = {name: count for name, count in used.support().items() if name != "strata"}
    return {**counts, "coefficients": coefficients, "clusters": clusters}


def _model(effects: tuple[str, ...], absorbed: tuple[str, ...]) -> str:
    if not effects:
        return "logistic regression"
    how = f" ({absorbed[0]} absorbed)" if absorbed else ""
    return f"logistic regression, additive effects of {' + '.join(effects)}{how}"


def _design(effects: tuple[str, ...]) -> str:
    return "at equal " + " + ".join(effects) if effects else "across all deployments"


def _clusters_in(cells: Cells) -> int:
    return int(cells.frame.loc[cells.frame["n"] > 0, cells.cluster].nunique())
