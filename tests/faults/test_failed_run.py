"""What a cron job leaves behind when something goes wrong: an honest page, and the last good report untouched."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import nbformat
import pytest

from counterfault import cli
from counterfault.analysis import Analysis
from counterfault.inputs import Inputs
from counterfault.running import choosing, runner
from counterfault.running.execute import UnknownParameterError, run_notebook
from counterfault.running.writing import NotebookDisagreesError, published_call

PARAMETERS = 'plan: str = ""\ndeployments: str = ""\nincidents: str = ""\ndependencies: str = ""\nload: str = ""'
MakeNotebooks = Callable[..., Path]


@pytest.fixture
def analysed_before(small_analysis: Analysis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs read and check the tables, and find what was found in them before; these tests are about the notebooks."""
    monkeypatch.setattr(runner, "conclude", lambda checked, plan, **_: small_analysis)


def notebooks_in(folder: Path, **sources: str) -> Path:
    """A notebooks folder of our own: name → source of its one cell after the parameters."""
    folder.mkdir(exist_ok=True)
    for name, source in sources.items():
        parameters = nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_markdown_cell(f"# {name}"), parameters, nbformat.v4.new_code_cell(source)],
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        )
        nbformat.write(notebook, folder / f"{name}.ipynb")
    return folder


@pytest.fixture
def notebooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeNotebooks:
    """Writes notebooks into the folder that runs take them from."""
    folder = tmp_path / "notebooks"
    monkeypatch.setattr(choosing, "notebooks_folder", lambda: folder)
    return partial(notebooks_in, folder)


@pytest.fixture(scope="module")
def good_run(small_inputs: Inputs, small_analysis: Analysis, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a run in which all went well, to be copied."""
    folder = notebooks_in(tmp_path_factory.mktemp("good") / "notebooks", **{"10_fine": "1 + 1"})
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(choosing, "notebooks_folder", lambda: folder)
        patched.setattr(runner, "conclude", lambda checked, plan, **_: small_analysis)
        good = runner.run(small_inputs, folder.parent / "report", jobs=1, say=lambda line: None)
    assert good.complete
    return good.folder


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.usefixtures("analysed_before")
def test_a_failing_notebook_leaves_an_error_page_and_the_last_good_report(
    small_inputs: Inputs, notebooks: MakeNotebooks, good_run: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(good_run, tmp_path / "report")
    before = tree(out)
    notebooks(**{"10_fine": "1 + 1", "30_broken": "raise RuntimeError('the warehouse <b>is</b> on fire')"})
    bad = runner.run(small_inputs, out, jobs=2, say=lambda line: None)

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
    small_inputs: Inputs,
    notebooks: MakeNotebooks,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The whole way from the command line, with an analysis of its own."""
    notebooks(**{"30_broken": "1 / 0"})
    out = tmp_path / "report"
    monkeypatch.setattr("sys.argv", ["counterfault", "run", str(small_inputs.plan_path), "--out", str(out)])
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


@pytest.mark.usefixtures("analysed_before")
def test_a_notebook_that_shows_another_number_stops_the_run(
    small_inputs: Inputs, notebooks: MakeNotebooks, tmp_path: Path
) -> None:
    notebooks(
        **{
            "30_liar": "from IPython.display import display\n"
            "display({'application/vnd.counterfault.estimates+json': "
            "[{'id': 'primary', 'value': 1.0, 'low': 0.9, 'high': 1.1}]}, raw=True)"
        }
    )
    with pytest.raises(NotebookDisagreesError, match=r"30_liar shows primary = 1\.0, the analysis found"):
        runner.run(small_inputs, tmp_path / "report", jobs=1, say=lambda line: None)
    assert not (tmp_path / "report").exists()


def test_a_folder_of_other_files_is_never_replaced(small_inputs: Inputs, tmp_path: Path) -> None:
    out = tmp_path / "precious"
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    with pytest.raises(FileExistsError) as refused:
        runner.run(small_inputs, out, say=lambda line: None)
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


@pytest.mark.usefixtures("analysed_before")
def test_a_verdict_that_differs_from_the_last_published_one_ends_with_five_if_asked(
    small_inputs: Inputs,
    notebooks: MakeNotebooks,
    good_run: Path,
    small_analysis: Analysis,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    notebooks(**{"10_fine": "1 + 1"})
    out = shutil.copytree(good_run, tmp_path / "report")
    call = small_analysis.verdict.call.code
    results = out / "results.json"
    results.write_text(results.read_text().replace(f'"call": "{call}"', '"call": "fewer"'))
    monkeypatch.setattr(
        "sys.argv", ["counterfault", "run", str(small_inputs.plan_path), f"--out={out}", "--alert-on-change"]
    )
    with pytest.raises(SystemExit) as leaving:
        cli.main()
    assert leaving.value.code == 5
    assert capsys.readouterr().err.endswith(f"the verdict changed: it was fewer, it is {call}\n")
    assert published_call(out) == call
