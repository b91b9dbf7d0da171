"""The strata of some cells: which of them compare anything, and what a reader must know about the rest."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from counterfault.cells import Cells, TwoByTwo

Counts = NDArray[np.float64]

# Above this share of exposed deployments without a counterpart, the answer is about a minority of them.
MOST = 0.5
# Below this many events in a group, limits that lean on a normal approximation are rough.
FEW_EVENTS = 5


@dataclass(frozen=True, eq=False)
class Strata:
    """One 2×2 table per stratum, and those among them that hold deployments of both groups.

    Attributes
    ----------
    columns : names of the columns that define a stratum.
    keys : the stratum of each row of ``counts``.
    counts : exposed events, exposed total, unexposed events, unexposed total; shape (strata, 4).
    a, n1 : events and deployments among the exposed, per stratum with both groups, shape (K,).
    c, n0 : the same among the unexposed, shape (K,).
    """

    columns: tuple[str, ...]
    keys: tuple[Hashable, ...]
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, cells: Cells) -> Strata:
        """Sum the cells within their strata.

        Raises
        ------
        ValueError
            A cell lacks a stratum value or has more events than deployments; counting it in no stratum, or
            believing it, would change the answer without a word.
        """
        _require_a_stratum_each(cells)
        tables = cells.tables() if cells.strata else pd.DataFrame([cells.two_by_two()])
        counts = tables[list(TwoByTwo._fields)].to_numpy(dtype=np.int64)
        strata = cls(cells.strata, tuple(tables.index.tolist()), counts)
        strata._require_possible_counts()
        return strata

    @cached_property
    def compared(self) -> NDArray[np.bool_]:
        """Which strata hold deployments of both groups; no other says anything about a contrast."""
        return np.asarray((self.counts[:, 1] > 0) & (self.counts[:, 3] > 0))

    @cached_property
    def tables(self) -> tuple[TwoByTwo, ...]:
        """The compared strata one by one, in Python integers."""
        return tuple(TwoByTwo(*row) for row in self.counts[self.compared].tolist())

    @cached_property
    def a(self) -> Counts:
        return self._column(0)

    @cached_property
    def n1(self) -> Counts:
        return self._column(1)

    @cached_property
    def c(self) -> Counts:
        return self._column(2)

    @cached_property
    def n0(self) -> Counts:
        return self._column(3)

    @property
    def size(self) -> Counts:
        """Deployments per compared stratum, shape (K,)."""
        return self.n1 + self.n0

    @property
    def events(self) -> Counts:
        """Events per compared stratum, shape (K,)."""
        return self.a + self.c

    @property
    def weight(self) -> Counts:
        """Mantel–Haenszel weight ``n₁n₀/N`` per compared stratum, shape (K,)."""
        return self.n1 * self.n0 / self.size

    @property
    def design(self) -> str:
        return f"within {' × '.join(self.columns)}" if self.columns else "all services together"

    @cached_property
    def support(self) -> dict[str, int]:
        """Counts over everything, then of strata and of what is left where both groups are present."""
        everything = TwoByTwo(*self.counts.sum(axis=0).tolist())
        return {
            **everything.support(),
            "strata": len(self.counts),
            "strata_both_arms": len(self.tables),
            "informative_strata": int((self.events > 0).sum()),
            "n_compared": int(self.size.sum()),
            "events_compared": int(self.events.sum()),
            "exposed_compared": int(self.n1.sum()),
        }

    def informative(self) -> Iterator[tuple[str, TwoByTwo]]:
        """Label and table of each compared stratum with at least one event."""
        keys = (key for key, compared in zip(self.keys, self.compared, strict=True) if compared)
        for key, table in zip(keys, self.tables, strict=True):
            if table.exposed_events + table.unexposed_events:
                yield self._label(key), table

    def silence(self) -> str:
        """Why these strata can say nothing about any measure; empty if they can."""
        for group in ("exposed", "unexposed"):
            if not self.support[f"{group}_total"]:
                return f"no {group} deployments, so there is nothing to compare"
        if self.tables:
            return ""
        return (
            f"no stratum (of {len(self.counts)}) holds both exposed and unexposed deployments, so nothing can be "
            f"compared {self.design}"
        )

    def caveats(self) -> tuple[str, ...]:
        """What limits the comparison whatever the measure."""
        return tuple(caveat for caveat in (self.left_out(), self._few_events()) if caveat)

    def left_out(self) -> str:
        """How many exposed deployments have nobody to be compared with, if they are the most; else empty."""
        exposed = self.support["exposed_total"]
        alone = exposed - self.support["exposed_compared"]
        if alone <= MOST * exposed:
            return ""
        return (
            f"{alone} of {exposed} exposed deployments ({alone / exposed:.0%}) are in strata without unexposed ones: "
            "the comparison says nothing about them"
        )

    def _few_events(self) -> str:
        exposed, unexposed = int(self.a.sum()), int(self.c.sum())
        if min(exposed, unexposed) >= FEW_EVENTS:
            return ""
        return (
            f"the strata compared hold {exposed} exposed and {unexposed} unexposed events: with fewer than "
            f"{FEW_EVENTS} in a group, read the exact odds ratio beside this"
        )

    def _label(self, key: Hashable) -> str:
        values = key if isinstance(key, tuple) else (key,)
        return ", ".join(f"{column}={value}" for column, value in zip(self.columns, values, strict=False)) or "all"

    def _column(self, position: int) -> Counts:
        return np.asarray(self.counts[self.compared, position], dtype=np.float64)

    def _require_possible_counts(self) -> None:
        for group, events, total in (("exposed", 0, 1), ("unexposed", 2, 3)):
            impossible = (self.counts[:, events] < 0) | (self.counts[:, events] > self.counts[:, total])
            if impossible.any():
                row = int(impossible.argmax())
                raise ValueError(
                    f"stratum {self._label(self.keys[row])} has {self.counts[row, events]} events in "
                    f"{self.counts[row, total]} {group} deployments: `events` counts deployments with at least one "
                    "event, so it lies between 0 and `n`"
                )


def _require_a_stratum_each(cells: Cells) -> None:
    for column in (*cells.strata, "exposed"):
        missing = cells.frame[column].isna()
        if missing.any():
            raise ValueError(
                f"{int(missing.sum())} of {len(cells.frame)} cells have no value in {column!r}: give missing values "
                'a level of their own, such as "missing", or leave those cells out'
            )
