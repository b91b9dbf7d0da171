"""From a stratum to its deployments and the incidents tied to them: the rows behind a count, without who wrote them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from counterfault.exploring.choices import Scope
from counterfault.exploring.finest import FOLLOWED, Finest
from counterfault.figures import Table
from counterfault.figures.wording import count, plain
from counterfault.linking import Linked
from counterfault.plan import Plan, PlanError

LABELS = {"ai": "AI-assisted", "human": "other"}
AT = "%Y-%m-%d %H:%M"


@dataclass(frozen=True)
class Stratum:
    """The rows behind one stratum.

    Attributes
    ----------
    name : its values, as in ``"checkout × 2026Q1"``.
    deployments : one row per deployment compared, failed ones first.
    incidents : one row per link between an incident and one of them, in order of time.
    """

    name: str
    deployments: pd.DataFrame
    incidents: pd.DataFrame

    def deployments_table(self) -> Table:
        """The deployments, failed ones first."""
        failed = int((self.deployments["incidents"] > 0).sum())
        told = f"{count(len(self.deployments))} deployments of {self.name}, {count(failed)} failed (times in UTC)"
        return Table(self.deployments, told)

    def incidents_table(self) -> Table:
        """The incidents, each with the deployment it is tied to, by which rule and how long after."""
        told = f"{count(len(self.incidents))} links of incidents to deployments of {self.name} (times in UTC)"
        return Table(self.incidents, told, units={"after": "h"})

    def _repr_html_(self) -> str:
        return f"{self.incidents_table()._repr_html_()}\n{self.deployments_table()._repr_html_()}"


def stratum(finest: Finest, linked: Linked, plan: Plan, scope: Scope, values: Sequence[str]) -> Stratum:
    """The rows of one stratum, never with an author.

    Parameters
    ----------
    finest : whose rows are the deployments of the contrast.
    linked : the plan's links.
    plan : strata, rule and how long deployments are followed for.
    scope : the group looked at alone.
    values : of the plan's strata, in their order.

    Raises
    ------
    PlanError : as many values are not given as the plan has strata, or no deployment is of them.
    """
    strata = plan.design.strata
    name = " × ".join(map(plain, values))
    if len(values) != len(strata):
        raise PlanError(f"stratum {name!r}: name a value for each of {', '.join(strata)}")
    rows = finest.rows.filter(finest.rows[FOLLOWED] >= finest.followed(plan))
    for column, value in (*zip(strata, values, strict=True), *((scope,) if scope else ())):
        rows = rows.filter(rows[column] == value)
    chosen = rows.select("deployment_id", "deployed_at", "assistance").execute()
    if chosen.empty:
        raise PlanError(f"stratum {name!r}: no deployment compared is of it; the table of strata lists those there are")
    links = _links_of(rows, linked)
    return Stratum(name, _deployments(chosen, links), _incidents(links))


def _links_of(rows: object, linked: Linked) -> pd.DataFrame:
    incidents = linked.checked.tables["incidents"]
    told = [name for name in ("severity", "service") if name in incidents.columns]
    tied = linked.links.semi_join(rows.select("deployment_id"), "deployment_id")  # type: ignore[attr-defined]
    found = tied.join(incidents.select("incident_id", "started_at", *told), "incident_id")
    columns = ["incident_id", "started_at", *told, "deployment_id", "rule", "lag_hours"]
    frame: pd.DataFrame = found.select(*columns).order_by("started_at", "incident_id", "deployment_id").execute()
    return frame


def _deployments(chosen: pd.DataFrame, links: pd.DataFrame) -> pd.DataFrame:
    number = chosen["deployment_id"].map(links["deployment_id"].value_counts()).fillna(0).astype("int64")
    frame = pd.DataFrame(
        {
            "deployment": chosen["deployment_id"],
            "deployed": chosen["deployed_at"],
            "label": chosen["assistance"].map(LABELS),
            "incidents": number,
        }
    )
    frame = frame.sort_values(["incidents", "deployed", "deployment"], ascending=[False, True, True], ignore_index=True)
    return frame.assign(deployed=frame["deployed"].dt.strftime(AT))


def _incidents(links: pd.DataFrame) -> pd.DataFrame:
    frame = links.rename(
        columns={
            "incident_id": "incident",
            "started_at": "began",
            "deployment_id": "deployment",
            "rule": "linked by",
            "lag_hours": "after",
        }
    )
    return frame.assign(began=frame["began"].dt.strftime(AT), **{"linked by": frame["linked by"].str.replace("_", " ")})
