"""Do the further designs find what was planted? Families of estimates on many invented organisations.

    python benchmarks/recovery.py harm 20 self_controlled case_crossover

For each estimate: its mean over organisations (geometric for ratios), how far it scatters, the standard error it
claims, and how often its interval holds 1 (for ratios) or 0. What is planted in which world is in
`counterfault/simulate`. Slow: some five seconds per organisation.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from datetime import UTC, datetime

import numpy as np

import counterfault as cf
from counterfault.estimate import Estimate
from counterfault.estimating import FAMILIES
from counterfault.places import demo_plan
from counterfault.simulate import WORLDS, simulate

FIRST_SEED = 1000


def study_of(world: str, seed: int) -> cf.Study:
    plan = cf.Plan.read(demo_plan())
    drawn = simulate(WORLDS[world], seed)
    raw = cf.read(drawn.deployments, drawn.incidents, dependencies=drawn.dependencies, plan=plan)
    linked = cf.link(cf.check(raw, plan, now=datetime(2027, 1, 1, tzinfo=UTC)), plan)
    return cf.Study(linked, cf.count(linked, plan), plan)


def told(id: str, found: list[Estimate]) -> str:
    usable = [item for item in found if item.estimable and np.isfinite(item.value)]
    if not usable:
        return f"{id:52} not estimable in any of {len(found)}"
    ratio = usable[0].estimand.is_ratio
    values = np.array([item.value for item in usable])
    on_scale = np.log(np.maximum(values, 1e-12)) if ratio else values
    mean = np.exp(on_scale.mean()) if ratio else on_scale.mean()
    spread = on_scale.std(ddof=1) if len(usable) > 1 else np.nan
    errors = [item.standard_error for item in usable if np.isfinite(item.standard_error)]
    claimed = np.mean(errors) if errors else np.nan
    held = sum(item.estimand.null in item.interval for item in usable)
    return f"{id:52} {len(usable):3} {mean:10.4f} {spread:9.4f} {claimed:9.4f} {held:4}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("world", nargs="?", choices=sorted(WORLDS), default="harm")
    parser.add_argument("runs", nargs="?", type=int, default=5)
    parser.add_argument("families", nargs="*", choices=[*FAMILIES, []], default=list(FAMILIES))
    asked = parser.parse_args()
    found: defaultdict[str, list[Estimate]] = defaultdict(list)
    for seed in range(FIRST_SEED, FIRST_SEED + asked.runs):
        study = study_of(asked.world, seed)
        for family in asked.families:
            for id, item in cf.estimate_family(study, family).items():
                found[id].append(item)
    print(f"{asked.world}, {asked.runs} organisations")
    print(f"{'estimate':52} {'n':>3} {'mean':>10} {'scatter':>9} {'claimed':>9} holds 1 or 0")
    for id, items in found.items():
        print(told(id, items))


if __name__ == "__main__":
    main()
