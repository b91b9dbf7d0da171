"""Panels: time and consequences compressed into counts, for the questions that cells of deployments cannot answer.

Like cells, a panel is a small frame whose rows stand for many. :mod:`counterfault.counting` makes them where the data
are; estimators never see anything else.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from inspect import cleandoc

import pandas as pd

from counterfault.display import card


class _Panel:
    """What panels share: they show their question and their size, and leave their rows unread."""

    frame: pd.DataFrame

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self.frame):,} rows of {', '.join(self.frame.columns)}>"

    def _repr_html_(self) -> str:
        others = [each.name for each in fields(self) if each.name != "frame"]  # type: ignore[arg-type]
        return card(
            type(self).__name__,
            cleandoc(type(self).__doc__ or "").splitlines()[0],
            facts={
                "rows": len(self.frame),
                "columns": ", ".join(self.frame.columns),
                **{name.replace("_", " "): _listed(getattr(self, name)) for name in others},
            },
            then=("panel.frame",),
        )


def _listed(value: object) -> object:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else value


@dataclass(frozen=True, repr=False)
class RiskTime(_Panel):
    """Service time split by how long ago the service last shipped, for self-controlled comparisons.

    Attributes
    ----------
    frame : one row per service × calendar block × band × state; hours in the first risk period of several deployments
        are left out. Columns: ``service`` and ``block`` (strings, together
        one stratum), ``band`` (string: part of the week, e.g. "weekday 06-12"), ``after_ai`` and ``after_other``
        (0: no such deployment within the last cut; j: the newest one lies between ``cuts[j-1]`` and ``cuts[j]`` hours
        back), ``before_ai`` and ``before_other`` (1: such a deployment follows within ``before_hours``), ``hours``
        (service time in this state, above 0), ``incidents`` (that began in it).
    cuts : hours after a deployment at which one risk period ends and the next begins, from 0, rising.
    before_hours : length of the period before a deployment that is told apart; 0 where none is.
    """

    frame: pd.DataFrame
    cuts: tuple[float, ...]
    before_hours: float


@dataclass(frozen=True, repr=False)
class ReferentSets(_Panel):
    """For each incident, whether its service had just shipped, then and at like moments without it.

    A set is the moment an incident began and the moments of the same service, weekday and hour in the same calendar
    month (time-stratified referents: Levy et al. 2001, Epidemiology 12:186). Moments with several deployments in the
    hours before them are left out. Sets alike in everything below are counted together.

    Attributes
    ----------
    frame : columns ``service``, ``case_ai``, ``case_other`` (0 or 1: such a deployment in the hours before the
        incident), ``n00``, ``n10``, ``n01``, ``n11`` (moments of the set, the incident's own included, by (AI, other)
        deployment in the hours before them), ``sets`` (how many sets are like this).
    window_hours : how far before a moment a deployment counts.
    """

    frame: pd.DataFrame
    window_hours: float


@dataclass(frozen=True, repr=False)
class Durations(_Panel):
    """How long deployments ran until an incident of theirs began, or until they were watched no longer.

    Attributes
    ----------
    frame : one row per stratum × cluster × arm × duration (× level of whatever covariate was kept; strings, as in
        cells). Columns: the ``strata``, ``cluster``, ``exposed`` (0 or 1),
        ``entry_hours`` (age at which watching began; above 0 where the incident record is younger than the deployment),
        ``exit_hours`` (age at the end, above ``entry_hours``), ``ended`` ("incident", "rolled back" or "censored"),
        ``n`` (deployments).
    strata, cluster : columns, as in :class:`~counterfault.cells.Cells`.
    horizon_hours : no deployment is watched for longer.
    grid_hours : durations were rounded up to a multiple of this, so that they compress.
    """

    frame: pd.DataFrame
    strata: tuple[str, ...]
    cluster: str
    horizon_hours: float
    grid_hours: float


@dataclass(frozen=True, repr=False)
class UnitPeriods(_Panel):
    """What each service or team shipped and suffered in each calendar period.

    Attributes
    ----------
    frame : one row per unit × period, complete (a unit has every period). Columns: ``unit`` (string), ``period``
        (0, 1, …), ``period_label`` (string, e.g. "2025-03"), ``n`` (deployments of known assistance), ``assisted``
        (those by AI), ``events`` (deployments followed by an incident), ``incidents`` (of the unit, not known to have
        another cause than a change).
    unit : "service" or "team".
    calendar : "week", "month" or "quarter".
    """

    frame: pd.DataFrame
    unit: str
    calendar: str


@dataclass(frozen=True, repr=False)
class Consequences(_Panel):
    """What came of the deployments in the contrast: how bad, how far, how soon seen, how soon mended.

    Attributes
    ----------
    frame : one row per stratum × cluster × arm × consequence; deployments without an incident are one row per stratum
        × cluster × arm. Columns: the ``strata``, ``cluster``, ``exposed`` (0 or 1), ``failed`` (0 or 1), ``severity``
        (worst of the incidents tied to the deployment, 1 worst; missing where nobody said), ``services_affected`` and
        ``users_affected`` (largest of them; missing where nobody said), ``hours_to_detect`` and ``hours_to_restore``
        (of its first incident, from its beginning; missing where nobody said), ``restored`` (1, or 0 where the incident
        was still open when the data end and ``hours_to_restore`` is how long it had lasted), ``surfaced_at_peak`` (1 if
        the first incident showed at peak load, else 0; missing where nobody said), ``shared`` (1 if one of its
        incidents is tied to a deployment of the other arm too), ``n`` (deployments). A column that the incidents table
        cannot fill is absent.
    strata, cluster : columns, as in :class:`~counterfault.cells.Cells`.
    covariates : further columns of ``frame`` that may be held fixed, as in cells.
    """

    frame: pd.DataFrame
    strata: tuple[str, ...]
    cluster: str
    covariates: tuple[str, ...] = ()
