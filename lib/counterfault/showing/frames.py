"""Small frames in the shape the figures take."""

from __future__ import annotations

import pandas as pd

from counterfault.cells import Cells
from counterfault.counting import Counted


def labels_by_period(counted: Counted, unit: str = "month") -> pd.DataFrame:
    """``period``, ``ai``, ``human``, ``unknown``: deployments the plan does not leave out, per month or quarter."""
    labels = _with_period(counted, unit)
    counts = {
        name: labels[labels["assistance"] == name].groupby("period")["n"].sum() for name in ("ai", "human", "unknown")
    }
    return pd.DataFrame(counts).fillna(0).astype("int64").rename_axis("period").reset_index()


def labels_by_service(counted: Counted, unit: str = "quarter") -> pd.DataFrame:
    """``service``, ``period``, ``assistance``, ``n``, as the growth estimates take them."""
    labels = _with_period(counted, unit)
    return labels.groupby(["service", "period", "assistance"])["n"].sum().reset_index()


def periods_in(counted: Counted, unit: str = "quarter") -> tuple[str, ...]:
    """The periods with deployments, in order."""
    return tuple(sorted(_with_period(counted, unit)["period"].unique()))


def failures_by_period(cells: Cells) -> pd.DataFrame:
    """``period``, ``exposed``, ``n``, ``events`` of the contrast, per calendar block of its strata."""
    block = next((name for name in cells.strata if name not in ("service", "team", "layer")), None)
    frame = cells.frame.assign(period=cells.frame[block] if block else "whole period")
    return frame.groupby(["period", "exposed"], as_index=False)[["n", "events"]].sum()


def _with_period(counted: Counted, unit: str) -> pd.DataFrame:
    months = counted.by_label["month"]
    if unit == "month":
        return counted.by_label.assign(period=months)
    quarter = (months.str[5:7].astype("int64") + 2) // 3
    return counted.by_label.assign(period=months.str[:4] + "Q" + quarter.astype("str"))
