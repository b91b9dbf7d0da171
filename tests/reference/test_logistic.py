"""Logistic regression from cells, against R and at the edges."""

from itertools import product
from math import inf, log

import numpy as np
import pandas as pd
import pytest
from pytest import approx

from counterfault.cells import Cells
from counterfault.estimate import Estimand
from counterfault.estimators.odds import logistic
from counterfault.estimators.odds.irls import Family, fit_glm
from counterfault.estimators.odds.logistic import LogisticRegression
from counterfault.estimators.poisson.cluster_robust import NOT_ABSORBED, SmallSample, WorkingModel, cluster_robust

# ---------------------------------------------------------------------------------------------------------------
# Bacteria: 50 children, weeks 0, 2, 4, 6, 11 (MASS::bacteria, Venables & Ripley 2002). One word per child: a for
# active drug or p for placebo, then per week 1 present, 0 absent, . not tested.
# ---------------------------------------------------------------------------------------------------------------
CHILDREN = """
    p111.1 a11.01 a11111 p11111 p11111 a111.1 a10001 p01111 p11111 a1..1. p11111 a10011 p11111 p110.. a11111 a11011
    p11101 a11000 p11010 a111.1 p11111 p11111 p01010 a11100 a010.0 p10..0 p11.11 a11100 a1.110 p1.111 a11011 p11111
    a1.1.. a1000. p11..1 a11..1 p11111 a11111 p11010 a0.1.. a01101 a11.11 p11111 a11111 a11110 a1.11. a11111 a11.00
    a11100 a11101
"""

# > fit <- glm(y ~ active + week, family = binomial, data = bacteria, control = list(epsilon = EPSILON, maxit = 100))
# > summary(fit)$coef; v <- clubSandwich::vcovCR(fit, cluster = ID, type = "CR2"); sqrt(diag(v))
# > clubSandwich::coef_test(fit, vcov = v, test = "Satterthwaite")$df        R 4.2.2, clubSandwich 0.5.8
CONVERGED = {  # EPSILON = 1e-14
    "coefficients": (2.540542515802, -0.890340541671, -0.114792494088),
    "model": (0.4044889559339, 0.3784495357415, 0.0439554340332),
    "CR0": (0.4589601349335, 0.4820167688373, 0.0373789717744),
    "CR2": (0.4695619509503, 0.4932900933722, 0.0378505085709),
    "degrees": (33.6665147296, 35.7767340836, 44.1296070220),
}
AS_SHIPPED = {  # EPSILON = 1e-8, R's default: the weights are one step behind the coefficients
    "coefficients": (2.540542512440, -0.890340538952, -0.114792493975),
    "model": (0.4044774729371, 0.3784411440496, 0.0439549462077),
    "CR0": (0.4589586596547, 0.4820162862746, 0.0373787193734),  # by sandwich::vcovCL
    "CR2": (0.4695322026783, 0.4932670401017, 0.0378497114968),
    "degrees": (33.6673386362, 35.7783541948, 44.1296082120),
}


def bacteria() -> pd.DataFrame:
    return pd.DataFrame(
        {"child": child, "active": float(word[0] == "a"), "week": float(week), "y": float(mark)}
        for child, word in enumerate(CHILDREN.split())
        for week, mark in zip((0, 2, 4, 6, 11), word[1:], strict=True)
        if mark != "."
    )


@pytest.mark.parametrize(("printed", "tolerance"), [(CONVERGED, 5e-8), (AS_SHIPPED, 7e-5)])
def test_the_bacteria_trial_agrees_with_r(printed, tolerance):
    rows = bacteria()
    design = np.column_stack([np.ones(len(rows)), rows["active"], rows["week"]])
    events, ones = rows["y"].to_numpy(), np.ones(len(rows))
    fit = fit_glm(design, events, ones, Family.BINOMIAL)
    variances = fit.rate * (1 - fit.rate)
    child = rows["child"].to_numpy(np.intp)
    problem = WorkingModel(design, variances, events - fit.rate, ones, child, np.full(len(rows), NOT_ABSORBED))
    cr2 = cluster_robust(problem)
    assert fit.coefficients == approx(printed["coefficients"], rel=5e-9)
    assert fit.standard_errors == approx(printed["model"], rel=tolerance)
    assert cluster_robust(problem, SmallSample.CR0).standard_errors == approx(printed["CR0"], rel=tolerance)
    # expected by Stata's factor G/(G−1), given as logit_CR1_stata_G_over_Gm1: 0.463618, 0.486910, 0.0377582
    cr1 = cluster_robust(problem, SmallSample.CR1).standard_errors
    assert cr1 == approx((0.463618257894, 0.486909978096, 0.0377582084871), rel=1e-5)
    assert cr2.standard_errors == approx(printed["CR2"], rel=tolerance)
    assert cr2.degrees_of_freedom == approx(printed["degrees"], rel=tolerance)


# ---------------------------------------------------------------------------------------------------------------
# A table both languages can make from one formula: 7 services, 3 periods, 3 sizes, 100 cells, 682 deployments.
# ---------------------------------------------------------------------------------------------------------------
# > d <- expand.grid(service = 1:7, period = 1:3, exposed = 0:1, size = 0:2)
# > d <- d[(d$service + d$period + 2*d$exposed + d$size) %% 5 != 0, ]
# > d$n <- 2 + (5*d$service + 3*d$period + 7*d$exposed + 4*d$size + d$service*d$exposed) %% 11
# > d$y <- pmin(d$n, (3*d$service + 5*d$period + 2*d$exposed*d$service + 7*d$size + d$service*d$period) %% 4)
# > rows <- d[rep(seq_len(nrow(d)), d$n), ]
# > rows$event <- unlist(Map(function(n, y) rep(1:0, c(y, n - y)), d$n, d$y))


def formula_table() -> pd.DataFrame:
    cells = [
        (
            f"service {s}",
            f"period {p}",
            e,
            ("small", "medium", "large")[z],
            n := 2 + (5 * s + 3 * p + 7 * e + 4 * z + s * e) % 11,
            min(n, (3 * s + 5 * p + 2 * e * s + 7 * z + s * p) % 4),
            24.0 * n,
        )
        for s, p, e, z in product(range(1, 8), range(1, 4), (0, 1), range(3))
        if (s + p + 2 * e + z) % 5
    ]
    return pd.DataFrame(cells, columns=["service", "period", "exposed", "size", "n", "events", "exposure_hours"])


# > fit <- glm(FORMULA, family = binomial, data = rows, control = glm.control(epsilon = 1e-15, maxit = 100))
# > v <- clubSandwich::vcovCR(fit, cluster = rows$service, type = TYPE)
# > coef_test(fit, vcov = v, coefs = "exposed", test = "Satterthwaite" for CR2, "naive-t" for CR0); conf_int(…)
# R 4.2.2, clubSandwich 0.5.8; columns beta, model SE, then SE and p of CR0, SE, df, p and exp(limits) of CR2.
R_FITS = [
    # event ~ exposed + factor(service) + factor(period)
    (("service", "period"), (), 0.2895160689, 0.182474760252, (0.1157975316, 0.04651614436),
     (0.1254157524, 5.872384392, 0.06132992874, 0.981190082912, 1.818516777764)),
    # event ~ exposed + factor(service) + factor(period) + factor(size)
    (("service", "period"), ("size",), 0.3006199653, 0.183369475408, (0.1280731603, 0.05727319099),
     (0.1379435741, 5.861835704, 0.07319511821, 0.961891412341, 1.896658478254)),
    # event ~ exposed + factor(period) + factor(size): nothing to absorb
    (("period",), ("size",), 0.3036194886, 0.182116576213, (0.1250210421, 0.05126361877),
     (0.1349081017, 5.839728779, 0.06659689165, 0.971710504076, 1.888789846968)),
    # event ~ exposed
    ((), (), 0.3092501263, 0.180413422251, (0.1101913483, 0.03089894495),
     (0.1188473691, 5.884242497, 0.0412822456, 1.01719483490, 1.82476566467)),
]  # fmt: skip


@pytest.mark.parametrize(("effects", "adjust_for", "beta", "model", "cr0", "cr2"), R_FITS)
def test_the_regression_agrees_with_a_logistic_glm_in_r(effects, adjust_for, beta, model, cr0, cr2):
    cells = Cells(formula_table())
    robust = LogisticRegression(effects, adjust_for, SmallSample.CR0)(cells)
    assert robust.estimand is Estimand.ODDS_RATIO
    assert log(robust.value) == approx(beta, rel=5e-9)
    assert (robust.standard_error, robust.p_value) == approx(cr0, rel=1e-8)
    found = LogisticRegression(effects, adjust_for)(cells)
    error, degrees, p, low, high = cr2
    assert (found.standard_error, found.p_value) == approx((error, p), rel=1e-8)
    assert (found.interval.low, found.interval.high) == approx((low, high), rel=1e-8)
    assert f"t with {degrees:.1f} Satterthwaite degrees of freedom" in found.method
    widened = LogisticRegression(effects, adjust_for, at_least_model=True)(cells)
    assert widened.standard_error == approx(model, rel=1e-9)
    assert widened.method.endswith("; the interval is that of independent deployments, which is wider")
    # the model's limits are normal: exp(b ± 1.959964 se)
    assert log(widened.interval.high) == approx(beta + 1.959963984540 * model, rel=1e-9)


def test_cr1_is_statas_factor_on_cr0():
    cells = Cells(formula_table())
    cr0, cr1 = (LogisticRegression(small_sample=kind)(cells) for kind in (SmallSample.CR0, SmallSample.CR1))
    assert cr1.standard_error == approx(cr0.standard_error * np.sqrt(7 / 6), rel=1e-12)
    assert "CR1 (factor G/(G−1)) standard error by service, t with 6.0 degrees of freedom" in cr1.method


def test_the_estimate_says_how_it_was_made_and_on_what_it_rests():
    found = LogisticRegression(adjust_for=("size",))(Cells(formula_table()))
    assert (found.id, found.design) == ("regression.odds_ratio", "at equal service + period")
    assert found.adjustment == ("size",)
    assert found.method == (
        "logistic regression, additive effects of service + period (service absorbed); "
        "CR2 standard error by service, t with 5.9 Satterthwaite degrees of freedom"
    )
    assert found.caveats == (
        "Incidents followed 24% of deployments: the odds ratio lies further from 1 than the risk ratio.",
    )
    assert {name: found.support[name] for name in ("n", "events", "coefficients", "clusters")} == {
        "n": 682, "events": 165, "coefficients": 1 + 7 + 2 + 2, "clusters": 7,
    }  # fmt: skip


def test_an_effect_that_crosses_clusters_is_a_dummy_variable_and_the_fit_is_the_same():
    # Clustered by period, service is not inside a cluster but period is.
    cells = Cells(formula_table(), cluster="period")
    found = LogisticRegression(("service", "period"))(cells)
    assert "(period absorbed)" in found.method
    assert log(found.value) == approx(0.2895160689, rel=5e-9)


# ---------------------------------------------------------------------------------------------------------------
# What separates leaves the fit, which is then the limit of the full one
# ---------------------------------------------------------------------------------------------------------------
# > d$y[d$size == 2] <- 0; d$y[d$service == 3] <- d$n[d$service == 3]
# > glm(event ~ exposed + factor(service) + factor(period) + factor(size), binomial, rows,
# +     control = glm.control(epsilon = 1e-15, maxit = 24))
# service 3 ran off to 49.2 and size 2 to -24.3; exposed 0.595938789102, CR2 0.356 (limit not reached), df 4.66


def separated_table() -> pd.DataFrame:
    table = formula_table()
    table.loc[table["size"] == "large", "events"] = 0
    table.loc[table["service"] == "service 3", "events"] = table["n"]
    return table


def test_levels_of_one_outcome_leave_the_fit_and_r_agrees_in_the_limit():
    table = separated_table()
    found = LogisticRegression(adjust_for=("size",))(Cells(table))
    assert log(found.value) == approx(0.595938789102, rel=1e-9)
    assert found.caveats[-2:] == (
        "1 level of service left the fit, with incidents after all deployments or none: an effect of its own fits it "
        "exactly, so it says nothing about the ratio.",
        "1 level of size left the fit, with incidents after all deployments or none: an effect of its own fits it "
        "exactly, so it says nothing about the ratio.",
    )
    without = table[(table["size"] != "large") & (table["service"] != "service 3")]
    alone = LogisticRegression(adjust_for=("size",))(Cells(without))
    assert (found.value, found.standard_error) == approx((alone.value, alone.standard_error), rel=1e-12)
    assert found.support["n"] == without["n"].sum()


def test_quasi_separation_by_two_columns_is_found_and_told():
    # With size and load, x = large and not peak failed always, peak and not large never; the rest is mixed.
    rows = [
        ("large", "calm", 0, 3, 3), ("large", "calm", 1, 2, 2), ("small", "peak", 0, 4, 0), ("small", "peak", 1, 3, 0),
        ("small", "calm", 0, 9, 4), ("small", "calm", 1, 8, 5), ("large", "peak", 0, 9, 3), ("large", "peak", 1, 9, 6),
    ]  # fmt: skip
    frame = pd.concat(
        pd.DataFrame(rows, columns=["size", "load", "exposed", "n", "events"]).assign(service=s, period="Q1")
        for s in ("a", "b", "c", "d")
    )
    frame.loc[(frame["service"] == "a") & (frame["n"] == 9), "n"] = 8
    settings = LogisticRegression(effects=("service",), adjust_for=("size", "load"))
    found = settings(Cells(frame))
    mixed = frame[(frame["events"] > 0) & (frame["events"] < frame["n"])]
    assert found.value == approx(settings(Cells(mixed)).value, rel=1e-12)
    assert found.caveats[-1] == (
        "48 deployments at combinations of size, load left the fit: covariates alone tell their outcome, so the odds "
        "ratio does not depend on them."
    )


# ---------------------------------------------------------------------------------------------------------------
# What cannot be estimated says why
# ---------------------------------------------------------------------------------------------------------------


def table(*rows: tuple[str, str, int, int, int]) -> Cells:
    """Cells of (service, size, exposed, n, events) in one period."""
    frame = pd.DataFrame(rows, columns=["service", "size", "exposed", "n", "events"])
    return Cells(frame.assign(period="2026 Q1", exposure_hours=24.0 * frame["n"]))


FIRTH = "Firth's penalised likelihood (`regression.odds_ratio.firth`) still gives an estimate."
NOTHING = "No service holds exposed deployments, unexposed ones, an incident and a deployment without one."
REFUSALS = {
    "None of the 14 deployments was followed by an incident.": table(
        ("a", "small", 1, 4, 0), ("a", "small", 0, 5, 0), ("b", "small", 1, 2, 0), ("b", "small", 0, 3, 0)
    ),
    "All 9 deployments were followed by an incident, so there are no odds to compare.": table(
        ("a", "small", 1, 4, 4), ("b", "small", 0, 5, 5)
    ),
    "No deployment is left to compare.": table(),
    NOTHING: table(("a", "small", 1, 4, 1), ("b", "small", 0, 5, 2), ("c", "small", 1, 4, 4), ("c", "small", 0, 4, 4)),
    "No exposed deployment was followed by an incident where it can be compared with others of its service: the odds "
    f"ratio would be zero, without an interval. {FIRTH}": table(
        ("a", "small", 1, 4, 0), ("a", "small", 0, 5, 2), ("b", "small", 1, 4, 0), ("b", "small", 0, 4, 1),
        ("c", "small", 1, 9, 3),
    ),
    "No unexposed deployment was followed by an incident where it can be compared with others of its service: the odds "
    f"ratio would be infinite, without an interval. {FIRTH}": table(
        ("a", "small", 1, 4, 2), ("a", "small", 0, 5, 0), ("b", "small", 1, 4, 1), ("b", "small", 0, 4, 0)
    ),
    "Every exposed deployment was followed by an incident where it can be compared with others of its service: the "
    f"odds ratio would be infinite, without an interval. {FIRTH}": table(
        ("a", "small", 1, 4, 4), ("a", "small", 0, 5, 2), ("b", "small", 1, 4, 4), ("b", "small", 0, 4, 1)
    ),
    "All exposed deployments that can be compared lie in one service, which cannot show how far services differ from "
    "one another.": table(("a", "small", 1, 4, 2), ("a", "small", 0, 5, 1), ("b", "small", 1, 4, 1)),
    "Within service, exposure cannot be told apart from period, size: no two deployments differ in exposure "
    "alone.": table(
        ("a", "large", 1, 4, 2), ("a", "small", 0, 5, 1), ("b", "large", 1, 4, 1), ("b", "small", 0, 5, 2)
    ),
    "Events and their absence fell on different sides wherever exposed and unexposed deployments of one service can be "
    f"compared at equal period, size: the odds ratio has no finite estimate. {FIRTH}": table(
        ("a", "large", 1, 4, 2), ("a", "small", 1, 4, 0), ("a", "small", 0, 5, 1),
        ("b", "large", 1, 4, 1), ("b", "small", 1, 4, 0), ("b", "small", 0, 5, 2),
    ),
    "All services agree exactly on the ratio, so there is no variation between them to compute a standard error "
    "from.": table(
        ("a", "small", 1, 4, 2), ("a", "small", 0, 8, 2), ("b", "small", 1, 8, 4), ("b", "small", 0, 16, 4)
    ),
}  # fmt: skip


@pytest.mark.parametrize("reason", REFUSALS)
@pytest.mark.parametrize("small_sample", SmallSample)
def test_what_cannot_be_estimated_says_why(reason, small_sample):
    cells = REFUSALS[reason]
    found = LogisticRegression(adjust_for=("size",), small_sample=small_sample)(cells, level=0.9)
    assert found.caveats == (reason,)
    assert not found.estimable
    assert (found.interval.low, found.interval.high, found.interval.level) == (0, inf, 0.9)
    assert found.p_value is None
    assert found.support["n"] == cells.frame["n"].sum()
    assert found.id == "regression.odds_ratio"


def test_few_clusters_few_degrees_and_many_coefficients_are_said():
    cells = table(
        ("a", "small", 1, 40, 8), ("a", "small", 0, 50, 6), ("b", "small", 1, 40, 3), ("b", "small", 0, 40, 7),
        ("c", "small", 1, 9, 2), ("c", "small", 0, 9, 1), ("d", "small", 0, 9, 4),
    )  # fmt: skip
    found = LogisticRegression()(cells)
    assert found.caveats[0] == (
        "Exposed deployments of 3 and unexposed ones of 3 services can be compared; with fewer than 4 on either side "
        "the interval is not to be trusted."
    )
    assert found.caveats[1].startswith("The interval rests on ")
    assert found.caveats[2] == (
        "4 coefficients rest on 27 incidents; below 10 for each, estimating them pushes the odds ratio away from 1. "
        "`regression.odds_ratio.conditional` has no such bias."
    )
    assert found.caveats[4] == "Within service, period adds nothing to what is already held fixed."


def test_thousands_of_levels_that_cannot_be_absorbed_are_refused_with_a_way_out():
    frame = formula_table()
    frame["author"] = [f"author {row}" for row in range(len(frame))]
    wide = pd.concat([frame, frame.assign(author=frame["author"] + "b"), frame.assign(author=frame["author"] + "c")])
    found = LogisticRegression(adjust_for=("author",))(Cells(wide))
    assert found.caveats == (
        "period, author have 303 levels together, and this regression takes 300: make author part of the strata and "
        "condition on it (`regression.odds_ratio.conditional`), or coarsen it.",
    )


def test_thousands_of_services_are_absorbed():
    frame = pd.concat([formula_table().assign(service=lambda t, i=i: t["service"] + f" of {i}") for i in range(60)])
    found = LogisticRegression()(Cells(frame))  # 420 services
    assert log(found.value) == approx(0.2895160689, rel=5e-9)  # sixty copies of the organisation, one ratio
    assert found.standard_error == approx(0.1157975316 / np.sqrt(60), rel=0.01)  # CR2 tends to CR0 of R_FITS


def test_a_fit_that_does_not_settle_is_no_estimate(monkeypatch):
    monkeypatch.setattr(logistic, "fit_glm", lambda *problem: fit_glm(*problem, most_steps=1))
    found = LogisticRegression()(Cells(formula_table()))
    assert found.caveats == ("The fit did not settle: the log-likelihood is too flat to have a maximum.",)


# ---------------------------------------------------------------------------------------------------------------
# Settings that cannot be meant
# ---------------------------------------------------------------------------------------------------------------


def test_unknown_columns_are_named_with_those_that_exist():
    with pytest.raises(ValueError) as caught:
        LogisticRegression(adjust_for=("sise",))(Cells(formula_table()))
    assert str(caught.value) == "Cannot adjust for sise: the cells can be adjusted for service, period, size."
    with pytest.raises(ValueError) as caught:
        LogisticRegression(effects=("team",))(Cells(formula_table()))
    assert str(caught.value) == "No effect of team can be fitted: the cells have service, period, size."


@pytest.mark.parametrize("column", ["size", "service", "period"])
def test_empty_values_are_refused(column):
    frame = formula_table()
    frame.loc[3, column] = None
    with pytest.raises(ValueError, match=f"^Cells have empty values in {column}; a value nobody knows is a level"):
        LogisticRegression(adjust_for=("size",))(Cells(frame))


def test_a_level_in_percent_is_refused():
    with pytest.raises(ValueError, match=r"^level is 95; a confidence level lies between 0 and 1, such as 0\.95\.$"):
        LogisticRegression()(Cells(formula_table()), level=95)
