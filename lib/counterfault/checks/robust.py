"""Are failures tied by record rather than by time?"""

from __future__ import annotations

from counterfault.checks.check import Check, not_assessed, passed
from counterfault.checks.facts import Facts


def linked_by_record(facts: Facts) -> Check:
    """A record of the cause is worth more than nearness in time."""
    question = "Are most failures tied by record rather than by time?"
    frame = facts.counted.cells.frame
    if "recorded_events" not in frame:
        return not_assessed("linked_by_record", question, "no column caused_by", gate=False)
    if not frame["events"].sum():
        return not_assessed("linked_by_record", question, "no deployment in the contrast failed", gate=False)
    share = float(min(frame["recorded_events"].sum() / frame["events"].sum(), 1.0))
    return Check(
        id="linked_by_record",
        question=question,
        status=passed(share >= 0.5),
        value=share,
        threshold="at least 50%",
        sentence=f"{share:.0%} of the failed deployments were named as the cause by people; the rest are tied by time",
    )
