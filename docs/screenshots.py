"""Makes the pictures of the README from a finished run and from a running JupyterLab.

    .venv/bin/python docs/screenshots.py reports/demo

Needs the extra `dev`, the extra `lab`, and a Chromium (Debian: apt-get install chromium). The pictures are written
beside this file.
"""

from __future__ import annotations

import sys
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

DOCS = Path(__file__).resolve().parent
# The browser tests drive the same browser and the same JupyterLab.
sys.path.insert(0, str(DOCS.parent / "tests" / "browser"))

from headless import chromium  # noqa: E402
from running_lab import Lab, running_lab  # noqa: E402

from counterfault.places import notebooks_folder  # noqa: E402
from counterfault.publish import write_whole  # noqa: E402

if TYPE_CHECKING:
    from playwright.sync_api import Browser

LARGEST = 120_000  # bytes; a README is read over slow lines too
COLOURS = 128


def main(arguments: list[str]) -> None:
    """Writes every picture, or stops at the first fault with one sentence."""
    if len(arguments) != 1 or not (report := Path(arguments[0], "index.html").resolve()).is_file():
        sys.exit("usage: python docs/screenshots.py RUN, where RUN is a run directory such as reports/demo")
    with chromium() as browser:
        pictures = {"report.png": picture_of_report(browser, report), "lab.png": picture_of_lab(browser)}
    for name, picture in pictures.items():
        small = in_few_colours(picture)
        if len(small) > LARGEST:
            sys.exit(f"{name} would have {len(small):,} bytes, more than {LARGEST:,}; show less, or in fewer colours")
        write_whole(DOCS / name, small)
        click.echo(f"{DOCS / name}: {len(small):,} bytes")


def picture_of_report(browser: Browser, report: Path) -> bytes:
    """The first screen of a report, on a desk."""
    context = browser.new_context(viewport={"width": 1280, "height": 1000}, offline=True)
    page = context.new_page()
    page.goto(report.as_uri())
    picture = page.screenshot()
    context.close()
    return picture


def picture_of_lab(browser: Browser) -> bytes:
    """The form of 00_explore after a choice, with what it shows."""
    form = notebooks_folder() / "00_explore.ipynb"
    with TemporaryDirectory(prefix="cf-lab-") as private, running_lab(browser, Path(private), [form]) as lab:
        lab.page.set_viewport_size({"width": 1400, "height": 1000})
        lab.command("application:toggle-left-area")
        lab.open(form.name)
        lab.run_all()
        if lab.complaints():
            sys.exit(f"00_explore did not run through: {lab.complaints()[0]}")
        choose_another_link(lab)
        return lab.page.screenshot()


def choose_another_link(lab: Lab) -> None:
    """Asks for the same by time alone, waits for the answer and its pictures, and puts the form in front."""
    form = lab.page.locator(".jp-OutputArea:has(.counterfault-form)")
    before = form.locator(".counterfault-found").text_content()
    form.get_by_label("link", exact=True).select_option(label="window")
    other = "(before) => document.querySelector('.counterfault-found').textContent !== before"
    lab.page.wait_for_function(other, arg=before)
    lab.wait_until_idle()
    form.evaluate("(each) => each.scrollIntoView({block: 'start'})")


def in_few_colours(picture: bytes) -> bytes:
    """The same picture in a palette: a page has few colours, and smooth letters need no more shades than these."""
    from PIL import Image

    small = BytesIO()
    with Image.open(BytesIO(picture)) as full:
        palette = full.convert("RGB").quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        palette.save(small, "PNG", optimize=True)
    return small.getvalue()


if __name__ == "__main__":
    main(sys.argv[1:])
