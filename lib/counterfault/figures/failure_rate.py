"""How often changes were followed by an incident, period by period, for both groups."""

from __future__ import annotations

from math import isnan, nan, sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING

from counterfault.figures.figure import Figure, drawn
from counterfault.figures.periods import name_at_right, name_periods, require_columns, share_axis
from counterfault.figures.recipe import as_given, counted, redrawable, said, withheld
from counterfault.figures.sheet import Sheet
from counterfault.figures.svg import AI, HUMAN
from counterfault.figures.wording import clip, count, percent

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

# Both groups of a period stand beside each other, so that neither interval hides the other.
GROUPS = (
    (0, "not AI-assisted", HUMAN, "s", -0.14),
    (1, "AI-assisted", AI, "o", 0.14),
)

COUNTS, DERIVED = ("n", "events"), ("risk", "low", "high")


@redrawable
def failure_rates(by_period: pd.DataFrame, *, level: float = 0.95) -> Figure:
    """The share of changes followed by an incident per period and group, with score intervals.

    Parameters
    ----------
    by_period : one row per period and group, periods in order. Columns ``period`` (text), ``exposed``
        (1 for AI-assisted, 0 for not), ``n`` (changes) and ``events`` (changes followed by an incident); a count that
        is suppressed is text, and its group has no point there.
    level : confidence level of each interval.

    Raises
    ------
    ValueError
        Where a column is missing or no row is there.

    Notes
    -----
    Intervals are Wilson's score limits, one proportion at a time; they compare nothing, and unequal
    services and teams are not held apart here.
    """
    require_columns("failure_rates", by_period, ("period", "exposed", "n", "events"))
    by_period = by_period.reset_index(drop=True)
    frame = _rates(counted(by_period, COUNTS), level)
    gaps = withheld(by_period, COUNTS)
    caption = _finding(frame, level) + said(int(gaps.sum()), "point")
    return drawn(
        lambda width: _draw(width, frame),
        title="Changes followed by an incident",
        caption=caption,
        alt=f"Points with {percent(level)} intervals per period for AI-assisted and other changes. {caption}",
        data=as_given(frame.drop(columns="place"), by_period, COUNTS, DERIVED).reset_index(drop=True),
    )


def wilson(events: int, n: int, level: float) -> tuple[float, float]:
    """Score limits of one proportion.

    References
    ----------
    Wilson (1927), Journal of the American Statistical Association 22:209; recommended over Wald's by
    Newcombe (1998), Statistics in Medicine 17:857, method 3.
    """
    z = NormalDist().inv_cdf(0.5 + level / 2)
    middle = (events + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * sqrt(events * (n - events) / n + z * z / 4)
    return max(0.0, middle - half), min(1.0, middle + half)


def _rates(by_period: pd.DataFrame, level: float) -> pd.DataFrame:
    frame = by_period[["period", "exposed", "n", "events"]].copy()
    order = {period: place for place, period in enumerate(dict.fromkeys(frame["period"]))}
    frame["place"] = frame["period"].map(order)
    frame["period"] = frame["period"].map(clip)
    # A period in which a group made no change has no risk, and no point.
    frame = frame[frame["n"] != 0].copy()
    frame["risk"] = frame["events"] / frame["n"]
    ends = [_limits(e, n, level) for e, n in zip(frame["events"], frame["n"], strict=True)]
    frame["low"] = [low for low, _ in ends]
    frame["high"] = [high for _, high in ends]
    return frame


def _limits(events: float, n: float, level: float) -> tuple[float, float]:
    return (nan, nan) if isnan(events) or isnan(n) else wilson(int(events), int(n), level)


def _finding(frame: pd.DataFrame, level: float) -> str:
    parts = []
    for group, name, *_ in reversed(GROUPS):
        rows = frame.loc[frame["exposed"] == group, list(COUNTS)]
        # The sum of what is shown is not the sum of all, and the sum of all would give away what is not shown.
        if rows.isna().any(axis=None):
            parts.append(f"{name}: no share of all periods, because of those suppressed")
            continue
        parts.append(_told(name, int(rows["events"].sum()), int(rows["n"].sum()), level))
    return "; ".join(parts) + ". This does not yet compare like with like."


def _told(name: str, events: int, n: int, level: float) -> str:
    if n == 0:
        return f"{name}: no changes"
    low, high = wilson(events, n, level)
    return (
        f"{name}: {count(events)} of {count(n)} were followed by an incident, {percent(events / n)} "
        f"({percent(low)} to {percent(high)})"
    )


def _draw(width: int, frame: pd.DataFrame) -> Drawing:
    sheet = Sheet(width, 246)
    left, right = 44, width - (116 if sheet.narrow else 130)
    axes = sheet.axes(left, 10, right, 216)
    share_axis(axes, list(frame["high"]))
    names = frame.drop_duplicates("place").sort_values("place")["period"]
    name_periods(axes, list(names), right - left)
    labels = []
    for group, words, colour, marker, shift in GROUPS:
        rows = frame[frame["exposed"] == group].sort_values("place")
        if rows["risk"].notna().any():
            _points(axes, rows, colour, marker, shift)
            labels.append((float(rows["risk"].dropna().iloc[-1]), words))
    name_at_right(axes, labels, 206)
    return sheet.drawing


def _points(axes: Axes, rows: pd.DataFrame, colour: str, marker: str, shift: float) -> None:
    at = rows["place"] + shift
    axes.vlines(at, rows["low"], rows["high"], color=colour, linewidth=1.6, zorder=2)
    face = colour if marker == "o" else "none"
    axes.plot(at, rows["risk"], color=colour, linewidth=1, alpha=0.55, zorder=1)
    axes.plot(
        at, rows["risk"], linestyle="none", marker=marker, markersize=6, color=colour, markerfacecolor=face,
        markeredgewidth=1.6, zorder=3, clip_on=False,
    )  # fmt: skip
