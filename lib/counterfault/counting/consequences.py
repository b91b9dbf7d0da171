"""What came of each deployment: how bad, how far, how soon seen and mended, at what hour."""

from __future__ import annotations

from typing import Any

import ibis

from counterfault.counting.population import ANALYSED
from counterfault.counting.service_time import HOUR
from counterfault.linking import Linked, study_tables
from counterfault.panels import Consequences
from counterfault.plan import Plan

WORST = {"severity": "min", "services_affected": "max", "users_affected": "max"}
OF_FIRST = ("hours_to_detect", "hours_to_restore", "restored", "surfaced_at_peak")


def consequences(rows: Any, linked: Linked, plan: Plan, held_fixed: tuple[str, ...] = ()) -> Consequences:
    """The deployments of the contrast, with the worst and the first of the incidents tied to each.

    Parameters
    ----------
    rows : deployments with their strata, ``assistance``, ``events`` and ``step``, as ``Counted.rows`` holds them.
    linked : the plan's links.
    plan : its strata and cluster.
    held_fixed : covariate columns to keep.
    """
    analysed = rows.filter(rows.step == ANALYSED)
    groups = list(dict.fromkeys((*plan.design.strata, plan.design.cluster, *held_fixed)))
    analysed = analysed.select(
        "deployment_id", *groups, exposed=(analysed.assistance == "ai").cast("int64"), failed=analysed.events
    )
    found = _by_deployment(linked, plan, analysed)
    joined = analysed.left_join(found, "deployment_id").drop("deployment_id_right")
    measures = [name for name in found.columns if name != "deployment_id"]
    keys = [*groups, "exposed", "failed", *measures]
    grouped = joined.group_by(keys).agg(n=joined.count())
    frame = grouped.order_by(keys).execute()
    whole = {"exposed": "int64", "failed": "int64", "n": "int64"}
    return Consequences(
        frame.astype({**whole, **dict.fromkeys(measures, "float64")}),
        plan.design.strata,
        plan.design.cluster,
        held_fixed,
    )


def _by_deployment(linked: Linked, plan: Plan, analysed: Any) -> Any:
    """One row per failed deployment: the worst of its incidents' measures, and those of the first to begin."""
    incidents = _measured(study_tables(linked.checked, plan).incidents, linked)
    tied = linked.links.select("deployment_id", "incident_id").join(incidents, "incident_id")
    ordered = ibis.window(group_by="deployment_id", order_by=["started_at", "incident_id"])
    tied = tied.mutate(place=ibis.row_number().over(ordered))
    worst = {name: getattr(tied[name], how)() for name, how in WORST.items() if name in tied.columns}
    first = {name: tied[name].max(where=tied.place == 0) for name in OF_FIRST if name in tied.columns}
    shared = _shared_incidents(linked, analysed)
    tied = tied.left_join(shared, "incident_id").drop("incident_id_right")
    return tied.group_by("deployment_id").agg(**worst, **first, shared=tied.shared.fill_null(0).max())


def _shared_incidents(linked: Linked, analysed: Any) -> Any:
    """Incidents tied to deployments of both arms: compared with itself, an incident is like itself."""
    arms = linked.links.select("deployment_id", "incident_id").join(analysed, "deployment_id")
    by_incident = arms.group_by("incident_id").agg(arms=arms.exposed.nunique())
    return by_incident.filter(by_incident.arms == 2).select("incident_id", shared=ibis.literal(1, "int64"))


def _measured(incidents: Any, linked: Linked) -> Any:
    began = incidents.started_at.epoch_seconds().cast("int64")
    measures: dict[str, Any] = {}
    if "detected_at" in incidents.columns:
        measures["hours_to_detect"] = _hours_since(incidents.detected_at, began)
    if "resolved_at" in incidents.columns:
        still_open = incidents.resolved_at.isnull()
        end = int(linked.end.timestamp())
        lasted = ibis.greatest((end - began) / HOUR, 0.0)
        measures["hours_to_restore"] = ibis.ifelse(still_open, lasted, _hours_since(incidents.resolved_at, began))
        measures["restored"] = (~still_open).cast("int64")
    if "surfaced_at_peak" in incidents.columns:
        measures["surfaced_at_peak"] = incidents.surfaced_at_peak.cast("int64")
    kept = [name for name in WORST if name in incidents.columns]
    return incidents.select("incident_id", "started_at", *kept, **measures)


def _hours_since(moment: Any, began: Any) -> Any:
    """Hours from the beginning; a clock that runs backwards says nothing."""
    hours = (moment.epoch_seconds().cast("int64") - began) / HOUR
    return ibis.ifelse(hours >= 0, hours, ibis.null("float64"))
