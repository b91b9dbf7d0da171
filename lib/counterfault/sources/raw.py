"""A table as its source gave it: nothing renamed, cast or dropped yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from counterfault.contracts import TABLES
from counterfault.display import card
from counterfault.sources.errors import SourceError

LINE = "counterfault_line"
FILE = "counterfault_file"
NOTES_KEY = "counterfault.notes"  # of a Parquet file's metadata: sentences its maker wants every reader to see
SHOWN = 200  # characters of an unreadable line that are kept


@dataclass(frozen=True)
class Raw:
    """One table before the contract has looked at it.

    Attributes
    ----------
    name : its name in the contract, e.g. ``"deployments"``.
    source : where it came from, without secrets; printed in messages and reports.
    table : Ibis table with the source's own columns, and ``LINE``/``FILE`` where the source is a file.
    unreadable : lines the reader could not split into columns: ``file``, ``line``, ``rule``, ``value``.
    digest : SHA-256 of the file's bytes, None for a database or a frame.
    unit : what ``LINE`` counts, "line" in text files and "row" elsewhere.
    notes : sentences that came with the table, for the report.
    """

    name: str
    source: str
    table: Any
    unreadable: pd.DataFrame = field(default_factory=lambda: unreadable([]))
    digest: str | None = None
    unit: str = "line"
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<Raw {self.name} from {self.source}: {len(self.columns)} columns>"

    def _repr_html_(self) -> str:
        return card(
            f"Raw {self.name}",
            "As the source gave it.",
            facts={
                "source": self.source,
                "columns": ", ".join(self.columns),
                "lines that are no rows": len(self.unreadable),
                "SHA-256": self.digest,
            },
            notes=self.notes,
        )

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(name for name in self.table.columns if name not in (LINE, FILE))


def unreadable(rows: Sequence[tuple[str, int, str, str]]) -> pd.DataFrame:
    """Lines that are not rows, as (file, line, rule, value)."""
    frame = pd.DataFrame(rows, columns=["file", "line", "rule", "value"])
    return frame.assign(value=frame["value"].str.slice(0, SHOWN)).astype(
        {"file": "str", "line": "int64", "rule": "str", "value": "str"}
    )


def column_names(table: str, source: str, given: Sequence[object]) -> list[str]:
    """The source's own names, each a name of its own for an engine that does not tell ``Service`` from ``service``.

    Columns the contract does not ask for may repeat (exports of trackers do that); later ones get a number.

    Raises
    ------
    SourceError : a column of the contract is there twice, and nobody can say which one is meant.
    """
    names = [str(name).strip() or f"column_{number}" for number, name in enumerate(given, start=1)]
    asked = set(TABLES[table].names)
    for name, times in Counter(names).items():
        if times > 1 and name in asked:
            raise SourceError(f"{table}: {source} has {times} columns {name!r}; rename or remove all but one")
    taken = {LINE, FILE} | (asked & set(names))
    return [name if name in asked else _untaken(name, taken) for name in names]


def _untaken(name: str, taken: set[str]) -> str:
    number, free = 0, name
    while free.lower() in taken:
        number += 1
        free = f"{name}_{number}"
    taken.add(free.lower())
    return free
