"""Who wrote a change, and whether they used AI for it.

Authors exist only as pseudonyms: a simulated company hashes its people as a real one must.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from counterfault.simulate.calendar import DAY, SHIPPING_AT_PEAK, Seconds, at_peak, elapsed, week
from counterfault.simulate.organisation import DAYS_OF_A_QUARTER, World
from counterfault.simulate.services import Services

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]

LONGEST_TENURE = 12 * 365.0  # days before the record starts
HIRED_DURING = 0.3  # of the authors: newcomers must exist in every quarter, not only the first
TENURE_OF_REFERENCE = 730.0  # days: effects of tenure are stated relative to a colleague of two years


@dataclass(frozen=True)
class Authors:
    """Pseudonyms by team and seat, each team's seats in order of joining; ``joined`` in days."""

    pseudonym: NDArray[np.object_]
    joined: Floats  # teams × seats

    def pick(self, team: Whole, seconds: Seconds, rng: Generator) -> tuple[Whole, Whole]:
        """An author who had joined by then: index of the pseudonym, and days in the company."""
        day = seconds / DAY
        present = (self.joined[team] <= day[:, None]).sum(axis=1)
        seat = (rng.random(len(team)) * present).astype(np.int64)
        tenure = np.floor(day - self.joined[team, seat]).astype(np.int64)
        return team * self.joined.shape[1] + seat, tenure


def hire(world: World, rng: Generator) -> Authors:
    """Draw the authors of every team; at least one seat of each was filled before the record starts."""
    shape = (world.scale.teams, world.scale.authors_per_team)
    before = -np.minimum(rng.exponential(900.0, shape) + 30, LONGEST_TENURE)
    during = rng.uniform(0, world.scale.days, shape)
    joined = np.where(rng.random(shape) < HIRED_DURING, during, before)
    joined[:, 0] = before[:, 0]
    numbers = _distinct(shape, rng)
    return Authors(np.array([f"{n:012x}" for n in numbers.ravel()], dtype=object), np.sort(joined, axis=1))


def _distinct(shape: tuple[int, int], rng: Generator) -> Whole:
    """Twelve hexadecimal digits for everyone; redrawn in the rare case that two agree."""
    while True:
        numbers = rng.integers(0, 2**48, shape)
        if len(np.unique(numbers)) == numbers.size:
            return numbers


def log_tenure(days: NDArray[Any]) -> Floats:
    """Tenure in e-folds from two years; the first quarter in a job counts as one."""
    return np.log((days + DAYS_OF_A_QUARTER) / (TENURE_OF_REFERENCE + DAYS_OF_A_QUARTER))


def chance_of_assistance(
    world: World, services: Services, service: Whole, seconds: Seconds, tenure_days: Whole
) -> Floats:
    """Probability that a change is AI-assisted: trend, service, tenure of the author, load."""
    if services.assigned_from is not None:
        return (seconds >= services.assigned_from[service]).astype(np.float64)
    adoption = world.adoption
    log_odds = _trend(world, services, elapsed(seconds, world.scale)) + services.adoption[service]
    log_odds += np.log(adoption.tenure) * log_tenure(tenure_days)
    # Centred, so that load moves AI use about and leaves the organisation's share where the trend put it.
    log_odds += np.log(adoption.at_peak) * (at_peak(seconds) - SHIPPING_AT_PEAK)
    if services.adoption_by_week is not None:
        log_odds += services.adoption_by_week[service, week(seconds)]
    return expit(log_odds)


def _trend(world: World, services: Services, when: Floats) -> Floats:
    """Log odds of the middling service over time, such that the organisation meets the planned shares.

    The share of the whole is the mean of many logistic curves, not the logistic curve of the mean; hence
    the intercept is solved for, month by month, and joined by straight lines.
    """
    knots = np.linspace(0, 1, 1 + max(6, world.scale.days // 30))
    half_quarter = DAYS_OF_A_QUARTER / 2 / world.scale.days
    slope = (world.adoption.last_quarter - world.adoption.first_quarter) / (1 - 2 * half_quarter)
    share = np.clip(world.adoption.first_quarter + slope * (knots - half_quarter), 1e-6, 1 - 1e-6)
    return np.interp(when, knots, _intercept(share, services))


def _intercept(share: Floats, services: Services) -> Floats:
    """What to add to the log odds of every service so that their weighted use meets each share.

    Newton's steps, halving the bracket instead where a step would leave it.
    """
    low, high = np.full_like(share, -25.0), np.full_like(share, 25.0)
    at = np.log(share / (1 - share))
    for _ in range(60):
        use = expit(at[:, None] + services.adoption[None, :])
        missing = share - use @ services.weight
        if np.abs(missing).max() < 1e-15:
            break
        low, high = np.where(missing > 0, at, low), np.where(missing > 0, high, at)
        ahead = at + missing / np.maximum((use * (1 - use)) @ services.weight, 1e-12)
        at, last = np.where((ahead >= low) & (ahead <= high), ahead, (low + high) / 2), at
        if np.abs(at - last).max() < 1e-12:
            break
    return at


def shift_odds(probability: Floats | float, odds_ratio: float) -> Floats:
    """The probability whose odds are `odds_ratio` times as large."""
    raised = np.asarray(probability) * odds_ratio
    return raised / (1 - np.asarray(probability) + raised)


def expit(log_odds: Floats) -> Floats:
    """Inverse of the log odds."""
    return 1 / (1 + np.exp(-log_odds))
