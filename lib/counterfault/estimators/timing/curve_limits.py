"""Limits of a risk that builds up over time, and the curve as a table for the figure."""

from __future__ import annotations

from math import log, nan

import numpy as np
import pandas as pd

from counterfault.estimators.poisson.cluster_robust import Floats
from counterfault.estimators.tables.score import critical_value
from counterfault.estimators.timing import aalen_johansen
from counterfault.estimators.timing.aalen_johansen import Incidence
from counterfault.estimators.timing.compared_arms import Arms
from counterfault.estimators.timing.event_times import EventTimes
from counterfault.estimators.timing.wider_error import WiderError

COLUMNS = ("exposed", "time", "risk", "low", "high", "at_risk", "events")


def log_log_limits(risk: Floats, error: Floats, multiplier: float) -> tuple[Floats, Floats]:
    """Limits of rising risks (K,) that are symmetric for log(−log(1 − risk)) and so stay between 0 and 1.

    Where the risk is 1 that scale ends: the upper limit is 1, and the lower is the last one before (or 0).

    Parameters
    ----------
    risk, error : (K,) and their standard errors, on the plain scale.
    multiplier : of the standard error, e.g. 1.96.
    """
    inside = (risk > 0) & (risk < 1)
    alive = np.where(inside, 1 - risk, 0.5)
    reach = np.minimum(multiplier * error / (alive * -np.log(alive)), 700.0)  # as far as exp goes
    low = np.where(inside, 1 - alive ** np.exp(-reach), np.where(risk < 1, 0.0, nan))
    high: Floats = np.where(inside, 1 - alive ** np.exp(reach), 1.0)
    filled: Floats = np.asarray(pd.Series(low).ffill().fillna(0.0), dtype=np.float64)
    return filled, high


def limits_at_the_end(arms: Arms, exposed: bool, error: WiderError, level: float) -> tuple[float, float]:
    """Limits of the risk of one arm at the end of its watch."""
    risk = arms.curve(exposed).final
    if risk == 0:
        return 0.0, highest_without_incidents(arms, exposed, level)
    low, high = log_log_limits(np.array([risk]), np.array([error.error(level)]), error.multiplier(level))
    return float(low[0]), float(high[0])


def highest_without_incidents(arms: Arms, exposed: bool, level: float) -> float:
    """With no incident seen: the risk at the horizon under which that still had probability (1 − level)/2.

    Incidents are taken as Poisson at a constant hazard over the hours watched; where weights differ, each hour counts
    as if it had the largest (Fay & Feuer 1997, Statistics in Medicine 16:791).
    """
    rows, weights = arms.rows(exposed), arms.weights(exposed)
    hours = float((rows.copies * weights * (rows.exit - rows.entry)).sum()) / float(weights.max())
    return -float(np.expm1(log((1 - level) / 2) * arms.horizon / hours))


def final_variance(curve: Incidence) -> float:
    """Variance of the risk at the end, deployments being independent; 0 where nothing happened."""
    variances = aalen_johansen.variance(curve)
    return float(variances[-1]) if len(variances) else 0.0


def curve_frame(arms: Arms, level: float) -> pd.DataFrame:
    """Both curves, one row per arm × moment with an incident and one at either end; columns :data:`COLUMNS`."""
    frames = [_of_one_arm(arms, exposed, level) for exposed in (True, False) if arms.has(exposed)]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(COLUMNS))


def _of_one_arm(arms: Arms, exposed: bool, level: float) -> pd.DataFrame:
    curve = arms.curve(exposed)
    seen = curve.incidents > 0
    risk, errors = curve.risk[seen], np.sqrt(aalen_johansen.variance(curve))[seen]
    low, high = log_log_limits(risk, errors, critical_value(level))
    inner = np.column_stack([curve.times[seen], risk, low, high, curve.at_risk[seen], curve.incidents[seen]])
    rows = arms.rows(exposed)
    first = (0.0, 0.0, 0.0, 0.0, _watched_at(rows, 0.0), 0.0)
    steps = np.vstack([first, inner])
    if (end := arms.watched_to(exposed)) > steps[-1, 0]:
        ceiling = high[-1] if seen.any() else highest_without_incidents(arms, exposed, level)
        steps = np.vstack([steps, (end, steps[-1, 1], steps[-1, 2], ceiling, _watched_at(rows, end), 0.0)])
    columns = [np.full(len(steps), int(exposed)), *steps[:, :4].T, *steps[:, 4:].T.astype(np.int64)]
    return pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))


def _watched_at(rows: EventTimes, time: float) -> float:
    """Deployments under watch at this age, those that end there included; at 0, those watched from the start."""
    return float(rows.copies[(rows.entry < time) & (rows.exit >= time) | (rows.entry == 0) & (time == 0)].sum())
