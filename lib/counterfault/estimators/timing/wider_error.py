"""Two standard errors of one figure, and the interval of the one that reaches further."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isnan, nan, sqrt

import numpy as np
from scipy.special import stdtr, stdtrit

from counterfault.estimators.poisson.cluster_robust import Codes, Floats


@dataclass(frozen=True, slots=True)
class WiderError:
    """The error if deployments were independent, and the error that lets clusters differ.

    With few clusters the robust one comes out far too small now and then (Angrist & Pischke 2009, Mostly Harmless
    Econometrics, section 8.2.3, advise the larger of the two), so each interval is taken from whichever is wider:
    the normal distribution goes with the first, t with G−1 degrees of freedom with the second.

    Attributes
    ----------
    model : if deployments were independent.
    robust : with the factor G/(G−1) (CR1) in its square; NaN where fewer than two clusters are seen.
    clusters : G.
    """

    model: float
    robust: float
    clusters: int

    @classmethod
    def of(cls, model_variance: float, influence: Floats, clusters: Codes) -> WiderError:
        """From the influence each row has on the figure (m,), summed within clusters.

        Parameters
        ----------
        model_variance : of the figure, if deployments were independent.
        influence : (m,) what the figure owes to the deployments of each row; sums to 0.
        clusters : (m,) codes.
        """
        sums = np.bincount(clusters, influence)[np.unique(clusters)]
        count = len(sums)
        robust = sqrt(count / (count - 1) * float(sums @ sums)) if count > 1 else nan
        return cls(sqrt(max(model_variance, 0.0)), robust, count)

    def is_robust(self, level: float) -> bool:
        """Whether the robust interval is the wider one."""
        return not isnan(self.robust) and _t(self.clusters - 1, level) * self.robust > _t(inf, level) * self.model

    def reach(self, level: float) -> float:
        """Half the width of the wider interval, on the scale of the figure."""
        return self.multiplier(level) * self.error(level)

    def multiplier(self, level: float) -> float:
        """The quantile that goes with the chosen error."""
        return _t(self.clusters - 1 if self.is_robust(level) else inf, level)

    def error(self, level: float) -> float:
        """The chosen standard error."""
        return self.robust if self.is_robust(level) else self.model

    def p_value(self, distance: float, level: float) -> float | None:
        """Two-sided p of "no difference" when the estimate lies this far from it; none without an error."""
        error = self.error(level)
        if error <= 0:
            return None
        degrees = self.clusters - 1 if self.is_robust(level) else inf
        return 2 * float(stdtr(degrees, -abs(distance) / error))

    def words(self, cluster: str, level: float) -> str:
        """Which error is in use, for the method of an estimate."""
        if self.is_robust(level):
            return (
                f"CR1 (factor G/(G−1)) standard error by {cluster}, t with {self.clusters - 1} degrees of freedom "
                "(wider here than that of independent deployments)"
            )
        other = f"no other can be had from one {cluster}"
        if not isnan(self.robust):
            other = f"wider here than CR1 (factor G/(G−1)) by {cluster} with t({self.clusters - 1})"
        return f"standard error of independent deployments, normal distribution ({other})"


def _t(degrees: float, level: float) -> float:
    return float(stdtrit(degrees, 0.5 + level / 2))
