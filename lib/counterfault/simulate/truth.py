"""The truth of an invented organisation: sums over potential outcomes, and every true link."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from counterfault.simulate.incidents import NO_CAUSE, severe_share
from counterfault.simulate.organisation import World
from counterfault.simulate.reactions import NO_INCIDENT

# Seven figures say all there is to say, and hide the last bits, which differ between processors.
FIGURES = 7


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What an analysis of the tables should find, had it known everything.

    The population of every effect is the *routine* changes (hot-fixes and roll-backs left out). "Assisted"
    means truly written with AI, whatever the label says. A failure counts even if it surfaced only after
    the record ended. With Y(a, m) the risk under arm a and mediators m (size, review, tests), and M(a) the
    mediators as they follow arm a:

    Attributes
    ----------
    world, seed : which organisation this is.
    total_risk_ratio : Σ Y(ai, M(ai)) / Σ Y(human, M(human)) over assisted changes.
    total_risk_ratio_everyone : the same over all routine changes.
    direct_risk_ratio : Σ Y(ai, M) / Σ Y(human, M) over assisted changes, M as it came about: the controlled
        direct effect, averaged over the mediators there were.
    direct_risk_ratio_everyone : the same over all routine changes.
    total_risk_difference : mean of Y(ai, M(ai)) − Y(human, M(human)) over assisted changes.
    attributable_failures : that difference, summed: failures there would not have been without AI, in
        expectation; negative where AI prevents failures.
    severe_risk_ratio : as `total_risk_ratio`, for failures of severity 1 or 2.
    crude_risk_ratio : the ratio to expect of a comparison that adjusts for nothing: mean risk of the
        assisted over mean risk of the others.
    planted_interactions : ratios by which the effect of AI is multiplied where the condition holds.
    counts : sizes of the tables and of what lies behind them; exact, not expected.
    true_caused_by : incident to deployment, for every change-caused incident, recorded or not.
    reaction_to : hot-fix or roll-back to the incident it answers.
    assisted_among_unknown : deployments of unknown label that were in truth AI-assisted.
    broken_rows : table to identifier to reason, for the rows that break the contract on purpose.
    parameters : the settings of the world.
    """

    world: str
    seed: int
    total_risk_ratio: float
    total_risk_ratio_everyone: float
    direct_risk_ratio: float
    direct_risk_ratio_everyone: float
    total_risk_difference: float
    attributable_failures: float
    severe_risk_ratio: float
    crude_risk_ratio: float
    planted_interactions: Mapping[str, float]
    counts: Mapping[str, int]
    true_caused_by: Mapping[str, str]
    reaction_to: Mapping[str, str]
    assisted_among_unknown: tuple[str, ...]
    broken_rows: Mapping[str, Mapping[str, str]]
    parameters: Mapping[str, Any]

    def to_json(self) -> str:
        """The truth as JSON text; an effect that has no value (nobody used AI) is null."""
        return json.dumps(_plain(asdict(self)), indent=1, allow_nan=False) + "\n"


def effects(world: World, changes: pd.DataFrame) -> dict[str, float]:
    """The effects of :class:`Truth`, from the potential outcomes of the routine changes."""
    routine = changes[changes["reaction_to"] == NO_INCIDENT]
    assisted = routine[routine["assisted"]]
    gained = assisted["p_ai"] - assisted["p_human"]
    severe_ai, severe_human = severe_share(world, assisted=np.array([True, False]))
    total = _ratio(assisted["p_ai"].sum(), assisted["p_human"].sum())
    return {
        "total_risk_ratio": total,
        "total_risk_ratio_everyone": _ratio(routine["p_ai"].sum(), routine["p_human"].sum()),
        "direct_risk_ratio": _ratio(assisted["p_ai_held"].sum(), assisted["p_human_held"].sum()),
        "direct_risk_ratio_everyone": _ratio(routine["p_ai_held"].sum(), routine["p_human_held"].sum()),
        "total_risk_difference": float(gained.mean()),
        "attributable_failures": float(gained.sum()),
        "severe_risk_ratio": total * float(severe_ai / severe_human),
        "crude_risk_ratio": _ratio(assisted["risk"].mean(), routine.loc[~routine["assisted"], "risk"].mean()),
    }


def interactions(world: World) -> dict[str, float]:
    """The planted ratios of ratios."""
    return {
        "without_approval": world.effect.without_approval,
        "at_peak": world.effect.at_peak,
        "validated": world.effect.validated,
    }


def counts(changes: pd.DataFrame, incidents: pd.DataFrame) -> dict[str, int]:
    """What there is, and what nobody inside could count."""
    by_change = int((incidents["cause"] != NO_CAUSE).sum())
    failures = int(changes["failed"].sum())
    return {
        "deployments": len(changes),
        "reactions": int((changes["reaction_to"] != NO_INCIDENT).sum()),
        "assisted": int(changes["assisted"].sum()),
        "failures": failures,
        "failures_unnoticed_at_the_end": failures - by_change,
        "incidents": len(incidents),
        "incidents_caused_by_changes": by_change,
    }


def _ratio(above: float, below: float) -> float:
    return float(above / below) if below > 0 else float("nan")


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{FIGURES}g}") if np.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return value
