"""When half of something had ended, with limits: the median of a Kaplan–Meier curve."""

from __future__ import annotations

from math import hypot, inf, log
from typing import NamedTuple

import numpy as np

from counterfault.estimators.poisson.cluster_robust import Floats
from counterfault.estimators.tables.score import critical_value
from counterfault.estimators.timing.curve_limits import log_log_limits
from counterfault.estimators.timing.risk_sets import Mask, RiskSets


class Median(NamedTuple):
    """A median with its limits, in hours; infinite where a half is never reached."""

    value: float
    low: float
    high: float


def median(hours: Floats, ended: Mask, copies: Floats, level: float) -> Median:
    """When half had ended, with the limits of Brookmeyer & Crowley (1982, Biometrics 38:29) on the log(−log) scale.

    A limit is the time at which a pointwise limit of the curve passes a half. Where the curve or a limit stays exactly
    at a half for a while, the middle of that while is given, as R does.

    Parameters
    ----------
    hours : (m,) not negative.
    ended : (m,) whether the time is the whole; else it is how long nothing had ended yet.
    copies : (m,) what each row stands for, independent of one another.
    level : confidence level.
    """
    sets = RiskSets.of(np.zeros(len(hours), dtype=np.intp), np.full(len(hours), -1.0), hours, ended)
    number = sets.at_risk(copies)
    hazard = sets.ending(copies * ended) / number
    open_still = hazard < 1 - 1e-12
    running: Floats = np.cumprod(np.where(open_still, 1 - hazard, 0.0), dtype=np.float64)
    share = 1 - running
    greenwood = np.cumsum(np.divide(hazard, number * (1 - hazard), where=open_still, out=np.zeros_like(hazard)))
    low, high = log_log_limits(share, (1 - share) * np.sqrt(greenwood), critical_value(level))
    # Once all have ended the scale has no lower limit of their share; the last one before says nothing of later.
    certain: Floats = np.where(open_still, low, 0.0)
    return Median(*(_passes_half(sets.times, curve) for curve in (share, high, certain)))


def log_ratio_limits(exposed: Median, unexposed: Median) -> tuple[float, float]:
    """Limits of the logarithm of the first median over the second, from their own limits.

    Each lies as far out as the limits of the two together reach (Zou & Donner 2008, Statistics in Medicine 27:1693).
    """
    ratio = _log(exposed.value, unexposed.value)
    down = hypot(_log(exposed.value, exposed.low), _log(unexposed.high, unexposed.value))
    up = hypot(_log(exposed.high, exposed.value), _log(unexposed.value, unexposed.low))
    return ratio - down, ratio + up


def _passes_half(times: Floats, shares: Floats) -> float:
    reached = np.flatnonzero(shares >= 0.5 - 1e-9)
    above = np.flatnonzero(shares > 0.5 + 1e-9)
    if not len(reached):
        return inf
    end = above[0] if len(above) else reached[0]
    return float(times[reached[0]] + times[end]) / 2


def _log(larger: float, smaller: float) -> float:
    return inf if larger == inf or smaller == 0 else log(larger / smaller)
