"""Values of any source as the contract's kinds; what cannot be understood becomes null, and a rule tells of it."""

from __future__ import annotations

import sys
from datetime import datetime
from functools import reduce
from typing import Any

import ibis

from counterfault.contracts import Column, Kind

TIME = "timestamp('UTC')"
# After a time of day only: the "-01" of a date is no zone.
ZONE = r"\d:\d{2}(?::\d{2}(?:\.\d+)?)?\s?(Z|UTC|GMT|[+-](?:0\d|1[0-4])(?::?[0-5]\d)?)$"
YES, NO = ("true", "t", "yes", "y", "1", "1.0"), ("false", "f", "no", "n", "0", "0.0")
# How pandas, R and SQL write "no value". Only where none of them could be a value: a team may be called NA.
MISSING = r"(?i)^(na|n/a|nan|nat|none|null|<na>)$"
LARGEST_WHOLE = 2**53  # beyond it not every whole number is a float

# Every function here names its argument as rarely as it can: expressions are written out, those of sixty rules in one
# statement, and a value named twice in five nested functions is compiled thirty-two times. So "" stands for "no value"
# until the end, because "null if empty" names what it looks at twice.


def typed(source: Any, column: Column, timezone: str | None) -> Any:
    """The values as the column's kind, null where they are not of it."""
    text = given_text(source, column)
    if column.kind is Kind.TIME:
        return _time(source, text, timezone)
    if column.kind is Kind.YES_NO:
        return source if source.type().is_boolean() else _yes_no(text)
    if column.kind is Kind.TEXT:
        return _assistance(text) if column.name == "assistance" else text.nullif("")
    number = source.cast("float64") if source.type().is_numeric() else text.try_cast("float64")
    if column.kind is Kind.NUMBER:
        return ibis.ifelse(number.abs() <= sys.float_info.max, number, ibis.null("float64"))
    # Not "equal to its floor": that is an integer to some engines, and fails for numbers too large to be one.
    whole = (number % 1 == 0) & (number.abs() <= LARGEST_WHOLE)
    return ibis.ifelse(whole, number, ibis.null("float64")).cast("int64")


def given_text(source: Any, column: Column) -> Any:
    """The values as text; "" or null where there is none, or where a column that is not text says so in words."""
    text = _text(source)
    if column.kind is Kind.TEXT or not source.type().is_string():
        return text
    return text.re_replace(MISSING, "")


def text_of(source: Any) -> Any:
    """The values as text without space around it, null where there is none."""
    return _text(source).nullif("")


def _text(source: Any) -> Any:
    text = source.cast("string")
    if source.type().is_floating():
        # Identifiers arrive as 12.0 where a frame had a row without one, and NaN is how it says so.
        return text.re_replace(r"\.0$|(?i)^nan$", "")
    return text.strip()


def is_given(text: Any) -> Any:
    """Whether there is a value, for text that may be null."""
    return text.length().fill_null(0) > 0


def _yes_no(text: Any) -> Any:
    low = text.lower()
    return ibis.cases((low.isin(YES), True), (low.isin(NO), False), else_=ibis.null("boolean"))


def _assistance(text: Any) -> Any:
    """Booleans are accepted as labels; no value means unknown, never human."""
    names = {"true": "ai", "t": "ai", "false": "human", "f": "human", "": "unknown"}
    low = text.lower().fill_null("")
    return low.cases(*names.items(), else_=low)


def _time(source: Any, text: Any, timezone: str | None) -> Any:
    dtype = source.type()
    if dtype.is_timestamp() and dtype.timezone is not None:
        return source.cast(TIME)
    if dtype.is_timestamp() or dtype.is_date():
        return _in_zone(source.cast("timestamp"), timezone or "UTC")
    aware = moment(text).re_extract(f"^.*{ZONE}", 0).try_cast(TIME)
    return aware if timezone is None else aware.fill_null(_in_zone(without_zone(text), timezone))


def without_zone(text: Any) -> Any:
    """The times that have none, null for others."""
    return moment(text).re_replace(f"^.*{ZONE}", "").try_cast("timestamp")


def moment(text: Any) -> Any:
    """Times written in the ways of ISO 8601 that engines do not read: small letters, no seconds, a space before ±."""
    with_seconds = text.upper().re_replace(r"([T ]\d{1,2}:\d{2})(\s?(?:Z|UTC|GMT|[+-][\d:]+)?)$", r"\1:00\2")
    return with_seconds.re_replace(r"(:\d{2}(?:\.\d+)?) ([+-])", r"\1\2")


@ibis.udf.scalar.builtin(name="timezone", signature=(("string", "timestamp"), TIME))  # type: ignore[untyped-decorator]
def _at_time_zone(zone: str, time: datetime) -> datetime: ...  # type: ignore[empty-body]


def _in_zone(naive: Any, timezone: str) -> Any:
    return naive.cast(TIME) if timezone == "UTC" else _at_time_zone(timezone, naive)


def joined(parts: list[tuple[Any, Any]], separator: str = "; ") -> Any:
    """The texts whose condition holds, joined; "" where none does."""
    # The separator leads, so that the first one can be cut off without naming the whole twice.
    texts = [ibis.ifelse(condition.fill_null(False), separator + text, "") for text, condition in parts]
    return reduce(lambda left, right: left + right, texts, ibis.literal("")).substr(len(separator))
