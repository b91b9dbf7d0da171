"""One interval on one axis, and where it lies against what the plan calls worth acting on."""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING, Any

from counterfault.estimate import Estimate
from counterfault.figures.figure import Figure, drawn
from counterfault.figures.recipe import redrawable
from counterfault.figures.sheet import Sheet, backdrop, effect, effect_axis, ratio_range
from counterfault.figures.svg import QUIET
from counterfault.figures.wording import finding, limits, number, percent, sentence_start

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

# Pixels from the top: the middle zone's name and bracket, the outer zones' names, the point in figures,
# the interval, its limits in figures, the axis.
NAME_AT, BRACKET_AT, OUTER_AT, NUMBER_AT, INTERVAL_AT, LIMITS_AT, AXIS_AT, HEIGHT = 10, 25, 40, 68, 92, 110, 128, 178


@redrawable
def verdict_strip(primary: Estimate, *, worth_acting_on: float) -> Figure:
    """The primary estimate against the plan's smallest ratio worth acting on.

    Parameters
    ----------
    primary : the estimate the verdict reads; a ratio.
    worth_acting_on : the plan's threshold, above 1; its reciprocal is the mirror image.

    Raises
    ------
    ValueError
        Where the estimate is not a ratio, or the threshold is not above 1.
    """
    if not primary.estimand.is_ratio:
        raise ValueError(f"verdict_strip draws ratios; {primary.id or primary.label!r} is a {primary.estimand.label}")
    if not worth_acting_on > 1:
        raise ValueError(f"worth_acting_on must be above 1; it is {worth_acting_on}")
    sentence = finding(primary, worth_acting_on)
    name = sentence_start(primary.estimand.label)
    return drawn(
        lambda width: _draw(width, primary, worth_acting_on),
        title=f"{name} against the plan",
        caption=f"{name} {sentence}.",
        alt=(
            f"One interval on a logarithmic axis of the {primary.estimand.label}. {name} {sentence}. "
            f"Ratios from {number(1 / worth_acting_on)} to {number(worth_acting_on)} are marked as too small to act on."
        ),
        data=_numbers(primary, worth_acting_on),
    )


def _numbers(primary: Estimate, worth_acting_on: float) -> pd.DataFrame:
    import pandas as pd

    level = percent(primary.interval.level)
    rows = [
        ("estimate", primary.value),
        (f"lower limit ({level})", primary.interval.low),
        (f"upper limit ({level})", primary.interval.high),
        ("no difference", 1.0),
        ("fewer, worth acting on: below", 1 / worth_acting_on),
        ("more, worth acting on: above", worth_acting_on),
    ]
    return pd.DataFrame(rows, columns=["line", primary.estimand.label])


def _draw(width: int, primary: Estimate, worth_acting_on: float) -> Drawing:
    sheet = Sheet(width, HEIGHT)
    axes = sheet.axes(8, BRACKET_AT, width - 8, AXIS_AT)
    axes.set_ylim(AXIS_AT, BRACKET_AT)
    effect_axis(axes, *_range(primary, worth_acting_on), ratio=True, most_ticks=6 if sheet.narrow else 9)
    axes.set_xlabel(f"{primary.estimand.label} (logarithmic axis)", color=QUIET, labelpad=6)
    backdrop(axes, BRACKET_AT, AXIS_AT, 1.0 if primary.estimable else None, worth_acting_on)
    _name_the_zones(axes, worth_acting_on)
    if primary.estimable:
        effect(axes, primary, INTERVAL_AT, weight=1.5)
        _in_figures(axes, primary)
    else:
        sheet.text(width / 2, INTERVAL_AT, "not estimable", ha="center", fontsize=19, fontweight="bold")
    return sheet.drawing


def _range(primary: Estimate, worth_acting_on: float) -> tuple[float, float]:
    """The axis holds the interval and leaves room on both sides of the threshold for the zones' names."""
    outer = worth_acting_on**2.4
    values = [primary.value] if primary.estimable else []
    return ratio_range([1 / outer, outer, *values], [primary.interval.low, primary.interval.high])


def _name_the_zones(axes: Axes, worth_acting_on: float) -> None:
    low, high = axes.get_xlim()
    bracket = [1 / worth_acting_on, worth_acting_on]
    axes.plot(bracket, [BRACKET_AT] * 2, color=QUIET, linewidth=3, clip_on=False)
    axes.text(low, OUTER_AT, "← fewer", ha="left", va="center")
    axes.text(high, OUTER_AT, "more →", ha="right", va="center")
    _beside(axes, 1, NAME_AT, f"too small to act on ({limits(*bracket)})", edge=0.3)


def _in_figures(axes: Axes, primary: Estimate) -> None:
    """The point above itself; each limit that is on the axis below its end, inward where there is room."""
    _beside(axes, primary.value, NUMBER_AT, number(primary.value), edge=0.1, fontsize=19, fontweight="bold")
    low, high = axes.get_xlim()
    ends = (primary.interval.low, primary.interval.high)
    short = _share_of_axis(axes, min(ends[1], high)) - _share_of_axis(axes, max(ends[0], low)) < 0.2
    for end, side in zip(ends, ("right", "left") if short else ("left", "right"), strict=True):
        if low < end < high:
            axes.text(end, LIMITS_AT, number(end), ha=side, va="center", color=QUIET)


def _beside(axes: Axes, x: float, y: float, words: str, *, edge: float, **style: Any) -> None:
    """Words centred over ``x``, or kept inside the picture where ``x`` is within ``edge`` of its side."""
    low, high = axes.get_xlim()
    place = _share_of_axis(axes, x)
    if place < edge:
        axes.text(low if edge > 0.2 else x, y, words, ha="left", va="center", **style)
    elif place > 1 - edge:
        axes.text(high if edge > 0.2 else x, y, words, ha="right", va="center", **style)
    else:
        axes.text(x, y, words, ha="center", va="center", **style)


def _share_of_axis(axes: Axes, x: float) -> float:
    low, high = axes.get_xlim()
    return log(max(x, 1e-9) / low) / log(high / low)
