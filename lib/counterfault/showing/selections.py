"""Which of many estimates a table or a picture shows, and what each is called there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import nan

import pandas as pd

from counterfault.estimate import Estimate
from counterfault.estimating import Estimates
from counterfault.estimators.marginal.overlap import Overlap
from counterfault.estimators.timing.survival_curves import Weighting, cumulative_incidence
from counterfault.figures.forest import RATIOS
from counterfault.figures.forest import headlines as one_per_design
from counterfault.figures.tables import Table
from counterfault.panels import Durations


def headlines(found: Estimates, but: str = "") -> list[Estimate]:
    """One ratio per design, of those that were found; all ``but`` one, which is shown under the name of primary."""
    return one_per_design(found, [id for id in RATIOS if id not in ("primary", but)])


def starting(found: Estimates, *beginnings: str) -> list[Estimate]:
    """The estimates whose ids begin in one of these ways."""
    return [item for id, item in found.items() if id.startswith(beginnings)]


def ending(found: Estimates, *endings: str) -> list[Estimate]:
    """The estimates whose ids end in one of these ways."""
    return [item for id, item in found.items() if id.endswith(endings)]


def with_parts(items: Iterable[Estimate]) -> list[Estimate]:
    """Each estimate, followed by what it was made of under the same name."""
    return [
        each
        for item in items
        for each in (item, *(replace(part, id=item.id) for part in item.parts if part.label != item.label))
    ]


def overlap_table(found: Overlap, balance: pd.DataFrame) -> Table:
    """How much can be compared, and how far apart the groups are before weighting and after."""
    rows = [
        ("AI-assisted changes with a counterpart in their stratum", f"{found.with_counterpart:.0%}"),
        ("AI-assisted changes within the propensities of others", f"{found.common_support:.0%}"),
        ("changes that might as well have been of the other kind (preference score from 0.3 to 0.7)", _share(found)),
        ("AI-assisted changes, effectively", f"{found.effective_exposed:,.0f} of {found.exposed:,}"),
        ("other changes, effectively", f"{found.effective_unexposed:,.0f} of {found.unexposed:,}"),
        *_balance_rows(balance),
    ]
    frame = pd.DataFrame([(name, value.replace("nan%", "–").replace("nan", "–")) for name, value in rows])
    return Table(frame.set_axis(["what", "how much"], axis="columns"), "Overlap and balance", longest=120)


def _share(found: Overlap) -> str:
    return f"{found.equipoise:.0%}"


def _balance_rows(balance: pd.DataFrame) -> list[tuple[str, str]]:
    differences = {"difference": "before weighting", "weighted_difference": "after weighting"}
    rows = []
    for column, words in differences.items():
        worst = balance[column].abs().max() if len(balance) else float("nan")
        rows.append((f"largest standardised difference {words}", f"{worst:.2f}"))
    return rows


def incident_curves(panel: Durations, level: float = 0.95) -> pd.DataFrame:
    """Cumulative incidence by group, others weighted to the strata of AI-assisted changes, for the figure.

    Limits stand at the end of each curve only, where they are those of the estimates: along the curve there are none
    that allow for failures of one service coming together.
    """
    found = cumulative_incidence(panel, level, weighting=Weighting.TO_EXPOSED)
    names: Mapping[int, str] = {1: "AI-assisted", 0: "not AI-assisted"}
    frame = found.curves.assign(group=found.curves["exposed"].map(names), low=nan, high=nan)
    ends = frame.groupby("exposed", sort=False).tail(1)
    for row, exposed in ends["exposed"].items():
        end = found.exposed if exposed else found.unexposed
        if end.estimable:
            frame.loc[row, ["low", "high"]] = end.interval.low, end.interval.high
    return frame.rename(columns={"time": "hours"})[["group", "hours", "risk", "low", "high", "events"]]
