"""From thousands of runs to error rates, each with the error of counting so many and no more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import sqrt
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from counterfault.validating.runs import ORACLE, VERDICT

NULL = 1e-9  # a world is null where the planted total ratio is 1 but for rounding
FALSE_CLAIMS, COVERAGE, WORST_COVERAGE = 0.025, (0.93, 0.97), 0.92
POWER, POWER_FEW, NO_MATERIAL = 0.90, 0.80, 0.05
FEW_SERVICES = 8


def summarised(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """One row per world and reading: how often it claimed what, and how often it was right.

    Returns
    -------
    ``world``, ``reading``, ``runs``, ``truth`` (mean planted ratio), ``harm``, ``benefit`` (shares of runs that claim
    it), ``coverage`` (share of intervals with the truth, of runs with an interval), ``bias`` (mean log ratio less log
    truth), ``interval`` (share of runs with one), and of the verdict ``no_material_difference``, ``cannot_tell`` and
    ``gate`` (share silenced by a gate); ``error_*`` are Monte Carlo standard errors.
    """
    frame = pd.DataFrame(list(rows))
    groups = frame.groupby(["world", "reading"], sort=False)
    return pd.DataFrame([_row(some) for _, some in groups])


def _row(rows: pd.DataFrame) -> dict[str, Any]:
    world, reading, runs = str(rows["world"].iloc[0]), str(rows["reading"].iloc[0]), len(rows)
    value, truth = rows["value"].to_numpy(float), rows["truth"].to_numpy(float)
    usable = np.isfinite(value) & (value > 0)
    covered = (rows["low"].to_numpy(float) <= truth) & (truth <= rows["high"].to_numpy(float))
    off = np.log(value[usable] / truth[usable])
    shares = {
        "harm": float((rows["side"] == 1).mean()),
        "benefit": float((rows["side"] == -1).mean()),
        "coverage": float(covered[usable].mean()) if usable.any() else float("nan"),
        **(_of_calls(rows) if reading == VERDICT else {}),
    }
    counted = {"coverage": int(usable.sum())}
    return {
        "world": world,
        "reading": reading,
        "runs": runs,
        "truth": float(truth.mean()),
        **shares,
        "interval": float(usable.mean()),
        "bias": float(off.mean()) if usable.any() else float("nan"),
        **{f"error_{name}": _error(share, counted.get(name, runs)) for name, share in shares.items()},
        "error_bias": float(off.std(ddof=1) / sqrt(len(off))) if len(off) > 1 else float("nan"),
    }


def _of_calls(rows: pd.DataFrame) -> dict[str, float]:
    calls = rows["call"]
    return {
        "no_material_difference": float((calls == "no_material_difference").mean()),
        "cannot_tell": float((calls == "cannot_tell").mean()),
        "gate": float((rows["gates"] != "").mean()),
    }


def _error(share: float, runs: int) -> float:
    return sqrt(share * (1 - share) / runs) if runs else float("nan")


class Target(NamedTuple):
    """One promise about one world, and whether it was kept."""

    world: str
    promise: str
    found: float
    error: float
    wanted: str
    kept: bool


def targets(summary: pd.DataFrame, services: Mapping[str, int]) -> list[Target]:
    """Every promise of the error rates, world by world.

    Parameters
    ----------
    summary : as :func:`summarised` gives it.
    services : how many services each world has: with few, less power is promised.
    """
    table = summary.set_index(["world", "reading"])
    found: list[Target] = []
    for world in dict.fromkeys(summary["world"]):
        ours, oracle = table.loc[(world, VERDICT)], table.loc[(world, ORACLE)]
        found += _promises(world, ours, oracle, services[world])
    return found


def _promises(world: str, ours: pd.Series[Any], oracle: pd.Series[Any], services: int) -> list[Target]:
    truth = float(ours["truth"])
    found = []
    if abs(truth - 1) < NULL:
        found += [_at_most(world, f"false {side}", ours, side, FALSE_CLAIMS) for side in ("harm", "benefit")]
    if np.isfinite(ours["coverage"]):
        found.append(_covered(world, ours))
    if truth >= 1.4:
        wanted = POWER_FEW if services <= FEW_SERVICES else POWER
        found.append(_power(world, ours, oracle, wanted))
    if 1.2 <= truth <= 1.3:
        found.append(_at_most(world, "“no material difference” at 1.25", ours, "no_material_difference", NO_MATERIAL))
    return found


def _at_most(world: str, promise: str, ours: pd.Series[Any], column: str, most: float) -> Target:
    value = float(ours[column])
    return Target(world, promise, value, float(ours[f"error_{column}"]), f"at most {most:.1%}", value <= most)


def _covered(world: str, ours: pd.Series[Any]) -> Target:
    """Too wide is no fault a reader suffers from, so only the lower bound can be missed; the page shows both."""
    value = float(ours["coverage"])
    return Target(
        world, "coverage", value, float(ours["error_coverage"]),
        f"{COVERAGE[0]:.0%} to {COVERAGE[1]:.0%}, worst world {WORST_COVERAGE:.0%}", value >= WORST_COVERAGE,
    )  # fmt: skip


def _power(world: str, ours: pd.Series[Any], oracle: pd.Series[Any], wanted: float) -> Target:
    seen = float(oracle["harm"])
    share = float(ours["harm"]) / seen if seen > 0 else float("nan")
    error = (
        share * sqrt((ours["error_harm"] / ours["harm"]) ** 2 + (oracle["error_harm"] / seen) ** 2) if share else 0.0
    )
    return Target(
        world, "power as a share of the oracle's", share, float(error), f"at least {wanted:.0%}", share >= wanted
    )


def readings_in(summary: pd.DataFrame) -> Sequence[str]:
    """The readings in the order they are told: ours, its candidates, what people do, the oracle."""
    return list(dict.fromkeys(summary["reading"]))
