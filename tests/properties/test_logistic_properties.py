"""What must hold of the logistic fits whatever the data: judged by rows, by enumeration, by hand, and by swapping."""

from itertools import combinations
from math import log

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from pytest import approx
from scipy.special import logsumexp

from counterfault.cells import Cells
from counterfault.estimators.odds.conditional_likelihood import conditional_likelihood
from counterfault.estimators.odds.conditional_logistic import ConditionalLogistic, fit_conditional_logistic
from counterfault.estimators.odds.firth import FirthLogistic
from counterfault.estimators.odds.irls import Family, fit_glm
from counterfault.estimators.odds.logistic import LogisticRegression
from counterfault.estimators.odds.rates import poisson_rate
from counterfault.estimators.odds.separation import separated_cells

seeds = st.integers(0, 2**32 - 1)
some = settings(max_examples=5, deadline=None, derandomize=True)

ESTIMATORS = [
    pytest.param(LogisticRegression(adjust_for=("size",)), id="logistic"),
    pytest.param(ConditionalLogistic(("size",)), id="conditional"),
    pytest.param(FirthLogistic(("size", "period")), id="Firth"),
]


def organisation(seed: int, services: int = 6) -> pd.DataFrame:
    """Unequal services, some combinations absent, risks high enough for few separations."""
    rng = np.random.default_rng(seed)
    service = rng.choice(services, 80, p=rng.dirichlet(np.full(services, 4.0)))
    frame = pd.DataFrame(
        {
            "service": [f"service {s}" for s in service],
            "period": rng.choice(["Q1", "Q2"], 80),
            "exposed": rng.integers(0, 2, 80),
            "size": rng.choice(["small", "medium", "large"], 80),
            "n": rng.integers(1, 6, 80),
        }
    )
    risk = 0.2 + 0.1 * (service % 4) + 0.15 * frame["exposed"] * (service % 2)
    return frame.assign(events=rng.binomial(frame["n"], risk), exposure_hours=24.0 * frame["n"])


def rows_of(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per deployment, with ``event`` 0 or 1."""
    rows = frame.loc[frame.index.repeat(frame["n"])].copy()
    rows["event"] = (rows.groupby(level=0).cumcount() < rows["events"]).astype(float)
    return rows.reset_index(drop=True)


def dummies(frame: pd.DataFrame, *names: str) -> np.ndarray:
    """Exposure, then all levels of these columns but the first of each."""
    levels = [pd.get_dummies(frame[name], drop_first=True).to_numpy(float) for name in names]
    return np.hstack([frame[["exposed"]].to_numpy(float), *levels])


def codes(frame: pd.DataFrame, *names: str) -> np.ndarray:
    return frame.groupby(list(names)).ngroup().to_numpy(np.intp)


# ---------------------------------------------------------------------------------------------------------------
# Generalised linear models
# ---------------------------------------------------------------------------------------------------------------


@some
@given(seed=seeds)
def test_cells_give_what_statsmodels_gives_on_rows(seed):
    import statsmodels.api as sm

    frame = organisation(seed)
    found = LogisticRegression(adjust_for=("size",), at_least_model=True)(Cells(frame))
    assume(found.estimable and not any("left the fit" in caveat for caveat in found.caveats))
    rows = rows_of(frame)
    design = sm.add_constant(dummies(rows, "service", "period", "size"))
    witness = sm.GLM(rows["event"].to_numpy(), design, family=sm.families.Binomial()).fit(tol=1e-14, maxiter=100)
    assert log(found.value) == approx(witness.params[1], rel=1e-9, abs=1e-9)
    if found.method.endswith("which is wider"):
        assert found.standard_error == approx(witness.bse[1], rel=1e-6)  # its weights are one step behind
    direct = fit_glm(design, rows["event"].to_numpy(), np.ones(len(rows)), Family.BINOMIAL)
    assert direct.coefficients == approx(witness.params, rel=1e-9, abs=1e-9)
    assert direct.standard_errors == approx(witness.bse, rel=1e-6)
    assert direct.deviance == approx(witness.deviance, rel=1e-9)
    assert direct.dispersion == approx(witness.pearson_chi2 / witness.df_resid, rel=1e-9)
    assert direct.hat_values == approx(witness.get_hat_matrix_diag(), rel=1e-6)


@some
@given(seed=seeds)
def test_poisson_counts_with_an_offset_give_what_statsmodels_gives(seed):
    import statsmodels.api as sm

    frame = organisation(seed)
    design = sm.add_constant(dummies(frame, "service", "size"))
    assume(np.linalg.matrix_rank(design) == design.shape[1])
    assume((frame.groupby("service")["events"].sum() > 0).all() and (frame.groupby("size")["events"].sum() > 0).all())
    events, time = frame["events"].to_numpy(float), frame["exposure_hours"].to_numpy(float)
    model = sm.GLM(events, design, family=sm.families.Poisson(), offset=np.log(time))
    witness = model.fit(tol=1e-14, maxiter=100)
    found = fit_glm(design, events, time, Family.POISSON)
    assert found.coefficients == approx(witness.params, rel=1e-9, abs=1e-9)
    assert found.standard_errors == approx(witness.bse, rel=1e-6)  # its weights are one step behind
    assert found.deviance == approx(witness.deviance, rel=1e-9)
    assert found.residual_df == witness.df_resid
    rate = poisson_rate(frame, events="events", time="exposure_hours", factors=("service", "size"))
    assert log(rate.value) == approx(witness.params[1], rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("family", Family)
@some
@given(seed=seeds)
def test_absorbing_a_factor_is_fitting_its_dummy_variables(family, seed):
    frame = organisation(seed)
    design, service = dummies(frame, "size"), codes(frame, "service")
    events, size = frame["events"].to_numpy(float), frame["n"].to_numpy(float)
    both = np.hstack([design, np.eye(service.max() + 1)[service]])
    assume(not separated_cells(design, events, size, service).any())
    assume(np.linalg.matrix_rank(both) == both.shape[1])
    absorbed, dense = fit_glm(design, events, size, family, service), fit_glm(both, events, size, family)
    k = design.shape[1]
    assert absorbed.converged
    assert absorbed.coefficients == approx(dense.coefficients[:k], rel=1e-9, abs=1e-10)
    assert absorbed.covariance == approx(dense.covariance[:k, :k], rel=1e-9, abs=1e-12)
    assert absorbed.hat_values == approx(dense.hat_values, rel=1e-9)
    assert absorbed.log_likelihood == approx(dense.log_likelihood, rel=1e-12)
    assert (absorbed.residual_df, absorbed.rate) == (dense.residual_df, approx(dense.rate, rel=1e-9))


# ---------------------------------------------------------------------------------------------------------------
# Separation
# ---------------------------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None, derandomize=True)
@given(seed=seeds, cells=st.integers(4, 30), rarity=st.floats(0.05, 0.5))
def test_separated_cells_are_those_a_long_climb_leaves_without_doubt(seed, cells, rarity):
    # A Newton step moves a separated index by about 1 when it is far out, so 25 of them leave a chance below 1e-6;
    # cells whose fit is finite never get there in data this small.
    rng = np.random.default_rng(seed)
    design = rng.integers(0, 2, (cells, 3)).astype(float)
    strata = np.sort(rng.integers(0, 3, cells))
    strata = np.unique(strata, return_inverse=True)[1]
    size = rng.integers(1, 6, cells).astype(float)
    events = rng.binomial(size.astype(int), rarity).astype(float)
    intercepts = np.eye(strata.max() + 1)[strata]
    whole = np.hstack([design, intercepts])
    assume(np.linalg.matrix_rank(whole) == whole.shape[1])
    found = separated_cells(design, events, size, strata)
    climbed = fit_glm(whole, events, size, Family.BINOMIAL, most_steps=25)
    doubt = np.where(events == 0, climbed.rate, 1 - climbed.rate)
    pure = (events == 0) | (events == size)
    assert list(found) == list(pure & (doubt < 1e-6))


@some
@given(seed=seeds)
def test_what_is_left_after_separation_does_not_separate(seed):
    rng = np.random.default_rng(seed)
    design, strata = rng.integers(0, 2, (40, 6)).astype(float), np.arange(40) // 10
    size = np.full(40, 2.0)
    events = rng.binomial(2, 0.15, 40).astype(float)
    found = separated_cells(design, events, size, strata)
    assume(found.any())
    rest = np.unique(strata[~found], return_inverse=True)[1]
    assert not separated_cells(design[~found], events[~found], size[~found], rest).any()


# ---------------------------------------------------------------------------------------------------------------
# The conditional likelihood
# ---------------------------------------------------------------------------------------------------------------


def by_enumeration(design, copies, events, beta):
    """Log-likelihood, score and information of one stratum, from every choice of the deployments that failed."""
    which = np.repeat(np.arange(len(copies)), copies.astype(int))
    observed = events @ design
    sums = np.array([design[list(chosen)].sum(0) for chosen in combinations(which, int(events.sum()))])
    chance = np.exp(sums @ beta - logsumexp(sums @ beta))
    mean = chance @ sums
    return observed @ beta - logsumexp(sums @ beta), observed - mean, (sums.T * chance) @ sums - np.outer(mean, mean)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(seed=seeds, spread=st.floats(0, 4))
def test_the_conditional_likelihood_is_the_enumeration_of_all_choices(seed, spread):
    rng = np.random.default_rng(seed)
    strata = np.sort(rng.integers(0, 4, 14))
    strata = np.unique(strata, return_inverse=True)[1]
    design = rng.normal(size=(14, 3)).round(1)
    copies = rng.integers(1, 4, 14).astype(float)
    events = rng.binomial(copies.astype(int), 0.4).astype(float)
    assume(np.bincount(strata, copies).max() <= 14)
    beta = spread * rng.normal(size=3)
    found = conditional_likelihood(design, copies, events, strata)(beta)
    for stratum in range(strata.max() + 1):
        inside = strata == stratum
        height, score, information = by_enumeration(design[inside], copies[inside], events[inside], beta)
        if 0 < events[inside].sum() < copies[inside].sum():
            assert found.log_likelihood[stratum] == approx(height, rel=1e-9, abs=1e-9)
        assert found.score[stratum] == approx(score, rel=1e-8, abs=1e-9)
        assert found.information[stratum] == approx(information, rel=1e-8, abs=1e-9)


@some
@given(seed=seeds)
def test_the_conditional_fit_is_that_of_statsmodels(seed):
    from statsmodels.discrete.conditional_models import ConditionalLogit

    frame = organisation(seed)
    design, service = dummies(frame, "size"), codes(frame, "service", "period")
    events, copies = frame["events"].to_numpy(float), frame["n"].to_numpy(float)
    total, size = np.bincount(service, events), np.bincount(service, copies)
    keep = ((total > 0) & (total < size))[service]
    assume(not separated_cells(design[keep], events[keep], copies[keep], codes(frame[keep], "service", "period")).any())
    found = fit_conditional_logistic(design, copies, events, service)
    rows = rows_of(frame[keep])
    model = ConditionalLogit(rows["event"].to_numpy(), dummies(rows, "size"), groups=codes(rows, "service", "period"))
    assert found.converged
    # statsmodels' optimiser stops early, so its likelihood is asked where ours ended
    assert model.loglike(found.coefficients) == approx(found.log_likelihood, rel=1e-10)
    assert model.score(found.coefficients) == approx(np.zeros(3), abs=1e-7)


def test_large_strata_neither_overflow_nor_vanish():
    # 1,200 deployments with 450 failures and coefficients of ±6: C(1200, 450) alone is near 10^343.
    rng = np.random.default_rng(3)
    design = rng.normal(size=(8, 2)).round(1)
    copies, events = np.full(8, 150.0), np.array([0.0, 150, 39, 60, 90, 75, 30, 6])
    beta = np.array([6.0, -6.0])
    found = conditional_likelihood(design, copies, events, np.zeros(8, dtype=np.intp))(beta)
    total = np.array([0.0])  # log of the polynomial, deployment by deployment
    for index in np.repeat(design @ beta, 150):
        total = np.logaddexp(np.append(total, -np.inf), np.append(-np.inf, total + index))
    assert found.log_likelihood[0] == approx(events @ (design @ beta) - total[450], rel=1e-10)
    step = 1e-4 * np.eye(2)
    likelihood = conditional_likelihood(design, copies, events, np.zeros(8, dtype=np.intp))
    heights = [likelihood(beta + d).log_likelihood[0] - likelihood(beta - d).log_likelihood[0] for d in step]
    assert found.score[0] == approx(np.array(heights) / 2e-4, rel=1e-5)


@some
@given(seed=seeds)
def test_strata_seen_twice_halve_the_variance_and_nothing_else(seed):
    frame = organisation(seed)
    design, strata = dummies(frame, "size"), codes(frame, "service")
    events, copies = frame["events"].to_numpy(float), frame["n"].to_numpy(float)
    assume(not separated_cells(design, events, copies, strata).any())
    once = fit_conditional_logistic(design, copies, events, strata)
    again = np.concatenate([strata, strata + strata.max() + 1])
    twice = fit_conditional_logistic(np.tile(design, (2, 1)), np.tile(copies, 2), np.tile(events, 2), again)
    assert twice.coefficients == approx(once.coefficients, rel=1e-9, abs=1e-10)
    assert twice.covariance == approx(once.covariance / 2, rel=1e-9, abs=1e-12)
    assert twice.log_likelihood == approx(2 * once.log_likelihood, rel=1e-12)


# ---------------------------------------------------------------------------------------------------------------
# All three estimators
# ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("estimator", ESTIMATORS)
@some
@given(seed=seeds)
def test_names_and_order_do_not_matter(estimator, seed):
    frame = organisation(seed)
    there = estimator(Cells(frame))
    assume(there.estimable)
    renamed = frame.assign(service=frame["service"].map(lambda name: f"{hash_of(name)} {name}"))
    back = estimator(Cells(renamed.sample(frac=1, random_state=1)))
    assert back.value == approx(there.value, rel=1e-9)
    assert (back.interval.low, back.interval.high) == approx((there.interval.low, there.interval.high), rel=1e-8)
    assert back.support == there.support


def hash_of(name: str) -> int:
    return int(name[-1]) * 7 % 5


@pytest.mark.parametrize("estimator", ESTIMATORS)
@some
@given(seed=seeds)
def test_cells_split_into_single_deployments_change_nothing(estimator, seed):
    frame = organisation(seed)
    there = estimator(Cells(frame))
    assume(there.estimable)
    rows = rows_of(frame)
    back = estimator(Cells(rows.assign(n=1, events=rows["event"].astype(int))))
    assert back.value == approx(there.value, rel=1e-12)
    assert back.interval.high == approx(there.interval.high, rel=1e-12)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@some
@given(seed=seeds)
def test_swapping_the_groups_inverts_the_ratio(estimator, seed):
    frame = organisation(seed)
    there = estimator(Cells(frame))
    assume(there.estimable)
    back = estimator(Cells(frame.assign(exposed=1 - frame["exposed"])))
    assert there.value * back.value == approx(1, rel=1e-9)
    assert there.interval.low * back.interval.high == approx(1, rel=1e-8)
    assert there.p_value == approx(back.p_value, rel=1e-6)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@some
@given(seed=seeds)
def test_swapping_the_outcome_inverts_the_ratio(estimator, seed):
    frame = organisation(seed)
    there = estimator(Cells(frame))
    assume(there.estimable)
    back = estimator(Cells(frame.assign(events=frame["n"] - frame["events"])))
    assert there.value * back.value == approx(1, rel=1e-9)
    assert there.interval.low * back.interval.high == approx(1, rel=1e-8)


counts = st.integers(0, 40)


@settings(max_examples=25, deadline=None, derandomize=True)
@example(a=1, b=0, c=0, d=1)  # one deployment per cell, where Fisher's scoring steps to and fro
@example(a=0, b=10_000_000, c=1, d=10_000_000)
@given(a=counts, b=counts, c=counts, d=counts)
def test_firths_odds_ratio_of_one_table_adds_a_half_to_each_cell(a, b, c, d):
    assume(a + b and c + d and a + c and b + d)
    frame = pd.DataFrame(
        {"service": "s", "period": "p", "exposed": [1, 0], "n": [a + b, c + d], "events": [a, c], "exposure_hours": 1.0}
    )
    found = FirthLogistic()(Cells(frame))
    assert found.value == approx((a + 0.5) * (d + 0.5) / ((b + 0.5) * (c + 0.5)), rel=1e-8)
    assert 0 < found.interval.low < found.value < found.interval.high < np.inf
    assert (found.p_value < 0.05) == (1 not in found.interval)
