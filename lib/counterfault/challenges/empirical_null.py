"""How wrong are answers of this kind? The systematic error of a log ratio, learnt from ratios that ought to be 1.

Each control's log ratio yᵢ with standard error sᵢ is N(θ, τ² + sᵢ²): nothing but systematic error, normal with mean θ
and spread τ, and chance. Schuemie et al. (2014), Statistics in Medicine 33:209, for the null and the p-value; Schuemie
et al. (2018), PNAS 115:2571, for the interval. Both put in the most likely θ and τ as if they were known
(:class:`EmpiricalNull`). With twenty controls they are not, and the most likely τ is too small on average: nulls with
systematic error N(0.15, 0.25²) were then called in 15 % of runs at 5 %. So the calibrated answer is averaged over what
θ and τ may be (:class:`UncertainNull`; 5.5 % in the same runs), which costs one sum and no sampling.

Calibrating an interval supposes that the systematic error does not depend on how large the true ratio is. Controls
are all at a ratio of 1, so they cannot say; only planted ratios could.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

Floats = NDArray[np.float64]
Quantity = Callable[[Floats, Floats], Floats]  # of means and spreads

# Before any control is seen, τ is half-normal with scale 1: nearly flat over every spread that would leave a ratio
# worth reading, and enough to keep a handful of controls from leaving τ without a bound (Röver et al. 2021, Research
# Synthesis Methods 12:448, for log ratios).
PRIOR_SCALE = 1.0
_NODES = 200
_SLICES = 101
_NEGLIGIBLE = 30.0  # of the log density, below its top


@dataclass(frozen=True, slots=True)
class EmpiricalNull:
    """Systematic error of a log ratio, normal with a known mean and spread.

    Attributes
    ----------
    mean, spread : θ and τ, on the log scale; ``spread`` is not negative.
    """

    mean: float
    spread: float

    @classmethod
    def most_likely(cls, log_ratios: Floats, errors: Floats) -> EmpiricalNull:
        """Maximum likelihood from the controls (Schuemie et al. 2014, equation 2).

        Parameters
        ----------
        log_ratios, errors : (k,) with k at least 2; errors above zero.

        Raises
        ------
        ValueError
            Fewer than two controls, arrays of different lengths, a number not finite, or an error not above 0.
        """
        controls = _Controls.of(log_ratios, errors)
        spread = controls.most_likely_spread()
        return cls(float(controls.means(np.array([spread]))[0]), spread)

    def p_value(self, log_ratio: float, error: float) -> float:
        """Two-sided p of "no difference" once systematic error is allowed for."""
        return 2 * float(ndtr(-abs(log_ratio - self.mean) / sqrt(self.spread**2 + error**2)))

    def limits(self, log_ratio: float, error: float, level: float) -> tuple[float, float]:
        """Calibrated limits of the log ratio."""
        reach = float(ndtri(0.5 + level / 2)) * sqrt(self.spread**2 + error**2)
        return log_ratio - self.mean - reach, log_ratio - self.mean + reach

    def expected_absolute_error(self) -> float:
        """Mean of |systematic error|: how far off, on the log scale, an answer lies on average, chance apart."""
        return float(_mean_size(np.array([self.mean]), np.array([self.spread]))[0])


@dataclass(frozen=True, slots=True, eq=False)
class UncertainNull:
    """The same when mean and spread are known no better than the controls tell.

    Attributes
    ----------
    spreads : (S,) values that τ may have. weights : (S,) how plausible each is; they sum to 1.
    means, mean_errors : (S,) θ and its standard error, given that τ.
    """

    spreads: Floats
    weights: Floats
    means: Floats
    mean_errors: Floats

    @classmethod
    def of(cls, log_ratios: Floats, errors: Floats) -> UncertainNull:
        """What the controls leave open: τ by its restricted likelihood times a half-normal, θ normal given τ.

        Parameters and errors as in :meth:`EmpiricalNull.most_likely`.
        """
        controls = _Controls.of(log_ratios, errors)
        points, lengths = _quadrature()
        spreads = points * controls.largest_plausible_spread()
        heights = controls.log_posterior(spreads)
        weights = lengths * np.exp(heights - heights.max())
        return cls(spreads, weights / weights.sum(), controls.means(spreads), controls.mean_errors(spreads))

    def value(self, log_ratio: float, error: float) -> float:
        """Calibrated log ratio: as likely too high as too low."""
        return self._quantile(log_ratio, error, 0.5)

    def p_value(self, log_ratio: float, error: float) -> float:
        """Two-sided p of "no difference", systematic error and what is not known of it allowed for."""
        below = self._below(0.0, log_ratio, error)
        return 2 * min(below, 1 - below)

    def limits(self, log_ratio: float, error: float, level: float) -> tuple[float, float]:
        """Calibrated limits of the log ratio, wider than those of :class:`EmpiricalNull` by what is not known."""
        return self._quantile(log_ratio, error, (1 - level) / 2), self._quantile(log_ratio, error, (1 + level) / 2)

    def mean(self, level: float) -> tuple[float, float, float]:
        """Median and limits of θ."""
        return self._summary(level, lambda mean, spread: mean)

    def spread(self, level: float) -> tuple[float, float, float]:
        """Median and limits of τ."""
        return self._summary(level, lambda mean, spread: spread)

    def expected_absolute_error(self, level: float) -> tuple[float, float, float]:
        """Median and limits of the expected absolute systematic error."""
        return self._summary(level, _mean_size)

    def _below(self, point: float, log_ratio: float, error: float) -> float:
        """How plausible a true log ratio below ``point`` is."""
        scale = np.sqrt(error**2 + self.spreads**2 + self.mean_errors**2)
        return float((self.weights * ndtr((point - log_ratio + self.means) / scale)).sum())

    def _quantile(self, log_ratio: float, error: float, share: float) -> float:
        scale = np.sqrt(error**2 + self.spreads**2 + self.mean_errors**2)
        each = log_ratio - self.means + ndtri(share) * scale  # the mixture's quantile lies between those of its parts
        low, high = float(each.min()) - 1e-9, float(each.max()) + 1e-9
        return float(brentq(lambda point: self._below(point, log_ratio, error) - share, low, high, xtol=1e-12))

    def _summary(self, level: float, what: Quantity) -> tuple[float, float, float]:
        steps = ndtri((np.arange(_SLICES) + 0.5) / _SLICES)  # θ given τ in slices of equal weight
        means = self.means[:, None] + self.mean_errors[:, None] * steps
        found = what(means, np.broadcast_to(self.spreads[:, None], means.shape)).ravel()
        order = found.argsort()
        cumulative = np.repeat(self.weights / _SLICES, _SLICES)[order].cumsum()
        places = np.searchsorted(cumulative, (0.5, (1 - level) / 2, (1 + level) / 2)).clip(max=found.size - 1)
        middle, low, high = found[order][places].tolist()
        return middle, low, high


@dataclass(frozen=True, slots=True, eq=False)
class _Controls:
    """Log ratios and variances of the controls, and the likelihood of each spread τ; arrays of τ have shape (S,)."""

    values: Floats
    variances: Floats

    @classmethod
    def of(cls, log_ratios: Floats, errors: Floats) -> _Controls:
        values, scales = np.asarray(log_ratios, dtype=np.float64), np.asarray(errors, dtype=np.float64)
        if values.ndim != 1 or values.shape != scales.shape or len(values) < 2:
            raise ValueError(
                f"log_ratios and errors have shapes {values.shape} and {scales.shape}: give one of each for every "
                "control, two controls at least"
            )
        if not (np.isfinite(values).all() and np.isfinite(scales).all() and (scales > 0).all()):
            raise ValueError(
                "log_ratios must be finite and errors finite and above 0: leave out controls without either"
            )
        return cls(values, scales**2)

    def means(self, spreads: Floats) -> Floats:
        """The most likely θ at each τ."""
        weights = self._weights(spreads)
        found: Floats = (weights * self.values).sum(axis=1) / weights.sum(axis=1)
        return found

    def mean_errors(self, spreads: Floats) -> Floats:
        """Standard error of θ at each τ."""
        found: Floats = 1 / np.sqrt(self._weights(spreads).sum(axis=1))
        return found

    def log_likelihood(self, spreads: Floats) -> Floats:
        """Of each τ with its most likely θ, up to a constant."""
        weights = self._weights(spreads)
        squares = weights * (self.values - self.means(spreads)[:, None]) ** 2
        found: Floats = (np.log(weights) - squares).sum(axis=1) / 2
        return found

    def log_posterior(self, spreads: Floats) -> Floats:
        """Of each τ with θ, on which nothing is supposed, summed over; up to a constant."""
        prior = -((spreads / PRIOR_SCALE) ** 2) / 2
        found: Floats = self.log_likelihood(spreads) + np.log(self.mean_errors(spreads)) + prior
        return found

    def most_likely_spread(self) -> float:
        """The top of the likelihood, which cannot lie beyond the range of the values."""
        spreads = np.linspace(0.0, float(np.ptp(self.values)), _NODES)
        top = int(self.log_likelihood(spreads).argmax())
        low, high = float(spreads[max(top - 1, 0)]), float(spreads[min(top + 1, _NODES - 1)])
        if self._slope(low) <= 0 or self._slope(high) >= 0:
            return float(spreads[top])
        return float(brentq(self._slope, low, high, xtol=1e-14))

    def largest_plausible_spread(self) -> float:
        """Beyond it the density of τ is negligible; narrowed a few times, since τ may be 2 or a thousandth."""
        furthest = PRIOR_SCALE * sqrt(2 * _NEGLIGIBLE)
        for _ in range(5):
            spreads = np.linspace(0.0, furthest, _NODES)
            heights = self.log_posterior(spreads)
            plausible = int(np.flatnonzero(heights >= heights.max() - _NEGLIGIBLE)[-1])
            furthest = float(spreads[min(plausible + 1, _NODES - 1)])
        return furthest

    def _slope(self, spread: float) -> float:
        """Of the log likelihood in τ², at the most likely θ (which adds nothing, being at its own top)."""
        weights = self._weights(np.array([spread]))[0]
        mean = (weights * self.values).sum() / weights.sum()
        return float((weights**2 * (self.values - mean) ** 2 - weights).sum()) / 2

    def _weights(self, spreads: Floats) -> Floats:
        found: Floats = 1 / (self.variances + spreads[:, None] ** 2)
        return found


@lru_cache(maxsize=1)
def _quadrature() -> tuple[Floats, Floats]:
    """Gauss–Legendre points between 0 and 1, and their weights."""
    points, lengths = np.polynomial.legendre.leggauss(_NODES)
    return (points + 1) / 2, lengths


def _mean_size(means: Floats, spreads: Floats) -> Floats:
    """E|e| of e ~ N(mean, spread²): the folded normal's mean (Leone, Nelson & Nottingham 1961, Technometrics 3:543)."""
    certain = spreads <= 0
    ratio = np.divide(means, spreads, out=np.zeros_like(means), where=~certain)
    # Beyond 38 the exponential is zero to a double and its square would overflow.
    density = np.exp(-(np.minimum(np.abs(ratio), 38.0) ** 2) / 2) * np.sqrt(2 / np.pi)
    folded = spreads * density + means * (1 - 2 * ndtr(-ratio))
    sizes: Floats = np.where(certain, np.abs(means), folded)
    return sizes
