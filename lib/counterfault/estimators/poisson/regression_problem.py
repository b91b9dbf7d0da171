"""From cells to arrays a regression can use, and from all of them to those that inform the comparison."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from counterfault.cells import Cells
from counterfault.estimators.poisson.cluster_robust import NOT_ABSORBED, Codes, Floats, WorkingModel, centred_within
from counterfault.estimators.poisson.conditional_poisson import Mask, fitted_to_zero, identified_columns

EXPOSED = 0  # column of the design that holds the exposure


class NotComparableError(Exception):
    """The data cannot give a ratio; the message says why. Never leaves the regression module."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One entry per cell that differs in stratum, cluster, exposure or a covariate adjusted for.

    Attributes
    ----------
    design : (m, k) 0/1; column ``EXPOSED``, then one per covariate level but the commonest.
    covariate_of : (k,) the covariate each column belongs to; "" for exposure.
    levels : the covariates themselves, (m) rows.
    copies, events : (m,) deployments, and those followed by an incident.
    strata, clusters : (m,) codes from 0 without gaps.
    cluster_names : the name behind each code of ``clusters``.
    place : what a stratum is called, "service × period".
    cluster : what a cluster is called.
    notes : what a reader must know about entries or columns set aside.
    """

    design: Floats
    covariate_of: tuple[str, ...]
    levels: pd.DataFrame
    copies: Floats
    events: Floats
    strata: Codes
    clusters: Codes
    cluster_names: tuple[str, ...]
    place: str
    cluster: str
    notes: tuple[str, ...] = ()

    def only(self, kept: Mask) -> Problem:
        """The entries of this mask, with strata and clusters counted anew."""
        left, clusters = np.unique(self.clusters[kept], return_inverse=True)
        return replace(
            self,
            design=self.design[kept],
            levels=self.levels[kept],
            copies=self.copies[kept],
            events=self.events[kept],
            strata=np.unique(self.strata[kept], return_inverse=True)[1],
            clusters=clusters,
            cluster_names=tuple(self.cluster_names[code] for code in left),
        )

    def columns(self, kept: list[int]) -> Problem:
        return replace(self, design=self.design[:, kept], covariate_of=tuple(self.covariate_of[i] for i in kept))

    def both_arms(self) -> Mask:
        """The entries of strata that hold exposed and unexposed deployments."""
        exposed = self.design[:, EXPOSED] == 1
        both: Mask = _any_in(self.strata, exposed) & _any_in(self.strata, ~exposed)
        return both

    def clusters_compared(self) -> tuple[int, int]:
        """How many clusters have exposed, and how many unexposed, deployments in strata that hold both."""
        both, exposed = self.both_arms(), self.design[:, EXPOSED] == 1
        return len(np.unique(self.clusters[both & exposed])), len(np.unique(self.clusters[both & ~exposed]))

    def support(self) -> dict[str, int]:
        """The counts of these entries, in the words of :class:`~counterfault.cells.TwoByTwo`."""
        exposed = self.design[:, EXPOSED] == 1
        return {
            "n": int(self.copies.sum()),
            "events": int(self.events.sum()),
            "exposed_events": int(self.events[exposed].sum()),
            "exposed_total": int(self.copies[exposed].sum()),
            "unexposed_events": int(self.events[~exposed].sum()),
            "unexposed_total": int(self.copies[~exposed].sum()),
            "informative_clusters": len(np.unique(self.clusters[self.both_arms()])),
            "strata": int(self.strata.max()) + 1,
        }

    def working_model(self, expected: Floats) -> WorkingModel:
        """The problem at its solution, for :func:`~counterfault.estimators.poisson.cluster_robust.cluster_robust`.

        A stratum inside one cluster is absorbed; one that spans clusters (a period, with services as clusters)
        ties their residuals together, so it stays in the design as a dummy variable.
        """
        spanning = _spanning_strata(self.strata, self.clusters)
        dummies = (self.strata[:, None] == spanning).astype(np.float64)
        mean = expected / self.copies
        return WorkingModel(
            design=np.hstack([self.design, dummies]),
            variances=mean,
            residuals=self.events / self.copies - mean,
            copies=self.copies,
            clusters=self.clusters,
            absorbed=np.where(np.isin(self.strata, spanning), NOT_ABSORBED, self.strata),
        )

    def contrast_of_exposure(self) -> Floats:
        """(columns of the working design, 1): the coefficient of exposure alone."""
        width = self.design.shape[1] + len(_spanning_strata(self.strata, self.clusters))
        contrast = np.zeros((width, 1))
        contrast[EXPOSED] = 1
        return contrast


def problem_of(cells: Cells, adjust_for: tuple[str, ...]) -> Problem:
    """Sum cells over every column the regression does not look at, and code the rest.

    Raises
    ------
    ValueError
        When a column is absent, holds missing values, or is not one that can be adjusted for.
    """
    adjust_for = tuple(dict.fromkeys(adjust_for))
    keys = list(dict.fromkeys([*cells.strata, cells.cluster, "exposed", *adjust_for]))
    _require_usable(cells, keys, adjust_for)
    coded = _Coded.of(cells.frame[cells.frame["n"] > 0], keys)
    copies, events = coded.summed("n"), coded.summed("events")
    design, covariate_of = _design(coded, events, adjust_for)
    clusters, cluster_names = coded.codes[cells.cluster], coded.names[cells.cluster]
    return Problem(
        design=design,
        covariate_of=covariate_of,
        levels=pd.DataFrame(
            {name: coded.names[name].take(coded.codes[name]) for name in adjust_for}, index=range(len(copies))
        ),
        copies=copies,
        events=events,
        strata=coded.crossed(cells.strata),
        clusters=clusters,
        cluster_names=tuple(map(str, cluster_names)),
        place=" × ".join(cells.strata) or "group of deployments",
        cluster=cells.cluster,
    )


@dataclass(frozen=True, slots=True)
class _Coded:
    """Cells summed over every column but some, these as numbers: a simulation asks for it a thousand times a minute.

    Attributes
    ----------
    frame, groups : the cells, and to which of the sums each belongs.
    codes : column → (m,) number of its value in each sum, from 0 without gaps, in the values' own order.
    names : column → the values behind the numbers.
    """

    frame: pd.DataFrame
    groups: Codes
    codes: dict[str, Codes]
    names: dict[str, pd.Index]

    @classmethod
    def of(cls, frame: pd.DataFrame, keys: list[str]) -> _Coded:
        found = {name: pd.factorize(frame[name], sort=True) for name in keys}
        entry = {name: codes for name, (codes, _) in found.items()}
        which = _mixed([entry[name] for name in keys], len(frame))
        first, groups = np.unique(which, return_index=True, return_inverse=True)[1:]
        return cls(
            frame, groups, {name: codes[first] for name, codes in entry.items()},
            {name: pd.Index(values) for name, (_, values) in found.items()},
        )  # fmt: skip

    def summed(self, column: str) -> Floats:
        """(m,) one of the counts."""
        return np.bincount(self.groups, self.frame[column].to_numpy(np.float64)).astype(np.float64)

    def crossed(self, columns: tuple[str, ...]) -> Codes:
        """(m,) number of the combination of these columns' values, from 0 without gaps."""
        some = next(iter(self.codes.values()))
        crossed: Codes = np.unique(_mixed([self.codes[name] for name in columns], len(some)), return_inverse=True)[1]
        return crossed


def _mixed(codes: list[Codes], count: int) -> Codes:
    """One number for each combination, ordered as the combinations are."""
    mixed = np.zeros(count, dtype=np.int64)
    for code in codes:
        mixed = np.unique(mixed * (int(code.max(initial=0)) + 1) + code, return_inverse=True)[1]
    return mixed


def comparable(whole: Problem) -> Problem:
    """The entries that inform the ratio and the columns it can be told apart from, in clusters that can be compared.

    Raises
    ------
    NotComparableError
        With the reason, when none do, or when exposed or unexposed ones lie in one cluster only.
    """
    used = informative(whole)
    for name, clusters in zip(("exposed", "unexposed"), used.clusters_compared(), strict=True):
        if clusters < 2:
            raise NotComparableError(
                f"All {name} deployments that can be compared lie in one {whole.cluster}, which cannot show how far "
                f"{whole.cluster}s differ from one another."
            )
    return used


def informative(whole: Problem) -> Problem:
    """The entries that inform the ratio and the columns it can be told apart from, in however many clusters.

    Raises
    ------
    NotComparableError
        With the reason, when none do.
    """
    if not whole.events.sum():
        if not whole.copies.sum():
            raise NotComparableError("No deployment is left to compare.")
        raise NotComparableError(f"None of the {whole.copies.sum():.0f} deployments was followed by an incident.")
    eventful = whole.only(_any_in(whole.strata, whole.events > 0))
    _require_both_arms(eventful)
    identified = _identified(eventful)
    if EXPOSED not in identified:
        raise NotComparableError(
            f"Within {whole.place}, exposure cannot be told apart from {_listed(whole.levels.columns)}: no two "
            "deployments differ in exposure alone."
        )
    separated = fitted_to_zero(eventful.design, eventful.events, eventful.strata)
    used = eventful.only(~separated)
    used = used.only(_varying(used))
    columns = _identified(used) if separated.any() else identified
    if EXPOSED not in columns:
        raise NotComparableError(
            f"At equal {_listed(whole.levels.columns)}, incidents fell only on one side wherever exposed and "
            f"unexposed deployments of one {whole.place} can be compared: the ratio has no finite estimate."
        )
    notes = (*_set_aside(eventful, separated), *_idle(eventful, identified))
    return replace(used.columns(sorted(columns)), notes=notes)


def _require_usable(cells: Cells, keys: list[str], adjust_for: tuple[str, ...]) -> None:
    known = [column for column in cells.frame.columns if column not in {"exposed", "n", "events", "exposure_hours"}]
    if unknown := [name for name in adjust_for if name not in known]:
        raise ValueError(f"Cannot adjust for {_listed(unknown)}: the cells can be adjusted for {_listed(known)}.")
    missing = cells.frame[keys].isna().any()
    if missing.any():
        raise ValueError(
            f"Cells have empty values in {_listed(missing[missing].index)}; a value nobody knows is a level of its "
            "own, called 'missing'."
        )


def _design(coded: _Coded, events: Floats, adjust_for: tuple[str, ...]) -> tuple[Floats, tuple[str, ...]]:
    columns, owners = [coded.names["exposed"].to_numpy(np.float64)[coded.codes["exposed"]]], [""]
    for name in adjust_for:
        by_level = np.bincount(coded.codes[name], events, len(coded.names[name]))
        for level in np.argsort(-by_level, kind="stable")[1:]:
            columns.append((coded.codes[name] == level).astype(np.float64))
            owners.append(name)
    return np.column_stack(columns), tuple(owners)


def _any_in(groups: Codes, holds: Mask) -> Mask:
    """For each entry, whether the condition holds anywhere in its group."""
    found: Mask = (np.bincount(groups, holds) > 0)[groups]
    return found


def _varying(problem: Problem) -> Mask:
    """Entries of strata whose entries are not all alike in exposure and covariates."""
    ones = np.ones(len(problem.design))
    differs = np.abs(centred_within(problem.design, ones, problem.strata)).max(axis=1) > 1e-9
    return _any_in(problem.strata, differs)


def _identified(problem: Problem) -> list[int]:
    """Identified columns; exposure is asked last, so that it never takes credit for a covariate."""
    width = problem.design.shape[1]
    return identified_columns(problem.design, problem.strata, [*range(1, width), EXPOSED])


def _require_both_arms(eventful: Problem) -> None:
    exposed, both = eventful.design[:, EXPOSED] == 1, eventful.both_arms()
    if not both.any():
        raise NotComparableError(
            f"No {eventful.place} holds exposed deployments, unexposed deployments and an incident."
        )
    for name, other, arm, value in (
        ("exposed", "unexposed", exposed, "zero"),
        ("unexposed", "exposed", ~exposed, "infinite"),
    ):
        if not eventful.events[both & arm].sum():
            raise NotComparableError(
                f"No {name} deployment was followed by an incident where it can be compared with {other} "
                f"ones of its {eventful.place}: the ratio would be {value}, without an interval."
            )


def _spanning_strata(strata: Codes, clusters: Codes) -> Codes:
    pairs = np.unique(np.column_stack([strata, clusters]), axis=0)
    spanning: Codes = np.flatnonzero(np.bincount(pairs[:, 0]) > 1).astype(np.intp)
    return spanning


def _set_aside(eventful: Problem, separated: Mask) -> Iterator[str]:
    """Name the levels whose fitted risk is zero."""
    if separated.any():
        gone = list(_lost_levels(eventful.levels[separated], eventful.levels[~separated]))
        where = f"at {_listed(gone)}" if gone else f"at combinations of {_listed(eventful.levels.columns)}"
        yield (
            f"Deployments {where} left the fit ({eventful.copies[separated].sum():.0f}): no incident fell on them "
            "where they can be compared, so their fitted risk is zero and the ratio does not depend on them."
        )


def _lost_levels(gone: pd.DataFrame, kept: pd.DataFrame) -> Iterator[str]:
    for name in gone.columns:
        for level in sorted(set(gone[name]) - set(kept[name]), key=str):
            yield f"{name}={level}"


def _idle(eventful: Problem, identified: list[int]) -> Iterator[str]:
    """Name the covariates that adjust for nothing the strata do not already hold fixed."""
    active = {eventful.covariate_of[column] for column in identified}
    if idle := [name for name in eventful.levels if name not in active]:
        yield (f"Within {eventful.place}, {_listed(idle)} adds nothing to what is already held fixed.")


def _listed(names: Iterable[object]) -> str:
    return ", ".join(map(str, names))
