"""Panels counted where the data are agree with panels counted one hour and one moment at a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from risk_time_by_hand import HOUR, referent_sets_by_hand, risk_time_by_hand

from counterfault import Plan, check, link, read
from counterfault.counting.referents import referent_sets
from counterfault.counting.service_time import BAND_HOURS, risk_time
from counterfault.linking import Linked

# No deadline: a busy machine is no counterexample. Few examples, because each asks the engine; each draws many rows.
unhurried = settings(deadline=None, max_examples=8)

START = datetime(2026, 1, 20, tzinfo=UTC)
DAYS = 45
CUTS, BEFORE, WINDOW = (5.0, 30.0), 7.0, 9.0
PLAN = Plan.checked(
    {
        "outcome": {"link": "window", "window_hours": WINDOW},
        "designs": {"risk_hours": list(CUTS), "before_hours": BEFORE},
        "design": {"confounders": [], "mediators": []},
    }
)

hours = st.integers(0, DAYS * 24 - 1).map(lambda number: START + timedelta(hours=number))
services = st.sampled_from(["a", "b"])
deployments = st.lists(st.tuples(services, hours, st.sampled_from(["ai", "human"])), min_size=1, max_size=60)
incidents = st.lists(st.tuples(services, hours), min_size=1, max_size=25)


def linked(changes: list[tuple], failures: list[tuple]) -> Linked:
    shipped = pd.DataFrame(changes, columns=["service", "deployed_at", "assistance"])
    began = pd.DataFrame(failures, columns=["service", "started_at"])
    tables = (
        shipped.assign(deployment_id=[f"d{number}" for number in range(len(shipped))]),
        began.assign(incident_id=[f"i{number}" for number in range(len(began))]),
    )
    return link(check(read(*tables), PLAN, now=START + timedelta(days=DAYS + 1)), PLAN)


def band_of(moment: datetime) -> str:
    part = "weekend" if moment.weekday() >= 5 else "weekday"
    first = moment.hour // BAND_HOURS * BAND_HOURS
    return f"{part} {first:02d}-{first + BAND_HOURS:02d}"


def block_of(moment: datetime) -> str:
    return f"{moment:%Y-%m}"


def summed(frame: pd.DataFrame, values: list[str]) -> dict[tuple, tuple]:
    keys = [name for name in frame.columns if name not in values]
    found = frame.groupby(keys)[values].sum().round(9)
    return {key: tuple(row) for key, row in zip(found.index, found.to_numpy().tolist(), strict=True)}


@unhurried
@given(deployments, incidents)
def test_service_time_is_that_of_counting_every_hour(changes, failures):
    study = linked(changes, failures)
    slow = risk_time_by_hand(
        changes, failures, study.start, study.end, (0.0, *CUTS), BEFORE, band_of, block_of, step=HOUR, alone=True
    ).frame
    # The month of a service without an incident carries nothing, and the fast count leaves it out.
    told = slow.groupby(["service", "block"])["incidents"].transform("sum") > 0
    fast = risk_time(study, PLAN).frame
    values = ["hours", "incidents"]
    assert summed(fast[slow.columns], values) == summed(slow[told], values)


@unhurried
@given(deployments, incidents)
def test_referent_sets_are_those_of_looking_at_every_moment(changes, failures):
    study = linked(changes, failures)
    slow = referent_sets_by_hand(changes, failures, study.start, study.end, WINDOW, alone=True).frame
    fast = referent_sets(study, PLAN).frame
    assert summed(fast[slow.columns], ["sets"]) == summed(slow, ["sets"])
