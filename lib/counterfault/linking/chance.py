"""How many links coincidence alone would make: deployments moved in time, tied by the same rule."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import ibis

from counterfault.linking.rules import LastDeployment, Recorded, Rule, Tables


def expected_by_chance(
    rule: Rule, tables: Tables, start: datetime, end: datetime, weeks: tuple[int, ...]
) -> float | None:
    """Links of a rule on deployments moved by whole weeks, averaged over the moves.

    None where time plays no part: people's records name their deployments, and the last-deployment rule always finds
    one. Of recorded-then-window only the part by time can be coincidence, and that is what remains: no record names
    a moved deployment.
    """
    if isinstance(rule, Recorded | LastDeployment):
        return None
    found = rule(tables._replace(deployments=shifted(tables.deployments, start, end, weeks)))
    return float(found.count().execute()) / len(weeks)


def shifted(deployments: Any, start: datetime, end: datetime, weeks: Iterable[int]) -> Any:
    """The deployments once per shift, moved by whole weeks and wrapped round the ends of the data.

    What links such deployments to incidents is coincidence. Whole weeks keep the hour of day, the weekday and, nearly,
    the trend, all of which deployments and incidents share for reasons that have nothing to do with each other.
    """
    origin, span = int(start.timestamp()), max(int((end - start).total_seconds()), 1)
    copies = []
    for shift in weeks:
        moved = (deployments.deployed_at.epoch_seconds().cast("int64") - origin + shift * 7 * 86400) % span
        wrapped = ((moved + span) % span + origin).as_timestamp("s").cast("timestamp('UTC')")
        copies.append(
            deployments.select(
                "service",
                deployment_id=deployments.deployment_id + f" moved {shift} weeks",
                deployed_at=wrapped,
            )
        )
    return ibis.union(*copies) if len(copies) > 1 else copies[0]


def shifts_for(window_hours: float, count: int = 4) -> tuple[int, ...]:
    """Whole weeks, before and after, far enough that no shifted window touches the true one."""
    step = int(window_hours // (7 * 24)) + 1
    return tuple(sign * step * number for number in range(1, count + 1) for sign in (-1, 1))
