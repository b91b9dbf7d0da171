"""How many links coincidence alone would make: deployments moved in time, tied by the same rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import ibis

from counterfault.checking.rules import recorded_causes
from counterfault.linking.rules import AlongDependencies, LastDeployment, Recorded, Tables, WithinWindow

WEEK = 7 * 24 * 3600  # seconds
MOVED = " moved -?[0-9]+ weeks$"  # what a moved deployment's id ends in


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
    weeks = _weeks_to_move(rule, start, end, window_hours)
    if not weeks:
        return None
    found = rule(tables._replace(deployments=shifted(tables.deployments, start, end, weeks)))
    return float(found.count().execute()) / len(weeks)


def chance_of_a_link(
    rule: Callable[[Tables], Any], tables: Tables, start: datetime, end: datetime, window_hours: float
) -> Any | None:
    """``deployment_id``, ``chance``: share of the moves after which the rule ties a deployment to some incident.

    An Ibis table of the deployments ever tied so; for all others the chance is 0. None as in
    :func:`expected_by_chance`. Summed over deployments it is how many would count as failed by coincidence alone.
    """
    weeks = _weeks_to_move(rule, start, end, window_hours)
    if not weeks:
        return None
    # Incidents moved back meet deployments as they stand where deployments moved on would meet them, and are far fewer.
    found = rule(tables._replace(incidents=_moved_incidents(_tied_by_time(rule, tables), start, end, weeks)))
    move = found.incident_id.re_extract(MOVED, 0)
    return found.mutate(move=move).group_by("deployment_id").agg(chance=move.nunique() / float(len(weeks)))


def _tied_by_time(rule: Callable[[Tables], Any], tables: Tables) -> Any:
    """The incidents that a rule ties by time, without the record that would tie them still after they are moved."""
    incidents = tables.incidents
    if "caused_by" not in incidents.columns:
        return incidents
    if not isinstance(rule, WithinWindow | AlongDependencies):
        incidents = incidents.anti_join(recorded_causes(incidents), "incident_id")
    return incidents.drop("caused_by")


def _moved_incidents(incidents: Any, start: datetime, end: datetime, weeks: Iterable[int]) -> Any:
    """The incidents once per move, back by whole weeks and wrapped round the ends of the data."""
    copies = incidents.mutate(weeks=ibis.array(list(weeks)).unnest())
    return copies.mutate(
        incident_id=copies.incident_id + " moved " + copies.weeks.cast("string") + " weeks",
        started_at=_wrapped(copies.started_at, -copies.weeks, start, end),
    )


def _weeks_to_move(
    rule: Callable[[Tables], Any], start: datetime, end: datetime, window_hours: float
) -> tuple[int, ...]:
    """No moves where time plays no part in a rule."""
    return () if isinstance(rule, Recorded | LastDeployment) else shifts_for(window_hours, start, end)


def shifted(deployments: Any, start: datetime, end: datetime, weeks: Iterable[int]) -> Any:
    """The deployments once per shift, moved by whole weeks and wrapped round the ends of the data.

    What links such deployments to incidents is coincidence. Whole weeks keep the hour of day, the weekday and, nearly,
    the trend, all of which deployments and incidents share for reasons that have nothing to do with each other.
    """
    copies = deployments.select("service", "deployment_id", "deployed_at", weeks=ibis.array(list(weeks)).unnest())
    return copies.select(
        "service",
        deployment_id=copies.deployment_id + " moved " + copies.weeks.cast("string") + " weeks",
        deployed_at=_wrapped(copies.deployed_at, copies.weeks, start, end),
    )


def _wrapped(moment: Any, weeks: Any, start: datetime, end: datetime) -> Any:
    """A moment moved by weeks; what leaves the data at one end comes in at the other."""
    origin, span = int(start.timestamp()), _seconds(start, end)
    moved = (moment.epoch_seconds().cast("int64") - origin + weeks.cast("int64") * WEEK) % span
    return ((moved + span) % span + origin).as_timestamp("s").cast("timestamp('UTC')")


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
