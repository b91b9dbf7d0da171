"""How long does importing a large git history take, against git's own work on it in the same run?

    python benchmarks/git_import.py [--changes 100000] [--seed 1] [--repository PATH]

Makes a repository of so many first-parent commits (a tenth of them merges of short branches, some with AI trailers,
some reverts), or takes the one at PATH, and times two readings of it: ``git log --first-parent --numstat``, which
counts the same lines and does nothing with them, and the import. Only their ratio says anything on another machine.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from counterfault.sources.git import GitSource

AREAS = [f"services/service-{number:02d}/src" for number in range(40)]
FILES = [f"{area}/part_{number:02d}.py" for area in AREAS for number in range(25)]
LINES = 40
START, DAYS = 1_700_000_000, 900  # November 2023; assistants begin half-way, when they existed
TRAILER = "\n\nCo-Authored-By: Claude <noreply@anthropic.com>"


class History:
    """A stream for ``git fast-import``, with every file's present content, as each change rewrites it whole."""

    def __init__(self, rng: random.Random, changes: int) -> None:
        self._rng = rng
        self._changes = changes
        self._contents = {path: [f"line {number} of {path}" for number in range(LINES)] for path in FILES}
        self._mark = 0
        self._titles: list[str] = []

    def stream(self) -> Iterator[str]:
        tip = 0
        for number in range(self._changes):
            if number > 10 and self._rng.random() < 0.1:
                yield from self._merge(number, tip)
            else:
                yield self._commit(number, [tip] if tip else [], self._message(number))
            tip = self._mark
        yield f"reset refs/heads/main\nfrom :{tip}\n\n"

    def _merge(self, number: int, tip: int) -> Iterator[str]:
        at = tip
        for _ in range(2):
            yield self._commit(number, [at], self._message(number), branch="refs/heads/topic")
            at = self._mark
        message = f"Merge pull request #{number} from example/topic\n\nTopic {number}"
        yield self._commit(number, [tip, at], message, edits=1)

    def _message(self, number: int) -> str:
        if self._titles and self._rng.random() < 0.01:
            return f'Revert "{self._titles[-1]}"'
        title = f"Change number {number} (#{number})"
        self._titles = [*self._titles[-5:], title]
        assisted = number > self._changes // 2 and self._rng.random() < 0.3
        return title + (TRAILER if assisted else "")

    def _commit(
        self, number: int, parents: list[int], message: str, *, branch: str = "refs/heads/main", edits: int = 3
    ) -> str:
        self._mark += 1
        who = self._rng.randrange(200)
        when = START + number * DAYS * 86_400 // self._changes
        head = f"commit {branch}\nmark :{self._mark}\n"
        people = (
            f"author D{who} <d{who}@example.org> {when} +0000\ncommitter D{who} <d{who}@example.org> {when} +0000\n"
        )
        text = f"data {len(message.encode())}\n{message}\n"
        links = "".join(f"{'from' if order == 0 else 'merge'} :{mark}\n" for order, mark in enumerate(parents))
        return head + people + text + links + "".join(self._edit() for _ in range(self._rng.randint(1, edits))) + "\n"

    def _edit(self) -> str:
        path = self._rng.choice(FILES)
        lines = self._contents[path]
        for _ in range(self._rng.randint(1, 6)):
            lines[self._rng.randrange(len(lines))] = f"value = {self._rng.randrange(10**9)}"
        content = "\n".join(lines) + "\n"
        return f"M 100644 inline {path}\ndata {len(content)}\n{content}\n"


def make_repository(path: Path, changes: int, seed: int) -> None:
    """A bare repository with a history of so many first-parent commits."""
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", path], check=True)
    command = ["git", f"--git-dir={path}", "fast-import", "--quiet"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        for piece in History(random.Random(seed), changes).stream():
            process.stdin.write(piece.encode())
        process.stdin.close()
        if process.wait() != 0:
            sys.exit("git fast-import failed")


def plain_git(path: Path) -> None:
    """What git needs for the numbers alone."""
    command = ["git", "-C", path, "log", "--first-parent", "--diff-merges=first-parent", "--numstat", "--format=%H"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def import_repository(path: Path) -> None:
    found = GitSource(path, salt="benchmark").read(
        progress=lambda done, total: sys.stderr.write(f"\r  {done} of {total}") and None
    )
    sys.stderr.write("\n")
    say(*(f"  {note}" for note in found.notes))


def say(*lines: str) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)


def seconds(work: Callable[[Path], None], path: Path) -> float:
    began = time.perf_counter()
    work(path)
    return time.perf_counter() - began


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--changes", type=int, default=100_000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--repository", type=Path)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = given.repository or Path(folder) / "history.git"
        if given.repository is None:
            made = seconds(lambda place: make_repository(place, given.changes, given.seed), path)
            say(f"made {given.changes} changes in {made:.1f} s")
        # The first reading warms the disk cache for both.
        plain_git(path)
        plain, ours = seconds(plain_git, path), seconds(import_repository, path)
        say(f"git log --numstat {plain:.1f} s, import {ours:.1f} s, ratio {ours / plain:.2f}")


if __name__ == "__main__":
    main()
