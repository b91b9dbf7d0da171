"""Had the service just shipped when the incident began, more often than at like moments without it?

The case-crossover (Maclure 1991, American Journal of Epidemiology 133:144) compares each incident's moment with other
moments of the same service, so that whatever does not change within a month cancels, and so do weekday and hour.
Referents are time-stratified: all like moments of the calendar month, before and after. Earlier ones only
would mistake a rising share of AI for an effect (Lumley & Levy 2000, Environmetrics 11:689; Levy, Lumley, Sheppard,
Kaufman & Checkoway 2001, Epidemiology 12:186).

A set's likelihood is that of conditional logistic regression, exp(β·x of the case) / Σ exp(β·x of its moments).
With all moments of a stratum as referents this is the likelihood of Poisson counts given the stratum's total (Lu &
Zeger 2007, Biostatistics 8:337), so the odds ratio it estimates is a ratio of incident *rates*, however common
incidents are, and the fit is that of the case series with moments in the place of hours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp
from typing import NamedTuple

import numpy as np
import pandas as pd

from counterfault.estimate import Estimand, Estimate, Interval, not_estimable
from counterfault.estimators.poisson.cluster_robust import Codes, Floats, SmallSample
from counterfault.estimators.self_control import excess_ratio
from counterfault.estimators.self_control.conditional_contrasts import Contrasted, Entries, Silence, fit_contrasts
from counterfault.estimators.self_control.excess_ratio import Excess
from counterfault.estimators.self_control.log_ratio import few
from counterfault.panels import ReferentSets

__all__ = ["CaseCrossover", "Crossover"]

# (AI, other) deployments in the hours before a moment, in the order of the columns n00, n10, n01, n11.
_PATTERNS = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], dtype=np.float64)
_MOMENTS = ("n00", "n10", "n01", "n11")
_CASES = ("case_ai", "case_other")
_DESIGN = "within service × calendar month × weekday × hour"

_CAVEAT = (
    "Deployments are taken as given: where an incident holds deployments back for a week or longer (a freeze), the "
    "moments after it follow fewer deployments and the ratios come out too high. Windows of neighbouring incidents "
    "overlap, so sets of one service are not independent; the error is clustered for that."
)


class Crossover(NamedTuple):
    """What a case-crossover answers, each under its stable id ``case_crossover.…``."""

    odds_ratio_ai: Estimate
    odds_ratio_other: Estimate
    ratio: Estimate
    excess_ratio: Estimate


@dataclass(frozen=True)
class CaseCrossover:
    """How many times as often do incidents begin just after an AI-assisted (or another) deployment as at like moments?

    Parameters
    ----------
    at_least_model : whether an interval is widened to that of independent sets where that is wider.

    Notes
    -----
    Calling it with :class:`~counterfault.panels.ReferentSets` and a confidence level returns a :class:`Crossover`: the
    two ratios, each with the other kind of deployment held fixed, the first over the second, and (RR − 1) of the first
    over (RR − 1) of the second: incidents *added* by AI-assisted deployments for each added by others, which unrelated
    incidents do not dilute. Called odds ratios, as the design's literature has it, they are ratios of rates.

    The error is clustered by service with CR1 and t with G−1 degrees of freedom, G being the services with a set whose
    moments differ; only such sets count.

    Assumed: the ratio is the same in all sets; rates multiply where both kinds of deployment precede a moment;
    deployments do not depend on incidents; nothing but weekday, hour and month tells when incidents and
    deployments both come.

    Raises
    ------
    ValueError
        When the level is not in (0, 1) or the sets are not what their docstring says.
    """

    at_least_model: bool = True

    def __call__(self, sets: ReferentSets, level: float = 0.95) -> Crossover:
        if not 0 < level < 1:
            raise ValueError(f"level is {level}; a confidence level lies between 0 and 1, such as 0.95.")
        frame = _usable(sets)
        contrasts = np.column_stack([question.contrast for question in _QUESTIONS])
        found = fit_contrasts(_entries(frame), contrasts, SmallSample.CR1, at_least_model=self.at_least_model)
        answers = _Answers(frame, found, sets.window_hours, level)
        return Crossover(
            answers.estimate(_AI).named("case_crossover.odds_ratio_ai"),
            answers.estimate(_OTHER).named("case_crossover.odds_ratio_other"),
            answers.estimate(_RATIO).named("case_crossover.ratio"),
            answers.excess().named("case_crossover.excess_ratio"),
        )


@dataclass(frozen=True, slots=True)
class _Question:
    """One coefficient (0 AI, 1 other), or the first against the second."""

    columns: tuple[int, ...]
    words: str

    @property
    def estimand(self) -> Estimand:
        return Estimand.RATIO_OF_RATIOS if len(self.columns) == 2 else Estimand.RATE_RATIO

    @property
    def contrast(self) -> Floats:
        weights = np.zeros(2)
        weights[list(self.columns)] = (1.0, -1.0)[: len(self.columns)]
        return weights


_AI = _Question((0,), "an AI-assisted deployment")
_OTHER = _Question((1,), "another deployment")
_RATIO = _Question((0, 1), "either kind of deployment")
_QUESTIONS = (_AI, _OTHER, _RATIO)


@dataclass(frozen=True, slots=True)
class _Answers:
    """A fit, put into words."""

    frame: pd.DataFrame
    found: Contrasted
    window: float
    level: float

    def estimate(self, question: _Question) -> Estimate:
        place = _QUESTIONS.index(question)
        told, informative = self.found.ratios[place], self.found.informative[place]
        if isinstance(told, Silence):
            return self._silent(question, told)
        return Estimate(
            estimand=question.estimand,
            value=exp(told.value),
            interval=told.interval(self.level),
            method=f"{self._method()}; {told.reference(self.level, 'service', 'sets')}",
            support={**self._support(question), "informative_clusters": informative},
            design=_DESIGN,
            p_value=told.p_value(self.level),
            standard_error=told.error_and_reference(self.level)[0],
            caveats=(*few(told, informative, "service"), _CAVEAT),
        )

    def excess(self) -> Estimate:
        """Incidents added after AI-assisted deployments for each added after others."""
        method = f"{self._method()}; {excess_ratio.METHOD}"
        told = self.found.ratios[: len(_QUESTIONS)]
        for question, one in zip(_QUESTIONS, told, strict=True):
            if isinstance(one, Silence):
                return replace(self._silent(question, one), estimand=Estimand.RATE_RATIO, method=method)
        ai, other, between = (one for one in told if not isinstance(one, Silence))
        above, below = Excess.of(ai, self.level), Excess.of(other, self.level)
        if reason := excess_ratio.without_excess(above, below):
            return replace(self._not_estimable(_RATIO, reason), estimand=Estimand.RATE_RATIO, method=method)
        correlation = excess_ratio.correlation_of(ai, other, between, self.level)
        return Estimate(
            estimand=Estimand.RATE_RATIO,
            value=above.value / below.value,
            interval=Interval(*excess_ratio.limits(above, below, correlation), self.level),
            method=method,
            support=self._support(_RATIO),
            design=_DESIGN,
            p_value=between.p_value(self.level),  # equal excesses over one background are equal rate ratios
            standard_error=excess_ratio.log_standard_error(ai, other, correlation, self.level),
            caveats=(*excess_ratio.unbounded_sides(above, below), _CAVEAT),
        )

    def _silent(self, question: _Question, silence: Silence) -> Estimate:
        return self._not_estimable(question, _why(question, silence, self._support(question)))

    def _not_estimable(self, question: _Question, reason: str) -> Estimate:
        support = self._support(question)
        answer = not_estimable(question.estimand, reason, method=self._method(), level=self.level, support=support)
        return answer.named("", design=_DESIGN)

    def _method(self) -> str:
        return (
            "case-crossover with time-stratified referents (Levy et al. 2001), conditional logistic regression on "
            f"deployments in the {self.window:g} h before a moment"
        )

    def _support(self, question: _Question) -> dict[str, int]:
        """All sets; those whose moments differ in what is asked; and, of these, incidents that followed each kind."""
        sets, moments = self.frame["sets"].to_numpy(), self.frame[list(_MOMENTS)].to_numpy()
        follow = moments @ _PATTERNS[:, list(question.columns)]
        differs = ((follow > 0) & (follow < moments.sum(axis=1, keepdims=True))).any(axis=1)
        counts = {
            "sets": int(sets.sum()),
            "discordant_sets": int(sets[differs].sum()),
            "clusters": self.frame["service"].nunique(),
        }
        for name, column in zip(("exposed_cases", "unexposed_cases"), question.columns, strict=False):
            counts[name] = int((sets * self.frame[_CASES[column]].to_numpy())[differs].sum())
        return counts


def _why(question: _Question, silence: Silence, support: dict[str, int]) -> str:
    words, discordant = question.words, support["discordant_sets"]
    match silence:
        case Silence.NO_EVENTS:
            return "There is no referent set, because no incident began where it could have one."
        case Silence.NOT_APART if not discordant:
            return f"None of the {support['sets']} sets has moments that differ in whether {words} came before them."
        case Silence.NOT_APART:
            return (
                f"In the {discordant} sets whose moments differ in whether {words} came before them, the two kinds of "
                "deployment always come and go together, so their ratios cannot be told apart."
            )
        case Silence.ONE_SIDED:
            return _one_sided(question, support)
        case Silence.ONE_CLUSTER:
            return f"All sets that can be compared for {words} are of one service, which cannot show how they differ."
        case Silence.NO_SPREAD:
            return f"All services agree exactly on {words}, so there is no variation to compute a standard error from."
        case Silence.UNSETTLED:
            return "The fit did not settle: the log-likelihood is too flat to have a maximum."


def _one_sided(question: _Question, support: dict[str, int]) -> str:
    words, discordant = question.words, support["discordant_sets"]
    if question is not _RATIO and support["exposed_cases"] in (0, discordant):
        which, size = ("no", "zero") if support["exposed_cases"] == 0 else ("every", "infinite")
        return (
            f"Of the {discordant} sets that differ in it, in {which} one the incident followed {words}: the ratio "
            f"would be {size}, without an interval."
        )
    return (
        f"Incidents fell on one side only wherever {words} can be compared ({discordant} sets): the ratio has no "
        "finite estimate."
    )


def _entries(frame: pd.DataFrame) -> Entries:
    """One stratum per service and kind of set, one entry per pattern of deployments its moments show."""
    kind = frame.groupby(["service", *_MOMENTS], observed=True, sort=True).ngroup().to_numpy()
    first = np.unique(kind, return_index=True)[1]
    count = len(first)
    cases = np.bincount(4 * kind + _case_pattern(frame), frame["sets"], 4 * count)
    size = frame[list(_MOMENTS)].to_numpy(np.float64)[first].reshape(-1)
    service = frame.groupby("service", observed=True).ngroup().to_numpy().astype(np.intp)
    present = size > 0
    return Entries(
        design=np.tile(_PATTERNS, (count, 1))[present],
        size=size[present],
        events=cases[present].astype(np.float64),
        strata=np.repeat(np.arange(count), 4)[present],
        clusters=np.repeat(service[first], 4)[present],
    )


def _case_pattern(frame: pd.DataFrame) -> Codes:
    """Which of the four patterns the incident's own moment shows."""
    pattern: Codes = frame["case_ai"].to_numpy(np.intp) + 2 * frame["case_other"].to_numpy(np.intp)
    return pattern


def _usable(sets: ReferentSets) -> pd.DataFrame:
    frame, needed = sets.frame, ["service", *_CASES, *_MOMENTS, "sets"]
    if absent := [name for name in needed if name not in frame.columns]:
        raise ValueError(f"Referent sets need the columns {', '.join(absent)}, which these lack.")
    if empty := [name for name in needed if frame[name].isna().any()]:
        raise ValueError(f"Referent sets have empty values in {', '.join(empty)}; each is known of every set.")
    for name in needed[1:]:
        values, highest = frame[name].to_numpy(np.float64), 1.0 if name in _CASES else np.inf
        wrong = (values < 0) | (values > highest) | (values != np.floor(values))
        if wrong.any():
            kind = "0 or 1" if name in _CASES else "a whole number from 0 up"
            raise ValueError(f"{name} holds {values[wrong][0]:g}; it is {kind}.")
    moments = frame[list(_MOMENTS)].to_numpy(np.float64)
    own = np.take_along_axis(moments, _case_pattern(frame)[:, None], axis=1)
    if (own < 1).any():
        raise ValueError(
            f"{int((own < 1).sum())} rows count no moment like the incident's own; n00 to n11 include it, so add it."
        )
    return frame.loc[frame["sets"] > 0, needed]
