"""HTML that a cell showed, fit to be published: its tables, its figures, and everything that is read or read aloud."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape, unescape
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from counterfault.figures.tables import csv_link, table_html
from counterfault.publish.disclosure.frames import masked_frame
from counterfault.publish.disclosure.people import names_people, without_people
from counterfault.publish.disclosure.policy import Policy, is_active
from counterfault.publish.disclosure.prose import masked_prose, without_made
from counterfault.publish.disclosure.tables import masked_table

if TYPE_CHECKING:
    from bs4 import BeautifulSoup, Tag

NO_PICTURE = "The picture and its finding are withheld: they are made of counts that are suppressed."
UNKNOWN_PICTURE = (
    "A picture is withheld: from how many deployments it is drawn cannot be told from the picture. A Counterfault "
    "figure, which carries its numbers, would be drawn again from those that may be shown."
)
_PICTURE = re.compile(r"<svg\b.*?</svg\s*>", re.DOTALL | re.IGNORECASE)
_PLACE = re.compile(r'<svg data-place="(\d+)"></svg>')
_LABEL = re.compile(r'(\saria-label=)"([^"]*)"')
_BLOCKS = ["p", "li", "dd", "dt", "td", "th", "figcaption", "caption", "summary", "div", "section", "figure", "table"]
_TEXT = re.compile(r">([^<>]+)<")
_CSV = "data:text/csv;charset=utf-8,"


def masked_text(text: str, policy: Policy) -> str:
    """A computed text without small counts under a policy, and without authors under any."""
    return masked_prose(text, policy).text if is_active(policy) else without_people(text)


def without_people_in_html(html: str) -> str:
    """HTML whose texts and names name no author."""
    return masked_html(html, Policy(threshold=0))


def masked_html(html: str, policy: Policy, supports: Sequence[Mapping[str, Any]] = ()) -> str:
    """An HTML output with tables, figures and sentences masked.

    Parameters
    ----------
    html : what a cell showed.
    policy : of the run.
    supports : counts behind the rows of its first table, where it does not show them.
    """
    from bs4 import BeautifulSoup

    pictures = _PICTURE.findall(html)
    # A drawing is a hundred times longer than its words, and html.parser would spell its attributes otherwise.
    places = iter(range(len(pictures)))
    soup = BeautifulSoup(_PICTURE.sub(lambda _: f'<svg data-place="{next(places)}"></svg>', html), "html.parser")
    for code in soup.select("style, script"):
        code.decompose()
    for figure in soup.select("figure"):
        _mask_figure(soup, figure, policy)
    for place, table in enumerate(soup.select("table:not(figure table)")):
        masked_table(table, policy, supports if place == 0 else ())
    for link in soup.select('a[href^="data:" i]:not(figure a)'):
        link.unwrap()
    if is_active(policy):
        for picture in soup.select("img, object, embed, canvas, video, picture, svg:not(figure svg)"):
            picture.replace_with(_said(soup, UNKNOWN_PICTURE))
    _mask_words(soup, policy)
    return _PLACE.sub(lambda found: _picture(pictures, int(found[1]), policy), str(soup))


def _picture(pictures: Sequence[str], place: int, policy: Policy) -> str:
    """The drawing as it was, with its name masked; the marks of its axes are numbers, and stay."""
    if place >= len(pictures):
        return ""
    head, rest = pictures[place].split(">", 1)
    head = _LABEL.sub(lambda name: f'{name[1]}"{escape(masked_text(unescape(name[2]), policy))}"', head)
    return f"{head}>{_TEXT.sub(lambda text: f'>{escape(without_people(unescape(text[1])))}<', rest)}"


def _mask_figure(soup: BeautifulSoup, figure: Tag, policy: Policy) -> None:
    """A figure without a recipe: its numbers masked; picture and finding stay only where none of them had to go."""
    link = figure.select_one('a[href^="data:text/csv" i]')
    for other in figure.select('a[href^="data:" i]'):
        if other is not link:
            other.unwrap()
    if link is not None:
        lost = _mask_numbers(figure, link, policy)
    else:
        tables = figure.select("table")
        lost = sum(masked_table(table, policy) for table in tables)
        lost += not tables and is_active(policy)  # without its numbers nobody can tell what it shows
    if not lost:
        return
    for picture in figure.select("svg, img, figcaption > :not(strong)"):
        picture.decompose()
    figure.append(_said(soup, NO_PICTURE))


def _mask_numbers(figure: Tag, link: Tag, policy: Policy) -> int:
    """Table and file of a figure, both made again from the file, whose numbers are whole and complete."""
    import pandas as pd
    from bs4 import BeautifulSoup as Soup

    table = figure.select_one("table")
    text = unquote(str(link["href"])[len(_CSV) :])
    frame = pd.read_csv(io.StringIO(text), keep_default_na=False, na_values=[""])
    frame = frame.drop(columns=[name for name in frame.columns if names_people(name)])
    masked = masked_frame(frame, policy)
    words = masked.frame.copy()
    for place in range(words.shape[1]):
        words.isetitem(place, [_cell(cell, policy, place == 0) for cell in words.iloc[:, place]])
    if not words.equals(frame) and table is not None:
        caption = table.caption.get_text(" ", strip=True) if table.caption else "Numbers"
        caption = re.sub(r" \(first [\d,]+ of [\d,]+ rows\)$", "", caption)
        box = table.find_parent("div", class_="scroll") or table
        box.replace_with(Soup(table_html(words, caption), "html.parser"))
        link.replace_with(Soup(csv_link(words, caption), "html.parser"))
    return masked.suppressed


def _cell(cell: Any, policy: Policy, first: bool) -> Any:
    """Sentences masked; the name of a row stays."""
    if not isinstance(cell, str):
        return cell
    return without_people(cell) if first else masked_text(cell, policy)


def _said(soup: BeautifulSoup, words: str) -> Tag:
    said = soup.new_tag("p")
    said.string = words
    return said


def _mask_words(soup: BeautifulSoup, policy: Policy) -> None:
    """Everything that is read or read aloud, outside of tables and of the marks on axes."""
    blocks: dict[int, list[Any]] = {}
    for text in _texts(soup):
        block = text.find_parent(_BLOCKS)
        blocks.setdefault(id(block), []).append(text)
    for texts in blocks.values():
        _mask_block(texts, policy)
    for link in soup.select('a[href]:not([href^="data:" i])'):
        link["href"] = without_people(str(link["href"]))
    for each in soup.select("[aria-label], [alt], [title]"):
        for name in ("aria-label", "alt", "title"):
            if each.get(name):
                each[name] = masked_text(str(each[name]), policy)


def _mask_block(texts: Sequence[Any], policy: Policy) -> None:
    """The texts of one paragraph: where one loses a count, what is made from it may stand in another, set in bold."""
    masked = [masked_prose(str(text), policy) if is_active(policy) else None for text in texts]
    loses = any(each is not None and each.suppressed for each in masked)
    for text, found in zip(texts, masked, strict=True):
        words = (
            without_people(str(text)) if found is None else without_made(found.text, policy) if loses else found.text
        )
        if words != text:
            text.replace_with(words)


def _texts(soup: BeautifulSoup) -> Iterator[Any]:
    for text in list(soup.find_all(string=True)):
        inside = {parent.name for parent in text.parents}
        if inside & {"style", "script"} or (inside & {"table"} and "caption" not in inside):
            continue
        if text.strip():
            yield text
