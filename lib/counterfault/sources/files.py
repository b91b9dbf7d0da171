"""CSV, Parquet and JSON-lines files, plain or compressed, one or a glob of them."""

from __future__ import annotations

import glob
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import duckdb

from counterfault.contracts import nearest
from counterfault.places import from_here
from counterfault.sources.csv_files import read_csv
from counterfault.sources.errors import SourceError
from counterfault.sources.json_lines import read_json_lines
from counterfault.sources.local import first_line, identifier, listed, quoted
from counterfault.sources.raw import FILE, LINE, NOTES_KEY, Raw, column_names
from counterfault.sources.secrets import redact

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
PATH = "counterfault_path"  # of the Parquet file a row is from


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
    location = _on_this_machine(name, location)
    paths = _matching(name, location)
    shown = from_here(location)
    reader = {"csv": read_csv, "parquet": _read_parquet, "json": read_json_lines}[_format(name, shown, paths)]
    return replace(reader(engine, name, shown, paths, encoding), digest=_digest(paths))


def _on_this_machine(name: str, location: str) -> str:
    if location.startswith("file://"):
        return url2pathname(urlsplit(location).path)
    if "://" in location:
        raise SourceError(
            f"{name}: {redact(location)} is not on this machine, and files are only read from it; copy the file here, "
            f"or name a database table, as in duckdb://FILE#TABLE"
        )
    return location


def _matching(name: str, location: str) -> list[str]:
    # A name that exists is that file, even where it looks like a glob.
    if Path(location).exists() or not any(sign in location for sign in "*?["):
        paths = [location]
    else:
        paths = [path for path in sorted(glob.glob(location, recursive=True)) if not Path(path).is_dir()]
    if not paths:
        raise SourceError(f"{name}: no file matches {location}")
    for path in paths:
        _require_content(name, path)
    return paths


def _require_content(name: str, path: str) -> None:
    if Path(path).is_dir():
        raise SourceError(f"{name}: {path} is a folder; name a file in it, or a glob such as {path}/*.parquet")
    if not Path(path).exists():
        raise SourceError(f"{name}: {path} does not exist{perhaps(path)}")
    if Path(path).stat().st_size == 0:
        raise SourceError(f"{name}: {path} is empty (0 bytes); a table needs at least its column names")


def perhaps(path: str) -> str:
    """The file that was probably meant: names are compared without their endings, which make all alike."""
    folder = Path(path).parent
    if not folder.is_dir():
        return f"; neither does its folder {folder}"
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_file())
    stem = nearest(_stem(path), [_stem(name) for name in names])
    alike = [name for name in names if _stem(name) == stem]
    return f"; did you mean {folder / (nearest(Path(path).name, alike) or alike[0])}?" if alike else ""


def _stem(path: str) -> str:
    return Path(path).name.partition(".")[0]


def _format(name: str, shown: str, paths: Sequence[str]) -> str:
    kinds = {path: kind_of(path) for path in paths}
    for path, kind in kinds.items():
        if not kind:
            raise SourceError(
                f"{name}: cannot tell the format of {from_here(path)}; names end in {', '.join(FORMATS)}, optionally "
                f"followed by {' or '.join(COMPRESSED)}"
            )
    if len(set(kinds.values())) > 1:
        first = {kind: Path(path).name for path, kind in reversed(kinds.items())}
        raise SourceError(
            f"{name}: the files that match {shown} have different formats ({', '.join(sorted(first.values()))}); "
            f"one table has one"
        )
    return next(iter(kinds.values()))


def kind_of(path: str) -> str:
    """The format a file's name tells, "" where it tells none."""
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    while suffixes and suffixes[-1] in COMPRESSED:
        suffixes.pop()
    return FORMATS.get(suffixes[-1], "") if suffixes else ""


def _read_parquet(engine: Any, name: str, shown: str, paths: Sequence[str], encoding: str) -> Raw:
    view = f"raw_{name}"
    try:
        given = engine.raw_sql(f"select * from read_parquet({listed(paths)}, union_by_name = true) limit 0").description
        names = [column[0] for column in given]
        columns = "".join(
            f"{identifier(column)} as {identifier(unique)}, "
            for column, unique in zip(names, column_names(name, shown, names), strict=True)
        )
        file = f"replace({PATH}, {quoted(f'{Path.cwd()}{os.sep}')}, '')"
        engine.raw_sql(
            f"create or replace view {view} as select {columns}{file} as {FILE}, file_row_number + 1 as {LINE} "
            f"from read_parquet({listed(paths)}, filename = '{PATH}', file_row_number = true, union_by_name = true)"
        )
        engine.raw_sql(f"select count(*) from {view}").fetchall()
    except duckdb.Error as error:
        raise SourceError(
            f"{name}: {shown} cannot be read as Parquet ({first_line(error)}); if it was cut off while it was written "
            f"or copied, write it again"
        ) from None
    return Raw(name, shown, engine.table(view), unit="row", notes=_notes(engine, paths))


def _notes(engine: Any, paths: Sequence[str]) -> tuple[str, ...]:
    """The sentences an import wrote into its file for whoever reads it later."""
    found = engine.raw_sql(
        f"select decode(value) from parquet_kv_metadata({listed(paths)}) where decode(key) = '{NOTES_KEY}'"
    ).fetchall()
    return tuple(note for (value,) in found for note in json.loads(value))


def _digest(paths: Sequence[str]) -> str:
    whole = sha256()
    for path in paths:
        with Path(path).open("rb") as content:
            while block := content.read(1 << 20):
                whole.update(block)
    return whole.hexdigest()
