"""Exposure time, strata, outcomes, and the lossless compression of rows into cells.

This is the only package that touches rows once they are checked and linked: joins and group-bys are Ibis expressions
that run where the data are, and what comes back is small.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from counterfault.cells import Cells
from counterfault.checking.settling import kept
from counterfault.counting.covariates import with_covariates
from counterfault.counting.outcomes import CHANCE, OUTCOMES, with_outcomes
from counterfault.counting.population import ANALYSED, by_label, population, require_deployments_in, step
from counterfault.display import card
from counterfault.linking import Linked, study_tables
from counterfault.plan import Plan

__all__ = ["OUTCOMES", "Counted", "count"]


@dataclass(frozen=True)
class Counted:
    """What the estimators need, and how it came about.

    Attributes
    ----------
    cells : the compressed deployments in the contrast.
    outcomes : the columns of :data:`OUTCOMES` these tables could give, so that ``cells`` can be read for each.
    population : from rows accepted to rows analysed: ``step``, ``ai``, ``human``, ``unknown``.
    by_label : ``service``, ``month``, ``assistance``, ``compared``, ``n``, ``events`` of all deployments the plan does
        not leave out; ``compared`` ones are in the contrast, or would be if their label were known.
    covariates : of the plan's confounders and mediators, those the tables have.
    not_assessed : (what, why) for everything the plan asks and these tables cannot give.
    rows : Ibis table of all accepted deployments with strata, covariates, outcomes and ``step``; it stays where the
        data are, for the panels and cells of further designs.
    """

    cells: Cells
    outcomes: tuple[str, ...]
    population: pd.DataFrame
    by_label: pd.DataFrame
    covariates: tuple[str, ...]
    not_assessed: tuple[tuple[str, str], ...]
    rows: Any

    def __repr__(self) -> str:
        return f"<Counted: {self.cells!r}, {len(self.not_assessed)} things not assessed>"

    def _repr_html_(self) -> str:
        four = self.cells.two_by_two()
        return card(
            "Counted deployments",
            f"{four.exposed_total:,} AI-assisted ones ({four.exposed_events:,} failed) stand against "
            f"{four.unexposed_total:,} others ({four.unexposed_events:,} failed).",
            facts={
                "compared within": " × ".join(self.cells.strata),
                "covariates": ", ".join(self.covariates) or "none",
                "cells": len(self.cells.frame),
            },
            notes=(f"not assessed: {what}, because {why}" for what, why in self.not_assessed),
            then=("study = cf.Study(linked, counted, plan)", "estimates = cf.estimate_effects(counted, plan)"),
        )

    def read_as(self, outcome: str) -> Cells:
        """The same cells with another column of :data:`OUTCOMES` as their events."""
        frame = self.cells.frame.assign(events=self.cells.frame[outcome])
        return Cells(frame, self.cells.strata, self.cells.cluster)


def count(linked: Linked, plan: Plan) -> Counted:
    """Compresses the deployments of the contrast into cells, and accounts for those outside it.

    Parameters
    ----------
    linked : tables and links.
    plan : period, outcome, strata, covariates and their bins.

    Raises
    ------
    PlanError : the plan names no stratum, or one or a cluster that these tables have no column for, a number without
        bins, a covariate that cannot be one, or a period without deployments.

    Examples
    --------
    >>> counted = cf.count(linked, plan)
    >>> who_left_and_why = counted.population
    >>> study = cf.Study(linked, counted, plan)
    """
    deployments, not_assessed = with_covariates(linked.checked, plan)
    marked = with_outcomes(deployments, linked, plan)
    marked = marked.mutate(step=step(marked, linked, plan))
    marked = kept(linked.checked.engine, "marked", marked)
    ended = population(marked)
    require_deployments_in(plan.period, ended, linked)
    covariates = tuple(name for name in (*plan.design.confounders, *plan.design.mediators) if name in marked.columns)
    outcomes = tuple(name for name in OUTCOMES if name in marked.columns)
    return Counted(
        cells=_cells(marked, plan, covariates, outcomes),
        outcomes=outcomes,
        population=ended,
        by_label=by_label(marked),
        covariates=covariates,
        not_assessed=(*not_assessed, *_unusable_incidents(linked, plan)),
        rows=marked,
    )


def _unusable_incidents(linked: Linked, plan: Plan) -> tuple[tuple[str, str], ...]:
    """Incidents that the plan's rule cannot tie for want of a service."""
    incidents = study_tables(linked.checked, plan).incidents
    if plan.outcome.link == "recorded":
        return ()
    homeless = incidents.filter(incidents.service.isnull())
    if plan.outcome.link == "recorded_then_window" and "caused_by" in incidents.columns:
        homeless = homeless.filter(homeless.caused_by.isnull())
    number = int(homeless.count().execute())
    rule = plan.outcome.link.replace("_", " ")
    return ((f"{number:,} incidents", f"no service, so the rule {rule!r} cannot tie them"),) if number else ()


def _cells(marked: Any, plan: Plan, covariates: Sequence[str], outcomes: Sequence[str]) -> Cells:
    # The service stays a key even where the plan groups by team: leaving out one service at a time needs it.
    keys = list(dict.fromkeys((*plan.design.strata, plan.design.cluster, "service", *covariates)))
    rows = marked.filter(marked.step == ANALYSED).mutate(exposed=(marked.assistance == "ai").cast("int64"))
    chance = [CHANCE] if CHANCE in rows.columns else []
    grouped = rows.group_by([*keys, "exposed"]).agg(
        n=rows.count(),
        exposure_hours=rows.count() * float(plan.outcome.follow_up),
        **{name: rows[name].sum() for name in outcomes},
        **{name: rows[name].sum() for name in chance},
    )
    frame = grouped.execute()
    types = {
        "exposed": "int64",
        "n": "int64",
        "exposure_hours": "float64",
        **dict.fromkeys(chance, "float64"),
        **dict.fromkeys(outcomes, "int64"),
    }
    frame = frame.astype(types).sort_values([*keys, "exposed"], ignore_index=True)
    return Cells(frame, plan.design.strata, plan.design.cluster)
