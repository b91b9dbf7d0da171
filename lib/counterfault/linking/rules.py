"""Rules that tie incidents to deployments, each a settings object with its slow, obvious twin.

A rule takes Ibis tables and returns one row per link: ``incident_id``, ``deployment_id``, ``rule``, ``lag_hours``,
``hops``, ``weight`` (one incident's links share a weight of 1). ``by_hand`` says the same in plain loops and judges
the fast version in the tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

import ibis

from counterfault.checking.rules import recorded_causes
from counterfault.plan import Outcome

NO_CHANGE = "other"  # the cause people record when no change was to blame


class Deployment(NamedTuple):
    """What the hand-made rules need to know of a deployment."""

    id: str
    service: str
    at: datetime


class Incident(NamedTuple):
    """What the hand-made rules need to know of an incident."""

    id: str
    service: str | None
    at: datetime
    cause: str | None = None
    caused_by: tuple[str, ...] = ()


class Tables(NamedTuple):
    """The Ibis tables a rule reads."""

    incidents: Any
    deployments: Any
    dependencies: Any = None


class Rule(Protocol):
    """Ties incidents to deployments: called with Ibis tables, or ``by_hand`` in plain loops, with the same result."""

    @property
    def name(self) -> str: ...

    def __call__(self, tables: Tables) -> Any: ...

    def by_hand(
        self,
        incidents: Sequence[Incident],
        deployments: Sequence[Deployment],
        dependencies: Sequence[tuple[str, str]] = (),
    ) -> set[tuple[str, str]]: ...


@dataclass(frozen=True)
class Recorded:
    """Link an incident to the deployments that people recorded as its cause.

    The name of a deployment outweighs everything else about the incident: its age, its service, its ``cause``.
    """

    name: str = field(default="recorded", init=False)

    def __call__(self, tables: Tables) -> Any:
        if "caused_by" not in tables.incidents.columns:
            return _no_links(tables)
        causes = recorded_causes(tables.incidents)
        deployments = tables.deployments.select("deployment_id", "deployed_at")
        return _links(causes.join(deployments, "deployment_id"), self.name)

    def by_hand(
        self,
        incidents: Sequence[Incident],
        deployments: Sequence[Deployment],
        dependencies: Sequence[tuple[str, str]] = (),
    ) -> set[tuple[str, str]]:
        known = {deployment.id for deployment in deployments}
        return {(incident.id, cause) for incident in incidents for cause in incident.caused_by if cause in known}


@dataclass(frozen=True)
class WithinWindow:
    """Link an incident to the deployments of its service in the hours before it, both ends included.

    Incidents known to have another cause are not linked: their deployments are innocent by record.
    """

    hours: float = 24.0
    name: str = field(default="window", init=False)

    def __call__(self, tables: Tables) -> Any:
        return AlongDependencies(self.hours, hops=0, name=self.name)(tables._replace(dependencies=None))

    def by_hand(
        self,
        incidents: Sequence[Incident],
        deployments: Sequence[Deployment],
        dependencies: Sequence[tuple[str, str]] = (),
    ) -> set[tuple[str, str]]:
        window = timedelta(hours=self.hours)
        return {
            (incident.id, deployment.id)
            for incident in incidents
            for deployment in deployments
            if incident.cause != NO_CHANGE
            and incident.service == deployment.service
            and timedelta(0) <= incident.at - deployment.at <= window
        }


@dataclass(frozen=True)
class AlongDependencies:
    """Link an incident to deployments in the window of its service and of what it depends on, up to ``hops`` away."""

    hours: float = 24.0
    hops: int = 1
    name: str = "dependency"

    def __call__(self, tables: Tables) -> Any:
        suspects = possibly_changed(tables.incidents)
        reach = services_reached(suspects, tables.dependencies, self.hops)
        on = suspects.join(reach, "service").select("incident_id", "started_at", "upstream", "hops")
        deployments = tables.deployments.select("deployment_id", "deployed_at", upstream="service")
        seconds = round(self.hours * 3600)
        window = ibis.interval(seconds=seconds)
        # Without slices every deployment of a service meets every incident of it before times are compared. The window
        # before an incident lies in the slice of time that holds it and in the one before.
        on = on.mutate(slice=_slice(on.started_at, seconds) - ibis.array([0, 1]).unnest().cast("int64"))
        deployments = deployments.mutate(slice=_slice(deployments.deployed_at, seconds))
        near = on.join(
            deployments,
            [
                on.upstream == deployments.upstream,
                on.slice == deployments.slice,
                deployments.deployed_at <= on.started_at,
                on.started_at <= deployments.deployed_at + window,
            ],
        )
        return _links(near, self.name)

    def by_hand(
        self,
        incidents: Sequence[Incident],
        deployments: Sequence[Deployment],
        dependencies: Sequence[tuple[str, str]] = (),
    ) -> set[tuple[str, str]]:
        window = timedelta(hours=self.hours)
        found = set()
        for incident in incidents:
            if incident.cause == NO_CHANGE or incident.service is None:
                continue
            upstream = {incident.service}
            for _ in range(self.hops):
                upstream |= {needed for service, needed in dependencies if service in upstream}
            found |= {
                (incident.id, deployment.id)
                for deployment in deployments
                if deployment.service in upstream and timedelta(0) <= incident.at - deployment.at <= window
            }
        return found


@dataclass(frozen=True)
class LastDeployment:
    """Link every incident to the newest deployment of its service before it, however long ago.

    Only for comparison: this is what several dashboards do. It always finds a culprit, and as deployments become
    frequent each one's exposure shrinks, so the failure rate falls with no change in quality.
    """

    name: str = field(default="last", init=False)

    def __call__(self, tables: Tables) -> Any:
        suspects = possibly_changed(tables.incidents)
        deployments = tables.deployments.select("deployment_id", "deployed_at", "service")
        before = suspects.join(
            deployments, [suspects.service == deployments.service, deployments.deployed_at <= suspects.started_at]
        )
        latest = before.group_by("incident_id").agg(latest=before.deployed_at.max())
        newest = before.join(latest, ["incident_id", before.deployed_at == latest.latest])
        # Several deployments may share the last moment; the first by id stands for them, in both versions.
        chosen = newest.group_by("incident_id", "started_at", "deployed_at").agg(
            deployment_id=newest.deployment_id.min()
        )
        return _links(chosen, self.name)

    def by_hand(
        self,
        incidents: Sequence[Incident],
        deployments: Sequence[Deployment],
        dependencies: Sequence[tuple[str, str]] = (),
    ) -> set[tuple[str, str]]:
        found = set()
        for incident in incidents:
            if incident.cause == NO_CHANGE:
                continue
            before = [d for d in deployments if d.service == incident.service and d.at <= incident.at]
            if before:
                latest = max(deployment.at for deployment in before)
                found.add((incident.id, min(deployment.id for deployment in before if deployment.at == latest)))
        return found


@dataclass(frozen=True)
class RecordedThenWindow:
    """By record where people recorded a cause, by the window for the rest."""

    hours: float = 24.0
    name: str = field(default="recorded_then_window", init=False)

    def __call__(self, tables: Tables) -> Any:
        if "caused_by" not in tables.incidents.columns:
            return WithinWindow(self.hours)(tables)
        # A record may name a deployment that is not among these; people know the cause all the same, so such an
        # incident is not handed to whatever else was near.
        unrecorded = tables.incidents.anti_join(recorded_causes(tables.incidents), "incident_id")
        by_record = Recorded()(tables)
        by_time = WithinWindow(self.hours)(tables._replace(incidents=unrecorded))
        return by_record.union(by_time)

    def by_hand(
        self,
        incidents: Sequence[Incident],
        deployments: Sequence[Deployment],
        dependencies: Sequence[tuple[str, str]] = (),
    ) -> set[tuple[str, str]]:
        recorded = [incident for incident in incidents if incident.caused_by]
        rest = [incident for incident in incidents if not incident.caused_by]
        return Recorded().by_hand(recorded, deployments) | WithinWindow(self.hours).by_hand(rest, deployments)


def rule_for(outcome: Outcome) -> Rule:
    """The rule a plan asks for."""
    return rule_named(outcome.link, outcome)


def rule_named(name: str, outcome: Outcome) -> Rule:
    """One of the rules by its name, with the plan's window and hops."""
    rules: dict[str, Rule] = {
        "recorded": Recorded(),
        "window": WithinWindow(outcome.window_hours),
        "dependency": AlongDependencies(outcome.window_hours, outcome.hops),
        "last": LastDeployment(),
        "recorded_then_window": RecordedThenWindow(outcome.window_hours),
    }
    return rules[name]


def _slice(moment: Any, seconds: int) -> Any:
    """Time cut into slices as long as the window: the number of the one a moment lies in."""
    return (moment.epoch_seconds().cast("float64") / max(seconds, 1)).floor().cast("int64")


def possibly_changed(incidents: Any) -> Any:
    """The incidents that a change may have caused, as far as people know."""
    if "cause" in incidents.columns:
        incidents = incidents.filter(incidents.cause.isnull() | (incidents.cause != NO_CHANGE))
    return incidents.filter(incidents.service.notnull()).select("incident_id", "started_at", "service")


def services_reached(incidents: Any, dependencies: Any, hops: int) -> Any:
    """service, upstream, hops: which services' deployments can reach an incident on ``service``."""
    reach = incidents.select("service").distinct().mutate(upstream=ibis._.service, hops=ibis.literal(0, "int64"))
    if dependencies is None:
        return reach
    frontier = reach
    edges = dependencies.select(upstream="service", needs="depends_on")
    for hop in range(1, hops + 1):
        frontier = frontier.join(edges, "upstream").select("service", upstream="needs")
        frontier = frontier.distinct().mutate(hops=ibis.literal(hop, "int64"))
        reach = reach.union(frontier)
    return reach.group_by("service", "upstream").agg(hops=ibis._.hops.min())


def _links(pairs: Any, rule: str) -> Any:
    lag = (pairs.started_at.epoch_seconds().cast("int64") - pairs.deployed_at.epoch_seconds().cast("int64")) / 3600
    hops = pairs.hops if "hops" in pairs.columns else ibis.literal(0, "int64")
    linked = pairs.select(
        "incident_id", "deployment_id", rule=ibis.literal(rule), lag_hours=lag.cast("float64"), hops=hops
    )
    return linked.mutate(weight=1.0 / linked.count().over(group_by="incident_id"))


def _no_links(tables: Tables) -> Any:
    """An empty table of links, for a rule whose column is missing."""
    incidents, deployments = tables.incidents, tables.deployments.select("deployment_id", "deployed_at")
    nothing = incidents.filter(ibis.literal(False)).select("incident_id", "started_at")
    return _links(nothing.join(deployments, ibis.literal(True)), "recorded")
