"""How long does a verdict take, counted alone and together with others?

    python benchmarks/verdicts.py 30

Invented organisations of 10,000 deployments and some 300 incidents go through the pipeline one by one and all at once,
as `counterfault validate` does it; simulation and every reading are included in the second figure.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime

import counterfault as cf
from counterfault.analysis import conclude
from counterfault.plan import Plan
from counterfault.simulate import WORLDS, simulate
from counterfault.validating.runs import plan_for, run_world

WORLD = WORLDS["null_standard"]


def alone(seed: int, plan: Plan) -> str:
    drawn = simulate(WORLD, seed)
    raw = cf.read(drawn.deployments, drawn.incidents, plan=plan)
    return conclude(cf.check(raw, plan, now=datetime(2027, 1, 1, tzinfo=UTC)), plan, further=False).verdict.call.code


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    plan = plan_for(WORLD, Plan())
    few = max(2, runs // 10)
    alone(0, plan)  # imports and first connections
    begun = time.process_time()
    calls = [alone(seed, plan) for seed in range(1, few + 1)]
    one_by_one = (time.process_time() - begun) / few
    begun = time.process_time()
    rows = run_world(WORLD, range(1, runs + 1), Plan())
    together = (time.process_time() - begun) / runs
    same = [row["call"] for row in rows if row["reading"] == "verdict"][:few] == calls
    print(f"one by one   {one_by_one:6.3f} s of processor per verdict ({few} organisations)")
    print(f"together     {together:6.3f} s ({runs} organisations), {one_by_one / together:.1f} times as fast")
    print(f"same calls: {'yes' if same else 'NO'}")
    print(f"2,000 verdicts on two processors: about {2000 * together / 2 / 60:.0f} min")


if __name__ == "__main__":
    main()
