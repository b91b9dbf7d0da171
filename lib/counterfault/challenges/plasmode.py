"""How does this very procedure behave on these very data, when nothing is there and when something known is?

A plasmode takes real data and makes one thing in them known (Franklin et al. 2014, Computational Statistics & Data
Analysis 72:219; reviewed by Schreck et al. 2024, Statistics in Medicine 43:1804). Here it is what AI assistance does to
failures: nothing, as labels are shuffled within strata, or a planted ratio. Everything else, from the sizes of services
to covariates that nobody invented, is as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count

import numpy as np
import pandas as pd

from counterfault.cells import Cells
from counterfault.challenges.answer_shares import Answers
from counterfault.challenges.behaviour import SHUFFLED, Behaviour, silent
from counterfault.challenges.planted_ratio import beyond_always, planted
from counterfault.challenges.procedure import Procedure, Regression, answers, procedure_of
from counterfault.challenges.shuffled_labels import Codes, Dealt, InTime, shuffled, strata_of
from counterfault.display import settings_html
from counterfault.estimate import Estimate
from counterfault.estimating.study import Study
from counterfault.estimators.one_thread import on_one_thread
from counterfault.estimators.poisson.coincidence import background
from counterfault.estimators.poisson.repeated_fits import patterns_of
from counterfault.plan import Plan

Progress = Callable[[int, int], None]
MOST_ENTRIES = 6_000_000  # entries of a regression over all fits: about half a minute
FEWEST_RUNS = 100
MOST_IN_TIME = 200_000  # deployments laid out one by one; beyond, rotation would take longer than all the rest


@dataclass(frozen=True)
class Plasmode:
    """The plan's primary estimate and call on the study's deployments with labels shuffled, and with ratios planted.

    Parameters
    ----------
    runs : how often labels are shuffled within strata. Half as many are rotated in time.
    ratios : planted into the first half of the shuffled data; the plan's ``worth_acting_on`` is added to them.
    seed : of everything drawn; same seed, same numbers.

    Examples
    --------
    >>> found = cf.Plasmode(runs=100, ratios=(1.5,))(study, primary)
    """

    runs: int = 400
    ratios: tuple[float, ...] = (1.25, 1.5, 2.0)
    seed: int = 20_260_101

    _repr_html_ = settings_html

    @classmethod
    def of(cls, plan: Plan) -> Plasmode:
        """The settings of a plan."""
        wanted = plan.challenges.plasmode
        return cls(wanted.runs, wanted.ratios, plan.challenges.seed)

    @on_one_thread
    def __call__(self, study: Study, primary: Estimate, progress: Progress | None = None) -> tuple[Estimate, ...]:
        """False alarms, power and coverage of this procedure on these data.

        Parameters
        ----------
        study : its deployments, and the plan.
        primary : the estimate whose behaviour is asked about.
        progress : called with fits done and fits in all.

        Returns
        -------
        Under the ids ``plasmode.``… ``false_harm`` and ``false_benefit`` (interval above, below 1 although nothing is
        there), ``power`` (interval above 1), ``coverage`` (of the planted ratio), ``call_more`` and
        ``no_material_difference`` (calls of the verdict, gates aside), each a share with an interval for the number of
        runs and with one part per ratio; ``median_estimate``; and ``minimum_detectable_effect``.
        """
        if reason := _too_little(study, primary):
            return tuple(silent(reason, study.level))
        return self.on(study.cells, study.plan, study.confounders, primary, study.by_week, progress)

    def on(
        self,
        cells: Cells,
        plan: Plan,
        adjust_for: tuple[str, ...],
        primary: Estimate,
        by_week: Callable[[], Cells] | None = None,
        progress: Progress | None = None,
    ) -> tuple[Estimate, ...]:
        """The same on cells.

        Parameters
        ----------
        cells, plan, adjust_for : deployments, the procedure, and the confounders that it holds fixed.
        primary : the estimate of these cells.
        by_week : gives the cells with weeks told apart, to rotate labels in time.
        progress : called with fits done and fits in all.
        """
        deployments = _Deployments.of(cells, plan, adjust_for)
        ratios = sorted({*self.ratios, plan.decision.worth_acting_on})
        runs = deployments.affordable(self.runs)
        half = -(-runs // 2)
        order = self._in_time(deployments, by_week, plan)
        total = runs + half * len(ratios) + (half if order else 0)
        ticks = count(1)
        fit = partial(deployments.answers, after_each=lambda: progress and progress(next(ticks), total))
        shuffles = deployments.shuffled(runs, self._random("shuffle"))
        found = {SHUFFLED: fit(shuffles)}
        for ratio in ratios:
            found[ratio] = fit(deployments.planted(shuffles.first(half), ratio, self._random(ratio)))
        rotated = fit(order.rotated(half, self._random("rotate"))) if order else ()
        behaviour = Behaviour(
            plan, primary, found, rotated, deployments.failures, self.runs, deployments.beyond_always(ratios[-1])
        )
        return tuple(behaviour.estimates())

    def _in_time(self, deployments: _Deployments, by_week: Callable[[], Cells] | None, plan: Plan) -> InTime | None:
        if by_week is None or "week" in plan.design.strata or deployments.patterns["n"].sum() > MOST_IN_TIME:
            return None
        return InTime.of(by_week(), deployments.patterns, self._random("order"))

    def _random(self, purpose: str | float) -> np.random.Generator:
        """One source of chance for each purpose, so that another list of ratios changes no other number."""
        words = purpose.encode() if isinstance(purpose, str) else repr(float(purpose)).encode()
        return np.random.default_rng([self.seed, *words])


@dataclass(frozen=True)
class _Deployments:
    """The deployments of strata with failures (no other enters a ratio), and the procedure on them."""

    patterns: pd.DataFrame
    strata: Codes
    procedure: Procedure
    coincidence: float

    @property
    def failures(self) -> int:
        return int(self.patterns["events"].sum())

    @classmethod
    def of(cls, cells: Cells, plan: Plan, adjust_for: tuple[str, ...]) -> _Deployments:
        held = () if plan.design.primary == "stratified.risk_ratio" else adjust_for
        patterns = patterns_of(cells, held)
        failures = np.bincount(strata_of(patterns, cells.strata), patterns["events"])
        patterns = patterns[(failures > 0)[strata_of(patterns, cells.strata)]].reset_index(drop=True)
        corrected = plan.design.primary == "corrected.risk_ratio"
        return cls(
            patterns=patterns,
            strata=strata_of(patterns, cells.strata),
            procedure=procedure_of(plan, patterns, cells, held),
            coincidence=background(cells).share if corrected else 0.0,
        )

    def affordable(self, runs: int) -> int:
        """Fewer than asked for where one fit takes long; the same number on every machine."""
        if not isinstance(self.procedure, Regression):
            return runs
        shared = MOST_ENTRIES // (2 * len(self.patterns)) // 3  # shuffles, and about twice as many fits beside them
        return min(runs, max(shared, FEWEST_RUNS))

    def shuffled(self, runs: int, random: np.random.Generator) -> Dealt:
        return shuffled(self.patterns, self.strata, runs, random)

    def planted(self, dealt: Dealt, ratio: float, random: np.random.Generator) -> Dealt:
        return planted(dealt, self.patterns, self.strata, self._observed(ratio), random)

    def beyond_always(self, ratio: float) -> float:
        return beyond_always(self.patterns, self.strata, self._observed(ratio))

    def answers(self, dealt: Dealt, after_each: Callable[[], object]) -> Answers:
        return answers(self.procedure, dealt, after_each)

    def _observed(self, ratio: float) -> float:
        # Where the primary estimate speaks of failures that are not coincidence, that is where the ratio is planted.
        return 1 + (ratio - 1) * (1 - self.coincidence)


def _too_little(study: Study, primary: Estimate) -> str:
    """Why the procedure cannot be tried on these data; empty if it can."""
    if not primary.estimable:
        return f"The primary estimate itself cannot be made: {primary.caveats[0]}"
    events, wanted = study.cells.two_by_two().support()["events"], study.plan.gates.min_events
    if events < wanted:
        return (
            f"{events} deployments in the contrast failed; with fewer than {wanted} (gates.min_events) no call is "
            "made, and there is none to try."
        )
    return ""
