"""What repeated answers say of the procedure, as estimates with their caveats."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

from counterfault.challenges.answer_shares import (
    MONTE_CARLO,
    Answers,
    above_one,
    below_one,
    coverage,
    ratio_seen,
    share,
    typical,
)
from counterfault.challenges.procedure import Answer
from counterfault.estimate import Estimand, Estimate, figures, not_estimable
from counterfault.estimators.detectable import minimum_detectable_effect
from counterfault.plan import Plan

SHUFFLED = 1.0  # the ratio that a shuffle plants
IN_TIME = "labels rotated in time"
SHARES = ("false_harm", "false_benefit", "coverage", "power", "call_more", "no_material_difference")
RATIOS = ("median_estimate", "minimum_detectable_effect")


@dataclass(frozen=True)
class Behaviour:
    """How the plan's procedure answered where the truth was known.

    Attributes
    ----------
    plan : the procedure.
    primary : its answer to the data as they are.
    found : planted ratio → answers; 1 for labels shuffled and nothing planted.
    rotated : answers to labels rotated in time; empty where they were not.
    failures : kept by shuffling, and in expectation by planting.
    runs_planned : how many shuffles the plan asks for.
    beyond_always : share of exposed deployments too risky for the largest planted ratio.
    """

    plan: Plan
    primary: Estimate
    found: Mapping[float, Answers]
    rotated: Answers
    failures: int
    runs_planned: int
    beyond_always: float

    def estimates(self) -> Iterator[Estimate]:
        """Everything there is to say, under stable ids."""
        yield self._alarm("false_harm", above_one)
        yield self._alarm("false_benefit", below_one)
        planted = tuple(self._of_the_planted())
        by_ratio = {ratio: coverage(each, ratio, _name(ratio), self._level) for ratio, each in self.found.items()}
        yield self._at_the_margin("coverage", by_ratio, planted)
        power = self._by_ratio(above_one)
        yield self._at_the_margin("power", power, planted)
        gates = ("Calls of the verdict with its gates taken as passed.",)
        yield self._at_the_margin("call_more", self._by_ratio(self._called("more")), gates)
        nothing = self._by_ratio(self._called("no_material_difference"))
        yield self._at_the_margin("no_material_difference", nothing, gates)
        medians = {ratio: typical(each, _name(ratio), self._level) for ratio, each in self.found.items()}
        yield self._at_the_margin("median_estimate", medians, ())
        seen = ratio_seen(power)
        yield self._named(seen, "minimum_detectable_effect", (), (*seen.caveats, *self._by_formula()))

    @property
    def _level(self) -> float:
        return self.plan.decision.level

    def _called(self, call: str) -> Callable[[Answer], bool]:
        return partial(_is_called, call, self.plan.decision.worth_acting_on)

    def _by_ratio(self, holds: Callable[[Answer], bool]) -> dict[float, Estimate]:
        return {ratio: share(each, holds, _name(ratio), self._level) for ratio, each in self.found.items()}

    def _alarm(self, name: str, holds: Callable[[Answer], bool]) -> Estimate:
        whole = share(self.found[SHUFFLED], holds, "labels shuffled", self._level)
        parts = [share(self.rotated, holds, IN_TIME, self._level)] if self.rotated else []
        return self._named(whole, name, parts, (*self._of_the_null(), *_unanswered(whole)))

    def _at_the_margin(self, name: str, by_ratio: Mapping[float, Estimate], caveats: tuple[str, ...]) -> Estimate:
        """The one at the smallest ratio worth acting on, with all of them as its parts."""
        whole = by_ratio[self.plan.decision.worth_acting_on]
        return self._named(whole, name, by_ratio.values(), (*whole.caveats, *caveats, *_unanswered(whole)))

    def _named(self, found: Estimate, name: str, parts: Iterable[Estimate], caveats: tuple[str, ...]) -> Estimate:
        id = f"plasmode.{name}"
        design = f"labels shuffled within {self._place}"
        marked = tuple(part.named(id, design=_design(part, design)) for part in parts)
        return replace(found, id=id, design=design, parts=marked, caveats=caveats)

    @property
    def _place(self) -> str:
        return " × ".join(self.plan.design.strata)

    def _of_the_null(self) -> Iterator[str]:
        held = " and ".join(name.replace("_", " ") for name in self.primary.adjustment)
        gone = f", and there {held} no longer go with AI assistance" if held else ""
        yield (
            f"Labels are shuffled within {self._place}{gone}: this shows what chance does to the procedure, and not "
            "what confounders, wrong links or wrong labels do."
        )
        if (runs := len(self.found[SHUFFLED])) < self.runs_planned:
            yield f"On so many deployments a fit takes long: {runs} shuffles made of {self.runs_planned} planned."
        if not self.rotated:
            yield (
                "Shuffling scatters labels that came in runs. Where labels and failures both cluster in time, false "
                "alarms are more frequent than this."
            )

    def _of_the_planted(self) -> Iterator[str]:
        yield (
            f"Planting keeps the number of failures seen ({self.failures}), so these are shares for an organisation "
            "with as many, whatever a true ratio has already added to them."
        )
        if self.beyond_always > 0.01:
            yield (
                f"{self.beyond_always:.0%} of AI-assisted deployments lie in strata where so many fail that "
                f"{max(self.found):g} times their risk is above 1; there less than the ratio was planted."
            )

    def _by_formula(self) -> Iterator[str]:
        formula = minimum_detectable_effect(self.primary)
        if formula is not None:
            yield f"From the standard error of the estimate itself, the formula gives {figures(formula)}."


def silent(reason: str, level: float) -> Iterator[Estimate]:
    """All estimates with the reason why there is none.

    Parameters
    ----------
    reason : a sentence.
    level : of the intervals there would have been.
    """
    for names, estimand, method in (
        (SHARES, Estimand.RISK, MONTE_CARLO),
        (RATIOS, Estimand.RISK_RATIO, "over the runs"),
    ):
        for name in names:
            yield not_estimable(estimand, reason, method=method, level=level).named(f"plasmode.{name}")


def _is_called(call: str, worth_acting_on: float, answer: Answer) -> bool:
    return answer.call(worth_acting_on) == call


def _name(ratio: float) -> str:
    return f"ratio {ratio:g}"


def _design(part: Estimate, shuffled: str) -> str:
    return shuffled.replace("shuffled", "rotated") if part.label == IN_TIME else shuffled


def _unanswered(found: Estimate) -> Iterator[str]:
    if missing := found.support.get("no_answer", 0):
        yield f"{missing} of {found.support['runs']} runs gave no ratio; they count as neither above nor below 1."
