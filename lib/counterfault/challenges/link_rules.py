"""Does the answer hang on how incidents were tied to deployments?"""

from __future__ import annotations

from dataclasses import dataclass

from counterfault.challenges.contrast import contrast_on
from counterfault.counting import Counted
from counterfault.estimate import Estimate

BY_RULE = {
    "recorded_events": ("total.risk_ratio.recorded", "an incident recorded as caused by the deployment"),
    "window_events": ("total.risk_ratio.window", "an incident of the service in the window after the deployment"),
}


@dataclass(frozen=True)
class EachRuleAlone:
    """The planned contrast once with links by record only, once with links by time only."""

    adjust_for: tuple[str, ...] = ()

    def __call__(self, counted: Counted, level: float = 0.95) -> tuple[Estimate, ...]:
        return tuple(
            contrast_on(counted, outcome, self.adjust_for, level).named(name, outcome=meaning)
            for outcome, (name, meaning) in BY_RULE.items()
            if outcome in counted.outcomes
        )
