"""Pages in a real browser that is cut off from every network, and what it saw of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from every_page import write_pages
from headless import chromium

from counterfault.publish.pdf import find_browser

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Request

HEIGHT = 800


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium without a window.

    Why not one for the whole session? While Playwright runs, its event loop counts as running in this thread, and
    tests of other files that start a loop of their own would be refused.
    """
    if find_browser() is None:
        pytest.skip("no Chromium on this machine to open pages in (Debian: apt-get install chromium)")
    with chromium() as found:
        yield found


class Reader:
    """Somebody who reads pages without a network, and notes what a page did beside being read.

    Attributes
    ----------
    asked : addresses that a page asked for, beside its own.
    said : what the browser had to say about a page: errors, refusals, printed lines.
    """

    def __init__(self, browser: Browser, *, policy: bool) -> None:
        # Without the page's own policy, only the care taken with every name keeps a script from running.
        self._context = browser.new_context(bypass_csp=not policy, reduced_motion="reduce")
        self._context.set_offline(True)
        self._context.on("request", self._note)
        self._page = self._context.new_page()
        self._page.on("console", lambda line: self.said.append(line.text))
        self._page.on("pageerror", lambda error: self.said.append(str(error)))
        self.forget()

    def open(self, path: Path, *, width: int = 1280, theme: str = "light", media: str = "screen") -> Page:
        """The page of a file, as wide as the screen and in the colours its reader prefers."""
        self._page.set_viewport_size({"width": width, "height": HEIGHT})
        self._page.emulate_media(color_scheme=theme, media=media)
        self._opened.add(path.as_uri())
        self._page.goto(path.as_uri())
        return self._page

    def _note(self, request: Request) -> None:
        address = request.url.split("#")[0]
        if address not in self._opened and not address.startswith("data:"):
            self.asked.append(address)

    def forget(self) -> None:
        """Turns to an empty page and starts a new list of notes."""
        self._page.goto("about:blank")
        self._opened: set[str] = {"about:blank"}
        self.asked: list[str] = []
        self.said: list[str] = []

    def close(self) -> None:
        """Ends the sitting."""
        self._context.close()


@pytest.fixture(scope="module")
def readers(browser: Browser) -> Iterator[dict[bool, Reader]]:
    """One reader whose browser heeds the page's content security policy, and one whose browser does not."""
    found = {policy: Reader(browser, policy=policy) for policy in (True, False)}
    yield found
    for each in found.values():
        each.close()


@pytest.fixture
def wary_reader(readers: dict[bool, Reader]) -> Reader:
    """A reader of pages that are known to misbehave: nothing is held against them."""
    readers[True].forget()
    return readers[True]


@pytest.fixture
def reader(wary_reader: Reader) -> Iterator[Reader]:
    """A reader who fails the test where a page asked for anything, or gave the browser cause to complain."""
    yield wary_reader
    assert wary_reader.asked == [], "a page asked for something"
    assert wary_reader.said == [], "the browser complained about a page"


@pytest.fixture
def trusting_reader(readers: dict[bool, Reader]) -> Reader:
    """A reader whose browser overlooks the page's content security policy."""
    readers[False].forget()
    return readers[False]


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a page of every kind, made from data that are hostile wherever a name can be."""
    folder = tmp_path_factory.mktemp("pages")
    write_pages(folder)
    return folder
