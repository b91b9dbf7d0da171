"""What is said of a sample to judge: how it is drawn and asked for, and what is wrong with a judged one."""

from __future__ import annotations

import csv
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest

from counterfault.challenges.audited_labels import AuditedLabels
from counterfault.checking import check
from counterfault.contracts import ContractError
from counterfault.counting import count
from counterfault.counting.label_audit import audit_csv, audit_sample, compare_audit, read_audit
from counterfault.linking import link
from counterfault.plan import Plan, PlanError

HEAD = "deployment_id,deployed_at,service,judged\n"


@pytest.fixture
def company(study):
    """Sixty changes of one service, every third AI-assisted, every fifth a failure; with all that tells too much."""
    rows, incidents = [], []
    for change in range(60):
        at = pd.Timestamp("2026-03-01T09:00Z") + pd.Timedelta(days=change)
        label = "ai" if change % 3 == 0 else "human"
        name = "=cmd()" if change == 7 else f"d{change}"
        rows.append((name, at.isoformat(), "checkout", label, "copilot", "hash", 12, "2026-05-30T00:00:00Z"))
        if change % 5 == 0:
            incidents.append((f"i{change}", (at + pd.Timedelta(hours=1)).isoformat(), "checkout"))
    columns = ["deployment_id", "deployed_at", "service", "assistance", "ai_tool", "author", "lines_added"]
    deployments = pd.DataFrame(rows, columns=[*columns, "label_recorded_at"])
    study.write("deployments.csv", deployments.to_csv(index=False))
    study.write("incidents.csv", pd.DataFrame(incidents, columns=["incident_id", "started_at", "service"]).to_csv())
    return study


def counted(company):
    plan = company.plan()
    linked = link(check(company.read(plan=plan), plan, now=company.now), plan)
    return count(linked, plan), linked


TABLES = ("--deployments", "deployments.csv", "--incidents", "incidents.csv")


def test_the_sample_is_written_without_label_outcome_or_people(company, command):
    code, out, err = command("label", "--audit", "12", *TABLES, "--out", "audit.csv")
    assert (code, err) == (0, "")
    assert out == "audit.csv written: 12 changes; write ai or human into the column 'judged'\n"
    lines = list(csv.DictReader(StringIO(Path("audit.csv").read_text(encoding="utf-8"))))
    assert list(lines[0]) == ["deployment_id", "deployed_at", "service", "lines_added", "judged"]
    assert [line["deployed_at"] for line in lines] == sorted(line["deployed_at"] for line in lines)
    assert {line["judged"] for line in lines} == {""}


def test_the_sample_takes_alike_from_both_labels_and_outcomes(company):
    found, linked = counted(company)
    known = found.rows.execute().set_index("deployment_id")
    chosen = known.loc[audit_sample(found.rows, linked, 16, seed=1)["deployment_id"]]
    groups = chosen.groupby(["assistance", "events"]).size()
    assert groups.to_dict() == {("ai", 0): 4, ("ai", 1): 4, ("human", 0): 4, ("human", 1): 4}


def test_the_same_seed_draws_the_same_sample_and_another_does_not(company):
    found, linked = counted(company)
    first, again, other = (tuple(audit_sample(found.rows, linked, 12, seed)["deployment_id"]) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_a_cell_that_a_spreadsheet_would_compute_is_text_and_is_read_back(company):
    found, linked = counted(company)
    sample = audit_sample(found.rows, linked, 60, seed=1).assign(judged="ai")
    text = audit_csv(sample)
    assert "\n'=cmd()," in text
    company.write("audit.csv", text)
    judged = read_audit(Path("audit.csv"))
    assert "=cmd()" in judged
    assert compare_audit(judged, found.rows, linked).judged["human", 1] == 8


def test_an_audit_is_never_overwritten(company, command):
    company.write("audit.csv", "judged already")
    code, _, err = command("label", "--audit", "12", *TABLES, "--out", "audit.csv")
    assert (code, err) == (
        2, "counterfault: audit.csv exists; an audit is never overwritten, because it may hold judgements\n",
    )  # fmt: skip
    assert Path("audit.csv").read_text(encoding="utf-8") == "judged already"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--audit", "5"), "Error: --audit needs --out FILE, the CSV file to write the sample to"),
        (("--audit", "0", "--out", "a.csv"), "Error: Invalid value for '--audit': 0 is not in the range x>=1."),
        (("--audit", "5", "--out", "a.csv", "p.toml", "q"), "Error: --audit takes one PLAN, not 2 (p.toml, q)"),
        ((), "Error: Missing argument 'REPOSITORY'."),
        ((".", "--out", "a.csv"), "Error: --out goes with --audit N; without it, name a git REPOSITORY and COMMITS"),
        ((".", "--load", "a.csv"), "Error: --load goes with --audit N; without it, name a git REPOSITORY and COMMITS"),
    ],
)
def test_a_command_that_cannot_be_meant_says_what_is_missing(command, words, told):
    code, out, err = command("label", *words)
    assert (code, out) == (2, "")
    assert told in err


# --- reading a judged file


def refusal(text: str | bytes, study) -> str:
    study.write("audit.csv", text)
    with pytest.raises(ContractError) as refused:
        read_audit(Path("audit.csv"))
    return str(refused.value)


@pytest.mark.parametrize("value", ["both", "AI and human", "yes"])
def test_a_judgement_in_other_words_is_refused_with_its_line(study, value):
    assert refusal(f"{HEAD}d1,,,ai\nd2,,,{value}\n", study) == (
        f"audit.csv: line 3: judged is {value!r}; write ai or human, or leave it empty where nobody can tell"
    )


def test_a_change_judged_twice_is_refused_with_both_lines(study):
    assert refusal(f"{HEAD}d1,,,ai\nd2,,,human\nd1,,,human\n", study) == (
        "audit.csv: line 4: 'd1' was judged in line 2 already; keep one of the two lines"
    )


def test_a_file_in_which_nothing_is_judged_is_refused(study):
    assert refusal(f"{HEAD}d1,,,\nd2,,, \n", study) == (
        "audit.csv: none of its 2 changes is judged; write ai or human into the column 'judged'"
    )


def test_a_missing_column_is_refused_with_those_there_are(study):
    assert refusal("deployment_id,verdict\nd1,ai\n", study) == (
        "audit.csv: no column 'judged'; it has deployment_id, verdict. Keep the columns that `counterfault label "
        "--audit` wrote"
    )
    assert refusal("", study).startswith("audit.csv: no column 'deployment_id'; it has none. ")


def test_a_file_that_is_not_utf_8_is_refused(study):
    assert refusal(b"deployment_id,judged\nd\xe9,ai\n", study) == (
        "audit.csv: not UTF-8 text (byte 22); save the audit as CSV in UTF-8"
    )


def test_a_file_that_is_not_there_is_refused_with_the_command_that_draws_one(study):
    with pytest.raises(ContractError) as refused:
        read_audit(Path("audit.csv"))
    assert str(refused.value) == (
        "audit.csv: cannot read the audit (No such file or directory); `counterfault label --audit 100 --out audit.csv"
        "` draws a sample to judge"
    )


@pytest.mark.parametrize("text", ["\ufeffdeployment_id,judged\r\nd1, AI \r\nd2,\r\n", "deployment_id;judged\nd1;ai\n"])
def test_what_spreadsheets_make_of_a_csv_file_is_read(study, text):
    study.write("audit.csv", text)
    assert read_audit(Path("audit.csv")) == {"d1": "ai"}


def test_judged_changes_that_no_table_holds_are_refused(company):
    found, linked = counted(company)
    with pytest.raises(ContractError) as refused:
        compare_audit({"d1": "ai", "x1": "ai", "x2": "human"}, found.rows, linked, "audit.csv")
    assert str(refused.value) == (
        "audit.csv: 2 of 3 judged deployments are not in the deployments ('x1', 'x2'); judge a sample drawn from these "
        "tables, or remove the lines"
    )


def naming(audit: str) -> Plan:
    return Plan.checked({"challenges": {"label_error": {"audit": audit}}})


def test_a_plan_names_its_audit_from_its_own_folder(study):
    (study.folder / "plans").mkdir()
    study.write("plans/audit.csv", f"{HEAD}d1,,,ai\n")
    found = AuditedLabels.of(naming("audit.csv"), study.folder / "plans")
    assert (found.judged, found.name) == ({"d1": "ai"}, "audit.csv")
    assert AuditedLabels.of(Plan(), study.folder) is None


def test_a_plan_that_names_a_missing_audit_is_refused_with_the_key(study):
    with pytest.raises(PlanError) as refused:
        AuditedLabels.of(naming("judged/audit.csv"), study.folder)
    assert str(refused.value) == (
        "challenges.label_error.audit: there is no file 'judged/audit.csv' beside the plan; `counterfault label "
        "--audit 100 --out audit.csv` draws a sample to judge"
    )
