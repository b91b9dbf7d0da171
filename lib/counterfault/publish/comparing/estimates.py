"""Estimates of two runs, id by id: how far each moved, measured in its own interval."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite, isnan, log
from typing import Any

from counterfault.estimate import Estimate
from counterfault.publish.comparing.changes import Change, changes
from counterfault.publish.record import Record, estimate_of

# What a number under one id is a number of.
DESCRIBED = ("estimand", "design", "outcome", "adjustment", "level", "method")


@dataclass(frozen=True)
class EstimateChange:
    """One estimate in both runs.

    Attributes
    ----------
    id : its stable name in the results.
    before, after : None where a run does not have it.
    described : what is said about how it was made, where that changed.
    """

    id: str
    before: Estimate | None
    after: Estimate | None
    described: tuple[Change, ...] = ()

    @property
    def moved(self) -> float | None:
        """How far the value moved, up or down, in widths of its interval (the mean of both widths).

        Ratios are measured on the logarithmic scale. None where a value or a limit is missing.
        """
        if self.before is None or self.after is None or self.before.estimand is not self.after.estimand:
            return None
        spans = [_on_scale(each) for each in (self.before, self.after)]
        if any(not all(map(isfinite, span)) for span in spans):
            return None
        (low, value, high), (new_low, new_value, new_high) = spans
        width = ((high - low) + (new_high - new_low)) / 2
        if new_value == value:
            return 0.0
        return (new_value - value) / width if width > 0 else None

    @property
    def kind(self) -> str:
        """In a word or two what happened to it."""
        if self.before is None:
            return "appeared"
        if self.after is None:
            return "vanished"
        if self.before.estimable != self.after.estimable:
            return "can be estimated now" if self.after.estimable else "cannot be estimated any longer"
        return "same" if _numbers(self.before) == _numbers(self.after) else "moved"

    @property
    def sides(self) -> tuple[str, str]:
        """On which side of no difference each interval lies; empty where nothing is compared."""
        return _side(self.before), _side(self.after)

    @property
    def changed_side(self) -> bool:
        """Whether the interval left its side, or came to one."""
        before, after = self.sides
        return bool(before and after) and before != after

    def plain(self) -> dict[str, Any]:
        """In plain values, for JSON; an unbounded limit is null."""
        return {
            "id": self.id,
            "kind": self.kind,
            "before": _plain(self.before),
            "after": _plain(self.after),
            "moved_interval_widths": self.moved,
            "sides": list(self.sides),
            "described": [change.plain() for change in self.described],
        }


def estimate_changes(before: Record, after: Record) -> tuple[EstimateChange, ...]:
    """Every estimate of either run: those that moved most first, then those that cannot be measured so.

    Raises
    ------
    ValueError : an estimate is of a kind this version does not know.
    """
    old, new = _by_id(before["estimates"]), _by_id(after["estimates"])
    names = [*new, *(name for name in old if name not in new)]
    found = [_change(name, old.get(name), new.get(name)) for name in names]
    return tuple(sorted(found, key=_how_far))


def _by_id(entries: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Ids are unique; should a record repeat one, its label tells them apart and none is lost."""
    found: dict[str, Mapping[str, Any]] = {}
    for entry in entries:
        name, times = str(entry["id"]), 1
        while name in found:
            times += 1
            name = f"{entry['id']} ({times})"
        found[name] = entry
    return found


def _change(name: str, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> EstimateChange:
    described = changes(_description(old), _description(new)) if old and new else ()
    exact = tuple(Change(each.what, (old or {}).get(each.what), (new or {}).get(each.what)) for each in described)
    return EstimateChange(name, estimate_of(old) if old else None, estimate_of(new) if new else None, exact)


def _description(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Without the numbers that methods quote from the data, such as degrees of freedom."""
    told = {key: entry.get(key) for key in DESCRIBED}
    return told | {"method": re.sub(r"\d+([.,]\d+)*", "#", str(told["method"]))}


def _how_far(change: EstimateChange) -> tuple[bool, float, bool]:
    moved = change.moved
    return moved is None, -abs(moved or 0.0), change.kind == "same"


def _on_scale(estimate: Estimate) -> tuple[float, float, float]:
    ends = estimate.interval.low, estimate.value, estimate.interval.high
    if not estimate.estimand.is_ratio:
        return ends
    low, value, high = (log(end) if end > 0 else -inf for end in ends)
    return low, value, high


def _numbers(estimate: Estimate) -> tuple[float | None, ...]:
    ends = estimate.value, estimate.interval.low, estimate.interval.high
    return tuple(None if isnan(end) else end for end in ends)


def _side(estimate: Estimate | None) -> str:
    if estimate is None or not estimate.estimable or isnan(estimate.estimand.null):
        return ""
    null = estimate.estimand.null
    if estimate.interval.low > null:
        return f"above {null:g}"
    return f"below {null:g}" if estimate.interval.high < null else f"holds {null:g}"


def _plain(estimate: Estimate | None) -> dict[str, float | None] | None:
    if estimate is None:
        return None
    ends = {"value": estimate.value, "low": estimate.interval.low, "high": estimate.interval.high}
    return {name: end if isfinite(end) else None for name, end in ends.items()}
