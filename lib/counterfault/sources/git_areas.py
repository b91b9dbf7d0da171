"""From the files a change touches to the area of the code it changes: what stands for a service."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

ROOT = "(root)"  # files at the top of the repository
REST = "(other)"  # areas too small to be compared

_TEST = re.compile(
    r"(?:^|/)(?:tests?|__tests__|testing|specs?|e2e|cypress|testdata|test[-_]?fixtures?|fixtures|__mocks__|__snapshots__)/"
    r"|(?:^|/)(?:test_[^/]*|[^/]*_test|[^/]*_spec|conftest)\.\w+$"
    r"|[^/]\.(?:test|spec|e2e|cy|clienttest|servertest)\.\w+$"
    r"|(?:^|/)[^/]*(?:\.Tests?|[a-z0-9]Tests?|IT)(?:\.(?:cs|java|kt|scala|swift|groovy|vb|fs|php)$|/)",
)
_GENERATED = re.compile(
    r"(?:^|/)(?:package-lock\.json|npm-shrinkwrap\.json|yarn\.lock|pnpm-lock\.yaml|bun\.lockb?|poetry\.lock|uv\.lock"
    r"|Pipfile\.lock|Cargo\.lock|Gemfile\.lock|composer\.lock|go\.sum|mix\.lock|pubspec\.lock|packages\.lock\.json"
    r"|flake\.lock|Package\.resolved|Podfile\.lock|requirements\.lock|gradle\.lockfile)$"
    r"|(?:^|/)(?:node_modules|vendor|third[-_]?party|dist|generated|__generated__|\.yarn)/"
    r"|\.(?:min\.(?:js|css)|map|snap|pb\.go|pb\.cc|pb\.h|g\.dart|g\.cs|designer\.cs|xlf)$"
    r"|_pb2(?:_grpc)?\.pyi?$|\.(?:gen|generated)\.\w+$",
    re.IGNORECASE,
)


class FileChange(NamedTuple):
    """One file of a change, under its new name; binary files have no lines."""

    path: str
    added: int
    deleted: int


@dataclass(frozen=True, slots=True)
class Extent:
    """How much a change touched, and where.

    Attributes
    ----------
    files : number of files.
    added, deleted : lines; None where a file's content is missing from the clone.
    area : the folder that holds most of the change, to the asked depth.
    touches_tests : any of the files is a test.
    """

    files: int
    added: int | None
    deleted: int | None
    area: str
    touches_tests: bool


def is_test(path: str) -> bool:
    """Whether a path is that of a test or of a test's data, by the customs of the common languages."""
    return _TEST.search(path) is not None


def is_generated(path: str) -> bool:
    """Whether nobody writes this file by hand: lock files, vendored and generated code, snapshots."""
    return _GENERATED.search(path) is not None


def extent(files: Sequence[FileChange], depth: int, *, sized: bool = True) -> Extent:
    """What the files of one change amount to.

    Parameters
    ----------
    files : with zero lines each where ``sized`` is false.
    depth : how many folders make an area.
    sized : whether the numbers of lines are known.
    """
    return Extent(
        files=len(files),
        added=sum(file.added for file in files) if sized else None,
        deleted=sum(file.deleted for file in files) if sized else None,
        area=_main_area(files, depth),
        touches_tests=any(is_test(file.path) for file in files),
    )


def _main_area(files: Sequence[FileChange], depth: int) -> str:
    """Tests and generated files say where a change is only if it consists of nothing else.

    A dependency update rewrites thousands of lines of a lock file; it is not a change to the lock file's folder.
    """
    written = [file for file in files if not is_generated(file.path)]
    product = [file for file in written if not is_test(file.path)]
    weight: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for path, added, deleted in product or written or files:
        area = area_of(path, depth)
        lines, count = weight[area]
        weight[area] = (lines + added + deleted, count + 1)
    return max(sorted(weight), key=weight.__getitem__, default=ROOT)


def area_of(path: str, depth: int) -> str:
    """The first folders of a path."""
    folders = path.split("/")[:-1][:depth]
    return "/".join(folders) or ROOT


def floor_of(changes: int) -> int:
    """How many changes an area must have to stand alone: max(30, 0.5 %), or a twentieth in small histories.

    Thirty changes of a history of a hundred would leave a single area; 5 % leaves up to twenty. From 600 changes
    on the rule is the former.
    """
    return max(1, round(max(0.005 * changes, min(30.0, 0.05 * changes))))


def services(areas: Sequence[str]) -> list[str]:
    """Areas with enough changes as they are, the others as their first folder or, if that is small too, ``(other)``."""
    floor = floor_of(len(areas))
    folded = _fold(areas, floor, lambda area: area.partition("/")[0])
    return _fold(folded, floor, lambda _: REST)


def _fold(areas: Iterable[str], floor: int, into: Callable[[str], str]) -> list[str]:
    areas = list(areas)
    counts = Counter(areas)
    return [area if area == ROOT or counts[area] >= floor else into(area) for area in areas]
