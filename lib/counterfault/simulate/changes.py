"""Changes, and what would have become of each had it been written the other way.

Every change is drawn twice from the same dice: once as people alone would have written it, once with AI.
Its risk under both is kept (Neyman 1923; Rubin 1974, "potential outcomes"), so the truth beside the tables
is a sum over changes and owes nothing to a model that an analysis might share.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.special import ndtri

from counterfault.simulate.calendar import Seconds, at_peak, elapsed, shipping_times, week
from counterfault.simulate.modes import by_cascades
from counterfault.simulate.organisation import Effect, World
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

NO_INCIDENT = -1


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


@dataclass(frozen=True)
class Risks:
    """Risks nobody in the organisation can see; one entry per change in each array.

    Attributes
    ----------
    p_human, p_ai : under each arm, mediators following the arm: their contrast is the total effect.
    p_human_held, p_ai_held : mediators held as they came about: the controlled direct effect.
    """

    p_human: Floats
    p_ai: Floats
    p_human_held: Floats
    p_ai_held: Floats

    @classmethod
    def unknown(cls, count: int) -> Risks:
        """No risks: for changes outside the population the truth is about."""
        return cls(*(np.full(count, np.nan) for _ in fields(cls)))

    def came_about(self, assisted: Flags) -> Floats:
        """The risk of the arm each change took."""
        return np.where(assisted, self.p_ai, self.p_human)


@dataclass(frozen=True)
class Changes:
    """Changes with all that is true of them; one entry per change in each array, in the order drawn."""

    background: Background
    work: Work
    risks: Risks
    assisted: Flags
    failed: Flags
    rollback: Flags
    hotfix: Flags
    reaction_to: Whole  # row of the incident it answers, or NO_INCIDENT

    def __len__(self) -> int:
        return len(self.assisted)

    def followed_by(self, other: Changes) -> Changes:
        """These changes, then the others."""
        joined: Changes = _joined(self, other)
        return joined


def _joined(one: Any, other: Any) -> Any:
    """Two records of arrays end to end, field by field."""
    if isinstance(one, np.ndarray):
        return np.concatenate([one, other])
    return type(one)(*(_joined(getattr(one, f.name), getattr(other, f.name)) for f in fields(one)))


def backdrop(services: Services, authors: Authors, service: Whole, second: Seconds, rng: Generator) -> Background:
    """Give changes of these services at these moments an author."""
    author, tenure = authors.pick(services.team[service], second, rng)
    return Background(second, service, author, tenure, at_peak(second))


def both_ways(world: World, background: Background, rng: Generator) -> tuple[Work, Work]:
    """The same changes written by people alone, and with AI.

    Each die is thrown once and read in both arms, so an effect of 1 leaves a change untouched rather than
    merely alike on average: in a world without effect both risks are equal to the last digit.
    """
    dice = rng.random((6, len(background.second)))
    size, reading = np.exp(world.habits.lines_spread * ndtri(dice[0])), np.exp(ndtri(dice[3]))
    gate = dice[5] < world.habits.gate_at_end * elapsed(background.second, world.scale)
    human = _write(world, dice, size, reading, Effect(), gate=np.zeros_like(gate))
    return human, _write(world, dice, size, reading, world.effect, gate=gate)


def _write(world: World, dice: Floats, size: Floats, reading: Floats, effect: Effect, *, gate: Flags) -> Work:
    habits = world.habits
    approved = dice[1] < shift_odds(habits.approval, effect.approval)
    # Some changes are read and go out without an approval; most unapproved ones were read by nobody.
    reviewers = np.where(approved, 1 + (dice[2] < 0.35) + (dice[2] < 0.07), dice[2] < 0.3).astype(np.int64)
    return Work(
        lines=np.ceil(habits.lines * effect.lines * size),
        approved=approved,
        review_hours=np.where(reviewers > 0, habits.review_hours * effect.review_hours * reading, 0.0),
        reviewers=reviewers,
        tests=dice[4] < shift_odds(habits.tests, effect.tests),
        validated=gate,
    )


def before_work(world: World, services: Services, background: Background) -> Floats:
    """Log risk relative to a middling service on the first day, as settled before anyone writes a line."""
    risk = world.risk
    log_risk: Floats = services.log_risk[background.service]
    log_risk = log_risk + np.log(risk.drift) * elapsed(background.second, world.scale)
    log_risk += np.log(risk.tenure) * log_tenure(background.tenure_days)
    log_risk += np.log(risk.at_peak) * background.at_peak
    if services.risk_by_week is not None:
        log_risk += services.risk_by_week[background.service, week(background.second)]
    return log_risk


def by_work(world: World, settled: Floats, work: Work) -> Floats:
    """Log risk once the work is done, whoever did it."""
    risk = world.risk
    log_risk: Floats = settled + np.log(risk.lines) * np.log(work.lines / world.habits.lines)
    log_risk += np.log(risk.without_approval) * ~work.approved
    log_risk += np.log(risk.review_hours) * np.log1p(work.review_hours)
    log_risk += np.log(risk.tests) * work.tests
    return log_risk


def with_ai(world: World, services: Services, background: Background, work: Work, without: Floats) -> Floats:
    """The log risk of the same background and work, had AI been used."""
    effect = world.effect
    log_risk: Floats = without + (np.log(effect.risk * by_cascades(world)) + services.log_ratio[background.service])
    log_risk += np.log(effect.without_approval) * ~work.approved
    log_risk += np.log(effect.at_peak) * background.at_peak
    log_risk += np.log(effect.validated) * work.validated
    return log_risk


def potential_outcomes(
    world: World, services: Services, background: Background, assisted: Flags, rng: Generator
) -> tuple[Work, Risks]:
    """The work of the arm that came about, and the risks of every change under both arms."""
    human, ai = both_ways(world, background, rng)
    done = ai.where(assisted, human)
    settled = before_work(world, services, background)
    log_human, log_ai, log_done = (by_work(world, settled, work) for work in (human, ai, done))
    relative = np.exp(log_human)
    # `risk.base` is defined as the mean risk without AI in this very organisation; with a handful of
    # uneven services a plain multiplier would make the number of failures a lottery.
    scale = world.risk.base / relative.mean()

    def probability(relative: Floats) -> Floats:
        capped: Floats = np.minimum(scale * relative, world.risk.ceiling)
        return capped

    return done, Risks(
        p_human=probability(relative),
        p_ai=probability(np.exp(with_ai(world, services, background, ai, log_ai))),
        p_human_held=probability(np.exp(log_done)),
        p_ai_held=probability(np.exp(with_ai(world, services, background, done, log_done))),
    )


def ship(world: World, services: Services, authors: Authors, count: int, rng: Generator) -> Changes:
    """The routine changes of the organisation, with the risks nobody in it can see."""
    second = shipping_times(world.scale, count, rng)
    service = rng.choice(len(services), count, p=services.weight)
    background = backdrop(services, authors, service, second, rng)
    chance = chance_of_assistance(world, services, service, second, background.tenure_days)
    assisted = rng.random(count) < chance
    done, risks = potential_outcomes(world, services, background, assisted, rng)
    failed = rng.random(count) < risks.came_about(assisted)
    no = np.zeros(count, dtype=bool)
    return Changes(background, done, risks, assisted, failed, no, no, np.full(count, NO_INCIDENT))
