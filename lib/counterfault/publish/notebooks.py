"""An executed notebook as a section of the report, and as a page of its own.

Built on nbconvert's `base` template rather than its finished ones, which bring 260 kB of style sheet,
fetch scripts from elsewhere, drop alternative texts and repeat whatever a library printed.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from html import escape, unescape
from typing import TYPE_CHECKING, Any

from counterfault.figures.wording import clip, plain
from counterfault.publish.excerpts import Excerpt, cells_of_estimates, excerpts, without_long_numbers
from counterfault.publish.preparing import PICTURES, alternative_text, prepared
from counterfault.publish.sanitise import sanitise
from counterfault.publish.shared_styles import share_styles
from counterfault.publish.templating import TEMPLATES, render

if TYPE_CHECKING:
    from nbformat import NotebookNode

FINISHED, FAILED, NOT_FINISHED = "finished", "failed", "not finished"
_HEADING = re.compile(r"<(/?)h([1-6])>")
_UNWRITABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")  # HTML allows none, UTF-8 not all
LONGEST_MESSAGE = 2000  # characters of an error; one that quotes a whole table is no page


@dataclass(frozen=True)
class NotebookPage:
    """One executed notebook, ready to stand in a page.

    Attributes
    ----------
    name : stable name, used in addresses: letters, digits, `-` and `_`.
    title : its first heading.
    body_html : everything below that heading, with headings from level 2 down.
    status : "finished", "failed" or "not finished".
    excerpts : figures and sentences it offers to the front page.
    cells : id of an estimate → position of the cell that shows it; cells have addresses ``#cell-12``.
    """

    name: str
    title: str
    body_html: str
    status: str
    excerpts: tuple[Excerpt, ...] = ()
    cells: Mapping[str, int] = field(default_factory=dict)


def notebook_page(nb: NotebookNode, *, name: str = "") -> NotebookPage:
    """An executed notebook as a :class:`NotebookPage`.

    Parameters
    ----------
    nb : the executed notebook; secrets must already be gone from it.
    name : its stable name, for example ``"30_association"``; by default made from its title.

    Raises
    ------
    UnfitNotebookError
        Where an output is a picture without alternative text.
    """
    nb = prepared(nb, name)
    body, _ = _exporter().from_notebook_node(nb)
    title, body = _without_title(_writable(body))
    title = title or plain(name) or "Notebook"
    name = re.sub(r"[^A-Za-z0-9_]+", "-", name or title).strip("-").lower() or "notebook"
    return NotebookPage(
        name=name,
        title=title,
        body_html=_outlined(body, name),
        status=_status(nb),
        excerpts=excerpts(nb, offered),
        cells=cells_of_estimates(nb),
    )


def notebook_html(page: NotebookPage) -> str:
    """The notebook as a self-contained page."""
    return share_styles(render("notebook.html.j2", page=page, contents=_contents(page)))


def _writable(html: str) -> str:
    return _UNWRITABLE.sub("\ufffd", html)


def _without_title(body: str) -> tuple[str, str]:
    found = re.search(r"<h1>(.*?)</h1>", body, re.DOTALL)
    if not found:
        return "", body
    title = unescape(re.sub(r"<[^>]*>", "", found[1]))
    return plain(title), body[: found.start()] + body[found.end() :]


def _outlined(body: str, name: str) -> str:
    """Headings from level 2, none more than one deeper than the one before, each with an address.

    Sanitised headings have no attributes, and every other ``<`` is escaped, so a pattern finds them all.
    """
    depth, number = 1, 0
    name = "heading" if name == "cell" else name  # #cell-3 is the third cell
    shallowest = min((int(level) for slash, level in _HEADING.findall(body) if not slash), default=2)

    def placed(tag: re.Match[str]) -> str:
        nonlocal depth, number
        if tag[1]:
            return f"</h{depth}>"
        depth = min(int(tag[2]) - shallowest + 2, depth + 1, 6)
        number += 1
        return f'<h{depth} id="{name}-{number}">'

    return _HEADING.sub(placed, body)


def _contents(page: NotebookPage) -> list[tuple[str, str]]:
    found = re.findall(r'<h2 id="([^"]*)">(.*?)</h2>', page.body_html, re.DOTALL)
    return [(address, unescape(re.sub(r"<[^>]*>", "", words))) for address, words in found]


def _status(nb: NotebookNode) -> str:
    cells = [cell for cell in nb.cells if cell.cell_type == "code" and cell.source.strip()]
    if any(output.output_type == "error" for cell in cells for output in cell.get("outputs", ())):
        return FAILED
    if nb.metadata.get("papermill", {}).get("exception"):
        return FAILED
    return NOT_FINISHED if any(cell.execution_count is None for cell in cells) else FINISHED


@cache
def _exporter() -> Any:
    from nbconvert.exporters import TemplateExporter
    from traitlets.config import Config

    config = Config()
    config.NbConvertBase.display_data_priority = [
        "text/html", "text/markdown", *PICTURES, "text/plain",
    ]  # fmt: skip
    exporter: Any = TemplateExporter(  # type: ignore[no-untyped-call]
        config=config, template_name="notebook", template_file="index.html.j2", extra_template_basedirs=[str(TEMPLATES)]
    )
    for each in (sanitise, markdown, computed_markdown, highlight, picture):
        exporter.register_filter(each.__name__, each)
    exporter.register_filter("line", lambda text: clip(text, LONGEST_MESSAGE))
    return exporter


def markdown(source: str) -> str:
    """A text cell as HTML; its own HTML is kept as far as a report may show it."""
    return _marked_up(source, escape=False)


def computed_markdown(source: str) -> str:
    """Markdown that a cell computed: it may quote data, so HTML in it is shown as the text it is."""
    return _marked_up(source, escape=True)


def _marked_up(source: str, *, escape: bool) -> str:
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

    renderer = IPythonRenderer(escape=escape, allow_harmful_protocols=False, exclude_anchor_links=True)
    return sanitise(MarkdownWithMath(renderer=renderer).render(source))


def offered(output: Any) -> str:
    """A figure or a computed sentence as HTML for the front page; tables and all else stay in the notebook."""
    data = output.get("data", {})
    html = "".join(data.get("text/html", ""))
    if '<figure class="chart">' in html:
        return _below_its_title(without_long_numbers(sanitise(html)))
    if "text/markdown" in data and not html:
        return _below_its_title(computed_markdown("".join(data["text/markdown"])))
    return ""


def _below_its_title(html: str) -> str:
    """An excerpt whose headings stand below the title of its notebook: the page has one question and one outline."""
    return _writable(_HEADING.sub(lambda tag: f"<{tag[1]}h4>", html))


def highlight(source: str) -> str:
    """Python code with its keywords, strings and comments marked."""
    # Pygments is published without type information.
    from pygments import highlight as marked  # type: ignore[import-untyped]
    from pygments.formatters import HtmlFormatter  # type: ignore[import-untyped]
    from pygments.lexers import PythonLexer  # type: ignore[import-untyped]

    return str(marked(source, PythonLexer(), HtmlFormatter(nowrap=True))).rstrip("\n")


def picture(kind: str, output: Any, cell: Any) -> str:
    """A picture output as an image that carries its own bytes and says what it shows."""
    alt = escape(plain(alternative_text(kind, output, cell)))
    data = output.data[kind]
    if kind == "image/svg+xml":
        data = b64encode("".join(data).encode()).decode()
    return f'<img class="output" src="data:{kind};base64,{escape(data.strip())}" alt="{alt}">'
