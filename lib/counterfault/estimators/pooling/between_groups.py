"""How far groups differ beyond chance, and their mean: the algebra of random effects, on bare arrays.

Each group gives a value yᵢ (a log ratio) with known sampling variance vᵢ; yᵢ ~ N(xᵢβ, vᵢ + τ²). Without moderators
xᵢ = 1 and β is the mean. Nothing here is of the order of groups squared, so thousands of services cost nothing.

References
----------
DerSimonian & Laird (1986), Controlled Clinical Trials 7:177.
Paule & Mandel (1982), Journal of Research of the National Bureau of Standards 87:377.
Viechtbauer (2005), Journal of Educational and Behavioral Statistics 30:261: REML and its scoring step.
Viechtbauer (2007), Statistics in Medicine 26:37: the Q-profile interval of τ².
Hartung & Knapp (2001), Statistics in Medicine 20:3875; Sidik & Jonkman (2002), Statistics in Medicine 21:3153;
with moderators Knapp & Hartung (2003), Statistics in Medicine 22:2693.
Higgins & Thompson (2002), Statistics in Medicine 21:1539: I² and H².
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from math import nan, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import chdtrc, chdtri

Floats = NDArray[np.float64]

_MOST_STEPS = 200
_SMALLEST_STEP = 1e-13


class Between(Enum):
    """Where τ², the variance between groups, comes from."""

    REML = "restricted maximum likelihood"
    DL = "DerSimonian–Laird (1986) moments"
    PM = "Paule–Mandel (1982)"

    def __repr__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Fit:
    """Weighted least squares with weights 1/(vᵢ + τ²).

    Attributes
    ----------
    coefficients : (p,) the mean, or intercept and slopes.
    covariance : (p, p) as if τ² were known.
    tau_squared : the variance between groups that went into the weights.
    scale : Σ wᵢ(yᵢ − xᵢβ)²/(k − p): Hartung & Knapp multiply ``covariance`` by it; NaN with k = p.
    """

    coefficients: Floats
    covariance: Floats
    tau_squared: float
    scale: float


@dataclass(frozen=True, slots=True)
class Heterogeneity:
    """How the observed spread compares with what sampling alone would make.

    Attributes
    ----------
    q, degrees, p_value : Cochran's Q at τ² = 0, its degrees of freedom k − p, and its chi-square p.
    i_squared, h_squared : τ²/(τ² + s²) and its (τ² + s²)/s², with s² the typical sampling variance.
    """

    q: float
    degrees: int
    p_value: float
    i_squared: float
    h_squared: float


@dataclass(frozen=True)
class Groups:
    """The values of k groups.

    Attributes
    ----------
    values, variances : (k,) log ratios and their sampling variances, all finite and above zero.
    design : (k, p) moderators with the intercept; a column of ones where there are none.
    """

    values: Floats
    variances: Floats
    design: Floats

    @classmethod
    def alike(cls, values: Floats, variances: Floats) -> Groups:
        """Groups without moderators: they differ by chance and by τ alone."""
        return cls(values, variances, np.ones((len(values), 1)))

    @property
    def degrees(self) -> int:
        groups, columns = self.design.shape
        return int(groups - columns)

    def fit(self, tau_squared: float) -> Fit:
        """Coefficients at this τ²."""
        weights, covariance, residuals = self._at(tau_squared)
        q = float((weights * residuals**2).sum())
        coefficients = covariance @ self.design.T @ (weights * self.values)
        return Fit(coefficients, covariance, tau_squared, q / self.degrees if self.degrees else nan)

    def q(self, tau_squared: float) -> float:
        """Σ (yᵢ − xᵢβ)²/(vᵢ + τ²): chi-square with k − p degrees of freedom at the true τ²; falls as τ² grows."""
        weights, _, residuals = self._at(tau_squared)
        return float((weights * residuals**2).sum())

    def tau_squared(self, estimator: Between) -> float:
        """The variance between groups; 0 where they differ less than by chance. Needs k > p."""
        by: dict[Between, Callable[[], float]] = {Between.REML: self._reml, Between.DL: self._dl, Between.PM: self._pm}
        return by[estimator]()

    def q_profile(self, level: float) -> tuple[float, float]:
        """The τ² at which Q is not surprising (Viechtbauer 2007); NaN twice if there are none."""
        low, high = (float(chdtri(self.degrees, 1 - p)) for p in ((1 - level) / 2, (1 + level) / 2))
        upper = self._where_q_is(low)
        return (nan, nan) if upper is None else (self._where_q_is(high) or 0.0, upper)

    def heterogeneity(self, tau_squared: float) -> Heterogeneity:
        """Cochran's Q, and the share of the variance that lies between groups."""
        q = self.q(0.0)
        typical = self.degrees / self._trace(0.0)
        return Heterogeneity(
            q=q,
            degrees=self.degrees,
            p_value=float(chdtrc(self.degrees, q)),
            i_squared=tau_squared / (tau_squared + typical),
            h_squared=(tau_squared + typical) / typical,
        )

    def _at(self, tau_squared: float) -> tuple[Floats, Floats, Floats]:
        weights = 1 / (self.variances + tau_squared)
        covariance = np.asarray(np.linalg.inv((self.design.T * weights) @ self.design), dtype=np.float64)
        beta = covariance @ self.design.T @ (weights * self.values)
        return weights, covariance, self.values - self.design @ beta

    def _trace(self, tau_squared: float) -> float:
        """tr P, with P = W − WX(XᵀWX)⁻¹XᵀW."""
        weights, covariance, _ = self._at(tau_squared)
        return float(weights.sum() - np.trace(covariance @ (self.design.T * weights**2) @ self.design))

    def _dl(self) -> float:
        return max(0.0, (self.q(0.0) - self.degrees) / self._trace(0.0))

    def _pm(self) -> float:
        return self._where_q_is(self.degrees) or 0.0

    def _where_q_is(self, target: float) -> float | None:
        """The τ² with this Q; None where Q is smaller than that even at 0."""
        if self.q(0.0) < target:
            return None
        far = max(float(self.variances.max()), 1e-8)
        while self.q(far) > target:
            far *= 4
        return float(brentq(lambda t: self.q(t) - target, 0.0, far, xtol=1e-15, rtol=1e-13))

    def _reml(self) -> float:
        # The restricted likelihood can have a second, lower top at τ² = 0 or elsewhere: climb from several places.
        starts = (0.0, self._dl(), self._pm(), float(np.var(self.values)))
        return max((self._climb(start) for start in starts), key=self._restricted_likelihood)

    def _climb(self, tau_squared: float) -> float:
        """Fisher scoring, halved where it would go down; ends at the boundary if that is where up is."""
        reached = self._restricted_likelihood(tau_squared)
        for _ in range(_MOST_STEPS):
            step = self._scoring_step(tau_squared)
            trial = max(0.0, tau_squared + step)
            while self._restricted_likelihood(trial) < reached - 1e-12 * abs(reached) and abs(step) > _SMALLEST_STEP:
                step /= 2
                trial = max(0.0, tau_squared + step)
            moved, tau_squared = abs(trial - tau_squared), trial
            reached = self._restricted_likelihood(tau_squared)
            if moved <= _SMALLEST_STEP * (1 + tau_squared):
                break
        return tau_squared

    def _scoring_step(self, tau_squared: float) -> float:
        """(yᵀPPy − tr P)/tr PP, with Py = W(y − Xβ) (Viechtbauer 2005)."""
        weights, covariance, residuals = self._at(tau_squared)
        squares, cubes = ((self.design.T * weights**power) @ self.design for power in (2, 3))
        once = covariance @ squares
        trace_pp = float((weights**2).sum() - 2 * np.trace(covariance @ cubes) + np.trace(once @ once))
        trace_p = float(weights.sum() - np.trace(once))
        return (float(((weights * residuals) ** 2).sum()) - trace_p) / trace_pp

    def _restricted_likelihood(self, tau_squared: float) -> float:
        """Log restricted likelihood up to a constant."""
        weights, covariance, residuals = self._at(tau_squared)
        _, log_determinant = np.linalg.slogdet(covariance)
        return float(np.log(weights).sum() + log_determinant - (weights * residuals**2).sum()) / 2


def standard_error(fit: Fit, *, hartung_knapp: bool) -> float:
    """Of the first coefficient: plain, or with Hartung & Knapp's scale."""
    plain = sqrt(float(fit.covariance[0, 0]))
    return plain * sqrt(fit.scale) if hartung_knapp else plain


def shrunken(groups: Groups, fit: Fit) -> Floats:
    """Empirical Bayes values: each group drawn to the mean by vᵢ/(vᵢ + τ²) (Efron & Morris 1975, JASA 70:311)."""
    mean = groups.design @ fit.coefficients
    pull = groups.variances / (groups.variances + fit.tau_squared)
    values: Floats = pull * mean + (1 - pull) * groups.values
    return values
