"""Firth's penalised likelihood, against firthmodels, brglm and R's optimiser, and where nothing else has an answer."""

from itertools import product
from math import inf, log

import numpy as np
import pandas as pd
import pytest
from pytest import approx

from counterfault.cells import Cells
from counterfault.estimators.odds import firth
from counterfault.estimators.odds.firth import FirthLogistic, fit_firth

# A table R and Python can make from one formula: 7 services, 3 periods, 3 sizes, 100 cells, 682 deployments.
# > d <- expand.grid(service = 1:7, period = 1:3, exposed = 0:1, size = 0:2)
# > d <- d[(d$service + d$period + 2*d$exposed + d$size) %% 5 != 0, ]
# > d$n <- 2 + (5*d$service + 3*d$period + 7*d$exposed + 4*d$size + d$service*d$exposed) %% 11
# > d$y <- pmin(d$n, (3*d$service + 5*d$period + 2*d$exposed*d$service + 7*d$size + d$service*d$period) %% 4)
# > d$y[d$exposed == 0] <- 0                                                           # "separated"


def formula_table(separated: bool = False) -> pd.DataFrame:
    cells = [
        (
            f"service {s}",
            f"period {p}",
            e,
            ("small", "medium", "large")[z],
            n := 2 + (5 * s + 3 * p + 7 * e + 4 * z + s * e) % 11,
            0 if separated and not e else min(n, (3 * s + 5 * p + 2 * e * s + 7 * z + s * p) % 4),
            24.0 * n,
        )
        for s, p, e, z in product(range(1, 8), range(1, 4), (0, 1), range(3))
        if (s + p + 2 * e + z) % 5
    ]
    return pd.DataFrame(cells, columns=["service", "period", "exposed", "size", "n", "events", "exposure_hours"])


# >>> model = firthmodels.FirthLogisticRegression(gtol=1e-10, xtol=1e-10, max_iter=1000).fit(columns, event)
# >>> model.coef_, model.lrt(), model.lrt_pvalues_, model.conf_int(method="pl")      # firthmodels 0.8.2, on 682 rows
# R 4.2.2 gives the same to its printed seven figures by optim(method = "BFGS") on the penalised log-likelihood, with
# > pen <- function(b) { eta <- X %*% b; p <- plogis(eta); sum(y * plogis(eta, log.p = TRUE) + (n - y) *
# +   plogis(-eta, log.p = TRUE)) + determinant(crossprod(X, n*p*(1-p) * X))$modulus / 2 }
# and uniroot over the profile: lower -0.0366925289404, upper 0.6728675073034, p 0.0791516122875 for the second row.
WITNESSED = [
    # separated, adjusted for, beta, lower, upper, p
    (False, (), 0.307374546326, -0.04390332, 0.66229117, 8.64601827e-02),
    (False, ("size",), 0.316216592080, -0.03669253, 0.67286751, 0.0791516122875),
    (True, (), 5.494954088041, 3.56047199, 10.33275905, 4.07706050e-31),
    (True, ("size",), 5.529225233352, 3.59329119, 10.3673037, 1.54477078e-31),
]


@pytest.mark.parametrize(("separated", "adjust_for", "beta", "low", "high", "p"), WITNESSED)
def test_estimate_profile_limits_and_p_agree_with_firthmodels(separated, adjust_for, beta, low, high, p):
    found = FirthLogistic(adjust_for)(Cells(formula_table(separated)))
    assert log(found.value) == approx(beta, rel=1e-10)
    assert (log(found.interval.low), log(found.interval.high)) == approx((low, high), abs=2e-8)
    assert found.p_value == approx(p, rel=1e-8)


@pytest.mark.parametrize(
    ("separated", "adjust_for", "beta", "error"),
    [
        # > brglm(cbind(y, n - y) ~ exposed + factor(size) [+ factor(service)], data = d,
        # +   control.brglm = brglm.control(br.epsilon = 1e-13, br.maxit = 1000),
        # +   control.glm = glm.control1(epsilon = 1e-14, maxit = 500))                    R 4.2.2, brglm 0.7.2
        (False, ("size",), 0.3162165920711, 0.181116955922),
        (False, ("size", "service"), 0.311701955891, 0.181755200243),
        (True, ("size",), 5.529225233372, 1.413341295411),
        (True, ("size", "service"), 5.53098096768, 1.38231497419),
    ],
)
def test_estimate_and_error_agree_with_brglm(separated, adjust_for, beta, error):
    found = FirthLogistic(adjust_for)(Cells(formula_table(separated)))
    assert log(found.value) == approx(beta, rel=2e-9)
    assert found.standard_error == approx(error, rel=2e-8)


def test_limits_are_where_the_penalised_likelihood_has_fallen_by_half_a_chi_square():
    # In one table the other coefficient is one number, so its best value can be searched for by hand.
    table = formula_table(separated=True)
    found = FirthLogistic()(Cells(table), level=0.9)
    counts = table.groupby("exposed")[["n", "events"]].sum()

    def penalised(intercept: np.ndarray, log_ratio: float) -> np.ndarray:
        total = 0.0
        weights = []
        for arm in (0, 1):
            n, y = counts.loc[arm, "n"], counts.loc[arm, "events"]
            risk = 1 / (1 + np.exp(-intercept - arm * log_ratio))
            total = total + y * np.log(risk) + (n - y) * np.log1p(-risk)
            weights.append(n * risk * (1 - risk))
        return total + np.log(weights[0] * weights[1]) / 2  # the determinant of the information

    grid = np.linspace(-20, 5, 2_000_001)
    top = penalised(grid, log(found.value)).max()
    for limit in (found.interval.low, found.interval.high):
        fall = top - penalised(grid, log(limit)).max()
        assert 2 * fall == approx(2.705543454, rel=1e-7)  # χ², 90 %, 1 degree of freedom


def test_the_estimate_says_how_it_was_made_and_on_what_it_rests():
    found = FirthLogistic(("size",))(Cells(formula_table(separated=True)))
    assert (found.id, found.design) == ("regression.odds_ratio.firth", "across all deployments")
    assert found.adjustment == ("size",)
    assert found.method == (
        "logistic regression by Firth's penalised likelihood (Firth 1993; Heinze & Schemper 2002); profile "
        "penalised-likelihood limits and likelihood-ratio p, chi-square with 1 degree of freedom"
    )
    assert found.caveats == (
        "The penalty pulls the odds ratio towards 1 and lifts fitted risks towards a half; do not compute risks from "
        "it. Deployments are taken to be independent of one another.",
        "No unexposed deployment was followed by an incident: the estimate is finite by the penalty alone.",
    )
    assert found.support["coefficients"] == 4
    assert found.support["unexposed_events"] == 0


def test_every_deployment_of_an_arm_failing_is_told_too():
    table = formula_table()
    table.loc[table["exposed"] == 1, "events"] = table["n"]
    found = FirthLogistic()(Cells(table))
    assert found.value > 1
    assert found.interval.high < inf
    assert found.caveats[1] == (
        "Every exposed deployment was followed by an incident: the estimate is finite by the penalty alone."
    )


def refused(table: pd.DataFrame, *adjust_for: str) -> str:
    """The reason given, once it is certain that nothing else is."""
    found = FirthLogistic(adjust_for)(Cells(table), level=0.9)
    assert not found.estimable
    assert (found.interval.low, found.interval.high, found.p_value) == (0, inf, None)
    assert found.support["n"] == table["n"].sum()
    (reason,) = found.caveats
    return reason


def test_what_cannot_be_estimated_says_why():
    table = formula_table()
    assert refused(table.iloc[:0]) == "No deployment is left to compare."
    assert refused(table.assign(events=0)) == "None of the 682 deployments was followed by an incident."
    assert refused(table.assign(events=table["n"])) == (
        "All 682 deployments were followed by an incident, so there are no odds to compare."
    )
    assert refused(table.assign(exposed=1)) == "All deployments are exposed: there is nothing to compare."
    assert refused(table.assign(exposed=0)) == "All deployments are unexposed: there is nothing to compare."
    label = np.where(table["exposed"] == 1, "bot", "person")
    assert refused(table.assign(author=label), "size", "author") == (
        "Exposure cannot be told apart from size, author: no two deployments differ in exposure alone."
    )


def test_more_columns_than_rare_incidents_can_bear_are_refused():
    table = formula_table().assign(team=lambda t: [f"team {row % 30}" for row in range(len(t))])
    assert refused(table, "size", "team") == (
        "size, team have 33 levels together; the penalised fit takes 25 coefficients, as the penalty would decide the "
        "rest. Adjust for fewer or coarser columns."
    )


def test_a_fit_that_does_not_settle_is_no_estimate(monkeypatch):
    monkeypatch.setattr(firth, "fit_firth", lambda *problem, **held: fit_firth(*problem, **held, most_steps=1))
    assert refused(formula_table()) == (
        "The penalised fit did not settle: its likelihood is too flat to have a maximum."
    )


def test_settings_that_cannot_be_meant_are_refused():
    with pytest.raises(ValueError, match=r"^level is 1; a confidence level lies between 0 and 1, such as 0\.95\.$"):
        FirthLogistic()(Cells(formula_table()), level=1)
    with pytest.raises(
        ValueError, match=r"^Cannot adjust for sise: the cells can be adjusted for service, period, size\.$"
    ):
        FirthLogistic(("sise",))(Cells(formula_table()))
