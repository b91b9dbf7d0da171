"""What a notebook of a user's own is told when it cannot be run with the suite: the whole sentence each time."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from counterfault.places import notebooks_folder
from counterfault.running.own_notebooks import PARAMETERS, notebook_faults

ALL = "\n".join(f'{name}: str = ""' for name in PARAMETERS)


def parameters(source: str = ALL) -> Any:
    return new_code_cell(source, metadata={"tags": ["parameters"]})


def saved(folder: Path, *cells: Any, name: str = "night_shift", **metadata: Any) -> Path:
    path = folder / f"{name}.ipynb"
    nbformat.write(new_notebook(cells=list(cells), metadata=metadata), path)
    return path


def title(words: str = "# Do changes at night fail more often?") -> Any:
    return new_markdown_cell(words)


def test_the_template_under_another_name_has_no_fault(tmp_path: Path) -> None:
    copy = shutil.copy(notebooks_folder() / "template.ipynb", tmp_path / "our_question.ipynb")
    assert notebook_faults(copy) == ()


def test_a_title_and_the_parameters_are_enough(tmp_path: Path) -> None:
    assert notebook_faults(saved(tmp_path, title(), parameters())) == ()


def test_more_parameters_are_welcome_in_any_form(tmp_path: Path) -> None:
    mixed = f'{ALL}\nhours = 8\nfirst, second = 1, 2\nhours: int = 9\nplan = ""'
    assert notebook_faults(saved(tmp_path, title(), parameters(mixed))) == ()


def test_a_file_that_is_no_notebook(tmp_path: Path) -> None:
    path = tmp_path / "notes.ipynb"
    for text in ("", "not json", "[]", '"words"', "{}", '{"cells": 3}'):
        path.write_text(text)
        assert notebook_faults(path) == (f"{path}: is not a notebook; save it from JupyterLab as .ipynb",), text


def test_a_file_of_other_bytes(tmp_path: Path) -> None:
    path = tmp_path / "picture.ipynb"
    path.write_bytes(b"ab\xff\xfe")
    assert notebook_faults(path) == (f"{path}: is not UTF-8 text (byte 2), so it is no notebook",)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "gone.ipynb"
    assert notebook_faults(path) == (f"{path}: cannot be read (No such file or directory)",)


def test_a_notebook_with_a_broken_cell(tmp_path: Path) -> None:
    path = saved(tmp_path, title(), parameters())
    broken = json.loads(path.read_text())
    broken["cells"][0]["cell_type"] = "poem"
    path.write_text(json.dumps(broken))
    (fault,) = notebook_faults(path)
    assert fault.startswith(f"{path}: is not a valid notebook (")
    assert fault.endswith("); open it in JupyterLab and save it again")
    assert "\n" not in fault


def test_no_parameters_cell(tmp_path: Path) -> None:
    path = saved(tmp_path, title(), new_code_cell(ALL))
    assert notebook_faults(path) == (
        f"{path}: has no cell tagged `parameters`; tag the code cell that sets plan, deployments, incidents, "
        f"dependencies and load",
    )


def test_two_parameters_cells(tmp_path: Path) -> None:
    path = saved(tmp_path, title(), parameters(), parameters())
    assert notebook_faults(path) == (f"{path}: has 2 cells tagged `parameters`; keep the tag on one",)


def test_the_tag_on_a_text_cell(tmp_path: Path) -> None:
    path = saved(tmp_path, title(), new_markdown_cell("Parameters", metadata={"tags": ["parameters"]}))
    assert notebook_faults(path) == (
        f"{path}: has its tag `parameters` on a markdown cell; it belongs on the code cell that sets them",
    )


def test_missing_parameters(tmp_path: Path) -> None:
    path = saved(tmp_path, title(), parameters('plan: str = ""\nincidents = ""\ndeployments = ""'))
    assert notebook_faults(path) == (
        f"{path}: has a parameters cell that does not set dependencies and load; a run fills them in, so add each as "
        f'an empty string, as in `dependencies: str = ""`',
    )


def test_a_parameters_cell_that_is_not_python(tmp_path: Path) -> None:
    path = saved(tmp_path, title(), parameters('plan = ""\nincidents <- ""\n)'))
    (fault,) = notebook_faults(path)
    assert fault == f"{path}: has a parameters cell that is not Python (line 3: unmatched ')')"


@pytest.mark.parametrize("first", ["", "A paragraph.", "## A section", "#", "#hashtag"])
def test_no_title(tmp_path: Path, first: str) -> None:
    path = saved(tmp_path, title(first), parameters())
    assert notebook_faults(path) == (
        f"{path}: does not begin with a title; make its first cell a Markdown cell that begins with `# ` and the "
        f"question",
    )


def test_another_language(tmp_path: Path) -> None:
    path = saved(tmp_path, title(), parameters(), kernelspec={"name": "ir", "language": "R", "display_name": "R"})
    assert notebook_faults(path) == (f"{path}: is written in R, and a run has a Python kernel only",)


@pytest.mark.parametrize("name", ["our question", "a.b", "nächte", "<script>"])
def test_a_name_that_cannot_be_an_address(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path, title(), parameters(), name=name)
    assert notebook_faults(path) == (
        f"{path}: the name {name!r} becomes an address; use letters, digits, - and _ only",
    )


@pytest.mark.parametrize("name", ["30_association", "30_ASSOCIATION", "template"])
def test_a_name_that_the_suite_has(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path, title(), parameters(), name=name)
    assert notebook_faults(path) == (
        f"{path}: the suite has a notebook {name.lower()!r}, whose page this one would replace; give it another name",
    )


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    faults = notebook_faults(saved(tmp_path, new_code_cell("1"), name="90_verdict"))
    assert len(faults) == 3
    assert all(fault.startswith(f"{tmp_path / '90_verdict.ipynb'}: ") for fault in faults)
