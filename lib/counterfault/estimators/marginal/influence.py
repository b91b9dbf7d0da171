"""From the influence of each cluster on a figure to the standard error and the interval of that figure.

An estimate that solves estimating equations moves, to first order, by the sum of what its clusters contribute
(Stefanski & Boos 2002, The American Statistician 56:29). With the contributions of independent clusters u₁ … u_G, which
sum to zero, its variance is estimated by G/(G−1) · Σ u², the correction called CR1, and compared with t on G−1 degrees
of freedom.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, sqrt

import numpy as np
from scipy.special import stdtr, stdtrit

from counterfault.estimate import Estimand, Interval
from counterfault.estimators.poisson.cluster_robust import Codes, Floats

FEWEST_CLUSTERS = 4
_HIGHEST = 700.0  # exp of more overflows

# Clusters that all say the same leave nothing but rounding between them; an interval from that would be a point.
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """A standard error and the t distribution it is used with.

    Attributes
    ----------
    error : standard error on the scale on which the interval is symmetric.
    clusters : G, of the factor G/(G−1) and the G−1 degrees of freedom.
    of_model : whether the error is that of independent deployments, being the larger one.
    """

    error: float
    clusters: int
    of_model: bool = False

    @classmethod
    def of(cls, influence: Floats, clusters: int) -> Uncertainty:
        """From the influence of each cluster, shape (any,); ``clusters`` are those among them that count as G."""
        return cls(sqrt(small_sample_factor(clusters) * float((influence**2).sum())), clusters)

    @property
    def says_nothing(self) -> bool:
        """Whether the clusters agree so exactly that there is no variation to take an error from."""
        return self.error < _ROUNDING

    @property
    def method(self) -> str:
        """The error and its reference distribution in words."""
        kind = "CR1 standard error"
        if self.of_model:
            kind = "standard error of independent deployments, which is larger than CR1"
        return f"{kind} (factor G/(G−1), G = {self.clusters}), t with {self.clusters - 1} degrees of freedom"

    def around(self, value: float, estimand: Estimand, level: float) -> Interval:
        """value ± t·error, cut off where the estimand ends."""
        reach = self._reach(level)
        return Interval(max(value - reach, estimand.lowest), min(value + reach, estimand.highest), level)

    def around_ratio(self, ratio: float, level: float) -> Interval:
        """ratio · exp(± t·error), the error being that of the logarithm."""
        reach = min(self._reach(level), _HIGHEST)
        return Interval(ratio * exp(-reach), ratio * exp(reach), level)

    def p_value(self, distance: float) -> float:
        """Two-sided, of the distance from "no difference" on the scale of the error."""
        return 2 * float(stdtr(self.clusters - 1, -abs(distance / self.error)))

    def _reach(self, level: float) -> float:
        return float(stdtrit(self.clusters - 1, 0.5 + level / 2)) * self.error


def small_sample_factor(clusters: int) -> float:
    """G/(G−1).

    Raises
    ------
    ValueError
        With fewer than two clusters, which cannot show how clusters differ.
    """
    if clusters < 2:
        raise ValueError(f"A standard error between clusters needs at least two of them; there is {clusters}.")
    return clusters / (clusters - 1)


def sums_by_cluster(values: Floats, clusters: Codes) -> Floats:
    """(G,) sums of (m,) values over the entries of each cluster."""
    return np.bincount(clusters, values, int(clusters.max()) + 1).astype(np.float64)


def few_clusters(clusters: int, cluster: str) -> tuple[str, ...]:
    """The caveat, if there are too few clusters for their variation to be known."""
    if clusters >= FEWEST_CLUSTERS:
        return ()
    return (
        f"Exposed and unexposed deployments can be compared in {clusters} {cluster}s only; with fewer than "
        f"{FEWEST_CLUSTERS} the interval is not to be trusted.",
    )
