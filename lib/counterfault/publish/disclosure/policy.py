"""What a plan lets be published: small counts suppressed, counts rounded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

THRESHOLD, ROUND_TO = 5, 1  # of records from before plans could say otherwise
WITHHELD = "suppressed"  # in place of a number that would give a small count away
LEFT_OUT = "left out"  # in place of a number made from counts that are published rounded


@dataclass(frozen=True)
class Policy:
    """How counts are made fit to be published.

    Attributes
    ----------
    threshold : counts from 1 to one less are suppressed; 0 or 1 suppresses nothing.
    round_to : counts are rounded to its multiples; 1 leaves them as they are.
    withheld : larger counts of the run that are suppressed because a smaller one follows from them, so that they are
        wherever they stand. They are secrets of the run: a policy is never published.
    told : counts the published results hold, from which others may follow.
    silenced : ids of estimates that rest on a small count.
    figures : shares and ratios that tell of few, as sentences write them: "1.20", "99.5%".
    open : ratios the published results hold, written likewise; they stay beside a count that is suppressed.
    """

    threshold: int = THRESHOLD
    round_to: int = ROUND_TO
    withheld: frozenset[int] = field(default=frozenset(), repr=False)
    told: frozenset[int] = field(default=frozenset(), repr=False)
    silenced: frozenset[str] = frozenset()
    figures: frozenset[str] = field(default=frozenset(), repr=False)
    open: frozenset[str] = field(default=frozenset(), repr=False)

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Policy:
        """The policy of a run.

        Parameters
        ----------
        record : ``results.json`` of the run itself. From a published one the same threshold is read, but not which
            larger counts of the run are suppressed with the small ones.
        """
        from counterfault.publish.disclosure.records import secrets

        bare = cls.bare(record)
        return secrets(record, bare).policy if is_active(bare) else bare

    @classmethod
    def bare(cls, record: Mapping[str, Any]) -> Policy:
        """Threshold and rounding alone."""
        told = record["plan"].get("disclosure") or {}
        return cls(int(told.get("threshold", THRESHOLD)), int(told.get("round_to", ROUND_TO)))

    @property
    def sign(self) -> str:
        """What stands in place of a small count."""
        return f"< {self.threshold}"

    def is_small(self, count: Any) -> bool:
        """Whether a count may not be shown."""
        return isinstance(count, int | float) and 0 < count < self.threshold

    def rounded(self, count: int) -> int:
        """The count as it is published; some are never none, so what is not 0 does not become 0."""
        if self.round_to <= 1 or count == 0:
            return count
        nearest = (2 * abs(count) + self.round_to) // (2 * self.round_to) * self.round_to
        return max(nearest, self.round_to) * (1 if count > 0 else -1)


def is_active(policy: Policy) -> bool:
    """Whether what is published differs from the run at all."""
    return policy.threshold > 1 or policy.round_to > 1


def statement(policy: Policy) -> str:
    """The sentences a published page says about what it does not show."""
    if not is_active(policy):
        return "Disclosure control is switched off in the plan: every count is shown as it is."
    small = (
        f"Counts from 1 to {policy.threshold - 1} are suppressed, together with what is computed from them and with "
        "counts from which they would follow."
    )
    rounded = f"Counts are rounded to multiples of {policy.round_to}; what is computed from single counts is left out."
    return " ".join([small] * (policy.threshold > 1) + [rounded] * (policy.round_to > 1))
