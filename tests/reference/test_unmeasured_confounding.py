"""Unmeasured confounding: E-values against the paper, robustness values and benchmarks against R, and the edges."""

from itertools import product
from math import inf, log, sqrt
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from pytest import approx
from scipy.special import stdtrit

from counterfault.cells import Cells
from counterfault.challenges.e_value import bounding_factor, e_value, e_values
from counterfault.challenges.linear_risk import linear_risk
from counterfault.challenges.linear_sensitivity import INDEPENDENT, LinearSensitivity
from counterfault.challenges.measured_confounders import WithoutEach
from counterfault.challenges.robustness_value import Confounder, robustness_value, times_as_strong
from counterfault.challenges.unmeasured_confounding import UnmeasuredConfounding
from counterfault.estimate import Estimand, Estimate, Interval, not_estimable
from counterfault.estimators.poisson.regression import as_headline
from counterfault.plan import Plan


def ratio(value: float, low: float, high: float, estimand: Estimand = Estimand.RISK_RATIO) -> Estimate:
    return Estimate(estimand=estimand, value=value, interval=Interval(low, high, 0.95), method="given", id="primary")


# ---------------------------------------------------------------------------------------------------------------
# E-values
# ---------------------------------------------------------------------------------------------------------------
# VanderWeele & Ding 2017: infants fed formula only died of respiratory infection 3.9 times as often (1.8 to 8.7);
# breastfed children had leukaemia 0.80 times as often (0.71 to 0.91). The paper prints 7.26 and 3.0, 1.81 and 1.43.
# > evalues.RR(3.9, 1.8, 8.7); evalues.RR(0.80, 0.71, 0.91); evalues.RR(1.2, 0.9, 1.6)
# > evalues.RR(3.9, 1.8, 8.7, true = 1.25)
# R 4.2.2, EValue 4.1.4
@pytest.mark.parametrize(
    ("value", "low", "high", "of_estimate", "of_limit"),
    [
        (3.9, 1.8, 8.7, 7.26303434, 3.0),
        (0.80, 0.71, 0.91, 1.80901699, 1.42857143),
        (1.2, 0.9, 1.6, 1.68989795, 1.0),
    ],
)
def test_e_values_agree_with_the_paper_and_with_r(value, low, high, of_estimate, of_limit):
    estimate, limit = e_values(ratio(value, low, high), worth_acting_on=1.25)
    assert (estimate.id, limit.id) == ("confounding.e_value", "confounding.e_value.limit")
    assert estimate.value == approx(of_estimate, rel=5e-9)
    assert limit.value == estimate.interval.low == approx(of_limit, rel=5e-9)


def test_e_values_of_a_ratio_other_than_one_agree_with_r():
    assert e_value(3.9, to=1.25) == approx(5.69184758, rel=5e-9)
    assert e_value(1.8, to=1.25) == approx(2.23598995, rel=5e-9)
    (there,) = e_values(ratio(3.9, 1.8, 8.7), worth_acting_on=1.25)[0].parts
    assert (there.label, there.value) == ("to bring it to 1.25", approx(5.69184758, rel=5e-9))
    assert there.interval.low == approx(2.23598995, rel=5e-9)


def test_a_ratio_that_is_too_small_to_act_on_needs_nothing_to_bring_it_there():
    assert e_values(ratio(1.2, 0.9, 1.6), worth_acting_on=1.25)[0].parts == ()
    assert e_values(ratio(0.85, 0.7, 1.1), worth_acting_on=1.25)[0].parts == ()
    (there,) = e_values(ratio(0.5, 0.3, 0.7), worth_acting_on=1.25)[0].parts
    assert there.label == "to bring it to 0.80"


def test_the_bounding_factor_is_what_the_formula_says_and_either_strength_bounds_it():
    assert bounding_factor(2, 3) == approx(6 / 4)
    assert bounding_factor(1, 9) == bounding_factor(9, 1) == 1
    assert bounding_factor(2, inf) == 2
    assert bounding_factor(inf, inf) == inf


def test_a_ratio_of_zero_and_one_without_a_value_say_why_they_have_no_e_value():
    estimate, limit = e_values(ratio(0.0, 0.0, 0.8), worth_acting_on=1.25)
    assert not estimate.estimable and estimate.caveats[0].startswith("No confounder of finite strength")
    assert limit.value == approx(1.25 + sqrt(1.25 * 0.25))
    silent = not_estimable(Estimand.RISK_RATIO, "No incident.", method="none", level=0.95)
    for found in e_values(silent, worth_acting_on=1.25):
        assert not found.estimable and found.caveats == ("No incident.",)


def test_the_caveat_names_the_group_in_which_the_confounder_would_be_commoner():
    assert "with AI assistance as without" in e_values(ratio(1.6, 1.3, 2.0), 1.25)[0].caveats[0]
    assert "without AI assistance as with it" in e_values(ratio(0.6, 0.4, 0.8), 1.25)[0].caveats[0]


def test_wrong_arguments_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match=r"^e_values takes a risk ratio; 'primary' estimates: odds ratio$"):
        e_values(ratio(1.6, 1.3, 2.0, Estimand.ODDS_RATIO), 1.25)
    with pytest.raises(ValueError, match=r"^bounding_factor: with_outcome is 0\.5; turn the ratio over"):
        bounding_factor(2, 0.5)
    with pytest.raises(ValueError, match=r"^e_value: ratio -1 and to 1\.0 must be ratios"):
        e_value(-1)
    with pytest.raises(ValueError, match=r"^level is 95; a confidence level lies between 0 and 1"):
        WithoutEach(())(table(), 95)


# ---------------------------------------------------------------------------------------------------------------
# Robustness value: Darfur (Hazlett 2020), the running example of Cinelli & Hazlett 2020
# ---------------------------------------------------------------------------------------------------------------
# > m <- lm(peacefactor ~ directlyharmed + age + farmer_dar + herder_dar + pastvoted + hhsize_darfur + female + village,
# +         data = darfur)
# > sensemakr(m, treatment = "directlyharmed", benchmark_covariates = "female", kd = 1:3)
# R 4.2.2, sensemakr 0.1.6. The paper prints RV 13.9 %, 7.6 % for the limit, and with 1 × female 0.075 (SE 0.022).
ESTIMATE, ERROR, DEGREES = 0.0973158193, 0.0232565378, 783


def test_robustness_values_of_darfur_agree_with_sensemakr():
    f = ESTIMATE / ERROR / sqrt(DEGREES)
    critical = stdtrit(DEGREES - 1, 0.975) / sqrt(DEGREES - 1)
    assert f**2 / (1 + f**2) == approx(0.0218730933, rel=5e-9)
    assert robustness_value(f) == approx(0.138776354, rel=5e-9)
    assert robustness_value(f, critical) == approx(0.0762579655, rel=5e-9)


@pytest.mark.parametrize(
    ("times", "exposure", "outcome", "adjusted", "error"),
    [
        (1, 0.00916428668, 0.124640923, 0.0752202712, 0.0218733277),
        (2, 0.01832857335, 0.249324064, 0.0529151724, 0.0203500621),
        (3, 0.02749286003, 0.374050471, 0.0303960235, 0.0186700648),
    ],
)
def test_a_confounder_as_strong_as_being_female_does_to_darfur_what_sensemakr_says(
    times, exposure, outcome, adjusted, error
):
    # > partial_r2(lm(directlyharmed ~ ...), "female"); partial_r2(m, "female")
    found = times_as_strong(0.00908106519033, 0.109033915428, times)
    assert (found.r2_exposure, found.r2_outcome) == approx((exposure, outcome), rel=1e-8)
    assert ESTIMATE - found.bias(ERROR, DEGREES) == approx(adjusted, rel=1e-8)
    assert found.error(ERROR, DEGREES) == approx(error, rel=1e-8)


def test_very_strong_effects_have_the_robustness_value_of_sensemakr():
    # > sapply(c(5, 30, 200, 2000), function(t) robustness_value(t_statistic = t, dof = 20)); sensemakr 0.1.6
    critical = stdtrit(19, 0.975) / sqrt(19)
    found = [robustness_value(t / sqrt(20), critical) for t in (5, 30, 200, 2000)]
    assert found == approx([0.466082920, 0.973248570, 0.999385025, 0.999993847], rel=1e-8)


def test_nothing_can_be_so_many_times_as_strong_that_it_would_explain_all_of_exposure():
    assert times_as_strong(0.3, 0.1, 2.4) is None
    assert times_as_strong(1.0, 0.1, 1.0) is None
    assert times_as_strong(0.0, 0.1, 1e6).r2_exposure == 0


# ---------------------------------------------------------------------------------------------------------------
# A table both languages can make from one formula: 7 services, 3 periods, 100 cells, 682 deployments, 211 failures.
# ---------------------------------------------------------------------------------------------------------------
# > d <- expand.grid(service = 1:7, period = 1:3, exposed = 0:1, size = 0:2)
# > d <- d[(d$service + d$period + 2*d$exposed + d$size) %% 5 != 0, ]
# > d$n <- 2 + (5*d$service + 3*d$period + 7*d$exposed + 4*d$size + d$service*d$exposed) %% 11
# > y <- (3*d$service + 5*d$period + 2*d$exposed*d$service + 7*d$size + d$service*d$period) %% 4 + d$exposed
# > d$y <- pmin(d$n, y)
# > d$peak <- as.integer((d$service + 2*d$period + d$size + d$exposed) %% 3 == 0)
# > rows <- d[rep(seq_len(nrow(d)), d$n), ]
# > rows$event <- unlist(Map(function(n, y) rep(1:0, c(y, n - y)), d$n, d$y))
# > rows$stratum <- paste(rows$service, rows$period)
# > rows$medium <- as.integer(rows$size == 1); rows$large <- as.integer(rows$size == 2)


def table() -> Cells:
    cells = [
        (
            f"service {s}",
            f"period {p}",
            e,
            ("small", "medium", "large")[z],
            ("no", "yes")[(s + 2 * p + z + e) % 3 == 0],
            n := 2 + (5 * s + 3 * p + 7 * e + 4 * z + s * e) % 11,
            min(n, (3 * s + 5 * p + 2 * e * s + 7 * z + s * p) % 4 + e),
        )
        for s, p, e, z in product(range(1, 8), range(1, 4), (0, 1), range(3))
        if (s + p + 2 * e + z) % 5
    ]
    return Cells(pd.DataFrame(cells, columns=["service", "period", "exposed", "size", "peak", "n", "events"]),
                 ("service", "period"))  # fmt: skip


HELD = ("size", "peak")


def test_the_linear_risk_agrees_with_r():
    # > fit <- lm(event ~ exposed + medium + large + peak + factor(stratum), data = rows)
    # > sensemakr(fit, "exposed", benchmark_covariates = list(size = c("medium", "large"), peak = "peak"), kd = 1:3)
    # R 4.2.2, sensemakr 0.1.6
    fit = linear_risk(table(), HELD)
    assert (fit.support["n"], fit.support["events"], fit.degrees) == (682, 211, 657)
    assert fit.difference == approx(0.1918891436, rel=5e-10)
    assert fit.error == approx(0.03594133948, rel=5e-10)
    assert fit.t == approx(5.338953593, rel=5e-10)
    assert fit.partial_r2 == approx(0.04158167972, rel=5e-10)


def test_the_strengths_of_measured_confounders_agree_with_r():
    # > fd <- lm(exposed ~ medium + large + peak + factor(stratum), data = rows)
    # > group_partial_r2(fd, c("medium", "large")); group_partial_r2(fit, c("medium", "large"))
    # > partial_r2(fd, "peak"); partial_r2(fit, "peak")
    size, peak = linear_risk(table(), HELD).benchmarks
    assert (size.covariate, peak.covariate) == HELD
    assert (size.r2_exposure, size.r2_outcome) == approx((0.000677275768943, 0.00641497699583), rel=1e-9)
    assert (peak.r2_exposure, peak.r2_outcome) == approx((0.00175258793737, 0.00213393264089), rel=1e-9)


def test_the_robustness_values_and_what_would_be_left_agree_with_r():
    value, limit = UnmeasuredConfounding().robustness(table(), HELD, 0.95)
    assert value.value == approx(0.1877261204, rel=1e-9)
    (published,) = limit.parts
    assert (published.label, published.value) == (INDEPENDENT, approx(0.1232491277, rel=1e-9))
    left = {part.label: part for part in value.parts if part.estimand is Estimand.RISK_DIFFERENCE}
    assert [left[f"{k} × size"].value for k in (1, 2, 3)] == approx(
        [0.1899600939, 0.1880297334, 0.1860980603], rel=1e-9
    )
    assert [left[f"{k} × peak"].value for k in (1, 2, 3)] == approx(
        [0.1900993785, 0.1883064504, 0.1865103468], rel=1e-9
    )
    assert left["3 × size"].standard_error == approx(0.03565446471, rel=1e-9)
    assert left["2 × peak"].standard_error == approx(0.03595463014, rel=1e-9)


def test_how_many_times_as_strong_a_confounder_has_to_be_agrees_with_a_root_found_in_r():
    # > f <- function(k) ovb_bounds(fit, treatment = "exposed",
    # +   benchmark_covariates = list(size = c("medium", "large")), kd = k)$adjusted_estimate
    # > uniroot(f, c(1, 400), tol = 1e-10)$root
    value, _ = UnmeasuredConfounding().robustness(table(), HELD, 0.95)
    size = next(part for part in value.parts if part.label == "size")
    assert size.estimand is Estimand.STRENGTH
    assert size.value == approx(96.2040232116, rel=1e-9)
    assert any("96 times as strong as size, the strongest measured one" in caveat for caveat in value.caveats)


def test_the_clustered_limit_rests_on_the_cr2_error_of_clubsandwich():
    # > v <- vcovCR(fit, cluster = rows$service, type = "CR2")
    # > coef_test(fit, vcov = v, coefs = "exposed", test = "Satterthwaite")      # clubSandwich 0.5.8
    fit = linear_risk(table(), HELD)
    reach = stdtrit(5.85889560853, 0.975) * 0.0256393894552 / fit.error
    assert fit.clustered_reach(0.95) == approx(reach, rel=1e-8)
    # Its interval is the shorter one here, so that of independent deployments speaks.
    assert reach < fit.reach(0.95)
    assert LinearSensitivity.of(fit, 0.95).reach == fit.reach(0.95)


def test_the_limit_has_the_clustered_error_where_its_interval_is_the_wider_one():
    frame = table().frame.copy()
    # The last services fail with exposure only, the others without it: services disagree.
    late = frame["service"] >= "service 4"
    frame["events"] = np.where(late == (frame["exposed"] == 1), frame["n"] - 1, 1)
    cells = Cells(frame, ("service", "period"))
    fit = linear_risk(cells, HELD)
    asked = LinearSensitivity.of(fit, 0.95)
    assert asked.reach == fit.clustered_reach(0.95) > fit.reach(0.95)
    assert "CR2 error by service" in asked.notes[0]


# ---------------------------------------------------------------------------------------------------------------
# Measured confounders on the scale of ratios
# ---------------------------------------------------------------------------------------------------------------


def test_leaving_a_confounder_out_moves_the_ratio_as_two_fits_in_r_with_stacked_rows_say():
    # Both models in one, the rows twice, so that the error of the difference knows they share their deployments.
    # > stk <- rbind(cbind(rows, m = 0), cbind(rows, m = 1))
    # > g <- glm(event ~ 0 + with + without + med + lar + pk0 + pk1 + factor(stratum):factor(m), family = poisson,
    # +   data = stk, control = glm.control(epsilon = 1e-15, maxit = 100))     # med and lar only where m = 0
    # > V <- sandwich::vcovCL(g, cluster = stk$service, type = "HC0", cadjust = TRUE)
    # > exp(b["without"] - b["with"]); sqrt(V["with","with"] + V["without","without"] - 2*V["with","without"])
    # R 4.2.2, sandwich 3.0.2
    size = WithoutEach(HELD)(table())[0]
    assert size.id == "confounding.without.size" and size.estimand is Estimand.RATIO_OF_RATIOS
    assert size.value == approx(0.994081361532, rel=1e-9)
    assert size.standard_error == approx(0.0185982609095, rel=1e-7)
    reach = stdtrit(6, 0.975) * 0.0185982609095
    assert log(size.interval.high) - log(size.value) == approx(reach, rel=1e-7)


def test_what_each_confounder_does_is_the_ratio_of_two_headlines():
    cells = table()
    whole = as_headline(HELD)(cells).value
    found = {item.id: item for item in WithoutEach(HELD)(cells)}
    assert found["confounding.without.peak"].value == approx(as_headline(("size",))(cells).value / whole, rel=1e-9)
    strata = found["confounding.without.strata"]
    together = Cells(cells.frame, ())
    assert strata.value == approx(as_headline(HELD)(together).value / whole, rel=1e-9)
    assert strata.label == "without service × period" and strata.parts == ()


def test_the_two_strengths_of_a_confounder_agree_with_r():
    # Mantel-Haenszel ratios of the share of small, medium and large within stratum x peak, by a loop in R, and
    # > exp(coef(g)[c("med", "lar")])
    shares = (0.849902305809, 1.176484721344, 1.016572155779)
    risks = (1.0, 0.741724341756, 0.999923362870)
    parts = {part.id.rpartition(".")[2]: part for part in WithoutEach(HELD)(table())[0].parts}
    assert parts["with_exposure"].value == approx(max(shares), rel=1e-9)
    assert parts["with_outcome"].value == approx(max(risks) / min(risks), rel=1e-9)
    exposure, outcome = max(shares), max(risks) / min(risks)
    assert parts["bounding_factor"].value == approx(exposure * outcome / (exposure + outcome - 1), rel=1e-9)
    assert parts["with_exposure"].interval == Interval(0.0, inf, 0.95)


def test_of_a_ratio_below_one_a_confounder_is_the_stronger_the_rarer_it_is_with_exposure():
    frame = table().frame
    turned = Cells(frame.assign(exposed=1 - frame["exposed"]), ("service", "period"))
    there, back = WithoutEach(HELD)(table())[0].parts, WithoutEach(HELD)(turned)[0].parts
    assert [part.value for part in back] == approx([part.value for part in there], rel=1e-7)


def test_a_level_too_rare_to_tell_leaves_a_confounder_without_strengths():
    frame = table().frame
    rare = frame.assign(size=np.where(frame.index == 3, "huge", "usual"))
    (size, _, _) = WithoutEach(HELD)(Cells(rare, ("service", "period")))
    assert [part.estimable for part in size.parts] == [False, False, False]
    assert size.parts[0].caveats[0].startswith("It would take two levels on which at least 5 failures fall")


def test_a_confounder_that_strata_hold_fixed_already_moves_nothing_and_says_so():
    frame = table().frame.assign(layer=lambda f: np.where(f["service"] > "service 3", "back", "front"))
    layer = WithoutEach(("layer", "size"))(Cells(frame, ("service", "period")))[0]
    assert not layer.estimable
    assert "holds nothing fixed that is not fixed already" in layer.caveats[0]
    value, _ = UnmeasuredConfounding().robustness(Cells(frame, ("service", "period")), ("layer", "size"), 0.95)
    part = next(part for part in value.parts if part.label == "layer")
    assert part.value == inf and part.caveats[0] == "layer has no strength of its own to multiply."


# ---------------------------------------------------------------------------------------------------------------
# The challenge
# ---------------------------------------------------------------------------------------------------------------


def asked(cells: Cells, confounders: tuple[str, ...]) -> dict[str, Estimate]:
    study = SimpleNamespace(cells=cells, confounders=confounders, level=0.95)
    found = UnmeasuredConfounding()(study, as_headline(confounders)(cells).named("primary"))
    return {item.id: item for item in found}


def test_the_challenge_gives_every_id_once_and_in_order():
    assert list(asked(table(), HELD)) == [
        "confounding.e_value",
        "confounding.e_value.limit",
        "confounding.robustness_value",
        "confounding.robustness_value.limit",
        "confounding.without.size",
        "confounding.without.peak",
        "confounding.without.strata",
    ]


def test_the_settings_are_those_of_the_plan():
    plan = Plan.model_validate(
        {"challenges": {"unmeasured": {"multiples": [1.0, 5.0]}}, "decision": {"worth_acting_on": 1.5}}
    )
    assert UnmeasuredConfounding.of(plan) == UnmeasuredConfounding((1.0, 5.0), 1.5)


def test_without_a_measured_confounder_there_is_no_yardstick_and_it_says_so():
    found = asked(table(), ())
    assert found["confounding.robustness_value"].parts == ()
    assert any("none to compare" in caveat for caveat in found["confounding.robustness_value"].caveats)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda f: f.assign(events=0), "None of the 682 deployments was followed by an incident."),
        (lambda f: f.assign(exposed=1), "Within service × period, no two deployments differ in exposure alone."),
        (lambda f: f.assign(n=0, events=0), "No deployment is left to compare."),
    ],
)
def test_data_without_an_answer_say_why_under_every_id(change, reason):
    found = asked(Cells(change(table().frame), ("service", "period")), HELD)
    assert len(found) == 7
    assert not any(item.estimable for item in found.values())
    assert found["confounding.robustness_value"].caveats[0] == reason
    assert found["confounding.robustness_value.limit"].interval == Interval(0.0, 1.0, 0.95)


def test_one_cluster_leaves_the_limit_to_independent_deployments():
    frame = table().frame.assign(service="only")
    fit = linear_risk(Cells(frame, ("service", "period")), HELD)
    asked_of_one = LinearSensitivity.of(fit, 0.95)
    assert asked_of_one.reach == fit.reach(0.95)
    assert asked_of_one.notes[0].startswith("The limit takes deployments as independent. All exposed deployments")


def test_an_interval_that_holds_no_difference_needs_no_confounder():
    frame = table().frame
    flat = Cells(frame.assign(events=frame["n"] // 2), ("service", "period"))
    value, limit = UnmeasuredConfounding().robustness(flat, HELD, 0.95)
    assert limit.value == value.interval.low == 0
    assert any("its interval holds no difference as it is" in caveat for caveat in value.caveats)


def test_a_confounder_with_no_strength_takes_nothing():
    nothing = Confounder(0.0, 0.0)
    assert nothing.bias(0.1, 100) == 0
    assert nothing.error(0.1, 100) == approx(0.1 * sqrt(100 / 99))
