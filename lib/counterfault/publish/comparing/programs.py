"""What two runs were computed with: the program, the libraries, Python."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from counterfault.publish.comparing.changes import Change, Sameness, changes
from counterfault.publish.record import Record

# How `provenance` marks a checkout whose files differ from its commit.
LOCAL = "with local changes"


@dataclass(frozen=True)
class CodeChanges:
    """The code of two runs.

    Attributes
    ----------
    commit : both commits, or versions where there was no checkout.
    versions : Python and the libraries that differ.
    """

    commit: Change
    versions: tuple[Change, ...]

    @property
    def local(self) -> bool:
        """Whether one of the runs was made from files that no commit holds."""
        return any(LOCAL in str(commit) for commit in (self.commit.before, self.commit.after))

    @property
    def sameness(self) -> Sameness:
        """Whether both runs were computed alike."""
        known = self.commit.before and self.commit.after
        if self.versions or (known and self.commit.before != self.commit.after):
            return Sameness.OTHER
        # Two sets of local changes to one commit go by the same words and need not be the same.
        return Sameness.SAME if known and not self.local else Sameness.UNKNOWN

    def plain(self) -> dict[str, Any]:
        """In plain values, for JSON."""
        return {
            "sameness": self.sameness.value,
            "commit": self.commit.plain(),
            "versions": [change.plain() for change in self.versions],
        }


def code_changes(before: Record, after: Record, manifests: tuple[Mapping[str, Any], Mapping[str, Any]]) -> CodeChanges:
    """Commit and versions side by side, from the records or, where they have none, from the manifests."""
    old, new = (_provenance(record, manifest) for record, manifest in zip((before, after), manifests, strict=True))
    return CodeChanges(
        commit=Change("code", old.get("code_commit"), new.get("code_commit")),
        versions=changes(*_told_by_both(_versions(old), _versions(new))),
    )


def _provenance(record: Record, manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    found = record.get("provenance")
    return found if isinstance(found, Mapping) and found else manifest


def _versions(provenance: Mapping[str, Any]) -> dict[str, Any]:
    found = provenance.get("versions")
    named = dict(found) if isinstance(found, Mapping) else {}
    return {"python": provenance.get("python"), **named}


def _told_by_both(old: dict[str, Any], new: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    known = [name for name in new if old.get(name) and new.get(name)]
    return {name: old[name] for name in known}, {name: new[name] for name in known}
