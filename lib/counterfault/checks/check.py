"""One question asked of the data, the answer, and the number that decided it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from math import isfinite

from counterfault.display import card
from counterfault.estimate import Estimate
from counterfault.plan import Plan


class Status(Enum):
    """How a check ended."""

    PASS = "pass"
    FAIL = "fail"
    NOT_ASSESSED = "not assessed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One question asked of the data, the answer, and the number that decided it."""

    id: str
    question: str
    status: Status
    sentence: str
    value: float | None = None
    threshold: str = ""
    gate: bool = False

    def _repr_html_(self) -> str:
        facts = {"answer": self.status.value, "value": self.value, "threshold": self.threshold, "a gate": self.gate}
        return card(f"Check {self.id}", f"{self.question} {self.sentence}", facts=facts)

    def row(self) -> dict[str, object]:
        """One mapping, as ``results.json`` and the tables have it."""
        return {
            "id": self.id,
            "question": self.question,
            "status": self.status.value,
            "value": self.value,
            "threshold": self.threshold,
            "sentence": self.sentence,
            "gate": self.gate,
        }


def passed(holds: bool) -> Status:
    """The status of a check that could be made."""
    return Status.PASS if holds else Status.FAIL


def not_assessed(id: str, question: str, reason: str, *, gate: bool) -> Check:
    """A check these data cannot make, with the reason; it is neither passed nor failed."""
    return Check(id=id, question=question, status=Status.NOT_ASSESSED, sentence=f"not assessed: {reason}", gate=gate)


def in_words(found: Estimate) -> str:
    """A ratio with its limits."""
    high = f"{found.interval.high:.2f}" if isfinite(found.interval.high) else "∞"
    return f"{found.value:.2f} ({found.interval.low:.2f} to {high})"


def strata_name(plan: Plan) -> str:
    """What a stratum is called, e.g. service × quarter."""
    return " × ".join(plan.design.strata)
