"""How long each deployment ran until its first incident, or until it was replaced, rolled back or watched no longer."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Any

import ibis

from counterfault.counting.population import ANALYSED, BEFORE_RECORD
from counterfault.counting.service_time import HOUR
from counterfault.linking import Linked, study_tables
from counterfault.panels import Durations
from counterfault.plan import Plan

GRID_HOURS = 0.25  # the quarter of an hour: finer than anybody restores, coarse enough to compress
INCIDENT, ROLLED_BACK, CENSORED = "incident", "rolled back", "censored"


def durations(rows: Any, linked: Linked, plan: Plan, held_fixed: tuple[str, ...] = ()) -> Durations:
    """Time from each deployment of the contrast to the first incident tied to it.

    Parameters
    ----------
    rows : deployments with their strata, ``assistance`` and ``step``, as ``Counted.rows`` holds them.
    linked : the plan's links; an incident that began before its deployment is no end of it.
    plan : ``designs.horizon_hours``, or ``outcome.follow_up`` in its place.
    held_fixed : covariate columns to keep.

    Notes
    -----
    The next deployment of the service ends the watch: from then on the code that ran is another. Where that one is a
    roll-back the deployment ended in it, a competing end. Deployments older than ``period.incidents_from`` enter at the
    age at which the incident record begins (left truncation).
    """
    horizon = plan.designs.horizon_hours or plan.outcome.follow_up
    watched = _watched(rows, plan).left_join(_first_incident(linked), "deployment_id").drop("deployment_id_right")
    watched = watched.left_join(_replaced(linked, plan), "deployment_id").drop("deployment_id_right")
    end = int(linked.end.timestamp())
    watched = watched.mutate(left_hours=(end - watched.deployed_at.epoch_seconds().cast("int64")) / HOUR)
    frame = _compressed(watched, plan, horizon, held_fixed)
    return Durations(frame, plan.design.strata, plan.design.cluster, horizon, GRID_HOURS)


def _watched(rows: Any, plan: Plan) -> Any:
    entry = ibis.literal(0.0)
    if plan.period.incidents_from:
        begins = int(datetime.combine(plan.period.incidents_from, time.min, tzinfo=UTC).timestamp())
        age = (begins - rows.deployed_at.epoch_seconds().cast("int64")) / HOUR
        entry = ibis.greatest(age, 0.0)
    known = rows.filter(
        (rows.step == ANALYSED) | (rows.step.startswith(BEFORE_RECORD) & (rows.assistance != "unknown"))
    )
    return known.mutate(entry_hours=entry, exposed=(known.assistance == "ai").cast("int64"))


def _first_incident(linked: Linked) -> Any:
    after = linked.links.filter(linked.links.lag_hours >= 0)
    return after.group_by("deployment_id").agg(incident_hours=after.lag_hours.min())


def _replaced(linked: Linked, plan: Plan) -> Any:
    """``deployment_id``, ``replaced_hours`` until the service's next deployment, and whether that was a roll-back."""
    rows = study_tables(linked.checked, plan).deployments
    rollback = rows.is_rollback.fill_null(False) if "is_rollback" in rows.columns else ibis.literal(False)
    line = rows.select("deployment_id", "service", second=rows.deployed_at.epoch_seconds().cast("int64"), back=rollback)
    # Several deployments of one second replaced the one before together; none of them replaced another.
    moments = line.group_by("service", "second").agg(back=line.back.any())
    ahead = ibis.window(group_by="service", order_by="second")
    moments = moments.mutate(next_second=moments.second.lead().over(ahead), next_back=moments.back.lead().over(ahead))
    found = line.drop("back").join(moments, ["service", "second"])
    return found.select(
        "deployment_id",
        replaced_hours=(found.next_second - found.second) / HOUR,
        rolled_back=found.next_back.fill_null(False),
    )


def _compressed(watched: Any, plan: Plan, horizon: float, held_fixed: tuple[str, ...]) -> Any:
    last = ibis.least(watched.replaced_hours.fill_null(horizon), watched.left_hours, horizon)
    failed = (watched.incident_hours <= last).fill_null(False)
    ended = ibis.cases(
        (failed, INCIDENT), (watched.rolled_back & (watched.replaced_hours <= horizon), ROLLED_BACK), else_=CENSORED
    )
    exact = ibis.ifelse(failed, watched.incident_hours, last)
    # Rounded up: a duration of nothing would never be at risk. Entry is rounded down, so nothing at risk is lost.
    grid = watched.mutate(
        ended=ended,
        exit_hours=ibis.greatest((exact / GRID_HOURS).ceil() * GRID_HOURS, GRID_HOURS).cast("float64"),
        entry_hours=((watched.entry_hours / GRID_HOURS).floor() * GRID_HOURS).cast("float64"),
    )
    grid = grid.filter(grid.entry_hours < grid.exit_hours)
    groups = dict.fromkeys((*plan.design.strata, plan.design.cluster, *held_fixed))
    keys = [*groups, "exposed", "entry_hours", "exit_hours", "ended"]
    frame = grid.group_by(keys).agg(n=grid.count()).order_by(keys).execute()
    return frame.astype({"exposed": "int64", "entry_hours": "float64", "exit_hours": "float64", "n": "int64"})
