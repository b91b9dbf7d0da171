"""A comparison for a terminal: short, in sentences, without tables."""

from __future__ import annotations

from collections.abc import Iterator

from counterfault.figures.wording import clip, number, plain, value_and_limits
from counterfault.publish.comparing.changes import Change, Sameness, counted, moment, told
from counterfault.publish.comparing.comparison import Comparison, Told
from counterfault.publish.comparing.data import TableChange
from counterfault.publish.comparing.estimates import EstimateChange

MOST_ESTIMATES, MOST_IDS, MOST_COUNTS = 8, 12, 6


def comparison_text(comparison: Comparison) -> str:
    """The comparison as plain text; what it leaves out is counted."""
    return "\n".join(_lines(comparison)) + "\n"


def _lines(comparison: Comparison) -> Iterator[str]:
    yield f"Before: {_run(comparison.before)}"
    yield f"After: {_run(comparison.after)}"
    yield from (f"Note: {plain(each)}" for each in comparison.warnings)
    yield from ("", "Why", *(f"  {plain(each)}" for each in comparison.sentences))
    for title, lines in (
        ("Data", _data(comparison)),
        ("Plan", _changes(comparison.plan.decisions)),
        ("Code", _changes(comparison.code.versions)),
        ("Checks, gates first", _checks(comparison)),
        ("Estimates", _estimates(comparison.estimates)),
    ):
        if shown := list(lines):
            yield from ("", title, *(f"  {line}" for line in shown))


def _run(run: Told) -> str:
    when = f", {moment(run.began) or clip(run.began)}" if run.began else ""
    grade = f" (grade {plain(run.grade)})" if run.grade else ""
    return f"{plain(run.words)}{grade}; {clip(run.name)}{when}"


def _changes(changes: tuple[Change, ...]) -> Iterator[str]:
    return (plain(str(change)) for change in changes)


def _data(comparison: Comparison) -> Iterator[str]:
    data = comparison.data
    yield from (_table(table) for table in data.tables)
    yield from _changes((*data.window, *data.labels))
    rest = (*data.population, *data.links, *data.not_assessed)
    yield from _changes(rest[:MOST_COUNTS])
    if len(rest) > MOST_COUNTS:
        yield f"{counted(len(rest) - MOST_COUNTS, 'more count')} of who leaves the comparison and of links differ."


def _table(table: TableChange) -> str:
    content = {Sameness.SAME: "the same rows", Sameness.OTHER: "other rows", Sameness.UNKNOWN: "rows of unknown digest"}
    rows = ", ".join(f"{told(row.after)} {row.what}{_more(row)}" for row in table.rows)
    return f"{plain(table.table)}: {content[table.content]}; {rows}"


def _more(row: Change) -> str:
    if row.before == row.after:
        return ""
    return f" ({row.difference})" if row.difference else f" (before: {told(row.before)})"


def _checks(comparison: Comparison) -> Iterator[str]:
    for check in comparison.checks:
        gate = "gate " if check.gate else ""
        if check.before != check.after:
            was = f"{check.before or 'not made'} → {check.after or 'not made'}"
            yield f"{gate}{plain(check.id)}: {was}; {clip(check.sentence, 200)}"
        if check.threshold:
            yield f"{gate}{plain(check.id)}: {plain(str(check.threshold))}"


def _estimates(changes: tuple[EstimateChange, ...]) -> Iterator[str]:
    measured = [change for change in changes if change.moved]
    yield from map(_moved, measured[:MOST_ESTIMATES])
    if len(measured) > MOST_ESTIMATES:
        yield f"{counted(len(measured) - MOST_ESTIMATES, 'more estimate')} moved less."
    for kind in ("appeared", "vanished", "can be estimated now", "cannot be estimated any longer"):
        if ids := [change.id for change in changes if change.kind == kind]:
            yield f"{kind.capitalize()}: {_ids(ids)}."
    if ids := [change.id for change in changes if change.changed_side]:
        yield f"On another side of no difference than before: {_ids(ids)}."


def _ids(ids: list[str]) -> str:
    rest = f" and {len(ids) - MOST_IDS} more" if len(ids) > MOST_IDS else ""
    return ", ".join(map(clip, ids[:MOST_IDS])) + rest


def _moved(change: EstimateChange) -> str:
    assert change.before is not None and change.after is not None and change.moved is not None
    sides = f"; {change.sides[0]} → {change.sides[1]}" if change.changed_side else ""
    return (
        f"{clip(change.id)}: {value_and_limits(change.before)} → {value_and_limits(change.after)}, "
        f"{number(abs(change.moved))} of a width {'up' if change.moved > 0 else 'down'}{sides}"
    )
