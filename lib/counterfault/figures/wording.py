"""Numbers and findings in words, and foreign text made fit to print.

Every string a figure or a page shows passes through here: numbers get the same digits everywhere,
findings the same sentences, and names that come from data lose what could break a picture or a page.
"""

from __future__ import annotations

from html import escape
from math import floor, inf, isinf, isnan, log10
from typing import Any
from unicodedata import category

from counterfault.estimate import Estimate

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


def count(value: float) -> str:
    """A whole number with thousands separated."""
    return f"{int(value):,}".replace("-", "−")


def percent(share: float) -> str:
    """A share as a percentage: 0.4%, 3.2%, 62%."""
    if isnan(share):
        return ABSENT
    decimals = 0 if share == 0 or abs(share) >= 0.1 else 1
    return f"{100 * share:.{decimals}f}%".replace("-", "−")


def limits(low: float, high: float) -> str:
    """Two limits as a range; in words where a minus sign would run into the dash."""
    return f"{number(low)} to {number(high)}" if low < 0 else f"{number(low)}–{number(high)}"


def value_and_limits(estimate: Estimate) -> str:
    """``1.62 (1.31–2.00)``, or that there is no value."""
    if not estimate.estimable:
        return "not estimable"
    return f"{number(estimate.value)} ({limits(estimate.interval.low, estimate.interval.high)})"


def reason(estimate: Estimate) -> str:
    """Why an estimate has no value, in its own words."""
    return clip(estimate.caveats[0].rstrip("."), 200) if estimate.caveats else "the method gave no reason"


def finding(estimate: Estimate, worth_acting_on: float | None = None) -> str:
    """The estimate and where its interval lies, as half a sentence computed from the limits.

    For example ``1.62 (95% interval 1.31–2.00): above 1 and above 1.25``.
    """
    if not estimate.estimable:
        return f"not estimable: {reason(estimate)}"
    interval = estimate.interval
    return (
        f"{number(estimate.value)} ({percent(interval.level)} interval {limits(interval.low, interval.high)}): "
        f"{_place(estimate, worth_acting_on)}"
    )


def _place(estimate: Estimate, worth_acting_on: float | None) -> str:
    low, high, null = estimate.interval.low, estimate.interval.high, estimate.estimand.null
    if low > null:
        return f"above {null:g}" + _beyond("above", low, worth_acting_on, high)
    if high < null:
        upside_down = None if worth_acting_on is None else 1 / worth_acting_on
        return f"below {null:g}" + _beyond("below", low, upside_down, high)
    return f"includes {null:g}" + _other_lines_inside(low, high, worth_acting_on)


def _beyond(side: str, low: float, line: float | None, high: float) -> str:
    if line is None:
        return ""
    if low > line if side == "above" else high < line:
        return f" and {side} {number(line)}"
    return f"; {'includes' if low <= line <= high else 'does not reach'} {number(line)}"


def _other_lines_inside(low: float, high: float, worth_acting_on: float | None) -> str:
    if worth_acting_on is None:
        return ""
    inside = [number(line) for line in (1 / worth_acting_on, worth_acting_on) if low <= line <= high]
    if inside:
        return " and also " + " and ".join(inside)
    return f"; lies within {limits(1 / worth_acting_on, worth_acting_on)}"


def unbounded(estimate: Estimate) -> tuple[bool, bool]:
    """Whether the data leave the lower and the upper side open (for ratios, 0 is as open as −∞)."""
    interval = estimate.interval
    open_below = interval.low == -inf or (estimate.estimand.is_ratio and interval.low <= 0)
    return open_below, interval.high == inf
