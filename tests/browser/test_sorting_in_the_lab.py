"""Tables sort where scripts run, as in JupyterLab: numbers as numbers, by mouse and by keyboard, and back again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from counterfault.figures import Figure
from counterfault.figures.tables import Table

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SERVICES = pd.DataFrame(
    {
        "service": ["s10", "s2", "Cart", "auth"],
        "n": [1200, 90, 1000, 90],
        "ratio": ["2.33", "not estimable", "∞", "0.0142"],
        "change": [-0.5, 0.25, float("nan"), -12.0],
        "p": ["0.040", "< 0.001", "", "0.3"],
        "ci": ["1.62 (1.31–2.00)", "12.1 (9–20)", "9.5 (1–30)", "0.9 (0.1–4)"],
    }
)
GIVEN = ["s10", "s2", "Cart", "auth"]


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that has run what a notebook's output holds, as the Lab does with a cell just run."""
    found = browser.new_page()
    found.set_default_timeout(5000)
    found.set_content(f"<div class='jp-OutputArea-output'>{Table(SERVICES, 'Services')._repr_html_()}</div>")
    yield found
    found.close()


def order(page: Page) -> list[str]:
    return page.locator("tbody th").all_inner_texts()


def heading(page: Page, name: str) -> str | None:
    """How the column says it is sorted."""
    return page.locator("thead th", has_text=name).first.get_attribute("aria-sort")


@pytest.mark.parametrize(
    ("column", "rising", "falling"),
    [
        ("service", ["auth", "Cart", "s2", "s10"], ["s10", "s2", "Cart", "auth"]),  # as people count, not as letters do
        ("n", ["s2", "auth", "Cart", "s10"], ["s10", "Cart", "s2", "auth"]),  # equal ones stay as they stood
        ("ratio", ["auth", "s10", "Cart", "s2"], ["Cart", "s10", "auth", "s2"]),  # what has no value stands last
        ("change", ["auth", "s10", "s2", "Cart"], ["s2", "s10", "auth", "Cart"]),
        ("p", ["s2", "s10", "auth", "Cart"], ["auth", "s10", "s2", "Cart"]),
        ("ci", ["auth", "s10", "Cart", "s2"], ["s2", "Cart", "s10", "auth"]),  # by the number that comes first
    ],
)
def test_a_click_sorts_a_second_turns_it_round_a_third_undoes_it(
    page: Page, column: str, rising: list[str], falling: list[str]
) -> None:
    button = page.get_by_role("button", name=column, exact=True)
    seen = []
    for _ in range(3):
        button.click()
        seen.append((heading(page, column), order(page)))
    assert seen == [("ascending", rising), ("descending", falling), (None, GIVEN)]


def test_the_keyboard_does_the_same(page: Page) -> None:
    page.keyboard.press("Tab")  # the scroll box
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "n"
    page.keyboard.press("Enter")
    assert (heading(page, "n"), order(page)) == ("ascending", ["s2", "auth", "Cart", "s10"])
    page.keyboard.press("Space")
    assert heading(page, "n") == "descending"


def test_one_column_at_a_time_is_the_sorted_one(page: Page) -> None:
    for name in ("n", "service"):
        page.get_by_role("button", name=name, exact=True).click()
    states = [each.get_attribute("aria-sort") for each in page.locator("thead th").all()]
    assert states == ["ascending", None, None, None, None, None]


def test_the_lab_leaves_the_keys_of_a_heading_alone(page: Page) -> None:
    """Without this mark JupyterLab takes Enter for itself and opens the cell."""
    buttons = page.locator("thead button")
    assert buttons.count() == 6
    assert all(each.get_attribute("data-lm-suppress-shortcuts") == "true" for each in buttons.all())


def test_running_a_cell_again_dresses_its_table_once(page: Page) -> None:
    page.evaluate(
        "() => { const old = document.querySelector('script'), again = document.createElement('script');"
        " again.textContent = old.textContent; old.replaceWith(again); }"
    )
    assert page.locator("thead button").count() == 6
    assert page.locator("thead button button").count() == 0


def test_the_numbers_behind_a_figure_sort_too(browser: Browser) -> None:
    figure = Figure("<svg></svg>", "alt", "caption", SERVICES, "Services")
    page = browser.new_page()
    page.set_content(f"<div class='jp-OutputArea-output'>{figure._repr_mimebundle_()['text/html']}</div>")
    page.locator("summary").click()
    page.get_by_role("button", name="n", exact=True).click()
    assert order(page) == ["s2", "auth", "Cart", "s10"]
    page.close()


def test_without_the_script_the_table_is_whole(browser: Browser) -> None:
    page = browser.new_context(java_script_enabled=False).new_page()
    page.set_content(Table(SERVICES, "Services")._repr_html_())
    assert page.locator("button").count() == 0
    assert page.locator("tbody th").count() == 4
    page.context.close()
