"""Among failed deployments only: were the incidents of exposed ones worse? A question with a trap in it.

Failing is a consequence of how the change was made. Those who fail are a selection, another one in each arm, so that a
difference here can arise without any effect on severity, and an effect can hide
(:mod:`~counterfault.estimators.consequences.severity` asks all deployments).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import exp, inf, sqrt

import numpy as np
import pandas as pd
from scipy.special import chdtrc, stdtr, stdtrit

from counterfault.estimate import Estimand, Estimate, Interval, not_estimable
from counterfault.estimators.consequences.consequence_tables import require, unknown_among_failed
from counterfault.estimators.consequences.proportional_odds import (
    Codes,
    Floats,
    OrdinalFit,
    ProportionalOdds,
    clustered_covariance,
)
from counterfault.estimators.tables.score import critical_value
from counterfault.panels import Consequences

_EXPOSED = 0
_LARGEST = 12.0  # a log odds ratio beyond this is on its way to infinity
_FEW_PER_COEFFICIENT = 5
_NO_MAXIMUM = "The fit has no finite maximum: severities do not overlap between the arms, or at a level of a covariate."


@dataclass(frozen=True)
class SeverityGivenFailure:
    """By what factor do the odds of a worse incident differ between failed exposed and failed other deployments?

    Parameters
    ----------
    adjust_for : stratum or cluster columns with a coefficient per level; ``None`` takes the strata without the cluster
        (the calendar block), because a coefficient per service would have a failure or two to rest on.

    Notes
    -----
    Proportional-odds regression (McCullagh 1980), standard error clustered (CR1, factor G/(G−1)) with t(G−1), or that
    of independent deployments where it is larger. Id ``severity.ordinal.odds_ratio.given_failure``. A likelihood-ratio
    test of proportional odds for exposure (a coefficient at every cut, as clm's ``nominal``) stands among the
    caveats; it takes deployments as independent. Levels with failures of one arm stay in: they inform the thresholds.

    Not estimable when failures of known severity lie in one arm or one severity, or when the arms do not overlap.

    Raises
    ------
    ValueError
        There is no severity, a column of ``adjust_for`` does not exist, a key is empty, or the level is not in (0, 1).
    """

    adjust_for: tuple[str, ...] | None = None

    def __call__(self, consequences: Consequences, level: float = 0.95) -> Estimate:
        critical_value(level)  # a bad level is an error even where there is nothing to compute
        require(consequences, "severity")
        adjust_for = self._columns(consequences)
        failed = _failed(consequences, adjust_for)
        reason = _silence(failed)
        answer = _silent(reason, failed, level) if reason else _fitted(failed, consequences.cluster, adjust_for, level)
        return answer.named(
            "severity.ordinal.odds_ratio.given_failure",
            design="among failed deployments",
            adjustment=adjust_for,
            outcome="severity 5 < … < severity 1",
            caveats=(*answer.caveats, *_selection(consequences)),
        )

    def _columns(self, consequences: Consequences) -> tuple[str, ...]:
        if self.adjust_for is None:
            return tuple(name for name in consequences.strata if name != consequences.cluster)
        known = (*consequences.strata, consequences.cluster)
        if unknown := [name for name in self.adjust_for if name not in known]:
            raise ValueError(
                f"Cannot adjust for {', '.join(unknown)}: the consequences can be adjusted for "
                f"{', '.join(dict.fromkeys(known))}."
            )
        return self.adjust_for


def _failed(consequences: Consequences, adjust_for: tuple[str, ...]) -> pd.DataFrame:
    """Counts of failed deployments by severity, one row per cluster × arm × level of the covariates."""
    frame = consequences.frame
    known = frame[(frame["failed"] == 1) & frame["severity"].notna() & (frame["n"] > 0)]
    keys = list(dict.fromkeys([consequences.cluster, "exposed", *adjust_for]))
    known = known.assign(severity=known["severity"].astype("int64"))
    wide = known.pivot_table(index=keys, columns="severity", values="n", aggfunc="sum", fill_value=0, observed=True)
    return wide[sorted(wide.columns, reverse=True)]


def _silence(failed: pd.DataFrame) -> str:
    if not len(failed):
        return "No deployment failed with a known severity."
    arms = failed.groupby(level="exposed").sum()
    if len(arms) < 2:
        return f"All failures of known severity are of {'exposed' if 1 in arms.index else 'unexposed'} deployments."
    if failed.shape[1] < 2:
        return f"All failures have severity {failed.columns[0]}."
    return ""


def _fitted(failed: pd.DataFrame, cluster: str, adjust_for: tuple[str, ...], level: float) -> Estimate:
    model = ProportionalOdds(failed.to_numpy(np.float64), _design(failed, adjust_for))
    fit = model.fit()
    position = model.counts.shape[1] - 1 + _EXPOSED
    log_ratio = float(fit.coefficients[position])
    if not fit.converged or abs(log_ratio) > _LARGEST or np.linalg.eigvalsh(fit.information)[0] <= 0:
        return _silent(_NO_MAXIMUM, failed, level)
    clusters: Codes = pd.factorize(failed.index.get_level_values(cluster))[0].astype(np.intp)
    error, reference = _error(model, fit, clusters, position, level)
    reach = float(stdtrit(reference, 0.5 + level / 2)) * error
    return Estimate(
        estimand=Estimand.ODDS_RATIO,
        value=exp(log_ratio),
        interval=Interval(exp(log_ratio - reach), exp(log_ratio + reach), level),
        method=_method(cluster, int(clusters.max()), clustered=reference < inf),
        support={**_support(failed), "clusters": int(clusters.max()) + 1},
        p_value=2 * float(stdtr(reference, -abs(log_ratio) / error)),
        standard_error=error,
        caveats=(*_proportionality(model, fit), *_few(failed, len(fit.coefficients))),
    )


def _design(failed: pd.DataFrame, adjust_for: tuple[str, ...]) -> Floats:
    """Exposure, then the levels that add something to it and to one another."""
    columns = [failed.index.get_level_values("exposed").to_numpy(np.float64)]
    for name in adjust_for:
        values = failed.index.get_level_values(name)
        columns.extend((values == level).astype(np.float64) for level in sorted(set(values))[1:])
    kept = [columns[_EXPOSED]]
    for column in columns[1:]:
        trial = np.column_stack([np.ones(len(failed)), *kept, column])
        if np.linalg.matrix_rank(trial) == trial.shape[1]:
            kept.append(column)
    return np.column_stack(kept)


def _error(
    model: ProportionalOdds, fit: OrdinalFit, clusters: Codes, position: int, level: float
) -> tuple[float, float]:
    """Standard error and degrees of freedom of whichever gives the wider interval."""
    plain, degrees = sqrt(float(fit.covariance[position, position])), float(clusters.max())
    if not degrees:
        return plain, inf
    robust = sqrt(float(clustered_covariance(model, fit, clusters)[position, position]))
    wider = float(stdtrit(degrees, 0.5 + level / 2)) * robust >= critical_value(level) * plain
    return (robust, degrees) if wider else (plain, inf)


def _proportionality(model: ProportionalOdds, fit: OrdinalFit) -> Iterator[str]:
    if model.counts.shape[1] < 3:
        yield "With two severities there is one cut, so proportional odds cannot fail."
        return
    freer = replace(model, nominal=_EXPOSED).fit()
    if not freer.converged:
        yield "Proportional odds could not be tested: a cut has failures of one arm only."
        return
    statistic, extra = 2 * (freer.log_likelihood - fit.log_likelihood), model.counts.shape[1] - 2
    yield (
        f"Same odds ratio at every cut (likelihood ratio): chi-square {statistic:.2f} on {extra} degrees of freedom, p "
        f"{float(chdtrc(extra, statistic)):.2g}."
    )


def _few(failed: pd.DataFrame, coefficients: int) -> Iterator[str]:
    count = int(failed.to_numpy().sum())
    if count < _FEW_PER_COEFFICIENT * coefficients:
        yield f"{count} failures carry {coefficients} coefficients, fewer than five each: the ratio is exaggerated."


def _selection(consequences: Consequences) -> Iterator[str]:
    yield (
        "Compares failed deployments only, and failing is itself a consequence of exposure: a difference here need not "
        "be an effect on severity."
    )
    unknown, failed = unknown_among_failed(consequences, "severity")
    if unknown:
        yield f"{unknown} of {failed} failures have no severity and are left out."


def _support(failed: pd.DataFrame) -> dict[str, int]:
    exposed = failed.index.get_level_values("exposed") == 1
    counts = failed.to_numpy().sum(axis=1) if failed.shape[1] else np.zeros(len(failed))
    return {
        "n": int(counts.sum()),
        "exposed_total": int(counts[exposed].sum()),
        "unexposed_total": int(counts[~exposed].sum()),
    }


def _silent(reason: str, failed: pd.DataFrame, level: float) -> Estimate:
    method = "proportional-odds regression (McCullagh 1980)"
    return not_estimable(Estimand.ODDS_RATIO, reason, method=method, level=level, support=_support(failed))


def _method(cluster: str, degrees: int, *, clustered: bool) -> str:
    error = (
        f"CR1 standard error by {cluster} (factor G/(G−1)), t with {degrees} degrees of freedom"
        if clustered
        else "error of independent deployments, the larger one; normal limits"
    )
    return f"proportional-odds regression (McCullagh 1980) by maximum likelihood; {error}"
