"""Rates: events per unit of time, compared by Poisson regression with the time as an offset.

Counts of incidents vary more than Poisson counts do, because one cause brings several. Quasi-Poisson leaves
the rate ratio as it is and widens its error by the square root of the dispersion, estimated as Pearson's
X² over its degrees of freedom (McCullagh & Nelder 1989, Generalized Linear Models, sections 6.2 and 4.5).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from math import inf, sqrt

import numpy as np
import pandas as pd
from scipy.special import stdtr, stdtrit

from counterfault.estimate import Estimand, Estimate, Interval, not_estimable
from counterfault.estimators.bounded import exp_or_infinity
from counterfault.estimators.odds.irls import Family, GlmFit, fit_glm
from counterfault.estimators.poisson.cluster_robust import Floats
from counterfault.estimators.poisson.conditional_poisson import Mask, fitted_to_zero, identified_columns
from counterfault.estimators.poisson.regression_problem import NotComparableError
from counterfault.estimators.poisson.robust_limits import require_level

__all__ = ["ID", "Dispersion", "poisson_rate"]

ID = "regression.rate_ratio"
_MOST_LEVELS = 500
_FEWEST_DEGREES = 5


class Dispersion(Enum):
    """What is believed about the variance of a count: that it equals the mean, or a multiple of it."""

    POISSON = "Poisson"
    QUASI = "quasi-Poisson"


@dataclass(frozen=True, slots=True)
class _Rates:
    """Rows with time: ``design`` (m, k), exposure first; ``owner`` (k,) of each column; ``events``, ``time`` (m,)."""

    design: Floats
    owner: tuple[str, ...]
    events: Floats
    time: Floats


def poisson_rate(
    frame: pd.DataFrame,
    level: float = 0.95,
    *,
    exposed: str = "exposed",
    events: str = "incidents",
    time: str = "hours",
    factors: Sequence[str] = (),
    dispersion: Dispersion = Dispersion.QUASI,
) -> Estimate:
    """How many times as often do events happen per unit of time, for one unit more of the exposure?

    Parameters
    ----------
    frame : one row per count, e.g. a service in a month; rows without time are left out.
    level : confidence level of the two-sided interval.
    exposed : column of numbers, 0 and 1 for two groups; the ratio is per unit.
    events, time : columns of counts and of the time in which they were counted, in any one unit.
    factors : columns whose levels each multiply the rate.
    dispersion : what is believed about the variance. A dispersion below 1 is taken as 1, since counts that vary
        less than Poisson ones are rarely more than luck.

    Returns
    -------
    Estimate
        Rate ratio, id ``regression.rate_ratio``, limits exp(b ± t·se·√dispersion), t with the residual
        degrees of freedom (normal for ``Dispersion.POISSON``). Not estimable where exposure does not vary, cannot be
        told apart from a factor, or has events on one side only.

    Raises
    ------
    ValueError
        A column is absent or holds missing values, a count or a time is negative, there are events without time, or
        ``level`` is not in (0, 1).

    Notes
    -----
    Assumes that rows are independent given the factors and share one dispersion, which depends on how counts were
    split into rows. A level without events has a fitted rate of zero; its rows leave the fit and are named.
    """
    require_level(level)
    rates = _read(frame, exposed, events, time, tuple(dict.fromkeys(factors)))
    counts = {"n": len(rates.events), "events": int(rates.events.sum())}
    try:
        found = _estimate(rates, exposed, level, dispersion, counts)
    except NotComparableError as reason:
        method = _method(dispersion)
        found = not_estimable(Estimand.RATE_RATIO, str(reason), method=method, level=level, support=counts)
    return found.named(ID, adjustment=tuple(factors), design="across all rows")


def _estimate(rates: _Rates, exposed: str, level: float, dispersion: Dispersion, counts: dict[str, int]) -> Estimate:
    kept, columns = _usable(rates, exposed)
    design = np.hstack([rates.design[kept][:, columns], np.ones((int(kept.sum()), 1))])
    fit = fit_glm(design, rates.events[kept], rates.time[kept], Family.POISSON)
    if not fit.converged:
        raise NotComparableError("The fit did not settle: the log-likelihood is too flat to have a maximum.")
    factor, degrees = _spread(fit, dispersion)
    log_ratio, error = float(fit.coefficients[0]), float(fit.standard_errors[0]) * sqrt(factor)
    reach = float(stdtrit(degrees, 0.5 + level / 2)) * error
    return Estimate(
        estimand=Estimand.RATE_RATIO,
        value=exp_or_infinity(log_ratio),
        interval=Interval(exp_or_infinity(log_ratio - reach), exp_or_infinity(log_ratio + reach), level),
        method=_method(dispersion, fit, degrees),
        support={**counts, "fitted": int(kept.sum()), "coefficients": design.shape[1], "degrees": fit.residual_df},
        p_value=2 * float(stdtr(degrees, -abs(log_ratio / error))),
        standard_error=error,
        caveats=(*_few_degrees(fit, dispersion), *_overdispersed(fit, dispersion), *_left(rates, kept)),
    )


def _read(frame: pd.DataFrame, exposed: str, events: str, time: str, factors: tuple[str, ...]) -> _Rates:
    wanted = [exposed, events, time, *factors]
    if absent := [name for name in wanted if name not in frame]:
        raise ValueError(f"The frame has no column {', '.join(absent)}; it has {', '.join(map(str, frame.columns))}.")
    missing = frame[wanted].isna().any()
    if missing.any():
        raise ValueError(
            f"There are empty values in {', '.join(missing.index[missing])}; leave those rows out, or fill them."
        )
    counts, hours = frame[events].to_numpy(np.float64), frame[time].to_numpy(np.float64)
    if (counts < 0).any() or (hours < 0).any():
        raise ValueError(
            f"{events} and {time} are counted from 0 up; the smallest are {counts.min():g} and {hours.min():g}."
        )
    if counts[hours == 0].any():
        raise ValueError(
            f"{counts[hours == 0].sum():g} {events} happened in rows whose {time} is 0; a rate needs the time."
        )
    with_time = frame.loc[hours > 0]
    columns, owner = [with_time[exposed].to_numpy(np.float64)], [exposed]
    for name in factors:
        for value in with_time[name].value_counts().sort_index().sort_values(ascending=False, kind="stable").index[1:]:
            columns.append((with_time[name] == value).to_numpy(np.float64))
            owner.append(name)
    return _Rates(np.column_stack(columns), tuple(owner), counts[hours > 0], hours[hours > 0])


def _usable(rates: _Rates, exposed: str) -> tuple[Mask, list[int]]:
    """Rows with a fitted rate above zero, and the columns told apart there, exposure first."""
    if not rates.events.sum():
        raise NotComparableError(f"None of the {len(rates.events)} rows with time holds an event.")
    if len(rates.owner) > _MOST_LEVELS:
        raise NotComparableError(
            f"The factors have {len(rates.owner) - 1} levels beyond the first of each, and this regression takes "
            f"{_MOST_LEVELS}: condition on them instead (`total.risk_ratio`, or a self-controlled design)."
        )
    if np.ptp(rates.design[:, 0]) == 0:
        raise NotComparableError(f"{exposed} is {rates.design[0, 0]:g} in all rows, so there is nothing to compare.")
    everything = np.ones(len(rates.events), dtype=bool)
    columns = _identified(rates, everything)
    if 0 not in columns:
        raise NotComparableError(f"{exposed} cannot be told apart from {', '.join(dict.fromkeys(rates.owner[1:]))}.")
    one = np.zeros(len(rates.events), dtype=np.intp)
    kept: Mask = ~fitted_to_zero(rates.design[:, columns], rates.events, one)
    columns = _identified(rates, kept)
    if 0 not in columns:
        raise NotComparableError(
            f"Events fell on one side of {exposed} only, or on both at no equal level of the factors: the rate ratio "
            "has no finite estimate."
        )
    return kept, columns


def _identified(rates: _Rates, kept: Mask) -> list[int]:
    """Exposure is asked last, so that it never takes credit for a factor; it comes first in what is returned."""
    design = rates.design[kept]
    return sorted(identified_columns(design, np.zeros(len(design), dtype=np.intp), [*range(1, design.shape[1]), 0]))


def _spread(fit: GlmFit, dispersion: Dispersion) -> tuple[float, float]:
    """The factor of the variance, and the degrees of freedom of the t distribution."""
    if dispersion is Dispersion.POISSON or fit.residual_df < 1:
        return 1.0, inf
    return max(1.0, fit.dispersion), float(fit.residual_df)


def _method(dispersion: Dispersion, fit: GlmFit | None = None, degrees: float = inf) -> str:
    model = f"{dispersion.value} regression with log time as offset"
    if fit is None:
        return model
    if degrees == inf:
        return f"{model}; model-based standard error, normal distribution"
    raised = ", taken as 1" if fit.dispersion < 1 else ""
    return (
        f"{model}; dispersion {fit.dispersion:.2f} (Pearson's X² over its degrees of freedom){raised}, "
        f"t with {degrees:.0f} degrees of freedom"
    )


def _few_degrees(fit: GlmFit, dispersion: Dispersion) -> Iterator[str]:
    if dispersion is not Dispersion.QUASI:
        return
    if fit.residual_df < 1:
        yield "There are as many coefficients as rows, so the interval has to believe the Poisson variance."
    elif fit.residual_df < _FEWEST_DEGREES:
        yield f"The dispersion rests on {fit.residual_df} degrees of freedom, which is hardly a guess."


def _overdispersed(fit: GlmFit, dispersion: Dispersion) -> Iterator[str]:
    if dispersion is Dispersion.POISSON and fit.dispersion > 1.5:
        yield f"Counts vary {fit.dispersion:.1f} times as much as Poisson ones: the quasi-Poisson interval is wider."


def _left(rates: _Rates, kept: Mask) -> Iterator[str]:
    if not kept.all():
        yield (
            f"{int((~kept).sum())} rows ({rates.time[~kept].sum():g} of {rates.time.sum():g} units of time) left the "
            "fit: a level of theirs, or a combination, holds no event, so its fitted rate is zero and the ratio does "
            "not depend on it."
        )
