"""The further designs, family by family: which estimators a study asks, with which settings, under which ids."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

from counterfault.cells import Cells
from counterfault.counting.further_cells import FAILURE_MODES
from counterfault.counting.outcomes import OUTCOMES
from counterfault.counting.spill_over import SpillOver
from counterfault.estimate import Estimand, Estimate, figures, not_estimable
from counterfault.estimating.effects import Estimates
from counterfault.estimating.study import Study
from counterfault.estimators.amplifying.dose import Dose
from counterfault.estimators.amplifying.interaction import Amplifier, ExposedKinds
from counterfault.estimators.amplifying.kinds import ByKind, tiers, tools
from counterfault.estimators.amplifying.mediation import Mediation
from counterfault.estimators.around_adoption.change_point import ChangePoint
from counterfault.estimators.around_adoption.event_study import PreTrend
from counterfault.estimators.around_adoption.interrupted_series import InterruptedSeries
from counterfault.estimators.around_adoption.staggered import Controls, StaggeredAdoption
from counterfault.estimators.around_adoption.trend_sensitivity import trend_sensitivity
from counterfault.estimators.consequences.blast_radius import SERVICES, USERS, mean_ratio, median_ratio
from counterfault.estimators.consequences.families import failure_modes, spill_over
from counterfault.estimators.consequences.severity import severe_risk_ratio, severity_odds_ratio
from counterfault.estimators.consequences.severity_given_failure import SeverityGivenFailure
from counterfault.estimators.marginal.doubly_robust import OverlapWeighted, overlap_weighted
from counterfault.estimators.marginal.standardised import Standardised, standardised
from counterfault.estimators.multiplicity import for_multiplicity
from counterfault.estimators.odds.conditional_logistic import ConditionalLogistic
from counterfault.estimators.odds.firth import FirthLogistic
from counterfault.estimators.odds.logistic import LogisticRegression
from counterfault.estimators.one_thread import on_one_thread
from counterfault.estimators.poisson.jackknife import ClusterJackknife
from counterfault.estimators.poisson.regression import as_headline
from counterfault.estimators.poisson.two_way import TwoWayPoisson
from counterfault.estimators.poisson.wild_score import WildScore
from counterfault.estimators.pooling.binomial_normal import rare_event_pooling
from counterfault.estimators.pooling.random_effects import MeanInterval, RandomEffects
from counterfault.estimators.self_control.case_crossover import CaseCrossover
from counterfault.estimators.self_control.self_controlled import CaseSeries
from counterfault.estimators.tables.cluster_randomisation import RandomiseClusters
from counterfault.estimators.tables.randomisation import RandomiseDeployments
from counterfault.estimators.timing.cox import CauseSpecificCox
from counterfault.estimators.timing.restricted_mean import restricted_mean_difference
from counterfault.estimators.timing.surfacing import surfacing
from counterfault.estimators.timing.survival_curves import Weighting, cumulative_incidence

Family = Callable[[Study], Iterable[Estimate]]

WITHOUT_LINKS = "an incident of the service begins, whatever it is tied to"
MOSTLY_CHANCE = 0.8  # beyond this share of coincidences a ratio says nothing of those that are none
SHARED_INCIDENTS = "One incident may follow deployments of several services, which the interval takes for independent."
OF_THE_CHANGE = (  # what a change is like, and therefore what AI may have made it
    "size",
    "lines_added",
    "lines_deleted",
    "files_changed",
    "reviewers",
    "review_hours",
    "approved_by_human",
    "ai_reviewed",
    "touches_tests",
)
ONLY_EXPOSED = ("validated",)  # columns that only AI-assisted changes have: an automated gate for AI code


def few_clusters(study: Study) -> Iterator[Estimate]:
    """The headline regression under other ways of allowing for few clusters."""
    cells, held, level = study.cells, study.confounders, study.level
    yield ClusterJackknife(held)(cells, level)
    yield WildScore(held)(cells, level)
    yield TwoWayPoisson("week", held)(study.by_week(), level)
    yield RandomiseDeployments()(cells, level)
    yield RandomiseClusters()(cells, level)


def odds(study: Study) -> Iterator[Estimate]:
    """The same comparison on odds: additive effects, conditional on strata, penalised."""
    yield LogisticRegression(adjust_for=study.confounders, at_least_model=True)(study.cells, study.level)
    yield ConditionalLogistic(study.confounders, at_least_model=True)(study.cells, study.level)
    yield _penalised(study)


def _penalised(study: Study) -> Estimate:
    """The penalised odds ratio with a level for each stratum column, where those are few enough.

    Without them it would be the crude odds ratio under the name of an adjusted one.
    """
    held = (*study.cells.strata, *study.confounders)
    found = FirthLogistic(held)(study.cells, study.level)
    return replace(found, design=f"at equal {' + '.join(study.cells.strata)}")


def standardised_effects(study: Study) -> Iterator[Estimate]:
    """Risks as they are and as they would have been, from a model of outcomes, and doubly robust from two."""
    for found in standardised(study.cells, study.level, settings=Standardised(adjust_for=study.confounders)):
        counts = found.estimand in (Estimand.ATTRIBUTABLE_INCIDENTS, Estimand.ATTRIBUTABLE_FRACTION)
        yield replace(found, caveats=(*found.caveats, _unit_counted(study))) if counts else found
    yield from overlap_weighted(study.cells, study.level, settings=OverlapWeighted(adjust_for=study.confounders))


def _unit_counted(study: Study) -> str:
    """One incident can make several deployments fail, and these are what is counted."""
    events = study.cells.two_by_two().support()["events"]
    return (
        f"Counts failed deployments, not incidents: {study.linked.tied_incidents:,} incidents are tied to deployments, "
        f"and {events:,} deployments of the contrast failed."
    )


def pooled(study: Study) -> Iterator[Estimate]:
    """The ratio from service to service: its mean, its spread, and what to expect of a new one."""
    yield from rare_event_pooling(study.cells, study.level)
    yield from _normal(study.cells, "service", study)
    teams = study.by_team()
    if isinstance(teams, Cells):
        yield from rare_event_pooling(teams, study.level, by="team")
        yield from _normal(teams, "team", study)
    else:
        yield from _absent(["pooled.risk_ratio.by_team", "pooled.new_team"], teams, study)


def _normal(cells: Cells, by: str, study: Study) -> Iterator[Estimate]:
    """Mean, spread and prediction of normal random effects, never narrower than with the spread taken as known."""
    normal = RandomEffects(by=by, interval=MeanInterval.AT_LEAST_PLAIN)
    yield normal(cells, study.level)
    yield normal.spread(cells, study.level)
    yield normal.new_group(cells, study.level)


def self_controlled(study: Study) -> Iterator[Estimate]:
    """Incidents in the hours after each kind of deployment against the same service's other hours."""
    yield from CaseSeries()(study.risk_time, study.level)


def case_crossover(study: Study) -> Iterator[Estimate]:
    """Whether services had just shipped when incidents began, against like moments."""
    yield from CaseCrossover()(study.referent_sets, study.level)


def around_adoption(study: Study) -> Iterator[Estimate]:
    """What changed where and when AI came into use."""
    panel, share, level = study.unit_periods, study.plan.designs.adopted_share, study.level
    not_yet = StaggeredAdoption(Controls.NOT_YET, threshold=share)
    found = not_yet(panel, level)
    bent = trend_sensitivity(panel, not_yet, level)
    yield replace(found, caveats=(*found.caveats, *bent.sentences())) if bent else found
    yield StaggeredAdoption(Controls.NEVER, threshold=share)(panel, level)
    yield PreTrend(not_yet)(panel, level)
    yield from InterruptedSeries(threshold=share)(panel, level)
    yield ChangePoint(threshold=share)(panel, level)


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
        yield from _absent(["severity.severe.risk_ratio"], "no column severity", study)
        ordinal = ["severity.ordinal.odds_ratio", "severity.ordinal.odds_ratio.given_failure"]
        yield from _absent(ordinal, "no column severity", study, Estimand.ODDS_RATIO)
    for column, id in ((SERVICES, "blast_radius.services"), (USERS, "blast_radius.users")):
        if column in found.frame:
            yield mean_ratio(found, column, level)
        else:
            yield from _absent([f"{id}.mean_ratio"], f"no column {column}", study, Estimand.MEAN_RATIO)
    if USERS in found.frame:
        yield median_ratio(found, USERS, level)
    else:
        yield from _absent(["blast_radius.users.median_ratio"], f"no column {USERS}", study, Estimand.MEDIAN_RATIO)


def modes(study: Study) -> Iterator[Estimate]:
    """How it failed: each failure mode, corrected together."""
    found = study.by_failure_mode
    if not found:
        yield from _absent(
            [f"failure_mode.{mode}.risk_ratio" for mode in FAILURE_MODES], "no column failure_mode", study
        )
        return
    yield from failure_modes(found, study.level, settings=as_headline(study.confounders))


def spilled_over(study: Study) -> Iterator[Estimate]:
    """Incidents on services that need the changed one."""
    if not study.spill_over:
        hops = range(1, study.plan.designs.spill_over_hops + 1)
        yield from _absent([f"spill_over.hop_{hop}.risk_ratio" for hop in hops], "no table dependencies", study)
        return
    cells = {hop: found.cells for hop, found in study.spill_over.items()}
    estimates = spill_over(cells, study.level, settings=as_headline(study.confounders))
    for estimate, (hop, found) in zip(estimates, sorted(study.spill_over.items()), strict=True):
        yield _beside_chance(estimate, hop, found)


def _beside_chance(estimate: Estimate, hop: int, found: SpillOver) -> Estimate:
    """A ratio of coincidences is near 1 with a narrow interval: that must not read as "no spill-over"."""
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


def amplifiers(study: Study) -> Iterator[Estimate]:
    """Where AI does more: one planned contrast per column, corrected together, on ratios and on differences."""
    contrasts = [_contrast(study, name) for name in study.plan.designs.amplifiers]
    yield from for_multiplicity([ratio for ratio, _ in contrasts])[0]
    yield from for_multiplicity([excess for _, found in contrasts for excess in found])[0]


def _contrast(study: Study, name: str) -> tuple[Estimate, tuple[Estimate, ...]]:
    """The ratio of ratios of one amplifier, and its excess on the difference scale where there can be one."""
    held = tuple(each for each in study.confounders if each != name)
    if name in ONLY_EXPOSED:
        # Compared with one another and with all other changes: no product of two presences, so no excess of one.
        wanted = study.plan.designs.amplifiers[name].equals
        other = {"no": "yes", "yes": "no"}.get(str(wanted), "no")
        cells = study.by_kind(name)
        asked = ExposedKinds(name, (str(wanted),), (other,), held)
        if not isinstance(cells, Cells):
            return _missing_ratio(name, cells, study), ()
        return replace(asked(cells, study.level), label=f"{name.replace('_', ' ')}: {wanted}"), ()
    cells = study.split_by(name)
    if not isinstance(cells, Cells):
        return _missing_ratio(name, cells, study), ()
    amplifier = Amplifier(name, ("yes",), ("no",), held)
    label = f"{name.replace('_', ' ')}: {study.plan.designs.amplifiers[name]}"
    ratio, excess = (
        replace(found, label=label, caveats=(*found.caveats, *_on_the_way(study, name)))
        for found in (amplifier(cells, study.level), amplifier.excess(cells, study.level))
    )
    return ratio, (excess,)


def _on_the_way(study: Study, name: str) -> Iterator[str]:
    """A column that AI itself changes divides deployments by a consequence."""
    if name in study.plan.design.confounders or name not in OF_THE_CHANGE:
        return
    yield (
        f"AI may itself change {name.replace('_', ' ')}: its levels then hold unlike changes with AI and without, and "
        "a ratio of ratios describes them rather than what AI does there."
    )


def _missing_ratio(name: str, reason: str, study: Study) -> Estimate:
    return next(_absent([f"amplifier.{name}.ratio"], reason, study, Estimand.RATIO_OF_RATIOS))


def mediation(study: Study) -> Iterator[Estimate]:
    """How much of the association travels through what AI changes on the way."""
    if not study.mediators:
        named = "_and_".join(study.plan.design.mediators) or "nothing"
        missing = [f"mediation.{named}.{part}" for part in ("total", "direct", "indirect")]
        yield from _absent(missing, "no mediator in the data", study)
        return
    yield from Mediation(study.mediators, study.confounders)(study.cells, study.level)


def dose(study: Study) -> Iterator[Estimate]:
    """More of it, another tool, another way of knowing."""
    if isinstance(study.by_share, str):
        yield from _absent(["dose.trend"], study.by_share, study)
        yield from _absent(["dose.nonlinearity"], study.by_share, study, Estimand.RATIO_OF_RATIOS)
    else:
        asked = Dose(adjust_for=study.confounders)
        yield _with_what_it_rests_on(asked(study.by_share, study.level))
        yield asked.nonlinearity(study.by_share, study.level)
    for kinds in (tools(study.confounders), tiers(study.confounders)):
        yield from _kinds(kinds, study)


def _with_what_it_rests_on(trend: Estimate) -> Estimate:
    """A step from no AI to some is a trend too; whether more of it does more only the AI-assisted changes can say."""
    among = next((part for part in trend.parts if part.id == "dose.among_exposed"), None)
    if among is None or not (trend.estimable and among.estimable) or 1.0 not in among.interval:
        return trend
    told = (
        f"Among AI-assisted changes alone the ratio per 10 points is {figures(among.value)} "
        f"({figures(among.interval.low)} to {figures(among.interval.high)}): the trend may be no more than the step "
        "from none to some."
    )
    return replace(trend, caveats=(told, *trend.caveats))


def _kinds(kinds: ByKind, study: Study) -> Iterator[Estimate]:
    cells = study.by_kind(kinds.column)
    if isinstance(cells, str):
        yield from _absent([kinds.id], cells, study)
    else:
        yield from kinds(cells, study.level).parts


def _absent(
    ids: Iterable[str], reason: str, study: Study, estimand: Estimand = Estimand.RISK_RATIO
) -> Iterator[Estimate]:
    """What cannot be assessed is named, with the column or table it would take."""
    for id in ids:
        yield not_estimable(estimand, f"not assessed: {reason}", method="none", level=study.level).named(id)


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
def estimate_family(study: Study, name: str) -> Estimates:
    """The estimates of one family, id → estimate.

    Parameters
    ----------
    study : one organisation under one plan.
    name : one of :data:`FAMILIES`.

    Raises
    ------
    ValueError : there is no such family.
    """
    if name not in FAMILIES:
        raise ValueError(f"no family of estimates {name!r}; there are {', '.join(FAMILIES)}")
    outcome = WITHOUT_LINKS if name in ("self_controlled", "case_crossover") else OUTCOMES["events"]
    return MappingProxyType({item.id: _with_outcome(item, outcome) for item in FAMILIES[name](study)})


def estimate_further(study: Study) -> Estimates:
    """Every estimate of every family, id → estimate."""
    return MappingProxyType({id: item for name in FAMILIES for id, item in estimate_family(study, name).items()})


def _with_outcome(item: Estimate, outcome: str) -> Estimate:
    return item if item.outcome else replace(item, outcome=outcome)
