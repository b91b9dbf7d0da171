"""One interval in the space of a word: a line, a point and the zone too small to act on, on an axis all share."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import isfinite, log

from counterfault.estimate import Estimate
from counterfault.figures.sheet import ratio_range
from counterfault.figures.wording import finding, sentence_start, unbounded

WIDTH, HEIGHT, MIDDLE = 180, 28, 14


def common_axis(estimates: Sequence[Estimate]) -> tuple[float, float]:
    """Limits of one logarithmic axis for all ratios, so that intervals can be compared down the page."""
    ends = [end for item in estimates for end in (item.interval.low, item.interval.high)]
    return ratio_range([0.5, 2, *(item.value for item in estimates if item.estimable)], ends)


def interval_svg(estimate: Estimate, axis: tuple[float, float], worth_acting_on: float | None) -> str:
    """A ratio with its interval as an inline picture whose name says the same; empty where there is nothing to draw.

    Parameters
    ----------
    estimate : a ratio.
    axis : from :func:`common_axis`.
    worth_acting_on : the plan's threshold; shades what is too small to act on.
    """
    if not estimate.estimable or not estimate.estimand.is_ratio:
        return ""
    name = f"{sentence_start(estimate.estimand.label)} {finding(estimate, worth_acting_on)}."
    null = f'<path d="M{_x(1, axis)} 3V{HEIGHT - 3}" style="stroke:var(--muted);fill:none"/>'
    shapes = (_zone(axis, worth_acting_on), null, _interval(estimate, axis))
    return (
        f'<svg class="interval" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" '
        f'aria-label="{escape(name)}" xmlns="http://www.w3.org/2000/svg">{"".join(shapes)}</svg>'
    )


def _x(value: float, axis: tuple[float, float]) -> float:
    """Pixels from the left, with room for an arrow at both ends."""
    low, high = axis
    inside = min(max(value, low), high) if value > 0 else low
    return round(6 + (WIDTH - 12) * log(inside / low) / log(high / low), 1)


def _zone(axis: tuple[float, float], worth_acting_on: float | None) -> str:
    if worth_acting_on is None or not 1 < worth_acting_on < float("inf"):
        return ""
    left, right = _x(1 / worth_acting_on, axis), _x(worth_acting_on, axis)
    size = f'x="{left}" y="2" width="{right - left:.1f}" height="{HEIGHT - 4}"'
    return f'<rect {size} style="fill:var(--zone);opacity:.22"/>'


def _interval(estimate: Estimate, axis: tuple[float, float]) -> str:
    low, high = estimate.interval.low, estimate.interval.high
    open_below, open_above = unbounded(estimate)
    left, right = _x(axis[0] if open_below else low, axis), _x(axis[1] if open_above else high, axis)
    shapes = [f'<path d="M{left} {MIDDLE}H{right}" style="stroke:currentColor;stroke-width:2.5"/>']
    if open_below or low < axis[0]:
        shapes.append(_arrow(left, -6))
    if open_above or not isfinite(high) or high > axis[1]:
        shapes.append(_arrow(right, 6))
    shapes.append(f'<circle cx="{_x(estimate.value, axis)}" cy="{MIDDLE}" r="4.5" style="fill:currentColor"/>')
    return "".join(shapes)


def _arrow(x: float, length: int) -> str:
    return f'<path d="M{x} {MIDDLE - 4}l{length} 4l{-length} 4z" style="fill:currentColor"/>'
