"""Amplification on the difference scale: the relative excess risk, and the difference of two risk differences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from scipy.special import stdtr, stdtrit

from counterfault.cells import Cells
from counterfault.estimate import Estimand, Estimate, Interval
from counterfault.estimators.amplifying.contrasts import Dressing, TermFit, fit_terms, without_columns_of
from counterfault.estimators.amplifying.excess_risk import excess_risk
from counterfault.estimators.amplifying.exposed_groups import Group
from counterfault.estimators.amplifying.modifier_groups import (
    AMPLIFIED,
    REFERENCE,
    REST,
    Levels,
    Sides,
    says_more_finely,
)
from counterfault.estimators.marginal.averaged_risks import Average, AveragedRisks, averaged_risks, jackknife_error
from counterfault.estimators.marginal.outcome_model import OutcomeModel, outcome_model
from counterfault.estimators.poisson.cluster_robust import Floats
from counterfault.estimators.poisson.conditional_poisson import Mask
from counterfault.estimators.poisson.regression_problem import NotComparableError, Problem, problem_of
from counterfault.estimators.poisson.within_strata import few_clusters, strata_words


def relative_excess(sides: Sides, cells: Cells, level: float) -> Estimate:
    """RERI = RR₁₁ − RR₁₀ − RR₀₁ + 1, each ratio against unexposed deployments of the reference side.

    Zero when the risks of exposure and modifier add up. Hosmer & Lemeshow (1992), Epidemiology 3:452, with the MOVER
    interval of Zou (2008), American Journal of Epidemiology 168:212. The parts are the three ratios. The modifier
    counts as two sides here, so a covariate that says the same more finely is left out: the excess would be one at each
    of its levels.

    Parameters
    ----------
    sides : the contrast.
    cells : the counts.
    level : of the interval, in (0, 1).

    Raises
    ------
    ValueError
        When a column does not exist or holds missing values.
    """
    name = sides.column
    every = problem_of(cells, (name, *sides.adjust_for))
    finer = tuple(other for other in sides.adjust_for if says_more_finely(every, other, name))
    kept = tuple(other for other in sides.adjust_for if other not in finer)
    problem = problem_of(cells, (name, *kept)) if finer else every
    levels = problem.levels[name].to_numpy()
    dressing = Dressing(cells, sides.settings, f"exposure × {name}", level)
    try:
        found = _excess(sides, without_columns_of(problem, name), levels, dressing)
    except NotComparableError as reason:
        found = dressing.silent(Estimand.RERI, str(reason))
    return replace(found, adjustment=(name, *kept), caveats=(*found.caveats, *_left_out(finer, name)))


def difference_of_differences(sides: Sides, cells: Cells, level: float) -> Estimate:
    """The standardised risk difference of exposure on the amplified side minus that on the reference side.

    Each side's own deployments get the risk the outcome model expects of them with and without exposure, the ratio of
    exposure free on either side (:mod:`~counterfault.estimators.marginal.outcome_model`), and the two mean risks are
    subtracted. So the result speaks of failures per deployment as they are on each side: a side with a high base risk
    has a larger difference at the same ratio. The parts are the two differences.

    Parameters
    ----------
    sides, cells, level : as in :func:`relative_excess`.

    Raises
    ------
    ValueError
        As :func:`relative_excess`.
    """
    dressing = Dressing(cells, sides.settings, f"exposure × {sides.column}", level)
    try:
        found = _difference(sides, cells, level)
    except NotComparableError as reason:
        found = dressing.silent(Estimand.RISK_DIFFERENCE_CONTRAST, str(reason))
    return replace(found, adjustment=(sides.column, *sides.adjust_for), design=dressing.design)


def _excess(sides: Sides, whole: Problem, levels: Levels, dressing: Dressing) -> Estimate:
    sides.require_unexposed(whole, levels)
    by_side, alone = sides.exposure_by_side(whole, levels), sides.column_alone(levels)
    fit = fit_terms(whole, np.hstack([by_side, alone]))
    groups = sides.groups(whole, levels)
    reference, amplified, modifier = np.eye(fit.terms)[[REFERENCE, AMPLIFIED, by_side.shape[1]]]
    for group, unit in zip(groups, (reference, amplified), strict=True):
        group.require(whole, fit, unit)
    if not fit.speaks_of(modifier):
        raise NotComparableError(_no_ratio_of_the_modifier(sides, whole, levels))
    weights = np.column_stack([amplified + modifier, reference, modifier])
    return _excess_estimate(fit, weights, sides, groups, whole, dressing)


def _excess_estimate(
    fit: TermFit, weights: Floats, sides: Sides, groups: tuple[Group, Group], whole: Problem, dressing: Dressing
) -> Estimate:
    ratios = fit.log_ratios(weights, dressing.settings.small_sample)
    amplified = sides.named(AMPLIFIED)
    labels = (f"exposed, {amplified}", f"exposed, {sides.named(REFERENCE)}", f"unexposed, {amplified}")
    parts = tuple(
        replace(dressing.estimate(ratios, which, Estimand.RISK_RATIO), label=label)
        for which, label in enumerate(labels)
    )
    found = excess_risk(ratios, dressing.level, at_least_model=dressing.settings.at_least_model)
    caveats = [
        *(caveat for part in parts for caveat in part.caveats),
        *(caveat for group in groups for caveat in group.caveats(whole)),
        *fit.used.notes,
    ]
    fitted = dressing.method(float(ratios.degrees.min()), robust=found.robust)
    return Estimate(
        estimand=Estimand.RERI,
        value=found.value,
        interval=Interval(found.low, found.high, dressing.level),
        method=f"RERI (Hosmer & Lemeshow 1992) with MOVER limits (Zou 2008), from {fitted}",
        support=fit.used.support(),
        design=dressing.design,
        p_value=found.p_value,
        standard_error=found.standard_error,
        parts=parts,
        caveats=tuple(dict.fromkeys(caveats)),
    )


def _no_ratio_of_the_modifier(sides: Sides, whole: Problem, levels: Levels) -> str:
    side = sides.side_of(levels)
    holds = [np.bincount(whole.strata, side == code) > 0 for code in (REFERENCE, AMPLIFIED)]
    if not (holds[0] & holds[1]).any():
        return (
            f"{sides.column} does not vary within {whole.place}, so its own risk ratio cannot be told apart from the "
            f"{whole.place}, and the excess is measured in units of it. The ratio of ratios does not need it."
        )
    return (
        f"The risk ratio of {sides.column} among unexposed deployments has no finite estimate: incidents fell only on "
        f"one side wherever both sides can be compared within {whole.place}."
    )


def _left_out(finer: tuple[str, ...], name: str) -> Iterator[str]:
    if finer:
        yield f"{', '.join(finer)} says more finely what {name} says, so it is not held fixed as well."


def _difference(sides: Sides, cells: Cells, level: float) -> Estimate:
    model = _model_by_side(sides, cells)
    populations = [_population(sides, model, code) for code in (REFERENCE, AMPLIFIED)]
    risks = averaged_risks(
        model,
        [
            Average(arm, np.where(population, model.problem.copies, 0.0))
            for population in populations
            for arm in (model.exposed, model.unexposed)
        ],
    )
    # columns: with and without exposure on the reference side, with and without on the amplified side
    figures = {REFERENCE: (1, -1, 0, 0), AMPLIFIED: (0, 0, 1, -1), None: (-1, 1, 1, -1)}
    found = {code: _dressed(risks, np.array(signs), cells, level) for code, signs in figures.items()}
    parts = tuple(
        replace(
            found[code],
            estimand=Estimand.RISK_DIFFERENCE,
            label=sides.named(code),
            support=model.problem.only(populations[code]).support(),
        )
        for code in (REFERENCE, AMPLIFIED)
    )
    both = populations[REFERENCE] | populations[AMPLIFIED]
    caveats = (*few_clusters(model.problem.only(both)), *_unknown(sides, model), *_told(model.notes))
    return replace(found[None], support=model.problem.only(both).support(), parts=parts, caveats=caveats)


def _model_by_side(sides: Sides, cells: Cells) -> OutcomeModel:
    """The outcome model with the ratio of exposure free on each side, and every level's own risk as before."""
    if sides.column not in cells.frame:
        problem_of(cells, (sides.column,))  # refuses it, with the list of columns
    levels = cells.frame[sides.column].to_numpy()
    code = sides.side_of(levels).astype(int)
    named = np.where(code == REST, levels, np.array(["reference", "amplified", ""], dtype=object)[code])
    side = f"side of {sides.column}"
    grouped = replace(cells, frame=cells.frame.assign(**{side: named}))
    return outcome_model(grouped, (sides.column, *sides.adjust_for), (side,))


def _told(notes: tuple[str, ...]) -> Iterator[str]:
    """All notes but that a side adds nothing to the levels it is made of."""
    yield from (note for note in notes if "side of" not in note)


def _met(sides: Sides, model: OutcomeModel, code: int) -> tuple[Mask, Mask]:
    """Entries of a side in strata that hold both arms, and those of them whose risk the data leave open."""
    levels = model.problem.levels[sides.column].to_numpy()
    met = model.problem.both_arms() & (sides.side_of(levels) == code)
    return met, met & (np.isnan(model.exposed.risk) | np.isnan(model.unexposed.risk))


def _population(sides: Sides, model: OutcomeModel, code: int) -> Mask:
    met, unknown = _met(sides, model, code)
    population: Mask = met & ~unknown
    if not met.any():
        raise NotComparableError(
            f"There are no deployments with {sides.named(code)} in a {model.problem.place} that holds exposed and "
            "unexposed ones."
        )
    if not population.any():
        raise NotComparableError(
            f"For no deployment with {sides.named(code)} do the data say what its risk would be with the other "
            "exposure."
        )
    return population


def _dressed(risks: AveragedRisks, signs: Floats, cells: Cells, level: float) -> Estimate:
    value, degrees = float(signs @ risks.means), risks.clusters - 1
    error = jackknife_error(risks.without_each @ signs, value, cells.cluster)
    reach = float(stdtrit(degrees, 0.5 + level / 2)) * error
    contrast = Estimand.RISK_DIFFERENCE_CONTRAST
    low, high = max(value - reach, contrast.lowest), min(value + reach, contrast.highest)
    return Estimate(
        estimand=contrast,
        value=value,
        interval=Interval(low, high, level),
        method=(
            f"g-computation on a modified Poisson regression (Zou 2004){strata_words(cells)}; linearised cluster "
            f"jackknife by {cells.cluster} (CV3L, factor (G−1)/G), t with {degrees} degrees of freedom"
        ),
        p_value=2 * float(stdtr(degrees, -abs(value / error))),
        standard_error=error,
    )


def _unknown(sides: Sides, model: OutcomeModel) -> Iterator[str]:
    unknown = _met(sides, model, REFERENCE)[1] | _met(sides, model, AMPLIFIED)[1]
    if unknown.any():
        yield (
            f"{model.problem.copies[unknown].sum():.0f} deployments are left out: the data do not say what their risk "
            "would be with the other exposure."
        )
