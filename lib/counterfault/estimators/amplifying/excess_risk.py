"""Relative excess risk due to interaction from three log risk ratios, with limits that respect their skew.

RERI = RR₁₁ − RR₁₀ − RR₀₁ + 1 (Rothman 1986). The delta-method interval (Hosmer & Lemeshow 1992, Epidemiology 3:452) is
symmetric, while ratios are skewed to the right, so both its limits lie too low. MOVER recovers the variance near each
limit from the limits of the three ratios (Zou 2008, American Journal of Epidemiology 168:212, equation 4), and costs
nothing more.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtri, stdtrit

from counterfault.estimators.amplifying.contrasts import LogRatios
from counterfault.estimators.poisson.cluster_robust import Floats

_SIGNS = np.array([1.0, -1.0, -1.0])  # of RR₁₁, RR₁₀, RR₀₁


@dataclass(frozen=True, slots=True)
class ExcessRisk:
    """RERI, its limits, and two-sided p of zero by inverting them.

    ``standard_error`` is the delta method's; ``robust`` says whether the cluster-robust covariance was used.
    """

    value: float
    low: float
    high: float
    p_value: float
    standard_error: float
    robust: bool


@dataclass(frozen=True, slots=True)
class _Source:
    """Log ratios (3,) with one covariance (3, 3) and t distributions (3,)."""

    logs: Floats
    covariance: Floats
    degrees: Floats

    def limits(self, level: float) -> tuple[float, float]:
        ratios, errors = np.exp(self.logs), np.sqrt(np.diag(self.covariance))
        reach = np.array([_quantile(degrees, level) for degrees in self.degrees]) * errors
        below, above = ratios - np.exp(self.logs - reach), np.exp(np.minimum(self.logs + reach, 300.0)) - ratios
        correlation = self.covariance / np.outer(errors, errors)
        value = float(_SIGNS @ ratios) + 1
        # a lower limit of the sum takes the lower limit of what is added and the upper one of what is taken away
        down, up = _SIGNS * np.where(_SIGNS > 0, below, above), _SIGNS * np.where(_SIGNS > 0, above, below)
        return value - _length(down, correlation), value + _length(up, correlation)


def excess_risk(ratios: LogRatios, level: float, *, at_least_model: bool) -> ExcessRisk:
    """RERI from the logs of RR₁₁, RR₁₀ and RR₀₁, in this order.

    Parameters
    ----------
    ratios : exactly these three.
    level : of the limits.
    at_least_model : take the limits of independent deployments where these are further apart than the robust ones.
    """
    robust = _Source(ratios.values, ratios.robust, ratios.degrees)
    model = _Source(ratios.values, ratios.model, np.full(3, np.inf))
    by_robust, by_model = robust.limits(level), model.limits(level)
    wider = at_least_model and by_model[1] - by_model[0] > by_robust[1] - by_robust[0]
    source, (low, high) = (model, by_model) if wider else (robust, by_robust)
    gradient = _SIGNS * np.exp(source.logs)
    return ExcessRisk(
        value=float(_SIGNS @ np.exp(source.logs)) + 1,
        low=low,
        high=high,
        p_value=_p_of_zero(source),
        standard_error=sqrt(float(gradient @ source.covariance @ gradient)),
        robust=not wider,
    )


def _p_of_zero(source: _Source) -> float:
    """One minus the level at which a limit reaches zero; between 1e-13 and 1."""
    sign = np.sign(float(_SIGNS @ np.exp(source.logs)) + 1)
    side = 0 if sign > 0 else 1

    def beyond(log_p: float) -> float:
        return float(sign * source.limits(-np.expm1(log_p))[side])

    lowest, highest = -30.0, -1e-12
    if beyond(lowest) > 0:
        return float(np.exp(lowest))
    if beyond(highest) <= 0:  # the value is zero but for rounding
        return 1.0
    return float(np.exp(brentq(beyond, lowest, highest)))


def _quantile(degrees: float, level: float) -> float:
    return float(ndtri(0.5 + level / 2)) if np.isinf(degrees) else float(stdtrit(degrees, 0.5 + level / 2))


def _length(steps: Floats, correlation: Floats) -> float:
    return sqrt(max(float(steps @ correlation @ steps), 0.0))
