"""The chance that a deployment fails by coincidence, held against loops that move incidents one by one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from drawing import checked, counted, plan
from pytest import approx

from counterfault.linking import study_tables
from counterfault.linking.chance import chance_of_a_link, expected_by_chance, shifts_for
from counterfault.linking.rules import (
    AlongDependencies,
    Deployment,
    Incident,
    LastDeployment,
    Recorded,
    RecordedThenWindow,
    Rule,
    WithinWindow,
)

DAYS = 170  # no whole number of weeks, so that what is wrapped round an end lands on another weekday
START = datetime(2026, 1, 1, tzinfo=UTC)
END = START + timedelta(days=DAYS)
NEEDS = [("a", "b"), ("b", "c")]
HOURS = 60.0  # long, so that many windows reach over an end of the data


def organisation(seed: int) -> tuple[list[Incident], list[Deployment]]:
    """Three services; some incidents have a recorded cause, some another one, some no service."""
    draws = np.random.default_rng(seed)

    def moment() -> datetime:
        return START + timedelta(seconds=int(draws.integers(0, DAYS * 86400)))

    deployments = [Deployment(f"d{n}", str(draws.choice(list("abc"))), moment()) for n in range(60)]
    incidents = [
        Incident(
            f"i{n}",
            str(draws.choice(list("abc"))) if n % 9 else None,
            moment(),
            (None, "change", "other", "unknown")[n % 4],
            (f"d{n}",) if n % 5 == 0 else ("elsewhere",) if n % 7 == 0 else (),
        )
        for n in range(40)
    ]
    return incidents, deployments


def as_frames(incidents: list[Incident], deployments: list[Deployment]) -> dict[str, pd.DataFrame]:
    causes = [";".join(incident.caused_by) or None for incident in incidents]
    suffered = pd.DataFrame(incidents, columns=["incident_id", "service", "started_at", "cause", "caused_by"])
    shipped = pd.DataFrame(deployments, columns=["deployment_id", "service", "deployed_at"])
    return {
        "incidents": suffered.assign(caused_by=causes, started_at=suffered["started_at"].dt.as_unit("us")),
        "deployments": shipped.assign(assistance="human", deployed_at=shipped["deployed_at"].dt.as_unit("us")),
        "dependencies": pd.DataFrame(NEEDS, columns=["service", "depends_on"]),
    }


def by_hand(rule: Rule, incidents: list[Incident], deployments: list[Deployment]) -> dict[str, float]:
    """Deployment → share of the moves after which an incident is tied to it by time."""
    by_record = isinstance(rule, RecordedThenWindow)
    tied_by_time = [incident for incident in incidents if not (by_record and incident.caused_by)]
    span, moves = END - START, shifts_for(HOURS, START, END)
    hits: dict[str, int] = {}
    for weeks in moves:
        moved = [
            incident._replace(at=START + (incident.at - START - timedelta(weeks=weeks)) % span, caused_by=())
            for incident in tied_by_time
        ]
        for deployment in {deployment for _, deployment in rule.by_hand(moved, deployments, NEEDS)}:
            hits[deployment] = hits.get(deployment, 0) + 1
    return {deployment: number / len(moves) for deployment, number in hits.items()}


def found(rule: Rule, frames: dict[str, pd.DataFrame]) -> dict[str, float]:
    tables = study_tables(checked(**frames), plan())
    rows = chance_of_a_link(rule, tables, START, END, HOURS).execute()
    return dict(zip(rows["deployment_id"], rows["chance"], strict=True))


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(
    "rule",
    [WithinWindow(HOURS), RecordedThenWindow(HOURS), AlongDependencies(HOURS, 2)],
    ids=lambda rule: rule.name,
)
def test_the_chance_of_a_link_is_what_moving_incidents_one_by_one_gives(rule, seed):
    incidents, deployments = organisation(seed)
    slow = by_hand(rule, incidents, deployments)
    assert found(rule, as_frames(incidents, deployments)) == approx(slow)
    assert len(slow) > 5 and len(set(slow.values())) > 1  # and there was something to get wrong


def test_without_a_column_of_causes_every_incident_may_be_moved():
    incidents, deployments = organisation(3)
    bare = [incident._replace(cause=None, caused_by=()) for incident in incidents]
    frames = as_frames(bare, deployments)
    frames["incidents"] = frames["incidents"].drop(columns=["cause", "caused_by"])
    rule = RecordedThenWindow(HOURS)
    assert found(rule, frames) == approx(by_hand(rule, bare, deployments))


def test_two_incidents_at_one_deployment_are_one_failure_and_two_links():
    deployments = "id | service | at \n d1 | a | 2026-01-01 00:00 \n d2 | a | 2026-03-01 12:00"
    incidents = (
        "id | service | at \n i1 | a | 2026-03-08 13:00 \n i2 | a | 2026-03-08 14:00 \n i3 | b | 2026-06-20 00:00"
    )
    tables = study_tables(checked(deployments=deployments, incidents=incidents), plan())
    rule = WithinWindow(24)
    rows = chance_of_a_link(rule, tables, START, END, 24).execute()
    assert rows.to_numpy().tolist() == [["d2", 1 / 8]]  # of eight moves the one by a week brings them together
    assert expected_by_chance(rule, tables, START, END, 24) == 2 / 8


@pytest.mark.parametrize("rule", [Recorded(), LastDeployment()], ids=lambda rule: rule.name)
def test_where_time_plays_no_part_there_is_no_chance(rule):
    tables = study_tables(checked(**as_frames(*organisation(1))), plan())
    assert chance_of_a_link(rule, tables, START, END, HOURS) is None


def test_data_too_short_to_move_anything_leave_the_chance_open():
    tables = study_tables(checked(**as_frames(*organisation(1))), plan())
    assert chance_of_a_link(WithinWindow(24), tables, START, START + timedelta(days=2), 24) is None


# --- in the cells

TWO = """
    id | service | at               | assistance
    d1 | a       | 2026-01-01 00:00 | human
    d2 | a       | 2026-03-01 12:00 | ai
    d3 | a       | 2026-03-01 12:30 | human
    d4 | b       | 2026-03-01 12:30 | human
"""
WEEK_LATER = "id | service | at \n i1 | a | 2026-03-08 13:00 \n end | zz | 2026-06-20 00:00"


@pytest.mark.parametrize(
    ("link", "chances"),
    [("window", [0, 1 / 8, 1 / 8, 0]), ("recorded_then_window", [0, 1 / 8, 1 / 8, 0]), ("recorded", [0, 0, 0, 0])],
)
def test_cells_hold_how_many_of_their_deployments_would_fail_by_coincidence(link, chances):
    cells = counted(plan(outcome={"link": link}), deployments=TWO, incidents=WEEK_LATER).cells.frame
    order = cells.sort_values(["service", "quarter", "exposed"], ascending=[True, True, False])
    assert order["n"].sum() == 4
    # One stratum: d2 alone is exposed; d1 and d3 share a cell.
    assert order["chance_events"].tolist() == [chances[1], chances[0] + chances[2], chances[3]]


def test_the_plans_severity_holds_for_what_is_moved_too():
    severe = "id | service | at | severity \n i1 | a | 2026-03-08 13:00 | 3 \n end | zz | 2026-06-20 00:00 | 1"
    chances = [
        counted(plan(outcome={"link": "window", "severity_at_most": most}), deployments=TWO, incidents=severe)
        .cells.frame["chance_events"]
        .sum()
        for most in (3, 2)
    ]
    assert chances == [2 / 8, 0]


SHORT = "id | service | at \n d1 | a | 2026-03-01 12:00 \n end | a | 2026-03-03 12:00"


@pytest.mark.parametrize(("link", "tables"), [("last", (TWO, WEEK_LATER)), ("window", (SHORT, None))])
def test_where_nobody_knows_the_chance_the_cells_hold_none(link, tables):
    """A rule that always finds a deployment, and data too short to move anything: no chance is not a chance of 0."""
    deployments, incidents = tables
    known = {"deployments": deployments} | ({"incidents": incidents} if incidents else {})
    assert "chance_events" not in counted(plan(outcome={"link": link}), **known).cells.frame
