"""The typical difference between an exposed and an unexposed member of one stratum, by ranks; bare functions on arrays.

The stratified Hodges–Lehmann (1963, Annals of Mathematical Statistics 34:598) estimate is the value that, taken off the
exposed, makes van Elteren's (1960, Bulletin of the International Statistical Institute 37:351) stratified rank-sum
statistic zero: the weighted median of all differences within strata, weights 1/(N_s + 1). Its limits are the values
that the test does not reject. On logarithms it is a ratio.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Ranked:
    """Values with multiplicity, in strata that hold both arms.

    Attributes
    ----------
    values : (m,) −∞ is allowed (the logarithm of nothing).
    copies : (m,) how many have this value.
    exposed : (m,)
    strata, clusters : (m,) codes from 0 without gaps.
    """

    values: Floats
    copies: Floats
    exposed: NDArray[np.bool_]
    strata: Codes
    clusters: Codes

    def pair_count(self) -> int:
        """How many pairs of entries the shift looks at."""
        count = int(self.strata.max()) + 1
        arms = [np.bincount(self.strata[arm], minlength=count) for arm in (self.exposed, ~self.exposed)]
        return int((arms[0] * arms[1]).sum())


@dataclass(frozen=True, slots=True)
class Shift:
    """Estimate with limits, and the two standard errors of the statistic, of which the larger reach was used."""

    value: float
    low: float
    high: float
    between_clusters: bool


def shift(ranked: Ranked, of_model: float, of_clusters: float) -> Shift:
    """The Hodges–Lehmann shift.

    Parameters
    ----------
    ranked : the values.
    of_model, of_clusters : quantiles that the standard errors of the statistic are multiplied by: of independent
        members (van Elteren's, not corrected for ties, which would shrink it), and between clusters (0: not used).
    """
    exposed, unexposed = _pairs(ranked)
    size = np.bincount(ranked.strata, ranked.copies).astype(np.float64)
    weight = ranked.copies[exposed] * ranked.copies[unexposed] / (size[ranked.strata[exposed]] + 1)
    with np.errstate(invalid="ignore"):  # −∞ less −∞: two members without any are alike
        difference = ranked.values[exposed] - ranked.values[unexposed]
    difference = np.where(np.isnan(difference), 0.0, difference)
    value = _weighted_median(difference, weight)
    if not np.isfinite(value):  # most pairs compare something with nothing
        return Shift(value, -inf, inf, between_clusters=False)
    scores = _cluster_scores(ranked, exposed, unexposed, weight * np.sign(difference - value))
    model, clusters = of_model * _null_error(ranked, size), of_clusters * _spread(scores)
    low, high = _where_the_sum_is(max(model, clusters), difference, weight)
    return Shift(value, low, high, bool(clusters > model))


def _pairs(ranked: Ranked) -> tuple[Codes, Codes]:
    """Indices of the exposed and the unexposed entry of every pair within a stratum."""
    left, right = np.flatnonzero(ranked.exposed), np.flatnonzero(~ranked.exposed)
    right = right[np.argsort(ranked.strata[right], kind="stable")]
    starts = np.searchsorted(ranked.strata[right], ranked.strata[left], side="left")
    lengths = np.searchsorted(ranked.strata[right], ranked.strata[left], side="right") - starts
    within = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return np.repeat(left, lengths), right[np.repeat(starts, lengths) + within]


def _weighted_median(values: Floats, weights: Floats) -> float:
    order = np.argsort(values, kind="stable")
    reached = weights[order].cumsum() / weights.sum()
    at = int(np.searchsorted(reached, 0.5 - 1e-12))
    lower = float(values[order][at])
    if abs(reached[at] - 0.5) > 1e-12:
        return lower
    upper = float(values[order][at + 1])
    return lower if lower == upper else (lower + upper) / 2


def _null_error(ranked: Ranked, size: Floats) -> float:
    """Of Σ w sign over pairs: a stratum's rank sum has variance n₁n₀(N+1)/12, and the sum of signs four times that."""
    exposed = np.bincount(ranked.strata, ranked.copies * ranked.exposed)
    return float(np.sqrt((exposed * (size - exposed) / (3 * (size + 1))).sum()))


def _cluster_scores(ranked: Ranked, exposed: Codes, unexposed: Codes, signs: Floats) -> Floats:
    """(G,) what the sum loses, to first order, when a cluster weighs less."""
    count = int(ranked.clusters.max()) + 1
    both = np.concatenate([ranked.clusters[exposed], ranked.clusters[unexposed]])
    own = np.bincount(both, np.concatenate([signs, signs]), count)
    of_stratum = np.bincount(ranked.strata[exposed], signs, int(ranked.strata.max()) + 1)
    size = np.bincount(ranked.strata, ranked.copies)
    share = ranked.copies * (of_stratum / size)[ranked.strata]
    return (own - np.bincount(ranked.clusters, share, count)).astype(np.float64)


def _spread(scores: Floats) -> float:
    count = len(scores)
    return float(np.sqrt(count / (count - 1) * (scores**2).sum())) if count > 1 else 0.0


def _where_the_sum_is(reach: float, difference: Floats, weight: Floats) -> tuple[float, float]:
    """The shifts at which Σ w sign(difference − shift) falls through ``reach`` and through −``reach``."""
    order = np.argsort(difference, kind="stable")
    values, passed = difference[order], 2 * weight[order].cumsum()
    total = passed[-1] / 2
    above = np.flatnonzero(total - (passed - 2 * weight[order]) >= reach)
    below = np.flatnonzero(total - passed <= -reach)
    return float(values[above[-1]]) if len(above) else -inf, float(values[below[0]]) if len(below) else inf
