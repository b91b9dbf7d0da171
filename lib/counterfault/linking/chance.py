"""How many links coincidence alone would make: deployments moved in time, tied by the same rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import ibis

from counterfault.linking.rules import LastDeployment, Recorded, Tables

WEEK = 7 * 24 * 3600  # seconds


def expected_by_chance(
    rule: Callable[[Tables], Any], tables: Tables, start: datetime, end: datetime, window_hours: float
) -> float | None:
    """Links of a rule on deployments moved by whole weeks, averaged over the moves.

    None where time plays no part: people's records name their deployments, and the last-deployment rule always finds
    one. None too where the data are too short to move anything out of its window. Of recorded-then-window only the part
    by time can be coincidence, and that is what remains: no record names a moved deployment.

    Parameters
    ----------
    rule, tables : what tied the incidents, and to what.
    start, end : the deployments move round between these.
    window_hours : the rule's.
    """
    if isinstance(rule, Recorded | LastDeployment):
        return None
    weeks = shifts_for(window_hours, start, end)
    if not weeks:
        return None
    found = rule(tables._replace(deployments=shifted(tables.deployments, start, end, weeks)))
    return float(found.count().execute()) / len(weeks)


def shifted(deployments: Any, start: datetime, end: datetime, weeks: Iterable[int]) -> Any:
    """The deployments once per shift, moved by whole weeks and wrapped round the ends of the data.

    What links such deployments to incidents is coincidence. Whole weeks keep the hour of day, the weekday and, nearly,
    the trend, all of which deployments and incidents share for reasons that have nothing to do with each other.
    """
    origin, span = int(start.timestamp()), _seconds(start, end)
    copies = deployments.select("service", "deployment_id", "deployed_at", weeks=ibis.array(list(weeks)).unnest())
    moved = (copies.deployed_at.epoch_seconds().cast("int64") - origin + copies.weeks.cast("int64") * WEEK) % span
    wrapped = ((moved + span) % span + origin).as_timestamp("s").cast("timestamp('UTC')")
    return copies.select(
        "service",
        deployment_id=copies.deployment_id + " moved " + copies.weeks.cast("string") + " weeks",
        deployed_at=wrapped,
    )


def shifts_for(window_hours: float, start: datetime, end: datetime, count: int = 4) -> tuple[int, ...]:
    """Whole weeks, before and after, after which no deployment's window touches its true one.

    On a round of few weeks a move may end where it began: data of exactly eight weeks moved by eight are not moved at
    all, and every true link would be called coincidence. Such moves are left out.
    """
    span, window = _seconds(start, end), window_hours * 3600
    step = int(window // WEEK) + 1
    moves = (sign * step * number for number in range(1, count + 1) for sign in (-1, 1))
    return tuple(move for move in moves if window < (move * WEEK) % span < span - window)


def _seconds(start: datetime, end: datetime) -> int:
    return max(int((end - start).total_seconds()), 1)
