"""What the command line says when something is wrong: a sentence, the way out, the exit code a scheduler reads."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from counterfault.cli import main

ROOT = Path(__file__).parents[2]
DEPLOYMENTS = "deployment_id,deployed_at,service,assistance\nd1,2026-03-01T10:00:00Z,api,ai\n"
INCIDENTS = "incident_id,started_at,service\ni1,2026-03-01T11:00:00Z,api\n"


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    """Runs one command line in an empty folder; gives exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["counterfault", *arguments])
        code = 0
        try:
            main()
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def written(name: str, text: str) -> str:
    Path(name).write_text(text, encoding="utf-8")
    return name


# --- usage


def test_an_unknown_command_is_named(command):
    code, out, err = command("analyze")
    assert (code, out) == (2, "")
    assert "Error: No such command 'analyze'." in err
    assert "counterfault --help' for help." in err


@pytest.mark.parametrize("arguments", [("run", "--job", "3"), ("check", "--out", "x"), ("simulate", "--worlds", "x")])
def test_an_unknown_option_is_named(command, arguments):
    code, out, err = command(*arguments)
    assert (code, out) == (2, "")
    assert f"Error: No such option '{arguments[1]}'" in err
    assert f"counterfault {arguments[0]} --help' for help." in err


def test_a_missing_option_is_named(command):
    code, _, err = command("simulate")
    assert code == 2
    assert "Error: Missing option '--out'." in err


def test_an_unknown_world_is_refused_with_the_known_ones(command):
    code, _, err = command("simulate", "--world", "utopia", "--out", "there")
    assert code == 2
    assert err.startswith("counterfault: --world utopia: there is no such world; there are demo, ")
    assert not Path("there").exists()


def test_a_notebook_that_does_not_exist_is_refused_before_anything_is_read_or_written(command):
    code, out, err = command("run", "--only", "77", "--out", "report")
    assert (code, out) == (2, "")
    assert err.splitlines()[0].startswith("The demo organisation: reading ")
    scheduled = sorted(path.stem for path in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb") if path.stem[:2] != "00")
    assert err.split("\n", 1)[1] == (
        f"counterfault: --only 77: no notebook begins so; there are {', '.join(scheduled)}\n"
    )
    assert not Path("report").exists()


# --- the plan


@pytest.mark.parametrize("verb", [("run",), ("check",), ("analyse",), ("plan", "check")])
def test_a_plan_that_is_not_there_is_refused_with_the_way_to_write_one(command, verb):
    assert command(*verb, "nowhere.toml") == (
        2,
        "",
        "counterfault: nowhere.toml: cannot read the plan (No such file or directory); `counterfault plan new` writes "
        "one\n",
    )


def test_a_plan_that_is_not_toml_is_refused_with_the_place(command):
    code, out, err = command("plan", "check", written("mine.toml", "title = unquoted\n"))
    assert (code, out) == (2, "")
    assert err.startswith("counterfault: mine.toml: not valid TOML: ")
    assert "line 1" in err


def test_a_misspelt_key_is_refused_with_the_nearest_one(command):
    plan = written("mine.toml", "[decision]\nworth_acting_at = 1.5\n")
    assert command("plan", "check", plan) == (
        2,
        "",
        "counterfault: mine.toml: unknown key 'decision.worth_acting_at'; did you mean 'worth_acting_on'?\n",
    )


def test_every_fault_of_a_plan_is_told_at_once(command):
    plan = written("mine.toml", "titel = 'x'\n[decision]\nworth_acting_on = 0.8\n")
    code, _, err = command("plan", "check", plan)
    assert code == 2
    assert err.splitlines() == [
        "counterfault: mine.toml: decision.worth_acting_on: 0.8 must be above 1; it is the smallest ratio worth acting "
        "on, and its mirror image 1/0.8 is used for benefits",
        "mine.toml: unknown key 'titel'; did you mean 'title'?",
    ]


def test_a_plan_is_never_overwritten(command):
    plan = written("mine.toml", "precious")
    assert command("plan", "new", plan) == (2, "", "counterfault: mine.toml exists; a plan is never overwritten\n")
    assert Path(plan).read_text() == "precious"


def test_a_new_plan_is_the_default_one_and_can_be_followed(command):
    assert command("plan", "new", "mine.toml")[0] == 0
    assert Path("mine.toml").read_bytes() == (ROOT / "plans" / "default.toml").read_bytes()
    code, out, err = command("plan", "check", "mine.toml")
    assert (code, err) == (0, "")
    assert out.startswith("mine.toml: AI-assisted changes and incidents; digest ")


def test_a_plan_that_asks_for_what_the_tables_lack_is_a_fault_of_the_plan(command):
    plan = written("mine.toml", "[design]\nstrata = ['team', 'quarter']\n")
    places = ("--deployments", written("d.csv", DEPLOYMENTS), "--incidents", written("i.csv", INCIDENTS))
    assert command("analyse", plan, *places) == (
        2,
        "",
        "estimating, then trying to break the answer\n"
        "counterfault: design: the plan groups by 'team', but the deployments have no column 'team'\n",
    )


# --- the data


def test_data_that_are_not_there_are_refused_with_another_code(command):
    code, out, err = command("analyse", "--deployments", "nowhere.csv", "--incidents", written("i.csv", INCIDENTS))
    assert (code, out) == (3, "")
    assert err.startswith("counterfault: deployments: nowhere.csv ")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("verb", ["check", "analyse"])
def test_tables_that_break_the_contract_are_refused(command, verb):
    without = written("d.csv", DEPLOYMENTS.replace("assistance", "helper"))
    code, out, err = command(verb, "--deployments", without, "--incidents", written("i.csv", INCIDENTS))
    assert (code, out) == (3, "")
    assert err.startswith("counterfault: deployments: d.csv has no column 'assistance' ")


def test_a_study_that_works_says_nothing_on_standard_error(command):
    places = ("--deployments", written("d.csv", DEPLOYMENTS), "--incidents", written("i.csv", INCIDENTS))
    code, out, err = command("check", *places)
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "deployments: 1 read, 1 accepted, 0 quarantined",
        "incidents: 1 read, 1 accepted, 0 quarantined",
    ]


def test_results_are_written_whole_and_the_verdict_is_told(command):
    places = ("--deployments", written("d.csv", DEPLOYMENTS), "--incidents", written("i.csv", INCIDENTS))
    code, out, err = command("analyse", *places, "--json", "results.json")
    assert code == 0
    assert err.splitlines()[0] == "estimating, then trying to break the answer"
    assert out.startswith("The data cannot tell whether AI assistance is associated with more or with fewer failed ")
    assert out.splitlines()[-1] == "Results: results.json"
    assert '"call": "cannot_tell"' in Path("results.json").read_text(encoding="utf-8")


# --- whose tables, whose plan


def test_one_table_alone_is_never_filled_up_with_the_demo_organisations(command):
    table = written("d.csv", "deployment_id,deployed_at,service,assistance\nd1,2026-01-01T00:00:00Z,api,ai\n")
    assert command("analyse", "--deployments", table) == (
        3,
        "",
        "counterfault: incidents: no source given; name one with --incidents or under [sources] in the plan\n",
    )


def test_whoever_brings_tables_gets_the_default_plan():
    from counterfault.inputs import open_inputs
    from counterfault.plan import Plan

    opened = open_inputs(deployments="d.csv", incidents="i.csv")
    assert opened.plan.digest == Plan().digest
    assert opened.sources.model_dump(exclude_none=True) == {"deployments": "d.csv", "incidents": "i.csv"}


def test_a_folder_where_a_file_should_go_is_told_in_a_sentence(command):
    Path("there").mkdir()
    places = ("--deployments", written("d.csv", DEPLOYMENTS), "--incidents", written("i.csv", INCIDENTS))
    code, _, err = command("analyse", *places, "--json", "there")
    assert code == 2
    assert err.splitlines()[-1] == "counterfault: there is a directory, so no file of that name can be written"


# --- another choice on the command line


def tables(folder: Path) -> tuple[str, str]:
    (folder / "d.csv").write_text(DEPLOYMENTS)
    (folder / "i.csv").write_text(INCIDENTS)
    return "--deployments=d.csv", "--incidents=i.csv"


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        ("outcome.window_hours=0", "outcome.window_hours"),
        ("outcome.windows=3", "unknown key 'outcome.windows'; did you mean 'window_hours'?"),
        ("outcome.link=windw", "outcome.link"),
        ("outcome.window_hours", "is not how a plan writes a change"),
    ],
)
def test_a_choice_that_the_plan_refuses_is_refused_in_its_words(command, tmp_path, choice, told):
    code, out, err = command("analyse", *tables(tmp_path), "--with", choice)
    assert (code, out) == (2, "")
    assert told in err and "Traceback" not in err


def test_a_choice_is_followed_and_told_as_exploratory(command, tmp_path):
    code, out, _ = command(
        "analyse", *tables(tmp_path), "--with", "outcome.link=window", "--with", "outcome.window_hours = 0.5"
    )
    assert code == 0
    assert "Exploratory: outcome.link=window, outcome.window_hours = 0.5 was chosen on the command line" in out
