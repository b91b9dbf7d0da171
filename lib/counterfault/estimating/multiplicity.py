"""What a p-value becomes beside the others that were asked of the same failures.

The primary estimate and the secondary ones a plan names are one family: Holm bounds the chance that any of them is a
false finding. Everything else explores: Benjamini and Hochberg bound the share of false findings among those it would
suggest, whatever they are a family of.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Literal, NamedTuple

from counterfault.estimate import Estimate
from counterfault.estimating.effects import Estimates
from counterfault.estimators.multiplicity import Adjustment, adjusted_p
from counterfault.plan import Plan

Family = Literal["primary", "exploratory"]


class AmongOthers(NamedTuple):
    """Which family an estimate is judged in, and its p-value there; None where it cannot be given."""

    family: Family | None
    p_adjusted: float | None


APART = AmongOthers(None, None)  # a check's own estimate, or one that tests nothing


def among_others(estimates: Estimates, plan: Plan) -> Mapping[str, AmongOthers]:
    """Id → family and adjusted p-value of every estimate of an analysis that belongs to a family.

    Parameters
    ----------
    estimates : all of them, id → estimate; those of checks and challenges left out.
    plan : ``decision.secondary`` names the estimates that stand in one family with the primary one.

    Returns
    -------
    The family by id; an id that is missing tests nothing. Where a promised estimate was not made, as in a simulation
    that leaves out the further designs, the primary family has no adjusted p-values. One that was made and could not
    be estimated tested nothing, and is not counted.

    Assumes
    -------
    Holm: nothing. Benjamini and Hochberg: independent or positively dependent tests, which estimates of one contrast
    made from the same failures are.

    References
    ----------
    Holm (1979), Scandinavian Journal of Statistics 6:65. Benjamini & Hochberg (1995), JRSS B 57:289.
    """
    promised = ("primary", *plan.decision.secondary)
    found = _primary_family(promised, estimates)
    # The same test under its other name: counted once, and no exploration.
    found[plan.design.primary] = found["primary"]
    explored = [item for id, item in estimates.items() if id not in found]
    return {**found, **_adjusted(explored, "exploratory", Adjustment.BH)}


def _primary_family(promised: tuple[str, ...], estimates: Estimates) -> dict[str, AmongOthers]:
    made = [estimates[id] for id in promised if id in estimates]
    found = {id: AmongOthers("primary", None) for id in promised}
    return found if len(made) < len(promised) else {**found, **_adjusted(made, "primary", Adjustment.HOLM)}


def _adjusted(items: Iterable[Estimate], family: Family, adjustment: Adjustment) -> dict[str, AmongOthers]:
    p = {item.id: item.p_value for item in items if item.p_value is not None and isfinite(item.p_value)}
    adjusted = adjusted_p(list(p.values()), adjustment)
    return {id: AmongOthers(family, value) for id, value in zip(p, adjusted, strict=True)}
