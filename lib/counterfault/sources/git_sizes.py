"""How much each change touched: `git diff-tree --numstat` against the first parent, in parallel pieces.

``diff-tree`` and not ``log``, because it heeds no settings of the user's; in pieces, because counting lines is nearly
all the work of an import, git does it on one core, and changes do not depend on each other.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from counterfault.sources.errors import SourceError
from counterfault.sources.git_areas import Extent, FileChange, extent
from counterfault.sources.git_commands import GitError, Repository

# Renames are found (-M), but not searched for beyond a million pairs of files (-l): in a change of thousands of files
# comparing each with each would take longer than the rest of the history. Myers' algorithm is named because
# `diff.algorithm` would change the counts.
_NUMSTAT = ("diff-tree", "--stdin", "-r", "-z", "--root", "--numstat", "-M", "-l1000")
_FIXED = ("--no-ext-diff", "--no-textconv", "--no-relative", "--ignore-submodules=none", "--diff-algorithm=myers")
# Only renames of unchanged files can be found without reading files.
_RAW = ("diff-tree", "--stdin", "-r", "-z", "--root", "--raw", "--no-abbrev", "-M100%")
_PIECE = 1000
_WORKERS = 4
_SUBMODULE = b"160000"

Pair = tuple[str, str | None]  # a change and its first parent
File = TypeVar("File")
Progress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Sizes:
    """Extents by change, and how many changes have files whose contents the clone lacks."""

    by_change: Mapping[str, Extent]
    unsized: int


def read_sizes(repository: Repository, changes: Sequence[Pair], depth: int, progress: Progress | None) -> Sizes:
    """The extent of every change.

    Parameters
    ----------
    changes : with their first parents, in the order in which progress is reported.
    depth : how many folders make an area.
    progress : told after every piece how many changes of how many are done.

    Returns
    -------
    Sizes : where a clone lacks the contents of files (a partial clone), the changes that touch these have their
        files counted and no lines; all others are complete.

    Raises
    ------
    SourceError : not even the listings of folders are there.
    """
    count = _Count(progress, len(changes))
    unsized = _without_contents(repository, changes, depth) if repository.is_partial else {}
    sized, left = _numstats(repository, _except(changes, unsized), depth, count)
    if left:
        unsized |= _without_contents(repository, left, depth)
        more, damaged = _numstats(repository, _except(left, unsized), depth, count)
        if damaged:
            raise SourceError(
                f"{repository.path}: git cannot read some of the files that changes altered, though none is missing; "
                f"check the repository with `git fsck`, or clone it again"
            )
        sized |= more
    count.add(len(unsized))
    nothing = extent((), depth)  # a commit without files: git prints none for it
    return Sizes({change: sized.get(change) or unsized.get(change) or nothing for change, _ in changes}, len(unsized))


def _except(pairs: Sequence[Pair], known: Mapping[str, Extent]) -> list[Pair]:
    return [pair for pair in pairs if pair[0] not in known]


class _Count:
    """How many changes are done, told to whoever wants to know."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def add(self, number: int) -> None:
        self._done += number
        if self._progress is not None and number:
            self._progress(self._done, self._total)


def _numstats(
    repository: Repository, pairs: Sequence[Pair], depth: int, count: _Count
) -> tuple[dict[str, Extent], list[Pair]]:
    """Extents of changes, and those pieces of them that git could not read."""
    pieces = [pairs[start : start + _PIECE] for start in range(0, len(pairs), _PIECE)]
    done: dict[str, Extent] = {}
    left: list[Pair] = []
    with ThreadPoolExecutor(min(_WORKERS, os.cpu_count() or 1)) as pool:
        for piece, result in zip(
            pieces, pool.map(lambda piece: _numstat(repository, piece, depth), pieces), strict=True
        ):
            if result is None:
                left += piece
            else:
                done |= result
                count.add(len(piece))
    return done, left


def _numstat(repository: Repository, pairs: Sequence[Pair], depth: int) -> dict[str, Extent] | None:
    """Extents of some changes, or None where git misses the content of a file of one of them."""
    try:
        output = repository.run(*_NUMSTAT, *_FIXED, given=map(_line, pairs))
    except GitError:
        return None
    return {change: extent(files, depth) for change, files in _changes(output, _numstat_files)}


def _without_contents(repository: Repository, pairs: Sequence[Pair], depth: int) -> dict[str, Extent]:
    """Extents without lines, of the changes that touch a file whose content is not here."""
    try:
        output = repository.run(*_RAW, *_FIXED, given=map(_line, pairs))
    except GitError as error:
        raise SourceError(
            f"{repository.path}: this clone lacks the listings of folders ({error}), so no file of a change can be "
            f"named; clone it again without --filter, or with --filter=blob:none"
        ) from error
    touched = dict(_changes(output, _raw_files))
    absent = {blob for files in touched.values() for _, blobs in files for blob in blobs}
    absent -= _present(repository)
    return {
        change: extent([FileChange(path, 0, 0) for path, _ in files], depth, sized=False)
        for change, files in touched.items()
        if any(blob in absent for _, blobs in files for blob in blobs)
    }


def _present(repository: Repository) -> set[bytes]:
    """Every object that is here. Asking for those of interest would make git fetch the others, one by one."""
    return set(
        repository.tokens(
            "cat-file", "--batch-all-objects", "--unordered", "--batch-check=%(objectname)", separator=b"\n"
        )
    )


def _line(pair: Pair) -> str:
    change, parent = pair
    return f"{change} {parent}" if parent else change


def _changes(output: bytes, file_at: Callable[[bytes, Iterator[bytes]], File]) -> Iterator[tuple[str, list[File]]]:
    """Each change in an output of diff-tree, with its files: a sha, then what ``file_at`` makes of each entry."""
    tokens = iter(output.split(b"\0"))
    change, files = "", []
    for token in tokens:
        if b"\t" in token or token.startswith(b":"):
            files.append(file_at(token, tokens))
        elif token:
            if change:
                yield change, files
            change, files = token.decode("ascii"), []
    if change:
        yield change, files


def _numstat_files(token: bytes, rest: Iterator[bytes]) -> FileChange:
    added, deleted, path = token.split(b"\t", 2)
    if not path:  # a rename: the old name and the new follow
        next(rest)
        path = next(rest)
    return FileChange(path.decode("utf-8", "replace"), _lines(added), _lines(deleted))


def _lines(count: bytes) -> int:
    return 0 if count == b"-" else int(count)  # a binary file has no lines


def _raw_files(token: bytes, rest: Iterator[bytes]) -> tuple[str, tuple[bytes, ...]]:
    old_mode, new_mode, old, new, status = token[1:].split(b" ")
    path = next(rest)
    if status.startswith(b"R"):
        path = next(rest)
    blobs = [blob for mode, blob in ((old_mode, old), (new_mode, new)) if mode != _SUBMODULE and blob.strip(b"0")]
    return path.decode("utf-8", "replace"), tuple(blobs)
