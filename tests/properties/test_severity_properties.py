"""What must hold of severity and reach whatever the data: judged row by row, by swapping, and by planting."""

from dataclasses import replace
from math import isfinite, log, sqrt

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pytest import approx
from scipy.stats import binom

from counterfault.cells import Cells
from counterfault.estimators.consequences.blast_radius import SERVICES, USERS, blast_radius, mean_ratio, median_ratio
from counterfault.estimators.consequences.consequence_tables import OrderedOutcome
from counterfault.estimators.consequences.families import failure_modes, rare_risk_ratio
from counterfault.estimators.consequences.proportional_odds import ProportionalOdds
from counterfault.estimators.consequences.severity import severe_risk_ratio, severity_odds_ratio
from counterfault.estimators.consequences.severity_given_failure import SeverityGivenFailure
from counterfault.estimators.tables.exact_poisson import exact_risk_ratio
from counterfault.estimators.tables.stratified import odds_ratio
from counterfault.panels import Consequences

seeds = st.integers(0, 2**32 - 1)
some = settings(max_examples=3, deadline=None, derandomize=True)


def panel(seed: int, strata: tuple[str, ...] = ("service", "quarter"), services: int = 6) -> Consequences:
    """One row per deployment; a fifth fails, some with a long reach."""
    rng = np.random.default_rng(seed)
    count = 260
    frame = pd.DataFrame(
        {
            "service": [f"s{k}" for k in rng.integers(0, services, count)],
            "quarter": rng.choice(["Q1", "Q2"], count),
            "exposed": rng.integers(0, 2, count),
            "failed": (rng.random(count) < 0.3).astype(int),
            "n": 1,
        }
    )
    failed = frame["failed"] == 1
    frame["severity"] = pd.Series(rng.integers(1, 6, count)).where(failed).astype("Int64")
    frame[SERVICES] = pd.Series(rng.integers(1, 5, count)).where(failed).astype("Int64")
    frame[USERS] = pd.Series(np.rint(rng.lognormal(6, 1.5, count)).astype(int)).where(failed).astype("Int64")
    return Consequences(frame, strata, "service")


QUESTIONS = {
    "severe": severe_risk_ratio,
    "ordinal": severity_odds_ratio,
    "given failure": SeverityGivenFailure(),
    "services": lambda given: mean_ratio(given, SERVICES),
    "users": lambda given: mean_ratio(given, USERS),
    "typical": lambda given: median_ratio(given, USERS),
}
each_question = pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS.keys())


def numbers(estimate) -> list[float]:
    return [estimate.value, estimate.interval.low, estimate.interval.high]


def with_frame(consequences: Consequences, frame: pd.DataFrame) -> Consequences:
    return replace(consequences, frame=frame)


@each_question
@some
@given(seeds)
def test_swapping_the_arms_inverts(question, seed):
    whole = panel(seed)
    found = question(whole)
    mirror = question(with_frame(whole, whole.frame.assign(exposed=1 - whole.frame["exposed"])))
    assert found.estimable
    assert numbers(mirror) == approx([1 / found.value, 1 / found.interval.high, 1 / found.interval.low], rel=1e-6)


@each_question
@some
@given(seeds)
def test_names_order_and_compression_do_not_matter(question, seed):
    whole = panel(seed)
    renamed = whole.frame.assign(service=whole.frame["service"].map(lambda name: f"z{9 - int(name[1:])}"))
    keys = [name for name in renamed.columns if name != "n"]
    packed = renamed.groupby(keys, dropna=False, as_index=False)["n"].sum().sample(frac=1, random_state=1)
    assert numbers(question(with_frame(whole, packed))) == approx(numbers(question(whole)), rel=1e-7)


@pytest.mark.parametrize("name", ["severe", "ordinal", "services", "users"])
@some
@given(seeds)
def test_a_stratum_without_failures_changes_nothing(name, seed):
    whole = panel(seed)
    quiet = pd.DataFrame({"service": "quiet", "quarter": "Q1", "exposed": [0, 1], "failed": 0, "n": [40, 20]})
    more = pd.concat([whole.frame, quiet], ignore_index=True)
    assert numbers(QUESTIONS[name](with_frame(whole, more))) == approx(numbers(QUESTIONS[name](whole)), rel=1e-9)


# ---------------------------------------------------------------------------------------------------------------
# Ordered outcomes
# ---------------------------------------------------------------------------------------------------------------


def by_rows(whole: Consequences, weights: dict[str, float] | None = None) -> tuple[float, float]:
    """Liu & Agresti's odds ratio and the error of independent deployments, pair by pair."""
    frame = whole.frame.assign(y=(6 - whole.frame["severity"].astype("Float64")).fillna(0.0).astype(float))
    weight = frame["service"].map(weights) if weights else pd.Series(1.0, index=frame.index)
    strata = frame.assign(w=weight).groupby(list(whole.strata)) if whole.strata else [("all", frame.assign(w=weight))]
    pairs = []
    for _, rows in strata:
        arms = [rows[rows["exposed"] == arm] for arm in (1, 0)]
        x, y = (arm["y"].to_numpy() for arm in arms)
        w = np.outer(*(arm["w"].to_numpy() for arm in arms))
        over, under = np.maximum(x[:, None] - y, 0), np.maximum(y - x[:, None], 0)
        pairs.append((w * over, w * under, rows["w"].sum()))
    ratio = sum(o.sum() / n for o, _, n in pairs) / sum(u.sum() / n for _, u, n in pairs)
    variance = 0.0
    for over, under, n in pairs:
        h = over - ratio * under
        variance += ((h.sum(0) ** 2).sum() + (h.sum(1) ** 2).sum() - (h**2).sum()) / n**2
    return ratio, sqrt(variance) / sum(o.sum() / n for o, _, n in pairs)


@pytest.mark.parametrize("strata", [("service", "quarter"), ("quarter",), ()])
@some
@given(seeds)
def test_the_common_odds_ratio_and_both_errors_are_those_of_the_pairs(strata, seed):
    whole = panel(seed, strata)
    tables = OrderedOutcome.of(whole).tables
    ones, over = np.ones(tables.cuts), tables.products[0].sum()
    ratio, error = by_rows(whole)
    assert severity_odds_ratio(whole).value == approx(ratio, rel=1e-10)
    assert sqrt(ones @ tables.model_covariance(ratio * ones) @ ones) / over == approx(error, rel=1e-9)
    # a service's score is the derivative of the log ratio in its weight, also where strata span services
    scores = tables.cluster_scores(ratio * ones) @ ones / over
    derivatives = []
    for service in sorted(set(whole.frame["service"])):
        up, down = (
            by_rows(whole, {s: 1 + (s == service) * d for s in set(whole.frame["service"])})[0] for d in (1e-5, -1e-5)
        )
        derivatives.append((log(up) - log(down)) / 2e-5)
    assert sorted(scores) == approx(sorted(derivatives), abs=1e-6)


@some
@given(seeds)
def test_with_one_severity_it_is_mantel_and_haenszels(seed):
    whole = panel(seed)
    whole = with_frame(
        whole, whole.frame.assign(severity=whole.frame["severity"].where(whole.frame["severity"].isna(), 3))
    )
    keys = ["service", "quarter", "exposed"]
    cells = Cells(
        whole.frame.groupby(keys, as_index=False).agg(n=("n", "sum"), events=("failed", "sum")), ("service", "quarter")
    )
    assert severity_odds_ratio(whole).value == approx(odds_ratio(cells).value, rel=1e-12)
    # for one cut the error differs from Robins, Breslow & Greenland's by little: both are consistent
    tables = OrderedOutcome.of(whole).tables
    error = sqrt(float(tables.model_covariance(np.array([odds_ratio(cells).value]))[0, 0])) / float(
        tables.products[0][0]
    )
    assert error == approx(odds_ratio(cells).standard_error, rel=0.15)


@some
@given(seeds)
def test_calling_the_worst_the_mildest_inverts_the_odds_ratio(seed):
    whole = panel(seed)
    tables = OrderedOutcome.of(whole).tables
    mirror = replace(tables, counts=tables.counts[:, ::-1])
    over, under = (float(each.sum()) for each in tables.products)
    assert [float(each.sum()) for each in mirror.products] == approx([under, over], rel=1e-12)


def test_proportional_odds_on_counts_are_those_of_statsmodels_on_rows():
    from statsmodels.miscmodels.ordinal_model import OrderedModel

    rng = np.random.default_rng(7)
    design = rng.integers(0, 2, (400, 2)).astype(float)
    worst = np.digitize(design @ [0.8, -0.4] + rng.logistic(size=400), [-1, 0.2, 1.5])
    rows = OrderedModel(worst, design, distr="logit").fit(method="newton", disp=0, tol=1e-12)
    patterns, which = np.unique(design, axis=0, return_inverse=True)
    counts = np.zeros((len(patterns), 4))
    np.add.at(counts, (which.ravel(), worst), 1)
    fit = ProportionalOdds(counts, patterns).fit()
    assert fit.coefficients[3:] == approx(rows.params[:2], rel=1e-6)
    assert np.sqrt(np.diag(fit.covariance))[3:] == approx(rows.bse[:2], rel=1e-4)
    assert fit.log_likelihood == approx(rows.llf, rel=1e-10)


# ---------------------------------------------------------------------------------------------------------------
# Reach
# ---------------------------------------------------------------------------------------------------------------


@some
@given(seeds, st.integers(2, 1000))
def test_units_of_reach_do_not_matter_and_a_factor_on_the_exposed_comes_back(seed, factor):
    whole = panel(seed)
    scaled = with_frame(whole, whole.frame.assign(users_affected=whole.frame[USERS] * factor))
    for question in (mean_ratio, median_ratio):
        assert numbers(question(scaled, USERS)) == approx(numbers(question(whole, USERS)), rel=1e-7)
    planted = whole.frame[USERS].where(whole.frame["exposed"] == 0, whole.frame[USERS] * factor)
    planted = with_frame(whole, whole.frame.assign(users_affected=planted))
    assert median_ratio(planted, USERS).value == approx(factor * median_ratio(whole, USERS).value, rel=1e-7)


@some
@given(seeds)
def test_the_two_parts_multiply_to_the_whole_and_without_strata_are_plain_means(seed):
    for whole in (panel(seed), panel(seed, ())):
        found = mean_ratio(whole, USERS)
        assert found.value == approx(found.parts[0].value * found.parts[1].value, rel=1e-10)
    means = whole.frame.fillna({USERS: 0}).groupby("exposed")[USERS].mean()
    given_failure = whole.frame.groupby("exposed")[USERS].mean()
    assert found.value == approx(float(means[1] / means[0]), rel=1e-10)
    assert found.parts[1].value == approx(float(given_failure[1] / given_failure[0]), rel=1e-10)


def test_the_linearised_jackknife_is_near_the_refitted_one():
    whole = panel(5, services=9)
    found = mean_ratio(whole, SERVICES)
    services = sorted(set(whole.frame["service"]))
    without = [
        log(mean_ratio(with_frame(whole, whole.frame[whole.frame["service"] != name]), SERVICES).value)
        for name in services
    ]
    count = len(services)
    refitted = sqrt((count - 1) / count * ((np.array(without) - log(found.value)) ** 2).sum())
    assert found.standard_error == approx(refitted, rel=0.05)


@some
@given(seeds)
def test_the_typical_ratio_is_the_weighted_median_of_all_pairs(seed):
    whole = panel(seed, ("quarter",))
    failed = whole.frame[whole.frame["failed"] == 1]
    ratios, weights = [], []
    for _, rows in failed.groupby("quarter"):
        for x in rows.loc[rows["exposed"] == 1, USERS]:
            for y in rows.loc[rows["exposed"] == 0, USERS]:
                ratios.append(log(x / y))
                weights.append(1 / (len(rows) + 1))
    order = np.argsort(ratios)
    reached = np.array(weights)[order].cumsum() / sum(weights)
    assert log(median_ratio(whole, USERS).value) == approx(
        np.array(ratios)[order][np.searchsorted(reached, 0.5)], abs=0.05
    )
    found = median_ratio(whole, USERS)
    assert found.interval.low <= found.value <= found.interval.high


def test_rounding_to_two_digits_moves_the_typical_ratio_little():
    rng = np.random.default_rng(1)
    count = 4_600
    frame = pd.DataFrame(
        {
            "service": [f"s{k}" for k in rng.integers(0, 6, count)],
            "exposed": rng.integers(0, 2, count),
            "failed": 1,
            "n": 1,
            USERS: np.rint(rng.lognormal(9, 1, count)).astype(int),
        }
    )
    whole = Consequences(frame, (), "service")
    typical = frame.groupby("exposed")[USERS].median()
    assert median_ratio(whole, USERS).value == approx(float(typical[1] / typical[0]), rel=0.05)


def test_a_planted_ratio_of_means_comes_back():
    rng = np.random.default_rng(20260101)
    count = 40_000
    frame = pd.DataFrame(
        {"service": [f"s{k}" for k in rng.integers(0, 25, count)], "exposed": rng.integers(0, 2, count), "n": 1}
    )
    base = 0.02 + 0.004 * frame["service"].str[1:].astype(int)
    frame["failed"] = rng.binomial(1, base * np.where(frame["exposed"] == 1, 1.5, 1))
    amount = 1 + rng.poisson(np.where(frame["exposed"] == 1, 2.0, 1.0))  # mean 3 against 2
    frame[SERVICES] = pd.Series(amount).where(frame["failed"] == 1)
    found = mean_ratio(Consequences(frame, ("service",), "service"), SERVICES)
    for estimate, truth in zip((found, *found.parts[:2]), (2.25, 1.5, 1.5), strict=True):
        assert estimate.value == approx(truth, rel=0.1)
        assert truth in estimate.interval


# ---------------------------------------------------------------------------------------------------------------
# Rare outcomes
# ---------------------------------------------------------------------------------------------------------------


def rare(seed: int, risk: float = 0.03) -> Cells:
    rng = np.random.default_rng(seed)
    rows = [
        {"service": f"s{k}", "exposed": e, "n": n, "events": rng.binomial(n, risk * (1 + e))}
        for k in range(5)
        for e in (0, 1)
        for n in [int(rng.integers(10, 50))]
    ]
    return Cells(pd.DataFrame(rows), strata=("service",))


@settings(max_examples=12, deadline=None, derandomize=True)
@given(seeds)
def test_exact_limits_leave_their_share_in_each_tail(seed):
    cells = rare(seed)
    tables = cells.tables().to_numpy(float)
    observed = int(tables[:, 0].sum())
    found = exact_risk_ratio(cells, 0.9)
    assume(found.support["events_compared"] > 0)

    def distribution(ratio: float) -> np.ndarray:
        total = np.ones(1)
        for a, n1, c, n0 in tables:
            total = np.convolve(total, binom.pmf(np.arange(a + c + 1), a + c, n1 * ratio / (n1 * ratio + n0)))
        return total

    if found.interval.low > 0:
        assert distribution(found.interval.low)[observed:].sum() == approx(0.05, rel=1e-8)
    if isfinite(found.interval.high):
        assert distribution(found.interval.high)[: observed + 1].sum() == approx(0.05, rel=1e-8)
    if found.estimable and found.value > 0:
        assert np.arange(len(distribution(1))) @ distribution(found.value) == approx(observed, rel=1e-9)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(seeds)
def test_few_events_and_many_share_one_point_estimate(seed):
    cells = rare(seed, 0.1)
    regression, exact = rare_risk_ratio(cells), exact_risk_ratio(cells)
    assume(regression.estimable and exact.estimable)
    assert regression.value == approx(exact.value, rel=1e-7)
    assert regression.value in regression.interval


def test_the_order_in_which_modes_are_given_does_not_matter():
    modes = {f"mode {k}": rare(k, 0.08) for k in range(4)}
    assert failure_modes(modes) == failure_modes(dict(reversed(modes.items())))


def test_all_consequences_of_a_large_organisation_are_answered():
    rng = np.random.default_rng(3)
    services = 5_000
    frame = pd.DataFrame(
        {
            "service": np.repeat([f"s{k:04}" for k in range(services)], 4),
            "exposed": np.tile([0, 0, 1, 1], services),
            "failed": np.tile([0, 1, 0, 1], services),
            "n": np.tile([20, 1, 10, 1], services),
        }
    )
    frame = frame[(frame["failed"] == 0) | (rng.random(len(frame)) < 0.3)]
    failed = frame["failed"] == 1
    frame["severity"] = pd.Series(rng.integers(1, 6, len(frame)), index=frame.index).where(failed)
    frame[USERS] = pd.Series(np.rint(rng.lognormal(6, 2, len(frame))), index=frame.index).where(failed)
    whole = Consequences(frame, ("service",), "service")
    for found in (severity_odds_ratio(whole), *blast_radius(whole)):
        assert found.estimable
