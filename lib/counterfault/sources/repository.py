"""A git repository brought in once and kept as two Parquet files, with what a reader must know inside them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from counterfault.labels import Label, shipped_ruleset
from counterfault.places import from_here
from counterfault.plan import Plan, Sources
from counterfault.sources import RawTables, read
from counterfault.sources.errors import SourceError
from counterfault.sources.git import GitSource
from counterfault.sources.git_commands import open_repository
from counterfault.sources.git_log import read_history
from counterfault.sources.git_notes import read_notes
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


def labels_of(repository: str, commits: Sequence[str]) -> list[tuple[str, Label]]:
    """What the messages and people of some commits say about AI assistance: (sha, label with its evidence).

    Parameters
    ----------
    repository : as for :func:`import_repository`.
    commits : beginnings of shas; the ten newest changes of the main line where empty.

    Raises
    ------
    SourceError : the repository cannot be read, or a beginning fits no commit of its history.
    """
    opened = open_repository(Path(repository), "HEAD")
    history = read_history(opened, read_notes(opened), shipped_ruleset())
    chosen = []
    for beginning in commits or list(reversed(history.changes))[:10]:
        fitting = [sha for sha in history.commits if sha.startswith(beginning)]
        if len(fitting) != 1:
            found = "fits no commit" if not fitting else f"fits {len(fitting)} commits"
            raise SourceError(f"{beginning!r} {found} of {repository}; give the beginning of one sha")
        chosen.append(fitting[0])
    return [(sha, history.commits[sha].label) for sha in chosen]


def _write(frame: pd.DataFrame, path: Path, notes: tuple[str, ...]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(frame, preserve_index=False)
    kept = {NOTES_KEY.encode(): json.dumps(notes, ensure_ascii=False).encode()}
    pq.write_table(table.replace_schema_metadata({**(table.schema.metadata or {}), **kept}), path)
