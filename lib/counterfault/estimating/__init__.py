"""The estimates of a plan, each under the stable id that reports and results use.

:func:`estimate_effects` makes the first set, the primary estimate among them; :data:`FAMILIES` holds the further
designs, which share no more assumptions with it than they must.
"""

from counterfault.estimating.by_id import EstimatesById
from counterfault.estimating.effects import Estimates, estimate_effects, present, primary_at
from counterfault.estimating.families import FAMILIES, estimate_family, estimate_further
from counterfault.estimating.shown import notebook_of
from counterfault.estimating.study import Study

__all__ = [
    "FAMILIES",
    "Estimates",
    "EstimatesById",
    "Study",
    "estimate_effects",
    "estimate_family",
    "estimate_further",
    "notebook_of",
    "present",
    "primary_at",
]
