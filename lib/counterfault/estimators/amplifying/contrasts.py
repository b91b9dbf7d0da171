"""Several log risk ratios from one regression, and sums and differences of them.

The regression is that of :mod:`~counterfault.estimators.poisson.regression`, with several columns ("terms") in the
place of the one for exposure: exposure at each level of a modifier, each kind of exposure, or a dose. Bare functions;
the public estimators dress what they give.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import inf, sqrt

import numpy as np
from scipy.special import stdtr, stdtrit

from counterfault.cells import Cells
from counterfault.estimate import Estimand, Estimate, Interval, not_estimable
from counterfault.estimators.bounded import exp_or_infinity
from counterfault.estimators.poisson.cluster_robust import Codes, Floats, SmallSample, centred_within, cluster_robust
from counterfault.estimators.poisson.conditional_poisson import (
    Mask,
    fit_conditional_poisson,
    fitted_to_zero,
    identified_columns,
)
from counterfault.estimators.poisson.regression import ModifiedPoisson
from counterfault.estimators.poisson.regression_problem import EXPOSED, NotComparableError, Problem, comparable
from counterfault.estimators.poisson.within_strata import design_of, error_between_clusters, strata_words

_FEWEST_DEGREES = 4.0


@dataclass(frozen=True, slots=True)
class LogRatios:
    """w combinations of coefficients, on the log scale.

    Attributes
    ----------
    values : (w,) estimates.
    robust, model : (w, w) cluster-robust covariance, and that of independent deployments.
    degrees : (w,) degrees of freedom of the robust one.
    """

    values: Floats
    robust: Floats
    model: Floats
    degrees: Floats


@dataclass(frozen=True, slots=True)
class TermFit:
    """The regression at its maximum.

    Attributes
    ----------
    used : what entered it; its design holds exposure, the covariates, and last the q terms.
    columns : those of the design that were fitted; exposure itself never is, its terms stand for it.
    coefficients : (width of the design,) zero where not fitted.
    expected : fitted events of each entry.
    spanned : (width, r) orthonormal basis of the combinations of coefficients that the data speak of.
    terms : q.
    """

    used: Problem
    columns: list[int]
    coefficients: Floats
    expected: Floats
    spanned: Floats
    terms: int

    def wide(self, weights: Floats) -> Floats:
        """Weights (q, w) of the terms as weights of all columns of the design."""
        above = np.zeros((self.used.design.shape[1] - self.terms, weights.shape[1]))
        return np.vstack([above, weights])

    def speaks_of(self, weights: Floats) -> bool:
        """Whether this combination (q,) of terms has one value at the maximum, and not many or none."""
        wanted = self.wide(weights[:, None])[:, 0]
        return bool(np.abs(wanted - self.spanned @ (self.spanned.T @ wanted)).max() < 1e-6)

    def log_ratios(self, weights: Floats, small_sample: SmallSample) -> LogRatios:
        """Combinations (q, w) of terms that the data speak of, with their covariance."""
        wide = self.wide(weights)
        model = self.used.columns(self.columns).working_model(self.expected)
        below = np.zeros((model.design.shape[1] - len(self.columns), wide.shape[1]))
        sandwich = cluster_robust(model, small_sample, np.vstack([wide[self.columns], below]))
        return LogRatios(
            values=wide.T @ self.coefficients,
            robust=sandwich.covariance,
            model=sandwich.model_covariance,
            degrees=sandwich.degrees_of_freedom,
        )


def fit_terms(whole: Problem, terms: Floats) -> TermFit:
    """Fit covariates and these terms within strata.

    Parameters
    ----------
    whole : the problem with exposure and covariates.
    terms : (m, q) columns that stand in the place of exposure; zero for unexposed entries, except where a term is a
        covariate that a contrast asks for.

    Raises
    ------
    NotComparableError
        When exposure as a whole cannot be compared, or the likelihood is too flat to have a maximum.
    """
    comparable(whole)  # says in its own words why nothing can be compared at all
    width = whole.design.shape[1]
    names = (*whole.covariate_of, *[""] * terms.shape[1])
    every = replace(whole, design=np.hstack([whole.design, terms]), covariate_of=names)
    eventful = every.only(any_in(every.strata, every.events > 0))
    separated = fitted_to_zero(eventful.design[:, EXPOSED + 1 :], eventful.events, eventful.strata)
    used = eventful.only(~separated)
    used = used.only(any_in(used.strata, _deviates(used)))
    columns = sorted(identified_columns(used.design, used.strata, range(EXPOSED + 1, width + terms.shape[1])))
    if not columns:
        raise NotComparableError(f"No two deployments of one {whole.place} can be compared.")
    fit = fit_conditional_poisson(used.design[:, columns], used.copies, used.events, used.strata)
    if not fit.converged:
        raise NotComparableError("The fit did not settle: the log-likelihood is too flat to have a maximum.")
    coefficients = np.zeros(used.design.shape[1])
    coefficients[columns] = fit.coefficients
    return TermFit(
        used=replace(used, notes=tuple(_set_aside(eventful, separated))),
        columns=columns,
        coefficients=coefficients,
        expected=fit.expected,
        spanned=_spanned(used),
        terms=terms.shape[1],
    )


@dataclass(frozen=True)
class Dressing:
    """What turns log ratios into estimates: the same words, level and choice of interval for all of one fit.

    ``settings`` says which covariance, and whether the interval is at least that of independent deployments;
    ``looked_at`` is what was put in the place of exposure, such as "exposure × at_peak".
    """

    cells: Cells
    settings: ModifiedPoisson
    looked_at: str
    level: float

    @property
    def design(self) -> str:
        """Where the comparison is made."""
        return design_of(self.cells)

    def estimate(self, ratios: LogRatios, which: int, estimand: Estimand) -> Estimate:
        """One of the ratios, without support and label.

        Raises
        ------
        NotComparableError
            When all clusters agree on it exactly, so that nothing can be said of its error.
        """
        log_ratio, degrees = float(ratios.values[which]), float(ratios.degrees[which])
        error, reference = self._error_and_reference(ratios, which)
        reach = float(stdtrit(reference, 0.5 + self.level / 2)) * error
        return Estimate(
            estimand=estimand,
            value=exp_or_infinity(log_ratio),
            interval=Interval(exp_or_infinity(log_ratio - reach), exp_or_infinity(log_ratio + reach), self.level),
            method=self.method(degrees, robust=reference == degrees),
            design=self.design,
            p_value=2 * float(stdtr(reference, -abs(log_ratio / error))),
            standard_error=error,
            caveats=tuple(_few_degrees(degrees)),
        )

    def _error_and_reference(self, ratios: LogRatios, which: int) -> tuple[float, float]:
        """Standard error, and the degrees of freedom of the t distribution its limits come from."""
        model, degrees = sqrt(float(ratios.model[which, which])), float(ratios.degrees[which])
        robust = error_between_clusters(float(ratios.robust[which, which]), model**2, self.cells.cluster)
        tail = 0.5 + self.level / 2
        if self.settings.at_least_model and stdtrit(inf, tail) * model > stdtrit(degrees, tail) * robust:
            return model, inf
        return robust, degrees

    def method(self, degrees: float | None = None, *, robust: bool = True) -> str:
        """The sentence that says which formula, correction and reference distribution are in use."""
        kind = "Satterthwaite " if self.settings.small_sample is SmallSample.CR2 else ""
        reference = "" if degrees is None else f", t with {degrees:.1f} {kind}degrees of freedom"
        if not robust:
            reference += "; the interval is that of independent deployments, which is wider"
        return (
            f"modified Poisson regression (Zou 2004) with {self.looked_at}{strata_words(self.cells)}; "
            f"{self.settings.small_sample.value} standard error by {self.cells.cluster}{reference}"
        )

    def silent(self, estimand: Estimand, reason: str) -> Estimate:
        """The answer that there is none, and why."""
        found = not_estimable(
            estimand, reason, method=self.method(), level=self.level, support=self.cells.two_by_two().support()
        )
        return replace(found, design=self.design)


def without_columns_of(problem: Problem, covariate: str) -> Problem:
    """The problem without the dummy variables of one covariate, which its cells are still told apart by."""
    kept = [column for column, owner in enumerate(problem.covariate_of) if owner != covariate]
    return replace(problem.columns(kept), levels=problem.levels.drop(columns=[covariate]))


def require_level(level: float) -> None:
    """Refuse a confidence level outside (0, 1).

    Raises
    ------
    ValueError
        When it is.
    """
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; a confidence level lies between 0 and 1, such as 0.95.")


def _few_degrees(degrees: float) -> Iterator[str]:
    """The caveat that an interval rests on too little to trust its t distribution."""
    if degrees < _FEWEST_DEGREES:
        yield (
            f"The interval rests on {degrees:.1f} degrees of freedom; below {_FEWEST_DEGREES:.0f} the t "
            "approximation is unreliable (Pustejovsky & Tipton 2018)."
        )


def _set_aside(eventful: Problem, separated: Mask) -> Iterator[str]:
    if separated.any():
        yield (
            f"{eventful.copies[separated].sum():.0f} deployments left the fit: no incident fell on their combination "
            "of exposure and covariates where it can be compared, so its fitted risk is zero and the ratio does not "
            "depend on them."
        )


def any_in(groups: Codes, holds: Mask) -> Mask:
    """For each entry, whether the condition (m,) holds anywhere in its group (m,)."""
    found: Mask = (np.bincount(groups, holds) > 0)[groups] if groups.size else holds
    return found


def _deviates(problem: Problem) -> Mask:
    """Entries that differ from the mean of their stratum in any column."""
    centred = centred_within(problem.design, np.ones(len(problem.design)), problem.strata)
    differs: Mask = np.abs(centred).max(axis=1, initial=0) > 1e-9
    return differs


def _spanned(problem: Problem) -> Floats:
    centred = centred_within(problem.design, np.ones(len(problem.design)), problem.strata)
    centred[:, EXPOSED] = 0  # its terms stand for it
    scale = np.maximum(np.linalg.norm(centred, axis=0), 1.0)
    values, vectors = np.linalg.eigh((centred / scale).T @ (centred / scale))
    present = vectors[:, values > 1e-10 * max(1.0, float(values.max(initial=0.0)))]
    basis: Floats = np.linalg.qr(scale[:, None] * present)[0]
    return basis
