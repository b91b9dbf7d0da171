"""How often is each candidate for the primary interval wrong? The table in docs/methods.md comes from here.

    python benchmarks/primary_interval.py [RUNS]        (200 by default; about ten minutes on two cores)

Organisations are drawn with risks and AI use that differ and go together across services, so that comparing across
services misleads. Failures may come in bursts (a shared shock per service and week, in weeks that also differ in AI
use), and the ratio may differ between services around its average.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
import pandas as pd

from counterfault.cells import Cells
from counterfault.estimate import Estimate
from counterfault.estimators.poisson.regression import ModifiedPoisson, SmallSample, as_headline
from counterfault.estimators.tables import stratified

WEEKS = 13  # of a quarter


@dataclass(frozen=True)
class World:
    """One kind of organisation; `ratio` is the truth every interval is judged by."""

    name: str
    services: int
    deployments: int
    risk: float
    ratio: float = 1.0
    burst: float = 0.0
    unlike: float = 0.0


WORLDS = (
    World("null, 6 services", 6, 4000, 0.02),
    World("null, 6 services, bursts", 6, 4000, 0.02, burst=1.0),
    World("null, 12 services", 12, 6000, 0.02),
    World("null, 12 services, bursts", 12, 6000, 0.02, burst=1.0),
    World("null, 40 services", 40, 10000, 0.02),
    World("null, 40 services, bursts", 40, 10000, 0.02, burst=1.0),
    World("null, 40 services, rare", 40, 10000, 0.003),
    World("null, 9 services, rare", 9, 4000, 0.007),
    World("ratio 1.5, 40 services", 40, 10000, 0.02, ratio=1.5),
    World("ratio 1.5, 40 services, bursts", 40, 10000, 0.02, ratio=1.5, burst=1.0),
    World("ratio 1.5 on average, 12 unlike services", 12, 6000, 0.02, ratio=1.5, unlike=0.3),
    World("ratio 2, 12 services", 12, 6000, 0.02, ratio=2.0),
)

CANDIDATES = {
    "Mantel–Haenszel": stratified.risk_ratio,
    "CR1": ModifiedPoisson(small_sample=SmallSample.CR1),
    "CR2": ModifiedPoisson(),
    "wider": as_headline(()),
}


def draw(world: World, rng: np.random.Generator) -> Cells:
    """One organisation over six quarters."""
    frailty = rng.normal(0, 0.8, world.services)
    use = frailty + rng.normal(0, 0.8, world.services) - 1.8
    size = np.exp(rng.normal(0, 0.5, world.services))
    slope = np.exp(rng.normal(0, world.unlike, world.services) - world.unlike**2 / 2)
    rows = []
    for service, share in enumerate(size / size.sum()):
        for quarter in range(6):
            count = rng.poisson(world.deployments * share / 6)
            week = rng.integers(0, WEEKS, count)
            shock = np.exp(rng.normal(0, world.burst, WEEKS) - world.burst**2 / 2)
            lean = rng.normal(0, 1.0 if world.burst else 0.0, WEEKS)
            assisted = rng.random(count) < 1 / (1 + np.exp(-(use[service] + 0.35 * quarter + lean[week])))
            risk = world.risk * np.exp(frailty[service] - 0.32) * 1.06**quarter * shock[week]
            risk = np.minimum(risk * np.where(assisted, world.ratio * slope[service], 1.0), 0.9)
            failed = rng.random(count) < risk
            for arm in (0, 1):
                chosen = assisted == arm
                rows.append((f"s{service}", f"q{quarter}", arm, int(chosen.sum()), int(failed[chosen].sum())))
    frame = pd.DataFrame(rows, columns=["service", "period", "exposed", "n", "events"])
    return Cells(frame[frame["n"] > 0])


def judge(found: Estimate, truth: float) -> np.ndarray:
    """Wholly above 1, wholly below 1, holds the truth; an estimate that does not exist claims nothing."""
    return np.array([found.interval.low > 1, found.interval.high < 1, truth in found.interval], dtype=float)


def main(runs: int) -> None:
    print(f"{runs} runs each; Monte Carlo error {np.sqrt(0.025 * 0.975 / runs):.3f} at .025")
    print("| world | failures | " + " | ".join(CANDIDATES) + " |")
    for number, world in enumerate(WORLDS):
        rng = np.random.default_rng([7, number])
        counts, wrong = [], {name: np.zeros(3) for name in CANDIDATES}
        for _ in range(runs):
            cells = draw(world, rng)
            counts.append(int(cells.frame["events"].sum()))
            for name, candidate in CANDIDATES.items():
                wrong[name] += judge(candidate(cells), world.ratio)
        told = (" / ".join(f"{share / runs:.3f}" for share in wrong[name]) for name in CANDIDATES)
        print(f"| {world.name} | {np.mean(counts):.0f} | " + " | ".join(told) + " |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
