"""Every link of every page leads somewhere, also from a folder on a memory stick."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from bs4 import BeautifulSoup
from every_page import PAGES


def dead_links(page: Path) -> list[str]:
    """Links of a page that lead nowhere, judged from the files beside it."""
    soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
    links = [each[name] for name in ("href", "src") for each in soup.select(f"[{name}]")]
    return [link for link in links if not leads_somewhere(page, link)]


def leads_somewhere(page: Path, link: str) -> bool:
    """Whether a link is part of the page, an address elsewhere, or a file that is there, with what it points to."""
    parts = urlsplit(link)
    if parts.scheme:
        return parts.scheme in ("data", "https")
    target = page.parent / unquote(parts.path) if parts.path else page
    if target.is_dir():
        return False  # a web server shows the index of a folder, a file system does not
    return target.is_file() and (not parts.fragment or unquote(parts.fragment) in places(target.resolve()))


@cache
def places(page: Path) -> frozenset[str]:
    """What a link can jump to in a page."""
    soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
    return frozenset(each["id"] for each in soup.select("[id]"))


@pytest.mark.parametrize("kind", PAGES)
def test_every_link_leads_somewhere(shelf, kind):
    assert dead_links(shelf / PAGES[kind]) == []


@pytest.mark.parametrize("kind", PAGES)
def test_no_two_places_of_a_page_share_a_name(shelf, kind):
    soup = BeautifulSoup((shelf / PAGES[kind]).read_text(encoding="utf-8"), "html.parser")
    names = [each["id"] for each in soup.select("[id]")]
    assert len(names) == len(set(names))


def test_links_that_lead_nowhere_are_seen(tmp_path):
    links = ("b.html", "#nowhere", "here.html#nowhere", "../", "file:///etc/passwd", "here.html#there", "#there")
    body = "".join(f'<a href="{link}">x</a>' for link in links)
    (tmp_path / "here.html").write_text(f'<p id="there"></p>{body}', encoding="utf-8")
    assert dead_links(tmp_path / "here.html") == list(links[:5])
