"""Who is in the contrast and who is not: every accepted deployment has exactly one place."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any

import ibis
import pandas as pd

from counterfault.checking.filters import LEFT_OUT
from counterfault.linking import Linked
from counterfault.plan import CALENDAR, Period, Plan, PlanError

LEFT_OUT_STEP, BEFORE, FROM_ON = "left out by the plan", "before", "from"
BEFORE_RECORD = "before the incident record"
NOT_FOLLOWED, REPAIR, NO_LABELS = "not followed", "repair", "no change is labelled"
UNKNOWN, ANALYSED = "assistance unknown", "analysed"
ORDER = (LEFT_OUT_STEP, BEFORE_RECORD, BEFORE, FROM_ON, NOT_FOLLOWED, REPAIR, NO_LABELS, UNKNOWN, ANALYSED)


def step(marked: Any, linked: Linked, plan: Plan) -> Any:
    """The first reason a deployment is outside the contrast, in words, or that it is analysed."""
    followed_until = marked.deployed_at + ibis.interval(seconds=round(plan.outcome.follow_up * 3600))
    end = ibis.literal(linked.end, "timestamp('UTC')")
    branches = [(marked[LEFT_OUT].notnull(), ibis.literal(f"{LEFT_OUT_STEP}: ") + marked[LEFT_OUT])]
    if plan.period.start:
        branches.append((marked.deployed_at < _midnight(plan.period.start), f"{BEFORE} {plan.period.start}"))
    if plan.period.end:
        branches.append((marked.deployed_at >= _midnight(plan.period.end), f"{FROM_ON} {plan.period.end} on"))
    if plan.period.incidents_from:
        begins = plan.period.incidents_from
        branches.append((marked.deployed_at < _midnight(begins), f"{BEFORE_RECORD}, which begins {begins}"))
    block = next((name for name in plan.design.strata if name in CALENDAR), "month")
    labelled = (marked.assistance != "unknown").cast("int64").sum().over(group_by=block)
    return ibis.cases(
        *branches,
        (followed_until > end, f"{NOT_FOLLOWED} for {plan.outcome.follow_up:g} h before the data end"),
        (marked.repair & (marked.repairing == 1), f"{REPAIR} while an incident was open"),
        # Before anybody labels there is nobody to compare with: such a block says nothing of how well labels cover.
        ((marked.assistance == "unknown") & (labelled == 0), f"{NO_LABELS} in its {block}"),
        (marked.assistance == "unknown", UNKNOWN),
        else_=ANALYSED,
    )


def _midnight(day: date) -> Any:
    return ibis.literal(datetime.combine(day, time.min, tzinfo=UTC), "timestamp('UTC')")


def population(marked: Any) -> pd.DataFrame:
    """Accepted rows by where they ended up and by label; nothing disappears."""
    return _wide(marked.group_by("step", "assistance").agg(n=marked.count()).execute(), ["step"])


def population_by(marked: Any, column: str) -> pd.DataFrame:
    """The same for each value of a column."""
    return _wide(marked.group_by(column, "step", "assistance").agg(n=marked.count()).execute(), [column, "step"])


def _wide(found: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    wide = found.pivot_table(index=keys, columns="assistance", values="n", aggfunc="sum", fill_value=0)
    wide = wide.reindex(columns=["ai", "human", "unknown"], fill_value=0).astype("int64").reset_index()
    order = wide["step"].map(_place)
    placed: pd.DataFrame = wide.loc[order.sort_values(kind="stable").index]
    return placed.rename_axis(None, axis="columns").reset_index(drop=True)


def require_deployments_in(period: Period, population: pd.DataFrame, linked: Linked) -> None:
    """A period that holds no deployment is a slip of the plan, not a finding.

    Raises
    ------
    PlanError : with the days that the deployments do cover.
    """
    if not (period.start or period.end):
        return
    outside = population["step"].str.startswith((LEFT_OUT_STEP, f"{BEFORE} ", f"{FROM_ON} "))
    if len(population) and outside.all():
        asked = [f"from {period.start}"] if period.start else []
        asked += [f"before {period.end}"] if period.end else []
        raise PlanError(
            f"period: no deployment lies {' '.join(asked)}; the data run from {linked.start:%Y-%m-%d} "
            f"to {linked.end:%Y-%m-%d}"
        )


def _place(step: str) -> tuple[int, str]:
    """Steps in the order in which they are asked, so that the table reads like the flow it is."""
    return next(number for number, name in enumerate(ORDER) if step.startswith(name)), step


def by_label(marked: Any) -> pd.DataFrame:
    """Deployments that the plan does not leave out, per service, month and label, with how many of them failed.

    ``compared`` tells those of the contrast, and those kept from it by their unknown label alone, from the rest.
    """
    rows = marked.filter(marked[LEFT_OUT].isnull()).mutate(compared=marked.step.isin((ANALYSED, UNKNOWN)))
    keys = ["service", "month", "assistance", "compared"]
    frame: pd.DataFrame = rows.group_by(keys).agg(n=rows.count(), events=rows.events.sum()).order_by(keys).execute()
    return frame.astype({"n": "int64", "events": "int64"})
