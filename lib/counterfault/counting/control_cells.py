"""Cells for outcomes and labels that cannot show an effect of AI: what is found in them is bias, or chance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from functools import reduce
from operator import and_
from typing import Any, NamedTuple

import ibis
import pandas as pd

from counterfault.cells import Cells
from counterfault.checking.filters import LEFT_OUT
from counterfault.checking.rules import recorded_causes
from counterfault.contracts import ASSISTANCE
from counterfault.counting.covariates import MISSING
from counterfault.counting.population import ANALYSED
from counterfault.linking import Linked, study_tables
from counterfault.linking.rules import NO_CHANGE, possibly_changed, rule_named
from counterfault.plan import Plan

AI, HUMAN = ASSISTANCE[:2]
OWN = "own_label"  # the label a deployment has, where another stands in for its exposure
SLICE = "control_slice"
_LAST_CODE = 4  # a moment and a label in one number: second × 4 + code


def cells_of_other_causes(
    rows: Any, contrast: Cells, linked: Linked, plan: Plan, held_fixed: tuple[str, ...]
) -> Mapping[str, Cells]:
    """Deployments with an incident in the window after them that no change caused, one set of cells per kind of it.

    Kinds are the values of the plan's ``split_by`` ("missing" where nobody said), or "all"; a kind that never befell a
    deployment of the contrast is not there. Incidents of which a deployment is recorded as the cause are left out,
    whatever else their record says, and so are those that the plan's choice does not name.

    Parameters
    ----------
    rows, contrast : deployments and cells as ``Counted`` holds them.
    linked, plan : ``plan.challenges.negative_controls`` chooses and splits the incidents; they need a column ``cause``.
    held_fixed : covariate columns of the cells.
    """
    tables = study_tables(linked.checked, plan)
    innocent = _innocent(tables.incidents, plan)
    split_by = plan.challenges.negative_controls.split_by
    split = split_by is not None and split_by in innocent.columns
    kind = innocent[split_by].cast("string").fill_null(MISSING) if split else ibis.literal("all")
    kinds = innocent.select("incident_id", **{SLICE: kind})
    tied = rule_named("window", plan.outcome)(tables._replace(incidents=innocent.drop("cause")))
    hits = tied.select("incident_id", "deployment_id").join(kinds, "incident_id")
    befallen = _exposed(rows).join(hits.select("deployment_id", SLICE).distinct(), "deployment_id")
    keys = _keys(plan, held_fixed)
    counted = befallen.group_by([*keys, SLICE]).agg(events=befallen.count()).execute()
    everyone = contrast.frame.groupby(keys, observed=True)["n"].sum()
    wide = counted.pivot_table(index=keys, columns=SLICE, values="events", aggfunc="sum", fill_value=0)
    frame = wide.reindex(everyone.index, fill_value=0).assign(n=everyone).reset_index()
    return {name: _cells(frame, keys, plan, name) for name in sorted(wide.columns)}


def _innocent(incidents: Any, plan: Plan) -> Any:
    """Incidents outside the outcome by what people know of their cause, of those that the plan names as controls."""
    # "window" links nothing that people know to have another cause, so these and no others are outside the outcome:
    # an incident of unknown cause on the vendor's layer would be counted on both sides.
    chosen = incidents.filter(incidents.cause == NO_CHANGE)
    for column, values in plan.challenges.negative_controls.incidents.items():
        chosen = chosen.filter(_among(chosen, column, values))
    return chosen.anti_join(recorded_causes(incidents), "incident_id") if "caused_by" in incidents.columns else chosen


def _among(table: Any, column: str, values: tuple[str, ...]) -> Any:
    """Whether a row has one of the values; none has where there is no such column."""
    return table[column].cast("string").isin(values) if column in table.columns else ibis.literal(False)


def cells_before(rows: Any, linked: Linked, plan: Plan, held_fixed: tuple[str, ...]) -> Mapping[int, Cells]:
    """Deployments with an incident of their service in each of the windows before them: 1 is the nearest.

    Deployments whose furthest window would begin before the record of incidents does are left out of all of them: in
    months when AI is adopted, empty windows would otherwise go to the early deployments, which are seldom AI-assisted.

    Parameters
    ----------
    rows : deployments as ``Counted.rows`` holds them.
    linked, plan : ``plan.challenges.negative_controls.windows_before`` says how many windows.
    held_fixed : covariate columns of the cells.
    """
    number, length = plan.challenges.negative_controls.windows_before, round(plan.outcome.window_hours * 3600)
    near = _incidents_before(linked, plan, number * length)
    place = (near.seconds + (length - 1)) // length  # one second before is in the first window, and so is its far end
    each = {f"before_{k}": (place == k).cast("int64").max() for k in range(1, number + 1)}
    marks = near.group_by("deployment_id").agg(**each)
    watched = _exposed(rows).filter(lambda table: table.deployed_at >= _whole_before(linked, plan, number * length))
    marked = watched.left_join(marks, "deployment_id").drop("deployment_id_right")
    keys = _keys(plan, held_fixed)
    events = {name: marked[name].fill_null(0).sum() for name in each}
    frame = marked.group_by(keys).agg(n=marked.count(), **events).order_by(keys).execute()
    return {k: _cells(frame, keys, plan, f"before_{k}") for k in range(1, number + 1)}


def _incidents_before(linked: Linked, plan: Plan, reach: int) -> Any:
    """deployment_id, seconds: how long before a deployment an incident of its service began, if at most ``reach``."""
    tables = study_tables(linked.checked, plan)
    suspects = possibly_changed(tables.incidents)
    deployments = tables.deployments.select("deployment_id", "deployed_at", "service")
    pairs = suspects.join(
        deployments,
        [
            suspects.service == deployments.service,
            suspects.started_at < deployments.deployed_at,
            deployments.deployed_at <= suspects.started_at + ibis.interval(seconds=reach),
        ],
    )
    seconds = pairs.deployed_at.epoch_seconds().cast("int64") - pairs.started_at.epoch_seconds().cast("int64")
    return pairs.select("deployment_id", seconds=seconds)


def _whole_before(linked: Linked, plan: Plan, reach: int) -> Any:
    begins = plan.period.incidents_from
    since = datetime.combine(begins, time.min, tzinfo=UTC) if begins else linked.start
    return ibis.literal(since + timedelta(seconds=reach), "timestamp('UTC')")


def cells_of_harmless(rows: Any, linked: Linked, plan: Plan, held_fixed: tuple[str, ...]) -> Mapping[str, Cells] | str:
    """The contrast among deployments that cannot matter, one set of cells per value of the column that chooses them.

    Parameters as in :func:`cells_before`; the plan's ``deployments`` chooses. Where it names several columns all must
    agree, and the first one's values are told apart.

    Returns
    -------
    The cells, or why there are none.
    """
    chosen = plan.challenges.negative_controls.deployments
    deployments = linked.checked.tables["deployments"]
    if missing := [column for column in chosen if column not in deployments.columns]:
        return f"no column {', '.join(missing)}"
    if not chosen:
        return "the plan names no deployments that cannot matter"
    first = next(iter(chosen))
    harmless = deployments.filter(reduce(and_, (_among(deployments, *each) for each in chosen.items())))
    kinds = harmless.select("deployment_id", **{SLICE: harmless[first].cast("string")})
    joined = _exposed(rows).join(kinds, "deployment_id")
    keys = _keys(plan, held_fixed)
    frame = joined.group_by([*keys, SLICE]).agg(n=joined.count(), events=joined.events.sum()).order_by(keys).execute()
    return {str(name): _cells(part, keys, plan) for name, part in frame.groupby(SLICE)}


class Other(NamedTuple):
    """Whose label stands in for a deployment's own: the nearest one of its service at least so far ahead or back.

    Attributes
    ----------
    name : what the cells are called.
    seconds : ahead where above 0, back where below; never 0.
    """

    name: str
    seconds: int


def cells_by_label_of_another(
    rows: Any, others: tuple[Other, ...], plan: Plan, held_fixed: tuple[str, ...]
) -> Mapping[str, Cells]:
    """The planned outcome by the label of *another* deployment of the service, own labels held fixed.

    ``exposed`` says whether that other deployment was AI-assisted, and ``own_label``, one more stratum, whether this
    one was: within it nothing is left of what this one's label does. Deployments without such another, or with one
    whose label nobody knows, are left out.

    Parameters
    ----------
    rows : deployments as ``Counted.rows`` holds them; those the plan leaves out lend no label.
    others : whose labels; one set of cells each, from one query.
    plan, held_fixed : strata and cluster; covariate columns of the cells.
    """
    keys = _keys(plan, held_fixed)
    line = ibis.union(_lenders(rows, keys), *(_borrowers(rows, keys, other) for other in others))
    # Of the moments ahead the earliest, of those behind the latest: min and max find both, the label being in the
    # last digits of the moment.
    order = {"group_by": "lane", "order_by": ["second", "turn"]}
    ahead = line.lent.min().over(ibis.window(**order, rows=(1, None)))
    behind = line.lent.max().over(ibis.window(**order, rows=(None, -1)))
    asked = line.mutate(found=ibis.ifelse(line.ahead == 1, ahead, behind)).filter(lambda table: table[SLICE].notnull())
    code = asked.found % _LAST_CODE
    labelled = asked.mutate(lent_label=code.cast("int64")).filter(code.isin((0, 1)))
    groups = [SLICE, *(key for key in keys if key != "exposed"), OWN, "lent_label"]
    frame = labelled.group_by(groups).agg(n=labelled.count(), events=labelled.events.sum()).order_by(groups).execute()
    frame = frame.rename(columns={"lent_label": "exposed"})
    return {other.name: _with_own(frame[frame[SLICE] == other.name], keys, plan) for other in others}


def _lenders(rows: Any, keys: list[str]) -> Any:
    lending = rows.filter(rows[LEFT_OUT].isnull())
    code = ibis.cases((lending.assistance == AI, 1), (lending.assistance == HUMAN, 0), else_=2).cast("int64")
    second = lending.deployed_at.epoch_seconds().cast("int64")
    return lending.select(
        lane=lending.service,
        second=second,
        turn=ibis.literal(1, "int64"),
        ahead=ibis.literal(0, "int64"),
        lent=second * _LAST_CODE + code,
        events=ibis.literal(0, "int64"),
        **{SLICE: ibis.null("string"), OWN: ibis.null("string")},
        **{key: ibis.null("string") for key in keys if key != "exposed"},
    )


def _borrowers(rows: Any, keys: list[str], other: Other) -> Any:
    asking = rows.filter(rows.step == ANALYSED)
    forward = other.seconds > 0
    return asking.select(
        lane=asking.service,
        second=asking.deployed_at.epoch_seconds().cast("int64") + other.seconds,
        # A deployment in that very second counts as at least so far away, on either side.
        turn=ibis.literal(0 if forward else 2, "int64"),
        ahead=ibis.literal(int(forward), "int64"),
        lent=ibis.null("int64"),
        events=asking.events.cast("int64"),
        **{SLICE: ibis.literal(other.name), OWN: asking.assistance},
        **{key: asking[key] for key in keys if key != "exposed"},
    )


def _with_own(frame: pd.DataFrame, keys: list[str], plan: Plan) -> Cells:
    cells = _cells(frame, [*keys, OWN], plan)
    return replace(cells, strata=(*cells.strata, OWN))


def _exposed(rows: Any) -> Any:
    analysed = rows.filter(rows.step == ANALYSED)
    return analysed.mutate(exposed=(analysed.assistance == AI).cast("int64"))


def _keys(plan: Plan, held_fixed: tuple[str, ...]) -> list[str]:
    return list(dict.fromkeys((*plan.design.strata, plan.design.cluster, *held_fixed, "exposed")))


def _cells(frame: pd.DataFrame, keys: list[str], plan: Plan, events: str = "events") -> Cells:
    counts = {"n": frame["n"], "events": frame[events], "exposure_hours": frame["n"] * float(plan.outcome.follow_up)}
    types = {"exposed": "int64", "n": "int64", "events": "int64", "exposure_hours": "float64"}
    return Cells(frame[keys].assign(**counts).astype(types), plan.design.strata, plan.design.cluster)
