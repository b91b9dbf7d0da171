"""Which numbers of a table are counts, which are made from counts, and which count nothing that is protected."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from numbers import Real
from typing import TYPE_CHECKING, Any

from counterfault.publish.disclosure.audit import Key
from counterfault.publish.disclosure.naming import is_account, is_derived, is_harmless, words_of

if TYPE_CHECKING:
    import pandas as pd

UNMISTAKABLE = 1000  # from here on two equal counts of one study are taken to be one


class Numbers:
    """A frame by places, because two columns may share a name; which of its cells are counts, and which are derived."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame
        self.columns = [list(frame.iloc[:, place]) for place in range(frame.shape[1])]
        self.headings = [words_of(name) for name in frame.columns]
        self.rows = len(frame)
        self.harmless = [is_harmless(name) for name in frame.columns]
        self.derived = [is_derived(name) for name in frame.columns]
        self.whole = [self._is_whole(place) for place in range(frame.shape[1])]

    def _is_whole(self, place: int) -> bool:
        numbers = [value for value in self.columns[place] if _is_number(value)]
        return bool(numbers) and all(float(value).is_integer() for value in numbers)

    def is_count(self, row: int, place: int) -> bool:
        """A whole number of a column of whole numbers, or one that is written as such among others."""
        value = self.columns[place][row]
        if self.harmless[place] or self.derived[place] or not _is_number(value) or not float(value).is_integer():
            return False
        return self.whole[place] or (isinstance(value, int) and self.frame.iloc[:, place].dtype == object)

    def counts(self) -> Iterator[tuple[Key, int]]:
        """Place of each count and the count; of a column without a sign those below none are no counts."""
        for place in range(len(self.columns)):
            for row in range(self.rows):
                if self.is_count(row, place) and self.columns[place][row] >= 0:
                    yield (row, place), int(self.columns[place][row])

    def may_be_rows(self, key: Key, value: int) -> bool:
        """Whether a cell that equals a withheld number of rows is likely to be that number, and no chance."""
        return value >= UNMISTAKABLE or is_account(self.headings[key[1]])

    def made(self, row: int) -> list[tuple[int, int]]:
        """The cells of a row that may have been made from its counts."""
        return [
            (row, place)
            for place in range(len(self.columns))
            if not self.harmless[place] and _is_number(self.columns[place][row]) and not self.is_count(row, place)
        ]

    def name(self, row: int) -> str:
        """The texts of a row."""
        return " ".join(words_of(column[row]) for column in self.columns if isinstance(column[row], str))

    def with_words(self, words: dict[Any, Any]) -> pd.DataFrame:
        """The frame with words, or other numbers, at these places."""
        found = self.frame.copy()
        for place in sorted({place for _, place in words}):
            column = list(self.columns[place])
            for row, at in words:
                if at == place:
                    column[row] = words[row, at]
            found.isetitem(place, _as_column(column, found.index))
        return found


def _as_column(values: list[Any], index: Any) -> Any:
    import pandas as pd

    return pd.Series(values, index=index, dtype=object if any(isinstance(each, str) for each in values) else None)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and isfinite(value)
