"""Spill-over by hop: where nothing can be said the figure says that, and not that nothing spreads."""

from dataclasses import replace
from math import inf
from xml.etree import ElementTree

import pytest

from counterfault.estimate import Estimand, Estimate, Interval, not_estimable
from counterfault.figures import spill_over


def ratio(value: float, low: float, high: float, **support: int) -> Estimate:
    interval = Interval(low, high, 0.95)
    return Estimate(estimand=Estimand.RISK_RATIO, value=value, interval=interval, method="", support=support)


def silent(reason: str, **support: int) -> Estimate:
    return not_estimable(Estimand.RISK_RATIO, reason, method="", level=0.95, support=support)


CHANGED = ratio(1.6, 1.2, 2.1)
COINCIDENCE = silent("what these data hold is coincidence", links=406, links_by_chance=381)


def words(svg: str) -> str:
    return " | ".join(e.text or "" for e in ElementTree.fromstring(svg).iter() if e.tag.endswith("text"))


def test_where_no_hop_has_a_ratio_the_figure_says_that_nothing_is_shown_either_way():
    figure = spill_over([COINCIDENCE, silent("too few", links=20, links_by_chance=19)], CHANGED)
    assert figure.caption == (
        "On the changed service the ratio is 1.60 (95% interval 1.20–2.10): above 1. Further away no ratio can be "
        "given (1 hop: 406 ties, 381 by chance; 2 hops: 20 ties, 19 by chance): these data neither show that failures "
        "spread nor that they do not. Ties include coincidences, and no ratio here is corrected for them."
    )
    for svg in (figure.svg, figure.narrow):
        shown = words(svg)
        assert shown.count("not estimable") == 2 and "coincidence" in shown
        assert ("● 406 ties   ◇ 381 by chance" if svg is figure.svg else "406 ties, 381 by chance") in shown
        assert shown.count("?") == 2 + 3  # the nodes of both hops


def test_a_ratio_stands_at_its_hop_with_its_interval():
    figure = spill_over([ratio(1.4, 1.1, 1.9, links=300, links_by_chance=100), ratio(1.1, 0.4, 3.0)])
    assert figure.caption == (
        "1 hop: 1.40 (95% interval 1.10–1.90): above 1 (300 ties, 100 by chance); "
        "2 hops: 1.10 (95% interval 0.40–3.00): includes 1. Ties include coincidences, and no ratio here is corrected "
        "for them."
    )
    for svg in (figure.svg, figure.narrow):
        shown = words(svg)
        assert "1.40 (1.10–1.90)" in shown and "1.10 (0.40–3.00)" in shown and "?" not in shown


def test_the_numbers_hold_ties_where_they_were_counted():
    data = spill_over([COINCIDENCE], CHANGED).data
    assert data["where"].tolist() == ["the changed service", "1 hop: services that need it"]
    assert data["ties"].tolist()[1] == 406 and data["ties by chance"].tolist()[1] == 381
    assert "ties" not in spill_over([CHANGED]).data


@pytest.mark.parametrize(
    "hops",
    [
        [ratio(1.4, 0, inf)],
        [ratio(0.0, 0, 3, links=3, links_by_chance=0)],
        [silent("no table dependencies")] * 5,
        [silent("<script>" + "x" * 5000, links=0, links_by_chance=0)],
        [ratio(1.0, 0.9, 1.1, links=7)],
    ],
    ids=["no limits", "no event", "five hops without a table", "a hostile reason", "chance not known"],
)
def test_odd_hops_are_drawn_all_the_same(hops):
    figure = spill_over(hops, None)
    for svg in (figure.svg, figure.narrow):
        assert "the changed service" in words(svg) and len(svg) < 60_000


def test_a_suppressed_count_is_not_drawn():
    masked = replace(COINCIDENCE, support={"links": "< 5", "links_by_chance": "suppressed"})
    figure = spill_over([masked], CHANGED)
    assert "ties" not in words(figure.svg) and "ties" not in figure.data


def test_a_difference_is_refused_and_so_is_nothing_at_all():
    with pytest.raises(ValueError, match="there is no hop to draw"):
        spill_over([])
    with pytest.raises(ValueError, match="spill_over draws ratios; 'x' is a risk difference"):
        spill_over([replace(CHANGED, estimand=Estimand.RISK_DIFFERENCE, id="x")])
