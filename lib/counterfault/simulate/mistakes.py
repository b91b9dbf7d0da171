"""What the register gets wrong about what happened: labels, flags and causes.

The dice are the register's own and are thrown only for the mistakes a world makes, so that a world without
them keeps every row it had.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from counterfault.simulate.calendar import Seconds
from counterfault.simulate.changes import Background, Flags
from counterfault.simulate.organisation import Register
from counterfault.simulate.people import Whole

CONSIDERED = 10  # deployments of the service before an incident, among which a wrong cause is picked


@dataclass(frozen=True)
class Noticed:
    """What people noticed of AI use, one entry per change.

    Attributes
    ----------
    ai : whether a label, if there is one, says AI.
    left_open : whether the use was overlooked in a way that left the label unknown.
    looked_up : whether the label was corrected after the incident the change caused.
    """

    ai: Flags
    left_open: Flags
    looked_up: Flags


def notice(register: Register, assisted: Flags, had_incident: Flags, rng: Generator) -> Noticed:
    """Overlook some AI use, see some where there was none, and look again where a change caused an incident."""
    nowhere = np.zeros(len(assisted), dtype=bool)
    missed = assisted & _some(register.missed, len(assisted), rng)
    looked_up = missed & had_incident & _some(register.looked_up, len(assisted), rng)
    missed &= ~looked_up
    left_open = missed & _some(register.missed_unknown, len(assisted), rng) if register.missed_unknown else nowhere
    mistaken = ~assisted & _some(register.mistaken, len(assisted), rng)
    return Noticed((assisted & ~missed) | mistaken, left_open, looked_up)


def unflagged(register: Register, count: int, rng: Generator) -> Flags:
    """Changes that, were they reactions, would look like routine ones."""
    return _some(register.unflagged, count, rng)


def named_causes(
    register: Register, true_cause: Whole, start: Seconds, background: Background, rng: Generator
) -> Whole:
    """The change people name for each incident with a cause, by row.

    A wrong name is one of the last ten other deployments of the same service before the incident: near enough
    to be believed. Where there is none, the true one is named.
    """
    wrong = _some(register.misnamed, len(true_cause), rng)
    if not wrong.any():
        return true_cause
    second, service = background.second, background.service
    named = true_cause.copy()
    for incident in np.nonzero(wrong)[0]:
        cause = true_cause[incident]
        before = np.nonzero((service == service[cause]) & (second < start[incident]))[0]
        before = before[before != cause]
        nearest = before[np.argsort(second[before], kind="stable")][-CONSIDERED:]
        named[incident] = rng.choice(nearest) if len(nearest) else cause
    return named


def _some(share: float, count: int, rng: Generator) -> Flags:
    """A random `share` of `count`; none at all, and no dice, where the share is 0."""
    return rng.random(count) < share if share else np.zeros(count, dtype=bool)
