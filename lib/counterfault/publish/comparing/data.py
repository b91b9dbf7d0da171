"""What two runs were made from: rows of each table, digests, window, labels, links."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from counterfault.publish.comparing.changes import Change, Sameness, changes, is_count
from counterfault.publish.record import Record

ROWS = ("read", "accepted", "quarantined", "used")


@dataclass(frozen=True)
class TableChange:
    """One table in both runs.

    Attributes
    ----------
    table : its name in the contract.
    content : whether the rows are the same: by digest, or by their number where a source has no digest.
    rows : read, accepted, quarantined, used, each with both numbers, also where they are equal.
    source : where it was read from, where that changed.
    """

    table: str
    content: Sameness
    rows: tuple[Change, ...]
    source: Change | None = None

    @property
    def changed(self) -> tuple[Change, ...]:
        """The row counts that differ."""
        return tuple(change for change in self.rows if change.before != change.after)


@dataclass(frozen=True)
class DataChanges:
    """The data of two runs: what was given, and what was made of it."""

    tables: tuple[TableChange, ...]
    window: tuple[Change, ...]
    labels: tuple[Change, ...]
    population: tuple[Change, ...]
    links: tuple[Change, ...]
    not_assessed: tuple[Change, ...]

    @property
    def inputs(self) -> Sameness:
        """Whether both runs were given the same rows."""
        found = {table.content for table in self.tables}
        if Sameness.OTHER in found:
            return Sameness.OTHER
        return Sameness.SAME if found == {Sameness.SAME} else Sameness.UNKNOWN

    @property
    def any(self) -> bool:
        """Whether anything about the data is recorded as changed."""
        parts = (self.window, self.labels, self.population, self.links, self.not_assessed)
        tables = any(table.changed or table.source or table.content is Sameness.OTHER for table in self.tables)
        return tables or any(parts)

    def plain(self) -> dict[str, Any]:
        """In plain values, for JSON."""
        lists = {
            name: [change.plain() for change in getattr(self, name)]
            for name in ("window", "labels", "population", "links", "not_assessed")
        }
        tables = {
            table.table: {
                "content": table.content.value,
                "rows": [change.plain() for change in table.rows],
                "source": table.source.plain() if table.source else None,
            }
            for table in self.tables
        }
        return {"inputs": self.inputs.value, "tables": tables, **lists}


def data_changes(before: Record, after: Record) -> DataChanges:
    """What the records say about the data, side by side; what an old record lacks counts as nothing."""
    old, new = before["data"], after["data"]
    return DataChanges(
        tables=_tables(_mapping(old, "tables"), _mapping(new, "tables")),
        window=changes(_mapping(old, "window"), _mapping(new, "window"), called="window "),
        labels=changes(_mapping(old, "labels"), _mapping(new, "labels"), called="labelled "),
        population=changes(_by_name(old, "population", "step"), _by_name(new, "population", "step")),
        links=changes(_by_name(old, "links", "rule"), _by_name(new, "links", "rule"), called="links by "),
        not_assessed=changes(_reasons(old), _reasons(new), called="not assessed: "),
    )


def _mapping(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = data.get(name)
    return found if isinstance(found, Mapping) else {}


def _rows(data: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    found = data.get(name)
    return [row for row in found if isinstance(row, Mapping)] if isinstance(found, list) else []


def _tables(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[TableChange, ...]:
    names = [*new, *(name for name in old if name not in new)]
    return tuple(_table(name, _mapping(old, name), _mapping(new, name)) for name in names)


def _table(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> TableChange:
    source = next(iter(changes({"source": old.get("source")}, {"source": new.get("source")})), None)
    rows = tuple(Change(key, old.get(key), new.get(key)) for key in ROWS)
    return TableChange(name, _content(old, new), rows, source if old and new else None)


def _content(old: Mapping[str, Any], new: Mapping[str, Any]) -> Sameness:
    digests = old.get("sha256"), new.get("sha256")
    if not old or not new:
        return Sameness.OTHER
    if all(digests):
        return Sameness.SAME if digests[0] == digests[1] else Sameness.OTHER
    counts = old.get("read"), new.get("read")
    # As many rows are not the same rows; more or fewer are certainly others.
    return Sameness.OTHER if all(map(is_count, counts)) and counts[0] != counts[1] else Sameness.UNKNOWN


def _by_name(data: Mapping[str, Any], section: str, key: str) -> dict[str, Any]:
    """The numbers of a list of rows, each as ``row's name, number's name``."""
    return {
        f"{row.get(key)}, {name.replace('_', ' ')}": value
        for row in _rows(data, section)
        for name, value in row.items()
        if name != key
    }


def _reasons(data: Mapping[str, Any]) -> dict[str, Any]:
    return {str(row.get("analysis")): row.get("reason") for row in _rows(data, "not_assessed")}
