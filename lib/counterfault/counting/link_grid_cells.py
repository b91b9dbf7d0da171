"""Cells under every link rule and window: one join of incidents and deployments, one pass over them, the whole grid."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import ibis

from counterfault.cells import Cells
from counterfault.counting.incident_pairs import (
    Moved,
    Reading,
    all_moved,
    hit_by_chance,
    nearest_by_rule,
    pairs_near,
    pairs_tied,
    readings_of,
    within,
)
from counterfault.counting.outcomes import CHANCE
from counterfault.counting.population import ANALYSED
from counterfault.linking import Linked, study_tables
from counterfault.linking.rules import LastDeployment, Recorded
from counterfault.plan import Plan


@dataclass(frozen=True)
class LinkedCells:
    """The deployments of the contrast, counted as one rule with one window links them.

    Attributes
    ----------
    rule : its name in the plan.
    window_hours : None where the rule knows no window.
    planned : whether the plan links so.
    links : between all incidents and deployments of the study.
    links_by_chance : so many coincidence would make; None where time plays no part, or nothing can be moved.
    not_followed : deployments of the contrast left out, because the data end within this window after them.
    cells : with the column ``chance_events`` (deployments that would fail by coincidence alone), unless
        ``links_by_chance`` is None.
    """

    rule: str
    window_hours: float | None
    planned: bool
    links: int
    links_by_chance: float | None
    not_followed: int
    cells: Cells


def link_grid_cells(
    rows: Any, linked: Linked, plan: Plan, held_fixed: tuple[str, ...], windows_hours: Iterable[float]
) -> tuple[LinkedCells, ...]:
    """Cells under each rule these tables have a column or table for, and under each window.

    Parameters
    ----------
    rows : deployments as ``Counted.rows`` holds them.
    linked, plan : the plan's links, design and outcome; its own rule and window are always among the answers.
    held_fixed : covariate columns of the cells.
    windows_hours : beside the planned one.

    Notes
    -----
    The failures of the planned rule and window are those of ``rows``. A window longer than the plan follows deployments
    for leaves out those that the data do not follow so long, or the latest would count as safe before it ends.
    """
    tables = study_tables(linked.checked, plan)
    columns = readings_of(tables, plan, sorted({*windows_hours, plan.outcome.window_hours}))
    pairs = pairs_near(tables, linked, plan, columns)
    moved = all_moved(tables, linked, plan, columns)
    by_rule = {"recorded": Recorded()(tables), "last": LastDeployment()(tables)}
    frame = _counted(_marked(rows, linked, pairs, by_rule, moved), plan, held_fixed, columns)
    sizes, chance = _links_in_all(pairs, by_rule, columns), _links_by_chance(moved)
    return tuple(_entry(column, frame, sizes, chance, plan, held_fixed) for column in columns)


def _marked(
    rows: Any,
    linked: Linked,
    pairs: Any,
    by_rule: dict[str, Any],
    moved: Iterable[Moved],
) -> Any:
    """The deployments of the contrast, the lag of each rule's nearest incident, and how likely chance alone hits."""
    marked = rows.filter(rows.step == ANALYSED).mutate(
        exposed=(rows.assistance == "ai").cast("int64"),
        seconds_left=int(linked.end.timestamp()) - rows.deployed_at.epoch_seconds().cast("int64"),
    )
    marked = _joined(marked, nearest_by_rule(pairs))
    for rule, links in by_rule.items():
        marked = _joined(marked, links.select("deployment_id", **{f"hit_{rule}": ibis.literal(1)}).distinct())
    for each in moved:
        marked = _joined(marked, hit_by_chance(each))
    return marked


def _joined(marked: Any, more: Any) -> Any:
    return marked.left_join(more, "deployment_id").drop("deployment_id_right")


def _hit(marked: Any, column: Reading, plan: Plan) -> Any:
    """1 where a rule makes a deployment a failed one."""
    if column.is_planned(plan):
        return marked.events
    if column.hours is None:
        return marked[f"hit_{column.rule}"].fill_null(0)
    by_time = within(marked, column)
    if column.rule == "recorded_then_window":
        return ibis.greatest(by_time, marked.hit_recorded.fill_null(0))
    return by_time


def _counted(marked: Any, plan: Plan, held_fixed: tuple[str, ...], columns: Iterable[Reading]) -> Any:
    """One row per cell: deployments followed for each window, and those of them each rule hits."""
    keys = [*_keys(plan, held_fixed), "exposed"]
    sums = {"n": marked.count()}
    for column in columns:
        followed = _followed(marked, column.hours, plan)
        sums[_n(column)] = followed.sum()
        sums[column.events] = (followed * _hit(marked, column, plan)).sum()
        if column.chance in marked.columns:
            sums[column.chance] = (followed * marked[column.chance].fill_null(0.0)).sum()
    frame = marked.group_by(keys).agg(**sums).order_by(keys).execute()
    types = {name: "float64" if name.startswith("chance_") else "int64" for name in sums}
    return frame.astype({**types, "exposed": "int64"})


def _followed(marked: Any, hours: float | None, plan: Plan) -> Any:
    """The contrast holds what is followed as long as the plan asks; only a longer window asks for more."""
    more = hours is not None and hours > plan.outcome.follow_up
    return ibis.ifelse(marked.seconds_left >= (round(hours * 3600) if hours is not None and more else 0), 1, 0)


def _keys(plan: Plan, held_fixed: tuple[str, ...]) -> list[str]:
    return list(dict.fromkeys((*plan.design.strata, plan.design.cluster, *held_fixed)))


def _n(column: Reading) -> str:
    return f"n_{column.place}"


def _links_in_all(pairs: Any, by_rule: dict[str, Any], columns: Iterable[Reading]) -> dict[Reading, int]:
    named = {rule: int(links.count().execute()) for rule, links in by_rule.items()}
    by_time = pairs_tied(pairs, columns)
    extra = {"recorded_then_window": named["recorded"]}
    return {
        column: named[column.rule] if column.hours is None else by_time[column] + extra.get(column.rule, 0)
        for column in columns
    }


def _links_by_chance(moved: Iterable[Moved]) -> dict[Reading, float]:
    return {
        column: size / each.moves for each in moved for column, size in pairs_tied(each.pairs, each.columns).items()
    }


def _entry(
    column: Reading,
    frame: Any,
    links: dict[Reading, int],
    by_chance: dict[Reading, float],
    plan: Plan,
    held_fixed: tuple[str, ...],
) -> LinkedCells:
    followed = frame[_n(column)]
    counts = {"n": followed, "events": frame[column.events], "exposure_hours": followed * plan.outcome.follow_up}
    if column in by_chance:
        counts[CHANCE] = frame[column.chance]
    cells = frame[[*_keys(plan, held_fixed), "exposed"]].assign(**counts)
    return LinkedCells(
        rule=column.rule,
        window_hours=column.hours,
        planned=column.is_planned(plan),
        links=links[column],
        links_by_chance=by_chance.get(column),
        not_followed=int((frame["n"] - followed).sum()),
        cells=Cells(cells[followed > 0].reset_index(drop=True), plan.design.strata, plan.design.cluster),
    )
