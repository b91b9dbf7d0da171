"""A user's notebooks beside ours: they are run and linked, and one that may not become a page fails the run."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import nbformat
import pytest

from counterfault.analysis import Analysis, conclude
from counterfault.checking import check
from counterfault.inputs import Inputs, open_inputs
from counterfault.running import choosing, own_notebooks, runner
from counterfault.running.writing import RunResult
from counterfault.simulate import WORLDS, simulate, write

PARAMETERS = 'plan: str = ""\ndeployments: str = ""\nincidents: str = ""\ndependencies: str = ""\nload: str = ""'
FIGURE = (
    "import pandas as pd\nfrom counterfault.figures import adoption\n"
    "adoption(pd.DataFrame({'period': ['a', 'b'], 'ai': [10, 20], 'human': [90, 80], 'unknown': [0, 0]}))"
)
WORDLESS = (
    "from IPython.display import display\ndisplay({'image/png': 'iVBORw0KGgo=', 'text/plain': 'a plot'}, raw=True)"
)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    folder = tmp_path_factory.mktemp("small")
    write(simulate(WORLDS["harm"].of_size(300), 3), folder)
    plan = folder / "ours.toml"
    plan.write_text('[sources]\ndeployments = "deployments.parquet"\nincidents = "incidents.csv"\n')
    return open_inputs(plan)


@pytest.fixture(scope="module")
def analysis(small: Inputs) -> Analysis:
    return conclude(check(small.read(), small.plan, now=datetime.now(UTC)), small.plan, further=False)


def notebook(path: Path, *sources: str, tags: tuple[str, ...] = ()) -> None:
    parameters = nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
    cells = [nbformat.v4.new_code_cell(source, metadata={"tags": list(tags)}) for source in sources]
    title = nbformat.v4.new_markdown_cell(f"# Is {path.stem} fit?")
    path.parent.mkdir(exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=[title, parameters, *cells]), path)


@pytest.fixture
def run(small: Inputs, analysis: Analysis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs one notebook of the suite and those in the folder ``own`` on a study analysed before."""
    for module in (choosing, own_notebooks):
        monkeypatch.setattr(module, "notebooks_folder", lambda: tmp_path / "suite")
    monkeypatch.setattr(runner, "conclude", lambda checked, plan, **_: analysis)
    notebook(tmp_path / "suite" / "10_ours.ipynb", "1 + 1")

    def go() -> RunResult:
        return runner.run(small, tmp_path / "out", own=tmp_path / "own", jobs=1, say=lambda line: None)

    return go


def test_own_notebooks_are_run_after_ours_linked_and_heard_on_the_front_page(run, tmp_path: Path) -> None:
    notebook(tmp_path / "own" / "staging.ipynb", FIGURE, tags=("report",))
    notebook(tmp_path / "own" / "by_hand.ipynb", "raise RuntimeError('only a person may run this')", tags=("explore",))
    done = run()
    assert done.complete
    assert [each.name for each in done.executed] == ["10_ours", "by_hand", "staging"]
    page = done.page.read_text()
    assert "Is staging fit?" in page and "AI-assisted changes over time" in page
    for name in ("10_ours", "staging", "by_hand"):
        assert f'<a href="notebooks/{name}.html">' in page
        assert (done.folder / "notebooks" / f"{name}.html").exists()
    assert "only a person" not in (done.folder / "notebooks" / "by_hand.html").read_text()
    manifest = json.loads((done.folder / "manifest.json").read_text())
    assert manifest["study"] == "ours"
    began = datetime.fromisoformat(manifest["began"])
    assert manifest["run"] == f"{began:%Y%m%dT%H%M%SZ}-{manifest['plan']['digest'][:8]}"


def test_a_picture_nobody_described_fails_the_run_and_what_finished_is_kept_beside_the_last_good_report(
    run, tmp_path: Path
) -> None:
    notebook(tmp_path / "own" / "staging.ipynb", FIGURE)
    good = run().page.read_bytes()
    notebook(tmp_path / "own" / "staging.ipynb", "x = 1", WORDLESS)
    done = run()
    assert not done.complete
    assert (tmp_path / "out" / "index.html").read_bytes() == good
    page = done.page.read_text()
    assert done.page == tmp_path / "out.failed" / "index.html"
    assert "shows a picture without alternative text" in page and "display({" in page
    assert "their pages are kept" in page and (done.folder / "notebooks" / "10_ours.html").exists()
    assert not (done.folder / "notebooks" / "staging.html").exists()
    manifest = json.loads((done.folder / "manifest.json").read_text())
    assert manifest["status"] == "partial"
    assert [each["status"] for each in manifest["notebooks"]] == ["finished", "failed"]


def test_notebooks_that_cannot_run_beside_ours_are_all_told_before_anything_is_read(run, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "a.ipynb").write_text("not json")
    notebook(tmp_path / "own" / "10_ours.ipynb", "1")
    with pytest.raises(ValueError) as refused:
        run()
    told = str(refused.value).splitlines()
    assert len(told) == 2 and "10_ours" in told[0] and "a.ipynb: is not a notebook" in told[1]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("make", [lambda folder: None, lambda folder: folder.mkdir()], ids=["missing", "empty"])
def test_a_folder_without_notebooks_is_refused(run, tmp_path: Path, make) -> None:
    make(tmp_path / "own")
    with pytest.raises(ValueError, match=r"--notebooks .*own: there is no (such folder|notebook)"):
        run()
