"""Service time split into risk states, and referent sets, counted one minute and one moment at a time.

Slow and obvious on purpose: this is what the fast counting is judged by.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

import pandas as pd

from counterfault.panels import ReferentSets, RiskTime

Deployment = tuple[str, datetime, str]  # service, when, "ai" or "human"
Incident = tuple[str, datetime]  # service, when it began

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
WEEK = timedelta(weeks=1)


def risk_time_by_hand(
    deployments: list[Deployment],
    incidents: list[Incident],
    start: datetime,
    end: datetime,
    cuts: tuple[float, ...],
    before_hours: float,
    band_of: Callable[[datetime], str],
    block_of: Callable[[datetime], str],
    step: timedelta = MINUTE,
    alone: bool = False,
) -> RiskTime:
    """Every service that ships or fails, watched from ``start`` up to but not including ``end``.

    The state of a step is that of its first instant, so deployments, incidents, cuts, ``start``, bands and blocks must
    all fall on whole steps; then it is the state of every instant of the step. Deployments before ``start`` and after
    ``end`` count for states, incidents outside do not count. With ``alone``, steps in the first period of more than one
    deployment are left out.
    """
    _require_whole_steps([when for _, when, _ in deployments] + [when for _, when in incidents], start, step)
    hours: Counter[tuple] = Counter()
    began: Counter[tuple] = Counter()
    for service in _services(deployments, incidents):
        shipped = {
            "ai": [when for name, when, kind in deployments if name == service and kind == "ai"],
            "human": [when for name, when, kind in deployments if name == service and kind == "human"],
        }
        failed = Counter(when for name, when in incidents if name == service)
        moment = start
        while moment < end:
            if alone and recent(shipped["ai"] + shipped["human"], moment, cuts[1]) > 1:
                moment += step
                continue
            row = (
                service,
                block_of(moment),
                band_of(moment),
                after(shipped["ai"], moment, cuts),
                after(shipped["human"], moment, cuts),
                before(shipped["ai"], moment, before_hours),
                before(shipped["human"], moment, before_hours),
            )
            hours[row] += step / HOUR
            began[row] += failed[moment]
            moment += step
    names = ["service", "block", "band", "after_ai", "after_other", "before_ai", "before_other", "hours", "incidents"]
    rows = [(*row, hours[row], began[row]) for row in sorted(hours)]
    return RiskTime(pd.DataFrame(rows, columns=names), cuts, before_hours)


def after(shipped: list[datetime], moment: datetime, cuts: tuple[float, ...]) -> int:
    """j where the newest deployment lies at least cuts[j-1] and less than cuts[j] hours back; 0 where it lies further.

    A deployment at this very moment is one of 0 hours ago.
    """
    earlier = [when for when in shipped if when <= moment]
    if not earlier:
        return 0
    age = moment - max(earlier)
    for piece in range(1, len(cuts)):
        if timedelta(hours=cuts[piece - 1]) <= age < timedelta(hours=cuts[piece]):
            return piece
    return 0


def recent(shipped: list[datetime], moment: datetime, hours: float) -> int:
    """How many deployments lie less than ``hours`` back, one at this very moment included."""
    return sum(timedelta(0) <= moment - when < timedelta(hours=hours) for when in shipped)


def before(shipped: list[datetime], moment: datetime, before_hours: float) -> int:
    """1 where a deployment follows later than this moment and at most ``before_hours`` later."""
    return int(any(timedelta(0) < when - moment <= timedelta(hours=before_hours) for when in shipped))


def referent_sets_by_hand(
    deployments: list[Deployment],
    incidents: list[Incident],
    start: datetime,
    end: datetime,
    window_hours: float,
    alone: bool = False,
) -> ReferentSets:
    """For each incident in [start, end), its moment and those whole weeks away in the same month and in [start, end).

    A deployment counts for a moment if it happened at it or less than ``window_hours`` before. With ``alone``, moments
    with more than one such deployment are left out, and with them the sets whose incident is one.
    """
    sets: Counter[tuple] = Counter()
    for service, began in incidents:
        if not start <= began < end:
            continue
        own = [when for name, when, _ in deployments if name == service]
        if alone and recent(own, began, window_hours) > 1:
            continue
        seen: Counter[tuple[int, int]] = Counter()
        for weeks in range(-5, 6):
            moment = began + weeks * WEEK
            if (moment.year, moment.month) == (began.year, began.month) and start <= moment < end:
                if alone and recent(own, moment, window_hours) > 1:
                    continue
                seen[_just_shipped(deployments, service, moment, window_hours)] += 1
        case = _just_shipped(deployments, service, began, window_hours)
        sets[service, *case, seen[0, 0], seen[1, 0], seen[0, 1], seen[1, 1]] += 1
    names = ["service", "case_ai", "case_other", "n00", "n10", "n01", "n11", "sets"]
    rows = [(*key, sets[key]) for key in sorted(sets)]
    return ReferentSets(pd.DataFrame(rows, columns=names), window_hours)


def _just_shipped(
    deployments: list[Deployment], service: str, moment: datetime, window_hours: float
) -> tuple[int, int]:
    """Whether (AI, other) deployments of the service happened in the hours up to this moment."""
    window = timedelta(hours=window_hours)
    recent = {kind for name, when, kind in deployments if name == service and timedelta(0) <= moment - when < window}
    return int("ai" in recent), int("human" in recent)


def _services(deployments: list[Deployment], incidents: list[Incident]) -> list[str]:
    if strange := sorted({kind for *_, kind in deployments} - {"ai", "human"}):
        raise ValueError(f"deployments are by 'ai' or 'human', not by {strange}")
    return sorted({name for name, *_ in deployments} | {name for name, _ in incidents})


def _require_whole_steps(moments: list[datetime], start: datetime, step: timedelta) -> None:
    for moment in moments:
        if (moment - start) % step:
            raise ValueError(f"{moment} is not a whole number of steps of {step} from {start}")
