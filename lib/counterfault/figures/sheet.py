"""A drawing surface measured in pixels from the top left, and axes that suit effects.

The figures are laid out for two widths, so they place everything in pixels; Matplotlib's fractions of a
figure would move with its height.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isfinite, log
from typing import TYPE_CHECKING, Any

from counterfault.estimate import Estimate
from counterfault.figures.svg import INK, NARROW, QUIET, ZONE
from counterfault.figures.wording import unbounded

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

# From fine to coarse; the first that is not too crowded is taken.
RATIO_TICKS: tuple[tuple[float, ...], ...] = (
    (0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.8, 2),
    (0.25, 0.33, 0.5, 0.75, 1, 1.5, 2, 3, 4),
    tuple(2.0**power for power in range(-10, 11)),
    tuple(4.0**power for power in range(-6, 7)),
    tuple(10.0**power for power in range(-9, 10)),
)


class Sheet:
    """A blank drawing of a given size, with axes and text placed in pixels."""

    def __init__(self, width: int, height: int) -> None:
        from matplotlib.figure import Figure

        self.width, self.height = width, height
        self.narrow = width <= NARROW
        self.drawing: Drawing = Figure(figsize=(width / 72, height / 72), dpi=72, facecolor="none")

    def axes(self, left: float, top: float, right: float, bottom: float) -> Axes:
        """Axes between two corners, with nothing but what the figure then asks for."""
        place = (
            left / self.width,
            1 - bottom / self.height,
            (right - left) / self.width,
            (bottom - top) / self.height,
        )
        axes = self.drawing.add_axes(place, facecolor="none")
        axes.spines[:].set_visible(False)
        axes.tick_params(which="both", length=0, pad=6)
        axes.set_yticks([])
        return axes

    def text(self, x: float, y: float, words: str, **style: Any) -> None:
        """Words with their vertical middle at ``y`` pixels from the top."""
        style = {"va": "center_baseline", **style}
        self.drawing.text(x / self.width, 1 - y / self.height, words, **style)


def effect_axis(axes: Axes, low: float, high: float, *, ratio: bool, most_ticks: int) -> None:
    """A horizontal axis for effects, logarithmic for ratios."""
    if ratio:
        axes.set_xscale("log")
        ticks = ratio_ticks(low, high, most_ticks)
    else:
        ticks = _even_ticks(low, high, most_ticks)
    axes.set_xlim(low, high)
    axes.minorticks_off()
    axes.set_xticks(ticks, [f"{tick:g}".replace("-", "−") for tick in ticks])
    axes.spines["bottom"].set_visible(True)


def backdrop(axes: Axes, top: float, bottom: float, null: float | None, worth_acting_on: float | None) -> None:
    """A firm line at no difference and, for ratios, a shade over what is too small to act on."""
    if worth_acting_on is not None:
        left, right = edges = (1 / worth_acting_on, worth_acting_on)
        corners = [left, right, right, left], [top, top, bottom, bottom]
        axes.fill(*corners, color=ZONE, alpha=0.16, linewidth=0, zorder=0)
        axes.vlines(edges, top, bottom, color=QUIET, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    if null is not None:
        axes.vlines(null, top, bottom, color=INK, linewidth=1.2, zorder=1)


def ratio_range(values: Iterable[float], outer: Iterable[float]) -> tuple[float, float]:
    """Limits of a log axis that hold all ``values``, and ``outer`` where they are not too far away.

    One interval from 0.01 to 300 would press every other one into a dot; beyond four times the outermost
    value a limit is drawn as an arrow instead.
    """
    held = [value for value in values if isfinite(value) and value > 0]
    low, high = min(held), max(held)
    reached = [value for value in outer if isfinite(value) and low / 4 <= value <= high * 4]
    low, high = min([low, *reached]), max([high, *reached])
    margin = max((high / low) ** 0.06, 1.05)
    return low / margin, high * margin


def even_range(values: Iterable[float]) -> tuple[float, float]:
    """Limits of a plain axis that hold all finite values and zero."""
    held = [0.0, *(value for value in values if isfinite(value))]
    low, high = min(held), max(held)
    margin = 0.06 * (high - low) or 0.01
    return low - margin, high + margin


def ratio_ticks(low: float, high: float, most: int) -> list[float]:
    """Round ratios between two limits, at most ``most`` of them, 1 among them if it lies between."""
    inside = [[tick for tick in ticks if low <= tick <= high] for ticks in RATIO_TICKS]
    fitting = [ticks for ticks in inside if len(ticks) <= most]
    return max(fitting, key=lambda ticks: (_evenness(ticks, low, high), len(ticks)), default=[1.0])


def _evenness(ticks: Sequence[float], low: float, high: float) -> int:
    """How much of the axis the ticks span, in tenths: two ticks in one corner say little."""
    return round(10 * log(ticks[-1] / ticks[0]) / log(high / low)) if ticks else -1


def _even_ticks(low: float, high: float, most: int) -> list[float]:
    from matplotlib.ticker import MaxNLocator

    ticks = MaxNLocator(nbins=most - 1, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    # Adding steps of 0.1 leaves crumbs such as 0.30000000000000004.
    return [float(f"{tick:.6g}") for tick in ticks if low <= tick <= high]


def effect(axes: Axes, estimate: Estimate, y: float, *, weight: float = 1.0) -> None:
    """A point and its interval at height ``y``; a limit beyond the axis, or none at all, is an arrow."""
    left, right = axes.get_xlim()
    low = left if unbounded(estimate)[0] else max(estimate.interval.low, left)
    high = right if unbounded(estimate)[1] else min(estimate.interval.high, right)
    axes.plot([low, high], [y, y], color=INK, linewidth=2 * weight, zorder=3)
    mark: dict[str, Any] = {"linestyle": "none", "color": INK, "clip_on": False}
    for end, arrow, beyond in ((low, "<", low <= left), (high, ">", high >= right)):
        if beyond:
            axes.plot([end], [y], marker=arrow, markersize=6 * weight, zorder=3, **mark)
    axes.plot([estimate.value], [y], marker="o", markersize=7 * weight, zorder=4, **mark)
