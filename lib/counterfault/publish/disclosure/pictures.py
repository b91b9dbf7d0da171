"""Figures drawn again from counts that may be seen.

What a picture is made of decides how it is masked. Where every change or incident ended is a running account, from
which each step follows by subtraction: steps with small counts are taken together instead. A curve of time to incident
rises by single incidents: steps are taken together until each is of as many as may be seen. All others lose the cells
that :func:`~counterfault.publish.disclosure.frames.masked_frame` takes from them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf, nan
from typing import TYPE_CHECKING, Any

from counterfault.estimate import Estimate, Interval
from counterfault.figures.recipe import redraw
from counterfault.publish.disclosure.frames import masked_frame
from counterfault.publish.disclosure.naming import is_harmless
from counterfault.publish.disclosure.policy import Policy
from counterfault.publish.disclosure.prose import masked_prose
from counterfault.publish.disclosure.tables import rests_on_few

if TYPE_CHECKING:
    from counterfault.figures.figure import Figure

END_OF = {"flow": "analysed", "incident_flow": "tied to an analysed change"}
PREPARED = (*END_OF, "time_to_incident")  # hold no small count once they are taken together
SUMS_TOLD = ("adoption", "failure_rates")  # by captions, labels and other notebooks
LABELS = ("ai", "human", "both")
QUARANTINED = "quarantined"
TOGETHER = "several reasons together"
Row = dict[str, Any]


def redrawn(recipe: Mapping[str, Any], policy: Policy) -> tuple[Figure | None, int]:
    """The figure of a recipe from counts that may be seen, and how many cells it lost; None where nothing is left."""
    import pandas as pd

    lost = 0

    def mask(value: Any) -> Any:
        nonlocal lost
        if isinstance(value, Estimate):
            shown = seen(value, policy)
            lost += shown is not value
            return shown
        if isinstance(value, pd.DataFrame) and recipe.get("figure") not in PREPARED:
            masked = masked_frame(value, policy, margins=recipe.get("figure") in SUMS_TOLD)
            lost += masked.suppressed
            return masked.frame
        return value

    prepared, taken_together = _prepared(recipe, policy)
    try:
        figure = None if prepared is None else redraw(prepared, mask)
    except (ValueError, TypeError, KeyError):  # a figure that cannot do without what it lost is not shown
        figure = None
    if figure is None:
        return None, lost + taken_together
    told, alt = (masked_prose(text, policy) for text in (figure.caption, figure.alt))
    svg = tuple(picture.replace(_named(figure.alt), _named(alt.text)) for picture in (figure.svg, figure.narrow))
    figure = replace(figure, caption=told.text, alt=alt.text, svg=svg[0], narrow=svg[1], recipe=None)
    return figure, lost + taken_together


def _named(alt: str) -> str:
    from html import escape

    from counterfault.figures.wording import plain

    return f'aria-label="{escape(plain(alt))}"'


def seen(estimate: Estimate, policy: Policy) -> Estimate:
    """The estimate, or that it is suppressed, with its parts."""
    parts = tuple(seen(part, policy) for part in estimate.parts)
    if parts != estimate.parts:
        estimate = replace(estimate, parts=parts)
    if not (rests_on_few(estimate.support, policy) or estimate.id in policy.silenced):
        few = [name for name, count in estimate.support.items() if policy.is_small(count) and not is_harmless(name)]
        support = {name: count for name, count in estimate.support.items() if name not in few}
        return replace(estimate, support=support) if few else estimate
    low, high = (-inf, inf) if not estimate.estimand.is_ratio else (0.0, inf)
    interval = Interval(low, high, estimate.interval.level)
    return replace(estimate, value=nan, interval=interval, support={}, p_value=None, caveats=(too_few(policy),))


def too_few(policy: Policy) -> str:
    """Why an estimate is not shown."""
    return f"Suppressed: it rests on fewer than {policy.threshold} deployments or failures."


# --- before anything is drawn ----------------------------------------------------------------------------------------


def _prepared(recipe: Mapping[str, Any], policy: Policy) -> tuple[Mapping[str, Any] | None, int]:
    name, given = recipe.get("figure"), dict(recipe.get("arguments", {}))
    if name in END_OF:
        rows, columns, dropped = _without_few_quarantined(given["steps"], policy)
        if name == "incident_flow":
            columns, few = _without_few_labels(rows, columns, policy)
            dropped += few
        rows = [{key: row[key] for key in columns} for row in rows]
        steps, lost = folded(rows, END_OF[str(name)], policy)
        if steps is None or _total(rows, columns) in policy.withheld:
            return None, lost + dropped
        return {**recipe, "arguments": {**given, "steps": _plain(steps, columns)}}, lost + dropped
    if name == "time_to_incident":
        rows = coarser(_rows(given["curves"]), policy)
        columns = given["curves"]["columns"]
        lost = len(given["curves"]["rows"]) - len(rows)
        return ({**recipe, "arguments": {**given, "curves": _plain(rows, columns)}} if rows else None), lost
    return recipe, 0


def _without_few_quarantined(plain: Mapping[str, Any], policy: Policy) -> tuple[list[Row], list[str], int]:
    """The account from accepted rows on, where the rows set aside before are few: they belong to no later step."""
    rows, columns = _rows(plain), list(plain["columns"])
    few = sum(policy.is_small(row.get(QUARANTINED)) for row in rows)
    if not few:
        return rows, columns, 0
    columns.remove(QUARANTINED)
    kept = [row for row in rows if not row[QUARANTINED] or any(row[name] for name in columns if name != "step")]
    return [{name: row[name] for name in columns} for row in kept], columns, few


def _without_few_labels(rows: Sequence[Row], columns: Sequence[str], policy: Policy) -> tuple[list[str], int]:
    """Whose changes the incidents tied in the end belong to: told for all kinds or for none."""
    few = sum(policy.is_small(row.get(label)) for row in rows for label in LABELS)
    return [name for name in columns if not few or name not in LABELS], few


def _total(rows: Sequence[Row], columns: Sequence[str]) -> int:
    """All that the account begins with, whichever way it is split."""
    parts = [name for name in columns if name != "step" and (name not in LABELS or "record" not in columns)]
    return sum(int(row[name] or 0) for row in rows for name in parts)


def _rows(plain: Mapping[str, Any]) -> list[Row]:
    return [dict(zip(plain["columns"], row, strict=True)) for row in plain["rows"]]


def _plain(rows: Sequence[Row], columns: Sequence[str]) -> dict[str, Any]:
    return {"columns": list(columns), "rows": [[row[name] for name in columns] for row in rows]}


def folded(steps: Sequence[Row], end: str, policy: Policy) -> tuple[list[Row] | None, int]:
    """Where everything ended, steps with small counts taken together with the next until none is small.

    Parameters
    ----------
    steps : ``step`` and counts.
    end : name of the step that holds what was kept, which stays by itself.
    policy : of the run.

    Returns
    -------
    The steps, or None where small counts remain; and how many counts were taken together.
    """
    kept = [dict(row) for row in steps if row["step"] == end]
    left_out = [dict(row) for row in steps if row["step"] != end]
    lost = 0
    while len(left_out) > 1 and (small := [at for at, row in enumerate(left_out) if _is_small(row, policy)]):
        at = min(small[0], len(left_out) - 2)
        lost += sum(map(policy.is_small, (*left_out[at].values(), *left_out[at + 1].values())))
        left_out[at : at + 2] = [_together(left_out[at], left_out[at + 1])]
    remaining = [row for row in (*left_out, *kept) if _is_small(row, policy)]
    lost += sum(policy.is_small(value) for row in remaining for value in row.values())
    return (None if remaining else [*left_out, *kept]), lost


def _is_small(row: Row, policy: Policy) -> bool:
    return any(map(policy.is_small, row.values()))


def _together(one: Row, other: Row) -> Row:
    names = [str(each["step"]) for each in (one, other)]
    alone = TOGETHER not in names and not any(" or " in name for name in names)
    name = " or ".join(names) if alone and len(" or ".join(names)) <= 50 else TOGETHER
    return {key: name if key == "step" else (value or 0) + (other[key] or 0) for key, value in one.items()}


def coarser(curves: Sequence[Row], policy: Policy) -> list[Row]:
    """The curves with steps of as many incidents as may be seen; a curve with fewer, or of unknown steps, goes.

    Each step stands at the end of the time in which its incidents began, so that none can be placed within it.
    """
    if not curves or "events" not in curves[0]:
        return []
    found: list[Row] = []
    for group in dict.fromkeys(row["group"] for row in curves):
        found += _coarser([row for row in curves if row["group"] == group], policy)
    return found


def _coarser(rows: Sequence[Row], policy: Policy) -> list[Row]:
    steps: list[Row] = []
    waiting = 0
    for row in rows:
        waiting += int(row["events"] or 0)
        if not steps and not waiting:
            steps = [row]  # the beginning, where nothing has happened
        elif waiting >= max(policy.threshold, 1):
            steps.append({**row, "events": waiting})
            waiting = 0
    last = rows[-1]
    if not waiting:
        return steps if steps and steps[-1]["hours"] == last["hours"] else [*steps, {**last, "events": 0}]
    # Too few are left for a step of their own: they join the one before, which then ends with them.
    before = steps.pop() if steps and steps[-1]["events"] else None
    return [] if before is None else [*steps, {**last, "events": before["events"] + waiting}]
