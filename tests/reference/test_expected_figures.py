"""Figures of well-known data that no other file here asks for, and R's own where R stops before it has converged."""

from dataclasses import replace
from math import exp, inf, sqrt

import numpy as np
import pytest
from pytest import approx
from scipy.optimize import minimize
from scipy.special import logit, logsumexp
from scipy.stats import chi2
from test_pooling import ABSOLUTE_LATITUDE, BCG, groups_of
from test_rates import ships
from test_regression import bacteria, solved
from test_severity import WINE_COUNTS, WINE_DESIGN
from test_stratified import BERKELEY

from counterfault.cells import TwoByTwo
from counterfault.estimators.consequences.proportional_odds import ProportionalOdds
from counterfault.estimators.marginal.marginal_risk import Arm, FittedModel, MarginalRisk, marginal_risk
from counterfault.estimators.odds.irls import Family, Floats, fit_glm
from counterfault.estimators.poisson.cluster_robust import SmallSample, cluster_robust
from counterfault.estimators.pooling.between_groups import Between, Groups, standard_error
from counterfault.estimators.tables import stratified, two_by_two
from counterfault.estimators.tables.exact import exposed_events

Z = 1.959963984540054  # qnorm(.975)
T12 = 2.178812829667228  # qt(.975, 12)


def within(tolerance, *printed):
    """Relative; absolute below 1."""
    return approx(printed, rel=tolerance, abs=tolerance)


def test_the_odds_ratio_and_its_wald_limits_agree_with_epir():
    # > epiR::epi.2by2(matrix(c(13, 2163, 5, 3349)), method = "cohort.count", units = 1)  # R 4.2.2, epiR 2.0.57
    found = two_by_two.odds_ratio(exposed_events=13, exposed_total=2176, unexposed_events=5, unexposed_total=3354)
    reach = Z * found.standard_error  # its own limits are by the score test
    limits = found.value * exp(-reach), found.value * exp(reach)
    assert (found.value, *limits) == approx((4.02561257512714, 1.43312842649587, 11.3078188286627), rel=1e-12)


# ---------------------------------------------------------------------------------------------------------------
# Where R stops: glm ends when the deviance changes by less than 1e-8 of itself (epsilon, as shipped), and reports the
# covariance of the step before, whose weights are one step older than its coefficients. The errors then differ from
# those of a converged fit in the fifth figure. Other tests hold the converged figures, to nine digits and more; here
# the iteration is stopped as R stops it, and our formulas must give what R printed.
# ---------------------------------------------------------------------------------------------------------------


def stopped_as_r_stops(
    family: Family, design: Floats, events: Floats, size: Floats, index: Floats
) -> tuple[Floats, Floats, Floats]:
    """Coefficients, rates, and the weights R keeps, from R's starting linear predictor."""
    before = inf
    while True:
        rate = family.rate(index)
        weights = size * family.variance(rate)
        response = index + (events - size * rate) / weights
        beta = np.linalg.solve((design.T * weights) @ design, design.T @ (weights * response))
        index = design @ beta
        deviance = family.deviance(events, size, family.rate(index))
        if abs(deviance - before) < 1e-8 * (abs(deviance) + 0.1):
            return beta, family.rate(index), weights
        before = deviance


def test_the_logit_of_the_bacteria_trial_stopped_early_has_the_errors_r_prints():
    # > fit <- glm(y ~ active + week, binomial); summary(fit); vcovCL(fit, ~ id, type = "HC0", cadjust = FALSE);
    # > vcovCR(fit, id, "CR2"); coef_test(…)$df           # R 4.2.2, sandwich 3.0.2, clubSandwich 0.5.8
    _, model = solved(bacteria(), "logit")
    design, y = model.design, bacteria()["y"].to_numpy()
    beta, p, old = stopped_as_r_stops(Family.BINOMIAL, design, y, np.ones(220), logit((y + 0.5) / 2))
    new = p * (1 - p)
    assert beta == approx((2.54054251243959, -0.890340538951826, -0.114792493975236), rel=1e-10)
    # sandwich takes the old weights throughout
    stale = replace(model, variances=old, residuals=old / new * (y - p))
    cr0, cr1 = (cluster_robust(stale, kind) for kind in (SmallSample.CR0, SmallSample.CR1))
    of_model = np.sqrt(np.diag(cr0.model_covariance))
    assert of_model == approx((0.404477472937053, 0.378441144049581, 0.0439549462076724), rel=1e-9)
    assert cr0.standard_errors == approx((0.45895865965466, 0.482016286274621, 0.0373787193734013), rel=1e-9)
    assert cr1.standard_errors == approx((0.463618257894427, 0.486909978095916, 0.0377582084871444), rel=1e-9)
    # with (n−1)/(n−k) besides G/(G−1), which this project leaves out
    full = cr1.standard_errors * sqrt(219 / 217)
    assert full == approx((0.465749847330706, 0.489148656465576, 0.0379318103610428), rel=1e-9)
    # clubSandwich takes them for the outer matrices only
    fresh, information = replace(model, variances=new, residuals=y - p), (design.T * new) @ design
    cr2 = cluster_robust(fresh, SmallSample.CR2, information @ cr0.model_covariance)
    assert cr2.standard_errors == approx((0.469532202678348, 0.493267040101662, 0.0378497114968206), rel=1e-9)
    assert cr2.degrees_of_freedom == approx((33.6673386362336, 35.7783541948685, 44.1296082119664), rel=1e-5)


def test_the_dispersion_of_the_ships_with_stale_weights_is_the_one_r_prints():
    # > summary(glm(…, quasipoisson))$dispersion; a converged fit has 1.69101012                           # R 4.2.2
    frame = ships()
    levels = [("type", x) for x in "BCDE"] + [("year", x) for x in ("65", "70", "75")] + [("period", "75")]
    design = np.column_stack([np.ones(34), *((frame[name] == level) for name, level in levels)]).astype(float)
    events, months = frame["incidents"].to_numpy(float), frame["service"].to_numpy(float)
    start = np.log((events + 0.1) / months)
    _, rate, old = stopped_as_r_stops(Family.POISSON, design, events, months, start)
    fit = fit_glm(design, events, months, Family.POISSON)
    expected = months * rate
    stale = (old - expected) @ ((events - expected) / expected) ** 2
    assert fit.dispersion + stale / fit.residual_df == approx(1.69102765979022, rel=1e-9)


# ---------------------------------------------------------------------------------------------------------------
# Bacteria: standardised risks, and generalised estimating equations
# ---------------------------------------------------------------------------------------------------------------


def risk_under(drug: float) -> MarginalRisk:
    """Mean over all visits, had every child had this drug, by a logit with clustered errors."""
    beta, model = solved(bacteria(), "logit")
    ones, nobody = np.ones(220), np.zeros(220, dtype=np.intp)
    fit = FittedModel(model.design[:, 1:], ones, model.variances, model.residuals, nobody, model.clusters)
    assigned = np.column_stack([drug * ones, model.design[:, 2]])
    chance = Family.BINOMIAL.rate(beta[0] + assigned @ beta[1:])
    return marginal_risk(fit, Arm(chance, Family.BINOMIAL.variance(chance), assigned), ones == 1)


def test_marginal_risks_of_the_bacteria_trial_and_their_contrasts_agree_with_r():
    # The delta method with sandwich::vcovCL(type = "HC0", cadjust = FALSE), then with vcov().            # R 4.2.2
    active, placebo = risk_under(1), risk_under(0)
    risks = active.value, placebo.value, active.value - placebo.value, active.value / placebo.value
    assert risks == within(1e-5, 0.748828102907858, 0.875924643804587, -0.127096540896729, 0.854900142614228)
    difference = active.influence - placebo.influence
    ratio = active.influence * (1 / active.value) - placebo.influence * (1 / placebo.value)
    clustered = difference.clustered_error(), ratio.clustered_error()
    assert clustered == within(1e-5, 0.0628369308250437, 0.0782977772256974)
    assert (difference.model_error, ratio.model_error) == within(1e-5, 0.0505955056555639, 0.0635456336879533)


def test_independence_equations_have_the_errors_of_the_sandwich():
    # > geeglm(y ~ active + week, binomial, id = id, corstr = "independence")             # R 4.2.2, geepack 1.3.9
    _, model = solved(bacteria(), "logit")
    printed = 0.458960135864019, 0.482016769558986, 0.03737897179904
    assert cluster_robust(model, SmallSample.CR0).standard_errors == approx(printed, rel=1e-8)


EXCHANGEABLE = 0.1389074199734  # geepack's correlation of two visits of one child


def estimating_equations(correlation: float | None):
    """Statsmodels' exchangeable equations, solved at this correlation or at statsmodels' own."""
    from statsmodels.genmod.cov_struct import Exchangeable
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_estimating_equations import GEE

    rows, structure = bacteria(), Exchangeable()
    if correlation is not None:
        structure.dep_params = correlation
    design = np.column_stack([np.ones(220), rows["active"], rows["week"]])
    free = correlation is None
    model = GEE(rows["y"], design, rows["child"], family=Binomial(), cov_struct=structure, update_dep=free)
    return model.fit(maxiter=200, ctol=1e-12)


def test_exchangeable_equations_agree_with_geepack_at_its_correlation():
    # > geeglm(y ~ active + week, binomial, id = id, corstr = "exchangeable")             # R 4.2.2, geepack 1.3.9
    fit = estimating_equations(EXCHANGEABLE)
    assert np.array(fit.params) == within(1e-5, 2.54979068668541, -0.885531372258173, -0.118480139008119)
    errors = np.array(fit.standard_errors("robust"))
    assert errors == within(1e-5, 0.467084188936093, 0.490424791831095, 0.0370161549402888)


def test_geepacks_correlation_is_the_mean_product_of_residuals_and_that_of_statsmodels_is_near():
    # statsmodels takes the number of coefficients off both counts, geepack off neither
    assert estimating_equations(None).cov_struct.dep_params == approx(EXCHANGEABLE, abs=1e-3)
    rows, p = bacteria(), np.array(estimating_equations(EXCHANGEABLE).fittedvalues)
    child = (rows["y"] - p).div(np.sqrt(p * (1 - p))).groupby(rows["child"])
    total, squares, visits = child.sum(), child.agg(lambda r: float((r**2).sum())), child.size()
    products = ((total**2 - squares) / 2).sum() / (visits * (visits - 1) / 2).sum()
    assert products / (squares.sum() / 220) == approx(EXCHANGEABLE, rel=1e-7)


# ---------------------------------------------------------------------------------------------------------------
# BCG: R 4.2.2, metafor 3.8-1, as it comes. Its search for τ² ends some digits early, so that is compared to 1e-4; what
# follows from the τ² it found is compared to nine digits.
# ---------------------------------------------------------------------------------------------------------------
I2, H2 = (92.2213860749656, 92.1173468545621, 92.3309002898848), (12.8557608031121, 12.6860840068644, 13.039340180713)
IN_METAFOR = [
    # by, then τ², I², H², mean, error, its limits and those of a new group: mean ± quantile·√(τ² + error²)
    (Between.REML, 0.313243325980895, I2[0], H2[0], -0.714532348365101, 0.179781531780361,
     (-1.06689767574005, -0.36216702099015), (-1.86669234660707, 0.437627649876866)),
    (Between.DL, 0.308760262862376, I2[1], H2[1], -0.714117222073227, 0.178742089535403,
     (-1.06444528008405, -0.363789164062403), (-1.85815375273217, 0.429919308585714)),
    (Between.PM, 0.318093711863015, I2[2], H2[2], -0.714970405632446, 0.180897984125838,
     (-1.06952393939499, -0.360416871869904), (-1.8758545960438, 0.445913784778906)),
]  # fmt: skip


def around(centre: float, reach: float) -> tuple[float, float]:
    return centre - reach, centre + reach


@pytest.mark.parametrize("between, tau_squared, i_squared, h_squared, mean, error, limits, new", IN_METAFOR)
def test_at_metafors_spread_everything_else_agrees(
    between, tau_squared, i_squared, h_squared, mean, error, limits, new
):
    # > r <- rma(yi, vi, method = …); predict(r)    normal quantiles for both intervals, unlike ours
    groups = groups_of(BCG)
    assert groups.tau_squared(between) == approx(tau_squared, abs=1e-4)
    fit, spread = groups.fit(tau_squared), groups.heterogeneity(tau_squared)
    centre, found = fit.coefficients[0], standard_error(fit, hartung_knapp=False)
    assert (centre, found) == approx((mean, error), rel=1e-9)
    assert around(centre, Z * found) == approx(limits, rel=1e-9)
    assert around(centre, Z * sqrt(tau_squared + found**2)) == approx(new, rel=1e-9)
    assert (100 * spread.i_squared, spread.h_squared) == approx((i_squared, h_squared), rel=1e-9)


def test_at_metafors_spread_hartung_and_knapps_limits_agree():
    # > r <- rma(yi, vi, test = "knha"); predict(r)                                            both with t(k−1)
    fit = groups_of(BCG).fit(0.313243325980895)
    centre, error = fit.coefficients[0], standard_error(fit, hartung_knapp=True)
    assert error == approx(0.1807917455191, rel=1e-9)
    assert around(centre, T12 * error) == approx((-1.10844372300005, -0.320620973730153), rel=1e-9)
    new = T12 * sqrt(fit.tau_squared + error**2)
    assert around(centre, new) == approx((-1.99601696702229, 0.566952270292088), rel=1e-9)


def test_the_limits_of_a_common_ratio_agree_with_metafor():
    # > rma(yi, vi, method = "FE")
    fit = groups_of(BCG).fit(0.0)
    reach = Z * standard_error(fit, hartung_knapp=False)
    assert around(fit.coefficients[0], reach) == approx((-0.509661258426214, -0.350909068881968), rel=1e-9)


def test_at_metafors_spread_the_slope_on_latitude_agrees():
    # > rma(yi, vi, mods = ~ ablat)
    plain = groups_of(BCG)
    groups = Groups(plain.values, plain.variances, np.column_stack([np.ones(13), ABSOLUTE_LATITUDE]))
    assert groups.tau_squared(Between.REML) == approx(0.0763546947056598, abs=1e-5)
    fit = groups.fit(0.0763546947056598)
    assert fit.coefficients == approx((0.251464294374285, -0.0291016609280148), rel=1e-9)
    assert np.sqrt(np.diag(fit.covariance)) == approx((0.249103666389133, 0.00719555475708091), rel=1e-9)


# ---------------------------------------------------------------------------------------------------------------
# Berkeley: exposed are men, an event is an admission
# ---------------------------------------------------------------------------------------------------------------


def berkeley_tables() -> list[TwoByTwo]:
    return [TwoByTwo(*map(int, row)) for row in BERKELEY.tables().itertuples(index=False)]


def berkeley_in_statsmodels():
    from statsmodels.stats.contingency_tables import StratifiedTable

    return StratifiedTable([np.array([[a, n1 - a], [c, n0 - c]]) for a, n1, c, n0 in berkeley_tables()])


def test_berkeleys_chi_square_is_that_of_mantelhaen_test():
    # > mantelhaen.test(UCBAdmissions, correct = FALSE)                                                    # R 4.2.2
    found = stratified.odds_ratio(BERKELEY)
    assert chi2.isf(found.p_value, 1) == approx(1.52460666044344, rel=1e-10)
    assert "without continuity correction" in found.method
    # > mantelhaen.test(UCBAdmissions, correct = TRUE): left to the library, since the correction makes it conservative
    corrected = berkeley_in_statsmodels().test_null_odds(correction=True)
    assert (corrected.statistic, corrected.pvalue) == approx((1.42694622858669, 0.232263462817048), rel=1e-9)


def test_berkeleys_one_sided_exact_p_is_that_of_mantelhaen_test():
    # > mantelhaen.test(UCBAdmissions, exact = TRUE, alternative = "greater")$p.value                      # R 4.2.2
    distribution = exposed_events(berkeley_tables())
    assert exp(distribution.tail(1.0, upper=True)) == approx(0.899007838762791, rel=1e-10)


def test_berkeley_without_tarones_correction_and_by_woolf():
    # Breslow & Day's sum in R 4.2.2; ours has Tarone's correction, which takes 1e-5 off here.
    plain = berkeley_in_statsmodels().test_equal_odds(adjust=False)
    assert (plain.statistic, plain.pvalue) == approx((18.825513705235, 0.00207139034991892), rel=1e-9)
    assert plain.statistic - stratified.homogeneity(BERKELEY).statistic == approx(1.24531833e-5, rel=1e-6)
    # Woolf's test is Cochran's Q of the log odds ratios. R's example of it adds ½ to every count; this figure does not.
    counts = np.array([(a, n1 - a, c, n0 - c) for a, n1, c, n0 in berkeley_tables()], dtype=float)
    ratios = np.log(counts[:, 0] * counts[:, 3] / (counts[:, 1] * counts[:, 2]))
    spread = Groups.alike(ratios, (1 / counts).sum(axis=1)).heterogeneity(0.0)
    assert (spread.q, spread.p_value) == approx((17.9017124697972, 0.00307214230873256), rel=1e-10)


# ---------------------------------------------------------------------------------------------------------------
# Wine: logit P(rating ≤ j) = θ_j − x'β
# ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("column, p_value", [(0, 0.365425943577536), (1, 0.904002389824219)])
def test_the_p_of_proportional_odds_agrees_with_nominal_test(column, p_value):
    # > nominal_test(clm(rating ~ temp + contact, data = wine))                        # R 4.2.2, ordinal 2022.11-16
    common, free = (ProportionalOdds(WINE_COUNTS, WINE_DESIGN, nominal=which).fit() for which in (None, column))
    extra = len(free.coefficients) - len(common.coefficients)
    found = chi2.sf(2 * (free.log_likelihood - common.log_likelihood), extra)
    assert (extra, found) == (3, approx(p_value, rel=1e-7))


# Nine judges, eight glasses each: two cold without contact, two cold with, two warm without, two warm with.
JUDGES = "23344455 12132354 23325544 32323253 23433333 32322454 11222323 22233334 12323244"
RATINGS = np.array([[int(digit) for digit in word] for word in JUDGES.split()])
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(60)


def log_likelihood_with_judges(beta: Floats) -> float:
    """A normal effect of the judge in our proportional odds, integrated out; the last coefficient is its deviation."""
    design = np.column_stack([np.repeat(WINE_DESIGN, 60, axis=0), -np.tile(NODES, 4)])
    chances = ProportionalOdds(np.ones((240, 5)), design).fitted(beta).reshape(4, 60, 5)
    if (chances <= 0).any():
        return -inf
    of_glass = np.log(chances)[np.arange(8) // 2, :, RATINGS - 1]  # (judge, glass, node)
    of_judge = logsumexp(of_glass.sum(axis=1) + np.log(WEIGHTS / WEIGHTS.sum()), axis=1)
    return float(of_judge.sum())


def test_our_cumulative_logits_with_a_random_judge_agree_with_clmm2():
    # > clmm2(rating ~ temp + contact, random = judge, data = wine, nAGQ = 10)         # R 4.2.2, ordinal 2022.11-16
    # log-likelihood -81.532460711546; nAGQ = 40 moves it by 1e-9, and 60 plain nodes here are as good
    counted = [np.bincount(RATINGS[:, 2 * i : 2 * i + 2].ravel(), minlength=6)[1:] for i in range(4)]
    assert np.array_equal(counted, WINE_COUNTS)
    start = [*ProportionalOdds(WINE_COUNTS, WINE_DESIGN).fit().coefficients, 1.0]
    found = minimize(lambda beta: -log_likelihood_with_judges(beta), start, method="BFGS", options={"gtol": 1e-6})
    assert -found.fun == approx(-81.532460711546, rel=1e-8)
    assert found.x[:4] == within(1e-4, -1.62349270483925, 1.51279452097846, 4.22705494344634, 6.08615502607841)
    assert found.x[4:6] == within(1e-4, 3.06189686113358, 1.83343118073378)
    assert abs(found.x[6]) == approx(1.13478690832694, rel=1e-4)
