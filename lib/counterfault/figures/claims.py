"""How often each reading claims something, world by world: beside one another, so that the cost of a shortcut shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from counterfault.figures.figure import Figure, drawn
from counterfault.figures.periods import require_columns
from counterfault.figures.sheet import Sheet
from counterfault.figures.svg import AI, HUMAN, INK, NARROW, QUIET
from counterfault.figures.wording import clip, percent

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure as Drawing

# Shape and colour say the same, so that neither is needed.
MARKS: tuple[dict[str, Any], ...] = (
    {"marker": "o", "color": INK, "markersize": 7},
    {"marker": "s", "color": AI, "markersize": 6, "markerfacecolor": "none"},
    {"marker": "^", "color": AI, "markersize": 6, "markerfacecolor": "none"},
    {"marker": "x", "color": AI, "markersize": 6},
    {"marker": "d", "color": AI, "markersize": 6, "markerfacecolor": "none"},
    {"marker": "|", "color": HUMAN, "markersize": 11, "markeredgewidth": 2},
)
ROW, FOOT, LEGEND = 30, 44, 20


def claims(shares: pd.DataFrame, *, title: str, promised: float | None = None) -> Figure:
    """One row per world, one mark per reading, at the share of runs in which it made the claim.

    Parameters
    ----------
    shares : columns ``world``, ``reading``, ``share`` (0 to 1); at most six readings, ours first.
    title : which claim.
    promised : a share not to be passed, drawn as a line.

    Raises
    ------
    ValueError
        Where a column is missing, no row is there, or there are more readings than marks.
    """
    require_columns("claims", shares, ("world", "reading", "share"))
    readings = list(dict.fromkeys(shares["reading"]))
    if len(readings) > len(MARKS):
        raise ValueError(f"claims: {len(readings)} readings, and marks for {len(MARKS)}; leave some out")
    most = shares.sort_values("share", kind="stable").groupby("reading", sort=False).last()
    caption = "; ".join(
        f"{name} {percent(most.loc[name, 'share'])} ({clip(most.loc[name, 'world'], 30)})" for name in readings
    )
    return drawn(
        lambda width: _draw(width, shares, readings, promised),
        title=title,
        caption=f"Share of runs; the world with most of them: {caption}.",
        alt=f"One row per world with a mark for each reading, from 0 to 100 % of the runs. The most: {caption}.",
        data=shares,
    )


def _draw(width: int, shares: pd.DataFrame, readings: list[str], promised: float | None) -> Drawing:
    worlds = list(dict.fromkeys(shares["world"]))
    narrow = width <= NARROW
    per_line = 1 if narrow else 3
    legend = LEGEND * -(-len(readings) // per_line) + 8
    row = ROW + (12 if narrow else 0)
    bottom = legend + row * len(worlds)
    sheet = Sheet(width, bottom + FOOT)
    axes = sheet.axes(14 if narrow else 190, legend, width - 16, bottom)
    axes.set_ylim(row * len(worlds), 0)
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0%", "25%", "50%", "75%", "100%"])
    axes.set_xlabel("share of runs", color=QUIET, labelpad=6)
    axes.spines["bottom"].set_visible(True)
    if promised is not None:
        axes.axvline(promised, color=QUIET, linewidth=1, linestyle=(0, (4, 3)))
    styles: Mapping[str, dict[str, Any]] = dict(zip(readings, MARKS, strict=False))
    for place, world in enumerate(worlds):
        y = row * place + row / 2 + (6 if narrow else 0)
        axes.hlines(y, 0, 1, color=QUIET, linewidth=0.4, zorder=0)
        sheet.text(0, legend + row * place + (8 if narrow else row / 2), clip(world, 40))
        for reading, share in shares.loc[shares["world"] == world, ["reading", "share"]].itertuples(index=False):
            axes.plot([share], [y], linestyle="none", clip_on=False, zorder=3, **styles[reading])
    _legend(sheet, styles, per_line)
    return sheet.drawing


def _legend(sheet: Sheet, styles: Mapping[str, dict[str, Any]], per_line: int) -> None:
    axes = sheet.axes(0, 0, sheet.width, LEGEND * -(-len(styles) // per_line))
    axes.set_xlim(0, sheet.width)
    axes.set_ylim(LEGEND * -(-len(styles) // per_line), 0)
    axes.set_xticks([])
    for place, (name, style) in enumerate(styles.items()):
        x, y = place % per_line * (sheet.width / per_line), LEGEND * (place // per_line) + LEGEND / 2
        axes.plot([x + 8], [y], linestyle="none", **style)
        sheet.text(x + 20, y, clip(name, 34))
