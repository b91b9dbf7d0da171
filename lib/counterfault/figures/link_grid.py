"""The ratio under every link rule and window, as counted and without coincidences, with the share that is chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING, Any

from counterfault.estimate import Estimate
from counterfault.figures.figure import Figure, drawn
from counterfault.figures.recipe import redrawable
from counterfault.figures.sheet import Sheet, backdrop, effect, effect_axis, ratio_range
from counterfault.figures.svg import INK, QUIET
from counterfault.figures.wording import clip, count, number, percent, reason, unbounded, value_and_limits

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

ONLY_COMPARED = "last"  # drawn, but no reading that anybody should believe
ROW, FOOT = {False: 46, True: 66}, 62


@dataclass(frozen=True)
class _Row:
    """One rule with one window."""

    counted: Estimate
    corrected: Estimate
    planned: bool

    @property
    def by_chance(self) -> float:
        """Share of the links that coincidence alone would make; NaN where time plays no part."""
        links, chance = self.counted.support.get("links", 0), self.counted.support.get("links_by_chance")
        return nan if chance is None or not links else min(chance / links, 1.0)

    @property
    def is_corrected(self) -> bool:
        """Whether there is a second ratio to show: links by record are left as they are."""
        return self.corrected.estimable and "links_by_chance" in self.counted.support


@redrawable
def link_grid(grid: Estimate, corrected: Estimate, *, worth_acting_on: float | None = None) -> Figure:
    """The headline ratio for every reading of which incident belongs to which deployment.

    Parameters
    ----------
    grid, corrected : the estimates ``link_rules.grid`` and ``link_rules.corrected``; their parts are the readings, in
        the same order.
    worth_acting_on : the plan's threshold; shades what is too small to act on.

    Raises
    ------
    ValueError
        Where there is no reading to draw, or the two do not hold the same ones.
    """
    rows = _rows(grid, corrected)
    caption = _finding(rows)
    return drawn(
        lambda width: _draw(width, rows, worth_acting_on),
        title="The ratio under every link rule and window",
        caption=caption,
        alt="Per link rule and window a filled dot with its interval for the ratio as counted, an open diamond with "
        f"its interval for the ratio without coincidences. {caption}",
        data=_numbers(rows),
    )


def _rows(grid: Estimate, corrected: Estimate) -> list[_Row]:
    if not grid.parts:
        raise ValueError("link_grid: the grid has no parts, so there is no reading to draw")
    names = [part.label for part in grid.parts]
    if names != [part.label for part in corrected.parts]:
        raise ValueError(
            f"link_grid: the corrected readings ({', '.join(part.label for part in corrected.parts) or 'none'}) are "
            f"not those of the grid ({', '.join(names)}); take both from one LinkGrid"
        )
    pairs = zip(grid.parts, corrected.parts, strict=True)
    return [_Row(counted, fixed, counted.label == grid.label) for counted, fixed in pairs]


def _finding(rows: Sequence[_Row]) -> str:
    known = [row for row in rows if row.counted.estimable and row.counted.label != ONLY_COMPARED]
    if not known:
        return f"None of {count(len(rows))} readings gives a ratio: {reason(rows[0].counted)}."
    above = sum(row.counted.value > 1 for row in known)
    told = f"{count(above)} of {count(len(known))} readings put the ratio above 1: {_span([r.counted for r in known])}."
    fixed = [row.corrected for row in rows if row.is_corrected]
    if fixed:
        told += f" Without coincidences: {_span(fixed)}."
    shares = [row.by_chance for row in rows if row.by_chance == row.by_chance]
    if shares:
        told += f" Coincidence alone would make {percent(min(shares))} to {percent(max(shares))} of the links by time."
    return told


def _span(estimates: Sequence[Estimate]) -> str:
    low, high = min(estimates, key=lambda item: item.value), max(estimates, key=lambda item: item.value)
    if len(estimates) == 1:
        return f"{number(low.value)} ({clip(low.label)})"
    return f"from {number(low.value)} ({clip(low.label)}) to {number(high.value)} ({clip(high.label)})"


def _numbers(rows: Sequence[_Row]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "link rule and window": clip(row.counted.label) + (" (planned)" if row.planned else ""),
                "links": row.counted.support.get("links", 0),
                "share by chance": row.by_chance,
                "ratio": row.counted.value,
                "low": row.counted.interval.low,
                "high": row.counted.interval.high,
                "without coincidences": row.corrected.value,
                "corrected low": row.corrected.interval.low,
                "corrected high": row.corrected.interval.high,
                "level": row.counted.interval.level,
                "note": _note(row),
            }
            for row in rows
        ]
    )


def _note(row: _Row) -> str:
    if not row.counted.estimable:
        return f"not estimable: {reason(row.counted)}"
    return "" if row.corrected.estimable else f"not corrected: {reason(row.corrected)}"


def _draw(width: int, rows: Sequence[_Row], worth_acting_on: float | None) -> Drawing:
    # On a telephone the name stands above its intervals instead of beside them.
    sheet = Sheet(width, 0)
    narrow = sheet.narrow
    row, left, right = ROW[narrow], (16 if narrow else 204), (132 if narrow else 150)
    sheet = Sheet(width, row * len(rows) + FOOT)
    bottom = row * len(rows) + 6
    axes = sheet.axes(left, 0, width - right, bottom)
    axes.set_ylim(bottom, 0)
    _axis(axes, rows, worth_acting_on, narrow)
    for place, each in enumerate(rows):
        top = row * place
        first = top + (32 if narrow else 14)
        backdrop(axes, first - 10 if narrow else top, first + (30 if narrow else 32), 1.0, worth_acting_on)
        _names(sheet, each, top, narrow)
        _effects(sheet, axes, each, first)
    return sheet.drawing


def _axis(axes: Axes, rows: Sequence[_Row], worth_acting_on: float | None, narrow: bool) -> None:
    shown = [item for row in rows for item in (row.counted, row.corrected) if item.estimable]
    d = worth_acting_on or 1.25
    low, high = ratio_range(
        [1 / d, d, *(item.value for item in shown)],
        [end for item in shown for end in (item.interval.low, item.interval.high)],
    )
    effect_axis(axes, low, high, ratio=True, most_ticks=5 if narrow else 8)
    words = "● as counted   ◇ without coincidences"
    axes.set_xlabel(words if narrow else f"ratio (logarithmic axis):  {words}", color=QUIET, labelpad=6)
    if narrow:
        axes.xaxis.set_label_coords(0.0, -0.5 / max(len(rows), 1))
        axes.xaxis.label.set_horizontalalignment("left")


def _names(sheet: Sheet, row: _Row, top: float, narrow: bool) -> None:
    weight = "bold" if row.planned else "normal"
    chance = "" if row.by_chance != row.by_chance else f"{percent(row.by_chance)} by chance"
    planned = "planned" if row.planned else ""
    sheet.text(0, top + 12, clip(row.counted.label, 30), weight=weight)
    if narrow:
        sheet.text(sheet.width, top + 12, chance or planned, ha="right", color=QUIET)
    else:
        sheet.text(0, top + 32, ", ".join(filter(None, (planned, chance))), color=QUIET)


def _effects(sheet: Sheet, axes: Axes, row: _Row, y: float) -> None:
    for item, at, draw in ((row.counted, y, effect), (row.corrected, y + 19, _open_effect)):
        if draw is _open_effect and not row.is_corrected:
            words = "" if not row.counted.estimable or "links_by_chance" not in row.counted.support else "not corrected"
            sheet.text(sheet.width, at, words, ha="right", style="italic", color=QUIET)
        elif item.estimable:
            draw(axes, item, at)
            sheet.text(sheet.width, at, value_and_limits(item), ha="right")
        else:
            sheet.text(sheet.width, at, "not estimable", ha="right", style="italic")


def _open_effect(axes: Axes, estimate: Estimate, y: float) -> None:
    """A diamond on a thin line, apart from the dot by its shape and not only by its shade."""
    left, right = axes.get_xlim()
    low = left if unbounded(estimate)[0] else max(estimate.interval.low, left)
    high = right if unbounded(estimate)[1] else min(estimate.interval.high, right)
    mark: dict[str, Any] = {"linestyle": "none", "color": INK, "clip_on": False}
    axes.plot([low, high], [y, y], color=INK, linewidth=1, zorder=3)
    for end, arrow, beyond in ((low, "<", low <= left), (high, ">", high >= right)):
        if beyond:
            axes.plot([end], [y], marker=arrow, markersize=5, zorder=3, **mark)
    # Filled with the paper it would hide the line in one theme only; open, the line runs through it in both.
    axes.plot([estimate.value], [y], marker="D", markersize=7, markerfacecolor="none", zorder=4, **mark)
