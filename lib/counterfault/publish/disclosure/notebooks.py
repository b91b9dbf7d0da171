"""An executed notebook as it may be published: outputs masked, authors gone, what nobody can judge withheld.

The notebook of a run holds everything: what is published is the page made of what this module leaves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from html import escape
from typing import TYPE_CHECKING, Any

from counterfault.estimate import ESTIMATES_MIME
from counterfault.figures.figure import RECIPE_MIME
from counterfault.figures.tables import SUPPORTS_MIME
from counterfault.publish.disclosure.outputs import (
    NO_PICTURE,
    UNKNOWN_PICTURE,
    masked_html,
    masked_text,
    without_people_in_html,
)
from counterfault.publish.disclosure.people import code_without_people, names_people, without_people
from counterfault.publish.disclosure.pictures import redrawn
from counterfault.publish.disclosure.policy import Policy, is_active, statement

if TYPE_CHECKING:
    from nbformat import NotebookNode

UNKNOWN_TEXT = "An output is withheld, because it names authors."
FAILED = "The message is withheld: it may quote rows of the data."
_PICTURES = ("image/png", "image/jpeg", "image/svg+xml", "image/gif", "image/webp")


def published_notebook(nb: NotebookNode, policy: Policy) -> NotebookNode:
    """A copy of an executed notebook without small counts, without authors, and without what cannot be judged.

    Parameters
    ----------
    nb : the executed notebook; it stays as it is.
    policy : of the run. Authors go whatever it says.

    Notes
    -----
    Text cells are the analyst's own words and stay, but for authors. Streams are dropped, as pages do not show them.
    """
    shown = deepcopy(nb)
    for cell in shown.cells:
        cell.source = code_without_people(cell.source) if cell.cell_type == "code" else without_people(cell.source)
        if cell.cell_type == "code":
            cell.outputs = [found for each in cell.outputs if (found := _output(each, policy)) is not None]
    shown.metadata = _metadata(nb)
    if is_active(policy):
        shown.cells.append(_statement(nb, policy))
    return shown


def _metadata(nb: NotebookNode) -> Any:
    """The language, and whether it failed; times, paths and parameters are no reader's business."""
    kept = {key: nb.metadata[key] for key in ("kernelspec", "language_info") if key in nb.metadata}
    failed = nb.metadata.get("papermill", {}).get("exception")
    return _node({**kept, "papermill": _node({"exception": True})} if failed else kept)


def _node(fields: Mapping[str, Any]) -> Any:
    # nbformat is published without type information.
    from nbformat import NotebookNode

    node: Any = NotebookNode
    return node(fields)


def _statement(nb: NotebookNode, policy: Policy) -> Any:
    named = {"id": "disclosure"} if nb.get("nbformat_minor", 5) >= 5 else {}
    words = f"## What is not shown\n\n{statement(policy)}"
    return _node({"cell_type": "markdown", "metadata": _node({}), "source": words, **named})


def _output(output: Any, policy: Policy) -> Any:
    if output.output_type == "stream":
        return None
    shown = deepcopy(output)
    if output.output_type == "error":
        shown.evalue, shown.traceback = FAILED, []
        return shown
    shown.data = type(output.data)(_data(output.data, policy))
    shown.metadata = _words_of_pictures(output.get("metadata", {}), shown.data)
    return shown if shown.data else None


def _data(data: Mapping[str, Any], policy: Policy) -> dict[str, Any]:
    """The richest form of an output that can be judged, masked."""
    carried = _ids(data)
    if RECIPE_MIME in data and is_active(policy):
        return carried | _redrawn(data, policy)
    if "text/html" in data:
        html = masked_html(_text(data["text/html"]), policy, data.get(SUPPORTS_MIME, ()))
        return carried | {"text/html": html}
    if "text/markdown" in data:
        return carried | {"text/markdown": _paragraphs(_text(data["text/markdown"]), policy)}
    if any(kind in data for kind in _PICTURES):
        # Without a policy a picture stays, in the form it has.
        kept = {kind: data[kind] for kind in _PICTURES if kind in data}
        return carried | ({"text/html": f"<p>{UNKNOWN_PICTURE}</p>"} if is_active(policy) else kept)
    if "text/plain" in data:
        return carried | {"text/plain": _plain_text(_text(data["text/plain"]), policy)}
    return carried


def _words_of_pictures(metadata: Mapping[str, Any], data: Mapping[str, Any]) -> Any:
    """What an author said of a picture that stays; without it the picture would be refused."""
    said = {kind: (metadata.get(kind) or {}).get("alt") or metadata.get("alt") for kind in _PICTURES if kind in data}
    return _node({kind: _node({"alt": without_people(str(alt))}) for kind, alt in said.items() if alt})


def _ids(data: Mapping[str, Any]) -> dict[str, Any]:
    """Which estimates a notebook shows, by name alone: pages link to the cells that show them."""
    entries = data.get(ESTIMATES_MIME)
    if not isinstance(entries, list):
        return {}
    ids = [str(entry["id"]) for entry in entries if isinstance(entry, Mapping) and "id" in entry]
    return {ESTIMATES_MIME: [{"id": id} for id in ids]}


def _text(source: Any) -> str:
    return source if isinstance(source, str) else "".join(source)


def _paragraphs(text: str, policy: Policy) -> str:
    return "\n\n".join(_paragraph(part, policy) for part in text.split("\n\n"))


def _paragraph(text: str, policy: Policy) -> str:
    """A paragraph of Markdown; of a table with authors nothing is kept."""
    head = text.strip().split("\n")[0]
    if "|" in head and any(names_people(name) for name in head.split("|") if name.strip()):
        return UNKNOWN_TEXT
    return masked_text(text, policy)


def _plain_text(text: str, policy: Policy) -> str:
    """Text printed by a cell. A printed frame has its columns in the first lines."""
    heads = [word for line in text.split("\n")[:3] for word in re.split(r"\s{2,}|[\s|]+", line)]
    if any(map(names_people, filter(None, heads))):
        return UNKNOWN_TEXT
    return "\n".join(masked_text(line, policy) for line in text.split("\n"))


def _redrawn(data: Mapping[str, Any], policy: Policy) -> dict[str, Any]:
    figure, _ = redrawn(data[RECIPE_MIME], policy)
    if figure is None:
        title = _title(_text(data.get("text/html", "")))
        return {"text/html": f"<p><strong>{escape(title)}</strong> {NO_PICTURE}</p>"}
    return {"text/html": without_people_in_html(figure._repr_html_())}


def _title(html: str) -> str:
    found = re.search(r"<figcaption><strong>(.*?)</strong>", html, re.DOTALL)
    return f"{found[1]}." if found else ""
