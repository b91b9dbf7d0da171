"""Does the answer stay when a link rule, a service or the unlabelled changes are read another way?"""

from __future__ import annotations

from math import isfinite

import pandas as pd

from counterfault.cells import Cells
from counterfault.checks.check import Check, Status, in_words, not_assessed, passed
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


def link_rules_agree(facts: Facts) -> Check:
    """The headline with links by record alone and by time alone."""
    question = "Does every link rule put the answer on the same side?"
    found = [item for item in facts.by_rule if item.estimable]
    if len(found) < 2:
        return not_assessed("link_rules", question, "fewer than two rules give an estimate", gate=False)
    sides = {item.value >= 1 for item in found}
    told = "; ".join(f"{item.id.rpartition('.')[2]} {in_words(item)}" for item in found)
    return Check(
        id="link_rules",
        question=question,
        status=passed(len(sides) == 1),
        value=min(item.value for item in found),
        threshold="all on one side of 1",
        sentence=told,
    )


def no_service_carries_it(facts: Facts) -> Check:
    """One service alone must not give the answer its side, nor be all there is to answer from."""
    question = "Does the answer survive leaving out any one service?"
    whole, found = facts.estimates["stratified.risk_ratio"], facts.without_one
    if not whole.estimable or len(found) < 2:
        return not_assessed("leave_one_out", question, "fewer than two services with failures", gate=False)
    if whole.value == 0:
        return not_assessed("leave_one_out", question, "no AI-assisted change failed, so every ratio is 0", gate=False)
    if silent := [item.label for item in found if not item.estimable]:
        return Check(
            id="leave_one_out",
            question=question,
            status=Status.FAIL,
            threshold="same side of 1",
            sentence=f"{silent[0]} there is no ratio left to estimate",
        )
    lowest, highest = min(found, key=lambda item: item.value), max(found, key=lambda item: item.value)
    stays = (lowest.value >= 1) if whole.value >= 1 else (highest.value <= 1)
    return Check(
        id="leave_one_out",
        question=question,
        status=passed(stays),
        value=lowest.value if whole.value >= 1 else highest.value,
        threshold="same side of 1",
        sentence=f"the stratified ratio moves between {lowest.value:.2f} ({lowest.label}) and {highest.value:.2f} "
        f"({highest.label})",
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
