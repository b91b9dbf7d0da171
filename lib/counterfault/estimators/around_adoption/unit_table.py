"""A panel of units and periods as arrays, and the period in which each unit took up AI assistance."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
import pandas as pd

from counterfault.estimate import Estimand
from counterfault.estimators.poisson.cluster_robust import Codes, Floats
from counterfault.estimators.poisson.conditional_poisson import Mask
from counterfault.panels import UnitPeriods

NEVER = np.iinfo(np.int64).max  # the adoption position of a unit that never adopted: later than any period
ROUNDING = 1e-12  # so that 57 of 100 reach 0.57, whose product with 100 is not quite 57
COUNTS = ("n", "assisted", "events", "incidents")


class Outcome(Enum):
    """What is compared before and after adoption, one figure per unit and period."""

    FAILED_SHARE = ("share of deployments followed by an incident", Estimand.RISK_DIFFERENCE, "events")
    INCIDENTS = ("incidents per period", Estimand.MEAN_DIFFERENCE, "incidents")
    INCIDENTS_PER_DEPLOYMENT = ("incidents per deployment", Estimand.MEAN_DIFFERENCE, "incidents")

    def __init__(self, label: str, estimand: Estimand, column: str) -> None:
        self.label = label
        self.estimand = estimand
        self.column = column


@dataclass(frozen=True, slots=True)
class UnitTable:
    """The counts of :class:`~counterfault.panels.UnitPeriods`, units down and periods across.

    Attributes
    ----------
    units : (N) names, sorted.
    periods : (T) period numbers, consecutive.
    labels : (T) what the periods are called.
    n, assisted, events, incidents : (N, T) counts.
    """

    units: tuple[str, ...]
    periods: tuple[int, ...]
    labels: tuple[str, ...]
    n: Floats
    assisted: Floats
    events: Floats
    incidents: Floats

    @classmethod
    def of(cls, panel: UnitPeriods) -> UnitTable:
        """The arrays of a panel.

        Raises
        ------
        ValueError
            A unit lacks a period or has it twice, or counts are impossible.
        """
        frame = panel.frame.sort_values(["unit", "period"], kind="stable")
        units = tuple(str(unit) for unit in frame["unit"].unique())
        periods = tuple(int(period) for period in sorted(frame["period"].unique()))
        _require_complete(frame, panel, len(units), periods)
        _require_possible(frame, panel)
        shape = (len(units), len(periods))
        labels = tuple(str(label) for label in frame["period_label"].iloc[: len(periods)])
        return cls(units, periods, labels, *(frame[name].to_numpy(dtype=float).reshape(shape) for name in COUNTS))

    def whole(self) -> UnitTable:
        """All units taken together as one."""
        sums = (getattr(self, name).sum(axis=0, keepdims=True) for name in COUNTS)
        return UnitTable(("all",), self.periods, self.labels, *sums)

    def support(self) -> dict[str, int]:
        """The counts of all units together, for estimates that follow the organisation through time."""
        return {
            "n": int(self.n.sum()),
            "events": int(self.events.sum()),
            "periods": len(self.periods),
            "periods_without_deployments": int((self.n.sum(axis=0) == 0).sum()),
        }

    def outcome(self, outcome: Outcome) -> Floats:
        """(N, T) figures; NaN where a unit without deployments has none."""
        counts: Floats = getattr(self, outcome.column)
        if outcome is Outcome.INCIDENTS:
            return counts.copy()
        return np.divide(counts, self.n, out=np.full_like(counts, np.nan), where=self.n > 0)

    def adoption(self, threshold: float) -> Codes:
        """(N) position of the period of adoption among ``periods``, or ``NEVER``; see :func:`adoption_periods`."""
        if not 0 < threshold <= 1:
            raise ValueError(
                f"threshold is {threshold}; the share of AI-assisted deployments that counts as adoption lies above 0 "
                "and at most at 1, such as 0.2."
            )
        if not self.periods:
            return np.zeros(len(self.units), dtype=np.int64)
        shipped = self.n > 0
        above = shipped & (self.assisted >= threshold * self.n * (1 - ROUNDING))
        starts = above & _next_where(shipped, above)
        return np.where(starts.any(axis=1), starts.argmax(axis=1), NEVER).astype(np.int64)


def adoption_periods(panel: UnitPeriods, threshold: float = 0.2) -> dict[str, int | None]:
    """When did each unit take up AI assistance?

    A unit adopts in the first period in which at least ``threshold`` of its deployments of known assistance are by AI,
    provided that the same holds in the next period in which it ships anything; in the last such period the share of
    that period decides alone. One further period is asked for, not all of them: a unit that gives AI up after
    incidents would otherwise pass for one that never adopted, and what AI did there would be blamed on the controls.

    Parameters
    ----------
    panel : deployments per unit and period.
    threshold : share of AI-assisted deployments, above 0 and at most 1.

    Returns
    -------
    The ``period`` of adoption by unit; None for a unit that never adopted.

    Raises
    ------
    ValueError
        The threshold is out of range, or the panel is incomplete or impossible.
    """
    table = UnitTable.of(panel)
    positions = table.adoption(threshold)
    return {
        unit: None if position == NEVER else table.periods[position]
        for unit, position in zip(table.units, positions.tolist(), strict=True)
    }


def organisation_adoption(panel: UnitPeriods, threshold: float = 0.2) -> int | None:
    """The ``period`` in which all units taken together adopted, by the rule of :func:`adoption_periods`; or None."""
    table = UnitTable.of(panel).whole()
    position = int(table.adoption(threshold)[0])
    return None if position == NEVER or not table.periods else table.periods[position]


def _next_where(shipped: Mask, above: Mask) -> Mask:
    """Whether ``above`` holds in the next period with a deployment; true where none follows."""
    answer = np.ones_like(above)
    for position in range(above.shape[1] - 2, -1, -1):
        after = position + 1
        answer[:, position] = np.where(shipped[:, after], above[:, after], answer[:, after])
    return answer


def _require_complete(frame: pd.DataFrame, panel: UnitPeriods, units: int, periods: tuple[int, ...]) -> None:
    if periods and periods != tuple(range(periods[0], periods[-1] + 1)):
        raise ValueError(f"UnitPeriods: the periods {periods} have a gap; fill it with rows that count nothing.")
    if len(frame) != units * len(periods) or frame.duplicated(["unit", "period"]).any():
        raise ValueError(
            f"UnitPeriods: {len(frame)} rows for {units} {panel.unit}s and {len(periods)} {panel.calendar}s; each "
            f"{panel.unit} must have each {panel.calendar} once. Fill missing ones with rows that count nothing."
        )


def _require_possible(frame: pd.DataFrame, panel: UnitPeriods) -> None:
    n = frame["n"]
    for name, most in (("n", np.inf), ("assisted", n), ("events", n), ("incidents", np.inf)):
        wrong = ~((frame[name] >= 0) & (frame[name] <= most))
        if wrong.any():
            first = frame[wrong].iloc[0]
            raise ValueError(
                f"UnitPeriods: {name} is {first[name]} for {panel.unit} {first['unit']!r} in {first['period_label']}, "
                f"with {first['n']} deployments; counts lie from 0 up, assisted and events at most at n."
            )
