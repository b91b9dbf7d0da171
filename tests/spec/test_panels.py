"""From linked rows to panels: who is watched, for how long, and what came of each deployment."""

from __future__ import annotations

import pandas as pd
import pytest
from drawing import linked as linked_tables
from drawing import plan

from counterfault.counting import count
from counterfault.counting.consequences import consequences
from counterfault.counting.durations import durations
from counterfault.counting.further_cells import (
    cells_by_failure_mode,
    cells_by_kind,
    cells_by_share,
    cells_split_by,
)
from counterfault.counting.referents import referent_sets
from counterfault.counting.service_time import risk_time
from counterfault.counting.spill_over import spill_over
from counterfault.counting.unit_periods import unit_periods
from counterfault.panels import Durations
from counterfault.plan import PlanError

END = "end | zz | 2027-01-01 00:00"


def studied(promise, **tables):
    linked = linked_tables(promise, **tables)
    return count(linked, promise).rows, linked


def watched(promise, deployments: str, incidents: str) -> Durations:
    return durations(*studied(promise, deployments=deployments, incidents=incidents), promise)


# --- durations


RUNS = """
    id | service | at                  | assistance | is_rollback
    d1 | api     | 2026-02-01 00:00    | ai         |
    d2 | api     | 2026-02-01 10:00    | human      |
    d3 | api     | 2026-02-01 12:00    | human      | yes
    d4 | api     | 2026-02-03 00:00    | ai         |
    d5 | shop    | 2026-02-03 00:00    | human      |
"""
STARTED = f"""
    id | service | at
    i1 | api     | 2026-02-01 04:20
    i2 | shop    | 2026-02-03 23:59
    {END}
"""


def test_a_deployment_is_watched_until_its_incident_its_replacement_or_the_horizon():
    promise = plan(outcome={"link": "window", "window_hours": 24, "follow_up_hours": 24})
    found = watched(promise, RUNS, STARTED).frame.sort_values(["service", "exit_hours", "exposed"])
    ends = found[["service", "exposed", "exit_hours", "ended", "n"]].to_records(index=False).tolist()
    assert ends == [
        ("api", 0, 2.0, "rolled back", 1),  # d2, by d3
        ("api", 1, 4.5, "incident", 1),  # d1, at 4 h 20 min, rounded up to the quarter of an hour
        ("api", 1, 24.0, "censored", 1),  # d4; d3 repaired i1 and is no part of the contrast
        ("shop", 0, 24.0, "incident", 1),  # 23:59, rounded up
    ]


def test_an_incident_after_the_replacement_is_not_the_old_deployments():
    promise = plan(outcome={"link": "window", "window_hours": 24, "follow_up_hours": 24})
    incidents = f"""
        id | service | at
        i1 | api     | 2026-02-01 11:00
        {END}
    """
    found = watched(promise, RUNS, incidents).frame
    first = found[(found["exposed"] == 1) & (found["exit_hours"] == 10.0)]
    assert first["ended"].tolist() == ["censored"]
    second = found[found["exit_hours"] == 1.0]
    assert second["ended"].tolist() == ["incident"]


def test_deployments_older_than_the_incident_record_enter_at_the_age_at_which_it_begins():
    promise = plan(
        period={"incidents_from": "2026-02-01"}, outcome={"link": "window", "window_hours": 24, "follow_up_hours": 24}
    )
    deployments = """
        id | service | at                  | assistance
        d1 | api     | 2026-01-31 12:00    | ai
        d2 | shop    | 2026-01-30 12:00    | ai
        d3 | web     | 2026-02-02 12:00    | human
    """
    found = watched(promise, deployments, f"id | service | at\n{END}").frame
    assert found[["service", "entry_hours", "exit_hours"]].to_records(index=False).tolist() == [
        ("api", 12.0, 24.0),
        ("web", 0.0, 24.0),  # the shop's was a day old before anybody wrote incidents down
    ]


# --- consequences


def test_the_worst_of_several_incidents_and_the_times_of_the_first():
    promise = plan(outcome={"link": "window", "window_hours": 24})
    incidents = """
        id  | service | at               | severity | users_affected | detected_at | resolved_at      | surfaced_at_peak
        i1  | api     | 2026-02-01 02:00 | 3        | 10    | 2026-02-01 03:00 | 2026-02-01 04:00 | no
        i2  | api     | 2026-02-01 05:00 | 1        | 5     | 2026-02-01 05:30 | 2026-02-01 06:00 | yes
        end | zz      | 2026-03-01 00:00 |          |       |                  |                  |
    """
    deployments = """
        id | service | at               | assistance
        d1 | api     | 2026-02-01 00:00 | ai
        d2 | api     | 2026-02-10 00:00 | human
    """
    found = consequences(*studied(promise, deployments=deployments, incidents=incidents), promise).frame
    failed = found[found["failed"] == 1].iloc[0]
    assert (failed["exposed"], failed["severity"], failed["users_affected"]) == (1, 1.0, 10.0)
    assert (failed["hours_to_detect"], failed["hours_to_restore"], failed["restored"]) == (1.0, 2.0, 1.0)
    assert failed["surfaced_at_peak"] == 0.0
    safe = found[found["failed"] == 0].iloc[0]
    assert (safe["exposed"], safe["n"]) == (0, 1)
    assert pd.isna(safe["severity"])


def test_an_incident_still_open_has_lasted_until_the_data_end():
    promise = plan(outcome={"link": "window", "window_hours": 24})
    incidents = """
        id  | service | at               | resolved_at
        i1  | api     | 2026-02-01 02:00 |
        end | zz      | 2026-02-05 02:00 | 2026-02-05 03:00
    """
    deployments = "id | service | at | assistance\nd1 | api | 2026-02-01 00:00 | ai"
    found = consequences(*studied(promise, deployments=deployments, incidents=incidents), promise).frame
    failed = found[found["failed"] == 1].iloc[0]
    assert (failed["hours_to_restore"], failed["restored"]) == (96.0, 0.0)
    assert "severity" not in found.columns  # nobody recorded one


# --- units and periods


def test_units_have_every_whole_period_and_nothing_else():
    promise = plan(designs={"adopter": "team"})
    deployments = """
        id | service | team | at               | assistance
        d0 | api     | red  | 2025-12-31 00:00 | human
        d1 | api     | red  | 2026-01-15 00:00 | ai
        d2 | shop    | red  | 2026-01-16 00:00 | unknown
        d3 | web     | blue | 2026-03-02 00:00 | human
        d4 | web     | blue | 2026-04-10 00:00 | human
    """
    incidents = """
        id  | service | at               | cause
        i1  | api     | 2026-01-15 01:00 |
        i2  | shop    | 2026-03-15 01:00 | other
        i3  | shop    | 2026-03-16 01:00 |
    """
    rows, linked = studied(promise, deployments=deployments, incidents=incidents)
    found = unit_periods(rows, linked, promise).frame
    assert found["period_label"].unique().tolist() == ["2026-01", "2026-02", "2026-03"]  # whole months only
    assert len(found) == 2 * 3
    row = found.set_index(["unit", "period"])[["n", "assisted", "events", "incidents"]]
    assert row.loc[("red", 0)].tolist() == [1, 1, 1, 1]
    assert row.loc[("red", 1)].tolist() == [0, 0, 0, 0]
    assert row.loc[("red", 2)].tolist() == [0, 0, 0, 1]
    assert row.loc[("blue", 2)].tolist() == [1, 0, 0, 0]


def test_teams_that_nobody_recorded_cannot_adopt():
    promise = plan(designs={"adopter": "team"})
    rows, linked = studied(
        promise, deployments="id | service | at\nd1 | api | 2026-01-15 00:00", incidents=f"id | service | at\n{END}"
    )
    with pytest.raises(PlanError, match="no column 'team'"):
        unit_periods(rows, linked, promise)


# --- further cells


CHAIN = """
    service | depends_on
    web     | api
    app     | web
"""
SPREAD = """
    id | service | at               | assistance | ai_tool | ai_share | validated | layer
    d1 | api     | 2026-02-01 00:00 | ai         | copper  | 0.5      | yes       | base
    d2 | api     | 2026-02-03 00:00 | human      |         |          |           | base
    d3 | web     | 2026-02-05 00:00 | ai         |         |          | no        |
    d4 | app     | 2026-02-07 00:00 | human      |         |          |           | top
"""


def test_spill_over_is_counted_by_distance_upstream():
    promise = plan(outcome={"link": "window", "window_hours": 24})
    incidents = f"""
        id | service | at
        i1 | web     | 2026-02-01 02:00
        i2 | app     | 2026-02-03 02:00
        {END}
    """
    rows, linked = studied(promise, deployments=SPREAD, incidents=incidents, dependencies=CHAIN)
    found = spill_over(rows, linked, promise, ())
    assert list(found) == [1, 2]
    by_hop = {hop: each.cells.two_by_two() for hop, each in found.items()}
    assert (by_hop[1].exposed_events, by_hop[1].unexposed_events) == (1, 0)  # web needs api: d1
    assert (by_hop[2].exposed_events, by_hop[2].unexposed_events) == (0, 1)  # app needs web needs api: d2
    assert by_hop[1].exposed_total == 2
    assert found[1].links == 1


def test_an_incident_with_a_recorded_cause_spills_over_from_that_one_alone():
    promise = plan(outcome={"link": "window", "window_hours": 24})
    incidents = """
        id  | service | at               | caused_by
        i1  | web     | 2026-02-01 02:00 | d3
        i2  | app     | 2026-02-03 02:00 | d2
        end | zz      | 2027-01-01 00:00 |
    """
    rows, linked = studied(promise, deployments=SPREAD, incidents=incidents, dependencies=CHAIN)
    found = spill_over(rows, linked, promise, ())
    assert found[1].links == 0  # d1 was near i1, but people know that d3 of its own service did it
    assert found[2].links == 1  # d2 of api, two hops up from app, by record


def test_failure_modes_are_counted_apart():
    promise = plan(outcome={"link": "window", "window_hours": 24})
    incidents = """
        id  | service | at               | failure_mode
        i1  | api     | 2026-02-01 02:00 | race
        i2  | api     | 2026-02-03 02:00 | silent
        end | zz      | 2027-01-01 00:00 |
    """
    rows, linked = studied(promise, deployments=SPREAD, incidents=incidents)
    found = cells_by_failure_mode(rows, linked, promise, ())
    assert found["race"].two_by_two().exposed_events == 1
    assert found["silent"].two_by_two().unexposed_events == 1
    assert found["cascade"].two_by_two().support()["events"] == 0


def split(name: str, *, dependencies: str | None = None, **designs) -> dict[tuple[str, int], int]:
    promise = plan(designs={"amplifiers": {name: designs}})
    tables = {"deployments": SPREAD, "incidents": f"id | service | at\n{END}"}
    if dependencies:
        tables["dependencies"] = dependencies
    rows, linked = studied(promise, **tables)
    found = cells_split_by(rows, linked, promise, name, ())
    return found if isinstance(found, str) else found.frame.groupby([name, "exposed"])["n"].sum().to_dict()


def test_deployments_are_told_apart_by_a_planned_contrast():
    assert split("layer", equals="base") == {("yes", 1): 1, ("yes", 0): 1, ("missing", 1): 1, ("no", 0): 1}
    assert split("validated", equals="no") == {("no", 1): 1, ("yes", 1): 1, ("missing", 0): 2}


def test_dependants_come_from_the_table_of_dependencies():
    assert split("dependants", dependencies=CHAIN, at_least=1) == {
        ("yes", 1): 2,  # api and web have one each
        ("yes", 0): 1,
        ("no", 0): 1,
    }
    assert split("dependants", at_least=1) == "no table dependencies"
    assert split("size", at_least=100) == "no column lines_added, lines_deleted"


def test_kinds_and_shares_belong_to_ai_assisted_deployments_only():
    promise = plan()
    rows, linked = studied(promise, deployments=SPREAD, incidents=f"id | service | at\n{END}")
    tools = cells_by_kind(rows, linked, promise, "ai_tool", ()).frame
    assert tools.groupby(["ai_tool", "exposed"])["n"].sum().to_dict() == {
        ("", 0): 2,
        ("copper", 1): 1,
        ("missing", 1): 1,
    }
    shares = cells_by_share(rows, linked, promise, ()).frame
    assert shares.groupby(["ai_share_bin", "ai_share"])["n"].sum().to_dict() == {("", 0.0): 2, ("0.4 to 0.6", 0.5): 1}
    assert cells_by_kind(rows, linked, promise, "label_tier", ()) == "no column label_tier"


# --- service time


def test_hours_after_unknown_changes_and_repairs_are_left_out():
    promise = plan(designs={"risk_hours": [6.0], "before_hours": 1.0})
    deployments = """
        id | service | at               | assistance
        d0 | zz      | 2026-01-01 00:00 | human
        d1 | api     | 2026-02-02 00:00 | unknown
        d2 | api     | 2026-02-10 00:00 | ai
    """
    incidents = f"""
        id | service | at
        i1 | api     | 2026-02-02 03:00
        i2 | api     | 2026-02-10 03:00
        {END}
    """
    _, linked = studied(promise, deployments=deployments, incidents=incidents)
    found = risk_time(linked, promise).frame
    assert found["hours"].sum() == 28 * 24 - 6  # February, without the hours after d1
    assert found["incidents"].sum() == 1
    assert found.loc[found["incidents"] == 1, "after_ai"].tolist() == [1]
    assert found.loc[found["before_ai"] == 1, "hours"].sum() == 1.0


def test_a_set_whose_incident_follows_an_unknown_change_is_left_out():
    promise = plan(outcome={"link": "window", "window_hours": 24})
    deployments = """
        id | service | at               | assistance
        d0 | zz      | 2026-01-01 00:00 | human
        d1 | api     | 2026-02-02 00:00 | unknown
        d2 | api     | 2026-02-09 00:00 | ai
    """
    incidents = f"""
        id | service | at
        i1 | api     | 2026-02-02 03:00
        i2 | api     | 2026-02-16 03:00
        {END}
    """
    _, linked = studied(promise, deployments=deployments, incidents=incidents)
    (row,) = referent_sets(linked, promise).frame.to_dict("records")
    assert row == {
        "service": "api", "case_ai": 0, "case_other": 0, "n00": 2, "n10": 1, "n01": 0, "n11": 0, "sets": 1,
    }  # fmt: skip
