"""The contest for the primary interval: candidates on the same organisations, with and without planted effects.

    python benchmarks/contest.py 300 null_standard bursts harm_15

For each candidate and world: the share of runs whose interval lies above 1, the share whose lies below, and the share
that holds the truth, as counted and less the background of coincident links. A processor does some four a second.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from math import exp, log, sqrt

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from counterfault.cells import Cells
from counterfault.estimating import present
from counterfault.estimators.poisson.cluster_robust import SmallSample, cluster_robust
from counterfault.estimators.poisson.coincidence import background
from counterfault.estimators.poisson.regression_problem import EXPOSED, NotComparableError, comparable, problem_of
from counterfault.estimators.poisson.within_strata import point_fit
from counterfault.estimators.tables import stratified
from counterfault.plan import Plan
from counterfault.simulate import WORLDS, World, simulate
from counterfault.validating.runs import plan_for
from counterfault.validating.together import counted_together

AT_ONCE = 25
Z = 1.959964
# Few services and bursts together: no promise is made of it, and it is where intervals for few services part.
SIX_BURSTS = replace(
    WORLDS["six_services"],
    name="six_bursts",
    risk=replace(WORLDS["six_services"].risk, bursts=WORLDS["bursts"].risk.bursts),
    adoption=replace(WORLDS["six_services"].adoption, bursts=WORLDS["bursts"].adoption.bursts),
)
TRIED = {**WORLDS, SIX_BURSTS.name: SIX_BURSTS}
DEFAULT = (
    "null_standard", "simpson", "bursts", "six_services", "six_bursts", "rare_events", "harm_15", "heterogeneous",
    "six_services_harm_20",
)  # fmt: skip


def mantel_haenszel(cells: Cells) -> Iterator[tuple[str, float, float]]:
    """Name, log ratio and half width: with Greenland and Robins' variance, and by the variation between services."""
    found = stratified.risk_ratio(cells)
    if not (found.estimable and found.value > 0 and np.isfinite(found.standard_error)):
        return
    yield "MH", log(found.value), Z * found.standard_error
    tables = cells.tables()
    total = tables["exposed_total"] + tables["unexposed_total"]
    by_service = tables.index.get_level_values("service")
    over = (tables["exposed_events"] * tables["unexposed_total"] / total).groupby(by_service).sum()
    under = (tables["unexposed_events"] * tables["exposed_total"] / total).groupby(by_service).sum()
    some = (over + under) > 0
    influence = over[some] / over.sum() - under[some] / under.sum()
    count = int(some.sum())
    error = sqrt(float((influence**2).sum()) * count / (count - 1))
    yield "MH by service, t(G-1)", log(found.value), float(stdtrit(count - 1, 0.975)) * error


def regression(cells: Cells, held: tuple[str, ...]) -> Iterator[tuple[str, float, float]]:
    """Name, log ratio and half width of the modified Poisson regression under several covariances."""
    try:
        fit = point_fit(comparable(problem_of(cells, held)))
    except NotComparableError:
        return
    used = fit.problem
    sandwich = cluster_robust(used.working_model(fit.expected), SmallSample.CR2, used.contrast_of_exposure())
    ratio, model = float(fit.coefficients[EXPOSED]), sqrt(sandwich.model_covariance[0, 0])
    robust, degrees = sqrt(sandwich.covariance[0, 0]), float(sandwich.degrees_of_freedom[0])
    satterthwaite = float(stdtrit(degrees, 0.975)) * robust
    yield "model", ratio, Z * model
    yield "CR2, Satterthwaite", ratio, satterthwaite
    yield "CR2, t(G-1)", ratio, float(stdtrit(sandwich.clusters - 1, 0.975)) * robust
    yield "wider of CR2 and model", ratio, max(Z * model, satterthwaite)
    yield "wider, normal", ratio, Z * max(model, robust)
    for prior in (4, 16):  # the robust variance shrunk towards the model's, as if that had so many degrees of freedom
        shrunk = (prior * model**2 + degrees * robust**2) / (prior + degrees)
        yield f"shrunk by {prior}", ratio, float(stdtrit(prior + degrees, 0.975)) * sqrt(shrunk)


def tried(world: World, seeds: list[int]) -> list[tuple[str, str, bool, bool, bool, bool]]:
    plan = plan_for(world, Plan())
    drawn = [simulate(world, seed) for seed in seeds]
    rows = []
    for one, counted in zip(drawn, counted_together(drawn, plan)[1], strict=True):
        truth, share = one.truth.total_risk_ratio, min(background(counted.cells).share, 0.99)
        held = present(plan.design.confounders, counted)
        for name, ratio, half in (*mantel_haenszel(counted.cells), *regression(counted.cells, held)):
            low, high = exp(ratio - half), exp(ratio + half)
            corrected = [max(1 + (limit - 1) / (1 - share), 0.0) for limit in (low, high)]
            held_truth = low <= truth <= high, corrected[0] <= truth <= corrected[1]
            rows.append((name, world.name, low > 1, high < 1, *held_truth))
    return rows


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    worlds = [TRIED[name] for name in sys.argv[2:] or DEFAULT]
    tasks = [
        (world, list(range(first, min(first + AT_ONCE, runs)))) for world in worlds for first in range(0, runs, AT_ONCE)
    ]
    with ProcessPoolExecutor() as pool:
        rows = [row for found in pool.map(tried, *zip(*tasks, strict=True)) for row in found]
    table = pd.DataFrame(rows, columns=["candidate", "world", "above", "below", "as counted", "corrected"])
    means = table.groupby(["candidate", "world"], sort=False).mean().round(3)
    for column in means:
        print(f"\n{column}\n{means[column].unstack().to_string()}")


if __name__ == "__main__":
    main()
