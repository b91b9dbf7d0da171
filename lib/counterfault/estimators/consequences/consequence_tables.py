"""From a panel of consequences to the counts the severity estimators use."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from counterfault.cells import Cells
from counterfault.estimators.consequences.cumulative_odds import OrderedTables
from counterfault.panels import Consequences

MILDEST, WORST = 5, 1


def require(consequences: Consequences, column: str) -> None:
    """Refuse a panel without this column, or whose rows belong to no stratum or cluster.

    Raises
    ------
    ValueError
        Saying which column, and what to do.
    """
    frame = consequences.frame
    if column not in frame.columns:
        raise ValueError(
            f"The consequences have no column {column!r}: the incidents table does not fill it, so leave this analysis "
            "out."
        )
    keys = [*consequences.strata, consequences.cluster, "exposed", "failed", "n"]
    if empty := [name for name in dict.fromkeys(keys) if frame[name].isna().any()]:
        raise ValueError(
            f"The consequences have empty values in {', '.join(empty)}; a value nobody knows is a level of its own, "
            "called 'missing'."
        )


def cells_with(consequences: Consequences, event: pd.Series[bool]) -> Cells:
    """Cells of all deployments; an event is a row for which the condition holds."""
    keys = list(dict.fromkeys([*consequences.strata, consequences.cluster, *consequences.covariates, "exposed"]))
    frame = consequences.frame[[*keys, "n"]].assign(events=consequences.frame["n"].where(event, 0))
    counted = frame.groupby(keys, as_index=False, observed=True, sort=True)[["n", "events"]].sum()
    return Cells(counted, strata=consequences.strata, cluster=consequences.cluster)


def unknown_among_failed(consequences: Consequences, column: str) -> tuple[int, int]:
    """Failed deployments for which nobody said, and all failed ones."""
    failed = consequences.frame[consequences.frame["failed"] == 1]
    return int(failed.loc[failed[column].isna(), "n"].sum()), int(failed["n"].sum())


@dataclass(frozen=True, eq=False)
class OrderedOutcome:
    """Deployments by how bad the worst incident was, in strata that hold both arms.

    Attributes
    ----------
    tables : counts by category, from the mildest to the worst; categories nobody is in are merged away.
    labels : what it means to be at or beyond each cut, "severity 2 or worse".
    support : counts over everything and of what is compared.
    """

    tables: OrderedTables | None
    labels: tuple[str, ...]
    support: dict[str, int]

    @classmethod
    def of(cls, consequences: Consequences) -> OrderedOutcome:
        """All deployments but failed ones of unknown severity."""
        frame = consequences.frame
        known = frame[(frame["n"] > 0) & ((frame["failed"] == 0) | frame["severity"].notna())]
        rank = (MILDEST + 1 - known["severity"].astype("Float64")).fillna(0.0).where(known["failed"] == 1, 0.0)
        known = known.assign(_rank=rank.to_numpy(np.float64).astype(int))
        strata = list(consequences.strata)
        stratum = known.groupby(strata, observed=True).ngroup() if strata else pd.Series(0, index=known.index)
        both = known["exposed"].groupby(stratum).transform("nunique") == 2
        compared = known[both].assign(_stratum=stratum[both])
        present = sorted({0, *compared["_rank"]} if len(compared) else {0})
        support = _support(known, compared)
        if len(present) < 2:
            return cls(None, (), support)
        # Strata without an incident add nothing, and their clusters no degree of freedom.
        eventful = compared[compared["_rank"].groupby(compared["_stratum"]).transform("max") > 0]
        return cls(_tables(eventful, consequences.cluster, present), tuple(map(_at_least, present[1:])), support)


def _tables(compared: pd.DataFrame, cluster: str, present: list[int]) -> OrderedTables:
    keys = ["_stratum", cluster, "exposed"]
    wide = compared.pivot_table(index=keys, columns="_rank", values="n", aggfunc="sum", fill_value=0, observed=True)
    wide = wide.reindex(columns=present, fill_value=0)
    return OrderedTables(
        counts=wide.to_numpy(np.float64),
        exposed=wide.index.get_level_values("exposed").to_numpy() == 1,
        strata=pd.factorize(wide.index.get_level_values("_stratum"))[0],
        clusters=pd.factorize(wide.index.get_level_values(cluster))[0],
    )


def _at_least(rank: int) -> str:
    severity = MILDEST + 1 - rank
    return "severity 1" if severity == WORST else f"severity {severity} or worse"


def _support(known: pd.DataFrame, compared: pd.DataFrame) -> dict[str, int]:
    def count(frame: pd.DataFrame, **wanted: int) -> int:
        for column, value in wanted.items():
            frame = frame[frame[column] == value]
        return int(frame["n"].sum())

    return {
        "n": count(known),
        "events": count(known, failed=1),
        "exposed_events": count(known, failed=1, exposed=1),
        "exposed_total": count(known, exposed=1),
        "unexposed_events": count(known, failed=1, exposed=0),
        "unexposed_total": count(known, exposed=0),
        "n_compared": count(compared),
        "exposed_events_compared": count(compared, failed=1, exposed=1),
        "unexposed_events_compared": count(compared, failed=1, exposed=0),
    }
