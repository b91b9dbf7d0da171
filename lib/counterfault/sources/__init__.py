"""Where tables come from: files, databases, frames in memory, a git repository."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any

import pandas as pd
import pyarrow as pa

from counterfault.contracts import TABLES
from counterfault.display import card, rows_table
from counterfault.plan import Plan
from counterfault.sources.errors import SourceError
from counterfault.sources.local import first_line, local_engine
from counterfault.sources.raw import Raw

__all__ = ["RawTables", "Source", "SourceError", "read"]

Source = Any  # a path or glob, an Ibis address with #table, a pandas frame, or an Ibis table


@dataclass(frozen=True)
class RawTables:
    """The tables of one study as their sources gave them, all on one engine."""

    tables: Mapping[str, Raw]
    engine: Any
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<RawTables: {', '.join(f'{name} from {raw.source}' for name, raw in self.tables.items())}>"

    def _repr_html_(self) -> str:
        rows = [(name, raw.source, len(raw.columns)) for name, raw in self.tables.items()]
        return card(
            "Raw tables",
            "As their sources gave them: nothing renamed, checked or left out yet.",
            table=rows_table("Tables read", ("table", "source", "columns"), rows),
            notes=self.notes,
            then=("checked = cf.check(raw, plan)",),
        )


def read(
    deployments: Source,
    incidents: Source,
    *,
    dependencies: Source = None,
    load: Source = None,
    plan: Plan | None = None,
    notes: tuple[str, ...] = (),
) -> RawTables:
    """The tables of one study, read and not yet checked.

    Parameters
    ----------
    deployments, incidents : paths or globs (CSV, Parquet, JSON-lines), Ibis addresses with ``#table``, pandas frames
        or Ibis tables.
    dependencies, load : the same, optional.
    plan : for each table's encoding; the default plan where absent.
    notes : sentences about the sources that the report repeats.

    Raises
    ------
    SourceError : something cannot be read; the message says what and the way out.

    Examples
    --------
    >>> raw = cf.read("deployments.parquet", "incidents.csv", plan=plan)
    >>> checked = cf.check(raw, plan)
    """
    plan = plan or Plan()
    named = {"deployments": deployments, "incidents": incidents, "dependencies": dependencies, "load": load}
    given = {name: None if isinstance(source, str) and not source else source for name, source in named.items()}
    for name, source in given.items():
        if source is None and not TABLES[name].optional:
            raise SourceError(f"{name}: no source given; name one with --{name} or under [sources] in the plan")
    local, opened = local_engine(), dict[str, Any]()
    tables = {
        name: _read_one(local, opened, name, source, getattr(plan.mapping, name).encoding)
        for name, source in given.items()
        if source is not None
    }
    return _on_one_engine(tables, local, notes + tuple(note for raw in tables.values() for note in raw.notes))


def _read_one(local: Any, opened: dict[str, Any], name: str, source: Source, encoding: str) -> Raw:
    if isinstance(source, pd.DataFrame):
        from counterfault.sources.frames import read_frame

        return read_frame(local, name, source)
    if hasattr(source, "op") and hasattr(source, "schema"):
        return _read_expression(name, source)
    if not isinstance(source, str | PathLike):
        raise SourceError(
            f"{name}: a table cannot be read from {type(source).__name__!r}; give a path, an address, a pandas frame "
            f"or an Ibis table"
        )

    from counterfault.sources.engines import is_engine_address, read_engine_table
    from counterfault.sources.files import read_files

    place = str(source)
    return (
        read_engine_table(name, place, opened)
        if is_engine_address(place)
        else read_files(local, name, place, encoding=encoding)
    )


def _read_expression(name: str, table: Any) -> Raw:
    from ibis.common.exceptions import IbisError

    try:
        table.get_backend()
    except IbisError as error:
        raise SourceError(f"{name}: the Ibis table is in no engine, or in several ({first_line(error)})") from None
    return Raw(name, "the Ibis table", table, unit="row")


def _on_one_engine(tables: dict[str, Raw], local: Any, notes: tuple[str, ...]) -> RawTables:
    """Tables can only be joined where they are together, and checked where rules can be asked; else they come to us."""
    engines = {id(raw.table.get_backend()): raw.table.get_backend() for raw in tables.values()}
    first = next(iter(engines.values()))
    if len(engines) == 1 and _can_check(first):
        _in_utc(first)
        return RawTables(tables, first, notes)
    moved = {}
    for name, raw in tables.items():
        if raw.table.get_backend() is not local:
            raw = replace(raw, table=local.create_table(f"raw_{name}", _fetched(raw), overwrite=True))
        moved[name] = raw
    return RawTables(moved, local, notes)


def _in_utc(engine: Any) -> None:
    """Quarters and hours are those of UTC; another zone would move a night's deployments to another day."""
    statement = {"duckdb": "set TimeZone = 'UTC'", "postgres": "set time zone 'UTC'"}.get(engine.name)
    if statement is not None:
        engine.raw_sql(statement)


def _fetched(raw: Raw) -> pa.Table:
    try:
        return raw.table.to_pyarrow()
    except pa.ArrowException as error:
        # SQLite takes any value into any column.
        raise SourceError(
            f"{raw.name}: {raw.source} holds values that are not of their column's type "
            f"({'; '.join(map(str, error.args))})"
        ) from None


def _can_check(engine: Any) -> bool:
    """Whether the engine has what the rules are made of; SQLite and MySQL, for instance, have not."""
    from ibis.expr import operations

    needed = (operations.TryCast, operations.RegexExtract, operations.RegexReplace, operations.StringSplit)
    return all(engine.has_operation(operation) for operation in needed)
