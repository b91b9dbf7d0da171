"""One study over its runs: what the primary estimate was each time, and when the answer changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from counterfault.estimate import Estimate
from counterfault.figures.figure import Figure, drawn
from counterfault.figures.periods import LETTER
from counterfault.figures.sheet import Sheet, even_range, ratio_range
from counterfault.figures.svg import INK, QUIET, ZONE
from counterfault.figures.upright import difference_axis, ratio_axis
from counterfault.figures.wording import (
    MONTHS,
    count,
    day_words,
    unbounded,
    value_and_limits,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

TITLE = "The answer over time"
# Pixels from the top: signs of the calls, the plot, the row of runs without an estimate, the dates.
SIGN_AT, TOP, BOTTOM, SILENT_AT, HEIGHT = 12, 28, 232, 250, 290
LEFT = 46
# More changes than this are told by the table: lines side by side would only hatch the picture.
MOST_CHANGES, MOST_PLANS = 12, 6


@dataclass(frozen=True)
class PastRun:
    """One run of a study, as its history shows it.

    Attributes
    ----------
    when : the moment it ended, with its zone.
    estimate : its primary estimate; None where the run failed or had none.
    words : its call in words.
    sign : the call's sign.
    failed : whether it ended without an answer.
    plan : digest of its plan; where it changes, the axis has a mark.
    """

    when: datetime
    estimate: Estimate | None = None
    words: str = "failed"
    sign: str = ""
    failed: bool = False
    plan: str = ""


def history(runs: Sequence[PastRun], *, worth_acting_on: float | None = None, title: str = TITLE) -> Figure:
    """Estimates with their intervals over the dates of their runs, with a line wherever the call changed.

    Parameters
    ----------
    runs : of one study, in any order. Estimates must have one estimand; a run without a value is a cross or a circle
        below the axis.
    worth_acting_on : the threshold of the newest plan; shades what is too small to act on, for ratios.
    title : what is shown.

    Raises
    ------
    ValueError
        Where there is no run, or the estimates are not all of one kind.
    """
    runs = sorted(runs, key=lambda run: run.when)
    _require_one_estimand(runs)
    caption = _finding(runs)
    return drawn(
        lambda width: _draw(width, runs, worth_acting_on),
        title=title,
        caption=caption,
        alt=f"One point with its interval per run, by date. {caption}",
        data=history_frame(runs),
    )


def history_frame(runs: Sequence[PastRun]) -> pd.DataFrame:
    """The numbers of a history, one row per run, oldest first."""
    import pandas as pd

    rows = [
        {
            "run of": run.when.astimezone(UTC).strftime("%Y-%m-%d %H:%M"),
            "answer": run.words,
            "estimate": run.estimate.value if run.estimate else None,
            "low": run.estimate.interval.low if run.estimate and run.estimate.estimable else None,
            "high": run.estimate.interval.high if run.estimate and run.estimate.estimable else None,
        }
        for run in runs
    ]
    return pd.DataFrame(rows).astype(dict.fromkeys(("estimate", "low", "high"), float))


def _require_one_estimand(runs: Sequence[PastRun]) -> None:
    if not runs:
        raise ValueError("history: there is no run, so there is nothing to draw")
    kinds = sorted({run.estimate.estimand.label for run in runs if run.estimate})
    if len(kinds) > 1:
        raise ValueError(f"history: the runs estimate different things ({', '.join(kinds)}); draw one kind at a time")


# --- in words --------------------------------------------------------------------------------------------------------


def _finding(runs: Sequence[PastRun]) -> str:
    answered = [run for run in runs if not run.failed]
    return " ".join(
        filter(None, (_span(runs, len(answered)), _changes(answered), _newest(answered), _key(runs, answered)))
    )


def _span(runs: Sequence[PastRun], answered: int) -> str:
    first, last = (day_words(run.when.astimezone(UTC)) for run in (runs[0], runs[-1]))
    dates = f"on {first}" if first == last else f"from {first} to {last}"
    failed = len(runs) - answered
    failures = f", {count(failed)} of them failed" if failed and len(runs) > 1 else ", which failed" if failed else ""
    return f"{count(len(runs))} run{'s' if len(runs) > 1 else ''} {dates}{failures}."


def _changes(answered: Sequence[PastRun]) -> str:
    changes = changes_of_call(answered)
    if not changes:
        return "The answer never changed." if len(answered) > 1 else ""
    before, after = changes[-1]
    last = f"on {day_words(after.when.astimezone(UTC))}, from “{before.words}” to “{after.words}”"
    return f"The answer changed {'once,' if len(changes) == 1 else f'{len(changes)} times, last'} {last}."


def changes_of_call(answered: Sequence[PastRun]) -> list[tuple[PastRun, PastRun]]:
    """Neighbours whose calls differ: the run before and the run after each change."""
    return [(one, other) for one, other in pairwise(answered) if one.words != other.words]


def _newest(answered: Sequence[PastRun]) -> str:
    if not answered:
        return ""
    newest = answered[-1]
    if newest.estimate is None:
        return f"The newest answer is “{newest.words}”."
    name = newest.estimate.estimand.label
    return f"The newest {name} is {value_and_limits(newest.estimate)}: “{newest.words}”."


def _key(runs: Sequence[PastRun], answered: Sequence[PastRun]) -> str:
    """What the marks mean, for those that are there."""
    silent = any(not (run.estimate and run.estimate.estimable) for run in answered)
    marks = {
        "a dotted line, the answer changed": 0 < len(changes_of_call(answered)) <= MOST_CHANGES,
        "a tick on the axis, the plan changed": bool(_changes_of_plan(answered)),
        "a cross below, a run that failed": len(answered) < len(runs),
        "a circle below, a run without an estimate": silent,
    }
    told = "; ".join(words for words, there in marks.items() if there)
    return f"Marks: {told}." if told else ""


def _changes_of_plan(answered: Sequence[PastRun]) -> list[PastRun]:
    return [after for before, after in pairwise(answered) if before.plan != after.plan]


# --- in a picture ----------------------------------------------------------------------------------------------------


def _draw(width: int, runs: Sequence[PastRun], worth_acting_on: float | None) -> Drawing:
    sheet = Sheet(width, HEIGHT)
    right = width - 12
    axes = sheet.axes(LEFT, TOP, right, BOTTOM)
    known = [(run.when, run.estimate) for run in runs if run.estimate and run.estimate.estimable]
    _effects_axis(axes, [estimate for _, estimate in known], worth_acting_on)
    _dates(axes, runs, right - LEFT)
    _intervals(axes, known, (right - LEFT) / max(len(runs), 1))
    _silent(axes, runs)
    _calls(axes, runs)
    _plans(axes, runs)
    return sheet.drawing


def _effects_axis(axes: Axes, estimates: Sequence[Estimate], worth_acting_on: float | None) -> None:
    if estimates and not estimates[0].estimand.is_ratio:
        values = [value for item in estimates for value in (item.value, item.interval.low, item.interval.high)]
        difference_axis(axes, *even_range(values), 1)
        return
    zone = [] if worth_acting_on is None else [1 / worth_acting_on, worth_acting_on]
    ends = [end for item in estimates for end in (item.interval.low, item.interval.high)]
    ratio_axis(axes, *ratio_range([*zone, 0.9, 1.1, *(item.value for item in estimates)], ends))
    if zone:
        axes.axhspan(*zone, color=ZONE, alpha=0.16, linewidth=0, zorder=0)
        for edge in zone:
            axes.axhline(edge, color=QUIET, linewidth=1, linestyle=(0, (4, 3)), zorder=1)


def _place(when: datetime) -> float:
    return when.timestamp() / 86400


def _dates(axes: Axes, runs: Sequence[PastRun], width: float) -> None:
    """Dates below the axis: whole months where there are enough of them, days otherwise."""
    low, high = _place(runs[0].when), _place(runs[-1].when)
    margin = max(0.04 * (high - low), 0.5)
    axes.set_xlim(low - margin, high + margin)
    ticks = _ticks(runs[0].when.astimezone(UTC), runs[-1].when.astimezone(UTC), int(width / (13 * LETTER)))
    axes.set_xticks([_place(when) for when, _ in ticks], [words for _, words in ticks])
    axes.tick_params(axis="x", pad=26)


def _ticks(first: datetime, last: datetime, most: int) -> list[tuple[datetime, str]]:
    months = _month_starts(first, last)
    if len(months) >= 3:
        step = -(-len(months) // most)
        return [(when, f"{MONTHS[when.month - 1]} {when.year}") for when in months[::-step][::-1]]
    start = first.replace(hour=0, minute=0, second=0, microsecond=0)
    days = [start + timedelta(days=number) for number in range((last - start).days + 1)]
    step = max(1, -(-len(days) // most))
    return [(when, day_words(when)) for when in days[::-step][::-1]]


def _month_starts(first: datetime, last: datetime) -> list[datetime]:
    places = range(first.year * 12 + first.month, last.year * 12 + last.month)
    return [datetime(place // 12, place % 12 + 1, 1, tzinfo=UTC) for place in places]


def _intervals(axes: Axes, known: Sequence[tuple[datetime, Estimate]], room: float) -> None:
    """All intervals and points, thinner where many runs share the width."""
    if not known:
        return
    bottom, top = axes.get_ylim()
    places = [_place(when) for when, _ in known]
    lows = [bottom if unbounded(item)[0] else max(item.interval.low, bottom) for _, item in known]
    highs = [top if unbounded(item)[1] else min(item.interval.high, top) for _, item in known]
    weight = min(1.0, max(room / 8, 0.35))
    axes.vlines(places, lows, highs, color=INK, linewidth=2 * weight, zorder=3)
    style: dict[str, Any] = {"linestyle": "none", "color": INK, "clip_on": False}
    axes.plot(places, [item.value for _, item in known], marker="o", markersize=7 * weight, zorder=4, **style)
    for ends, edge, arrow in ((lows, bottom, "v"), (highs, top, "^")):
        cut = [(x, y) for x, y in zip(places, ends, strict=True) if y == edge]
        if cut:
            axes.plot(*zip(*cut, strict=True), marker=arrow, markersize=6 * weight, zorder=3, **style)


def _silent(axes: Axes, runs: Sequence[PastRun]) -> None:
    """Runs without a value stand below the axis: a cross failed, a circle found nothing it could estimate."""
    height = (BOTTOM - SILENT_AT) / (BOTTOM - TOP)
    for marker, failed in (("x", True), ("o", False)):
        places = [
            _place(run.when) for run in runs if run.failed is failed and not (run.estimate and run.estimate.estimable)
        ]
        if places:
            axes.plot(
                places, [height] * len(places), transform=axes.get_xaxis_transform(), linestyle="none", marker=marker,
                markersize=6, markerfacecolor="none", color=INK, clip_on=False,
            )  # fmt: skip


def _calls(axes: Axes, runs: Sequence[PastRun]) -> None:
    """The sign of the first call at its run, and a dashed line with the new sign wherever it changes."""
    answered = [run for run in runs if not run.failed]
    if not answered:
        return
    changes = [after for _, after in changes_of_call(answered)]
    height = 1 + (TOP - SIGN_AT) / (BOTTOM - TOP)
    named = [answered[0], *changes] if len(changes) <= MOST_CHANGES else []
    for run in named:
        axes.text(_place(run.when), height, run.sign, transform=axes.get_xaxis_transform(), ha="center", va="center")
    for run in changes if named else ():
        axes.axvline(_place(run.when), color=QUIET, linewidth=1, linestyle=(0, (2, 3)), zorder=1)


def _plans(axes: Axes, runs: Sequence[PastRun]) -> None:
    changes = _changes_of_plan([run for run in runs if not run.failed])
    for run in changes:
        axes.axvline(_place(run.when), 0, 0.05, color=INK, linewidth=1.5, zorder=2)
        if len(changes) <= MOST_PLANS:
            place = (_place(run.when), 0.09)
            axes.text(*place, "plan", transform=axes.get_xaxis_transform(), ha="center", va="center", fontsize=11)
