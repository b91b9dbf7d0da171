"""The finest cells a study has: every link rule and window counted in one query, so that a choice is a sum over counts.

A form is answered while somebody watches. Linking and counting anew takes seconds, adding up counts takes hundredths.
So deployments are counted once, by everything the form may group by or hold fixed and under every rule and window it
offers; each choice is then a sum over these cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import Any

import ibis
import pandas as pd

from counterfault.cells import Cells
from counterfault.checking import Checked
from counterfault.checking.settling import kept
from counterfault.counting.covariates import with_covariates
from counterfault.counting.incident_pairs import (
    BY_TIME,
    Moved,
    Reading,
    all_moved,
    hit_by_chance,
    nearest_by_rule,
    pairs_near,
    within,
)
from counterfault.counting.outcomes import CHANCE, repairing_deployments
from counterfault.counting.population import ANALYSED, population, require_deployments_in, step
from counterfault.linking import Linked, link, study_tables
from counterfault.linking.rules import LastDeployment, Recorded, Tables
from counterfault.plan import CALENDAR, GROUPS, LINK_RULES, Plan

FOLLOWED = "followed"  # of the times a deployment may have to be followed for, in rising order, how many it was


@dataclass(frozen=True)
class Finest:
    """Deployments of the contrast, compressed no further than any offered choice allows.

    Attributes
    ----------
    frame : one row per combination of groups, calendar blocks, covariates, ``followed`` and ``exposed``: ``n``, and
        for each reading its failures and, where known, those expected by coincidence.
    rows : Ibis table of the same deployments, one row each; it stays where the data are, for drilling down.
    readings : the rules and windows counted.
    edges : hours to follow a deployment for, rising; ``followed`` counts how many of them it was.
    groups : group columns these tables have.
    covariates : columns that may be held fixed.
    seen_until : the last moment of the data.
    """

    frame: pd.DataFrame
    rows: Any
    readings: tuple[Reading, ...]
    edges: tuple[float, ...]
    groups: tuple[str, ...]
    covariates: tuple[str, ...]
    seen_until: datetime

    @property
    def windows(self) -> tuple[float, ...]:
        """The windows that were counted, in hours."""
        return tuple(sorted({reading.hours for reading in self.readings if reading.hours is not None}))

    def has(self, plan: Plan) -> bool:
        """Whether these cells can answer a plan that differs from theirs in nothing but the cheap choices."""
        counted = plan.outcome.link not in BY_TIME or plan.outcome.window_hours in self.windows
        return (
            counted
            and plan.outcome.follow_up in self.edges
            and set(held_fixed(plan)) <= {*self.covariates, *self.groups}
        )

    def cells(self, plan: Plan, scope: tuple[str, str] | None = None) -> Cells:
        """The plan's cells: those that ``count`` would give, mediators summed over.

        Parameters
        ----------
        plan : one that these cells have.
        scope : a group column and its only value that is looked at; everything where None.
        """
        reading = self.reading(plan)
        chosen = self.frame[self.frame[FOLLOWED] >= self.followed(plan)]
        if scope is not None:
            chosen = chosen[chosen[scope[0]] == scope[1]]
        held = [name for name in held_fixed(plan) if name in self.frame.columns]
        keys = list(dict.fromkeys((*plan.design.strata, plan.design.cluster, "service", *held, "exposed")))
        summed = {"n": "n", reading.events: "events"}
        if reading.chance in chosen.columns:
            summed[reading.chance] = CHANCE
        frame = chosen.groupby(keys, observed=True)[list(summed)].sum().reset_index().rename(columns=summed)
        texts = dict.fromkeys(keys[:-1], "str")
        frame = frame.astype(texts).assign(exposure_hours=frame["n"] * float(plan.outcome.follow_up))
        return Cells(frame, plan.design.strata, plan.design.cluster)

    def reading(self, plan: Plan) -> Reading:
        """The plan's rule and window among the readings."""
        return next(reading for reading in self.readings if reading.is_planned(plan))

    def followed(self, plan: Plan) -> int:
        """How many of the edges a deployment must have been followed for."""
        return self.edges.index(plan.outcome.follow_up) + 1


def held_fixed(plan: Plan) -> tuple[str, ...]:
    """The plan's confounders that are no strata: a stratum already holds its column fixed."""
    return tuple(name for name in plan.design.confounders if name not in plan.design.strata)


def finest_cells(checked: Checked, plan: Plan, windows: Sequence[float], covariates: Sequence[str]) -> Finest:
    """Counts deployments under every rule and each of these windows.

    Parameters
    ----------
    checked : tables that passed the contract.
    plan : everything but the rule, the window, strata, cluster and confounders.
    windows : hours before an incident in which a deployment is looked for.
    covariates : columns to be held fixed later; those the tables lack are left out.

    Raises
    ------
    PlanError : as :func:`counterfault.counting.count`.
    """
    edges = (plan.outcome.follow_up_hours,) if plan.outcome.follow_up_hours else tuple(windows)
    edges = tuple(sorted({hours for hours in edges if hours is not None}))
    groups = tuple(name for name in GROUPS if checked.has("deployments", name))
    wide = _with_everything(plan, (*groups, *CALENDAR), tuple(covariates), edges[0])
    linked = link(checked, wide)
    readings = _every_reading(windows)
    rows = kept(checked.engine, "contrast", _with_outcomes(_contrast(linked, wide, edges), linked, wide, readings))
    there = tuple(name for name in covariates if name in rows.columns and name not in (*groups, *CALENDAR))
    return Finest(
        _counted(rows, readings, (*groups, *CALENDAR, *there)), rows, readings, edges, groups, there, linked.end
    )


def _with_everything(plan: Plan, strata: tuple[str, ...], covariates: tuple[str, ...], follow_up: float) -> Plan:
    """The plan with every group and block told apart, and nobody left out who is followed long enough for one choice.

    Copied past the plan's own refusals on purpose: it never becomes a promise, only a way to keep columns.
    """
    design = {"strata": strata, "cluster": "service", "confounders": covariates, "mediators": ()}
    return plan.model_copy(
        update={
            "design": plan.design.model_copy(update=design),
            "outcome": plan.outcome.model_copy(update={"follow_up_hours": follow_up, "link": "recorded"}),
        }
    )


def _every_reading(windows: Sequence[float]) -> tuple[Reading, ...]:
    told: list[tuple[str, float | None]] = list(product(BY_TIME, sorted(windows)))
    told += [(rule, None) for rule in LINK_RULES if rule not in BY_TIME]
    return tuple(Reading(rule, hours, place) for place, (rule, hours) in enumerate(told))


def _contrast(linked: Linked, plan: Plan, edges: Sequence[float]) -> Any:
    """The deployments of the contrast, and how many of the edges each was followed for."""
    deployments, _ = with_covariates(linked.checked, plan)
    repairs = repairing_deployments(linked, plan).distinct().mutate(repairing=ibis.literal(1, "int64"))
    marked = _joined(deployments, repairs)
    marked = marked.mutate(repairing=marked.repairing.fill_null(0))
    marked = marked.mutate(step=step(marked, linked, plan))
    if plan.period.start or plan.period.end:
        require_deployments_in(plan.period, population(marked), linked)
    rows = marked.filter(marked.step == ANALYSED)
    end = ibis.literal(linked.end, "timestamp('UTC')")
    enough = [rows.deployed_at + ibis.interval(seconds=round(hours * 3600)) <= end for hours in edges]
    return rows.mutate(
        exposed=(rows.assistance == "ai").cast("int64"),
        **{FOLLOWED: sum((each.cast("int64") for each in enough[1:]), enough[0].cast("int64"))},
    )


def _joined(rows: Any, more: Any) -> Any:
    return rows.left_join(more, "deployment_id").drop("deployment_id_right")


def _with_outcomes(rows: Any, linked: Linked, plan: Plan, readings: tuple[Reading, ...]) -> Any:
    """Per reading whether a deployment failed, and how likely coincidence alone would have made it fail."""
    tables = study_tables(linked.checked, plan)
    marked = _joined(rows, nearest_by_rule(pairs_near(tables, linked, plan, readings)))
    for moved in (found := all_moved(tables, linked, plan, readings)):
        marked = _joined(marked, hit_by_chance(moved))
    marked = _with_links_by_name(marked, tables)
    keep = [name for name in marked.columns if not name.startswith(("lag_", "hit_", "chance_"))]
    failed = {reading.events: _hit(marked, reading) for reading in readings}
    return marked.select(*keep, **failed, **_chances(marked, readings, found))


def _with_links_by_name(marked: Any, tables: Tables) -> Any:
    for rule in (Recorded(), LastDeployment()):
        named = rule(tables).select("deployment_id").distinct().mutate(**{f"hit_{rule.name}": ibis.literal(1, "int64")})
        marked = _joined(marked, named)
    return marked


def _hit(marked: Any, reading: Reading) -> Any:
    """1 where a rule makes a deployment a failed one."""
    if reading.hours is None:
        return marked[f"hit_{reading.rule}"].fill_null(0)
    by_time = within(marked, reading)
    recorded = marked.hit_recorded.fill_null(0)
    return ibis.greatest(by_time, recorded) if reading.rule == "recorded_then_window" else by_time


def _chances(marked: Any, readings: tuple[Reading, ...], found: tuple[Moved, ...]) -> dict[str, Any]:
    """No coincidence where people name every cause; nothing known where the rule always finds a deployment."""
    known = {column.chance for moved in found for column in moved.columns}
    chances = {name: marked[name].fill_null(0.0) for name in known}
    return chances | {each.chance: ibis.literal(0.0, "float64") for each in readings if each.rule == "recorded"}


def _counted(rows: Any, readings: tuple[Reading, ...], keys: tuple[str, ...]) -> pd.DataFrame:
    sums = {name: rows[name].sum() for each in readings for name in (each.events, each.chance) if name in rows.columns}
    everything = [*keys, FOLLOWED, "exposed"]
    frame: pd.DataFrame = rows.group_by(everything).agg(n=rows.count(), **sums).order_by(everything).execute()
    whole = dict.fromkeys(("n", FOLLOWED, "exposed", *(name for name in sums if name.startswith("events_"))), "int64")
    # As categories, texts are grouped by their number: ten times as fast, and a choice has no time to lose.
    typed: pd.DataFrame = frame.astype({**dict.fromkeys(keys, "category"), **whole})
    return typed
