"""Could something nobody measured explain the answer, and how does that compare with what was measured?

Two scales, since neither says everything. On ratios, the E-value asks nothing of the confounder's form, and the
measured confounders are read in the same unit. In the linear model, the robustness value and its benchmarks compare an
unmeasured confounder with each measured one without guessing at units at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import inf
from typing import Self

from counterfault.cells import Cells
from counterfault.challenges.e_value import e_values
from counterfault.challenges.linear_risk import linear_risk
from counterfault.challenges.linear_sensitivity import ID, LIMIT_ID, METHOD, LinearSensitivity
from counterfault.challenges.measured_confounders import WithoutEach
from counterfault.display import settings_html
from counterfault.estimate import Estimand, Estimate, not_estimable
from counterfault.estimating.study import Study
from counterfault.estimators.one_thread import on_one_thread
from counterfault.estimators.poisson.regression_problem import NotComparableError
from counterfault.estimators.poisson.within_strata import clusters_in, design_of
from counterfault.plan import Plan

LINEAR = (
    "Asked of the risk difference of a linear model over all strata, because only there is the bias of a confounder "
    "left out known in closed form; the headline is a ratio and weighs strata otherwise."
)


@dataclass(frozen=True)
class UnmeasuredConfounding:
    """How strong would an unmeasured confounder have to be, and how strong are the measured ones?

    Parameters
    ----------
    multiples : how many times as strong as each measured confounder the unmeasured one is supposed to be.
    worth_acting_on : the plan's threshold for ratios.

    Examples
    --------
    >>> e_value, *others = cf.UnmeasuredConfounding()(study, primary)
    """

    multiples: tuple[float, ...] = (1.0, 2.0, 3.0)
    worth_acting_on: float = 1.25

    _repr_html_ = settings_html

    @classmethod
    def of(cls, plan: Plan) -> Self:
        """The settings a plan promises."""
        return cls(plan.challenges.unmeasured.multiples, plan.decision.worth_acting_on)

    @on_one_thread
    def __call__(self, study: Study, primary: Estimate) -> tuple[Estimate, ...]:
        """E-values, robustness values and what each measured confounder does.

        Parameters
        ----------
        study : its cells and the confounders its tables have.
        primary : a risk ratio, as the verdict reads it.

        Returns
        -------
        Estimates ``confounding.e_value``, ``confounding.e_value.limit``, ``confounding.robustness_value``,
        ``confounding.robustness_value.limit``, ``confounding.without.<covariate>`` and ``confounding.without.strata``.

        Raises
        ------
        ValueError
            Where the primary estimate is not a risk ratio.
        """
        return (
            *e_values(primary, self.worth_acting_on),
            *self.robustness(study.cells, study.confounders, study.level),
            *WithoutEach(study.confounders)(study.cells, study.level),
        )

    def robustness(self, cells: Cells, adjust_for: tuple[str, ...], level: float) -> tuple[Estimate, Estimate]:
        """The robustness value of the risk difference and of its limit nearer zero, with benchmarks as parts.

        Parameters
        ----------
        cells : the deployments of the contrast.
        adjust_for : the measured confounders, all held fixed.
        level : of the limit.

        Returns
        -------
        The first has two kinds of parts: per confounder how many times as strong an unmeasured one has to be, and per
        confounder and multiple the risk difference that would be left. The second has the published version as its
        part, with the classical error.
        """
        try:
            fit = linear_risk(cells, adjust_for)
        except NotComparableError as reason:
            silent = _silent(str(reason), cells, level)
            found = (silent.named(ID), silent.named(LIMIT_ID))
        else:
            found = self._answers(LinearSensitivity.of(fit, level))
        value, limit = (
            replace(item, support={**item.support, "clusters": clusters_in(cells)}, design=design_of(cells))
            for item in found
        )
        return replace(value, adjustment=adjust_for), replace(limit, adjustment=adjust_for)

    def _answers(self, asked: LinearSensitivity) -> tuple[Estimate, Estimate]:
        strengths = [asked.strength(benchmark) for benchmark in asked.fit.benchmarks]
        left = [asked.left(benchmark, times) for benchmark in asked.fit.benchmarks for times in self.multiples]
        value = asked.value()
        caveats = (asked.in_words(), *_strongest(strengths), LINEAR, *asked.notes)
        return replace(value, parts=(*strengths, *left), caveats=caveats), asked.limit()


def _strongest(strengths: list[Estimate]) -> Iterator[str]:
    """The sentence that compares with the measured confounder that needs the smallest multiple."""
    if not strengths:
        yield "No confounder of the plan was measured, so there is none to compare an unmeasured one with."
        return
    nearest = min(strengths, key=lambda item: item.value)
    name = nearest.label.replace("_", " ")
    if nearest.value == inf:
        yield "No measured confounder is related to both exposure and failure, so none is a yardstick."
        return
    limit = nearest.interval.low
    of_limit = f"and {_times(limit)} for its limit" if limit > 0 else "and its interval holds no difference as it is"
    yield (
        f"An unmeasured confounder would have to be {_times(nearest.value)} as strong as {name}, the strongest "
        f"measured one, to bring the estimate to no difference, {of_limit}."
    )


def _times(multiple: float) -> str:
    return f"{multiple:,.0f} times" if multiple >= 10 else f"{multiple:.1f} times"


def _silent(reason: str, cells: Cells, level: float) -> Estimate:
    support = cells.two_by_two().support()
    return not_estimable(Estimand.ROBUSTNESS_VALUE, reason, method=METHOD, level=level, support=support)
