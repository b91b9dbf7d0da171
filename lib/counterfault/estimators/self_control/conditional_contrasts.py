"""Ratios from a conditional Poisson fit: one per contrast of its coefficients, or why there is none.

The self-controlled designs all have this form: within a stratum, events fall on entries in proportion to the size of an
entry (hours, or moments) and to exp(design · coefficients). Which ratio can be told from the data is asked contrast by
contrast, because data that say nothing of two coefficients may still say how they differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from math import sqrt

import numpy as np

from counterfault.estimators.poisson.cluster_robust import (
    Codes,
    Floats,
    Sandwich,
    SmallSample,
    WorkingModel,
    centred_within,
    cluster_robust,
)
from counterfault.estimators.poisson.conditional_poisson import (
    ConditionalFit,
    Mask,
    fit_conditional_poisson,
    fitted_to_zero,
    identified_columns,
)
from counterfault.estimators.self_control.log_ratio import LogRatio

_PLENTY = 500  # clusters

# Designs are columns of 0 and 1, so that what varies at all varies by far more than this.
_ZERO = 1e-9


class Silence(Enum):
    """Why a contrast has no estimate; the estimators put it in their own words."""

    NO_EVENTS = auto()  # nowhere an event
    NOT_APART = auto()  # constant within strata with events, or a combination of other columns there
    ONE_SIDED = auto()  # events on one side only: no finite maximum
    ONE_CLUSTER = auto()  # a single cluster informs it, and cannot show how clusters differ
    NO_SPREAD = auto()  # clusters agree exactly: a standard error from them would be rounding
    UNSETTLED = auto()  # the likelihood is too flat to have a maximum


@dataclass(frozen=True, slots=True)
class Entries:
    """What events are compared across.

    Attributes
    ----------
    design : (m, k) of 0 and 1, no intercept.
    size : (m,) hours or moments, above 0: what expected events are proportional to.
    events : (m,) whole numbers.
    strata, clusters : (m,) codes; a stratum lies within one cluster.
    """

    design: Floats
    size: Floats
    events: Floats
    strata: Codes
    clusters: Codes

    def only(self, kept: Mask) -> Entries:
        """The entries of this mask, with strata and clusters counted anew."""
        return Entries(
            self.design[kept],
            self.size[kept],
            self.events[kept],
            np.unique(self.strata[kept], return_inverse=True)[1],
            np.unique(self.clusters[kept], return_inverse=True)[1],
        )

    def in_stratum_with(self, holds: Mask) -> Mask:
        """For each entry, whether the condition holds anywhere in its stratum."""
        found: Mask = (np.bincount(self.strata, holds) > 0)[self.strata]
        return found

    def deviations(self) -> Floats:
        """(m, k) the design minus its plain mean in each stratum; zero where nothing varies."""
        return centred_within(self.design, np.ones(len(self.design)), self.strata)


@dataclass(frozen=True, slots=True)
class Contrasted:
    """What a fit says of each contrast, in their order.

    Attributes
    ----------
    ratios : (q) a log ratio, or the reason for none.
    informative : (q) clusters in which every column of the contrast varies within a stratum that enters the fit, the
        fewest of its columns.
    used : (m,) entries that enter the fit.
    separated : (m,) entries set aside because their fitted rate is zero; the rest is the limit of the full fit.
    columns : of the design that the fit estimates; the others it leaves open or makes up from these.
    coefficients : (k,) of all columns, zero for those not estimated.
    """

    ratios: tuple[LogRatio | Silence, ...]
    informative: tuple[int, ...]
    used: Mask
    separated: Mask
    columns: tuple[int, ...]
    coefficients: Floats


def fit_contrasts(
    entries: Entries, contrasts: Floats, small_sample: SmallSample, *, at_least_model: bool
) -> Contrasted:
    """Fit once, and answer for every contrast whether the data tell it, and what.

    Parameters
    ----------
    entries : may be none.
    contrasts : (k, q) weights of the coefficients, one column per log ratio wanted.
    small_sample : correction of the cluster-robust covariance. Contrasts that more than 500 clusters inform have CR1
        instead of CR2: the two are then alike, and CR2 with its degrees of freedom takes the square of the clusters.
    at_least_model : as in :class:`~counterfault.estimators.self_control.log_ratio.LogRatio`.
    """
    eventful = entries.in_stratum_with(entries.events > 0)
    if not eventful.any():
        return _without_events(eventful, contrasts)
    whole = entries.only(eventful)
    separated = np.zeros_like(eventful)
    separated[eventful] = fitted_to_zero(whole.design, whole.events, whole.strata)
    used = eventful & ~separated
    used[used] = _varying(entries.only(used))
    kept = entries.only(used)
    deviations = kept.deviations()
    columns, told = _told_by(kept, deviations, contrasts)
    told_by_all = _told_by(whole, whole.deviations(), contrasts)[1] if separated.any() else told
    informative = _informative(kept, deviations, contrasts)
    ratios, coefficients = _silences(told_by_all, told), np.zeros(len(contrasts))
    if columns:
        fit = fit_conditional_poisson(kept.design[:, columns], kept.size, kept.events, kept.strata)
        coefficients[columns] = fit.coefficients
        for place, answer in _answers(kept, columns, fit, contrasts, told, informative, small_sample, at_least_model):
            ratios[place] = answer
    return Contrasted(tuple(ratios), informative, used, separated, tuple(columns), coefficients)


def _without_events(nothing: Mask, contrasts: Floats) -> Contrasted:
    width, count = contrasts.shape
    return Contrasted((Silence.NO_EVENTS,) * count, (0,) * count, nothing, nothing, (), np.zeros(width))


def _varying(entries: Entries) -> Mask:
    return entries.in_stratum_with(np.abs(entries.deviations()).max(axis=1, initial=0) > _ZERO)


def _silences(told_by_all: Mask, told_by_used: Mask) -> list[LogRatio | Silence]:
    """The reason each contrast has no estimate, if it turns out to have none."""
    lost: list[LogRatio | Silence] = [Silence.ONE_SIDED if told else Silence.NOT_APART for told in told_by_all]
    return [Silence.ONE_CLUSTER if told else reason for told, reason in zip(told_by_used, lost, strict=True)]


def _told_by(entries: Entries, deviations: Floats, contrasts: Floats) -> tuple[list[int], Mask]:
    """Columns that stand for all, and which contrasts the data do not leave open.

    A contrast is left open when it changes along a direction that moves no entry against another of its stratum; each
    column that the chosen ones make up gives one such direction (Searle 1971, Linear Models, section 5.4).
    """
    if not len(entries.events):
        return [], np.zeros(contrasts.shape[1], dtype=bool)
    width = entries.design.shape[1]
    chosen = identified_columns(entries.design, entries.strata, range(width))
    rest = [column for column in range(width) if column not in chosen]
    gram = deviations.T @ deviations
    made_up = np.linalg.solve(gram[np.ix_(chosen, chosen)], gram[np.ix_(chosen, rest)])
    change = contrasts[rest] - made_up.T @ contrasts[chosen]
    told: Mask = np.abs(change).max(axis=0, initial=0) < 1e-7
    return chosen, told


def _informative(used: Entries, deviations: Floats, contrasts: Floats) -> tuple[int, ...]:
    varies = np.abs(deviations) > _ZERO
    clusters = np.array([np.count_nonzero(np.bincount(used.clusters[column])) for column in varies.T])
    return tuple(int(clusters[contrast != 0].min(initial=len(used.events))) for contrast in contrasts.T)


def _answers(
    used: Entries,
    columns: list[int],
    fit: ConditionalFit,
    contrasts: Floats,
    told: Mask,
    informative: tuple[int, ...],
    small_sample: SmallSample,
    at_least_model: bool,
) -> Iterator[tuple[int, LogRatio | Silence]]:
    """Place and answer of each contrast that the data tell and that several clusters inform."""
    wanted = [place for place, clusters in enumerate(informative) if told[place] and clusters > 1]
    plentiful = [place for place in wanted if informative[place] > _PLENTY and small_sample is SmallSample.CR2]
    scarce = [place for place in wanted if place not in plentiful]
    for places, kind in ((scarce, small_sample), (plentiful, SmallSample.CR1)):
        if not places:
            continue
        within = contrasts[np.ix_(columns, places)]
        sandwich = cluster_robust(_working_model(used, columns, fit.expected), kind, within)
        for place, value, column in zip(places, fit.coefficients @ within, range(len(places)), strict=True):
            yield (
                place,
                _log_ratio(value, sandwich, column, kind, at_least_model) if fit.converged else Silence.UNSETTLED,
            )


def _log_ratio(
    value: float, sandwich: Sandwich, column: int, kind: SmallSample, at_least_model: bool
) -> LogRatio | Silence:
    robust, model = float(sandwich.covariance[column, column]), float(sandwich.model_covariance[column, column])
    degrees = float(sandwich.degrees_of_freedom[column])
    if robust < 1e-14 * model or degrees <= 0:
        return Silence.NO_SPREAD
    return LogRatio(float(value), sqrt(robust), degrees, sqrt(model), kind, at_least_model)


def _working_model(used: Entries, columns: list[int], expected: Floats) -> WorkingModel:
    # Hours are an offset, no number of rows: an entry is one observation whose variance is its expected count.
    return WorkingModel(
        design=used.design[:, columns],
        variances=expected,
        residuals=used.events - expected,
        copies=np.ones(len(expected)),
        clusters=used.clusters,
        absorbed=used.strata,
    )
