"""What the organisation wrote down: the tables of the data contract, less complete than what happened."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.random import Generator
from numpy.typing import NDArray

from counterfault.simulate.calendar import DAY, HOUR, elapsed, timestamps
from counterfault.simulate.incidents import MODES, NO_CAUSE
from counterfault.simulate.narratives import narratives
from counterfault.simulate.organisation import World
from counterfault.simulate.people import Authors, Floats
from counterfault.simulate.services import Services

TYPES = np.array(["feature", "fix", "refactor", "configuration", "dependency"])
TYPE_SHARES = (0.42, 0.25, 0.12, 0.11, 0.10)
TIERS = np.array(["exact", "declared", "heuristic"])
TIER_SHARES = (0.60, 0.30, 0.10)
LABEL_DELAY = np.array([60, 20 * 60, 2 * HOUR])  # longest delay of a label after the deployment, by tier


def deployments_table(
    world: World, services: Services, authors: Authors, changes: pd.DataFrame, rng: Generator
) -> pd.DataFrame:
    """The deployments table, one row per change, in the order of the changes."""
    names = pd.array(list(services.names), dtype="str")
    teams = pd.array(list(services.teams), dtype="str")
    service = changes["service"].to_numpy()
    lines = changes["lines"].to_numpy()
    table = pd.DataFrame(
        {
            "deployment_id": changes["deployment_id"],
            "deployed_at": timestamps(changes["second"].to_numpy(), world.scale),
            "service": names.take(service),
            **_labels(world, changes, rng),
            "team": teams.take(services.team[service]),
            "layer": _layers(services, service),
            "author": pd.array(authors.pseudonym, dtype="str").take(changes["author"].to_numpy()),
            "author_tenure_days": changes["tenure_days"],
            "lines_added": lines.astype(np.int64),
            "lines_deleted": (lines * rng.lognormal(np.log(0.3), 0.9, len(lines))).astype(np.int64),
            "files_changed": 1 + rng.poisson(lines / 45),
            "reviewers": changes["reviewers"],
            "review_hours": changes["review_hours"].round(2),
            "approved_by_human": changes["approved"],
            "ai_reviewed": rng.random(len(lines)) < _ai_review(world, changes["second"].to_numpy()),
            "validated": changes["validated"].astype("boolean"),
            "touches_tests": changes["tests"],
            "is_rollback": changes["rollback"],
            "is_hotfix": changes["hotfix"],
            "at_peak": changes["at_peak"],
            "change_type": _types(changes, rng),
        }
    )
    # The gate examines what is labelled AI and nothing else, so elsewhere its answer is missing, not "no".
    table["validated"] = table["validated"].where(table["assistance"] == "ai")
    return table


def _labels(world: World, changes: pd.DataFrame, rng: Generator) -> dict[str, object]:
    """Assistance as written down, with share, tool, tier and the moment of writing."""
    second = changes["second"].to_numpy()
    count = len(changes)
    assisted = changes["assisted"].to_numpy()
    known = rng.random(count) >= _unknown_share(world, second)
    tier = rng.choice(len(TIERS), count, p=TIER_SHARES)
    written = second + (rng.random(count) * LABEL_DELAY[tier]).astype(np.int64)
    written = np.where(_in_review(world, changes, rng), _after_the_incident(changes), written)
    written = np.minimum(written, world.scale.seconds - 1)
    return {
        "assistance": _text(np.where(known, np.where(assisted, "ai", "human"), "unknown")),
        "ai_share": np.where(known, np.where(assisted, rng.beta(3, 2, count).round(2), 0.0), np.nan),
        "ai_tool": _text(_tools(world, second, rng)).where(known & assisted),
        "label_tier": _text(TIERS[tier]).where(known),
        "label_recorded_at": timestamps(np.where(known, written, np.nan), world.scale),
    }


def _unknown_share(world: World, second: NDArray[np.int64]) -> Floats:
    register = world.register
    halvings = second / DAY / register.unknown_half_life
    return register.unknown_floor + (register.unknown_at_start - register.unknown_floor) * 0.5**halvings


def _in_review(world: World, changes: pd.DataFrame, rng: Generator) -> NDArray[np.bool_]:
    """Failed changes whose label was first written when people looked into the incident."""
    drawn = rng.random(len(changes)) < world.register.labelled_in_review
    surfaced: NDArray[np.bool_] = drawn & changes["incident_start"].notna().to_numpy()
    return surfaced


def _after_the_incident(changes: pd.DataFrame) -> NDArray[np.int64]:
    """A day after the incident began."""
    return changes["incident_start"].fillna(0).to_numpy().astype(np.int64) + DAY


def _tools(world: World, second: NDArray[np.int64], rng: Generator) -> NDArray[np.str_]:
    """Two assistants, and agents that take over a growing part."""
    agent = rng.random(len(second)) < 0.05 + 0.4 * elapsed(second, world.scale)
    assistant = np.where(rng.random(len(second)) < 0.65, "assistant-a", "assistant-b")
    return np.where(agent, "agent-c", assistant)


def _ai_review(world: World, second: NDArray[np.int64]) -> Floats:
    return world.habits.ai_review_at_end * (1 + 2 * elapsed(second, world.scale)) / 3


def _layers(services: Services, service: NDArray[np.int64]) -> pd.Series[str]:
    return _text(np.where(services.platform[service], "platform", "application"))


def _types(changes: pd.DataFrame, rng: Generator) -> pd.Series[str]:
    routine = TYPES[rng.choice(len(TYPES), len(changes), p=TYPE_SHARES)]
    return _text(np.where(changes["rollback"], "rollback", np.where(changes["hotfix"], "hotfix", routine)))


def incidents_table(world: World, services: Services, incidents: pd.DataFrame, rng: Generator) -> pd.DataFrame:
    """The incidents table; `caused_by` only where people recorded it, `cause` as far as they knew."""
    names = pd.array(list(services.names), dtype="str")
    service = incidents["service"].to_numpy()
    cause, recorded = _findings(world, incidents, rng)
    resolved = incidents["resolved"].where(incidents["resolved"] < world.scale.seconds)
    modes = MODES[incidents["mode"]]
    return pd.DataFrame(
        {
            "incident_id": incidents["incident_id"],
            "started_at": timestamps(incidents["start"].to_numpy(), world.scale),
            "service": names.take(service),
            "detected_at": timestamps(incidents["detected"].to_numpy(), world.scale),
            "resolved_at": timestamps(resolved.to_numpy(), world.scale),
            "severity": incidents["severity"],
            "services_affected": incidents["services_affected"],
            "users_affected": incidents["users_affected"].astype(np.int64),
            "cause": _text(cause),
            "failure_mode": _text(modes),
            "surfaced_at_peak": incidents["at_peak"],
            "caused_by": incidents["true_caused_by"].where(recorded),
            "layer": _layers(services, service),
            "narrative": narratives(names.take(service).to_numpy(), modes, cause, recorded, rng),
        }
    )


def _findings(world: World, incidents: pd.DataFrame, rng: Generator) -> tuple[NDArray[np.str_], NDArray[np.bool_]]:
    """What people concluded about the cause, and whether they named the deployment.

    Neither depends on who wrote the change; a world in which people look harder at AI needs more than this.
    """
    register = world.register
    by_change = (incidents["cause"] != NO_CAUSE).to_numpy()
    recorded = by_change & (rng.random(len(incidents)) < register.recorded)
    suspected = recorded | (by_change & (rng.random(len(incidents)) < register.cause_known))
    excluded = ~by_change & (rng.random(len(incidents)) < register.other_known)
    return np.where(suspected, "change", np.where(excluded, "other", "unknown")), recorded


def _text(values: NDArray[np.str_]) -> pd.Series[str]:
    return pd.Series(values, dtype="str")
