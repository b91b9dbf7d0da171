"""What was promised: the digest of the plan, and each decision the record holds of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from counterfault.publish.comparing.changes import Change, Sameness, changes, flat
from counterfault.publish.record import Record

# A record from before there was a choice was published under these.
DISCLOSURE = {"threshold": 5, "round_to": 1}

# Beginnings of keys → what it means that they changed; the first that fits.
MEANINGS = {
    "title": "the study goes by another name; no number hangs on it",
    "question": "the question is put in other words; no number hangs on them",
    "level": "intervals are wider or narrower for that reason alone",
    "worth_acting_on": "the line the verdict is read against moved, and no estimate with it",
    "outcome": "the outcome is another one: other deployments count as failed or safe",
    "strata": "changes are compared within other groups",
    "confounders": "other things are held fixed",
    "mediators": "the direct estimates hold other things fixed; the primary estimate holds none of them",
    "primary": "the verdict is read off another estimate",
    "period": "other deployments are studied",
    "disclosure": "what is published shows other counts; no estimate hangs on it",
}
OF_NO_NUMBER = ("title", "question", "disclosure")


@dataclass(frozen=True)
class PlanChanges:
    """The plans of two runs.

    Attributes
    ----------
    digest : both digests; they cover every decision, also those the record does not hold.
    decisions : what the records hold and say differently.
    unrecorded : decisions that only one of the records holds.
    """

    digest: Change
    decisions: tuple[Change, ...]
    unrecorded: tuple[str, ...] = ()

    @property
    def sameness(self) -> Sameness:
        """Whether both runs kept the same plan."""
        if self.decisions:
            return Sameness.OTHER
        if not (self.digest.before and self.digest.after):
            return Sameness.UNKNOWN
        return Sameness.SAME if self.digest.before == self.digest.after else Sameness.OTHER

    @property
    def at_odds(self) -> bool:
        """Whether equal digests stand over decisions that differ, so that a record was edited."""
        same = self.digest.before is not None and self.digest.before == self.digest.after
        return same and any(not change.what.startswith("disclosure") for change in self.decisions)

    def plain(self) -> dict[str, Any]:
        """In plain values, for JSON."""
        return {
            "sameness": self.sameness.value,
            "digest": self.digest.plain(),
            "decisions": [change.plain() for change in self.decisions],
            "held_by_one_record_only": list(self.unrecorded),
        }


def plan_changes(before: Record, after: Record) -> PlanChanges:
    """The plans side by side, key by key as far as the records hold them."""
    old, new = (_decisions(record["plan"]) for record in (before, after))
    # A key that one record lacks was written by another version of the program, which is no decision of anybody.
    both = old.keys() & new.keys()
    return PlanChanges(
        digest=Change("digest", before["plan"].get("digest"), after["plan"].get("digest")),
        decisions=changes(
            {key: value for key, value in old.items() if key in both},
            {key: value for key, value in new.items() if key in both},
            meaning=_meaning,
        ),
        unrecorded=tuple(sorted(old.keys() ^ new.keys())),
    )


def _decisions(plan: Mapping[str, Any]) -> dict[str, Any]:
    decided = dict(flat({"disclosure": DISCLOSURE, **plan}))
    decided.pop("digest", None)
    return decided


def _meaning(key: str, before: Any, after: Any) -> str:
    return next((words for start, words in MEANINGS.items() if key.split(".")[0] == start), "")
