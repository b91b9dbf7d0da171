"""Accepted or quarantined: the account of one table's rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Any

import ibis
import pandas as pd
from ibis.util import gen_name

from counterfault.checking.filters import LEFT_OUT
from counterfault.checking.naming import named_columns
from counterfault.checking.rules import BROKEN, VALUE
from counterfault.checking.zones import zone_notes
from counterfault.contracts import DEPLOYMENTS, TABLES, ContractError, Kind, Table
from counterfault.display import card
from counterfault.plan import Mapping, Plan
from counterfault.sources.raw import FILE, LINE, Raw

QUARANTINE = ["table", "file", "line", "key", "rule", "value"]


@dataclass(frozen=True)
class Account:
    """What became of the rows of one table; `accepted + quarantined == read`, always."""

    table: str
    source: str
    read: int
    accepted: int
    quarantined: int
    left_out: int
    digest: str | None

    def _repr_html_(self) -> str:
        return card("Account", str(self), facts={"source": self.source, "SHA-256": self.digest})

    def __str__(self) -> str:
        left_out = f" ({self.left_out:,} left out by the plan)" if self.left_out else ""
        return (
            f"{self.table}: {self.read:,} read, {self.accepted:,} accepted{left_out}, {self.quarantined:,} quarantined"
        )


@dataclass(frozen=True)
class Settled:
    """The accepted rows of one table, what became of the others, and what a reader should know."""

    table: Any
    account: Account
    quarantine: pd.DataFrame
    notes: tuple[str, ...]


def settle(engine: Any, raw: Raw, judged: Any, plan: Plan) -> Settled:
    """Parts the judged rows into accepted and quarantined ones, and counts both.

    Raises
    ------
    ContractError : repeated ids, no deployments, or more broken rows than the plan allows.
    """
    contract = TABLES[raw.name]
    mapping: Mapping = getattr(plan.mapping, raw.name)
    bad = judged[BROKEN].notnull()
    repeats = _repeats(contract, judged.filter(~bad), mapping, raw)
    parts = [_quarantine_of_unreadable(contract, raw), _quarantine_rows(contract, judged.filter(bad)), repeats]
    quarantined = pd.concat(parts, ignore_index=True).sort_values(["file", "line", "key"], ignore_index=True)
    accepted = judged.filter(~bad)
    if len(repeats):
        accepted = _numbered(contract, accepted).filter(lambda table: table.repeat == 0).drop("repeat")
    accepted = kept(engine, f"accepted_{contract.name}", accepted.drop(BROKEN, VALUE, FILE, LINE))
    account = _account(raw, judged, accepted, len(quarantined))
    _require_enough(contract, account, _commonest(quarantined, raw.unit), plan)
    return Settled(accepted, account, quarantined, zone_notes(raw, contract, named_columns(raw, contract, mapping)))


def _account(raw: Raw, judged: Any, accepted: Any, quarantined: int) -> Account:
    counted = accepted.aggregate(accepted=accepted.count(), left_out=accepted[LEFT_OUT].notnull().sum())
    counts = counted.execute().iloc[0]
    return Account(
        table=raw.name,
        source=raw.source,
        read=int(judged.count().execute()) + len(raw.unreadable),
        accepted=int(counts["accepted"]),
        quarantined=quarantined,
        left_out=int(counts["left_out"] or 0),
        digest=raw.digest,
    )


def _quarantine_rows(contract: Table, bad: Any) -> pd.DataFrame:
    key = reduce(lambda left, right: left + " / " + right, [_shown(bad[name]) for name in contract.key])
    rows = bad.select(
        table=ibis.literal(contract.name), file=bad[FILE], line=bad[LINE], key=key, rule=bad[BROKEN], value=bad[VALUE]
    )
    found: pd.DataFrame = rows.order_by("file", "line", "key").execute()
    return found.astype({"line": "Int64"})


def _shown(column: Any) -> Any:
    return column.cast("string").fill_null("(empty)")


def _quarantine_of_unreadable(contract: Table, raw: Raw) -> pd.DataFrame:
    return raw.unreadable.assign(table=contract.name, key="")[QUARANTINE].astype({"line": "Int64"})


def _repeats(contract: Table, good: Any, mapping: Mapping, raw: Raw) -> pd.DataFrame:
    """Rows whose key another good row has: refused, or quarantined but for the earliest, as the plan says."""
    keys = list(contract.key)
    repeated = good.group_by(keys).agg(times=good.count()).filter(lambda table: table.times > 1)
    if not repeated.limit(1).count().execute():
        return pd.DataFrame(columns=QUARANTINE)
    if mapping.duplicates == "refuse":
        raise ContractError(_not_unique(contract, repeated, raw.source))
    later = _numbered(contract, good).filter(lambda table: table.repeat > 0)
    return _quarantine_rows(
        contract, later.mutate(**{BROKEN: ibis.literal(f"{' + '.join(keys)} is repeated"), VALUE: ibis.literal("")})
    )


def _not_unique(contract: Table, repeated: Any, source: str) -> str:
    total = repeated.aggregate(rows=repeated.times.sum(), keys=repeated.count()).execute().iloc[0]
    found = repeated.order_by(list(contract.key)).limit(3).execute()
    examples = ", ".join(" / ".join(str(row[key]) for key in contract.key) for _, row in found.iterrows())
    return (
        f"{contract.name}: {' + '.join(contract.key)} is not unique in {source}: {int(total['rows']):,} rows share "
        f"{int(total['keys']):,} value{'s' if total['keys'] > 1 else ''} (e.g. {examples}). Each row must be "
        f'{contract.row_is}; if these are updates of the same one, put `duplicates = "earliest"` under '
        f"[mapping.{contract.name}] in the plan to keep the first of each"
    )


def _numbered(contract: Table, table: Any) -> Any:
    """The rows of one key numbered from 0 on, by time and then by place."""
    number = ibis.row_number().over(group_by=list(contract.key), order_by=_time_order(contract, table))
    return table.mutate(repeat=number)


def _time_order(contract: Table, table: Any) -> list[Any]:
    times = [column.name for column in contract.columns if column.required and column.kind is Kind.TIME]
    return [*(table[name] for name in times), table[FILE], table[LINE]]


def _require_enough(contract: Table, account: Account, fault: str, plan: Plan) -> None:
    if contract is DEPLOYMENTS and account.read == 0:
        raise ContractError(
            f"{contract.name}: {account.source} has no rows; without deployments there is nothing to compare"
        )
    broken = f"{contract.name}: {account.quarantined:,} of {account.read:,} rows of {account.source} break the contract"
    if account.quarantined and account.quarantined / account.read > plan.data.max_quarantined:
        raise ContractError(
            f"{broken}, more than the {100 * plan.data.max_quarantined:g}% the plan allows; {fault}. "
            f"Correct the rows, map their values under [mapping.{contract.name}] in the plan, or raise "
            f"data.max_quarantined"
        )
    if contract is DEPLOYMENTS and account.accepted == 0:
        raise ContractError(f"{broken}, so that nothing is left to compare; {fault}")


def _commonest(quarantined: pd.DataFrame, unit: str) -> str:
    if quarantined.empty:
        return ""
    rules = quarantined["rule"].value_counts()
    first = quarantined[quarantined["rule"] == rules.index[0]].iloc[0]
    place = "" if pd.isna(first["line"]) else f"{unit} {first['line']}: "
    rows = f"{rules.iloc[0]:,} row{'s' if rules.iloc[0] > 1 else ''}"
    return f"the commonest fault, in {rows}: {rules.index[0]} (e.g. {place}{first['value']})"


def kept(engine: Any, name: str, table: Any) -> Any:
    """The table computed once where the engine is ours; left as an expression where it is somebody else's."""
    if engine.name != "duckdb":
        return table
    # Under a name of its own: overwriting would write every row a second time, into the table that is replaced.
    return engine.create_table(gen_name(name), table, temp=True)
