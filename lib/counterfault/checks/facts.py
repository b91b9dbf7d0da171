"""What the checks look at: results of the earlier steps, and challenges made when a check first asks for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from counterfault.challenges.late_labels import WithoutLateLabels
from counterfault.challenges.leave_one_out import LeaveOneOut
from counterfault.challenges.link_rules import EachRuleAlone
from counterfault.challenges.negative_controls import IncidentsOfOtherCause
from counterfault.challenges.placebo import BeforeTheDeployment
from counterfault.counting import Counted
from counterfault.estimate import Estimate
from counterfault.estimating import Estimates, Study, present
from counterfault.estimators.poisson.regression import ModifiedPoisson
from counterfault.linking import Linked
from counterfault.plan import Plan


@dataclass(frozen=True)
class Facts:
    """What the checks look at.

    Attributes
    ----------
    linked, counted, estimates, plan : what the earlier steps returned.
    found : the estimates of further designs and challenges, id → estimate; empty where none were made.
    """

    linked: Linked
    counted: Counted
    estimates: Estimates
    plan: Plan
    found: Estimates = field(default_factory=dict)

    @property
    def level(self) -> float:
        """Of every interval."""
        return self.plan.decision.level

    @cached_property
    def confounders(self) -> tuple[str, ...]:
        """Of the plan's confounders, those the tables have."""
        return present(self.plan.design.confounders, self.counted)

    @cached_property
    def placebo(self) -> Estimate:
        """The contrast on incidents before the deployment."""
        return BeforeTheDeployment(self.confounders)(self.counted, self.level)

    @cached_property
    def control(self) -> Estimate | None:
        """The contrast on incidents of another known cause; None where no cause is recorded."""
        return IncidentsOfOtherCause(self.confounders)(self.counted, self.level)

    @cached_property
    def study(self) -> Study:
        """The same study, as the challenges read it."""
        return Study(self.linked, self.counted, self.plan)

    @cached_property
    def without_late_labels(self) -> Estimate | None:
        """The primary estimate without labels written after the incident; None where nobody knows when."""
        return WithoutLateLabels()(self.study, self.estimates["primary"])

    @cached_property
    def by_rule(self) -> tuple[Estimate, ...]:
        """The contrast with links by record alone, and by time alone."""
        return EachRuleAlone(self.confounders)(self.counted, self.level)

    @cached_property
    def without_one(self) -> tuple[Estimate, ...]:
        """The stratified ratio without each service in turn."""
        return LeaveOneOut()(self.counted.cells, self.level)

    @cached_property
    def clustered(self) -> Estimate:
        """The total association with its interval from the variation between clusters alone."""
        return ModifiedPoisson(self.confounders)(self.counted.cells, self.level)
