"""Does the answer depend on choices that could as well have been made otherwise?

Every specification the plan calls defensible is estimated, and all of them are shown: the specification curve of
Simonsohn, Simmons & Nelson (2020), Nature Human Behaviour 4:1208, the multiverse of Steegen et al. (2016), Perspectives
on Psychological Science 11:702. Whether the curve as a whole could be there without any effect is asked by
:mod:`~counterfault.challenges.joint_permutation`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import exp, inf, sqrt

from counterfault.challenges.joint_permutation import JointPermutation, JointTest, Progress
from counterfault.challenges.specifications import CORRECTED, Choices, Specification, choices
from counterfault.counting.specification_cells import SpecificationRows, specification_rows
from counterfault.display import settings_html
from counterfault.estimate import Estimand, Estimate, Interval, figures, not_estimable
from counterfault.estimating.study import Study
from counterfault.estimators.one_thread import on_one_thread
from counterfault.plan import Plan
from counterfault.plan.challenges import Multiverse as Listed

MEDIAN, SHARE, AVERAGE_Z = "multiverse.median", "multiverse.share_significant", "multiverse.average_z"
PLANNED, OTHER = "multiverse.planned", "multiverse.specification"
METHOD = "specification curve (Simonsohn, Simmons & Nelson 2020)"
NO_INTERVAL = (
    "A median over analyses of one data set has no confidence interval of its own; its p-value is that of the joint "
    "permutation test."
)


@dataclass(frozen=True)
class Multiverse:
    """The curve of all specifications the plan lists, and the joint test of it.

    Parameters
    ----------
    listed : the plan's section: links, windows, strata, covariates, estimators, shuffles and their kind.
    seed : of the shuffles.

    Examples
    --------
    >>> median, share, average_z = cf.Multiverse.of(plan)(study, primary)
    """

    listed: Listed = field(default_factory=Listed)
    seed: int = 20_260_101

    _repr_html_ = settings_html

    @classmethod
    def of(cls, plan: Plan) -> Multiverse:
        """As the plan promises it."""
        return cls(plan.challenges.multiverse, plan.challenges.seed)

    @on_one_thread
    def __call__(self, study: Study, primary: Estimate, progress: Progress | None = None) -> tuple[Estimate, ...]:
        """The median ratio with the curve in its parts, the share of significant specifications, and the average z.

        Parameters
        ----------
        study : linked and counted under the plan whose design is the planned specification.
        primary : says which side of 1 the others are held against; where it has none, the median does.
        progress : called with work done, and all of it.

        Returns
        -------
        ``multiverse.median``, whose ``support`` counts ``specifications``, those ``estimable``, those
        ``on_primary_side`` of 1, those ``beyond_one`` (with an interval that excludes 1 on that side),
        ``permutations``, and by 1 or 0 whether the curve lies ``above_shuffles``: a small p alone does not say on which
        side of the shuffled curves it lies. Its parts are the specifications, ``multiverse.planned`` first. Then
        ``multiverse.share_significant`` and ``multiverse.average_z``, by score tests. Each with its joint p-value.
        """
        found = choices(self.listed, study.plan, study.linked.checked, study.confounders)
        rows = self._rows(study, found)
        tests = tuple(dict.fromkeys(each.uncorrected for each in found.specifications))
        told = _Told(progress, len(found.specifications) + self.listed.permutations + 1)
        parts = tuple(told.each(_estimated(found, rows, study.level, primary)))
        test = self._permutation(study, found)(rows, tests, told.after(len(parts)))
        if test is None or not any(part.estimable for part in parts):
            return tuple(_nothing(name, kind, parts, study.level) for name, kind in _KINDS.items())
        return (
            self._median(parts, primary, test, found, study),
            _joint(SHARE, float(test.shares[0]), test.p_share, test, study.level),
            _joint(AVERAGE_Z, float(test.average_z[0]), test.p_average_z, test, study.level),
        )

    def _rows(self, study: Study, found: Choices) -> SpecificationRows:
        strata = [name for each in found.specifications for name in each.strata]
        return specification_rows(
            study.counted.rows, study.linked, study.plan, study.confounders,
            strata, [each.failing for each in found.specifications],
            with_chance=any(each.estimator == CORRECTED for each in found.specifications),
        )  # fmt: skip

    @staticmethod
    def _within(study: Study, found: Choices) -> tuple[str, ...]:
        """What the planned specification holds fixed: given that, it takes labels to be as good as dealt out.

        Shuffling across the levels of a confounder would also break up the confounding, and a curve that is biased for
        want of adjustment would be called significant.
        """
        return tuple(dict.fromkeys((*study.plan.design.strata, *found.planned.adjust_for)))

    def _permutation(self, study: Study, found: Choices) -> JointPermutation:
        within, rotated = self._within(study, found), self.listed.shuffle == "rotated"
        return JointPermutation(within, self.listed.permutations, self.seed, study.level, rotated)

    def _median(
        self, parts: tuple[Estimate, ...], primary: Estimate, test: JointTest, found: Choices, study: Study
    ) -> Estimate:
        value = median_ratio([part.value for part in parts if part.estimable])
        above = (primary.value if primary.estimable else value) >= 1
        curve = Curve(parts, above)
        return Estimate(
            estimand=Estimand.RISK_RATIO,
            value=value,
            interval=Interval(0.0, inf, study.level),
            method=f"median over specifications, {METHOD}; p by {test.permutations} joint shuffles of labels",
            support={
                **curve.counts(),
                "permutations": test.permutations,
                "above_shuffles": int(test.above_shuffles),
            },
            id=MEDIAN,
            design="every specification the plan lists",
            outcome="an incident tied to the deployment, by each rule",
            p_value=test.p_median,
            parts=parts,
            caveats=(
                *curve.told(primary.estimable),
                *_of_test(test, self._within(study, found), self.listed.shuffle == "rotated"),
                NO_INTERVAL,
                *(f"Not tried: {reason}." for reason in found.not_tried),
            ),
        )


@dataclass(frozen=True)
class Curve:
    """What the specifications say together, seen from one side of 1.

    Attributes
    ----------
    parts : one estimate per specification.
    above : whether the side is that above 1.
    """

    parts: tuple[Estimate, ...]
    above: bool

    def counts(self) -> dict[str, int]:
        """How many specifications there are, and how many of them say what."""
        known = [part for part in self.parts if part.estimable]
        return {
            "specifications": len(self.parts),
            "estimable": len(known),
            "on_primary_side": sum(part.value > 1 if self.above else part.value < 1 for part in known),
            "beyond_one": sum(part.interval.low > 1 if self.above else part.interval.high < 1 for part in known),
        }

    def told(self, by_primary: bool) -> Iterator[str]:
        """The same in sentences."""
        counts = self.counts()
        known, silent = counts["estimable"], counts["specifications"] - counts["estimable"]
        yield f"{counts['specifications']} specifications, {silent} of them not estimable."
        values = [part.value for part in self.parts if part.estimable]
        yield (
            f"{counts['on_primary_side'] / known:.0%} of the estimable ones lie {'above' if self.above else 'below'} "
            f"1, {'as the primary estimate does' if by_primary else 'the side of their median'}; "
            f"{counts['beyond_one'] / known:.0%} with an interval that excludes 1 there. "
            f"They range from {figures(min(values))} to {figures(max(values))}."
        )


def median_ratio(values: Sequence[float]) -> float:
    """The median of ratios; between the two in the middle, their geometric mean.

    So that swapping the groups, which inverts every ratio, inverts the median too.
    """
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else sqrt(ordered[half - 1]) * sqrt(ordered[half])


def _estimated(found: Choices, rows: SpecificationRows, level: float, primary: Estimate) -> Iterator[Estimate]:
    """Each specification in turn; the uncorrected regression of a corrected one is fitted once for both."""
    fitted: dict[Specification, Estimate] = {}
    for each in found.specifications:
        plain = each.uncorrected
        if plain not in fitted:
            fitted[plain] = plain.estimate(rows, level)
        estimate, planned = each.corrected(fitted[plain], rows), each is found.planned
        if planned and each.estimator == CORRECTED:
            # Probabilities of coincidence are added up in another order here, which shows in the sixteenth digit.
            estimate = primary
        yield estimate.named(PLANNED if planned else OTHER, label=each.label, parts=())


def _of_test(test: JointTest, within: tuple[str, ...], rotated: bool) -> Iterator[str]:
    low, high = (exp(limit) for limit in _middle(test.medians[1:]))
    yield (
        f"Joint test, {test.permutations} times labels {'turned round in order of time' if rotated else 'shuffled'} "
        f"within {' × '.join(within)}: p {test.p_median:.3f} for "
        f"the median, {test.p_share:.3f} for the share of significant specifications, {test.p_average_z:.3f} for the "
        f"average z. By the one-step form used there, uncorrected for coincidences, the median is "
        f"{figures(exp(test.medians[0]))}; 95% of the shuffles give {figures(low)} to {figures(high)}."
    )
    if not rotated:
        yield (
            "Labels were shuffled one by one. Where deployments come in bursts of one label that one incident hits "
            "together, these p-values are too small."
        )
    if test.movable < 0.5:
        yield (
            f"Only {test.movable:.0%} of the deployments share a group with one of the other label; the rest keep "
            "theirs in every shuffle, so the test is weak."
        )


def _middle(values: object) -> tuple[float, float]:
    import numpy as np

    low, high = np.quantile(np.asarray(values, dtype=np.float64), (0.025, 0.975))
    return float(low), float(high)


_KINDS = {MEDIAN: Estimand.RISK_RATIO, SHARE: Estimand.RISK, AVERAGE_Z: Estimand.MEAN}
_MEANING = {
    SHARE: "share of specifications whose score test excludes no difference on the side of their median",
    AVERAGE_Z: "mean z of the specifications' score tests (Stouffer)",
}


def _joint(name: str, value: float, p: float, test: JointTest, level: float) -> Estimate:
    kind = _KINDS[name]
    return Estimate(
        estimand=kind,
        value=value,
        interval=Interval(kind.lowest, kind.highest, level),
        method=f"{_MEANING[name]}, {METHOD}; p by {test.permutations} joint shuffles of labels",
        support={"permutations": test.permutations},
        id=name,
        design="every specification the plan lists",
        p_value=p,
        caveats=("It describes the curve and has no confidence interval.",),
    )


def _nothing(name: str, kind: Estimand, parts: tuple[Estimate, ...], level: float) -> Estimate:
    events = max((part.support.get("events", 0) for part in parts), default=0)
    reason = (
        f"None of the {len(parts)} specifications has an estimate; the one with the most failures has {events}, and "
        "each needs at least one AI-assisted and one other failure among deployments that can be compared."
    )
    found = not_estimable(kind, reason, method=METHOD, level=level, support={"specifications": len(parts)})
    return found.named(name, parts=parts if name == MEDIAN else ())


class _Told:
    """Counts what is done, for whoever wants to know."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self.progress, self.total, self.done = progress, total, 0

    def each(self, found: Iterator[Estimate]) -> Iterator[Estimate]:
        for item in found:
            self.done += 1
            if self.progress:
                self.progress(self.done, self.total)
            yield item

    def after(self, done: int) -> Progress | None:
        progress = self.progress
        return (lambda more, _: progress(done + more, self.total)) if progress else None
