"""Which folders hold a run: the ones named, or those one or two levels below them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from counterfault.publish.site.state import STATE

MANIFEST, RESULTS = "manifest.json", "results.json"
# DIR/study or DIR/study/run. Deeper would walk through whole disks for a mistyped DIR.
LEVELS = 2


def run_folders(directories: Sequence[Path]) -> list[tuple[Path, str]]:
    """The run directories in or below these folders, each with the name a page may show.

    A page must not tell how the machine's folders are called, so that name begins at the folder that was given.

    Parameters
    ----------
    directories : run directories, or folders that hold some, one or two levels down. Hidden folders are left out,
        for runs are staged in them.

    Raises
    ------
    FileNotFoundError
        Where one of them is not there.
    ValueError
        Where one of them is a file, or neither is a run directory nor holds one.
    """
    found: dict[Path, str] = {}
    for directory in directories:
        below = list(_below(_folder(directory), LEVELS))
        if not below:
            raise ValueError(
                f"{directory} holds no run: neither it nor a folder one or two levels down has a {MANIFEST} or a "
                f"{RESULTS}; name what `counterfault run --out` wrote, or the folder above"
            )
        top = directory.absolute()
        for folder in below:
            found.setdefault(folder, "/".join((top.name, *folder.absolute().relative_to(top).parts)))
    return list(found.items())


def _folder(directory: Path) -> Path:
    if not directory.exists():
        raise FileNotFoundError(f"{directory}: there is no such folder")
    if not directory.is_dir():
        raise ValueError(f"{directory} is a file; name a run directory, or a folder that holds some")
    return directory


def _below(folder: Path, levels: int) -> Iterator[Path]:
    if (folder / MANIFEST).is_file() or (folder / RESULTS).is_file():
        yield folder
    elif levels and not (folder / STATE).is_file():  # what another site has published is no run directory
        for child in sorted(folder.iterdir()):
            if child.is_dir() and not child.name.startswith("."):
                yield from _below(child, levels - 1)
