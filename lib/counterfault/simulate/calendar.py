"""When things happen: working hours for changes, load for everything else.

Times are whole seconds since the first day's midnight, UTC, until the tables are written.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.random import Generator
from numpy.typing import NDArray

from counterfault.simulate.organisation import Scale

Seconds = NDArray[np.int64]

HOUR = 3_600
DAY = 86_400

# Customers are busiest around midday and in the evening; engineers ship from morning to late afternoon.
# The overlap is the midday peak, so about a third of all changes meet peak load.
PEAK_HOURS = np.array([11, 12, 13, 18, 19, 20])
SHIPPING_BY_HOUR = np.array(
    [0.2, 0.1, 0.1, 0.1, 0.2, 0.4, 1, 3, 7, 10, 11, 10, 7, 8, 10, 10, 8, 5, 2.5, 1.5, 1, 0.8, 0.5, 0.3]
)
SHIPPING_AT_PEAK = float(SHIPPING_BY_HOUR[PEAK_HOURS].sum() / SHIPPING_BY_HOUR.sum())
SHIPPING_BY_WEEKDAY = np.array([1.0, 1.1, 1.1, 1.05, 0.75, 0.05, 0.04])  # Monday first


def at_peak(seconds: Seconds) -> NDArray[np.bool_]:
    """Whether a moment lies in the hours of full load."""
    return np.isin(seconds % DAY // HOUR, PEAK_HOURS)


def next_peak(seconds: Seconds, rng: Generator) -> Seconds:
    """A moment in the next hour of full load: when a silent failure meets the load that shows it."""
    hour = seconds // HOUR
    ahead = np.min((PEAK_HOURS[None, :] - hour[:, None] - 1) % 24 + 1, axis=1)
    later: Seconds = (hour + ahead) * HOUR + rng.integers(0, HOUR, len(seconds))
    return np.where(at_peak(seconds), seconds, later)


def elapsed(seconds: Seconds, scale: Scale) -> NDArray[np.float64]:
    """Calendar time as a fraction of the record, 0 to 1."""
    return seconds / scale.seconds


def week(seconds: Seconds) -> Seconds:
    """Which week of the record a moment lies in, counted from its first day."""
    return seconds // (7 * DAY)


def shipping_times(scale: Scale, count: int, rng: Generator) -> Seconds:
    """When routine changes reach production: weekdays, working hours, growing volume."""
    day = np.arange(scale.days)
    weekday = (day + scale.first_day.weekday()) % 7
    growth = 1 + (scale.volume_growth - 1) * day / scale.days
    return _draw(count, growth * SHIPPING_BY_WEEKDAY[weekday], SHIPPING_BY_HOUR, rng)


def trouble_times(scale: Scale, count: int, peak_ratio: float, rng: Generator) -> Seconds:
    """When unrelated incidents begin: any day, `peak_ratio` times as often at peak load."""
    by_hour = np.where(np.isin(np.arange(24), PEAK_HOURS), peak_ratio, 1.0)
    return _draw(count, np.ones(scale.days), by_hour, rng)


def _draw(count: int, by_day: NDArray[np.float64], by_hour: NDArray[np.float64], rng: Generator) -> Seconds:
    day = rng.choice(len(by_day), count, p=by_day / by_day.sum())
    hour = rng.choice(24, count, p=by_hour / by_hour.sum())
    times: Seconds = day * DAY + hour * HOUR + rng.integers(0, HOUR, count)
    return times


def timestamps(seconds: NDArray[Any], scale: Scale) -> pd.DatetimeIndex:
    """Seconds since the first day as UTC times; NaN becomes a missing time."""
    missing = np.isnan(seconds)
    since = np.where(missing, 0, seconds).astype(np.int64).astype("timedelta64[s]")
    times = np.datetime64(scale.first_day, "us") + since
    times[missing] = np.datetime64("NaT")
    return pd.DatetimeIndex(times).tz_localize("UTC")
