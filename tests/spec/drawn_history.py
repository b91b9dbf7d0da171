"""Git histories drawn in a test: commits as the reader sees them, made by `git fast-import` in a moment."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

# No setting of whoever runs the tests takes part.
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Dev",
    "GIT_AUTHOR_EMAIL": "dev@example.org",
    "GIT_COMMITTER_NAME": "Dev",
    "GIT_COMMITTER_EMAIL": "dev@example.org",
}


@dataclass(frozen=True)
class Commit:
    """One commit.

    Attributes
    ----------
    name : what the test calls it.
    message : text, in which ``{name}`` is the sha of an earlier commit (``{name:.8}`` its first eight digits).
    at : "2026-01-31" or "2026-01-31 09:00", UTC, or seconds since 1970; author and committer time alike.
    files : path to number of lines (all of them new), to a whole content, or to None for a deletion.
    author : e-mail; the display name is what stands before the @, or ``author_name``.
    parents : names; the commit above on the list where absent.
    """

    name: str
    message: str | bytes = "Work"
    at: str | int = "2026-01-01"
    files: Mapping[str | bytes, int | bytes | None] = field(default_factory=dict)
    author: str = "dev@example.org"
    author_name: str | None = None
    authored: str | int | None = None
    parents: tuple[str, ...] | None = None


def git(*arguments: str | Path, given: bytes = b"") -> str:
    done = subprocess.run(["git", *map(str, arguments)], input=given, env=ENVIRONMENT, capture_output=True, check=True)
    return done.stdout.decode()


def draw_history(path: Path, *commits: Commit, branch: str = "main") -> dict[str, str]:
    """A repository with a work tree at ``path``; returns the sha of each commit by its name."""
    git("init", "--quiet", f"--initial-branch={branch}", path)
    command = ["git", "-C", str(path), "fast-import", "--quiet", "--force", "--cat-blob-fd=1"]
    shas: dict[str, str] = {}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENVIRONMENT) as process:
        assert process.stdin is not None and process.stdout is not None
        previous: tuple[str, ...] = ()
        for mark, commit in enumerate(commits, 1):
            parents = previous if commit.parents is None else commit.parents
            marks = [f":{1 + list(shas).index(parent)}" for parent in parents]
            process.stdin.write(_stream(commit, mark, marks, shas, branch))
            process.stdin.write(f"get-mark :{mark}\n".encode())
            process.stdin.flush()
            shas[commit.name] = process.stdout.readline().decode().strip()
            previous = (commit.name,)
        process.stdin.close()
        assert process.wait() == 0
    return shas


def _stream(commit: Commit, mark: int, parents: list[str], shas: Mapping[str, str], branch: str) -> bytes:
    message = commit.message if isinstance(commit.message, bytes) else commit.message.format(**shas).encode()
    name = commit.author.split("@")[0] if commit.author_name is None else commit.author_name
    committed = _seconds(commit.at)
    authored = committed if commit.authored is None else _seconds(commit.authored)
    lines = [f"commit refs/heads/{branch}", f"mark :{mark}"]
    lines += [f"author {name} <{commit.author}> {authored} +0000"]
    lines += [f"committer {name} <{commit.author}> {committed} +0000", f"data {len(message)}"]
    links = [f"{'from' if order == 0 else 'merge'} {parent}" for order, parent in enumerate(parents)]
    start = "\n".join(lines).encode() + b"\n" + message + b"\n" + "".join(f"{link}\n" for link in links).encode()
    if not parents:
        start += b"deleteall\n"
    return start + b"".join(_file(commit, path, content) for path, content in commit.files.items()) + b"\n"


def _file(commit: Commit, path: str | bytes, content: int | bytes | None) -> bytes:
    name = path if isinstance(path, bytes) else path.encode()
    quoted = b'"' + name.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n") + b'"'
    if content is None:
        return b"D " + quoted + b"\n"
    if isinstance(content, int):
        content = "".join(f"{commit.name} {number}\n" for number in range(content)).encode()
    return b"M 100644 inline " + quoted + f"\ndata {len(content)}\n".encode() + content + b"\n"


def _seconds(at: str | int) -> int:
    if isinstance(at, int):
        return at
    return int(datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp())
