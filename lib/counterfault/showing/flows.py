"""From rows read to rows used: where every change and every incident ended, and the pictures of it."""

from __future__ import annotations

from typing import Any

import ibis
import pandas as pd

from counterfault.checking import Checked
from counterfault.checking.filters import LEFT_OUT
from counterfault.counting import Counted
from counterfault.counting.population import ANALYSED, LEFT_OUT_STEP
from counterfault.figures import Figure
from counterfault.figures.flow import flow
from counterfault.figures.incident_flow import TIED
from counterfault.figures.incident_flow import incident_flow as drawn_incidents
from counterfault.linking import Linked, study_tables
from counterfault.linking.rules import NO_CHANGE
from counterfault.plan import Outcome

QUARANTINED = "quarantined, a rule is broken"
TOO_MILD = "not severe enough for the plan"
NOT_COMPARED = "tied only to changes that are not compared"
OTHER_CAUSE = "not by a change, says the record"
LOST_CAUSE = "the recorded change is not among these"
NO_SERVICE = "no service, so nowhere to look"
TOO_EARLY = "before the first change read"
ORDER = (LEFT_OUT_STEP, TOO_MILD, OTHER_CAUSE, LOST_CAUSE, NO_SERVICE, TOO_EARLY, NOT_COMPARED)
WAYS = ["record", "time", "untied"]


def change_flow(checked: Checked, counted: Counted) -> Figure:
    """From changes read to changes analysed, by label.

    Parameters
    ----------
    checked, counted : what the steps of the study returned.
    """
    return flow(_from_rows_read(counted.population, checked, "deployments"))


def incident_flow(linked: Linked, counted: Counted) -> Figure:
    """From incidents read to those tied to an analysed change, by the way they are tied.

    Parameters
    ----------
    linked, counted : what the steps of the study returned.
    """
    return drawn_incidents(incident_steps(linked, counted))


def incident_steps(linked: Linked, counted: Counted) -> pd.DataFrame:
    """Where every incident ended: ``step``, and how many are tied by ``record``, by ``time`` or ``untied``.

    Parameters
    ----------
    linked, counted : what the steps of the study returned.

    Returns
    -------
    One row per step, in the order in which they are asked. ``quarantined`` counts the rows that broke a rule; ``ai``,
    ``human`` and ``both`` tell whose changes the incidents of the last step are tied to.
    """
    ended = _ended(linked, counted)
    counts = ended.groupby(["step", "way"]).size().unstack(fill_value=0)
    wide = counts.reindex(index=sorted({*counts.index, TIED}, key=_place), columns=WAYS, fill_value=0)
    tied = ended[ended["step"] == TIED]
    both = int((tied["ai"] * tied["human"]).sum())
    by_label = {"ai": int(tied["ai"].sum()) - both, "human": int(tied["human"].sum()) - both, "both": both}
    steps = wide.astype("int64").rename_axis(None, axis="columns").reset_index()
    last = (steps["step"] == TIED).astype("int64")
    return _from_rows_read(
        steps.assign(**{name: last * n for name, n in by_label.items()}), linked.checked, "incidents"
    )


def _from_rows_read(steps: pd.DataFrame, checked: Checked, table: str) -> pd.DataFrame:
    """The steps of accepted rows, behind that of the rows that were not accepted; as they are without an account."""
    number = next((account.quarantined for account in checked.accounts if account.table == table), None)
    if number is None:
        return steps
    first = pd.DataFrame([{**dict.fromkeys(steps.columns, 0), "step": QUARANTINED, "quarantined": number}])
    return pd.concat([first, steps.assign(quarantined=0)], ignore_index=True)


def _place(step: str) -> tuple[int, str]:
    """What is not in the list is why nothing was near: asked last but for the end."""
    number = next((number for number, name in enumerate(ORDER) if step.startswith(name)), ORDER.index(NOT_COMPARED))
    return (len(ORDER) if step == TIED else number), step


def _ended(linked: Linked, counted: Counted) -> pd.DataFrame:
    """One row per accepted incident: ``step``, ``way``, and whether it is tied to analysed changes of either kind."""
    incidents = linked.checked.tables["incidents"]
    told = [name for name in ("service", "cause", "caused_by") if name in incidents.columns]
    considered = study_tables(linked.checked, linked.plan).incidents.select("incident_id", severe=ibis.literal(True))
    rows = incidents.select("incident_id", "started_at", LEFT_OUT, *told)
    for table in (considered, _ties(linked, counted)):
        rows = rows.left_join(table, "incident_id").drop("incident_id_right")
    way = ibis.cases((rows.by_record == 1, "record"), (rows.by_record == 0, "time"), else_="untied")
    found: pd.DataFrame = rows.select(step=_step(rows, linked), way=way, ai=rows.ai, human=rows.human).execute()
    return found.fillna({"ai": 0, "human": 0}).astype({"ai": "int64", "human": "int64"})


def _ties(linked: Linked, counted: Counted) -> Any:
    """incident_id, by_record, analysed, ai, human: what the plan's rule ties each incident to."""
    changes = counted.rows.select("deployment_id", "step", "assistance")
    pairs = linked.links.select("incident_id", "deployment_id", "rule").join(changes, "deployment_id")
    compared = pairs.step == ANALYSED
    return pairs.group_by("incident_id").agg(
        by_record=(pairs.rule == "recorded").cast("int64").max(),
        analysed=compared.cast("int64").max(),
        ai=(compared & (pairs.assistance == "ai")).cast("int64").max(),
        human=(compared & (pairs.assistance == "human")).cast("int64").max(),
    )


def _step(rows: Any, linked: Linked) -> Any:
    """The first reason an incident is no failure of an analysed change, in words, or that it is one."""
    begin = ibis.literal(linked.start, "timestamp('UTC')")
    branches = [
        (rows[LEFT_OUT].notnull(), ibis.literal(f"{LEFT_OUT_STEP}: ") + rows[LEFT_OUT]),
        (rows.severe.isnull(), TOO_MILD),
        (rows.analysed == 1, TIED),
        (rows.analysed == 0, NOT_COMPARED),
    ]
    if "cause" in rows.columns:
        branches.append(((rows.cause == NO_CHANGE).fill_null(False), OTHER_CAUSE))
    if "caused_by" in rows.columns and linked.plan.outcome.link in ("recorded", "recorded_then_window"):
        branches.append((rows.caused_by.notnull(), LOST_CAUSE))
    if linked.plan.outcome.link != "recorded":
        branches.append((rows.service.isnull() if "service" in rows.columns else ibis.literal(True), NO_SERVICE))
    return ibis.cases(*branches, (rows.started_at < begin, TOO_EARLY), else_=_nothing_near(linked.plan.outcome))


def _nothing_near(outcome: Outcome) -> str:
    hours = f"in the {outcome.window_hours:g} h before"
    return {
        "recorded": "no change is recorded as its cause",
        "dependency": f"nothing it may depend on was changed {hours}",
        "last": "its service was never changed before",
    }.get(outcome.link, f"its service was not changed {hours}")
