"""Rows that break the data contract on purpose, so that quarantine has something to show.

They come in addition to the good rows, under identifiers of their own, and the truth names each of them
with its reason. Each is a good row with one thing wrong: nothing else may explain why it was refused.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.random import Generator

Reasons = dict[str, str]

DEPLOYMENT_FAULTS: tuple[tuple[str, Any, str, int], ...] = (
    ("lines_added", -12, "lines_added is negative", 4),
    ("assistance", "copilot?", "assistance is none of ai, human, unknown", 4),
    ("service", None, "service is missing", 3),
    ("deployed_at", pd.NaT, "deployed_at is missing", 2),
    ("ai_share", 1.7, "ai_share lies outside 0 to 1", 2),
)
LATER = pd.Timedelta(hours=6)


def with_broken_deployments(table: pd.DataFrame, rng: Generator) -> tuple[pd.DataFrame, Reasons]:
    """The table with fifteen broken rows strewn in, fewer if it is very small, and why each is broken."""
    faults = [(column, value, why) for column, value, why, times in DEPLOYMENT_FAULTS for _ in range(times)]
    broken = _copies(table, table["assistance"] == "ai", len(faults), rng)
    broken["deployment_id"] = [f"dep-{len(table) + 1 + n:06d}" for n in range(len(broken))]
    for row, (column, value, _) in enumerate(faults[: len(broken)]):
        broken.loc[[row], column] = value
    reasons = dict(zip(broken["deployment_id"], (why for *_, why in faults), strict=False))
    return _strewn(table, broken, rng), reasons


def with_broken_incidents(
    table: pd.DataFrame, deployments: pd.DataFrame, rng: Generator
) -> tuple[pd.DataFrame, Reasons]:
    """The table with four broken rows strewn in, fewer if it is very small, and why each is broken."""
    newest = deployments.sort_values("deployed_at").drop_duplicates("service", keep="last").set_index("service")
    later_exists = table["service"].map(newest["deployed_at"]) > table["started_at"] + LATER
    broken = _copies(table, later_exists & table["resolved_at"].notna(), 4, rng)
    broken["incident_id"] = [f"inc-{len(table) + 1 + n:04d}" for n in range(len(broken))]
    broken.loc[broken.index == 0, "resolved_at"] = broken["started_at"] - LATER
    broken.loc[broken.index == 1, "severity"] = 9
    broken.loc[broken.index >= 2, "cause"] = "change"
    broken.loc[broken.index >= 2, "caused_by"] = broken["service"].map(newest["deployment_id"])
    reasons = (
        "resolved_at lies before started_at",
        "severity lies outside 1 to 5",
        "caused_by names a deployment made after the incident began",
        "caused_by names a deployment made after the incident began",
    )
    return _strewn(table, broken, rng), dict(zip(broken["incident_id"], reasons, strict=False))


def _copies(table: pd.DataFrame, fit: pd.Series[bool], count: int, rng: Generator) -> pd.DataFrame:
    """Up to `count` different rows among those that fit."""
    rows = np.nonzero(fit.to_numpy())[0]
    return table.iloc[rng.choice(rows, min(count, len(rows)), replace=False)].reset_index(drop=True)


def _strewn(table: pd.DataFrame, broken: pd.DataFrame, rng: Generator) -> pd.DataFrame:
    """The broken rows at random places; the good ones keep their order."""
    places = np.concatenate([np.arange(len(table)), rng.integers(0, len(table), len(broken)) - 0.5])
    rows = pd.concat([table, broken], ignore_index=True)
    return rows.iloc[np.argsort(places, kind="stable")].reset_index(drop=True)
