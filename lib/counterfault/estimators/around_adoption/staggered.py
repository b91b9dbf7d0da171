"""Did units fail more often after they took up AI assistance than units that had not, from the same base?

Staggered difference-in-differences with group-time effects
(:mod:`~counterfault.estimators.around_adoption.group_time`); the periods before adoption, and what becomes of the
answer if they mislead, are in :mod:`~counterfault.estimators.around_adoption.event_study` and
:mod:`~counterfault.estimators.around_adoption.trend_sensitivity`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from math import nan

import numpy as np
import pandas as pd
from scipy.special import stdtr, stdtrit

from counterfault.estimate import Estimate, Interval, not_estimable
from counterfault.estimators.around_adoption import group_time
from counterfault.estimators.around_adoption.adoption_evidence import Evidence, event_label, takers
from counterfault.estimators.around_adoption.group_time import Averages, Controls, Staggered, Weights
from counterfault.estimators.around_adoption.unit_table import NEVER, Outcome, UnitTable
from counterfault.panels import UnitPeriods

__all__ = ["Aggregation", "Controls", "Outcome", "StaggeredAdoption"]

_EXACT = 1e-12  # a smaller error, as a share of the outcome, is rounding: an interval from it would be a point


class Aggregation(Enum):
    """How group-time effects are averaged."""

    SIMPLE = "mean over adopters and their periods from adoption on"
    COHORT = "mean over adopters of each one's periods from adoption on"
    EVENT_TIME = "mean over times since adoption"
    CALENDAR = "mean over calendar periods"


@dataclass(frozen=True)
class StaggeredAdoption:
    """By how much did the outcome of adopters change from just before adoption, beyond that of units yet without it?

    The average effect on the treated of Callaway & Sant'Anna (2021), each unit counting once whatever it ships.

    Parameters
    ----------
    controls : units that never adopt, or all that have not adopted by then. The first asks for parallel trends
        between adopters and a group that may differ for good reasons; the second only among units on their way, and
        gives another estimand where later adopters differ.
    outcome : figure compared, per unit and period.
    threshold : share of AI-assisted deployments that makes an adopter; see
        :func:`~counterfault.estimators.around_adoption.unit_table.adoption_periods`.
    overall : average that is the value. Of cohorts is what Callaway & Sant'Anna recommend (section 3): units that
        adopted early do not count more for having been watched longer.
    parts : average that the parts break down; the simple one has none.
    window : first and last time since adoption that is a part, or counts in the mean over them.
    fewest : adopters without which there is no answer and no part, and controls without which there is no
        comparison; at least 2.
    small_sample : whether variances divide by m − 1 instead of m, as in Welch's test, with Welch–Satterthwaite
        degrees of freedom; else as R's ``did``: by m, with the normal distribution.

    Notes
    -----
    Calling it with a panel and a confidence level returns an :class:`~counterfault.estimate.Estimate`, on the plain
    scale, with id ``adoption.did.never`` or ``adoption.did.not_yet``.

    A unit without deployments in a period or in its base has no failed share there and takes no part in that one
    comparison; ``support`` counts these unit-periods. Adopters of the first period have no base and are set aside.

    Assumed: without adoption, adopters would have changed as their controls did (parallel trends); nothing is
    anticipated before adoption; adoption lasts; units do not affect one another; units are independent.

    Raises
    ------
    ValueError
        A setting or the level is out of range, or the panel is incomplete or impossible.
    """

    controls: Controls = Controls.NOT_YET
    outcome: Outcome = Outcome.FAILED_SHARE
    threshold: float = 0.2
    overall: Aggregation = Aggregation.COHORT
    parts: Aggregation = Aggregation.EVENT_TIME
    window: tuple[int, int] = (-6, 12)
    fewest: int = 4
    small_sample: bool = True

    def __post_init__(self) -> None:
        if self.fewest < 2:
            raise ValueError(f"fewest is {self.fewest}; one unit has no spread to take an error from: 2 at least.")
        if not self.window[0] < 0 <= self.window[1]:
            raise ValueError(f"window is {self.window}; it runs from before adoption (below 0) to 0 or later.")

    @property
    def id(self) -> str:
        """The stable name of the estimate."""
        return f"adoption.did.{'never' if self.controls is Controls.NEVER else 'not_yet'}"

    def __call__(self, panel: UnitPeriods, level: float = 0.95) -> Estimate:
        if not 0 < level < 1:
            raise ValueError(f"level is {level}; a confidence level lies between 0 and 1, such as 0.95.")
        evidence = self.evidence(panel)
        if reason := evidence.silence():
            return self.refused(evidence, reason, level).named(self.id)
        value = self.average(evidence)
        if reason := evidence.too_few(value):
            return self.refused(evidence, reason, level).named(self.id)
        found = self.estimate(value, level, support=evidence.support(value), label="all", what=self.overall.value)
        return found.named(
            self.id,
            design=f"by {panel.unit} and {panel.calendar}",
            outcome=self.outcome.label,
            parts=self._parts(evidence, level),
            caveats=(*found.caveats, *evidence.caveats(value)),
        )

    def group_time(self, panel: UnitPeriods) -> pd.DataFrame:
        """Every ATT(g, t), one row each, with its standard error, adopters and controls.

        The error is NaN for a single adopter. Cohorts and periods with fewer than ``fewest`` controls are absent.
        """
        evidence = self.evidence(panel)
        periods, rows = evidence.table.periods, []
        for comparison in evidence.staggered.comparisons():
            for position in np.flatnonzero(np.isfinite(comparison.effects).any(axis=0)).tolist():
                cohort, since = periods[comparison.position], position - comparison.position
                rows.append(
                    (cohort, periods[position], since, *comparison.against_controls(position, self.small_sample))
                )
        columns = ["cohort", "period", "since", "value", "standard_error", "adopters", "controls"]
        return pd.DataFrame(rows, columns=columns)

    def evidence(self, panel: UnitPeriods) -> Evidence:
        """The panel as arrays, and why it cannot answer if it cannot."""
        table = UnitTable.of(panel)
        staggered = Staggered(
            outcome=table.outcome(self.outcome),
            adopted=table.adoption(self.threshold),
            controls=self.controls,
            fewest=self.fewest,
            small_sample=self.small_sample,
        )
        return Evidence(table, staggered, panel.unit, panel.calendar, self.threshold)

    def slices(self, evidence: Evidence, by: Aggregation) -> dict[str, Weights]:
        """The averages of one aggregation by label; those of fewer than ``fewest`` adopters included."""
        table, adopted = evidence.table, evidence.staggered.adopted
        if by is Aggregation.EVENT_TIME:
            first, last = self.window
            times = [time for time in range(first, last + 1) if time != -1 and abs(time) < len(table.periods)]
            return {event_label(time): group_time.since_adoption(time) for time in times}
        if by is Aggregation.COHORT:
            cohorts = np.unique(adopted[(adopted > 0) & (adopted < NEVER)]).tolist()
            return {f"adopted {table.labels[cohort]}": group_time.of_cohort(cohort) for cohort in cohorts}
        if by is Aggregation.CALENDAR:
            return {f"in {label}": group_time.in_period(at) for at, label in enumerate(table.labels)}
        return {}

    def enough(self, averages: Averages) -> list[int]:
        """Which averages rest on at least ``fewest`` adopters."""
        return np.flatnonzero(averages.adopter.sum(axis=0) >= self.fewest).tolist()

    def average(self, evidence: Evidence) -> Averages:
        """The overall average, alone."""
        if self.overall is Aggregation.SIMPLE:
            return evidence.staggered.averages([group_time.each_period_once])
        if self.overall is Aggregation.COHORT:
            return evidence.staggered.averages([group_time.each_adopter_once])
        slices = self.slices(evidence, self.overall)
        if self.overall is Aggregation.EVENT_TIME:
            slices = {event_label(time): group_time.since_adoption(time) for time in range(self.window[1] + 1)}
        found = evidence.staggered.averages(list(slices.values()))
        kept = self.enough(found)
        return found.only(kept).combined(np.full(len(kept), 1 / max(len(kept), 1)))

    def estimate(self, average: Averages, level: float, *, support: dict[str, int], label: str, what: str) -> Estimate:
        """One average, dressed; the interval is that of everything possible where units do not differ at all."""
        value, error = float(average.values[0]), float(average.standard_errors[0])
        degrees = float(average.degrees_of_freedom[0]) if self.small_sample else np.inf
        kind, lowest, highest = self.outcome.estimand, self.outcome.estimand.lowest, self.outcome.estimand.highest
        known = error > _EXACT * max(1.0, abs(value))
        half = float(stdtrit(degrees, 0.5 + level / 2)) * error if known else np.inf
        return Estimate(
            estimand=kind,
            value=value,
            interval=Interval(max(value - half, lowest), min(value + half, highest), level),
            method=self.method(what, degrees if known else None),
            support=support,
            label=label,
            p_value=2 * float(stdtr(degrees, -abs(value) / error)) if known else None,
            standard_error=error if known else nan,
            caveats=() if known else ("all units changed alike, so there is nothing to tell the uncertainty from",),
        )

    def part(self, average: Averages, level: float, label: str) -> Estimate:
        """One slice, dressed under the id of the whole."""
        what = "mean over adopters in the slice of the label"
        return self.estimate(average, level, support=takers(average), label=label, what=what).named(self.id)

    def method(self, what: str, degrees: float | None = None) -> str:
        """The formula, its base, its controls, its error and its reference distribution in one line."""
        error = "clustered by unit"
        error += ", variances over m−1" if self.small_sample else ", variances over m"
        reference = "" if degrees is None else "; normal reference"
        if degrees is not None and np.isfinite(degrees):
            reference = f"; t with {degrees:.1f} Welch–Satterthwaite degrees of freedom"
        return (
            f"group-time effects (Callaway & Sant'Anna 2021), {what}, each unit weighted alike; base: "
            f"last period before adoption (universal); controls: {self.controls.value}; "
            f"influence-function standard error {error}{reference}"
        )

    def refused(self, evidence: Evidence, reason: str, level: float) -> Estimate:
        """The answer that there is none."""
        support = evidence.support()
        found = not_estimable(
            self.outcome.estimand, reason, method=self.method(self.overall.value), level=level, support=support
        )
        return found.named("", design=f"by {evidence.unit} and {evidence.calendar}", outcome=self.outcome.label)

    def _parts(self, evidence: Evidence, level: float) -> tuple[Estimate, ...]:
        slices = self.slices(evidence, self.parts)
        if not slices:
            return ()
        found = evidence.staggered.averages(list(slices.values()))
        kept = self.enough(found)
        labels = [list(slices)[index] for index in kept]
        return tuple(self.part(found.only([index]), level, label) for index, label in zip(kept, labels, strict=True))
