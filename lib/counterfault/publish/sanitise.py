"""HTML that notebooks bring with them, reduced to what a report may show.

An output can carry a service name that somebody chose to be hostile. The page forbids scripts and
requests by its content security policy; this is the second wall, and it also keeps such a name from
rearranging the page. bleach parses as browsers do and keeps only what is listed here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache, lru_cache
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from counterfault.figures.tables import in_scroll_box

if TYPE_CHECKING:
    from bs4 import Tag

# fmt: off
TEXT_TAGS = {
    "a", "abbr", "b", "bdi", "blockquote", "br", "caption", "code", "col", "colgroup", "dd", "del", "details", "div",
    "dl", "dt", "em", "figcaption", "figure", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "li", "ol", "p",
    "pre", "s", "small", "span", "strong", "sub", "summary", "sup", "table", "tbody", "td", "tfoot", "th", "thead",
    "tr", "ul",
}
DRAWING_TAGS = {"svg", "g", "path", "rect", "circle", "line", "text", "tspan"}
DRAWING_ATTRIBUTES = {
    "d", "x", "y", "x1", "x2", "y1", "y2", "r", "cx", "cy", "width", "height", "transform", "style",
}
DRAWING_STYLES = (
    "fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray", "stroke-dashoffset",
    "stroke-linecap", "stroke-linejoin", "stroke-miterlimit", "opacity", "font-size", "font-weight", "font-style",
    "text-anchor", "display", "width", "height", "max-width",
)
# fmt: on
ATTRIBUTES = {
    "a": {"href", "title", "download"},
    "img": {"src", "alt"},
    "div": {"class", "role", "aria-label", "tabindex"},
    "span": {"class"},
    "figure": {"class"},
    "table": {"class"},
    "td": {"class", "colspan", "rowspan"},
    "th": {"class", "scope", "colspan", "rowspan"},
    "ol": {"start"},
    "svg": {"class", "viewBox", "role", "aria-label", "style", "xmlns"},
}

# Content of these is code, not text: shown as words it would be noise (pandas puts a style block in every table).
_CODE = re.compile(r"<(style|script)\b.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
# An image whose address was not allowed: without it there is nothing to see.
_NO_PICTURE = re.compile(r"<img(?![^>]* src=)[^>]*>")
_BARE_TABLE = re.compile(r"<table(?: class=\"[^\"]*\")?>(?!\s*<caption>).*?</table>", re.DOTALL)


@lru_cache(maxsize=64)  # what the front page takes over has been cleaned for the notebook's own page
def sanitise(html: str) -> str:
    """The HTML with listed tags and attributes only, balanced, and bare tables made accessible."""
    kept = _NO_PICTURE.sub("", _cleaner().clean(_CODE.sub("", html)))
    return _BARE_TABLE.sub(lambda table: accessible(table[0]), kept)


@cache
def _cleaner() -> Any:
    # bleach is published without type information.
    from bleach.css_sanitizer import CSSSanitizer  # type: ignore[import-untyped]
    from bleach.sanitizer import Cleaner  # type: ignore[import-untyped]

    return Cleaner(
        tags=TEXT_TAGS | DRAWING_TAGS,
        attributes=_allowed,
        protocols={"http", "https", "mailto", "data"},
        strip=True,
        css_sanitizer=CSSSanitizer(allowed_css_properties=DRAWING_STYLES, allowed_svg_properties=DRAWING_STYLES),
    )


def _allowed(tag: str, name: str, value: str) -> bool:
    if tag in DRAWING_TAGS and name in DRAWING_ATTRIBUTES:
        return True
    if name not in ATTRIBUTES.get(tag, ()):
        return False
    if name == "src":
        return re.match(r"data:image/(png|jpeg|gif|webp);base64,", value) is not None
    address = value.strip().lower() if name == "href" else ""
    if address.startswith("data:text/csv;charset=utf-8,"):
        return True  # the numbers behind a figure, to be saved; a browser opens no page on such an address
    # A link out of the notebooks' folder leads somewhere in the checkout and nowhere from a published page.
    return not address.startswith(("data:", "../"))


def accessible(table: str) -> str:
    """A table of pandas or Markdown with what their HTML leaves out: a caption, scopes, numbers on the right."""
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(table, "html.parser")
    root = soup.find("table")
    assert root is not None
    del root["class"]
    body = [_dressed_row(row) for row in root.select("tbody tr")]
    numeric = [all(map(_is_number, column)) for column in zip_longest(*body, fillvalue="")]
    for head in root.select("thead tr"):
        _dress_heading(head, numeric)
    caption = f"{len(body)} {'row' if len(body) == 1 else 'rows'}, {len(numeric)} columns"
    words = soup.new_tag("caption")
    words.append(soup.new_tag("span", string=caption))
    root.insert(0, words)
    return in_scroll_box(str(root), caption, _width(root))


def _dressed_row(row: Tag) -> list[str]:
    cells = row.find_all(["th", "td"], recursive=False)
    for cell in cells:
        if cell.name == "th":
            cell["scope"] = "row"
        if _is_number(cell.get_text(strip=True)):
            cell["class"] = "number"
    return [cell.get_text(strip=True) for cell in cells]


def _dress_heading(row: Tag, numeric: Sequence[bool]) -> None:
    cells = row.find_all(["th", "td"], recursive=False)
    for place, cell in enumerate(cells):
        if not cell.get_text(strip=True):
            # An empty heading announces nothing; a plain empty cell says as much.
            cell.name = "td"
            continue
        cell["scope"] = "col"
        if len(cells) == len(numeric) and numeric[place]:
            cell["class"] = "number"


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[-−+]?[\d,.]+(e[-+]?\d+)?\s?%?|NaN|None|–|-?∞|-?inf", text) is not None


def _width(root: Tag) -> int:
    """Characters of the longest row."""
    rows = [row.find_all(["th", "td"]) for row in root.select("tr")]
    return max((sum(len(cell.get_text(strip=True)) + 2 for cell in row) for row in rows), default=0)
