"""The strata of some cells, sorted by the group (service, team) whose answer they belong to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from counterfault.cells import Cells
from counterfault.estimators.tables.strata import Counts, Strata

Codes = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class GroupedStrata:
    """2×2 tables within strata, and which group each lies in.

    Attributes
    ----------
    by : what a group is called, "service".
    strata : the tables; a stratum that spans groups was split between them, for a group is compared with itself.
    names : the groups, sorted.
    code : (K,) index into ``names`` of each stratum with exposed and unexposed deployments.
    """

    by: str
    strata: Strata
    names: tuple[str, ...]
    code: Codes

    @classmethod
    def of(cls, cells: Cells, by: str) -> GroupedStrata:
        """Sum the cells within group and strata.

        Raises
        ------
        ValueError
            The cells have no column ``by``; otherwise as :meth:`Strata.of`.
        """
        if by not in cells.frame.columns:
            known = ", ".join(dict.fromkeys((*cells.strata, cells.cluster)))
            raise ValueError(f"by is {by!r}, but the cells have no such column: pool over one of {known}.")
        strata = Strata.of(replace(cells, strata=(by, *(name for name in cells.strata if name != by))))
        groups = np.array([_first(key) for key in strata.keys], dtype=object)
        names, code = np.unique(groups.astype(str), return_inverse=True)
        return cls(by, strata, tuple(names.tolist()), code.reshape(-1)[strata.compared])

    @property
    def design(self) -> str:
        """Where the comparison is made before it is pooled."""
        return f"{self.strata.design}, pooled over {self.by}s"

    @cached_property
    def exposed_events(self) -> Counts:
        """Per group, in strata with both arms, shape (groups,)."""
        return self.total(self.strata.a)

    @cached_property
    def unexposed_events(self) -> Counts:
        """Per group, in strata with both arms, shape (groups,)."""
        return self.total(self.strata.c)

    def total(self, per_stratum: Counts) -> Counts:
        """Sums by group, shape (groups,)."""
        return np.bincount(self.code, per_stratum, len(self.names)).astype(np.float64)

    def support(self) -> dict[str, int]:
        """Counts over everything, and of groups by what they can say."""
        a, c = self.exposed_events > 0, self.unexposed_events > 0
        return {
            **self.strata.support,
            "groups": len(self.names),
            "groups_with_events": int((a | c).sum()),
            "groups_with_events_in_both_arms": int((a & c).sum()),
        }


def _first(key: object) -> object:
    return key[0] if isinstance(key, tuple) else key
