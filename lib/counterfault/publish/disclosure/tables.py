"""HTML tables fit to be published: read into the frame they show, masked there, and written back cell by cell."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from counterfault.publish.disclosure.frames import masked_frame
from counterfault.publish.disclosure.naming import is_harmless, words_of
from counterfault.publish.disclosure.people import names_people, without_people
from counterfault.publish.disclosure.policy import WITHHELD, Policy, is_active
from counterfault.publish.disclosure.prose import masked_prose

if TYPE_CHECKING:
    import pandas as pd
    from bs4 import Tag

# Of single rows that broke a rule: identifiers and raw values, whatever column they slipped into.
ROW_LEVEL = ("first", "its value")
# Columns that every row of its own has.
SINGLE_ROWS = ("deployment id", "incident id", "change id", "commit id", "commit sha", "caused by")
ROWS_WITHHELD = "A table is withheld, because it lists deployments or incidents one by one."
MARGINS = ("", "All", "all", "Total", "total")
_NUMBER = re.compile(r"[-−+]?(?:\d{1,3}(?:,\d{3})+|\d+)(\.\d+)?(?:e[-+]?\d+)?\s?(%?)", re.IGNORECASE)
_COUNT_IN_NAME = re.compile(r"\bn\s*=\s*[\d,]+|\b[\d,]+\s+(?:deployments?|incidents?|changes?|failures?|people)\b")


def masked_table(table: Tag, policy: Policy, supports: Sequence[Mapping[str, Any]] = ()) -> int:
    """Masks a table in place.

    Parameters
    ----------
    table : a ``<table>``; cells that reach over several rows or columns count for each.
    policy : of the run.
    supports : counts behind each row of the body, where the table does not show them.

    Returns
    -------
    How many cells are suppressed.
    """
    if is_active(policy) and _has_single_rows(table):
        table.clear()
        table.append(_one_cell(ROWS_WITHHELD))
        return 1
    _drop_people(table)
    heads, body = _grid(table)
    if not body:
        return 0
    width = max(map(len, body))
    headings = _headings(heads, width)
    masked = masked_frame(_frame(body, headings, width), policy)
    changed = _numbers(body, masked.frame, _settings(body, width))
    changed += sum(_row_is_small(row, support, policy) for row, support in zip(body, supports, strict=False))
    return changed + _texts(body, policy)


def _has_single_rows(table: Tag) -> bool:
    """Whether it lists deployments or incidents one by one: whoever counts its lines has every small count."""
    return any(words_of(cell.get_text(" ", strip=True)) in SINGLE_ROWS for row in _grid(table)[0] for cell in row)


def _one_cell(words: str) -> Tag:
    from bs4 import BeautifulSoup

    return BeautifulSoup(f"<tbody><tr><td>{words}</td></tr></tbody>", "html.parser").contents[0].extract()  # type: ignore[return-value]


def _drop_people(table: Tag) -> None:
    """Columns and rows that hold authors, and what is told of single rows that broke a rule."""
    heads, body = _grid(table)
    headings = _headings(heads, max(map(len, body), default=0))
    of_rows = "rule broken" in map(words_of, headings)
    people = {at for row in heads for at, cell in enumerate(row) if names_people(cell.get_text(" ", strip=True))}
    if any(_names_its_columns(row) for row in heads):  # a table with a column for each author
        people = set(range(1, len(headings))) - {at for at, name in enumerate(headings) if name.lower() in MARGINS}
    gone = [at for at, name in enumerate(headings) if at in people or (of_rows and name in ROW_LEVEL)]
    for row in (*heads, *body):
        for cell in {id(row[place]): row[place] for place in gone if place < len(row)}.values():
            cell.decompose()
    for tr in table.select("tbody tr"):
        first = tr.find(["th", "td"])
        if first is not None and names_people(first.get_text(" ", strip=True)):
            tr.decompose()


def _names_its_columns(row: Sequence[Tag]) -> bool:
    """Whether the first cell of a line of headings says that the others, columns of a pivot table, are authors."""
    first, *rest = [cell.get_text(" ", strip=True) for cell in row] or [""]
    # A column named like that has its values below, and headings that are words.
    return (
        names_people(first) and any(rest) and all(without_people(name) != name for name in rest if name not in MARGINS)
    )


def _grid(table: Tag) -> tuple[list[list[Tag]], list[list[Tag]]]:
    """The rows of head and body with each cell at every place it covers."""
    heads = list(table.select("thead tr"))
    rest = [tr for tr in table.find_all("tr") if tr not in heads]
    if not heads and rest and not rest[0].find("td"):
        heads, rest = rest[:1], rest[1:]
    return _spread(heads), _spread(rest)


def _spread(rows: Sequence[Tag]) -> list[list[Tag]]:
    found: list[list[Tag]] = []
    reaching: dict[int, tuple[Tag, int]] = {}
    for tr in rows:
        line: list[Tag] = []
        waiting = list(tr.find_all(["th", "td"], recursive=False))
        while waiting or len(line) in reaching:
            if len(line) in reaching:
                cell, left = reaching.pop(len(line))
                if left > 1:
                    reaching[len(line)] = (cell, left - 1)
                line.append(cell)
                continue
            cell = waiting.pop(0)
            for _ in range(_span(cell, "colspan")):
                if _span(cell, "rowspan") > 1:
                    reaching[len(line)] = (cell, _span(cell, "rowspan") - 1)
                line.append(cell)
        found.append(line)
    return found


def _span(cell: Tag, name: str) -> int:
    text = str(cell.get(name, "1"))
    return min(int(text), 1000) if text.isdigit() and int(text) > 0 else 1


def _headings(heads: Sequence[Sequence[Tag]], width: int) -> list[str]:
    """One name per column: the texts above it, lowest last."""
    return [
        " ".join(dict.fromkeys(row[place].get_text(" ", strip=True) for row in heads if place < len(row))).strip()
        for place in range(width)
    ]


def _frame(body: Sequence[Sequence[Tag]], headings: Sequence[str], width: int) -> pd.DataFrame:
    import pandas as pd

    columns = [[_value(row[place]) if place < len(row) else None for row in body] for place in range(width)]
    frame = pd.DataFrame({place: pd.Series(column, dtype=object) for place, column in enumerate(columns)})
    names = ["index" if _is_index(name, column) else name for name, column in zip(headings, columns, strict=True)]
    return frame.set_axis(names, axis=1)


def _is_index(name: str, column: Sequence[Any]) -> bool:
    """The numbers pandas gives to rows."""
    return not name and column == list(range(len(column)))


def _value(cell: Tag) -> Any:
    text = cell.get_text(strip=True)
    found = _NUMBER.fullmatch(text)
    if not found:
        return text
    plain = text.replace(",", "").replace("−", "-").rstrip("% ")
    if found[2]:
        return float(plain) / 100 + 1e-9  # a share, however round
    return float(plain) if found[1] or "e" in plain.lower() else int(plain)


def _settings(body: Sequence[Sequence[Tag]], width: int) -> set[int]:
    """Rows of a table of names and values whose name says that the value counts nothing protected."""
    if width != 2:
        return set()
    return {at for at, row in enumerate(body) if len(row) == 2 and is_harmless(row[0].get_text(" ", strip=True))}


def _numbers(body: Sequence[Sequence[Tag]], masked: pd.DataFrame, settings: set[int]) -> int:
    changed = 0
    for place in range(masked.shape[1]):
        for at, word in enumerate(masked.iloc[:, place]):
            if at in settings or place >= len(body[at]) or (place == 0 and body[at][0].name == "th" and at in settings):
                continue
            cell = body[at][place]
            if word != _value(cell):
                _write(cell, word if isinstance(word, str) else f"{word:,}")
                changed += isinstance(word, str)
    return changed


def _row_is_small(row: Sequence[Tag], support: Mapping[str, Any], policy: Policy) -> int:
    """Takes the numbers out of a row that rests on few, whether or not the table says so."""
    if not rests_on_few(support, policy):
        return 0
    cells = [cell for cell in row[1:] if isinstance(_value(cell), int | float) or cell.get_text(strip=True) == "∞"]
    cells = [cell for cell in cells if "%" not in cell.get_text()]  # the level of the interval
    for cell in cells:
        _write(cell, WITHHELD)
    return len(cells)


def rests_on_few(support: Mapping[str, Any], policy: Policy) -> bool:
    """Whether an estimate rests on so few deployments or failures, or on so few without one, that it is not shown."""
    n, events = support.get("n"), support.get("events")
    rest = n - events if n is not None and events is not None else None
    grown = (support.get("ai_base"), support.get("ai_last"))  # a growth from few gives them back from what they became
    return any(policy.is_small(count) for count in (n, events, rest, *grown))


def _texts(body: Sequence[Sequence[Tag]], policy: Policy) -> int:
    """Sentences in cells; the names of rows stay, unless they hold a count in so many words."""
    changed = 0
    for cell in {id(cell): cell for row in body for cell in row}.values():
        if isinstance(_value(cell), int | float):
            continue
        is_name = cell.name == "th" and not _COUNT_IN_NAME.search(cell.get_text())
        for text in _strings(cell):
            masked = without_people(text) if is_name else masked_prose(text, policy).text
            if masked != text:
                text.replace_with(masked)
                changed += not is_name and without_people(text) != masked
    return changed


def _strings(cell: Tag) -> Iterator[Any]:
    return iter(list(cell.find_all(string=True)))


def _write(cell: Tag, words: str) -> None:
    cell.string = words
