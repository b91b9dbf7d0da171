"""Does something amplify AI's association with failure? One planned contrast, on the ratio and on the difference scale.

Two groups of deployments, "amplified" (at peak load) and "reference" (off peak), each have a risk ratio of exposure. On
the ratio scale the question is by what factor the first exceeds the second; on the difference scale, whether risks add
up to more than either alone would bring. The two can disagree, and where both exposure and modifier matter there is
interaction on at least one of the scales (Rothman, Greenland & Lash 2008, Modern Epidemiology, chapter 5), so both are
given.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from counterfault.cells import Cells
from counterfault.estimate import Estimand, Estimate
from counterfault.estimators.amplifying.additive_interaction import difference_of_differences, relative_excess
from counterfault.estimators.amplifying.contrasts import Dressing, TermFit, fit_terms, require_level, without_columns_of
from counterfault.estimators.amplifying.exposed_groups import Group
from counterfault.estimators.amplifying.modifier_groups import (
    AMPLIFIED,
    REFERENCE,
    Sides,
    blank_where_unexposed,
    constant_within_strata,
)
from counterfault.estimators.poisson.regression import HEADLINE, ModifiedPoisson
from counterfault.estimators.poisson.regression_problem import NotComparableError, Problem, problem_of


@dataclass(frozen=True)
class Amplifier:
    """By what factor does AI's risk ratio differ where the modifier is "amplified"?

    Parameters
    ----------
    modifier : column of ``cells.frame``, strings; known for exposed and unexposed deployments alike.
    amplified, reference : its levels on the two sides of the contrast. Levels named on neither side ("missing") get a
        ratio of their own and do not enter the contrast.
    adjust_for : covariate columns held fixed; the modifier itself always is, level by level.
    settings : of the regression, but for what it adjusts for.

    Notes
    -----
    Calling it with cells and a level returns ``amplifier.<modifier>.ratio``: the ratio of the two risk ratios, the
    coefficient of exposure × modifier in a modified Poisson regression (Zou 2004). Its parts are the two risk ratios.
    :meth:`excess` and :meth:`difference` ask on the difference scale.

    Assumed: covariates multiply risks and do so alike on both sides; clusters are independent. A modifier that is
    constant within a stratum needs no coefficient of its own; the two ratios then come from different strata, and what
    else differs between these may be what amplifies.

    Raises
    ------
    ValueError
        When a level is on both sides or a side is empty, a column does not exist or holds missing values, or the
        confidence level is not in (0, 1).
    """

    modifier: str
    amplified: tuple[str, ...]
    reference: tuple[str, ...]
    adjust_for: tuple[str, ...] = ()
    settings: ModifiedPoisson = HEADLINE

    def __post_init__(self) -> None:
        self._sides()

    def __call__(self, cells: Cells, level: float = 0.95) -> Estimate:
        require_level(level)
        sides = self._sides()
        whole = problem_of(cells, (self.modifier, *sides.adjust_for))
        found = _ratio(sides, whole, Dressing(cells, self.settings, f"exposure × {self.modifier}", level))
        absorbed = found.estimable and constant_within_strata(whole, whole.levels[self.modifier].to_numpy())
        return found.named(
            f"amplifier.{self.modifier}.ratio",
            adjustment=(self.modifier, *sides.adjust_for),
            caveats=(*found.caveats, *_compared_between_strata(absorbed, self.modifier, whole.place)),
        )

    def excess(self, cells: Cells, level: float = 0.95) -> Estimate:
        """Do AI and the modifier together bring more risk than the two would, added up?

        Parameters
        ----------
        cells, level : as when called.

        Returns
        -------
        Estimate
            ``amplifier.<modifier>.reri``, as
            :func:`~counterfault.estimators.amplifying.additive_interaction.relative_excess` says. Not estimable where
            the modifier is constant within strata.

        Raises
        ------
        ValueError
            As when called.
        """
        require_level(level)
        return relative_excess(self._sides(), cells, level).named(f"amplifier.{self.modifier}.reri")

    def difference(self, cells: Cells, level: float = 0.95) -> Estimate:
        """How many more failures per deployment does AI bring on the amplified side than on the other?

        Parameters
        ----------
        cells, level : as when called.

        Returns
        -------
        Estimate
            ``amplifier.<modifier>.risk_difference``, as
            :func:`~counterfault.estimators.amplifying.additive_interaction.difference_of_differences` says. Estimable
            also where the modifier is constant within strata.

        Raises
        ------
        ValueError
            As when called.
        """
        require_level(level)
        found = difference_of_differences(self._sides(), cells, level)
        return found.named(f"amplifier.{self.modifier}.risk_difference")

    def _sides(self) -> Sides:
        others = tuple(column for column in self.adjust_for if column != self.modifier)
        return Sides(self.modifier, self.amplified, self.reference, others, self.settings)


@dataclass(frozen=True)
class ExposedKinds:
    """How do two kinds of exposed deployments compare, where unexposed ones have no such kinds?

    For what exists among AI-assisted changes only, such as an automated gate for them.

    Parameters
    ----------
    column : column of ``cells.frame``; only its values at exposed deployments are looked at.
    amplified, reference : its levels on the two sides of the contrast.
    adjust_for : covariate columns held fixed.
    settings : of the regression, but for what it adjusts for.

    Notes
    -----
    Calling it with cells and a level returns ``amplifier.<column>.ratio``: the risk ratio of amplified exposed
    deployments against all unexposed ones over that of reference ones. Both are parts. Assumed and raised: as in
    :class:`Amplifier`. There is no difference scale: no unexposed deployment shows what the kind alone would bring.
    """

    column: str
    amplified: tuple[str, ...] = ("no",)
    reference: tuple[str, ...] = ("yes",)
    adjust_for: tuple[str, ...] = ()
    settings: ModifiedPoisson = HEADLINE

    def __post_init__(self) -> None:
        self._sides()

    def __call__(self, cells: Cells, level: float = 0.95) -> Estimate:
        require_level(level)
        sides = self._sides()
        whole = problem_of(blank_where_unexposed(cells, self.column), (self.column, *sides.adjust_for))
        dressing = Dressing(cells, self.settings, f"exposure × {self.column}", level)
        found = _ratio(sides, whole, dressing, alone=False)
        return found.named(f"amplifier.{self.column}.ratio", adjustment=sides.adjust_for)

    def _sides(self) -> Sides:
        others = tuple(other for other in self.adjust_for if other != self.column)
        return Sides(self.column, self.amplified, self.reference, others, self.settings)


def _ratio(sides: Sides, whole: Problem, dressing: Dressing, *, alone: bool = True) -> Estimate:
    """The ratio of ratios with its two parts, or why there is none.

    ``alone`` says whether the column has effects of its own, level by level, besides those of exposure.
    """
    levels = whole.levels[sides.column].to_numpy()
    problem = whole if alone else without_columns_of(whole, sides.column)
    try:
        if alone:
            sides.require_unexposed(problem, levels)
        fit = fit_terms(problem, sides.exposure_by_side(problem, levels))
        return _compared(fit, problem, sides.groups(problem, levels), dressing)
    except NotComparableError as reason:
        return dressing.silent(Estimand.RATIO_OF_RATIOS, str(reason))


def _compared(fit: TermFit, whole: Problem, groups: tuple[Group, Group], dressing: Dressing) -> Estimate:
    reference, amplified = np.eye(fit.terms)[[REFERENCE, AMPLIFIED]]
    for group, unit in zip(groups, (reference, amplified), strict=True):
        group.require(whole, fit, unit)
    weights = np.column_stack([reference, amplified, amplified - reference])
    ratios = fit.log_ratios(weights, dressing.settings.small_sample)
    parts = tuple(
        replace(dressing.estimate(ratios, which, Estimand.RISK_RATIO), label=group.label, support=group.support(whole))
        for which, group in enumerate(groups)
    )
    found = dressing.estimate(ratios, 2, Estimand.RATIO_OF_RATIOS)
    few = [caveat for group in groups for caveat in group.caveats(whole)]
    caveats = (*found.caveats, *few, *fit.used.notes)
    return replace(found, support=_support(fit, parts), parts=parts, caveats=caveats)


def _support(fit: TermFit, parts: tuple[Estimate, ...]) -> dict[str, int]:
    counts = {
        f"{side}_{count}": part.support[count]
        for side, part in zip(("reference", "amplified"), parts, strict=True)
        for count in ("exposed_events", "exposed_total")
    }
    return {**fit.used.support(), **counts}


def _compared_between_strata(absorbed: bool, name: str, place: str) -> Iterator[str]:
    if absorbed:
        yield (
            f"{name} does not vary within {place}: the two ratios come from different ones, and whatever else differs "
            "between these may be what amplifies."
        )
