"""The Mantel–Haenszel risk ratio as it would be if labels were right, for thousands of error rates at once.

With sensitivity Se and specificity Sp among the M failures of a stratum, U of them labelled AI, the matrix method
(Lash, Fox & Fink 2009, Applying Quantitative Bias Analysis to Epidemiologic Data, ch. 6, eq. for a = A* − …) corrects

    a = (U − (1 − Sp) M) / (Se + Sp − 1),   c = M − a,

and likewise b and d among the deployments that did not fail, with error rates of their own.

Why not simply correct every stratum and drop the draws with a negative count? A stratum of thirty deployments with
one failure nearly always gets one, so that nothing would be left. But a, b, c, d are linear in the labels and so
right on average in every stratum, negative or not; and the Mantel–Haenszel ratio needs only two sums over strata,

    R = Σ a (c + d) / N,   S = Σ c (a + b) / N.

Labels of failed and of other deployments err independently, so a·d and c·b are right on average too. Only a·c is not:
with V = (a Se (1 − Se) + c Sp (1 − Sp)) / (Se + Sp − 1)², the variance that misclassification gives to a, the mean of
the product falls short by V, which is added back. So corrected, both sums are unbiased for what right labels would
give, however small the strata, and only a *sum* that is not positive speaks against the error rates.

Every term is a product of counts times a coefficient of the error rates, so strata are summed once, into nine numbers,
and a draw costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from counterfault.cells import Cells
from counterfault.estimators.tables.strata import Strata

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ErrorRates:
    """How often labels are right, one value per draw, shape (draws,) each.

    Attributes
    ----------
    sensitivity_failed, sensitivity_other : share of AI-assisted deployments labelled so, by whether they failed.
    specificity_failed, specificity_other : share of other deployments labelled so, by whether they failed.
    """

    sensitivity_failed: Floats
    sensitivity_other: Floats
    specificity_failed: Floats
    specificity_other: Floats

    @classmethod
    def alike(cls, sensitivity: Floats, specificity: Floats) -> ErrorRates:
        """The same among failed and other deployments: non-differential misclassification."""
        return cls(sensitivity, sensitivity, specificity, specificity)


@dataclass(frozen=True, eq=False)
class Corrected:
    """What each draw of the error rates makes of the tables, shape (draws,) each; NaN where it is impossible.

    Attributes
    ----------
    log_ratio : logarithm of the corrected ratio.
    log_error : its standard error from the sampling of deployments and labels, error rates taken as known.
    """

    log_ratio: Floats
    log_error: Floats

    @property
    def possible(self) -> NDArray[np.bool_]:
        """Which draws gave no negative sum."""
        return np.isfinite(self.log_ratio)


@dataclass(frozen=True, eq=False)
class LabelledTables:
    """Failures and other deployments by label, per stratum that holds both labels, shape (strata,) each.

    Strata with one label only are left out, as Mantel & Haenszel leave them out. Keeping them would hold error rates
    against them that their labels contradict: where nobody uses AI, nobody is mislabelled as using it, and yet a
    specificity of 0.98 would subtract one deployment in fifty.

    Attributes
    ----------
    failed_ai, failed, other_ai, other : failures labelled AI, all failures, other deployments labelled AI, all others.
    """

    failed_ai: Floats
    failed: Floats
    other_ai: Floats
    other: Floats

    @classmethod
    def of(cls, cells: Cells) -> LabelledTables:
        """The compared strata of some cells."""
        strata = Strata.of(cells)
        return cls(strata.a, strata.a + strata.c, strata.n1 - strata.a, strata.size - strata.events)

    def corrected(self, rates: ErrorRates) -> Corrected:
        """The ratio with right labels under every draw of the error rates."""
        over, under = _weights(rates)
        r, s = self.sums(rates)
        sound = (r > 0) & (s > 0) & self._counts_are_positive(rates)
        r, s = np.where(sound, r, np.nan), np.where(sound, s, np.nan)
        slope = over / r[:, None] - under / s[:, None]
        variance = np.einsum("di,ij,dj->d", slope, self._spread, slope)
        return Corrected(np.log(r / s), np.sqrt(np.maximum(variance, 0.0)))

    def sums(self, rates: ErrorRates) -> tuple[Floats, Floats]:
        """The corrected R and S of every draw, unbiased for those of right labels; they may be negative."""
        over, under = _weights(rates)
        total = self._terms.sum(axis=0)
        return np.asarray(over @ total), np.asarray(under @ total)

    @cached_property
    def _size(self) -> Floats:
        return self.failed + self.other

    @cached_property
    def _terms(self) -> Floats:
        """Products of counts over stratum size, shape (strata, 9), in the order of :func:`_weights`."""
        u, m, e, k = self.failed_ai, self.failed, self.other_ai, self.other
        return np.stack([u * k, m * k, u * e, m * e, u * u, u * m, m * m, u, m], axis=1) / self._size[:, None]

    @cached_property
    def _spread(self) -> Floats:
        """Σ counts × ∂terms/∂count (∂terms/∂count)ᵀ over the four counts of every stratum, shape (9, 9).

        The delta method with Poisson counts. For one table and right labels it is Katz's variance exactly.
        """
        u, m, e, k, zero, one = self.failed_ai, self.failed, self.other_ai, self.other, *_constants(len(self.failed))
        by_m = np.stack([zero, k, zero, e, zero, u, 2 * m, zero, one], axis=1)
        by_u = np.stack([k, zero, e, zero, 2 * u, m, zero, one, zero], axis=1) + by_m
        by_k = np.stack([u, m, zero, zero, zero, zero, zero, zero, zero], axis=1)
        by_e = np.stack([zero, zero, u, m, zero, zero, zero, zero, zero], axis=1) + by_k
        counts = ((u, by_u), (m - u, by_m), (e, by_e), (k - e, by_k))
        slopes = [(count, (by - self._terms) / self._size[:, None]) for count, by in counts]
        return np.asarray(sum((slope * count[:, None]).T @ slope for count, slope in slopes))

    def _counts_are_positive(self, rates: ErrorRates) -> NDArray[np.bool_]:
        """Whether all four corrected counts, summed over strata, are above zero: the rule of Fox, Lash & Greenland."""
        alpha, beta = _correction(rates.sensitivity_failed, rates.specificity_failed)
        exposed = alpha * self.failed_ai.sum() - beta * self.failed.sum()
        alpha, beta = _correction(rates.sensitivity_other, rates.specificity_other)
        other = alpha * self.other_ai.sum() - beta * self.other.sum()
        return np.asarray(
            (exposed > 0) & (exposed < self.failed.sum()) & (other > 0) & (other < self.other.sum()), dtype=np.bool_
        )


def _constants(strata: int) -> tuple[Floats, Floats]:
    return np.zeros(strata), np.ones(strata)


def _correction(sensitivity: Floats, specificity: Floats) -> tuple[Floats, Floats]:
    """Coefficients of labelled and of all deployments in the corrected number of AI-assisted ones; NaN at no signal."""
    youden = sensitivity + specificity - 1
    youden = np.where(youden > 0, youden, np.nan)
    return 1 / youden, (1 - specificity) / youden


def _weights(rates: ErrorRates) -> tuple[Floats, Floats]:
    """Coefficients of the nine terms in R and in S, shape (draws, 9) each."""
    alpha, beta = _correction(rates.sensitivity_failed, rates.specificity_failed)
    alpha0, beta0 = _correction(rates.sensitivity_other, rates.specificity_other)
    gamma, gamma0 = 1 + beta, 1 + beta0
    missed = rates.sensitivity_failed * (1 - rates.sensitivity_failed)
    invented = rates.specificity_failed * (1 - rates.specificity_failed)
    # a·c + V, in terms of U², U·M, M², U and M: shared by R and S.
    shared = [
        -(alpha**2),
        alpha * (gamma + beta),
        -beta * gamma,
        alpha**3 * (missed - invented),
        alpha**2 * (gamma * invented - beta * missed),
    ]
    exposed_failed_other_not = [alpha * gamma0, -beta * gamma0, -alpha * alpha0, beta * alpha0]  # a·d
    other_failed_exposed_not = [alpha * beta0, -gamma * beta0, -alpha * alpha0, gamma * alpha0]  # c·b
    return (
        np.stack([*exposed_failed_other_not, *shared], axis=1),
        np.stack([*other_failed_exposed_not, *shared], axis=1),
    )
