"""Proportional-odds regression on counts: logit P(Y ≤ j) = θ_j − xβ (McCullagh 1980, JRSS B 42:109).

Bare functions on arrays. The sign is that of R's ordinal::clm and MASS::polr: exp(β) is the ratio of the odds of a
worse outcome. To test whether odds are proportional, one column may have a coefficient at every cut, as in
clm's ``nominal`` (Peterson & Harrell 1990, Applied Statistics 39:205).

Why not statsmodels' OrderedModel? It takes no weights, so that counts would have to be written out as rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]

_MOST_STEPS = 100


@dataclass(frozen=True, slots=True)
class OrdinalFit:
    """Where Fisher scoring ended.

    Attributes
    ----------
    coefficients : (J + k,) thresholds, then slopes; slopes of a nominal column are one per cut.
    log_likelihood : without multinomial coefficients.
    information : observed, at the end.
    converged : whether the gradient is zero but for rounding.
    """

    coefficients: Floats
    log_likelihood: float
    information: Floats
    converged: bool

    @property
    def covariance(self) -> Floats:
        """As if deployments were independent and the model right."""
        return np.asarray(np.linalg.inv(self.information), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class ProportionalOdds:
    """Counts by category for each row of a design.

    Attributes
    ----------
    counts : (m, K) from the mildest category to the worst; every category has some.
    design : (m, k) without intercept.
    nominal : column that has a coefficient of its own at every cut; None where odds are proportional.
    """

    counts: Floats
    design: Floats
    nominal: int | None = None

    def fit(self) -> OrdinalFit:
        """Maximum likelihood by Fisher scoring, started at the thresholds without covariates."""
        beta = np.concatenate([logit(self._overall()), np.zeros(self._of_cuts.shape[2] - self._cuts)])
        reached = self.log_likelihood(beta)
        for _ in range(_MOST_STEPS):
            gradient = self.scores(beta).sum(axis=0)
            # On the way to infinity the information becomes singular: any step that rises will do.
            step = np.linalg.lstsq(self._expected_information(beta), gradient, rcond=1e-12)[0]
            while self.log_likelihood(beta + step) < reached - 1e-12 * abs(reached) and np.abs(step).max() > 1e-14:
                step = step / 2
            beta = beta + step
            reached = self.log_likelihood(beta)
            if np.abs(gradient).max() < 1e-10 * self.counts.sum():
                return OrdinalFit(beta, reached, self._observed_information(beta), converged=True)
        return OrdinalFit(beta, reached, self._observed_information(beta), converged=False)

    def log_likelihood(self, beta: Floats) -> float:
        """At these coefficients; −∞ where cuts cross."""
        chances = self._chances(beta)
        used = self.counts > 0
        if (chances[used] <= 0).any():
            return -np.inf
        return float((self.counts[used] * np.log(chances[used])).sum())

    def scores(self, beta: Floats) -> Floats:
        """(m, P) derivative of each row's log-likelihood."""
        ratio = self.counts / np.maximum(self._chances(beta), 1e-300)
        found: Floats = np.einsum("mk,mkp->mp", ratio, self._change(beta))
        return found

    def fitted(self, beta: Floats) -> Floats:
        """(m, K) probability of each category."""
        return self._chances(beta)

    @property
    def _cuts(self) -> int:
        return int(self.counts.shape[1]) - 1

    @property
    def _of_cuts(self) -> Floats:
        """(m, J, P) design of the cuts' linear predictors."""
        rows, width = self.design.shape
        thresholds = np.broadcast_to(np.eye(self._cuts), (rows, self._cuts, self._cuts))
        common = [column for column in range(width) if column != self.nominal]
        slopes = np.repeat(-self.design[:, None, common], self._cuts, axis=1)
        parts = [thresholds, slopes]
        if self.nominal is not None:
            parts.append(-self.design[:, self.nominal, None, None] * np.eye(self._cuts))
        return np.concatenate(parts, axis=2)

    def _overall(self) -> Floats:
        share = self.counts.sum(axis=0).cumsum()[:-1] / self.counts.sum()
        return np.asarray(np.clip(share, 1e-9, 1 - 1e-9), dtype=np.float64)

    def _chances(self, beta: Floats) -> Floats:
        cumulative = expit(self._of_cuts @ beta)
        padded = np.pad(cumulative, ((0, 0), (1, 1)), constant_values=(0, 1))
        found: Floats = np.diff(padded, axis=1)
        return found

    def _change(self, beta: Floats) -> Floats:
        """(m, K, P) derivative of the chances."""
        design = self._of_cuts
        index = design @ beta
        slope = (expit(index) * expit(-index))[:, :, None] * design
        found: Floats = np.diff(np.pad(slope, ((0, 0), (1, 1), (0, 0))), axis=1)
        return found

    def _expected_information(self, beta: Floats) -> Floats:
        change, chances = self._change(beta), np.maximum(self._chances(beta), 1e-300)
        weight = self.counts.sum(axis=1)[:, None] / chances
        found: Floats = np.einsum("mk,mkp,mkq->pq", weight, change, change)
        return found

    def _observed_information(self, beta: Floats) -> Floats:
        """By central differences of the exact gradient; R's clm reports errors from the observed information too."""
        step = 1e-5
        columns = [
            (self.scores(beta - step * unit).sum(axis=0) - self.scores(beta + step * unit).sum(axis=0)) / (2 * step)
            for unit in np.eye(len(beta))
        ]
        hessian = np.array(columns)
        return np.asarray((hessian + hessian.T) / 2, dtype=np.float64)


def clustered_covariance(model: ProportionalOdds, fit: OrdinalFit, clusters: Codes) -> Floats:
    """Sandwich by cluster with the factor G/(G−1): CR1 as for other generalised models."""
    scores = model.scores(fit.coefficients)
    count = int(clusters.max()) + 1
    summed = np.zeros((count, scores.shape[1]))
    np.add.at(summed, clusters, scores)
    bread = fit.covariance
    found: Floats = count / (count - 1) * bread @ (summed.T @ summed) @ bread
    return found
