"""How strong are the confounders that were measured? The yardstick for those that were not.

Two readings of each, both on the scale of ratios. *Observed*: by how much the headline moves when the confounder is
left out. *At most*: the bounding factor of its own two strengths (Ding & VanderWeele 2016), since what one confounder
did may be small only because its levels pull against each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import exp, inf, isfinite, sqrt

import numpy as np
from scipy.special import stdtr, stdtrit

from counterfault.cells import Cells
from counterfault.challenges.e_value import bounding_factor
from counterfault.estimate import Estimand, Estimate, Interval, not_estimable
from counterfault.estimators.bounded import exp_or_infinity
from counterfault.estimators.poisson.cluster_robust import Floats
from counterfault.estimators.poisson.regression_problem import NotComparableError, comparable, problem_of
from counterfault.estimators.poisson.within_strata import PointFit, design_of, influence, point_fit, sums_by
from counterfault.estimators.tables.mantel_haenszel import log_ratio_sums
from counterfault.estimators.tables.strata import Strata

METHOD = (
    "risk ratio without the covariate over risk ratio with it, both by modified Poisson regression; CR1 standard error "
    "of the difference of logarithms by cluster"
)
BOUND_METHOD = "bounding factor (Ding & VanderWeele 2016) of the measured confounder"
# A level that fewer failures than this would fall on at the mean risk shows by chance any ratio whatever.
FEWEST_EXPECTED = 5.0
# Two fits of one model in other columns differ by rounding; an error this small on the log scale is that.
_NO_MOVE = 1e-8


@dataclass(frozen=True)
class WithoutEach:
    """The headline once without each confounder, over the headline.

    Parameters
    ----------
    adjust_for : the confounders the headline holds fixed.
    """

    adjust_for: tuple[str, ...]

    def __call__(self, cells: Cells, level: float = 0.95) -> tuple[Estimate, ...]:
        """One ratio of ratios per confounder, id ``confounding.without.<covariate>``, and one for the strata together.

        Above 1, the confounder had pushed the ratio up. Parts are its strength with exposure, with failure, and the
        bounding factor of both; they have no interval, being the largest of several.

        Raises
        ------
        ValueError
            When a column does not exist or holds missing values, or the level is not in (0, 1).
        """
        if not 0 < level < 1:
            raise ValueError(f"level is {level}; a confidence level lies between 0 and 1, such as 0.95.")
        try:
            whole = point_fit(comparable(problem_of(cells, self.adjust_for)))
        except NotComparableError as reason:
            silent = _silent(str(reason), cells, level)
            return (*(self._named(silent, name) for name in self.adjust_for), self._strata_named(silent, cells))
        each = (self._without(cells, whole, name, level) for name in self.adjust_for)
        return (*each, self._without_strata(cells, whole, level))

    def _without_strata(self, cells: Cells, whole: PointFit, level: float) -> Estimate:
        """What holding service and season fixed did: usually more than any covariate, and so a yardstick too.

        It has no two strengths: there are as many levels as strata, and the largest ratio of so many is chance.
        """
        try:
            found = _moved(point_fit(comparable(problem_of(replace(cells, strata=()), self.adjust_for))), whole, level)
        except NotComparableError as reason:
            found = _silent(f"Without strata: {reason}", cells, level)
        return self._strata_named(found, cells)

    def _without(self, cells: Cells, whole: PointFit, name: str, level: float) -> Estimate:
        rest = tuple(other for other in self.adjust_for if other != name)
        parts = tuple(
            replace(part, label=name, adjustment=rest, design=design_of(cells))
            for part in _strengths(cells, whole, name, rest, level)
        )
        try:
            found = _moved(point_fit(comparable(problem_of(cells, rest))), whole, level)
        except NotComparableError as reason:
            found = _silent(f"Without {name}: {reason}", cells, level)
        return replace(self._named(found, name), parts=parts, design=design_of(cells))

    def _strata_named(self, found: Estimate, cells: Cells) -> Estimate:
        label = f"without {' × '.join(cells.strata) or 'strata'}"
        found = replace(found, adjustment=self.adjust_for, design="across all deployments")
        return found.named("confounding.without.strata", label=label)

    def _named(self, found: Estimate, name: str) -> Estimate:
        rest = tuple(other for other in self.adjust_for if other != name)
        return found.named(f"confounding.without.{name}", label=f"without {name}", adjustment=rest)


def _silent(reason: str, cells: Cells, level: float) -> Estimate:
    support = cells.two_by_two().support()
    return not_estimable(Estimand.RATIO_OF_RATIOS, reason, method=METHOD, level=level, support=support)


def _moved(without: PointFit, whole: PointFit, level: float) -> Estimate:
    """The ratio of two ratios from the same deployments.

    Their errors are not independent: what a cluster adds to the difference is the difference of what it adds to each.

    Raises
    ------
    NotComparableError
        Where both are one and the same fit.
    """
    log_ratio = without.log_ratio - whole.log_ratio
    error, clusters = _error_of_difference(without, whole)
    if error < _NO_MOVE:
        raise NotComparableError("It holds nothing fixed that is not fixed already, so leaving it out moves nothing.")
    reach = float(stdtrit(clusters - 1, 0.5 + level / 2)) * error
    return Estimate(
        estimand=Estimand.RATIO_OF_RATIOS,
        value=exp(log_ratio),
        interval=Interval(exp_or_infinity(log_ratio - reach), exp_or_infinity(log_ratio + reach), level),
        method=METHOD,
        support=whole.problem.support(),
        standard_error=error,
        p_value=2 * float(stdtr(clusters - 1, -abs(log_ratio) / error)),
    )


def _error_of_difference(without: PointFit, whole: PointFit) -> tuple[float, int]:
    added: dict[str, float] = {}
    for fit, sign in ((without, 1.0), (whole, -1.0)):
        by_cluster = sums_by(fit.problem.clusters, _influence_on_exposure(fit))[:, 0]
        for name, value in zip(fit.problem.cluster_names, by_cluster, strict=True):
            added[name] = added.get(name, 0.0) + sign * float(value)
    clusters = len(added)
    return sqrt(clusters / (clusters - 1) * sum(value**2 for value in added.values())), clusters


def _influence_on_exposure(fit: PointFit) -> Floats:
    return influence(fit.absorbing_all_strata())[:, :1]


def _strengths(cells: Cells, whole: PointFit, name: str, rest: tuple[str, ...], level: float) -> Iterator[Estimate]:
    """RR_EU, RR_UD and the bounding factor of one measured confounder."""
    levels = _common_levels(cells, name)
    exposure = _with_exposure(cells, name, rest, levels, upwards=whole.log_ratio >= 0)
    outcome = _with_outcome(whole, name, levels)
    bound = bounding_factor(exposure, outcome) if exposure > 0 and outcome > 0 else 0.0
    for part, value, estimand, method in (
        ("with_exposure", exposure, Estimand.RISK_RATIO, "RR_EU: largest Mantel–Haenszel ratio of a level's shares"),
        ("with_outcome", outcome, Estimand.RISK_RATIO, "RR_UD: largest ratio of fitted risks of two levels"),
        ("bounding_factor", bound, Estimand.RATIO_OF_RATIOS, BOUND_METHOD),
    ):
        yield _strength(value, estimand, method, level, len(levels)).named(f"confounding.without.{name}.{part}")


def _strength(value: float, estimand: Estimand, method: str, level: float, levels: int) -> Estimate:
    support = {"levels": levels}
    if not (isfinite(value) and value > 0):
        reason = (
            f"It would take two levels on which at least {FEWEST_EXPECTED:.0f} failures fall at the mean risk, with "
            f"deployments that can be compared; there are {levels}."
            if value == 0
            else "One of the levels has no deployments or no failures on one side, so the ratio has no bound."
        )
        return not_estimable(estimand, reason, method=method, level=level, support=support)
    largest = "The largest of several ratios, so chance makes it larger rather than smaller; it has no interval."
    return Estimate(
        estimand=estimand,
        value=value,
        interval=Interval(estimand.lowest, estimand.highest, level),
        method=method,
        support=support,
        caveats=(largest,),
    )


def _common_levels(cells: Cells, name: str) -> tuple[str, ...]:
    held = cells.frame.groupby(name, observed=True)[["n", "events"]].sum()
    risk = held["events"].sum() / max(int(held["n"].sum()), 1)
    return tuple(map(str, held.index[held["n"] * risk >= FEWEST_EXPECTED]))


def _with_exposure(cells: Cells, name: str, rest: tuple[str, ...], levels: tuple[str, ...], *, upwards: bool) -> float:
    """How many times as common is some level with exposure as without, at equal strata and other covariates?

    Where the ratio to explain is below 1, the other way round: then a level that is rarer with exposure explains it.
    """
    if len(levels) < 2:
        return 0.0
    strata = tuple(dict.fromkeys((*cells.strata, *rest)))
    keys = [*strata, "exposed", name]
    held = cells.frame.groupby(keys, as_index=False, observed=True)["n"].sum()
    ratios = [_shares(Cells(held.assign(events=held["n"].where(held[name] == level, 0)), strata)) for level in levels]
    known = [(over, under) if upwards else (under, over) for over, under in ratios if over + under > 0]
    # Shares add up to one, so some ratio is at least 1, but it may be that of a level too rare to count.
    return max((1.0, *(over / under if under > 0 else inf for over, under in known))) if known else 0.0


def _shares(cells: Cells) -> tuple[float, float]:
    """Numerator and denominator of the Mantel–Haenszel ratio."""
    over, under, _ = log_ratio_sums(Strata.of(cells))
    return float(np.sum(over)), float(np.sum(under))


def _with_outcome(whole: PointFit, name: str, levels: tuple[str, ...]) -> float:
    """How many times as likely is failure at one level as at another, in the headline's own fit?"""
    problem, risks = whole.problem, {}
    held = problem.levels[name].astype(str).to_numpy()
    for level in levels:
        here = held == level
        columns = [i for i, owner in enumerate(problem.covariate_of) if owner == name]
        if here.any():
            row = problem.design[np.flatnonzero(here)[0], columns]
            risks[level] = float(row @ whole.coefficients[columns])
    if len(risks) < 2:
        return 0.0
    return exp_or_infinity(max(risks.values()) - min(risks.values()))
