"""The plane of a confounder's two strengths: curves, rings and words that agree with the numbers."""

import re
from dataclasses import replace
from math import inf, nan
from xml.etree import ElementTree

import matplotlib
import pytest
from pytest import approx
from svg_paths import shapes, spread

from counterfault.estimate import Estimand, Estimate, Interval, not_estimable
from counterfault.figures.confounding import confounding_contour
from counterfault.figures.figure import Figure


def estimate(id: str, value: float, estimand: Estimand = Estimand.RISK_RATIO, **fields: object) -> Estimate:
    made = Estimate(estimand=estimand, value=value, interval=Interval(0.0, inf, 0.95), method="given", id=id)
    return replace(made, **fields)


def ratio(value: float, low: float, high: float) -> Estimate:
    return estimate("primary", value, interval=Interval(low, high, 0.95))


def measured(name: str, exposure: float, outcome: float, moved: float = 1.01) -> Estimate:
    id = f"confounding.without.{name}"
    factor = exposure * outcome / (exposure + outcome - 1)
    parts = (
        estimate(f"{id}.with_exposure", exposure),
        estimate(f"{id}.with_outcome", outcome),
        estimate(f"{id}.bounding_factor", factor),
    )
    return estimate(id, moved, Estimand.RATIO_OF_RATIOS, label=f"without {name}", parts=parts)


STRATA = estimate("confounding.without.strata", 1.44, Estimand.RATIO_OF_RATIOS, label="without service × quarter")
MEASURED = (measured("author_tenure_days", 1.2, 1.3), measured("at_peak", 1.05, 1.5), STRATA)
NOTHING = not_estimable(Estimand.RISK_RATIO, "no incident in either group", method="none", level=0.95)


def drawn(primary: Estimate, found: tuple[Estimate, ...] = MEASURED) -> Figure:
    return confounding_contour(primary, found, worth_acting_on=1.25)


HARM = drawn(ratio(1.6, 1.3, 2.0))
EVERY = {
    "harm": HARM,
    "benefit": drawn(ratio(0.6, 0.5, 0.7)),
    "no difference": drawn(ratio(1.1, 0.9, 1.4)),
    "very strong": drawn(ratio(9.0, 6.0, 14.0)),
    "nothing measured": drawn(ratio(1.6, 1.3, 2.0), ()),
    "not estimable": drawn(NOTHING),
}
every_figure = pytest.mark.parametrize("name", EVERY)


def elements(svg: str, kind: str) -> list[ElementTree.Element]:
    return [element for element in spread(svg).iter() if element.tag.endswith(kind)]


def words(svg: str) -> list[str]:
    return [element.text or "" for element in elements(svg, "text")]


@every_figure
def test_the_picture_carries_its_finding_as_a_name_at_both_widths(name):
    figure = EVERY[name]
    for svg in (figure.svg, figure.narrow):
        root = ElementTree.fromstring(svg)
        assert root.get("role") == "img" and root.get("aria-label") == figure.alt
        assert not re.search(r"\sid=|url\(|href|<style|<script", svg)
    assert figure.caption in figure.alt


@every_figure
def test_ink_comes_from_the_page_so_that_it_reads_on_light_and_on_dark(name):
    for svg in (EVERY[name].svg, EVERY[name].narrow):
        assert "currentColor" in svg
        assert not re.search(r":\s*#[0-9a-fA-F]{3,6}", re.sub(r"var\([^)]*\)", "", svg))


@every_figure
def test_no_word_leaves_the_picture_of_a_telephone(name):
    # 7.2 pixels a letter is the widest the figures reckon with.
    for text in elements(EVERY[name].narrow, "text"):
        length, x = 6.4 * len(text.text or ""), float(text.get("x", nan))
        start = {"middle": x - length / 2, "end": x - length}.get(anchor(text), x)
        assert start >= -4 and start + length <= 348, text.text


def anchor(text: ElementTree.Element) -> str:
    found = re.search(r"text-anchor:\s*(\w+)", text.get("style", ""))
    return found[1] if found else text.get("text-anchor", "start")


def test_the_finding_is_the_e_values_the_strongest_measured_and_what_strata_did():
    # sqrt(1.6 * 0.6) = 0.980 and sqrt(1.3 * 0.3) = 0.6245; 1.2 * 1.3 / 1.5 = 1.04, 1.05 * 1.5 / 1.55 = 1.016
    assert HARM.caption == (
        "To bring 1.60 to 1, something unmeasured would have to be 2.58 times as common with AI and make failure 2.58 "
        "times as likely; to bring its limit there, 1.92 times each. The strongest measured one, author tenure days "
        "(1.20 with AI assistance, 1.30 with failure), could multiply the ratio by 1.04 at most. Without comparing "
        "within service × quarter the ratio would be 1.44 times as large."
    )


def test_the_numbers_behind_it_hold_every_curve_and_every_measured_confounder():
    data = HARM.data.set_index("mark")
    assert list(data.index) == [
        "Estimate at 1", "Limit at 1", "Estimate at 1.25", "author tenure days", "at peak", "service × quarter",
    ]  # fmt: skip
    assert data.loc["Limit at 1", "with exposure"] == approx(1.9245, abs=5e-5)
    assert data.loc["Estimate at 1.25", "multiplies by at most"] == approx(1.28)
    assert data.loc["author tenure days", "ratio left"] == approx(1.6 / 1.04)
    assert data.loc["service × quarter", "moved when left out"] == 1.44


def test_of_a_ratio_below_one_the_limit_is_the_upper_one_and_the_group_the_other():
    figure = EVERY["benefit"]
    data = figure.data.set_index("mark")
    assert data.loc["Limit at 1", "multiplies by at most"] == approx(1 / 0.7)
    assert data.loc["Estimate at 0.80", "multiplies by at most"] == approx(0.8 / 0.6)
    assert data.loc["author tenure days", "ratio left"] == approx(0.6 * 1.04)
    assert "times as common without AI" in words(figure.svg) and "times as common without AI" in figure.caption
    assert "times as common with AI" in words(HARM.svg)


def test_an_interval_that_holds_one_has_no_curve_for_its_limit():
    figure = EVERY["no difference"]
    assert "limit at 1" not in words(figure.svg)
    assert "estimate at 1" in words(figure.svg)
    assert "its interval holds 1 as it is" in figure.caption


def test_curves_and_measured_confounders_are_told_apart_without_colour():
    assert {"estimate at 1", "limit at 1", "estimate at 1.25", "author tenure days", "at peak"} <= set(words(HARM.svg))
    dashes = re.findall(r"stroke-dasharray:\s*([\d., ]+)", HARM.svg)
    assert len(set(dashes)) == 2  # and the third curve is solid
    rings = [shape for shape in shapes(HARM.svg) if "--human" in shape.style]
    assert len(rings) == 2 and all("fill-opacity:0" in ring.style for ring in rings)


def test_the_diamond_stands_on_the_curve_where_both_strengths_are_equal():
    at = [shape.middle for shape in shapes(HARM.svg) if shape.closed and "fill:currentColor" in shape.style]
    lines = [shape for shape in shapes(HARM.svg) if len(shape.places) > 50 and "fill:none" in shape.style]
    drawn_at = [place for line in lines for place in line.places]
    assert len(at) == 2
    for x, y in at:
        assert min(abs(x - a) + abs(y - b) for a, b in drawn_at) < 4


def test_names_of_confounders_that_are_equally_strong_do_not_lie_on_each_other():
    same = tuple(measured(name, 1.2, 1.3) for name in ("first", "second", "third"))
    figure = drawn(ratio(1.6, 1.3, 2.0), same)
    heights = sorted(
        float(t.get("y", nan)) for t in elements(figure.svg, "text") if t.text in ("first", "second", "third")
    )
    assert heights[1] - heights[0] > 12 and heights[2] - heights[1] > 12


def test_without_a_ratio_the_figure_says_so_and_still_shows_what_was_measured():
    figure = EVERY["not estimable"]
    assert figure.caption.startswith("There is no ratio to explain.")
    assert "author tenure days" in words(figure.svg)
    alone = drawn(NOTHING, ())
    assert list(alone.data["mark"]) == ["nothing to draw"]


def test_the_same_numbers_give_the_same_bytes_whatever_the_users_settings():
    with matplotlib.rc_context({"font.size": 30, "lines.linewidth": 9}):
        assert drawn(ratio(1.6, 1.3, 2.0))._repr_html_() == HARM._repr_html_()


def test_wrong_arguments_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match=r"^confounding_contour draws ratios; 'x' estimates: risk difference$"):
        drawn(estimate("x", 0.01, Estimand.RISK_DIFFERENCE))
    with pytest.raises(ValueError, match=r"^worth_acting_on must be above 1; it is 0\.8$"):
        confounding_contour(ratio(1.6, 1.3, 2.0), (), worth_acting_on=0.8)
