"""The verdict reads one interval against the plan: every call, every boundary, every sentence."""

from __future__ import annotations

import re
from dataclasses import replace
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

UNDECIDED = "The data cannot tell whether AI assistance is associated with more or with fewer failed deployments"


def test_a_failed_gate_silences_the_estimate_and_is_named():
    found = decided(1.3, 2.0, checks=[check(), check("incidents", Status.FAIL, gate=True)])
    assert found.call is Call.CANNOT_TELL
    assert found.sentence == (
        f"{UNDECIDED}, because a check that must hold before an estimate may speak failed: incidents is 3."
    )
    assert found.needed == "Needed before an estimate may speak: “Is incidents?” to hold (at least 4)."


def test_all_failed_gates_are_named():
    failed = [check(name, Status.FAIL, gate=True) for name in ("incidents", "overlap")]
    found = decided(1.3, 2.0, checks=failed)
    assert found.sentence.endswith(
        "because 2 checks that must hold before an estimate may speak failed: incidents is 3; overlap is 3."
    )
    assert found.needed.endswith("“Is incidents?” to hold (at least 4); “Is overlap?” to hold (at least 4).")


def test_an_estimate_that_may_not_speak_excludes_nothing_and_attributes_nothing():
    found = decided(1.3, 2.0, checks=[check(status=Status.FAIL, gate=True)])
    assert found.excluded == "No ratio is excluded: while a check that must hold fails, the estimate does not speak."
    assert found.attributable_incidents is None


@pytest.mark.parametrize(
    ("id", "value", "asked"),
    [
        ("incidents", 8, "12 more failed deployments"),
        ("incidents", 19, "1 more failed deployment"),
        ("discordant_strata", 9, "1 more service × quarter combination with both kinds of change and a failure"),
        ("discordant_strata", 7, "3 more service × quarter combinations with both kinds of change and a failure"),
        ("clusters", 1, "4 services with AI-assisted changes and as many with others; the scarcer kind lacks 3"),
        ("label_coverage", 0.675, "labels on a further 13% of the changes"),
        ("label_coverage", 0.7, "labels on a further 10% of the changes"),
        ("overlap", 0.2, "other changes in the same service × quarter beside a further 30% of the AI-assisted ones"),
        (
            "balance",
            0.4,
            "a primary estimate that holds author tenure days and at peak fixed, or groups that differ less in them "
            "than 0.40",
        ),
        ("placebo_in_time", 1.9, "an explanation for a ratio of 1.90 where AI assistance can have no part"),
        ("negative_control", 0.5, "an explanation for a ratio of 0.50 where AI assistance can have no part"),
        (
            "late_labels",
            1.1,
            "labels written before anyone knew of an incident, on changes enough to answer from them alone",
        ),
        (
            "direction",
            0.9,
            "an explanation for two estimates within services that point opposite ways, or failures enough to settle "
            "it",
        ),
    ],
)
def test_a_failed_gate_says_how_much_is_missing(id, value, asked):
    failed = replace(check(id, Status.FAIL, gate=True), value=value)
    assert decided(1.3, 2.0, checks=[failed]).needed == f"Needed before an estimate may speak: {asked}."


def test_the_plans_words_are_used_for_what_is_missing():
    plan = Plan.checked({"design": {"strata": ["team"], "cluster": "team"}, "gates": {"min_clusters_per_arm": 2}})
    failed = [replace(check(id, Status.FAIL, gate=True), value=1) for id in ("clusters", "discordant_strata")]
    assert decided(1.3, 2.0, checks=failed, plan=plan).needed == (
        "Needed before an estimate may speak: 2 teams with AI-assisted changes and as many with others; the scarcer "
        "kind lacks 1; 9 more team combinations with both kinds of change and a failure."
    )


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
    assert found.sentence == f"{UNDECIDED}. None of the 7 deployments was followed by an incident."
    assert found.excluded == (
        "There is no primary estimate to exclude a ratio; the other estimates say what they exclude."
    )
    assert found.needed == (
        "Needed: failures of both kinds of change in strata that hold both, at least 20 failures in all."
    )
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


def test_every_sentence_says_associated_with():
    for verdict in every_verdict():
        assert verdict.sentence.count("associated with") == 1


@pytest.mark.parametrize(
    ("low", "high", "inner", "sentence"),
    [
        (
            1.30,
            2.00,
            (1.4, 1.9),
            "AI assistance is associated with more failed deployments: 1.61 times the risk of other changes within "
            "service × quarter (95% interval 1.30 to 2.00, from 100 failures among 4,000 deployments that can be "
            "compared). A ratio of 1.25 or less is excluded; 1.25 is the smallest worth acting on.",
        ),
        (
            1.10,
            2.00,
            (1.2, 1.9),
            "AI assistance is associated with more failed deployments: 1.48 times the risk of other changes within "
            "service × quarter (95% interval 1.10 to 2.00, from 100 failures among 4,000 deployments that can be "
            "compared). Equal risks are excluded; a ratio below 1.25, the smallest worth acting on, is not.",
        ),
        (
            0.50,
            0.90,
            (0.55, 0.85),
            "AI assistance is associated with fewer failed deployments: 0.67 times the risk of other changes within "
            "service × quarter (95% interval 0.50 to 0.90, from 100 failures among 4,000 deployments that can be "
            "compared). Equal risks are excluded; a ratio above 1/1.25, the mirror image of the smallest worth acting "
            "on, is not.",
        ),
        (
            0.50,
            0.70,
            (0.55, 0.65),
            "AI assistance is associated with fewer failed deployments: 0.59 times the risk of other changes within "
            "service × quarter (95% interval 0.50 to 0.70, from 100 failures among 4,000 deployments that can be "
            "compared). A ratio of 1/1.25 or more is excluded; 1/1.25 is the mirror image of the smallest worth "
            "acting on.",
        ),
        (
            0.90,
            1.10,
            (0.95, 1.05),
            "AI assistance is associated with no difference worth acting on: 0.99 times the risk of other changes "
            "within service × quarter (95% interval 0.90 to 1.10, from 100 failures among 4,000 deployments that can "
            "be compared). At the 90% set for this claim, a ratio of 1.25 or more, the smallest worth acting on, is "
            "excluded, and so is its mirror image, 1/1.25 or less.",
        ),
        (
            0.50,
            2.00,
            (0.6, 1.9),
            f"{UNDECIDED}: 1.00 times the risk of other changes within service × quarter (95% interval 0.50 to 2.00, "
            "from 100 failures among 4,000 deployments that can be compared). Neither equal risks nor a ratio worth "
            "acting on (1.25 or more, 1/1.25 or less) can be excluded.",
        ),
    ],
)
def test_the_sentence_holds_the_size_the_interval_and_what_it_rests_on(low, high, inner, sentence):
    assert decided(low, high, inner=inner).sentence == sentence


@pytest.mark.parametrize(
    ("low", "high", "inner", "error", "left_open"),
    [
        (0.95, 1.30, (0.97, 1.28), SEES, "Neither equal risks nor a ratio worth acting on (1.25 or more) can be"),
        (0.70, 1.00, (0.72, 0.99), SEES, "Neither equal risks nor a ratio worth acting on (1/1.25 or less) can be"),
        (
            0.90,
            1.10,
            (0.92, 1.08),
            BLIND,  # exp(log(1.1 / 0.995) + 0.8416 × 0.3) = 1.42
            "Equal risks are not excluded. A difference worth acting on lies outside the interval, but this design "
            "tells only ratios of 1.42 or more from 1 in four studies of five.",
        ),
        (
            0.90,
            1.10,
            (0.92, 1.08),
            nan,
            "Equal risks are not excluded. A difference worth acting on lies outside the interval, but without a "
            "standard error nothing says that this design would have seen one.",
        ),
        (
            0.90,
            1.10,
            (0.75, 1.30),  # a plan may ask more of this claim than of the others
            SEES,
            "Equal risks are not excluded; and at the 90% set for that claim, nor is a ratio worth acting on, 1.25 or "
            "more or 1/1.25 or less.",
        ),
    ],
)
def test_a_verdict_that_cannot_tell_says_what_is_left_open(low, high, inner, error, left_open):
    found = decided(low, high, inner=inner, error=error)
    assert found.call is Call.CANNOT_TELL
    assert left_open in found.sentence


def test_one_failure_is_one_failure():
    single = replace(ratio(0.1, 9.0), support={"n": 1, "events": 1, "exposed_events": 1})
    assert (
        "from 1 failure among 1 deployment that can be compared"
        in decide(single, ratio(0.2, 8.0, level=0.90), [], PLAN).sentence
    )


def test_a_limit_near_zero_keeps_its_figures():
    assert decided(0.004, 0.5).excluded == "At 95% these data exclude ratios below 0.004 and above 0.50."


def test_the_sentence_names_what_was_held_fixed():
    adjusted = ratio(1.3, 2.0).named("primary", adjustment=("author_tenure_days", "at_peak", "team"))
    found = decide(adjusted, ratio(1.4, 1.9, level=0.90), [], PLAN)
    assert (
        "within service × quarter, holding author tenure, time of peak load and team fixed (95% interval"
        in found.sentence
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
    found = replace(decide(hostile, ratio(0.6, 1.9, level=0.9), [], PLAN), deviations=("title was <script>",))
    assert "<script>" not in found._repr_html_()
    assert "<li>title was &lt;script&gt;</li>" in found._repr_html_()


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
        "Needed: about 1,880 more failures at the same mix of services and changes. With the 100 failures there are, "
        "this design tells a ratio of 2.69 or more from 1 in four studies of five, and has to tell 1.25."
    )


def test_a_design_that_could_see_what_matters_and_happened_not_to_is_not_told_to_shrink():
    # 0.99 to 1.30 holds both 1 and 1.25: half-width 0.1362 = 1.96 se, se = 0.0695, tells exp(2.80 × 0.0695) = 1.21;
    # too short for both would be (2 × 0.1362 / log 1.25)² × 100 = 149
    error = log(1.30 / 0.99) / 2 / 1.959964
    assert decided(0.99, 1.30, inner=(1.01, 1.27), error=error).needed == (
        "Needed: about 50 more failures at the same mix of services and changes. With the 100 failures there are, this "
        "design tells a ratio of 1.21 or more from 1 in four studies of five, but its interval is long enough to hold "
        "both 1 and a ratio worth acting on."
    )


@given(limits=limits)
def test_whoever_cannot_tell_is_told_to_bring_more_than_there_is(limits):
    low, high = limits
    error = log(high / low) / 2 / 1.959964
    inner = exp(1.644854 * error)
    middle = sqrt(low * high)
    found = decided(low, high, inner=(middle / inner, middle * inner), error=error or 1e-9)
    if found.call is Call.CANNOT_TELL:
        more = int(re.search(r"Needed: about ([\d,]+) more failures", found.needed)[1].replace(",", ""))
        assert more > 0


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
