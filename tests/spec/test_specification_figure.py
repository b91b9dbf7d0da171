"""The specification curve as a figure: sorted, marked, told in words, and the same in numbers."""

from __future__ import annotations

import re
from dataclasses import replace
from math import inf
from xml.etree import ElementTree

import pytest
from svg_paths import shapes

from counterfault.estimate import Estimand, Estimate, Interval, not_estimable
from counterfault.figures.specification_curve import specification_curve


def part(value: float, low: float, high: float, label: str, planned: bool = False) -> Estimate:
    return Estimate(
        estimand=Estimand.RISK_RATIO, value=value, interval=Interval(low, high, 0.95), method="any", label=label,
        id="multiverse.planned" if planned else "multiverse.specification",
    )  # fmt: skip


PARTS = (
    part(1.6, 1.3, 2.0, "window 24 h · service × quarter · confounders · total.risk_ratio", planned=True),
    part(1.2, 0.9, 1.6, "window 72 h · service × quarter · confounders · total.risk_ratio"),
    part(2.1, 1.5, 3.0, "recorded · team × month · no covariates · stratified.risk_ratio"),
    part(0.8, 0.6, 0.9, "window 6 h · service × quarter · no covariates · total.risk_ratio"),
)
SILENT = not_estimable(
    Estimand.RISK_RATIO, "no failure", method="any", level=0.95,
    label="recorded · team × month · confounders · stratified.risk_ratio",
)  # fmt: skip


def summed(*parts: Estimate, p_value: float | None = 0.005) -> Estimate:
    return replace(part(1.39, 0, inf, "all"), id="multiverse.median", parts=parts, p_value=p_value)


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("text")]


def test_the_caption_counts_sides_and_places_the_planned_one():
    assert specification_curve(summed(*PARTS)).caption == (
        "The analysis was repeated under all defensible choices: of 4 analyses 3 gave a ratio above 1, 2 with an "
        "interval that leaves 1 out; 1 had an interval below 1. The ratios run from 0.80 to 2.10; the planned one is "
        "1.60 (1.30–2.00), 3rd from below. Their median is 1.39; with labels shuffled, one as far out comes up with a "
        "probability of 0.005."
    )


def test_the_alternative_text_says_what_moves_the_curve():
    alt = specification_curve(summed(*PARTS)).alt
    assert "Median ratio, failures tied by: recorded 2.10, window 6 h 0.80, window 24 h 1.60, window 72 h 1.20." in alt
    assert "Median ratio, held fixed: confounders 1.39, no covariates 1.30." in alt  # √(1.6·1.2) and √(2.1·0.8)


def test_what_cannot_be_estimated_is_counted_and_stands_in_the_table_with_its_reason():
    figure = specification_curve(summed(*PARTS, SILENT))
    assert "of 4 analyses 3 gave a ratio above 1" in figure.caption
    assert "; 1 more analysis is not estimable." in figure.caption
    assert list(figure.data["note"]) == ["", "", "", "", "not estimable: no failure"]


def test_the_table_has_every_specification_and_says_which_was_planned():
    data = specification_curve(summed(*PARTS)).data
    assert list(data["specification"]) == [item.label for item in PARTS]
    assert list(data["planned"]) == [True, False, False, False]
    assert list(data["value"]) == [1.6, 1.2, 2.1, 0.8]


@pytest.mark.parametrize("width", ["svg", "narrow"])
def test_every_choice_has_a_row_with_its_name_windows_by_their_hours(width):
    found = texts(getattr(specification_curve(summed(*PARTS)), width))
    rows = [name for name in found if name.startswith(("window", "recorded"))]
    assert rows == ["recorded", "window 6 h", "window 24 h", "window 72 h"]
    assert {"failures tied by", "compared within", "held fixed", "estimator", "planned"} <= set(found)


def points(svg: str) -> list[tuple[float, float, str]]:
    """Place of each point of the curve from the left and from the top, and its colour."""
    found = [shape for shape in shapes(svg) if shape.closed and "--zone" not in shape.style]
    return [(*shape.middle, shape.style) for shape in found]


@pytest.mark.parametrize("width", ["svg", "narrow"])
def test_ratios_rise_from_left_to_right_and_the_planned_one_is_darker(width):
    found = sorted(points(getattr(specification_curve(summed(*PARTS)), width)))
    assert len(found) == 4
    assert [y for _, y, _ in found] == sorted((y for _, y, _ in found), reverse=True)  # counted from the top
    assert ["currentColor" in style for _, _, style in found] == [False, False, True, False]


def test_pictures_are_images_with_the_finding_as_a_name_and_nothing_that_could_collide():
    figure = specification_curve(summed(*PARTS, SILENT), worth_acting_on=1.25)
    for svg in (figure.svg, figure.narrow):
        root = ElementTree.fromstring(svg)
        assert (root.get("role"), root.get("aria-label")) == ("img", figure.alt)
        assert not re.search(r"\sid=|url\(|href|<style|<script", svg)


def test_limits_without_end_stay_inside_the_picture():
    endless = part(1.1, 0, inf, "last · service × quarter · no covariates · total.risk_ratio")
    zero = part(0.0, 0, 1.2, "last · team × month · no covariates · total.risk_ratio")
    figure = specification_curve(summed(*PARTS, endless, zero))
    height = float(ElementTree.fromstring(figure.svg).get("viewBox").split()[3])
    assert all(0 <= y <= height for _, y, _ in points(figure.svg))
    assert "from 0 to 2.10" in figure.caption


def test_where_nothing_is_estimable_the_picture_stays_and_the_reason_is_told():
    none = replace(not_estimable(Estimand.RISK_RATIO, "too few failures.", method="any", level=0.95), parts=(SILENT,))
    assert specification_curve(none).caption == "None of the 1 specifications is estimable: too few failures."


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ((), "the estimate has no parts, so there is no curve to draw"),
        ((replace(PARTS[0], estimand=Estimand.RISK_DIFFERENCE),), "the parts must be ratios; got risk difference"),
        (
            (PARTS[0], replace(PARTS[1], label="window 6 h")),
            "the labels 'window 24 h · service × quarter · confounders · total.risk_ratio' and 'window 6 h' differ in "
            "the number of choices",
        ),
    ],
)
def test_what_is_no_curve_is_refused(parts, message):
    with pytest.raises(ValueError, match="^" + re.escape(f"specification_curve: {message}") + "$"):
        specification_curve(summed(*parts))
