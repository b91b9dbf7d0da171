"""Links each rule found, against the number that chance alone would have given it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from math import isnan
from typing import TYPE_CHECKING, Any

from counterfault.figures.figure import Figure, drawn
from counterfault.figures.periods import count_ticks, require_columns
from counterfault.figures.recipe import WITHHELD, as_given, counted, redrawable, withheld
from counterfault.figures.sheet import Sheet
from counterfault.figures.svg import INK, QUIET
from counterfault.figures.wording import clip, count, percent, sentence_start

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

ROW, HEAD, FOOT = 50, 6, 52


COUNTS = ("observed",)
COLUMNS = ("rule", "observed", "expected_by_chance", "planned")
# Why no number by chance is given: moving deployments in time moves no record, and some deployment is always the last.
WITHOUT_CHANCE = {
    "recorded": "tied by record, not by time",
    "last": "tied to the last deployment, however old",
}


@redrawable
def links(by_rule: pd.DataFrame) -> Figure:
    """Observed links per rule against those expected by chance.

    Parameters
    ----------
    by_rule : one row per rule. Columns ``rule`` (text), ``observed`` (links) and ``expected_by_chance``
        (links when deployment times are shifted; NaN where chance cannot link, as by record). A number of links that
        is suppressed is text, and its rule keeps its row without a mark. ``planned`` (bool) may stand beside them:
        the rule of the plan, which the caption then tells alone.

    Raises
    ------
    ValueError
        Where a column is missing or no row is there.
    """
    require_columns("links", by_rule, ("rule", "observed", "expected_by_chance"))
    given = by_rule[[name for name in COLUMNS if name in by_rule]].reset_index(drop=True)
    frame = counted(given, ("observed", "expected_by_chance"))
    frame["rule"] = frame["rule"].map(clip).str.replace("_", " ")
    frame["expected_by_chance"] = frame["expected_by_chance"].astype("float64")
    rows = frame.to_dict("records")
    every = "; ".join(_told(row) for row in rows) + "."
    return drawn(
        lambda width: _draw(width, rows),
        title="Links found, and links that chance would find",
        caption=_of_the_plan(rows) or sentence_start(every),
        alt=f"Per rule a filled dot for links observed and an open diamond for those expected by chance. {every}",
        data=as_given(frame, given, COUNTS, ("expected_by_chance",)) if withheld(given, COUNTS).any() else frame,
    )


def _told(row: Mapping[Hashable, Any]) -> str:
    if isnan(row["observed"]):
        return f"{row['rule']}: a suppressed number of links"
    start = f"{row['rule']}: {count(row['observed'])} links"
    if isnan(row["expected_by_chance"]):
        return f"{start}, {_without_chance(row)}"
    return f"{start}, {_chance(row)} expected by chance"


def _of_the_plan(rows: list[dict[Hashable, Any]]) -> str:
    """The finding on the rule of the plan; nothing where no row says that it is that rule."""
    planned = next((row for row in rows if row.get("planned")), None)
    if planned is None:
        return ""
    made = "a suppressed number of links" if isnan(planned["observed"]) else f"{count(planned['observed'])} links"
    told = f"By the plan's rule ({planned['rule']}) {made} were made"
    if isnan(planned["observed"]):
        told = f"{told}."
    elif isnan(planned["expected_by_chance"]):
        told = f"{told}, {_without_chance(planned)}."
    else:
        told = f"{told}; chance alone would give {_chance(planned)}."
    return f"{told} The other rules are shown below." if len(rows) > 1 else told


def _chance(row: Mapping[Hashable, Any]) -> str:
    """``172 (24%)``: links by chance, and their share of those observed."""
    chance = row["expected_by_chance"]
    return count(round(chance)) + (f" ({percent(chance / row['observed'])})" if row["observed"] else "")


def _without_chance(row: Mapping[Hashable, Any]) -> str:
    return WITHOUT_CHANCE.get(row["rule"], "without a number for chance")


def _draw(width: int, rows: list[dict[Hashable, Any]]) -> Drawing:
    sheet = Sheet(width, ROW * len(rows) + HEAD + FOOT)
    bottom = sheet.height - FOOT + 4
    axes = sheet.axes(10, HEAD, width - 18, bottom)
    axes.set_ylim(bottom, HEAD)
    most = max([1.0, *(float(n) for row in rows for n in _both(row) if not isnan(n))])
    ticks = count_ticks(most, 4 if sheet.narrow else 8)
    axes.set_xticks(ticks, [count(tick) for tick in ticks])
    axes.set_xlim(0, max(most, ticks[-1]))
    axes.spines["bottom"].set_visible(True)
    axes.set_xlabel("links:  ● observed   ◇ expected by chance", labelpad=6)
    for place, row in enumerate(rows):
        top = HEAD + ROW * place
        weight = "bold" if row.get("planned") else "normal"
        sheet.text(0, top + 10, clip(row["rule"], 24 if sheet.narrow else 50), fontweight=weight)
        sheet.text(width, top + 10, _in_figures(row), ha="right")
        _dumbbell(axes, row, top + 31)
    return sheet.drawing


def _both(row: Mapping[Hashable, Any]) -> tuple[float, float]:
    return float(row["observed"]), float(row["expected_by_chance"])


def _in_figures(row: Mapping[Hashable, Any]) -> str:
    observed, chance = _both(row)
    if isnan(observed):
        return WITHHELD
    return count(observed) + ("" if isnan(chance) else f", {count(round(chance))} by chance")


def _dumbbell(axes: Axes, row: Mapping[Hashable, Any], y: float) -> None:
    observed, chance = _both(row)
    if isnan(observed):
        return
    axes.plot([0, observed], [y, y], color=QUIET, alpha=0.35, linewidth=1)
    mark: dict[str, Any] = {"linestyle": "none", "color": INK, "clip_on": False}
    if not isnan(chance):
        axes.plot([chance, observed], [y, y], color=INK, linewidth=2.4)
        axes.plot([chance], [y], marker="D", markersize=7, markerfacecolor="none", markeredgewidth=1.6, **mark)
    axes.plot([observed], [y], marker="o", markersize=8, **mark)
