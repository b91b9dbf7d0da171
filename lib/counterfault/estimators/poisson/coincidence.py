"""The risk ratio among failures that changes caused, when some were tied to their deployment by coincidence.

A rule that ties incidents by time also hits deployments that merely stood near. That adds the same background to both
kinds of change, and a background pulls a ratio of risks towards 1 (imperfect specificity of the outcome: Copeland et
al. 1977, American Journal of Epidemiology 105:488; Rothman, Greenland & Lash 2008, Modern Epidemiology, chapter 9).
With b the share of the others' failures that are coincidence, an observed ratio R stands for

    1 + (R − 1) / (1 − b),

since (R·p − b·p) / (p − b·p) is what is left of both risks. No ratio crosses 1 by it, nor does a limit: whether there
is a difference is asked of the data as they are, and only how large it is gets corrected.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import copysign, exp, hypot, inf, isfinite, log, sqrt
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from counterfault.cells import Cells
from counterfault.estimate import Estimate, Interval, not_estimable

Codes: TypeAlias = NDArray[np.intp]
Flags: TypeAlias = NDArray[np.bool_]
Floats: TypeAlias = NDArray[np.float64]

CAUSED = "exposed_events_caused"  # in ``support``: failures of the exposed, coincidences left out
CHANCE = "chance_events"  # column of the cells: failures expected by coincidence
MOST = 0.95  # share of the others' failures; beyond it hardly anything is left to compare
FURTHEST = 300.0  # on the log scale; two services may know so little of the share that exp would overflow

UNKNOWN = (
    "How many links are coincidence is not known, because the data are too short to move incidents about or the rule "
    "always finds a deployment; the ratio is as counted, and coincidences pull it towards 1."
)


@dataclass(frozen=True, slots=True)
class Background:
    """The share of the unexposed deployments' failures that coincidence accounts for.

    Attributes
    ----------
    share : b, weighted as Mantel and Haenszel weigh strata; 0 where links by time play no part.
    error : its standard error from the variation between clusters.
    degrees : clusters less one.
    """

    share: float
    error: float
    degrees: int


def background(cells: Cells) -> Background:
    """How many of the failures of unexposed deployments would be there by coincidence alone.

    Parameters
    ----------
    cells : with the column ``chance_events``; without it nothing is known of coincidences and the share is 0.

    Returns
    -------
    Σ w·chance over Σ w·events of the unexposed, w = exposed / all deployments of the stratum, so that the share is that
    of the strata where the two kinds of change are compared.
    """
    if CHANCE not in cells.frame:
        return Background(0.0, 0.0, 1)
    frame = cells.frame
    n, chance, events = (frame[name].to_numpy(float) for name in ("n", CHANCE, "events"))
    return Places.of(cells).background(n, frame["exposed"].to_numpy() == 1, chance, events)


@dataclass(frozen=True, slots=True)
class Places:
    """The stratum and the cluster of each of m cells, coded once for however many counts are asked about.

    Attributes
    ----------
    strata, clusters : (m,) codes from 0.
    """

    strata: Codes
    clusters: Codes

    @classmethod
    def of(cls, cells: Cells) -> Places:
        """Those of the rows of these cells."""
        frame = cells.frame
        strata = np.zeros(len(frame), dtype=np.intp)
        if cells.strata:
            strata = frame.groupby(list(cells.strata), observed=True).ngroup().to_numpy().astype(np.intp)
        return cls(strata, frame[cells.cluster].factorize()[0])

    def background(self, n: Floats, exposed: Flags, chance: Floats, events: Floats) -> Background:
        """As :func:`background` has it.

        Parameters
        ----------
        n, chance, events : (m,) deployments, failures expected by coincidence, failures.
        exposed : (m,) whether the deployments are AI-assisted.
        """
        weighted = self._weighted_sums(n, exposed, chance, events)
        expected, failed = weighted.sum(axis=0)
        if not failed > 0:
            return Background(0.0, 0.0, 1)
        share = expected / failed
        left = (weighted[:, 0] - share * weighted[:, 1]) / failed
        clusters = len(weighted)
        error = sqrt(float((left**2).sum()) * clusters / max(clusters - 1, 1))
        return Background(float(share), error, max(clusters - 1, 1))

    def _weighted_sums(self, n: Floats, exposed: Flags, chance: Floats, events: Floats) -> Floats:
        """(G, 2): expected coincidences and failures of the unexposed, by cluster, strata weighted."""
        strata = self.strata
        count = int(strata.max()) + 1 if len(strata) else 0
        total, treated = np.bincount(strata, n, count), np.bincount(strata, n * exposed, count)
        weight = np.divide(treated, total, out=np.zeros(count), where=total > 0)[strata] * ~exposed
        return np.column_stack([np.bincount(self.clusters, weight * column) for column in (chance, events)])


def without_coincidences(found: Estimate, cells: Cells) -> Estimate:
    """The same ratio among failures that are not coincidence.

    Parameters
    ----------
    found : a risk ratio of these cells with its interval.
    cells : with the column ``chance_events``.

    Returns
    -------
    The corrected ratio. Its limits are those of ``found``, corrected alike and widened for what is not known of the
    share (Zou & Donner 2008, Statistics in Medicine 27:1693, for limits of a sum from limits of its parts); a limit
    stays on its side of 1. Not estimable where more than :data:`MOST` of the others' failures are
    coincidence.

    Notes
    -----
    Assumes that a coincidence is as likely after either kind of change of the same stratum, and that links by record
    are right. Failures the rule misses do not matter as long as it misses the same share of both.
    """
    if not found.estimable:
        return found
    return less_background(found, background(cells) if CHANCE in cells.frame else None)


def less_background(found: Estimate, known: Background | None) -> Estimate:
    """The same, where the share is known already; None where nothing is known of coincidences.

    Parameters
    ----------
    found : a risk ratio with its interval.
    known : the share of the unexposed deployments' failures that coincidence accounts for.
    """
    if not found.estimable:
        return found
    if known is None:
        return replace(found, caveats=(*found.caveats, UNKNOWN))
    if known.share > MOST:
        return not_estimable(
            found.estimand,
            f"Coincidence accounts for {known.share:.0%} of the failures of other changes: too little is left to "
            f"compare. A shorter window, or causes recorded by people, would leave more.",
            method=found.method, level=found.interval.level, support=found.support,
        )  # fmt: skip
    return replace(
        found,
        value=_corrected(found.value, known.share),
        interval=_limits(found, known),
        standard_error=_error(found, known),
        support={**found.support, CAUSED: _caused(found, known)},
        caveats=(*found.caveats, *_mostly(known)),
        method=f"{found.method}; less the background of coincident links, {known.share:.0%} of the others' failures",
    )


def _mostly(known: Background) -> Iterator[str]:
    """Where coincidences are most of it, the size rests on how they were counted."""
    if known.share > 0.5:
        yield (
            f"{known.share:.0%} of the others' failures are taken for coincidence, and the size of the ratio rests on "
            "that. Where services ship by the clock, a moved incident always finds a deployment, and the correction "
            "goes too far; the side of 1 does not depend on it."
        )


def _caused(found: Estimate, known: Background) -> int:
    """Failures of the exposed that are not coincidence: of R·p failures b·p are, p being the others' risk."""
    share = known.share / found.value if found.value > 0 else 1.0
    return round(found.support.get("exposed_events", 0) * max(1 - share, 0.0))


def _corrected(ratio: float, share: float) -> float:
    return max(1 + (ratio - 1) / (1 - share), 0.0) if isfinite(ratio) else inf


def _limits(found: Estimate, known: Background) -> Interval:
    """Limits corrected, then widened by what is not known of the share; 1 is a fixed point of the correction."""
    level = found.interval.level
    reach = float(stdtrit(known.degrees, 0.5 + level / 2)) * known.error / (1 - known.share)
    low = _limit(found.value, found.interval.low, -1.0, known.share, reach)
    return Interval(low, _limit(found.value, found.interval.high, 1.0, known.share, reach), level)


def _limit(ratio: float, bound: float, way: float, share: float, reach: float) -> float:
    """The lower (way −1) or upper (1) limit of 1 + (R − 1)/(1 − b), from that of R and b's reach relative to 1 − b.

    On the side of 1 that the ratio lies on, both are factors of the excess R − 1, and squares of their logarithms add:
    whatever is not known of the share, a limit stays on its side of 1. On the other side, distances from the estimate
    add in squares.
    """
    if not isfinite(bound):
        return bound
    value, corrected = _excess(ratio, share), _excess(bound, share)
    if value * corrected > 0:
        further = way * copysign(1.0, value)  # a lower limit of a ratio below 1 is a larger excess
        return max(1 + value * exp(further * min(hypot(log(corrected / value), reach), FURTHEST)), 0.0)
    return max(1 + value + way * hypot(corrected - value, value * reach), 0.0)


def _excess(ratio: float, share: float) -> float:
    return (ratio - 1) / (1 - share)


def _error(found: Estimate, known: Background) -> float:
    """On the log scale, by the delta method at the corrected value."""
    value = _corrected(found.value, known.share)
    return found.standard_error * found.value / ((1 - known.share) * value) if value > 0 else float("nan")
