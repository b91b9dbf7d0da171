"""One family that was promised, one that explores, and checks that stand in neither."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest import approx

from counterfault.analysis import Analysis
from counterfault.estimate import Estimand, Estimate, Interval
from counterfault.estimating.multiplicity import among_others
from counterfault.plan import Plan
from counterfault.plan.secondary import COMPARISONS, known
from counterfault.record import record, validate
from counterfault.simulate import WORLDS, simulate

PLAN = Plan()  # severity.severe.risk_ratio and timing.hazard_ratio beside corrected.risk_ratio
SEVERE, HAZARD = PLAN.decision.secondary


def made(**p_values: float | None) -> dict[str, Estimate]:
    """Estimates with these p-values; a double underscore stands for the dot of an id."""
    found = {}
    for name, p in p_values.items():
        id = name.replace("__", ".")
        found[id] = Estimate(
            estimand=Estimand.RISK_RATIO, value=1.2, interval=Interval(1, 2, 0.95), method="m", id=id, p_value=p
        )
    return found


def family_of(primary: float | None, severe: float | None, hazard: float | None) -> dict[str, Estimate]:
    return {
        **made(corrected__risk_ratio=primary, primary=primary),
        **made(severity__severe__risk_ratio=severe, timing__hazard_ratio=hazard),
    }


# > p.adjust(c(primary = 0.021, severe = 0.012, hazard = 0.4), "holm")
# primary  severe  hazard
#   0.042   0.036   0.400
# > p.adjust(c(0.021, 0.012), "holm")
# [1] 0.024 0.024
# > p.adjust(c(0.001, 0.008, 0.039, 0.041, 0.6), "BH")
# [1] 0.00500 0.02000 0.05125 0.05125 0.60000
# R 4.2.2


def test_the_primary_and_the_secondary_estimates_are_one_family_under_holm():
    found = among_others(family_of(0.021, 0.012, 0.4), PLAN)
    assert [found[id] for id in ("primary", SEVERE, HAZARD)] == [
        ("primary", approx(0.042)),
        ("primary", approx(0.036)),
        ("primary", approx(0.4)),
    ]


def test_the_primary_under_its_other_name_is_the_same_test_and_is_counted_once():
    found = among_others(family_of(0.021, 0.012, 0.4), PLAN)
    assert found["corrected.risk_ratio"] == found["primary"]


def test_everything_else_explores_under_benjamini_and_hochberg():
    p_values = {"crude__risk_ratio": 0.041, "dose__trend": 0.001, "direct__risk_ratio": 0.6}
    others = made(**p_values, self_controlled__ratio=0.008, pooled__spread=0.039, timing__median=None)
    found = among_others({**family_of(1e-9, 1e-9, 1e-9), **others}, PLAN)
    assert [found[id] for id in ("dose.trend", "self_controlled.ratio", "pooled.spread")] == [
        ("exploratory", approx(0.005)),
        ("exploratory", approx(0.02)),
        ("exploratory", approx(0.05125)),
    ]
    assert [found[id].p_adjusted for id in ("crude.risk_ratio", "direct.risk_ratio")] == approx([0.05125, 0.6])
    assert "timing.median" not in found  # it tests nothing


def test_a_promised_estimate_that_could_not_be_made_of_these_data_is_not_counted():
    found = among_others(family_of(0.021, 0.012, None), PLAN)
    assert [found[id].p_adjusted for id in ("primary", SEVERE)] == approx([0.024, 0.024])
    assert found[HAZARD] == ("primary", None)


def test_where_the_further_designs_were_left_out_the_family_cannot_be_judged():
    found = among_others(made(corrected__risk_ratio=0.01, primary=0.01, crude__risk_ratio=0.03), PLAN)
    assert found["primary"] == found["corrected.risk_ratio"] == ("primary", None)
    assert found["crude.risk_ratio"] == ("exploratory", approx(0.03))


def test_a_plan_without_secondary_estimates_has_a_family_of_one():
    alone = Plan.checked({"decision": {"secondary": []}})
    found = among_others(family_of(0.021, 0.012, 0.4), alone)
    assert found["primary"] == ("primary", 0.021)
    assert found[SEVERE].family == found[HAZARD].family == "exploratory"


def test_the_family_follows_the_estimate_the_plan_calls_primary():
    plan = Plan.checked({"design": {"primary": "stratified.risk_ratio"}})
    found = among_others({**family_of(0.021, 0.012, 0.4), **made(stratified__risk_ratio=0.021)}, plan)
    assert found["stratified.risk_ratio"] == found["primary"]
    assert found["corrected.risk_ratio"].family == "exploratory"


p_value = st.none() | st.floats(0, 1)


@given(p_values=st.tuples(p_value, p_value, p_value), others=st.lists(p_value, max_size=8))
def test_adjusting_never_makes_a_p_value_smaller_nor_larger_than_one(p_values, others):
    estimates = {**family_of(*p_values), **made(**{f"other_{place}": p for place, p in enumerate(others)})}
    for id, (family, adjusted) in among_others(estimates, PLAN).items():
        plain = estimates[id].p_value
        assert family is not None
        assert (adjusted is None) is (plain is None)
        assert adjusted is None or plain <= adjusted * (1 + 1e-12) <= 1 + 1e-9


@given(p_values=st.tuples(*[st.floats(1e-6, 1)] * 3))
def test_what_explores_does_not_weigh_on_what_was_promised(p_values):
    promised = family_of(*p_values)
    crowd = made(**{f"other_{place}": 0.5 for place in range(50)})
    there, here = among_others({**promised, **crowd}, PLAN), among_others(promised, PLAN)
    assert {id: there[id] for id in here} == dict(here)


# --- in the record


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    from counterfault import analyse

    world = simulate(WORLDS["harm"].of_size(1500), 3)
    return analyse(world.deployments, world.incidents, now=datetime(2027, 1, 1, tzinfo=UTC), challenges=False)


def test_every_estimate_of_the_record_says_its_family_and_those_of_checks_have_none(analysis):
    plain = record(analysis)
    validate(plain)
    families = {item["id"]: (item["family"], item["p_adjusted"] is None) for item in plain["estimates"]}
    assert {id for id, (family, _) in families.items() if family == "primary"} == {
        "primary",
        "corrected.risk_ratio",
        SEVERE,
        HAZARD,
    }
    assert all(families[item.id] == (None, True) for item in analysis.challenged.estimates)
    for item in plain["estimates"]:
        if item["family"] == "exploratory":
            assert item["p_value"] <= item["p_adjusted"] <= 1


def test_a_check_that_shares_its_name_with_an_estimate_stays_apart(analysis):
    own = analysis.challenged.estimates[0].named("a_check", p_value=0.001)
    found = record(replace(analysis, challenged=replace(analysis.challenged, estimates=(own,))))["estimates"]
    assert [(item["family"], item["p_adjusted"]) for item in found if item["id"] == "a_check"] == [(None, None)]


# --- which may be named


def test_every_estimate_a_plan_may_name_is_made_even_of_two_rows(study):
    found = study.analyse(challenges=False)
    plan = found.plan
    nameable = known(plan.designs.amplifiers, plan.designs.spill_over_hops)
    assert set(nameable) <= set(found.estimates)
    assert set(COMPARISONS) < set(nameable)


def test_every_comparison_a_plan_may_name_compares_ai_with_other_changes(analysis):
    for id in known(PLAN.designs.amplifiers, PLAN.designs.spill_over_hops):
        assert analysis.estimates[id].estimand.null in (0.0, 1.0), id


@pytest.mark.parametrize("id", [SEVERE, HAZARD, "amplifier.size.ratio", "spill_over.hop_2.risk_ratio"])
def test_such_an_estimate_can_be_named(id):
    assert Plan.checked({"decision": {"secondary": [id]}}).decision.secondary == (id,)


def test_what_the_plan_asks_decides_what_it_may_name():
    named = {"decision": {"secondary": ["spill_over.hop_3.risk_ratio"]}}
    assert Plan.checked({**named, "designs": {"spill_over_hops": 3}}).decision.secondary
