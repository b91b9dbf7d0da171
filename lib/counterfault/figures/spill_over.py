"""How far failures reach: from a changed service, hop by hop, to the services that need it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import hypot, nan
from typing import TYPE_CHECKING, Any

from counterfault.estimate import Estimate
from counterfault.figures.figure import Figure, drawn
from counterfault.figures.paragraphs import lines_of, paragraph
from counterfault.figures.periods import LINE
from counterfault.figures.recipe import redrawable
from counterfault.figures.sheet import Sheet, backdrop, effect, effect_axis, ratio_range
from counterfault.figures.svg import INK, NARROW, QUIET
from counterfault.figures.wording import clip, count, finding, reason, value_and_limits

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

# Support of an estimate: how many ties there are so far away, and how many coincidence alone would make.
TIES, BY_CHANCE = "links", "links_by_chance"
HEADING, BAND, GAP, FOOT = 28, 40, 26, 54
MOST_NODES = 3  # of one level of the graph
UNCORRECTED = "Ties include coincidences, and no ratio here is corrected for them."


@dataclass(frozen=True)
class _Node:
    """One distance from the change: what it is, the estimate there, and the ties behind it."""

    name: str
    found: Estimate | None

    @property
    def estimable(self) -> bool:
        return self.found is not None and self.found.estimable and self.found.value > 0

    @property
    def ties(self) -> float:
        return self._number_of(TIES)

    @property
    def by_chance(self) -> float:
        return self._number_of(BY_CHANCE)

    def _number_of(self, name: str) -> float:
        """A count of the support; NaN where there is none, or where text says that it is suppressed."""
        found: object = self.found.support.get(name, nan) if self.found is not None else nan
        return nan if isinstance(found, str) else float(found)  # type: ignore[arg-type]

    @property
    def counted(self) -> bool:
        return self.ties == self.ties

    def ties_in_words(self) -> str:
        """``406 ties, 381 by chance``; nothing where they were not counted."""
        if not self.counted:
            return ""
        chance = f", {count(round(self.by_chance))} by chance" if self.by_chance == self.by_chance else ""
        return f"{count(self.ties)} ties{chance}"

    def why(self) -> str:
        """Why there is no ratio, in the estimate's own words."""
        return "" if self.found is None or self.estimable else reason(self.found)


@redrawable
def spill_over(by_hop: Sequence[Estimate], changed: Estimate | None = None) -> Figure:
    """The ratio on the changed service and at each distance from it, with the ties behind each.

    Parameters
    ----------
    by_hop : the estimates ``spill_over.hop_1.risk_ratio`` and so on, nearest first. Where their support has ``links``
        and ``links_by_chance``, ties observed stand beside those that coincidence alone would make.
    changed : the ratio on the changed service itself, as counted: those further away are not corrected for
        coincidence either. Left out where absent.

    Raises
    ------
    ValueError
        Where there is no hop to draw, or an estimate is no ratio.
    """
    if not by_hop:
        raise ValueError("spill_over: there is no hop to draw")
    for item in (*by_hop, *([changed] if changed else [])):
        if not item.estimand.is_ratio:
            raise ValueError(f"spill_over draws ratios; {item.id or item.label!r} is a {item.estimand.label}")
    nodes = [_Node("the changed service", changed), *(_Node(_hop(n), item) for n, item in enumerate(by_hop, start=1))]
    caption = _finding(nodes)
    return drawn(
        lambda width: _draw(width, nodes),
        title="From the changed service to those that need it",
        caption=caption,
        alt=f"A service graph from top to bottom, one level per hop, with the ratio at each. {caption}",
        data=_numbers(nodes),
    )


def _hop(hop: int) -> str:
    who = {1: "services that need it", 2: "services that need those"}.get(hop, "one step further")
    return f"{hop} hop{'s' * (hop > 1)}: {who}"


def _finding(nodes: Sequence[_Node]) -> str:
    """What is known at which distance; that nothing is known is a finding too, and no sign of safety."""
    origin, *hops = nodes
    known = [node for node in hops if node.estimable]
    told = [_told(node) for node in hops]
    start = f"On the changed service the ratio is {finding(origin.found)}. " if origin.found else ""
    if not known:
        return (
            f"{start}Further away no ratio can be given ({'; '.join(told)}): these data neither show that failures "
            f"spread nor that they do not.{f' {UNCORRECTED}' if start else ''}"
        )
    return f"{start}{'; '.join(told)}. {UNCORRECTED}"


def _told(node: _Node) -> str:
    hop = node.name.partition(":")[0]
    ties = node.ties_in_words()
    if node.estimable and node.found is not None:
        return f"{hop}: {finding(node.found)}" + (f" ({ties})" if ties else "")
    return f"{hop}: {ties or node.why()}"


def _numbers(nodes: Sequence[_Node]) -> pd.DataFrame:
    import pandas as pd

    frame = pd.DataFrame([_row(node, node.found) for node in nodes if node.found is not None])
    empty = [name for name in ("ties", "ties by chance") if frame[name].isna().all()]
    return frame.drop(columns=empty)


def _row(node: _Node, found: Estimate) -> dict[str, Any]:
    return {
        "where": node.name,
        "ratio": found.value,
        "low": found.interval.low,
        "high": found.interval.high,
        "level": found.interval.level,
        "ties": node.ties,
        "ties by chance": node.by_chance,
        "note": "" if node.estimable else f"not estimable: {node.why()}",
    }


@dataclass(frozen=True)
class _Place:
    """One row of the picture, in pixels from the top, and the lines of why it has no ratio."""

    node: _Node
    top: float
    ties: float
    ratio: float
    why: tuple[str, ...]
    words: float


def _draw(width: int, nodes: Sequence[_Node]) -> Drawing:
    narrow = width <= NARROW
    left = 76 if narrow else 118
    places, height = _places(nodes, width - left, narrow)
    ratios = any(node.estimable for node in nodes)
    sheet = Sheet(width, round(height) + (FOOT if ratios else 0))
    _graph(sheet, places, left - 20)
    middle = width if narrow or not ratios else left + (width - left) * 0.46
    if narrow:
        _ties_in_words(sheet, places, left)
    elif any(node.counted for node in nodes):
        _ties(sheet, places, (left, middle - 24))
    if ratios:
        _ratios(sheet, places, (left if narrow else middle, width - 8), height)
    for place in places:
        _words(sheet, place, left)
    return sheet.drawing


def _places(nodes: Sequence[_Node], width: float, narrow: bool) -> tuple[list[_Place], float]:
    """Where each row stands, one below the other; on a telephone ties and ratio share no line."""
    y, found = 0.0, []
    for node in nodes:
        top, y = y, y + HEADING + (LINE + 4 if narrow else 0)
        ties = ratio = y
        y += (LINE + 4 if narrow else BAND) if node.counted else 0
        if node.estimable and (narrow or not node.counted):
            ratio, y = y, y + BAND
        why = tuple(lines_of(f"{node.why()}.", width)) if node.why() else ()
        found.append(_Place(node, top, ties, ratio, why, y + 10))
        y += LINE * len(why) + GAP
    return found, y


def _graph(sheet: Sheet, places: Sequence[_Place], width: float) -> None:
    """A graph that widens with each hop: no service of these data, but the way a failure would go."""
    axes = sheet.axes(0, 0, width, sheet.height)
    axes.set_xlim(0, width)
    axes.set_ylim(sheet.height, 0)
    axes.set_xticks([])
    levels = [_level(place, at, width) for at, place in enumerate(places)]
    for above, below in pairwise(levels):
        for which, (x, y) in enumerate(above):
            for end_x, end_y in below[which : which + 2]:
                _arrow(axes, (x, y), (end_x, end_y))
    for place, level in zip(places, levels, strict=True):
        # Filled where there is a ratio, with a question mark where there is none.
        known = place.node.estimable or place.node.found is None
        for x, y in level:
            axes.plot([x], [y], marker="o", markersize=15, color=INK, markerfacecolor=INK if known else "none",
                      markeredgewidth=1.4, linestyle="none", clip_on=False)  # fmt: skip
            if not known:
                axes.text(x, y, "?", ha="center", va="center_baseline", fontsize=11.5)


def _level(place: _Place, hop: int, width: float) -> list[tuple[float, float]]:
    wide = min(hop + 1, MOST_NODES)
    step = (width - 18) / (MOST_NODES - 1)
    return [(width / 2 + step * (which - (wide - 1) / 2), place.top + 12) for which in range(wide)]


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    """A quiet line between two nodes, free of both, with its head at the lower one."""
    (x, y), (to_x, to_y) = start, end
    length = hypot(to_x - x, to_y - y)
    free = 11 / length
    line = [(x + share * (to_x - x), y + share * (to_y - y)) for share in (free, 1 - free)]
    axes.plot(*zip(*line, strict=True), color=QUIET, linewidth=1.2)
    axes.plot([line[1][0]], [line[1][1]], marker="v", markersize=5, color=QUIET, linestyle="none")


def _ties_in_words(sheet: Sheet, places: Sequence[_Place], left: float) -> None:
    """On a telephone ties would stand right above the axis of ratios, and their marks be read on it."""
    for place in places:
        if place.node.counted:
            sheet.text(left, place.ties + 7, place.node.ties_in_words(), color=QUIET)


def _ties(sheet: Sheet, places: Sequence[_Place], edges: tuple[float, float]) -> None:
    """Per hop the ties observed beside those that chance would make, all on one scale from zero."""
    axes = sheet.axes(edges[0], 0, edges[1], sheet.height)
    axes.set_ylim(sheet.height, 0)
    axes.set_xticks([])
    both = [n for place in places for n in (place.node.ties, place.node.by_chance) if n == n]
    axes.set_xlim(0, max([1.0, *both]) * 1.05)
    mark: dict[str, Any] = {"linestyle": "none", "color": INK, "clip_on": False}
    for place in places:
        node, y = place.node, place.ties + 26
        if not node.counted:
            continue
        axes.plot([0, node.ties], [y, y], color=QUIET, alpha=0.5, linewidth=1.2)
        if node.by_chance == node.by_chance:
            axes.plot([node.by_chance, node.ties], [y, y], color=INK, linewidth=2.4)
            axes.plot([node.by_chance], [y], marker="D", markersize=7, markerfacecolor="none", markeredgewidth=1.6,
                      **mark)  # fmt: skip
        axes.plot([node.ties], [y], marker="o", markersize=7, **mark)
        chance = f"   ◇ {count(round(node.by_chance))} by chance" if node.by_chance == node.by_chance else ""
        sheet.text(edges[0], place.ties + 7, f"● {count(node.ties)} ties{chance}")


def _ratios(sheet: Sheet, places: Sequence[_Place], edges: tuple[float, float], height: float) -> None:
    axes = sheet.axes(edges[0], 0, edges[1], height)
    axes.set_ylim(height, 0)
    shown = [place.node.found for place in places if place.node.estimable and place.node.found is not None]
    low, high = ratio_range(
        [0.8, 1.25, *(item.value for item in shown)],
        [end for item in shown for end in (item.interval.low, item.interval.high)],
    )
    effect_axis(axes, low, high, ratio=True, most_ticks=5 if sheet.narrow else 7)
    axes.set_xlabel("ratio (logarithmic axis)", color=QUIET, labelpad=6)
    for place in places:
        if place.node.estimable and place.node.found is not None:
            y = place.ratio + (26 if place.ratio == place.ties and place.node.counted else 16)
            backdrop(axes, y - 14, y + 14, 1.0, None)
            effect(axes, place.node.found, y)


def _words(sheet: Sheet, place: _Place, left: float) -> None:
    """What this node is, its ratio in figures, and why it has none."""
    node = place.node
    sheet.text(left, place.top + 12, clip(node.name, 36 if sheet.narrow else 48), fontweight="bold")
    if node.found is not None:
        style: dict[str, Any] = {} if node.estimable else {"fontstyle": "italic"}
        told = value_and_limits(node.found) if node.estimable else "not estimable"
        if sheet.narrow:
            sheet.text(left, place.top + 12 + LINE + 4, told, **style)
        else:
            sheet.text(sheet.width, place.top + 12, told, ha="right", **style)
    paragraph(sheet, left, place.words, list(place.why), color=QUIET)
