"""A log ratio with two standard errors, and the interval of the one that reaches further."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

from scipy.special import stdtr, stdtrit

from counterfault.estimate import Interval
from counterfault.estimators.bounded import exp_or_infinity
from counterfault.estimators.poisson.cluster_robust import SmallSample

FEWEST_CLUSTERS = 4
FEWEST_DEGREES = 4.0


@dataclass(frozen=True, slots=True)
class LogRatio:
    """A contrast of coefficients with its two standard errors.

    Attributes
    ----------
    value : on the log scale.
    robust : cluster-robust standard error, with ``degrees`` of freedom of the t distribution it comes with.
    model : standard error of independent Poisson events; compared with the normal distribution.
    small_sample : the correction in ``robust``.
    at_least_model : whether the interval is the wider of the two (Angrist & Pischke 2009, Mostly Harmless
        Econometrics, section 8.2.3: with few clusters the robust one can be far too small by chance).
    """

    value: float
    robust: float
    degrees: float
    model: float
    small_sample: SmallSample
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
        return Interval(exp_or_infinity(self.value - reach), exp_or_infinity(self.value + reach), level)

    def p_value(self, level: float) -> float:
        """Two-sided p of a ratio of 1, by the standard error the interval of this level uses."""
        error, degrees = self.error_and_reference(level)
        return 2 * float(stdtr(degrees, -abs(self.value / error)))

    def reference(self, level: float, cluster: str, events: str) -> str:
        """How the interval was had, for the method sentence."""
        kind = "Satterthwaite " if self.small_sample is SmallSample.CR2 else ""
        told = (
            f"{self.small_sample.value} standard error by {cluster}, t with {self.degrees:.1f} {kind}degrees of freedom"
        )
        if self.error_and_reference(level)[1] == inf:
            told += f"; the interval is that of independent {events} (normal), which is wider"
        return told


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
