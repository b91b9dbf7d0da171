"""Tables drawn as text, so that a reader checks the answer by eye, and the steps of a study on them."""

from __future__ import annotations

from functools import lru_cache
from itertools import count
from typing import Any

import ibis
import pandas as pd

from counterfault.checking import Checked
from counterfault.checking.filters import LEFT_OUT
from counterfault.contracts import TABLES, Kind
from counterfault.counting import Counted
from counterfault.counting import count as count_cells
from counterfault.linking import Linked, link
from counterfault.plan import Plan

SHORT = {
    "deployments": {"id": "deployment_id", "at": "deployed_at"},
    "incidents": {"id": "incident_id", "at": "started_at"},
    "dependencies": {},
    "load": {},
}
DTYPES = {Kind.TEXT: "str", Kind.NUMBER: "float64", Kind.WHOLE: "Int64", Kind.YES_NO: "boolean"}
ENGINE_TYPES = {
    Kind.TEXT: "string",
    Kind.TIME: "timestamp('UTC')",
    Kind.NUMBER: "float64",
    Kind.WHOLE: "int64",
    Kind.YES_NO: "boolean",
}
_numbers = count()


def draw(text: str) -> pd.DataFrame:
    """A table of texts from a picture of it; an empty cell is a missing value, a line of dashes is nothing."""
    lines = [line for line in text.strip().splitlines() if line.strip() and not set(line.strip()) <= set("-+|")]
    header, *rows = ([cell.strip() or None for cell in line.split("|")] for line in lines)
    assert all(len(row) == len(header) for row in rows), f"a row of this drawing has other columns than {header}"
    return pd.DataFrame(rows, columns=header, dtype="object")


def drawn(table: str, text: str) -> pd.DataFrame:
    """One table of the contract, with `id` and `at` for its key and time; everything is in UTC."""
    frame = draw(text).rename(columns=SHORT[table])
    if table == "deployments":
        frame["assistance"] = frame["assistance"].fillna("unknown") if "assistance" in frame else "human"
    kinds = {column.name: column.kind for column in TABLES[table].columns}
    return pd.DataFrame({name: _typed(frame[name], kinds.get(name, Kind.TEXT)) for name in frame})


def _typed(column: pd.Series, kind: Kind) -> pd.Series:
    if kind is Kind.TIME:
        return pd.to_datetime(column, utc=True, format="ISO8601").dt.as_unit("us")
    if kind is Kind.YES_NO:
        return column.map({"yes": True, "no": False}).astype("boolean")
    if kind in (Kind.NUMBER, Kind.WHOLE):
        return pd.to_numeric(column).astype(DTYPES[kind])
    return column.astype("str")


@lru_cache
def engine() -> Any:
    """One DuckDB for all drawn tables; each gets a name of its own."""
    connection = ibis.duckdb.connect()
    connection.raw_sql("set TimeZone = 'UTC'")
    return connection


def in_engine(table: str, frame: pd.DataFrame) -> Any:
    """The frame as a table with the types that checking gives, and nothing left out unless it says so."""
    kinds = {column.name: column.kind for column in TABLES[table].columns}
    left_out = frame[LEFT_OUT] if LEFT_OUT in frame else pd.Series(None, index=frame.index, dtype="str")
    whole = frame.assign(**{LEFT_OUT: left_out.astype("str")})
    schema = ibis.schema({name: ENGINE_TYPES[kinds.get(name, Kind.TEXT)] for name in whole})
    return engine().create_table(f"drawn_{next(_numbers)}", whole, schema=schema)


def checked(**tables: str | pd.DataFrame) -> Checked:
    """Drawn tables as if they had been checked."""
    frames = {name: drawn(name, table) if isinstance(table, str) else table for name, table in tables.items()}
    frames.setdefault("incidents", drawn("incidents", "id | service | at"))
    stored = {name: in_engine(name, frame) for name, frame in frames.items()}
    return Checked(stored, (), pd.DataFrame(), engine())


def plan(**sections: dict[str, Any]) -> Plan:
    """The default plan, without covariates unless asked for, with these sections otherwise."""
    design = {"confounders": [], "mediators": [], **sections.pop("design", {})}
    return Plan.checked({"design": design, **sections})


def linked(promise: Plan | None = None, **tables: str | pd.DataFrame) -> Linked:
    return link(checked(**tables), promise or plan())


def counted(promise: Plan | None = None, **tables: str | pd.DataFrame) -> Counted:
    promise = promise or plan()
    return count_cells(linked(promise, **tables), promise)
