"""Severity, blast radius, failure modes and spill-over against R, and what they answer where nothing can be said."""

from dataclasses import replace
from math import exp, inf, isnan, log

import numpy as np
import pandas as pd
import pytest
from pytest import approx

from counterfault.cells import Cells
from counterfault.estimate import Estimate
from counterfault.estimators.consequences.blast_radius import SERVICES, USERS, blast_radius, mean_ratio, median_ratio
from counterfault.estimators.consequences.families import failure_modes, rare_risk_ratio, spill_over
from counterfault.estimators.consequences.proportional_odds import ProportionalOdds, clustered_covariance
from counterfault.estimators.consequences.severity import severe_risk_ratio, severity_odds_ratio
from counterfault.estimators.consequences.severity_given_failure import SeverityGivenFailure
from counterfault.estimators.tables.exact_poisson import exact_risk_ratio
from counterfault.panels import Consequences

COLUMNS = ["service", "quarter", "exposed", "failed", "severity", SERVICES, USERS, "n"]


def draw(picture: str, strata: tuple[str, ...] = ("service", "quarter")) -> Consequences:
    """A panel from "service | quarter | exposed | deployments without failure | severity/services/users of others"."""
    rows: list[tuple[object, ...]] = []
    for line in filter(None, map(str.strip, picture.splitlines())):
        service, quarter, exposed, fine, failures = (part.strip() for part in line.split("|"))
        rows.append((service, quarter, int(exposed), 0, None, None, None, int(fine)))
        for failure in failures.split():
            said = [None if part == "?" else int(part) for part in failure.split("/")]
            rows.append((service, quarter, int(exposed), 1, *said, 1))
    frame = pd.DataFrame(rows, columns=COLUMNS).astype({"severity": "Int64", SERVICES: "Int64", USERS: "Int64"})
    return Consequences(frame[frame["n"] > 0], strata, "service")


SEVEN = """
    ads     | Q1 | 1 | 47 | 1/3/4913 5/2/771 4/1/513
    ads     | Q1 | 0 | 56 | 4/3/544 2/3/1151 3/3/4248
    ads     | Q2 | 1 | 44 | 5/1/444
    ads     | Q2 | 0 | 44 | 2/3/3328 3/4/2270
    billing | Q1 | 1 | 14 | 4/1/1121
    billing | Q1 | 0 | 84 | 4/1/1370 2/2/4635 3/1/1409 2/3/1542 2/1/1255
    billing | Q2 | 1 | 28 | 3/2/2252 2/5/677 1/3/39310
    billing | Q2 | 0 | 45 | 4/3/616 2/2/1018
    cart    | Q1 | 1 | 36 | 1/4/1422 3/1/8232 4/1/176 1/3/9432 3/2/1713 3/1/2507 3/2/332 3/4/4504 4/1/373
    cart    | Q1 | 0 | 79 | 5/3/1337 4/1/698 3/2/743 4/1/1598
    cart    | Q2 | 1 | 22 | 2/4/3672 2/2/6604 3/1/627 4/4/959 4/1/1106 5/3/485
    cart    | Q2 | 0 | 46 | 4/1/1003 5/3/1086 2/3/566 3/3/4695 3/3/2034
    docs    | Q1 | 1 | 29 | 1/5/36463
    docs    | Q1 | 0 | 36 | 2/3/2841 5/2/422 4/2/2422 3/2/1086
    docs    | Q2 | 1 | 22 | 4/2/1880 3/4/1619 3/3/3484 1/9/16526
    docs    | Q2 | 0 | 39 | 2/3/4298 4/3/404 2/4/5665 3/1/1600
    email   | Q1 | 1 | 45 | 5/4/1678 3/2/1869 2/1/310 4/2/848 2/1/477
    email   | Q1 | 0 | 60 | 5/1/841 1/2/1342 2/1/7696 4/2/493
    email   | Q2 | 1 | 28 |
    email   | Q2 | 0 | 61 | 3/2/1747 4/3/1127 3/1/841
    feed    | Q1 | 1 | 21 | 5/1/843 2/3/3148 4/1/426 1/5/19093 2/1/126 1/5/745
    feed    | Q1 | 0 | 79 | 3/1/882 1/4/9499 5/1/592 4/3/7429 4/4/1691 5/2/468 3/2/2194
    feed    | Q2 | 1 | 35 | 4/2/1511 3/2/2434 3/3/3680 4/1/3216 3/2/1267 3/3/393 3/3/489 2/3/22598 3/2/863 4/3/613 \
4/1/530 4/3/3706
    feed    | Q2 | 0 | 59 | 5/2/590 3/2/1845 1/8/686 3/1/482 3/2/3605 5/1/563 1/8/3211 4/1/2144 1/9/6493 4/3/1850 \
4/4/4237 2/4/857 4/3/328
    gate    | Q1 | 1 | 30 | 2/1/686 3/3/1690 2/1/605 5/1/844 5/1/154
    gate    | Q1 | 0 | 84 | 5/1/352 4/6/2577 5/1/326
    gate    | Q2 | 1 | 16 |
    gate    | Q2 | 0 | 59 | 3/6/968
"""
WITHIN, TOGETHER = draw(SEVEN), draw(SEVEN, ())


def limits(estimate: Estimate) -> tuple[float, float]:
    return estimate.interval.low, estimate.interval.high


# ---------------------------------------------------------------------------------------------------------------
# Ordinal
# ---------------------------------------------------------------------------------------------------------------

# Randall (1989), R's ordinal::wine: how many of 72 glasses were given bitterness 1 to 5, by temperature and contact.
WINE = {
    ("cold", "no"): (4, 9, 5, 0, 0),
    ("cold", "yes"): (1, 7, 8, 2, 0),
    ("warm", "no"): (0, 5, 8, 3, 2),
    ("warm", "yes"): (0, 1, 5, 7, 5),
}
WINE_DESIGN = np.array([[temp == "warm", contact == "yes"] for temp, contact in WINE], dtype=float)
WINE_COUNTS = np.array(list(WINE.values()), dtype=float)


def test_wine_agrees_with_clm():
    # > m <- clm(rating ~ temp + contact, data = wine, control = clm.control(gradTol = 1e-12)); logLik(m); vcov(m)
    # R 4.2.2, ordinal 2022.11-16
    fit = ProportionalOdds(WINE_COUNTS, WINE_DESIGN).fit()
    assert fit.coefficients == approx(
        [-1.34438341127, 1.25080879842, 3.46688692647, 5.00640420427, 2.50310200790, 1.52779765810], rel=1e-10
    )
    assert np.sqrt(np.diag(fit.covariance)) == approx(
        [0.517102045324, 0.437880202962, 0.597760424609, 0.730906343667, 0.528680100825, 0.476622629648], rel=1e-8
    )
    assert fit.log_likelihood == approx(-86.4919233656491, rel=1e-13)


@pytest.mark.parametrize("column, statistic", [(0, 3.17497709974728), (1, 0.566740268381835)])
def test_wine_test_of_proportional_odds_agrees_with_nominal_test(column, statistic):
    # > nominal_test(clm(rating ~ temp + contact, data = wine))
    # R 4.2.2, ordinal 2022.11-16; about six digits
    common = ProportionalOdds(WINE_COUNTS, WINE_DESIGN).fit()
    free = ProportionalOdds(WINE_COUNTS, WINE_DESIGN, nominal=column).fit()
    assert 2 * (free.log_likelihood - common.log_likelihood) == approx(statistic, rel=1e-7)


# Liu & Agresti's estimator and the variances typed into R 4.2.2 row by row, with loops over strata and pairs:
# > R <- sum over strata of sum(outer(e, u, function(x, y) pmax(x - y, 0))) / N; S the same with y - x; theta <- R/S
# > h <- outer(e, u, function(x, y) pmax(x-y, 0) - theta*pmax(y-x, 0))
# > V <- sum of (sum(rowSums(h)^2) + sum(colSums(h)^2) - sum(h^2)) / N^2; sqrt(V)/R
# The second error is sqrt(G/(G-1) * sum(D^2)), D the numerical derivative of log(theta) in a service's weight.
def test_the_common_odds_ratio_agrees_with_its_formula_in_r():
    found = severity_odds_ratio(WITHIN)
    assert found.value == approx(1.95886004434, rel=1e-11)
    assert found.standard_error == approx(0.23575617813, rel=1e-8)  # between services; the larger one
    reach = 2.44691185114497 * 0.23575617813  # qt(.975, 6)
    assert limits(found) == approx((1.95886004434 * exp(-reach), 1.95886004434 * exp(reach)), rel=1e-7)
    whole = replace(WITHIN, frame=WITHIN.frame.assign(site="all"), cluster="site")
    alone = severity_odds_ratio(whole)
    assert alone.standard_error == approx(0.215773570068, rel=1e-11)  # independent deployments
    assert alone.caveats[0] == "All deployments compared lie in one site, so nothing is known about how sites differ."


def test_each_cut_is_the_mantel_haenszel_odds_ratio_of_r():
    # > mantelhaen.test(table(exposed, y >= j, stratum), correct = FALSE)$estimate, j = 1 … 5  # R 4.2.2
    found = severity_odds_ratio(WITHIN)
    assert [part.value for part in found.parts] == approx(
        [1.84563057994, 1.92549253085, 2.03821786821, 1.98329981169, 2.7862195103], rel=1e-10
    )
    assert [part.label for part in found.parts] == [
        "severity 5 or worse",
        "severity 4 or worse",
        "severity 3 or worse",
        "severity 2 or worse",
        "severity 1",
    ]


def test_severity_among_failures_agrees_with_clm():
    # > m <- clm(o ~ exposed + quarter, control = clm.control(gradTol = 1e-10))      # R 4.2.2, ordinal 2022.11-16
    # > 2 * (logLik(clm(o ~ quarter, nominal = ~ exposed)) - logLik(m))
    found = SeverityGivenFailure()(WITHIN)
    assert log(found.value) == approx(0.301968360189, rel=1e-9)
    assert found.standard_error == approx(0.331866243901, rel=1e-7)  # of independent deployments; the larger one
    assert found.adjustment == ("quarter",)
    assert found.caveats[0] == (
        "Same odds ratio at every cut (likelihood ratio): chi-square 0.78 on 3 degrees of freedom, p 0.85."
    )
    assert found.caveats[1].startswith("Compares failed deployments only, and failing is itself a consequence")


def test_clustered_errors_of_severity_agree_with_sandwich():
    # > vcovCL(m, cluster = service, type = "HC0", cadjust = TRUE), m as above            # R 4.2.2, sandwich 3.0-2
    failed = WITHIN.frame[WITHIN.frame["failed"] == 1]
    design = np.column_stack([failed["exposed"], failed["quarter"] == "Q2"]).astype(float)
    counts = np.array(
        [[severity == worst for worst in (5, 4, 3, 2, 1)] for severity in failed["severity"]], dtype=float
    )
    model = ProportionalOdds(counts, design)
    found = clustered_covariance(model, model.fit(), pd.factorize(failed["service"])[0])
    assert np.sqrt(np.diag(found)) == approx(
        [0.346298932835, 0.204681417710, 0.279831402093, 0.326972445820, 0.225245004380, 0.202418298689], rel=1e-6
    )


# ---------------------------------------------------------------------------------------------------------------
# Severe incidents of all deployments
# ---------------------------------------------------------------------------------------------------------------


def test_the_risk_of_severe_incidents_agrees_with_glm_at_every_threshold():
    # > glm(events ~ exposed + stratum + offset(log(n)), poisson, list(epsilon = 1e-14, maxit = 100))     # R 4.2.2
    found = severe_risk_ratio(WITHIN)
    assert [log(part.value) for part in found.parts] == approx(
        [1.06526883646, 0.70208290176, 0.682410306783, 0.599254600455, 0.550464153751], rel=1e-8
    )
    assert found.value == found.parts[1].value
    assert (found.label, found.parts[1].label) == ("all", "severity 2 or worse")
    assert severe_risk_ratio(WITHIN, severe=1).value == found.parts[0].value


def test_failures_nobody_graded_are_counted_and_not_taken_for_severe():
    unknown = draw(SEVEN.replace("| 47 | 1/3/4913", "| 47 | ?/3/4913"))
    assert severe_risk_ratio(unknown).caveats[-1] == "1 of 116 failures have no severity and count as not severe."
    assert severity_odds_ratio(unknown).caveats[-1] == "1 of 116 failures have no severity and are left out."
    assert severity_odds_ratio(unknown).support["n"] == WITHIN.frame["n"].sum() - 1
    assert SeverityGivenFailure()(unknown).caveats[-1] == "1 of 116 failures have no severity and are left out."


# ---------------------------------------------------------------------------------------------------------------
# Blast radius
# ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "column, of_means, of_risks, given",
    [
        (SERVICES, (0.42685031907, 0.202853958518), (0.550464153751, 0.182337057495), (-0.12361383468, 0.163255603888)),
        (USERS, (1.19910753565, 0.240934651004), (0.550464153751, 0.182337057495), (0.6486433819, 0.245793445313)),
    ],
)
def test_mean_ratios_agree_with_glm_and_the_jackknife_typed_in_r(column, of_means, of_risks, given):
    # > g <- glm(y ~ exposed + stratum + offset(log(n)), quasipoisson, control = list(epsilon = 1e-15, maxit = 200))
    # > X <- model.matrix(g); mu <- fitted(g); H <- t(X) %*% (X * mu); per service k, with its rows i:
    # > step <- -MASS::ginv(H - t(X[i,]) %*% (X[i,] * mu[i])) %*% t(X[i,]) %*% (y - mu)[i]; sqrt((G-1)/G * sum(step^2))
    # R 4.2.2; the third from the differences of the first two's steps
    found = mean_ratio(WITHIN, column)
    any_failure, given_failure, _ = found.parts
    for estimate, (value, error) in zip((found, any_failure, given_failure), (of_means, of_risks, given), strict=True):
        assert (log(estimate.value), estimate.standard_error) == approx((value, error), rel=1e-7)
    reach = 2.44691185114497 * of_means[1]  # qt(.975, 6)
    assert limits(found) == approx((exp(of_means[0] - reach), exp(of_means[0] + reach)), rel=1e-7)


def test_without_strata_the_two_parts_are_those_of_pscls_hurdle_and_their_product_that_of_glm_nb():
    # Two arms and no covariates, so any model of the mean that fits them freely has the same ratios:
    # > h <- hurdle(services ~ exposed, dist = "poisson", zero.dist = "binomial")         # R 4.2.2, pscl 1.5.5
    # > predict(h, type = "response") and 1 - predict(h, type = "prob")[, 1]: ratios 1.60116279475,
    # 1.75813953495 and 0.910714287985
    # > exp(coef(glm.nb(services ~ exposed))[2])                                          # MASS 7.3-58.2: 1.6011627907
    found = mean_ratio(TOGETHER, SERVICES)
    assert found.value == approx(1.6011627907, rel=1e-10)
    assert [part.value for part in found.parts[:2]] == approx([1.75813953495, 0.910714287985], rel=1e-8)


def test_a_giant_is_named_and_the_ratio_without_it_given():
    giant = draw(SEVEN.replace("1/3/39310", "1/3/900000"))
    found = mean_ratio(giant, USERS)
    assert found.caveats == (
        "One deployment carries 83% of all users affected after exposed deployments: read the ratio without it.",
    )
    without = draw(SEVEN.replace(" 1/3/39310", ""))
    assert found.parts[2].value == approx(mean_ratio(without, USERS).value, rel=1e-12)
    assert found.parts[2].id == "blast_radius.users.mean_ratio.without_largest"


def test_the_typical_ratio_without_strata_is_that_of_wilcox_test():
    # > exp(median(outer(log(x), log(y), "-")))  # R 4.2.2
    # > wilcox.test(log(x), log(y), conf.int = TRUE, exact = FALSE, correct = FALSE)$conf.int    0.6321866 1.4305883
    # uniroot() stops within 1e-4 of a jump of the rank sum
    whole = replace(TOGETHER, frame=TOGETHER.frame.assign(site="all"), cluster="site")
    found = median_ratio(whole, USERS)
    assert found.value == approx(0.94573518706107, rel=1e-11)
    assert limits(found) == approx((0.632186552527, 1.430588257211), rel=1e-4)


def test_the_typical_ratio_within_strata_agrees_with_van_elterens_test_typed_in_r():
    # Differences within strata with weights 1/(N+1), sorted; variance of Σ w sign: Σ n1 n0 / (3 (N + 1)), which is
    # 7.89417989418; limits where the sum passes ±qnorm(.975) errors.  # R 4.2.2
    found = median_ratio(WITHIN, USERS)
    assert found.value == approx(1.00832342449, rel=1e-11)
    assert limits(found) == approx((0.665029469548, 1.71875), rel=1e-11)
    assert "independent deployments" in found.method


def test_blast_radius_gives_what_the_columns_allow():
    ids = [each.id for each in blast_radius(WITHIN)]
    assert ids == [
        "blast_radius.services.mean_ratio",
        "blast_radius.users.mean_ratio",
        "blast_radius.users.median_ratio",
    ]
    only = replace(WITHIN, frame=WITHIN.frame.drop(columns=USERS))
    assert [each.id for each in blast_radius(only)] == ids[:1]


def test_failures_of_unknown_reach_are_left_out_and_counted():
    unknown = draw(SEVEN.replace("1/3/39310", "1/?/?"))
    for found in blast_radius(unknown):
        assert found.caveats[-1].startswith("1 of 116 failures do not say how many")
    without = draw(SEVEN.replace(" 1/3/39310", ""))
    assert mean_ratio(unknown, USERS).value == mean_ratio(without, USERS).value


# ---------------------------------------------------------------------------------------------------------------
# Rare outcomes and families
# ---------------------------------------------------------------------------------------------------------------


def counts(picture: str) -> Cells:
    rows = []
    for line in filter(None, map(str.strip, picture.splitlines())):
        service, *groups = (part.strip() for part in line.split("|"))
        for exposed, group in zip((1, 0), groups, strict=True):
            events, n = map(int, group.split("/"))
            rows.append({"service": service, "exposed": exposed, "n": n, "events": events})
    return Cells(pd.DataFrame(rows), strata=("service",))


def test_one_exact_stratum_is_that_of_poisson_test():
    # > poisson.test(c(7, 4), c(30, 70))  # R 4.2.2
    found = exact_risk_ratio(counts("a | 7/30 | 4/70"))
    assert (found.value, *limits(found)) == approx((4.08333333333, 1.03807141966, 19.02178098282), rel=1e-9)
    assert found.p_value == approx(0.0216191511, rel=1e-8)


def test_exact_strata_agree_with_convolved_binomials_in_r():
    # dbinom(0:m, m, n1*phi/(n1*phi + n0)) convolved by a double loop; uniroot(tol = 1e-14)  # R 4.2.2
    found = exact_risk_ratio(counts("a | 3/10 | 0/30\nb | 0/20 | 2/40\nc | 2/15 | 1/25"))
    assert (found.value, *limits(found)) == approx((3.65353567308, 0.70052732580102, 23.83582621886421), rel=1e-10)
    assert found.p_value == approx(0.11703152126736, rel=1e-12)


MODES = {
    "silent": counts("a | 1/100 | 1/200\nb | 2/100 | 0/200\nc | 0/90 | 1/150"),
    "latency": counts("a | 9/100 | 7/200\nb | 8/100 | 5/200\nc | 6/90 | 8/150\nd | 4/80 | 5/170"),
    "race": counts("a | 0/100 | 0/200\nb | 0/100 | 0/200"),
    "cascade": counts("a | 2/100 | 0/200\nb | 2/100 | 0/200\nc | 1/90 | 0/150"),
}


def test_failure_modes_are_one_family_sorted_by_name():
    found = failure_modes(MODES)
    assert [each.id for each in found] == [
        "failure_mode.cascade.risk_ratio",
        "failure_mode.latency.risk_ratio",
        "failure_mode.race.risk_ratio",
        "failure_mode.silent.risk_ratio",
    ]
    cascade, latency, race, silent = found
    assert latency.value == rare_risk_ratio(MODES["latency"]).value
    assert latency.method.startswith("modified Poisson")
    assert silent.method.startswith("conditional Poisson maximum likelihood within strata, exact limits")
    assert silent.caveats[0] == (
        "Exact limits, because 3 exposed and 2 unexposed events are too few for a cluster-robust error; they take "
        "deployments as independent."
    )
    assert (isnan(cascade.value), cascade.interval.low > 1, cascade.interval.high) == (True, True, inf)
    assert race.caveats == ("no stratum that holds both groups has an event, so the ratio would be 0/0",)
    # Holm by hand: the smallest of three times three, the next times two, never falling
    ordered = sorted((each.p_value, each) for each in (cascade, latency, silent))
    highest = 0.0
    for factor, (p, each) in zip((3, 2, 1), ordered, strict=True):
        highest = max(highest, min(1.0, factor * p))
        assert each.caveats[-1] == f"p adjusted for 3 contrasts (Holm 1979): {highest:.2g}"


def test_spill_over_goes_by_hops_nearest_first():
    found = spill_over({2: MODES["silent"], 1: MODES["latency"]})
    assert [(each.id, each.label) for each in found] == [
        ("spill_over.hop_1.risk_ratio", "1 hop"),
        ("spill_over.hop_2.risk_ratio", "2 hops"),
    ]
    assert found[1].outcome == "an incident on a service 2 hops downstream"


def test_a_regression_without_an_answer_gives_way_to_exact_limits():
    found = rare_risk_ratio(counts("a | 9/100 | 7/200"))
    assert found.method.startswith("conditional Poisson")
    assert found.caveats[0].startswith("Exact limits, because the regression has no answer (")


@pytest.mark.parametrize(
    "question, told",
    [
        (lambda: failure_modes({}), "cells_by_mode is empty; give cells for at least one failure mode."),
        (
            lambda: spill_over({0: MODES["race"]}),
            "cells_by_hop has the hops [0]; give at least one, counted from 1.",
        ),
        (lambda: spill_over({}), "cells_by_hop has the hops []; give at least one, counted from 1."),
        (lambda: severe_risk_ratio(WITHIN, severe=6), "severe is 6; a severity lies between 1 (worst) and 5."),
        (
            lambda: SeverityGivenFailure(("team",))(WITHIN),
            "Cannot adjust for team: the consequences can be adjusted for service, quarter.",
        ),
        (lambda: mean_ratio(WITHIN, "n"), "column is 'n'; it is 'services_affected' or 'users_affected'."),
        (
            lambda: mean_ratio(replace(WITHIN, frame=WITHIN.frame.assign(users_affected=-3)), USERS),
            "'users_affected' holds -3; nobody can be affected less than not at all.",
        ),
        (
            lambda: severity_odds_ratio(replace(WITHIN, frame=WITHIN.frame.drop(columns="severity"))),
            "The consequences have no column 'severity': the incidents table does not fill it, so leave this analysis "
            "out.",
        ),
        (
            lambda: blast_radius(replace(WITHIN, frame=WITHIN.frame.drop(columns=[SERVICES, USERS]))),
            "The consequences have no column 'services_affected': the incidents table does not fill it, so leave this "
            "analysis out.",
        ),
        (
            lambda: severity_odds_ratio(replace(WITHIN, frame=WITHIN.frame.assign(quarter=None))),
            "The consequences have empty values in quarter; a value nobody knows is a level of its own, called "
            "'missing'.",
        ),
    ],
)
def test_wrong_questions_are_refused_with_a_way_out(question, told):
    with pytest.raises(ValueError) as refusal:
        question()
    assert str(refusal.value) == told


EVERY_QUESTION = [
    severe_risk_ratio,
    severity_odds_ratio,
    SeverityGivenFailure(),
    lambda panel, level=0.95: mean_ratio(panel, USERS, level),
    lambda panel, level=0.95: median_ratio(panel, USERS, level),
]


@pytest.mark.parametrize("question", EVERY_QUESTION)
def test_a_level_outside_zero_to_one_is_refused(question):
    with pytest.raises(ValueError, match=r"^level (is )?95( is not|;) a confidence level"):
        question(WITHIN, 95)


EDGES = {
    "empty": "",
    "no failures": "a | Q1 | 1 | 20 |\na | Q1 | 0 | 30 |\nb | Q1 | 1 | 20 |\nb | Q1 | 0 | 30 |",
    "all exposed": "a | Q1 | 1 | 20 | 2/1/50\nb | Q1 | 1 | 20 | 3/2/60",
    "none exposed": "a | Q1 | 0 | 20 | 2/1/50\nb | Q1 | 0 | 20 | 3/2/60",
    "apart": "a | Q1 | 1 | 20 | 2/1/50\nb | Q1 | 0 | 20 | 3/2/60",
}


WITHIN_STRATA = [question for question in EVERY_QUESTION if not isinstance(question, SeverityGivenFailure)]


@pytest.mark.parametrize(
    "question, picture",
    [
        *((question, picture) for question in EVERY_QUESTION for picture in list(EDGES.values())[:-1]),
        *((question, EDGES["apart"]) for question in WITHIN_STRATA),
    ],
)
def test_what_cannot_be_answered_is_an_answer_with_its_reason(question, picture):
    found = question(draw(picture))
    assert not found.estimable
    assert len(found.caveats[0]) > 20
    assert limits(found) == (0, inf)
    assert found.p_value is None


def test_failures_of_one_arm_leave_the_odds_ratio_without_a_value():
    ending = "a | Q1 | 1 | 20 |\na | Q1 | 0 | 30 | 2/1/9\nb | Q1 | 1 | 20 |\nb | Q1 | 0 | 30 | 3/1/9"
    assert severity_odds_ratio(draw(ending)).caveats == (
        "No exposed deployment ended worse than an unexposed one of its stratum: the ratio would be zero.",
    )
    assert mean_ratio(draw(ending), USERS).caveats == (
        "No exposed deployment affected any users where it can be compared: no ratio.",
    )
    assert SeverityGivenFailure()(draw(ending)).caveats[0] == (
        "All failures of known severity are of unexposed deployments."
    )
    assert severe_risk_ratio(draw(ending)).value == 0
    assert severe_risk_ratio(draw(ending)).interval.high > 1


def test_separated_severities_have_no_ratio_among_failures():
    apart = "\n".join(f"s{i} | Q1 | 1 | 20 | 1/1/9 2/1/9\ns{i} | Q1 | 0 | 30 | 4/1/9 5/1/9" for i in range(4))
    found = SeverityGivenFailure()(draw(apart))
    assert found.caveats[0] == (
        "The fit has no finite maximum: severities do not overlap between the arms, or at a level of a covariate."
    )
    assert limits(found) == (0, inf)
    assert severity_odds_ratio(draw(apart)).estimable  # failures and deployments that did not fail overlap


def test_one_service_gives_no_error_between_services():
    one = draw("a | Q1 | 1 | 20 | 2/1/50 3/2/10\na | Q1 | 0 | 30 | 3/2/60 4/1/5")
    assert mean_ratio(one, USERS).caveats[0] == (
        "One service carries the comparison alone, so nothing tells how far services differ."
    )
    assert "error of independent deployments" in severity_odds_ratio(one).method
    assert "error of independent deployments" in median_ratio(one).method


def test_services_that_agree_exactly_give_no_error():
    same = "\n".join(f"s{i} | Q1 | 1 | 19 | 2/2/50\ns{i} | Q1 | 0 | 39 | 2/1/25" for i in range(5))
    assert mean_ratio(draw(same), USERS).caveats[0] == (
        "All services agree exactly, so there is no variation between them to compute an error from."
    )


def test_failures_that_reach_nobody_are_no_exception():
    nobody = draw(SEVEN.replace("4/1/513", "4/1/0").replace("4/3/544", "4/3/0"))
    assert median_ratio(nobody, USERS).estimable
    none = draw(
        "a | Q1 | 1 | 20 | 2/1/0 3/2/0\na | Q1 | 0 | 30 | 3/2/60 4/1/5\nb | Q1 | 1 | 9 | 3/1/0\nb | Q1 | 0 | 9 | 3/1/4"
    )
    assert median_ratio(none, USERS).caveats[0] == (
        "In most pairs one of the two failures affected no users: no typical ratio."
    )
