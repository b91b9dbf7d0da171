"""What must hold of unmeasured confounding whatever the data: bounds, roots, and the theorem on omitted variables."""

from math import inf, sqrt

import numpy as np
import pandas as pd
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pytest import approx

from counterfault.cells import Cells
from counterfault.challenges.e_value import bounding_factor, e_value, e_values
from counterfault.challenges.linear_risk import LinearRisk, linear_risk
from counterfault.challenges.robustness_value import (
    Confounder,
    partner_of,
    robustness_value,
    times_as_strong,
    times_needed,
)
from counterfault.estimate import Estimand, Estimate, Interval
from counterfault.estimators.poisson.regression_problem import NotComparableError

shares = st.floats(0.01, 0.99)
ratios = st.floats(0.01, 100)
strengths = st.floats(1, 1e6)
r2s = st.floats(1e-5, 0.3)


@given(shares, shares, st.floats(0.001, 0.05), st.floats(1, 20))
def test_no_confounder_of_two_values_biases_a_ratio_by_more_than_its_bounding_factor(with_ai, without, risk, times):
    # Risk does not depend on exposure, so the whole observed ratio is the confounder's doing.
    observed = (1 + with_ai * (times - 1)) / (1 + without * (times - 1))
    commoner = max(with_ai / without, (1 - with_ai) / (1 - without))
    assert observed <= bounding_factor(commoner, times) * (1 + 1e-12)


@given(st.floats(1.01, 50), st.floats(1.01, 50))
def test_the_bounding_factor_is_reached_by_a_confounder_that_all_of_the_exposed_have(exposure, outcome):
    observed = outcome / (1 + (outcome - 1) / exposure)
    assert bounding_factor(exposure, outcome) == approx(observed, rel=1e-12)


@given(strengths, strengths)
def test_the_bounding_factor_is_symmetric_and_below_both_strengths(exposure, outcome):
    found = bounding_factor(exposure, outcome)
    assert found == bounding_factor(outcome, exposure)
    assert 1 - 1e-12 <= found <= min(exposure, outcome)


@given(ratios, st.floats(0.5, 2))
def test_an_e_value_is_the_strength_whose_bounding_factor_carries_the_ratio_there(ratio, to):
    strength = e_value(ratio, to)
    assert bounding_factor(strength, strength) == approx(max(ratio / to, to / ratio), rel=1e-9)
    assert strength == approx(e_value(1 / ratio, 1 / to), rel=1e-9)


@given(ratios, st.floats(1.0001, 3), st.floats(1.0001, 3))
def test_the_interval_of_an_e_value_holds_it_and_is_one_where_the_ratio_needs_none(value, down, up):
    low, high = value / down, value * up
    primary = Estimate(
        estimand=Estimand.RISK_RATIO, value=value, interval=Interval(low, high, 0.95), method="given", id="primary"
    )
    estimate, limit = e_values(primary, worth_acting_on=1.25)
    assert estimate.interval.low - 1e-12 <= estimate.value <= estimate.interval.high + 1e-12
    assert limit.value == estimate.interval.low
    assert (limit.value == 1) == (1.0 in primary.interval)


@given(st.floats(0.001, 3), st.integers(10, 100_000))
def test_a_confounder_of_the_robustness_value_takes_the_whole_estimate(f, degrees):
    error, estimate = 0.01, 0.01 * f * sqrt(degrees)
    value = robustness_value(f)
    assert Confounder(value, value).bias(error, degrees) == approx(estimate, rel=1e-6)


@given(st.floats(0.05, 6), st.floats(0.01, 1.5), st.integers(10, 10_000))
def test_at_the_robustness_value_of_a_limit_some_confounder_up_to_it_just_takes_the_limit(f, critical, degrees):
    assume(f > critical + 0.02)
    value = robustness_value(f, critical)
    error, reach = 0.01, critical * sqrt(degrees - 1)
    outcome = np.linspace(0, value, 4001)

    def least_left(exposure: float) -> float:
        confounders = [Confounder(exposure, y) for y in outcome]
        return min(
            0.01 * f * sqrt(degrees) - c.bias(error, degrees) - reach * c.error(error, degrees) for c in confounders
        )

    scale = 0.01 * f * sqrt(degrees)
    assert least_left(value) == approx(0, abs=2e-4 * scale)
    assert least_left(0.98 * value) > -1e-9 * scale


@given(st.floats(0.01, 3), st.floats(0, 3))
def test_robustness_values_of_the_limits_lie_on_both_sides_of_that_of_the_estimate(f, critical):
    assert 0 <= robustness_value(f, critical) <= robustness_value(f) <= partner_of(f, critical) < 1


@given(r2s, r2s, st.floats(0.001, 0.5))
def test_at_the_multiple_needed_nothing_is_left_and_below_it_something_is(exposure, outcome, estimate):
    def left(confounder: Confounder) -> float:
        return estimate - confounder.bias(0.01, 500)

    times = times_needed(exposure, outcome, left)
    at = times_as_strong(exposure, outcome, times)
    assert at is None or left(at) == approx(0, abs=1e-6 * estimate)
    below = times_as_strong(exposure, outcome, 0.99 * times)
    assert below is not None and left(below) > 0
    assert times_needed(exposure, 0.0, left) == times_needed(0.0, outcome, left) == inf
    assert times_needed(exposure, outcome, lambda confounder: -1.0) == 0


@st.composite
def cells(draw: st.DrawFn) -> Cells:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    size = draw(st.integers(12, 60))
    frame = pd.DataFrame(
        {
            "service": rng.choice(list("abcd"), size),
            "period": rng.choice(["p", "q"], size),
            "exposed": rng.integers(0, 2, size),
            "tenure": rng.choice(["low", "mid", "high"], size),
            "peak": rng.choice(["yes", "no"], size),
            "n": rng.integers(1, 9, size),
        }
    )
    return Cells(frame.assign(events=rng.binomial(frame["n"], rng.uniform(0.1, 0.9, size))), ("service", "period"))


def fitted(found: Cells, held: tuple[str, ...]) -> LinearRisk | None:
    try:
        return linear_risk(found, held)
    except NotComparableError:
        return None


@settings(max_examples=60, deadline=None)
@given(cells())
def test_cells_give_the_least_squares_of_one_row_per_deployment(found):
    fit = fitted(found, ("tenure", "peak"))
    assume(fit is not None)
    rows = found.frame.loc[found.frame.index.repeat(found.frame["n"])].reset_index(drop=True)
    place = np.concatenate([np.arange(n) for n in found.frame["n"]])
    y = (place < rows["events"]).to_numpy(float)
    dummies = pd.get_dummies(
        rows[["tenure", "peak"]].assign(stratum=rows["service"] + rows["period"]), dtype=float
    ).to_numpy()
    design = np.column_stack([rows["exposed"], dummies])
    # By Frisch & Waugh: what the dummies leave of exposure explains what they leave of the outcome.
    left = [target - dummies @ np.linalg.lstsq(dummies, target, rcond=None)[0] for target in (design[:, 0], y)]
    difference = left[0] @ left[1] / (left[0] @ left[0])
    unexplained = ((left[1] - difference * left[0]) ** 2).sum()
    degrees = len(y) - np.linalg.matrix_rank(design)
    assert fit.degrees == degrees
    assert fit.difference == approx(difference, rel=1e-9, abs=1e-10)
    assert fit.error == approx(sqrt(unexplained / degrees / (left[0] @ left[0])), rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(cells())
def test_the_bias_of_leaving_a_measured_confounder_out_is_what_its_two_strengths_say(found):
    # Cinelli & Hazlett's formulas of bias and error, with a confounder we have: an identity, not an approximation.
    without, with_it = fitted(found, ("tenure",)), fitted(found, ("tenure", "peak"))
    assume(without is not None and with_it is not None)
    peak = with_it.benchmarks[1]
    confounder = Confounder(peak.r2_exposure, peak.r2_outcome)
    assume(with_it.degrees == without.degrees - 1)
    moved = abs(with_it.difference - without.difference)
    # The bias is a product of square roots of shares: one that is 0 but for rounding (1e-16) leaves 1e-8.
    assert confounder.bias(without.error, without.degrees) == approx(moved, rel=1e-6, abs=1e-7)
    assert confounder.error(without.error, without.degrees) == approx(with_it.error, rel=1e-9)


@settings(max_examples=30, deadline=None)
@given(cells())
def test_exchanging_the_groups_turns_the_difference_and_leaves_every_strength(found):
    there = fitted(found, ("tenure",))
    back = fitted(Cells(found.frame.assign(exposed=1 - found.frame["exposed"]), found.strata), ("tenure",))
    assume(there is not None and back is not None)
    assert back.difference == approx(-there.difference, rel=1e-9, abs=1e-12)
    assert back.partial_r2 == approx(there.partial_r2, rel=1e-8, abs=1e-12)
    assert back.benchmarks[0].r2_exposure == approx(there.benchmarks[0].r2_exposure, abs=1e-10)
