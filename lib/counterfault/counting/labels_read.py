"""The contrast with its unknown labels read one way and the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from counterfault.cells import Cells
from counterfault.counting.population import ANALYSED, UNKNOWN
from counterfault.plan import Plan

SUMMED = ("events", "chance_events")


@dataclass(frozen=True)
class UnknownRead:
    """The contrast together with the deployments that only their unknown label keeps out of it.

    Attributes
    ----------
    unknown : how many there are.
    failed : how many of them failed.
    as_label : "ai" and "human" → the cells with all of them read so.
    """

    unknown: int
    failed: int
    as_label: Mapping[str, Cells]


def unknown_read(rows: Any, plan: Plan, held_fixed: tuple[str, ...]) -> UnknownRead:
    """Counts deployments of unknown label among the AI-assisted, and among the others; one query for both.

    Parameters
    ----------
    rows : deployments as ``Counted.rows`` holds them.
    plan, held_fixed : strata and cluster; covariate columns of the cells.
    """
    keys = list(dict.fromkeys((*plan.design.strata, plan.design.cluster, "service", *held_fixed)))
    chosen = rows.filter(rows.step.isin((ANALYSED, UNKNOWN)))
    sums = {name: chosen[name].sum() for name in SUMMED if name in chosen.columns}
    grouped = chosen.group_by([*keys, "assistance"]).agg(n=chosen.count(), **sums)
    frame = grouped.order_by([*keys, "assistance"]).execute()
    frame = frame.astype({"n": "int64", "events": "int64"})
    hidden = frame[frame["assistance"] == "unknown"]
    return UnknownRead(
        unknown=int(hidden["n"].sum()),
        failed=int(hidden["events"].sum()),
        as_label={label: _read_as(label, frame, keys, list(sums), plan) for label in ("ai", "human")},
    )


def _read_as(label: str, frame: pd.DataFrame, keys: list[str], sums: list[str], plan: Plan) -> Cells:
    exposed = (frame["assistance"].replace("unknown", label) == "ai").astype("int64")
    summed = frame.assign(exposed=exposed).groupby([*keys, "exposed"])[["n", *sums]].sum().reset_index()
    summed["exposure_hours"] = summed["n"] * float(plan.outcome.follow_up)
    return Cells(summed, plan.design.strata, plan.design.cluster)
