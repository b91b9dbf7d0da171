"""The comparison within strata in other ways: intervals, odds, standardised risks, from service to service.

Each function asks a study one family of questions and gives its estimates in order, under stable ids.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from counterfault.cells import Cells
from counterfault.estimate import Estimand, Estimate
from counterfault.estimating.absent import absent
from counterfault.estimating.study import Study
from counterfault.estimators.marginal.doubly_robust import OverlapWeighted, overlap_weighted
from counterfault.estimators.marginal.standardised import Standardised, standardised
from counterfault.estimators.odds.conditional_logistic import ConditionalLogistic
from counterfault.estimators.odds.firth import FirthLogistic
from counterfault.estimators.odds.logistic import LogisticRegression
from counterfault.estimators.poisson.jackknife import ClusterJackknife
from counterfault.estimators.poisson.two_way import TwoWayPoisson
from counterfault.estimators.poisson.wild_score import WildScore
from counterfault.estimators.pooling.binomial_normal import rare_event_pooling
from counterfault.estimators.pooling.random_effects import MeanInterval, RandomEffects
from counterfault.estimators.tables.cluster_randomisation import RandomiseClusters
from counterfault.estimators.tables.randomisation import RandomiseDeployments


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
        yield from absent(["pooled.risk_ratio.by_team", "pooled.new_team"], teams, study)


def _normal(cells: Cells, by: str, study: Study) -> Iterator[Estimate]:
    """Mean, spread and prediction of normal random effects, never narrower than with the spread taken as known."""
    normal = RandomEffects(by=by, interval=MeanInterval.AT_LEAST_PLAIN)
    yield normal(cells, study.level)
    yield normal.spread(cells, study.level)
    yield normal.new_group(cells, study.level)
