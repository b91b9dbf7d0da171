"""Failed deployments with a time attached, as arrays; and deployments by whether they failed at peak, as cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from counterfault.cells import Cells
from counterfault.estimators.poisson.cluster_robust import Codes, Floats
from counterfault.estimators.poisson.regression_problem import NotComparableError
from counterfault.estimators.timing.event_times import UNSTRATIFIED, codes_of
from counterfault.estimators.timing.risk_sets import Mask
from counterfault.panels import Consequences


@dataclass(frozen=True)
class Failures:
    """Failed deployments for which a time is known.

    Attributes
    ----------
    hours : (m,) not negative.
    complete : (m,) whether the time is the whole, or what had passed when the data end.
    exposed, copies, strata, clusters : (m,) as in :class:`~counterfault.estimators.timing.event_times.EventTimes`.
    place, cluster : what a stratum and a cluster are called.
    failed : failed deployments, those without a known time included.
    """

    hours: Floats
    complete: Mask
    exposed: Mask
    copies: Floats
    strata: Codes
    clusters: Codes
    place: str
    cluster: str
    failed: int

    def support(self) -> dict[str, int]:
        """Counts of what has a time, and of what has failed."""
        return {
            "n": int(self.copies.sum()),
            "exposed_total": int(self.copies[self.exposed].sum()),
            "unexposed_total": int(self.copies[~self.exposed].sum()),
            "failed": self.failed,
            "strata": len(np.unique(self.strata)),
            "clusters": len(np.unique(self.clusters)),
        }

    def unknown(self, what: str) -> tuple[str, ...]:
        """How many failures have no time, if any."""
        missing = self.failed - int(self.copies.sum())
        note = f"of {missing} of {self.failed} failed deployments nobody said {what}: they are left out"
        return (note,) if missing else ()


def failures_of(panel: Consequences, hours: str, complete: str | None = None) -> Failures:
    """The failed deployments of a panel with a value in the column ``hours``.

    Raises
    ------
    NotComparableError
        The column is absent: the incidents table cannot fill it.
    ValueError
        A column holds impossible values or lacks needed ones.
    """
    require_usable(panel)
    failed = panel.frame[(panel.frame["failed"] == 1) & (panel.frame["n"] > 0)]
    for column in (hours, complete):
        if column is not None and column not in failed:
            raise NotComparableError(f"The incidents do not say {column.replace('_', ' ')}.")
    known = failed[failed[hours].notna()]
    values = known[hours].to_numpy(np.float64)
    if (values < 0).any():
        raise ValueError(f"Consequences have {values.min():g} in {hours!r}; hours from a beginning are not negative.")
    done = np.ones(len(known), dtype=bool) if complete is None else (known[complete] == 1).to_numpy(dtype=bool)
    return Failures(
        hours=values,
        complete=done,
        exposed=(known["exposed"] == 1).to_numpy(dtype=bool),
        copies=known["n"].to_numpy(np.float64),
        strata=codes_of(known, panel.strata),
        clusters=codes_of(known, (panel.cluster,)),
        place=" × ".join(panel.strata) or UNSTRATIFIED,
        cluster=panel.cluster,
        failed=int(failed["n"].sum()),
    )


def peak_cells(panel: Consequences, *, failed_only: bool) -> tuple[Cells, int]:
    """Deployments (or failed ones), as events those whose first incident showed at peak; and how many are unknown.

    Raises
    ------
    NotComparableError, ValueError
        As :func:`failures_of`.
    """
    require_usable(panel)
    if "surfaced_at_peak" not in panel.frame:
        raise NotComparableError("The incidents do not say whether they showed at peak load.")
    frame = panel.frame[(panel.frame["n"] > 0) & ((panel.frame["failed"] == 1) | (not failed_only))]
    unknown = (frame["failed"] == 1) & frame["surfaced_at_peak"].isna()
    known = frame[~unknown]
    peak = (known["failed"] == 1) & (known["surfaced_at_peak"] == 1).fillna(False).astype(bool)
    keys = list(dict.fromkeys([*panel.strata, panel.cluster, "exposed"]))
    counted = known[keys].assign(n=known["n"], events=known["n"] * peak.astype("int64"))
    cells = counted.groupby(keys, as_index=False, observed=True)[["n", "events"]].sum()
    return Cells(cells, strata=panel.strata, cluster=panel.cluster), int(frame.loc[unknown, "n"].sum())


def require_usable(panel: Consequences) -> None:
    """Refuse a panel whose counts could not mean anything.

    Raises
    ------
    ValueError
        A needed column is absent, has empty values, or values that cannot be.
    """
    needed = list(dict.fromkeys([*panel.strata, panel.cluster, "exposed", "failed", "n"]))
    if absent := [name for name in needed if name not in panel.frame]:
        raise ValueError(f"Consequences have no column {', '.join(map(repr, absent))}.")
    missing = panel.frame[needed].isna().any()
    if missing.any():
        raise ValueError(
            f"Consequences have empty values in {', '.join(missing[missing].index)}; a value nobody knows is a level "
            "of its own, called 'missing'."
        )
    for name in ("exposed", "failed"):
        if strange := sorted(set(panel.frame[name]) - {0, 1}):
            raise ValueError(f"Consequences have {strange[0]!r} in {name!r}, which is 0 or 1.")
    copies = pd.to_numeric(panel.frame["n"]).to_numpy(np.float64)
    if ((copies < 0) | (copies != np.rint(copies))).any():
        raise ValueError("Consequences have an n that is no count; n counts deployments, whole and not negative.")
