"""All pages of one run, from its results and its executed notebooks and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from counterfault.publish.notebooks import notebook_html, notebook_page
from counterfault.publish.page import index_html
from counterfault.publish.record import Record

if TYPE_CHECKING:
    from nbformat import NotebookNode


def run_files(record: Record, notebooks: Iterable[tuple[str, NotebookNode]]) -> dict[str, str]:
    """The report and the page of each notebook.

    Parameters
    ----------
    record : ``results.json`` as a mapping.
    notebooks : name and executed notebook, in the order they are to be read; secrets must be gone from them.

    Returns
    -------
    File name, relative to the run directory → content; equal inputs give equal bytes.

    Raises
    ------
    ValueError
        Where a notebook shows a picture without alternative text.
    """
    pages = [notebook_page(nb, name=name) for name, nb in notebooks]
    shown = {f"notebooks/{page.name}.html": notebook_html(page) for page in pages}
    return {"index.html": index_html(record, pages), **shown}
