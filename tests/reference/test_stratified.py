"""Stratified estimates against R, and what they answer where R stops."""

from math import exp, inf, isnan, log, sqrt

import pandas as pd
import pytest
from pytest import approx

from counterfault.cells import Cells
from counterfault.estimate import Estimate
from counterfault.estimators.tables import two_by_two
from counterfault.estimators.tables.stratified import (
    DifferenceVariance,
    Limits,
    exact_conditional,
    homogeneity,
    odds_ratio,
    risk_difference,
    risk_ratio,
    stratified,
)


def draw(picture: str) -> Cells:
    """Cells from a table of "events/total": first the stratum, then the exposed, then the unexposed."""
    rows = []
    lines = [line for line in picture.splitlines() if line.strip()]
    for line in lines[2:]:
        service, *groups = (part.strip() for part in line.split("|"))
        for exposed, group in zip((1, 0), groups, strict=True):
            events, n = map(int, group.split("/"))
            if n:
                rows.append({"service": service, "exposed": exposed, "n": n, "events": events})
    return Cells(pd.DataFrame(rows, columns=["service", "exposed", "n", "events"]), strata=("service",))


def limits(estimate: Estimate) -> tuple[float, float]:
    return estimate.interval.low, estimate.interval.high


# Bickel et al. (1975), R's UCBAdmissions: exposed are men, an event is an admission.
BERKELEY = draw("""
    dept | men     | women
    -----+---------+--------
    A    | 512/825 | 89/108
    B    | 353/560 | 17/25
    C    | 120/325 | 202/593
    D    | 138/417 | 131/375
    E    | 53/191  | 94/393
    F    | 22/373  | 24/341
""")

# Colditz et al. (1994), metafor's dat.bcg: exposed are vaccinated, an event is tuberculosis.
BCG = draw("""
    trial | vaccinated | control
    ------+------------+----------
    01    | 4/123      | 11/139
    02    | 6/306      | 29/303
    03    | 3/231      | 11/220
    04    | 62/13598   | 248/12867
    05    | 33/5069    | 47/5808
    06    | 180/1541   | 372/1451
    07    | 8/2545     | 10/629
    08    | 505/88391  | 499/88391
    09    | 29/7499    | 45/7277
    10    | 17/1716    | 65/1665
    11    | 186/50634  | 141/27338
    12    | 5/2498     | 3/2341
    13    | 27/16913   | 29/17854
""")

# The rabbits of R's ?mantelhaen.test: penicillin at once or late, an event is a cure. Nearly every stratum has a zero.
RABBITS = draw("""
    dose | at once | late
    -----+---------+-----
    1/8  | 0/6     | 0/5
    1/4  | 3/6     | 0/6
    1/2  | 6/6     | 2/6
    1    | 5/6     | 6/6
    4    | 2/2     | 5/5
""")

# Hartung & Knapp's thirteen trials, the stratified example of ratesci's scoreci.
TRIALS = draw("""
    trial | treated | control
    ------+---------+--------
    01    | 15/16   | 9/16
    02    | 12/16   | 1/16
    03    | 29/34   | 18/34
    04    | 42/56   | 31/56
    05    | 14/22   | 6/22
    06    | 44/54   | 17/55
    07    | 14/17   | 7/15
    08    | 29/58   | 23/58
    09    | 10/14   | 3/15
    10    | 17/26   | 6/27
    11    | 38/44   | 12/45
    12    | 19/29   | 22/30
    13    | 21/38   | 19/38
""")

NO_EXPOSED_EVENTS = draw("""
    service  | exposed | unexposed
    ---------+---------+----------
    checkout | 0/10    | 2/30
    search   | 0/20    | 3/40
    billing  | 0/15    | 1/25
""")


def test_berkeley_odds_ratio_is_that_of_mantelhaen_test():
    # > mantelhaen.test(UCBAdmissions, correct = FALSE)                                            # R 4.2.2
    found = odds_ratio(BERKELEY)
    assert found.value == approx(0.904696828258623, rel=1e-13)
    assert limits(found) == approx((0.77190736175935, 1.06032976443666), rel=1e-12)
    assert found.p_value == approx(0.216923697055518, rel=1e-12)


def test_berkeley_risks_agree_with_the_published_formulas_in_r():
    # Greenland & Robins (1985) and Sato (1989) typed into R 4.2.2 from the papers.
    ratio, difference = risk_ratio(BERKELEY), risk_difference(BERKELEY)
    assert (ratio.value, ratio.standard_error) == approx((0.944905022595929, 0.0442239944392498), rel=1e-12)
    assert limits(ratio) == approx((0.866452232683004, 1.03046130882747), rel=1e-12)
    assert (difference.value, difference.standard_error) == approx((-0.0184251961908525, 0.0146194685233229), rel=1e-12)
    sato = risk_difference(BERKELEY, variance=DifferenceVariance.SATO)
    assert sato.standard_error == approx(0.0148253944383109, rel=1e-12)


def test_berkeley_reverses_between_the_crude_and_the_stratified_view():
    crude = {estimate.id: estimate for estimate in two_by_two.crude(BERKELEY)}
    assert crude["crude.odds_ratio"].value == approx(1.84108003718129)  # R 4.2.2
    assert odds_ratio(BERKELEY).value < 1


@pytest.mark.parametrize(
    "cells, measure, log_value, standard_error, limits_on_log",
    [
        (BCG, risk_ratio, -0.45370960468, 0.03933736687, (-0.53080942700, -0.37660978237)),
        (BCG, odds_ratio, -0.4734109884, 0.04100777840, (-0.5537847571, -0.3930372196)),
        (TRIALS, risk_ratio, 0.56361865699, 0.06596323418, (0.43433309369, 0.69290422029)),
        (TRIALS, odds_ratio, 1.292033034, 0.1467596907, (1.004389326, 1.579676742)),
    ],
)
def test_ratios_agree_with_metafor(cells, measure, log_value, standard_error, limits_on_log):
    # > r <- rma.mh(ai, bi, ci, di, measure = "RR" | "OR", correct = FALSE); c(r$beta, r$se, r$ci.lb, r$ci.ub)
    # R 4.2.2, metafor 3.8-1, ten digits
    found = measure(cells)
    assert log(found.value) == approx(log_value, rel=1e-9)
    assert found.standard_error == approx(standard_error, rel=1e-9)
    assert tuple(map(log, limits(found))) == approx(limits_on_log, rel=1e-9)


@pytest.mark.parametrize(
    "cells, value, standard_error, printed",
    [
        (BCG, -0.0032881818326, 0.0002866567485, (-0.0038500187357, -0.0027263449296)),
        (TRIALS, 0.3088587453, 0.0324335753, (0.2452901059, 0.3724273848)),
    ],
)
def test_difference_with_satos_variance_agrees_with_metafor(cells, value, standard_error, printed):
    # > rma.mh(ai, bi, ci, di, measure = "RD", correct = FALSE)        # metafor uses Sato's variance; ten digits
    found = risk_difference(cells, variance=DifferenceVariance.SATO)
    assert (found.value, found.standard_error) == approx((value, standard_error), rel=1e-9)
    assert limits(found) == approx(printed, rel=1e-9)


@pytest.mark.parametrize(
    "measure, value, printed",
    [
        (risk_ratio, 0.2590008742, (0.1425954316, 0.4704319911)),
        (odds_ratio, 0.2432870683, (0.1310823424, 0.4515375336)),
    ],
)
def test_ratios_agree_with_epir(measure, value, printed):
    # > epi.2by2(first three trials, method = "cohort.count")$massoc.detail[c("RR.mh.wald", "OR.mh.wald")]
    # R 4.2.2, epiR 2.0.57, ten digits
    three = Cells(BCG.frame[BCG.frame["service"] <= "03"], strata=("service",))
    assert (measure(three).value, *limits(measure(three))) == approx((value, *printed), rel=1e-9)


@pytest.mark.parametrize(
    "cells, statistic, p_value, df",
    [
        (BERKELEY, 18.8255012520517, 0.00207140139788217, 5),  # the published formula in R 4.2.2
        (BCG, 171.7566730, 2.086782395e-30, 12),  # metafor 3.8-1: rma.mh(...)$TA, $TAp
        (TRIALS, 44.28823815, 1.363776431e-05, 12),  # metafor
        (RABBITS, 8.3583, 0.0153, 2),  # metafor, printed: two strata are all events or none
    ],
)
def test_homogeneity_is_tarones(cells, statistic, p_value, df):
    found = homogeneity(cells)
    digits = 5e-3 if cells is RABBITS else 1e-9
    assert (found.statistic, found.p_value) == approx((statistic, p_value), rel=digits)
    assert (found.df, found.strata_used) == (df, df + 1)


@pytest.mark.parametrize(
    "measure, cells, printed",
    [
        (risk_difference, TRIALS, (0.2452860984, 0.3699813086)),
        (risk_ratio, TRIALS, (1.549914486, 2.003133236)),
        (risk_difference, RABBITS, (0.0358307617, 0.4250608435)),
        (risk_ratio, RABBITS, (1.068652253, 2.548692185)),
        (risk_difference, NO_EXPOSED_EVENTS, (-0.1315966370, 0.0204006330)),
        (risk_ratio, NO_EXPOSED_EVENTS, (0, 1.345639384)),
    ],
)
def test_score_limits_of_risks_agree_with_ratesci(measure, cells, printed):
    # > scoreci(x1, n1, x2, n2, contrast = "RD" | "RR", skew = FALSE, stratified = TRUE, weighting = "MH",
    # +   precis = 12)$estimates                      # R 4.2.2, sources of ratesci 1.1.0.9000; good to eight digits
    assert limits(measure(cells, limits=Limits.SCORE)) == approx(printed, rel=1e-8, abs=1e-9)


@pytest.mark.parametrize(
    "cells, printed", [(RABBITS, (1.412912006, 70.698233017)), (NO_EXPOSED_EVENTS, (0, 1.369310484))]
)
def test_score_limits_of_the_odds_ratio_solve_the_conditional_score_equation(cells, printed):
    # R 4.2.2, Fisher's noncentral moments written out and summed over strata, uniroot(tol = 1e-14):
    # > ns <- function(a, n1, c, n0, psi) {m <- a + c; t <- max(0, m - n0):min(m, n1)
    # +   w <- choose(n1, t) * choose(n0, m - t) * psi^t; w <- w / sum(w); e <- sum(t * w)
    # +   c(a - e, sum((t - e)^2 * w))}
    assert limits(odds_ratio(cells, limits=Limits.SCORE)) == approx(printed, rel=1e-9)


@pytest.mark.parametrize(
    "mid_p, printed", [(False, (0.769730358525831, 1.06342922808982)), (True, (0.772169777468849, 1.0601270286278))]
)
def test_berkeleys_exact_limits_keep_their_tails(mid_p, printed):
    # Convolved directly in R 4.2.2. By fast Fourier transform the first lower limit comes out as 0.890.
    found = exact_conditional(BERKELEY, mid_p=mid_p)
    assert found.value == approx(0.905069961340971, rel=1e-12)
    assert limits(found) == approx(printed, rel=1e-11)


def test_berkeleys_exact_p_is_that_of_mantelhaen_test():
    # > mantelhaen.test(UCBAdmissions, exact = TRUE)$p.value                                       # R 4.2.2
    assert exact_conditional(BERKELEY).p_value == approx(0.227762526798206, rel=1e-12)


@pytest.mark.parametrize(
    "mid_p, printed", [(False, (1.077387764, 531.512782890)), (True, (1.339029126, 266.542327415))]
)
def test_exact_limits_of_sparse_strata_agree_with_r(mid_p, printed):
    # R 4.2.2: the strata's dhyper() convolved by a double loop, limits by uniroot(tol = 1e-14).
    # mantelhaen.test(Rabbits, exact = TRUE) itself prints 1.0774 to 529.837: its own root search is loose.
    found = exact_conditional(RABBITS, mid_p=mid_p)
    assert found.value == approx(10.361046349, rel=1e-9)
    assert limits(found) == approx(printed, rel=1e-9)


@pytest.mark.parametrize("cells, p", [(RABBITS, 0.03994490358), (NO_EXPOSED_EVENTS, 0.1770458684)])
def test_exact_p_of_sparse_strata_agrees_with_mantelhaen_test(cells, p):
    assert exact_conditional(cells).p_value == approx(p, rel=5e-10)  # R 4.2.2, mantelhaen.test(exact = TRUE)


def test_one_exact_table_is_fishers():
    # > fisher.test(matrix(c(3, 1, 1, 3), 2))                                                      # R 4.2.2
    #   p-value = 0.4857143, odds ratio 6.408308867, 95 percent 0.2117329153 621.9337505454
    # Its search is loose. The limits solve polynomials in the odds ratio, with the weights 1, 16, 36, 16, 1:
    # > polyroot(c(-.025 * w[1:3], .975 * w[4:5])); polyroot(c(-.975 * w[1:4], .025))
    #   0.211735595447, 626.243530589
    found = exact_conditional(draw("tea | milk first | tea first\n-+-+-\ncup | 3/4 | 1/4"))
    assert found.p_value == approx(0.4857143, rel=1e-7)
    assert found.value == approx(6.408308867, rel=1e-5)
    assert limits(found) == approx((0.211735595447, 626.243530589), rel=1e-11)


def test_mid_p_of_one_table_is_that_of_epitools():
    # > epitools::ormidp.test(3, 7, 5, 15)$two.sided      # R 4.2.2, epitools 0.5-10.1
    found = exact_conditional(draw("s | exposed | unexposed\n-+-+-\nall | 3/10 | 5/20"), mid_p=True)
    assert found.p_value == approx(0.7781801407, rel=1e-9)


def test_without_exposed_events_the_interval_comes_from_the_score_test_and_says_so():
    for measure in (risk_ratio, odds_ratio, risk_difference):
        found = measure(NO_EXPOSED_EVENTS)
        assert limits(found) == limits(measure(NO_EXPOSED_EVENTS, limits=Limits.SCORE))
        assert isnan(found.standard_error)
        assert "score limits" in found.method
        assert found.caveats == (
            "no standard error, because counts are zero where its formula needs them: score limits instead",
            "the strata compared hold 0 exposed and 6 unexposed events: with fewer than 5 in a group, read the exact "
            "odds ratio beside this",
        )


def test_without_unexposed_events_the_ratio_has_a_lower_limit_and_no_value():
    cells = draw("""
        service  | exposed | unexposed
        ---------+---------+----------
        checkout | 2/10    | 0/30
        search   | 3/20    | 0/40
    """)
    for measure in (risk_ratio, odds_ratio, exact_conditional):
        found = measure(cells)
        assert isnan(found.value)
        assert found.interval.low > 1
        assert found.interval.high == inf
        assert found.caveats[0].startswith(f"the {found.estimand.label} has no finite value because the count it")


def test_strata_without_a_counterpart_are_counted_and_add_nothing():
    compared = """
        service  | exposed | unexposed
        ---------+---------+----------
        checkout | 8/40    | 9/90
        search   | 7/30    | 8/70
    """
    alone = """
        batch    | 9/300   | 0/0
        legacy   | 0/0     | 30/200
        quiet    | 0/10    | 0/10
    """
    found, without = risk_ratio(draw(compared + alone)), risk_ratio(draw(compared))
    assert (found.value, *limits(found)) == approx((without.value, *limits(without)))
    assert found.support == {
        "n": 750,
        "events": 71,
        "exposed_events": 24,
        "exposed_total": 380,
        "unexposed_events": 47,
        "unexposed_total": 370,
        "strata": 5,
        "strata_both_arms": 3,
        "informative_strata": 2,
        "n_compared": 250,
        "events_compared": 32,
        "exposed_compared": 80,
    }
    assert found.caveats == exact_conditional(draw(compared + alone)).caveats
    assert found.caveats == (
        "300 of 380 exposed deployments (79%) are in strata without unexposed ones: the comparison says nothing about "
        "them",
    )


def test_parts_are_the_informative_strata_by_name():
    frame = pd.DataFrame(
        [
            ("checkout", "2026Q1", 1, 10, 3),
            ("checkout", "2026Q1", 0, 20, 5),
            ("checkout", "2026Q2", 1, 10, 0),
            ("checkout", "2026Q2", 0, 20, 0),
            ("search", "2026Q1", 1, 15, 1),
            ("search", "2026Q1", 0, 25, 2),
        ],
        columns=["service", "period", "exposed", "n", "events"],
    )
    found = risk_ratio(Cells(frame))
    assert found.design == "within service × period"
    assert [part.label for part in found.parts] == ["service=checkout, period=2026Q1", "service=search, period=2026Q1"]
    alone = two_by_two.risk_ratio(exposed_events=3, exposed_total=10, unexposed_events=5, unexposed_total=20)
    assert found.parts[0].interval == alone.interval


@pytest.mark.parametrize("strata, parts", [(60, 60), (61, 0)])
def test_more_parts_than_anybody_reads_are_left_out(strata, parts):
    rows = [{"service": f"s{i:03}", "exposed": e, "n": 9, "events": 2} for i in range(strata) for e in (0, 1)]
    assert len(odds_ratio(Cells(pd.DataFrame(rows), strata=("service",))).parts) == parts


def test_stratified_gives_the_three_measures_under_stable_names():
    found = stratified(BERKELEY)
    assert [estimate.id for estimate in found] == [
        "stratified.risk_ratio",
        "stratified.risk_difference",
        "stratified.odds_ratio",
    ]
    assert {estimate.design for estimate in found} == {"within service"}
    assert exact_conditional(BERKELEY).id == "stratified.odds_ratio_exact"


def test_strata_of_pairs_have_no_greenland_robins_variance_and_say_which_one_they_have():
    pairs = draw(
        "pair | exposed | unexposed\n-+-+-\n" + "\n".join(f"{i} | {i % 3 % 2}/1 | {i % 2}/1" for i in range(60))
    )
    found = risk_difference(pairs)
    assert "score limits" in found.method
    sato = risk_difference(pairs, variance=DifferenceVariance.SATO)
    # For pairs, b and c of them discordant one way and the other, Sato's is McNemar's: [b + c - (b - c)²/n]/n².
    b = sum(i % 3 % 2 > i % 2 for i in range(60))
    c = sum(i % 3 % 2 < i % 2 for i in range(60))
    assert sato.value == approx((b - c) / 60)
    assert sato.standard_error == approx(sqrt(b + c - (b - c) ** 2 / 60) / 60)


def test_small_groups_are_named_where_the_variance_suffers():
    cells = draw("""
        service  | exposed | unexposed
        ---------+---------+----------
        checkout | 1/3     | 6/40
        search   | 2/4     | 7/50
        billing  | 2/3     | 3/30
    """)
    caveat = (
        "100% of the weight lies in strata with a group of fewer than 5 deployments, where the Greenland–Robins "
        "variance is too small: use Sato's"
    )
    assert risk_difference(cells).caveats == (caveat,)
    assert risk_difference(cells, variance=DifferenceVariance.SATO).caveats == ()


NO_EVENTS = draw("service | exposed | unexposed\n-+-+-\na | 0/5 | 0/9\nb | 0/7 | 0/2")
APART = draw("service | exposed | unexposed\n-+-+-\na | 3/5 | 0/0\nb | 0/0 | 1/2")
NOTHING = draw("service | exposed | unexposed\n-+-+-\n")
ALL_OR_NONE = draw("service | exposed | unexposed\n-+-+-\na | 5/5 | 9/9\nb | 0/7 | 0/2")


@pytest.mark.parametrize(
    "measure, cells, reason",
    [
        (risk_ratio, NO_EVENTS, "no stratum that holds both groups has an event, so the ratio would be 0/0"),
        (odds_ratio, NO_EVENTS, "no stratum that holds both groups has an event, so the ratio would be 0/0"),
        (
            exact_conditional,
            NO_EVENTS,
            "in every stratum with both groups, nothing or everything was an event: the margins fix the counts",
        ),
        (
            odds_ratio,
            ALL_OR_NONE,
            "in every stratum that holds both groups, nothing or everything was an event: the odds ratio would be 0/0",
        ),
        *(
            (
                measure,
                APART,
                "no stratum (of 2) holds both exposed and unexposed deployments, so nothing can be compared within "
                "service",
            )
            for measure in (risk_ratio, risk_difference, odds_ratio, exact_conditional)
        ),
        (risk_difference, NOTHING, "no exposed deployments, so there is nothing to compare"),
    ],
)
def test_what_the_strata_cannot_say_is_an_answer_with_its_reason(measure, cells, reason):
    found = measure(cells)
    assert not found.estimable
    assert found.caveats == (reason,)
    assert limits(found) == (found.estimand.lowest, found.estimand.highest)
    assert found.p_value is None


def test_no_events_at_all_still_bound_the_difference():
    found = risk_difference(NO_EVENTS)
    assert found.value == 0
    assert -1 < found.interval.low < 0 < found.interval.high < 1
    assert found.p_value is None


@pytest.mark.parametrize(
    "cells, reason",
    [
        (NO_EVENTS, "it takes two strata with both groups, events and non-events to disagree; there are 0"),
        (NO_EXPOSED_EVENTS, "the common odds ratio is 0, so no counts can be expected under it"),
    ],
)
def test_homogeneity_says_why_it_cannot_be_tested(cells, reason):
    found = homogeneity(cells)
    assert isnan(found.statistic)
    assert isnan(found.p_value)
    assert found.caveats == (reason,)


def test_homogeneity_warns_of_sparse_strata():
    assert homogeneity(RABBITS).caveats == (
        "67% of the expected counts are below 5: strata this sparse can hardly disagree, and the chi-square "
        "approximation is rough",
    )


def test_the_exact_test_draws_what_it_cannot_enumerate_in_reasonable_time():
    rows = [{"service": s, "exposed": e, "n": 90_000, "events": 3_000} for s in "ab" for e in (0, 1)]
    found = exact_conditional(Cells(pd.DataFrame(rows), strata=("service",)))
    assert found.caveats == (
        "the exact distribution has 12001 points, and more than 10000 are not enumerated: the p-value is drawn and the "
        "limits are approximate",
    )
    assert found.p_value == 1  # exposed events are exactly what is expected, so every draw is as far out
    assert found.value == approx(1, rel=1e-12)
    # 1.96 over the root of the hypergeometric variances, 2 · 6000 · 174000 · 90000² / (180000² · 179999): 0.0364
    assert limits(found) == approx((exp(-0.0364), exp(0.0364)), rel=1e-3)
    assert "Monte Carlo p of 9999 random assignments within strata, (1+b)/(1+B)" in found.method


@pytest.mark.parametrize("measure", [risk_ratio, risk_difference, odds_ratio, exact_conditional, homogeneity])
def test_cells_that_would_vanish_from_their_stratum_are_refused(measure):
    frame = BERKELEY.frame.assign(service=BERKELEY.frame["service"].where(BERKELEY.frame["service"] != "A"))
    with pytest.raises(ValueError) as refusal:
        measure(Cells(frame, strata=("service",)))
    assert str(refusal.value) == (
        "2 of 12 cells have no value in 'service': give missing values a level of their own, such as \"missing\", or "
        "leave those cells out"
    )


def test_more_events_than_deployments_are_refused():
    with pytest.raises(ValueError) as refusal:
        risk_ratio(draw("service | exposed | unexposed\n-+-+-\ncheckout | 3/5 | 4/2"))
    assert str(refusal.value) == (
        "stratum service=checkout has 4 events in 2 unexposed deployments: `events` counts deployments with at least "
        "one event, so it lies between 0 and `n`"
    )


@pytest.mark.parametrize("measure", [risk_ratio, risk_difference, odds_ratio, exact_conditional])
@pytest.mark.parametrize("cells", [BERKELEY, APART])
def test_a_level_outside_zero_to_one_is_refused(measure, cells):
    with pytest.raises(ValueError, match=r"^level 95 is not a confidence level: give a share between 0 and 1, such as"):
        measure(cells, 95)
