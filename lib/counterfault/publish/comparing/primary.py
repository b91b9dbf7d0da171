"""Why an interval is read otherwise: did its point move, or its width, or only both together?

The call is read from where the primary interval lies among 1, the ratio worth acting on, and its mirror image. Each
interval is taken apart into a point and two arms, on the logarithmic scale; then the parts are exchanged.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, isfinite, log
from typing import Any

from counterfault.estimate import Estimate
from counterfault.figures.wording import number

# Read off a second interval at another level, which a record does not hold.
FROM_ANOTHER_INTERVAL = "no_material_difference"


@dataclass(frozen=True)
class Exchange:
    """Where the interval lies before and after, and where it would lie with one half of it exchanged.

    Attributes
    ----------
    before, after : as they were.
    point_alone : the later point with the earlier arms.
    width_alone : the earlier point with the later arms.
    """

    before: str
    after: str
    point_alone: str
    width_alone: str

    @property
    def sentence(self) -> str:
        """What the exchange shows, in a sentence; empty where the interval is read as before."""
        if self.before == self.after:
            return ""
        point, width = self.point_alone == self.after, self.width_alone == self.after
        if point and width:
            return (
                "Either change would have been enough: the new point with the old width, and the old point with the "
                "new width."
            )
        if point:
            return (
                "The point did it: the new point with the old width lies there too, and the old point with the new "
                "width does not."
            )
        if width:
            return (
                "The width did it: the old point with the new width lies there too, and the new point with the old "
                "width does not."
            )
        return "It took both: neither the new point with the old width nor the old point with the new width lies there."

    def plain(self) -> dict[str, Any]:
        """In plain values, for JSON."""
        return {
            "before": self.before,
            "after": self.after,
            "new_point_old_width": self.point_alone,
            "old_point_new_width": self.width_alone,
        }


def exchange(before: Estimate, after: Estimate, worth_acting_on: float) -> Exchange | None:
    """The two intervals taken apart and put together crosswise.

    Parameters
    ----------
    before, after : ratios, at one level.
    worth_acting_on : the line both are read against.

    Returns
    -------
    None where an interval cannot be taken apart (a limit at 0 or infinity, no value) or the two are not of one kind.
    """
    if before.estimand is not after.estimand or before.interval.level != after.interval.level:
        return None
    if not (_whole(before) and _whole(after)):
        return None
    old, new = _parts(before), _parts(after)
    return Exchange(
        before=place(before.interval.low, before.interval.high, worth_acting_on),
        after=place(after.interval.low, after.interval.high, worth_acting_on),
        point_alone=_joined(new[0], old[1:], worth_acting_on),
        width_alone=_joined(old[0], new[1:], worth_acting_on),
    )


def place(low: float, high: float, worth_acting_on: float) -> str:
    """Where an interval lies, as the verdict reads it."""
    d = worth_acting_on
    if low > d:
        return f"above {number(d)}"
    if high < 1 / d:
        return f"below {number(1 / d)}"
    if low > 1:
        return f"above 1, and not above {number(d)}"
    if high < 1:
        return f"below 1, and not below {number(1 / d)}"
    return "on both sides of 1"


def _whole(estimate: Estimate) -> bool:
    ends = estimate.interval.low, estimate.value, estimate.interval.high
    return estimate.estimand.is_ratio and all(isfinite(end) and end > 0 for end in ends)


def _parts(estimate: Estimate) -> tuple[float, float, float]:
    """Point and both arms on the logarithmic scale; the arms need not be equally long."""
    point = log(estimate.value)
    return point, point - log(estimate.interval.low), log(estimate.interval.high) - point


def _joined(point: float, arms: tuple[float, ...], worth_acting_on: float) -> str:
    return place(exp(point - arms[0]), exp(point + arms[1]), worth_acting_on)
