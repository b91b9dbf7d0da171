"""Are failures tied by record, and would the unlabelled changes turn the answer?"""

from __future__ import annotations

from math import isfinite

import pandas as pd

from counterfault.cells import Cells
from counterfault.checks.check import Check, Status, not_assessed, passed
from counterfault.checks.facts import Facts
from counterfault.estimators.tables import stratified


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


def unknown_as_either(facts: Facts) -> Check:
    """Worst cases: every unknown change was AI-assisted, or none was."""
    question = "Would the unlabelled changes turn the answer, whichever way they are counted?"
    labels = facts.counted.by_label[facts.counted.by_label["compared"]]
    unknown = labels[labels["assistance"] == "unknown"]
    if unknown["n"].sum() == 0:
        return Check(
            id="label_bounds",
            question=question,
            status=Status.PASS,
            value=0,
            threshold="same side of 1",
            sentence="no change is unlabelled",
        )
    values = {name: _ratio_with_unknown_as(labels, name) for name in ("ai", "human")}
    if not all(isfinite(value) and value > 0 for value in values.values()):
        return not_assessed("label_bounds", question, "a group has no failures", gate=False)
    same = len({value >= 1 for value in values.values()}) == 1
    return Check(
        id="label_bounds",
        question=question,
        status=passed(same),
        value=min(values.values()),
        threshold="same side of 1",
        sentence=f"ratio within service × month {values['ai']:.2f} with all {int(unknown['n'].sum())} unlabelled "
        f"changes as AI-assisted, {values['human']:.2f} with none",
    )


def _ratio_with_unknown_as(labels: pd.DataFrame, name: str) -> float:
    """Mantel–Haenszel risk ratio within service and month with the unknown labels read one way."""
    read = labels.assign(exposed=(labels["assistance"].replace("unknown", name) == "ai").astype("int64"))
    pooled = stratified.risk_ratio(Cells(read, strata=("service", "month")))
    return pooled.value
