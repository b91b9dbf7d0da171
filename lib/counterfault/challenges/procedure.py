"""The plan's whole procedure, from counts to a call, made quick enough to be repeated a thousand times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import exp, sqrt

import numpy as np
import pandas as pd

from counterfault.cells import Cells
from counterfault.challenges.shuffled_labels import COUNTED, Codes, Counts, Dealt, Floats, strata_of
from counterfault.estimate import Estimand, Estimate, Interval
from counterfault.estimators.detectable import minimum_detectable_effect
from counterfault.estimators.poisson.coincidence import CHANCE, Background, Places, less_background
from counterfault.estimators.poisson.repeated_fits import Refit, RepeatedFits
from counterfault.estimators.tables import stratified
from counterfault.estimators.tables.score import critical_value
from counterfault.plan import Decision, Plan


@dataclass(frozen=True, slots=True)
class Answer:
    """What the verdict would read: the primary estimate, and its interval at the level for claims of no difference."""

    primary: Estimate
    equivalence: Interval

    def call(self, worth_acting_on: float) -> str:
        """The verdict's call by its code, its gates taken as passed.

        Parameters
        ----------
        worth_acting_on : d; intervals are compared with 1, d and 1/d.
        """
        interval, d = self.primary.interval, worth_acting_on
        if interval.low > d:
            return "more"
        if interval.high < 1 / d:
            return "fewer"
        if 1 / d < self.equivalence.low and self.equivalence.high < d and self._detects(d):
            return "no_material_difference"
        if interval.low > 1:
            return "more_size_unsettled"
        return "fewer_size_unsettled" if interval.high < 1 else "cannot_tell"

    def _detects(self, ratio: float) -> bool:
        detectable = minimum_detectable_effect(self.primary)
        return detectable is not None and detectable <= ratio


Procedure = Callable[[Counts, Counts, Counts, Floats | float], Answer | None]


def procedure_of(plan: Plan, patterns: pd.DataFrame, cells: Cells, adjust_for: tuple[str, ...]) -> Procedure:
    """The primary estimate of the plan as a function of what :class:`Dealt` holds of one way of dealing.

    Parameters
    ----------
    plan : names the estimate and its levels.
    patterns : the deployments, in the order in which counts will come.
    cells : say what stratum and cluster are, and how many failures are expected by coincidence.
    adjust_for : the confounders, where the primary estimate holds them fixed.
    """
    if plan.design.primary == "stratified.risk_ratio":
        return _Stratified(plan.decision, patterns, cells, strata_of(patterns, cells.strata))
    fits = RepeatedFits.of(patterns, cells, adjust_for)
    if plan.design.primary == "corrected.risk_ratio" and CHANCE in cells.frame:
        return Regression(plan.decision, fits, _Coincidences.of(patterns, cells))
    return Regression(plan.decision, fits)


def answers(procedure: Procedure, dealt: Dealt, after_each: Callable[[], object]) -> list[Answer | None]:
    """One answer per way of dealing; None where those data give no ratio.

    Parameters
    ----------
    procedure : as :func:`procedure_of` makes it.
    dealt : (B, C) counts.
    after_each : called when one is done.
    """
    found = []
    for counts in zip(dealt.exposed, dealt.exposed_failures, dealt.unexposed_failures, strict=True):
        found.append(procedure(*counts, dealt.kept))
        after_each()
    return found


@dataclass(frozen=True)
class _Coincidences:
    """Failures expected by coincidence, for the primary estimate that is corrected for them.

    Attributes
    ----------
    places : stratum and cluster of each of C patterns without AI assistance, then of each with it.
    chance : (C,) probability that a deployment of the pattern is tied to an incident by coincidence.
    """

    places: Places
    chance: Floats

    @classmethod
    def of(cls, patterns: pd.DataFrame, cells: Cells) -> _Coincidences:
        keys = [name for name in patterns.columns if name not in COUNTED]
        totals = cells.frame.groupby(keys, observed=True)[[CHANCE, "n"]].sum().reset_index()
        placed = patterns[keys].merge(totals, on=keys, how="left")
        both_arms = replace(cells, frame=pd.concat([placed[keys]] * 2, ignore_index=True))
        return cls(Places.of(both_arms), (placed[CHANCE] / placed["n"]).to_numpy(np.float64))

    def background(self, unexposed: Counts, failures: Counts, exposed: Counts, kept: Floats | float) -> Background:
        """What coincidence accounts for under one way of dealing, asked of unexposed deployments."""
        none = np.zeros(len(self.chance))
        return self.places.background(
            n=np.concatenate([unexposed, exposed]).astype(np.float64),
            exposed=np.repeat([False, True], len(self.chance)),
            chance=np.concatenate([kept * self.chance * unexposed, none]),
            events=np.concatenate([failures, none]),
        )


@dataclass(frozen=True)
class Regression:
    """``total.risk_ratio``."""

    decision: Decision
    fits: RepeatedFits
    coincidences: _Coincidences | None = None

    def __call__(
        self, exposed: Counts, exposed_failures: Counts, unexposed_failures: Counts, kept: Floats | float
    ) -> Answer | None:
        fit = self.fits(exposed, exposed_failures, unexposed_failures)
        found = [fit and _at(fit, level) for level in (self.decision.level, self.decision.equivalence_level)]
        if self.coincidences:
            unexposed = self.fits.patterns["n"].to_numpy() - exposed
            known = self.coincidences.background(unexposed, unexposed_failures, exposed, kept)
            found = [each and less_background(each, known) for each in found]
        primary, equivalence = found
        if not primary or not equivalence or not primary.estimable:
            return None
        return Answer(primary, equivalence.interval)


@dataclass(frozen=True)
class _Stratified:
    """``stratified.risk_ratio``."""

    decision: Decision
    patterns: pd.DataFrame
    cells: Cells
    strata: Codes

    def __call__(
        self, exposed: Counts, exposed_failures: Counts, unexposed_failures: Counts, kept: Floats | float
    ) -> Answer | None:
        n1, n, a, c = (
            np.bincount(self.strata, counts)
            for counts in (exposed, self.patterns["n"], exposed_failures, unexposed_failures)
        )
        both = (n1 > 0) & (n > n1)
        n1, n, a, c = n1[both], n[both], a[both], c[both]
        over, under = float((a * (n - n1) / n).sum()), float((c * n1 / n).sum())
        spread = float(((n1 * (n - n1) * (a + c) - a * c * n) / n**2).sum())
        if not (over and under and spread > 0):
            return self._at_the_edge(exposed, exposed_failures, unexposed_failures)
        value, error = over / under, sqrt(spread / (over * under))  # Greenland & Robins (1985)
        return Answer(
            _ratio(value, _around(value, error, self.decision.level), error),
            _around(value, error, self.decision.equivalence_level),
        )

    def _at_the_edge(self, exposed: Counts, exposed_failures: Counts, unexposed_failures: Counts) -> Answer | None:
        """Where an arm has no failure, limits are made otherwise: on the general road."""
        exposed_arm = self.patterns.assign(exposed=1, n=exposed, events=exposed_failures)
        other_arm = self.patterns.assign(exposed=0, n=self.patterns["n"] - exposed, events=unexposed_failures)
        cells = Cells(pd.concat([exposed_arm, other_arm]), self.cells.strata, self.cells.cluster)
        primary = stratified.risk_ratio(cells, self.decision.level)
        equivalence = stratified.risk_ratio(cells, self.decision.equivalence_level).interval
        return Answer(primary, equivalence) if primary.estimable else None


def _at(fit: Refit, level: float) -> Estimate | None:
    limits = fit.limits(level)
    return _ratio(limits.ratio, limits.interval(level), limits.error) if limits else None


def _ratio(value: float, interval: Interval, error: float) -> Estimate:
    return Estimate(
        estimand=Estimand.RISK_RATIO, value=value, interval=interval, method="as planned", standard_error=error
    )


def _around(value: float, error: float, level: float) -> Interval:
    z = critical_value(level)
    return Interval(value * exp(-z * error), value * exp(z * error), level)
