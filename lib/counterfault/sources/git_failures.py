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

from counterfault.sources.git_claims import Undoing, own_number, title_key, without_number
from counterfault.sources.git_log import History

Resolution = Literal["sha", "number", "title", "outside history", "unresolved"]

_BEST_FIRST = ("sha", "number", "title", "outside history", "unresolved")
_SHORTEST = 7  # git's own shortest abbreviation; fewer digits name something by accident
_LONG_ENOUGH = 20  # characters of a title that was cut off


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
    judge = _Judge(history)
    for position, sha in enumerate(history.changes):
        judge.hear(position, sha)
    return judge.judged


class _Judge:
    """Goes through the changes in order and remembers which of the earlier ones are undone by now."""

    def __init__(self, history: History) -> None:
        self.judged: dict[str, Judgement] = {}
        self._history = history
        self._index = _Index(history)
        self._gone: set[str] = set()

    def hear(self, position: int, sha: str) -> None:
        judgement = self._judge(position, sha)
        if judgement is None:
            return
        self.judged[sha] = judgement
        if judgement.is_failure:
            self._gone |= set(judgement.undone)
        else:
            self._gone -= {back for revert in judgement.undone for back in self.judged[revert].undone}

    def _judge(self, position: int, sha: str) -> Judgement | None:
        own = self._history.commits[sha].claims.undoes
        branch = [commit.claims.undoes for commit in self._history.branch_commits(sha)]
        claims = [claim for claim in (own, *branch) if claim is not None]
        if not claims:
            return None
        says_so = _speaks_for_itself(own) or (bool(branch) and all(map(_speaks_for_itself, branch)))
        evidence = (own or claims[-1]).evidence
        if says_so and any(claim.kind == "reapply" for claim in claims):
            named, resolution = self._index.resolve_all(claims, position)
            return Judgement("reapply", evidence, resolution, self._reverts_among(named))
        named, resolution = self._index.resolve_all([one for one in claims if one.kind == "revert"], position)
        reverts = self._reverts_among(named)
        if named and len(reverts) == len(named):
            return Judgement("reapply", evidence, resolution, reverts)
        # A squashed branch that was rebased repeats the messages of the line it stood on, reverts included.
        # Without a title that says so, only what still stands can be undone.
        failed = tuple(one for one in named if one not in reverts and (says_so or one not in self._gone))
        if not failed and not says_so:
            return None
        whole = says_so or not self._history.commits[sha].is_merge
        return Judgement("revert" if whole else "partial", evidence, resolution, failed)

    def _reverts_among(self, changes: Sequence[str]) -> tuple[str, ...]:
        return tuple(one for one in changes if one in self.judged and self.judged[one].kind == "revert")


def _speaks_for_itself(claim: Undoing | None) -> bool:
    return claim is not None and claim.evidence != "reference"


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

    def resolve_all(self, claims: Sequence[Undoing], before: int) -> tuple[tuple[str, ...], Resolution]:
        """The changes before a position that claims name, oldest first, and the best way in which one was found."""
        found: set[int] = set()
        ways: list[Resolution] = []
        for claim in claims:
            positions, way = self._resolve(claim, before)
            found |= positions
            ways.append(way)
        best: Resolution = min(ways, key=_BEST_FIRST.index, default="unresolved")
        return tuple(self._changes[one] for one in sorted(found)), best

    def _resolve(self, claim: Undoing, before: int) -> tuple[set[int], Resolution]:
        by_sha = {found for sha in claim.shas if (found := self._by_sha(sha)) is not None}
        if by_sha:
            # A sha of the same change is a branch that took back its own work before it was merged.
            earlier = {found for found in by_sha if found < before}
            return earlier, "sha" if earlier else "unresolved"
        if by_number := self._numbered(claim.numbers, before):
            return by_number, "number"
        if claim.title and (by_title := self._titled(claim.title, before)):
            return by_title
        return set(), "outside history" if claim.shas else "unresolved"

    def _numbered(self, numbers: Sequence[int], before: int) -> set[int]:
        found = (_latest(self._by_number.get(number), before) for number in numbers)
        return {position for position in found if position is not None}

    def _titled(self, title: str, before: int) -> tuple[set[int], Resolution] | None:
        """The title as it stands, then the number in it, then the title without that number, then its beginning."""
        number = own_number(title)
        ways: list[tuple[int | None, Resolution]] = [
            (_latest(self._by_title.get(title_key(title)), before), "title"),
            (_latest(self._by_number.get(number), before) if number is not None else None, "number"),
            (_latest(self._by_title.get(title_key(without_number(title))), before), "title"),
            (self._beginning(title_key(title), before), "title"),
        ]
        return next((({found}, way) for found, way in ways if found is not None), None)

    def _beginning(self, key: str, before: int) -> int | None:
        """Forges cut long titles off with an ellipsis."""
        start = key.rstrip("….")
        if start == key or len(start) < _LONG_ENOUGH:
            return None
        fitting = (places for title, places in self._by_title.items() if title.startswith(start))
        return _latest(sorted(position for places in fitting for position in places), before)

    def _by_sha(self, sha: str) -> int | None:
        if len(sha) < _SHORTEST:
            return None
        at = bisect_left(self._shas, sha)
        fitting = [found for found in self._shas[at : at + 2] if found.startswith(sha)]
        return self._position[fitting[0]] if len(fitting) == 1 else None


def _latest(positions: Sequence[int] | None, before: int) -> int | None:
    """The last of several changes with one name: the one somebody wants to undo."""
    at = bisect_left(positions, before) if positions else 0
    return positions[at - 1] if positions and at else None
