"""Negative-control outcomes: incidents known to have another cause must not follow AI assistance more often.

Lipsitch, Tchetgen Tchetgen and Cohen (2010), Epidemiology 21:383: an outcome the exposure cannot cause, but that shares
its sources of bias, shows the bias.
"""

from __future__ import annotations

from dataclasses import dataclass

from counterfault.challenges.contrast import contrast_on
from counterfault.counting import Counted
from counterfault.estimate import Estimate


@dataclass(frozen=True)
class IncidentsOfOtherCause:
    """The planned contrast on incidents that people attribute to something other than a change."""

    adjust_for: tuple[str, ...] = ()

    def __call__(self, counted: Counted, level: float = 0.95) -> Estimate | None:
        """None where the incidents have no column ``cause`` to tell them by."""
        if "control_events" not in counted.outcomes:
            return None
        return contrast_on(counted, "control_events", self.adjust_for, level).named(
            "negative_control.risk_ratio", outcome="an incident of another known cause in the window after it"
        )
