"""The verdict: the primary interval read against the plan, after its gates, and nothing else.

Anyone can recompute the call and the grade from the printed table; `decide` looks at nothing that is not in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from html import escape
from math import isfinite

from counterfault.checks.check import Check, Status
from counterfault.estimate import Estimate, Interval
from counterfault.estimators.detectable import events_to_detect, events_to_separate, minimum_detectable_effect
from counterfault.plan import Plan


class Call(Enum):
    """What the data say, with the words used for it."""

    MORE = ("more", "AI-assisted changes fail more often, by enough to act on")
    MORE_SIZE_UNSETTLED = ("more_size_unsettled", "AI-assisted changes fail more often; by how much is not settled")
    NO_MATERIAL_DIFFERENCE = ("no_material_difference", "any difference is too small to act on")
    FEWER_SIZE_UNSETTLED = ("fewer_size_unsettled", "AI-assisted changes fail less often; by how much is not settled")
    FEWER = ("fewer", "AI-assisted changes fail less often, by enough to act on")
    CANNOT_TELL = ("cannot_tell", "the data cannot tell")

    def __init__(self, code: str, words: str) -> None:
        self.code = code
        self.words = words


@dataclass(frozen=True, slots=True)
class Attributable:
    """Failed AI-assisted deployments beyond those expected at the others' risk; negative means prevented."""

    value: float
    low: float
    high: float


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

    def __str__(self) -> str:
        return f"{self.sentence} (grade {self.grade})"

    def _repr_html_(self) -> str:
        needed = f"<p>{escape(self.needed)}</p>" if self.needed else ""
        return (
            f"<p><strong>{escape(self.call.words[0].upper() + self.call.words[1:])}</strong> (grade {self.grade}). "
            f"{escape(self.sentence)}</p><p>{escape(self.excluded)}</p>{needed}"
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
    """
    _require_as_planned(primary, equivalence, plan)
    failed = [check for check in checks if check.gate and check.status is Status.FAIL]
    detectable = minimum_detectable_effect(primary)
    call = Call.CANNOT_TELL if failed or not primary.estimable else _call(primary, equivalence, detectable, plan)
    return Verdict(
        call=call,
        grade=grade(checks),
        sentence=_sentence(call, primary, failed, plan),
        attributable_incidents=attributable(primary),
        minimum_detectable_effect=detectable,
        excluded=_excluded(primary),
        needed=_needed(primary, failed, plan) if call is Call.CANNOT_TELL else None,
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
    exposed = primary.support.get("exposed_events")
    if not primary.value > 0 or exposed is None:
        return None
    low, high = primary.interval.low, primary.interval.high
    return Attributable(
        value=exposed * (1 - 1 / primary.value),
        low=exposed * (1 - 1 / low) if low > 0 else float("-inf"),
        high=exposed * (1 - 1 / high),
    )


# --- wording: always "associated with", never "causes" ---------------------------------------------------------------


def _sentence(call: Call, primary: Estimate, failed: Sequence[Check], plan: Plan) -> str:
    if failed:
        told = "; ".join(check.sentence for check in failed)
        return f"The data cannot tell, because a check made beforehand failed: {told}."
    if not primary.estimable:
        return f"The data cannot tell: {primary.caveats[0].rstrip('.')}."
    size = _size(primary)
    d = plan.decision.worth_acting_on
    return {
        Call.MORE: f"AI assistance is associated with more failed deployments: {size}, all of it above {d:g}, the "
        f"smallest ratio worth acting on.",
        Call.MORE_SIZE_UNSETTLED: f"AI assistance is associated with more failed deployments: {size}, above 1 but not "
        f"all above {d:g}, the smallest ratio worth acting on.",
        Call.NO_MATERIAL_DIFFERENCE: f"AI assistance is associated with no difference worth acting on: {size}; at the "
        f"{plan.decision.equivalence_level:.0%} set for this claim, a ratio beyond {d:g} either way is excluded.",
        Call.FEWER_SIZE_UNSETTLED: f"AI assistance is associated with fewer failed deployments: {size}, below 1 but "
        f"not all below 1/{d:g}, the mirror image of the smallest ratio worth acting on.",
        Call.FEWER: f"AI assistance is associated with fewer failed deployments: {size}, all of it below 1/{d:g}, the "
        f"mirror image of the smallest ratio worth acting on.",
        Call.CANNOT_TELL: f"The data cannot tell whether AI-assisted changes fail more or less often: {size}, which "
        f"leaves room for both.",
    }[call]


def _size(primary: Estimate) -> str:
    support, interval = primary.support, primary.interval
    adjusted = f", holding {_listed(primary.adjustment)} fixed" if primary.adjustment else ""
    return (
        f"{_number(primary.value)} times the risk of other changes {primary.design}{adjusted}, "
        f"{interval.level:.0%} interval {_number(interval.low)} to {_number(interval.high)} "
        f"({support['events']} failures among the {support['n']:,} deployments that inform)"
    )


def _excluded(primary: Estimate) -> str:
    low, high = primary.interval.low, primary.interval.high
    if not primary.estimable:
        return "There is no primary estimate to exclude a ratio; the other estimates say what they exclude."
    told = []
    if low > primary.estimand.lowest:
        told.append(f"below {_number(low)}")
    if isfinite(high):
        told.append(f"above {_number(high)}")
    if not told:
        return "These data exclude no ratio."
    return f"At {primary.interval.level:.0%} these data exclude ratios {' and '.join(told)}."


def _needed(primary: Estimate, failed: Sequence[Check], plan: Plan) -> str:
    """What would have to be there for an answer, counted."""
    if failed:
        return "Needed first: " + "; ".join(f"{check.question} {check.threshold}" for check in failed) + "."
    detectable = minimum_detectable_effect(primary)
    if detectable is None:
        return _needed_without_error(primary, plan)
    d, events = plan.decision.worth_acting_on, primary.support["events"]
    able = f"With {events} informative failures this design tells a ratio of {_number(detectable)} or more from 1"
    same_mix = "at the same mix of services and changes."
    if detectable > d:
        return f"{able}; for {d:g} it would take about {events_to_detect(primary, d):,} {same_mix}"
    return (
        f"{able}, but its interval holds both 1 and a ratio worth acting on; for one too short to hold both it would "
        f"take about {events_to_separate(primary, d):,} {same_mix}"
    )


def _needed_without_error(primary: Estimate, plan: Plan) -> str:
    if primary.estimable:
        return "Needed: failures and successes in both kinds of change; without them there is no error to plan with."
    return (
        f"Needed: failures of both kinds of change in strata that hold both, at least {plan.gates.min_events} in all."
    )


def _listed(names: Sequence[str]) -> str:
    words = [name.replace("_", " ") for name in names]
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


def _number(value: float) -> str:
    return f"{value:.2f}" if isfinite(value) else "infinity"
