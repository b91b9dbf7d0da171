"""Incidents: the failures of changes as they surface, and the troubles no change caused."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.random import Generator

from counterfault.simulate.calendar import HOUR, at_peak, next_peak, trouble_times
from counterfault.simulate.organisation import World
from counterfault.simulate.people import Floats, Whole, shift_odds
from counterfault.simulate.services import Services

NO_CAUSE = -1
MODES = np.array(["cascade", "latency", "race", "silent", "capacity", "data", "other"])
# Rows sum to 1. With AI more of the failures are of the kind that hides; this shapes stories, not risk.
MODES_OF_HUMAN_CHANGES = (0.12, 0.17, 0.06, 0.12, 0.10, 0.18, 0.25)
MODES_OF_AI_CHANGES = (0.17, 0.19, 0.11, 0.19, 0.08, 0.13, 0.13)
MODES_OF_UNRELATED = (0.08, 0.17, 0.02, 0.03, 0.38, 0.07, 0.25)
SILENT = int(np.nonzero(MODES == "silent")[0][0])
SHORTEST_LAG = 60  # seconds: an incident begins after the deployment that caused it


def happen(world: World, services: Services, changes: pd.DataFrame, rng: Generator) -> pd.DataFrame:
    """Everything that went wrong and was noticed before the record ends, in order of onset.

    ``cause`` is the row of the change to blame, or ``NO_CAUSE``. A failure that surfaces after the record
    ends is missing here, as it would be from anyone's data; the truth counts it.
    """
    incidents = pd.concat(
        [_from_changes(world, services, changes, rng), _from_elsewhere(world, services, rng)],
        ignore_index=True,
    )
    incidents["detected"] = incidents["start"] + _seconds(rng.lognormal(np.log(600), 1.0, len(incidents)))
    incidents = incidents[incidents["detected"] < world.scale.seconds]
    incidents = incidents.sort_values("start", kind="stable", ignore_index=True)
    return _with_consequences(world, services, incidents, rng)


def _from_changes(world: World, services: Services, changes: pd.DataFrame, rng: Generator) -> pd.DataFrame:
    failed = changes[changes["failed"]]
    assisted = failed["assisted"].to_numpy()
    mode = np.where(
        assisted,
        rng.choice(len(MODES), len(failed), p=MODES_OF_AI_CHANGES),
        rng.choice(len(MODES), len(failed), p=MODES_OF_HUMAN_CHANGES),
    )
    surfaces = failed["second"].to_numpy() + _seconds(_lag_hours(world, len(failed), rng) * HOUR)
    downstream = rng.random(len(failed)) < world.outages.downstream
    origin = failed["service"].to_numpy()
    return pd.DataFrame(
        {
            "cause": failed.index.to_numpy(),
            "assisted": assisted,
            "origin": origin,
            "service": np.where(downstream, _a_dependant(services, origin, rng), origin),
            "mode": mode,
            "start": np.where(mode == SILENT, next_peak(surfaces, rng), surfaces),
        }
    )


def _lag_hours(world: World, count: int, rng: Generator) -> Floats:
    """Most failures show within hours; a share hides for days."""
    outages = world.outages
    prompt = rng.lognormal(np.log(outages.prompt_hours), outages.prompt_spread, count)
    late = rng.lognormal(np.log(outages.late_hours), outages.late_spread, count)
    return np.where(rng.random(count) < outages.late_share, late, prompt)


def _a_dependant(services: Services, origin: Whole, rng: Generator) -> Whole:
    """One of the services that call each origin, or the origin itself where nobody does."""
    callers = services.depends[:, origin].T
    preference = rng.random(callers.shape) * callers
    return np.where(callers.any(axis=1), preference.argmax(axis=1), origin)


def _from_elsewhere(world: World, services: Services, rng: Generator) -> pd.DataFrame:
    """Vendors, capacity, certificates: they strike services at rates of their own, AI or no AI."""
    count = world.outages.elsewhere
    rate = rng.lognormal(0.0, 0.5, len(services))
    service = rng.choice(len(services), count, p=rate / rate.sum())
    return pd.DataFrame(
        {
            "cause": NO_CAUSE,
            "assisted": np.zeros(count, dtype=bool),
            "origin": service,
            "service": service,
            "mode": rng.choice(len(MODES), count, p=MODES_OF_UNRELATED),
            "start": trouble_times(world.scale, count, world.outages.rest_at_peak, rng),
        }
    )


def _with_consequences(world: World, services: Services, incidents: pd.DataFrame, rng: Generator) -> pd.DataFrame:
    """Severity, duration and reach of each incident."""
    count = len(incidents)
    severity = _severity(world, incidents["assisted"].to_numpy(), rng)
    hours = rng.lognormal(np.log(1.6), 0.9, count) * np.array([2.2, 1.5, 1.0, 0.7, 0.5])[severity - 1]
    affected = _services_affected(services, incidents, rng)
    typical_users = np.array([40_000, 12_000, 2_500, 400, 60])[severity - 1]
    return incidents.assign(
        severity=severity,
        resolved=incidents["detected"] + _seconds(hours * HOUR),
        services_affected=affected,
        users_affected=np.rint(typical_users * np.sqrt(affected) * rng.lognormal(0.0, 0.8, count)),
        at_peak=at_peak(incidents["start"].to_numpy()),
    )


def _severity(world: World, assisted: Floats, rng: Generator) -> Whole:
    """1 is worst. The planted odds ratio acts on "1 or 2"; the rest of the scale follows fixed shares."""
    severe = severe_share(world, assisted=assisted)
    chosen = rng.random(len(assisted)) < severe
    worst = 1 + (rng.random(len(assisted)) < 0.75)
    milder = 3 + np.searchsorted([0.5, 0.85], rng.random(len(assisted)))
    return np.where(chosen, worst, milder)


def severe_share(world: World, *, assisted: Floats) -> Floats:
    """Probability that an incident is of severity 1 or 2, given that it happens."""
    return np.where(assisted, shift_odds(world.outages.severe, world.effect.severe), world.outages.severe)


def _services_affected(services: Services, incidents: pd.DataFrame, rng: Generator) -> Whole:
    """The service itself, the origin if that is another one, and some of what depends on it.

    A cascade takes most dependants with it; other failures take one in ten.
    """
    dependants = services.reach().sum(axis=0)[incidents["origin"]]
    spreading = np.where(MODES[incidents["mode"]] == "cascade", 0.6, 0.1)
    hit = rng.binomial(dependants, spreading)
    surfaced_elsewhere = (incidents["origin"] != incidents["service"]).to_numpy()
    return 1 + np.maximum(hit, surfaced_elsewhere)


def _seconds(lengths: Floats) -> Whole:
    return np.maximum(np.rint(lengths), SHORTEST_LAG).astype(np.int64)
