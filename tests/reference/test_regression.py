"""The modified Poisson regression and its cluster-robust errors, against R and at the edges."""

from functools import partial
from itertools import product
from math import log

import numpy as np
import pandas as pd
import pytest
from pytest import approx
from scipy.special import ndtr

from counterfault.cells import Cells
from counterfault.estimate import Estimand
from counterfault.estimators.poisson import regression
from counterfault.estimators.poisson.cluster_robust import NOT_ABSORBED, SmallSample, WorkingModel, cluster_robust
from counterfault.estimators.poisson.conditional_poisson import fit_conditional_poisson
from counterfault.estimators.poisson.regression import ModifiedPoisson, as_headline, total_and_direct

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

# > fit <- glm(y ~ active + week, family = binomial, control = glm.control(epsilon = 1e-15, maxit = 100))
# > sandwich::vcovCL(fit, cluster = id, type = "HC0", cadjust = FALSE)
# > clubSandwich::coef_test(fit, vcov = vcovCR(fit, cluster = id, type = "CR2"), test = "Satterthwaite")
# R 4.2.2, sandwich 3.0.2, clubSandwich 0.5.8. R's default epsilon of 1e-8 leaves the weights one step behind
# and moves the CR2 errors in the fifth figure.
BACTERIA = {
    "logit": {
        "coefficients": (2.540542515802, -0.890340541671, -0.114792494088),
        "CR0": (0.4589601358159, 0.4820167695440, 0.0373789717906),
        "CR2": (0.4695619509503, 0.4932900933722, 0.0378505085709),
        "degrees": (33.6665147296, 35.7767340836, 44.1296070220),
    },
    "poisson": {
        "coefficients": (-0.0321495009556, -0.1567839089972, -0.0233093426893),
        "CR0": (0.05174450654942, 0.07834064880850, 0.00912620089099),
        "CR2": (0.05279141457096, 0.07998816146118, 0.00922895716824),
        "degrees": (29.4230119661, 44.2441034089, 45.8957491476),
    },
}


def bacteria() -> pd.DataFrame:
    return pd.DataFrame(
        {"child": child, "active": float(word[0] == "a"), "week": float(week), "y": float(mark), "n": 1.0}
        for child, word in enumerate(CHILDREN.split())
        for week, mark in zip((0, 2, 4, 6, 11), word[1:], strict=True)
        if mark != "."
    )


def solved(rows: pd.DataFrame, model: str) -> tuple[np.ndarray, WorkingModel]:
    """Textbook iteratively reweighted least squares, and the problem at its solution."""
    design = np.column_stack([np.ones(len(rows)), rows["active"], rows["week"]])
    n, y = rows["n"].to_numpy(), rows["y"].to_numpy()
    beta = np.zeros(3)
    for _ in range(50):
        mean = 1 / (1 + np.exp(-design @ beta)) if model == "logit" else np.exp(design @ beta)
        variance = mean * (1 - mean) if model == "logit" else mean
        beta = beta + np.linalg.solve((design.T * n * variance) @ design, design.T @ (y - n * mean))
    child = rows["child"].to_numpy(np.intp)
    return beta, WorkingModel(design, variance, y / n - mean, n, child, np.full(len(rows), NOT_ABSORBED))


@pytest.mark.parametrize("model", BACTERIA)
def test_cluster_robust_errors_of_the_bacteria_trial_agree_with_r(model):
    rows = bacteria()
    assert len(rows) == 220
    beta, problem = solved(rows, model)
    printed = BACTERIA[model]
    assert beta == approx(printed["coefficients"], rel=1e-9)
    cr0 = cluster_robust(problem, SmallSample.CR0)
    assert cr0.standard_errors == approx(printed["CR0"], rel=5e-8)
    assert cr0.degrees_of_freedom == approx([49, 49, 49])
    cr1 = cluster_robust(problem, SmallSample.CR1)  # Stata's glm: CR0 times sqrt(50/49)
    assert cr1.standard_errors == approx(np.sqrt(50 / 49) * np.array(printed["CR0"]), rel=5e-8)
    cr2 = cluster_robust(problem)
    assert cr2.standard_errors == approx(printed["CR2"], rel=5e-8)
    assert cr2.degrees_of_freedom == approx(printed["degrees"], rel=5e-8)


def test_a_contrast_has_the_error_of_the_coefficient_it_picks():
    _, problem = solved(bacteria(), "logit")
    every = cluster_robust(problem)
    one = cluster_robust(problem, contrasts=np.array([[0.0], [1.0], [0.0]]))
    assert one.standard_errors == approx(every.standard_errors[1:2], rel=1e-12)
    assert one.degrees_of_freedom == approx(every.degrees_of_freedom[1:2], rel=1e-12)
    assert one.model_covariance == approx(every.model_covariance[1:2, 1:2], rel=1e-12)


def test_one_cluster_is_refused_by_the_sandwich():
    _, problem = solved(bacteria().assign(child=0), "logit")
    with pytest.raises(ValueError, match=r"^A cluster-robust covariance needs at least two clusters; there is one\.$"):
        cluster_robust(problem)


# ---------------------------------------------------------------------------------------------------------------
# A table both languages can make from one formula: 7 services, 3 periods, 3 sizes, 100 cells, 682 deployments.
# ---------------------------------------------------------------------------------------------------------------
# > d <- expand.grid(service = 1:7, period = 1:3, exposed = 0:1, size = 0:2)
# > d <- d[(d$service + d$period + 2*d$exposed + d$size) %% 5 != 0, ]
# > d$n <- 2 + (5*d$service + 3*d$period + 7*d$exposed + 4*d$size + d$service*d$exposed) %% 11
# > d$y <- pmin(d$n, (3*d$service + 5*d$period + 2*d$exposed*d$service + 7*d$size + d$service*d$period) %% 4)
# > rows <- d[rep(seq_len(nrow(d)), d$n), ]
# > rows$event <- unlist(Map(function(n, y) rep(1:0, c(y, n - y)), d$n, d$y))
# > rows$stratum <- paste(rows$service, rows$period)


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


# > fit <- glm(FORMULA, family = poisson, data = rows, control = glm.control(epsilon = 1e-15, maxit = 100))
# > v <- clubSandwich::vcovCR(fit, cluster = rows$service, type = TYPE)
# > coef_test(fit, vcov = v, coefs = "exposed", test = "Satterthwaite" for CR2, "naive-t" otherwise); conf_int(…)
# R 4.2.2, clubSandwich 0.5.8; columns beta, SE, p, and for CR2 the limits of exp(beta).
R_FITS = [
    # event ~ exposed + factor(stratum)
    (("service", "period"), (), "CR0", 0.240347144, 0.0893165255, 0.0360066404, None),
    (("service", "period"), (), "CR1", 0.240347144, 0.0964728736, 0.0470764694, None),
    (("service", "period"), (), "CR2", 0.240347144, 0.0960047501, 0.046949748, (1.00450854, 1.60993834)),
    # event ~ exposed + factor(size) + factor(stratum)
    (("service", "period"), ("size",), "CR0", 0.250402894, 0.101941008, 0.0493633116, None),
    (("service", "period"), ("size",), "CR1", 0.250402894, 0.110108873, 0.0633069481, None),
    (("service", "period"), ("size",), "CR2", 0.250402894, 0.109112671, 0.0621678693, (0.982606065, 1.67925925)),
    # event ~ exposed + factor(size) + factor(period): strata that run across the clusters
    (("period",), ("size",), "CR0", 0.228429357, 0.0942324974, 0.0515743604, None),
    (("period",), ("size",), "CR1", 0.228429357, 0.10178273, 0.0659574123, None),
    (("period",), ("size",), "CR2", 0.228429357, 0.101447837, 0.0665113849, (0.978741325, 1.61340461)),
    # event ~ exposed + factor(size): no strata
    ((), ("size",), "CR2", 0.240033971, 0.0981306488, 0.0510079478, (0.998540669, 1.6185462)),
]


@pytest.mark.parametrize(("strata", "adjust_for", "kind", "beta", "error", "p", "limits"), R_FITS)
def test_the_regression_agrees_with_a_poisson_glm_in_r(strata, adjust_for, kind, beta, error, p, limits):
    found = ModifiedPoisson(adjust_for, SmallSample[kind])(Cells(formula_table(), strata))
    assert found.estimand is Estimand.RISK_RATIO
    assert log(found.value) == approx(beta, rel=5e-9)
    assert found.standard_error == approx(error, rel=5e-8)
    assert found.p_value == approx(p, rel=1e-6)
    if limits:
        assert (found.interval.low, found.interval.high) == approx(limits, rel=1e-8)


def test_the_estimate_says_how_it_was_made_and_on_what_it_rests():
    found = ModifiedPoisson(("size",))(Cells(formula_table()))
    assert found.design == "within service × period"
    assert found.adjustment == ("size",)
    assert found.method == (
        "modified Poisson regression (Zou 2004), service × period effects conditioned out; "
        "CR2 standard error by service, t with 5.9 Satterthwaite degrees of freedom"
    )
    assert found.caveats == ()
    counts = formula_table().groupby("exposed")[["n", "events"]].sum()
    assert found.support == {
        "n": 682,
        "events": 165,
        "exposed_events": counts.loc[1, "events"],
        "exposed_total": counts.loc[1, "n"],
        "unexposed_events": counts.loc[0, "events"],
        "unexposed_total": counts.loc[0, "n"],
        "clusters": 7,
        "informative_clusters": 7,
        "strata": 21,
    }


def test_cr1_names_its_factor_and_its_degrees_of_freedom():
    found = ModifiedPoisson(small_sample=SmallSample.CR1)(Cells(formula_table(), strata=()))
    assert found.design == "across all deployments"
    assert found.method == (
        "modified Poisson regression (Zou 2004); CR1 (factor G/(G−1)) standard error by service, "
        "t with 6.0 degrees of freedom"
    )


def test_settings_read_as_they_are_written():
    assert (
        repr(ModifiedPoisson(("size",)))
        == "ModifiedPoisson(adjust_for=('size',), small_sample=CR2, at_least_model=False)"
    )


# ---------------------------------------------------------------------------------------------------------------
# Levels without incidents
# ---------------------------------------------------------------------------------------------------------------


def test_a_level_without_incidents_leaves_the_fit_and_r_agrees_in_the_limit():
    # > d$y[d$size == 2] <- 0     # then as above, with factor(size) and factor(stratum), maxit = 25
    # The coefficient of size 2 ran off to -25.9; exposed: beta 0.6196875211, SE 0.2820520396, p 0.07421100857
    table = formula_table()
    table.loc[table["size"] == "large", "events"] = 0
    found = ModifiedPoisson(("size",))(Cells(table))
    assert log(found.value) == approx(0.6196875211, rel=1e-9)
    assert found.standard_error == approx(0.2820520396, rel=1e-8)
    assert found.p_value == approx(0.07421100857, rel=1e-8)
    assert found.caveats == (
        "Deployments at size=large left the fit (243): no incident fell on them where they can be compared, so "
        "their fitted risk is zero and the ratio does not depend on them.",
    )
    assert found.support["n"] == 682 - 243


def test_a_level_with_incidents_only_where_nothing_compares_leaves_the_fit_too():
    # Large changes fail in service 1, which makes only large ones of each kind; elsewhere they never do.
    table = formula_table()
    table.loc[table["size"] == "large", "events"] = 0
    table.loc[table["service"] == "service 1", "size"] = "large"
    found = ModifiedPoisson(("size",))(Cells(table))
    without = table[(table["size"] != "large") | (table["service"] == "service 1")]
    expected = ModifiedPoisson(("size",))(Cells(without))
    assert found.value == approx(expected.value, rel=1e-12)
    assert found.standard_error == approx(expected.standard_error, rel=1e-12)
    # the level itself stays, in service 1, so no level is named as gone
    assert "Deployments at combinations of size left the fit" in found.caveats[0]


def test_the_commonest_level_may_be_the_one_without_incidents():
    table = formula_table()
    table.loc[table["size"] != "large", "events"] = 0
    found = ModifiedPoisson(("size",))(Cells(table))
    alone = ModifiedPoisson()(Cells(table[table["size"] == "large"]))
    assert found.value == approx(alone.value, rel=1e-12)
    assert found.standard_error == approx(alone.standard_error, rel=1e-12)


def test_levels_that_separate_only_together_are_found():
    # Neither "late" nor "large" is without incidents; late large ones are, and they have their own level here.
    table = formula_table()
    table["load"] = np.where(table["exposed"] + table["n"] % 2 == 1, "peak", "calm")
    both = (table["load"] == "peak") & (table["size"] == "large")
    table.loc[both, "events"] = 0
    table["load and size"] = np.where(both, "peak large", "other")
    found = ModifiedPoisson(("load and size", "size"))(Cells(table))
    expected = ModifiedPoisson(("size",))(Cells(table[~both]))
    assert found.value == approx(expected.value, rel=1e-12)
    assert found.standard_error == approx(expected.standard_error, rel=1e-12)


def test_a_covariate_that_strata_hold_fixed_already_changes_nothing_and_is_named():
    table = formula_table()
    table["layer"] = np.where(table["service"] < "service 4", "platform", "application")
    found = ModifiedPoisson(("layer", "size"))(Cells(table))
    plain = ModifiedPoisson(("size",))(Cells(table))
    assert found.value == approx(plain.value, rel=1e-12)
    assert found.standard_error == approx(plain.standard_error, rel=1e-12)
    assert found.caveats == ("Within service × period, layer adds nothing to what is already held fixed.",)


# ---------------------------------------------------------------------------------------------------------------
# What cannot be estimated says why
# ---------------------------------------------------------------------------------------------------------------


def table(*rows: tuple[str, str, int, int, int]) -> Cells:
    """Cells of (service, size, exposed, n, events) in one period."""
    frame = pd.DataFrame(rows, columns=["service", "size", "exposed", "n", "events"])
    return Cells(frame.assign(period="2026 Q1", exposure_hours=24.0 * frame["n"]))


REFUSALS = {
    "None of the 14 deployments was followed by an incident.": table(
        ("a", "small", 1, 4, 0), ("a", "small", 0, 5, 0), ("b", "small", 1, 2, 0), ("b", "small", 0, 3, 0)
    ),
    "No deployment is left to compare.": table(),
    "No service × period holds exposed deployments, unexposed deployments and an incident.": table(
        ("a", "small", 1, 4, 1), ("b", "small", 0, 5, 2), ("c", "small", 1, 4, 0), ("c", "small", 0, 4, 0)
    ),
    "No exposed deployment was followed by an incident where it can be compared with unexposed ones of its "
    "service × period: the ratio would be zero, without an interval.": table(
        ("a", "small", 1, 4, 0), ("a", "small", 0, 5, 2), ("b", "small", 1, 4, 0), ("b", "small", 0, 4, 1),
        ("c", "small", 1, 9, 3),
    ),
    "No unexposed deployment was followed by an incident where it can be compared with exposed ones of its "
    "service × period: the ratio would be infinite, without an interval.": table(
        ("a", "small", 1, 4, 2), ("a", "small", 0, 5, 0), ("b", "small", 1, 4, 1), ("b", "small", 0, 4, 0)
    ),
    "All exposed deployments that can be compared lie in one service, which cannot show how far services differ from "
    "one another.": table(
        ("a", "small", 1, 4, 2), ("a", "small", 0, 5, 1), ("b", "small", 1, 4, 1)
    ),
    "Within service × period, exposure cannot be told apart from size: no two deployments differ in exposure "
    "alone.": table(
        ("a", "large", 1, 4, 2), ("a", "small", 0, 5, 1), ("b", "large", 1, 4, 1), ("b", "small", 0, 5, 2)
    ),
    "At equal size, incidents fell only on one side wherever exposed and unexposed deployments of one "
    "service × period can be compared: the ratio has no finite estimate.": table(
        ("a", "large", 1, 4, 2), ("a", "small", 1, 4, 0), ("a", "small", 0, 5, 1),
        ("b", "large", 1, 4, 1), ("b", "small", 1, 4, 0), ("b", "small", 0, 5, 2),
    ),
    "All services agree exactly on the ratio, so there is no variation between them to compute a standard error "
    "from.": table(
        ("a", "small", 1, 4, 2), ("a", "small", 0, 8, 2), ("b", "small", 1, 10, 4), ("b", "small", 0, 10, 2)
    ),
}  # fmt: skip


@pytest.mark.parametrize("reason", REFUSALS)
@pytest.mark.parametrize("small_sample", SmallSample)
def test_what_cannot_be_estimated_says_why(reason, small_sample):
    cells = REFUSALS[reason]
    found = ModifiedPoisson(("size",), small_sample)(cells, level=0.9)
    assert found.caveats == (reason,)
    assert not found.estimable
    assert (found.interval.low, found.interval.high, found.interval.level) == (0, np.inf, 0.9)
    assert found.p_value is None
    assert found.support["n"] == cells.frame["n"].sum()
    assert (found.design, found.adjustment) == ("within service × period", ("size",))


def test_a_single_informative_service_among_many_gives_no_standard_error():
    # Services b and c inform the effect of size, and only a the ratio.
    cells = table(
        ("a", "small", 1, 9, 4), ("a", "small", 0, 9, 2), ("a", "large", 1, 9, 6), ("a", "large", 0, 9, 4),
        ("b", "small", 0, 9, 2), ("b", "large", 0, 9, 3), ("c", "small", 1, 9, 2), ("c", "large", 1, 9, 5),
    )  # fmt: skip
    found = ModifiedPoisson(("size",))(cells)
    assert found.caveats == (
        "All exposed deployments that can be compared lie in one service, which cannot show how far services differ "
        "from one another.",
    )


def test_few_clusters_and_few_degrees_of_freedom_are_said():
    cells = table(
        ("a", "small", 1, 40, 8), ("a", "small", 0, 50, 6), ("b", "small", 1, 40, 3), ("b", "small", 0, 40, 7),
        ("c", "small", 1, 9, 2), ("c", "small", 0, 9, 1), ("d", "small", 0, 9, 4),
    )  # fmt: skip
    found = ModifiedPoisson()(cells)
    assert found.support["clusters"] == 4
    assert found.support["informative_clusters"] == 3
    assert found.caveats[0] == (
        "Exposed deployments of 3 and unexposed ones of 3 services can be compared; with fewer than 4 on either side "
        "the interval is not to be trusted."
    )
    assert found.caveats[1].startswith("The interval rests on 1.")
    assert found.caveats[1].endswith(
        " degrees of freedom; below 4 the t approximation is unreliable (Pustejovsky & Tipton 2018)."
    )


def test_exposure_that_varies_between_services_only_needs_two_of_each():
    # One period for all: services b and c are never exposed, so only a could show how far exposed ones differ.
    cells = table(("a", "small", 1, 9, 4), ("b", "small", 0, 9, 2), ("c", "small", 0, 9, 3))
    found = ModifiedPoisson()(Cells(cells.frame, strata=("period",)))
    assert found.caveats == (
        "All exposed deployments that can be compared lie in one service, which cannot show how far services differ "
        "from one another.",
    )


def test_an_interval_too_wide_to_write_down_is_open_and_not_a_crash():
    cells = table(
        ("a", "small", 1, 400, 200), ("a", "small", 0, 400, 1), ("b", "small", 1, 4, 1), ("b", "small", 0, 400, 399)
    )
    found = ModifiedPoisson()(cells, level=0.9999)
    assert found.interval.low == 0
    assert found.interval.high == np.inf
    assert found.estimable


def agreeing_services() -> Cells:
    """Four services that nearly agree by chance: their differences understate how little 40 failures say."""
    counts = [(100, 6), (200, 6), (100, 6), (200, 6), (100, 6), (200, 6), (100, 7), (200, 6)]
    rows = [(f"s{row // 2}", "2026Q1", 1 - row % 2, n, events) for row, (n, events) in enumerate(counts)]
    return Cells(pd.DataFrame(rows, columns=["service", "period", "exposed", "n", "events"]))


def test_the_headline_takes_the_interval_of_independent_deployments_where_that_is_wider():
    # In one stratum the model-based variance of the log ratio is 1/events + 1/events (Poisson, both groups).
    cells = Cells(agreeing_services().frame, strata=())
    plain, headline = ModifiedPoisson()(cells), as_headline(())(cells)
    model = np.sqrt(1 / 25 + 1 / 24)
    assert plain.standard_error < model / 2
    assert headline.standard_error == approx(model, rel=1e-9)
    assert headline.interval.high == approx(headline.value * np.exp(1.959964 * model), rel=1e-6)
    assert headline.value == plain.value
    assert headline.p_value == approx(2 * ndtr(-abs(np.log(headline.value)) / model), rel=1e-9)
    assert headline.method.endswith("; the interval is that of independent deployments, which is wider")


def test_the_headline_keeps_the_robust_interval_where_that_is_wider():
    cells = Cells(formula_table())
    plain, headline = ModifiedPoisson(("size",))(cells), as_headline(("size",))(cells)
    narrower = headline if headline.standard_error < plain.standard_error else plain
    assert narrower is plain or headline.interval == plain.interval
    assert headline.interval.low <= plain.interval.low
    assert headline.interval.high >= plain.interval.high


def test_a_fit_that_does_not_settle_is_no_estimate(monkeypatch):
    monkeypatch.setattr(regression, "fit_conditional_poisson", partial(fit_conditional_poisson, most_steps=1))
    found = ModifiedPoisson()(Cells(formula_table()))
    assert not found.estimable
    assert found.caveats == ("The fit did not settle: the log-likelihood is too flat to have a maximum.",)


# ---------------------------------------------------------------------------------------------------------------
# Settings that cannot be meant
# ---------------------------------------------------------------------------------------------------------------


def test_an_unknown_covariate_is_named_with_those_that_exist():
    with pytest.raises(ValueError) as caught:
        ModifiedPoisson(("sise",))(Cells(formula_table()))
    assert str(caught.value) == "Cannot adjust for sise: the cells can be adjusted for service, period, size."


def test_counts_are_not_covariates():
    with pytest.raises(ValueError, match=r"^Cannot adjust for exposed, n: the cells can be adjusted for "):
        ModifiedPoisson(("exposed", "n"))(Cells(formula_table()))


def test_empty_values_are_refused():
    cells = Cells(formula_table().replace({"size": {"large": None}}))
    with pytest.raises(ValueError) as caught:
        ModifiedPoisson(("size",))(cells)
    assert str(caught.value) == (
        "Cells have empty values in size; a value nobody knows is a level of its own, called 'missing'."
    )
    assert ModifiedPoisson()(cells).estimable  # where the column is not looked at, it does no harm


def test_a_level_in_percent_is_refused():
    with pytest.raises(ValueError, match=r"^level is 95; a confidence level lies between 0 and 1, such as 0\.95\.$"):
        ModifiedPoisson()(Cells(formula_table()), level=95)


# ---------------------------------------------------------------------------------------------------------------
# Total and direct
# ---------------------------------------------------------------------------------------------------------------


def test_total_holds_confounders_fixed_and_direct_mediators_too():
    cells = Cells(formula_table().assign(load=lambda t: np.where(t["n"] % 2, "peak", "calm")))
    total, direct = total_and_direct(cells, confounders=("load",), mediators=("size",), level=0.9)
    assert (total.id, direct.id) == ("total.risk_ratio", "direct.risk_ratio")
    assert (total.adjustment, direct.adjustment) == (("load",), ("load", "size"))
    assert total.value == ModifiedPoisson(("load",))(cells, 0.9).value
    assert direct.interval == as_headline(("load", "size"))(cells, 0.9).interval
    assert direct.caveats[-1] == (
        "Direct: what is left at equal size; it is biased if something unmeasured drives both these and incidents."
    )


def test_without_mediators_direct_repeats_total_and_says_so():
    total, direct = total_and_direct(Cells(formula_table()), confounders=(), mediators=())
    assert direct.value == total.value
    assert direct.caveats == ("No mediator was named, so the direct association repeats the total one.",)


def test_a_mediator_named_as_confounder_is_refused():
    with pytest.raises(ValueError) as caught:
        total_and_direct(Cells(formula_table()), confounders=("size",), mediators=("size",))
    assert str(caught.value) == (
        "'size' is named as confounder and as mediator. A column that exposure changes is a mediator; name it "
        "there only."
    )
