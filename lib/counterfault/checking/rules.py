"""The rules a row must keep, made from the contract: in words, as a condition, with the value at fault."""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from datetime import datetime, timedelta
from typing import Any

import ibis

from counterfault.checking.casting import TIME, given_text, is_given, joined, text_of, without_zone
from counterfault.checking.filters import LEFT_OUT
from counterfault.contracts import INCIDENTS, Column, Kind, Table
from counterfault.plan import Mapping

BROKEN, VALUE = "counterfault_broken", "counterfault_value"
SHOWN = 80  # characters of an offending value
EXAMPLE = "2026-03-01T09:00:00Z"
EARLIEST = datetime.fromisoformat("2000-01-01T00:00:00+00:00")


Rule = tuple[str, Any, Any]  # in words, the condition under which a row breaks it, the offending value


def column_rules(
    contract: Table, column: Column, source: Any, typed: Any, named: dict[str, Any], mapping: Mapping, now: datetime
) -> list[Rule]:
    """The rules of one column."""
    name = column.name
    shown = ibis.literal(f"{name} = ") + source.cast("string").fill_null("(empty)").substr(0, SHOWN)
    given = is_given(given_text(source, column))
    rules = [*_presence(contract, column, given, named), *_understood(column, source, given, typed, mapping)]
    if column.kind is Kind.TIME:
        rules.append((f"{name} is before the year 2000", typed < ibis.literal(EARLIEST, TIME)))
        rules.append((f"{name} is in the future", typed > ibis.literal(now + timedelta(days=1), TIME)))
    if column.low is not None:
        rules.append((f"{name} is below {column.low:g}", typed < column.low))
    if column.high is not None:
        rules.append((f"{name} is above {column.high:g}", typed > column.high))
    return [(rule, condition, shown) for rule, condition in rules]


def _presence(contract: Table, column: Column, given: Any, named: dict[str, Any]) -> list[tuple[str, Any]]:
    if contract is INCIDENTS and column.name == "service" and "caused_by" in named:
        return [("neither service nor caused_by is given", ~given & text_of(named["caused_by"]).isnull())]
    # No label is a label: unknown.
    if column.required and column.name != "assistance":
        return [(f"{column.name} is empty", ~given)]
    return []


def _understood(column: Column, source: Any, given: Any, typed: Any, mapping: Mapping) -> list[tuple[str, Any]]:
    name, lost = column.name, given & typed.isnull()
    if column.allowed:
        listed = ", ".join(column.allowed)
        return [(f"{name} is not one of {listed}", typed.notnull() & typed.notin(column.allowed))]
    if column.kind is Kind.TEXT or _cannot_be_lost(column, source.type()):
        return []
    if column.kind is not Kind.TIME:
        fault = "is neither yes nor no" if column.kind is Kind.YES_NO else f"is not a {column.kind.value}"
        return [(f"{name} {fault}", lost)]
    if mapping.timezone or not source.type().is_string():
        return [(f"{name} is not a time such as {EXAMPLE}", lost)]
    naive = without_zone(given_text(source, column)).notnull()
    return [(f"{name} has no time zone", lost & naive), (f"{name} is not a time such as {EXAMPLE}", lost & ~naive)]


def _cannot_be_lost(column: Column, given: Any) -> bool:
    """Where the source's own type is the contract's, every value is understood, and a rule would only cost time."""
    if column.kind is Kind.YES_NO:
        return bool(given.is_boolean())
    if column.kind is Kind.TIME:
        return bool(given.is_timestamp() and given.timezone is not None)
    return bool(given.is_signed_integer())


def table_rules(contract: Table, columns: dict[str, Any]) -> list[Rule]:
    """The rules that look at several columns of a row."""
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
    # Where a deployment is reported several times, its first report is when it happened.
    reported = deployments.filter(deployments[BROKEN].isnull()).group_by("deployment_id")
    first = reported.agg(deployed_at=deployments.deployed_at.min())
    named = recorded_causes(incidents)
    later = named.join(first, [named.deployment_id == first.deployment_id, named.started_at < first.deployed_at])
    culprits = later.group_by("incident_id", "started_at").agg(culprit=later.deployment_id.min())
    suspects = incidents.left_join(culprits, ["incident_id", "started_at"])
    suspects = suspects.select(*incidents.columns, "culprit")
    return {**judged, "incidents": _marked(suspects).drop("culprit")}


def _marked(suspects: Any) -> Any:
    rule, too_late = "started_at is before the deployment recorded in caused_by", suspects.culprit.notnull()
    added = {BROKEN: ibis.literal(rule), VALUE: ibis.literal("caused_by = ") + suspects.culprit}
    return suspects.mutate(
        **{
            name: joined([(suspects[name], suspects[name].notnull()), (text, too_late)]).nullif("")
            for name, text in added.items()
        }
    )


def recorded_causes(incidents: Any) -> Any:
    """incident_id, started_at, deployment_id: one row for each deployment an incident's record names."""
    causes = incidents.filter(incidents.caused_by.notnull()).select(
        "incident_id", "started_at", deployment_id=lambda table: table.caused_by.split(";").unnest()
    )
    causes = causes.mutate(deployment_id=causes.deployment_id.strip())
    return causes.filter(causes.deployment_id != "").distinct()


def cause_notes(tables: MappingOf[str, Any]) -> tuple[str, ...]:
    """Recorded causes that no deployment answers to tie nothing; identifiers written in two ways look like that."""
    incidents, deployments = tables.get("incidents"), tables["deployments"]
    if incidents is None or "caused_by" not in incidents.columns:
        return ()
    named = recorded_causes(incidents.filter(incidents[LEFT_OUT].isnull()))
    lost = named.anti_join(deployments, "deployment_id")
    counts = lost.aggregate(lost=lost.count(), example=lost.deployment_id.min()).execute().iloc[0]
    if not counts["lost"]:
        return ()
    return (
        f"incidents: caused_by names a deployment that is not among the accepted ones in {counts['lost']:,} of "
        f"{named.count().execute():,} places (e.g. {counts['example']}); nothing is tied there",
    )
