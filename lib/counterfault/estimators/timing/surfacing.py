"""How soon are failures seen, how soon mended, and do they show at peak load?

Most of these compare *failed* deployments only, as nothing else can be detected or mended. Whether a deployment failed
may itself depend on AI assistance, so the arms then differ in which deployments are left: conditioning on a consequence
(Hernán, Hernández-Díaz & Robins 2004, Epidemiology 15:615). Such figures describe incidents. The one figure here that
does not condition on failure is :func:`peak_failure_ratio`.
"""

from __future__ import annotations

from math import exp, inf

import numpy as np

from counterfault.estimate import Estimand, Estimate, Interval, not_estimable
from counterfault.estimators.bounded import exp_or_infinity
from counterfault.estimators.poisson.regression import HEADLINE
from counterfault.estimators.poisson.regression_problem import NotComparableError
from counterfault.estimators.tables.score import critical_value
from counterfault.estimators.timing.consequence_rows import Failures, failures_of, peak_cells
from counterfault.estimators.timing.cox_likelihood import Ties, Watched
from counterfault.estimators.timing.geometric_means import Measured, log_ratio
from counterfault.estimators.timing.hazard_problem import HazardProblem, hazard_ratio
from counterfault.estimators.timing.medians import Median, log_ratio_limits, median
from counterfault.panels import Consequences

__all__ = [
    "detection_ratio",
    "peak_failure_ratio",
    "restoration_hazard_ratio",
    "restoration_median_ratio",
    "surfaced_at_peak_ratio",
    "surfacing",
]

COLLIDER = (
    "among failed deployments only, and failing may itself depend on AI assistance (conditioning on a consequence): "
    "this describes incidents and is no effect of AI assistance"
)
_SHORTEST = 1 / 60


def surfacing(panel: Consequences, level: float = 0.95) -> tuple[Estimate, ...]:
    """All comparisons of this module, each under its stable id."""
    return (
        detection_ratio(panel, level),
        restoration_hazard_ratio(panel, level),
        restoration_median_ratio(panel, level),
        surfaced_at_peak_ratio(panel, level),
        peak_failure_ratio(panel, level),
    )


def detection_ratio(panel: Consequences, level: float = 0.95) -> Estimate:
    """How many times as long did failures of exposed deployments go unseen as those of others of the same stratum?

    Parameters
    ----------
    panel : what came of deployments; failed ones with ``hours_to_detect`` enter.
    level : confidence level of the interval.

    Returns
    -------
    Estimate
        Id ``timing.detection.ratio``: a ratio of *geometric* mean hours, above 1 if exposed failures are seen later.
        Least squares on logarithms with stratum effects; the interval is the wider of the cluster-robust one (CR2,
        Satterthwaite) and the classical one. Hours below one minute count as one minute, and a caveat says how many.

    Raises
    ------
    ValueError
        ``level`` is not inside (0, 1), or the panel holds impossible values.
    """
    critical_value(level)
    named = {"id": "timing.detection.ratio", "design": _within(panel)}
    support: dict[str, int] = {}
    try:
        failures = failures_of(panel, "hours_to_detect")
        support = failures.support()
        measured = Measured(
            np.maximum(failures.hours, _SHORTEST),
            failures.exposed,
            failures.copies,
            failures.strata,
            failures.clusters,
        ).compared()
        found = log_ratio(measured, level, failures.place, failures.cluster)
    except NotComparableError as reason:
        return _silent(Estimand.MEAN_RATIO, reason, _GEOMETRIC, level).named(**named, support=support)
    low, high = found.limits(level)
    kind = f"CR2 standard error by {failures.cluster}, Satterthwaite" if found.robust else "classical standard error,"
    return Estimate(
        estimand=Estimand.MEAN_RATIO,
        value=exp(found.value),
        interval=Interval(exp_or_infinity(low), exp_or_infinity(high), level),
        method=f"{_GEOMETRIC}; the wider interval of two: {kind} t with {found.degrees:.1f} degrees of freedom",
        support={**support, "n_compared": int(measured.copies.sum())},
        p_value=found.p_value,
        standard_error=found.error,
        caveats=(COLLIDER, *failures.unknown("when they were seen"), *_at_once(failures)),
    ).named(**named)


def restoration_hazard_ratio(panel: Consequences, level: float = 0.95) -> Estimate:
    """At equal time since it began: how many times as fast is an incident of an exposed deployment mended?

    Parameters and errors as in :func:`detection_ratio`; failed deployments with ``hours_to_restore`` enter, censored
    where ``restored`` is 0.

    Returns
    -------
    Estimate
        Id ``timing.restoration.hazard_ratio``, *above 1 if exposed failures are mended sooner*: Cox regression
        stratified as the panel is, ties after Efron, interval as in
        :class:`~counterfault.estimators.timing.cox.CauseSpecificCox`.
    """
    critical_value(level)
    named = {"id": "timing.restoration.hazard_ratio", "design": _within(panel), "outcome": "restored"}
    try:
        failures = failures_of(panel, "hours_to_restore", "restored")
    except NotComparableError as reason:
        return _silent(Estimand.HAZARD_RATIO, reason, "Cox regression (1972)", level).named(**named)
    problem = HazardProblem(
        _watched(failures),
        ("",),
        "restoration",
        "the hazard of restoration",
        failures.place,
        failures.cluster,
        Ties.EFRON,
    )
    found, tested = hazard_ratio(problem, level)
    changes = tested is not None and tested.p_value < 0.05
    direction = "above 1 means that incidents after AI-assisted changes were mended sooner"
    average = ("the ratio changes as incidents get older (score test below 0.05): it is an average",) * changes
    notes = (direction, COLLIDER, *failures.unknown("how long they lasted"), *average)
    support = {**found.support, "failed": failures.failed}
    return found.named(**named, support=support, caveats=(*found.caveats, *notes))


def restoration_median_ratio(panel: Consequences, level: float = 0.95) -> Estimate:
    """By when half of the failures were mended: exposed over unexposed, all services together.

    Parameters and errors as in :func:`detection_ratio`; failed deployments with ``hours_to_restore`` enter.

    Returns
    -------
    Estimate
        Id ``timing.restoration.median_ratio``, above 1 if exposed failures last longer. Kaplan–Meier medians with the
        limits of Brookmeyer & Crowley (1982), combined after Zou & Donner (2008). Not stratified, and failures are
        taken as independent: the interval is too narrow where services differ.
    """
    critical_value(level)
    named = {"id": "timing.restoration.median_ratio", "design": "all services together"}
    try:
        failures = failures_of(panel, "hours_to_restore", "restored")
        exposed, unexposed = _medians(failures, level)
    except NotComparableError as reason:
        return _silent(Estimand.MEDIAN_RATIO, reason, _MEDIANS, level).named(**named)
    low, high = log_ratio_limits(exposed, unexposed)
    return Estimate(
        estimand=Estimand.MEDIAN_RATIO,
        value=exposed.value / unexposed.value,
        interval=Interval(exp_or_infinity(low), exp_or_infinity(high), level),
        method=_MEDIANS,
        support=failures.support(),
        caveats=(
            f"{exposed.value:.3g} hours over {unexposed.value:.3g} hours",
            "nothing is held fixed, and failures are taken as independent",
            COLLIDER,
            *failures.unknown("how long they lasted"),
        ),
    ).named(**named)


def surfaced_at_peak_ratio(panel: Consequences, level: float = 0.95) -> Estimate:
    """Of the failures of exposed deployments, how many times as large a share shows at peak load?

    Parameters and errors as in :func:`detection_ratio`; failed deployments with ``surfaced_at_peak`` enter.

    Returns
    -------
    Estimate
        Id ``timing.surfaced_at_peak.risk_ratio``, by modified Poisson regression within strata with the settings of the
        headline (:data:`~counterfault.estimators.poisson.regression.HEADLINE`).
    """
    return _peak(panel, level, "timing.surfaced_at_peak.risk_ratio", failed_only=True)


def peak_failure_ratio(panel: Consequences, level: float = 0.95) -> Estimate:
    """How many times as likely is a failure that shows at peak load, per exposed deployment, failed or not?

    Parameters and errors as in :func:`detection_ratio`; every deployment enters, and failed ones of which nobody said
    whether they showed at peak are left out.

    Returns
    -------
    Estimate
        Id ``timing.peak_failure.risk_ratio``, by modified Poisson regression as :func:`surfaced_at_peak_ratio`.
    """
    return _peak(panel, level, "timing.peak_failure.risk_ratio", failed_only=False)


def _peak(panel: Consequences, level: float, id: str, *, failed_only: bool) -> Estimate:
    critical_value(level)
    try:
        cells, unknown = peak_cells(panel, failed_only=failed_only)
    except NotComparableError as reason:
        return _silent(Estimand.RISK_RATIO, reason, "modified Poisson regression (Zou 2004)", level).named(
            id, design=_within(panel)
        )
    found = HEADLINE(cells, level)
    left_out = (f"of {unknown} failed deployments nobody said whether they showed at peak: they are left out",)
    return found.named(
        id,
        outcome="first incident showed at peak load",
        support={**found.support, "unknown": unknown},
        caveats=(*found.caveats, *left_out * bool(unknown), *(COLLIDER,) * failed_only),
    )


_GEOMETRIC = "ratio of geometric means: least squares on log hours with stratum effects"
_MEDIANS = (
    "ratio of Kaplan–Meier medians, log(−log) limits of each (Brookmeyer & Crowley 1982), combined after Zou & Donner "
    "(2008)"
)


def _watched(failures: Failures) -> Watched:
    return Watched(
        design=failures.exposed[:, None].astype(np.float64),
        entry=np.full(len(failures.hours), -1.0),  # an incident mended at once was at risk of being mended
        exit=failures.hours,
        event=failures.complete,
        copies=failures.copies,
        strata=failures.strata,
        clusters=failures.clusters,
    )


def _medians(failures: Failures, level: float) -> tuple[Median, Median]:
    found = []
    for name, arm in (("exposed", failures.exposed), ("unexposed", ~failures.exposed)):
        if not arm.any():
            raise NotComparableError(f"No failed {name} deployment has a known time to restoration.")
        half = median(failures.hours[arm], failures.complete[arm], failures.copies[arm], level)
        if not 0 < half.value < inf:
            raise NotComparableError(
                f"The median time to restoration of {name} failures is "
                f"{'zero' if half.value == 0 else 'not reached: fewer than half are known to be mended'}."
            )
        found.append(half)
    return found[0], found[1]


def _within(panel: Consequences) -> str:
    return "within " + " × ".join(panel.strata) if panel.strata else "across all failures"


def _silent(estimand: Estimand, reason: NotComparableError, method: str, level: float) -> Estimate:
    return not_estimable(estimand, str(reason), method=method, level=level)


def _at_once(failures: Failures) -> tuple[str, ...]:
    count = int(failures.copies[failures.hours < _SHORTEST].sum())
    return (f"{count} failures were seen within a minute of their beginning and count as one minute",) * bool(count)
