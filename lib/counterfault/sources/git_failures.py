"""Changes that failed, as far as git knows: somebody reverted them.

A revert is found by what its message says (:mod:`git_claims`) and led back to the change it undoes by sha, by number
or by title. What is undone twice is back: a revert of a revert, a reland and a reapply are no failures.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from counterfault.sources.git_claims import Undoing, title_key, without_number
from counterfault.sources.git_log import History

Resolution = Literal["sha", "number", "title", "outside history", "unresolved"]

_SHORTEST = 7  # git's own shortest abbreviation; fewer digits name something by accident


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one change undoes.

    Attributes
    ----------
    kind : "revert", "reapply", or "partial" for a merge that brings a revert among other work.
    evidence : how its message says so, see :class:`git_claims.Undoing`.
    resolution : how the undone change was found; "outside history" where a sha is named that is not there.
    undone : shas of the changes it undoes.
    """

    kind: Literal["revert", "reapply", "partial"]
    evidence: str
    resolution: Resolution
    undone: tuple[str, ...] = ()

    @property
    def is_failure(self) -> bool:
        return self.kind != "reapply"


def judge_history(history: History) -> dict[str, Judgement]:
    """What each change undoes, for those that undo something.

    Parameters
    ----------
    history : all of it: reverts may lie inside the analysed period and what they undo before it.

    Returns
    -------
    dict : change sha to Judgement. Oldest first, because whether something is a revert of a revert depends on
        what was found out about the earlier one.
    """
    index = _Index(history)
    judged: dict[str, Judgement] = {}
    for position, sha in enumerate(history.changes):
        judgement = _judge(index, history, judged, position, sha)
        if judgement is not None:
            judged[sha] = judgement
    return judged


class _Index:
    """Where in the line of changes a commit stands that somebody names by sha, number or title.

    A commit that a merge brought stands where its merge stands: that is the change which carried it.
    """

    def __init__(self, history: History) -> None:
        self._changes = history.changes
        self._position: dict[str, int] = {}
        self._by_number: dict[int, list[int]] = defaultdict(list)
        self._by_title: dict[str, list[int]] = defaultdict(list)
        for position, change in enumerate(history.changes):
            for sha in (change, *history.brought.get(change, ())):
                self._enter(history, sha, position)
        self._shas = sorted(self._position)

    def _enter(self, history: History, sha: str, position: int) -> None:
        self._position[sha] = position
        claims = history.commits[sha].claims
        if claims.number is not None:
            self._by_number[claims.number].append(position)
        for title in claims.titles:
            for key in {title_key(title), title_key(without_number(title))}:
                self._by_title[key].append(position)

    def resolve(self, claim: Undoing, before: int) -> tuple[set[int], Resolution]:
        """Positions of the changes a claim names, all of them earlier than ``before``, and how they were found."""
        by_sha = {found for sha in claim.shas if (found := self._by_sha(sha)) is not None}
        # A sha of the same change: a branch that took back its own work before it was merged.
        if by_sha:
            return {found for found in by_sha if found < before}, "sha"
        if earlier := {
            found for one in claim.numbers if (found := _latest(self._by_number.get(one), before)) is not None
        }:
            return earlier, "number"
        if claim.title and (found := self._titled(claim.title, before)) is not None:
            return {found}, "title"
        if claim.title and (found := self._numbered_in(claim.title, before)) is not None:
            return {found}, "number"
        return set(), "outside history" if claim.shas else "unresolved"

    def _by_sha(self, sha: str) -> int | None:
        if len(sha) < _SHORTEST:
            return None
        at = bisect_left(self._shas, sha)
        fitting = [found for found in self._shas[at : at + 2] if found.startswith(sha)]
        return self._position[fitting[0]] if len(fitting) == 1 else None

    def _titled(self, title: str, before: int) -> int | None:
        key = title_key(title)
        if not key.endswith(("…", "...")):
            return _latest(self._by_title.get(key) or self._by_title.get(title_key(without_number(title))), before)
        start = key.rstrip("….")
        cut = [found for name, found in self._by_title.items() if len(start) > 20 and name.startswith(start)]
        return _latest(sorted(position for found in cut for position in found), before)

    def _numbered_in(self, title: str, before: int) -> int | None:
        claims = [int(part.split(")")[0]) for part in title.split("(#")[1:] if part.split(")")[0].isdigit()]
        return _latest(self._by_number.get(claims[-1]), before) if claims else None


def _latest(positions: Sequence[int] | None, before: int) -> int | None:
    """The last of several changes with one name: the one somebody wants to undo."""
    at = bisect_left(positions, before) if positions else 0
    return positions[at - 1] if positions and at else None


def _judge(index: _Index, history: History, judged: dict[str, Judgement], position: int, sha: str) -> Judgement | None:
    own = history.commits[sha].claims.undoes
    branch = history.branch_commits(sha)
    claims = [claim for claim in (own, *(commit.claims.undoes for commit in branch)) if claim is not None]
    if not claims:
        return None
    says_so = _speaks_for_itself(own) or (bool(branch) and all(_speaks_for_itself(c.claims.undoes) for c in branch))
    first = own if own and (own.evidence != "reference" or len(claims) == 1) else claims[-1]
    if any(claim.kind == "reapply" for claim in claims) and says_so:
        return Judgement("reapply", first.evidence, "unresolved")
    found, resolution = _resolved(index, claims, position)
    undone = tuple(history.changes[one] for one in sorted(found))
    reverts = [one for one in undone if one in judged and judged[one].kind == "revert"]
    if undone and len(reverts) == len(undone):
        return Judgement("reapply", first.evidence, resolution, undone)
    failed = tuple(one for one in undone if one not in reverts)
    if not failed and not says_so:
        return None
    whole = says_so or not history.commits[sha].is_merge
    return Judgement("revert" if whole else "partial", first.evidence, resolution, failed)


def _speaks_for_itself(claim: Undoing | None) -> bool:
    return claim is not None and claim.evidence != "reference"


def _resolved(index: _Index, claims: list[Undoing], position: int) -> tuple[set[int], Resolution]:
    """Everything the claims lead to; the resolution is that of the first that leads somewhere, else the best excuse."""
    found: set[int] = set()
    ways: list[Resolution] = []
    for claim in claims:
        if claim.kind == "revert":
            positions, how = index.resolve(claim, position)
            found |= positions
            ways.append(how if positions or how == "outside history" else "unresolved")
    return found, min(ways, key=("sha", "number", "title", "outside history", "unresolved").index, default="unresolved")
