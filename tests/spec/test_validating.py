"""Error rates: organisations counted together, readings of one, and what many of them sum up to."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from math import exp, inf, isnan, log, nan, sqrt

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from pytest import approx
from scipy import stats

from counterfault import analyse, check, count, link, read
from counterfault.cells import Cells
from counterfault.checks import Status
from counterfault.counting import Counted
from counterfault.estimating import primary_at
from counterfault.plan import Plan
from counterfault.simulate import VALIDATION_WORLDS, WORLDS, Simulated, World, simulate
from counterfault.validating.naive import (
    NOTHING,
    Reading,
    crude,
    logit_without_clusters,
    naive_readings,
    oracle,
    weekly_correlation,
    year_on_year,
)
from counterfault.validating.runs import (
    CANDIDATES,
    ORACLE,
    SIDES,
    VERDICT,
    _equivalence,
    _estimates,
    plan_for,
    run_world,
)
from counterfault.validating.summary import Target, readings_in, summarised, targets
from counterfault.validating.together import counted_together
from counterfault.validating.workers import Progress, _portions
from counterfault.verdict import Call, decide

NOW = datetime(2027, 1, 1, tzinfo=UTC)
SMALL = WORLDS["harm_20"].of_size(1200)
PROMISED = plan_for(SMALL, Plan())
SUMS = ["n", "exposure_hours", "events", "recorded_events", "window_events", "placebo_events", "control_events"]
EVERY = [*SUMS, "late_events", "chance_events"]


@pytest.fixture(scope="module")
def drawn() -> list[Simulated]:
    return [simulate(SMALL, seed) for seed in (0, 1, 2)]


def alone(one: Simulated, plan: Plan = PROMISED) -> Counted:
    """One organisation through the steps of a real study."""
    checked = check(read(one.deployments, one.incidents, plan=plan), plan, now=NOW)
    return count(link(checked, plan), plan)


@pytest.fixture(scope="module")
def by_itself(drawn) -> Counted:
    return alone(drawn[0])


# --- counted together


def counts(found: Counted, columns: list[str]) -> list[list[float]]:
    """Cells without their names: both ways sort services by name, and a number in front changes nothing of that."""
    rows: list[list[float]] = found.cells.frame[["exposed", *columns]].to_numpy(float).tolist()
    return rows


def test_an_organisation_beside_its_copy_gives_exactly_what_it_gives_alone(drawn, by_itself):
    """Every column of the cells, every step of the population, every estimate."""
    _, twins = counted_together([drawn[0], drawn[0]], PROMISED)
    for twin in twins:
        assert counts(twin, EVERY) == counts(by_itself, EVERY)
        pd.testing.assert_frame_equal(twin.population, by_itself.population)
        assert (twin.outcomes, twin.covariates) == (by_itself.outcomes, by_itself.covariates)
        theirs, its = _estimates(twin, PROMISED), _estimates(by_itself, PROMISED)
        for id in (*CANDIDATES, "primary"):
            assert theirs[id].value == approx(its[id].value, rel=1e-9)
            assert theirs[id].interval.low == approx(its[id].interval.low, rel=1e-6)
            assert theirs[id].interval.high == approx(its[id].interval.high, rel=1e-6)


def test_names_of_strata_and_covariates_become_numbers_and_stay_apart(drawn, by_itself):
    _, (one, _) = counted_together([drawn[0], drawn[0]], PROMISED)
    for name in ("service", "quarter", *by_itself.covariates):
        pairs = set(zip(one.cells.frame[name], by_itself.cells.frame[name], strict=True))
        assert len(pairs) == by_itself.cells.frame[name].nunique() == one.cells.frame[name].nunique()


def test_neighbours_change_nothing_but_what_is_read_off_all_of_them(drawn, by_itself):
    """Moved incidents are wrapped round the ends of all the data, and these differ by hours between organisations."""
    _, together = counted_together(drawn, PROMISED)
    first = together[0]
    assert counts(first, SUMS) == counts(by_itself, SUMS)
    pd.testing.assert_frame_equal(first.population, by_itself.population)
    moved = np.abs(first.cells.frame["chance_events"] - by_itself.cells.frame["chance_events"])
    assert moved.sum() <= 0.1 * by_itself.cells.frame["chance_events"].sum()
    late = [found.cells.frame["late_events"].sum() for found in (first, by_itself)]
    assert abs(late[0] - late[1]) <= 1


def test_no_organisation_gets_a_row_of_another(drawn):
    _, together = counted_together(drawn, PROMISED)
    for one, its in zip(drawn, together, strict=True):
        assert its.population[["ai", "human", "unknown"]].to_numpy().sum() == len(one.deployments)
        analysed = its.population.set_index("step").loc["analysed"]
        assert its.cells.frame["n"].sum() == analysed[["ai", "human"]].sum()


@pytest.mark.parametrize(
    "design",
    [{"confounders": ["size", "team"], "mediators": []}, {"strata": ["layer", "month"], "confounders": []}],
    ids=["size and team held fixed", "layers and months as strata"],
)
def test_a_plan_may_ask_for_other_columns_than_the_default_one(drawn, design):
    plan = plan_for(SMALL, Plan.checked({"design": {"mediators": [], **design}}))
    _, (together,) = counted_together(drawn[:1], plan)
    its = alone(drawn[0], plan)
    assert counts(together, [*SUMS, "chance_events"]) == counts(its, [*SUMS, "chance_events"])
    assert together.covariates == its.covariates == plan.design.confounders


def test_links_along_dependencies_cannot_be_validated_and_that_is_said(drawn):
    with pytest.raises(ValueError, match=r"^outcome.link 'dependency' ties incidents across services; validate a plan"):
        counted_together(drawn, Plan.checked({"outcome": {"link": "dependency"}}))


def test_simulated_tables_break_no_rule_of_the_contract_so_that_counting_may_skip_it():
    """Every world of the error rates, a little of each, in one pair of tables that may not lose a row."""
    tables: dict[str, list[pd.DataFrame]] = {"deployments": [], "incidents": []}
    for seed, world in enumerate(VALIDATION_WORLDS.values()):
        one = simulate(world.of_size(150), seed)
        named = ("deployment_id", "incident_id", "service", "team", "caused_by")
        for name, kept in tables.items():
            frame = getattr(one, name)
            kept.append(frame.assign(**{key: f"{seed}|" + frame[key] for key in named if key in frame}))
    plan = Plan.checked({"data": {"max_quarantined": 0.0}})
    checked = check(read(*(pd.concat(kept, ignore_index=True) for kept in tables.values()), plan=plan), plan, now=NOW)
    assert checked.quarantine.empty
    assert [account.accepted for account in checked.accounts] == [sum(map(len, kept)) for kept in tables.values()]


# --- one organisation after another


READINGS = (
    VERDICT,
    *CANDIDATES,
    "crude ratio",
    "logit without clusters",
    "weekly correlation",
    "year on year",
    ORACLE,
)


@pytest.fixture(scope="module")
def rows() -> list[dict]:
    return run_world(SMALL, [0, 1, 2], Plan())


def test_every_organisation_has_a_row_for_every_reading_with_what_was_planted(rows, drawn):
    told = pd.DataFrame(rows)
    assert told["reading"].tolist() == [*READINGS] * 3
    assert told["seed"].tolist() == [seed for seed in (0, 1, 2) for _ in READINGS]
    assert set(told["world"]) == {SMALL.name}
    planted = [one.truth.total_risk_ratio for one in drawn]
    assert told["truth"].tolist() == [truth for truth in planted for _ in READINGS]
    assert all(truth == approx(2, rel=0.05) for truth in planted)


def test_the_verdict_is_that_of_a_real_study(drawn):
    """The call, the interval and the gates that fail, as the one function from tables to a verdict has them."""
    verdict = run_world(SMALL, [0], Plan())[0]
    whole = analyse(drawn[0].deployments, drawn[0].incidents, plan=PROMISED, now=NOW, further=False)
    primary = whole.estimates["primary"]
    assert verdict["call"] == whole.verdict.call.code
    assert (verdict["value"], verdict["low"], verdict["high"]) == approx(
        (primary.value, primary.interval.low, primary.interval.high)
    )
    failed = [check.id for check in whole.checks if check.gate and check.status is Status.FAIL]
    assert verdict["gates"].split() == failed


def test_readings_of_one_organisation_are_those_of_its_tables(rows, drawn, by_itself):
    first = {row["reading"]: row for row in rows[: len(READINGS)]}
    naive = naive_readings(drawn[0], by_itself.cells)
    for name, reading in {**naive, ORACLE: oracle(drawn[0])}.items():
        found = first[name]
        assert found["side"] == reading.side
        assert np.array([found["value"], found["low"], found["high"]]) == approx(np.array(reading[:3]), nan_ok=True)


def test_organisations_are_counted_in_portions_of_as_many_rows_as_fit():
    assert [list(some) for some in _portions(WORLDS["null_standard"], range(5, 70))] == [
        list(range(5, 35)), list(range(35, 65)), list(range(65, 70)),
    ]  # fmt: skip
    assert [list(some) for some in _portions(WORLDS["null_standard"].of_size(10**6), range(2))] == [[0], [1]]


def test_the_plan_of_a_world_ends_where_every_organisation_can_still_be_followed():
    promise = Plan.checked({"outcome": {"window_hours": 6, "follow_up_hours": 72}})
    found = plan_for(SMALL, promise)
    assert (found.period.start, found.period.end) == (date(2025, 1, 1), date(2026, 6, 25))  # 30 June less 3 and 2 days
    assert found.design.mediators == ()
    kept = {"design": {"mediators": promise.design.mediators}, "period": {"start": None, "end": None}}
    back = found.model_copy(
        update={name: getattr(found, name).model_copy(update=fields) for name, fields in kept.items()}
    )
    assert back == promise


def large(ratio: float, n: int) -> Counted:
    """Twelve services whose ratios differ a little, about one deployment in twenty failing."""
    rows = [
        (f"s{number}", "2026Q1", arm, n, round(n * 0.05 * (ratio * (1 + 0.02 * (number % 3 - 1)) if arm else 1)))
        for number in range(12)
        for arm in (0, 1)
    ]
    frame = pd.DataFrame(rows, columns=["service", "quarter", "exposed", "n", "events"])
    cells = Cells(frame.assign(exposure_hours=24.0, chance_events=0.0), ("service", "quarter"))
    return Counted(cells, ("events",), pd.DataFrame(), pd.DataFrame(), (), (), None)


@pytest.mark.parametrize(
    ("ratio", "n", "call"),
    [
        (1.0, 20_000, Call.NO_MATERIAL_DIFFERENCE),
        (1.1, 20_000, Call.NO_MATERIAL_DIFFERENCE),
        (1.24, 20_000, Call.MORE_SIZE_UNSETTLED),
        (1.5, 20_000, Call.MORE),
        (1.1, 600, Call.NO_MATERIAL_DIFFERENCE),  # its 90 % interval ends at 1.24, its 95 % interval at 1.27
        (1.0, 200, Call.CANNOT_TELL),
    ],
)
def test_the_interval_for_no_difference_is_left_out_only_where_no_call_could_read_it(ratio, n, call):
    study = large(ratio, n)
    primary = _estimates(study, PROMISED)["primary"]
    level = PROMISED.decision.equivalence_level
    short, whole = _equivalence(primary, study, PROMISED), primary_at(study, PROMISED, level)
    assert short.interval.level == level
    calls = [decide(primary, equivalence, (), PROMISED).call for equivalence in (short, whole)]
    assert calls == [call, call]


def test_every_call_stands_on_a_side():
    assert set(SIDES) == set(Call)
    assert {call.code for call, side in SIDES.items() if side > 0} == {"more", "more_size_unsettled"}
    assert {call.code for call, side in SIDES.items() if side < 0} == {"fewer", "fewer_size_unsettled"}


# --- what people read off the tables


def test_an_interval_claims_the_side_it_lies_on():
    assert Reading.of(2.0, 1.01, 4.0).side == 1
    assert Reading.of(0.5, 0.2, 0.99).side == -1
    assert Reading.of(1.5, 1.0, 2.0).side == Reading.of(nan, 0.0, inf).side == NOTHING.side == 0
    ratio = Reading.of_log(log(2), 0.1)
    assert ratio == approx((2, exp(log(2) - 0.1959964), exp(log(2) + 0.1959964), 1))


def test_the_crude_ratio_forgets_the_strata():
    rows = [("a", 1, 60, 18), ("a", 0, 20, 3), ("b", 1, 40, 2), ("b", 0, 80, 7)]
    cells = Cells(pd.DataFrame(rows, columns=["service", "exposed", "n", "events"]), ("service",))
    error = sqrt(1 / 20 - 1 / 100 + 1 / 10 - 1 / 100)  # Katz et al. (1978)
    assert crude(cells) == approx(Reading.of_log(log(2), error))
    assert crude(Cells(cells.frame.assign(events=0), ("service",))) == approx(NOTHING, nan_ok=True)


def covered(seed: int) -> Cells:
    draws = np.random.default_rng(seed)
    rows = [
        (service, tenure, peak, arm, n := int(draws.integers(20, 90)), int(draws.binomial(n, 0.1 + 0.08 * arm)))
        for service in "abc"
        for tenure in (0, 1, 2)
        for peak in (0, 1)
        for arm in (0, 1)
    ]
    columns = ["service", "author_tenure_days", "at_peak", "exposed", "n", "events"]
    return Cells(pd.DataFrame(rows, columns=columns), ("service",))


@pytest.mark.parametrize("held", [("author_tenure_days", "at_peak"), ("at_peak",), ()])
def test_the_logit_is_that_of_statsmodels(held):
    cells = covered(3)
    frame = cells.frame.drop(columns=[name for name in ("author_tenure_days", "at_peak") if name not in held])
    dummies = [pd.get_dummies(frame[name], prefix=name, drop_first=True, dtype=float) for name in held]
    design = pd.concat([pd.Series(1.0, frame.index, name="one"), frame["exposed"].astype(float), *dummies], axis=1)
    counts_of = np.column_stack([frame["events"], frame["n"] - frame["events"]])
    fit = sm.GLM(counts_of, design, family=sm.families.Binomial()).fit(tol=1e-12)
    low, high = np.exp(fit.conf_int().loc["exposed"])
    assert logit_without_clusters(Cells(frame, ("service",)))[:3] == approx(
        (exp(fit.params["exposed"]), low, high), rel=1e-6
    )


@pytest.mark.parametrize("events", [0, 1])
def test_where_nothing_or_everything_failed_the_logit_says_nothing(events):
    frame = covered(1).frame.assign(events=lambda each: events * each["n"])
    assert logit_without_clusters(Cells(frame, ("service",))) == approx(NOTHING, nan_ok=True)


MONDAY = pd.Timestamp("2026-01-05", tz="UTC")


def shipped(shares: list[int]) -> pd.DataFrame:
    """Ten changes a week, one a quarter of a day, and how many of them were AI-assisted."""
    rows = [
        (f"d{week}_{n}", MONDAY + pd.Timedelta(days=7 * week, hours=6 * n), "a", "ai" if n < assisted else "human")
        for week, assisted in enumerate(shares)
        for n in range(10)
    ]
    return pd.DataFrame(rows, columns=["deployment_id", "deployed_at", "service", "assistance"])


def failing(counts_by_week: list[int], cause: str | None = None) -> pd.DataFrame:
    """Two incidents an hour apart after each of the first so many changes of a week: one failed change each."""
    rows = [
        (MONDAY + pd.Timedelta(days=7 * week, hours=6 * n + hour), "a", cause)
        for week, failed in enumerate(counts_by_week)
        for n in range(failed)
        for hour in (1, 2)
    ]
    frame = pd.DataFrame(rows, columns=["started_at", "service", "cause"])
    return frame.astype({"cause": "str"}).assign(started_at=pd.to_datetime(frame["started_at"], utc=True))


RISING = [1, 2, 3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize(
    ("failed", "side"),
    [
        (RISING, 1),
        (RISING[::-1], -1),
        ([4, 1, 5, 2, 3, 5, 1, 4], 0),
        ([3] * 8, 0),  # what never varies goes along with nothing
    ],
)
def test_the_weekly_correlation_claims_the_sign_of_r_where_p_is_small(failed, side):
    found = weekly_correlation(shipped(RISING), failing(failed))
    assert found.side == side
    assert isnan(found.value) and (found.low, found.high) == (0, inf)
    if len(set(failed)) > 1:
        r, p = stats.pearsonr([share / 10 for share in RISING], [each / 10 for each in failed])
        assert side == (np.sign(r) if p < 0.05 else 0)


def test_incidents_of_another_cause_and_of_other_services_fail_no_change():
    elsewhere = failing(RISING).assign(service="b")
    assert weekly_correlation(shipped(RISING), failing(RISING, cause="other")) == approx(NOTHING, nan_ok=True)
    assert weekly_correlation(shipped(RISING), elsewhere) == approx(NOTHING, nan_ok=True)


def at(*days_before: float, column: str) -> pd.DataFrame:
    last = pd.Timestamp("2026-06-30", tz="UTC")
    return pd.DataFrame({column: [last - pd.Timedelta(days=days) for days in days_before]})


def test_year_on_year_by_hand():
    deployments = at(0, *[10] * 199, 400, *[500] * 99, 300, 200, column="deployed_at")
    # Half a year: what began exactly 181 days before its end is outside, and its end is inside.
    inside = (*[20] * 39, 0, *[380] * 9, 365)
    outside = (181, 200, 365 + 181, 364.9)
    found = year_on_year(deployments, at(*inside, *outside, column="started_at"))
    # 40 incidents of 200 changes now, 10 of 100 then
    assert found == approx(Reading.of_log(log(2), sqrt(1 / 40 + 1 / 10)))


def test_year_on_year_says_nothing_where_a_half_year_is_empty():
    deployments = at(0, 10, 400, column="deployed_at")
    assert year_on_year(deployments, at(20, column="started_at")) == approx(NOTHING, nan_ok=True)
    assert year_on_year(at(0, 10, column="deployed_at"), at(20, 400, column="started_at")) == approx(
        NOTHING, nan_ok=True
    )


def known(draws: np.random.Generator, ratio: float, changes: int = 6000) -> Simulated:
    """Changes whose risk without AI is known, the fragile ones written with AI more often."""
    risk = draws.uniform(0.01, 0.09, changes)
    assisted = draws.random(changes) < 5 * risk
    failed = draws.random(changes) < risk * np.where(assisted, ratio, 1)
    columns = {"reaction": False, "assisted": assisted, "failed": failed, "p_human": risk}
    nothing = pd.DataFrame()
    return Simulated(nothing, nothing, nothing, None, pd.DataFrame(columns, index=range(changes)))


@pytest.mark.parametrize("ratio", [0.6, 1.0, 2.0])
def test_the_oracle_is_centred_on_what_was_planted_and_as_sure_as_it_says(ratio):
    draws, runs = np.random.default_rng(8), 200
    found = [oracle(known(draws, ratio)) for _ in range(runs)]
    error = np.array([log(each.high / each.low) / (2 * 1.959964) for each in found])
    z = (np.log([each.value for each in found]) - log(ratio)) / error
    # Of 200 standard normal values the mean lies within 0.21 and the SD within 0.85 and 1.15, 997 times in 1,000.
    assert abs(z.mean()) < 3 / sqrt(runs)
    assert z.std() == approx(1, abs=3 / sqrt(2 * runs))


def test_the_oracle_of_a_simulated_organisation_finds_its_ratio():
    world = WORLDS["harm_20"]
    off = []
    for seed in range(4):
        one = simulate(world, seed)
        found = oracle(one)
        off.append((log(found.value) - log(one.truth.total_risk_ratio)) / log(found.high / found.value) * 1.96)
    assert abs(np.mean(off)) < 3 / sqrt(len(off))


def test_the_oracle_leaves_reactions_out_and_says_nothing_without_failures():
    one = known(np.random.default_rng(2), 2.0)
    reactions = one.potential.assign(reaction=True, failed=True, p_human=nan)
    assert oracle(replace(one, potential=pd.concat([one.potential, reactions]))) == approx(oracle(one))
    assert oracle(replace(one, potential=one.potential.assign(failed=False))) == approx(NOTHING, nan_ok=True)


# --- summed up

COLUMNS = ("value", "low", "high", "side", "call", "gates")
FOUR = [
    (2.2, 1.2, 4.0, 1, "more", ""),
    (2.0, 1.1, 3.9, 1, "more_size_unsettled", ""),
    (1.1, 0.9, 1.4, 0, "no_material_difference", ""),
    (nan, 0.0, inf, 0, "cannot_tell", "overlap direction"),
]


def run_rows(world: str, reading: str, truth: float, found: list[tuple]) -> list[dict]:
    known_of = {"world": world, "reading": reading, "truth": truth}
    return [{**known_of, "seed": seed, **dict(zip(COLUMNS, each, strict=False))} for seed, each in enumerate(found)]


def test_runs_are_summed_up_by_hand():
    summary = summarised(run_rows("w", VERDICT, 2.0, FOUR)).iloc[0]
    assert (summary["world"], summary["reading"], summary["runs"], summary["truth"]) == ("w", VERDICT, 4, 2.0)
    assert (summary["harm"], summary["benefit"]) == (0.5, 0.0)
    assert summary["interval"] == 0.75  # of four runs one has none …
    assert summary["coverage"] == approx(2 / 3)  # … and of the other three the third misses 2
    assert summary["bias"] == approx((log(1.1) + log(1.0) + log(0.55)) / 3)
    calls = ("more", "fewer", "no_material_difference", "cannot_tell", "gate")
    assert [summary[call] for call in calls] == [0.25, 0.0, 0.25, 0.25, 0.25]


def test_monte_carlo_errors_are_those_of_counting_so_many_runs_and_no_more():
    summary = summarised(run_rows("w", VERDICT, 2.0, FOUR)).iloc[0]
    # One hit and one miss are added to both (so that none in four is no proof of none): of six, three, one, two …
    assert summary["error_harm"] == approx(sqrt(3 / 6 * 3 / 6 / 6))
    assert summary["error_benefit"] == approx(sqrt(1 / 6 * 5 / 6 / 6))
    assert summary["error_gate"] == approx(sqrt(2 / 6 * 4 / 6 / 6))
    assert summary["error_coverage"] == approx(sqrt(3 / 5 * 2 / 5 / 5))  # … and of the three with an interval, and two
    assert summary["error_bias"] == approx(np.std([log(1.1), 0, log(0.55)], ddof=1) / sqrt(3))


def test_a_ratio_of_zero_has_an_interval_and_no_logarithm():
    zero = (0.0, 0.0, 2.5, 0, "cannot_tell", "")
    summary = summarised(run_rows("w", VERDICT, 2.0, [FOUR[0], zero])).iloc[0]
    assert (summary["interval"], summary["coverage"]) == (1.0, 1.0)
    assert summary["bias"] == approx(log(1.1))


def test_a_reading_that_gives_a_direction_only_has_no_coverage():
    directions = [(nan, 0.0, inf, side) for side in (1, -1, 0, 0)]
    summary = summarised(run_rows("w", "weekly correlation", 1.0, directions)).iloc[0]
    assert (summary["harm"], summary["benefit"], summary["interval"]) == (0.25, 0.25, 0.0)
    assert summary[["coverage", "bias", "error_coverage", "error_bias"]].isna().all()
    assert "cannot_tell" not in summary


def test_worlds_and_readings_stay_in_the_order_they_were_run():
    rows_of = [
        row
        for world in ("z", "a")
        for reading in (VERDICT, "total.risk_ratio", ORACLE)
        for row in run_rows(world, reading, 1.0, FOUR)
    ]
    summary = summarised(rows_of)
    assert summary["world"].tolist() == ["z"] * 3 + ["a"] * 3
    assert readings_in(summary) == [VERDICT, "total.risk_ratio", ORACLE]


# --- promises


def judged(truth: float, *, services: int = 40, seen: float = 1.0, **ours: float) -> dict[str, Target]:
    """Promise → what became of it, in a world where the verdict and the oracle did as said."""
    nothing = dict.fromkeys(("harm", "benefit", "more", "fewer", "no_material_difference"), 0.0)
    did = {**nothing, "coverage": 0.95, **ours}
    errors = {f"error_{name}": 0.01 for name in did}
    summary = pd.DataFrame(
        [
            {"world": "w", "reading": VERDICT, "truth": truth, **did, **errors},
            {"world": "w", "reading": ORACLE, "truth": truth, "harm": seen, "error_harm": 0.02},
        ]
    )
    return {target.promise: target for target in targets(summary, {"w": services})}


POWER, COVERAGE = "power as a share of the oracle's", "coverage"
FALSE_HARM, FALSE_BENEFIT = "false harm", "false benefit"
HARM_FOR_BENEFIT, BENEFIT_FOR_HARM = "harm, where there is a benefit", "benefit, where there is a harm"
TOO_MUCH, NO_DIFFERENCE = "“more than 1.25”, where it is not", "“no material difference”, where there is one"

KEPT_AND_MISSED = [
    # planted, promise, what the verdict did, kept
    (1.0, FALSE_HARM, {"harm": 0.025}, True),
    (1.0, FALSE_HARM, {"harm": 0.026}, False),
    (1.0, FALSE_BENEFIT, {"benefit": 0.025}, True),
    (1.0, FALSE_BENEFIT, {"benefit": 0.026}, False),
    (0.6, HARM_FOR_BENEFIT, {"harm": 0.025}, True),
    (0.6, HARM_FOR_BENEFIT, {"harm": 0.026}, False),
    (1.5, BENEFIT_FOR_HARM, {"benefit": 0.025}, True),
    (1.5, BENEFIT_FOR_HARM, {"benefit": 0.026}, False),
    (1.25, TOO_MUCH, {"more": 0.025, "harm": 0.5}, True),
    (1.25, TOO_MUCH, {"more": 0.026}, False),
    (1.5, COVERAGE, {"coverage": 0.92}, True),
    (1.5, COVERAGE, {"coverage": 0.919}, False),
    (1.5, COVERAGE, {"coverage": 0.97}, True),
    (1.5, COVERAGE, {"coverage": 0.971}, False),
    (2.0, POWER, {"harm": 0.45, "seen": 0.5}, True),
    (2.0, POWER, {"harm": 0.449, "seen": 0.5}, False),
    (2.0, POWER, {"harm": 0.0, "seen": 0.5}, False),
    (1.5, POWER, {"harm": 0.8, "services": 8}, True),
    (1.5, POWER, {"harm": 0.799, "services": 8}, False),
    (1.5, POWER, {"harm": 0.8, "services": 9}, False),
    (1.25, NO_DIFFERENCE, {"no_material_difference": 0.05}, True),
    (1.25, NO_DIFFERENCE, {"no_material_difference": 0.051}, False),
    (0.6, NO_DIFFERENCE, {"no_material_difference": 0.051}, False),
]


@pytest.mark.parametrize(("truth", "promise", "did", "kept"), KEPT_AND_MISSED)
def test_each_promise_is_kept_up_to_its_boundary(truth, promise, did, kept):
    found = judged(truth, **did)[promise]
    assert (found.kept, found.world) == (kept, "w")


@pytest.mark.parametrize(
    ("truth", "promises"),
    [
        (1.0, {FALSE_HARM, FALSE_BENEFIT}),
        (1 + 1e-12, {FALSE_HARM, FALSE_BENEFIT}),  # null but for rounding
        (0.6, {HARM_FOR_BENEFIT, NO_DIFFERENCE}),
        (0.8, {HARM_FOR_BENEFIT, NO_DIFFERENCE}),
        (0.81, {HARM_FOR_BENEFIT}),
        (1.1, {BENEFIT_FOR_HARM, TOO_MUCH}),
        # The least ratio worth acting on is not more than itself, and is worth acting on; rounding changes neither.
        (1.25 - 1e-12, {BENEFIT_FOR_HARM, TOO_MUCH, NO_DIFFERENCE}),
        (1.25, {BENEFIT_FOR_HARM, TOO_MUCH, NO_DIFFERENCE}),
        (1.25 + 1e-12, {BENEFIT_FOR_HARM, TOO_MUCH, NO_DIFFERENCE}),
        (1.3, {BENEFIT_FOR_HARM, NO_DIFFERENCE}),
        (1.44, {BENEFIT_FOR_HARM, NO_DIFFERENCE}),
        (1.48, {BENEFIT_FOR_HARM, NO_DIFFERENCE, POWER}),
    ],
)
def test_what_is_promised_hangs_on_what_was_planted(truth, promises):
    assert set(judged(truth)) == promises | {COVERAGE}


def test_without_any_interval_no_coverage_is_promised():
    assert set(judged(1.0, coverage=nan)) == {FALSE_HARM, FALSE_BENEFIT}


def test_where_the_oracle_sees_nothing_there_is_no_share_of_it():
    assert POWER not in judged(2.0, seen=0.0)


def test_a_target_says_what_was_found_how_surely_and_what_was_wanted():
    found = judged(1.0, harm=0.031)[FALSE_HARM]
    assert found == Target("w", "false harm", 0.031, 0.01, "at most 2.5%", False)
    power = judged(2.0, harm=0.4, seen=0.5)[POWER]
    assert (power.found, power.wanted) == (approx(0.8), "at least 90%")
    assert power.error == approx(0.8 * sqrt((0.01 / 0.4) ** 2 + (0.02 / 0.5) ** 2))  # of a ratio, by the delta method


# --- how far a long job is


def test_progress_is_told_every_five_seconds_and_at_the_end():
    said: list[str] = []
    moments = iter([0.0, 2.0, 6.0, 8.0, 200.0, 201.0])
    progress = Progress(1000, said.append, clock=lambda: next(moments))
    for done in (100, 100, 100, 600, 100):
        progress.advance(done, "harm_20")
    assert said == [
        "  200 of 1,000 organisations (harm_20); 24 s left",  # two seconds in nothing was said
        "  900 of 1,000 organisations (harm_20); 22 s left",
        "  1,000 of 1,000 organisations (harm_20); 0 s left",
    ]


def test_a_long_wait_is_told_in_minutes():
    said: list[str] = []
    moments = iter([0.0, 600.0])
    Progress(10, said.append, clock=lambda: next(moments)).advance(1, "harm_20")
    assert said == ["  1 of 10 organisations (harm_20); 90 min left"]


def test_worlds_of_the_error_rates_share_a_scale_unless_they_are_about_it():
    scales: dict[int, list[World]] = {}
    for world in VALIDATION_WORLDS.values():
        scales.setdefault(world.scale.deployments, []).append(world)
    assert [world.name for world in scales[20_000]] == ["many_services"]
    assert set(scales) == {10_000, 20_000}
