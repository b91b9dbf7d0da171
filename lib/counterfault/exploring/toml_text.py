"""Plain values as TOML text. The standard library reads TOML and does not write it.

A plan holds texts, numbers, yes or no, days, lists of them and tables; nothing else is written, and nothing else is
needed. Reading the text back gives the values again, which the tests hold for whatever they can think of.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date
from math import isfinite
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def toml_text(values: Mapping[str, Any]) -> str:
    """The values as a TOML document.

    Parameters
    ----------
    values : keys to texts, numbers, booleans, days, lists of them, and mappings; nothing may be None.

    Raises
    ------
    TypeError : a value of another kind.
    """
    return "\n".join(_lines(values, ())).strip("\n") + "\n"


def _lines(values: Mapping[str, Any], at: tuple[str, ...]) -> Iterator[str]:
    """A table's own values come before the tables in it, or they would belong to the last of those."""
    own = {key: value for key, value in values.items() if not isinstance(value, Mapping)}
    if at and (own or not values):
        yield f"\n[{'.'.join(map(_key, at))}]"
    for key, value in own.items():
        yield f"{_key(key)} = {_value(value)}"
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _lines(value, (*at, key))


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _text(name)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) or (isinstance(value, float) and isfinite(value)):
        return repr(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    raise TypeError(f"{value!r} is of no kind that a plan holds")


def _text(text: str) -> str:
    """JSON's quoting is TOML's, but for the one control character that JSON lets through."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
