"""What risk a deployment would have had with the other exposure, by a Poisson model with stratum effects.

The model is that of :mod:`~counterfault.estimators.poisson.regression`: risk = stratum effect × exp(covariates,
exposure), with the ratio of exposure free to differ between the levels of chosen columns. A stratum's effect follows
from the ratios in closed form, so every stratum keeps its own base risk.

Where the likelihood has its maximum at infinity, predictions are their limits: zero for deployments like those whose
fitted risk tends to zero, finite where the rest of the fit determines them, and unknown (NaN) otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from counterfault.cells import Cells
from counterfault.estimators.marginal.marginal_risk import Arm, FittedModel
from counterfault.estimators.poisson.cluster_robust import Codes, Floats, centred_within
from counterfault.estimators.poisson.conditional_poisson import (
    Mask,
    fit_conditional_poisson,
    fitted_to_zero,
    identified_columns,
)
from counterfault.estimators.poisson.regression_problem import (
    EXPOSED,
    NotComparableError,
    Problem,
    comparable,
    problem_of,
)

_HIGHEST = 700.0  # exp of more overflows


@dataclass(frozen=True, slots=True)
class OutcomeModel:
    """The fitted model and what it predicts for every entry of the problem.

    Attributes
    ----------
    problem : the entries, those of strata without an event included.
    fit : the model at its solution.
    exposed, unexposed, as_it_was : predictions under either exposure and under each entry's own.
    notes : what a reader must know about levels set aside.
    """

    problem: Problem
    fit: FittedModel
    exposed: Arm
    unexposed: Arm
    as_it_was: Arm
    notes: tuple[str, ...]


def outcome_model(cells: Cells, adjust_for: tuple[str, ...], varies_by: tuple[str, ...] = ()) -> OutcomeModel:
    """Fit the risk of an event within strata, and predict it under both exposures.

    Parameters
    ----------
    cells : the counts.
    adjust_for : covariates held fixed; each level gets its own risk.
    varies_by : columns (strata too) between whose levels the ratio of exposure may differ. They are held fixed as well.

    Raises
    ------
    NotComparableError
        When the data cannot tell exposure from the rest, with the reason.
    ValueError
        As :class:`~counterfault.estimators.poisson.regression.ModifiedPoisson`.
    """
    problem = problem_of(cells, (*adjust_for, *varies_by))
    within = tuple(name for name in varies_by if name not in cells.strata)
    notes = comparable(problem_of(cells, (*adjust_for, *within))).notes  # and refuse what has no finite ratio
    designs = [_columns(problem, varies_by, arm) for arm in (problem.design[:, EXPOSED], 1.0, 0.0)]
    eventful = np.bincount(problem.strata, problem.events)[problem.strata] > 0
    kept = eventful.copy()
    kept[eventful] = ~fitted_to_zero(designs[0][eventful], problem.events[eventful], _gapless(problem.strata[eventful]))
    width = problem.design.shape[1]
    order = [*range(1, width), EXPOSED, *range(width, designs[0].shape[1])]
    columns = sorted(identified_columns(designs[0][kept], _gapless(problem.strata[kept]), order))
    fitted = fit_conditional_poisson(
        designs[0][kept][:, columns], problem.copies[kept], problem.events[kept], _gapless(problem.strata[kept])
    )
    if not fitted.converged:
        raise NotComparableError("The fit did not settle: the log-likelihood is too flat to have a maximum.")
    limits = _Limits.of(designs[0], problem.strata, kept, eventful)
    levels = _stratum_levels(problem, designs[0][:, columns] @ fitted.coefficients, kept)
    arms = []
    for design in designs:
        index = np.minimum(levels + design[:, columns] @ fitted.coefficients, _HIGHEST)
        risk = limits.of_risk(design, np.exp(index))
        arms.append(Arm(risk, risk, design[:, columns]))
    expected = np.zeros(len(kept))
    expected[kept] = fitted.expected
    fit = FittedModel(
        design=designs[0][:, columns],
        copies=problem.copies,
        variances=expected / problem.copies,
        residuals=problem.events - expected,
        strata=problem.strata,
        clusters=problem.clusters,
    )
    return OutcomeModel(problem, fit, arms[1], arms[2], arms[0], notes)


def _columns(problem: Problem, varies_by: tuple[str, ...], exposed: Floats | float) -> Floats:
    """(m, k) exposure, covariates, and their products for the columns by which the ratio may vary."""
    design = problem.design.copy()
    design[:, EXPOSED] = exposed
    chosen = [owner in varies_by for owner in problem.covariate_of]
    return np.hstack([design, design[:, chosen] * design[:, [EXPOSED]]])


def _gapless(codes: Codes) -> Codes:
    return np.asarray(np.unique(codes, return_inverse=True)[1], dtype=np.intp)


def _stratum_levels(problem: Problem, index: Floats, kept: Mask) -> Floats:
    """(m,) log of the stratum effect of each entry: events over Σ n·exp(xβ), −∞ in strata without events.

    The largest exponent of a stratum is taken out of the sum, so that exp cannot overflow.
    """
    count = int(problem.strata.max()) + 1
    highest = np.full(count, -np.inf)
    np.maximum.at(highest, problem.strata[kept], index[kept])
    relative = np.where(kept, index - np.where(np.isfinite(highest), highest, 0.0)[problem.strata], -np.inf)
    total = np.bincount(problem.strata, problem.copies * np.exp(relative), count)
    events = np.bincount(problem.strata, problem.events, count)
    share = np.divide(events, total, out=np.zeros(count), where=total > 0)
    level = np.log(share, out=np.full(count, -np.inf), where=share > 0) - np.where(np.isfinite(highest), highest, 0.0)
    return np.asarray(level[problem.strata], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class _Limits:
    """Which predictions the fit determines when some fitted risks tend to zero.

    A row is measured from a row of its stratum that stayed in the fit. Within the span of the rows that stayed its risk
    is finite and determined. Outside, what remains after projection tells directions apart: a row whose remainder is
    that of a row fitted to zero goes to zero with it.

    Attributes
    ----------
    reference : (m, k) for each entry, a row of its stratum that stayed in the fit.
    free : (k, d) directions the rows that stayed are blind to.
    vanishing : (p, d) remainders of the rows fitted to zero.
    eventful : (m,) entries of strata with events; elsewhere every risk is zero.
    """

    reference: Floats
    free: Floats
    vanishing: Floats
    eventful: Mask

    @classmethod
    def of(cls, design: Floats, strata: Codes, kept: Mask, eventful: Mask) -> _Limits:
        row = np.zeros(int(strata.max()) + 1, dtype=np.intp)
        row[strata[kept]] = np.flatnonzero(kept)
        reference = design[row[strata]]
        centred = centred_within(design[kept], np.ones(int(kept.sum())), strata[kept])
        values, vectors = np.linalg.eigh(centred.T @ centred)
        free = vectors[:, values <= 1e-12 * max(1.0, float(values.max()))]
        gone = (design - reference)[eventful & ~kept] @ free
        return cls(reference, free, np.unique(np.round(gone, 7), axis=0), eventful)

    def of_risk(self, design: Floats, finite: Floats) -> Floats:
        """(m,) the risks given, or zero or NaN where they are not what the fit tends to."""
        remainder = np.round((design - self.reference) @ self.free, 7)
        beyond = remainder.any(axis=1)
        risk = np.where(beyond, np.nan, finite)
        if beyond.any() and len(self.vanishing):
            known = len(self.vanishing)
            rows = np.vstack([self.vanishing, remainder[beyond]]) + 0.0  # so that no zero is negative
            kinds = np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1)
            risk[beyond] = np.where(np.isin(kinds[known:], kinds[:known]), 0.0, np.nan)
        return np.where(self.eventful, risk, 0.0)
