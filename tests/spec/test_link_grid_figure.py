"""The figure of the link grid says the same in its picture, its words and its numbers."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from math import inf
from xml.etree import ElementTree

import pytest
from svg_paths import spread

from counterfault.estimate import Estimand, Estimate, Interval, not_estimable
from counterfault.figures.figure import Figure
from counterfault.figures.link_grid import link_grid
from counterfault.figures.svg import NARROW


def ratio(label: str, value: float, low: float, high: float, **links: int) -> Estimate:
    limits = Interval(low, high, 0.95)
    return Estimate(
        estimand=Estimand.RISK_RATIO, value=value, interval=limits, method="any", label=label, support=links
    )


def nothing(label: str, why: str, **links: int) -> Estimate:
    return not_estimable(Estimand.RISK_RATIO, why, method="any", level=0.95, label=label, support=links)


COUNTED = (
    ratio("recorded then window · 24 h", 1.6, 1.3, 2.0, links=700, links_by_chance=175),
    ratio("recorded", 1.7, 1.3, 2.3, links=380),
    ratio("window · 72 h", 0.95, 0.9, 1.19, links=4000, links_by_chance=3400),
    nothing("dependency · 6 h", "no incident is tied by it", links=0),
    ratio("last", 0.4, 0.2, inf, links=600),
)
CORRECTED = (
    ratio("recorded then window · 24 h", 1.8, 1.4, 2.4),
    ratio("recorded", 1.7, 1.3, 2.3),
    nothing("window · 72 h", "Coincidence accounts for 87% of the failures"),
    nothing("dependency · 6 h", "no incident is tied by it"),
    nothing("last", "it always finds one"),
)


def gathered(parts: tuple[Estimate, ...]) -> Estimate:
    return replace(parts[0], parts=parts)


@cache
def figure() -> Figure:
    return link_grid(gathered(COUNTED), gathered(CORRECTED), worth_acting_on=1.25)


def words(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("text")]


def test_the_caption_tells_the_finding_and_leaves_out_the_rule_for_comparison():
    assert figure().caption == (
        "2 of 3 readings put the ratio above 1: from 0.95 (window · 72 h) to 1.70 (recorded). "
        "Without coincidences: 1.80 (recorded then window · 24 h). "
        "Coincidence alone would make 25% to 85% of the links by time."
    )
    assert figure().caption in figure().alt


@pytest.mark.parametrize("drawing", ["svg", "narrow"])
def test_the_picture_says_what_the_table_says(drawing):
    told = words(getattr(figure(), drawing))
    for expected in ("1.60 (1.30–2.00)", "1.80 (1.40–2.40)", "0.95 (0.90–1.19)", "0.40 (0.20–∞)"):
        assert told.count(expected) == 1
    assert told.count("1.70 (1.30–2.30)") == 1  # by record: nothing was corrected, so it is drawn once
    assert any("25% by chance" in line for line in told) and any("85% by chance" in line for line in told)
    assert told.count("not corrected") == 1
    assert told.count("not estimable") == 1
    assert [line for line in told if line.startswith(("recorded", "window", "dependency", "last"))] == [
        part.label for part in COUNTED
    ]


def test_the_numbers_behind_the_picture():
    data = figure().data.set_index("link rule and window")
    planned = data.loc["recorded then window · 24 h (planned)"]
    assert (planned["links"], planned["share by chance"]) == (700, 0.25)
    assert (planned["ratio"], planned["without coincidences"], planned["corrected high"]) == (1.6, 1.8, 2.4)
    assert data["note"].tolist() == [
        "",
        "",
        "not corrected: Coincidence accounts for 87% of the failures",
        "not estimable: no incident is tied by it",
        "not corrected: it always finds one",
    ]


def reach(text: ElementTree.Element) -> tuple[float, float]:
    """From where to where a text runs, were each letter as wide as 0.62 of its height."""
    style, x = text.get("style", ""), float(text.get("x", "nan"))
    size = float(re.search(r"font(?:-size)?:\s*(?:bold )?([\d.]+)px", style)[1])
    wide = 0.62 * size * len(text.text or "")
    shift = {"middle": wide / 2, "end": wide}.get((re.search(r"text-anchor:\s*(\w+)", style) or ["", "start"])[1], 0.0)
    return x - shift, x - shift + wide


def test_a_telephone_gets_a_picture_of_its_own_that_no_word_leaves():
    root = spread(figure().narrow)
    assert root.get("viewBox").split()[2] == str(NARROW)
    shown = [element for element in root.iter() if element.tag.endswith("text")]
    assert len(shown) > 15
    for text in shown:
        left, right = reach(text)
        assert left >= 0, text.text
        assert right <= NARROW + 0.5, text.text
    assert root.get("aria-label").startswith("Per link rule and window a filled dot")


def test_where_no_reading_gives_a_ratio_the_reason_is_the_finding():
    lone = nothing("window · 24 h", "no incident is tied by it", links=0)
    found = link_grid(replace(lone, parts=(lone,)), replace(lone, parts=(lone,)), worth_acting_on=1.25)
    assert found.caption == "None of 1 readings gives a ratio: no incident is tied by it."


def test_readings_that_do_not_belong_together_are_refused():
    with pytest.raises(ValueError, match="the grid has no parts"):
        link_grid(COUNTED[0], CORRECTED[0])
    with pytest.raises(ValueError, match=r"the corrected readings \(recorded\) are not those of the grid \(recorded, "):
        link_grid(gathered(COUNTED[1:3]), gathered(CORRECTED[1:2]))
