"""What the organisation wrote down: the tables of the data contract, less complete than what happened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.random import Generator

from counterfault.simulate.calendar import DAY, HOUR, Seconds, elapsed, timestamps
from counterfault.simulate.changes import Changes, Flags
from counterfault.simulate.incidents import NO_CAUSE, Incidents
from counterfault.simulate.mistakes import named_causes, notice, unflagged
from counterfault.simulate.modes import MODES
from counterfault.simulate.narratives import narratives
from counterfault.simulate.organisation import World
from counterfault.simulate.people import Authors, Floats, Whole
from counterfault.simulate.services import Services
from counterfault.simulate.texts import MISSING, deployment_ids, incident_ids, texts

TYPES = ("feature", "fix", "refactor", "configuration", "dependency", "rollback", "hotfix")
TYPE_SHARES = (0.42, 0.25, 0.12, 0.11, 0.10)  # of the routine ones
ROLLBACK, HOTFIX = TYPES.index("rollback"), TYPES.index("hotfix")
TIERS = ("exact", "declared", "heuristic")
TIER_SHARES = (0.60, 0.30, 0.10)
LABEL_DELAY = np.array([60, 20 * 60, 2 * HOUR])  # longest delay of a label after the deployment, by tier
LABELS = ("ai", "human", "unknown")
AI, HUMAN, UNKNOWN = range(3)
TOOLS = ("assistant-a", "assistant-b", "agent-c")
LAYERS = ("application", "platform")
CAUSES = ("change", "other", "unknown")


@dataclass(frozen=True)
class Labels:
    """Assistance as written down, with share, tool, tier and the moment of writing; one entry per change."""

    assistance: Whole  # index into LABELS
    ai_share: Floats
    tool: Whole  # index into TOOLS, or MISSING
    tier: Whole  # index into TIERS, or MISSING
    recorded: Floats  # second, or NaN


def write_labels(
    world: World, changes: Changes, incidents: Incidents, rng: Generator, of_mistakes: Generator
) -> Labels:
    """Label the changes, late where an incident made people look."""
    second, count = changes.background.second, len(changes)
    reviewed = _a_day_after_the_incident(count, incidents)
    noticed = notice(world.register, changes.assisted, reviewed != MISSING, of_mistakes)
    known = (rng.random(count) >= _unknown_share(world, second)) & ~noticed.left_open | noticed.looked_up
    tier = rng.choice(len(TIERS), count, p=TIER_SHARES)
    written = second + (rng.random(count) * LABEL_DELAY[tier]).astype(np.int64)
    in_review = (rng.random(count) < world.register.labelled_in_review) | noticed.looked_up
    written = np.where(in_review & (reviewed != MISSING), reviewed, written)
    written = np.minimum(written, world.scale.seconds - 1)
    share = rng.beta(3, 2, count).round(2)
    return Labels(
        assistance=np.where(known, np.where(noticed.ai, AI, HUMAN), UNKNOWN),
        ai_share=np.where(known, np.where(noticed.ai, share, 0.0), np.nan),
        tool=np.where(known & noticed.ai, _tools(world, second, rng), MISSING),
        tier=np.where(known, tier, MISSING),
        recorded=np.where(known, written, np.nan),
    )


def _a_day_after_the_incident(count: int, incidents: Incidents) -> Seconds:
    """When people look again at a change that caused an incident; MISSING where it caused none."""
    reviewed = np.full(count, MISSING)
    caused = incidents.onset.cause != NO_CAUSE
    reviewed[incidents.onset.cause[caused]] = incidents.onset.start[caused] + DAY
    return reviewed


def _unknown_share(world: World, second: Seconds) -> Floats:
    register = world.register
    halvings = second / DAY / register.unknown_half_life
    return register.unknown_floor + (register.unknown_at_start - register.unknown_floor) * 0.5**halvings


def _tools(world: World, second: Seconds, rng: Generator) -> Whole:
    """Two assistants, and agents that take over a growing part."""
    agent = rng.random(len(second)) < 0.05 + 0.4 * elapsed(second, world.scale)
    return np.where(agent, 2, rng.random(len(second)) >= 0.65)


def write_flags(world: World, changes: Changes, of_mistakes: Generator) -> tuple[Flags, Flags]:
    """Which changes were flagged as roll-back, and which as hot-fix."""
    flagged = ~unflagged(world.register, len(changes), of_mistakes)
    return changes.rollback & flagged, changes.hotfix & flagged


def deployments_table(
    world: World,
    services: Services,
    authors: Authors,
    changes: Changes,
    labels: Labels,
    flags: tuple[Flags, Flags],
    order: Whole,
    rng: Generator,
) -> pd.DataFrame:
    """The deployments table, one row per change.

    Dice are thrown in the order the changes were drawn; the rows stand in `order`.
    """
    background, work, count = changes.background, changes.work, len(changes)
    # The gate examines what is labelled AI and nothing else, so elsewhere its answer is missing, not "no".
    validated = pd.arrays.BooleanArray(work.validated.copy(), labels.assistance != AI)
    columns: dict[str, Any] = {
        "deployed_at": timestamps(background.second, world.scale),
        "service": texts(services.names, background.service),
        "assistance": texts(LABELS, labels.assistance),
        "ai_share": labels.ai_share,
        "ai_tool": texts(TOOLS, labels.tool),
        "label_tier": texts(TIERS, labels.tier),
        "label_recorded_at": timestamps(labels.recorded, world.scale),
        "team": texts(services.teams, services.team[background.service]),
        "layer": texts(LAYERS, services.platform[background.service]),
        "author": texts(authors.pseudonym, background.author),
        "author_tenure_days": background.tenure_days,
        "lines_added": work.lines.astype(np.int64),
        "lines_deleted": (work.lines * rng.lognormal(np.log(0.3), 0.9, count)).astype(np.int64),
        "files_changed": 1 + rng.poisson(work.lines / 45),
        "reviewers": work.reviewers,
        "review_hours": work.review_hours.round(2),
        "approved_by_human": work.approved,
        "ai_reviewed": rng.random(count) < _ai_review(world, background.second),
        "validated": validated,
        "touches_tests": work.tests,
        "is_rollback": flags[0],
        "is_hotfix": flags[1],
        "at_peak": background.at_peak,
        "change_type": texts(TYPES, _types(*flags, rng)),
    }
    return pd.DataFrame(
        {"deployment_id": deployment_ids(np.arange(count))}
        | {name: column.take(order) for name, column in columns.items()}
    )


def _ai_review(world: World, second: Seconds) -> Floats:
    return world.habits.ai_review_at_end * (1 + 2 * elapsed(second, world.scale)) / 3


def _types(rollback: Flags, hotfix: Flags, rng: Generator) -> Whole:
    routine = rng.choice(len(TYPE_SHARES), len(rollback), p=TYPE_SHARES)
    return np.where(rollback, ROLLBACK, np.where(hotfix, HOTFIX, routine))


@dataclass(frozen=True)
class Findings:
    """What people concluded about the cause of each incident."""

    cause: Whole  # index into CAUSES
    named: Whole  # row of the change they named, or NO_CAUSE


def find_causes(
    world: World, changes: Changes, incidents: Incidents, rng: Generator, of_mistakes: Generator
) -> Findings:
    """Draw how far people came with each incident.

    Neither conclusion nor name depends on who wrote the change; a world in which people look harder at AI needs
    more than this.
    """
    register, true_cause = world.register, incidents.onset.cause
    by_change = true_cause != NO_CAUSE
    recorded = by_change & (rng.random(len(incidents)) < register.recorded)
    suspected = recorded | (by_change & (rng.random(len(incidents)) < register.cause_known))
    excluded = ~by_change & (rng.random(len(incidents)) < register.other_known)
    named = np.full(len(incidents), NO_CAUSE)
    named[recorded] = named_causes(
        register, true_cause[recorded], incidents.onset.start[recorded], changes.background, of_mistakes
    )
    return Findings(cause=np.where(suspected, 0, np.where(excluded, 1, 2)), named=named)


def incidents_table(
    world: World, services: Services, incidents: Incidents, findings: Findings, place: Whole, rng: Generator
) -> pd.DataFrame:
    """The incidents table; `caused_by` only where people recorded it, `cause` as far as they knew.

    `place` is the position of every change in the deployments table.
    """
    onset = incidents.onset
    recorded = findings.named != NO_CAUSE
    resolved = np.where(incidents.resolved < world.scale.seconds, incidents.resolved, np.nan)
    service, mode, cause = texts(services.names, onset.service), texts(MODES, onset.mode), texts(CAUSES, findings.cause)
    return pd.DataFrame(
        {
            "incident_id": incident_ids(np.arange(len(incidents))),
            "started_at": timestamps(onset.start, world.scale),
            "service": service,
            "detected_at": timestamps(incidents.detected, world.scale),
            "resolved_at": timestamps(resolved, world.scale),
            "severity": incidents.severity,
            "services_affected": incidents.services_affected,
            "users_affected": incidents.users_affected.astype(np.int64),
            "cause": cause,
            "failure_mode": mode,
            "surfaced_at_peak": incidents.at_peak,
            "caused_by": deployment_ids(np.where(recorded, place[findings.named], MISSING)),
            "layer": texts(LAYERS, services.platform[onset.service]),
            "narrative": narratives(service, mode, cause, recorded, rng),
        }
    )
