"""How likely each deployment was to be exposed, and to fail, learnt from other clusters where that is possible.

Cross-fitting wants the models behind an estimate to be learnt on other data than they are applied to (Chernozhukov et
al. 2018, Econometrics Journal 21:C1), here on other *clusters*, since deployments of one service resemble each other.
But which services use AI and which are fragile is the confounding this is all about, and nobody can learn the level of
a service from other services. So the two parts of each model come from different places:

* the slopes of covariates, of which there are few and which could chase noise, from the other folds of clusters;
* the level of each stratum from the stratum itself: the one value that makes the expected number of exposed
  deployments (or of failures) in it equal to the observed one, given those slopes.

Why is the second not a leak? The score of :mod:`~counterfault.estimators.marginal.doubly_robust` multiplies Y − μ by A
− e, and e adds up to the exposed in every stratum. An error that is constant within the stratum is multiplied by Σ (A −
e) = 0 and drops out whatever it learnt from; what is left of it works through covariates only. The alternative,
predicting a service from its features alone, leaves services' own risks in, and `docs/methods/standardised.md` shows
what that does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from counterfault.estimators.marginal.glm_within_strata import LOG, LOGIT, Family, StratifiedData, fit_within_strata
from counterfault.estimators.poisson.cluster_robust import Codes, Floats
from counterfault.estimators.poisson.regression_problem import EXPOSED, NotComparableError, Problem

# Slopes are log ratios: a normal prior with SD 1 lets a level double or halve the risk freely and a twentyfold ratio
# only if the data insist.
RIDGE = 1.0


@dataclass(frozen=True, slots=True)
class Nuisance:
    """What is expected of each entry of a problem, shape (m,).

    Attributes
    ----------
    propensity : probability of exposure.
    risk_exposed, risk_unexposed : probability of an event under either exposure.
    """

    propensity: Floats
    risk_exposed: Floats
    risk_unexposed: Floats


def folds_of_clusters(problem: Problem, folds: int, dice: np.random.Generator) -> Codes:
    """(G,) the fold each cluster is in; folds differ by at most one cluster.

    The dice fall on clusters in the order of their deployments, in all and exposed: what a service is called must not
    move an estimate. Only clusters alike in both are told apart by their names.
    """
    clusters = int(problem.clusters.max()) + 1
    exposed = np.bincount(problem.clusters, problem.copies * problem.design[:, EXPOSED], clusters)
    in_order = np.lexsort((exposed, np.bincount(problem.clusters, problem.copies, clusters)))
    fold = np.empty(clusters, dtype=np.intp)
    fold[in_order] = dice.permutation(clusters) % min(folds, clusters)
    return fold


def cross_fitted(problem: Problem, fold_of_cluster: Codes) -> Nuisance:
    """Slopes from the other folds, levels from the stratum itself (see the module).

    Parameters
    ----------
    problem : entries of strata that hold exposed and unexposed deployments.
    fold_of_cluster : (G,) codes of folds. With one fold only, everything is learnt from everything.

    Raises
    ------
    NotComparableError
        When a fit does not settle.
    """
    exposed, covariates = problem.design[:, EXPOSED], np.delete(problem.design, EXPOSED, axis=1)
    slopes = _out_of_fold(LOG, problem, problem.design, problem.events, fold_of_cluster)
    # One number, so there is nothing in it to overfit; were it to differ between folds, so would the risks within a
    # stratum that spans clusters, and the answer without covariates would depend on the split.
    effect = np.average(slopes[:, EXPOSED], weights=problem.copies)
    toward_event = (covariates * np.delete(slopes, EXPOSED, axis=1)).sum(axis=1)
    base = _levels(LOG, problem, problem.events, toward_event + effect * exposed) + toward_event
    return Nuisance(
        propensity=cross_fitted_propensity(problem, fold_of_cluster),
        risk_exposed=LOG.mean(base + effect),
        risk_unexposed=LOG.mean(base),
    )


def cross_fitted_propensity(problem: Problem, fold_of_cluster: Codes) -> Floats:
    """(m,) probability of exposure alone; parameters and errors as :func:`cross_fitted`, and events do not matter."""
    exposed, covariates = problem.copies * problem.design[:, EXPOSED], np.delete(problem.design, EXPOSED, axis=1)
    slopes = _out_of_fold(LOGIT, problem, covariates, exposed, fold_of_cluster)
    index = (covariates * slopes).sum(axis=1)
    return LOGIT.mean(_levels(LOGIT, problem, exposed, index) + index)


def _out_of_fold(family: Family, problem: Problem, design: Floats, successes: Floats, fold_of_cluster: Codes) -> Floats:
    """(m, k) for each entry, the slopes fitted to the other folds."""
    folds = fold_of_cluster[problem.clusters]
    slopes = np.zeros_like(design)
    for fold in np.unique(folds):
        here = folds == fold
        slopes[here] = _slopes(family, problem, design, successes, here if here.all() else ~here)
    return slopes


def _slopes(family: Family, problem: Problem, design: Floats, successes: Floats, learnt_from: Codes) -> Floats:
    """(k,) slopes fitted to these entries; zero where their strata hold nothing to learn from."""
    usable = learnt_from & _settled(family, problem, successes * learnt_from, problem.copies * learnt_from)
    if not usable.any() or not design.shape[1]:
        return np.zeros(design.shape[1])
    fit = fit_within_strata(
        family,
        StratifiedData(
            design[usable],
            problem.copies[usable],
            successes[usable],
            np.asarray(np.unique(problem.strata[usable], return_inverse=True)[1], dtype=np.intp),
            np.zeros(int(usable.sum())),
        ),
        RIDGE,
    )
    if not fit.converged:
        raise NotComparableError("The model of exposure or risk did not settle in one of the folds.")
    return fit.slopes


def _levels(family: Family, problem: Problem, successes: Floats, offset: Floats) -> Floats:
    """(m,) the effect of each entry's stratum, under which expected and observed successes agree; −∞ where none."""
    usable = _settled(family, problem, successes, problem.copies)
    levels = np.full(len(offset), -np.inf)
    if usable.any():
        strata = np.asarray(np.unique(problem.strata[usable], return_inverse=True)[1], dtype=np.intp)
        nothing = np.empty((int(usable.sum()), 0))
        fit = fit_within_strata(
            family, StratifiedData(nothing, problem.copies[usable], successes[usable], strata, offset[usable])
        )
        if not fit.converged:
            raise NotComparableError("The level of a stratum did not settle.")
        levels[usable] = fit.effects[strata]
    return levels


def _settled(family: Family, problem: Problem, successes: Floats, copies: Floats) -> Codes:
    """Entries of strata whose effect is finite: some successes and, for a logit, some failures."""
    succeeded = np.bincount(problem.strata, successes)[problem.strata]
    total = np.bincount(problem.strata, copies)[problem.strata]
    finite = (succeeded > 0) & ((family is LOG) | (succeeded < total))
    return np.asarray(finite)
