"""Pages in a real browser: nothing runs, nothing is asked for, nothing overflows, light and dark follow the reader."""

from __future__ import annotations

import pytest
from drawn_runs import record
from every_page import HOSTILE, PAGES

from counterfault.publish import index_html

every_page = pytest.mark.parametrize("kind", PAGES)
every_width = pytest.mark.parametrize("width", [375, 1280])
NO_NAMES = ("validation",)  # made from worlds of ours, and no name of anybody else's

VISIBLE = "(what) => [...document.querySelectorAll(what)].filter((each) => each.checkVisibility()).length"


def bottom(page, what: str) -> float:
    """How far down the screen something ends."""
    box = page.locator(what).first.bounding_box()
    return box["y"] + box["height"]


def open_all(page) -> None:
    """Unfolds everything a reader can unfold."""
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true })")


def test_a_page_without_our_care_is_caught(wary_reader, tmp_path):
    (tmp_path / "careless.html").write_text(f"<!DOCTYPE html><title>t</title><body>{HOSTILE}", encoding="utf-8")
    page = wary_reader.open(tmp_path / "careless.html")
    page.wait_for_load_state("networkidle")
    assert page.evaluate("window.ran") is True
    assert wary_reader.asked == [(tmp_path / "x").as_uri()]
    assert wary_reader.said


@every_page
def test_no_name_runs_even_where_the_browser_overlooks_the_policy(trusting_reader, shelf, kind):
    page = trusting_reader.open(shelf / PAGES[kind])
    open_all(page)
    assert page.evaluate("window.ran") is None
    assert trusting_reader.asked == []
    assert kind in NO_NAMES or "window.ran = true" in page.inner_text("body")


@every_page
def test_a_script_that_got_into_a_page_all_the_same_would_not_run(wary_reader, shelf, tmp_path, kind):
    careless = (shelf / PAGES[kind]).read_text(encoding="utf-8").replace("</main>", f"{HOSTILE}</main>")
    (tmp_path / "page.html").write_text(careless, encoding="utf-8")
    page = wary_reader.open(tmp_path / "page.html")
    assert page.evaluate("window.ran") is None
    assert any("Content Security Policy" in line for line in wary_reader.said)


@every_page
@every_width
def test_no_page_asks_for_anything_or_is_wider_than_the_screen(reader, shelf, kind, width):
    page = reader.open(shelf / PAGES[kind], width=width)
    open_all(page)
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0


@every_page
def test_light_and_dark_follow_the_reader(reader, shelf, kind):
    paper = "getComputedStyle(document.body).backgroundColor"
    page = reader.open(shelf / PAGES[kind], theme="light")
    light = page.evaluate(paper)
    page.emulate_media(color_scheme="dark")
    assert (brightness(light), brightness(page.evaluate(paper))) == ("light", "dark")


def brightness(colour: str) -> str:
    """Whether `rgb(251, 250, 247)` is a light paper, or a dark one."""
    red, green, blue = (int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(","))
    assert min(red, green, blue) > 230 or max(red, green, blue) < 50, colour
    return "light" if min(red, green, blue) > 230 else "dark"


def test_pictures_come_in_the_width_of_the_screen(reader, shelf):
    page = reader.open(shelf / PAGES["report"], width=375)
    narrow = page.evaluate(VISIBLE, "svg.narrow")
    assert (page.evaluate(VISIBLE, "svg.wide"), narrow) == (0, page.locator("figure svg.narrow").count())
    page.set_viewport_size({"width": 1280, "height": 800})
    assert (page.evaluate(VISIBLE, "svg.wide"), page.evaluate(VISIBLE, "svg.narrow")) == (narrow, 0)
    assert narrow > 3


def test_code_is_out_of_sight_until_asked_for(reader, shelf):
    page = reader.open(shelf / PAGES["notebook"])
    assert page.evaluate(VISIBLE, "details.code pre") == 0
    page.locator("details.code summary").first.click()
    assert page.evaluate(VISIBLE, "details.code pre") == 1


def test_the_answer_and_its_picture_are_on_the_first_screen(reader, tmp_path):
    (tmp_path / "index.html").write_text(index_html(record()), encoding="utf-8")
    page = reader.open(tmp_path / "index.html")
    assert bottom(page, ".picture svg.wide") <= 800
    page.set_viewport_size({"width": 375, "height": 800})
    assert bottom(page, ".sentence") <= 800


@every_page
def test_paper_shows_no_navigation_and_no_code(reader, shelf, kind):
    page = reader.open(shelf / PAGES[kind], media="print")
    assert page.evaluate(VISIBLE, "nav, .skip, details.code, details.code pre") == 0
    assert page.evaluate(VISIBLE, "main") == 1
