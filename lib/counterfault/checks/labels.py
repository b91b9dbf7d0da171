"""Is the answer made by people who looked for AI only where something had failed?"""

from __future__ import annotations

from typing import NamedTuple

from scipy.stats import hypergeom

from counterfault.challenges.late_labels import LATE
from counterfault.checks.check import Check, in_words, not_assessed, passed
from counterfault.checks.facts import Facts
from counterfault.estimate import Estimate
from counterfault.estimators.detectable import minimum_detectable_effect

UNEVEN = 0.05  # a p value of either side below which late labels are taken to speak of one kind more often


def late_labels(facts: Facts) -> Check:
    """A difference that is there only with labels written after the incident is a difference in looking.

    Labels looked up of both kinds alike cost neither its share of failures. Where they say one thing more often than
    chance allows, somebody was looking for it, and a claim must stand without these changes, and with those found to be
    AI read as they would have stood had nobody looked: without.
    """
    question = "Does the answer stand without labels written after the incident?"
    frame = facts.counted.cells.frame
    if LATE not in frame:
        return not_assessed("late_labels", question, "no column label_recorded_at", gate=True)
    late = _late(facts)
    told = f"{late.ai} AI-assisted and {late.other} other failures were labelled after their incident had begun"
    readings: tuple[tuple[str, Estimate], ...] = ()
    if not late.uneven:
        told += ", no more of one kind than chance allows"
    elif not _claims(facts):
        told += "; the answer claims neither a side nor that there is no difference, so nothing rests on them"
    elif (without := facts.without_late_labels) is not None:
        readings = (("without them", without), *(("with their AI unseen", part) for part in without.parts[:1]))
    return Check(
        id="late_labels",
        question=question,
        status=passed(all(_keeps(facts, found) for _, found in readings)),
        value=late.ai + late.other,
        threshold="as many of either kind, or the answer keeps what it claims",
        sentence="; ".join((told, *(f"{name} {_told(found)}" for name, found in readings))),
        gate=True,
    )


class Late(NamedTuple):
    """Late labels of failed changes: how many say AI, how many do not, and whether that is uneven."""

    ai: int
    other: int
    uneven: bool


def _late(facts: Facts) -> Late:
    """Uneven by Fisher's exact test of either side, given how many changes of each kind failed."""
    frame, counts = facts.counted.cells.frame, facts.counted.cells.two_by_two()
    exposed = frame["exposed"] == 1
    ai, other = int(frame.loc[exposed, LATE].sum()), int(frame.loc[~exposed, LATE].sum())
    failed = counts.exposed_events + counts.unexposed_events
    more = hypergeom.sf(ai - 1, failed, counts.exposed_events, ai + other)
    fewer = hypergeom.cdf(ai, failed, counts.exposed_events, ai + other)
    return Late(ai, other, bool(min(more, fewer) < UNEVEN))


def _claims(facts: Facts) -> bool:
    """A side of 1, or, where the design could see a difference worth acting on, that there is none."""
    primary = facts.estimates["primary"]
    detectable = minimum_detectable_effect(primary)
    return _side(primary) != 0 or (detectable is not None and detectable <= facts.plan.decision.worth_acting_on)


def _keeps(facts: Facts, found: Estimate) -> bool:
    primary, d = facts.estimates["primary"], facts.plan.decision.worth_acting_on
    if claimed := _side(primary):
        return _side(found) == claimed
    return found.estimable and 1 / d < found.value < d


def _told(found: Estimate) -> str:
    return in_words(found) if found.estimable else "there is no ratio"


def _side(found: Estimate) -> int:
    """Which side of 1 the whole interval lies on; 0 where it holds 1."""
    return int(found.interval.low > 1) - int(found.interval.high < 1)
