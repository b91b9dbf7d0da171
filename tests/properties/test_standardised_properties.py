"""What must hold of standardised and overlap-weighted effects whatever the data: judged by rows and dense algebra."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pytest import approx

from counterfault.cells import Cells
from counterfault.estimate import Estimand
from counterfault.estimators.marginal.doubly_robust import OverlapWeighted, overlap_risks, overlap_weighted
from counterfault.estimators.marginal.glm_within_strata import LOG, LOGIT, StratifiedData, fit_within_strata
from counterfault.estimators.marginal.marginal_risk import Population, marginal_risk
from counterfault.estimators.marginal.outcome_model import outcome_model
from counterfault.estimators.marginal.overlap import balance, overlap
from counterfault.estimators.marginal.propensity import cross_fitted, folds_of_clusters
from counterfault.estimators.marginal.standardised import Standardised, standardised
from counterfault.estimators.poisson.regression_problem import problem_of

seeds = st.integers(0, 2**32 - 1)
some = settings(max_examples=5, deadline=None, derandomize=True)
few = settings(max_examples=2, deadline=None, derandomize=True)

ASK = Standardised(adjust_for=("size",))
WEIGHTED = OverlapWeighted(adjust_for=("size",), repeats=2)
STRATA = [("service", "period"), ("period",), ("service",), ()]


def organisation(seed: int, strata=("service", "period")) -> Cells:
    """Seven services of unequal risk, use of AI and size, in two periods; no two have as many deployments."""
    rng = np.random.default_rng(seed)
    frame = pd.MultiIndex.from_product(
        [[f"service {i}" for i in range(7)], ["Q1", "Q2"], ["small", "large"], [0, 1]],
        names=["service", "period", "size", "exposed"],
    ).to_frame(index=False)
    service = frame["service"].str[-1].astype(int).to_numpy()
    n = rng.integers(8, 40, len(frame)) + 3 * service
    risk = 0.1 + 0.05 * (service % 4) + 0.1 * frame["exposed"] + 0.08 * (frame["size"] == "large")
    cells = Cells(frame.assign(n=n, events=rng.binomial(n, risk), exposure_hours=1.0), strata)
    assume(frame.assign(n=n).groupby("service")["n"].sum().is_unique)
    return cells


def figures(found) -> list[tuple[float, ...]]:
    return [(e.value, e.interval.low, e.interval.high, e.p_value, e.standard_error) for e in found]


def same(found, others, rel=1e-9):
    for one, other in zip(figures(found), figures(others), strict=True):
        assert one == approx(other, rel=rel, abs=1e-12)


def everything(cells: Cells):
    return (*standardised(cells, settings=ASK), *overlap_weighted(cells, settings=WEIGHTED))


# ---------------------------------------------------------------------------------------------------------------
# What must not matter
# ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strata", STRATA)
@few
@given(seed=seeds)
def test_rows_give_what_cells_give_in_any_order(strata, seed):
    cells = organisation(seed, strata)
    rows = cells.frame.loc[cells.frame.index.repeat(cells.frame["n"])]
    rows = rows.assign(events=(rows.groupby(level=0).cumcount() < rows["events"]).astype(int), n=1)
    same(everything(cells), everything(replace(cells, frame=rows.sample(frac=1, random_state=seed % 1000))))


@pytest.mark.parametrize("strata", STRATA)
@few
@given(seed=seeds)
def test_what_a_service_is_called_changes_nothing(strata, seed):
    cells = organisation(seed, strata)
    names = {f"service {i}": f"{(5 * i + 3) % 7} renamed" for i in range(7)}
    renamed = replace(cells, frame=cells.frame.assign(service=cells.frame["service"].map(names)))
    same(everything(cells), everything(renamed))


@some
@given(seed=seeds)
def test_seeing_everything_twice_leaves_the_estimates(seed):
    cells = organisation(seed)
    twice = replace(cells, frame=cells.frame.assign(n=2 * cells.frame["n"], events=2 * cells.frame["events"]))
    once, again = standardised(cells, settings=ASK), standardised(twice, settings=ASK)
    for before, after in zip(once, again, strict=True):
        factor = 2 if before.estimand is Estimand.ATTRIBUTABLE_INCIDENTS else 1
        assert after.value == approx(factor * before.value, rel=1e-8)
    for before, after in zip(overlap_weighted(cells), overlap_weighted(twice), strict=True):
        assert after.value == approx(before.value, rel=1e-9)  # with covariates, the ridge is felt less


@pytest.mark.parametrize("strata", STRATA)
@few
@given(seed=seeds)
def test_swapping_the_groups_inverts_ratios_and_turns_differences_round(strata, seed):
    cells = organisation(seed, strata)
    swapped = replace(cells, frame=cells.frame.assign(exposed=1 - cells.frame["exposed"]))
    there = {e.id: e for e in (*standardised(cells, settings=ASK), *overlap_weighted(cells))}
    back = {e.id: e for e in (*standardised(swapped, settings=ASK), *overlap_weighted(swapped))}
    for name in ("standardised.risk_ratio.everyone", "overlap.risk_ratio"):
        assert there[name].value * back[name].value == approx(1)
        assert there[name].interval.low * back[name].interval.high == approx(1)
    for name in ("standardised.risk_difference.everyone", "overlap.risk_difference"):
        assert there[name].value == approx(-back[name].value)
        assert there[name].interval.low == approx(-back[name].interval.high)


@some
@given(seed=seeds)
def test_a_constant_covariate_adds_nothing(seed):
    cells = organisation(seed)
    flat = replace(cells, frame=cells.frame.assign(constant="same"))
    same(standardised(cells, settings=ASK), standardised(flat, settings=replace(ASK, adjust_for=("size", "constant"))))


# ---------------------------------------------------------------------------------------------------------------
# The slow obvious versions
# ---------------------------------------------------------------------------------------------------------------


def dense(cells: Cells, everyone: bool) -> tuple[float, float, float]:
    """Risk difference and its variance for these deployments and for a draw of clusters; one dummy per stratum."""
    frame = cells.frame
    stratum = frame[list(cells.strata)].agg(" ".join, axis=1) if cells.strata else pd.Series("all", index=frame.index)
    dummies = pd.get_dummies(stratum).to_numpy(float)
    large = (frame["size"] == "large").to_numpy(float)
    n, y = frame["n"].to_numpy(float), frame["events"].to_numpy(float)
    designs = [np.column_stack([arm, large, dummies]) for arm in (frame["exposed"], 0 * large + 1, 0 * large)]
    x = designs[0]
    b = np.concatenate([[0, 0], np.log((dummies.T @ y) / (dummies.T @ n))])
    for _ in range(50):
        b = b + np.linalg.solve((x.T * (n * np.exp(x @ b))) @ x, x.T @ (y - n * np.exp(x @ b)))
    bread = np.linalg.inv((x.T * (n * np.exp(x @ b))) @ x)
    who = n * (1 if everyone else frame["exposed"].to_numpy(float))
    gained = np.exp(designs[1] @ b) - np.exp(designs[2] @ b)
    value = who @ gained / who.sum()
    gradient = (
        designs[1].T @ (who * np.exp(designs[1] @ b)) - designs[2].T @ (who * np.exp(designs[2] @ b))
    ) / who.sum()
    moved = (x @ bread @ gradient) * (y - n * np.exp(x @ b))
    drawn = moved + who * (gained - value) / who.sum()
    clustered = [(pd.Series(each).groupby(frame["service"].to_numpy()).sum() ** 2).sum() for each in (moved, drawn)]
    alone = frame.groupby(stratum)["service"].nunique().eq(1).sort_index().to_numpy()
    totals = ((gradient[2:] ** 2 / (dummies.T @ y)) * alone).sum()  # dρ/d(log effect)² times the variance of log total
    return value, clustered[0] + totals, clustered[1]


@pytest.mark.parametrize("strata", STRATA)
@pytest.mark.parametrize("everyone", [True, False])
@few
@given(seed=seeds)
def test_influence_is_what_dense_matrices_give(strata, everyone, seed):
    cells = organisation(seed, strata)
    stratum_events = cells.frame.groupby(list(strata))["events"].sum() if strata else cells.frame[["events"]].sum()
    assume((stratum_events > 0).all())
    model = outcome_model(cells, ("size",))
    exposed = model.problem.design[:, 0] == 1
    population = np.ones_like(exposed) if everyone else exposed
    value, these, drawn = dense(cells, everyone)
    for about, variance in ((Population.THESE, these), (Population.LIKE_THESE, drawn)):
        over, under = (marginal_risk(model.fit, arm, population, about) for arm in (model.exposed, model.unexposed))
        assert over.value - under.value == approx(value, rel=1e-8)
        assert (over.influence - under.influence).clustered_error() ** 2 == approx(variance, rel=1e-7)


@some
@given(seed=seeds)
def test_the_fit_predicts_what_happened_to_the_exposed(seed):
    model = outcome_model(organisation(seed), ("size",))
    problem = model.problem
    exposed = problem.design[:, 0] == 1
    for group in (exposed, ~exposed):
        fitted = (problem.copies * model.as_it_was.risk)[group].sum()
        assert fitted == approx(problem.events[group].sum(), rel=1e-9)


@pytest.mark.parametrize("family", [LOGIT, LOG])
@pytest.mark.parametrize("ridge", [0.0, 1.0, 30.0])
@few
@given(seed=seeds)
def test_at_the_maximum_the_score_is_the_ridge(family, ridge, seed):
    rng = np.random.default_rng(seed)
    strata = np.sort(np.concatenate([np.arange(5), rng.integers(0, 5, 40)]))
    copies = rng.integers(10, 30, 45).astype(float)
    data = StratifiedData(
        rng.integers(0, 2, (45, 3)).astype(float),
        copies,
        rng.binomial(copies.astype(int), 0.3).astype(float),
        strata,
        rng.normal(0, 0.3, 45),
    )
    fit = fit_within_strata(family, data, ridge)
    assert fit.converged
    mean = family.mean(fit.effects[strata] + data.design @ fit.slopes + data.offset)
    residual = data.successes - copies * mean
    assert data.sums(residual) == approx(np.zeros(5), abs=1e-7)
    assert data.design.T @ residual == approx(ridge * fit.slopes, abs=1e-6)


@few
@given(seed=seeds)
def test_overlap_risks_are_the_formula_row_by_row(seed):
    problem = problem_of(organisation(seed), ("size",))
    nuisance = cross_fitted(problem, folds_of_clusters(problem, 3, np.random.default_rng(seed)))
    found = overlap_risks(problem, nuisance)
    sums = np.zeros(4)
    for i in range(len(problem.copies)):
        e, m1, m0, a = (
            nuisance.propensity[i],
            nuisance.risk_exposed[i],
            nuisance.risk_unexposed[i],
            problem.design[i, 0],
        )
        for row in range(int(problem.copies[i])):
            y = float(row < problem.events[i])
            sums += [
                (a - e) ** 2 * m1 + a * (1 - e) * (y - m1),
                (a - e) ** 2 * m0 + (1 - a) * e * (y - m0),
                (a - e) ** 2,
                a - e,
            ]
    assert (found.exposed, found.unexposed) == approx((sums[0] / sums[2], sums[1] / sums[2]), rel=1e-9)
    assert sums[3] == approx(0, abs=1e-7)  # levels of the strata make the expected number exposed the observed one
    assert found.on_exposed.sum() == approx(0, abs=1e-12)
    assert found.on_unexposed.sum() == approx(0, abs=1e-12)


@few
@given(seed=seeds)
def test_slopes_come_from_other_folds_only(seed):
    cells = organisation(seed)
    problem = problem_of(cells, ("size",))
    split = folds_of_clusters(problem, 3, np.random.default_rng(0))
    inside = split[problem.clusters] == 0
    # Whom the covariate marks is turned round in fold 0: propensities elsewhere move, those of fold 0 keep their slope.
    turned = replace(problem, design=np.where(inside[:, None] & [[False, True]], 1 - problem.design, problem.design))
    before, after = (cross_fitted(each, split).propensity for each in (problem, turned))
    log_odds = [LOGIT.link(e) for e in (before, after)]
    spread = [np.ptp(each[inside & (problem.strata == problem.strata[inside][0])]) for each in log_odds]
    assert spread[0] == approx(spread[1], rel=1e-6)
    assert before[~inside] != approx(after[~inside], rel=1e-9)


# ---------------------------------------------------------------------------------------------------------------
# Diagnostics
# ---------------------------------------------------------------------------------------------------------------


@few
@given(seed=seeds)
def test_overlap_weights_balance_every_stratum_exactly(seed):
    table = balance(organisation(seed), ("size",))
    strata = table[table["column"] != "size"]
    assert strata["weighted_difference"].to_numpy() == approx(np.zeros(len(strata)), abs=1e-9)
    assert table.groupby("column")[
        ["exposed", "unexposed", "weighted_exposed", "weighted_unexposed"]
    ].sum().to_numpy() == (approx(1))


@few
@given(seed=seeds)
def test_diagnostics_do_not_look_at_events(seed):
    cells = organisation(seed)
    blind = replace(cells, frame=cells.frame.assign(events=0))
    assert overlap(cells, ("size",)) == overlap(blind, ("size",))
    assert balance(cells, ("size",)).equals(balance(blind, ("size",)))


@few
@given(seed=seeds)
def test_effective_sizes_never_exceed_the_real_ones(seed):
    found = overlap(organisation(seed), ("size",))
    assert 0 < found.effective_exposed <= found.exposed
    assert 0 < found.effective_unexposed <= found.unexposed
    assert found.with_counterpart == 1
