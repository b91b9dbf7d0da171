"""The verdict in words: always "associated with", never "causes"; the size, what it rests on, and what is excluded."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from counterfault.checks.check import Check
from counterfault.estimate import Estimate, figures
from counterfault.plan import Plan
from counterfault.verdict.call import Call

SILENCED = "No ratio is excluded: while a check that must hold fails, the estimate does not speak."
UNDECIDED = "The data cannot tell whether AI assistance is associated with more or with fewer failed deployments"
ASSOCIATED = {
    Call.MORE: "AI assistance is associated with more failed deployments",
    Call.MORE_SIZE_UNSETTLED: "AI assistance is associated with more failed deployments",
    Call.NO_MATERIAL_DIFFERENCE: "AI assistance is associated with no difference worth acting on",
    Call.FEWER_SIZE_UNSETTLED: "AI assistance is associated with fewer failed deployments",
    Call.FEWER: "AI assistance is associated with fewer failed deployments",
    Call.CANNOT_TELL: UNDECIDED,
}
SAID = {"author_tenure_days": "author tenure", "at_peak": "time of peak load"}  # columns that read badly aloud


def sentence(call: Call, primary: Estimate, failed: Sequence[Check], detectable: float | None, plan: Plan) -> str:
    """The call with its number, or why there is none.

    Parameters
    ----------
    call, primary : what was decided, from what.
    failed : the gates that failed; they silence the number.
    detectable : the smallest ratio this design tells from 1 in four studies of five.
    plan : its margin and levels.
    """
    if failed:
        some = "a check that must hold" if len(failed) == 1 else f"{len(failed)} checks that must hold"
        return f"{UNDECIDED}, because {some} before an estimate may speak failed: {_joined(failed)}."
    if not primary.estimable:
        return f"{UNDECIDED}. {primary.caveats[0].rstrip('.')}."
    return f"{ASSOCIATED[call]}: {_size(primary)}. {_settled(call, primary, detectable, plan)}"


def excluded(primary: Estimate) -> str:
    """Which ratios lie outside the interval."""
    low, high = primary.interval.low, primary.interval.high
    if not primary.estimable:
        return "There is no primary estimate to exclude a ratio; the other estimates say what they exclude."
    told = []
    if low > primary.estimand.lowest:
        told.append(f"below {number(low)}")
    if isfinite(high):
        told.append(f"above {number(high)}")
    if not told:
        return "These data exclude no ratio."
    return f"At {primary.interval.level:.0%} these data exclude ratios {' and '.join(told)}."


def _joined(failed: Sequence[Check]) -> str:
    return "; ".join(check.sentence for check in failed)


def _size(primary: Estimate) -> str:
    support, interval = primary.support, primary.interval
    named = [SAID.get(name, name) for name in primary.adjustment]
    held = f", holding {listed(named)} fixed" if named else ""
    apart = ", coincident links apart" if "exposed_events_caused" in support else ""
    return (
        f"{number(primary.value)} times the risk of other changes {primary.design}{held}{apart} "
        f"({interval.level:.0%} interval {number(interval.low)} to {number(interval.high)}, from "
        f"{counted(support['events'], 'failure')} among {counted(support['n'], 'deployment')} that can be compared)"
    )


def _settled(call: Call, primary: Estimate, detectable: float | None, plan: Plan) -> str:
    """What the interval excludes and what it leaves open, seen from what would be worth acting on."""
    d = f"{plan.decision.worth_acting_on:g}"
    return {
        Call.MORE: f"A ratio of {d} or less is excluded; {d} is the smallest worth acting on.",
        Call.MORE_SIZE_UNSETTLED: f"Equal risks are excluded; a ratio below {d}, the smallest worth acting on, is not.",
        Call.NO_MATERIAL_DIFFERENCE: f"At the {plan.decision.equivalence_level:.0%} set for this claim, a ratio of "
        f"{d} or more, the smallest worth acting on, is excluded, and so is its mirror image, 1/{d} or less.",
        Call.FEWER_SIZE_UNSETTLED: f"Equal risks are excluded; a ratio above 1/{d}, the mirror image of the smallest "
        f"worth acting on, is not.",
        Call.FEWER: f"A ratio of 1/{d} or more is excluded; 1/{d} is the mirror image of the smallest worth acting on.",
        Call.CANNOT_TELL: _left_open(primary, detectable, plan),
    }[call]


def _left_open(primary: Estimate, detectable: float | None, plan: Plan) -> str:
    """Why an interval that holds 1 is no answer: it holds what matters too, or the design would hardly have seen it."""
    d, interval = plan.decision.worth_acting_on, primary.interval
    matters = [f"{d:g} or more"] if interval.high >= d else []
    matters += [f"1/{d:g} or less"] if interval.low <= 1 / d else []
    if matters:
        return f"Neither equal risks nor a ratio worth acting on ({', '.join(matters)}) can be excluded."
    if detectable is not None and detectable <= d:  # the interval of the equivalence claim is another one, and wider
        return (
            f"Equal risks are not excluded; and at the {plan.decision.equivalence_level:.0%} set for that claim, nor "
            f"is a ratio worth acting on, {d:g} or more or 1/{d:g} or less."
        )
    if detectable is None:
        doubt = "without a standard error nothing says that this design would have seen one"
    else:
        doubt = f"this design tells only ratios of {number(detectable)} or more from 1 in four studies of five"
    return f"Equal risks are not excluded. A difference worth acting on lies outside the interval, but {doubt}."


def counted(number: int, noun: str) -> str:
    """A number with its noun, in the plural where it is not one."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def listed(names: Sequence[str]) -> str:
    """Column names as a reader would say them, one after the other."""
    words = [name.replace("_", " ") for name in names]
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


def number(value: float) -> str:
    """A ratio or a limit; a missing limit in words, as a voice would say it."""
    return figures(value) if isfinite(value) else "infinity"
