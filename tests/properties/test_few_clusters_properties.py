"""What must hold of few-cluster inference whatever the data: cells against rows, names, symmetry, and exactness."""

from math import isclose, log

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pytest import approx
from test_regression_properties import organisation, rows_of

from counterfault.cells import Cells, TwoByTwo
from counterfault.estimators.poisson.jackknife import ClusterJackknife
from counterfault.estimators.poisson.regression import ModifiedPoisson
from counterfault.estimators.poisson.regression_problem import comparable, problem_of
from counterfault.estimators.poisson.sign_weights import Weights, WeightTable
from counterfault.estimators.poisson.two_way import TwoWayPoisson
from counterfault.estimators.poisson.wild_score import RestrictedScores, ScoreTest, WildScore
from counterfault.estimators.tables.conditional_draws import draw_exposed_events
from counterfault.estimators.tables.exact import exposed_events
from counterfault.estimators.tables.exchanges import Histories
from counterfault.estimators.tables.randomisation import RandomiseClusters, RandomiseDeployments

seeds = st.integers(0, 2**32 - 1)
some = settings(max_examples=5, deadline=None, derandomize=True)

SETTINGS = [
    pytest.param(ClusterJackknife(("size",)), id="jackknife"),
    pytest.param(ClusterJackknife(("size",), most_refits=0), id="one step"),
    pytest.param(WildScore(("size",), draws=999), id="wild score, Webb"),
    pytest.param(WildScore(("size",), Weights.RADEMACHER), id="wild score, signs"),
    pytest.param(TwoWayPoisson("review", ("size",)), id="two-way"),
    pytest.param(RandomiseDeployments(), id="deployments"),
]


def same(one, other) -> bool:
    pairs = [(one.value, other.value), (one.p_value, other.p_value), (one.standard_error, other.standard_error)]
    pairs += [(one.interval.low, other.interval.low), (one.interval.high, other.interval.high)]
    return one.support == other.support and all(a != a or isclose(a, b, rel_tol=1e-9) for a, b in pairs)


@pytest.mark.parametrize("setting", SETTINGS)
@some
@given(seed=seeds)
def test_cells_give_what_rows_give(setting, seed):
    frame = organisation(seed)
    found = setting(Cells(frame))
    assume(found.estimable)
    rows = rows_of(frame).assign(n=1, events=lambda r: r["event"].astype(int), anything=lambda r: r.index % 3)
    assert same(found, setting(Cells(rows.drop(columns="event"))))


@pytest.mark.parametrize("strata", [("service", "period"), ("period",)])
@pytest.mark.parametrize("setting", SETTINGS)
@some
@given(seed=seeds)
def test_names_and_order_change_nothing(setting, strata, seed):
    frame = organisation(seed)
    found = setting(Cells(frame, strata))
    assume(found.estimable)
    names = {name: f"{5 * place % 7} & <{name}>" for place, name in enumerate(sorted(frame["service"].unique()))}
    renamed = frame.assign(service=frame["service"].map(names)).sample(frac=1, random_state=seed % 1000)
    assert same(found, setting(Cells(renamed, strata)))


@pytest.mark.parametrize("setting", SETTINGS)
@some
@given(seed=seeds)
def test_swapping_the_groups_inverts_the_ratio(setting, seed):
    frame = organisation(seed)
    there, back = setting(Cells(frame)), setting(Cells(frame.assign(exposed=1 - frame["exposed"])))
    assume(there.estimable and there.value > 0)
    assert there.value * back.value == approx(1, rel=1e-8)
    if "Webb" in there.method:
        return  # clusters come in another order then, so they meet other random weights
    assert there.p_value == approx(back.p_value, rel=1e-8)
    if there.interval.low:
        assert there.interval.low * back.interval.high == approx(1, rel=1e-6)
    else:
        assert back.interval.high == np.inf


@settings(max_examples=12, deadline=None, derandomize=True)
@given(seed=seeds, rarity=st.sampled_from([0.02, 0.1, 0.5]), services=st.integers(2, 9))
def test_sparse_data_never_crash_and_never_go_quiet(seed, rarity, services):
    rng = np.random.default_rng(seed)
    frame = organisation(seed, services=services)
    frame["events"] = rng.binomial(frame["n"], rarity)
    for setting in (ClusterJackknife(("size",)), WildScore(("size",), draws=99), TwoWayPoisson("review", ("size",))):
        found = setting(Cells(frame))
        assert found.estimable or found.caveats
        if found.estimable:
            assert found.value in found.interval
            assert 0 < found.p_value <= 1
            assert (found.interval.low > 0 and found.interval.high < np.inf) or found.caveats


# ---------------------------------------------------------------------------------------------------------------
# The jackknife
# ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strata", [("service", "period"), ("period",), ("team", "period"), ()])
@some
@given(seed=seeds)
def test_refits_are_what_the_regression_finds_without_each_cluster(strata, seed):
    frame = organisation(seed)
    found = ClusterJackknife(("size", "review"))(Cells(frame, strata))
    assume(found.estimable)
    used = comparable(problem_of(Cells(frame, strata), ("size", "review")))
    rest = [frame[frame["service"] != name] for name in used.cluster_names]
    values = [ModifiedPoisson(("size", "review"))(Cells(each, strata)).value for each in rest]
    assume(not np.isnan(values).any())
    count = len(values)
    variance = (count - 1) / count * sum((log(value) - log(found.value)) ** 2 for value in values)
    assert found.standard_error == approx(np.sqrt(variance), rel=1e-8)


@some
@given(seed=seeds)
def test_services_that_compare_nothing_change_nothing(seed):
    frame = organisation(seed)
    idle = frame.head(3).assign(service=["quiet", "quiet", "one-sided"], exposed=[0, 1, 1], n=9, events=[0, 0, 5])
    for setting in (ClusterJackknife(), WildScore((), Weights.RADEMACHER)):
        found, with_idle = setting(Cells(frame)), setting(Cells(pd.concat([frame, idle])))
        assume(found.estimable)
        assert with_idle.interval == found.interval
        assert with_idle.p_value == found.p_value


# ---------------------------------------------------------------------------------------------------------------
# The wild score bootstrap
# ---------------------------------------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None, derandomize=True)
@given(seed=seeds, clusters=st.integers(2, 8))
def test_if_every_sign_was_as_likely_every_p_value_is(seed, clusters):
    """Exactness: over data sets that differ in the clusters' signs alone, P(p ≤ k/m) = k/m for each possible k/m."""
    scores = np.random.default_rng(seed).normal(size=clusters)
    table = WeightTable.of(Weights.RADEMACHER, clusters, draws=9_999, seed=0)
    outcomes = [ScoreTest(lambda _, u=signs * scores: u, table)(0.0) for signs in table.weights]
    ways = 2 ** (clusters - 1)
    assert sorted(outcomes) == approx([(k + 1) / ways for k in range(ways)])


@some
@given(seed=seeds)
def test_efficient_scores_add_up_to_the_score_of_exposure_and_vanish_at_the_estimate(seed):
    used = _used(organisation(seed), ("size", "review"))
    scores = RestrictedScores(used, np.zeros(used.design.shape[1]))
    estimate = log(ModifiedPoisson(("size", "review"))(Cells(organisation(seed))).value)
    assert scores(estimate).sum() == approx(0, abs=1e-6)
    assert scores(estimate - 0.5).sum() > 0 > scores(estimate + 0.5).sum()


@some
@given(seed=seeds)
def test_interpolated_scores_give_the_limits_that_fits_give(seed):
    used = _used(organisation(seed, services=9), ("size",))
    test = ScoreTest(
        RestrictedScores(used, np.zeros(used.design.shape[1])),
        WeightTable.of(Weights.WEBB, len(used.cluster_names), draws=199, seed=1),
    )
    estimate = log(ModifiedPoisson(("size",))(Cells(organisation(seed, services=9))).value)
    limit = test.limit(estimate, 1.0, 0.1)
    assume(limit < np.inf)
    # a little inside the test accepts, a little outside it rejects, with the model fitted at these very ratios
    assert test(limit - 1e-5) > 0.1 >= test(limit + 1e-5)


def _used(frame, adjust_for):
    found = ModifiedPoisson(adjust_for)(Cells(frame))
    assume(found.estimable)
    return comparable(problem_of(Cells(frame), adjust_for))


# ---------------------------------------------------------------------------------------------------------------
# Randomisation
# ---------------------------------------------------------------------------------------------------------------

tables = st.lists(
    st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(0, 9), st.integers(0, 9)).map(
        lambda t: TwoByTwo(min(t[2], t[0]), t[0], min(t[3], t[1]), t[1])
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(these=tables, seed=seeds)
def test_drawn_sums_follow_the_convolved_distribution(these, seed):
    drawn, exact = draw_exposed_events(these, 4_000, seed), exposed_events(these)
    chances = np.exp(exact.log_probabilities())
    values = exact.lowest + np.arange(len(chances))
    assert drawn.expected == approx(chances @ values, rel=1e-9)
    assert drawn.observed == exact.observed
    assert drawn.sums.min() >= drawn.lowest == exact.lowest
    assert drawn.sums.max() <= drawn.highest == exact.lowest + len(chances) - 1
    spread = np.sqrt(chances @ (values - drawn.expected) ** 2)
    assert abs(drawn.sums.mean() - drawn.expected) <= 5 * spread / np.sqrt(4_000)
    below = np.searchsorted(np.sort(drawn.sums), values, side="right") / 4_000
    assert np.abs(below - np.cumsum(chances)).max() < 2.2 / np.sqrt(4_000)  # Kolmogorov's bound at 1 in 8000


def by_cluster(seed: int) -> pd.DataFrame:
    """Ten services over four quarters, each exposed from some quarter on or never."""
    rng = np.random.default_rng(seed)
    start = rng.choice([1, 2, 9, 9, 9], 10)
    frame = pd.DataFrame(
        [(f"s{s}", f"q{q}", int(q >= start[s])) for s in range(10) for q in range(4) if rng.random() < 0.9],
        columns=["service", "period", "exposed"],
    )
    frame["n"] = rng.integers(5, 60, len(frame))
    return frame.assign(events=rng.binomial(frame["n"], 0.15), exposure_hours=24.0 * frame["n"])


@some
@given(seed=seeds)
def test_neither_names_nor_rows_matter_between_clusters(seed):
    frame = by_cluster(seed)
    found = RandomiseClusters(draws=499)(Cells(frame))
    assume(found.estimable)
    renamed = frame.assign(service=frame["service"].map(lambda name: f"{3 * int(name[1:]) % 10}")).sample(
        frac=1, random_state=seed % 1000
    )
    assert same(found, RandomiseClusters(draws=499)(Cells(renamed)))
    rows = rows_of(frame).assign(n=1, events=lambda r: r["event"].astype(int))
    assert same(found, RandomiseClusters(draws=499)(Cells(rows.drop(columns="event"))))
    assert found.value in found.interval


@settings(max_examples=20, deadline=None, derandomize=True)
@given(seed=seeds)
def test_every_exchange_is_there_once_and_random_ones_are_among_them(seed):
    rng = np.random.default_rng(seed)
    exposure = np.array([[0, 0], [0, 1], [1, 1]])[rng.integers(0, 3, 6)].astype(float)
    histories = Histories.of(exposure)
    values = np.arange(1.0, 7)[:, None, None] ** 3 * np.ones((1, 2, 1))  # distinct sums for distinct exchanges
    every = histories.exposed_sums(histories.every_exchange(), values)[0]
    assert len(np.unique(every, axis=0)) == len(every) == histories.ways
    assert histories.exposed_sums(histories.observed[None, :], values)[0, 0] == approx(
        (exposure * values[:, :, 0]).sum(axis=0)
    )
    drawn = histories.exposed_sums(histories.random_exchanges(200, seed), values)[0]
    assert {tuple(sums) for sums in drawn} <= {tuple(sums) for sums in every}


def test_exchanges_are_equally_probable():
    # Six exchanges of two adopters among four clusters; 6000 draws give 1000 of each, give or take 29.
    histories = Histories.of(np.array([[1.0], [1.0], [0.0], [0.0]]))
    drawn = np.sort(histories.random_exchanges(6_000, seed=11), axis=1)
    _, counts = np.unique(drawn, axis=0, return_counts=True)
    assert len(counts) == 6
    assert np.abs(counts - 1_000).max() < 4 * 29
