"""Negative controls as a funnel: each ratio that ought to be 1 by how sure it is, with the primary ratio among them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import exp, isfinite, log, sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING

from counterfault.estimate import Estimate
from counterfault.figures.figure import Figure, drawn
from counterfault.figures.recipe import redrawable
from counterfault.figures.sheet import Sheet, effect_axis, ratio_range
from counterfault.figures.svg import AI, HUMAN, INK, QUIET, UNKNOWN, ZONE
from counterfault.figures.wording import clip, count, number, percent, reason, value_and_limits

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

PREFIX = "negative_control."
POOLED, ERROR, CALIBRATED = "negative_control.pooled", "negative_control.systematic_error", "primary.calibrated"
SUMMARIES = (POOLED, ERROR, "negative_control.risk_ratio")
# Kind of control → its mark, so that no reader needs the colours.
KINDS = {
    "incidents": ("other causes", "o", HUMAN),
    "before": ("before", "s", UNKNOWN),
    "deployments": ("cannot matter", "^", HUMAN),
}
PRIMARY = ("primary", "D", AI)
STEPS = 60
LEAST_RANGE = (0.5, 2.0)  # narrower, and the funnel would leave the picture where it begins


@dataclass(frozen=True, slots=True)
class _Point:
    name: str
    kind: str
    ratio: float
    error: float


@redrawable
def control_funnel(found: Sequence[Estimate], primary: Estimate) -> Figure:
    """Every control by its ratio and its standard error, and where chance and systematic error would put them.

    Parameters
    ----------
    found : controls, their mean, the systematic error and the calibrated primary, as the challenge returns them. Those
        without a value are in the table, with their reason.
    primary : the ratio they are controls of; left out of the picture where it has no value.

    Raises
    ------
    ValueError
        Where no control has a value.
    """
    controls = [each for each in found if each.id.startswith(PREFIX) and each.id not in SUMMARIES]
    points = [point for each in controls if (point := _point(each))]
    if not points:
        raise ValueError("control_funnel: no control has a value; show their table instead")
    named = {each.id: each for each in found}
    band, own = _band(named.get(ERROR)), _point(primary)
    caption = _caption(controls, primary, named)
    shaded = " The shaded band is where chance and systematic error would put a ratio of 1." if band else ""
    return drawn(
        lambda width: _draw(width, points, own, band, primary.interval.level),
        title="Ratios where AI can have no part",
        caption=caption,
        alt="Points by ratio (across) and standard error (down, the surest on top); outside the dashed funnel an "
        f"interval leaves out 1.{shaded} {caption}",
        data=_numbers([*controls, *(named[id] for id in (POOLED, CALIBRATED) if id in named), primary]),
    )


def _point(estimate: Estimate) -> _Point | None:
    low, high = estimate.interval.low, estimate.interval.high
    if not (estimate.estimable and estimate.value > 0 and low > 0 and isfinite(high)):
        return None
    error = (log(high) - log(low)) / (2 * _z(estimate.interval.level))
    kind = estimate.id.removeprefix(PREFIX).split(".")[0] if estimate.id.startswith(PREFIX) else "primary"
    return _Point(estimate.label, kind, estimate.value, error)


def _band(error: Estimate | None) -> tuple[float, float] | None:
    """Mean and spread of the systematic error, where it was assessed."""
    if error is None or not error.estimable or len(error.parts) < 2:
        return None
    return error.parts[0].value, error.parts[1].value


def _z(level: float) -> float:
    return NormalDist().inv_cdf(0.5 + level / 2)


def _caption(controls: Sequence[Estimate], primary: Estimate, named: dict[str, Estimate]) -> str:
    known = [each for each in controls if each.estimable]
    holding = sum(1.0 in each.interval for each in known)
    level = percent(primary.interval.level)
    parts = [f"{count(holding)} of {count(len(known))} controls have 1 inside their {level} interval"]
    if (pooled := named.get(POOLED)) is not None and pooled.estimable:
        parts.append(f"their mean is {value_and_limits(pooled)}")
    if (calibrated := named.get(CALIBRATED)) is not None:
        if calibrated.estimable:
            parts.append(
                f"with their error allowed for the primary ratio goes from {value_and_limits(primary)} to "
                f"{value_and_limits(calibrated)}"
            )
        else:
            parts.append(f"the primary ratio is not calibrated ({reason(calibrated)})")
    return f"{'; '.join(parts)}."


def _numbers(estimates: Sequence[Estimate]) -> pd.DataFrame:
    import pandas as pd

    rows = [
        {
            "ratio": clip(each.id if each.label in ("", "all") else each.label),
            "value": each.value,
            "low": each.interval.low,
            "high": each.interval.high,
            "standard error": point.error if (point := _point(each)) else float("nan"),
            "note": "" if each.estimable else f"not estimable: {reason(each)}",
        }
        for each in estimates
    ]
    return pd.DataFrame(rows)


def _draw(
    width: int, points: Sequence[_Point], own: _Point | None, band: tuple[float, float] | None, level: float
) -> Drawing:
    sheet = Sheet(width, 340)
    left, bottom = 48, 262
    axes = sheet.axes(left, 34, width - 12, bottom)
    shown = [*points, *([own] if own else [])]
    low, high = ratio_range([*LEAST_RANGE, *(point.ratio for point in shown)], [])
    deepest = 1.12 * max(point.error for point in shown)
    effect_axis(axes, low, high, ratio=True, most_ticks=5 if sheet.narrow else 8)
    axes.set_ylim(deepest, 0)
    axes.set_xlabel("ratio (logarithmic axis)", color=QUIET, labelpad=6)
    _errors(axes, deepest)
    if band:
        _shade(axes, *band, level)
    _funnel(axes, level)
    for point in shown:
        _, mark, colour = PRIMARY if point is own else KINDS[point.kind]
        axes.plot([point.ratio], [point.error], mark, color=colour, markersize=9 if point is own else 7, zorder=4)
    sheet.text(left, 12, "standard error", color=QUIET, ha="left")
    _key(sheet, list(_kinds(shown)))
    return sheet.drawing


def _errors(axes: Axes, deepest: float) -> None:
    from matplotlib.ticker import MaxNLocator

    ticks = [float(tick) for tick in MaxNLocator(4).tick_values(0, deepest) if 0 <= tick <= deepest]
    axes.set_yticks(ticks, [number(tick) for tick in ticks])
    axes.spines["left"].set_visible(True)


def _funnel(axes: Axes, level: float) -> None:
    """No difference, and how far from it chance alone takes a ratio at each error."""
    (low, high), deepest = axes.get_xlim(), axes.get_ylim()[0]
    axes.plot([1, 1], [0, deepest], color=INK, linewidth=1.2, zorder=2)
    for side, edge in ((-1, low), (1, high)):
        # Cut where the line leaves the picture: a page keeps no clipping.
        end = min(deepest, side * log(edge) / _z(level))
        axes.plot([1, exp(side * _z(level) * end)], [0, end], color=QUIET, linewidth=1, linestyle=(0, (4, 3)), zorder=2)


def _shade(axes: Axes, mean: float, spread: float, level: float) -> None:
    (low, high), deepest = axes.get_xlim(), axes.get_ylim()[0]
    errors = [deepest * step / STEPS for step in range(STEPS + 1)]
    reach = [_z(level) * sqrt(error**2 + spread**2) for error in errors]
    left = [min(max(exp(mean - each), low), high) for each in reach]
    right = [min(max(exp(mean + each), low), high) for each in reach]
    axes.fill_betweenx(errors, left, right, color=ZONE, alpha=0.16, linewidth=0, zorder=0)


def _kinds(shown: Sequence[_Point]) -> Iterator[tuple[str, str, str]]:
    for kind, drawn_as in {**KINDS, "primary": PRIMARY}.items():
        if any(point.kind == kind for point in shown):
            yield drawn_as


def _key(sheet: Sheet, kinds: Sequence[tuple[str, str, str]]) -> None:
    """The marks and what they mean, under the picture."""
    axes = sheet.axes(0, 308, sheet.width, 336)
    axes.set_xlim(0, sheet.width)
    axes.set_ylim(28, 0)
    axes.set_xticks([])
    place = 12.0
    for words, mark, colour in kinds:
        axes.plot([place], [14], mark, color=colour, markersize=7)
        sheet.text(place + 10, 322, words)
        place += 34 + 6.6 * len(words)
