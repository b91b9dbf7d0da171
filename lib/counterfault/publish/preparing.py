"""An executed notebook made fit for a page: refused where a picture has no words, relieved of what is too big."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from counterfault.figures.wording import plain

if TYPE_CHECKING:
    from nbformat import NotebookNode

BY_HAND = "explore"  # the tag of cells with forms: for people, skipped in scheduled runs and left out of pages
FILLED_IN = "injected-parameters"  # papermill's tag of the cell with a run's own values
# A file outside of the working directory is named by its full path; how this machine's folders are called is nobody's
# business on a page.
_FULL_PATH = re.compile(r"""(["'])(?:/|[A-Za-z]:[\\/])[^"'\n]*?([^"'/\\\n]+)\1""")
LARGEST_OUTPUT = 1_000_000  # characters; a page with more in one place helps nobody
# An `alt=` within the quotes of another attribute is no alternative text.
_IMAGE_WITHOUT_WORDS = re.compile(r"""<img(?!(?:[^>"']|"[^"]*"|'[^']*')*?\salt=)[^>]*\ssrc=["']?data:""", re.IGNORECASE)
PICTURES = ("image/svg+xml", "image/png", "image/jpeg")


class UnfitNotebookError(ValueError):
    """An executed notebook that may not become a page.

    Attributes
    ----------
    notebook : its name.
    cell : the source of the cell at fault.
    """

    def __init__(self, message: str, notebook: str, cell: str) -> None:
        super().__init__(message)
        self.notebook, self.cell = notebook, cell


def prepared(nb: NotebookNode, name: str) -> NotebookNode:
    """The notebook without cells for people at the keyboard, and with a sentence in place of a giant output.

    Cells keep their places, so that they are counted on the page as they are in the notebook.

    Raises
    ------
    UnfitNotebookError
        Where an output is a picture without alternative text.
    """
    _require_words(nb, name)
    return _with_cells(nb, map(_prepared_cell, nb.cells))


def of_page_size(nb: NotebookNode) -> NotebookNode:
    """The notebook with a sentence in place of every giant output, so that nobody masks what no page will show."""
    return _with_cells(nb, map(_of_page_size, nb.cells))


def _with_cells(nb: NotebookNode, cells: Iterable[Any]) -> NotebookNode:
    from nbformat import from_dict

    made: NotebookNode = from_dict({**nb, "cells": list(cells)})  # type: ignore[no-untyped-call]
    return made


def alternative_text(kind: str, output: Any, cell: Any) -> str:
    """What the author said a picture shows: of the output, or of the cell; empty where nobody said anything."""
    metadata = output.get("metadata", {})
    return str(metadata.get(kind, {}).get("alt") or metadata.get("alt") or cell.metadata.get("alt") or "")


def _require_words(nb: NotebookNode, name: str) -> None:
    for cell in nb.cells:
        for output in cell.get("outputs", ()):
            if kind := _wordless(output, cell):
                raise UnfitNotebookError(
                    f"the cell that begins {plain(cell.source)[:60]!r} shows a picture without alternative text; show "
                    f"a counterfault Figure, or give display() metadata={{{kind!r}: {{'alt': 'what it shows'}}}}",
                    name,
                    cell.source,
                )


def _wordless(output: Any, cell: Any) -> str:
    """The kind of picture that the page would show without a word; empty where there is none."""
    data = output.get("data", {})
    if "text/html" in data:
        return "text/html" if _IMAGE_WITHOUT_WORDS.search("".join(data["text/html"])) else ""
    kind = next((kind for kind in PICTURES if kind in data), "")
    return "" if alternative_text(kind, output, cell) else kind


def _prepared_cell(cell: Any) -> Any:
    if BY_HAND in cell.metadata.get("tags", ()):
        kept = {key: cell[key] for key in ("id",) if key in cell}
        return {**kept, "cell_type": "raw", "metadata": {}, "source": ""}
    if FILLED_IN in cell.metadata.get("tags", ()):
        cell = {**cell, "source": _FULL_PATH.sub(r"\1\2\1", cell.source)}
    return _of_page_size(cell)


def _of_page_size(cell: Any) -> Any:
    return {**cell, "outputs": list(map(_of_a_size, cell["outputs"]))} if "outputs" in cell else cell


def _of_a_size(output: Any) -> Any:
    size = sum(map(_characters, output.get("data", {}).values()))
    if size <= LARGEST_OUTPUT:
        return output
    told = f"This output holds {size / 1e6:,.1f} million characters, too many for a page. The executed notebook has it."
    return {"output_type": "display_data", "metadata": {}, "data": {"text/markdown": told}}


def _characters(data: Any) -> int:
    """Of a text, or of a text in lines; other data are for programs and reach no page."""
    lines = [data] if isinstance(data, str) else data if isinstance(data, list) else []
    return sum(len(line) for line in lines if isinstance(line, str))
