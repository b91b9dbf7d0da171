"""Results as tables with captions."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from counterfault.checking import Checked
from counterfault.checks import Check
from counterfault.counting import Counted
from counterfault.estimate import Estimate, figures
from counterfault.figures.tables import Table
from counterfault.linking import Linked

WHOLE_SENTENCE = 400  # a method or a reason cut in half says nothing


def accounts_table(checked: Checked) -> Table:
    """Rows read, accepted and quarantined, per table."""
    frame = pd.DataFrame(
        {
            "table": [account.table for account in checked.accounts],
            "read": [account.read for account in checked.accounts],
            "accepted": [account.accepted for account in checked.accounts],
            "left out by the plan": [account.left_out for account in checked.accounts],
            "quarantined": [account.quarantined for account in checked.accounts],
            "source": [account.source for account in checked.accounts],
        }
    )
    return Table(frame, "Every row read is either accepted or quarantined")


def quarantine_table(checked: Checked) -> Table:
    """The rules that rows broke, how often, with one example each."""
    found = checked.quarantine
    if found.empty:
        return Table(pd.DataFrame({"rule broken": ["none"], "rows": [0]}), "No row broke a rule of the contract")
    grouped = found.groupby(["table", "rule"], sort=True)
    frame = pd.DataFrame(
        {
            "rule broken": [rule for (_, rule), _ in grouped],
            "table": [table for (table, _), _ in grouped],
            "rows": [len(rows) for _, rows in grouped],
            "first": [rows.iloc[0]["key"] or f"line {rows.iloc[0]['line']}" for _, rows in grouped],
            "its value": [rows.iloc[0]["value"] for _, rows in grouped],
        }
    )
    return Table(frame, "Rows set aside, by the rule they broke")


def not_assessed_table(counted: Counted) -> Table:
    """What the plan asks and the tables cannot give."""
    found = counted.not_assessed or (("nothing", "every column the plan asks for is there"),)
    return Table(pd.DataFrame(found, columns=["not assessed", "because"]), "What could not be assessed, and why")


def links_frame(linked: Linked) -> pd.DataFrame:
    """``rule``, ``observed``, ``expected_by_chance``, as the links figure takes them."""
    found = linked.by_rule.rename(columns={"links": "observed"})
    return found.assign(rule=found["rule"].str.replace("_", " "))[["rule", "observed", "expected_by_chance"]]


def estimates_table(estimates: Iterable[Estimate], caption: str) -> Table:
    """Estimates with their intervals and methods, one row each, and what a reader must know of them."""
    rows = [
        {
            "estimate": item.id,
            "of": "" if item.label == "all" else item.label,
            "what": item.estimand.label,
            "value": figures(item.value) if item.estimable else "not estimable",
            "low": figures(item.interval.low),
            "high": figures(item.interval.high),
            "p": _p(item.p_value),
            "level": f"{item.interval.level:.0%}",
            "method": item.method,
            "to know": " ".join(_sentence(caveat) for caveat in item.caveats),
        }
        for item in estimates
    ]
    frame = pd.DataFrame(rows)
    empty = [name for name in ("of", "p", "to know") if not frame.empty and not frame[name].any()]
    return Table(frame.drop(columns=empty), caption, longest=WHOLE_SENTENCE)


def _p(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if value >= 0.001 else "< 0.001"


def _sentence(caveat: str) -> str:
    return caveat[0].upper() + caveat[1:].rstrip(".") + "."


def checks_table(checks: Iterable[Check]) -> Table:
    """The questions asked before the estimate may speak, with the number that decided each."""
    rows = [
        {
            "question": check.question,
            "answer": check.status.value,
            "kind": "gate" if check.gate else "for the grade",
            "threshold": check.threshold or "–",
            "why": check.sentence,
        }
        for check in checks
    ]
    return Table(pd.DataFrame(rows), "Checks made before the estimate may speak", longest=WHOLE_SENTENCE)
