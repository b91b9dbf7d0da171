"""From changes accepted to changes analysed: who leaves at each step, so that nothing disappears silently."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

from counterfault.figures.adoption import PARTS
from counterfault.figures.figure import Figure, drawn
from counterfault.figures.periods import LETTER, require_columns
from counterfault.figures.sheet import Sheet
from counterfault.figures.svg import QUIET
from counterfault.figures.wording import clip, count, percent

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

SHORT = (("ai", "AI"), ("human", "not AI"), ("unknown", "unknown"))

ANALYSED = "analysed"

# Pixels per step, and for the names of the colours above the first one.
ROW, LEGEND = 62, 34


def flow(steps: pd.DataFrame) -> Figure:
    """How many changes are left after each reason to leave one out, by label.

    Parameters
    ----------
    steps : where every change ended, each in exactly one row. Columns ``step`` (text) and the counts ``ai``,
        ``human`` and ``unknown``. The step ``analysed`` holds those compared; the others were left out, in
        order, for the reason they name.

    Raises
    ------
    ValueError
        Where a column is missing or no row is there.
    """
    require_columns("flow", steps, ("step", "ai", "human", "unknown"))
    frame = _left_after(steps)
    caption = _finding(frame)
    return drawn(
        lambda width: _draw(width, frame),
        title="From changes accepted to changes analysed",
        caption=caption,
        alt=f"A bar per step, split into AI-assisted, not AI-assisted and unknown changes. {caption}",
        data=frame,
    )


def _left_after(steps: pd.DataFrame) -> pd.DataFrame:
    """The changes there are before the first step, after each, and in the end."""
    import pandas as pd

    labels = ["ai", "human", "unknown"]
    left_out = steps[steps["step"] != ANALYSED]
    before = steps[labels].sum().astype("int64")
    after = before - left_out[labels].astype("int64").cumsum()
    # What remains at the end is what was analysed, even where nothing was and the data have no such row.
    rows = [before, *(row for _, row in after.iterrows()), before - left_out[labels].sum().astype("int64")]
    names = ["accepted", *(f"without: {clip(reason, 50)}" for reason in left_out["step"]), ANALYSED]
    frame = pd.DataFrame([{"step": name, **row.to_dict()} for name, row in zip(names, rows, strict=True)])
    frame["total"] = frame[["ai", "human", "unknown"]].sum(axis=1)
    frame["left_out_here"] = frame["total"].shift(fill_value=frame["total"].iloc[0]) - frame["total"]
    return frame


def _finding(frame: pd.DataFrame) -> str:
    rows = frame.to_dict("records")
    first, last = rows[0]["total"], rows[-1]["total"]
    share = f" ({percent(last / first)})" if first else ""
    start = f"Of {count(first)} changes accepted, {count(last)}{share} are analysed"
    worst = max(rows, key=lambda row: int(row["left_out_here"]))
    if worst["left_out_here"] <= 0:
        return f"{start}."
    return f"{start}; the largest step leaves out {count(worst['left_out_here'])} ({worst['step']})."


def _draw(width: int, frame: pd.DataFrame) -> Drawing:
    sheet = Sheet(width, ROW * len(frame) + LEGEND)
    axes = sheet.axes(0, 0, width, sheet.height)
    axes.set_ylim(sheet.height, 0)
    axes.set_xlim(0, max(frame["total"].max(), 1))
    axes.set_xticks([])
    _legend(sheet)
    for place, row in enumerate(frame.to_dict("records")):
        top = LEGEND + ROW * place
        sheet.text(0, top + 8, clip(row["step"], 30 if sheet.narrow else 60))
        sheet.text(width, top + 8, _account(row), ha="right", fontweight="bold")
        _bar(axes, row, top + 24)
        # The same split in figures, in the order of the bar: no one has to tell the colours apart.
        words = " · ".join(f"{short} {count(row[column])}" for column, short in SHORT)
        sheet.text(0, top + 43, words, color=QUIET, fontsize=11.5)
    return sheet.drawing


def _account(row: Mapping[Hashable, Any]) -> str:
    lost = row["left_out_here"]
    return (f"{count(-lost)} → " if lost > 0 else "") + count(row["total"])


def _bar(axes: Axes, row: Mapping[Hashable, Any], y: float) -> None:
    floor = 0
    for column, _, colour in PARTS:
        if row[column]:
            axes.barh([y], [row[column]], left=[floor], height=12, color=colour)
        floor += row[column]


def _legend(sheet: Sheet) -> None:
    x = 0
    for _, words, colour in PARTS:
        sheet.text(x, 10, "■", color=colour)
        sheet.text(x + 15, 10, words)
        x += 30 + round(LETTER * len(words))
