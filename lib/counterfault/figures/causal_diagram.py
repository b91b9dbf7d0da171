"""What a plan says acts on what: the diagram that total and direct associations are read by."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from counterfault.figures.figure import Figure, drawn
from counterfault.figures.sheet import Sheet
from counterfault.figures.svg import INK, QUIET
from counterfault.figures.wording import clip

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

    from counterfault.estimators.amplifying.causal_diagram import Diagram

LINE = 18
CLEAR = 20  # pixels
HELD, AI, BETWEEN, INCIDENT, HIDDEN = "held fixed", "AI assistance", "on the way", "incident", "unmeasured"
ARROWS = ((HELD, AI), (HELD, BETWEEN), (HELD, INCIDENT), (AI, BETWEEN), (BETWEEN, INCIDENT), (AI, INCIDENT))
ABSENT = ((HIDDEN, AI), (HIDDEN, BETWEEN), (HIDDEN, INCIDENT))


class Box(NamedTuple):
    """A rectangle in pixels with its lines of text."""

    x: float
    y: float
    width: float
    lines: tuple[str, ...]

    @property
    def height(self) -> float:
        return LINE * len(self.lines) + 12

    def way_out(self, other: Box) -> tuple[float, float]:
        """Where an arrow to the other box begins: at the side, or below or above where one stands over the other."""
        x, y = self.middle
        if other.x + other.width > self.x and self.x + self.width > other.x:
            return x, self.y + (self.height if other.y > self.y else 0)
        return self.x + (self.width if other.x > self.x else 0), y

    def way_in(self, other: Box) -> tuple[float, float]:
        """Where an arrow from the other box ends: from above or below where that one lies clear of it."""
        x, y = self.middle
        if other.y + other.height + CLEAR < self.y:
            return x, self.y
        if other.y > self.y + self.height + CLEAR:
            return x, self.y + self.height
        return self.x + (self.width if other.x > self.x else 0), y

    @property
    def middle(self) -> tuple[float, float]:
        return self.x + self.width / 2, self.y + self.height / 2


def causal_diagram(diagram: Diagram) -> Figure:
    """The plan's causal diagram, nodes of one role in one box.

    Parameters
    ----------
    diagram : as :func:`counterfault.estimators.amplifying.causal_diagram.causal_diagram` makes it from a plan.
    """
    import pandas as pd

    groups = _groups(diagram)
    held = ", ".join(groups[HELD]) or "nothing"
    between = ", ".join(groups[BETWEEN]) or "nothing named"
    caption = (
        f"Held fixed: {held}. On the way from AI assistance to an incident: {between}; holding that fixed too leaves "
        "the direct part. The estimates assume that nothing unmeasured acts on both ends of a solid arrow."
    )
    edges = pd.DataFrame(
        [(cause, effect, "assumed absent" if absent else "assumed") for cause, effect, absent in diagram.arrows],
        columns=["cause", "effect", "arrow"],
    )
    return drawn(
        lambda width: _draw(width, groups),
        title="What the plan says acts on what",
        caption=caption,
        alt=f"Boxes joined by arrows: what is held fixed, AI assistance, what lies on the way, an incident. {caption}",
        data=edges,
    )


def _groups(diagram: Diagram) -> dict[str, tuple[str, ...]]:
    boxes = {"stratum": HELD, "confounder": HELD, "exposure": AI, "mediator": BETWEEN, "outcome": INCIDENT}
    found: dict[str, tuple[str, ...]] = dict.fromkeys((HELD, AI, BETWEEN, INCIDENT), ())
    for name, role in diagram.roles.items():
        if role.value in boxes:
            found[boxes[role.value]] += (clip(name.replace("_", " "), 24),)
    return found


def _draw(width: int, groups: dict[str, tuple[str, ...]]) -> Drawing:
    boxes = _placed(width, groups)
    height = round(max(box.y + box.height for box in boxes.values())) + 8
    sheet = Sheet(width, height)
    axes = sheet.axes(0, 0, width, height)
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.set_xticks([])
    for pairs, absent in ((ARROWS, False), (ABSENT, True)):
        for cause, effect in pairs:
            if cause in boxes and effect in boxes:
                _arrow(axes, boxes[cause], boxes[effect], absent=absent)
    for name, box in boxes.items():
        _box(sheet, axes, box, dashed=name == HIDDEN)
    return sheet.drawing


def _placed(width: int, groups: dict[str, tuple[str, ...]]) -> dict[str, Box]:
    """What is held fixed above, the unmeasured below, time running from left to right between them."""
    wide = (width - 16) / 3.6
    middle = (width - wide) / 2
    top = Box(middle, 4, wide, (HELD, *groups[HELD]))
    between = Box(middle, top.height + 60, wide, (BETWEEN, *groups[BETWEEN])) if groups[BETWEEN] else None
    row = between.middle[1] if between else top.height + 80
    level = row + ((between.height / 2 if between else 0) + 14)
    boxes = {
        HELD: top,
        AI: Box(4, level - LINE, wide, (AI,)),
        INCIDENT: Box(width - wide - 4, level - LINE, wide, (INCIDENT,)),
        HIDDEN: Box(middle, level + 52, wide, (HIDDEN,)),
    }
    return {**boxes, BETWEEN: between} if between else boxes


def _arrow(axes: Axes, cause: Box, effect: Box, *, absent: bool) -> None:
    style = {"arrowstyle": "-|>", "color": QUIET if absent else INK, "linewidth": 1.2, "shrinkA": 2, "shrinkB": 2}
    if absent:
        style["linestyle"] = (0, (4, 3))
    axes.annotate("", xy=effect.way_in(cause), xytext=cause.way_out(effect), arrowprops=style)


def _box(sheet: Sheet, axes: Axes, box: Box, *, dashed: bool) -> None:
    right, bottom = box.x + box.width, box.y + box.height
    outline = [box.x, right, right, box.x, box.x], [box.y, box.y, bottom, bottom, box.y]
    axes.plot(*outline, color=QUIET, linewidth=1.2, linestyle=(0, (4, 3)) if dashed else "-")
    for place, words in enumerate(box.lines):
        weight = "bold" if place == 0 else "normal"
        sheet.text(box.x + box.width / 2, box.y + 6 + LINE * (place + 0.5), words, ha="center", fontweight=weight)
