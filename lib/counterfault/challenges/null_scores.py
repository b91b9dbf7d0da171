"""What one specification says of any allocation of labels, without fitting it again: a score test.

A regression for each of 84 specifications and 199 shuffles takes minutes. Under the sharp null hypothesis (no
deployment would have fared otherwise with the other label) a shuffle changes the labels and nothing else, so everything
that does not look at labels is computed once: the specification is fitted *without* exposure, and with x the labels, y
the failures and μ the fitted risks,

    U = Σ x (y − μ),    V = Σ μ (x − x̂)²,    b = U / V,    z = U / √V,

where x̂ is the μ-weighted projection of x on strata and covariates (Rao 1948, Proceedings of the Cambridge Philosophical
Society 44:50). b is the first Newton step from no effect towards the log ratio. With strata alone U is also numerator
minus denominator of Mantel and Haenszel's risk ratio, and the numerator of their test, so one formula serves both
estimators: covariates enter as coefficients for the one and as further strata for the other.

Why may the permutation test use b instead of the estimate itself? A permutation p-value is exact for *any* statistic,
provided it is computed on the data as on the shuffles (Lehmann & Romano 2005, Testing Statistical Hypotheses, 3rd ed.,
section 15.2). The statistic decides only about power. b is also finite where a shuffle leaves one group without
failures and the ratio would be 0 or infinite.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from counterfault.challenges.specifications import Specification
from counterfault.counting.specification_cells import SpecificationRows
from counterfault.estimators.poisson.cluster_robust import Codes, Floats, centred_within
from counterfault.estimators.poisson.conditional_poisson import (
    fit_conditional_poisson,
    fitted_to_zero,
    identified_columns,
)

# Information is a sum of expected failures; what is left of nothing after rounding is far below this.
NOTHING = 1e-9


@dataclass(frozen=True, eq=False)
class FinestCells:
    """The deployments counted without regard to exposure, as finely as any specification looks at them.

    Attributes
    ----------
    frame : (F) keys and follow-up as integer codes, ``n``, and failures by each definition.
    of_row : (N,) the cell of each deployment.
    failed_rows : (R,) the deployments that failed by any definition: only these are looked at one by one.
    failures : (R) 0/1 column per definition.
    """

    frame: pd.DataFrame
    of_row: Codes
    failed_rows: Codes
    failures: pd.DataFrame

    @classmethod
    def of(cls, rows: SpecificationRows) -> FinestCells:
        failed = list(rows.failed.values())
        coded = rows.frame.assign(n=1, **{name: rows.frame[name].cat.codes for name in rows.keys})
        groups = coded.groupby([*rows.keys, *rows.followed.values()])
        failed_rows = np.flatnonzero(rows.frame[failed].any(axis=1))
        return cls(
            frame=groups[["n", *failed]].sum().reset_index(),
            of_row=groups.ngroup().to_numpy().astype(np.intp),
            failed_rows=failed_rows,
            failures=rows.frame[failed].iloc[failed_rows].reset_index(drop=True),
        )

    def column(self, name: str) -> Codes:
        """(F,) one column."""
        return self.frame[name].to_numpy().astype(np.intp)

    def combined(self, names: tuple[str, ...]) -> Codes:
        """(F,) codes of the combinations of these columns, from 0 without gaps."""
        codes = np.zeros(len(self.frame), dtype=np.intp)
        for name in names:
            column = self.column(name)
            codes = _without_gaps(codes * (int(column.max(initial=0)) + 1) + column)
        return codes

    def exposed_of(self, exposed: Codes) -> tuple[Floats, Floats]:
        """From labels (B, N): exposed deployments per cell (F, B), and the labels of those that failed (R, B)."""
        count = len(self.frame)
        per_cell = [np.bincount(self.of_row, labels, count) for labels in exposed]
        return np.column_stack(per_cell), exposed[:, self.failed_rows].T.astype(np.float64)


@dataclass(frozen=True, eq=False)
class NullScore:
    """One specification fitted without exposure, ready to judge labels.

    Attributes
    ----------
    risk : (C,) fitted risk of a deployment, for each combination of stratum and covariates with an expected failure.
    members : (C, F) which finest cells it sums.
    strata : (S, C) which combinations a stratum sums.
    stratum_events : (S,) failures.
    centred : (C, k) covariate columns less their weighted mean in the stratum.
    covariates_left : (k, k) inverse of their information.
    failed : (R,) 1 for deployments that failed and count here.
    """

    risk: Floats
    members: Any
    strata: Any
    stratum_events: Floats
    centred: Floats
    covariates_left: Floats
    failed: Floats

    def __call__(self, per_cell: Floats, of_failed: Floats) -> tuple[Floats, Floats]:
        """b and z for each of B allocations of labels; NaN where an allocation leaves nothing to compare.

        Parameters
        ----------
        per_cell, of_failed : (F, B) and (R, B), as :meth:`FinestCells.exposed_of` gives them.
        """
        expected = self.risk[:, None] * (self.members @ per_cell)
        score = self.failed @ of_failed - expected.sum(axis=0)
        between = ((self.strata @ expected) ** 2 / self.stratum_events[:, None]).sum(axis=0)
        shared = self.centred.T @ expected
        explained = (shared * (self.covariates_left @ shared)).sum(axis=0)
        information = expected.sum(axis=0) - between - explained
        known = information > NOTHING
        usable = np.where(known, information, 1.0)
        return np.where(known, score / usable, np.nan), np.where(known, score / np.sqrt(usable), np.nan)


def null_score(finest: FinestCells, rows: SpecificationRows, specification: Specification) -> NullScore | None:
    """The specification fitted under the null hypothesis; None where no deployment failed by its definition.

    Parameters
    ----------
    finest : the cells of ``rows``.
    specification : its strata and covariates are among the keys of ``rows``.
    """
    events, followed = rows.failed[specification.failing], rows.followed_column(specification.failing)
    failed = finest.column(events)
    inside = np.ones(len(failed), dtype=bool) if followed is None else finest.column(followed) == 1
    strata = finest.combined(specification.fixed_by_strata)
    # Strata without failures expect none and see none, under any labels.
    inside &= np.bincount(strata, failed * inside)[strata] > 0
    if not inside.any():
        return None
    chosen = np.flatnonzero(inside)
    held = (*specification.fixed_by_strata, *specification.fixed_by_regression)
    combinations = _without_gaps(finest.combined(held)[chosen])
    first = np.unique(combinations, return_index=True)[1]
    fit = _fitted(
        copies=np.bincount(combinations, finest.column("n")[chosen]).astype(np.float64),
        failed=np.bincount(combinations, failed[chosen]).astype(np.float64),
        strata=_without_gaps(strata[chosen])[first],
        design=_design([finest.column(name)[chosen][first] for name in specification.fixed_by_regression], len(first)),
    )
    counted = inside[finest.of_row[finest.failed_rows]]
    expecting = np.flatnonzero(fit.expected > 0)
    members = _sums(combinations, chosen, (len(first), len(failed)))
    strata_of = fit.strata[expecting]
    return NullScore(
        risk=(fit.expected / fit.copies)[expecting],
        members=members[expecting],
        strata=_sums(strata_of, np.arange(len(expecting)), (len(fit.stratum_events), len(expecting))),
        stratum_events=fit.stratum_events,
        centred=fit.centred[expecting],
        covariates_left=np.asarray(np.linalg.inv((fit.centred.T * fit.expected) @ fit.centred), dtype=np.float64),
        failed=finest.failures[events].to_numpy(np.float64) * counted,
    )


@dataclass(frozen=True, eq=False)
class _Fit:
    """The fit without exposure, one entry per combination of stratum and covariates."""

    strata: Codes
    copies: Floats
    expected: Floats
    centred: Floats
    stratum_events: Floats


def _fitted(copies: Floats, failed: Floats, strata: Codes, design: Floats) -> _Fit:
    stratum_events = np.bincount(strata, failed).astype(np.float64)
    expected = copies * (stratum_events / np.bincount(strata, copies))[strata]
    columns = identified_columns(design, strata, range(design.shape[1]))
    if columns:
        expected, columns = _with_covariates(design, columns, copies, failed, strata)
    centred = centred_within(design[:, columns], expected, strata) if columns else np.zeros((len(copies), 0))
    return _Fit(strata, copies, expected, centred, stratum_events)


def _with_covariates(
    design: Floats, columns: list[int], copies: Floats, failed: Floats, strata: Codes
) -> tuple[Floats, list[int]]:
    """Expected failures, and the columns that have a coefficient; a level on which nothing falls expects nothing."""
    possible = ~fitted_to_zero(design[:, columns], failed, strata)
    left = np.unique(strata[possible], return_inverse=True)[1]
    columns = identified_columns(design[possible], left, columns)
    expected = np.zeros(len(copies))
    fit = fit_conditional_poisson(design[possible][:, columns], copies[possible], failed[possible], left)
    expected[possible] = fit.expected
    return expected, columns


def _design(covariates: list[Codes], height: int) -> Floats:
    """A 0/1 column for each level of each covariate but one."""
    columns = [(column[:, None] == np.unique(column)[1:]).astype(np.float64) for column in covariates]
    return np.hstack([np.zeros((height, 0)), *columns])


def _without_gaps(codes: Codes) -> Codes:
    return np.asarray(np.unique(codes, return_inverse=True)[1], dtype=np.intp)


def _sums(into: Codes, which: Codes, shape: tuple[int, int]) -> Any:
    """(shape) matrix that adds up entries ``which`` in the places ``into``."""
    return csr_array((np.ones(len(which)), (into, which)), shape=shape)
