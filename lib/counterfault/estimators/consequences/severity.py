"""Are exposed deployments followed by worse incidents? Asked of all deployments first.

Comparing severities among incidents only is comparing what is left after exposure has decided who fails: if exposed
deployments fail in more small ways, their incidents look milder although nobody is better off. So the first two
answers count every deployment, and the third says that it conditions on a consequence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import inf, log, sqrt

import numpy as np
from scipy.special import chdtrc, stdtr, stdtrit

from counterfault.estimate import Estimand, Estimate, Interval, not_estimable
from counterfault.estimators.bounded import exp_or_infinity
from counterfault.estimators.consequences.consequence_tables import (
    MILDEST,
    WORST,
    OrderedOutcome,
    cells_with,
    require,
    unknown_among_failed,
)
from counterfault.estimators.consequences.cumulative_odds import Floats, OrderedTables
from counterfault.estimators.consequences.families import rare_risk_ratio
from counterfault.estimators.poisson.regression import HEADLINE, ModifiedPoisson
from counterfault.estimators.tables.score import critical_value
from counterfault.estimators.tables.strata import FEW_EVENTS
from counterfault.panels import Consequences

__all__ = ["severe_risk_ratio", "severity_odds_ratio"]

_METHOD = "cumulative odds ratio within strata (Liu & Agresti 1996)"


def severe_risk_ratio(
    consequences: Consequences, level: float = 0.95, *, severe: int = 2, settings: ModifiedPoisson = HEADLINE
) -> Estimate:
    """How many times as often is an exposed deployment followed by a severe incident, failed or not?

    Parameters
    ----------
    consequences : all deployments of the contrast, with ``severity``.
    level : confidence level.
    severe : severities up to this number count, 1 being the worst.
    settings : of the regression where there are enough events for one; it may adjust for the covariates that the
        consequences hold.

    Returns
    -------
    Estimate
        Id ``severity.severe.risk_ratio``, as :func:`~counterfault.estimators.consequences.families.rare_risk_ratio`
        gives it; ``parts`` ask the same of every threshold from 1 to 5. A failure of unknown severity counts as not
        severe, and a caveat says how many there are.

    Raises
    ------
    ValueError
        There is no severity, ``severe`` is not one, a key is empty, or the level is not in (0, 1).
    """
    require(consequences, "severity")
    if severe not in range(WORST, MILDEST + 1):
        raise ValueError(f"severe is {severe}; a severity lies between {WORST} (worst) and {MILDEST}.")
    thresholds = tuple(
        _at_threshold(consequences, threshold, level, settings) for threshold in range(WORST, MILDEST + 1)
    )
    found = thresholds[severe - WORST]
    return replace(found, label="all", parts=thresholds, caveats=(*found.caveats, *_unknown(consequences)))


def severity_odds_ratio(consequences: Consequences, level: float = 0.95) -> Estimate:
    """By what factor are the odds of a worse outcome higher after an exposed deployment?

    Outcomes are ordered: no incident, then severity 5 to 1. One odds ratio is assumed for all ways to cut that order in
    two; a test of it is among the caveats, and ``parts`` give each cut its own.

    Parameters
    ----------
    consequences : all deployments of the contrast, with ``severity``.
    level : confidence level.

    Returns
    -------
    Estimate
        Id ``severity.ordinal.odds_ratio``. The limits take the larger of two errors, between clusters with t(G−1) and
        that of independent deployments. Failures of unknown severity are left out and counted.

    Raises
    ------
    ValueError
        There is no severity, a key is empty, or the level is not in (0, 1).

    Notes
    -----
    :mod:`~counterfault.estimators.consequences.cumulative_odds` has the formulas. Where nearly all deployments succeed,
    most of the weight lies on the cut between success and failure: this is then close to the odds ratio of failing at
    all.
    """
    critical_value(level)  # a bad level is an error even where there is nothing to compute
    require(consequences, "severity")
    outcome = OrderedOutcome.of(consequences)
    answer = _pooled(outcome, consequences, level)
    design = f"within {' × '.join(consequences.strata)}" if consequences.strata else "across all deployments"
    return answer.named(
        "severity.ordinal.odds_ratio",
        design=design,
        outcome="no incident < severity 5 < … < severity 1",
        caveats=(*answer.caveats, *_left_out(consequences)),
    )


def _at_threshold(consequences: Consequences, threshold: int, level: float, settings: ModifiedPoisson) -> Estimate:
    frame = consequences.frame
    reached = (frame["failed"] == 1) & (frame["severity"].astype("Float64").fillna(MILDEST + 1.0) <= threshold)
    words = "severity 1" if threshold == WORST else f"severity {threshold} or worse"
    found = rare_risk_ratio(cells_with(consequences, reached.astype(bool)), level, settings=settings)
    return found.named("severity.severe.risk_ratio", label=words, outcome=f"an incident of {words}")


def _pooled(outcome: OrderedOutcome, consequences: Consequences, level: float) -> Estimate:
    over, under = (float(each.sum()) for each in outcome.tables.products) if outcome.tables else (0.0, 0.0)
    if outcome.tables is None or not over or not under:
        reason = _silence(outcome, over, under)
        return not_estimable(Estimand.ODDS_RATIO, reason, method=_METHOD, level=level, support=outcome.support)
    tables, ones = outcome.tables, np.ones(outcome.tables.cuts)
    ratio = over / under
    model = float(ones @ tables.model_covariance(ratio * ones) @ ones) / over**2
    robust = _between_clusters((tables.cluster_scores(ratio * ones) @ ones)[:, None] / over)
    degrees = int(tables.clusters.max())
    answer = _estimate(ratio, model, robust, degrees, level, consequences.cluster)
    return replace(
        answer,
        support={**outcome.support, "clusters": degrees + 1},
        parts=tuple(_cuts(outcome, tables, level, consequences.cluster)),
        caveats=(*_few(outcome), *_one_cluster(degrees, consequences.cluster), *_proportionality(tables)),
    )


def _estimate(ratio: float, model: float, robust: float, degrees: int, level: float, cluster: str) -> Estimate:
    """Limits on the log scale from the larger reach of two variances."""
    of_model = critical_value(level) * sqrt(model)
    of_clusters = float(stdtrit(degrees, 0.5 + level / 2)) * sqrt(robust) if degrees else 0.0
    wider = of_clusters >= of_model
    reach, error, reference = (of_clusters, sqrt(robust), float(degrees)) if wider else (of_model, sqrt(model), inf)
    told = (
        f"infinitesimal jackknife by {cluster}, factor G/(G−1), t with {degrees} degrees of freedom"
        if wider
        else "error of independent deployments, the larger one; normal limits"
    )
    return Estimate(
        estimand=Estimand.ODDS_RATIO,
        value=ratio,
        interval=Interval(exp_or_infinity(log(ratio) - reach), exp_or_infinity(log(ratio) + reach), level),
        method=f"{_METHOD}; {told}",
        p_value=2 * float(stdtr(reference, -abs(log(ratio)) / error)) if error else None,
        standard_error=error,
    )


def _cuts(outcome: OrderedOutcome, tables: OrderedTables, level: float, cluster: str) -> Iterator[Estimate]:
    """Mantel & Haenszel's odds ratio at each cut, worst last."""
    over, under = tables.products
    kept = (over > 0) & (under > 0)
    ratios: Floats = np.divide(over, under, out=np.ones_like(over), where=kept)
    model, scores = tables.model_covariance(ratios), tables.cluster_scores(ratios)
    for cut, label in enumerate(outcome.labels):
        counts = {
            "exposed_events": int(tables.beyond[0][:, cut].sum()),
            "unexposed_events": int(tables.beyond[1][:, cut].sum()),
        }
        if kept[cut]:
            variance = float(model[cut, cut]) / over[cut] ** 2
            robust = _between_clusters(scores[:, [cut]] / over[cut])
            part = _estimate(ratios[cut], variance, robust, int(tables.clusters.max()), level, cluster)
            part = replace(part, support=counts)
        else:
            reason = f"One arm has no incident of {label} where it can be compared."
            part = not_estimable(Estimand.ODDS_RATIO, reason, method=_METHOD, level=level, support=counts)
        yield part.named("severity.ordinal.odds_ratio", label=label)


def _proportionality(tables: OrderedTables) -> Iterator[str]:
    """Do the cuts' own odds ratios differ? A Wald test, after Brant (1990, Biometrics 46:1171)."""
    over, under = tables.products
    kept = np.flatnonzero((over > 0) & (under > 0))
    if len(kept) < 2:
        yield "Proportional odds cannot be tested: fewer than two cuts have incidents in both arms."
        return
    ratios: Floats = np.divide(over, under, out=np.ones_like(over), where=(over > 0) & (under > 0))
    covariance = (tables.model_covariance(ratios) / np.outer(over, over).clip(min=1e-300))[np.ix_(kept, kept)]
    differences = np.diff(np.eye(len(kept)), axis=0)
    contrast = differences @ np.log(ratios[kept])
    spread = differences @ covariance @ differences.T
    statistic = float(contrast @ np.linalg.lstsq(spread, contrast, rcond=None)[0])
    p = float(chdtrc(len(contrast), statistic))
    yield (
        f"Same odds ratio at all {len(kept)} cuts (Wald test on independent deployments, after Brant 1990): chi-square "
        f"{statistic:.2f} on {len(contrast)} degrees of freedom, p {p:.2g}."
        + (" The odds ratio is an average over cuts that differ: read the parts." if p < 0.05 else "")
    )


def _between_clusters(scores: Floats) -> float:
    count = len(scores)
    return count / (count - 1) * float((scores**2).sum()) if count > 1 else 0.0


def _silence(outcome: OrderedOutcome, over: float, under: float) -> str:
    for arm in ("exposed", "unexposed"):
        if not outcome.support[f"{arm}_total"]:
            return f"No {arm} deployments, so there is nothing to compare."
    if not outcome.support["n_compared"]:
        return "No stratum holds exposed and unexposed deployments."
    if outcome.tables is None or not (over or under):
        return "No deployment was followed by an incident of known severity where it can be compared."
    if not over:
        return "No exposed deployment ended worse than an unexposed one of its stratum: the ratio would be zero."
    return "No unexposed deployment ended worse than an exposed one of its stratum: the ratio would be infinite."


def _few(outcome: OrderedOutcome) -> Iterator[str]:
    exposed, unexposed = (outcome.support[f"{arm}_events_compared"] for arm in ("exposed", "unexposed"))
    if min(exposed, unexposed) < FEW_EVENTS:
        yield (
            f"The strata compared hold {exposed} exposed and {unexposed} unexposed failures: with fewer than "
            f"{FEW_EVENTS} in an arm, normal limits are rough."
        )


def _one_cluster(degrees: int, cluster: str) -> Iterator[str]:
    if not degrees:
        yield f"All deployments compared lie in one {cluster}, so nothing is known about how {cluster}s differ."


def _unknown(consequences: Consequences) -> Iterator[str]:
    unknown, failed = unknown_among_failed(consequences, "severity")
    if unknown:
        yield f"{unknown} of {failed} failures have no severity and count as not severe."


def _left_out(consequences: Consequences) -> Iterator[str]:
    unknown, failed = unknown_among_failed(consequences, "severity")
    if unknown:
        yield f"{unknown} of {failed} failures have no severity and are left out."
