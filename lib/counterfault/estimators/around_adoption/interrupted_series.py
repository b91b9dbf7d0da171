"""Did the organisation's failure rate jump, or start to climb, when AI assistance was taken up?

Interrupted time series by segmented regression: Lopez Bernal, Cummins & Gasparrini (2017), International Journal of
Epidemiology 46:348. With Y(t) failed among n(t) deployments, and adoption in period s,

    log E Y(t) = log n(t) + a + b t + c [t ≥ s] + d [t ≥ s] (t − s)   (+ sines and cosines of the year),

so exp(c) is the ratio of the rate in period s to what the line before it led to expect, and exp(d) the factor by which
the trend per period changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from math import exp, inf, nan, pi

import numpy as np
import pandas as pd
from scipy.special import stdtr, stdtrit

from counterfault.estimate import Estimand, Estimate, Interval, not_estimable
from counterfault.estimators.around_adoption.unit_table import UnitTable, organisation_adoption
from counterfault.estimators.bounded import exp_or_infinity
from counterfault.estimators.odds.irls import Family, fit_glm
from counterfault.estimators.poisson.cluster_robust import Floats
from counterfault.estimators.poisson.conditional_poisson import fitted_to_zero
from counterfault.panels import UnitPeriods

_SEASONS = {"week": 365.25 / 7, "month": 12.0, "quarter": 4.0}
_LEVEL, _SLOPE, _TERMS = 2, 3, 4
_FEWEST = 3
_FEW = 8
_MANY = 100
_EXACT = 1e-9
_NO_SPREAD = "the curve fits every period exactly, so there is nothing to tell the uncertainty from"
_NAMES = {"adoption.interrupted.level": _LEVEL, "adoption.interrupted.slope": _SLOPE}


class SeriesError(Enum):
    """Where the standard error of the series comes from."""

    QUASI_POISSON = "quasi-Poisson standard error"
    NEWEY_WEST = "Newey–West (1987) standard error"


@dataclass(frozen=True, slots=True)
class _Series:
    """The organisation period by period, those without deployments left out; ``start`` is a position in time."""

    time: Floats
    n: Floats
    events: Floats
    start: int
    calendar: str
    empty: int

    @property
    def after(self) -> Floats:
        return (self.time >= self.start).astype(float)


@dataclass(frozen=True, slots=True)
class _Fit:
    coefficients: Floats
    covariance: Floats
    expected: Floats
    dispersion: float
    degrees: int
    lag: int


@dataclass(frozen=True)
class InterruptedSeries:
    """Change of level and of trend of the failure rate when the organisation took up AI assistance.

    Parameters
    ----------
    start : the ``period`` in which adoption begins, best named beforehand; None takes the one in which all deployments
        together reach ``threshold``, by the rule of
        :func:`~counterfault.estimators.around_adoption.unit_table.adoption_periods`. It is found from the AI share
        alone, never from failures.
    threshold : share of AI-assisted deployments; unused where ``start`` is given.
    harmonics : pairs of sine and cosine with periods of a year, half a year, …; 0 for no season.
    error : of the coefficients. Quasi-Poisson multiplies the Poisson variance by Pearson's X² over degrees of freedom
        where that is above 1. Newey–West allows for correlation between neighbouring periods too, with lag
        4 (T/100)^(2/9) rounded down (Newey & West 1994) and factor T/(T − k); with few periods it comes out too small.

    Notes
    -----
    Calling it with a panel and a level returns two estimates, ids ``adoption.interrupted.level`` and
    ``adoption.interrupted.slope``, with limits exp(b ± t se), T − k degrees of freedom. At least three periods with
    deployments are needed on either side, failures in two of them, and one period more than there are terms.

    Assumed: the log rate would have gone on in a straight line (and its season); nothing else changed in that period.

    Raises
    ------
    ValueError
        ``start`` is not a later period of the panel, another setting is out of range, or the panel is incomplete.
    """

    start: int | None = None
    threshold: float = 0.2
    harmonics: int = 0
    error: SeriesError = SeriesError.QUASI_POISSON

    def __call__(self, panel: UnitPeriods, level: float = 0.95) -> tuple[Estimate, Estimate]:
        if not 0 < level < 1:
            raise ValueError(f"level is {level}; a confidence level lies between 0 and 1, such as 0.95.")
        series, table = self._series(panel), UnitTable.of(panel)
        reason = self._reason(series, panel)
        fit = None if reason or series is None else self._fit(series)
        if fit is None or series is None:
            reason = reason or "the regression did not settle on a maximum"
            first, second = (self._refused(id, reason, table, level) for id in _NAMES)
            return first, second
        first, second = (self._estimate(id, place, series, fit, table, level) for id, place in _NAMES.items())
        return first, second

    def fitted(self, panel: UnitPeriods) -> pd.DataFrame:
        """Per period, the failed share observed, the one fitted, and the one expected had the line gone on.

        Columns ``period``, ``n``, ``events``, ``observed``, ``fitted``, ``without_adoption`` (as fitted before it);
        empty where the regression gives no answer.
        """
        columns = ["period", "n", "events", "observed", "fitted", "without_adoption"]
        series = self._series(panel)
        fit = None if self._reason(series, panel) or series is None else self._fit(series)
        if fit is None or series is None:
            return pd.DataFrame(columns=columns)
        change = self._design(series)[:, _LEVEL:_TERMS] @ fit.coefficients[_LEVEL:_TERMS]
        share = fit.expected / series.n
        first = int(panel.frame["period"].min())
        values = [series.time.astype(int) + first, series.n.astype(int), series.events.astype(int)]
        values += [series.events / series.n, share, share * np.exp(-change)]
        return pd.DataFrame(dict(zip(columns, values, strict=True)))

    def _series(self, panel: UnitPeriods) -> _Series | None:
        self._require_settings(panel)
        table, start = UnitTable.of(panel).whole(), self.start
        if start is None:
            start = organisation_adoption(panel, self.threshold)
        if start is None:
            return None
        if start not in table.periods[1:]:
            if self.start is None:
                return None
            raise ValueError(f"start is {start}; it must be one of the periods {table.periods[1:]}, after the first.")
        shipped = table.n[0] > 0
        time = np.flatnonzero(shipped).astype(float)
        position = table.periods.index(start)
        empty = int((~shipped).sum())
        return _Series(time, table.n[0][shipped], table.events[0][shipped], position, panel.calendar, empty)

    def _require_settings(self, panel: UnitPeriods) -> None:
        most = int((_SEASONS[panel.calendar] - 1) // 2)
        if not 0 <= self.harmonics <= most:
            raise ValueError(
                f"harmonics is {self.harmonics}; a year of {panel.calendar}s has at most {most}, and 0 means no season."
            )

    def _reason(self, series: _Series | None, panel: UnitPeriods) -> str:
        if series is None:
            return (
                f"the organisation reached no lasting share of {self.threshold:.0%} AI-assisted deployments after the "
                f"first {panel.calendar}, so there is no period to break the series at"
            )
        for side, inside in (("before", series.after == 0), ("from", series.after == 1)):
            periods, failing = int(inside.sum()), int((series.events[inside] > 0).sum())
            if periods < _FEWEST:
                return (
                    f"{periods} {panel.calendar}s with deployments {side} adoption; a line and its error need {_FEWEST}"
                )
            if failing < 2:
                return f"failures in {failing} {panel.calendar}s {side} adoption; a trend needs them in two"
        terms = _TERMS + 2 * self.harmonics
        if len(series.time) <= terms:
            return f"{len(series.time)} {panel.calendar}s with deployments cannot determine {terms} terms and an error"
        design = self._design(series)
        if np.linalg.matrix_rank(design) < terms:
            return f"the {panel.calendar}s with deployments cannot tell season from trend"
        if fitted_to_zero(design[:, 1:], series.events, np.zeros(len(design), dtype=np.intp)).any():
            return (
                f"some {panel.calendar}s without failures can be fitted a rate of zero: the curve has no finite course"
            )
        return ""

    def _design(self, series: _Series) -> Floats:
        time, after = series.time, series.after
        columns = [np.ones_like(time), time - series.start, after, after * (time - series.start)]
        for order in range(1, self.harmonics + 1):
            angle = 2 * pi * order * time / _SEASONS[series.calendar]
            columns += [np.sin(angle), np.cos(angle)]
        return np.stack(columns, axis=1)

    def _fit(self, series: _Series) -> _Fit | None:
        design = self._design(series)
        found = fit_glm(design, series.events, series.n, Family.POISSON)
        if not found.converged:
            return None
        expected, degrees, covariance, lag = series.n * found.rate, found.residual_df, found.covariance, 0
        if self.error is SeriesError.NEWEY_WEST:
            lag = int(4 * (len(expected) / 100) ** (2 / 9))
            meat = newey_west(design * (series.events - expected)[:, None], lag)
            covariance = covariance @ meat @ covariance * (len(expected) / degrees)
        else:
            covariance = covariance * max(found.dispersion, 1.0)
        return _Fit(found.coefficients, covariance, expected, found.dispersion, degrees, lag)

    def _estimate(self, id: str, place: int, series: _Series, fit: _Fit, table: UnitTable, level: float) -> Estimate:
        log_ratio, error = float(fit.coefficients[place]), float(np.sqrt(fit.covariance[place, place]))
        known = error > _EXACT
        half = float(stdtrit(fit.degrees, 0.5 + level / 2)) * error if known else inf
        return Estimate(
            estimand=Estimand.RATE_RATIO,
            value=exp(log_ratio),
            interval=Interval(exp(log_ratio - half), exp_or_infinity(log_ratio + half), level),
            method=self._method(fit),
            support={**table.support(), "periods_before": int((series.after == 0).sum())},
            id=id,
            design=f"organisation, {series.calendar} by {series.calendar}",
            outcome="deployments followed by an incident",
            label=self._label(place, series, table),
            p_value=2 * float(stdtr(fit.degrees, -abs(log_ratio) / error)) if known else None,
            standard_error=error if known else nan,
            caveats=(*(() if known else (_NO_SPREAD,)), *self._caveats(series, fit)),
        )

    def _label(self, place: int, series: _Series, table: UnitTable) -> str:
        start = table.labels[series.start]
        return f"level at {start}" if place == _LEVEL else f"trend per {series.calendar} from {start}"

    def _method(self, fit: _Fit | None = None) -> str:
        season = f", {self.harmonics} harmonic pairs of the year" if self.harmonics else ""
        error = self.error.value
        if fit and self.error is SeriesError.NEWEY_WEST:
            error += f", lag {fit.lag}, factor T/(T−k)"
        if fit and self.error is SeriesError.QUASI_POISSON:
            error += f", dispersion {max(fit.dispersion, 1.0):.2f}"
            error += " (not below 1)" if fit.dispersion < 1 else ""
        reference = f"; t with {fit.degrees} degrees of freedom" if fit else ""
        model = "segmented Poisson regression, offset log deployments (Lopez Bernal et al. 2017)"
        return f"{model}{season}; {error}{reference}"

    def _refused(self, id: str, reason: str, table: UnitTable, level: float) -> Estimate:
        support = {**table.support(), "periods_before": 0}
        found = not_estimable(Estimand.RATE_RATIO, reason, method=self._method(), level=level, support=support)
        return found.named(id)

    def _caveats(self, series: _Series, fit: _Fit) -> tuple[str, ...]:
        found = ["no control group: whatever else changed in that period is in the figure"]
        fewer = min(int(series.after.sum()), int((1 - series.after).sum()))
        if fewer < _FEW:
            found.append(
                f"{fewer} {series.calendar}s on one side; with fewer than {_FEW} the line hangs on single ones"
            )
        echo = _autocorrelation((series.events - fit.expected) / np.sqrt(fit.expected))
        if abs(echo) > 2 / np.sqrt(len(fit.expected)) and self.error is SeriesError.QUASI_POISSON:
            found.append(f"neighbouring {series.calendar}s are correlated ({echo:.2f}); the error ignores that")
        if self.error is SeriesError.NEWEY_WEST and len(fit.expected) < _MANY:
            found.append(f"Newey–West errors of fewer than {_MANY} {series.calendar}s are too small as a rule")
        if series.empty:
            found.append(f"{series.empty} {series.calendar}s without deployments are left out")
        return tuple(found)


def newey_west(scores: Floats, lag: int) -> Floats:
    """Long-run covariance of (T, k) scores with Bartlett weights 1 − l/(lag + 1): Newey & West (1987), equation 5."""
    total: Floats = scores.T @ scores
    for step in range(1, min(lag, len(scores) - 1) + 1):
        shifted = scores[step:].T @ scores[:-step]
        total = total + (1 - step / (lag + 1)) * (shifted + shifted.T)
    return total


def _autocorrelation(residuals: Floats) -> float:
    whole = float(residuals @ residuals)
    return float(residuals[1:] @ residuals[:-1]) / whole if whole else 0.0
