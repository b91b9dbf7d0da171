"""Are exposed and unexposed deployments alike enough to be compared, and how alike does weighting make them?

Diagnostics, to be read before any effect: they look at exposure and covariates and never at incidents. The propensity
is the one the estimator uses, :func:`~counterfault.estimators.marginal.propensity.cross_fitted_propensity`: levels of
strata from themselves, slopes from other clusters.

References
----------
Walker et al. (2013), Comparative Effectiveness Research 3:11 (preference score, equipoise); Austin (2009), Statistics
in Medicine 28:3083 (standardised difference); Li, Morgan & Zaslavsky (2018), JASA 113:390 (overlap weights).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from counterfault.cells import Cells
from counterfault.display import card
from counterfault.display.words import percent
from counterfault.estimators.marginal.glm_within_strata import LOGIT
from counterfault.estimators.marginal.propensity import cross_fitted_propensity, folds_of_clusters
from counterfault.estimators.poisson.cluster_robust import Floats
from counterfault.estimators.poisson.conditional_poisson import Mask
from counterfault.estimators.poisson.regression_problem import EXPOSED, Problem, problem_of

__all__ = ["Overlap", "balance", "overlap"]

_EQUIPOISE = (0.3, 0.7)


@dataclass(frozen=True, slots=True)
class Overlap:
    """How much of the data can be compared; shares lie in 0 to 1 and are NaN where there is nobody to share.

    Attributes
    ----------
    exposed, unexposed : deployments.
    with_counterpart : share of exposed deployments whose stratum holds unexposed ones.
    common_support : share of exposed deployments whose propensity lies between the lowest and the highest of the
        unexposed.
    equipoise : share of all deployments with a preference score from 0.3 to 0.7: the propensity, its odds divided by
        those of exposure overall, so that one half means "as likely as not, given how common exposure is". Deployments
        in strata without both groups count as outside.
    effective_exposed, effective_unexposed : deployments that would say as much if all weighed the same: (Σw)²/Σw² with
        overlap weights (Kish 1965).
    """

    exposed: int
    unexposed: int
    with_counterpart: float
    common_support: float
    equipoise: float
    effective_exposed: float
    effective_unexposed: float

    def _repr_html_(self) -> str:
        return card(
            "Overlap",
            "How much of the data holds both kinds of deployment that were about as likely to be AI-assisted.",
            facts={
                "AI-assisted deployments": self.exposed,
                "others": self.unexposed,
                "with a counterpart in their stratum": percent(self.with_counterpart),
                "on common support": percent(self.common_support),
                "in equipoise": percent(self.equipoise),
                "worth as many AI-assisted ones": self.effective_exposed,
                "worth as many others": self.effective_unexposed,
            },
            then=("cf.balance(cells, confounders)",),
        )


def overlap(cells: Cells, adjust_for: tuple[str, ...] = (), *, folds: int = 5, seed: int = 20180125) -> Overlap:
    """How much of the data holds exposed and unexposed deployments that were about as likely to be exposed?

    Parameters
    ----------
    cells : the counts; events are not looked at.
    adjust_for : covariate columns that the propensity depends on besides the stratum.
    folds, seed : of the cross-fit over clusters, one split.

    Raises
    ------
    ValueError
        When a column does not exist or holds missing values.

    Examples
    --------
    >>> found = cf.overlap(study.cells, study.confounders)
    >>> table = cf.showing.overlap_table(found, cf.balance(study.cells, study.confounders))
    """
    problem = problem_of(cells, adjust_for)
    exposed = problem.design[:, EXPOSED] == 1
    both, e = problem.both_arms(), _propensity(problem, folds, seed)
    copies = problem.copies
    treated, others = float(copies[exposed].sum()), float(copies[~exposed].sum())
    compared = e[both & ~exposed]
    supported = both & exposed & (e >= compared.min(initial=np.inf)) & (e <= compared.max(initial=-np.inf))
    weight = np.where(exposed, 1 - e, e)
    return Overlap(
        exposed=int(treated),
        unexposed=int(others),
        with_counterpart=_share(copies[exposed & both].sum(), treated),
        common_support=_share(copies[supported].sum(), treated),
        equipoise=_share(copies[both & _in_equipoise(e, treated, others)].sum(), treated + others),
        effective_exposed=_effective(weight, copies, both & exposed),
        effective_unexposed=_effective(weight, copies, both & ~exposed),
    )


def balance(
    cells: Cells,
    adjust_for: tuple[str, ...] = (),
    *,
    check: tuple[str, ...] = (),
    folds: int = 5,
    seed: int = 20180125,
) -> pd.DataFrame:
    """How far apart are the groups at every level of every column, before weighting and after?

    Parameters
    ----------
    cells : the counts; events are not looked at.
    adjust_for : covariate columns that the propensity depends on besides the stratum.
    check : further columns to judge, which the propensity does not know.
    folds, seed : of the cross-fit over clusters, one split.

    Returns
    -------
    One row per level of the strata's columns, of ``adjust_for`` and of ``check``: ``column``, ``level``, ``exposed``
    and ``unexposed`` (shares at this level), ``difference`` (standardised), ``weighted_exposed``,
    ``weighted_unexposed``, ``weighted_difference``. Differences are divided by the root of the mean of both groups'
    variances before weighting, so that weighting cannot shrink them by widening the groups; NaN where the groups have
    no variance or no deployment. Beyond 0.1 in size is commonly called imbalance.

    Raises
    ------
    ValueError
        When a column does not exist or holds missing values.

    Examples
    --------
    >>> levels = cf.balance(study.cells, study.confounders)
    >>> table = cf.showing.overlap_table(cf.overlap(study.cells, study.confounders), levels)
    """
    problem = problem_of(cells, adjust_for)
    finer = problem_of(cells, (*adjust_for, *cells.strata, *check))
    e = _on_finer_entries(problem, finer, _propensity(problem, folds, seed))
    exposed = finer.design[:, EXPOSED] == 1
    weight = np.where(finer.both_arms(), np.where(exposed, 1 - e, e), 0.0)
    columns = list(dict.fromkeys([*cells.strata, *adjust_for, *check]))
    rows = [
        {"column": column, "level": level, **_difference(finer, (finer.levels[column] == level).to_numpy(), weight)}
        for column in columns
        for level in sorted(finer.levels[column].unique(), key=str)
    ]
    return pd.DataFrame(rows, columns=["column", "level", *_FIGURES])


_FIGURES = (
    "exposed",
    "unexposed",
    "difference",
    "weighted_exposed",
    "weighted_unexposed",
    "weighted_difference",
)


def _propensity(problem: Problem, folds: int, seed: int) -> Floats:
    """(m,) probability of exposure; 0 or 1 in strata that hold one group only."""
    e = problem.design[:, EXPOSED].copy()
    both = problem.both_arms()
    if both.any():
        compared = problem.only(both)
        e[both] = cross_fitted_propensity(compared, folds_of_clusters(compared, folds, np.random.default_rng(seed)))
    return e


def _in_equipoise(e: Floats, exposed: float, unexposed: float) -> Mask:
    inside: Mask = np.zeros(len(e), dtype=bool)
    open_to_both = (e > 0) & (e < 1)
    if open_to_both.any():
        overall = np.log(exposed / unexposed)
        preference = LOGIT.mean(LOGIT.link(e[open_to_both]) - overall)
        inside[open_to_both] = (preference >= _EQUIPOISE[0]) & (preference <= _EQUIPOISE[1])
    return inside


def _effective(weight: Floats, copies: Floats, group: Mask) -> float:
    squares = float((copies * weight**2)[group].sum())
    return float((copies * weight)[group].sum()) ** 2 / squares if squares > 0 else 0.0


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")


def _on_finer_entries(problem: Problem, finer: Problem, values: Floats) -> Floats:
    """The value of each entry of ``problem`` for the entries of ``finer`` that are parts of it."""
    names = list(problem.levels.columns)
    keys = ["stratum", "cluster", "exposed", *names]
    tables = [
        one.levels[names].assign(stratum=one.strata, cluster=one.clusters, exposed=one.design[:, EXPOSED])
        for one in (problem, finer)
    ]
    found = tables[1].merge(tables[0].assign(value=values), on=keys, how="left", validate="many_to_one")
    return found["value"].to_numpy(np.float64)


def _difference(problem: Problem, at_level: Mask, weight: Floats) -> dict[str, float]:
    exposed = problem.design[:, EXPOSED] == 1
    plain = [_mean(at_level, problem.copies * arm) for arm in (exposed, ~exposed)]
    weighted = [_mean(at_level, problem.copies * weight * arm) for arm in (exposed, ~exposed)]
    spread = float(np.sqrt(sum(share * (1 - share) for share in plain) / 2))
    by_spread = [(over - under) / spread if spread > 0 else float("nan") for over, under in (plain, weighted)]
    return dict(zip(_FIGURES, (*plain, by_spread[0], *weighted, by_spread[1]), strict=True))


def _mean(values: Mask, weights: Floats) -> float:
    return _share(float((weights * values).sum()), float(weights.sum()))
