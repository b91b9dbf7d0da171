"""Would the unlabelled changes turn the answer, whichever way they are counted?"""

from __future__ import annotations

from dataclasses import dataclass

from counterfault.counting.labels_read import UnknownRead, unknown_read
from counterfault.estimate import Estimate
from counterfault.estimating.effects import planned_contrast
from counterfault.estimating.study import Study

READINGS = {"ai": "AI-assisted", "human": "not AI-assisted"}


@dataclass(frozen=True)
class UnknownAsEither:
    """The primary estimate with every change of unknown label read as AI-assisted, and with every one read as not.

    Two readings and not bounds in the strict sense: the ratio can lie outside them if unknown labels hide AI exactly
    where changes failed and humans where they did not. They are what a blanket rule for unlabelled changes would give.
    """

    def __call__(self, study: Study, primary: Estimate) -> tuple[Estimate, ...]:
        """Estimates ``label_error.unknown_as_ai`` and ``label_error.unknown_as_human``.

        Parameters
        ----------
        study : deployments that only their unknown label keeps out of the contrast join it.
        primary : repeated where no label is unknown.
        """
        read = unknown_read(study.counted.rows, study.plan, study.confounders)
        return tuple(self._reading(study, primary, read, label) for label in READINGS)

    def _reading(self, study: Study, primary: Estimate, read: UnknownRead, label: str) -> Estimate:
        found, told = primary, "no change is unlabelled"
        if read.unknown:
            found = planned_contrast(read.as_label[label], study.plan, study.confounders, study.level)
            told = f"all {read.unknown} unlabelled changes ({read.failed} failed) are read as {READINGS[label]}"
        return found.named(
            f"label_error.unknown_as_{label}",
            outcome="at least one incident tied to the deployment",
            support={**found.support, "unknown": read.unknown, "unknown_events": read.failed},
            label=f"unknown as {label}",
            parts=(),
            caveats=(*found.caveats, f"{told[0].upper()}{told[1:]}."),
        )
