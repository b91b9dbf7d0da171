"""The fast rules say what their slow, obvious twins say, whatever the tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import ibis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterfault.linking.rules import (
    AlongDependencies,
    Deployment,
    Incident,
    LastDeployment,
    Recorded,
    RecordedThenWindow,
    Tables,
    WithinWindow,
)

# No deadline: a busy machine is no counterexample. Few examples, because each asks the engine; each draws many rows.
unhurried = settings(deadline=None, max_examples=30)

SERVICES = ["a", "b", "c"]
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
# A few distinct instants close together, so that ties, exact window ends and fractions of a second are common.
moments = st.builds(
    lambda seconds, micros: NOON + timedelta(seconds=seconds, microseconds=micros),
    st.integers(-4, 4).map(lambda halves: halves * 1800) | st.integers(-7200, 7200),
    st.sampled_from([0, 0, 1, 500_000, 999_999]),
)
windows = st.sampled_from([1 / 3600, 0.5, 1.0, 1.5, 2.0])  # hours
deployments = st.lists(st.tuples(st.sampled_from(SERVICES), moments), min_size=6, max_size=20).map(
    lambda rows: [Deployment(f"d{number}", *row) for number, row in enumerate(rows)]
)
causes = st.lists(st.sampled_from(["d0", "d1", "d2", "elsewhere"]), max_size=2, unique=True).map(tuple)
incidents = st.lists(
    st.tuples(
        st.sampled_from([*SERVICES, None]), moments, st.sampled_from([None, "change", "other", "unknown"]), causes
    ),
    max_size=12,
).map(lambda rows: [Incident(f"i{number}", *row) for number, row in enumerate(rows)])
dependencies = st.lists(st.tuples(st.sampled_from(SERVICES), st.sampled_from(SERVICES)), max_size=6, unique=True)
rules = st.builds(
    lambda hours, hops: [
        Recorded(),
        LastDeployment(),
        WithinWindow(hours),
        RecordedThenWindow(hours),
        AlongDependencies(hours, hops),
    ],
    windows,
    st.integers(0, 3),
)


@pytest.fixture(scope="module")
def engine():
    connection = ibis.duckdb.connect()
    connection.raw_sql("set TimeZone = 'UTC'")
    return connection


TIME = "timestamp('UTC')"
SCHEMAS = {
    "deployments": {"deployment_id": "string", "service": "string", "deployed_at": TIME},
    "incidents": {
        "incident_id": "string",
        "service": "string",
        "started_at": TIME,
        "cause": "string",
        "caused_by": "string",
    },
    "dependencies": {"service": "string", "depends_on": "string"},
}


def as_tables(engine, incidents, deployments, dependencies) -> Tables:
    rows = {
        "deployments": deployments,
        "incidents": [(*incident[:4], ";".join(incident.caused_by) or None) for incident in incidents],
        "dependencies": dependencies,
    }
    stored = {
        name: engine.create_table(
            name,
            {column: list(values) for column, values in zip(schema, zip(*rows[name], strict=True), strict=True)}
            if rows[name]
            else None,
            schema=ibis.schema(schema),
            overwrite=True,
        )
        for name, schema in SCHEMAS.items()
    }
    return Tables(stored["incidents"], stored["deployments"], stored["dependencies"])


@unhurried
@given(rules=rules, incidents=incidents, deployments=deployments, dependencies=dependencies)
def test_the_fast_rules_tie_what_the_slow_ones_tie(engine, rules, incidents, deployments, dependencies):
    tables = as_tables(engine, incidents, deployments, dependencies)
    for rule in rules:
        found = rule(tables).execute()
        pairs = list(zip(found["incident_id"], found["deployment_id"], strict=True))
        assert set(pairs) == rule.by_hand(incidents, deployments, dependencies), rule
        assert len(pairs) == len(set(pairs)), rule  # and tie nothing twice


@settings(unhurried, max_examples=8)
@given(rules=rules, incidents=incidents, deployments=deployments, dependencies=dependencies)
def test_the_links_of_an_incident_share_a_weight_of_one_and_none_looks_ahead(
    engine, rules, incidents, deployments, dependencies
):
    tables = as_tables(engine, incidents, deployments, dependencies)
    for rule in rules:
        found = rule(tables).execute()
        assert found.groupby("incident_id")["weight"].sum().sub(1).abs().lt(1e-12).all(), rule
        timed = found[found["rule"] != "recorded"]  # a record that looks ahead is quarantined before it comes here
        assert (timed["lag_hours"] >= 0).all(), rule
        if hasattr(rule, "hours"):
            assert (timed["lag_hours"] <= rule.hours + 1 / 3600).all(), rule  # lags are told in whole seconds


@settings(unhurried, max_examples=8)
@given(incidents=incidents, deployments=deployments, dependencies=dependencies, hours=windows)
def test_a_longer_window_and_more_hops_only_add_links(engine, incidents, deployments, dependencies, hours):
    tables = as_tables(engine, incidents, deployments, dependencies)

    def links(rule):
        found = rule(tables).execute()
        return set(zip(found["incident_id"], found["deployment_id"], strict=True))

    narrow = links(AlongDependencies(hours, 1))
    assert narrow <= links(AlongDependencies(2 * hours, 1))
    assert narrow <= links(AlongDependencies(hours, 2))
    assert links(WithinWindow(hours)) == links(AlongDependencies(hours, 0))
