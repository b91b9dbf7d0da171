"""What people read off the same tables today, each as the claim it would be quoted for.

Not straw men: each is a reading found in dashboards, vendor reports or engineering blogs. They are run beside ours so
that a reader sees what they cost.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, log, sqrt
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from counterfault.cells import Cells
from counterfault.estimators.tables import two_by_two
from counterfault.simulate import Simulated

Z = float(stats.norm.ppf(0.975))


class Reading(NamedTuple):
    """A ratio with its limits; NaN where a reading gives a direction only, which then stands in ``side``."""

    value: float
    low: float
    high: float
    side: int  # 1 claims harm, −1 claims benefit, 0 claims nothing

    @classmethod
    def of_log(cls, estimate: float, error: float) -> Reading:
        """From a log ratio and its standard error."""
        return cls.of(exp(estimate), exp(estimate - Z * error), exp(estimate + Z * error))

    @classmethod
    def of(cls, value: float, low: float, high: float) -> Reading:
        """An interval claims the side of 1 it lies on."""
        return cls(value, low, high, int(low > 1) - int(high < 1))


NOTHING = Reading(float("nan"), 0.0, float("inf"), 0)


def naive_readings(drawn: Simulated, cells: Cells) -> Mapping[str, Reading]:
    """Every naive reading of one organisation.

    Parameters
    ----------
    drawn : its tables.
    cells : its deployments, counted by the plan's link rule.
    """
    return {
        "crude ratio": crude(cells),
        "logit without clusters": logit_without_clusters(cells),
        "weekly correlation": weekly_correlation(drawn.deployments, drawn.incidents),
        "year on year": year_on_year(drawn.deployments, drawn.incidents),
    }


def crude(cells: Cells) -> Reading:
    """Failures per AI-assisted deployment over failures per other deployment, nothing held fixed."""
    found = two_by_two.risk_ratio_log(**cells.two_by_two()._asdict())
    return Reading.of(found.value, found.interval.low, found.interval.high) if found.estimable else NOTHING


def logit_without_clusters(cells: Cells) -> Reading:
    """A logistic regression on AI and the covariates, every deployment independent, services ignored.

    Its odds ratio is read as a risk ratio, as it usually is.
    """
    held = [name for name in ("author_tenure_days", "at_peak") if name in cells.frame]
    summed = cells.frame.groupby([*held, "exposed"])[["n", "events"]].sum().reset_index()
    dummies = [pd.get_dummies(summed[name].astype("str"), drop_first=True, dtype=float) for name in held]
    design = np.column_stack([np.ones(len(summed)), summed["exposed"], *dummies])
    return _logistic(design, summed["n"].to_numpy(float), summed["events"].to_numpy(float))


def _logistic(design: np.ndarray, n: np.ndarray, events: np.ndarray) -> Reading:
    if not 0 < events.sum() < n.sum():
        return NOTHING
    beta = np.zeros(design.shape[1])
    beta[0] = log(events.sum() / (n.sum() - events.sum()))
    for _ in range(25):
        risk = 1 / (1 + np.exp(-design @ beta))
        information = (design.T * (n * risk * (1 - risk))) @ design
        step = np.linalg.pinv(information, hermitian=True) @ (design.T @ (events - n * risk))
        beta = np.clip(beta + step, -30, 30)
        if np.abs(step).max() < 1e-9:
            break
    return Reading.of_log(float(beta[1]), sqrt(float(np.linalg.pinv(information, hermitian=True)[1, 1])))


def weekly_correlation(deployments: pd.DataFrame, incidents: pd.DataFrame) -> Reading:
    """Pearson's r of the weekly share of AI-assisted changes with the weekly share of changes that failed.

    A change failed when it was the last one of its service before an incident. p below 0.05 is quoted as a finding.
    """
    shipped = deployments.sort_values("deployed_at", kind="stable")
    suspects = incidents[incidents["cause"] != "other"].sort_values("started_at", kind="stable")
    blamed = pd.merge_asof(
        suspects[["started_at", "service"]],
        shipped[["deployed_at", "service", "deployment_id"]],
        left_on="started_at",
        right_on="deployed_at",
        by="service",
    )["deployment_id"].dropna()
    week = (shipped["deployed_at"] - shipped["deployed_at"].iloc[0]).dt.days // 7
    weekly = pd.DataFrame(
        {
            "ai": (shipped["assistance"] == "ai").groupby(week).mean(),
            "failed": shipped["deployment_id"].isin(set(blamed)).groupby(week).mean(),
        }
    )
    if (weekly.nunique() < 2).any():
        return NOTHING
    r, p = stats.pearsonr(weekly["ai"], weekly["failed"])
    return NOTHING._replace(side=int(np.sign(r)) if p < 0.05 else 0)


def year_on_year(deployments: pd.DataFrame, incidents: pd.DataFrame) -> Reading:
    """Incidents per change in the last six months over those in the same months a year before, while AI use grew."""
    last = deployments["deployed_at"].max()
    half, year = pd.Timedelta(days=181), pd.Timedelta(days=365)

    def per(table: pd.Series[pd.Timestamp], until: pd.Timestamp) -> int:
        return int(((table > until - half) & (table <= until)).sum())

    now, then = (per(incidents["started_at"], until) for until in (last, last - year))
    changes_now, changes_then = (per(deployments["deployed_at"], until) for until in (last, last - year))
    if not (now and then and changes_then):
        return NOTHING
    return Reading.of_log(log(now / changes_now * changes_then / then), sqrt(1 / now + 1 / then))


def oracle(drawn: Simulated) -> Reading:
    """Who knows every label, every failure and every change's risk without AI.

    Failures of the assisted over those expected without AI, beside the same of the others: the others are needed
    still, since nobody knows the level. Nothing an analyst has could do better.
    """
    routine = drawn.potential[~drawn.potential["reaction"]]
    assisted, failed = routine["assisted"].to_numpy(bool), routine["failed"].to_numpy(bool)
    expected = routine["p_human"].to_numpy(float)
    observed = [int((failed & arm).sum()) for arm in (assisted, ~assisted)]
    due = [float(expected[arm].sum()) for arm in (assisted, ~assisted)]
    if min(*observed, *due) <= 0:
        return NOTHING
    ratio = log(observed[0] / due[0]) - log(observed[1] / due[1])
    return Reading.of_log(ratio, sqrt(1 / observed[0] + 1 / observed[1]))
