"""The ratio of two geometric means within strata: least squares on logarithms, compressed."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, sqrt

import numpy as np
from scipy.special import stdtr, stdtrit

from counterfault.estimators.poisson.cluster_robust import (
    NOT_ABSORBED,
    Codes,
    Floats,
    SmallSample,
    WorkingModel,
    centred_within,
    cluster_robust,
)
from counterfault.estimators.poisson.regression_problem import NotComparableError
from counterfault.estimators.timing.event_times import any_in, recoded
from counterfault.estimators.timing.risk_sets import Mask


@dataclass(frozen=True)
class Measured:
    """Positive measurements, each row standing for equal ones.

    Attributes
    ----------
    values : (m,) above 0.
    exposed : (m,) the arm.
    copies : (m,) whole numbers above 0.
    strata, clusters : (m,) codes from 0.
    """

    values: Floats
    exposed: Mask
    copies: Floats
    strata: Codes
    clusters: Codes

    def compared(self) -> Measured:
        """Those of strata with both arms."""
        kept = any_in(self.strata, self.exposed) & any_in(self.strata, ~self.exposed)
        return Measured(
            self.values[kept],
            self.exposed[kept],
            self.copies[kept],
            recoded(self.strata[kept]),
            recoded(self.clusters[kept]),
        )


@dataclass(frozen=True, slots=True)
class LogRatio:
    """The logarithm of a ratio of geometric means, and the error of whichever interval is the wider.

    Attributes
    ----------
    value : exposed over unexposed.
    error : its standard error.
    degrees : of the t distribution that goes with it.
    robust : whether it is the cluster-robust one.
    """

    value: float
    error: float
    degrees: float
    robust: bool

    def limits(self, level: float) -> tuple[float, float]:
        """Of the logarithm."""
        reach = _quantile(self.degrees, level) * self.error
        return self.value - reach, self.value + reach

    @property
    def p_value(self) -> float:
        """Two-sided, of equal means."""
        return 2 * float(stdtr(self.degrees, -abs(self.value) / self.error))


def log_ratio(measured: Measured, level: float, place: str, cluster: str) -> LogRatio:
    """By how much do the logarithms differ between the arms, strata held fixed?

    Parameters
    ----------
    measured : of strata with both arms.
    level : at which the two intervals, robust (CR2) and classical, are compared for width.
    place, cluster : what a stratum and a cluster are called, for the reasons.

    Raises
    ------
    NotComparableError
        With the reason, when there is no ratio or nothing to tell its error from.
    """
    _require_enough(measured, place, cluster)
    m, ones = measured, np.ones_like(measured.values)
    x = centred_within(m.exposed[:, None].astype(np.float64), m.copies * ones, m.strata)[:, 0]
    y = centred_within(np.log(m.values)[:, None], m.copies * ones, m.strata)[:, 0]
    value = float((m.copies * x) @ y / ((m.copies * x) @ x))
    residuals = y - value * x
    spare = float(m.copies.sum()) - (int(m.strata.max()) + 1) - 1
    squares = float((m.copies * residuals) @ residuals)
    if spare < 1 or squares <= 1e-20 * max(float((m.copies * y) @ y), 1e-300):
        raise NotComparableError(
            f"Within {place} and arm, no two measurements differ, so there is nothing to tell the error from."
        )
    model = sqrt(squares / spare / float((m.copies * x) @ x))
    robust, degrees = _robust(m, residuals)
    if robust > 0 and degrees > 0 and _quantile(degrees, level) * robust > _quantile(spare, level) * model:
        return LogRatio(value, robust, degrees, True)
    return LogRatio(value, model, spare, False)


def _robust(m: Measured, residuals: Floats) -> tuple[float, float]:
    pairs = np.unique(np.column_stack([m.strata, m.clusters]), axis=0)
    spanning = np.flatnonzero(np.bincount(pairs[:, 0]) > 1)
    dummies = (m.strata[:, None] == spanning).astype(np.float64)
    model = WorkingModel(
        design=np.hstack([m.exposed[:, None].astype(np.float64), dummies]),
        variances=np.ones_like(residuals),
        residuals=residuals,
        copies=m.copies,
        clusters=m.clusters,
        absorbed=np.where(np.isin(m.strata, spanning), NOT_ABSORBED, m.strata),
    )
    contrast = np.zeros((1 + len(spanning), 1))
    contrast[0] = 1
    sandwich = cluster_robust(model, SmallSample.CR2, contrast)
    return sqrt(max(float(sandwich.covariance[0, 0]), 0.0)), float(sandwich.degrees_of_freedom[0])


def _require_enough(measured: Measured, place: str, cluster: str) -> None:
    if not len(measured.values):
        raise NotComparableError(f"No {place} holds such a measurement of both arms.")
    for name, arm in (("exposed", measured.exposed), ("unexposed", ~measured.exposed)):
        if len(np.unique(measured.clusters[arm])) < 2:
            raise NotComparableError(
                f"All {name} measurements that can be compared lie in one {cluster}, which cannot show how far "
                f"{cluster}s differ from one another."
            )


def _quantile(degrees: float, level: float) -> float:
    return float(stdtrit(degrees if degrees < 1e12 else inf, 0.5 + level / 2))
