"""CSV files. Every value arrives as text: typing is the contract's work, which can say which value of which line it
could not understand instead of dropping it.

A file in which every line is a row is loaded by the engine. Any other is gone through line by line, so that a broken
line costs no other and every row knows the line it stands on.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import dropwhile, islice
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa

from counterfault.places import from_here
from counterfault.sources.errors import SourceError
from counterfault.sources.local import quoted
from counterfault.sources.raw import FILE, LINE, Raw, column_names, unreadable
from counterfault.sources.text_files import first_undecodable_line, plain_text, undecodable

DELIMITERS = (",", ";", "\t", "|")
BATCH = 50_000
LONGEST = 2**31 - 1  # characters of a value: the csv module's own limit breaks long narratives
HEAD = 100  # lines in which the column names must end, where a quoted name holds line ends


@dataclass(frozen=True)
class Header:
    """What the first line says about the others."""

    columns: tuple[str, ...]
    delimiter: str


def read_csv(engine: Any, name: str, location: str, paths: Sequence[str], encoding: str) -> Raw:
    """The table in CSV files; a line that is not a row of it is kept as unreadable.

    Raises
    ------
    SourceError : no column names, a column of the contract there twice, or text that cannot be decoded.
    """
    broken = []
    for number, path in enumerate(paths):
        with plain_text(name, path, encoding) as text:
            try:
                broken.append(_load(engine, f"raw_{name}_{number}", name, from_here(path), text))
            except UnicodeDecodeError:
                raise undecodable(name, path, encoding, first_undecodable_line(text)) from None
    parts = " union all by name ".join(f"select * from raw_{name}_{number}" for number in range(len(paths)))
    engine.raw_sql(f"create or replace view raw_{name} as {parts}")
    return Raw(name, location, engine.table(f"raw_{name}"), pd.concat(broken, ignore_index=True))


def _load(engine: Any, table: str, name: str, shown: str, text: str) -> pd.DataFrame:
    """Loads one file; returns the lines that are not rows of it."""
    header = _header(name, shown, text)
    if _load_whole(engine, table, header, shown, text):
        return unreadable([])
    batches, broken = _go_through(header, shown, text)
    schema = pa.schema({**dict.fromkeys((*header.columns, FILE), pa.string()), LINE: pa.int64()})
    engine.create_table(table, pa.Table.from_batches(batches, schema), overwrite=True)
    return unreadable(broken)


def _header(name: str, shown: str, text: str) -> Header:
    """Column names and delimiter: of the usual ones, that which gives most names."""
    with Path(text).open(encoding="utf-8-sig", newline="") as file:
        head = list(islice(dropwhile(str.isspace, file), HEAD))
    if not head:
        raise SourceError(f"{name}: {shown} has no line with column names")
    splits = {sign: next(csv.reader(head, delimiter=sign, skipinitialspace=True)) for sign in DELIMITERS}
    delimiter = max(splits, key=lambda sign: len(splits[sign]))
    return Header(tuple(column_names(name, shown, splits[delimiter])), delimiter)


def _load_whole(engine: Any, table: str, header: Header, shown: str, text: str) -> bool:
    """Whether every line of the file is a row, in which case the engine has loaded them."""
    columns = ", ".join(f"{quoted(column)}: 'VARCHAR'" for column in header.columns)
    try:
        engine.raw_sql(
            f"create or replace table {table} as select *, {quoted(shown)} as {FILE}, "
            f"row_number() over () + 1 as {LINE} from read_csv({quoted(text)}, auto_detect = false, header = true, "
            f"delim = {quoted(header.delimiter)}, quote = '\"', escape = '\"', columns = {{{columns}}})"
        )
    except duckdb.Error:
        return False
    rows: int = engine.raw_sql(f"select count(*) from {table}").fetchone()[0]
    return rows + 1 == _count_lines(text)


def _count_lines(text: str) -> int:
    """Lines as an editor shows them, whichever signs end them, within values too."""
    lines, last = 0, b"\n"
    with Path(text).open("rb") as file:
        while block := file.read(1 << 20):
            lines += block.count(b"\n") + block.count(b"\r") - (last[-1:] + block).count(b"\r\n")
            last = block
    return lines + (last[-1:] not in b"\r\n")


# --- line by line ----------------------------------------------------------------------------------------------------


def _go_through(header: Header, shown: str, text: str) -> tuple[list[pa.RecordBatch], list[tuple[str, int, str, str]]]:
    """The rows of a file in batches, and the lines that are none."""
    batches, broken, rows = [], [], []
    for line, row, taken in _records(text, header):
        if len(row) == len(header.columns):
            rows.append((*row, shown, line))
        else:
            broken.append((shown, line, _fault(row, header), taken))
        if len(rows) == BATCH:
            batches.append(_batch(header, rows))
            rows = []
    return [*batches, _batch(header, rows)] if rows else batches, broken


def _batch(header: Header, rows: Sequence[tuple[object, ...]]) -> pa.RecordBatch:
    *texts, lines = zip(*rows, strict=True)
    arrays = [pa.array(values, pa.string()) for values in texts] + [pa.array(lines, pa.int64())]
    return pa.record_batch(arrays, names=[*header.columns, FILE, LINE])


def _fault(row: Sequence[str], header: Header) -> str:
    if not row:
        return "not a row of this table: a quote is not closed, or not where a value ends"
    values = f"{len(row)} value{'s' if len(row) > 1 else ''}"
    return f"not a row of this table: {values} for {len(header.columns)} columns"


class _Lines:
    """Lines for a CSV reader, which takes several for one record where values hold line ends.

    Those of a record that turns out to be none are given back but for the first: the quote that was never closed is on
    that one, and the others are rows of their own.
    """

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._given_back: deque[str] = deque()
        self.taken: list[str] = []

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._given_back.popleft() if self._given_back else next(self._lines)
        self.taken.append(line)
        return line

    def give_back(self) -> None:
        self._given_back.extendleft(reversed(self.taken[1:]))
        del self.taken[1:]


def _records(text: str, header: Header) -> Iterator[tuple[int, list[str], str]]:
    """Line, values and text of every record after the names; no values where the line is not CSV."""
    usual = csv.field_size_limit(LONGEST)
    try:
        with Path(text).open(encoding="utf-8-sig", newline="") as file:
            lines = _Lines(file)
            number = 1 + _skip_names(lines, header)
            while (row := _next_record(lines, header)) is not None:
                if len(row) != len(header.columns):
                    lines.give_back()
                if "".join(lines.taken).strip():
                    yield number, row, lines.taken[0].rstrip("\r\n")
                number += len(lines.taken)
                lines.taken.clear()
    finally:
        csv.field_size_limit(usual)


def _skip_names(lines: _Lines, header: Header) -> int:
    """How many lines the column names take up, blank ones before them included."""
    for row in csv.reader(lines, delimiter=header.delimiter, skipinitialspace=True):
        if "".join(row).strip():
            break
    taken = len(lines.taken)
    lines.taken.clear()
    return taken


def _next_record(lines: _Lines, header: Header) -> list[str] | None:
    """None at the end of the file."""
    try:
        return next(csv.reader(lines, delimiter=header.delimiter, strict=True, skipinitialspace=True), None)
    except csv.Error:
        lines.give_back()
        return []
