"""Ways to deal histories of exposure out to clusters, all of them or some at random.

An exchange names the clusters that get each history but the commonest, in the order of these histories; the
commonest, which is usually "never exposed", goes to all others. So few exposed clusters cost little.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np

from counterfault.estimators.poisson.cluster_robust import Codes, Floats

_AT_ONCE = 250_000  # numbers handled together; they stay in the processor's cache


@dataclass(frozen=True, slots=True, eq=False)
class Histories:
    """What is dealt out.

    Attributes
    ----------
    commonest : (P,) exposure in each stratum, 0 or 1, of the history most clusters have.
    others : (K, P) the remaining histories, one row for each cluster that has one, equal rows together.
    counts : how many equal rows there are of each.
    observed : (K,) the clusters that have them.
    clusters : how many clusters there are.
    """

    commonest: Floats
    others: Floats
    counts: tuple[int, ...]
    observed: Codes
    clusters: int

    @classmethod
    def of(cls, exposure: Floats) -> Histories:
        """From the exposure of each cluster in each stratum, (G, P)."""
        distinct, which = np.unique(exposure, axis=0, return_inverse=True)
        which = which.reshape(-1)
        counts = np.bincount(which)
        base = int(counts.argmax())
        observed = np.argsort(which, kind="stable")
        observed = observed[which[observed] != base]
        rest = tuple(int(count) for history, count in enumerate(counts) if history != base)
        return cls(distinct[base], exposure[observed], rest, observed, len(exposure))

    @property
    def ways(self) -> int:
        """How many distinct exchanges there are, what happened included."""
        ways, free = 1, self.clusters
        for count in self.counts:
            ways, free = ways * comb(free, count), free - count
        return ways

    def every_exchange(self) -> Codes:
        """(ways, K) all distinct exchanges."""
        return np.array(list(self._deal(0, tuple(range(self.clusters)))), dtype=np.intp)

    def random_exchanges(self, draws: int, seed: int) -> Codes:
        """(draws, K) exchanges, each as probable as any other."""
        random = np.random.default_rng(seed)
        size = max(1, _AT_ONCE // self.clusters)
        return np.concatenate(
            [self._some_exchanges(min(size, draws - first), random) for first in range(0, draws, size)]
        )

    def exposed_sums(self, exchanges: Codes, values: Floats) -> Floats:
        """(c, B, P) the sums, per stratum, of ``values`` (G, P, c) over clusters that each exchange exposes there."""
        difference = self.others - self.commonest
        sums = np.empty((values.shape[2], len(exchanges), values.shape[1]))
        size = max(1, _AT_ONCE // max(1, exchanges.shape[1]))
        for first in range(0, len(exchanges), size):
            chosen = exchanges[first : first + size]
            for place in range(values.shape[1]):
                moved = np.einsum("j,bjc->cb", difference[:, place], values[chosen, place])
                whole = self.commonest[place] * values[:, place].sum(axis=0)
                sums[:, first : first + size, place] = whole[:, None] + moved
        return sums

    def _deal(self, history: int, free: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        if history == len(self.counts):
            yield ()
            return
        for chosen in combinations(free, self.counts[history]):
            left = tuple(cluster for cluster in free if cluster not in chosen)
            for rest in self._deal(history + 1, left):
                yield chosen + rest

    def _some_exchanges(self, draws: int, random: np.random.Generator) -> Codes:
        """The first K steps of a Fisher–Yates shuffle, all draws in step."""
        order = np.tile(np.arange(self.clusters, dtype=np.intp), (draws, 1))
        every = np.arange(draws)
        for place in range(len(self.observed)):
            other = random.integers(place, self.clusters, draws)
            taken = order[every, other]
            order[every, other] = order[:, place]
            order[:, place] = taken
        return order[:, : len(self.observed)]
