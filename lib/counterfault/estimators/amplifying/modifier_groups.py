"""The two sides of a planned contrast between levels of a column, as masks and columns of a regression."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from counterfault.cells import Cells
from counterfault.estimators.amplifying.exposed_groups import Group
from counterfault.estimators.poisson.cluster_robust import Floats
from counterfault.estimators.poisson.regression import HEADLINE, ModifiedPoisson
from counterfault.estimators.poisson.regression_problem import EXPOSED, NotComparableError, Problem

Levels = NDArray[Any]

REFERENCE, AMPLIFIED, REST = 0, 1, 2  # sides; the rest are levels named on neither


@dataclass(frozen=True)
class Sides:
    """Which levels of which column are compared, and what is held fixed.

    Attributes
    ----------
    column : whose levels these are.
    amplified, reference : at least one level each, none on both sides.
    adjust_for : other covariates.
    settings : of the regression, but for what it adjusts for.
    """

    column: str
    amplified: tuple[str, ...]
    reference: tuple[str, ...]
    adjust_for: tuple[str, ...] = ()
    settings: ModifiedPoisson = HEADLINE

    def __post_init__(self) -> None:
        if both := sorted(set(self.amplified) & set(self.reference)):
            raise ValueError(
                f"{', '.join(map(repr, both))} is named as amplified and as reference; each level belongs to one side."
            )
        if not self.amplified or not self.reference:
            raise ValueError("A contrast needs at least one amplified and one reference level.")

    def side_of(self, levels: Levels) -> Floats:
        """For each of these levels (m,), its side."""
        found = np.full(len(levels), REST, dtype=np.float64)
        found[np.isin(levels, self.reference)] = REFERENCE
        found[np.isin(levels, self.amplified)] = AMPLIFIED
        return found

    def named(self, side: int) -> str:
        """The levels of a side, in words: "at_peak=yes"."""
        return f"{self.column}={' or '.join(self.amplified if side == AMPLIFIED else self.reference)}"

    def exposure_by_side(self, problem: Problem, levels: Levels) -> Floats:
        """(m, 2 or 3): exposure on the reference side, on the amplified one, and at the rest where there is any."""
        side, exposed = self.side_of(levels), problem.design[:, EXPOSED]
        present = range(REST + 1 if (side == REST).any() else REST)
        return np.column_stack([exposed * (side == code) for code in present])

    def column_alone(self, levels: Levels) -> Floats:
        """(m, ·): amplified against reference, then one column for each further level."""
        side = self.side_of(levels)
        rest = [levels == level for level in dict.fromkeys(levels[side == REST])]
        return np.column_stack([side == AMPLIFIED, *rest]).astype(np.float64)

    def require_unexposed(self, problem: Problem, levels: Levels) -> None:
        """Refuse a side without unexposed deployments.

        Raises
        ------
        NotComparableError
            With the side, and what compares kinds that exposed deployments alone have.
        """
        unexposed = problem.design[:, EXPOSED] == 0
        for side in (REFERENCE, AMPLIFIED):
            if unexposed.any() and not (unexposed & (self.side_of(levels) == side)).any():
                raise NotComparableError(
                    f"There are no unexposed deployments with {self.named(side)}; kinds that exposed deployments alone "
                    "have are compared by `ExposedKinds`."
                )

    def groups(self, problem: Problem, levels: Levels) -> tuple[Group, Group]:
        """Exposed deployments of the reference side and of the amplified one."""
        side, exposed = self.side_of(levels), problem.design[:, EXPOSED] == 1
        reference, amplified = (
            Group(f"exposed deployments with {self.named(code)}", exposed & (side == code))
            for code in (REFERENCE, AMPLIFIED)
        )
        return reference, amplified


def constant_within_strata(problem: Problem, levels: Levels) -> bool:
    """Whether no stratum holds two levels."""
    codes = np.unique(levels.astype(str), return_inverse=True)[1]
    pairs = np.unique(np.column_stack([problem.strata, codes]), axis=0)
    return len(pairs) == len(np.unique(problem.strata))


def says_more_finely(problem: Problem, finer: str, coarser: str) -> bool:
    """Whether every level of one covariate lies within one level of the other."""
    pairs = problem.levels[[finer, coarser]].drop_duplicates()
    return len(pairs) == pairs[finer].nunique() and pairs[coarser].nunique() > 1


def blank_where_unexposed(cells: Cells, column: str) -> Cells:
    """The cells with the column empty at unexposed deployments; unchanged where there is no such column."""
    if column not in cells.frame:
        return cells  # refused with the list of columns, where the problem is made
    kinds = cells.frame[column].where(cells.frame["exposed"] == 1, "")
    return replace(cells, frame=cells.frame.assign(**{column: kinds}))
