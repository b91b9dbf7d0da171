"""Among failures, does a typical one reach further after an exposed deployment? By ranks, which no giant moves."""

from __future__ import annotations

from math import exp, isfinite

from scipy.special import stdtrit

from counterfault.estimate import Estimand, Estimate, Interval, not_estimable
from counterfault.estimators.bounded import exp_or_infinity
from counterfault.estimators.consequences.reach import USERS, Reach, in_both_arms, ranked
from counterfault.estimators.consequences.shift_within_strata import Ranked, shift
from counterfault.estimators.tables.score import critical_value
from counterfault.panels import Consequences

MOST_PAIRS = 4_000_000

_METHOD = "stratified Hodges–Lehmann shift of logarithms, limits by van Elteren's (1960) test"


def median_ratio(consequences: Consequences, column: str = USERS, level: float = 0.95) -> Estimate:
    """Among failed deployments of one stratum, how many times as much does a typical exposed one affect?

    Parameters
    ----------
    consequences : all deployments of the contrast.
    column : ``USERS`` or ``SERVICES``.
    level : confidence level.

    Returns
    -------
    Estimate
        Id ``blast_radius.users.median_ratio`` or ``blast_radius.services.median_ratio``: the weighted median of all
        ratios of an exposed failure to an unexposed one of its stratum. It conditions on failure, and says so.

    Raises
    ------
    ValueError
        As :func:`~counterfault.estimators.consequences.blast_radius.mean_ratio`.

    Notes
    -----
    Limits from the larger of van Elteren's error (independent deployments, normal) and the infinitesimal jackknife
    between clusters (t with G−1 degrees of freedom). If exposure multiplies every amount, the ratio is that factor.
    Amounts are rounded to two digits, or one, where that keeps pairs below four million.
    """
    critical_value(level)  # a bad level is an error even where there is nothing to compute
    reach = Reach.of(consequences, column)
    failures = reach.known[reach.known["failed"] == 1]
    own = failures[failures["shared"] != 1] if "shared" in failures else failures
    failed = in_both_arms(own)
    candidates = (ranked(failed, reach.cluster, digits) for digits in (None, 2, 1)) if len(failed) else iter(())
    fitting = next((each for each in candidates if each.pair_count() <= MOST_PAIRS), None)
    if not len(failed):
        answer = _silent("No stratum holds a failed exposed and a failed unexposed deployment of known reach.", level)
    elif fitting is None:
        answer = _silent(f"More than {MOST_PAIRS} pairs of distinct values would have to be compared.", level)
    else:
        answer = _typical(fitting, reach, level)
    return answer.named(
        f"blast_radius.{reach.what}.median_ratio",
        design=f"among failed deployments, {reach.design}",
        outcome=f"{reach.what} affected by a failed deployment",
        support=reach.support(failed),
        caveats=(
            *answer.caveats,
            "A ratio of typical values, not of means; it compares failed deployments only, and failing is itself a "
            "consequence of exposure.",
            *reach.left_out(),
            *_shared(int(failures["n"].sum() - own["n"].sum())),
        ),
    )


def _shared(left_out: int) -> tuple[str, ...]:
    """An incident tied to both arms would be compared with itself, and find itself equal."""
    if not left_out:
        return ()
    return (f"{left_out} failures whose incident is tied to deployments of both kinds are left out.",)


def _typical(ranks: Ranked, reach: Reach, level: float) -> Estimate:
    degrees = int(ranks.clusters.max())
    quantile = float(stdtrit(degrees, 0.5 + level / 2)) if degrees else 0.0
    found = shift(ranks, critical_value(level), quantile)
    if not isfinite(found.value):
        return _silent(f"In most pairs one of the two failures affected no {reach.what}: no typical ratio.", level)
    if found.low == found.high:
        return _silent("The failures are so alike or so few that no interval can be given.", level)
    between = f"error between {reach.cluster}s, t with {degrees} degrees of freedom"
    return Estimate(
        estimand=Estimand.MEDIAN_RATIO,
        value=exp(found.value),
        interval=Interval(exp_or_infinity(found.low), exp_or_infinity(found.high), level),
        method=f"{_METHOD}; {between if found.between_clusters else 'error of independent deployments'}",
    )


def _silent(reason: str, level: float) -> Estimate:
    return not_estimable(Estimand.MEDIAN_RATIO, reason, method=_METHOD, level=level)
