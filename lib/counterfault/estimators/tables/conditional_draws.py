"""Exposed events when exposure is dealt out anew within each stratum: the randomisation distribution, by drawing.

Given a stratum's margins the exposed events are hypergeometric, so no deployment need be shuffled. Strata are added
up exactly in groups of some thousand possible sums, and each group is drawn by inverting its distribution: the cost
does not grow with the number of deployments, and hardly with the number of strata.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from counterfault.cells import TwoByTwo
from counterfault.estimators.tables.hypergeometric import Logs, log_weights, possible

_GROUP = 1_000  # possible sums of one group; the work within it grows with their square
_ROUNDING = 1e-7  # distances from the expectation that differ by less count as equal; they are multiples of 1/Π N


@dataclass(frozen=True, slots=True, eq=False)
class DrawnEvents:
    """Exposed events, all strata together, in random assignments of exposure that keep every margin.

    Attributes
    ----------
    sums : (B,) one per draw.
    observed : the sum seen.
    expected : its expectation under the null, exactly.
    lowest, highest : the smallest and the largest possible sum.
    """

    sums: Logs
    observed: int
    expected: float
    lowest: int
    highest: int

    def two_sided(self) -> float:
        """(1+b)/(1+B), b counting draws at least as far from the expectation as the observed sum."""
        far = np.abs(self.sums - self.expected) >= abs(self.observed - self.expected) - _ROUNDING
        return (1 + int(far.sum())) / (1 + len(self.sums))

    def mid_p(self) -> float:
        """Twice the smaller tail, draws equal to the observed sum counted half."""
        above, equal = int((self.sums > self.observed).sum()), int((self.sums == self.observed).sum())
        below = len(self.sums) - above - equal
        return min(1.0, 2 * (1 + min(above, below) + equal / 2) / (1 + len(self.sums)))


def draw_exposed_events(tables: list[TwoByTwo], draws: int, seed: int) -> DrawnEvents:
    """Draw the summed exposed events from one table per stratum; at least one table."""
    random = np.random.default_rng(seed)
    lowest = sum(possible(table)[0] for table in tables)
    sums = np.full(draws, float(lowest))
    for group in _grouped(sorted((log_weights(table) for table in tables), key=len)):
        chances = np.exp(group - group.max())
        # Divided by its own last value, the distribution ends at exactly 1, above every random number.
        cumulative = np.cumsum(chances)
        sums += np.searchsorted(cumulative / cumulative[-1], random.random(draws), side="right")
    counts = np.array(tables, dtype=np.float64)
    events, size = counts[:, 0] + counts[:, 2], counts[:, 1] + counts[:, 3]
    return DrawnEvents(
        sums=sums,
        observed=sum(table.exposed_events for table in tables),
        expected=float((events * counts[:, 1] / size).sum()),
        lowest=lowest,
        highest=sum(possible(table)[1] for table in tables),
    )


def convolved(first: Logs, second: Logs) -> Logs:
    """Direct convolution of two sequences given by their logarithms."""
    short, long = sorted((first, second), key=len)
    total = np.full(len(short) + len(long) - 1, -np.inf)
    for shift, log_weight in enumerate(short):
        window = total[shift : shift + len(long)]
        np.logaddexp(window, long + log_weight, out=window)
    return total


def require_draws(draws: int) -> None:
    """Refuse a number of draws that cannot give a small p-value.

    Raises
    ------
    ValueError
        When there are fewer than 99.
    """
    if draws < 99:
        raise ValueError(f"draws is {draws}; with fewer than 99 no p-value is below 0.01.")


def _grouped(weights: Iterable[Logs]) -> Iterator[Logs]:
    """Neighbours convolved as long as their sum has few values; a long sequence stays alone."""
    group = np.zeros(1)
    for each in weights:
        if len(group) > 1 and len(group) + len(each) > _GROUP:
            yield group
            group = np.zeros(1)
        group = convolved(group, each)
    yield group
