"""The embedded engine that files and frames are loaded into, and how its statements are written."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def local_engine() -> Any:
    """A DuckDB backend of our own: in memory, in UTC, rows in the order of their file."""
    import ibis

    engine = ibis.duckdb.connect()
    engine.raw_sql("set TimeZone = 'UTC'")
    engine.raw_sql("set preserve_insertion_order = true")
    return engine


def quoted(text: str) -> str:
    """A string literal."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A column's name."""
    return '"' + name.replace('"', '""') + '"'


def listed(texts: Iterable[str]) -> str:
    """A list of string literals."""
    return "[" + ", ".join(quoted(text) for text in texts) + "]"


def first_line(error: Exception) -> str:
    """What the engine says, without the advice that follows: that is written for its own users."""
    line = next(iter(str(error).strip().splitlines()), type(error).__name__)
    # Damaged files bring bytes into messages that a terminal would obey.
    return "".join(sign for sign in line if sign.isprintable()).rstrip(".: ")
