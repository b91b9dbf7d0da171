"""The git-ai notes of a repository, by the commit each is attached to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from counterfault.labels.git_ai_notes import REF, AuthorshipNote, parse_note
from counterfault.sources.git_commands import GitError, Repository


@dataclass(frozen=True)
class Notes:
    """Notes by commit sha, and how many could not be used."""

    by_commit: Mapping[str, AuthorshipNote] = field(default_factory=dict)
    unreadable: int = 0

    def get(self, sha: str) -> AuthorshipNote | None:
        return self.by_commit.get(sha)


def read_notes(repository: Repository) -> Notes:
    """The git-ai notes of a history; none where it has none or its clone left their contents behind.

    A plain ``git clone`` does not fetch notes: their absence says nothing about the use of git-ai.
    """
    attached = dict(_attachments(repository))
    if attached:  # notes stay when the commits of a branch are squashed away
        reachable = set(repository.run("rev-list", repository.head).decode("ascii").split())
        attached = {sha: blob for sha, blob in attached.items() if sha in reachable}
    try:
        texts = dict(_contents(repository, sorted(set(attached.values()))))
    except GitError:
        return Notes(unreadable=len(attached))
    parsed = {blob: parse_note(text) for blob, text in texts.items()}
    by_commit = {sha: note for sha, blob in attached.items() if (note := parsed.get(blob)) is not None}
    return Notes(by_commit, unreadable=len(attached) - len(by_commit))


def _attachments(repository: Repository) -> Iterator[tuple[str, str]]:
    for line in repository.run("notes", f"--ref={REF}", "list").decode("ascii", "replace").splitlines():
        blob, _, commit = line.partition(" ")
        yield commit, blob


def _contents(repository: Repository, blobs: list[str]) -> Iterator[tuple[str, str]]:
    """Each blob's text; a blob that is not here is skipped."""
    output = repository.run("cat-file", "--batch", given=blobs)
    at = 0
    while at < len(output):
        end = output.index(b"\n", at)
        blob, kind, *size = output[at:end].decode("ascii", "replace").split(" ")
        at = end + 1
        if kind == "missing":
            continue
        length = int(size[0])
        yield blob, output[at : at + length].decode("utf-8", "replace")
        at += length + 1
