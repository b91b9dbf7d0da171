"""Would it have failed anyway? Correlates deployments and incidents, and says how sure anyone may be.

The package reads as the study: `read` the tables, `check` them against the contract, `link` incidents to deployments,
`count` them into cells, `estimate_effects`, `challenge`, `decide`; or `analyse`, which is all of these. Nothing
heavy is imported before it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from counterfault import exploring, figures, showing
    from counterfault.analysis import Analysis, analyse
    from counterfault.challenges.families import try_to_break
    from counterfault.challenges.label_error import LabelError
    from counterfault.challenges.leave_one_out import LeaveOneOutOf
    from counterfault.challenges.link_rules import LinkGrid
    from counterfault.challenges.multiverse import Multiverse
    from counterfault.challenges.plasmode import Plasmode
    from counterfault.challenges.unmeasured_confounding import UnmeasuredConfounding
    from counterfault.checking import check
    from counterfault.checks import challenge
    from counterfault.counting import count
    from counterfault.estimate import Estimand, Estimate, Interval
    from counterfault.estimating import Study, estimate_effects, estimate_family, estimate_further, primary_at
    from counterfault.estimators.amplifying.causal_diagram import causal_diagram
    from counterfault.estimators.around_adoption.adoption import growth_in_count, growth_in_share
    from counterfault.estimators.marginal.overlap import balance, overlap
    from counterfault.estimators.tables.homogeneity import homogeneity
    from counterfault.inputs import open_inputs
    from counterfault.linking import link
    from counterfault.plan import Plan
    from counterfault.sources import read
    from counterfault.verdict import decide

_HOME = {
    "Analysis": "analysis",
    "Estimand": "estimate",
    "Estimate": "estimate",
    "Interval": "estimate",
    "LabelError": "challenges.label_error",
    "LeaveOneOutOf": "challenges.leave_one_out",
    "LinkGrid": "challenges.link_rules",
    "Multiverse": "challenges.multiverse",
    "Plan": "plan",
    "Plasmode": "challenges.plasmode",
    "Study": "estimating",
    "UnmeasuredConfounding": "challenges.unmeasured_confounding",
    "analyse": "analysis",
    "balance": "estimators.marginal.overlap",
    "causal_diagram": "estimators.amplifying.causal_diagram",
    "challenge": "checks",
    "check": "checking",
    "count": "counting",
    "decide": "verdict",
    "estimate_effects": "estimating",
    "estimate_family": "estimating",
    "estimate_further": "estimating",
    "growth_in_count": "estimators.around_adoption.adoption",
    "growth_in_share": "estimators.around_adoption.adoption",
    "homogeneity": "estimators.tables.homogeneity",
    "link": "linking",
    "open_inputs": "inputs",
    "overlap": "estimators.marginal.overlap",
    "primary_at": "estimating",
    "read": "sources",
    "try_to_break": "challenges.families",
}

__all__ = [
    "Analysis",
    "Estimand",
    "Estimate",
    "Interval",
    "LabelError",
    "LeaveOneOutOf",
    "LinkGrid",
    "Multiverse",
    "Plan",
    "Plasmode",
    "Study",
    "UnmeasuredConfounding",
    "analyse",
    "balance",
    "causal_diagram",
    "challenge",
    "check",
    "count",
    "decide",
    "estimate_effects",
    "estimate_family",
    "estimate_further",
    "exploring",
    "figures",
    "growth_in_count",
    "growth_in_share",
    "homogeneity",
    "link",
    "open_inputs",
    "overlap",
    "primary_at",
    "read",
    "showing",
    "try_to_break",
]


def __getattr__(name: str) -> Any:
    if name in ("exploring", "figures", "showing"):
        return import_module(f"{__name__}.{name}")
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
