"""What each service or team shipped and suffered in each calendar period: the panel of the designs around adoption."""

from __future__ import annotations

from typing import Any

import pandas as pd

from counterfault.counting.covariates import calendar_label
from counterfault.counting.population import ANALYSED
from counterfault.counting.service_time import Span
from counterfault.linking import Linked, study_tables
from counterfault.linking.rules import possibly_changed
from counterfault.panels import UnitPeriods
from counterfault.plan import Plan, PlanError

FREQUENCY = {"week": "W-SUN", "month": "M", "quarter": "Q"}  # pandas' names of the ISO week, month and quarter


def unit_periods(rows: Any, linked: Linked, plan: Plan) -> UnitPeriods:
    """Deployments, how many of them were AI-assisted, how many failed, and incidents, by unit and calendar period.

    Parameters
    ----------
    rows : deployments with ``service``, ``assistance``, ``events``, as ``Counted.rows`` holds them.
    linked : for the incidents.
    plan : ``designs.adopter`` and ``designs.calendar``.

    Raises
    ------
    PlanError : teams are asked for, and the deployments have none.

    Notes
    -----
    Only periods that lie wholly in the study are counted: half a month would look like a slump. Only deployments of the
    contrast are; incidents known to have another cause are not.
    """
    unit, unit_name = plan.designs.calendar, plan.designs.adopter
    labels = whole_periods(Span.of(linked, plan), unit)
    deployments = _by_unit(rows, linked, unit_name)
    # Those of the contrast alone: repairs answer incidents, so with them incidents would change the share.
    shipped = deployments.filter(deployments.step == ANALYSED)
    counts = _counts(shipped.mutate(period_label=calendar_label(shipped.deployed_at, unit)))
    suffered = _incidents(deployments, linked, plan)
    return UnitPeriods(_complete(counts, suffered, labels), unit_name, unit)


def whole_periods(span: Span, unit: str) -> list[str]:
    """Labels of the calendar periods that lie wholly between two moments, in order."""
    start, end = (pd.Timestamp(second, unit="s") for second in (span.start, span.end))
    periods = pd.period_range(start, end, freq=FREQUENCY[unit])
    # The record may end an hour before midnight; a period without its last day is not whole, one without a minute is.
    day = pd.Timedelta(days=1)
    whole = [each for each in periods if each.start_time >= start - day and each.end_time <= end + day]
    return [_label(each, unit) for each in whole]


def _label(period: pd.Period, unit: str) -> str:
    if unit == "week":
        iso = period.start_time.isocalendar()
        return f"{iso.year}-W{iso.week:02d}"
    return str(period)


def _by_unit(rows: Any, linked: Linked, unit: str) -> Any:
    if unit in rows.columns:
        return rows.mutate(unit=rows[unit])
    deployments = linked.checked.tables["deployments"]
    if unit not in deployments.columns:
        raise PlanError(
            f"designs.adopter: {unit!r} adopts AI in this plan, but the deployments have no column {unit!r}"
        )
    return rows.join(deployments.select("deployment_id", unit=deployments[unit].fill_null("missing")), "deployment_id")


def _counts(rows: Any) -> pd.DataFrame:
    grouped = rows.group_by("unit", "period_label").agg(
        n=rows.count(), assisted=(rows.assistance == "ai").cast("int64").sum(), events=rows.events.sum()
    )
    frame: pd.DataFrame = grouped.execute()
    return frame


def _incidents(deployments: Any, linked: Linked, plan: Plan) -> pd.DataFrame:
    """Incidents by unit and period; those of a service that never shipped belong to no unit."""
    home = deployments.group_by("service").agg(unit=deployments.unit.max())
    suspects = possibly_changed(study_tables(linked.checked, plan).incidents).join(home, "service")
    labelled = suspects.mutate(period_label=calendar_label(suspects.started_at, plan.designs.calendar))
    frame: pd.DataFrame = labelled.group_by("unit", "period_label").agg(incidents=labelled.count()).execute()
    return frame


def _complete(counts: pd.DataFrame, suffered: pd.DataFrame, labels: list[str]) -> pd.DataFrame:
    """Every unit in every whole period, with zeros where nothing happened."""
    shipped = {(str(row.unit), str(row.period_label)): (row.n, row.assisted, row.events) for row in counts.itertuples()}
    incidents = {(str(row.unit), str(row.period_label)): row.incidents for row in suffered.itertuples()}
    units = sorted({unit for unit, _ in (*shipped, *incidents)})
    rows = [
        (unit, number, label, *shipped.get((unit, label), (0, 0, 0)), incidents.get((unit, label), 0))
        for unit in units
        for number, label in enumerate(labels)
    ]
    columns = ["unit", "period", "period_label", "n", "assisted", "events", "incidents"]
    whole = dict.fromkeys(("period", "n", "assisted", "events", "incidents"), "int64")
    return pd.DataFrame(rows, columns=columns).astype({**whole, "unit": "str", "period_label": "str"})
