"""Amplifiers, mediation, dose and multiplicity, against R and at the edges."""

from dataclasses import replace
from itertools import product
from math import erfc, exp, inf, log, sqrt

import numpy as np
import pandas as pd
import pytest
from pytest import approx

from counterfault.cells import Cells
from counterfault.estimate import Estimand
from counterfault.estimators.amplifying.causal_diagram import EXPOSURE, OUTCOME, UNMEASURED, Arrow, Role, causal_diagram
from counterfault.estimators.amplifying.contrasts import LogRatios
from counterfault.estimators.amplifying.dose import Dose
from counterfault.estimators.amplifying.excess_risk import excess_risk
from counterfault.estimators.amplifying.interaction import Amplifier, ExposedKinds
from counterfault.estimators.amplifying.kinds import ByKind, risk_ratios_by_kind, tiers, tools
from counterfault.estimators.amplifying.mediation import Mediation
from counterfault.estimators.amplifying.trend import mantel_extension
from counterfault.estimators.multiplicity import Adjustment, adjusted_p, for_multiplicity
from counterfault.estimators.poisson.regression import HEADLINE, ModifiedPoisson, SmallSample

# ---------------------------------------------------------------------------------------------------------------
# A table both languages can make from one formula: 7 services, 3 periods, 3 sizes, 100 cells, 682 deployments.
# ---------------------------------------------------------------------------------------------------------------
# > d <- expand.grid(service = 1:7, period = 1:3, exposed = 0:1, size = 0:2)
# > d <- d[(d$service + d$period + 2*d$exposed + d$size) %% 5 != 0, ]
# > d$n <- 2 + (5*d$service + 3*d$period + 7*d$exposed + 4*d$size + d$service*d$exposed) %% 11
# > d$y <- pmin(d$n, (3*d$service + 5*d$period + 2*d$exposed*d$service + 7*d$size + d$service*d$period) %% 4)
# > d$peak <- (d$service + 2*d$period + d$exposed + d$size) %% 3
# > d$tool <- ifelse(d$exposed == 1, 1 + (d$service + d$size) %% 3, 0)
# > d$layer <- d$service %% 2
# > d$share <- ifelse(d$exposed == 1, c(0.1, 0.35, 0.8)[1 + (d$service + d$period + d$size) %% 3], 0)
# > rows <- d[rep(seq_len(nrow(d)), d$n), ]
# > rows$event <- unlist(Map(function(n, y) rep(1:0, c(y, n - y)), d$n, d$y))
# > rows$stratum <- paste(rows$service, rows$period)
SIZES, PEAKS, TOOLS = ("small", "medium", "large"), ("no", "yes", "missing"), ("", "alpha", "beta", "gamma")
BINS, SHARES = ("1 to 20 %", "20 to 50 %", "50 % and more"), (0.1, 0.35, 0.8)
WITHIN = ("service", "period")


def formula_table() -> pd.DataFrame:
    cells = []
    for s, p, e, z in product(range(1, 8), range(1, 4), (0, 1), range(3)):
        if (s + p + 2 * e + z) % 5:
            n = 2 + (5 * s + 3 * p + 7 * e + 4 * z + s * e) % 11
            dose = (s + p + z) % 3
            cells.append(
                {
                    "service": f"service {s}",
                    "period": f"period {p}",
                    "exposed": e,
                    "size": SIZES[z],
                    "peak": PEAKS[(s + 2 * p + e + z) % 3],
                    "tool": TOOLS[1 + (s + z) % 3 if e else 0],
                    "layer": "platform" if s % 2 else "application",
                    "bin": BINS[dose] if e else "none",
                    "share": SHARES[dose] if e else 0.0,
                    "n": n,
                    "events": min(n, (3 * s + 5 * p + 2 * e * s + 7 * z + s * p) % 4),
                    "exposure_hours": 24.0 * n,
                }
            )
    return pd.DataFrame(cells)


CELLS = Cells(formula_table(), WITHIN)
PLAIN = ModifiedPoisson()  # CR2 alone, as clubSandwich gives it
AT_PEAK = Amplifier("peak", ("yes",), ("no",), ("size",), PLAIN)


def agrees(found, beta, error, p, limits):
    """R's roots of ill-conditioned matrices leave seven figures of the errors, however many it prints."""
    assert log(found.value) == approx(beta, rel=2e-9)
    assert found.standard_error == approx(error, rel=1e-7)
    assert found.p_value == approx(p, rel=5e-7)
    assert (found.interval.low, found.interval.high) == approx(limits, rel=5e-8)


# > fitted <- function(formula) glm(formula, family = poisson, data = rows,
# +                                 control = glm.control(epsilon = 1e-15, maxit = 100))
# > vcov <- vcovCR(fit, cluster = rows$service, type = "CR2"); coef_test(…, test = "Satterthwaite"); conf_int(…)
# > rows$ref <- (rows$peak == 0) * rows$exposed      # amp and oth likewise, of peak 1 and 2
# R 4.2.2, clubSandwich 0.5.8; columns beta, SE, p, exp of the limits.


def test_the_amplifier_is_the_interaction_of_a_poisson_glm_in_r():
    # event ~ exposed + amp + oth + factor(peak) + factor(size) + factor(stratum), coefficient of amp
    found = AT_PEAK(CELLS)
    agrees(found, -0.1678839688, 0.177046255, 0.379839683, (0.5478354978, 1.304751089))
    # event ~ ref + amp + oth + …, coefficients of ref and amp
    agrees(found.parts[0], 0.3712421582, 0.1363274938, 0.03526808502, (1.036516183, 2.027126048))
    agrees(found.parts[1], 0.2033581894, 0.08646467376, 0.05826862773, (0.9901701565, 1.516787868))
    assert found.estimand is Estimand.RATIO_OF_RATIOS
    assert found.id == "amplifier.peak.ratio"
    assert [part.label for part in found.parts] == ["peak=no", "peak=yes"]
    assert found.value == approx(found.parts[1].value / found.parts[0].value, rel=1e-12)
    assert found.adjustment == ("peak", "size")
    assert found.method == (
        "modified Poisson regression (Zou 2004) with exposure × peak, service × period effects conditioned out; CR2 "
        "standard error by service, t with 6.0 Satterthwaite degrees of freedom"
    )


def test_a_modifier_of_whole_services_is_compared_between_them_and_says_so():
    # event ~ exposed + exposed:layer + factor(size) + factor(stratum)
    found = Amplifier("layer", ("platform",), ("application",), ("size",), PLAIN)(CELLS)
    agrees(found, 0.2020916575, 0.1950468654, 0.3543011001, (0.7241232482, 2.068817078))
    agrees(found.parts[0], 0.1343957325, 0.09694965406, 0.3026540069, (0.7465960993, 1.752463307))
    assert found.caveats[-1] == (
        "layer does not vary within service × period: the two ratios come from different ones, and whatever else "
        "differs between these may be what amplifies."
    )
    assert any("lie in 3 services" in caveat for caveat in found.caveats)  # services 2, 4 and 6


def test_kinds_of_exposed_deployments_are_compared_without_effects_of_their_own():
    # event ~ exposed + t1 + t2 + factor(size) + factor(stratum), coefficient of t1: tool alpha against gamma
    found = ExposedKinds("tool", ("alpha",), ("gamma",), ("size",), PLAIN)(CELLS)
    agrees(found, 0.1926158377, 0.324288492, 0.5767596177, (0.5353608709, 2.745727068))
    agrees(found.parts[0], -0.03082036963, 0.2043689173, 0.8857920901, (0.5770535432, 1.629347262))
    agrees(found.parts[1], 0.1617954681, 0.2390267702, 0.5260634827, (0.6458293514, 2.140010869))
    assert found.id == "amplifier.tool.ratio"


def test_what_unexposed_deployments_say_of_their_kind_is_not_looked_at():
    frame = formula_table()
    shuffled = frame.assign(tool=np.where(frame["exposed"] == 1, frame["tool"], frame["peak"]))
    setting = ExposedKinds("tool", ("alpha",), ("gamma",), ("size",))
    assert setting(replace(CELLS, frame=shuffled)) == setting(CELLS)


def test_one_fit_gives_every_kind_and_holm_counts_them():
    # event ~ t1 + t2 + t3 + factor(size) + factor(stratum)
    found = risk_ratios_by_kind(CELLS, "tool", id="dose.tool", adjust_for=("size",), settings=PLAIN)
    agrees(found[0], 0.1617954681, 0.2390267702, 0.5260634827, (0.6458293514, 2.140010869))
    agrees(found[1], 0.5836877927, 0.1244839664, 0.003767033877, (1.317580545, 2.43897642))
    agrees(found[2], -0.03082036963, 0.2043689173, 0.8857920901, (0.5770535432, 1.629347262))
    assert [one.id for one in found] == ["dose.tool.alpha", "dose.tool.beta", "dose.tool.gamma"]
    whole = ByKind("tool", "dose.tool", ("size",), PLAIN)(CELLS)
    assert whole.value == PLAIN.__class__(("size",))(CELLS).value
    assert [part.value for part in whole.parts] == [one.value for one in found]
    assert whole.parts[1].caveats[-1] == "p adjusted for 3 contrasts (Holm 1979): 0.011"  # 3 × 0.003767


# ---------------------------------------------------------------------------------------------------------------
# The difference scale
# ---------------------------------------------------------------------------------------------------------------


def test_the_excess_agrees_with_limits_recovered_by_hand_in_r():
    # Log RR11, RR10, RR01 and their 3 × 3 CR2 covariance from the fit above; limits by t with the Satterthwaite
    # degrees of each (5.71314000526, 5.87024403416, 5.83778696629: clubSandwich::linear_contrast); then
    # > L <- v - sqrt((R[1]-lo[1])^2 + (hi[2]-R[2])^2 + (hi[3]-R[3])^2 - 2*r[1,2]*(R[1]-lo[1])*(hi[2]-R[2])
    # +   - 2*r[1,3]*(R[1]-lo[1])*(hi[3]-R[3]) + 2*r[2,3]*(hi[2]-R[2])*(hi[3]-R[3]))          # and U likewise
    found = AT_PEAK.excess(CELLS)
    assert found.id == "amplifier.peak.reri"
    assert found.estimand is Estimand.RERI
    assert found.value == approx(-0.26696831421, rel=1e-9)
    assert (found.interval.low, found.interval.high) == approx((-0.912135132119, 0.258118679798), rel=1e-7)
    assert found.standard_error == approx(0.229271913916, rel=1e-7)
    assert [log(part.value) for part in found.parts] == approx([-0.0079020317, 0.3712421582, -0.2112602211], rel=1e-8)
    assert found.method.startswith("RERI (Hosmer & Lemeshow 1992) with MOVER limits (Zou 2008), from modified Poisson")


def test_the_excess_takes_the_limits_of_independent_deployments_where_these_are_further_apart():
    # The same with > vcov(fit) and normal quantiles: -0.26696831421 -1.6002869779 0.454550101777
    found = replace(AT_PEAK, settings=HEADLINE).excess(CELLS)
    assert (found.interval.low, found.interval.high) == approx((-1.6002869779, 0.454550101777), rel=1e-7)
    assert found.standard_error == approx(0.469121831033, rel=1e-7)
    assert found.method.endswith("; the interval is that of independent deployments, which is wider")


def oral_cancer() -> LogRatios:
    """Rothman & Keller 1972: cases and controls by drinking and smoking, 225/166, 6/12, 8/18, 3/20."""
    both, drink, smoke, none = (np.array(c, float) for c in ((225, 166), (6, 12), (8, 18), (3, 20)))
    logs = np.array([log(g[0] / g[1]) - log(none[0] / none[1]) for g in (both, drink, smoke)])
    covariance = np.full((3, 3), (1 / none).sum()) + np.diag([(1 / g).sum() for g in (both, drink, smoke)])
    return LogRatios(logs, covariance, covariance, np.full(3, inf))


def test_the_excess_of_smoking_and_drinking_agrees_with_epir_and_the_printed_paper():
    # > epiR::epi.interaction(glm(y ~ dv, binomial), param = "dummy", coef = 2:4)$reri     # epiR 2.0.57
    #   3.73984828202 -1.83667911072 9.31637567476; Hosmer & Lemeshow 1992 print 3.74 (-1.84, 9.32)
    found = excess_risk(oral_cancer(), 0.95, at_least_model=False)
    delta = 1.959963984540054 * found.standard_error
    assert (found.value, found.value - delta, found.value + delta) == approx(
        (3.73984828202, -1.83667911072, 9.31637567476), rel=1e-9
    )
    # MOVER, by hand in R as above
    assert (found.low, found.high) == approx((-11.4297670919, 21.8722152338), rel=1e-9)


@pytest.mark.parametrize("scale", [0.05, 0.3])
def test_p_of_no_excess_is_the_level_whose_interval_ends_at_zero(scale):
    ratios = oral_cancer()
    ratios = replace(ratios, robust=scale * ratios.robust)
    p = excess_risk(ratios, 0.95, at_least_model=False).p_value
    assert excess_risk(ratios, 1 - p, at_least_model=False).low == approx(0, abs=1e-6)


def test_a_modifier_that_strata_absorb_has_no_excess_but_a_difference_of_risk_differences():
    setting = Amplifier("layer", ("platform",), ("application",), ("size",))
    excess, difference = setting.excess(CELLS), setting.difference(CELLS)
    assert not excess.estimable
    assert excess.caveats == (
        "layer does not vary within service × period, so its own risk ratio cannot be told apart from the service × "
        "period, and the excess is measured in units of it. The ratio of ratios does not need it.",
    )
    assert (excess.interval.low, excess.interval.high) == (-inf, inf)
    assert difference.estimable
    assert difference.value == approx(difference.parts[1].value - difference.parts[0].value)


def test_risk_differences_of_both_sides_agree_with_predictions_in_r():
    # > p <- function(a) predict(fit, transform(rows, ref = a*(peak == 0), amp = a*(peak == 1), oth = …), "response")
    # > mean((p(1) - p(0))[rows$peak == k & both])       # both: strata with exposed and unexposed deployments
    found = AT_PEAK.difference(CELLS)
    assert found.id == "amplifier.peak.risk_difference"
    assert found.estimand is Estimand.RISK_DIFFERENCE_CONTRAST
    values = (found.parts[0].value, found.parts[1].value, found.value)
    assert values == approx((0.101022805484, 0.0412088287324, -0.0598139767512), rel=1e-9)
    assert found.caveats == ()


def test_the_excess_leaves_out_a_covariate_that_says_the_same_more_finely():
    frame = formula_table()
    frame["finer"] = frame["peak"] + np.where(frame["n"] % 2 & (frame["peak"] == "yes"), ", late", "")
    found = replace(AT_PEAK, adjust_for=("finer", "size")).excess(replace(CELLS, frame=frame))
    assert found.value == approx(AT_PEAK.excess(CELLS).value, rel=1e-9)
    assert found.adjustment == ("peak", "size")
    assert found.caveats[-1] == "finer says more finely what peak says, so it is not held fixed as well."


# ---------------------------------------------------------------------------------------------------------------
# Dose
# ---------------------------------------------------------------------------------------------------------------

DOSE = Dose("bin", "share", ("size",), PLAIN)


def test_the_trend_is_the_coefficient_of_the_share_in_r():
    # event ~ s10 + factor(size) + factor(stratum), s10 = 10 * share
    found = DOSE(CELLS)
    agrees(found, 0.02251011026, 0.01541266928, 0.2066636019, (0.9824745321, 1.064708526))
    assert found.id == "dose.trend"
    # event ~ b1 + b2 + b3 + …, one for each bin
    bins = found.parts[:3]
    agrees(bins[0], 0.3559983979, 0.2474561325, 0.2097153212, (0.7558689609, 2.696309661))
    agrees(bins[1], 0.1717147904, 0.1517505904, 0.3036106193, (0.8143278983, 1.731212017))
    agrees(bins[2], 0.2139529091, 0.1847148148, 0.3069614203, (0.7520467019, 2.03982225))
    assert [part.label for part in bins] == list(BINS)
    # event ~ exposed + s10 + …, coefficient of s10
    agrees(found.parts[3], -0.01836819539, 0.04938733055, 0.7248408601, (0.8655319862, 1.113685246))
    # > clogit(event ~ share + strata(stratum, size), data = rows, method = "exact")$score     # survival 3.5.3
    #   0.965064019614, p 0.325914290983
    assert found.caveats[-1].endswith("(Mantel 1963): p 0.33.")


def test_a_bend_is_the_coefficient_above_the_knot_in_r():
    # event ~ s10 + pmax(s10 - 3.5, 0) + factor(size) + factor(stratum): doses 0, .1, .35, .8, so the knot is at .35
    found = DOSE.nonlinearity(CELLS)
    agrees(found, -0.05083385384, 0.1143301907, 0.6731157745, (0.7154433534, 1.262615226))
    assert found.id == "dose.nonlinearity"
    assert found.estimand is Estimand.RATIO_OF_RATIOS
    assert found.label == "slope above 35% over slope below"


def test_the_score_test_for_trend_agrees_with_exact_conditional_logit_and_cochran_armitage():
    # > clogit(event ~ share, data = rows, method = "exact")$score                           0.955115493457
    # > prop.trend.test(c(70, 36, 32, 27), c(329, 121, 133, 99), score = c(0, .1, .35, .8))  0.9565180125
    scores, n, y = np.array([0, 0.1, 0.35, 0.8]), np.array([329, 121, 133, 99.0]), np.array([70, 36, 32, 27.0])
    p = mantel_extension(scores, n, y, np.zeros(4, dtype=np.intp))
    assert p == approx(erfc(sqrt(0.955115493457 / 2)), rel=1e-9)
    assert p == approx(erfc(sqrt(0.9565180125 * 681 / 682 / 2)), rel=1e-8)


def test_strata_without_a_contrast_have_no_trend():
    assert mantel_extension(np.array([0, 1.0]), np.array([4, 4.0]), np.array([0, 0.0]), np.array([0, 0])) is None
    assert mantel_extension(np.array([0, 1.0]), np.array([4, 4.0]), np.array([1, 2.0]), np.array([0, 1])) is None
    assert mantel_extension(np.array([1, 1.0]), np.array([4, 4.0]), np.array([1, 2.0]), np.array([0, 0])) is None
    assert mantel_extension(np.array([0, 1.0]), np.array([4, 4.0]), np.array([4, 4.0]), np.array([0, 0])) is None


def test_unknown_shares_are_left_out_and_counted():
    frame = formula_table()
    lost = (frame["bin"] == BINS[0]) & (frame["service"] == "service 1")
    unknown = frame.assign(bin=frame["bin"].mask(lost, "missing"), share=frame["share"].mask(lost))
    found = DOSE(replace(CELLS, frame=unknown))
    without = DOSE(replace(CELLS, frame=frame[~lost]))
    assert found.value == without.value
    assert found.caveats == (
        *without.caveats,
        f"{frame.loc[lost, 'n'].sum()} exposed deployments of unknown share are left out.",
    )


def test_one_dose_shows_no_bend():
    frame = formula_table().assign(
        share=lambda t: 0.5 * t["exposed"], bin=lambda t: np.where(t["exposed"], "50 %", "0")
    )
    one = replace(CELLS, frame=frame)
    bend, trend = DOSE.nonlinearity(one), DOSE(one)
    assert bend.caveats == ("A bend needs at least two different shares above zero to show; there are 1.",)
    assert trend.value == approx(ModifiedPoisson(("size",))(one).value ** (1 / 5), rel=1e-9)
    assert not trend.parts[-1].estimable  # among exposed deployments the dose is the same everywhere


def test_a_share_in_percent_is_refused():
    with pytest.raises(ValueError, match=r"^share is a share from 0 to 1; got 80\.$"):
        DOSE(replace(CELLS, frame=formula_table().assign(share=lambda t: 100 * t["share"])))


def test_a_dose_without_its_columns_is_refused():
    with pytest.raises(ValueError, match=r"^The cells have no column 'ai_share_bin', 'ai_share'; a dose needs its bin"):
        Dose()(CELLS)


# ---------------------------------------------------------------------------------------------------------------
# Mediation
# ---------------------------------------------------------------------------------------------------------------


def test_direct_and_indirect_ratios_agree_with_the_formula_by_hand_in_r():
    # > fit <- glm(event ~ exposed * m + factor(stratum), family = poisson, data = rows)      # m = factor(size)
    # > n1 <- tapply(exposed, stratum, sum)[stratum]; n0 likewise; w <- ifelse(exposed == 1, n0, n1)/(n0 + n1)
    # > p <- function(a) predict(fit, transform(rows, exposed = a), type = "response")
    # > q <- c(sum((w*p(1))[exposed == 1]), sum((w*p(1))[exposed == 0]), sum((w*p(0))[exposed == 0]))
    total, direct, indirect = Mediation(("size",))(CELLS)
    assert [one.id for one in (total, direct, indirect)] == [
        "mediation.size.total",
        "mediation.size.direct",
        "mediation.size.indirect",
    ]
    values = (total.value, direct.value, indirect.value)
    assert values == approx((1.26906987045, 1.2888907022, 0.984621790107), rel=1e-9)
    # event ~ exposed * m + factor(peak) + factor(stratum), weights within stratum and peak
    total, direct, indirect = Mediation(("size",), ("peak",))(CELLS)
    values = (total.value, direct.value, indirect.value)
    assert values == approx((1.24319523448, 1.32377625461, 0.939127915427), rel=1e-9)


def many_services(seed: int = 5) -> pd.DataFrame:
    """24 services; AI makes changes larger, large changes fail more, and AI does more harm in them."""
    rng = np.random.default_rng(seed)
    rows = []
    for s, p, e in product(range(24), range(2), (0, 1)):
        shares = (0.3, 0.4, 0.3) if e else (0.5, 0.35, 0.15)
        for size, n in zip(SIZES, rng.multinomial(rng.integers(60, 200), shares), strict=True):
            risk = (0.05 + 0.003 * s) * {"small": 1, "medium": 1.3, "large": 1.8}[size] * (1.4 if e else 1)
            rows.append((f"service {s}", f"period {p}", e, size, n, rng.binomial(n, risk)))
    frame = pd.DataFrame(rows, columns=["service", "period", "exposed", "size", "n", "events"])
    return frame.assign(exposure_hours=24.0 * frame["n"])


@pytest.mark.parametrize("strata", [WITHIN, ("period",)], ids=["strata in services", "strata across services"])
def test_the_newton_step_is_close_to_leaving_each_service_out(strata):
    frame = many_services()
    cells = Cells(frame, strata)
    whole = Mediation(("size",))(cells)
    without = [
        Mediation(("size",))(replace(cells, frame=frame[frame["service"] != s])) for s in frame["service"].unique()
    ]
    count = len(without)
    for which, found in enumerate(whole):
        moved = np.array([log(one[which].value / found.value) for one in without])
        assert found.standard_error == approx(np.sqrt((count - 1) / count * (moved**2).sum()), rel=0.02)


def test_the_share_that_travels_through_the_mediators_is_told_where_there_is_a_total_to_share():
    total, direct, indirect = Mediation(("size",))(Cells(many_services(), WITHIN))
    share = (total.value - direct.value) / (total.value - 1)
    assert total.interval.low > 1
    assert indirect.caveats[0].startswith(
        f"Of the excess risk, {share:.0%} travels through the mediators (95% interval "
    )
    assert total.caveats == direct.caveats == ()
    nothing = Mediation(("size",))(CELLS, 0.99)  # at which its total could be 1
    assert 1 in nothing[0].interval
    assert not any("travels" in caveat for caveat in nothing[2].caveats)


def test_mediators_taken_together_are_one_mediator_with_every_combination():
    halves = [part.assign(n=part["n"] // 2, events=part["events"] // 2, review=name) for name, part in
              (("one", many_services(1)), ("two", many_services(2)))]  # fmt: skip
    frame = pd.concat(halves)
    frame["both"] = frame["size"] + " & " + frame["review"]
    together = Mediation(("size", "review"))(Cells(frame, WITHIN))
    compound = Mediation(("both",))(Cells(frame, WITHIN))
    assert together[2].estimable
    assert [one.value for one in together] == approx([one.value for one in compound], rel=1e-9)
    assert together[1].id == "mediation.size_and_review.direct"


def test_without_interaction_the_direct_ratio_is_the_coefficient_at_equal_mediators():
    _, direct, _ = Mediation(("size",), interaction=False)(CELLS)
    assert direct.value == approx(ModifiedPoisson(("size",))(CELLS).value, rel=1e-9)


def test_a_mediator_with_one_level_carries_nothing():
    total, direct, indirect = Mediation(("only",))(replace(CELLS, frame=formula_table().assign(only="one")))
    assert total.value == approx(ModifiedPoisson()(CELLS).value, rel=1e-9)
    assert (direct.value, direct.interval) == (total.value, total.interval)
    assert indirect.caveats[0].startswith("All services agree exactly, so there is no variation between them")


@pytest.mark.parametrize(
    ("mediators", "confounders", "message"),
    [
        ((), (), "Mediation needs a mediator: name a column that exposure changes on the way."),
        (
            ("size",),
            ("size",),
            "'size' is named as confounder and as mediator. A column that exposure changes is a mediator; name it "
            "there only.",
        ),
    ],
)
def test_roles_that_cannot_be_meant_are_refused(mediators, confounders, message):
    with pytest.raises(ValueError) as caught:
        Mediation(mediators, confounders)
    assert str(caught.value) == message


def test_an_unknown_mediator_is_named():
    with pytest.raises(ValueError, match=r"^No column 'sise' among the cells: service, period, size, peak, "):
        Mediation(("sise",))(CELLS)


def test_the_diagram_follows_from_the_roles():
    found = causal_diagram(("tenure",), ("size", "reviewers"), ("service",))
    assert found.roles["tenure"] is Role.CONFOUNDER
    assert list(found.roles) == ["service", "tenure", UNMEASURED, EXPOSURE, "size", "reviewers", OUTCOME]
    assert Arrow("tenure", "size") in found.arrows
    assert Arrow(EXPOSURE, "reviewers") in found.arrows
    assert Arrow("size", OUTCOME) in found.arrows
    assert Arrow(UNMEASURED, "size", assumed_absent=True) in found.arrows
    order = {name: place for place, name in enumerate(found.roles)}
    assert all(order[arrow.cause] < order[arrow.effect] for arrow in found.arrows)
    assert len(set(found.arrows)) == len(found.arrows) == 4 + 4 + 3 + 2 + 4


def test_a_column_with_two_roles_has_no_place_in_the_diagram():
    with pytest.raises(ValueError, match=r"^'size' has two roles in the causal diagram; name it once\.$"):
        causal_diagram(("size",), ("size",), ())


# ---------------------------------------------------------------------------------------------------------------
# Multiplicity: Benjamini & Hochberg 1995, their worked example; R 4.2.2, p.adjust
# ---------------------------------------------------------------------------------------------------------------

BH1995 = (
    1e-4, 4e-4, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.324, 0.4262, 0.5719, 0.6528, 0.759, 1,
)  # fmt: skip
P_ADJUST = {
    Adjustment.HOLM: (0.0015, 0.0056, 0.0247, 0.114, 0.2211, 0.278, 0.278, 0.278, 0.3213, *[1] * 6),
    Adjustment.HOCHBERG: (0.0015, 0.0056, 0.0247, 0.114, 0.2211, 0.2682, 0.2682, 0.2752, 0.3213, *[1] * 6),
    Adjustment.BH: (
        0.0015, 0.003, 0.0095, 0.035625, 0.0603, 0.0638571428571429, 0.0638571428571429, 0.0645, 0.0765, 0.486,
        0.581181818181818, 0.714875, 0.753230769230769, 0.813214285714286, 1,
    ),
    Adjustment.BY: (
        0.00497734348984349, 0.00995468697968698, 0.0315231754356754, 0.118211907883783, 0.200089208291708,
        0.211892622853337, 0.211892622853337, 0.21402577006327, 0.253844517982018, *[1] * 6,
    ),
    Adjustment.BONFERRONI: (0.0015, 0.006, 0.0285, 0.1425, 0.3015, 0.417, 0.447, 0.516, 0.6885, *[1] * 6),
}  # fmt: skip


@pytest.mark.parametrize("adjustment", Adjustment)
def test_adjusted_p_agree_with_r(adjustment):
    assert adjusted_p(BH1995, adjustment) == approx(P_ADJUST[adjustment], abs=1e-10)
    backwards = adjusted_p(BH1995[::-1], adjustment)
    assert backwards[::-1] == approx(P_ADJUST[adjustment], abs=1e-10)


@pytest.mark.parametrize(("adjustment", "count"), [("BH", 4), ("HOLM", 3), ("BONFERRONI", 3)])
def test_benjamini_and_hochberg_reject_four_where_bonferroni_rejects_three(adjustment, count):
    assert sum(p <= 0.05 for p in adjusted_p(BH1995, Adjustment[adjustment])) == count


def test_a_family_keeps_its_estimates_and_says_what_its_p_become():
    found = AT_PEAK(CELLS)
    family = [found.named(name, p_value=p) for name, p in zip("abcde", (0.01, 0.02, 0.03, None, 0.005), strict=True)]
    told, by_id = for_multiplicity(family)
    # > p.adjust(c(.01, .02, .03, NA, .005), "holm")    0.03 0.04 0.04 NA 0.02
    assert by_id == approx({"a": 0.03, "b": 0.04, "c": 0.04, "e": 0.02})
    assert told[0].caveats == (*found.caveats, "p adjusted for 4 contrasts (Holm 1979): 0.03")
    assert told[3] == family[3]
    assert [one.p_value for one in told] == [one.p_value for one in family]


def test_a_family_needs_names_and_p_values_that_are_some():
    with pytest.raises(ValueError, match=r"^Two estimates are called 'x'; name each with `\.named\(\.\.\.\)` first\.$"):
        for_multiplicity([AT_PEAK(CELLS).named("x")] * 2)
    with pytest.raises(ValueError, match=r"^A p-value lies between 0 and 1; got 1\.5\.$"):
        adjusted_p([0.2, 1.5])
    assert adjusted_p([]) == ()
    assert for_multiplicity([]) == ((), {})


# ---------------------------------------------------------------------------------------------------------------
# What cannot be estimated says why
# ---------------------------------------------------------------------------------------------------------------


def without_events(where) -> Cells:
    frame = formula_table()
    return replace(CELLS, frame=frame.assign(events=frame["events"].mask(where(frame), 0)))


REFUSALS = {
    "There are no exposed deployments with peak=yes.": lambda t: replace(
        CELLS, frame=t[(t["peak"] != "yes") | (t["exposed"] == 0)]
    ),
    "No incident followed exposed deployments with peak=yes where they can be compared with unexposed ones of their "
    "service × period: the ratio would be zero, without an interval.": lambda _: without_events(
        lambda t: (t["peak"] == "yes") & (t["exposed"] == 1)
    ),
    "Wherever exposed deployments with peak=yes can be compared with unexposed ones, incidents fell only on one side, "
    "or they cannot be told apart from the covariates held fixed: the ratio has no finite estimate.": lambda _: (
        without_events(lambda t: (t["peak"] == "yes") & (t["exposed"] == 0))
    ),
    "All exposed deployments with peak=yes that can be compared lie in one service, which cannot show how far services "
    "differ from one another.": lambda t: replace(
        CELLS, frame=t[(t["peak"] != "yes") | (t["exposed"] == 0) | (t["service"] == "service 3")]
    ),
    "None of the 682 deployments was followed by an incident.": lambda _: without_events(lambda t: t["n"] > 0),
    "No deployment is left to compare.": lambda t: replace(CELLS, frame=t.head(0)),
    "No service × period holds exposed deployments, unexposed deployments and an incident.": lambda t: replace(
        CELLS, frame=t[t["exposed"] == 1]
    ),
    "All exposed deployments that can be compared lie in one service, which cannot show how far services differ from "
    "one another.": lambda t: replace(CELLS, frame=t[t["service"] == "service 1"]),
}


@pytest.mark.parametrize("reason", REFUSALS)
def test_an_amplifier_that_cannot_be_estimated_says_why(reason):
    found = AT_PEAK(REFUSALS[reason](formula_table()), 0.9)
    assert found.caveats[0] == reason
    assert not found.estimable
    assert (found.interval.low, found.interval.high, found.interval.level) == (0, inf, 0.9)
    assert (found.id, found.p_value, found.parts) == ("amplifier.peak.ratio", None, ())


@pytest.mark.parametrize("reason", REFUSALS)
def test_where_an_amplifier_is_refused_nothing_else_crashes(reason):
    cells = REFUSALS[reason](formula_table())
    found = [
        AT_PEAK.excess(cells),
        AT_PEAK.difference(cells),
        DOSE(cells),
        DOSE.nonlinearity(cells),
        ExposedKinds("peak", ("yes",), ("no",))(cells),
        tools(("size",), "tool")(cells),
        tiers((), "peak")(cells),
        *Mediation(("size", "peak"), ("layer",))(cells),
    ]
    for one in found:
        assert one.estimable or one.caveats
        assert one.interval.low <= one.interval.high
        assert one.estimable or (one.interval.low, one.interval.high) == (one.estimand.lowest, one.estimand.highest)


def test_the_side_without_unexposed_deployments_has_no_excess():
    frame = formula_table()
    gone = (frame["peak"] == "yes") & (frame["exposed"] == 0)
    found = AT_PEAK.excess(replace(CELLS, frame=frame[~gone]))
    assert not found.estimable
    assert found.caveats[0] == (
        "There are no unexposed deployments with peak=yes; kinds that exposed deployments alone have are compared by "
        "`ExposedKinds`."
    )


def test_a_kind_that_cannot_be_compared_does_not_take_the_others_with_it():
    frame = formula_table()
    frame["events"] = frame["events"].mask(frame["tool"] == "gamma", 0)
    found = risk_ratios_by_kind(replace(CELLS, frame=frame), "tool", id="t", adjust_for=("size",))
    assert [one.estimable for one in found] == [True, True, False]
    assert found[2].caveats[0].startswith("No incident followed exposed deployments with tool=gamma where they can be")
    rest = risk_ratios_by_kind(
        replace(CELLS, frame=frame[frame["tool"] != "gamma"]), "tool", id="t", adjust_for=("size",)
    )
    assert found[0].value == approx(rest[0].value, rel=1e-9)


def test_ids_of_kinds_hold_small_letters_only_and_stay_apart():
    frame = formula_table().replace({"tool": {"alpha": "GitHub Copilot", "beta": "github/copilot", "gamma": "…"}})
    found = risk_ratios_by_kind(replace(CELLS, frame=frame), "tool", id="dose.tool")
    assert {one.label: one.id for one in found} == {
        "GitHub Copilot": "dose.tool.github_copilot",
        "github/copilot": "dose.tool.github_copilot_2",
        "…": "dose.tool.unnamed",
    }


def test_settings_that_cannot_be_meant_are_refused():
    with pytest.raises(ValueError, match=r"^'yes' is named as amplified and as reference; each level belongs to one"):
        Amplifier("peak", ("yes",), ("no", "yes"))
    with pytest.raises(ValueError, match=r"^A contrast needs at least one amplified and one reference level\.$"):
        ExposedKinds("tool", ("alpha",), ())
    with pytest.raises(ValueError, match=r"^Cannot adjust for peek: the cells can be adjusted for service, period, "):
        Amplifier("peek", ("yes",), ("no",)).difference(CELLS)
    with pytest.raises(
        ValueError, match=r"^130 exposed deployments have an empty tool; a kind nobody knows is a kind of"
    ):
        risk_ratios_by_kind(replace(CELLS, frame=formula_table().replace({"tool": {"alpha": ""}})), "tool", id="t")


@pytest.mark.parametrize(
    "call",
    [AT_PEAK, AT_PEAK.excess, AT_PEAK.difference, DOSE, DOSE.nonlinearity, Mediation(("size",)), tools((), "tool")],
)
def test_a_level_in_percent_is_refused_by_all(call):
    with pytest.raises(ValueError, match=r"^level is 95; a confidence level lies between 0 and 1, such as 0\.95\.$"):
        call(CELLS, 95)


def test_services_that_agree_exactly_give_no_interval():
    rows = [
        (f"service {s}", e, peak, 100 * s, (2 + e) * (1 + (peak == "yes")) * s)
        for s, e, peak in product((1, 2, 3, 4), (0, 1), ("yes", "no"))
    ]
    cells = Cells(pd.DataFrame(rows, columns=["service", "exposed", "peak", "n", "events"]), ("service",))
    found = replace(AT_PEAK, adjust_for=())(cells)
    assert found.caveats[0] == (
        "All services agree exactly on the ratio, so there is no variation between them to compute a standard error "
        "from."
    )


def test_small_sample_settings_are_obeyed():
    found = replace(AT_PEAK, settings=ModifiedPoisson(small_sample=SmallSample.CR1))(CELLS)
    assert found.value == AT_PEAK(CELLS).value
    assert "CR1 (factor G/(G−1)) standard error by service, t with 6.0 degrees of freedom" in found.method
    half_width = log(found.interval.high / found.value)
    assert half_width == approx(2.446911851 * found.standard_error, rel=1e-8)  # > qt(.975, 6)
    assert exp(half_width) > 1
