"""Random effects against metafor, the binomial-normal model against metafor, lme4 and integrals written out in R."""

from math import exp, inf, isnan, log, sqrt

import numpy as np
import pandas as pd
import pytest
from pytest import approx

from counterfault.cells import Cells
from counterfault.estimate import Estimand, Estimate
from counterfault.estimators.pooling.between_groups import Groups, shrunken, standard_error
from counterfault.estimators.pooling.binomial_normal import RareEventPooling, rare_event_pooling
from counterfault.estimators.pooling.random_effects import (
    Between,
    MeanInterval,
    Prediction,
    RandomEffects,
    random_effects,
)


def draw(picture: str) -> Cells:
    """Cells from a table "service period | exposed events/total | unexposed events/total"."""
    rows = []
    for line in filter(None, map(str.strip, picture.splitlines())):
        where, *groups = (part.strip() for part in line.split("|"))
        service, period = where.split()
        for exposed, group in zip((1, 0), groups, strict=True):
            events, n = map(int, group.split("/"))
            if n:
                rows.append({"service": service, "period": period, "exposed": exposed, "n": n, "events": events})
    return Cells(pd.DataFrame(rows, columns=["service", "period", "exposed", "n", "events"]))


# Colditz et al. (1994), metafor's dat.bcg: exposed are vaccinated, an event is tuberculosis.
BCG = draw("""
    01 all | 4/123     | 11/139
    02 all | 6/306     | 29/303
    03 all | 3/231     | 11/220
    04 all | 62/13598  | 248/12867
    05 all | 33/5069   | 47/5808
    06 all | 180/1541  | 372/1451
    07 all | 8/2545    | 10/629
    08 all | 505/88391 | 499/88391
    09 all | 29/7499   | 45/7277
    10 all | 17/1716   | 65/1665
    11 all | 186/50634 | 141/27338
    12 all | 5/2498    | 3/2341
    13 all | 27/16913  | 29/17854
""")
ABSOLUTE_LATITUDE = [44, 55, 42, 52, 13, 44, 19, 13, 27, 42, 18, 33, 33]

# Six invented services in two quarters, two of them with a zero in every way that matters.
RARE = draw("""
    s1 Q1 | 3/40 | 5/120
    s1 Q2 | 0/30 | 2/80
    s2 Q1 | 4/60 | 3/90
    s2 Q2 | 6/50 | 1/70
    s3 Q1 | 0/25 | 3/60
    s3 Q2 | 0/20 | 2/75
    s4 Q1 | 2/30 | 2/35
    s4 Q2 | 5/45 | 4/80
    s5 Q1 | 1/10 | 0/30
    s5 Q2 | 2/15 | 1/40
    s6 Q1 | 0/70 | 6/90
    s6 Q2 | 1/20 | 7/95
""")

# Niel-Weise et al. (2008), metafor's dat.nielweise2008: infections over catheter days, coated catheters exposed.
CATHETERS = draw("""
    1 all | 7/1344  | 11/1988
    2 all | 8/1600  | 8/1461
    3 all | 3/12012 | 14/10962
    4 all | 6/1536  | 10/1503
    5 all | 1/370   | 1/483
    6 all | 1/729   | 8/913
    7 all | 17/6760 | 15/6840
    8 all | 3/1107  | 7/1015
    9 all | 2/320   | 3/440
""")


def logs(estimate: Estimate) -> tuple[float, float, float]:
    return log(estimate.value), log(estimate.interval.low), log(estimate.interval.high)


def groups_of(cells: Cells) -> Groups:
    parts = RandomEffects()(cells).parts
    return Groups.alike(np.log([p.value for p in parts]), np.array([p.standard_error**2 for p in parts]))


@pytest.mark.parametrize(
    "between, mean, error, limits, tau_squared, i_squared, h_squared",
    [
        (
            Between.REML,
            -0.714532348365101,
            0.179781531780361,
            (-1.06689767574005, -0.36216702099015),
            0.313243325980895,
            92.2213860749656,
            12.8557608031121,
        ),
        (
            Between.DL,
            -0.714117222073227,
            0.178742089535403,
            (-1.06444528008405, -0.363789164062403),
            0.308760262862376,
            92.1173468545621,
            12.6860840068644,
        ),
        (
            Between.PM,
            -0.714970405632446,
            0.180897984125838,
            (-1.06952393939499, -0.360416871869904),
            0.318093711863015,
            92.3309002898848,
            13.039340180713,
        ),
    ],
)
def test_bcg_agrees_with_metafor_as_it_comes(between, mean, error, limits, tau_squared, i_squared, h_squared):
    # > rma(yi, vi, method = ...)             # R 4.2.2, metafor 3.8-1; its searches for τ² stop at about four digits
    found = RandomEffects(between=between, interval=MeanInterval.PLAIN)(BCG)
    assert logs(found) == approx((mean, *limits), rel=1e-4)
    assert found.standard_error == approx(error, rel=1e-4)
    assert RandomEffects(between=between).spread(BCG).value ** 2 == approx(tau_squared, rel=1e-4)
    heterogeneity = groups_of(BCG).heterogeneity(groups_of(BCG).tau_squared(between))
    assert heterogeneity.i_squared * 100 == approx(i_squared, rel=1e-4)
    assert heterogeneity.h_squared == approx(h_squared, rel=1e-4)
    assert heterogeneity.q == approx(152.233008082373, rel=1e-12)
    assert heterogeneity.p_value == approx(1.99676459084597e-26, rel=1e-10)


@pytest.mark.parametrize(
    "between, mean, error, tau_squared",
    [
        (Between.REML, -0.7145323421581, 0.1797815161052, 0.3132432581365),
        (Between.DL, -0.714117222073227, 0.178742089535403, 0.308760262862376),
        (Between.PM, -0.7149681534934, 0.1808921915376, 0.3180684522050),
    ],
)
def test_bcg_agrees_with_metafor_searching_longer(between, mean, error, tau_squared):
    # > rma(yi, vi, method = ..., control = list(threshold = 1e-14, tol = 1e-14, maxiter = 1e4))
    # R 4.2.2, metafor 3.8-1
    found = RandomEffects(between=between, interval=MeanInterval.PLAIN)(BCG)
    assert log(found.value) == approx(mean, abs=2e-11)
    assert found.standard_error == approx(error, abs=2e-11)
    assert RandomEffects(between=between).spread(BCG).value ** 2 == approx(tau_squared, abs=2e-11)


def test_bcg_hartung_knapp_and_its_prediction_agree_with_metafor():
    # > r <- rma(yi, vi, test = "knha", control = list(threshold = 1e-14)); predict(r)  # R 4.2.2, metafor 3.8-1
    found = RandomEffects()(BCG)
    assert found.standard_error == approx(0.180791744092848, rel=1e-11)
    assert logs(found)[1:] == approx((-1.108443713685550, -0.320620970630728), rel=1e-10)
    assert found.p_value == approx(0.001920015096057, rel=1e-9)
    new = RandomEffects(prediction=Prediction.HARTUNG_KNAPP).new_group(BCG)
    assert logs(new)[1:] == approx((-1.996016834196202, 0.566952149879923), rel=1e-9)


def test_bcg_prediction_of_higgins_thompson_and_spiegelhalter():
    # > c(r$beta) + c(-1, 1) * qt(.975, 11) * sqrt(r$tau2 + r$se^2)                                # R 4.2.2
    new = RandomEffects().new_group(BCG)
    assert logs(new)[1:] == approx((-2.0083759069226, 0.5793112226063), rel=1e-10)
    assert (new.id, new.label) == ("pooled.new_service", "a new service")


def test_bcg_spread_has_the_q_profile_limits_of_metafor():
    # > confint(rma(yi, vi), control = list(tol = 1e-14))$random["tau", ]  # R 4.2.2, metafor 3.8-1
    found = RandomEffects().spread(BCG)
    assert (found.interval.low, found.interval.high) == approx((0.3460034120370, 1.0542670838364), rel=1e-10)
    assert found.estimand is Estimand.SPREAD
    assert "I² = 92%" in found.caveats[0]


def test_bcg_without_random_effects_is_the_weighted_mean():
    # > rma(yi, vi, method = "FE")  # R 4.2.2, metafor 3.8-1
    fixed = groups_of(BCG).fit(0.0)
    assert fixed.coefficients[0] == approx(-0.430285163654091, rel=1e-12)
    assert standard_error(fixed, hartung_knapp=False) == approx(0.0404987517108638, rel=1e-12)


def test_bcg_on_latitude_agrees_with_metafor():
    # > rma(yi, vi, mods = ~ ablat, control = list(threshold = 1e-14, maxiter = 1e4))  # R 4.2.2, metafor 3.8-1
    plain = groups_of(BCG)
    groups = Groups(plain.values, plain.variances, np.column_stack([np.ones(13), ABSOLUTE_LATITUDE]))
    fit = groups.fit(groups.tau_squared(Between.REML))
    assert fit.coefficients == approx([0.251468210007369, -0.029101725011650], rel=1e-9)
    assert np.sqrt(np.diag(fit.covariance)) == approx([0.249095396616765, 0.007195327220905], rel=1e-9)
    assert fit.tau_squared == approx(0.076347963955203, rel=1e-9)
    # with its default tolerance metafor stops at 0.25146, -0.02910 and 0.07635
    assert [*fit.coefficients, fit.tau_squared] == approx(
        [0.251464294374285, -0.0291016609280148, 0.0763546947056598], abs=1e-5
    )


def test_bcg_shrunken_values_agree_with_metafor():
    # > blup(rma(yi, vi, control = list(threshold = 1e-14)))$pred  # R 4.2.2, metafor 3.8-1
    groups = groups_of(BCG)
    drawn = shrunken(groups, groups.fit(groups.tau_squared(Between.REML)))
    assert drawn[:3] == approx([-0.800233561970349, -1.251705980302249, -0.986903093357501], rel=1e-8)
    assert RandomEffects()(BCG).parts[0].caveats == ("Shrunken to the mean (empirical Bayes): 0.45.",)


@pytest.mark.parametrize(
    "cells, mean, tau, error, limits, p, tau_high",
    [
        (
            RARE,
            0.1915656119,
            1.0461987041,
            0.5504070630,
            (-2.431389731432, 2.225384431163),
            0.750343928714,
            3.13965745012,
        ),
        (
            CATHETERS,
            -0.4762438067354,
            0.3500894833513,
            0.2377015131602,
            (-1.193838308565, 0.1040664834143),
            0.08315095024456,
            1.052922799214,
        ),
    ],
)
def test_the_binomial_normal_model_agrees_with_integrals_in_r(cells, mean, tau, error, limits, p, tau_high):
    # R 4.2.2: the marginal likelihood with integrate(rel.tol = 1e-12) in place of quadrature, optim(), uniroot():
    # > f <- function(u) exp(sum(dbinom(a, a + c, plogis(mu + tau*u + log(n1/n0)), log = TRUE))) * dnorm(u)
    # limits where twice the drop of the profile equals qt(.975, k - 1)^2, for τ qnorm(.975)^2
    found, spread, _ = rare_event_pooling(cells)
    assert log(found.value) == approx(mean, abs=1e-6)
    assert found.standard_error == approx(error, abs=1e-6)
    assert logs(found)[1:] == approx(limits, abs=2e-4)  # out there τ is 3, and 21 nodes give four digits
    assert found.p_value == approx(p, abs=1e-6)
    assert spread.value == approx(tau, abs=1e-6)
    assert (spread.interval.low, spread.interval.high) == approx((0, tau_high), abs=1e-4)


@pytest.mark.parametrize(
    "cells, mean, error, tau_squared",
    [
        (BCG, -0.722116995623, 0.174401903283, 0.288710350731),
        (CATHETERS, -0.476239431396, 0.237700435095, 0.122561383404),
    ],
)
def test_the_binomial_normal_model_agrees_with_metafor(cells, mean, error, tau_squared):
    # > rma.glmm(measure = "IRR", x1i, t1i, x2i, t2i, model = "CM.EL", nAGQ = 51)
    # R 4.2.2, metafor 3.8-1, lme4 1.1-31
    found, spread, _ = rare_event_pooling(cells)
    assert (log(found.value), found.standard_error) == approx((mean, error), abs=1e-5)
    assert spread.value**2 == approx(tau_squared, abs=1e-5)


def test_strata_within_services_agree_with_glmer():
    # > glmer(cbind(a, c) ~ 1 + (1 | service) + offset(log(n1/n0)), binomial, nAGQ = 51); confint(profile(f))
    # R 4.2.2, lme4 1.1-31
    found, spread, _ = rare_event_pooling(RARE)
    assert log(found.value) == approx(0.191565611433, abs=1e-6)
    assert spread.value == approx(1.046198675861, abs=1e-6)
    assert spread.interval.high == approx(3.13963567842, abs=1e-4)


def test_services_without_exposed_events_speak_in_one_model_and_are_counted_in_the_other():
    kept, left = RareEventPooling()(RARE), RandomEffects()(RARE)
    assert kept.support["groups_pooled"] == 6
    assert (left.support["groups_pooled"], left.support["groups_left_out"]) == (5, 1)
    assert left.caveats == (
        "1 of 6 services with incidents are left out, because one of their arms has none; the binomial-normal model "
        "keeps them.",
        "4 of the 5 services have fewer than 5 incidents in an arm; their ratios are biased, which pooling does not "
        "average out: prefer the binomial-normal model.",
    )
    without = RareEventPooling()(Cells(RARE.frame[RARE.frame["service"] != "s3"]))
    assert kept.value < without.value


def test_services_without_events_say_nothing_and_are_counted():
    quiet = draw("quiet Q1 | 0/30 | 0/40\nalone Q1 | 0/0 | 3/40")
    both = Cells(pd.concat([RARE.frame, quiet.frame]))
    assert RareEventPooling()(both).interval == RareEventPooling()(RARE).interval
    assert RareEventPooling()(both).support["groups_without_events"] == 2
    assert RareEventPooling()(both).caveats[0] == (
        "2 of 8 services have no incident that can be compared and say nothing."
    )
    assert RandomEffects()(both).interval == RandomEffects()(RARE).interval


def test_teams_pool_under_their_own_ids():
    team = BCG.frame["service"].map(lambda service: f"team {int(service) % 4}")
    found = random_effects(Cells(BCG.frame.assign(team=team)), by="team")
    assert [each.id for each in found] == ["pooled.risk_ratio.by_team", "pooled.spread.by_team", "pooled.new_team"]
    assert [part.label for part in found[0].parts] == ["team=team 0", "team=team 1", "team=team 2", "team=team 3"]
    assert found[0].design == "within team × service × period, pooled over teams"
    rare = rare_event_pooling(Cells(BCG.frame.assign(team=team)), by="team")
    assert [each.id for each in rare] == [
        "pooled.risk_ratio.by_team.rare_event",
        "pooled.spread.by_team.rare_event",
        "pooled.new_team.rare_event",
    ]


ALIKE = draw("\n".join(f"s{i} Q1 | {20 + i % 2}/200 | {20 + i % 2}/400" for i in range(8)))


def test_the_wider_rule_never_goes_below_the_plain_interval():
    plain, knapp, wider = (RandomEffects(interval=each)(ALIKE) for each in MeanInterval)
    assert knapp.interval.high < plain.interval.high
    assert wider.interval == plain.interval
    assert knapp.caveats[0].startswith("The services happen to agree so closely that this interval is narrower")
    assert RandomEffects(interval=MeanInterval.AT_LEAST_PLAIN)(BCG).interval == RandomEffects()(BCG).interval


def test_services_that_agree_too_well_leave_the_spread_open():
    found = RandomEffects().spread(ALIKE)
    assert found.value == 0
    assert (found.interval.low, found.interval.high) == (0, inf)
    assert found.caveats[1].startswith("The ratios agree more closely than chance should allow")


def test_two_services_have_a_mean_and_no_prediction():
    two = Cells(BCG.frame[BCG.frame["service"] < "03"])
    assert RandomEffects()(two).estimable
    assert RandomEffects()(two).caveats[-1:] == (
        "With 2 services the spread between them is hardly known, and with it everything that rests on it.",
    )
    found = RandomEffects().new_group(two)
    assert found.caveats == (too_few("2 of 2", 3),)
    rare = RareEventPooling().new_group(two)
    assert rare.caveats == ("It takes three services with incidents; there are 2.",)
    assert (found.interval.low, found.interval.high, isnan(rare.value)) == (0, inf, True)


def too_few(share: str, needed: int) -> str:
    return (
        f"{share} services have incidents among exposed and among unexposed deployments that can be compared; it takes "
        f"{needed}."
    )


EDGES = {
    "no events": (
        "a Q1 | 0/10 | 0/20\nb Q1 | 0/10 | 0/20",
        too_few("0 of 2", 2),
        "No stratum that holds both arms has an incident.",
    ),
    "one service": (
        "a Q1 | 3/10 | 2/20\na Q2 | 1/10 | 2/20",
        too_few("1 of 1", 2),
        "Incidents that can be compared fell in one service only; it takes two.",
    ),
    "all exposed": (
        "a Q1 | 3/10 | 0/0\nb Q1 | 1/10 | 0/0",
        "no unexposed deployments, so there is nothing to compare",
        "no unexposed deployments, so there is nothing to compare",
    ),
    "none exposed": (
        "a Q1 | 0/0 | 3/10\nb Q1 | 0/0 | 1/10",
        "no exposed deployments, so there is nothing to compare",
        "no exposed deployments, so there is nothing to compare",
    ),
    "no exposed events": (
        "a Q1 | 0/10 | 3/20\nb Q1 | 0/10 | 2/20",
        too_few("0 of 2", 2),
        "No exposed deployment was followed by an incident where it can be compared, so the ratio would be zero; the "
        "stratified risk ratio bounds it.",
    ),
    "single events": (
        "a Q1 | 0/10 | 1/20\nb Q1 | 1/10 | 0/20\nc Q1 | 1/10 | 0/20",
        too_few("0 of 3", 2),
        "No service has two incidents, so nothing tells a spread between services from chance.",
    ),
    "here all, there none": (
        "a Q1 | 0/10 | 6/20\nb Q1 | 8/10 | 0/20\nc Q1 | 7/10 | 0/20",
        too_few("0 of 3", 2),
        "The spread has no finite estimate: services have their incidents all in one arm, some here and some there.",
    ),
}


@pytest.mark.parametrize("picture, of_two_stages, of_one", EDGES.values(), ids=EDGES.keys())
def test_what_cannot_be_pooled_is_an_answer_with_its_reason(picture, of_two_stages, of_one):
    cells = draw(picture)
    for found, reason in (
        *((each, of_two_stages) for each in random_effects(cells)[:2]),
        *((each, of_one) for each in rare_event_pooling(cells)),
    ):
        assert not found.estimable
        assert found.caveats == (reason,)
        assert (found.interval.low, found.interval.high) == (0, inf)
        assert found.p_value is None


def test_an_empty_frame_has_nothing_to_compare():
    for found in (*random_effects(draw("")), *rare_event_pooling(draw(""))):
        assert found.caveats == ("no exposed deployments, so there is nothing to compare",)


@pytest.mark.parametrize("settings", [RandomEffects(by="squad"), RareEventPooling(by="squad")])
def test_an_unknown_group_is_refused(settings):
    with pytest.raises(ValueError) as refusal:
        settings(BCG)
    assert str(refusal.value) == ("by is 'squad', but the cells have no such column: pool over one of service, period.")


@pytest.mark.parametrize("settings", [RandomEffects(), RareEventPooling()])
def test_a_level_outside_zero_to_one_is_refused(settings):
    for question in (settings, settings.spread, settings.new_group):
        with pytest.raises(ValueError, match=r"^level 95 is not a confidence level"):
            question(BCG, 95)


def test_more_groups_than_a_table_holds_have_no_parts():
    many = draw("\n".join(f"s{i:03} Q1 | {2 + i % 3}/40 | {2 + i % 2}/50" for i in range(61)))
    assert RandomEffects()(many).parts == ()
    assert len(RandomEffects()(Cells(many.frame.iloc[:120])).parts) == 60


def test_the_new_service_of_the_rare_model_adds_the_spread_to_the_error():
    # > mu + c(-1, 1) * qt(.975, 7) * sqrt(tau^2 + se^2), with μ, τ and its error as above              # R 4.2.2
    new = rare_event_pooling(CATHETERS)[2]
    reach = 2.36462425159278 * sqrt(0.3500894833513**2 + 0.2377015131602**2)
    assert new.interval.low == approx(exp(-0.4762438067354 - reach), rel=1e-5)
    assert new.interval.high == approx(exp(-0.4762438067354 + reach), rel=1e-5)
