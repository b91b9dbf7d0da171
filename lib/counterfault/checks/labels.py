"""Is the answer made by people who looked for AI only where something had failed?"""

from __future__ import annotations

from scipy.stats import hypergeom

from counterfault.challenges.late_labels import LATE
from counterfault.checks.check import Check, in_words, not_assessed, passed
from counterfault.checks.facts import Facts
from counterfault.estimate import Estimate

LOOKED = 0.1  # a p value below which late labels are taken to speak of AI more often than chance allows


def late_labels(facts: Facts) -> Check:
    """A difference that is there only with labels written after the incident is a difference in looking.

    Asked of the limits and not of the estimate: a claim that cannot bear the loss of such labels rested on them. Where
    they say "AI" more often than chance allows, somebody was looking for AI, and the claim must also bear that these
    changes be read as they would stand had nobody looked: without AI.
    """
    question = "Does the answer stand without labels written after the incident?"
    primary, frame = facts.estimates["primary"], facts.counted.cells.frame
    if LATE not in frame:
        return not_assessed("late_labels", question, "no column label_recorded_at", gate=True)
    late = int(frame[LATE].sum())
    told = f"{late} failed deployments were labelled after their incident had begun"
    readings = _readings(facts) if late and _side(primary) else ()
    if late and not readings:
        told += "; the interval holds 1, so there is no claim that could rest on them"
    return Check(
        id="late_labels",
        question=question,
        status=passed(all(_side(found) == _side(primary) for _, found in readings)),
        value=late,
        threshold="the answer keeps the side it claims",
        sentence="; ".join((told, *(f"{name} {_told(found)}" for name, found in readings))),
        gate=True,
    )


def _readings(facts: Facts) -> tuple[tuple[str, Estimate], ...]:
    """The primary estimate without late labels, and, where somebody was looking for AI, with what they found unseen."""
    without = facts.without_late_labels
    if without is None:
        return ()
    unseen = without.parts[:1] if _looked_for_ai(facts, without) else ()
    return (("without them", without), *(("with their AI unseen", part) for part in unseen))


def _told(found: Estimate) -> str:
    return in_words(found) if found.estimable else "there is no ratio"


def _looked_for_ai(facts: Facts, without: Estimate) -> bool:
    """Whether failures of AI-assisted changes carry late labels more often than those of others (Fisher, one-sided)."""
    counts = facts.counted.cells.two_by_two()
    late, late_others = (without.support[f"late_{arm}_events"] for arm in ("exposed", "unexposed"))
    failed = counts.exposed_events + counts.unexposed_events
    return float(hypergeom.sf(late - 1, failed, counts.exposed_events, late + late_others)) < LOOKED


def _side(found: Estimate) -> int:
    """Which side of 1 the whole interval lies on; 0 where it holds 1."""
    return int(found.interval.low > 1) - int(found.interval.high < 1)
