"""The truth of an invented organisation: sums over potential outcomes, and every true link."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from counterfault.simulate.changes import NO_INCIDENT, Changes, Flags
from counterfault.simulate.incidents import NO_CAUSE, Incidents, severe_share
from counterfault.simulate.modes import cascades_gained
from counterfault.simulate.organisation import World
from counterfault.simulate.people import Floats
from counterfault.simulate.register import AI, LABELS, UNKNOWN, Findings, Labels

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
    label_sensitivity, label_specificity : of the routine changes whose label is known, the share labelled AI
        among the assisted, and the share labelled human among the others, as the dice fell.
    label_sensitivity_of_failed : the former among failures that surfaced; where it differs, so does the error.
    wrong_links : share of the recorded causes that name a deployment which was not the cause.
    cascade_risk_ratio : as `total_risk_ratio`, for failures that cascade; None where AI does not act on those
        alone.
    log_ratio_spread : SD over services of the log of their own `total_risk_ratio`; None where the world
        plants the same ratio everywhere.

    An effect is exactly 1 where no assisted change has two different risks, even if both are 0.
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
    label_sensitivity: float = 1.0
    label_specificity: float = 1.0
    label_sensitivity_of_failed: float = 1.0
    wrong_links: float = 0.0
    cascade_risk_ratio: float | None = None
    log_ratio_spread: float | None = None

    def to_json(self) -> str:
        """The truth as JSON text; an effect that has no value (nobody used AI) is null.

        What has a default is written only where it departs from it: a register without mistakes has no
        measures of them, as a world without a mechanism has no parameter for it.
        """
        said = asdict(self)
        for idle in [one.name for one in fields(self) if said[one.name] == one.default]:
            del said[idle]
        return json.dumps(_plain(said), indent=1, allow_nan=False) + "\n"


def effects(world: World, changes: Changes) -> dict[str, float]:
    """The effects of :class:`Truth`, from the potential outcomes of the routine changes."""
    risks, routine = changes.risks, changes.reaction_to == NO_INCIDENT
    assisted = _routine_assisted(changes)
    gained = (risks.p_ai - risks.p_human)[assisted]
    severe_ai, severe_human = severe_share(world, assisted=np.array([True, False]))
    total = _effect(risks.p_ai, risks.p_human, assisted)
    return {
        "total_risk_ratio": total,
        "total_risk_ratio_everyone": _effect(risks.p_ai, risks.p_human, routine),
        "direct_risk_ratio": _effect(risks.p_ai_held, risks.p_human_held, assisted),
        "direct_risk_ratio_everyone": _effect(risks.p_ai_held, risks.p_human_held, routine),
        "total_risk_difference": _mean(gained),
        "attributable_failures": float(gained.sum()),
        "severe_risk_ratio": total * float(severe_ai / severe_human),
        "crude_risk_ratio": _ratio(_mean(risks.p_ai[assisted]), _mean(risks.p_human[routine & ~assisted])),
    }


def cascade_risk_ratio(world: World, changes: Changes) -> float | None:
    """As the total risk ratio, for failures that cascade; None where AI does not act on those alone."""
    if world.effect.cascades == 1:
        return None
    risks = changes.risks
    return _effect(risks.p_ai, risks.p_human, _routine_assisted(changes)) * cascades_gained(world)


def log_ratio_spread(world: World, changes: Changes) -> float | None:
    """SD over services of the log of their own total risk ratio, each service counted once.

    None where the same ratio is planted everywhere.
    """
    if not world.effect.spread:
        return None
    assisted = _routine_assisted(changes)
    service = changes.background.service[assisted]
    with_ai, without = (np.bincount(service, risk[assisted]) for risk in (changes.risks.p_ai, changes.risks.p_human))
    used = without > 0
    return float(np.log(with_ai[used] / without[used]).std()) if used.any() else float("nan")


def _routine_assisted(changes: Changes) -> Flags:
    chosen: Flags = (changes.reaction_to == NO_INCIDENT) & changes.assisted
    return chosen


def _effect(ai: Floats, human: Floats, among: Flags) -> float:
    """Ratio of summed risks.

    Where no change would have fared differently the ratio is 1 although nothing ever fails: it is the value
    for every risk above 0, however small.
    """
    ai, human = ai[among], human[among]
    return 1.0 if len(ai) and np.array_equal(ai, human) else _ratio(ai.sum(), human.sum())


def interactions(world: World) -> dict[str, float]:
    """The planted ratios of ratios."""
    return {
        "without_approval": world.effect.without_approval,
        "at_peak": world.effect.at_peak,
        "validated": world.effect.validated,
    }


def counts(changes: Changes, incidents: Incidents) -> dict[str, int]:
    """What there is, and what nobody inside could count."""
    by_change = int((incidents.onset.cause != NO_CAUSE).sum())
    failures = int(changes.failed.sum())
    return {
        "deployments": len(changes),
        "reactions": int((changes.reaction_to != NO_INCIDENT).sum()),
        "assisted": int(changes.assisted.sum()),
        "failures": failures,
        "failures_unnoticed_at_the_end": failures - by_change,
        "incidents": len(incidents),
        "incidents_caused_by_changes": by_change,
    }


def recorded_counts(labels: Labels, findings: Findings) -> dict[str, int]:
    """What the register holds of labels and causes."""
    labelled = {f"labelled_{name}": int((labels.assistance == code).sum()) for code, name in enumerate(LABELS)}
    return {**labelled, "incidents_with_recorded_cause": int((findings.named != NO_CAUSE).sum())}


def mistakes(changes: Changes, incidents: Incidents, labels: Labels, findings: Findings) -> dict[str, float]:
    """How well the register names AI use and causes, as the dice fell."""
    cause = incidents.onset.cause
    surfaced = np.zeros(len(changes), dtype=bool)
    surfaced[cause[cause != NO_CAUSE]] = True
    judged = (labels.assistance != UNKNOWN) & (changes.reaction_to == NO_INCIDENT)
    called_ai = labels.assistance == AI
    recorded = findings.named != NO_CAUSE
    return {
        "label_sensitivity": _share(called_ai, judged & changes.assisted),
        "label_specificity": _share(~called_ai, judged & ~changes.assisted),
        "label_sensitivity_of_failed": _share(called_ai, judged & changes.assisted & surfaced),
        "wrong_links": 1 - _share(findings.named == cause, recorded),
    }


def _share(true: Flags, among: Flags) -> float:
    """Of those, the part of which it is true; where there are none, none was mistaken."""
    return float(true[among].mean()) if among.any() else 1.0


def _ratio(above: float, below: float) -> float:
    return float(above / below) if below > 0 else float("nan")


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{FIGURES}g}") if np.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return value
