"""Does the answer rest on labels that were looked up because something had gone wrong?

Whoever looks into an incident also looks for AI, and nobody looks into a quiet change. Where finding AI depends on the
outcome, AI-assisted changes fail more often even if AI does nothing (detection bias; Rothman, Greenland & Lash 2008,
Modern Epidemiology, 3rd ed., ch. 9, differential misclassification).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import pandas as pd

from counterfault.cells import Cells
from counterfault.estimate import Estimate
from counterfault.estimating.effects import planned_contrast
from counterfault.estimating.study import Study

LATE = "late_events"  # column of the cells: failures whose label was written after their incident had begun
SPREAD = ("exposure_hours", "chance_events")
AS_HUMAN = "late labels read as human"


@dataclass(frozen=True)
class WithoutLateLabels:
    """The primary estimate without the failed deployments whose label was written after their incident had begun.

    What would such a label have been, had nobody looked? Where an unlabelled change is kept as unknown, the deployment
    would have stayed outside the contrast, and leaving it out is right. Where whatever shows no sign of AI counts as
    human, it would have been human: leaving it out then takes the failures of hidden AI from the human side and leaves
    its successes there, so a ratio above 1 survives that nothing caused. The part "late labels read as human" is right
    in that case. Neither tells which case it is; an answer that holds in both does not rest on late labels.

    Parameters
    ----------
    read_as_human : whether the second reading is made too; it costs a second fit.

    Notes
    -----
    Assumes that labels of AI-assisted and of other changes are otherwise written equally soon: where AI labels take
    longer, more AI failures than others are left out, and the ratio falls.
    """

    read_as_human: bool = True

    def __call__(self, study: Study, primary: Estimate) -> Estimate | None:
        """None where the deployments have no column ``label_recorded_at``.

        Parameters
        ----------
        study : deployments of the contrast, with ``late_events``.
        primary : the estimate of all; repeated where no label is late, so that nothing is fitted twice.

        Returns
        -------
        Estimate ``label_error.without_late_labels``; its ``support`` adds ``late_exposed_events`` and
        ``late_unexposed_events``, the failures of either group that lost their label.
        """
        cells = study.cells
        if LATE not in cells.frame:
            return None
        late = late_failures(cells)
        if not sum(late.values()):
            return _named(primary, late, parts=(), told="No failure has a label that was written after its incident.")
        parts = (self._again(study, late_read_as_human(cells), AS_HUMAN),) if self.read_as_human else ()
        return _named(self._again(study, without_late(cells), "all"), late, parts, _told(late))

    def _again(self, study: Study, cells: Cells, label: str) -> Estimate:
        found = planned_contrast(cells, study.plan, study.confounders, study.level)
        return replace(found, label=label, parts=())


def late_failures(cells: Cells) -> dict[str, int]:
    """How many failed deployments of either group have a label written after their incident began."""
    frame = cells.frame
    exposed = frame["exposed"] == 1
    return {
        "late_exposed_events": int(frame.loc[exposed, LATE].sum()),
        "late_unexposed_events": int(frame.loc[~exposed, LATE].sum()),
    }


def without_late(cells: Cells) -> Cells:
    """The cells without the deployments of a late label."""
    kept = _fewer(cells.frame, cells.frame["n"] - cells.frame[LATE], cells.frame["events"] - cells.frame[LATE])
    return Cells(kept[kept["n"] > 0].reset_index(drop=True), cells.strata, cells.cluster)


def late_read_as_human(cells: Cells) -> Cells:
    """The cells with every deployment of a late label among the unexposed."""
    frame, late = cells.frame, cells.frame[LATE]
    stayed = _fewer(frame, frame["n"] - late, frame["events"] - late)
    both = pd.concat([stayed, _fewer(frame, late, late).assign(exposed=0)])
    sums = ["n", "events", *(name for name in SPREAD if name in both)]
    keys = [name for name in both.columns if name not in sums]
    summed = both[both["n"] > 0].groupby(keys, observed=True)[sums].sum().reset_index()
    return Cells(summed, cells.strata, cells.cluster)


def _fewer(frame: pd.DataFrame, n: pd.Series[int], events: pd.Series[int]) -> pd.DataFrame:
    """The same cells with fewer deployments; time and chance of a link are shared out evenly within each."""
    share = n / frame["n"]
    spread = {name: frame[name] * share for name in SPREAD if name in frame}
    return frame.drop(columns=LATE).assign(n=n, events=events, **spread)


def _named(found: Estimate, late: dict[str, int], parts: tuple[Estimate, ...], told: str) -> Estimate:
    return found.named(
        "label_error.without_late_labels",
        outcome="at least one incident tied to the deployment",
        support={**found.support, **late},
        parts=parts,
        caveats=(*found.caveats, told),
    )


def _told(late: dict[str, int]) -> str:
    ai, human = late.values()
    return (
        f"{ai} AI-assisted and {human} other failures are left out, because their label was written after the incident "
        "had begun."
    )
