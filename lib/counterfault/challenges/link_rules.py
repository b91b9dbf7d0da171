"""Does the answer hang on how incidents were tied to deployments, or on links that are mere coincidence?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from counterfault.challenges.contrast import contrast_on
from counterfault.counting import Counted
from counterfault.counting.link_grid_cells import LinkedCells, link_grid_cells
from counterfault.counting.outcomes import CHANCE
from counterfault.display import settings_html
from counterfault.estimate import Estimand, Estimate, not_estimable
from counterfault.estimating.effects import planned_contrast
from counterfault.estimating.study import Study
from counterfault.estimators.one_thread import on_one_thread
from counterfault.estimators.poisson.coincidence import without_coincidences
from counterfault.plan import Plan

GRID, CORRECTED = "link_rules.grid", "link_rules.corrected"

BY_RULE = {
    "recorded_events": ("total.risk_ratio.recorded", "an incident recorded as caused by the deployment"),
    "window_events": ("total.risk_ratio.window", "an incident of the service in the window after the deployment"),
}

FOLLOWS = {
    "recorded_then_window": "an incident recorded as caused by the deployment or, where no cause is recorded, one of "
    "its service within {hours:g} h",
    "recorded": BY_RULE["recorded_events"][1],
    "window": "an incident of the service within {hours:g} h",
    "dependency": "an incident of the service, or of one that depends on it, within {hours:g} h",
    "last": "an incident before which the deployment was the newest of its service",
}
ONLY_COMPARED = "last"  # a rule the plan knows for comparison alone
FOR_COMPARISON = (
    "For comparison only: this rule finds a deployment for every incident, and the more often a service ships, the "
    "less each deployment can be blamed for."
)
ALIKE = "Corrected ratios assume that coincidence is as likely after either kind of change of the same stratum."


@dataclass(frozen=True)
class EachRuleAlone:
    """The planned contrast once with links by record only, once with links by time only."""

    adjust_for: tuple[str, ...] = ()

    def __call__(self, counted: Counted, level: float = 0.95) -> tuple[Estimate, ...]:
        return tuple(
            contrast_on(counted, outcome, self.adjust_for, level).named(name, outcome=meaning)
            for outcome, (name, meaning) in BY_RULE.items()
            if outcome in counted.outcomes
        )


@dataclass(frozen=True)
class LinkGrid:
    """The headline under every link rule and window, as counted and without the links that are coincidence.

    Parameters
    ----------
    windows_hours : windows beside the planned one.

    Notes
    -----
    Calling it with a study and its primary estimate returns two estimates. The value of both is that of the planned
    rule and window, for a middle of overlapping readings of the same incidents would estimate nothing; their ``parts``
    are all readings, labelled ``"window · 24 h"``.

    ``link_rules.grid`` : the planned estimator on each reading. Its support counts ``links`` and, where time plays a
    part, ``links_by_chance``: what deployments moved by whole weeks are tied to.

    ``link_rules.corrected`` : the same without coincidences. If a coincidence adds the same risk c to both kinds of
    change of a stratum, an observed ratio R = (q₁ + c) / (q₀ + c) stands for q₁ / q₀ = 1 + (R − 1) / (1 − b) with
    b = c / (q₀ + c), the share of the others' failures that is coincidence (imperfect specificity of the outcome, the
    same in both groups: Copeland et al. 1977, American Journal of Epidemiology 105:488). Where failures and
    coincidences meet in one deployment, q + c − q·c takes the place of the sum and the result is the same. Links by
    record are left as they are; links to the last deployment cannot be corrected, for there is no coincidence in
    always finding one.

    Examples
    --------
    >>> grid, corrected = cf.LinkGrid(windows_hours=(6.0,))(study, primary)
    """

    windows_hours: tuple[float, ...] = (6.0, 24.0, 72.0)

    _repr_html_ = settings_html

    @classmethod
    def of(cls, plan: Plan) -> Self:
        """As the plan promises."""
        return cls(plan.challenges.link_rules.windows_hours)

    @on_one_thread
    def __call__(self, study: Study, primary: Estimate) -> tuple[Estimate, Estimate]:
        readings = link_grid_cells(study.counted.rows, study.linked, study.plan, study.confounders, self.windows_hours)
        counted = tuple(_as_counted(reading, study, primary) for reading in readings)
        corrected = tuple(map(_corrected, readings, counted))
        whole = _gathered(CORRECTED, readings, corrected)
        return _gathered(GRID, readings, counted), replace(whole, caveats=(*whole.caveats, ALIKE))


def name_of(reading: LinkedCells) -> str:
    """The rule and its window, as in ``"recorded then window · 24 h"``."""
    rule = reading.rule.replace("_", " ")
    return rule if reading.window_hours is None else f"{rule} · {reading.window_hours:g} h"


def _as_counted(reading: LinkedCells, study: Study, primary: Estimate) -> Estimate:
    support = {"links": reading.links}
    if reading.links_by_chance is not None:
        support["links_by_chance"] = round(reading.links_by_chance)
    found = _headline(reading, study, primary)
    return found.named(
        GRID,
        label=name_of(reading),
        outcome=FOLLOWS[reading.rule].format(hours=reading.window_hours or 0.0),
        support={**found.support, **support},
        caveats=(*found.caveats, *_of_the_links(reading)),
        parts=(),
    )


def _headline(reading: LinkedCells, study: Study, primary: Estimate) -> Estimate:
    cells = replace(reading.cells, frame=reading.cells.frame.drop(columns=CHANCE, errors="ignore"))
    if cells.frame["events"].sum() > 0:
        return planned_contrast(cells, _as_counted_in(study.plan), study.confounders, primary.interval.level)
    return not_estimable(
        Estimand.RISK_RATIO,
        "This rule ties no incident to a deployment of the contrast; a ratio needs at least one.",
        method=primary.method,
        level=primary.interval.level,
        support=cells.two_by_two().support(),
    )


def _as_counted_in(plan: Plan) -> Plan:
    """The plan with the ratio as counted for its primary estimate, where it asks for the corrected one."""
    if plan.design.primary != "corrected.risk_ratio":
        return plan
    return plan.model_copy(update={"design": plan.design.model_copy(update={"primary": "total.risk_ratio"})})


def _of_the_links(reading: LinkedCells) -> tuple[str, ...]:
    found = []
    if reading.rule == ONLY_COMPARED:
        found.append(FOR_COMPARISON)
    if reading.links_by_chance is not None and reading.links:
        share = min(reading.links_by_chance / reading.links, 1.0)
        found.append(
            f"Links: {reading.links:,}; coincidence alone would make {reading.links_by_chance:,.0f} ({share:.0%})."
        )
    if reading.window_hours is not None and reading.links_by_chance is None:
        found.append(
            "How many links are coincidence is not known: the data are too short to move deployments by weeks."
        )
    if reading.not_followed:
        found.append(
            f"Left out because the data end less than {reading.window_hours:g} h after them: "
            f"{reading.not_followed:,} of the deployments."
        )
    return tuple(found)


def _corrected(reading: LinkedCells, counted: Estimate) -> Estimate:
    if reading.window_hours is None:
        return _by_name(reading, counted)
    if not counted.estimable:
        return counted.named(CORRECTED)
    if reading.links_by_chance is None:
        return _without_value(counted, counted.caveats[-1])
    found = without_coincidences(counted, reading.cells)
    return found.named(CORRECTED, label=counted.label, outcome=counted.outcome, design=counted.design)


def _by_name(reading: LinkedCells, counted: Estimate) -> Estimate:
    if reading.rule == ONLY_COMPARED:
        return _without_value(
            counted,
            "The last-deployment rule finds a deployment for every incident, so coincidence cannot be told from cause.",
        )
    told = ("Links by record: people named the deployment, so nothing is corrected.",) if counted.estimable else ()
    return counted.named(CORRECTED, caveats=(*counted.caveats, *told))


def _without_value(counted: Estimate, reason: str) -> Estimate:
    level, support = counted.interval.level, counted.support
    found = not_estimable(counted.estimand, reason, method=counted.method, level=level, support=support)
    return found.named(CORRECTED, label=counted.label, outcome=counted.outcome, design=counted.design)


def _gathered(id: str, readings: Sequence[LinkedCells], parts: tuple[Estimate, ...]) -> Estimate:
    """The planned reading, with all of them as its parts."""
    planned = next(part for reading, part in zip(readings, parts, strict=True) if reading.planned)
    told = _range([part for reading, part in zip(readings, parts, strict=True) if reading.rule != ONLY_COMPARED])
    caveats = (*planned.caveats, *told) if planned.estimable else planned.caveats
    return planned.named(id, parts=parts, caveats=caveats)


def _range(parts: Sequence[Estimate]) -> tuple[str, ...]:
    """From where to where the ratio goes, and how many readings put it above 1."""
    known = [part for part in parts if part.estimable]
    if len(known) < 2:
        return ()
    lowest, highest = min(known, key=lambda part: part.value), max(known, key=lambda part: part.value)
    above = sum(part.value > 1 for part in known)
    return (
        f"{above} of {len(known)} readings of which incident belongs to which deployment put the ratio above 1; it "
        f"runs from {lowest.value:.2f} ({lowest.label}) to {highest.value:.2f} ({highest.label}).",
    )
