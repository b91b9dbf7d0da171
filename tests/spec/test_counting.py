"""From linked rows to cells: who is counted, as what, and that counting loses nothing."""

from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd
import pytest
from drawing import checked, counted, drawn, plan

from counterfault import check, read
from counterfault.counting import OUTCOMES, Counted
from counterfault.counting.population import population_by
from counterfault.plan import Plan, PlanError

END = "end | zz | 2027-01-01 00:00"  # a last row, so that all drawn deployments have been followed long enough


def steps(found: Counted) -> dict[str, tuple[int, int, int]]:
    rows = found.population.set_index("step")[["ai", "human", "unknown"]]
    return {step: tuple(map(int, counts)) for step, counts in zip(rows.index, rows.to_numpy(), strict=True)}


def levels(found: Counted, column: str) -> dict[str, int]:
    """How many analysed deployments each level of a stratum or covariate holds."""
    return found.cells.frame.groupby(column)["n"].sum().to_dict()


def failed(found: Counted, outcome: str = "events") -> dict[str, int]:
    """service → failures, in drawings where each deployment has a service of its own."""
    events = found.cells.frame.groupby("service")[outcome].sum()
    return events[events > 0].to_dict()


# --- who is in the contrast


FLOW = """
    id | service | at                  | assistance | is_hotfix | left_out_by
    d1 | api     | 2026-02-01 00:00    | ai         |           | is_bot is true
    d2 | api     | 2025-12-31 23:59:59 | ai         | yes       |
    d3 | api     | 2026-01-01 00:00:00 | ai         |           |
    d4 | api     | 2026-02-28 23:59:59 | human      |           |
    d5 | api     | 2026-03-01 00:00:00 | human      |           |
    d6 | api     | 2026-02-10 12:00:00 | human      | yes       |
    d7 | api     | 2026-02-10 12:00:00 | unknown    | yes       |
    d8 | api     | 2026-02-10 12:00:00 | unknown    |           |
    d9 | api     | 2026-02-10 12:00:00 | human      | no        |
"""
OPEN_INCIDENT = """
    id  | service | at               | resolved_at
    i1  | api     | 2026-02-10 11:00 | 2026-02-10 13:00
    end | zz      | 2027-01-01 00:00 |
"""


def test_every_accepted_deployment_has_one_place_and_the_first_reason_counts():
    found = counted(
        plan(period={"start": "2026-01-01", "end": "2026-03-01"}), deployments=FLOW, incidents=OPEN_INCIDENT
    )
    assert steps(found) == {
        "left out by the plan: is_bot is true": (1, 0, 0),
        "before 2026-01-01": (1, 0, 0),  # a hot-fix too, but it was never going to be studied
        "from 2026-03-01 on": (0, 1, 0),
        "repair while an incident was open": (0, 1, 1),  # before its unknown label is asked about
        "assistance unknown": (0, 0, 1),
        "analysed": (1, 2, 0),
    }
    assert list(found.population["step"]) == list(steps(found))  # in the order in which they are asked
    assert found.population[["ai", "human", "unknown"]].to_numpy().sum() == 9
    assert found.cells.frame["n"].sum() == 3


def test_changes_of_a_block_in_which_nobody_labels_are_told_from_unlabelled_ones_among_labelled():
    found = counted(
        deployments="""
        id | service | at               | assistance
        ---+---------+------------------+-----------
        d1 | api     | 2026-01-05 00:00 | unknown
        d2 | api     | 2026-04-05 00:00 | unknown
        d3 | shop    | 2026-05-05 00:00 | ai
        d4 | shop    | 2026-06-05 00:00 | human
        d5 | shop    | 2026-09-05 00:00 | human
        """
    )
    assert steps(found) == {
        "not followed for 24 h before the data end": (0, 1, 0),
        "no change is labelled in its quarter": (0, 0, 1),
        "assistance unknown": (0, 0, 1),
        "analysed": (1, 1, 0),
    }


def test_a_deployment_is_followed_if_the_data_run_on_for_exactly_the_follow_up():
    deployments = """
        id | service | at
        d1 | api     | 2026-03-01 23:59:59
        d2 | api     | 2026-03-02 00:00:00
        d3 | api     | 2026-03-02 00:00:00.001
        d4 | api     | 2026-03-05 00:00:00
    """
    found = counted(plan(outcome={"window_hours": 24, "follow_up_hours": 72}), deployments=deployments)
    assert steps(found) == {"not followed for 72 h before the data end": (0, 2, 0), "analysed": (0, 2, 0)}


def test_the_last_incident_may_end_the_data_too():
    deployments = "id | service | at \n d1 | api | 2026-03-01 00:00"
    incidents = "id | service | at \n i1 | other | 2026-03-02 00:00"
    assert steps(counted(deployments=deployments, incidents=incidents)) == {"analysed": (0, 1, 0)}


def test_without_a_follow_up_of_its_own_a_plan_follows_for_its_window():
    deployments = "id | service | at \n d1 | api | 2026-03-01 00:00 \n d2 | api | 2026-03-01 07:00"
    found = counted(plan(outcome={"window_hours": 7}), deployments=deployments)
    assert steps(found) == {"not followed for 7 h before the data end": (0, 1, 0), "analysed": (0, 1, 0)}


REPAIRS = """
    id | service | at                  | is_hotfix | is_rollback
    d1 | a       | 2026-03-01 09:59:59 | yes       |
    d2 | b       | 2026-03-01 10:00:00 | yes       |
    d3 | c       | 2026-03-01 12:00:00 |           | yes
    d4 | d       | 2026-03-01 12:00:01 |           | yes
    d5 | e       | 2026-03-01 11:00:00 |           |
    d6 | f       | 2026-03-01 11:00:00 | no        | no
    d7 | g       | 2026-03-01 11:00:00 | yes       | yes
"""


def analysed_services(found: Counted) -> set[str]:
    return set(found.cells.frame["service"])


def test_a_repair_leaves_from_the_first_to_the_last_moment_of_an_incident_of_its_service():
    incidents = "id | service | at | resolved_at\n" + "\n".join(
        f"i{service} | {service} | 2026-03-01 10:00 | 2026-03-01 12:00" for service in "abcdef"
    )
    found = counted(deployments=REPAIRS, incidents=f"{incidents}\n{END} |")
    assert analysed_services(found) == {"a", "d", "e", "f", "g"}
    assert steps(found)["repair while an incident was open"] == (0, 2, 0)


@pytest.mark.parametrize("resolved_at", ["", "| resolved_at"])
def test_an_incident_without_an_end_is_taken_to_be_open_for_the_plans_hours(resolved_at):
    deployments = """
        id | service | at                  | is_hotfix
        d1 | a       | 2026-03-01 13:00:00 | yes
        d2 | b       | 2026-03-01 13:00:01 | yes
    """
    empty = "|" if resolved_at else ""
    incidents = f"id | service | at {resolved_at}\n" + "\n".join(
        f"i{service} | {service} | 2026-03-01 10:00 {empty}" for service in "ab"
    )
    found = counted(
        plan(outcome={"incident_open_hours": 3}), deployments=deployments, incidents=f"{incidents}\n{END} {empty}"
    )
    assert analysed_services(found) == {"b"}


def test_a_repair_of_an_incident_too_mild_or_of_another_cause_is_a_repair_all_the_same():
    deployments = "id | service | at | is_hotfix \n d1 | a | 2026-03-01 11:00 | yes \n d2 | b | 2026-03-01 11:00 | yes"
    incidents = """
        id  | service | at               | severity | cause
        i1  | a       | 2026-03-01 10:00 | 5        | change
        i2  | b       | 2026-03-01 10:00 | 1        | other
        end | zz      | 2027-01-01 00:00 | 1        | other
    """
    found = counted(plan(outcome={"severity_at_most": 2}), deployments=deployments, incidents=incidents)
    assert steps(found) == {"repair while an incident was open": (0, 2, 0)}


def test_where_nobody_is_left_there_are_no_cells_and_every_row_is_still_accounted_for():
    found = counted(deployments="id | service | at | assistance \n d1 | api | 2026-03-01 00:00 | ai")
    assert found.cells.frame.empty
    assert found.cells.two_by_two() == (0, 0, 0, 0)
    assert found.cells.tables().empty
    assert steps(found) == {"not followed for 24 h before the data end": (1, 0, 0)}


def test_the_same_places_can_be_told_for_each_service():
    two = FLOW.rstrip() + "\n d10 | web | 2026-02-10 12:00:00 | ai | yes | \n d11 | web | 2026-02-11 | unknown | |"
    found = counted(plan(period={"start": "2026-01-01"}), deployments=two, incidents=OPEN_INCIDENT)
    by_service = population_by(found.rows, "service")
    web = by_service[by_service["service"] == "web"]
    assert web[["step", "ai", "human", "unknown"]].to_numpy().tolist() == [
        ["assistance unknown", 0, 0, 1],
        ["analysed", 1, 0, 0],  # no incident of its own was open
    ]
    summed = by_service.groupby("step", sort=False)[["ai", "human", "unknown"]].sum()
    pd.testing.assert_frame_equal(
        summed.sort_index(), found.population.set_index("step").sort_index(), check_dtype=False
    )


# --- what happened after each deployment, and before it


AFTERWARDS = """
    id | service | at               | assistance
    d1 | a       | 2026-03-01 10:00 | ai
    d2 | b       | 2026-03-01 10:00 | human
    d3 | c       | 2026-03-01 10:00 | ai
    d4 | d       | 2026-03-01 10:00 | human
    d5 | e       | 2026-03-01 10:00 | ai
    d6 | f       | 2026-03-01 10:00 | ai
"""
INCIDENTS = """
    id  | service | at               | cause  | caused_by
    i1  | a       | 2026-03-01 16:00 |        |
    i2  | a       | 2026-03-01 11:00 |        |
    i3  | b       | 2026-03-01 11:00 | change | d3
    i4  | d       | 2026-03-01 11:00 | other  |
    i5  | e       | 2026-03-01 09:00 |        |
    i6  | f       | 2026-03-01 10:00 |        |
    end | zz      | 2027-01-01 00:00 |        |
"""


def test_each_outcome_counts_deployments_and_never_incidents():
    found = counted(plan(outcome={"window_hours": 6}), deployments=AFTERWARDS, incidents=INCIDENTS)
    assert found.outcomes == tuple(
        name for name in OUTCOMES if name != "late_events"
    )  # no label says when it was written
    assert failed(found) == {"a": 1, "c": 1, "f": 1}  # a once, though two incidents followed
    assert failed(found, "recorded_events") == {"c": 1}
    assert failed(found, "window_events") == {"a": 1, "b": 1, "f": 1}
    assert failed(found, "control_events") == {"d": 1}
    assert failed(found, "placebo_events") == {"e": 1}  # f's began with the deployment, not before it
    assert found.read_as("placebo_events").frame["events"].sum() == 1


def test_the_placebo_window_is_the_window_turned_round():
    deployments = """
        id | service | at
        d1 | a       | 2026-03-01 16:00:00
        d2 | b       | 2026-03-01 16:00:01
        d3 | c       | 2026-03-01 10:00:00
        d4 | d       | 2026-03-01 10:00:01
    """
    incidents = "id | service | at\n" + "\n".join(f"i{service} | {service} | 2026-03-01 10:00" for service in "abcd")
    found = counted(plan(outcome={"window_hours": 6}), deployments=deployments, incidents=f"{incidents}\n{END}")
    assert failed(found, "placebo_events") == {"a": 1, "d": 1}


def test_an_incident_of_another_cause_with_a_recorded_deployment_controls_nothing():
    incidents = f"""
        id  | service | at               | cause | caused_by
        i1  | a       | 2026-03-01 11:00 | other | d1
        i2  | b       | 2026-03-01 11:00 | other |
        {END} | |
    """
    found = counted(deployments=AFTERWARDS, incidents=incidents)
    assert failed(found, "control_events") == {"b": 1}
    assert failed(found, "recorded_events") == {"a": 1}


def test_outcomes_that_the_tables_cannot_give_are_absent_rather_than_zero():
    found = counted(deployments=AFTERWARDS, incidents=f"id | service | at \n {END}")
    assert found.outcomes == ("events", "window_events", "placebo_events")
    assert not {"recorded_events", "control_events"} & set(found.cells.frame)


def test_time_at_risk_is_the_follow_up_of_every_deployment_counted():
    found = counted(
        plan(outcome={"window_hours": 6, "follow_up_hours": 30}),
        deployments="id | service | at \n d1 | a | 2026-03-01 10:00 \n d2 | a | 2026-03-01 11:00",
        incidents=f"id | service | at \n {END}",
    )
    assert found.cells.frame[["n", "exposure_hours"]].to_numpy().tolist() == [[2, 60.0]]


LABELLED = """
    id | service | at               | assistance | label_recorded_at
    d1 | a       | 2026-03-01 10:00 | ai         | 2026-03-01 11:00:01
    d2 | b       | 2026-03-01 10:00 | ai         | 2026-03-01 11:00:00
    d3 | c       | 2026-03-01 10:00 | human      | 2026-03-01 10:30:00
    d4 | d       | 2026-03-01 10:00 | human      |
    d5 | e       | 2026-03-01 10:00 | human      | 2026-03-01 12:00:00
    d6 | f       | 2026-03-01 10:00 | ai         | 2026-03-01 12:00:00
"""
LOOKED_INTO = """
    id  | service | at               | caused_by
    i1  | a       | 2026-03-01 11:00 |
    i2  | b       | 2026-03-01 11:00 |
    i3  | c       | 2026-03-01 11:00 |
    i4  | d       | 2026-03-01 11:00 |
    i5  | e       | 2026-03-01 11:00 |
    i6  | e       | 2026-03-01 13:00 |
    i7  | zz      | 2026-03-01 13:00 | d6
    end | zz      | 2027-01-01 00:00 |
"""


def test_a_label_is_late_where_it_was_written_after_the_first_incident_tied_to_its_deployment_had_begun():
    found = counted(deployments=LABELLED, incidents=LOOKED_INTO)
    assert failed(found) == dict.fromkeys("abcdef", 1)
    assert failed(found, "late_events") == {"a": 1, "e": 1}  # f's was tied by record, and began later than its label


def quiet(delay: str, how_many: int, service: str) -> str:
    """Deployments that nothing followed, with labels written so long afterwards."""
    row = f"| {service} | 2026-04-01 00:00 | human | {delay}"
    return "\n".join(f"q{service}{n} {row}" for n in range(how_many))


SOON, LATER = "2026-04-01 00:59:59", "2026-04-01 01:00:00"  # of an incident that began an hour after its deployment


@pytest.mark.parametrize(
    ("others", "late"),
    [
        (quiet(SOON, 100, "y"), {"a": 1, "e": 1}),
        (quiet(LATER, 100, "y"), {}),  # its label would have come afterwards in any case
        # One in ten says nothing of the others, however late it came; more than that would.
        (quiet(SOON, 91, "y") + "\n" + quiet("2026-09-01 00:00", 9, "z"), {"a": 1, "e": 1}),
        (quiet(SOON, 89, "y") + "\n" + quiet("2026-09-01 00:00", 11, "z"), {}),
        (quiet("", 100, "y"), {"a": 1, "e": 1}),  # labels without a time tell no delay
    ],
)
def test_a_label_is_not_late_where_quiet_changes_would_not_have_had_theirs_either(others, late):
    found = counted(deployments=LABELLED.rstrip() + "\n" + others, incidents=LOOKED_INTO)
    assert failed(found, "late_events") == late


def test_without_times_of_labels_none_is_late():
    found = counted(deployments=AFTERWARDS, incidents=INCIDENTS)
    assert "late_events" not in found.cells.frame


# --- strata


NEW_YEAR = """
    id | service | at                  | team
    d1 | a       | 2024-12-29 23:59:59 | x
    d2 | a       | 2024-12-30 00:00:00 | x
    d3 | a       | 2025-12-28 23:59:59 |
    d4 | a       | 2026-01-01 00:00:00 |
    d5 | a       | 2026-03-31 23:59:59 | y
    d6 | a       | 2026-04-01 00:00:00 | y
"""


@pytest.mark.parametrize(
    ("unit", "labels"),
    [
        ("year", {"2024": 2, "2025": 1, "2026": 3}),
        ("quarter", {"2024Q4": 2, "2025Q4": 1, "2026Q1": 2, "2026Q2": 1}),
        ("month", {"2024-12": 2, "2025-12": 1, "2026-01": 1, "2026-03": 1, "2026-04": 1}),
        # ISO weeks belong to the year of their Thursday: 30 December 2024 opens the first week of 2025
        ("week", {"2024-W52": 1, "2025-W01": 1, "2025-W52": 1, "2026-W01": 1, "2026-W14": 2}),
    ],
)
def test_calendar_blocks_are_those_of_utc(unit, labels):
    promise = plan(design={"strata": ["service", unit]})
    found = counted(promise, deployments=NEW_YEAR, incidents=f"id | service | at \n {END}")
    assert levels(found, unit) == labels
    assert found.cells.strata == ("service", unit)


def test_a_stratum_nobody_filled_in_is_a_level_of_its_own():
    promise = plan(design={"strata": ["team", "year"], "cluster": "team"})
    found = counted(promise, deployments=NEW_YEAR, incidents=f"id | service | at \n {END}")
    assert levels(found, "team") == {"missing": 2, "x": 2, "y": 2}
    assert levels(found, "service") == {"a": 6}  # kept, so that one service at a time can be left out


@pytest.mark.parametrize("design", [{"strata": ["team", "quarter"]}, {"strata": ["service"], "cluster": "team"}])
def test_a_stratum_without_a_column_is_refused(design):
    with pytest.raises(PlanError) as refused:
        counted(plan(design=design), deployments=AFTERWARDS)
    assert str(refused.value) == "design: the plan groups by 'team', but the deployments have no column 'team'"


def test_a_plan_without_strata_is_refused():
    with pytest.raises(PlanError) as refused:
        counted(plan(design={"strata": []}), deployments=AFTERWARDS)
    assert str(refused.value) == (
        "design.strata is empty, so changes of all services and seasons would be compared as if they were alike; "
        'name at least one, e.g. strata = ["service", "quarter"]'
    )


# --- covariates


def test_numbers_are_cut_at_the_edges_and_a_missing_one_is_neither_dropped_nor_zero():
    deployments = f"""
        id | service | at               | reviewers | lines_added | lines_deleted
        d1 | a       | 2026-03-01 10:00 | 0         | 19          | 0
        d2 | a       | 2026-03-01 10:00 | 1         | 19          | 1
        d3 | a       | 2026-03-01 10:00 | 2         | 99          | 400
        d4 | a       | 2026-03-01 10:00 | 7         | 500         | 0
        d5 | a       | 2026-03-01 10:00 |           | 500         |
        {END} | | |
    """
    promise = plan(design={"mediators": ["size", "reviewers"]})
    found = counted(promise, deployments=deployments)
    assert levels(found, "reviewers") == {"under 1": 1, "1 to under 2": 1, "2 and more": 2, "missing": 1}
    assert levels(found, "size") == {
        "under 20": 1,
        "20 to under 100": 1,
        "100 to under 500": 1,
        "500 and more": 1,
        "missing": 1,
    }
    assert found.covariates == ("size", "reviewers")


def test_answers_and_words_are_their_own_levels():
    deployments = f"""
        id | service | at               | touches_tests | change_type
        d1 | a       | 2026-03-01 10:00 | yes           | docs
        d2 | a       | 2026-03-01 10:00 | no            |
        d3 | a       | 2026-03-01 10:00 |               | docs
        {END} | |
    """
    found = counted(plan(design={"mediators": ["touches_tests", "change_type"]}), deployments=deployments)
    assert levels(found, "touches_tests") == {"yes": 1, "no": 1, "missing": 1}
    assert levels(found, "change_type") == {"docs": 2, "missing": 1}


def test_a_covariate_that_is_also_a_stratum_is_held_fixed_once():
    promise = plan(design={"strata": ["service", "team"], "confounders": ["team"]})
    found = counted(promise, deployments=NEW_YEAR, incidents=f"id | service | at \n {END}")
    assert levels(found, "team") == {"missing": 2, "x": 2, "y": 2}


def test_what_the_tables_lack_is_named_with_the_column_that_is_missing():
    promise = Plan()
    found = counted(promise, deployments="id | service | at | lines_added \n d1 | a | 2026-03-01 10:00 | 3")
    assert dict(found.not_assessed) == {
        "adjustment for the confounder author_tenure_days": "no column author_tenure_days",
        "adjustment for the confounder at_peak": "no column at_peak and no table load",
        "adjustment for the mediator size": "no column lines_deleted",
        "adjustment for the mediator reviewers": "no column reviewers",
        "adjustment for the mediator touches_tests": "no column touches_tests",
        "repairs during an open incident": "no column is_hotfix, is_rollback",
    }
    assert found.covariates == ()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "review_hours",
            "design.bins: review_hours is a number; say where to cut it, e.g. review_hours = [1, 10, 100]",
        ),
        ("assistance", "design: 'assistance' is the exposure and cannot be held fixed as a confounder"),
        (
            "deployment_id",
            "design: 'deployment_id' cannot be a confounder, because nearly every deployment has its own; calendar "
            "time is held fixed by design.strata",
        ),
        (
            "deployed_at",
            "design: 'deployed_at' cannot be a confounder, because nearly every deployment has its own; calendar "
            "time is held fixed by design.strata",
        ),
    ],
)
def test_a_covariate_that_cannot_be_one_is_refused(name, message):
    deployments = "id | service | at | review_hours \n d1 | a | 2026-03-01 10:00 | 3"
    with pytest.raises(PlanError) as refused:
        counted(plan(design={"confounders": [name]}), deployments=deployments)
    assert str(refused.value) == message


# --- load


AT_PEAK = plan(design={"confounders": ["at_peak"]})


def busy_day(service: str, requests: list[float]) -> pd.DataFrame:
    hours = pd.date_range("2026-03-01", periods=len(requests), freq="h", tz="UTC", unit="us")
    return pd.DataFrame({"service": service, "hour": hours, "requests": requests})


def peaks(load: pd.DataFrame, *times: str, service: str = "a") -> list[str]:
    """What each deployment's ``at_peak`` is, one service for all, one deployment for each time of 1 March 2026."""
    rows = "\n".join(f"d{n} | {service} | 2026-03-01 {time} | n{n}" for n, time in enumerate(times))
    deployments = drawn("deployments", f"id | service | at | change_type\n{rows}\n{END} | end")
    promise = plan(design={"confounders": ["at_peak", "change_type"]})
    cells = counted(promise, deployments=deployments, load=load).cells.frame
    return cells.set_index("change_type")["at_peak"].loc[[f"n{n}" for n in range(len(times))]].tolist()


def test_a_deployment_is_at_peak_in_the_busiest_tenth_of_its_services_hours():
    load = busy_day("a", [float(hour) for hour in range(20)])  # busiest: from 18:00 and from 19:00
    found = peaks(load, "17:59:59.999", "18:00", "19:30", "19:59:59.999", "00:00")
    assert found == ["no", "yes", "yes", "yes", "no"]


def test_where_the_load_of_an_hour_is_not_known_the_peak_is_missing():
    load = busy_day("a", [float(hour) for hour in range(20)])
    assert peaks(load, "20:00") == ["missing"]
    assert peaks(load, "19:00", service="b") == ["missing"]


def test_every_service_has_a_peak_of_its_own():
    load = pd.concat([busy_day("a", [1.0] * 9 + [2.0]), busy_day("b", [1000.0] + [900.0] * 9)])
    assert peaks(load, "09:00", "00:00", service="a") == ["yes", "no"]
    assert peaks(load, "09:00", "00:00", service="b") == ["no", "yes"]


@pytest.mark.parametrize(
    "requests",
    [[5.0] * 20, [1.0] * 17 + [9.0] * 3, [1.0] * 8 + [9.0]],
    ids=["never varies", "three of twenty share the top", "too few hours for a tenth"],
)
def test_hours_with_the_same_load_share_a_fate(requests):
    assert peaks(busy_day("a", requests), "08:00", f"{len(requests) - 1:02}:30") == ["no", "no"]


def test_rows_within_one_hour_add_up_and_deployments_are_not_multiplied():
    whole = busy_day("a", [10.0] * 19 + [5.0])
    half_past = pd.DataFrame({"service": "a", "hour": [pd.Timestamp("2026-03-01 19:30", tz="UTC")], "requests": [6.0]})
    assert peaks(pd.concat([whole, half_past]), "19:10", "18:10") == ["yes", "no"]


def test_a_load_row_that_the_plan_leaves_out_is_not_seen():
    load = busy_day("a", [float(hour) for hour in range(20)])
    load["left_out_by"] = [None] * 19 + ["test traffic"]
    assert peaks(load, "19:00", "18:00") == ["missing", "yes"]  # 18:00 is the first of nineteen now


def test_a_recorded_peak_comes_before_the_load_table():
    deployments = (
        f"id | service | at | at_peak \n d1 | a | 2026-03-01 19:00 | no \n d2 | a | 2026-03-01 19:00 | \n {END} |"
    )
    found = counted(AT_PEAK, deployments=deployments, load=busy_day("a", [float(hour) for hour in range(20)]))
    assert levels(found, "at_peak") == {"no": 1, "missing": 1}


def test_with_a_load_table_the_adjustment_for_the_peak_is_assessed():
    found = counted(
        AT_PEAK, deployments="id | service | at \n d1 | a | 2026-03-01 10:00", load=busy_day("a", [1.0] * 20)
    )
    assert found.covariates == ("at_peak",)
    assert "adjustment for the confounder at_peak" not in dict(found.not_assessed)


# --- by label, for adoption and for the bounds


def test_labels_are_counted_per_service_and_month_and_who_could_be_compared_is_told():
    found = counted(plan(period={"start": "2026-01-01"}), deployments=FLOW, incidents=OPEN_INCIDENT).by_label
    rows = found[["month", "assistance", "compared", "n", "events"]].to_numpy().tolist()
    assert rows == [
        ["2025-12", "ai", False, 1, 0],
        ["2026-01", "ai", True, 1, 0],
        ["2026-02", "human", False, 1, 0],  # the repair
        ["2026-02", "human", True, 2, 0],
        ["2026-02", "unknown", False, 1, 0],  # a repair too
        ["2026-02", "unknown", True, 1, 0],  # kept out by its label alone
        ["2026-03", "human", True, 1, 0],
    ]


# --- the drawings themselves


def test_drawn_tables_have_the_types_that_checking_gives():
    deployments = drawn("deployments", FLOW).drop(columns="left_out_by")
    deployments = deployments.assign(lines_added=pd.array([1] * len(deployments), "Int64"), ai_share=0.5, at_peak=True)
    incidents = drawn("incidents", OPEN_INCIDENT)
    real = check(read(deployments, incidents), Plan(), now=datetime(2027, 1, 1, tzinfo=UTC))
    ours = checked(deployments=deployments, incidents=incidents)
    for name in ("deployments", "incidents"):
        assert dict(ours.tables[name].schema().items()) == dict(real.tables[name].schema().items())
    assert ours.engine.name == real.engine.name


def test_a_period_without_deployments_is_a_slip_of_the_plan():
    with pytest.raises(PlanError) as refused:
        counted(
            plan(period={"start": "2027-01-01"}),
            deployments="id | service | at | assistance \n d1 | api | 2026-03-01 00:00 | ai",
        )
    assert str(refused.value) == (
        "period: no deployment lies from 2027-01-01; the data run from 2026-03-01 to 2026-03-01"
    )
