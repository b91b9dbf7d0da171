"""Hot-fixes and roll-backs: changes made because of an incident, and so never its cause.

They are planted because a careless analysis counts them. Shipped while trouble is open, sometimes written
with AI in a hurry, they sit close to incidents for a reason that has nothing to do with risk.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.random import Generator

from counterfault.simulate.changes import backdrop, both_ways, frame
from counterfault.simulate.incidents import NO_CAUSE
from counterfault.simulate.organisation import World
from counterfault.simulate.people import Authors, chance_of_assistance, shift_odds
from counterfault.simulate.services import Services

NO_INCIDENT = -1
ROLLED_BACK = 0.6  # of the reactions to a failed change; the rest fix forward
UNRELATED_WEIGHT = 0.15  # an incident no change caused is seldom answered by a change


def planned(world: World) -> int:
    """How many of the world's deployments are reactions, given incidents enough to react to."""
    return round(world.scale.deployments * world.register.reactions)


def react(world: World, services: Services, authors: Authors, incidents: pd.DataFrame, rng: Generator) -> pd.DataFrame:
    """One reaction each to some of the resolved incidents, shipped between detection and resolution.

    The number is fixed by the world rather than drawn per incident, so that an organisation has exactly the
    size it was asked for. Reactions carry no risk here: they are outside the population the truth is about.
    """
    incidents = incidents[incidents["resolved"] < world.scale.seconds]
    count = min(planned(world), len(incidents))
    weight = np.where(incidents["cause"] == NO_CAUSE, UNRELATED_WEIGHT, 1.0)
    chances = weight / weight.sum() if count else None  # nothing to share out among no incidents
    chosen = incidents.loc[rng.choice(incidents.index, count, replace=False, p=chances)]
    open_for = chosen["resolved"] - chosen["detected"]
    second = (chosen["detected"] + open_for * rng.uniform(0.1, 0.95, count)).to_numpy().astype(np.int64)
    service = chosen["service"].to_numpy()
    background = backdrop(services, authors, service, second, rng)
    chance = chance_of_assistance(world, services, service, second, background.tenure_days)
    assisted = rng.random(count) < shift_odds(chance, world.register.reaction_odds)
    human, ai = both_ways(world, background, rng)
    rollback = (chosen["cause"] != NO_CAUSE).to_numpy() & (rng.random(count) < ROLLED_BACK)
    return frame(background, ai.where(assisted, human)).assign(
        lines=lambda rows: np.ceil(rows["lines"] / 4),
        review_hours=lambda rows: rows["review_hours"] / 10,
        assisted=assisted,
        failed=False,
        rollback=rollback,
        hotfix=~rollback,
        reaction_to=chosen.index.to_numpy(),
    )
