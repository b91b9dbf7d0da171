"""The risk windows stand in order of time, with both kinds beside each other."""

from dataclasses import replace
from math import inf
from xml.etree import ElementTree

import pytest

from counterfault.estimate import Estimand, Estimate, Interval, not_estimable
from counterfault.figures import risk_windows

AGAIN = "0 to 6 h after, time before counted as background"


def rate(label: str, value: float, low: float, high: float) -> Estimate:
    return Estimate(
        estimand=Estimand.RATE_RATIO, value=value, interval=Interval(low, high, 0.95), method="", label=label
    )


def series(first: Estimate, *others: Estimate) -> Estimate:
    return replace(first, parts=(first, *others))


AI = series(rate("0 to 6 h after", 8.0, 6, 11), rate("6 to 24 h after", 2.0, 1.2, 3), rate("before", 0.9, 0.6, 1.2),
            rate(AGAIN, 8.1, 6, 11))  # fmt: skip
OTHER = series(rate("0 to 6 h after", 6.0, 4, 9), rate("6 to 24 h after", 1.5, 1, 2), rate("before", 1.0, 0.7, 1.4))
EXCESS = rate("0 to 6 h after", 1.4, 0.98, 2.04)
SILENT = not_estimable(Estimand.RATE_RATIO, "no incident after such a deployment", method="", level=0.95)


def words(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("text")]


def test_the_caption_holds_both_ratios_their_excess_and_the_time_before():
    assert risk_windows(AI, OTHER, EXCESS).caption == (
        "Incidents per hour as a multiple of quiet hours, with 95% intervals, 0 to 6 h after the deployment: "
        "AI-assisted 8.00 (6.00–11.0), other 6.00 (4.00–9.00). For each incident that other deployments add, "
        "AI-assisted ones add 1.40 (95% interval 0.98–2.04); as many is still possible. Before it, where 1 is wanted: "
        "AI-assisted 0.90 (0.60–1.20), other 1.00 (0.70–1.40)."
    )


def test_an_excess_that_leaves_out_one_leaves_no_doubt_of_more():
    told = risk_windows(AI, OTHER, replace(EXCESS, interval=Interval(1.1, 2.04, 0.95))).caption
    assert "AI-assisted ones add 1.40 (95% interval 1.10–2.04). Before it" in told


def test_the_window_before_has_its_hours_where_they_are_known():
    figure = risk_windows(AI, OTHER, EXCESS, before_hours=6)
    assert "In the 6 h before it, where 1 is wanted: AI-assisted 0.90" in figure.caption
    assert "6 h before" in words(figure.svg) and "before" not in words(figure.svg)


def test_windows_are_joined_from_three_after_the_deployment_on():
    third = rate("24 to 48 h after", 1.1, 0.8, 1.5)
    two = risk_windows(AI, OTHER).svg
    three = risk_windows(replace(AI, parts=(*AI.parts, third)), replace(OTHER, parts=(*OTHER.parts, third))).svg
    assert two.count("stroke-opacity:0.55") == 0 and three.count("stroke-opacity:0.55") == 2


def test_later_windows_are_told_in_the_alternative_text():
    assert risk_windows(AI, OTHER).alt.endswith("6 to 24 h after: AI-assisted 2.00 (1.20–3.00), other 1.50 (1.00–2.00)")


def test_windows_stand_in_order_of_time_and_the_second_model_only_in_the_table():
    figure = risk_windows(AI, OTHER, EXCESS)
    shown = [text for text in words(figure.svg) if text in ("before", "0 to 6 h after", "6 to 24 h after", AGAIN)]
    assert shown == ["before", "0 to 6 h after", "6 to 24 h after"]
    assert AGAIN in set(figure.data["window"]) and len(figure.data) == 8


def test_kinds_are_told_apart_by_shape_and_the_deployment_is_marked():
    for svg in (risk_windows(AI, OTHER).svg, risk_windows(AI, OTHER).narrow):
        assert {"●", "□", "AI-assisted", "other", "the deployment"} <= set(words(svg))


def test_values_stand_beside_their_marks_where_there_is_room():
    assert {"8.00", "6.00", "0.90"} <= set(words(risk_windows(AI, OTHER).svg))


def test_without_an_estimate_the_picture_says_why():
    figure = risk_windows(SILENT, SILENT, SILENT)
    assert "Not estimable because: no incident after such a deployment." in figure.caption
    assert "not estimable" in words(figure.svg)
    assert figure.data["note"].str.contains("no incident").all()


@pytest.mark.parametrize(
    ("ai", "other"),
    [
        (SILENT, OTHER),
        (AI, SILENT),
        (series(rate("0 to 6 h after", 3, 0, inf)), series(rate("0 to 6 h after", 1, 0.5, 2))),
        (series(rate("0 to 6 h after", 3, 1, 9), rate("before", 0.0, 0, 0.4)), OTHER),
        (series(rate("x" * 500 + " after", 3, 1, 9)), series(rate("x" * 500 + " after", 1, 0.5, 2))),
    ],
    ids=["only others", "only AI", "one window without limits", "nothing before", "a long name"],
)
def test_odd_series_are_drawn_all_the_same(ai, other):
    figure = risk_windows(ai, other, None)
    for svg in (figure.svg, figure.narrow):
        shown = words(svg)
        assert "1" in shown and max(map(len, shown)) < 120


def test_a_difference_is_refused():
    wrong = replace(AI, estimand=Estimand.RATE_DIFFERENCE, id="x")
    with pytest.raises(ValueError, match="risk_windows draws ratios; 'x' is a rate difference"):
        risk_windows(wrong, OTHER)
