"""One question asked of the data, the answer, and the number that decided it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from math import isfinite

from counterfault.counting import Counted
from counterfault.estimate import Estimate
from counterfault.estimating import Estimates
from counterfault.linking import Linked
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

    def row(self) -> dict[str, object]:
        return {
            "id": self.id,
            "question": self.question,
            "status": self.status.value,
            "value": self.value,
            "threshold": self.threshold,
            "sentence": self.sentence,
            "gate": self.gate,
        }


@dataclass(frozen=True)
class Facts:
    """What the checks look at."""

    linked: Linked
    counted: Counted
    estimates: Estimates
    plan: Plan
    placebo: Estimate
    control: Estimate | None
    by_rule: tuple[Estimate, ...]
    without_one: tuple[Estimate, ...]


def passed(holds: bool) -> Status:
    return Status.PASS if holds else Status.FAIL


def not_assessed(id: str, question: str, reason: str, *, gate: bool) -> Check:
    return Check(id=id, question=question, status=Status.NOT_ASSESSED, sentence=f"not assessed: {reason}", gate=gate)


def in_words(found: Estimate) -> str:
    high = f"{found.interval.high:.2f}" if isfinite(found.interval.high) else "∞"
    return f"{found.value:.2f} ({found.interval.low:.2f} to {high})"


def strata_name(plan: Plan) -> str:
    return " × ".join(plan.design.strata)
