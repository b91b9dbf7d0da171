"""The pictures of the further designs, each from the estimates of its family."""

from __future__ import annotations

from counterfault.estimate import Estimate
from counterfault.estimating import Estimates
from counterfault.estimators.multiplicity import for_multiplicity
from counterfault.figures import Figure
from counterfault.figures.event_study import event_study
from counterfault.figures.interactions import interactions
from counterfault.figures.risk_windows import risk_windows
from counterfault.figures.spill_over import spill_over
from counterfault.plan import Plan
from counterfault.showing.pictures import Shown
from counterfault.showing.selections import ending, starting
from counterfault.showing.tables import estimates_table


def around_adoption(adoption: Estimates) -> Figure:
    """The change since just before adoption, by time since adoption, against units that had not adopted yet.

    Parameters
    ----------
    adoption : the estimates of the family ``adoption``.
    """
    return event_study(adoption["adoption.did.not_yet"], adoption["adoption.pre_trend"])


def around_deployment(series: Estimates) -> Figure:
    """Incident rates by hours since a deployment and before it, both kinds side by side.

    Parameters
    ----------
    series : the estimates of the family ``self_controlled``.
    """
    ai, other, excess = (
        series[f"self_controlled.{name}"] for name in ("rate_ratio_ai", "rate_ratio_other", "excess_ratio")
    )
    return risk_windows(ai, other, excess)


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
    changed : the ratio on the changed service itself.
    """
    return spill_over(starting(spilled, "spill_over."), changed)
