"""Values of any source as the contract's kinds; what cannot be understood becomes null, and a rule tells of it."""

from __future__ import annotations

from datetime import datetime
from functools import reduce
from typing import Any

import ibis

from counterfault.contracts import Column, Kind
from counterfault.plan import Mapping

TIME = "timestamp('UTC')"
ZONE = r"\d(Z|z|[ ]?UTC|[ ]?[+-]\d{2}(:?\d{2})?)$"
YES, NO = ("true", "t", "yes", "y", "1", "1.0"), ("false", "f", "no", "n", "0", "0.0")


def typed(source: Any, column: Column, mapping: Mapping) -> Any:
    values = mapping.values.get(column.name)
    if column.kind is Kind.TIME:
        return _time(source, mapping.timezone)
    if column.kind is Kind.TEXT:
        text = text_of(source)
        if values:
            text = text.cases(*values.items(), else_=text)
        return _assistance(text) if column.name == "assistance" else text
    if column.kind is Kind.YES_NO:
        return source if source.type().is_boolean() else _yes_no(text_of(source))
    wanted = "float64" if column.kind is Kind.NUMBER else "int64"
    if column.kind is Kind.WHOLE:
        number = source.try_cast("float64") if source.type().is_string() else source.cast("float64")
        return ibis.ifelse(number == number.floor(), number, ibis.null()).cast(wanted)
    return source.try_cast(wanted) if source.type().is_string() else source.cast(wanted)


def text_of(source: Any) -> Any:
    return source.cast("string").strip().nullif("")


def _yes_no(text: Any) -> Any:
    low = text.lower()
    return ibis.cases((low.isin(YES), True), (low.isin(NO), False), else_=ibis.null("boolean"))


def _assistance(text: Any) -> Any:
    """Booleans are accepted as labels; no value means unknown, never human."""
    low = text.lower()
    told = ibis.cases((low.isin(("true", "t")), "ai"), (low.isin(("false", "f")), "human"), else_=low)
    return told.fill_null("unknown")


def _time(source: Any, timezone: str | None) -> Any:
    dtype = source.type()
    if dtype.is_timestamp() and dtype.timezone is not None:
        return source.cast(TIME)
    if dtype.is_string():
        text = source.strip().nullif("")
        aware = ibis.ifelse(text.re_search(ZONE), text, ibis.null("string")).try_cast(TIME)
        return aware if timezone is None else aware.fill_null(_in_zone(text.try_cast("timestamp"), timezone))
    return _in_zone(source.cast("timestamp"), timezone or "UTC")


@ibis.udf.scalar.builtin(name="timezone", signature=(("string", "timestamp"), TIME))  # type: ignore[untyped-decorator]
def _at_time_zone(zone: str, time: datetime) -> datetime: ...  # type: ignore[empty-body]


def _in_zone(naive: Any, timezone: str) -> Any:
    return naive.cast(TIME) if timezone == "UTC" else _at_time_zone(timezone, naive)


def joined(parts: list[tuple[Any, Any]], separator: str = "; ") -> Any:
    """The texts whose condition holds, joined; null where none does."""
    if not parts:
        return ibis.null("string")
    texts = [ibis.ifelse(condition.fill_null(False), text + separator, "") for text, condition in parts]
    whole = reduce(lambda left, right: left + right, texts)
    return whole.substr(0, whole.length() - len(separator)).nullif("")
