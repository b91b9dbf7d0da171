"""The specification curve: every defensible analysis by size, and below each which choices make it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

from counterfault.estimate import Estimate
from counterfault.figures.figure import Figure, drawn
from counterfault.figures.recipe import redrawable
from counterfault.figures.sheet import Sheet, ratio_range, ratio_ticks
from counterfault.figures.svg import INK, QUIET, ZONE
from counterfault.figures.wording import clip, count, number, reason, unbounded, value_and_limits

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

TITLE = "Every defensible specification"
PLANNED = "multiverse.planned"  # id of the part that the plan promised
BETWEEN = " · "  # what stands between two choices in the label of a specification
CHOICES = ("failures tied by", "compared within", "held fixed", "estimator")

# Pixels: height of the curve, from one choice to the next, of a heading, and below everything.
CURVE, ROW, HEADING, FOOT = 236, 17, 22, 14


@redrawable
def specification_curve(median: Estimate, *, worth_acting_on: float | None = None, title: str = TITLE) -> Figure:
    """Ratios of all specifications, sorted, with intervals; below them a mark in the row of each choice they make.

    Parameters
    ----------
    median : its parts are the specifications, each with a label of choices joined by " · " (as many in each); the one
        with id ``multiverse.planned`` is marked. Its ``p_value``, where it has one, is told as that of the joint test.
    worth_acting_on : the plan's threshold; shades what is too small to act on.
    title : what is shown.

    Raises
    ------
    ValueError
        Where there are no parts, they are not ratios, or their labels differ in the number of choices.
    """
    _require_choices(median.parts)
    curve = _Curve.of(median.parts)
    caption = _finding(median, curve)
    return drawn(
        lambda width: _draw(width, curve, worth_acting_on),
        title=title,
        caption=caption,
        alt=(
            "Points with intervals, from the smallest ratio to the largest; below each, marks for its choices. "
            f"{caption} {_by_choice(curve)}"
        ),
        data=_numbers(median.parts),
    )


@dataclass(frozen=True)
class _Curve:
    """The specifications that have a ratio, from small to large, and those that have none."""

    shown: tuple[Estimate, ...]
    silent: tuple[Estimate, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]

    @classmethod
    def of(cls, parts: Sequence[Estimate]) -> _Curve:
        known = sorted((part for part in parts if part.estimable), key=lambda part: (part.value, part.label))
        names = [_choices_of(part) for part in parts]
        headings = CHOICES if len(names[0]) == len(CHOICES) else ("",) * len(names[0])
        rows = tuple(
            (heading, tuple(sorted({name[place] for name in names}, key=_in_order)))
            for place, heading in enumerate(headings)
        )
        return cls(tuple(known), tuple(part for part in parts if not part.estimable), rows)

    @property
    def planned(self) -> int | None:
        """The place of the planned specification on the curve."""
        return next((place for place, part in enumerate(self.shown) if part.id == PLANNED), None)


def _choices_of(part: Estimate) -> list[str]:
    return part.label.split(BETWEEN)


def _in_order(name: str) -> list[Any]:
    """Windows by their hours: 6 h before 24 h before 72 h."""
    return [(float(word), "") if word.replace(".", "", 1).isdigit() else (0.0, word) for word in name.split()]


def _require_choices(parts: Sequence[Estimate]) -> None:
    if not parts:
        raise ValueError("specification_curve: the estimate has no parts, so there is no curve to draw")
    if not all(part.estimand.is_ratio for part in parts):
        kinds = ", ".join(sorted({part.estimand.label for part in parts if not part.estimand.is_ratio}))
        raise ValueError(f"specification_curve: the parts must be ratios; got {kinds}")
    lengths = {len(_choices_of(part)): part.label for part in parts}
    if len(lengths) > 1:
        one, other, *_ = lengths.values()
        raise ValueError(f"specification_curve: the labels {one!r} and {other!r} differ in the number of choices")


def _finding(median: Estimate, curve: _Curve) -> str:
    total, known = len(median.parts), curve.shown
    if not known:
        return f"None of the {count(total)} specifications is estimable: {reason(median)}."
    above = sum(part.value > 1 for part in known)
    clear = sum(part.interval.low > 1 for part in known)
    under = sum(part.interval.high < 1 for part in known)
    below = f"; {count(under)} had an interval below 1" if under else ""
    return (
        f"The analysis was repeated under all defensible choices: of {count(len(known))} analyses {count(above)} gave "
        f"a ratio above 1, {count(clear)} with an interval that leaves 1 out{below}{_silent(curve)}. The ratios run "
        f"from {number(known[0].value)} to {number(known[-1].value)}{_planned(curve)}.{_joint(median)}"
    )


def _silent(curve: _Curve) -> str:
    silent = len(curve.silent)
    return f"; {count(silent)} more {'analysis is' if silent == 1 else 'analyses are'} not estimable" if silent else ""


def _planned(curve: _Curve) -> str:
    if curve.planned is None:
        return ""
    part = curve.shown[curve.planned]
    return f"; the planned one is {value_and_limits(part)}, {_ordinal(curve.planned + 1)} from below"


def _joint(median: Estimate) -> str:
    """How often chance alone would do as much; the test looks to either side."""
    if median.p_value is None:
        return ""
    return (
        f" Their median is {number(median.value)}; with labels shuffled, one as far out comes up with a probability of "
        f"{median.p_value:.3f}."
    )


def _ordinal(place: int) -> str:
    ending = "th" if place % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place}{ending}"


def _by_choice(curve: _Curve) -> str:
    """The middle ratio under each choice, so that whoever does not see the marks knows what moves the curve."""
    told = []
    for place, (heading, names) in enumerate(curve.rows):
        found = [(name, [part.value for part in curve.shown if _choices_of(part)[place] == name]) for name in names]
        words = ", ".join(f"{clip(name, 40)} {number(_middle(values))}" for name, values in found if values)
        if len(names) > 1 and words:
            told.append(f"Median ratio, {heading}: {words}." if heading else f"Median ratio: {words}.")
    return " ".join(told)


def _middle(values: Sequence[float]) -> float:
    ordered, half = sorted(values), len(values) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] * ordered[half]) ** 0.5


def _numbers(parts: Sequence[Estimate]) -> pd.DataFrame:
    import pandas as pd

    rows = [
        {
            "specification": part.label,
            "planned": part.id == PLANNED,
            "value": part.value,
            "low": part.interval.low,
            "high": part.interval.high,
            "level": part.interval.level,
            "note": "" if part.estimable else f"not estimable: {reason(part)}",
        }
        for part in parts
    ]
    frame = pd.DataFrame(rows)
    return frame if frame["note"].any() else frame.drop(columns="note")


def _draw(width: int, curve: _Curve, worth_acting_on: float | None) -> Drawing:
    # On a telephone a choice stands above its marks instead of beside them.
    narrow_row = 2 * ROW - 4
    sheet = Sheet(width, 1)
    row = narrow_row if sheet.narrow else ROW
    left = 34 if sheet.narrow else 236
    depth = sum(HEADING + row * len(names) for _, names in curve.rows)
    sheet = Sheet(width, CURVE + depth + FOOT)
    sheet.text(0, 8, "ratio (logarithmic axis)", color=QUIET)
    axes = sheet.axes(left, 24, width - 6, CURVE - 20)
    _effects(axes, curve, worth_acting_on)
    top = float(CURVE)
    for place, (heading, names) in enumerate(curve.rows):
        sheet.text(0, top + HEADING / 2, heading, color=QUIET)
        top += HEADING
        for name in names:
            _marks(sheet, curve, place, name, left, top, row)
            top += row
    return sheet.drawing


def _effects(axes: Axes, curve: _Curve, worth_acting_on: float | None) -> None:
    """Ratios upwards on a logarithmic axis, one column for each specification."""
    d = worth_acting_on or 1.25
    ends = [end for part in curve.shown for end in (part.interval.low, part.interval.high)]
    low, high = ratio_range([1 / d, d, *(part.value for part in curve.shown)], ends)
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    axes.set_xlim(*_span(curve))
    axes.minorticks_off()
    ticks = ratio_ticks(low, high, 7)
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xticks([])
    _backdrop(axes, worth_acting_on)
    weight = _weight(len(curve.shown))
    for place, part in enumerate(curve.shown):
        _interval(axes, part, place, weight)
    if curve.planned is not None:
        _name_planned(axes, curve.planned, len(curve.shown))


def _span(curve: _Curve) -> tuple[float, float]:
    return -0.8, max(len(curve.shown), 1) - 0.2


def _weight(number_shown: int) -> float:
    """Many specifications are drawn finely, few are not."""
    return 1.0 if number_shown <= 30 else 0.7 if number_shown <= 60 else 0.5


def _backdrop(axes: Axes, worth_acting_on: float | None) -> None:
    left, right = axes.get_xlim()
    if worth_acting_on is not None:
        edges = (1 / worth_acting_on, worth_acting_on)
        corners = [left, right, right, left], [edges[0], edges[0], edges[1], edges[1]]
        axes.fill(*corners, color=ZONE, alpha=0.16, linewidth=0, zorder=0)
        axes.hlines(edges, left, right, color=QUIET, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    axes.hlines(1.0, left, right, color=INK, linewidth=1.2, zorder=1)


def _interval(axes: Axes, part: Estimate, place: int, weight: float) -> None:
    """A point and its interval; a limit beyond the axis ends at it. The planned one is darker, and a diamond."""
    low, high = axes.get_ylim()
    open_below, open_above = unbounded(part)
    planned = part.id == PLANNED
    bottom = low if open_below else max(part.interval.low, low)
    top = high if open_above else min(part.interval.high, high)
    colour = INK if planned else QUIET
    axes.plot(
        [place, place], [bottom, top], color=colour, linewidth=2.4 if planned else 2.2 * weight,
        alpha=1.0 if planned else 0.6, zorder=4 if planned else 2,
    )  # fmt: skip
    if isfinite(part.value) and part.value > 0:
        axes.plot(
            [place], [part.value], marker="D" if planned else "o", markersize=8 if planned else 6.5 * weight,
            linestyle="none", color=colour, clip_on=False, zorder=5 if planned else 3,
        )  # fmt: skip


def _name_planned(axes: Axes, place: int, shown: int) -> None:
    """The word "planned" at the foot of the curve, below the planned specification."""
    side = "left" if place < shown / 10 else "right" if place > 0.9 * shown else "center"
    axes.annotate(
        "planned", (place, 0), xycoords=("data", "axes fraction"), xytext=(0, -3), textcoords="offset points",
        ha=side, va="top", annotation_clip=False,
    )  # fmt: skip


def _marks(sheet: Sheet, curve: _Curve, place: int, name: str, left: float, top: float, row: float) -> None:
    """One row of the choices: its name, and a mark below every specification that makes it."""
    height = ROW - 5
    if sheet.narrow:
        sheet.text(left, top + 7, clip(name, 40))
    else:
        sheet.text(14, top + row / 2, clip(name, 32))
    bottom = top + row - 2
    axes = sheet.axes(left, bottom - height, sheet.width - 6, bottom)
    axes.set_xlim(*_span(curve))
    axes.set_ylim(0, 1)
    axes.set_xticks([])
    axes.axhline(0.5, color=QUIET, alpha=0.3, linewidth=0.8, zorder=0)
    weight = _weight(len(curve.shown))
    for planned in (False, True):
        if chosen := list(_with(curve, place, name, planned)):
            style: dict[str, Any] = (
                {"color": INK, "linewidth": 4.5} if planned else {"color": QUIET, "linewidth": 3.2 * weight}
            )
            axes.vlines(chosen, 0.0 if planned else 0.1, 1.0 if planned else 0.9, zorder=3 if planned else 2, **style)


def _with(curve: _Curve, place: int, name: str, planned: bool) -> Iterator[int]:
    """The places on the curve of the specifications that make this choice, the planned one apart."""
    for number_of, part in enumerate(curve.shown):
        if _choices_of(part)[place] == name and (part.id == PLANNED) == planned:
            yield number_of
