"""Exposure dealt out anew, so that it can have nothing to do with failures: the null, on the user's own deployments.

Labels move within strata and their numbers there stay, so services, calendar, covariates, failures and bursts are those
of the organisation; only who was AI-assisted is by chance.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from counterfault.cells import Cells

Counts: TypeAlias = NDArray[np.int64]
Codes: TypeAlias = NDArray[np.intp]
Floats: TypeAlias = NDArray[np.float64]

COUNTED = frozenset({"n", "events", "exposed"})  # columns of patterns that are no keys


@dataclass(frozen=True, slots=True)
class Dealt:
    """Some ways of dealing exposure and failures to C patterns of deployments, one row each.

    Attributes
    ----------
    exposed : (B, C) exposed deployments.
    exposed_failures, unexposed_failures : (B, C) failed ones among them, and among the others.
    kept : (C,) or one number: the share of the failures seen that is expected to be left before others are planted.
    """

    exposed: Counts
    exposed_failures: Counts
    unexposed_failures: Counts
    kept: Floats | float = 1.0

    def first(self, runs: int) -> Dealt:
        """The first so many."""
        return replace(
            self,
            exposed=self.exposed[:runs],
            exposed_failures=self.exposed_failures[:runs],
            unexposed_failures=self.unexposed_failures[:runs],
        )


def strata_of(patterns: pd.DataFrame, strata: tuple[str, ...]) -> Codes:
    """(C,) the stratum of each pattern, as codes from 0.

    Parameters
    ----------
    patterns : as :func:`~counterfault.estimators.poisson.repeated_fits.patterns_of` gives them.
    strata : the columns that make a stratum.
    """
    if not strata:
        return np.zeros(len(patterns), dtype=np.intp)
    return patterns.groupby(list(strata), observed=True, sort=False).ngroup().to_numpy().astype(np.intp)


def shuffled(patterns: pd.DataFrame, strata: Codes, runs: int, random: np.random.Generator) -> Dealt:
    """Labels shuffled within strata, their number in each kept.

    Which deployments of a stratum carry the label is then a draw without replacement from its patterns, failed and not
    failed (multivariate hypergeometric): no deployment need be touched.

    Why not within covariate levels too? There most groups hold a deployment or two, whose labels cannot move. Failures
    among them would keep the label they have, the regression counts them, and what is left of the true effect would
    be taken for a false alarm.

    Parameters
    ----------
    patterns : columns ``n``, ``events`` and ``exposed``.
    strata : (C,) the stratum of each.
    runs : how many times.
    random : the source of chance.
    """
    failures = patterns["events"].to_numpy(np.int64)
    others = patterns["n"].to_numpy(np.int64) - failures
    wanted = np.bincount(strata, patterns["exposed"]).astype(np.int64)
    exposed, failed = np.zeros((2, runs, len(patterns)), dtype=np.int64)
    for members, number in zip(_members(strata), wanted, strict=True):
        colours = np.concatenate([failures[members], others[members]])
        drawn = random.multivariate_hypergeometric(colours, number, size=runs, method="marginals")
        failed[:, members] = drawn[:, : len(members)]
        exposed[:, members] = drawn[:, : len(members)] + drawn[:, len(members) :]
    return Dealt(exposed, failed, failures - failed)


def _members(strata: Codes) -> list[Codes]:
    order = np.argsort(strata, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(strata[order])) + 1)


@dataclass(frozen=True, slots=True)
class InTime:
    """The deployments of some patterns one by one, sorted by stratum and week.

    Attributes
    ----------
    pattern : (N,) the pattern of each.
    failed, exposed : (N,) 0 or 1.
    first, size : (N,) where its stratum begins, and how many deployments it has.
    stratum : (N,) codes from 0.
    patterns : C.
    """

    pattern: Codes
    failed: Counts
    exposed: Counts
    first: Codes
    size: Codes
    stratum: Codes
    patterns: int

    @classmethod
    def of(cls, by_week: Cells, patterns: pd.DataFrame, random: np.random.Generator) -> InTime:
        """Cells with a column ``week`` laid out in time; within a week of a stratum the order is by chance.

        Parameters
        ----------
        by_week : with the strata, cluster and covariates of ``patterns``.
        patterns : deployments of other patterns are left out.
        random : the source of chance.
        """
        keys = [name for name in patterns.columns if name not in COUNTED]
        placed = patterns[keys].assign(pattern=np.arange(len(patterns)), stratum=strata_of(patterns, by_week.strata))
        frame = by_week.frame.merge(placed, on=keys, how="inner")
        times = frame["n"].to_numpy()
        row = np.repeat(np.arange(len(frame)), times)
        place = np.arange(len(row)) - np.repeat(np.cumsum(times) - times, times)
        columns = {name: frame[name].to_numpy()[row] for name in ("pattern", "stratum", "week", "exposed", "events")}
        order = np.lexsort((random.random(len(row)), pd.factorize(columns["week"], sort=True)[0], columns["stratum"]))
        stratum = columns["stratum"][order].astype(np.intp)
        size = np.bincount(stratum, minlength=int(placed["stratum"].max()) + 1)
        return cls(
            pattern=columns["pattern"][order].astype(np.intp),
            failed=(place < columns["events"])[order].astype(np.int64),
            exposed=columns["exposed"][order].astype(np.int64),
            first=(np.cumsum(size) - size)[stratum],
            size=size[stratum],
            stratum=stratum,
            patterns=len(patterns),
        )

    def rotated(self, runs: int, random: np.random.Generator) -> Dealt:
        """The labels of each stratum moved on by a random number of deployments, those at the end to its beginning.

        A shuffle scatters labels that came in runs (a team on one tool for a fortnight), while failures still come in
        bursts: it makes deployments more alike to independent ones than they are. Rotation keeps both runs and bursts
        and breaks only what ties them (the toroidal shift of Lotwick & Silverman 1982, J. R. Stat. Soc. B 44:406).

        Parameters
        ----------
        runs : how many times.
        random : the source of chance.
        """
        exposed, failed = np.zeros((2, runs, self.patterns), dtype=np.int64)
        place = np.arange(len(self.pattern)) - self.first
        whole = np.bincount(self.pattern, self.failed, self.patterns).astype(np.int64)
        for run in range(runs):
            step = random.integers(0, np.iinfo(np.int32).max, int(self.stratum.max()) + 1)[self.stratum]
            label = self.exposed[self.first + (place + step) % self.size]
            exposed[run] = np.bincount(self.pattern, label, self.patterns)
            failed[run] = np.bincount(self.pattern, label * self.failed, self.patterns)
        return Dealt(exposed, failed, whole - failed)
