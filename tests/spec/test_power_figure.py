"""The power curve says in words what it shows, and refuses what it cannot draw."""

from math import nan

import pytest

from counterfault.estimate import Estimand, Estimate, Interval
from counterfault.figures.power_curve import power_curve


def share(label: str, value: float, low: float, high: float) -> Estimate:
    limits = Interval(low, high, 0.95)
    return Estimate(estimand=Estimand.RISK, value=value, interval=limits, method="", label=label, support={"runs": 400})


def curve(*points: tuple[str, float]) -> Estimate:
    parts = tuple(share(label, value, max(value - 0.02, 0), min(value + 0.02, 1)) for label, value in points)
    return Estimate(estimand=Estimand.RISK, value=nan, interval=Interval(0, 1, 0.95), method="", parts=parts)


POWER = curve(("ratio 1", 0.0235), ("ratio 1.25", 0.68), ("ratio 1.5", 0.99), ("ratio 2", 1.0))
CALLED = curve(("ratio 1", 0.0), ("ratio 1.25", 0.02), ("ratio 1.5", 0.48), ("ratio 2", 1.0))
SEEN = Estimate(estimand=Estimand.RISK_RATIO, value=1.29, interval=Interval(1.26, 1.33, 0.95), method="")
UNSEEN = Estimate(
    estimand=Estimand.RISK_RATIO, value=nan, interval=Interval(2.0, float("inf"), 0.95), method="",
    caveats=("Even a ratio of 2 was seen in 28% of the runs only, so the ratio seen in 80% is above 2.",),
)  # fmt: skip


def test_the_finding_stands_in_the_caption_and_in_the_alternative_text():
    figure = power_curve(POWER, CALLED, SEEN, worth_acting_on=1.25)
    assert figure.caption == (
        "Where AI made no difference, 2.4% of the runs raised a false alarm: an interval above 1. A ratio of 1.25 "
        "would have been noticed in 68% of the runs. A ratio of 1.29 (95% interval 1.26–1.33) would have been noticed "
        "in 80%."
    )
    assert figure.caption in figure.alt
    assert "Called “more”: ratio 1.00 in 0%, 1.25 in 2.0%, 1.50 in 48%, 2.00 in 100%." in figure.alt


def test_the_numbers_behind_it_are_those_of_the_estimates_by_curve_and_ratio():
    figure = power_curve(POWER, CALLED, SEEN, worth_acting_on=1.25)
    assert list(figure.data.columns) == ["what", "ratio", "share", "low", "high", "runs"]
    assert figure.data["what"].tolist() == ["interval above 1"] * 4 + ["called “more”"] * 4
    assert figure.data["ratio"].tolist() == [1.0, 1.25, 1.5, 2.0] * 2
    assert figure.data["share"].tolist() == [0.0235, 0.68, 0.99, 1.0, 0.0, 0.02, 0.48, 1.0]


def test_it_is_drawn_for_pages_and_for_telephones_and_marks_what_is_worth_acting_on():
    figure = power_curve(POWER, CALLED, SEEN, worth_acting_on=1.25)
    assert 'viewBox="0 0 680 280"' in figure.svg
    assert 'viewBox="0 0 344 280"' in figure.narrow
    for picture in (figure.svg, figure.narrow):
        for words in ("worth acting on", "interval above 1", "called “more”", "planted ratio (logarithmic axis)"):
            assert words in picture
        assert all(f">{ratio}</text>" in picture for ratio in ("1", "1.25", "1.5", "2"))
        assert " id=" not in picture


def test_a_ratio_that_is_not_seen_is_told_instead_of_a_number():
    figure = power_curve(POWER, CALLED, UNSEEN, worth_acting_on=1.25)
    assert figure.caption.endswith("so the ratio seen in 80% is above 2.")


def test_a_threshold_that_was_not_planted_is_left_out_of_the_words():
    figure = power_curve(POWER, CALLED, SEEN, worth_acting_on=1.3)
    assert figure.caption.startswith(
        "Where AI made no difference, 2.4% of the runs raised a false alarm: an interval above 1. A ratio of 1.29"
    )


def test_one_ratio_makes_no_curve():
    with pytest.raises(ValueError, match=r"^power_curve: there are fewer than two planted ratios"):
        power_curve(curve(("ratio 1", 0.02)), CALLED, SEEN, worth_acting_on=1.25)


def test_a_part_that_names_no_ratio_is_refused_by_its_label():
    parts = curve(("ratio 1", 0.02), ("labels rotated in time", 0.03))
    with pytest.raises(ValueError, match=r"^power_curve: label 'labels rotated in time' names no ratio"):
        power_curve(parts, CALLED, SEEN, worth_acting_on=1.25)


def test_a_threshold_of_one_is_refused():
    with pytest.raises(ValueError, match=r"^worth_acting_on must be above 1; it is 1\.0$"):
        power_curve(POWER, CALLED, SEEN, worth_acting_on=1.0)
