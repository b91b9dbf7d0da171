"""What a cron job leaves behind when something goes wrong: an honest page, and the last good report untouched."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

from counterfault import cli
from counterfault.inputs import Inputs, open_inputs
from counterfault.running import runner
from counterfault.running.execute import UnknownParameterError, run_notebook
from counterfault.simulate import WORLDS, simulate, write

PARAMETERS = 'plan: str = ""\ndeployments: str = ""\nincidents: str = ""\ndependencies: str = ""\nload: str = ""'
MakeNotebooks = Callable[..., Path]


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    folder = tmp_path_factory.mktemp("small")
    write(simulate(WORLDS["harm"].of_size(1500), 3), folder)
    plan = folder / "plan.toml"
    plan.write_text('[sources]\ndeployments = "deployments.parquet"\nincidents = "incidents.csv"\n')
    return open_inputs(plan)


@pytest.fixture
def notebooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeNotebooks:
    """A notebooks folder of our own: name → source of its one cell after the parameters."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    monkeypatch.setattr(runner, "notebooks_folder", lambda: folder)

    def make(**sources: str) -> Path:
        for name, source in sources.items():
            parameters = nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
            notebook = nbformat.v4.new_notebook(
                cells=[nbformat.v4.new_markdown_cell(f"# {name}"), parameters, nbformat.v4.new_code_cell(source)],
                metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
            )
            nbformat.write(notebook, folder / f"{name}.ipynb")
        return folder

    return make


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_failing_notebook_leaves_an_error_page_and_the_last_good_report(
    small: Inputs, notebooks: MakeNotebooks, tmp_path: Path
) -> None:
    out, said = tmp_path / "report", []
    notebooks(**{"10_fine": "1 + 1"})
    good = runner.run(small, out, jobs=1, say=said.append)
    before = tree(out)
    assert good.complete

    notebooks(**{"30_broken": "raise RuntimeError('the warehouse <b>is</b> on fire')"})
    bad = runner.run(small, out, jobs=2, say=said.append)

    assert not bad.complete
    assert tree(out) == before
    assert bad.folder == tmp_path / "report.failed"
    page = bad.page.read_text()
    assert "30_broken" in page
    assert "RuntimeError: the warehouse &lt;b&gt;is&lt;/b&gt; on fire" in page
    assert "raise RuntimeError" in page
    manifest = json.loads((bad.folder / "manifest.json").read_text())
    assert manifest["status"] == "partial"
    assert [(done["name"], done["status"]) for done in manifest["notebooks"]] == [
        ("10_fine", "finished"),
        ("30_broken", "failed"),
    ]
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".running")]


def test_the_command_says_so_and_ends_with_four(
    small: Inputs,
    notebooks: MakeNotebooks,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    notebooks(**{"30_broken": "1 / 0"})
    out = tmp_path / "report"
    monkeypatch.setattr("sys.argv", ["counterfault", "run", str(small.plan_path), "--out", str(out)])
    with pytest.raises(SystemExit) as leaving:
        cli.main()
    assert leaving.value.code == 4
    told = capsys.readouterr().err
    assert "30_broken FAILED (ZeroDivisionError: division by zero)" in told
    assert told.endswith(
        f"counterfault: a notebook failed; what finished is kept, and the error is told in "
        f"{tmp_path / 'report.failed' / 'index.html'}\n"
    )
    assert not out.exists()


def test_a_killed_kernel_is_a_failure_and_reads_like_one(notebooks: MakeNotebooks, tmp_path: Path) -> None:
    """papermill 2.7 alone would call this cell completed."""
    source = notebooks(**{"50_killed": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"}) / "50_killed.ipynb"
    done = run_notebook(source, tmp_path / "out.ipynb", {}, {})
    assert done.error == "DeadKernelError: Kernel died"
    assert done.failed_cell.startswith("import os, signal")
    kept = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    assert kept.metadata.papermill.exception is True
    assert kept.cells[-1].metadata.papermill.status == "failed"


def test_a_misspelt_parameter_is_refused(notebooks: MakeNotebooks, tmp_path: Path) -> None:
    source = notebooks(**{"10_fine": "1 + 1"}) / "10_fine.ipynb"
    with pytest.raises(UnknownParameterError) as refused:
        run_notebook(source, tmp_path / "out.ipynb", {"deployment": "x"}, {})
    assert str(refused.value) == (
        "10_fine.ipynb has no parameter 'deployment'; its parameters cell declares "
        "dependencies, deployments, incidents, load, plan"
    )


def test_a_notebook_that_shows_another_number_stops_the_run(
    small: Inputs, notebooks: MakeNotebooks, tmp_path: Path
) -> None:
    notebooks(
        **{
            "30_liar": "from IPython.display import display\n"
            "display({'application/vnd.counterfault.estimates+json': "
            "[{'id': 'primary', 'value': 1.0, 'low': 0.9, 'high': 1.1}]}, raw=True)"
        }
    )
    with pytest.raises(runner.NotebookDisagreesError, match=r"30_liar shows primary = 1\.0, the analysis found"):
        runner.run(small, tmp_path / "report", jobs=1, say=lambda line: None)
    assert not (tmp_path / "report").exists()


def test_a_folder_of_other_files_is_never_replaced(small: Inputs, tmp_path: Path) -> None:
    out = tmp_path / "precious"
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    with pytest.raises(FileExistsError) as refused:
        runner.run(small, out, say=lambda line: None)
    assert str(refused.value) == (
        f"{out} holds files that no run has written (there is no manifest.json); name a new or empty folder"
    )
    assert (out / "thesis.txt").read_text() == "years of work"


def test_refused_data_write_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "report"
    (tmp_path / "d.csv").write_text("deployment_id,service\n1,a\n")
    (tmp_path / "i.csv").write_text("incident_id,started_at,service\n")
    monkeypatch.setattr(
        "sys.argv",
        ["counterfault", "run", f"--deployments={tmp_path}/d.csv", f"--incidents={tmp_path}/i.csv", f"--out={out}"],
    )
    with pytest.raises(SystemExit) as leaving:
        cli.main()
    assert leaving.value.code == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d.csv", "i.csv"]


def test_a_verdict_that_differs_from_the_last_published_one_ends_with_five_if_asked(
    small: Inputs,
    notebooks: MakeNotebooks,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    notebooks(**{"10_fine": "1 + 1"})
    out = tmp_path / "report"
    call = runner.run(small, out, jobs=1, say=lambda line: None).analysis.verdict.call.code
    results = out / "results.json"
    results.write_text(results.read_text().replace(f'"call": "{call}"', '"call": "fewer"'))
    monkeypatch.setattr("sys.argv", ["counterfault", "run", str(small.plan_path), f"--out={out}", "--alert-on-change"])
    with pytest.raises(SystemExit) as leaving:
        cli.main()
    assert leaving.value.code == 5
    assert capsys.readouterr().err.endswith(f"the verdict changed: it was fewer, it is {call}\n")
    assert runner.published_call(out) == call
