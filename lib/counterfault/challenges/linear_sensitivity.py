"""What a confounder left out of the linear model could do to the risk difference, to its limits, and beside what.

Cinelli & Hazlett (2020), Journal of the Royal Statistical Society B 82:39, with one addition: limits may have the
cluster-robust error. The paper's formulas carry the classical one from the model without the confounder to the model
with it; the clustered one is taken to be as many times the classical one in both.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from math import isfinite, sqrt
from typing import Self

from counterfault.challenges.linear_risk import Benchmark, LinearRisk
from counterfault.challenges.robustness_value import (
    Confounder,
    partner_of,
    robustness_value,
    times_as_strong,
    times_needed,
)
from counterfault.estimate import Estimand, Estimate, Interval, figures, not_estimable
from counterfault.estimators.poisson.regression_problem import NotComparableError

ID, LIMIT_ID = "confounding.robustness_value", "confounding.robustness_value.limit"
METHOD = "robustness value (Cinelli & Hazlett 2020) of the linear model of the risk, strata absorbed"
BENCHMARK = "linear model of the risk, adjusted for a supposed confounder (Cinelli & Hazlett 2020)"
INDEPENDENT = "error of independent deployments"
KEEPS_INFLATION = (
    "Takes the clustered error to be as many times the classical one with the confounder as without it; Cinelli & "
    "Hazlett give the classical one only, which is beside this."
)


@dataclass(frozen=True)
class LinearSensitivity:
    """One fit at one level.

    Attributes
    ----------
    fit : the linear model.
    level : of the limits.
    reach : how many classical standard errors the interval reaches.
    notes : whose error that is.
    """

    fit: LinearRisk
    level: float
    reach: float
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, fit: LinearRisk, level: float) -> Self:
        """With the clustered error, or that of independent deployments where its interval is wider."""
        return cls(fit, level, *_reach(fit, level))

    def value(self) -> Estimate:
        """The robustness value; its interval runs from that of the limit nearer zero to that of the other one."""
        f = abs(self.fit.t) / sqrt(self.fit.degrees)
        critical = self._critical(self.reach)
        return Estimate(
            estimand=Estimand.ROBUSTNESS_VALUE,
            value=robustness_value(f),
            interval=Interval(robustness_value(f, critical), partner_of(f, critical), self.level),
            method=METHOD,
            support=self.fit.support,
            id=ID,
        )

    def limit(self) -> Estimate:
        """The robustness value of the limit nearer zero; its part is the published one, with the classical error."""
        published = self._limit_at(self.fit.reach(self.level))
        return replace(
            self._limit_at(self.reach),
            id=LIMIT_ID,
            parts=(replace(published, label=INDEPENDENT),),
            caveats=(*self.notes, KEEPS_INFLATION),
        )

    def _limit_at(self, reach: float) -> Estimate:
        f = abs(self.fit.t) / sqrt(self.fit.degrees)
        value = robustness_value(f, self._critical(reach))
        return Estimate(
            estimand=Estimand.ROBUSTNESS_VALUE,
            value=value,
            interval=Interval(value, 1.0, self.level),
            method=f"{METHOD}, limit nearer zero",
            support=self.fit.support,
        )

    def _critical(self, reach: float) -> float:
        return reach / sqrt(self.fit.degrees - 1)

    def strength(self, benchmark: Benchmark) -> Estimate:
        """How many times as strong as this confounder another has to be to leave nothing of estimate and limits."""
        nearer, value, further = (
            times_needed(benchmark.r2_exposure, benchmark.r2_outcome, partial(self._remains, side=side))
            for side in (-1.0, 0.0, 1.0)
        )
        reason = () if isfinite(value) else (f"{benchmark.covariate} has no strength of its own to multiply.",)
        return Estimate(
            estimand=Estimand.STRENGTH,
            value=value,
            interval=Interval(nearer, further, self.level),
            method="benchmark bounds (Cinelli & Hazlett 2020)",
            support=self.fit.support,
            id=f"{ID}.{benchmark.covariate}",
            label=benchmark.covariate,
            caveats=(*reason, _strength_of(benchmark)),
        )

    def left(self, benchmark: Benchmark, times: float) -> Estimate:
        """The risk difference beside a confounder so many times as strong as this one."""
        label = f"{times:g} × {benchmark.covariate}"
        id = f"{ID}.{benchmark.covariate}.adjusted"
        confounder = times_as_strong(benchmark.r2_exposure, benchmark.r2_outcome, times)
        if confounder is None:
            reason = (
                f"Nothing can be {times:g} times as strong as {benchmark.covariate}: it would explain all of exposure."
            )
            found = not_estimable(Estimand.RISK_DIFFERENCE, reason, method=BENCHMARK, level=self.level, label=label)
            return found.named(id)
        sign = 1.0 if self.fit.difference >= 0 else -1.0
        value = sign * self._remains(confounder, 0.0)
        error = confounder.error(self.fit.error, self.fit.degrees)
        return Estimate(
            estimand=Estimand.RISK_DIFFERENCE,
            value=value,
            interval=Interval(value - self.reach * error, value + self.reach * error, self.level),
            method=BENCHMARK,
            support=self.fit.support,
            standard_error=error,
            id=id,
            label=label,
            caveats=(
                f"Partial R² of the supposed confounder: {figures(confounder.r2_exposure)} with exposure, "
                f"{figures(confounder.r2_outcome)} with failure.",
            ),
        )

    def _remains(self, confounder: Confounder, side: float) -> float:
        """What is left of the estimate (side 0), or of its limit nearer (−1) or further (+1) from zero."""
        fit = self.fit
        limit = side * self.reach * confounder.error(fit.error, fit.degrees)
        return abs(fit.difference) - confounder.bias(fit.error, fit.degrees) + limit

    def in_words(self) -> str:
        """What the robustness value claims."""
        value = self.value().value
        return (
            f"A confounder that explains {value:.1%} of what is left unexplained of exposure and of failure would "
            f"bring the risk difference of {figures(self.fit.difference)} to zero; exposure itself explains "
            f"{self.fit.partial_r2:.2%} of failure."
        )


def _reach(fit: LinearRisk, level: float) -> tuple[float, tuple[str, ...]]:
    """Of the interval, in classical errors: that of the clustered error, or of independent deployments where wider."""
    alone = fit.reach(level)
    try:
        clustered = fit.clustered_reach(level)
    except NotComparableError as reason:
        return alone, (f"The limit takes deployments as independent. {reason}",)
    if clustered < alone:
        return alone, ("The limit is that of independent deployments, which is wider than that of clusters.",)
    name = fit.problem.cluster
    return clustered, (
        f"The limit has the CR2 error by {name}: its interval reaches {clustered / alone:.2f} times as far as that of "
        "independent deployments.",
    )


def _strength_of(benchmark: Benchmark) -> str:
    return (
        f"Partial R² of {benchmark.covariate}: {figures(benchmark.r2_exposure)} with exposure, "
        f"{figures(benchmark.r2_outcome)} with failure."
    )
