"""The case-crossover against R's conditional logistic regression, matched pairs against a printed study."""

from math import exp, inf, isinf, isnan, log

import pandas as pd
import pytest
from pytest import approx
from scipy.stats import binom, chi2

from counterfault.estimate import Estimand, Estimate
from counterfault.estimators.self_control.case_crossover import CaseCrossover
from counterfault.estimators.self_control.matched_pairs import PairLimits, matched_pairs
from counterfault.panels import ReferentSets

COLUMNS = ["service", "case_ai", "case_other", "n00", "n10", "n01", "n11", "sets"]


def drawn(picture: str) -> ReferentSets:
    """Referent sets from a table: the case's (AI, other), the moments by (AI, other), and how many sets are alike."""
    rows = [line.replace("|", " ").split() for line in picture.splitlines() if line.strip()]
    frame = pd.DataFrame([(row[0], *map(int, row[1:])) for row in rows], columns=COLUMNS)
    return ReferentSets(frame, 6.0)


INVENTED = drawn("""
    api  | 0 0 | 2 1 1 1 | 2
    api  | 0 0 | 3 1 1 0 | 2
    api  | 0 1 | 1 1 2 0 | 1
    api  | 0 1 | 2 1 1 1 | 4
    api  | 1 0 | 0 2 3 0 | 3
    api  | 1 0 | 1 1 2 0 | 4
    api  | 1 0 | 3 1 1 0 | 1
    app  | 0 0 | 1 1 1 1 | 2
    app  | 0 0 | 1 2 1 1 | 2
    app  | 0 0 | 2 1 2 0 | 4
    app  | 0 0 | 3 0 0 1 | 4
    app  | 0 1 | 1 1 1 1 | 5
    app  | 0 1 | 2 1 2 0 | 2
    app  | 1 0 | 1 1 1 1 | 8
    app  | 1 0 | 1 2 1 1 | 2
    app  | 1 1 | 0 1 2 1 | 6
    app  | 1 1 | 1 2 1 1 | 2
    app  | 1 1 | 3 0 0 1 | 5
    shop | 0 0 | 2 1 2 0 | 1
    shop | 0 0 | 3 1 1 0 | 5
    shop | 0 1 | 2 1 2 0 | 2
    shop | 0 1 | 3 1 1 0 | 6
    shop | 1 0 | 1 1 2 1 | 4
    shop | 1 0 | 2 1 2 0 | 4
    shop | 1 0 | 3 1 1 0 | 5
    shop | 1 1 | 1 1 2 1 | 4
    web  | 0 0 | 1 2 0 1 | 3
    web  | 0 0 | 2 0 3 0 | 2
    web  | 0 0 | 2 2 0 0 | 4
    web  | 0 0 | 3 1 1 0 | 3
    web  | 0 0 | 4 0 1 0 | 1
    web  | 0 1 | 2 0 3 0 | 2
    web  | 0 1 | 3 1 1 0 | 2
    web  | 0 1 | 4 0 1 0 | 5
    web  | 1 1 | 1 2 0 1 | 3
""")

# L: INVENTED with one row per moment, id per set                              # R 4.2.2, survival 3.5.3
# > f <- clogit(case ~ ai + ot + strata(id), L, method = "exact"); coef(f); vcov(f)
COEFFICIENTS = (0.603401649698, 0.304565662048)
MODEL = ((0.04444908138983, 0.00537265481492), (0.00537265481492, 0.04146246491827))
# > r <- clogit(case ~ ai + ot + strata(id) + cluster(service), L, method = "efron"); vcov(r) * 4/3      # G/(G−1)
ROBUST = ((0.1832373398248, -0.0331329939319), (-0.0331329939319, 0.0652739767839))


def of_the_ratio(covariance: tuple[tuple[float, float], ...]) -> float:
    return (covariance[0][0] + covariance[1][1] - 2 * covariance[0][1]) ** 0.5


def test_ratios_and_robust_errors_are_those_of_clogit():
    found = CaseCrossover(at_least_model=False)(INVENTED)
    assert tuple(log(estimate.value) for estimate in found[:2]) == approx(COEFFICIENTS, rel=1e-10)
    assert log(found.ratio.value) == approx(COEFFICIENTS[0] - COEFFICIENTS[1], rel=1e-10)
    errors = [estimate.standard_error for estimate in found[:3]]
    assert errors == approx([ROBUST[0][0] ** 0.5, ROBUST[1][1] ** 0.5, of_the_ratio(ROBUST)], rel=1e-9)
    assert "CR1 (factor G/(G−1)) standard error by service, t with 3.0 degrees of freedom" in found.ratio.method
    three = 3.182446305284263  # qt(.975, 3)
    assert log(found.ratio.interval.high) == approx(log(found.ratio.value) + three * of_the_ratio(ROBUST), rel=1e-9)


def test_where_services_agree_more_than_chance_allows_the_models_error_is_used():
    # every service the same but for one set: robust errors collapse, those of clogit's model do not
    alike = pd.concat([INVENTED.frame.assign(service=name) for name in ("a", "b", "c")], ignore_index=True)
    alike.loc[0, "sets"] += 1
    model = CaseCrossover()(ReferentSets(alike, 6.0)).ratio
    assert model.standard_error == approx(of_the_ratio(MODEL) / 3**0.5, rel=0.02)  # one set of some 350 differs
    assert "that of independent sets (normal), which is wider" in model.method
    robust = CaseCrossover(at_least_model=False)(ReferentSets(alike, 6.0)).ratio
    assert robust.standard_error < model.standard_error / 2


def test_only_discordant_sets_count_and_their_number_is_told():
    extra = drawn("""
        api | 0 0 | 5 0 0 0 | 90
        app | 1 1 | 0 0 0 4 | 70
        new | 0 0 | 4 0 0 0 | 10
    """)
    found, plain = (
        CaseCrossover()(ReferentSets(pd.concat([INVENTED.frame, extra.frame]), 6.0)),
        CaseCrossover()(INVENTED),
    )
    for with_them, without in zip(found[:3], plain[:3], strict=True):
        assert (with_them.value, with_them.standard_error) == approx((without.value, without.standard_error))
    assert plain.odds_ratio_ai.support == {
        "sets": 115,
        "discordant_sets": 105,
        "clusters": 4,
        "exposed_cases": 51,
        "informative_clusters": 4,
    }
    assert found.odds_ratio_ai.support == {**plain.odds_ratio_ai.support, "sets": 285, "clusters": 5}


def test_every_estimate_has_its_id_and_estimand():
    found = CaseCrossover()(INVENTED)
    assert [estimate.id for estimate in found] == [
        "case_crossover.odds_ratio_ai",
        "case_crossover.odds_ratio_other",
        "case_crossover.ratio",
        "case_crossover.excess_ratio",
    ]
    estimands = [estimate.estimand for estimate in found]
    assert estimands == [Estimand.RATE_RATIO, Estimand.RATE_RATIO, Estimand.RATIO_OF_RATIOS, Estimand.RATE_RATIO]
    assert found.ratio.support["unexposed_cases"] == 49
    assert "6 h before a moment" in found.ratio.method and found.ratio.design.startswith(
        "within service × calendar month"
    )
    assert "freeze" in found.ratio.caveats[-1]


def test_the_excess_ratio_is_that_of_the_two_ratios_less_one_each_and_turns_round_when_the_kinds_swap():
    # R's coefficients above: (exp(.6034) - 1) / (exp(.3046) - 1)
    # At a level of one half at least one of the two is clearly above 1; at 0.95 neither is, and there is no ratio.
    found = CaseCrossover()(INVENTED, 0.5).excess_ratio
    assert found.value == approx((exp(COEFFICIENTS[0]) - 1) / (exp(COEFFICIENTS[1]) - 1), rel=1e-9)
    names = {"case_ai": "case_other", "case_other": "case_ai", "n10": "n01", "n01": "n10"}
    swapped = CaseCrossover()(ReferentSets(INVENTED.frame.rename(columns=names)[COLUMNS], 6.0), 0.5).excess_ratio
    assert swapped.value == approx(1 / found.value, rel=1e-9)


def test_without_added_incidents_there_is_no_excess_ratio():
    found = CaseCrossover()(
        drawn("api | 1 0 | 1 2 0 0 | 9\nweb | 0 0 | 1 3 1 0 | 7\napp | 0 1 | 1 1 2 0 | 5")
    ).excess_ratio
    assert "no more frequent than in the background" in silent(found)


def silent(found: Estimate) -> str:
    assert isnan(found.value) and (found.interval.low, found.interval.high) == (0, inf) and found.p_value is None
    return found.caveats[0]


def test_no_set_is_no_answer():
    found = CaseCrossover()(ReferentSets(pd.DataFrame(columns=COLUMNS), 6.0))
    assert {silent(estimate) for estimate in found} == {
        "There is no referent set, because no incident began where it could have one."
    }


def test_sets_whose_moments_are_alike_say_nothing():
    found = CaseCrossover()(drawn("api | 0 0 | 4 0 0 0 | 3\nweb | 0 0 | 5 0 0 0 | 2"))
    assert silent(found.odds_ratio_ai) == (
        "None of the 5 sets has moments that differ in whether an AI-assisted deployment came before them."
    )


def test_incidents_on_one_side_only_give_no_finite_ratio():
    found = CaseCrossover()(drawn("api | 1 0 | 3 1 0 0 | 3\nweb | 1 0 | 4 1 0 0 | 2\nweb | 0 1 | 3 0 1 0 | 2"))
    assert silent(found.odds_ratio_ai) == (
        "Of the 5 sets that differ in it, in every one the incident followed an AI-assisted deployment: the ratio "
        "would be infinite, without an interval."
    )
    found = CaseCrossover()(drawn("api | 0 0 | 3 1 0 0 | 3\nweb | 0 0 | 4 1 0 0 | 2"))
    assert "in no one the incident followed an AI-assisted deployment: the ratio would be zero" in silent(
        found.odds_ratio_ai
    )


def test_kinds_that_always_come_together_cannot_be_told_apart():
    found = CaseCrossover()(
        drawn("api | 1 1 | 3 0 0 1 | 3\napi | 0 0 | 3 0 0 2 | 3\nweb | 1 1 | 3 0 0 2 | 2\nweb | 0 0 | 3 0 0 1 | 2")
    )
    for estimate in found:
        assert "always come and go together" in silent(estimate)


def test_one_service_cannot_show_how_services_differ():
    found = CaseCrossover()(ReferentSets(INVENTED.frame.query("service == 'app'"), 6.0))
    assert {silent(estimate).rpartition(" are ")[2] for estimate in found} == {
        "of one service, which cannot show how they differ."
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"case_ai": 2}, "case_ai holds 2; it is 0 or 1"),
        ({"n10": -1}, "n10 holds -1; it is a whole number from 0 up"),
        ({"service": None}, "empty values in service"),
        ({"case_ai": 0, "case_other": 0, "n00": 0}, "35 rows count no moment like the incident's own"),
    ],
)
def test_sets_that_are_none_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        CaseCrossover()(ReferentSets(INVENTED.frame.assign(**change), 6.0))


def test_a_missing_column_and_a_wrong_level_are_refused():
    with pytest.raises(ValueError, match="need the columns n11, which these lack"):
        CaseCrossover()(ReferentSets(INVENTED.frame.drop(columns="n11"), 6.0))
    with pytest.raises(ValueError, match="level is 95"):
        CaseCrossover()(INVENTED, 95)


# --- matched pairs


def test_the_published_matched_pairs_come_out():
    # Redelmeier & Tibshirani (1997), NEJM 336:453: 157 and 24 discordant pairs, crude odds ratio 6.5.       # R 4.2.2
    # > binom.test(157, 181)$conf.int, as p / (1 − p);  exp(log(b/c) ± z·sqrt(1/b + 1/c));  mcnemar.test(…, correct = F)
    exact = matched_pairs(case_only=157, control_only=24)
    wald = matched_pairs(case_only=157, control_only=24, limits=PairLimits.WALD)
    assert exact.value == wald.value == approx(6.54166666666667, rel=1e-12)
    assert (exact.interval.low, exact.interval.high) == approx((4.23994757700147, 10.5154806189503), rel=1e-10)
    assert (wald.interval.low, wald.interval.high) == approx((4.25725235677327, 10.0518830436945), rel=1e-10)
    assert wald.p_value == approx(chi2.sf(97.7292817679558, 1), rel=1e-9)
    assert exact.id == wald.id == "case_crossover.matched_pairs"


@pytest.mark.parametrize(("b", "c"), [(1, 3), (7, 2), (0, 4), (12, 12)])
def test_exact_limits_leave_half_of_the_error_on_each_side(b, c):
    found = matched_pairs(case_only=b, control_only=c, level=0.9)
    high = found.interval.high
    assert binom.cdf(b, b + c, high / (1 + high)) == approx(0.05)
    if b:
        low = found.interval.low
        assert binom.sf(b - 1, b + c, low / (1 + low)) == approx(0.05)


def test_one_control_per_case_gives_the_odds_ratio_of_matched_pairs():
    sets = drawn("a | 1 0 | 1 1 0 0 | 9\na | 0 0 | 1 1 0 0 | 3\nb | 1 0 | 1 1 0 0 | 5\nb | 0 0 | 1 1 0 0 | 4")
    assert CaseCrossover()(sets).odds_ratio_ai.value == approx(matched_pairs(case_only=14, control_only=7).value)


def test_swapping_case_and_control_inverts_the_ratio():
    for limits in PairLimits:
        there = matched_pairs(case_only=9, control_only=4, limits=limits)
        back = matched_pairs(case_only=4, control_only=9, limits=limits)
        assert there.value * back.value == approx(1)
        assert there.interval.low * back.interval.high == approx(1)
        assert there.p_value == approx(back.p_value)


def test_without_pairs_on_one_side_the_exact_limit_is_all_there_is():
    found = matched_pairs(case_only=5, control_only=0, limits=PairLimits.WALD)
    assert isnan(found.value) and isinf(found.interval.high)
    assert found.interval.low == approx(0.025 ** (1 / 5) / (1 - 0.025 ** (1 / 5)))
    assert "Clopper" in found.method
    assert matched_pairs(case_only=0, control_only=5).value == 0


def test_without_discordant_pairs_there_is_no_answer():
    assert "0/0" in silent(matched_pairs(case_only=0, control_only=0))


def test_counts_that_are_none_are_refused():
    with pytest.raises(ValueError, match="case_only is -1; a number of pairs is 0 or more"):
        matched_pairs(case_only=-1, control_only=3)
    with pytest.raises(ValueError, match=r"control_only is 2\.5; pairs are counted in whole numbers"):
        matched_pairs(case_only=1, control_only=2.5)
