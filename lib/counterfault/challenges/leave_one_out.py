"""Would one service alone have given us this answer?"""

from __future__ import annotations

from dataclasses import dataclass, replace

from counterfault.cells import Cells
from counterfault.estimate import Estimate
from counterfault.estimators.tables import stratified


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
        # Mantel–Haenszel knows no covariates, so their levels are summed once and not once for every name.
        keys = list(dict.fromkeys((*cells.strata, self.column, "exposed")))
        summed = replace(cells, frame=cells.frame.groupby(keys)[["n", "events"]].sum().reset_index())
        return tuple(self._without(summed, name, level) for name in names)

    def _without(self, cells: Cells, name: str, level: float) -> Estimate:
        rest = replace(cells, frame=cells.frame[cells.frame[self.column] != name])
        return replace(stratified.risk_ratio(rest, level), label=f"without {name}", parts=())
