"""The marginal likelihood of the conditional binomial-normal model, by adaptive Gauss–Hermite quadrature.

Given the events m of a stratum, those that fell on its exposed deployments are binomial with share
n₁·exp(θ)/(n₁·exp(θ) + n₀), whatever the stratum's own risk; all strata of a group share θ ~ N(μ, τ²)
(Stijnen, Hamza & Özdemir 2010, Statistics in Medicine 29:3046, section 3; with several strata per group the
product over them). Events are taken as Poisson, which is right for rare ones and cautious for others.

The group effect is written θ = μ + τu with u standard normal: the likelihood is then smooth in τ down to 0 and even in
it, and its derivatives are posterior means of the score in θ (Fisher's identity), which the same nodes give.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import log, pi

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from numpy.typing import NDArray
from scipy.optimize import brentq, fminbound
from scipy.special import expit, gammaln

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]

NODES = 21
FEWER_NODES = 9  # where groups are many, each counts for less; glmer and metafor take 7 unless told otherwise
MANY_GROUPS = 500
# A standard deviation of log ratios this large is not a spread but the sign of a likelihood without a maximum.
LARGEST_TAU = 5.0
LARGEST_MEAN = 40.0
_NEWTON_STEPS = 60


@dataclass(frozen=True, eq=False)
class BinomialNormal:
    """Counts that inform the model, and its log-likelihood.

    Attributes
    ----------
    exposed_events, events : (m,) per stratum with deployments of both arms and at least one event.
    offset : (m,) log(n₁/n₀).
    group : (m,) codes 0 … G−1 without gaps, in rising order.
    """

    exposed_events: Floats
    events: Floats
    offset: Floats
    group: Codes

    @property
    def groups(self) -> int:
        return int(self.group.max()) + 1

    def __call__(self, mean: float, tau: float) -> tuple[float, Floats]:
        """Log-likelihood, with binomial coefficients, and its gradient in (μ, τ)."""
        centre, width = self._where_the_mass_is(mean, tau)
        nodes, weights = _quadrature(NODES if self.groups <= MANY_GROUPS else FEWER_NODES)
        u = centre[:, None] + width[:, None] * nodes  # (G, nodes)
        log_terms, score = self._given(mean + tau * u)
        log_terms += np.log(weights) + nodes**2 / 2 - u**2 / 2 + np.log(width)[:, None] - log(2 * pi) / 2
        highest = log_terms.max(axis=1, keepdims=True)
        mass = np.exp(log_terms - highest)
        total = mass.sum(axis=1, keepdims=True)
        posterior = mass / total
        gradient = np.array([(posterior * score).sum(), (posterior * score * u).sum()])
        return float((highest + np.log(total)).sum()) + self._binomial_coefficients, gradient

    def best(self, start: float) -> tuple[float, float, float]:
        """(μ, τ, log-likelihood) at the maximum; τ is near ``LARGEST_TAU`` where there is none."""
        means = [start]

        def along(tau: float) -> tuple[float, float, float]:
            found = self.best_given(tau=tau, start=means[-1])
            means.append(found[0])
            return found

        mean, tau, reached = self._polished(*along(_highest(lambda tau: along(tau)[2])))
        # A stationary point always lies at τ = 0, where the likelihood is even; is it the top?
        alone = self.best_given(tau=0.0, start=mean)
        return alone if alone[2] >= reached - 1e-10 else (mean, tau, reached)

    def best_given(self, *, tau: float, start: float) -> tuple[float, float, float]:
        """The same over μ alone, in which the log-likelihood is concave (Prékopa 1973)."""

        def slope(mean: float) -> float:
            return float(self(mean, tau)[1][0])

        below, above, stride = start - 0.1, start + 0.1, 0.2
        while slope(below) < 0 and below > -LARGEST_MEAN:
            above, below, stride = below, below - stride, 2 * stride
        while slope(above) > 0 and above < LARGEST_MEAN:
            below, above, stride = above, above + stride, 2 * stride
        ends = max(below, -LARGEST_MEAN), min(above, LARGEST_MEAN)
        inside = slope(ends[0]) > 0 > slope(ends[1])
        # An error of 1e-7 in μ is one of 1e-14 in the likelihood; the maximum itself is polished afterwards.
        mean = float(brentq(slope, *ends, xtol=1e-7)) if inside else ends[slope(ends[0]) >= 0]
        return mean, tau, self(mean, tau)[0]

    def best_at(self, mean: float) -> float:
        """The log-likelihood at its highest over τ alone."""
        return max(self(mean, _highest(lambda tau: self(mean, tau)[0]))[0], self(mean, 0.0)[0])

    def information(self, mean: float, tau: float) -> Floats:
        """(2, 2) negative Hessian by central differences of the exact gradient; the τ part is empty at τ = 0."""
        step = 1e-4
        by_mean = self(mean + step, tau)[1] - self(mean - step, tau)[1]
        by_tau = self(mean, tau + step)[1] - self(mean, abs(tau - step))[1] if tau > step else np.zeros(2)
        hessian: Floats = -np.array([by_mean, by_tau]) / (2 * step)
        return (hessian + hessian.T) / 2

    def _polished(self, mean: float, tau: float, reached: float) -> tuple[float, float, float]:
        """Two Newton steps, where they lead up: from six digits to all of them."""
        for _ in range(2):
            information = self.information(mean, tau)
            if tau < 1e-3 or tau > 0.9 * LARGEST_TAU or np.linalg.eigvalsh(information)[0] <= 0:
                break
            step = np.linalg.solve(information, self(mean, tau)[1])
            trial = mean + float(step[0]), abs(tau + float(step[1]))
            there = self(*trial)[0]
            if there < reached - 1e-12 * abs(reached):
                break
            mean, tau, reached = *trial, there
        return mean, tau, reached

    def _given(self, theta: Floats) -> tuple[Floats, Floats]:
        """(G, nodes) log-likelihood given the group effects, binomial coefficients aside, and its derivative."""
        index = theta[self.group] + self.offset[:, None]
        a, m = self.exposed_events[:, None], self.events[:, None]
        small = np.exp(-np.abs(index))  # one exponential serves log(1 + exp(index)) and the share, and cannot overflow
        logs = a * index - m * (np.maximum(index, 0) + np.log1p(small))
        share = np.where(index > 0, 1.0, small) / (1 + small)
        return self._summed(logs), self._summed(a - m * share)

    def _summed(self, entries: Floats) -> Floats:
        total: Floats = np.add.reduceat(entries, self._starts, axis=0)
        return total

    @cached_property
    def _starts(self) -> Codes:
        return np.flatnonzero(np.diff(self.group, prepend=-1))

    def _where_the_mass_is(self, mean: float, tau: float) -> tuple[Floats, Floats]:
        """Mode of u in each group, and its curvature there as a standard deviation; the log posterior is concave."""
        u: Floats = np.zeros(self.groups)
        information: Floats = np.ones(self.groups)
        for _ in range(_NEWTON_STEPS):
            share = expit((mean + tau * u)[self.group] + self.offset)
            score = tau * np.bincount(self.group, self.exposed_events - self.events * share, self.groups) - u
            spread = np.bincount(self.group, self.events * share * (1 - share), self.groups)
            information = np.asarray(tau**2 * spread + 1, dtype=np.float64)
            step = np.clip(score / information, -1.0, 1.0)
            u = np.asarray(u + step, dtype=np.float64)
            if np.abs(step).max() < 1e-10:
                break
        return u, 1 / np.sqrt(information)

    @cached_property
    def _binomial_coefficients(self) -> float:
        m, a = self.events, self.exposed_events
        return float((gammaln(m + 1) - gammaln(a + 1) - gammaln(m - a + 1)).sum())


@lru_cache
def _quadrature(count: int) -> tuple[Floats, Floats]:
    nodes, weights = hermegauss(count)
    return nodes, weights


def _highest(likelihood: Callable[[float], float]) -> float:
    """The τ in (0, ``LARGEST_TAU``) at which it is highest."""
    return float(fminbound(lambda tau: -likelihood(float(tau)), 0.0, LARGEST_TAU, xtol=1e-4))
