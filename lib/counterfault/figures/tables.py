"""A data frame as an accessible table: caption, scopes, units, right-aligned numbers, escaped names."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from math import isnan
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from counterfault.display import SORTABLE, STYLE
from counterfault.figures.wording import ABSENT, LONGEST, clip, count, number, plain

if TYPE_CHECKING:
    import pandas as pd

Format = Callable[[Any], str]

# About the characters that fit side by side on a 375 px screen. A narrower table can never overflow, and
# then a scroll box would only be one more stop for everyone who moves by keyboard.
NARROWEST_SCREEN = 38
MOST_ROWS = 200
# Under which a notebook keeps the counts behind each row of a table that does not show them.
SUPPORTS_MIME = "application/vnd.counterfault.supports+json"
# What may stand in an address as it is; &, ", < and % may not stand in an attribute or an address.
CSV_SAFE = ",;:/()'*+=@!$~?-._"


@dataclass(frozen=True)
class Table:
    """A frame with its caption, shown by a notebook as the page will show it.

    Attributes
    ----------
    frame : one row per line; the first column names the row. The index is not shown.
    caption : what the table says; must not be empty.
    units : column → unit, added to its heading.
    formats : column → function that turns one value into text, where the default does not fit.
    longest : characters of text shown per cell.
    numeric : columns of numbers that are in words already, to be aligned as numbers are.
    """

    frame: pd.DataFrame
    caption: str
    units: Mapping[str, str] = field(default_factory=dict)
    formats: Mapping[str, Format] = field(default_factory=dict)
    longest: int = LONGEST
    numeric: Collection[str] = ()

    def __repr__(self) -> str:
        return f"<Table {plain(self.caption)!r}: {len(self.frame):,} rows>"

    def _repr_html_(self) -> str:
        table = table_html(
            self.frame,
            self.caption,
            units=self.units,
            formats=self.formats,
            longest=self.longest,
            numeric=self.numeric,
        )
        return table + STYLE + SORTABLE


def table_html(
    frame: pd.DataFrame,
    caption: str,
    *,
    units: Mapping[str, str] | None = None,
    formats: Mapping[str, Format] | None = None,
    most_rows: int = MOST_ROWS,
    longest: int = LONGEST,
    numeric: Collection[str] = (),
) -> str:
    """An HTML table that a screen reader can walk and a hostile name cannot break.

    Parameters
    ----------
    frame : one row per line; the first column becomes the row headings. The index is not shown.
    caption : what the table says, as text.
    units : column → unit, added to its heading.
    formats : column → function from one value to text; the default prints whole numbers with
        separated thousands, other numbers with usable digits, and nothing as –.
    most_rows : rows shown; the caption says when there are more.
    longest : characters of text shown per cell; longer text ends in ….
    numeric : columns of numbers that are in words already, to be aligned as numbers are.

    Raises
    ------
    ValueError
        Where the caption is empty: a table nobody introduces helps nobody.
    """
    if not caption.strip():
        raise ValueError("table_html: a table needs a caption that says what it shows")
    shown = frame.head(most_rows)
    caption = plain(caption)
    if len(frame) > most_rows:
        caption += f" (first {count(most_rows)} of {count(len(frame))} rows)"
    units, formats = units or {}, formats or {}
    columns = [
        # By place, not by name: a frame may carry one name twice.
        _column(name, shown.iloc[:, place].tolist(), units.get(name), formats.get(name), longest)
        for place, name in enumerate(shown.columns)
    ]
    columns = [
        replace(column, numeric=column.numeric or name in numeric)
        for column, name in zip(columns, shown.columns, strict=True)
    ]
    width = sum(column.width + 2 for column in columns)
    return in_scroll_box(_table(columns, caption, len(shown)), caption, width)


def csv_text(frame: pd.DataFrame) -> str:
    """The frame as CSV, numbers with six digits, safe to open in a spreadsheet.

    Parameters
    ----------
    frame : one row per line; the index is left out.
    """
    return frame.rename(columns=_csv_cell).map(_csv_cell).to_csv(index=False, lineterminator="\n")


def _csv_cell(value: Any) -> Any:
    """Six digits are more than any picture shows. A spreadsheet would run a name that begins like a formula."""
    if isinstance(value, float):
        return "" if isnan(value) else f"{value:.6g}"
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def csv_link(frame: pd.DataFrame, name: str) -> str:
    """A link that hands out the frame as a CSV file, without asking any server.

    Parameters
    ----------
    frame : one row per line.
    name : what the file is called, in any words; letters and digits of them are kept.
    """
    # Percent-encoded: base64 would make text a third longer, and nobody could read it in the page's source.
    address = "data:text/csv;charset=utf-8," + quote(csv_text(frame), safe=CSV_SAFE)
    file = re.sub(r"[^a-z0-9]+", "-", plain(name).lower()).strip("-")[:60] or "numbers"
    return f'<a href="{escape(address)}" download="{file}.csv">Download as CSV</a>'


@dataclass(frozen=True)
class _Column:
    """One column, printed: its heading, its cells as text, and whether they are numbers."""

    heading: str
    texts: tuple[str, ...]
    numeric: bool

    @property
    def width(self) -> int:
        return max(map(len, (self.heading, *self.texts)))

    def cell(self, row: int, *, first: bool) -> str:
        text = escape(self.texts[row]) if self.numeric else f"<bdi>{escape(self.texts[row])}</bdi>"
        kind = ' class="number"' if self.numeric else ""
        return f'<th scope="row"{kind}>{text}</th>' if first else f"<td{kind}>{text}</td>"

    def head(self) -> str:
        kind = ' class="number"' if self.numeric else ""
        return f'<th scope="col"{kind}>{escape(self.heading)}</th>'


def _column(name: Any, values: Sequence[Any], unit: str | None, as_text: Format | None, longest: int) -> _Column:
    heading = clip(str(name).replace("_", " "), longest) + (f" ({unit})" if unit else "")
    # A format function is ours, but what it prints may hold a name from the data: it is clipped all the same.
    texts = tuple(clip(ABSENT if _is_absent(value) else (as_text or _text)(value), longest) for value in values)
    known = [value for value in values if not _is_absent(value)]
    return _Column(heading, texts, bool(known) and all(map(_is_number, known)))


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Integral):
        return count(int(value))
    return number(float(value)) if isinstance(value, Real) else str(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _is_absent(value: Any) -> bool:
    # NaN and NaT are the values that differ from themselves; pandas.NA refuses to say, so it is asked by name.
    return value is None or type(value).__name__ == "NAType" or bool(value != value)


def _table(columns: Sequence[_Column], caption: str, rows: int) -> str:
    head = "".join(column.head() for column in columns)
    body = "".join(
        "<tr>" + "".join(column.cell(row, first=place == 0) for place, column in enumerate(columns)) + "</tr>\n"
        for row in range(rows)
    )
    head, body = f"<thead><tr>{head}</tr></thead>", f"<tbody>\n{body}</tbody>"
    return f"<table><caption><span>{escape(caption)}</span></caption>\n{head}\n{body}</table>"


def in_scroll_box(table: str, caption: str, width: int) -> str:
    """The table, in a named and focusable box of its own that scrolls where ``width`` characters may not fit.

    A group and not a region: every region is a landmark, and a page of thirty tables has no thirty landmarks.
    """
    if width <= NARROWEST_SCREEN:
        return table
    return f'<div class="scroll" role="group" aria-label="{escape(caption)}" tabindex="0">{table}</div>'
