"""How many incidents would there have been, had the exposed deployments not been exposed?

Every exposed deployment is given the risk that the model of :mod:`~counterfault.estimators.marginal.outcome_model`
expects of it without exposure, all else as it was; the difference to what happened is what exposure added, or
prevented. The other direction, everyone exposed against no one, is given beside it.

References
----------
Robins (1986), Mathematical Modelling 7:1393; Greenland & Drescher (1993), Biometrics 49:865, for attributable fractions
from a fitted model; intervals as :mod:`~counterfault.estimators.marginal.marginal_risk` derives them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from math import inf, log

import numpy as np

from counterfault.cells import Cells
from counterfault.estimate import Estimand, Estimate, Interval, figures, not_estimable
from counterfault.estimators.marginal.influence import Uncertainty, few_clusters
from counterfault.estimators.marginal.marginal_contrast import MarginalContrast, marginal_contrast
from counterfault.estimators.marginal.marginal_risk import Population
from counterfault.estimators.marginal.outcome_model import OutcomeModel, outcome_model
from counterfault.estimators.poisson.regression_problem import EXPOSED, NotComparableError, Problem

__all__ = ["Measure", "Standardised", "standardised"]


class Measure(Enum):
    """What is read off the standardised risks.

    The value is the id; the population is always that of strata that hold exposed and unexposed deployments.
    """

    RISK_RATIO = "standardised.risk_ratio"  # of the exposed, with their exposure over without it
    RISK_DIFFERENCE = "standardised.risk_difference"  # the same two risks, subtracted
    ATTRIBUTABLE_INCIDENTS = "standardised.attributable_incidents"  # the difference, times exposed deployments
    ATTRIBUTABLE_FRACTION = "standardised.attributable_fraction"  # the difference over the risk of the exposed
    POPULATION_ATTRIBUTABLE_FRACTION = "standardised.population_attributable_fraction"  # the same incidents over all
    RISK_RATIO_EVERYONE = "standardised.risk_ratio.everyone"  # everyone exposed over no one exposed
    RISK_DIFFERENCE_EVERYONE = "standardised.risk_difference.everyone"

    @property
    def estimand(self) -> Estimand:
        """What is compared."""
        name = self.name.removesuffix("_EVERYONE").removeprefix("POPULATION_")
        return Estimand[name]

    @property
    def over(self) -> str:
        """Whose risks are averaged."""
        return "the exposed" if self in _OVER_THE_EXPOSED else "everyone"


_OVER_THE_EXPOSED = {
    Measure.RISK_RATIO,
    Measure.RISK_DIFFERENCE,
    Measure.ATTRIBUTABLE_INCIDENTS,
    Measure.ATTRIBUTABLE_FRACTION,
}


@dataclass(frozen=True)
class Standardised:
    """What did exposure add to the failures of the deployments there were, all else as it was?

    Parameters
    ----------
    measure : what is read off the two standardised risks.
    adjust_for : covariate columns of ``cells.frame``; each level gets its own risk, "missing" included.
    varies_by : columns, strata among them, between whose levels the ratio of exposure may differ. Without any, one
        ratio holds everywhere, and the standardised ratio equals it.
    about : whether the interval answers for the deployments there were, or for what other services like these would
        have shown; the second is wider for differences and incidents, and the same for one ratio.

    Notes
    -----
    Called with cells and a level it returns an :class:`~counterfault.estimate.Estimate`. Incidents and fractions keep
    their sign: below zero, failures were prevented. The number of exposed deployments is taken as given. Intervals of
    ratios and fractions are symmetric for the logarithm of the ratio of the two risks, those of differences and
    incidents as they stand. The standard error is the larger of the clustered and the model-based one.

    Assumed: the outcome model; nothing unmeasured differs between exposed and unexposed deployments of one stratum and
    one level of each covariate; one deployment's exposure does not change another's risk; independent clusters.

    Raises
    ------
    ValueError
        When a column does not exist or holds missing values, or the level is not in (0, 1).
    """

    measure: Measure = Measure.RISK_RATIO
    adjust_for: tuple[str, ...] = ()
    varies_by: tuple[str, ...] = ()
    about: Population = Population.THESE

    def __call__(self, cells: Cells, level: float = 0.95) -> Estimate:
        (found,) = _answers((self.measure,), self, cells, level)
        return found


def standardised(cells: Cells, level: float = 0.95, *, settings: Standardised = Standardised()) -> tuple[Estimate, ...]:
    """Every measure of :class:`Measure`, in its order, from one fit.

    Parameters
    ----------
    cells, level : the counts, and the level of every interval.
    settings : of all of them; its ``measure`` is not looked at.
    """
    return tuple(_answers(tuple(Measure), settings, cells, level))


def _answers(measures: tuple[Measure, ...], settings: Standardised, cells: Cells, level: float) -> Iterator[Estimate]:
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; a confidence level lies between 0 and 1, such as 0.95.")
    fitted = _fitted(settings, cells)
    for measure in measures:
        method = _method(measure, settings, cells)
        try:
            found = _estimate(measure, _contrast(fitted, measure, settings.about), cells, level, method)
        except NotComparableError as reason:
            found = not_estimable(
                measure.estimand, str(reason), method=method, level=level, support=cells.two_by_two().support()
            )
        yield found.named(
            measure.value,
            design="within " + " × ".join(cells.strata) if cells.strata else "across all deployments",
            adjustment=tuple(dict.fromkeys((*settings.adjust_for, *settings.varies_by))),
        )


def _fitted(settings: Standardised, cells: Cells) -> OutcomeModel | NotComparableError:
    try:
        return outcome_model(cells, settings.adjust_for, settings.varies_by)
    except NotComparableError as reason:
        return reason


def _contrast(fitted: OutcomeModel | NotComparableError, measure: Measure, about: Population) -> MarginalContrast:
    if isinstance(fitted, NotComparableError):
        raise fitted
    return marginal_contrast(
        fitted,
        among_exposed=measure in _OVER_THE_EXPOSED,
        as_it_was=measure is Measure.POPULATION_ATTRIBUTABLE_FRACTION,
        about=about,
    )


def _estimate(measure: Measure, contrast: MarginalContrast, cells: Cells, level: float, method: str) -> Estimate:
    value, error, interval, p_value, uncertainty = _READ[measure.estimand](contrast, level)
    return Estimate(
        estimand=measure.estimand,
        value=value,
        interval=interval,
        method=f"{method}; {uncertainty.method}",
        support=_support(cells, contrast),
        p_value=p_value,
        standard_error=error,
        caveats=(
            *_prevented(measure, value),
            *few_clusters(contrast.clusters, cells.cluster),
            *_left_out(contrast.model.problem),
            *_beyond_certainty(contrast),
            *contrast.model.notes,
        ),
    )


_Read = tuple[float, float, Interval, float, Uncertainty]


def _read_ratio(contrast: MarginalContrast, level: float) -> _Read:
    value, found = contrast.ratio, contrast.of_log_ratio()
    return value, found.error, found.around_ratio(value, level), found.p_value(log(value)), found


def _read_fraction(contrast: MarginalContrast, level: float) -> _Read:
    # 1 − 1/ratio rises with the ratio, so the limits of one are those of the other; the fraction itself has a long
    # tail below and none above, where a symmetric interval would pass 1.
    value, found = contrast.ratio, contrast.of_log_ratio()
    ratios = found.around_ratio(value, level)
    limits = Interval(1 - 1 / ratios.low if ratios.low > 0 else -inf, 1 - 1 / ratios.high, level)
    return 1 - 1 / value, found.error / value, limits, found.p_value(log(value)), found


def _read_difference(contrast: MarginalContrast, level: float) -> _Read:
    value, found = contrast.difference, contrast.of_difference()
    interval = found.around(value, Estimand.RISK_DIFFERENCE, level)
    return value, found.error, interval, found.p_value(value), found


def _read_incidents(contrast: MarginalContrast, level: float) -> _Read:
    deployments = float(contrast.model.problem.copies[contrast.population].sum())
    value, one = deployments * contrast.difference, contrast.of_difference()
    found = replace(one, error=deployments * one.error)
    interval = found.around(value, Estimand.ATTRIBUTABLE_INCIDENTS, level)
    return value, found.error, interval, found.p_value(value), found


_READ: dict[Estimand, Callable[[MarginalContrast, float], _Read]] = {
    Estimand.RISK_RATIO: _read_ratio,
    Estimand.RISK_DIFFERENCE: _read_difference,
    Estimand.ATTRIBUTABLE_INCIDENTS: _read_incidents,
    Estimand.ATTRIBUTABLE_FRACTION: _read_fraction,
}


def _method(measure: Measure, settings: Standardised, cells: Cells) -> str:
    strata = " × ".join(cells.strata)
    effects = f", {strata} effects conditioned out" if strata else ""
    ratios = f", ratio free to differ by {' and '.join(settings.varies_by)}" if settings.varies_by else ""
    return (
        f"standardisation over {measure.over} (g-computation, Robins 1986) of a Poisson regression with log "
        f"link{effects}{ratios}; delta method clustered by {cells.cluster}, for {settings.about.value}"
    )


def _support(cells: Cells, contrast: MarginalContrast) -> dict[str, int]:
    problem = contrast.model.problem
    compared, exposed = problem.both_arms(), problem.design[:, EXPOSED] == 1
    return {
        **cells.two_by_two().support(),
        "n_compared": int(problem.copies[compared].sum()),
        "events_compared": int(problem.events[compared].sum()),
        "exposed_compared": int(problem.copies[compared & exposed].sum()),
        "exposed_events_compared": int(problem.events[compared & exposed].sum()),
        "informative_clusters": contrast.clusters,
        "clusters": int(problem.clusters.max()) + 1,
    }


def _prevented(measure: Measure, value: float) -> Iterator[str]:
    if value >= 0 or measure.estimand not in {Estimand.ATTRIBUTABLE_INCIDENTS, Estimand.ATTRIBUTABLE_FRACTION}:
        return
    if measure is Measure.ATTRIBUTABLE_INCIDENTS:
        yield f"Below zero: about {figures(-value)} incidents fewer than expected without exposure, that is, prevented."
    else:
        yield "Below zero: fewer incidents than expected without exposure, that is, a share prevented."


def _left_out(problem: Problem) -> Iterator[str]:
    """Exposed deployments without anybody to compare them with are not standardised over: nothing observed says so."""
    exposed = problem.design[:, EXPOSED] == 1
    alone = exposed & ~problem.both_arms()
    if alone.any():
        yield (
            f"{problem.copies[alone].sum():.0f} of {problem.copies[exposed].sum():.0f} exposed deployments, with "
            f"{problem.events[alone].sum():.0f} of {problem.events[exposed].sum():.0f} incidents, are left out: their "
            f"{problem.place} holds no unexposed ones."
        )


def _beyond_certainty(contrast: MarginalContrast) -> Iterator[str]:
    copies, population = contrast.model.problem.copies, contrast.population
    beyond = population & (np.fmax(contrast.model.exposed.risk, contrast.model.unexposed.risk) > 1)
    if beyond.any():
        yield (
            f"For {copies[beyond].sum() / copies[population].sum():.1%} of the deployments the log link predicts a "
            "risk above 1."
        )
