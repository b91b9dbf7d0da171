"""How much of what is left unexplained would a confounder have to explain to turn the answer?

Cinelli & Hazlett (2020), Journal of the Royal Statistical Society B 82:39. In least squares the bias of leaving a
confounder Z out depends on two partial R² alone: of Z with exposure D given the covariates X, and of Z with the outcome
Y given D and X. The *robustness value* is the share at which both together bring the estimate (or its limit) to
nothing. Bare functions on numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, isfinite, sqrt

import numpy as np
from scipy.optimize import brentq


def robustness_value(f: float, critical: float = 0.0) -> float:
    """The partial R² with exposure and with outcome that takes ``critical`` to be all that is left of ``f``.

    ½(√(f⁴ + 4f²) − f²), with f − critical for f where a limit is asked for; written so that small f keep their digits.
    Where the effect is strong, a limit falls sooner to a confounder that explains less of the outcome than of exposure,
    since what it explains narrows the interval; the share is then that of the "extreme" robustness value, as in
    sensemakr 0.1.6.

    Parameters
    ----------
    f : Cohen's f of exposure with outcome, \\|t\\|/√df.
    critical : that of an estimate whose interval just reaches zero: reach in classical errors over √(df − 1).
    """
    left = f - critical
    if left <= 0:
        return 0.0
    if f * critical > 1:
        return (f**2 - critical**2) / (1 + f**2)
    return 2 * left / (left + sqrt(left**2 + 4))


def partner_of(f: float, critical: float = 0.0) -> float:
    """The same for the limit further from zero: the share at which nothing of the interval is left on its side."""
    return robustness_value(f + critical)


@dataclass(frozen=True, slots=True)
class Confounder:
    """A confounder by its two strengths.

    Attributes
    ----------
    r2_exposure : R²(D~Z|X), from 0 to below 1.
    r2_outcome : R²(Y~Z|D,X), from 0 to 1.
    """

    r2_exposure: float
    r2_outcome: float

    def bias(self, error: float, degrees: float) -> float:
        """By how much leaving it out moves the estimate.

        Parameters
        ----------
        error, degrees : the classical standard error and residual degrees of freedom without it.
        """
        return error * sqrt(degrees) * sqrt(self.r2_outcome * self.r2_exposure / (1 - self.r2_exposure))

    def error(self, error: float, degrees: float) -> float:
        """The classical standard error with it held fixed."""
        return error * sqrt((1 - self.r2_outcome) / (1 - self.r2_exposure) * degrees / (degrees - 1))


def times_as_strong(r2_exposure: float, r2_outcome: float, times: float) -> Confounder | None:
    """A confounder so many times as strong as a measured one, in exposure and in outcome.

    Parameters
    ----------
    r2_exposure, r2_outcome : partial R² of the measured confounder.
    times : k_D = k_Y.

    Returns
    -------
    The strengths it can have at most; None where no confounder can be so strong beside the measured ones.
    """
    odds = r2_exposure / (1 - r2_exposure) if r2_exposure < 1 else inf
    if times * odds >= 1:
        return None
    # R² of Z with the measured confounder, given exposure: conditioning on exposure ties them together.
    tie = times * r2_exposure**2 / ((1 - times * r2_exposure) * (1 - r2_exposure))
    if tie >= 1:
        return None
    eta = (sqrt(times) + sqrt(tie)) / sqrt(1 - tie)
    outcome = eta**2 * r2_outcome / (1 - r2_outcome) if r2_outcome < 1 else 1.0
    return Confounder(times * odds, min(outcome, 1.0))


def times_needed(r2_exposure: float, r2_outcome: float, left: Callable[[Confounder], float]) -> float:
    """How many times as strong as a measured confounder one must be for nothing to be left.

    Parameters
    ----------
    r2_exposure, r2_outcome : partial R² of the measured confounder.
    left : what remains of the estimate, or of a limit, beside a confounder; positive without one.

    Returns
    -------
    The multiple; 0 where nothing is left as it is, infinite where the measured confounder has no strength to multiply.
    """
    if left(Confounder(0.0, 0.0)) <= 0:
        return 0.0
    if r2_exposure <= 0 or r2_outcome <= 0:
        return inf

    def remaining(times: float) -> float:
        confounder = times_as_strong(r2_exposure, r2_outcome, times)
        return left(confounder) if confounder else -inf

    # Beyond `most` a confounder would explain all of exposure; just before it, it takes everything. What is left of a
    # limit need not fall all the way, so the first multiple at which it is gone is looked for on a grid.
    most = (1 - r2_exposure) / r2_exposure
    grid = most * np.geomspace(1e-7, 1 - 1e-12, 400)
    gone = next((place for place, times in enumerate(grid) if remaining(float(times)) <= 0), None)
    if gone is None:
        return most
    low, high = float(grid[gone - 1]) if gone else 0.0, float(grid[gone])
    if not isfinite(remaining(high)):
        return high
    return float(brentq(remaining, low, high, xtol=1e-12 * high, rtol=1e-12))
