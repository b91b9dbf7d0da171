"""What must hold for every two-by-two table, whoever computed it."""

from math import inf, isnan, log, sqrt
from statistics import NormalDist

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pytest import approx
from scipy.optimize import brentq
from scipy.special import expit

from counterfault.estimate import Estimand, Estimate
from counterfault.estimators.tables.two_by_two import odds_ratio, risk_difference, risk_ratio, risk_ratio_log

Table = tuple[int, int, int, int]

MEASURES = [risk_difference, risk_ratio, odds_ratio]
RATIOS = [risk_ratio, odds_ratio]

unhurried = settings(deadline=None)  # a busy machine is no counterexample


@st.composite
def tables(draw, largest: int = 400) -> Table:
    """Exposed events and total, unexposed events and total; empty cells are as likely as any."""
    n1, n0 = draw(st.integers(1, largest)), draw(st.integers(1, largest))
    return draw(st.integers(0, n1)), n1, draw(st.integers(0, n0)), n0


def ask(measure, table: Table, level: float = 0.95) -> Estimate:
    names = ("exposed_events", "exposed_total", "unexposed_events", "unexposed_total")
    return measure(**dict(zip(names, table, strict=True)), level=level)


def swapped(table: Table) -> Table:
    return table[2], table[3], table[0], table[1]


def risks_under_a_line(table: Table, slope: float, shift: float) -> tuple[float, float]:
    """The likeliest risks with exposed = slope × unexposed + shift, by bisection on the likelihood's derivative.

    Slow and obvious: no closed form.
    """
    a, n1, c, n0 = table

    def derivative(p0: float) -> float:
        p1 = slope * p0 + shift
        exposed = (a / p1 if a else 0.0) - ((n1 - a) / (1 - p1) if n1 > a else 0.0)
        unexposed = (c / p0 if c else 0.0) - ((n0 - c) / (1 - p0) if n0 > c else 0.0)
        return slope * exposed + unexposed

    low, high = max(0.0, -shift / slope), min(1.0, (1 - shift) / slope)
    margin = 1e-13 * (high - low) + 1e-15  # more than rounding, so that neither risk is 0 or 1
    low, high = low + margin, high - margin
    if derivative(low) <= 0:
        p0 = low
    elif derivative(high) >= 0:
        p0 = high
    else:
        p0 = brentq(derivative, low, high, xtol=1e-16, rtol=1e-14)
    return slope * p0 + shift, p0


def logits_under_an_odds_ratio(table: Table, ratio: float) -> tuple[float, float]:
    """The likeliest logits that lie log(ratio) apart: those that expect the events there were."""
    a, n1, c, n0 = table
    logit = brentq(lambda x: n1 * expit(x + log(ratio)) + n0 * expit(x) - a - c, -60, 60, xtol=1e-14)
    return logit + log(ratio), logit


def deviate(measure, table: Table, value: float) -> float:
    """Miettinen & Nurminen's statistic as the paper words it, at the fits above."""
    a, n1, c, n0 = table
    inflation = (n1 + n0) / (n1 + n0 - 1)
    if measure is odds_ratio:
        x1, x0 = logits_under_an_odds_ratio(table, value)
        unit1, unit0 = expit(x1) * expit(-x1), expit(x0) * expit(-x0)
        contrast = (a / n1 - expit(x1)) / unit1 - (c / n0 - expit(x0)) / unit0
        return contrast / sqrt((1 / (n1 * unit1) + 1 / (n0 * unit0)) * inflation)
    slope, shift = (value, 0.0) if measure is risk_ratio else (1.0, value)
    p1, p0 = risks_under_a_line(table, slope, shift)
    variance = p1 * (1 - p1) / n1 + slope**2 * p0 * (1 - p0) / n0
    return (a / n1 - slope * c / n0 - shift) / sqrt(variance * inflation)


@pytest.mark.parametrize("measure", MEASURES)
@unhurried
@given(table=tables(), level=st.sampled_from([0.5, 0.9, 0.95, 0.999]))
def test_a_limit_put_back_into_the_statistic_gives_the_critical_value(measure, table, level):
    found = ask(measure, table, level)
    z = NormalDist().inv_cdf(0.5 + level / 2)
    for limit, sign in ((found.interval.low, 1), (found.interval.high, -1)):
        if limit not in (found.estimand.lowest, found.estimand.highest):
            assert deviate(measure, table, limit) == approx(sign * z, rel=1e-6)


@pytest.mark.parametrize("measure", RATIOS)
@unhurried
@given(table=tables())
def test_swapping_the_groups_inverts_a_ratio(measure, table):
    there, back = ask(measure, table), ask(measure, swapped(table))
    if there.estimable and there.value > 0:
        assert back.value == approx(1 / there.value)
    assert back.interval.high == approx(1 / there.interval.low if there.interval.low else inf, rel=1e-9)
    assert there.p_value == (None if back.p_value is None else approx(back.p_value))


@unhurried
@given(table=tables())
def test_swapping_the_groups_negates_the_difference(table):
    there, back = ask(risk_difference, table), ask(risk_difference, swapped(table))
    assert back.value == approx(-there.value, abs=1e-15)
    assert (back.interval.low, back.interval.high) == approx((-there.interval.high, -there.interval.low), abs=1e-11)


@unhurried
@given(table=tables())
def test_counting_the_other_outcome_inverts_the_odds_ratio(table):
    a, n1, c, n0 = table
    there, back = ask(odds_ratio, table), ask(odds_ratio, (n1 - a, n1, n0 - c, n0))
    assert back.interval.high == approx(1 / there.interval.low if there.interval.low else inf, rel=1e-8)


@pytest.mark.parametrize("measure", MEASURES)
@unhurried
@given(table=tables())
def test_the_interval_holds_the_estimate(measure, table):
    found = ask(measure, table)
    assume(found.estimable)
    assert found.value in found.interval


@pytest.mark.parametrize("measure", MEASURES)
@unhurried
@given(table=tables(), levels=st.lists(st.floats(0.05, 0.9999), min_size=2, max_size=2, unique=True).map(sorted))
def test_a_higher_level_never_narrows_the_interval(measure, table, levels):
    narrow, wide = (ask(measure, table, level).interval for level in levels)
    slack = 1e-9
    assert wide.low <= narrow.low + slack * abs(narrow.low)
    assert wide.high >= narrow.high - slack * (abs(narrow.high) if narrow.high != inf else 0)


@pytest.mark.parametrize("measure", MEASURES)
@unhurried
@given(table=tables(), level=st.sampled_from([0.8, 0.95]))
def test_the_interval_leaves_out_no_difference_exactly_when_p_says_so(measure, table, level):
    found = ask(measure, table, level)
    assume(found.p_value is not None and abs(found.p_value - (1 - level)) > 1e-9)
    assert (found.estimand.null in found.interval) == (found.p_value > 1 - level)


@unhurried
@given(table=tables())
def test_all_three_measures_share_one_test_of_no_difference(table):
    found = [ask(measure, table).p_value for measure in MEASURES]
    if found[2] is not None:
        assert found[0] == approx(found[2], rel=1e-9)
        assert found[1] == approx(found[2], rel=1e-9)


@unhurried
@given(table=tables())
def test_log_limits_are_symmetric_on_the_log_scale(table):
    found = ask(risk_ratio_log, table)
    assume(found.estimable)
    assert log(found.interval.low) + log(found.interval.high) == approx(2 * log(found.value), abs=1e-12)


@pytest.mark.parametrize("measure", [*MEASURES, risk_ratio_log])
@unhurried
@given(table=tables())
def test_no_standard_error_comes_from_an_empty_cell(measure, table):
    a, n1, c, n0 = table
    found = ask(measure, table)
    leans_on_it = a == 0 or c == 0 or (found.estimand is not Estimand.RISK_RATIO and (a == n1 or c == n0))
    if leans_on_it:
        assert isnan(found.standard_error)
