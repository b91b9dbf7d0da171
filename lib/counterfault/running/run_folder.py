"""A run directory that is replaced whole or not at all.

Everything is written into a staging folder beside the target. A finished run takes the target's name; an unfinished one
becomes ``NAME.failed`` and the last good run stays where it was.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunFolder:
    """Where a run is written before it is known to be good.

    Attributes
    ----------
    target : where a finished run lies.
    staging : where this one is being written.
    """

    target: Path
    staging: Path

    @classmethod
    def open(cls, target: Path) -> RunFolder:
        """A fresh staging folder beside the target.

        Raises
        ------
        FileExistsError : the target is a file, or a folder that no run has written.
        """
        target = target.absolute()
        if target.is_file():
            raise FileExistsError(f"{target} is a file; --out names a folder")
        if target.is_dir() and any(target.iterdir()) and not (target / "manifest.json").exists():
            raise FileExistsError(
                f"{target} holds files that no run has written (there is no manifest.json); name a new or empty folder"
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        _clear_remains(target)
        staging = target.with_name(f".{target.name}.{os.getpid()}.running")
        if staging.exists():
            shutil.rmtree(staging)
        (staging / "notebooks").mkdir(parents=True)
        return cls(target, staging)

    @property
    def failed(self) -> Path:
        """Where an unfinished run is kept for reading."""
        return self.target.with_name(f"{self.target.name}.failed")

    def publish(self) -> Path:
        """The staged run takes the target's name; an earlier failure's remains are cleared away."""
        previous = self.target.with_name(f".{self.target.name}.{os.getpid()}.previous")
        if self.target.exists():
            self.target.rename(previous)
        self.staging.rename(self.target)
        for leftover in (previous, self.failed):
            if leftover.exists():
                shutil.rmtree(leftover)
        return self.target

    def keep_as_failed(self) -> Path:
        """The staged run is kept beside the target, which stays as it was."""
        if self.failed.exists():
            shutil.rmtree(self.failed)
        self.staging.rename(self.failed)
        return self.failed

    def discard(self) -> None:
        """Nothing of this run is kept."""
        shutil.rmtree(self.staging, ignore_errors=True)


def _clear_remains(target: Path) -> None:
    """What runs left that were killed: a good report they had moved aside comes back, the rest goes."""
    for remains in sorted(target.parent.glob(f".{target.name}.*.*")):
        number, _, kind = remains.name.removeprefix(f".{target.name}.").partition(".")
        if kind not in ("running", "previous") or not number.isdigit() or _is_running(int(number)):
            continue
        if kind == "previous" and not target.exists():
            remains.rename(target)
        else:
            shutil.rmtree(remains)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
