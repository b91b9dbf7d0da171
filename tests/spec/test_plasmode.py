"""The procedure is tried on the user's own data: false alarms, power, coverage, and what it takes to be seen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import exp, inf, isnan, log
from statistics import NormalDist

import numpy as np
import pandas as pd
import pytest
from pytest import approx

from counterfault import Plan, Study, check, count, estimate_effects, link
from counterfault.cells import Cells
from counterfault.challenges import plasmode
from counterfault.challenges.answer_shares import coverage, ratio_seen, share, typical
from counterfault.challenges.plasmode import Plasmode
from counterfault.challenges.procedure import Answer
from counterfault.estimate import Estimand, Estimate, Interval, not_estimable
from counterfault.estimators.poisson.regression import as_headline
from counterfault.estimators.tables import stratified
from counterfault.sources import read

IDS = (
    "plasmode.false_harm",
    "plasmode.false_benefit",
    "plasmode.coverage",
    "plasmode.power",
    "plasmode.call_more",
    "plasmode.no_material_difference",
    "plasmode.median_estimate",
    "plasmode.minimum_detectable_effect",
)
STRATIFIED = Plan.checked({"design": {"primary": "stratified.risk_ratio", "confounders": []}})


def organisation(ratio: float = 1.0, n: int = 60, risk: float = 0.06, seed: int = 1) -> Cells:
    """Eight services over three quarters, AI more usual in the riskier ones."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        [(f"s{s}", f"2026Q{q}", arm) for s in range(8) for q in (1, 2, 3) for arm in (0, 1)],
        columns=["service", "quarter", "exposed"],
    )
    place = frame["service"].str[1:].astype(int)
    frame["n"] = np.where(frame["exposed"] == 1, n // 4 + 5 * place, n)
    frame["events"] = rng.binomial(frame["n"], risk * (0.5 + place / 7) * np.where(frame["exposed"] == 1, ratio, 1))
    return Cells(frame, ("service", "quarter"))


def tried(cells: Cells, plan: Plan = STRATIFIED, **settings) -> dict[str, Estimate]:
    by_strata = plan.design.primary == "stratified.risk_ratio"
    primary = stratified.risk_ratio(cells) if by_strata else as_headline(())(cells)
    return {found.id: found for found in Plasmode(**settings).on(cells, plan, (), primary)}


def by_label(found: Estimate) -> dict[str, Estimate]:
    return {part.label: part for part in found.parts}


def test_every_question_has_its_id_and_a_part_for_each_planted_ratio():
    found = tried(organisation(), runs=100)
    assert tuple(found) == IDS
    for name in IDS[2:7]:
        assert list(by_label(found[name])) == ["ratio 1", "ratio 1.25", "ratio 1.5", "ratio 2"]
        assert found[name].label == "ratio 1.25"  # the smallest worth acting on
        assert found[name].value == by_label(found[name])["ratio 1.25"].value
    assert {part.id for part in found["plasmode.power"].parts} == {"plasmode.power"}
    assert found["plasmode.power"].design == "labels shuffled within service × quarter"


@pytest.mark.parametrize("true_ratio", [1.0, 2.5])
def test_false_alarms_keep_to_the_level_whatever_the_true_ratio_is(true_ratio):
    # At 2.5 the data as they are exclude 1: a shuffle must take the effect away and not hand part of it down.
    cells = organisation(true_ratio)
    assert (as_headline(())(cells).interval.low > 1) == (true_ratio > 1)
    found = tried(cells, runs=1000, ratios=())
    for name in ("plasmode.false_harm", "plasmode.false_benefit"):
        assert found[name].value < 0.025 + 3 * (0.025 * 0.975 / 1000) ** 0.5
        assert found[name].support["runs"] == 1000
    assert found["plasmode.false_harm"].value + found["plasmode.false_benefit"].value > 0.005
    assert by_label(found["plasmode.median_estimate"])["ratio 1"].value == approx(1, abs=0.05)


def test_planted_ratios_are_covered_and_seen_the_more_often_the_larger_they_are():
    found = tried(organisation(), runs=600, ratios=(1.5, 3.0))
    covered, power = by_label(found["plasmode.coverage"]), by_label(found["plasmode.power"])
    for part in covered.values():
        assert part.interval.high >= 0.95
        assert part.value > 0.9
    shares = [power[label].value for label in ("ratio 1", "ratio 1.25", "ratio 1.5", "ratio 3")]
    assert shares == sorted(shares)
    assert shares[-1] > 0.99
    medians = by_label(found["plasmode.median_estimate"])
    assert medians["ratio 3"].value == approx(3, rel=0.08)
    called = by_label(found["plasmode.call_more"])
    assert called["ratio 1"].value <= power["ratio 1"].value
    assert called["ratio 3"].value > 0.9


def test_power_agrees_with_the_formula_where_the_formula_holds():
    # Many failures, none rare: log ratios are close to normal, and both ways of asking must give one answer.
    cells = organisation(n=400, risk=0.12, seed=4)
    found = tried(cells, runs=600, ratios=(1.15, 1.2, 1.3))["plasmode.minimum_detectable_effect"]
    formula = float(next(c for c in found.caveats if "the formula gives" in c).rstrip(".").rpartition(" ")[2])
    assert log(found.value) == approx(log(formula), rel=0.15)
    assert found.interval.low < found.value < found.interval.high


def test_the_regression_with_its_confounders_is_tried_too():
    frame = organisation(n=80, risk=0.1).frame
    frame = pd.concat([frame.assign(at_peak="no"), frame.assign(at_peak="yes", n=frame["n"] // 3 + frame["events"])])
    cells, plan = Cells(frame, ("service", "quarter")), Plan()
    primary = as_headline(("at_peak",))(cells)
    steps: list[tuple[int, int]] = []
    found = {
        each.id: each
        for each in Plasmode(runs=100, ratios=(2.0,)).on(
            cells, plan, ("at_peak",), primary, progress=lambda done, total: steps.append((done, total))
        )
    }
    assert steps == [(done, 200) for done in range(1, 201)]  # 100 shuffles, two ratios planted into 50 of them
    assert found["plasmode.false_harm"].value < 0.1
    assert by_label(found["plasmode.power"])["ratio 2"].value > 0.8
    assert "and there at peak no longer go with AI assistance" in found["plasmode.false_harm"].caveats[0]


def test_the_estimate_corrected_for_coincidence_is_given_the_ratio_among_what_changes_caused():
    frame = organisation(n=150, risk=0.15, seed=3).frame
    rates = frame.groupby(["service", "quarter"])[["events", "n"]].transform("sum")
    cells = Cells(frame.assign(chance_events=0.3 * frame["n"] * rates["events"] / rates["n"]), ("service", "quarter"))
    plan = Plan.checked({"design": {"primary": "corrected.risk_ratio", "confounders": []}})
    found = tried(cells, plan, runs=120, ratios=(2.0,))
    medians = by_label(found["plasmode.median_estimate"])
    assert medians["ratio 2"].value == approx(2, rel=0.08)  # and not the 1.7 of all failures
    assert medians["ratio 1"].value == approx(1, rel=0.08)


# --- same seed, same numbers ------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_numbers_and_another_ratio_changes_none_of_them():
    cells = organisation()
    first, again = tried(cells, runs=100), tried(cells, runs=100)
    assert first == again
    more = tried(cells, runs=100, ratios=(1.25, 1.4, 1.5, 2.0))
    for name in ("plasmode.power", "plasmode.coverage", "plasmode.median_estimate"):
        kept = {label: part for label, part in by_label(more[name]).items() if label != "ratio 1.4"}
        assert kept == by_label(first[name])
    other = tried(cells, runs=100, seed=2)
    medians = (by_label(each["plasmode.median_estimate"])["ratio 1"].value for each in (other, first))
    assert len(set(medians)) == 2


def test_a_run_takes_its_settings_from_the_plan():
    plan = Plan.checked({"challenges": {"seed": 7, "plasmode": {"runs": 150, "ratios": [3.0]}}})
    assert Plasmode.of(plan) == Plasmode(runs=150, ratios=(3.0,), seed=7)


def test_fewer_shuffles_are_made_and_told_where_a_fit_takes_long(monkeypatch):
    monkeypatch.setattr(plasmode, "MOST_ENTRIES", 10_000)
    found = tried(organisation(), Plan.checked({"design": {"confounders": []}}), runs=130, ratios=())
    assert found["plasmode.false_harm"].support["runs"] == 100
    assert "On so many deployments a fit takes long: 100 shuffles made of 130 planned." in (
        found["plasmode.false_harm"].caveats
    )


# --- on a study -------------------------------------------------------------------------------------------------------


def studied(risk: float, plan: Plan, each: int = 90) -> tuple[Study, Estimate]:
    """Six services with a deployment a day; labels come in fortnights, and so do failures."""
    rng = np.random.default_rng(5)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    rows = [(service, day) for service in range(6) for day in range(each)]
    deployed = [start + timedelta(days=day, minutes=service) for service, day in rows]
    assisted = [rng.random() < (0.8 if (day // 14 + service) % 2 else 0.2) for service, day in rows]
    deployments = pd.DataFrame(
        {
            "deployment_id": [f"d{number}" for number in range(len(rows))],
            "deployed_at": pd.to_datetime(deployed, utc=True),
            "service": [f"s{service}" for service, _ in rows],
            "assistance": np.where(assisted, "ai", "human"),
        }
    )
    failed = deployments[rng.random(len(rows)) < [risk * (1.8 if day // 14 % 3 else 0.2) for _, day in rows]]
    incidents = pd.DataFrame(
        {
            "incident_id": [f"i{number}" for number in range(len(failed))],
            "started_at": failed["deployed_at"] + timedelta(hours=1),
            "service": failed["service"].astype("str"),
        }
    )
    linked = link(check(read(deployments, incidents, plan=plan), plan, now=datetime(2027, 1, 1, tzinfo=UTC)), plan)
    counted = count(linked, plan)
    return Study(linked, counted, plan), estimate_effects(counted, plan)["primary"]


def test_a_study_also_has_its_labels_rotated_in_time():
    study, primary = studied(0.15, Plan.checked({"design": {"primary": "total.risk_ratio"}}))
    found = {each.id: each for each in Plasmode(runs=120, ratios=())(study, primary)}
    for name in ("plasmode.false_harm", "plasmode.false_benefit"):
        (rotated,) = found[name].parts
        assert rotated.label == "labels rotated in time"
        assert rotated.design == "labels rotated within service × quarter"
        assert rotated.support["runs"] == 60
    assert not any("Shuffling scatters" in caveat for caveat in found["plasmode.false_harm"].caveats)


def test_without_weeks_the_reader_is_told_what_a_shuffle_cannot_see():
    caveats = tried(organisation(), runs=100)["plasmode.false_harm"].caveats
    assert any(caveat.startswith("Shuffling scatters labels that came in runs.") for caveat in caveats)


def test_too_few_failures_are_not_assessed_with_the_count_it_would_need():
    study, primary = studied(
        0.15, Plan.checked({"gates": {"min_events": 500}, "design": {"primary": "total.risk_ratio"}})
    )
    events = study.cells.two_by_two().support()["events"]
    found = Plasmode()(study, primary)
    assert tuple(each.id for each in found) == IDS
    for each in found:
        assert isnan(each.value)
        assert each.caveats == (
            f"{events} deployments in the contrast failed; with fewer than 500 (gates.min_events) no call is made, and "
            "there is none to try.",
        )
        assert (each.interval.low, each.interval.high) == (each.estimand.lowest, each.estimand.highest)


def test_a_primary_estimate_that_cannot_be_made_is_not_tried():
    study, _ = studied(0.15, Plan.checked({"design": {"primary": "total.risk_ratio"}}))
    silent = not_estimable(Estimand.RISK_RATIO, "No incident.", method="", level=0.95)
    assert Plasmode()(study, silent)[0].caveats == ("The primary estimate itself cannot be made: No incident.",)


# --- shares -----------------------------------------------------------------------------------------------------------


def answer(value: float, low: float, high: float) -> Answer:
    primary = Estimate(estimand=Estimand.RISK_RATIO, value=value, interval=Interval(low, high, 0.95), method="")
    return Answer(primary, primary.interval)


def test_a_run_without_an_answer_is_no_alarm_but_is_no_coverage_either():
    runs = [answer(1.5, 1.1, 2.0), answer(1.2, 0.9, 1.6), None, None]
    alarms = share(runs, lambda found: found.primary.interval.low > 1, "x", 0.95)
    assert alarms.value == 0.25
    assert alarms.support == {"runs": 4, "of_this_kind": 1, "no_answer": 2}
    covered = coverage(runs, 1.0, "x", 0.95)
    assert covered.value == 0.5
    assert covered.support["runs"] == 2
    assert typical(runs, "x", 0.95).value == approx(1.35)
    for silent in (coverage([None], 1.0, "x", 0.95), typical([None], "x", 0.95)):
        assert isnan(silent.value)


def test_the_limits_of_a_share_are_those_r_prints():
    # > binom.test(9, 400)$conf.int
    # [1] 0.010338851 0.042281030     R 4.2.2, printed with eight digits
    found = share([answer(2, 1.5, 3)] * 9 + [None] * 391, lambda run: True, "x", 0.95)
    assert (found.interval.low, found.interval.high) == approx((0.010338851, 0.042281030), abs=5e-9)


def normal_power(error: float, runs: int = 100_000) -> dict[float, Estimate]:
    def of(ratio: float) -> Estimate:
        value = NormalDist().cdf(log(ratio) / error - 1.96)
        support = {"runs": runs, "of_this_kind": round(value * runs), "no_answer": 0}
        limits = Interval(max(value - 0.01, 0), min(value + 0.01, 1), 0.95)
        return Estimate(estimand=Estimand.RISK, value=value, interval=limits, method="", support=support)

    return {ratio: of(ratio) for ratio in (1.0, 1.25, 1.5, 2.0)}


@pytest.mark.parametrize("error", [0.1, 0.15, 0.2])
def test_the_ratio_seen_is_that_of_the_normal_formula_where_power_is_normal(error):
    found = ratio_seen(normal_power(error))
    assert found.value == approx(exp((1.96 + NormalDist().inv_cdf(0.8)) * error), rel=2e-3)
    assert found.interval.low < found.value < found.interval.high


def test_a_ratio_seen_beyond_the_largest_planted_one_is_bounded_below_only():
    found = ratio_seen(normal_power(0.5))
    assert isnan(found.value)
    assert (found.interval.low, found.interval.high) == (2.0, inf)
    assert found.caveats == (
        "Even a ratio of 2 was seen in 28% of the runs only, so the ratio seen in 80% is above 2; plan larger ratios "
        "to find it.",
    )


def test_nothing_of_a_reader_s_own_is_changed():
    cells = organisation()
    before = cells.frame.copy()
    tried(cells, runs=100)
    pd.testing.assert_frame_equal(cells.frame, before)
