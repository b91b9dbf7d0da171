"""Conditional logistic regression, against R's survival::clogit and at the edges."""

from itertools import product
from math import log

import numpy as np
import pandas as pd
import pytest
from pytest import approx

from counterfault.cells import Cells
from counterfault.estimators.odds import conditional_logistic
from counterfault.estimators.odds.conditional_logistic import (
    ConditionalLogistic,
    fit_conditional_logistic,
    robust_to_clusters,
)
from counterfault.estimators.odds.irls import Family, fit_glm
from counterfault.estimators.odds.logistic import LogisticRegression
from counterfault.estimators.poisson.cluster_robust import SmallSample

# ---------------------------------------------------------------------------------------------------------------
# Infertility after abortion, 83 sets of one case and two controls, one with a single control (R's infert;
# Trichopoulos et al. 1976). One word per set: the case, then its controls; each as two digits, the number of
# spontaneous and of induced abortions before.
# ---------------------------------------------------------------------------------------------------------------
SETS = """
    21:0202 01:0000 02:0202 02:1020 11:0200 12:1120 00:0000 00:0210 10:1001 00:1010 01:0010 12:1110 01:0000 02:1020
    11:0101 02:0100 12:2021 10:0001 12:1011 10:0001 10:0000 02:0000 20:0002 10:0010 11:1020 20:0000 20:0000 20:0000
    21:2012 02:1111 10:0000 01:0100 01:0100 20:0002 01:0000 20:0000 10:0000 21:0202 00:2010 10:0100 20:0100 00:0000
    00:0000 11:0000 00:0100 01:0010 20:0101 02:1202 02:0101 20:0101 21:1202 21:1112 11:1102 10:0110 20:0111 20:0110
    01:1102 20:0201 10:0100 20:0101 20:0201 10:0101 10:0000 20:0001 01:1020 10:0001 10:1000 21:0202 20:1120 01:0001
    01:0100 10:0001 10:1000 20:20 20:2011 10:0001 10:0210 01:0010 10:0010 10:0000 02:0002 10:1010 10:1010
"""


def infert() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Design (248, 2), whether a case, and the set, of each woman."""
    women = [
        (int(digits[place]), int(digits[place + 1]), float(place == 0), number)
        for number, word in enumerate(SETS.split())
        for digits in [word.replace(":", "")]
        for place in range(0, len(digits), 2)
    ]
    table = np.array(women, dtype=float)
    return table[:, :2], table[:, 2], table[:, 3].astype(np.intp)


def test_infert_agrees_with_clogit_in_r():
    # > clogit(case ~ spontaneous + induced + strata(stratum), data = infert, method = "exact",
    # +        control = coxph.control(eps = 1e-13, iter.max = 50))         R 4.2.2, survival 3.5.3
    design, case, sets = infert()
    assert design.shape == (248, 2)
    fit = fit_conditional_logistic(design, np.ones(248), case, sets)
    assert fit.converged
    assert fit.coefficients == approx((1.98587551668, 1.40901163188), rel=1e-11)
    assert fit.standard_errors == approx((0.352443539808, 0.360712436249), rel=1e-11)
    assert fit.null_log_likelihood == approx(-90.7793548513, rel=1e-11)
    assert fit.log_likelihood == approx(-64.2022369244, rel=1e-11)
    assert fit.likelihood_ratio_chi2 == approx(53.1542358538277, rel=1e-11)
    assert fit.score_chi2 == approx(48.4386450788241, rel=1e-11)
    assert fit.wald_chi2 == approx(31.8371406674433, rel=1e-8)  # R's default tolerance of convergence


def test_one_dummy_variable_per_set_exaggerates_the_same_odds_ratios():
    # > glm(case ~ spontaneous + induced + factor(stratum), binomial, infert): the trap, not a target
    design, case, sets = infert()
    biased = fit_glm(design, case, np.ones(248), Family.BINOMIAL, absorbed=sets)
    assert biased.coefficients == approx((3.230285771128, 2.19030270000948), rel=1e-8)


def test_errors_by_cluster_agree_with_r_where_each_set_has_one_case():
    # With one case per set Efron's likelihood is the exact one, and R gives it robust errors (CR0 from dfbeta).
    # > infert$g <- (infert$stratum - 1) %/% 8
    # > clogit(case ~ spontaneous + induced + strata(stratum), data = infert, method = "efron", cluster = g)
    # spontaneous 0.284035686323, induced 0.287734099433
    design, case, sets = infert()
    fit = fit_conditional_logistic(design, np.ones(248), case, sets)
    group = np.arange(83) // 8
    cr0 = robust_to_clusters(fit, group, SmallSample.CR0)
    assert cr0.standard_errors == approx((0.284035686323, 0.287734099433), rel=1e-10)
    assert cr0.model_covariance == approx(fit.covariance, rel=1e-10)
    cr1 = robust_to_clusters(fit, group, SmallSample.CR1)
    assert cr1.standard_errors == approx(cr0.standard_errors * np.sqrt(11 / 10), rel=1e-12)
    assert list(cr1.degrees_of_freedom) == [10, 10]


def test_cr2_is_bell_and_mccaffreys_correction_of_the_scores():
    # By the formula: V (Σ ŨŨᵀ) V with Ũ = I^½ (1 − I^½ V I^½)^−½ I^−½ U for each cluster, V the inverse of Σ I.
    design, case, sets = infert()
    fit = fit_conditional_logistic(design, np.ones(248), case, sets)
    group = np.arange(83) // 14  # six clusters, each informing both coefficients
    middle = np.zeros((2, 2))
    for g in range(6):
        score, information = fit.scores[group == g].sum(0), fit.informations[group == g].sum(0)
        root = power(information, 0.5)
        corrected = root @ power(np.eye(2) - root @ fit.covariance @ root, -0.5) @ power(information, -0.5) @ score
        middle += np.outer(corrected, corrected)
    found = robust_to_clusters(fit, group, SmallSample.CR2)
    assert found.covariance == approx(fit.covariance @ middle @ fit.covariance, rel=1e-9)
    assert (found.degrees_of_freedom < 5).all()  # fewer than G − 1
    assert (found.degrees_of_freedom > 2).all()


def power(matrix: np.ndarray, exponent: float) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * values**exponent) @ vectors.T


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
# > m <- clogit(event ~ exposed [+ factor(size)] + strata(stratum), data = rows, method = "exact",
# +             control = coxph.control(eps = 1e-13, toler.chol = 1e-14, iter.max = 50)); m$loglik; m$score; m$wald.test


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


R_FITS = [
    # columns used; coefficients; model errors; null and maximal log-likelihood; score and Wald chi-square
    ((), (0.311907325150,), (0.184561321456,), (-333.332636727, -331.894141576), (2.86677033269, 2.85607604373)),
    (("medium", "large"), (0.3266819788051, -0.5120136381208, -0.0145818296046),
     (0.185124647635, 0.247599217819, 0.219876375116), (-333.332636727, -329.075834419),
     (8.34930504459, 8.23257437369)),
]  # fmt: skip


@pytest.mark.parametrize(("sizes", "coefficients", "errors", "log_likelihoods", "tests"), R_FITS)
def test_strata_with_many_events_agree_with_clogit(sizes, coefficients, errors, log_likelihoods, tests):
    table = formula_table()
    design = np.column_stack([table["exposed"], *((table["size"] == size) for size in sizes)]).astype(float)
    strata = table.groupby(["service", "period"]).ngroup().to_numpy(np.intp)
    copies, events = table["n"].to_numpy(float), table["events"].to_numpy(float)
    fit = fit_conditional_logistic(design, copies, events, strata)
    assert fit.coefficients == approx(coefficients, rel=1e-9)
    assert fit.standard_errors == approx(errors, rel=1e-9)
    assert (fit.null_log_likelihood, fit.log_likelihood) == approx(log_likelihoods, rel=1e-11)
    assert (fit.score_chi2, fit.wald_chi2) == approx(tests, rel=1e-9)


def test_the_estimate_says_how_it_was_made_and_on_what_it_rests():
    found = ConditionalLogistic(("size",))(Cells(formula_table()))
    assert log(found.value) == approx(0.3266819788051, rel=1e-9)
    assert (found.id, found.design) == ("regression.odds_ratio.conditional", "within service × period")
    assert found.adjustment == ("size",)
    assert found.method == (
        "conditional logistic regression, exact likelihood given each stratum's events (Gail et al. 1981); "
        "CR2 standard error by service, t with 5.9 Satterthwaite degrees of freedom"
    )
    assert found.caveats == (
        "Incidents followed 24% of deployments: the odds ratio lies further from 1 than the risk ratio.",
    )
    assert {name: found.support[name] for name in ("n", "events", "strata", "clusters")} == {
        "n": 682, "events": 165, "strata": 21, "clusters": 7,
    }  # fmt: skip
    widened = ConditionalLogistic(("size",), at_least_model=True)(Cells(formula_table()))
    assert widened.standard_error == approx(0.185124647635, rel=1e-9)


def test_what_separates_leaves_the_fit_and_r_agrees_in_the_limit():
    # > d$y[d$size == 2] <- 0; d$y[d$service == 3] <- d$n[d$service == 3]     # then clogit as above
    # size 2 ran off to -21.4; exposed 0.612680446694
    table = formula_table()
    table.loc[table["size"] == "large", "events"] = 0
    table.loc[table["service"] == "service 3", "events"] = table["n"]
    found = ConditionalLogistic(("size",))(Cells(table))
    assert log(found.value) == approx(0.612680446694, rel=1e-9)
    assert found.caveats[-1] == (
        "1 level of size left the fit, with incidents after all deployments or none: an effect of its own fits it "
        "exactly, so it says nothing about the ratio."
    )
    assert found.support["strata"] == 18


def test_matched_pairs_square_the_unconditional_odds_ratio_and_its_caveat_says_so():
    # 20 pairs with only the exposed failing, 10 with only the other: conditional 20/10, unconditional (20/10)².
    pairs = [(f"pair {i:02}", arm, 1, int((arm == 1) == (i < 20))) for i in range(30) for arm in (0, 1)]
    frame = pd.DataFrame(pairs, columns=["service", "exposed", "n", "events"]).assign(period="Q1", exposure_hours=1.0)
    assert ConditionalLogistic()(Cells(frame)).value == approx(2, rel=1e-12)
    unconditional = LogisticRegression()(Cells(frame))
    assert unconditional.value == approx(4, rel=1e-9)
    assert unconditional.caveats[0] == (
        "31 coefficients rest on 30 incidents; below 10 for each, estimating them pushes the odds ratio away from 1. "
        "`regression.odds_ratio.conditional` has no such bias."
    )


# ---------------------------------------------------------------------------------------------------------------
# What cannot be estimated says why
# ---------------------------------------------------------------------------------------------------------------


def test_a_large_stratum_is_left_to_the_unconditional_fit():
    frame = pd.DataFrame(
        {
            "service": np.repeat(["a", "b", "c", "d"], 2),
            "period": "Q1",
            "exposed": [0, 1] * 4,
            "n": 40_000,
            "events": [15_000, 15_100, 15_000, 15_300, 15_000, 15_200, 15_000, 15_500],
        }
    )
    found = ConditionalLogistic()(Cells(frame))
    assert found.caveats == (
        "The largest service × period holds 30500 incidents in 80000 deployments: too many for the exact conditional "
        "likelihood, and enough for the unconditional one (`regression.odds_ratio`) or for `total.risk_ratio`.",
    )
    assert LogisticRegression()(Cells(frame)).estimable


def test_strata_that_cross_clusters_are_refused_with_a_way_out():
    found = ConditionalLogistic()(Cells(formula_table(), strata=("period",)))
    assert found.caveats == (
        "Each stratum must lie in one service, because strata that share services depend on one another: make service "
        "part of the strata, or fit strata as effects (`regression.odds_ratio`).",
    )


@pytest.mark.parametrize("every", [0, 1], ids=["no incident", "nothing but incidents"])
def test_one_outcome_is_nothing_to_compare(every):
    table = formula_table().assign(events=lambda t: t["n"] * every)
    found = ConditionalLogistic()(Cells(table))
    assert not found.estimable
    assert (found.interval.low, found.interval.high) == (0, np.inf)
    assert found.support["n"] == 682


@pytest.mark.parametrize("arm", [0, 1])
def test_one_arm_is_nothing_to_compare(arm):
    found = ConditionalLogistic()(Cells(formula_table().assign(exposed=arm)))
    assert found.caveats == (
        "No service × period holds exposed deployments, unexposed ones, an incident and a deployment without one.",
    )


def test_an_empty_frame_is_nothing_to_compare():
    assert ConditionalLogistic()(Cells(formula_table().iloc[:0])).caveats == ("No deployment is left to compare.",)


def test_an_arm_without_incidents_points_to_firth():
    table = formula_table()
    table.loc[table["exposed"] == 0, "events"] = 0
    found = ConditionalLogistic(("size",))(Cells(table))
    assert found.caveats == (
        "No unexposed deployment was followed by an incident where it can be compared with others of its service × "
        "period: the odds ratio would be infinite, without an interval. Firth's penalised likelihood "
        "(`regression.odds_ratio.firth`) still gives an estimate.",
    )


def test_one_cluster_is_refused():
    table = formula_table()
    found = ConditionalLogistic()(Cells(table[table["service"] == "service 1"]))
    assert found.caveats == (
        "All exposed deployments that can be compared lie in one service, which cannot show how far services differ "
        "from one another.",
    )


def test_a_fit_that_does_not_settle_is_no_estimate(monkeypatch):
    hasty = lambda *problem: fit_conditional_logistic(*problem, most_steps=1)  # noqa: E731
    monkeypatch.setattr(conditional_logistic, "fit_conditional_logistic", hasty)
    found = ConditionalLogistic()(Cells(formula_table()))
    assert found.caveats == ("The fit did not settle: the log-likelihood is too flat to have a maximum.",)


def test_settings_that_cannot_be_meant_are_refused():
    with pytest.raises(ValueError, match=r"^level is 0; a confidence level lies between 0 and 1, such as 0\.95\.$"):
        ConditionalLogistic()(Cells(formula_table()), level=0)
    with pytest.raises(
        ValueError, match=r"^Cannot adjust for sise: the cells can be adjusted for service, period, size\.$"
    ):
        ConditionalLogistic(("sise",))(Cells(formula_table()))
