"""How far does it reach when it goes wrong? Services and users affected per deployment.

A deployment that did not fail affected nobody and counts as such
(:mod:`~counterfault.estimators.consequences.mean_ratio`). A mean of users is carried by its largest incidents, so the
share of the largest and the ratio without it stand beside it, and
:mod:`~counterfault.estimators.consequences.typical_reach` compares typical failures.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import exp, isnan

import pandas as pd
from scipy.special import stdtr, stdtrit

from counterfault.estimate import Estimand, Estimate, Interval, not_estimable
from counterfault.estimators.bounded import exp_or_infinity
from counterfault.estimators.consequences.consequence_tables import require
from counterfault.estimators.consequences.mean_ratio import LogRatio, log_ratio
from counterfault.estimators.consequences.reach import SERVICES, USERS, Reach, in_both_arms, totals_of
from counterfault.estimators.consequences.typical_reach import median_ratio
from counterfault.estimators.tables.score import critical_value
from counterfault.estimators.tables.strata import FEW_EVENTS
from counterfault.panels import Consequences

__all__ = ["SERVICES", "USERS", "blast_radius", "mean_ratio", "median_ratio"]

HEAVY_SHARE = 0.2
FEW_CLUSTERS = 4

_METHOD = (
    "Poisson scores for the mean within strata (Gourieroux, Monfort & Trognon 1984); linearised cluster jackknife "
    "(CV3L, factor (G−1)/G)"
)
_ARMS = ((1, "exposed"), (0, "unexposed"))


def blast_radius(consequences: Consequences, level: float = 0.95) -> tuple[Estimate, ...]:
    """What the consequences can say about reach: ratios of means, and of typical numbers of users.

    Parameters
    ----------
    consequences : all deployments of the contrast, with at least one of the two columns.
    level : confidence level.

    Returns
    -------
    Estimates with ids ``blast_radius.services.mean_ratio``, ``blast_radius.users.mean_ratio`` and
    ``blast_radius.users.median_ratio``; those of an absent column are left out. (Services affected are small whole
    numbers: their median ratio would be 1 whatever happens; :func:`median_ratio` gives it on request.)

    Raises
    ------
    ValueError
        Neither column is there, a key is empty, or the level is not in (0, 1).
    """
    present = [column for column in (SERVICES, USERS) if column in consequences.frame.columns]
    if not present:
        require(consequences, SERVICES)
    means = tuple(mean_ratio(consequences, column, level) for column in present)
    return (*means, median_ratio(consequences, USERS, level)) if USERS in present else means


def mean_ratio(consequences: Consequences, column: str = SERVICES, level: float = 0.95) -> Estimate:
    """How many times as much is affected after an exposed deployment, on average over all, failed or not?

    Parameters
    ----------
    consequences : all deployments of the contrast.
    column : ``SERVICES`` or ``USERS``.
    level : confidence level.

    Returns
    -------
    Estimate
        Id ``blast_radius.services.mean_ratio`` or ``blast_radius.users.mean_ratio``. ``parts``: the ratio of the risks
        of failing and the ratio of the means given failure, which multiply to it, and the ratio without the deployment
        that affected most. Failures for which nobody said are left out and counted.

    Raises
    ------
    ValueError
        The column is absent or holds negative numbers, a key is empty, or the level is not in (0, 1).

    Notes
    -----
    Assumes one ratio in all strata, or averages it with weights by mean; clusters independent. t with G−1 degrees of
    freedom, G counting the clusters in which exposed and unexposed deployments and a failure meet.
    """
    critical_value(level)  # a bad level is an error even where there is nothing to compute
    asked = _Asked(Reach.of(consequences, column), level)
    compared = in_both_arms(asked.reach.known)
    answer = asked.whole(compared)
    return answer.named(
        f"blast_radius.{asked.reach.what}.mean_ratio",
        design=asked.reach.design,
        outcome=f"{asked.reach.what} affected, none where nothing failed",
        support=asked.reach.support(compared),
        caveats=(*answer.caveats, *asked.reach.left_out()),
    )


@dataclass(frozen=True, eq=False)
class _Asked:
    """What was asked of whom, at which level."""

    reach: Reach
    level: float

    def whole(self, compared: pd.DataFrame) -> Estimate:
        """The ratio with all its parts."""
        answer = self.ratio(compared)
        if not answer.estimable:
            return answer
        return replace(
            answer,
            parts=(*answer.parts, self._without_the_largest(compared)),
            caveats=(*answer.caveats, *self._heavy(compared)),
        )

    def ratio(self, compared: pd.DataFrame) -> Estimate:
        """The ratio and the two that multiply to it."""
        if reason := self._silence(compared):
            return not_estimable(Estimand.MEAN_RATIO, reason, method=_METHOD, level=self.level)
        totals = totals_of(compared, self.reach.cluster)
        amount, risk = log_ratio(totals, totals.amount), log_ratio(totals, totals.failures)
        if amount is None or risk is None:
            reason = "The fit did not settle: the score is too flat to have a root."
            return not_estimable(Estimand.MEAN_RATIO, reason, method=_METHOD, level=self.level)
        whole = self._answer(amount, Estimand.MEAN_RATIO)
        parts = tuple(self._two_parts(amount, risk)) if whole.estimable else ()
        return replace(whole, parts=parts, caveats=(*whole.caveats, *self._few(compared, len(amount.moves))))

    def _two_parts(self, amount: LogRatio, risk: LogRatio) -> Iterator[Estimate]:
        name = f"blast_radius.{self.reach.what}"
        yield self._answer(risk, Estimand.RISK_RATIO).named(f"{name}.risk_ratio", label="any failure")
        given = self._answer(amount.over(risk), Estimand.MEAN_RATIO)
        told = "The quotient of the two other ratios; failing is itself a consequence of exposure."
        yield given.named(f"{name}.mean_ratio.given_failure", label="given failure", caveats=(*given.caveats, told))

    def _answer(self, found: LogRatio, estimand: Estimand) -> Estimate:
        degrees, error = len(found.moves) - 1, found.standard_error
        method = f"{_METHOD} by {self.reach.cluster}, t with {degrees} degrees of freedom"
        if reason := self._no_error(degrees, error):
            return not_estimable(estimand, reason, method=method, level=self.level)
        reach = float(stdtrit(degrees, 0.5 + self.level / 2)) * error
        return Estimate(
            estimand=estimand,
            value=exp(found.value),
            interval=Interval(exp_or_infinity(found.value - reach), exp_or_infinity(found.value + reach), self.level),
            method=method,
            p_value=2 * float(stdtr(degrees, -abs(found.value) / error)),
            standard_error=error,
        )

    def _no_error(self, degrees: int, error: float) -> str:
        cluster = self.reach.cluster
        if not degrees or isnan(error):
            return f"One {cluster} carries the comparison alone, so nothing tells how far {cluster}s differ."
        if error < 1e-12:
            return f"All {cluster}s agree exactly, so there is no variation between them to compute an error from."
        return ""

    def _without_the_largest(self, compared: pd.DataFrame) -> Estimate:
        rest = compared.assign(n=compared["n"] - (compared.index == compared["amount"].idxmax()))
        answer = replace(self.ratio(in_both_arms(rest[rest["n"] > 0])), parts=())
        name = f"blast_radius.{self.reach.what}.mean_ratio.without_largest"
        return answer.named(name, label="without the deployment that affected most")

    def _heavy(self, compared: pd.DataFrame) -> Iterator[str]:
        for arm, name in _ARMS:
            rows = compared[compared["exposed"] == arm]
            share = float(rows["amount"].max() / (rows["amount"] * rows["n"]).sum())
            if share >= HEAVY_SHARE:
                yield (
                    f"One deployment carries {share:.0%} of all {self.reach.what} affected after {name} deployments: "
                    "read the ratio without it."
                )

    def _few(self, compared: pd.DataFrame, clusters: int) -> Iterator[str]:
        failed = compared[compared["failed"] == 1]
        counts = [int(failed.loc[failed["exposed"] == arm, "n"].sum()) for arm, _ in _ARMS]
        if min(counts) < FEW_EVENTS:
            yield f"The strata hold {counts[0]} exposed and {counts[1]} unexposed failures: too few for a mean."
        if clusters < FEW_CLUSTERS:
            yield f"With {clusters} {self.reach.cluster}s the interval is not to be trusted."

    def _silence(self, compared: pd.DataFrame) -> str:
        for arm, name in _ARMS:
            if not (self.reach.known["exposed"] == arm).any():
                return f"No {name} deployments, so there is nothing to compare."
        if not len(compared):
            return "No stratum holds exposed and unexposed deployments."
        shared = compared[compared["amount"].groupby(compared["stratum"]).transform("sum") > 0]
        for arm, name in _ARMS:
            if not shared.loc[shared["exposed"] == arm, "amount"].sum():
                return f"No {name} deployment affected any {self.reach.what} where it can be compared: no ratio."
        return ""
