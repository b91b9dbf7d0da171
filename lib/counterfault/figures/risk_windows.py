"""Incidents in the hours before and after a deployment, against the quiet hours of the same service."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING

from counterfault.estimate import Estimate
from counterfault.figures.figure import Figure, drawn
from counterfault.figures.paragraphs import lines_of, paragraph
from counterfault.figures.periods import LETTER
from counterfault.figures.recipe import redrawable
from counterfault.figures.sheet import Sheet, ratio_range
from counterfault.figures.svg import AI, HUMAN, QUIET
from counterfault.figures.upright import Mark, ratio_axis, upright_effect
from counterfault.figures.wording import clip, finding, limits, number, percent, reason, value_and_limits

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

BEFORE, AFTER = "before", " after"
COURSE = 3  # windows after a deployment, from which on they are joined by a line
KINDS = (("AI-assisted", Mark(AI, "o", filled=True), -0.14), ("other", Mark(HUMAN, "s", filled=False), 0.14))
TOP, LOW, FOOT = 60, 264, 308


@dataclass(frozen=True)
class _Window:
    """One stretch of time around a deployment, and the ratio in it for each kind, in the order of ``KINDS``."""

    name: str
    found: tuple[Estimate | None, Estimate | None]
    is_before: bool = False


@redrawable
def risk_windows(
    ai: Estimate, other: Estimate, excess: Estimate | None = None, *, before_hours: float | None = None
) -> Figure:
    """Incident rate ratios by hours since a deployment and before it, both kinds side by side.

    Parameters
    ----------
    ai, other : the estimates ``self_controlled.rate_ratio_ai`` and ``…_other``; their parts are the windows, labelled
        ``before`` or ``0 to 6 h after``.
    excess : the estimate ``self_controlled.excess_ratio``; told in the caption.
    before_hours : how many hours the window ``before`` has; its name says so.

    Raises
    ------
    ValueError
        Where an estimate is no ratio.
    """
    for item in (ai, other):
        if not item.estimand.is_ratio:
            raise ValueError(f"risk_windows draws ratios; {item.id or item.label!r} is a {item.estimand.label}")
    windows = _windows(ai, other, "before" if before_hours is None else f"{before_hours:g} h before")
    caption = " ".join(filter(None, (_after(ai, other), _excess(excess), _before(windows))))
    return drawn(
        lambda width: _draw(width, windows, ai, other),
        title="Incidents in the hours around a deployment",
        caption=caption,
        alt=f"Rate ratios with intervals on a logarithmic axis, one place per window of time: filled dots for "
        f"AI-assisted deployments, open squares for others, and a firm line at 1. {caption} {_later(windows)}".strip(),
        data=_numbers(ai, other, excess),
    )


def _windows(ai: Estimate, other: Estimate, before: str) -> list[_Window]:
    """The windows in order of time; what is the same window under another model stays in the table."""
    by_name = [{part.label: part for part in item.parts} for item in (ai, other)]
    names = list(dict.fromkeys(label for found in by_name for label in found))
    found = {name: (by_name[0].get(name), by_name[1].get(name)) for name in names}
    first = [_Window(before, found[BEFORE], is_before=True)] if BEFORE in found else []
    return [*first, *(_Window(name, both) for name, both in found.items() if name.endswith(AFTER))]


def _after(ai: Estimate, other: Estimate) -> str:
    """What happens in the first window, for both kinds."""
    window = clip((ai if ai.estimable else other).label, 40)
    when = f"{window} the deployment" if window.endswith(AFTER) else "after the deployment"
    level = f"{percent(ai.interval.level)} intervals"
    told = f"Incidents per hour as a multiple of quiet hours, with {level}, {when}: {_pair((ai, other))}."
    silent = next((item for item in (ai, other) if not item.estimable), None)
    return f"{told} Not estimable because: {reason(silent)}." if silent else told


def _excess(excess: Estimate | None) -> str:
    if excess is None:
        return ""
    if not excess.estimable:
        return f"How many incidents AI-assisted deployments add for each that others add: {finding(excess)}."
    low, high, level = excess.interval.low, excess.interval.high, excess.interval.level
    either = "; as many is still possible" if excess.estimand.null in excess.interval else ""
    return (
        f"For each incident that other deployments add, AI-assisted ones add {number(excess.value)} "
        f"({percent(level)} interval {limits(low, high)}){either}."
    )


def _before(windows: Sequence[_Window]) -> str:
    return next((f"{_when(each)}, where 1 is wanted: {_pair(each.found)}." for each in windows if each.is_before), "")


def _when(before: _Window) -> str:
    return "Before it" if before.name == BEFORE else f"In the {before.name} it"


def _later(windows: Sequence[_Window]) -> str:
    """The windows that the caption leaves out."""
    later = [each for each in windows if not each.is_before][1:]
    return "; ".join(f"{clip(each.name, 40)}: {_pair(each.found)}" for each in later)


def _pair(found: tuple[Estimate | None, Estimate | None]) -> str:
    return ", ".join(
        f"{words} {value_and_limits(item) if item else 'not asked'}"
        for (words, *_), item in zip(KINDS, found, strict=True)
    )


def _numbers(ai: Estimate, other: Estimate, excess: Estimate | None) -> pd.DataFrame:
    import pandas as pd

    # Every part, also the window once more under another model: that the two differ little is part of the finding.
    shown = [(words, part) for (words, *_), item in zip(KINDS, (ai, other), strict=True) for part in _parts(item)]
    if excess is not None:
        shown.append(("excess of AI-assisted over excess of other", excess))
    frame = pd.DataFrame([_row(kind, item) for kind, item in shown])
    return frame if frame["note"].any() else frame.drop(columns="note")


def _parts(item: Estimate) -> tuple[Estimate, ...]:
    return item.parts or (item,)


def _row(kind: str, item: Estimate) -> dict[str, object]:
    return {
        "deployments": kind,
        "window": clip(item.label, 80),
        "ratio": item.value,
        "low": item.interval.low,
        "high": item.interval.high,
        "level": item.interval.level,
        "note": "" if item.estimable else f"not estimable: {reason(item)}",
    }


def _draw(width: int, windows: Sequence[_Window], ai: Estimate, other: Estimate) -> Drawing:
    sheet = Sheet(width, FOOT)
    known = [item for each in windows for item in each.found if item is not None and item.estimable]
    if not known:
        sheet.text(0, 60, "not estimable", fontsize=19, fontweight="bold")
        paragraph(sheet, 0, 92, lines_of(reason(ai if not ai.estimable else other), width - 10), color=QUIET)
        return sheet.drawing
    left, right = 46, width - 8
    axes = sheet.axes(left, TOP, right, LOW)
    values = [1.0, *(item.value for item in known if item.value > 0)]
    ratio_axis(axes, *ratio_range(values, [end for item in known for end in (item.interval.low, item.interval.high)]))
    axes.set_xlim(-0.5, len(windows) - 0.5)
    _legend(sheet)
    _name_windows(sheet, axes, windows, (right - left) / len(windows))
    _join(axes, windows)
    for place, each in enumerate(windows):
        _window(axes, place, each, roomy=(right - left) / len(windows) >= 140)
    return sheet.drawing


def _legend(sheet: Sheet) -> None:
    """Shapes beside their names, so that nobody has to tell two colours apart."""
    x = 0.0
    for (words, mark, _), sign in zip(KINDS, "●□", strict=True):
        sheet.text(x, 10, sign, color=mark.colour)
        sheet.text(x + 16, 10, words)
        x += 36 + LETTER * len(words)
    words = "incidents per hour, as a multiple of quiet hours"
    if sheet.narrow:
        sheet.text(0, 28, words, color=QUIET)
    else:
        sheet.text(sheet.width, 10, f"{words} (logarithmic axis)", ha="right", color=QUIET)


def _name_windows(sheet: Sheet, axes: Axes, windows: Sequence[_Window], slot: float) -> None:
    lines = [lines_of(each.name, slot, most=2) for each in windows]
    axes.set_xticks(range(len(windows)), ["\n".join(each) for each in lines])
    axes.spines["bottom"].set_visible(True)
    if windows[0].is_before and len(windows) > 1:
        axes.axvline(0.5, color=QUIET, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
        axes.text(0.5, 1, "the deployment", transform=axes.get_xaxis_transform(), ha="center", va="bottom", color=QUIET)


def _join(axes: Axes, windows: Sequence[_Window]) -> None:
    """A thin line through the windows after a deployment: from three on there is a course, two are a difference."""
    for which, (_, mark, shift) in enumerate(KINDS):
        known = [(place + shift, each.found[which]) for place, each in enumerate(windows) if not each.is_before]
        points = [(x, item.value) for x, item in known if item is not None and item.estimable and item.value > 0]
        if len(points) >= COURSE:
            axes.plot(*zip(*points, strict=True), color=mark.colour, linewidth=1, alpha=0.55, zorder=1)


def _window(axes: Axes, place: int, window: _Window, *, roomy: bool) -> None:
    for (_, mark, shift), item in zip(KINDS, window.found, strict=True):
        if item is None:
            continue
        if not item.estimable or item.value <= 0:
            words = "no value" if not item.estimable else "0"
            axes.text(
                place + shift, axes.get_ylim()[0], words, ha="center", va="bottom", color=mark.colour, rotation=90
            )
            continue
        upright_effect(axes, place + shift, item, mark)
        if roomy:
            side = 1 if shift > 0 else -1
            axes.annotate(number(item.value), (place + shift, item.value), xytext=(9 * side, _lift(axes, item, side)),
                          textcoords="offset points", va="center", ha="left" if side > 0 else "right")  # fmt: skip


def _lift(axes: Axes, item: Estimate, side: int) -> float:
    """Pixels by which a number stands above its point: away from the line through the kind, and clear of that at 1."""
    low, high = axes.get_ylim()
    above_one = (LOW - TOP) * log(item.value) / log(high / low)
    usual = -8 * side
    return usual if abs(above_one + usual) > 7 else -usual
