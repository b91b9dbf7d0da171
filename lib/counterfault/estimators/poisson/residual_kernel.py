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
_AT_ONCE = 4_000_000  # numbers in one batch of shifted systems
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
        to_zero = self._sent_to_zero()
        vectors = vectors - to_zero @ (to_zero.T @ vectors)
        shifts, weights = _inverse_root_quadrature(lowest)
        total = np.zeros_like(vectors)
        for some in np.array_split(np.arange(len(shifts)), self._batches(len(shifts))):
            total += np.einsum("s,smq->mq", weights[some], self._shifted_inverses_times(shifts[some], vectors))
        found: Floats = total - to_zero @ (to_zero.T @ total)
        return found

    def _batches(self, shifts: int) -> int:
        """All shifts at once for the many small clusters, one after another where that would take much memory."""
        rows, directions = self.null.shape[0], self.null.shape[1] + self.spent.shape[1]
        return min(shifts, 1 + int(rows * (directions + 1) * shifts // _AT_ONCE))

    def _sent_to_zero(self) -> Floats:
        """An orthonormal basis of what V K V sends to zero; the Moore–Penrose inverse leaves it out on both sides."""
        basis: Floats = np.linalg.qr(self.null / self.variances[:, None])[0]
        return basis

    def _shifted_inverses_times(self, shifts: Floats, vectors: Floats) -> Floats:
        """(s, m_j, q): (V K V + shift·I)⁻¹ times ``vectors`` for each shift, by Woodbury's identity.

        The small matrix is I − BᵀV²(V²+shift)⁻¹B with B = (null, spent·√leverage). Written as (I − BᵀB) + Bᵀ(…)B, its
        first term is known exactly, so nothing cancels when the shift is small.
        """
        diagonal = self.variances**2 + shifts[:, None]
        low_rank = np.hstack([self.null, self.spent * np.sqrt(self.leverage)])
        left_over = np.concatenate([np.zeros(self.null.shape[1]), 1 - self.leverage])
        small = np.diag(left_over) + (low_rank.T * (shifts[:, None] / diagonal)[:, None, :]) @ low_rank
        scaled = self.variances[:, None] * low_rank
        solved = vectors / diagonal[:, :, None]
        found: Floats = solved + (scaled @ np.linalg.solve(small, scaled.T @ solved)) / diagonal[:, :, None]
        return found


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
