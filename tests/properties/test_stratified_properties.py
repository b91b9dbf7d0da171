"""What must hold for every set of strata, whoever computed it."""

from fractions import Fraction
from itertools import product
from math import comb, inf, isinf, isnan, log

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pytest import approx
from scipy.stats import nchypergeom_fisher

from counterfault.cells import Cells, TwoByTwo
from counterfault.challenges.leave_one_out import LeaveOneOut
from counterfault.estimate import Estimate
from counterfault.estimators.tables import score, two_by_two
from counterfault.estimators.tables.exact import exposed_events
from counterfault.estimators.tables.hypergeometric import ConditionalScore
from counterfault.estimators.tables.stratified import (
    DifferenceVariance,
    Limits,
    exact_conditional,
    homogeneity,
    odds_ratio,
    risk_difference,
    risk_ratio,
)

Tables = list[TwoByTwo]

MEASURES = [risk_ratio, risk_difference, odds_ratio]
RATIOS = [risk_ratio, odds_ratio]

# No deadline: a busy machine is no counterexample. Fewer examples than usual, because each builds data frames.
unhurried = settings(deadline=None, max_examples=30)


@st.composite
def tables(draw, largest: int = 60, smallest: int = 0) -> TwoByTwo:
    n1, n0 = draw(st.integers(smallest, largest)), draw(st.integers(smallest, largest))
    return TwoByTwo(draw(st.integers(0, n1)), n1, draw(st.integers(0, n0)), n0)


def strata(largest: int = 60, smallest: int = 0, most: int = 6):
    return st.lists(tables(largest, smallest), min_size=1, max_size=most)


def cells_of(these: Tables) -> Cells:
    rows = [
        {"service": f"s{i:02}", "exposed": exposed, "n": n, "events": events}
        for i, (a, n1, c, n0) in enumerate(these)
        for exposed, n, events in ((1, n1, a), (0, n0, c))
    ]
    return Cells(pd.DataFrame(rows), strata=("service",))


def swapped(these: Tables) -> Tables:
    return [TwoByTwo(c, n0, a, n1) for a, n1, c, n0 in these]


def same(one: Estimate, other: Estimate) -> bool:
    """Equal up to rounding, in value, limits, error and p; not necessarily in what was counted."""

    def numbers(estimate: Estimate) -> list[float]:
        p = inf if estimate.p_value is None else estimate.p_value
        return [estimate.value, estimate.interval.low, estimate.interval.high, estimate.standard_error, p]

    return numbers(one) == approx(numbers(other), rel=1e-8, abs=1e-10, nan_ok=True)


@pytest.mark.parametrize("measure", MEASURES)
@unhurried
@given(table=tables(smallest=1))
def test_one_stratum_gives_the_crude_point_estimate_and_test(measure, table):
    found = measure(cells_of([table]))
    crude = {risk_ratio: two_by_two.risk_ratio, odds_ratio: two_by_two.odds_ratio}.get(
        measure, two_by_two.risk_difference
    )(**table._asdict())
    assert found.value == approx(crude.value, nan_ok=True)
    assert found.p_value == (None if crude.p_value is None else approx(crude.p_value))


@unhurried
@given(table=tables(smallest=1))
def test_one_stratum_gives_katzs_limits_where_they_exist(table):
    katz = two_by_two.risk_ratio_log(**table._asdict())
    assume(katz.estimable)
    found = risk_ratio(cells_of([table])).interval
    assert (found.low, found.high) == approx((katz.interval.low, katz.interval.high))


@pytest.mark.parametrize("measure", [risk_ratio, risk_difference])
@unhurried
@given(table=tables(smallest=1))
def test_one_stratum_gives_the_two_by_two_score_limits_of_risks(measure, table):
    found = measure(cells_of([table]), limits=Limits.SCORE)
    alone = (two_by_two.risk_ratio if measure is risk_ratio else two_by_two.risk_difference)(**table._asdict())
    assert (found.interval.low, found.interval.high) == approx(
        (alone.interval.low, alone.interval.high), rel=1e-9, abs=1e-12
    )


@pytest.mark.parametrize("measure", [*RATIOS, exact_conditional])
@unhurried
@given(these=strata())
def test_swapping_the_groups_inverts_a_ratio(measure, these):
    there, back = measure(cells_of(these)), measure(cells_of(swapped(these)))
    if there.estimable and there.value > 0:
        assert back.value == approx(1 / there.value)
    assert back.interval.high == approx(1 / there.interval.low if there.interval.low else inf, rel=1e-8)
    assert back.p_value == (None if there.p_value is None else approx(there.p_value))


@pytest.mark.parametrize("limits", Limits)
@pytest.mark.parametrize("variance", DifferenceVariance)
@unhurried
@given(these=strata())
def test_swapping_the_groups_negates_the_difference(variance, limits, these):
    there = risk_difference(cells_of(these), limits=limits, variance=variance)
    back = risk_difference(cells_of(swapped(these)), limits=limits, variance=variance)
    assert back.value == approx(-there.value, abs=1e-12, nan_ok=True)
    assert (back.interval.low, back.interval.high) == approx((-there.interval.high, -there.interval.low), abs=1e-9)


@pytest.mark.parametrize("measure", [*MEASURES, exact_conditional])
@unhurried
@given(these=strata(), data=st.data())
def test_the_same_counts_in_more_rows_change_nothing(measure, these, data):
    whole = cells_of(these).frame
    first = whole.assign(
        n=[data.draw(st.integers(0, n)) for n in whole["n"]],
    )
    first["events"] = [
        data.draw(st.integers(max(0, events - (n - part)), min(events, part)))
        for n, events, part in zip(whole["n"], whole["events"], first["n"], strict=True)
    ]
    rest = whole.assign(n=whole["n"] - first["n"], events=whole["events"] - first["events"])
    shuffled = pd.concat([first, rest]).sample(frac=1, random_state=data.draw(st.integers(0, 99)))
    assert same(measure(Cells(shuffled, strata=("service",))), measure(cells_of(these)))


@pytest.mark.parametrize("measure", MEASURES)
@unhurried
@given(table=tables(smallest=1), others=strata(), times=st.integers(2, 4))
def test_a_stratum_met_twice_estimates_like_one_of_twice_the_size(measure, table, others, times):
    # Mantel–Haenszel sums and their variances grow in proportion to a stratum whose risks stay as they are. The
    # test's N-1 does not, so the p-value is left out; the limits are compared where they come from the variance.
    repeated = measure(cells_of([*others, *[table] * times]))
    merged = measure(cells_of([*others, TwoByTwo(*(times * count for count in table))]))
    assert repeated.value == approx(merged.value, nan_ok=True, rel=1e-9, abs=1e-13)
    assert repeated.standard_error == approx(merged.standard_error, nan_ok=True)


@pytest.mark.parametrize("measure", [*MEASURES, exact_conditional])
@unhurried
@given(these=strata(), alone=strata(most=3))
def test_strata_of_one_group_only_change_nothing(measure, these, alone):
    padded = [
        *these,
        *(TwoByTwo(a, n1, 0, 0) for a, n1, _, _ in alone),
        *(TwoByTwo(0, 0, c, n0) for _, _, c, n0 in alone),
    ]
    assert same(measure(cells_of(padded)), measure(cells_of(these)))


@pytest.mark.parametrize("measure", [risk_ratio, risk_difference])
@pytest.mark.parametrize("limits", Limits)
@unhurried
@given(these=strata())
def test_the_interval_holds_the_estimate(measure, limits, these):
    found = measure(cells_of(these), limits=limits)
    assume(found.estimable)
    assert found.value in found.interval


@pytest.mark.parametrize("mid_p", [False, True])
@unhurried
@given(these=strata())
def test_the_exact_interval_holds_the_conditional_estimate(mid_p, these):
    found = exact_conditional(cells_of(these), mid_p=mid_p)
    assume(found.estimable)
    assert found.value in found.interval


@pytest.mark.parametrize("measure", [*MEASURES, exact_conditional])
@unhurried
@given(these=strata(), levels=st.lists(st.floats(0.05, 0.999), min_size=2, max_size=2, unique=True).map(sorted))
def test_a_higher_level_never_narrows_the_interval(measure, these, levels):
    narrow, wide = (measure(cells_of(these), level).interval for level in levels)
    assert wide.low <= narrow.low + 1e-9 * abs(narrow.low)
    assert wide.high >= narrow.high - (0 if isinf(narrow.high) else 1e-9 * abs(narrow.high))


@unhurried
@given(these=strata(), level=st.sampled_from([0.8, 0.95]))
def test_score_limits_leave_out_no_difference_exactly_when_the_test_rejects(these, level):
    for measure in MEASURES:
        found = measure(cells_of(these), level, limits=Limits.SCORE)
        if found.p_value is not None and abs(found.p_value - (1 - level)) > 1e-8 and not isnan(found.value):
            assert (found.estimand.null in found.interval) == (found.p_value > 1 - level)


@unhurried
@given(these=strata(smallest=1))
def test_at_no_difference_every_score_is_cochran_mantel_haenszels(these):
    found = risk_difference(cells_of(these)).p_value
    assume(found is not None)
    for measure, disagreement in (
        (risk_difference, score.over(score.risk_difference, these)),
        (risk_ratio, score.over(score.risk_ratio, these)),
        (odds_ratio, score.over(score.odds_ratio, these)),
        (odds_ratio, ConditionalScore(these)),
    ):
        estimand = measure(cells_of(these)).estimand
        assert score.p_value(disagreement, estimand) == approx(found, rel=1e-7, abs=1e-300)


@unhurried
@given(these=strata(largest=30, smallest=1, most=4), logged=st.floats(-4, 4))
def test_the_conditional_score_has_fishers_noncentral_moments(these, logged):
    contrast, variance = ConditionalScore(these)(np.exp(logged))
    moments = [nchypergeom_fisher.stats(n1 + n0, n1, a + c, np.exp(logged)) for a, n1, c, n0 in these]
    assert contrast == approx(sum(t.exposed_events for t in these) - sum(float(m) for m, _ in moments), abs=1e-9)
    assert variance == approx(sum(float(v) for _, v in moments), rel=1e-7, abs=1e-9)


def outcomes(these: Tables) -> dict[int, int]:
    """Ways to reach each sum of exposed events: every combination written out and counted. Slow and obvious."""
    ways: dict[int, int] = {}
    ranges = [range(max(0, a + c - n0), min(a + c, n1) + 1) for a, n1, c, n0 in these]
    for exposed in product(*ranges):
        count = 1
        for t, (a, n1, c, n0) in zip(exposed, these, strict=True):
            count *= comb(n1, t) * comb(n0, a + c - t)
        ways[sum(exposed)] = ways.get(sum(exposed), 0) + count
    return ways


@unhurried
@given(these=strata(largest=7, smallest=1, most=4), ratio=st.fractions(Fraction(1, 20), 20, max_denominator=20))
def test_the_convolution_is_the_enumeration(these, ratio):
    found = exposed_events(these)
    weights = {t: ways * ratio**t for t, ways in sorted(outcomes(these).items())}
    total = sum(weights.values())
    assert found.lowest == min(weights)
    assert np.exp(found.log_probabilities(float(ratio))) == approx(
        [float(weight / total) for weight in weights.values()], rel=1e-11
    )
    assert found.mean(float(ratio)) == approx(float(sum(t * weight for t, weight in weights.items()) / total))


@unhurried
@given(these=strata(largest=7, smallest=1, most=4))
def test_the_two_sided_p_sums_the_outcomes_no_likelier_than_the_observed(these):
    found = exact_conditional(cells_of(these))
    assume(found.p_value is not None)
    ways = outcomes(these)
    observed = ways[sum(table.exposed_events for table in these)]
    assert found.p_value == approx(sum(each for each in ways.values() if each <= observed) / sum(ways.values()))


@unhurried
@given(these=strata(largest=2000, smallest=1), ratio=st.floats(1e-3, 1e3))
def test_probabilities_sum_to_one(these, ratio):
    logs = exposed_events(these).log_probabilities(ratio)
    assert np.exp(logs).sum() == approx(1, rel=1e-10)


@unhurried
@given(these=strata(largest=200, smallest=1, most=3))
def test_the_far_tails_are_right_to_ten_digits(these):
    # Against whole numbers of any length: coefficients of the product of the strata's polynomials.
    polynomial = [1]
    for a, n1, c, n0 in these:
        factor = [comb(n1, t) * comb(n0, a + c - t) for t in range(max(0, a + c - n0), min(a + c, n1) + 1)]
        longer = [0] * (len(polynomial) + len(factor) - 1)
        for (i, x), (j, y) in product(enumerate(polynomial), enumerate(factor)):
            longer[i + j] += x * y
        polynomial = longer
    total = log(sum(polynomial))
    assert exposed_events(these).log_probabilities() == approx([log(each) - total for each in polynomial], abs=1e-10)


@pytest.mark.parametrize("mid_p", [False, True])
@unhurried
@given(these=strata(), level=st.sampled_from([0.8, 0.95]))
def test_an_exact_limit_leaves_half_the_error_in_its_tail(mid_p, these, level):
    found = exact_conditional(cells_of(these), level, mid_p=mid_p)
    distribution = exposed_events(these)
    for limit, upper in ((found.interval.low, True), (found.interval.high, False)):
        if 0 < limit < inf:
            assert np.exp(distribution.tail(limit, upper=upper, mid_p=mid_p)) == approx((1 - level) / 2)


@unhurried
@given(these=strata())
def test_mid_p_limits_lie_inside_the_exact_ones(these):
    exact, mid = (exact_conditional(cells_of(these), mid_p=mid_p).interval for mid_p in (False, True))
    assert exact.low <= mid.low * (1 + 1e-9)
    assert mid.high <= exact.high * (1 + 1e-9)


@unhurried
@given(these=strata(smallest=1, most=3), factor=st.integers(2, 5))
def test_strata_that_agree_exactly_are_homogeneous(these, factor):
    first = these[0]
    assume(0 < first.exposed_events < first.exposed_total and 0 < first.unexposed_events < first.unexposed_total)
    agreeing = [first, TwoByTwo(*(factor * count for count in first))]
    found = homogeneity(cells_of(agreeing))
    assert found.statistic == approx(0, abs=1e-9)
    assert found.p_value == approx(1, abs=1e-4)


@unhurried
@given(these=strata())
def test_homogeneity_does_not_care_which_group_is_called_exposed(these):
    there, back = homogeneity(cells_of(these)), homogeneity(cells_of(swapped(these)))
    assert there.statistic == approx(back.statistic, rel=1e-6, abs=1e-8, nan_ok=True)
    assert there.df == back.df


@unhurried
@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["q1", "q2"]), tables(30)), min_size=2, max_size=8))
def test_leaving_one_service_out_by_subtraction_is_leaving_it_out(drawn):
    rows = [
        {"service": service, "quarter": quarter, "exposed": exposed, "n": n, "events": events}
        for service, quarter, (a, n1, c, n0) in drawn
        for exposed, n, events in ((1, n1, a), (0, n0, c))
    ]
    frame = pd.DataFrame(rows).groupby(["service", "quarter", "exposed"], as_index=False).sum()
    cells = Cells(frame, ("service", "quarter"))
    for quick in LeaveOneOut()(cells):
        slow = LeaveOneOut().without(cells, quick.label.removeprefix("without "), 0.95)
        assert quick.value == approx(slow.value, rel=1e-9, nan_ok=True)
        assert quick.interval.low == approx(slow.interval.low, rel=1e-9)
        assert quick.interval.high == approx(slow.interval.high, rel=1e-9)
