"""A comparison as one self-contained page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape
from typing import Any

from counterfault.estimate import Estimate
from counterfault.figures.tables import table_html
from counterfault.figures.wording import limits, sentence_start
from counterfault.publish.comparing.changes import Change, Sameness, moment, told
from counterfault.publish.comparing.comparison import Comparison, Told
from counterfault.publish.comparing.estimates import EstimateChange
from counterfault.publish.record import SIGNS
from counterfault.publish.templating import render

LONGEST_CELL = 200
MOST_ESTIMATES = 500


def comparison_html(comparison: Comparison) -> str:
    """What changed between two runs as one HTML file; equal comparisons give equal bytes."""
    data = comparison.data
    made_of = [*data.window, *data.labels, *data.population, *data.links, *data.not_assessed]
    return render(
        "diff.html.j2",
        title=comparison.after.name,
        before=_shown(comparison.before),
        after=_shown(comparison.after),
        tone=SIGNS.get(comparison.after.call, ("?", "open"))[1],
        headline=comparison.headline,
        warnings=comparison.warnings,
        sentences=comparison.sentences,
        picture=_picture(comparison),
        tables=_tables(comparison),
        made_of=_changes_table(made_of, "Window, labels, changes who leave the comparison, links: where they differ"),
        plan_state=comparison.plan.sameness.value,
        plan=_changes_table(comparison.plan.decisions, "Decisions that differ", meaning=True),
        digests=[told(each) for each in (comparison.plan.digest.before, comparison.plan.digest.after)],
        code_state=comparison.code.sameness.value,
        code=_changes_table([comparison.code.commit, *comparison.code.versions], "What computed the numbers"),
        estimates=_estimates_table(comparison.estimates),
        unmoved=sum(change.kind == "same" for change in comparison.estimates),
        checks=_checks_table(comparison),
    )


def _shown(run: Told) -> dict[str, str]:
    sign = SIGNS.get(run.call, ("?", "open"))[0]
    return {
        "words": sentence_start(run.words),
        "sign": sign,
        "grade": run.grade,
        "began": moment(run.began) or run.began,
        "sentence": run.sentence,
    }


def _picture(comparison: Comparison) -> str:
    """The primary estimate before and after on one axis, where both can be drawn on one."""
    change = comparison.primary
    if change is None or change.before is None or change.after is None:
        return ""
    if change.before.estimand is not change.after.estimand:
        return ""
    from counterfault.figures.forest import forest

    lines = comparison.before.worth_acting_on, comparison.after.worth_acting_on

    both = [replace(change.before, label="before"), replace(change.after, label="after")]
    return forest(
        both, worth_acting_on=lines[1] if lines[0] == lines[1] else None, title="The primary estimate, before and after"
    )._repr_html_()


def _tables(comparison: Comparison) -> str:
    content = {Sameness.SAME: "the same", Sameness.OTHER: "others", Sameness.UNKNOWN: "not known"}
    rows = [
        {"table": table.table, "rows": content[table.content]} | {row.what: _before_after(row) for row in table.rows}
        for table in comparison.data.tables
    ]
    return _table(rows, "Rows per table, before → after")


def _before_after(change: Change) -> str:
    return told(change.after) if change.before == change.after else f"{told(change.before)} → {told(change.after)}"


def _changes_table(changes: Sequence[Change], caption: str, *, meaning: bool = False) -> str:
    rows = [
        {"what": change.what, "before": told(change.before), "after": told(change.after)}
        | ({"what it means": change.meaning} if meaning else {})
        for change in changes
    ]
    return _table(rows, caption)


def _estimates_table(changes: Sequence[EstimateChange]) -> str:
    rows = [
        {
            "estimate": change.id,
            **{when: _value(found) for when, found in _both(change)},
            "moved": change.moved,
            **{f"interval {when}": _interval(found) for when, found in _both(change)},
            "side": _sides(change),
        }
        for change in changes
        if change.kind != "same"
    ]
    caption = "Estimates, those that moved most first; moved in widths of their interval"
    return _table(rows, caption, most_rows=MOST_ESTIMATES)


def _both(change: EstimateChange) -> tuple[tuple[str, Estimate | None], ...]:
    return ("before", change.before), ("after", change.after)


def _value(estimate: Estimate | None) -> float | None:
    return None if estimate is None else estimate.value


def _interval(estimate: Estimate | None) -> str | None:
    if estimate is None or not estimate.estimable:
        return None
    return limits(estimate.interval.low, estimate.interval.high)


def _sides(change: EstimateChange) -> str:
    if change.kind not in ("moved", "same"):
        return change.kind
    before, after = change.sides
    return f"{before} → {after}" if change.changed_side else after or "–"


def _checks_table(comparison: Comparison) -> str:
    rows = [
        {
            "check": check.question,
            "kind": "gate" if check.gate else "for the grade",
            "before": check.before or "not made",
            "after": check.after or "not made",
            "asked for": _before_after(check.threshold) if check.threshold else "as before",
            "why": check.sentence,
        }
        for check in comparison.checks
    ]
    return _table(rows, "Checks that changed, gates first")


def _table(rows: Sequence[Mapping[str, Any]], caption: str, **how: Any) -> str:
    if not rows:
        return f"<p>{escape(caption)}: none.</p>"
    import pandas as pd

    return table_html(pd.DataFrame(rows), caption, longest=LONGEST_CELL, **how)
