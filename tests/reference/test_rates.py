"""Poisson rates with an offset, against R and at the edges."""

from math import inf, log

import numpy as np
import pandas as pd
import pytest
from pytest import approx

from counterfault.estimate import Estimand
from counterfault.estimators.odds.irls import Family, fit_glm
from counterfault.estimators.odds.rates import Dispersion, poisson_rate

# Wave damage to cargo ships (McCullagh & Nelder 1989, section 6.3.2; MASS::ships, rows with service): type, year of
# construction, period of operation, months of service, incidents.
SHIPS = """
    A 60 60 127 0, A 60 75 63 0, A 65 60 1095 3, A 65 75 1095 4, A 70 60 1512 6, A 70 75 3353 18, A 75 75 2244 11,
    B 60 60 44882 39, B 60 75 17176 29, B 65 60 28609 58, B 65 75 20370 53, B 70 60 7064 12, B 70 75 13099 44,
    B 75 75 7117 18, C 60 60 1179 1, C 60 75 552 1, C 65 60 781 0, C 65 75 676 1, C 70 60 783 6, C 70 75 1948 2,
    C 75 75 274 1, D 60 60 251 0, D 60 75 105 0, D 65 60 288 0, D 65 75 192 0, D 70 60 349 2, D 70 75 1208 11,
    D 75 75 2051 4, E 60 60 45 0, E 65 60 789 7, E 65 75 437 7, E 70 60 1157 5, E 70 75 2161 12, E 75 75 542 1
"""

# > glm(incidents ~ type + factor(year) + factor(period) + offset(log(service)), poisson,
# +     subset(MASS::ships, service > 0), control = list(epsilon = EPSILON, maxit = 100)); quasipoisson alike
# R 4.2.2, MASS 7.3.58.2
COEFFICIENTS = (
    -6.4059015610488, -0.5433443011939, -0.6874016474498, -0.0759614218771, 0.3255794562240, 0.6971404267005,
    0.8184265772017, 0.4534266388005, 0.3844669582121,
)  # fmt: skip
CONVERGED = {  # EPSILON = 1e-14
    "errors": (0.217444106248, 0.177589907362, 0.329047216127, 0.290578658772, 0.235879402585, 0.149641392520,
               0.169773649290, 0.233170477773, 0.118272162623),
    "quasi": (0.282761804628, 0.230935864650, 0.427889199875, 0.377865132142, 0.306734851087, 0.194591938710,
              0.220771692919, 0.303212196544, 0.153799754418),
    "dispersion": 1.69101012499,
}  # fmt: skip
AS_SHIPPED = {  # EPSILON = 1e-8, R's default, whose weights are one step behind
    "errors": (0.217444063931, 0.177589897484, 0.329044163466, 0.290578651782, 0.235879401819, 0.149641349671,
               0.169773570348, 0.233170414252, 0.118272116954),
    "quasi": (0.282763215634, 0.230937049137, 0.427887448685, 0.377867082168, 0.306736440418, 0.194592891891,
              0.220772734897, 0.303213686006, 0.153800492436),
    "dispersion": 1.69102765979,
}  # fmt: skip


def ships() -> pd.DataFrame:
    rows = [row.split() for row in SHIPS.split(",")]
    frame = pd.DataFrame(rows, columns=["type", "year", "period", "service", "incidents"])
    counted = frame.astype({"service": float, "incidents": int})
    return counted.assign(late=(counted["period"] == "75").astype(int))


@pytest.mark.parametrize(("printed", "tolerance"), [(CONVERGED, 1e-9), (AS_SHIPPED, 1.2e-5)])
def test_the_ships_agree_with_r(printed, tolerance):
    frame = ships()
    assert len(frame) == 34
    levels = [("type", x) for x in "BCDE"] + [("year", x) for x in ("65", "70", "75")] + [("period", "75")]
    design = np.column_stack([np.ones(34), *((frame[name] == level) for name, level in levels)]).astype(float)
    fit = fit_glm(design, frame["incidents"].to_numpy(float), frame["service"].to_numpy(float), Family.POISSON)
    assert fit.coefficients == approx(COEFFICIENTS, rel=1e-10)
    assert fit.standard_errors == approx(printed["errors"], rel=tolerance)
    assert (fit.deviance, fit.residual_df) == (approx(38.6950515356, rel=1e-10), 25)
    assert fit.dispersion == approx(printed["dispersion"], rel=tolerance)
    assert fit.standard_errors * np.sqrt(fit.dispersion) == approx(printed["quasi"], rel=tolerance)
    assert fit.hat_values.sum() == approx(9, rel=1e-12)  # one for each coefficient


def test_the_rate_ratio_of_the_later_period_agrees_with_r():
    # > summary(fit)$coef["factor(period)75", ], quasipoisson:  0.3844669582121 0.1537997544182 2.4998 0.0193522860969
    # > qt(.975, 25)    2.059538552753
    found = poisson_rate(ships(), exposed="late", time="service", factors=("type", "year"))
    assert found.estimand is Estimand.RATE_RATIO
    assert found.id == "regression.rate_ratio"
    assert log(found.value) == approx(0.3844669582121, rel=1e-10)
    assert found.standard_error == approx(0.1537997544182, rel=1e-9)
    assert found.p_value == approx(0.0193522860969, rel=1e-8)
    reach = 2.059538552753 * 0.1537997544182
    assert log(found.interval.high) == approx(0.3844669582121 + reach, rel=1e-9)
    assert log(found.interval.low) == approx(0.3844669582121 - reach, rel=1e-9)
    assert found.method == (
        "quasi-Poisson regression with log time as offset; dispersion 1.69 (Pearson's X² over its degrees of freedom), "
        "t with 25 degrees of freedom"
    )
    assert found.support == {"n": 34, "events": 356, "fitted": 34, "coefficients": 9, "degrees": 25}
    assert found.adjustment == ("type", "year")
    assert found.caveats == ()


def test_believing_the_poisson_variance_is_allowed_and_told():
    found = poisson_rate(
        ships(), exposed="late", time="service", factors=("type", "year"), dispersion=Dispersion.POISSON
    )
    assert found.standard_error == approx(0.118272162623, rel=1e-9)
    assert log(found.interval.high) == approx(0.3844669582121 + 1.959963984540 * 0.118272162623, rel=1e-9)
    assert "model-based standard error, normal distribution" in found.method
    assert found.caveats == ("Counts vary 1.7 times as much as Poisson ones: the quasi-Poisson interval is wider.",)


def rates(*rows: tuple[float, int, float, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["exposed", "incidents", "hours", "service"])


def test_two_groups_give_the_ratio_of_their_rates_and_a_small_dispersion_is_taken_as_one():
    frame = rates((1, 10, 100, "a"), (1, 20, 200, "a"), (0, 5, 100, "a"), (0, 15, 300, "a"))
    found = poisson_rate(frame)
    assert found.value == approx((30 / 300) / (20 / 400), rel=1e-12)
    assert found.standard_error == approx(np.sqrt(1 / 30 + 1 / 20), rel=1e-12)
    assert "dispersion 0.00 (Pearson's X² over its degrees of freedom), taken as 1, t with 2" in found.method
    assert found.caveats == ("The dispersion rests on 2 degrees of freedom, which is hardly a guess.",)


def test_exposure_may_be_a_dose():
    frame = rates((0, 8, 100, "a"), (1, 16, 100, "a"), (2, 32, 100, "a"), (3, 64, 100, "a"))
    assert poisson_rate(frame).value == approx(2, rel=1e-9)


def test_as_many_coefficients_as_rows_leave_no_dispersion():
    found = poisson_rate(rates((1, 10, 100, "a"), (0, 5, 100, "a")))
    assert found.value == approx(2, rel=1e-12)
    assert found.standard_error == approx(np.sqrt(1 / 10 + 1 / 5), rel=1e-12)
    assert found.caveats == (
        "There are as many coefficients as rows, so the interval has to believe the Poisson variance.",
    )


def test_a_level_without_events_leaves_the_fit_and_is_told():
    rows = [(1, 10, 100, "a"), (1, 4, 50, "b"), (0, 5, 100, "a"), (0, 3, 60, "b")]
    quiet = [(1, 0, 70, "c"), (0, 0, 80, "c")]
    found = poisson_rate(rates(*rows, *quiet), factors=("service",))
    alone = poisson_rate(rates(*rows), factors=("service",))
    assert (found.value, found.interval) == (approx(alone.value, rel=1e-12), alone.interval)
    assert found.caveats[-1] == (
        "2 rows (150 of 460 units of time) left the fit: a level of theirs, or a combination, holds no event, so its "
        "fitted rate is zero and the ratio does not depend on it."
    )


REFUSALS = {
    "None of the 2 rows with time holds an event.": rates((1, 0, 5, "a"), (0, 0, 5, "b"), (0, 0, 0, "c")),
    "None of the 0 rows with time holds an event.": rates(),
    "exposed is 1 in all rows, so there is nothing to compare.": rates((1, 2, 5, "a"), (1, 0, 5, "b")),
    "exposed cannot be told apart from service.": rates((1, 2, 5, "a"), (0, 1, 5, "b")),
    "Events fell on one side of exposed only, or on both at no equal level of the factors: the rate ratio has no "
    "finite estimate.": rates((1, 2, 5, "a"), (0, 0, 5, "a"), (1, 3, 5, "b"), (0, 0, 5, "b")),
}


@pytest.mark.parametrize("reason", REFUSALS)
def test_what_cannot_be_estimated_says_why(reason):
    found = poisson_rate(REFUSALS[reason], 0.9, factors=("service",))
    assert found.caveats == (reason,)
    assert (found.interval.low, found.interval.high, found.interval.level) == (0, inf, 0.9)


def test_hundreds_of_levels_are_refused_with_a_way_out():
    frame = pd.concat([rates((1, 2, 5, f"s{i}"), (0, 1, 5, f"s{i}")) for i in range(502)])
    assert poisson_rate(frame, factors=("service",)).caveats == (
        "The factors have 501 levels beyond the first of each, and this regression takes 500: condition on them "
        "instead (`total.risk_ratio`, or a self-controlled design).",
    )


@pytest.mark.parametrize(
    ("frame", "settings", "message"),
    [
        (rates((1, 2, 5, "a")), {"time": "days"},
         "The frame has no column days; it has exposed, incidents, hours, service."),
        (rates((1, 2, 5, None)), {"factors": ("service",)},
         "There are empty values in service; leave those rows out, or fill them."),
        (rates((1, -2, 5, "a")), {}, "incidents and hours are counted from 0 up; the smallest are -2 and 5."),
        (rates((1, 2, 0, "a")), {}, "2 incidents happened in rows whose hours is 0; a rate needs the time."),
        (rates((1, 2, 5, "a")), {"level": 1.5},
         "level is 1.5; a confidence level lies between 0 and 1, such as 0.95."),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(frame, settings, message):
    with pytest.raises(ValueError) as caught:
        poisson_rate(frame, **settings)
    assert str(caught.value) == message
