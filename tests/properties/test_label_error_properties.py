"""What must hold of corrected labels: unbiased sums, right labels change nothing, honest intervals."""

from __future__ import annotations

from itertools import product
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx
from scipy.stats import binom

from counterfault.cells import Cells
from counterfault.challenges.corrected_tables import ErrorRates, LabelledTables
from counterfault.challenges.error_rates import PriorRates
from counterfault.challenges.label_error import LabelError, bias_adjusted, fixed
from counterfault.counting.label_audit import equal_shares
from counterfault.estimators.tables import stratified

RATES = (0.8, 0.7, 0.95, 0.9)  # sensitivity of failed and others, specificity of failed and others
counts = st.integers(1, 40)
strata = st.lists(st.tuples(counts, counts, counts, counts), min_size=1, max_size=6)


def cells_of(tables: list[tuple[int, int, int, int]]) -> Cells:
    rows = []
    for place, (a, c, b, d) in enumerate(tables):
        rows += [(f"s{place}", 1, a + b, a), (f"s{place}", 0, c + d, c)]
    return Cells(pd.DataFrame(rows, columns=["service", "exposed", "n", "events"]), strata=("service",))


def study_of(cells: Cells) -> SimpleNamespace:
    return SimpleNamespace(cells=cells, level=0.95, confounders=())


def one(*values: float) -> ErrorRates:
    return ErrorRates(*(np.array([value]) for value in values))


def labelled(a: int, c: int, b: int, d: int, rates: tuple[float, ...]) -> list[tuple[float, int, int]]:
    """Every way labels may fall in one stratum: probability, failures labelled AI, others labelled AI."""
    se1, se0, sp1, sp0 = rates
    failed = np.convolve(binom.pmf(range(a + 1), a, se1), binom.pmf(range(c + 1), c, 1 - sp1))
    other = np.convolve(binom.pmf(range(b + 1), b, se0), binom.pmf(range(d + 1), d, 1 - sp0))
    return [(failed[u] * other[e], u, e) for u, e in product(range(a + c + 1), range(b + d + 1))]


@pytest.mark.parametrize("table", [(1, 0, 1, 2), (0, 1, 2, 1), (1, 1, 3, 2), (2, 1, 0, 4), (3, 2, 4, 4)])
def test_corrected_sums_are_right_on_average_in_the_smallest_strata(table):
    a, c, b, d = table
    means = np.zeros(2)
    for probability, u, e in labelled(*table, RATES):
        tables = LabelledTables(*(np.array([float(count)]) for count in (u, a + c, e, b + d)))
        means += probability * np.array([part[0] for part in tables.sums(one(*RATES))])
    size = sum(table)
    assert means == approx([a * (c + d) / size, c * (a + b) / size], abs=1e-12)


@given(strata)
@settings(deadline=None, max_examples=30)
def test_right_labels_change_nothing(tables):
    cells = cells_of(tables)
    primary = stratified.risk_ratio(cells)
    found = fixed(study_of(cells), primary, 1, 1)
    assert found.value == approx(primary.value)
    assert (found.interval.low, found.interval.high) == approx((primary.interval.low, primary.interval.high))


@given(strata, st.floats(0.7, 1), st.floats(0.7, 1))
@settings(deadline=None, max_examples=30)
def test_calling_ai_human_and_human_ai_inverts_the_ratio(tables, sensitivity, specificity):
    swapped = [(c, a, d, b) for a, c, b, d in tables]
    there = LabelledTables.of(cells_of(tables)).corrected(one(sensitivity, sensitivity, specificity, specificity))
    back = LabelledTables.of(cells_of(swapped)).corrected(one(specificity, specificity, sensitivity, sensitivity))
    assert there.possible[0] == back.possible[0]
    if there.possible[0]:
        assert there.log_ratio[0] == approx(-back.log_ratio[0], abs=1e-7)
        assert there.log_error[0] == approx(back.log_error[0], rel=1e-6)


def test_the_same_seed_gives_the_same_numbers_and_another_gives_others():
    cells = cells_of([(30, 40, 300, 700), (20, 30, 500, 600)])
    study, primary = study_of(cells), stratified.risk_ratio(cells)
    first, again, other = (LabelError(seed=seed)(study, primary)[0] for seed in (7, 7, 8))
    assert (first.value, first.interval) == (again.value, again.interval)
    assert first.value != other.value


def test_error_rates_stay_inside_their_trapezoids_and_go_together():
    drawn = PriorRates((0.75, 0.85, 0.97, 1.0), (0.95, 0.98, 1.0, 1.0), 0.8).draw(np.random.default_rng(1), 20_000)
    for part in (drawn.sensitivity_failed, drawn.sensitivity_other):
        assert 0.75 <= part.min() < 0.76
        assert 0.99 < part.max() <= 1
    together = np.corrcoef(drawn.sensitivity_failed, drawn.sensitivity_other)[0, 1]
    assert together == approx(0.8, abs=0.03)
    apart = np.corrcoef(drawn.sensitivity_failed, drawn.specificity_failed)[0, 1]
    assert apart == approx(0, abs=0.03)


def test_random_error_widens_the_interval():
    cells = cells_of([(30, 40, 300, 700), (20, 30, 500, 600)])
    found, _ = LabelError()(study_of(cells), stratified.risk_ratio(cells))
    systematic, total = found.parts
    assert total.interval.low < systematic.interval.low < systematic.interval.high < total.interval.high
    assert (found.value, found.interval) == (total.value, total.interval)


@pytest.mark.parametrize(("strata", "size"), [(200, 60), (900, 8)])
def test_intervals_cover_the_true_ratio_where_the_error_rates_are_known(strata, size):
    # Planted: ratio 1.5, labels wrong more often among changes that did not fail. As labelled, hardly any interval
    # would hold the truth.
    planted = (0.95, 0.65, 0.98, 0.97)
    rng = np.random.default_rng(11)
    covered = {"as labelled": 0, "corrected": 0}
    runs = 80
    for _ in range(runs):
        cells = mislabelled(rng, strata, size, planted)
        primary = stratified.risk_ratio(cells)
        covered["as labelled"] += 1.5 in primary.interval
        rates = ErrorRates(*(np.full(1000, rate) for rate in planted))
        covered["corrected"] += 1.5 in bias_adjusted(study_of(cells), primary, rates, rng).interval
    assert covered["as labelled"] < 0.6 * runs
    assert covered["corrected"] >= 0.87 * runs  # 95 % less three Monte Carlo errors


def mislabelled(rng: np.random.Generator, strata: int, size: int, rates: tuple[float, ...]) -> Cells:
    n = 1 + rng.poisson(size, strata)
    n1 = rng.binomial(n, 0.2 + 0.4 * rng.random(strata))
    risk = 0.04 * np.exp(0.6 * rng.standard_normal(strata) - 0.18)
    a, c = rng.binomial(n1, np.minimum(1.5 * risk, 1)), rng.binomial(n - n1, np.minimum(risk, 1))
    se1, se0, sp1, sp0 = rates
    u = rng.binomial(a, se1) + rng.binomial(c, 1 - sp1)
    e = rng.binomial(n1 - a, se0) + rng.binomial(n - n1 - c, 1 - sp0)
    failed, other = a + c, n - a - c
    return cells_of(list(zip(u, failed - u, e, other - e, strict=True)))


@given(st.lists(st.integers(0, 300), min_size=1, max_size=4), st.integers(1, 500))
def test_a_sample_takes_alike_from_every_group_as_far_as_it_goes(available, size):
    shares = equal_shares(available, size)
    assert sum(shares) == min(size, sum(available))
    assert all(share <= there for share, there in zip(shares, available, strict=True))
    open_shares = [share for share, there in zip(shares, available, strict=True) if share < there]
    exhausted = [share for share, there in zip(shares, available, strict=True) if share == there]
    if open_shares:
        assert max(open_shares) - min(open_shares) <= 1
        assert max(exhausted, default=0) <= min(open_shares) + 1
