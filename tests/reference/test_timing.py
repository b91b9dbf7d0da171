"""Curves, hazard ratios, restricted means and surfacing against R's survival, prodlim and clubSandwich."""

from __future__ import annotations

from collections.abc import Callable
from math import exp, inf, isnan, log, sqrt
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pytest import approx
from scipy.stats import norm, t

from counterfault.estimate import Estimate
from counterfault.estimators.timing import aalen_johansen
from counterfault.estimators.timing.compared_arms import arms_of
from counterfault.estimators.timing.cox import CauseSpecificCox, Ties
from counterfault.estimators.timing.cox_likelihood import CoxFit, Watched, fit_cox, score_residuals
from counterfault.estimators.timing.event_times import EventTimes
from counterfault.estimators.timing.medians import median
from counterfault.estimators.timing.proportional_hazards import proportionality
from counterfault.estimators.timing.restricted_mean import restricted_mean_difference
from counterfault.estimators.timing.surfacing import (
    COLLIDER,
    detection_ratio,
    peak_failure_ratio,
    restoration_hazard_ratio,
    restoration_median_ratio,
    surfaced_at_peak_ratio,
    surfacing,
)
from counterfault.estimators.timing.survival_curves import Weighting, cumulative_incidence, kaplan_meier
from counterfault.panels import Consequences, Durations

Frame = pd.DataFrame

# R's survival::veteran: time, status, trt == 2, cell type; 137 patients.
VETERAN = """
    72 1 0 1, 411 1 0 1, 228 1 0 1, 126 1 0 1, 118 1 0 1, 10 1 0 1, 82 1 0 1, 110 1 0 1, 314 1 0 1, 100 0 0 1,
    42 1 0 1, 8 1 0 1, 144 1 0 1, 25 0 0 1, 11 1 0 1, 30 1 0 2, 384 1 0 2, 4 1 0 2, 54 1 0 2, 13 1 0 2, 123 0 0 2,
    97 0 0 2, 153 1 0 2, 59 1 0 2, 117 1 0 2, 16 1 0 2, 151 1 0 2, 22 1 0 2, 56 1 0 2, 21 1 0 2, 18 1 0 2, 139 1 0 2,
    20 1 0 2, 31 1 0 2, 52 1 0 2, 287 1 0 2, 18 1 0 2, 51 1 0 2, 122 1 0 2, 27 1 0 2, 54 1 0 2, 7 1 0 2, 63 1 0 2,
    392 1 0 2, 10 1 0 2, 8 1 0 3, 92 1 0 3, 35 1 0 3, 117 1 0 3, 132 1 0 3, 12 1 0 3, 162 1 0 3, 3 1 0 3, 95 1 0 3,
    177 1 0 4, 162 1 0 4, 216 1 0 4, 553 1 0 4, 278 1 0 4, 12 1 0 4, 260 1 0 4, 200 1 0 4, 156 1 0 4, 182 0 0 4,
    143 1 0 4, 105 1 0 4, 103 1 0 4, 250 1 0 4, 100 1 0 4, 999 1 1 1, 112 1 1 1, 87 0 1 1, 231 0 1 1, 242 1 1 1,
    991 1 1 1, 111 1 1 1, 1 1 1 1, 587 1 1 1, 389 1 1 1, 33 1 1 1, 25 1 1 1, 357 1 1 1, 467 1 1 1, 201 1 1 1, 1 1 1 1,
    30 1 1 1, 44 1 1 1, 283 1 1 1, 15 1 1 1, 25 1 1 2, 103 0 1 2, 21 1 1 2, 13 1 1 2, 87 1 1 2, 2 1 1 2, 20 1 1 2,
    7 1 1 2, 24 1 1 2, 99 1 1 2, 8 1 1 2, 99 1 1 2, 61 1 1 2, 25 1 1 2, 95 1 1 2, 80 1 1 2, 51 1 1 2, 29 1 1 2,
    24 1 1 3, 18 1 1 3, 83 0 1 3, 31 1 1 3, 51 1 1 3, 90 1 1 3, 52 1 1 3, 73 1 1 3, 8 1 1 3, 36 1 1 3, 48 1 1 3,
    7 1 1 3, 140 1 1 3, 186 1 1 3, 84 1 1 3, 19 1 1 3, 45 1 1 3, 80 1 1 3, 52 1 1 4, 164 1 1 4, 19 1 1 4, 53 1 1 4,
    15 1 1 4, 43 1 1 4, 340 1 1 4, 133 1 1 4, 111 1 1 4, 231 1 1 4, 378 1 1 4, 49 1 1 4
"""

# R's survival::kidney: id, time, status, sex == 2, disease; 38 patients, two rows each.
KIDNEY = """
    1 8 1 0 1, 1 16 1 0 1, 2 23 1 1 2, 2 13 0 1 2, 3 22 1 0 1, 3 28 1 0 1, 4 447 1 1 1, 4 318 1 1 1, 5 30 1 0 1,
    5 12 1 0 1, 6 24 1 1 1, 6 245 1 1 1, 7 7 1 0 2, 7 9 1 0 2, 8 511 1 1 2, 8 30 1 1 2, 9 53 1 1 3, 9 196 1 1 3,
    10 15 1 0 2, 10 154 1 0 2, 11 7 1 1 3, 11 333 1 1 3, 12 141 1 1 1, 12 8 0 1 1, 13 96 1 1 3, 13 38 1 1 3,
    14 149 0 1 3, 14 70 0 1 3, 15 536 1 1 1, 15 25 0 1 1, 16 17 1 0 3, 16 4 0 0 3, 17 185 1 1 1, 17 177 1 1 1,
    18 292 1 1 1, 18 114 1 1 1, 19 22 0 1 2, 19 159 0 1 2, 20 15 1 1 1, 20 108 0 1 1, 21 152 1 0 4, 21 562 1 0 4,
    22 402 1 1 1, 22 24 0 1 1, 23 13 1 1 3, 23 66 1 1 3, 24 39 1 1 3, 24 46 0 1 3, 25 12 1 0 3, 25 40 1 0 3,
    26 113 0 1 3, 26 201 1 1 3, 27 132 1 1 2, 27 156 1 1 2, 28 34 1 1 3, 28 30 1 1 3, 29 2 1 0 2, 29 25 1 0 2,
    30 130 1 1 2, 30 26 1 1 2, 31 27 1 1 3, 31 58 1 1 3, 32 5 0 1 3, 32 43 1 1 3, 33 152 1 1 4, 33 30 1 1 4,
    34 190 1 1 2, 34 5 0 1 2, 35 119 1 1 1, 35 8 1 1 1, 36 54 0 1 1, 36 16 0 1 1, 37 6 0 1 4, 37 78 1 1 4, 38 63 1 0 4,
    38 8 0 0 4
"""

# R's survival::heart (Stanford): id, start, stop, event, transplant, surgery; entered late after a transplant.
HEART = """
    1 0 50 1 0 0, 2 0 6 1 0 0, 3 0 1 0 0 0, 3 1 16 1 1 0, 4 0 36 0 0 0, 4 36 39 1 1 0, 5 0 18 1 0 0, 6 0 3 1 0 0,
    7 0 51 0 0 0, 7 51 675 1 1 0, 8 0 40 1 0 0, 9 0 85 1 0 0, 10 0 12 0 0 0, 10 12 58 1 1 0, 11 0 26 0 0 0,
    11 26 153 1 1 0, 12 0 8 1 0 0, 13 0 17 0 0 0, 13 17 81 1 1 0, 14 0 37 0 0 0, 14 37 1387 1 1 0, 15 0 1 1 0 1,
    16 0 28 0 0 0, 16 28 308 1 1 0, 17 0 36 1 0 0, 18 0 20 0 0 0, 18 20 43 1 1 0, 19 0 37 1 0 0, 20 0 18 0 0 0,
    20 18 28 1 1 0, 21 0 8 0 0 0, 21 8 1032 1 1 0, 22 0 12 0 0 0, 22 12 51 1 1 0, 23 0 3 0 0 0, 23 3 733 1 1 0,
    24 0 83 0 0 0, 24 83 219 1 1 0, 25 0 25 0 0 0, 25 25 1800 0 1 0, 26 0 1401 0 0 0, 27 0 263 1 0 0, 28 0 71 0 0 0,
    28 71 72 1 1 0, 29 0 35 1 0 0, 30 0 16 0 0 0, 30 16 852 1 1 0, 31 0 16 1 0 0, 32 0 17 0 0 0, 32 17 77 1 1 0,
    33 0 51 0 0 0, 33 51 1587 0 1 0, 34 0 23 0 0 0, 34 23 1572 0 1 0, 35 0 12 1 0 0, 36 0 46 0 0 0, 36 46 100 1 1 0,
    37 0 19 0 0 0, 37 19 66 1 1 0, 38 0 4.5 0 0 0, 38 4.5 5 1 1 0, 39 0 2 0 0 0, 39 2 53 1 1 0, 40 0 41 0 0 1,
    40 41 1408 0 1 1, 41 0 58 0 0 1, 41 58 1322 0 1 1, 42 0 3 1 0 0, 43 0 2 1 0 1, 44 0 40 1 0 1, 45 0 1 0 0 0,
    45 1 45 1 1 0, 46 0 2 0 0 1, 46 2 996 1 1 1, 47 0 21 0 0 0, 47 21 72 1 1 0, 48 0 9 1 0 0, 49 0 36 0 0 1,
    49 36 1142 0 1 1, 50 0 83 0 0 1, 50 83 980 1 1 1, 51 0 32 0 0 0, 51 32 285 1 1 0, 52 0 102 1 0 0, 53 0 41 0 0 0,
    53 41 188 1 1 0, 54 0 3 1 0 0, 55 0 10 0 0 0, 55 10 61 1 1 0, 56 0 67 0 0 0, 56 67 942 0 1 0, 57 0 149 1 0 0,
    58 0 21 0 0 1, 58 21 343 1 1 1, 59 0 78 0 0 1, 59 78 916 0 1 1, 60 0 3 0 0 0, 60 3 68 1 1 0, 61 0 2 1 0 0,
    62 0 69 1 0 0, 63 0 27 0 0 0, 63 27 842 0 1 0, 64 0 33 0 0 1, 64 33 584 1 1 1, 65 0 12 0 0 0, 65 12 78 1 1 0,
    66 0 32 1 0 0, 67 0 57 0 0 0, 67 57 285 1 1 0, 68 0 3 0 0 0, 68 3 68 1 1 0, 69 0 10 0 0 0, 69 10 670 0 1 0,
    70 0 5 0 0 0, 70 5 30 1 1 0, 71 0 31 0 0 0, 71 31 620 0 1 0, 72 0 4 0 0 0, 72 4 596 0 1 0, 73 0 27 0 0 0,
    73 27 90 1 1 0, 74 0 5 0 0 0, 74 5 17 1 1 0, 75 0 2 1 0 0, 76 0 46 0 0 1, 76 46 545 0 1 1, 77 0 21 1 0 0,
    78 0 210 0 0 0, 78 210 515 0 1 0, 79 0 67 0 0 0, 79 67 96 1 1 0, 80 0 26 0 0 1, 80 26 482 0 1 1, 81 0 6 0 0 0,
    81 6 445 0 1 0, 82 0 428 0 0 0, 83 0 32 0 0 0, 83 32 80 1 1 0, 84 0 37 0 0 0, 84 37 334 1 1 0, 85 0 5 1 0 0,
    86 0 8 0 0 0, 86 8 397 0 1 0, 87 0 60 0 0 0, 87 60 110 1 1 0, 88 0 31 0 0 0, 88 31 370 0 1 0, 89 0 139 0 0 0,
    89 139 207 1 1 0, 90 0 160 0 0 1, 90 160 186 1 1 1, 91 0 340 1 0 0, 92 0 310 0 0 0, 92 310 340 0 1 0,
    93 0 28 0 0 0, 93 28 265 0 1 0, 94 0 4 0 0 1, 94 4 165 1 1 1, 95 0 2 0 0 0, 95 2 16 1 1 0, 96 0 13 0 0 0,
    96 13 180 0 1 0, 97 0 21 0 0 0, 97 21 131 0 1 0, 98 0 96 0 0 0, 98 96 109 0 1 0, 99 0 21 1 0 0, 100 0 38 0 0 1,
    100 38 39 0 1 1, 101 0 31 0 0 0, 102 0 11 0 0 0, 103 0 6 1 0 0
"""


def read(text: str, *columns: str) -> Frame:
    """Rows separated by commas, values by spaces."""
    rows = [map(float, row.split()) for row in text.replace("\n", " ").split(",")]
    return pd.DataFrame(rows, columns=list(columns))


veteran = read(VETERAN, "time", "status", "x", "cell")
kidney = read(KIDNEY, "id", "time", "status", "x", "disease")
heart = read(HEART, "id", "start", "stop", "event", "x", "surgery")


def limits(estimate: Estimate) -> tuple[float, float]:
    return estimate.interval.low, estimate.interval.high


def durations(
    entry: Any,
    exit: Any,
    ended: Any,
    exposed: Any,
    *,
    strata: Any = "all",
    cluster: Any = "all",
    n: Any = 1,
    horizon: float,
) -> Durations:
    """A panel from columns; the end is 0 (censored), 1 (incident) or 2 (rolled back)."""
    frame = pd.DataFrame({"entry_hours": entry, "exit_hours": exit, "ended": ended, "exposed": exposed})
    frame["ended"] = frame["ended"].map({0: "censored", 1: "incident", 2: "rolled back"})
    frame["exposed"] = frame["exposed"].astype("int64")
    frame = frame.assign(quarter=strata, service=cluster, n=n)
    return Durations(frame, strata=("quarter",), cluster="service", horizon_hours=horizon, grid_hours=1.0)


def text(codes: Any) -> list[str]:
    return [f"c{code:g}" for code in codes]


# Twenty deployments, five of them under watch late, with ties, censoring at tied times and roll-backs.
TWENTY = {
    "entry": [0, 0, 0, 0, 2, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 5, 0],
    "exit": [1, 2, 3, 3, 3, 4, 5, 5, 6, 6, 7, 8, 8, 9, 10, 10, 11, 12, 12, 12],
    "ended": [1, 0, 1, 2, 1, 2, 0, 1, 1, 1, 0, 2, 1, 0, 1, 2, 0, 1, 0, 0],
    "exposed": [1, 0] * 10,
    "strata": list("aabbaabbbbaaababbbaa"),
    "cluster": list("12345") * 4,
    "horizon": 12.0,
}
twenty = durations(**TWENTY)
CR1 = sqrt(5 / 4)  # the factor G/(G−1) for five clusters, which R's survfit does not apply


def one_curve(panel: Durations, weights: Any = None, *, roll_backs: bool = True) -> tuple[Any, EventTimes, Any]:
    rows = EventTimes.of(panel)
    rows = rows if roll_backs else rows.without_roll_backs()
    w = np.ones(len(rows.exit)) if weights is None else np.asarray(weights, dtype=float)
    return aalen_johansen.incidence(rows, w), rows, w


def robust(influence: Any, clusters: Any) -> float:
    return float(np.sqrt((np.bincount(clusters, influence) ** 2).sum()))


# ---- curves


def test_kaplan_meier_with_late_entry_is_that_of_survfit():
    # > k <- survfit(Surv(entry, exit, ev == 1) ~ 1, d, conf.type = "log-log")     # R 4.2.2, survival 3.5-3
    # Watched on (entry, exit]: the deployment under watch from 3 h on is not at risk of what happened at 3 h.
    panel = durations(**{**TWENTY, "exposed": [1] * 20})
    curve = kaplan_meier(panel)
    seen = curve[curve["events"] > 0]
    assert list(seen["time"]) == [1, 3, 5, 6, 8, 10, 12]
    assert list(seen["at_risk"]) == [16, 16, 13, 12, 9, 6, 3]
    assert list(1 - seen["risk"]) == approx(
        [0.9375, 0.8203125, 0.757211538462, 0.631009615385, 0.560897435897, 0.467414529915, 0.311609686610], rel=1e-11
    )
    assert list(1 - seen["high"]) == approx(
        [0.632345441739, 0.54085287255, 0.475125783003, 0.355370464668, 0.291000500203, 0.201742274212, 0.067043181565],
        rel=1e-11,
    )
    assert list(1 - seen["low"]) == approx(
        [0.990953141745, 0.938162546612, 0.901282996744, 0.81471994547, 0.762737260669, 0.6967424743, 0.604658166719],
        rel=1e-11,
    )


def test_kaplan_meier_of_veteran_agrees_with_survfit_per_arm():
    # > f <- survfit(Surv(time, status) ~ trt, veteran, conf.type = "log-log"); quantile(f, .5)
    #   quantile 103.0 52.5, lower 54 43, upper 126 90                              # R 4.2.2, survival 3.5-3
    for arm, printed in ((0, (103, 54, 126)), (1, (52.5, 43, 90))):
        rows = veteran[veteran["x"] == arm]
        found = median(rows["time"].to_numpy(), (rows["status"] == 1).to_numpy(), np.ones(len(rows)), 0.95)
        assert found == printed


def test_a_median_exactly_at_a_half_is_the_middle_of_the_step():
    # > quantile(survfit(Surv(1:10) ~ 1, conf.type = "log-log"), .5)                # R 4.2.2, survival 3.5-3
    #   quantile 5.5, lower 1, upper 8
    assert median(np.arange(1.0, 11.0), np.ones(10, dtype=bool), np.ones(10), 0.95) == (5.5, 1, 8)


def test_cumulative_incidence_without_late_entry_agrees_with_prodlim_and_cmprsk():
    # > p <- prodlim(Hist(exit, ev) ~ 1, d); p$cuminc[[1]]; p$se.cuminc[[1]]  # R 4.2.2, prodlim 2019.11.13
    # cmprsk 2.2-11 gives the same curve; its variance is another (Gray's), 0.1449 for 0.1318 at the end.
    curve, _, _ = one_curve(durations(**{**TWENTY, "entry": [0] * 20}))
    at = {time: place for place, time in enumerate(curve.times)}
    picked = [at[time] for time in (1, 3, 5, 6, 8, 10, 12)]
    assert list(curve.risk[picked]) == approx(
        [0.05, 0.155555555556, 0.208333333333, 0.322685185185, 0.386213991770, 0.460330932785, 0.559153520805],
        rel=1e-11,
    )
    assert list(np.sqrt(aalen_johansen.variance(curve))[picked]) == approx(
        [
            0.048733971724,
            0.0826349335084,
            0.0928064659572,
            0.109028099962,
            0.11573375379,
            0.1228330758537,
            0.131768680703,
        ],
        rel=1e-11,
    )


def test_cumulative_incidence_with_late_entry_agrees_with_survfit():
    # > survfit(Surv(entry, exit, factor(ev)) ~ 1, d, id = id)                      # R 4.2.2, survival 3.5-3
    # R's error is the infinitesimal jackknife; with late entry the Greenwood-type one differs in the third digit.
    curve, rows, w = one_curve(twenty)
    assert curve.final == approx(0.567935681217, rel=1e-11)
    own = aalen_johansen.influence(curve, rows, w)
    assert sqrt(float(own @ own)) == approx(0.129598942627, rel=1e-11)
    assert robust(own, rows.clusters) == approx(0.163346193183, rel=1e-11)


def test_weighted_incidence_agrees_with_survfit():
    # > f <- survfit(Surv(entry, exit, factor(ev)) ~ 1, d, id = id, weights = w)    # R 4.2.2, survival 3.5-3
    # > r <- residuals(f, times = 12, type = "pstate", weighted = TRUE)[, 2]; sqrt(sum(rowsum(r, cl)^2))
    w = [1, 2, 1, 3, 1, 2, 1, 1, 2, 1, 1, 1, 2, 1, 1, 3, 1, 1, 2, 1]
    curve, rows, weights = one_curve(twenty, w)
    own = aalen_johansen.influence(curve, rows, weights)
    assert curve.final == approx(0.455971659919, rel=1e-11)
    assert sqrt(float(own @ own)) == approx(0.136060408817, rel=1e-11)
    assert robust(own, rows.clusters) == approx(0.168129025836, rel=1e-11)


def test_the_arms_and_their_difference_have_clustered_errors_as_in_r():
    # > f <- survfit(Surv(entry, exit, factor(ev)) ~ arm, d, id = id)               # R 4.2.2, survival 3.5-3
    # > r <- residuals(f, times = 12, type = "pstate", weighted = TRUE)[, 2]
    # > sqrt(sum(rowsum(r[arm == 1], cl[arm == 1])^2)); sqrt(sum(rowsum(ifelse(arm == 1, r, -r), cl)^2))
    found = cumulative_incidence(twenty)
    assert found.exposed.value == approx(0.7265625)
    assert found.unexposed.value == approx(0.364583333333, rel=1e-11)
    assert found.exposed.standard_error == approx(CR1 * 0.160244222324, rel=1e-11)
    assert found.unexposed.standard_error == approx(CR1 * 0.193542325416, rel=1e-11)
    assert found.difference.standard_error == approx(CR1 * 0.160133091356, rel=1e-11)
    reach = t.ppf(0.975, 4) * CR1 * 0.160133091356
    difference = 0.7265625 - 0.364583333333
    assert limits(found.difference) == approx((difference - reach, difference + reach), rel=1e-10)
    assert found.difference.p_value == approx(2 * t.sf(difference / (CR1 * 0.160133091356), 4), rel=1e-9)
    # a risk's limits are symmetric for log(−log(1 − risk))
    low, high = (log(-log(1 - limit)) for limit in limits(found.exposed))
    assert (low + high) / 2 == approx(log(-log(1 - 0.7265625)))


def test_standardised_arms_agree_with_survfit_under_the_same_weights():
    # > w <- ifelse(arm == 1, 1, (exposed/unexposed)[stratum]); survfit(..., weights = w)   # R 4.2.2, survival 3.5-3
    found = cumulative_incidence(twenty, weighting=Weighting.TO_EXPOSED)
    assert (found.exposed.value, found.unexposed.value) == approx((0.7265625, 0.251910632972), rel=1e-11)
    assert found.unexposed.standard_error == approx(CR1 * 0.15364906722, rel=1e-10)
    arms = arms_of(twenty, Weighting.TO_EXPOSED)
    # The independent error is the wider here, so the clustered one is asked for by itself.
    assert arms.error_of_difference(0.0, aalen_johansen.influence).robust == approx(CR1 * 0.13885795743, rel=1e-10)
    assert found.difference.standard_error > CR1 * 0.13885795743
    assert [answer.id for answer in (found.exposed, found.unexposed, found.difference)] == [
        "timing.cumulative_incidence.exposed.standardised",
        "timing.cumulative_incidence.unexposed.standardised",
        "timing.cumulative_incidence_difference.standardised",
    ]
    assert found.difference.design == "standardised to the strata of exposed deployments (quarter)"


# ---- restricted means


def test_restricted_means_agree_with_survfit():
    # > survival:::survmean(survfit(Surv(entry, exit, ev == 1) ~ arm, d), rmean = 12)$matrix      # R 4.2.2, 3.5-3
    #   arm=0 10.1428571429 1.11444268910;  arm=1 7.1796875 1.38094639268
    # > r <- residuals(k, times = 12, type = "rmst", weighted = TRUE); sqrt(sum(rowsum(ifelse(arm == 1, r, -r), cl)^2))
    found = restricted_mean_difference(twenty)
    exposed, unexposed = found.parts
    assert (exposed.value, unexposed.value) == approx((7.1796875, 10.1428571429), rel=1e-11)
    assert found.value == approx(7.1796875 - 10.1428571429, rel=1e-10)
    model = sqrt(1.38094639268**2 + 1.11444268910**2)
    assert norm.ppf(0.975) * model > t.ppf(0.975, 4) * CR1 * 0.910981993062
    assert found.standard_error == approx(model, rel=1e-10)
    assert "standard error of independent deployments" in found.method


def test_the_cluster_robust_error_of_restricted_means_agrees_with_survfit():
    arms = arms_of(twenty, Weighting.CRUDE, competing=False)
    error = arms.error_of_difference(
        0.0, lambda curve, rows, w: aalen_johansen.restricted_mean_influence(curve, rows, w, 12)
    )
    assert error.robust == approx(CR1 * 0.910981993062, rel=1e-11)
    weighted = arms_of(twenty, Weighting.TO_EXPOSED, competing=False)
    error = weighted.error_of_difference(
        0.0, lambda curve, rows, w: aalen_johansen.restricted_mean_influence(curve, rows, w, 12)
    )
    assert error.robust == approx(CR1 * 0.778366405609, rel=1e-11)
    found = restricted_mean_difference(twenty, weighting=Weighting.TO_EXPOSED)
    assert [part.value for part in found.parts] == approx([7.1796875, 10.6315789474], rel=1e-11)


def test_a_restricted_mean_is_refused_beyond_the_last_hour_watched():
    found = restricted_mean_difference(durations(**{**TWENTY, "horizon": 24.0}))
    assert found.caveats == (
        "no exposed deployment was watched beyond 12 of 24 hours: the mean can be had up to 12 hours at most",
    )
    assert limits(found) == (-inf, inf)


# ---- Cox


def fitted(
    frame: Frame,
    columns: list[str],
    exit: str,
    event: str,
    ties: Ties,
    *,
    entry: str = "",
    strata: str = "",
    by: str = "",
) -> tuple[Watched, CoxFit]:
    nothing = pd.Series(0.0, index=frame.index)
    watched = Watched(
        design=frame[columns].to_numpy(float),
        entry=frame[entry].to_numpy() if entry else nothing.to_numpy() - 1,
        exit=frame[exit].to_numpy(),
        event=(frame[event] == 1).to_numpy(),
        copies=np.ones(len(frame)),
        strata=(frame[strata] if strata else nothing).to_numpy().astype(int),
        clusters=(frame[by] if by else pd.Series(range(len(frame)))).to_numpy().astype(int),
    )
    return watched, fit_cox(watched, ties)


def errors(watched: Watched, fit: CoxFit) -> tuple[list[float], list[float]]:
    """Naive, and robust without any small-sample factor."""
    influence = score_residuals(watched, fit) @ fit.covariance
    return (
        list(np.sqrt(np.diag(fit.covariance))),
        [robust(column, watched.clusters) for column in influence.T],
    )


# > f <- coxph(..., ties =, cluster =); coef(f); sqrt(diag(f$naive.var)); sqrt(diag(vcov(f))); f$loglik[2]
# > cox.zph(f, transform = "km")$table[, "chisq"]                                     # R 4.2.2, survival 3.5-3
@pytest.mark.parametrize(
    "how, coefficients, naive, clustered, log_likelihood, chisq",
    [
        (
            (heart, ["x"], "stop", "event", Ties.EFRON, {"entry": "start", "by": "id"}),
            [0.127141126615],
            [0.301141104253],
            [0.300490288124],
            -298.031451615,
            [0.088040294291],
        ),
        (
            (heart, ["x"], "stop", "event", Ties.BRESLOW, {"entry": "start", "strata": "surgery", "by": "id"}),
            [0.142208729668],
            [0.298718745167],
            [0.294048801893],
            -270.493704874,
            [0.0128933643898],
        ),
        (
            (kidney, ["x"], "time", "status", Ties.EFRON, {"by": "id"}),
            [-0.837732960913],
            [0.296612030563],
            [0.483770537059],
            -184.368855683,
            [10.5424136737],
        ),
        (
            (kidney, ["x"], "time", "status", Ties.BRESLOW, {"strata": "disease", "by": "id"}),
            [-1.47187835565],
            [0.368295330304],
            [0.328968941055],
            -112.561708435,
            [3.12185595],
        ),
    ],
)
def test_hazard_ratios_errors_and_the_test_of_proportionality_agree_with_coxph(
    how, coefficients, naive, clustered, log_likelihood, chisq
):
    *arguments, options = how
    watched, fit = fitted(*arguments, **options)
    assert list(fit.coefficients) == approx(coefficients, rel=1e-10)
    assert errors(watched, fit) == (approx(naive, rel=1e-10), approx(clustered, rel=1e-9))
    assert fit.steps.log_likelihood == approx(log_likelihood, rel=1e-11)
    tests = [proportionality(watched, fit, column).statistic for column in range(len(coefficients))]
    assert tests == approx(chisq, rel=1e-8)


WEEKLY = veteran.assign(week=np.ceil(veteran["time"] / 60), group=np.arange(len(veteran)) % 12)


@pytest.mark.parametrize(
    "ties, coefficient, naive, clustered, chisq",
    [
        (Ties.EFRON, 0.1259496299, 0.196084617353, 0.173564083794, 2.7986169828),
        (Ties.BRESLOW, 0.0945633803165, 0.194969635239, 0.144397690956, 2.06684363191),
    ],
)
def test_heavily_tied_durations_agree_with_coxph_counted_or_row_by_row(ties, coefficient, naive, clustered, chisq):
    # > v$w <- ceiling(v$time/60); v$g <- rep(1:12, length.out = 137)                # R 4.2.2, survival 3.5-3
    # > coxph(Surv(w, status) ~ I(trt == 2) + strata(celltype), v, cluster = g, ties =)
    # With counts as weights, coxph itself gives another Efron estimate: it does not expand ties.
    watched, fit = fitted(WEEKLY, ["x"], "week", "status", ties, strata="cell", by="group")
    keys = ["x", "week", "status", "cell", "group"]
    counted = WEEKLY.groupby(keys, as_index=False).size()
    assert len(counted) < len(WEEKLY)
    short = Watched(
        counted[["x"]].to_numpy(float),
        -np.ones(len(counted)),
        counted["week"].to_numpy(),
        (counted["status"] == 1).to_numpy(),
        counted["size"].to_numpy(float),
        counted["cell"].to_numpy().astype(int),
        counted["group"].to_numpy().astype(int),
    )
    for rows, found in ((watched, fit), (short, fit_cox(short, ties))):
        assert found.coefficients[0] == approx(coefficient, rel=1e-9)
        assert errors(rows, found) == (approx([naive], rel=1e-10), approx([clustered], rel=1e-9))
        assert proportionality(rows, found).statistic == approx(chisq, rel=1e-9)


TWO_COLUMNS = (
    [0.1583336214707, -0.7491945956706],
    [0.2968902206039, 0.3596115649141],
    [0.2983091500459, 0.3387107936014],
    [0.0007995130840521, 0.1296503152243],
)


def test_several_columns_at_once_agree_with_coxph():
    # > coxph(Surv(start, stop, event) ~ transplant + surgery, heart, cluster = id)  # R 4.2.2, survival 3.5-3
    watched, fit = fitted(heart, ["x", "surgery"], "stop", "event", Ties.EFRON, entry="start", by="id")
    assert list(fit.coefficients) == approx(TWO_COLUMNS[0], rel=1e-9)
    assert errors(watched, fit) == (approx(TWO_COLUMNS[1], rel=1e-9), approx(TWO_COLUMNS[2], rel=1e-9))
    tests = [proportionality(watched, fit, column).statistic for column in (0, 1)]
    assert tests == approx(TWO_COLUMNS[3], rel=1e-8)


@pytest.mark.parametrize(
    "ties, coefficient, naive, clustered",
    [
        (Ties.EFRON, 0.833348563664, 0.711085454063, 0.334232973895),
        (Ties.BRESLOW, 0.818685044101, 0.711263316889, 0.338293293545),
    ],
)
def test_who_enters_at_the_moment_of_an_incident_is_not_at_risk_of_it(ties, coefficient, naive, clustered):
    # > coxph(Surv(entry, exit, ev == 1) ~ arm, d, ties =, cluster = cl)              # R 4.2.2, survival 3.5-3
    # Deployments enter at 2, 3, 1 and 5 hours, at 3 and 5 of which others fail.
    d = pd.DataFrame({key: TWENTY[key] for key in ("entry", "exit", "ended", "exposed")}).astype(float)
    d = d.assign(cluster=list(map(float, TWENTY["cluster"])))
    watched, fit = fitted(d, ["exposed"], "exit", "ended", ties, entry="entry", by="cluster")
    assert fit.coefficients[0] == approx(coefficient, rel=1e-8)  # R stops within 1e-9 of the likelihood
    assert errors(watched, fit) == (approx([naive], rel=1e-8), approx([clustered], rel=1e-8))


def of_kidney(strata: Any = "all") -> Durations:
    zero = np.zeros(len(kidney))
    cluster = text(kidney["id"])
    return durations(zero, kidney["time"], kidney["status"], kidney["x"], strata=strata, cluster=cluster, horizon=600.0)


def test_the_wider_of_the_two_intervals_is_given_and_named():
    clustered = CauseSpecificCox()(of_kidney())
    error = sqrt(38 / 37) * 0.483770537059  # R's, with the factor G/(G−1)
    assert clustered.standard_error == approx(error, rel=1e-9)
    reach = t.ppf(0.975, 37) * error
    assert limits(clustered) == approx((exp(-0.837732960913 - reach), exp(-0.837732960913 + reach)), rel=1e-9)
    assert "CR1 (factor G/(G−1)) standard error by service, t with 37 degrees of freedom" in clustered.method
    plain = CauseSpecificCox(ties=Ties.BRESLOW)(of_kidney(text(kidney["disease"])))
    reach = norm.ppf(0.975) * 0.368295330304
    assert limits(plain) == approx((exp(-1.47187835565 - reach), exp(-1.47187835565 + reach)), rel=1e-9)
    assert "standard error of independent deployments" in plain.method
    assert plain.parts == ()
    assert "p = 0.0772" in plain.method


def test_a_ratio_that_changes_with_age_is_given_before_and_after():
    # > k <- survSplit(Surv(time, status) ~ ., kidney, cut = 50, episode = "ep")     # R 4.2.2, survival 3.5-3
    # > coxph(Surv(tstart, time, status) ~ I(sex == 2), k[k$ep == 1 | 2, ], cluster = id)
    found = CauseSpecificCox(early_hours=50)(of_kidney())
    early, late = found.parts
    assert (early.label, late.label) == ("first 50 hours", "after 50 hours")
    assert (log(early.value), log(late.value)) == approx((-1.513223016347, 0.364436400028), rel=1e-9)
    assert early.standard_error == approx(sqrt(38 / 37) * 0.401815293708, rel=1e-9)
    assert (early.support["n"], early.support["events"]) == (76, 29)
    assert (late.support["n"], late.support["events"]) == (35, 29)
    assert "p = 0.00117" in found.method
    assert found.caveats[-1].startswith("The ratio changes with age")


def test_strata_and_covariates_of_a_panel_are_those_of_coxph():
    # > coxph(Surv(start, stop, event) ~ transplant + surgery, heart, cluster = id)
    panel = durations(
        heart["start"], heart["stop"], heart["event"], heart["x"], cluster=text(heart["id"]), horizon=2000.0
    )
    panel = Durations(
        panel.frame.assign(surgery=text(heart["surgery"])), panel.strata, panel.cluster, 2000.0, panel.grid_hours
    )
    found = CauseSpecificCox(adjust_for=("surgery",))(panel)
    assert log(found.value) == approx(TWO_COLUMNS[0][0], rel=1e-9)
    assert found.id == "timing.hazard_ratio"
    assert found.adjustment == ("surgery",)
    # A covariate that the strata hold fixed already adds nothing.
    both = Durations(panel.frame, ("quarter", "surgery"), panel.cluster, 2000.0, panel.grid_hours)
    assert CauseSpecificCox(("surgery",))(both).value == approx(CauseSpecificCox()(both).value, rel=1e-12)


def test_levels_without_an_incident_leave_the_fit_and_are_named():
    frame = twenty.frame.assign(size="S")
    quiet = frame.head(4).assign(size="XL", ended="censored")
    panel = Durations(pd.concat([frame, quiet]), ("quarter",), "service", 12.0, 1.0)
    found = CauseSpecificCox(adjust_for=("size",))(panel)
    assert found.value == approx(CauseSpecificCox()(twenty).value, rel=1e-12)
    assert any("Deployments at size=XL left the fit (4)" in caveat for caveat in found.caveats)


def test_strata_fit_a_baseline_each():
    # > coxph(Surv(entry, exit, ev == 1) ~ arm + strata(st), d, cluster = cl)         # R 4.2.2, survival 3.5-3
    found = CauseSpecificCox()(twenty)
    assert log(found.value) == approx(1.243837720240, rel=1e-10)
    assert found.standard_error == approx(0.838005509693, rel=1e-10)  # CR1 · 0.4120 with t(4) reaches less far
    assert found.method.startswith(
        "Cox regression (1972) of the cause-specific hazard of an incident (roll-backs censored), stratified by "
        "quarter, ties after Efron (1977); "
    )
    assert "p = 0.817" in found.method


# ---- surfacing


def consequences(frame: Frame) -> Consequences:
    return Consequences(frame, strata=("service",), cluster="service")


HOURS = [0.38, 0.75, 1.3, 0.32, 1.22, 1.03, 1.09, 3.05, 0.3, 3.55, 0.47, 0.32, 0.49, 1.29, 1.16, 0.74, 0.39, 0.52, 3.4]
HOURS += [1.22, 0.56, 0.39, 0.82, 0.19, 0.62, 0.48, 3.19, 2.75, 0.93, 0.32]
DETECTED = pd.DataFrame(
    {
        "service": list("aaaaabbbbbcccccdddddeeeeefffff"),
        "exposed": list(map(int, "101000100111000001101001101010")),
        "failed": 1,
        "hours_to_detect": HOURS,
        "n": [1, 2, 1, 3, 1] * 6,
    }
)


@pytest.mark.parametrize(
    "strata, value, error, degrees",
    [
        (("service",), 0.285292267907, 0.381339288150, 4.958180304588),
        (("team",), 0.323316757961, 0.380087875464, 4.963227777151),
    ],
)
def test_the_ratio_of_detection_times_is_that_of_lm_and_clubsandwich(strata, value, error, degrees):
    # > L <- d[rep(1:30, d$n), ]; m <- lm(log(hours) ~ exposed + factor(stratum), L)   # R 4.2.2, clubSandwich 0.5.8
    # > coef_test(m, vcovCR(m, L$service, "CR2"), test = "Satterthwaite")
    frame = DETECTED.assign(team=list("u" * 10 + "v" * 10 + "w" * 10))
    found = detection_ratio(Consequences(frame, strata, "service"))
    assert log(found.value) == approx(value, rel=1e-10)
    assert found.standard_error == approx(error, rel=1e-10)
    reach = t.ppf(0.975, degrees) * error
    assert limits(found) == approx((exp(value - reach), exp(value + reach)), rel=1e-9)
    assert "CR2" in found.method
    assert found.caveats == (COLLIDER,)


def test_services_that_agree_by_chance_leave_the_classical_interval():
    # > m <- lm(log(hours) ~ exposed + service, d); summary(m)$coef["exposed", ]; df.residual(m)           # R 4.2.2
    # CR2 by service is 0.0137: the three services happen to agree.
    frame = pd.DataFrame(
        {
            "service": list("aaaabbbbcccc"),
            "exposed": [1, 1, 0, 0] * 3,
            "failed": 1,
            "hours_to_detect": [1, 4, 2, 8, 2, 8.5, 4, 16, 3, 12, 6.2, 24],
            "n": 1,
        }
    )
    found = detection_ratio(consequences(frame))
    assert log(found.value) == approx(-0.6885080473944, rel=1e-10)
    assert found.standard_error == approx(0.4919146993795, rel=1e-10)
    assert found.p_value == approx(0.1991805830522, rel=1e-9)
    assert "classical standard error, t with 8.0 degrees of freedom" in found.method


def test_detection_within_a_minute_counts_as_a_minute_and_is_counted():
    frame = DETECTED.assign(hours_to_detect=[0.0, *HOURS[1:]])
    floor = DETECTED.assign(hours_to_detect=[1 / 60, *HOURS[1:]])
    found = detection_ratio(consequences(frame))
    assert found.value == detection_ratio(consequences(floor)).value
    assert "1 failures were seen within a minute of their beginning and count as one minute" in found.caveats


def test_restoration_agrees_with_coxph_also_when_mended_at_once():
    # > coxph(Surv(c(0,0,1,2,2,3,4,4,5,6,7,9), c(1,1,1,1,0,1,1,1,0,1,1,0)) ~ c(1,0,1,1,0,0,1,0,1,0,1,0))
    #   0.358199881093, se 0.675034130166                                            # R 4.2.2, survival 3.5-3
    frame = pd.DataFrame(
        {
            "service": list("abcdefghijkl"),
            "everywhere": "all",
            "exposed": [1, 0, 1, 1, 0, 0, 1, 0, 1, 0, 1, 0],
            "failed": 1,
            "hours_to_restore": [0, 0, 1, 2, 2, 3, 4, 4, 5, 6, 7, 9],
            "restored": [1, 1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 0],
            "n": 1,
        }
    )
    found = restoration_hazard_ratio(Consequences(frame, ("everywhere",), "service"))
    assert log(found.value) == approx(0.358199881093, rel=1e-10)
    assert found.id == "timing.restoration.hazard_ratio"
    assert any(caveat.startswith("above 1 means") for caveat in found.caveats)
    assert COLLIDER in found.caveats


def test_the_ratio_of_median_times_to_restoration_combines_the_limits_of_both():
    frame = pd.DataFrame(
        {
            "service": "all",
            "exposed": veteran["x"].astype(int),
            "failed": 1,
            "hours_to_restore": veteran["time"],
            "restored": veteran["status"].astype(int),
            "n": 1,
        }
    )
    found = restoration_median_ratio(consequences(frame))
    assert found.value == 52.5 / 103
    down = sqrt(log(52.5 / 43) ** 2 + log(126 / 103) ** 2)  # quantile(survfit(...), .5), above
    up = sqrt(log(90 / 52.5) ** 2 + log(103 / 54) ** 2)
    assert tuple(map(log, limits(found))) == approx((log(52.5 / 103) - down, log(52.5 / 103) + up), rel=1e-12)


PEAK = pd.DataFrame(
    [
        ("all", f"s{service}", exposed, failed, at_peak, n)
        for service in range(5)
        for exposed, failed, at_peak, n in (
            (1, 1, 1, 4 + service % 3),
            (1, 1, 0, 2 + service % 2),
            (1, 0, None, 94),
            (0, 1, 1, 3),
            (0, 1, 0, 6 - service % 4),
            (0, 1, None, 1),
            (0, 0, None, 190),
        )
    ],
    columns=["everywhere", "service", "exposed", "failed", "surfaced_at_peak", "n"],
)


def test_shares_at_peak_are_compared_among_failures_and_among_all_deployments():
    panel = Consequences(PEAK, strata=("everywhere",), cluster="service")
    among_failed, among_all = surfaced_at_peak_ratio(panel), peak_failure_ratio(panel)
    # In one stratum the regression is the ratio of two shares: 24 of 36 exposed failures, 15 of 39 others.
    assert among_failed.value == approx((24 / 36) / (15 / 39))
    assert among_all.value == approx((24 / (36 + 470)) / (15 / (39 + 950)))
    assert COLLIDER in among_failed.caveats
    assert COLLIDER not in among_all.caveats
    left_out = "of 5 failed deployments nobody said whether they showed at peak: they are left out"
    assert left_out in among_failed.caveats and left_out in among_all.caveats


def test_what_the_incidents_do_not_say_is_an_answer_with_its_reason():
    answers = {found.id: found for found in surfacing(consequences(PEAK.drop(columns="surfaced_at_peak")))}
    assert {id: found.caveats[0] for id, found in answers.items()} == {
        "timing.detection.ratio": "The incidents do not say hours to detect.",
        "timing.restoration.hazard_ratio": "The incidents do not say hours to restore.",
        "timing.restoration.median_ratio": "The incidents do not say hours to restore.",
        "timing.surfaced_at_peak.risk_ratio": "The incidents do not say whether they showed at peak load.",
        "timing.peak_failure.risk_ratio": "The incidents do not say whether they showed at peak load.",
    }
    assert not any(found.estimable for found in answers.values())


@pytest.mark.parametrize(
    "change, reason",
    [
        ({"service": list("abcdefghij" * 3)[:30], "exposed": [0] * 30}, "No service holds such a measurement of both"),
        ({"hours_to_detect": [2.0] * 30}, "Within service and arm, no two measurements differ"),
        ({"service": "a"}, "All exposed measurements that can be compared lie in one service"),
        ({"failed": 0}, "No service holds such a measurement of both"),
    ],
)
def test_detection_times_that_compare_nothing_say_why(change, reason):
    found = detection_ratio(consequences(DETECTED.assign(**change)))
    assert isnan(found.value)
    assert found.caveats[0].startswith(reason)
    assert limits(found) == (0, inf)


# ---- edges


def changed(**columns: Any) -> Durations:
    return durations(**{**TWENTY, **columns})


NO_EXPOSED_INCIDENT = changed(ended=[0, 0, 0, 2, 0, 2, 0, 1, 0, 1, 0, 2, 0, 0, 0, 2, 0, 1, 0, 0])
NO_INCIDENT = changed(ended=[0, 2] * 10)


@pytest.mark.parametrize(
    "panel, reason",
    [
        (NO_INCIDENT, "None of the 20 deployments came to an incident."),
        (
            NO_EXPOSED_INCIDENT,
            "No exposed deployment came to an incident while unexposed ones of its quarter were at risk: the ratio "
            "would be zero, without an interval.",
        ),
        (
            changed(exposed=[1] * 20),
            "In no quarter were exposed and unexposed deployments at risk at the moment of an incident.",
        ),
        (
            changed(strata=["a", "b"] * 10),
            "In no quarter were exposed and unexposed deployments at risk at the moment of an incident.",
        ),
        (durations([], [], [], [], horizon=12.0), "No deployment is left to compare."),
    ],
)
def test_a_hazard_ratio_that_cannot_be_had_says_why(panel, reason):
    found = CauseSpecificCox()(panel)
    assert found.caveats == (reason,)
    assert limits(found) == (0, inf)
    assert found.id == "timing.hazard_ratio"


def test_exposure_that_equals_a_covariate_is_not_told_apart():
    frame = twenty.frame.assign(bot=twenty.frame["exposed"].map({1: "yes", 0: "no"}))
    found = CauseSpecificCox(("bot",))(Durations(frame, ("quarter",), "service", 12.0, 1.0))
    assert found.caveats[0].startswith("Within quarter, exposure cannot be told apart from what is adjusted for")


def test_one_cluster_has_the_independent_interval_and_says_so():
    found = CauseSpecificCox()(changed(cluster="only"))
    assert found.standard_error == approx(0.838005509693, rel=1e-10)
    assert "no other can be had from one service" in found.method
    assert any("Exposed deployments of 1 and unexposed ones of 1 services" in caveat for caveat in found.caveats)


def test_without_incidents_in_an_arm_its_risk_has_an_upper_limit_by_poisson():
    found = cumulative_incidence(NO_EXPOSED_INCIDENT).exposed
    hours = sum(b - a for a, b, arm in zip(TWENTY["entry"], TWENTY["exit"], TWENTY["exposed"], strict=True) if arm)
    assert found.value == 0
    assert found.interval.low == 0
    assert found.interval.high == approx(1 - 0.025 ** (12 / hours))
    assert isnan(found.standard_error)
    assert found.method.endswith("upper limit from the Poisson probability of no incident in the hours watched")
    difference = cumulative_incidence(NO_EXPOSED_INCIDENT).difference
    assert difference.p_value is None
    assert difference.interval.low < difference.value < difference.interval.high
    assert difference.interval.high - difference.value >= found.interval.high


def test_no_incident_anywhere_still_bounds_the_difference():
    difference = cumulative_incidence(NO_INCIDENT).difference
    assert difference.value == 0
    assert -1 < difference.interval.low < 0 < difference.interval.high < 1
    assert restricted_mean_difference(NO_INCIDENT).caveats[0].startswith("no deployment compared had an incident")


@pytest.mark.parametrize(
    "panel, weighting, reason",
    [
        (changed(exposed=[0] * 20), Weighting.CRUDE, "no exposed deployments, so there is nothing to compare"),
        (changed(exposed=[1] * 20), Weighting.TO_EXPOSED, "no unexposed deployments, so there is nothing to compare"),
        (durations([], [], [], [], horizon=12.0), Weighting.CRUDE, "no exposed deployments, so there is nothing to"),
        (
            changed(strata=["a", "b"] * 10),
            Weighting.TO_EXPOSED,
            "no stratum (of 2) holds both exposed and unexposed deployments, so nothing can be compared within quarter",
        ),
    ],
)
def test_arms_that_cannot_be_compared_say_why(panel, weighting, reason):
    curves = cumulative_incidence(panel, weighting=weighting)
    mean = restricted_mean_difference(panel, weighting=weighting)
    for found in (curves.exposed, curves.unexposed, curves.difference, mean):
        assert found.caveats[0].startswith(reason)
        assert limits(found) == (found.estimand.lowest, found.estimand.highest)


def test_a_risk_set_that_runs_empty_before_others_enter_is_refused():
    panel = durations([0, 5, 5, 0], [2, 9, 12, 12], [1, 1, 0, 1], [1, 1, 1, 0], horizon=12.0)
    found = cumulative_incidence(panel)
    assert found.exposed.caveats == (
        "all exposed deployments then watched had ended by 2 hours of age, and others came under watch later: the "
        "curve says nothing of those",
    )
    assert not found.difference.estimable


def test_everybody_failing_leaves_no_limits_but_the_whole_range():
    panel = durations([0] * 6, [1, 2, 3, 4, 5, 6], [1] * 6, [1, 0] * 3, horizon=6.0)
    found = cumulative_incidence(panel)
    assert found.exposed.value == approx(1)
    assert limits(found.exposed) == (0, 1)
    assert found.difference.p_value is None
    assert any("so there are no limits" in caveat for caveat in found.exposed.caveats)


def test_the_curve_runs_from_birth_to_the_last_hour_watched():
    curves = cumulative_incidence(twenty).curves
    exposed = curves[curves["exposed"] == 1]
    assert list(curves.columns) == ["exposed", "time", "risk", "low", "high", "at_risk", "events"]
    assert list(exposed["time"]) == [0, 1, 3, 6, 8, 10, 12]
    assert list(exposed["events"]) == [0, 1, 2, 1, 1, 1, 0]
    assert exposed["risk"].iloc[-1] == exposed["risk"].iloc[-2] == approx(0.7265625)
    assert not curves.isna().any().any()


def test_ends_rounded_up_past_the_horizon_are_at_the_horizon():
    late, at = changed(exit=[*TWENTY["exit"][:-3], 13, 13, 13], horizon=12.0), twenty
    assert cumulative_incidence(late).difference == cumulative_incidence(at).difference


@pytest.mark.parametrize(
    "columns, message",
    [
        ({"entry": [1] + [0] * 19}, "1 rows that are not watched at all, the first from 1 to 1 hours"),
        ({"entry": [5] + [0] * 19}, "1 rows that are not watched at all, the first from 5 to 1 hours"),
        ({"ended": [7] + [0] * 19}, "Durations have empty values in ended"),
        ({"n": [0.5] * 20}, "Durations have n = 0.5; n counts deployments"),
        ({"exit": [*TWENTY["exit"][:-1], 14]}, "watched to 14 hours, beyond the horizon of 12"),
        ({"exposed": [2] + [0] * 19}, "Durations have the value 2 in 'exposed', which is 0 or 1."),
    ],
)
@pytest.mark.parametrize(
    "estimator", [cumulative_incidence, kaplan_meier, restricted_mean_difference, CauseSpecificCox()]
)
def test_impossible_durations_are_refused(
    estimator: Callable[[Durations], object], columns: dict[str, Any], message: str
):
    with pytest.raises(ValueError) as refusal:
        estimator(changed(**columns))
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    "estimator", [cumulative_incidence, kaplan_meier, restricted_mean_difference, CauseSpecificCox()]
)
def test_a_level_outside_zero_to_one_is_refused(estimator: Callable[..., object]):
    with pytest.raises(ValueError, match=r"^level 95 is not a confidence level: give a share between 0 and 1"):
        estimator(twenty, 95)


def test_wrong_settings_are_refused():
    with pytest.raises(ValueError, match=r"Durations have no column 'sise'; they have entry_hours, exit_hours"):
        CauseSpecificCox(adjust_for=("sise",))(twenty)
    with pytest.raises(ValueError, match=r"^early_hours is 0; it is an age in hours above 0, such as 6\.$"):
        CauseSpecificCox(early_hours=0)
    with pytest.raises(ValueError, match="-1 in 'hours_to_detect'; hours from a beginning are not negative"):
        detection_ratio(consequences(DETECTED.assign(hours_to_detect=-1.0)))
    with pytest.raises(ValueError, match="Consequences have no column 'n'"):
        peak_failure_ratio(consequences(PEAK.drop(columns="n")))
