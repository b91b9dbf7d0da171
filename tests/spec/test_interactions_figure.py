"""Interactions: each amplifier as a pair of ratios, with their ratio and its corrected p beside."""

from dataclasses import replace
from math import inf
from xml.etree import ElementTree

import pytest

from counterfault.estimate import Estimand, Estimate, Interval, not_estimable
from counterfault.figures import interactions


def estimate(estimand: Estimand, value: float, low: float, high: float, **more: object) -> Estimate:
    return Estimate(estimand=estimand, value=value, interval=Interval(low, high, 0.95), method="", **more)


def contrast(name: str, elsewhere: float, amplified: float) -> Estimate:
    parts = tuple(estimate(Estimand.RISK_RATIO, v, v / 1.5, v * 1.5) for v in (elsewhere, amplified))
    apart = amplified / elsewhere
    return estimate(Estimand.RATIO_OF_RATIOS, apart, apart / 1.4, apart * 1.4, id=f"amplifier.{name}.ratio",
                    label=f"{name}: yes", parts=parts)  # fmt: skip


PEAK, SIZE = contrast("peak", 1.2, 2.4), contrast("size", 1.5, 1.5)
SILENT = replace(
    not_estimable(Estimand.RATIO_OF_RATIOS, "no column validated", method="", level=0.95), label="validated: no"
)


def words(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("text")]


def test_the_caption_names_what_stands_out_after_correction():
    figure = interactions([PEAK, SIZE, SILENT], [0.004, 1.0, None])
    assert figure.caption == (
        "Of 3 planned contrasts 2 can be estimated; after correction (Holm) these stand out from 1: peak: yes. "
        "The pairs are not corrected for coincidental links."
    )


def test_where_none_stands_out_the_one_with_the_smallest_p_is_told():
    assert interactions([PEAK, SIZE], [0.3, 1.0]).caption == (
        "Of 2 planned contrasts 2 can be estimated; after correction (Holm) none stands out from 1, which does not "
        "show that AI does the same everywhere. Smallest p: peak: yes, 2.00 (1.43–2.80), adjusted p 0.3; the interval "
        "is at 95%. The pairs are not corrected for coincidental links."
    )


def test_a_p_at_the_level_stands_out_and_one_above_it_does_not():
    assert "these stand out" in interactions([PEAK], [0.05]).caption
    assert "none stands out" in interactions([PEAK], [0.0501]).caption


def test_both_sides_and_their_ratio_are_drawn_and_in_the_numbers():
    figure = interactions([PEAK], [0.004], worth_acting_on=1.25)
    row = figure.data.iloc[0]
    assert (row["where amplified"], row["elsewhere"], row["ratio of the two"]) == (2.4, 1.2, 2.0)
    for svg in (figure.svg, figure.narrow):
        shown = " ".join(words(svg))
        assert "● where amplified   □ elsewhere" in shown
        assert "2.00 (1.43–2.80)" in shown and "p 0.004" in shown


def test_without_any_estimate_the_reason_is_told():
    figure = interactions([SILENT], [None])
    assert figure.caption == "None of 1 contrasts can be estimated: no column validated."
    assert "not estimable" in " ".join(words(figure.svg))


@pytest.mark.parametrize(
    "item",
    [
        replace(PEAK, label="<b>" * 3000),
        replace(PEAK, parts=()),
        replace(PEAK, parts=(replace(PEAK.parts[0], interval=Interval(0, inf, 0.95)), PEAK.parts[1])),
        replace(PEAK, parts=(replace(PEAK.parts[0], value=0.0), PEAK.parts[1])),
    ],
    ids=["a long name", "no sides", "a side without limits", "a side without failures"],
)
def test_odd_contrasts_are_drawn_all_the_same(item):
    figure = interactions([item, SIZE], [None, None])
    for svg in (figure.svg, figure.narrow):
        assert "2.00 (1.43–2.80)" in " ".join(words(svg)) and max(map(len, words(svg))) < 80


def test_a_p_for_each_contrast_is_wanted():
    with pytest.raises(ValueError, match="1 adjusted p for 2 contrasts; give one for each"):
        interactions([PEAK, SIZE], [0.5])


def test_a_difference_is_refused_and_so_is_nothing_at_all():
    with pytest.raises(ValueError, match="there is no contrast to draw"):
        interactions([], [])
    with pytest.raises(ValueError, match="interactions draws ratios; 'x' is a relative excess risk"):
        interactions([estimate(Estimand.RERI, 0.1, -1, 1, id="x")], [None])
