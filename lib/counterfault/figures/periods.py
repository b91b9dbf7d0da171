"""Charts over calendar periods: names along the axis, and marks that carry their names beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, isfinite
from typing import TYPE_CHECKING

from counterfault.figures.svg import QUIET
from counterfault.figures.wording import count

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

# Pixels per letter of an axis label, and from one line of text to the next.
LETTER, LINE = 7.2, 16


def require_columns(figure: str, frame: pd.DataFrame, columns: Sequence[str]) -> None:
    """Refuse a frame the figure cannot draw, naming what is missing."""
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise ValueError(
            f"{figure}: no column {', '.join(map(repr, missing))}; it has {', '.join(map(str, frame.columns))}"
        )
    if frame.empty:
        raise ValueError(f"{figure}: the frame has no rows, so there is nothing to draw")


def name_periods(axes: Axes, names: Sequence[str], width: float) -> None:
    """Period names below the axis, as many as fit side by side in ``width`` pixels."""
    longest = max(map(len, names)) * LETTER + 12
    apart = (width - longest) / max(len(names) - 1, 1)
    step = max(1, ceil(longest / apart))
    # Counted from the end: the newest period is the one a reader looks for.
    places = list(range(len(names) - 1, -1, -step))[::-1]
    axes.set_xticks(places, [names[place] for place in places])
    # A name is centred below its period, so at both ends half of it needs room beyond the period.
    room = max(0.55, longest / 2 / apart)
    axes.set_xlim(-room, len(names) - 1 + room)
    axes.spines["bottom"].set_visible(True)


def share_axis(axes: Axes, shares: Sequence[float]) -> None:
    """A vertical axis of percentages from zero, with quiet lines across."""
    from matplotlib.ticker import MaxNLocator

    top = max([share for share in shares if isfinite(share)], default=0.0) or 0.01
    grid(axes, [tick for tick in MaxNLocator(4).tick_values(0, top) if tick >= 0], lambda tick: f"{100 * tick:g}%")


def count_axis(axes: Axes, top: float) -> None:
    """A vertical axis of counts from zero, with quiet lines across."""
    grid(axes, count_ticks(top, 4), count)


def count_ticks(top: float, most: int) -> list[float]:
    """Round whole numbers from zero to at least ``top``."""
    from matplotlib.ticker import MaxNLocator

    ticks = MaxNLocator(most - 1, integer=True).tick_values(0, max(top, 1))
    return [float(tick) for tick in ticks if tick >= 0]


def grid(axes: Axes, ticks: Sequence[float], words: Callable[[float], str]) -> None:
    """Horizontal lines at the ticks, each with its value in words."""
    axes.set_yticks(ticks, [words(tick) for tick in ticks])
    axes.set_ylim(0, ticks[-1])
    for tick in ticks[1:]:
        axes.axhline(tick, color=QUIET, alpha=0.3, linewidth=0.8, zorder=0)


def name_at_right(axes: Axes, names: Sequence[tuple[float, str]], height: float) -> None:
    """Write each name right of the axes at its own height, moved apart where they would overlap.

    Parameters
    ----------
    axes : axes whose vertical limits are set.
    names : height on the axis and words, in any order.
    height : pixels the axes are high.
    """
    low, high = axes.get_ylim()
    ordered = sorted(names)
    places = apart([height * (y - low) / (high - low) for y, _ in ordered], LINE)
    for place, (_, words) in zip(places, ordered, strict=True):
        axes.annotate(
            words, (1, place / height), xycoords="axes fraction", xytext=(6, 0), textcoords="offset points",
            va="center", annotation_clip=False,
        )  # fmt: skip


def apart(places: Sequence[float], gap: float) -> list[float]:
    """The rising places, each at least ``gap`` above the one before, moved as little as upward pushes allow."""
    moved: list[float] = []
    for place in places:
        moved.append(max(place, moved[-1] + gap) if moved else place)
    return moved
