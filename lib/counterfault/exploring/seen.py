"""What one choice shows: four estimates, two pictures, the strata behind them, and what makes them exploratory."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from counterfault.cells import Cells
from counterfault.estimate import Estimand, Estimate, not_estimable
from counterfault.estimating.effects import Estimates
from counterfault.estimators.one_thread import on_one_thread
from counterfault.estimators.poisson.coincidence import without_coincidences
from counterfault.estimators.poisson.regression import as_headline
from counterfault.estimators.tables import stratified, two_by_two
from counterfault.exploring.choices import Scope, departures
from counterfault.figures import Figure, Table, forest, verdict_strip
from counterfault.figures.wording import count, finding, plain, sentence_start
from counterfault.freezing import Difference
from counterfault.plan import Plan

SHOWN = {
    "crude.risk_ratio": "crude, all services together",
    "stratified.risk_ratio": "within strata",
    "total.risk_ratio": "total, confounders held fixed",
    "corrected.risk_ratio": "corrected for coincident links",
}


@dataclass(frozen=True)
class Seen:
    """One choice and what it shows.

    Attributes
    ----------
    promised : the plan that was chosen to begin with.
    plan : the same with what was chosen otherwise.
    scope : the group looked at alone.
    cells : the deployments compared.
    estimates : id → estimate: crude, within strata, total, corrected, and the plan's primary.
    notes : what the plan asks and the tables cannot give.
    """

    promised: Plan
    plan: Plan
    scope: Scope
    cells: Cells
    estimates: Estimates
    notes: tuple[str, ...] = ()

    @property
    def primary(self) -> Estimate:
        """The estimate a verdict would read; there is no verdict here."""
        return self.estimates["primary"]

    @cached_property
    def departures(self) -> tuple[Difference, ...]:
        """Key by key, what differs from the plan chosen to begin with."""
        return departures(self.promised, self.plan)

    @cached_property
    def strip(self) -> Figure:
        """The primary estimate against what is worth acting on."""
        return verdict_strip(self.primary, worth_acting_on=self.plan.decision.worth_acting_on)

    @cached_property
    def forest(self) -> Figure:
        """From the number everybody computes first to the one the plan reads."""
        named = [self.estimates[id].named("", label=label) for id, label in SHOWN.items()]
        return forest(named, worth_acting_on=self.plan.decision.worth_acting_on, title="From crude to corrected")

    @property
    def finding(self) -> str:
        """The primary estimate in a sentence, with what it rests on."""
        table, margin = self.cells.two_by_two(), self.plan.decision.worth_acting_on
        return (
            f"{sentence_start(self.primary.estimand.label)} {finding(self.primary, margin)}. Counted: "
            f"{count(table.exposed_events)} of {count(table.exposed_total)} AI-assisted deployments failed, and "
            f"{count(table.unexposed_events)} of {count(table.unexposed_total)} others."
        )

    def standing(self, others: int) -> str:
        """What this is not: a promised answer.

        Parameters
        ----------
        others : how many other choices this session has looked at.
        """
        told = "; ".join(plain(str(each)) for each in self.departures)
        if self.scope is not None:
            told = "; ".join(filter(None, (told, f"only {self.scope[0]} {plain(self.scope[1])}")))
        looked = f"{others:,} other {'choice' if others == 1 else 'choices'} looked at in this session"
        if not told:
            return f"As planned, from counts alone: no check has been made, so this is no verdict ({looked})."
        return f"Exploratory, no verdict: {told} ({looked})."

    @cached_property
    def strata(self) -> pd.DataFrame:
        """One row per stratum, those with most failures first: deployments and failures of either kind."""
        tables = self.cells.tables()
        frame = tables.reset_index().rename(
            columns={
                "exposed_total": "AI-assisted",
                "exposed_events": "AI-assisted failed",
                "unexposed_total": "other",
                "unexposed_events": "other failed",
            }
        )
        frame["deployments"] = frame["AI-assisted"] + frame["other"]
        frame["failed"] = frame["AI-assisted failed"] + frame["other failed"]
        order = [*self.plan.design.strata, "deployments", "failed"]
        order += ["AI-assisted", "AI-assisted failed", "other", "other failed"]
        found: pd.DataFrame = frame[order].sort_values(
            ["failed", *self.plan.design.strata], ascending=[False, *(True for _ in self.plan.design.strata)]
        )
        return found.reset_index(drop=True)

    @property
    def fullest_stratum(self) -> tuple[str, ...]:
        """The values of the stratum with most failures; none where there is no stratum."""
        first = self.strata[list(self.plan.design.strata)].head(1)
        return tuple(map(str, first.to_numpy().ravel()))

    def strata_table(self) -> Table:
        """The strata, those with most failures first."""
        within = " × ".join(self.plan.design.strata)
        return Table(self.strata, f"{count(len(self.strata))} strata ({within}), those with most failures first")

    def _repr_html_(self) -> str:
        return f"{self.strip._repr_html_()}\n{self.forest._repr_html_()}"


@on_one_thread
def estimates_of(cells: Cells, plan: Plan, held: tuple[str, ...]) -> Estimates:
    """The four estimates of a choice, and its primary one.

    Parameters
    ----------
    cells : the deployments compared.
    plan : level, and which estimate is primary.
    held : confounders the tables have.
    """
    level = plan.decision.level
    if cells.frame.empty or not cells.frame["events"].sum():
        return _silent(cells, plan)
    total = as_headline(held)(cells, level).named("total.risk_ratio")
    found = {
        "crude.risk_ratio": two_by_two.crude(cells, level)[0],
        "stratified.risk_ratio": stratified.risk_ratio(cells, level),
        "total.risk_ratio": total,
        "corrected.risk_ratio": without_coincidences(total, cells).named("corrected.risk_ratio"),
    }
    return {**found, "primary": found[plan.design.primary].named("primary")}


def _silent(cells: Cells, plan: Plan) -> Estimates:
    """Where nothing failed, or nobody is left, every ratio is silent for the same reason."""
    what = "No deployment of this choice failed" if len(cells.frame) else "No deployment is left to compare"
    answer = not_estimable(
        Estimand.RISK_RATIO, f"{what}; a ratio needs failures.", method="none", level=plan.decision.level,
        support=cells.two_by_two().support(),
    )  # fmt: skip
    return {id: answer.named(id) for id in (*SHOWN, "primary")}
