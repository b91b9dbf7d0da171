"""Incidents: the failures of changes as they surface, and the troubles no change caused."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.random import Generator

from counterfault.simulate.calendar import HOUR, Seconds, at_peak, next_peak, trouble_times
from counterfault.simulate.changes import Changes, Flags
from counterfault.simulate.modes import CASCADE, MODES, OF_HUMAN_CHANGES, OF_UNRELATED, SILENT, of_ai_changes
from counterfault.simulate.organisation import World
from counterfault.simulate.people import Floats, Whole, shift_odds
from counterfault.simulate.services import Services

NO_CAUSE = -1
SHORTEST_LAG = 60  # seconds: an incident begins after the deployment that caused it


@dataclass(frozen=True)
class Onsets:
    """Troubles as they begin; one entry per incident in each array."""

    cause: Whole  # row of the change to blame, or NO_CAUSE
    assisted: Flags  # whether that change was
    origin: Whole  # the service that failed
    service: Whole  # the service in which it surfaced
    mode: Whole
    start: Seconds

    def __len__(self) -> int:
        return len(self.start)

    def take(self, rows: Whole) -> Onsets:
        """These rows, in this order."""
        return Onsets(*(getattr(self, f.name)[rows] for f in fields(Onsets)))


@dataclass(frozen=True)
class Incidents:
    """Troubles with what followed, in order of onset; one entry per incident in each array."""

    onset: Onsets
    detected: Seconds
    resolved: Seconds
    severity: Whole
    services_affected: Whole
    users_affected: Floats
    at_peak: Flags

    def __len__(self) -> int:
        return len(self.onset)


def happen(world: World, services: Services, changes: Changes, rng: Generator) -> Incidents:
    """Everything that went wrong and was noticed before the record ends, in order of onset.

    A failure that surfaces after the record ends is missing here, as it would be from anyone's data; the
    truth counts it.
    """
    by_change, elsewhere = _from_changes(world, services, changes, rng), _from_elsewhere(world, services, rng)
    onset = Onsets(*(np.concatenate([getattr(by_change, f.name), getattr(elsewhere, f.name)]) for f in fields(Onsets)))
    detected = onset.start + _seconds(rng.lognormal(np.log(600), 1.0, len(onset)))
    order = np.argsort(onset.start, kind="stable")
    order = order[detected[order] < world.scale.seconds]
    return _with_consequences(world, services, onset.take(order), detected[order], rng)


def _from_changes(world: World, services: Services, changes: Changes, rng: Generator) -> Onsets:
    cause = np.nonzero(changes.failed)[0]
    assisted, count = changes.assisted[cause], len(cause)
    mode = np.where(
        assisted,
        rng.choice(len(MODES), count, p=of_ai_changes(world)),
        rng.choice(len(MODES), count, p=OF_HUMAN_CHANGES),
    )
    surfaces = changes.background.second[cause] + _seconds(_lag_hours(world, count, rng) * HOUR)
    downstream = rng.random(count) < world.outages.downstream
    origin = changes.background.service[cause]
    service = np.where(downstream, _a_dependant(services, origin, rng), origin)
    return Onsets(cause, assisted, origin, service, mode, np.where(mode == SILENT, next_peak(surfaces, rng), surfaces))


def _lag_hours(world: World, count: int, rng: Generator) -> Floats:
    """Most failures show within hours; a share hides for days."""
    outages = world.outages
    prompt = rng.lognormal(np.log(outages.prompt_hours), outages.prompt_spread, count)
    late = rng.lognormal(np.log(outages.late_hours), outages.late_spread, count)
    return np.where(rng.random(count) < outages.late_share, late, prompt)


def _a_dependant(services: Services, origin: Whole, rng: Generator) -> Whole:
    """One of the services that call each origin, or the origin itself where nobody does."""
    callers = services.callers(origin)
    preference = rng.random(callers.shape) * callers
    return np.where(callers.any(axis=1), preference.argmax(axis=1), origin)


def _from_elsewhere(world: World, services: Services, rng: Generator) -> Onsets:
    """Vendors, capacity, certificates: they strike services at rates of their own, AI or no AI."""
    count = world.outages.elsewhere
    rate = rng.lognormal(0.0, 0.5, len(services))
    service = rng.choice(len(services), count, p=rate / rate.sum())
    mode = rng.choice(len(MODES), count, p=OF_UNRELATED)
    start = trouble_times(world.scale, count, world.outages.rest_at_peak, rng)
    return Onsets(np.full(count, NO_CAUSE), np.zeros(count, dtype=bool), service, service, mode, start)


def _with_consequences(world: World, services: Services, onset: Onsets, detected: Seconds, rng: Generator) -> Incidents:
    """Severity, duration and reach of each incident."""
    count = len(onset)
    severity = _severity(world, onset.assisted, rng)
    hours = rng.lognormal(np.log(1.6), 0.9, count) * np.array([2.2, 1.5, 1.0, 0.7, 0.5])[severity - 1]
    affected = _services_affected(services, onset, rng)
    typical_users = np.array([40_000, 12_000, 2_500, 400, 60])[severity - 1]
    return Incidents(
        onset=onset,
        detected=detected,
        resolved=detected + _seconds(hours * HOUR),
        severity=severity,
        services_affected=affected,
        users_affected=np.rint(typical_users * np.sqrt(affected) * rng.lognormal(0.0, 0.8, count)),
        at_peak=at_peak(onset.start),
    )


def _severity(world: World, assisted: Flags, rng: Generator) -> Whole:
    """1 is worst. The planted odds ratio acts on "1 or 2"; the rest of the scale follows fixed shares."""
    severe = severe_share(world, assisted=assisted)
    chosen = rng.random(len(assisted)) < severe
    worst = 1 + (rng.random(len(assisted)) < 0.75)
    milder = 3 + np.searchsorted([0.5, 0.85], rng.random(len(assisted)))
    return np.where(chosen, worst, milder)


def severe_share(world: World, *, assisted: Flags) -> Floats:
    """Probability that an incident is of severity 1 or 2, given that it happens."""
    return np.where(assisted, shift_odds(world.outages.severe, world.effect.severe), world.outages.severe)


def _services_affected(services: Services, onset: Onsets, rng: Generator) -> Whole:
    """The service itself, the origin if that is another one, and some of what depends on it.

    A cascade takes most dependants with it; other failures take one in ten.
    """
    dependants = services.dependants()[onset.origin]
    hit = rng.binomial(dependants, np.where(onset.mode == CASCADE, 0.6, 0.1))
    affected: Whole = 1 + np.maximum(hit, onset.origin != onset.service)
    return affected


def _seconds(lengths: Floats) -> Whole:
    return np.maximum(np.rint(lengths), SHORTEST_LAG).astype(np.int64)
