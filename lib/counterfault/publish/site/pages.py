"""The files of one run as they are published: copied, or made again where a disclosure policy is active.

Never published: executed notebooks, whose outputs hold everything; quarantined rows; imported tables.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from counterfault.figures.wording import clip
from counterfault.publish.record import Record
from counterfault.publish.site.finding import RESULTS
from counterfault.publish.site.reading import Run, UnreadableError
from counterfault.publish.summary import summary
from counterfault.publish.templating import render

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from counterfault.publish.disclosure import Policy

PAGE, ESTIMATES, SUMMARY = "index.html", "estimates.csv", "summary.md"
# A path is copied, a text written.
Files = dict[str, str | Path]


def published(run: Run) -> tuple[Record | None, Files, bool]:
    """The record a run may show, its files, and whether a disclosure policy made them.

    Raises
    ------
    UnreadableError
        Where a file the pages need is missing or cannot be read.
    """
    from counterfault.publish.disclosure import Policy, is_active, published_record

    # Without a record nobody can say that the policy was switched off.
    record = run.record
    active = record is None or is_active(Policy.bare(record))
    if not active and record is not None and run.complete and _has_notebooks_of_others(run):
        return record, _made_again(run, record, Policy.of(record)), False
    if not active:
        return record, dict(_copied(run, (PAGE, RESULTS, ESTIMATES, SUMMARY) if run.complete else (PAGE,))), False
    shown = None if record is None else published_record(record)
    if record is None or shown is None or not run.complete:
        return shown, {PAGE: _failed_page(run, shown)}, True
    # What follows from a small count only the run's own record can tell.
    return shown, _made_again(run, shown, Policy.of(record)), True


def _has_notebooks_of_others(run: Run) -> bool:
    """Whether a notebook of a user's own was run: ours show no author, of theirs nobody knows."""
    listed = run.manifest.get("notebooks")
    return isinstance(listed, list) and any(isinstance(each, dict) and each.get("own") for each in listed)


def _copied(run: Run, names: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    if not (run.folder / PAGE).is_file():
        raise UnreadableError(f"{PAGE} is missing")
    pages = sorted((run.folder / "notebooks").glob("*.html"))
    for path in (*(run.folder / name for name in names), *pages):
        if path.is_file():
            if not path.resolve().is_relative_to(run.folder.resolve()):
                raise UnreadableError(f"{path.name} is a link that leads out of the run directory")
            yield path.relative_to(run.folder).as_posix(), path


def _made_again(run: Run, shown: Record, policy: Policy) -> Files:
    from counterfault.publish.disclosure import published_notebook
    from counterfault.publish.preparing import of_page_size
    from counterfault.publish.run_pages import run_files

    notebooks = [(path.stem, published_notebook(of_page_size(_notebook(path)), policy)) for path in _notebooks(run)]
    made = {RESULTS: as_json(shown), ESTIMATES: estimates_csv(shown), SUMMARY: summary(shown)}
    return {**made, **run_files(shown, notebooks)}


def _notebooks(run: Run) -> list[Path]:
    """The executed notebooks in the order they were run; each that the manifest names must be there."""
    listed = run.manifest.get("notebooks")
    if not isinstance(listed, list):
        return sorted((run.folder / "notebooks").glob("*.ipynb"))
    # A name from a damaged manifest must not lead out of the folder.
    names = [Path(str(each.get("name"))).name for each in listed if isinstance(each, dict)]
    return [run.folder / "notebooks" / f"{name}.ipynb" for name in names]


def _notebook(path: Path) -> NotebookNode:
    import nbformat

    if not path.is_file():
        raise UnreadableError(f"notebooks/{path.name} is missing, and pages under a disclosure policy are made from it")
    try:
        found: NotebookNode = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    except (ValueError, KeyError, AttributeError, nbformat.ValidationError, RecursionError) as error:
        raise UnreadableError(f"notebooks/{path.name} is not a notebook: {clip(error, 120)}") from None
    return found


def _failed_page(run: Run, shown: Record | None) -> str:
    """What may be said of a failed run in public: an error message can quote any row."""
    return render(
        "site_failed.html.j2",
        study=run.study,
        title=shown["plan"]["title"] if shown else run.study,
        notebooks=run.failed_notebooks,
        run=run.run,
    )


def as_json(record: Mapping[str, Any]) -> str:
    """A record as a run writes it."""
    return json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def estimates_csv(record: Record) -> str:
    """The estimates of a record as a table, one line each, in the columns of a run's own."""
    stream = StringIO()
    columns = list(dict.fromkeys(name for entry in record["estimates"] for name in entry))
    writer = csv.DictWriter(stream, columns, lineterminator="\n")
    writer.writeheader()
    for entry in record["estimates"]:
        lists = {name: "; ".join(map(str, value)) for name, value in entry.items() if isinstance(value, list)}
        writer.writerow({**entry, **lists})
    return stream.getvalue()
