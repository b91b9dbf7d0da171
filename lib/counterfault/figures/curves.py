"""Shares drawn as curves over a number: what would be at each share of AI, or what had happened by each hour."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from math import isnan
from typing import TYPE_CHECKING, Any

from counterfault.figures.figure import Figure, drawn
from counterfault.figures.periods import name_at_right, require_columns, share_axis
from counterfault.figures.recipe import redrawable
from counterfault.figures.sheet import Sheet
from counterfault.figures.svg import AI, HUMAN, INK, QUIET
from counterfault.figures.wording import clip, number, percent

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

COLOURS = {"AI-assisted": AI, "not AI-assisted": HUMAN}
DASHES = ("-", (0, (6, 2)), (0, (2, 2)), (0, (6, 2, 1, 2)))


@redrawable
def failures_by_share(curves: pd.DataFrame, here: float) -> Figure:
    """The share of failures that are AI-assisted, for each share of changes and several ratios.

    Parameters
    ----------
    curves : columns ``ratio``, ``share_of_changes``, ``share_of_failures``; each ratio's rows in order.
    here : the share of changes to mark.

    Raises
    ------
    ValueError
        Where a column is missing or no row is there.
    """
    require_columns("failures_by_share", curves, ("ratio", "share_of_changes", "share_of_failures"))
    frame = curves.rename(columns={"share_of_changes": "x", "share_of_failures": "share"})
    frame["line"] = [f"ratio {number(ratio)}" for ratio in frame["ratio"]]
    caption = f"With no effect at all, AI-assisted changes are {percent(here)} of the changes and of the failures here."
    return drawn(
        lambda width: _draw(width, frame, "share of changes that are AI-assisted", here, percents=True),
        title="AI-assisted failures, by share of changes",
        caption=caption,
        alt=f"One curve per ratio, rising from nothing to all. {caption}",
        data=curves,
    )


@redrawable
def time_to_incident(curves: pd.DataFrame, *, level: float | None = None, within: str = "") -> Figure:
    """The share of deployments with an incident by each hour after them, for both groups.

    Parameters
    ----------
    curves : columns ``group`` ("AI-assisted" or "not AI-assisted"), ``hours``, ``risk``, ``low``, ``high``; rows of
        each group in order of time. Of the limits only those of each group's last row are shown, at the end of its
        curve. ``events`` (incidents that began at each moment) may stand beside them; without it nobody can say how
        many incidents a step is, and the picture is not published.
    level : of those limits.
    within : what the other deployments have in common with the AI-assisted ones, such as "services and quarters".

    Raises
    ------
    ValueError
        Where a column is missing or no row is there.
    """
    require_columns("time_to_incident", curves, ("group", "hours", "risk", "low", "high"))
    frame = curves.rename(columns={"group": "line", "hours": "x", "risk": "share"})
    frame = frame.astype({"low": "float64", "high": "float64"})
    last = frame.groupby("line", sort=False).tail(1).to_dict("records")
    told = ", and ".join(_told(row, at, level, within) for at, row in enumerate(last))
    caption = f"Within {frame['x'].max():g} hours {told}; watching ends at the next deployment."
    return drawn(
        lambda width: _draw(width, frame, "hours since the deployment", None, percents=False),
        title="Time from deployment to incident",
        caption=caption,
        alt=f"Two rising step curves, each with an interval at its end. {caption}",
        data=curves,
    )


def _told(row: Mapping[Hashable, Any], at: int, level: float | None, within: str) -> str:
    """The share of one group at the end, with its limits; the second one is told in fewer words."""
    alone = {"AI-assisted": "AI-assisted deployments", "not AI-assisted": "deployments that are not AI-assisted"}
    who = alone.get(row["line"], f"{clip(row['line'])} deployments")
    if at and row["line"] == "not AI-assisted":
        who = f"others in the same {within}" if within else "others"
    span = f"{percent(row['low'])} to {percent(row['high'])}"
    span = f"{percent(level)} interval {span}" if level is not None and not at else span
    known = not isnan(row["low"]) and not isnan(row["high"])
    return f"{percent(row['share'])} of {who}{'' if at else ' had an incident'}" + (f" ({span})" if known else "")


def _draw(width: int, frame: pd.DataFrame, x_words: str, mark: float | None, *, percents: bool) -> Drawing:
    sheet = Sheet(width, 270)
    left, right = 44, width - (112 if sheet.narrow else 130)
    axes = sheet.axes(left, 10, right, 216)
    ends = frame.groupby("line", sort=False).tail(1)
    share_axis(axes, [*frame["share"], *(ends["high"] if "high" in frame else ())])
    axes.set_xlim(0, float(frame["x"].max()))
    _name_x(axes, x_words, percents)
    names = []
    for place, (name, rows) in enumerate(frame.groupby("line", sort=False)):
        colour = COLOURS.get(str(name), INK)
        _line(axes, rows, colour, DASHES[place % len(DASHES)], steps=not percents)
        if "high" in rows:
            _at_the_end(axes, rows.iloc[-1], colour, place)
        names.append((float(rows["share"].iloc[-1]), str(name)))
    if mark is not None:
        axes.axvline(mark, color=QUIET, linewidth=1)
        # All curves meet at both ends, so their names stand where they are furthest apart.
        names = [
            (float(rows.iloc[len(rows) // 2]["share"]), str(name)) for name, rows in frame.groupby("line", sort=False)
        ]
    name_at_right(axes, names, 206)
    return sheet.drawing


def _name_x(axes: Axes, words: str, percents: bool) -> None:
    from matplotlib.ticker import MaxNLocator

    low, high = axes.get_xlim()
    ticks = [float(tick) for tick in MaxNLocator(5).tick_values(low, high) if low <= tick <= high]
    axes.set_xticks(ticks, [f"{100 * tick:g}%" if percents else f"{tick:g}" for tick in ticks])
    axes.set_xlabel(words, color=QUIET, labelpad=6)
    axes.spines["bottom"].set_visible(True)


def _line(axes: Axes, rows: pd.DataFrame, colour: str, dash: object, *, steps: bool) -> None:
    style = "steps-post" if steps else "default"
    axes.plot(rows["x"], rows["share"], color=colour, linestyle=dash, linewidth=2, clip_on=False, drawstyle=style)


def _at_the_end(axes: Axes, last: pd.Series[Any], colour: str, place: int) -> None:
    """The interval at the end of a curve.

    A band along the whole curve would be that of independent deployments, and narrower than what is known: failures of
    one service come together. Each group stands a little further left, so that no interval hides the other.
    """
    x = float(last["x"]) - (0.012 + 0.018 * place) * axes.get_xlim()[1]
    axes.vlines(x, last["low"], last["high"], color=colour, linewidth=2.4, zorder=3)
    axes.plot([x, x], [last["low"], last["high"]], color=colour, marker="_", markersize=7, linestyle="none", zorder=3)
