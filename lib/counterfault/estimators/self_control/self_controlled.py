"""Does a service have more incidents just after it shipped than at other times, and more so after AI's work?

The self-controlled case series (Farrington 1995, Biometrics 51:228; Whitaker, Farrington, Spiessens & Musonda 2006,
Statistics in Medicine 25:1768): each service is compared with itself, within one calendar block, and no incident has to
be tied to a deployment. What does not change within a block (the team, the architecture, how closely it is watched)
cancels. Given how many incidents a service had in a block, the likelihood asks where in its time they fell.

Event-dependent exposure is the weak point. The design takes deployments as given, while after an incident people hold
deployments back (a freeze) or ship a repair. The time before deployments then has fewer or more incidents than the
rest; it is told apart from the background, which makes the dependence visible.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from counterfault.estimate import Estimate, figures
from counterfault.estimators.poisson.cluster_robust import SmallSample
from counterfault.estimators.self_control.conditional_contrasts import fit_contrasts
from counterfault.estimators.self_control.risk_time_problem import COMPARISONS, problem_of, questions_of
from counterfault.estimators.self_control.self_controlled_answers import Answers
from counterfault.panels import RiskTime

__all__ = ["NEAR_ONE", "CaseSeries", "SelfControlled", "SmallSample", "suggests_event_dependence"]

# What the rate ratio before deployments may be without alarm: the default of OHDSI's SelfControlledCaseSeries.
NEAR_ONE = (0.8, 1.25)

_AS_BACKGROUND = "time before counted as background"
_EVENT_DEPENDENCE = (
    "Deployments are taken as given. Where an incident holds deployments back (a freeze) or prompts one (a repair), "
    "the time before deployments has fewer or more incidents than the rest and the ratio is biased: read the ratios "
    "before deployments first."
)
_NO_CURE = (
    "Telling the time before deployments apart shows such dependence and does not always remove its bias; if the part "
    f"with {_AS_BACKGROUND} differs much, believe neither."
)


class SelfControlled(NamedTuple):
    """What a case series answers, each under its stable id ``self_controlled.…``."""

    rate_ratio_ai: Estimate
    rate_ratio_other: Estimate
    ratio: Estimate
    excess_ratio: Estimate
    before_ai: Estimate
    before_other: Estimate
    before_ratio: Estimate


@dataclass(frozen=True)
class CaseSeries:
    """How many times its usual rate of incidents does a service have just after it shipped, by who helped write it?

    Parameters
    ----------
    pre_exposure : whether the time before deployments has a rate of its own. Otherwise it belongs to the background,
        and ``before_*`` are not estimable.
    small_sample : correction of the covariance, which is clustered by service; CR2 gives way to CR1 where more than
        500 services inform a ratio.
    at_least_model : whether an interval is widened to that of independent incidents where that is wider.

    Notes
    -----
    Calling it with a :class:`~counterfault.panels.RiskTime` and a confidence level returns a :class:`SelfControlled`:

    * ``rate_ratio_ai``, ``rate_ratio_other``: the rate in the first piece after such a deployment,
      [0, ``cuts[1]``) h, over that of the same service, block and part of the week in no such state. ``parts``: every
      piece, the time before, and the first piece once more with the time before counted as background.
    * ``ratio``: the first over the second; ``parts`` likewise.
    * ``excess_ratio``: (RR − 1) of AI-assisted over (RR − 1) of other deployments: incidents *added* by the one for
      each added by the other. Incidents that have nothing to do with deployments dilute ``ratio`` and not this.
    * ``before_ai``, ``before_other``, ``before_ratio``: the same of the time before, as tests of event-dependent
      exposure (:func:`suggests_event_dependence`). Where no incident began in that time, the value is 0 with an exact
      upper limit.

    Pieces are half-open: an incident exactly ``cuts[1]`` hours after a deployment belongs to the second piece, so that
    no hour counts twice. The likelihood is that of Poisson counts given each stratum's total, with log hours as offset.

    Assumed: rates multiply where states overlap (after one deployment and before another); one ratio in all services
    and blocks, else it is their average weighted by information; incidents do not bring further incidents; deployments
    do not depend on incidents; services are independent of one another.

    Raises
    ------
    ValueError
        When the level is not in (0, 1) or the panel is not what its docstring says.
    """

    pre_exposure: bool = True
    small_sample: SmallSample = SmallSample.CR2
    at_least_model: bool = True

    def __call__(self, panel: RiskTime, level: float = 0.95) -> SelfControlled:
        if not 0 < level < 1:
            raise ValueError(f"level is {level}; a confidence level lies between 0 and 1, such as 0.95.")
        told = self._answers(panel, level)
        caveats = (*told.set_aside(), *_alarms(told), _EVENT_DEPENDENCE)
        again: dict[str, tuple[Estimate, ...]] = {}
        if self.pre_exposure and panel.before_hours > 0:
            plain = replace(self, pre_exposure=False)._answers(panel, level)
            again = {name: (_relabelled(plain.group(name)[0]),) for name in COMPARISONS}
            caveats += (_NO_CURE,)
        ai, other, ratio = (_whole(told.group(name), again.get(name, ()), caveats) for name in COMPARISONS)
        before_ai, before_other, before_ratio = (told.group(name)[-1] for name in COMPARISONS)
        excess = told.excess()
        return SelfControlled(
            ai.named("self_controlled.rate_ratio_ai"),
            other.named("self_controlled.rate_ratio_other"),
            ratio.named("self_controlled.ratio"),
            excess.named("self_controlled.excess_ratio", caveats=(*excess.caveats, *caveats)),
            before_ai.named("self_controlled.before_ai"),
            before_other.named("self_controlled.before_other"),
            before_ratio.named("self_controlled.before_ratio"),
        )

    def _answers(self, panel: RiskTime, level: float) -> Answers:
        problem = problem_of(panel, pre_exposure=self.pre_exposure)
        asked = [question for question in questions_of(panel) if question.above in problem.states]
        contrasts = np.column_stack([problem.contrast(question.above, question.below) for question in asked])
        found = fit_contrasts(problem.entries, contrasts, self.small_sample, at_least_model=self.at_least_model)
        return Answers(panel, problem, found, tuple(asked), level)


def suggests_event_dependence(before: Estimate) -> bool | None:
    """Whether the rate before deployments says that incidents drive deployments; None if that cannot be told.

    The interval must meet 0.8 to 1.25, which is what OHDSI's SelfControlledCaseSeries asks by default. One that meets
    it only because it is wide shows nothing either way.

    Parameters
    ----------
    before : ``before_ai`` or ``before_other`` of a :class:`SelfControlled`.
    """
    if not before.estimable:
        return None
    return before.interval.high < NEAR_ONE[0] or before.interval.low > NEAR_ONE[1]


def _alarms(told: Answers) -> tuple[str, ...]:
    return tuple(
        f"Incidents seem to drive deployments: the rate before {words} is {figures(before.value)} times the "
        f"background's ({figures(before.interval.low)} to {figures(before.interval.high)}), and not near 1."
        for words, before in (("AI-assisted ones", told.group("ai")[-1]), ("other ones", told.group("other")[-1]))
        if suggests_event_dependence(before)
    )


def _relabelled(estimate: Estimate) -> Estimate:
    return replace(estimate, label=f"{estimate.label}, {_AS_BACKGROUND}")


def _whole(group: tuple[Estimate, ...], again: tuple[Estimate, ...], caveats: tuple[str, ...]) -> Estimate:
    """The first piece, with all pieces as parts."""
    return replace(group[0], parts=(*group, *again), caveats=(*group[0].caveats, *caveats))
