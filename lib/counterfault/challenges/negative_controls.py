"""Negative controls: ratios that ought to be 1, because AI assistance can have no part in them.

Lipsitch, Tchetgen Tchetgen and Cohen (2010), Epidemiology 21:383: an outcome the exposure cannot cause, or an exposure
that cannot cause the outcome, but that shares the sources of bias, shows the bias.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from counterfault.cells import Cells
from counterfault.challenges.calibration import calibrated, pooled_controls, systematic_error
from counterfault.challenges.contrast import (
    FEWEST_EVENTS,
    contrast_on,
    planned_contrast,
    ratio_that_should_be_1,
)
from counterfault.counting import Counted
from counterfault.counting.control_cells import cells_before, cells_of_harmless, cells_of_other_causes
from counterfault.estimate import Estimand, Estimate, not_estimable
from counterfault.estimating.study import Study
from counterfault.estimators.one_thread import on_one_thread

OTHER_CAUSES = "an incident of another known cause in the window after it"
HARMLESS = "at least one incident tied to the deployment, which cannot matter"


@dataclass(frozen=True)
class IncidentsOfOtherCause:
    """The planned contrast on incidents that people attribute to something other than a change."""

    adjust_for: tuple[str, ...] = ()

    def __call__(self, counted: Counted, level: float = 0.95) -> Estimate | None:
        """None where the incidents have no column ``cause`` to tell them by."""
        if "control_events" not in counted.outcomes:
            return None
        return contrast_on(counted, "control_events", self.adjust_for, level).named(
            "negative_control.risk_ratio", outcome=OTHER_CAUSES
        )


@dataclass(frozen=True)
class Controls:
    """Many controls, what they average, how far they scatter, and the primary ratio with that scatter allowed for.

    The plan's ``challenges.negative_controls`` says which: incidents no change caused, one control per failure mode;
    incidents in each of several windows before the deployment; and deployments that cannot matter. Each is estimated
    as the primary ratio is.

    Parameters
    ----------
    fewest_events : deployments with an event that a control needs.

    Notes
    -----
    Calling it with a study and its primary estimate returns ``negative_control.incidents.<value>``,
    ``negative_control.before.<number>`` and ``negative_control.deployments.<value>``, then
    ``negative_control.pooled``, ``negative_control.systematic_error`` and ``primary.calibrated``
    (:mod:`~counterfault.challenges.calibration`). A kind of control that these data do not have is one estimate
    without a value, ``negative_control.incidents`` or ``negative_control.deployments``.
    """

    fewest_events: int = FEWEST_EVENTS

    @on_one_thread
    def __call__(self, study: Study, primary: Estimate) -> tuple[Estimate, ...]:
        controls = tuple(self.each(study))
        enough = study.plan.challenges.negative_controls.enough
        return (
            *controls,
            pooled_controls(controls, enough, study.level),
            systematic_error(controls, enough, study.level),
            calibrated(primary, controls, enough, study.level),
        )

    def each(self, study: Study) -> Iterator[Estimate]:
        """The controls one by one."""
        yield from self._other_causes(study)
        yield from self._before(study)
        yield from self._harmless(study)

    def _other_causes(self, study: Study) -> Iterator[Estimate]:
        id, what = "negative_control.incidents", "incidents no change caused"
        if "control_events" not in study.counted.outcomes:
            yield _absent(id, what, "the incidents have no column cause", study)
            return
        counted = study.counted
        cells = cells_of_other_causes(counted.rows, counted.cells, study.linked, study.plan, study.confounders)
        if not cells:
            reason = f"none followed a deployment of the contrast; it takes {self.fewest_events}"
            yield _absent(id, what, reason, study)
        for slice_id, name, found in self._estimated(id, cells.items(), study):
            yield found.named(slice_id, label=f"other causes: {name}", outcome=OTHER_CAUSES)

    def _before(self, study: Study) -> Iterator[Estimate]:
        hours = study.plan.outcome.window_hours
        cells = cells_before(study.counted.rows, study.linked, study.plan, study.confounders)
        names = ((str(number), each) for number, each in cells.items())
        for id, name, found in self._estimated("negative_control.before", names, study):
            span = f"{(int(name) - 1) * hours:g} to {int(name) * hours:g} h before"
            yield found.named(id, label=span, outcome=f"an incident of the service {span} it")

    def _harmless(self, study: Study) -> Iterator[Estimate]:
        id, what = "negative_control.deployments", "deployments that cannot matter"
        cells = cells_of_harmless(study.counted.rows, study.linked, study.plan, study.confounders)
        if not cells:
            cells = f"the contrast has none; it takes {self.fewest_events} with an incident"
        if isinstance(cells, str):
            yield _absent(id, what, cells, study)
            return
        for slice_id, name, found in self._estimated(id, cells.items(), study):
            yield found.named(slice_id, label=f"cannot matter: {name}", outcome=HARMLESS)

    def _estimated(
        self, kind: str, named: Iterable[tuple[str, Cells]], study: Study
    ) -> Iterator[tuple[str, str, Estimate]]:
        contrast, taken = planned_contrast(study), set[str]()
        for name, cells in named:
            id = _free(f"{kind}.{_slug(name)}", taken)
            taken.add(id)
            yield id, name, ratio_that_should_be_1(contrast, cells, study.level, self.fewest_events)


def _absent(id: str, label: str, reason: str, study: Study) -> Estimate:
    answer = not_estimable(
        Estimand.RISK_RATIO, reason, method="not computed: nothing to compare", level=study.level, label=label
    )
    return answer.named(id)


def _slug(name: str) -> str:
    """A value as part of an id: lower case, digits, and _ for everything else."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "value"


def _free(id: str, taken: set[str]) -> str:
    """The id, numbered where "Docs" and "docs" would share one."""
    number = 2
    wanted = id
    while id in taken:
        id, number = f"{wanted}_{number}", number + 1
    return id
