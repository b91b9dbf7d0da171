"""Which counts of a table add up to which, as far as a reader can see.

These totals are looked at, because with them a suppressed count is found by subtraction:

* in a row, a count that is the sum of others of that row in every row: read = accepted + quarantined;
* in a column, a row that is the sum of all others, or of a run of rows above or below it that its name calls a total;
* a running account: a column that falls or rises from row to row by what stands in another; then also what the other
  counts fall or rise by, which nobody prints and everybody can compute;
* the sum of a column, or of its rows of one group, where that sum is a count told elsewhere in the results;
* for figures over time, every sum of a column, and of its rows of one flag such as ``exposed``: captions tell them.

Rows of different tables of a user's own are not compared with one another, and neither are two tables whose populations
differ by a few.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, pairwise

from counterfault.publish.disclosure.audit import Key, Relation
from counterfault.publish.disclosure.numbers import Numbers
from counterfault.publish.disclosure.policy import Policy

MOST_COUNTS = 8  # columns of counts among which sums are looked for
MOST_ROWS = 400  # rows up to which sums of runs of rows are looked for
MOST_STEPS = 30  # rows of a running account whose steps are looked at
TOTALS = ("total", "all", "sum", "overall", "together", "everything", "accepted", "read", "any")


def relations_of(table: Numbers, cells: dict[Key, int], policy: Policy, margins: bool) -> Iterator[Relation]:
    """Every sum a reader can see; none where no count is small, because then nothing is looked for.

    Parameters
    ----------
    table : the numbers.
    cells : place → count, with what the counts of a running account lose.
    policy : of the run.
    margins : whether sums of columns and of rows of one flag are told elsewhere whatever they are.
    """
    if not any(policy.is_small(value) for value in cells.values()):
        return
    columns = _columns(cells, table.rows)
    yield from _sums_in_rows(columns)
    for place, values in columns.items():
        yield from _sums_in_column(table, place, values)
        yield from _sums_told(table, place, values, policy, margins)
    yield from _running(columns)


def _columns(cells: Mapping[Key, int], rows: int) -> dict[int, list[int | None]]:
    places = sorted({key[1] for key in cells if len(key) == 2})
    return {place: [cells.get((row, place)) for row in range(rows)] for place in places}


def _sums_in_rows(columns: dict[int, list[int | None]]) -> Iterator[Relation]:
    """Columns that are the sum of others in every row, and in some row of more than nothing."""
    full = {place: values for place, values in columns.items() if None not in values}
    if len(full) > MOST_COUNTS:
        return
    for total, values in full.items():
        others = [place for place in full if place != total]
        for size in range(1, len(others) + 1):
            for parts in combinations(others, size):
                if _adds_up(values, [full[part] for part in parts]):
                    yield from ({(row, total): 1, **{(row, part): -1 for part in parts}} for row in range(len(values)))


def _adds_up(total: Sequence[int | None], parts: Sequence[Sequence[int | None]]) -> bool:
    sums = [sum(filter(None, row)) for row in zip(*parts, strict=True)]
    # A column of nothing adds nothing, so a sum with it is one without it.
    return any(total) and list(total) == sums and all(any(part) for part in parts)


def _sums_in_column(table: Numbers, place: int, values: Sequence[int | None]) -> Iterator[Relation]:
    held = [(row, value) for row, value in enumerate(values) if value is not None]
    if not 2 < len(held) <= MOST_ROWS:
        return
    everything = sum(value for _, value in held)
    for at, (row, value) in enumerate(held):
        if not value:
            continue
        if 2 * value == everything:
            yield {(row, place): 1, **{(other, place): -1 for other, _ in held if other != row}}
        elif any(word in table.name(row).split() for word in TOTALS):
            yield from _runs(held, at, place)


def _runs(held: Sequence[tuple[int, int]], at: int, place: int) -> Iterator[Relation]:
    """Rows above or below a total, next to it, that add up to it."""
    row, total = held[at]
    for run in (held[:at][::-1], held[at + 1 :]):
        so_far: list[int] = []
        left = total
        for other, value in run:
            so_far.append(other)
            left -= value
            if left == 0 and len(so_far) > 1:
                yield {(row, place): 1, **{(each, place): -1 for each in so_far}}
                break


def _sums_told(
    table: Numbers, place: int, values: Sequence[int | None], policy: Policy, margins: bool
) -> Iterator[Relation]:
    """Sums over all rows, and over the rows of one group, that a reader finds elsewhere."""
    for name, rows, is_flag in _groups(table):
        held = [row for row in rows if values[row] is not None]
        total = sum(values[row] or 0 for row in held)
        if len(held) > 1 and not 0 < total < policy.threshold and ((margins and is_flag) or total in policy.told):
            yield {("sum", place, name): 1, **{(row, place): -1 for row in held}}


def _groups(table: Numbers) -> Iterator[tuple[str, list[int], bool]]:
    """Rows whose sums may be told: all of them, those of one flag, those of one name."""
    yield "", list(range(table.rows)), True
    for place, column in enumerate(table.columns):
        if not table.harmless[place] and table.whole[place]:
            continue
        names = [str(value) for value in column]
        for name in dict.fromkeys(names):
            rows = [row for row, each in enumerate(names) if each == name]
            if 1 < len(rows) < table.rows:
                yield f"{place} {name}", rows, table.whole[place]


def _running(columns: dict[int, list[int | None]]) -> Iterator[Relation]:
    """Columns whose step from row to row is what another column counts."""
    for account, values in columns.items():
        for steps, taken in columns.items():
            for sign in (1, -1):
                if steps != account and len(values) > 2 and _runs_by(values, taken, sign):
                    for row in range(1, len(values)):
                        yield {(row - 1, account): 1, (row, account): -1, (row, steps): sign}


def _runs_by(account: Sequence[int | None], steps: Sequence[int | None], sign: int) -> bool:
    if None in account or None in steps or not any(steps[1:]):
        return False
    return all(
        (after or 0) == (before or 0) + sign * (step or 0)
        for before, after, step in zip(account, account[1:], steps[1:], strict=False)
    )


def steps_of(cells: Mapping[Key, int], rows: int) -> Iterator[tuple[Key, int]]:
    """What the counts beside a running account lose from any row to any later one."""
    columns = _columns(cells, rows)
    if rows > MOST_STEPS or not any(True for _ in _running(columns)):
        return
    for place, values in columns.items():
        known = [value for value in values if value is not None]
        if len(known) == rows and all(before >= after for before, after in pairwise(known)):
            yield from (
                (("step", first, last, place), known[first] - known[last])
                for first, last in combinations(range(rows), 2)
            )


def relations_of_steps(steps: Mapping[Key, int]) -> Iterator[Relation]:
    """How each loss follows from two counts of its column."""
    for step in steps:
        _, first, last, place = step
        yield {(first, place): 1, (last, place): -1, step: -1}


def told_sum(key: Key, relations: Sequence[Relation], cells: dict[Key, int]) -> int:
    """The value of a sum told elsewhere."""
    rule = next(rule for rule in relations if key in rule)
    return sum(cells[each] for each in rule if each != key)
