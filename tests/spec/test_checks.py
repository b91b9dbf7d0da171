"""Every check at its boundary: what passes, what fails, what these data cannot answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import inf, log, nan
from typing import Any

import pandas as pd
import pytest
from drawing import draw, plan
from pytest import approx

from counterfault.cells import Cells
from counterfault.challenges.leave_one_out import LeaveOneOut
from counterfault.challenges.link_rules import EachRuleAlone
from counterfault.challenges.negative_controls import IncidentsOfOtherCause
from counterfault.challenges.placebo import BeforeTheDeployment
from counterfault.checks import CHECKS, Challenged, Check, Status, challenge
from counterfault.checks.alike import balance, direction, negative_control, next_deployment, placebo
from counterfault.checks.enough import (
    enough_clusters,
    enough_events,
    enough_strata,
    label_coverage,
    overlap,
    precision,
    small_sample,
)
from counterfault.checks.facts import Facts
from counterfault.checks.robust import linked_by_record
from counterfault.checks.tried import link_rules_agree, nobody_carries_it, unknown_as_either
from counterfault.counting import OUTCOMES, Counted
from counterfault.display import SORTABLE
from counterfault.estimate import Estimand, Estimate, Interval, not_estimable
from counterfault.estimating import estimate_effects
from counterfault.estimators.poisson.regression import ModifiedPoisson
from counterfault.plan import Plan

# --- drawn cells


def cells(drawing: str) -> Cells:
    """Cells of one quarter; `ai` and `other` each hold "failures/deployments" of that group."""
    rows = []
    for row in draw(drawing).to_dict("records"):
        for exposed, group in ((1, row.pop("ai")), (0, row.pop("other"))):
            events, n = map(int, group.split("/"))
            rows.append({"quarter": "2026Q1", **row, "exposed": exposed, "n": n, "events": events})
    frame = pd.DataFrame([row for row in rows if row["n"]])
    return Cells(frame.assign(exposure_hours=24.0 * frame["n"]), strata=("service", "quarter"))


def counted(drawn: Cells, **changes: Any) -> Counted:
    arms = drawn.two_by_two()
    steps = pd.DataFrame([("analysed", arms.exposed_total, arms.unexposed_total, 0)])
    fields = {
        "cells": drawn,
        "outcomes": tuple(name for name in OUTCOMES if name in drawn.frame),
        "population": steps.set_axis(["step", "ai", "human", "unknown"], axis="columns"),
        "by_label": by_label("service | month | assistance | compared | n | events"),
        "covariates": (),
        "not_assessed": (),
        "rows": None,
    }
    return Counted(**{**fields, **changes})


def by_label(drawing: str) -> pd.DataFrame:
    frame = draw(drawing)
    return frame.assign(compared=frame["compared"] == "yes").astype({"n": "int64", "events": "int64"})


def ratio(low: float, high: float, *, value: float | None = None, id: str = "", label: str = "all") -> Estimate:
    return Estimate(
        estimand=Estimand.RISK_RATIO,
        value=(low * high) ** 0.5 if value is None else value,
        interval=Interval(low, high, 0.95),
        method="made for the test",
        support={"n": 100, "events": 10},
        id=id,
        label=label,
        standard_error=0.1,
    )


NOTHING = not_estimable(
    Estimand.RISK_RATIO, "Nothing to compare.", method="m", level=0.95, support={"n": 9, "events": 3}
)
TWO_SERVICES = """
    service | ai   | other
    a       | 4/10 | 2/10
    b       | 4/10 | 2/10
"""


# What the checks ask for when they need it; here it is given, so that each check is tried on exactly what it reads.
ASKED_FOR = {
    "placebo": NOTHING,
    "control": None,
    "without_late_labels": None,
    "by_rule": (),
    "without_one": (),
    "clustered": NOTHING,
}


def facts(
    drawing: str | Counted = TWO_SERVICES,
    promise: Plan | None = None,
    *,
    estimates: Mapping[str, Estimate] | None = None,
    tried: Mapping[str, Estimate] | None = None,
    **given: Any,
) -> Facts:
    assert given.keys() <= ASKED_FOR.keys()
    found = counted(cells(drawing)) if isinstance(drawing, str) else drawing
    made = Facts(None, found, estimates or {}, promise or plan(), tried or {})
    vars(made).update({**ASKED_FOR, **given})  # as if each had been asked for already
    return made


# --- enough


def gates(**values: float) -> Plan:
    return plan(gates=values)


@pytest.mark.parametrize(("wanted", "status"), [(12, Status.PASS), (13, Status.FAIL)])
def test_failures_are_counted_against_the_plan(wanted, status):
    found = enough_events(facts(promise=gates(min_events=wanted)))
    assert (found.status, found.value, found.gate) == (status, 12, True)
    assert found.sentence == f"12 deployments in the contrast failed; the plan asks for at least {wanted}"


@pytest.mark.parametrize(("wanted", "status"), [(2, Status.PASS), (3, Status.FAIL)])
def test_only_strata_with_both_groups_and_a_failure_are_informative(wanted, status):
    drawing = """
        service | ai   | other
        a       | 1/10 | 0/10
        b       | 0/10 | 1/10
        quiet   | 0/10 | 0/10
        only_ai | 5/10 | 0/0
        no_ai   | 0/0  | 5/10
    """
    found = enough_strata(facts(drawing, gates(min_informative_strata=wanted)))
    assert (found.status, found.value, found.gate) == (status, 2, True)
    assert found.sentence.startswith("2 of 5 service × quarter strata have both kinds of change and a failure;")


@pytest.mark.parametrize(("wanted", "status"), [(2, Status.PASS), (3, Status.FAIL)])
def test_the_smaller_side_of_the_clusters_counts(wanted, status):
    drawing = """
        service | ai  | other
        a       | 0/1 | 0/1
        b       | 0/1 | 0/0
        c       | 0/0 | 0/1
        d       | 0/0 | 0/1
    """
    found = enough_clusters(facts(drawing, gates(min_clusters_per_arm=wanted)))
    assert (found.status, found.value, found.gate) == (status, 2, True)
    assert found.sentence.startswith("2 services with AI-assisted and 3 with other changes; the plan asks for at least")


def test_clusters_are_what_the_plan_calls_so():
    drawn = cells("service | team | ai | other \n a | x | 0/1 | 0/1 \n b | x | 0/1 | 0/1")
    promise = plan(design={"cluster": "team"}, gates={"min_clusters_per_arm": 2})
    found = enough_clusters(facts(counted(replace(drawn, cluster="team")), promise))
    assert (found.value, found.question) == (1, "Do enough teams make both kinds of change?")


@pytest.mark.parametrize(("wanted", "status"), [(0.75, Status.PASS), (0.76, Status.FAIL)])
def test_label_coverage_is_of_the_changes_that_could_have_been_compared(wanted, status):
    steps = pd.DataFrame(
        [("before 2026-01-01", 0, 0, 900), ("assistance unknown", 0, 0, 100), ("analysed", 100, 200, 0)],
        columns=["step", "ai", "human", "unknown"],
    )
    found = label_coverage(facts(counted(cells(TWO_SERVICES), population=steps), gates(min_label_coverage=wanted)))
    assert (found.status, found.value, found.gate) == (status, 0.75, True)


def test_without_any_change_that_could_be_compared_no_label_is_known():
    steps = pd.DataFrame([("before 2026-01-01", 3, 3, 3)], columns=["step", "ai", "human", "unknown"])
    assert label_coverage(facts(counted(cells(TWO_SERVICES), population=steps))).status is Status.FAIL


@pytest.mark.parametrize(("wanted", "status"), [(0.25, Status.PASS), (0.26, Status.FAIL)])
def test_overlap_is_the_share_of_exposed_changes_beside_others(wanted, status):
    drawing = """
        service | ai   | other
        a       | 0/10 | 0/1
        b       | 0/30 | 0/0
    """
    found = overlap(facts(drawing, gates(min_overlap=wanted)))
    assert (found.status, found.value, found.gate) == (status, 0.25, True)


def test_without_exposed_changes_there_is_no_overlap():
    assert overlap(facts("service | ai | other \n a | 0/0 | 1/9")).status is Status.FAIL


# --- a design that could see anything


@pytest.mark.parametrize(
    ("error", "status"),
    # With 1.96 + 0.84 = 2.80 standard errors: log 2 / 2.8016 = 0.2474
    [(0.2474, Status.PASS), (0.2475, Status.FAIL)],
)
def test_a_design_is_precise_if_it_would_have_seen_a_doubling(error, status):
    seen = replace(ratio(0.5, inf, value=1.0), standard_error=error)
    found = precision(facts(estimates={"primary": seen}))
    assert (found.status, found.gate, found.threshold) == (status, False, "at most 2")
    assert found.sentence == "the smallest ratio this design tells from 1 in four studies of five is 2.00"


def test_precision_is_not_assessed_without_a_standard_error():
    found = precision(facts(estimates={"primary": replace(ratio(0.5, 2), standard_error=nan)}))
    assert found.status is Status.NOT_ASSESSED


FOUR = """
    service | ai   | other
    a       | 4/10 | 2/10
    b       | 4/10 | 2/10
    c       | 4/10 | 2/10
    d       | 4/10 | 2/10
"""


def reaching(quantile: float) -> Estimate:
    """An estimate whose limits lie this many standard errors away."""
    return replace(ratio(2.0**-quantile, 2.0**quantile, value=1.0), standard_error=log(2.0))


@pytest.mark.parametrize(
    ("quantile", "degrees", "status"),
    [
        # > qt(.975, c(3.9, 4, 4.1))
        # [1] 2.804748 2.776445 2.749941
        # R 4.2.2
        (2.804748, 3.9, Status.FAIL),
        (2.776445, 4.0, Status.PASS),
        (2.749941, 4.1, Status.PASS),
    ],
)
def test_an_interval_rests_on_the_degrees_of_freedom_whose_quantile_it_used(quantile, degrees, status):
    found = small_sample(facts(FOUR, clustered=reaching(quantile)))
    assert (found.status, found.gate) == (status, False)
    assert found.sentence.startswith(
        "4 services have both kinds of change where a failure can be compared, and the variation between services has "
        f"{degrees:.2f} degrees of freedom"
    )


def test_few_services_fail_however_many_degrees_of_freedom_are_claimed():
    three = "\n".join(FOUR.strip().splitlines()[:-1])
    found = small_sample(facts(three, clustered=reaching(2.0)))
    assert (found.status, found.value) == (Status.FAIL, 3)


def test_services_without_a_comparison_of_failures_do_not_count():
    drawing = FOUR.replace("d       | 4/10 | 2/10", "d       | 0/10 | 0/10") + "e | 4/10 | 0/0"
    assert small_sample(facts(drawing, clustered=reaching(2.0))).value == 3


def test_one_service_fails_though_no_regression_can_be_fitted_to_it():
    drawing = "service | ai | other \n a | 4/10 | 2/10"
    found = small_sample(facts(drawing, clustered=ModifiedPoisson()(cells(drawing))))
    assert (found.status, found.value) == (Status.FAIL, 0)


def test_where_no_failure_can_be_compared_the_sample_is_not_assessed():
    found = small_sample(facts("service | ai | other \n a | 0/10 | 0/10"))
    assert found.sentence == "not assessed: no failure can be compared"
    assert small_sample(facts(FOUR)).sentence == "not assessed: Nothing to compare"


def test_real_estimates_say_whether_their_sample_is_small():
    few = cells(TWO_SERVICES.replace("b       | 4/10", "b       | 5/10"))
    assert small_sample(facts(counted(few), clustered=ModifiedPoisson()(few))).status is Status.FAIL
    drawing = "service | ai | other\n" + "\n".join(f"s{n} | {n % 4 + 1}/20 | {n % 3 + 1}/20" for n in range(12))
    many = cells(drawing)
    found = small_sample(facts(counted(many), clustered=ModifiedPoisson()(many)))
    assert found.status is Status.PASS
    assert 4 < found.value <= 11


# --- alike


def with_covariate(drawing: str, name: str) -> Counted:
    """Cells that differ in a covariate, for which the plan adjusts."""
    return counted(cells(drawing), covariates=(name,))


UNEVEN = """
    service | at_peak | ai  | other
    a       | yes     | 0/6 | 0/4
    a       | no      | 0/4 | 0/6
"""  # six in ten against four in ten: 0.2 / sqrt(0.24) = 0.408


def balancing(primary: str, max_imbalance: float) -> Plan:
    return plan(design={"confounders": ["at_peak"], "primary": primary}, gates={"max_imbalance": max_imbalance})


@pytest.mark.parametrize(
    ("primary", "wanted", "status", "gate"),
    [
        ("stratified.risk_ratio", 0.41, Status.PASS, True),
        ("stratified.risk_ratio", 0.40, Status.FAIL, True),
        ("total.risk_ratio", 0.41, Status.PASS, False),
        ("total.risk_ratio", 0.40, Status.FAIL, False),  # it adjusts for what is uneven: no reason for silence
        ("corrected.risk_ratio", 0.40, Status.FAIL, False),  # and so does the one made of it
    ],
)
def test_imbalance_is_a_gate_where_the_primary_estimate_does_not_adjust_for_it(primary, wanted, status, gate):
    found = balance(facts(with_covariate(UNEVEN, "at_peak"), balancing(primary, wanted)))
    assert (found.status, found.gate) == (status, gate)
    assert found.value == approx(0.2 / 0.24**0.5)
    assert found.sentence.startswith("the largest standardised difference within strata is 0.41 (at_peak: ")


def test_imbalance_is_weighed_by_what_the_strata_tell():
    # Stratum a, weight 10·10/20 = 5, is uneven by 0.2; stratum b, weight 30·30/60 = 15, is even.
    # Share at peak: exposed (5·0.6 + 15·0.5)/20 = 0.525, others 0.475: 0.05 / sqrt(0.249375) = 0.1001
    drawing = UNEVEN + "b | yes | 0/15 | 0/15 \n b | no | 0/15 | 0/15 \n c | yes | 0/90 | 0/0"
    found = balance(facts(with_covariate(drawing, "at_peak"), balancing("stratified.risk_ratio", 1)))
    assert found.value == approx(0.05 / 0.249375**0.5)


def test_balance_is_not_assessed_without_a_confounder_or_a_comparison():
    promise = balancing("stratified.risk_ratio", 0.1)
    assert balance(facts(TWO_SERVICES, promise)).sentence == "not assessed: no measured confounder to compare"
    alone = with_covariate("service | at_peak | ai | other \n a | yes | 1/9 | 0/0", "at_peak")
    assert balance(facts(alone, promise)).sentence == "not assessed: no stratum holds both kinds of change"


HARM, NEITHER, BENEFIT = ratio(1.2, 2.0), ratio(0.8, 1.6), ratio(0.5, 0.8)

# What the primary estimate claims, the limits of a ratio that must be 1, and how the check ends.
NULLS = [
    # A claim of harm of at least 1.2 would fall with a bias of 1.2: only limits below that have seen there is none.
    (HARM, 0.80, 1.19, Status.PASS),
    (HARM, 0.10, 1.19, Status.PASS),  # what would hide a harm cannot have made one
    (HARM, 0.80, 1.20, Status.NOT_ASSESSED),
    (HARM, 0.07, 14.0, Status.NOT_ASSESSED),
    (HARM, 1.00, 1.10, Status.PASS),
    (HARM, 1.01, 1.10, Status.FAIL),  # a bias to the side that is claimed, however small
    (HARM, 1.01, 9.00, Status.FAIL),
    (HARM, 1.50, inf, Status.FAIL),
    # A benefit of at least 0.8 would fall with a bias of 1/1.25.
    (BENEFIT, 0.81, 1.30, Status.PASS),
    (BENEFIT, 0.79, 1.30, Status.NOT_ASSESSED),
    (BENEFIT, 0.81, 1.00, Status.PASS),
    (BENEFIT, 0.81, 0.99, Status.FAIL),
    (BENEFIT, 0.00, 0.50, Status.FAIL),
    # Where nothing is claimed, a bias worth acting on may have hidden something, on either side.
    (NEITHER, 0.81, 1.24, Status.PASS),
    (NEITHER, 0.79, 1.24, Status.NOT_ASSESSED),
    (NEITHER, 0.81, 1.26, Status.NOT_ASSESSED),
    (NEITHER, 1.01, 1.24, Status.PASS),
    # Whatever is claimed, limits wholly outside 0.8 to 1.25 show a bias.
    (NEITHER, 1.26, 2.00, Status.FAIL),
    (NEITHER, 0.50, 0.79, Status.FAIL),
    (HARM, 0.50, 0.79, Status.FAIL),
    (HARM, 0.50, 0.80, Status.PASS),  # touches the zone from below
    (BENEFIT, 1.26, 2.00, Status.FAIL),
    (BENEFIT, 1.25, 2.00, Status.PASS),  # touches it from above
    (NEITHER, 1.26, 13.0, Status.FAIL),
]


@pytest.mark.parametrize(("primary", "low", "high", "status"), NULLS)
def test_a_ratio_that_must_be_one_passes_only_where_it_would_have_shown_a_bias_that_matters(primary, low, high, status):
    null, estimates = ratio(low, high, value=1.0), {"primary": primary}
    for check, known, gate in (
        (placebo, facts(placebo=null, estimates=estimates), True),
        (negative_control, facts(control=null, estimates=estimates), True),
        (next_deployment, facts(tried={"placebo.next_deployment": null}, estimates=estimates), False),
    ):
        found = check(known)
        assert (found.status, found.gate) == (status, gate)


@pytest.mark.parametrize(
    ("primary", "matters"), [(HARM, "1.20"), (BENEFIT, "1.25"), (NEITHER, "1.25"), (ratio(0.4, 0.5), "2.00")]
)
def test_a_null_outcome_too_wide_to_say_anything_tells_which_bias_it_leaves_room_for(primary, matters):
    found = placebo(facts(placebo=ratio(0.07, 14.0, value=1.01), estimates={"primary": primary}))
    assert found.sentence == (
        "not assessed: incidents in the window before the deployment: 1.01 (0.07 to 14.00) leaves room for a bias of "
        f"{matters} times, which would matter here"
    )


def test_the_next_deployment_is_asked_only_where_the_challenge_was_made():
    found = next_deployment(facts())
    assert (found.sentence, found.gate) == ("not assessed: this challenge was not made", False)


def test_null_outcomes_that_never_happened_or_cannot_be_estimated_are_not_assessed():
    never = replace(NOTHING, support={"n": 9, "events": 0})
    assert placebo(facts(placebo=never)).sentence == ("not assessed: no incidents in the window before the deployment")
    assert negative_control(facts(control=NOTHING)).sentence == (
        "not assessed: incidents attributed to something else: Nothing to compare"
    )
    assert negative_control(facts(control=None)).sentence == "not assessed: no column cause"


@pytest.mark.parametrize(
    ("primary", "other", "status"),
    [
        (ratio(1.1, 2.0), ratio(1.2, 3.0), Status.PASS),
        (ratio(0.5, 0.9), ratio(0.4, 0.8), Status.PASS),
        (ratio(1.1, 2.0), ratio(0.4, 0.8), Status.FAIL),
        (ratio(1.1, 2.0), ratio(0.4, 1.2), Status.FAIL),  # one of them excludes 1
        (ratio(0.9, 1.3), ratio(0.7, 1.1), Status.PASS),  # opposite sides, and neither excludes 1
        (ratio(1.1, 2.0), ratio(0.9, 1.2, value=1.0), Status.PASS),  # exactly 1 is on no side
        (ratio(1.1, 2.0), NOTHING, Status.NOT_ASSESSED),
        (ratio(1.1, 2.0), ratio(0.0, 0.7, value=0.0), Status.NOT_ASSESSED),
    ],
)
@pytest.mark.parametrize(
    ("planned", "another"),
    [
        ("total.risk_ratio", "stratified.risk_ratio"),
        ("stratified.risk_ratio", "total.risk_ratio"),
        ("corrected.risk_ratio", "stratified.risk_ratio"),  # the total one is the same regression, and cannot disagree
    ],
)
def test_the_two_estimates_within_services_must_not_contradict_one_another(primary, other, status, planned, another):
    estimates = {"primary": primary, planned: primary, another: other}
    found = direction(facts(promise=plan(design={"primary": planned}), estimates=estimates))
    assert (found.status, found.gate) == (status, True)


# --- robust


def recorded(events: int, by_record: int) -> Counted:
    drawn = cells(f"service | ai | other \n a | {events}/10 | 0/10")
    frame = drawn.frame.assign(recorded_events=[by_record, 0])
    return counted(replace(drawn, frame=frame))


@pytest.mark.parametrize(
    ("events", "by_record", "status", "share"),
    [(10, 5, Status.PASS, 0.5), (10, 4, Status.FAIL, 0.4), (2, 4, Status.PASS, 1.0)],
)
def test_half_of_the_failures_should_be_tied_by_record(events, by_record, status, share):
    found = linked_by_record(facts(recorded(events, by_record)))
    assert (found.status, found.value, found.gate) == (status, share, False)


def test_without_records_or_failures_there_is_no_share():
    assert linked_by_record(facts(TWO_SERVICES)).sentence == "not assessed: no column caused_by"
    assert linked_by_record(facts(recorded(0, 0))).sentence == "not assessed: no deployment in the contrast failed"


# The rule of every other reading of the same deployments: which primary answer, which readings, how it ends.
READINGS = [
    (HARM, (1.5, 1.1), Status.PASS),
    (HARM, (1.5, 1.0), Status.FAIL),  # a claimed side is kept by being on it
    (HARM, (1.5, 0.9), Status.FAIL),
    (BENEFIT, (0.9, 0.5), Status.PASS),
    (BENEFIT, (0.9, 1.1), Status.FAIL),
    (BENEFIT, (0.0, 0.9), Status.PASS),
    (NEITHER, (1.5, 0.9), Status.PASS),  # nothing is claimed, and these intervals claim nothing either
    (HARM, (nan,), Status.NOT_ASSESSED),
    (HARM, (), Status.NOT_ASSESSED),
    (NOTHING, (1.5, 1.1), Status.NOT_ASSESSED),
]


def read_again(values: tuple[float, ...]) -> tuple[Estimate, ...]:
    """Readings with intervals that hold 1 and much else; NaN is one that cannot be estimated."""
    return tuple(
        ratio(0.1, 9, value=value, id=f"total.risk_ratio.r{n}", label=f"without s{n}") for n, value in enumerate(values)
    )


@pytest.mark.parametrize(("primary", "values", "status"), READINGS)
def test_every_link_rule_must_keep_the_answer(primary, values, status):
    found = link_rules_agree(facts(estimates={"primary": primary}, by_rule=read_again(values)))
    assert (found.status, found.gate) == (status, False)


@pytest.mark.parametrize(("primary", "values", "status"), READINGS)
def test_no_single_service_may_give_the_answer_its_side(primary, values, status):
    found = nobody_carries_it(facts(estimates={"primary": primary}, without_one=read_again(values)))
    assert (found.status, found.gate) == (status, False)


@pytest.mark.parametrize(("low", "status"), [(1.0, Status.PASS), (1.01, Status.FAIL)])
def test_where_the_answer_claims_no_side_no_other_reading_may_claim_one(low, status):
    claiming = (*read_again((1.1,)), ratio(low, 1.3, label="without s1"))
    found = nobody_carries_it(facts(estimates={"primary": NEITHER}, without_one=claiming))
    assert (found.status, found.threshold) == (status, "claims no side either")


def test_the_service_that_matters_most_is_named():
    told = [
        nobody_carries_it(facts(estimates={"primary": primary}, without_one=read_again((1.4, 0.9, 1.6)))).sentence
        for primary in (HARM, BENEFIT)
    ]
    assert told == [
        "services left out in turn: the furthest is without s1 0.90 (0.10 to 9.00); turned by without s1",
        "services left out in turn: the furthest is without s2 1.60 (0.10 to 9.00); turned by without s0, without s2",
    ]


@pytest.mark.parametrize(("primary", "values", "status"), READINGS)
def test_the_unlabelled_changes_are_read_both_ways(primary, values, status):
    names = ("label_error.unknown_as_ai", "label_error.unknown_as_human")
    tried = {id: found.named(id) for id, found in zip(names, read_again(values), strict=False)}
    found = unknown_as_either(facts(estimates={"primary": primary}, tried=tried))
    assert (found.status, found.gate) == (status, False)


def test_which_reading_of_the_unlabelled_turns_the_answer_is_named():
    names = ("label_error.unknown_as_ai", "label_error.unknown_as_human")
    tried = {id: found.named(id) for id, found in zip(names, read_again((1.5, 0.9)), strict=True)}
    assert unknown_as_either(facts(estimates={"primary": HARM}, tried=tried)).sentence == (
        "read as AI-assisted and as not: the furthest is unknown as human 0.90 (0.10 to 9.00); "
        "turned by unknown as human"
    )


# --- the challenges behind them


def test_each_challenge_reads_the_outcome_it_is_about():
    drawing = "service | ai | other\n" + "\n".join(f"s{n} | 3/20 | 3/20" for n in range(6))
    drawn = cells(drawing)
    exposed = drawn.frame["exposed"] == 1
    outcomes = {"recorded_events": 1, "window_events": 2, "placebo_events": 3, "control_events": 4}
    # Each outcome falls on one unexposed deployment of every service, and that many exposed ones, s0 having one more.
    frame = drawn.frame.assign(
        **{
            name: (exposed * number).where(exposed, 1) + (drawn.frame["service"] == "s0") * exposed
            for name, number in outcomes.items()
        }
    )
    found = counted(replace(drawn, frame=frame))
    placebo_in_time, control = BeforeTheDeployment()(found), IncidentsOfOtherCause()(found)
    by_rule = {item.id: item for item in EachRuleAlone()(found)}
    assert placebo_in_time.value == approx(19 / 6)  # six services at 3, and one more failure
    assert control.value == approx(25 / 6)
    assert by_rule["total.risk_ratio.recorded"].value == approx(7 / 6)
    assert by_rule["total.risk_ratio.window"].value == approx(13 / 6)
    assert {placebo_in_time.id, control.id} == {"placebo.risk_ratio", "negative_control.risk_ratio"}


def test_challenges_without_their_column_give_nothing():
    found = counted(cells(TWO_SERVICES))
    assert IncidentsOfOtherCause()(found) is None
    assert EachRuleAlone()(found) == ()


def test_leaving_out_one_service_leaves_the_others():
    drawing = """
        service | ai   | other
        a       | 4/10 | 2/10
        b       | 2/10 | 2/10
        quiet   | 0/10 | 0/10
    """
    found = LeaveOneOut()(cells(drawing))
    assert [item.label for item in found] == ["without a", "without b"]  # a service without failures changes nothing
    assert [item.value for item in found] == approx([1.0, 2.0])
    assert LeaveOneOut()(cells("service | ai | other \n a | 4/10 | 2/10")) == ()


def test_all_checks_are_made_once_and_told_in_a_table():
    drawn = cells(FOUR)
    study = counted(replace(drawn, frame=drawn.frame.assign(placebo_events=[1, 2] * 4)))
    found = challenge(None, study, estimate_effects(study, plan()), plan())
    table = found.tidy()
    assert table["id"].is_unique and len(table) == len(CHECKS)
    assert set(table["status"]) <= {"pass", "fail", "not assessed"}
    assert all(check.sentence and check.question.endswith("?") for check in found.checks)


def test_the_table_of_checks_escapes_what_it_quotes():
    hostile = Check(id="x", question="<script>?", status=Status.PASS, sentence="without <b>service</b>")
    assert "<script>" not in Challenged((hostile,), ())._repr_html_().replace(SORTABLE, "")
    assert "<b>" not in Challenged((hostile,), ())._repr_html_()
