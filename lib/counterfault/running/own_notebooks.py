"""What a notebook of a user's own must have, so that a run can execute it beside the suite's and give it a page."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import nbformat

from counterfault.inputs import TABLE_NAMES
from counterfault.places import notebooks_folder

PARAMETERS = ("plan", *TABLE_NAMES)  # what a run fills in
_NAME = re.compile(r"[A-Za-z0-9_-]+")


def notebook_faults(path: Path) -> tuple[str, ...]:
    """Everything that keeps a notebook from being run with the suite, each fault a sentence; empty where nothing does.

    Nothing of the notebook is executed. All faults are told at once, for whoever mends one wants to know of the others.

    Parameters
    ----------
    path : the notebook file.
    """
    notebook = _read(path)
    if isinstance(notebook, str):
        return (*_name_faults(path), f"{path}: {notebook}")
    return (*_name_faults(path), *(f"{path}: {fault}" for fault in _faults(notebook)))


def page_of(path: Path) -> str:
    """What the page of a notebook is called, without its ending; notebooks with one page cannot run together."""
    return path.stem.strip("-").lower()


def twin_faults(paths: Sequence[Path]) -> Iterator[str]:
    """A sentence on each notebook whose page would replace that of one before it."""
    first: dict[str, Path] = {}
    for path in paths:
        if (twin := first.setdefault(page_of(path), path)) is not path:
            yield f"{path}: its page would replace that of {twin.name}, for pages do not tell A from a; rename one"


def _name_faults(path: Path) -> Iterator[str]:
    if not _NAME.fullmatch(path.stem):
        yield f"{path}: the name {path.stem!r} becomes an address; use letters, digits, - and _ only"
    # Pages are files, and some file systems do not tell A from a.
    ours = {page_of(known): known.stem for known in notebooks_folder().glob("*.ipynb")}
    if (taken := ours.get(page_of(path))) is not None:
        yield f"{path}: the suite has a notebook {taken!r}, whose page this one would replace; give it another name"


def _read(path: Path) -> Any:
    """The notebook, or in words why there is none."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        return f"is not UTF-8 text (byte {error.start}), so it is no notebook"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if not _says_it_is_one(text):
        return "is not a notebook; save it from JupyterLab as .ipynb"
    try:
        notebook = nbformat.reads(text, as_version=4)  # type: ignore[no-untyped-call]
        nbformat.validate(notebook)
    except Exception as error:  # nbformat raises what its steps happen to raise, down to a missing key
        return f"is not a valid notebook ({_first_line(error)}); open it in JupyterLab and save it again"
    return notebook


def _says_it_is_one(text: str) -> bool:
    try:
        plain = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(plain, dict) and isinstance(plain.get("nbformat"), int)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _faults(notebook: Any) -> Iterator[str]:
    kernel, told = (notebook.metadata.get(key, {}) for key in ("kernelspec", "language_info"))
    language = kernel.get("language") or told.get("name") or "python"
    if language != "python":
        yield f"is written in {language}, and a run has a Python kernel only"
    if not _has_title(notebook.cells):
        yield "does not begin with a title; make its first cell a Markdown cell that begins with `# ` and the question"
    tagged = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ())]
    if len(tagged) > 1:
        yield f"has {len(tagged)} cells tagged `parameters`; keep the tag on one"
    elif not tagged:
        yield f"has no cell tagged `parameters`; tag the code cell that sets {_listed(PARAMETERS)}"
    else:
        yield from _parameter_faults(tagged[0])


def _has_title(cells: Any) -> bool:
    return bool(cells) and cells[0].cell_type == "markdown" and re.match(r"# \S", cells[0].source) is not None


def _parameter_faults(cell: Any) -> Iterator[str]:
    if cell.cell_type != "code":
        yield f"has its tag `parameters` on a {cell.cell_type} cell; it belongs on the code cell that sets them"
        return
    try:
        declared = set(_assigned(ast.parse(cell.source)))
    except SyntaxError as error:
        yield f"has a parameters cell that is not Python (line {error.lineno}: {error.msg})"
        return
    if missing := [name for name in PARAMETERS if name not in declared]:
        yield (
            f"has a parameters cell that does not set {_listed(missing)}; a run fills them in, so add each as an empty "
            f'string, as in `{missing[0]}: str = ""`'
        )


def _assigned(tree: ast.Module) -> Iterator[str]:
    for statement in tree.body:
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        yield from (target.id for target in targets if isinstance(target, ast.Name))


def _listed(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
