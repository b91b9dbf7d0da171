"""Debian's Chromium without a window, driven by Playwright."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from counterfault.publish.pdf import find_browser

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# By the last of these no name leads anywhere, whatever a page asks for; a server started by a test has only a number.
FLAGS = [
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]


@contextmanager
def chromium() -> Iterator[Browser]:
    """A Chromium that lives as long as the block.

    Raises
    ------
    FileNotFoundError : there is none on this machine.
    """
    from playwright.sync_api import sync_playwright

    program = find_browser()
    if program is None:
        raise FileNotFoundError("no Chromium on this machine to open pages in (Debian: apt-get install chromium)")
    # Chromium refuses to sandbox itself for root; anybody else keeps the sandbox.
    unconfined = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=[*unconfined, *FLAGS])
        yield browser
        browser.close()
