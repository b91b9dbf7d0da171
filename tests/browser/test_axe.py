"""axe finds nothing wrong with any page: WCAG 2.2 AA and best practices, light and dark, telephone and desk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from every_page import PAGES

if TYPE_CHECKING:
    from playwright.sync_api import Page

WANTED = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
OPTIONS = {"resultTypes": ["violations"], "runOnly": {"type": "tag", "values": WANTED}}

# One page with much that is wrong: no language, no title, a heading that skips two levels, text as pale as its paper, a
# picture without words, a table heading without content, a target as small as a comma.
CARELESS = """<!DOCTYPE html><html><head></head><body><h1>A</h1><h4>B</h4>
<p style="color: #bbb; background: #fff">pale</p><img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">
<table><tr><th></th></tr><tr><td>1</td></tr></table><a href="#a" style="font-size: 2px">,</a><a href="#b">B</a>"""


# Everything unfolded. The rows of a long table are alike, and axe looks at every cell: six of each will do.
PREPARE = """document.querySelectorAll('details').forEach((each) => { each.open = true });
document.querySelectorAll('tbody tr:nth-child(n + 7)').forEach((each) => each.remove())"""


def violations(page: Page) -> list[str]:
    """What axe has against a page: rule, and where."""
    from axe_playwright_python.sync_playwright import Axe

    page.evaluate(PREPARE)
    found = Axe().run(page, options=OPTIONS).response["violations"]
    return [f"{each['id']}: {node['html'][:200]}" for each in found for node in each["nodes"]]


def test_a_careless_page_is_told_what_is_wrong_with_it(trusting_reader, tmp_path: Path):
    (tmp_path / "careless.html").write_text(CARELESS, encoding="utf-8")
    found = {each.split(":")[0] for each in violations(trusting_reader.open(tmp_path / "careless.html"))}
    assert found >= {"html-has-lang", "document-title", "heading-order", "color-contrast", "image-alt", "region"}


# Nearly all of the time goes into contrasts. Two of the four ways to look at a page see every colour and every width;
# the other two wait for `make test-slow`.
SEEN = [
    pytest.param(375, "light"),
    pytest.param(1280, "dark"),
    pytest.param(375, "dark", marks=pytest.mark.slow),
    pytest.param(1280, "light", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("width", "theme"), SEEN)
@pytest.mark.parametrize("kind", PAGES)
def test_axe_finds_nothing(trusting_reader, shelf, kind, width, theme):
    assert violations(trusting_reader.open(shelf / PAGES[kind], width=width, theme=theme)) == []
