"""Figures say what they show, in a picture, in words and in numbers that agree."""

import csv
import inspect
import json
import re
import subprocess
import sys
from dataclasses import replace
from functools import cache
from io import StringIO
from itertools import product
from math import inf, log, nan
from urllib.parse import unquote
from xml.etree import ElementTree

import matplotlib
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from svg_paths import markers, shapes

import counterfault.figures
from counterfault.estimate import Estimand, Estimate, Interval, not_estimable
from counterfault.estimators.amplifying.causal_diagram import causal_diagram as diagram_of
from counterfault.figures import (
    Figure,
    Table,
    adoption,
    causal_diagram,
    claims,
    confounding_contour,
    control_funnel,
    event_study,
    failure_rates,
    failures_by_share,
    flow,
    forest,
    incident_flow,
    interactions,
    link_grid,
    links,
    power_curve,
    risk_windows,
    specification_curve,
    spill_over,
    table_html,
    time_to_incident,
    verdict_strip,
)
from counterfault.figures.failure_rate import wilson
from counterfault.figures.figure import RECIPE_MIME
from counterfault.figures.recipe import redraw
from counterfault.figures.sheet import ratio_ticks
from counterfault.figures.slim import commands, path_data, slimmed
from counterfault.figures.tables import csv_text
from counterfault.figures.wording import clip, finding, number, percent, sentence_start


def ratio(value: float, low: float, high: float, label: str = "all", id: str = "primary") -> Estimate:
    return Estimate(
        estimand=Estimand.RISK_RATIO,
        value=value,
        interval=Interval(low, high, 0.95),
        method="Mantel–Haenszel",
        id=id,
        label=label,
    )


def difference(value: float, low: float, high: float) -> Estimate:
    return Estimate(
        estimand=Estimand.RISK_DIFFERENCE, value=value, interval=Interval(low, high, 0.95), method="score", id="crude"
    )


XMLNS = "http://www.w3.org/2000/svg"
NOTHING = not_estimable(Estimand.RISK_RATIO, "no incident in either group", method="none", level=0.95, label="search")

PERIODS = pd.DataFrame(
    [("2025-Q1", 10, 90, 100), ("2025-Q2", 0, 0, 40), ("2025-Q3", 60, 40, 0)],
    columns=["period", "ai", "human", "unknown"],
)
RATES = pd.DataFrame(
    [("2025-Q1", 1, 10, 1), ("2025-Q1", 0, 90, 3), ("2025-Q2", 1, 0, 0), ("2025-Q2", 0, 80, 2)],
    columns=["period", "exposed", "n", "events"],
)
STEPS = pd.DataFrame(
    [("not followed", 2, 3, 1), ("assistance unknown", 0, 0, 14), ("analysed", 20, 60, 0)],
    columns=["step", "ai", "human", "unknown"],
)
RULES = pd.DataFrame([("recorded", 40, nan), ("window", 100, 29.6)], columns=["rule", "observed", "expected_by_chance"])

ALL = {
    "strip": lambda: verdict_strip(ratio(1.62, 1.31, 2.0), worth_acting_on=1.25),
    "strip without a value": lambda: verdict_strip(NOTHING, worth_acting_on=1.25),
    "forest": lambda: forest([ratio(1.62, 1.31, 2.0), ratio(0.7, 0, inf, "checkout"), NOTHING], worth_acting_on=1.25),
    "forest of differences": lambda: forest([difference(0.012, -0.004, 0.028)]),
    "adoption": lambda: adoption(PERIODS),
    "failure rates": lambda: failure_rates(RATES),
    "flow": lambda: flow(STEPS),
    "links": lambda: links(RULES),
}
RATIOS = tuple(replace(ratio(value, value / 2, value * 2), label=f"part {value}") for value in (0.8, 1.2, 1.7))
PARTED = replace(ratio(1.2, 0.9, 1.6), parts=RATIOS)
CHANGE = replace(difference(0.01, -0.02, 0.04), parts=(replace(difference(0.01, 0, 0.02), label="period 0"),))
APART = replace(ratio(1.4, 0.9, 2.2), estimand=Estimand.RATIO_OF_RATIOS, label="size: at least 100", parts=RATIOS[:2])
RATE = replace(ratio(8.0, 6, 11, "0 to 6 h after"), estimand=Estimand.RATE_RATIO)
POWER = replace(
    ratio(0.5, 0.4, 0.6), estimand=Estimand.RISK, support={"runs": 400},
    parts=tuple(replace(ratio(0.5, 0.4, 0.6, f"ratio {planted}"), estimand=Estimand.RISK) for planted in (1, 1.5)),
)  # fmt: skip
CURVES = pd.DataFrame(
    [(group, hours, hours / 1000, hours / 2000, hours / 500, 10 * bool(hours))
     for group in ("AI-assisted", "not AI-assisted") for hours in (0, 6, 72)],
    columns=["group", "hours", "risk", "low", "high", "events"],
)  # fmt: skip
LOST = pd.DataFrame(
    [("no service", 0, 0, 6), ("tied to an analysed change", 40, 20, 0)], columns=["step", "record", "time", "untied"]
)
SHARES = pd.DataFrame(
    [(1.5, share, share / 2) for share in (0.0, 0.5, 1.0)], columns=["ratio", "share_of_changes", "share_of_failures"]
)
READ = pd.DataFrame([("null", "verdict", 0.02), ("null", "oracle", 0.03)], columns=["world", "reading", "share"])
CONTROL = replace(
    ratio(1.1, 0.8, 1.5, "other causes: data", "negative_control.incidents.data"), standard_error=log(1.5 / 0.8) / 3.92
)

# Arguments for every function that makes a figure; one that is missing here fails the test below.
EXAMPLES = {
    "adoption": lambda: adoption(PERIODS),
    "causal_diagram": lambda: causal_diagram(diagram_of(("tenure",), ("size",), ("service",))),
    "claims": lambda: claims(READ, title="Claims of harm where there is none"),
    "confounding_contour": lambda: confounding_contour(ratio(1.6, 1.3, 2.0), [], worth_acting_on=1.25),
    "control_funnel": lambda: control_funnel([CONTROL], ratio(1.6, 1.3, 2.0)),
    "event_study": lambda: event_study(CHANGE),
    "failure_rates": lambda: failure_rates(RATES),
    "failures_by_share": lambda: failures_by_share(SHARES, 0.3),
    "flow": lambda: flow(STEPS),
    "forest": lambda: forest([ratio(1.62, 1.31, 2.0)]),
    "incident_flow": lambda: incident_flow(LOST),
    "interactions": lambda: interactions([APART], [0.2]),
    "link_grid": lambda: link_grid(PARTED, PARTED),
    "links": lambda: links(RULES),
    "power_curve": lambda: power_curve(POWER, POWER, ratio(1.4, 1.3, 1.5), worth_acting_on=1.25),
    "risk_windows": lambda: risk_windows(replace(RATE, parts=(RATE,)), replace(RATE, parts=(RATE,))),
    "specification_curve": lambda: specification_curve(PARTED),
    "spill_over": lambda: spill_over([ratio(1.1, 0.8, 1.5)]),
    "time_to_incident": lambda: time_to_incident(CURVES),
    "verdict_strip": lambda: verdict_strip(ratio(1.62, 1.31, 2.0), worth_acting_on=1.25),
}
ASSUMED = {"causal_diagram"}  # shows what the plan assumes, and finds nothing

every_figure = pytest.mark.parametrize("name", ALL)


@cache
def made(name: str) -> Figure:
    """A figure drawn once for all the tests that only look at it."""
    return ALL[name]()


@cache
def example(name: str) -> Figure:
    return EXAMPLES[name]()


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("text")]


def places(svg: str) -> dict[str, float]:
    """Where each text stands, in pixels from the left."""
    found = ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
    return {element.text or "": float(element.get("x", "nan")) for element in found}


# --- every figure ----------------------------------------------------------------------------------------------------


def test_every_function_that_makes_a_figure_has_an_example_here():
    public = {name: getattr(counterfault.figures, name) for name in counterfault.figures.__all__}
    makers = {name for name, each in public.items() if inspect.isfunction(each) and _returns(each) == "Figure"}
    assert makers == set(EXAMPLES)


def _returns(function: object) -> str:
    return str(inspect.signature(function).return_annotation).rsplit(".", 1)[-1]


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_figure_says_what_it_shows_and_what_is_found(name):
    figure = example(name)
    assert figure.title.strip() and figure.caption.strip()
    assert len(figure.alt.split()) >= 6, "an alternative text is a sentence"
    numbers = re.findall(r"\d[\d.,]*\d|\d", figure.caption)
    assert set(numbers) <= set(re.findall(r"\d[\d.,]*\d|\d", figure.alt)), "who cannot see it is told its finding too"
    assert name in ASSUMED or re.search(r"\d|not estimable", figure.alt), (
        "the finding is a number, or that there is none"
    )


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_figure_with_a_recipe_is_drawn_again_to_the_last_byte(name):
    figure = example(name)
    shown = figure._repr_mimebundle_()
    assert shown["text/html"].startswith(figure._repr_html_()) and shown["text/plain"] == figure.caption
    if RECIPE_MIME in shown:
        travelled = json.loads(json.dumps(shown[RECIPE_MIME], allow_nan=False))
        assert redraw(travelled, lambda same: same)._repr_html_() == figure._repr_html_()


def test_what_is_drawn_from_counts_has_a_recipe():
    drawn_from_counts = {"adoption", "failure_rates", "flow", "incident_flow", "links", "time_to_incident"}
    assert {name for name in drawn_from_counts if example(name).recipe is None} == set()


def test_a_recipe_nobody_knows_is_refused():
    with pytest.raises(ValueError, match="no figure 'pie' can be drawn again; there are adoption, "):
        redraw({"figure": "pie", "arguments": {}}, lambda same: same)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_numbers_behind_a_figure_can_be_saved_without_asking_anyone(name):
    figure = example(name)
    address = re.search(
        r'<a href="data:text/csv;charset=utf-8,([^"]*)" download="([a-z0-9-]+)\.csv">', figure._repr_html_()
    )
    assert address, "no link to the numbers"
    saved = pd.read_csv(StringIO(unquote(address[1])))
    assert len(saved) == len(figure.data) and list(saved.columns) == [str(column) for column in figure.data.columns]


def test_a_saved_table_runs_nothing_in_a_spreadsheet():
    text = csv_text(
        pd.DataFrame({"=SUM(A1)": ["=cmd|' /C calc'!A0", "+1", "-1", "@x", "plain"], "n": [-1, 2, 3, 4, 5]})
    )
    rows = list(csv.reader(StringIO(text)))
    assert [row[0] for row in rows] == ["'=SUM(A1)", "'=cmd|' /C calc'!A0", "'+1", "'-1", "'@x", "plain"]
    assert rows[1][1] == "-1", "a number is no formula"


def test_a_saved_number_has_six_digits():
    assert csv_text(pd.DataFrame({"x": [1 / 3, 1234567.0, nan]})) == 'x\n0.333333\n1.23457e+06\n""\n'


# --- in fewer bytes --------------------------------------------------------------------------------------------------


def test_markers_alike_stand_in_one_path_and_say_their_style_once():
    several = forest([ratio(1 + place / 10, 0.9, 3, f"s{place}") for place in range(9)]).svg
    circles = [shape for shape in shapes(several) if shape.closed and "currentColor" in shape.style]
    assert len(circles) == 9
    assert several.count("<path") < 15


def test_the_curve_of_eighty_specifications_stays_small():
    parts = [ratio(1 + place / 80, 0.8, 3, f"window {hours} h · {within} · {held} · {how}")
             for place, (hours, within, held, how) in enumerate(product(range(5), "ab", "cd", "efgh"))]  # fmt: skip
    figure = specification_curve(replace(ratio(1.5, 0, inf), parts=tuple(parts)))
    assert max(len(figure.svg), len(figure.narrow)) < 25_000


@pytest.mark.parametrize(
    ("style", "overlap", "joined"),
    [
        ("fill:none;stroke:red", True, True),
        (
            "fill:none;stroke:red;stroke-opacity:0.5",
            True,
            False,
        ),  # where they cross it would be painted once, not twice
        ("fill:red", True, False),  # turning in opposite directions they would leave a hole
        ("fill:red", False, True),
    ],
)
def test_paths_are_joined_only_where_nothing_changes(style, overlap, joined):
    root = ElementTree.Element("svg")
    for start in (0, 5 if overlap else 50):
        ElementTree.SubElement(root, "path", {"d": f"M {start} 0 L {start + 10} 0 L {start + 10} 9 z", "style": style})
    before = [shape.places for each in root for shape in shapes(f'<svg xmlns="{XMLNS}">{_text(each)}</svg>')]
    slimmed(root)
    after = shapes(f'<svg xmlns="{XMLNS}">{"".join(map(_text, root))}</svg>')
    assert len(root.findall("path")) == (1 if joined else 2) or root.find("g") is not None
    assert [shape.places for shape in after] == before


def _text(element: ElementTree.Element) -> str:
    return ElementTree.tostring(element, encoding="unicode")


@given(st.lists(st.tuples(st.floats(-900, 900), st.floats(-900, 900)), min_size=2, max_size=12), st.booleans())
def test_a_shorter_path_passes_the_same_places_to_a_tenth_of_a_pixel(places, closed):
    d = "M " + " L ".join(f"{x:.6f} {y:.6f}" for x, y in places) + (" z" if closed else "")
    (shape,) = shapes(f'<svg xmlns="{XMLNS}"><path d="{path_data(commands(d))}"/></svg>')
    wanted = [(round(10 * x), round(10 * y)) for x, y in places]
    wanted = [place for at, place in enumerate(wanted) if at == 0 or place != wanted[at - 1]]
    assert [(round(10 * x), round(10 * y)) for x, y in shape.places] == wanted and shape.closed is closed


@every_figure
def test_a_figure_is_an_image_with_its_finding_as_a_name(name):
    figure = made(name)
    for svg in (figure.svg, figure.narrow):
        root = ElementTree.fromstring(svg)
        assert root.get("role") == "img"
        assert root.get("aria-label") == figure.alt
        assert root.get("viewBox")
    assert figure.caption.strip() and figure.title.strip() and len(figure.data)


@every_figure
def test_a_figure_can_stand_in_a_page_beside_others_and_twice(name):
    figure = made(name)
    for svg in (figure.svg, figure.narrow):
        # Without ids and references nothing in one picture can reach into another.
        assert not re.search(r"\sid=|url\(|href|<style|<script|<\?xml|<!DOCTYPE|<!--", svg)


@every_figure
def test_a_figure_takes_its_ink_from_the_page(name):
    figure = made(name)
    for svg in (figure.svg, figure.narrow):
        assert "currentColor" in svg
        outside_variables = re.sub(r"var\([^)]*\)", "", svg)
        assert not re.search(r":\s*#[0-9a-fA-F]{3,6}", outside_variables)
        assert "font-family" not in svg


@every_figure
def test_the_same_numbers_give_the_same_bytes_whatever_the_users_settings(name):
    before = made(name)._repr_html_()
    with matplotlib.rc_context({"font.size": 30, "text.color": "red", "svg.fonttype": "path", "lines.linewidth": 9}):
        assert ALL[name]()._repr_html_() == before


def test_drawing_leaves_the_users_settings_alone():
    before = dict(matplotlib.rcParams)
    flow(STEPS)
    assert dict(matplotlib.rcParams) == before


@every_figure
def test_the_numbers_lie_behind_the_figure_in_a_closed_table(name):
    html = made(name)._repr_html_()
    assert "<details><summary>Numbers behind" in html
    assert '<th scope="col"' in html and '<th scope="row"' in html and "<caption>" in html


@pytest.mark.parametrize("missing", ["alt", "caption", "title"])
def test_a_figure_nobody_described_is_refused(missing):
    words = {"alt": "a", "caption": "c", "title": "t", missing: "  "}
    with pytest.raises(ValueError, match=f"{missing} is empty; say in words what the picture shows"):
        Figure(svg="<svg/>", data=pd.DataFrame(), **words)


def test_importing_the_figures_and_pages_loads_no_heavy_library():
    heavy = "{'matplotlib', 'pandas', 'numpy', 'nbconvert', 'jinja2', 'bleach', 'nbformat'}"
    code = f"import sys, counterfault.figures, counterfault.publish; print(sorted({heavy} & sys.modules.keys()))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"


# --- findings in words -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "place"),
    [
        (1.31, 2.00, "above 1 and above 1.25"),
        (1.05, 1.90, "above 1; includes 1.25"),
        (1.01, 1.20, "above 1; does not reach 1.25"),
        (0.50, 0.70, "below 1 and below 0.80"),
        (0.60, 0.90, "below 1; includes 0.80"),
        (0.90, 1.10, "includes 1; lies within 0.80–1.25"),
        (0.90, 1.30, "includes 1 and also 1.25"),
        (0.63, 3.25, "includes 1 and also 0.80 and 1.25"),
        (0, inf, "includes 1 and also 0.80 and 1.25"),
    ],
)
def test_the_finding_says_where_the_interval_lies(low, high, place):
    assert finding(ratio(1.0, low, high), 1.25).endswith(f"): {place}")


def test_a_caption_holds_value_limits_and_place():
    figure = verdict_strip(ratio(1.62, 1.31, 2.0), worth_acting_on=1.25)
    assert figure.caption == "Risk ratio 1.62 (95% interval 1.31–2.00): above 1 and above 1.25."
    assert figure.caption.rstrip(".") in figure.alt


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1.6249, "1.62"),
        (12.34, "12.3"),
        (1234.5, "1,234"),
        (0.0121, "0.012"),
        (-0.004, "−0.0040"),
        (0.0, "0"),
        (inf, "∞"),
        (-inf, "−∞"),
        (nan, "–"),
    ],
)
def test_numbers_have_the_digits_a_reader_can_use(value, shown):
    assert number(value) == shown


def test_percentages_below_ten_keep_one_decimal():
    assert [percent(share) for share in (0, 0.004, 0.0321, 0.62, 1, nan)] == ["0%", "0.4%", "3.2%", "62%", "100%", "–"]


# --- the strip and the forest ----------------------------------------------------------------------------------------


def test_ratios_lie_on_a_logarithmic_axis():
    at = places(verdict_strip(ratio(1.44, 0.63, 3.25), worth_acting_on=1.25).svg)
    per_log = (at["3"] - at["1"]) / log(3)
    assert at["2"] - at["1"] == pytest.approx(per_log * log(2), abs=0.15)
    assert at["1"] - at["0.75"] == pytest.approx(-per_log * log(0.75), abs=0.15)


def test_the_point_stands_where_its_value_is():
    svg = verdict_strip(ratio(1.5, 1.2, 1.9), worth_acting_on=1.25).svg
    assert markers(svg) == [pytest.approx(places(svg)["1.5"], abs=0.1)]


def test_the_strip_names_its_zones_and_marks_the_threshold():
    words = texts(verdict_strip(ratio(1.62, 1.31, 2.0), worth_acting_on=1.25).svg)
    assert {"← fewer", "too small to act on (0.80–1.25)", "more →", "1.62", "1.31", "2.00"} <= set(words)


def test_a_limit_without_bound_is_an_arrow():
    bounded = forest([ratio(1.2, 0.5, 2)], worth_acting_on=1.25).svg
    unbounded = forest([ratio(1.2, 0, inf)], worth_acting_on=1.25).svg
    assert len(markers(unbounded)) == len(markers(bounded)) + 2


def test_a_limit_far_away_is_an_arrow_too_and_keeps_its_number():
    figure = forest([ratio(1.2, 0.9, 1.6, "a"), ratio(2, 0.001, 5000, "b")], worth_acting_on=1.25)
    assert len(markers(figure.svg)) == 2 + 2
    assert "2.00 (0.0010–5,000)" in texts(figure.svg)


def test_what_cannot_be_estimated_says_so_and_why():
    strip = verdict_strip(NOTHING, worth_acting_on=1.25)
    assert "not estimable" in texts(strip.svg)
    assert strip.caption == "Risk ratio not estimable: no incident in either group."
    assert not markers(strip.svg)
    mixed = forest([ratio(1.62, 1.31, 2.0), NOTHING], worth_acting_on=1.25)
    assert "search" in texts(mixed.svg) and "not estimable" in texts(mixed.svg)
    assert "no incident in either group" in mixed.alt and "1 not estimable" in mixed.caption
    assert list(mixed.data["note"]) == ["", "not estimable: no incident in either group"]


def test_a_forest_counts_its_intervals_by_side():
    several = [ratio(2, 1.5, 3, "a"), ratio(2, 0.9, 3, "b"), ratio(0.5, 0.2, 0.9, "c"), NOTHING]
    assert forest(several).caption == "Of 4 intervals: 1 above 1, 1 below 1, 1 with 1 inside, 1 not estimable."


HOLDING, BROKEN = (0.9, 1.3), (1.05, 1.3)


@pytest.mark.parametrize(
    ("of_time", "of_outcome", "told"),
    [
        (HOLDING, HOLDING, "both controls, which should hold 1, do."),
        (BROKEN, HOLDING, "1 of 2 controls, which should hold 1, do."),
        (BROKEN, BROKEN, "0 of 2 controls, which should hold 1, do."),
    ],
)
def test_controls_are_counted_apart_in_a_forest(of_time, of_outcome, told):
    limits_of = {"placebo.risk_ratio": of_time, "negative_control.risk_ratio": of_outcome}
    controls = [replace(ratio(1.1, *ends), id=name) for name, ends in limits_of.items()]
    assert forest([ratio(2, 1.5, 3, "a"), *controls]).caption == f"Of 1 intervals: 1 above 1; {told}"
    assert forest(controls).caption == sentence_start(told)


def test_of_a_family_the_forest_tells_how_many_stand_out_after_correction():
    family = [ratio(2, 1.5, 3, "a"), ratio(2, 1.1, 4, "b"), NOTHING]
    assert forest(family, adjusted_p=[0.05, 0.0501, None]).caption.endswith(
        ", 1 not estimable. After correction for having asked them all (Holm) 1 of 2 contrasts stand out."
    )
    with pytest.raises(ValueError, match="forest: 1 adjusted p for 3 estimates; give one for each"):
        forest(family, adjusted_p=[0.5])


def test_a_forest_says_in_words_what_is_shaded():
    assert "Shaded: too small to act on (0.80–1.25)." in forest([ratio(1, 0.5, 2)], worth_acting_on=1.25).alt
    assert "Shaded" not in forest([ratio(1, 0.5, 2)]).alt


def test_ratios_and_differences_do_not_share_an_axis():
    with pytest.raises(ValueError, match=r"cannot share an axis \(got risk difference, risk ratio\); draw two"):
        forest([ratio(1, 0.5, 2), difference(0, -1, 1)])


def test_a_forest_of_nothing_is_refused():
    with pytest.raises(ValueError, match="no estimate to draw"):
        forest([])


def test_the_strip_refuses_what_it_cannot_judge():
    with pytest.raises(ValueError, match="'crude' is a risk difference"):
        verdict_strip(difference(0, -1, 1), worth_acting_on=1.25)
    with pytest.raises(ValueError, match=r"must be above 1; it is 0\.8"):
        verdict_strip(ratio(1, 0.5, 2), worth_acting_on=0.8)


@pytest.mark.parametrize(("low", "high"), [(0.7, 1.4), (0.3, 4), (0.02, 60), (0.0001, 1e4), (0.97, 1.03)])
def test_ratio_ticks_are_few_and_hold_no_difference(low, high):
    ticks = ratio_ticks(low, high, 6)
    assert 1.0 in ticks and len(ticks) <= 6 and all(low <= tick <= high for tick in ticks)


# --- over time -------------------------------------------------------------------------------------------------------


def test_the_share_of_ai_is_among_labelled_changes_and_unknown_is_shown():
    figure = adoption(PERIODS)
    assert list(figure.data["ai_share"].dropna()) == [0.1, 0.6]
    assert list(figure.data["unknown_share"]) == [0.5, 1.0, 0.0]
    assert figure.caption == (
        "Of the changes known to be AI-assisted or not, 10% were AI-assisted in 2025-Q1 and 60% in 2025-Q3; of 41% of "
        "all changes it is unknown."
    )
    assert {"AI, of labelled", "unknown, of all"} <= set(texts(figure.svg))


def test_without_labels_no_share_is_given():
    nobody = PERIODS.assign(ai=0, human=0)
    assert adoption(nobody).caption == "No change is labelled, so no share can be given."


@pytest.mark.parametrize(
    ("events", "n", "low", "high"),
    # > for (x in list(c(81,263), c(15,148), c(0,20), c(1,29))) prop.test(x[1], x[2], correct=FALSE)$conf.int
    # R 4.2.2; the same four are printed to four decimals in Newcombe (1998), Statistics in Medicine 17:857, table I
    [
        (81, 263, 0.2552885, 0.3662096),
        (15, 148, 0.0623864, 0.1604872),
        (0, 20, 0.0000000, 0.1611252),
        (1, 29, 0.0061132, 0.1717552),
    ],
)
def test_score_limits_agree_with_r(events, n, low, high):
    assert wilson(events, n, 0.95) == pytest.approx((low, high), abs=5e-8)


def test_a_group_without_changes_has_no_risk_and_no_point():
    figure = failure_rates(RATES)
    assert len(figure.data) == 3 and not figure.data["risk"].isna().any()
    assert "AI-assisted: 1 of 10 were followed by an incident, 10% (1.8% to 40%)" in figure.caption


@pytest.mark.parametrize("column", ["period", "exposed", "n", "events"])
def test_a_missing_column_is_named(column):
    with pytest.raises(ValueError, match=f"failure_rates: no column '{column}'; it has "):
        failure_rates(RATES.drop(columns=column))


def test_a_frame_without_rows_is_refused():
    with pytest.raises(ValueError, match="adoption: the frame has no rows"):
        adoption(PERIODS.head(0))


# --- accounts --------------------------------------------------------------------------------------------------------


def test_in_the_flow_no_change_disappears():
    figure = flow(STEPS)
    assert list(figure.data["total"]) == [100, 94, 80, 80]
    assert list(figure.data["left_out_here"]) == [0, 6, 14, 0]
    assert list(figure.data["step"]) == ["accepted", "without: not followed", "without: assistance unknown", "analysed"]
    assert figure.caption == (
        "Of 100 changes accepted, 80 (80%) are analysed; the largest step leaves out 14 (assistance unknown)."
    )


def test_a_flow_that_ends_in_nothing_says_so():
    figure = flow(STEPS[STEPS["step"] != "analysed"])
    assert figure.data["total"].iloc[-1] == 0
    assert figure.caption.startswith("Of 20 changes accepted, 0 (0%) are analysed")


def test_links_stand_beside_those_expected_by_chance():
    figure = links(RULES)
    assert figure.caption == (
        "Recorded: 40 links, tied by record, not by time; window: 100 links, 30 (30%) expected by chance."
    )
    # one dot per rule, and one diamond where chance applies
    assert len(markers(figure.svg)) == 3


@pytest.mark.parametrize(
    ("planned", "told"),
    [
        ("window", "By the plan's rule (window) 100 links were made; chance alone would give 30 (30%). "),
        ("recorded", "By the plan's rule (recorded) 40 links were made, tied by record, not by time. "),
    ],
)
def test_of_the_rules_that_of_the_plan_is_told_and_the_others_in_the_alternative_text(planned, told):
    figure = links(RULES.assign(planned=RULES["rule"] == planned))
    assert figure.caption == f"{told}The other rules are shown below."
    assert "recorded: 40 links" in figure.alt and "window: 100 links" in figure.alt


def test_of_the_limits_over_time_only_those_at_the_end_are_shown():
    at_the_end = CURVES["hours"] == CURVES["hours"].max()
    figure = time_to_incident(CURVES.assign(low=CURVES["low"].where(at_the_end)), level=0.9, within="services")
    assert figure.caption == (
        "Within 72 hours 7.2% of AI-assisted deployments had an incident (90% interval 3.6% to 14%), and 7.2% of "
        "others in the same services (3.6% to 14%); watching ends at the next deployment."
    )
    assert figure.svg == time_to_incident(CURVES, level=0.9, within="services").svg
    others = time_to_incident(CURVES[CURVES["group"] != "AI-assisted"])
    assert others.caption == (
        "Within 72 hours 7.2% of deployments that are not AI-assisted had an incident (3.6% to 14%); watching ends at "
        "the next deployment."
    )


# --- tables ----------------------------------------------------------------------------------------------------------


def test_a_table_has_caption_scopes_units_and_numbers_on_the_right():
    frame = pd.DataFrame({"service": ["checkout"], "n": [1200], "mean_risk": [0.0314], "ok": [True]})
    assert table_html(frame, "Services", units={"n": "rows"}) == (
        "<table><caption><span>Services</span></caption>\n"
        '<thead><tr><th scope="col">service</th><th scope="col" class="number">n (rows)</th>'
        '<th scope="col" class="number">mean risk</th><th scope="col">ok</th></tr></thead>\n'
        '<tbody>\n<tr><th scope="row"><bdi>checkout</bdi></th><td class="number">1,200</td>'
        '<td class="number">0.031</td><td><bdi>yes</bdi></td></tr>\n</tbody></table>'
    )


@pytest.mark.parametrize("absent", [None, nan, pd.NA, pd.NaT])
def test_nothing_is_shown_as_a_dash(absent):
    assert "<bdi>–</bdi>" in table_html(pd.DataFrame({"a": ["x", absent]}), "c")


def test_a_table_that_may_overflow_scrolls_in_a_named_box_and_a_narrow_one_does_not():
    wide = pd.DataFrame({f"a column with a name {i}": [1] for i in range(5)})
    assert table_html(wide, "Wide").startswith(
        '<div class="scroll" role="group" aria-label="Wide" tabindex="0"><table>'
    )
    assert table_html(pd.DataFrame({"a": [1]}), "Narrow").startswith("<table>")


def test_a_long_table_says_how_much_it_shows():
    html = table_html(pd.DataFrame({"a": range(5000)}), "Rows")
    assert "Rows (first 200 of 5,000 rows)" in html and html.count("<tr>") == 201


def test_a_table_without_a_caption_is_refused():
    with pytest.raises(ValueError, match="a table needs a caption"):
        table_html(pd.DataFrame({"a": [1]}), " ")


def test_a_table_shows_itself_in_a_notebook():
    frame = pd.DataFrame({"share": [0.5]})
    assert ">50%<" in Table(frame, "Shares", formats={"share": percent})._repr_html_()


def test_long_text_is_cut_visibly():
    assert clip("x" * 10_000) == "x" * 59 + "…"
    assert clip("x" * 60) == "x" * 60
