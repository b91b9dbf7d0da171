"""Effects drawn upright over time: a point, its interval, and arrows where the axis ends before the interval."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from counterfault.estimate import Estimate
from counterfault.figures.sheet import RATIO_TICKS, ratio_ticks
from counterfault.figures.svg import INK, QUIET
from counterfault.figures.wording import unbounded

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# An interval that reaches further than this many times the usual one ends in an arrow.
FAR = 3.0


class Mark(NamedTuple):
    """How one kind of estimate is drawn: shape and filling tell kinds apart where colour does not."""

    colour: str
    shape: str
    filled: bool


def upright_effect(axes: Axes, x: float, estimate: Estimate, mark: Mark) -> None:
    """A point and its interval at ``x``; a limit beyond the axis, or none at all, is an arrow."""
    bottom, top = axes.get_ylim()
    open_below, open_above = unbounded(estimate)
    low = bottom if open_below else max(estimate.interval.low, bottom)
    high = top if open_above else min(estimate.interval.high, top)
    axes.plot([x, x], [low, high], color=mark.colour, linewidth=1.8, zorder=3)
    style: dict[str, Any] = {"linestyle": "none", "color": mark.colour, "clip_on": False}
    for end, arrow, beyond in ((low, "v", low <= bottom), (high, "^", high >= top)):
        if beyond:
            axes.plot([x], [end], marker=arrow, markersize=6, zorder=3, **style)
    face = mark.colour if mark.filled else "none"
    axes.plot([x], [estimate.value], marker=mark.shape, markersize=7, markerfacecolor=face, markeredgewidth=1.6,
              zorder=4, **style)  # fmt: skip


def difference_limits(estimates: Sequence[Estimate]) -> tuple[float, float]:
    """Limits of a plain upright axis: all values, zero, and every interval that is not far wider than the usual one."""
    values = [0.0, *(item.value for item in estimates if item.estimable)]
    ends = [end for item in estimates for end in (item.interval.low, item.interval.high) if isfinite(end)]
    usual = FAR * median(abs(end) for end in ends) if ends else 0.0
    held = [*values, *(end for end in ends if abs(end) <= usual)]
    margin = 0.08 * (max(held) - min(held)) or 0.01
    return min(held) - margin, max(held) + margin


def difference_axis(axes: Axes, low: float, high: float, scale: float) -> None:
    """An upright axis of differences, named in units of ``scale``, with quiet lines across and a firm one at zero."""
    from matplotlib.ticker import MaxNLocator

    axes.set_ylim(low, high)
    found = MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(low * scale, high * scale)
    ticks = [float(f"{tick:.6g}") for tick in found if low * scale <= tick <= high * scale]
    _grid(axes, [tick / scale for tick in ticks], [f"{tick:+g}" if tick else "0" for tick in ticks], null=0.0)


def ratio_axis(axes: Axes, low: float, high: float) -> None:
    """An upright logarithmic axis of ratios, with quiet lines across and a firm one at 1."""
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    axes.minorticks_off()
    _grid(axes, ticks := _ticks(low, high), [f"{tick:g}" for tick in ticks], null=1.0)


def _ticks(low: float, high: float) -> list[float]:
    """As beside a flat axis, but at least three: an upright axis has fewer pixels and needs its lines across."""
    inside = ([tick for tick in ticks if low <= tick <= high] for ticks in RATIO_TICKS)
    fitting = [ticks for ticks in inside if 3 <= len(ticks) <= 6]
    return max(fitting, key=lambda ticks: ticks[-1] / ticks[0], default=ratio_ticks(low, high, 6))


def _grid(axes: Axes, ticks: Sequence[float], words: Sequence[str], *, null: float) -> None:
    axes.set_yticks(ticks, [word.replace("-", "−") for word in words])
    for tick in ticks:
        axes.axhline(tick, color=QUIET, alpha=0.3, linewidth=0.8, zorder=0)
    axes.axhline(null, color=INK, linewidth=1.2, zorder=1)
