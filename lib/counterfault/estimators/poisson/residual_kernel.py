"""The symmetric inverse root that CR2 adjusts a cluster's residuals with, at linear cost.

Why not an eigendecomposition? It costs the cube of a cluster's entries, and one busy service with many
covariate patterns would hold up the whole report. But the matrix is diagonal apart from a few directions,
so adding a shift and inverting is cheap (Woodbury), and the inverse root is a short weighted sum of such
shifted inverses (Hale, Higham & Trefethen 2008, SIAM Journal on Numerical Analysis 46:2505, method 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import ellipj, ellipkm1

Floats: TypeAlias = NDArray[np.float64]

_DIGITS = 14  # asked of the root
_LOWEST = 1e-24  # a row whose squared variance is below this share of the largest has no weight beside it


@dataclass(frozen=True, slots=True)
class ResidualKernel:
    """V K V of one cluster, (m_j, m_j): V the variances, K = I − null·nullᵀ − spent·diag(leverage)·spentᵀ.

    K is I − H in whitened coordinates. ``null`` (m_j, t) and ``spent`` (m_j, r) are orthonormal together,
    ``leverage`` (r,) is below 1, the largest of ``variances`` (m_j,) is 1.
    """

    variances: Floats
    null: Floats
    spent: Floats
    leverage: Floats

    def inverse_root_times(self, vectors: Floats) -> Floats:
        """(V K V)^(+1/2) times ``vectors`` (m_j, q), at a cost proportional to m_j."""
        # Eigenvalues lie between this and 1; beneath the floor a row has no weight beside the others.
        lowest = max(self.variances.min() ** 2 * (1 - self.leverage.max(initial=0.0)), _LOWEST)
        vectors = self._in_range(vectors)
        total = np.zeros_like(vectors)
        for shift, weight in zip(*_inverse_root_quadrature(lowest), strict=True):
            total += weight * self._shifted_inverse_times(shift, vectors)
        return self._in_range(total)

    def _in_range(self, vectors: Floats) -> Floats:
        """Without the part that V K V sends to zero, as the Moore–Penrose inverse wants it."""
        if not self.null.shape[1]:
            return vectors
        basis = np.linalg.qr(self.null / self.variances[:, None])[0]
        return vectors - basis @ (basis.T @ vectors)

    def _shifted_inverse_times(self, shift: float, vectors: Floats) -> Floats:
        """(V K V + shift·I)⁻¹ times ``vectors``, by Woodbury's identity.

        The small matrix is I − BᵀV²(V²+shift)⁻¹B with B = (null, spent·√leverage). Written as (I − BᵀB) + Bᵀ(…)B, its
        first term is known exactly, so nothing cancels when the shift is small.
        """
        diagonal = self.variances**2 + shift
        low_rank = np.hstack([self.null, self.spent * np.sqrt(self.leverage)])
        left_over = np.concatenate([np.zeros(self.null.shape[1]), 1 - self.leverage])
        small = np.diag(left_over) + (low_rank.T * (shift / diagonal)) @ low_rank
        scaled = self.variances[:, None] * low_rank
        solved = vectors / diagonal[:, None]
        return solved + (scaled @ np.linalg.solve(small, scaled.T @ solved)) / diagonal[:, None]


def _inverse_root_quadrature(lowest: float) -> tuple[Floats, Floats]:
    """Shifts and weights with Σ weight/(x + shift) = 1/√x, to ``_DIGITS`` digits, for x from ``lowest`` to 1.

    Nodes come in pairs u and K−u; the second of each pair is taken from the first by the half-period
    identities, because near K the elliptic functions lose all figures when ``lowest`` is small.
    """
    pairs = int(np.ceil((3 - np.log(lowest)) * _DIGITS * np.log(10) / (2 * np.pi) ** 2))
    period, complement = ellipkm1(lowest), np.sqrt(lowest)
    sn, cn, dn, _ = ellipj((np.arange(pairs) + 0.5) * period / (2 * pairs), 1 - lowest)
    shifts = np.concatenate([lowest * (sn / cn) ** 2, (cn / sn) ** 2])
    weights = np.concatenate([complement * dn / cn**2, dn / sn**2])
    return shifts, period / (np.pi * pairs) * weights
