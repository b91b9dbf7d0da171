"""Tables in a database or a distributed engine: any address Ibis can connect to, with ``#table``."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from counterfault.contracts import nearest
from counterfault.sources.errors import SourceError
from counterfault.sources.files import kind_of, perhaps
from counterfault.sources.local import first_line
from counterfault.sources.raw import Raw
from counterfault.sources.secrets import redact, reveal, scrub, secrets_in

FILE_SCHEMES = ("s3", "gs", "gcs", "az", "abfs", "http", "https", "file")
IN_ONE_FILE = ("duckdb", "sqlite")
NO_FILE = (":memory:", "md:", "motherduck:")
# In a password they mislead whoever takes the address apart: the rest is read as a host, and messages show that.
NOT_IN_A_PASSWORD = "/?#[]\t\r\n"


def is_engine_address(location: str) -> bool:
    """True for ``scheme://…`` addresses that are not files in an object store."""
    scheme, separator, _ = location.partition("://")
    return bool(separator) and scheme not in FILE_SCHEMES


def read_engine_table(name: str, location: str, opened: dict[str, Any] | None = None) -> Raw:
    """The table at an Ibis address such as ``duckdb://warehouse.db#deployments``.

    Parameters
    ----------
    name : the table's name in the contract.
    location : the address, with or without its password, see :func:`counterfault.sources.secrets.reveal`.
    opened : connections by address; tables of one database share theirs, and can be joined there.

    Raises
    ------
    SourceError : no ``#table``, a driver that is not installed, no connection, or no such table. Messages never
        hold the password of the address.
    """
    location = reveal(location)
    _require_readable(name, location)
    address, _, table = location.partition("#")
    if not table:
        raise SourceError(
            f"{name}: {redact(location)} names no table; add it after a '#', as in {redact(address)}#{name}"
        )
    opened = {} if opened is None else opened
    engine = opened[address] = opened.get(address) or _connect(name, address)
    database, _, table_name = table.rpartition(".")
    try:
        found = engine.table(table_name, database=database or None)
    except Exception as error:
        raise SourceError(
            f"{name}: there is no table {table!r} at {redact(address)}{_tables_there(engine, table, error)}"
        ) from None
    return Raw(name, redact(location), found)


def _require_readable(name: str, location: str) -> None:
    scheme = location.partition("://")[0]
    known = sorted(entry.name for entry in entry_points(group="ibis.backends"))
    if scheme not in (*known, "postgresql"):
        guess = nearest(scheme, known)
        hint = f"did you mean {guess}://?" if guess else f"there are {', '.join(known)}"
        raise SourceError(f"{name}: no engine is called {scheme}:// (in {redact(location)}); {hint}")
    if any(sign in secret for secret in secrets_in(location) for sign in NOT_IN_A_PASSWORD):
        raise SourceError(
            f"{name}: the password in {redact(location)} holds a sign that means something else in an address, such as "
            f"'/', '#' or ']'; write it as %2F, %23 or %5D"
        )


def _open(address: str) -> Any:
    import ibis

    if address.startswith("duckdb://") and "read_only" not in address:
        address += ("&" if "?" in address else "?") + "read_only=true"
    return ibis.connect(address)


def _connect(name: str, address: str) -> Any:
    scheme, _, rest = address.partition("://")
    path = rest.partition("?")[0]
    if scheme in IN_ONE_FILE and not path.startswith(NO_FILE):
        _require_database_file(name, address, path)
    try:
        return _open(address)
    except ImportError:
        extra = scheme.replace("postgresql", "postgres")
        raise SourceError(
            f"{name}: reading {scheme}:// needs a driver that is not installed; "
            f"`pip install 'ibis-framework[{extra}]'` installs it"
        ) from None
    except Exception as error:
        reason = scrub(first_line(error), [address])
        raise SourceError(f"{name}: cannot open {redact(address)} ({reason})") from None


def _require_database_file(name: str, address: str, path: str) -> None:
    """Said here because some engines would make a new, empty database, and others speak of something else."""
    if not Path(path).is_file():
        raise SourceError(f"{name}: there is no database at {redact(address)}{perhaps(path)}")
    if kind_of(path):
        raise SourceError(f"{name}: {redact(address)} is not a database but a file: give its path alone, {path}")


def _tables_there(engine: Any, table: str, error: Exception) -> str:
    try:
        known = sorted(engine.list_tables())
    except Exception:
        return f" ({type(error).__name__})"
    guess = nearest(table, known)
    if guess:
        return f"; did you mean {guess!r}?"
    return f"; it has {', '.join(known[:8])}" if known else "; it has no tables"
