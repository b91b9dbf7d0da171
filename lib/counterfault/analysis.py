"""One function under everything: tables and a plan in, an analysis out.

The notebooks call the same steps one by one and show them; the commands, the simulator and the tests call this.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from counterfault.challenges.families import try_to_break
from counterfault.checking import Checked, check
from counterfault.checks import Challenged, Check, Status, challenge
from counterfault.counting import Counted, count
from counterfault.counting.happened import happened_before
from counterfault.display import card
from counterfault.estimate import Estimate
from counterfault.estimating import Estimates, EstimatesById, Study, estimate_effects, estimate_further, primary_at
from counterfault.freezing import deviations, read_freeze
from counterfault.linking import Linked, link
from counterfault.plan import Plan
from counterfault.sources import Source, read
from counterfault.verdict import Verdict, decide


@dataclass(frozen=True)
class Analysis:
    """Everything one study found, step by step.

    Attributes
    ----------
    plan : what was promised.
    checked, linked, counted : how rows became cells.
    estimates : id → estimate; ``estimates["primary"]`` is the one the verdict reads.
    challenged : the checks and their own estimates.
    verdict : the answer.
    tried : id → estimate, of the challenges.

    Examples
    --------
    >>> sorted(analysis.estimates)[:2]
    ['corrected.risk_ratio', 'crude.odds_ratio']
    >>> table = cf.showing.checks_table(analysis.checks)
    """

    plan: Plan
    checked: Checked
    linked: Linked
    counted: Counted
    estimates: Estimates
    challenged: Challenged
    verdict: Verdict
    tried: Estimates = field(default_factory=dict)

    @property
    def checks(self) -> tuple[Check, ...]:
        return self.challenged.checks

    @property
    def data(self) -> dict[str, Any]:
        """The account of the data, as in ``results.json``."""
        from counterfault.record import data_record

        return data_record(self)

    def all_estimates(self) -> tuple[Estimate, ...]:
        """Every estimate of the analysis, those of the checks included."""
        return (*self.estimates.values(), *self.challenged.estimates)

    def to_json(self) -> str:
        """The record of the analysis as ``results.json`` holds it."""
        from counterfault.record import record, to_json

        return to_json(record(self))

    def __repr__(self) -> str:
        return f"<Analysis of {self.plan.title!r}: {self.verdict}>"

    def _repr_html_(self) -> str:
        ended = [check.status for check in self.checks]
        facts = {
            "plan": str(self.plan),
            "primary estimate": str(self.estimates["primary"]),
            "estimates": len(self.all_estimates()),
            "checks": ", ".join(f"{ended.count(status)} {status.value}" for status in Status),
        }
        then = ("showing.checks_table(analysis.checks)", "analysis.estimates", "analysis.to_json()")
        return self.verdict._repr_html_() + card("Analysis", facts=facts, then=then)


def analyse(
    deployments: Source,
    incidents: Source,
    *,
    dependencies: Source = None,
    load: Source = None,
    plan: Plan | None = None,
    now: datetime | None = None,
    notes: tuple[str, ...] = (),
    further: bool = True,
    challenges: bool = True,
    plan_path: Path | None = None,
) -> Analysis:
    """From tables and a plan to a verdict, without a notebook.

    Parameters
    ----------
    deployments, incidents, dependencies, load : pandas frames, paths, addresses or Ibis tables; the required columns of
        the contract are enough.
    plan : the default plan where absent.
    now : rows from after this moment (and a day) are from the future; the present where absent.
    notes : sentences about the sources for the report.
    further : whether the further designs are estimated and the challenges made. The call reads neither; without them
        their checks are not assessed, and the grade is the lower for it.
    challenges : whether the challenges are made; never without the further designs.
    plan_path : the file the plan was read from; its freeze lies beside it, and what departs from it is told.

    Raises
    ------
    SourceError, ContractError, PlanError : the sources cannot be read, the tables cannot be used, or the plan asks for
        what they do not hold. Data that cannot give an answer raise nothing: the verdict is ``cannot_tell``.

    Examples
    --------
    A quick look, by the gates alone; without ``further=False`` it takes half a minute and has a grade worth reading:

    >>> analysis = cf.analyse("deployments.parquet", "incidents.csv", further=False)
    >>> answer = analysis.verdict.sentence
    >>> ratio = analysis.estimates["primary"]
    >>> record = analysis.to_json()  # what `results.json` holds
    """
    plan = plan or Plan()
    raw = read(deployments, incidents, dependencies=dependencies, load=load, plan=plan, notes=notes)
    checked = check(raw, plan, now=now or datetime.now(UTC))
    return conclude(checked, plan, further=further, challenges=challenges, plan_path=plan_path)


def conclude(
    checked: Checked,
    plan: Plan,
    *,
    further: bool = True,
    plan_path: Path | None = None,
    challenges: bool = True,
    say: Callable[[str, int, int], None] | None = None,
) -> Analysis:
    """The analysis of tables that have passed the contract.

    Parameters
    ----------
    checked, plan, further, plan_path : as in :func:`analyse`.
    challenges : whether the challenges are made; never without the further designs.
    say : told the name of a challenge, how much of it is done, and of how much.
    """
    if plan_path is not None:
        read_freeze(plan_path)  # a damaged one is refused before anybody waits
    linked = link(checked, plan)
    counted = count(linked, plan)
    estimates = estimate_effects(counted, plan)
    study, primary = Study(linked, counted, plan), estimates["primary"]
    more = estimate_further(study) if further else {}
    folder = plan_path.parent if plan_path else None
    tried = try_to_break(study, primary, plan_folder=folder, say=say) if further and challenges else {}
    challenged = challenge(linked, counted, estimates, plan, {**more, **tried})
    verdict = decide(primary, primary_at(counted, plan, plan.decision.equivalence_level), challenged.checks, plan)
    verdict = replace(verdict, deviations=deviations(plan, plan_path, partial(happened_before, linked, counted)))
    rest = {id: item for id, item in estimates.items() if id != "primary"}
    estimates = EstimatesById({**rest, **more, "primary": primary})  # last, as a reader expects the answer
    challenged = replace(challenged, estimates=(*challenged.estimates, *tried.values()))
    return Analysis(plan, checked, linked, counted, estimates, challenged, verdict, tried)
