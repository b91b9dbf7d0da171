"""Which column of the source is which column of the contract, by name or by the plan's mapping."""

from __future__ import annotations

from typing import Any

import ibis

from counterfault.checking.casting import joined, text_of
from counterfault.contracts import INCIDENTS, ContractError, Table, nearest
from counterfault.plan import Mapping
from counterfault.sources.raw import Raw


def named_columns(raw: Raw, contract: Table, mapping: Mapping) -> dict[str, Any]:
    """Contract column → expression over the raw columns, in the contract's order."""
    found: dict[str, Any] = {name: raw.table[name] for name in contract.names if name in raw.columns}
    for old, new in mapping.rename.items():
        require_source(raw, old, f"mapping.{raw.name}.rename")
        _require_only(raw, old, new, mapping)
        found[new] = raw.table[old]
    for new, parts in mapping.join.items():
        for part in parts:
            require_source(raw, part, f"mapping.{raw.name}.join")
        texts = [text_of(raw.table[part]) for part in parts]
        found[new] = joined([(text, text.notnull()) for text in texts], ";").nullif("")
    for name, told in mapping.values.items():
        _require_present(raw, name, found)
        text = text_of(found[name])
        found[name] = text.cases(*told.items(), else_=text)
    for new, constant in mapping.fill.items():
        found[new] = text_of(found[new]).fill_null(str(constant)) if new in found else ibis.literal(constant)
    return {name: found[name] for name in contract.names if name in found}


def require_source(raw: Raw, column: str, where: str) -> None:
    """The plan names a column of the source; it must be there."""
    if column not in raw.columns:
        guess = nearest(column, raw.columns)
        hint = f"did you mean {guess!r}?" if guess else f"it has {_listed(raw)}"
        raise ContractError(f"{where}: {raw.source} has no column {column!r}; {hint}")


def _require_only(raw: Raw, old: str, new: str, mapping: Mapping) -> None:
    others = [other for other, name in mapping.rename.items() if name == new and other != old]
    if others:
        raise ContractError(
            f"mapping.{raw.name}.rename: {old!r} and {others[0]!r} cannot both become {new!r}; rename one of them"
        )


def _require_present(raw: Raw, column: str, found: dict[str, Any]) -> None:
    if column not in found:
        raise ContractError(
            f"mapping.{raw.name}.values: {raw.source} has no column {column!r} (it has {_listed(raw)}); values are "
            f"mapped after columns are renamed"
        )


def require_columns(raw: Raw, contract: Table, named: dict[str, Any]) -> None:
    """A table without a required column is refused, with the plan's line that would name it."""
    missing = [name for name in contract.required if name not in named]
    if contract is INCIDENTS and missing == ["service"] and "caused_by" in named:
        missing = []
    if not missing:
        return
    raise ContractError(
        f"{contract.name}: {raw.source} has no column{'s' if len(missing) > 1 else ''} "
        f"{', '.join(repr(name) for name in missing)} (it has {_listed(raw)}); if there is another name for it, "
        f"put `rename = {{ {_renames(raw, contract, missing)} }}` under [mapping.{contract.name}] in the plan"
    )


def _renames(raw: Raw, contract: Table, missing: list[str]) -> str:
    """The most probable renames, as the plan would write them."""
    free = [name for name in raw.columns if name not in contract.names]
    pairs = []
    for name in missing:
        guess = nearest(name, free)
        if guess:
            free.remove(guess)
            pairs.append(f'"{guess}" = "{name}"')
    return ", ".join(pairs) or f'"your column" = "{missing[0]}"'


def _listed(raw: Raw) -> str:
    names = [name if name.isprintable() else repr(name) for name in raw.columns[:12]]
    return ", ".join(names) + (" …" if len(raw.columns) > len(names) else "")
