"""Durations as arrays: when each deployment came under watch, when and how its watch ended."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from counterfault.estimators.poisson.cluster_robust import Codes, Floats
from counterfault.estimators.timing.risk_sets import DECIMALS, Mask
from counterfault.panels import Durations

UNSTRATIFIED = "group of deployments"  # what a stratum is called where there are none
ENDINGS = ("incident", "rolled back", "censored")
_OWN_COLUMNS = ("exposed", "entry_hours", "exit_hours", "ended", "n")


@dataclass(frozen=True, slots=True)
class EventTimes:
    """One entry per row of the panel that stands for at least one deployment.

    Attributes
    ----------
    entry, exit : (m,) hours of age; watched on (entry, exit].
    incident, rolled_back : (m,) how the watch ended; neither means censored.
    copies : (m,) deployments.
    exposed : (m,) whether AI-assisted.
    strata, clusters : (m,) codes from 0 without gaps.
    levels : covariates asked for, (m) rows.
    horizon : hours up to which anything is watched.
    place, cluster : what a stratum and a cluster are called.
    """

    entry: Floats
    exit: Floats
    incident: Mask
    rolled_back: Mask
    copies: Floats
    exposed: Mask
    strata: Codes
    clusters: Codes
    levels: pd.DataFrame
    horizon: float
    place: str
    cluster: str

    @classmethod
    def of(cls, panel: Durations, adjust_for: tuple[str, ...] = ()) -> EventTimes:
        """Read and check a panel.

        Raises
        ------
        ValueError
            A column is absent or holds missing or impossible values. A row that ends no later than it is entered
            would be at risk of nothing and still count as a failure, so it is refused and not dropped.
        """
        keys = list(dict.fromkeys([*panel.strata, panel.cluster, *adjust_for]))
        _require_usable(panel, keys)
        frame = panel.frame.loc[panel.frame["n"] > 0, list(dict.fromkeys([*keys, *_OWN_COLUMNS]))]
        return cls(
            entry=frame["entry_hours"].to_numpy(np.float64),
            # Rounding up to the grid may carry an end past a horizon that is no multiple of it.
            exit=np.minimum(frame["exit_hours"].to_numpy(np.float64), panel.horizon_hours),
            incident=(frame["ended"] == "incident").to_numpy(dtype=bool),
            rolled_back=(frame["ended"] == "rolled back").to_numpy(dtype=bool),
            copies=frame["n"].to_numpy(np.float64),
            exposed=(frame["exposed"] == 1).to_numpy(dtype=bool),
            strata=codes_of(frame, panel.strata),
            clusters=codes_of(frame, (panel.cluster,)),
            levels=frame[list(adjust_for)],
            horizon=float(panel.horizon_hours),
            place=" × ".join(panel.strata) or UNSTRATIFIED,
            cluster=panel.cluster,
        )

    def only(self, kept: Mask) -> EventTimes:
        """The entries of this mask, with strata and clusters counted anew."""
        return replace(
            self,
            **{
                name: getattr(self, name)[kept]
                for name in ("entry", "exit", "incident", "rolled_back", "copies", "exposed", "levels")
            },
            strata=recoded(self.strata[kept]),
            clusters=recoded(self.clusters[kept]),
        )

    def without_roll_backs(self) -> EventTimes:
        """The same, with a roll-back taken for the mere end of watching."""
        return replace(self, rolled_back=np.zeros_like(self.rolled_back))

    def in_strata_with_both_arms(self) -> EventTimes:
        """The entries of strata that hold exposed and unexposed deployments."""
        return self.only(any_in(self.strata, self.exposed) & any_in(self.strata, ~self.exposed))

    def counts(self) -> dict[str, int]:
        """What these deployments came to, in the words every estimate uses."""
        total, failed = self.copies, self.copies * self.incident
        return {
            "n": int(total.sum()),
            "events": int(failed.sum()),
            "exposed_events": int(failed[self.exposed].sum()),
            "exposed_total": int(total[self.exposed].sum()),
            "unexposed_events": int(failed[~self.exposed].sum()),
            "unexposed_total": int(total[~self.exposed].sum()),
            "rolled_back": int((total * self.rolled_back).sum()),
            "strata": len(np.unique(self.strata)),
            "clusters": len(np.unique(self.clusters)),
        }


def any_in(groups: Codes, holds: Mask) -> Mask:
    """(m,) whether the condition holds for any member of each entry's group."""
    found: Mask = (np.bincount(groups, holds) > 0)[groups]
    return found


def codes_of(frame: pd.DataFrame, columns: tuple[str, ...]) -> Codes:
    """(m,) a code from 0 for each combination of these columns; 0 everywhere if there are none."""
    if not columns:
        return np.zeros(len(frame), dtype=np.intp)
    codes: Codes = frame.groupby(list(columns), observed=True, sort=True).ngroup().to_numpy().astype(np.intp)
    return codes


def recoded(codes: Codes) -> Codes:
    """The same codes, counted from 0 without gaps."""
    return np.unique(codes, return_inverse=True)[1].astype(np.intp)


def _require_usable(panel: Durations, keys: list[str]) -> None:
    frame, wanted = panel.frame, [*keys, *_OWN_COLUMNS]
    if absent := [name for name in wanted if name not in frame]:
        raise ValueError(f"Durations have no column {', '.join(map(repr, absent))}; they have {_listed(frame)}.")
    missing = frame[wanted].isna().any()
    if missing.any():
        raise ValueError(
            f"Durations have empty values in {', '.join(missing[missing].index)}; a value nobody knows is a level of "
            "its own, called 'missing', and a time nobody knows cannot be used."
        )
    if unknown := sorted(set(frame["ended"]) - set(ENDINGS)):
        raise ValueError(f"Durations end in {_listed(unknown)}; they may end in {_listed(ENDINGS)}.")
    if unknown := sorted(set(frame["exposed"]) - {0, 1}):
        raise ValueError(f"Durations have the value {_listed(unknown)} in 'exposed', which is 0 or 1.")
    _require_whole(frame["n"].to_numpy(np.float64))
    _require_in_order(panel)


def _require_whole(copies: Floats) -> None:
    bad = (copies < 0) | (copies != np.rint(copies))
    if bad.any():
        raise ValueError(f"Durations have n = {copies[bad][0]:g}; n counts deployments and is whole and not negative.")


def _require_in_order(panel: Durations) -> None:
    entry, exit = (panel.frame[name].to_numpy(np.float64) for name in ("entry_hours", "exit_hours"))
    horizon = panel.horizon_hours
    bad = ~((entry >= 0) & (np.round(entry, DECIMALS) < np.round(np.minimum(exit, horizon), DECIMALS)))
    if bad.any():
        raise ValueError(
            f"Durations have {int(bad.sum())} rows that are not watched at all, the first from {entry[bad][0]:g} to "
            f"{exit[bad][0]:g} hours with a horizon of {horizon:g}: 0 ≤ entry_hours < exit_hours must hold, and "
            "entry_hours must lie before the horizon."
        )
    late = exit > horizon + panel.grid_hours * (1 + 1e-9)
    if late.any():
        raise ValueError(
            f"Durations are watched to {exit[late].max():g} hours, beyond the horizon of {horizon:g}: end them there, "
            "as censored."
        )


def _listed(names: object) -> str:
    return ", ".join(map(str, names))  # type: ignore[call-overload]
