"""Which incident is tied to which deployment: every rule on tables drawn in the test, its edges in the picture."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from drawing import checked, drawn, in_engine, linked, plan
from pytest import approx

from counterfault.linking import Linked, link, study_tables
from counterfault.linking.chance import expected_by_chance, shifted, shifts_for
from counterfault.linking.rules import (
    AlongDependencies,
    LastDeployment,
    Recorded,
    RecordedThenWindow,
    Rule,
    Tables,
    WithinWindow,
    rule_for,
)
from counterfault.plan import Outcome, PlanError

# --- what a rule ties


def tables(deployments: str, incidents: str, dependencies: str | None = None) -> Tables:
    return Tables(
        in_engine("incidents", drawn("incidents", incidents)),
        in_engine("deployments", drawn("deployments", deployments)),
        None if dependencies is None else in_engine("dependencies", drawn("dependencies", dependencies)),
    )


def links(rule: Rule, *drawings: str) -> set[tuple[str, str]]:
    found = rule(tables(*drawings)).execute()
    return set(zip(found["incident_id"], found["deployment_id"], strict=True))


DEPLOYMENTS = """
    id | service  | at
    ---+----------+--------------------
    d1 | checkout | 2026-03-01 09:00:00
    d2 | checkout | 2026-03-02 08:00:00
    d3 | search   | 2026-03-02 08:00:00
    d4 | checkout | 2026-03-02 09:00:00
    d5 | checkout | 2026-03-02 09:00:01
"""
INCIDENT = """
    id | service  | at
    ---+----------+--------------------
    i1 | checkout | 2026-03-02 09:00:00
"""


def test_a_window_reaches_back_to_exactly_its_length_and_up_to_the_same_moment():
    assert links(WithinWindow(hours=24), DEPLOYMENTS, INCIDENT) == {("i1", "d1"), ("i1", "d2"), ("i1", "d4")}


def test_a_deployment_one_second_older_than_the_window_is_not_tied():
    assert links(WithinWindow(hours=24 - 1 / 3600), DEPLOYMENTS, INCIDENT) == {("i1", "d2"), ("i1", "d4")}


def test_a_deployment_a_fraction_of_a_second_too_old_or_too_late_is_not_tied():
    deployments = """
        id | service | at
        d1 | api     | 2026-03-01 08:59:59.999
        d2 | api     | 2026-03-01 09:00:00.000
        d3 | api     | 2026-03-01 10:00:00.000
        d4 | api     | 2026-03-01 10:00:00.001
    """
    incidents = "id | service | at \n i1 | api | 2026-03-01 10:00"
    assert links(WithinWindow(hours=1), deployments, incidents) == {("i1", "d2"), ("i1", "d3")}


def test_an_incident_known_to_have_another_cause_is_tied_by_no_rule_of_time():
    incidents = """
        id | service  | at               | cause
        i1 | checkout | 2026-03-02 09:00 | other
        i2 | checkout | 2026-03-02 09:00 | change
        i3 | checkout | 2026-03-02 09:00 | unknown
        i4 | checkout | 2026-03-02 09:00 |
    """
    for rule in (WithinWindow(1), AlongDependencies(1), LastDeployment(), RecordedThenWindow(1)):
        assert {incident for incident, _ in links(rule, DEPLOYMENTS, incidents)} == {"i2", "i3", "i4"}, rule


def test_an_incident_without_a_service_is_tied_by_record_alone():
    incidents = """
        id | service | at               | caused_by
        i1 |         | 2026-03-02 09:00 | d3
        i2 |         | 2026-03-02 09:00 |
    """
    assert links(RecordedThenWindow(24), DEPLOYMENTS, incidents) == {("i1", "d3")}
    for rule in (WithinWindow(24), AlongDependencies(24), LastDeployment()):
        assert links(rule, DEPLOYMENTS, incidents) == set(), rule


def test_a_record_may_name_several_deployments_of_any_service_and_age():
    incidents = """
        id | service  | at               | caused_by
        i1 | checkout | 2026-04-01 09:00 | d1; d3
        i2 | checkout | 2026-04-01 09:00 | d2;d2;
        i3 | checkout | 2026-04-01 09:00 |
    """
    assert links(Recorded(), DEPLOYMENTS, incidents) == {("i1", "d1"), ("i1", "d3"), ("i2", "d2")}


def test_a_record_outweighs_the_category_another_cause():
    incidents = "id | service | at | cause | caused_by \n i1 | search | 2026-03-02 09:00 | other | d4"
    assert links(Recorded(), DEPLOYMENTS, incidents) == {("i1", "d4")}


def test_without_a_column_of_recorded_causes_nothing_is_tied_by_record():
    assert links(Recorded(), DEPLOYMENTS, INCIDENT) == set()
    assert links(RecordedThenWindow(1), DEPLOYMENTS, INCIDENT) == links(WithinWindow(1), DEPLOYMENTS, INCIDENT)


def test_what_people_recorded_is_not_handed_to_the_window():
    incidents = """
        id | service  | at               | caused_by
        i1 | checkout | 2026-03-02 09:00 | d1
        i2 | checkout | 2026-03-02 09:00 | long gone
        i3 | checkout | 2026-03-02 09:00 | d3; long gone
        i4 | checkout | 2026-03-02 09:00 |
        i5 | checkout | 2026-03-02 09:00 | ;
    """
    assert links(RecordedThenWindow(1), DEPLOYMENTS, incidents) == {
        ("i1", "d1"),  # and not d2 and d4, which were nearer
        ("i3", "d3"),  # i2 is known to come from a deployment that these tables do not have
        ("i4", "d2"),
        ("i4", "d4"),
        ("i5", "d2"),  # a separator alone records nothing
        ("i5", "d4"),
    }


def test_the_last_deployment_is_blamed_however_old_and_one_stands_for_a_tie():
    deployments = """
        id | service  | at
        d1 | checkout | 2025-01-01 09:00
        d2 | search   | 2026-03-02 08:00
        d9 | search   | 2026-03-02 09:00
        d3 | search   | 2026-03-02 09:00
        d5 | search   | 2026-03-02 09:01
    """
    incidents = """
        id | service  | at
        i1 | checkout | 2026-03-02 09:00
        i2 | search   | 2026-03-02 09:00
        i3 | billing  | 2026-03-02 09:00
    """
    assert links(LastDeployment(), deployments, incidents) == {("i1", "d1"), ("i2", "d3")}


CHAIN = """
    id   | service | at
    web1 | web     | 2026-03-02 09:00
    api1 | api     | 2026-03-02 09:00
    db1  | db      | 2026-03-02 09:00
    ext1 | ext     | 2026-03-02 09:00
"""
NEEDS = """
    service | depends_on
    web     | api
    api     | db
    db      | web
    db      | ext
    ext     | ext
"""


@pytest.mark.parametrize(
    ("hops", "blamed"),
    [
        (0, {"web1": 0}),
        (1, {"web1": 0, "api1": 1}),
        (2, {"web1": 0, "api1": 1, "db1": 2}),
        (3, {"web1": 0, "api1": 1, "db1": 2, "ext1": 3}),
        (5, {"web1": 0, "api1": 1, "db1": 2, "ext1": 3}),  # round the circle web → api → db → web, and no further
    ],
)
def test_blame_travels_along_dependencies_as_far_as_the_hops_and_never_back(hops, blamed):
    incidents = "id | service | at \n i1 | web | 2026-03-02 09:30"
    found = AlongDependencies(hours=1, hops=hops)(tables(CHAIN, incidents, NEEDS)).execute()
    assert dict(zip(found["deployment_id"], found["hops"], strict=True)) == blamed


def test_without_a_table_of_dependencies_only_the_own_service_is_blamed():
    incidents = "id | service | at \n i1 | web | 2026-03-02 09:30"
    assert links(AlongDependencies(hours=1, hops=2), CHAIN, incidents) == {("i1", "web1")}


ALL_RULES = [Recorded(), WithinWindow(24), AlongDependencies(24, 1), LastDeployment(), RecordedThenWindow(24)]


@pytest.mark.parametrize("rule", ALL_RULES, ids=lambda rule: rule.name)
def test_no_incidents_give_no_links_in_the_usual_columns(rule):
    found = rule(tables(DEPLOYMENTS, "id | service | at")).execute()
    assert found.empty
    assert list(found.columns) == ["incident_id", "deployment_id", "rule", "lag_hours", "hops", "weight"]


def test_a_link_tells_its_rule_its_lag_and_its_share_of_the_incident():
    found = RecordedThenWindow(24)(tables(DEPLOYMENTS, INCIDENT)).execute().set_index("deployment_id")
    assert found["lag_hours"].to_dict() == {"d1": 24.0, "d2": 1.0, "d4": 0.0}
    assert found["weight"].tolist() == approx([1 / 3] * 3)
    assert set(found["rule"]) == {"window"}  # the part of the rule that made it


@pytest.mark.parametrize("name", ["recorded", "window", "dependency", "last", "recorded_then_window"])
def test_a_plans_rule_takes_the_plans_window_and_hops(name):
    rule = rule_for(Outcome(link=name, window_hours=7, hops=3, follow_up_hours=9))
    assert rule.name == name
    assert getattr(rule, "hours", 7) == 7
    assert getattr(rule, "hops", 3) == 3


# --- a plan's links


YEAR = """
    id | service | at
    d1 | api     | 2026-01-01 00:00
    d2 | api     | 2026-02-01 12:00
    d3 | api     | 2026-02-01 13:00
    d4 | web     | 2026-12-31 00:00
"""


def with_left_out(table: str, drawing: str, *ids: str) -> pd.DataFrame:
    frame = drawn(table, drawing)
    return frame.assign(left_out_by=np.where(frame.iloc[:, 0].isin(ids), "environment is not production", None))


def pairs(found: Linked) -> set[tuple[str, str]]:
    rows = found.links.execute()
    return set(zip(rows["incident_id"], rows["deployment_id"], strict=True))


def test_every_rule_is_counted_beside_the_plans_own():
    incidents = """
        id | service | at               | caused_by
        i1 | api     | 2026-02-01 14:00 |
        i2 | api     | 2026-02-01 14:00 | d1
    """
    found = linked(deployments=YEAR, incidents=incidents).by_rule.set_index("rule")
    assert found[["links", "incidents", "deployments"]].T.to_dict("list") == {
        "recorded_then_window": [3, 2, 3],
        "recorded": [1, 1, 1],
        "window": [4, 2, 2],
        "last": [2, 2, 1],
    }


def test_the_dependency_rule_is_counted_where_there_are_dependencies():
    found = linked(deployments=YEAR, dependencies="service | depends_on \n web | api").by_rule
    assert set(found["rule"]) == {"recorded_then_window", "recorded", "window", "dependency", "last"}


def test_what_the_plan_leaves_out_neither_causes_nor_suffers_anything():
    incidents = """
        id | service | at
        i1 | api     | 2026-02-01 14:00
        i2 | api     | 2026-02-01 14:00
    """
    found = linked(
        deployments=with_left_out("deployments", YEAR, "d3"), incidents=with_left_out("incidents", incidents, "i2")
    )
    assert pairs(found) == {("i1", "d2")}
    assert found.incidents == 1
    last = found.by_rule.set_index("rule").loc["last"]
    assert (last["links"], last["deployments"]) == (1, 1)


def test_a_dependency_that_the_plan_leaves_out_carries_no_blame():
    needs = drawn("dependencies", "service | depends_on \n web | api")
    incidents = "id | service | at \n i1 | web | 2026-02-01 14:00"
    promise = plan(outcome={"link": "dependency"})
    assert pairs(linked(promise, deployments=YEAR, incidents=incidents, dependencies=needs)) == {
        ("i1", "d2"),
        ("i1", "d3"),
    }
    left_out = needs.assign(left_out_by="not in use")
    assert pairs(linked(promise, deployments=YEAR, incidents=incidents, dependencies=left_out)) == set()


def test_only_incidents_as_severe_as_the_plan_asks_for_are_tied():
    incidents = """
        id | service | at               | severity
        i1 | api     | 2026-02-01 14:00 | 1
        i2 | api     | 2026-02-01 14:00 | 2
        i3 | api     | 2026-02-01 14:00 | 3
        i4 | api     | 2026-02-01 14:00 |
    """
    found = linked(plan(outcome={"severity_at_most": 2}), deployments=YEAR, incidents=incidents)
    assert {incident for incident, _ in pairs(found)} == {"i1", "i2"}
    assert found.incidents == 2


def test_asking_for_severity_without_the_column_is_refused():
    with pytest.raises(PlanError) as refused:
        linked(plan(outcome={"severity_at_most": 2}), deployments=YEAR)
    assert str(refused.value) == "outcome.severity_at_most is 2, but the incidents have no column 'severity'"


def test_the_data_run_from_the_first_deployment_to_the_last_row_of_either_table():
    incidents = "id | service | at | severity \n i1 | web | 2027-01-05 00:00 | 5"
    found = linked(
        plan(outcome={"severity_at_most": 1}),
        deployments=YEAR,
        incidents=with_left_out(
            "incidents", incidents, "i1"
        ),  # too mild, and left out: somebody was watching all the same
    )
    assert (found.start, found.end) == (datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 5, tzinfo=UTC))


def test_two_plans_may_link_the_same_tables():
    tables = checked(deployments=YEAR, incidents="id | service | at \n i1 | api | 2026-02-01 14:00")
    short, long = (link(tables, plan(outcome={"window_hours": hours})) for hours in (1, 24))
    assert pairs(short) == {("i1", "d3")}
    assert pairs(long) == {("i1", "d2"), ("i1", "d3")}


# --- how many links coincidence makes


def some_times(number: int, seed: int, days: int = 364) -> pd.Series:
    seconds = np.random.default_rng(seed).integers(0, days * 86400, number)
    return pd.Series(pd.Timestamp("2025-01-01", tz="UTC") + pd.to_timedelta(seconds, unit="s")).dt.as_unit("us")


def independent_world(deployments: int, incidents: int, seed: int) -> dict[str, pd.DataFrame]:
    """Services and times drawn without regard to one another."""
    services = np.array(["a", "b", "c", "d"])
    draws = np.random.default_rng([seed, 1])
    return {
        "deployments": pd.DataFrame(
            {
                "deployment_id": [f"d{number}" for number in range(deployments)],
                "deployed_at": some_times(deployments, seed),
                "service": draws.choice(services, deployments),
                "assistance": "human",
            }
        ),
        "incidents": pd.DataFrame(
            {
                "incident_id": [f"i{number}" for number in range(incidents)],
                "started_at": some_times(incidents, seed + 1),
                "service": draws.choice(services, incidents),
            }
        ),
    }


def test_where_incidents_do_not_depend_on_deployments_chance_makes_as_many_links_as_were_found():
    found = linked(**independent_world(2000, 400, seed=7)).by_rule.set_index("rule")
    # 400 incidents × 500 deployments of the service × one day in 364: about 550 expected, give or take 24 (Poisson)
    by_theory = 400 * 500 / 364
    for rule in ("window", "recorded_then_window"):
        assert found.loc[rule, "expected_by_chance"] == approx(by_theory, rel=0.1)
        assert found.loc[rule, "links"] == approx(by_theory, abs=4 * by_theory**0.5)


def test_where_every_deployment_is_followed_by_an_incident_chance_makes_far_fewer_links_than_were_found():
    world = independent_world(300, 0, seed=3)
    followed = world["deployments"]
    world["incidents"] = pd.DataFrame(
        {
            "incident_id": followed["deployment_id"].str.replace("d", "i"),
            "started_at": followed["deployed_at"] + pd.Timedelta(hours=1),
            "service": followed["service"],
        }
    )
    found = linked(**world).by_rule.set_index("rule").loc["window"]
    assert found["links"] >= 300
    assert found["expected_by_chance"] < 0.3 * found["links"]


def test_rules_in_which_time_plays_no_part_have_no_expected_number():
    found = linked(**independent_world(50, 5, seed=1)).by_rule.set_index("rule")["expected_by_chance"]
    assert found[["recorded", "last"]].isna().all()
    assert found[["window", "recorded_then_window"]].notna().all()


def test_of_recorded_then_window_only_the_part_by_time_can_be_coincidence():
    world = independent_world(2000, 200, seed=5)
    recorded = world["incidents"].assign(caused_by="d1")
    found = linked(deployments=world["deployments"], incidents=recorded).by_rule.set_index("rule")
    assert found.loc["recorded_then_window", ["links", "expected_by_chance"]].tolist() == [200, 0]


def test_moving_deployments_keeps_their_number_service_hour_and_weekday_and_stays_within_the_data():
    world = independent_world(200, 0, seed=2)["deployments"]
    start, end = datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 12, 31, tzinfo=UTC)  # exactly 52 weeks
    moved = shifted(in_engine("deployments", world), start, end, (-1, 1, 3)).execute()
    assert len(moved) == 3 * 200
    assert moved["deployment_id"].is_unique
    assert not set(moved["deployment_id"]) & set(world["deployment_id"])
    assert moved["deployed_at"].between(start, end).all()
    by_week = [moved["service"], moved["deployed_at"].dt.day_of_week, moved["deployed_at"].dt.hour]
    expected = [world["service"], world["deployed_at"].dt.day_of_week, world["deployed_at"].dt.hour]
    counts, wanted = moved.groupby(by_week).size(), world.groupby(expected).size()
    pd.testing.assert_series_equal(counts, 3 * wanted, check_names=False)


def test_a_move_by_a_week_is_a_move_by_a_week():
    deployments = "id | service | at \n d1 | api | 2025-03-03 10:00 \n d2 | api | 2025-12-30 10:00"
    start, end = datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 12, 31, tzinfo=UTC)
    moved = shifted(in_engine("deployments", drawn("deployments", deployments)), start, end, (1,)).execute()
    assert moved.set_index("deployment_id")["deployed_at"].dt.strftime("%Y-%m-%d %H:%M").to_dict() == {
        "d1 moved 1 weeks": "2025-03-10 10:00",
        "d2 moved 1 weeks": "2025-01-07 10:00",  # round the end of the data, to the same weekday
    }


@pytest.mark.parametrize(
    ("hours", "weeks_of_data", "moves"),
    [
        (24, 52, (-1, 1, -2, 2, -3, 3, -4, 4)),
        (167, 52, (-1, 1, -2, 2, -3, 3, -4, 4)),
        (168, 52, (-2, 2, -4, 4, -6, 6, -8, 8)),  # a week's window would touch its neighbour
        (24, 4, (-1, 1, -2, 2, -3, 3)),  # four weeks forward is no move at all
        (24, 1, ()),
        (24, 0, ()),
    ],
)
def test_moves_are_whole_weeks_that_leave_every_window(hours, weeks_of_data, moves):
    start = datetime(2025, 1, 1, tzinfo=UTC)
    end = datetime.fromtimestamp(start.timestamp() + weeks_of_data * 7 * 86400, tz=UTC)
    assert shifts_for(hours, start, end) == moves


def test_data_too_short_to_move_anything_have_no_expected_number():
    deployments = "id | service | at \n d1 | api | 2026-01-01 00:00 \n d2 | api | 2026-01-08 00:00"
    incidents = "id | service | at \n i1 | api | 2026-01-01 01:00"
    study = checked(deployments=deployments, incidents=incidents)
    start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 8, tzinfo=UTC)
    assert expected_by_chance(WithinWindow(24), study_tables(study, plan()), start, end, 24) is None
