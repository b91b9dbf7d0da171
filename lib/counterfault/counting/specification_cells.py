"""Deployments of the contrast under many definitions of failure and many strata at once, from one query."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

import ibis
import pandas as pd

from counterfault.cells import Cells
from counterfault.counting.covariates import MISSING, calendar_label
from counterfault.counting.outcomes import CHANCE
from counterfault.counting.population import ANALYSED
from counterfault.linking import Linked, study_tables
from counterfault.linking.chance import chance_of_a_link
from counterfault.linking.rules import Rule, rule_named
from counterfault.plan import CALENDAR, Plan

# Rule, and hours of its window or None: "an incident tied to the deployment by this rule".
Failing: TypeAlias = tuple[str, float | None]


@dataclass(frozen=True, eq=False)
class SpecificationRows:
    """One row per deployment of the contrast, oldest first: labels can be shuffled only between deployments.

    Attributes
    ----------
    frame : columns ``keys`` (categories), and 0/1 columns ``exposed`` and those named in ``failed`` and ``followed``.
    keys : strata, calendar blocks, the cluster and covariates.
    failed : definition of failure → its column.
    followed : hours → column that is 1 where the data follow the deployment so long. A window that is not among them
        is no longer than the plan's follow-up, which every deployment has.
    cluster : column whose members are not independent of one another.
    follow_up : the plan's, in hours.
    chance : definition of failure → column with the probability that a deployment fails so by coincidence; empty where
        nobody asked, and without those in which time plays no part.
    """

    frame: pd.DataFrame
    keys: tuple[str, ...]
    failed: Mapping[Failing, str]
    followed: Mapping[float, str]
    cluster: str
    follow_up: float
    chance: Mapping[Failing, str] = field(default_factory=dict)

    def cells(self, failing: Failing, strata: Sequence[str]) -> Cells:
        """The deployments counted with one definition of failure as their events.

        Those the data do not follow for a longer window are left out: they would count as safe before it ends.
        """
        counts, followed = self.counts, self.followed_column(failing)
        if followed:
            counts = counts[counts[followed] == 1]
        hours = max(self.follow_up, failing[1] or 0.0)
        frame = counts[[*self.keys, "exposed", "n"]].assign(
            events=counts[self.failed[failing]], exposure_hours=counts["n"] * hours
        )
        if failing in self.chance:
            frame[CHANCE] = counts[self.chance[failing]]
        return Cells(frame, tuple(strata), self.cluster)

    def followed_column(self, failing: Failing) -> str | None:
        """The column that says which deployments the data follow long enough; None where they follow all."""
        return None if failing[1] is None else self.followed.get(failing[1])

    @cached_property
    def counts(self) -> pd.DataFrame:
        """One row per combination of keys, exposure and follow-up: ``n``, and how many failed by each definition."""
        by = [*self.keys, *self.followed.values(), "exposed"]
        summed = ["n", *self.failed.values(), *self.chance.values()]
        return self.frame.assign(n=1).groupby(by, observed=True)[summed].sum().reset_index()


def specification_rows(
    rows: Any,
    linked: Linked,
    plan: Plan,
    held_fixed: tuple[str, ...],
    strata: Iterable[str],
    failings: Iterable[Failing],
    *,
    with_chance: bool = False,
) -> SpecificationRows:
    """The contrast of the plan with these columns and these definitions of failure.

    Parameters
    ----------
    rows : deployments as ``Counted.rows`` holds them.
    linked, plan : tables, cluster and follow-up.
    held_fixed : covariate columns of ``rows``.
    strata : groups and calendar units, whether or not the plan's own strata name them.
    failings : rules with their windows.
    with_chance : whether coincidences are counted too; they cost a query of many shifted incidents for each window.

    Notes
    -----
    Who is in the contrast is the plan's decision and the same for all: only a window longer than the plan's follow-up
    leaves out the last deployments, in its own specifications. A common population would cut them everywhere, and the
    planned specification would no longer be the primary estimate.
    """
    failed = {failing: f"failed_{place}" for place, failing in enumerate(dict.fromkeys(failings))}
    windows = sorted({hours for _, hours in failed if hours is not None and hours > plan.outcome.follow_up})
    followed = {hours: f"followed_{place}" for place, hours in enumerate(windows)}
    keys = tuple(dict.fromkeys(("service", plan.design.cluster, *plan.design.strata, *strata, *held_fixed)))
    marked = _with_failures(_with_keys(rows.filter(rows.step == ANALYSED), linked, keys), linked, plan, failed)
    marked, chance = _with_chance(marked, linked, plan, failed if with_chance else {})
    end = ibis.literal(linked.end, "timestamp('UTC')")
    marks = {
        name: (marked.deployed_at + ibis.interval(seconds=round(hours * 3600)) <= end).cast("int8")
        for hours, name in followed.items()
    }
    exposed = (marked.assistance == "ai").cast("int8")
    order = ["deployed_at", "deployment_id"]
    columns = (*order, *keys, *failed.values(), *chance.values())
    table = marked.select(*columns, **marks, exposed=exposed).order_by(order)
    frame = table.execute().drop(columns=order)
    types = dict.fromkeys([*failed.values(), *followed.values(), "exposed"], "int64")
    return SpecificationRows(
        frame.astype({**dict.fromkeys(keys, "category"), **types}),
        keys, failed, followed, plan.design.cluster, float(plan.outcome.follow_up), chance,
    )  # fmt: skip


def _with_keys(analysed: Any, linked: Linked, keys: tuple[str, ...]) -> Any:
    """The rows with the groups and calendar blocks that the plan's own design did not ask for."""
    missing = [name for name in keys if name not in analysed.columns]
    blocks = {name: calendar_label(analysed.deployed_at, name) for name in missing if name in CALENDAR}
    analysed = analysed.mutate(**blocks)
    deployments = linked.checked.tables["deployments"]
    groups = {name: deployments[name].fill_null(MISSING) for name in missing if name not in CALENDAR}
    if not groups:
        return analysed
    return analysed.join(deployments.select("deployment_id", **groups), "deployment_id")


def _with_failures(marked: Any, linked: Linked, plan: Plan, failed: Mapping[Failing, str]) -> Any:
    """One 0/1 column per definition of failure."""
    tables = study_tables(linked.checked, plan)
    for failing, name in failed.items():
        links = _rule(failing, plan)(tables)
        ids = links.select("deployment_id").distinct().mutate(**{name: ibis.literal(1, "int8")})
        marked = marked.left_join(ids, "deployment_id").drop("deployment_id_right")
        marked = marked.mutate(**{name: marked[name].fill_null(0)})
    return marked


def _with_chance(
    marked: Any, linked: Linked, plan: Plan, failed: Mapping[Failing, str]
) -> tuple[Any, dict[Failing, str]]:
    """One column of probabilities per definition in which time plays a part and something can be moved."""
    tables, chance = study_tables(linked.checked, plan), {}
    for failing, name in failed.items():
        hours = failing[1] or plan.outcome.window_hours
        found = chance_of_a_link(_rule(failing, plan), tables, linked.start, linked.end, hours)
        if found is None:
            continue
        chance[failing] = column = f"chance_of_{name}"
        marked = marked.left_join(found.rename({column: "chance"}), "deployment_id").drop("deployment_id_right")
        marked = marked.mutate(**{column: marked[column].fill_null(0.0)})
    return marked, chance


def _rule(failing: Failing, plan: Plan) -> Rule:
    rule, hours = failing
    return rule_named(rule, plan.outcome.model_copy(update={"window_hours": hours or plan.outcome.window_hours}))
