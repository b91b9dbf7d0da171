"""Findings in words, and a day; the words for single numbers and names come from :mod:`counterfault.display.words`.

Every string a figure or a page shows passes through here: numbers get the same digits everywhere,
findings the same sentences, and names that come from data lose what could break a picture or a page.
"""

from __future__ import annotations

from datetime import date
from math import inf

from counterfault.display.words import (
    ABSENT,
    LONGEST,
    clip,
    count,
    limits,
    number,
    percent,
    plain,
    safe,
    sentence_start,
)
from counterfault.estimate import Estimate

__all__ = [
    "ABSENT",
    "LONGEST",
    "MONTHS",
    "clip",
    "count",
    "day_words",
    "finding",
    "limits",
    "number",
    "percent",
    "plain",
    "reason",
    "safe",
    "sentence_start",
    "unbounded",
    "value_and_limits",
]


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


# Not strftime: the names of months must not follow the language of the machine.
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def day_words(day: date) -> str:
    """A day as readers write it, unbroken: 3 May 2026."""
    return f"{day.day}\u00a0{MONTHS[day.month - 1]}\u00a0{day.year}"
