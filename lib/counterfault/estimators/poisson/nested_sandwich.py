"""CR2 for the first coefficient where every stratum lies inside one cluster: all clusters in one pass.

The same figures as :func:`~counterfault.estimators.poisson.cluster_robust.cluster_robust`, which is written to be
read, serves any design and walks from cluster to cluster. Where hundreds of data sets that differ in exposure and
events alone are fitted one after another, that walk is most of the time. Two facts save it. The absorbed effects of a
cluster are indicators of its strata, so the matrix that Woodbury's identity inverts is diagonal but for a border as
wide as the design. And sums within strata are small products of matrices of equal shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np

from counterfault.estimators.poisson.cluster_robust import (
    _FULL_LEVERAGE,
    Codes,
    Floats,
    Sandwich,
    WorkingModel,
    centred_within,
)
from counterfault.estimators.poisson.residual_kernel import _LOWEST, _inverse_root_quadrature

_AT_ONCE = 2_000_000  # numbers in one batch of shifted systems


@dataclass(frozen=True, slots=True)
class _Nest:
    """Which entries make a stratum and which strata a cluster, entries and strata standing in this order.

    Attributes
    ----------
    strata, clusters : (m,) codes of each entry.
    cluster_of : (t,) the cluster of each stratum.
    slot : (m,) place of each entry among those of its stratum.
    """

    strata: Codes
    clusters: Codes
    cluster_of: Codes
    slot: Codes

    @classmethod
    def of(cls, strata: Codes, clusters: Codes) -> _Nest:
        first = np.flatnonzero(np.diff(strata, prepend=-1))
        return cls(strata, clusters, clusters[first], np.arange(len(strata)) - first[strata])

    def padded(self, values: Floats) -> Floats:
        """(t, p, …): the entries of each stratum side by side, filled up with zeros."""
        table = np.zeros((len(self.cluster_of), int(self.slot.max()) + 1, *values.shape[1:]))
        table[self.strata, self.slot] = values
        return table

    def by_stratum(self, values: Floats) -> Floats:
        """(t,): sums within strata."""
        sums: Floats = np.bincount(self.strata, values, len(self.cluster_of)).astype(np.float64)
        return sums

    def by_cluster(self, values: Floats) -> Floats:
        """(G, …): rows of strata, or of entries, added up within clusters."""
        codes = self.cluster_of if len(values) == len(self.cluster_of) else self.clusters
        first = np.flatnonzero(np.diff(codes, prepend=-1))
        sums: Floats = np.add.reduceat(values, first, axis=0)
        return sums


def nested_sandwich(model: WorkingModel) -> Sandwich | None:
    """CR2 variance and Satterthwaite degrees of freedom of the first coefficient.

    Parameters
    ----------
    model : the problem at its solution; entries sorted by cluster and stratum, every entry in an absorbed stratum, and
        at least two clusters.

    Returns
    -------
    A sandwich of one combination; None where one cluster alone determines a direction of the design (leverage 1), which
    needs the general road.
    """
    nest = _Nest.of(model.absorbed, model.clusters)
    mass = model.copies * model.variances
    scale = np.sqrt(mass)
    rows = scale[:, None] * centred_within(model.design, mass, model.absorbed)
    bread: Floats = np.linalg.inv(rows.T @ rows).astype(np.float64)
    spread = rows @ np.linalg.cholesky(bread)  # its products within a cluster are that cluster's hat block
    blocks = nest.by_cluster(spread[:, :, None] * spread[:, None, :])
    leverage, turn = np.linalg.eigh(blocks)
    if leverage.max() > _FULL_LEVERAGE:
        return None
    plain = rows @ bread[:, 0]
    effects = scale / np.sqrt(nest.by_stratum(mass))[model.absorbed]
    kernel = _Kernels(
        nest=nest,
        variances=model.variances / np.maximum.reduceat(model.variances, _starts(nest.clusters))[nest.clusters],
        effects=effects,
        spent=np.einsum("mk,mkl->ml", spread, turn[nest.clusters]),
        left_over=1 - leverage,
    )
    weights = kernel.variances * kernel.inverse_root_times(plain)
    contributions = nest.by_cluster(weights * (model.copies / scale * model.residuals))
    return Sandwich(
        covariance=np.array([[contributions @ contributions]]),
        model_covariance=bread[:1, :1],
        degrees_of_freedom=np.array([_satterthwaite(nest, rows, weights, effects, bread)]),
        clusters=len(contributions),
    )


def _starts(codes: Codes) -> Codes:
    return np.flatnonzero(np.diff(codes, prepend=-1))


@dataclass(frozen=True, slots=True)
class _Kernels:
    """V K V of every cluster at once, as in :class:`~counterfault.estimators.poisson.residual_kernel.ResidualKernel`.

    Attributes
    ----------
    variances : (m,) as a share of the largest of the cluster.
    effects : (m,) the whitened indicator of each entry's stratum, of length 1 within it.
    spent : (m, k) eigenvectors of the cluster's hat block times the root of their eigenvalue; orthogonal to effects.
    left_over : (G, k) one minus these eigenvalues.
    """

    nest: _Nest
    variances: Floats
    effects: Floats
    spent: Floats
    left_over: Floats

    def inverse_root_times(self, vector: Floats) -> Floats:
        """(m,): (V K V)^(+1/2) of each cluster times its part of ``vector``."""
        lowest = max(float(self.variances.min() ** 2 * self.left_over.min()), _LOWEST)
        shifts, weights = _inverse_root_quadrature(lowest)
        vector = self._in_range(vector)
        sides = self._by_stratum(vector)
        size = sides.variances.size + len(self.nest.cluster_of) * self.spent.shape[1] ** 2
        total = np.zeros((*sides.variances.shape, 1 + self.spent.shape[1]))
        scale = np.zeros_like(sides.variances)
        for some in np.array_split(np.arange(len(shifts)), min(len(shifts), 1 + size * len(shifts) // _AT_ONCE)):
            part, factor = self._shifted_inverses_times(sides, shifts[some], weights[some])
            total, scale = total + part, scale + factor
        back, scale = total[self.nest.strata, self.nest.slot], scale[self.nest.strata, self.nest.slot]
        spread = self.effects * back[:, 0] + (self.spent * back[:, 1:]).sum(axis=1)
        return self._in_range(vector * scale + self.variances * spread)

    def _in_range(self, vector: Floats) -> Floats:
        """Without the part that V K V sends to zero: in each stratum the direction effects / variances."""
        null = self.effects / self.variances
        share = self.nest.by_stratum(null * vector) / self.nest.by_stratum(null**2)
        return vector - null * share[self.nest.strata]

    def _by_stratum(self, vector: Floats) -> _Sides:
        """What every shift needs, strata side by side."""
        factors = np.column_stack([self.effects, self.spent])
        pairs = list(combinations_with_replacement(range(factors.shape[1]), 2))
        number = np.zeros((factors.shape[1], factors.shape[1]), dtype=np.intp)
        for place, (i, j) in enumerate(pairs):
            number[i, j] = number[j, i] = place
        against = factors * (self.variances * vector)[:, None]
        products = np.column_stack([*(factors[:, i] * factors[:, j] for i, j in pairs), against])
        return _Sides(self.nest.padded(self.variances), self.nest.padded(products), number)

    def _shifted_inverses_times(self, sides: _Sides, shifts: Floats, weights: Floats) -> tuple[Floats, Floats]:
        """Of the weighted sum over shifts of (V K V + shift·I)⁻¹ times a vector, what multiplies (effects, spent)
        and what multiplies the vector itself: (t, p, 1+k) and (t, p). By Woodbury's identity.

        With B = (effects, spent), the matrix I − BᵀB + Bᵀ(shift/(V²+shift))B has a diagonal block for the effects, so
        they are eliminated first and a system as wide as the design is left for each cluster and shift.
        """
        inverse = 1 / (sides.variances[:, None, :] ** 2 + shifts[:, None])  # (t, s, p)
        matrix, against = sides.summed(inverse)
        matrix = matrix * shifts[:, None, None]
        ratio = matrix[:, :, 1:, 0] / matrix[:, :, :1, 0]
        system = self.nest.by_cluster(matrix[:, :, 1:, 1:] - ratio[:, :, :, None] * matrix[:, :, None, 0, 1:])
        width = range(ratio.shape[2])
        system[:, :, width, width] += self.left_over[:, None, :]
        right = self.nest.by_cluster(against[:, :, 1:] - ratio * against[:, :, :1])
        border = np.linalg.solve(system, right[..., None])[self.nest.cluster_of, :, :, 0]  # (t, s, k)
        own = against[:, :, 0] / matrix[:, :, 0, 0] - (ratio * border).sum(axis=2)
        weighted = (weights[:, None] * inverse).transpose(0, 2, 1)
        return weighted @ np.concatenate([own[:, :, None], border], axis=2), weighted.sum(axis=2)


@dataclass(frozen=True, slots=True)
class _Sides:
    """Entries of each stratum side by side: ``variances`` (t, p) and ``products`` (t, p, c) of effects and spent.

    ``number`` (1+k, 1+k) says which of the products belongs to a pair; after the pairs come those with the vector.
    Where a stratum has fewer entries the products are zero.
    """

    variances: Floats
    products: Floats
    number: Codes

    def summed(self, inverse: Floats) -> tuple[Floats, Floats]:
        """Sums of ``inverse`` (t, s, p) times the products: of pairs (t, s, 1+k, 1+k), with the vector (t, s, 1+k)."""
        sums = inverse @ self.products
        return sums[:, :, self.number], sums[:, :, self.number.max() + 1 :]


def _satterthwaite(nest: _Nest, rows: Floats, weights: Floats, effects: Floats, bread: Floats) -> float:
    """(tr P)² / Σ P², with P_jk the model covariance of two clusters' contributions (Bell & McCaffrey 2002)."""
    own = nest.by_cluster(weights**2) - nest.by_cluster(nest.by_stratum(effects * weights) ** 2)
    shared = nest.by_cluster(rows * weights[:, None])
    # P is diag(own) − shared · bread · sharedᵀ; with thousands of clusters it would be larger than all the data.
    meat = bread @ (shared.T @ shared)
    along = ((shared @ bread) * shared).sum(axis=1)
    total = float((own**2).sum() - 2 * own @ along + np.trace(meat @ meat))
    return float(own.sum() - np.trace(meat)) ** 2 / total if total > 0 else 0.0
