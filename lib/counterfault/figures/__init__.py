"""Figures and tables: results in, a picture with its finding in words and its numbers out.

They know estimates and small result frames, never data. Matplotlib is imported when a figure is drawn.
"""

from counterfault.figures.adoption import adoption
from counterfault.figures.causal_diagram import causal_diagram
from counterfault.figures.claims import claims
from counterfault.figures.confounding import confounding_contour
from counterfault.figures.controls import control_funnel
from counterfault.figures.curves import failures_by_share, time_to_incident
from counterfault.figures.event_study import event_study
from counterfault.figures.failure_rate import failure_rates
from counterfault.figures.figure import Figure
from counterfault.figures.flow import flow
from counterfault.figures.forest import forest
from counterfault.figures.incident_flow import incident_flow
from counterfault.figures.interactions import interactions
from counterfault.figures.link_grid import link_grid
from counterfault.figures.links import links
from counterfault.figures.power_curve import power_curve
from counterfault.figures.risk_windows import risk_windows
from counterfault.figures.specification_curve import specification_curve
from counterfault.figures.spill_over import spill_over
from counterfault.figures.tables import Table, table_html
from counterfault.figures.verdict_strip import verdict_strip

__all__ = [
    "Figure",
    "Table",
    "adoption",
    "causal_diagram",
    "claims",
    "confounding_contour",
    "control_funnel",
    "event_study",
    "failure_rates",
    "failures_by_share",
    "flow",
    "forest",
    "incident_flow",
    "interactions",
    "link_grid",
    "links",
    "power_curve",
    "risk_windows",
    "specification_curve",
    "spill_over",
    "table_html",
    "time_to_incident",
    "verdict_strip",
]
