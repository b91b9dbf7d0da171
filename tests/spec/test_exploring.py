"""Looking around: each choice shows what a whole analysis of it would, at once, and says that it is no verdict."""

from __future__ import annotations

import tomllib
from datetime import UTC, date, datetime
from math import isnan
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

import counterfault as cf
from counterfault.estimate import Estimate
from counterfault.exploring import Explorer, contents, from_text, scope_of
from counterfault.exploring import explorer as explorer_module
from counterfault.exploring.choices import changed, may_be_held_fixed, narrowed, scopes
from counterfault.exploring.explorer import explored, offered_windows
from counterfault.exploring.fields import OFFERED, Kind, explained, fields_of
from counterfault.exploring.seen import SHOWN
from counterfault.exploring.toml_text import toml_text
from counterfault.inputs import Inputs, open_inputs
from counterfault.places import default_plan, notebooks_folder
from counterfault.plan import Plan, PlanError
from counterfault.simulate import WORLDS, simulate, write

NOW = datetime(2027, 1, 1, tzinfo=UTC)
TABLES = (
    '[sources]\ndeployments = "deployments.parquet"\nincidents = "incidents.csv"\ndependencies = "dependencies.csv"\n'
)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    folder = tmp_path_factory.mktemp("explored")
    write(simulate(WORLDS["harm"].of_size(600), 5), folder)
    plan = folder / "plan.toml"
    plan.write_text(f'title = "Looked at"\n{TABLES}[outcome]\nwindow_hours = 6\n', encoding="utf-8")
    return open_inputs(plan)


@pytest.fixture(scope="module")
def explorer(study: Inputs) -> Explorer:
    return explored(study, lambda line: None, NOW)


@pytest.fixture
def fresh(explorer: Explorer, monkeypatch: pytest.MonkeyPatch) -> Explorer:
    """The same counts in a session that has looked at nothing."""
    monkeypatch.setattr(explorer, "_looked_at", {})
    return explorer


def alike(one: Estimate, other: Estimate) -> bool:
    numbers = [(each.value, each.interval.low, each.interval.high) for each in (one, other)]
    pairs = zip(*numbers, strict=True)
    return all(a == pytest.approx(b, rel=1e-9) or (isnan(a) and isnan(b)) for a, b in pairs)


# --- what is shown is what an analysis finds -------------------------------------------------------------------------

CHOICES: dict[str, dict[str, Any]] = {
    "as planned": {},
    "a window nobody offered": {"outcome.window_hours": 10.5},
    "by record": {"outcome.link": "recorded", "outcome.window_hours": 72.0},
    "by time": {"outcome.link": "window", "outcome.window_hours": 48.0, "decision.level": 0.8},
    "along dependencies": {"outcome.link": "dependency"},
    "the last deployment": {"outcome.link": "last"},
    "months and a longer window": {"design.strata": ("service", "month"), "outcome.window_hours": 24.0},
    "teams and weeks": {"design.strata": ("team", "week"), "design.cluster": "team"},
    "a confounder that is a stratum": {"design.confounders": ("layer",), "design.strata": ("layer", "year")},
    "another confounder": {"design.confounders": ("approved_by_human", "at_peak")},
    "another primary": {"design.primary": "stratified.risk_ratio", "outcome.follow_up_hours": 72.0},
    "a period": {"period.start": date(2025, 3, 1), "period.end": date(2026, 3, 1)},
    "severe incidents": {"outcome.severity_at_most": 2},
}


@pytest.mark.parametrize("changes", CHOICES.values(), ids=lambda changes: " ".join(changes) or "as planned")
def test_a_choice_shows_what_a_whole_analysis_of_it_finds(explorer, changes):
    seen = explorer.look(changes)
    plan = changed(explorer.plan, changes)
    counted = cf.count(cf.link(explorer.checked, plan), plan)
    expected = cf.estimate_effects(counted, plan)
    assert seen.cells.two_by_two() == counted.cells.two_by_two()
    assert [id for id in (*SHOWN, "primary") if not alike(seen.estimates[id], expected[id])] == []


@pytest.mark.parametrize("column", ["service", "layer"])
def test_a_scope_shows_what_the_plan_written_from_it_finds(explorer, study, column):
    scope = column, scopes(explorer.checked)[column][0]
    seen = explorer.look({}, scope)
    plan = narrowed(explorer.plan, scope)
    checked = cf.check(study.read(), plan, now=NOW)
    counted = cf.count(cf.link(checked, plan), plan)
    expected = cf.estimate_effects(counted, plan)
    assert seen.cells.two_by_two() == counted.cells.two_by_two()
    assert [id for id in (*SHOWN, "primary") if not alike(seen.estimates[id], expected[id])] == []


def test_where_nothing_failed_every_ratio_says_so(explorer):
    seen = explorer.look({"period.start": date(2026, 6, 29)})
    assert {each.estimable for each in seen.estimates.values()} == {False}
    assert "a ratio needs failures" in seen.finding
    assert "not estimable" in seen.forest.alt


# --- at once ---------------------------------------------------------------------------------------------------------

ANEW = ("a window nobody offered", "a period", "severe incidents", "another primary")
CHEAP = [each for name, each in CHOICES.items() if name not in ANEW]


@pytest.mark.parametrize(
    "changes", [*CHEAP, *({"outcome.window_hours": hours} for hours in offered_windows(Plan()))], ids=str
)
def test_what_the_form_offers_is_answered_without_counting_again(fresh, monkeypatch, changes):
    monkeypatch.setattr(explorer_module, "finest_cells", None)
    assert fresh.counts_at_once(changes)
    fresh.look(changes)


def test_what_is_worth_acting_on_costs_neither_cells_nor_estimates(fresh, monkeypatch):
    seen = fresh.look()
    monkeypatch.setattr(explorer_module.Finest, "cells", None)
    assert fresh.look({"decision.level": 0.7}).primary.interval.level == 0.7
    monkeypatch.setattr(explorer_module, "estimates_of", None)
    assert fresh.look({"decision.worth_acting_on": 1.7}).primary == seen.primary


def test_whoever_must_wait_is_told_what_for(explorer):
    told: list[str] = []
    assert not explorer.counts_at_once({"outcome.window_hours": 9.0})
    explorer.look({"outcome.window_hours": 9.0}, say=told.append)
    explorer.look({"outcome.window_hours": 9.0, "decision.level": 0.9}, say=told.append)
    assert told == ["counting every link rule within 9 h"]


# --- no verdict ------------------------------------------------------------------------------------------------------


def test_each_distinct_choice_is_counted_once(fresh):
    for hours in (6.0, 24.0, 24.0, 6.0):
        fresh.look({"outcome.window_hours": hours})
    seen = fresh.look({"outcome.window_hours": 24.0}, ("layer", "platform"))
    assert fresh.others == 2
    told = seen.standing(fresh.others)
    assert told == (
        "Exploratory, no verdict: outcome.window_hours: 6.0 → 24.0; only layer platform (2 other choices looked at in "
        "this session)."
    )


def test_the_plan_as_it_is_shows_no_verdict_either(explorer):
    told = explorer.look().standing(0)
    assert told.startswith("As planned, from counts alone: no check has been made, so this is no verdict")


# --- the form's fields are the model's -------------------------------------------------------------------------------


class Section(BaseModel):
    choice: Literal["a", "b"] = "a"
    some: tuple[Literal["x", "y"], ...] = ()
    names: tuple[str, ...] = ()
    share: float = Field(default=0.5, ge=0, lt=1)
    number: float | None = Field(default=None, gt=0)
    whole: int = Field(default=1, ge=1, le=5)
    flag: bool = False
    day: date | None = None
    name: str = ""
    table: dict[str, str] = {}


class Model(BaseModel):
    section: Section = Section()


def field(name: str, **known: tuple[str, ...]) -> Any:
    (found,) = fields_of(Model, (f"section.{name}",), {f"section.{key}": names for key, names in known.items()})
    return found


def test_every_kind_of_value_is_read_off_the_model():
    kinds = {name: field(name, names=("n",)).kind for name in Section.model_fields if name != "table"}
    assert kinds == {
        "choice": Kind.ONE_OF,
        "some": Kind.SOME_OF,
        "names": Kind.SOME_OF,
        "share": Kind.NUMBER,
        "number": Kind.NUMBER,
        "whole": Kind.WHOLE,
        "flag": Kind.YES_NO,
        "day": Kind.DAY,
        "name": Kind.TEXT,
    }
    assert (field("choice").choices, field("some").choices) == (("a", "b"), ("x", "y"))
    assert (field("share").low, field("share").high, field("number").low, field("number").high) == (0, 1, 0, None)
    assert [field(name).optional for name in ("number", "day", "whole")] == [True, True, False]


def test_a_field_no_form_can_offer_is_refused():
    for name in ("table", "names"):
        with pytest.raises(PlanError, match=f"section.{name}: a form cannot offer values of this kind"):
            field(name)


def test_what_a_key_means_is_what_the_explained_plan_says_of_it():
    text = default_plan().read_text(encoding="utf-8")
    meanings = explained()
    assert all(meanings[key] for key in OFFERED)
    for key in ("outcome.window_hours", "decision.level", "decision.worth_acting_on"):
        (line,) = [line for line in text.splitlines() if line.startswith(f"{key.split('.')[1]} = ")]
        assert line.endswith(f"# {meanings[key]}")
    above = [line.removeprefix("#").strip() for line in text.splitlines()]
    assert all(line.strip() in above for line in meanings["outcome.link"].splitlines())


def test_confounders_on_offer_are_those_of_the_plan_and_yes_or_no_columns(explorer):
    offered = may_be_held_fixed(explorer.checked, explorer.plan)
    assert set(explorer.plan.design.confounders) <= set(offered)
    assert {"approved_by_human", "ai_reviewed"} <= set(offered)
    assert not {"author", "assistance", "ai_tool", "validated", "is_hotfix"} & set(offered)


# --- written as a plan -----------------------------------------------------------------------------------------------

PLAIN = st.one_of(
    st.text(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.dates(),
)
VALUES = st.recursive(PLAIN | st.lists(PLAIN, max_size=4), lambda inner: st.dictionaries(st.text(), inner, max_size=4))


@given(st.dictionaries(st.text(), VALUES, max_size=5))
def test_values_written_as_toml_are_read_back(values):
    assert tomllib.loads(toml_text(values)) == values


def test_a_value_that_no_plan_holds_is_refused():
    with pytest.raises(TypeError, match="of no kind that a plan holds"):
        toml_text({"key": None})


@pytest.mark.parametrize(
    "name", ["as planned", "a window nobody offered", "teams and weeks", "a period", "severe incidents"]
)
def test_a_written_plan_reads_back_as_what_was_explored(explorer, tmp_path, name):
    seen = explorer.look(CHOICES[name])
    written = explorer.write_plan(seen, tmp_path / "explored.toml")
    back = Plan.read(tmp_path / "explored.toml")
    assert back.digest == seen.plan.digest == written.plan.digest
    assert back.sources == explorer.plan.sources


def test_a_written_scope_reads_back_as_a_filter(explorer, tmp_path):
    written = explorer.write_plan(explorer.look({}, ("layer", "platform")), tmp_path / "platform.toml")
    assert written.plan.mapping.deployments.keep == {"layer": ("platform",)}
    assert written.plan.digest == narrowed(explorer.plan, ("layer", "platform")).digest


def test_a_scope_is_kept_by_the_name_its_source_gives_the_column():
    plan = Plan.checked({"mapping": {"deployments": {"rename": {"app": "service"}}}})
    assert narrowed(plan, ("service", "api")).mapping.deployments.keep == {"app": ("api",)}


def test_the_file_says_first_what_makes_it_exploratory(fresh, tmp_path):
    for hours in (6.0, 12.0, 24.0):
        seen = fresh.look({"outcome.window_hours": hours})
    fresh.write_plan(seen, tmp_path / "explored.toml")
    lines = (tmp_path / "explored.toml").read_text(encoding="utf-8").splitlines()
    head = " ".join(line.removeprefix("# ") for line in lines[: lines.index("")])
    assert head.startswith(
        "Exploratory: it was chosen after its data were seen. 2 other choices were looked at in this"
    )
    assert "freeze it (counterfault plan freeze) and try it on data from after 2026-" in head
    assert "outcome.window_hours: 6.0 → 24.0" in head
    assert all(len(line) <= 120 for line in lines[:4])


def test_a_password_is_not_written(explorer, tmp_path):
    sources = explorer.plan.sources.model_copy(update={"load": "postgres://me:hunter2@db/x#load"})
    seen = explorer.look()
    secret = SimpleNamespace(**{name: getattr(seen, name) for name in ("departures", "scope", "promised")})
    secret.plan = seen.plan.model_copy(update={"sources": sources})
    explorer.write_plan(secret, tmp_path / "explored.toml")
    text = (tmp_path / "explored.toml").read_text(encoding="utf-8")
    assert "hunter2" not in text
    assert "The address of load holds a password and is left out: name it when you run this." in text


# --- from a stratum to its rows --------------------------------------------------------------------------------------

DEPLOYMENTS = """\
deployment_id,deployed_at,service,assistance,author
d1,2026-03-01T09:00:00Z,checkout,ai,ann
d2,2026-03-02T09:00:00Z,checkout,human,bob
d3,2026-03-02T09:30:00Z,search,human,bob
d4,2026-03-30T09:00:00Z,checkout,ai,ann
"""
INCIDENTS = """\
incident_id,started_at,service,severity
i1,2026-03-02T10:00:00Z,checkout,2
i2,2026-03-02T10:30:00Z,checkout,4
i3,2026-03-02T10:30:00Z,search,1
"""


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Explorer:
    tmp_path = tmp_path_factory.mktemp("drawn")
    (tmp_path / "d.csv").write_text(DEPLOYMENTS)
    (tmp_path / "i.csv").write_text(INCIDENTS)
    plan = tmp_path / "plan.toml"
    plan.write_text('[sources]\ndeployments = "d.csv"\nincidents = "i.csv"\n[outcome]\nwindow_hours = 6\n')
    return explored(open_inputs(plan), lambda line: None, NOW)


def test_the_rows_of_a_stratum_are_its_deployments_and_the_incidents_tied_to_them(drawn):
    found = drawn.drill(drawn.look(), "checkout, 2026Q1")
    assert found.deployments.to_dict("records") == [
        {"deployment": "d2", "deployed": "2026-03-02 09:00", "label": "other", "incidents": 2},
        {"deployment": "d1", "deployed": "2026-03-01 09:00", "label": "AI-assisted", "incidents": 0},
    ]
    assert list(found.incidents.itertuples(index=False, name=None)) == [
        ("i1", "2026-03-02 10:00", 2, "checkout", "d2", "window", 1.0),
        ("i2", "2026-03-02 10:30", 4, "checkout", "d2", "window", 1.5),
    ]


def test_a_longer_window_ties_more_incidents(drawn):
    found = drawn.drill(drawn.look({"outcome.window_hours": 25.0}), ("checkout", "2026Q1"))
    ties = set(found.incidents[["incident", "deployment"]].itertuples(index=False, name=None))
    assert ties == {("i1", "d2"), ("i2", "d2"), ("i1", "d1")}


def test_where_no_stratum_is_named_the_one_with_most_failures_is_shown(explorer):
    seen = explorer.look()
    first = seen.strata.iloc[0]
    found = explorer.drill(seen)
    assert (len(found.deployments), int((found.deployments["incidents"] > 0).sum())) == (
        first["deployments"],
        first["failed"],
    )
    assert first["failed"] == seen.strata["failed"].max()


def test_no_author_is_ever_shown(drawn):
    seen = drawn.look()
    shown = drawn.drill(seen, "checkout, 2026Q1")._repr_html_() + seen._repr_html_() + seen.strata_table()._repr_html_()
    assert "ann" not in shown
    assert "bob" not in shown


def test_the_strata_add_up_to_the_comparison(explorer):
    seen = explorer.look({"design.strata": ("team", "year")})
    table = seen.cells.two_by_two()
    assert seen.strata["deployments"].sum() == table.exposed_total + table.unexposed_total
    assert seen.strata["failed"].sum() == table.exposed_events + table.unexposed_events


# --- the index -------------------------------------------------------------------------------------------------------


def notebook(path: Path, heading: str, more: str = "") -> Path:
    cell = {"cell_type": "markdown", "metadata": {}, "source": [f"# {heading}\n", more]}
    path.write_text(pd.io.json.ujson_dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    return path


def test_every_notebook_of_the_suite_is_listed_with_its_question_and_a_link():
    found = contents(shown_from=notebooks_folder())
    names = {path.stem for path in notebooks_folder().glob("*.ipynb")} - {"00_index"}
    assert {entry.path.stem for entry in found.entries} == names
    html = found._repr_html_()
    assert all(f'<a href="{name}.ipynb">{name}</a>' in html for name in names)
    assert all(entry.time for entry in found.entries)
    assert any(entry.question == "Do AI-assisted changes fail more often?" for entry in found.entries)


def test_own_notebooks_are_listed_and_linked_where_the_lab_can_follow(tmp_path):
    (tmp_path / "mine").mkdir()
    notebook(tmp_path / "mine" / "a b.ipynb", "Does it rain?", "Reading time: two minutes.")
    (near,) = [entry for entry in contents(tmp_path / "mine", shown_from=tmp_path).entries if entry.own]
    assert (near.question, near.time) == ("Does it rain?", "two minutes")
    assert (
        '<a href="mine/a%20b.ipynb">a b (your own)</a>'
        in contents(tmp_path / "mine", shown_from=tmp_path)._repr_html_()
    )
    far = contents(tmp_path / "mine", shown_from=notebooks_folder())._repr_html_()
    assert "a%20b" not in far
    assert f"a b (your own), in {tmp_path / 'mine'}" in far


def test_a_hostile_heading_stays_text(tmp_path):
    notebook(tmp_path / "x.ipynb", "<script>alert(1)</script> & so?")
    html = contents(tmp_path, shown_from=tmp_path)._repr_html_()
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; so?" in html


def test_a_file_that_is_no_notebook_is_named(tmp_path):
    (tmp_path / "broken.ipynb").write_text("{")
    assert "broken.ipynb is no notebook that can be read" in contents(tmp_path)._repr_html_()


def test_copies_of_the_suite_are_what_is_opened_where_they_are(tmp_path):
    notebook(tmp_path / "00_index.ipynb", "Which?")
    notebook(tmp_path / "30_association.ipynb", "More often?")
    assert [entry.path for entry in contents(shown_from=tmp_path).entries] == [tmp_path / "30_association.ipynb"]


# --- choices as text -------------------------------------------------------------------------------------------------


def test_changes_are_written_as_a_plan_writes_them():
    text = 'outcome.window_hours = 24\ndesign.strata = ["team", "month"]\n[mapping.deployments.keep]\nteam = ["a"]'
    assert from_text(text) == {
        "outcome.window_hours": 24,
        "design.strata": ["team", "month"],
        "mapping.deployments.keep.team": ["a"],
    }
    assert from_text("") == {}


def test_a_scope_is_written_as_column_and_value(explorer):
    assert scope_of("layer = platform", explorer.checked) == ("layer", "platform")
    assert scope_of("", explorer.checked) is scope_of("everything", explorer.checked) is None
