"""What must hold for the designs around adoption whatever the data."""

from dataclasses import replace
from itertools import product
from math import exp, log

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx

from counterfault.estimators.around_adoption.change_point import ChangePoint, log_likelihood_ratios
from counterfault.estimators.around_adoption.event_study import PreTrend
from counterfault.estimators.around_adoption.interrupted_series import InterruptedSeries
from counterfault.estimators.around_adoption.staggered import Aggregation, Controls, StaggeredAdoption
from counterfault.estimators.around_adoption.unit_table import adoption_periods
from counterfault.panels import UnitPeriods

PERIODS = 8
COHORTS = (3, 5, 99)
DESIGNS = tuple(StaggeredAdoption(controls=controls, window=(-7, 7)) for controls in Controls)


def panel(frame: pd.DataFrame) -> UnitPeriods:
    labels = "m" + frame["period"].astype(str)
    return UnitPeriods(frame.assign(incidents=frame["events"], period_label=labels), "service", "month")


def planted(effect, *, per_cohort: int = 4, noise=lambda unit, period: 0) -> pd.DataFrame:
    """Units with levels of their own, one common path, and an effect (per 1,000) that the caller plants."""
    rows = []
    for unit in range(per_cohort * len(COHORTS)):
        cohort = COHORTS[unit // per_cohort]
        for period in range(PERIODS):
            events = 100 + 7 * unit + (5 * period * period) % 17 + noise(unit, period)
            treated = period >= cohort
            events += effect(cohort, period) if treated else 0
            rows.append((f"u{unit:02d}", period, 1000, 1000 * treated, events))
    return pd.DataFrame(rows, columns=["unit", "period", "n", "assisted", "events"])


@st.composite
def panels(draw) -> pd.DataFrame:
    """Random panels of 16 units, some cells without deployments."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    rows = []
    for unit in range(16):
        cohort = (2, 4, 5, 99, 99)[unit % 5]
        for period in range(PERIODS):
            n = int(rng.integers(0, 12))
            rows.append((f"u{unit:02d}", period, n, n * (period >= cohort), int(rng.binomial(n, 0.3))))
    return pd.DataFrame(rows, columns=["unit", "period", "n", "assisted", "events"])


def everything(design: StaggeredAdoption, frame: pd.DataFrame) -> list[float]:
    found = design(panel(frame))
    parts = [figure for part in found.parts for figure in (part.value, part.standard_error)]
    return [found.value, found.standard_error, found.interval.low, found.interval.high, *parts]


def two_way_fixed_effects(frame: pd.DataFrame) -> float:
    """The coefficient of "has adopted" among unit and period effects, by least squares."""
    treated = (frame["assisted"] > 0).to_numpy(dtype=float)
    effects = pd.get_dummies(frame[["unit", "period"]].astype(str), dtype=float).to_numpy()
    design = np.column_stack([treated, effects])
    return float(np.linalg.lstsq(design, frame.eval("events / n").to_numpy(), rcond=None)[0][0])


@given(base=st.integers(-40, 40), growth=st.integers(-12, 12), by_cohort=st.integers(-20, 20))
@settings(max_examples=25, deadline=None)
def test_parallel_trends_give_back_every_planted_effect_exactly(base, growth, by_cohort):
    def effect(cohort: int, period: int) -> int:
        return base + growth * (period - cohort) + by_cohort * (cohort == 5)

    frame = planted(effect)
    for design in DESIGNS:
        table = design.group_time(panel(frame))
        for row in table.itertuples():
            due = effect(row.cohort, row.period) / 1000 if row.since >= 0 else 0
            assert abs(row.value - due) < 1e-12
        assert abs(PreTrend(design)(panel(frame)).value) < 1e-12


def test_two_way_fixed_effects_do_not():
    # Early adopters' effect grows, and the regression takes them as controls for the late ones.
    frame = planted(lambda cohort, period: 20 * (1 + period - cohort) if cohort == 3 else 10)
    planted_mean = (np.mean([20, 40, 60, 80, 100]) + 10) / 2 / 1000
    assert DESIGNS[0](panel(frame)).value == approx(planted_mean)
    assert abs(two_way_fixed_effects(frame) - planted_mean) > 0.003
    simple = replace(DESIGNS[0], overall=Aggregation.SIMPLE)(panel(frame)).value
    assert abs(two_way_fixed_effects(frame) - simple) > 0.003


@given(frame=panels(), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_names_and_order_of_units_do_not_matter(frame, seed):
    rng = np.random.default_rng(seed)
    names = dict(zip(sorted(frame["unit"].unique()), rng.permutation([f"s{i}" for i in range(16)]), strict=True))
    other = frame.assign(unit=frame["unit"].map(names)).sample(frac=1, random_state=seed)
    for design in DESIGNS:
        assert everything(design, other) == approx(everything(design, frame), rel=1e-9, abs=1e-12, nan_ok=True)


@given(frame=panels(), shift=st.integers(1, 50))
@settings(max_examples=15, deadline=None)
def test_where_the_calendar_begins_does_not_matter(frame, shift):
    later = frame.assign(period=frame["period"] + shift)
    for design in DESIGNS:
        assert everything(design, later) == approx(everything(design, frame), nan_ok=True)
    before, after = adoption_periods(panel(frame)), adoption_periods(panel(later))
    assert after == {unit: None if period is None else period + shift for unit, period in before.items()}


@given(frame=panels())
@settings(max_examples=15, deadline=None)
def test_doubling_every_unit_leaves_the_estimates_and_halves_the_variance(frame):
    twice = pd.concat([frame, frame.assign(unit=frame["unit"] + "b")])
    for controls in Controls:
        # Twice as many are asked for, so that the same comparisons enter.
        once = StaggeredAdoption(controls=controls, small_sample=False, fewest=2)(panel(frame))
        both = StaggeredAdoption(controls=controls, small_sample=False, fewest=4)(panel(twice))
        assert both.value == approx(once.value, nan_ok=True)
        assert both.standard_error**2 == approx(once.standard_error**2 / 2, nan_ok=True)
        assert [part.value for part in both.parts] == approx([part.value for part in once.parts])


@given(frame=panels(), unit=st.integers(0, 15), factor=st.integers(2, 9))
@settings(max_examples=15, deadline=None)
def test_a_unit_counts_once_whatever_it_ships(frame, unit, factor):
    more = frame.copy()
    more.loc[frame["unit"] == f"u{unit:02d}", ["n", "assisted", "events"]] *= factor
    for design in DESIGNS:
        assert everything(design, more) == approx(everything(design, frame), nan_ok=True)


def by_hand(frame: pd.DataFrame, controls: Controls, fewest: int) -> dict[tuple[int, int], tuple[float, int]]:
    """ATT(g, t) and its adopters as loops over units: slow, obvious, and the judge of the fast one."""
    share = {(row.unit, row.period): row.events / row.n for row in frame.itertuples() if row.n > 0}
    adopted = {unit: 99 if period is None else period for unit, period in adoption_periods(panel(frame)).items()}
    found = {}
    for g, t in product(sorted({g for g in adopted.values() if 0 < g < 99}), range(PERIODS)):
        change = {u: share[u, t] - share[u, g - 1] for u in adopted if (u, t) in share and (u, g - 1) in share}
        if controls is Controls.NEVER:
            against = [change[u] for u in change if adopted[u] == 99]
        else:
            against = [change[u] for u in change if adopted[u] > max(t, g - 1) and adopted[u] != g]
        own = [change[u] for u in change if adopted[u] == g]
        if t != g - 1 and own and len(against) >= fewest:
            found[g, t] = (sum(own) / len(own) - sum(against) / len(against), len(own))
    return found


@given(frame=panels())
@settings(max_examples=20, deadline=None)
def test_arrays_agree_with_loops_over_units(frame):
    for design in DESIGNS:
        slow = by_hand(frame, design.controls, design.fewest)
        fast = design.group_time(panel(frame))
        assert list(zip(fast["cohort"], fast["period"], strict=True)) == list(slow)
        assert fast["value"].tolist() == approx([value for value, _ in slow.values()], abs=1e-12)
        for time in range(4):
            cells = [slow[g, t] for g, t in slow if t - g == time]
            label = f"period +{time}" if time else "period 0"
            part = [part for part in design(panel(frame)).parts if part.label == label]
            if part:
                adopters = sum(m for _, m in cells)
                assert part[0].value == approx(sum(value * m for value, m in cells) / adopters, abs=1e-12)
                assert part[0].support["adopters"] == adopters


def series(n, events) -> UnitPeriods:
    periods = range(len(n))
    rows = [("all", t, int(m), int(m) * (t >= 6), int(e)) for t, m, e in zip(periods, n, events, strict=True)]
    return panel(pd.DataFrame(rows, columns=["unit", "period", "n", "assisted", "events"]))


counts = st.lists(st.integers(1, 30), min_size=13, max_size=13)


@given(events=counts, factor=st.integers(2, 50))
@settings(max_examples=20, deadline=None)
def test_rarer_failures_throughout_leave_level_and_trend(events, factor):
    design = InterruptedSeries(start=6)
    once, rarer = design(series([100] * 13, events)), design(series([100 * factor] * 13, events))
    assert [found.value for found in rarer] == approx([found.value for found in once], rel=1e-6)
    assert [found.standard_error for found in rarer] == approx([found.standard_error for found in once], rel=1e-6)


@given(level=st.floats(-0.7, 0.7), slope=st.floats(-0.1, 0.1))
@settings(max_examples=20, deadline=None)
def test_a_planted_level_and_trend_come_back(level, slope):
    t = np.arange(20)
    after = t >= 6
    events = np.round(1e7 * np.exp(-4 + 0.02 * t + after * (level + slope * (t - 6))))
    found = InterruptedSeries(start=6)(series([10**7] * 20, events))
    assert (log(found[0].value), log(found[1].value)) == approx((level, slope), abs=1e-4)
    assert found[0].value == approx(exp(level), rel=1e-3)


@given(events=counts)
@settings(max_examples=20, deadline=None)
def test_time_run_backwards_has_its_breaks_backwards_and_its_ratio_inverted(events):
    n = np.arange(40, 53)
    e = np.array(events)
    assert log_likelihood_ratios(n[::-1], e[::-1])[::-1] == approx(log_likelihood_ratios(n, e), abs=1e-9)
    there, back = (ChangePoint(draws=99)(series(m, x)) for m, x in ((n, e), (n[::-1], e[::-1])))
    ratios = np.sort(log_likelihood_ratios(n, e))
    if ratios[-1] - ratios[-2] > 1e-6:  # a tie has no one likeliest break
        assert there.value * back.value == approx(1)


@given(events=counts)
@settings(max_examples=20, deadline=None)
def test_how_units_share_the_failures_does_not_matter_to_the_organisations_break(events):
    whole = series([60] * 13, events).frame.assign(assisted=0)
    shares = [whole["events"] // 4 + (whole["events"] % 4 > unit) for unit in range(4)]
    split = pd.concat([whole.assign(unit=f"u{unit}", n=15, events=share) for unit, share in enumerate(shares)])
    one, many = ChangePoint(draws=99)(panel(whole)), ChangePoint(draws=99)(panel(split))
    assert (one.value, one.p_value, one.label) == (many.value, many.p_value, many.label)
