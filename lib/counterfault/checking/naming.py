"""Which column of the source is which column of the contract, by name or by the plan's mapping."""

from __future__ import annotations

from typing import Any

import ibis

from counterfault.checking.casting import ZONE, joined, text_of
from counterfault.contracts import INCIDENTS, ContractError, Kind, Table, nearest
from counterfault.plan import Mapping
from counterfault.sources.raw import Raw


def named_columns(raw: Raw, contract: Table, mapping: Mapping) -> dict[str, Any]:
    """Contract column → expression over the raw columns, in the contract's order."""
    found: dict[str, Any] = {name: raw.table[name] for name in contract.names if name in raw.columns}
    for old, new in mapping.rename.items():
        require_source(raw, old, f"mapping.{raw.name}.rename")
        found[new] = raw.table[old]
    for new, parts in mapping.join.items():
        for part in parts:
            require_source(raw, part, f"mapping.{raw.name}.join")
        texts = [text_of(raw.table[part]) for part in parts]
        found[new] = joined([(text, text.notnull()) for text in texts], ";")
    for new, constant in mapping.fill.items():
        found[new] = found[new].fill_null(constant) if new in found else ibis.literal(constant)
    return {name: found[name] for name in contract.names if name in found}


def require_source(raw: Raw, column: str, where: str) -> None:
    if column not in raw.columns:
        guess = nearest(column, raw.columns)
        hint = f"did you mean {guess!r}?" if guess else f"it has {', '.join(raw.columns)}"
        raise ContractError(f"{where}: {raw.source} has no column {column!r}; {hint}")


def require_columns(raw: Raw, contract: Table, named: dict[str, Any]) -> None:
    missing = [name for name in contract.required if name not in named]
    if contract is INCIDENTS and missing == ["service"] and "caused_by" in named:
        missing = []
    if not missing:
        return
    column = missing[0]
    guess = nearest(column, [name for name in raw.columns if name not in contract.names])
    source = guess or "your column"
    raise ContractError(
        f"{contract.name}: {raw.source} has no column {', '.join(repr(name) for name in missing)} "
        f"(it has {', '.join(raw.columns[:12])}{' …' if len(raw.columns) > 12 else ''}); if it goes by another name, "
        f'put `rename = {{ "{source}" = "{column}" }}` under [mapping.{contract.name}] in the plan'
    )


def require_zones(raw: Raw, contract: Table, named: dict[str, Any], mapping: Mapping) -> None:
    """A column of times none of which says its zone is refused: an hour's shift moves incidents across deployments."""
    if mapping.timezone:
        return
    for name, source in named.items():
        if contract[name].kind is not Kind.TIME:
            continue
        dtype = source.type()
        naive = dtype.is_date() or (dtype.is_timestamp() and dtype.timezone is None)
        if dtype.is_string():
            values = raw.table.filter(source.notnull() & (source.strip() != ""))
            zoned = source.strip().re_search(ZONE)
            naive = bool(values.count().execute()) and not bool(values.filter(zoned).limit(1).count().execute())
        if naive:
            example = raw.table.filter(source.notnull()).select(v=source.cast("string")).limit(1).execute()
            shown = example["v"].iloc[0] if len(example) else "empty"
            raise ContractError(
                f"{contract.name}: the times in column {name!r} of {raw.source} have no time zone "
                f"(e.g. {shown}); write them with an offset, or say what they are with "
                f'`timezone = "UTC"` under [mapping.{contract.name}] in the plan'
            )
