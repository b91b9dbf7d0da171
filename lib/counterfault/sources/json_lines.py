"""JSON-lines files: one object on each line. Values arrive as text, like those of a CSV file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from counterfault.places import from_here
from counterfault.sources.errors import SourceError
from counterfault.sources.local import identifier, quoted
from counterfault.sources.raw import FILE, LINE, Raw, column_names, unreadable
from counterfault.sources.text_files import first_undecodable_line, plain_text, undecodable

BATCH = 50_000
OBJECT = "coalesce(json_type(json) = 'OBJECT', false)"
SCHEMA = pa.schema({"file": pa.string(), "line": pa.int64(), "text": pa.string()})


def read_json_lines(engine: Any, name: str, location: str, paths: Sequence[str], encoding: str) -> Raw:
    """The table in JSON-lines files; a line that is not a JSON object is kept as unreadable.

    Raises
    ------
    SourceError : no line at all is an object, or the text cannot be decoded.
    """
    lines = pa.Table.from_batches([batch for path in paths for batch in _batches(name, path, encoding)], SCHEMA)
    objects = engine.create_table(f"lines_{name}", lines, temp=True, overwrite=True).get_name()
    engine.raw_sql(
        f"create or replace temp table objects_{name} as "
        f"select file, line, text, case when json_valid(text) then text::json end as json from {objects}"
    )
    _require_objects(engine, name, location)
    _spread(engine, name, location)
    broken = engine.raw_sql(
        f"select file, line, 'not a JSON object', text from objects_{name} where not {OBJECT} order by file, line"
    ).fetchall()
    for temporary in ("lines", "objects"):
        engine.raw_sql(f"drop table {temporary}_{name}")
    return Raw(name, location, engine.table(f"raw_{name}"), unreadable(broken))


def _batches(name: str, path: str, encoding: str) -> Iterator[pa.RecordBatch]:
    # Why number the lines here? The engine reads files in pieces side by side and skips blank lines, so that its row
    # numbers are not the lines an editor shows.
    with plain_text(name, path, encoding) as text, Path(text).open(encoding="utf-8-sig") as lines:
        numbered = ((number, line.strip()) for number, line in enumerate(lines, start=1))
        filled = ((number, line) for number, line in numbered if line)
        try:
            while batch := list(islice(filled, BATCH)):
                numbers, texts = zip(*batch, strict=True)
                yield pa.record_batch([[from_here(path)] * len(batch), numbers, texts], schema=SCHEMA)
        except UnicodeDecodeError:
            raise undecodable(name, path, encoding, first_undecodable_line(text)) from None


def _require_objects(engine: Any, name: str, location: str) -> None:
    if engine.raw_sql(f"select count(*) from objects_{name} where {OBJECT}").fetchone()[0]:
        return
    first = engine.raw_sql(f"select text from objects_{name} limit 1").fetchone()
    array = first is not None and first[0].startswith("[")
    advice = (
        "; it holds one JSON array: `jq -c '.[]'` writes each of its elements on a line of its own" if array else ""
    )
    raise SourceError(f"{name}: no line of {location} is a JSON object, and JSON-lines have one on each line{advice}")


def _spread(engine: Any, name: str, location: str) -> None:
    """One column for each key that any object has."""
    found = engine.raw_sql(
        f"select distinct unnest(json_keys(json)) as key from objects_{name} where {OBJECT} order by key"
    ).fetchall()
    keys = [key for (key,) in found]
    names = column_names(name, location, keys)
    columns = "".join(
        f"json_extract_string(json, {_pointer(key)}) as {identifier(column)}, "
        for key, column in zip(keys, names, strict=True)
    )
    engine.raw_sql(
        f"create or replace table raw_{name} as select {columns}file as {FILE}, line as {LINE} "
        f"from objects_{name} where {OBJECT}"
    )


def _pointer(key: str) -> str:
    """RFC 6901, which has fewer characters to escape than the path notation."""
    return quoted("/" + key.replace("~", "~0").replace("/", "~1"))
