"""Would one service, team, tool, group of authors or month alone have given us this answer?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import inf, isnan, log
from typing import Self

from counterfault.cells import Cells
from counterfault.challenges.stratified_omissions import anew, unchanged, without_each
from counterfault.counting.covariates import MISSING
from counterfault.counting.leave_out_cells import LEFT_OUT, Dimension, LeaveOutCells, leave_out_cells
from counterfault.display import settings_html
from counterfault.estimate import Estimand, Estimate, figures, not_estimable
from counterfault.estimating.effects import planned_contrast
from counterfault.estimating.study import Study
from counterfault.estimators.one_thread import on_one_thread
from counterfault.estimators.tables import stratified
from counterfault.plan import Plan

DIMENSIONS: tuple[Dimension, ...] = ("service", "team", "tool", "author_cluster", "month")
NOUN = {"author_cluster": "author group"}
UNNAMED = {"team": "changes of no named team", "tool": "AI-assisted changes of no named tool"}
MOST_NAMED = 3  # in one sentence


@dataclass(frozen=True)
class LeaveOneOut:
    """The stratified risk ratio without each cluster in turn.

    Clusters, never people: the smallest unit this suite names is a service.
    """

    column: str = "service"

    def __call__(self, cells: Cells, level: float = 0.95) -> tuple[Estimate, ...]:
        names = sorted(cells.frame.loc[cells.frame["events"] > 0, self.column].unique())
        if len(names) < 2:
            return ()
        found = without_each(cells, self.column, level)
        whole = stratified.risk_ratio(cells, level)
        # Not among what was found: in strata without a comparison, where leaving it out changes nothing.
        return tuple(found.get(name) or unchanged(whole, name) for name in names)

    def without(self, cells: Cells, name: str, level: float) -> Estimate:
        """The ratio of all other clusters, estimated anew."""
        return anew(cells, self.column, name, level)


@dataclass(frozen=True)
class LeaveOneOutOf:
    """Is there one whose omission turns the answer, or lets its interval reach 1?

    Parameters
    ----------
    by : what is left out one at a time. Of a tool, the AI-assisted changes made with it.
    author_clusters : authors are pooled into at most so many groups, each of three or more; no author is ever named.

    Notes
    -----
    Calling it with a study and its primary estimate returns one estimate ``leave_one_out.<by>`` for each. Its value is
    the primary estimator without whatever draws the ratio most towards 1 or furthest across, named in the label. Its
    ``parts`` are all omissions that change anything, as stratified Mantel–Haenszel ratios: they come from sums over
    strata, so that thousands of services cost no more than one. Its support counts ``omissions``, those ``across``
    (the stratified ratio lies on the other side of 1 than with everything) and those ``reaching`` (its interval holds
    1, and did not with everything).

    Assumes nothing beyond what both estimators do. An omission is no estimate for those left: it asks who carries the
    answer, as influence diagnostics do (Cook 1977, Technometrics 19:15), and the most influential of many was chosen
    because it is the most influential.

    Examples
    --------
    >>> (without_one_service,) = cf.LeaveOneOutOf(by=("service",))(study, primary)
    """

    by: tuple[Dimension, ...] = DIMENSIONS
    author_clusters: int = 10

    _repr_html_ = settings_html

    def __post_init__(self) -> None:
        if unknown := [each for each in self.by if each not in DIMENSIONS]:
            raise ValueError(f"LeaveOneOutOf: by = {unknown[0]!r} is nothing to leave out; use {', '.join(DIMENSIONS)}")

    @classmethod
    def of(cls, plan: Plan) -> Self:
        """As the plan promises."""
        return cls(plan.challenges.leave_one_out.by, plan.challenges.leave_one_out.author_clusters)

    @on_one_thread
    def __call__(
        self, study: Study, primary: Estimate, progress: Callable[[int, int], None] | None = None
    ) -> tuple[Estimate, ...]:
        found = []
        for done, by in enumerate(self.by, start=1):
            found.append(self._leaving_out(by, study, primary).named(f"leave_one_out.{by}"))
            if progress:
                progress(done, len(self.by))
        return tuple(found)

    def _leaving_out(self, by: Dimension, study: Study, primary: Estimate) -> Estimate:
        if not primary.estimable or not primary.value > 0:
            return _nothing(
                "the primary ratio is zero or has no value, so no omission can be compared with it", primary
            )
        counted = leave_out_cells(
            study.counted.rows, study.linked, study.plan, by, study.confounders, self.author_clusters
        )
        if isinstance(counted, str):
            return _nothing(counted, primary)
        omitted = without_each(counted.cells, LEFT_OUT, primary.interval.level)
        if len(omitted) < 2:
            noun = NOUN.get(by, by)
            reason = f"{len(omitted)} {noun} has failures that can be compared; it takes 2 to leave one out"
            return _nothing(reason, primary)
        names = {value: _called(by, value, counted.groups) for value in omitted}
        whole = stratified.risk_ratio(counted.cells, primary.interval.level)
        return _Omissions(counted, whole, omitted, names, study, primary).answer()


@dataclass(frozen=True)
class _Omissions:
    """The stratified ratios without each value, and what they make of the primary estimate."""

    counted: LeaveOutCells
    whole: Estimate
    stratified: Mapping[str, Estimate]
    names: Mapping[str, str]
    study: Study
    primary: Estimate

    def answer(self) -> Estimate:
        worst = min(self.stratified, key=lambda value: self._kept(self.stratified[value].value, value))
        nearest = min(self.stratified, key=lambda value: self._kept(self._near_limit(self.stratified[value]), value))
        found = self._headline(worst)
        second = found if nearest == worst else self._headline(nearest)
        parts = tuple(replace(item, label=f"without {self.names[value]}") for value, item in self.stratified.items())
        told = (*self._turned(found), *self._reached(found, second), *self._in_strata())
        return replace(
            found,
            parts=parts,
            caveats=(*told, *found.caveats) if found.estimable else (f"{found.label}: {found.caveats[0]}", *told),
            support={**found.support, **self._counts()},
        )

    def _headline(self, value: str) -> Estimate:
        """The primary estimator without one value."""
        cells = self.counted.cells
        rest = replace(cells, frame=cells.frame[cells.frame[LEFT_OUT] != value])
        plan, level = self.study.plan, self.primary.interval.level
        found = planned_contrast(rest, plan, self.study.confounders, level)
        return replace(found, label=f"without {self.names[value]}", outcome=self.primary.outcome, parts=())

    @property
    def _above(self) -> bool:
        return self.primary.value >= 1

    @property
    def _clear(self) -> bool:
        """Whether there is a side to lose: an interval that holds 1 lies on none."""
        return 1.0 not in self.primary.interval

    def _kept(self, ratio: float, value: str) -> tuple[float, str]:
        """How much of the answer an omission leaves, on the log scale; names decide between equals."""
        if isnan(ratio):
            # Either nothing is left to estimate, and then nothing of the answer; or others never fail and the ratio
            # has only a lower limit, which is as far above 1 as can be.
            unbounded = self.stratified[value].interval.low > 0
            return (inf if unbounded and self._above else -inf), value
        size = log(ratio) if 0 < ratio < inf else -inf if ratio == 0 else inf
        return (size if self._above else -size), value

    def _near_limit(self, item: Estimate) -> float:
        return item.interval.low if self._above else item.interval.high

    def _turned(self, found: Estimate) -> Iterator[str]:
        across = found.value < 1 if self._above else found.value > 1
        if not self._clear:
            yield (
                "With everything the interval holds 1, so on which side of 1 the ratio then lies says little; "
                f"{found.label} it is {found.value:.2f}."
                if found.estimable
                else "With everything the interval holds 1."
            )
        elif across:
            yield f"{_sentence(found.label)} the ratio {'falls below' if self._above else 'rises above'} 1."

    def _reached(self, *headlines: Estimate) -> Iterator[str]:
        if not self._clear:
            return
        reaching = {item.label: item.interval for item in headlines if item.estimable and 1.0 in item.interval}
        for label, limits in reaching.items():
            yield (
                f"{_sentence(label)} the interval holds 1 ({figures(limits.low)} to {figures(limits.high)}), which it "
                "does not with everything."
            )

    def _in_strata(self) -> Iterator[str]:
        """Which omissions turn the stratified ratio, and how far it moves."""
        if self._clear and (turned := self._across()):
            more = f" and {len(turned) - MOST_NAMED} more" if len(turned) > MOST_NAMED else ""
            named = ", ".join(self.names[value] for value in turned[:MOST_NAMED])
            yield f"The stratified ratio changes sides of 1 without {named}{more}."
        known = {value: item.value for value, item in self.stratified.items() if item.estimable}
        if known:
            low, high = min(known, key=lambda value: known[value]), max(known, key=lambda value: known[value])
            yield (
                f"The stratified ratio moves between {known[low]:.2f} (without {self.names[low]}) and "
                f"{known[high]:.2f} (without {self.names[high]})."
            )

    def _counts(self) -> dict[str, int]:
        return {"omissions": len(self.stratified), "across": len(self._across()), "reaching": self._reaching()}

    def _across(self) -> list[str]:
        """Where the stratified ratio itself starts on the other side than the primary one, nothing turns it."""
        whole = self.whole.value
        if isnan(whole) or (whole >= 1) is not self._above:
            return []
        turned = {v: i.value for v, i in self.stratified.items() if (i.value < 1 if self._above else i.value > 1)}
        return sorted(turned, key=lambda value: self._kept(turned[value], value))

    def _reaching(self) -> int:
        if 1.0 in self.whole.interval:
            return 0
        return sum(1.0 in item.interval for item in self.stratified.values())


def _called(by: Dimension, value: str, groups: int) -> str:
    """What is left out, in words; of authors only the number of a group."""
    if by == "author_cluster":
        return f"author group {int(value)} of {groups}"
    if value == MISSING and by in UNNAMED:
        return UNNAMED[by]
    return f"AI-assisted changes made with {value}" if by == "tool" else value


def _nothing(reason: str, primary: Estimate) -> Estimate:
    return not_estimable(Estimand.RISK_RATIO, reason, method=primary.method, level=primary.interval.level)


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]
