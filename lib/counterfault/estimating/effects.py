"""The comparison within strata: the first set of estimates, and the primary one among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from counterfault.cells import Cells
from counterfault.counting import Counted
from counterfault.counting.outcomes import OUTCOMES
from counterfault.estimate import Estimate
from counterfault.estimating.by_id import EstimatesById
from counterfault.estimators.one_thread import on_one_thread
from counterfault.estimators.poisson.coincidence import without_coincidences
from counterfault.estimators.poisson.regression import as_headline, total_and_direct
from counterfault.estimators.tables import exact, stratified, two_by_two
from counterfault.plan import Plan

Estimates = Mapping[str, Estimate]


@on_one_thread
def estimate_effects(counted: Counted, plan: Plan) -> EstimatesById:
    """Every estimate of the first set, id → estimate, the primary one last.

    Parameters
    ----------
    counted : cells with the plan's outcome.
    plan : its level, strata, confounders and mediators; ``design.primary`` names the estimate the verdict reads.

    Examples
    --------
    >>> estimates = cf.estimate_effects(counted, plan)
    >>> primary = estimates["primary"]
    >>> challenged = cf.challenge(linked, counted, estimates, plan)
    """
    level = plan.decision.level
    cells = counted.cells
    total, direct = total_and_direct(
        cells,
        confounders=present(plan.design.confounders, counted),
        mediators=present(plan.design.mediators, counted),
        level=level,
    )
    found = [
        *two_by_two.crude(cells, level),
        two_by_two.risk_ratio_log(**cells.two_by_two()._asdict(), level=level).named(
            "crude.risk_ratio_log", design="all services together"
        ),
        *stratified.stratified(cells, level),
        exact.exact_conditional(cells, level),
        total,
        direct,
        without_coincidences(total, cells).named("corrected.risk_ratio"),
    ]
    estimates = {item.id: _with_outcome(item, OUTCOMES["events"]) for item in found}
    estimates["primary"] = estimates[plan.design.primary].named("primary")
    return EstimatesById(estimates)


@on_one_thread
def primary_at(counted: Counted, plan: Plan, level: float) -> Estimate:
    """The primary estimate at another level, e.g. the 90 % interval that a claim of no difference needs.

    Examples
    --------
    >>> equivalence = cf.primary_at(counted, plan, plan.decision.equivalence_level)
    >>> verdict = cf.decide(primary, equivalence, challenged.checks, plan)
    """
    found = planned_contrast(counted.cells, plan, present(plan.design.confounders, counted), level)
    return _with_outcome(found.named("primary.equivalence"), OUTCOMES["events"])


def planned_contrast(cells: Cells, plan: Plan, held: tuple[str, ...], level: float) -> Estimate:
    """The plan's primary estimator on some cells: those of the contrast, or any other reading of them."""
    if plan.design.primary == "stratified.risk_ratio":
        return stratified.risk_ratio(cells, level)
    total = as_headline(held)(cells, level)
    return without_coincidences(total, cells) if plan.design.primary == "corrected.risk_ratio" else total


def present(names: tuple[str, ...], counted: Counted) -> tuple[str, ...]:
    """Of the covariates a plan names, those the tables have."""
    return tuple(name for name in names if name in counted.covariates)


def _with_outcome(item: Estimate, outcome: str) -> Estimate:
    return item if item.outcome else replace(item, outcome=outcome)
