"""A run directory read for publishing: what it is called, what state it is in, and whether it can be trusted."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from counterfault.figures.wording import clip, plain
from counterfault.publish.record import Record, writable
from counterfault.publish.site.entries import COMPLETE
from counterfault.publish.site.finding import MANIFEST, RESULTS
from counterfault.publish.site.naming import RUN_ID, run_id
from counterfault.publish.site.schemas import complaint

RESULTS_SCHEMA = "results.schema.json"
LONGEST_NAME = 300


class UnreadableError(Exception):
    """Why a run directory cannot be published, in one sentence."""


@dataclass(frozen=True)
class Unreadable:
    """A run directory that cannot be published.

    Attributes
    ----------
    folder : where it lies.
    shown : how a page may call it, without the machine's folders.
    reason : what is wrong with it, in one sentence.
    """

    folder: Path
    shown: str
    reason: str


@dataclass(frozen=True)
class Run:
    """One run directory, with a manifest that can be read.

    Attributes
    ----------
    folder : where it lies.
    shown : how a page may call it.
    study : its study's name.
    named : whether the manifest names the study; otherwise the folder did.
    run : its id.
    began, ended : in UTC.
    manifest : as it was read.
    digest : SHA-256 of manifest and results.
    """

    folder: Path
    shown: str
    study: str
    named: bool
    run: str
    began: datetime
    ended: datetime
    manifest: Mapping[str, Any]
    digest: str

    @property
    def complete(self) -> bool:
        return bool(self.manifest["status"] == COMPLETE)

    @property
    def failed_notebooks(self) -> tuple[str, ...]:
        """Names of the notebooks that did not finish."""
        listed = self.manifest.get("notebooks")
        found = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
        return tuple(plain(each.get("name")) for each in found if each.get("status") != "finished")

    @cached_property
    def record(self) -> Record | None:
        """``results.json``; None where a failed run did not get that far.

        Raises
        ------
        UnreadableError
            Where it is missing from a complete run, or is not what a run writes.
        """
        if not self.complete and not (self.folder / RESULTS).exists():
            return None
        record = _json_in(self.folder / RESULTS)
        if fault := complaint(record, RESULTS_SCHEMA):
            raise UnreadableError(f"{RESULTS} is not what a run writes: {fault}")
        found: Record = record
        return found


def read_runs(folders: Iterable[tuple[Path, str]]) -> tuple[list[Run], list[Unreadable]]:
    """Every run once, and what could not be read.

    Raises
    ------
    ValueError
        Where two folders hold different runs under one id.
    """
    runs: list[Run] = []
    unreadable = []
    for folder, shown in folders:
        try:
            runs.append(_run(folder, shown))
        except (UnreadableError, OSError) as error:
            unreadable.append(Unreadable(folder, shown, reason_of(error)))
    return _each_once(runs), unreadable


def reason_of(error: Exception) -> str:
    """What is wrong with a run, without the folders of this machine."""
    if isinstance(error, OSError) and error.strerror:
        return f"{Path(str(error.filename or '')).name or 'a file'} cannot be read: {error.strerror}"
    if isinstance(error, UnreadableError | ValueError):
        return str(error)
    return f"no page can be made of it ({type(error).__name__}: {clip(error, 120)})"


def _run(folder: Path, shown: str) -> Run:
    manifest = _json_in(folder / MANIFEST)
    if not isinstance(manifest, dict) or not isinstance(manifest.get("status"), str):
        raise UnreadableError(f"{MANIFEST} is not what a run writes: it has no status")
    began, ended = (_moment(manifest, name) for name in ("began", "ended"))
    named = plain(manifest.get("study") or "")
    return Run(
        folder=folder,
        shown=shown,
        study=clip(named or writable(folder.resolve().name.removesuffix(".failed")), LONGEST_NAME),
        named=bool(named),
        run=_id(manifest, began),
        began=began,
        ended=ended,
        manifest=manifest,
        digest=digest_of(folder),
    )


def _id(manifest: Mapping[str, Any], began: datetime) -> str:
    found = manifest.get("run") or run_id(began, str(manifest.get("plan_digest")))
    if not isinstance(found, str) or not RUN_ID.fullmatch(found):
        raise UnreadableError(
            f"{MANIFEST} gives no run id of the form 20260630T235959Z-0123abcd: {clip(repr(found), 80)}"
        )
    return found


def _moment(manifest: Mapping[str, Any], name: str) -> datetime:
    try:
        moment = datetime.fromisoformat(manifest[name])
        if moment.tzinfo is None:
            raise ValueError("no zone")
        return moment.astimezone(UTC)
    except (KeyError, TypeError, ValueError, OverflowError):
        shown = clip(repr(manifest.get(name)), 80)
        raise UnreadableError(f"{MANIFEST} gives no time with a zone as {name!r}: {shown}") from None


def _json_in(path: Path) -> Any:
    if not path.exists():
        raise UnreadableError(f"{path.name} is missing")
    try:
        content = path.read_bytes()
        found = json.loads(content, parse_constant=_no_number, parse_int=_whole_number)
        # Only an escape can hold half of a surrogate pair, and walking through every record would double the time.
        return writable(found) if b"\\ud" in content.lower() else found
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"{path.name} is not JSON: {clip(error, 120)}") from None


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _whole_number(digits: str) -> int:
    if len(digits) > 300:  # larger than any decimal number, and none can be reckoned with
        raise ValueError(f"it holds a number of {len(digits)} digits")
    return int(digits)


def digest_of(folder: Path) -> str:
    """SHA-256 of a run's manifest and results: equal digests, equal runs."""
    found = sha256()
    for name in (MANIFEST, RESULTS):
        content = (folder / name).read_bytes() if (folder / name).exists() else b""
        found.update(f"{name} {len(content)}\n".encode())
        found.update(content)
    return found.hexdigest()


def _each_once(runs: Sequence[Run]) -> list[Run]:
    found: dict[str, Run] = {}
    for run in runs:
        found.setdefault(run.digest, run)
    by_id: dict[str, list[Run]] = {}
    for run in found.values():
        for other in by_id.setdefault(run.run, []):
            # Two studies may start in one second on one plan; a folder's name alone makes no second study.
            if run.study == other.study or not (run.named and other.named):
                raise ValueError(
                    f"two runs have the id {run.run} and different contents: {other.folder} and {run.folder}; "
                    f"one of them was changed after it ran, so leave one out"
                )
        by_id[run.run].append(run)
    return list(found.values())
