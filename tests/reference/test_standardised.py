"""Standardised effects, overlap weights and attributable figures against R and delicatessen, and at the edges."""

from dataclasses import replace
from math import isnan, log, sqrt

import numpy as np
import pandas as pd
import pytest
from pytest import approx

from counterfault.cells import Cells
from counterfault.estimate import Estimand
from counterfault.estimators.marginal.doubly_robust import OverlapWeighted, overlap_risks, overlap_weighted
from counterfault.estimators.marginal.glm_within_strata import LOGIT, StratifiedData, fit_within_strata
from counterfault.estimators.marginal.marginal_risk import Arm, FittedModel, Population, marginal_risk
from counterfault.estimators.marginal.outcome_model import outcome_model
from counterfault.estimators.marginal.overlap import balance, overlap
from counterfault.estimators.marginal.propensity import Nuisance
from counterfault.estimators.marginal.standardised import Measure, Standardised, standardised
from counterfault.estimators.poisson.regression import ModifiedPoisson, SmallSample
from counterfault.estimators.poisson.regression_problem import problem_of
from counterfault.estimators.tables import attributable as crude
from counterfault.estimators.tables import stratified
from counterfault.estimators.tables.attributable import PopulationVariance


def limits(estimate):
    return estimate.interval.low, estimate.interval.high


def draw(text: str, strata=("service", "period")) -> Cells:
    """A line is service, period, at_peak, then events/deployments of the exposed and of the others."""
    rows = []
    for line in text.strip().splitlines():
        service, period, at_peak, *groups = line.split()
        for exposed, group in zip((1, 0), groups, strict=True):
            events, n = map(int, group.split("/"))
            rows.append((service, period, at_peak, exposed, n, events))
    columns = ["service", "period", "at_peak", "exposed", "n", "events"]
    return Cells(pd.DataFrame(rows, columns=columns), strata=strata)


EIGHT = """
    a Q1 no 7/33 3/22
    a Q1 yes 3/22 8/24
    a Q2 no 5/15 4/23
    a Q2 yes 9/23 3/11
    b Q1 no 7/22 7/40
    b Q1 yes 4/17 6/40
    b Q2 no 5/33 2/28
    b Q2 yes 4/11 9/25
    c Q1 no 3/14 1/24
    c Q1 yes 5/10 2/15
    c Q2 no 3/28 6/20
    c Q2 yes 11/26 6/13
    d Q1 no 11/37 1/21
    d Q1 yes 6/18 6/18
    d Q2 no 11/36 0/14
    d Q2 yes 13/36 2/15
    e Q1 no 7/20 11/47
    e Q1 yes 9/17 7/34
    e Q2 no 6/19 6/26
    e Q2 yes 10/26 3/13
    f Q1 no 5/16 5/45
    f Q1 yes 14/24 15/45
    f Q2 no 7/26 5/33
    f Q2 yes 11/22 12/48
    g Q1 no 9/27 5/24
    g Q1 yes 10/14 6/14
    g Q2 no 12/27 5/21
    g Q2 yes 18/22 11/30
    h Q1 no 1/10 3/56
    h Q1 yes 1/5 2/35
    h Q2 no 1/4 2/38
    h Q2 yes 4/18 6/35
"""
ACROSS, WITHIN = draw(EIGHT, ("period",)), draw(EIGHT)

# ---------------------------------------------------------------------------------------------------------------
# g-computation against R: one row per deployment, dummy variables for strata
# ---------------------------------------------------------------------------------------------------------------
# > show <- function(form, who) {                                     # R 4.2.2, sandwich 3.0.2
# +   fit <- glm(form, poisson, long, control = list(epsilon = 1e-13, maxit = 100))
# +   V <- vcovCL(fit, long$service, type = "HC0", cadjust = FALSE); pop <- long[who, ]; b <- coef(fit)
# +   X <- function(arm) model.matrix(delete.response(terms(fit)), transform(pop, a = arm), xlev = fit$xlevels)
# +   r <- lapply(1:0, function(arm) mean(exp(X(arm) %*% b)))
# +   J <- lapply(1:0, function(arm) colMeans(X(arm) * as.vector(exp(X(arm) %*% b))))
# +   rd <- J[[1]] - J[[2]]; rr <- J[[1]] / r[[1]] - J[[2]] / r[[2]]; se <- function(g, V) sqrt(drop(t(g) %*% V %*% g))
# +   c(r[[1]], r[[2]], se(rd, V), se(rr, V), se(rd, vcov(fit)), se(rr, vcov(fit))) }
IN_R = [
    # show(y ~ a + peak + period, long$a == 1)
    (ACROSS, (), "exposed", (0.34218289086, 0.19072656508, 0.02889662010, 0.10642212524, 0.02690059533, 0.10163292587)),
    # show(y ~ a + peak + period, TRUE)
    (ACROSS, (), "all", (0.34095068018, 0.19003975309, 0.02900593783, 0.10642212524, 0.02690523214, 0.10163292587)),
    # show(y ~ a * peak + period, TRUE)
    (
        ACROSS,
        ("at_peak",),
        "all",
        (0.34087211307, 0.19003135782, 0.02919204462, 0.10697483958, 0.02689980919, 0.10163279468),
    ),
    # show(y ~ a + peak + s, long$a == 1), s <- paste(service, period)
    (WITHIN, (), "exposed", (0.34218289086, 0.20257691923, 0.02074563020, 0.08058992309, 0.02788239677, 0.10467243302)),
    # show(y ~ a * peak + s, TRUE)
    (
        WITHIN,
        ("at_peak",),
        "all",
        (0.32949335299, 0.19507637993, 0.02067413309, 0.08170646493, 0.02733925745, 0.10468576829),
    ),
]


def both_risks(cells, varies_by=(), who="exposed", about=Population.THESE):
    model = outcome_model(cells, ("at_peak",), varies_by)
    exposed = model.problem.design[:, 0] == 1
    population = exposed if who == "exposed" else np.ones_like(exposed)
    return [marginal_risk(model.fit, arm, population, about) for arm in (model.exposed, model.unexposed)]


@pytest.mark.parametrize(("cells", "varies_by", "who", "printed"), IN_R)
def test_standardised_risks_and_their_delta_method_agree_with_r(cells, varies_by, who, printed):
    over, under = both_risks(cells, varies_by, who)
    difference = over.influence - under.influence
    ratio = over.influence * (1 / over.value) - under.influence * (1 / under.value)
    clustered = [sqrt((influence.by_cluster**2).sum()) for influence in (difference, ratio)]
    found = (over.value, under.value, *clustered, difference.model_error, ratio.model_error)
    assert found == approx(printed, rel=5e-8)  # R's vcov() is one step behind its coefficients


def test_a_drawn_population_agrees_with_delicatessen():
    # delicatessen 4.3: the score of the regression stacked on both means over the exposed, aggregate_efuncs(…, group =
    # service); MEstimator(psi, init).estimate(solver="lm", tolerance=1e-12). Derivatives there are numerical.
    over, under = both_risks(ACROSS, about=Population.LIKE_THESE)
    assert (over.value, under.value) == approx((0.342182890855, 0.190726565077), rel=1e-11)
    difference = over.influence - under.influence
    ratio = over.influence * (1 / over.value) - under.influence * (1 / under.value)
    errors = [influence.clustered_error() for influence in (over.influence, under.influence, difference, ratio)]
    assert errors == approx((0.035710397074, 0.023917833809, 0.029143056233, 0.106422245517), rel=5e-6)


# Bacteria: 50 children, weeks 0, 2, 4, 6, 11 (MASS::bacteria, Venables & Ripley 2002). One word per child: a for
# active drug or p for placebo, then per week 1 present, 0 absent, . not tested.
CHILDREN = """
    p111.1 a11.01 a11111 p11111 p11111 a111.1 a10001 p01111 p11111 a1..1. p11111 a10011 p11111 p110.. a11111 a11011
    p11101 a11000 p11010 a111.1 p11111 p11111 p01010 a11100 a010.0 p10..0 p11.11 a11100 a1.110 p1.111 a11011 p11111
    a1.1.. a1000. p11..1 a11..1 p11111 a11111 p11010 a0.1.. a01101 a11.11 p11111 a11111 a11110 a1.11. a11111 a11.00
    a11100 a11101
"""


def test_marginal_standardisation_of_a_logit_agrees_with_r():
    # R 4.2.2: glm(y ~ active + week, binomial), sandwich::vcovCL(cluster = id, type = "HC0", cadjust = FALSE) and the
    # delta method, as margins are; then the same with vcov(). With R's default epsilon of 1e-8 the last figures of the
    # errors are those of weights one step behind: 0.06283693, 0.07829778, 0.05059551, 0.06354563; here 1e-15.
    rows = pd.DataFrame(
        (child, float(word[0] == "a"), week, float(mark))
        for child, word in enumerate(CHILDREN.split())
        for week, mark in zip((0.0, 2.0, 4.0, 6.0, 11.0), word[1:], strict=True)
        if mark != "."
    ).to_numpy()
    child, design, y = rows[:, 0].astype(int), rows[:, 1:3], rows[:, 3]
    ones, nobody = np.ones(len(y)), np.zeros(len(y), dtype=int)
    fit = fit_within_strata(LOGIT, StratifiedData(design, ones, y, nobody, 0 * ones))
    assert (*fit.effects, *fit.slopes) == approx((2.540542515802, -0.890340541671, -0.114792494088), rel=1e-10)
    p = LOGIT.mean(fit.effects[0] + design @ fit.slopes)
    model = FittedModel(design, ones, LOGIT.variance(p), y - p, nobody, child)
    risks = []
    for drug in (1.0, 0.0):
        assigned = np.column_stack([drug * ones, design[:, 1]])
        chance = LOGIT.mean(fit.effects[0] + assigned @ fit.slopes)
        risks.append(marginal_risk(model, Arm(chance, LOGIT.variance(chance), assigned), ones == 1))
    drug, placebo = risks
    assert (drug.value, placebo.value) == approx((0.748828102918, 0.875924644093), rel=1e-10)
    difference = drug.influence - placebo.influence
    ratio = drug.influence * (1 / drug.value) - placebo.influence * (1 / placebo.value)
    assert difference.clustered_error() == approx(0.0628369918405, rel=1e-8)
    assert ratio.clustered_error() == approx(0.0782978541327, rel=1e-8)
    assert (difference.model_error, ratio.model_error) == approx((0.050596241720, 0.063546423408), rel=1e-8)


# ---------------------------------------------------------------------------------------------------------------
# What the estimates are made of
# ---------------------------------------------------------------------------------------------------------------


def test_with_one_ratio_for_all_the_standardised_ratio_is_that_of_the_regression():
    regression = ModifiedPoisson(("at_peak",), SmallSample.CR1)(ACROSS)
    found = Standardised(adjust_for=("at_peak",))(ACROSS)
    assert (found.value, *limits(found)) == approx((regression.value, *limits(regression)), rel=1e-9)
    assert found.p_value == approx(regression.p_value, rel=1e-9)
    assert "CR1 standard error (factor G/(G−1), G = 8), t with 7 degrees of freedom" in found.method


def test_every_measure_is_read_off_the_same_two_risks():
    found = {estimate.id: estimate for estimate in standardised(WITHIN, settings=Standardised(adjust_for=("at_peak",)))}
    assert list(found) == [measure.value for measure in Measure]
    r1, r0 = 0.34218289086, 0.20257691923  # R, above
    exposed, events = 678, 402
    assert found["standardised.risk_ratio"].value == approx(r1 / r0, rel=1e-9)
    assert found["standardised.risk_difference"].value == approx(r1 - r0, rel=1e-9)
    assert found["standardised.attributable_incidents"].value == approx(exposed * (r1 - r0), rel=1e-9)
    assert found["standardised.attributable_fraction"].value == approx(1 - r0 / r1, rel=1e-9)
    share = found["standardised.population_attributable_fraction"]
    assert share.value == approx(exposed * (r1 - r0) / events, rel=1e-9)
    assert found["standardised.risk_ratio"].support["exposed_compared"] == exposed
    assert found["standardised.risk_ratio"].support["events"] == events


def test_incidents_are_observed_less_expected():
    found = Standardised(Measure.ATTRIBUTABLE_INCIDENTS, ("at_peak",))(WITHIN)
    support = found.support
    expected = support["exposed_events"] / Standardised(adjust_for=("at_peak",))(WITHIN).value
    assert found.value == approx(support["exposed_events"] - expected)


def test_the_fraction_has_the_limits_of_the_ratio():
    ratio, fraction = (
        Standardised(measure, ("at_peak",))(WITHIN) for measure in (Measure.RISK_RATIO, Measure.ATTRIBUTABLE_FRACTION)
    )
    assert limits(fraction) == approx(tuple(1 - 1 / limit for limit in limits(ratio)))
    assert fraction.p_value == ratio.p_value


def test_a_ratio_of_its_own_for_each_service_is_direct_standardisation_by_hand():
    cells = replace(WITHIN, strata=("service",))
    tables = cells.tables()
    r1, r0 = (tables[f"{arm}_events"] / tables[f"{arm}_total"] for arm in ("exposed", "unexposed"))
    everyone = tables["exposed_total"] + tables["unexposed_total"]
    found = {e.id: e.value for e in standardised(cells, settings=Standardised(varies_by=("service",)))}
    extra = (tables["exposed_total"] * (r1 - r0)).sum()
    assert found["standardised.attributable_incidents"] == approx(extra)
    assert found["standardised.risk_difference"] == approx(extra / tables["exposed_total"].sum())
    assert found["standardised.risk_ratio.everyone"] == approx((everyone * r1).sum() / (everyone * r0).sum())
    assert found["standardised.risk_difference.everyone"] == approx((everyone * (r1 - r0)).sum() / everyone.sum())


def test_a_ratio_of_each_services_own_is_not_believed_surer_than_independent_deployments():
    # Each cluster's own coefficients have score zero: the clustered error knows nothing of them.
    found = Standardised(Measure.RISK_DIFFERENCE, varies_by=("service",))(replace(WITHIN, strata=("service",)))
    assert "standard error of independent deployments, which is larger" in found.method
    tables = replace(WITHIN, strata=("service",)).tables()
    n1, weight = tables["exposed_total"], tables["exposed_total"] / tables["exposed_total"].sum()
    poisson = weight**2 * (
        tables["exposed_events"] / n1**2 + tables["unexposed_events"] / tables["unexposed_total"] ** 2
    )
    assert found.standard_error == approx(sqrt(poisson.sum()))


def test_a_draw_of_services_is_less_certain_about_differences_than_these_and_as_certain_about_one_ratio():
    these, others = (
        {e.id: e.standard_error for e in standardised(WITHIN, settings=Standardised(about=about))}
        for about in Population
    )
    assert others["standardised.risk_ratio"] == approx(these["standardised.risk_ratio"])
    assert these["standardised.risk_difference"] != approx(others["standardised.risk_difference"], rel=1e-3)


# ---------------------------------------------------------------------------------------------------------------
# Overlap weights
# ---------------------------------------------------------------------------------------------------------------


def test_overlap_weights_without_covariates_agree_with_delicatessen():
    # delicatessen 4.3, e being the share of exposed in each service and period, grouped by service:
    #   A (1 - e) y - (A - e)^2 theta1, (1 - A) e y - (A - e)^2 theta0, their difference, the log of their ratio
    difference, ratio = overlap_weighted(WITHIN)
    factor = sqrt(8 / 7)  # CR1, which delicatessen does not apply
    assert difference.value == approx(0.138150619193, rel=1e-10)
    assert difference.standard_error == approx(0.027474991139 * factor, rel=1e-6)
    assert log(ratio.value) == approx(0.51400199253, rel=1e-10)
    assert ratio.standard_error == approx(0.079908442259 * factor, rel=1e-6)


def test_overlap_weights_without_covariates_are_mantel_and_haenszels():
    difference, ratio = overlap_weighted(WITHIN)
    assert difference.value == approx(stratified.risk_difference(WITHIN).value, rel=1e-12)
    assert ratio.value == approx(stratified.risk_ratio(WITHIN).value, rel=1e-12)
    assert (difference.id, ratio.id) == ("overlap.risk_difference", "overlap.risk_ratio")


def test_in_one_stratum_the_answer_is_the_difference_of_means():
    cells = replace(WITHIN, strata=())
    table = cells.two_by_two()
    plain = table.exposed_events / table.exposed_total - table.unexposed_events / table.unexposed_total
    assert OverlapWeighted(Estimand.RISK_DIFFERENCE)(cells).value == approx(plain, rel=1e-12)


# Counts that follow risk (1, 2, 3, 4) x 1 % by kind, doubled by exposure, with shares of exposure .2, .4, .5 and .8.
EXACT = draw(
    """
    a Q1 no 8/400 16/1600
    b Q1 no 8/400 16/1600
    a Q1 yes 32/800 24/1200
    b Q1 yes 32/800 24/1200
    a Q2 no 60/1000 30/1000
    b Q2 no 60/1000 30/1000
    a Q2 yes 128/1600 16/400
    b Q2 yes 128/1600 16/400
    """,
    strata=(),
)
RIGHT_E = {("Q1", "no"): 0.2, ("Q1", "yes"): 0.4, ("Q2", "no"): 0.5, ("Q2", "yes"): 0.8}
RIGHT_RISK = {("Q1", "no"): 0.01, ("Q1", "yes"): 0.02, ("Q2", "no"): 0.03, ("Q2", "yes"): 0.04}


@pytest.mark.parametrize(("e_is_right", "risk_is_right"), [(True, False), (False, True), (True, True), (False, False)])
def test_either_model_may_be_wrong_but_not_both(e_is_right, risk_is_right):
    problem = problem_of(EXACT, ("period", "at_peak"))
    kinds = list(zip(problem.levels["period"], problem.levels["at_peak"], strict=True))
    e = np.array([RIGHT_E[kind] if e_is_right else 0.3 for kind in kinds])
    risk = np.array([RIGHT_RISK[kind] if risk_is_right else 0.02 for kind in kinds])
    found = overlap_risks(problem, Nuisance(e, 2 * risk, risk))
    agrees = found.exposed / found.unexposed == approx(2, rel=1e-12)
    assert agrees == (e_is_right or risk_is_right)


def test_the_same_seed_gives_the_same_answer_and_another_a_near_one():
    ask = OverlapWeighted(adjust_for=("at_peak",), seed=1)
    assert ask(WITHIN) == ask(WITHIN)
    other = replace(ask, seed=2)(WITHIN)
    assert other != ask(WITHIN)
    assert other.value == approx(ask(WITHIN).value, rel=0.02)


# ---------------------------------------------------------------------------------------------------------------
# Diagnostics
# ---------------------------------------------------------------------------------------------------------------
TWO_AND_ONE = draw(
    """
    a Q1 no 0/20 0/80
    b Q1 no 0/50 0/50
    c Q1 no 0/30 0/0
    """
)


def test_overlap_is_counted_by_hand():
    found = overlap(TWO_AND_ONE)
    assert (found.exposed, found.unexposed) == (100, 130)
    assert found.with_counterpart == approx(0.7)
    assert found.common_support == approx(0.7)
    # Odds of exposure overall are 10/13. Preference odds in a: (1/4)(13/10) = 0.325, a score of 0.245; in b 1.3, 0.565.
    assert found.equipoise == approx(100 / 230)
    assert found.effective_exposed == approx((20 * 0.8 + 50 * 0.5) ** 2 / (20 * 0.64 + 50 * 0.25))
    assert found.effective_unexposed == approx((80 * 0.2 + 50 * 0.5) ** 2 / (80 * 0.04 + 50 * 0.25))


def test_nobody_exposed_has_no_shares():
    found = overlap(draw("a Q1 no 0/0 3/9\nb Q1 no 0/0 1/5"))
    assert (found.exposed, found.unexposed, found.equipoise) == (0, 14, 0.0)
    assert isnan(found.with_counterpart)
    assert isnan(found.common_support)
    assert (found.effective_exposed, found.effective_unexposed) == (0.0, 0.0)


def test_balance_is_counted_by_hand():
    table = balance(TWO_AND_ONE).set_index(["column", "level"])
    row = table.loc[("service", "a")]
    assert (row["exposed"], row["unexposed"]) == approx((0.2, 80 / 130))
    spread = sqrt((0.2 * 0.8 + 80 / 130 * 50 / 130) / 2)
    assert row["difference"] == approx((0.2 - 80 / 130) / spread)
    assert (row["weighted_exposed"], row["weighted_unexposed"]) == approx((16 / 41, 16 / 41))
    assert row["weighted_difference"] == approx(0, abs=1e-12)
    assert isnan(table.loc[("period", "Q1"), "difference"])


def test_weighting_balances_what_the_propensity_knows_and_shows_what_it_does_not():
    frame = EXACT.frame.assign(period="all")
    cells = Cells(pd.concat([frame.assign(service=f"{name}{i}") for i in range(3) for name in "a"]), strata=())
    known = balance(cells, ("at_peak",)).set_index("level")
    unknown = balance(cells, check=("at_peak",)).set_index("level")
    assert abs(known.loc["yes", "difference"]) > 0.4
    assert abs(known.loc["yes", "weighted_difference"]) < 0.01
    assert unknown.loc["yes", "weighted_difference"] == approx(unknown.loc["yes", "difference"])


# ---------------------------------------------------------------------------------------------------------------
# Plain attributable figures: epiR 2.0.57 in R 4.2.2, epi.2by2(matrix(c(13, 2163, 5, 3349)), method = "cohort.count")
# ---------------------------------------------------------------------------------------------------------------
DOGS = {"exposed_events": 13, "exposed_total": 2176, "unexposed_events": 5, "unexposed_total": 3354}


@pytest.mark.parametrize(
    ("measure", "printed"),
    [
        (crude.attributable_fraction, (0.750470161919178, 0.301057999800989, 0.910915154512231)),
        (crude.attributable_risk, (0.00448350740117156, 0.000992277063788425, 0.00797473773855469)),
        (crude.population_attributable_fraction, (0.54200622805274, 0.0361380175331046, 0.782377250106258)),
    ],
)
def test_attributable_figures_agree_with_epir(measure, printed):
    found = measure(**DOGS)
    assert (found.value, *limits(found)) == approx(printed, rel=1e-10)


def test_attributable_incidents_are_the_excess_that_epir_counts():
    found = crude.attributable_incidents(**DOGS)
    assert found.value == approx(9.75611210494931, rel=1e-12)
    assert limits(found) == approx((2176 * 0.000992277063788425, 2176 * 0.00797473773855469), rel=1e-10)


@pytest.mark.parametrize(
    ("variance", "printed"),
    [
        (PopulationVariance.SUMMED, (0.00176421557051525, -0.000225409191609983, 0.00375384033264048)),
        (PopulationVariance.DELTA, (0.00176421557052, 0.00038923875919, 0.00313919238184)),  # "piri"
    ],
)
def test_the_risk_that_exposure_adds_to_everyone_agrees_with_epir(variance, printed):
    found = crude.population_attributable_risk(**DOGS, variance=variance)
    assert (found.value, *limits(found)) == approx(printed, rel=1e-9)


def test_crude_figures_come_under_stable_names():
    found = crude.attributable(WITHIN)
    assert [estimate.id for estimate in found] == [
        "crude.attributable_fraction",
        "crude.attributable_incidents",
        "crude.attributable_risk",
        "crude.population_attributable_fraction",
        "crude.population_attributable_risk",
    ]
    assert {estimate.design for estimate in found} == {"all services together"}


@pytest.mark.parametrize(
    "measure",
    [
        crude.attributable_fraction,
        crude.attributable_incidents,
        crude.attributable_risk,
        crude.population_attributable_fraction,
        crude.population_attributable_risk,
    ],
)
@pytest.mark.parametrize("counts", [(0, 0, 3, 9), (3, 9, 0, 0), (0, 9, 0, 9), (9, 9, 9, 9)])
def test_tables_that_say_nothing_give_a_reason_and_no_interval(measure, counts):
    found = measure(**dict(zip(DOGS, counts, strict=True)))
    assert not found.estimable
    assert limits(found) == (found.estimand.lowest, found.estimand.highest)
    assert found.caveats[0]


def test_impossible_counts_and_levels_are_refused():
    with pytest.raises(ValueError, match=r"^exposed_events is 5 but exposed_total is 3: pass"):
        crude.population_attributable_fraction(**{**DOGS, "exposed_events": 5, "exposed_total": 3})
    with pytest.raises(ValueError, match=r"^level 95 is not a confidence level"):
        crude.attributable_incidents(**DOGS, level=95)


def test_counts_from_numpy_do_not_overflow():
    large = {name: np.int64(count * 10**9) for name, count in DOGS.items()}
    for measure in (crude.population_attributable_fraction, crude.population_attributable_risk):
        assert measure(**large).value == approx(measure(**DOGS).value)


# ---------------------------------------------------------------------------------------------------------------
# Edges
# ---------------------------------------------------------------------------------------------------------------
NO_EVENTS = draw("a Q1 no 0/5 0/9\nb Q1 no 0/7 0/2")
NONE_EXPOSED = draw("a Q1 no 0/0 2/9\nb Q1 no 0/0 1/2")
ALL_EXPOSED = draw("a Q1 no 2/9 0/0\nb Q1 no 1/2 0/0")
APART = draw("a Q1 no 3/5 0/0\nb Q1 no 0/0 1/2")
ONE_SERVICE = draw("a Q1 no 3/9 1/9\na Q2 no 2/8 1/7")
NO_EXPOSED_EVENTS = draw("a Q1 no 0/9 3/9\nb Q1 no 0/8 2/7")
NO_UNEXPOSED_EVENTS = draw("a Q1 no 3/9 0/9\nb Q1 no 2/8 0/7")
NOTHING = Cells(WITHIN.frame.iloc[:0])
REASONS = {
    "no events": (
        NO_EVENTS,
        "None of the 23 deployments was followed by an incident.",
        "No incident followed a deployment that can be compared with one of the other group.",
    ),
    "none exposed": (
        NONE_EXPOSED,
        "No service × period holds exposed deployments, unexposed deployments and an incident.",
        "No service × period holds exposed and unexposed deployments.",
    ),
    "all exposed": (
        ALL_EXPOSED,
        "No service × period holds exposed deployments, unexposed deployments and an incident.",
        "No service × period holds exposed and unexposed deployments.",
    ),
    "apart": (
        APART,
        "No service × period holds exposed deployments, unexposed deployments and an incident.",
        "No service × period holds exposed and unexposed deployments.",
    ),
    "one service": (
        ONE_SERVICE,
        "All exposed deployments that can be compared lie in one service, which cannot show how far services differ "
        "from one another.",
        "All incidents that can be compared lie in one service, which cannot show how far services differ from one "
        "another.",
    ),
    "empty": (NOTHING, "No deployment is left to compare.", "No deployment is left to compare."),
}


def assert_silent(found, reason):
    assert not found.estimable
    assert found.caveats == (reason,)
    assert limits(found) == (found.estimand.lowest, found.estimand.highest)
    assert found.p_value is None


@pytest.mark.parametrize("case", REASONS)
def test_what_the_data_cannot_say_is_an_answer_with_its_reason(case):
    cells, of_standardised, of_overlap = REASONS[case]
    for found in standardised(cells):
        assert_silent(found, of_standardised)
    for found in overlap_weighted(cells):
        assert_silent(found, of_overlap)


@pytest.mark.parametrize("cells", [NO_EXPOSED_EVENTS, NO_UNEXPOSED_EVENTS])
def test_without_events_in_one_group_the_ratio_is_silent_and_the_weighted_difference_speaks(cells):
    assert not any(found.estimable for found in standardised(cells))
    difference, ratio = overlap_weighted(cells)
    assert_silent(
        ratio,
        f"The weighted risk {'with' if cells is NO_EXPOSED_EVENTS else 'without'} exposure is not above zero, so the "
        "ratio has no value.",
    )
    assert difference.estimable
    assert "the normal approximation is rough" in " ".join(difference.caveats)


def test_services_that_all_agree_give_no_interval_by_overlap_and_the_models_when_standardised():
    alike = draw("a Q1 no 4/20 4/40\nb Q1 no 4/20 4/40\nc Q1 no 4/20 4/40\nd Q1 no 4/20 4/40")
    for found in overlap_weighted(alike):
        assert_silent(
            found, "All services agree exactly, so there is no variation between them to compute a standard error from."
        )
    ratio = standardised(alike)[0]
    assert ratio.standard_error == approx(sqrt(1 / 16 + 1 / 16))
    assert "standard error of independent deployments" in ratio.method


def test_fewer_failures_than_expected_are_told_as_prevented():
    kinder = replace(WITHIN, frame=WITHIN.frame.assign(exposed=1 - WITHIN.frame["exposed"]))
    for found in standardised(kinder):
        if found.estimand in (Estimand.ATTRIBUTABLE_INCIDENTS, Estimand.ATTRIBUTABLE_FRACTION):
            assert found.value < 0
            assert "prevented" in found.caveats[0]
        else:
            assert not any("prevented" in caveat for caveat in found.caveats)


def test_exposed_deployments_without_counterpart_are_left_out_and_counted():
    alone = draw(EIGHT + "i Q1 no 9/30 0/0\n")
    found, without = (Standardised(Measure.ATTRIBUTABLE_INCIDENTS)(cells) for cells in (alone, WITHIN))
    assert found.value == approx(without.value)
    assert found.standard_error == approx(without.standard_error)
    assert found.caveats[-1] == (
        "30 of 708 exposed deployments, with 9 of 241 incidents, are left out: their service × period holds no "
        "unexposed ones."
    )
    weighted = OverlapWeighted()(alone)
    assert weighted.value == approx(OverlapWeighted()(WITHIN).value)
    assert weighted.caveats == (
        "30 of 708 exposed deployments have no weight: their service × period holds no unexposed ones.",
    )


def test_few_services_and_risks_above_one_are_told():
    few = draw("a Q1 no 9/10 1/10\na Q1 yes 8/9 2/4\nb Q1 no 8/10 2/30\nb Q1 yes 9/9 1/3")
    found = Standardised(Measure.RISK_RATIO_EVERYONE, ("at_peak",))(few)
    assert found.caveats[0] == (
        "Exposed and unexposed deployments can be compared in 2 services only; with fewer than 4 the interval is not "
        "to be trusted."
    )
    assert "the log link predicts a risk above 1" in found.caveats[1]
    assert OverlapWeighted()(few).caveats[0] == found.caveats[0]


def test_a_level_where_no_exposed_deployment_failed_counts_as_riskless_there():
    # Everything at peak is extra: no exposed deployment failed there, whose ratio then tends to zero.
    quiet = draw("a Q1 no 6/20 4/40\na Q1 yes 0/10 5/20\nb Q1 no 5/30 2/35\nb Q1 yes 0/12 4/25", strata=("service",))
    found = {e.id: e for e in standardised(quiet, settings=Standardised(varies_by=("at_peak",)))}
    model = outcome_model(quiet, (), ("at_peak",))
    peak = (model.problem.levels["at_peak"] == "yes").to_numpy()
    assert (model.exposed.risk[peak] == 0).all()
    assert (model.unexposed.risk > 0).all()
    expected = (model.problem.copies * model.unexposed.risk)[model.problem.design[:, 0] == 1].sum()
    assert found["standardised.attributable_incidents"].value == approx(11 - expected)


def test_a_level_where_no_unexposed_deployment_failed_is_riskless_without_exposure():
    quiet = draw("a Q1 no 6/20 4/40\na Q1 yes 3/10 0/20\nb Q1 no 5/30 2/35\nb Q1 yes 2/12 0/25", strata=("service",))
    model = outcome_model(quiet, (), ("at_peak",))
    peak = (model.problem.levels["at_peak"] == "yes").to_numpy()
    assert (model.unexposed.risk[peak] == 0).all()
    off_peak = model.problem.copies * model.unexposed.risk * (model.problem.design[:, 0] == 1)
    found = Standardised(Measure.ATTRIBUTABLE_INCIDENTS, varies_by=("at_peak",))(quiet)
    assert found.value == approx(16 - off_peak[~peak].sum())


def test_a_risk_that_nothing_observed_speaks_of_is_refused():
    # At peak only exposed deployments: their ratio there cannot be told from the level's own risk.
    open_ended = draw("a Q1 no 6/20 4/40\na Q1 yes 3/10 0/0\nb Q1 no 5/30 2/35\nb Q1 yes 2/12 0/0", strata=("service",))
    assert_silent(
        Standardised(varies_by=("at_peak",))(open_ended),
        "For 22 deployments the data do not say what their risk would be if unexposed: there are none like them to "
        "tell. Let the ratio vary by fewer columns.",
    )
    assert Standardised(adjust_for=("at_peak",))(open_ended).estimable  # one ratio for all can be carried over


@pytest.mark.parametrize("ask", [Standardised(), OverlapWeighted()])
def test_wrong_arguments_are_refused(ask):
    with pytest.raises(ValueError, match=r"^level is 95; a confidence level lies between 0 and 1, such as 0.95.$"):
        ask(WITHIN, 95)
    with pytest.raises(ValueError, match=r"^Cannot adjust for colour: the cells can be adjusted for"):
        replace(ask, adjust_for=("colour",))(WITHIN)


def test_wrong_settings_are_refused():
    with pytest.raises(ValueError, match=r"^estimand is 'odds ratio'; choose the risk ratio or the risk difference.$"):
        OverlapWeighted(Estimand.ODDS_RATIO)
    with pytest.raises(ValueError, match=r"^folds is 1 and repeats is 11; it takes at least 2 folds and 1 repeat.$"):
        OverlapWeighted(folds=1)


@pytest.mark.parametrize("ask", [Standardised(adjust_for=("at_peak",)), OverlapWeighted(adjust_for=("at_peak",))])
def test_thousands_of_services_with_a_deployment_or_two_each_are_answered(ask):
    count = 5_000
    frame = pd.DataFrame(
        {
            "service": [f"s{i // 2:05}" for i in range(2 * count)],
            "period": "Q1",
            "at_peak": ["yes" if i % 3 else "no" for i in range(2 * count)],
            "exposed": [i % 2 for i in range(2 * count)],
            "n": 1,
            "events": [int(i % 7 == 0 or i % 11 == 1) for i in range(2 * count)],
        }
    )
    found = ask(Cells(frame))
    assert found.estimable
    assert found.interval.low < found.value < found.interval.high
