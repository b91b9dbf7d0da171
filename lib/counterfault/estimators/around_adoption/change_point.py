"""When did the failed share change most, could chance have done it, and was it when AI assistance was taken up?

The largest likelihood ratio over all places where a binomial sequence may break: Worsley (1983), Biometrika 70:455.
Given all failures, deployments that fail alike spread them over the periods like balls drawn from an urn, whatever the
share is; so p needs no estimate of it, and the same holds on either side of a break, which gives the confidence set of
its place (Worsley 1986, Biometrika 73:91).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from scipy.special import chdtrc, xlogy

from counterfault.estimate import Estimand, Estimate, not_estimable
from counterfault.estimators.around_adoption.unit_table import UnitTable, organisation_adoption
from counterfault.estimators.poisson.cluster_robust import Codes, Floats
from counterfault.estimators.tables import two_by_two
from counterfault.panels import UnitPeriods

_TIE = 1e-9
_FEWEST = 3
_SET_DRAWS = 499  # per break, of which there may be a hundred


class Null(Enum):
    """What happens again and again under "no change"."""

    URN = "failures drawn again among all deployments, their number held"
    PERIODS = "whole periods put in random order"


@dataclass(frozen=True)
class ChangePoint:
    """The likeliest break of the failed share, its p-value, and the risk ratio across it.

    Parameters
    ----------
    threshold : share of AI-assisted deployments that makes the adoption the break is compared with.
    null : how chance is played through. Drawing failures among deployments takes these as independent; putting whole
        periods in random order keeps what failures within a period have in common, but wants periods of like size.
    draws : Monte Carlo draws; p = (1 + b) / (1 + draws), b of them reaching the observed statistic.
    seed : of their generator.

    Notes
    -----
    Calling it with a panel and a level returns an :class:`~counterfault.estimate.Estimate` of the risk ratio, after
    over before the likeliest break, id ``adoption.change_point``. The interval takes the break as if it had been named
    beforehand, so it is too short and too far from 1; ``p_value`` is that of the search. The first caveats say where
    the break is, which breaks the data leave possible, and whether adoption is one of them.

    Assumed: one abrupt change or none. A steady drift or a season shows up as a break in its middle.

    Raises
    ------
    ValueError
        A setting or the level is out of range, or the panel is incomplete or impossible.
    """

    threshold: float = 0.2
    null: Null = Null.URN
    draws: int = 1999
    seed: int = 0

    def __post_init__(self) -> None:
        if self.draws < 99:
            raise ValueError(f"draws is {self.draws}; a p-value down to 0.01 needs 99 or more, such as 1999.")

    def __call__(self, panel: UnitPeriods, level: float = 0.95) -> Estimate:
        if not 0 < level < 1:
            raise ValueError(f"level is {level}; a confidence level lies between 0 and 1, such as 0.95.")
        table = UnitTable.of(panel).whole()
        start = organisation_adoption(panel, self.threshold)
        shipped = np.flatnonzero(table.n[0] > 0)
        n, events = table.n[0][shipped].astype(np.int64), table.events[0][shipped].astype(np.int64)
        if reason := _silence(n, events, panel.calendar):
            return self._refused(reason, table, level)
        rng = np.random.default_rng(self.seed)
        breaks = log_likelihood_ratios(n, events)
        likeliest = int(np.argmax(breaks))
        split = likeliest + 1
        found = two_by_two.risk_ratio(
            exposed_events=int(events[split:].sum()),
            exposed_total=int(n[split:].sum()),
            unexposed_events=int(events[:split].sum()),
            unexposed_total=int(n[:split].sum()),
            level=level,
        )
        possible = shipped[np.array(confidence_set(n, events, level, _SET_DRAWS, rng)) + 1]
        return found.named(
            "adoption.change_point",
            method=self._method(found.method),
            support={**table.support(), "break_period": table.periods[shipped[split]], **_adoption(start)},
            p_value=self._p_value(n, events, float(breaks[likeliest]), rng),
            design=f"organisation, {panel.calendar} by {panel.calendar}",
            outcome="deployments followed by an incident",
            label=f"from {table.labels[shipped[split]]} on",
            caveats=(
                *(() if found.estimable else found.caveats[:1]),  # why there is no value comes first
                *_where(table, int(shipped[split]), possible, start, level),
                "the interval takes the break as named beforehand; p is that of the search",
                *self._overdispersion(n, events, split),
                *(found.caveats if found.estimable else found.caveats[1:]),
            ),
        )

    def _p_value(self, n: Codes, events: Codes, observed: float, rng: np.random.Generator) -> float:
        if self.null is Null.URN:
            drawn = rng.multivariate_hypergeometric(n, int(events.sum()), size=self.draws, method="marginals")
            largest = log_likelihood_ratios(np.broadcast_to(n, drawn.shape), drawn).max(axis=1)
        else:
            order = rng.permuted(np.tile(np.arange(len(n)), (self.draws, 1)), axis=1)
            largest = log_likelihood_ratios(n[order], events[order]).max(axis=1)
        return (1 + int((largest >= observed - _TIE).sum())) / (1 + self.draws)

    def _method(self, interval: str = "") -> str:
        limits = f"; interval: {interval.partition(';')[0]}" if interval else ""
        return (
            f"largest binomial likelihood ratio over all breaks (Worsley 1983){limits}; p: Monte Carlo, "
            f"{self.null.value}, {self.draws} draws; set of breaks: Worsley (1986), {_SET_DRAWS} draws for each; "
            f"seed {self.seed}"
        )

    def _refused(self, reason: str, table: UnitTable, level: float) -> Estimate:
        method, support = self._method(), table.support()
        found = not_estimable(Estimand.RISK_RATIO, reason, method=method, level=level, support=support)
        return found.named("adoption.change_point")

    def _overdispersion(self, n: Codes, events: Codes, split: int) -> tuple[str, ...]:
        if self.null is not Null.URN or len(n) < _FEWEST:
            return ()
        expected = np.concatenate(
            [
                part * taken.sum() / part.sum()
                for part, taken in ((n[:split], events[:split]), (n[split:], events[split:]))
            ]
        )
        variance = expected * (1 - expected / n)
        known = variance > 0
        spread, degrees = float(((events - expected)[known] ** 2 / variance[known]).sum()), int(known.sum()) - 2
        if degrees < 1 or chdtrc(degrees, spread) > 0.05:
            return ()
        return (
            f"failures vary {spread / degrees:.1f} times as much between periods as independent deployments would, so "
            "p is too small: put whole periods in random order instead",
        )


def log_likelihood_ratios(n: Codes, events: Codes) -> Floats:
    """Twice the log likelihood gained by a break after each period but the last.

    Parameters
    ----------
    n, events : (…, T) deployments, above 0, and those that failed.

    Returns
    -------
    (…, T − 1) binomial likelihood-ratio statistics.
    """
    before_n, before = np.cumsum(n, axis=-1), np.cumsum(events, axis=-1)
    all_n, all_events = before_n[..., -1:], before[..., -1:]
    before_n, before = before_n[..., :-1], before[..., :-1]
    gained = _log_likelihood(before_n, before) + _log_likelihood(all_n - before_n, all_events - before)
    ratios: Floats = 2 * (gained - _log_likelihood(all_n, all_events))
    return np.maximum(ratios, 0)


def confidence_set(n: Codes, events: Codes, level: float, draws: int, rng: np.random.Generator) -> list[int]:
    """The breaks, counted from 0 for "after the first period", that the data do not rule out at this level.

    A break is ruled out if another one fits better by more than chance would give with the failures on both sides of
    it drawn again, their numbers held (Worsley 1986). The likeliest break always belongs to the set.
    """
    breaks = log_likelihood_ratios(n, events)
    lead = breaks.max() - breaks
    kept = [int(np.argmax(breaks))]
    for place in range(len(breaks)):
        if lead[place] <= _TIE:
            kept.append(place)
            continue
        sides = ((n[: place + 1], events[: place + 1]), (n[place + 1 :], events[place + 1 :]))
        drawn = np.concatenate(
            [rng.multivariate_hypergeometric(m, int(e.sum()), size=draws, method="marginals") for m, e in sides], axis=1
        )
        again = log_likelihood_ratios(np.broadcast_to(n, drawn.shape), drawn)
        reached = int((again.max(axis=1) - again[:, place] >= lead[place] - _TIE).sum())
        if (1 + reached) / (1 + draws) > 1 - level:
            kept.append(place)
    return sorted(set(kept))


def _log_likelihood(n: Codes, events: Codes) -> Floats:
    found = xlogy(events, events / n) + xlogy(n - events, (n - events) / n)
    return np.asarray(found, dtype=np.float64)


def _silence(n: Codes, events: Codes, calendar: str) -> str:
    if len(n) < _FEWEST:
        return f"{len(n)} {calendar}s with deployments; to look for a break among them needs {_FEWEST}"
    if not events.sum():
        return "no deployment failed, so nothing can have changed"
    if events.sum() == n.sum():
        return "every deployment failed, so nothing can have changed"
    return ""


def _adoption(start: int | None) -> dict[str, int]:
    return {} if start is None else {"adoption_period": start}


def _where(table: UnitTable, likeliest: int, possible: Codes, start: int | None, level: float) -> tuple[str, ...]:
    labels, everything = table.labels, len(possible)
    whole = f"{labels[possible[0]]} to {labels[possible[-1]]}" if everything > 1 else labels[possible[0]]
    said = f"likeliest break: {labels[likeliest]}; the {level:.0%} set of breaks holds {everything}, {whole}"
    if start is None:
        return (
            said,
            "the organisation did not adopt AI assistance by this threshold, so there is no adoption to compare",
        )
    adoption = table.periods.index(start)
    if adoption == likeliest:
        return (said, f"that is the period of adoption ({labels[adoption]})")
    inside = "one of" if adoption in possible else "not among"
    return (said, f"adoption was in {labels[adoption]}, {inside} the breaks that the data leave possible")
