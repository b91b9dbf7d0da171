"""Whatever the table, a reader with pencil and paper does not find a small count in what is published of it."""

from itertools import product

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from counterfault.publish.disclosure import Policy
from counterfault.publish.disclosure.audit import protected
from counterfault.publish.disclosure.frames import masked_frame
from counterfault.publish.disclosure.prose import masked_prose

counts = st.integers(0, 12)
tables = st.integers(2, 3).flatmap(
    lambda width: st.lists(st.lists(counts, min_size=width, max_size=width), min_size=2, max_size=3)
)


def with_totals(cells: list[list[int]]) -> pd.DataFrame:
    """The table with its row and column totals, as a report prints it."""
    rows = [[*row, sum(row)] for row in cells]
    rows.append([sum(column) for column in zip(*rows, strict=True)])
    columns = [*(f"events {place}" for place in range(len(cells[0]))), "all events"]
    names = [*(f"service {place}" for place in range(len(cells))), "total"]
    return pd.DataFrame(rows, columns=columns).assign(name=names)[["name", *columns]]


def readings(values: list[list[object]], threshold: int, most: int):
    """Every table of whole numbers that agrees with what is printed, found by trying them all, row by row.

    An attack of its own: no linear programme, nothing but addition.
    """
    *inner, last = values
    possible = [[row for row in _rows(printed, threshold, most) if sum(row[:-1]) == row[-1]] for printed in inner]
    for rows in product(*possible):
        sums = [sum(column) for column in zip(*rows, strict=True)]
        if all(_fits(each, printed, threshold) for each, printed in zip(sums, last, strict=True)):
            yield rows


def _rows(printed: list[object], threshold: int, most: int):
    choices = [
        [cell] if not isinstance(cell, str) else range(1, threshold) if cell.startswith("<") else range(most + 1)
        for cell in printed[:-1]
    ]
    for parts in product(*choices):
        if _fits(sum(parts), printed[-1], threshold):
            yield (*parts, sum(parts))


def _fits(value: int, printed: object, threshold: int) -> bool:
    if not isinstance(printed, str):
        return value == printed
    return 1 <= value < threshold if printed.startswith("<") else True


@settings(max_examples=60, deadline=None)
@given(tables, st.integers(3, 5))
def test_every_small_count_of_a_table_with_totals_could_have_been_another(cells, threshold):
    table = with_totals(cells)
    left = masked_frame(table, Policy(threshold)).frame.drop(columns="name")
    printed = [list(row) for row in left.itertuples(index=False)]
    small = [(i, j) for i, row in enumerate(cells) for j, value in enumerate(row) if 0 < value < threshold]
    found: dict[tuple[int, int], set[int]] = {place: set() for place in small}
    for reading in readings(printed, threshold, most=15):
        for place in small:
            found[place].add(reading[place[0]][place[1]])
        if all(len(values) > 1 for values in found.values()):
            return
    assert all(len(values) > 1 for values in found.values())


@settings(deadline=None, max_examples=60)
@given(tables, st.integers(0, 12))
def test_no_small_count_is_printed_and_what_is_printed_is_true(cells, threshold):
    table = with_totals(cells)
    left = masked_frame(table, Policy(threshold)).frame
    for name in left.columns[1:]:
        for true, printed in zip(table[name], left[name], strict=True):
            assert printed in (true, f"< {threshold}", "suppressed")
            assert not (0 < true < threshold and printed == true)
            assert printed != f"< {threshold}" or 0 < true < threshold


@settings(deadline=None, max_examples=60)
@given(tables, st.integers(2, 9))
def test_without_totals_only_the_small_counts_go(cells, threshold):
    table = pd.DataFrame([[3 * value + 1, 500 + value] for row in cells for value in row], columns=["events", "n"])
    table = table[~table["events"].eq(table["n"])]
    left = masked_frame(table[["events"]], Policy(threshold)).frame["events"]
    assert all((printed == f"< {threshold}") is (true < threshold) or printed == "suppressed" or printed == true
               for true, printed in zip(table["events"], left, strict=True))  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.integers(1, 100))
def test_a_rounded_count_is_a_multiple_and_near_unless_it_would_be_none(count, unit):
    rounded = Policy(0, unit).rounded(count)
    assert rounded % unit == 0 and (rounded == 0) is (count == 0)
    assert abs(rounded - count) <= unit / 2 or rounded == unit > count


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 4), st.sampled_from(("deployments failed", "incidents", "people", "of the 700 failed", "", "xyz"))
)
def test_a_small_number_of_anything_protected_or_unknown_is_never_printed(count, of):
    text = f"There were {count} {of}".rstrip() + " in service cart."
    assert str(count) not in masked_prose(text, Policy()).text.replace("5", "")


@settings(deadline=None, max_examples=60)
@given(st.integers(5, 10**6), st.sampled_from(("deployments failed", "incidents", "people")))
def test_a_large_number_stays_as_it_is(count, of):
    text = f"There were {count:,} {of}."
    assert masked_prose(text, Policy()).text == text


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 30), min_size=3, max_size=6), st.integers(3, 6))
def test_cells_come_back_that_need_not_have_gone(values, threshold):
    cells = {(place,): value for place, value in enumerate(values)} | {("sum",): sum(values)}
    rule = {("sum",): 1, **{(place,): -1 for place in range(len(values))}}
    small, more = protected(cells, [rule], threshold=threshold)
    assert small | more >= {key for key, value in cells.items() if 0 < value < threshold}
    assert len(more) <= 1  # of one sum a single further cell is always enough
