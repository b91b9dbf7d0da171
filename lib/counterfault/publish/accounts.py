"""The accounts of a report: rows, sources, the plan, and what made the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from counterfault.figures.tables import table_html
from counterfault.figures.wording import ABSENT
from counterfault.publish.record import Record


def counts_table(record: Record) -> str:
    """Rows read, accepted, quarantined and used, per table."""
    rows = [
        {"table": name, **{key: table[key] for key in ("read", "accepted", "quarantined", "used")}}
        for name, table in record["data"]["tables"].items()
    ]
    return _table(rows, "Rows per table: accepted and quarantined add up to read")


def population_table(record: Record) -> str:
    """Where every deployment accepted ended, by its label."""
    rows = record["data"].get("population")
    return _table(rows, "Where every accepted deployment ended, by its label") if rows else ""


def sources_table(record: Record) -> str:
    """Where each table came from, with the beginning of its digest."""
    rows = [
        {"table": name, "source": table["source"], "sha-256, start": (table.get("sha256") or "")[:16] or None}
        for name, table in record["data"]["tables"].items()
    ]
    return _table(rows, "Where each table came from", longest=72)


def plan_terms(plan: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The promise as terms and values, in the order of the record."""
    left_out = ("title", "question")
    return [(key.replace("_", " "), _flat(value) or "none") for key, value in plan.items() if key not in left_out]


def provenance_table(record: Record) -> str:
    """Code, versions, inputs and seeds, one line each."""
    rows = [{"what": name, "value": value} for name, value in _leaves(record["provenance"])]
    return _table(rows, "What made this page", longest=90)


def _leaves(value: Any, name: str = "") -> list[tuple[str, str]]:
    if isinstance(value, Mapping):
        return [leaf for key, each in value.items() for leaf in _leaves(each, f"{name} {key}".strip())]
    return [(name, _flat(value) or ABSENT)]


def _flat(value: Any) -> str:
    """A value of the record as one line of text; what is not set is left out."""
    if isinstance(value, Mapping):
        return "; ".join(f"{key.replace('_', ' ')} {_flat(each)}" for key, each in value.items() if each is not None)
    if isinstance(value, list | tuple):
        return ", ".join(map(_flat, value))
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value is None else str(value)


def _table(rows: Sequence[Mapping[str, Any]], caption: str, **how: Any) -> str:
    if not rows:
        return f"<p>{escape(caption)}: none.</p>"
    import pandas as pd

    frame = pd.DataFrame(rows)
    # Columns nobody filled say nothing and cost a reader's width.
    return table_html(frame.dropna(axis="columns", how="all"), caption, **how)
