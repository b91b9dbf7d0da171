"""What must hold of pooled ratios whatever the data: judged by definitions, integrals and planted effects."""

from itertools import pairwise
from math import exp, log

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pytest import approx
from scipy.integrate import quad
from scipy.stats import binom, chi2, norm

from counterfault.cells import Cells
from counterfault.estimators.poisson.conditional_poisson import fit_conditional_poisson
from counterfault.estimators.pooling.between_groups import Between, Groups
from counterfault.estimators.pooling.binomial_normal import rare_event_pooling
from counterfault.estimators.pooling.binomial_normal_likelihood import BinomialNormal
from counterfault.estimators.pooling.random_effects import MeanInterval, RandomEffects, random_effects

seeds = st.integers(0, 2**32 - 1)
some = settings(max_examples=4, deadline=None, derandomize=True)
many = settings(max_examples=20, deadline=None, derandomize=True)


def organisation(seed: int, services: int = 6, risk: float = 0.15) -> Cells:
    """Unequal services in two quarters, with ratios of their own."""
    rng = np.random.default_rng(seed)
    ratios = np.exp(rng.normal(0.3, 0.7, services))
    rows = [
        {"service": f"service {s}", "quarter": quarter, "exposed": exposed, "n": n, "events": rng.binomial(n, chance)}
        for s in range(services)
        for quarter in ("Q1", "Q2")
        for exposed in (0, 1)
        for n in [int(rng.integers(5, 80))]
        for chance in [min(0.9, risk * (ratios[s] if exposed else 1))]
    ]
    return Cells(pd.DataFrame(rows), strata=("service", "quarter"))


def answers(cells: Cells) -> np.ndarray:
    """Every value and limit of both ways of pooling, in one row."""
    found = (*random_effects(cells), *rare_event_pooling(cells))
    assert all(each.estimable for each in found)
    return np.array([[each.value, each.interval.low, each.interval.high] for each in found]).ravel()


@some
@given(seeds)
def test_swapping_the_arms_inverts_the_ratios_and_leaves_the_spread(seed):
    cells = organisation(seed)
    swapped = Cells(cells.frame.assign(exposed=1 - cells.frame["exposed"]), strata=cells.strata)
    for found, mirror in zip(
        (*random_effects(cells), *rare_event_pooling(cells)),
        (*random_effects(swapped), *rare_event_pooling(swapped)),
        strict=True,
    ):
        if "spread" in found.id:
            assert mirror.value == approx(found.value, rel=1e-5, abs=1e-6)
            continue
        assert mirror.value == approx(1 / found.value, rel=1e-5)
        assert mirror.interval.low == approx(1 / found.interval.high, rel=1e-4)
        assert mirror.p_value == approx(found.p_value, rel=1e-4) if found.p_value else mirror.p_value is None


@some
@given(seeds)
def test_names_and_the_order_of_cells_do_not_matter(seed):
    cells = organisation(seed)
    renamed = cells.frame.assign(service=cells.frame["service"].map(lambda name: f"z{9 - int(name[-1])}"))
    shuffled = renamed.sample(frac=1, random_state=seed % 2**32)
    assert answers(Cells(shuffled, strata=cells.strata)) == approx(answers(cells), rel=1e-6, abs=1e-7, nan_ok=True)


@some
@given(seeds)
def test_cells_may_be_split_and_services_without_incidents_added(seed):
    cells = organisation(seed)
    halves = cells.frame.assign(n=cells.frame["n"] // 2, events=cells.frame["events"] // 2)
    rest = cells.frame.assign(n=cells.frame["n"] - halves["n"], events=cells.frame["events"] - halves["events"])
    quiet = [{"service": "quiet", "quarter": "Q1", "exposed": e, "n": 30, "events": 0} for e in (0, 1)]
    split = Cells(pd.concat([halves, rest, pd.DataFrame(quiet)]), strata=cells.strata)
    assert answers(split) == approx(answers(cells), rel=1e-9, abs=1e-9)


def test_strata_alike_in_arms_may_be_merged_within_a_service():
    fine = organisation(3)
    doubled = pd.concat([fine.frame, fine.frame.assign(quarter=fine.frame["quarter"] + " again")])
    merged = fine.frame.assign(n=2 * fine.frame["n"], events=2 * fine.frame["events"])
    assert answers(Cells(doubled, strata=fine.strata)) == approx(answers(Cells(merged, strata=fine.strata)), rel=1e-6)


# ---------------------------------------------------------------------------------------------------------------
# Equal effects
# ---------------------------------------------------------------------------------------------------------------


def test_equal_effects_in_all_services_leave_no_spread_and_the_common_ratio():
    rows = [
        {"service": f"s{k}", "quarter": "Q1", "exposed": exposed, "n": 100 * (k + 1), "events": events * (k + 1)}
        for k in range(6)
        for exposed, events in ((1, 6), (0, 4))
    ]
    cells = Cells(pd.DataFrame(rows), strata=("service", "quarter"))
    for mean, spread in (random_effects(cells)[:2], rare_event_pooling(cells)[:2]):
        assert spread.value == approx(0, abs=1e-6)
        assert mean.value == approx(1.5, rel=1e-7)
    for part in RandomEffects()(cells).parts:
        assert part.caveats == ("Shrunken to the mean (empirical Bayes): 1.50.",)


@some
@given(seeds)
def test_without_spread_the_binomial_normal_model_is_conditional_poisson_regression(seed):
    cells = organisation(seed)
    tables = cells.tables().to_numpy(float)
    tables = tables[tables[:, [0, 2]].sum(1) > 0]
    model = BinomialNormal(
        exposed_events=tables[:, 0],
        events=tables[:, 0] + tables[:, 2],
        offset=np.log(tables[:, 1] / tables[:, 3]),
        group=np.arange(len(tables)),
    )
    design = np.tile([[1.0], [0.0]], (len(tables), 1))
    fixed = fit_conditional_poisson(
        design, tables[:, [1, 3]].ravel(), tables[:, [0, 2]].ravel(), np.repeat(np.arange(len(tables)), 2)
    )
    assert model.best_given(tau=0.0, start=0.0)[0] == approx(float(fixed.coefficients[0]), abs=1e-6)


# ---------------------------------------------------------------------------------------------------------------
# The algebra of random effects
# ---------------------------------------------------------------------------------------------------------------


def groups(seed: int, spread: float = 0.6) -> Groups:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(3, 15))
    variances = rng.uniform(0.02, 0.5, count)
    return Groups.alike(rng.normal(0.2, np.sqrt(variances + spread**2)), variances)


def restricted_likelihood(found: Groups, tau_squared: float) -> float:
    """From the definition: the joint density, integrated over the mean."""
    total = found.variances + tau_squared
    mean = np.average(found.values, weights=1 / total)
    return float(norm.logpdf(found.values, mean, np.sqrt(total)).sum() - np.log((1 / total).sum()) / 2)


@many
@given(seeds)
def test_reml_is_the_highest_of_a_fine_grid(seed):
    found = groups(seed)
    best = found.tau_squared(Between.REML)
    grid = np.concatenate([np.linspace(0, 3, 200), best * np.linspace(0.98, 1.02, 21)])
    highest = max(restricted_likelihood(found, float(tau_squared)) for tau_squared in grid)
    assert restricted_likelihood(found, best) >= highest - 1e-10


@many
@given(seeds)
def test_paule_mandel_and_the_q_profile_meet_their_definitions(seed):
    found = groups(seed)
    paule_mandel = found.tau_squared(Between.PM)
    low, high = found.q_profile(0.9)
    assume(paule_mandel > 0 and high > 0)
    assert found.q(paule_mandel) == approx(found.degrees, rel=1e-9)
    assert found.q(high) == approx(chi2.ppf(0.05, found.degrees), rel=1e-9)
    assert low == 0 or found.q(low) == approx(chi2.ppf(0.95, found.degrees), rel=1e-9)
    # DerSimonian and Laird's τ² makes Q equal its expectation at fixed weights
    weights = 1 / found.variances
    expected = found.degrees + found.tau_squared(Between.DL) * (weights.sum() - (weights**2).sum() / weights.sum())
    assert found.tau_squared(Between.DL) == 0 or found.q(0.0) == approx(expected, rel=1e-9)


@many
@given(seeds, st.floats(0.1, 10))
def test_units_do_not_matter(seed, unit):
    found = groups(seed)
    scaled = Groups.alike(unit * found.values, unit**2 * found.variances)
    for between in Between:
        assert scaled.tau_squared(between) == approx(unit**2 * found.tau_squared(between), rel=1e-6, abs=1e-10)


def test_the_wider_interval_holds_both_others():
    for seed in range(20):
        cells = organisation(seed) if seed < 3 else organisation(seed, risk=0.3)
        plain, knapp, wider = (RandomEffects(interval=each)(cells).interval for each in MeanInterval)
        assert wider in (plain, knapp)
        assert wider.low == min(plain.low, knapp.low)


# ---------------------------------------------------------------------------------------------------------------
# The marginal likelihood
# ---------------------------------------------------------------------------------------------------------------


def model(seed: int) -> BinomialNormal:
    rng = np.random.default_rng(seed)
    group = np.sort(rng.integers(0, 4, 9))
    events = rng.integers(1, 12, 9).astype(float)
    return BinomialNormal(
        exposed_events=rng.binomial(events.astype(int), 0.4).astype(float),
        events=events,
        offset=rng.normal(-0.5, 0.7, 9),
        group=np.unique(group, return_inverse=True)[1],
    )


@some
@given(seeds, st.floats(-1, 1), st.floats(0.05, 1.5))
def test_the_likelihood_is_the_integral_it_stands_for(seed, mean, tau):
    found = model(seed)
    total = 0.0
    for code in range(found.groups):
        inside = found.group == code
        a, m, offset = found.exposed_events[inside], found.events[inside], found.offset[inside]

        def density(theta, a=a, m=m, offset=offset):
            return binom.pmf(a, m, 1 / (1 + np.exp(-theta - offset))).prod() * norm.pdf(theta, mean, tau)

        points = np.linspace(mean - 9 * tau, mean + 9 * tau, 7)
        total += log(sum(quad(density, low, high, epsabs=0, epsrel=1e-11)[0] for low, high in pairwise(points)))
    assert found(mean, tau)[0] == approx(total, abs=2e-6)


@some
@given(seeds, st.floats(-1, 1), st.floats(0.05, 1.5))
def test_the_gradient_is_the_derivative(seed, mean, tau):
    found, step = model(seed), 1e-5
    by_mean = (found(mean + step, tau)[0] - found(mean - step, tau)[0]) / (2 * step)
    by_tau = (found(mean, tau + step)[0] - found(mean, tau - step)[0]) / (2 * step)
    assert found(mean, tau)[1] == approx([by_mean, by_tau], abs=1e-4)


@pytest.mark.parametrize("truth", [0.6, 1.0, 1.8])
def test_a_planted_ratio_and_spread_come_back(truth):
    # Many services with plenty of events: sampling error well inside the bounds below.
    rng = np.random.default_rng(20260101)
    theta = rng.normal(log(truth), 0.4, 150)
    rows = [
        {"service": f"s{k:03}", "exposed": exposed, "n": 2_000, "events": int(rng.poisson(20 * ratio))}
        for k in range(150)
        for exposed, ratio in ((1, exp(theta[k])), (0, 1.0))
    ]
    cells = Cells(pd.DataFrame(rows), strata=("service",))
    for mean, spread in (random_effects(cells)[:2], rare_event_pooling(cells)[:2]):
        assert log(mean.value) == approx(log(truth), abs=0.15)
        assert spread.value == approx(0.4, abs=0.12)
