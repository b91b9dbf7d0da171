"""Where tables come from: files, databases, frames in memory, a git repository."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from counterfault.contracts import TABLES
from counterfault.plan import Plan
from counterfault.sources.errors import SourceError
from counterfault.sources.raw import FILE, LINE, Raw

__all__ = ["RawTables", "Source", "SourceError", "read"]

Source = Any  # a path or glob, an Ibis address with #table, a pandas frame, or an Ibis table


@dataclass(frozen=True)
class RawTables:
    """The tables of one study as their sources gave them, all on one engine."""

    tables: Mapping[str, Raw]
    engine: Any
    notes: tuple[str, ...] = ()


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
    """
    plan = plan or Plan()
    given = {"deployments": deployments, "incidents": incidents, "dependencies": dependencies, "load": load}
    for name, source in given.items():
        if source is None and not TABLES[name].optional:
            raise SourceError(f"{name}: no source given; name one with --{name} or under [sources] in the plan")
    local = _local_engine()
    tables = {
        name: _read_one(local, name, source, getattr(plan.mapping, name).encoding)
        for name, source in given.items()
        if source is not None
    }
    return _on_one_engine(tables, local, notes)


def _read_one(local: Any, name: str, source: Source, encoding: str) -> Raw:
    if isinstance(source, pd.DataFrame):
        return _read_frame(local, name, source)
    if not isinstance(source, str | bytes) and hasattr(source, "op") and hasattr(source, "schema"):
        return Raw(name, "an Ibis table", source)

    from counterfault.sources.engines import is_engine_address, read_engine_table
    from counterfault.sources.files import read_files

    if is_engine_address(str(source)):
        return read_engine_table(name, str(source))
    return read_files(local, name, str(source), encoding=encoding)


def _read_frame(local: Any, name: str, frame: pd.DataFrame) -> Raw:
    numbered = frame.reset_index(drop=True)
    numbered[FILE] = "data frame"
    numbered[LINE] = range(1, len(frame) + 1)
    # Columns that hold nothing at all have no type an engine could know; text is the type that fits every rule.
    empty = [column for column in frame.columns if numbered[column].isna().all() and numbered[column].dtype == object]
    numbered = numbered.astype(dict.fromkeys(empty, "str"))
    return Raw(name, "data frame", local.create_table(f"raw_{name}", numbered, overwrite=True))


def _local_engine() -> Any:
    import ibis

    engine = ibis.duckdb.connect()
    engine.raw_sql("set TimeZone = 'UTC'")
    engine.raw_sql("set preserve_insertion_order = true")
    return engine


def _on_one_engine(tables: dict[str, Raw], local: Any, notes: tuple[str, ...]) -> RawTables:
    """Tables can only be joined where they are together; if they are not, they come to us."""
    engines = {id(raw.table.get_backend()): raw.table.get_backend() for raw in tables.values()}
    if len(engines) == 1:
        return RawTables(tables, next(iter(engines.values())), notes)
    moved = {}
    for name, raw in tables.items():
        if raw.table.get_backend() is not local:
            local.create_table(f"raw_{name}", raw.table.to_pyarrow(), overwrite=True)
            raw = Raw(raw.name, raw.source, local.table(f"raw_{name}"), raw.unreadable, raw.digest)
        moved[name] = raw
    return RawTables(moved, local, notes)
