"""Cells for the questions beside the main one: other outcomes, and deployments told apart by one more column."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import ibis

from counterfault.cells import Cells
from counterfault.contracts import ASSISTANCE, INCIDENTS
from counterfault.counting.covariates import MISSING, calendar_label, covariate_source
from counterfault.counting.population import ANALYSED
from counterfault.linking import Linked, study_tables
from counterfault.plan import Amplifies, Plan

FAILURE_MODES = INCIDENTS["failure_mode"].allowed
NO_SHARE, SHARE_BINS = "none", (0.2, 0.4, 0.6, 0.8)


def cells_by_failure_mode(rows: Any, linked: Linked, plan: Plan, held_fixed: tuple[str, ...]) -> Mapping[str, Cells]:
    """Cells whose events are deployments with an incident of one failure mode; empty where nobody records modes.

    Parameters
    ----------
    rows : deployments as ``Counted.rows`` holds them.
    linked, plan : the plan's links and design.
    held_fixed : covariate columns of the cells.
    """
    incidents = study_tables(linked.checked, plan).incidents
    if "failure_mode" not in incidents.columns:
        return {}
    tied = linked.links.join(incidents.select("incident_id", "failure_mode"), "incident_id")
    hit = {mode: tied.filter(tied.failure_mode == mode) for mode in FAILURE_MODES}
    return cells_of_outcomes(rows, hit, plan, held_fixed)


def cells_of_outcomes(
    rows: Any, hit: Mapping[str, Any], plan: Plan, held_fixed: tuple[str, ...]
) -> Mapping[str, Cells]:
    """One set of cells per outcome, from one pass over the deployments.

    Parameters
    ----------
    rows : deployments as ``Counted.rows`` holds them.
    hit : outcome → table with the ``deployment_id`` of those it befell; repeats count once.
    plan, held_fixed : strata and cluster; covariate columns of the cells.
    """
    names = {name: f"events_{place}" for place, name in enumerate(hit)}
    marked = rows.filter(rows.step == ANALYSED)
    for name, links in hit.items():
        ids = links.select("deployment_id").distinct().mutate(**{names[name]: ibis.literal(1, "int64")})
        marked = marked.left_join(ids, "deployment_id").drop("deployment_id_right")
    keys = _keys(plan, held_fixed)
    marked = marked.mutate(exposed=(marked.assistance == "ai").cast("int64"))
    counts = {column: marked[column].fill_null(0).sum() for column in names.values()}
    frame = marked.group_by([*keys, "exposed"]).agg(n=marked.count(), **counts).order_by([*keys, "exposed"]).execute()
    frame = frame.astype({"exposed": "int64", "n": "int64", **dict.fromkeys(names.values(), "int64")})
    frame["exposure_hours"] = frame["n"] * float(plan.outcome.follow_up)
    kept = [*keys, "exposed", "n", "exposure_hours"]
    return {
        name: Cells(frame[kept].assign(events=frame[column]), plan.design.strata, plan.design.cluster)
        for name, column in names.items()
    }


def cells_split_by(rows: Any, linked: Linked, plan: Plan, name: str, held_fixed: tuple[str, ...]) -> Cells | str:
    """Cells with one more column, ``name``: is AI said to do more here ("yes", "no" or "missing")?

    Parameters
    ----------
    rows : deployments as ``Counted.rows`` holds them.
    linked, plan : ``plan.designs.amplifiers[name]`` says which values count as "yes".
    name : a column of the deployments, ``size``, or ``dependants``.
    held_fixed : covariate columns of the cells; ``name`` itself is never among them.

    Returns
    -------
    The cells, or why there are none.
    """
    deployments = _with_dependants(linked) if name == "dependants" else linked.checked.tables["deployments"]
    if deployments is None:
        return "no table dependencies"
    source, missing = covariate_source(deployments, name) if name != "dependants" else (deployments.dependants, "")
    if source is None:
        return missing
    level = deployments.select("deployment_id", **{f"{name}_level": _yes_no(source, plan.designs.amplifiers[name])})
    return _split(rows, level, f"{name}_level", name, plan, tuple(each for each in held_fixed if each != name))


def _yes_no(source: Any, amplifies: Amplifies) -> Any:
    if amplifies.equals is not None:
        text = ibis.ifelse(source, "yes", "no") if source.type().is_boolean() else source.cast("string")
        holds = text == amplifies.equals
    else:
        holds = source >= amplifies.at_least if amplifies.at_least is not None else source < amplifies.below
    return ibis.cases((source.isnull(), MISSING), (holds, "yes"), else_="no")


def _with_dependants(linked: Linked) -> Any:
    """The deployments with ``dependants``: how many services need theirs directly."""
    if "dependencies" not in linked.checked.tables:
        return None
    deployments, needs = linked.checked.tables["deployments"], linked.checked.tables["dependencies"]
    degree = needs.group_by(needed=needs.depends_on).agg(dependants=needs.service.nunique())
    joined = deployments.left_join(degree, deployments.service == degree.needed)
    return joined.mutate(dependants=joined.dependants.fill_null(0))


def cells_by_kind(rows: Any, linked: Linked, plan: Plan, column: str, held_fixed: tuple[str, ...]) -> Cells | str:
    """Cells in which AI-assisted deployments are told apart by ``ai_tool``, ``label_tier`` or ``validated``.

    The column ``column`` says the kind of an AI-assisted deployment ("missing" where nobody said) and is empty for all
    others. Parameters and return as in :func:`cells_split_by`.
    """
    deployments = linked.checked.tables["deployments"]
    if column not in deployments.columns:
        return f"no column {column}"
    source = deployments[column]
    text = ibis.ifelse(source, "yes", "no") if source.type().is_boolean() else source
    assisted = deployments.assistance == ASSISTANCE[0]
    kind = ibis.ifelse(assisted, text.fill_null(MISSING), "")
    level = deployments.select("deployment_id", **{f"{column}_kind": kind})
    return _split(rows, level, f"{column}_kind", column, plan, held_fixed)


def cells_by_share(rows: Any, linked: Linked, plan: Plan, held_fixed: tuple[str, ...]) -> Cells | str:
    """Cells in which AI-assisted deployments are told apart by how much of them AI wrote.

    Columns ``ai_share_bin`` (a fifth, such as "0.4 to 0.6"; empty for other deployments) and ``ai_share`` (mean share
    in that fifth over all deployments, 0 for others). AI-assisted deployments without a share are left out.
    Parameters and return as in :func:`cells_split_by`.
    """
    deployments = linked.checked.tables["deployments"]
    if "ai_share" not in deployments.columns:
        return "no column ai_share"
    assisted = deployments.assistance == ASSISTANCE[0]
    shared = deployments.filter(~assisted | deployments.ai_share.notnull())
    level = shared.select(
        "deployment_id",
        share=ibis.ifelse(shared.assistance == ASSISTANCE[0], shared.ai_share, 0.0),
        bin=ibis.ifelse(shared.assistance == ASSISTANCE[0], _fifth(shared.ai_share), ""),
    )
    joined = rows.filter(rows.step == ANALYSED).join(level, "deployment_id")
    # Whole millionths: a sum of fractions comes out another way each time an engine adds in another order.
    millionths = (joined.share * 1_000_000).round().cast("int64")
    sums = joined.group_by("bin").agg(share=millionths.sum(), n=joined.count()).execute().set_index("bin")
    means = sums["share"] / (1_000_000 * sums["n"])
    cells = _split(rows, level.drop("share"), "bin", "ai_share_bin", plan, held_fixed)
    frame = cells.frame.assign(ai_share=cells.frame["ai_share_bin"].map(means).astype("float64"))
    return Cells(frame, cells.strata, cells.cluster)


def _fifth(share: Any) -> Any:
    edges = (0.0, *SHARE_BINS, 1.0)
    names = [f"{low:g} to {high:g}" for low, high in itertools.pairwise(edges)]
    return ibis.cases(*((share < high, name) for high, name in zip(SHARE_BINS, names, strict=False)), else_=names[-1])


def _split(rows: Any, level: Any, column: str, name: str, plan: Plan, held_fixed: tuple[str, ...]) -> Cells:
    """The deployments of the contrast that have a level, counted with it under ``name``."""
    analysed = rows.filter(rows.step == ANALYSED)
    taken = [each for each in analysed.columns if each not in (name, "deployment_id")]
    joined = analysed.select("deployment_id", *taken).join(level, "deployment_id")
    joined = joined.mutate(exposed=(joined.assistance == "ai").cast("int64")).rename(**{name: column})
    keys = [*(key for key in _keys(plan, held_fixed) if key != name), name, "exposed"]
    frame = joined.group_by(keys).agg(n=joined.count(), events=joined.events.sum()).order_by(keys).execute()
    frame = frame.astype({"exposed": "int64", "n": "int64", "events": "int64"})
    frame["exposure_hours"] = frame["n"] * float(plan.outcome.follow_up)
    return Cells(frame, plan.design.strata, plan.design.cluster)


def _keys(plan: Plan, held_fixed: tuple[str, ...]) -> list[str]:
    return list(dict.fromkeys((*plan.design.strata, plan.design.cluster, *held_fixed)))


def cells_by_team(rows: Any, linked: Linked, plan: Plan) -> Cells | str:
    """Cells with one more column, ``team`` ("missing" where nobody said), for pooling over teams.

    Parameters and return as in :func:`cells_split_by`; no covariate is kept.
    """
    deployments = linked.checked.tables["deployments"]
    if "team" not in deployments.columns:
        return "no column team"
    level = deployments.select("deployment_id", team_of=deployments.team.fill_null(MISSING))
    return _split(rows, level, "team_of", "team", plan, ())


def cells_by_calendar(rows: Any, plan: Plan, unit: str, held_fixed: tuple[str, ...]) -> Cells:
    """Cells with one more column, the calendar block of that unit ("2026-W05"), for clusters that cross services.

    Parameters
    ----------
    rows : deployments as ``Counted.rows`` holds them.
    plan : strata and cluster.
    unit : year, quarter, month or week; the name of the new column.
    held_fixed : covariate columns of the cells.
    """
    level = rows.select("deployment_id", **{f"{unit}_label": calendar_label(rows.deployed_at, unit)})
    return _split(rows, level, f"{unit}_label", unit, plan, held_fixed)
