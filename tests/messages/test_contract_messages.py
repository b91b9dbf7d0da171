"""What is said when a table breaks the contract: a whole refusal, or a rule and a value for each quarantined row."""

import pandas as pd
import pytest

from counterfault.contracts import TABLES, ContractError
from counterfault.plan import PlanError

WAY_OUT = (
    'write them with an offset, or say what they are with `timezone = "UTC"` under [mapping.deployments] in the plan'
)
CORRECT = "Correct the rows, map their values under [mapping.{table}] in the plan, or raise data.max_quarantined"


def quarantine(checked) -> list[tuple[str, int, str, str]]:
    """Key, line, rule and value of the rows that broke one."""
    return list(checked.quarantine[["key", "line", "rule", "value"]].itertuples(index=False, name=None))


def mapped(study, table="deployments", **mapping):
    return study.plan(mapping={table: mapping})


# --- columns ---------------------------------------------------------------------------------------------------------


def test_a_missing_column_with_the_line_of_the_plan_that_would_name_it(study):
    study.write("changes.csv", study.deployments.replace("assistance", "ai_asistance"))
    assert study.refusal(ContractError, "changes.csv") == (
        "deployments: changes.csv has no column 'assistance' (it has deployment_id, deployed_at, service, "
        "ai_asistance); if there is another name for it, put "
        '`rename = { "ai_asistance" = "assistance" }` under [mapping.deployments] in the plan'
    )


def test_several_missing_columns(study):
    study.write("changes.csv", study.deployments.replace("deployed_at", "deploy_time").replace("service", "app"))
    assert study.refusal(ContractError, "changes.csv") == (
        "deployments: changes.csv has no columns 'deployed_at', 'service' (it has deployment_id, deploy_time, app, "
        'assistance); if there is another name for it, put `rename = { "deploy_time" = "deployed_at" }` under '
        "[mapping.deployments] in the plan"
    )


def test_a_missing_column_that_nothing_resembles(study):
    study.write("outages.csv", study.incidents.replace("started_at", "t0"))
    assert study.refusal(ContractError, incidents="outages.csv") == (
        "incidents: outages.csv has no column 'started_at' (it has incident_id, t0, service); if there is another name "
        'for it, put `rename = { "your column" = "started_at" }` under [mapping.incidents] in the plan'
    )


@pytest.mark.parametrize("table", ["dependencies", "load"])
def test_optional_tables_have_required_columns_too(study, table):
    study.write("more.csv", "service\ncheckout\n")
    missing = TABLES[table].required[1:]
    assert study.refusal(ContractError, **{table: "more.csv"}) == (
        f"{table}: more.csv has no column{'s' if len(missing) > 1 else ''} {', '.join(map(repr, missing))} (it has "
        f'service); if there is another name for it, put `rename = {{ "your column" = "{missing[0]}" }}` under '
        f"[mapping.{table}] in the plan"
    )


def test_names_that_would_break_a_message_are_quoted_in_it(study):
    study.write("changes.csv", '"two\nlines",\x1b[31mred\n1,2\n')
    assert study.refusal(ContractError, "changes.csv") == (
        "deployments: changes.csv has no columns 'deployment_id', 'deployed_at', 'service', 'assistance' (it has "
        r"""'two\nlines', '\x1b[31mred'); if there is another name for it, put `rename = { "your column" = """
        '"deployment_id" }` under [mapping.deployments] in the plan'
    )


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("rename", {"servce": "team"}),
        ("join", {"team": ["service", "servce"]}),
        ("keep", {"servce": ["a"]}),
        ("drop", {"servce": ["a"]}),
    ],
)
def test_a_mapping_of_a_column_the_source_does_not_have(study, part, value):
    assert study.refusal(ContractError, plan=mapped(study, **{part: value})) == (
        f"mapping.deployments.{part}: deployments.csv has no column 'servce'; did you mean 'service'?"
    )


def test_a_mapping_of_a_column_like_no_other(study):
    assert study.refusal(ContractError, plan=mapped(study, keep={"environment": ["production"]})) == (
        "mapping.deployments.keep: deployments.csv has no column 'environment'; it has deployment_id, deployed_at, "
        "service, assistance"
    )


def test_values_of_a_column_that_is_not_there(study):
    assert study.refusal(ContractError, plan=mapped(study, values={"team": {"a": "b"}})) == (
        "mapping.deployments.values: deployments.csv has no column 'team' (it has deployment_id, deployed_at, service, "
        "assistance); values are mapped after columns are renamed"
    )


def test_two_columns_renamed_alike(study):
    plan = mapped(study, rename={"service": "team", "assistance": "team"})
    assert study.refusal(ContractError, plan=plan) == (
        "mapping.deployments.rename: 'service' and 'assistance' cannot both become 'team'; rename one of them"
    )


# --- times -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "example"),
    [
        ("2026-03-01T09:00:00", "2026-03-01T09:00:00"),
        ("2026-03-01 09:00", "2026-03-01 09:00"),
        ("2026-03-01", "2026-03-01"),  # the "-01" is no offset
    ],
)
def test_times_without_a_zone(study, written, example):
    study.write("changes.csv", f"deployment_id,deployed_at,service,assistance\nd1,{written},checkout,ai\n")
    assert study.refusal(ContractError, "changes.csv") == (
        f"deployments: the times in column 'deployed_at' of changes.csv have no time zone (e.g. {example}); {WAY_OUT}"
    )


@pytest.mark.parametrize(
    ("times", "example"),
    [
        (pd.to_datetime(["2026-03-01 09:00"]), "2026-03-01 09:00:00"),
        (pd.Series([pd.Timestamp("2026-03-01").date()], dtype=object), "2026-03-01"),
    ],
    ids=["timestamps", "dates"],
)
def test_times_of_a_frame_without_a_zone(study, times, example):
    frame = pd.DataFrame({"deployment_id": ["d1"], "deployed_at": times, "service": ["a"], "assistance": ["ai"]})
    assert study.refusal(ContractError, frame) == (
        "deployments: the times in column 'deployed_at' of the data frame have no time zone "
        f"(e.g. {example}); {WAY_OUT}"
    )


@pytest.mark.parametrize(
    ("zone", "hint"),
    [
        ("Europe/Belrin", "did you mean 'Europe/Berlin'?"),
        ("+02:00", "write it like 'Europe/Berlin' or 'UTC'"),
    ],
)
def test_a_time_zone_that_does_not_exist(study, zone, hint):
    assert study.refusal(PlanError, plan=mapped(study, timezone=zone)) == (
        f"mapping.deployments.timezone: there is no time zone {zone!r}; {hint}"
    )


# --- whole tables ----------------------------------------------------------------------------------------------------


def test_repeated_ids(study):
    study.write("changes.csv", study.deployments + "d1,2026-03-01T08:00:00Z,checkout,ai\n")
    assert study.refusal(ContractError, "changes.csv") == (
        "deployments: deployment_id is not unique in changes.csv: 2 rows share 1 value (e.g. d1). Each row must be one "
        'change reaching production; if these are updates of the same one, put `duplicates = "earliest"` under '
        "[mapping.deployments] in the plan to keep the first of each"
    )


def test_repeated_pairs(study):
    study.write("needs.csv", "service,depends_on\na,b\na,b\na,c\na,c\na,c\n")
    assert study.refusal(ContractError, dependencies="needs.csv") == (
        "dependencies: service + depends_on is not unique in needs.csv: 5 rows share 2 values (e.g. a / b, a / c). "
        "Each row must be one service that needs another; if these are updates of the same one, put `duplicates = "
        '"earliest"` under [mapping.dependencies] in the plan to keep the first of each'
    )


def test_a_table_without_deployments(study):
    study.write("changes.csv", study.deployments.splitlines()[0])
    assert study.refusal(ContractError, "changes.csv") == (
        "deployments: changes.csv has no rows; without deployments there is nothing to compare"
    )


def test_a_table_whose_every_deployment_is_broken(study):
    study.write("changes.csv", study.deployments.replace("checkout", ""))
    assert study.refusal(ContractError, "changes.csv") == (
        "deployments: 2 of 2 rows of changes.csv break the contract, so that nothing is left to compare; the commonest "
        "fault, in 2 rows: service is empty (e.g. line 2: service = (empty))"
    )


def test_more_broken_rows_than_the_plan_allows(study):
    robots = study.deployments.replace("human", "robot") + "d3,2026-03-03T09:00:00Z,checkout,robot\nbroken\n"
    study.write("changes.csv", robots)
    assert study.refusal(ContractError, "changes.csv", plan=study.plan(data={"max_quarantined": 0.125})) == (
        "deployments: 3 of 4 rows of changes.csv break the contract, more than the 12.5% the plan allows; the "
        "commonest fault, in 2 rows: assistance is not one of ai, human, unknown (e.g. line 3: assistance = robot). "
        + CORRECT.format(table="deployments")
    )


def test_incidents_more_broken_than_the_plan_allows(study):
    frame = pd.DataFrame({"incident_id": [7], "started_at": pd.to_datetime(["2036-01-01"], utc=True), "service": ["a"]})
    assert study.refusal(ContractError, incidents=frame, plan=study.plan(data={"max_quarantined": 0})) == (
        "incidents: 1 of 1 rows of the data frame break the contract, more than the 0% the plan allows; the commonest "
        "fault, in 1 row: started_at is in the future (e.g. row 1: started_at = 2036-01-01 00:00:00+00). "
        + CORRECT.format(table="incidents")
    )


def test_as_many_broken_rows_as_the_plan_allows_are_quarantined(study):
    study.write("changes.csv", study.deployments + "d3,,checkout,ai\n")
    account = study.check("changes.csv", plan=study.plan(data={"max_quarantined": 1 / 3})).accounts[0]
    assert str(account) == "deployments: 3 read, 2 accepted, 1 quarantined"


# --- rows ------------------------------------------------------------------------------------------------------------


def test_what_a_deployment_can_break(study):
    study.write(
        "changes.csv",
        """\
deployment_id,deployed_at,service,assistance,ai_share,label_tier,lines_added,review_hours,is_hotfix
good,2026-03-01T09:00:00Z,checkout,ai,0.5,exact,12,1.5,no
,2026-03-01T09:00:00Z,checkout,ai,,,,,
when,,checkout,ai,,,,,
where,2026-03-01T09:00:00Z, ,ai,,,,,
who,2026-03-01T09:00:00Z,checkout,copilot,,guess,,,
zone,2026-03-01 09:00:00,checkout,ai,,,,,
soon,tomorrow at nine,checkout,ai,,,,,
day,2026-02-30T09:00:00Z,checkout,ai,,,,,
old,1970-01-01T00:00:00Z,checkout,ai,,,,,
late,2026-07-01T00:00:01Z,checkout,ai,,,,,
over,2026-03-01T09:00:00Z,checkout,ai,1.5,,,,
size,2026-03-01T09:00:00Z,checkout,ai,-0.5,,-12,-1,
half,2026-03-01T09:00:00Z,checkout,ai,most,,2.5,inf,
huge,2026-03-01T09:00:00Z,checkout,ai,,,1e300,1e999,
hot,2026-03-01T09:00:00Z,checkout,ai,,,,,perhaps
""",
    )
    not_a_time = "deployed_at is not a time such as 2026-03-01T09:00:00Z"
    assert quarantine(study.check("changes.csv")) == [
        ("(empty)", 3, "deployment_id is empty", "deployment_id = (empty)"),
        ("when", 4, "deployed_at is empty", "deployed_at = (empty)"),
        ("where", 5, "service is empty", "service =  "),
        (
            "who",
            6,
            "assistance is not one of ai, human, unknown; label_tier is not one of exact, declared, heuristic",
            "assistance = copilot; label_tier = guess",
        ),
        ("zone", 7, "deployed_at has no time zone", "deployed_at = 2026-03-01 09:00:00"),
        ("soon", 8, not_a_time, "deployed_at = tomorrow at nine"),
        ("day", 9, not_a_time, "deployed_at = 2026-02-30T09:00:00Z"),
        ("old", 10, "deployed_at is before the year 2000", "deployed_at = 1970-01-01T00:00:00Z"),
        ("late", 11, "deployed_at is in the future", "deployed_at = 2026-07-01T00:00:01Z"),
        ("over", 12, "ai_share is above 1", "ai_share = 1.5"),
        (
            "size",
            13,
            "ai_share is below 0; lines_added is below 0; review_hours is below 0",
            "ai_share = -0.5; lines_added = -12; review_hours = -1",
        ),
        (
            "half",
            14,
            "ai_share is not a number; lines_added is not a whole number; review_hours is not a number",
            "ai_share = most; lines_added = 2.5; review_hours = inf",
        ),
        (
            "huge",
            15,
            "lines_added is not a whole number; review_hours is not a number",
            "lines_added = 1e300; review_hours = 1e999",
        ),
        ("hot", 16, "is_hotfix is neither yes nor no", "is_hotfix = perhaps"),
    ]


def test_what_an_incident_can_break(study):
    study.write(
        "outages.csv",
        """\
incident_id,started_at,service,resolved_at,severity,cause,caused_by
good,2026-03-01T09:30:00Z,checkout,2026-03-01T10:00:00Z,1,change,d1
nowhere,2026-03-01T09:30:00Z,,,,,
back,2026-03-01T09:30:00Z,checkout,2026-03-01T09:29:59Z,,,
grave,2026-03-01T09:30:00Z,checkout,,0,,
minor,2026-03-01T09:30:00Z,checkout,,6,,
gods,2026-03-01T09:30:00Z,checkout,,,fate,
before,2026-03-01T08:59:59Z,checkout,,,,d1
both,2026-03-01T09:30:00Z,checkout,,9,,d1; d2
""",
    )
    too_early = "started_at is before the deployment recorded in caused_by"
    assert quarantine(study.check(incidents="outages.csv")) == [
        ("nowhere", 3, "neither service nor caused_by is given", "service = (empty)"),
        ("back", 4, "resolved_at is before started_at", "resolved_at = 2026-03-01 09:29:59+00"),
        ("grave", 5, "severity is below 1", "severity = 0"),
        ("minor", 6, "severity is above 5", "severity = 6"),
        ("gods", 7, "cause is not one of change, other, unknown", "cause = fate"),
        ("before", 8, too_early, "caused_by = d1"),
        ("both", 9, f"severity is above 5; {too_early}", "severity = 9; caused_by = d2"),
    ]


def test_what_the_other_tables_can_break(study):
    study.write("needs.csv", "service,depends_on\na,b\na,\n")
    study.write("load.csv", "service,hour,requests\na,2026-03-01T09:00:00Z,5\na,2026-03-01T10:00:00Z,-1\n")
    assert quarantine(study.check(dependencies="needs.csv", load="load.csv")) == [
        ("a / (empty)", 3, "depends_on is empty", "depends_on = (empty)"),
        ("a / 2026-03-01 10:00:00+00", 3, "requests is below 0", "requests = -1"),
    ]


def test_lines_that_are_not_rows(study):
    study.write(
        "changes.csv",
        """\
deployment_id,deployed_at,service,assistance
d1,2026-03-01T09:00:00Z,checkout,ai
d2,2026-03-02T09:00:00Z,checkout

d3,2026-03-02T09:00:00Z,checkout,ai,more
d4,2026-03-02T09:00:00Z,"open,ai
d5,2026-03-02T09:00:00Z,"two
lines",ai
d6,2026-03-02T09:00:00Z,checkout,robot
""",
    )
    lines = "not a row of this table: "
    assert quarantine(study.check("changes.csv")) == [
        ("", 3, lines + "3 values for 4 columns", "d2,2026-03-02T09:00:00Z,checkout"),
        ("", 5, lines + "5 values for 4 columns", "d3,2026-03-02T09:00:00Z,checkout,ai,more"),
        ("", 6, lines + "a quote is not closed, or not where a value ends", 'd4,2026-03-02T09:00:00Z,"open,ai'),
        ("d6", 9, "assistance is not one of ai, human, unknown", "assistance = robot"),
    ]


def test_lines_that_are_not_objects(study):
    row = '{"deployment_id": "d1", "deployed_at": "2026-03-01T09:00:00Z", "service": "a", "assistance": true}'
    study.write("changes.jsonl", f'{row}\n\n{{"deployment_id": \n[1]\nnull\n{{}}\n')
    assert quarantine(study.check("changes.jsonl")) == [
        ("", 3, "not a JSON object", '{"deployment_id":'),
        ("", 4, "not a JSON object", "[1]"),
        ("", 5, "not a JSON object", "null"),
        (
            "(empty)",
            6,
            "deployment_id is empty; deployed_at is empty; service is empty",
            "deployment_id = (empty); deployed_at = (empty); service = (empty)",
        ),
    ]


# --- on the command line ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["check", "analyse"])
def test_refused_data_end_a_command_with_3_and_the_sentence(study, command, verb):
    study.write("changes.csv", study.deployments.replace("Z", ""))
    assert command(verb, "--deployments", "changes.csv", "--incidents", "incidents.csv") == (
        3,
        "",
        "counterfault: deployments: the times in column 'deployed_at' of changes.csv have no time zone (e.g. "
        f"2026-03-01T09:00:00); {WAY_OUT}\n",
    )


def test_a_check_prints_the_account_and_every_rule_broken(study, command):
    # Long past, because a command asks the clock what the future is.
    rows = [f"d{number},2020-03-02T09:00:00Z,checkout,human" for number in range(1, 20)]
    study.write("changes.csv", "\n".join([study.deployments.splitlines()[0], *rows, rows[0].replace("d1,", ",")]))
    study.write("outages.csv", study.incidents.replace("2026", "2020"))
    assert command("check", "--deployments", "changes.csv", "--incidents", "outages.csv") == (
        0,
        "deployments: 20 read, 19 accepted, 1 quarantined\n"
        "incidents: 1 read, 1 accepted, 0 quarantined\n"
        "\n"
        "quarantined, by rule:\n"
        "  deployments: deployment_id is empty: 1 (e.g. (empty): deployment_id = (empty))\n",
        "",
    )
