"""From incidents read to incidents tied to an analysed change: which are lost on the way, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from counterfault.figures.figure import Figure, drawn
from counterfault.figures.flow import LABELS, Part, bar, flow_sheet, gaps, left_after, told
from counterfault.figures.periods import require_columns
from counterfault.figures.recipe import redrawable, withheld
from counterfault.figures.svg import INK, QUIET, UNKNOWN
from counterfault.figures.wording import count, percent

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure as Drawing

TIED = "tied to an analysed change"
WAYS = (
    Part("record", "tied by record", "by record", INK),
    Part("time", "tied by time", "by time", INK, hollow=True),
    Part("untied", "tied to no change", "to no change", UNKNOWN),
)
ENDS = (
    LABELS[0]._replace(name="to AI-assisted changes"),
    LABELS[1]._replace(name="to others"),
    Part("both", "to both", "both", QUIET, hollow=True),
)
BELOW = 62


@redrawable
def incident_flow(steps: pd.DataFrame) -> Figure:
    """How many incidents are left after each reason to leave one out, by the way they are tied to a change.

    Parameters
    ----------
    steps : where every incident ended, each in exactly one row. Columns ``step`` (text) and the counts ``record``,
        ``time`` and ``untied``. The step ``tied to an analysed change`` holds those that count as failures of a change
        compared; the others were lost, in order, for the reason they name. With a column ``quarantined`` the flow
        begins with all rows read. Columns ``ai``, ``human`` and ``both``, where there, say of the last step whose
        changes they were. Text in place of a count says that it is suppressed.

    Raises
    ------
    ValueError
        Where a column is missing or no row is there.
    """
    require_columns("incident_flow", steps, ("step", *(part.column for part in WAYS)))
    frame, ends = left_after(steps, WAYS, TIED), _ends(steps)
    caption = " ".join(filter(None, (told(frame, "incidents", "are tied to an analysed change"), _ways(frame, ends))))
    caption += gaps(steps, WAYS)
    return drawn(
        lambda width: _draw(width, frame, ends),
        title=f"From incidents {frame['step'].iloc[0]} to failures of analysed changes",
        caption=caption,
        alt=f"A bar per step, split into incidents tied by record, tied by time and tied to no change. {caption}",
        data=_numbers(frame, ends),
    )


def _ends(steps: pd.DataFrame) -> list[tuple[Part, int]]:
    """By label, how many of the incidents tied in the end; nothing unless all three are told."""
    columns = [part.column for part in ENDS]
    last = steps[steps["step"] == TIED]
    if last.empty or not set(columns) <= set(steps) or withheld(last, columns).any():
        return []
    return [(part, int(last[part.column].iloc[0])) for part in ENDS]


def _ways(frame: pd.DataFrame, ends: Sequence[tuple[Part, int]]) -> str:
    last = frame.iloc[-1]
    if not last["total"]:
        return ""
    by_record = f"Of those tied {percent(last['record'] / last['total'])} are tied by record"
    to = [f"{count(n)} {part.name}" for part, n in ends if n]
    return f"{by_record}; {', '.join(to)}." if to else f"{by_record}."


def _numbers(frame: pd.DataFrame, ends: Sequence[tuple[Part, int]]) -> pd.DataFrame:
    """The steps, and below them the last one by label."""
    import pandas as pd

    if not ends:
        return frame
    rows = [{"step": f"{TIED}, {part.name}", "total": n} for part, n in ends]
    counts = frame.columns.drop("step")
    return pd.concat([frame, pd.DataFrame(rows)], ignore_index=True).astype(dict.fromkeys(counts, "Int64"))


def _draw(width: int, frame: pd.DataFrame, ends: Sequence[tuple[Part, int]]) -> Drawing:
    sheet, axes = flow_sheet(width, frame, WAYS, below=BELOW if ends else 0)
    if not ends:
        return sheet.drawing
    top = sheet.height - BELOW
    sheet.text(0, top + 8, "these, by the label of the change")
    bar(axes, [(n, part) for part, n in ends], top + 24)
    words = " · ".join(f"{part.short} {count(n)}" for part, n in ends)
    sheet.text(0, top + 43, words, color=QUIET, fontsize=11.5)
    return sheet.drawing
