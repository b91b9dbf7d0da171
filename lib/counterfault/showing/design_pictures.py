"""The pictures of the further designs, each from the estimates of its family."""

from __future__ import annotations

from counterfault.counting.service_time import before_hours_of
from counterfault.estimate import Estimate
from counterfault.estimating import Estimates
from counterfault.estimators.multiplicity import for_multiplicity
from counterfault.figures import Figure
from counterfault.figures.curves import time_to_incident
from counterfault.figures.event_study import event_study
from counterfault.figures.forest import forest
from counterfault.figures.interactions import interactions
from counterfault.figures.risk_windows import risk_windows
from counterfault.figures.spill_over import spill_over
from counterfault.panels import Durations
from counterfault.plan import Plan
from counterfault.showing.pictures import Shown
from counterfault.showing.selections import ending, incident_curves, starting
from counterfault.showing.tables import estimates_table


def around_adoption(adoption: Estimates) -> Figure:
    """The change since just before adoption, by time since adoption, against units that had not adopted yet.

    Parameters
    ----------
    adoption : the estimates of the family ``adoption``.
    """
    return event_study(adoption["adoption.did.not_yet"], adoption["adoption.pre_trend"])


def around_deployment(series: Estimates, plan: Plan | None = None) -> Figure:
    """Incident rates by hours since a deployment and before it, both kinds side by side.

    Parameters
    ----------
    series : the estimates of the family ``self_controlled``.
    plan : says how many hours "before" are.
    """
    ai, other, excess = (
        series[f"self_controlled.{name}"] for name in ("rate_ratio_ai", "rate_ratio_other", "excess_ratio")
    )
    return risk_windows(ai, other, excess, before_hours=before_hours_of(plan) if plan else None)


def until_incident(watched: Durations, plan: Plan) -> Figure:
    """What share of deployments had an incident by each hour after them, others weighted to the same strata.

    Parameters
    ----------
    watched : how long deployments ran.
    plan : its level is that of the limits.
    """
    level = plan.decision.level
    within = " and ".join(f"{name.replace('_', ' ')}s" for name in watched.strata)
    return time_to_incident(incident_curves(watched, level), level=level, within=within)


def by_failure_mode(modes: Estimates) -> Figure:
    """A ratio for each way of failing, with how many stand out after correction for having asked them all.

    Parameters
    ----------
    modes : the estimates of the family ``failure_modes``.
    """
    found = list(modes.values())
    adjusted = for_multiplicity(found)[1]
    return forest(found, title="Risk ratio by failure mode", adjusted_p=[adjusted.get(item.id) for item in found])


def amplified(amplifiers: Estimates, plan: Plan) -> Shown:
    """Each planned contrast as a pair of ratios, with p corrected for having asked them all.

    Parameters
    ----------
    amplifiers : the estimates of the family ``amplifiers``.
    plan : its threshold is what a ratio is held against.
    """
    ratios = ending(amplifiers, ".ratio")
    if not ratios:  # the plan asks for none
        return estimates_table(ratios, "Planned contrasts")
    adjusted = for_multiplicity(ratios)[1]
    return interactions(
        ratios, [adjusted.get(item.id) for item in ratios], worth_acting_on=plan.decision.worth_acting_on
    )


def by_hop(spilled: Estimates, changed: Estimate | None = None) -> Figure:
    """How far failures reach along the service graph.

    Parameters
    ----------
    spilled : the estimates of the family ``spill_over``.
    changed : the ratio on the changed service itself, as counted, such as ``total.risk_ratio``: ratios further away are
        not corrected for coincidence either.
    """
    return spill_over(starting(spilled, "spill_over."), changed)
