"""How soon, how bad, how far, how.

Each function asks a study one family of questions and gives its estimates in order, under stable ids.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from counterfault.counting.further_cells import FAILURE_MODES
from counterfault.counting.spill_over import SpillOver
from counterfault.estimate import Estimand, Estimate, not_estimable
from counterfault.estimating.absent import absent
from counterfault.estimating.study import Study
from counterfault.estimators.consequences.blast_radius import SERVICES, USERS, mean_ratio, median_ratio
from counterfault.estimators.consequences.families import failure_modes, spill_over
from counterfault.estimators.consequences.severity import severe_risk_ratio, severity_odds_ratio
from counterfault.estimators.consequences.severity_given_failure import SeverityGivenFailure
from counterfault.estimators.poisson.regression import as_headline
from counterfault.estimators.timing.cox import CauseSpecificCox
from counterfault.estimators.timing.restricted_mean import restricted_mean_difference
from counterfault.estimators.timing.surfacing import surfacing
from counterfault.estimators.timing.survival_curves import Weighting, cumulative_incidence

MOSTLY_CHANCE = 0.8  # beyond this share of coincidences a ratio says nothing of those that are none
SHARED_INCIDENTS = "One incident may follow deployments of several services, which the interval takes for independent."


def timing(study: Study) -> Iterator[Estimate]:
    """How soon incidents begin, are seen and are mended."""
    watched, level = study.durations, study.level
    for weighting in (Weighting.CRUDE, Weighting.TO_EXPOSED):
        found = cumulative_incidence(watched, level, weighting=weighting)
        yield from (found.exposed, found.unexposed, found.difference)
        yield restricted_mean_difference(watched, level, weighting=weighting)
    hazard = CauseSpecificCox(study.confounders)(watched, level)
    yield replace(hazard, caveats=(_watched_until(study), *hazard.caveats))
    yield from surfacing(study.consequences, level)


def _watched_until(study: Study) -> str:
    """How many failures a watch that ends with the next deployment sees."""
    frame = study.durations.frame
    seen = int(frame.loc[frame["ended"] == "incident", "n"].sum())
    failed = study.cells.two_by_two().support()["events"]
    return (
        f"A deployment is watched until the next one of its service, or for {study.durations.horizon_hours:g} hours: "
        f"{seen:,} of {failed:,} failures began in that time. Where faults are met with a quick patch, watching "
        "ends for a reason."
    )


def severity(study: Study) -> Iterator[Estimate]:
    """How bad, and how far."""
    found, level = study.consequences, study.level
    if "severity" in found.frame:
        yield severe_risk_ratio(
            found, level, severe=study.plan.designs.severe_at_most, settings=as_headline(study.confounders)
        )
        yield severity_odds_ratio(found, level)
        yield SeverityGivenFailure()(found, level)
    else:
        yield from absent(["severity.severe.risk_ratio"], "no column severity", study)
        ordinal = ["severity.ordinal.odds_ratio", "severity.ordinal.odds_ratio.given_failure"]
        yield from absent(ordinal, "no column severity", study, Estimand.ODDS_RATIO)
    for column, id in ((SERVICES, "blast_radius.services"), (USERS, "blast_radius.users")):
        if column in found.frame:
            yield mean_ratio(found, column, level)
        else:
            yield from absent([f"{id}.mean_ratio"], f"no column {column}", study, Estimand.MEAN_RATIO)
    if USERS in found.frame:
        yield median_ratio(found, USERS, level)
    else:
        yield from absent(["blast_radius.users.median_ratio"], f"no column {USERS}", study, Estimand.MEDIAN_RATIO)


def modes(study: Study) -> Iterator[Estimate]:
    """How it failed: each failure mode, corrected together."""
    found = study.by_failure_mode
    if not found:
        yield from absent(
            [f"failure_mode.{mode}.risk_ratio" for mode in FAILURE_MODES], "no column failure_mode", study
        )
        return
    yield from failure_modes(found, study.level, settings=as_headline(study.confounders))


def spilled_over(study: Study) -> Iterator[Estimate]:
    """Incidents on services that need the changed one."""
    if not study.spill_over:
        hops = range(1, study.plan.designs.spill_over_hops + 1)
        yield from absent([f"spill_over.hop_{hop}.risk_ratio" for hop in hops], "no table dependencies", study)
        return
    cells = {hop: found.cells for hop, found in study.spill_over.items()}
    estimates = spill_over(cells, study.level, settings=as_headline(study.confounders))
    for estimate, (hop, found) in zip(estimates, sorted(study.spill_over.items()), strict=True):
        yield _beside_chance(estimate, hop, found)


def _beside_chance(estimate: Estimate, hop: int, found: SpillOver) -> Estimate:
    """A ratio of coincidences is near 1 with a narrow interval: that must not read as "no spill-over"."""
    estimate = replace(estimate, support={**estimate.support, **_ties(found)})
    if found.by_chance is None or not found.links:
        return estimate
    told = (
        f"{found.links:,} ties at {hop} {'hop' if hop == 1 else 'hops'}; about {found.by_chance:,.0f} are there with "
        "deployments moved by whole weeks"
    )
    if found.by_chance < MOSTLY_CHANCE * found.links:
        return replace(estimate, caveats=(*estimate.caveats, f"{told}. {SHARED_INCIDENTS}"))
    reason = f"{told}, so that what these data hold is coincidence"
    silent = not_estimable(
        estimate.estimand, reason, method=estimate.method, level=estimate.interval.level, support=estimate.support
    )
    return replace(silent, id=estimate.id, label=estimate.label, outcome=estimate.outcome, design=estimate.design)


def _ties(found: SpillOver) -> dict[str, int]:
    """How many ties there are, and how many coincidence alone would make, in whole ties as it is an average."""
    by_chance = {} if found.by_chance is None else {"links_by_chance": round(found.by_chance)}
    return {"links": found.links, **by_chance}
