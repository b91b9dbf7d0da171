"""What a site says about one run, one study, and about all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

COMPLETE, FAILED = "complete", "failed"
# What may be new in a run, and the field that tells.
COMPARED = {"call": "call", "grade": "grade", "plan": "plan_digest", "deviations": "deviations"}
FIRST, FAILURE = "first run", "failure"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One published run. Its numbers are those of its published record.

    Attributes
    ----------
    run : the run's id, unique within its study.
    digest : SHA-256 of the manifest and the results it was published from.
    status : "complete" or "failed".
    began, ended : ISO times in UTC.
    files : name below the run's folder → bytes.
    failed_notebooks : names of notebooks that did not finish.
    masked : whether its pages were made under an active disclosure policy.
    scope : what was compared, in words.
    compared_with : id of the run that ``changes`` were found against.
    changes : sentences on what changed since then.
    """

    run: str
    digest: str
    status: str
    began: str
    ended: str
    files: Mapping[str, int]
    failed_notebooks: tuple[str, ...] = ()
    masked: bool = False
    title: str | None = None
    question: str | None = None
    plan_digest: str | None = None
    worth_acting_on: float | None = None
    scope: str | None = None
    window_start: str | None = None
    window_end: str | None = None
    call: str | None = None
    words: str | None = None
    grade: str | None = None
    estimand: str | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    level: float | None = None
    deviations: tuple[str, ...] = ()
    compared_with: str | None = None
    changes: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        return self.status == COMPLETE

    @property
    def when(self) -> datetime:
        """When it ended."""
        return datetime.fromisoformat(self.ended)


@dataclass(frozen=True)
class Study:
    """All published runs of one study, oldest first.

    Attributes
    ----------
    name : as the runs give it.
    slug : its folder in the site.
    runs : at least one.
    fingerprint : of what its page was made from; a page with the same one is not made again.
    """

    name: str
    slug: str
    runs: tuple[Entry, ...]
    fingerprint: str = ""

    @property
    def latest(self) -> Entry:
        """The run that began last, failed or not."""
        return self.runs[-1]

    @property
    def answer(self) -> Entry | None:
        """The last run that gave an answer: a failed one after it replaces nothing."""
        return next((entry for entry in reversed(self.runs) if entry.complete), None)


@dataclass(frozen=True)
class State:
    """Everything a site holds.

    Attributes
    ----------
    id : the feed's stable name.
    studies : by name.
    unreadable : folder and reason of what could not be read at the last publish.
    published : when that was.
    """

    id: str
    studies: tuple[Study, ...] = ()
    unreadable: tuple[tuple[str, str], ...] = ()
    published: str = ""


def in_order(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """Oldest first, by their beginning."""
    return tuple(sorted(entries, key=lambda entry: (datetime.fromisoformat(entry.began), entry.run)))


def predecessors(runs: Sequence[Entry]) -> dict[str, Entry | None]:
    """Run → the last complete run before it, for runs that are in order."""
    found: dict[str, Entry | None] = {}
    before: Entry | None = None
    for entry in runs:
        found[entry.run] = before
        before = entry if entry.complete else before
    return found


def changed(runs: Sequence[Entry]) -> dict[str, tuple[str, ...]]:
    """Run → what is new in it: "first run", "call", "grade", "plan", "deviations" or "failure"; often nothing."""
    return {run: _new_in(entry, before) for entry, (run, before) in zip(runs, predecessors(runs).items(), strict=True)}


def _new_in(entry: Entry, before: Entry | None) -> tuple[str, ...]:
    if not entry.complete:
        return (FAILURE,)
    if before is None:
        return (FIRST,)
    return tuple(word for word, name in COMPARED.items() if getattr(before, name) != getattr(entry, name))
