"""From a coefficient and its cluster-robust covariance to limits, a p-value and what a reader must know of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf, sqrt

from scipy.special import stdtr, stdtrit

from counterfault.estimate import Interval
from counterfault.estimators.bounded import exp_or_infinity
from counterfault.estimators.poisson.cluster_robust import Sandwich, SmallSample
from counterfault.estimators.poisson.regression_problem import NotComparableError, Problem
from counterfault.estimators.poisson.within_strata import error_between_clusters

_FEWEST_DEGREES = 4.0


@dataclass(frozen=True, slots=True)
class RobustLimits:
    """A log ratio with its standard error and the t distribution it is compared with.

    Attributes
    ----------
    log_ratio, error : estimate and standard error on the log scale.
    degrees : of freedom of the t distribution; infinite for the normal one.
    robust_degrees : those of the robust error, which may not be the one in use.
    of_model : whether ``error`` is the model's, because its interval is wider.
    """

    log_ratio: float
    error: float
    degrees: float
    robust_degrees: float
    of_model: bool

    @property
    def ratio(self) -> float:
        """exp(log ratio)."""
        return exp_or_infinity(self.log_ratio)

    @property
    def p_value(self) -> float:
        """Two-sided p of a ratio of 1."""
        return 2 * float(stdtr(self.degrees, -abs(self.log_ratio / self.error)))

    def interval(self, level: float) -> Interval:
        """exp(b ± t·se)."""
        reach = float(stdtrit(self.degrees, 0.5 + level / 2)) * self.error
        return Interval(exp_or_infinity(self.log_ratio - reach), exp_or_infinity(self.log_ratio + reach), level)

    def sentence(self, small_sample: SmallSample, cluster: str) -> str:
        """Which standard error, which correction, which reference distribution."""
        kind = "Satterthwaite " if small_sample is SmallSample.CR2 else ""
        wider = "; the interval is that of independent deployments, which is wider" if self.of_model else ""
        return (
            f"{small_sample.value} standard error by {cluster}, t with {self.robust_degrees:.1f} {kind}"
            f"degrees of freedom{wider}"
        )


def robust_limits(
    log_ratio: float, sandwich: Sandwich, level: float, cluster: str, *, at_least_model: bool
) -> RobustLimits:
    """Limits from the first combination of the sandwich.

    Parameters
    ----------
    log_ratio : the estimate.
    sandwich : its covariance, first row and column.
    level : at which the two intervals are compared, where ``at_least_model``.
    cluster : what a cluster is called.
    at_least_model : whether the interval is to be no narrower than that of independent deployments.

    Raises
    ------
    NotComparableError
        Where all clusters agree, so that their differences say nothing about the error.
    """
    model, degrees = sqrt(float(sandwich.model_covariance[0, 0])), float(sandwich.degrees_of_freedom[0])
    robust = error_between_clusters(float(sandwich.covariance[0, 0]), model**2, cluster)
    of_model = float(stdtrit(inf, 0.5 + level / 2)) * model
    if at_least_model and of_model > float(stdtrit(degrees, 0.5 + level / 2)) * robust:
        return RobustLimits(log_ratio, model, inf, degrees, of_model=True)
    return RobustLimits(log_ratio, robust, degrees, degrees, of_model=False)


def require_level(level: float) -> None:
    """Refuse a level that is none, before anything is computed.

    Raises
    ------
    ValueError
        When it does not lie between 0 and 1.
    """
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; a confidence level lies between 0 and 1, such as 0.95.")


def require_clusters(used: Problem) -> None:
    """Refuse a fit whose exposed or unexposed deployments all lie in one cluster.

    Raises
    ------
    NotComparableError
        With the arm and what a cluster is called.
    """
    for name, clusters in zip(("exposed", "unexposed"), used.clusters_compared(), strict=True):
        if clusters < 2:
            raise NotComparableError(
                f"All {name} deployments that can be compared lie in one {used.cluster}, which cannot show how far "
                f"{used.cluster}s differ from one another."
            )


def few_degrees(limits: RobustLimits) -> Iterator[str]:
    """Say so when the t approximation has too little to stand on."""
    if limits.robust_degrees < _FEWEST_DEGREES:
        yield (
            f"The interval rests on {limits.robust_degrees:.1f} degrees of freedom; below {_FEWEST_DEGREES:.0f} the t "
            "approximation is unreliable (Pustejovsky & Tipton 2018)."
        )
