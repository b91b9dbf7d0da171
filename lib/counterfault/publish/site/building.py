"""Publishing: new runs are staged, all pages are made, and only then does the site change."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from counterfault.publish.site.changes import with_changes
from counterfault.publish.site.entries import Entry, State, Study, in_order
from counterfault.publish.site.feed import feed_xml, site_id
from counterfault.publish.site.finding import run_folders
from counterfault.publish.site.index_page import index_page
from counterfault.publish.site.naming import slugs
from counterfault.publish.site.pages import PAGE, published
from counterfault.publish.site.place import Place, open_place
from counterfault.publish.site.reading import Run, Unreadable, UnreadableError, digest_of, read_runs, reason_of
from counterfault.publish.site.state import STATE, page_of, read_state, state_json
from counterfault.publish.site.study_page import history_csv, study_page
from counterfault.publish.site.summarising import entry_of
from counterfault.publish.templating import TEMPLATES

Say = Callable[[str], None]
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
SHAPED_BY = ("site_study.html.j2", "base.html.j2", "style.css", "site.css")


@dataclass(frozen=True)
class Outcome:
    """What a publish did.

    Attributes
    ----------
    site : where.
    added : pages of runs that were published now, as addresses in the site.
    kept : how many runs were there before.
    gone : pages that somebody deleted from the site and whose run was not given again.
    unreadable : run directories that could not be published.
    """

    site: Path
    added: tuple[str, ...]
    kept: int
    gone: tuple[str, ...]
    unreadable: tuple[Unreadable, ...]


def publish_site(directories: Sequence[Path], site: Path, *, now: datetime, say: Say = lambda line: None) -> Outcome:
    """Publishes every run found in these folders into a site, beside what it already holds.

    Parameters
    ----------
    directories : run directories, or folders that hold some one or two levels down.
    site : made where it is missing; runs published earlier stay.
    now : with its zone; ages on the front page are counted from it. Same runs and same ``now``, same bytes.
    say : is told one line per run that has to be made.

    Raises
    ------
    FileNotFoundError, ValueError
        Where a folder holds no run, two runs share an id and differ, or the site cannot be written to. The site is then
        as it was.
    """
    found, now = run_folders(directories), now.astimezone(UTC)
    with open_place(site, directories) as place:
        before = read_state(site) or State(id="")
        runs, unreadable = read_runs(found)
        there, gone = _still_there(site, before)
        _require_unchanged(site, there, runs)
        made = _Making(place, _slugs(before, runs), say)
        added = made.all([run for run in runs if not _is_there(run, there)])
        unreadable += made.unreadable
        state = _state(before, there, added, made.slugs)
        state = replace(
            with_changes(place, state),
            unreadable=tuple((each.shown, each.reason) for each in unreadable),
            published=now.isoformat(timespec="seconds"),
        )
        _commit(place, before, state, now)
    pages = sorted(page_of(made.slugs[study], entry.run) for study, entry in added)
    return Outcome(site, tuple(pages), len(there), tuple(gone), tuple(unreadable))


Entries = dict[tuple[str, str], Entry]


def _still_there(site: Path, state: State) -> tuple[Entries, list[str]]:
    """The published runs whose page is in its place, and the pages of those that were deleted."""
    there: Entries = {}
    gone = []
    for study in state.studies:
        for entry in study.runs:
            page = page_of(study.slug, entry.run)
            sizes = {name: _size(site / study.slug / entry.run / name) for name in entry.files}
            if sizes.get(PAGE) is None:
                gone.append(page)
            else:
                whole = {name: size for name, size in sizes.items() if size is not None}
                there[study.name, entry.run] = replace(entry, files=whole)
    return there, gone


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _is_there(run: Run, there: Entries) -> bool:
    known = there.get((run.study, run.run))
    # Where only a folder's name tells the study, a renamed folder is still the same run.
    return known is not None or any(run.digest == entry.digest for entry in there.values() if entry.run == run.run)


def _require_unchanged(site: Path, there: Entries, runs: Sequence[Run]) -> None:
    for run in runs:
        known = there.get((run.study, run.run))
        if known is not None and known.digest != run.digest:
            raise ValueError(
                f"two runs have the id {run.run} and different contents: {run.folder}, and the one published in {site} "
                f"as study {run.study!r}; one of them was changed after it ran, so delete the one you do not believe"
            )


def _slugs(before: State, runs: Sequence[Run]) -> dict[str, str]:
    return slugs((run.study for run in runs), {study.name: study.slug for study in before.studies})


class _Making:
    """Makes the files of new runs in the staging folder."""

    def __init__(self, place: Place, named: dict[str, str], say: Say) -> None:
        self.slugs = named
        self.unreadable: list[Unreadable] = []
        self._place, self._say = place, say

    def all(self, runs: Sequence[Run]) -> list[tuple[str, Entry]]:
        """(study, entry) of every run whose files are staged now."""
        return [(run.study, entry) for run in runs if (entry := self._one(run, f"{len(runs)}")) is not None]

    def _one(self, run: Run, total: str) -> Entry | None:
        folder = self._place.staged / self.slugs[run.study] / run.run
        try:
            record, files, masked = published(run)
            sizes = self._place.stage(folder, files)
            if digest_of(run.folder) != run.digest:
                raise UnreadableError("it was replaced while it was being read; publish again")
            entry = entry_of(run, record, files=sizes, masked=masked)
        except Exception as error:  # a record can keep its schema and still hold what no page can show
            self._place.forget(folder)
            if isinstance(error, OSError) and error.errno in NO_ROOM:  # no fault of the run's
                raise type(error)(error.errno, error.strerror, str(self._place.site)) from None
            self.unreadable.append(Unreadable(run.folder, run.shown, reason_of(error)))
            return None
        if masked:
            self._say(f"  {self.slugs[run.study]}/{run.run} (of {total} new runs)")
        return entry


def _state(before: State, there: Entries, added: Sequence[tuple[str, Entry]], named: dict[str, str]) -> State:
    by_study: dict[str, list[Entry]] = {}
    for (study, _), entry in there.items():
        by_study.setdefault(study, []).append(entry)
    for study, entry in added:
        by_study.setdefault(study, []).append(entry)
    fingerprints = {study.name: study.fingerprint for study in before.studies}
    studies = [
        Study(name, named[name], in_order(entries), fingerprints.get(name, ""))
        for name, entries in sorted(by_study.items())
    ]
    id = before.id
    if not id and studies:
        id = site_id((studies[0].name, studies[0].runs[0].run))
    return State(id, tuple(studies))


def _commit(place: Place, before: State, state: State, now: datetime) -> None:
    """Runs first, then the pages that link to them, then the state: whatever is linked is there at every moment."""
    files: dict[str, str] = {}
    studies = []
    for study in state.studies:
        fingerprint = _fingerprint(study)
        if fingerprint != study.fingerprint or not (place.site / study.slug / PAGE).is_file():
            files |= {f"{study.slug}/{PAGE}": study_page(study), f"{study.slug}/history.csv": history_csv(study)}
        studies.append(replace(study, fingerprint=fingerprint))
    state = replace(state, studies=tuple(studies))
    files |= {PAGE: index_page(state, now), "feed.xml": feed_xml(state)}
    place.commit(files, {STATE: state_json(state)}, empty={STATE: state_json(State(state.id))})


def _fingerprint(study: Study) -> str:
    """Of everything a study's page is made from, our own templates and version included."""
    found = sha256(version("counterfault").encode())
    for name in SHAPED_BY:
        found.update((TEMPLATES / name).read_bytes())
    found.update(repr(replace(study, fingerprint="")).encode("utf-8", "surrogatepass"))
    return found.hexdigest()[:16]
