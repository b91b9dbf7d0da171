"""Placebo in time: is AI assistance associated with incidents *before* the deployment, which it cannot have caused?"""

from __future__ import annotations

from dataclasses import dataclass

from counterfault.challenges.contrast import contrast_on
from counterfault.counting import Counted
from counterfault.estimate import Estimate


@dataclass(frozen=True)
class BeforeTheDeployment:
    """The planned contrast with the window turned round. A ratio away from 1 speaks of bias, not of AI.

    Assumes that an incident does not change how soon AI-assisted rather than other changes follow it; where it does
    (a freeze, a repair), this check fails, and it should.
    """

    adjust_for: tuple[str, ...] = ()

    def __call__(self, counted: Counted, level: float = 0.95) -> Estimate:
        return contrast_on(counted, "placebo_events", self.adjust_for, level).named(
            "placebo.risk_ratio", outcome="an incident of the service in the window before the deployment"
        )
