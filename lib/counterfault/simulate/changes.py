"""Changes, and what would have become of each had it been written the other way.

Every change is drawn twice from the same dice: once as people alone would have written it, once with AI.
Its risk under both is kept (Neyman 1923; Rubin 1974, "potential outcomes"), so the truth beside the tables
is a sum over changes and owes nothing to a model that an analysis might share.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.special import ndtri

from counterfault.simulate.calendar import Seconds, at_peak, elapsed, shipping_times
from counterfault.simulate.organisation import World
from counterfault.simulate.people import (
    Authors,
    Floats,
    Whole,
    chance_of_assistance,
    log_tenure,
    shift_odds,
)
from counterfault.simulate.services import Services

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Background:
    """What is settled before anyone decides to use AI; one entry per change in each array."""

    second: Seconds
    service: Whole
    author: Whole
    tenure_days: Whole
    at_peak: Flags


@dataclass(frozen=True)
class Work:
    """What lies between the decision to use AI and production: the mediators."""

    lines: Floats
    approved: Flags
    review_hours: Floats
    reviewers: Whole
    tests: Flags
    validated: Flags

    def where(self, chosen: Flags, other: Work) -> Work:
        """This work for the chosen changes, `other` for the rest."""
        return Work(*(np.where(chosen, getattr(self, f.name), getattr(other, f.name)) for f in fields(Work)))


def backdrop(services: Services, authors: Authors, service: Whole, second: Seconds, rng: Generator) -> Background:
    """Give changes of these services at these moments an author."""
    author, tenure = authors.pick(services.team[service], second, rng)
    return Background(second, service, author, tenure, at_peak(second))


def both_ways(world: World, background: Background, rng: Generator) -> tuple[Work, Work]:
    """The same changes written by people alone, and with AI.

    Each die is thrown once and read in both arms, so an effect of 1 leaves a change untouched rather than
    merely alike on average: in a world without effect both risks are equal to the last digit.
    """
    count = len(background.second)
    dice = rng.random((6, count))
    gate = world.habits.gate_at_end * elapsed(background.second, world.scale)
    return _write(world, dice, assisted=False, gate=gate), _write(world, dice, assisted=True, gate=gate)


def _write(world: World, dice: Floats, *, assisted: bool, gate: Floats) -> Work:
    habits, effect = world.habits, world.effect
    lines, approval, hours, tests = (
        (effect.lines, effect.approval, effect.review_hours, effect.tests) if assisted else (1.0,) * 4
    )
    approved = dice[1] < shift_odds(habits.approval, approval)
    # Some changes are read and go out without an approval; most unapproved ones were read by nobody.
    reviewers = np.where(approved, 1 + (dice[2] < 0.35) + (dice[2] < 0.07), dice[2] < 0.3).astype(np.int64)
    reading = habits.review_hours * hours * np.exp(ndtri(dice[3]))
    return Work(
        lines=np.ceil(habits.lines * lines * np.exp(habits.lines_spread * ndtri(dice[0]))),
        approved=approved,
        review_hours=np.where(reviewers > 0, reading, 0.0),
        reviewers=reviewers,
        tests=dice[4] < shift_odds(habits.tests, tests),
        validated=(dice[5] < gate) & assisted,
    )


def relative_risk(world: World, services: Services, background: Background, work: Work, *, assisted: bool) -> Floats:
    """Risk relative to a plain change of a middling service on the first day."""
    risk, effect = world.risk, world.effect
    unapproved = ~work.approved
    log_risk = services.log_risk[background.service]
    log_risk = log_risk + np.log(risk.drift) * elapsed(background.second, world.scale)
    log_risk += np.log(risk.tenure) * log_tenure(background.tenure_days)
    log_risk += np.log(risk.at_peak) * background.at_peak
    log_risk += np.log(risk.lines) * np.log(work.lines / world.habits.lines)
    log_risk += np.log(risk.without_approval) * unapproved
    log_risk += np.log(risk.review_hours) * np.log1p(work.review_hours)
    log_risk += np.log(risk.tests) * work.tests
    if assisted:
        log_risk += np.log(effect.risk)
        log_risk += np.log(effect.without_approval) * unapproved
        log_risk += np.log(effect.at_peak) * background.at_peak
        log_risk += np.log(effect.validated) * work.validated
    relative: Floats = np.exp(log_risk)
    return relative


def potential_outcomes(
    world: World, services: Services, background: Background, assisted: Flags, rng: Generator
) -> tuple[Work, pd.DataFrame]:
    """The work as done, and the risks of every change under both arms.

    Returns
    -------
    The work of the arm that came about, and a frame with one row per change: ``p_human`` and ``p_ai``
    (risk under each arm, mediators following the arm: their contrast is the total effect), ``p_human_held``
    and ``p_ai_held`` (mediators held as they came about: the controlled direct effect) and ``risk``, the
    one that came about.
    """
    human, ai = both_ways(world, background, rng)
    done = ai.where(assisted, human)
    p_human = relative_risk(world, services, background, human, assisted=False)
    # `risk.base` is defined as the mean risk without AI in this very organisation; with a handful of
    # uneven services a plain multiplier would make the number of failures a lottery.
    scale = world.risk.base / p_human.mean()

    def probability(work: Work, *, assisted: bool) -> Floats:
        relative = relative_risk(world, services, background, work, assisted=assisted)
        capped: Floats = np.minimum(scale * relative, world.risk.ceiling)
        return capped

    risks = pd.DataFrame(
        {
            "p_human": probability(human, assisted=False),
            "p_ai": probability(ai, assisted=True),
            "p_human_held": probability(done, assisted=False),
            "p_ai_held": probability(done, assisted=True),
        }
    )
    risks["risk"] = np.where(assisted, risks["p_ai"], risks["p_human"])
    return done, risks


def ship(world: World, services: Services, authors: Authors, count: int, rng: Generator) -> pd.DataFrame:
    """The routine changes of the organisation, one row each, with the risks nobody in it can see."""
    second = shipping_times(world.scale, count, rng)
    service = rng.choice(len(services), count, p=services.weight)
    background = backdrop(services, authors, service, second, rng)
    chance = chance_of_assistance(world, services, service, second, background.tenure_days)
    assisted = rng.random(count) < chance
    done, risks = potential_outcomes(world, services, background, assisted, rng)
    failed = rng.random(count) < risks["risk"].to_numpy()
    return pd.concat([frame(background, done), risks.assign(assisted=assisted, failed=failed)], axis=1)


def frame(background: Background, work: Work) -> pd.DataFrame:
    """Background and work side by side, one column per field."""
    return pd.DataFrame({**vars(background), **vars(work)})
