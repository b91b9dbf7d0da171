"""Ratios from a conditional Poisson fit: one per contrast of its coefficients, or why there is none.

The self-controlled designs all have this form: within a stratum, events fall on entries in proportion to the size of an
entry (hours, or moments) and to exp(design · coefficients). Which ratio can be told from the data is asked contrast by
contrast, because data that say nothing of two coefficients may still say how they differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from math import exp, inf, sqrt

import numpy as np
from scipy.special import stdtr, stdtrit

from counterfault.estimate import Interval
from counterfault.estimators.cluster_robust import (
    Codes,
    Floats,
    Sandwich,
    SmallSample,
    WorkingModel,
    centred_within,
    cluster_robust,
)
from counterfault.estimators.conditional_poisson import (
    Mask,
    fit_conditional_poisson,
    fitted_to_zero,
    identified_columns,
)

FEWEST_CLUSTERS = 4
FEWEST_DEGREES = 4.0

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
class LogRatio:
    """A contrast of coefficients with its two standard errors.

    Attributes
    ----------
    value : on the log scale.
    robust : cluster-robust standard error, with ``degrees`` of freedom of the t distribution it comes with.
    model : standard error of independent Poisson events; compared with the normal distribution.
    at_least_model : whether the interval is the wider of the two (Angrist & Pischke 2009, Mostly Harmless
        Econometrics, section 8.2.3: with few clusters the robust one can be far too small by chance).
    """

    value: float
    robust: float
    degrees: float
    model: float
    at_least_model: bool

    def error_and_reference(self, level: float) -> tuple[float, float]:
        """The standard error in use, and the degrees of freedom of its t distribution (infinite: normal)."""
        tail = 0.5 + level / 2
        of_model, of_robust = stdtrit(inf, tail) * self.model, stdtrit(self.degrees, tail) * self.robust
        if self.at_least_model and of_model > of_robust:
            return self.model, inf
        return self.robust, self.degrees

    def reach(self, level: float) -> float:
        """Half the width of the interval on the log scale."""
        error, degrees = self.error_and_reference(level)
        return float(stdtrit(degrees, 0.5 + level / 2)) * error

    def interval(self, level: float) -> Interval:
        """Limits of the ratio itself."""
        reach = self.reach(level)
        return Interval(bounded_exp(self.value - reach), bounded_exp(self.value + reach), level)

    def p_value(self, level: float) -> float:
        """Two-sided p of a ratio of 1, by the standard error the interval of this level uses."""
        error, degrees = self.error_and_reference(level)
        return 2 * float(stdtr(degrees, -abs(self.value / error)))

    def reference(self, level: float, small_sample: SmallSample, cluster: str, events: str) -> str:
        """How the interval was had, for the method sentence."""
        kind = "Satterthwaite " if small_sample is SmallSample.CR2 else ""
        told = f"{small_sample.value} standard error by {cluster}, t with {self.degrees:.1f} {kind}degrees of freedom"
        if self.error_and_reference(level)[1] == inf:
            told += f"; the interval is that of independent {events} (normal), which is wider"
        return told


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
    small_sample : correction of the cluster-robust covariance.
    at_least_model : as in :class:`LogRatio`.
    """
    width, count = contrasts.shape
    eventful = entries.in_stratum_with(entries.events > 0)
    if not eventful.any():
        nothing = np.zeros_like(eventful)
        return Contrasted((Silence.NO_EVENTS,) * count, (0,) * count, nothing, nothing, (), np.zeros(width))
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
    silences = _silences(told_by_all, told)
    if not columns:
        return Contrasted(tuple(silences), informative, used, separated, (), np.zeros(width))
    fit = fit_conditional_poisson(kept.design[:, columns], kept.size, kept.events, kept.strata)
    coefficients = np.zeros(width)
    coefficients[columns] = fit.coefficients
    wanted = [place for place in range(count) if told[place] and informative[place] > 1]
    if wanted:
        model = _working_model(kept, columns, fit.expected)
        sandwich = cluster_robust(model, small_sample, contrasts[np.ix_(columns, wanted)])
        values = contrasts[:, wanted].T @ coefficients
        for place, answer in zip(wanted, _log_ratios(values, sandwich, at_least_model), strict=True):
            silences[place] = answer if fit.converged else Silence.UNSETTLED
    return Contrasted(tuple(silences), informative, used, separated, tuple(columns), coefficients)


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


def _log_ratios(values: Floats, sandwich: Sandwich, at_least_model: bool) -> Iterator[LogRatio | Silence]:
    robust, model = np.diag(sandwich.covariance), np.diag(sandwich.model_covariance)
    for value, of_clusters, of_model, degrees in zip(values, robust, model, sandwich.degrees_of_freedom, strict=True):
        if of_clusters < 1e-14 * of_model or degrees <= 0:
            yield Silence.NO_SPREAD
        else:
            yield LogRatio(float(value), sqrt(of_clusters), float(degrees), sqrt(of_model), at_least_model)


def few(ratio: LogRatio, informative: int, cluster: str) -> Iterator[str]:
    """Sentences a reader needs where clusters or degrees of freedom are few."""
    if informative < FEWEST_CLUSTERS:
        yield (
            f"{informative} {cluster}s inform this ratio; with fewer than {FEWEST_CLUSTERS} the interval is not to be "
            "trusted."
        )
    if ratio.degrees < FEWEST_DEGREES:
        yield (
            f"The robust standard error rests on {ratio.degrees:.1f} degrees of freedom; below {FEWEST_DEGREES:.0f} "
            "the t approximation is unreliable (Pustejovsky & Tipton 2018)."
        )


def bounded_exp(value: float) -> float:
    """exp, infinite where a float cannot hold it."""
    return exp(value) if value < 700 else inf
