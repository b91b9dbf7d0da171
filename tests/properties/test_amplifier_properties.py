"""What must hold of amplifiers, mediation and dose whatever the data: judged by rows, planting, and definition."""

from dataclasses import replace
from itertools import chain, combinations, product
from math import isclose, log

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pytest import approx

from counterfault.cells import Cells
from counterfault.estimators.amplifying.dose import Dose
from counterfault.estimators.amplifying.interaction import Amplifier, ExposedKinds
from counterfault.estimators.amplifying.kinds import risk_ratios_by_kind
from counterfault.estimators.amplifying.mediation import Mediation
from counterfault.estimators.multiplicity import Adjustment, adjusted_p
from counterfault.estimators.poisson.regression import HEADLINE, ModifiedPoisson

seeds = st.integers(0, 2**32 - 1)
some = settings(max_examples=8, deadline=None, derandomize=True)

WITHIN = ("service", "period")
PLAIN = ModifiedPoisson()
AMPLIFIER = Amplifier("load", ("peak",), ("calm",), ("size",), PLAIN)
DOSE = Dose("bin", "share", ("size",))


def organisation(seed: int, services: int = 6, most: int = 5) -> pd.DataFrame:
    """Unequal services, some combinations absent, risks high enough for few separations."""
    rng = np.random.default_rng(seed)
    service = rng.choice(services, 90, p=rng.dirichlet(np.full(services, 3.0)))
    exposed = rng.integers(0, 2, 90)
    bin_of = rng.integers(0, 3, 90)
    frame = pd.DataFrame(
        {
            "service": [f"service {s}" for s in service],
            "period": rng.choice(["Q1", "Q2"], 90),
            "exposed": exposed,
            "load": rng.choice(["peak", "calm", "missing"], 90, p=[0.4, 0.45, 0.15]),
            "size": rng.choice(["small", "medium", "large"], 90),
            "bin": np.where(exposed == 1, np.array(["low", "middle", "high"])[bin_of], "none"),
            "share": exposed * np.array([0.1, 0.4, 0.9])[bin_of],
            "n": rng.integers(1, most, 90),
        }
    )
    risk = 0.2 + 0.1 * (service % 4) + 0.15 * exposed * (service % 2)
    return frame.assign(events=rng.binomial(frame["n"], risk), exposure_hours=24.0 * frame["n"])


# ---------------------------------------------------------------------------------------------------------------
# The slow obvious version: one row per deployment, one dummy variable per stratum, n × n matrices
# ---------------------------------------------------------------------------------------------------------------


def rows_of(frame: pd.DataFrame) -> pd.DataFrame:
    rows = frame.loc[frame.index.repeat(frame["n"])].copy()
    rows["event"] = (rows.groupby(level=0).cumcount() < rows["events"]).astype(float)
    return rows.reset_index(drop=True)


def by_hand(frame: pd.DataFrame) -> tuple[float, float]:
    """Log ratio of ratios and its CR2 standard error from the definitions, on rows."""
    rows = rows_of(frame)
    stratum = rows["service"] + rows["period"]
    rows = rows[rows["event"].groupby(stratum).transform("sum") > 0]
    exposed = rows["exposed"].to_numpy(float)
    load = pd.get_dummies(rows["load"])[["calm", "peak", "missing"]].to_numpy(float)
    dummies = [pd.get_dummies(rows["size"], drop_first=True), pd.get_dummies(stratum[rows.index])]
    x = np.hstack(
        [exposed[:, None], exposed[:, None] * load[:, 1:], load[:, 1:], *(d.to_numpy(float) for d in dummies)]
    )
    y, cluster = rows["event"].to_numpy(), rows["service"].to_numpy()
    assume(np.linalg.matrix_rank(x) == x.shape[1])
    beta = np.zeros(x.shape[1])
    beta[-dummies[1].shape[1] :] = log(y.mean())
    for _ in range(40):
        mean = np.exp(np.minimum(x @ beta, 30))
        beta = beta + np.linalg.solve((x.T * mean) @ x, x.T @ (y - mean))
    return beta[1], _cr2(x, y, np.exp(x @ beta), cluster)


def _cr2(x, y, mean, cluster):
    bread = np.linalg.inv((x.T * mean) @ x)
    keep = np.eye(len(y)) - (mean[:, None] * x) @ bread @ x.T
    total = 0.0
    for name in np.unique(cluster):
        inside = np.flatnonzero(cluster == name)
        root = np.diag(np.sqrt(mean[inside]))
        block = root @ keep[np.ix_(inside, inside)] @ np.diag(mean[inside]) @ root
        values, vectors = np.linalg.eigh((block + block.T) / 2)
        real = values > 1e-9 * values.max()
        adjust = root @ (vectors[:, real] / np.sqrt(values[real])) @ vectors[:, real].T @ root
        total += float(bread[1] @ x[inside].T @ adjust @ (y - mean)[inside]) ** 2
    return np.sqrt(total)


@settings(max_examples=5, deadline=None, derandomize=True)
@given(seed=seeds)
def test_cells_give_what_rows_give(seed):
    frame = organisation(seed)
    found = AMPLIFIER(Cells(frame, WITHIN))
    assume(found.estimable)
    assume(not any("left the fit" in caveat for caveat in found.caveats))
    beta, error = by_hand(frame)
    assert log(found.value) == approx(beta, rel=1e-8, abs=1e-8)
    assert found.standard_error == approx(error, rel=1e-8)


def answers(frame: pd.DataFrame) -> list:
    cells = Cells(frame, WITHIN)
    return [
        AMPLIFIER(cells),
        AMPLIFIER.excess(cells),
        AMPLIFIER.difference(cells),
        ExposedKinds("bin", ("high",), ("low",), ("size",))(cells),
        *risk_ratios_by_kind(cells, "bin", id="kind", adjust_for=("load",)),
        DOSE(cells),
        DOSE.nonlinearity(cells),
        *Mediation(("size",), ("load",))(cells),
    ]


def same(one, other) -> bool:
    figures = [("value",), ("standard_error",), ("interval", "low"), ("interval", "high")]
    if one.estimable != other.estimable or one.support != other.support:
        return False
    return not one.estimable or all(isclose(_of(one, f), _of(other, f), rel_tol=1e-7, abs_tol=1e-9) for f in figures)


def _of(estimate, path):
    for name in path:
        estimate = getattr(estimate, name)
    return estimate


@settings(max_examples=3, deadline=None, derandomize=True)
@given(seed=seeds)
def test_neither_names_nor_order_nor_splitting_matter(seed):
    frame = organisation(seed)
    names = {name: f"{5 * place % 7} & <{name}>" for place, name in enumerate(sorted(frame["service"].unique()))}
    rows = rows_of(frame).assign(n=1, events=lambda r: r["event"].astype(int)).sample(frac=1, random_state=seed % 1000)
    rows["service"] = rows["service"].map(names)
    found = answers(frame)
    assert any(one.estimable for one in found)
    assert all(same(one, other) for one, other in zip(found, answers(rows), strict=True))


# ---------------------------------------------------------------------------------------------------------------
# Planted exactly
# ---------------------------------------------------------------------------------------------------------------


def planted(risk) -> Cells:
    """Eight services whose risks taken together, though not one by one, are exactly ``risk`` of (exposed, peak)."""
    rows = []
    for s, e, peak in product(range(8), (0, 1), (0, 1)):
        n = 10_000 * (1 + (e + 2 * peak) % 3)
        bent = 1 + (-1) ** s * (
            0.05 + 0.04 * (s // 2) + 0.1 * e + 0.07 * e * peak + 0.03 * peak
        )  # the next service is bent the other way
        rows.append((f"service {s}", "Q1", e, "peak" if peak else "calm", n, n * 0.03 * risk(e, peak) * bent))
    return Cells(pd.DataFrame(rows, columns=["service", "period", "exposed", "load", "n", "events"]), ("period",))


PLANTED = replace(AMPLIFIER, adjust_for=())


@some
@given(of_exposure=st.floats(0.5, 3), of_peak=st.floats(0.5, 3), further=st.floats(0.5, 2))
def test_risks_that_multiply_have_a_ratio_of_one_and_others_the_planted_one(of_exposure, of_peak, further):
    none = PLANTED(planted(lambda e, peak: of_exposure**e * of_peak**peak))
    some_more = PLANTED(planted(lambda e, peak: of_exposure**e * of_peak**peak * further ** (e * peak)))
    assert none.value == approx(1, rel=1e-10)
    assert some_more.value == approx(further, rel=1e-10)


@some
@given(of_exposure=st.floats(0, 1.5), of_peak=st.floats(0, 1.5), extra=st.floats(-0.3, 1))
def test_risks_that_add_up_have_no_excess_and_others_the_planted_one(of_exposure, of_peak, extra):
    none = planted(lambda e, peak: 1 + of_exposure * e + of_peak * peak)
    some_more = planted(lambda e, peak: 1 + of_exposure * e + of_peak * peak + extra * e * peak)
    assert PLANTED.excess(none).value == approx(0, abs=1e-9)
    assert PLANTED.excess(some_more).value == approx(extra, abs=1e-9)
    assert PLANTED.difference(none).value == approx(0, abs=1e-10)
    assert PLANTED.difference(some_more).value == approx(0.03 * extra, abs=1e-10)


@some
@given(seed=seeds)
def test_swapping_the_sides_or_the_arms_inverts_the_ratio(seed):
    frame = organisation(seed)
    cells = Cells(frame, WITHIN)
    found = AMPLIFIER(cells)
    assume(found.estimable)
    swapped = replace(AMPLIFIER, amplified=("calm",), reference=("peak",))(cells)
    arms = AMPLIFIER(replace(cells, frame=frame.assign(exposed=1 - frame["exposed"])))
    for other in (swapped, arms):
        assert found.value * other.value == approx(1, rel=1e-8)
        assert found.interval.low * other.interval.high == approx(1, rel=1e-7)
        assert found.standard_error == approx(other.standard_error, rel=1e-7)
    turned = replace(AMPLIFIER, amplified=("calm",), reference=("peak",)).difference(cells)
    assert turned.value == approx(-AMPLIFIER.difference(cells).value, rel=1e-8)


@some
@given(seed=seeds)
def test_total_is_direct_times_indirect(seed):
    total, direct, indirect = Mediation(("size",), ("load",))(Cells(organisation(seed), WITHIN))
    assume(total.estimable)
    assert total.value == approx(direct.value * indirect.value, rel=1e-12)
    for one in (total, direct, indirect):
        assert one.value in one.interval


@some
@given(seed=seeds)
def test_a_single_kind_has_the_ratio_of_exposure(seed):
    frame = organisation(seed).assign(kind="any")
    cells = Cells(frame, WITHIN)
    (found,) = risk_ratios_by_kind(cells, "kind", id="kind", adjust_for=("size",))
    whole = replace(HEADLINE, adjust_for=("size",))(cells)
    assume(whole.estimable)
    assert found.value == approx(whole.value, rel=1e-9)
    assert (found.interval.low, found.interval.high) == approx((whole.interval.low, whole.interval.high), rel=1e-7)


@some
@given(seed=seeds)
def test_half_the_dose_has_twice_the_slope(seed):
    frame = organisation(seed)
    found = DOSE(Cells(frame, WITHIN))
    halved = DOSE(Cells(frame.assign(share=frame["share"] / 2), WITHIN))
    assume(found.estimable)
    assert 2 * log(found.value) == approx(log(halved.value), rel=1e-8, abs=1e-9)
    assert found.p_value == approx(halved.p_value, rel=1e-6)
    assert found.caveats == halved.caveats


@settings(max_examples=6, deadline=None, derandomize=True)
@given(seed=seeds, rarity=st.sampled_from([0.02, 0.1, 0.5]))
def test_sparse_data_never_crash_and_never_go_quiet(seed, rarity):
    rng = np.random.default_rng(seed)
    frame = organisation(seed, services=4)
    frame["events"] = rng.binomial(frame["n"], rarity)
    for found in answers(frame):
        assert found.estimable or found.caveats
        assert found.interval.low <= found.interval.high
        if found.estimable:
            assert found.standard_error > 0
            assert found.value in found.interval
            assert 0 <= found.p_value <= 1


# ---------------------------------------------------------------------------------------------------------------
# Planted in expectation
# ---------------------------------------------------------------------------------------------------------------

SHARES = {0: (0.5, 0.35, 0.15), 1: (0.3, 0.4, 0.3)}  # of small, medium and large changes, without AI and with it
RISKS = {0: (1.0, 1.4, 2.0), 1: (1.3, 1.9, 3.2)}


def history(rng: np.random.Generator) -> Cells:
    """14 services of unequal size and risk; AI makes changes larger, and larger changes suffer more from it."""
    rows = []
    for s, p, e in product(range(14), range(2), (0, 1)):
        total = int(rng.integers(40, 160) * (1 + e * (s % 3) / 2))
        base = 0.03 + 0.004 * s
        for size, n, risk in zip("sml", rng.multinomial(total, SHARES[e]), RISKS[e], strict=True):
            rows.append((f"service {s}", f"Q{p}", e, size, n, rng.binomial(n, base * risk)))
    return Cells(pd.DataFrame(rows, columns=["service", "period", "exposed", "size", "n", "events"]), WITHIN)


def test_planted_direct_and_indirect_ratios_are_recovered_as_often_as_the_level_says():
    means = {(a, m): np.dot(RISKS[a], SHARES[m]) for a, m in ((1, 1), (1, 0), (0, 0))}
    truth = [means[1, 1] / means[0, 0], means[1, 0] / means[0, 0], means[1, 1] / means[1, 0]]
    rng = np.random.default_rng(20260401)
    found = [Mediation(("size",))(history(rng)) for _ in range(40)]
    for which, value in enumerate(truth):
        logs = np.log([one[which].value for one in found])
        assert abs(logs.mean() - log(value)) < 3.5 * logs.std() / np.sqrt(40)
        # 38 expected; Monte Carlo error about 1.4
        assert sum(value in one[which].interval for one in found) >= 34


def test_a_planted_amplifier_is_recovered_as_often_as_the_level_says():
    rng = np.random.default_rng(20260402)
    setting = Amplifier("size", ("l",), ("s",), settings=HEADLINE)
    truth = (RISKS[1][2] / RISKS[0][2]) / (RISKS[1][0] / RISKS[0][0])
    found = [setting(history(rng)) for _ in range(40)]
    logs = np.log([one.value for one in found])
    assert abs(logs.mean() - log(truth)) < 3.5 * logs.std() / np.sqrt(40)
    assert sum(truth in one.interval for one in found) >= 34
    excess = [setting.excess(history(rng)) for _ in range(40)]
    planted_excess = RISKS[1][2] - RISKS[1][0] - RISKS[0][2] + 1
    assert sum(planted_excess in one.interval for one in excess) >= 34


# ---------------------------------------------------------------------------------------------------------------
# Multiplicity by definition
# ---------------------------------------------------------------------------------------------------------------

p_values = st.lists(st.floats(0, 1), min_size=1, max_size=6)


@some
@given(p=p_values)
def test_holm_is_the_closed_procedure_of_bonferroni(p):
    """A hypothesis falls when every intersection that holds it falls (Marcus, Peritz & Gabriel 1976)."""
    everything = range(len(p))
    subsets = list(chain.from_iterable(combinations(everything, size) for size in range(1, len(p) + 1)))
    closed = [max(min(1, len(s) * min(p[j] for j in s)) for s in subsets if i in s) for i in everything]
    assert adjusted_p(p, Adjustment.HOLM) == approx(closed, abs=1e-12)


@pytest.mark.parametrize("adjustment", Adjustment)
@some
@given(p=p_values)
def test_adjusting_never_helps_and_never_overtakes(adjustment, p):
    found = adjusted_p(p, adjustment)
    assert all(plain <= adjusted + 1e-15 <= 1 + 1e-12 for plain, adjusted in zip(p, found, strict=True))
    order = np.argsort(p, kind="stable")
    assert (np.diff(np.array(found)[order]) >= 0).all()
    if adjustment is not Adjustment.BY:  # its factor Σ 1/i is the price of any dependence
        worst = adjusted_p(p, Adjustment.BONFERRONI)
        assert all(adjusted <= most + 1e-12 for adjusted, most in zip(found, worst, strict=True))
