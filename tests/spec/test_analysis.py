"""One function from tables to a verdict: what it needs, what it returns, and that it finds what was planted."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pytest
from jsonschema import Draft202012Validator, ValidationError
from pytest import approx

from counterfault import Analysis, analyse
from counterfault.checks import Check, Status
from counterfault.estimate import Estimand, not_estimable
from counterfault.places import demo_plan
from counterfault.plan import Plan, PlanError
from counterfault.record import check_record, estimate_record, record, schema, to_json, validate
from counterfault.verdict import Call

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 7, 1, tzinfo=UTC)
START = pd.Timestamp("2026-01-01", tz="UTC")
DAYS = 150

Tables = dict[str, pd.DataFrame]
STABLE_IDS = {
    "crude.risk_ratio",
    "crude.risk_difference",
    "crude.odds_ratio",
    "stratified.risk_ratio",
    "stratified.risk_difference",
    "stratified.odds_ratio",
    "total.risk_ratio",
    "direct.risk_ratio",
    "corrected.risk_ratio",
    "primary",
}


def world(services: int = 8, each: int = 150, *, risk: float = 0.1) -> Tables:
    """The required columns alone: services at random times, AI-assisted deployments failing twice as often."""
    draws = np.random.default_rng(11)
    size = services * each
    assisted = draws.random(size) < 0.4
    at = START + pd.to_timedelta(draws.integers(0, DAYS * 86400, size), unit="s")
    deployments = pd.DataFrame(
        {
            "deployment_id": [f"d{number}" for number in range(size)],
            "deployed_at": at,
            "service": [f"s{number % services}" for number in range(size)],
            "assistance": np.where(assisted, "ai", "human"),
        }
    )
    fails = draws.random(size) < np.where(assisted, 2 * risk, risk)
    failed = deployments[fails]
    incidents = pd.DataFrame(
        {
            "incident_id": failed["deployment_id"].str.replace("d", "i"),
            "started_at": failed["deployed_at"] + pd.Timedelta(minutes=10),
            "service": failed["service"],
        }
    )
    return {"deployments": deployments, "incidents": incidents}


# As few shuffles and draws as a plan may ask for: nothing here depends on their number.
QUICK = {"multiverse": {"permutations": 99}, "plasmode": {"runs": 100, "ratios": [1.5]}}
PROMISED = {"outcome": {"window_hours": 1}, "challenges": QUICK}
PLAN = Plan.checked(PROMISED)


def analysed(tables: Tables, plan: Plan = PLAN, *, further: bool = True) -> Analysis:
    return analyse(**tables, plan=plan, now=NOW, further=further)


@pytest.fixture(scope="module")
def small() -> Analysis:
    return analysed(world())


@pytest.fixture(scope="module")
def demo() -> Analysis:
    plan = Plan.read(demo_plan())
    sources = plan.sources
    return analyse(sources.deployments, sources.incidents, dependencies=sources.dependencies, plan=plan, now=NOW)


def strict_json(text: str) -> dict[str, Any]:
    """Parsed as the standard has it: no NaN, no Infinity."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    parsed: dict[str, Any] = json.loads(text, parse_constant=refuse)
    return parsed


# --- what it needs, and what it returns


def test_the_required_columns_alone_are_enough(small):
    assert set(small.estimates) >= STABLE_IDS
    assert all(small.estimates[id].estimable for id in STABLE_IDS)
    assert small.verdict.call in Call
    unassessed = {check.id for check in small.checks if check.status is Status.NOT_ASSESSED}
    assert unassessed >= {"balance", "negative_control", "late_labels", "linked_by_record"}


def test_what_cannot_be_assessed_is_listed_with_the_column_it_needs(small):
    told = {row["analysis"]: row["reason"] for row in small.data["not_assessed"]}
    assert told["adjustment for the confounder at_peak"] == "no column at_peak and no table load"
    assert told["adjustment for the mediator reviewers"] == "no column reviewers"


def test_every_estimate_carries_its_id_and_what_counted_as_a_failure(small):
    for id, estimate in small.estimates.items():
        assert estimate.id == id
        assert estimate.outcome
        assert estimate.interval.level == 0.95


def test_designs_without_links_say_so_in_their_outcome(small):
    assert small.estimates["total.risk_ratio"].outcome == "at least one incident tied to the deployment"
    assert (
        small.estimates["self_controlled.ratio"].outcome == "an incident of the service begins, whatever it is tied to"
    )


def test_the_crude_ratio_is_that_of_the_rows(small):
    tables = world()
    rows = tables["deployments"].merge(tables["incidents"], on="service")
    lag = rows["started_at"] - rows["deployed_at"]
    failed = rows.loc[(lag >= pd.Timedelta(0)) & (lag <= pd.Timedelta(hours=1)), "deployment_id"]
    everyone = tables["deployments"].assign(failed=lambda frame: frame["deployment_id"].isin(failed))
    end = max(everyone["deployed_at"].max(), tables["incidents"]["started_at"].max())
    everyone = everyone[everyone["deployed_at"] <= end - pd.Timedelta(hours=1)]
    risk = everyone.groupby("assistance")["failed"].mean()
    assert small.estimates["crude.risk_ratio"].value == approx(risk["ai"] / risk["human"])


def test_the_primary_estimate_is_the_one_the_plan_names(small):
    other = analysed(world(4, 60), Plan.checked({"design": {"primary": "stratified.risk_ratio"}}), further=False)
    for found, named in ((small, "corrected.risk_ratio"), (other, "stratified.risk_ratio")):
        assert found.estimates["primary"] == found.estimates[named].named("primary")
        assert list(found.estimates)[-1] == "primary"


def test_a_load_table_lets_the_peak_be_held_fixed():
    tables = world(4, 60)
    hours = pd.date_range(START, periods=DAYS * 24, freq="h")
    busy = np.where(hours.hour == 9, 1000.0, 10.0)
    tables["load"] = pd.concat([pd.DataFrame({"service": f"s{n}", "hour": hours, "requests": busy}) for n in range(4)])
    found = analysed(tables, further=False)
    assert found.estimates["primary"].adjustment == ("at_peak",)
    at_nine = tables["deployments"]["deployed_at"].dt.hour.eq(9)
    followed = tables["deployments"]["deployed_at"] <= found.linked.end - pd.Timedelta(hours=1)
    levels = found.counted.cells.frame.groupby("at_peak")["n"].sum()
    assert levels["yes"] == (at_nine & followed).sum()
    assert {table["read"] for name, table in found.data["tables"].items() if name == "load"} == {4 * DAYS * 24}


def test_results_name_every_row_read_accepted_and_used():
    tables = world(4, 60)
    tables["incidents"]["severity"] = [1, 2, 3, 4, 5] * (len(tables["incidents"]) // 5) + [1] * (
        len(tables["incidents"]) % 5
    )
    found = analysed(tables, Plan.checked({"outcome": {"window_hours": 1, "severity_at_most": 2}}), further=False)
    incidents = found.data["tables"]["incidents"]
    assert incidents["read"] == incidents["accepted"] == len(tables["incidents"])
    assert incidents["used"] == (tables["incidents"]["severity"] <= 2).sum()
    deployments = found.data["tables"]["deployments"]
    assert deployments["used"] == sum(found.counted.population.set_index("step").loc["analysed"]) <= deployments["read"]


# --- data that cannot give an answer


def without_ai(tables: Tables) -> None:
    tables["deployments"]["assistance"] = "human"


def without_humans(tables: Tables) -> None:
    tables["deployments"]["assistance"] = "ai"


def without_labels(tables: Tables) -> None:
    tables["deployments"]["assistance"] = "unknown"


def without_incidents(tables: Tables) -> None:
    tables["incidents"] = tables["incidents"].iloc[:0]


def in_one_service(tables: Tables) -> None:
    for table in tables.values():
        table["service"] = "monolith"


def with_one_deployment(tables: Tables) -> None:
    tables["deployments"] = tables["deployments"].iloc[:1]


def with_ai_that_never_fails(tables: Tables) -> None:
    ai = tables["deployments"]["assistance"] == "ai"
    innocent = tables["deployments"].loc[ai, "deployment_id"].str.replace("d", "i")
    tables["incidents"] = tables["incidents"][~tables["incidents"]["incident_id"].isin(innocent)]


def left_out_by_the_plan(tables: Tables) -> None:
    tables["deployments"]["environment"] = "staging"


ONLY_PRODUCTION = Plan.checked({**PROMISED, "mapping": {"deployments": {"keep": {"environment": ["production"]}}}})
POOR = [
    without_ai,
    without_humans,
    without_labels,
    without_incidents,
    in_one_service,
    with_one_deployment,
    left_out_by_the_plan,
]


@pytest.mark.parametrize("spoil", POOR, ids=lambda spoil: spoil.__name__)
def test_data_that_cannot_give_an_answer_end_in_cannot_tell_and_a_valid_record(spoil):
    tables = world(4, 40)
    tables["deployments"]["environment"] = "production"
    spoil(tables)
    found = analysed(tables, ONLY_PRODUCTION)
    assert found.verdict.call is Call.CANNOT_TELL
    assert found.verdict.needed
    validate(strict_json(found.to_json()))


@pytest.mark.parametrize(
    ("primary", "call"),
    [
        ("corrected.risk_ratio", Call.CANNOT_TELL),
        ("total.risk_ratio", Call.CANNOT_TELL),
        ("stratified.risk_ratio", Call.FEWER),
    ],
)
def test_ai_that_never_fails_is_a_ratio_of_zero_where_the_estimator_knows_one(primary, call):
    tables = world(8, 100, risk=0.2)
    with_ai_that_never_fails(tables)
    tables["incidents"]["caused_by"] = tables["incidents"]["incident_id"].str.replace("i", "d")
    design = {"primary": primary, "strata": ["service"]}
    gates = {"min_informative_strata": 8}
    plan = Plan.checked({"design": design, "outcome": {"link": "recorded"}, "gates": gates})
    found = analysed(tables, plan, further=False)
    assert found.estimates["stratified.risk_ratio"].value == 0
    assert not found.estimates["total.risk_ratio"].estimable
    assert found.verdict.call is call
    assert found.verdict.attributable_incidents is None
    validate(strict_json(found.to_json()))


# --- the record


def test_the_record_keeps_the_shipped_schema(small, demo):
    Draft202012Validator.check_schema(schema())
    for analysis in (small, demo):
        validate(strict_json(analysis.to_json()))


def test_the_schema_refuses_what_is_missing_or_unknown(small):
    whole = record(small)
    for broken in (
        {key: value for key, value in whole.items() if key != "verdict"},
        {**whole, "verdict": {**whole["verdict"], "call": "guilty"}},
        {**whole, "estimates": [{**whole["estimates"][0], "value": "2.0"}]},
    ):
        with pytest.raises(ValidationError):
            validate(broken)


def test_the_record_holds_every_estimate_and_check_once(demo):
    plain = strict_json(demo.to_json())
    ids = [item["id"] for item in plain["estimates"]]
    assert len(ids) == len(set(ids))
    assert set(ids) >= STABLE_IDS
    assert [check["id"] for check in plain["checks"]] == [check.id for check in demo.checks]
    assert plain["verdict"]["call"] == demo.verdict.call.code
    assert plain["plan"]["digest"] == demo.plan.digest


def test_the_same_rows_and_plan_give_the_same_bytes():
    tables = world(4, 60)
    shuffled = {name: table.sample(frac=1, random_state=3) for name, table in tables.items()}
    assert analysed(tables).to_json() == analysed(shuffled).to_json()  # the order of rows says nothing


def test_what_is_not_a_finite_number_is_null():
    nothing = estimate_record(not_estimable(Estimand.RISK_RATIO, "why", method="m", level=0.95).named("total.x"))
    assert (nothing["value"], nothing["low"], nothing["high"]) == (None, 0.0, None)
    endless = Check(id="x", question="?", status=Status.FAIL, sentence="s", value=float("inf"))
    assert check_record(endless)["value"] is None


def test_a_number_that_json_does_not_know_is_refused_rather_than_written():
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json({"value": float("nan")})


def test_numbers_from_numpy_are_plain_numbers():
    assert strict_json(to_json({"n": np.int64(3), "share": np.float64(0.5), "yes": np.bool_(True)})) == {
        "n": 3,
        "share": 0.5,
        "yes": True,
    }


def test_an_analysis_shows_itself_as_its_verdict(small):
    assert small.verdict.sentence.split(":")[0] in small._repr_html_()


# --- refusals come from the plan


def test_a_plan_that_asks_for_what_the_tables_do_not_hold_is_refused():
    with pytest.raises(PlanError, match="the plan groups by 'team', but the deployments have no column 'team'"):
        analysed(world(2, 5), Plan.checked({"design": {"strata": ["team", "quarter"]}}))


# --- the bundled organisation, whose truth is known


@pytest.fixture(scope="module")
def truth() -> dict[str, Any]:
    return json.loads((ROOT / "data" / "demo" / "truth.json").read_text(encoding="utf-8"))


def test_the_primary_interval_covers_the_planted_ratio(demo, truth):
    primary = demo.estimates["primary"]
    assert truth["total_risk_ratio"] in primary.interval
    assert primary.value == approx(truth["total_risk_ratio"], rel=0.15)  # its standard error on the log scale is 0.12


def test_the_crude_ratio_misleads_and_its_interval_excludes_the_truth(demo, truth):
    crude = demo.estimates["crude.risk_ratio"]
    assert truth["total_risk_ratio"] not in crude.interval
    assert crude.value > 1.3 * truth["total_risk_ratio"]


def test_the_direct_ratio_lies_below_the_total_one_as_planted(demo, truth):
    total, direct = demo.estimates["total.risk_ratio"], demo.estimates["direct.risk_ratio"]
    assert truth["direct_risk_ratio"] < truth["total_risk_ratio"]
    assert direct.value < total.value
    assert truth["direct_risk_ratio"] in direct.interval


def test_the_demo_verdict_is_more_and_no_check_fails(demo):
    assert demo.verdict.call is Call.MORE
    assert [check.id for check in demo.checks if check.status is Status.FAIL] == []


def test_the_attributable_failures_cover_the_planted_number(demo, truth):
    found = demo.verdict.attributable_incidents
    assert found.low < truth["attributable_failures"] < found.high


def test_quarters_are_those_of_utc_whatever_zone_the_users_engine_is_in():
    deployments = pd.DataFrame(
        {
            "deployment_id": [f"d{number}" for number in range(4)],
            "deployed_at": pd.date_range("2026-03-31T20:00:00Z", periods=4, freq="h"),
            "service": "api",
            "assistance": ["ai", "human", "ai", "human"],
        }
    )
    incidents = pd.DataFrame(
        {"incident_id": ["i1"], "started_at": [pd.Timestamp("2026-06-01T00:00:00Z")], "service": ["api"]}
    )
    engine = ibis.duckdb.connect()
    engine.raw_sql("set TimeZone = 'Asia/Kolkata'")
    tables = [engine.create_table("d", deployments), engine.create_table("i", incidents)]
    found = analyse(*tables, now=datetime(2026, 7, 1, tzinfo=UTC), further=False)
    assert found.counted.cells.frame["quarter"].unique().tolist() == ["2026Q1"]


def test_the_schema_knows_every_estimand():
    named = schema()["properties"]["estimates"]["items"]["properties"]["estimand"]["enum"]
    assert named == [estimand.label for estimand in Estimand]
