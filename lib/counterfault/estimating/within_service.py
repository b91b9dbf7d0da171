"""Designs that compare a service with itself.

Each function asks a study one family of questions and gives its estimates in order, under stable ids.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from counterfault.estimate import Estimate
from counterfault.estimating.study import Study
from counterfault.estimators.around_adoption.change_point import ChangePoint
from counterfault.estimators.around_adoption.event_study import PreTrend
from counterfault.estimators.around_adoption.interrupted_series import InterruptedSeries
from counterfault.estimators.around_adoption.staggered import Controls, StaggeredAdoption
from counterfault.estimators.around_adoption.trend_sensitivity import trend_sensitivity
from counterfault.estimators.self_control.case_crossover import CaseCrossover
from counterfault.estimators.self_control.self_controlled import CaseSeries


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
