"""How the share of AI-assisted changes grew, and how many changes say nothing either way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from counterfault.figures.figure import Figure, drawn
from counterfault.figures.periods import count_axis, name_at_right, name_periods, require_columns, share_axis
from counterfault.figures.recipe import as_given, counted, redrawable, said, withheld
from counterfault.figures.sheet import Sheet
from counterfault.figures.svg import AI, HUMAN, UNKNOWN
from counterfault.figures.wording import clip, count, percent

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

PARTS = (("ai", "AI-assisted", AI), ("human", "not AI-assisted", HUMAN), ("unknown", "unknown", UNKNOWN))

COUNTS = ("ai", "human", "unknown")


@redrawable
def adoption(by_period: pd.DataFrame) -> Figure:
    """The share of AI-assisted changes among labelled ones per period, and the counts it rests on.

    Parameters
    ----------
    by_period : one row per period in order. Columns ``period`` (text) and the counts of changes ``ai``,
        ``human`` and ``unknown``; a count that is suppressed is text, and its period is a gap.

    Raises
    ------
    ValueError
        Where a column is missing or no row is there.
    """
    require_columns("adoption", by_period, ("period", "ai", "human", "unknown"))
    frame = _shares(counted(by_period, COUNTS))
    gaps = int(withheld(by_period, COUNTS).sum())
    caption = _finding(frame, gaps) + said(gaps, "period")
    return drawn(
        lambda width: _draw(width, frame),
        title="AI-assisted changes over time",
        caption=caption,
        alt=f"Two charts over {count(len(frame))} periods: the share of AI-assisted changes, and counts. {caption}",
        data=as_given(frame, by_period.reset_index(drop=True), COUNTS, ("ai_share", "unknown_share")),
    )


def _shares(by_period: pd.DataFrame) -> pd.DataFrame:
    frame = by_period[["period", "ai", "human", "unknown"]].reset_index(drop=True)
    frame["period"] = frame["period"].map(clip)
    labelled = frame["ai"] + frame["human"]
    frame["ai_share"] = (frame["ai"] / labelled).where(labelled > 0)
    everything = labelled + frame["unknown"]
    frame["unknown_share"] = (frame["unknown"] / everything).where(everything > 0)
    return frame


def _finding(frame: pd.DataFrame, gaps: int) -> str:
    known = frame.dropna(subset="ai_share")
    if known.empty:
        return "No share can be given." if gaps else "No change is labelled, so no share can be given."
    first, last = known.iloc[0], known.iloc[-1]
    then = f" and {percent(last['ai_share'])} in {last['period']}" if len(known) > 1 else ""
    told = (
        f"Of the changes known to be AI-assisted or not, {percent(first['ai_share'])} were AI-assisted in "
        f"{first['period']}{then}"
    )
    # A share of all would be one of the periods shown only, or give the others away.
    if gaps:
        return f"{told}."
    unknown = percent(frame["unknown"].sum() / max(frame[list(COUNTS)].to_numpy().sum(), 1))
    return f"{told}; of {unknown} of all changes it is unknown."


def _draw(width: int, frame: pd.DataFrame) -> Drawing:
    sheet = Sheet(width, 348)
    left, right = 44, width - (122 if sheet.narrow else 136)
    shares = sheet.axes(left, 30, right, 142)
    counts = sheet.axes(left, 192, right, 318)
    sheet.text(0, 10, "Share of changes", fontweight="bold")
    sheet.text(0, 172, "Number of changes", fontweight="bold")
    _draw_shares(shares, frame)
    _draw_counts(counts, frame)
    name_periods(counts, list(frame["period"]), right - left)
    shares.set_xlim(counts.get_xlim())
    shares.set_xticks([])
    shares.spines["bottom"].set_visible(True)
    return sheet.drawing


def _draw_shares(axes: Axes, frame: pd.DataFrame) -> None:
    share_axis(axes, [*frame["ai_share"], *frame["unknown_share"]])
    lines = (
        ("ai_share", "AI, of labelled", AI, "o", "-"),
        ("unknown_share", "unknown, of all", UNKNOWN, "s", (0, (4, 2))),
    )
    names = []
    for column, words, colour, marker, dash in lines:
        known = frame[column].dropna()
        axes.plot(frame.index, frame[column], color=colour, linestyle=dash, linewidth=2, clip_on=False)
        axes.plot(known.index, known, color=colour, marker=marker, markersize=5, linestyle="none", clip_on=False)
        if len(known):
            names.append((float(known.iloc[-1]), words))
    name_at_right(axes, names, 112)


def _draw_counts(axes: Axes, frame: pd.DataFrame) -> None:
    whole = frame.dropna(subset=list(COUNTS))  # a bar without one of its parts would show the others at false heights
    count_axis(axes, whole[list(COUNTS)].sum(axis=1).max() if len(whole) else 1)
    floor = whole["ai"] * 0
    names = []
    for column, words, colour in PARTS:
        axes.bar(whole.index, whole[column], bottom=floor, color=colour, width=0.78, zorder=2)
        if whole[column].any():
            names.append((float(floor.iloc[-1] + whole[column].iloc[-1] / 2), words))
        floor = floor + whole[column]
    name_at_right(axes, names, 126)
