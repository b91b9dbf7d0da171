"""What happened and why, in sentences: nothing is called a cause that the records do not show to be the only one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from counterfault.figures.wording import clip, plain, sentence_start
from counterfault.publish.comparing.changes import Change, Sameness, listed, told
from counterfault.publish.comparing.outcomes import of_caution, of_deviations, of_gates, of_grade, of_primary

if TYPE_CHECKING:
    from counterfault.publish.comparing.comparison import Comparison

MOST_NAMED = 4
LONGEST = 400


def reasons(comparison: Comparison) -> tuple[str, ...]:
    """The account, from the answer to what is behind it."""
    parts = (_answer, _sources, _data, _plan, _code, of_gates, of_primary, of_grade, of_deviations, of_caution)
    return tuple(clip(each, LONGEST) for part in parts for each in part(comparison))


def _answer(comparison: Comparison) -> Iterator[str]:
    before, after = comparison.before, comparison.after
    if before.call == after.call:
        yield f"The call is as it was: {plain(after.words)}."
    else:
        yield f"The call changed: it was “{plain(before.words)}” and is “{plain(after.words)}”."


def _sources(comparison: Comparison) -> Iterator[str]:
    """Which of data, plan and code changed, and whether a change of numbers can be laid at one door."""
    layers = {
        "the data": comparison.data.inputs,
        "the plan": comparison.plan.sameness,
        "the code": comparison.code.sameness,
    }
    other = [name for name, state in layers.items() if state is Sameness.OTHER]
    unknown = [name for name, state in layers.items() if state is Sameness.UNKNOWN]
    same = [name for name, state in layers.items() if state is Sameness.SAME]
    if not other:
        yield _nothing_recorded(comparison, unknown)
    elif len(other) == 1 and not unknown:
        yield (
            f"Only {other[0]} changed; {listed(same)} are the same, so the numbers that differ come from {other[0]}."
            if comparison.results_changed
            else f"Only {other[0]} changed, and no result with it."
        )
    else:
        yield _several(comparison, other, unknown)


def _nothing_recorded(comparison: Comparison, unknown: Sequence[str]) -> str:
    if unknown:
        doubt = f"whether {listed(unknown)} stayed the same the records do not show"
        if comparison.results_changed:
            return f"Nothing is recorded as changed and results differ all the same; {doubt}."
        return f"Nothing is recorded as changed and no result differs; {doubt}."
    if comparison.results_changed:
        return (
            "Data, plan and code are the same by every record, and results differ all the same: something the records "
            "do not hold is behind it."
        )
    return "Nothing changed: data, plan and code are the same, and so is every result."


def _several(comparison: Comparison, other: Sequence[str], unknown: Sequence[str]) -> str:
    first = f"{listed(other)} changed" + (" at once" if len(other) > 1 else "")
    doubt = f", and whether {listed(unknown)} did the records do not show" if unknown else ""
    if not comparison.results_changed:
        return sentence_start(f"{first}{doubt}; no result differs.")
    return sentence_start(
        f"{first}{doubt}; what each of them did to the results cannot be told apart. A run with one changed and the "
        f"others as they were would tell."
    )


# --- what the runs were made from ------------------------------------------------------------------------------------


def _data(comparison: Comparison) -> Iterator[str]:
    data = comparison.data
    new = [table for table in data.tables if table.content is Sameness.OTHER]
    if new:
        rows = {table.table: next(row for row in table.rows if row.what == "read") for table in new}
        yield f"The data are new: {'; '.join(f'{plain(name)}, {_rows(read)}' for name, read in rows.items())}."
    for table in data.tables:
        if table.changed and table not in new:
            yield f"The rows of {plain(table.table)} are as before, used otherwise: {_listed_changes(table.changed)}."
    if data.window:
        yield f"The data span another time: {_listed_changes(data.window)}."
    if data.labels:
        yield f"Labels fell otherwise: {_listed_changes(data.labels)}."


def _rows(read: Change) -> str:
    if read.before is None or read.after is None:
        return f"{told(read.after)} rows, not given before" if read.before is None else "given before and not now"
    if read.difference:
        return f"{read.difference} rows ({told(read.before)} → {told(read.after)})"
    return f"as many rows as before ({told(read.after)}) and not the same ones"


def _listed_changes(changes: Sequence[Change], most: int = MOST_NAMED) -> str:
    """The first few changes in one phrase, and how many more there are."""
    rest = len(changes) - most
    shown = [
        f"{plain(each.what).replace('_', ' ')} {told(each.before)} → {told(each.after)}" for each in changes[:most]
    ]
    return "; ".join(shown) + (f"; and {rest} more" if rest > 0 else "")


def _plan(comparison: Comparison) -> Iterator[str]:
    plan = comparison.plan
    if plan.decisions:
        yield f"A promise changed: {_listed_changes(plan.decisions)}."
    yield from dict.fromkeys(
        f"That `{plain(change.what.split('.')[0])}` changed means: {change.meaning}."
        for change in plan.decisions
        if change.meaning
    )
    digests = plan.digest.before, plan.digest.after
    if plan.sameness is Sameness.OTHER and not plan.decisions:
        yield (
            f"The plan's digest is another one ({told(digests[0])} → {told(digests[1])}) and no decision the records "
            f"hold differs: a decision they do not hold changed, or another version filled in other defaults."
        )
    if plan.unrecorded:
        yield f"Held by one of the records only, so not compared: {listed([plain(key) for key in plan.unrecorded])}."


def _code(comparison: Comparison) -> Iterator[str]:
    code = comparison.code
    if code.commit.before != code.commit.after and code.commit.before and code.commit.after:
        yield f"The code is another one: {told(code.commit.before)} → {told(code.commit.after)}."
    if code.local:
        yield "A run was made from local changes that no commit holds, so its code cannot be compared."
    if code.versions:
        yield f"Other versions: {_listed_changes(code.versions)}."
