"""CSV, Parquet and JSON-lines files, plain or compressed, one or a glob of them, through DuckDB.

Text files are read with every value as text: typing is the contract's work, which can then say which value
of which line it could not understand instead of dropping it.
"""

from __future__ import annotations

import glob
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from counterfault.contracts import nearest
from counterfault.places import from_here
from counterfault.sources.errors import SourceError
from counterfault.sources.raw import FILE, LINE, Raw, no_unreadable

FORMATS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
}
COMPRESSED = (".gz", ".zst")


def read_files(engine: Any, name: str, location: str, *, encoding: str = "utf-8") -> Raw:
    """The table in one file, or in all files a glob matches.

    Parameters
    ----------
    engine : an Ibis DuckDB backend; text files are loaded into it, Parquet stays where it is.
    name : the table's name in the contract.
    location : a path or glob ending in .csv, .tsv, .parquet, .jsonl (optionally .gz or .zst).
    encoding : of text files.

    Raises
    ------
    SourceError : no such file, an unknown ending, or a file that cannot be read as what its name says.
    """
    paths = _matching(name, location)
    location = from_here(location)
    kind = _format(name, paths)
    reader = {"csv": _read_csv, "parquet": _read_parquet, "json": _read_json_lines}[kind]
    return reader(engine, name, location, paths, encoding)


def _matching(name: str, location: str) -> list[str]:
    paths = sorted(glob.glob(location, recursive=True)) if any(sign in location for sign in "*?[") else [location]
    if not paths:
        raise SourceError(f"{name}: no file matches {location}")
    for path in paths:
        if Path(path).is_dir():
            raise SourceError(f"{name}: {path} is a folder; name a file in it, or a glob such as {path}/*.parquet")
        if not Path(path).exists():
            raise SourceError(f"{name}: {path} does not exist{_perhaps(path)}")
        if Path(path).stat().st_size == 0:
            raise SourceError(f"{name}: {path} is empty (0 bytes); a table needs at least its column names")
    return paths


def _perhaps(path: str) -> str:
    folder = Path(path).parent
    if not folder.is_dir():
        return f"; neither does its folder {folder}"
    guess = nearest(Path(path).name, sorted(entry.name for entry in folder.iterdir()))
    return f"; did you mean {folder / guess}?" if guess else ""


def _format(name: str, paths: Sequence[str]) -> str:
    kinds = set()
    for path in paths:
        suffixes = [suffix.lower() for suffix in Path(path).suffixes]
        while suffixes and suffixes[-1] in COMPRESSED:
            suffixes.pop()
        kinds.add(FORMATS.get(suffixes[-1] if suffixes else ""))
    if len(kinds) != 1 or None in kinds:
        raise SourceError(
            f"{name}: cannot tell the format of {paths[0]}; names end in {', '.join(FORMATS)}, optionally followed by "
            f"{' or '.join(COMPRESSED)}, and one table has one format"
        )
    return kinds.pop() or ""


def _read_parquet(engine: Any, name: str, location: str, paths: list[str], encoding: str) -> Raw:
    view = f"raw_{name}"
    statement = (
        f"create or replace view {view} as select * exclude (filename, file_row_number), "
        f"filename as {FILE}, file_row_number + 1 as {LINE} "
        f"from read_parquet({_listed(paths)}, filename = true, file_row_number = true, union_by_name = true)"
    )
    try:
        engine.raw_sql(statement)
        engine.raw_sql(f"select count(*) from {view}").fetchall()
    except duckdb.Error as error:
        raise SourceError(
            f"{name}: {location} is not a complete Parquet file ({_first_line(error)}); it may have been cut off "
            f"while it was written or copied: write it again"
        ) from None
    return Raw(name, location, engine.table(view), digest=_digest(paths))


def _read_csv(engine: Any, name: str, location: str, paths: list[str], encoding: str) -> Raw:
    """File by file: DuckDB keeps the lines it had to reject only where it reads one file at a time."""
    parts, rejected = [], []
    for number, path in enumerate(paths):
        part = f"raw_{name}_{number}"
        try:
            rejected.append(_load_csv(engine, part, path, encoding))
        except duckdb.Error as error:
            raise SourceError(_csv_fault(name, from_here(path), path, encoding, error)) from None
        _refuse_undecodable(name, from_here(path), encoding, rejected[-1])
        parts.append(f"select * from {part}")
    engine.raw_sql(f"create or replace view raw_{name} as {' union all by name '.join(parts)}")
    unreadable = pd.concat(rejected, ignore_index=True)
    return Raw(name, location, engine.table(f"raw_{name}"), unreadable.astype({"line": "int64"}), _digest(paths))


def _load_csv(engine: Any, table: str, path: str, encoding: str) -> pd.DataFrame:
    """Loads one file with every value as text; returns the lines that are not rows of it."""
    rejects, scans = f"rejects_{table}", f"scans_{table}"
    delimiter = ", delim = '\\t'" if ".tsv" in path.lower() else ""
    options = (
        f"all_varchar = true, header = true, quote = '\"', escape = '\"', encoding = {_quoted(encoding)}, "
        f"store_rejects = true, rejects_table = '{rejects}', rejects_scan = '{scans}', rejects_limit = 0{delimiter}"
    )
    for temporary in (rejects, scans):
        engine.raw_sql(f"drop table if exists {temporary}")
    engine.raw_sql(
        f"create or replace table {table} as select *, {_quoted(from_here(path))} as {FILE}, "
        f"row_number() over () as {LINE} from read_csv({_quoted(path)}, {options})"
    )
    found: pd.DataFrame = engine.raw_sql(
        f"""
        select {_quoted(from_here(path))} as file, line, any_value(csv_line) as value,
            'not a row of this table: ' ||
                lower(string_agg(distinct replace(error_type::varchar, '_', ' '), ', ')) as rule
        from {rejects} group by all order by 1, 2
        """
    ).df()
    return found


def _refuse_undecodable(name: str, location: str, encoding: str, unreadable: pd.DataFrame) -> None:
    """Undecodable bytes are a fault of the file's encoding, not of the line that shows it first."""
    undecodable = unreadable["rule"].str.contains("unicode")
    if undecodable.any():
        raise SourceError(_encoding_fault(name, location, encoding, int(unreadable.loc[undecodable, "line"].iloc[0])))


def _encoding_fault(name: str, location: str, encoding: str, line: int) -> str:
    return (
        f"{name}: {location} is not {encoding} text (first at line {line}); if it was written by a spreadsheet, put "
        f'`encoding = "latin-1"` under [mapping.{name}] in the plan'
    )


def _csv_fault(name: str, location: str, path: str, encoding: str, error: duckdb.Error) -> str:
    if encoding.lower() in ("utf-8", "utf8") and (line := _first_undecodable_line(path)) is not None:
        return _encoding_fault(name, location, encoding, line)
    return f"{name}: {location} cannot be read as CSV ({_first_line(error)})"


def _first_undecodable_line(path: str) -> int | None:
    if Path(path).suffix.lower() in COMPRESSED:
        return None
    with Path(path).open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return None


def _read_json_lines(engine: Any, name: str, location: str, paths: list[str], encoding: str) -> Raw:
    objects, table = f"objects_{name}", f"raw_{name}"
    try:
        engine.raw_sql(
            f"create or replace temp table {objects} as select json, filename as file, "
            f"row_number() over (partition by filename) as line from read_json_objects({_listed(paths)}, "
            f"format = 'newline_delimited', ignore_errors = true, filename = true)"
        )
    except duckdb.Error as error:
        raise SourceError(f"{name}: {location} cannot be read as JSON-lines ({_first_line(error)})") from None
    is_object = "json is not null and json_type(json) = 'OBJECT'"
    keys = [
        key
        for (key,) in engine.raw_sql(
            f"select distinct unnest(json_keys(json)) as key from {objects} where {is_object} order by key"
        ).fetchall()
    ]
    columns = "".join(f"json_extract_string(json, {_json_path(key)}) as {_identifier(key)}, " for key in keys)
    engine.raw_sql(
        f"create or replace table {table} as select {columns} file as {FILE}, line as {LINE} "
        f"from {objects} where {is_object}"
    )
    unreadable = engine.raw_sql(
        f"select file, line, 'not a JSON object' as rule, coalesce(json::varchar, '') as value from {objects} "
        f"where not ({is_object}) order by 1, 2"
    ).df()
    engine.raw_sql(f"drop table {objects}")
    return Raw(
        name,
        location,
        engine.table(table),
        unreadable.astype({"line": "int64"}) if len(unreadable) else no_unreadable(),
        digest=_digest(paths),
    )


def _digest(paths: Sequence[str]) -> str:
    whole = sha256()
    for path in paths:
        with Path(path).open("rb") as content:
            while block := content.read(1 << 20):
                whole.update(block)
    return whole.hexdigest()


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _listed(paths: Sequence[str]) -> str:
    return "[" + ", ".join(_quoted(path) for path in paths) + "]"


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _json_path(key: str) -> str:
    return _quoted('$."' + key.replace("\\", "\\\\").replace('"', '\\"') + '"')
