"""The risk ratio of each kind of exposed deployment, all from one regression.

Kinds are what exposure comes in: which assistant, how the label was obtained, how much of the change AI wrote. Each
kind has its own ratio against all unexposed deployments of its stratum; covariates and strata are shared, which is what
makes the ratios comparable with one another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from counterfault.cells import Cells
from counterfault.estimate import Estimand, Estimate
from counterfault.estimators.amplifying.contrasts import (
    Dressing,
    LogRatios,
    TermFit,
    fit_terms,
    require_level,
    without_columns_of,
)
from counterfault.estimators.amplifying.exposed_groups import Group
from counterfault.estimators.amplifying.modifier_groups import Levels
from counterfault.estimators.multiplicity import Adjustment, for_multiplicity
from counterfault.estimators.poisson.cluster_robust import Floats
from counterfault.estimators.poisson.regression import HEADLINE, ModifiedPoisson
from counterfault.estimators.poisson.regression_problem import EXPOSED, NotComparableError, Problem, problem_of


def risk_ratios_by_kind(
    cells: Cells,
    column: str,
    level: float = 0.95,
    *,
    id: str,
    adjust_for: tuple[str, ...] = (),
    settings: ModifiedPoisson = HEADLINE,
) -> tuple[Estimate, ...]:
    """How many times more likely is an incident after each kind of exposed deployment than after a like unexposed one?

    Parameters
    ----------
    cells : with the column.
    column : says the kind of an exposed deployment. What it says of unexposed ones is not looked at: every kind is
        compared with all unexposed deployments of its stratum. Labels have a tier on both sides, but a tier that found
        no AI is another group of people and tools, not the same ones without AI, so it makes no better comparison.
    level : of the intervals.
    id : what precedes the kind in ids, such as "dose.tool".
    adjust_for : covariate columns held fixed.
    settings : of the regression, but for what it adjusts for.

    Returns
    -------
    One estimate per kind, in alphabetical order, with id ``<id>.<kind>`` (small letters, digits and ``_``) and the kind
    as its label; a kind that cannot be compared says why. Empty where nothing is exposed.

    Raises
    ------
    ValueError
        When an exposed deployment has an empty kind ("missing" is a kind), or as for
        :class:`~counterfault.estimators.poisson.regression.ModifiedPoisson`.

    Notes
    -----
    Assumed: covariates multiply risks alike for all kinds; clusters are independent. Kinds are used by different people
    for different changes, so a difference between two of them is not one of the tools alone.
    """
    require_level(level)
    adjust_for = tuple(name for name in adjust_for if name != column)
    whole, kind_of = _problem(cells, column, adjust_for)
    dressing = Dressing(
        cells, replace(settings, adjust_for=adjust_for), f"one column for each {column} of exposed", level
    )
    kinds = sorted(set(kind_of[whole.design[:, EXPOSED] == 1]))
    found = _each(whole, kind_of, kinds, column, dressing)
    names = _slugs(kinds)
    return tuple(
        estimate.named(f"{id}.{name}", label=kind, adjustment=adjust_for)
        for estimate, name, kind in zip(found, names, kinds, strict=True)
    )


@dataclass(frozen=True)
class ByKind:
    """:func:`risk_ratios_by_kind` as one estimate with parts, p adjusted for the number of kinds.

    Parameters
    ----------
    column, id, adjust_for, settings : as there.
    adjustment : of the p-values, over all kinds with one.

    Notes
    -----
    Calling it with cells and a level returns the overall risk ratio of the regression with one column for exposure
    under ``id``; its parts are the kinds. Raises ValueError as there.
    """

    column: str
    id: str
    adjust_for: tuple[str, ...] = ()
    settings: ModifiedPoisson = HEADLINE
    adjustment: Adjustment = Adjustment.HOLM

    def __call__(self, cells: Cells, level: float = 0.95) -> Estimate:
        kinds = risk_ratios_by_kind(
            cells, self.column, level, id=self.id, adjust_for=self.adjust_for, settings=self.settings
        )
        parts, _ = for_multiplicity(kinds, self.adjustment)
        others = tuple(name for name in self.adjust_for if name != self.column)
        whole = replace(self.settings, adjust_for=others)(cells, level)
        return whole.named(self.id, parts=parts)


def tools(adjust_for: tuple[str, ...] = (), column: str = "ai_tool") -> ByKind:
    """Each assistant against unexposed deployments: ids ``dose.tool`` and, as parts, ``dose.tool.<name>``."""
    return ByKind(column, "dose.tool", adjust_for)


def tiers(adjust_for: tuple[str, ...] = (), column: str = "label_tier") -> ByKind:
    """AI assistance as far as each kind of evidence shows it: ids ``dose.tier`` and ``dose.tier.<name>``."""
    return ByKind(column, "dose.tier", adjust_for)


def _problem(cells: Cells, column: str, adjust_for: tuple[str, ...]) -> tuple[Problem, Levels]:
    if column in cells.frame:
        exposed = cells.frame["exposed"] == 1
        cells = replace(cells, frame=cells.frame.assign(**{column: cells.frame[column].where(exposed, "")}))
    problem = problem_of(cells, (column, *adjust_for))
    kind_of = problem.levels[column].to_numpy()
    if (empty := (kind_of == "") & (problem.design[:, EXPOSED] == 1)).any():
        raise ValueError(
            f"{problem.copies[empty].sum():.0f} exposed deployments have an empty {column}; a kind nobody knows is a "
            "kind of its own, called 'missing'."
        )
    return without_columns_of(problem, column), kind_of


def _each(whole: Problem, kind_of: Levels, kinds: list[str], column: str, dressing: Dressing) -> Iterator[Estimate]:
    if not kinds:
        return
    exposed = whole.design[:, EXPOSED]
    try:
        fit = fit_terms(whole, np.column_stack([exposed * (kind_of == kind) for kind in kinds]))
    except NotComparableError as reason:
        yield from (dressing.silent(Estimand.RISK_RATIO, str(reason)) for _ in kinds)
        return
    groups = [Group(f"exposed deployments with {column}={kind}", (exposed == 1) & (kind_of == kind)) for kind in kinds]
    silences = [_silence(group, whole, fit, unit) for group, unit in zip(groups, np.eye(fit.terms), strict=True)]
    told = [which for which, silence in enumerate(silences) if silence is None]
    ratios = fit.log_ratios(np.eye(fit.terms)[:, told], dressing.settings.small_sample) if told else None
    for which, (group, silence) in enumerate(zip(groups, silences, strict=True)):
        support = {**group.support(whole), "strata": fit.used.support()["strata"]}
        if ratios is None or silence is not None:
            yield replace(dressing.silent(Estimand.RISK_RATIO, silence or ""), support=support)
            continue
        found = _dressed(dressing, ratios, told.index(which))
        caveats = (*found.caveats, *group.caveats(whole), *fit.used.notes)
        yield replace(found, support=support, caveats=caveats if found.estimable else found.caveats)


def _silence(group: Group, whole: Problem, fit: TermFit, unit: Floats) -> str | None:
    try:
        group.require(whole, fit, unit)
    except NotComparableError as reason:
        return str(reason)
    return None


def _dressed(dressing: Dressing, ratios: LogRatios, which: int) -> Estimate:
    try:
        return dressing.estimate(ratios, which, Estimand.RISK_RATIO)
    except NotComparableError as reason:
        return dressing.silent(Estimand.RISK_RATIO, str(reason))


def _slugs(kinds: list[str]) -> Iterator[str]:
    """Kinds as parts of an id, told apart by a number where only spelling differs."""
    seen: dict[str, int] = {}
    for kind in kinds:
        slug = re.sub(r"[^a-z0-9]+", "_", kind.lower()).strip("_") or "unnamed"
        seen[slug] = seen.get(slug, 0) + 1
        yield slug if seen[slug] == 1 else f"{slug}_{seen[slug]}"
