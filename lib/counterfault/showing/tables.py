"""Results as tables with captions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import Any

import pandas as pd

from counterfault.checking import Checked
from counterfault.checks import Check
from counterfault.counting import Counted
from counterfault.display.words import plain
from counterfault.estimate import Estimate, figures
from counterfault.figures.tables import SUPPORTS_MIME, Table
from counterfault.linking import Linked

LABEL = 80
COUNTS = ("n", "events", "ai_base", "ai_last")  # in the support of an estimate: what it rests on
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
            "its value": [_value_of(rows.iloc[0]) for _, rows in grouped],
        }
    )
    return Table(frame, "Rows set aside, by the rule they broke")


def _value_of(row: pd.Series[Any]) -> str:
    """The value at fault. A line that could not be split has no key, and holds whatever its columns do: authors too."""
    return str(row["value"]) if row["key"] else "(a whole line, which may name people)"


def not_assessed_table(counted: Counted) -> Table:
    """What the plan asks and the tables cannot give."""
    found = counted.not_assessed or (("nothing", "every column the plan asks for is there"),)
    return Table(pd.DataFrame(found, columns=["not assessed", "because"]), "What could not be assessed, and why")


def links_frame(linked: Linked) -> pd.DataFrame:
    """``rule``, ``observed``, ``expected_by_chance`` and ``planned`` for the links figure; the plan's rule first."""
    found = linked.by_rule.rename(columns={"links": "observed"})
    found = found.assign(planned=found["rule"] == linked.plan.outcome.link, rule=found["rule"].str.replace("_", " "))
    ordered = found.sort_values("planned", ascending=False, kind="stable", ignore_index=True)
    return ordered[["rule", "observed", "expected_by_chance", "planned"]]


@dataclass(frozen=True)
class EstimatesTable:
    """Estimates with their limits as a table, and below it how each was made and what to know of it.

    Methods and caveats are whole sentences; beside the figures they would press the table into columns of one word.
    """

    table: Table
    estimates: tuple[Estimate, ...]

    def __repr__(self) -> str:
        return f"<EstimatesTable {plain(self.table.caption)!r}: {len(self.estimates)} estimates>"

    def _repr_html_(self) -> str:
        notes = "".join(f"<li>{_notes(alike)}</li>" for alike in _made_alike(self.estimates))
        if not notes:
            return self.table._repr_html_()
        summary = f"How “{escape(plain(self.table.caption))}” was made, and what to know"
        return f"{self.table._repr_html_()}<details><summary>{summary}</summary><ul>{notes}</ul></details>"

    def _repr_mimebundle_(self, **unused: Any) -> dict[str, Any]:
        return {"text/html": self._repr_html_(), "text/plain": repr(self), SUPPORTS_MIME: supports_of(self.estimates)}


def supports_of(estimates: Iterable[Estimate]) -> list[dict[str, int | None]]:
    """What each row of a table of estimates rests on.

    It travels along unseen, and a published page leaves out rows that rest on few.
    """
    return [{name: _whole(item.support.get(name)) for name in COUNTS} for item in estimates]


def _whole(count: Any) -> int | None:
    return None if count is None or count != count else int(count)


def estimates_table(estimates: Iterable[Estimate], caption: str) -> EstimatesTable:
    """Estimates with their limits, one row each; methods and caveats below."""
    items = tuple(estimates)
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
        }
        for item in items
    ]
    frame = pd.DataFrame(rows)
    empty = [name for name in ("of", "p") if not frame.empty and not frame[name].any()]
    numbers = ("value", "low", "high", "p", "level")
    return EstimatesTable(Table(frame.drop(columns=empty), caption, longest=LABEL, numeric=numbers), items)


def _made_alike(items: Iterable[Estimate]) -> list[list[Estimate]]:
    """Estimates grouped by method and caveats, in order, so that what is said of all is said once."""
    groups: dict[tuple[str, tuple[str, ...]], list[Estimate]] = {}
    for item in items:
        groups.setdefault((item.method, item.caveats), []).append(item)
    return list(groups.values())


def _notes(alike: list[Estimate]) -> str:
    first = alike[0]
    names = dict.fromkeys(item.id if item.label == "all" else f"{item.id} ({item.label})" for item in alike)
    told = " ".join(map(_sentence, (first.method, *first.caveats)))
    return f"<strong>{escape(plain(', '.join(names)))}</strong>: {escape(plain(told))}"


def _p(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if value >= 0.001 else "< 0.001"


def _sentence(caveat: str) -> str:
    return caveat[0].upper() + caveat[1:].rstrip(".") + "."


def checks_table(checks: Iterable[Check], caption: str = "Checks made before the estimate may speak") -> Table:
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
    return Table(pd.DataFrame(rows), caption, longest=WHOLE_SENTENCE)
