"""The verdict reads one interval against the plan: every call, every boundary, every sentence."""

from __future__ import annotations

import re
from itertools import product
from math import exp, inf, isnan, log, nan, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest import approx

from counterfault.checks import Check, Status
from counterfault.estimate import Estimand, Estimate, Interval, not_estimable
from counterfault.estimators.detectable import (
    events_to_detect,
    events_to_separate,
    minimum_detectable_effect,
    reach,
)
from counterfault.plan import Plan
from counterfault.verdict import Call, Verdict, attributable, decide, grade

D = 1.25
PLAN = Plan()  # 95 %, 90 % for equivalence, worth acting on from 1.25
SUPPORT = {"n": 4000, "events": 100, "exposed_events": 40}


def ratio(low: float, high: float, *, error: float = 0.05, level: float = 0.95, value: float | None = None) -> Estimate:
    middle = sqrt(low * high) if low > 0 and high < inf else 1.0
    return Estimate(
        estimand=Estimand.RISK_RATIO,
        value=middle if value is None else value,
        interval=Interval(low, high, level),
        method="made for the test",
        support=SUPPORT,
        design="within service × quarter",
        standard_error=error,
    )


def check(id: str = "c", status: Status = Status.PASS, *, gate: bool = False) -> Check:
    return Check(id=id, question=f"Is {id}?", status=status, sentence=f"{id} is 3", threshold="at least 4", gate=gate)


def decided(low: float, high: float, *, inner=(0.5, 2.0), error: float = 0.05, checks=(), plan: Plan = PLAN) -> Verdict:
    return decide(ratio(low, high, error=error), ratio(*inner, level=0.90), checks, plan)


# --- the call

BELOW, ABOVE = 1 / D - 1e-9, D + 1e-9  # a hair beyond the margins
SEES = 0.02  # a standard error with which 1.25 is told from 1
BLIND = 0.3  # and one with which it is not


@pytest.mark.parametrize(
    ("low", "high", "inner", "error", "call"),
    [
        # the whole interval above d, or touching it
        (1.30, 2.00, (1.35, 1.90), BLIND, Call.MORE),
        (ABOVE, 1.90, (1.30, 1.80), BLIND, Call.MORE),
        (D, 1.90, (1.30, 1.80), BLIND, Call.MORE_SIZE_UNSETTLED),
        # above 1, or touching it
        (1.01, 1.90, (1.05, 1.80), BLIND, Call.MORE_SIZE_UNSETTLED),
        (1.00, 1.90, (1.05, 1.80), BLIND, Call.CANNOT_TELL),
        (1.00, 1.00, (0.99, 1.01), BLIND, Call.CANNOT_TELL),
        # the mirror images
        (0.50, 0.70, (0.55, 0.65), BLIND, Call.FEWER),
        (0.50, BELOW, (0.55, 0.75), BLIND, Call.FEWER),
        (0.50, 1 / D, (0.55, 0.75), BLIND, Call.FEWER_SIZE_UNSETTLED),
        (0.50, 0.99, (0.55, 0.95), BLIND, Call.FEWER_SIZE_UNSETTLED),
        (0.50, 1.00, (0.55, 0.95), BLIND, Call.CANNOT_TELL),
        # the inner interval strictly inside (1/d, d), by a design that could have seen d
        (0.90, 1.10, (0.92, 1.08), SEES, Call.NO_MATERIAL_DIFFERENCE),
        (0.90, 1.30, (0.92, D - 1e-9), SEES, Call.NO_MATERIAL_DIFFERENCE),
        (0.90, 1.30, (0.92, D), SEES, Call.CANNOT_TELL),
        (0.75, 1.05, (1 / D, 1.04), SEES, Call.CANNOT_TELL),
        (0.75, 1.05, (1 / D + 1e-9, 1.04), SEES, Call.NO_MATERIAL_DIFFERENCE),
        (0.90, 1.10, (0.92, 1.08), BLIND, Call.CANNOT_TELL),
        (0.90, 1.10, (0.92, 1.08), nan, Call.CANNOT_TELL),
        # a difference that is there and too small to act on
        (1.02, 1.20, (1.04, 1.18), SEES, Call.NO_MATERIAL_DIFFERENCE),
        (0.83, 0.98, (0.84, 0.96), SEES, Call.NO_MATERIAL_DIFFERENCE),
        # nothing known
        (0.00, inf, (0.00, inf), nan, Call.CANNOT_TELL),
    ],
)
def test_the_call_reads_the_intervals_against_one_and_the_margins(low, high, inner, error, call):
    assert decided(low, high, inner=inner, error=error).call is call


def test_the_margin_is_the_plans():
    wider = Plan.checked({"decision": {"worth_acting_on": 2.0}})
    assert decided(1.30, 1.90).call is Call.MORE
    assert decided(1.30, 1.90, plan=wider).call is Call.MORE_SIZE_UNSETTLED


limits = st.floats(0.05, 20).flatmap(lambda low: st.tuples(st.just(low), st.floats(low, 40)))
MIRRORED = {Call.MORE: Call.FEWER, Call.MORE_SIZE_UNSETTLED: Call.FEWER_SIZE_UNSETTLED}


@given(limits=limits, error=st.sampled_from([SEES, BLIND]))
def test_swapping_the_groups_mirrors_the_call(limits, error):
    low, high = limits
    inner = (low**0.8, high**0.8) if low < 1 < high else (low, high)
    there = decided(low, high, inner=inner, error=error).call
    back = decided(1 / high, 1 / low, inner=(1 / inner[1], 1 / inner[0]), error=error).call
    on_an_edge = any(abs(limit / edge - 1) < 1e-12 for limit, edge in product((*limits, *inner), (1, D, 1 / D)))
    swap = {**MIRRORED, **{b: a for a, b in MIRRORED.items()}}
    assert on_an_edge or back is swap.get(there, there)


# --- gates


def test_a_failed_gate_silences_the_estimate_and_is_named():
    found = decided(1.3, 2.0, checks=[check(), check("incidents", Status.FAIL, gate=True)])
    assert found.call is Call.CANNOT_TELL
    assert found.sentence == "The data cannot tell, because a check made beforehand failed: incidents is 3."
    assert found.needed == "Needed first: Is incidents? at least 4."


def test_all_failed_gates_are_named():
    failed = [check(name, Status.FAIL, gate=True) for name in ("incidents", "overlap")]
    found = decided(1.3, 2.0, checks=failed)
    assert found.sentence.endswith("failed: incidents is 3; overlap is 3.")
    assert found.needed == "Needed first: Is incidents? at least 4; Is overlap? at least 4."


@pytest.mark.parametrize(
    "harmless",
    [check(status=Status.FAIL), check(status=Status.NOT_ASSESSED, gate=True), check(status=Status.PASS, gate=True)],
    ids=["a check that is no gate", "a gate not assessed", "a gate passed"],
)
def test_nothing_but_a_failed_gate_silences(harmless):
    assert decided(1.3, 2.0, checks=[harmless]).call is Call.MORE


def test_an_estimate_that_cannot_be_had_says_why():
    nothing = not_estimable(
        Estimand.RISK_RATIO, "None of the 7 deployments was followed by an incident.", method="m", level=0.95
    )
    equivalence = not_estimable(Estimand.RISK_RATIO, "the same", method="m", level=0.90)
    found = decide(nothing, equivalence, [], PLAN)
    assert found.call is Call.CANNOT_TELL
    assert found.sentence == "The data cannot tell: None of the 7 deployments was followed by an incident."
    assert found.excluded == (
        "There is no primary estimate to exclude a ratio; the other estimates say what they exclude."
    )
    assert found.needed == ("Needed: failures of both kinds of change in strata that hold both, at least 20 in all.")
    assert found.attributable_incidents is None and found.minimum_detectable_effect is None


# --- the promise


def test_an_interval_at_another_level_than_the_plan_promised_is_refused():
    with pytest.raises(ValueError) as refused:
        decide(ratio(1.3, 2.0, level=0.99), ratio(0.9, 1.1, level=0.90), [], PLAN)
    assert str(refused.value) == (
        "the plan promised a 95% interval and this one is at 99%; estimate it at the planned level, or change the plan "
        "before looking at the data"
    )


def test_the_interval_for_no_difference_is_held_to_its_level_too():
    with pytest.raises(ValueError, match="the plan promised a 90% interval and this one is at 95%"):
        decide(ratio(1.3, 2.0), ratio(0.9, 1.1, level=0.95), [], PLAN)


# --- the words


def every_verdict() -> list[Verdict]:
    cases = [(1.3, 2.0), (1.1, 2.0), (0.5, 2.0), (0.5, 0.9), (0.5, 0.7)]
    found = [decided(*case) for case in cases]
    found += [decided(0.9, 1.1, inner=(0.95, 1.05)), decided(1.3, 2.0, checks=[check(status=Status.FAIL, gate=True)])]
    assert {verdict.call for verdict in found} == set(Call)
    return found


def test_no_sentence_says_that_ai_causes_anything():
    for verdict in every_verdict():
        texts = (verdict.sentence, verdict.excluded, verdict.needed or "", str(verdict), verdict._repr_html_())
        for text in (*texts, verdict.call.words):
            assert not re.search(r"\bcaus|\blead(s|ing)? to|\beffect of|\bdue to|\bsignifican", text), text


def test_every_sentence_about_a_difference_says_associated_with():
    for verdict in every_verdict():
        assert ("associated with" in verdict.sentence) is (verdict.call is not Call.CANNOT_TELL)


@pytest.mark.parametrize(
    ("low", "high", "inner", "sentence"),
    [
        (
            1.30,
            2.00,
            (1.4, 1.9),
            "AI assistance is associated with more failed deployments: 1.61 times the risk of other changes within "
            "service × quarter, 95% interval 1.30 to 2.00 (100 failures among the 4,000 deployments that inform), all "
            "of it above 1.25, the smallest ratio worth acting on.",
        ),
        (
            0.90,
            1.10,
            (0.95, 1.05),
            "AI assistance is associated with no difference worth acting on: 0.99 times the risk of other changes "
            "within service × quarter, 95% interval 0.90 to 1.10 (100 failures among the 4,000 deployments that "
            "inform); at the 90% set for this claim, a ratio beyond 1.25 either way is excluded.",
        ),
        (
            0.50,
            2.00,
            (0.6, 1.9),
            "The data cannot tell whether AI-assisted changes fail more or less often: 1.00 times the risk of other "
            "changes within service × quarter, 95% interval 0.50 to 2.00 (100 failures among the 4,000 deployments "
            "that inform), which leaves room for both.",
        ),
    ],
)
def test_the_sentence_holds_the_size_the_interval_and_what_it_rests_on(low, high, inner, sentence):
    assert decided(low, high, inner=inner).sentence == sentence


def test_the_sentence_names_what_was_held_fixed():
    adjusted = ratio(1.3, 2.0).named("primary", adjustment=("author_tenure_days", "at_peak", "team"))
    found = decide(adjusted, ratio(1.4, 1.9, level=0.90), [], PLAN)
    assert (
        "within service × quarter, holding author tenure days, at peak and team fixed, 95% interval" in found.sentence
    )


@pytest.mark.parametrize(
    ("low", "high", "excluded"),
    [
        (0.50, 2.00, "At 95% these data exclude ratios below 0.50 and above 2.00."),
        (0.00, 2.00, "At 95% these data exclude ratios above 2.00."),
        (1.39, inf, "At 95% these data exclude ratios below 1.39."),
        (0.00, inf, "These data exclude no ratio."),
    ],
)
def test_what_the_data_exclude_is_what_lies_outside_the_interval(low, high, excluded):
    assert decided(low, high).excluded == excluded


def test_a_verdict_as_a_page_escapes_what_it_quotes():
    hostile = ratio(0.5, 2.0).named("primary", design="within <script>")
    assert "<script>" not in decide(hostile, ratio(0.6, 1.9, level=0.9), [], PLAN)._repr_html_()


# --- the grade


def statuses(passed: int, failed: int = 0, unassessed: int = 0) -> list[Check]:
    counts = ((Status.PASS, passed), (Status.FAIL, failed), (Status.NOT_ASSESSED, unassessed))
    return [check(status=status) for status, number in counts for _ in range(number)]


@pytest.mark.parametrize(
    ("passed", "failed", "unassessed", "expected"),
    [
        (10, 0, 0, "A"),
        (9, 0, 1, "A"),  # nine in ten
        (8, 0, 1, "B"),  # 89 %
        (9, 1, 0, "B"),
        (3, 0, 1, "B"),  # three in four
        (3, 1, 0, "B"),
        (5, 0, 2, "C"),  # 71 %
        (8, 2, 0, "C"),
        (2, 2, 0, "C"),  # half
        (1, 0, 1, "C"),
        (4, 0, 5, "D"),  # 44 %
        (20, 3, 0, "D"),
        (0, 0, 4, "D"),
        (0, 0, 0, "D"),
    ],
)
def test_the_grade_is_the_share_of_checks_that_passed_and_how_many_failed(passed, failed, unassessed, expected):
    assert grade(statuses(passed, failed, unassessed)) == expected


def test_a_failed_gate_gives_the_lowest_grade_whatever_else_passed():
    assert grade([*statuses(30), check(status=Status.FAIL, gate=True)]) == "D"
    assert grade([*statuses(30), check(status=Status.NOT_ASSESSED, gate=True)]) == "A"


def test_a_verdict_carries_its_grade():
    found = decided(1.3, 2.0, checks=statuses(3, 1))
    assert found.grade == "B"
    assert str(found).endswith("(grade B)")


# --- what the design could have seen


def with_reach(multiplier: float, error: float, value: float = 1.0, level: float = 0.95) -> Estimate:
    low, high = value * exp(-multiplier * error), value * exp(multiplier * error)
    return ratio(low, high, error=error, value=value, level=level)


def test_the_multiplier_of_a_normal_interval_is_blooms():
    # Bloom (1995), Evaluation Review 19:547, table 1: two-sided 5 %, 80 % power → 2.80 standard errors;
    # 10 %, 80 % → 2.49.
    assert log(minimum_detectable_effect(with_reach(1.959964, 1.0))) == approx(2.80, abs=0.005)
    assert log(minimum_detectable_effect(with_reach(1.644854, 1.0, level=0.90))) == approx(2.49, abs=0.005)


def test_a_t_interval_with_few_degrees_of_freedom_sees_less():
    # > qt(.975, 4)
    # [1] 2.776445
    # > qnorm(.8)
    # [1] 0.8416212
    # R 4.2.2
    found = minimum_detectable_effect(with_reach(2.776445, 0.1, value=1.7))
    assert found == approx(exp((2.776445 + 0.8416212) * 0.1))
    assert found > minimum_detectable_effect(with_reach(1.959964, 0.1, value=1.7))


def test_where_the_interval_does_not_come_from_the_error_the_normal_quantile_stands_in():
    assert reach(ratio(0.5, inf, error=0.3)) == approx(1.959964)
    assert reach(ratio(0.5, 2.0, error=nan)) == approx(1.959964)


def test_without_a_standard_error_nothing_is_claimed_about_what_could_be_seen():
    unknown = ratio(0.5, 2.0, error=nan)
    assert minimum_detectable_effect(unknown) is None
    assert events_to_detect(unknown, D) is None and events_to_separate(unknown, D) is None


def test_an_error_beyond_all_bounds_is_an_effect_beyond_all_bounds():
    assert minimum_detectable_effect(ratio(0, inf, error=1000)) == inf


def with_events(events: float, wanted: float, error: float, multiplier: float) -> Estimate:
    """The same design with ``wanted`` failures: variance falls as one over the failures."""
    return with_reach(multiplier, error * sqrt(events / wanted))


@given(error=st.floats(0.1, 1.5), multiplier=st.floats(1.6, 4.0), d=st.floats(1.05, 3.0))
def test_with_as_many_failures_as_needed_the_design_sees_just_what_matters(error, multiplier, d):
    needed = events_to_detect(with_reach(multiplier, error), d)
    assert needed % 10 == 0
    enough = with_events(SUPPORT["events"], needed, error, multiplier)
    assert minimum_detectable_effect(enough) <= d * (1 + 1e-9)
    if needed > 10:  # and ten fewer would not do
        fewer = with_events(SUPPORT["events"], needed - 10, error, multiplier)
        assert minimum_detectable_effect(fewer) >= d * (1 - 1e-9)


@given(error=st.floats(0.1, 1.5), multiplier=st.floats(1.6, 4.0), d=st.floats(1.05, 3.0))
def test_with_as_many_as_separate_no_interval_holds_both_one_and_what_matters(error, multiplier, d):
    needed = events_to_separate(with_reach(multiplier, error), d)
    enough = with_events(SUPPORT["events"], needed, error, multiplier).interval
    assert enough.high / enough.low <= d * (1 + 1e-9)


def test_a_design_that_cannot_see_what_matters_is_told_how_many_failures_would():
    # half-width log 2 = 1.96 se, so the multiplier is 2.80 se = 0.990 and the ratio exp(0.990) = 2.69;
    # (0.9908 / log 1.25)² × 100 = 1972
    error = log(2) / 1.959964
    assert decided(0.5, 2.0, error=error).needed == (
        "With 100 informative failures this design tells a ratio of 2.69 or more from 1; for 1.25 it would take about "
        "1,980 at the same mix of services and changes."
    )


def test_a_design_that_could_see_what_matters_and_happened_not_to_is_not_told_to_shrink():
    # 0.99 to 1.30 holds both 1 and 1.25: half-width 0.1362 = 1.96 se, se = 0.0695, tells exp(2.80 × 0.0695) = 1.21;
    # too short for both would be (2 × 0.1362 / log 1.25)² × 100 = 149
    error = log(1.30 / 0.99) / 2 / 1.959964
    assert decided(0.99, 1.30, inner=(1.01, 1.27), error=error).needed == (
        "With 100 informative failures this design tells a ratio of 1.21 or more from 1, but its interval holds both 1 "
        "and a ratio worth acting on; for one too short to hold both it would take about 150 at the same mix of "
        "services and changes."
    )


@given(limits=limits)
def test_whoever_cannot_tell_is_told_to_bring_more_than_there_is(limits):
    low, high = limits
    error = log(high / low) / 2 / 1.959964
    inner = exp(1.644854 * error)
    middle = sqrt(low * high)
    found = decided(low, high, inner=(middle / inner, middle * inner), error=error or 1e-9)
    if found.call is Call.CANNOT_TELL:
        wanted = int(re.search(r"about ([\d,]+) at", found.needed)[1].replace(",", ""))
        assert wanted >= SUPPORT["events"]


def test_only_a_verdict_that_cannot_tell_says_what_is_needed():
    assert all((verdict.needed is not None) is (verdict.call is Call.CANNOT_TELL) for verdict in every_verdict())


# --- attributable incidents


def test_attributable_incidents_are_the_exposed_ones_beyond_those_expected_at_the_others_risk():
    # Of 40 failures at twice the risk, 20 would have come anyway.
    found = attributable(ratio(1.0, 4.0))
    assert (found.value, found.low, found.high) == approx((20, 0, 30))


def test_fewer_failures_than_expected_are_prevented_ones():
    found = attributable(ratio(0.25, 1.0))
    assert (found.value, found.low, found.high) == approx((-40, -120, 0))
    assert attributable(ratio(0.0, 2.0)).low == -inf
    assert attributable(ratio(0.5, inf)).high == 40


def test_where_no_exposed_deployment_failed_nothing_is_attributed():
    assert attributable(ratio(0.0, 0.7, value=0.0)) is None


@given(limits=limits)
def test_attributable_incidents_rise_with_the_ratio_and_never_exceed_the_exposed_failures(limits):
    found = attributable(ratio(*limits))
    assert found.low <= found.value <= found.high <= SUPPORT["exposed_events"]
    assert (found.value > 0) is (sqrt(limits[0] * limits[1]) > 1)
    assert not isnan(found.value)
