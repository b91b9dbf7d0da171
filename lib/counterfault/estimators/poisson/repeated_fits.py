"""The headline's regression over and over on the same deployments, with exposure and failures dealt out anew.

:class:`~counterfault.estimators.poisson.regression.ModifiedPoisson` codes its table, asks what can be compared, fits,
and walks through the clusters for its error; each is right for one report and slow for a thousand. Here the table is
coded once, the question is asked the short way where the short way is enough, and the error comes from
:mod:`~counterfault.estimators.poisson.nested_sandwich` where strata lie inside clusters. The figures are the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from counterfault.cells import Cells
from counterfault.estimators.poisson.cluster_robust import Codes, Floats, Sandwich, WorkingModel, cluster_robust
from counterfault.estimators.poisson.conditional_poisson import fit_conditional_poisson
from counterfault.estimators.poisson.nested_sandwich import nested_sandwich
from counterfault.estimators.poisson.regression_problem import (
    EXPOSED,
    NotComparableError,
    Problem,
    comparable,
    problem_of,
)
from counterfault.estimators.poisson.robust_limits import RobustLimits, robust_limits

Counts: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Refit:
    """One fit: the log ratio and its covariance, from which limits at any level follow."""

    log_ratio: float
    sandwich: Sandwich
    cluster: str

    def limits(self, level: float) -> RobustLimits | None:
        """As the headline draws them, never narrower than for independent deployments; None where clusters all agree.

        Parameters
        ----------
        level : confidence level, two-sided.
        """
        try:
            return robust_limits(self.log_ratio, self.sandwich, level, self.cluster, at_least_model=True)
        except NotComparableError:
            return None


@dataclass(frozen=True, slots=True)
class RepeatedFits:
    """Deployments of one organisation by pattern (stratum, cluster and covariate levels), ready to be fitted often.

    Attributes
    ----------
    patterns : one row for each of C patterns, as :func:`patterns_of` gives them.
    whole : two entries for each pattern, unexposed before exposed.
    nested : whether every stratum lies inside one cluster.
    """

    patterns: pd.DataFrame
    whole: Problem
    nested: bool

    @classmethod
    def of(cls, patterns: pd.DataFrame, cells: Cells, adjust_for: tuple[str, ...]) -> RepeatedFits:
        """The patterns coded once.

        Parameters
        ----------
        patterns : of ``cells``, or some strata of them.
        cells : say what stratum and cluster are.
        adjust_for : covariate columns, each level with a risk of its own.

        Raises
        ------
        ValueError
            When a column is absent or holds missing values.
        """
        # `problem_of` sorts its entries its own way: the number of the pattern travels with them as their count.
        numbered = patterns.assign(n=np.arange(len(patterns)) + 1)
        both_arms = pd.concat([numbered.assign(exposed=arm) for arm in (0, 1)])
        coded = problem_of(replace(cells, frame=both_arms), adjust_for)
        order = np.lexsort((coded.design[:, EXPOSED], coded.copies))
        pairs = np.unique(np.column_stack([coded.strata, coded.clusters]), axis=0)
        nested = len(pairs) == coded.strata.max() + 1
        strata, clusters = coded.strata[order], coded.clusters[order]
        whole = replace(
            coded,
            design=coded.design[order],
            levels=pd.DataFrame(index=range(len(order))),  # only named in notes, and nobody reads those of a run
            strata=_in_order(strata) if nested else strata,
            clusters=_in_order(clusters),
        )
        return cls(patterns, whole, nested)

    def __call__(self, exposed: Counts, exposed_failures: Counts, unexposed_failures: Counts) -> Refit | None:
        """The fit to one way of dealing exposure and failures to these deployments.

        Parameters
        ----------
        exposed : (C,) exposed deployments of each pattern.
        exposed_failures, unexposed_failures : (C,) failed ones among them and among the others.

        Returns
        -------
        None where these data give no ratio, as when all failures fall on one arm.
        """
        dealt = replace(
            self.whole,
            copies=np.column_stack([self.patterns["n"] - exposed, exposed]).ravel().astype(np.float64),
            events=np.column_stack([unexposed_failures, exposed_failures]).ravel().astype(np.float64),
        )
        try:
            used = _comparable_quickly(dealt) or comparable(dealt.only(dealt.copies > 0))
        except NotComparableError:
            return None
        fit = fit_conditional_poisson(used.design, used.copies, used.events, used.strata)
        if not fit.converged:
            return None
        return Refit(float(fit.coefficients[EXPOSED]), self._sandwich(used, fit.expected), used.cluster)

    def _sandwich(self, used: Problem, expected: Floats) -> Sandwich:
        if self.nested:
            mean = expected / used.copies
            residuals = used.events / used.copies - mean
            model = WorkingModel(used.design, mean, residuals, used.copies, used.clusters, used.strata)
            if found := nested_sandwich(model):
                return found
        return cluster_robust(used.working_model(expected), contrasts=used.contrast_of_exposure())


def patterns_of(cells: Cells, adjust_for: tuple[str, ...]) -> pd.DataFrame:
    """Deployments by cluster, stratum and covariate levels, sorted by these: ``n``, ``events`` and ``exposed`` ones.

    Parameters
    ----------
    cells : the counts.
    adjust_for : covariate columns to tell apart.
    """
    keys = list(dict.fromkeys([cells.cluster, *cells.strata, *adjust_for]))
    counts = cells.frame.assign(exposed=cells.frame["exposed"] * cells.frame["n"])
    summed = counts.groupby(keys, observed=True, sort=True)[["n", "events", "exposed"]].sum()
    return summed[summed["n"] > 0].reset_index()


def _in_order(codes: Codes) -> Codes:
    """Codes from 0 in the order they first appear; equal ones must stand together."""
    return np.cumsum(np.diff(codes, prepend=codes[0]) != 0)


def _comparable_quickly(dealt: Problem) -> Problem | None:
    """What :func:`comparable` would leave, where entries with failures alone settle that nothing need be set aside.

    If the entries with failures differ within strata in every direction of the design, then no coefficient runs away
    and each can be told apart from the others. Strata without a failure, and entries without deployments, say nothing.
    """
    failed = dealt.events > 0
    with_failures = np.bincount(dealt.strata, failed) > 0
    kept = (dealt.copies > 0) & with_failures[dealt.strata]
    reference = np.zeros(len(with_failures), dtype=np.intp)
    reference[dealt.strata[failed]] = np.flatnonzero(failed)
    difference = (dealt.design - dealt.design[reference[dealt.strata]])[failed]
    if np.linalg.eigvalsh(difference.T @ difference)[0] < 1e-6:  # sums of products of −1, 0 and 1: whole numbers
        return None
    used = replace(
        dealt,
        design=dealt.design[kept],
        copies=dealt.copies[kept],
        events=dealt.events[kept],
        strata=np.unique(dealt.strata[kept], return_inverse=True)[1],
        clusters=_in_order(dealt.clusters[kept]),
    )
    return used if min(used.clusters_compared()) >= 2 else None
