"""How fast did AI-assisted changes grow: from which base, and how sure?"""

from __future__ import annotations

from math import exp, isfinite, log, sqrt

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from counterfault.estimate import Estimand, Estimate, Interval, not_estimable

METHOD = "delete-one-service jackknife on the log scale, t with G−1 degrees of freedom"
EXACT = 1e-12  # a smaller standard error of a log ratio is rounding: an interval from it would be a point


def growth_in_share(labels: pd.DataFrame, base: str, last: str, level: float = 0.95) -> Estimate:
    """The AI share of labelled deployments in one period over that in an earlier one.

    Parameters
    ----------
    labels : columns ``service``, ``period``, ``assistance``, ``n``; one row per combination.
    base, last : the two periods compared.
    level : of the interval.

    Notes
    -----
    Services adopt at their own pace, so they are the independent units: the error is the jackknife over services
    (Efron and Stein 1981, Ann. Statist. 9:586), not that of independent deployments.

    Examples
    --------
    >>> labels, quarters = cf.showing.labels_by_service(counted), cf.showing.periods_in(counted)
    >>> growth = cf.growth_in_share(labels, quarters[0], quarters[-1], 0.95)
    """
    return _growth(labels[labels["assistance"] != "unknown"], base, last, level, per_deployment=True)


def growth_in_count(labels: pd.DataFrame, base: str, last: str, level: float = 0.95) -> Estimate:
    """AI-assisted deployments in one period over those in an earlier one; grows with the number of deployments too.

    Parameters and notes as for :func:`growth_in_share`.

    Examples
    --------
    >>> labels, quarters = cf.showing.labels_by_service(counted), cf.showing.periods_in(counted)
    >>> growth = cf.growth_in_count(labels, quarters[0], quarters[-1], 0.95)
    """
    return _growth(labels, base, last, level, per_deployment=False)


def _growth(labels: pd.DataFrame, base: str, last: str, level: float, *, per_deployment: bool) -> Estimate:
    table = _by_service(labels, base, last)
    whole = table.sum()
    support = {"n": int(whole[["n_base", "n_last"]].sum()), **{name: int(whole[name]) for name in table.columns}}
    label = f"{last} against {base}"
    if reason := _without_growth(whole, base, last):
        return not_estimable(Estimand.RATE_RATIO, reason, method=METHOD, level=level, support=support, label=label)
    value = _log_ratio(whole, per_deployment)
    error, degrees = _jackknife(table, per_deployment)
    known = isfinite(error) and error > EXACT
    half = float(stdtrit(degrees, 0.5 + level / 2)) * error if known else float("inf")
    return Estimate(
        estimand=Estimand.RATE_RATIO,
        value=exp(value),
        interval=Interval(exp(value - half), exp(value + half) if known else float("inf"), level),
        method=METHOD,
        support=support,
        label=label,
        standard_error=error if known else float("nan"),
        caveats=() if known else (_unknown_error(error),),
    )


def _without_growth(whole: pd.Series[int], base: str, last: str) -> str:
    """Why there is no ratio; empty if there is one."""
    if whole["ai_base"] == 0:
        return f"no AI-assisted deployment in {base}, so there is no base to grow from"
    if whole["ai_last"] == 0:
        return f"no AI-assisted deployment in {last}, so the ratio would be zero, without an interval"
    return ""


def _unknown_error(error: float) -> str:
    if isfinite(error):
        return "all services grew alike, so there is no variation between them to tell the uncertainty from"
    return "one service alone carries the growth, so its uncertainty cannot be told"


def _by_service(labels: pd.DataFrame, base: str, last: str) -> pd.DataFrame:
    """One row per service: ``ai_base``, ``n_base``, ``ai_last``, ``n_last``."""
    columns = {}
    for name, period in (("base", base), ("last", last)):
        chosen = labels[labels["period"] == period]
        columns[f"ai_{name}"] = chosen[chosen["assistance"] == "ai"].groupby("service")["n"].sum()
        columns[f"n_{name}"] = chosen.groupby("service")["n"].sum()
    return pd.DataFrame(columns).fillna(0).astype("int64")


def _log_ratio(counts: pd.Series[int], per_deployment: bool) -> float:
    ratio = counts["ai_last"] / counts["ai_base"]
    return log(ratio * counts["n_base"] / counts["n_last"] if per_deployment else ratio)


def _jackknife(table: pd.DataFrame, per_deployment: bool) -> tuple[float, int]:
    """Standard error of the log ratio and its degrees of freedom; NaN where leaving one out leaves nothing."""
    services, whole = len(table), table.sum()
    without = [whole - table.iloc[row] for row in range(services)]
    if services < 2 or any(rest["ai_base"] == 0 or rest["ai_last"] == 0 for rest in without):
        return float("nan"), 1
    values = np.array([_log_ratio(rest, per_deployment) for rest in without])
    return sqrt((services - 1) / services * float(((values - values.mean()) ** 2).sum())), services - 1
