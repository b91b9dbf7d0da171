"""One ratio per service, and what they say together: their mean, their spread, and what to expect of a new service.

Each group's log ratio is Mantel & Haenszel's within its own strata with Greenland & Robins' variance; groups are then
pooled as if drawn from a larger population (:mod:`~counterfault.estimators.pooling.between_groups`). A group without an
event in one of its arms has no such ratio and cannot enter. Adding a half to its counts would let it in, and would pull
the mean to 1 by as much as there are such groups; :mod:`~counterfault.estimators.pooling.binomial_normal` needs no
addition.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import exp, inf, isnan, sqrt

import numpy as np
from scipy.special import stdtr, stdtrit

from counterfault.cells import Cells
from counterfault.estimate import Estimand, Estimate, Interval, figures, not_estimable
from counterfault.estimators.bounded import exp_or_infinity
from counterfault.estimators.pooling.between_groups import Between, Fit, Groups, shrunken, standard_error
from counterfault.estimators.pooling.grouped_strata import GroupedStrata
from counterfault.estimators.pooling.pooling_rules import (
    MeanInterval,
    Prediction,
    heterogeneity_in_words,
    log_ratios,
    pooled_id,
    too_alike,
)
from counterfault.estimators.tables.score import critical_value
from counterfault.estimators.tables.strata import FEW_EVENTS

__all__ = ["Between", "MeanInterval", "Prediction", "RandomEffects", "random_effects"]

MOST_PARTS = 60  # more groups than this make neither a table nor a forest plot anybody reads
FEW_GROUPS = 5


@dataclass(frozen=True)
class RandomEffects:
    """What is the ratio in the average service, how far do services differ, and what of a service not seen yet?

    Parameters
    ----------
    by : column whose groups are pooled, "service" or "team".
    between : estimator of τ².
    interval : of the mean ratio.
    prediction : of the ratio in a new group.

    Notes
    -----
    Calling it with cells and a level gives the mean risk ratio, exp(μ), with the groups' own ratios as ``parts``
    (sorted by name, each with the value it shrinks to in a caveat; none above 60 groups); :meth:`spread` gives τ and
    :meth:`new_group` the prediction. Fewer than two groups with events in both arms have no spread: not estimable.

    Assumed: log ratios normal around μ with standard deviation τ, each with a known error, so no group should have
    very few events; groups independent; which groups can enter does not depend on their ratio.

    Raises
    ------
    ValueError
        There is no column ``by``, the level is not in (0, 1), a cell lacks a stratum value, or counts are impossible.
    """

    by: str = "service"
    between: Between = Between.REML
    interval: MeanInterval = MeanInterval.HARTUNG_KNAPP
    prediction: Prediction = Prediction.HIGGINS_THOMPSON_SPIEGELHALTER

    def __call__(self, cells: Cells, level: float = 0.95) -> Estimate:
        pool = _Pool.of(cells, self, level)
        return pool.mean() if pool.enough(2) else pool.silent(Estimand.RISK_RATIO, "risk_ratio", 2)

    def spread(self, cells: Cells, level: float = 0.95) -> Estimate:
        """How far do services differ beyond chance? τ on the log scale; parameters and errors as above."""
        pool = _Pool.of(cells, self, level)
        return pool.spread() if pool.enough(2) else pool.silent(Estimand.SPREAD, "spread", 2)

    def new_group(self, cells: Cells, level: float = 0.95) -> Estimate:
        """Where would the ratio of another service lie? Needs three groups; parameters and errors as above."""
        pool = _Pool.of(cells, self, level)
        needed = 3 if self.prediction is Prediction.HIGGINS_THOMPSON_SPIEGELHALTER else 2
        if pool.enough(needed):
            return pool.new_group()
        return pool.silent(Estimand.RISK_RATIO, f"new_{self.by}", needed, label=f"a new {self.by}")


def random_effects(cells: Cells, level: float = 0.95, *, by: str = "service") -> tuple[Estimate, Estimate, Estimate]:
    """Mean ratio, spread and the ratio of a new group by REML, under their stable ids ``pooled.*``.

    Parameters
    ----------
    cells : the counts and the columns that make a stratum.
    level : confidence level of all intervals.
    by : column whose groups are pooled.

    Returns
    -------
    Estimates with ids ``pooled.risk_ratio``, ``pooled.spread`` and ``pooled.new_service``; with another ``by``,
    ``.by_team`` is added to the first two and the last is ``pooled.new_team``.

    Raises
    ------
    ValueError
        As :class:`RandomEffects`.
    """
    settings = RandomEffects(by=by)
    return settings(cells, level), settings.spread(cells, level), settings.new_group(cells, level)


@dataclass(frozen=True, eq=False)
class _Pool:
    """Everything the three answers share."""

    settings: RandomEffects
    grouped: GroupedStrata
    entering: tuple[int, ...]
    groups: Groups
    level: float

    @classmethod
    def of(cls, cells: Cells, settings: RandomEffects, level: float) -> _Pool:
        critical_value(level)  # a bad level is an error even where there is nothing to compute
        grouped = GroupedStrata.of(cells, settings.by)
        values, variances = log_ratios(grouped)
        enters = np.flatnonzero(np.isfinite(variances) & (variances > 0))
        return cls(settings, grouped, tuple(enters.tolist()), Groups.alike(values[enters], variances[enters]), level)

    def enough(self, needed: int) -> bool:
        return len(self.entering) >= needed

    def fit(self) -> Fit:
        return self.groups.fit(self.groups.tau_squared(self.settings.between))

    def mean(self) -> Estimate:
        fit = self.fit()
        centre, (error, reference) = float(fit.coefficients[0]), self._error(fit)
        return Estimate(
            estimand=Estimand.RISK_RATIO,
            value=exp(centre),
            interval=self._around(centre, error, reference),
            method=f"random effects, {self._of_groups()}; τ² by {self._tau()}; {self.settings.interval.value}",
            support=self.support(),
            id=pooled_id("risk_ratio", self.settings.by),
            design=self.grouped.design,
            p_value=2 * float(stdtr(reference, -abs(centre) / error)) if error > 0 else None,
            standard_error=error,
            parts=self._parts(fit),
            caveats=(*self._narrow(fit), *self._left_out(), *self._few()),
        )

    def spread(self) -> Estimate:
        fit = self.fit()
        found = self.groups.heterogeneity(fit.tau_squared)
        low, high = self.groups.q_profile(self.level)
        interval = Interval(0.0, inf, self.level) if isnan(low) else Interval(sqrt(low), sqrt(high), self.level)
        return Estimate(
            estimand=Estimand.SPREAD,
            value=sqrt(fit.tau_squared),
            interval=interval,
            method=f"τ of log risk ratios, {self._of_groups()}, by {self._tau()}; Q-profile limits (Viechtbauer 2007); "
            "p by Cochran's Q",
            support=self.support(),
            id=pooled_id("spread", self.settings.by),
            design=self.grouped.design,
            p_value=found.p_value,
            caveats=(heterogeneity_in_words(found, self.settings.by), *too_alike(low), *self._left_out(), *self._few()),
        )

    def new_group(self) -> Estimate:
        fit, by = self.fit(), self.settings.by
        centre, (error, degrees) = float(fit.coefficients[0]), self._error_of_prediction(fit)
        return Estimate(
            estimand=Estimand.RISK_RATIO,
            value=exp(centre),
            interval=self._around(centre, error, degrees),
            method=f"random effects, {self._of_groups()}; τ² by {self._tau()}; prediction interval: "
            f"{self.settings.prediction.value}",
            support=self.support(),
            id=pooled_id(f"new_{by}", by),
            design=self.grouped.design,
            label=f"a new {by}",
            standard_error=error,
            caveats=(
                f"The interval is where the true ratio of another {by} would lie, not how well the mean is known.",
                *self._left_out(),
                *self._few(),
            ),
        )

    def silent(self, estimand: Estimand, what: str, needed: int, *, label: str = "all") -> Estimate:
        by = self.settings.by
        reason = self.grouped.strata.silence() or (
            f"{len(self.entering)} of {len(self.grouped.names)} {by}s have incidents among exposed and among unexposed "
            f"deployments that can be compared; it takes {needed}."
        )
        method = f"random effects, {self._of_groups()}; τ² by {self._tau()}"
        answer = not_estimable(estimand, reason, method=method, level=self.level, support=self.support(), label=label)
        return answer.named(pooled_id(what, by), design=self.grouped.design)

    def support(self) -> dict[str, int]:
        left = self.grouped.support()["groups_with_events"] - len(self.entering)
        return {**self.grouped.support(), "groups_pooled": len(self.entering), "groups_left_out": left}

    def _error(self, fit: Fit) -> tuple[float, float]:
        """Standard error of the mean, and the degrees of freedom of the t distribution it goes with."""
        plain, adjusted = (standard_error(fit, hartung_knapp=which) for which in (False, True))
        degrees, wanted = float(self.groups.degrees), self.settings.interval
        reach_plain, reach_adjusted = self._quantile(inf) * plain, self._quantile(degrees) * adjusted
        narrower = wanted is MeanInterval.AT_LEAST_PLAIN and reach_adjusted < reach_plain
        return (plain, inf) if narrower or wanted is MeanInterval.PLAIN else (adjusted, degrees)

    def _error_of_prediction(self, fit: Fit) -> tuple[float, float]:
        by_t2 = self.settings.prediction is Prediction.HIGGINS_THOMPSON_SPIEGELHALTER
        mean = standard_error(fit, hartung_knapp=not by_t2)
        return sqrt(fit.tau_squared + mean**2), float(self.groups.degrees - by_t2)

    def _quantile(self, degrees: float) -> float:
        return float(stdtrit(degrees, 0.5 + self.level / 2))

    def _around(self, centre: float, error: float, degrees: float) -> Interval:
        reach = self._quantile(degrees) * error
        return Interval(exp_or_infinity(centre - reach), exp_or_infinity(centre + reach), self.level)

    def _tau(self) -> str:
        return self.settings.between.value

    def _of_groups(self) -> str:
        return f"Mantel–Haenszel ratio of each {self.settings.by} with Greenland–Robins (1985) variance"

    def _parts(self, fit: Fit) -> tuple[Estimate, ...]:
        if len(self.entering) > MOST_PARTS:
            return ()
        return tuple(
            self._part(position, index, drawn)
            for position, (index, drawn) in enumerate(zip(self.entering, shrunken(self.groups, fit), strict=True))
        )

    def _part(self, position: int, index: int, drawn: float) -> Estimate:
        value, error = float(self.groups.values[position]), sqrt(float(self.groups.variances[position]))
        exposed, unexposed = (events[index] for events in (self.grouped.exposed_events, self.grouped.unexposed_events))
        return Estimate(
            estimand=Estimand.RISK_RATIO,
            value=exp(value),
            interval=self._around(value, error, inf),
            method="Mantel–Haenszel, Greenland–Robins (1985) log variance",
            support={"exposed_events": int(exposed), "unexposed_events": int(unexposed)},
            id=pooled_id("risk_ratio", self.settings.by),
            design=self.grouped.strata.design,
            label=f"{self.settings.by}={self.grouped.names[index]}",
            standard_error=error,
            caveats=(f"Shrunken to the mean (empirical Bayes): {figures(exp(drawn))}.",),
        )

    def _narrow(self, fit: Fit) -> Iterator[str]:
        plain, adjusted = (standard_error(fit, hartung_knapp=which) for which in (False, True))
        chosen = self.settings.interval is MeanInterval.HARTUNG_KNAPP
        if chosen and self._quantile(float(self.groups.degrees)) * adjusted < self._quantile(inf) * plain:
            yield (
                f"The {self.settings.by}s happen to agree so closely that this interval is narrower than the plain "
                "one, which takes τ as known; the wider of the two is the safer (Jackson et al. 2017)."
            )

    def _left_out(self) -> Iterator[str]:
        support, by = self.support(), self.settings.by
        if left := support["groups_left_out"]:
            yield (
                f"{left} of {support['groups_with_events']} {by}s with incidents are left out, because one of their "
                "arms has none; the binomial-normal model keeps them."
            )

    def _few(self) -> Iterator[str]:
        rarer = np.minimum(self.grouped.exposed_events, self.grouped.unexposed_events)[list(self.entering)]
        thin = int((rarer < FEW_EVENTS).sum())
        if 2 * thin > len(self.entering):
            yield (
                f"{thin} of the {len(self.entering)} {self.settings.by}s have fewer than {FEW_EVENTS} incidents in an "
                "arm; their ratios are biased, which pooling does not average out: prefer the binomial-normal model."
            )
        if len(self.entering) < FEW_GROUPS:
            yield (
                f"With {len(self.entering)} {self.settings.by}s the spread between them is hardly known, and with it "
                "everything that rests on it."
            )
