"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file so that no reader, and no crash, ever meets half of it."""
    write_all(path.parent, {path.name: content})


def write_all(directory: Path, files: Mapping[str, str | bytes]) -> None:
    """Write several files into one directory: either all of them can be written, or none changes.

    Everything is written beside its place first; only when the last byte is on the disk do the new files
    take the names of the old ones. A full disk or a wrong name leaves the directory as it was.

    Parameters
    ----------
    directory : made where it is missing.
    files : name, relative to the directory → content; text is written as UTF-8.
    """
    directory.mkdir(parents=True, exist_ok=True)
    staged: dict[Path, Path] = {}
    try:
        for name, content in files.items():
            target = directory / name
            if target.is_dir():
                raise IsADirectoryError(f"{target} is a directory, so no file of that name can be written")
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                staged[_beside(target, content)] = target
            except OSError as error:  # it names no file, or a temporary one that nobody asked for
                raise type(error)(error.errno, error.strerror, str(target)) from None
        for temporary, target in staged.items():
            temporary.replace(target)
    finally:
        for temporary in staged:
            temporary.unlink(missing_ok=True)


def _beside(target: Path, content: str | bytes) -> Path:
    data = content.encode() if isinstance(content, str) else content
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # Temporary files are private; a published one has the rights any new file would have.
        temporary.chmod(0o666 & ~_umask())
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
