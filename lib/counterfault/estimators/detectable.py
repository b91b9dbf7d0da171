"""What ratio could a design have told from 1, and how many failures would it take to tell a smaller one?

Both use the estimate's own interval: one from a t distribution with few degrees of freedom reaches further than 1.96
standard errors, and a design with such an interval sees less than the normal formula claims.
"""

from __future__ import annotations

from math import ceil, isfinite, log
from statistics import NormalDist

from counterfault.estimate import Estimate
from counterfault.estimators.bounded import exp_or_infinity

POWER = 0.8  # "could have told" means: in four studies of five


def minimum_detectable_effect(estimate: Estimate) -> float | None:
    """The ratio above 1 that a design with this standard error tells from 1 in :data:`POWER` of studies.

    exp((c + z_power)·se), where c is how many standard errors the interval reaches from the estimate. Bloom (1995),
    Evaluation Review 19:547: with c = 1.96 the multiplier is 2.80.

    Parameters
    ----------
    estimate : of a ratio, with its standard error on the log scale.

    Returns
    -------
    The ratio; None where the estimate has no standard error.

    Notes
    -----
    z_power stays normal: an estimate does not carry its degrees of freedom. With four of them the t quantile would be
    0.94 instead of 0.84, so the ratio is slightly too hopeful where little is known anyway.
    """
    if not (estimate.estimable and isfinite(estimate.standard_error)):
        return None
    return exp_or_infinity((reach(estimate) + _power()) * estimate.standard_error)


def events_to_detect(estimate: Estimate, ratio: float) -> int | None:
    """How many informative failures make ``ratio`` this design's minimum detectable effect, rounded up to tens.

    The variance of a log ratio falls as one over the failures, at the same mix of strata and groups.

    Parameters
    ----------
    estimate : of a ratio, with its standard error on the log scale and its ``events``.
    ratio : the smallest that matters, above 1.
    """
    return _events_for(estimate, ratio, reach(estimate) + _power())


def events_to_separate(estimate: Estimate, ratio: float) -> int | None:
    """How many informative failures make the interval too short to hold both 1 and ``ratio``, rounded up to tens.

    More than :func:`events_to_detect` asks for: a design that can tell ``ratio`` from 1 in four studies of five may
    find a value half way between them, and then an interval that holds both leaves the question open.
    """
    return _events_for(estimate, ratio, 2 * reach(estimate))


def _events_for(estimate: Estimate, ratio: float, standard_errors: float) -> int | None:
    if minimum_detectable_effect(estimate) is None:
        return None
    wanted = (standard_errors * estimate.standard_error / log(ratio)) ** 2 * estimate.support["events"]
    return ceil(wanted / 10) * 10


def reach(estimate: Estimate) -> float:
    """How many standard errors lie between the estimate and its upper limit, on the log scale.

    Where the interval does not come from a standard error (score limits without an end), the normal quantile.
    """
    high, error = estimate.interval.high, estimate.standard_error
    if isfinite(high) and isfinite(error) and error > 0:
        return log(high / estimate.value) / error
    return NormalDist().inv_cdf(0.5 + estimate.interval.level / 2)


def _power() -> float:
    return NormalDist().inv_cdf(POWER)
