"""Strata and covariates as a few named levels, so that rows compress into cells without loss."""

from __future__ import annotations

import itertools
from functools import reduce
from typing import Any

import ibis

from counterfault.checking import Checked
from counterfault.checking.filters import LEFT_OUT
from counterfault.contracts import DEPLOYMENTS, Kind
from counterfault.counting.load import with_peak
from counterfault.plan import CALENDAR, Plan, PlanError

MISSING = "missing"


def with_covariates(checked: Checked, plan: Plan) -> tuple[Any, list[tuple[str, str]]]:
    """The deployments with their strata and binned covariates, and what the plan names that the tables lack.

    Parameters
    ----------
    checked : the tables; ``load`` stands in for a missing column ``at_peak``.
    plan : strata, cluster, confounders, mediators and bins.

    Returns
    -------
    Ibis table with one row per accepted deployment, and (what cannot be assessed, why) pairs.

    Raises
    ------
    PlanError : a stratum or cluster without a column, a number without bins, or a covariate that cannot be one.
    """
    deployments = _with_load(checked, plan)
    not_assessed = []
    strata = _strata(deployments, plan)
    derived: dict[str, Any] = {}
    for role, names in (("confounder", plan.design.confounders), ("mediator", plan.design.mediators)):
        for name in names:
            _require_covariate(name, role)
            source, missing = covariate_source(deployments, name)
            if source is None:
                not_assessed.append((f"adjustment for the {role} {name}", missing))
            elif name not in strata:  # a stratum already holds it fixed
                derived[name] = _binned(source, name, plan)
    base = deployments.select(
        "deployment_id",
        "deployed_at",
        "assistance",
        LEFT_OUT,
        **{"month": calendar_label(deployments.deployed_at, "month"), **strata, **derived},
        repair=is_repair(deployments),
    )
    if not checked.has("deployments", "is_hotfix") and not checked.has("deployments", "is_rollback"):
        not_assessed.append(("repairs during an open incident", "no column is_hotfix, is_rollback"))
    return base, not_assessed


def _with_load(checked: Checked, plan: Plan) -> Any:
    """Deployments, with ``at_peak`` from the load table where nobody recorded it: a record comes first."""
    deployments = checked.tables["deployments"]
    asked = "at_peak" in (*plan.design.confounders, *plan.design.mediators)
    if not asked or "at_peak" in deployments.columns or "load" not in checked.tables:
        return deployments
    return with_peak(deployments, checked.tables["load"])


def _require_covariate(name: str, role: str) -> None:
    """Keys, times and the exposure are no groups in which like could be compared with like."""
    if name == "assistance":
        raise PlanError(f"design: 'assistance' is the exposure and cannot be held fixed as a {role}")
    if name in DEPLOYMENTS.key or (name in DEPLOYMENTS.names and DEPLOYMENTS[name].kind is Kind.TIME):
        raise PlanError(
            f"design: {name!r} cannot be a {role}, because nearly every deployment has its own; "
            f"calendar time is held fixed by design.strata"
        )


def _strata(deployments: Any, plan: Plan) -> dict[str, Any]:
    """What deployments are grouped by: the plan's strata, its cluster, and always their service."""
    if not plan.design.strata:
        raise PlanError(
            "design.strata is empty, so changes of all services and seasons would be compared as if they were alike; "
            'name at least one, e.g. strata = ["service", "quarter"]'
        )
    wanted = dict.fromkeys((*plan.design.strata, plan.design.cluster, "service"))
    columns = {}
    for name in wanted:
        if name in CALENDAR:
            columns[name] = calendar_label(deployments.deployed_at, name)
        elif name in deployments.columns:
            columns[name] = deployments[name].fill_null(MISSING)
        else:
            raise PlanError(f"design: the plan groups by {name!r}, but the deployments have no column {name!r}")
    return columns


def calendar_label(time: Any, unit: str) -> Any:
    """The calendar block of a time in UTC, as text that sorts: 2026, 2026Q1, 2026-01 or 2026-W05."""
    if unit == "week":
        return time.iso_year().cast("string") + "-W" + time.week_of_year().cast("string").lpad(2, "0")
    if unit == "quarter":
        return time.year().cast("string") + "Q" + time.quarter().cast("string")
    return time.strftime("%Y-%m" if unit == "month" else "%Y")


def covariate_source(deployments: Any, name: str) -> tuple[Any, str]:
    """The column behind a covariate, or None and what is missing for it."""
    needed = ("lines_added", "lines_deleted") if name == "size" else (name,)
    if missing := [column for column in needed if column not in deployments.columns]:
        no_load = " and no table load" if name == "at_peak" else ""
        return None, f"no column {', '.join(missing)}{no_load}"
    return sum((deployments[column] for column in needed[1:]), deployments[needed[0]]), ""


def _binned(source: Any, name: str, plan: Plan) -> Any:
    """A covariate as a few named levels; a missing value is a level of its own, never dropped and never zero."""
    if source.type().is_boolean():
        return ibis.cases((source, "yes"), (~source, "no"), else_=MISSING)
    if source.type().is_string():
        return source.fill_null(MISSING)
    edges = plan.design.bins.get(name)
    if not edges:
        raise PlanError(f"design.bins: {name} is a number; say where to cut it, e.g. {name} = [1, 10, 100]")
    levels = [f"under {edges[0]:g}"]
    levels += [f"{low:g} to under {high:g}" for low, high in itertools.pairwise(edges)]
    branches = [(source < edge, level) for edge, level in zip(edges, levels, strict=True)]
    return ibis.cases((source.isnull(), MISSING), *branches, else_=f"{edges[-1]:g} and more")


def is_repair(deployments: Any) -> Any:
    """Whether a deployment is a hot-fix or a roll-back, as a condition on the table."""
    flags = [deployments[name].fill_null(False) for name in ("is_hotfix", "is_rollback") if name in deployments.columns]
    return reduce(lambda left, right: left | right, flags, ibis.literal(False))
