"""Hot-fixes and roll-backs: changes made because of an incident, and so never its cause.

They are planted because a careless analysis counts them. Shipped while trouble is open, sometimes written
with AI in a hurry, they sit close to incidents for a reason that has nothing to do with risk.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.random import Generator

from counterfault.simulate.changes import Changes, Risks, backdrop, both_ways
from counterfault.simulate.incidents import NO_CAUSE, Incidents
from counterfault.simulate.organisation import World
from counterfault.simulate.people import Authors, Whole, chance_of_assistance, shift_odds
from counterfault.simulate.services import Services

UNRELATED_WEIGHT = 0.15  # an incident no change caused is seldom answered by a change


def planned(world: World) -> int:
    """How many of the world's deployments are reactions, given incidents enough to react to."""
    return round(world.scale.deployments * world.register.reactions)


def react(world: World, services: Services, authors: Authors, incidents: Incidents, rng: Generator) -> Changes:
    """One reaction each to some of the resolved incidents, shipped between detection and resolution.

    The number is fixed by the world rather than drawn per incident, so that an organisation has exactly the
    size it was asked for. Reactions carry no risk here: they are outside the population the truth is about.
    """
    answered = _answered(world, incidents, rng)
    count = len(answered)
    detected = incidents.detected[answered]
    second = (detected + (incidents.resolved[answered] - detected) * rng.uniform(0.1, 0.95, count)).astype(np.int64)
    service = incidents.onset.service[answered]
    background = backdrop(services, authors, service, second, rng)
    chance = chance_of_assistance(world, services, service, second, background.tenure_days)
    assisted = rng.random(count) < shift_odds(chance, world.register.reaction_odds)
    human, ai = both_ways(world, background, rng)
    work = ai.where(assisted, human)
    rollback = (incidents.onset.cause[answered] != NO_CAUSE) & (rng.random(count) < world.register.rolled_back)
    return Changes(
        background=background,
        work=replace(work, lines=np.ceil(work.lines / 4), review_hours=work.review_hours / 10),
        risks=Risks.unknown(count),
        assisted=assisted,
        failed=np.zeros(count, dtype=bool),
        rollback=rollback,
        hotfix=~rollback,
        reaction_to=answered,
    )


def _answered(world: World, incidents: Incidents, rng: Generator) -> Whole:
    """The incidents to be answered by a change, by row."""
    resolved = np.nonzero(incidents.resolved < world.scale.seconds)[0]
    count = min(planned(world), len(resolved))
    weight = np.where(incidents.onset.cause[resolved] == NO_CAUSE, UNRELATED_WEIGHT, 1.0)
    chances = weight / weight.sum() if count else None  # nothing to share out among no incidents
    return rng.choice(resolved, count, replace=False, p=chances)
