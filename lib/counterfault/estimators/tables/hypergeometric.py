"""Exposed events of a stratum given its margins: a distribution that knows the odds ratio and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from math import log

import numpy as np
from numpy.typing import NDArray

from counterfault.cells import TwoByTwo

Logs = NDArray[np.float64]


def possible(table: TwoByTwo) -> tuple[int, int]:
    """Fewest and most exposed events that the margins allow."""
    events = table.exposed_events + table.unexposed_events
    return max(0, events - table.unexposed_total), min(events, table.exposed_total)


def log_weights(table: TwoByTwo) -> Logs:
    """Log of C(n₁, t)·C(n₀, m-t) for each possible t, relative to the first; t counts exposed events, m all.

    By ratios of neighbours: logarithms of factorials would lose, in their difference, the digits the tail needs.
    """
    low, high = possible(table)
    t = np.arange(low, high, dtype=np.float64)
    events = table.exposed_events + table.unexposed_events
    up = (table.exposed_total - t) * (events - t)
    down = (t + 1) * (table.unexposed_total - events + t + 1)
    return np.concatenate([[0.0], np.cumsum(np.log(up / down))])


class ConditionalScore:
    """Contrast and variance of the conditional score for a common odds ratio, summed over strata.

    The contrast is observed minus expected exposed events given all margins. Unlike the unconditional score it
    stays centred when strata are many and small (pairs, at the extreme, where the unconditional one settles on
    the square of the odds ratio); at an odds ratio of 1 its square is the Cochran–Mantel–Haenszel chi-square.
    """

    def __init__(self, tables: Sequence[TwoByTwo]) -> None:
        weights = [log_weights(table) for table in tables]
        lengths = np.array([len(each) for each in weights])
        # All strata end to end: one pass over one array, however many there are.
        self._log_weights = np.concatenate(weights)
        self._starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        self._stratum = np.repeat(np.arange(len(tables)), lengths)
        self._above_lowest = np.arange(len(self._log_weights)) - self._starts[self._stratum]
        self._observed = sum(table.exposed_events - possible(table)[0] for table in tables)

    def __call__(self, odds_ratio: float) -> tuple[float, float]:
        tilted = self._log_weights + self._above_lowest * log(odds_ratio)
        chances = np.exp(tilted - np.maximum.reduceat(tilted, self._starts)[self._stratum])
        chances /= np.add.reduceat(chances, self._starts)[self._stratum]
        means = np.add.reduceat(chances * self._above_lowest, self._starts)
        spread = chances * (self._above_lowest - means[self._stratum]) ** 2
        return self._observed - float(means.sum()), float(spread.sum())
