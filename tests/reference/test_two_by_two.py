"""Two-by-two estimates against other people's programs and printed tables."""

from math import inf, isnan, nan

import numpy as np
import pandas as pd
import pytest
from pytest import approx

from counterfault.cells import Cells
from counterfault.estimate import Estimate
from counterfault.estimators.tables.two_by_two import (
    crude,
    odds_ratio,
    risk_difference,
    risk_ratio,
    risk_ratio_log,
)


def ask(estimator, exposed: str, unexposed: str, level: float = 0.95) -> Estimate:
    """Put "events/total" of both groups to an estimator."""
    exposed_events, exposed_total = map(int, exposed.split("/"))
    unexposed_events, unexposed_total = map(int, unexposed.split("/"))
    return estimator(
        exposed_events=exposed_events,
        exposed_total=exposed_total,
        unexposed_events=unexposed_events,
        unexposed_total=unexposed_total,
        level=level,
    )


def limits(estimate: Estimate) -> tuple[float, float]:
    return estimate.interval.low, estimate.interval.high


@pytest.mark.parametrize(
    "exposed, unexposed, printed",
    [
        ("56/70", "48/80", (0.0528, 0.3382)),
        ("5/56", "0/29", (-0.0326, 0.1933)),
    ],
)
def test_risk_difference_limits_are_those_newcombe_prints_for_miettinen_nurminen(exposed, unexposed, printed):
    # Newcombe (1998), Statistics in Medicine 17:873, table II, contrasts (a) and (d), method 6: four decimals.
    assert limits(ask(risk_difference, exposed, unexposed)) == approx(printed, abs=5e-5)


def test_the_difference_of_the_first_printed_table_is_a_fifth():
    assert ask(risk_difference, "56/70", "48/80").value == approx(0.2)


# Newcombe's contrasts and one with rare events, in R 4.2.2 with the sources of ratesci 1.1.0.9000:
# > mn <- function(a, n1, c, n0, k) scoreci(x1 = a, n1 = n1, x2 = c, n2 = n0, contrast = k, skew = FALSE,
# +   or_bias = FALSE, precis = 12)$estimates[1, c(1, 3)]
# > for (t in tables) cat(t, "|", sapply(c("RD", "RR", "OR"), function(k)
# +   sprintf("%.7f", mn(t[1], t[2], t[3], t[4], k))), "\n")
RATESCI = """
 9 10 3 10 |  0.1700250 0.8406495 1.3279566  8.6919149  2.0215888 189.6218197
 6  7 2  7 |  0.0341755 0.8534053 1.0636865 11.1477709  1.1478118 172.0200943
 5 56 0 29 | -0.0325966 0.1933310 0.7174951        Inf  0.6958712         Inf
10 10 0 20 |  0.7156187 1.0000000 6.0328103        Inf 50.7830511         Inf
10 10 0 10 |  0.6636416 1.0000000 3.4730188        Inf 24.4632885         Inf
 0 20 4 30 | -0.2987887 0.0395120 0.0000000  1.3332511  0.0000000   1.3838985
 0 10 0 20 | -0.1657602 0.2843813 0.0000000        Inf  0.0000000         Inf
 0 10 0 10 | -0.2879339 0.2879339 0.0000000        Inf  0.0000000         Inf
"""


@pytest.mark.parametrize("line", RATESCI.strip().splitlines())
def test_score_limits_agree_with_ratesci_zero_cells_included(line):
    counts, printed = line.split("|")
    a, n1, c, n0 = counts.split()
    theirs = [float(figure) for figure in printed.split()]
    ours = [ask(measure, f"{a}/{n1}", f"{c}/{n0}") for measure in (risk_difference, risk_ratio, odds_ratio)]
    assert [limit for estimate in ours for limit in limits(estimate)] == approx(theirs, rel=3e-8, abs=6e-8)


@pytest.mark.parametrize(
    "measure, exposed, unexposed, value, printed",
    [
        (risk_difference, "0/16", "15/72", -0.2083, (-0.3164, -0.0056)),
        (risk_ratio, "7/34", "1/34", 7.0, (1.2086, 43.0330)),
        (odds_ratio, "9/13", "4/14", 5.625, (1.0934, 28.9419)),
        (odds_ratio, "1/11", "0/2", nan, (0.0313, inf)),
        (risk_ratio, "3/4", "0/2", nan, (0.7113, inf)),
    ],
)
def test_score_limits_agree_with_contingencytables(measure, exposed, unexposed, value, printed):
    # R package contingencytables 3.0.0 (companion of Fagerland, Lydersen & Laake 2017), its functions
    # MiettinenNurminen_asymptotic_score_CI_*_2x2: four decimals. It prints Inf where we have no value.
    found = ask(measure, exposed, unexposed)
    assert found.value == approx(value, abs=5e-5, nan_ok=True)
    assert limits(found) == approx(printed, abs=6e-5)


def test_rare_events_in_large_groups_keep_ten_digits():
    # 3/1000 against 2/50000 and 13/2176 against 5/3354 in 40-digit arithmetic (mpmath), from the definition alone:
    # the likelihood under a fixed value maximised by bisection, the statistic set to ±Φ⁻¹(0.975) by bisection.
    assert limits(ask(risk_ratio, "3/1000", "2/50000")) == approx((15.0010861361222, 374.657343901629), rel=1e-10)
    assert limits(ask(risk_difference, "3/1000", "2/50000")) == approx(
        (0.000979569652569394, 0.00874323342782712), rel=1e-10
    )
    assert limits(ask(risk_ratio, "13/2176", "5/3354")) == approx((1.49047584686535, 10.7783280002018), rel=1e-10)
    assert limits(ask(risk_difference, "13/2176", "5/3354")) == approx(
        (0.00141864184625348, 0.00882354232070721), rel=1e-10
    )


@pytest.mark.parametrize(
    "exposed, unexposed, printed",
    [
        ("2/10000000", "0/20", (-0.161124971569254, 7.29298406842361e-7)),
        ("0/303", "15/3424733", (-7.22708215583531e-6, 0.0125149841502079)),
    ],
)
def test_lopsided_groups_with_rare_events_keep_nine_digits(exposed, unexposed, printed):
    # 60-digit arithmetic, as above. The closed form of the fit loses half its digits here: unpolished, the upper
    # limit of the first table comes out as 1.0087e-06.
    assert limits(ask(risk_difference, exposed, unexposed)) == approx(printed, rel=1e-9)


@pytest.mark.parametrize(
    "exposed, unexposed, p",
    [("56/70", "48/80", 0.008258287929), ("5/56", "0/29", 0.09917565457), ("13/2176", "5/3354", 0.004245631318)],
)
@pytest.mark.parametrize("measure", [risk_difference, risk_ratio, odds_ratio])
def test_the_p_value_is_pearsons_with_n_less_one(measure, exposed, unexposed, p):
    # R 4.2.2, ten digits:
    # > pchisq(chisq.test(table, correct = FALSE)$statistic * (N - 1) / N, 1, lower = FALSE)
    assert ask(measure, exposed, unexposed).p_value == approx(p, rel=5e-10)


def test_log_limits_agree_with_epitools():
    # > epitools::riskratio(matrix(c(232, 112, 24, 16), nrow = 2))$measure      # R 4.2.2, epitools 0.5-10.1
    #   Exposed2 1.333333333 0.734731717 2.419628467
    found = ask(risk_ratio_log, "16/128", "24/256")
    assert (found.value, *limits(found)) == approx((1.333333333, 0.734731717, 2.419628467), rel=5e-10)


def test_log_limits_agree_with_epir():
    # > epiR::epi.2by2(matrix(c(13, 2163, 5, 3349)), method = "cohort.count", units = 1)     # epiR 2.0.57
    #   risk ratio 4.00753676470588 1.43073388022936 11.2252537962508
    found = ask(risk_ratio_log, "13/2176", "5/3354")
    assert (found.value, *limits(found)) == approx((4.00753676470588, 1.43073388022936, 11.2252537962508), rel=1e-12)


def test_standard_errors_are_those_behind_epirs_wald_limits():
    # The same call: Wald limits 1.43073388022936 to 11.2252537962508 (risk ratio), 1.43312842649587 to
    # 11.3078188286627 (odds ratio), 0.000992277063788425 to 0.00797473773855469 (risk difference).
    z = 1.959963984540054
    ratio, odds, difference = (
        ask(measure, "13/2176", "5/3354") for measure in (risk_ratio, odds_ratio, risk_difference)
    )
    assert ratio.standard_error == approx(np.log(11.2252537962508 / 1.43073388022936) / (2 * z), rel=1e-12)
    assert odds.standard_error == approx(np.log(11.3078188286627 / 1.43312842649587) / (2 * z), rel=1e-12)
    assert difference.standard_error == approx((0.00797473773855469 - 0.000992277063788425) / (2 * z), rel=1e-12)


def test_without_unexposed_events_the_ratio_has_a_lower_limit_and_no_value():
    found = ask(risk_ratio, "5/56", "0/29")
    assert isnan(found.value)
    assert isnan(found.standard_error)
    assert found.interval.high == inf
    assert found.caveats == (
        "the risk ratio has no finite value because the count it divides by is zero; the data still say, at level "
        "0.95, that it is at least 0.717",
    )


def test_without_exposed_events_the_ratio_is_zero_with_an_upper_limit():
    found = ask(risk_ratio, "0/20", "4/30")
    assert (found.value, found.interval.low) == (0, 0)
    assert found.interval.high == approx(1.3332511, abs=5e-8)


NO_EVENTS = "no deployment in either group had an event, so the ratio would be 0/0"
NO_UNEXPOSED = "no unexposed deployments, so there is nothing to compare"


@pytest.mark.parametrize(
    "measure, exposed, unexposed, reason",
    [
        (risk_ratio, "0/10", "0/20", NO_EVENTS),
        (odds_ratio, "0/10", "0/20", NO_EVENTS),
        (odds_ratio, "10/10", "20/20", "every deployment in both groups had an event, so the odds ratio would be 0/0"),
        (risk_difference, "3/10", "0/0", NO_UNEXPOSED),
        (risk_ratio, "3/10", "0/0", NO_UNEXPOSED),
        (risk_ratio_log, "3/10", "0/0", NO_UNEXPOSED),
        (odds_ratio, "0/0", "2/9", "no exposed deployments, so there is nothing to compare"),
        (odds_ratio, "0/0", "0/0", "no exposed and no unexposed deployments, so there is nothing to compare"),
        (risk_ratio_log, "0/10", "3/20", "log limits need events in both groups and something else in one of them"),
        (risk_ratio_log, "9/9", "20/20", "log limits need events in both groups and something else in one of them"),
    ],
)
def test_what_the_counts_cannot_say_is_an_answer_with_its_reason(measure, exposed, unexposed, reason):
    found = ask(measure, exposed, unexposed)
    assert not found.estimable
    assert found.caveats == (reason,)
    assert limits(found) == (found.estimand.lowest, found.estimand.highest)
    assert found.p_value is None


def test_no_events_at_all_still_bound_the_difference():
    found = ask(risk_difference, "0/10", "0/20")
    assert found.value == 0
    assert limits(found) == approx((-0.1657602, 0.2843813), abs=6e-8)  # ratesci, as above
    assert found.p_value is None


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"exposed_events": -1}, "exposed_events is -1: a number of deployments cannot be negative"),
        ({"unexposed_total": 9.5}, "unexposed_total is 9.5: pass a whole number of deployments"),
        (
            {"exposed_events": 12},
            "exposed_events is 12 but exposed_total is 10: pass the deployments of the group as the total, and of "
            "these the ones with at least one event",
        ),
        ({"level": 95}, "level 95 is not a confidence level: give a share between 0 and 1, such as 0.95"),
        (
            {"level": 1.0, "exposed_total": 0, "exposed_events": 0},
            "level 1.0 is not a confidence level: give a share between 0 and 1, such as 0.95",
        ),
    ],
)
@pytest.mark.parametrize("measure", [risk_difference, risk_ratio, odds_ratio, risk_ratio_log])
def test_impossible_counts_are_refused_with_the_way_out(measure, changed, message):
    counts = {"exposed_events": 3, "exposed_total": 10, "unexposed_events": 5, "unexposed_total": 20} | changed
    with pytest.raises(ValueError) as refusal:
        measure(**counts)
    assert str(refusal.value) == message


def test_counts_from_numpy_do_not_overflow():
    large = np.int32(2_000_000_000)
    found = odds_ratio(
        exposed_events=np.int32(1_000_000_000),
        exposed_total=large,
        unexposed_events=np.int32(500_000_000),
        unexposed_total=large,
    )
    assert found.value == approx(3)
    assert 3 in found.interval


def test_the_method_names_the_factor_that_mees_limits_lack():
    assert "N/(N-1)" in ask(risk_difference, "56/70", "48/80").method


def test_crude_sums_over_services_and_names_its_estimates():
    cells = Cells(
        pd.DataFrame(
            [
                ("checkout", "2026Q1", 1, 30, 26),
                ("search", "2026Q1", 1, 40, 30),
                ("checkout", "2026Q1", 0, 20, 8),
                ("search", "2026Q2", 0, 60, 40),
            ],
            columns=["service", "period", "exposed", "n", "events"],
        )
    )
    found = {estimate.id: estimate for estimate in crude(cells, level=0.95)}
    assert list(found) == ["crude.risk_ratio", "crude.risk_difference", "crude.odds_ratio"]
    assert limits(found["crude.risk_difference"]) == approx((0.0528, 0.3382), abs=5e-5)  # Newcombe's (a)
    assert {estimate.design for estimate in found.values()} == {"all services together"}
    assert found["crude.risk_ratio"].support == {
        "n": 150,
        "events": 104,
        "exposed_events": 56,
        "exposed_total": 70,
        "unexposed_events": 48,
        "unexposed_total": 80,
    }
