"""The specifications of a multiverse: every choice crossed with every other, each analysis counted once.

Steegen, Tuerlinckx, Gelman & Vanpaemel (2016), Perspectives on Psychological Science 11:702: many analyses of one data
set are equally defensible, so all of them are reported. Simonsohn, Simmons & Nelson (2020), Nature Human Behaviour
4:1208, step 1: the specifications must be sensible, valid, and *not redundant*. Two names for one analysis would count
it twice in every share and every median.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

from counterfault.cells import Cells
from counterfault.checking import Checked
from counterfault.counting.specification_cells import Failing, SpecificationRows
from counterfault.estimate import Estimate
from counterfault.estimators.poisson.coincidence import without_coincidences
from counterfault.estimators.poisson.regression import as_headline
from counterfault.estimators.tables import stratified
from counterfault.plan import GROUPS, Plan
from counterfault.plan.challenges import Multiverse

BY_TIME = ("window", "recorded_then_window", "dependency")  # the rules a window makes a difference to
STRATIFIED, TOTAL, CORRECTED = "stratified.risk_ratio", "total.risk_ratio", "corrected.risk_ratio"
BETWEEN = " · "
NO_COVARIATES = "no covariates"


@dataclass(frozen=True)
class Specification:
    """One analysis: what counts as a failure, who is compared with whom, what is held fixed, and by which estimator.

    Attributes
    ----------
    link : the rule that ties incidents to deployments.
    window_hours : its window; None where the rule knows none.
    strata : deployments are compared within these, crossed.
    adjust_for : covariates held fixed besides: by regression coefficients, or as further strata where the estimator is
        ``stratified.risk_ratio``.
    estimator : id of the estimate it repeats.
    """

    link: str
    window_hours: float | None
    strata: tuple[str, ...]
    adjust_for: tuple[str, ...]
    estimator: str

    @property
    def failing(self) -> Failing:
        """What counts as a failure."""
        return self.link, self.window_hours

    @property
    def label(self) -> str:
        """The four choices in words, such as ``window 24 h · service × month · confounders · total.risk_ratio``."""
        window = "" if self.window_hours is None else f" {self.window_hours:g} h"
        held = "confounders" if self.adjust_for else NO_COVARIATES
        return BETWEEN.join((f"{self.link.replace('_', ' ')}{window}", " × ".join(self.strata), held, self.estimator))

    @property
    def meaning(self) -> tuple[object, ...]:
        """Equal for two specifications that are one analysis: strata have no order, a record has no coincidences."""
        plain = self.estimator == CORRECTED and self.link not in BY_TIME
        return self.failing, frozenset(self.strata), self.adjust_for, TOTAL if plain else self.estimator

    @property
    def uncorrected(self) -> Specification:
        """The same without the correction for coincidences, which moves no ratio across 1 and so changes no test."""
        return replace(self, estimator=TOTAL) if self.estimator == CORRECTED else self

    @property
    def fixed_by_strata(self) -> tuple[str, ...]:
        """All columns deployments must share to be compared."""
        return (*self.strata, *self.adjust_for) if self.estimator == STRATIFIED else self.strata

    @property
    def fixed_by_regression(self) -> tuple[str, ...]:
        """Columns whose levels get a coefficient each."""
        return () if self.estimator == STRATIFIED else self.adjust_for

    def cells(self, rows: SpecificationRows) -> Cells:
        """The deployments as this specification counts them."""
        return rows.cells(self.failing, self.fixed_by_strata)

    def estimate(self, rows: SpecificationRows, level: float) -> Estimate:
        """Its ratio, by the estimator that the headline estimates use.

        Parameters
        ----------
        rows : with coincidences, where the estimator corrects for them.
        level : of the interval.
        """
        cells = self.cells(rows)
        if self.estimator == STRATIFIED:
            found = stratified.risk_ratio(cells, level)
        else:
            found = as_headline(self.fixed_by_regression)(cells, level)
        return self.corrected(found, rows)

    def corrected(self, found: Estimate, rows: SpecificationRows) -> Estimate:
        """The estimate of ``uncorrected`` as this specification gives it, so that no regression is fitted twice."""
        if self.estimator == CORRECTED:
            found = without_coincidences(found, self.cells(rows))
        return replace(found, label=self.label, adjustment=self.adjust_for, parts=())


@dataclass(frozen=True)
class Choices:
    """What can be chosen here, the planned specification among it, and what the plan lists in vain.

    Attributes
    ----------
    specifications : each once, the planned one first.
    not_tried : sentences about listed choices that these tables cannot form, or that repeat another.
    """

    specifications: tuple[Specification, ...]
    not_tried: tuple[str, ...]

    @property
    def planned(self) -> Specification:
        return self.specifications[0]


def choices(listed: Multiverse, plan: Plan, checked: Checked, confounders: tuple[str, ...]) -> Choices:
    """Every combination of what the plan lists, without repetitions.

    Parameters
    ----------
    listed : the choices.
    plan : ``outcome`` and ``design`` are the planned specification, which is among them whether or not it is listed.
    checked : the tables, which may lack what a choice needs.
    confounders : of the plan's, those the tables have.
    """
    links, about_links = _links(listed.links, plan, checked)
    strata, about_strata = _strata(listed.strata, checked)
    found = [
        _specification(link, hours, columns, confounders if held == "confounders" else (), estimator)
        for link, columns, held, estimator in product(links, strata, listed.covariates, listed.estimators)
        for hours in listed.windows_hours
    ]
    kinds: dict[object, Specification] = {}
    for each in (_planned(plan, checked, confounders), *found):
        kinds.setdefault(each.meaning, each)
    about_covariates = () if confounders else ("no confounder is there to adjust for",)
    asked = "confounders" in listed.covariates
    return Choices(tuple(kinds.values()), (*about_links, *about_strata, *(about_covariates if asked else ())))


def _planned(plan: Plan, checked: Checked, confounders: tuple[str, ...]) -> Specification:
    design, outcome = plan.design, plan.outcome
    held = () if design.primary == STRATIFIED else confounders
    link = _link(outcome.link, plan, checked)
    return _specification(link, outcome.window_hours, design.strata, held, design.primary)


def _specification(
    link: str, hours: float, strata: tuple[str, ...], held: tuple[str, ...], estimator: str
) -> Specification:
    """What does not make a difference is not part of it: the window of a record, a covariate the strata hold fixed."""
    free = tuple(name for name in held if name not in strata)
    return Specification(link, hours if link in BY_TIME else None, tuple(dict.fromkeys(strata)), free, estimator)


def _link(name: str, plan: Plan, checked: Checked) -> str:
    """Without a record of causes, or of dependencies, two of the rules say what "window" says."""
    if name == "recorded_then_window" and not checked.has("incidents", "caused_by"):
        return "window"
    if name == "dependency" and ("dependencies" not in checked.tables or plan.outcome.hops == 0):
        return "window"
    return name


def _links(listed: tuple[str, ...], plan: Plan, checked: Checked) -> tuple[list[str], tuple[str, ...]]:
    recorded = checked.has("incidents", "caused_by")
    same = {name: _link(name, plan, checked) for name in listed if recorded or name != "recorded"}
    told = [f"{name.replace('_', ' ')} is the same as {to} here" for name, to in same.items() if name != to]
    if len(same) < len(set(listed)):
        told.append("recorded: no column caused_by")
    return list(dict.fromkeys(same.values())), tuple(told)


def _strata(listed: tuple[tuple[str, ...], ...], checked: Checked) -> tuple[list[tuple[str, ...]], tuple[str, ...]]:
    able = [columns for columns in listed if not list(_absent(columns, checked))]
    told = [
        f"{' × '.join(columns)}: no column {', '.join(_absent(columns, checked))}"
        for columns in listed
        if columns not in able
    ]
    return able, tuple(told)


def _absent(columns: tuple[str, ...], checked: Checked) -> Iterator[str]:
    return (name for name in columns if name in GROUPS and not checked.has("deployments", name))
