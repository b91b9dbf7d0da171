"""What the contract makes of values: understood as meant, or quarantined with a rule, and every row accounted for."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from counterfault.contracts import TABLES, Kind

HOSTILE = {
    "script": "<script>alert(1)</script>",
    "quotes": "'\"`'' \"\"",
    "lines": "two\nlines\tand a tab",
    "long": "ab " * 3333 + "end",
    "right to left": "\u202egnp.exe\u2069 שלום",
    "semicolons": "a;b;c",
    "dollars": "$HOME ${x} $$ \\frac",
    "statement": "x'); drop table deployments; --",
    "a missing team": "NA",
    "markup of a table": "| a | b |\n|---|---|",
}


def deployed(study, times: str, **mapping) -> list[datetime | None]:
    """What becomes of these times of deployments, one a line; None where the row is quarantined."""
    rows = [f"d{number},{time},checkout,ai" for number, time in enumerate(times.split("\n"))]
    study.write("changes.csv", "\n".join([study.deployments.splitlines()[0], *rows]))
    checked = study.check("changes.csv", plan=study.plan(mapping={"deployments": mapping}))
    found = checked.tables["deployments"].execute().set_index("deployment_id")["deployed_at"]
    return [found[key].to_pydatetime() if key in found else None for key in (f"d{n}" for n in range(len(rows)))]


def at(hour: int, minute: int = 0, day: int = 1, month: int = 3) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


def column(study, table, name: str, **fields) -> list[object]:
    """One accepted column of a table of deployments, by id."""
    found = study.check(table, plan=study.plan(**fields)).tables["deployments"].execute().sort_values("deployment_id")
    values = found[name].astype(object)
    return values.where(values.notna(), None).tolist()


def with_values(name: str, values: list[object]) -> pd.DataFrame:
    """Deployments without a fault and one more column, or another version of one."""
    base = {
        "deployment_id": [f"d{number:02}" for number in range(len(values))],
        "deployed_at": pd.to_datetime(["2026-03-01"] * len(values), utc=True),
        "service": "checkout",
        "assistance": "ai",
    }
    return pd.DataFrame({**base, name: values})


# --- times -----------------------------------------------------------------------------------------------------------


def test_times_are_understood_in_the_ways_of_iso_8601(study):
    times = """\
2026-03-01T09:00:00Z
2026-03-01 09:00:00 UTC
2026-03-01t09:00:00z
2026-03-01T09:00Z
2026-03-01 10:00+01
2026-03-01T10:00:00.000+0100
2026-03-01 10:00:00 +01:00
2026-03-01T03:30:00-05:30"""
    assert deployed(study, times) == [at(9)] * 8


def test_time_zones_may_be_mixed_and_a_note_says_so(study):
    study.write("changes.csv", study.deployments.replace("02T09:00:00Z", "02T09:00:00+0200"))
    checked = study.check("changes.csv")
    assert checked.notes == (
        "deployments: deployed_at is written with 2 time zones (+02:00, Z); all were converted to UTC",
    )
    assert sorted(checked.tables["deployments"].deployed_at.execute()) == [at(9), at(7, day=2)]


def test_one_zone_written_in_several_ways_needs_no_note(study):
    study.write("changes.csv", study.deployments.replace("02T09:00:00Z", "02T09:00:00+00:00"))
    assert study.check("changes.csv").notes == ()


def test_a_time_without_a_zone_among_others_is_quarantined(study):
    assert deployed(study, "2026-03-01T09:00:00Z\n2026-03-01T09:00:00\n2026-03-01") == [at(9), None, None]


def test_the_plan_can_say_the_zone_of_times_that_have_none(study):
    times = "2026-02-01 10:00:00\n2026-07-01 10:00\n2026-03-01\n2026-03-01T10:00:00Z"
    # Berlin is an hour ahead in winter, two in summer; who says Z means Z.
    now = study.now
    study.now = datetime(2026, 12, 31, tzinfo=UTC)
    found = deployed(study, times, timezone="Europe/Berlin")
    study.now = now
    assert found == [at(9, month=2), at(8, month=7), at(23, day=28, month=2), at(10)]


@pytest.mark.parametrize(
    "times",
    [
        pd.to_datetime(["2026-03-01 10:00"]),
        pd.to_datetime(["2026-03-01 09:00"], utc=True).tz_convert("Europe/Berlin"),
        pd.to_datetime(["2026-03-01 09:00"], utc=True).as_unit("ns"),
    ],
    ids=["no zone", "another zone", "nanoseconds"],
)
def test_times_of_frames_mean_what_their_type_says(study, times):
    frame = with_values("deployed_at", times)
    assert column(study, frame, "deployed_at", mapping={"deployments": {"timezone": "Europe/Berlin"}}) == [at(9)]


def test_an_incident_of_tomorrow_is_a_clock_that_is_wrong_and_one_of_next_week_is_a_mistake(study):
    study.write("outages.csv", "incident_id,started_at,service\na,2026-07-01T00:00:00Z,x\nb,2026-07-01T00:00:01Z,x\n")
    checked = study.check(incidents="outages.csv")
    assert checked.quarantine[["key", "rule"]].values.tolist() == [["b", "started_at is in the future"]]


# --- labels, numbers, texts ------------------------------------------------------------------------------------------


def test_labels_may_be_booleans(study):
    frame = with_values("assistance", [True, False, None])
    assert column(study, frame, "assistance") == ["ai", "human", "unknown"]


def test_labels_may_be_booleans_in_json(study):
    row = '{"deployment_id": "d%s", "deployed_at": "2026-03-01T09:00:00Z", "service": "a", "assistance": %s}\n'
    labels = ["true", "false", "null", '"AI"', '""']
    study.write("c.jsonl", "".join(row % pair for pair in enumerate(labels)))
    assert column(study, "c.jsonl", "assistance") == ["ai", "human", "unknown", "ai", "unknown"]


def test_labels_may_be_booleans_in_words(study):
    frame = with_values("assistance", ["true", "FALSE", " Human ", "t", "f", None])
    assert column(study, frame, "assistance") == ["ai", "human", "human", "ai", "human", "unknown"]


@pytest.mark.parametrize("label", ["yes", "1", "none", "null", "copilot"])
def test_a_label_that_could_mean_several_things_is_nobodys_to_guess(study, label):
    assert column(study, with_values("assistance", ["ai", label]), "assistance") == ["ai"]


def test_numbers_arrive_in_many_types(study):
    for values in (["3", " 4.0 ", "5e1", ""], [3.0, 4.0, 50.0, float("nan")], pd.array([3, 4, 50, None], "Int64")):
        assert column(study, with_values("reviewers", list(values)), "reviewers") == [3, 4, 50, None]


def test_words_for_no_value_are_no_value_where_they_cannot_be_one(study):
    words = ["NA", "NaN", "null", "None", "N/A", "<NA>", "nat"]
    frame = with_values("reviewers", words).assign(review_hours=words, is_hotfix=words, label_recorded_at=words)
    found = study.check(frame).tables["deployments"].execute()
    assert found[["reviewers", "review_hours", "is_hotfix", "label_recorded_at"]].isna().all().all()
    assert len(found) == len(words)


def test_yes_and_no_arrive_in_many_words(study):
    yes, no = ["true", "T", "Yes", "y", "1", "1.0"], ["False", "f", "NO", "n", "0", "0.0"]
    assert column(study, with_values("is_hotfix", [*yes, *no]), "is_hotfix") == [True] * 6 + [False] * 6


@pytest.mark.parametrize("kind", ["CSV", "JSON-lines", "frame"])
def test_hostile_strings_stay_what_they_are_and_count_as_their_own_service(study, kind):
    frame = with_values("service", list(HOSTILE.values()))
    frame["service"] = frame["service"].astype("str")
    outage = pd.DataFrame(
        {
            "incident_id": [f"i{number}" for number in range(len(HOSTILE))],
            "started_at": pd.to_datetime(["2026-03-01T01:00Z"] * len(HOSTILE)),
            "service": list(HOSTILE.values()),
            "narrative": list(HOSTILE.values()),
        }
    )
    tables = [_stored(study, kind, name, table) for name, table in (("c", frame), ("o", outage))]
    analysis = study.analyse(*tables, further=False)
    services = analysis.checked.tables["deployments"].execute().sort_values("deployment_id")["service"]
    narratives = analysis.checked.tables["incidents"].execute().sort_values("incident_id")["narrative"]
    assert services.tolist() == narratives.tolist() == list(HOSTILE.values())
    # Each incident followed the one deployment of its own service, and no other.
    failed = analysis.counted.by_label.set_index("service")["events"]
    assert failed.to_dict() == dict.fromkeys(HOSTILE.values(), 1)


def _stored(study, kind: str, name: str, table: pd.DataFrame) -> object:
    if kind == "frame":
        return table
    if kind == "CSV":
        return study.write(f"{name}.csv", table.to_csv(index=False))
    rows = table.astype(str).to_dict("records")
    return study.write(f"{name}.jsonl", "".join(json.dumps(row) + "\n" for row in rows))


# --- identifiers -----------------------------------------------------------------------------------------------------


def test_identifiers_are_compared_as_text_whatever_their_types(study):
    deployments = with_values("deployment_id", [12, 13])
    incidents = pd.DataFrame(
        {
            "incident_id": [1.0, 2.0],
            "started_at": pd.to_datetime(["2026-03-02"] * 2, utc=True),
            "service": "checkout",
            "caused_by": [12.0, None],  # pandas makes floats of numbers where one is missing
        }
    )
    checked = study.check(deployments, incidents)
    found = checked.tables["incidents"].execute().sort_values("incident_id")
    assert found["incident_id"].tolist() == ["1", "2"]
    assert found["caused_by"].tolist()[0] == "12"
    assert checked.notes == ()


def test_causes_that_no_deployment_answers_to_are_told(study):
    study.write(
        "outages.csv",
        """\
incident_id,started_at,service,caused_by
i1,2026-03-03T09:00:00Z,checkout,d1
i2,2026-03-03T09:00:00Z,checkout,D2;1.0
i3,2026-03-03T09:00:00Z,checkout,
""",
    )
    assert study.check(incidents="outages.csv").notes == (
        "incidents: caused_by names a deployment that is not among the accepted ones in 2 of 3 places (e.g. 1.0); "
        "nothing is tied there",
    )


def test_an_incident_needs_no_service_where_its_cause_is_recorded(study):
    study.write("outages.csv", "incident_id,started_at,caused_by\ni1,2026-03-01T09:00:00Z,d1\n")
    assert str(study.check(incidents="outages.csv").accounts[1]) == "incidents: 1 read, 1 accepted, 0 quarantined"


def test_of_repeated_rows_the_earliest_is_kept_where_the_plan_says_so(study):
    study.write(
        "changes.csv",
        """\
deployment_id,deployed_at,service,assistance
d1,2026-03-01T09:00:00Z,checkout,ai
d1,2026-03-01T08:00:00Z,search,human
d1,2026-03-01T08:00:00Z,later in the file,human
d2,2026-03-01T07:00:00Z,,human
d2,2026-03-01T09:00:00Z,the broken one is none,human
""",
    )
    checked = study.check("changes.csv", plan=study.plan(mapping={"deployments": {"duplicates": "earliest"}}))
    assert checked.tables["deployments"].order_by("deployment_id").service.execute().tolist() == [
        "search",
        "the broken one is none",
    ]
    assert checked.quarantine[["key", "line", "rule"]].values.tolist() == [
        ["d1", 2, "deployment_id is repeated"],
        ["d1", 4, "deployment_id is repeated"],
        ["d2", 5, "service is empty"],
    ]


def test_a_cause_that_was_reported_twice_happened_when_it_was_first_reported(study):
    study.write("changes.csv", study.deployments + "d1,2026-03-01T12:00:00Z,checkout,ai\n")
    study.write(
        "outages.csv",
        """\
incident_id,started_at,service,caused_by
between,2026-03-01T10:00:00Z,checkout,d1
before,2026-03-01T08:00:00Z,checkout,d1
""",
    )
    plan = study.plan(mapping={"deployments": {"duplicates": "earliest"}})
    checked = study.check("changes.csv", "outages.csv", plan=plan)
    assert checked.tables["incidents"].incident_id.execute().tolist() == ["between"]


# --- the plan's mapping ----------------------------------------------------------------------------------------------

OURS = """\
change_id,when,app,squad,pilot,sev,is_bot,environment
1,2026-03-01T09:00:00Z,checkout,,yes,small,false,Production
2,2026-03-02T09:00:00Z,search,payments,no,3,false,production
3,2026-03-02T09:00:00Z,search,payments,no,3,TRUE,production
4,2026-03-02T09:00:00Z,search,payments,no,3,false,staging
"""
MAPPING = {
    "rename": {
        "change_id": "deployment_id",
        "when": "deployed_at",
        "app": "service",
        "pilot": "assistance",
        "sev": "lines_added",
        "squad": "team",
    },
    "values": {"assistance": {"yes": "ai", "no": "human"}, "lines_added": {"small": "10"}},
    "fill": {"team": "core", "layer": "application", "is_hotfix": False, "reviewers": 1},
    "join": {"change_type": ["environment", "squad"]},
    "keep": {"environment": ["production"]},
    "drop": {"is_bot": [True]},
}


def test_a_mapping_turns_a_sources_columns_and_values_into_those_of_the_contract(study):
    study.write("changes.csv", OURS)
    checked = study.check("changes.csv", plan=study.plan(mapping={"deployments": MAPPING}))
    found = checked.tables["deployments"].execute().sort_values("deployment_id").astype(object)
    wanted = ["deployment_id", "service", "assistance", "team", "layer", "lines_added", "reviewers", "is_hotfix"]
    assert found[[*wanted, "change_type"]].head(2).values.tolist() == [
        ["1", "checkout", "ai", "core", "application", 10, 1, False, "Production"],
        ["2", "search", "human", "payments", "application", 3, 1, False, "production;payments"],
    ]


def test_rows_the_plan_leaves_out_are_accepted_and_say_why(study):
    study.write("changes.csv", OURS)
    checked = study.check("changes.csv", plan=study.plan(mapping={"deployments": MAPPING}))
    found = checked.tables["deployments"].execute().sort_values("deployment_id")["left_out_by"].astype(object)
    assert found.where(found.notna(), None).tolist() == [None, None, "is_bot is true", "environment is not production"]
    assert str(checked.accounts[0]) == "deployments: 4 read, 4 accepted (2 left out by the plan), 0 quarantined"


def test_a_constant_fills_values_of_every_type(study):
    frame = with_values("is_hotfix", [True, None]).assign(lines_added=[1.0, None], team=["", "payments"])
    fill = {"is_hotfix": False, "lines_added": 7, "team": "core"}
    plan = {"mapping": {"deployments": {"fill": fill}}}
    assert column(study, frame, "is_hotfix", **plan) == [True, False]
    assert column(study, frame, "lines_added", **plan) == [1, 7]
    assert column(study, frame, "team", **plan) == ["core", "payments"]


# --- data that cannot give an answer ---------------------------------------------------------------------------------


def months(labels: list[str], services: list[str]) -> str:
    rows = [
        f"d{n},2026-03-{1 + n % 28:02d}T09:00:00Z,{services[n % len(services)]},{labels[n % len(labels)]}"
        for n in range(84)
    ]
    return "\n".join(["deployment_id,deployed_at,service,assistance", *rows]) + "\n"


def failures(services: list[str]) -> str:
    rows = [f"i{n},2026-03-{1 + n:02d}T10:00:00Z,{services[n % len(services)]}" for n in range(28)]
    return "\n".join(["incident_id,started_at,service", *rows]) + "\n"


MANY = [f"s{number}" for number in range(9)]
UNANSWERABLE = {
    "no incidents": (months(["ai", "human"], MANY), "incident_id,started_at,service\n", {}),
    "no AI-assisted changes": (months(["human"], MANY), failures(MANY), {}),
    "only AI-assisted changes": (months(["ai"], MANY), failures(MANY), {}),
    "no labels": (months([""], MANY), failures(MANY), {}),
    "one service": (months(["ai", "human"], ["checkout"]), failures(["checkout"]), {}),
    "one deployment": (months(["ai"], MANY)[:80], failures(MANY), {}),
    "everything left out": (months(["ai", "human"], MANY), failures(MANY), {"drop": {"assistance": ["ai", "human"]}}),
}


@pytest.mark.parametrize(("deployments", "incidents", "mapping"), UNANSWERABLE.values(), ids=UNANSWERABLE.keys())
def test_data_that_cannot_give_an_answer_get_a_reason_instead(study, deployments, incidents, mapping):
    study.write("c.csv", deployments)
    study.write("o.csv", incidents)
    # What the further designs and the challenges make of such data is held by POOR in test_analysis.py.
    analysis = study.analyse("c.csv", "o.csv", plan=study.plan(mapping={"deployments": mapping}), further=False)
    failed = [check.sentence for check in analysis.checks if check.gate and check.status.value == "fail"]
    assert analysis.verdict.call.code == "cannot_tell"
    assert failed
    assert failed[0] in analysis.verdict.sentence
    assert analysis.verdict.needed
    assert json.loads(analysis.to_json())["verdict"]["call"] == "cannot_tell"


# --- the account -----------------------------------------------------------------------------------------------------

CELLS = st.sampled_from(
    [
        "",
        "a",
        "b",
        "d1",
        "d1;d2",
        "2026-03-01T09:00:00Z",
        "2026-03-01 09:00",
        "2036-01-01T00:00:00Z",
        "ai",
        "true",
        "change",
        "cascade",
        "-1",
        "0.5",
        "3",
        "1e400",
        "NaN",
        "two\nlines",
        'qu"ote',
        "x" * 200,
    ]
)


WHOLE = {
    Kind.TIME: "2026-03-01T09:00:00Z",
    Kind.NUMBER: "0.5",
    Kind.WHOLE: "3",
    Kind.YES_NO: "yes",
}


@st.composite
def tables(draw, name: str) -> pd.DataFrame:
    """A table of the contract with anything in it: some rows are whole, any other may break several rules."""
    contract = TABLES[name]
    whole = [(column.allowed or (WHOLE.get(column.kind, column.name),))[0] for column in contract.columns]
    row = st.lists(CELLS, min_size=len(whole), max_size=len(whole))
    return pd.DataFrame([whole, *draw(st.lists(row, max_size=6)), whole], columns=list(contract.names))


# Smaller examples would be found too slowly to be worth it.
@settings(
    max_examples=4,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@pytest.mark.parametrize("name", TABLES)
@given(data=st.data(), broken=st.integers(0, 2), kind=st.sampled_from(["CSV", "JSON-lines", "Parquet"]))
def test_accepted_and_quarantined_make_read_always(study, name, data, broken, kind):
    dirty = data.draw(tables(name))
    plan = study.plan(mapping={table: {"duplicates": "earliest"} for table in TABLES})
    checked = study.check(**{name: _written(study, kind, name, dirty, broken)}, plan=plan)
    spoilt = broken if kind != "Parquet" else 0
    account = next(account for account in checked.accounts if account.table == name)
    rows = checked.quarantine[checked.quarantine["table"] == name]
    assert account.accepted + account.quarantined == account.read == len(dirty) + spoilt
    assert account.quarantined == len(rows) >= spoilt
    assert account.accepted == checked.tables[name].count().execute()
    assert rows["line"].is_unique
    assert (rows["rule"] != "").all()


def _written(study, kind: str, name: str, table: pd.DataFrame, broken: int) -> str:
    if kind == "Parquet":
        table.to_parquet(study.folder / f"{name}.parquet", index=False)
        return f"{name}.parquet"
    if kind == "CSV":
        return study.write(f"{name}.csv", table.to_csv(index=False) + "not a row\n" * broken)
    lines = [json.dumps(row) for row in table.to_dict("records")] + ["{not an object"] * broken
    return study.write(f"{name}.jsonl", "\n".join(lines))
