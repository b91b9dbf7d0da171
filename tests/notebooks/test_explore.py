"""The notebook to look around in: its form answers, a scheduled run leaves the form out, and both show the same."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat
import papermill
import pytest

from counterfault.exploring import Explorer
from counterfault.exploring.explorer import explored
from counterfault.exploring.fields import Field, Kind
from counterfault.exploring.form import Form
from counterfault.exploring.widgets import value_of, widget_for
from counterfault.inputs import Inputs, open_inputs
from counterfault.places import notebooks_folder
from counterfault.plan import Plan
from counterfault.simulate import WORLDS, simulate, write

NOW = datetime(2027, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    folder = tmp_path_factory.mktemp("looked")
    write(simulate(WORLDS["harm"].of_size(600), 5), folder)
    plan = folder / "plan.toml"
    plan.write_text(
        '[sources]\ndeployments = "deployments.parquet"\nincidents = "incidents.csv"\n'
        "[outcome]\nwindow_hours = 6\nfollow_up_hours = 72\n"
    )
    return open_inputs(plan)


@pytest.fixture(scope="module")
def explorer(small: Inputs) -> Explorer:
    return explored(small, lambda line: None, NOW)


@pytest.fixture
def form(small: Inputs, explorer: Explorer) -> Form:
    return Form(explorer, small)


# --- the form --------------------------------------------------------------------------------------------------------


def test_a_moved_widget_changes_what_is_shown(form: Form) -> None:
    before = form.found.value, form.pictures.value
    form.fields["outcome.window_hours"].value = 24.0
    assert form.seen.plan.outcome.window_hours == 24.0
    assert "outcome.window_hours: 6.0 → 24.0" in form.found.value
    assert before[0] != form.found.value
    assert before[1] != form.pictures.value
    assert "<svg" in form.pictures.value


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("outcome.link", "window"),
        ("design.primary", "stratified.risk_ratio"),
        ("design.strata", ("team", "month")),
        ("design.confounders", ("at_peak",)),
        ("decision.level", 0.8),
        ("decision.worth_acting_on", 1.5),
    ],
)
def test_every_widget_moves_its_key_of_the_plan(form: Form, key: str, value: Any) -> None:
    form.fields[key].value = value
    section, name = key.split(".")
    assert getattr(getattr(form.seen.plan, section), name) == value
    assert form.fault.value == ""


def test_the_scope_narrows_the_view(form: Form) -> None:
    form.fields["scope"].value = "layer=platform"
    assert form.seen.scope == ("layer", "platform")
    assert "only layer platform" in form.found.value


def test_a_value_the_plan_refuses_is_told_beside_the_form_and_the_last_good_one_stays(form: Form) -> None:
    good = form.found.value
    form.fields["outcome.window_hours"].value = 100.0
    assert "follow_up_hours 72 is shorter than window_hours 100" in form.fault.value
    assert 'role="alert"' in form.fault.value
    assert "Shown below is still the last choice that could be made." in form.fault.value
    assert form.found.value == good
    form.fields["outcome.window_hours"].value = 12.0
    assert form.fault.value == ""


def test_the_meaning_of_a_choice_follows_the_choice(form: Form) -> None:
    form.fields["outcome.link"].value = "last"
    assert "the newest deployment however old" in form.meanings["outcome.link"].value


def test_a_stratum_opens_its_rows(form: Form) -> None:
    form.drill.stratum.value = 0
    assert "links of incidents to deployments of" in form.drill.rows.value
    form.fields["design.strata"].value = ("layer", "year")
    assert form.drill.rows.value == ""  # rows of a stratum that is no more would be a lie


def test_the_button_writes_what_is_shown(form: Form, tmp_path: Path) -> None:
    form.fields["outcome.window_hours"].value = 24.0
    form.fields["outcome.window_hours"].value = 100.0  # refused, so it is not what is shown
    form.saving.path.value = str(tmp_path / "explored.toml")
    form.saving.button.click()
    assert "Exploratory: it was chosen after its data were seen." in form.saving.told.value
    assert Plan.read(tmp_path / "explored.toml").outcome.window_hours == 24.0
    form.saving.button.click()
    assert "a plan is never overwritten" in form.saving.told.value


def test_other_tables_are_read_and_those_that_cannot_be_leave_what_was_there(form: Form, tmp_path: Path) -> None:
    before = form.explorer
    form.places.texts["plan"].value = str(tmp_path / "nowhere.toml")
    form.places.button.click()
    assert "cannot read the plan" in form.fault.value
    assert form.explorer is before
    write(simulate(WORLDS["harm"].of_size(300), 6), tmp_path)
    form.places.texts["plan"].value = str(form.inputs.plan_path)
    form.places.texts["deployments"].value = str(tmp_path / "deployments.parquet")
    form.places.texts["incidents"].value = str(tmp_path / "incidents.csv")
    form.places.button.click()
    assert form.fault.value == ""
    assert form.explorer is not before
    assert form.explorer.plan.sources.deployments == str(tmp_path / "deployments.parquet")


KINDS = {
    Kind.YES_NO: ("Checkbox", True),
    Kind.DAY: ("DatePicker", None),
    Kind.WHOLE: ("BoundedIntText", 3),
    Kind.TEXT: ("Text", "x"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_value_has_its_widget(kind: Kind) -> None:
    name, value = KINDS[kind]
    field = Field("section.key", kind, "key", low=1.0, high=5.0)
    widget = widget_for(field, value)
    assert type(widget).__name__ == name
    assert value_of(field, widget) == value


def test_limits_of_the_model_are_limits_of_the_widget() -> None:
    slider = widget_for(Field("s.k", Kind.NUMBER, "k", low=0.5, high=1.0), 0.95)
    typed = widget_for(Field("s.k", Kind.NUMBER, "k", low=0.0, high=8760.0), 6.0)
    assert [(type(each).__name__, each.min, each.max) for each in (slider, typed)] == [
        ("FloatSlider", 0.5, 1.0),
        ("BoundedFloatText", 0.0, 8760.0),
    ]


# --- the notebook without anybody watching ---------------------------------------------------------------------------


def run(small: Inputs, into: Path, engine: str | None, **parameters: str) -> Any:
    papermill.execute_notebook(
        notebooks_folder() / "00_explore.ipynb",
        into,
        {"plan": str(small.plan_path), **parameters},
        engine_name=engine,
        progress_bar=False,
    )
    return nbformat.read(into, as_version=4)


def shown(notebook: Any, source: str) -> dict[str, Any]:
    """What a cell that begins so has shown."""
    (cell,) = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.startswith(source)]
    return {kind: value for output in cell.outputs for kind, value in output.data.items()}


def test_a_scheduled_run_leaves_the_form_out_and_shows_the_figures(small: Inputs, tmp_path: Path) -> None:
    done = run(small, tmp_path / "done.ipynb", "counterfault", otherwise="outcome.window_hours = 24")
    assert shown(done, "exploring.form(") == {}
    assert "<svg" in shown(done, "seen.strip")["text/html"]
    assert "<svg" in shown(done, "seen.forest")["text/html"]
    assert "24.0" in shown(done, "seen = explorer.look(")["text/markdown"]
    assert "links of incidents" in shown(done, "explorer.drill(")["text/html"]


def test_papermill_alone_runs_the_form_too(small: Inputs, tmp_path: Path) -> None:
    into = tmp_path / "written.toml"
    done = run(small, tmp_path / "done.ipynb", None, scope="layer=platform", save_as=str(into))
    assert "application/vnd.jupyter.widget-view+json" in shown(done, "exploring.form(")
    assert "<svg" in shown(done, "seen.strip")["text/html"]
    assert Plan.read(into).mapping.deployments.keep == {"layer": ("platform",)}
