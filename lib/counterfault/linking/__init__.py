"""Which incident is tied to which deployment, by which rule, and how many of the links may be coincidence."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import ibis
import pandas as pd

from counterfault.checking import Checked
from counterfault.checking.filters import LEFT_OUT
from counterfault.linking.chance import expected_by_chance, shifts_for
from counterfault.linking.rules import Tables, rule_for, rule_named
from counterfault.plan import LINK_RULES, Plan, PlanError

__all__ = ["Linked", "link", "study_tables"]


@dataclass(frozen=True)
class Linked:
    """The checked tables, and which incident is tied to which deployment.

    Attributes
    ----------
    checked : the tables.
    links : Ibis table of the plan's rule, one row per link.
    by_rule : one row per rule: ``rule``, ``links``, ``incidents``, ``deployments``, ``expected_by_chance``.
    start, end : first and last moment of the data.
    """

    checked: Checked
    links: Any
    by_rule: pd.DataFrame
    start: datetime
    end: datetime


def link(checked: Checked, plan: Plan) -> Linked:
    """Ties incidents to deployments by the plan's rule, and counts what the other rules would have tied.

    Parameters
    ----------
    checked : tables that passed the contract.
    plan : its ``outcome`` names the rule, the window and the hops.
    """
    tables = study_tables(checked, plan)
    start, end = _span(tables)
    links = rule_for(plan.outcome)(tables)
    if checked.engine.name == "duckdb":
        links = checked.engine.create_table("links", links, temp=True, overwrite=True)
    return Linked(checked, links, _compare_rules(tables, plan, start, end), start, end)


def study_tables(checked: Checked, plan: Plan) -> Tables:
    incidents = checked.tables["incidents"]
    incidents = incidents.filter(incidents[LEFT_OUT].isnull())
    if "service" not in incidents.columns:
        incidents = incidents.mutate(service=ibis.null("string"))
    if plan.outcome.severity_at_most is not None:
        if "severity" not in incidents.columns:
            raise PlanError(
                f"outcome.severity_at_most is {plan.outcome.severity_at_most}, but the incidents have no "
                f"column 'severity'"
            )
        incidents = incidents.filter(incidents.severity <= plan.outcome.severity_at_most)
    return Tables(incidents, checked.tables["deployments"], checked.tables.get("dependencies"))


def _span(tables: Tables) -> tuple[datetime, datetime]:
    deployed, started = tables.deployments.deployed_at, tables.incidents.started_at
    ends = tables.deployments.aggregate(first=deployed.min(), last=deployed.max()).execute().iloc[0]
    last = tables.incidents.aggregate(last=started.max()).execute()["last"].iloc[0]
    latest = ends["last"] if pd.isna(last) else max(ends["last"], last)
    return ends["first"].to_pydatetime(), latest.to_pydatetime()


def _compare_rules(tables: Tables, plan: Plan, start: datetime, end: datetime) -> pd.DataFrame:
    deployments = tables.deployments.filter(tables.deployments[LEFT_OUT].isnull())
    within = tables._replace(deployments=deployments)
    rules = [name for name in LINK_RULES if name != "dependency" or tables.dependencies is not None]
    return pd.DataFrame([_count_links(name, within, plan, start, end) for name in rules])


def _count_links(name: str, tables: Tables, plan: Plan, start: datetime, end: datetime) -> dict[str, Any]:
    rule = rule_named(name, plan.outcome)
    links = rule(tables)
    counts = links.aggregate(
        links=links.count(), incidents=links.incident_id.nunique(), deployments=links.deployment_id.nunique()
    )
    return {
        "rule": name,
        **{key: int(value) for key, value in counts.execute().iloc[0].items()},
        "expected_by_chance": expected_by_chance(rule, tables, start, end, shifts_for(plan.outcome.window_hours)),
    }
