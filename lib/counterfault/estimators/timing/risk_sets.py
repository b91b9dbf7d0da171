"""Who was being watched when something happened: sums over risk sets, in one sort.

A row is watched on (entry, exit]: it counts at the moment it ends and not at the moment it is entered. So a deployment
that came under watch at the very hour another failed was not at risk of that failure, and one that was censored at
that hour still was. This is the convention of R's ``Surv(start, stop, event)``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from counterfault.estimators.poisson.cluster_robust import Codes, Floats

Mask = NDArray[np.bool_]

# Times a few milliseconds apart are one time: 0.1 + 0.2 and 0.3 hours must tie.
DECIMALS = 6


@dataclass(frozen=True, slots=True)
class RiskSets:
    """The moments at which something ended, and who was at risk at each.

    Attributes
    ----------
    groups, times : (E,) the distinct group × time at which at least one marked row ended, in that order.
    moment_of : (m,) for each marked row the moment at which it ended; E for the others.
    """

    groups: Codes
    times: Floats
    moment_of: Codes
    _by_exit: Codes
    _by_entry: Codes
    _first_exit: Codes
    _first_entry: Codes
    _last_exit: Codes
    _last_entry: Codes
    _seen_at_entry: Codes
    _seen_at_exit: Codes

    @classmethod
    def of(cls, groups: Codes, entry: Floats, exit: Floats, marked: Mask) -> RiskSets:
        """Sort rows by group and time.

        Parameters
        ----------
        groups : (m,) codes from 0; risk sets never cross groups.
        entry, exit : (m,) hours, entry before exit.
        marked : (m,) whether the row's end is something to look at (an incident, say).
        """
        ticks, ranks = np.unique(np.round(np.concatenate([entry, exit]), DECIMALS), return_inverse=True)
        width, count = max(len(ticks), 1), len(exit)
        entered, ended = (groups * width + rank for rank in (ranks[:count], ranks[count:]))
        moments = np.unique(ended[marked])
        by_exit, by_entry = np.argsort(ended, kind="stable"), np.argsort(entered, kind="stable")
        exits, entries, next_group = ended[by_exit], entered[by_entry], (moments // width + 1) * width
        return cls(
            groups=moments // width,
            times=ticks[moments % width],
            moment_of=np.where(marked, np.searchsorted(moments, ended), len(moments)),
            _by_exit=by_exit,
            _by_entry=by_entry,
            _first_exit=np.searchsorted(exits, moments),
            _first_entry=np.searchsorted(entries, moments),
            _last_exit=np.searchsorted(exits, next_group),
            _last_entry=np.searchsorted(entries, next_group),
            _seen_at_entry=np.searchsorted(moments, entered, side="right"),
            _seen_at_exit=np.searchsorted(moments, ended, side="right"),
        )

    def at_risk(self, values: Floats) -> Floats:
        """(E, …) sum of the rows' values (m, …) over who is at risk at each moment."""
        not_yet_out = _between(values[self._by_exit], self._first_exit, self._last_exit)
        not_yet_in = _between(values[self._by_entry], self._first_entry, self._last_entry)
        return not_yet_out - not_yet_in

    def ending(self, values: Floats) -> Floats:
        """(E, …) sum of the values (m, …) of the marked rows that end at each moment."""
        sums = np.zeros((len(self.times) + 1, *values.shape[1:]))
        np.add.at(sums, self.moment_of, values)
        return sums[:-1]

    def while_watched(self, values: Floats) -> Floats:
        """(m, …) sum of the moments' values (E, …) over those at which each row was at risk."""
        return _between(values, self._seen_at_entry, self._seen_at_exit)


def _between(values: Floats, first: Codes, last: Codes) -> Floats:
    sums = np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values, axis=0)])
    difference: Floats = sums[last] - sums[first]
    return difference
