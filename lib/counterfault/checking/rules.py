"""The rules a row must keep, made from the contract: in words, as a condition, with the value at fault."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import ibis

from counterfault.checking.casting import TIME, ZONE, joined, text_of
from counterfault.contracts import INCIDENTS, Column, Kind, Table

BROKEN, VALUE = "counterfault_broken", "counterfault_value"
EARLIEST = datetime.fromisoformat("2000-01-01T00:00:00+00:00")


def column_rules(
    contract: Table, column: Column, source: Any, typed: Any, named: dict[str, Any], now: datetime
) -> list[tuple[str, Any, Any]]:
    """(rule in words, condition under which a row breaks it, the offending value) for one column."""
    name = column.name
    shown = ibis.literal(f"{name} = ") + source.cast("string").fill_null("(empty)").substr(0, 80)
    rules: list[tuple[str, Any, Any]] = []
    given = text_of(source).notnull()
    service_may_be_empty = contract is INCIDENTS and name == "service" and "caused_by" in named
    if column.required and name != "assistance" and not service_may_be_empty:
        rules.append((f"{name} is empty", ~given, shown))
    if service_may_be_empty:
        nowhere = ~given & text_of(named["caused_by"]).isnull()
        rules.append(("neither service nor caused_by is given", nowhere, shown))
    if column.allowed:
        listed = ", ".join(column.allowed)
        rules.append((f"{name} is not one of {listed}", typed.notnull() & typed.notin(column.allowed), shown))
    elif column.kind is Kind.TIME and source.type().is_string():
        zoned = source.strip().re_search(ZONE)
        rules.append((f"{name} has no time zone", given & typed.isnull() & ~zoned, shown))
        rules.append((f"{name} is not a time", given & typed.isnull() & zoned, shown))
    elif column.kind is not Kind.TEXT:
        rules.append((f"{name} is not a {column.kind.value}", given & typed.isnull(), shown))
    if column.kind is Kind.TIME:
        rules.append((f"{name} is before the year 2000", typed < ibis.literal(EARLIEST, TIME), shown))
        rules.append((f"{name} is in the future", typed > ibis.literal(now + timedelta(days=1), TIME), shown))
    if column.low is not None:
        rules.append((f"{name} is below {column.low:g}", typed < column.low, shown))
    if column.high is not None:
        rules.append((f"{name} is above {column.high:g}", typed > column.high, shown))
    return rules


def table_rules(contract: Table, columns: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    if contract is INCIDENTS and "resolved_at" in columns:
        ended, began = columns["resolved_at"], columns["started_at"]
        return [
            ("resolved_at is before started_at", ended < began, ibis.literal("resolved_at = ") + ended.cast("string"))
        ]
    return []


def judge_recorded_causes(judged: dict[str, Any]) -> dict[str, Any]:
    """An incident that began before the deployment recorded as its cause breaks a rule of its own."""
    incidents, deployments = judged.get("incidents"), judged.get("deployments")
    if incidents is None or deployments is None or "caused_by" not in incidents.columns:
        return judged
    named = recorded_causes(incidents)
    later = named.join(
        deployments.select("deployment_id", "deployed_at"),
        [named.deployment_id == deployments.deployment_id, named.started_at < deployments.deployed_at],
    )
    first = later.group_by("incident_id").agg(culprit=later.deployment_id.min())
    rule = "started_at is before the deployment recorded in caused_by"
    suspects = incidents.left_join(first, "incident_id").drop("incident_id_right")
    too_late = suspects.culprit.notnull()
    marked = suspects.mutate(
        **{
            BROKEN: joined([(suspects[BROKEN], suspects[BROKEN].notnull()), (ibis.literal(rule), too_late)]),
            VALUE: joined(
                [
                    (suspects[VALUE], suspects[VALUE].notnull()),
                    (ibis.literal("caused_by = ") + suspects.culprit, too_late),
                ]
            ),
        }
    ).drop("culprit")
    return {**judged, "incidents": marked}


def recorded_causes(incidents: Any) -> Any:
    """incident_id, started_at, deployment_id: one row for each deployment an incident's record names."""
    causes = incidents.filter(incidents.caused_by.notnull()).select(
        "incident_id", "started_at", deployment_id=lambda table: table.caused_by.split(";").unnest()
    )
    causes = causes.mutate(deployment_id=causes.deployment_id.strip())
    return causes.filter(causes.deployment_id != "").distinct()
