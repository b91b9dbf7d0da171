"""Checks made before an estimate may speak, each with the number that decided it.

A *gate* silences the verdict when it fails. The other checks only lower the grade. A check that these data cannot
answer is "not assessed", with the reason; it never counts as passed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from counterfault.checks.alike import balance, direction, negative_control, next_deployment, placebo
from counterfault.checks.check import Check, Status
from counterfault.checks.enough import (
    enough_clusters,
    enough_events,
    enough_strata,
    label_coverage,
    overlap,
    precision,
    small_sample,
)
from counterfault.checks.facts import Facts
from counterfault.checks.labels import late_labels
from counterfault.checks.robust import linked_by_record
from counterfault.checks.tried import (
    controls_hold_1,
    designs_agree,
    keeps_its_error_rates,
    label_error_keeps_it,
    link_rules_agree,
    multiverse_agrees,
    nobody_carries_it,
    systematic_error,
    unknown_as_either,
    unmeasured_confounder,
)
from counterfault.counting import Counted
from counterfault.display import card, rows_table
from counterfault.estimate import Estimate
from counterfault.estimating import Estimates
from counterfault.estimators.one_thread import on_one_thread
from counterfault.linking import Linked
from counterfault.plan import Plan

__all__ = ["Challenged", "Check", "Status", "challenge", "gates"]

GATES: tuple[Callable[[Facts], Check], ...] = (
    enough_events,
    enough_strata,
    enough_clusters,
    label_coverage,
    overlap,
    balance,
    placebo,
    negative_control,
    late_labels,
    direction,
)
CHECKS: tuple[Callable[[Facts], Check], ...] = (
    *GATES,
    linked_by_record,
    link_rules_agree,
    unknown_as_either,
    label_error_keeps_it,
    nobody_carries_it,
    designs_agree,
    multiverse_agrees,
    unmeasured_confounder,
    controls_hold_1,
    systematic_error,
    next_deployment,
    keeps_its_error_rates,
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

    def __repr__(self) -> str:
        return f"<Challenged: {self._told()}>"

    def _repr_html_(self) -> str:
        rows = [(check.question, check.status.value, check.sentence) for check in self.checks]
        return card(
            "Checks",
            f"{self._told()}.",
            table=rows_table("Questions asked of the data", ("question", "answer", "why"), rows, most=len(rows)),
            then=(
                "cf.decide(primary, equivalence, challenged.checks, plan)",
                "showing.checks_table(challenged.checks)",
            ),
        )

    def _told(self) -> str:
        ended = [check.status for check in self.checks]
        return ", ".join(f"{ended.count(status)} {status.value}" for status in Status)


@on_one_thread
def gates(linked: Linked, counted: Counted, estimates: Estimates, plan: Plan) -> tuple[Check, ...]:
    """The gates alone: all of the checks that the call reads. Parameters as in :func:`challenge`."""
    facts = Facts(linked, counted, estimates, plan)
    return tuple(check(facts) for check in GATES)


@on_one_thread
def challenge(
    linked: Linked, counted: Counted, estimates: Estimates, plan: Plan, found: Estimates | None = None
) -> Challenged:
    """All checks of the plan on these data: the gates first, then those that only the grade reads.

    Parameters
    ----------
    linked, counted, estimates : what the earlier steps returned.
    plan : its ``gates`` hold the thresholds.
    found : estimates of the further designs and of the challenges, id → estimate. Without them the checks that read
        them are not assessed, and the grade is the lower for it; the call does not depend on them.

    Examples
    --------
    >>> challenged = cf.challenge(linked, counted, estimates, plan)
    >>> table = cf.showing.checks_table(challenged.checks)
    >>> equivalence = cf.primary_at(counted, plan, plan.decision.equivalence_level)
    >>> verdict = cf.decide(primary, equivalence, challenged.checks, plan)
    """
    facts = Facts(linked, counted, estimates, plan, found or {})
    shown = tuple(item for item in (facts.placebo, facts.control, *facts.by_rule) if item is not None)
    return Challenged(tuple(check(facts) for check in CHECKS), shown)
