"""The common cumulative odds ratio within strata: Mantel & Haenszel's idea for an ordered outcome.

Cut the categories in two at every place j: each cut gives a 2×2 table in each stratum, and all of them share one
odds ratio if odds are proportional. Liu & Agresti (1996), Biometrics 52:1223, add them up,

    θ = Σ_s Σ_j A_sj D_sj / N_s  over  Σ_s Σ_j B_sj C_sj / N_s,

A and C being the exposed and unexposed deployments of stratum s at or beyond cut j, B and D those below it. No stratum
effect is estimated, so that strata may be many and small: a proportional-odds regression with hundreds of dummy
variables would overstate the ratio there, as logistic regression does.

Variance. With h_ik = Σ_j [1(x_i ≥ j) 1(y_k < j) − θ 1(x_i < j) 1(y_k ≥ j)] for an exposed i and an unexposed k of one
stratum, the estimating function is Σ_s Σ_ik h_ik / N_s, each h_ik having mean 0. The second moments of a sum over pairs
are those of pairs that share a member, so

    Σ_s N_s⁻² [Σ_i (Σ_k h_ik)² + Σ_k (Σ_i h_ik)² − Σ_ik h_ik²]

is unbiased for its variance however small the strata are (for one cut, Phillips & Holland 1987, Biometrics 43:425,
argue so). Between clusters it is Σ_g (score of g)² instead, the infinitesimal jackknife (Jaeckel 1972).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class OrderedTables:
    """Counts by category, one entry per stratum × cluster × arm.

    Attributes
    ----------
    counts : (m, K) deployments in each category, from the mildest to the worst.
    exposed : (m,) whether the entry is of the exposed arm.
    strata, clusters : (m,) codes from 0 without gaps. Each stratum holds both arms.
    """

    counts: Floats
    exposed: NDArray[np.bool_]
    strata: Codes
    clusters: Codes

    @property
    def cuts(self) -> int:
        return int(self.counts.shape[1]) - 1

    @cached_property
    def by_arm(self) -> tuple[Floats, Floats]:
        """(S, K) counts of each stratum: the exposed, then the others."""
        arms = []
        for arm in (self.exposed, ~self.exposed):
            total = np.zeros((int(self.strata.max()) + 1, self.counts.shape[1]))
            np.add.at(total, self.strata[arm], self.counts[arm])
            arms.append(total)
        return arms[0], arms[1]

    @cached_property
    def beyond(self) -> tuple[Floats, Floats]:
        """(S, J) at or beyond each cut: A and C."""
        exposed, unexposed = (_tails(arm) for arm in self.by_arm)
        return exposed, unexposed

    @cached_property
    def below(self) -> tuple[Floats, Floats]:
        """(S, J) below each cut: B and D."""
        exposed, unexposed = (arm.sum(1, keepdims=True) - _tails(arm) for arm in self.by_arm)
        return exposed, unexposed

    @cached_property
    def size(self) -> Floats:
        """(S, 1) deployments of each stratum."""
        exposed, unexposed = self.by_arm
        total: Floats = (exposed + unexposed).sum(axis=1, keepdims=True)
        return total

    @cached_property
    def products(self) -> tuple[Floats, Floats]:
        """(J,) Σ_s AD/N and Σ_s BC/N at each cut."""
        (a, c), (b, d) = self.beyond, self.below
        return (a * d / self.size).sum(axis=0), (b * c / self.size).sum(axis=0)

    def model_covariance(self, odds_ratio: Floats) -> Floats:
        """(J, J) of the estimating functions at each cut's odds ratio, deployments being independent."""
        exposed, unexposed = (arm / self.size**2 for arm in self.by_arm)
        of_exposed, of_unexposed = self._sums_over_partners(odds_ratio)
        pairs = np.einsum("sx,sy->xy", exposed, self.by_arm[1])
        each = self._of_a_pair(odds_ratio)
        found: Floats = (
            np.einsum("sx,sxj,sxl->jl", exposed, of_exposed, of_exposed)
            + np.einsum("sx,sxj,sxl->jl", unexposed, of_unexposed, of_unexposed)
            - np.einsum("xy,xyj,xyl->jl", pairs, each, each)
        )
        return found

    def cluster_scores(self, odds_ratio: Floats) -> Floats:
        """(G, J) what the estimating functions lose, to first order, when a cluster weighs less."""
        of_exposed, of_unexposed = self._sums_over_partners(odds_ratio)
        partners = np.where(self.exposed[:, None, None], of_exposed[self.strata], of_unexposed[self.strata])
        own = np.einsum("mx,mxj->mj", self.counts, partners) / self.size[self.strata]
        (a, c), (b, d) = self.beyond, self.below
        of_stratum = (a * d - odds_ratio * b * c) / self.size
        share = self.counts.sum(axis=1, keepdims=True) / self.size[self.strata]
        scores = np.zeros((int(self.clusters.max()) + 1, self.cuts))
        np.add.at(scores, self.clusters, own - share * of_stratum[self.strata])
        return scores

    def _sums_over_partners(self, odds_ratio: Floats) -> tuple[Floats, Floats]:
        """(S, K, J) Σ_k h of an exposed deployment in each category, and Σ_i h of an unexposed one."""
        (a, c), (b, d) = self.beyond, self.below
        reached = self._reached()
        exposed = np.where(reached, d[:, None, :], -odds_ratio * c[:, None, :])
        unexposed = np.where(reached, -odds_ratio * b[:, None, :], a[:, None, :])
        return exposed, unexposed

    def _of_a_pair(self, odds_ratio: Floats) -> Floats:
        """(K, K, J) h of an exposed deployment in category x and an unexposed one in category y."""
        reached = self._reached().astype(np.float64)
        x, y = reached[:, None, :], reached[None, :, :]
        found: Floats = x * (1 - y) - odds_ratio * (1 - x) * y
        return found

    def _reached(self) -> NDArray[np.bool_]:
        """(K, J) whether a category lies at or beyond a cut."""
        found: NDArray[np.bool_] = np.arange(self.counts.shape[1])[:, None] > np.arange(self.cuts)
        return found


def _tails(counts: Floats) -> Floats:
    """(S, J) how many lie at or beyond each cut."""
    tails: Floats = counts[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]
    return tails
