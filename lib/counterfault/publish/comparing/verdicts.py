"""Checks whose status changed, gates first, and the call and grade that follow from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from counterfault.publish.comparing.changes import Change, changes
from counterfault.publish.record import Record


@dataclass(frozen=True)
class CheckChange:
    """One check whose status or threshold is another one.

    Attributes
    ----------
    id, question : its name and what it asks.
    gate : whether it may silence the estimate, in the later run where it is in both.
    before, after : its status; None where a run did not make it.
    sentence : what it says in the later run, or in the earlier one where it vanished.
    threshold : what it asks for, where that changed.
    """

    id: str
    question: str
    gate: bool
    before: str | None
    after: str | None
    sentence: str
    threshold: Change | None = None

    def plain(self) -> dict[str, Any]:
        """In plain values, for JSON."""
        named = {key: getattr(self, key) for key in ("id", "question", "gate", "before", "after", "sentence")}
        return {**named, "threshold": self.threshold.plain() if self.threshold else None}


def check_changes(before: Record, after: Record) -> tuple[CheckChange, ...]:
    """The checks that changed: gates first, each kind in the order of the check table."""
    old, new = ({str(check["id"]): check for check in record["checks"]} for record in (before, after))
    names = [*new, *(name for name in old if name not in new)]
    found = [_check(name, old.get(name), new.get(name)) for name in names]
    return tuple(sorted((each for each in found if each is not None), key=lambda each: not each.gate))


def _check(name: str, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> CheckChange | None:
    status = tuple(None if check is None else str(check["status"]) for check in (old, new))
    asked = _asked(old, new)
    if status[0] == status[1] and asked is None:
        return None
    shown = new or old or {}
    return CheckChange(
        id=name,
        question=str(shown.get("question") or name),
        gate=bool(shown.get("gate")),
        before=status[0],
        after=status[1],
        sentence=str(shown["sentence"]),
        threshold=asked,
    )


def _asked(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> Change | None:
    before, after = ((check or {}).get("threshold") for check in (old, new))
    # A check that was not assessed has no threshold, which is no change of what is asked for.
    return Change("asked for", before, after) if before and after and before != after else None


def failed_gates(record: Record) -> dict[str, str]:
    """The gates that silence a run: id → sentence."""
    checks: Sequence[Mapping[str, Any]] = record["checks"]
    return {
        str(check["id"]): str(check["sentence"]) for check in checks if check.get("gate") and check["status"] == "fail"
    }


def verdict_changes(before: Record, after: Record) -> tuple[Change, ...]:
    """Call, grade and deviations, where they differ."""
    keys = ("call", "grade", "deviations", "needed")
    return changes(*({key: record["verdict"].get(key) for key in keys} for record in (before, after)))
