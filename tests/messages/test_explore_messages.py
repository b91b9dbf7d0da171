"""What looking around says when something is wrong: the plan's own sentence, and never a traceback."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from importlib import util
from pathlib import Path

import pytest

from counterfault.exploring import Explorer, contents, form, from_text, scope_of
from counterfault.exploring.choices import narrowed
from counterfault.exploring.explorer import explored
from counterfault.exploring.fields import fields_of
from counterfault.inputs import open_inputs
from counterfault.places import notebooks_folder
from counterfault.plan import Plan, PlanError

NOW = datetime(2026, 6, 30, tzinfo=UTC)
DEPLOYMENTS = """\
deployment_id,deployed_at,service,assistance
d1,2026-03-01T09:00:00Z,checkout,ai
d2,2026-03-02T09:00:00Z,checkout,human
d3,2026-03-20T09:00:00Z,search,human
"""
INCIDENTS = "incident_id,started_at,service\ni1,2026-03-01T10:00:00Z,checkout\n"


@pytest.fixture(scope="module")
def explorer(tmp_path_factory: pytest.TempPathFactory) -> Explorer:
    folder = tmp_path_factory.mktemp("drawn")
    (folder / "d.csv").write_text(DEPLOYMENTS)
    (folder / "i.csv").write_text(INCIDENTS)
    plan = folder / "plan.toml"
    plan.write_text('[sources]\ndeployments = "d.csv"\nincidents = "i.csv"\n[outcome]\nfollow_up_hours = 72\n')
    return explored(open_inputs(plan), lambda line: None, NOW)


def refusal(call, *arguments, **named) -> str:
    with pytest.raises(PlanError) as refused:
        call(*arguments, **named)
    return str(refused.value)


# --- choices the plan refuses ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"outcome.window_hours": 0}, "this choice: outcome.window_hours: input should be greater than 0 (given: 0)"),
        (
            {"outcome.window_hours": 100.0},
            "this choice: outcome: follow_up_hours 72 is shorter than window_hours 100, so late deployments would "
            "count as safe before their window ends; make follow_up_hours at least 100 or leave it out",
        ),
        (
            {"decision.worth_acting_on": 0.5},
            "this choice: decision.worth_acting_on: 0.5 must be above 1; it is the smallest ratio worth acting on, and "
            "its mirror image 1/0.5 is used for benefits",
        ),
        (
            {"design.confounders": ("size",)},
            "this choice: design: size cannot be confounder and mediator at once; a mediator is what AI changes on the "
            "way (size, review), a confounder is there before",
        ),
        (
            {"design.strata": ()},
            "design.strata is empty, so changes of all services and seasons would be compared as if they were alike; "
            'name at least one, e.g. strata = ["service", "quarter"]',
        ),
        (
            {"design.strata": ("team",)},
            "design: the plan groups by 'team', but the deployments have no column 'team'",
        ),
        (
            {"design.strata": ("month", "week")},
            "this choice: design.strata: name one calendar unit, not 2 (month, week) (given: ('month', 'week'))",
        ),
        ({"outcome.windows": 3}, "this choice: unknown key 'outcome.windows'; did you mean 'window_hours'?"),
        (
            {"mapping.deployments.keep": {"service": ("search",)}},
            "mapping: tables are read and checked once; change it in the plan file, and read again",
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_choice_is_refused_in_the_words_of_the_plan(explorer, changes, message):
    assert refusal(explorer.look, changes) == message


def test_what_the_tables_lack_is_told_beside_the_estimate(explorer):
    assert "Not assessed: adjustment for the confounder author_tenure_days, no column author_tenure_days." in (
        explorer.look().notes
    )


def test_changes_that_are_no_toml_are_shown(explorer):
    assert refusal(from_text, "window = = 3").startswith("'window = = 3' is not how a plan writes a change (")
    assert refusal(from_text, "window = = 3").endswith("); e.g. outcome.window_hours = 24")


def test_a_scope_is_refused_with_what_there_is(explorer):
    known = explorer.checked
    assert refusal(scope_of, "layer=x", known) == (
        "scope 'layer=x': name service, then = and its value, e.g. service=checkout"
    )
    assert refusal(scope_of, "service=chekout", known) == (
        "scope 'service=chekout': no deployment of these tables has the service 'chekout'; did you mean 'checkout'?"
    )


def test_a_scope_no_filter_can_say_is_refused():
    plan = Plan.checked({"mapping": {"deployments": {"fill": {"team": "core"}}}})
    assert refusal(narrowed, plan, ("team", "core")) == (
        "scope team=core: the plan makes team from other values, and its filters read those of the source; look at "
        "everything, write that, and add the filter under [mapping.deployments] by hand"
    )


def test_a_stratum_is_refused_with_the_way_out(explorer):
    seen = explorer.look()
    assert refusal(explorer.drill, seen, "checkout") == (
        "stratum 'checkout': name a value for each of service, quarter"
    )
    assert refusal(explorer.drill, seen, "checkout, 2019Q1") == (
        "stratum 'checkout × 2019Q1': no deployment compared is of it; the table of strata lists those there are"
    )


def test_keys_no_form_can_offer_are_named():
    assert refusal(fields_of, keys=("outcom.link",)) == "outcom.link: the plan has no section 'outcom'"
    assert refusal(fields_of, keys=("period.begin",)) == (
        "period.begin: the plan has no such key; this section has start, end, incidents_from"
    )


def test_a_folder_of_own_notebooks_that_is_not_there_is_named(tmp_path):
    assert refusal(contents, tmp_path / "mine") == (
        f"{tmp_path / 'mine'}: there is no such folder; name one that holds notebooks, or leave it empty"
    )


# --- writing a plan --------------------------------------------------------------------------------------------------


def test_a_plan_is_never_overwritten(explorer, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("title = 'mine'")
    assert refusal(explorer.write_plan, explorer.look(), path) == (
        f"{path} exists; a plan is never overwritten, so name another file"
    )
    assert path.read_text() == "title = 'mine'"


def test_a_plan_needs_a_name_and_a_folder(explorer, tmp_path):
    seen = explorer.look()
    assert (
        refusal(explorer.write_plan, seen, tmp_path / "x.txt")
        == f"{tmp_path / 'x.txt'}: name a file that ends in .toml"
    )
    path = tmp_path / "no" / "x.toml"
    assert refusal(explorer.write_plan, seen, path) == f"{path}: there is no folder {path.parent}"
    assert list(tmp_path.iterdir()) == []


def test_where_no_file_is_named_no_plan_is_written(explorer):
    assert str(explorer.write_plan(explorer.look(), "")) == "No file is named, so no plan is written."


def test_a_plan_with_an_audit_stays_beside_it(explorer, tmp_path):
    changes = {"challenges.label_error.audit": "audit.csv"}
    path = tmp_path / "x.toml"
    assert refusal(explorer.write_plan, explorer.look(changes), path) == (
        f"{path}: the plan names its audit 'audit.csv' as seen from {explorer.plan_path.parent}; save the new plan "
        f"there too"
    )


def test_what_a_plan_file_cannot_say_is_not_written(explorer, tmp_path):
    changes = {"challenges.negative_controls.split_by": None}
    path = tmp_path / "x.toml"
    assert refusal(explorer.write_plan, explorer.look(changes), path) == (
        f"{path}: not written; a plan file cannot say that a key is unset where its default is not"
    )
    assert not path.exists()


# --- without the extra -----------------------------------------------------------------------------------------------


def without(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    there = util.find_spec
    monkeypatch.setattr(util, "find_spec", lambda name, *rest: None if name == package else there(name, *rest))


def test_without_ipywidgets_the_form_is_a_sentence(explorer, monkeypatch):
    without("ipywidgets", monkeypatch)
    inputs = open_inputs(explorer.plan_path)
    assert str(form(explorer, inputs)) == (
        "The form needs ipywidgets, which is not installed: `pip install 'counterfault[lab]'` adds it. Everything "
        "below works without; a choice is then made in the parameters cell."
    )


# --- counterfault lab ------------------------------------------------------------------------------------------------


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The command lines that would have replaced this process."""
    commands: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda program, words: commands.append(words))
    return commands


FOLDER = f"--ServerApp.root_dir={notebooks_folder()}"
PAGE = "--LabApp.default_url=/lab/tree/00_index.ipynb"
LAB = [sys.executable, "-m", "jupyterlab"]


def test_the_lab_opens_on_the_index(command, started):
    assert command("lab") == (0, "", "")
    assert started == [[*LAB, FOLDER, PAGE]]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--no-browser", "--port", "8890"), [FOLDER, PAGE, "--no-browser", "--port", "8890"]),
        (("--", "--no-browser"), [FOLDER, PAGE, "--no-browser"]),
        (("--LabApp.default_url=/lab",), [FOLDER, "--LabApp.default_url=/lab"]),
        (("--notebook-dir", "mine"), ["--notebook-dir", "mine"]),
        (("mine.ipynb",), ["mine.ipynb"]),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, tuple) else "",
)
def test_options_are_passed_on(command, started, tmp_path, monkeypatch, options, expected):
    monkeypatch.chdir(tmp_path)
    Path("mine.ipynb").touch()
    assert command("lab", *options)[0] == 0
    assert started == [[*LAB, *expected]]


def test_without_jupyterlab_the_way_to_it_is_told(command, started, monkeypatch):
    without("jupyterlab", monkeypatch)
    assert command("lab") == (
        2,
        "",
        "counterfault: JupyterLab is not installed; `pip install 'counterfault[lab]'` adds it\n",
    )
    assert started == []


def test_where_notebooks_cannot_be_saved_the_way_out_is_told(command, started, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    code, _, told = command("lab")
    assert (code, len(started)) == (0, 1)
    assert told == (
        f"the notebooks in {notebooks_folder()} can be run and not saved; to keep changes, copy them and open the "
        f"copies:\n  cp -r {notebooks_folder()} notebooks && counterfault lab --notebook-dir notebooks\n"
    )
