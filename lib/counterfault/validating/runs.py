"""One world, many organisations: what the verdict, its candidates, naive readings and an oracle say of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any

from counterfault.cells import Cells
from counterfault.checks import Status, gates
from counterfault.counting import Counted
from counterfault.estimate import Estimate
from counterfault.estimating import Estimates, present, primary_at
from counterfault.estimators.detectable import minimum_detectable_effect
from counterfault.estimators.one_thread import on_one_thread
from counterfault.estimators.poisson.coincidence import without_coincidences
from counterfault.estimators.poisson.regression import as_headline
from counterfault.estimators.tables import stratified
from counterfault.linking import Linked
from counterfault.plan import Plan
from counterfault.simulate import Simulated, World, simulate
from counterfault.validating.naive import Reading, naive_readings, oracle
from counterfault.validating.together import counted_together
from counterfault.verdict import Call, decide

VERDICT, ORACLE = "verdict", "oracle"
SIDES = {
    Call.MORE: 1,
    Call.MORE_SIZE_UNSETTLED: 1,
    Call.FEWER: -1,
    Call.FEWER_SIZE_UNSETTLED: -1,
    Call.NO_MATERIAL_DIFFERENCE: 0,
    Call.CANNOT_TELL: 0,
}
ROWS_AT_ONCE = 300_000  # deployments of organisations counted together


def plan_for(world: World, plan: Plan) -> Plan:
    """The plan, its period cut so that every organisation of the world is followed up by its own data.

    The mediators go: they serve the direct effect, which no call reads, and without them there are fewer cells.
    """
    slack = timedelta(hours=plan.outcome.follow_up) + timedelta(days=2)
    end: date = (datetime.combine(world.scale.last_day, time.min) - slack).date()
    return plan.model_copy(
        update={
            "period": plan.period.model_copy(update={"start": world.scale.first_day, "end": end}),
            "design": plan.design.model_copy(update={"mediators": ()}),
        }
    )


@on_one_thread
def run_world(world: World, seeds: Sequence[int], plan: Plan) -> list[dict[str, Any]]:
    """One row per organisation and reading: ``world``, ``seed``, ``reading``, ``truth``, ``value``, ``low``, ``high``,
    ``side`` (1 harm, −1 benefit, 0 neither), ``call`` and ``gates`` (those that failed; of the verdict only).

    Parameters
    ----------
    world : what is true.
    seeds : one organisation each; same seed, same rows.
    plan : what every organisation promised.
    """
    promised = plan_for(world, plan)
    at_once = max(1, ROWS_AT_ONCE // world.scale.deployments)
    rows: list[dict[str, Any]] = []
    for first in range(0, len(seeds), at_once):
        some = seeds[first : first + at_once]
        drawn = [simulate(world, seed) for seed in some]
        linked, counted = counted_together(drawn, promised)
        for seed, one, its in zip(some, drawn, counted, strict=True):
            truth = {"world": world.name, "seed": seed, "truth": one.truth.total_risk_ratio}
            rows += [{**truth, **row} for row in _readings(one, its, linked, promised)]
    return rows


def _readings(drawn: Simulated, counted: Counted, linked: Linked, plan: Plan) -> Iterator[dict[str, Any]]:
    estimates = _estimates(counted, plan)
    checks = gates(linked, counted, estimates, plan)
    verdict = decide(estimates["primary"], _equivalence(estimates["primary"], counted, plan), checks, plan)
    failed = " ".join(check.id for check in checks if check.gate and check.status is Status.FAIL)
    ours = _reading(estimates["primary"])._replace(side=SIDES[verdict.call])
    yield {"reading": VERDICT, **ours._asdict(), "call": verdict.call.code, "gates": failed}
    for id in CANDIDATES:
        yield {"reading": id, **_reading(estimates[id])._asdict()}
    for name, reading in {**naive_readings(drawn, counted.cells), ORACLE: oracle(drawn)}.items():
        yield {"reading": name, **reading._asdict()}


CANDIDATES = ("stratified.risk_ratio", "total.risk_ratio", "corrected.risk_ratio")


def _estimates(counted: Counted, plan: Plan) -> Estimates:
    """What the gates and the verdict read, and nothing else."""
    cells: Cells = counted.cells
    total = as_headline(present(plan.design.confounders, counted))(cells, plan.decision.level)
    found = {
        "stratified.risk_ratio": stratified.risk_ratio(cells, plan.decision.level),
        "total.risk_ratio": total,
        "corrected.risk_ratio": without_coincidences(total, cells),
    }
    return {**found, "primary": found[plan.design.primary].named("primary")}


def _equivalence(primary: Estimate, counted: Counted, plan: Plan) -> Estimate:
    """The estimate at the level of "no material difference", made anew only where that call is in reach.

    A design that could not have seen the ratio worth acting on never makes that call, whatever this interval is.
    """
    level, detectable = plan.decision.equivalence_level, minimum_detectable_effect(primary)
    if detectable is not None and detectable <= plan.decision.worth_acting_on:
        return primary_at(counted, plan, level)
    return replace(primary, interval=replace(primary.interval, level=level))


def _reading(found: Estimate) -> Reading:
    return Reading.of(found.value, found.interval.low, found.interval.high)
