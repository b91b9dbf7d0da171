"""From thousands of runs to error rates, each with the error of counting so many and no more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import sqrt
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from counterfault.validating.runs import ORACLE, VERDICT

NULL = 1e-9  # a world is null where the planted total ratio is 1 but for rounding
FALSE_CLAIMS, COVERAGE, WORST_COVERAGE = 0.025, (0.93, 0.97), 0.92
POWER, POWER_FEW, NO_MATERIAL = 0.90, 0.80, 0.05
FEW_SERVICES = 8
SEEN = 1.45  # planted ratios from which on power is promised: 1.5 and 2, as they come out
ACTED_ON = 1.25  # the smallest ratio worth acting on of the default plan


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
    usable, positive = np.isfinite(value), np.isfinite(value) & (value > 0)
    covered = (rows["low"].to_numpy(float) <= truth) & (truth <= rows["high"].to_numpy(float))
    off = np.log(value[positive] / truth[positive])
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
        "bias": float(off.mean()) if len(off) else float("nan"),
        **{f"error_{name}": _error(share, counted.get(name, runs)) for name, share in shares.items()},
        "error_bias": float(off.std(ddof=1) / sqrt(len(off))) if len(off) > 1 else float("nan"),
    }


def _of_calls(rows: pd.DataFrame) -> dict[str, float]:
    calls = rows["call"]
    return {
        "more": float((calls == "more").mean()),
        "fewer": float((calls == "fewer").mean()),
        "no_material_difference": float((calls == "no_material_difference").mean()),
        "cannot_tell": float((calls == "cannot_tell").mean()),
        "gate": float((rows["gates"] != "").mean()),
    }


def _error(share: float, runs: int) -> float:
    """Monte Carlo standard error; none in 500 is no proof of none, so one hit and one miss are added to both."""
    if not runs:
        return float("nan")
    padded = (share * runs + 1) / (runs + 2)
    return sqrt(padded * (1 - padded) / (runs + 2))


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
    found = [_at_most(world, promise, ours, column, most) for promise, column, most in _limits(truth)]
    if np.isfinite(ours["coverage"]):
        found.append(_covered(world, ours))
    if truth >= SEEN and float(oracle["harm"]) > 0:  # of nothing there is no share
        wanted = POWER_FEW if services <= FEW_SERVICES else POWER
        found.append(_power(world, ours, oracle, wanted))
    return found


def _limits(truth: float) -> Iterator[tuple[str, str, float]]:
    """What must seldom be said where this is true: promise, column, most."""
    null = abs(truth - 1) < NULL
    if null or truth < 1:
        yield "false harm" if null else "harm, where there is a benefit", "harm", FALSE_CLAIMS
    if null or truth > 1:
        yield "false benefit" if null else "benefit, where there is a harm", "benefit", FALSE_CLAIMS
    if 1 + NULL < truth <= ACTED_ON + NULL:
        yield f"“more than {ACTED_ON:g}”, where it is not", "more", FALSE_CLAIMS
    if not 1 / ACTED_ON + NULL < truth < ACTED_ON - NULL:
        yield "“no material difference”, where there is one", "no_material_difference", NO_MATERIAL


def _at_most(world: str, promise: str, ours: pd.Series[Any], column: str, most: float) -> Target:
    value = float(ours[column])
    return Target(world, promise, value, float(ours[f"error_{column}"]), f"at most {most:.1%}", value <= most)


def _covered(world: str, ours: pd.Series[Any]) -> Target:
    """Both ways: an interval that holds the truth too often is wider than it was promised to be."""
    value = float(ours["coverage"])
    wanted = f"{WORST_COVERAGE:.0%} to {COVERAGE[1]:.0%}"
    return Target(
        world, "coverage", value, float(ours["error_coverage"]), wanted, WORST_COVERAGE <= value <= COVERAGE[1]
    )


def _power(world: str, ours: pd.Series[Any], oracle: pd.Series[Any], wanted: float) -> Target:
    seen = float(oracle["harm"])
    share = float(ours["harm"]) / seen
    error = (
        share * sqrt((ours["error_harm"] / ours["harm"]) ** 2 + (oracle["error_harm"] / seen) ** 2) if share else 0.0
    )
    return Target(
        world, "power as a share of the oracle's", share, float(error), f"at least {wanted:.0%}", share >= wanted
    )


def readings_in(summary: pd.DataFrame) -> Sequence[str]:
    """The readings in the order they are told: ours, its candidates, what people do, the oracle."""
    return list(dict.fromkeys(summary["reading"]))
