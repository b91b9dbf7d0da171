"""The notebooks give the same numbers in JupyterLab, under papermill alone, and under `counterfault run`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import papermill
import pytest

from counterfault.inputs import Inputs
from counterfault.places import notebooks_folder
from counterfault.publish.excerpts import estimates_shown
from counterfault.record import validate
from counterfault.running.runner import RunResult, notebook_parameters

WITH_NUMBERS = ["20_adoption", "30_association", "60_challenges", "90_verdict"]


def ordinarily(*names: str) -> list[Any]:
    """All of them as cases; each without the others of its kind says as much, so the rest run with the slow tests.

    The last two find everything again that a run hands to them, the first two are quick. Either way of running
    notebooks gets one of both kinds here, and every notebook one way.
    """
    return [pytest.param(name, marks=() if name in names else pytest.mark.slow) for name in WITH_NUMBERS]


def by_id(shown: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {item["id"]: item for item in shown}


def shown_by_the_run(finished: RunResult, name: str) -> dict[str, dict[str, Any]]:
    (done,) = [done for done in finished.executed if done.name == name]
    return by_id(estimates_shown(nbformat.read(finished.folder / "notebooks" / done.path.name, as_version=4)))


def passing_lines(executed: Any) -> list[Any]:
    """Outputs that are neither a table, a picture nor a sentence: what a long step said while it went on."""
    outputs = [output for cell in executed.cells for output in cell.get("outputs", ())]
    return [output for output in outputs if not {"text/html", "text/markdown"} & set(output.get("data", ()))]


@pytest.mark.parametrize("name", ordinarily("20_adoption", "60_challenges"))
def test_papermill_alone_shows_what_the_run_shows(
    study: Inputs, finished: RunResult, tmp_path: Path, name: str
) -> None:
    into = tmp_path / f"{name}.ipynb"
    source = notebooks_folder() / f"{name}.ipynb"
    papermill.execute_notebook(source, into, notebook_parameters(study), progress_bar=False)
    executed = nbformat.read(into, as_version=4)
    shown = by_id(estimates_shown(executed))
    assert shown == shown_by_the_run(finished, name)
    assert shown
    assert passing_lines(executed) == []


@pytest.mark.parametrize("name", ordinarily("30_association", "90_verdict"))
def test_a_person_in_jupyterlab_sees_what_the_run_shows(study: Inputs, finished: RunResult, name: str) -> None:
    """Lab runs the cells of the notebook as it is, with parameters typed into theirs, in the notebooks folder."""
    notebook = nbformat.read(notebooks_folder() / f"{name}.ipynb", as_version=4)
    (parameters,) = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    parameters.source += f"\nplan = {str(study.plan_path)!r}"
    nbclient.NotebookClient(notebook, resources={"metadata": {"path": str(notebooks_folder())}}).execute()
    assert by_id(estimates_shown(notebook)) == shown_by_the_run(finished, name)


def test_the_results_file_says_what_the_notebooks_show(finished: RunResult) -> None:
    results = json.loads((finished.folder / "results.json").read_text())
    validate(results)
    written = by_id(results["estimates"])
    shown = shown_by_the_run(finished, "90_verdict")
    assert shown == {id: {key: written[id][key] for key in entry} for id, entry in shown.items()}
    assert {"primary", "crude.risk_ratio", "stratified.odds_ratio", "total.risk_ratio", "direct.risk_ratio"} <= set(
        shown
    )


def test_a_run_leaves_its_files(finished: RunResult) -> None:
    names = {str(path.relative_to(finished.folder)) for path in finished.folder.rglob("*") if path.is_file()}
    assert names == {
        "index.html",
        "results.json",
        "estimates.csv",
        "quarantine.parquet",
        "manifest.json",
        "summary.md",
        *(f"notebooks/{done.name}.{ending}" for done in finished.executed for ending in ("html", "ipynb")),
    }
    manifest = json.loads((finished.folder / "manifest.json").read_text())
    assert manifest["status"] == "complete"
    assert manifest["plan"]["digest"] == finished.analysis.plan.digest
