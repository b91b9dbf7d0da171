"""Random weights of mean 0 and variance 1, one per cluster, for the wild bootstrap; the same for every null tested."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from counterfault.estimators.poisson.cluster_robust import Floats

_AT_ONCE = 250_000  # weights taken together; they stay in the processor's cache


class Weights(Enum):
    """The distribution cluster scores are multiplied with.

    RADEMACHER: +1 or −1; with few clusters all combinations are taken, and the p-value has no sampling error. WEBB: six
    points, ±√½, ±1, ±√1½ (Webb 2023, Canadian Journal of Economics 56:839), for clusters so few that signs alone
    leave hardly any distinct outcomes.
    """

    RADEMACHER = "Rademacher"
    WEBB = "Webb six-point"

    def __repr__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True, eq=False)
class WeightTable:
    """Weights of all draws.

    Attributes
    ----------
    weights : (B, G) draws by clusters; signs are kept as small integers.
    enumerated : whether the draws are all combinations of signs, once each up to reversal of all of them.
    """

    weights: NDArray[np.int8] | Floats
    enumerated: bool = False

    @classmethod
    def of(cls, kind: Weights, clusters: int, draws: int, seed: int) -> WeightTable:
        """All sign vectors where they are no more than ``draws``, else as many random ones."""
        if kind is Weights.RADEMACHER and 2**clusters <= draws:
            # Reversing all signs leaves a symmetric statistic as it is, so the first sign may stay +1.
            numbers = np.arange(2 ** (clusters - 1))
            negative = (numbers[:, None] >> np.arange(clusters)[::-1]) & 1
            return cls((1 - 2 * negative).astype(np.int8), enumerated=True)
        random = np.random.default_rng(seed)
        if kind is Weights.RADEMACHER:
            return cls(2 * random.integers(0, 2, size=(draws, clusters), dtype=np.int8) - 1)
        points = np.sqrt([0.5, 1.0, 1.5])
        return cls(random.choice(np.concatenate([points, -points]), size=(draws, clusters)))

    def sums(self, values: Floats) -> Floats:
        """Σ w·value over clusters in each draw, (B, c); ``values`` (G, c)."""
        size = max(1, _AT_ONCE // len(values))
        starts = range(0, len(self.weights), size)
        return np.concatenate([self.weights[start : start + size].astype(np.float64) @ values for start in starts])

    def squares(self, values: Floats) -> Floats:
        """Σ (w·value)² over clusters in each draw, (B,) or one number where it is the same; ``values`` (G,)."""
        if self.weights.dtype == np.int8:
            return np.asarray(values @ values)
        squares: Floats = self.weights**2 @ values**2
        return squares
