"""What must hold of the self-controlled designs whatever the data: judged by symmetry, by dummies, and by planting."""

from dataclasses import replace
from math import log

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pytest import approx

from counterfault.estimate import Estimate
from counterfault.estimators.self_control.case_crossover import CaseCrossover
from counterfault.estimators.self_control.self_controlled import CaseSeries, SelfControlled, suggests_event_dependence
from counterfault.panels import ReferentSets, RiskTime

seeds = st.integers(0, 2**32 - 1)
some = settings(max_examples=10, deadline=None, derandomize=True)

KEYS = ["service", "block", "band", "after_ai", "after_other", "before_ai", "before_other"]
CUTS, BEFORE = (0.0, 6.0, 24.0), 24.0


def organisation(seed: int, services: int = 5) -> RiskTime:
    """Unequal services; some states are absent, none is common enough to be certain of an incident."""
    rng = np.random.default_rng(seed)
    rows = pd.DataFrame(
        {
            "service": [f"service {s}" for s in rng.choice(services, 90, p=rng.dirichlet(np.full(services, 5.0)))],
            "block": rng.choice(["Q1", "Q2"], 90),
            "band": rng.choice(["day", "night"], 90),
            "after_ai": rng.choice(3, 90, p=[0.6, 0.2, 0.2]),
            "after_other": rng.choice(3, 90, p=[0.6, 0.2, 0.2]),
            "before_ai": rng.choice(2, 90, p=[0.8, 0.2]),
            "before_other": rng.choice(2, 90, p=[0.8, 0.2]),
            "hours": rng.uniform(1, 50, 90),
        }
    )
    rate = 0.05 * (1 + (rows["after_ai"] == 1)) * (1 + 0.5 * (rows["after_other"] == 1))
    return RiskTime(rows.assign(incidents=rng.poisson(rate * rows["hours"])), CUTS, BEFORE)


def same(one: Estimate, two: Estimate) -> None:
    """Equal but for rounding, parts included."""
    assert (one.p_value is None) == (two.p_value is None)
    numbers = [(e.value, e.interval.low, e.interval.high, e.standard_error, e.p_value or 0) for e in (one, two)]
    assert numbers[0] == approx(numbers[1], rel=1e-7, nan_ok=True)
    assert dict(one.support) == dict(two.support)
    assert one.caveats == two.caveats
    for left, right in zip(one.parts, two.parts, strict=True):
        same(left, right)


def all_the_same(one: tuple[Estimate, ...], two: tuple[Estimate, ...]) -> None:
    for left, right in zip(one, two, strict=True):
        same(left, right)


def inverse(there: Estimate, back: Estimate) -> None:
    assert there.estimable == back.estimable
    if there.estimable:
        assert there.value * back.value == approx(1, rel=1e-7)
        assert there.interval.low * back.interval.high == approx(1, rel=1e-6)
        assert there.p_value == approx(back.p_value, rel=1e-6)


# --- the case series


@some
@given(seed=seeds)
def test_swapping_ai_and_other_inverts_the_ratio_and_swaps_the_rest(seed):
    panel = organisation(seed)
    names = {
        "after_ai": "after_other",
        "after_other": "after_ai",
        "before_ai": "before_other",
        "before_other": "before_ai",
    }
    there, back = CaseSeries()(panel), CaseSeries()(replace(panel, frame=panel.frame.rename(columns=names)))
    inverse(there.ratio, back.ratio)
    inverse(there.before_ratio, back.before_ratio)
    if there.excess_ratio.estimable and there.excess_ratio.interval.low > 0:
        inverse(there.excess_ratio, back.excess_ratio)
    for ours, theirs in ((there.rate_ratio_ai, back.rate_ratio_other), (there.before_ai, back.before_other)):
        assert (ours.value, ours.standard_error) == approx((theirs.value, theirs.standard_error), rel=1e-7, nan_ok=True)


@some
@given(seed=seeds)
def test_splitting_rows_changes_nothing(seed):
    panel = organisation(seed)
    half = panel.frame.assign(hours=panel.frame["hours"] / 2)
    first = half.assign(incidents=half["incidents"] // 2)
    second = half.assign(incidents=half["incidents"] - half["incidents"] // 2)
    split = pd.concat([first, second]).sample(frac=1, random_state=1)
    all_the_same(CaseSeries()(panel), CaseSeries()(replace(panel, frame=split)))


@some
@given(seed=seeds)
def test_names_of_services_blocks_and_bands_do_not_matter(seed):
    panel = organisation(seed)
    names = {f"service {s}": f"{'edcba'[s]}" for s in range(5)} | {"Q1": "2031", "Q2": "2030", "day": "z", "night": "a"}
    renamed = replace(panel, frame=panel.frame.replace(names))
    all_the_same(CaseSeries()(panel), CaseSeries()(renamed))


@some
@given(seed=seeds, unit=st.floats(0.01, 100))
def test_the_unit_of_time_does_not_matter(seed, unit):
    panel = organisation(seed)
    scaled = replace(panel, frame=panel.frame.assign(hours=panel.frame["hours"] * unit))
    for one, two in zip(CaseSeries()(panel), CaseSeries()(scaled), strict=True):
        assert (one.value, one.standard_error) == approx((two.value, two.standard_error), rel=1e-7, nan_ok=True)


@some
@given(seed=seeds)
def test_conditioning_gives_what_one_dummy_per_stratum_gives(seed):
    panel = organisation(seed)
    found = CaseSeries()(panel)
    parts = [*found.rate_ratio_ai.parts[:3], *found.rate_ratio_other.parts[:3]]
    assume(all(part.estimable and part.value > 0 for part in parts))
    frame = panel.frame.groupby(KEYS, as_index=False)[["hours", "incidents"]].sum()
    stratum = frame["service"] + frame["block"]
    frame = frame[frame.groupby(stratum)["incidents"].transform("sum") > 0]
    states = [(flag, piece) for kind in ("ai", "other") for flag, piece in _states(kind)]
    columns = [(frame[flag] == piece).astype(float) for flag, piece in states]
    dummies = pd.get_dummies(stratum[frame.index], dtype=float)
    design = np.column_stack([*columns, frame["band"] == "day", dummies])
    model = sm.GLM(frame["incidents"], design, sm.families.Poisson(), offset=np.log(frame["hours"]))
    fitted = model.fit(maxiter=200, tol=1e-12)
    assert [log(part.value) for part in parts] == approx(np.asarray(fitted.params)[:6].tolist(), rel=1e-6, abs=1e-7)
    plain = [part for part in parts if "independent incidents" in part.method]
    errors = [np.asarray(fitted.bse)[place] for place, part in enumerate(parts) if part in plain]
    assert [part.standard_error for part in plain] == approx(errors, rel=1e-6)


def _states(kind: str) -> list[tuple[str, int]]:
    return [(f"after_{kind}", 1), (f"after_{kind}", 2), (f"before_{kind}", 1)]


# --- planted truths


def shipped_and_failed(
    rng: np.random.Generator, hours: int, *, ships: float, fails: float, ratios: tuple[float, float], held_back: float
) -> tuple[dict[str, list[int]], list[int]]:
    """One service, hour by hour: when it shipped ("ai", "other") and when incidents began.

    For six hours after a deployment incidents are more frequent by its ratio. For 48 hours after an incident a
    deployment is dropped with probability ``held_back``: what a freeze does.
    """
    shipped: dict[str, list[int]] = {"ai": [], "other": []}
    latest, last_incident, failed = {"ai": -99, "other": -99}, -99, []
    for hour, (ship, kind, fail, hold) in enumerate(rng.random((hours, 4)).tolist()):
        if ship < ships and not (hour - last_incident <= 48 and hold < held_back):
            name = "ai" if kind < 0.5 else "other"
            latest[name] = hour
            shipped[name].append(hour)
        after_ai, after_other = hour - latest["ai"] < 6, hour - latest["other"] < 6
        if fail < fails * (ratios[0] if after_ai else 1) * (ratios[1] if after_other else 1):
            failed.append(hour)
            last_incident = hour
    return shipped, failed


def planted(
    seed: int, *, services: int, days: int, block_days: int, cuts: tuple[float, ...] = CUTS, **world
) -> RiskTime:
    """The panel of an organisation whose truth is known, counted by the hour."""
    rng = np.random.default_rng(seed)
    hour = np.arange(24 * days)
    frames = []
    for number in range(services):
        shipped, failed = shipped_and_failed(
            rng, len(hour), **{**world, "fails": world["fails"] * rng.lognormal(0, 0.4)}
        )
        state = {"service": f"s{number}", "block": (hour // (24 * block_days)).astype(str), "band": "all"}
        for name, times in shipped.items():
            place = np.searchsorted(times, hour, side="right")
            age = hour - np.array([-np.inf, *times])[place]
            wait = np.array([*times, np.inf])[place] - hour
            state[f"after_{name}"] = np.where(age < cuts[-1], np.searchsorted(cuts, age, side="right"), 0)
            state[f"before_{name}"] = (wait <= BEFORE).astype(int)
        frames.append(pd.DataFrame({**state, "hours": 1.0, "incidents": np.bincount(failed, minlength=len(hour))}))
    frame = pd.concat(frames).groupby(KEYS, as_index=False)[["hours", "incidents"]].sum()
    return RiskTime(frame, cuts, BEFORE)


def test_planted_ratios_are_found_when_deployments_do_not_depend_on_incidents():
    world = {"ships": 0.5 / 24, "fails": 0.15 / 24, "ratios": (3.0, 1.8), "held_back": 0.0}
    found = CaseSeries()(planted(7, services=25, days=180, block_days=30, **world))
    truth = SelfControlled(3.0, 1.8, 3.0 / 1.8, 2.0 / 0.8, 1.0, 1.0, 1.0)
    for estimate, value in zip(found, truth, strict=True):
        assert value in estimate.interval, estimate.id
    assert 1.0 not in found.rate_ratio_ai.interval  # and the interval says something
    assert 1.0 in found.rate_ratio_ai.parts[1].interval  # nothing was planted after six hours
    assert not suggests_event_dependence(found.before_ai) and not suggests_event_dependence(found.before_other)


def test_a_freeze_biases_the_plain_estimate_and_the_time_before_deployments_shows_it():
    # Nothing is planted: the ratios are 1. In weekly blocks a freeze moves deployments away from the weeks' incidents.
    world = {"ships": 0.2 / 24, "fails": 0.12 / 24, "ratios": (1.0, 1.0), "held_back": 0.9}
    panel = planted(1, services=40, days=364, block_days=7, cuts=(0.0, 24.0), **world)
    plain, told_apart = CaseSeries(pre_exposure=False)(panel), CaseSeries()(panel)
    assert plain.rate_ratio_ai.interval.low > 1.05  # an interval that excludes the truth
    for before in (told_apart.before_ai, told_apart.before_other):
        assert before.interval.high < 0.5 and suggests_event_dependence(before)
    assert any("Incidents seem to drive deployments" in caveat for caveat in told_apart.rate_ratio_ai.caveats)
    assert told_apart.rate_ratio_ai.value < 0.95 * plain.rate_ratio_ai.value  # nearer to the truth, and not there
    assert 1.0 in told_apart.ratio.interval  # what hits both kinds alike cancels


# --- the case-crossover


def referents(seed: int) -> ReferentSets:
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(60):
        moments = rng.multinomial(5, [0.5, 0.2, 0.2, 0.1])
        case = rng.choice(4, p=moments * [1, 2, 1.5, 3] / (moments @ [1, 2, 1.5, 3]))
        rows.append((f"service {number % 5}", case % 2, case // 2, *moments, rng.integers(1, 4)))
    columns = ["service", "case_ai", "case_other", "n00", "n10", "n01", "n11", "sets"]
    return ReferentSets(pd.DataFrame(rows, columns=columns), 6.0)


@some
@given(seed=seeds)
def test_swapping_ai_and_other_inverts_the_crossovers_ratio(seed):
    sets = referents(seed)
    names = {"case_ai": "case_other", "case_other": "case_ai", "n10": "n01", "n01": "n10"}
    there, back = CaseCrossover()(sets), CaseCrossover()(replace(sets, frame=sets.frame.rename(columns=names)))
    inverse(there.ratio, back.ratio)
    assert there.odds_ratio_ai.value == approx(back.odds_ratio_other.value, rel=1e-9, nan_ok=True)


@some
@given(seed=seeds)
def test_counting_sets_together_or_one_by_one_makes_no_difference(seed):
    sets = referents(seed)
    singly = sets.frame.loc[sets.frame.index.repeat(sets.frame["sets"])].assign(sets=1).sample(frac=1, random_state=2)
    all_the_same(CaseCrossover()(sets), CaseCrossover()(replace(sets, frame=singly)))


@some
@given(seed=seeds)
def test_names_of_services_and_sets_without_contrast_do_not_matter(seed):
    sets = referents(seed)
    quiet = pd.DataFrame([("service 0", 0, 0, 5, 0, 0, 0, 12)], columns=sets.frame.columns)
    changed = pd.concat([sets.frame, quiet]).replace({f"service {s}": "edcba"[s] for s in range(5)})
    for one, two in zip(CaseCrossover()(sets), CaseCrossover()(replace(sets, frame=changed)), strict=True):
        assert (one.value, one.standard_error) == approx((two.value, two.standard_error), rel=1e-9, nan_ok=True)


@pytest.mark.parametrize("moments", [2, 4, 5])
def test_the_crossover_is_the_case_series_on_moments(moments):
    # One band, one state: a set is a stratum whose moments are hours. Two designs, one likelihood.
    rng = np.random.default_rng(moments)
    rows, time = [], []
    for number in range(40):
        exposed = int(rng.integers(1, moments))
        case = int(rng.random() < 2 * exposed / (2 * exposed + moments - exposed))
        service = f"s{number % 4}"
        rows.append((service, case, 0, moments - exposed, exposed, 0, 0, 1))
        time.append((service, str(number), "all", 1, 0, 0, 0, float(exposed), case))
        time.append((service, str(number), "all", 0, 0, 0, 0, float(moments - exposed), 1 - case))
    columns = ["service", "case_ai", "case_other", "n00", "n10", "n01", "n11", "sets"]
    crossover = CaseCrossover()(ReferentSets(pd.DataFrame(rows, columns=columns), 1.0)).odds_ratio_ai
    panel = RiskTime(pd.DataFrame(time, columns=[*KEYS, "hours", "incidents"]), (0.0, 1.0), 0.0)
    series = CaseSeries()(panel).rate_ratio_ai
    assert crossover.value == approx(series.value, rel=1e-9)
