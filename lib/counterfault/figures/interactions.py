"""Where AI does more: its ratio where a column amplifies, its ratio elsewhere, and how far the two are apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, nan
from typing import TYPE_CHECKING, Any

from counterfault.estimate import Estimate
from counterfault.figures.figure import Figure, drawn
from counterfault.figures.forest import name_of
from counterfault.figures.recipe import redrawable
from counterfault.figures.sheet import Sheet, backdrop, effect_axis, ratio_range
from counterfault.figures.svg import INK, QUIET
from counterfault.figures.wording import clip, count, limits, percent, reason, unbounded, value_and_limits

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

WIDE_ROW, NARROW_ROW, HEAD, FOOT = 54, 92, 30, 58
TOLD = 8  # contrasts spelt out in the text that stands for the picture


@dataclass(frozen=True)
class _Contrast:
    """One amplifier: the ratio of ratios, its two sides, and its p beside the other contrasts."""

    ratio: Estimate
    elsewhere: Estimate | None
    amplified: Estimate | None
    adjusted_p: float

    @property
    def stands_out(self) -> bool:
        return self.adjusted_p <= 1 - self.ratio.interval.level

    @property
    def sides(self) -> list[tuple[str, Estimate]]:
        """What can be drawn of the two sides."""
        both = (("where amplified", self.amplified), ("elsewhere", self.elsewhere))
        return [(words, item) for words, item in both if item is not None and item.estimable and item.value > 0]


@redrawable
def interactions(
    ratios: Sequence[Estimate],
    adjusted_p: Sequence[float | None],
    *,
    worth_acting_on: float | None = None,
    adjustment: str = "Holm",
) -> Figure:
    """Each amplifier as a pair of ratios on one axis, with their ratio beside.

    Parameters
    ----------
    ratios : the estimates ``amplifier.….ratio``; the two parts of each are the ratio elsewhere and the one where the
        column amplifies, in this order.
    adjusted_p : for each of them, p after correction for having asked them all; None for one without a p.
    worth_acting_on : the plan's threshold; shades what is too small to act on.
    adjustment : the name of that correction.

    Raises
    ------
    ValueError
        Where there is nothing to draw, an estimate is no ratio, or there is not one p for each.
    """
    if not ratios:
        raise ValueError("interactions: there is no contrast to draw")
    if len(adjusted_p) != len(ratios):
        raise ValueError(f"interactions: {len(adjusted_p)} adjusted p for {len(ratios)} contrasts; give one for each")
    for item in ratios:
        if not item.estimand.is_ratio:
            raise ValueError(f"interactions draws ratios; {item.id or item.label!r} is a {item.estimand.label}")
    rows = [_contrast(item, p) for item, p in zip(ratios, adjusted_p, strict=True)]
    caption = _finding(rows, adjustment)
    if any(row.sides for row in rows):
        caption = f"{caption} The pairs are not corrected for coincidental links."
    d = worth_acting_on
    shaded = f" Shaded: too small to act on ({limits(1 / d, d)})." if d else ""
    return drawn(
        lambda width: _draw(width, rows, worth_acting_on, adjustment),
        title="The ratio where an amplifier is present, and elsewhere",
        caption=caption,
        alt="Per amplifier two points with intervals on a logarithmic axis: a filled dot where it amplifies, an open "
        f"square elsewhere.{shaded} {caption} {_told(rows)}",
        data=_numbers(rows, adjustment),
    )


def _contrast(item: Estimate, p: float | None) -> _Contrast:
    elsewhere, amplified = item.parts if len(item.parts) == 2 else (None, None)
    return _Contrast(item, elsewhere, amplified, nan if p is None else float(p))


def _finding(rows: Sequence[_Contrast], adjustment: str) -> str:
    known = [row for row in rows if row.ratio.estimable]
    if not known:
        return f"None of {count(len(rows))} contrasts can be estimated: {reason(rows[0].ratio)}."
    asked = f"Of {count(len(rows))} planned contrasts {count(len(known))} can be estimated"
    clear = [name_of(row.ratio, 40) for row in known if row.stands_out]
    if clear:
        return f"{asked}; after correction ({adjustment}) these stand out from 1: {', '.join(clear)}."
    least = min(known, key=lambda row: row.adjusted_p if isfinite(row.adjusted_p) else 2)
    return (
        f"{asked}; after correction ({adjustment}) none stands out from 1, which does not show that AI does the same "
        f"everywhere. Smallest p: {_in_words(least)}; the interval is at {percent(least.ratio.interval.level)}."
    )


def _in_words(row: _Contrast) -> str:
    p = f", adjusted p {_p(row.adjusted_p)}" if isfinite(row.adjusted_p) else ""
    return f"{name_of(row.ratio, 40)}, {value_and_limits(row.ratio)}{p}"


def _told(rows: Sequence[_Contrast]) -> str:
    more = len(rows) - TOLD
    return "; ".join(map(_in_words, rows[:TOLD])) + (f"; {count(more)} more in the table." if more > 0 else ".")


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.2g}"


def _numbers(rows: Sequence[_Contrast], adjustment: str) -> pd.DataFrame:
    import pandas as pd

    frame = pd.DataFrame([_row(row, adjustment) for row in rows])
    return frame if frame["note"].any() else frame.drop(columns="note")


def _row(row: _Contrast, adjustment: str) -> dict[str, Any]:
    sides = (("where amplified", row.amplified), ("elsewhere", row.elsewhere))
    told = {
        f"{words}{name}": number_of(item)
        for words, item in sides
        for name, number_of in (("", _value), (", low", _low), (", high", _high))
    }
    return {
        "amplifier": name_of(row.ratio),
        **told,
        "ratio of the two": row.ratio.value,
        "low": row.ratio.interval.low,
        "high": row.ratio.interval.high,
        "level": row.ratio.interval.level,
        f"p ({adjustment})": row.adjusted_p,
        "note": "" if row.ratio.estimable else f"not estimable: {reason(row.ratio)}",
    }


def _value(item: Estimate | None) -> float:
    return nan if item is None else item.value


def _low(item: Estimate | None) -> float:
    return nan if item is None else item.interval.low


def _high(item: Estimate | None) -> float:
    return nan if item is None else item.interval.high


def _draw(width: int, rows: Sequence[_Contrast], worth_acting_on: float | None, adjustment: str) -> Drawing:
    # On a telephone name and comparison stand above and below the pair instead of beside it.
    narrow = Sheet(width, 1).narrow
    row, left, right = (NARROW_ROW, 8, 8) if narrow else (WIDE_ROW, 196, 176)
    sheet = Sheet(width, HEAD + row * len(rows) + FOOT)
    bottom = sheet.height - FOOT + 4
    axes = sheet.axes(left, HEAD, width - right, bottom)
    axes.set_ylim(bottom, HEAD)
    _axis(axes, rows, worth_acting_on, narrow)
    sheet.text(width, 12, f"● over □, with p ({adjustment})", ha="right", color=QUIET)
    if worth_acting_on:
        sheet.text(0, 12, "shaded: too small to act on", color=QUIET)
    for place, each in enumerate(rows):
        top = HEAD + row * place
        middle = top + (42 if narrow else 25)
        backdrop(axes, middle - (18 if narrow else 25), middle + (18 if narrow else 29), 1.0, worth_acting_on)
        _names(sheet, each, top, narrow)
        _pair(axes, each, middle)
    return sheet.drawing


def _axis(axes: Axes, rows: Sequence[_Contrast], worth_acting_on: float | None, narrow: bool) -> None:
    shown = [item for row in rows for _, item in row.sides]
    d = worth_acting_on or 1.25
    low, high = ratio_range(
        [1 / d, d, *(item.value for item in shown)],
        [end for item in shown for end in (item.interval.low, item.interval.high)],
    )
    effect_axis(axes, low, high, ratio=True, most_ticks=5 if narrow else 7)
    axes.set_xlabel("ratio of AI:  ● where amplified   □ elsewhere", color=QUIET, labelpad=6)


def _names(sheet: Sheet, row: _Contrast, top: float, narrow: bool) -> None:
    """The column in words at the left, the comparison at the right; bold where it stands out."""
    weight = "bold" if row.stands_out else "normal"
    known = row.ratio.estimable
    p = f"p {_p(row.adjusted_p)}" if isfinite(row.adjusted_p) else ""
    style: dict[str, Any] = {"ha": "right", "fontstyle": "normal" if known else "italic"}
    if narrow:
        sheet.text(0, top + 12, clip(name_of(row.ratio), 44), fontweight=weight)
        told = ", ".join(filter(None, (value_and_limits(row.ratio), p)))
        sheet.text(sheet.width, top + 73, told, fontweight=weight, **style)
        return
    first, _, second = clip(name_of(row.ratio), 56).partition(": ")
    sheet.text(0, top + (16 if second else 25), clip(first, 26), fontweight=weight)
    sheet.text(0, top + 34, clip(second, 26), color=QUIET)
    sheet.text(sheet.width, top + (16 if p else 25), value_and_limits(row.ratio), fontweight=weight, **style)
    sheet.text(sheet.width, top + 34, p, ha="right", color=QUIET)


def _pair(axes: Axes, row: _Contrast, y: float) -> None:
    """The two sides over one another, joined by a quiet line that shows how far apart they are."""
    places = {"where amplified": y - 9, "elsewhere": y + 9}
    if len(row.sides) == 2:
        ends = [item.value for _, item in row.sides]
        axes.plot(ends, list(places.values()), color=QUIET, linewidth=1, alpha=0.7, zorder=2)
    for words, item in row.sides:
        _side(axes, item, places[words], amplified=words == "where amplified")


def _side(axes: Axes, estimate: Estimate, y: float, *, amplified: bool) -> None:
    left, right = axes.get_xlim()
    open_below, open_above = unbounded(estimate)
    low = left if open_below else max(estimate.interval.low, left)
    high = right if open_above else min(estimate.interval.high, right)
    colour = INK if amplified else QUIET
    axes.plot([low, high], [y, y], color=colour, linewidth=2 if amplified else 1.4, zorder=3)
    mark: dict[str, Any] = {"linestyle": "none", "color": colour, "clip_on": False, "zorder": 4}
    for end, arrow, beyond in ((low, "<", low <= left), (high, ">", high >= right)):
        if beyond:
            axes.plot([end], [y], marker=arrow, markersize=6, **mark)
    shape, face = ("o", colour) if amplified else ("s", "none")
    axes.plot([estimate.value], [y], marker=shape, markersize=7, markerfacecolor=face, markeredgewidth=1.6, **mark)
