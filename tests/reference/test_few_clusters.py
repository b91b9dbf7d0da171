"""Inference with few clusters, against R, against printed numbers, and against the definitions spelt out."""

from itertools import combinations, permutations, product
from math import exp, inf, log, sqrt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pytest import approx
from test_regression import bacteria, formula_table, solved

from counterfault.cells import Cells
from counterfault.estimators.poisson.cluster_robust import NOT_ABSORBED, SmallSample, WorkingModel, cluster_robust
from counterfault.estimators.poisson.jackknife import ClusterJackknife, one_step_without_each
from counterfault.estimators.poisson.regression import ModifiedPoisson
from counterfault.estimators.poisson.regression_problem import comparable, problem_of
from counterfault.estimators.poisson.sign_weights import Weights, WeightTable
from counterfault.estimators.poisson.two_way import TwoWayPoisson, one_way, two_way
from counterfault.estimators.poisson.wild_score import RestrictedScores, ScoreTest, WildScore
from counterfault.estimators.poisson.within_strata import influence
from counterfault.estimators.tables.exact import exact_conditional
from counterfault.estimators.tables.randomisation import RandomiseClusters, RandomiseDeployments

FORMULAS = {  # strata and covariates behind the R formulas below
    "stratum": (("service", "period"), ()),
    "size + stratum": (("service", "period"), ("size",)),
    "size + period": (("period",), ("size",)),
    "size": ((), ("size",)),
}


def limits(found):
    return found.interval.low, found.interval.high


def table(*rows: tuple[str, str, int, int, int], strata=("service", "period")) -> Cells:
    """Cells of (service, period, exposed, n, events)."""
    frame = pd.DataFrame(rows, columns=["service", "period", "exposed", "n", "events"])
    return Cells(frame.assign(exposure_hours=24.0 * frame["n"]), strata)


# ---------------------------------------------------------------------------------------------------------------
# Linear models through the same functions: Petersen's test data and Grunfeld's investments
# ---------------------------------------------------------------------------------------------------------------


def linear(design: np.ndarray, y: np.ndarray, clusters: np.ndarray) -> WorkingModel:
    """Least squares as a working model: all variances 1."""
    beta = np.linalg.lstsq(design, y)[0]
    ones = np.ones(len(y))
    codes = np.unique(clusters, return_inverse=True)[1]
    return WorkingModel(design, ones, y - design @ beta, ones, codes, np.full(len(y), NOT_ABSORBED))


def petersen() -> tuple[pd.DataFrame, np.ndarray]:
    data = pd.read_csv(Path(__file__).with_name("petersen.csv"))  # from R's sandwich: PetersenCL
    return data, np.column_stack([np.ones(len(data)), data["x"]])


# > m <- lm(y ~ x, PetersenCL); sandwich::vcovCL(m, ~ firm | ~ year | ~ firm + year, type = "HC1", cadjust = TRUE)
# R 4.2.2, sandwich 3.0.2. Petersen's own page prints firm 0.0506, year 0.0334, both 0.0536. HC1 brings a further
# (n-1)/(n-k), which this project does not use; hc1 itself has n/(n-k).
HC1 = 4999 / 4998


def test_petersens_coefficients_and_least_squares_error():
    data, design = petersen()
    beta = np.linalg.lstsq(design, data["y"].to_numpy())[0]
    assert beta == approx([0.0296797207345178, 1.0348334394617], rel=1e-9)
    model = linear(design, data["y"].to_numpy(), data["firm"].to_numpy())
    spread = model.residuals @ model.residuals / 4998
    ols = spread * cluster_robust(model, SmallSample.CR0).model_covariance
    assert sqrt(ols[1, 1]) == approx(0.0285832877912833, rel=1e-9)


@pytest.mark.parametrize(
    ("kind", "by", "factor", "printed"),
    [
        ("CR0", "firm", 1, 0.0505400490605134),
        ("CR1", "firm", 1, 0.0505906650462191),
        ("CR1", "firm", HC1, 0.0505957258840296),
        ("CR1", "year", HC1, 0.0333889134119265),
    ],
)
def test_petersens_one_way_errors(kind, by, factor, printed):
    data, design = petersen()
    found = cluster_robust(linear(design, data["y"].to_numpy(), data[by].to_numpy()), SmallSample[kind])
    assert found.standard_errors[1] * sqrt(factor) == approx(printed, rel=1e-9)


def test_petersens_two_way_error_has_a_factor_for_each_direction():
    data, design = petersen()
    model = linear(design, data["y"].to_numpy(), data["firm"].to_numpy())
    each = influence(model)
    rows = np.arange(5000)
    firm, year, both = (one_way(each, codes)[1, 1] for codes in (model.clusters, data["year"].to_numpy() - 1, rows))
    assert sqrt(two_way(firm, year, both) * HC1) == approx(0.0535580229449379, rel=1e-9)
    assert sqrt(both * 4999 / 5000 * 5000 / 4998) == approx(0.0283951614679422, rel=1e-9)  # hc1: one row, one cluster


# > firms <- unique(g$firm); b <- coef(f <- lm(invest ~ value + capital, g))
# > bg <- sapply(firms, function(x) coef(lm(invest ~ value + capital, g[g$firm != x, ])))
# > sqrt(9/10 * rowSums((bg - b)^2))                          34.8133821777 0.0161299720793 0.147330878065
# > sqrt(diag(clubSandwich::vcovCR(f, g$firm, "CR3")))        36.6965269118619 0.0170024834552 0.1553003814530
# R 4.2.2, clubSandwich 0.5.8. pyfixest's "CRV3" is 0.16453 for capital: a second factor on top of the jackknife's.
def test_grunfelds_jackknife_has_one_factor_and_no_other():
    from statsmodels.datasets import grunfeld

    data = grunfeld.load_pandas().data.query("firm != 'American Steel'")
    design = np.column_stack([np.ones(200), data["value"], data["capital"]])
    steps = one_step_without_each(linear(design, data["invest"].to_numpy(), data["firm"].to_numpy().astype(str)))
    squares = (steps**2).sum(axis=0)
    assert np.sqrt(9 / 10 * squares) == approx([34.8133821777, 0.0161299720793, 0.147330878065], rel=1e-10)
    assert np.sqrt(squares) == approx([36.6965269118619, 0.0170024834552, 0.1553003814530], rel=1e-9)


def test_the_poisson_errors_of_the_bacteria_trial_with_statas_factor():
    # > glm(y ~ active + week, poisson), cluster = id; CR0 and CR0 * sqrt(50/49). R 4.2.2, sandwich 3.0.2, which stops
    # iterating at 1e-8.
    beta, problem = solved(bacteria(), "poisson")
    assert beta == approx([-0.0321495009555594, -0.156783908997182, -0.0233093426893234], rel=1e-9)
    cr0 = cluster_robust(problem, SmallSample.CR0).standard_errors
    assert cr0 == approx([0.0517445072803846, 0.0783406495284479, 0.00912620094900776], rel=1e-7)
    cr1 = cluster_robust(problem, SmallSample.CR1).standard_errors
    assert cr1 == approx([0.0522698456958809, 0.0791360064630346, 0.00921885511073498], rel=1e-7)
    assert np.sqrt(np.diag(one_way(influence(problem), problem.clusters))) == approx(cr1, rel=1e-12)


# ---------------------------------------------------------------------------------------------------------------
# The cluster jackknife
# ---------------------------------------------------------------------------------------------------------------

# The formula table is made in R as test_regression.py tells; then, with FORMULA = event ~ exposed + factor(...):
# > fit <- glm(FORMULA, poisson, rows, control = glm.control(epsilon = 1e-15, maxit = 100)); b <- coef(fit)["exposed"]
# > refit <- sapply(1:7, function(s) { r <- subset(rows, service != s & ave(event, stratum, FUN = sum) > 0)
# +   coef(glm(FORMULA, poisson, r, control = glm.control(epsilon = 1e-15, maxit = 100)))["exposed"] })
# > w <- fit$weights; z <- fit$linear.predictors + residuals(fit, "working"); X <- model.matrix(fit)
# > step <- sapply(1:7, function(s) { k <- rows$service != s; coef(lm.wfit(X[k, ], z[k], w[k]))["exposed"] })
# > se <- sqrt(6/7 * sum((refit - b)^2)); sqrt(6/7 * sum((step - b)^2))
# > 2 * pt(-abs(b/se), 6); exp(b + c(-1, 1) * qt(.975, 6) * se)
# R 4.2.2. clubSandwich 0.5.8's CR3 times sqrt(6/7) gives the step for the last two: 0.102000629287, 0.0980015531274
# (fit$weights, which both use, are one iteration behind); for the first two it stops, a service being all there is of
# its strata.
JACKKNIFE = [
    ("stratum", 0.0965060931243, 0.0965310834077, 0.0471311568627, (1.00421409591, 1.61041039047)),
    ("size + stratum", 0.110011206432, 0.109976867908, 0.0631317468523, (0.981390504845, 1.68133920058)),
    ("size + period", 0.102010549451, 0.102000630358, 0.0664135286044, (0.979041285956, 1.61291028721)),
    ("size", 0.097820323266, 0.0980015548104, 0.0495328422183, (1.00067649163, 1.61509160993)),
]


@pytest.mark.parametrize(("formula", "refit", "step", "p", "printed"), JACKKNIFE)
def test_the_jackknife_is_a_loop_of_fits_in_r(formula, refit, step, p, printed):
    strata, adjust_for = FORMULAS[formula]
    cells = Cells(formula_table(), strata)
    found = ClusterJackknife(adjust_for)(cells)
    assert found.value == approx(ModifiedPoisson(adjust_for)(cells).value, rel=1e-12)
    assert found.standard_error == approx(refit, rel=1e-9)
    assert found.p_value == approx(p, rel=1e-9)
    assert limits(found) == approx(printed, rel=1e-9)
    assert ClusterJackknife(adjust_for, most_refits=6)(cells).standard_error == approx(step, rel=5e-8)


def test_the_jackknife_says_which_of_its_forms_it_took():
    cells = Cells(formula_table())
    refits, steps = ClusterJackknife(("size",))(cells), ClusterJackknife(("size",), most_refits=0)(cells)
    assert refits.id == "regression.risk_ratio.jackknife"
    assert (refits.design, refits.adjustment) == ("within service × period", ("size",))
    assert refits.method == (
        "modified Poisson regression (Zou 2004), service × period effects conditioned out; cluster jackknife by "
        "service (CV3, factor (G−1)/G; refits), t with 6 degrees of freedom"
    )
    assert "(CV3, factor (G−1)/G; first Newton step instead of 7 refits, CV3L)" in steps.method
    assert refits.support == ModifiedPoisson(("size",))(cells).support


def test_a_level_that_only_one_service_gives_incidents_to_leaves_with_it():
    # Without service 1 large deployments never fail, so the fit without it has one level fewer.
    frame = formula_table()
    frame.loc[(frame["size"] == "large") & (frame["service"] != "service 1"), "events"] = 0
    found = ClusterJackknife(("size",))(Cells(frame))
    whole = log(ModifiedPoisson(("size",))(Cells(frame)).value)
    without = [log(ModifiedPoisson(("size",))(Cells(rest)).value) for rest in all_but_one(frame)]
    assert found.standard_error == approx(sqrt(6 / 7 * sum((b - whole) ** 2 for b in without)), rel=1e-9)


def test_a_level_that_only_one_service_has_leaves_with_it():
    frame = formula_table()
    frame.loc[frame["service"] != "service 1", "size"] = "small"
    found, steps = ClusterJackknife(("size",))(Cells(frame)), ClusterJackknife(("size",), 0)(Cells(frame))
    whole = log(ModifiedPoisson(("size",))(Cells(frame)).value)
    without = [log(ModifiedPoisson(("size",))(Cells(rest)).value) for rest in all_but_one(frame)]
    assert found.standard_error == approx(sqrt(6 / 7 * sum((b - whole) ** 2 for b in without)), rel=1e-9)
    assert steps.standard_error == approx(found.standard_error, rel=0.05)


def all_but_one(frame: pd.DataFrame) -> list[pd.DataFrame]:
    return [frame[frame["service"] != service] for service in sorted(frame["service"].unique())]


CARRIED = table(
    ("a", "q1", 1, 9, 4), ("a", "q1", 0, 9, 2), ("b", "q1", 1, 9, 0), ("b", "q1", 0, 9, 3),
    ("c", "q1", 1, 9, 0), ("c", "q1", 0, 9, 2),
)  # fmt: skip


def test_an_estimate_that_one_service_carries_has_no_jackknife():
    found = ClusterJackknife()(CARRIED)
    assert not found.estimable
    assert found.interval.high == inf
    assert found.caveats == (
        "Without service a there is no estimate, so the jackknife cannot say how far service a moves it: No exposed "
        "deployment was followed by an incident where it can be compared with unexposed ones of its service × period: "
        "the ratio would be zero, without an interval.",
    )


@pytest.mark.parametrize(("most_refits", "reason"), [(0, "exposure is compared nowhere else."), (9, "No period holds")])
def test_without_the_only_service_that_compares_there_is_no_step_and_no_refit(most_refits, reason):
    # Periods run across services. Without a, the first has exposed deployments only and the second unexposed ones.
    cells = table(
        ("a", "q1", 1, 9, 4), ("a", "q1", 0, 9, 2), ("b", "q1", 1, 9, 1), ("a", "q2", 1, 9, 2), ("c", "q2", 0, 9, 3),
        strata=("period",),
    )  # fmt: skip
    found = ClusterJackknife((), most_refits)(cells)
    assert not found.estimable
    assert found.caveats[0].startswith(
        "Without service a there is no estimate, so the jackknife cannot say how far service a moves it: " + reason
    )


def test_without_the_only_service_that_failed_there_is_nothing_to_fit():
    rows = [(s, "q1", e, 9, (2 + e) * (s == "a")) for s in "abcd" for e in (0, 1)]
    found = ClusterJackknife()(table(*rows, strata=("period",)))
    assert not found.estimable
    assert found.caveats[0].endswith("None of the 54 deployments was followed by an incident.")


def test_a_negative_number_of_refits_is_refused():
    with pytest.raises(ValueError, match=r"^most_refits is -1; it counts fits, so it is 0 or more\.$"):
        ClusterJackknife(most_refits=-1)


# ---------------------------------------------------------------------------------------------------------------
# The wild score bootstrap
# ---------------------------------------------------------------------------------------------------------------

# > rows$off <- th * rows$exposed; fit <- glm(event ~ factor(...), poisson, rows, offset = off, control = ctl)
# > X <- model.matrix(fit); mu <- fitted(fit)
# > xt <- rows$exposed - drop(X %*% coef(lm.wfit(X, rows$exposed, mu)))
# > u <- tapply(xt * (rows$event - mu), rows$service, sum)
# > S <- as.matrix(expand.grid(rep(list(c(-1, 1)), 7))); t <- function(w) abs(sum(w)) / sqrt(sum((w - mean(w))^2))
# > mean(apply(S, 1, function(v) t(v * u)) >= t(u) * (1 - 1e-9))       # all 2^7 sign vectors, from the definition
# and bisection on th for the two places where that share falls to 0.1. R 4.2.2.
NULL_SCORES = {
    ("stratum", 0.0): (
        -0.487598566308, 1.137566137566, 2.508346581876, -0.199587912088, 1.810606060606, 1.036757022558,
        3.442857142857,
    ),
    ("stratum", log(1.5)): (
        -2.53459692393932, -0.57192982456140, -0.00645746006571, -2.49958519549335, -0.35812976677352,
        -1.47967960679015, 1.25909090909091,
    ),
    ("size + stratum", log(0.8)): (
        0.542544335606, 2.464830928174, 4.455990639691, 1.070646425627, 2.493211038542, 2.381026619901,
        4.954988207881,
    ),
    ("size + period", log(1.5)): (
        -2.513646580535, -0.619381783202, 0.117153207043, -2.520270532289, -1.574209575200, -1.544036682542,
        1.672735712835,
    ),
}  # fmt: skip
WILD = [
    ("stratum", 8 / 128, (1.04878425992, 1.56910798516)),
    ("size + stratum", 8 / 128, (1.02783999482, 1.61777244512)),
    ("size + period", 8 / 128, (1.02769360944, 1.52023042693)),
]


@pytest.mark.parametrize(("formula", "null"), NULL_SCORES)
def test_restricted_scores_are_those_of_a_glm_with_an_offset_in_r(formula, null):
    strata, adjust_for = FORMULAS[formula]
    used = comparable(problem_of(Cells(formula_table(), strata), adjust_for))
    scores = RestrictedScores(used, np.zeros(used.design.shape[1]))
    assert scores(null) == approx(NULL_SCORES[formula, null], rel=1e-10)


@pytest.mark.parametrize(("formula", "p", "printed"), WILD)
def test_all_sign_vectors_give_the_p_value_and_limits_of_the_enumeration_in_r(formula, p, printed):
    strata, adjust_for = FORMULAS[formula]
    found = WildScore(adjust_for, Weights.RADEMACHER)(Cells(formula_table(), strata), level=0.9)
    assert found.p_value == p
    assert limits(found) == approx(printed, rel=2e-7)
    assert found.id == "regression.risk_ratio.wild_score"
    assert found.caveats == ()
    assert np.isnan(found.standard_error)
    assert "null imposed, studentised (all 2^7 sign vectors; no further small-sample factor)" in found.method


def test_webb_weights_are_judged_by_the_studentised_statistic_from_its_definition():
    scores = np.array(NULL_SCORES["stratum", 0.0])
    drawn = WeightTable.of(Weights.WEBB, clusters=7, draws=999, seed=5)

    def studentised(u):
        return abs(u.sum()) / sqrt(((u - u.mean()) ** 2).sum())

    as_far = sum(studentised(w * scores) >= studentised(scores) for w in drawn.weights)
    assert ScoreTest(lambda _: scores, drawn)(0.0) == (1 + as_far) / 1000
    assert sorted(set(np.round(drawn.weights.ravel() ** 2, 9))) == [0.5, 1.0, 1.5]


def test_fewer_than_ten_clusters_get_webbs_weights_unless_asked_otherwise():
    found = WildScore(draws=999)(Cells(formula_table()))
    assert "(Webb six-point weights, 999 draws, p = (1+b)/(1+B); no further small-sample factor)" in found.method
    assert 0.02 < found.p_value < 0.1


def test_more_clusters_than_can_be_enumerated_get_random_signs():
    frame = pd.concat([formula_table(), formula_table().assign(service=lambda t: t["service"] + " again")])
    enumerated = WildScore(draws=2**14)(Cells(frame))
    drawn = WildScore(draws=2**14 - 1)(Cells(frame))
    assert "(all 2^14 sign vectors;" in enumerated.method
    assert "(Rademacher weights, 16383 draws, p = (1+b)/(1+B);" in drawn.method
    assert drawn.p_value == approx(enumerated.p_value, abs=4 * sqrt(enumerated.p_value / 2**14))


def test_the_seed_is_the_only_source_of_chance():
    cells = Cells(formula_table())
    one, same, other = (WildScore(draws=999, seed=seed)(cells) for seed in (7, 7, 8))
    assert (one.p_value, one.interval) == (same.p_value, same.interval)
    assert one.interval != other.interval


def test_five_services_can_never_reject_by_signs_alone_and_the_interval_says_so():
    # All signs alike have probability 2/32 by chance: more than 0.05.
    frame = formula_table().query("service <= 'service 5'")
    found = WildScore((), Weights.RADEMACHER)(Cells(frame))
    assert limits(found) == (0, inf)
    assert found.estimable
    assert found.caveats == (
        "The test rejects no ratio however high or low: too few services have failures that speak against it, so the "
        "interval is unbounded there.",
    )


def test_three_exposed_services_are_too_few_and_the_way_out_is_named():
    frame = formula_table()
    frame.loc[frame["service"] > "service 3", "exposed"] = 0
    found = WildScore()(Cells(frame, strata=("period",)))
    assert not found.estimable
    assert found.p_value is None
    assert found.caveats == (
        "Exposed deployments of 3 and unexposed ones of 7 services can be compared; a bootstrap over services needs 4 "
        "of each. Randomisation inference does not: see stratified.randomisation, or clusters.randomisation where "
        "exposure was assigned by cluster.",
    )


# ---------------------------------------------------------------------------------------------------------------
# Two-way clustering
# ---------------------------------------------------------------------------------------------------------------

# > d$week <- (d$service + 2*d$period + d$exposed + 3*d$size) %% 5
# > v <- sandwich::vcovCL(fit, ~ service + week, type = "HC0", cadjust = TRUE)["exposed", "exposed"]
# > 2 * pt(-abs(b/sqrt(v)), 4); exp(b + c(-1, 1) * qt(.975, 4) * sqrt(v))                   R 4.2.2, sandwich 3.0.2
TWO_WAY = [
    ("stratum", 0.154551044443, 0.194890838992, (0.827989052425, 1.95316207331)),
    ("size + stratum", 0.172927123031, 0.221178581835, (0.79475628585, 2.07617147074)),
    ("size + period", 0.180597053298, 0.274594275947, (0.761101579798, 2.07476347919)),
]


def with_weeks() -> pd.DataFrame:
    frame = formula_table()
    numbers = [frame[column].str[-1].astype(int) for column in ("service", "period")]
    size = frame["size"].map({"small": 0, "medium": 1, "large": 2})
    return frame.assign(week=((numbers[0] + 2 * numbers[1] + frame["exposed"] + 3 * size) % 5).astype(str))


@pytest.mark.parametrize(("formula", "error", "p", "printed"), TWO_WAY)
def test_two_way_errors_agree_with_sandwich(formula, error, p, printed):
    strata, adjust_for = FORMULAS[formula]
    found = TwoWayPoisson("week", adjust_for)(Cells(with_weeks(), strata))
    assert found.standard_error == approx(error, rel=5e-8)  # R's weights are one iteration behind
    assert found.p_value == approx(p, rel=1e-7)
    assert limits(found) == approx(printed, rel=1e-7)
    assert found.id == "regression.risk_ratio.two_way"
    assert found.method.endswith(
        "two-way standard error by service and week (Cameron, Gelbach & Miller 2011; CR1, each term with its own "
        "factor G/(G−1)), t with min(G) − 1 = 4 degrees of freedom"
    )


def test_a_sum_of_variances_below_zero_gives_way_to_the_larger_one():
    assert two_way(2.0, 3.0, 1.0) == 4.0
    assert two_way(0.2, 0.3, 1.0) == 0.3
    # Scores cancel over services and over weeks, and only their pairs vary.
    counts = [(5, 1), (1, 5), (1, 5), (5, 1), (5, 1), (1, 6)]
    pairs = [("a", "u"), ("a", "v"), ("b", "u"), ("b", "v"), ("c", "u"), ("c", "v")]
    frame = pd.DataFrame(
        [
            (service, week, exposed, 50, events)
            for (service, week), both in zip(pairs, counts, strict=True)
            for exposed, events in zip((1, 0), both, strict=True)
        ],
        columns=["service", "week", "exposed", "n", "events"],
    )
    cells = Cells(frame, strata=())
    found = TwoWayPoisson("week")(cells)
    assert found.caveats[-1] == (
        "V₁ + V₂ − V₁₂ is not above zero, so the larger of the variances by service and by week is used instead."
    )
    ways = [ModifiedPoisson((), SmallSample.CR1)(Cells(frame, (), by)).standard_error for by in ("service", "week")]
    assert found.standard_error == approx(max(ways), rel=1e-9)


def test_an_unknown_second_cluster_is_named_with_the_possible_ones():
    for column in ("day", "service", "n"):
        with pytest.raises(ValueError) as caught:
            TwoWayPoisson(column)(Cells(with_weeks()))
        assert str(caught.value) == (
            f"Cannot cluster by {column} as well as by service: the cells have period, size, week."
        )


def test_empty_weeks_are_refused():
    with pytest.raises(ValueError, match=r"^Cells have empty values in week; a value nobody knows is a level"):
        TwoWayPoisson("week")(Cells(with_weeks().replace({"week": {"0": None}})))


# ---------------------------------------------------------------------------------------------------------------
# Randomisation: deployments within strata
# ---------------------------------------------------------------------------------------------------------------


def every_assignment(strata: list[tuple[int, int, int, int]]) -> list[float]:
    """Score of each way to choose which deployments are exposed, one by one; strata as (a, n1, c, n0)."""
    scores = []
    for a, n1, c, n0 in strata:
        failed = [1] * (a + c) + [0] * (n1 + n0 - a - c)
        expected = (a + c) * n1 / (n1 + n0)
        scores.append([sum(failed[i] for i in chosen) - expected for chosen in combinations(range(n1 + n0), n1)])
    return [sum(parts) for parts in product(*scores)]


def stratified_cells(strata: list[tuple[int, int, int, int]]) -> Cells:
    rows = []
    for place, (a, n1, c, n0) in enumerate(strata):
        rows += [(f"s{place}", "q1", 1, n1, a), (f"s{place}", "q1", 0, n0, c)]
    return table(*rows)


SMALL = [(3, 4, 1, 5), (2, 3, 1, 4), (1, 2, 0, 3)]


def test_permuting_deployments_is_what_listing_all_assignments_gives():
    found = RandomiseDeployments()(stratified_cells(SMALL))
    observed = sum(a - (a + c) * n1 / (n1 + n0) for a, n1, c, n0 in SMALL)
    all_of_them = every_assignment(SMALL)
    assert len(all_of_them) == 126 * 35 * 10
    far = sum(abs(score) >= abs(observed) - 1e-9 for score in all_of_them)
    assert found.p_value == approx(far / len(all_of_them), rel=1e-9)
    assert found.id == "stratified.randomisation"
    assert "(all assignments, by convolution)" in found.method
    assert found.interval == exact_conditional(stratified_cells(SMALL)).interval


LARGE = table(*[(s, "q1", e, 90_000, 3_000 + 60 * e) for s in "ab" for e in (0, 1)])


def test_beyond_enumeration_the_p_value_is_drawn_and_says_so():
    found = RandomiseDeployments(draws=1_999, seed=3)(LARGE)
    assert "(1999 draws, p = (1+b)/(1+B))" in found.method
    again, other = RandomiseDeployments(1_999, 3)(LARGE), RandomiseDeployments(1_999, 4)(LARGE)
    assert again.p_value == found.p_value != other.p_value


@pytest.mark.parametrize("mid_p", [False, True])
def test_the_drawn_exact_test_agrees_with_the_enumerated_one(mid_p, monkeypatch):
    # The same counts either way: enumerated as they come, drawn when enumeration is forbidden.
    cells = stratified_cells([(30, 90, 20, 110), (12, 40, 9, 60), (7, 30, 11, 30)])
    enumerated = exact_conditional(cells, mid_p=mid_p)
    monkeypatch.setattr("counterfault.estimators.tables.exact.LARGEST_SUPPORT", 10)
    drawn = exact_conditional(cells, mid_p=mid_p, draws=40_000)
    spread = sqrt(enumerated.p_value * (1 - enumerated.p_value) / 40_000)
    assert drawn.p_value == approx(enumerated.p_value, abs=8 * spread + 0.01 * (not mid_p))
    assert drawn.value == approx(enumerated.value, rel=1e-9)
    assert limits(drawn) == approx(limits(enumerated), rel=0.05)
    assert drawn.caveats[0] == (
        "the exact distribution has 90 points, and more than 10 are not enumerated: the p-value is drawn and the "
        "limits are approximate"
    )


def test_the_large_drawn_p_value_is_that_of_the_normal_limit():
    # With 12,120 events the Cochran-Mantel-Haenszel test without continuity correction is as good as exact:
    # > mantelhaen.test(array(c(3060, 3000, 86940, 87000), c(2, 2, 2)), correct = FALSE)$p.value  # 0.2675032, R 4.2.2
    assert exact_conditional(LARGE).p_value == approx(0.2675032, abs=0.02)


@pytest.mark.parametrize(("exposed", "unexposed", "value"), [(0, 12_000, 0.0), (12_000, 0, None)])
def test_a_group_without_events_beyond_enumeration_has_one_limit(exposed, unexposed, value):
    found = exact_conditional(table(("a", "q1", 1, 90_000, exposed), ("a", "q1", 0, 90_000, unexposed)))
    assert found.p_value == 1 / 10_000
    if value is None:
        assert np.isnan(found.value)
        assert found.interval.low > 1000
        assert found.interval.high == inf
        assert found.caveats[0].startswith("the odds ratio has no finite value")
    else:
        assert (found.value, found.interval.low) == (0.0, 0.0)
        assert found.interval.high < 0.001


@pytest.mark.parametrize("setting", [RandomiseDeployments, RandomiseClusters, WildScore])
def test_too_few_draws_are_refused(setting):
    with pytest.raises(ValueError, match=r"^draws is 50; with fewer than 99 no p-value is below 0\.01\.$"):
        setting(draws=50)
    with pytest.raises(ValueError, match=r"^draws is 50; "):
        exact_conditional(LARGE, draws=50)


def test_deployments_that_cannot_be_permuted_say_why():
    found = RandomiseDeployments()(table(("a", "q1", 1, 4, 1), ("b", "q1", 0, 4, 1)))
    assert found.id == "stratified.randomisation"
    assert found.p_value is None
    assert found.caveats == (
        "no stratum (of 2) holds both exposed and unexposed deployments, so nothing can be compared within service × "
        "period",
    )


# ---------------------------------------------------------------------------------------------------------------
# Randomisation: histories between clusters
# ---------------------------------------------------------------------------------------------------------------

ADOPTERS = {  # first exposed quarter, deployments and events by quarter
    "a": (1, (40, 50, 60), (2, 6, 9)),
    "b": (2, (30, 30, 35), (1, 2, 5)),
    "c": (9, (90, 80, 85), (6, 5, 4)),
    "d": (9, (20, 25, 20), (1, 0, 2)),
    "e": (9, (60, 65, 55), (3, 4, 3)),
    "f": (9, (45, 40, 50), (2, 3, 2)),
}


def adopters(empty: bool = False, **changes: tuple[int, tuple[int, ...], tuple[int, ...]]) -> Cells:
    return table(
        *[
            (name, f"q{quarter}", int(quarter >= start), n[quarter], events[quarter])
            for name, (start, n, events) in {**ADOPTERS, **changes}.items()
            for quarter in range(3)
            if n[quarter] or empty
        ]
    )


def p_by_listing(cells: Cells, ratio: float) -> float:
    """Share of all orders of the histories whose standardised score is as far out, from the definition."""
    frame = cells.frame
    wide = {c: frame.pivot(index="service", columns="period", values=c).to_numpy() for c in ("n", "events", "exposed")}
    events = wide["events"] / np.where(wide["exposed"] == 1, ratio, 1)

    def statistic(exposed):
        n, n1 = wide["n"].sum(axis=0), (wide["n"] * exposed).sum(axis=0)
        m, a = events.sum(axis=0), (events * exposed).sum(axis=0)
        variance = (m * n1 * (n - n1) / n**2).sum()
        return abs((a - m * n1 / n).sum()) / sqrt(variance)

    observed = statistic(wide["exposed"])
    orders = list(permutations(range(len(events))))
    return sum(statistic(wide["exposed"][list(order)]) >= observed * (1 - 1e-9) for order in orders) / len(orders)


def test_exchanging_histories_is_what_listing_all_orders_gives():
    found = RandomiseClusters()(adopters())
    assert found.id == "clusters.randomisation"
    assert found.p_value == approx(p_by_listing(adopters(), 1.0), rel=1e-12)
    assert "(all 30 distinct exchanges)" in found.method
    assert found.design == "between services within period"
    assert (found.support["clusters"], found.support["exposed_clusters"]) == (6, 2)


def test_limits_between_clusters_are_where_the_listing_stops_rejecting():
    found = RandomiseClusters()(adopters(), level=0.8)
    low, high = limits(found)
    assert 0 < low < found.value < high < inf
    for inside, outside in ((low * 1.0001, low / 1.0001), (high / 1.0001, high * 1.0001)):
        assert p_by_listing(adopters(), inside) > 0.2
        assert p_by_listing(adopters(), outside) <= 0.2 + 1e-12


def test_the_ratio_between_clusters_is_the_poisson_one_within_periods():
    found = RandomiseClusters()(adopters())
    assert found.value == approx(ModifiedPoisson()(Cells(adopters().frame, ("period",))).value, rel=1e-9)


def test_six_clusters_with_thirty_exchanges_cannot_reject_at_99_percent():
    found = RandomiseClusters()(adopters(), level=0.99)
    assert limits(found) == (0, inf)
    assert found.caveats == (
        "The test rejects no ratio however high or low: there are 30 ways to deal out the histories, so the interval "
        "is unbounded there.",
    )


def test_more_exchanges_than_draws_are_drawn():
    mild = adopters(a=(1, (40, 50, 60), (2, 4, 5)), b=(2, (30, 30, 35), (1, 2, 3)))
    frames = [mild.frame.assign(service=mild.frame["service"] + str(copy)) for copy in range(2)]
    cells = Cells(pd.concat(frames), ("service", "period"))  # 12 clusters: 12!/(2! 2! 8!) = 2970 exchanges
    found, again, other = (RandomiseClusters(draws=2_000, seed=seed)(cells) for seed in (1, 1, 2))
    assert "(2000 random exchanges, p = (1+b)/(1+B))" in found.method
    assert (found.p_value, found.interval) == (again.p_value, again.interval)
    every = RandomiseClusters(draws=2_970)(cells)
    assert "(all 2970 distinct exchanges)" in every.method
    for drawn in (found, other):
        assert drawn.p_value == approx(every.p_value, abs=4 * sqrt(every.p_value / 2000))
        assert limits(drawn) == approx(limits(every), rel=0.1)


def test_a_quarter_without_deployments_keeps_the_exposure_of_the_one_before():
    # Service a, exposed from q1 on, ships nothing in q2: whoever gets its history is exposed there nevertheless.
    paused = {"a": (1, (40, 50, 0), (2, 6, 0))}
    written_out = adopters(**paused, empty=True)
    assert written_out.frame.query("service == 'a' and period == 'q2'")["exposed"].tolist() == [1]
    found = RandomiseClusters()(adopters(**paused))
    assert len(adopters(**paused).frame) == len(written_out.frame) - 1
    assert found.p_value == approx(p_by_listing(written_out, 1.0), rel=1e-12)


BETWEEN = {
    "exposure varies inside 1 of 3 blocks of one service within one period, so it was not assigned by service: see "
    "stratified.randomisation": table(
        ("a", "q1", 1, 5, 1), ("a", "q1", 0, 5, 1), ("b", "q1", 0, 5, 1), ("c", "q1", 1, 5, 0)
    ),
    "there is no event, so nothing can be compared": table(("a", "q1", 1, 5, 0), ("b", "q1", 0, 5, 0)),
    "exposed and unexposed services never meet within one period with an event, so nothing can be compared": table(
        ("a", "q1", 1, 5, 1), ("b", "q2", 0, 5, 1)
    ),
    "no exposed deployment that can be compared had an event: the ratio is zero, without an interval": table(
        ("a", "q1", 1, 5, 0), ("b", "q1", 0, 5, 2), ("c", "q1", 0, 5, 1)
    ),
    "no unexposed deployment that can be compared had an event: the ratio is infinite": table(
        ("a", "q1", 1, 5, 3), ("b", "q1", 0, 5, 0), ("c", "q1", 0, 5, 0)
    ),
}  # fmt: skip


@pytest.mark.parametrize("reason", BETWEEN)
def test_what_cannot_be_judged_between_clusters_says_why(reason):
    found = RandomiseClusters()(BETWEEN[reason])
    assert found.caveats == (reason,)
    assert not found.estimable
    assert limits(found) == (0, inf)
    # a ratio of zero or infinity still has a test of no difference
    assert (found.p_value is not None) == reason.startswith("no ")


def test_no_deployments_at_all_are_no_comparison():
    for setting in (RandomiseClusters(), RandomiseDeployments(), WildScore(), ClusterJackknife()):
        found = setting(table())
        assert not found.estimable
        assert found.caveats


@pytest.mark.parametrize("setting", [RandomiseClusters(), WildScore(), ClusterJackknife(), TwoWayPoisson("period")])
def test_a_level_in_percent_is_refused(setting):
    with pytest.raises(ValueError, match=r"^level is 95; a confidence level lies between 0 and 1, such as 0\.95\.$"):
        setting(Cells(formula_table()), level=95)


def test_cells_without_a_cluster_are_refused():
    frame = adopters().frame
    with pytest.raises(ValueError, match=r"^Cells have empty values in service; a value nobody knows is a level"):
        RandomiseClusters()(Cells(frame.assign(service=None), ("period",)))


def test_limits_are_on_the_ratio_scale():
    found = ClusterJackknife()(Cells(formula_table()), level=0.5)
    assert log(found.interval.high / found.value) == approx(log(found.value / found.interval.low))
    assert found.value == approx(exp(0.240347144452), rel=1e-10)
