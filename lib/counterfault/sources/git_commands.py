"""Running git on somebody's repository: read-only, nothing fetched, nothing executed, nobody's settings heeded."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

from counterfault.sources.errors import SourceError

# Settings of the user or the repository must not change what we read, and a repository must not make us run
# its programs. The global file itself stays in force: it holds `safe.directory`.
_SETTINGS = {
    "core.attributesFile": os.devnull,
    "attr.tree": "none",  # names no tree, so no .gitattributes of the history either
    "core.quotePath": "off",
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "core.warnAmbiguousRefs": "false",
    "i18n.logOutputEncoding": "UTF-8",
    "log.showSignature": "false",
}
_OPTIONS = ("--no-pager", "--no-replace-objects", "--no-optional-locks")
_KEPT_VARIABLES = ("GIT_CONFIG_", "GIT_EXEC_PATH", "GIT_CEILING_DIRECTORIES", "GIT_DISCOVERY_ACROSS_FILESYSTEM")
_BLOCK = 1 << 20


class GitError(Exception):
    """git ended with an error; the message is the last line it wrote."""


@dataclass(frozen=True)
class Repository:
    """A repository that can be read.

    Attributes
    ----------
    path : as the user gave it; what messages name.
    git_dir : where its objects are.
    head : sha of the commit whose history is read.
    is_partial : a partial clone, which may lack the contents of files.
    """

    path: Path
    git_dir: Path
    head: str
    is_partial: bool

    def run(self, *arguments: str, given: Iterable[str] = ()) -> bytes:
        """What a git command writes; ``given`` are the lines of its input.

        Raises
        ------
        GitError : git says no.
        """
        text = "".join(f"{line}\n" for line in given).encode()
        done = subprocess.run(
            _command(arguments, self.git_dir),
            input=text,
            capture_output=True,
            cwd=self.git_dir,
            env=_environment(),
            check=False,
        )
        if done.returncode != 0:
            raise GitError(_last_line(done.stderr))
        return done.stdout

    def tokens(self, *arguments: str, separator: bytes = b"\0") -> Iterator[bytes]:
        """The pieces of a command's output as they come, so that a long history never lies in memory whole.

        Raises
        ------
        GitError : git says no, possibly after some pieces.
        """
        with (
            TemporaryFile() as errors,
            subprocess.Popen(
                _command(arguments, self.git_dir),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=self.git_dir,
                env=_environment(),
            ) as process,
        ):
            assert process.stdout is not None
            rest = b""
            while block := process.stdout.read(_BLOCK):
                *whole, rest = (rest + block).split(separator)
                yield from whole
            if process.wait() != 0:
                errors.seek(0)
                raise GitError(_last_line(errors.read()))


def open_repository(path: Path, revision: str = "HEAD") -> Repository:
    """The repository at a path, if its whole history can be read.

    Parameters
    ----------
    path : a work tree, a folder in one, its ``.git``, or a bare repository.
    revision : whose history; by default what is checked out.

    Raises
    ------
    SourceError : git is not installed; no such path; no repository; somebody else's repository; no commits; no
        such revision; a shallow clone.
    """
    if shutil.which("git") is None:
        raise SourceError(f"{path}: reading a repository needs git, which is not on the PATH; install git")
    if not path.exists():
        raise SourceError(f"{path}: there is no such path; name the folder of a git repository, or its .git")
    git_dir = _git_directory(path)
    _refuse_shallow(path, git_dir)
    return Repository(path, git_dir, _head(path, git_dir, revision), _is_partial(git_dir))


def _git_directory(path: Path) -> Path:
    # In a linked work tree and in a submodule `.git` is a file; the folder around it is what git understands.
    folder = path.parent if path.is_file() and path.name == ".git" else path
    if not folder.is_dir():
        raise SourceError(f"{path}: this is a file; name the folder of a git repository, or its .git")
    try:
        found = _ask(None, "-C", str(folder), "rev-parse", "--absolute-git-dir")
    except GitError as error:
        if "dubious ownership" in str(error):
            raise SourceError(
                f"{path}: git refuses to read it because it belongs to another user; if you trust it, run "
                f"`git config --global --add safe.directory {folder.resolve()}`"
            ) from error
        raise SourceError(
            f"{path}: this is not a git repository; name the folder of a clone, its .git, or a bare repository"
        ) from error
    return Path(found)


def _refuse_shallow(path: Path, git_dir: Path) -> None:
    # Refused, not patched up: where the history is cut, authors look new, the first AI label looks old and
    # reverts lose the commit they undo, and none of it shows in the numbers.
    if _ask(git_dir, "rev-parse", "--is-shallow-repository") == "true":
        raise SourceError(
            f"{path}: this is a shallow clone, whose history is cut off; author tenure, the first AI label and "
            f"reverts would be wrong; fetch the rest with `git fetch --unshallow` and run again"
        )


def _head(path: Path, git_dir: Path, revision: str) -> str:
    try:
        # What begins like an option is one to git, and no name of a branch or tag may begin so.
        return _ask(
            git_dir, "rev-parse", "--verify", "--quiet", f"{'' if revision[:1] == '-' else revision}^{{commit}}"
        )
    except GitError as error:
        if not _ask(git_dir, "for-each-ref", "--count=1"):
            raise SourceError(f"{path}: this repository is empty: it has no commits") from error
        raise SourceError(
            f"{path}: {revision!r} names no commit here; name a branch, tag or commit of this repository"
        ) from error


def _is_partial(git_dir: Path) -> bool:
    """A clone made with --filter says so in its configuration."""
    try:
        return bool(_ask(git_dir, "config", "--get-regexp", r"^(extensions\.partialclone|remote\..*\.promisor)$"))
    except GitError:
        return False


def _ask(git_dir: Path | None, *arguments: str) -> str:
    command = _command(arguments, git_dir)
    done = subprocess.run(command, capture_output=True, cwd=git_dir, env=_environment(), check=False)
    if done.returncode != 0:
        raise GitError(done.stderr.decode("utf-8", "replace").strip())
    return done.stdout.decode("utf-8", "surrogateescape").rstrip("\n")


def _command(arguments: Iterable[str], git_dir: Path | None) -> list[str]:
    """git with our options; away from any folder whose files could take part, once the repository is found."""
    # The user named the path, so a bare repository there is meant, whatever the setting against finding one says.
    settings = _SETTINGS if git_dir else {"safe.bareRepository": "all"}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    where = [f"--git-dir={git_dir}"] if git_dir else []
    return ["git", *_OPTIONS, *options, *where, *arguments]


def _environment() -> dict[str, str]:
    """Ours, without what would point git at another repository, and with every way to fetch shut.

    In a partial clone git fetches a missing object from the network as soon as anything looks at it, commit by
    commit. Since 2.45 a variable forbids that; before, forbidding every transport has the same effect.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_") or name.startswith(_KEPT_VARIABLES)
    }
    return kept | {
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_GRAFT_FILE": os.devnull,
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_ATTR_NOSYSTEM": "1",
        # Attributes may call a text binary, and which ones git finds depends on what is checked out and where we
        # stand. Without an index, and in the git directory, it finds none: the same counts from every clone.
        "GIT_INDEX_FILE": "there-is-no-such-index",
        "LC_ALL": "C",
    }


def _last_line(stderr: bytes) -> str:
    lines = stderr.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "git gave no reason"
