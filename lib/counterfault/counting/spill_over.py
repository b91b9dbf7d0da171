"""Incidents on services that need the changed one: tied by record where there is one, else by time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from counterfault.cells import Cells
from counterfault.checking.rules import recorded_causes
from counterfault.counting.further_cells import cells_of_outcomes
from counterfault.display import card
from counterfault.linking import Linked, study_tables
from counterfault.linking.chance import expected_by_chance
from counterfault.linking.rules import AlongDependencies, Tables, possibly_changed, services_reached
from counterfault.plan import Plan


@dataclass(frozen=True)
class SpillOver:
    """Deployments followed by an incident so many hops downstream, and how much of that may be coincidence.

    Attributes
    ----------
    cells : events are deployments tied to at least one such incident.
    links : how many ties there are.
    by_chance : how many the same rule makes with deployments moved by whole weeks; None where that cannot be told.
    """

    cells: Cells
    links: int
    by_chance: float | None

    def _repr_html_(self) -> str:
        facts = {"links": self.links, "links expected by chance": self.by_chance}
        told = "Deployments followed by an incident on a service that needs theirs."
        return card("Spill-over", told, facts=facts, then=("spill_over.cells",))


@dataclass(frozen=True)
class Downstream:
    """Link an incident to deployments of services that its own needs, ``hop`` steps away.

    An incident whose cause people recorded is tied to the recorded deployment and to no other: it happened on a
    dependant, but whoever knows the cause has cleared everybody else. The rest is tied by time.
    """

    hours: float
    hop: int

    def __call__(self, tables: Tables) -> Any:
        if "caused_by" not in tables.incidents.columns:
            return self._by_time(tables)
        causes = recorded_causes(tables.incidents)
        unrecorded = tables.incidents.anti_join(causes, "incident_id")
        by_time = self._by_time(tables._replace(incidents=unrecorded))
        return by_time.union(self._by_record(causes, tables))

    def _by_time(self, tables: Tables) -> Any:
        links = AlongDependencies(self.hours, self.hop)(tables)
        return links.filter(links.hops == self.hop).select("incident_id", "deployment_id")

    def _by_record(self, causes: Any, tables: Tables) -> Any:
        suffering = possibly_changed(tables.incidents)
        on = causes.select("incident_id", "deployment_id").join(
            suffering.select("incident_id", "service"), "incident_id"
        )
        from_where = tables.deployments.select("deployment_id", upstream="service")
        ties = on.join(from_where, "deployment_id").join(
            services_reached(suffering, tables.dependencies, self.hop), ["service", "upstream"]
        )
        return ties.filter(ties.hops == self.hop).select("incident_id", "deployment_id")


def spill_over(rows: Any, linked: Linked, plan: Plan, held_fixed: tuple[str, ...]) -> Mapping[int, SpillOver]:
    """Incidents on dependants by distance, one hop being a service that needs the changed one directly.

    Parameters
    ----------
    rows : deployments as ``Counted.rows`` holds them.
    linked : tables and the span of the data.
    plan : ``designs.spill_over_hops`` and the window.
    held_fixed : covariate columns of the cells.

    Returns
    -------
    One entry per hop; empty where no dependencies are given.
    """
    tables = study_tables(linked.checked, plan)
    if tables.dependencies is None:
        return {}
    hours = plan.outcome.window_hours
    rules = {hop: Downstream(hours, hop) for hop in range(1, plan.designs.spill_over_hops + 1)}
    links = {hop: rule(tables) for hop, rule in rules.items()}
    cells = cells_of_outcomes(rows, {str(hop): found for hop, found in links.items()}, plan, held_fixed)
    return {
        hop: SpillOver(
            cells[str(hop)],
            int(links[hop].count().execute()),
            expected_by_chance(rule, tables, linked.start, linked.end, hours),
        )
        for hop, rule in rules.items()
    }
