"""Cells with one more column, whose values are left out one at a time: service, team, tool, author group or month."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal

import ibis
import pandas as pd

from counterfault.cells import Cells
from counterfault.contracts import ASSISTANCE
from counterfault.counting.covariates import MISSING
from counterfault.counting.outcomes import CHANCE
from counterfault.counting.population import ANALYSED
from counterfault.linking import Linked
from counterfault.plan import Plan

Dimension = Literal["service", "team", "tool", "author_cluster", "month"]

LEFT_OUT = "left_out"  # the column; empty where a deployment belongs to nothing that is ever left out
FEWEST_AUTHORS = 3  # in a group: fewer would show what one person's changes do to the answer
_COLUMN = {"team": "team", "tool": "ai_tool", "author_cluster": "author"}


@dataclass(frozen=True)
class LeaveOutCells:
    """Cells by what may be left out.

    Attributes
    ----------
    cells : with the column ``left_out``.
    groups : how many groups authors were pooled into; 0 where it is not about authors.
    """

    cells: Cells
    groups: int = 0


def leave_out_cells(
    rows: Any, linked: Linked, plan: Plan, by: Dimension, held_fixed: tuple[str, ...], author_groups: int
) -> LeaveOutCells | str:
    """The cells of the contrast, told apart by one dimension more.

    Parameters
    ----------
    rows : deployments as ``Counted.rows`` holds them.
    linked, plan : the checked tables and the plan's design.
    by : of a tool, the AI-assisted changes made with it; of authors, groups of them.
    held_fixed : covariate columns of the cells.
    author_groups : at most so many, of at least three authors each.

    Returns
    -------
    The cells, or why there are none.
    """
    if by in ("service", "month"):  # always among the columns of the rows
        return LeaveOutCells(_counted(rows.mutate(**{LEFT_OUT: rows[by]}), plan, held_fixed))
    deployments, column = linked.checked.tables["deployments"], _COLUMN[by]
    if column not in deployments.columns:
        return f"no column {column}"
    values = deployments.select("deployment_id", said=deployments[column])
    analysed = rows.filter(rows.step == ANALYSED)
    joined = analysed.left_join(values, "deployment_id").drop("deployment_id_right")
    if by == "author_cluster":
        return _by_author_group(joined, plan, held_fixed, author_groups)
    named = joined.said.fill_null(MISSING)
    if by == "tool":
        named = ibis.ifelse(joined.assistance == ASSISTANCE[0], named, "")
    return LeaveOutCells(_counted(joined.mutate(**{LEFT_OUT: named}), plan, held_fixed))


def _by_author_group(joined: Any, plan: Plan, held_fixed: tuple[str, ...], most: int) -> LeaveOutCells | str:
    authors = joined.select("said").distinct().execute()["said"].dropna().tolist()
    groups = min(most, len(authors) // FEWEST_AUTHORS)
    if groups < 2:
        return (
            f"{len(authors)} authors are too few to pool: two groups of at least {FEWEST_AUTHORS} need "
            f"{2 * FEWEST_AUTHORS}, and no smaller group is looked at"
        )
    grouped = ibis.memtable(author_groups_of(authors, groups), schema={"said": "string", LEFT_OUT: "string"})
    pooled = joined.left_join(grouped, "said").drop("said_right")
    # Without an author a change belongs to no group; leaving it out with one would move the ratio for another reason.
    return LeaveOutCells(
        _counted(pooled.mutate(**{LEFT_OUT: pooled[LEFT_OUT].fill_null("")}), plan, held_fixed), groups
    )


def author_groups_of(authors: list[str], groups: int) -> pd.DataFrame:
    """``said`` (a pseudonym) and ``left_out`` (the number of its group, as text that sorts), in groups of even size.

    The hash decides who stands beside whom, so that no group is one anybody could guess or choose; the same authors
    always fall into the same groups. Cutting the order of hashes into equal runs, rather than taking a remainder,
    leaves no group with a single person in it.
    """
    ordered = sorted(set(authors), key=lambda author: sha256(author.encode()).digest())
    digits = len(str(groups))
    numbers = [f"{1 + place * groups // len(ordered):0{digits}}" for place in range(len(ordered))]
    return pd.DataFrame({"said": ordered, LEFT_OUT: numbers}, dtype="str")


def _counted(marked: Any, plan: Plan, held_fixed: tuple[str, ...]) -> Cells:
    keys = list(dict.fromkeys((*plan.design.strata, plan.design.cluster, *held_fixed, LEFT_OUT, "exposed")))
    rows = marked.filter(marked.step == ANALYSED).mutate(exposed=(marked.assistance == ASSISTANCE[0]).cast("int64"))
    chance = [CHANCE] if CHANCE in rows.columns else []
    sums = {"n": rows.count(), "events": rows.events.sum(), **{name: rows[name].sum() for name in chance}}
    frame = rows.group_by(keys).agg(**sums).order_by(keys).execute()
    frame = frame.astype({"exposed": "int64", "n": "int64", "events": "int64", **dict.fromkeys(chance, "float64")})
    frame["exposure_hours"] = frame["n"] * float(plan.outcome.follow_up)
    return Cells(frame, plan.design.strata, plan.design.cluster)
