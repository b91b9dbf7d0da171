"""What must hold whatever the numbers, when coincident links are taken out of a risk ratio."""

from __future__ import annotations

from dataclasses import replace
from math import inf, isclose

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pytest import approx

from counterfault.cells import Cells
from counterfault.estimate import Estimand, Estimate, Interval, not_estimable
from counterfault.estimators.poisson.coincidence import MOST, Background, _limit, background, without_coincidences
from counterfault.estimators.poisson.regression import HEADLINE
from counterfault.estimators.tables import stratified

STRATA = ("service", "quarter")
few = settings(max_examples=40, deadline=None)  # a busy machine is no counterexample


def found(value: float, low: float, high: float, level: float = 0.95) -> Estimate:
    return Estimate(
        estimand=Estimand.RISK_RATIO,
        value=value,
        interval=Interval(low, high, level),
        method="made for the test",
        standard_error=0.1,
    )


def cells(rows: list[tuple], *columns: str) -> Cells:
    """Rows of service, quarter, exposed, n, events, chance_events, and whatever else is named."""
    names = ["service", "quarter", "exposed", "n", "events", "chance_events", *columns]
    frame = pd.DataFrame(rows, columns=names)
    return Cells(frame.assign(exposure_hours=24.0 * frame["n"]), STRATA)


def expected(services: list[tuple[int, int, int, int]], ratio: int) -> Cells:
    """What one expects to count where coincidence adds the same chance to both kinds of change.

    Each service is (thousands of exposed, thousands of others, own failures per thousand without AI, coincidences per
    thousand): whole numbers, so that the expectation is a count.
    """
    rows = []
    for number, (exposed, others, own, chance) in enumerate(services):
        rows.append((f"s{number}", "q", 1, 1000 * exposed, exposed * (ratio * own + chance), exposed * chance))
        rows.append((f"s{number}", "q", 0, 1000 * others, others * (own + chance), others * chance))
    return cells(rows)


ratios = st.floats(0.01, 100)
services = st.lists(
    st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 60), st.integers(0, 60)), min_size=2, max_size=6
)


@st.composite
def estimates(draw) -> Estimate:
    low, value, high = sorted(draw(st.tuples(ratios, ratios, ratios)))
    return found(value, low, draw(st.sampled_from([high, high, high, inf])))


@st.composite
def counted(draw) -> Cells:
    """Cells in which coincidence is anything from nothing to every failure."""
    rows = []
    for service in range(draw(st.integers(1, 5))):
        for quarter in range(draw(st.integers(1, 2))):
            for exposed in (0, 1):
                n = draw(st.integers(1, 400))
                events = draw(st.integers(0, n))
                rows.append((f"s{service}", f"q{quarter}", exposed, n, events, draw(st.floats(0, 1)) * events))
    return cells(rows)


def correctable(drawn: Cells) -> None:
    assume(background(drawn).share <= MOST)


# --- 1 stays 1, and no side is changed


@few
@given(drawn=counted(), low=st.floats(0.1, 1), high=st.floats(1, 9))
def test_a_ratio_of_one_stays_one(drawn, low, high):
    correctable(drawn)
    after = without_coincidences(found(1.0, low, high), drawn)
    assert after.value == 1
    assert 1.0 in after.interval


@few
@given(before=estimates(), drawn=counted())
def test_neither_the_ratio_nor_a_limit_crosses_one(before, drawn):
    correctable(drawn)
    after = without_coincidences(before, drawn)
    pairs = (
        (before.value, after.value),
        (before.interval.low, after.interval.low),
        (before.interval.high, after.interval.high),
    )
    for was, became in pairs:
        assert (was - 1) * (became - 1) >= 0 or isclose(became, 1)


@few
@given(before=estimates(), drawn=counted())
def test_limits_stay_in_order_and_an_interval_that_held_one_holds_it_still(before, drawn):
    correctable(drawn)
    after = without_coincidences(before, drawn)
    assert 0 <= after.interval.low <= after.value * (1 + 1e-9)
    assert after.value <= after.interval.high * (1 + 1e-9)
    if 1.0 in before.interval:
        assert 1.0 in after.interval


@few
@given(before=estimates(), drawn=counted())
def test_taking_a_background_out_moves_a_ratio_away_from_one(before, drawn):
    correctable(drawn)
    after = without_coincidences(before, drawn)
    assert abs(after.value - 1) >= abs(before.value - 1) * (1 - 1e-9) or after.value == 0  # there is no ratio below 0


@few
@given(before=estimates(), drawn=counted())
def test_an_estimate_without_coincidences_stays_as_it_is(before, drawn):
    after = without_coincidences(before, Cells(drawn.frame.assign(chance_events=0.0), drawn.strata))
    assert after.value == approx(before.value)
    assert (after.interval.low, after.interval.high) == approx((before.interval.low, before.interval.high))
    assert after.standard_error == approx(before.standard_error)


def test_where_nobody_knows_how_many_are_coincidence_the_ratio_stays_and_the_reader_is_told():
    unknown = Cells(expected([(1, 1, 5, 5)], 2).frame.drop(columns="chance_events"), STRATA)
    before = found(2.0, 1.5, 2.7)
    after = without_coincidences(before, unknown)
    assert (after.value, after.interval, after.method) == (before.value, before.interval, before.method)
    assert after.caveats[0].startswith("How many links are coincidence is not known, because the data are too short ")
    assert after.caveats[0].endswith("; the ratio is as counted, and coincidences pull it towards 1.")


def test_what_cannot_be_estimated_is_handed_on():
    nothing = not_estimable(Estimand.RISK_RATIO, "Nothing to compare.", method="m", level=0.95)
    assert without_coincidences(nothing, expected([(1, 1, 5, 5)], 2)) is nothing


# --- what was planted comes back


@few
@given(drawn=services, ratio=st.integers(0, 9))
def test_the_ratio_under_a_background_that_differs_between_services_comes_back(drawn, ratio):
    """Exactly, for the stratified ratio: it and the share weigh strata alike."""
    planted = expected(drawn, ratio)
    correctable(planted)
    before = stratified.risk_ratio(planted)
    assume(before.estimable)
    assert without_coincidences(before, planted).value == approx(ratio, abs=1e-9)


def disturbed(drawn: Cells) -> Cells:
    """Every service twice, one with a tenth more and one with a tenth fewer failures of exposed changes.

    The two cancel in every estimate, and leave services something to differ in.
    """
    tenth = drawn.frame["events"] * drawn.frame["exposed"] // 10
    up, down = (
        drawn.frame.assign(events=drawn.frame["events"] + sign * tenth, service=drawn.frame["service"] + name)
        for sign, name in ((1, "+"), (-1, "-"))
    )
    return Cells(pd.concat([up, down], ignore_index=True), STRATA)


@pytest.mark.parametrize("ratio", [2, 5])
@pytest.mark.parametrize("times", [1, 3])
def test_the_ratio_of_the_regression_comes_back_under_a_background_of_one_share(ratio, times):
    own = [(5, 5, 20), (3, 6, 10), (4, 4, 30), (7, 2, 10)]
    planted = disturbed(expected([(*arms, risk, times * risk) for *arms, risk in own], ratio))
    before = HEADLINE(planted)
    after = without_coincidences(before, planted)
    assert background(planted).share == approx(times / (1 + times))
    assert before.value == approx(1 + (ratio - 1) / (1 + times))  # what the background made of it
    assert after.value == approx(ratio)
    assert after.standard_error > before.standard_error
    assert after.interval.high / after.interval.low > before.interval.high / before.interval.low


def test_by_hand():
    # One service: of 100 failures of others 50 are coincidence. A ratio of 3 among all is (3 − 0.5) / (1 − 0.5) = 5
    # among what changes caused. Nothing is known of how the share varies, with one service: the limits move alike.
    alone = cells([("a", "q", 1, 1000, 300, 50.0), ("a", "q", 0, 1000, 100, 50.0)])
    assert background(alone) == Background(0.5, 0.0, 1)
    after = without_coincidences(found(3.0, 2.0, 4.5), alone)
    assert (after.value, after.interval.low, after.interval.high) == approx((5.0, 3.0, 8.0))
    assert after.standard_error == approx(0.1 * 3 / (0.5 * 5))  # d log R* / d log R = R / ((1 − b) R*)
    assert after.method.endswith("; less the background of coincident links, 50% of the others' failures")


def test_where_less_failed_than_coincidence_explains_the_ratio_is_zero():
    alone = cells([("a", "q", 1, 1000, 30, 50.0), ("a", "q", 0, 1000, 100, 50.0)])
    after = without_coincidences(found(0.3, 0.2, 0.7), alone)
    assert (after.value, after.interval.low) == (0.0, 0.0)
    assert after.interval.high == approx(0.4)
    assert np.isnan(after.standard_error)


# --- the share and its error


@few
@given(drawn=counted())
def test_the_share_is_that_of_the_strata_where_the_two_kinds_are_compared(drawn):
    chance = failed = 0.0
    for _, stratum in drawn.frame.groupby(list(STRATA)):
        exposed, others = (stratum[stratum["exposed"] == arm] for arm in (1, 0))
        weight = exposed["n"].sum() / stratum["n"].sum()
        chance += weight * others["chance_events"].sum()
        failed += weight * others["events"].sum()
    assert background(drawn).share == approx(chance / failed if failed else 0)


@few
@given(drawn=counted(), more=st.floats(0, 50))
def test_coincidences_of_exposed_changes_say_nothing_about_the_others(drawn, more):
    frame = drawn.frame.assign(chance_events=drawn.frame["chance_events"] + more * drawn.frame["exposed"])
    assert background(Cells(frame, drawn.strata)) == background(drawn)


def test_the_error_of_the_share_is_that_of_a_ratio_of_sums_over_clusters():
    """A ratio of sums is a weighted regression through the origin: its cluster-robust error judges ours."""
    draws = np.random.default_rng(5)
    rows = []
    for service in range(9):
        for quarter in range(3):
            n = int(draws.integers(50, 400))
            events = int(draws.integers(5, 40))
            rows.append((f"s{service}", f"q{quarter}", 0, n, events, float(draws.uniform(0, events))))
            rows.append((f"s{service}", f"q{quarter}", 1, int(draws.integers(50, 400)), 9, 3.0))
    drawn = cells(rows)
    wide = drawn.frame.pivot_table(index=list(STRATA), columns="exposed", values=["n", "events", "chance_events"])
    weight = wide["n", 1] / (wide["n", 0] + wide["n", 1])
    events, chance = weight * wide["events", 0], weight * wide["chance_events", 0]
    clusters = events.index.get_level_values("service").factorize()[0]
    fit = sm.WLS(chance.to_numpy(), events.to_numpy(), weights=1 / events.to_numpy()).fit(
        cov_type="cluster", cov_kwds={"groups": clusters}
    )
    ours = background(drawn)
    assert (ours.share, ours.error) == approx((fit.params[0], fit.bse[0]))
    assert ours.degrees == 8


def test_limits_grow_by_what_is_not_known_of_the_share():
    even = cells([(f"s{n}", "q", arm, 1000, 100, 40.0) for n in range(6) for arm in (0, 1)])
    uneven = cells([(f"s{n}", "q", arm, 1000, 100, 10.0 + 60.0 * (n % 2)) for n in range(6) for arm in (0, 1)])
    assert background(even).share == approx(background(uneven).share) == approx(0.4)
    sure, unsure = (without_coincidences(found(2.0, 1.5, 2.7), drawn) for drawn in (even, uneven))
    assert sure.value == approx(unsure.value)
    assert (sure.interval.low, sure.interval.high) == approx((1 + 0.5 / 0.6, 1 + 1.7 / 0.6))
    assert unsure.interval.low < sure.interval.low < sure.interval.high < unsure.interval.high


@pytest.mark.parametrize("nearly", [1.0001, 1 / 1.0001])
def test_a_difference_that_was_there_is_there_still_whatever_is_not_known_of_the_share(nearly):
    uneven = cells([(f"s{n}", "q", arm, 1000, 100, 10.0 + 60.0 * (n % 2)) for n in range(6) for arm in (0, 1)])
    before = found(2.0, nearly, 2.7) if nearly > 1 else found(0.5, 0.3, nearly)
    after = without_coincidences(before, uneven)
    assert 1.0 not in before.interval
    assert 1.0 not in after.interval


@pytest.mark.parametrize("ratio", [0.0, 0.5, 2.0])
def test_two_services_that_know_nothing_of_the_share_give_limits_all_the_same(ratio):
    opposite = [("a", "q", 1, 1000, 9, 0.0), ("a", "q", 0, 1000, 100, 0.0)]
    opposite += [("b", "q", 1, 1000, 9, 0.0), ("b", "q", 0, 1000, 1, 90.0)]
    after = without_coincidences(found(ratio, ratio / 2, 2 * ratio + 0.1, level=0.999), cells(opposite))
    assert 0 <= after.interval.low <= after.value <= after.interval.high


def test_failures_that_are_no_coincidence_are_counted_for_the_exposed():
    # 300 failures of exposed changes at three times the others' risk; half of the others' are coincidence, which is a
    # sixth of what failed among the exposed.
    alone = cells([("a", "q", 1, 1000, 300, 50.0), ("a", "q", 0, 1000, 100, 50.0)])
    before = replace(found(3.0, 2.0, 4.5), support={"exposed_events": 300})
    assert without_coincidences(before, alone).support == {"exposed_events": 300, "exposed_events_caused": 250}


# --- too little left


@pytest.mark.parametrize(("chance", "estimable"), [(95.0, True), (95.1, False)])
def test_where_nearly_all_is_coincidence_nothing_is_estimated_and_the_reason_is_said(chance, estimable):
    drawn = cells([("a", "q", 1, 1000, 200, chance), ("a", "q", 0, 1000, 100, chance)])
    after = without_coincidences(found(2.0, 1.5, 2.7, level=0.9), drawn)
    assert after.estimable is estimable
    if not estimable:
        assert after.caveats[0] == (
            "Coincidence accounts for 95% of the failures of other changes: too little is left to compare. A shorter "
            "window, or causes recorded by people, would leave more."
        )
        assert (after.interval.low, after.interval.high, after.interval.level) == (0.0, inf, 0.9)
        assert after.method == "made for the test"


def test_without_a_failure_of_the_others_nothing_is_known_of_coincidences():
    silent = cells([("a", "q", 1, 1000, 20, 3.0), ("a", "q", 0, 1000, 0, 0.0)])
    assert background(silent).share == 0
    only_exposed = cells([("a", "q", 1, 1000, 20, 3.0)])
    assert background(only_exposed).share == 0
    assert background(Cells(silent.frame.iloc[:0], STRATA)).share == 0


# --- names and compression say nothing


@few
@given(drawn=counted(), order=st.randoms(use_true_random=False))
def test_names_and_order_of_strata_say_nothing(drawn, order):
    names = sorted(drawn.frame["service"].unique())
    others = [f"other {name}" for name in names]
    order.shuffle(others)
    renamed = drawn.frame.assign(service=drawn.frame["service"].map(dict(zip(names, others, strict=True))))
    shuffled = renamed.sort_values(["service", "exposed", "quarter"], ignore_index=True)
    here, there = background(drawn), background(Cells(shuffled, STRATA))
    assert (there.share, there.error, there.degrees) == approx((here.share, here.error, here.degrees), abs=1e-12)


@few
@given(drawn=counted(), at=st.floats(0, 1))
def test_splitting_cells_by_a_covariate_says_nothing(drawn, at):
    n, events = ((drawn.frame[name] * at).astype("int64") for name in ("n", "events"))
    part = drawn.frame.assign(n=n, events=events, chance_events=drawn.frame["chance_events"] * at)
    sums = ["n", "events", "chance_events"]
    rest = drawn.frame.assign(**{name: drawn.frame[name] - part[name] for name in sums})
    split = pd.concat([part.assign(at_peak="yes"), rest.assign(at_peak="no")], ignore_index=True)
    here, there = background(drawn), background(Cells(split, STRATA))
    assert (there.share, there.error, there.degrees) == approx((here.share, here.error, here.degrees), abs=1e-9)


@pytest.mark.parametrize("ratio", [2.0, 0.8])
def test_an_interval_without_width_is_widened_both_ways(ratio):
    """What is not known of the share is all there is to tell, and it lies on both sides of the estimate."""
    low, high = (_limit(ratio, ratio, way, share=0.5, reach=0.2) for way in (-1.0, 1.0))
    assert low < 1 + (ratio - 1) / 0.5 < high
    assert (low - 1) * (high - 1) > 0  # and on one side of 1
