"""What would have to be there for an answer, counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import ceil

from counterfault.checks.check import Check
from counterfault.estimate import Estimate
from counterfault.estimators.detectable import events_to_detect, events_to_separate, minimum_detectable_effect
from counterfault.plan import Plan
from counterfault.verdict.sentences import counted, listed, number

SAME_MIX = "at the same mix of services and changes"


def needed(primary: Estimate, failed: Sequence[Check], plan: Plan) -> str:
    """What it would take, where the data cannot tell.

    Parameters
    ----------
    primary : with its standard error, from which more failures are reckoned.
    failed : the gates that failed; what they ask for comes first, and nothing else is asked for beside it.
    plan : its gates and its margin.
    """
    if failed:
        return f"Needed before an estimate may speak: {'; '.join(_asked(check, plan) for check in failed)}."
    if not primary.estimable:
        wanted = counted(plan.gates.min_events, "failure")
        return f"Needed: failures of both kinds of change in strata that hold both, at least {wanted} in all."
    detectable = minimum_detectable_effect(primary)
    if detectable is None:
        return "Needed: failures and successes in both kinds of change; without them there is no error to plan with."
    return _more_failures(primary, detectable, plan.decision.worth_acting_on)


def _more_failures(primary: Estimate, detectable: float, d: float) -> str:
    have = primary.support["events"]
    sees = f"With the {counted(have, 'failure')} there are, this design tells a ratio of {number(detectable)} or more"
    if detectable > d:
        return (
            f"Needed: {_about(events_to_detect(primary, d), have)} {SAME_MIX}. {sees} from 1 in four studies of five, "
            f"and has to tell {d:g}."
        )
    return (
        f"Needed: {_about(events_to_separate(primary, d), have)} {SAME_MIX}. {sees} from 1 in four studies of five, "
        f"but its interval is long enough to hold both 1 and a ratio worth acting on."
    )


def _about(wanted: int | None, have: int) -> str:
    """How many more, in tens: the reckoning is no better than that."""
    more = 10 * ceil(((wanted or 0) - have) / 10)
    return f"about {more:,} more failures" if more > 0 else "more failures"


# --- gates -----------------------------------------------------------------------------------------------------------


def _asked(check: Check, plan: Plan) -> str:
    """What a gate that failed asks for: counted where its number is known, in the gate's own words where not."""
    words = ASKED.get(check.id)
    if words is None or check.value is None:
        return f"“{check.question}” to hold" + (f" ({check.threshold})" if check.threshold else "")
    return words(check.value, plan)


def _failures(found: float, plan: Plan) -> str:
    return counted(_short(plan.gates.min_events, found), "more failed deployment")


def _strata(found: float, plan: Plan) -> str:
    more = counted(_short(plan.gates.min_informative_strata, found), f"more {_stratum(plan)} combination")
    return f"{more} with both kinds of change and a failure"


def _clusters(found: float, plan: Plan) -> str:
    wanted, cluster = plan.gates.min_clusters_per_arm, plan.design.cluster
    return (
        f"{counted(wanted, cluster)} with AI-assisted changes and as many with others; the scarcer kind lacks "
        f"{_short(wanted, found)}"
    )


def _labels(found: float, plan: Plan) -> str:
    return f"labels on a further {_short_share(plan.gates.min_label_coverage, found)} of the changes"


def _company(found: float, plan: Plan) -> str:
    short = _short_share(plan.gates.min_overlap, found)
    return f"other changes in the same {_stratum(plan)} beside a further {short} of the AI-assisted ones"


def _balance(found: float, plan: Plan) -> str:
    held = listed(plan.design.confounders)
    return f"a primary estimate that holds {held} fixed, or groups that differ less in them than {found:.2f}"


def _silence(found: float, plan: Plan) -> str:
    return f"an explanation for a ratio of {number(found)} where AI assistance can have no part"


def _agreement(found: float, plan: Plan) -> str:
    return "an explanation for two estimates within services that point opposite ways, or failures enough to settle it"


def _early_labels(found: float, plan: Plan) -> str:
    return "labels written before anyone knew of an incident, on changes enough to answer from them alone"


ASKED: Mapping[str, Callable[[float, Plan], str]] = {
    "incidents": _failures,
    "discordant_strata": _strata,
    "clusters": _clusters,
    "label_coverage": _labels,
    "overlap": _company,
    "balance": _balance,
    "placebo_in_time": _silence,
    "negative_control": _silence,
    "direction": _agreement,
    "late_labels": _early_labels,
}


def _short(wanted: int, found: float) -> int:
    return max(wanted - int(found), 1)


def _short_share(wanted: float, found: float) -> str:
    """Rounded up, so that doing what is asked is enough."""
    return f"{ceil(100 * (wanted - found) - 1e-9)}%"


def _stratum(plan: Plan) -> str:
    return " × ".join(plan.design.strata)
