"""What notebooks show besides frames and figures: provenance and limits, with the estimates kept machine-readable."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import pandas as pd

from counterfault.checking import Checked
from counterfault.display import STYLE
from counterfault.display.words import plain
from counterfault.estimate import ESTIMATES_MIME, Estimate
from counterfault.figures.tables import SUPPORTS_MIME, table_html
from counterfault.plan import Plan
from counterfault.provenance import provenance
from counterfault.record import estimate_record
from counterfault.showing.tables import supports_of


@dataclass(frozen=True)
class Closing:
    """The end of every notebook: all its estimates by name, and where its numbers came from.

    The estimates travel along in the notebook's outputs, so that a run can prove that the page and ``results.json`` say
    the same. They stand in a table too: a figure or a sentence may show a number without its name, and whoever follows
    the name must find it.
    """

    facts: Mapping[str, str]
    estimates: tuple[Estimate, ...]

    def _repr_mimebundle_(self, **unused: Any) -> dict[str, Any]:
        return {
            "text/plain": "\n".join(f"{name}: {value}" for name, value in self.facts.items()),
            "text/html": self._listed() + self._table(),
            SUPPORTS_MIME: supports_of(self.estimates),
            ESTIMATES_MIME: [estimate_record(item) for item in self.estimates],
        }

    def _listed(self) -> str:
        if not self.estimates:
            return ""
        rows = [
            {"estimate": item.id, "value": item.value, "low": item.interval.low, "high": item.interval.high}
            for item in self.estimates
        ]
        table = table_html(pd.DataFrame(rows), "Every estimate of this notebook, with its limits", most_rows=len(rows))
        return f"<details><summary>Every estimate of this notebook by its name</summary>{table}</details>"

    def _table(self) -> str:
        rows = "".join(
            f'<tr><th scope="row">{escape(name)}</th><td>{escape(plain(value))}</td></tr>'
            for name, value in self.facts.items()
        )
        caption = "<caption><span>Where these numbers come from</span></caption>"
        return f"<table>{caption}<tbody>{rows}</tbody></table>{STYLE}"


def closing(plan: Plan, checked: Checked, shown: Iterable[Estimate] = ()) -> Closing:
    """The provenance table that ends a notebook.

    Parameters
    ----------
    plan, checked : what was promised, and what was read.
    shown : the estimates this notebook has shown, kept with it.
    """
    origin = provenance(plan, checked)
    facts = {
        "code": origin["code_commit"],
        "plan": f"{plan.title} ({plan.digest})",
        **{
            account.table: f"{account.source}, {account.read:,} rows, SHA-256 {(account.digest or 'none')[:12]}"
            for account in checked.accounts
        },
        "versions": ", ".join(f"{name} {number}" for name, number in origin["versions"].items()),
    }
    return Closing(facts, tuple(shown))
