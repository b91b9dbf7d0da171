"""Designs that need no link find what was planted, and nothing where nothing was."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from counterfault import Plan, Study, check, count, estimate_family, link, read
from counterfault.places import demo_plan
from counterfault.simulate import WORLDS, simulate

SEEDS = range(2000, 2006)


def found(world: str, seed: int) -> dict:
    plan = Plan.read(demo_plan())
    drawn = simulate(WORLDS[world], seed)
    raw = read(drawn.deployments, drawn.incidents, dependencies=drawn.dependencies, plan=plan)
    linked = link(check(raw, plan, now=datetime(2027, 1, 1, tzinfo=UTC)), plan)
    study = Study(linked, count(linked, plan), plan)
    return {**estimate_family(study, "self_controlled"), **estimate_family(study, "case_crossover")}


@pytest.mark.slow
@pytest.mark.parametrize(("world", "planted"), [("null_confounded", 1.0), ("harm", 1.8)])
@pytest.mark.parametrize("id", ["self_controlled.excess_ratio", "case_crossover.excess_ratio"])
def test_added_incidents_are_in_the_planted_ratio(world, planted, id):
    """Of six intervals at 95 % four and more hold the truth but for one time in five hundred."""
    intervals = [found(world, seed)[id].interval for seed in SEEDS]
    assert sum(planted in interval for interval in intervals) >= 4
