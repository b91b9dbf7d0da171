"""Times say what zone they are in, or the plan does: an hour's shift moves incidents across deployments."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from counterfault.checking.casting import ZONE, given_text, moment, without_zone
from counterfault.contracts import Column, ContractError, Kind, Table, nearest
from counterfault.plan import Mapping, PlanError
from counterfault.sources.raw import Raw

UTC = ("Z", "UTC", "GMT")


def require_zones(raw: Raw, contract: Table, named: dict[str, Any], mapping: Mapping) -> None:
    """Refuses a column of times none of which says its zone, where the plan does not say it either."""
    if mapping.timezone:
        _require_known(mapping.timezone, f"mapping.{raw.name}.timezone")
        return
    for name, source in named.items():
        if contract[name].kind is Kind.TIME and (example := _naive_example(raw, contract[name], source)) is not None:
            raise ContractError(
                f"{contract.name}: the times in column {name!r} of {raw.source} have no time zone "
                f"(e.g. {example}); write them with an offset, or say what they are with "
                f'`timezone = "UTC"` under [mapping.{contract.name}] in the plan'
            )


def _naive_example(raw: Raw, column: Column, source: Any) -> str | None:
    """A time of the column, where it has some and none has a zone."""
    dtype, shown = source.type(), source.cast("string")
    if dtype.is_timestamp() and dtype.timezone is not None:
        return None
    if dtype.is_timestamp() or dtype.is_date():
        return _first(raw, shown, source.notnull())
    text = moment(given_text(source, column))
    if _first(raw, shown, text.re_search(ZONE)) is not None:
        return None
    return _first(raw, shown, without_zone(given_text(source, column)).notnull())


def _first(raw: Raw, shown: Any, condition: Any) -> str | None:
    found = raw.table.filter(condition).select(shown=shown).limit(1).execute()
    return str(found["shown"].iloc[0]) if len(found) else None


def _require_known(timezone: str, where: str) -> None:
    if timezone not in (known := _known_zones()):
        guess = nearest(timezone, known)
        hint = f"did you mean {guess!r}?" if guess else "write it like 'Europe/Berlin' or 'UTC'"
        raise PlanError(f"{where}: there is no time zone {timezone!r}; {hint}")


@lru_cache(maxsize=1)
def _known_zones() -> list[str]:
    # The engine's own list: Python's needs files that a small machine does not have.
    import duckdb

    return [name for (name,) in duckdb.connect().execute("select name from pg_timezone_names()").fetchall()]


def zone_notes(raw: Raw, contract: Table, named: dict[str, Any]) -> tuple[str, ...]:
    """Times written with several offsets are fine, and worth knowing: a mistaken export often looks like that."""
    notes = []
    for name, source in named.items():
        if contract[name].kind is not Kind.TIME or not source.type().is_string():
            continue
        offset = moment(given_text(source, contract[name])).re_extract(ZONE, 1).nullif("")
        written = raw.table.select(offset=offset).distinct().execute()["offset"].dropna()
        offsets = sorted({_offset(zone) for zone in written})
        if len(offsets) > 1:
            notes.append(
                f"{contract.name}: {name} is written with {len(offsets)} time zones "
                f"({', '.join(offsets[:4])}{' …' if len(offsets) > 4 else ''}); all were converted to UTC"
            )
    return tuple(notes)


def _offset(zone: str) -> str:
    """One spelling of an offset: +02:00 for +02 and +0200."""
    if zone in UTC or not zone.strip("+-:0"):
        return "Z"
    digits = zone[1:].replace(":", "").ljust(4, "0")
    return f"{zone[0]}{digits[:2]}:{digits[2:]}"
