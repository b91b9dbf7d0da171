"""How strong an unmeasured confounder would have to be, beside how strong the measured ones are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import exp, isfinite, log, nan, sqrt
from typing import TYPE_CHECKING

from counterfault.estimate import Estimate
from counterfault.figures.figure import Figure, drawn
from counterfault.figures.periods import LINE, apart, name_at_right
from counterfault.figures.recipe import redrawable
from counterfault.figures.sheet import Sheet, ratio_ticks
from counterfault.figures.svg import HUMAN, INK, QUIET, ZONE
from counterfault.figures.wording import clip, number, sentence_start

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

HEIGHT, TOP, FOOT = 380, 34, 56
# Beyond this strength nobody reads a plane any more; what lies outside is told in words and in the table.
FURTHEST = 1000.0
Dash = str | tuple[int, tuple[int, ...]]


@dataclass(frozen=True)
class _Curve:
    """The pairs of strengths that multiply a ratio by ``factor`` at most (Ding & VanderWeele 2016)."""

    words: str
    factor: float
    target: float
    dash: Dash

    @property
    def e_value(self) -> float:
        """Where both strengths are equal (VanderWeele & Ding 2017)."""
        return self.factor + sqrt(self.factor * (self.factor - 1))

    def outcome(self, exposure: float) -> float:
        """The strength with failure that goes with this one with exposure, which is larger than ``factor``."""
        return self.factor * (exposure - 1) / (exposure - self.factor)


@dataclass(frozen=True)
class _Point:
    """A measured confounder: its two strengths, the factor they make, and how far leaving it out moved the ratio."""

    name: str
    exposure: float
    outcome: float
    factor: float
    moved: float

    @property
    def drawn(self) -> bool:
        return isfinite(self.factor) and max(self.exposure, self.outcome) <= FURTHEST


@redrawable
def confounding_contour(primary: Estimate, measured: Sequence[Estimate], *, worth_acting_on: float) -> Figure:
    """The strengths of a confounder at which the ratio, or its limit, would be explained.

    Parameters
    ----------
    primary : the ratio to explain, with its interval.
    measured : one estimate per measured confounder, ``confounding.without.<covariate>``: by how much the ratio moves
        without it, with its strengths as parts whose ids end in ``with_exposure``, ``with_outcome`` and
        ``bounding_factor``. One without such parts is in the table only.
    worth_acting_on : the plan's threshold, above 1.

    Raises
    ------
    ValueError
        Where the estimate is not a ratio, or the threshold is not above 1.
    """
    if not primary.estimand.is_ratio:
        raise ValueError(
            f"confounding_contour draws ratios; {primary.id or primary.label!r} estimates: {primary.estimand.label}"
        )
    if not worth_acting_on > 1:
        raise ValueError(f"worth_acting_on must be above 1; it is {worth_acting_on}")
    curves, points = _curves(primary, worth_acting_on), [_point(item) for item in measured]
    caption = " ".join((_needed(primary, curves), _strongest(points), *_only_moved(points)))
    return drawn(
        lambda width: _draw(width, curves, [point for point in points if point.drawn], _group(primary)),
        title="How strong a confounder would have to be",
        caption=caption,
        alt=f"{_what_is_drawn(curves, points)} {caption}",
        data=_numbers(primary, curves, points),
    )


def _curves(primary: Estimate, worth_acting_on: float) -> list[_Curve]:
    """What there is to explain, the farthest first; nothing of a limit that is 1 or beyond it."""
    if not (primary.estimable and primary.value > 0):
        return []
    up = primary.value >= 1
    limit = primary.interval.low if up else primary.interval.high
    threshold = worth_acting_on if up else 1 / worth_acting_on
    wanted = (
        ("estimate at 1", primary.value, 1.0, "-"),
        ("limit at 1", limit, 1.0, (0, (6, 2))),
        (f"estimate at {number(threshold)}", primary.value, threshold, (0, (2, 2))),
    )
    found = [
        _Curve(words, value / target if up else target / value, target, dash)
        for words, value, target, dash in wanted
        if value > 0
    ]
    return [curve for curve in found if curve.factor > 1 and curve.e_value <= FURTHEST]


def _group(primary: Estimate) -> str:
    """In which group a confounder that explains this ratio is the commoner one."""
    return "without AI" if primary.value < 1 else "with AI"


def _point(measured: Estimate) -> _Point:
    parts = {part.id.rpartition(".")[2]: part.value for part in measured.parts}
    return _Point(
        name=clip(measured.label.removeprefix("without ").replace("_", " "), 26),
        exposure=parts.get("with_exposure", nan),
        outcome=parts.get("with_outcome", nan),
        factor=parts.get("bounding_factor", nan),
        moved=measured.value,
    )


def _needed(primary: Estimate, curves: Sequence[_Curve]) -> str:
    if not primary.estimable:
        return "There is no ratio to explain."
    ends = {curve.words: curve for curve in curves}
    if "estimate at 1" not in ends:
        return f"No strength up to {number(FURTHEST)} is called for by a ratio of {number(primary.value)}."
    both = number(ends["estimate at 1"].e_value)
    told = (
        f"To bring {number(primary.value)} to 1, something unmeasured would have to be {both} times as common "
        f"{_group(primary)} and make failure {both} times as likely"
    )
    if "limit at 1" in ends:
        return f"{told}; to bring its limit there, {number(ends['limit at 1'].e_value)} times each."
    return f"{told}; its interval holds 1 as it is."


def _strongest(points: Sequence[_Point]) -> str:
    known = [point for point in points if isfinite(point.factor)]
    if not known:
        return "No measured confounder could be placed beside it."
    most = max(known, key=lambda point: point.factor)
    return (
        f"The strongest measured one, {most.name} ({number(most.exposure)} with AI assistance, {number(most.outcome)} "
        f"with failure), could multiply the ratio by {number(most.factor)} at most."
    )


def _only_moved(points: Sequence[_Point]) -> Iterator[str]:
    """What has no place in the plane, but did move the ratio."""
    for point in points:
        if not isfinite(point.factor) and isfinite(point.moved):
            yield f"Without comparing within {point.name} the ratio would be {number(point.moved)} times as large."


def _what_is_drawn(curves: Sequence[_Curve], points: Sequence[_Point]) -> str:
    inside = sum(point.drawn for point in points)
    lines = ", ".join(curve.words for curve in curves) or "no curve"
    return (
        "A plane of two strengths on logarithmic axes from 1: how many times as common a confounder is in one group as "
        f"in the other, and how many times as likely it makes failure. Curves: {lines}. "
        f"{inside} measured confounders are points."
    )


def _numbers(primary: Estimate, curves: Sequence[_Curve], points: Sequence[_Point]) -> pd.DataFrame:
    import pandas as pd

    up = not primary.estimable or primary.value >= 1
    rows = [(sentence_start(c.words), c.e_value, c.e_value, c.factor, c.target, nan) for c in curves]
    rows += [
        (p.name, p.exposure, p.outcome, p.factor, primary.value / p.factor if up else primary.value * p.factor, p.moved)
        for p in points
    ]
    names = ["mark", "with exposure", "with failure", "multiplies by at most", "ratio left", "moved when left out"]
    return pd.DataFrame(rows or [("nothing to draw", nan, nan, nan, nan, nan)], columns=names)


def _draw(width: int, curves: Sequence[_Curve], points: Sequence[_Point], group: str) -> Drawing:
    sheet = Sheet(width, HEIGHT)
    bottom = HEIGHT - FOOT
    left, right = 36, width - (118 if sheet.narrow else 130)
    axes = sheet.axes(left, TOP, right, bottom)
    high = _furthest(curves, points)
    _strength_axes(axes, high, 4 if sheet.narrow else 7)
    sheet.text(0, 12, "times as likely to fail, from level to level")
    axes.set_xlabel(f"times as common {group}", color=INK, labelpad=6)
    names = [_curve(axes, curve, high) for curve in curves]
    name_at_right(axes, names, bottom - TOP)
    _e_values(axes, curves, right - left)
    _measured(axes, points, bottom - TOP)
    return sheet.drawing


def _furthest(curves: Sequence[_Curve], points: Sequence[_Point]) -> float:
    strengths = [curve.e_value for curve in curves]
    strengths += [strength for point in points for strength in (point.exposure, point.outcome)]
    return float(max([1.6, *strengths]) ** 1.25)


def _strength_axes(axes: Axes, high: float, most_ticks: int) -> None:
    """Both axes from 1, in logarithms: curves and names are then placed on a plain scale."""
    ticks = ratio_ticks(1.0, high, most_ticks)
    places, words = [log(tick) for tick in ticks], [f"{tick:g}" for tick in ticks]
    axes.set_xlim(0, log(high))
    axes.set_ylim(0, log(high))
    axes.set_xticks(places, words)
    axes.set_yticks(places, words)
    axes.spines[["left", "bottom"]].set_visible(True)


def _curve(axes: Axes, curve: _Curve, high: float) -> tuple[float, str]:
    """Draws the curve, shades what is beyond it, and says where its name belongs."""
    end = log(high)
    first = log(curve.factor * (high - 1) / (high - curve.factor))  # by symmetry, where it leaves the picture above
    xs = [first + (end - first) * step / 120 for step in range(121)]
    ys = [log(curve.outcome(exp(x))) for x in xs]
    axes.plot(xs, ys, color=INK, linewidth=2 if curve.dash == "-" else 1.6, linestyle=curve.dash, zorder=3)
    if curve.target == 1:
        axes.fill_between(xs, ys, end, color=ZONE, alpha=0.13, linewidth=0, zorder=0)
    return ys[-1], curve.words


def _e_values(axes: Axes, curves: Sequence[_Curve], width: float) -> None:
    """The strength where both are equal, in figures, on the curves that lead to 1."""
    ends = [curve for curve in curves if curve.target == 1]
    top = axes.get_xlim()[1]
    for curve in ends:
        at = log(curve.e_value)
        # Above its curve, where there is nothing, but for the nearer of two curves that leave no room between them.
        room = min((log(other.e_value) - at for other in ends if other.e_value > curve.e_value), default=top)
        above = room * width / top > 44
        axes.plot([at], [at], marker="D", markersize=6, color=INK, linestyle="none", zorder=4)
        axes.annotate(
            number(curve.e_value), (at, at), xytext=(6, 6) if above else (-6, -7), textcoords="offset points",
            ha="left" if above else "right", va="bottom" if above else "top", fontweight="bold",
        )  # fmt: skip


def _measured(axes: Axes, points: Sequence[_Point], height: float) -> None:
    """Measured confounders as rings, each with its name at its right; names are moved apart, and then tied to rings."""
    top = axes.get_ylim()[1]
    ordered = sorted(points, key=lambda point: point.outcome)
    places = apart([height * log(point.outcome) / top for point in ordered], LINE)
    for point, place in zip(ordered, places, strict=True):
        x, y = log(point.exposure), log(point.outcome)
        axes.plot(
            [x], [y], marker="o", markersize=8, color=HUMAN, markerfacecolor="none", markeredgewidth=2,
            linestyle="none", clip_on=False, zorder=5,
        )  # fmt: skip
        shift = place - height * y / top
        axes.annotate(
            point.name, (x, y), xytext=(12, shift), textcoords="offset points", va="center", annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": QUIET, "linewidth": 0.8} if shift > 4 else None,
        )  # fmt: skip
