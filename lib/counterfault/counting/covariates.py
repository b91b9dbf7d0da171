"""Strata and covariates as a few named levels, so that rows compress into cells without loss."""

from __future__ import annotations

import itertools
from functools import reduce
from typing import Any

import ibis

from counterfault.checking import Checked
from counterfault.checking.filters import LEFT_OUT
from counterfault.plan import CALENDAR, Plan, PlanError

MISSING = "missing"


def with_covariates(checked: Checked, plan: Plan) -> tuple[Any, list[tuple[str, str]]]:
    deployments = checked.tables["deployments"]
    not_assessed = []
    derived: dict[str, Any] = {}
    for role, names in (("confounder", plan.design.confounders), ("mediator", plan.design.mediators)):
        for name in names:
            source, missing = _covariate_source(deployments, checked, name)
            if source is None:
                not_assessed.append((f"adjustment for the {role} {name}", f"no column {missing}"))
            else:
                derived[name] = _binned(source, name, plan)
    base = deployments.select(
        "deployment_id",
        "deployed_at",
        "assistance",
        LEFT_OUT,
        **_strata(deployments, plan),
        repair=_is_repair(deployments),
        month=deployments.deployed_at.strftime("%Y-%m"),
        **derived,
    )
    if not checked.has("deployments", "is_hotfix") and not checked.has("deployments", "is_rollback"):
        not_assessed.append(("repairs during an open incident", "no column is_hotfix, is_rollback"))
    return base, not_assessed


def _strata(deployments: Any, plan: Plan) -> dict[str, Any]:
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


def _covariate_source(deployments: Any, checked: Checked, name: str) -> tuple[Any, str]:
    if name == "size":
        missing = [column for column in ("lines_added", "lines_deleted") if column not in deployments.columns]
        return (None, ", ".join(missing)) if missing else (deployments.lines_added + deployments.lines_deleted, "")
    if name not in deployments.columns:
        return None, name
    return deployments[name], ""


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


def _is_repair(deployments: Any) -> Any:
    flags = [deployments[name].fill_null(False) for name in ("is_hotfix", "is_rollback") if name in deployments.columns]
    return reduce(lambda left, right: left | right, flags, ibis.literal(False))
