"""One thing that two records say differently, and how sure it is that something did not change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from counterfault.figures.wording import clip, count, day_words

LONGEST_VALUE = 120


class Sameness(Enum):
    """Whether something is the same in both runs, as far as their records show."""

    SAME = "the same"
    OTHER = "another"
    UNKNOWN = "not shown by the records"


@dataclass(frozen=True)
class Change:
    """A named value before and after; None where a record does not hold it.

    Attributes
    ----------
    what : the value's name, for example ``outcome.window_hours``.
    before, after : plain values of the records.
    meaning : what a change of this value means, where that is known; may be empty.
    """

    what: str
    before: Any
    after: Any
    meaning: str = ""

    def plain(self) -> dict[str, Any]:
        """The change in plain values, for JSON."""
        return {"what": self.what, "before": self.before, "after": self.after} | (
            {"meaning": self.meaning} if self.meaning else {}
        )

    def __str__(self) -> str:
        more = f" ({self.difference})" if self.difference else ""
        return f"{self.what}: {told(self.before)} → {told(self.after)}{more}"

    @property
    def difference(self) -> str:
        """``812 more`` or ``3 fewer`` where both values are whole numbers, else nothing."""
        if not (is_count(self.before) and is_count(self.after)) or self.before == self.after:
            return ""
        return f"{count(abs(self.after - self.before))} {'more' if self.after > self.before else 'fewer'}"


def changes(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    *,
    called: str = "",
    meaning: Callable[[str, Any, Any], str] | None = None,
) -> tuple[Change, ...]:
    """What differs between two flat mappings, in the order of the later one, then what only the earlier one has.

    Parameters
    ----------
    before, after : name → value; a missing name counts as None.
    called : put before each name.
    meaning : told the name and both values, says what the change means.
    """
    names = [*after, *(name for name in before if name not in after)]
    found = []
    for name in names:
        old, new = before.get(name), after.get(name)
        if old != new:
            found.append(Change(called + name, old, new, meaning(name, old, new) if meaning else ""))
    return tuple(found)


def flat(value: Mapping[str, Any], name: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf of nested mappings under its dotted name; a list is a leaf."""
    for key, each in value.items():
        full = f"{name}.{key}" if name else str(key)
        if isinstance(each, Mapping):
            yield from flat(each, full)
        else:
            yield full, each


def told(value: Any) -> str:
    """A value as a sentence would say it, with text from data clipped and made printable."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        # Not rounded to the digits of an estimate: 6 hours of a plan are not 6.00.
        return f"{value:,.6g}".replace("-", "−") if isinstance(value, float) else count(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return clip(listed([str(each) for each in value]) or "none", LONGEST_VALUE)
    return moment(value) or clip(value, LONGEST_VALUE) or "nothing"


def when(value: Any) -> datetime | None:
    """The moment an ISO time with its zone names, or None."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found.astimezone(UTC) if found is not None and found.tzinfo else None


def moment(value: Any) -> str:
    """An ISO time as a reader says it, ``30 Jun 2026, 22:53 UTC``; nothing where the value is none."""
    found = when(value)
    return f"{day_words(found)}, {found:%H:%M} UTC" if found else ""


def is_count(value: Any) -> bool:
    """Whether a value is a whole number; in a published record a small count may be a word instead."""
    return isinstance(value, int) and not isinstance(value, bool)


def listed(words: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return ", ".join(words[:-1]) + " and " + words[-1] if len(words) > 1 else "".join(words)


def counted(n: int, noun: str) -> str:
    """A number with its noun, in the plural where it is not one."""
    return f"{count(n)} {noun}" + ("" if n == 1 else "s")
