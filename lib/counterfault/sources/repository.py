"""A git repository brought in once and kept as two Parquet files, with what a reader must know inside them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd

from counterfault.places import from_here
from counterfault.plan import Plan, Sources
from counterfault.sources import RawTables, read
from counterfault.sources.git import GitSource
from counterfault.sources.raw import NOTES_KEY
from counterfault.sources.salt import installation_salt

Progress = Callable[[int, int | None], None]


def import_repository(repository: str, folder: Path, progress: Progress | None = None) -> Sources:
    """Writes a repository's changes and reverts as ``deployments.parquet`` and ``incidents.parquet``.

    Parameters
    ----------
    repository : a work tree, its ``.git``, or a bare repository; only read.
    folder : where the two files go; made where it is missing.
    progress : told how many commits are done, and how many there are.

    Raises
    ------
    SourceError : the repository cannot be read as a whole; the message says what to do.
    """
    found = GitSource(Path(repository), installation_salt()).read(progress)
    folder.mkdir(parents=True, exist_ok=True)
    deployments, incidents = folder / "deployments.parquet", folder / "incidents.parquet"
    _write(found.deployments, deployments, found.notes)
    _write(found.incidents, incidents, ())
    return Sources(deployments=str(deployments), incidents=str(incidents))


def read_repository(repository: str, plan: Plan, progress: Progress | None = None) -> RawTables:
    """A repository's changes and reverts as raw tables, without writing a file.

    Raises
    ------
    SourceError : as for :func:`import_repository`.
    """
    found = GitSource(Path(repository), installation_salt()).read(progress)
    raw = read(found.deployments, found.incidents, plan=plan, notes=found.notes)
    source = f"the git repository {from_here(repository)}"
    return replace(raw, tables={name: replace(table, source=source) for name, table in raw.tables.items()})


def _write(frame: pd.DataFrame, path: Path, notes: tuple[str, ...]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(frame, preserve_index=False)
    kept = {NOTES_KEY.encode(): json.dumps(notes, ensure_ascii=False).encode()}
    pq.write_table(table.replace_schema_metadata({**(table.schema.metadata or {}), **kept}), path)
