"""The empirical null, the calibrated interval and the pooled controls, against R and against integration."""

from math import exp, log

import numpy as np
import pytest
from pytest import approx
from scipy.integrate import quad
from scipy.stats import norm

from counterfault.challenges.calibration import calibrated, pooled_controls, systematic_error
from counterfault.challenges.empirical_null import EmpiricalNull, UncertainNull
from counterfault.estimate import Estimand, Estimate, Interval

# ---------------------------------------------------------------------------------------------------------------
# Twenty-four controls that both languages can make from one formula.
# ---------------------------------------------------------------------------------------------------------------
# > i <- 1:24; y <- 0.15 + ((7*i) %% 11 - 5)/12; s <- 0.10 + ((5*i) %% 9)/25
PLACE = np.arange(1, 25)
Y = 0.15 + ((7 * PLACE) % 11 - 5) / 12
S = 0.10 + ((5 * PLACE) % 9) / 25
PRIMARY = (log(1.6), 0.1)

# > m <- metafor::rma(y, sei = s, method = "ML", control = list(threshold = 1e-14, maxiter = 1000))
# > c(coef(m), sqrt(m$tau2))
#   0.1387722060  0.1660433717
# R 4.2.2, metafor 3.8.1. The likelihood is that of the empirical null; EmpiricalCalibration 3.1.4's own fitNull stops
# on the way to its top, at 0.1388092 and 0.1660156.
MOST_LIKELY = (0.1387722060, 0.1660433717)

# With these two as the null, EmpiricalCalibration 3.1.4 in R 4.2.2:
# > calibrateP(null, log(1.6), 0.1)
#   0.08747533283
# > computeExpectedAbsoluteSystematicError(null)
#   0.1762365663
# > model <- c(meanIntercept = mean, meanSlope = 1, sdIntercept = sd, sdSlope = 0)
# > calibrateConfidenceInterval(log(1.6), 0.1, model, 0.95)
#   0.3312314232 -0.04867007634 0.7111329228
# > calibrateConfidenceInterval(log(1.6), 0.1, model, 0.90)
#   0.3312314232  0.01240803444 0.6500548121
# Its limits are roots that uniroot finds to about four decimals.
LIMITS = {0.95: (-0.04867007634, 0.7111329228), 0.90: (0.01240803444, 0.6500548121)}


def test_the_most_likely_null_agrees_with_metafor():
    null = EmpiricalNull.most_likely(Y, S)
    assert (null.mean, null.spread) == approx(MOST_LIKELY, rel=1e-8)


def test_calibrated_p_limits_and_expected_error_agree_with_empirical_calibration():
    null = EmpiricalNull(*MOST_LIKELY)
    assert null.p_value(*PRIMARY) == approx(0.08747533283, rel=1e-8)
    assert null.expected_absolute_error() == approx(0.1762365663, rel=1e-8)
    for level, limits in LIMITS.items():
        assert null.limits(*PRIMARY, level) == approx(limits, abs=1e-4)


# The average over what mean and spread may be, flat in the mean and half-normal in the spread, by R's adaptive
# quadrature in two dimensions (no formula of ours in it):
# > f <- function(th, t) sapply(th, function(a) exp(sum(dnorm(y, a, sqrt(s^2 + t^2), log = TRUE)))) * dnorm(t)
# > over <- function(g) integrate(Vectorize(function(t) integrate(function(a) f(a, t) * g(a, t), -3, 3,
# +   rel.tol = 1e-10, subdivisions = 1000)$value), 0, 3, rel.tol = 1e-9, subdivisions = 1000)$value
# > below <- function(x) over(function(a, t) pnorm(x - log(1.6) + a, 0, sqrt(0.01 + t^2))) / over(function(a, t) 1)
# > 2 * min(below(0), 1 - below(0))
#   0.1395205879
# > c(root(below, 0.025), root(below, 0.5), root(below, 0.975))    # uniroot on (-2, 2), tol = 1e-9
#   -0.1282641037  0.3300431775  0.7881767610
def test_the_average_over_mean_and_spread_agrees_with_integration_in_two_dimensions():
    null = UncertainNull.of(Y, S)
    assert null.p_value(*PRIMARY) == approx(0.1395205879, rel=1e-7)
    assert null.limits(*PRIMARY, 0.95) == approx((-0.1282641037, 0.7881767610), rel=1e-7)
    assert null.value(*PRIMARY) == approx(0.3300431775, rel=1e-7)


def test_the_limits_of_the_expected_error_leave_out_what_they_say():
    """Of the plausible means and spreads 2.5 % have a smaller expected error than the lower limit, and so on."""
    means, spreads = np.meshgrid(np.linspace(-0.4, 0.7, 160), np.linspace(0.002, 0.9, 160))
    heights = norm.logpdf(Y, means[..., None], np.sqrt(S**2 + spreads[..., None] ** 2)).sum(axis=-1)
    weight = np.exp(heights - heights.max()) * norm.pdf(spreads)
    # E|e| by its definition, on a fine ladder of quantiles.
    steps = norm.ppf((np.arange(400) + 0.5) / 400)
    size = np.abs(means[..., None] + spreads[..., None] * steps).mean(axis=-1)
    middle, low, high = UncertainNull.of(Y, S).expected_absolute_error(0.95)
    for limit, share in ((low, 0.025), (middle, 0.5), (high, 0.975)):
        assert weight[size < limit].sum() / weight.sum() == approx(share, abs=0.004)


@pytest.mark.parametrize(("mean", "spread"), [(0.0, 0.2), (0.15, 0.25), (-0.4, 0.1), (0.3, 0.004), (2.0, 0.01)])
def test_the_expected_absolute_error_is_the_integral_it_names(mean, spread):
    around = (mean - 12 * spread, mean + 12 * spread)
    kink = [0.0] if around[0] < 0 < around[1] else None
    integral, _ = quad(lambda e: abs(e) * norm.pdf(e, mean, spread), *around, points=kink, epsabs=1e-13)
    assert EmpiricalNull(mean, spread).expected_absolute_error() == approx(integral, rel=1e-8)


def test_without_spread_the_expected_absolute_error_is_the_size_of_the_mean():
    assert EmpiricalNull(-0.3, 0.0).expected_absolute_error() == 0.3
    assert EmpiricalNull(0.0, 0.0).expected_absolute_error() == 0.0


# ---------------------------------------------------------------------------------------------------------------
# Pooled controls.
# ---------------------------------------------------------------------------------------------------------------


def ratio(value: float, error: float, number: int = 0, level: float = 0.95) -> Estimate:
    reach = norm.ppf(0.5 + level / 2) * error
    interval = Interval(exp(value - reach), exp(value + reach), level)
    id = f"negative_control.incidents.{number}"
    return Estimate(estimand=Estimand.RISK_RATIO, value=exp(value), interval=interval, method="drawn", id=id)


def controls(values, errors) -> list[Estimate]:
    return [ratio(value, error, number) for number, (value, error) in enumerate(zip(values, errors, strict=True))]


# > k <- metafor::rma(y, sei = s, method = "REML", test = "knha"); exp(c(coef(k), k$ci.lb, k$ci.ub))
# > z <- metafor::rma(y, sei = s, method = "REML");                exp(c(coef(z), z$ci.lb, z$ci.ub)); z$pval
# The wider of the two stands here: the plain one of the 24 controls (Hartung–Knapp's is 1.0294 to 1.2823), and
# Hartung–Knapp's of three that disagree. R 4.2.2, metafor 3.8.1; rma iterates to a threshold of 1e-5 unless told.
def test_pooled_controls_agree_with_metafor():
    found = pooled_controls(controls(Y, S), 20, 0.95)
    assert (found.value, found.interval.low, found.interval.high) == approx(
        (1.148911516, 1.023667253, 1.289479241), rel=1e-7
    )
    assert found.p_value == approx(0.01841496302, rel=1e-7)


def test_pooled_controls_that_disagree_take_the_wider_interval():
    found = pooled_controls(controls((-0.5, 0.1, 0.9), (0.2, 0.3, 0.25)), 20, 0.95)
    assert (found.value, found.interval.low, found.interval.high) == approx(
        (1.1707229671, 0.2006667072, 6.8301926339), rel=1e-7
    )


def test_the_estimates_carry_the_numbers_of_the_null():
    given, primary = controls(Y, S), ratio(*PRIMARY)
    found = calibrated(primary, given, 20, 0.95)
    assert found.id == "primary.calibrated"
    assert (log(found.interval.low), log(found.interval.high)) == approx((-0.1282641037, 0.7881767610), rel=1e-6)
    assert found.p_value == approx(0.1395205879, rel=1e-6)
    (known,) = found.parts
    assert log(known.value) == approx(0.3312314232, rel=1e-6)
    assert known.p_value == approx(0.08747533283, rel=1e-6)
    error = systematic_error(given, 20, 0.95)
    assert {part.label: part.value for part in error.parts}["most likely expected absolute error"] == approx(
        0.1762365663, rel=1e-6
    )
    assert error.interval.low < error.value < error.interval.high
