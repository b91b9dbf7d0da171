"""Every choice crossed with every other, each analysis once, the planned one among them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from drawing import checked, counted, linked, plan

from counterfault import Plan, Study, count, estimate_effects, link, read
from counterfault import check as check_tables
from counterfault.cells import TwoByTwo
from counterfault.challenges.multiverse import Curve, Multiverse, median_ratio
from counterfault.challenges.specifications import choices
from counterfault.counting.specification_cells import specification_rows
from counterfault.estimate import Estimand, Estimate, Interval, not_estimable
from counterfault.estimators.tables import stratified

DEPLOYMENTS = """
    id | at               | service  | team  | assistance
    ---+------------------+----------+-------+-----------
    d1 | 2026-03-01 09:00 | checkout | red   | ai
    d2 | 2026-03-02 09:00 | checkout | red   | human
    d3 | 2026-03-03 09:00 | search   | red   | ai
    d4 | 2026-03-08 09:00 | search   | red   | human
"""
INCIDENTS = """
    id | at               | service  | caused_by
    ---+------------------+----------+----------
    i1 | 2026-03-01 10:00 | checkout | d1
    i2 | 2026-03-03 08:00 | checkout |
    i3 | 2026-03-10 08:00 | search   |
"""


def labels(promise: Plan, deployments: str = DEPLOYMENTS, incidents: str = INCIDENTS, held: tuple[str, ...] = ()):
    tables = checked(deployments=deployments, incidents=incidents)
    found = choices(promise.challenges.multiverse, promise, tables, held)
    return [each.label for each in found.specifications], found.not_tried


def listing(**lists) -> Plan:
    """A plan that lists one of each, unless it says otherwise."""
    one_of_each = {
        "links": ["window"],
        "windows_hours": [24.0],
        "strata": [["service", "quarter"]],
        "covariates": ["none"],
        "estimators": ["total.risk_ratio"],
    }
    outcome = {"link": "window", "follow_up_hours": 24.0}
    design = {"primary": "total.risk_ratio"}
    return plan(outcome=outcome, design=design, challenges={"multiverse": {**one_of_each, **lists}})


# --- which specifications ---------------------------------------------------------------------------------------------


def test_one_of_each_list_crossed_and_the_planned_one_first():
    found, not_tried = labels(
        listing(windows_hours=[6.0, 24.0], estimators=["stratified.risk_ratio", "total.risk_ratio"])
    )
    assert found == [
        "window 24 h · service × quarter · no covariates · total.risk_ratio",
        "window 6 h · service × quarter · no covariates · stratified.risk_ratio",
        "window 24 h · service × quarter · no covariates · stratified.risk_ratio",
        "window 6 h · service × quarter · no covariates · total.risk_ratio",
    ]
    assert not_tried == ()


def test_the_planned_specification_is_there_even_if_the_plan_does_not_list_it():
    found, _ = labels(listing(windows_hours=[6.0]))
    assert found == [
        "window 24 h · service × quarter · no covariates · total.risk_ratio",
        "window 6 h · service × quarter · no covariates · total.risk_ratio",
    ]


def test_a_record_knows_no_window_and_is_not_counted_once_for_each():
    found, _ = labels(listing(links=["window", "recorded"], windows_hours=[6.0, 24.0]))
    assert found == [
        "window 24 h · service × quarter · no covariates · total.risk_ratio",
        "window 6 h · service × quarter · no covariates · total.risk_ratio",
        "recorded · service × quarter · no covariates · total.risk_ratio",
    ]


def test_a_record_has_no_coincidences_to_correct_for():
    both = ["total.risk_ratio", "corrected.risk_ratio"]
    found, _ = labels(listing(links=["window", "recorded"], estimators=both))
    assert [label.rpartition(" · ")[2] for label in found if label.startswith("recorded")] == ["total.risk_ratio"]
    assert [label.rpartition(" · ")[2] for label in found if label.startswith("window")] == both


def test_strata_in_another_order_are_the_same_strata():
    found, _ = labels(listing(strata=[["quarter", "service"], ["service", "quarter"]]))
    assert found == ["window 24 h · service × quarter · no covariates · total.risk_ratio"]  # as the plan has it


def test_with_the_default_lists_there_are_80():
    promise = plan(outcome={"link": "recorded_then_window"}, design={"confounders": ["author_tenure_days"]})
    found, not_tried = labels(promise, held=("author_tenure_days",))
    # (2 rules × 3 windows × 3 estimators + records, which know no coincidence, × 2) × 2 strata × 2 covariates
    assert len(found) == len(set(found)) == 80
    assert found[0] == f"recorded then window 24 h · service × quarter · confounders · {promise.design.primary}"
    assert not_tried == ()


def test_without_confounders_nothing_is_adjusted_for_and_no_specification_comes_twice():
    found, not_tried = labels(plan(outcome={"link": "recorded_then_window"}))
    assert len(found) == len(set(found)) == 40
    assert not_tried == ("no confounder is there to adjust for",)


def test_a_confounder_that_the_strata_hold_fixed_is_not_adjusted_for_again():
    found, _ = labels(listing(covariates=["none", "confounders"], strata=[["team", "quarter"]]), held=("team",))
    assert found == [
        "window 24 h · service × quarter · confounders · total.risk_ratio",
        "window 24 h · team × quarter · no covariates · total.risk_ratio",
    ]


def test_what_the_tables_cannot_give_is_said_and_not_counted():
    promise = listing(links=["recorded_then_window", "recorded", "dependency"], strata=[["team", "month"]])
    found, not_tried = labels(
        promise,
        deployments=DEPLOYMENTS.replace("team ", "layer"),
        incidents=INCIDENTS.replace("caused_by", "cause    ").replace("| d1", "|   "),
    )
    assert found == ["window 24 h · service × quarter · no covariates · total.risk_ratio"]
    assert not_tried == (
        "recorded then window is the same as window here",
        "dependency is the same as window here",
        "recorded: no column caused_by",
        "team × month: no column team",
    )


def test_a_stratified_plan_holds_no_covariate_fixed_but_the_strata():
    promise = plan(design={"primary": "stratified.risk_ratio", "confounders": ["team"]})
    assert labels(promise, held=("team",))[0][0].endswith("no covariates · stratified.risk_ratio")


# --- who fails under which -------------------------------------------------------------------------------------------


def failed_under(rule: str, hours: float | None) -> TwoByTwo:
    """Deployments of the contrast and failures by label, with a plan that follows deployments for a day."""
    promise = listing()
    tables = linked(promise, deployments=DEPLOYMENTS, incidents=INCIDENTS)
    found = counted(promise, deployments=DEPLOYMENTS, incidents=INCIDENTS)
    rows = specification_rows(found.rows, tables, promise, (), ("team", "month"), [(rule, hours)])
    return rows.cells((rule, hours), ("team", "month")).two_by_two()


def test_each_rule_and_window_has_its_own_failures():
    #                                       AI failed, AI, others failed, others
    assert failed_under("recorded", None) == (1, 2, 0, 2)  # d1, by record
    assert failed_under("window", 6.0) == (1, 2, 0, 2)  # d1, one hour before i1
    assert failed_under("window", 24.0) == (1, 2, 1, 2)  # d2 too, 23 hours before i2
    assert failed_under("recorded_then_window", 24.0) == (1, 2, 1, 2)


def test_a_window_longer_than_the_follow_up_leaves_out_whom_nobody_watched_so_long():
    # The data end 47 hours after d4: watched for a day, as the plan asks, but not for two days.
    assert failed_under("window", 47.0) == (1, 2, 2, 2)  # d1; d2, and d4 to the minute
    assert failed_under("window", 48.0) == (1, 2, 1, 1)  # d4 is left out
    assert failed_under("recorded", None) == (1, 2, 0, 2)  # and is there where nothing is awaited


# --- the curve of an organisation ------------------------------------------------------------------------------------


def organisation(seed: int, ratio: float, size: int = 900) -> tuple[pd.DataFrame, pd.DataFrame]:
    random = np.random.default_rng(seed)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    service, hour = random.integers(0, 6, size), np.sort(random.integers(0, 24 * 170, size))
    peak = random.random(size) < 0.4
    exposed = random.random(size) < 0.25 + 0.2 * peak + 0.05 * service
    failed = random.random(size) < (0.05 + 0.05 * peak) * np.where(exposed, ratio, 1.0)
    at = [start + timedelta(hours=int(each)) for each in hour]
    deployments = pd.DataFrame(
        {
            "deployment_id": [f"d{number}" for number in range(size)],
            "deployed_at": at,
            "service": [f"service {code}" for code in service],
            "team": np.where(service < 3, "red", "blue"),
            "assistance": np.where(exposed, "ai", "human"),
            "at_peak": peak,
        }
    )
    incidents = deployments[failed].assign(incident_id=lambda frame: "i" + frame["deployment_id"])
    incidents = incidents.assign(
        started_at=incidents["deployed_at"] + pd.Timedelta(hours=2),
        caused_by=incidents["deployment_id"].where(random.random(failed.sum()) < 0.5, ""),
    )
    return deployments, incidents[["incident_id", "started_at", "service", "caused_by"]]


def studied(primary: str = "total.risk_ratio", ratio: float = 2.5, size: int = 900, **lists):
    short = {
        "windows_hours": [6.0, 24.0],
        "strata": [["service", "quarter"], ["team", "month"]],
        "estimators": ["stratified.risk_ratio", "total.risk_ratio"],
        "permutations": 99,
    }
    promise = Plan.checked(
        {
            "outcome": {"window_hours": 6.0, "follow_up_hours": 12.0},
            "design": {"primary": primary, "confounders": ["at_peak"], "mediators": []},
            "challenges": {"multiverse": {**short, **lists}},
        }
    )
    deployments, incidents = organisation(7, ratio, size)
    tables = check_tables(read(deployments, incidents), promise, now=datetime(2026, 8, 1, tzinfo=UTC))
    ties = link(tables, promise)
    found = count(ties, promise)
    return Study(ties, found, promise), estimate_effects(found, promise)["primary"]


@pytest.fixture(scope="module")
def study():
    return studied()


@pytest.fixture(scope="module")
def curve(study):
    return Multiverse.of(study[0].plan)(*study)


def test_the_planned_part_is_the_primary_estimate_to_the_last_digit(study, curve):
    planned = curve[0].parts[0]
    assert planned.id == "multiverse.planned"
    assert [part.id for part in curve[0].parts].count("multiverse.planned") == 1
    same = ("value", "interval", "p_value", "standard_error", "method", "support", "estimand")
    assert {name: getattr(planned, name) for name in same} == {name: getattr(study[1], name) for name in same}


@pytest.mark.parametrize("primary", ["stratified.risk_ratio", "corrected.risk_ratio"])
def test_so_it_is_with_another_primary_estimator(primary):
    study, found = studied(primary, links=["recorded"], strata=[["service", "month"]], size=400)
    planned = Multiverse.of(study.plan)(study, found)[0].parts[0]
    assert planned.label.endswith(primary)
    assert (planned.value, planned.interval) == (found.value, found.interval)


def test_every_corrected_part_is_its_uncorrected_one_less_the_coincidences_of_its_own_window():
    study, primary = studied(estimators=["corrected.risk_ratio", "total.risk_ratio"], strata=[["service", "quarter"]])
    parts = {part.label: part for part in Multiverse.of(study.plan)(study, primary)[0].parts}
    for rule in ("recorded then window", "window"):
        whole = f"{rule} {{}} h · service × quarter · confounders · {{}}.risk_ratio".format
        for hours in (6, 24):
            plain, corrected = parts[whole(hours, "total")], parts[whole(hours, "corrected")]
            assert corrected.value > plain.value > 1  # a background pulls towards 1
            assert plain.method in corrected.method
        backgrounds = [parts[whole(hours, "corrected")].value / parts[whole(hours, "total")].value for hours in (6, 24)]
        assert backgrounds == sorted(backgrounds)  # a longer window catches more innocents


def test_the_planned_correction_made_here_is_that_of_the_primary():
    study, primary = studied("corrected.risk_ratio", links=["recorded"], strata=[["service", "month"]], size=400)
    found = choices(study.plan.challenges.multiverse, study.plan, study.linked.checked, study.confounders)
    each = found.planned
    rows = specification_rows(
        study.counted.rows, study.linked, study.plan, study.confounders, each.strata, [each.failing], with_chance=True
    )
    ours = each.estimate(rows, study.level)
    assert ours.value == pytest.approx(primary.value, rel=1e-12)
    assert ours.interval.low == pytest.approx(primary.interval.low, rel=1e-12)


def test_a_covariate_is_a_further_stratum_for_mantel_and_haenszel(study, curve):
    label = "recorded then window 6 h · service × quarter · confounders · stratified.risk_ratio"
    part = next(part for part in curve[0].parts if part.label == label)
    crossed = stratified.risk_ratio(
        type(study[0].cells)(study[0].cells.frame, ("service", "quarter", "at_peak"), "service")
    )
    assert (part.value, part.interval) == (crossed.value, crossed.interval)


def test_the_summary_counts_what_the_parts_say(curve):
    median, share, average = curve
    values = [part.value for part in median.parts]
    assert (median.id, share.id, average.id) == (
        "multiverse.median", "multiverse.share_significant", "multiverse.average_z",
    )  # fmt: skip
    assert median.value == median_ratio(values)
    assert median.support == {
        "specifications": 40,
        "estimable": 40,
        "on_primary_side": sum(value > 1 for value in values),
        "beyond_one": sum(part.interval.low > 1 for part in median.parts),
        "permutations": 99,
        "above_shuffles": 1,
    }
    assert median.p_value == average.p_value == 0.01  # labels do matter here
    assert 0 <= share.value <= 1
    assert (median.interval.low, median.interval.high) == (0, np.inf)


def test_same_seed_same_numbers_and_another_seed_the_same_curve(study, curve):
    challenge = Multiverse.of(study[0].plan)
    assert challenge(*study) == curve
    other = Multiverse(challenge.listed, seed=1)(*study)
    assert [part.value for part in other[0].parts] == [part.value for part in curve[0].parts]


def test_progress_rises_to_the_whole():
    study, primary = studied(links=["recorded"], size=300)
    told: list[tuple[int, int]] = []
    Multiverse.of(study.plan)(study, primary, lambda done, total: told.append((done, total)))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (9 + 100, 9 + 100)


def test_labels_dealt_out_singly_are_warned_about():
    study, primary = studied(links=["recorded"], size=300, shuffle="singly")
    caveats = Multiverse.of(study.plan)(study, primary)[0].caveats
    assert any(caveat.startswith("Labels were shuffled one by one.") for caveat in caveats)


def test_where_nothing_failed_it_says_what_would_be_needed():
    study, primary = studied(ratio=0.0, size=40, links=["recorded"])
    quiet = Multiverse.of(study.plan)(study, primary)
    assert not any(item.estimable for item in quiet)
    assert quiet[0].caveats == (
        f"None of the {len(quiet[0].parts)} specifications has an estimate; the one with the most failures has 0, and "
        "each needs at least one AI-assisted and one other failure among deployments that can be compared.",
    )
    assert (quiet[0].interval.low, quiet[0].interval.high) == (0, np.inf)


# --- what is said of a curve -----------------------------------------------------------------------------------------


def part(value: float, low: float, high: float) -> Estimate:
    return Estimate(estimand=Estimand.RISK_RATIO, value=value, interval=Interval(low, high, 0.95), method="any")


def test_shares_are_of_those_that_can_be_estimated():
    silent = not_estimable(Estimand.RISK_RATIO, "no failure", method="any", level=0.95)
    parts = (part(1.5, 1.1, 2.0), part(1.2, 0.9, 1.6), part(0.8, 0.6, 0.95), part(1.9, 1.2, 3.0), silent)
    assert Curve(parts, above=True).counts() == {
        "specifications": 5, "estimable": 4, "on_primary_side": 3, "beyond_one": 2,
    }  # fmt: skip
    assert list(Curve(parts, above=False).told(by_primary=True)) == [
        "5 specifications, 1 of them not estimable.",
        "25% of the estimable ones lie below 1, as the primary estimate does; 25% with an interval that excludes 1 "
        "there. They range from 0.80 to 1.90.",
    ]


@pytest.mark.parametrize(
    ("values", "middle"), [([2.0], 2.0), ([0.5, 2.0], 1.0), ([3.0, 1.0, 2.0], 2.0), ([0.0, 5.0, 1.0, 4.0], 2.0)]
)
def test_the_median_of_ratios_lies_in_the_middle_of_their_logarithms(values, middle):
    assert median_ratio(values) == pytest.approx(middle)
