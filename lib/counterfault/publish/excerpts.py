"""What the front page takes out of an executed notebook: figures and sentences it offers, and where estimates stand.

A cell tagged ``report`` offers what it shows. The notebook decides, so a notebook somebody else wrote reaches the front
page in the same way as ours.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from counterfault.estimate import ESTIMATES_MIME

if TYPE_CHECKING:
    from nbformat import NotebookNode

OFFERED = "report"  # the tag of a cell whose outputs belong on the front page
LONGEST_NUMBERS = 2500  # characters of a table behind a figure that the front page carries itself
_NUMBERS = re.compile(r"<details>(?:(?!<details>).)*?</details>", re.DOTALL)  # never across what encloses it
_WORD = re.compile(r"[\w.]+")


class Excerpt(NamedTuple):
    """Something a notebook offers to the front page.

    Attributes
    ----------
    cell : the position of its cell in the notebook, from 1.
    html : a figure or a sentence, ready to stand in a page.
    """

    cell: int
    html: str

    @property
    def has_numbers_elsewhere(self) -> bool:
        """Whether it is a figure whose table and CSV stand in the notebook's page only."""
        return "<figure" in self.html and "<details>" not in self.html


def excerpts(nb: NotebookNode, in_html: Callable[[Any], str]) -> tuple[Excerpt, ...]:
    """What the cells tagged ``report`` show.

    Parameters
    ----------
    nb : an executed notebook.
    in_html : from an output to safe HTML; empty where there is nothing to show.
    """
    found = [
        Excerpt(place, html)
        for place, cell in _code_cells(nb)
        if OFFERED in cell.metadata.get("tags", ())
        for html in map(in_html, cell.get("outputs", ()))
        if html
    ]
    return tuple(found)


def without_long_numbers(figure: str) -> str:
    """A figure without the table behind it where that is long; the same figure in the notebook's page has it."""
    return _NUMBERS.sub(lambda found: found[0] if len(found[0]) <= LONGEST_NUMBERS else "", figure)


def cells_of_estimates(nb: NotebookNode) -> Mapping[str, int]:
    """Id of an estimate → position of the first cell that shows it by name; by its last cell where none does.

    The last cell carries all estimates of a notebook, so the ids are known; a cell shows one where the id stands in
    its output as a word of its own.
    """
    ids = {str(entry["id"]) for entry in estimates_shown(nb)}
    found: dict[str, int] = {}
    last = 0
    for place, cell in _code_cells(nb):
        last = place
        for data in _data(cell):
            shown = ids & set(_WORD.findall(_text(data.get("text/html", "")) + _text(data.get("text/markdown", ""))))
            for id in shown:
                found.setdefault(id, place)
    return {id: found.get(id, last) for id in sorted(ids)}


def estimates_shown(nb: NotebookNode) -> list[Mapping[str, Any]]:
    """The estimates that an executed notebook recorded in its outputs; what else stands under their name is none."""
    found = [outputs.get(ESTIMATES_MIME) for outputs in _outputs(nb)]
    entries = (entry for each in found if isinstance(each, list) for entry in each)
    return [entry for entry in entries if isinstance(entry, Mapping) and "id" in entry]


def _code_cells(nb: NotebookNode) -> Iterator[tuple[int, Any]]:
    return ((place, cell) for place, cell in enumerate(nb.cells, start=1) if cell.cell_type == "code")


def _outputs(nb: NotebookNode) -> Iterable[Any]:
    return (data for _, cell in _code_cells(nb) for data in _data(cell))


def _data(cell: Any) -> Iterator[Any]:
    return (output.get("data", {}) for output in cell.get("outputs", ()))


def _text(source: Any) -> str:
    return source if isinstance(source, str) else "".join(source)
