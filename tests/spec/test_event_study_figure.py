"""The event study tells before from after, names the trend before adoption, and says so where it knows nothing."""

from dataclasses import replace
from math import inf, nan
from xml.etree import ElementTree

import pytest

from counterfault.estimate import Estimand, Estimate, Interval, not_estimable
from counterfault.figures import event_study

POINTS = Estimand.RISK_DIFFERENCE


def change(label: str, value: float, low: float, high: float, estimand: Estimand = POINTS) -> Estimate:
    interval = Interval(low, high, 0.95)
    return Estimate(estimand=estimand, value=value, interval=interval, method="", label=label)


PERIODS = (
    change("period -3", 0.004, -0.01, 0.018),
    change("period -2", -0.002, -0.012, 0.008),
    change("period 0", 0.01, 0.002, 0.018),
    change("period +1", 0.02, 0.005, 0.035),
    change("period +2", 0.03, -0.4, 0.5),
)
OVERALL = replace(
    change("all", 0.02, 0.004, 0.036), parts=PERIODS, id="adoption.did.not_yet", design="by service and month",
    outcome="share of deployments followed by an incident",
)  # fmt: skip
DRIFT = replace(change("drift per month before adoption", -0.003, -0.01, 0.004), p_value=0.4, parts=PERIODS[:2])


def words(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("text")]


def test_the_caption_holds_the_change_in_percentage_points_and_the_trend_before():
    assert event_study(OVERALL, DRIFT).caption == (
        "From adoption on, the share of deployments followed by an incident changed by 2.00 percentage points "
        "(95% interval 0.40–3.60: above 0), relative to services that had not adopted. Trend before adoption, per "
        "month: −0.30 percentage points (95% interval −1.00 to 0.40: includes 0); the 2 earlier months tested may "
        "be like the last one before adoption (p 0.4), in a test that misses many drifts."
    )


def test_an_interval_that_includes_no_change_leaves_both_directions_open():
    assert "possible" not in event_study(OVERALL).caption
    wide = replace(OVERALL, interval=Interval(-0.02, 0.017, 0.95))
    assert event_study(wide).caption.endswith("that had not adopted. A rise and a fall are both possible.")


def test_title_and_caption_say_that_all_changes_are_meant_and_how_much_of_them_is_by_ai():
    shares = "AI-assisted deployments were 15% before adoption and among controls, and 49% after it: so much."
    figure = event_study(replace(OVERALL, caveats=("8 adopters.", shares)))
    assert figure.title == "Around a service's adoption of AI: all its changes together"
    assert figure.caption.endswith(f" {shares.partition(':')[0]}.")


def test_the_alternative_text_names_arrow_and_shade():
    alt = event_study(OVERALL).alt
    assert "Shaded: the interval of the mean over services." in alt and "An arrow: the interval goes on" in alt


def test_periods_before_adoption_that_stand_out_are_said_to_stand_out():
    caption = event_study(OVERALL, replace(DRIFT, p_value=0.01)).caption
    assert (
        "the 2 earlier months tested differ from the last one before adoption (p 0.01): trends may not have" in caption
    )


def test_the_alternative_text_counts_the_intervals_of_each_side():
    alt = event_study(OVERALL).alt
    assert "2 of 2 intervals before adoption include no change" in alt
    assert "1 of 3 intervals from adoption on include no change" in alt


def test_before_and_after_are_told_apart_in_words_and_shapes_and_the_base_is_on_the_axis():
    figure = event_study(OVERALL, DRIFT)
    for svg in (figure.svg, figure.narrow):
        shown = " ".join(words(svg))
        assert "□ before" in shown and "● from adoption on" in shown
        assert "months since adoption" in shown and "−1" in shown and "+2" in shown


def test_the_numbers_are_those_of_the_parts_in_order_of_time_and_the_mean_of_all():
    data = event_study(replace(OVERALL, parts=PERIODS[::-1])).data
    assert data["months since adoption"].tolist() == ["-3", "-2", "0", "+1", "+2", "all from adoption on"]
    assert data["value"].tolist() == [0.004, -0.002, 0.01, 0.02, 0.03, 0.02]


def test_without_an_estimate_the_picture_says_why():
    silent = replace(not_estimable(POINTS, "no unit adopted", method="", level=0.95), design="by service and month")
    figure = event_study(silent, silent)
    assert figure.caption == (
        "The change with adoption is not estimable: no unit adopted. "
        "The trend before adoption is not estimable: no unit adopted."
    )
    for svg in (figure.svg, figure.narrow):
        assert {"not estimable", "no unit adopted"} <= set(words(svg))


@pytest.mark.parametrize(
    "parts",
    [
        PERIODS[2:3],
        (replace(PERIODS[2], interval=Interval(-inf, inf, 0.95)),),
        (replace(PERIODS[2], value=nan, interval=Interval(-1, 1, 0.95), caveats=("nobody",)), PERIODS[3]),
        tuple(change(f"period {time:+d}" if time else "period 0", 0.0, 0.0, 0.0) for time in range(-60, 61)),
    ],
    ids=["one period", "no limits", "one without a value", "a decade of months without any change"],
)
def test_odd_periods_are_drawn_all_the_same(parts):
    figure = event_study(replace(OVERALL, parts=parts, design=""), None)
    assert len(figure.data) == len(parts) + 1
    for svg in (figure.svg, figure.narrow):
        shown = words(svg)
        assert "periods since adoption" in shown and "0" in shown
        assert len(shown) < 45


def test_a_ratio_is_refused_and_so_is_a_label_without_a_time():
    with pytest.raises(ValueError, match="event_study draws differences; 'x' is a risk ratio"):
        event_study(replace(change("all", 1, 0.5, 2, Estimand.RISK_RATIO), id="x"))
    with pytest.raises(ValueError, match=r"label 'service=a' names no time since adoption, such as 'period \+3'"):
        event_study(replace(OVERALL, parts=(change("service=a", 0, -1, 1),)))
