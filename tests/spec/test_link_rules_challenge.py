"""The headline under every link rule and window: the same counts as under a plan that links so, and no coincidences."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from math import isnan
from types import SimpleNamespace

import pandas as pd
import pytest
from drawing import checked, plan
from pytest import approx

from counterfault import Study, count, link
from counterfault.cells import Cells
from counterfault.challenges import link_rules
from counterfault.challenges.link_rules import LinkGrid
from counterfault.checking import Checked
from counterfault.counting.link_grid_cells import LinkedCells, link_grid_cells
from counterfault.estimate import Estimand, Estimate, Interval
from counterfault.estimating import estimate_effects

DEPLOYMENTS = """
    id | service | at               | assistance
    d1 | api     | 2026-02-01 00:00 | ai
    d2 | api     | 2026-02-01 20:00 | human
    d3 | api     | 2026-02-10 00:00 | human
    d4 | shop    | 2026-02-01 00:00 | ai
    d5 | shop    | 2026-02-03 00:00 | human
    d6 | shop    | 2026-02-20 00:00 | human
    d7 | db      | 2026-02-01 03:00 | ai
    d8 | db      | 2026-03-05 03:00 | human
    d9 | api     | 2026-03-06 03:00 | ai
"""
# i2 names a deployment of another service three weeks back, i3 one nobody knows, i4 had another cause, i6 is exactly
# 24 hours after d5, i7 has no service, i8 suffers with what it depends on.
INCIDENTS = """
    id  | service | at               | cause  | caused_by
    i1  | api     | 2026-02-01 21:00 |        |
    i2  | api     | 2026-02-24 05:00 | change | d5
    i3  | shop    | 2026-02-20 01:00 | change | d99
    i4  | api     | 2026-02-10 01:00 | other  |
    i6  | shop    | 2026-02-04 00:00 |        |
    i7  |         | 2026-02-01 01:00 |        |
    i8  | shop    | 2026-03-06 05:00 |        |
    i9  | shop    | 2026-02-03 23:00 |        |
    end | zz      | 2026-07-01 00:00 |        |
"""
DEPENDENCIES = "service | depends_on\nshop | api\napi | db"
TABLES = {"deployments": DEPLOYMENTS, "incidents": INCIDENTS, "dependencies": DEPENDENCIES}
WINDOWS = (4.0, 24.0)
TIMED = ("recorded_then_window", "window", "dependency")
READINGS = [*((rule, hours) for rule in TIMED for hours in WINDOWS), ("recorded", None), ("last", None)]


def studied(promise, **tables) -> Study:
    linked = link(checked(**tables), promise)
    return Study(linked, count(linked, promise), promise)


@cache
def drawn_once() -> Checked:
    return checked(**TABLES)


@cache
def links_by_rule(hours: float) -> pd.DataFrame:
    return link(drawn_once(), linking_by("window", hours)).by_rule.set_index("rule")


def linking_by(rule: str, hours: float | None, **outcome):
    return plan(outcome={"link": rule, "window_hours": hours or 24.0, "follow_up_hours": 72.0, **outcome})


@pytest.fixture(scope="module")
def grid() -> dict[tuple[str, float | None], LinkedCells]:
    study = studied(linking_by("window", 24.0), **TABLES)
    found = link_grid_cells(study.counted.rows, study.linked, study.plan, (), WINDOWS)
    return {(reading.rule, reading.window_hours): reading for reading in found}


def test_the_grid_holds_every_rule_and_window_once(grid):
    assert set(grid) == set(READINGS)
    assert [key for key, reading in grid.items() if reading.planned] == [("window", 24.0)]


@pytest.mark.parametrize(("rule", "hours"), READINGS)
def test_a_reading_counts_what_a_plan_that_links_so_counts(grid, rule, hours):
    promise, reading = linking_by(rule, hours), grid[rule, hours]
    alone = count(link(drawn_once(), promise), promise).cells.frame
    keys = ["service", "quarter", "exposed", "n", "events"]
    assert reading.cells.frame[keys].to_dict("records") == alone[keys].to_dict("records")
    by_rule = links_by_rule(hours or 24.0).loc[rule]
    assert reading.links == by_rule["links"]
    if hours is None:
        assert reading.links_by_chance is None
        assert isnan(by_rule["expected_by_chance"])
    else:
        assert reading.links_by_chance == approx(by_rule["expected_by_chance"])
        assert reading.cells.frame["chance_events"].tolist() == approx(alone["chance_events"].tolist())


def test_the_drawn_incidents_tell_the_rules_apart(grid):
    """Else the test above would pass for rules that all do the same."""
    counts = {key: (reading.links, int(reading.cells.frame["events"].sum())) for key, reading in grid.items()}
    assert counts["window", 4.0] == (2, 2)  # i1 to d2, i3 to d6
    assert counts["window", 24.0] == (5, 4)  # i1 to d1 too; i6 and i9 to d5, at the very end of the window
    assert counts["recorded_then_window", 24.0] == (5, 3)  # i2 to d5 by record; i3 to nobody, for its cause is known
    assert counts["recorded", None] == (1, 1)
    assert len(set(counts.values())) >= 6


def test_deployments_not_followed_for_a_longer_window_are_left_out_of_it():
    late = DEPLOYMENTS + "    d10 | api | 2026-06-29 12:00 | ai\n"
    promise = plan(outcome={"link": "window", "window_hours": 24})
    study = studied(promise, **{**TABLES, "deployments": late})
    found = link_grid_cells(study.counted.rows, study.linked, promise, (), (6.0, 48.0))
    by_hours = {r.window_hours: (r.not_followed, int(r.cells.frame["n"].sum())) for r in found if r.rule == "window"}
    assert by_hours == {6.0: (0, 10), 24.0: (0, 10), 48.0: (1, 9)}  # the data end 36 hours after d10
    told = LinkGrid((48.0,))(study, some_primary())[0]
    part = next(part for part in told.parts if part.label == "window · 48 h")
    assert "Left out because the data end less than 48 h after them: 1 of the deployments." in part.caveats


def test_without_records_or_dependencies_their_rules_are_not_told():
    incidents = "id | service | at\ni1 | api | 2026-02-01 21:00\nend | zz | 2026-07-01 00:00"
    study = studied(linking_by("window", 24.0), deployments=DEPLOYMENTS, incidents=incidents)
    found = link_grid_cells(study.counted.rows, study.linked, study.plan, (), (24.0,))
    assert [(reading.rule, reading.window_hours) for reading in found] == [("window", 24.0), ("last", None)]


def test_the_planned_rule_is_told_even_where_its_column_is_missing():
    incidents = "id | service | at\ni1 | api | 2026-02-01 21:00\nend | zz | 2026-07-01 00:00"
    study = studied(linking_by("recorded", None), deployments=DEPLOYMENTS, incidents=incidents)
    counted, corrected = LinkGrid((24.0,))(study, some_primary())
    assert counted.label == "recorded"
    assert counted.caveats[0].startswith("This rule ties no incident to a deployment of the contrast")
    assert not corrected.estimable


def test_data_too_short_to_move_leave_the_share_of_chance_open():
    deployments = """
        id | service | at               | assistance
        d1 | api     | 2026-02-01 00:00 | ai
        d2 | api     | 2026-02-02 00:00 | human
    """
    incidents = """
        id  | service | at
        i1  | api     | 2026-02-01 05:00
        i2  | api     | 2026-02-02 05:00
        end | zz      | 2026-02-03 00:00
    """
    promise = plan(outcome={"link": "window", "window_hours": 24}, design={"primary": "stratified.risk_ratio"})
    study = studied(promise, deployments=deployments, incidents=incidents)
    counted, corrected = LinkGrid(())(study, some_primary())
    assert counted.value == 1.0
    assert "links_by_chance" not in counted.support
    assert not corrected.estimable
    assert corrected.caveats[0].startswith("How many links are coincidence is not known")


# --- the estimates


def some_primary(value: float = 1.5) -> Estimate:
    limits = Interval(0.5, 4.0, 0.95)
    return Estimate(estimand=Estimand.RISK_RATIO, value=value, interval=limits, method="planned", id="primary")


@pytest.fixture
def read(monkeypatch):
    """The grid of readings made by hand."""

    def grid_of(*readings: LinkedCells) -> tuple[Estimate, Estimate]:
        monkeypatch.setattr(link_rules, "link_grid_cells", lambda *_: readings)
        promise = plan(design={"primary": "stratified.risk_ratio"})
        study = Study(None, SimpleNamespace(covariates=(), rows=None), promise)
        return LinkGrid()(study, some_primary())

    return grid_of


def reading(rule: str, hours: float | None, background: float, own: float, others: float, **changes) -> LinkedCells:
    """Two strata whose true risks are in the same ratio, each with the same chance of a coincidence."""
    rows = []
    for service, ai, human, times in (("a", 8000, 2000, 1.0), ("b", 1000, 5000, 2.0)):
        for exposed, n, risk in ((1, ai, own), (0, human, others)):
            chance = background * times
            failed = chance + times * risk - chance * times * risk  # by coincidence, by its own fault, or both
            rows.append((service, "q", exposed, n, round(n * failed), n * chance))
    columns = ["service", "quarter", "exposed", "n", "events", "chance_events"]
    cells = Cells(pd.DataFrame(rows, columns=columns), ("service", "quarter"))
    found = LinkedCells(rule, hours, True, 400, 100.0, 0, cells)
    return replace(found, **changes)


def test_the_true_ratio_is_found_beneath_a_background_of_coincidences(read):
    # Own risks 4 % and 2 %, background 5 %: 0.088 / 0.069 = 1.275 is seen where 2 is true.
    counted, corrected = read(reading("window", 24.0, 0.05, 0.04, 0.02))
    assert counted.value == approx(1.275, abs=0.01)
    assert corrected.value == approx(2.0, rel=0.01)
    assert corrected.interval.low < 2.0 < corrected.interval.high
    assert corrected.interval.high / corrected.interval.low > counted.interval.high / counted.interval.low


def test_no_difference_stays_none_and_a_benefit_stays_a_benefit(read):
    assert read(reading("window", 24.0, 0.05, 0.02, 0.02))[1].value == approx(1.0, abs=0.01)
    assert read(reading("window", 24.0, 0.05, 0.01, 0.02))[1].value == approx(0.5, abs=0.01)


def test_where_nearly_every_failure_is_coincidence_nothing_is_corrected(read):
    counted, corrected = read(reading("window", 24.0, 0.1, 0.01, 0.005))
    assert counted.estimable
    assert not corrected.estimable
    assert "Coincidence accounts for 9" in corrected.caveats[0]
    assert (corrected.interval.low, corrected.interval.high) == (0.0, float("inf"))


def test_links_by_record_are_left_as_they_are_and_the_last_deployment_cannot_be_corrected(read):
    by_record = reading("recorded", None, 0.0, 0.04, 0.02, links_by_chance=None)
    last = reading("last", None, 0.0, 0.03, 0.02, links_by_chance=None, planned=False)
    counted, corrected = read(by_record, last)
    assert corrected.parts[0].value == counted.parts[0].value
    assert not corrected.parts[1].estimable
    assert counted.parts[1].caveats[-1].startswith("For comparison only")


def test_a_reading_is_told_with_its_links_and_the_share_of_chance(read):
    counted, corrected = read(
        reading("window", 24.0, 0.05, 0.04, 0.02),
        reading("recorded_then_window", 6.0, 0.01, 0.04, 0.02, planned=False, links_by_chance=30.4),
    )
    assert (counted.id, corrected.id) == ("link_rules.grid", "link_rules.corrected")
    assert [part.label for part in counted.parts] == ["window · 24 h", "recorded then window · 6 h"]
    assert counted.label == "window · 24 h"
    assert counted.value == counted.parts[0].value
    second = counted.parts[1]
    assert (second.support["links"], second.support["links_by_chance"]) == (400, 30)
    assert "Links: 400; coincidence alone would make 30 (8%)." in second.caveats
    assert second.outcome.endswith("one of its service within 6 h")
    assert counted.caveats[-1].startswith("2 of 2 readings")
    assert "runs from 1.27 (window · 24 h)" in counted.caveats[-1]


def test_the_reading_of_the_plan_is_the_headline():
    study = studied(linking_by("window", 24.0), **TABLES)
    primary = estimate_effects(study.counted, study.plan)["stratified.risk_ratio"]
    promise = study.plan.model_copy(
        update={"design": study.plan.design.model_copy(update={"primary": "stratified.risk_ratio"})}
    )
    counted, _ = LinkGrid.of(promise)(Study(study.linked, study.counted, promise), primary)
    assert counted.value == primary.value
    assert counted.interval == primary.interval
    assert len(counted.parts) == 11


def test_a_corrected_headline_is_not_corrected_twice(read, monkeypatch):
    found = reading("window", 24.0, 0.05, 0.04, 0.02)
    monkeypatch.setattr(link_rules, "link_grid_cells", lambda *_: (found,))
    counted = SimpleNamespace(covariates=(), rows=None)
    by_plan = {
        primary: LinkGrid()(Study(None, counted, plan(design={"primary": primary})), some_primary())
        for primary in ("total.risk_ratio", "corrected.risk_ratio")
    }
    total, corrected = by_plan["total.risk_ratio"], by_plan["corrected.risk_ratio"]
    assert [item.value for item in total] == [item.value for item in corrected]
