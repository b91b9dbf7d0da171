"""Pooling services when incidents are rare: the conditional binomial-normal model, with no count changed.

A service whose exposed deployments never failed has no log ratio of its own, and yet it speaks: it makes large ratios
unlikely. Its likelihood can be used where its estimate cannot
(:mod:`~counterfault.estimators.pooling.binomial_normal_likelihood`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from math import exp, inf, log, nan, sqrt

import numpy as np
from scipy.optimize import brentq
from scipy.special import stdtr, stdtrit

from counterfault.cells import Cells
from counterfault.estimate import Estimand, Estimate, Interval, not_estimable
from counterfault.estimators.bounded import exp_or_infinity
from counterfault.estimators.pooling.binomial_normal_likelihood import LARGEST_MEAN, LARGEST_TAU, BinomialNormal
from counterfault.estimators.pooling.grouped_strata import GroupedStrata
from counterfault.estimators.pooling.pooling_rules import pooled_id
from counterfault.estimators.pooling.random_effects import FEW_GROUPS
from counterfault.estimators.tables.score import critical_value

__all__ = ["RareEventPooling", "rare_event_pooling"]

_MODEL = (
    "conditional binomial-normal model (Stijnen, Hamza & Özdemir 2010), maximum likelihood by adaptive Gauss–Hermite "
    "quadrature"
)


@dataclass(frozen=True)
class RareEventPooling:
    """The same questions as ``RandomEffects``, when many counts are zero.

    Parameters
    ----------
    by : column whose groups are pooled, "service" or "team".

    Notes
    -----
    Calling it with cells and a level gives the mean risk ratio exp(μ) with profile-likelihood limits. Because maximum
    likelihood gives τ too small with few groups, twice the drop in log-likelihood is compared with the square of a
    t(k−1) quantile and not with chi-square, k being the groups with events in strata of both arms. Groups without
    are counted and say nothing. :meth:`spread` gives τ with profile limits (chi-square), :meth:`new_group` the
    ratio to expect of another group, μ ± t(k−2) √(τ² + variance of μ).

    Not estimable with fewer than two informative groups, where one arm has no event at all, where no group has two
    events (nothing then tells spread from chance), or where τ has no finite estimate.

    Assumed: log ratios normal between groups, deployments independent within them, and events rare: given a total,
    they are treated as Poisson, so that intervals come out too wide where more than a tenth fail.

    Raises
    ------
    ValueError
        There is no column ``by``, the level is not in (0, 1), a cell lacks a stratum value, or counts are impossible.
    """

    by: str = "service"

    def __call__(self, cells: Cells, level: float = 0.95) -> Estimate:
        return _Fitted.of(cells, self.by, level).mean()

    def spread(self, cells: Cells, level: float = 0.95) -> Estimate:
        """How far do services differ beyond chance? τ on the log scale; parameters and errors as above."""
        return _Fitted.of(cells, self.by, level).spread()

    def new_group(self, cells: Cells, level: float = 0.95) -> Estimate:
        """Where would the ratio of another service lie? Needs three groups; parameters and errors as above."""
        return _Fitted.of(cells, self.by, level).new_group()


def rare_event_pooling(
    cells: Cells, level: float = 0.95, *, by: str = "service"
) -> tuple[Estimate, Estimate, Estimate]:
    """Mean ratio, spread and the ratio of a new group, fitted once.

    Parameters
    ----------
    cells : the counts and the columns that make a stratum.
    level : confidence level of all intervals.
    by : column whose groups are pooled.

    Returns
    -------
    Estimates with ids ``pooled.risk_ratio.rare_event``, ``pooled.spread.rare_event`` and
    ``pooled.new_service.rare_event``; with ``by="team"``, ``pooled.risk_ratio.by_team.rare_event`` and so on.

    Raises
    ------
    ValueError
        As :class:`RareEventPooling`.
    """
    fitted = _Fitted.of(cells, by, level)
    return fitted.mean(), fitted.spread(), fitted.new_group()


@dataclass(frozen=True, eq=False)
class _Fitted:
    """The model on these groups; its maximum is found when first asked for."""

    grouped: GroupedStrata
    level: float

    @classmethod
    def of(cls, cells: Cells, by: str, level: float) -> _Fitted:
        critical_value(level)  # a bad level is an error even where there is nothing to compute
        return cls(GroupedStrata.of(cells, by), level)

    @cached_property
    def model(self) -> BinomialNormal:
        strata = self.grouped.strata
        has = np.flatnonzero(strata.events > 0)
        has = has[np.argsort(self.grouped.code[has], kind="stable")]
        return BinomialNormal(
            exposed_events=strata.a[has],
            events=strata.events[has],
            offset=np.log(strata.n1[has] / strata.n0[has]),
            group=np.unique(self.grouped.code[has], return_inverse=True)[1].reshape(-1),
        )

    @cached_property
    def best(self) -> tuple[float, float, float]:
        over = float((self.grouped.strata.a * self.grouped.strata.n0 / self.grouped.strata.size).sum())
        under = float((self.grouped.strata.c * self.grouped.strata.n1 / self.grouped.strata.size).sum())
        return self.model.best(log(over / under))

    @cached_property
    def reason(self) -> str:
        """Why there is no answer; empty if there is one."""
        if reason := self.grouped.strata.silence() or self._too_few():
            return reason
        if self.best[1] >= LARGEST_TAU * 0.99 or abs(self.best[0]) >= LARGEST_MEAN * 0.99:
            return (
                f"The spread has no finite estimate: {self.by}s have their incidents all in one arm, some here "
                "and some there."
            )
        return ""

    @property
    def by(self) -> str:
        return self.grouped.by

    def mean(self) -> Estimate:
        if self.reason:
            return self._silent(Estimand.RISK_RATIO, "risk_ratio")
        centre, _, top = self.best
        drop = 2 * (top - self.model.best_at(0.0))
        return Estimate(
            estimand=Estimand.RISK_RATIO,
            value=exp(centre),
            interval=self._profile_of_mean(),
            method=f"{_MODEL}; profile-likelihood limits with the square of t({self.model.groups - 1}) for chi-square",
            support=self._support(),
            id=self._id("risk_ratio"),
            design=self.grouped.design,
            p_value=2 * float(stdtr(self.model.groups - 1, -sqrt(max(drop, 0.0)))),
            standard_error=self._standard_error(),
            caveats=tuple(self._caveats()),
        )

    def spread(self) -> Estimate:
        if self.reason:
            return self._silent(Estimand.SPREAD, "spread")
        return Estimate(
            estimand=Estimand.SPREAD,
            value=self.best[1],
            interval=self._profile_of_spread(),
            method=f"τ of log risk ratios, {_MODEL}; profile-likelihood limits, chi-square",
            support=self._support(),
            id=self._id("spread"),
            design=self.grouped.design,
            caveats=(*self._caveats(), "Maximum likelihood gives τ too small on average when groups are few."),
        )

    def new_group(self) -> Estimate:
        what, label = f"new_{self.by}", f"a new {self.by}"
        if self.reason or self.model.groups < 3:
            return self._silent(Estimand.RISK_RATIO, what, label=label)
        error = sqrt(self.best[1] ** 2 + self._standard_error() ** 2)
        reach = float(stdtrit(self.model.groups - 2, 0.5 + self.level / 2)) * error
        return Estimate(
            estimand=Estimand.RISK_RATIO,
            value=exp(self.best[0]),
            interval=Interval(exp_or_infinity(self.best[0] - reach), exp_or_infinity(self.best[0] + reach), self.level),
            method=f"{_MODEL}; prediction interval: mean ± t(k−2) √(τ² + variance of the mean)",
            support=self._support(),
            id=self._id(what),
            design=self.grouped.design,
            label=label,
            standard_error=error,
            caveats=(
                f"The interval is where the true ratio of another {self.by} would lie, not how well the mean is known.",
                *self._caveats(),
            ),
        )

    def _too_few(self) -> str:
        strata = self.grouped.strata
        if not strata.events.sum():
            return "No stratum that holds both arms has an incident."
        for arm, events, value in (("exposed", strata.a, "zero"), ("unexposed", strata.c, "infinite")):
            if not events.sum():
                return (
                    f"No {arm} deployment was followed by an incident where it can be compared, so the ratio would be "
                    f"{value}; the stratified risk ratio bounds it."
                )
        if self.model.groups < 2:
            return f"Incidents that can be compared fell in one {self.by} only; it takes two."
        if np.bincount(self.model.group, self.model.events).max() < 2:
            return f"No {self.by} has two incidents, so nothing tells a spread between {self.by}s from chance."
        return ""

    def _standard_error(self) -> float:
        """Of μ, from the inverse information, τ's part included unless τ is 0."""
        information = self.model.information(self.best[0], self.best[1])
        if information[1, 1] <= 0:
            return 1 / sqrt(information[0, 0])
        determinant = information[0, 0] * information[1, 1] - information[0, 1] ** 2
        return sqrt(information[1, 1] / determinant) if determinant > 0 else nan

    def _profile_of_mean(self) -> Interval:
        centre, _, top = self.best
        allowed = float(stdtrit(self.model.groups - 1, 0.5 + self.level / 2)) ** 2

        def left(side: int, distance: float) -> float:
            return allowed - 2 * (top - self.model.best_at(centre + side * distance))

        guess = sqrt(allowed) * self._standard_error()
        below, above = (_last_allowed(partial(left, side), guess, LARGEST_MEAN) for side in (-1, 1))
        return Interval(exp_or_infinity(centre - below), exp_or_infinity(centre + above), self.level)

    def _profile_of_spread(self) -> Interval:
        centre, tau, top = self.best
        allowed = critical_value(self.level) ** 2

        def left(value: float) -> float:
            return allowed - 2 * (top - self.model.best_given(tau=value, start=centre)[2])

        below = tau if tau == 0 or left(0.0) > 0 else _crossing(lambda distance: left(tau - distance), tau)
        above = _last_allowed(lambda distance: left(tau + distance), max(tau, 0.2), LARGEST_TAU - tau)
        return Interval(tau - below, tau + above, self.level)

    def _support(self) -> dict[str, int]:
        found = self.grouped.support()
        silent = found["groups"] - found["groups_with_events"]
        return {**found, "groups_pooled": found["groups_with_events"], "groups_without_events": silent}

    def _caveats(self) -> Iterator[str]:
        support = self._support()
        if silent := support["groups_without_events"]:
            yield f"{silent} of {support['groups']} {self.by}s have no incident that can be compared and say nothing."
        if self.model.groups < FEW_GROUPS:
            yield (
                f"With {self.model.groups} {self.by}s the spread between them is hardly known, and with it everything "
                "that rests on it."
            )

    def _silent(self, estimand: Estimand, what: str, *, label: str = "all") -> Estimate:
        reason = self.reason or f"It takes three {self.by}s with incidents; there are {self.model.groups}."
        answer = not_estimable(estimand, reason, method=_MODEL, level=self.level, support=self._support(), label=label)
        return answer.named(self._id(what), design=self.grouped.design)

    def _id(self, what: str) -> str:
        return f"{pooled_id(what, self.by)}.rare_event"


def _last_allowed(left: Callable[[float], float], guess: float, far: float) -> float:
    """The distance at which ``left`` falls below zero, searched outwards; infinity where it never does."""
    stride = guess if 0 < guess < far else far / 40
    while left(stride) > 0:
        stride *= 1.5
        if stride >= far:
            return inf
    return _crossing(left, stride)


def _crossing(left: Callable[[float], float], stride: float) -> float:
    return float(brentq(left, 0.0, stride, xtol=1e-9, rtol=1e-9))
