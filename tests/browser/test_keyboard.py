"""Every page without a mouse: the content first, every box and fold within reach, focus in sight, and a way out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from every_page import PAGES

if TYPE_CHECKING:
    from playwright.sync_api import Page

every_page = pytest.mark.parametrize("kind", PAGES)

# What a keyboard should reach, in the order of the page. A box counts where it holds more than it shows.
WITHIN_REACH = """() => [...document.querySelectorAll('a[href], summary, [tabindex], button, input, select, *')]
  .filter((each) => each.checkVisibility() && (each.matches('a[href], summary, [tabindex="0"], button, input, select')
    || (each.scrollWidth > each.clientWidth + 1 && /auto|scroll/.test(getComputedStyle(each).overflowX))))
  .map((each) => { each.dataset.place ??= String(document.querySelectorAll('[data-place]').length);
                   return each.dataset.place })"""

# Where the focus is, and whether somebody could see it there.
FOCUS = """() => {
  const each = document.activeElement, box = each.getBoundingClientRect(), style = getComputedStyle(each);
  return {
    place: each.dataset.place ?? null, is: each.outerHTML.slice(0, 120),
    marked: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
    in_sight: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
  }
}"""

# Boxes with more in them than they show, which the keyboard does not reach or a screen reader cannot name.
NAMELESS = """() => [...document.querySelectorAll('.scroll')]
  .filter((each) => each.scrollWidth > each.clientWidth + 1)
  .filter((each) => !each.getAttribute('aria-label')?.trim() || each.tabIndex !== 0)
  .map((each) => each.outerHTML)"""


def tabbed_through(page: Page) -> list[dict]:
    """What the focus rests on from the top of the page until it leaves it."""
    stops: dict[str, dict] = {}
    while True:
        page.keyboard.press("Tab")
        stop = page.evaluate(FOCUS)
        # A browser without a window has nowhere else to go: it turns to the page itself, or begins again.
        if stop["place"] is None or stop["place"] == next(iter(stops), None):
            return list(stops.values())
        assert stop["place"] not in stops, f"no way out of {stop['is']}"
        stops[stop["place"]] = stop


def test_hidden_focus_and_what_the_keyboard_misses_are_seen(reader, tmp_path):
    careless = """<!DOCTYPE html><title>t</title><style>a { outline: none }</style><body><a href="#a">unmarked</a>
    <a href="#b" tabindex="-1">missed</a><a href="#c" style="position: absolute; left: -100vw">out of sight</a>"""
    (tmp_path / "careless.html").write_text(careless, encoding="utf-8")
    page = reader.open(tmp_path / "careless.html")
    wanted = page.evaluate(WITHIN_REACH)
    stops = tabbed_through(page)
    assert (len(wanted), len(stops)) == (3, 2)
    assert [(stop["marked"], stop["in_sight"]) for stop in stops] == [(False, True), (False, False)]


@every_page
def test_the_keyboard_reaches_everything_in_order_and_leaves(reader, shelf, kind):
    page = reader.open(shelf / PAGES[kind], width=375)
    wanted = page.evaluate(WITHIN_REACH)
    stops = tabbed_through(page)
    assert [stop["place"] for stop in stops] == wanted
    assert [stop["is"] for stop in stops if not (stop["marked"] and stop["in_sight"])] == []


@every_page
def test_the_first_step_leads_past_the_contents(reader, shelf, kind):
    page = reader.open(shelf / PAGES[kind])
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#main"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement === document.body || !document.activeElement.closest('nav, header')")


def test_a_fold_opens_from_the_keyboard(reader, shelf):
    page = reader.open(shelf / PAGES["notebook"])
    page.locator("details.code summary").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("details.code").first.evaluate("(each) => each.open")


@every_page
def test_every_box_that_scrolls_says_what_is_in_it(reader, shelf, kind):
    page = reader.open(shelf / PAGES[kind], width=375)
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true })")
    assert page.evaluate(NAMELESS) == []
