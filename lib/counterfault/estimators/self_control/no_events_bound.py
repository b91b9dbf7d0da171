"""How large a rate ratio may be when no event fell in a state at all.

The estimate is 0 and no standard error exists there, but the silence says something: with a large ratio, events
would have fallen there. The limit is the ratio under which that silence has the probability left to one tail, as in
Clopper & Pearson (1934, Biometrika 26:404), given each stratum's number of events and the other ratios as fitted.
"""

from __future__ import annotations

from math import log

import numpy as np

from counterfault.estimators.poisson.cluster_robust import Floats
from counterfault.estimators.poisson.conditional_poisson import Mask
from counterfault.estimators.roots import positive_crossing
from counterfault.estimators.self_control.conditional_contrasts import Contrasted, Entries


def log_probability_of_silence(entries: Entries, found: Contrasted, column: int, ratio: float) -> float:
    """Log probability that no event falls on the entries of a 0/1 column, at a rate ratio of that column.

    Notes
    -----
    A stratum's N events avoid the state with probability (1 + ratio·m/M)^(−N), m and M being the masses (size ×
    fitted relative rate) inside and outside it. Entries whose relative rate the fit does not know are left out of m,
    which makes the silence more probable and the limit larger.
    """
    return _log_silence(*_events_and_share(entries, found, column), ratio)


def upper_limit(entries: Entries, found: Contrasted, column: int, level: float) -> float | None:
    """The largest ratio not excluded at a two-sided level; None where silence says nothing.

    Parameters
    ----------
    entries, found : what was fitted, and the fit; no entry of the column has an event.
    column : of the design, estimated at minus infinity.
    level : of the two-sided interval from 0 to the limit.
    """
    events, share = _events_and_share(entries, found, column)
    if not (events @ share > 0):
        return None
    tail = log((1 - level) / 2)
    return positive_crossing(lambda ratio: _log_silence(events, share, ratio) - tail)


def _log_silence(events: Floats, share: Floats, ratio: float) -> float:
    return -float(events @ np.log1p(ratio * share))


def _events_and_share(entries: Entries, found: Contrasted, column: int) -> tuple[Floats, Floats]:
    """Per stratum with events: their number, and m/M."""
    width = entries.design.shape[1]
    unknown = [other for other in range(width) if other not in (column, *found.columns)]
    known: Mask = entries.design[:, unknown].max(axis=1, initial=0) == 0
    inside = np.asarray(entries.design[:, column] == 1)
    outside = ~inside & ~found.separated
    mass = entries.size * np.exp(entries.design @ found.coefficients)
    count = int(entries.strata.max()) + 1
    within = np.bincount(entries.strata, mass * (inside & known), count)
    without = np.bincount(entries.strata, mass * outside, count)
    events: Floats = np.bincount(entries.strata, entries.events, count).astype(np.float64)
    eventful = events > 0
    return events[eventful], within[eventful] / without[eventful]
