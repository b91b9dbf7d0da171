"""Checks made before an estimate may speak, each with the number that decided it.

A *gate* silences the verdict when it fails. The other checks only lower the grade. A check that these data cannot
answer is "not assessed", with the reason; it never counts as passed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from html import escape

import pandas as pd

from counterfault.challenges.leave_one_out import LeaveOneOut
from counterfault.challenges.link_rules import EachRuleAlone
from counterfault.challenges.negative_controls import IncidentsOfOtherCause
from counterfault.challenges.placebo import BeforeTheDeployment
from counterfault.checks.alike import balance, direction, negative_control, placebo
from counterfault.checks.check import Check, Facts, Status
from counterfault.checks.enough import (
    enough_clusters,
    enough_events,
    enough_strata,
    label_coverage,
    overlap,
    precision,
    small_sample,
)
from counterfault.checks.robust import link_rules_agree, linked_by_record, no_service_carries_it, unknown_as_either
from counterfault.counting import Counted
from counterfault.estimate import Estimate
from counterfault.estimating import Estimates, present
from counterfault.estimators.one_thread import on_one_thread
from counterfault.estimators.poisson.regression import ModifiedPoisson
from counterfault.linking import Linked
from counterfault.plan import Plan

__all__ = ["Challenged", "Check", "Status", "challenge"]

CHECKS: tuple[Callable[[Facts], Check], ...] = (
    enough_events,
    enough_strata,
    enough_clusters,
    label_coverage,
    overlap,
    balance,
    placebo,
    negative_control,
    direction,
    linked_by_record,
    link_rules_agree,
    no_service_carries_it,
    unknown_as_either,
    precision,
    small_sample,
)


@dataclass(frozen=True)
class Challenged:
    """The checks, and the estimates that decided some of them."""

    checks: tuple[Check, ...]
    estimates: tuple[Estimate, ...]

    def tidy(self) -> pd.DataFrame:
        """One row per check."""
        return pd.DataFrame([check.row() for check in self.checks])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(check.question)}</td><td>{check.status.value}</td><td>{escape(check.sentence)}</td></tr>"
            for check in self.checks
        )
        return f"<table><tr><th>question</th><th>answer</th><th>why</th></tr>{rows}</table>"


@on_one_thread
def challenge(linked: Linked, counted: Counted, estimates: Estimates, plan: Plan) -> Challenged:
    """All checks of the plan on these data.

    Parameters
    ----------
    linked, counted, estimates : what the earlier steps returned.
    plan : its ``gates`` hold the thresholds.
    """
    level = plan.decision.level
    adjust_for = present(plan.design.confounders, counted)
    facts = Facts(
        linked,
        counted,
        estimates,
        plan,
        placebo=BeforeTheDeployment(adjust_for)(counted, level),
        control=IncidentsOfOtherCause(adjust_for)(counted, level),
        by_rule=EachRuleAlone(adjust_for)(counted, level),
        without_one=LeaveOneOut()(counted.cells, level),
        clustered=ModifiedPoisson(adjust_for)(counted.cells, level),
    )
    shown = tuple(item for item in (facts.placebo, facts.control, *facts.by_rule) if item is not None)
    return Challenged(tuple(check(facts) for check in CHECKS), shown)
