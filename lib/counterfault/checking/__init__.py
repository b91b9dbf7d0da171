"""The contract applied: every row read is either accepted or quarantined with the rule it broke.

Renaming, value maps and filters come from the plan. Filters do not remove rows here: a row the plan leaves out is
accepted and marked, so that the report can count it.
"""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb
import ibis
import pandas as pd

from counterfault.checking.casting import joined, typed
from counterfault.checking.filters import LEFT_OUT, left_out
from counterfault.checking.naming import named_columns, require_columns
from counterfault.checking.rules import (
    BROKEN,
    VALUE,
    Rule,
    cause_notes,
    column_rules,
    judge_recorded_causes,
    table_rules,
)
from counterfault.checking.settling import Account, kept, settle
from counterfault.checking.zones import require_zones
from counterfault.contracts import TABLES
from counterfault.display import card, rows_table
from counterfault.plan import Mapping, Plan
from counterfault.sources import RawTables
from counterfault.sources.errors import SourceError
from counterfault.sources.local import first_line
from counterfault.sources.raw import FILE, LINE, Raw

__all__ = ["Account", "Checked", "check"]

GIVEN = "counterfault_given_"  # before the name of a column as its source gave it


@dataclass(frozen=True)
class Checked:
    """The tables of one study, fit to be counted.

    Attributes
    ----------
    tables : name → Ibis table with contract columns only, plus ``left_out_by`` (the plan's filter that leaves the row
        out, or null).
    accounts : one per table.
    quarantine : the rows that broke a rule: ``table``, ``file``, ``line``, ``key``, ``rule``, ``value``.
    notes : sentences a reader should know about the sources.
    """

    tables: MappingOf[str, Any]
    accounts: tuple[Account, ...]
    quarantine: pd.DataFrame
    engine: Any
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<Checked: {'; '.join(map(str, self.accounts))}>"

    def _repr_html_(self) -> str:
        rows = [(each.table, each.read, each.accepted, each.left_out, each.quarantined) for each in self.accounts]
        heads = ("table", "rows read", "accepted", "left out by the plan", "quarantined")
        return card(
            "Checked tables",
            "Every row read is either accepted or quarantined with the rule it broke.",
            table=rows_table("Rows by table", heads, rows),
            notes=self.notes,
            then=("linked = cf.link(checked, plan)", "showing.quarantine_table(checked)"),
        )

    def has(self, table: str, *columns: str) -> bool:
        """Whether the table is there and has all of these columns."""
        return table in self.tables and all(column in self.tables[table].columns for column in columns)


def check(raw: RawTables, plan: Plan, *, now: datetime | None = None) -> Checked:
    """Every row of every table against the contract.

    Parameters
    ----------
    raw : what the sources gave.
    plan : its mappings, and how large a share of rows may be quarantined.
    now : rows from later than a day after this moment are from the future, and quarantined; the present where absent.

    Raises
    ------
    ContractError : a table that cannot be used at all: a missing column, times without a zone, repeated ids, no
        deployments, or more broken rows than the plan allows.
    SourceError : a file turns out to be damaged when its rows are asked for.
    PlanError : the plan names a time zone that does not exist.

    Examples
    --------
    >>> checked = cf.check(raw, plan)
    >>> set_aside = checked.quarantine  # the rows that broke a rule, and which
    >>> linked = cf.link(checked, plan)
    """
    now = now or datetime.now(UTC)
    judged = {name: _judge(raw.engine, table, plan, now) for name, table in raw.tables.items()}
    judged = judge_recorded_causes(judged)
    parts = [settle(raw.engine, raw.tables[name], table, plan) for name, table in judged.items()]
    tables = {part.account.table: part.table for part in parts}
    quarantine = pd.concat([part.quarantine for part in parts], ignore_index=True)
    notes = (*raw.notes, *(note for part in parts for note in part.notes), *cause_notes(tables))
    return Checked(tables, tuple(part.account for part in parts), quarantine, raw.engine, notes)


def _judge(engine: Any, raw: Raw, plan: Plan, now: datetime) -> Any:
    """The raw table in contract columns, with the rules each row breaks and the values that break them."""
    try:
        typed_rows = kept(engine, f"typed_{raw.name}", _typed_rows(raw, plan))
        judged = kept(engine, f"judged_{raw.name}", _judged(raw, typed_rows, plan, now))
        return judged.mutate(**{name: judged[name].nullif("") for name in (BROKEN, VALUE)})
    except duckdb.Error as error:
        if raw.digest is None or raw.unit == "line":
            raise
        # Parquet is read in place: damage in the middle of a file shows only when the rows there are asked for.
        raise SourceError(f"{raw.name}: {raw.source} cannot be read to its end ({first_line(error)})") from error


def _typed_rows(raw: Raw, plan: Plan) -> Any:
    """Every contract column twice: as the contract's kind, and as it was given, for the rules to quote.

    Kept as a table of its own, because a rule over a column compiles in a fraction of the time that the same rule
    takes over the expression behind it.
    """
    contract = TABLES[raw.name]
    mapping: Mapping = getattr(plan.mapping, raw.name)
    named = named_columns(raw, contract, mapping)
    require_columns(raw, contract, named)
    require_zones(raw, contract, named, mapping)
    return raw.table.select(
        **{name: typed(source, contract[name], mapping.timezone) for name, source in named.items()},
        **{f"{GIVEN}{name}": source for name, source in named.items()},
        **{
            LEFT_OUT: left_out(raw, mapping),
            FILE: raw.table[FILE] if FILE in raw.table.columns else ibis.literal(raw.source),
            LINE: raw.table[LINE] if LINE in raw.table.columns else ibis.null("int64"),
        },
    )


def _judged(raw: Raw, rows: Any, plan: Plan, now: datetime) -> Any:
    contract = TABLES[raw.name]
    mapping: Mapping = getattr(plan.mapping, raw.name)
    columns = {name: rows[name] for name in contract.names if name in rows.columns}
    given = {name: rows[f"{GIVEN}{name}"] for name in columns}
    rules: list[Rule] = []
    for name, source in given.items():
        rules += column_rules(contract, contract[name], source, columns[name], given, mapping, now)
    rules += table_rules(contract, columns)
    return rows.select(
        *columns,
        LEFT_OUT,
        FILE,
        LINE,
        **{
            BROKEN: joined([(ibis.literal(rule), condition) for rule, condition, _ in rules]),
            VALUE: joined([(value, condition) for _, condition, value in rules]),
        },
    )
