"""What must hold of shuffled labels, planted ratios and repeated fits, whatever the data."""

from collections import Counter
from dataclasses import replace
from math import log

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx
from scipy.stats import hypergeom

from counterfault.cells import Cells
from counterfault.challenges.planted_ratio import beyond_always, planted
from counterfault.challenges.procedure import Answer, procedure_of
from counterfault.challenges.shuffled_labels import InTime, shuffled, strata_of
from counterfault.checks.check import Check
from counterfault.estimate import Estimand, Estimate, Interval
from counterfault.estimators.poisson import repeated_fits
from counterfault.estimators.poisson.cluster_robust import cluster_robust
from counterfault.estimators.poisson.coincidence import without_coincidences
from counterfault.estimators.poisson.regression import as_headline
from counterfault.estimators.poisson.repeated_fits import RepeatedFits, patterns_of
from counterfault.estimators.tables import stratified
from counterfault.plan import Plan
from counterfault.verdict import decide

seeds = st.integers(0, 2**32 - 1)
some = settings(max_examples=8, deadline=None, derandomize=True)
NO_CHECKS: tuple[Check, ...] = ()

DESIGNS = [
    pytest.param(("service", "period"), "service", id="strata inside clusters"),
    pytest.param(("period", "service"), "team", id="strata inside larger clusters"),
    pytest.param(("period",), "service", id="strata across clusters"),
    pytest.param(("team", "period"), "service", id="strata across some clusters"),
    pytest.param((), "service", id="no strata"),
]


def organisation(seed: int, rows: int = 90, risk: float = 0.25) -> pd.DataFrame:
    """Unequal services in unequal teams; some levels are rare, so that some fits must set cells aside."""
    rng = np.random.default_rng(seed)
    service = rng.choice(7, rows, p=rng.dirichlet(np.full(7, 3.0)))
    frame = pd.DataFrame(
        {
            "service": [f"service {s}" for s in service],
            "team": [f"team {min(s, 3)}" for s in service],
            "period": rng.choice(["Q1", "Q2"], rows),
            "size": rng.choice(["small", "medium", "large"], rows, p=[0.6, 0.3, 0.1]),
            "review": rng.choice(["yes", "no", "missing"], rows, p=[0.5, 0.45, 0.05]),
            "exposed": rng.integers(0, 2, rows),
            "n": rng.integers(1, 6, rows),
        }
    )
    frame["events"] = rng.binomial(frame["n"], risk * rng.uniform(0.2, 1.8, rows))
    frame["chance_events"] = 0.1 * frame["events"] + 0.01
    return frame


def dealt_as_seen(cells: Cells, patterns: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The exposure and failures the cells already have, in the order of the patterns."""
    keys = [name for name in patterns.columns if name not in ("n", "events", "exposed")]
    exposed = cells.frame[cells.frame["exposed"] == 1].groupby(keys)[["n", "events"]].sum().reset_index()
    placed = patterns[keys].merge(exposed, on=keys, how="left").fillna({"n": 0, "events": 0})
    failures = placed["events"].to_numpy(np.int64)
    return placed["n"].to_numpy(np.int64), failures, patterns["events"].to_numpy(np.int64) - failures


def limits_of(found: Estimate) -> tuple[float, float, float]:
    return found.value, found.interval.low, found.interval.high


@pytest.mark.parametrize(("strata", "cluster"), DESIGNS)
@given(seed=seeds)
@some
def test_a_repeated_fit_is_the_headline_of_the_same_data(strata, cluster, seed):
    cells = Cells(organisation(seed), strata, cluster)
    headline = as_headline(("size", "review"))
    patterns = patterns_of(cells, ("size", "review"))
    fit = RepeatedFits.of(patterns, cells, ("size", "review"))(*dealt_as_seen(cells, patterns))
    for level in (0.95, 0.9):
        expected = headline(cells, level)
        limits = fit and fit.limits(level)
        assert (limits is not None) == expected.estimable
        if limits:
            found = (limits.ratio, limits.interval(level).low, limits.interval(level).high)
            assert found == approx(limits_of(expected), rel=1e-9)
            assert limits.error == approx(expected.standard_error, rel=1e-9)


def test_a_direction_that_one_cluster_alone_determines_takes_the_general_road(monkeypatch):
    taken = []

    def counted(model, **wanted):
        taken.append(model)
        return cluster_robust(model, **wanted)

    monkeypatch.setattr(repeated_fits, "cluster_robust", counted)
    frame = organisation(5, rows=140)
    frame["size"] = np.where((frame["service"] == "service 2") & (frame["period"] == "Q1"), frame["size"], "small")
    frame = frame[frame["size"] != "large"]
    cells = Cells(frame, ("service", "period"))
    expected = as_headline(("size",))(cells)
    assert expected.adjustment == ("size",)
    assert not expected.caveats  # size is told apart, in one service only
    patterns = patterns_of(cells, ("size",))
    fit = RepeatedFits.of(patterns, cells, ("size",))(*dealt_as_seen(cells, patterns))
    assert fit is not None
    limits = fit.limits(0.95)
    assert limits is not None
    assert (limits.ratio, limits.error) == approx((expected.value, expected.standard_error), rel=1e-9)
    assert len(taken) == 1


def test_strata_inside_clusters_take_the_short_road(monkeypatch):
    for name in ("cluster_robust", "comparable"):
        monkeypatch.delattr(repeated_fits, name)
    cells = Cells(organisation(1, rows=160), ("service", "period"))
    patterns = patterns_of(cells, ("size",))
    assert RepeatedFits.of(patterns, cells, ("size",))(*dealt_as_seen(cells, patterns)) is not None


@pytest.mark.parametrize("primary", ["total.risk_ratio", "stratified.risk_ratio", "corrected.risk_ratio"])
@given(seed=seeds)
@some
def test_every_primary_estimate_is_repeated_as_the_report_makes_it(primary, seed):
    frame = organisation(seed, rows=160)
    keys = ["service", "period", "size"]
    chance = frame.groupby(keys)[["chance_events", "n"]].sum()
    alike = (chance["chance_events"] / chance["n"]).rename("rate").reset_index()
    frame = frame.merge(alike, on=keys)
    frame["chance_events"] = frame["rate"] * frame["n"]  # the same for both arms: labels do not know of coincidences
    cells = Cells(frame.drop(columns="rate"), ("service", "period"))
    plan = Plan.checked({"design": {"primary": primary}})
    patterns = patterns_of(cells, ("size",))
    answer = procedure_of(plan, patterns, cells, ("size",))(*dealt_as_seen(cells, patterns), 1.0)
    for level, which in ((0.95, "primary"), (0.9, "equivalence")):
        if primary == "stratified.risk_ratio":
            expected = stratified.risk_ratio(cells, level)
        else:
            expected = as_headline(("size",))(cells, level)
        if primary == "corrected.risk_ratio":
            expected = without_coincidences(expected, cells)
        assert (answer is not None) == expected.estimable
        if answer and which == "primary":
            assert limits_of(answer.primary) == approx(limits_of(expected), rel=1e-9)
            assert answer.primary.standard_error == approx(expected.standard_error, rel=1e-9, nan_ok=True)
        elif answer:
            expected_limits = (expected.interval.low, expected.interval.high)
            assert (answer.equivalence.low, answer.equivalence.high) == approx(expected_limits, rel=1e-9)


def test_the_stratified_procedure_draws_score_limits_where_no_exposed_deployment_failed():
    frame = organisation(3)
    frame.loc[frame["exposed"] == 1, "events"] = 0
    cells = Cells(frame, ("service", "period"))
    patterns = patterns_of(cells, ())
    plan = Plan.checked({"design": {"primary": "stratified.risk_ratio"}})
    answer = procedure_of(plan, patterns, cells, ())(*dealt_as_seen(cells, patterns), 1.0)
    assert answer is not None
    assert limits_of(answer.primary) == approx(limits_of(stratified.risk_ratio(cells)))
    assert answer.call(1.25) == "fewer"


@given(
    value=st.floats(0.4, 2.5),
    error=st.floats(0.01, 0.6),
    margin=st.sampled_from([1.1, 1.25, 2.0]),
)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_the_call_of_a_run_is_the_call_of_the_verdict(value, error, margin):
    def around(z: float, level: float) -> Interval:
        return Interval(value * np.exp(-z * error), value * np.exp(z * error), level)

    primary = Estimate(
        estimand=Estimand.RISK_RATIO, value=value, interval=around(1.96, 0.95), method="", standard_error=error,
        support={"n": 100, "events": 30, "exposed_events": 12},
    )  # fmt: skip
    equivalence = replace(primary, interval=around(1.645, 0.9))
    plan = Plan.checked({"decision": {"worth_acting_on": margin}})
    verdict = decide(primary, equivalence, NO_CHECKS, plan)
    assert Answer(primary, equivalence.interval).call(margin) == verdict.call.code


# --- dealing labels ---------------------------------------------------------------------------------------------------


@given(seed=seeds)
@some
def test_a_shuffle_keeps_deployments_failures_and_labels_of_each_stratum(seed):
    cells = Cells(organisation(seed), ("service", "period"))
    patterns = patterns_of(cells, ("size",))
    strata = strata_of(patterns, cells.strata)
    dealt = shuffled(patterns, strata, 5, np.random.default_rng(seed))
    wanted = np.bincount(strata, patterns["exposed"])
    for run in range(5):
        assert np.bincount(strata, dealt.exposed[run]) == approx(wanted)
    unexposed = patterns["n"].to_numpy() - dealt.exposed
    assert (dealt.exposed_failures + dealt.unexposed_failures == patterns["events"].to_numpy()).all()
    assert (dealt.exposed_failures <= dealt.exposed).all()
    assert (dealt.unexposed_failures <= unexposed).all()
    assert min(dealt.exposed_failures.min(), dealt.unexposed_failures.min(), unexposed.min()) >= 0


def two_patterns() -> pd.DataFrame:
    return pd.DataFrame({"service": "checkout", "size": ["s", "l"], "n": [12, 8], "events": [3, 4], "exposed": [9, 0]})


def test_exposed_failures_of_a_shuffled_stratum_are_hypergeometric():
    patterns = two_patterns()
    runs = 20_000
    dealt = shuffled(patterns, strata_of(patterns, ("service",)), runs, np.random.default_rng(1))
    seen = Counter(dealt.exposed_failures.sum(axis=1).tolist())
    for failures in range(8):
        chance = hypergeom.pmf(failures, 20, 7, 9)
        assert seen[failures] / runs == approx(chance, abs=4 * (chance * (1 - chance) / runs) ** 0.5 + 1e-9)
    # Which pattern the label falls on is by chance too, although only one of them had labels.
    assert dealt.exposed.mean(axis=0) == approx([9 * 12 / 20, 9 * 8 / 20], rel=0.02)


def test_the_same_seed_deals_the_same_labels_and_another_seed_others():
    patterns = two_patterns()
    strata = strata_of(patterns, ("service",))
    first, again, other = (shuffled(patterns, strata, 30, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert (first.exposed == again.exposed).all()
    assert (first.exposed != other.exposed).any()


@pytest.mark.parametrize("ratio", [1.25, 2.0, 4.0])
def test_planting_multiplies_the_risk_and_keeps_the_failures_expected(ratio):
    patterns = pd.DataFrame(
        {
            "service": ["a", "a", "b", "b"],
            "size": ["s", "l", "s", "l"],
            "n": [40, 20, 30, 60],
            "events": [2, 5, 3, 0],
            "exposed": [10, 10, 60, 10],
        }
    )
    strata = strata_of(patterns, ("service",))
    patterns.loc[2, "exposed"] = 20
    runs = 20_000
    labels = shuffled(patterns, strata, runs, np.random.default_rng(3))
    dealt = planted(labels, patterns, strata, ratio, np.random.default_rng(4))
    assert (dealt.exposed == labels.exposed).all()
    assert (dealt.exposed_failures <= dealt.exposed).all()
    for stratum, (n, exposed, failures) in enumerate([(60, 20, 7), (90, 30, 3)]):
        inside = strata == stratum
        a = dealt.exposed_failures[:, inside].sum(axis=1).mean()
        c = dealt.unexposed_failures[:, inside].sum(axis=1).mean()
        assert (a / exposed) / (c / (n - exposed)) == approx(ratio, rel=0.04)
        assert a + c == approx(failures, rel=0.02)
    assert beyond_always(patterns, strata, ratio) == 0


@given(seed=seeds)
@some
def test_a_ratio_of_one_plants_nothing(seed):
    cells = Cells(organisation(seed), ("service", "period"))
    patterns = patterns_of(cells, ())
    strata = strata_of(patterns, cells.strata)
    labels = shuffled(patterns, strata, 3, np.random.default_rng(seed))
    dealt = planted(labels, patterns, strata, 1.0, np.random.default_rng(seed))
    assert (dealt.exposed_failures == labels.exposed_failures).all()
    assert (dealt.unexposed_failures == labels.unexposed_failures).all()


def test_a_risk_that_cannot_be_multiplied_ends_at_always_and_is_told():
    patterns = pd.DataFrame({"service": ["a", "b"], "n": [10, 10], "events": [10, 1], "exposed": [5, 5]})
    strata = strata_of(patterns, ("service",))
    labels = shuffled(patterns, strata, 400, np.random.default_rng(1))
    dealt = planted(labels, patterns, strata, 3.0, np.random.default_rng(1))
    assert (dealt.exposed_failures[:, 0] == 5).all()
    assert beyond_always(patterns, strata, 3.0) == approx(0.5)


def test_a_ratio_below_one_is_refused_with_the_reason():
    patterns = two_patterns()
    strata = strata_of(patterns, ("service",))
    labels = shuffled(patterns, strata, 2, np.random.default_rng(1))
    with pytest.raises(ValueError, match=r"^ratio is 0\.5; a planted ratio is at least 1, as failures are added"):
        planted(labels, patterns, strata, 0.5, np.random.default_rng(1))


# --- labels in time ---------------------------------------------------------------------------------------------------


def by_week(seed: int, rows: int = 200) -> Cells:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "service": rng.choice(["a", "b", "c"], rows),
            "size": rng.choice(["s", "l"], rows),
            "week": [f"2026-W{week:02d}" for week in rng.integers(1, 14, rows)],
            "exposed": rng.integers(0, 2, rows),
        }
    )
    frame = frame.drop_duplicates()
    frame["n"] = rng.integers(1, 4, len(frame))
    frame["events"] = rng.binomial(frame["n"], 0.2)
    return Cells(frame, ("service",))


@given(seed=seeds)
@some
def test_rotation_keeps_deployments_failures_and_labels_of_each_stratum(seed):
    cells = by_week(seed)
    patterns = patterns_of(cells, ("size",))
    strata = strata_of(patterns, cells.strata)
    order = InTime.of(cells, patterns, np.random.default_rng(seed))
    assert np.bincount(order.pattern) == approx(patterns["n"].to_numpy())
    assert np.bincount(order.pattern, order.failed) == approx(patterns["events"].to_numpy())
    assert np.bincount(order.pattern, order.exposed) == approx(patterns["exposed"].to_numpy())
    dealt = order.rotated(4, np.random.default_rng(seed))
    for run in range(4):
        assert np.bincount(strata, dealt.exposed[run]) == approx(np.bincount(strata, patterns["exposed"]))
    assert (dealt.exposed_failures + dealt.unexposed_failures == patterns["events"].to_numpy()).all()
    assert (dealt.exposed_failures <= dealt.exposed).all()


def one_run_of_labels_and_one_burst() -> Cells:
    """Twenty weeks of one service; the labels of weeks 1 to 10, the failures of weeks 6 to 15."""
    weeks = np.arange(1, 21)
    frame = pd.DataFrame({"service": "a", "week": [f"2026-W{week:02d}" for week in weeks], "n": 1})
    return Cells(frame.assign(exposed=(weeks <= 10).astype(int), events=((weeks > 5) & (weeks <= 15)).astype(int)))


def test_rotation_keeps_runs_of_labels_that_a_shuffle_scatters():
    cells = replace(one_run_of_labels_and_one_burst(), strata=("service",))
    patterns = patterns_of(cells, ())
    strata = strata_of(patterns, ("service",))
    order = InTime.of(cells, patterns, np.random.default_rng(1))
    rotated = order.rotated(4_000, np.random.default_rng(2)).exposed_failures.sum(axis=1)
    scattered = shuffled(patterns, strata, 4_000, np.random.default_rng(2)).exposed_failures.sum(axis=1)
    # Moved on by k weeks, ten labels in a row meet a burst of ten in |10 - k| weeks: each of 0 … 10 in turn.
    chances = Counter(abs(10 - k) for k in range(20))
    for overlap, times in chances.items():
        assert (rotated == overlap).mean() == approx(times / 20, abs=0.03)
    assert rotated.std() > 2 * scattered.std()


def test_logarithms_of_planted_estimates_centre_on_the_planted_ratio():
    rng = np.random.default_rng(8)
    frame = pd.DataFrame(
        [(f"s{s}", f"Q{q}", size, arm) for s in range(12) for q in range(4) for size in "sl" for arm in (0, 1)],
        columns=["service", "period", "size", "exposed"],
    )
    frame["n"] = rng.integers(10, 40, len(frame))
    frame["events"] = rng.binomial(frame["n"], np.where(frame["size"] == "l", 0.12, 0.04))
    cells = Cells(frame, ("service", "period"))
    patterns = patterns_of(cells, ("size",))
    strata = strata_of(patterns, cells.strata)
    labels = shuffled(patterns, strata, 150, np.random.default_rng(1))
    dealt = planted(labels, patterns, strata, 2.0, np.random.default_rng(2))
    procedure = procedure_of(Plan(), patterns, cells, ("size",))
    runs = zip(dealt.exposed, dealt.exposed_failures, dealt.unexposed_failures, strict=True)
    logs = [log(answer.primary.value) for counts in runs if (answer := procedure(*counts, dealt.kept))]
    assert len(logs) == 150
    assert np.mean(logs) == approx(log(2), abs=3 * np.std(logs) / 150**0.5)
