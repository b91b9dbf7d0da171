"""Numbers in words, and foreign text made fit to print.

Whatever a notebook, a figure or a page shows passes through here: numbers get the same digits everywhere, and names
that come from data lose what could break a picture or a page.
"""

from __future__ import annotations

from html import escape
from math import floor, isinf, isnan, log10
from typing import Any
from unicodedata import category

LONGEST = 60
ABSENT = "–"


def plain(text: Any) -> str:
    """One line of printable text: no control characters, no direction marks, single spaces."""
    return " ".join("".join(map(_printable, str(text))).split())


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    if character.isspace():
        return " "
    # Format characters (Cf) go: among them are the marks that turn the reading direction, and with one of those a
    # service name could make the rest of a line, with our numbers in it, read backwards. A control character or
    # half of a surrogate pair stays visible as a gap.
    return "" if category(character) == "Cf" else "\ufffd"


def clip(text: Any, longest: int = LONGEST) -> str:
    """``plain(text)``, cut visibly with … when it is longer than ``longest`` characters."""
    # Ten kilobytes of one name need not be cleaned to show sixty characters of it.
    line = plain(str(text)[: 20 * longest])
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"


def safe(text: Any, longest: int = LONGEST) -> str:
    """Text from data as HTML: clipped, escaped, and isolated so that its direction stays its own."""
    return f"<bdi>{escape(clip(text, longest))}</bdi>"


def sentence_start(words: str) -> str:
    """The words with a capital first letter, and nothing else changed."""
    return words[:1].upper() + words[1:]


def number(value: float) -> str:
    """A number with the digits a reader can use: 1.62, 12.3, 1,234, 0.0121; – for none, ∞ for no bound."""
    if isnan(value):
        return ABSENT
    if isinf(value):
        return "∞" if value > 0 else "−∞"
    size = abs(value)
    if size == 0:
        return "0"
    decimals = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 0.1 else 1 - floor(log10(size))
    return f"{value:,.{decimals}f}".replace("-", "−")


def count(value: float | None) -> str:
    """A whole number with thousands separated; in published records one that is suppressed is None."""
    return "suppressed" if value is None else f"{int(value):,}".replace("-", "−")


def percent(share: float) -> str:
    """A share as a percentage: 0.4%, 3.2%, 62%."""
    if isnan(share):
        return ABSENT
    decimals = 0 if share == 0 or abs(share) >= 0.1 else 1
    return f"{100 * share:.{decimals}f}%".replace("-", "−")


def limits(low: float, high: float) -> str:
    """Two limits as a range; in words where a minus sign would run into the dash."""
    return f"{number(low)} to {number(high)}" if low < 0 else f"{number(low)}–{number(high)}"
