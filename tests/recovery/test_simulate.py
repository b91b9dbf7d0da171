"""The invented organisations hold the truth they claim, and hide it the way real data do."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date
from graphlib import TopologicalSorter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterfault.simulate import (
    WORLDS,
    Adoption,
    Effect,
    Outages,
    Register,
    Risk,
    Scale,
    Simulated,
    World,
    simulate,
)

LARGE = 240_000  # deployments; some 4,000 failures, so a ratio is known to about 4 %
SEED = 7


def labelled_routine(simulated: Simulated) -> pd.DataFrame:
    """What a careful analyst compares, with the failures an oracle sees: one row per deployment."""
    rows = simulated.deployments.merge(simulated.potential.drop(columns="service"), on="deployment_id")
    rows = rows[~rows["reaction"] & rows["assistance"].isin(["ai", "human"])]
    quarter = rows["deployed_at"].dt.year * 4 + rows["deployed_at"].dt.quarter
    return rows.assign(ai=rows["assistance"] == "ai", quarter=quarter)


def crude_ratio(rows: pd.DataFrame) -> float:
    return float(rows.loc[rows["ai"], "failed"].mean() / rows.loc[~rows["ai"], "failed"].mean())


def within_service_and_quarter(rows: pd.DataFrame) -> tuple[float, float]:
    """Mantel-Haenszel risk ratio and a standard error of its log (strata ignored: slightly too small)."""
    table = rows.groupby(["service", "quarter", "ai"])["failed"].agg(["sum", "count"]).unstack("ai").fillna(0)
    a, n1 = table["sum"][True], table["count"][True]
    c, n0 = table["sum"][False], table["count"][False]
    total = n1 + n0
    ratio = (a * n0 / total).sum() / (c * n1 / total).sum()
    return float(ratio), math.sqrt(1 / a.sum() + 1 / c.sum())


@pytest.fixture(scope="module")
def demo() -> Simulated:
    return simulate(WORLDS["demo"], SEED)


@pytest.fixture(scope="module")
def large_null() -> Simulated:
    return simulate(WORLDS["null_confounded"].of_size(LARGE), SEED)


# --- the truth


@pytest.mark.parametrize("name", ["null", "null_confounded"])
def test_in_a_null_world_no_single_change_would_have_fared_differently(name):
    potential = simulate(WORLDS[name].of_size(4_000), SEED).potential
    assert potential["p_ai"].equals(potential["p_human"])


def test_in_a_confounded_null_world_the_crude_ratio_cries_harm_and_the_stratified_one_does_not(large_null):
    rows = labelled_routine(large_null)
    ratio, error = within_service_and_quarter(rows)
    assert large_null.truth.total_risk_ratio == 1
    assert crude_ratio(rows) > 1.2
    assert abs(math.log(ratio)) < 3 * error


@pytest.mark.parametrize(("name", "planted"), [("harm", 1.8), ("benefit", 0.6)])
def test_a_planted_ratio_is_found_within_services(name, planted):
    simulated = simulate(WORLDS[name].of_size(LARGE), SEED)
    ratio, error = within_service_and_quarter(labelled_routine(simulated))
    assert simulated.truth.total_risk_ratio == pytest.approx(planted, rel=1e-9)
    assert simulated.truth.direct_risk_ratio == pytest.approx(planted, rel=1e-9)
    assert abs(math.log(ratio / planted)) < 3 * error


def test_the_truth_is_the_sum_over_the_changes_that_used_ai(demo):
    rows = demo.potential[~demo.potential["reaction"] & demo.potential["assisted"]]
    with_ai, without = math.fsum(rows["p_ai"]), math.fsum(rows["p_human"])
    truth = demo.truth
    assert truth.total_risk_ratio == pytest.approx(with_ai / without)
    assert truth.attributable_failures == pytest.approx(with_ai - without)
    assert truth.total_risk_difference == pytest.approx((with_ai - without) / len(rows))
    assert truth.direct_risk_ratio == pytest.approx(math.fsum(rows["p_ai_held"]) / math.fsum(rows["p_human_held"]))


def test_changes_fail_as_often_as_their_risks_say(demo):
    rows = demo.potential[~demo.potential["reaction"]]
    for _, group in rows.groupby("assisted"):
        risk = np.where(group["assisted"], group["p_ai"], group["p_human"])
        spread = math.sqrt((risk * (1 - risk)).sum())
        assert abs(group["failed"].sum() - risk.sum()) < 4 * spread


def test_the_mean_risk_without_ai_is_the_one_the_world_states(demo):
    rows = demo.potential[~demo.potential["reaction"]]
    assert rows["p_human"].mean() == pytest.approx(WORLDS["demo"].risk.base, rel=0.001)


def test_an_interaction_multiplies_the_effect_where_its_condition_holds():
    world = replace(WORLDS["null"].of_size(6_000), effect=Effect(risk=1.5, at_peak=2.0))
    simulated = simulate(world, SEED)
    ratio = simulated.potential["p_ai"] / simulated.potential["p_human"]
    at_peak = simulated.deployments["at_peak"] & ~simulated.potential["reaction"]
    off_peak = ~simulated.deployments["at_peak"] & ~simulated.potential["reaction"]
    assert ratio[off_peak].to_numpy() == pytest.approx(1.5)
    assert ratio[at_peak].to_numpy() == pytest.approx(3.0)
    assert simulated.truth.planted_interactions["at_peak"] == 2.0


def test_an_effect_by_way_of_size_is_total_and_not_direct():
    # Twice the lines at 1.15 per e-fold: 1.15 ** ln 2 = 1.1017, but for whole lines.
    world = replace(WORLDS["null"].of_size(6_000), effect=Effect(lines=2.0))
    truth = simulate(world, SEED).truth
    assert truth.direct_risk_ratio == 1
    assert truth.total_risk_ratio == pytest.approx(1.1017, abs=0.003)


def test_ai_that_worsens_severity_shows_in_the_severe_ratio_alone():
    # Odds 0.2 / 0.8 times 1.5 make 0.375, a share of 3 / 11: over 0.2 that is 1.3636.
    truth = simulate(replace(WORLDS["null"].of_size(6_000), effect=Effect(severe=1.5)), SEED).truth
    assert truth.total_risk_ratio == 1
    assert truth.severe_risk_ratio == pytest.approx(1.3636, abs=5e-5)


# --- the demo organisation's shape


def test_the_demo_misleads_crudely_and_tells_the_truth_within_services():
    # Over several draws: one organisation of this size knows its ratio to about 9 %.
    draws = [simulate(WORLDS["demo"], seed) for seed in range(8)]
    rows = [labelled_routine(draw) for draw in draws]
    truth = np.mean([draw.truth.total_risk_ratio for draw in draws])
    assert 1.6 < truth < 1.7
    assert np.mean([crude_ratio(r) for r in rows]) > 1.3 * truth
    assert np.mean([within_service_and_quarter(r)[0] for r in rows]) == pytest.approx(truth, rel=0.08)
    assert all(1.02 < draw.truth.total_risk_ratio / draw.truth.direct_risk_ratio < 1.2 for draw in draws)


def test_the_share_of_ai_grows_to_four_times_its_start(large_null):
    rows = large_null.deployments.assign(assisted=large_null.potential["assisted"])
    share = rows.groupby([rows["deployed_at"].dt.year, rows["deployed_at"].dt.quarter])["assisted"].mean()
    assert share.is_monotonic_increasing
    assert share.iloc[0] == pytest.approx(0.11, abs=0.006)
    assert share.iloc[-1] == pytest.approx(0.44, abs=0.01)
    assert share.iloc[-1] / share.iloc[0] == pytest.approx(4, rel=0.08)


def test_unknown_labels_come_mostly_early_and_say_nothing_about_failure(large_null):
    rows = large_null.deployments.merge(large_null.potential, on="deployment_id")
    unknown = rows["assistance"] == "unknown"
    days = (rows["deployed_at"] - rows["deployed_at"].min()).dt.days
    assert 0.05 < unknown.mean() < 0.07
    assert unknown[days < 180].sum() > 2 / 3 * unknown.sum()
    early = rows[days < 180]
    failing = early.groupby(early["assistance"] == "unknown")["failed"].agg(["mean", "sum"])
    difference = math.log(failing["mean"][True] / failing["mean"][False])
    assert abs(difference) < 3 * math.sqrt((1 / failing["sum"]).sum())


def test_lags_are_hours_for_most_and_days_for_some(large_null):
    at = large_null.deployments.set_index("deployment_id")["deployed_at"]
    started = large_null.incidents.set_index("incident_id")["started_at"]
    links = large_null.truth.true_caused_by
    lag = started.loc[list(links)].reset_index(drop=True) - at.loc[list(links.values())].reset_index(drop=True)
    hours = lag.dt.total_seconds() / 3600
    assert hours.min() > 0
    assert 2 < hours.median() < 4
    assert (hours <= 24).mean() > 0.75
    assert (hours <= 72).mean() == pytest.approx(0.9, abs=0.05)


# --- the register


def test_what_people_recorded_is_true_and_covers_two_in_three(large_null):
    caused = large_null.incidents.dropna(subset="caused_by").set_index("incident_id")["caused_by"]
    assert caused.to_dict().items() <= large_null.truth.true_caused_by.items()
    assert len(caused) / len(large_null.truth.true_caused_by) == pytest.approx(0.65, abs=0.03)
    assert (large_null.incidents.set_index("incident_id").loc[caused.index, "cause"] == "change").all()


def test_nothing_happens_outside_the_record(demo):
    broken = demo.truth.broken_rows["incidents"]
    incidents = demo.incidents[~demo.incidents["incident_id"].isin(list(broken))]
    times = [demo.deployments[name] for name in ("deployed_at", "label_recorded_at")]
    times += [incidents[name] for name in ("started_at", "detected_at", "resolved_at")]
    for time in times:
        assert time.min() >= pd.Timestamp("2025-01-01", tz="UTC")
        assert time.max() < pd.Timestamp("2026-07-01", tz="UTC")
        assert (time.dropna() == time.dropna().dt.floor("s")).all()


def test_reactions_are_shipped_while_their_incident_is_open_on_its_service(demo):
    reactions = pd.DataFrame(demo.truth.reaction_to.items(), columns=["deployment_id", "incident_id"])
    rows = reactions.merge(demo.deployments, on="deployment_id").merge(
        demo.incidents, on="incident_id", suffixes=("", "_of_incident")
    )
    assert len(rows) == len(reactions) == 360
    assert (rows["deployed_at"] > rows["detected_at"]).all()
    assert (rows["deployed_at"] < rows["resolved_at"]).all()
    assert (rows["service"] == rows["service_of_incident"]).all()
    assert (rows["is_hotfix"] ^ rows["is_rollback"]).all()
    assert not set(rows["deployment_id"]) & set(demo.truth.true_caused_by.values())
    assert demo.deployments["is_hotfix"].sum() + demo.deployments["is_rollback"].sum() == len(rows)


def test_a_few_labels_are_written_after_the_incident_they_explain(demo):
    started = demo.incidents.set_index("incident_id")["started_at"]
    links = demo.truth.true_caused_by
    causes = demo.deployments.set_index("deployment_id").loc[list(links.values())]
    late = causes["label_recorded_at"].to_numpy() > started.loc[list(links)].to_numpy()
    assert 0.01 < late.mean() < 0.10


def test_applications_stand_on_the_platform_and_nothing_goes_in_circles(demo):
    good = demo.deployments.dropna(subset="service")
    layer = good.drop_duplicates("service").set_index("service")["layer"]
    calls = demo.dependencies.groupby("service")["depends_on"].agg(set).to_dict()
    assert len(list(TopologicalSorter(calls).static_order())) == 40  # raises CycleError on a circle
    assert set(demo.dependencies["depends_on"].map(layer)) == {"platform"}
    assert {service for service in layer.index if layer[service] == "application"} <= set(calls)
    assert good.groupby("service")["team"].nunique().max() == 1
    assert good["team"].nunique() == 12


def test_ai_columns_are_filled_only_where_the_label_is_known(demo):
    good = demo.deployments[~demo.deployments["deployment_id"].isin(demo.truth.broken_rows["deployments"])]
    by_label = good.groupby("assistance")[["ai_share", "ai_tool", "label_tier", "validated"]].agg(
        lambda column: column.notna().mean()
    )
    assert by_label.loc["ai"].eq(1).all()
    assert by_label.loc["human"].to_dict() == {"ai_share": 1, "ai_tool": 0, "label_tier": 1, "validated": 0}
    assert by_label.loc["unknown"].eq(0).all()
    assert (good.loc[good["assistance"] == "human", "ai_share"] == 0).all()


# --- seeds, sizes, settings


def test_a_seed_fixes_every_row_and_another_seed_does_not():
    world = WORLDS["demo"].of_size(3_000)
    one, same, other = simulate(world, 1), simulate(world, 1), simulate(world, 2)
    for table in ("deployments", "incidents", "dependencies", "potential"):
        pd.testing.assert_frame_equal(getattr(one, table), getattr(same, table))
    assert one.truth.to_json() == same.truth.to_json()
    assert not one.deployments["deployed_at"].equals(other.deployments["deployed_at"])


@settings(max_examples=25, deadline=None)
@given(
    deployments=st.integers(1, 400),
    services=st.integers(1, 60),
    teams=st.integers(1, 15),
    platform_share=st.sampled_from([0.0, 0.35, 1.0]),
    base=st.sampled_from([0.0, 0.02, 0.4]),
    elsewhere=st.integers(0, 20),
    broken_rows=st.booleans(),
    seed=st.integers(0, 10_000),
)
def test_any_organisation_keeps_its_accounts(
    deployments, services, teams, platform_share, base, elsewhere, broken_rows, seed
):
    world = World(
        name="drawn",
        scale=Scale(
            deployments=deployments,
            services=services,
            teams=min(teams, services),
            platform_share=platform_share,
        ),
        risk=Risk(base=base),
        outages=Outages(elsewhere=elsewhere),
        register=Register(broken_rows=broken_rows),
    )
    found = simulate(world, seed)
    counts = found.truth.counts
    bad = {table: len(rows) for table, rows in found.truth.broken_rows.items()}
    assert len(found.deployments) == counts["deployments"] + bad.get("deployments", 0)
    assert len(found.incidents) == counts["incidents"] + bad.get("incidents", 0)
    assert found.deployments["deployment_id"].is_unique and found.incidents["incident_id"].is_unique
    assert counts["labelled_ai"] + counts["labelled_human"] + counts["labelled_unknown"] == counts["deployments"]
    assert counts["failures"] == counts["incidents_caused_by_changes"] + counts["failures_unnoticed_at_the_end"]
    assert len(found.truth.true_caused_by) == counts["incidents_caused_by_changes"]
    planned = round(deployments * world.register.reactions)
    assert deployments - planned + counts["reactions"] == counts["deployments"] <= deployments


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        (
            {"scale": Scale(services=3, teams=4)},
            "world 'odd': 4 teams cannot share 3 services; give every team at least one service.",
        ),
        (
            {"scale": Scale(last_day=date(2025, 3, 31))},
            "world 'odd' lasts 90 days; it needs a first and a last quarter, at least 182 days.",
        ),
        (
            {"scale": Scale(deployments=0)},
            "world 'odd': scale.deployments is 0; it must be above 0.",
        ),
        (
            {"adoption": Adoption(last_quarter=44)},
            "world 'odd': adoption.last_quarter is 44; it must lie between 0 and 1.",
        ),
        (
            {"adoption": Adoption(riskier_adopters=-2)},
            "world 'odd': adoption.riskier_adopters is -2; it is a correlation, between -1 and 1.",
        ),
        (
            {"effect": Effect(risk=0)},
            "world 'odd': effect.risk is 0; it must be above 0.",
        ),
        (
            {"outages": Outages(elsewhere=-1)},
            "world 'odd': outages.elsewhere is -1; it must not be below 0.",
        ),
    ],
)
def test_an_impossible_world_is_refused_in_one_sentence(settings_, message):
    with pytest.raises(ValueError) as refused:
        World(name="odd", **settings_)
    assert str(refused.value) == message
