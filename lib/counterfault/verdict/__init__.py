"""The verdict: the primary interval read against the plan, after its gates, and nothing else.

Anyone can recompute the call and the grade from the printed table; `decide` looks at nothing that is not in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from counterfault.checks.check import Check, Status
from counterfault.display import card
from counterfault.display.words import limits, number, plain, sentence_start
from counterfault.estimate import Estimate, Interval
from counterfault.estimators.detectable import minimum_detectable_effect
from counterfault.plan import Plan
from counterfault.verdict.call import Call
from counterfault.verdict.needed import needed
from counterfault.verdict.sentences import SILENCED, excluded, sentence

__all__ = ["Attributable", "Call", "Verdict", "attributable", "decide", "grade"]


@dataclass(frozen=True, slots=True)
class Attributable:
    """Failed AI-assisted deployments beyond those expected at the others' risk; negative means prevented."""

    value: float
    low: float
    high: float

    def _repr_html_(self) -> str:
        return card("Attributable incidents", f"{number(self.value)} ({limits(self.low, self.high)})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The answer in one sentence, and what a reader needs to weigh it."""

    call: Call
    grade: str
    sentence: str
    attributable_incidents: Attributable | None
    minimum_detectable_effect: float | None
    excluded: str
    needed: str | None
    deviations: tuple[str, ...] = ()  # from a plan fixed before the data were seen; `decide` sees neither

    def __str__(self) -> str:
        return f"{self.sentence} (grade {self.grade})"

    def __repr__(self) -> str:
        return f"<Verdict {self.call.name.lower()}: {self}>"

    def _repr_html_(self) -> str:
        needed = f"<p>{escape(plain(self.needed))}</p>" if self.needed else ""
        departed = "".join(f"<li>{escape(plain(each))}</li>" for each in self.deviations)
        deviations = f"<p>Deviations</p><ul>{departed}</ul>" if departed else ""
        return (
            f"<p><strong>{escape(sentence_start(self.call.words))}</strong> (grade {self.grade}). "
            f"{escape(plain(self.sentence))}</p><p>{escape(plain(self.excluded))}</p>{needed}{deviations}"
        )


def decide(primary: Estimate, equivalence: Estimate, checks: Sequence[Check], plan: Plan) -> Verdict:
    """Reads the primary estimate against the plan.

    Parameters
    ----------
    primary : the planned estimate at the planned level.
    equivalence : the same at ``plan.decision.equivalence_level``, for a claim of no material difference.
    checks : gates and grade checks; a gate that failed silences the estimate.
    plan : ``decision.worth_acting_on`` is d; intervals are compared with 1, d and 1/d.

    Raises
    ------
    ValueError : an estimate is not at the level the plan promised.

    Examples
    --------
    >>> equivalence = cf.primary_at(counted, plan, plan.decision.equivalence_level)
    >>> verdict = cf.decide(primary, equivalence, challenged.checks, plan)
    >>> answer, grade = verdict.sentence, verdict.grade
    """
    _require_as_planned(primary, equivalence, plan)
    failed = [check for check in checks if check.gate and check.status is Status.FAIL]
    detectable = minimum_detectable_effect(primary)
    call = Call.CANNOT_TELL if failed or not primary.estimable else _call(primary, equivalence, detectable, plan)
    return Verdict(
        call=call,
        grade=grade(checks),
        sentence=sentence(call, primary, failed, detectable, plan),
        attributable_incidents=None if failed else attributable(primary),
        minimum_detectable_effect=detectable,
        excluded=SILENCED if failed else excluded(primary),
        needed=needed(primary, failed, plan) if call is Call.CANNOT_TELL else None,
    )


def _require_as_planned(primary: Estimate, equivalence: Estimate, plan: Plan) -> None:
    for found, promised in ((primary, plan.decision.level), (equivalence, plan.decision.equivalence_level)):
        if found.interval.level != promised:
            raise ValueError(
                f"the plan promised a {promised:.0%} interval and this one is at {found.interval.level:.0%}; "
                f"estimate it at the planned level, or change the plan before looking at the data"
            )


def _call(primary: Estimate, equivalence: Estimate, detectable: float | None, plan: Plan) -> Call:
    interval, d = primary.interval, plan.decision.worth_acting_on
    if interval.low > d:
        return Call.MORE
    if interval.high < 1 / d:
        return Call.FEWER
    if _inside(equivalence.interval, d) and detectable is not None and detectable <= d:
        return Call.NO_MATERIAL_DIFFERENCE
    if interval.low > 1:
        return Call.MORE_SIZE_UNSETTLED
    if interval.high < 1:
        return Call.FEWER_SIZE_UNSETTLED
    return Call.CANNOT_TELL


def _inside(interval: Interval, d: float) -> bool:
    return 1 / d < interval.low and interval.high < d


def grade(checks: Sequence[Check]) -> str:
    """A to D from the check table: how much of what could have broken the answer was tried, and held.

    A: nothing failed and at least nine in ten checks passed. B: at most one failed, three in four passed. C: at most
    two failed, half passed. D: the rest, and whenever a gate failed. A check not assessed did not pass.
    """
    failures = sum(check.status is Status.FAIL for check in checks)
    passed = sum(check.status is Status.PASS for check in checks) / max(len(checks), 1)
    if any(check.gate and check.status is Status.FAIL for check in checks):
        return "D"
    for name, most_failures, least_passed in (("A", 0, 0.9), ("B", 1, 0.75), ("C", 2, 0.5)):
        if failures <= most_failures and passed >= least_passed:
            return name
    return "D"


def attributable(primary: Estimate) -> Attributable | None:
    """Exposed failures × (1 − 1/ratio), at the estimate and its limits (Miettinen 1974, Am. J. Epidemiol. 99:325).

    None without a ratio above 0: where no AI-assisted change failed, nothing says how many would have.
    """
    # A ratio without coincidences speaks of the failures that are none.
    exposed = primary.support.get("exposed_events_caused", primary.support.get("exposed_events"))
    if not primary.value > 0 or exposed is None:
        return None
    low, high = primary.interval.low, primary.interval.high
    return Attributable(
        value=exposed * (1 - 1 / primary.value),
        low=exposed * (1 - 1 / low) if low > 0 else float("-inf"),
        high=exposed * (1 - 1 / high),
    )
