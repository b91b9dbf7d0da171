"""The history of a repository: every commit reachable from its head, and the line of changes through it.

A change is a commit of the first-parent line: what was merged or pushed to the branch, one after the other. The
other commits matter for what they say: when an author first appeared, and what a merge brought.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from counterfault.labels import Identity, Label, Ruleset, classify, is_automation
from counterfault.sources.errors import SourceError
from counterfault.sources.git_claims import Claims, read_claims
from counterfault.sources.git_commands import GitError, Repository
from counterfault.sources.git_notes import Notes

# No value of a commit can hold a NUL, so NULs between the values need no escaping, whatever people write.
_FIELDS = ("%H", "%P", "%at", "%ct", "%an", "%ae", "%cn", "%ce", "%B")
EARLIEST = 1_112_832_000  # 2005-04-07: the first commit git ever made; an older time is a wrong clock


@dataclass(frozen=True, slots=True)
class Commit:
    """What we keep of a commit; its message and its people end here, as a label, claims and an e-mail key."""

    sha: str
    parents: tuple[str, ...]
    authored: int
    committed: int
    author: str
    is_bot: bool
    label: Label
    claims: Claims

    @property
    def is_merge(self) -> bool:
        return len(self.parents) > 1


@dataclass(frozen=True)
class History:
    """All commits, and the changes among them.

    Attributes
    ----------
    commits : by sha.
    changes : shas of the first-parent line, oldest first.
    brought : for each merge among the changes, the shas it brought in.
    first_seen : lower-cased author e-mail to the time of that author's first commit.
    undecodable : commits whose message or names were not valid text.
    """

    commits: Mapping[str, Commit]
    changes: Sequence[str]
    brought: Mapping[str, Sequence[str]]
    first_seen: Mapping[str, int]
    undecodable: int

    def branch_commits(self, sha: str) -> list[Commit]:
        """The commits a change brought that are not merges themselves."""
        found = [self.commits[one] for one in self.brought.get(sha, ())]
        return [commit for commit in found if not commit.is_merge]


def read_history(repository: Repository, notes: Notes, rules: Ruleset) -> History:
    """Read every commit once, without differences (those are :mod:`git_sizes`' work).

    Raises
    ------
    SourceError : git cannot read the history to its end.
    """
    commits: dict[str, Commit] = {}
    undecodable = 0
    for fields in _records(repository):
        commit, was_whole = _commit(fields, notes, rules)
        commits[commit.sha] = commit
        undecodable += not was_whole
    changes = _first_parents(commits, repository.head)
    return History(commits, changes, _brought(commits, changes), _first_seen(commits), undecodable)


def _records(repository: Repository) -> Iterator[tuple[bytes, ...]]:
    form = "%x00".join(_FIELDS)
    arguments = ("log", "-z", "--no-show-signature", "--no-notes", "--no-mailmap", "--no-color", "--encoding=UTF-8")
    stream = repository.tokens(*arguments, f"--format=tformat:{form}", repository.head, "--")
    try:
        yield from zip(*[stream] * len(_FIELDS), strict=True)
    except (GitError, ValueError) as error:
        raise SourceError(
            f"{repository.path}: git cannot read the history to its end ({error}); "
            f"check the repository with `git fsck`, or clone it again"
        ) from error


def _commit(fields: tuple[bytes, ...], notes: Notes, rules: Ruleset) -> tuple[Commit, bool]:
    texts, was_whole = _decoded(fields)
    sha, parents, authored, committed, name, email, committer_name, committer_email, message = texts
    author = Identity(name, email)
    label = classify(
        message,
        author=author,
        committer=Identity(committer_name, committer_email),
        note=notes.get(sha),
        rules=rules,
    )
    commit = Commit(
        sha=sha,
        parents=tuple(parents.split()),
        authored=int(authored or 0),
        committed=int(committed or 0),
        author=email.strip().lower(),
        is_bot=is_automation(author, rules),
        label=label,
        claims=read_claims(message),
    )
    return commit, was_whole


def _decoded(fields: tuple[bytes, ...]) -> tuple[list[str], bool]:
    """Text of every field; what is no valid text keeps its readable part, and the commit is counted."""
    try:
        return [field.decode("utf-8") for field in fields], True
    except UnicodeDecodeError:
        return [field.decode("utf-8", "replace") for field in fields], False


def _first_parents(commits: Mapping[str, Commit], head: str) -> list[str]:
    line = []
    sha: str | None = head
    while sha is not None:
        line.append(sha)
        parents = commits[sha].parents
        sha = parents[0] if parents else None
    return line[::-1]


def _brought(commits: Mapping[str, Commit], changes: Sequence[str]) -> dict[str, list[str]]:
    """Each commit outside the first-parent line belongs to the first merge of the line that reaches it."""
    owned = set(changes)
    brought: dict[str, list[str]] = {}
    for change in changes:
        waiting = list(commits[change].parents[1:])
        found = []
        while waiting:
            sha = waiting.pop()
            if sha not in owned:
                owned.add(sha)
                found.append(sha)
                waiting += commits[sha].parents
        if found:
            brought[change] = found
    return brought


def _first_seen(commits: Mapping[str, Commit]) -> dict[str, int]:
    """Author times, not committer times: a history that was imported keeps only the former."""
    first: dict[str, int] = defaultdict(lambda: 1 << 62)
    for commit in commits.values():
        if commit.authored >= EARLIEST:
            first[commit.author] = min(first[commit.author], commit.authored)
    return dict(first)
