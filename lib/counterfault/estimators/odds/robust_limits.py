"""From a coefficient and its cluster-robust covariance to limits, a p-value and what a reader must know of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import exp, inf, sqrt

from scipy.special import stdtr, stdtrit

from counterfault.estimate import Interval
from counterfault.estimators.poisson.cluster_robust import Sandwich, SmallSample
from counterfault.estimators.poisson.regression_problem import NotComparableError, Problem

_FEWEST_CLUSTERS = 4
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
        return exp_or_infinite(self.log_ratio)

    @property
    def p_value(self) -> float:
        """Two-sided p of a ratio of 1."""
        return 2 * float(stdtr(self.degrees, -abs(self.log_ratio / self.error)))

    def interval(self, level: float) -> Interval:
        """exp(b ± t·se)."""
        reach = float(stdtrit(self.degrees, 0.5 + level / 2)) * self.error
        return Interval(exp_or_infinite(self.log_ratio - reach), exp_or_infinite(self.log_ratio + reach), level)

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
    robust, model = float(sandwich.covariance[0, 0]), float(sandwich.model_covariance[0, 0])
    # Clusters that all agree have score zero at the maximum: the sandwich is then rounding error, and an
    # interval from it would be a point.
    if robust < 1e-14 * model:
        raise NotComparableError(
            f"All {cluster}s agree exactly on the ratio, so there is no variation between them to compute a standard "
            "error from."
        )
    degrees = float(sandwich.degrees_of_freedom[0])
    own = float(stdtrit(degrees, 0.5 + level / 2)) * sqrt(robust)
    if at_least_model and float(stdtrit(inf, 0.5 + level / 2)) * sqrt(model) > own:
        return RobustLimits(log_ratio, sqrt(model), inf, degrees, of_model=True)
    return RobustLimits(log_ratio, sqrt(robust), degrees, degrees, of_model=False)


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


def few_clusters(used: Problem) -> Iterator[str]:
    """Say so when clusters of an arm are too few for any interval from their differences."""
    exposed, unexposed = used.clusters_compared()
    if min(exposed, unexposed) < _FEWEST_CLUSTERS:
        yield (
            f"Exposed deployments of {exposed} and unexposed ones of {unexposed} {used.cluster}s can be compared; with "
            f"fewer than {_FEWEST_CLUSTERS} on either side the interval is not to be trusted."
        )


def few_degrees(limits: RobustLimits) -> Iterator[str]:
    """Say so when the t approximation has too little to stand on."""
    if limits.robust_degrees < _FEWEST_DEGREES:
        yield (
            f"The interval rests on {limits.robust_degrees:.1f} degrees of freedom; below {_FEWEST_DEGREES:.0f} the t "
            "approximation is unreliable (Pustejovsky & Tipton 2018)."
        )


def exp_or_infinite(value: float) -> float:
    """exp, open-ended where it would overflow."""
    return exp(value) if value < 700 else inf
