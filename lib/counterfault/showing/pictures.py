"""The pictures of the challenges; where there is nothing to draw, the table with the reasons."""

from __future__ import annotations

from dataclasses import replace

from counterfault.estimate import Estimate
from counterfault.estimating import Estimates
from counterfault.figures import Figure
from counterfault.figures.confounding import confounding_contour
from counterfault.figures.controls import control_funnel
from counterfault.figures.link_grid import link_grid
from counterfault.figures.power_curve import power_curve
from counterfault.figures.specification_curve import specification_curve
from counterfault.plan import Plan
from counterfault.showing.selections import starting
from counterfault.showing.tables import EstimatesTable, estimates_table

Shown = Figure | EstimatesTable


def link_readings(tried: Estimates, plan: Plan) -> Shown:
    """The ratio under every link rule and window, as counted and without coincidences."""
    grid, corrected = tried["link_rules.grid"], tried["link_rules.corrected"]
    if any(part.estimable for part in grid.parts):
        return link_grid(grid, corrected, worth_acting_on=plan.decision.worth_acting_on)
    return estimates_table([grid, corrected], "Readings of the links")


def controls(tried: Estimates, primary: Estimate) -> Shown:
    """The negative controls by their ratio and its error."""
    found = [*starting(tried, "negative_control."), tried["primary.calibrated"]]
    try:
        return control_funnel(found, primary)
    except ValueError:  # no control has a value, and what counts as one only the figure knows
        return estimates_table(found, "Negative controls")


def label_readings(tried: Estimates) -> list[Estimate]:
    """The ratios under other readings of the labels, for a table; the grid of error rates by its middle alone."""
    shown = []
    for item in starting(tried, "label_error."):
        parts = () if item.id == "label_error.at" else item.parts
        shown += [item, *(replace(part, id=item.id) for part in parts if part.interval != item.interval)]
    return shown


def confounding(tried: Estimates, primary: Estimate, plan: Plan) -> Shown:
    """How strong an unmeasured confounder would have to be."""
    if primary.estimable and primary.value > 0:
        measured = starting(tried, "confounding.without.")
        return confounding_contour(primary, measured, worth_acting_on=plan.decision.worth_acting_on)
    return estimates_table(starting(tried, "confounding."), "Unmeasured confounding")


def specifications(tried: Estimates, plan: Plan) -> Shown:
    """All defensible specifications, sorted."""
    median = tried["multiverse.median"]
    if any(part.estimable for part in median.parts):
        return specification_curve(median, worth_acting_on=plan.decision.worth_acting_on)
    return estimates_table(starting(tried, "multiverse."), "Specifications")


def power(tried: Estimates, plan: Plan) -> Shown:
    """How often planted ratios were seen."""
    found = [tried[f"plasmode.{name}"] for name in ("power", "call_more", "minimum_detectable_effect")]
    if min(len(item.parts) for item in found[:2]) > 1:
        return power_curve(*found, worth_acting_on=plan.decision.worth_acting_on)
    return estimates_table(starting(tried, "plasmode."), "This procedure on these data")
