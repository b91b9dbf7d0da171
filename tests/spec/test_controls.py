"""Controls and placebos: which deployments count for which, what too little data says, and how it is drawn."""

from __future__ import annotations

from functools import lru_cache

import ibis
import numpy as np
import pandas as pd
import pytest
from drawing import linked as linked_tables
from drawing import plan
from ibis.expr.types import Table
from pytest import approx

from counterfault import Study, count
from counterfault.challenges.calibration import calibrated, pooled_controls, systematic_error
from counterfault.challenges.contrast import planned_contrast, ratio_that_should_be_1
from counterfault.challenges.negative_controls import Controls, IncidentsOfOtherCause
from counterfault.challenges.placebo import BeforeTheDeployment, Placebos, shuffled_labels
from counterfault.counting.control_cells import (
    Other,
    cells_before,
    cells_by_label_of_another,
    cells_of_harmless,
    cells_of_other_causes,
)
from counterfault.estimate import Estimand, Estimate, Interval, not_estimable
from counterfault.figures.controls import control_funnel
from counterfault.plan import Plan

END = "end | zz | 2027-01-01 00:00"
DAY = plan(outcome={"link": "window", "window_hours": 24, "follow_up_hours": 24})


def study_of(promise=DAY, **tables) -> Study:
    linked = linked_tables(promise, **tables)
    return Study(linked, count(linked, promise), promise)


def tables_of(cells) -> dict:
    """Name → exposed events, exposed, other events, others."""
    return {name: tuple(each.two_by_two()) for name, each in cells.items()}


# --- which deployments count

DEPLOYMENTS = """
    id | service | at               | assistance | change_type
    d0 | zz      | 2026-01-01 00:00 | human      | feature
    d1 | api     | 2026-02-01 00:00 | ai         | docs
    d2 | api     | 2026-02-03 00:00 | human      | Docs
    d3 | api     | 2026-02-05 00:00 | ai         | docs
    d4 | shop    | 2026-02-05 00:00 | human      | feature
"""
OTHER_CAUSES = f"""
    id | service | at                  | cause  | failure_mode | caused_by
    i1 | api     | 2026-02-01 00:00    | other  | capacity     |
    i2 | api     | 2026-02-04 00:00    | other  | capacity     |
    i3 | api     | 2026-02-04 00:00:01 | other  | capacity     |
    i4 | api     | 2026-02-05 10:00    | other  |              |
    i5 | shop    | 2026-02-05 10:00    | other  | capacity     | d4
    i6 | shop    | 2026-02-05 11:00    | change | capacity     |
    {END} | | |
"""


@lru_cache
def small_study() -> Study:
    return study_of(deployments=DEPLOYMENTS, incidents=OTHER_CAUSES)


def test_incidents_no_change_caused_count_in_the_window_and_by_failure_mode():
    study = small_study()
    cells = cells_of_other_causes(study.counted.rows, study.cells, study.linked, DAY, ())
    assert tables_of(cells) == {
        # i1 at d1's own moment, i2 at the end of d2's window; i3 comes a second late, i5 has a recorded cause, and i6
        # is no control.
        "capacity": (1, 2, 1, 3),
        "missing": (1, 2, 0, 3),  # i4 after d3
    }


def test_a_choice_never_takes_in_what_the_outcome_counts():
    promise = plan(
        outcome={"link": "window"},
        challenges={"negative_controls": {"incidents": {"failure_mode": ["capacity"]}, "split_by": "severity"}},
    )
    study = study_of(promise, deployments=DEPLOYMENTS, incidents=OTHER_CAUSES)
    cells = cells_of_other_causes(study.counted.rows, study.cells, study.linked, promise, ())
    assert tables_of(cells) == {"all": (1, 2, 1, 3)}  # no column severity to split by


def test_windows_before_the_deployment_end_where_the_next_begins():
    promise = plan(
        outcome={"link": "window", "window_hours": 24}, challenges={"negative_controls": {"windows_before": 2}}
    )
    incidents = f"""
        id | service | at
        i1 | api     | 2026-02-01 00:00
        i2 | api     | 2026-01-31 00:00
        i3 | api     | 2026-01-30 23:59:59
        i4 | api     | 2026-02-04 23:59:59
        i5 | shop    | 2026-02-02 23:59:59
        {END}
    """
    study = study_of(promise, deployments=DEPLOYMENTS, incidents=incidents)
    # d1 has i2 in its first window (24 h before, to the second) and i3 in its second; i1 came with it, not before it.
    # d2's second window begins with i1, 48 h before; d3 has i4. i5 is 48 h and a second before d4, so in neither.
    # d0 is the first of all: nobody watched its windows, so it is in none of the tables.
    assert tables_of(cells_before(study.counted.rows, study.linked, promise, ())) == {1: (2, 2, 0, 2), 2: (1, 2, 1, 2)}


def test_deployments_that_cannot_matter_are_compared_among_themselves():
    promise = plan(
        outcome={"link": "window", "window_hours": 24},
        challenges={"negative_controls": {"deployments": {"change_type": ["docs", "Docs"]}}},
    )
    incidents = f"id | service | at \n i1 | api | 2026-02-03 01:00 \n {END}"
    study = study_of(promise, deployments=DEPLOYMENTS, incidents=incidents)
    found = cells_of_harmless(study.counted.rows, study.linked, promise, ())
    assert tables_of(found) == {"Docs": (0, 0, 1, 1), "docs": (0, 2, 0, 0)}


def test_the_label_of_the_next_deployment_is_that_of_the_first_after_the_window():
    deployments = """
        id | service | at                  | assistance
        d1 | api     | 2026-02-01 00:00    | ai
        d2 | api     | 2026-02-01 23:59:59 | human
        d3 | api     | 2026-02-02 00:00    | ai
        d4 | api     | 2026-02-05 00:00    | unknown
        d5 | shop    | 2026-02-02 12:00    | human
    """
    study = study_of(deployments=deployments, incidents=f"id | service | at \n i1 | api | 2026-02-01 01:00 \n {END}")
    others = (Other("next", 86_400), Other("earlier", -86_400))
    found = cells_by_label_of_another(study.counted.rows, others, DAY, ())
    # d1's next is d3, exactly a day later and AI-assisted; d2's and d3's is d4, whose label nobody knows; d5 has none.
    # A day and more before d3 lies d1; before the others there is nobody of their service.
    assert tables_of(found) == {"next": (1, 1, 0, 0), "earlier": (0, 1, 0, 0)}
    assert found["next"].frame["own_label"].tolist() == ["ai"]


def test_every_query_of_controls_has_a_translation(monkeypatch):
    study, sent = small_study(), []
    execute = Table.execute
    monkeypatch.setattr(Table, "execute", lambda self, *a, **k: sent.append(self) or execute(self, *a, **k))
    Controls()(study, NO_PRIMARY)
    Placebos()(study, NO_PRIMARY)
    assert len(sent) == 4  # one for each kind of control, one for all labels of others
    for query in sent:
        for dialect in ("duckdb", "postgres", "snowflake", "bigquery", "trino"):
            assert "SELECT" in ibis.to_sql(query, dialect=dialect)


# --- too little data

NO_PRIMARY = not_estimable(Estimand.RISK_RATIO, "no incident", method="none", level=0.95)


def test_too_little_data_is_said_with_the_count_it_would_take():
    study = small_study()
    found = {each.id: each for each in (*Controls()(study, NO_PRIMARY), *Placebos()(study, NO_PRIMARY))}
    assert not any(each.estimable for each in found.values())
    said = {id: each.caveats[0] for id, each in found.items()}
    assert said["negative_control.incidents.capacity"] == (
        "2 deployments of the contrast had such an incident; it takes 10"
    )
    assert said["negative_control.incidents.missing"] == (
        "1 deployment of the contrast had such an incident; it takes 10"
    )
    assert said["negative_control.pooled"] == "0 controls can be estimated; it takes 2"
    assert said["negative_control.systematic_error"] == (
        "not assessed: 0 controls can be estimated, 20 are needed to tell how far such answers err"
    )
    assert said["primary.calibrated"] == "the primary ratio has no two-sided interval to calibrate"
    assert "it takes 10" in said["placebo.next_deployment"]
    assert "it takes 10" in said["placebo.labels_shifted"]
    assert all(each.interval.low == each.estimand.lowest for each in found.values())


def test_tables_without_the_columns_say_which():
    deployments = DEPLOYMENTS.replace("change_type", "files_note")
    study = study_of(deployments=deployments, incidents=f"id | service | at \n {END}")
    said = {each.id: each.caveats[0] for each in Controls().each(study)}
    assert said["negative_control.incidents"] == "the incidents have no column cause"
    assert said["negative_control.deployments"] == "no column change_type"


def test_tables_with_the_columns_and_without_a_control_say_so():
    incidents = f"id | service | at | cause \n i1 | api | 2026-03-01 00:00 | other \n {END} |"
    study = study_of(deployments=DEPLOYMENTS.replace("docs", "fix"), incidents=incidents)
    promised = {each.id: each.caveats[0] for each in Controls().each(study)}
    assert promised["negative_control.incidents"] == "none followed a deployment of the contrast; it takes 10"
    assert promised["negative_control.deployments"] == "the contrast has none; it takes 10 with an incident"


def test_values_that_would_share_an_id_are_numbered():
    promise = plan(challenges={"negative_controls": {"deployments": {"change_type": ["docs", "Docs"]}}})
    study = study_of(promise, deployments=DEPLOYMENTS, incidents=f"id | service | at \n {END}")
    ids = [each.id for each in Controls().each(study) if "deployments" in each.id]
    assert ids == ["negative_control.deployments.docs", "negative_control.deployments.docs_2"]


# --- estimates


def big_study() -> Study:
    """Four services, a hundred days, four deployments a day by a fixed pattern; incidents by others."""
    rng = np.random.default_rng(5)
    start = pd.Timestamp("2026-01-01", tz="UTC")
    hours = pd.to_timedelta(rng.permutation(100 * 24)[: 1600 // 4].repeat(4), unit="h")
    deployments = pd.DataFrame(
        {
            "deployment_id": [f"d{number}" for number in range(1600)],
            "deployed_at": (start + hours).as_unit("us"),
            "service": np.tile(["api", "shop", "search", "web"], 400),
            "assistance": rng.choice(["ai", "human"], 1600),
        }
    )
    hit = deployments.sample(240, random_state=3).reset_index(drop=True)
    incidents = pd.DataFrame(
        {
            "incident_id": [f"i{number}" for number in range(240)],
            "started_at": hit["deployed_at"] + pd.Timedelta(minutes=30),
            "service": hit["service"],
            "cause": np.where(np.arange(240) < 120, "other", "change"),
            "failure_mode": np.tile(["capacity", "latency", "cascade"], 80),
        }
    )
    last = {"incident_id": "end", "started_at": start + pd.Timedelta(days=200), "service": "zz", "cause": "change"}
    incidents = pd.concat([incidents, pd.DataFrame([last])], ignore_index=True)
    incidents["started_at"] = incidents["started_at"].dt.as_unit("us")
    promise = plan(outcome={"link": "window", "window_hours": 2})
    return study_of(promise, deployments=deployments, incidents=incidents)


@pytest.fixture(scope="module")
def study() -> Study:
    return big_study()


def test_each_control_is_estimated_as_the_primary_is(study):
    cells = cells_of_other_causes(study.counted.rows, study.cells, study.linked, study.plan, ())
    expected = planned_contrast(study)(cells["capacity"], study.level)
    found = {each.id: each for each in Controls().each(study)}
    assert found["negative_control.incidents.capacity"].value == expected.value
    design = study.plan.design.model_copy(update={"primary": "stratified.risk_ratio"})
    stratified = Study(study.linked, study.counted, study.plan.model_copy(update={"design": design}))
    found = {each.id: each for each in Controls().each(stratified)}
    assert found["negative_control.incidents.capacity"].method.startswith("Mantel–Haenszel")


def test_the_gates_see_the_controls_they_saw_before(study):
    control, before = IncidentsOfOtherCause()(study.counted), BeforeTheDeployment()(study.counted)
    assert (control.id, before.id) == ("negative_control.risk_ratio", "placebo.risk_ratio")
    assert control.support["events"] == study.counted.cells.frame["control_events"].sum()


def test_with_few_controls_their_mean_stands_in_and_says_what_is_missing(study):
    challenges = Plan.checked({"challenges": {"negative_controls": {"windows_before": 6}}}).challenges
    few = Study(study.linked, study.counted, study.plan.model_copy(update={"challenges": challenges}))
    found = {each.id: each for each in Controls()(few, primary_of(few))}
    pooled = found["negative_control.pooled"]
    number = pooled.support["controls"]
    assert 2 <= number < 20
    assert pooled.caveats[0] == (
        f"with {number} of the 20 controls needed, their spread does not calibrate the primary interval; this is their "
        "mean only, and errors of opposite sign cancel in it"
    )
    assert found["primary.calibrated"].caveats == (
        f"not assessed: {number} controls can be estimated, 20 are needed to tell how far such answers err",
    )


def primary_of(study: Study) -> Estimate:
    return planned_contrast(study)(study.cells, study.level).named("primary")


def test_placebos_are_three_estimates_with_one_part_for_each_shift(study):
    following, shifted, shuffled = Placebos()(study, primary_of(study))
    assert (following.id, shifted.id, shuffled.id) == (
        "placebo.next_deployment", "placebo.labels_shifted", "placebo.labels_shuffled",
    )  # fmt: skip
    assert [part.label for part in shifted.parts] == ["label 28 days earlier", "label 28 days later"]
    values = [part.value for part in shifted.parts]
    assert shifted.value == approx(np.sqrt(values[0] * values[1]))
    narrowest = min(part.interval.high / part.interval.low for part in shifted.parts)
    assert shifted.interval.high / shifted.interval.low >= narrowest * (1 - 1e-9)
    assert following.design == "within service × quarter × own label"


def test_shuffled_labels_are_the_hypergeometric_distribution():
    """Both AI-assisted deployments failed and neither other one: two of six ways to deal the labels lie as far."""
    deployments = """
        id | service | at               | assistance
        d1 | api     | 2026-02-01 00:00 | ai
        d2 | api     | 2026-02-05 00:00 | ai
        d3 | api     | 2026-02-09 00:00 | human
        d4 | api     | 2026-02-13 00:00 | human
    """
    incidents = f"id | service | at \n i1 | api | 2026-02-01 01:00 \n i2 | api | 2026-02-05 01:00 \n {END}"
    promise = plan(outcome={"link": "window"}, challenges={"placebo": {"shuffles": 4000}})
    study = study_of(promise, deployments=deployments, incidents=incidents)
    found = shuffled_labels(study, NO_PRIMARY)
    assert found.p_value == approx(2 / 6, abs=0.03)
    assert (found.value, found.interval.low, found.interval.high) == (1.0, 0.0, np.inf)
    assert found.caveats[0].endswith(
        "with the labels as they are this ratio is ∞, and the primary one is not estimable"
    )


def test_the_same_seed_shuffles_the_same_and_another_otherwise(study):
    first, again = (shuffled_labels(study, NO_PRIMARY) for _ in range(2))
    assert first == again
    other = study.plan.model_copy(update={"challenges": study.plan.challenges.model_copy(update={"seed": 1})})
    assert shuffled_labels(Study(study.linked, study.counted, other), NO_PRIMARY).interval != first.interval


def test_a_control_with_enough_events_is_handed_to_the_estimator():
    kept = ratio_that_should_be_1(lambda cells, level: NO_PRIMARY, small_study().cells, 0.95, fewest=0)
    assert kept.caveats == NO_PRIMARY.caveats


# --- figure


def ratio(id: str, value: float, low: float, high: float, label: str = "all") -> Estimate:
    interval = Interval(low, high, 0.95)
    return Estimate(estimand=Estimand.RISK_RATIO, value=value, interval=interval, method="drawn", id=id, label=label)


def twenty() -> list[Estimate]:
    return [
        ratio(f"negative_control.incidents.{number}", value, value / 1.5, value * 1.5, f"cause {number}")
        for number, value in enumerate(np.geomspace(0.7, 1.6, 20))
    ]


def test_the_funnel_says_how_many_controls_hold_1_and_what_calibration_does():
    given, primary = twenty(), ratio("primary", 1.6, 1.3, 1.97)
    summaries = [
        pooled_controls(given, 20, 0.95),
        systematic_error(given, 20, 0.95),
        calibrated(primary, given, 20, 0.95),
    ]
    figure = control_funnel([*given, *summaries], primary)
    # An interval from v/1.5 to 1.5 v holds 1 for v from 0.667 to 1.5: all but the 1.53 and the 1.6.
    assert figure.caption.startswith("18 of 20 controls have 1 inside their 95% interval; their mean is 1.06 (")
    assert "the primary ratio goes from 1.60 (1.30–1.97) to 1.5" in figure.caption
    assert "shaded band" in figure.alt
    assert figure.caption in figure.alt
    assert len(figure.data) == 20 + 3


def test_the_funnel_without_calibration_says_why_and_keeps_the_absent_in_the_table():
    given = [*twenty()[:3], not_estimable(Estimand.RISK_RATIO, "too few", method="none", level=0.95, label="silent")]
    given[-1] = given[-1].named("negative_control.incidents.silent")
    primary = ratio("primary", 1.6, 1.3, 1.97)
    figure = control_funnel([*given, calibrated(primary, given, 20, 0.95)], primary)
    assert (
        "the primary ratio is not calibrated (not assessed: 3 controls can be estimated, 20 are needed"
        in figure.caption
    )
    assert "shaded" not in figure.alt
    assert figure.data["note"].tolist()[3] == "not estimable: too few"


def test_a_funnel_needs_a_control_with_a_value():
    with pytest.raises(ValueError, match=r"^control_funnel: no control has a value; show their table instead$"):
        control_funnel([], NO_PRIMARY)
