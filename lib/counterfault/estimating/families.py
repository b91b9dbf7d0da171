"""The further designs, family by family, under the names by which notebooks ask for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from counterfault.counting.outcomes import OUTCOMES
from counterfault.estimate import Estimate
from counterfault.estimating.amplifying import amplifiers, dose, mediation
from counterfault.estimating.association import few_clusters, odds, pooled, standardised_effects
from counterfault.estimating.by_id import EstimatesById
from counterfault.estimating.consequences import modes, severity, spilled_over, timing
from counterfault.estimating.study import Study
from counterfault.estimating.within_service import around_adoption, case_crossover, self_controlled
from counterfault.estimators.one_thread import on_one_thread

Family = Callable[[Study], Iterable[Estimate]]

WITHOUT_LINKS = "an incident of the service begins, whatever it is tied to"

FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "few_clusters": few_clusters,
        "odds": odds,
        "standardised": standardised_effects,
        "pooled": pooled,
        "self_controlled": self_controlled,
        "case_crossover": case_crossover,
        "adoption": around_adoption,
        "timing": timing,
        "severity": severity,
        "failure_modes": modes,
        "spill_over": spilled_over,
        "amplifiers": amplifiers,
        "mediation": mediation,
        "dose": dose,
    }
)


@on_one_thread
def estimate_family(study: Study, name: str) -> EstimatesById:
    """The estimates of one family, id → estimate.

    Parameters
    ----------
    study : one organisation under one plan.
    name : ``few_clusters``, ``odds``, ``standardised`` or ``pooled`` (the same comparison by other arithmetic);
        ``self_controlled``, ``case_crossover`` or ``adoption`` (a service with itself); ``timing``, ``severity``,
        ``failure_modes`` or ``spill_over`` (what came of it); ``amplifiers``, ``mediation`` or ``dose`` (where AI does
        more, and by what way).

    Raises
    ------
    ValueError : there is no such family.

    Examples
    --------
    >>> odds = cf.estimate_family(study, "odds")
    >>> table = cf.showing.estimates_table(odds.values(), "Odds ratios")
    """
    if name not in FAMILIES:
        raise ValueError(f"no family of estimates {name!r}; there are {', '.join(FAMILIES)}")
    outcome = WITHOUT_LINKS if name in ("self_controlled", "case_crossover") else OUTCOMES["events"]
    return EstimatesById({item.id: _with_outcome(item, outcome) for item in FAMILIES[name](study)})


def estimate_further(study: Study) -> EstimatesById:
    """Every estimate of every family, id → estimate.

    Examples
    --------
    >>> designs = cf.estimate_further(study)
    >>> challenged = cf.challenge(linked, counted, estimates, plan, designs)
    """
    return EstimatesById({id: item for name in FAMILIES for id, item in estimate_family(study, name).items()})


def _with_outcome(item: Estimate, outcome: str) -> Estimate:
    return item if item.outcome else replace(item, outcome=outcome)
