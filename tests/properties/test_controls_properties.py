"""What must hold of controls and placebos whatever the data."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pytest import approx
from scipy.stats import norm

from counterfault import Plan, check, count, link, read
from counterfault.challenges.contrast import log_with_error
from counterfault.challenges.empirical_null import EmpiricalNull, UncertainNull
from counterfault.counting.control_cells import (
    Other,
    cells_before,
    cells_by_label_of_another,
    cells_of_other_causes,
)
from counterfault.estimate import Estimand, Estimate, Interval

some = settings(max_examples=25, deadline=None, derandomize=True)
numbers = st.floats(-1.5, 1.5)
errors = st.floats(0.05, 1.0)
sets = st.lists(st.tuples(numbers, errors), min_size=2, max_size=30).map(lambda pairs: np.array(pairs).T)
levels = st.sampled_from([0.8, 0.9, 0.95, 0.99])


@some
@given(sets, numbers, errors, levels)
def test_p_and_limits_say_the_same(controls, value, error, level):
    for null in (EmpiricalNull.most_likely(*controls), UncertainNull.of(*controls)):
        low, high = null.limits(value, error, level)
        assume(min(abs(low), abs(high)) > 1e-6)
        assert (null.p_value(value, error) < 1 - level) == (not low <= 0 <= high)


@some
@given(sets, numbers, errors, st.floats(-1, 1))
def test_a_bias_shared_by_controls_and_primary_makes_no_difference(controls, value, error, bias):
    values, scales = controls
    for fit in (EmpiricalNull.most_likely, UncertainNull.of):
        before, after = fit(values, scales), fit(values + bias, scales)
        assert after.p_value(value + bias, error) == approx(before.p_value(value, error), rel=1e-4, abs=1e-7)
        assert after.limits(value + bias, error, 0.95) == approx(before.limits(value, error, 0.95), abs=1e-5)


@some
@given(sets, numbers, errors, levels)
def test_a_calibrated_interval_is_never_narrower_than_the_plain_one(controls, value, error, level):
    plain = 2 * norm.ppf(0.5 + level / 2) * error
    for null in (EmpiricalNull.most_likely(*controls), UncertainNull.of(*controls)):
        low, high = null.limits(value, error, level)
        assert high - low >= plain * (1 - 1e-9)


@some
@given(sets, st.randoms(use_true_random=False))
def test_the_order_of_controls_does_not_matter(controls, random):
    order = list(range(controls.shape[1]))
    random.shuffle(order)
    first, second = UncertainNull.of(*controls), UncertainNull.of(*controls[:, order])
    assert second.expected_absolute_error(0.95) == approx(first.expected_absolute_error(0.95), rel=1e-6)


@some
@given(sets)
def test_the_most_likely_null_is_more_likely_than_its_neighbours(controls):
    values, scales = controls
    null = EmpiricalNull.most_likely(values, scales)

    def height(mean: float, spread: float) -> float:
        return float(norm.logpdf(values, mean, np.sqrt(scales**2 + spread**2)).sum())

    top = height(null.mean, null.spread)
    for mean, spread in ((0.01, 0), (-0.01, 0), (0, 0.01), (0, -0.01), (0.1, 0.1), (0, 0.3)):
        assert height(null.mean + mean, max(0.0, null.spread + spread)) <= top + 1e-9


def test_many_sure_controls_at_1_leave_the_primary_interval_as_it_was():
    null = UncertainNull.of(np.zeros(400), np.full(400, 0.001))
    low, high = null.limits(0.4, 0.1, 0.95)
    assert (low, high) == approx((0.4 - 1.959964 * 0.1, 0.4 + 1.959964 * 0.1), abs=1e-4)


def test_a_calibrated_test_keeps_its_level_where_the_plain_one_does_not():
    """Nulls with systematic error N(0.15, 0.25²) and twenty controls of it, 160 times: at 5 %, 8 rejections are due."""
    rng = np.random.default_rng(11)
    plain = averaged = 0
    for _ in range(160):
        scales = rng.uniform(0.15, 0.6, 20)
        controls = rng.normal(0.15, np.sqrt(0.25**2 + scales**2))
        primary, error = rng.normal(0.15, np.sqrt(0.25**2 + 0.12**2)), 0.12
        plain += abs(primary) > 1.959964 * error
        averaged += UncertainNull.of(controls, scales).p_value(primary, error) < 0.05
    assert plain > 50
    assert averaged <= 16  # beyond it lies less than one time in two hundred


@pytest.mark.parametrize(
    ("values", "scales", "said"),
    [
        ([0.1], [0.2], "two controls at least"),
        ([0.1, 0.2], [0.2], "one of each for every control"),
        ([0.1, 0.2], [0.2, 0.0], "errors finite and above 0"),
        ([0.1, np.nan], [0.2, 0.1], "must be finite"),
    ],
)
def test_controls_without_a_value_or_an_error_are_refused(values, scales, said):
    for fit in (EmpiricalNull.most_likely, UncertainNull.of):
        with pytest.raises(ValueError, match=said):
            fit(np.array(values), np.array(scales))


@some
@given(numbers, errors, levels)
def test_the_error_of_a_ratio_is_read_from_its_interval(value, error, level):
    reach = norm.ppf(0.5 + level / 2) * error
    interval = Interval(float(np.exp(value - reach)), float(np.exp(value + reach)), level)
    drawn = Estimate(estimand=Estimand.RISK_RATIO, value=float(np.exp(value)), interval=interval, method="drawn")
    assert log_with_error(drawn) == approx((value, error), abs=1e-9)


# --- cells against loops over the rows

PLAN = Plan.checked(
    {
        "outcome": {"link": "window", "window_hours": 6, "follow_up_hours": 6},
        "design": {"confounders": [], "mediators": [], "strata": ["service", "month"]},
        "challenges": {"negative_controls": {"windows_before": 3}},
    }
)
START = datetime(2026, 1, 1, tzinfo=UTC)
MODES = ("capacity", "latency")
SEEDS = (1,)


def organisation(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Deployments and incidents of three services, on whole hours so that edges and ties are met."""
    rng = np.random.default_rng(seed)
    # No two deployments in one second: any of them might then stand for the others.
    hours = rng.choice(24 * 60, 150, replace=False)
    deployments = pd.DataFrame(
        {
            "deployment_id": [f"d{number}" for number in range(150)],
            "deployed_at": [START + timedelta(hours=int(hour)) for hour in hours],
            "service": rng.choice(["api", "shop", "search"], 150),
            "assistance": rng.choice(["ai", "human", "unknown"], 150, p=[0.4, 0.5, 0.1]),
        }
    )
    incidents = pd.DataFrame(
        {
            "incident_id": [f"i{number}" for number in range(200)],
            "started_at": [START + timedelta(hours=int(hour)) for hour in rng.integers(0, 24 * 60, 200)],
            "service": rng.choice(["api", "shop", "search"], 200),
            "cause": rng.choice(["change", "other", "unknown"], 200),
            "failure_mode": rng.choice(MODES, 200),
        }
    )
    return deployments, incidents


@lru_cache
def studied(seed: int):
    deployments, incidents = organisation(seed)
    checked = check(read(deployments, incidents, plan=PLAN), PLAN, now=START + timedelta(days=90))
    linked = link(checked, PLAN)
    counted = count(linked, PLAN)
    analysed = counted.rows.filter(counted.rows.step == "analysed").select("deployment_id").execute()
    inside = deployments[deployments["deployment_id"].isin(analysed["deployment_id"])]
    return counted, linked, deployments, inside, incidents


def by_hand(rows, exposed, failed) -> tuple[int, int, int, int]:
    """Exposed events and total, other events and total."""
    counts = [0, 0, 0, 0]
    for row in rows:
        place = 0 if exposed(row) else 2
        counts[place] += failed(row)
        counts[place + 1] += 1
    return tuple(counts)


def has_incident(incidents, row, low: float, high: float, closed_low: bool, closed_high: bool) -> bool:
    """Whether an incident of the service began between so many hours from the deployment."""
    for incident in incidents:
        lag = (incident.started_at - row.deployed_at).total_seconds() / 3600
        above = lag >= low if closed_low else lag > low
        below = lag <= high if closed_high else lag < high
        if incident.service == row.service and above and below:
            return True
    return False


@pytest.mark.parametrize("seed", SEEDS)
def test_control_outcomes_are_those_that_loops_find(seed):
    counted, linked, _, inside, incidents = studied(seed)
    rows = list(inside.itertuples())
    cells = cells_of_other_causes(counted.rows, counted.cells, linked, PLAN, ())
    for mode in MODES:
        innocent = list(incidents[(incidents["cause"] == "other") & (incidents["failure_mode"] == mode)].itertuples())
        expected = by_hand(
            rows,
            lambda row: row.assistance == "ai",
            lambda row, them=innocent: has_incident(them, row, 0, 6, True, True),
        )
        assert expected[0] + expected[2] > 0
        assert tuple(cells[mode].two_by_two()) == expected
    suspects = list(incidents[incidents["cause"] != "other"].itertuples())
    since = linked.start + timedelta(hours=18)
    watched = [row for row in rows if row.deployed_at >= since]
    for number, found in cells_before(counted.rows, linked, PLAN, ()).items():
        expected = by_hand(
            watched,
            lambda row: row.assistance == "ai",
            lambda row, k=number: has_incident(suspects, row, -6 * k, -6 * (k - 1), True, False),
        )
        assert tuple(found.two_by_two()) == expected


def label_at(rows, row, hours: float) -> str | None:
    """The label of the nearest deployment of the service at least so far ahead or back, if there is one."""
    away = [((other.deployed_at - row.deployed_at).total_seconds() / 3600, other) for other in rows]
    far = [
        (abs(lag), other.assistance)
        for lag, other in away
        if other.service == row.service and (lag >= hours if hours > 0 else lag <= hours)
    ]
    return min(far)[1] if far else None


@pytest.mark.parametrize("seed", SEEDS)
def test_labels_of_other_deployments_are_those_that_loops_find(seed):
    counted, _, deployments, inside, _ = studied(seed)
    everybody, hit = list(deployments.itertuples()), set(failed_ids(counted))
    others = (Other("next", 6 * 3600), Other("back", -48 * 3600))
    for other, cells in zip(others, cells_by_label_of_another(counted.rows, others, PLAN, ()).values(), strict=True):
        rows = [
            (row, label)
            for row in inside.itertuples()
            if (label := label_at(everybody, row, other.seconds / 3600)) in ("ai", "human")
        ]
        expected = by_hand(rows, lambda pair: pair[1] == "ai", lambda pair: pair[0].deployment_id in hit)
        assert tuple(cells.two_by_two()) == expected
        assert cells.strata == ("service", "month", "own_label")
        own = cells.frame.groupby("own_label")["n"].sum().to_dict()
        assert own == pd.Series([row.assistance for row, _ in rows]).value_counts().to_dict()


def failed_ids(counted) -> list[str]:
    rows = counted.rows
    return rows.filter(rows.events == 1).select("deployment_id").execute()["deployment_id"].tolist()
