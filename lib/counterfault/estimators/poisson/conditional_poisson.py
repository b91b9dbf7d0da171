"""Poisson regression with stratum effects concentrated out, and whether it has a finite answer.

With a log link a stratum's own effect solves in closed form: exp(α_s) = events_s / Σ n·exp(xβ). Put back,
the likelihood of β is that of a multinomial in each stratum, given its number of events. It has the
same maximum as with one dummy variable per stratum, and no incidental-parameter bias
(Cameron & Trivedi 2013, Regression Analysis of Count Data, chapter 9). Bare functions on arrays, one entry per
cell.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from counterfault.estimators.poisson.cluster_robust import Codes, Floats, centred_within

Mask = NDArray[np.bool_]

# Designs are columns of 0 and 1: what is not zero within a stratum is far above this.
_ZERO = 1e-9


@dataclass(frozen=True, slots=True)
class ConditionalFit:
    """Where Newton's method ended.

    Attributes
    ----------
    coefficients : (k,) log risk ratios.
    expected : (m,) fitted number of events of each cell; sums to the events of each stratum.
    converged : whether a further step would leave the log-likelihood as it is.
    """

    coefficients: Floats
    expected: Floats
    converged: bool


@dataclass(frozen=True, slots=True)
class _Likelihood:
    """Multinomial log-likelihood within strata; called with coefficients, gives itself and fitted events."""

    design: Floats
    copies: Floats
    events: Floats
    strata: Codes

    def __call__(self, beta: Floats) -> tuple[float, Floats]:
        count = int(self.strata.max()) + 1
        index = self.design @ beta
        highest = np.full(count, -np.inf)
        np.maximum.at(highest, self.strata, index)
        relative = index - highest[self.strata]  # so that exp cannot overflow
        mass = self.copies * np.exp(relative)
        total = np.bincount(self.strata, mass, count)
        events = np.bincount(self.strata, self.events, count)
        log_likelihood = self.events @ relative - events @ np.log(total)
        return float(log_likelihood), mass * (events / total)[self.strata]


def fit_conditional_poisson(
    design: Floats, copies: Floats, events: Floats, strata: Codes, most_steps: int = 60, start: Floats | None = None
) -> ConditionalFit:
    """The coefficients under which the events of each stratum fell most probably where they did.

    Parameters
    ----------
    design : (m, k) columns independent within strata, no intercept.
    copies, events : (m,) deployments, and those followed by an incident. Every stratum has events.
    strata : (m,) codes 0 … S−1.
    most_steps : Newton steps before giving up. The log-likelihood is concave, and cells that would send a
        coefficient to infinity are set aside beforehand (:func:`fitted_to_zero`), so few are needed.
    start : (k,) where to begin, such as the coefficients of nearly the same data; zero by default.
    """
    likelihood = _Likelihood(design, copies, events, strata)
    beta = np.zeros(design.shape[1]) if start is None else start
    reached, expected = likelihood(beta)
    for _ in range(most_steps):
        centred = centred_within(design, expected, strata)
        gradient = design.T @ (events - expected)
        step = np.linalg.solve((centred.T * expected) @ centred, gradient)
        close = gradient @ step <= 1e-16 * (1 + abs(reached))  # and this step squares what is left
        allowance = 1e-12 * (1 + abs(reached))  # rounding, near the top
        trial, found = likelihood(beta + step)
        while trial < reached - allowance:
            step /= 2
            trial, found = likelihood(beta + step)
        beta, reached, expected = beta + step, trial, found
        if close:
            return ConditionalFit(beta, expected, converged=True)
    return ConditionalFit(beta, expected, converged=False)


def fitted_to_zero(design: Floats, events: Floats, strata: Codes) -> Mask:
    """Which cells without events have a fitted risk that tends to zero at the maximum.

    Some direction γ of the coefficients (with a shift δ of each stratum) then leaves every cell with events
    as it is, lowers these cells without end and raises none: quasi-separation. Left in, they send a coefficient
    to −∞; set aside, the rest of the fit is the limit the full fit tends to, for every other
    coefficient too (Correia, Guimarães & Zylkin 2019, arXiv 1903.01633).

    Why not simply drop levels without events? A level may hold events and still have none wherever it can
    be compared; and two levels may separate only together.

    Parameters
    ----------
    design, events, strata : as in :func:`fit_conditional_poisson`.
    """
    has_events = events > 0
    reference = np.zeros(int(strata.max()) + 1, dtype=np.intp)
    reference[strata[has_events]] = np.flatnonzero(has_events)
    # A cell with events in each stratum fixes that stratum's shift, so only γ is left to find.
    difference = design - design[reference[strata]]
    free = _null_space(difference[has_events])
    candidates = np.flatnonzero(~has_events)
    moves = np.round(difference[candidates] @ free, 9)
    movable = np.abs(moves).max(axis=1, initial=0) > _ZERO
    separated = np.zeros(len(events), dtype=bool)
    if movable.any():
        patterns, which = np.unique(moves[movable], axis=0, return_inverse=True)
        separated[candidates[movable]] = _can_be_lowered(patterns)[which.reshape(-1)]
    return separated


def identified_columns(design: Floats, strata: Codes, order: Iterable[int]) -> list[int]:
    """The columns, taken in this order, that vary within strata beyond those taken before."""
    centred = centred_within(design, np.ones(len(design)), strata)
    taken: list[int] = []
    basis = np.empty((len(design), 0))
    for column in order:
        rest = centred[:, column] - basis @ (basis.T @ centred[:, column])
        rest = rest - basis @ (basis.T @ rest)  # twice is enough (Kahan & Parlett)
        if np.linalg.norm(rest) > _ZERO * max(1.0, float(np.linalg.norm(design[:, column]))):
            basis = np.column_stack([basis, rest / np.linalg.norm(rest)])
            taken.append(column)
    return taken


def _null_space(rows: Floats) -> Floats:
    """(k, d) orthonormal directions that every one of these rows (·, k) is blind to."""
    values, vectors = np.linalg.eigh(rows.T @ rows)
    return vectors[:, values <= 1e-12 * max(1.0, float(values.max()))]


def _can_be_lowered(patterns: Floats) -> Mask:
    """Which of the rows z (p, d) some direction takes below zero while it takes none above.

    One linear programme answers for all rows, since such directions add up: maximise Σ t with zη + t ≤ 0 and
    0 ≤ t ≤ 1; at its maximum t is 1 for the rows that can be lowered and 0 for the others.
    """
    from scipy.optimize import linprog

    count, free = patterns.shape
    # HiGHS sometimes gives up in its presolve on programmes that it solves without ("Status 0: Not Set", scipy 1.17).
    for presolve in (True, False):
        solution = linprog(
            c=np.concatenate([np.zeros(free), -np.ones(count)]),
            A_ub=np.hstack([patterns, np.eye(count)]),
            b_ub=np.zeros(count),
            bounds=[(None, None)] * free + [(0, 1)] * count,
            method="highs",
            options={"presolve": presolve},
        )
        if solution.x is not None:
            lowered: Mask = np.asarray(solution.x)[free:] > 0.5
            return lowered
    # Left in, such cells keep the fit from settling, and it says so.
    return np.zeros(count, dtype=bool)
