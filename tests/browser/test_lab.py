"""A real JupyterLab: each notebook is opened and run through by its own menus, and nothing goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import expect
from running_lab import Lab, running_lab

from counterfault.exploring import explore
from counterfault.figures.wording import plain
from counterfault.inputs import open_inputs
from counterfault.places import notebooks_folder
from counterfault.simulate import WORLDS, simulate, write

NOTEBOOKS = sorted(notebooks_folder().glob("*.ipynb"))


@pytest.fixture(scope="module")
def lab(browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab with copies of all our notebooks."""
    with running_lab(browser, tmp_path_factory.mktemp("lab"), NOTEBOOKS) as found:
        yield found


@pytest.fixture
def small_study(tmp_path: Path) -> Path:
    """The plan of a study of 300 deployments."""
    write(simulate(WORLDS["harm"].of_size(300), 5), tmp_path)
    plan = tmp_path / "plan.toml"
    plan.write_text('[sources]\ndeployments = "deployments.parquet"\nincidents = "incidents.csv"\n')
    return plan


def asked_about(notebook: Path, plan: Path, name: str) -> str:
    """Writes a notebook beside the original whose parameters name another plan; its name."""
    found = nbformat.read(notebook, as_version=4)
    parameters = next(cell for cell in found.cells if "parameters" in cell.metadata.get("tags", ()))
    parameters.source = parameters.source.replace('plan: str = ""', f"plan: str = {str(plan)!r}")
    nbformat.write(found, notebook.with_name(name))
    return name


def test_the_form_answers_a_choice_with_what_the_library_finds(lab, small_study):
    lab.open(asked_about(lab.folder / "00_explore.ipynb", small_study, "small.ipynb"))
    lab.run_all()
    assert lab.complaints() == []
    explorer = explore(open_inputs(small_study))
    at_first, then = explorer.look(), explorer.look({"outcome.link": "window"})
    assert at_first.finding != then.finding
    form = lab.page.locator(".jp-OutputArea:has(.counterfault-form)")
    expect(form.locator(".counterfault-found")).to_have_text(plain(at_first.finding))
    form.get_by_label("link", exact=True).select_option(label="window")
    expect(form.locator(".counterfault-found")).to_have_text(plain(then.finding), timeout=30_000)
    assert form.locator("figure svg").first.is_visible()
    assert lab.complaints() == []


def test_an_error_in_a_notebook_is_noticed(lab):
    cells = [nbformat.v4.new_code_cell("1 / 0"), nbformat.v4.new_code_cell("'never reached'")]
    python = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=python), lab.folder / "broken.ipynb")
    lab.open("broken.ipynb")
    lab.run_all()
    assert lab.complaints() == ["ZeroDivisionError: division by zero"]


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_notebook_runs_through_on_the_demo(lab, notebook):
    lab.open(notebook.name)
    lab.run_all()
    assert lab.complaints() == []
    lab.close()
