"""Accepted or quarantined: the account of one table's rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Any

import ibis
import pandas as pd

from counterfault.checking.casting import ZONE
from counterfault.checking.filters import LEFT_OUT
from counterfault.checking.naming import named_columns
from counterfault.checking.rules import BROKEN, VALUE
from counterfault.contracts import DEPLOYMENTS, TABLES, ContractError, Kind, Table
from counterfault.plan import Mapping, Plan
from counterfault.sources.raw import FILE, LINE, Raw, no_unreadable


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

    def __str__(self) -> str:
        left_out = f" ({self.left_out:,} left out by the plan)" if self.left_out else ""
        return (
            f"{self.table}: {self.read:,} read, {self.accepted:,} accepted{left_out}, "
            f"{self.quarantined:,} quarantined"
        )


@dataclass(frozen=True)
class Settled:
    table: Any
    account: Account
    quarantine: pd.DataFrame
    notes: tuple[str, ...]


def settle(engine: Any, raw: Raw, judged: Any, plan: Plan) -> Settled:
    contract = TABLES[raw.name]
    mapping: Mapping = getattr(plan.mapping, raw.name)
    repeats = _repeats(contract, judged, mapping, raw)
    bad = judged[BROKEN].notnull()
    quarantined = pd.concat(
        [_quarantine_of_unreadable(contract, raw), _quarantine_rows(contract, judged.filter(bad)), repeats],
        ignore_index=True,
    )
    accepted = judged.filter(~bad)
    if len(repeats):
        first = ibis.row_number().over(group_by=list(contract.key), order_by=_time_order(contract, accepted))
        accepted = accepted.mutate(repeat=first).filter(lambda table: table.repeat == 0).drop("repeat")
    accepted = kept(engine, f"accepted_{contract.name}", accepted.drop(BROKEN, VALUE, FILE, LINE))
    counts = (
        accepted.aggregate(accepted=accepted.count(), left_out=accepted[LEFT_OUT].notnull().sum()).execute().iloc[0]
    )
    read = int(judged.count().execute()) + len(raw.unreadable)
    account = Account(
        table=contract.name,
        source=raw.source,
        read=read,
        accepted=int(counts["accepted"]),
        quarantined=len(quarantined),
        left_out=int(counts["left_out"] or 0),
        digest=raw.digest,
    )
    _require_enough(contract, account, quarantined, plan)
    return Settled(accepted, account, quarantined, _zone_notes(raw, contract, mapping))


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
    rows = raw.unreadable if len(raw.unreadable) else no_unreadable()
    return rows.assign(table=contract.name, key="")[["table", "file", "line", "key", "rule", "value"]].astype(
        {"line": "Int64"}
    )


def _repeats(contract: Table, judged: Any, mapping: Mapping, raw: Raw) -> pd.DataFrame:
    """Rows whose key another accepted row has: refused, or quarantined but for the earliest, as the plan says."""
    good = judged.filter(judged[BROKEN].isnull())
    keys = list(contract.key)
    repeated = good.group_by(keys).agg(times=good.count()).filter(lambda table: table.times > 1)
    found = repeated.order_by(keys).limit(3).execute()
    if found.empty:
        return pd.DataFrame(columns=["table", "file", "line", "key", "rule", "value"])
    if mapping.duplicates == "refuse":
        total = repeated.aggregate(rows=repeated.times.sum(), keys=repeated.count()).execute().iloc[0]
        examples = ", ".join(" / ".join(str(row[key]) for key in keys) for _, row in found.iterrows())
        raise ContractError(
            f"{contract.name}: {' + '.join(keys)} is not unique in {raw.source}: {int(total['rows'])} rows share "
            f"{int(total['keys'])} value{'s' if total['keys'] > 1 else ''} (e.g. {examples}). Each row must be "
            f'{contract.row_is}; if these are updates of the same one, put `duplicates = "earliest"` under '
            f"[mapping.{contract.name}] in the plan to keep the first of each"
        )
    number = ibis.row_number().over(group_by=keys, order_by=_time_order(contract, good))
    later = good.mutate(repeat=number).filter(lambda table: table.repeat > 0)
    return _quarantine_rows(
        contract, later.mutate(**{BROKEN: ibis.literal(f"{' + '.join(keys)} is repeated"), VALUE: ibis.literal("")})
    )


def _time_order(contract: Table, table: Any) -> list[Any]:
    times = [column.name for column in contract.columns if column.required and column.kind is Kind.TIME]
    return [*(table[name] for name in times), table[FILE], table[LINE]]


def _require_enough(contract: Table, account: Account, quarantined: pd.DataFrame, plan: Plan) -> None:
    if account.read == 0 and contract is DEPLOYMENTS:
        raise ContractError(
            f"{contract.name}: {account.source} has no rows; without deployments there is nothing to compare"
        )
    if account.read and account.quarantined > plan.data.max_quarantined * account.read:
        commonest = quarantined["rule"].value_counts()
        example = quarantined.loc[quarantined["rule"] == commonest.index[0], "value"].iloc[0]
        raise ContractError(
            f"{contract.name}: {account.quarantined} of {account.read} rows of {account.source} break the contract, "
            f"more than the {plan.data.max_quarantined:.0%} the plan allows (data.max_quarantined); the commonest "
            f"fault, in {commonest.iloc[0]} rows: {commonest.index[0]} (e.g. {example})"
        )


def _zone_notes(raw: Raw, contract: Table, mapping: Mapping) -> tuple[str, ...]:
    """Times written with several offsets are fine, and worth knowing: a mistaken export often looks like that."""
    notes = []
    for name, source in named_columns(raw, contract, mapping).items():
        if contract[name].kind is Kind.TIME and source.type().is_string():
            offset = source.strip().re_extract(ZONE, 1).replace("z", "Z").replace("+00:00", "Z").nullif("")
            offsets = sorted(raw.table.select(offset=offset).distinct().execute()["offset"].dropna())
            if len(offsets) > 1:
                notes.append(
                    f"{contract.name}: {name} is written with {len(offsets)} time zones ({', '.join(offsets[:4])}); "
                    f"all were converted to UTC"
                )
    return tuple(notes)


def kept(engine: Any, name: str, table: Any) -> Any:
    """The table computed once where the engine is ours; left as an expression where it is somebody else's."""
    if engine.name != "duckdb":
        return table
    return engine.create_table(name, table, temp=True, overwrite=True)
