"""How many times as fast do exposed deployments run into an incident as like ones of the same age?

Cox regression (1972, Journal of the Royal Statistical Society B 34:187) of the *cause-specific* hazard: a roll-back
ends the watch like any other censoring. So the ratio compares deployments that are still running. It says nothing about
which arm is rolled back more often, and it is not a ratio of risks: for that, see
:mod:`~counterfault.estimators.timing.survival_curves`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from counterfault.estimate import Estimate
from counterfault.estimators.tables.score import critical_value
from counterfault.estimators.timing.cox_likelihood import Ties, Watched
from counterfault.estimators.timing.event_times import EventTimes
from counterfault.estimators.timing.hazard_problem import HazardProblem, hazard_ratio, with_levels
from counterfault.estimators.timing.proportional_hazards import Proportionality
from counterfault.panels import Durations

__all__ = ["CauseSpecificCox", "Proportionality", "Ties"]

_DOUBTFUL = 0.05


@dataclass(frozen=True)
class CauseSpecificCox:
    """At equal age, in the same stratum: how many times the hazard of an incident after an exposed deployment?

    Parameters
    ----------
    adjust_for : columns of ``panel.frame`` held fixed besides the strata; each level gets its own ratio.
    ties : Efron's treatment is the more exact where durations were rounded to a grid; Breslow's is the simpler.
    early_hours : where proportionality is in doubt, the ratio is also given before and after this age.

    Notes
    -----
    Calling it with durations and a confidence level returns an :class:`~counterfault.estimate.Estimate` with id
    ``timing.hazard_ratio`` and limits exp(b ± multiplier·se): the wider of the cluster-robust interval (Lin & Wei 1989,
    CR1, t with G−1 degrees of freedom) and that of independent deployments. Its ``method`` prints the p-value of
    Grambsch & Therneau's score test on the Kaplan–Meier scale; where that is below 0.05, ``parts`` hold the ratio
    before and after ``early_hours``.

    Assumed: one ratio at all ages and in all strata (else it is an average that depends on when watching ended);
    covariates multiply hazards; watching ends, by roll-back too, for reasons unconnected with what would have come
    next; clusters are independent. A hazard ratio is also not collapsible: it may move when something is held fixed
    that has nothing to do with exposure (Hernán 2010, Epidemiology 21:13).

    Raises
    ------
    ValueError
        When a column does not exist or holds missing or impossible values, the level is not in (0, 1), or
        ``early_hours`` is not above 0.
    """

    adjust_for: tuple[str, ...] = ()
    ties: Ties = Ties.EFRON
    early_hours: float = 6.0

    def __post_init__(self) -> None:
        if not self.early_hours > 0:
            raise ValueError(f"early_hours is {self.early_hours}; it is an age in hours above 0, such as 6.")

    def __call__(self, panel: Durations, level: float = 0.95) -> Estimate:
        critical_value(level)
        problem = self._problem(EventTimes.of(panel, self.adjust_for))
        found, tested = hazard_ratio(problem, level)
        doubtful = tested is not None and tested.p_value < _DOUBTFUL
        return found.named(
            "timing.hazard_ratio",
            design="within " + " × ".join(panel.strata) if panel.strata else "across all deployments",
            adjustment=self.adjust_for,
            parts=self._before_and_after(problem, level) if doubtful else (),
            caveats=(*found.caveats, *((_CHANGES.format(self.early_hours),) if doubtful else ())),
        )

    def _problem(self, rows: EventTimes) -> HazardProblem:
        design, names = with_levels(rows.exposed, rows.levels, rows.copies * rows.incident)
        watched = Watched(design, rows.entry, rows.exit, rows.incident, rows.copies, rows.strata, rows.clusters)
        return HazardProblem(watched, names, "incident", _CAUSE_SPECIFIC, rows.place, rows.cluster, self.ties)

    def _before_and_after(self, problem: HazardProblem, level: float) -> tuple[Estimate, Estimate]:
        """The ratio in the first hours and in those after: two regressions, as rows are split at that age."""
        early, _ = hazard_ratio(problem.between(-inf, self.early_hours), level)
        late, _ = hazard_ratio(problem.between(self.early_hours, inf), level)
        return (
            early.named("timing.hazard_ratio", label=f"first {self.early_hours:g} hours"),
            late.named("timing.hazard_ratio", label=f"after {self.early_hours:g} hours"),
        )


_CAUSE_SPECIFIC = "the cause-specific hazard of an incident (roll-backs censored)"
_CHANGES = (
    "The ratio changes with age (score test below 0.05), so one number is an average over ages that depends on when "
    "watching ended: read the parts, before and after {:g} hours."
)
