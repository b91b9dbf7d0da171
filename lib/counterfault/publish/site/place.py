"""Where a site lies: refused where it would mix with other files, changed only when everything is ready."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from counterfault.publish.site.state import STATE
from counterfault.publish.write import write_all

# Inside the site, so that a finished folder only has to be renamed; hidden, so that nobody links to it.
STAGING = ".publishing"


@dataclass(frozen=True)
class Place:
    """A site that nobody else is changing, and the folder in which its next state is made.

    Attributes
    ----------
    site : where the site lies.
    """

    site: Path

    @property
    def staged(self) -> Path:
        """Where new runs wait, as study/run."""
        return self.site / STAGING / "new"

    def path(self, address: str) -> Path:
        """The file that will have this address when the staged runs are in place."""
        waiting = self.staged / address
        return waiting if waiting.exists() else self.site / address

    def stage(self, folder: Path, files: Mapping[str, str | Path]) -> dict[str, int]:
        """Writes the files of one run into ``folder``; texts are written, paths copied.

        Returns
        -------
        Name → bytes.
        """
        for name, content in files.items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Path):
                shutil.copyfile(content, target)
            else:
                target.write_bytes(content.encode())
        return {name: (folder / name).stat().st_size for name in files}

    def forget(self, folder: Path) -> None:
        """Takes back what was staged into ``folder``."""
        shutil.rmtree(folder, ignore_errors=True)

    def commit(self, pages: Mapping[str, str], state: Mapping[str, str], *, empty: Mapping[str, str]) -> None:
        """Puts the staged runs into place, then the pages that link to them, then the state.

        Parameters
        ----------
        pages : address → text.
        state : likewise, written last: until then a killed publish is as good as none.
        empty : the state of a site without runs, written first into a new folder, which marks it as ours.
        """
        if not (self.site / STATE).exists():
            write_all(self.site, empty)
        for study in sorted(self.staged.glob("*")):
            for run in sorted(study.iterdir()):
                self._move(run, self.site / study.name / run.name)
        write_all(self.site, pages)
        write_all(self.site, state)

    def _move(self, staged: Path, target: Path) -> None:
        """A folder that a killed publish, or a careless hand, left under the name makes way."""
        if target.exists():
            old = self.site / STAGING / "old" / target.parent.name
            old.mkdir(parents=True, exist_ok=True)
            target.rename(old / target.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        staged.rename(target)


@contextmanager
def open_place(site: Path, directories: Sequence[Path]) -> Iterator[Place]:
    """The site, held against a second publish while the block lasts, with a fresh staging folder.

    Raises
    ------
    ValueError
        Where the site is a file, lies in or around a run directory, holds files of others, or is being published to.
    """
    _require_apart(site, directories)
    is_new = not site.exists()
    _require_ours(site)
    site.mkdir(parents=True, exist_ok=True)
    staging = site / STAGING
    try:
        with _held(site):
            shutil.rmtree(staging, ignore_errors=True)
            (staging / "new").mkdir(parents=True)
            try:
                yield Place(site)
            finally:
                shutil.rmtree(staging, ignore_errors=True)
    finally:
        if is_new and not any(site.iterdir()):
            site.rmdir()


def _require_apart(site: Path, directories: Sequence[Path]) -> None:
    """A site inside a folder of runs would be read as runs, and a folder of runs inside a site be served."""
    here = site.resolve()
    for directory in directories:
        runs = directory.resolve()
        if here == runs or runs in here.parents:
            raise ValueError(f"--out {site} lies in {directory}, which is read; name a folder outside of it")
        if here in runs.parents:
            raise ValueError(f"{directory} lies in --out {site}, which is written; name a folder outside of it")


def _require_ours(site: Path) -> None:
    if site.exists() and not site.is_dir():
        raise ValueError(f"--out {site} is a file; name a folder")
    if site.is_dir() and not (site / STATE).exists() and any(path.name != STAGING for path in site.iterdir()):
        raise ValueError(f"--out {site} holds files that are no site (there is no {STATE}); name a new or empty folder")


@contextmanager
def _held(site: Path) -> Iterator[None]:
    """The lock goes when the process does, so a killed publish leaves none behind."""
    import fcntl

    handle = os.open(site, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise ValueError(f"--out {site}: another publish is at work there; try again when it is done") from None
    finally:
        os.close(handle)
