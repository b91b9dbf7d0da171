"""Many outcomes, one contrast: each way of failing, each distance from the change.

Every outcome is compared within the same strata by the same rule, and their p-values are adjusted together: with
eight failure modes and no effect at all, one in three analyses would show one with a p below 0.05.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from counterfault.cells import Cells
from counterfault.estimate import Estimate
from counterfault.estimators.multiplicity import Adjustment, for_multiplicity
from counterfault.estimators.poisson.regression import HEADLINE, ModifiedPoisson
from counterfault.estimators.tables.exact_poisson import exact_risk_ratio
from counterfault.estimators.tables.strata import FEW_EVENTS, Strata


def failure_modes(
    cells_by_mode: Mapping[str, Cells], level: float = 0.95, *, settings: ModifiedPoisson = HEADLINE
) -> tuple[Estimate, ...]:
    """In which ways do exposed deployments fail more often: cascade, latency, race, silence …?

    Parameters
    ----------
    cells_by_mode : per failure mode the same deployments, ``events`` being those that failed in that way.
    level : confidence level of each interval; intervals are for one mode at a time.
    settings : of the regression where there are enough events for one.

    Returns
    -------
    Estimates with ids ``failure_mode.<mode>.risk_ratio``, sorted by mode, each with its p adjusted for all of them
    (Holm 1979) in a caveat. A deployment may fail in several ways and then counts in each.

    Raises
    ------
    ValueError
        No mode is given; otherwise as :func:`rare_risk_ratio`.
    """
    if not cells_by_mode:
        raise ValueError("cells_by_mode is empty; give cells for at least one failure mode.")
    found = (
        rare_risk_ratio(cells_by_mode[mode], level, settings=settings).named(
            f"failure_mode.{mode}.risk_ratio", label=mode, outcome=f"failed in the mode {mode!r}"
        )
        for mode in sorted(cells_by_mode)
    )
    return for_multiplicity(found, Adjustment.HOLM)[0]


def spill_over(
    cells_by_hop: Mapping[int, Cells], level: float = 0.95, *, settings: ModifiedPoisson = HEADLINE
) -> tuple[Estimate, ...]:
    """Do incidents on dependants follow exposed changes upstream more often, one hop away, two, …?

    Parameters
    ----------
    cells_by_hop : per number of hops, at least 1, the deployments that have a dependant so far away; ``events`` are
        those after which one of these had an incident.
    level, settings : as in :func:`failure_modes`.

    Returns
    -------
    Estimates with ids ``spill_over.hop_1.risk_ratio`` and so on, nearest first, p adjusted as in :func:`failure_modes`.

    Raises
    ------
    ValueError
        No hop is given, or one below 1; otherwise as :func:`rare_risk_ratio`.

    Notes
    -----
    A dependant has incidents of its own. Those dilute the ratio towards 1, the more the further away it is.
    """
    if not cells_by_hop or min(cells_by_hop) < 1:
        raise ValueError(f"cells_by_hop has the hops {sorted(cells_by_hop)}; give at least one, counted from 1.")
    found = (
        rare_risk_ratio(cells_by_hop[hop], level, settings=settings).named(
            f"spill_over.hop_{hop}.risk_ratio",
            label=f"{hop} hop" if hop == 1 else f"{hop} hops",
            outcome=f"an incident on a service {hop} hop{'s' * (hop > 1)} downstream",
        )
        for hop in sorted(cells_by_hop)
    )
    return for_multiplicity(found, Adjustment.HOLM)[0]


def rare_risk_ratio(cells: Cells, level: float = 0.95, *, settings: ModifiedPoisson = HEADLINE) -> Estimate:
    """How many times the risk, within strata, whether events are many or few?

    With at least five events in either arm of the strata compared, the modified Poisson regression as for the headline.
    With fewer, or where that has no answer, the exact interval of :mod:`~counterfault.estimators.tables.exact_poisson`:
    a sandwich over five events is noise. Both have the same point estimate where nothing is adjusted for.

    Parameters
    ----------
    cells : the counts, the strata and the clusters.
    level : confidence level.
    settings : of the regression.

    Raises
    ------
    ValueError
        ``level`` is not inside (0, 1), a column is missing or has empty values, or counts are impossible.
    """
    strata = Strata.of(cells)
    exposed, unexposed = int(strata.a.sum()), int(strata.c.sum())
    regression = settings(cells, level)
    if min(exposed, unexposed) >= FEW_EVENTS and regression.estimable:
        return regression
    found = exact_risk_ratio(cells, level)
    # Neither says anything: the reason of the exact one is about the counts and therefore the plainer.
    if not found.support["events_compared"]:
        return found
    why = (
        f"{exposed} exposed and {unexposed} unexposed events are too few for a cluster-robust error"
        if min(exposed, unexposed) < FEW_EVENTS
        else f"the regression has no answer ({regression.caveats[0].rstrip('.')})"
    )
    told = f"Exact limits, because {why}; they take deployments as independent" + (
        f", and nothing is held fixed but {' × '.join(cells.strata)}." if settings.adjust_for else "."
    )
    return replace(found, caveats=(*found.caveats, told))
