"""A session of looking: what is read, counted and estimated once is kept, and every choice looked at is remembered.

Why something that remembers, where everything else here is a function? Because two things must outlive a choice: the
counts, without which no choice would be answered at once, and the number of choices already looked at, without which
the last one would look like the first.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from counterfault.cells import Cells
from counterfault.checking import Checked, check
from counterfault.counting.covariates import with_covariates
from counterfault.display import card
from counterfault.estimating.effects import Estimates
from counterfault.exploring.choices import Scope, changed, may_be_held_fixed
from counterfault.exploring.drill import Stratum, stratum
from counterfault.exploring.finest import Finest, finest_cells, held_fixed
from counterfault.exploring.seen import Seen, estimates_of
from counterfault.exploring.written import WrittenPlan, write_plan
from counterfault.inputs import Inputs
from counterfault.linking import Linked, link
from counterfault.plan import Plan, PlanError
from counterfault.showing.progress import PassingLine
from counterfault.showing.prose import Prose

Say = Callable[[str], None]

WINDOWS = (1.0, 3.0, 6.0, 12.0, 24.0, 48.0, 72.0)  # hours counted at the start, beside those of the plan

# Keys that the finest cells answer; every other one is counted anew.
CHEAP = ("design", "designs", "decision", "challenges", "gates", "disclosure", "title", "question", "sources")


class Explorer:
    """Looks at one study under many choices.

    Attributes
    ----------
    plan : the plan chosen to begin with.
    plan_path : its file.
    checked : the tables.
    windows : hours that are answered at once.
    seconds : how long the last choice took, and the last counting.
    """

    def __init__(self, checked: Checked, plan: Plan, plan_path: Path, say: Say = lambda line: None) -> None:
        self.checked = checked
        self.plan = plan
        self.plan_path = plan_path
        self.may_be_held_fixed = may_be_held_fixed(checked, plan)
        self.windows = offered_windows(plan)
        self.seconds = 0.0
        self.seconds_to_count = 0.0
        self._counted: dict[str, list[Finest]] = {}
        self._summed: dict[tuple[str, Scope], Cells] = {}
        self._estimates: dict[tuple[str, Scope, str, float], Estimates] = {}
        self._linked: dict[str, Linked] = {}
        self._looked_at: dict[tuple[str, Scope], Seen] = {}
        self._finest(plan, say)

    @property
    def looked_at(self) -> int:
        """How many distinct choices were looked at."""
        return len(self._looked_at)

    @property
    def others(self) -> int:
        """How many choices were looked at beside any one of them."""
        return max(self.looked_at - 1, 0)

    def look(self, changes: Mapping[str, Any] | None = None, scope: Scope = None, say: Say = lambda line: None) -> Seen:
        """What a choice shows.

        Parameters
        ----------
        changes : dotted key → value, where it differs from the plan.
        scope : a group column and its one value; everything where None.
        say : is told what takes longer than a moment.

        Raises
        ------
        PlanError : the plan refuses the choice, or the tables lack what it asks for.
        """
        began = time.perf_counter()
        plan = changed(self.plan, changes or {})
        self._require_same_tables(plan)
        key = (plan.digest, scope)
        if key not in self._looked_at:
            self._looked_at[key] = self._see(plan, scope, say)
        self.seconds = time.perf_counter() - began
        return self._looked_at[key]

    def drill(self, seen: Seen, values: Sequence[str] | str = "") -> Stratum:
        """The deployments of one stratum and the incidents tied to them.

        Parameters
        ----------
        seen : the choice.
        values : of its strata, in their order; as one text, parted by commas. The stratum with most failures where
            empty.

        Raises
        ------
        PlanError : there is no such stratum.
        """
        plan = seen.plan
        values = values or seen.fullest_stratum
        values = tuple(part.strip() for part in values.split(",")) if isinstance(values, str) else values
        key = _linking_key(plan)
        if key not in self._linked:
            self._linked[key] = link(self.checked, plan)
        return stratum(self._finest(plan), self._linked[key], plan, seen.scope, values)

    def tell(self, seen: Seen) -> Prose:
        """A choice in words: what was found, and why it is no verdict."""
        return Prose("\n\n".join(map(_as_markdown, (seen.finding, seen.standing(self.others), *seen.notes))))

    def write_plan(self, seen: Seen, path: Path | str) -> WrittenPlan | Prose:
        """Writes a choice as a plan, as :func:`counterfault.exploring.written.write_plan`; where no file is named, says
        so and writes nothing.
        """
        if not str(path):
            return Prose("No file is named, so no plan is written.")
        until = self._finest(seen.plan).seen_until
        return write_plan(seen, path, plan_path=self.plan_path, others=self.others, seen_until=until)

    def counts_at_once(self, changes: Mapping[str, Any]) -> bool:
        """Whether a choice is answered from counts there are; one the plan refuses is refused at once too."""
        plan = changed(self.plan, changes)
        return any(each.has(plan) for each in self._counted.get(_counting_key(plan), ()))

    def _require_same_tables(self, plan: Plan) -> None:
        for name in ("sources", "mapping", "data"):
            if getattr(plan, name) != getattr(self.plan, name):
                raise PlanError(f"{name}: tables are read and checked once; change it in the plan file, and read again")

    def __repr__(self) -> str:
        return f"<Explorer of {self.plan.title!r}: {self.looked_at:,} choices looked at>"

    def _repr_html_(self) -> str:
        return card(
            "Explorer",
            "A study read and counted, to be looked at under many choices. Nothing it shows is a verdict.",
            facts={
                "plan": f"{self.plan.title} ({self.plan.digest})",
                "windows answered at once": ", ".join(f"{hours:g} h" for hours in self.windows),
                "choices looked at": self.looked_at,
            },
            then=('seen = explorer.look({"outcome.window_hours": 24.0})', "exploring.form(explorer, inputs)"),
        )

    def _see(self, plan: Plan, scope: Scope, say: Say) -> Seen:
        _, lacking = with_covariates(self.checked, plan)  # refuses what these tables cannot be grouped by
        cells = self._cells_of(plan, scope, say)
        held = tuple(name for name in plan.design.confounders if name in cells.frame.columns)
        notes = tuple(f"Not assessed: {what}, {why}." for what, why in lacking)
        key = (_summing_key(plan), scope, plan.design.primary, plan.decision.level)
        if key not in self._estimates:
            self._estimates[key] = estimates_of(cells, plan, held)
        estimates = self._estimates[key]
        return Seen(self.plan, plan, scope, cells, estimates, notes)

    def _cells_of(self, plan: Plan, scope: Scope, say: Say) -> Cells:
        key = (_summing_key(plan), scope)
        if key not in self._summed:
            self._summed[key] = self._finest(plan, say).cells(plan, scope)
        return self._summed[key]

    def _finest(self, plan: Plan, say: Say = lambda line: None) -> Finest:
        counted = self._counted.setdefault(_counting_key(plan), [])
        for each in counted:
            if each.has(plan):
                return each
        windows = self.windows if plan.outcome.window_hours in self.windows else (plan.outcome.window_hours,)
        held = [name for name in self.may_be_held_fixed if name not in plan.design.mediators]
        say(f"counting every link rule within {', '.join(f'{hours:g}' for hours in windows)} h")
        began = time.perf_counter()
        counted.append(finest_cells(self.checked, plan, windows, tuple(dict.fromkeys((*held, *held_fixed(plan))))))
        self.seconds_to_count = time.perf_counter() - began
        return counted[-1]


def explore(inputs: Inputs, now: datetime | None = None) -> Explorer:
    """Reads, checks and counts a study, ready to be looked at.

    Parameters
    ----------
    inputs : what :func:`counterfault.open_inputs` was given.
    now : as for :func:`counterfault.check`; the present where absent.

    Raises
    ------
    SourceError, ContractError, PlanError : the study cannot be read, used or followed.
    """
    with PassingLine() as line:
        return explored(inputs, lambda told: line(told, 0, 0), now)


def explored(inputs: Inputs, say: Say, now: datetime | None = None) -> Explorer:
    """As :func:`explore`, telling somebody else what takes its time."""
    say(f"reading {', '.join(inputs.shown().values())}")
    raw = inputs.read()
    say("checking every row")
    checked = check(raw, inputs.plan, now=now or datetime.now(UTC))
    # What was named beside the plan is part of what a written plan must find again.
    plan = inputs.plan.model_copy(update={"sources": inputs.sources})
    return Explorer(checked, plan, inputs.plan_path, say)


def offered_windows(plan: Plan) -> tuple[float, ...]:
    """Windows counted at the start: usual ones, and whatever the plan names.

    A window longer than deployments are followed for would be refused anyway.
    """
    named = {plan.outcome.window_hours, *plan.challenges.link_rules.windows_hours, *WINDOWS}
    longest = plan.outcome.follow_up_hours
    if longest is not None:
        named = {hours for hours in named if hours <= longest} | {plan.outcome.window_hours}
    return tuple(sorted(named))


def _counting_key(plan: Plan) -> str:
    """What a count depends on beside the choices its cells hold."""
    rest = plan.model_dump_json(exclude=dict.fromkeys(CHEAP, True) | {"outcome": {"link", "window_hours"}})
    return f"{rest}{sorted(plan.design.bins.items())}"


def _summing_key(plan: Plan) -> str:
    """What cells depend on; the level and what is worth acting on come after them."""
    design = plan.design.model_dump_json(include={"strata", "cluster", "confounders"})
    return f"{_counting_key(plan)}{plan.outcome.link}{plan.outcome.window_hours}{design}"


def _linking_key(plan: Plan) -> str:
    return plan.model_dump_json(include={"outcome": {"link", "window_hours", "hops", "severity_at_most"}})


def _as_markdown(sentence: str) -> str:
    """A name from the data is text, whatever signs it holds."""
    return re.sub(r"([\\`*_{}\[\]<>#|~$&])", r"\\\1", sentence)
