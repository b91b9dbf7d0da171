"""What must hold of curves, hazard ratios and restricted means whatever the data, and the slow versions that judge."""

from __future__ import annotations

from math import exp, isnan, log
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pytest import approx, mark

from counterfault.estimators.timing import aalen_johansen
from counterfault.estimators.timing.cox import CauseSpecificCox, Ties
from counterfault.estimators.timing.cox_likelihood import Watched, fit_cox, score_residuals
from counterfault.estimators.timing.event_times import EventTimes
from counterfault.estimators.timing.restricted_mean import restricted_mean_difference
from counterfault.estimators.timing.surfacing import detection_ratio, restoration_hazard_ratio
from counterfault.estimators.timing.survival_curves import Weighting, cumulative_incidence
from counterfault.panels import Consequences, Durations

HORIZON = 8.0
# No deadline: a busy machine is no counterexample. Few examples, because each builds many data frames.
few = settings(max_examples=10, deadline=None)


@st.composite
def watches(draw: Any, late: bool = True, censored: bool = True) -> pd.DataFrame:
    """Rows of a panel on a coarse grid, so that ties are everywhere."""
    size = draw(st.integers(8, 40))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    entry = rng.integers(0, 4, size) * (rng.random(size) < 0.3) if late else np.zeros(size, dtype=int)
    ends = ["incident", "rolled back", "censored"] if censored else ["incident", "rolled back"]
    exit = entry + rng.integers(1, 5, size)
    return pd.DataFrame(
        {
            "service": rng.choice(list("abcd"), size),
            "quarter": rng.choice(["q1", "q2"], size),
            "exposed": rng.integers(0, 2, size),
            "entry_hours": entry.astype(float),
            "exit_hours": exit.astype(float),
            "ended": rng.choice(ends, size),
            "n": rng.integers(1, 4, size),
        }
    )


def panel(frame: pd.DataFrame) -> Durations:
    return Durations(frame, ("quarter",), "service", HORIZON, 1.0)


def row_by_row(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.loc[frame.index.repeat(frame["n"])].assign(n=1)


def same(one: Any, other: Any) -> bool:
    """Two estimates agree in value, interval and error, or are both silent for the same reason."""
    numbers = [(e.value, e.interval.low, e.interval.high, e.standard_error) for e in (one, other)]
    return numbers[0] == approx(numbers[1], rel=1e-7, abs=1e-9, nan_ok=True) and (
        one.estimable or one.caveats == other.caveats
    )


def curve_of(frame: pd.DataFrame, weights: Any = None) -> tuple[Any, EventTimes, Any]:
    rows = EventTimes.of(panel(frame))
    w = np.ones(len(rows.exit)) if weights is None else weights
    return aalen_johansen.incidence(rows, w), rows, w


def slow_incidence(frame: pd.DataFrame, weights: Any = None) -> float:
    """Aalen–Johansen with a loop over times, as the definition has it."""
    weight = frame["n"] * (1.0 if weights is None else weights)
    running, risk = 1.0, 0.0
    for time in sorted(frame.loc[frame["ended"] != "censored", "exit_hours"].unique()):
        at_risk = weight[(frame["entry_hours"] < time) & (frame["exit_hours"] >= time)].sum()
        here = frame["exit_hours"] == time
        failed = weight[here & (frame["ended"] == "incident")].sum() / at_risk
        gone = weight[here & (frame["ended"] == "rolled back")].sum() / at_risk
        risk += running * failed
        running *= 1 - failed - gone
    return risk


def slow_log_likelihood(frame: pd.DataFrame, beta: float, ties: Ties) -> float:
    """Cox's partial likelihood, one deployment at a time."""
    rows = row_by_row(frame)
    total = 0.0
    for _, stratum in rows.groupby("quarter"):
        hazard = np.exp(beta * stratum["exposed"])
        failing = stratum["ended"] == "incident"
        for time in stratum.loc[failing, "exit_hours"].unique():
            at_risk = (stratum["entry_hours"] < time) & (stratum["exit_hours"] >= time)
            tied = failing & (stratum["exit_hours"] == time)
            for place in range(int(tied.sum())):
                gone = place / tied.sum() if ties is Ties.EFRON else 0.0
                total -= log(hazard[at_risk].sum() - gone * hazard[tied].sum())
            total += beta * stratum.loc[tied, "exposed"].sum()
    return total


def cox_rows(frame: pd.DataFrame) -> Watched:
    rows = EventTimes.of(panel(frame))
    design = rows.exposed[:, None].astype(float)
    return Watched(design, rows.entry, rows.exit, rows.incident, rows.copies, rows.strata, rows.clusters)


@few
@given(watches())
def test_counted_rows_give_what_single_rows_give(frame):
    short, long = panel(frame), panel(row_by_row(frame))
    for weighting in Weighting:
        one, other = (cumulative_incidence(p, weighting=weighting) for p in (short, long))
        assert all(same(getattr(one, name), getattr(other, name)) for name in ("exposed", "unexposed", "difference"))
        assert same(*(restricted_mean_difference(p, weighting=weighting) for p in (short, long)))
    for ties in Ties:
        assert same(*(CauseSpecificCox(ties=ties)(p) for p in (short, long)))


@few
@given(watches())
def test_swapping_the_arms_inverts_the_hazard_ratio_and_turns_the_differences(frame):
    there, back = panel(frame), panel(frame.assign(exposed=1 - frame["exposed"]))
    one, other = CauseSpecificCox()(there), CauseSpecificCox()(back)
    assert one.estimable == other.estimable
    if one.estimable:
        assert one.value * other.value == approx(1)
        assert one.interval.low * other.interval.high == approx(1, rel=1e-6)
    one, other = cumulative_incidence(there).difference, cumulative_incidence(back).difference
    assert (one.value, one.interval.low) == approx((-other.value, -other.interval.high), nan_ok=True)
    one, other = restricted_mean_difference(there), restricted_mean_difference(back)
    assert (one.value, one.interval.low) == approx((-other.value, -other.interval.high), nan_ok=True)


@few
@given(watches())
def test_duplicate_deployments_leave_breslows_estimate_and_every_curve(frame):
    twice = frame.assign(n=2 * frame["n"])
    one, other = (CauseSpecificCox(ties=Ties.BRESLOW)(panel(f)) for f in (frame, twice))
    assert one.value == approx(other.value, nan_ok=True)
    for weighting in Weighting:
        one, other = (cumulative_incidence(panel(f), weighting=weighting).difference for f in (frame, twice))
        assert one.value == approx(other.value, nan_ok=True)


@few
@given(watches())
def test_only_the_order_of_ages_matters_to_the_hazard_ratio(frame):
    # Squaring ages keeps their order; so does adding three hours to every one of them.
    for age in (lambda hours: hours**2 / 16, lambda hours: hours + 3):
        moved = frame.assign(entry_hours=age(frame["entry_hours"]), exit_hours=age(frame["exit_hours"]))
        other = CauseSpecificCox()(Durations(moved, ("quarter",), "service", 100.0, 1.0))
        assert same(CauseSpecificCox()(panel(frame)), other)


@few
@given(watches())
def test_names_and_order_do_not_matter(frame):
    names = dict(zip("abcd", ("w", "z", "x", "y"), strict=True))
    renamed = frame.assign(service=frame["service"].map(names)).sample(frac=1, random_state=1)
    for estimator in (CauseSpecificCox(), restricted_mean_difference, lambda p: cumulative_incidence(p).difference):
        assert same(estimator(panel(frame)), estimator(panel(renamed)))


@few
@given(watches(), st.integers(0, 1000))
def test_the_curve_is_the_slow_one_under_any_weights(frame, seed):
    weights = np.random.default_rng(seed).uniform(0.2, 3, len(frame))
    assert curve_of(frame)[0].final == approx(slow_incidence(frame), abs=1e-12)
    assert curve_of(frame, weights)[0].final == approx(slow_incidence(frame, weights), abs=1e-12)


@few
@given(watches(late=False, censored=False))
def test_when_everyone_is_watched_to_the_end_a_curve_is_a_share(frame):
    curve, _, _ = curve_of(frame)
    total = frame["n"].sum()
    for time, risk, variance in zip(curve.times, curve.risk, aalen_johansen.variance(curve), strict=True):
        share = frame.loc[(frame["ended"] == "incident") & (frame["exit_hours"] <= time), "n"].sum() / total
        assert risk == approx(share)
        assert variance == approx(share * (1 - share) / total, abs=1e-12)  # that of a binomial share


@few
@given(watches())
def test_incidents_roll_backs_and_the_rest_add_up(frame):
    swapped = frame.assign(
        ended=frame["ended"].map({"incident": "rolled back", "rolled back": "incident", "censored": "censored"})
    )
    either = frame.assign(ended=frame["ended"].replace("rolled back", "incident"))
    assert curve_of(frame)[0].final + curve_of(swapped)[0].final == approx(curve_of(either)[0].final, abs=1e-12)


@few
@given(watches(late=False))
def test_greenwoods_variance_is_the_jackknifes_when_all_enter_at_once(frame):
    rows = row_by_row(frame)
    curve, times, ones = curve_of(rows)
    own = aalen_johansen.influence(curve, times, ones)
    variances = aalen_johansen.variance(curve)
    assert float(own @ own) == approx(variances[-1] if len(variances) else 0.0, abs=1e-12)


@few
@given(watches(), st.integers(0, 7))
def test_influence_is_the_derivative_by_a_rows_weight(frame, row):
    curve, rows, ones = curve_of(frame)
    assume(not curve.emptied and (len(curve.hazard) == 0 or curve.hazard.max() < 1))
    step = 1e-6
    up, down = (curve_of(frame, ones + sign * step * (np.arange(len(frame)) == row))[0] for sign in (1, -1))
    for figure, influence in (
        (lambda c: c.final, aalen_johansen.influence(curve, rows, ones)),
        (
            lambda c: aalen_johansen.restricted_mean(c, HORIZON),
            None
            if (frame["ended"] == "rolled back").any()
            else aalen_johansen.restricted_mean_influence(curve, rows, ones, HORIZON),
        ),
    ):
        if influence is not None:
            assert influence.sum() == approx(0, abs=1e-9)
            assert influence[row] == approx((figure(up) - figure(down)) / (2 * step), abs=1e-6)


@few
@given(watches())
def test_the_restricted_mean_is_the_area_under_the_slow_curve(frame):
    frame = frame.assign(ended=frame["ended"].replace("rolled back", "censored"))
    hours = np.arange(0, HORIZON)
    alive = [
        1 - slow_incidence(frame.assign(ended=frame["ended"].where(frame["exit_hours"] <= h, "censored")))
        for h in hours
    ]
    assert aalen_johansen.restricted_mean(curve_of(frame)[0], HORIZON) == approx(sum(alive))


@mark.parametrize("ties", list(Ties))
@few
@given(frame=watches())
def test_the_fit_is_the_top_of_the_slow_likelihood(ties, frame):
    assume(CauseSpecificCox(ties=ties)(panel(frame)).estimable)
    watched = cox_rows(frame)
    fit = fit_cox(watched, ties)
    top = float(fit.coefficients[0])
    at_top = slow_log_likelihood(frame, top, ties)
    assert at_top >= max(slow_log_likelihood(frame, top + step, ties) for step in (-0.01, 0.01))
    step = 1e-4
    beyond = slow_log_likelihood(frame, top + step, ties) + slow_log_likelihood(frame, top - step, ties)
    assert 1 / fit.covariance[0, 0] == approx((2 * at_top - beyond) / step**2, rel=1e-3, abs=1e-4)


@few
@given(watches())
def test_a_rows_score_with_breslows_ties_is_lin_and_weis(frame):
    assume(CauseSpecificCox(ties=Ties.BRESLOW)(panel(frame)).estimable)
    watched = cox_rows(frame)
    fit = fit_cox(watched, Ties.BRESLOW)
    beta, found = float(fit.coefficients[0]), score_residuals(watched, fit)[:, 0]
    for place in range(len(frame)):
        one = frame.iloc[place]
        stratum = frame[frame["quarter"] == one["quarter"]]
        owed = 0.0
        for time in stratum.loc[stratum["ended"] == "incident", "exit_hours"].unique():
            if not one["entry_hours"] < time <= one["exit_hours"]:
                continue
            at_risk = stratum[(stratum["entry_hours"] < time) & (stratum["exit_hours"] >= time)]
            weight = at_risk["n"] * np.exp(beta * at_risk["exposed"])
            gap = one["exposed"] - (weight * at_risk["exposed"]).sum() / weight.sum()
            failing = (stratum["ended"] == "incident") & (stratum["exit_hours"] == time)
            events = stratum.loc[failing, "n"].sum()
            owed += gap * ((one["ended"] == "incident" and one["exit_hours"] == time) - 0.0)
            owed -= gap * exp(beta * one["exposed"]) * events / weight.sum()
        assert found[place] == approx(one["n"] * owed, abs=1e-9)


@few
@given(watches())
def test_one_stratum_makes_standardised_curves_the_crude_ones(frame):
    everywhere = panel(frame.assign(quarter="all"))
    assume(frame["exposed"].nunique() == 2)
    crude, standardised = (cumulative_incidence(everywhere, weighting=w) for w in Weighting)
    assert crude.difference.value == approx(standardised.difference.value, nan_ok=True)
    assert crude.difference.interval.low == approx(standardised.difference.interval.low)


@few
@given(watches())
def test_every_answer_has_its_interval_around_it_or_a_reason(frame):
    found = [CauseSpecificCox()(panel(frame))]
    for weighting in Weighting:
        curves = cumulative_incidence(panel(frame), weighting=weighting)
        found += [curves.exposed, curves.unexposed, curves.difference]
        found.append(restricted_mean_difference(panel(frame), weighting=weighting))
        for _, arm in curves.curves.groupby("exposed"):
            assert arm["risk"].is_monotonic_increasing
            assert ((arm["low"] <= arm["risk"] + 1e-12) & (arm["risk"] <= arm["high"] + 1e-12)).all()
    for estimate in found:
        low, high = estimate.interval.low, estimate.interval.high
        assert (estimate.estimable and low - 1e-12 <= estimate.value <= high + 1e-12) or estimate.caveats
        assert not isnan(low) and not isnan(high)


@st.composite
def failures(draw: Any) -> pd.DataFrame:
    size = draw(st.integers(10, 30))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return pd.DataFrame(
        {
            "service": rng.choice(list("abcde"), size),
            "quarter": rng.choice(["q1", "q2"], size),
            "exposed": rng.integers(0, 2, size),
            "failed": 1,
            "hours_to_detect": rng.lognormal(0, 1, size),
            "hours_to_restore": rng.integers(0, 9, size).astype(float),
            "restored": rng.integers(0, 2, size),
            "n": rng.integers(1, 3, size),
        }
    )


@mark.parametrize("estimator", [detection_ratio, restoration_hazard_ratio])
@few
@given(frame=failures())
def test_failures_compare_alike_counted_or_single_and_turned_round(estimator, frame):
    one, long, back = (
        estimator(Consequences(f, ("quarter",), "service"))
        for f in (frame, row_by_row(frame), frame.assign(exposed=1 - frame["exposed"]))
    )
    assert same(one, long)
    assert one.estimable == back.estimable
    if one.estimable:
        assert (one.value * back.value, one.interval.low * back.interval.high) == approx((1, 1), rel=1e-6)


@few
@given(failures(), st.floats(0.5, 20))
def test_detection_in_other_units_gives_the_same_ratio(frame, unit):
    slow = frame.assign(hours_to_detect=1 + frame["hours_to_detect"])  # nothing near the floor of a minute
    one, other = (
        detection_ratio(Consequences(f, ("quarter",), "service"))
        for f in (slow, slow.assign(hours_to_detect=unit * slow["hours_to_detect"]))
    )
    assert same(one, other)


def test_a_planted_hazard_ratio_is_found_within_its_interval_most_times():
    held = 0
    for seed in range(25):
        rng = np.random.default_rng(seed)
        service = rng.integers(0, 20, 3000)
        exposed = rng.random(3000) < 0.2 + 0.5 * service / 20  # used most where risk is highest: confounded
        hazard = 0.003 * np.exp(1.5 * service / 20) * np.where(exposed, 1.7, 1.0)
        times = np.ceil(rng.exponential(1 / hazard)), np.ceil(rng.exponential(30, 3000)), np.full(3000, 24.0)
        exit = np.minimum.reduce(times)
        frame = pd.DataFrame(
            {"service": service, "exposed": exposed.astype(int), "entry_hours": 0.0, "exit_hours": exit}
        )
        frame = frame.assign(ended=np.where(times[0] == exit, "incident", "censored"), n=1)
        found = CauseSpecificCox()(Durations(frame, ("service",), "service", 24.0, 1.0))
        held += 1.7 in found.interval
    assert held >= 21  # at 95 % coverage, fewer than 21 of 25 happens once in a hundred and forty
