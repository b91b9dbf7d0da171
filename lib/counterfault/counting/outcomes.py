"""What happened after each deployment, and before it: one 0/1 column for each outcome the tables can give."""

from __future__ import annotations

from typing import Any

import ibis
import pandas as pd

from counterfault.checking.rules import recorded_causes
from counterfault.counting.covariates import is_repair
from counterfault.linking import Linked, every_severity, study_tables
from counterfault.linking.chance import chance_of_a_link
from counterfault.linking.rules import NO_CHANGE, Tables, possibly_changed, rule_for, rule_named
from counterfault.plan import Plan

OUTCOMES = {
    "events": "at least one incident tied to the deployment",
    "recorded_events": "at least one incident recorded as caused by the deployment",
    "window_events": "at least one incident of the service in the window after the deployment",
    "placebo_events": "at least one incident of the service in the window before the deployment",
    "control_events": "at least one incident with another known cause in the window after the deployment",
    "late_events": "at least one incident tied to the deployment, and its label looked up after that began",
}

CHANCE = "chance_events"  # probability that the plan's rule ties an incident to the deployment by coincidence


def with_outcomes(deployments: Any, linked: Linked, plan: Plan) -> Any:
    """One 0/1 column for each of :data:`OUTCOMES`, and whether a repair fell into an open incident."""
    tables = study_tables(linked.checked, plan)
    hit = {"events": linked.links}
    if linked.checked.has("incidents", "caused_by"):
        hit["recorded_events"] = rule_named("recorded", plan.outcome)(tables)
    hit["window_events"] = rule_named("window", plan.outcome)(tables)
    hit["placebo_events"] = _before(tables, plan)
    if "cause" in tables.incidents.columns:
        hit["control_events"] = _of_other_cause(tables, plan)
    hit["repairing"] = _open_incidents(every_severity(linked.checked, plan), plan)
    marked = deployments
    for name, links in hit.items():
        ids = links.select("deployment_id").distinct().mutate(**{name: ibis.literal(1, "int64")})
        marked = marked.left_join(ids, "deployment_id").drop("deployment_id_right")
        marked = marked.mutate(**{name: marked[name].fill_null(0)})
    return _with_chance(_with_late_labels(marked, tables, linked), tables, linked, plan)


def _with_late_labels(marked: Any, tables: Tables, linked: Linked) -> Any:
    """The column ``late_events``: failed, and its label was written after the first incident tied to it had begun, when
    most quiet changes already had theirs.

    Whoever looks into an incident also looks for AI; nobody looks into a quiet change. A failure whose incident began
    before labels usually are there says nothing of that: its label would have come afterwards in any case. Judged by
    when the incident began and not by when the label came, so that a few labels filled in much later hide nothing.
    """
    if not linked.checked.has("deployments", "label_recorded_at"):
        return marked
    deployments = linked.checked.tables["deployments"]
    delay = deployments.label_recorded_at.epoch_seconds() - deployments.deployed_at.epoch_seconds()
    written = deployments.select(
        "deployment_id", "deployed_at", written="label_recorded_at", delay=delay.cast("float64")
    )
    begun = linked.links.select("incident_id", "deployment_id").join(
        tables.incidents.select("incident_id", "started_at"), "incident_id"
    )
    first = begun.group_by("deployment_id").agg(began=begun.started_at.min())
    usual = ibis.interval(seconds=round(_usual_delay(written, linked)))
    late = written.join(first, "deployment_id").filter(
        lambda both: (both.written > both.began) & (both.began > both.deployed_at + usual)
    )
    late = late.select("deployment_id", late_events=ibis.literal(1, "int64"))
    joined = marked.left_join(late, "deployment_id").drop("deployment_id_right")
    return joined.mutate(late_events=joined.late_events.fill_null(0))


def _usual_delay(written: Any, linked: Linked) -> float:
    """Seconds within which nine in ten deployments without an incident have their label."""
    quiet = written.anti_join(linked.links, "deployment_id")
    usual = quiet.delay.quantile(0.9).execute()
    return 0.0 if pd.isna(usual) else float(usual)


def _with_chance(marked: Any, tables: Tables, linked: Linked, plan: Plan) -> Any:
    """The column :data:`CHANCE`: 0 where people name every cause, and absent where nobody knows the chance."""
    rule = rule_for(plan.outcome)
    found = chance_of_a_link(rule, tables, linked.start, linked.end, plan.outcome.window_hours)
    if found is None:
        return marked.mutate(**{CHANCE: ibis.literal(0.0, "float64")}) if rule.name == "recorded" else marked
    joined = marked.left_join(found.rename({CHANCE: "chance"}), "deployment_id").drop("deployment_id_right")
    return joined.mutate(**{CHANCE: joined[CHANCE].fill_null(0.0)})


def repairing_deployments(linked: Linked, plan: Plan) -> Any:
    """``deployment_id`` of hot-fixes and roll-backs made while an incident of their service was open."""
    tables = every_severity(linked.checked, plan)
    open_then = _open_incidents(tables, plan).select("deployment_id").distinct()
    deployments = tables.deployments
    return deployments.filter(is_repair(deployments)).select("deployment_id").semi_join(open_then, "deployment_id")


def _before(tables: Tables, plan: Plan) -> Any:
    """Deployments with an incident of their service in the window before them: what they cannot have caused."""
    suspects = possibly_changed(tables.incidents)
    window = ibis.interval(seconds=round(plan.outcome.window_hours * 3600))
    deployments = tables.deployments.select("deployment_id", "deployed_at", "service")
    return suspects.join(
        deployments,
        [
            suspects.service == deployments.service,
            suspects.started_at < deployments.deployed_at,
            deployments.deployed_at <= suspects.started_at + window,
        ],
    )


def _of_other_cause(tables: Tables, plan: Plan) -> Any:
    """Deployments with an incident in their window that people know had another cause: a negative control.

    An incident of "another cause" for which a deployment is recorded contradicts itself, and controls nothing.
    """
    incidents = tables.incidents
    if "caused_by" in incidents.columns:
        incidents = incidents.anti_join(recorded_causes(incidents), "incident_id")
    innocent = incidents.filter(incidents.cause == NO_CHANGE).drop("cause")
    return rule_named("window", plan.outcome)(tables._replace(incidents=innocent))


def _open_incidents(tables: Tables, plan: Plan) -> Any:
    """Deployments made while an incident of their service was open."""
    incidents = tables.incidents.filter(tables.incidents.service.notnull())
    presumed = incidents.started_at + ibis.interval(seconds=round(plan.outcome.incident_open_hours * 3600))
    closed = incidents.resolved_at.fill_null(presumed) if "resolved_at" in incidents.columns else presumed
    spans = incidents.select("service", opened=incidents.started_at, closed=closed)
    deployments = tables.deployments.select("deployment_id", "deployed_at", "service")
    return spans.join(
        deployments,
        [
            spans.service == deployments.service,
            spans.opened <= deployments.deployed_at,
            deployments.deployed_at <= spans.closed,
        ],
    )
