"""Tables in a database or a distributed engine: any address Ibis can connect to, with ``#table``."""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from urllib.parse import urldefrag

from counterfault.contracts import nearest
from counterfault.sources.errors import SourceError
from counterfault.sources.raw import Raw
from counterfault.sources.secrets import redact, reveal, scrub


def is_engine_address(location: str) -> bool:
    """True for ``scheme://…`` addresses that are not files in an object store."""
    scheme, separator, _ = location.partition("://")
    return bool(separator) and scheme not in ("s3", "gs", "gcs", "az", "abfs", "http", "https", "file")


def read_engine_table(name: str, location: str) -> Raw:
    """The table at an Ibis address such as ``duckdb://warehouse.db#deployments``.

    Raises
    ------
    SourceError : no ``#table``, a driver that is not installed, no connection, or no such table. Messages never
        hold the password of the address.
    """
    address, table = urldefrag(reveal(location))
    shown = redact(location)
    if not table:
        raise SourceError(f"{name}: {shown} names no table; add it after a '#', as in {redact(address)}#{name}")
    engine = _connect(name, address)
    database, _, table_name = table.rpartition(".")
    try:
        found = engine.table(table_name, database=database or None)
    except Exception as error:
        raise SourceError(
            f"{name}: no table {table!r} at {redact(address)}{_tables_there(engine, table, error)}"
        ) from None
    return Raw(name, shown, found)


@lru_cache(maxsize=16)
def _open(address: str) -> Any:
    import ibis

    if address.startswith("duckdb://") and "read_only" not in address:
        address += ("&" if "?" in address else "?") + "read_only=true"
    return ibis.connect(address)


def _connect(name: str, address: str) -> Any:
    try:
        return _open(address)
    except ModuleNotFoundError as error:
        backend = address.partition("://")[0]
        raise SourceError(
            f"{name}: reading {backend}:// needs the Python module {error.name!r}; install it with "
            f"`pip install 'ibis-framework[{backend}]'`"
        ) from None
    except Exception as error:
        reason = scrub(str(error), [address]).strip().splitlines()
        raise SourceError(
            f"{name}: cannot open {redact(address)} ({reason[0] if reason else type(error).__name__})"
        ) from None


def _tables_there(engine: Any, table: str, error: Exception) -> str:
    try:
        known = sorted(engine.list_tables())
    except Exception:
        return f" ({type(error).__name__})"
    guess = nearest(table, known)
    if guess:
        return f"; did you mean {guess!r}?"
    return f"; it has {', '.join(known[:8])}" if known else "; it has no tables"
