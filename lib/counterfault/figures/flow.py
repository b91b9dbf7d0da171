"""From changes read to changes analysed: who leaves at each step, so that nothing disappears silently."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from counterfault.figures.adoption import PARTS
from counterfault.figures.figure import Figure, drawn
from counterfault.figures.periods import LETTER, LINE, require_columns
from counterfault.figures.recipe import counted, redrawable, said, withheld
from counterfault.figures.sheet import Sheet
from counterfault.figures.svg import NARROW, QUIET
from counterfault.figures.wording import clip, count, percent

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


class Part(NamedTuple):
    """One piece of every bar: its column, its name, a shorter one, its colour, and whether it is drawn hollow."""

    column: str
    name: str
    short: str
    colour: str
    hollow: bool = False


ANALYSED = "analysed"
QUARANTINED = Part("quarantined", "quarantined", "quarantined", QUIET, hollow=True)
SHORT = {"ai": "AI", "human": "not AI", "unknown": "unknown"}
LABELS = tuple(Part(column, name, SHORT[column], colour) for column, name, colour in PARTS)

# Pixels per step, and per line of the names of the colours above the first one.
ROW, LEGEND = 62, 24
# Pixels for what a step leaves, as in −1,668 → 27,768, and what stands before a reason in the table of numbers.
ACCOUNT, WITHOUT = 134, "without: "


@redrawable
def flow(steps: pd.DataFrame) -> Figure:
    """How many changes are left after each reason to leave one out, by label.

    Parameters
    ----------
    steps : where every change ended, each in exactly one row. Columns ``step`` (text) and the counts ``ai``,
        ``human`` and ``unknown``. The step ``analysed`` holds those compared; the others were left out, in
        order, for the reason they name. With a column ``quarantined``, for rows that broke a rule of the contract and
        whose label nobody read, the flow begins with all rows read; without, with those accepted. Text in place of a
        count says that it is suppressed.

    Raises
    ------
    ValueError
        Where a column is missing or no row is there.
    """
    require_columns("flow", steps, ("step", *(part.column for part in LABELS)))
    frame = left_after(steps, LABELS, ANALYSED)
    caption = told(frame, "changes", "are analysed") + gaps(steps, LABELS)
    start = frame["step"].iloc[0]
    return drawn(
        lambda width: flow_sheet(width, frame, LABELS)[0].drawing,
        title=f"From changes {start} to changes analysed",
        caption=caption,
        alt=f"A bar per step, split into AI-assisted, not AI-assisted and unknown changes. {caption}",
        data=frame,
    )


def left_after(steps: pd.DataFrame, parts: Sequence[Part], end: str) -> pd.DataFrame:
    """The rows there are before the first step, after each, and in the end, as far as counts are told.

    Parameters
    ----------
    steps : ``step`` and one count per part; the step called ``end`` holds what was kept.
    parts : the columns a row may fall into, besides ``quarantined``.
    end : name of the last step.
    """
    import pandas as pd

    columns = _columns(steps, parts)
    numbers = counted(steps, columns)[columns].fillna(0).astype("int64")
    left_out = steps["step"] != end
    before = numbers.sum()
    after = before - numbers[left_out].cumsum()
    # What remains at the end is what was kept, even where nothing was and the data have no such row.
    rows = [before, *(row for _, row in after.iterrows()), before - numbers[left_out].sum()]
    reasons = [f"{WITHOUT}{name}" for name in _names(steps[left_out], columns)]
    last = [*_names(steps[~left_out], columns), end][0]
    names = ["read" if QUARANTINED.column in columns else "accepted", *reasons, last]
    frame = pd.DataFrame([{"step": name, **row.to_dict()} for name, row in zip(names, rows, strict=True)])
    frame["total"] = frame[columns].sum(axis=1)
    frame["left_out_here"] = frame["total"].shift(fill_value=frame["total"].iloc[0]) - frame["total"]
    return frame


def _columns(steps: pd.DataFrame, parts: Sequence[Part]) -> list[str]:
    return [part.column for part in (*parts, QUARANTINED) if part.column in steps]


def _names(steps: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """The steps by name, and of each that not all of its counts are told."""
    hidden = withheld(steps, columns).tolist() if len(steps) else []
    marks = [" (not all told)" if each else "" for each in hidden]
    return [f"{clip(name, 50)}{mark}" for name, mark in zip(steps["step"], marks, strict=True)]


def gaps(steps: pd.DataFrame, parts: Sequence[Part]) -> str:
    """For the caption: that small counts are suppressed, and what the totals then are; nothing where all are told.

    Parameters
    ----------
    steps, parts : as for :func:`left_after`.
    """
    number_of = int(withheld(steps, _columns(steps, parts)).sum())
    return f"{said(number_of, 'step')} Totals are of the counts told." if number_of else ""


def told(frame: pd.DataFrame, what: str, kept: str) -> str:
    """How many there were, how many are kept, and which step takes most, in a sentence.

    Parameters
    ----------
    frame : as :func:`left_after` gives it.
    what, kept : such as ``changes`` and ``are analysed``.
    """
    rows = frame.to_dict("records")
    first, last = rows[0]["total"], rows[-1]["total"]
    share = f" ({percent(last / first)})" if first else ""
    start = f"Of {count(first)} {what} {rows[0]['step']}, {count(last)}{share} {kept}"
    worst = max(rows, key=lambda row: int(row["left_out_here"]))
    if worst["left_out_here"] <= 0:
        return f"{start}."
    why = worst["step"].removeprefix(WITHOUT)
    return f"{start}; the largest step leaves out {count(worst['left_out_here'])} ({why})."


def flow_sheet(width: int, frame: pd.DataFrame, parts: Sequence[Part], *, below: int = 0) -> tuple[Sheet, Axes]:
    """A bar per step, its name and its account above it, its parts in figures below.

    Parameters
    ----------
    width : pixels.
    frame : as :func:`left_after` gives it.
    parts : pieces of a bar, in order.
    below : pixels to leave free under the last step.
    """
    pieces = [*parts, *([QUARANTINED] if QUARANTINED.column in frame else [])]
    rows = frame.to_dict("records")
    legend = _legend(pieces, width)
    head, row = LEGEND * len(legend) + 10, _layout(rows, width)
    sheet = Sheet(width, head + row.height * len(rows) + below)
    axes = sheet.axes(0, 0, width, sheet.height)
    axes.set_ylim(sheet.height, 0)
    axes.set_xlim(0, max(frame["total"].max(), 1))
    axes.set_xticks([])
    _write_legend(sheet, legend)
    for place, each in enumerate(rows):
        top = head + row.height * place
        sheet.text(0, top + 8, clip(each["step"].removeprefix(WITHOUT) if sheet.narrow else each["step"], row.letters))
        side: dict[str, Any] = {"x": 0, "ha": "left"} if row.account else {"x": width, "ha": "right"}
        sheet.text(y=top + 8 + row.account, words=_account(each), fontweight="bold", **side)
        bar(axes, [(each[part.column], part) for part in pieces], top + 24 + row.account)
        # The same split in figures, in the order of the bar: no one has to tell the colours apart.
        spelt = [part for part in pieces if part is not QUARANTINED or each[part.column]]
        words = " · ".join(f"{part.short} {count(each[part.column])}" for part in spelt)
        sheet.text(0, top + 43 + row.account, words, color=QUIET, fontsize=11.5)
    return sheet, axes


class _Row(NamedTuple):
    """How high a step is, how many letters its name may have, and how far below the name its account stands."""

    height: int
    letters: int
    account: int


def _layout(rows: Sequence[Mapping[Hashable, Any]], width: int) -> _Row:
    """Name and account side by side, or under one another where one of the names would be cut."""
    beside = int((width - ACCOUNT) / LETTER)
    if width > NARROW or all(len(row["step"].removeprefix(WITHOUT)) <= beside for row in rows):
        return _Row(ROW, beside, 0)
    return _Row(ROW + LINE, int(width / LETTER), LINE + 1)


def _account(row: Mapping[Hashable, Any]) -> str:
    lost = row["left_out_here"]
    return (f"{count(-lost)} → " if lost > 0 else "") + count(row["total"])


def bar(axes: Axes, pieces: Sequence[tuple[float, Part]], y: float) -> None:
    """One bar of several pieces, beginning at nothing; a hollow piece has an edge instead of a colour."""
    floor = 0.0
    for size, part in pieces:
        if size:
            hollow: dict[str, Any] = {"facecolor": "none", "edgecolor": part.colour}
            style = hollow if part.hollow else {"color": part.colour}
            axes.barh([y], [size], left=[floor], height=12, **style)
        floor += size


def _legend(parts: Sequence[Part], width: int) -> list[list[tuple[float, Part]]]:
    """The names of the pieces with their places from the left, in as many lines as they need."""
    lines: list[list[tuple[float, Part]]] = [[]]
    x = 0.0
    for part in parts:
        needed = 15 + LETTER * len(part.name)
        if x and x + needed > width:
            lines.append([])
            x = 0.0
        lines[-1].append((x, part))
        x += needed + 15
    return lines


def _write_legend(sheet: Sheet, lines: Sequence[Sequence[tuple[float, Part]]]) -> None:
    for place, line in enumerate(lines):
        for x, part in line:
            sheet.text(x, 10 + LEGEND * place, "□" if part.hollow else "■", color=part.colour)
            sheet.text(x + 15, 10 + LEGEND * place, part.name)
