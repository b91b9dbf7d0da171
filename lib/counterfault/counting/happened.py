"""How much of what an analysis uses had happened by some moment, such as the one at which its plan was frozen."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import ibis

from counterfault.counting import Counted
from counterfault.counting.population import ANALYSED
from counterfault.freezing import Happened
from counterfault.linking import Linked, study_tables


def happened_before(linked: Linked, counted: Counted, moment: datetime) -> tuple[Happened, ...]:
    """Deployments of the contrast, and incidents since the first of them, that are older than ``moment``.

    Parameters
    ----------
    linked, counted : what the earlier steps returned.
    moment : with its zone.

    Returns
    -------
    One entry for deployments and one for incidents; none where the contrast holds no deployment.
    """
    deployed = counted.rows.filter(counted.rows.step == ANALYSED).deployed_at
    used, before, first = _older(deployed, moment)
    if not used:
        return ()
    started = study_tables(linked.checked, linked.plan).incidents.started_at
    # A plan for a period still to come uses none of the incidents of the years before, though the table holds them.
    incidents, earlier, _ = _older(started, moment, since=first)
    return Happened("deployments", before, used), Happened("incidents", earlier, incidents)


def _older(times: Any, moment: datetime, since: Any = None) -> tuple[int, int, Any]:
    table = times.name("at").as_table()
    if since is not None:
        table = table.filter(table.at >= _literal(since))
    older = (table.at < _literal(moment)).cast("int64").sum().fill_null(0)
    row = table.aggregate(used=table.count(), older=older, first=table.at.min()).execute().iloc[0]
    return int(row["used"]), int(row["older"]), row["first"]


def _literal(moment: Any) -> Any:
    return ibis.literal(moment, "timestamp('UTC')")
