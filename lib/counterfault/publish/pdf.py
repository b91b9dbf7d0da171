"""A published page as PDF: the same page, printed by a Chromium without a window."""

from __future__ import annotations

import os
import posixpath
import re
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from counterfault.figures.wording import clip, plain
from counterfault.publish.write import write_whole

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Seconds; the longest report of a real study took five.
TIMEOUT = 120.0
# Chromium writes the moment of printing into the file, and where on this machine each link leads; without these, equal
# pages give equal files, and nobody reads folders off them.
_FILE_LINK = re.compile(rb"/URI ?\((file:(?:[^()\\]|\\.)*)\)")
_MOMENT = re.compile(rb"/(CreationDate|ModDate) ?\(D:[^)]*\)\s*")


def find_browser() -> str | None:
    """Where a Chromium is on this machine, or None."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def require_browser() -> str:
    """Where a Chromium is on this machine.

    Raises
    ------
    FileNotFoundError
        Where there is none; it says how to get one.
    """
    found = find_browser()
    if found is None:
        raise FileNotFoundError(
            "a PDF needs a Chromium, and there is none on this machine: `apt-get install chromium` brings one, or open "
            "the page in any browser and print it to a file"
        )
    return found


def page_to_pdf(html_file: Path, pdf_file: Path, *, browser: str | None = None, timeout: float = TIMEOUT) -> None:
    """Prints a page; the PDF is written whole or not at all.

    The browser gets a profile of its own, which is thrown away, and no network: published pages need none. Relative
    links stay relative to where the page lies, so a PDF beside its page leads where the page does.

    Parameters
    ----------
    html_file : the page.
    pdf_file : replaced where it exists.
    browser : the program; the first Chromium found on the path by default.
    timeout : seconds after which the browser is stopped.

    Raises
    ------
    FileNotFoundError : there is no such page, or no browser.
    OSError : the browser failed, or took too long.
    """
    if not html_file.is_file():
        raise FileNotFoundError(f"{plain(html_file)}: there is no such page to print")
    program = browser or require_browser()
    with TemporaryDirectory(prefix="cf-pdf-", ignore_cleanup_errors=True) as scratch:
        printed = Path(scratch) / "page.pdf"
        said = _print(_command(program, html_file, printed, Path(scratch)), timeout)
        content = printed.read_bytes() if printed.is_file() else b""
    # Chromium has been seen to end well without a file, and to leave a file that is cut short.
    if not content.startswith(b"%PDF-") or b"%%EOF" not in content[-1024:]:
        raise OSError(f"{plain(program)} printed no PDF of {plain(html_file)}: {_last_words(said)}")
    write_whole(pdf_file, _with_relative_links(_MOMENT.sub(_spaces, content), html_file.resolve().parent.as_uri()))


def _command(program: str, page: Path, printed: Path, scratch: Path) -> list[str]:
    # Chromium refuses to sandbox itself for root; anybody else keeps the sandbox.
    unconfined = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    # fmt: off
    return [
        program, "--headless", *unconfined, "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic",
        "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={scratch / 'profile'}",
        "--no-pdf-header-footer", "--generate-pdf-document-outline", f"--print-to-pdf={printed}",
        page.resolve().as_uri(),
    ]
    # fmt: on


def _print(command: Sequence[str], timeout: float) -> str:
    """What the browser said; it and all its children are gone when this returns."""
    try:
        # In a group of its own: a browser is many processes, and stopping the first leaves the others behind.
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
        )
    except OSError as error:
        raise OSError(f"{plain(command[0])}: cannot be started ({error.strerror})") from None
    try:
        _, said = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        raise OSError(f"{plain(command[0])} had not printed the page after {timeout:g} seconds") from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    return said.decode("utf-8", "replace")


def _last_words(said: str) -> str:
    """The last line of a browser's complaints that is not about its surroundings."""
    lines = [line for line in said.splitlines() if line.strip() and "dbus" not in line]
    return clip(lines[-1], 200) if lines else "it said nothing"


def _spaces(found: re.Match[bytes]) -> bytes:
    """As many bytes as were there: a PDF finds its parts by their places."""
    return b" " * len(found[0])


def _with_relative_links(content: bytes, folder: str) -> bytes:
    """Links to files as the page had them, filled up with spaces to the length they had."""

    def shortened(found: re.Match[bytes]) -> bytes:
        address = re.sub(rb"\\(.)", rb"\1", found[1]).decode("ascii", "replace")
        path, mark, anchor = address.partition("#")
        relative = posixpath.relpath(urlsplit(path).path, urlsplit(folder).path) + mark + anchor
        link = b"/URI (" + re.sub(rb"([()\\])", rb"\\\1", relative.encode()) + b")"
        # Far from the page a relative link can be the longer; then it leads nowhere rather than telling the folders.
        return (link if len(link) <= len(found[0]) else b"/URI ()").ljust(len(found[0]))

    return _FILE_LINK.sub(shortened, content)
