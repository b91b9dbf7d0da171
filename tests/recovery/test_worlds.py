"""Every world that examines the analysis is what its reason says, and a mechanism touches only its own subject."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import default_rng

from counterfault.simulate import (
    VALIDATION_WORLDS,
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
from counterfault.simulate.services import found

SEED = 11
NULL = (
    "null_standard",
    "simpson",
    "adoption_falling",
    "adoption_rising",
    "size_harmless",
    "detection_bias",
    "coincidence_only",
    "hotfix",
    "bursts",
    "teams_assigned",
    "six_services",
    "rare_events",
    "many_services",
)
OF_ANOTHER_SCALE = ("six_services", "six_services_harm", "six_services_harm_20", "many_services")


@cache
def drawn(name: str, seed: int = SEED) -> Simulated:
    return simulate(VALIDATION_WORLDS[name], seed)


def rows(simulated: Simulated) -> pd.DataFrame:
    """Routine changes with all that was written about them and all that was true."""
    known = simulated.potential.drop(columns=["service", "deployment_id"])
    return pd.concat([simulated.deployments, known], axis=1)[~known["reaction"]]


def within(found: float, expected: float, error: float) -> bool:
    """Four standard errors: once in 16,000 draws by chance."""
    return abs(found - expected) < 4 * error


# --- the list


def test_every_world_is_listed_under_its_name_with_one_sentence_of_reason():
    assert set(VALIDATION_WORLDS) <= set(WORLDS)
    for name, world in WORLDS.items():
        assert world.name == name
        assert world.reason.endswith(".") and ". " not in world.reason and len(world.reason) > 40


def test_the_worlds_share_one_scale_unless_they_are_about_scale():
    standard = Scale(deployments=10_000, services=40, teams=12)
    for name, world in VALIDATION_WORLDS.items():
        assert (world.scale == standard) == (name not in OF_ANOTHER_SCALE)


@pytest.mark.parametrize("name", sorted(set(VALIDATION_WORLDS) - {"many_services"}))
def test_an_organisation_has_exactly_the_deployments_it_was_asked_for(name):
    assert len(drawn(name).deployments) == drawn(name).truth.counts["deployments"] == 10_000


@pytest.mark.parametrize("name", sorted(set(NULL) - set(OF_ANOTHER_SCALE) - {"coincidence_only", "rare_events"}))
def test_a_null_world_of_the_standard_scale_has_about_300_incidents(name):
    counts = drawn(name).truth.counts
    # The sum of independent failures varies at most like a Poisson count of the same mean.
    assert within(counts["failures"], 232, math.sqrt(232))
    assert counts["incidents"] == pytest.approx(counts["failures"] + 70, abs=12)  # but for the unnoticed at the end


# --- worlds in which AI does nothing


@pytest.mark.parametrize("name", NULL)
def test_in_a_null_world_no_change_would_have_fared_differently(name):
    simulated = drawn(name)
    routine = rows(simulated)
    assert (routine["p_ai"] == routine["p_human"]).all()
    truth = simulated.truth
    assert truth.total_risk_ratio == truth.total_risk_ratio_everyone == truth.direct_risk_ratio == 1
    assert truth.severe_risk_ratio == 1
    assert truth.attributable_failures == truth.total_risk_difference == 0


def test_all_other_worlds_have_an_effect():
    for name in set(VALIDATION_WORLDS) - set(NULL):
        assert drawn(name).truth.total_risk_ratio != 1


@pytest.mark.parametrize("name", ["simpson", "many_services"])
def test_fragile_services_use_ai_more_and_the_crude_ratio_shows_a_harm(name):
    assert drawn(name).truth.crude_risk_ratio > 1.25
    routine = rows(drawn(name))
    by_service = routine.groupby("service").agg(
        use=("assisted", "mean"), risk=("p_human", "mean"), changes=("failed", "size")
    )
    busy = by_service[by_service["changes"] >= 5]
    assert busy["use"].corr(busy["risk"], method="spearman") > 0.3


@pytest.mark.parametrize(("name", "times"), [("adoption_falling", 1 / 2.5), ("adoption_rising", 2.5)])
def test_ai_spreads_from_one_in_twenty_to_seven_in_ten_while_the_base_rate_moves(name, times):
    routine = rows(simulate(VALIDATION_WORLDS[name].of_size(40_000), SEED))
    when = routine["second"] / routine["second"].max()
    first, last = when < 1 / 6, when > 5 / 6
    assert routine.loc[first, "assisted"].mean() == pytest.approx(0.05, abs=0.01)
    assert routine.loc[last, "assisted"].mean() == pytest.approx(0.70, abs=0.03)
    # From the middle of the first sixth to the middle of the last are five sixths of the way.
    moved = routine.loc[last, "p_human"].mean() / routine.loc[first, "p_human"].mean()
    assert moved == pytest.approx(times ** (5 / 6), rel=0.06)


def test_the_crude_ratio_follows_the_base_rate_in_the_worlds_of_adoption():
    assert drawn("adoption_falling").truth.crude_risk_ratio < 0.9
    assert drawn("adoption_rising").truth.crude_risk_ratio > 1.1


def test_ai_writes_bigger_changes_where_size_is_harmless_and_where_it_is_not():
    for name in ("size_harmless", "size_harmful"):
        routine = rows(drawn(name))
        medians = routine.groupby("assisted")["lines_added"].median()
        assert medians[True] / medians[False] == pytest.approx(2.5, rel=0.15)


def test_where_size_harms_the_total_effect_is_real_and_all_of_it_goes_through_size():
    # 2.5 times the lines at 1.45 per e-fold: 1.45 ** ln 2.5 = 1.4056, but for whole lines and the ceiling.
    truth = drawn("size_harmful").truth
    assert truth.total_risk_ratio == pytest.approx(1.45 ** math.log(2.5), abs=0.01)
    assert truth.direct_risk_ratio == 1


def test_labels_corrected_after_an_incident_exist_only_among_the_failed():
    simulated = drawn("detection_bias")
    deployments = simulated.deployments.set_index("deployment_id")
    incidents = simulated.incidents.set_index("incident_id")
    links = simulated.truth.true_caused_by
    label = deployments.loc[list(links.values()), "label_recorded_at"].to_numpy()
    after = label > incidents.loc[list(links), "started_at"].to_numpy()
    assert 10 < after.sum() < len(links) / 2
    late = (deployments["label_recorded_at"] - deployments["deployed_at"]) > pd.Timedelta(hours=2)
    failed = simulated.potential.set_index("deployment_id")["failed"]
    assert late.sum() > 10 and failed[late[late].index].all()


def test_detection_bias_is_in_the_labels_alone_and_makes_a_harm_of_them():
    ratios = []
    for seed in range(4):
        simulated = drawn("detection_bias", seed)
        assert simulated.truth.label_sensitivity_of_failed > simulated.truth.label_sensitivity + 0.05
        assert simulated.truth.label_specificity == 1
        failing = rows(simulated).groupby("assistance")["failed"].mean()
        ratios.append(failing["ai"] / failing["human"])
    assert np.mean(ratios) > 1.3


def test_overlooked_use_is_called_human_as_often_as_it_is_left_open():
    routine = rows(drawn("detection_bias"))
    settled = routine[(routine["second"] > 300 * 86_400) & routine["assisted"]]  # hardly any label open but for this
    shares = settled["assistance"].value_counts(normalize=True)
    assert shares["ai"] == pytest.approx(0.6, abs=0.06)
    assert shares["human"] == pytest.approx(0.2, abs=0.05)
    assert shares["unknown"] == pytest.approx(0.2, abs=0.05)


def test_where_all_is_coincidence_no_change_fails_and_most_causes_are_unknown():
    simulated = drawn("coincidence_only")
    assert not simulated.potential["failed"].any()
    assert len(simulated.incidents) == pytest.approx(300, abs=5)
    assert simulated.incidents["caused_by"].isna().all() and not simulated.truth.true_caused_by
    assert (simulated.incidents["cause"] == "unknown").mean() > 0.75
    assert math.isnan(simulated.truth.crude_risk_ratio)  # no risk to compare
    assert json.loads(simulated.truth.to_json())["crude_risk_ratio"] is None


def test_incidents_are_answered_with_ai_and_not_all_answers_are_flagged():
    simulated = drawn("hotfix")
    reactions = simulated.deployments[simulated.potential["reaction"]]
    routine = simulated.deployments[~simulated.potential["reaction"]]
    assisted = simulated.potential.groupby("reaction")["assisted"].mean()
    flagged = reactions["is_hotfix"] | reactions["is_rollback"]
    assert len(reactions) == 250
    assert assisted[True] > 0.65 and assisted[False] < 0.35
    assert within(1 - flagged.mean(), 0.4, math.sqrt(0.4 * 0.6 / 250))
    assert reactions["is_hotfix"].sum() > 3 * reactions["is_rollback"].sum()
    assert not reactions.loc[~flagged, "change_type"].isin(["hotfix", "rollback"]).any()
    assert not (routine["is_hotfix"] | routine["is_rollback"]).any()


def test_the_changes_of_a_service_and_week_share_their_luck_in_the_world_of_bursts():
    world = VALIDATION_WORLDS["bursts"].of_size(60_000)
    still = replace(world, risk=replace(world.risk, bursts=0.0), adoption=Adoption())
    restless, calm = (rows(simulate(each, SEED)) for each in (world, still))
    shock = np.log(restless["p_human"].to_numpy() / calm["p_human"].to_numpy())
    free = restless["p_human"].to_numpy() < world.risk.ceiling
    cells = pd.Series(shock[free]).groupby(
        [restless["service"].to_numpy()[free], restless["second"].to_numpy()[free] // (7 * 86_400)]
    )
    assert cells.std().max() < 1e-9
    # 40 × 78 weeks: the SD of normal numbers is known to 1.3 %; the ceiling cuts a little off the top.
    assert cells.first().std() == pytest.approx(1.5, rel=0.08)
    use = restless.groupby(["service", restless["second"] // (7 * 86_400)])["assisted"].agg(["mean", "size"])
    usual = calm.groupby(["service", calm["second"] // (7 * 86_400)])["assisted"].agg(["mean", "size"])
    assert use.loc[use["size"] >= 10, "mean"].std() > 1.4 * usual.loc[usual["size"] >= 10, "mean"].std()


def test_a_team_given_ai_uses_it_always_from_then_on_and_nobody_else_ever():
    simulated = drawn("teams_assigned")
    everything = simulated.deployments.assign(
        assisted=simulated.potential["assisted"], second=simulated.potential["second"]
    )
    with_ai = everything[everything["assisted"]].groupby("team")["second"].min()
    assert len(with_ai) == 6 and everything["team"].nunique() == 12
    without = everything[~everything["assisted"]].groupby("team")["second"].max()
    assert (without[with_ai.index] < with_ai).all()
    quarter = 546 * 86_400 / 4
    assert with_ai.between(quarter, 3 * quarter + 14 * 86_400).all()


def test_few_services_rare_events_and_many_services_are_what_their_names_say():
    six, rare, many = drawn("six_services"), drawn("rare_events"), drawn("many_services")
    assert six.deployments["service"].nunique() == 6 and six.deployments["team"].nunique() == 3
    assert within(rare.truth.counts["failures"], 41, math.sqrt(41))
    assert many.deployments["service"].nunique() > 4_500  # some of 5,000 ship nothing
    assert len(many.deployments) == 20_000


def test_each_of_many_applications_calls_two_to_four_platform_services():
    dependencies = drawn("many_services").dependencies
    called = set(dependencies["depends_on"])
    calls = dependencies[~dependencies["service"].isin(called)].groupby("service").size()
    assert len(called) == 100
    assert set(calls) == {2, 3, 4}
    assert calls.value_counts(normalize=True).to_numpy() == pytest.approx([1 / 3] * 3, abs=0.03)
    assert (called_by := dependencies.groupby("depends_on").size()).max() < 1.5 * called_by.median()


# --- worlds in which AI does something


@pytest.mark.parametrize(
    ("name", "planted"),
    [
        ("harm_15", 1.5),
        ("harm_20", 2.0),
        ("benefit_06", 0.6),
        ("ratio_125", 1.25),
        ("labels_misread", 1.5),
        ("link_errors", 1.5),
        ("six_services_harm", 1.5),
        ("six_services_harm_20", 2.0),
    ],
)
def test_a_plain_ratio_is_the_truth_but_for_the_few_risks_that_meet_the_ceiling(name, planted):
    routine = rows(drawn(name))
    free = routine["p_ai"] < 0.5
    ratios = (routine["p_ai"] / routine["p_human"])[free]
    assert ratios.to_numpy() == pytest.approx(planted, rel=1e-9)
    assert free.mean() > 0.998
    assert drawn(name).truth.total_risk_ratio == pytest.approx(planted, rel=0.01)


@pytest.mark.parametrize(
    ("name", "condition", "planted"),
    [
        ("harm_without_review", lambda changes: ~changes["approved_by_human"], 3.0),
        ("harm_at_peak", lambda changes: changes["at_peak"], 2.5),
    ],
)
def test_a_harm_under_a_condition_is_there_and_nowhere_else(name, condition, planted):
    routine = rows(drawn(name))
    routine = routine[routine["p_ai"] < 0.5]
    ratio, where = routine["p_ai"] / routine["p_human"], condition(routine)
    assert ratio[where].to_numpy() == pytest.approx(planted)
    assert (ratio[~where] == 1).all()
    assert 0.2 < where.mean() < 0.45
    assert 1.3 < drawn(name).truth.total_risk_ratio < 1.8


def test_where_ai_acts_on_cascades_alone_these_are_five_times_as_many_and_no_others_are():
    simulated = simulate(VALIDATION_WORLDS["harm_in_cascades"].of_size(120_000), SEED)
    truth, routine = simulated.truth, rows(simulated)
    assert truth.total_risk_ratio == pytest.approx(1 + 0.12 * 4, rel=0.005)  # 12 % of failures cascade without AI
    assert truth.cascade_risk_ratio == pytest.approx(5, rel=0.005)
    cause = pd.Series(truth.true_caused_by)
    mode = simulated.incidents.set_index("incident_id").loc[cause.index, "failure_mode"]
    modes = pd.Series(mode.to_numpy(), index=cause.to_numpy())
    risk = routine[routine["assisted"]].set_index("deployment_id")["p_human"]
    seen = modes[modes.index.isin(risk.index)]
    for cascades, times, share in ((True, 5, 0.12), (False, 1, 0.88)):
        expected = times * share * risk.sum()
        # Up to 2 % of the failures surface only after the record ends.
        assert within(((seen == "cascade") == cascades).sum(), 0.99 * expected, math.sqrt(expected) + expected / 200)


def test_each_service_has_a_ratio_of_its_own_in_the_heterogeneous_world():
    simulated = drawn("heterogeneous")
    routine = rows(simulated)
    routine = routine[routine["p_ai"] < 0.5]
    log_ratio = np.log(routine["p_ai"] / routine["p_human"]).groupby(routine["service"])
    assert log_ratio.std().max() < 1e-9
    own = log_ratio.first()
    assert within(own.std(), 0.4, 0.4 / math.sqrt(2 * 39))
    assert within(own.mean(), math.log(1.5), 0.4 / math.sqrt(40))
    assert simulated.truth.log_ratio_spread == pytest.approx(own.std(ddof=0), rel=0.02)
    assert math.exp(own.min()) < simulated.truth.total_risk_ratio < math.exp(own.max())


def test_labels_are_misread_equally_often_whether_the_change_failed_or_not():
    draws = [drawn("labels_misread", seed) for seed in range(4)]
    among = pd.concat([rows(draw) for draw in draws])
    among = among[among["assisted"] & (among["assistance"] != "unknown")]
    named = (among["assistance"] == "ai").groupby(among["failed"]).agg(["mean", "size"])
    for failed in (True, False):
        assert within(named.loc[failed, "mean"], 0.6, math.sqrt(0.24 / named.loc[failed, "size"]))
    for draw in draws:
        assert draw.truth.label_sensitivity == pytest.approx(0.6, abs=0.05)
        assert draw.truth.label_specificity == 1


def test_a_fifth_of_the_recorded_causes_name_another_deployment_of_the_service_before_the_incident():
    wrong = total = 0
    for seed in range(4):
        simulated = drawn("link_errors", seed)
        recorded = simulated.incidents.dropna(subset="caused_by")
        named = simulated.deployments.set_index("deployment_id").loc[recorded["caused_by"]]
        true = recorded["incident_id"].map(simulated.truth.true_caused_by)
        cause = simulated.deployments.set_index("deployment_id").loc[true]
        mistaken = (recorded["caused_by"] != true).to_numpy()
        assert (named["service"].to_numpy() == cause["service"].to_numpy()).all()
        assert (named["deployed_at"].to_numpy() < recorded["started_at"].to_numpy()).all()
        assert simulated.truth.wrong_links == pytest.approx(mistaken.mean())
        wrong, total = wrong + mistaken.sum(), total + len(recorded)
    assert within(wrong / total, 0.2, math.sqrt(0.16 / total))


# --- mechanisms


BASE = WORLDS["null_confounded"].of_size(3_000)
LABELS = {"assistance", "ai_share", "ai_tool", "label_tier", "label_recorded_at", "validated"}
FLAGS = {"is_rollback", "is_hotfix", "change_type"}


def changed(world: World, table: str) -> set[str]:
    """Columns of a table that differ from those of the same organisation without the mechanism."""
    with_it, without = getattr(simulate(world, SEED), table), getattr(simulate(BASE, SEED), table)
    return {name for name in without if not with_it[name].equals(without[name])}


@pytest.mark.parametrize(
    ("register", "table", "columns"),
    [
        (Register(missed=0.4, missed_unknown=0.5), "deployments", LABELS),
        (Register(missed=0.4, looked_up=0.5), "deployments", LABELS),
        (Register(mistaken=0.2), "deployments", LABELS),
        (Register(unflagged=0.5), "deployments", FLAGS),
        (Register(misnamed=0.5), "incidents", {"caused_by"}),
    ],
)
def test_a_mistake_of_the_register_changes_what_was_written_of_it_and_nothing_else(register, table, columns):
    world = replace(BASE, register=register)
    others = {"deployments", "incidents", "dependencies", "potential"} - {table}
    assert changed(world, table) and changed(world, table) <= columns
    assert all(not changed(world, other) for other in others)


@pytest.mark.parametrize(
    "world",
    [
        replace(BASE, risk=Risk(bursts=1.0)),
        replace(BASE, risk=Risk(team_spread=0.5)),
        replace(BASE, effect=Effect(spread=0.4)),
        replace(BASE, effect=Effect(cascades=3.0)),
        replace(BASE, adoption=replace(BASE.adoption, bursts=1.0)),
        replace(BASE, adoption=replace(BASE.adoption, assigned_teams=0.5)),
    ],
)
def test_a_mechanism_leaves_the_routine_changes_where_and_when_they_were(world):
    routine = [simulate(each, SEED) for each in (BASE, world)]
    kept = [rows(each)[["second", "service", "author_tenure_days"]].reset_index(drop=True) for each in routine]
    pd.testing.assert_frame_equal(*kept)
    assert changed(world, "potential")


def test_a_mechanism_that_is_idle_is_no_parameter_and_one_at_work_is():
    idle = simulate(BASE, SEED).truth
    assert "bursts" not in idle.parameters["risk"] and "missed" not in idle.parameters["register"]
    assert "reason" not in idle.parameters
    said = json.loads(idle.to_json())
    assert not {"label_sensitivity", "wrong_links", "log_ratio_spread", "cascade_risk_ratio"} & set(said)
    at_work = replace(BASE, risk=Risk(bursts=1.0), register=Register(missed=0.3), effect=Effect(spread=0.2))
    truth = json.loads(simulate(at_work, SEED).truth.to_json())
    assert truth["parameters"]["risk"]["bursts"] == 1.0 and truth["parameters"]["register"]["missed"] == 0.3
    assert 0.6 < truth["label_sensitivity"] < 0.8 and 0.1 < truth["log_ratio_spread"] < 0.3


def test_mistaken_labels_lower_the_specificity_and_not_the_sensitivity():
    truth = simulate(replace(BASE, register=Register(mistaken=0.1)), SEED).truth
    assert truth.label_sensitivity == 1
    assert truth.label_specificity == pytest.approx(0.9, abs=0.03)


@pytest.mark.parametrize("platform_share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_dependants_are_all_who_reach_a_service_by_any_path(platform_share, seed):
    world = World(name="drawn", scale=Scale(services=25, teams=4, platform_share=platform_share))
    services = found(world, default_rng(seed), default_rng(seed))
    calls = services.dependencies().groupby("depends_on")["service"].agg(set).to_dict()

    def reached_from(name: str) -> set[str]:
        direct = calls.get(name, set())
        return direct.union(*(reached_from(caller) for caller in direct))

    assert services.dependants().tolist() == [len(reached_from(name)) for name in services.names]
    callers = services.callers(np.arange(25))
    assert [{services.names[i] for i in np.nonzero(row)[0]} for row in callers] == [
        calls.get(name, set()) for name in services.names
    ]


@settings(max_examples=15, deadline=None)
@given(
    bursts=st.sampled_from([0.0, 2.0]),
    assigned=st.sampled_from([0.0, 0.3, 1.0]),
    spread=st.sampled_from([0.0, 1.0]),
    cascades=st.sampled_from([0.5, 1.0, 20.0]),
    missed=st.sampled_from([0.0, 0.5, 1.0]),
    looked_up=st.sampled_from([0.0, 1.0]),
    misnamed=st.sampled_from([0.0, 1.0]),
    unflagged=st.sampled_from([0.0, 1.0]),
    elsewhere=st.integers(0, 10),
    seed=st.integers(0, 10_000),
)
def test_any_mixture_of_mechanisms_keeps_the_accounts_and_the_contract(
    bursts, assigned, spread, cascades, missed, looked_up, misnamed, unflagged, elsewhere, seed
):
    possible = float(missed > 0)
    world = World(
        name="mixed",
        scale=Scale(deployments=300, services=8, teams=3),
        risk=Risk(base=0.1, bursts=bursts, team_spread=bursts),
        adoption=Adoption(assigned_teams=assigned, bursts=0.0 if assigned else bursts),
        effect=Effect(spread=spread, cascades=cascades),
        outages=Outages(elsewhere=elsewhere),
        register=Register(
            missed=missed,
            missed_unknown=0.5 * possible,
            looked_up=looked_up * possible,
            misnamed=misnamed,
            unflagged=unflagged,
        ),
    )
    simulated = simulate(world, seed)
    truth, risks = simulated.truth, rows(simulated)
    assert risks[["p_human", "p_ai", "p_human_held", "p_ai_held"]].apply(lambda p: p.between(0, 0.5).all()).all()
    assert truth.counts["incidents_caused_by_changes"] == len(truth.true_caused_by)
    assert truth.counts["incidents_with_recorded_cause"] == simulated.incidents["caused_by"].notna().sum()
    labelled = simulated.deployments["assistance"] != "unknown"
    assert (simulated.deployments["label_recorded_at"].notna() == labelled).all()
    assert (simulated.deployments["ai_tool"].notna() == (simulated.deployments["assistance"] == "ai")).all()
    named = simulated.incidents.dropna(subset="caused_by").merge(
        simulated.deployments, left_on="caused_by", right_on="deployment_id"
    )
    assert (named["deployed_at"] < named["started_at"]).all()


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        (
            {"register": Register(missed=1.2)},
            "world 'odd': register.missed is 1.2; it must lie between 0 and 1.",
        ),
        (
            {"adoption": Adoption(assigned_teams=6)},
            "world 'odd': adoption.assigned_teams is 6; it must lie between 0 and 1.",
        ),
        (
            {"risk": Risk(bursts=-0.5)},
            "world 'odd': risk.bursts is -0.5; it must not be below 0.",
        ),
        (
            {"effect": Effect(cascades=0.0)},
            "world 'odd': effect.cascades is 0.0; it must be above 0.",
        ),
        (
            {"risk": Risk(drift=math.nan)},
            "world 'odd': risk.drift is nan; it must be a number.",
        ),
        (
            {"register": Register(looked_up=0.5)},
            "world 'odd': register.looked_up is 0.5, but register.missed is 0; only what was missed can be looked up.",
        ),
        (
            {"adoption": Adoption(assigned_teams=0.5, bursts=1.0)},
            "world 'odd': adoption.bursts is 1.0, but AI is assigned to teams, who then use it always; set one to 0.",
        ),
    ],
)
def test_an_impossible_mechanism_is_refused_in_one_sentence(settings_, message):
    with pytest.raises(ValueError) as refused:
        World(name="odd", **settings_)
    assert str(refused.value) == message
