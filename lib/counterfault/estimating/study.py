"""What the further designs look at: cells and panels of one study, each counted once and only when asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from counterfault.cells import Cells
from counterfault.counting import Counted
from counterfault.counting.consequences import consequences
from counterfault.counting.durations import durations
from counterfault.counting.further_cells import (
    cells_by_calendar,
    cells_by_failure_mode,
    cells_by_kind,
    cells_by_share,
    cells_by_team,
    cells_split_by,
)
from counterfault.counting.referents import referent_sets
from counterfault.counting.service_time import risk_time
from counterfault.counting.spill_over import SpillOver, spill_over
from counterfault.counting.unit_periods import unit_periods
from counterfault.display import card
from counterfault.estimating.effects import present
from counterfault.linking import Linked
from counterfault.panels import Consequences, Durations, ReferentSets, RiskTime, UnitPeriods
from counterfault.plan import Plan


@dataclass(frozen=True)
class Study:
    """One organisation under one plan, linked and counted.

    Attributes
    ----------
    linked, counted, plan : what the earlier steps returned.

    Examples
    --------
    >>> study = cf.Study(linked, counted, plan)
    >>> odds = cf.estimate_family(study, "odds")
    """

    linked: Linked
    counted: Counted
    plan: Plan

    def __repr__(self) -> str:
        return f"<Study {self.plan.title!r} ({self.plan.digest}): {self.cells!r}>"

    def _repr_html_(self) -> str:
        four = self.cells.two_by_two()
        return card(
            "Study",
            f"{self.plan.title}: {four.exposed_total + four.unexposed_total:,} deployments in the contrast.",
            facts={
                "plan": self.plan.digest,
                "compared within": " × ".join(self.cells.strata),
                "confounders held fixed": ", ".join(self.confounders) or "none",
                "mediators": ", ".join(self.mediators) or "none",
                "level": f"{self.level:.0%}",
            },
            then=("cf.estimate_family(study, 'odds')", "cf.try_to_break(study, estimates['primary'])"),
        )

    @property
    def level(self) -> float:
        """Of every interval."""
        return self.plan.decision.level

    @property
    def cells(self) -> Cells:
        """The deployments of the contrast."""
        return self.counted.cells

    @property
    def confounders(self) -> tuple[str, ...]:
        """Of the plan's confounders, those the tables have."""
        return present(self.plan.design.confounders, self.counted)

    @property
    def mediators(self) -> tuple[str, ...]:
        """Of the plan's mediators, those the tables have."""
        return present(self.plan.design.mediators, self.counted)

    @cached_property
    def risk_time(self) -> RiskTime:
        """Service time by how long ago the service shipped."""
        return risk_time(self.linked, self.plan)

    @cached_property
    def referent_sets(self) -> ReferentSets:
        """Moments of incidents, and like moments without."""
        return referent_sets(self.linked, self.plan)

    @cached_property
    def durations(self) -> Durations:
        """Time from deployment to incident."""
        return durations(self.counted.rows, self.linked, self.plan, self.confounders)

    @cached_property
    def consequences(self) -> Consequences:
        """What came of each deployment."""
        return consequences(self.counted.rows, self.linked, self.plan, self.confounders)

    @cached_property
    def unit_periods(self) -> UnitPeriods:
        """What each service or team shipped and suffered per calendar period."""
        return unit_periods(self.counted.rows, self.linked, self.plan)

    @cached_property
    def by_failure_mode(self) -> Mapping[str, Cells]:
        """Cells of each failure mode; empty where nobody records one."""
        return cells_by_failure_mode(self.counted.rows, self.linked, self.plan, self.confounders)

    @cached_property
    def spill_over(self) -> Mapping[int, SpillOver]:
        """Incidents on dependants, by distance; empty without dependencies."""
        return spill_over(self.counted.rows, self.linked, self.plan, self.confounders)

    @cached_property
    def by_share(self) -> Cells | str:
        """Cells by how much of a change AI wrote, or why there are none."""
        return cells_by_share(self.counted.rows, self.linked, self.plan, self.confounders)

    def by_kind(self, column: str) -> Cells | str:
        """Cells in which AI-assisted deployments are told apart by a column, or why there are none."""
        return cells_by_kind(self.counted.rows, self.linked, self.plan, column, self.confounders)

    def split_by(self, name: str) -> Cells | str:
        """Cells with a column that says whether AI may do more there, or why there are none."""
        return cells_split_by(self.counted.rows, self.linked, self.plan, name, self.confounders)

    def by_team(self) -> Cells | str:
        """The cells of the contrast, teams told apart, or why there are none."""
        return cells_by_team(self.counted.rows, self.linked, self.plan)

    def by_week(self) -> Cells:
        """The cells of the contrast, weeks told apart."""
        return cells_by_calendar(self.counted.rows, self.plan, "week", self.confounders)
