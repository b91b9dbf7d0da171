"""Which incident is tied to which deployment, by which rule, and how many of the links may be coincidence."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import ibis
import pandas as pd
from ibis.util import gen_name

from counterfault.checking import Checked
from counterfault.checking.filters import LEFT_OUT
from counterfault.display import card
from counterfault.linking.chance import expected_by_chance
from counterfault.linking.rules import Tables, rule_for, rule_named
from counterfault.plan import LINK_RULES, Plan, PlanError

__all__ = ["Linked", "every_severity", "link", "study_tables"]


@dataclass(frozen=True)
class Linked:
    """The checked tables, and which incident is tied to which deployment.

    Attributes
    ----------
    checked, plan : the tables, and the promise they were linked by.
    links : Ibis table of the plan's rule, one row per link.
    start, end : first deployment and last moment of the data.
    """

    checked: Checked
    plan: Plan
    links: Any
    start: datetime
    end: datetime

    def __repr__(self) -> str:
        return f"<Linked: rule {self.plan.outcome.link}, {self.start:%Y-%m-%d} to {self.end:%Y-%m-%d}>"

    def _repr_html_(self) -> str:
        outcome = self.plan.outcome
        return card(
            "Linked incidents",
            f"{self.tied_incidents:,} of {self.incidents:,} incidents are tied to at least one deployment.",
            facts={
                "rule": outcome.link.replace("_", " "),
                "window": f"{outcome.window_hours:g} hours",
                "data from": f"{self.start:%Y-%m-%d}",
                "to": f"{self.end:%Y-%m-%d}",
            },
            then=("counted = cf.count(linked, plan)", "showing.tell_links(linked, plan)"),
        )

    @cached_property
    def by_rule(self) -> pd.DataFrame:
        """One row per rule: ``rule``, ``links``, ``incidents``, ``deployments``, ``expected_by_chance``.

        Counted when first asked for: a simulation that links a thousand worlds by one rule need not wait for the rest.
        """
        tables = study_tables(self.checked, self.plan)
        rules = [name for name in LINK_RULES if name != "dependency" or tables.dependencies is not None]
        return pd.DataFrame([_count_links(name, tables, self) for name in rules])

    @cached_property
    def incidents(self) -> int:
        """How many incidents the rules could tie: not left out by the plan, and severe enough for it."""
        return int(study_tables(self.checked, self.plan).incidents.count().execute())

    @cached_property
    def tied_incidents(self) -> int:
        """How many incidents the plan's rule tied to at least one deployment."""
        return int(self.links.incident_id.nunique().execute())


def link(checked: Checked, plan: Plan) -> Linked:
    """Ties incidents to deployments by the plan's rule; what the other rules would tie is counted on request.

    Parameters
    ----------
    checked : tables that passed the contract.
    plan : its ``outcome`` names the rule, the window and the hops.

    Raises
    ------
    PlanError : the plan counts incidents by severity, and they have none.

    Examples
    --------
    >>> linked = cf.link(checked, plan)
    >>> side_by_side = linked.by_rule  # what every rule would tie, and how much of it by chance
    >>> counted = cf.count(linked, plan)
    """
    tables = study_tables(checked, plan)
    start, end = _span(checked)
    links = rule_for(plan.outcome)(tables)
    if checked.engine.name == "duckdb":
        # A name of its own: two plans may link the same tables, and the first must keep its links.
        links = checked.engine.create_table(gen_name("links"), links, temp=True)
    return Linked(checked, plan, links, start, end)


def study_tables(checked: Checked, plan: Plan) -> Tables:
    """The rows the plan speaks of, as the rules read them: what it leaves out can neither cause nor suffer anything.

    Raises
    ------
    PlanError : the plan counts incidents by severity, and they have none.
    """
    incidents = _incidents(checked)
    if plan.outcome.severity_at_most is not None:
        if "severity" not in incidents.columns:
            raise PlanError(
                f"outcome.severity_at_most is {plan.outcome.severity_at_most}, but the incidents have no "
                f"column 'severity'"
            )
        incidents = incidents.filter(incidents.severity <= plan.outcome.severity_at_most)
    dependencies = _within_plan(checked.tables["dependencies"]) if "dependencies" in checked.tables else None
    return Tables(incidents, _within_plan(checked.tables["deployments"]), dependencies)


def every_severity(checked: Checked, plan: Plan) -> Tables:
    """As :func:`study_tables`, with the incidents too mild for the plan: those too are repaired in haste."""
    anything = plan.model_copy(update={"outcome": plan.outcome.model_copy(update={"severity_at_most": None})})
    return study_tables(checked, anything)


def _incidents(checked: Checked) -> Any:
    incidents = _within_plan(checked.tables["incidents"])
    return incidents if "service" in incidents.columns else incidents.mutate(service=ibis.null("string"))


def _within_plan(table: Any) -> Any:
    return table.filter(table[LEFT_OUT].isnull())


def _span(checked: Checked) -> tuple[datetime, datetime]:
    """First deployment, last row of either table.

    Rows the plan leaves out count here: a bot's deployment says nothing about AI, but it does say that somebody was
    still watching.
    """
    deployed = checked.tables["deployments"].deployed_at
    started = checked.tables["incidents"].started_at
    ends = checked.tables["deployments"].aggregate(first=deployed.min(), last=deployed.max()).execute().iloc[0]
    last = checked.tables["incidents"].aggregate(last=started.max()).execute()["last"].iloc[0]
    latest = ends["last"] if pd.isna(last) else max(ends["last"], last)
    return ends["first"].to_pydatetime(), latest.to_pydatetime()


def _count_links(name: str, tables: Tables, linked: Linked) -> dict[str, Any]:
    outcome = linked.plan.outcome
    rule = rule_named(name, outcome)
    links = rule(tables)
    counts = links.aggregate(
        links=links.count(), incidents=links.incident_id.nunique(), deployments=links.deployment_id.nunique()
    )
    return {
        "rule": name,
        **{key: int(value) for key, value in counts.execute().iloc[0].items()},
        "expected_by_chance": expected_by_chance(rule, tables, linked.start, linked.end, outcome.window_hours),
    }
