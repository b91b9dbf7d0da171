"""What a fitted case series says, put into estimates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import exp

import numpy as np

from counterfault.estimate import Estimand, Estimate, Interval, not_estimable
from counterfault.estimators.poisson.conditional_poisson import Mask
from counterfault.estimators.self_control import excess_ratio
from counterfault.estimators.self_control.conditional_contrasts import Contrasted, Silence
from counterfault.estimators.self_control.excess_ratio import Excess
from counterfault.estimators.self_control.log_ratio import LogRatio, few
from counterfault.estimators.self_control.no_events_bound import log_probability_of_silence, upper_limit
from counterfault.estimators.self_control.risk_time_problem import COMPARISONS, Question, RiskProblem, questions_of
from counterfault.estimators.self_control.self_controlled_silence import why
from counterfault.panels import RiskTime

_EXACT = "no incident in this state: exact upper limit given each stratum's incidents, taken for independent"


@dataclass(frozen=True, slots=True)
class Answers:
    """A fit and the questions it was asked.

    Attributes
    ----------
    panel, problem, found : what was fitted, and the fit.
    asked : one question for each contrast of ``found``, in order.
    level : of the intervals.
    """

    panel: RiskTime
    problem: RiskProblem
    found: Contrasted
    asked: tuple[Question, ...]
    level: float

    def group(self, comparison: str) -> tuple[Estimate, ...]:
        """The estimates of one comparison: the pieces, then the time before."""
        return tuple(
            self._estimate(question) for question in questions_of(self.panel) if question.comparison == comparison
        )

    def excess(self) -> Estimate:
        """Incidents added in the first piece after AI-assisted deployments for each added after others."""
        first = [next(question for question in self.asked if question.comparison == name) for name in COMPARISONS]
        ai, other, between = (self._told(question) for question in first)
        if isinstance(ai, Silence) or isinstance(other, Silence) or isinstance(between, Silence):
            found = self._silent(first[2], next(self._reasons(first)))
        elif reason := excess_ratio.without_excess(Excess.of(ai, self.level), Excess.of(other, self.level)):
            found = self._silent(first[2], reason)
        else:
            found = self._excess(ai, other, between, first[2])
        return found.named("", estimand=Estimand.RATE_RATIO, method=f"{self._method()}; {excess_ratio.METHOD}")

    def set_aside(self) -> Iterator[str]:
        """How much time left the fit, if any did."""
        if self.found.separated.any():
            hours = self.problem.entries.size[self.found.separated].sum()
            yield (
                f"{hours:.0f} hours left the fit: no incident began in their state or part of the week where it can be "
                "compared, so their fitted rate is zero and the ratio does not depend on them."
            )

    def _excess(self, ai: LogRatio, other: LogRatio, between: LogRatio, question: Question) -> Estimate:
        above, below = Excess.of(ai, self.level), Excess.of(other, self.level)
        correlation = excess_ratio.correlation_of(ai, other, between, self.level)
        return Estimate(
            estimand=Estimand.RATE_RATIO,
            value=above.value / below.value,
            interval=Interval(*excess_ratio.limits(above, below, correlation), self.level),
            method="",
            support=self._support(question, self.found.used),
            design=self._design,
            adjustment=self.problem.held_fixed(),
            label=question.label,
            p_value=between.p_value(self.level),  # equal excesses over one background are equal rate ratios
            standard_error=excess_ratio.log_standard_error(ai, other, correlation, self.level),
            caveats=tuple(excess_ratio.unbounded_sides(above, below)),
        )

    def _reasons(self, questions: list[Question]) -> Iterator[str]:
        for question in questions:
            told = self._told(question)
            if isinstance(told, Silence):
                yield why(question, told, self.problem)

    def _told(self, question: Question) -> LogRatio | Silence:
        return self.found.ratios[self.asked.index(question)]

    def _estimate(self, question: Question) -> Estimate:
        if question not in self.asked:
            return self._silent(question, "The panel or the settings tell no time before deployments apart.")
        told = self._told(question)
        if isinstance(told, Silence):
            return self._zero(question) or self._silent(question, why(question, told, self.problem))
        informative = self.found.informative[self.asked.index(question)]
        return Estimate(
            estimand=question.estimand,
            value=exp(told.value),
            interval=told.interval(self.level),
            method=f"{self._method()}; {told.reference(self.level, 'service', 'incidents')}",
            support={**self._support(question, self.found.used), "informative_clusters": informative},
            design=self._design,
            adjustment=self.problem.held_fixed(),
            label=question.label,
            p_value=told.p_value(self.level),
            standard_error=told.error_and_reference(self.level)[0],
            caveats=tuple(few(told, informative, "service")),
        )

    def _zero(self, question: Question) -> Estimate | None:
        """A freeze that works leaves no incident before deployments; the test must see that, of all things."""
        state, entries = question.above, self.problem.entries
        if question.below or not state.column.startswith("before") or self.problem.events_in(state):
            return None
        column = self.problem.states.index(state)
        high = upper_limit(entries, self.found, column, self.level) if entries.events.any() else None
        if high is None:
            return None
        return Estimate(
            estimand=question.estimand,
            value=0.0,
            interval=Interval(0.0, high, self.level),
            method=f"{self._method()}; {_EXACT}",
            support=self._support(question, self._everything),
            design=self._design,
            adjustment=self.problem.held_fixed(),
            label=question.label,
            p_value=min(1.0, 2 * exp(log_probability_of_silence(entries, self.found, column, 1.0))),
            caveats=(f"No incident began in {state.words}.",),
        )

    def _silent(self, question: Question, reason: str) -> Estimate:
        answer = not_estimable(
            question.estimand,
            reason,
            method=self._method(),
            level=self.level,
            support=self._support(question, self._everything),
            label=question.label,
        )
        return answer.named("", design=self._design, adjustment=self.problem.held_fixed())

    @property
    def _everything(self) -> Mask:
        return np.ones(len(self.problem.entries.events), dtype=bool)

    @property
    def _design(self) -> str:
        return "within service × block"

    def _support(self, question: Question, counted: Mask) -> dict[str, int]:
        """Counts of these entries; "exposed" is the first state compared, "unexposed" what it is compared with."""
        entries, problem = self.problem.entries, self.problem
        exposed = counted & problem.in_state(question.above) & (question in self.asked)
        against = problem.in_state(question.below) if question.below else problem.in_no_state()
        unexposed = counted & against & (question in self.asked)
        return {
            "events": int(entries.events[counted].sum()),
            "exposed_events": int(entries.events[exposed].sum()),
            "unexposed_events": int(entries.events[unexposed].sum()),
            "hours": round(float(entries.size[counted].sum())),
            "exposed_hours": round(float(entries.size[exposed].sum())),
            "unexposed_hours": round(float(entries.size[unexposed].sum())),
            "strata": int(np.count_nonzero(np.bincount(entries.strata[counted]))),
            "clusters": int(np.count_nonzero(np.bincount(entries.clusters))),
        }

    def _method(self) -> str:
        cuts = self.panel.cuts
        pieces = ", ".join(f"[{low:g}, {high:g})" for low, high in pairwise(cuts))
        return (
            "self-controlled case series (Farrington 1995): Poisson regression on service time, offset log hours, "
            f"service × block effects conditioned out, half-open risk periods {pieces} h"
        )
