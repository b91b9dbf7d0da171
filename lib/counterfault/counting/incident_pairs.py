"""Incidents paired with the deployments near before them: the one join behind every link rule and window."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import ibis

from counterfault.checking.rules import recorded_causes
from counterfault.checking.settling import kept
from counterfault.linking import Linked
from counterfault.linking.chance import MOVED, shifted, shifts_for
from counterfault.linking.rules import AlongDependencies, Tables
from counterfault.plan import LINK_RULES, Plan

# Which pairs of an incident and a deployment near before it a rule by time ties. All of them are among those of the
# dependency rule, so that one join serves the three, and the shorter windows too.
BY_TIME: dict[str, Callable[[Any], Any]] = {
    "recorded_then_window": lambda pairs: (pairs.hops == 0) & ~pairs.recorded,
    "window": lambda pairs: pairs.hops == 0,
    "dependency": lambda pairs: pairs.hops >= 0,
}


@dataclass(frozen=True)
class Reading:
    """One rule with one window (None where it knows none), and its place among the columns."""

    rule: str
    hours: float | None
    place: int

    @property
    def events(self) -> str:
        """The column of failures."""
        return f"events_{self.place}"

    @property
    def chance(self) -> str:
        """The column of failures expected by coincidence."""
        return f"chance_{self.place}"

    def is_planned(self, plan: Plan) -> bool:
        """Whether the plan links so."""
        return self.rule == plan.outcome.link and self.hours in (None, plan.outcome.window_hours)


@dataclass(frozen=True)
class Moved:
    """Pairs of incidents and moved deployments, how many moves there were, and the columns they serve."""

    pairs: Any
    moves: int
    columns: tuple[Reading, ...]


def readings_of(tables: Tables, plan: Plan, windows: Sequence[float]) -> tuple[Reading, ...]:
    """Every rule with every window; without a record of causes, or of dependencies, some say what another says."""
    has_record, planned = "caused_by" in tables.incidents.columns, plan.outcome.link
    silent = set() if has_record else {"recorded", "recorded_then_window"}
    silent |= set() if tables.dependencies is not None else {"dependency"}
    told = [
        (rule, hours)
        for rule in LINK_RULES
        if rule == planned or rule not in silent
        for hours in (windows if rule in BY_TIME else (None,))
    ]
    return tuple(Reading(rule, hours, place) for place, (rule, hours) in enumerate(told))


def pairs_near(tables: Tables, linked: Linked, plan: Plan, columns: Iterable[Reading]) -> Any:
    """Every incident with the deployments of the longest window before it: lag, hops, whether its cause is recorded."""
    longest = max((column.hours for column in columns if column.hours is not None), default=plan.outcome.window_hours)
    near = AlongDependencies(longest, plan.outcome.hops)(tables)
    if "caused_by" not in tables.incidents.columns:
        found = near.mutate(recorded=ibis.literal(False))
    else:
        known = recorded_causes(tables.incidents).select("incident_id", known="incident_id").distinct()
        found = near.left_join(known, "incident_id").mutate(recorded=ibis._.known.notnull())
    pairs = found.select("deployment_id", "lag_hours", "hops", "recorded")
    return kept(linked.checked.engine, "pairs", pairs)


def all_moved(tables: Tables, linked: Linked, plan: Plan, columns: Iterable[Reading]) -> tuple[Moved, ...]:
    """The deployments moved by whole weeks, paired again.

    Windows nearly always share their moves; where one is too long to move anything out of it, it has none.
    """
    served: dict[tuple[int, ...], list[Reading]] = {}
    for column in columns:
        if column.hours is not None and (weeks := shifts_for(column.hours, linked.start, linked.end)):
            served.setdefault(weeks, []).append(column)
    return tuple(_moved(weeks, tuple(mine), tables, linked, plan) for weeks, mine in served.items())


def _moved(weeks: tuple[int, ...], columns: tuple[Reading, ...], tables: Tables, linked: Linked, plan: Plan) -> Moved:
    # Kept before it is joined: an engine that does not know how many there are may join by ranges of time first.
    elsewhere = kept(linked.checked.engine, "moved", shifted(tables.deployments, linked.start, linked.end, weeks))
    pairs = pairs_near(tables._replace(deployments=elsewhere), linked, plan, columns)
    return Moved(pairs, len(weeks), columns)


def nearest_by_rule(pairs: Any) -> Any:
    """Per deployment and rule, the hours to the first incident the rule ties to it."""
    return pairs.group_by("deployment_id").agg(
        **{f"lag_{rule}": pairs.lag_hours.min(where=ties(pairs)) for rule, ties in BY_TIME.items()}
    )


def hit_by_chance(moved: Moved) -> Any:
    """Per deployment, the share of its moves after which a rule would have hit it."""
    nearest = nearest_by_rule(moved.pairs)
    nearest = nearest.mutate(deployment_id=nearest.deployment_id.re_replace(MOVED, ""))
    hits = {column.chance: within(nearest, column).sum() / float(moved.moves) for column in moved.columns}
    return nearest.group_by("deployment_id").agg(**hits)


def within(marked: Any, column: Reading) -> Any:
    """1 where the nearest incident of a rule lies within its window, which rules read in whole seconds."""
    lag = marked[f"lag_{column.rule}"]
    return ibis.ifelse(lag <= round((column.hours or 0.0) * 3600) / 3600, 1, 0).fill_null(0)


def pairs_tied(pairs: Any, columns: Iterable[Reading]) -> dict[Reading, int]:
    """How many pairs each rule by time ties."""
    mine = [column for column in columns if column.hours is not None]
    if not mine:
        return {}
    near = {
        column.events: BY_TIME[column.rule](pairs) & (pairs.lag_hours <= round((column.hours or 0.0) * 3600) / 3600)
        for column in mine
    }
    found = pairs.aggregate(**{name: pairs.count(where=ties) for name, ties in near.items()}).execute().iloc[0]
    return {column: int(found[column.events]) for column in mine}
